//! The connection service file: named groups of settings in `pg_service.conf`.
//!
//! Source: PostgreSQL manual, "The Connection Service File". The user's file is looked at first, then the system's.

use super::Env;
use super::conninfo::Settings;
use crate::{Class, Failure, OrFail, Result};
use std::path::{Path, PathBuf};

/// The settings of a service.
pub(super) fn load(name: &str, settings: &Settings, env: Env<'_>, home: Option<&Path>) -> Result<Settings> {
    let files = files(settings, env, home);
    for path in files.iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(path).or_fail(Class::Config, || format!("reading {}", path.display()))?;
        if let Some(found) = section(&text, name).map_err(|failure| failure.context(path.display()))? {
            return Ok(found);
        }
    }
    Err(Failure::new(Class::Config, format!("no definition of the connection service {name:?}"))
        .hint("define it in ~/.pg_service.conf or the file that PGSERVICEFILE names, or unset PGSERVICE"))
}

fn files(settings: &Settings, env: Env<'_>, home: Option<&Path>) -> Vec<PathBuf> {
    let own = settings.get("servicefile").cloned().or_else(|| env("PGSERVICEFILE")).map(PathBuf::from);
    let own = own.or_else(|| home.map(|home| home.join(".pg_service.conf")));
    let system = env("PGSYSCONFDIR").map_or_else(|| PathBuf::from("/etc/postgresql-common"), PathBuf::from).join("pg_service.conf");
    own.into_iter().chain([system]).collect()
}

fn section(text: &str, name: &str) -> Result<Option<Settings>> {
    let mut found: Option<Settings> = None;
    for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (title.strip_suffix(']') == Some(name)).then(Settings::new);
        } else if let Some(settings) = &mut found {
            let (key, value) =
                line.split_once('=').ok_or_else(|| Failure::new(Class::Config, format!("line {number} is not KEY=VALUE")))?;
            // The first of two equal keys counts, as in libpq.
            settings.entry(key.trim().to_owned()).or_insert_with(|| value.trim().to_owned());
        }
    }
    Ok(found)
}
