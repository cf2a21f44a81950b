//! All pairs of two lists of premises, block by block.

use super::Stop;
use super::detach::Detacher;
use super::packed::{IMP, WIDE};

/// Premises that are loaded at a time, and bytes of them: two blocks should fit the processor's nearest cache.
const BLOCK: usize = 128;
const BLOCK_BYTES: usize = 1 << 12;

/// Where premises come from and conclusions go to.
pub trait Pairs {
    /// The packed premise of that number.
    fn premise(&self, id: u32) -> &[u8];

    /// Takes the conclusion of two premises.
    ///
    /// # Errors
    /// [`Stop`], which ends the work.
    fn conclude(&mut self, major: u32, minor: u32, conclusion: &[u8]) -> Result<(), Stop>;

    /// So many pairs had no conclusion.
    fn fail(&mut self, pairs: u64);

    /// A pair has a conclusion, and it is too large.
    fn too_large(&mut self);
}

/// Detaches every major from every minor. `stop` is asked between blocks, which take a few milliseconds.
///
/// # Errors
/// [`Stop`].
pub fn detach_all<P: Pairs>(
    detacher: &mut Detacher,
    pairs: &mut P,
    majors: &[u32],
    minors: &[u32],
    stop: &mut dyn FnMut() -> bool,
) -> Result<(), Stop> {
    // What is neither implication nor variable detaches nothing.
    let detachable: Vec<u32> = majors.iter().copied().filter(|&id| matches!(pairs.premise(id)[0], 0..=WIDE | IMP)).collect();
    pairs.fail((majors.len() - detachable.len()) as u64 * minors.len() as u64);
    let mut conclusion = Vec::new();
    for majors in blocks(pairs, &detachable) {
        detacher.load_majors(majors.iter().map(|&id| pairs.premise(id)));
        for minors in blocks(pairs, minors) {
            if stop() {
                return Err(Stop::Cancelled);
            }
            detacher.load_minors(minors.iter().map(|&id| pairs.premise(id)));
            for (j, &minor) in minors.iter().enumerate() {
                for (i, &major) in majors.iter().enumerate() {
                    match detacher.detach(i, j, &mut conclusion) {
                        Ok(true) => pairs.conclude(major, minor, &conclusion)?,
                        Ok(false) => pairs.fail(1),
                        Err(Stop::TooLarge(_)) => pairs.too_large(),
                        Err(stop) => return Err(stop),
                    }
                }
            }
        }
    }
    Ok(())
}

/// Cuts a list of premises into blocks that are worth loading at once.
fn blocks<'i>(pairs: &impl Pairs, ids: &'i [u32]) -> Vec<&'i [u32]> {
    let mut blocks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, &id) in ids.iter().enumerate() {
        let size = pairs.premise(id).len();
        if at > start && (at - start >= BLOCK || bytes + size > BLOCK_BYTES) {
            blocks.push(&ids[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < ids.len() {
        blocks.push(&ids[start..]);
    }
    blocks
}
