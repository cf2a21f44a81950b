//! The formula: a boxed slice of symbols in preorder (Polish order).
//!
//! Flat, so that comparing, hashing, copying and dropping are loops over memory whatever the nesting, and 4 bytes a
//! symbol. Preorder is also the order of Polish notation and of "variables by first occurrence".

use crate::error::{Error, Limits, Result};
use crate::varmap::VarMap;

/// One symbol: a connective or a variable. Variables order before connectives, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(u32);

impl Sym {
    /// Implication, `->`, Polish `C`.
    pub const IMP: Sym = Sym(u32::MAX);
    /// Negation, `~`, Polish `N`.
    pub const NOT: Sym = Sym(u32::MAX - 1);
    /// Conjunction, `/\`, Polish `K`.
    pub const AND: Sym = Sym(u32::MAX - 2);
    /// Disjunction, `\/`, Polish `A`.
    pub const OR: Sym = Sym(u32::MAX - 3);
    /// Necessity, `[]`, Polish `L`.
    pub const BOX: Sym = Sym(u32::MAX - 4);
    /// The highest number a variable can have.
    pub const MAX_VAR: u32 = u32::MAX - 16;

    /// Variable number `index`; `None` above [`Sym::MAX_VAR`].
    pub const fn var(index: u32) -> Option<Sym> {
        if index <= Sym::MAX_VAR { Some(Sym(index)) } else { None }
    }

    /// Variable `index` where it is known to be a count of symbols, hence below [`MAX_SIZE`].
    pub(crate) const fn small_var(index: u32) -> Sym {
        debug_assert!(index <= Sym::MAX_VAR);
        Sym(index)
    }

    /// The number of this variable; `None` for a connective.
    pub const fn variable(self) -> Option<u32> {
        if self.is_var() { Some(self.0) } else { None }
    }

    /// Whether this is a variable.
    pub const fn is_var(self) -> bool {
        self.0 <= Sym::MAX_VAR
    }

    /// How many formulas follow this symbol: 0 for a variable, 1 for `~` and `[]`, else 2.
    pub const fn arity(self) -> usize {
        match self {
            Sym::NOT | Sym::BOX => 1,
            _ if self.is_var() => 0,
            _ => 2,
        }
    }

    /// The symbol as a number (the variable's own number for variables), for storage in memory.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The inverse of [`Sym::raw`]; `None` for numbers that are no symbol.
    pub const fn from_raw(raw: u32) -> Option<Sym> {
        if raw <= Sym::MAX_VAR || raw >= Sym::BOX.0 { Some(Sym(raw)) } else { None }
    }
}

impl std::fmt::Debug for Sym {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Sym::IMP => f.write_str("C"),
            Sym::NOT => f.write_str("N"),
            Sym::AND => f.write_str("K"),
            Sym::OR => f.write_str("A"),
            Sym::BOX => f.write_str("L"),
            Sym(n) => write!(f, "{n}"),
        }
    }
}

/// Symbols that any formula may have, whatever the limits: positions in two formulas together fit 32 bits.
pub const MAX_SIZE: usize = 1 << 30;

/// A well-formed formula. Equality is equality of symbols; see [`Formula::canonical`] for alphabetic variants.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Formula(Box<[Sym]>);

impl Formula {
    /// A formula from its symbols in preorder; fails unless they are exactly one formula.
    pub fn from_symbols(symbols: Vec<Sym>, limits: &Limits) -> Result<Formula> {
        check_size(symbols.len(), limits)?;
        if !symbols.is_empty() && subterm_end(&symbols, 0) == Some(symbols.len()) {
            return Ok(Formula(symbols.into_boxed_slice()));
        }
        Err(Error::Malformed("the symbols are not exactly one formula in preorder".into()))
    }

    /// For symbols that are one formula by construction.
    pub(crate) fn trusted(symbols: Vec<Sym>) -> Formula {
        debug_assert_eq!(subterm_end(&symbols, 0), Some(symbols.len()));
        Formula(symbols.into_boxed_slice())
    }

    /// The formula that is variable `index` alone; `None` above [`Sym::MAX_VAR`].
    pub fn var(index: u32) -> Option<Formula> {
        Some(Formula(Box::new([Sym::var(index)?])))
    }

