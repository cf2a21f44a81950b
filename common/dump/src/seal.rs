//! The manifest's own hash: a bit that has flipped in what is said of a dump must not go unseen either.
//!
//! The last entry of the file, `"self"`, is the SHA-256 of the file without that entry.

use ml_common::files::hex;
use sha2::{Digest, Sha256};

/// How the entry begins. Within texts of JSON a line feed is escaped, and deeper objects are indented further: this is nowhere else.
const BEGIN: &str = ",\n  \"self\": \"";

/// How a manifest stands to its own hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It fits.
    Good,
    /// There is none: an older version made the manifest.
    None,
    /// It does not fit.
    Broken,
}

/// Adds the entry to an object of JSON in serde's pretty form.
pub fn sealed(pretty: &str) -> String {
    let whole = format!("{}\n", pretty.trim_end());
    let Some(body) = whole.strip_suffix("\n}\n") else { return whole };
    format!("{body}{BEGIN}{}\"\n}}\n", hash(&[whole.as_bytes()]))
}

/// Compares a file's text with the hash in it.
pub fn of(text: &[u8]) -> Seal {
    let Some(begin) = text.windows(BEGIN.len()).rposition(|window| window == BEGIN.as_bytes()) else { return Seal::None };
    let (before, entry) = text.split_at(begin);
    let Some((said, after)) = entry.get(BEGIN.len()..).and_then(|rest| rest.split_at_checked(64)) else { return Seal::Broken };
    match after.strip_prefix(b"\"") {
        Some(after) if said == hash(&[before, after]).as_bytes() => Seal::Good,
        _ => Seal::Broken,
    }
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    fn manifest() -> Manifest {
        Manifest {
            format: 1,
            sha256: "ab".repeat(32),
            engine: "parallel".into(),
            tables: [("public.\"self\": \"x\"".to_owned(), 3), ("public.\"a,\n  \"\"self\"\": \"\"\"".to_owned(), 1)].into(),
            ..Manifest::default()
        }
    }

    #[test]
    fn every_bit_counts() {
        let text = sealed(&serde_json::to_string_pretty(&manifest()).unwrap());
        assert_eq!(of(text.as_bytes()), Seal::Good);
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest());
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::parse(&flipped).is_err(), "{}", String::from_utf8_lossy(&flipped));
        }
        for end in 0..text.len() {
            assert!(Manifest::parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
        assert!(Manifest::parse(format!("{text}\n").as_bytes()).is_err());
    }

    #[test]
    fn the_hash_is_of_the_file_without_the_entry() {
        let text = sealed("{\n  \"a\": 1\n}");
        assert_eq!(text, format!("{{\n  \"a\": 1,\n  \"self\": \"{}\"\n}}\n", hash(&[b"{\n  \"a\": 1\n}\n"])));
    }

    #[test]
    fn older_manifests_have_none() {
        let old = serde_json::to_string_pretty(&Manifest { engine: String::new(), ..manifest() }).unwrap();
        assert_eq!(of(old.as_bytes()), Seal::None);
        assert!(Manifest::parse(old.as_bytes()).is_ok());
    }
}
