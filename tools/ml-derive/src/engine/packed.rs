//! Formulas as strings of bytes, usually one a symbol, in mirrored Polish order: connective, second part, first part.
//!
//! Mirrored, because the consequent of an implication tells formulas apart sooner than its antecedent: an index over such strings
//! is searched with half the steps. Variables are numbered by first occurrence in that order, so that alphabetic variants are equal
//! bytes. No string is the beginning of another one.

use ml_logic::formula::{canonicalise, subterm_end};
use ml_logic::{Formula, Limits, Sym};

/// Variables below this are one byte; it announces a further one as a number in the next [`WIDE_BYTES`] bytes.
pub const WIDE: u8 = 250;
/// Bytes of a variable's number, big-endian, after [`WIDE`].
pub const WIDE_BYTES: usize = 4;
/// Necessity.
pub const BOX: u8 = 251;
const OR: u8 = 252;
const AND: u8 = 253;
const NOT: u8 = 254;
/// Implication.
pub const IMP: u8 = 255;

/// How many terms follow a symbol that begins with `byte`.
pub fn arity(byte: u8) -> usize {
    match byte {
        0..=WIDE => 0,
        BOX | NOT => 1,
        _ => 2,
    }
}

/// How many bytes a symbol has that begins with `byte`.
pub fn width(byte: u8) -> usize {
    if byte == WIDE { 1 + WIDE_BYTES } else { 1 }
}

/// The variable that `bytes`, which are not empty, begin with; `None` for a connective.
pub fn variable(bytes: &[u8]) -> Option<u32> {
    match (bytes[0], bytes) {
        (WIDE, [_, a, b, c, d, ..]) => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        (byte, _) if byte < WIDE => Some(u32::from(byte)),
        _ => None,
    }
}

/// Appends variable `number`.
pub fn push_variable(number: u32, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(byte) if byte < WIDE => out.push(byte),
        _ => {
            out.push(WIDE);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// The packed form of a formula. Alphabetic variants have the same.
pub fn pack(formula: &Formula) -> Vec<u8> {
    let mut mirrored = mirror(formula.symbols());
    canonicalise(&mut mirrored);
    let mut out = Vec::with_capacity(mirrored.len());
    for sym in mirrored {
        match sym {
            Sym::IMP => out.push(IMP),
            Sym::NOT => out.push(NOT),
            Sym::AND => out.push(AND),
            Sym::OR => out.push(OR),
            Sym::BOX => out.push(BOX),
            _ => push_variable(sym.raw(), &mut out),
        }
    }
    out
}

/// The canonical formula of a packed one; `None` for bytes that [`pack`] or the engine did not make.
pub fn unpack(bytes: &[u8]) -> Option<Formula> {
    let mut symbols = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        symbols.push(match bytes[at] {
            IMP => Sym::IMP,
            NOT => Sym::NOT,
            AND => Sym::AND,
            OR => Sym::OR,
            BOX => Sym::BOX,
            _ => Sym::var(variable(&bytes[at..])?)?,
        });
        at += width(bytes[at]);
    }
    if subterm_end(&symbols, 0) != Some(symbols.len()) {
        return None;
    }
    let mut plain = mirror(&symbols);
    canonicalise(&mut plain);
    Formula::from_symbols(plain, &Limits { max_symbols: usize::MAX, ..Limits::default() }).ok()
}

/// The symbols of one formula with the parts of each binary connective exchanged; its own inverse.
fn mirror(symbols: &[Sym]) -> Vec<Sym> {
    // second[at]: where the second part of the connective at `at` begins.
    let mut second = vec![0usize; symbols.len()];
    let mut begun: Vec<usize> = Vec::new();
    for (at, sym) in symbols.iter().enumerate().rev() {
        if sym.arity() > 0 {
            begun.pop();
        }
        if sym.arity() == 2 {
            second[at] = begun.pop().unwrap_or_default();
        }
        begun.push(at);
    }
    let mut out = Vec::with_capacity(symbols.len());
    let mut todo = vec![0];
    while let Some(at) = todo.pop() {
        out.push(symbols[at]);
        match symbols[at].arity() {
            0 => {}
            1 => todo.push(at + 1),
            _ => todo.extend([at + 1, second[at]]),
        }
    }
    out
}

/// Packed terms by number, one after the other in memory.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Terms {
    /// How many there are; the next one's number.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of term `id`.
    pub fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..self.ends[id]]
    }

    /// Adds a term.
    pub fn push(&mut self, term: &[u8]) {
        self.bytes.extend_from_slice(term);
        self.ends.push(self.bytes.len());
    }

    /// Takes away all but the first `len` terms.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().copied().unwrap_or_default());
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// The numbers in the order of their terms' bytes.
pub fn sorted_by_bytes(terms: &Terms, ids: impl Iterator<Item = u32>) -> Vec<u32> {
    // The first bytes beside the number decide most comparisons without a look at the terms.
    let prefix = |id: u32| {
        let mut first = [0; 16];
        let term = terms.get(id);
        let length = term.len().min(16);
        first[..length].copy_from_slice(&term[..length]);
        u128::from_be_bytes(first)
    };
    let mut keyed: Vec<(u128, u32)> = ids.map(|id| (prefix(id), id)).collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| terms.get(a.1).cmp(terms.get(b.1))));
    keyed.into_iter().map(|(_, id)| id).collect()
}

