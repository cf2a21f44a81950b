//! What is to be found: formulas of the command line, of lines, or of statements.

use super::Args;
use crate::cli::Cli;
use crate::given::Given;
use ml_common::people::printable;
use ml_common::{Class, Failure, Result};
use ml_logic::{Formula, Limits, parse_any};
use std::io::{BufRead, Read};

/// A line may have so many bytes.
const LONGEST: u64 = 1 << 24;
/// As much of a text as is shown, in characters.
const SHOWN: usize = 200;

/// A formula that is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// As it was given, shortened.
    pub text: String,
    /// What it says; or why it says nothing.
    pub formula: std::result::Result<Formula, String>,
}

/// Everything that is to be found.
///
/// # Errors
/// Class Usage when there is nothing, or what a person has written is no formula.
pub fn all(cli: &Cli, args: &Args) -> Result<Vec<Asked>> {
    let asked = match (args.formulas.as_slice(), cli.given.get()) {
        ([], Some(Given::Lines)) => lines(std::io::stdin().lock())?,
        // What a ledger holds may be anything.
        ([], Some(Given::Records)) => args.statements.kept().iter().map(|(statement, _)| read(&statement.statement)).collect(),
        (formulas, _) => formulas.iter().map(|text| written(text, "")).collect::<Result<_>>()?,
    };
    match asked.is_empty() {
        true => Err(Failure::new(Class::Usage, "there is no formula to find")
            .hint("write formulas behind find, or give them on standard input, one a line or as statements: ml-derive find 'p->q->p'")),
        false => Ok(asked),
    }
}

fn read(text: &str) -> Asked {
    let text = text.trim();
    let formula = parse_any(text, &Limits::default()).map(|named| named.formula).map_err(|error| error.to_string());
    Asked { text: printable(text).chars().take(SHOWN).collect(), formula }
}

fn written(text: &str, place: &str) -> Result<Asked> {
    let asked = read(text);
    match &asked.formula {
        Ok(_) => Ok(asked),
        Err(error) => Err(Failure::new(Class::Usage, format!("{place}'{}' is no formula: {error}", asked.text))
            .hint("formulas are written like (p->q)->~q->~p, (p \u{2192} q) \u{2192} \u{ac}q \u{2192} \u{ac}p or CCpqCNqNp")),
    }
}

/// Formulas, one a line; blank lines and what follows `#` mean nothing.
fn lines(input: impl BufRead) -> Result<Vec<Asked>> {
    let mut input = input;
    let mut all = Vec::new();
    for number in 1u64.. {
        let mut bytes = Vec::new();
        let place = format!("line {number}: ");
        let wrong = |what: String| Failure::new(Class::Usage, format!("{place}{what}")).hint("give formulas, one a line: p->q->p");
        match input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut bytes).map_err(|error| wrong(format!("cannot be read: {error}")))? {
            0 => break,
            _ if bytes.len() as u64 > LONGEST => return Err(wrong(format!("more than {LONGEST} bytes"))),
            _ => {}
        }
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
        let text = text.split('#').next().unwrap_or_default().trim();
        if !text.is_empty() {
            all.push(written(text, &place)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_formulas() {
        let read = lines(&b"\xef\xbb\xbfp->p # identity\r\n\r\n# none\nCpCqp\n\xe2\x8a\xa5p"[..]);
        assert!(read.unwrap_err().message.starts_with("line 5: "));
        let read = lines(&b"\xef\xbb\xbfp->p # identity\r\n\r\n# none\nCpCqp\n"[..]).unwrap();
        let formulas: Vec<String> = read.iter().map(|asked| asked.formula.as_ref().unwrap().to_string()).collect();
        assert_eq!(formulas, ["p->p", "p->q->p"]);
        assert_eq!(lines(&b"# p\n"[..]), Ok(vec![]));
        assert!(lines(&vec![b'p'; LONGEST as usize + 9][..]).unwrap_err().message.contains("more than"));
    }
}
