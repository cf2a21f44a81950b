//! The ledger's hashes computed a second time, apart from the code under test.

use sha2::{Digest, Sha256};

fn sha256(domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([domain]);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of a statement given in canonical text.
pub fn statement(canonical: &str) -> [u8; 32] {
    sha256(2, &[canonical.as_bytes()])
}

/// The Merkle root over statement hashes in any order, as hex.
pub fn merkle_root<S: AsRef<str>>(leaves: &[S]) -> String {
    let mut leaves: Vec<&str> = leaves.iter().map(S::as_ref).collect();
    leaves.sort_unstable();
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| sha256(0, &[leaf.as_bytes()])).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| sha256(1, &[&pair[0], pair.last().unwrap()])).collect();
    }
    hex(&level.pop().unwrap_or_else(|| sha256(0, &[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_statements() {
        let known = |text: &str| hex(&statement(text));
        assert_eq!(known("p->q->p"), "248e2c30377c23e7a10d20d203eef09b9a136c30729ece89910908a0f36c89b1");
        assert_eq!(known("~~p->p"), "0cb6501d3217af3d2733a8b2ae355ca7dda8b922af5db082b1a203b3b63d378b");
    }

    #[test]
    fn known_roots() {
        assert_eq!(merkle_root::<&str>(&[]), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(merkle_root(&["a"]), "022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c");
        assert_eq!(merkle_root(&["c", "a", "b"]), "e9636069c740c9ff51625b01a0b040396d265a9b920cc6febdfa5ecc9f58ecce");
    }
}
