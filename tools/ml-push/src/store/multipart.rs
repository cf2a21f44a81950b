//! Large files in parts: one part in memory at a time, each with its own checksum. What fails is aborted, so that a store keeps (and bills)
//! no parts of nothing; what a killed push has left is aborted by a later one.

use super::State;
use super::s3::{PART, S3, SIGNED_FOR, changed_meanwhile};
use super::s3_answer::{self, composite};
use crate::files::Local;
use jiff::{SignedDuration, Timestamp};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, files};
use rusty_s3::Method;
use rusty_s3::actions::CreateMultipartUpload;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;

/// A store takes no more.
const MOST_PARTS: u64 = 10_000;

/// A push that is at work for longer than this is none.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// The size of the parts of a file, the same each time.
fn part_size(bytes: u64) -> u64 {
    let needed = bytes.div_ceil(MOST_PARTS);
    PART.max(needed.div_ceil(1 << 20) << 20)
}

/// Calls `each` with the parts of a file; fails when the file is no longer what it was.
fn parts(file: &Local, cancel: &Cancel, mut each: impl FnMut(&[u8], [u8; 32]) -> Result<()>) -> Result<()> {
    let unreadable = |error: std::io::Error| files::storage(&error, &file.path, "cannot read");
    let mut source = File::open(&file.path).map_err(unreadable)?;
    let (size, mut left) = (part_size(file.bytes), file.bytes);
    let mut part = Vec::new();
    let mut whole = Sha256::new();
    while left > 0 {
        cancel.check()?;
        part.clear();
        let length = left.min(size);
        (&mut source).take(length).read_to_end(&mut part).map_err(unreadable)?;
        if (part.len() as u64) < length {
            return Err(changed_meanwhile(file));
        }
        whole.update(&part);
        left -= length;
        if left == 0 && files::hex(&whole.clone().finalize()) != file.sha256 {
            return Err(changed_meanwhile(file));
        }
        each(&part, Sha256::digest(&part).into())?;
    }
    Ok(())
}

/// The checksum that a store gives the file when it was sent in parts.
pub fn checksum_of_parts(file: &Local, cancel: &Cancel) -> Result<String> {
    let mut digests = Vec::new();
    parts(file, cancel, |_, digest| {
        digests.push(digest);
        Ok(())
    })?;
    Ok(composite(&digests))
}

/// Sends a file in parts; gives the checksum that the store should have of it.
pub fn send(store: &S3<'_>, file: &Local, over: &State) -> Result<String> {
    let key = store.key(&file.name);
    abort_stale(store, &key);
    let id = create(store, file, &key)?;
    match upload(store, file, &key, &id, over) {
        Ok(checksum) => Ok(checksum),
        Err(failure) => {
            abort(store, &key, &id);
            Err(failure)
        }
    }
}

fn create(store: &S3<'_>, file: &Local, key: &str) -> Result<String> {
    let action = store.bucket.create_multipart_upload(Some(&store.credentials), key);
    let headers = [("x-amz-checksum-algorithm", "SHA256".to_owned()), ("x-amz-meta-sha256", file.sha256.clone())];
    let answer = store.send(action, &headers, &[])?;
    let doing = store.doing("writing", &file.name);
    if !answer.is_success() {
        return Err(s3_answer::failure(&answer, &doing));
    }
    let parsed = CreateMultipartUpload::parse_response(&answer.text());
    parsed.map(|parsed| parsed.upload_id().to_owned()).map_err(|_| {
        Failure::new(Class::Storage, format!("{doing}: the store's answer is not understood"))
            .hint("check that PUSH_S3_ENDPOINT is an S3 store")
    })
}

fn upload(store: &S3<'_>, file: &Local, key: &str, id: &str, over: &State) -> Result<String> {
    let doing = store.doing("writing", &file.name);
    let bar = ml_common::people::progress(file.name.clone(), Some(file.bytes));
    let mut digests = Vec::new();
    let mut body = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    parts(file, store.cancel, |part, digest| {
        let number = u16::try_from(digests.len() + 1).map_err(|_| Failure::new(Class::Internal, "too many parts"))?;
        let action = store.bucket.upload_part(Some(&store.credentials), key, number, id);
        let answer = store.send(action, &[("x-amz-checksum-sha256", s3_answer::checksum(&digest))], part)?;
        if !answer.is_success() {
            return Err(s3_answer::failure(&answer, &doing));
        }
        let tag = answer.header("etag").ok_or_else(|| Failure::new(Class::Storage, format!("{doing}: the store gives a part no ETag")))?;
        let tag = tag.trim_matches('"').replace('&', "&amp;").replace('<', "&lt;");
        // A store that does not keep checksums does not want them back.
        let kept = answer.header("x-amz-checksum-sha256").is_some();
        let checksum = if kept { format!("<ChecksumSHA256>{}</ChecksumSHA256>", s3_answer::checksum(&digest)) } else { String::new() };
        body.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{tag}\"</ETag>{checksum}</Part>"));
        digests.push(digest);
        bar.inc(part.len() as u64);
        Ok(())
    })?;
    body.push_str("</CompleteMultipartUpload>");
    bar.finish_and_clear();
    complete(store, file, key, id, &body, over)?;
    Ok(composite(&digests))
}