/// Two lists that are in the order of their terms' bytes as one.
pub fn merged_by_bytes(terms: &Terms, a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let mut b = b.iter().copied().peekable();
    for &id in a {
        while let Some(other) = b.next_if(|&other| terms.get(other) < terms.get(id)) {
            merged.push(other);
        }
        merged.push(id);
    }
    merged.extend(b);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consequents_come_first() {
        let pack_of = |text: &str| pack(&text.parse().unwrap());
        assert_eq!(pack_of("p->q"), [IMP, 0, 1]);
        assert_eq!(pack_of("(p->q->r)->~p/\\[]q"), [IMP, AND, BOX, 0, NOT, 1, IMP, IMP, 2, 0, 1]);
        assert_eq!(pack_of("x->y->x"), pack_of("CpCqp"));
        assert_ne!(pack_of("CpCqp"), pack_of("CpCqq"));
    }

    #[test]
    fn packing_is_undone() {
        for text in ["p", "CpCqp", "CCpCqrCCpqCpr", "CCCCCpqCNrNsrtCCtCpsCuv", "CLKpqAqNp"] {
            let formula: Formula = text.parse().unwrap();
            assert_eq!(unpack(&pack(&formula)), Some(formula));
        }
        assert_eq!(unpack(&[]), None);
        assert_eq!(unpack(&[IMP, 0]), None);
        assert_eq!(unpack(&[WIDE, 0]), None);
    }

    #[test]
    fn variables_beyond_a_byte() {
        let limits = Limits::default();
        let variable = |n| Formula::var(n).unwrap();
        let mut formula = variable(0);
        for n in 1..1000 {
            formula = Formula::join(Sym::IMP, &[&variable(n), &formula], &limits).unwrap();
        }
        let formula = formula.canonical();
        let packed = pack(&formula);
        // 999 arrows, 250 short variables, 750 long ones.
        assert_eq!(packed.len(), 999 + 250 + 750 * 5);
        assert_eq!(unpack(&packed), Some(formula));
    }

    #[test]
    fn terms_by_number() {
        let mut terms = Terms::default();
        for term in [&[1u8, 2][..], &[3], &[4, 5, 6]] {
            terms.push(term);
        }
        assert_eq!((terms.get(0), terms.get(2), terms.len()), (&[1u8, 2][..], &[4u8, 5, 6][..], 3));
        terms.truncate(1);
        terms.push(&[9]);
        assert_eq!((terms.get(0), terms.get(1), terms.len()), (&[1u8, 2][..], &[9u8][..], 2));
    }
}
