//! What is not there yet, in words that say which command brings it.

use super::{MOST_PARTS, What};
use crate::engine::exhaustive::Part;
use ml_common::{Class, Failure};
use std::collections::BTreeSet;
use std::path::Path;

/// So many parts are named.
const TOLD: usize = 20;

/// Parts of the candidates: of how many, and the numbers from 0 of those that are missing; `None` when there is no part at all.
pub fn candidates(folder: &Path, length: usize, missing: Option<(usize, Vec<usize>)>) -> Failure {
    match missing {
        Some((of, missing)) => parts(What::Candidates, folder, length, of, &missing),
        None => none(What::Candidates, folder, length),
    }
}

/// Parts of the search for instances, of those divisions of which something is there.
pub fn instances(folder: &Path, length: usize, divisions: BTreeSet<usize>, lacks: impl Fn(Part) -> bool) -> Failure {
    let missing = |of: usize| -> Vec<usize> { (0..of).filter(|&number| lacks(Part { number, of })).collect() };
    let known = divisions.into_iter().rev().filter(|of| (1..=MOST_PARTS).contains(of));
    match known.map(|of| (of, missing(of))).min_by_key(|(_, missing)| missing.len()) {
        Some((of, missing)) => parts(What::Instances, folder, length, of, &missing),
        None => none(What::Instances, folder, length),
    }
}

fn parts(what: What, folder: &Path, length: usize, of: usize, missing: &[usize]) -> Failure {
    let name = what.name();
    let first = missing.first().map_or(1, |number| number + 1);
    Failure::new(
        Class::General,
        format!("{} of {of} parts of the {name} of length {length} are missing or damaged: {}", missing.len(), numbers(missing)),
    )
    .hint(format!(
        "ml-derive shard {name} --store {} --length {length} --part {first}/{of}, and the others alike; what is there is not done again",
        folder.display()
    ))
}

fn none(what: What, folder: &Path, length: usize) -> Failure {
    let name = what.name();
    Failure::new(Class::General, format!("there is no part of the {name} of length {length}"))
        .hint(format!("ml-derive shard {name} --store {} --length {length} --part I/K, with I from 1 to K", folder.display()))
}

/// Numbers from 1: `2, 5, 6`.
fn numbers(missing: &[usize]) -> String {
    let mut told: Vec<String> = missing.iter().take(TOLD).map(|number| (number + 1).to_string()).collect();
    if missing.len() > TOLD {
        told.push(format!("and {} more", missing.len() - TOLD));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_missing_are_named() {
        let folder = Path::new("/store");
        let failure = candidates(folder, 17, Some((7, vec![1, 4])));
        assert_eq!(
            (failure.class, failure.message.as_str()),
            (Class::General, "2 of 7 parts of the candidates of length 17 are missing or damaged: 2, 5")
        );
        assert!(failure.hint.unwrap().starts_with("ml-derive shard candidates --store /store --length 17 --part 2/7"));
        assert!(candidates(folder, 17, None).hint.unwrap().contains("--part I/K"));
        assert!(numbers(&(0..30).collect::<Vec<_>>()).ends_with("19, 20, and 10 more"));
    }

    #[test]
    fn of_several_divisions_the_one_that_lacks_least_is_named() {
        let failure = |divisions: &[usize]| {
            let lacks = |part: Part| part.of == 3 || part.number == 1;
            instances(Path::new("s"), 9, divisions.iter().copied().collect(), lacks).message
        };
        assert!(failure(&[3, 4]).ends_with("1 of 4 parts of the instances of length 9 are missing or damaged: 2"));
        assert!(failure(&[3]).ends_with("3 of 3 parts of the instances of length 9 are missing or damaged: 1, 2, 3"));
        assert!(failure(&[]).starts_with("there is no part") && failure(&[0]).starts_with("there is no part"));
    }
}
