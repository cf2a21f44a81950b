//! Most general unifiers in almost linear time and memory, by unification closure.
//!
//! Subterms are nodes, an equation merges the classes of two nodes (union-find), and the parts of merged terms are equated in
//! turn; since every merge makes one class less, work is bounded by the input even where the unifier itself, written out, is
//! exponentially large. Afterwards one depth-first walk looks for a class that contains itself: the occurs check, over the
//! whole unifier. (Huet 1976; Baader and Snyder, Unification Theory, Handbook of Automated Reasoning 2001, section 2.3.)
//!
//! [`Unifier`] is a workspace: it keeps its memory, and a term once loaded can be unified with many others, because
//! [`Unifier::undo`] takes back exactly the merges that were made.

use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, MAX_SIZE, Sym};
use crate::varmap::VarMap;

/// A position of the workspace: where a subterm begins.
pub type At = u32;

/// Marks a variable without a number in the output.
const NONE: u32 = u32::MAX;

/// The workspace of unification: loaded terms, their classes, and scratch memory.
#[derive(Default)]
pub struct Unifier {
    /// All loaded terms, in preorder, one after the other.
    symbols: Vec<Sym>,
    /// The node of each position: itself, but for a variable the first position of that variable.
    node: Vec<At>,
    /// For a binary connective, where its second part begins.
    second: Vec<At>,
    /// The union-find forest over nodes.
    link: Vec<At>,
    /// The number of a variable's class in the output, [`NONE`] before it has one.
    number: Vec<u32>,
    /// What the walk of the occurs check knows of a node: not seen, entered, finite.
    mark: Vec<Mark>,
    /// Variables of the load in progress, to their first positions.
    vars: VarMap,
    /// Nodes that are linked to another.
    linked: Vec<At>,
    /// Nodes that are marked.
    marked: Vec<At>,
    /// Nodes that have a number.
    numbered: Vec<At>,
    pairs: Vec<(At, At)>,
    stack: Vec<At>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unseen,
    Entered,
    Finite,
}

impl Unifier {
    /// An empty workspace.
    pub fn new() -> Unifier {
        Unifier::default()
    }

    /// The number of symbols loaded: where the next term will begin.
    pub fn len(&self) -> At {
        self.symbols.len() as At
    }

    /// Whether nothing is loaded.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Takes back all merges, and all terms but those in the first `len` symbols, and forgets the names of variables:
    /// what is loaded next is renamed apart. `truncate(0)` empties the workspace.
    pub fn truncate(&mut self, len: At) {
        self.undo();
        let len = len as usize;
        self.symbols.truncate(len);
        self.node.truncate(len);
        self.second.truncate(len);
        self.link.truncate(len);
        self.number.truncate(len);
        self.mark.truncate(len);
        self.rename_apart();
    }

    /// Forgets the names of variables: the same variable in a term loaded later is a different one.
    pub fn rename_apart(&mut self) {
        self.vars.clear();
    }

    /// Loads the one formula that `symbols` must be, and returns its position. Variables are those of the terms loaded since
    /// the last [`Unifier::rename_apart`]. Fails when positions would not fit 32 bits.
    pub fn load(&mut self, symbols: &[Sym]) -> Result<At> {
        let start = self.symbols.len();
        if start + symbols.len() > 3 * MAX_SIZE {
            return Err(Error::Limit { what: "symbols to unify", limit: 3 * MAX_SIZE });
        }
        self.symbols.extend_from_slice(symbols);
        let end = self.symbols.len();
        self.node.extend(start as At..end as At);
        self.link.extend(start as At..end as At);
        self.second.resize(end, 0);
        self.number.resize(end, NONE);
        self.mark.resize(end, Mark::Unseen);
        for (at, sym) in symbols.iter().enumerate() {
            if let Some(var) = sym.variable() {
                let at = start + at;
                self.node[at] = self.vars.get_or_insert(var, at as At);
            }
        }
        // From the right, `stack` holds the beginnings of the complete terms to the right of here, the nearest on top.
        self.stack.clear();
        for at in (start..end).rev() {
            match self.symbols[at].arity() {
                0 => {}
                1 => {
                    self.stack.pop();
                }
                _ => {
                    self.stack.pop();
                    self.second[at] = self.stack.pop().unwrap_or_default();
                }
            }
            self.stack.push(at as At);
        }
        Ok(start as At)
    }

