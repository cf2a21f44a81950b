//! Reading formulas: infix (ASCII, Unicode and their usual variants) and Polish notation.
//!
//! - Infix: `->` (also `=>`, →, ⇒, ⟶, ⟹, ⊃), `\/` (`|`, `||`, ∨), `/\` (`&`, `&&`, ∧), `~` (`!`, ¬, ∼), `[]` (□, ◻).
//!   `~` and `[]` bind tightest, then `/\`, `\/`, `->`; **all three binary ones associate to the right**, as in Lean.
//!   Blanks mean nothing. An atom is an ASCII letter followed by ASCII letters, digits and `_`.
//! - Polish: `C` implication, `N` negation, `K` conjunction, `A` disjunction, `L` necessity; a variable is one lower-case
//!   letter with the digits that follow it (`p`, `a`, `p1`).
//! - [`parse_any`] takes as Polish whatever is longer than one character, begins with one of `CNKAL` and has nothing but these,
//!   lower-case letters, digits and blanks; everything else is infix.
//!
//! A parsed formula is canonical: its variables are numbered by first occurrence. The names that the text used are kept
//! beside it, in [`Named`].

use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym, check_size};
use crate::names;
use crate::print::{ASCII, infix_with, strength};
use std::collections::HashMap;

/// A formula as read, and what its text called the variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The formula, its variables numbered by first occurrence.
    pub formula: Formula,
    /// `atoms[v]` is the text's name of variable `v`.
    pub atoms: Vec<String>,
}

impl Named {
    /// Whether the text already used the canonical names p, q, r, ... in order of first occurrence.
    pub fn has_canonical_names(&self) -> bool {
        let mut all = self.atoms.iter().zip(0..);
        all.all(|(atom, var)| names::index(atom) == Some(var))
    }

    /// The ledger's ASCII text with the names of the source: what a ledger that does not rename variables stores.
    pub fn ascii(&self) -> String {
        infix_with(&self.formula, &ASCII, &mut |var, out| {
            if let Some(atom) = self.atoms.get(var as usize) {
                out.push_str(atom);
            }
        })
    }
}

/// The formula of a text in either notation, canonical, within the default [`Limits`].
impl std::str::FromStr for Formula {
    type Err = Error;

    fn from_str(text: &str) -> Result<Formula> {
        Ok(parse_any(text, &Limits::default())?.formula)
    }
}

/// Whether [`parse_any`] takes this text for Polish notation.
pub fn looks_polish(text: &str) -> bool {
    let text = text.trim();
    text.len() > 1
        && text.starts_with(['C', 'N', 'K', 'A', 'L'])
        && text.chars().all(|c| matches!(c, 'C' | 'N' | 'K' | 'A' | 'L' | 'a'..='z' | '0'..='9') || c.is_whitespace())
}

/// Reads a formula in whichever notation it is.
pub fn parse_any(text: &str, limits: &Limits) -> Result<Named> {
    if looks_polish(text) { parse_polish(text, limits) } else { parse_infix(text, limits) }
}

fn syntax<T>(column: usize, message: impl Into<String>) -> Result<T> {
    Err(Error::Syntax { column, message: message.into() })
}

/// The variables of a text, numbered as they come.
#[derive(Default)]
struct Atoms<'t> {
    numbers: HashMap<&'t str, u32>,
    names: Vec<String>,
}

impl<'t> Atoms<'t> {
    fn symbol(&mut self, name: &'t str) -> Sym {
        let fresh = self.names.len() as u32;
        let number = *self.numbers.entry(name).or_insert(fresh);
        if number == fresh {
            self.names.push(name.to_owned());
        }
        Sym::small_var(number)
    }
}

/// Reads Polish notation.
pub fn parse_polish(text: &str, limits: &Limits) -> Result<Named> {
    let mut atoms = Atoms::default();
    let mut symbols = Vec::new();
    let mut missing = 1;
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        let sym = match first {
            'C' => Sym::IMP,
            'N' => Sym::NOT,
            'K' => Sym::AND,
            'A' => Sym::OR,
            'L' => Sym::BOX,
            'a'..='z' => {
                length += rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                atoms.symbol(&rest[..length])
            }
            blank if blank.is_whitespace() => {
                rest = &rest[length..];
                column += 1;
                continue;
            }
            other => return syntax(column, format!("unexpected `{}` in polish notation", other.escape_debug())),
        };
        if missing == 0 {
            return syntax(column, "the formula is complete, but more follows");
        }
        missing = missing - 1 + sym.arity();
        symbols.push(sym);
        check_size(symbols.len(), limits)?;
        rest = &rest[length..];
        column += length; // only ASCII gets here
    }
    match missing {
        0 => Ok(Named { formula: Formula::trusted(symbols), atoms: atoms.names }),
        1 => syntax(column, "the text ends where a formula is expected"),
        n => syntax(column, format!("the text ends where {n} formulas are expected")),
    }
}

/// A piece of infix text.
enum Token<'t> {
    Atom(&'t str),
    Prefix(Sym),
    Binary(Sym),
    Open,
    Close,
}

