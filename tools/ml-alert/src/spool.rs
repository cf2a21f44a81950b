//! What a run has seen, and what people have asked for, while another run holds the state: left in files beside it, for whoever holds it next.

use crate::engine::Engine;
use crate::engine::order::Order;
use jiff::Timestamp;
use ml_common::files::{NewFile, name_stamp, read_small, storage};
use ml_common::reader::{Item, Reader};
use ml_common::record::{Body, Record};
use ml_common::{Class, OrFail, Result, Stage};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Of what could not be judged now, so many records are kept.
const SPOOLED: usize = 50_000;

/// Endings of what is left: records, an order.
const RECORDS: &str = "jsonl";
const ORDER: &str = "order";
/// A larger file is no order of ours.
const LARGEST: u64 = 1 << 20;

/// The files of other runs, and what this one would leave.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    lines: Vec<String>,
    /// Files that are taken in and go once that is on disk.
    taken: BTreeSet<PathBuf>,
}

impl Spool {
    /// Beside this state.
    pub fn beside(state: &Path) -> Spool {
        Spool { folder: state.with_extension("spool"), lines: Vec::new(), taken: BTreeSet::new() }
    }

    /// Keeps a record to be left.
    pub fn keep(&mut self, record: &Record) {
        if self.lines.len() < SPOOLED && matches!(record.body, Body::Check(_) | Body::Step(_) | Body::End(_)) {
            self.lines.push(record.to_line());
        }
    }

    /// Leaves what was kept; gives how many records that is.
    ///
    /// # Errors
    /// Class Storage.
    pub fn leave(&self, name: &str) -> Result<usize> {
        if self.lines.is_empty() {
            return Ok(0);
        }
        self.write(&format!("{}-{name}.{RECORDS}", name_stamp(Timestamp::now())), &self.lines)?;
        Ok(self.lines.len())
    }

    /// Leaves an order.
    ///
    /// # Errors
    /// Class Storage.
    pub fn order(&self, order: &Order, name: &str) -> Result<()> {
        let line = serde_json::to_string(order).or_fail(Class::Internal, || "writing an order")?;
        self.write(&format!("{}-{name}.{ORDER}", name_stamp(Timestamp::now())), &[line])
    }

    fn write(&self, name: &str, lines: &[String]) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(|error| storage(&error, &self.folder, "cannot make the folder"))?;
        let path = self.folder.join(name);
        let mut file = NewFile::create(&path)?;
        for line in lines {
            writeln!(file.file(), "{line}").map_err(|error| storage(&error, &path, "cannot write"))?;
        }
        file.publish().map(drop)
    }

    /// What people asked for and nobody has obeyed yet, in its order. One that cannot be read is left out: a newer program may know it.
    pub fn orders(&self) -> Vec<(PathBuf, Order)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let orders: BTreeSet<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == ORDER)).collect();
        orders.into_iter().filter_map(|path| Some((order(&path)?, path))).map(|(order, path)| (path, order)).collect()
    }

    /// Whether others have left anything.
    pub fn is_there(&self) -> bool {
        std::fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// How many records would be left.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Takes in what others have left since.
    ///
    /// # Errors
    /// A signal.
    pub fn take(&mut self, engine: &mut Engine, stage: &Stage) -> Result<()> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let new = entries.filter(|path| path.extension().is_some_and(|end| end == RECORDS || end == ORDER) && !self.taken.contains(path));
        for path in new.collect::<BTreeSet<_>>() {
            if path.extension().is_some_and(|end| end == ORDER) {
                // One that cannot be read stays.
                if let Some(order) = order(&path) {
                    engine.state.obey(&order);
                    self.taken.insert(path);
                }
                continue;
            }
            let Ok(file) = std::fs::File::open(&path) else { continue };
            for item in Reader::new(file) {
                stage.cancel.check()?;
                if let Item::Record { record, .. } = item {
                    engine.record(&record);
                }
            }
            self.taken.insert(path);
        }
        Ok(())
    }

    /// What was taken in is on disk now.
    pub fn forget(&mut self) {
        // A file that cannot be removed is judged again by the next run, as what it tells was then.
        self.taken.retain(|path| std::fs::remove_file(path).is_err());
    }
}

fn order(path: &Path) -> Option<Order> {
    serde_json::from_slice(&read_small(path, LARGEST).ok().flatten()?).ok()
}