    /// Where the two parts of the implication at `at` begin; `None` if there is no implication.
    pub fn implication(&self, at: At) -> Option<(At, At)> {
        (self.symbols[at as usize] == Sym::IMP).then(|| (at + 1, self.second[at as usize]))
    }

    /// Takes back all merges and numbers.
    pub fn undo(&mut self) {
        for at in self.linked.drain(..) {
            self.link[at as usize] = at;
        }
        for at in self.numbered.drain(..) {
            self.number[at as usize] = NONE;
        }
    }

    /// The representative of the class of position `at`; a connective if the class has one.
    fn class(&mut self, at: At) -> At {
        let mut at = self.node[at as usize];
        loop {
            let next = self.link[at as usize];
            if next == at {
                return at;
            }
            // Halving the path keeps later walks short. Both nodes are linked already, so undo knows them.
            let after = self.link[next as usize];
            self.link[at as usize] = after;
            at = after;
        }
    }

    /// Makes the terms at `a` and `b` equal, on top of what was unified before. False when that is impossible, with the
    /// occurs check over everything; all merges, also the earlier ones, are then undone.
    pub fn unify(&mut self, a: At, b: At) -> bool {
        let unified = self.merge(a, b) && self.finite();
        if !unified {
            self.undo();
        }
        unified
    }

    /// Merges the classes of `a` and `b`, and of the parts that this makes equal. False on a clash of connectives.
    fn merge(&mut self, a: At, b: At) -> bool {
        self.pairs.clear();
        self.pairs.push((a, b));
        while let Some((a, b)) = self.pairs.pop() {
            let (a, b) = (self.class(a), self.class(b));
            if a == b {
                continue;
            }
            let (sa, sb) = (self.symbols[a as usize], self.symbols[b as usize]);
            if sa.is_var() {
                self.link[a as usize] = b;
                self.linked.push(a);
                continue;
            }
            if sb.is_var() {
                self.link[b as usize] = a;
                self.linked.push(b);
                continue;
            }
            if sa != sb {
                return false;
            }
            self.link[a as usize] = b;
            self.linked.push(a);
            if sa.arity() == 2 {
                self.pairs.push((self.second[a as usize], self.second[b as usize]));
            }
            self.pairs.push((a + 1, b + 1));
        }
        true
    }

    /// Whether no class contains itself. A cycle passes through a bound variable, since loaded terms have none.
    fn finite(&mut self) -> bool {
        let mut finite = true;
        let mut from = 0;
        while finite && from < self.linked.len() {
            let start = self.linked[from];
            from += 1;
            if self.symbols[start as usize].is_var() {
                finite = self.finite_below(start);
            }
        }
        for at in self.marked.drain(..) {
            self.mark[at as usize] = Mark::Unseen;
        }
        finite
    }

    /// Walks all classes below `start`; false when one is met inside itself.
    fn finite_below(&mut self, start: At) -> bool {
        self.stack.clear();
        self.stack.push(start);
        while let Some(&top) = self.stack.last() {
            let class = self.class(top);
            let sym = self.symbols[class as usize];
            match self.mark[class as usize] {
                Mark::Finite => {
                    self.stack.pop();
                }
                Mark::Entered => {
                    // Everything pushed above it is done, so this is the way back out of the class.
                    self.mark[class as usize] = Mark::Finite;
                    self.stack.pop();
                }
                Mark::Unseen => {
                    self.marked.push(class);
                    if sym.is_var() {
                        self.mark[class as usize] = Mark::Finite;
                        self.stack.pop();
                        continue;
                    }
                    self.mark[class as usize] = Mark::Entered;
                    let parts = [class + 1, self.second[class as usize]];
                    for &part in &parts[..sym.arity()] {
                        let part = self.class(part);
                        match self.mark[part as usize] {
                            Mark::Entered => return false,
                            Mark::Unseen => self.stack.push(part),
                            Mark::Finite => {}
                        }
                    }
                }
            }
        }
        true
    }

