//! Condensed detachment over nodes: two blocks of premises, unification of any of the one with any of the other, the conclusion.
//!
//! The premises' nodes are copied close together, the blocks apart from each other, which also renames their variables apart.
//! Unification binds numbers to numbers (structure sharing: Boyer and Moore); where it takes long it also merges what it has compared
//! (Huet; Baader and Snyder, Unification theory, 2001, section 2.3), which keeps it nearly linear in the number of nodes, whatever the
//! size of the terms. Whether a term would stand inside itself is looked at once, after everything else has fitted.

use super::conclusion::Conclusion;
use super::nodes::{BOX, Nodes, TAGS, VARIABLE};

const NONE: u32 = u32::MAX;

/// Entries of the memory of what was copied; a power of two. What it forgets is copied twice, which costs time only.
const RECENT: usize = 1 << 10;

/// Comparisons after which compared nodes are merged.
const PATIENCE: usize = 64;

/// A node of a block: as in [`Nodes`], but with the blocks' own numbers.
#[derive(Clone, Copy, Debug)]
struct Local {
    left: u32,
    right: u32,
}

/// A premise in a block.
#[derive(Clone, Copy, Debug)]
struct Premise {
    root: u32,
    /// [`NONE`] for what is no implication.
    antecedent: u32,
    consequent: u32,
}

/// One of the two blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Loaded first: loading it empties the other.
    First,
    /// Loaded second.
    Second,
}

/// Two blocks of premises and the workspace to detach them.
#[derive(Debug)]
pub struct Blocks {
    nodes: Vec<Local>,
    first: Vec<Premise>,
    second: Vec<Premise>,
    /// Where the second block's nodes begin.
    border: u32,
    /// Which node was copied to where: number in the graph and number here.
    recent: Vec<(u32, u32)>,
    /// The block's variables by number.
    variables: Vec<u32>,
    copying: Vec<(u32, u32)>,
    /// What a node stands for, of variables and merged nodes.
    bound: Vec<u32>,
    trail: Vec<u32>,
    compare: Vec<(u32, u32)>,
    /// By node: in which search it was last seen, or finished.
    seen: Vec<u32>,
    search: u32,
    walk: Vec<u32>,
    /// By node: when it was last put into the conclusion, and where.
    part: Vec<(u32, u32)>,
    emission: u32,
    /// Wholes whose parts are put in: the node, what is left of it ([`NONE`] until it is known), what is right.
    open: Vec<(u32, u32, u32)>,
}

impl Default for Blocks {
    fn default() -> Self {
        Blocks {
            nodes: Vec::new(),
            first: Vec::new(),
            second: Vec::new(),
            border: 0,
            recent: vec![(0, 0); RECENT],
            variables: Vec::new(),
            copying: Vec::new(),
            bound: Vec::new(),
            trail: Vec::new(),
            compare: Vec::new(),
            seen: Vec::new(),
            search: 0,
            walk: Vec::new(),
            part: Vec::new(),
            emission: 0,
            open: Vec::new(),
        }
    }
}

impl Blocks {
    /// Replaces a block by these terms.
    pub fn load(&mut self, side: Side, terms: impl IntoIterator<Item = u32>, graph: &Nodes) {
        let premises = match side {
            Side::First => {
                self.nodes.clear();
                self.second.clear();
                &mut self.first
            }
            Side::Second => {
                self.nodes.truncate(self.border as usize);
                &mut self.second
            }
        };
        let mut premises = std::mem::take(premises);
        premises.clear();
        self.recent.fill((0, 0));
        self.variables.clear();
        for term in terms {
            let root = self.copy(term, graph);
            let Local { left, right } = self.nodes[root as usize];
            premises.push(match left {
                // A variable becomes any implication: the rule itself, whose conclusion is a new variable.
                VARIABLE => Premise { root, antecedent: self.add(VARIABLE, 0), consequent: self.add(VARIABLE, 0) },
                left if left < TAGS => Premise { root, antecedent: left, consequent: right },
                _ => Premise { root, antecedent: NONE, consequent: NONE },
            });
        }
        let all = self.nodes.len();
        if self.bound.len() < all {
            self.bound.resize(all, NONE);
            self.seen.resize(all, 0);
            self.part.resize(all, (0, 0));
        }
        match side {
            Side::First => {
                self.border = all as u32;
                self.first = premises;
            }
            Side::Second => self.second = premises,
        }
    }

