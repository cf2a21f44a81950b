//! An S3-compatible store: requests signed by rusty-s3, sent by our own client.
//!
//! Every object carries its SHA-256 as a checksum that the store verifies on arrival (where it knows how) and as metadata. Afterwards size and
//! checksum are asked back; a store that keeps no checksum has the object read back whole instead.

use super::multipart;
use super::s3_answer::{self, Told};
use super::{State, Store, There, conflict};
use crate::files::Local;
use ml_common::files::{self, Hashing};
use ml_common::http::{self, Client, Response};
use ml_common::signal::Cancel;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, redact};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::io::Write;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// A signature is good for so long; retries of one request stay far below.
pub(super) const SIGNED_FOR: Duration = Duration::from_secs(3600);

/// Read back and brought back in pieces of this size.
const PIECE: u64 = 8 << 20;

/// Parts are larger only where ten thousand of this size would not do.
pub(super) const PART: u64 = 8 << 20;

pub struct S3<'a> {
    client: Client,
    last: Client,
    pub(super) bucket: Bucket,
    pub(super) credentials: Credentials,
    prefix: String,
    shown: String,
    pub(super) cancel: &'a Cancel,
}

impl<'a> S3<'a> {
    /// # Errors
    /// Class Config when keys are missing or the endpoint is not a URL.
    pub fn open(bucket: &str, prefix: &str, stage: &'a Stage) -> Result<S3<'a>> {
        let settings = &stage.settings;
        let region = settings.text("AWS_REGION").to_owned();
        let endpoint = settings.get("PUSH_S3_ENDPOINT").map_or_else(|| format!("https://s3.{region}.amazonaws.com"), str::to_owned);
        http::check_url(&endpoint).map_err(|failure| failure.context("PUSH_S3_ENDPOINT"))?;
        let secret = |name: &str| {
            settings.get(name).map(str::to_owned).ok_or_else(|| {
                Failure::new(Class::Storage, format!("{name} is not set, and {endpoint} wants to know who asks"))
                    .hint(format!("set {name}, or {name}_FILE to the name of a file that holds it"))
            })
        };
        let (key, secret_key) = (secret("AWS_ACCESS_KEY_ID")?, secret("AWS_SECRET_ACCESS_KEY")?);
        let credentials = match settings.get("AWS_SESSION_TOKEN") {
            Some(token) => Credentials::new_with_token(key, secret_key, token),
            None => Credentials::new(key, secret_key),
        };
        let invalid = || Failure::new(Class::Config, "PUSH_S3_ENDPOINT is not a valid URL").hint("write it as https://host:port");
        let url = endpoint.parse().map_err(|_| invalid())?;
        let bucket = Bucket::new(url, UrlStyle::Path, bucket.to_owned(), region).map_err(|_| invalid())?;
        let options = http::Options {
            // The slowest line that is still useful: 64 KiB a second.
            timeout: Duration::from_secs(60 + PART / (64 << 10)),
            attempts: 5,
            body_limit: PIECE,
            ..http::Options::default()
        };
        let last = http::Options { timeout: Duration::from_secs(10), attempts: 1, ..options.clone() };
        let (client, last) = (Client::new(options, &|name| stage.env(name)), Client::new(last, &|name| stage.env(name)));
        let shown = format!("s3://{}/{prefix}", bucket.name());
        Ok(S3 { client, last, bucket, credentials, prefix: prefix.to_owned(), shown, cancel: &stage.cancel })
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Sends a request with headers, all of them signed.
    pub(super) fn send<'x, A: S3Action<'x>>(&self, mut action: A, headers: &[(&'static str, String)], body: &[u8]) -> Result<Response> {
        self.cancel.check()?;
        for (name, value) in headers {
            action.headers_mut().insert(*name, value.clone());
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.send_signed(A::METHOD.to_str(), action.sign(SIGNED_FOR).as_str(), &headers, body)
    }

    /// Sends a request and waits for the answer, or for a signal: what hangs then is left to end with the process.
    pub(super) fn send_signed(&self, method: &'static str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        let (client, url, body) = (self.client.clone(), url.to_owned(), body.to_vec());
        let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (answered, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            // Nobody may be waiting any more.
            let _ = answered.send(client.request(method, &url, &headers, &body));
        });
        loop {
            self.cancel.check()?;
            match answer.recv_timeout(Duration::from_millis(50)) {
                Ok(answer) => return answer.map_err(unreachable),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::new(Class::Internal, "a request ended without a result")),
            }
        }
    }

    /// The same for what has to be tidied up after a signal, too: once, and not for long.
    pub(super) fn send_last(&self, method: &str, url: &str) -> Result<Response> {
        self.last.request(method, url, &[], &[]).map_err(unreachable)
    }

    pub(super) fn doing(&self, what: &str, name: &str) -> String {
        format!("{what} {}{name}", self.shown)
    }

    /// The head of an object; None when there is none.
    fn head(&self, name: &str) -> Result<Option<Response>> {
        let key = self.key(name);
        let action = self.bucket.head_object(Some(&self.credentials), &key);
        let answer = self.send(action, &[("x-amz-checksum-mode", "ENABLED".to_owned())], &[])?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(self.refused(&answer, name)),
        }
    }

    /// The answer to a HEAD has no body: the same question as a list tells why.
    fn refused(&self, answer: &Response, name: &str) -> Failure {
        let doing = self.doing("looking for", name);
        if answer.status < 500 && answer.body.is_empty() {
            let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
            list.with_prefix(self.key(name));
            list.with_max_keys(1);
            if let Ok(told) = self.send(list, &[], &[])
                && !told.is_success()
            {
                return s3_answer::failure(&told, &doing);
            }
        }
        s3_answer::failure(answer, &doing)
    }

    /// Holds an object against the file: by the store's checksum, else by reading it back.
    fn holds(&self, file: &Local, parts: Option<&str>) -> Result<(State, &'static str)> {
        let Some(head) = self.head(&file.name)? else { return Ok((State::Missing, "")) };
        Ok(match s3_answer::compare(&head, file.bytes, &file.sha256, parts) {
            Told::Same => (State::Same, "checksum"),
            Told::Other(how) => (State::Other(how), "checksum"),
            Told::Unknown => {
                let mut hashing = Hashing::new(std::io::sink());
                self.read_object(&file.name, &mut hashing)?;
                let (_, sha256, bytes) = hashing.finish();
                let same = (sha256 == file.sha256) && bytes == file.bytes;
                let how = "with other bytes (SHA-256), as read back";
                (if same { State::Same } else { State::Other(how.into()) }, "read back")
            }
        })
    }

    /// Reads an object in pieces, each of which is asked for again when it does not come; None when there is no such object.
    fn read_object(&self, name: &str, out: &mut dyn Write) -> Result<Option<()>> {
        let key = self.key(name);
        let (mut at, mut version): (u64, Option<String>) = (0, None);
        loop {
            self.cancel.check()?;
            let url = self.bucket.get_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
            let range = format!("bytes={at}-{}", at + PIECE - 1);
            let mut headers = vec![("range", range.as_str())];
            headers.extend(version.as_deref().map(|version| ("if-match", version)));
            let answer = self.send_signed("GET", url.as_str(), &headers, &[])?;
            match answer.status {
                404 if at == 0 => return Ok(None),
                // Past the end, which an empty object is from its first byte on.
                416 => return Ok(Some(())),
                200 if answer.truncated => {
                    return Err(
                        Failure::new(Class::Storage, self.doing("the store does not give parts of", name)).hint("use another store")
                    );
                }
                200 | 206 => {}
                _ => return Err(s3_answer::failure(&answer, &self.doing("reading", name))),
            }
            out.write_all(&answer.body).map_err(|error| files::storage(&error, name.as_ref(), "cannot write"))?;
            let whole = answer.header("content-range").and_then(|range| range.rsplit('/').next()?.parse::<u64>().ok());
            version = version.or(answer.header("etag").map(str::to_owned));
            at += answer.body.len() as u64;
            if answer.status == 200 || answer.body.is_empty() || whole.is_some_and(|whole| at >= whole) {
                return Ok(Some(()));
            }
        }
    }

    /// Gives the checksum of the parts, if it was sent in parts.
    fn send_file(&self, file: &Local, over: &State) -> Result<Option<String>> {
        if file.bytes > PART {
            return multipart::send(self, file, over).map(Some);
        }
        let bytes = std::fs::read(&file.path).map_err(|error| files::storage(&error, &file.path, "cannot read"))?;
        self.put_small(file, &bytes, over).map(|()| None)
    }

    fn put_small(&self, file: &Local, bytes: &[u8], over: &State) -> Result<()> {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
        if files::hex(&digest) != file.sha256 {
            return Err(changed_meanwhile(file));
        }
        let key = self.key(&file.name);
        let mut headers = vec![("x-amz-checksum-sha256", s3_answer::checksum(&digest)), ("x-amz-meta-sha256", file.sha256.clone())];
        if *over == State::Missing {
            headers.insert(0, ("if-none-match", "*".to_owned()));
        }
        let mut answer = self.send(self.bucket.put_object(Some(&self.credentials), &key), &headers, bytes)?;
        if answer.status == 501 && *over == State::Missing {
            // A store that does not know the condition says so.
            headers.remove(0);
            answer = self.send(self.bucket.put_object(Some(&self.credentials), &key), &headers, bytes)?;
        }
        match answer.status {
            200..300 => Ok(()),
            409 | 412 => Err(self.appeared(file)),
            _ => Err(s3_answer::failure(&answer, &self.doing("writing", &file.name))),
        }
    }

    pub(super) fn appeared(&self, file: &Local) -> Failure {
        conflict(&file.name, &self.shown, "it appeared while this one was on its way")
    }
}

/// The store that is down is where backups are kept: its failures are of that class.
fn unreachable(failure: Failure) -> Failure {
    Failure { class: Class::Storage, ..failure }
}

/// The file was hashed before it was sent.
pub(super) fn changed_meanwhile(file: &Local) -> Failure {
    Failure::new(Class::Storage, format!("{} changed while it was sent", file.path.display())).hint("push it when nobody writes to it")
}

impl Store for S3<'_> {
    fn list(&mut self) -> Result<Vec<There>> {
        let (mut all, mut token): (Vec<There>, Option<String>) = (Vec::new(), None);
        loop {
            let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
            list.with_prefix(self.prefix.clone());
            list.with_delimiter("/");
            if let Some(token) = &token {
                list.with_continuation_token(token.clone());
            }
            let answer = self.send(list, &[], &[])?;
            if !answer.is_success() {
                return Err(s3_answer::failure(&answer, &self.doing("listing", "")));
            }
            let page = ListObjectsV2::parse_response(&answer.text()).map_err(|error| {
                let why = redact::scrub(&error.to_string()).into_owned();
                Failure::new(Class::Storage, format!("{}: {why}", self.doing("cannot read the list of", ""))).hint("check PUSH_S3_ENDPOINT")
            })?;
            let name = |key: String| key.strip_prefix(&self.prefix).map(str::to_owned).filter(|name| !name.is_empty());
            all.extend(page.contents.into_iter().filter_map(|object| Some(There { name: name(object.key)?, bytes: object.size })));
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    fn state(&mut self, file: &Local) -> Result<State> {
        let parts = if file.bytes > PART { Some(multipart::checksum_of_parts(file, self.cancel)?) } else { None };
        self.holds(file, parts.as_deref()).map(|(state, _)| state)
    }

    fn put(&mut self, file: &Local, over: &State) -> Result<&'static str> {
        let parts = match self.send_file(file, over) {
            Ok(parts) => parts,
            // The answer may have been lost while the file arrived: then the second try finds it there.
            Err(failure) => return if matches!(self.state(file), Ok(State::Same)) { Ok("asked again") } else { Err(failure) },
        };
        match self.holds(file, parts.as_deref())? {
            (State::Same, by) => Ok(by),
            (State::Missing, _) => {
                Err(Failure::new(Class::Storage, self.doing("the store took and does not have", &file.name))
                    .hint("look into the store's log"))
            }
            // Our own object, not somebody's: it must not stay under a name that promises more.
            (State::Other(how), _) => {
                self.remove(&file.name)?;
                Err(Failure::new(Class::Storage, format!("{} as something else: {how}", self.doing("the store keeps", &file.name)))
                    .hint("it was removed there; check the store's disks, and push again"))
            }
        }
    }

    fn read(&mut self, name: &str, out: &mut dyn Write) -> Result<Option<()>> {
        self.read_object(name, out)
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let key = self.key(name);
        let answer = self.send(self.bucket.delete_object(Some(&self.credentials), &key), &[], &[])?;
        if answer.is_success() { Ok(()) } else { Err(s3_answer::failure(&answer, &self.doing("removing", name))) }
    }
}
