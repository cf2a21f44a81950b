//! The order of D-proofs without D-proofs: ranks.
//!
//! D-notation is prefix-free, so comparing `D X Y` is comparing X, then Y, which is comparing two numbers each when X and Y have
//! their places (ranks) in the order of all proofs so far. A pair of ranks is the key of a proof: 8 bytes that decide between two
//! proofs of the same statement, and the order of output.

pub use ml_logic::dag::Step;

/// More proofs than this have no ranks that fit a key.
pub const MOST: usize = 1 << 31;

const RANK_BITS: u32 = 31;
const CLASS_BITS: u32 = 62;

/// The key of `D X Y` from the ranks of X and Y.
pub fn detachment_key(major: u32, minor: u32) -> u64 {
    1 << CLASS_BITS | u64::from(major) << RANK_BITS | u64::from(minor)
}

/// The key of `N X` from the rank of X.
pub fn necessitation_key(premise: u32) -> u64 {
    2 << CLASS_BITS | u64::from(premise)
}

/// The key of an axiom: digits come before `D`, letters after `N`.
pub fn axiom_key(number: u8) -> u64 {
    let class = if number <= 9 { 0 } else { 3 };
    class << CLASS_BITS | u64::from(number)
}

/// All proofs in the order of their D-notation.
#[derive(Clone, Debug, Default)]
pub struct Ranks {
    /// Rank to number.
    order: Vec<u32>,
    /// Number to rank.
    rank: Vec<u32>,
}

impl Ranks {
    /// The rank of proof `id`.
    pub fn rank(&self, id: u32) -> u32 {
        self.rank[id as usize]
    }

    /// What a key of these ranks stands for.
    pub fn step(&self, key: u64) -> Step {
        let low = key & ((1 << CLASS_BITS) - 1);
        let id = |rank: u64| self.order[rank as usize];
        match key >> CLASS_BITS {
            1 => Step::Detach { major: id(low >> RANK_BITS), minor: id(low & ((1 << RANK_BITS) - 1)) },
            2 => Step::Necessitate(id(low)),
            _ => Step::Axiom(low as u8),
        }
    }

    /// What a key of these ranks, or of one of so many axioms, stands for; `None` when it is the key of nothing.
    pub fn checked_step(&self, key: u64, axioms: usize) -> Option<Step> {
        let low = key & ((1 << CLASS_BITS) - 1);
        let known = |rank: u64| (rank as usize) < self.order.len();
        let sound = match key >> CLASS_BITS {
            1 => known(low >> RANK_BITS) && known(low & ((1 << RANK_BITS) - 1)),
            2 => known(low),
            _ => (1..=axioms as u64).contains(&low),
        };
        sound.then(|| self.step(key))
    }

    /// The key of a proof whose premises have ranks.
    pub fn key(&self, step: Step) -> u64 {
        match step {
            Step::Axiom(number) => axiom_key(number),
            Step::Detach { major, minor } => detachment_key(self.rank(major), self.rank(minor)),
            Step::Necessitate(premise) => necessitation_key(self.rank(premise)),
        }
    }

    /// How many proofs have ranks.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Takes in the proofs up to number `len`; the new ones are in the order of their notation and their premises have ranks.
    pub fn extend(&mut self, len: usize, step: impl Fn(u32) -> Step) {
        let mut merged = Vec::with_capacity(len);
        let mut new = (self.order.len() as u32..len as u32).map(|id| (self.key(step(id)), id)).peekable();
        for &old in &self.order {
            let key = self.key(step(old));
            while let Some((_, id)) = new.next_if(|&(new, _)| new < key) {
                merged.push(id);
            }
            merged.push(old);
        }
        merged.extend(new.map(|(_, id)| id));
        self.rank.resize(merged.len(), 0);
        for (rank, &id) in (0..).zip(&merged) {
            self.rank[id as usize] = rank;
        }
        self.order = merged;
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        (self.order.capacity() + self.rank.capacity()) * size_of::<u32>()
    }
}
