//! Which rules are about an id, found without asking each: most name their ids one by one.

use super::{Rule, Rules};
use crate::engine::hash::Seed;
use glob::Pattern;
use std::collections::HashMap;

/// Rules by what they are about, and by name.
#[derive(Debug, Default)]
pub struct Index {
    /// Places of the rules in the order in which they are asked: those for whatever else there is last.
    order: Vec<usize>,
    /// Ids that stand in rules as they are; the places in that order.
    exact: HashMap<String, Vec<usize>, Seed>,
    patterns: Vec<(Matcher, usize)>,
    named: HashMap<String, Vec<usize>, Seed>,
}

/// A pattern; almost all are of the quick sorts.
#[derive(Debug)]
enum Matcher {
    Any,
    Prefix(String),
    Glob(Pattern),
}

impl Matcher {
    fn of(pattern: &Pattern) -> Matcher {
        match pattern.as_str().strip_suffix('*') {
            Some("") => Matcher::Any,
            Some(prefix) if is_plain(prefix) => Matcher::Prefix(prefix.to_owned()),
            _ => Matcher::Glob(pattern.clone()),
        }
    }

    fn matches(&self, id: &str) -> bool {
        match self {
            Matcher::Any => true,
            Matcher::Prefix(prefix) => id.starts_with(prefix.as_str()),
            Matcher::Glob(pattern) => pattern.matches(id),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']'])
}

impl Index {
    /// Of these rules.
    pub fn of(rules: &Rules) -> Index {
        let mut index = Index { order: (0..rules.rules.len()).collect(), ..Index::default() };
        let rule = |at: usize| rules.rules.get(at);
        index.order.sort_by_key(|at| rule(*at).is_some_and(|rule| rule.otherwise));
        for (rank, rule) in index.order.iter().enumerate().filter_map(|(rank, at)| Some((rank, rule(*at)?))) {
            for pattern in &rule.ids {
                if is_plain(pattern.as_str()) {
                    index.exact.entry(pattern.as_str().to_owned()).or_default().push(rank);
                } else {
                    index.patterns.push((Matcher::of(pattern), rank));
                }
            }
        }
        for (at, rule) in rules.rules.iter().enumerate() {
            index.named.entry(rule.name.clone()).or_default().push(at);
        }
        index
    }

    /// The rules about such records, in the order in which they are asked.
    pub fn about(&self, rules: &Rules, system: &str, tool: &str, id: &str, found: &mut Vec<usize>) {
        found.clear();
        found.extend(self.patterns.iter().filter(|(matcher, _)| matcher.matches(id)).map(|(_, rank)| *rank));
        if let Some(exact) = self.exact.get(id) {
            found.extend(exact);
        }
        found.sort_unstable();
        found.dedup();
        for rank in found.iter_mut() {
            *rank = self.order.get(*rank).copied().unwrap_or_default();
        }
        found.retain(|at| rules.rules.get(*at).is_some_and(|rule| rule.is_from(system, tool)));
    }

    /// The rule of an alert.
    pub fn rule<'a>(&self, rules: &'a Rules, name: &str, system: &str) -> Option<&'a Rule> {
        self.named.get(name)?.iter().filter_map(|at| rules.rules.get(*at)).find(|rule| rule.is_of(system))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_index_finds_what_each_rule_says(
            ids in proptest::collection::vec(proptest::collection::vec("[ab.]{1,3}|[ab]?\\*|a\\?|\\*b|\\[ab\\]b|a\\*b\\*", 1..3), 1..8),
            otherwise in any::<u8>(),
            id in "[ab.]{1,4}",
        ) {
            let mut text = "[sink.a]\nkind = \"command\"\ncommand = [\"true\"]\n".to_owned();
            for (at, ids) in ids.iter().enumerate() {
                let tool = if at % 3 == 1 { "tool = \"ml-*\"\n" } else { "" };
                text.push_str(&format!("[[rule]]\nname = \"r{at}\"\nid = {ids:?}\notherwise = {}\n{tool}", otherwise >> at & 1 == 1));
            }
            let rules = Rules::parse(&text).unwrap_or_else(|failure| panic!("{}", failure.for_people()));
            for tool in ["ml-health", "other"] {
                let mut wanted: Vec<usize> = (0..rules.rules.len())
                    .filter(|at| {
                        let rule = &rules.rules[*at];
                        rule.ids.iter().any(|pattern| pattern.matches(&id)) && rule.is_from("lab", tool)
                    })
                    .collect();
                wanted.sort_by_key(|at| rules.rules[*at].otherwise);
                let mut found = vec![77];
                Index::of(&rules).about(&rules, "lab", tool, &id, &mut found);
                prop_assert_eq!(found, wanted);
            }
        }
    }
}
