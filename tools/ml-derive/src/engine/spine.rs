//! A term spine by spine, as bytes: the order in which terms are compared and indexed.
//!
//! The root, its consequent, the consequent of that, to the end; then the same for each antecedent that was passed, first come, first
//! served. What tells theorems apart comes early that way: a search for more general ones visits fewer nodes than with the parts one
//! after the other or level by level, and the number of nodes grows more slowly with the number of terms. Variables are numbered by
//! first occurrence in this order, whatever they are called in the graph.

use super::nodes::{AND, BOX, NONE, NOT, Nodes, OR, TAGS, VARIABLE};

/// Variables below this are one byte; it announces a further one as a number in the next four bytes.
pub const WIDE: u8 = 250;
/// Necessity.
pub const BOX_BYTE: u8 = 251;
/// Disjunction.
pub const OR_BYTE: u8 = 252;
/// Conjunction.
pub const AND_BYTE: u8 = 253;
/// Negation.
pub const NOT_BYTE: u8 = 254;
/// Implication.
pub const IMP_BYTE: u8 = 255;

/// How many bytes a symbol has that begins with `byte`.
pub fn width(byte: u8) -> usize {
    if byte == WIDE { 5 } else { 1 }
}

/// The number of the variable that `bytes` begin with.
pub fn variable(bytes: &[u8]) -> u32 {
    match bytes {
        [WIDE, a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
        [byte, ..] => u32::from(*byte),
        [] => 0,
    }
}

/// Reads a term symbol by symbol, as far as is wanted.
#[derive(Clone, Debug)]
pub struct Reader {
    /// What was read, and room after it.
    bytes: Vec<u8>,
    read: usize,
    /// The node whose symbol is next; [`NONE`] at the end.
    next: u32,
    /// Nodes whose spines follow, from `at` to `tail`.
    queue: Vec<u32>,
    at: usize,
    tail: usize,
    /// Number of each variable of the graph, plus one.
    numbers: Vec<u32>,
    met: Vec<u32>,
}

impl Default for Reader {
    fn default() -> Self {
        let numbers = vec![0; 1 << 8];
        Reader { bytes: Vec::new(), read: 0, next: NONE, queue: Vec::new(), at: 0, tail: 0, numbers, met: Vec::new() }
    }
}

impl Reader {
    /// Begins with the term at `root`.
    pub fn begin(&mut self, root: u32) {
        (self.read, self.next, self.at, self.tail) = (0, root, 0, 0);
        for number in self.met.drain(..) {
            self.numbers[number as usize] = 0;
        }
    }

    /// What was read so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.read]
    }

    /// Whether all was read.
    pub fn at_end(&self) -> bool {
        self.next == NONE
    }

    /// Reads on until there are `wanted` bytes or more, or the term ends.
    pub fn read(&mut self, wanted: usize, graph: &Nodes) {
        // A symbol is five bytes at most and puts one node into the queue.
        if self.bytes.len() < wanted + 4 {
            self.bytes.resize(2 * wanted + 4, 0);
            self.queue.resize(2 * wanted + 4, 0);
        }
        let (mut read, mut next) = (self.read, self.next);
        while read < wanted && next != NONE {
            let node = graph.get(next);
            if node.left < TAGS {
                self.bytes[read] = IMP_BYTE;
                read += 1;
                self.queue[self.tail] = node.left;
                self.tail += 1;
                next = node.right;
                continue;
            }
            match node.left {
                VARIABLE => {
                    read += self.variable(node.right, read);
                    next = NONE;
                    if self.at < self.tail {
                        next = self.queue[self.at];
                        self.at += 1;
                    }
                }
                AND | OR => {
                    self.bytes[read] = if node.left == AND { AND_BYTE } else { OR_BYTE };
                    read += 1;
                    let parts = graph.get(node.right);
                    self.queue[self.tail] = parts.left;
                    self.tail += 1;
                    next = parts.right;
                }
                tag => {
                    debug_assert!(tag == NOT || tag == BOX);
                    self.bytes[read] = if tag == NOT { NOT_BYTE } else { BOX_BYTE };
                    read += 1;
                    next = node.right;
                }
            }
        }
        (self.read, self.next) = (read, next);
    }

    /// Writes a variable; how many bytes it has.
    fn variable(&mut self, of_graph: u32, at: usize) -> usize {
        let place = of_graph as usize;
        if self.numbers.len() <= place {
            self.numbers.resize(place + 1, 0);
        }
        if self.numbers[place] == 0 {
            self.met.push(of_graph);
            self.numbers[place] = self.met.len() as u32;
        }
        let number = self.numbers[place] - 1;
        if number < u32::from(WIDE) {
            self.bytes[at] = number as u8;
            return 1;
        }
        self.bytes[at] = WIDE;
        self.bytes[at + 1..at + 5].copy_from_slice(&number.to_be_bytes());
        5
    }
}

/// Symbols in a [`prefix`].
pub const PREFIX: usize = 25;

/// The first symbols as a number: smaller for a smaller term in the order of bytes, or equal.
pub fn prefix(reader: &mut Reader, root: u32, graph: &Nodes) -> u128 {
    debug_assert_ne!(root, NONE);
    reader.begin(root);
    reader.read(PREFIX, graph);
    let mut number = 0u128;
    let mut left = PREFIX as u32;
    for &byte in reader.bytes().iter().take(PREFIX) {
        left -= 1;
        number = number << 5 | u128::from(if byte < WIDE { byte.min(25) } else { byte - WIDE + 26 });
        // Terms with more variables cannot be told apart by it, nor by what follows.
        if (25..=WIDE).contains(&byte) {
            break;
        }
    }
    number << (5 * left)
}

/// Whether terms with the same [`prefix`] have the same first [`PREFIX`] symbols for certain.
pub fn is_whole(prefix: u128) -> bool {
    (0..PREFIX).all(|place| !matches!(prefix >> (5 * place) & 31, 25 | 26))
}

#[cfg(test)]
mod tests {
    use super::super::nodes::{Batch, Node};
    use super::*;

    #[test]
    fn consequents_first_then_antecedents_in_their_order() {
        let mut graph = Nodes::new();
        graph.reserve(100);
        let mut batch = Batch::default();
        let mut node = |left, right| graph.node(Node { left, right }, &mut batch).unwrap();
        // (p & []q) -> ~r -> p, with p, q, r as they are numbered in the graph.
        let (p, q, r) = (1, 2, 3);
        let boxed = node(BOX, q);
        let pair = node(p, boxed);
        let conjunction = node(AND, pair);
        let negation = node(NOT, r);
        let implication = node(negation, p);
        let root = node(conjunction, implication);
        let mut reader = Reader::default();
        reader.begin(root);
        reader.read(3, &graph);
        assert!(reader.bytes() == [IMP_BYTE, IMP_BYTE, 0] && !reader.at_end());
        reader.read(100, &graph);
        assert_eq!(reader.bytes(), [IMP_BYTE, IMP_BYTE, 0, AND_BYTE, BOX_BYTE, 1, NOT_BYTE, 2, 0]);
        assert!(reader.at_end());
        let smaller = node(implication, p);
        assert!(prefix(&mut reader, smaller, &graph) < prefix(&mut reader, root, &graph));
        assert!(prefix(&mut reader, p, &graph) < prefix(&mut reader, negation, &graph));
    }
}