    /// The formula `connective` applied to `parts`, whose variables are taken as the same.
    pub fn join(connective: Sym, parts: &[&Formula], limits: &Limits) -> Result<Formula> {
        if connective.arity() == 0 || connective.arity() != parts.len() {
            return Err(Error::Malformed(format!("{} formulas for a connective of {}", parts.len(), connective.arity())));
        }
        let size = parts.iter().fold(1, |n, part| part.size().saturating_add(n));
        check_size(size, limits)?;
        let mut symbols = Vec::with_capacity(size);
        symbols.push(connective);
        for part in parts {
            symbols.extend_from_slice(&part.0);
        }
        Ok(Formula::trusted(symbols))
    }

    /// The symbols in preorder.
    pub fn symbols(&self) -> &[Sym] {
        &self.0
    }

    /// The number of symbols, connectives and variables alike.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The number of connectives on the longest branch; 0 for a variable.
    pub fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::new();
        for sym in self.0.iter().rev() {
            let mut deepest = None;
            for _ in 0..sym.arity() {
                deepest = deepest.max(depths.pop());
            }
            depths.push(deepest.map_or(0, |d| d + 1));
        }
        depths.last().copied().unwrap_or(0)
    }

    /// The number of distinct variables.
    pub fn variables(&self) -> u32 {
        let mut seen = VarMap::default();
        let mut count = 0;
        for var in self.0.iter().filter_map(|sym| sym.variable()) {
            if seen.get_or_insert(var, count) == count {
                count += 1;
            }
        }
        count
    }

    /// Antecedent and consequent, if this is an implication.
    pub fn as_implication(&self) -> Option<(&[Sym], &[Sym])> {
        if self.0[0] != Sym::IMP {
            return None;
        }
        let middle = subterm_end(&self.0, 1)?;
        Some((&self.0[1..middle], &self.0[middle..]))
    }

    /// Whether `connective` occurs.
    pub fn contains(&self, connective: Sym) -> bool {
        self.0.contains(&connective)
    }

    /// Whether the variables are numbered 0, 1, 2, ... in order of first occurrence.
    pub fn is_canonical(&self) -> bool {
        let mut next = 0;
        self.0.iter().filter_map(|sym| sym.variable()).all(|var| {
            next += u32::from(var == next);
            var < next
        })
    }

    /// The alphabetic variant whose variables are numbered 0, 1, 2, ... in order of first occurrence. Two formulas are
    /// alphabetic variants of each other exactly when these are equal.
    pub fn canonical(&self) -> Formula {
        let mut renamed = self.clone();
        if !self.is_canonical() {
            canonicalise(&mut renamed.0);
        }
        renamed
    }

    /// Puts `images[v]` in place of variable `v`, all at once; variables past the end of `images` stay.
    pub fn substitute(&self, images: &[Formula], limits: &Limits) -> Result<Formula> {
        let mut symbols = Vec::with_capacity(self.size());
        for sym in &self.0 {
            match sym.variable().and_then(|var| images.get(var as usize)) {
                Some(image) => symbols.extend_from_slice(&image.0),
                None => symbols.push(*sym),
            }
            check_size(symbols.len(), limits)?;
        }
        Ok(Formula::trusted(symbols))
    }
}

impl std::fmt::Debug for Formula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::print::polish(self))
    }
}

/// Numbers the variables of `symbols` by first occurrence, in place.
pub fn canonicalise(symbols: &mut [Sym]) {
    let mut numbers = VarMap::default();
    let mut next = 0;
    for sym in symbols {
        if let Some(var) = sym.variable() {
            let number = numbers.get_or_insert(var, next);
            next += u32::from(number == next);
            *sym = Sym::small_var(number);
        }
    }
}

/// One past the last symbol of the formula that begins at `start`; `None` if the symbols end before it does.
pub fn subterm_end(symbols: &[Sym], start: usize) -> Option<usize> {
    let mut missing = 1;
    for (at, sym) in symbols.iter().enumerate().skip(start) {
        missing = missing - 1 + sym.arity();
        if missing == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Fails for more symbols than the limits, or 32-bit positions, allow.
pub(crate) fn check_size(size: usize, limits: &Limits) -> Result<()> {
    if size > limits.max_symbols || size > MAX_SIZE {
        return Err(limits.symbols_exceeded());
    }
    Ok(())
}
