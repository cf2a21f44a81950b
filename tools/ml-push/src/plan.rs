//! What is done with each file: decided from what is here and what is there, apart from doing it.

use crate::files::{Group, Local};
use crate::store::State;

/// What is done with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is sent; over what is there, when that is an older proof.
    Send(State),
    /// It is there already.
    Skip,
    /// Another one of that name is there; how that is seen.
    Conflict(String),
    /// Another file of its group cannot go.
    Held(String),
}

/// The fate of each file of a group, given what is there of each. One that conflicts holds back the whole group, unless it is the
/// file itself that is there already.
pub fn decide(group: &Group, states: &[State]) -> Vec<Fate> {
    let fate = |file: &Local, state: &State| match state {
        State::Missing => Fate::Send(State::Missing),
        State::Same => Fate::Skip,
        // Evidence of a later drill takes the place of that of an earlier one.
        State::Other(_) if file.proof => Fate::Send(state.clone()),
        State::Other(how) => Fate::Conflict(how.clone()),
    };
    let mut fates: Vec<Fate> = group.files.iter().zip(states).map(|(file, state)| fate(file, state)).collect();
    let conflict = group.files.iter().zip(&fates).find(|(_, fate)| matches!(fate, Fate::Conflict(_))).map(|(file, _)| file.name.clone());
    if let Some(name) = conflict {
        for fate in &mut fates {
            if matches!(fate, Fate::Send(_)) {
                *fate = Fate::Held(name.clone());
            }
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(names: &[&str]) -> Group {
        let file = |name: &&str| Local {
            path: name.into(),
            name: (*name).to_owned(),
            bytes: 1,
            sha256: String::new(),
            proof: name.ends_with(".proof.json"),
        };
        Group { files: names.iter().map(file).collect(), inside: Vec::new() }
    }

    #[test]
    fn what_is_there_is_skipped_and_what_is_not_is_sent() {
        let fates = decide(&group(&["x.dump.json", "x.dump"]), &[State::Same, State::Missing]);
        assert_eq!(fates, [Fate::Skip, Fate::Send(State::Missing)]);
    }

    #[test]
    fn a_conflict_holds_back_what_belongs_together() {
        let other = || State::Other("o".into());
        let fates = decide(&group(&["x.globals.sql", "x.dump.json", "x.dump"]), &[State::Same, other(), State::Missing]);
        assert_eq!(fates, [Fate::Skip, Fate::Conflict("o".into()), Fate::Held("x.dump.json".into())]);
        let fates = decide(&group(&["x.dump.json", "x.dump"]), &[State::Missing, other()]);
        assert_eq!(fates, [Fate::Held("x.dump".into()), Fate::Conflict("o".into())]);
    }

    #[test]
    fn only_a_newer_proof_takes_the_place_of_an_older() {
        let other = || State::Other("o".into());
        let fates = decide(&group(&["x.dump.proof.json", "x.dump"]), &[other(), State::Same]);
        assert_eq!(fates, [Fate::Send(other()), Fate::Skip]);
    }
}
