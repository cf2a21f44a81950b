//! What is not there yet, in words that say which command brings it.

use super::What;
use super::parts::share;
use crate::engine::exhaustive::Part;
use crate::exhaustive::journal::{Answered, gaps};
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

/// Parts of the search for instances.
pub fn instances(folder: &Path, length: usize, queries: usize, answered: &[Answered]) -> Failure {
    let divisions: BTreeSet<usize> = answered.iter().filter_map(|answered| answered.part).map(|(_, of)| of).filter(|of| *of > 0).collect();
    let missing =
        |of: usize| -> Vec<usize> { (0..of).filter(|&number| !gaps(share(queries, Part { number, of }), answered).is_empty()).collect() };
    match divisions.into_iter().rev().map(|of| (of, missing(of))).min_by_key(|(_, missing)| missing.len()) {
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
        let answered = |start: usize, count: usize, part| Answered { start, answers: vec![false; count], part };
        // Nine queries: in quarters from 0, 2, 4 and 6 on, in thirds from 0, 3 and 6 on.
        let some = [answered(0, 2, Some((1, 4))), answered(4, 2, Some((3, 4))), answered(6, 3, Some((3, 3)))];
        let failure = instances(Path::new("s"), 9, 9, &some);
        assert!(failure.message.ends_with("1 of 4 parts of the instances of length 9 are missing or damaged: 2"), "{failure}");
        let alone = [answered(0, 4, None)];
        assert!(instances(Path::new("s"), 9, 9, &alone).message.starts_with("there is no part"));
    }

    #[test]
    fn shares_are_all_and_do_not_overlap() {
        for (all, of) in [(0, 3), (2, 3), (9, 4), (100, 7), (usize::MAX, 1 << 20)] {
            let mut end = 0;
            for number in [0, 1, 2].into_iter().chain(3..of) {
                let range = share(all, Part { number, of });
                assert_eq!(range.start, end);
                end = range.end;
            }
            assert_eq!(end, all);
        }
    }
}