fn complete(store: &S3<'_>, file: &Local, key: &str, id: &str, body: &str, over: &State) -> Result<()> {
    let condition = [("if-none-match", "*".to_owned())];
    let send = |headers: &[(&'static str, String)]| {
        let action = store.bucket.complete_multipart_upload(Some(&store.credentials), key, id, std::iter::empty());
        store.send(action, headers, body.as_bytes())
    };
    let mut answer = send(if *over == State::Missing { &condition } else { &[] })?;
    if answer.status == 501 {
        answer = send(&[])?;
    }
    // It may say 200 first and think better of it.
    let failed = s3_answer::element(&answer.text(), "Code").is_some();
    match answer.status {
        200..300 if !failed => Ok(()),
        409 | 412 => Err(store.appeared(file)),
        _ => Err(s3_answer::failure(&answer, &store.doing("writing", &file.name))),
    }
}

/// A failed abort costs room there; the next push tries again.
fn abort(store: &S3<'_>, key: &str, id: &str) {
    let url = rusty_s3::S3Action::sign(&store.bucket.abort_multipart_upload(Some(&store.credentials), key, id), SIGNED_FOR);
    match store.send_last("DELETE", url.as_str()) {
        Ok(answer) if answer.is_success() || answer.status == 404 => {}
        Ok(answer) => log::info!("{}", s3_answer::failure(&answer, "removing the parts of what failed")),
        Err(failure) => log::info!("removing the parts of what failed: {failure}"),
    }
}

/// Removes what a killed push of the same file has left. Not every store can list it; then it is the store's own rules that remove it.
fn abort_stale(store: &S3<'_>, key: &str) {
    let keys = &store.credentials;
    let query = [("prefix", key), ("uploads", "")];
    let url = rusty_s3::signing::sign(
        &Timestamp::now(),
        Method::Get,
        store.bucket.base_url().clone(),
        keys.key(),
        keys.secret(),
        keys.token(),
        store.bucket.region(),
        SIGNED_FOR.as_secs(),
        query.into_iter(),
        std::iter::empty(),
    );
    let Ok(answer) = store.send_signed("GET", url.as_str(), &[], &[]) else { return };
    let now = Timestamp::now();
    let old = |begun: Option<Timestamp>| begun.is_some_and(|begun| now.duration_since(begun) > STALE);
    for upload in s3_answer::unfinished(&answer.text()).into_iter().filter(|upload| upload.key == key && old(upload.begun)) {
        abort(store, key, &upload.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_few_enough_whatever_the_file() {
        assert_eq!(part_size(PART + 1), PART);
        for bytes in [PART * MOST_PARTS, PART * MOST_PARTS + 1, 1 << 40, 5 << 40] {
            let size = part_size(bytes);
            assert!(bytes.div_ceil(size) <= MOST_PARTS && size.is_multiple_of(1 << 20), "{bytes}");
        }
    }

    #[test]
    fn a_file_that_changes_on_the_way_is_not_completed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes = vec![7; usize::try_from(PART).unwrap() + 10];
        std::fs::write(&path, &bytes).unwrap();
        let (sha256, length) = files::sha256(&path).unwrap();
        let file = Local { path: path.clone(), name: "a".into(), bytes: length, sha256, proof: false };
        let cancel = Cancel::default();
        let mut sizes = Vec::new();
        parts(&file, &cancel, |part, _| {
            sizes.push(part.len() as u64);
            Ok(())
        })
        .unwrap();
        assert_eq!(sizes, [PART, 10]);
        std::fs::write(&path, &bytes[1..]).unwrap();
        assert!(checksum_of_parts(&file, &cancel).unwrap_err().message.contains("changed while"));
        let mut other = bytes;
        other[3] = 8;
        std::fs::write(&path, &other).unwrap();
        let mut sent = 0;
        assert!(
            parts(&file, &cancel, |_, _| {
                sent += 1;
                Ok(())
            })
            .is_err()
                && sent == 1,
            "the last part is never sent"
        );
    }
}
