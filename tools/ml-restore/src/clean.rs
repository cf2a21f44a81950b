//! Removing what runs that were killed have left: scratch databases, new databases that were never swapped in, folders of private clusters.
//!
//! What is in use is told by the locks that the runs hold, not by age. Old databases that a restore has kept on purpose stay unless told.

use crate::cli::{Clean, Cli};
use crate::cluster;
use crate::plan::{self, Aside};
use crate::server::{self, Server};
use crate::temporary::drop_database;
use ml_common::exit::Exit;
use ml_common::people::{self, human_bytes};
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use postgres::Client;
use std::path::PathBuf;

/// Something that was left.
enum Leftover {
    Database { name: String, lock: String, bytes: Option<u64>, what: &'static str },
    Cluster(PathBuf),
}

impl Leftover {
    fn name(&self) -> String {
        match self {
            Leftover::Database { name, .. } => name.clone(),
            Leftover::Cluster(folder) => folder.display().to_string(),
        }
    }

    fn step(&self) -> Step {
        match self {
            Leftover::Database { name, bytes, what, .. } => {
                let size = bytes.map(|bytes| format!(", {}", human_bytes(bytes))).unwrap_or_default();
                Step { id: format!("clean.{name}"), summary: format!("{name}: {what}{size}"), bytes: *bytes, ..Step::default() }
            }
            Leftover::Cluster(folder) => Step {
                id: format!("clean.{}", folder.file_name().unwrap_or_default().to_string_lossy()),
                summary: format!("{}: a private cluster that no run uses", folder.display()),
                path: Some(folder.display().to_string()),
                ..Step::default()
            },
        }
    }

    fn remove(&self, stage: &Stage, server: Option<&Server>) -> Result<()> {
        match (self, server) {
            (Leftover::Cluster(folder), _) => cluster::remove(folder),
            (Leftover::Database { name, lock, .. }, Some(server)) => {
                let _lock = server.lock(lock, &stage.run)?;
                drop_database(server, name, false)
            }
            (Leftover::Database { .. }, None) => Err(Failure::new(Class::Internal, "there is no server")),
        }
    }
}

/// Removes them, or lists them in a dry run.
///
/// # Errors
/// Class Database when the server cannot be asked; the folders of clusters are removed all the same. Usage when nobody can be asked.
pub fn act(cli: &Cli, clean: &Clean, stage: &Stage) -> Result<Done> {
    let roots = clean.cluster_in.clone().map_or_else(|| vec![cluster::default_root()], |root| vec![root, cluster::default_root()]);
    let mut found: Vec<Leftover> = roots.iter().flat_map(|root| cluster::leftovers(root)).map(Leftover::Cluster).collect();
    let opened = cli.maintenance(stage).and_then(|target| Server::at(target, stage, None));
    let (server, unreachable) = match opened {
        Ok((server, mut client)) => {
            found.extend(databases(clean, stage, &mut client)?);
            (Some(server), None)
        }
        Err(failure) => (None, Some(failure)),
    };
    let names: Vec<String> = found.iter().map(Leftover::name).collect();
    let ask = !stage.dry_run && !clean.force && !found.is_empty();
    if ask && !people::ask(&format!("Remove for good: {}?", names.join(", ")), &stage.cancel).map_err(crate::drop_old::force)? {
        return Ok(Done::skipped("not confirmed; nothing was changed"));
    }
    let mut left = 0;
    for leftover in &found {
        stage.cancel.check()?;
        let step = leftover.step();
        match if stage.dry_run { Ok(()) } else { leftover.remove(stage, server.as_ref()) } {
            Ok(()) => stage.step(Status::Ok, step),
            Err(failure) => {
                left += 1;
                let (class, hint) = (failure.class.name().to_owned(), failure.hint);
                stage.step(Status::Warn, Step { summary: failure.message, hint, error_class: Some(class), ..step });
            }
        }
    }
    if let Some(failure) = unreachable {
        return Err(failure.context("looking for databases that were left"));
    }
    let did = if stage.dry_run { "would remove" } else { "removed" };
    let mut done = match found.len() - left {
        0 if left == 0 => Done::skipped("nothing was left behind"),
        count => Done::ok(format!("{did} {count}")),
    };
    if stage.dry_run && !found.is_empty() {
        done.status = Some(Status::Planned);
    }
    if left > 0 {
        done.reason = Some(format!("{left} could not be removed"));
        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
    }
    Ok(done.metric("removed", found.len() - left).metric("left", left))
}

fn databases(clean: &Clean, stage: &Stage, client: &mut Client) -> Result<Vec<Leftover>> {
    let names = server::own_databases(client)?;
    let known = |name: &str| names.iter().any(|known| known == name);
    let mut found = Vec::new();
    for name in &names {
        let (lock, what) = if plan::scratch_made(&stage.system, name).is_some() {
            (format!("ml-restore {}", stage.system), "a scratch database of a drill")
        } else {
            // A long name is cut when it stands aside: the database that it belongs to may be among those that are there.
            let whole = names.iter().find_map(|of| Some((of.as_str(), Aside::parse(of, name)?)));
            match whole.or_else(|| Aside::of(name)) {
                Some((of, Aside::New)) => (format!("ml-restore {of}"), "a restore that did not come to its swap"),
                // What has no successor may be all that is left.
                Some((of, Aside::Old)) if clean.old && known(of) => (format!("ml-restore {of}"), "kept by a restore"),
                _ => continue,
            }
        };
        found.push(Leftover::Database { name: name.clone(), lock, bytes: server::database_bytes(client, name), what });
    }
    Ok(found)
}
