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
use crate::formula::{Formula, MAX_SIZE, Sym, check_size};
use crate::varmap::VarMap;

/// A position of the workspace: where a subterm begins.
pub type At = u32;

/// The state of a node that has none.
const NONE: u32 = u32::MAX;

/// A position in a loaded term, and the class it is in.
#[derive(Clone, Copy)]
struct Node {
    sym: Sym,
    /// For a variable its first position, which stands for all of them; for a binary connective where its second part begins.
    place: At,
    /// The union-find forest: itself, or the next node on the way to the class's representative.
    link: At,
    /// [`NONE`]; or for a variable its number in the output, for a connective what the occurs check knows of it.
    state: u32,
}

/// States of a connective during the occurs check.
const ENTERED: u32 = 0;
const FINITE: u32 = 1;

/// The workspace of unification: loaded terms, their classes, and scratch memory.
#[derive(Default)]
pub struct Unifier {
    /// All loaded terms, in preorder, one after the other.
    nodes: Vec<Node>,
    /// Variables of the terms being loaded, to their first positions.
    vars: VarMap,
    /// Nodes that are linked to another.
    linked: Vec<At>,
    /// Nodes that the occurs check has entered.
    entered: Vec<At>,
    /// Variables that have a number.
    numbered: Vec<At>,
    pairs: Vec<(At, At)>,
    stack: Vec<At>,
}

impl Unifier {
    /// An empty workspace.
    pub fn new() -> Unifier {
        Unifier::default()
    }

    /// The number of symbols loaded: where the next term will begin.
    pub fn len(&self) -> At {
        self.nodes.len() as At
    }

    /// Whether nothing is loaded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The symbol at a position.
    pub fn symbol(&self, at: At) -> Sym {
        self.nodes[at as usize].sym
    }

    /// Takes back all merges, and all terms but those in the first `len` symbols, and forgets the names of variables:
    /// what is loaded next is renamed apart. `truncate(0)` empties the workspace.
    pub fn truncate(&mut self, len: At) {
        self.undo();
        self.nodes.truncate(len as usize);
        self.rename_apart();
    }

    /// Forgets the names of variables: the same variable in a term loaded later is a different one.
    pub fn rename_apart(&mut self) {
        self.vars.clear();
    }

    /// Loads the one formula that `symbols` must be, and returns its position. Variables are those of the terms loaded since
    /// the last [`Unifier::rename_apart`]. Fails when positions would not fit 32 bits.
    pub fn load(&mut self, symbols: &[Sym]) -> Result<At> {
        let start = self.nodes.len();
        if start + symbols.len() > 3 * MAX_SIZE {
            return Err(Error::Limit { what: "symbols to unify", limit: 3 * MAX_SIZE });
        }
        self.nodes.reserve(symbols.len());
        // On the stack: the binary connectives that wait for their first part. Every variable completes the first part of the
        // nearest one, and with it all second parts that end here.
        self.stack.clear();
        for (at, &sym) in (start as At..).zip(symbols) {
            let place = sym.variable().map_or(at, |var| self.vars.get_or_insert(var, at));
            self.nodes.push(Node { sym, place, link: at, state: NONE });
            match sym.arity() {
                2 => self.stack.push(at),
                1 => {}
                _ => {
                    if let Some(connective) = self.stack.pop() {
                        self.nodes[connective as usize].place = at + 1;
                    }
                }
            }
        }
        Ok(start as At)
    }

    /// Where the two parts of the implication at `at` begin; `None` if there is no implication.
    pub fn implication(&self, at: At) -> Option<(At, At)> {
        let node = self.nodes[at as usize];
        (node.sym == Sym::IMP).then_some((at + 1, node.place))
    }

    /// Takes back all merges and numbers.
    pub fn undo(&mut self) {
        for at in self.linked.drain(..) {
            self.nodes[at as usize].link = at;
        }
        for at in self.numbered.drain(..) {
            self.nodes[at as usize].state = NONE;
        }
    }

    /// The representative of the class of position `at`; a connective if the class has one.
    fn class(&mut self, at: At) -> (At, Node) {
        let mut at = at;
        let mut node = self.nodes[at as usize];
        if node.sym.is_var() && node.place != at {
            at = node.place;
            node = self.nodes[at as usize];
        }
        while node.link != at {
            // Halving the path keeps later walks short. Both nodes are linked already, so undo knows them.
            let next = self.nodes[node.link as usize];
            self.nodes[at as usize].link = next.link;
            at = next.link;
            node = self.nodes[at as usize];
        }
        (at, node)
    }

    /// Links the class of `from`, its representative, below `to`.
    fn link(&mut self, from: At, to: At) {
        self.nodes[from as usize].link = to;
        self.linked.push(from);
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
            let ((a, one), (b, other)) = (self.class(a), self.class(b));
            if a == b {
                continue;
            }
            if one.sym.is_var() {
                self.link(a, b);
                continue;
            }
            if other.sym.is_var() {
                self.link(b, a);
                continue;
            }
            if one.sym != other.sym {
                return false;
            }
            self.link(a, b);
            if one.sym.arity() == 2 {
                self.pairs.push((one.place, other.place));
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
            if self.nodes[start as usize].sym.is_var() {
                finite = self.finite_below(start);
            }
        }
        for at in self.entered.drain(..) {
            self.nodes[at as usize].state = NONE;
        }
        finite
    }

    /// Walks all classes below `start`; false when one is met inside itself.
    fn finite_below(&mut self, start: At) -> bool {
        self.stack.clear();
        self.stack.push(start);
        while let Some(&top) = self.stack.last() {
            let (class, node) = self.class(top);
            if node.sym.is_var() || node.state != NONE {
                // Entered before: everything that was pushed above it is done, so this is the way back out.
                if !node.sym.is_var() {
                    self.nodes[class as usize].state = FINITE;
                }
                self.stack.pop();
                continue;
            }
            self.nodes[class as usize].state = ENTERED;
            self.entered.push(class);
            let parts = [class + 1, node.place];
            for &part in &parts[..node.sym.arity()] {
                let (part, node) = self.class(part);
                match node.state {
                    _ if node.sym.is_var() => {}
                    ENTERED => return false,
                    FINITE => {}
                    _ => self.stack.push(part),
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
            let (class, node) = self.class(at);
            check_size(out.len() + 1, limits)?;
            match node.sym.arity() {
                0 => {
                    let mut number = node.state;
                    if number == NONE {
                        number = self.numbered.len() as u32;
                        self.nodes[class as usize].state = number;
                        self.numbered.push(class);
                    }
                    out.push(Sym::small_var(number));
                    continue;
                }
                1 => {}
                _ => self.stack.push(node.place),
            }
            out.push(node.sym);
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
