//! Condensed detachment in bulk: a block of major premises against a block of minor ones, each read into memory once.
//!
//! Structure sharing (Boyer and Moore): a variable is bound to a place in one of the loaded terms, nothing is copied, and what was
//! bound is taken back along a trail. Terms of two blocks are renamed apart by a shift of the numbers of all variables of the second
//! one. Whether a variable came to stand inside itself is looked at once, after everything else has fitted.

use super::Stop;
use super::packed::{BOX, IMP, WIDE, arity, pack, push_variable, unpack, variable, width};
use ml_logic::{Error, Limits};

/// A symbol in memory: the number of a variable, or `CONNECTIVE` with the packed byte and the arity.
const CONNECTIVE: u32 = 1 << 31;
const NONE: u32 = u32::MAX;

/// Steps of one unification, a multiple of the terms' sizes: ordinary ones need fewer than one a symbol. Terms that repeat what is
/// bound to their variables can need exponentially many, and variables inside themselves endless ones.
const STEPS_A_SYMBOL: usize = 16;

fn symbol(byte: u8) -> u32 {
    CONNECTIVE | u32::from(byte) << 2 | arity(byte) as u32
}

fn arity_of(symbol: u32) -> u32 {
    if symbol < CONNECTIVE { 0 } else { symbol & 3 }
}

/// A loaded term.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    /// Where its antecedent begins; [`NONE`] for what is no implication.
    antecedent: u32,
    end: u32,
}

/// Two blocks of terms, and the workspace to detach any of the one from any of the other.
#[derive(Debug, Default)]
pub struct Detacher {
    max_symbols: usize,
    /// The majors, then the minors.
    symbols: Vec<u32>,
    majors: Vec<Place>,
    minors: Vec<Place>,
    /// The first variable of the minors.
    shift: u32,
    /// Each variable's binding: a place in `symbols`.
    bound: Vec<u32>,
    trail: Vec<u32>,
    /// Terms to unify later: two places and how many terms follow each other there.
    pairs: Vec<(u32, u32, u32)>,
    /// Of each variable, whether its binding is known to be finite.
    state: Vec<Finite>,
    walk: Vec<(u32, u32, u32)>,
    /// Each variable's number in the conclusion.
    number: Vec<u32>,
    numbered: Vec<u32>,
    places: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finite {
    Unknown,
    Entered,
    Yes,
}

enum Unified {
    Yes,
    No,
    /// Undecided after so many steps as are allowed.
    Slow,
}

impl Detacher {
    /// An empty workspace. Conclusions of more than `max_symbols` symbols are refused.
    pub fn new(max_symbols: usize) -> Detacher {
        Detacher { max_symbols, ..Detacher::default() }
    }

    /// Replaces the majors by these packed terms, and forgets the minors.
    pub fn load_majors<'t>(&mut self, terms: impl IntoIterator<Item = &'t [u8]>) {
        self.symbols.clear();
        self.majors.clear();
        self.minors.clear();
        self.shift = 0;
        for term in terms {
            // A variable can become any implication: the rule itself, whose conclusion is a new variable.
            let term = if variable(term).is_some() { &[IMP, 1, 0] } else { term };
            let place = self.load(term, 0);
            self.majors.push(place);
        }
        self.shift = self.bound.len() as u32;
    }

