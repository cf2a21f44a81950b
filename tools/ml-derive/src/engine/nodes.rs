//! Terms as nodes of a shared graph: of equal subterms there is one node, so equal terms have equal numbers.
//!
//! A node is two numbers in eight bytes: antecedent and consequent of an implication, or a tag and what it stands before. Conjunction
//! and disjunction are a tag before the implication of their parts, which keeps every node that small. Several threads look nodes up
//! and add them at once (open addressing, a slot is taken by compare-and-swap); numbers then depend on the threads' timing, so nothing
//! that is put out may depend on numbers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// No node.
pub const NONE: u32 = 0;
/// Variables below this are the nodes with the number one higher; others are nodes like any.
pub const SMALL_VARIABLES: u32 = 255;
/// The first number that is a tag and not a node.
pub const TAGS: u32 = u32::MAX - 15;
/// Before a variable's number.
pub const VARIABLE: u32 = TAGS;
/// Before what is negated.
pub const NOT: u32 = TAGS + 1;
/// Before what is necessary.
pub const BOX: u32 = TAGS + 2;
/// Before the implication of the two parts of a conjunction.
pub const AND: u32 = TAGS + 3;
/// Before the implication of the two parts of a disjunction.
pub const OR: u32 = TAGS + 4;

/// Numbers that a worker takes at a time.
const BATCH: u32 = 1 << 10;
/// Slots to ten nodes.
const SLOTS_TO_TEN: usize = 15;

/// There is no room for another entry; [`Nodes::reserve`] makes some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The left and the right number of a node: an antecedent or a tag, a consequent or what the tag stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Antecedent or tag.
    pub left: u32,
    /// Consequent, operand, or a variable's number.
    pub right: u32,
}

impl Node {
    fn packed(self) -> u64 {
        u64::from(self.left) << 32 | u64::from(self.right)
    }

    fn unpacked(packed: u64) -> Node {
        Node { left: (packed >> 32) as u32, right: packed as u32 }
    }
}

/// All nodes, and the table to find them by what they are.
#[derive(Debug, Default)]
pub struct Nodes {
    /// By number; 0 where there is none.
    nodes: Vec<AtomicU64>,
    /// Numbers from here on were given to nobody.
    given: AtomicU32,
    /// 0: free; else a node's number. Empty when no node is to be added.
    slots: Vec<AtomicU32>,
}

/// The nodes to be looked at only: where they are need not be looked up again for each.
#[derive(Clone, Copy, Debug)]
pub struct View<'n>(&'n [AtomicU64]);

impl View<'_> {
    /// What that node is.
    #[inline]
    pub fn get(self, id: u32) -> Node {
        Node::unpacked(self.0[id as usize].load(Ordering::Relaxed))
    }
}

/// The numbers that one thread may still use.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    next: u32,
    end: u32,
}

impl Batch {
    /// The next number, which is used up only by [`Batch::used`].
    pub fn next(&mut self, given: &AtomicU32, room: usize) -> Result<u32, Full> {
        if self.next == self.end {
            let first = given.load(Ordering::Relaxed) as usize;
            if first + BATCH as usize > room {
                return Err(Full);
            }
            // Another thread may have been faster: then there may be no room after all.
            let first = given.fetch_add(BATCH, Ordering::Relaxed);
            (self.next, self.end) = (first, first + BATCH);
            if self.end as usize > room {
                given.fetch_sub(BATCH, Ordering::Relaxed);
                (self.next, self.end) = (0, 0);
                return Err(Full);
            }
        }
        Ok(self.next)
    }

    /// Takes the number that [`Batch::next`] showed.
    pub fn used(&mut self) {
        self.next += 1;
    }
}

