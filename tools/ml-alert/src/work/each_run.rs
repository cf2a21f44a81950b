//! A run that is judged by itself, at its end.

use super::places::OFF;
use super::{Work, state_path};
use crate::deliver::Delivered;
use crate::engine::state::{State, VERSION};
use crate::notification::Notification;
use crate::plan;
use crate::sinks::{Kind, Sink};
use jiff::Timestamp;
use ml_common::people::counted;
use ml_common::record::Record;
use ml_common::{Result, Stage};
use ml_watch::state::StateFile;
use std::collections::BTreeSet;

/// Stands for an address that is not set.
const NOWHERE: &str = "https://ALERT_WEBHOOK.is.not.set";

impl Work {
    /// Judges a run by itself: the state is asked for silences and what waits only, and not being able to have it keeps nothing back. Gives what is
    /// not well.
    pub(super) fn judge(&mut self, stage: &Stage, missing: &[&str], now: Timestamp) -> Result<Vec<Record>> {
        let context = plan::Context { run: &stage.run, system: &stage.system, host: stage.host(), at: now };
        let bad = plan::records(&stage.verdict, missing, &context);
        let path = state_path(stage);
        // Where there is nothing to remember, or nobody to be told, nothing is touched.
        let idle = bad.is_empty() && !path.exists() && !self.spool.is_there() && !self.old.is_there();
        if stage.dry_run || self.off || idle {
            let looked = StateFile::<State>::look(&path, VERSION).map(|file| file.value).unwrap_or_default();
            self.go_on(looked);
            self.store = Some(Box::new(State::default()));
        } else {
            match StateFile::open(&path, VERSION) {
                Ok(file) => self.remember(file, stage)?,
                Err(failure) => {
                    self.store = Some(Box::new(State::default()));
                    self.trouble = Some(failure);
                }
            }
        }
        bad.iter().for_each(|record| self.engine.record(record));
        Ok(bad)
    }

    /// What was done about a run that is judged by itself.
    pub(super) fn sentence(&self, stage: &Stage, bad: bool, made: &[Notification], delivered: &Delivered) -> String {
        let Some(first) = made.first() else {
            return match (bad, delivered.sent) {
                (true, _) => "not told: it is silenced (ml-alert list)".into(),
                (false, _) if stage.dry_run => "all is well, nothing would be sent".into(),
                (false, 0) => "all is well".into(),
                (false, sent) => format!("all is well; {} delivered", counted(sent, "waiting message")),
            };
        };
        let sinks: BTreeSet<String> = made.iter().filter_map(|told| self.sinks.get(&told.sink)).map(Sink::shown).collect();
        let sinks = sinks.into_iter().collect::<Vec<_>>().join(", ");
        match () {
            () if stage.dry_run => format!("would tell: {}", first.title),
            () if self.off => format!("{}; not sent, as {OFF}", first.title),
            () => format!("told {sinks}: {}", first.title),
        }
    }

    /// A dry run shows what would be sent if only there were an address.
    pub(super) fn planned(&mut self) {
        if !self.rules.are_builtin() {
            return;
        }
        for sink in self.sinks.values_mut().filter(|sink| matches!(sink.kind, Kind::Unset(_))) {
            sink.kind = Kind::Slack(NOWHERE.into());
        }
    }
}
