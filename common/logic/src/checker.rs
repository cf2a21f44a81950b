//! The small checker: re-proves a statement from the text of its D-proof and the axioms alone.
//!
//! It shares nothing with the engine or with `unify.rs` but the symbols of a formula, so that a defect there cannot hide
//! here: terms are trees of nodes, unification is Robinson's, with an occurs check before each binding. Equal sub-proofs are
//! proved once. Every symbol looked at counts against `Limits::max_work`, which therefore bounds time and memory.

use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym, check_size};
use std::collections::HashMap;

/// What a proof may use.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Axiom `1` first.
    pub axioms: &'a [Formula],
    /// Whether `N` (from A infer `[]A`) is a rule besides condensed detachment.
    pub necessitation: bool,
}

/// What a proof is worth for a claimed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It proves the claim, up to the names of variables.
    Exact,
    /// It proves more: the claim is a proper instance of this conclusion.
    MoreGeneral(Formula),
    /// It does not prove the claim, for this reason.
    DoesNotProve(String),
}

/// Checks that `dproof` proves `claimed`. Fails only with [`Error::Limit`], when the limits left the question open.
pub fn check(rules: &Rules, dproof: &str, claimed: &Formula, limits: &Limits) -> Result<Verdict> {
    match conclusion(rules, dproof, limits) {
        Ok(proved) if proved == claimed.canonical() => Ok(Verdict::Exact),
        Ok(proved) if instance(proved.symbols(), claimed.symbols()) => Ok(Verdict::MoreGeneral(proved)),
        Ok(proved) => Ok(Verdict::DoesNotProve(match proved.size() {
            0..=500 => format!("the proof proves {proved} instead"),
            size => format!("the proof proves another formula, of {size} symbols"),
        })),
        Err(limit @ Error::Limit { .. }) => Err(limit),
        Err(reason) => Ok(Verdict::DoesNotProve(reason.to_string())),
    }
}

/// The most general statement that `dproof` proves, its variables numbered by first occurrence. [`Error::NotAProof`] tells
/// what is wrong with a proof that proves nothing.
pub fn conclusion(rules: &Rules, dproof: &str, limits: &Limits) -> Result<Formula> {
    let mut checker = Checker { limits, spent: 0, nodes: Vec::new() };
    // From the right, `stack` holds the finished sub-proofs to the right of here, the nearest on top.
    let mut stack: Vec<usize> = Vec::new();
    let mut known: HashMap<(u8, usize, usize), usize> = HashMap::new();
    let mut proved: Vec<Vec<Sym>> = Vec::new();
    for (at, &letter) in dproof.as_bytes().iter().enumerate().rev() {
        let wrong = |what: &str| Error::NotAProof(format!("symbol {} of the proof: {what}", at + 1));
        let missing = || wrong("its sub-proofs are not complete");
        let key = match letter {
            b'D' => {
                let major = stack.pop().ok_or_else(missing)?;
                (letter, major, stack.pop().ok_or_else(missing)?)
            }
            b'N' => (letter, stack.pop().ok_or_else(missing)?, 0),
            _ => (letter, 0, 0),
        };
        if let Some(&line) = known.get(&key) {
            stack.push(line);
            continue;
        }
        let statement = match letter {
            b'D' => {
                let detached = checker.detach(&proved[key.1], &proved[key.2])?;
                detached.ok_or_else(|| wrong("the minor premise does not fit the antecedent of the major premise"))?
            }
            b'N' if rules.necessitation => {
                let mut boxed = vec![Sym::BOX];
                boxed.extend_from_slice(&proved[key.1]);
                boxed
            }
            b'N' => return Err(wrong("necessitation is not a rule of this system")),
            b'1'..=b'9' | b'a'..=b'z' => {
                let number = if letter <= b'9' { letter - b'1' } else { letter - b'a' + 9 };
                let axiom = rules.axioms.get(usize::from(number));
                axiom.ok_or_else(|| wrong("no such axiom"))?.symbols().to_vec()
            }
            _ => return Err(wrong("not a symbol of D-notation")),
        };
        checker.hold(statement.len())?;
        proved.push(statement);
        known.insert(key, proved.len() - 1);
        stack.push(proved.len() - 1);
    }
    match stack[..] {
        [line] => Formula::from_symbols(proved.swap_remove(line), limits).map(|f| f.canonical()),
        _ => Err(Error::NotAProof(format!("the text is {} proofs instead of one", stack.len()))),
    }
}

/// The place of a node in `Checker::nodes`.
type Id = u32;

/// A term: a connective over the nodes `left` and `right`, or a variable and what it is bound to.
#[derive(Clone, Copy)]
struct Node {
    sym: Sym,
    left: Id,
    right: Id,
    bound: Option<Id>,
    /// The variable whose search came here last, so that none goes twice through a shared term.
    seen: Option<Id>,
}

/// The nodes of the detachment in progress, and the account of the whole check.
struct Checker<'a> {
    limits: &'a Limits,
    spent: usize,
    nodes: Vec<Node>,
}

