//! Dropping what restores have kept.

use crate::cli::Cli;
use crate::plan::Aside;
use crate::server::{self, Server};
use crate::source::millis;
use crate::temporary::drop_database;
use ml_common::people::{self, human_bytes};
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::Properties;
use std::time::Instant;

/// Drops the old databases of `database`, and new ones that interrupted restores left.
///
/// # Errors
/// Class Usage when nobody can be asked, Database when the server refuses.
pub fn act(cli: &Cli, stage: &Stage, database: &str) -> Result<Done> {
    let (server, mut client) = Server::open(cli, stage)?;
    let mut names = server::own_databases(&mut client)?;
    names.retain(|name| Aside::parse(database, name).is_some());
    if names.is_empty() {
        return Ok(Done::skipped(format!("no restore of {database} has kept anything")));
    }
    if Properties::read(&mut client, database)?.is_none() {
        let kept = names.join(", ");
        return Err(Failure::new(Class::Database, format!("there is no database {database}, so {kept} may be all that is left of it"))
            .hint("rename the right one: ALTER DATABASE ... RENAME TO ..., or drop by hand what is not needed"));
    }
    let sized: Vec<(String, Option<u64>)> =
        names.into_iter().map(|name| (name.clone(), server::database_bytes(&mut client, &name))).collect();
    let told: Vec<String> =
        sized.iter().map(|(name, bytes)| bytes.map_or(name.clone(), |bytes| format!("{name} ({})", human_bytes(bytes)))).collect();
    if !stage.dry_run && !cli.force && !people::ask(&format!("Drop for good: {}?", told.join(", ")), &stage.cancel).map_err(force)? {
        return Ok(Done::skipped("not confirmed"));
    }
    stage.cancel.check()?;
    for (name, bytes) in &sized {
        let began = Instant::now();
        if !stage.dry_run {
            let sessions = server::sessions(&mut client, name)?;
            if !cli.terminate && !sessions.is_empty() {
                return Err(Failure::new(Class::Database, format!("{name} is in use: {}", server::named(&sessions)))
                    .hint("end them, or have them ended with --terminate"));
            }
            drop_database(&server, name, cli.terminate)?;
        }
        stage.step(
            Status::Ok,
            Step { id: format!("drop.{name}"), bytes: *bytes, summary: name.clone(), duration_ms: Some(millis(began)), ..Step::default() },
        );
    }
    let did = if stage.dry_run { "would drop" } else { "dropped" };
    let status = stage.dry_run.then_some(Status::Planned);
    Ok(Done { status, ..Done::ok(format!("{did} {}", told.join(", "))) })
}

/// Nobody to ask: then it must be said beforehand.
pub fn force(failure: Failure) -> Failure {
    match failure.class {
        Class::Usage => failure.hint("run it on a terminal, or say --force; nothing was changed"),
        _ => failure.hint("nothing was changed"),
    }
}
