//! Which terms are instances of others: perfect discrimination trees over terms that are written level by level.
//!
//! A search follows, for each symbol, the same symbol or a variable that stands for a whole part; as variables are numbered by first
//! occurrence, a variable is either the next one or bound already, and as equal parts have one node, whether it is bound to the same
//! is a comparison of two numbers. (McCune, Experiments with discrimination-tree indexing and path indexing for term retrieval, Journal
//! of Automated Reasoning 9, 1992; the order by levels and the graph are ours.)
//!
//! A tree is written from sorted terms in one pass, wholes after their parts, and read backwards: of each node its children, then its
//! label (whole symbols that all terms below share), for a leaf the term's root, then five bytes: how many bytes the node has with all
//! below it, and the label's length with two flags. Of a leaf's label only a beginning is kept; what passes it is compared with the
//! graph.

use super::breadth::{AND_BYTE, BOX_BYTE, IMP_BYTE, NOT_BYTE, OR_BYTE, Reader, WIDE, variable, width};
use super::nodes::{AND, BOX, NOT, Nodes, OR, TAGS, VARIABLE};

/// Bytes at a node's end: its size, flags and the label's length.
const TAIL: usize = 5;
/// Bytes of a leaf's root.
const ROOT: usize = 4;
/// There is no sibling before it.
const FIRST: u8 = 1 << 7;
/// It is a leaf.
const LEAF: u8 = 1 << 6;
const LONGEST_LABEL: usize = LEAF as usize - 1;
/// Bytes of a leaf's label at most, but for the rest of its last symbol.
const LEAF_LABEL: usize = 8;

/// Bytes of a tree at most: its offsets are 32 bits.
pub const MOST_BYTES: usize = u32::MAX as usize - (1 << 20);

/// A read-only index of terms of one graph.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    bytes: Vec<u8>,
}

/// Why a tree cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

struct Builder {
    bytes: Vec<u8>,
    /// Open branching nodes: after how many bytes of the term, and where their first child begins.
    open: Vec<(usize, usize)>,
}

impl Builder {
    /// Writes the node that `text[from..to]` labels, whose children begin at `start`.
    fn node(&mut self, text: &[u8], from: usize, to: usize, start: usize, root: Option<u32>, first: bool) -> Result<(), TooLarge> {
        let mut pieces = Vec::new();
        let mut at = from;
        while at < to || pieces.is_empty() {
            let mut end = at;
            while end < to && end + width(text[end]) - at <= LONGEST_LABEL {
                end += width(text[end]);
            }
            pieces.push((at, end));
            at = end;
        }
        // The pieces of a long label lie within each other: the last one is written first.
        for (number, &(from, to)) in pieces.iter().enumerate().rev() {
            self.bytes.extend_from_slice(&text[from..to]);
            let mut flags = (to - from) as u8;
            if let Some(root) = root
                && number == pieces.len() - 1
            {
                self.bytes.extend_from_slice(&root.to_le_bytes());
                flags |= LEAF;
            }
            if first || number > 0 {
                flags |= FIRST;
            }
            let size = self.bytes.len() + TAIL - start;
            if self.bytes.len() > MOST_BYTES {
                return Err(TooLarge);
            }
            self.bytes.extend_from_slice(&(size as u32).to_le_bytes());
            self.bytes.push(flags);
        }
        Ok(())
    }

    /// The term that was read, `text`, shares `shared` bytes with the next one: closes all nodes that end with it.
    fn close(&mut self, text: &[u8], shared: usize, root: u32, ends: bool) -> Result<(), TooLarge> {
        let top = |open: &[(usize, usize)]| open.last().map_or((0, 0), |&node| node);
        let mut start = self.bytes.len();
        let from = shared.max(top(&self.open).0);
        let mut to = text.len();
        if !ends || to > from + LEAF_LABEL {
            to = from;
            while to < text.len() && to < from + LEAF_LABEL {
                to += width(text[to]);
            }
        }
        // Its parent has children already, unless it is opened by this one.
        let mut first = top(&self.open).0 < shared || self.bytes.is_empty();
        self.node(text, from, to.max(from), start, Some(root), first)?;
        while top(&self.open).0 > shared {
            let (end, begin) = top(&self.open);
            self.open.pop();
            start = begin;
            let from = shared.max(top(&self.open).0);
            first = top(&self.open).0 < shared || (self.open.len() == 1 && begin == 0);
            self.node(text, from, end, start, None, first)?;
        }
        if top(&self.open).0 < shared {
            self.open.push((shared, start));
        }
        Ok(())
    }
}

