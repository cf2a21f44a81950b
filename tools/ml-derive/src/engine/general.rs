//! Which terms are instances of others: perfect discrimination trees over terms that are written spine by spine.
//!
//! A search follows, for each symbol, the same symbol or a variable that stands for a whole part; as variables are numbered by first
//! occurrence, a variable is either the next one or bound already, and as equal parts have one node, whether it is bound to the same
//! is a comparison of two numbers. (McCune, Experiments with discrimination-tree indexing and path indexing for term retrieval, Journal
//! of Automated Reasoning 9, 1992; the order by spines and the graph are ours.)
//!
//! A tree is written from sorted terms in one pass, parts before wholes. A node is: the set of the first symbols of its children's
//! labels as bits, the number of children whose first symbol has no bit (those with many variables), the length of its label, the
//! label, the place of each child. A label is whole symbols that all terms below share; the first one is not with the child when the
//! parent has a bit for it, and so which children can match is seen without a look at them. A leaf is the length of its label, the
//! label and the term's root; of its label only a beginning is kept, and what passes it is compared with the graph.

use super::nodes::{AND, BOX, NOT, Node, Nodes, OR, TAGS, VARIABLE};
use super::spine::{AND_BYTE, BOX_BYTE, IMP_BYTE, NOT_BYTE, OR_BYTE, Reader, WIDE, variable, width};

/// In a place: what is there is a leaf.
const LEAF: u32 = 1 << 31;
/// Bytes of a label at most.
const LONGEST_LABEL: usize = 250;
/// Bytes of a leaf's label at most, but for the rest of its last symbol.
const LEAF_LABEL: usize = 8;
/// Bytes of a place and of a root.
const NUMBER: usize = 4;
/// Bytes of two terms that are compared at a time.
const SPAN: usize = 8;

/// A read-only index of terms of one graph.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    bytes: Vec<u8>,
    /// Place of the node without a label that all others are below.
    root: usize,
    /// Parts that a search may have to remember, at most.
    longest: usize,
}

/// Why a tree cannot be built: its places have 31 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Variables below this have a bit.
const VARIABLES: u8 = 25;
/// In place of a variable: the label is whole.
const NO_BIT: u8 = VARIABLES;
/// Bytes of a node before its label: bits, children with a bit, others, the label's length.
const HEAD: usize = 8;

/// The place of the bit of a symbol that begins with `byte`; `None` for the variables that have none.
fn bit(byte: u8) -> Option<u32> {
    match byte {
        0..VARIABLES => Some(u32::from(byte)),
        byte if byte > WIDE => Some(u32::from(byte - WIDE) + 26),
        _ => None,
    }
}

/// First byte of a label and place of the node.
type Child = (u8, u32);

#[derive(Default)]
struct Builder {
    bytes: Vec<u8>,
    /// Open branching nodes: after how many bytes of the term, and which is the first of their children.
    open: Vec<(usize, usize)>,
    /// Children of all open nodes.
    children: Vec<Child>,
}

impl Builder {
    fn place(&self) -> Result<u32, TooLarge> {
        u32::try_from(self.bytes.len()).ok().filter(|&place| place < LEAF).ok_or(TooLarge)
    }

    /// Writes the leaf that `label` leads to.
    fn leaf(&mut self, label: &[u8], root: u32) -> Result<Child, TooLarge> {
        let place = self.place()?;
        let (first, label) = split(label);
        self.bytes.push(label.len() as u8);
        self.bytes.extend_from_slice(label);
        self.bytes.extend_from_slice(&root.to_le_bytes());
        Ok((first, place | LEAF))
    }

    /// Writes the node that `label` leads to, with the children from `first` on.
    fn node(&mut self, label: &[u8], first: usize) -> Result<Child, TooLarge> {
        if label.len() <= LONGEST_LABEL {
            return self.piece(label, first);
        }
        // What is too long for one node lies within others: the last piece is written first.
        let mut starts = vec![0];
        let mut at = 0;
        while at < label.len() {
            let end = at + width(label[at]);
            if end - starts.last().copied().unwrap_or_default() > LONGEST_LABEL {
                starts.push(at);
            }
            at = end;
        }
        let mut end = label.len();
        let mut node = (0, 0);
        for &start in starts.iter().rev() {
            if end < label.len() {
                self.children.push(node);
            }
            node = self.piece(&label[start..end], first)?;
            end = start;
        }
        Ok(node)
    }

