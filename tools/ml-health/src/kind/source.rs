//! Where a document comes from: an endpoint, a file, or all files of a pattern.

use super::http::{BODY_MAX, Request};
use super::{Args, Look, Opening, Param, ParamKind, Unseen};
use jiff::Timestamp;
use ml_common::record::Scalar;
use ml_common::{Class, Failure, Result, deadline};
use std::io::Read;
use std::path::{Path, PathBuf};

/// `url`, where a file could be read as well.
pub const URL: Param = Param { name: "url", kind: ParamKind::Url, required: false, default: None, doc: "what to ask, or else:" };
/// `file`.
pub const FILE: Param =
    Param { name: "file", kind: ParamKind::Path, required: false, default: None, doc: "the file to read, at most 4 MiB" };

/// Where to read.
pub enum Source {
    /// Asked by HTTP.
    Url(Box<Request>),
    /// Read.
    File(PathBuf),
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
    /// From `url` or `file`.
    ///
    /// # Errors
    /// Class Config when neither or both are given, or the request makes no sense.
    pub fn open(accept: &str, args: &Args, opening: &Opening<'_>) -> Result<Source> {
        match (args.text("url"), args.text("file")) {
            (Some(url), None) => Ok(Source::Url(Box::new(Request::open(url, accept, args, opening)?))),
            (None, Some(path)) => Ok(Source::File(path.into())),
            (Some(_), Some(_)) => Err(Failure::new(Class::Config, "both url and file are given").hint("leave one out")),
            (None, None) => Err(Failure::new(Class::Config, "neither url nor file is given").hint("give one of them")),
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
                // A mount that hangs, or a pipe under the file's name, costs the deadline and no more.
                let read = deadline::within(look.left(), move || file(&at, now));
                let late = || Failure::new(Class::General, format!("{} cannot be read in time", path.display())).hint("check the mount");
                Ok(read.ok_or_else(late)??)
            }
        }
    }
}

fn file(path: &Path, now: Timestamp) -> Result<Document> {
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "check that what writes it has run, and the path",
            std::io::ErrorKind::PermissionDenied => "let the user of this check read it",
            _ => "check the path and the disk",
        };
        Failure::new(Class::General, format!("reading {}: {error}", path.display())).hint(hint)
    };
    let open = std::fs::File::open(path).map_err(failed)?;
    let changed = open.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| Timestamp::try_from(time).ok());
    let mut body = Vec::new();
    open.take(BODY_MAX + 1).read_to_end(&mut body).map_err(failed)?;
    if body.len() as u64 > BODY_MAX {
        return Err(
            Failure::new(Class::General, format!("{} is longer than {} MiB", path.display(), BODY_MAX >> 20)).hint("read less of it")
        );
    }
    let mut facts = vec![("bytes", Scalar::from(body.len()))];
    facts.extend(changed.map(|changed| ("age_s", Scalar::from(now.duration_since(changed).as_secs_f64().max(0.0)))));
    Ok(Document { body, from: path.display().to_string(), facts })
}
