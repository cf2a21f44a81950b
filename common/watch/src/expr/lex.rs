//! From text to tokens.

use super::{Comparison, Mistake};
use crate::units;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Name(String),
    Compare(Comparison),
    /// One of `+ - * / % ( ) ,`
    Sign(char),
    End,
}

/// The tokens and where each begins, ended by [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '0'..='9' | '.' => number(rest, at)?,
            '"' | '\'' => string(rest, first, at)?,
            'A'..='Z' | 'a'..='z' | '_' => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
                (Token::Name(rest[..length].trim_end_matches('.').to_owned()), rest[..length].trim_end_matches('.').len())
            }
            '+' | '-' | '*' | '/' | '%' | '(' | ')' | ',' => (Token::Sign(first), 1),
            _ => comparison(rest, first, at)?,
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

fn comparison(rest: &str, first: char, at: usize) -> Result<(Token, usize), Mistake> {
    const TWO: [(&str, Comparison); 4] =
        [("==", Comparison::Same), ("!=", Comparison::Different), ("<=", Comparison::NotAbove), (">=", Comparison::NotBelow)];
    if let Some((_, comparison)) = TWO.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((Token::Compare(*comparison), 2));
    }
    match first {
        '<' => Ok((Token::Compare(Comparison::Below), 1)),
        '>' => Ok((Token::Compare(Comparison::Above), 1)),
        '=' => Err(Mistake::new(at, "a single = compares nothing", "write ==")),
        '&' | '|' | '!' => Err(Mistake::new(at, format!("{first} is no operator"), "write and, or, not")),
        '$' => Err(Mistake::new(at, "a variable has no place in an expression", "write the number, or a name that the probe gives")),
        _ => Err(Mistake::new(
            at,
            format!("{first} has no meaning here"),
            "expressions are made of names, numbers, \"texts\", + - * / %, comparisons, and, or, not",
        )),
    }
}

/// `80`, `0.5`, `1e6`, with a unit of time or size (`30d`, `1GiB`).
fn number(rest: &str, at: usize) -> Result<(Token, usize), Mistake> {
    let digits = |from: usize| rest[from..].find(|c: char| !c.is_ascii_digit() && c != '_').map_or(rest.len(), |length| from + length);
    let mut end = digits(0);
    if rest[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = end + 1 + usize::from(rest[end + 1..].starts_with(['+', '-']));
        if rest[sign..].starts_with(|c: char| c.is_ascii_digit()) {
            end = digits(sign);
        }
    }
    let Ok(number) = rest[..end].replace('_', "").parse::<f64>() else {
        return Err(Mistake::new(at, format!("{} is no number", &rest[..end]), "write 80, 0.5 or 1e6"));
    };
    let length = rest[end..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len() - end);
    let unit = &rest[end..end + length];
    if unit.is_empty() {
        return Ok((Token::Number(number), end));
    }
    let Some(factor) = units::factor(unit) else {
        let hint = format!("units are {}; without one, a number is in the unit of what it is compared with", units::LIST);
        return Err(Mistake::new(at + end, format!("{unit} is no unit"), hint));
    };
    Ok((Token::Number(number * factor), end + length))
}

fn string(rest: &str, quote: char, at: usize) -> Result<(Token, usize), Mistake> {
    let mut text = String::new();
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => return Ok((Token::Text(text), offset + 1)),
            _ => text.push(c),
        }
    }
    Err(Mistake::new(at, "the text has no end", format!("close it with {quote}")))
}