impl Checker<'_> {
    /// Accounts for some work.
    fn spend(&mut self, work: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(work);
        if self.spent > self.limits.max_work {
            return Err(Error::Limit { what: "steps of checking one proof", limit: self.limits.max_work });
        }
        Ok(())
    }

    /// Accounts for a statement that is kept.
    fn hold(&mut self, size: usize) -> Result<()> {
        check_size(size, self.limits)?;
        self.spend(size)
    }

    /// The consequent of `major` under the most general unifier of its antecedent and `minor`.
    fn detach(&mut self, major: &[Sym], minor: &[Sym]) -> Result<Option<Vec<Sym>>> {
        self.nodes.clear();
        let (mut major, minor) = (self.tree(major)?, self.tree(minor)?);
        let variable = self.node(major).sym;
        if variable.is_var() {
            // A variable stands for any implication, also for one of two new variables.
            let (left, right) = (self.add(variable, 0, 0), self.add(variable, 0, 0));
            major = self.add(Sym::IMP, left, right);
        }
        let Node { sym: Sym::IMP, left, right, .. } = self.node(major) else {
            return Ok(None);
        };
        if !self.unify(left, minor)? {
            return Ok(None);
        }
        self.write(right).map(Some)
    }

    fn node(&self, id: Id) -> Node {
        self.nodes[id as usize]
    }

    fn add(&mut self, sym: Sym, left: Id, right: Id) -> Id {
        let (bound, seen) = (None, None);
        self.nodes.push(Node { sym, left, right, bound, seen });
        self.nodes.len() as Id - 1 // two formulas have fewer than 2^31 symbols
    }

    /// The tree of a formula, its variables being new ones.
    fn tree(&mut self, symbols: &[Sym]) -> Result<Id> {
        self.spend(symbols.len())?;
        let mut variables: HashMap<Sym, Id> = HashMap::new();
        let mut stack: Vec<Id> = Vec::new();
        for &sym in symbols.iter().rev() {
            let mut part = || stack.pop().unwrap_or_default();
            let id = match sym.arity() {
                0 => *variables.entry(sym).or_insert_with(|| self.add(sym, 0, 0)),
                1 => self.add(sym, part(), 0),
                _ => self.add(sym, part(), part()),
            };
            stack.push(id);
        }
        Ok(stack.pop().unwrap_or_default())
    }

    /// What a node stands for: follows the bindings of variables.
    fn resolve(&mut self, mut id: Id) -> Id {
        while let Some(next) = self.node(id).bound {
            id = next;
            self.spent += 1;
        }
        id
    }

    fn unify(&mut self, a: Id, b: Id) -> Result<bool> {
        let mut pairs = vec![(a, b)];
        while let Some((a, b)) = pairs.pop() {
            self.spend(1)?;
            let (a, b) = (self.resolve(a), self.resolve(b));
            let (one, other) = (self.node(a), self.node(b));
            if a == b {
                continue;
            }
            if one.sym.is_var() || other.sym.is_var() {
                let (variable, term) = if one.sym.is_var() { (a, b) } else { (b, a) };
                if self.occurs(variable, term)? {
                    return Ok(false);
                }
                self.nodes[variable as usize].bound = Some(term);
                continue;
            }
            if one.sym != other.sym {
                return Ok(false);
            }
            if one.sym.arity() == 2 {
                pairs.push((one.right, other.right));
            }
            pairs.push((one.left, other.left));
        }
        Ok(true)
    }

    /// Whether `variable` is somewhere in `term`, as bound so far.
    fn occurs(&mut self, variable: Id, term: Id) -> Result<bool> {
        let mut stack = vec![term];
        while let Some(id) = stack.pop() {
            self.spend(1)?;
            let id = self.resolve(id);
            if id == variable {
                return Ok(true);
            }
            let Node { sym, left, right, seen, .. } = self.node(id);
            if seen != Some(variable) {
                // One search a variable, since it is bound after it: the variable can stand for the search.
                self.nodes[id as usize].seen = Some(variable);
                stack.extend(&[left, right][..sym.arity()]);
            }
        }
        Ok(false)
    }

    /// The formula at a node, its variables numbered by first occurrence.
    fn write(&mut self, id: Id) -> Result<Vec<Sym>> {
        let mut numbers: HashMap<Id, u32> = HashMap::new();
        let mut symbols = Vec::new();
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            let id = self.resolve(id);
            let Node { mut sym, left, right, .. } = self.node(id);
            match sym.arity() {
                0 => {
                    let fresh = numbers.len() as u32;
                    let number = *numbers.entry(id).or_insert(fresh);
                    sym = Sym::var(number).ok_or_else(|| self.limits.symbols_exceeded())?;
                }
                1 => stack.push(left),
                _ => stack.extend([right, left]),
            }
            symbols.push(sym);
            self.spend(1)?;
            check_size(symbols.len(), self.limits)?;
        }
        Ok(symbols)
    }
}

/// Whether `claimed` results from `general` by putting formulas for its variables.
fn instance(general: &[Sym], claimed: &[Sym]) -> bool {
    let mut images: HashMap<Sym, &[Sym]> = HashMap::new();
    let mut rest = claimed;
    for &sym in general {
        let mut length = 1;
        if sym.is_var() {
            let mut missing = 1;
            length = 0;
            while missing > 0 && length < rest.len() {
                missing = missing - 1 + rest[length].arity();
                length += 1;
            }
        } else if rest.first() != Some(&sym) {
            return false;
        }
        let (image, after) = rest.split_at(length.min(rest.len()));
        if sym.is_var() && *images.entry(sym).or_insert(image) != image {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
