//! Requests signed by HMAC-SHA256: headers that carry when, a word used once, and the signature over what a pattern puts together.

use hmac::{Hmac, KeyInit, Mac};
use ml_common::{Class, Failure, Result};
use sha2::Sha256;
use std::hash::{BuildHasher, RandomState};

/// How to sign.
#[derive(Clone)]
pub struct Signer {
    secret: String,
    signed: String,
    signature: String,
    timestamp: String,
    nonce: String,
    base64: bool,
    prefix: String,
}

/// Keys of the table, each with what is taken when it is not given.
const KEYS: &[(&str, &str)] = &[
    ("secret", ""),
    ("signed", "{timestamp}:{nonce}:{body}"),
    ("signature", "X-Signature"),
    ("timestamp", "X-Timestamp"),
    ("nonce", "X-Nonce"),
    ("encoding", "hex"),
    ("prefix", ""),
];

/// What stands in the pattern for parts of the request.
const PARTS: &[&str] = &["{timestamp}", "{nonce}", "{method}", "{path}", "{body}"];

impl Signer {
    /// For the manual: the keys of the table.
    pub const DOC: &str = "signs the request by HMAC-SHA256: `secret`; `signed`, the pattern of what is signed (of {timestamp}, {nonce}, \
        {method}, {path} and {body}; default {timestamp}:{nonce}:{body}); the names of the headers `signature` (X-Signature), `timestamp` \
        (X-Timestamp, seconds since 1970) and `nonce` (X-Nonce), the last two sent when the pattern has them; `encoding`, hex or base64; \
        `prefix` before the signature, such as sha256=";

    /// Reads the table `hmac = { secret = "${HMAC_SECRET_KEY}" }`; none when it is empty.
    ///
    /// # Errors
    /// Class Config; no value is repeated.
    pub fn read(table: &[(String, String)]) -> Result<Option<Signer>> {
        if table.is_empty() {
            return Ok(None);
        }
        if let Some((key, _)) = table.iter().find(|(key, _)| !KEYS.iter().any(|(known, _)| known == key)) {
            let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
            return Err(Failure::new(Class::Config, format!("hmac has no key {key}")).hint(format!("its keys are {}", known.join(", "))));
        }
        let get = |name: &str| {
            let given = table.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim().to_owned());
            given
                .unwrap_or_else(|| KEYS.iter().find(|(key, _)| *key == name).map_or_else(String::new, |(_, default)| (*default).to_owned()))
        };
        let secret = get("secret");
        if secret.is_empty() {
            return Err(Failure::new(Class::Config, "hmac has no secret").hint("add secret = \"${HMAC_SECRET_KEY}\""));
        }
        let base64 = match get("encoding").as_str() {
            "hex" => false,
            "base64" => true,
            _ => return Err(Failure::new(Class::Config, "the encoding of hmac is not known").hint("write hex or base64")),
        };
        let (signature, timestamp, nonce) = (get("signature"), get("timestamp"), get("nonce"));
        Ok(Some(Signer { secret, signed: get("signed"), signature, timestamp, nonce, base64, prefix: get("prefix") }))
    }

    /// The headers of a request at this time (seconds since 1970).
    pub fn headers(&self, now: i64, method: &str, path: &str, body: &[u8]) -> Vec<(String, String)> {
        self.headers_with(&now.to_string(), &nonce(now), method, path, body)
    }

    fn headers_with(&self, timestamp: &str, nonce: &str, method: &str, path: &str, body: &[u8]) -> Vec<(String, String)> {
        let mut signed = Vec::new();
        let mut rest = self.signed.as_str();
        while let Some((at, part)) = PARTS.iter().filter_map(|part| Some((rest.find(part)?, *part))).min() {
            signed.extend_from_slice(rest.get(..at).unwrap_or_default().as_bytes());
            signed.extend_from_slice(match part {
                "{timestamp}" => timestamp.as_bytes(),
                "{nonce}" => nonce.as_bytes(),
                "{method}" => method.as_bytes(),
                "{path}" => path.as_bytes(),
                _ => body,
            });
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        signed.extend_from_slice(rest.as_bytes());
        let signature = format!("{}{}", self.prefix, encode(&mac(self.secret.as_bytes(), &signed), self.base64));
        let mut headers = vec![(self.signature.clone(), signature)];
        for (part, header, value) in [("{timestamp}", &self.timestamp, timestamp), ("{nonce}", &self.nonce, nonce)] {
            if self.signed.contains(part) {
                headers.push((header.clone(), value.to_owned()));
            }
        }
        headers
    }
}

fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    // A key of any length will do.
    Hmac::<Sha256>::new_from_slice(secret).map(|hmac| hmac.chain_update(message).finalize().into_bytes().to_vec()).unwrap_or_default()
}

fn encode(bytes: &[u8], base64: bool) -> String {
    use base64::Engine;
    if base64 {
        return base64::engine::general_purpose::STANDARD.encode(bytes);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A word that no other request has; it need not be secret.
fn nonce(now: i64) -> String {
    format!("{:016x}", RandomState::new().hash_one(now))
}

/// For the tests of whole requests.
#[cfg(test)]
pub fn hex_of(secret: &str, message: &str) -> String {
    encode(&mac(secret.as_bytes(), message.as_bytes()), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(pairs: &[(&str, &str)]) -> Result<Option<Signer>> {
        Signer::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn the_signature_is_rfc_4231s() {
        let seen = encode(&mac(b"Jefe", b"what do ya want for nothing?"), false);
        assert_eq!(seen, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn the_pattern_decides_what_is_signed_and_sent() {
        let plain = signer(&[("secret", "Jefe"), ("signed", "what do {body}")]).unwrap().unwrap();
        let headers = plain.headers_with("17", "n", "POST", "/prove", b"ya want for nothing?");
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(headers, [("X-Signature".to_owned(), signature.to_owned())]);

        let whole =
            [("secret", "k"), ("signed", "{method} {path} {timestamp}{nonce}{body}"), ("signature", "X-Sig"), ("prefix", "sha256=")];
        let headers = signer(&whole).unwrap().unwrap().headers_with("17", "n", "POST", "/prove", b"{path}");
        assert_eq!(headers[0], ("X-Sig".to_owned(), format!("sha256={}", encode(&mac(b"k", b"POST /prove 17n{path}"), false))));
        assert_eq!(headers[1..], [("X-Timestamp".to_owned(), "17".to_owned()), ("X-Nonce".to_owned(), "n".to_owned())]);
    }

    #[test]
    fn mistakes_are_told_without_the_secret() {
        for pairs in
            [&[("secert", "hunter2")][..], &[("signature", "X-Sig")], &[("secret", "")], &[("secret", "hunter2"), ("encoding", "rot13")]]
        {
            let failure = signer(pairs).err().unwrap();
            assert!(failure.class == Class::Config && !failure.for_people().contains("hunter2"), "{failure}");
        }
        assert!(signer(&[]).unwrap().is_none());
        assert_ne!(nonce(1), nonce(1));
    }
}
