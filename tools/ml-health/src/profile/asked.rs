//! What a check asks of its probe, by name; and the checks of which that is not known.

use super::read::Reader;
use super::{CheckSpec, ON_ERROR, ProbeSpec, TIER, params};
use crate::kind::{Args, View};
use crate::lane::Planned;
use ml_common::record::Map;
use ml_watch::conf::Table;
use std::sync::Arc;

impl Reader<'_> {
    /// A check that is never made, as its id, its probe or the probe's kind is a variable that is not set: what it asks is not known.
    pub(super) fn never(&self, table: &Table<'_>, id: &str, probe: usize, spec: &ProbeSpec, why: String) -> Option<CheckSpec> {
        let view: &'static View = spec.kind.views.first()?;
        let args = params::read_defaults(view.params, self.base);
        let gate = table.switch("gate").is_some_and(|gate| gate.value);
        let hint = table.text("hint").map(|hint| hint.value);
        table.keys().iter().for_each(|key| table.leave(key.value));
        self.file.take_unset();
        let (key, limit) = (self.key(spec, view, &args), self.deadline);
        let (needs, on_error, tier, interval, never) = (Vec::new(), ON_ERROR, TIER, None, Some(why));
        let planned = Planned { id: id.into(), gate, needs, on_error, limit, tier, interval, never };
        let (value, unit, warn, crit, summary, trend, availability) = (None, None, None, None, None, None, None);
        let labels = Map::default();
        Some(CheckSpec { planned, probe, view, args, key, value, unit, warn, crit, summary, hint, labels, trend, availability })
    }

    /// Names what is asked: the same of the same probe is looked at once. What may not be shown is told apart by its place in the profile.
    pub(super) fn key(&self, probe: &ProbeSpec, view: &View, args: &Args) -> Arc<str> {
        let args: Vec<String> = args.0.iter().map(|(name, arg)| format!("{name}={arg:?}")).collect();
        let asked = format!("{}.{} {}", probe.name, view.name, args.join(" ")).trim_end().to_owned();
        let shown = ml_common::redact::scrub(&asked).into_owned();
        let mut keys = self.keys.borrow_mut();
        let alike = keys.entry(shown.clone()).or_default();
        let place = alike.iter().position(|known| *known == asked).unwrap_or_else(|| {
            alike.push(asked);
            alike.len() - 1
        });
        if place == 0 { shown.into() } else { format!("{shown} ({})", place + 1).into() }
    }
}