    fn piece(&mut self, label: &[u8], first: usize) -> Result<Child, TooLarge> {
        let place = self.place()?;
        let (first_byte, label) = split(label);
        let children = &self.children[first..];
        let bits = children.iter().filter_map(|child| bit(child.0)).fold(0u32, |bits, bit| bits | 1 << bit);
        let with_bit = bits.count_ones() as usize;
        let others = children.len() - with_bit;
        self.bytes.extend_from_slice(&bits.to_le_bytes());
        self.bytes.push(with_bit as u8);
        self.bytes.extend_from_slice(&(others as u16).to_le_bytes());
        self.bytes.push(label.len() as u8);
        self.bytes.extend_from_slice(label);
        if others == 0 {
            children.iter().for_each(|child| self.bytes.extend_from_slice(&child.1.to_le_bytes()));
        } else {
            // Those without a bit come last.
            let (with, without) = (children.iter().filter(|child| bit(child.0).is_some()), children.iter().filter(|c| bit(c.0).is_none()));
            with.chain(without).for_each(|child| self.bytes.extend_from_slice(&child.1.to_le_bytes()));
        }
        self.children.truncate(first);
        Ok((first_byte, place))
    }

    fn top(&self) -> (usize, usize) {
        self.open.last().copied().unwrap_or_default()
    }

    /// The term that was read, `text`, shares `shared` bytes with the next one: closes all nodes that end with it.
    fn close(&mut self, text: &[u8], shared: usize, root: u32, ends: bool) -> Result<(), TooLarge> {
        let from = shared.max(self.top().0);
        let mut to = text.len();
        if !ends || to > from + LEAF_LABEL {
            to = from;
            while to < text.len() && to < from + LEAF_LABEL {
                to += width(text[to]);
            }
        }
        let leaf = self.leaf(&text[from..to], root)?;
        self.children.push(leaf);
        while self.top().0 > shared {
            let (end, first) = self.top();
            self.open.pop();
            let node = self.node(&text[shared.max(self.top().0)..end], first)?;
            self.children.push(node);
        }
        if self.top().0 < shared {
            self.open.push((shared, self.children.len() - 1));
        }
        Ok(())
    }
}

/// The first byte of a label, and what of the label is with the node itself.
fn split(label: &[u8]) -> (u8, &[u8]) {
    match label {
        [] => (0, label),
        [first, rest @ ..] => (*first, if bit(*first).is_some() { rest } else { label }),
    }
}

