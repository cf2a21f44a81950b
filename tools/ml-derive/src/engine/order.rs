//! Terms in the order of their bytes, spine by spine ([`super::spine`]), without having all bytes at once.

use super::nodes::Nodes;
use super::spine::{PREFIX, Prefix, Reader};
use rayon::prelude::*;

/// Terms whose first symbols are worked out at a time.
const CHUNK: usize = 1 << 12;

/// Further bytes that are compared at first; then twice as many each time.
const MORE: usize = 20;

/// The terms at these roots, which are different, each with its prefix, the last in the order of their bytes first: whoever takes them from
/// the end has them in order, and can give back the room. Uses the threads of the pool that it is called in.
pub fn descending(roots: &[u32], graph: &Nodes) -> Vec<(Prefix, u32)> {
    let view = graph.view();
    let keyed = roots.par_iter().with_min_len(CHUNK).map(|&root| (Prefix::of(root, view), root));
    let mut keyed: Vec<(Prefix, u32)> = keyed.collect();
    keyed.par_sort_unstable_by(|a, b| b.0.cmp(&a.0));
    let runs = keyed.par_chunk_by_mut(|a, b| a.0 == b.0).filter(|run| run.len() > 1);
    runs.for_each_init(Reader::default, |reader, run| {
        let mut roots: Vec<u32> = run.iter().map(|&(_, root)| root).collect();
        sort_from(&mut roots, PREFIX, MORE, reader, graph);
        for (place, root) in run.iter_mut().rev().zip(roots) {
            place.1 = root;
        }
    });
    keyed
}

/// Sorts terms whose first `same` bytes are equal, by so many `more` and, where they are equal too, by those that follow.
fn sort_from(roots: &mut [u32], same: usize, more: usize, reader: &mut Reader, graph: &Nodes) {
    let mut bytes: Vec<u8> = Vec::with_capacity(roots.len() * more);
    // Each term with the place of its bytes.
    let mut placed: Vec<(usize, usize, u32)> = Vec::with_capacity(roots.len());
    for &root in roots.iter() {
        reader.begin(root);
        reader.read(same + more, graph);
        let start = bytes.len();
        bytes.extend(reader.bytes().iter().skip(same).take(more));
        placed.push((start, bytes.len(), root));
    }
    let of = |term: &(usize, usize, u32)| &bytes[term.0..term.1];
    placed.sort_unstable_by(|a, b| of(a).cmp(of(b)));
    for (root, term) in roots.iter_mut().zip(&placed) {
        *root = term.2;
    }
    let mut start = 0;
    for equal in placed.chunk_by(|a, b| of(a) == of(b)) {
        let end = start + equal.len();
        if equal.len() > 1 {
            sort_from(&mut roots[start..end], same + more, more * 2, reader, graph);
        }
        start = end;
    }
}
