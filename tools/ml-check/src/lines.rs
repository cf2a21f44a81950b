//! Lines of D-proofs: found in an input of any length with bounded memory, and taken apart.

use ml_ledger::proof_term::MARK;
use std::io::{self, BufRead};

/// A longer line (bytes) is not read.
pub const MAX_LINE: usize = 16 << 20;

/// What a line of a file of proofs says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A proof, with the formula that it is said to prove. A list of axioms is still at the proof's end.
    Proof(String, Option<String>),
    /// Nothing: a blank line or a comment.
    Empty,
    /// More than [`MAX_LINE`].
    TooLong,
}

/// The next line, or None at the end of the input.
///
/// # Errors
/// When reading fails.
pub fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let mut length = 0;
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() && length == 0 {
            return Ok(None);
        }
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let taken = part.len() + usize::from(end.is_some());
        let done = chunk.is_empty() || end.is_some();
        if length + part.len() <= MAX_LINE {
            bytes.extend_from_slice(part);
        }
        length += taken;
        input.consume(taken);
        if done {
            return Ok(Some(if length > MAX_LINE { Line::TooLong } else { take_apart(&String::from_utf8_lossy(&bytes)) }));
        }
    }
}

fn take_apart(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', '%']) {
        return Line::Empty;
    }
    let separates = |c: char| c.is_whitespace() || matches!(c, ';' | ':' | ',');
    let (proof, rest) = line.split_at(line.find(separates).unwrap_or(line.len()));
    let rest = rest.trim_start_matches(separates);
    match rest {
        "" => Line::Proof(proof.to_owned(), None),
        _ if rest.starts_with(MARK.trim_start()) => Line::Proof(format!("{proof} {rest}"), None),
        formula => Line::Proof(proof.to_owned(), Some(formula.to_owned())),
    }
}

/// Whether an input that begins like this holds D-proofs and not records. A proof of more than one symbol begins with a rule.
pub fn look_like_proofs(start: &[u8]) -> bool {
    // Marks of byte order, the other halves of UTF-16, blanks.
    let skipped = |byte: &u8| matches!(byte, 0xef | 0xbb | 0xbf | 0xfe | 0xff | 0) || byte.is_ascii_whitespace();
    let mut bytes = start.iter().copied().skip_while(|byte| skipped(byte)).filter(|&byte| byte != 0);
    match bytes.next() {
        Some(b'D' | b'N' | b'#' | b'%') => true,
        Some(b'1'..=b'9' | b'a'..=b'z') => bytes.next().is_none_or(|byte| !byte.is_ascii_alphanumeric()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<Line> {
        // A small buffer, so that lines span several.
        let mut input = io::BufReader::with_capacity(3, text);
        std::iter::from_fn(|| next(&mut input).unwrap()).collect()
    }

    fn proof(proof: &str, formula: Option<&str>) -> Line {
        Line::Proof(proof.into(), formula.map(str::to_owned))
    }

    #[test]
    fn lines_are_taken_apart() {
        let text = b"DD211\r\n\n  # a comment\n% 2\n1 p->q->p\nDD211;p -> p\nDD211: Cpp\nD11,\nDD211 axioms=CpCqp,CCpCqrCCpqCpr\nD1\xff";
        assert_eq!(
            all(text),
            [
                proof("DD211", None),
                Line::Empty,
                Line::Empty,
                Line::Empty,
                proof("1", Some("p->q->p")),
                proof("DD211", Some("p -> p")),
                proof("DD211", Some("Cpp")),
                proof("D11", None),
                proof("DD211 axioms=CpCqp,CCpCqrCCpqCpr", None),
                proof("D1\u{fffd}", None),
            ]
        );
        assert_eq!(all(b""), []);
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut text = vec![b'D'; MAX_LINE + 1];
        text.extend_from_slice(b"\n1\n");
        let mut input = io::BufReader::new(text.as_slice());
        let lines: Vec<Line> = std::iter::from_fn(|| next(&mut input).unwrap()).collect();
        assert_eq!(lines, [Line::TooLong, proof("1", None)]);
    }

    #[test]
    fn proofs_are_told_from_records() {
        let yes: [&[u8]; 7] = [b"DD211", b"1", b"\n\n  1\n2", b"a p->p", b"# proofs", b"\xef\xbb\xbfD11", b"\xff\xfeD\x001\x001\x00"];
        let no: [&[u8]; 7] = [b"", b"{\"v\":1", b" [\n{", b"\xff\xfe{\x00", b"error: no such option", b"\x7fELF\x02", b"no such"];
        assert!(yes.iter().all(|start| look_like_proofs(start)));
        assert!(!no.iter().any(|start| look_like_proofs(start)));
    }
}
