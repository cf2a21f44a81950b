//! Writes a tree from sorted terms, parts before wholes; [`super`] tells its form.

use super::{LEAF, TooLarge, Tree, bit};
use crate::engine::nodes::Nodes;
use crate::engine::spine::{PREFIX, Prefix, Reader, width};

/// Bytes of a label at most.
const LONGEST_LABEL: usize = 250;
/// Bytes of a leaf's label at most, but for the rest of its last symbol.
const LEAF_LABEL: usize = 8;
/// Terms whose room is given back at a time while they are indexed.
const GIVE_BACK: usize = 1 << 16;
/// Bytes of two terms that are compared at a time.
const SPAN: usize = 8;

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
    /// Indexes these terms, each once, the last in the order of their bytes first.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn build(mut descending: Vec<(Prefix, u32)>, graph: &Nodes) -> Result<Tree, TooLarge> {
        let mut longest = 0;
        let mut builder = Builder { open: vec![(0, 0)], ..Builder::default() };
        let (mut term, mut next) = (Reader::default(), Reader::default());
        let mut bytes = [0; PREFIX];
        while let Some((prefix, root)) = descending.pop() {
            if descending.len().is_multiple_of(GIVE_BACK) {
                descending.shrink_to_fit();
            }
            let shared = match descending.last() {
                Some(&(other, next_root)) => prefix.shared(other).unwrap_or_else(|| {
                    term.begin(root);
                    next.begin(next_root);
                    shared(&mut term, &mut next, graph)
                }),
                None => 0,
            };
            let wanted = shared.max(builder.top().0) + LEAF_LABEL;
            // The prefix has most of what is wanted; the graph has the rest.
            let (read, ends) = prefix.write(wanted, &mut bytes);
            if ends || wanted <= PREFIX {
                longest = longest.max(read);
                builder.close(&bytes[..read], shared, root, ends)?;
            } else {
                term.begin(root);
                term.read(wanted, graph);
                longest = longest.max(term.bytes().len());
                builder.close(term.bytes(), shared, root, term.at_end())?;
            }
        }
        let root = builder.node(&[], 0)?.1;
        let mut bytes = builder.bytes;
        bytes.shrink_to_fit();
        // Each symbol adds one antecedent, or passes one.
        Ok(Tree { bytes, root, longest: longest + 2 })
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