fn slot_of(value: u64, slots: usize) -> usize {
    let mixed = (value ^ value >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (((mixed >> 32) * slots as u64) >> 32) as usize
}

impl Nodes {
    /// The small variables and nothing else.
    pub fn new() -> Nodes {
        let mut nodes = Nodes::default();
        nodes.nodes.push(AtomicU64::new(0));
        let variable = |number| AtomicU64::new(Node { left: VARIABLE, right: number }.packed());
        nodes.nodes.extend((0..SMALL_VARIABLES).map(variable));
        nodes.given = AtomicU32::new(SMALL_VARIABLES + 1);
        nodes
    }

    /// One more than the highest number in use.
    pub fn len(&self) -> usize {
        self.given.load(Ordering::Relaxed) as usize
    }

    /// Whether there are only variables.
    pub fn is_empty(&self) -> bool {
        self.len() <= SMALL_VARIABLES as usize + 1
    }

    /// What that node is.
    pub fn get(&self, id: u32) -> Node {
        self.view().get(id)
    }

    /// To look at many nodes.
    pub fn view(&self) -> View<'_> {
        View(&self.nodes)
    }

    /// Makes room for so many more nodes, and the table fit to add them.
    pub fn reserve(&mut self, more: usize) {
        let room = (self.len() + more).div_ceil(BATCH as usize) * BATCH as usize + BATCH as usize;
        if room > self.nodes.len() {
            self.nodes.reserve_exact(room - self.nodes.len());
            self.nodes.resize_with(room, AtomicU64::default);
        }
        let slots = self.nodes.len() / 10 * SLOTS_TO_TEN + 16;
        if slots > self.slots.len() {
            self.slots = Vec::new();
            self.slots.reserve_exact(slots);
            self.slots.resize_with(slots, AtomicU32::default);
            for id in SMALL_VARIABLES + 1..self.len() as u32 {
                let value = self.nodes[id as usize].load(Ordering::Relaxed);
                if value != 0 {
                    self.enter(value, id);
                }
            }
        }
    }

    fn enter(&mut self, value: u64, id: u32) {
        let mut at = slot_of(value, self.slots.len());
        while *self.slots[at].get_mut() != NONE {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        *self.slots[at].get_mut() = id;
    }

    /// Memory that [`Nodes::reserve`] would come to, in bytes.
    pub fn memory_with(&self, more: usize) -> usize {
        let room = (self.len() + more).max(self.nodes.len());
        room * size_of::<u64>() + room / 10 * SLOTS_TO_TEN * size_of::<u32>()
    }

    /// Frees the table: nothing can be added until the next [`Nodes::reserve`].
    pub fn freeze(&mut self) {
        self.slots = Vec::new();
    }

    /// The number of the node, which is added if it is new.
    ///
    /// # Errors
    /// [`Full`].
    pub fn node(&self, node: Node, batch: &mut Batch) -> Result<u32, Full> {
        let value = node.packed();
        if self.slots.is_empty() {
            return Err(Full);
        }
        let mut at = slot_of(value, self.slots.len());
        loop {
            let slot = self.slots[at].load(Ordering::Acquire);
            if slot == NONE {
                let id = batch.next(&self.given, self.nodes.len())?;
                self.nodes[id as usize].store(value, Ordering::Relaxed);
                match self.slots[at].compare_exchange(NONE, id, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        batch.used();
                        return Ok(id);
                    }
                    // Somebody took the slot, perhaps for the same node: look again. The number goes to the next node.
                    Err(_) => {
                        self.nodes[id as usize].store(0, Ordering::Relaxed);
                        continue;
                    }
                }
            }
            if self.nodes[slot as usize].load(Ordering::Relaxed) == value {
                return Ok(slot);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    /// The number of that variable.
    ///
    /// # Errors
    /// [`Full`].
    pub fn variable(&self, number: u32, batch: &mut Batch) -> Result<u32, Full> {
        if number < SMALL_VARIABLES { Ok(number + 1) } else { self.node(Node { left: VARIABLE, right: number }, batch) }
    }

    /// Forgets all nodes from that number on, and the table.
    pub fn truncate(&mut self, len: usize) {
        self.freeze();
        self.nodes.truncate(len);
        self.nodes.shrink_to_fit();
        self.given = AtomicU32::new(self.nodes.len() as u32);
    }

    /// Puts those nodes in the place of all from `first` on. None of them refers to what is taken away.
    pub fn replace_from(&mut self, first: usize, nodes: &[Node]) {
        self.freeze();
        self.nodes.truncate(first);
        self.nodes.reserve_exact(nodes.len());
        self.nodes.extend(nodes.iter().map(|node| AtomicU64::new(node.packed())));
        self.nodes.shrink_to_fit();
        self.given = AtomicU32::new(self.nodes.len() as u32);
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<u64>() + self.slots.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implication(left: u32, right: u32) -> Node {
        Node { left, right }
    }

    #[test]
    fn equal_nodes_have_one_number_also_after_growing() {
        let mut nodes = Nodes::new();
        nodes.reserve(10);
        let mut batch = Batch::default();
        let first = nodes.node(implication(1, 2), &mut batch).unwrap();
        assert_eq!(nodes.node(implication(1, 2), &mut batch), Ok(first));
        assert_ne!(nodes.node(implication(2, 1), &mut batch), Ok(first));
        let mut ids = vec![first];
        for _ in 0..5000 {
            let id = loop {
                match nodes.node(implication(*ids.last().unwrap(), 1), &mut batch) {
                    Ok(id) => break id,
                    Err(Full) => nodes.reserve(1000),
                }
            };
            ids.push(id);
        }
        assert!(ids.windows(2).all(|pair| nodes.get(pair[1]) == implication(pair[0], 1)));
        assert_eq!(nodes.node(implication(ids[77], 1), &mut batch), Ok(ids[78]));
        assert_eq!(nodes.variable(3, &mut batch), Ok(4));
        let wide = nodes.variable(1000, &mut batch).unwrap();
        assert_eq!(nodes.get(wide), Node { left: VARIABLE, right: 1000 });
        nodes.freeze();
        assert_eq!(nodes.node(implication(1, 2), &mut batch), Err(Full));
    }

    #[test]
    fn threads_agree() {
        let mut nodes = Nodes::new();
        nodes.reserve(100_000);
        let add = |nodes: &Nodes| {
            let mut batch = Batch::default();
            (0..20_000u32).map(|n| nodes.node(implication(1 + n % 200, 1 + n / 200), &mut batch).unwrap()).collect::<Vec<_>>()
        };
        let (a, b) = std::thread::scope(|scope| {
            let other = scope.spawn(|| add(&nodes));
            (add(&nodes), other.join().unwrap())
        });
        assert_eq!(a, b);
    }
}
