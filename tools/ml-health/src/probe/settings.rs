//! The settings themselves.

use super::Facts;
use crate::check::{Check, Finding, OnError};
use ml_common::{Result, Status};
use std::sync::Arc;

/// The lane's checks.
pub const CHECKS: &[Check<Arc<Facts>>] = &[Check {
    id: "settings",
    gate: false,
    needs: &[],
    on_error: OnError::Unknown,
    probe: |facts| warnings(facts.settings.warnings(), facts),
}];

fn warnings(warnings: &[String], facts: &Facts) -> Result<Finding> {
    let file = facts.settings.file().map_or("no settings file".to_owned(), |file| file.display().to_string());
    let finding = Finding::ok(file).value(warnings.len(), "");
    Ok(match warnings {
        [] => finding,
        [first, more @ ..] => {
            let summary = if more.is_empty() { first.clone() } else { format!("{first} (and {} more)", more.len()) };
            let hint = Some("mend what is named; docs/settings.md lists the known keys".to_owned());
            Finding { status: Some(Status::Warn), summary, hint, evidence: warnings.to_vec(), ..finding }
        }
    })
}
