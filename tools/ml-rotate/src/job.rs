//! What a run has at hand, and how it tells what it did.

use crate::guard::Guard;
use jiff::Timestamp;
use ml_common::record::{Status, Step};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where records go.
pub type Tell<'a> = Box<dyn FnMut(Status, Step) + 'a>;

/// A run.
pub struct Job<'a> {
    /// The one moment of the whole run.
    pub now: Timestamp,
    /// Rotate what is not due, too.
    pub force: bool,
    /// Change nothing.
    pub dry: bool,
    /// Says when to stop.
    pub cancel: &'a Cancel,
    /// What belongs to others.
    pub guard: Guard,
    /// Where records go.
    pub tell: RefCell<Tell<'a>>,
    /// What could not be done.
    pub failures: RefCell<Vec<Failure>>,
    /// Whose rotated files of a name lie in a folder.
    pub names: RefCell<HashMap<(PathBuf, String), PathBuf>>,
    /// Something has to be looked at.
    pub warned: Cell<bool>,
    /// What was done.
    pub count: Count,
}

/// Totals.
#[derive(Debug, Default)]
pub struct Count {
    /// Logs put aside.
    pub rotated: Cell<u64>,
    /// Files compressed.
    pub compressed: Cell<u64>,
    /// Files removed.
    pub removed: Cell<u64>,
    /// Bytes that the disk got back.
    pub freed: Cell<i64>,
}

/// One more.
pub fn add(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// A step about a file; its id has the path, and people read the name.
pub fn step(what: &str, path: &Path, reason: impl Into<String>) -> Step {
    let reason = reason.into();
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    Step { id: format!("{what}.{}", path.display()), summary: format!("{name}: {reason}"), reason: Some(reason), ..Step::default() }
}

impl Job<'_> {
    /// Makes sure that no other log has rotated files of the same names in these folders: one's rules would remove the other's. `rotated` is such a
    /// name, of the same moment for all.
    ///
    /// # Errors
    /// Class Config.
    pub fn claim(&self, log: &Path, rotated: &str, folders: [&Path; 2]) -> ml_common::Result<()> {
        let mut names = self.names.borrow_mut();
        let places = folders.map(|folder| (crate::find::resolved(folder), rotated.to_owned()));
        if let Some(other) = places.iter().find_map(|place| names.get(place)) {
            let both = if other == log {
                format!("{} is in two tables", log.display())
            } else {
                format!("{} and {} have rotated files of the same names in one folder", other.display(), log.display())
            };
            return Err(
                Failure::new(Class::Config, both).hint("give each log one table, and each folder of logs a folder of its own with to")
            );
        }
        names.extend(places.map(|place| (place, log.to_owned())));
        Ok(())
    }

    /// Tells a step.
    pub fn tell(&self, status: Status, step: Step) {
        (self.tell.borrow_mut())(if self.dry && status == Status::Ok { Status::Planned } else { status }, step);
    }

    /// Tells that something was left as it is, with no harm.
    pub fn skip(&self, path: &Path, reason: impl Into<String>) {
        self.tell(Status::Skipped, step("skip", path, reason));
    }

    /// Tells that somebody should look.
    pub fn warn(&self, what: &str, path: &Path, reason: impl Into<String>, hint: &str) {
        self.warned.set(true);
        self.tell(Status::Warn, Step { hint: Some(hint.to_owned()), ..step(what, path, reason) });
    }

    /// Tells a failure and goes on with the rest. An interruption is none of a file.
    ///
    /// # Errors
    /// Interrupted and Terminated.
    pub fn failed(&self, what: &str, path: &Path, failure: Failure) -> ml_common::Result<()> {
        if matches!(failure.class, Class::Interrupted | Class::Terminated) {
            return Err(failure);
        }
        let step = Step {
            summary: failure.message.clone(),
            hint: failure.hint.clone(),
            error_class: Some(failure.class.name().to_owned()),
            ..step(what, path, failure.message.as_str())
        };
        self.tell(Status::Crit, step);
        self.failures.borrow_mut().push(failure);
        Ok(())
    }
}
