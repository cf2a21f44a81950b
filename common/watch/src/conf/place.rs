//! Where a profile is, what its variables are, and whose tables are whose.

use super::vars::Lookup;
use crate::near;
use ml_common::settings::Settings;
use ml_common::{Class, Failure, Result};
use std::path::{Path, PathBuf};

/// Tables of a profile that ml-health reads.
pub const CHECK_TABLES: &[&str] = &["profile", "vars", "probe", "check", "advice"];

/// Tables of a profile that ml-alert reads.
pub const RULE_TABLES: &[&str] = &["alerts", "rule", "severity", "contact", "sink", "quiet"];

/// The file of a profile: `given` by a flag (a path starts at the working folder), else the setting PROFILE; a name is a file of config/profiles.
///
/// # Errors
/// Class Config when there is no such file.
pub fn profile_path(given: Option<&str>, settings: &Settings) -> Result<Option<PathBuf>> {
    let Some((name, is_flag)) = given.map(|name| (name, true)).or_else(|| settings.get("PROFILE").map(|name| (name, false))) else {
        return Ok(None);
    };
    let is_path = name.contains(['/', '\\']) || name.ends_with(".toml");
    if is_path {
        let path = if is_flag { PathBuf::from(name) } else { settings.base().join(name) };
        return Ok(Some(path));
    }
    let folder = settings.base().join("config/profiles");
    let path = folder.join(format!("{name}.toml"));
    if path.is_file() {
        return Ok(Some(path));
    }
    if std::fs::symlink_metadata(&path).is_ok() {
        let why = std::fs::metadata(&path).map_or_else(|error| error.to_string(), |_| "it is no file".to_owned());
        let message = format!("the profile {} cannot be read: {why}", path.display());
        return Err(Failure::new(Class::Config, message).hint("put a file there, or a link to one that is there"));
    }
    let known = names(&folder);
    let hint = near::hint(name, known.iter().map(String::as_str));
    Err(Failure::new(Class::Config, format!("there is no profile {name} in {}", folder.display())).hint(hint))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    names
}

/// The variables of a profile: the environment, then the settings file; a secret may stand in the file that `NAME_FILE` names.
pub fn lookup(settings: &Settings) -> Lookup {
    let settings = settings.clone();
    let value = move |name: &str| {
        let set = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        set.filter(|value| !value.is_empty()).or_else(|| settings.variable(name).map(str::to_owned))
    };
    Box::new(move |name| {
        value(name).or_else(|| {
            let path = value(&format!("{name}_FILE"))?;
            std::fs::read_to_string(path).ok().map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
        })
    })
}