    fn add(&mut self, left: u32, right: u32) -> u32 {
        self.nodes.push(Local { left, right });
        self.nodes.len() as u32 - 1
    }

    fn copied(&self, id: u32) -> Option<u32> {
        let (from, to) = self.recent[id as usize & (RECENT - 1)];
        (from == id).then_some(to)
    }

    /// The block's variable of that number; the premises of a block may share it, as no two of them meet.
    fn variable(&mut self, number: u32) -> u32 {
        let number = number as usize;
        if self.variables.len() <= number {
            self.variables.resize(number + 1, NONE);
        }
        if self.variables[number] == NONE {
            self.variables[number] = self.add(VARIABLE, 0);
        }
        self.variables[number]
    }

    /// Copies a term, parts before wholes; its number here.
    fn copy(&mut self, term: u32, graph: &Nodes) -> u32 {
        // Numbers of copied parts, the last on top; to copy: a term, or, with its parts copied, a node.
        let mut done: Vec<u32> = std::mem::take(&mut self.walk);
        done.clear();
        self.copying.clear();
        self.copying.push((term, 0));
        while let Some((id, parts)) = self.copying.pop() {
            let node = graph.get(id);
            if parts > 0 {
                let right = done.pop().unwrap_or_default();
                let left = if parts == 2 { done.pop().unwrap_or_default() } else { node.left };
                let to = self.add(left, right);
                self.recent[id as usize & (RECENT - 1)] = (id, to);
                done.push(to);
            } else if node.left == VARIABLE {
                let to = self.variable(node.right);
                done.push(to);
            } else if let Some(to) = self.copied(id) {
                done.push(to);
            } else if node.left < TAGS {
                self.copying.extend([(id, 2), (node.right, 0), (node.left, 0)]);
            } else {
                self.copying.extend([(id, 1), (node.right, 0)]);
            }
        }
        let root = done.pop().unwrap_or_default();
        self.walk = done;
        root
    }

    /// Puts the conclusion of a major and a minor premise, by their places in their blocks, into `out`; false when there is none.
    pub fn detach(&mut self, major: (Side, usize), minor: usize, out: &mut Conclusion) -> bool {
        let (major, minor) = match major {
            (Side::First, place) => (self.first[place], self.second[minor]),
            (Side::Second, place) => (self.second[place], self.first[minor]),
        };
        if major.antecedent == NONE {
            return false;
        }
        let fits = self.unify(major.antecedent, minor.root) && self.finite();
        if fits {
            self.emit(major.consequent, out);
        }
        for id in self.trail.drain(..) {
            self.bound[id as usize] = NONE;
        }
        fits
    }

    /// The conclusion of necessitation from a premise of the first block.
    pub fn necessitate(&mut self, premise: usize, out: &mut Conclusion) {
        self.emit(self.first[premise].root, out);
        out.push(BOX, out.root());
    }

    /// A premise of the first block itself.
    pub fn repeat(&mut self, premise: usize, out: &mut Conclusion) {
        self.emit(self.first[premise].root, out);
    }

    fn resolve(&self, mut id: u32) -> u32 {
        loop {
            match self.bound[id as usize] {
                NONE => return id,
                next => id = next,
            }
        }
    }

    fn bind(&mut self, id: u32, to: u32) {
        self.bound[id as usize] = to;
        self.trail.push(id);
    }