impl Tree {
    /// Indexes the terms at these roots, which are in the order of their bytes, each once.
    ///
    /// # Errors
    /// [`TooLarge`] when they need more than [`MOST_BYTES`].
    pub fn build(sorted: &[u32], graph: &Nodes) -> Result<Tree, TooLarge> {
        let mut builder = Builder { bytes: Vec::new(), open: vec![(0, 0)] };
        let (mut term, mut next) = (Reader::default(), Reader::default());
        for (at, &root) in sorted.iter().enumerate() {
            if at == 0 {
                term.begin(root);
            }
            let shared = match sorted.get(at + 1) {
                Some(&other) => {
                    next.begin(other);
                    shared(&mut term, &mut next, graph)
                }
                None => 0,
            };
            let wanted = shared.max(builder.open.last().map_or(0, |node| node.0)) + LEAF_LABEL;
            term.read(wanted, graph);
            builder.close(term.bytes(), shared, root, term.at_end())?;
            std::mem::swap(&mut term, &mut next);
        }
        let mut bytes = builder.bytes;
        bytes.shrink_to_fit();
        Ok(Tree { bytes })
    }

    /// Whether the term at `root` is an instance of an indexed term other than itself.
    pub fn has_more_general(&self, root: u32, graph: &Nodes, search: &mut Search) -> bool {
        if self.bytes.is_empty() {
            return false;
        }
        search.later.clear();
        search.set(0, root);
        let (mut end, mut at, mut tail, mut bound) = (self.bytes.len(), 0usize, 1usize, 0u32);
        loop {
            let head = &self.bytes[end - TAIL..end];
            let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let flags = head[4];
            let leaf = flags & LEAF != 0;
            let label_end = end - TAIL - if leaf { ROOT } else { 0 };
            let label = &self.bytes[label_end - usize::from(flags & LONGEST_LABEL as u8)..label_end];
            let followed = search.follow(label, graph, (at, tail, bound));
            if let Some(state) = followed {
                if leaf {
                    let bytes = &self.bytes[label_end..label_end + ROOT];
                    let other = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                    if other != root && search.is_instance(other, root, graph) {
                        return true;
                    }
                } else {
                    if flags & FIRST == 0 {
                        search.later.push((end - size, at, tail, bound));
                    }
                    end = label_end - label.len();
                    (at, tail, bound) = state;
                    continue;
                }
            }
            if flags & FIRST == 0 {
                end -= size;
                continue;
            }
            match search.later.pop() {
                Some(state) => (end, at, tail, bound) = state,
                None => return false,
            }
        }
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
        // The shorter one may have been read less far.
        let wanted = same + 32;
        a.read(wanted, graph);
        b.read(wanted, graph);
        let (x, y) = (a.bytes(), b.bytes());
        while same < x.len() && same < y.len() {
            let symbol = width(x[same]);
            if x[same..(same + symbol).min(x.len())] != y[same..(same + symbol).min(y.len())] {
                return same;
            }
            same += symbol;
        }
        if a.at_end() && b.at_end() {
            return same;
        }
    }
}

/// What a search needs, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Nodes whose symbols are to be matched; those of a place in the tree are a beginning of those of all places below.
    queue: Vec<u32>,
    /// The node that each variable of the general term stands for.
    bound: Vec<u32>,
    /// Siblings to look at later: end in the tree, place and end of the queue, bound variables.
    later: Vec<(usize, usize, usize, u32)>,
    pairs: Vec<(u32, u32)>,
    images: Vec<u32>,
    imaged: Vec<u32>,
}

impl Search {
    fn set(&mut self, place: usize, node: u32) {
        if place == self.queue.len() {
            self.queue.push(node);
        } else {
            self.queue[place] = node;
        }
    }

    /// Matches a label; where the queue is then and how many variables are bound.
    fn follow(&mut self, label: &[u8], graph: &Nodes, state: (usize, usize, u32)) -> Option<(usize, usize, u32)> {
        let (mut at, mut tail, mut bound) = state;
        let mut place = 0;
        while place < label.len() {
            let byte = label[place];
            let id = self.queue[at];
            at += 1;
            if byte > WIDE {
                place += 1;
                let node = graph.get(id);
                match (byte, node.left) {
                    (IMP_BYTE, left) if left < TAGS => {
                        self.set(tail, node.right);
                        self.set(tail + 1, left);
                        tail += 2;
                    }
                    (NOT_BYTE, NOT) | (BOX_BYTE, BOX) => {
                        self.set(tail, node.right);
                        tail += 1;
                    }
                    (AND_BYTE, AND) | (OR_BYTE, OR) => {
                        let parts = graph.get(node.right);
                        self.set(tail, parts.right);
                        self.set(tail + 1, parts.left);
                        tail += 2;
                    }
                    _ => return None,
                }
                continue;
            }
            let number = if byte < WIDE { u32::from(byte) } else { variable(&label[place..]) };
            place += width(byte);
            if number < bound {
                if self.bound[number as usize] != id {
                    return None;
                }
            } else {
                if number as usize == self.bound.len() {
                    self.bound.push(id);
                } else {
                    self.bound[number as usize] = id;
                }
                bound += 1;
            }
        }
        Some((at, tail, bound))
    }

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
