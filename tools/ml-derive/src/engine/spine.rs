//! A term spine by spine, as bytes: the order in which terms are compared and indexed.
//!
//! The root, its consequent, the consequent of that, to the end; then the same for each antecedent that was passed, first come, first
//! served. What tells theorems apart comes early that way: a search for more general ones visits fewer nodes than with the parts one
//! after the other or level by level, and the number of nodes grows more slowly with the number of terms. Variables are numbered by
//! first occurrence in this order, whatever they are called in the graph.

use super::nodes::{AND, BOX, NONE, NOT, Node, Nodes, OR, SMALL_VARIABLES, TAGS, VARIABLE, View};

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
        let graph = graph.view();
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

/// Symbols of a [`Prefix`].
pub const PREFIX: usize = WORDS * SYMBOLS;
/// Numbers that a prefix is made of.
const WORDS: usize = 3;
/// Symbols in one of them.
const SYMBOLS: usize = 12;
/// Bits of a symbol.
const BITS: usize = 5;
/// In a prefix, connectives follow the variables, of which no beginning of a term has more than antecedents and one.
const CONNECTIVES: u8 = WIDE - 26;
const _: () = assert!(PREFIX / 2 + 1 < 26);

/// The first symbols of a term: smaller for a smaller term in the order of bytes, or equal. What is behind a term's end is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix([u64; WORDS]);

impl Prefix {
    /// Of the term at `root`.
    pub fn of(root: u32, graph: View) -> Prefix {
        // Antecedents whose spines follow: each symbol adds one at most. And the number of each of the graph's variables, plus one.
        let (mut queue, mut at, mut tail) = ([NONE; 2 << PREFIX.ilog2()], 0, 0);
        let (mut numbers, mut met, mut large) = ([0u8; SMALL_VARIABLES as usize + 1], 0, Vec::new());
        let mut next = root;
        let mut prefix = Prefix::default();
        for word in &mut prefix.0 {
            let mut left = SYMBOLS;
            while left > 0 && next != NONE {
                left -= 1;
                let node = if next <= SMALL_VARIABLES { Node { left: VARIABLE, right: next - 1 } } else { graph.get(next) };
                next = node.right;
                let mut queued = node.left;
                let symbol = match node.left {
                    VARIABLE => {
                        let number = match numbers.get_mut(node.right as usize) {
                            Some(number) => number,
                            None => large_variable(&mut large, node.right),
                        };
                        if *number == 0 {
                            met += 1;
                            *number = met;
                        }
                        next = queue[at % queue.len()];
                        at += 1;
                        *word = *word << BITS | u64::from(*number - 1);
                        continue;
                    }
                    NOT | BOX => {
                        *word = *word << BITS | u64::from(if node.left == NOT { NOT_BYTE } else { BOX_BYTE } - CONNECTIVES);
                        continue;
                    }
                    AND | OR => {
                        let parts = graph.get(node.right);
                        (queued, next) = (parts.left, parts.right);
                        if node.left == AND { AND_BYTE } else { OR_BYTE }
                    }
                    _ => IMP_BYTE,
                };
                *word = *word << BITS | u64::from(symbol - CONNECTIVES);
                queue[tail % queue.len()] = queued;
                tail += 1;
            }
            *word <<= left * BITS;
        }
        prefix
    }

    /// How many symbols it shares with another one; `None` when they are equal.
    pub fn shared(self, other: Prefix) -> Option<usize> {
        let mut words = self.0.iter().zip(&other.0).map(|(a, b)| a ^ b).enumerate();
        let (word, differing) = words.find(|&(_, differing)| differing != 0)?;
        Some(word * SYMBOLS + (differing.leading_zeros() as usize - (64 - SYMBOLS * BITS)) / BITS)
    }

    /// Writes the first `wanted` symbols or the whole term, each as one byte; how many there are and whether the term ends there.
    pub fn write(self, wanted: usize, bytes: &mut [u8; PREFIX]) -> (usize, bool) {
        let mut open = 1;
        for (place, byte) in bytes.iter_mut().enumerate().take(wanted) {
            let symbol = (self.0[place / SYMBOLS] >> ((SYMBOLS - 1 - place % SYMBOLS) * BITS)) as u8 & ((1 << BITS) - 1);
            *byte = symbol;
            if symbol < WIDE - CONNECTIVES {
                open -= 1;
                if open == 0 {
                    return (place + 1, true);
                }
                continue;
            }
            *byte += CONNECTIVES;
            open += usize::from(!matches!(*byte, NOT_BYTE | BOX_BYTE));
        }
        (wanted.min(PREFIX), false)
    }
}

/// The number, plus one, of a variable of a term that has hundreds; 0 when it was not met.
#[cold]
fn large_variable(large: &mut Vec<(u32, u8)>, variable: u32) -> &mut u8 {
    let place = large.iter().position(|other| other.0 == variable).unwrap_or_else(|| {
        large.push((variable, 0));
        large.len() - 1
    });
    &mut large[place].1
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
        let of = |root| Prefix::of(root, graph.view());
        assert!(of(smaller) < of(root) && of(p) < of(negation));
        assert_eq!((of(smaller).shared(of(root)), of(root).shared(of(root))), (Some(1), None));
        let mut bytes = [0; PREFIX];
        assert_eq!((of(root).write(9, &mut bytes), &bytes[..9]), ((9, true), reader.bytes()));
        assert_eq!((of(root).write(50, &mut bytes), of(root).write(8, &mut bytes)), ((9, true), (8, false)));
    }

    #[test]
    fn a_prefix_has_the_bytes_that_are_read() {
        let mut graph = Nodes::new();
        graph.reserve(1000);
        let mut batch = Batch::default();
        let mut reader = Reader::default();
        let mut bytes = [0; PREFIX];
        // Spines and antecedents of more and more variables, whose numbers in the graph go past those that have a node of their own.
        let (mut root, mut nested) = (253, 254);
        for number in 1..60 {
            let variable = graph.variable(number % 30 * 15, &mut batch).unwrap();
            let pair = graph.node(Node { left: variable, right: root }, &mut batch).unwrap();
            root = if number % 7 == 0 { graph.node(Node { left: OR, right: pair }, &mut batch).unwrap() } else { pair };
            nested = graph.node(Node { left: nested, right: variable }, &mut batch).unwrap();
            for term in [root, nested] {
                reader.begin(term);
                reader.read(PREFIX, &graph);
                for wanted in 0..PREFIX + 3 {
                    let (read, ends) = Prefix::of(term, graph.view()).write(wanted, &mut bytes);
                    assert_eq!(&bytes[..read], &reader.bytes()[..wanted.min(reader.bytes().len())], "{number}");
                    assert_eq!(ends, read == reader.bytes().len() && reader.at_end());
                }
            }
        }
    }
}