    /// Appends the term at `at` under the unifier to `out`. Variables are numbered by first occurrence in the output since the
    /// last [`Unifier::undo`], so several terms written one after the other share their variables. Fails when `out` grows past
    /// `limits.max_symbols`.
    pub fn write(&mut self, at: At, out: &mut Vec<Sym>, limits: &Limits) -> Result<()> {
        self.stack.clear();
        self.stack.push(at);
        while let Some(at) = self.stack.pop() {
            let class = self.class(at);
            let sym = self.symbols[class as usize];
            if out.len() >= limits.max_symbols {
                return Err(limits.symbols_exceeded());
            }
            match sym.arity() {
                0 => {
                    let fresh = self.numbered.len() as u32;
                    let number = &mut self.number[class as usize];
                    if *number == NONE {
                        *number = fresh;
                        self.numbered.push(class);
                    }
                    out.push(Sym::small_var(*number));
                    continue;
                }
                1 => {}
                _ => self.stack.push(self.second[class as usize]),
            }
            out.push(sym);
            self.stack.push(class + 1);
        }
        Ok(())
    }

    /// [`Unifier::write`] into a formula of its own.
    pub fn formula(&mut self, at: At, limits: &Limits) -> Result<Formula> {
        let mut out = Vec::new();
        self.write(at, &mut out, limits)?;
        Ok(Formula::trusted(out))
    }
}

/// Most general unifier of two formulas whose variables are the same, as the images of the variables of `a` and `b`: a list
/// that [`Formula::substitute`] takes, `images[v]` for variable `v`. `None` if there is none. The variables of the
/// images are numbered afresh. All images together are held to `limits.max_symbols`, and so is the highest variable.
pub fn unify(a: &Formula, b: &Formula, limits: &Limits) -> Result<Option<Vec<Formula>>> {
    let mut unifier = Unifier::new();
    let (at_a, at_b) = (unifier.load(a.symbols())?, unifier.load(b.symbols())?);
    let variables = unifier.variables(a.symbols().iter().chain(b.symbols()), limits)?;
    if !unifier.unify(at_a, at_b) {
        return Ok(None);
    }
    unifier.images(&variables, limits).map(Some)
}

impl Unifier {
    /// The positions of all variables up to the highest of `symbols`, in the namespace last loaded; variables that
    /// were not loaded are loaded now.
    pub(crate) fn variables<'s>(&mut self, symbols: impl Iterator<Item = &'s Sym>, limits: &Limits) -> Result<Vec<At>> {
        let count = symbols.filter_map(|s| s.variable()).max().map_or(0, |v| v as usize + 1);
        if count > limits.max_symbols {
            return Err(limits.symbols_exceeded());
        }
        let mut variables = Vec::with_capacity(count);
        for var in 0..count as u32 {
            variables.push(match self.vars.get(var) {
                Some(at) => at,
                None => self.load(&[Sym::small_var(var)])?,
            });
        }
        Ok(variables)
    }

    /// What is at each of these positions under the unifier, `limits.max_symbols` in all.
    pub(crate) fn images(&mut self, variables: &[At], limits: &Limits) -> Result<Vec<Formula>> {
        let mut left = *limits;
        let mut images = Vec::with_capacity(variables.len());
        for &at in variables {
            let image = self.formula(at, &left).map_err(|_| limits.symbols_exceeded())?;
            left.max_symbols -= image.size();
            images.push(image);
        }
        Ok(images)
    }
}
