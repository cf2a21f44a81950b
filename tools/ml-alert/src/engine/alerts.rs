//! The alerts that are remembered: found by a hash, told in order. What is well is kept apart, so that the one that was not heard of for longest
//! is forgotten without looking for it.

use super::hash::Seed;
use super::state::Alert;
use lru::LruCache;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Alerts by name.
#[derive(Clone)]
pub struct Alerts {
    /// Alarming, firing, over without everybody knowing it, or waited for. Boxed: the table is half empty.
    busy: HashMap<String, Box<Alert>, Seed>,
    /// Well.
    idle: LruCache<String, Box<Alert>, Seed>,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts { busy: HashMap::default(), idle: LruCache::unbounded_with_hasher(Seed::default()) }
    }
}

impl Alerts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.busy.len() + self.idle.len()
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Alert> {
        self.busy.get(name).or_else(|| self.idle.peek(name)).map(Box::as_ref)
    }

    /// Whether there is one of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Alert)> {
        let mut all: Vec<(&String, &Alert)> =
            self.busy.iter().chain(self.idle.iter()).map(|(name, alert)| (name, alert.as_ref())).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// All of them, in no order.
    pub fn values(&self) -> impl Iterator<Item = &Alert> {
        self.busy.values().chain(self.idle.iter().map(|(_, alert)| alert)).map(Box::as_ref)
    }

    /// Those that are not simply well, in no order.
    pub fn busy(&self) -> impl Iterator<Item = (&String, &Alert)> {
        self.busy.iter().map(|(name, alert)| (name, alert.as_ref()))
    }

    /// Changes one, or a new one where there is none of that name.
    pub fn with<T>(&mut self, name: &str, change: impl FnOnce(&mut Alert) -> T) -> T {
        if let Some(alert) = self.busy.get_mut(name) {
            let told = change(alert);
            if alert.is_idle()
                && let Some((name, alert)) = self.busy.remove_entry(name)
            {
                self.idle.put(name, alert);
            }
            return told;
        }
        if let Some(alert) = self.idle.get_mut(name) {
            let told = change(alert);
            if !alert.is_idle()
                && let Some((name, alert)) = self.idle.pop_entry(name)
            {
                self.busy.insert(name, alert);
            }
            return told;
        }
        let mut alert = Box::<Alert>::default();
        let told = change(&mut alert);
        self.put(name.to_owned(), alert);
        told
    }

    /// Forgets one.
    pub fn remove(&mut self, name: &str) {
        if self.busy.remove(name).is_none() {
            self.idle.pop(name);
        }
    }

    /// Forgets what is well and was not heard of for longest; false when nothing is.
    pub fn forget_one(&mut self) -> bool {
        self.idle.pop_lru().is_some()
    }

    fn put(&mut self, name: String, alert: Box<Alert>) {
        if alert.is_idle() {
            self.idle.put(name, alert);
        } else {
            self.busy.insert(name, alert);
        }
    }
}

impl FromIterator<(String, Alert)> for Alerts {
    fn from_iter<I: IntoIterator<Item = (String, Alert)>>(alerts: I) -> Alerts {
        let mut sorted: Vec<(String, Alert)> = alerts.into_iter().collect();
        // As they were heard of, so that the same are forgotten first by the next run.
        sorted.sort_by(|(a, one), (b, other)| (one.heard, a).cmp(&(other.heard, b)));
        let mut alerts = Alerts::default();
        sorted.into_iter().for_each(|(name, alert)| alerts.put(name, Box::new(alert)));
        alerts
    }
}

impl PartialEq for Alerts {
    fn eq(&self, other: &Alerts) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Alerts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.len()))?;
        for (name, alert) in self.iter() {
            map.serialize_entry(name, alert)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Alerts, D::Error> {
        BTreeMap::<String, Alert>::deserialize(from).map(Alerts::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn what_is_well_is_forgotten_in_the_order_in_which_it_was_heard_of() {
        let mut alerts = Alerts::default();
        for second in 0..4 {
            alerts.with(&second.to_string(), |alert| alert.heard = Timestamp::from_second(second).ok());
        }
        alerts.with("0", |alert| alert.heard = Timestamp::from_second(9).ok());
        alerts.with("1", |alert| alert.firing = alert.heard);
        let again: Alerts = serde_json::from_str(&serde_json::to_string(&alerts).unwrap()).unwrap();
        assert_eq!(again, alerts);
        for mut alerts in [alerts, again] {
            for gone in ["2", "3", "0"] {
                assert!(alerts.contains_key(gone) && alerts.forget_one() && !alerts.contains_key(gone), "{gone}: {alerts:?}");
            }
            assert!(!alerts.forget_one(), "what fires is kept");
            alerts.with("1", |alert| alert.firing = None);
            assert!(alerts.forget_one() && alerts.len() == 0);
        }
    }
}
