//! The ledger's hashes: statements, Merkle roots of blocks, block headers. SHA-256 with a domain byte in front, in lower-case hex.

use crate::formula::Formula;
use crate::print::ascii;
use sha2::{Digest, Sha256};

/// `prev_hash` of a system's first block. Every later block's is the **merkle_root of the block before it** (not that
/// block's own [`block_header`] hash).
pub const GENESIS: &str = "GENESIS";

const LEAF: u8 = 0x00;
const INNER: u8 = 0x01;
const STATEMENT: u8 = 0x02;
const BLOCK: u8 = 0x03;

type Digest32 = [u8; 32];

fn digest(domain: u8, parts: &[&[u8]]) -> Digest32 {
    let mut hasher = Sha256::new_with_prefix([domain]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hex(digest: Digest32) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(DIGITS[nibble as usize])).collect()
}

/// The hash of a statement: of the canonical text of `formula` **as it is numbered**; take [`Formula::canonical`] first
/// where alphabetic variants are to be one statement (parsed and derived formulas are canonical).
pub fn statement(formula: &Formula) -> String {
    statement_text(&ascii(formula))
}

/// The hash of a statement whose canonical text is at hand. The text is taken as it is: a ledger can hold texts that an older
/// normaliser wrote, with hashes to match, and these must be reported as they are.
pub fn statement_text(text: &str) -> String {
    hex(digest(STATEMENT, &[text.as_bytes()]))
}

/// The Merkle root of a block over the hashes of its statements, in any order; they are hashed as text, sorted.
pub fn merkle_root<S: AsRef<[u8]>>(leaves: &[S]) -> String {
    let mut leaves: Vec<&[u8]> = leaves.iter().map(AsRef::as_ref).collect();
    leaves.sort_unstable();
    let mut level: Vec<Digest32> = leaves.iter().map(|leaf| digest(LEAF, &[leaf])).collect();
    while level.len() > 1 {
        // An odd level repeats its last node.
        let pairs = level.chunks(2).map(|pair| digest(INNER, &[&pair[0], &pair[pair.len() - 1]]));
        level = pairs.collect();
    }
    hex(level.first().copied().unwrap_or_else(|| digest(LEAF, &[])))
}

/// The hash of a block's header, from the bytes of its canonical form.
pub fn block_header(header: &[u8]) -> String {
    hex(digest(BLOCK, &[header]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse_any};

    #[test]
    fn statements_of_the_ledger() {
        for (text, canonical, hash) in [
            ("p -> (q -> p)", "p->q->p", "248e2c30377c23e7a10d20d203eef09b9a136c30729ece89910908a0f36c89b1"),
            (
                "(p -> (q -> r)) -> ((p -> q) -> (p -> r))",
                "(p->q->r)->(p->q)->p->r",
                "3ad6c04ab77dcb52e513cabbd63d20588bba10e9737a02384a6dbf7fff1c509e",
            ),
            ("(~p -> ~q) -> (q -> p)", "(~p->~q)->q->p", "acaa366be3d1168464f12c00d4770c8a5b0617783ef363fb619b98805cfa8e88"),
            ("p -> p", "p->p", "224ae6d0ae04e5b9b5cf9948beb8744d4b4d8bc8faae70d4b43fdfc97e949732"),
            ("((p -> q) -> p) -> p", "((p->q)->p)->p", "1065e56b3c644ae6f05a947337e6a8afa7e968866b353a1930a94950ac4826cf"),
            ("(p -> q) -> r", "(p->q)->r", "016f9adbc1fd9033f3224dd1bbbb9c4229c1362279b339650f4b531d3850da0d"),
            ("~~p -> p", "~~p->p", "0cb6501d3217af3d2733a8b2ae355ca7dda8b922af5db082b1a203b3b63d378b"),
        ] {
            let formula: Formula = text.parse().unwrap();
            assert_eq!(formula.to_string(), canonical);
            assert_eq!(statement(&formula), hash);
            assert_eq!(statement_text(canonical), hash);
        }
    }

    /// An older normaliser lost the inner parentheses of the second axiom: another formula, which must keep its own hash.
    #[test]
    fn lost_parentheses_are_another_statement() {
        let right = parse_any("(p->q->r)->(p->q)->p->r", &Limits::default()).unwrap();
        let wrong = parse_any("(p->q->r)->p->q->p->r", &Limits::default()).unwrap();
        assert_ne!(right.formula, wrong.formula);
        assert_eq!(wrong.formula.to_string(), "(p->q->r)->p->q->p->r");
        assert_eq!(statement(&wrong.formula), "126133877ec5b3029a44ee5e515f315af0512d3d9442373d78d61f445033bf09");
        assert_eq!(statement(&right.formula), "3ad6c04ab77dcb52e513cabbd63d20588bba10e9737a02384a6dbf7fff1c509e");
    }

    #[test]
    fn merkle_roots() {
        let root = |leaves: &[&str]| merkle_root(leaves);
        assert_eq!(root(&[]), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(root(&["a"]), "022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c");
        let abc = "e9636069c740c9ff51625b01a0b040396d265a9b920cc6febdfa5ecc9f58ecce";
        assert_eq!(root(&["a", "b", "c"]), abc);
        assert_eq!(root(&["c", "a", "b"]), abc);
        assert_eq!(root(&["a", "b", "c", "c"]), abc, "an odd level repeats its last node");
        assert_ne!(root(&["a", "b"]), abc);
    }

    #[test]
    fn domains_are_apart() {
        let of_text = |domain: u8| hex(Sha256::digest([&[domain][..], b"p->p"].concat()).into());
        assert_eq!(statement_text("p->p"), of_text(2));
        assert_eq!(block_header(b"p->p"), of_text(3));
        assert_eq!(merkle_root(&["p->p"]), of_text(0));
    }
}
