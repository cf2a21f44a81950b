//! What the last run saw of pg_stat_statements, small enough to be remembered, and the difference to it.
//!
//! There are up to 5,000 statements and more, and a probe may remember 64 KiB; so those that had taken most time are kept, and the time of the
//! first that is not: whatever was not kept had taken no more than that.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// So many statements are remembered; one takes about 30 bytes.
const KEPT: usize = 1500;

/// What pg_stat_statements counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub role: u32,
    pub database: u32,
    pub query: i64,
    /// Called by a client, not by a function.
    pub top: bool,
}

/// Counters of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    pub calls: i64,
    pub ms: f64,
}

/// What a statement took between two runs. Calls are a fraction where they had to be estimated.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    pub key: Key,
    pub calls: f64,
    pub ms: f64,
}

impl Spent {
    /// Milliseconds a call.
    pub fn mean(&self) -> f64 {
        if self.calls > 0.0 { self.ms / self.calls } else { 0.0 }
    }
}

/// What the last run saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earlier {
    began: Option<Timestamp>,
    totals: HashMap<Key, Total>,
    /// What is not among the totals had taken at most so long.
    floor: f64,
}

impl Earlier {
    /// What is to be remembered.
    pub fn of(totals: &HashMap<Key, Total>, began: Option<Timestamp>) -> Earlier {
        let mut sorted: Vec<(&Key, &Total)> = totals.iter().collect();
        sorted.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms).then_with(|| a.0.cmp(b.0)));
        let floor = sorted.get(KEPT).map_or(0.0, |(_, total)| total.ms);
        Earlier { began, totals: sorted.into_iter().take(KEPT).map(|(key, total)| (*key, *total)).collect(), floor }
    }

    /// One text a role, database and level: `queryid calls milliseconds;...`.
    pub fn to_memory(&self) -> Value {
        let mut groups: BTreeMap<String, String> = BTreeMap::new();
        let mut sorted: Vec<_> = self.totals.iter().collect();
        sorted.sort_by_key(|(key, _)| **key);
        for (key, total) in sorted {
            let group = groups.entry(format!("{}/{}/{}", key.role, key.database, u8::from(key.top))).or_default();
            group.push_str(&format!("{:x} {} {:.2};", key.query as u64, total.calls, total.ms));
        }
        json!({ "began": self.began.map(|began| began.to_string()), "floor": self.floor, "totals": groups })
    }

    /// What was remembered; none when nothing was, or when the statistics were reset since.
    pub fn from_memory(memory: &Value, began: Option<Timestamp>) -> Option<Earlier> {
        let floor = memory.get("floor")?.as_f64()?;
        let then = memory.get("began").and_then(Value::as_str).and_then(|text| text.parse().ok());
        if then != began {
            return None;
        }
        let mut totals = HashMap::new();
        for (group, text) in memory.get("totals")?.as_object()? {
            let mut parts = group.split('/');
            let (role, database) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let top = parts.next()? == "1";
            for entry in text.as_str()?.split_terminator(';') {
                let mut words = entry.split(' ');
                let query = u64::from_str_radix(words.next()?, 16).ok()? as i64;
                totals.insert(
                    Key { role, database, query, top },
                    Total { calls: words.next()?.parse().ok()?, ms: words.next()?.parse().ok()? },
                );
            }
        }
        Some(Earlier { began, totals, floor })
    }
}

/// What each statement took since then; since the statistics began when there is nothing to compare with.
pub fn difference(now: &HashMap<Key, Total>, earlier: Option<&Earlier>) -> Vec<Spent> {
    let spent = |(key, total): (&Key, &Total)| {
        let (calls, ms) = match earlier {
            None => (total.calls as f64, total.ms),
            Some(earlier) => since(total, earlier.totals.get(key), earlier.floor),
        };
        Spent { key: *key, calls, ms }
    };
    now.iter().map(spent).collect()
}

fn since(total: &Total, before: Option<&Total>, floor: f64) -> (f64, f64) {
    match before {
        Some(before) if total.calls >= before.calls => {
            let calls = total.calls - before.calls;
            // What is remembered is rounded.
            (calls as f64, if calls == 0 { 0.0 } else { (total.ms - before.ms).max(0.0) })
        }
        // It was thrown out meanwhile, and counted anew.
        Some(_) => (total.calls as f64, total.ms),
        // It was too small to be remembered, or is new: what it can have taken before is taken off, calls in proportion.
        None if total.ms > floor => (total.calls as f64 * (total.ms - floor) / total.ms, total.ms - floor),
        None => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(query: i64) -> Key {
        Key { role: 10, database: 16384, query, top: true }
    }

    fn totals(list: &[(i64, i64, f64)]) -> HashMap<Key, Total> {
        list.iter().map(|&(query, calls, ms)| (key(query), Total { calls, ms })).collect()
    }

    fn sorted(now: &[(i64, i64, f64)], earlier: Option<&Earlier>) -> Vec<(i64, f64, f64)> {
        let mut spent = difference(&totals(now), earlier);
        spent.sort_by_key(|spent| spent.key.query);
        spent.into_iter().map(|spent| (spent.key.query, spent.calls, spent.ms)).collect()
    }

    #[test]
    fn only_what_was_spent_since_counts() {
        let earlier = Earlier::of(&totals(&[(-1, 10, 100.0), (2, 5, 50.0), (3, 8, 80.0)]), None);
        let now = [(-1, 15, 160.0), (2, 5, 50.0), (3, 2, 7.0), (4, 1, 9.0)];
        assert_eq!(sorted(&now, Some(&earlier)), [(-1, 5.0, 60.0), (2, 0.0, 0.0), (3, 2.0, 7.0), (4, 1.0, 9.0)]);
        assert_eq!(sorted(&now, None)[0], (-1, 15.0, 160.0), "the first time, all since the statistics began");
    }

    #[test]
    fn what_is_remembered_comes_back_and_a_reset_forgets_it() {
        let began: Timestamp = "2025-01-08T02:00:00.123456Z".parse().unwrap();
        let earlier = Earlier::of(&totals(&[(i64::MIN, 10, 100.0), (2, 5, 50.0)]), Some(began));
        let memory = earlier.to_memory();
        assert_eq!(Earlier::from_memory(&memory, Some(began)), Some(earlier));
        assert_eq!(Earlier::from_memory(&memory, Some(Timestamp::now())), None);
        assert_eq!(Earlier::from_memory(&Value::Null, None), None);
        assert_eq!(Earlier::from_memory(&json!({ "floor": 0, "totals": { "1": "x" } }), None), None);
    }

    #[test]
    fn thousands_of_statements_fit_and_the_forgotten_are_not_taken_for_new() {
        let many: HashMap<Key, Total> = (0..5000i64)
            .map(|n| (key(n.wrapping_mul(0x1234_5678_9ABC_DEF1)), Total { calls: 1_000_000 + n, ms: 1000.0 + 10_000.0 * n as f64 }))
            .collect();
        let earlier = Earlier::of(&many, None);
        let memory = earlier.to_memory();
        assert!(memory.to_string().len() < 64 << 10, "{}", memory.to_string().len());
        let again = Earlier::from_memory(&memory, None).unwrap();
        let spent = difference(&many, Some(&again));
        assert!(spent.iter().all(|spent| spent.ms < 1.0), "nothing was spent since");
        let forgotten = key(0);
        let more = HashMap::from([(forgotten, Total { calls: 2_000_000, ms: again.floor + 500.0 })]);
        assert_eq!(difference(&more, Some(&again))[0].ms, 500.0);
    }
}