    /// Replaces the minors by these packed terms.
    pub fn load_minors<'t>(&mut self, terms: impl IntoIterator<Item = &'t [u8]>) {
        self.symbols.truncate(self.majors.last().map_or(0, |last| last.end as usize));
        self.minors.clear();
        for term in terms {
            let place = self.load(term, self.shift);
            self.minors.push(place);
        }
    }

    /// How many symbols are loaded: blocks are best kept within the processor's nearest cache.
    pub fn loaded(&self) -> usize {
        self.symbols.len()
    }

    fn load(&mut self, term: &[u8], shift: u32) -> Place {
        let start = self.symbols.len();
        let mut variables = 0;
        let mut at = 0;
        while at < term.len() {
            let byte = term[at];
            if byte > WIDE {
                self.symbols.push(symbol(byte));
            } else {
                let number = variable(&term[at..]).unwrap_or_default();
                variables = variables.max(number + 1);
                self.symbols.push(number + shift);
            }
            at += width(byte);
        }
        let enough = (shift + variables) as usize;
        if self.bound.len() < enough {
            self.bound.resize(enough, NONE);
            self.state.resize(enough, Finite::Unknown);
            self.number.resize(enough, NONE);
        }
        let implication = term.first() == Some(&IMP);
        let antecedent = if implication { self.end(start as u32 + 1) } else { NONE };
        Place { start: start as u32, antecedent, end: self.symbols.len() as u32 }
    }

    /// One past the term that begins at `at`.
    fn end(&self, at: u32) -> u32 {
        let mut at = at as usize;
        let mut missing = 1;
        while missing > 0 {
            missing = missing - 1 + arity_of(self.symbols[at]);
            at += 1;
        }
        at as u32
    }

    /// Puts the packed conclusion of a loaded major and minor, by their places in their blocks, into `out`; false when there is none.
    ///
    /// # Errors
    /// [`Stop::TooLarge`].
    pub fn detach(&mut self, major: usize, minor: usize, out: &mut Vec<u8>) -> Result<bool, Stop> {
        out.clear();
        let (major, minor) = (self.majors[major], self.minors[minor]);
        if major.antecedent == NONE {
            return Ok(false);
        }
        let steps = STEPS_A_SYMBOL * (major.end - major.start + minor.end - minor.start) as usize;
        let concluded = match self.unify(major.antecedent, minor.start, steps) {
            Unified::Yes => self.write(major.start + 1, out).map(|()| true),
            Unified::No => Ok(false),
            Unified::Slow => self.detach_slowly(major, minor, out),
        };
        for variable in self.trail.drain(..) {
            self.bound[variable as usize] = NONE;
        }
        concluded
    }

    /// Follows the bindings of a variable to one that has none (true) or to a connective's place (false).
    fn resolve(&self, mut variable: u32) -> (bool, u32) {
        loop {
            let at = self.bound[variable as usize];
            if at == NONE {
                return (true, variable);
            }
            let symbol = self.symbols[at as usize];
            if symbol >= CONNECTIVE {
                return (false, at);
            }
            variable = symbol;
        }
    }

    fn bind(&mut self, variable: u32, at: u32) {
        self.bound[variable as usize] = at;
        self.trail.push(variable);
    }

    fn unify(&mut self, a: u32, b: u32, mut steps: usize) -> Unified {
        self.pairs.clear();
        let (mut a, mut b, mut terms) = (a, b, 1u32);
        loop {
            if terms == 0 {
                let Some(next) = self.pairs.pop() else { break };
                (a, b, terms) = next;
                continue;
            }
            if steps == 0 {
                return Unified::Slow;
            }
            steps -= 1;
            let (x, y) = (self.symbols[a as usize], self.symbols[b as usize]);
            if x >= CONNECTIVE && y >= CONNECTIVE {
                if x != y {
                    return Unified::No;
                }
                terms = terms - 1 + (x & 3);
                a += 1;
                b += 1;
                continue;
            }
            let (after_a, after_b) = (self.after(a, x), self.after(b, y));
            let (free_a, to_a) = if x < CONNECTIVE { self.resolve(x) } else { (false, a) };
            let (free_b, to_b) = if y < CONNECTIVE { self.resolve(y) } else { (false, b) };
            (a, b, terms) = (after_a, after_b, terms - 1);
            match (free_a, free_b) {
                (true, true) if to_a == to_b => {}
                // The place where a free variable stands is as good as the variable: any occurrence says the same.
                (true, _) => self.bind(to_a, if free_b { self.standing(to_b, y, after_b) } else { to_b }),
                (false, true) => self.bind(to_b, to_a),
                (false, false) if to_a == to_b => {}
                (false, false) => {
                    if terms > 0 {
                        self.pairs.push((a, b, terms));
                    }
                    (a, b, terms) = (to_a, to_b, 1);
                }
            }
        }
        if self.finite() { Unified::Yes } else { Unified::No }
    }

    fn after(&self, at: u32, symbol: u32) -> u32 {
        if symbol < CONNECTIVE { at + 1 } else { self.end(at) }
    }

    /// A place where the free variable `variable` stands, which `met`, just before `after`, was resolved to.
    fn standing(&self, variable: u32, met: u32, after: u32) -> u32 {
        let mut at = after - 1;
        let mut met = met;
        while met != variable {
            at = self.bound[met as usize];
            met = self.symbols[at as usize];
        }
        at
    }

    /// Whether no bound variable stands inside itself.
    fn finite(&mut self) -> bool {
        let mut finite = true;
        'all: for first in 0..self.trail.len() {
            let first = self.trail[first];
            if self.state[first as usize] != Finite::Unknown {
                continue;
            }
            self.walk.clear();
            self.state[first as usize] = Finite::Entered;
            let (mut variable, mut at, mut terms) = (first, self.bound[first as usize], 1);
            loop {
                if terms == 0 {
                    self.state[variable as usize] = Finite::Yes;
                    let Some(next) = self.walk.pop() else { break };
                    (variable, at, terms) = next;
                    continue;
                }
                let symbol = self.symbols[at as usize];
                at += 1;
                terms = terms - 1 + arity_of(symbol);
                if symbol >= CONNECTIVE || self.bound[symbol as usize] == NONE {
                    continue;
                }
                match self.state[symbol as usize] {
                    Finite::Yes => {}
                    Finite::Entered => {
                        finite = false;
                        break 'all;
                    }
                    Finite::Unknown => {
                        self.state[symbol as usize] = Finite::Entered;
                        self.walk.push((variable, at, terms));
                        (variable, at, terms) = (symbol, self.bound[symbol as usize], 1);
                    }
                }
            }
        }
        for &variable in &self.trail {
            self.state[variable as usize] = Finite::Unknown;
        }
        finite
    }

    /// Writes the term at `at` with its bindings, its variables numbered by first occurrence.
    fn write(&mut self, at: u32, out: &mut Vec<u8>) -> Result<(), Stop> {
        self.places.clear();
        let (mut at, mut terms) = (at, 1u32);
        let mut left = self.max_symbols;
        let mut written = Ok(());
        loop {
            if terms == 0 {
                let Some(next) = self.places.pop() else { break };
                (at, terms) = next;
                continue;
            }
            let symbol = self.symbols[at as usize];
            at += 1;
            terms -= 1;
            if symbol < CONNECTIVE && self.bound[symbol as usize] != NONE {
                if terms > 0 {
                    self.places.push((at, terms));
                }
                (at, terms) = (self.bound[symbol as usize], 1);
                continue;
            }
            if left == 0 {
                written = Err(Stop::TooLarge(self.max_symbols));
                break;
            }
            left -= 1;
            if symbol >= CONNECTIVE {
                terms += symbol & 3;
                out.push((symbol >> 2) as u8);
                continue;
            }
            let number = &mut self.number[symbol as usize];
            if *number == NONE {
                *number = self.numbered.len() as u32;
                self.numbered.push(symbol);
            }
            push_variable(*number, out);
        }
        for variable in self.numbered.drain(..) {
            self.number[variable as usize] = NONE;
        }
        written
    }

    /// The same by the unification of `ml_logic`, which is slower for small terms and never much slower than linear.
    #[cold]
    fn detach_slowly(&self, major: Place, minor: Place, out: &mut Vec<u8>) -> Result<bool, Stop> {
        let (Some(major), Some(minor)) = (self.formula(major, 0), self.formula(minor, self.shift)) else { return Ok(false) };
        let limits = Limits { max_symbols: self.max_symbols, ..Limits::default() };
        match ml_logic::detach(&major, &minor, &limits) {
            Ok(Some(conclusion)) => {
                out.extend_from_slice(&pack(&conclusion));
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(Error::Limit { .. }) => Err(Stop::TooLarge(self.max_symbols)),
            // Loaded terms are well-formed.
            Err(_) => Ok(false),
        }
    }

    fn formula(&self, place: Place, shift: u32) -> Option<ml_logic::Formula> {
        let mut bytes = Vec::new();
        for &symbol in &self.symbols[place.start as usize..place.end as usize] {
            match symbol < CONNECTIVE {
                true => push_variable(symbol - shift, &mut bytes),
                false => bytes.push((symbol >> 2) as u8),
            }
        }
        unpack(&bytes)
    }
}

/// The packed conclusion of necessitation.
pub fn necessitate(premise: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.push(BOX);
    out.extend_from_slice(premise);
}