/// All spellings but atoms; longer ones before their beginnings.
const SPELLINGS: &[(&str, Token<'static>)] = &[
    ("->", Token::Binary(Sym::IMP)),
    ("=>", Token::Binary(Sym::IMP)),
    ("→", Token::Binary(Sym::IMP)),
    ("⇒", Token::Binary(Sym::IMP)),
    ("⟶", Token::Binary(Sym::IMP)),
    ("⟹", Token::Binary(Sym::IMP)),
    ("⊃", Token::Binary(Sym::IMP)),
    ("~", Token::Prefix(Sym::NOT)),
    ("!", Token::Prefix(Sym::NOT)),
    ("¬", Token::Prefix(Sym::NOT)),
    ("∼", Token::Prefix(Sym::NOT)),
    ("(", Token::Open),
    (")", Token::Close),
    ("/\\", Token::Binary(Sym::AND)),
    ("&&", Token::Binary(Sym::AND)),
    ("&", Token::Binary(Sym::AND)),
    ("∧", Token::Binary(Sym::AND)),
    ("\\/", Token::Binary(Sym::OR)),
    ("||", Token::Binary(Sym::OR)),
    ("|", Token::Binary(Sym::OR)),
    ("∨", Token::Binary(Sym::OR)),
    ("[]", Token::Prefix(Sym::BOX)),
    ("□", Token::Prefix(Sym::BOX)),
    ("◻", Token::Prefix(Sym::BOX)),
];

/// The token that `text` begins with and its length in bytes.
fn token(text: &str) -> Option<(Token<'_>, usize)> {
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let more = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let length = text.bytes().take_while(more).count();
        return Some((Token::Atom(&text[..length]), length));
    }
    let (spelling, token) = SPELLINGS.iter().find(|(spelling, _)| text.starts_with(spelling))?;
    let token = match *token {
        Token::Prefix(sym) => Token::Prefix(sym),
        Token::Binary(sym) => Token::Binary(sym),
        Token::Close => Token::Close,
        _ => Token::Open,
    };
    Some((token, spelling.len()))
}

/// Reads infix notation (Dijkstra's shunting yard, so that nesting costs no stack).
pub fn parse_infix(text: &str, limits: &Limits) -> Result<Named> {
    enum Waiting {
        Connective(Sym),
        /// An open parenthesis and its column.
        Open(usize),
    }
    let mut atoms = Atoms::default();
    let mut postorder: Vec<Sym> = Vec::new();
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut want_formula = true;
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            column += 1;
            continue;
        }
        let Some((token, length)) = token(rest) else {
            return syntax(column, format!("unexpected character `{}`", first.escape_debug()));
        };
        let (piece, after) = rest.split_at(length);
        match (token, want_formula) {
            (Token::Atom(name), true) => {
                postorder.push(atoms.symbol(name));
                want_formula = false;
            }
            (Token::Prefix(sym), true) => waiting.push(Waiting::Connective(sym)),
            (Token::Open, true) => waiting.push(Waiting::Open(column)),
            (Token::Binary(sym), false) => {
                while let Some(Waiting::Connective(top)) = waiting.last()
                    && strength(*top) > strength(sym)
                {
                    postorder.push(*top);
                    waiting.pop();
                }
                waiting.push(Waiting::Connective(sym));
                want_formula = true;
            }
            (Token::Close, false) => loop {
                match waiting.pop() {
                    Some(Waiting::Connective(sym)) => postorder.push(sym),
                    Some(Waiting::Open(_)) => break,
                    None => return syntax(column, "`)` without its `(`"),
                }
            },
            (_, true) => return syntax(column, format!("expected a formula, found `{piece}`")),
            (_, false) => return syntax(column, format!("expected a connective or `)`, found `{}`", excerpt(piece))),
        }
        check_size(postorder.len().max(waiting.len()), limits)?;
        column += piece.chars().count();
        rest = after;
    }
    if want_formula {
        return syntax(column, "the text ends where a formula is expected");
    }
    while let Some(last) = waiting.pop() {
        match last {
            Waiting::Connective(sym) => postorder.push(sym),
            Waiting::Open(column) => return syntax(column, "`(` without its `)`"),
        }
    }
    check_size(postorder.len(), limits)?;
    Ok(Named { formula: Formula::trusted(preorder(&postorder)), atoms: atoms.names })
}

/// The beginning of a piece of text, for messages.
fn excerpt(piece: &str) -> String {
    match piece.char_indices().nth(20) {
        Some((end, _)) => format!("{}...", &piece[..end]),
        None => piece.to_owned(),
    }
}

/// One formula's symbols from postorder into preorder.
fn preorder(postorder: &[Sym]) -> Vec<Sym> {
    // starts[i]: where the formula that ends at i begins; 32 bits suffice, sizes are below MAX_SIZE.
    let mut starts: Vec<u32> = Vec::with_capacity(postorder.len());
    for (at, sym) in postorder.iter().enumerate() {
        let mut start = at;
        for _ in 0..sym.arity() {
            start = starts[start - 1] as usize;
        }
        starts.push(start as u32);
    }
    let mut symbols = Vec::with_capacity(postorder.len());
    let mut ends = vec![postorder.len() - 1];
    while let Some(end) = ends.pop() {
        symbols.push(postorder[end]);
        match postorder[end].arity() {
            0 => {}
            1 => ends.push(end - 1),
            _ => ends.extend([end - 1, starts[end - 1] as usize - 1]),
        }
    }
    symbols
}