    fn unify(&mut self, a: u32, b: u32) -> bool {
        self.compare.clear();
        let (mut a, mut b) = (a, b);
        let mut compared = 0;
        loop {
            (a, b) = (self.resolve(a), self.resolve(b));
            if a != b {
                let (x, y) = (self.nodes[a as usize], self.nodes[b as usize]);
                if x.left == VARIABLE {
                    self.bind(a, b);
                } else if y.left == VARIABLE {
                    self.bind(b, a);
                } else {
                    compared += 1;
                    if compared > PATIENCE {
                        self.bind(a, b);
                    }
                    if x.left < TAGS && y.left < TAGS {
                        self.compare.push((x.left, y.left));
                    } else if x.left != y.left {
                        return false;
                    }
                    (a, b) = (x.right, y.right);
                    continue;
                }
            }
            match self.compare.pop() {
                Some(next) => (a, b) = next,
                None => return true,
            }
        }
    }

    /// Whether nothing that was bound stands inside itself.
    fn finite(&mut self) -> bool {
        let border = self.border;
        let (mut first, mut second, mut across) = (false, false, true);
        for &id in &self.trail {
            let to = self.bound[id as usize];
            first |= id < border;
            second |= id >= border;
            across &= (id < border) != (to < border);
        }
        // Only variables of one block are bound, to terms of the other, in which nothing is bound.
        if across && !(first && second) {
            return true;
        }
        // Depth first: a node is entered (`search`), then finished (`search + 1`).
        if self.search > u32::MAX - 4 {
            self.seen.fill(0);
            self.search = 0;
        }
        self.search += 2;
        let (entered, finished) = (self.search, self.search + 1);
        for at in 0..self.trail.len() {
            self.walk.clear();
            self.walk.push(self.trail[at]);
            while let Some(&id) = self.walk.last() {
                let id = self.resolve(id);
                let seen = &mut self.seen[id as usize];
                if *seen == finished {
                    self.walk.pop();
                    continue;
                }
                let node = self.nodes[id as usize];
                if *seen == entered {
                    *seen = finished;
                    self.walk.pop();
                    continue;
                }
                if node.left == VARIABLE {
                    *seen = finished;
                    self.walk.pop();
                    continue;
                }
                *seen = entered;
                let left = (node.left < TAGS).then_some(node.left);
                for part in [Some(node.right), left].into_iter().flatten() {
                    let part = self.resolve(part);
                    match self.seen[part as usize] {
                        seen if seen == entered => return false,
                        seen if seen == finished => {}
                        _ => self.walk.push(part),
                    }
                }
            }
        }
        true
    }

    /// Puts the term at `root`, as it is bound, into `out`; variables are numbered by first occurrence.
    fn emit(&mut self, root: u32, out: &mut Conclusion) {
        out.clear();
        if self.emission == u32::MAX {
            self.part.fill((0, 0));
            self.emission = 0;
        }
        self.emission += 1;
        let emission = self.emission;
        self.open.clear();
        let mut id = root;
        'parts: loop {
            // Down to a part that is done or has no parts.
            let mut part = loop {
                id = self.resolve(id);
                let (done, part) = self.part[id as usize];
                if done == emission {
                    break part;
                }
                let Local { left, right } = self.nodes[id as usize];
                if left == VARIABLE {
                    let part = out.variable();
                    self.part[id as usize] = (emission, part);
                    break part;
                }
                if left < TAGS {
                    self.open.push((id, NONE, right));
                    id = left;
                } else {
                    self.open.push((id, left, right));
                    id = right;
                }
            };
            // Up to one whose second part is missing.
            loop {
                let Some((whole, left, right)) = self.open.last_mut() else { return };
                if *left == NONE {
                    *left = part;
                    id = *right;
                    continue 'parts;
                }
                part = out.push(*left, part);
                self.part[*whole as usize] = (emission, part);
                self.open.pop();
            }
        }
    }
}
