//! Making the dump: snapshot, room, file, and which engine writes it.

use crate::dump::{self, Dump};
use crate::parallel::{self, Outcome, Plain, Wanted};
use crate::place::Place;
use crate::plan;
use crate::sealing::{Out, Sealing, Written};
use crate::snapshot::{Sizes, Snapshot};
use ml_common::files::{self, NewFile};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, people, pg};
use ml_dump::manifest::TableData;
use ml_dump::programs::Reach;
use ml_dump::sealed::Recipients;
use ml_dump::{Compression, Programs, Tally};
use std::collections::BTreeMap;
use std::time::Duration;

/// Somebody who waits to change a table keeps us from locking it, and is kept waiting by us: letting go and trying again serves both.
const ATTEMPTS: usize = 3;

/// Between two attempts, for the change.
const PAUSE: Duration = Duration::from_millis(300);

/// What a dump is made with.
pub struct Means<'a> {
    /// The running tool.
    pub stage: &'a Stage,
    /// The database.
    pub target: &'a pg::Target,
    /// How sessions connect.
    pub options: &'a pg::Options,
    /// pg_dump and pg_restore.
    pub programs: &'a Programs,
    /// Where to.
    pub place: &'a Place,
    /// How the data is compressed.
    pub compression: Compression,
    /// Sessions that copy.
    pub jobs: usize,
    /// Whether stock pg_dump is wanted.
    pub stock: bool,
    /// Major version of the server.
    pub major: u32,
    /// The database's encoding.
    pub encoding: &'a str,
    /// Whom it is encrypted to, if it is.
    pub recipients: Option<&'a Recipients>,
}

/// A dump that was made but not yet read back.
pub struct Made {
    /// The file.
    pub written: Written,
    /// The snapshot's name.
    pub snapshot: String,
    /// How large things were on the server.
    pub sizes: Sizes,
    /// What must be in it: of our engine what was copied, else what was counted.
    pub expected: Tally,
    /// Who wrote it.
    pub by: By,
}

/// Who wrote a dump.
pub enum By {
    /// Our engine: the rows as they were copied, and their encoding.
    Parallel(BTreeMap<String, TableData>, String),
    /// Stock pg_dump: why, if the other was wanted.
    Stock(Option<String>),
}

impl Means<'_> {
    /// A snapshot, with the tables locked.
    ///
    /// # Errors
    /// Class Database.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let client = self.target.connect(self.options)?;
        let _hook = self.stage.cancel.when_set(pg::canceller(&client, self.target));
        Snapshot::take(client)
    }

    /// Dumps, once more when somebody wants to change a table in the same moment.
    ///
    /// # Errors
    /// Class Storage when there is no room or the file cannot be written, else Database.
    pub fn dump(&self, estimate: impl Fn(Sizes) -> u64) -> Result<Made> {
        let mut attempt = 1;
        loop {
            let mut snapshot = self.snapshot()?;
            let sizes = snapshot.sizes()?;
            plan::check_space(estimate(sizes), files::disk_space(&self.place.folder)?.0, &self.place.folder)?;
            match self.attempt(&mut snapshot)? {
                Ok((written, expected, by)) => return Ok(Made { written, snapshot: snapshot.id, sizes, expected, by }),
                Err(busy) if attempt < ATTEMPTS => log::info!("{busy}; trying again"),
                Err(busy) => return Err(busy),
            }
            drop(snapshot);
            self.stage.cancel.sleep(PAUSE)?;
            attempt += 1;
        }
    }

    /// What is written to.
    fn out(&self) -> Result<Out> {
        Ok(match self.recipients {
            None => Out::Plain(NewFile::create(&self.place.path)?),
            Some(recipients) => Out::Sealed(Sealing::begin(&self.place.path, recipients, self.jobs, &self.stage.cancel)?),
        })
    }

    /// One attempt; the inner failure is worth another one.
    fn attempt(&self, snapshot: &mut Snapshot) -> Result<Result<(Written, Tally, By)>> {
        let id = snapshot.id.clone();
        let dump = Dump {
            programs: self.programs,
            reach: Reach { target: self.target, application: &self.options.application_name },
            snapshot: &id,
            encoding: snapshot.encoding(self.encoding),
            lock_timeout: self.options.lock_timeout.unwrap_or_default(),
        };
        let mut fallback = None;
        if !self.stock {
            let mut out = self.out()?;
            match self.parallel(dump, &mut out, snapshot) {
                Ok(Outcome::Written(written)) => {
                    return Ok(Ok((out.finish()?, written.expected, By::Parallel(written.rows.into_data(), written.encoding))));
                }
                Ok(Outcome::Unfit(why)) => {
                    log::info!("stock pg_dump writes this dump, on one core: {why}");
                    fallback = Some(why);
                }
                Ok(Outcome::Busy(failure)) => return Ok(Err(failure)),
                Err(failure) if dump::is_busy(&failure) => return Ok(Err(failure)),
                Err(failure) => return Err(failure),
            }
        }
        let mut out = self.out()?;
        match self.by_stock(dump, &mut out, snapshot) {
            Ok(expected) => Ok(Ok((out.finish()?, expected, By::Stock(fallback)))),
            Err(failure) if dump::is_busy(&failure) => Ok(Err(failure)),
            Err(failure) => Err(failure),
        }
    }

    fn parallel(&self, dump: Dump<'_>, out: &mut Out, snapshot: &mut Snapshot) -> Result<Outcome> {
        let wanted = Wanted {
            dump,
            options: self.options,
            major: self.major,
            compression: self.compression,
            jobs: self.jobs,
            path: &self.place.path,
            cancel: &self.stage.cancel,
        };
        let _hook = self.stage.cancel.when_set(snapshot.canceller(self.target));
        match out {
            Out::Plain(file) => parallel::run(&wanted, snapshot, &mut Plain::new(file.file())),
            Out::Sealed(sealing) => parallel::run(&wanted, snapshot, sealing),
        }
    }

    /// Stock pg_dump writes; the rows are counted meanwhile under the same snapshot.
    fn by_stock(&self, dump: Dump<'_>, out: &mut Out, snapshot: &mut Snapshot) -> Result<Tally> {
        let cancel = &self.stage.cancel;
        let _hook = cancel.when_set(snapshot.canceller(self.target));
        let waiting = match &*out {
            Out::Plain(file) => people::growing("dumping", file.temporary_path().to_owned()),
            Out::Sealed(_) => people::waiting("dumping"),
        };
        let (dumped, counted) = std::thread::scope(|scope| {
            let counting = scope.spawn(|| snapshot.count());
            // pg_dump is started by this thread, which lives as long as the process: its children end with it.
            let dumped = dump.run(self.compression, out, &self.place.path, cancel);
            (dumped, counting.join())
        });
        drop(waiting);
        cancel.check()?;
        let counted = counted.unwrap_or_else(|_| Err(Failure::new(Class::Internal, "counting the rows failed")));
        match (dumped, counted) {
            // A failed count ends the transaction, and with it the snapshot that pg_dump wants: the count knows why.
            (Err(dumped), Err(counted)) => Err(if dumped.class == Class::Storage { dumped } else { counted }),
            (dumped, counted) => dumped.and(counted),
        }
    }
}
