//! What people ask of the state: to say nothing of something for a while, to take it for over.

use super::state::{Alert, Silence, State, Turn};
use glob::Pattern;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is asked for. Obeyed twice it does no more than once: whoever obeys may be killed before the order is taken away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "lowercase")]
pub enum Order {
    /// Tell nothing of these ids or rules.
    Silence {
        /// Pattern of ids or names of rules.
        pattern: String,
        /// From then.
        from: Timestamp,
        /// Until then.
        until: Timestamp,
        /// Who wants it.
        author: String,
        /// Why.
        reason: String,
    },
    /// End a silence.
    Expire {
        /// Its number.
        number: u64,
    },
    /// Take what fires for over.
    Resolve {
        /// Pattern of ids or names of rules.
        pattern: String,
        /// What began later is left alone.
        at: Timestamp,
        /// Who says so.
        author: String,
        /// Why.
        reason: String,
    },
}

impl State {
    /// Does what is asked for; gives what that changed: numbers of silences, names of alerts.
    pub fn obey(&mut self, order: &Order) -> Vec<String> {
        match order {
            Order::Silence { pattern, from, until, author, reason } => {
                self.silences.retain(|silence| silence.until > *from);
                let id = self.silences.iter().map(|silence| silence.id).max().unwrap_or_default() + 1;
                let (pattern, author, reason) = (pattern.clone(), author.clone(), reason.clone());
                let silence = Silence { id, pattern, from: *from, until: *until, author, reason };
                if self.silences.iter().any(|known| Silence { id, ..known.clone() } == silence) {
                    return Vec::new();
                }
                self.silences.push(silence);
                vec![id.to_string()]
            }
            Order::Expire { number } => {
                let before = self.silences.len();
                self.silences.retain(|silence| silence.id != *number);
                if self.silences.len() < before { vec![number.to_string()] } else { Vec::new() }
            }
            Order::Resolve { pattern, at, author, reason } => self.resolve(pattern, *at, &format!("taken for over by {author}: {reason}")),
        }
    }

    fn resolve(&mut self, pattern: &str, at: Timestamp, said: &str) -> Vec<String> {
        let Ok(pattern) = Pattern::new(pattern) else { return Vec::new() };
        // Records may come from a clock that is ahead.
        let at = self.now.map_or(at, |now| at.max(now));
        let is_meant = |alert: &Alert| pattern.matches(&alert.id) || pattern.matches(&alert.rule);
        let began = |alert: &Alert| alert.firing.or(alert.pending).is_some_and(|since| since <= at);
        let meant = self.alerts.busy().filter(|(_, alert)| is_meant(alert) && began(alert));
        let mut names: Vec<String> = meant.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        for name in &names {
            let turn = self.alerts.with(name, |alert| {
                // Of what was bad before, nothing counts any more.
                (alert.pending, alert.window, alert.filled, alert.alarming) = (None, 0, 0, None);
                if alert.absence {
                    // It is waited for anew.
                    alert.heard = Some(at);
                }
                if alert.firing.is_none() {
                    return Turn::Other;
                }
                alert.end(at);
                Turn::Ended
            });
            self.decided(at, name, said, turn);
        }
        names
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2025-01-08T{text}:00Z").parse().unwrap()
    }

    fn fires(rule: &str, id: &str, since: &str) -> (String, Alert) {
        let alert = Alert { rule: rule.into(), system: "lab".into(), id: id.into(), firing: Some(at(since)), ..Alert::default() };
        (super::super::state::name(rule, "lab", id), alert)
    }

    #[test]
    fn only_what_is_named_and_had_begun_is_taken_for_over_and_once() {
        let mut state = State::default();
        let absent = (String::from("gone lab x"), Alert { absence: true, heard: Some(at("00:30")), ..fires("gone", "x", "01:00").1 });
        let all = [fires("bad", "db.size", "01:00"), fires("bad", "db.lag", "03:00"), fires("pool", "pool", "01:00"), absent];
        state.alerts = all.into_iter().collect();
        state.alerts.with("bad lab db.size", |alert| alert.pending = alert.firing);
        let order = |pattern: &str| Order::Resolve {
            pattern: pattern.into(),
            at: at("02:00"),
            author: "ann".into(),
            reason: "the check is gone".into(),
        };
        assert_eq!(state.obey(&order("db.*")), ["bad lab db.size"]);
        assert_eq!(state.obey(&order("db.*")), Vec::<String>::new());
        assert_eq!(state.obey(&order("nobody")), Vec::<String>::new());
        assert_eq!(state.obey(&order("[")), Vec::<String>::new());
        assert_eq!(state.obey(&order("pool")), ["pool lab pool"]);
        assert_eq!(state.obey(&order("gone")), ["gone lab x"]);
        let of = |name: &str| state.alerts.get(name).map(|alert| (alert.firing, alert.pending, alert.resolved)).unwrap();
        assert_eq!(of("bad lab db.size"), (None, None, Some(at("02:00"))));
        assert_eq!(of("bad lab db.lag"), (Some(at("03:00")), None, None));
        assert_eq!(state.alerts.get("gone lab x").unwrap().heard, Some(at("02:00")));
        assert_eq!(state.log.iter().filter(|line| line.turn == Turn::Ended && line.said.contains("by ann: the check is gone")).count(), 3);
    }

    #[test]
    fn what_is_not_told_yet_begins_anew() {
        let mut state = State::default();
        let (name, alert) = fires("bad", "db.size", "01:00");
        state.alerts = [(name.clone(), Alert { firing: None, pending: alert.firing, ..alert })].into_iter().collect();
        let order = Order::Resolve { pattern: "*".into(), at: at("02:00"), author: String::new(), reason: String::new() };
        assert_eq!(state.obey(&order), [name.as_str()]);
        assert!(state.alerts.get(&name).is_some_and(Alert::is_idle));
    }

    #[test]
    fn silences_have_numbers_and_an_order_read_twice_makes_one() {
        let mut state = State::default();
        let order = |pattern: &str, from: &str, until: &str| Order::Silence {
            pattern: pattern.into(),
            from: at(from),
            until: at(until),
            author: "ann".into(),
            reason: "moving".into(),
        };
        assert_eq!(state.obey(&order("db.*", "01:00", "02:00")), ["1"]);
        assert_eq!(state.obey(&order("db.*", "01:00", "02:00")), Vec::<String>::new());
        assert_eq!(state.obey(&order("db.*", "01:30", "04:00")), ["2"]);
        // The first is over.
        assert_eq!(state.obey(&order("x", "03:00", "05:00")), ["3"]);
        assert_eq!(state.silences.iter().map(|silence| silence.id).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(state.obey(&Order::Expire { number: 2 }), ["2"]);
        assert_eq!(state.obey(&Order::Expire { number: 2 }), Vec::<String>::new());
        let text = serde_json::to_string(&order("x", "03:00", "05:00")).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order("x", "03:00", "05:00"));
    }
}
