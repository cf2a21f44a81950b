//! A fingerprint of rows: the sum, modulo 2^128, of the XXH3-128 (seed 0) of every line of COPY text without its line feed.
//!
//! It does not depend on the order of the rows, so a restored table has the fingerprint of the dumped one wherever its rows lie; but a row
//! that is there twice counts twice. Sums of parts add up, so parts can be hashed at the same time. It finds accidents, not attackers:
//! against those there is SHA-256. Two texts compare only when they were made with the settings of [`crate::session`] in one encoding.

use std::fmt;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Takes whole lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    sum: u128,
    rows: u64,
}

impl Fingerprint {
    /// Takes whole lines, each with its line feed; a last one may lack it.
    pub fn lines(&mut self, text: &[u8]) {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', text) {
            self.line(&text[begin..end]);
            begin = end + 1;
        }
        if begin < text.len() {
            self.line(&text[begin..]);
        }
    }

    /// Takes one line, without its line feed.
    pub fn line(&mut self, line: &[u8]) {
        self.took(xxh3_128(line));
    }

    /// Adds the rows of another part.
    pub fn add(&mut self, other: Fingerprint) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.rows += other.rows;
    }

    /// The lines taken.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn took(&mut self, hash: u128) {
        self.sum = self.sum.wrapping_add(hash);
        self.rows += 1;
    }
}

/// 32 hex digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

/// The same for text that comes in pieces cut anywhere; takes no memory for long lines.
#[derive(Clone, Default)]
pub struct Pieces {
    sum: Fingerprint,
    line: Xxh3Default,
    begun: bool,
}

impl Pieces {
    /// Takes a line that is there whole, when none has begun.
    pub fn whole_line(&mut self, line: &[u8]) {
        self.sum.line(line);
    }

    /// Takes the next piece of a line.
    pub fn part(&mut self, part: &[u8]) {
        self.begun = true;
        self.line.update(part);
    }

    /// The line has ended.
    pub fn end_line(&mut self) {
        self.sum.took(self.line.digest128());
        self.forget_line();
    }

    /// What was taken of the line at hand was no row.
    pub fn forget_line(&mut self) {
        self.line.reset();
        self.begun = false;
    }

    /// Takes the next piece of text.
    pub fn text(&mut self, mut text: &[u8]) {
        if self.begun {
            let Some(end) = memchr::memchr(b'\n', text) else { return self.part(text) };
            self.part(&text[..end]);
            self.end_line();
            text = &text[end + 1..];
        }
        let whole = memchr::memrchr(b'\n', text).map_or(0, |end| end + 1);
        self.sum.lines(&text[..whole]);
        if whole < text.len() {
            self.part(&text[whole..]);
        }
    }

    /// The fingerprint of the lines that have ended.
    pub fn ended(&self) -> Fingerprint {
        self.sum
    }

    /// Whether a line has begun and not ended.
    pub fn within_line(&self) -> bool {
        self.begun
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("sum", &self.sum).field("begun", &self.begun).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> String {
        let mut print = Fingerprint::default();
        print.lines(text);
        print.to_string()
    }

    #[test]
    fn a_row_is_its_xxh3_128() {
        // The published value of the empty input with seed 0.
        assert_eq!(of(b"\n"), "99aa06d3014798d86001c324468d497f");
        assert_eq!(of(b""), "0".repeat(32));
        assert_eq!(of(b"\n\n"), format!("{:032x}", 0x99aa_06d3_0147_98d8_6001_c324_468d_497f_u128.wrapping_mul(2)));
    }

    #[test]
    fn order_does_not_count_and_number_does() {
        assert_eq!(of(b"1\ta\n2\tb\n3\tc\n"), of(b"3\tc\n1\ta\n2\tb"));
        assert_ne!(of(b"1\n1\n"), of(b"1\n"));
        // An exclusive or would not see these.
        assert_ne!(of(b"1\n1\n"), of(b"2\n2\n"));
        assert_ne!(of(b"1\n2\n"), of(b"12\n\n"));
    }

    #[test]
    fn parts_add_up() {
        let (mut whole, mut left, mut right) = (Fingerprint::default(), Fingerprint::default(), Fingerprint::default());
        whole.lines(b"a\nb\nc\n");
        left.lines(b"c\n");
        right.lines(b"a\nb\n");
        left.add(right);
        assert_eq!((left, left.rows()), (whole, 3));
    }

    proptest::proptest! {
        #[test]
        fn pieces_cut_anywhere_make_the_same(lines in proptest::collection::vec("[ab]{0,5}", 0..20), piece in 1usize..9) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let (mut whole, mut pieces) = (Fingerprint::default(), Pieces::default());
            whole.lines(text.as_bytes());
            text.as_bytes().chunks(piece).for_each(|piece| pieces.text(piece));
            proptest::prop_assert_eq!(pieces.ended(), whole);
            proptest::prop_assert!(!pieces.within_line());
        }
    }
}
