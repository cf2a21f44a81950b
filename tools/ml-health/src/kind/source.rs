//! Where a document comes from: an endpoint, a file, or all files of a pattern.

use super::declare::unseen;
use super::files::closed;
use super::http::{BODY_MAX, Request};
use super::{Args, Look, Opening, Param, ParamKind, Unseen};
use jiff::Timestamp;
use ml_common::record::Scalar;
use ml_common::{Class, Failure, OrFail, Result, deadline};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `url`, where a file could be read as well.
pub const URL: Param = Param { name: "url", kind: ParamKind::Url, required: false, default: None, doc: "the endpoint to ask; or `file`" };
/// `file`.
pub const FILE: Param =
    Param { name: "file", kind: ParamKind::Path, required: false, default: None, doc: "the file to read, at most 4 MiB" };

/// `files`.
pub const FILES: Param = Param {
    name: "files",
    kind: ParamKind::Path,
    required: false,
    default: None,
    doc: "a pattern of files, such as logs/archive/performance_*.json: the filters get an array of their documents, the oldest first, 4 MiB in \
          all",
};
/// `newer`.
pub const NEWER: Param = Param {
    name: "newer",
    kind: ParamKind::Duration,
    required: false,
    default: None,
    doc: "of `files`, only those last written within this time, such as 7d",
};

/// Where to read.
pub enum Source {
    /// Asked by HTTP.
    Url(Box<Request>),
    /// Read.
    File(PathBuf),
    /// All that fit the pattern, or those written in that time.
    Files(String, Option<Duration>),
}

/// What was read.
pub struct Document {
    /// All of it.
    pub body: Vec<u8>,
    /// `GET http://localhost:8088`, or the file's path.
    pub from: String,
    /// What is known besides: `latency_ms` of an answer, `age_s` of a file, `bytes`.
    pub facts: Vec<(&'static str, Scalar)>,
}

impl Source {
    /// From `url`, `file` or `files`.
    ///
    /// # Errors
    /// Class Config when not just one of them is given, or the request or pattern makes no sense.
    pub fn open(accept: &str, args: &Args, opening: &Opening<'_>) -> Result<Source> {
        match (args.text("url"), args.text("file"), args.text("files")) {
            (Some(url), None, None) => Ok(Source::Url(Box::new(Request::open(url, accept, args, opening)?))),
            (None, Some(path), None) => Ok(Source::File(path.into())),
            (None, None, Some(pattern)) => {
                glob::Pattern::new(pattern).or_fail(Class::Config, || "the pattern of files is not valid")?;
                Ok(Source::Files(pattern.to_owned(), args.duration("newer")))
            }
            (None, None, None) => Err(Failure::new(Class::Config, "neither url nor file is given").hint("give one of them")),
            _ => Err(Failure::new(Class::Config, "of url, file and files more than one is given").hint("leave one")),
        }
    }

    /// Reads the document.
    ///
    /// # Errors
    /// When there is none, or not in time.
    pub fn read(&self, look: &mut Look<'_>) -> std::result::Result<Document, Unseen> {
        match self {
            Source::Url(request) => {
                let answer = request.fetch(look)?;
                let latency = super::milliseconds(answer.latency);
                let facts = vec![("latency_ms", Scalar::from(latency)), ("bytes", Scalar::from(answer.body.len()))];
                Ok(Document { body: answer.body, from: request.shown(), facts })
            }
            Source::File(path) => {
                let (at, now) = (path.clone(), look.now);
                in_time(look, &path.display().to_string(), move || file(&at, now))
            }
            Source::Files(pattern, newer) => {
                let (at, newer, now) = (pattern.clone(), *newer, look.now);
                in_time(look, pattern, move || files(&at, newer, now))
            }
        }
    }
}

/// A mount that hangs, or a pipe under a file's name, costs the deadline and no more.
fn in_time(
    look: &Look<'_>,
    what: &str,
    read: impl FnOnce() -> Result<Document, Unseen> + Send + 'static,
) -> std::result::Result<Document, Unseen> {
    let late = || Failure::new(Class::General, format!("{what} cannot be read in time")).hint("check the mount");
    deadline::within(look.left(), read).ok_or_else(late)?
}

/// An array of the documents, the oldest first. One that is no JSON (half written, or empty after a rotation) is counted and left out.
fn files(pattern: &str, newer: Option<Duration>, now: Timestamp) -> Result<Document, Unseen> {
    closed(pattern)?;
    let found = glob::glob(pattern).or_fail(Class::Config, || "the pattern of files is not valid")?;
    let found = found.map(|path| {
        let path = path.map_err(|error| unseen(error.error(), error.path(), "looking into"))?;
        match path.metadata() {
            Ok(meta) => Ok(written(&meta).filter(|_| meta.is_file()).map(|at| (at, path))),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(unseen(&error, &path, "looking at")),
            // One that is removed at this moment is not there.
            Err(_) => Ok(None),
        }
    });
    let mut found: Vec<(Timestamp, PathBuf)> = found.filter_map(Result::transpose).collect::<Result<_, Unseen>>()?;
    found.retain(|(at, _)| newer.is_none_or(|newer| now.duration_since(*at).unsigned_abs() <= newer || *at > now));
    found.sort();
    let (mut body, mut read, mut bad) = (vec![b'['], 0_usize, 0_usize);
    for (_, path) in &found {
        let one = file(path, now)?.body;
        if serde_json::from_slice::<serde_json::Value>(&one).is_err() {
            bad += 1;
            continue;
        }
        if read > 0 {
            body.push(b',');
        }
        read += 1;
        body.extend_from_slice(&one);
        if body.len() as u64 > BODY_MAX {
            let failure = Failure::new(Class::General, format!("{pattern}: longer than {} MiB together", BODY_MAX >> 20));
            return Err(failure.hint("set newer").into());
        }
    }
    body.push(b']');
    let mut facts = vec![("bytes", Scalar::from(body.len())), ("files", Scalar::from(read)), ("files_bad", Scalar::from(bad))];
    facts.extend(found.last().map(|(at, _)| ("age_s", age(*at, now))));
    Ok(Document { body, from: pattern.to_owned(), facts })
}

fn written(meta: &std::fs::Metadata) -> Option<Timestamp> {
    Timestamp::try_from(meta.modified().ok()?).ok()
}

fn age(written: Timestamp, now: Timestamp) -> Scalar {
    Scalar::from(super::thousandth(now.duration_since(written).as_secs_f64().max(0.0)))
}

fn file(path: &Path, now: Timestamp) -> Result<Document, Unseen> {
    let failed = |error: std::io::Error| -> Unseen {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "check that what writes it has run, and the path",
            std::io::ErrorKind::PermissionDenied => return unseen(&error, path, "reading"),
            _ => "check the path and the disk",
        };
        Failure::new(Class::General, format!("reading {}: {error}", path.display())).hint(hint).into()
    };
    let open = std::fs::File::open(path).map_err(failed)?;
    let changed = open.metadata().ok().and_then(|meta| written(&meta));
    let mut body = Vec::new();
    open.take(BODY_MAX + 1).read_to_end(&mut body).map_err(failed)?;
    if body.len() as u64 > BODY_MAX {
        let failure = Failure::new(Class::General, format!("{} is longer than {} MiB", path.display(), BODY_MAX >> 20));
        return Err(failure.hint("read less of it").into());
    }
    let mut facts = vec![("bytes", Scalar::from(body.len()))];
    facts.extend(changed.map(|changed| ("age_s", age(changed, now))));
    Ok(Document { body, from: path.display().to_string(), facts })
}
