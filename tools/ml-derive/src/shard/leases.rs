//! Who does what: leases, so that two workers do not do the same.
//!
//! They only save work. What is done stands in the store, and a worker that has lost its lease without knowing writes the same bytes as
//! the one that has taken over. With REDIS_URL a lease is a key with an end, which its holder puts off while it works; the key names the
//! length by the hash of the one before it, so that stores do not share leases, wherever they are mounted. Without it a lease is a lock
//! on a file in the store, which the system frees when its holder ends; on a network's file system it has to reach all machines.

use ml_common::redis::{Session, Target};
use ml_common::stage::Stage;
use ml_common::{Failure, Result, files, platform};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where leases are taken.
pub enum Leases {
    /// In Redis.
    Redis(Box<Redis>),
    /// In that folder.
    Files(PathBuf),
}

/// Leases in Redis.
pub struct Redis {
    target: Target,
    session: Session,
    time: Duration,
    /// Of this worker.
    holder: String,
}

/// A lease, given back when it is dropped.
pub enum Lease {
    /// In Redis: the thread that puts its end off, until the channel is closed.
    Redis(Option<(Sender<()>, JoinHandle<()>)>),
    /// A locked file.
    File(#[expect(dead_code, reason = "it is closed when it is dropped, which unlocks it")] File),
}

impl Leases {
    /// As the settings say.
    ///
    /// # Errors
    /// Class Config for a REDIS_URL that makes no sense, Network when Redis cannot be reached.
    pub fn of(stage: &Stage, store: &Path, time: Duration) -> Result<Leases> {
        let Some(url) = stage.settings.get("REDIS_URL") else { return Ok(Leases::Files(store.join("leases"))) };
        let target = Target::parse(url)?;
        let session = target.connect().map_err(stays)?;
        let word = RandomState::new().build_hasher().finish();
        let holder = format!("{}:{}:{word:016x}", stage.host(), std::process::id());
        Ok(Leases::Redis(Box::new(Redis { target, session, time, holder })))
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Leases::Redis(redis) => format!("leases in redis at {}", redis.target.describe()),
            Leases::Files(folder) => format!("locks in {}", folder.display()),
        }
    }

    /// Takes a lease on a step of the length after `before`; `None` when another worker has it.
    ///
    /// # Errors
    /// Class Network when Redis cannot be reached, also when it is asked once more; Storage for the file.
    pub fn take(&mut self, before: &str, step: &str) -> Result<Option<Lease>> {
        match self {
            Leases::Redis(redis) => {
                let key = format!("ml:shard:{}:{step}", before.get(..16).unwrap_or(before));
                redis.take(key)
            }
            Leases::Files(folder) => {
                let path = folder.join(step);
                platform::private_folder(folder).map_err(|error| files::storage(&error, folder, "cannot make the folder"))?;
                let file = File::options().create(true).truncate(false).write(true).open(&path);
                let file = file.map_err(|error| files::storage(&error, &path, "cannot write"))?;
                match file.try_lock() {
                    Ok(()) => Ok(Some(Lease::File(file))),
                    Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                    Err(std::fs::TryLockError::Error(error)) => Err(files::storage(&error, &path, "cannot lock")
                        .hint("this file system has no locks: set REDIS_URL, or let a scheduler run `shard` and `merge`")),
                }
            }
        }
    }
}

fn stays(failure: Failure) -> Failure {
    failure.hint("look at Redis and start the worker again: what is done stays")
}

impl Redis {
    fn take(&mut self, key: String) -> Result<Option<Lease>> {
        let taken = self.session.lease(&key, &self.holder, self.time).or_else(|_| {
            self.session = self.target.connect()?;
            self.session.lease(&key, &self.holder, self.time)
        });
        if !taken.map_err(stays)? {
            return Ok(None);
        }
        let (close, closed) = channel();
        let (target, time, holder) = (self.target.clone(), self.time, self.holder.clone());
        let keeper = std::thread::spawn(move || {
            let mut session = None;
            // A third of the time, so that one sign of life may be missed.
            while closed.recv_timeout(time / 3) == Err(RecvTimeoutError::Timeout) {
                match with(&target, &mut session, |session| session.renew_lease(&key, &holder, time)) {
                    Ok(true) => {}
                    Ok(false) => return log::info!("the lease {key} is lost: another worker may do the same"),
                    Err(failure) => log::info!("the lease {key} is not renewed: {failure}"),
                }
            }
            if let Err(failure) = with(&target, &mut session, |session| session.end_lease(&key, &holder)) {
                log::info!("the lease {key} is not given back, and ends by itself: {failure}");
            }
        });
        Ok(Some(Lease::Redis(Some((close, keeper)))))
    }
}

/// Does something with a session, which is opened when there is none and closed when it failed.
fn with<T>(target: &Target, session: &mut Option<Session>, act: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
    let mut open = match session.take() {
        Some(open) => open,
        None => target.connect()?,
    };
    let done = act(&mut open);
    if done.is_ok() {
        *session = Some(open);
    }
    done
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Lease::Redis(keeper) = self
            && let Some((close, keeper)) = keeper.take()
        {
            drop(close);
            if keeper.join().is_err() {
                log::debug!("the keeper of a lease has ended badly");
            }
        }
    }
}