impl Tree {
    /// Indexes the terms at these roots, which are in the order of their bytes, each once.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn build(sorted: &[u32], graph: &Nodes) -> Result<Tree, TooLarge> {
        let mut longest = 0;
        let mut builder = Builder { open: vec![(0, 0)], ..Builder::default() };
        let (mut term, mut next) = (Reader::default(), Reader::default());
        if let Some(&root) = sorted.first() {
            term.begin(root);
        }
        for (at, &root) in sorted.iter().enumerate() {
            let shared = match sorted.get(at + 1) {
                Some(&other) => {
                    next.begin(other);
                    shared(&mut term, &mut next, graph)
                }
                None => 0,
            };
            term.read(shared.max(builder.top().0) + LEAF_LABEL, graph);
            longest = longest.max(term.bytes().len());
            builder.close(term.bytes(), shared, root, term.at_end())?;
            std::mem::swap(&mut term, &mut next);
        }
        let root = builder.node(&[], 0)?.1 as usize;
        let mut bytes = builder.bytes;
        bytes.shrink_to_fit();
        // Each symbol adds one antecedent, or passes one.
        Ok(Tree { bytes, root, longest: longest + 2 })
    }

    /// Whether the term at `root` is an instance of an indexed term other than itself.
    pub fn has_more_general(&self, root: u32, graph: &Nodes, search: &mut Search) -> bool {
        let Search { queue, bound, later, pairs } = search;
        if queue.len() < self.longest {
            queue.resize(self.longest, 0);
            bound.resize(self.longest, 0);
        }
        later.clear();
        let bytes = &self.bytes[..];
        let mut place = self.root;
        let mut state = State { next: root, at: 0, tail: 0, bound: 0 };
        'nodes: loop {
            // A node's label, then its children, which all meet the same part of the term.
            let Some(&[a, b, c, d, with_bit, low, high, label]) = bytes[place..].first_chunk::<HEAD>() else { return false };
            let places_at = place + HEAD + usize::from(label);
            if label == 0 || follow(&bytes[place + HEAD..places_at], graph, queue, bound, &mut state) {
                let bits = u32::from_le_bytes([a, b, c, d]);
                let with_bit = usize::from(with_bit);
                let others = usize::from(low) | usize::from(high) << 8;
                let places = &bytes[places_at..].as_chunks::<NUMBER>().0[..with_bit + others];
                for &place in &places[with_bit..] {
                    later.push((u32::from_le_bytes(place), NO_BIT, state));
                }
                let id = state.next;
                // A variable that is bound has to be bound to the same; the next one is free. They are the first children.
                let mut variables = bits & ((2 << state.bound.min(u32::from(VARIABLES) - 1)) - 1);
                for &place in places {
                    if variables == 0 {
                        break;
                    }
                    let variable = variables.trailing_zeros();
                    variables &= variables - 1;
                    if variable == state.bound || bound[variable as usize] == id {
                        later.push((u32::from_le_bytes(place), variable as u8, state));
                    }
                }
                let node = graph.get(id);
                let connective = connective(node);
                let above = match connective {
                    0 => 0,
                    byte => bits >> (byte - WIDE + 26),
                };
                if above & 1 == 1 {
                    // Connectives are the last children with a bit.
                    let child = u32::from_le_bytes(places[with_bit - if above == 1 { 1 } else { above.count_ones() as usize }]);
                    descend(connective, node, graph, queue, &mut state);
                    if child & LEAF == 0 {
                        place = child as usize;
                        continue 'nodes;
                    }
                    if self.leaf((child & !LEAF) as usize, root, graph, (queue, bound, pairs), state) {
                        return true;
                    }
                }
            }
            // Back to the next child that may match; leaves are looked at on the way.
            loop {
                let Some((child, variable, before)) = later.pop() else { return false };
                state = before;
                if variable != NO_BIT {
                    if u32::from(variable) == state.bound {
                        bound[state.bound as usize] = state.next;
                        state.bound += 1;
                    }
                    pass(queue, &mut state);
                }
                if child & LEAF == 0 {
                    place = child as usize;
                    continue 'nodes;
                }
                if self.leaf((child & !LEAF) as usize, root, graph, (queue, bound, pairs), state) {
                    return true;
                }
            }
        }
    }

    /// Whether the leaf there is of another term that `root` is an instance of.
    #[inline]
    fn leaf(
        &self,
        place: usize,
        root: u32,
        graph: &Nodes,
        (queue, bound, pairs): (&mut [u32], &mut [u32], &mut Pairs),
        mut state: State,
    ) -> bool {
        let end = place + 1 + usize::from(self.bytes[place]);
        if !follow(&self.bytes[place + 1..end], graph, queue, bound, &mut state) {
            return false;
        }
        let general = self.bytes[end..].first_chunk().map_or(root, |&bytes| u32::from_le_bytes(bytes));
        general != root && pairs.is_instance(general, root, graph)
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

/// How many bytes two terms share at their beginnings, whole symbols only.
fn shared(a: &mut Reader, b: &mut Reader, graph: &Nodes) -> usize {
    let mut same = 0;
    loop {
        a.read(same + SPAN, graph);
        b.read(same + SPAN, graph);
        let (x, y) = (a.bytes(), b.bytes());
        while same < x.len() && same < y.len() {
            let symbol = width(x[same]);
            if x[same..same + symbol] != y[same..(same + symbol).min(y.len())] {
                return same;
            }
            same += symbol;
        }
        if a.at_end() && b.at_end() {
            return same;
        }
    }
}

/// How far a search has come in the term.
#[derive(Clone, Copy, Debug)]
struct State {
    /// The node that is met next.
    next: u32,
    /// The first antecedent in the queue that was not met, and the queue's end.
    at: u32,
    tail: u32,
    /// How many variables are bound.
    bound: u32,
}

/// The byte of a node's connective; 0 for a variable.
#[inline]
fn connective(node: Node) -> u8 {
    const OF_TAG: [u8; 16] = {
        let mut bytes = [0; 16];
        bytes[(NOT - TAGS) as usize] = NOT_BYTE;
        bytes[(BOX - TAGS) as usize] = BOX_BYTE;
        bytes[(AND - TAGS) as usize] = AND_BYTE;
        bytes[(OR - TAGS) as usize] = OR_BYTE;
        bytes
    };
    if node.left < TAGS { IMP_BYTE } else { OF_TAG[(node.left - TAGS) as usize & 15] }
}

/// Matches a label; how far it comes.
#[inline]
fn follow(label: &[u8], graph: &Nodes, queue: &mut [u32], bound: &mut [u32], state: &mut State) -> bool {
    let mut place = 0;
    while let Some(&byte) = label.get(place) {
        place += width(byte);
        if byte > WIDE {
            let node = graph.get(state.next);
            if connective(node) != byte {
                return false;
            }
            descend(byte, node, graph, queue, state);
            continue;
        }
        let number = if byte < WIDE { u32::from(byte) } else { variable(&label[place - width(WIDE)..]) };
        if number >= state.bound {
            bound[state.bound as usize] = state.next;
            state.bound += 1;
        } else if bound[number as usize] != state.next {
            return false;
        }
        pass(queue, state);
    }
    true
}

/// Goes past a whole part of the term.
#[inline]
fn pass(queue: &[u32], state: &mut State) {
    // At the end of the term whatever is there is not looked at.
    state.next = queue[state.at as usize];
    state.at += 1;
}

/// Goes on to the consequent and puts the antecedent into the queue.
#[inline]
fn descend(connective: u8, node: Node, graph: &Nodes, queue: &mut [u32], state: &mut State) {
    state.next = node.right;
    let mut antecedent = node.left;
    match connective {
        NOT_BYTE | BOX_BYTE => return,
        IMP_BYTE => {}
        _ => {
            let parts = graph.get(node.right);
            (antecedent, state.next) = (parts.left, parts.right);
        }
    }
    queue[state.tail as usize] = antecedent;
    state.tail += 1;
}

/// What a search needs, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Antecedents to be matched; those of a place in the tree are a beginning of those of all places below.
    queue: Vec<u32>,
    /// The node that each variable of the general term stands for.
    bound: Vec<u32>,
    /// Children to look at later: the place, the variable that their labels begin with or [`NO_BIT`], how far the search was.
    later: Vec<(u32, u8, State)>,
    pairs: Pairs,
}

/// Compares two terms of a graph.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    pairs: Vec<(u32, u32)>,
    images: Vec<u32>,
    imaged: Vec<u32>,
}

impl Pairs {
    /// Whether the term at `special` is an instance of that at `general`.
    pub fn is_instance(&mut self, general: u32, special: u32, graph: &Nodes) -> bool {
        self.pairs.clear();
        self.pairs.push((general, special));
        let mut matches = true;
        while let Some((general, special)) = self.pairs.pop() {
            let node = graph.get(general);
            if node.left == VARIABLE {
                let place = node.right as usize;
                if self.images.len() <= place {
                    self.images.resize(place + 1, 0);
                }
                if self.images[place] == 0 {
                    self.images[place] = special;
                    self.imaged.push(node.right);
                } else if self.images[place] != special {
                    matches = false;
                    break;
                }
                continue;
            }
            let other = graph.get(special);
            if node.left < TAGS && other.left < TAGS {
                self.pairs.extend([(node.left, other.left), (node.right, other.right)]);
            } else if node.left == other.left {
                self.pairs.push((node.right, other.right));
            } else {
                matches = false;
                break;
            }
        }
        for number in self.imaged.drain(..) {
            self.images[number as usize] = 0;
        }
        matches
    }
}
