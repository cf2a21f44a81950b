//! What an S3 store says: errors and what to do about them, lists, and whether what it keeps is what was sent. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ml_common::http::Response;
use ml_common::{Class, Failure};
use sha2::{Digest, Sha256};

/// The text of the first `<name>` element. The answers read this way are a few flat lines of XML.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// What the store refuses, in its words, with the remedy.
pub fn failure(answer: &Response, doing: &str) -> Failure {
    let text = answer.text();
    let code = element(&text, "Code").unwrap_or_default();
    let message = element(&text, "Message").filter(|message| !message.is_empty() && message.len() < 300);
    let said = match (code, message) {
        ("", _) => format!("status {}", answer.status),
        (code, Some(message)) => format!("{code} ({message})"),
        (code, None) => code.to_owned(),
    };
    let hint = match (code, answer.status) {
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" | "TokenRefreshRequired", _) | (_, 401) => {
            "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, AWS_REGION)"
        }
        ("RequestTimeTooSkewed", _) => "set the clock of this machine",
        ("NoSuchBucket", _) => "make the bucket, or correct its name in s3://bucket/prefix",
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301 | 307) => {
            "set AWS_REGION to the bucket's region, or correct PUSH_S3_ENDPOINT"
        }
        ("BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch", _) => {
            "the bytes changed on the way; check memory and network, and push again"
        }
        ("QuotaExceeded" | "XMinioStorageFull" | "EntityTooLarge" | "InsufficientStorage", _) | (_, 507) => "make room at the store",
        (_, 403) => "let these keys list, read and write in the bucket (and delete, for retention), or use other keys",
        (_, 500..) => "look into the store's log, and try again later",
        _ => "check bucket, prefix and PUSH_S3_ENDPOINT",
    };
    Failure::new(Class::Storage, format!("{doing}: the store answers {said}")).hint(hint)
}

/// A SHA-256 as S3 writes it.
pub fn checksum(digest: &[u8]) -> String {
    STANDARD.encode(digest)
}

/// The checksum that a store gives an object of parts: of the parts' checksums, and their number.
pub fn composite(parts: &[[u8; 32]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    format!("{}-{}", checksum(&hash.finalize()), parts.len())
}

/// What the head of an object tells of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// They are these, by the store's own checksum.
    Same,
    /// They are others.
    Other(String),
    /// It keeps no checksum that can be compared.
    Unknown,
}

/// Compares an object's head with what it should be: the size, the SHA-256 in hex, and the checksum of parts if it was sent so.
pub fn compare(head: &Response, bytes: u64, sha256: &str, parts: Option<&str>) -> Told {
    let size = head.header("content-length").and_then(|text| text.parse::<u64>().ok());
    if let Some(size) = size
        && size != bytes
    {
        return Told::Other(format!("{size} bytes, and here {bytes}"));
    }
    let Some(kept) = head.header("x-amz-checksum-sha256") else { return Told::Unknown };
    if size.is_none() {
        return Told::Unknown;
    }
    let other = || Told::Other("of the same size, with other bytes (SHA-256)".into());
    match (kept.contains('-'), parts) {
        (false, _) => match STANDARD.decode(kept) {
            Ok(digest) if ml_common::files::hex(&digest) == sha256 => Told::Same,
            Ok(digest) if digest.len() == 32 => other(),
            _ => Told::Unknown,
        },
        (true, Some(parts)) if parts == kept => Told::Same,
        (true, Some(parts)) if parts.rsplit('-').next() == kept.rsplit('-').next() => other(),
        // Another store, or another version, has cut it into other parts.
        (true, _) => Told::Unknown,
    }
}

/// An upload that was never completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Of the object that it was to become.
    pub key: String,
    /// Its id.
    pub id: String,
    /// When it began.
    pub begun: Option<jiff::Timestamp>,
}

/// The list of uploads that were never completed.
pub fn unfinished(xml: &str) -> Vec<Unfinished> {
    let one = |upload: &str| {
        let id = element(upload, "UploadId")?.to_owned();
        let begun = element(upload, "Initiated").and_then(|at| at.parse().ok());
        Some(Unfinished { key: element(upload, "Key")?.to_owned(), id, begun })
    };
    xml.split("<Upload>").skip(1).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.into(), truncated: false, latency: Duration::ZERO, attempts: 1 }
    }

    #[test]
    fn a_refusal_names_the_remedy() {
        let wrong = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>no match</Message></Error>";
        let failure = failure(&answer(403, &[], wrong), "listing s3://b/");
        assert_eq!(failure.message, "listing s3://b/: the store answers SignatureDoesNotMatch (no match)");
        assert!(failure.class == Class::Storage && failure.hint.unwrap().contains("AWS_SECRET_ACCESS_KEY"));
        assert!(super::failure(&answer(403, &[], ""), "x").hint.unwrap().contains("let these keys"));
        assert!(
            super::failure(&answer(404, &[], "<Error><Code>NoSuchBucket</Code></Error>"), "x").hint.unwrap().contains("make the bucket")
        );
    }

    #[test]
    fn the_store_s_checksum_is_compared_whole_or_of_the_parts() {
        let digest: [u8; 32] = Sha256::digest(b"abc").into();
        let (hex, whole, parts) = (ml_common::files::hex(&digest), checksum(&digest), composite(&[digest, digest]));
        assert_eq!(whole, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        let head = |length: &str, kept: &str| answer(200, &[("content-length", length), ("x-amz-checksum-sha256", kept)], "");
        assert_eq!(compare(&head("3", &whole), 3, &hex, None), Told::Same);
        assert!(matches!(compare(&head("4", &whole), 3, &hex, None), Told::Other(how) if how.starts_with("4 bytes")));
        assert!(matches!(compare(&head("3", &checksum(&[7; 32])), 3, &hex, None), Told::Other(_)));
        assert_eq!(compare(&head("3", &parts), 3, &hex, Some(&parts)), Told::Same);
        assert!(matches!(compare(&head("3", &composite(&[digest, [0; 32]])), 3, &hex, Some(&parts)), Told::Other(_)));
        for unknown in [composite(&[digest]), "odd".into()] {
            assert_eq!(compare(&head("3", &unknown), 3, &hex, Some(&parts)), Told::Unknown, "{unknown}");
        }
        assert_eq!(compare(&answer(200, &[("content-length", "3")], ""), 3, &hex, None), Told::Unknown);
        assert_eq!(compare(&answer(200, &[("x-amz-checksum-sha256", whole.as_str())], ""), 3, &hex, None), Told::Unknown);
    }

    #[test]
    fn unfinished_uploads_are_listed() {
        let xml = "<R><Upload><Key>a/b</Key><UploadId>7</UploadId><Initiated>2025-01-08T02:00:00.000Z</Initiated></Upload>\
            <Upload><Key>c</Key><UploadId>8</UploadId></Upload></R>";
        let all = unfinished(xml);
        assert_eq!((all.len(), all[0].key.as_str(), all[0].id.as_str()), (2, "a/b", "7"));
        assert_eq!(all[0].begun, Some("2025-01-08T02:00:00Z".parse().unwrap()));
        assert_eq!(unfinished("<R></R>"), []);
    }
}
