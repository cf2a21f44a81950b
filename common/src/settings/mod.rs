//! Settings: flags over environment over `config/nightly.env`.
//!
//! The file is KEY=VALUE as `docker --env-file` reads it: no quotes, no expansion. Values are checked when they are asked for, so that a
//! malformed number of one tool never keeps the backup from running.

pub mod keys;

use crate::failure::{Class, Failure, Result};
use crate::redact;
use encoding_rs_io::DecodeReaderBytesBuilder;
pub use keys::{KEYS, Key, Kind};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read when none is named and it exists, relative to the working folder.
pub const DEFAULT_FILE: &str = "config/nightly.env";

/// No settings file is longer; the name of one may come from a record, and be that of a device.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The settings in force.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    file: Option<PathBuf>,
    base: PathBuf,
    warnings: Vec<String>,
    placeholders: Vec<(&'static str, String)>,
    /// What the file sets beyond the known keys, each with its warning: a profile may ask for it.
    others: BTreeMap<String, (String, String)>,
}

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Reads `file` (or [`DEFAULT_FILE`] when it exists), then the environment, then `overrides` (KEY=VALUE each, from `--set`).
    ///
    /// # Errors
    /// Class Config when a named file or a `KEY_FILE` cannot be read; class Usage for a wrong override.
    pub fn load(file: Option<&Path>, overrides: &[String], env: Env) -> Result<Settings> {
        let mut settings = Settings { base: absolute(Path::new(".")), ..Settings::default() };
        let default = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default.is_file().then_some(default)) {
            settings.read_file(path, env)?;
        }
        for key in KEYS {
            if let Some(value) = env(key.name) {
                settings.put(key, value, "the environment");
            }
            let pointer = format!("{}_FILE", key.name);
            if let Some(path) = env(&pointer).filter(|path| key.kind.is_secret() && !path.is_empty()) {
                let path = absolute(Path::new(&path));
                settings.put(key, read_secret(&pointer, &path)?, &pointer);
            }
        }
        for pair in overrides {
            settings.override_with(pair)?;
        }
        // One that a later source has filled needs no words.
        for (name, place) in std::mem::take(&mut settings.placeholders) {
            if !settings.is_set(name) {
                settings.warnings.push(format!("{place}: {name} still holds the placeholder of the example; it counts as not set"));
            }
        }
        Ok(settings)
    }

    fn read_file(&mut self, path: &Path, env: Env) -> Result<()> {
        let unreadable = |error: std::io::Error| {
            Failure::new(Class::Config, format!("cannot read the settings file {}: {error}", path.display()))
                .hint("name an existing file with --config, or copy config/nightly.env")
        };
        let bytes = std::fs::File::open(path).map_err(unreadable)?.take(MAX_FILE_BYTES + 1);
        let mut text = String::new();
        DecodeReaderBytesBuilder::new().strip_bom(true).build(bytes).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
        }
        let path = absolute(path);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let in_config = folder.file_name().is_some_and(|name| name == "config");
        self.base = if in_config { folder.parent().unwrap_or(folder) } else { folder }.to_owned();
        if crate::platform::readable_by_others(&path) && text.lines().any(holds_secret) {
            self.warnings.push(format!("{} holds secrets and others can read it; run: chmod 600 {0}", path.display()));
        }
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = format!("{} line {number}", path.display());
            match line.split_once('=') {
                Some((name, value)) => self.assign(name.trim_end(), value.to_owned(), &place)?,
                // As docker does: a name alone takes the value of the environment.
                None => match env(line.trim_end()) {
                    Some(value) => self.assign(line.trim_end(), value, &place)?,
                    None => self.warnings.push(format!("{place} is not KEY=VALUE; it is ignored")),
                },
            }
        }
        self.file = Some(path);
        Ok(())
    }

    fn assign(&mut self, name: &str, value: String, place: &str) -> Result<()> {
        if let Some(key) = keys::find(name) {
            self.put(key, value, place);
        } else if let Some(key) = name.strip_suffix("_FILE").and_then(keys::find).filter(|key| key.kind.is_secret()) {
            if !value.trim().is_empty() {
                let path = self.base.join(value.trim());
                self.put(key, read_secret(name, &path)?, place);
            }
        } else if !name.starts_with("PG") {
            let near = keys::nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            let warning = format!("{place}: the key is not known{near}");
            self.warnings.push(warning.clone());
            self.others.insert(name.to_owned(), (value.trim().to_owned(), warning));
        } else {
            // PG* variables in the file mean what they mean to psql.
            if name == "PGPASSWORD" {
                redact::register(value.trim());
            }
            self.values.insert(name.to_owned(), value.trim().to_owned());
        }
        Ok(())
    }

    /// Sets a value; an empty one and an evident placeholder count as not set.
    fn put(&mut self, key: &'static Key, value: String, place: &str) {
        let value = value.trim();
        if value.is_empty() {
            self.values.remove(key.name);
        } else if is_placeholder(value) {
            self.placeholders.push((key.name, place.to_owned()));
            self.values.remove(key.name);
        } else {
            match key.kind {
                Kind::Secret => redact::register(value),
                Kind::SecretUrl => redact::register_url(value, false),
                Kind::Webhook => redact::register_url(value, true),
                _ => {}
            }
            self.values.insert(key.name.to_owned(), value.to_owned());
        }
    }

    fn override_with(&mut self, pair: &str) -> Result<()> {
        let usage = |message: String| Failure::new(Class::Usage, message);
        let (name, value) = pair.split_once('=').ok_or_else(|| usage("--set takes KEY=VALUE".into()))?;
        let key = keys::find(name).ok_or_else(|| {
            let near = keys::nearest(name).map_or("see docs/settings.md for the known ones".into(), |near| format!("did you mean {near}?"));
            // Somebody may have given a connection string in place of a key.
            usage(format!("--set names an unknown key: {}", crate::pg::without_password(name))).hint(near)
        })?;
        if key.kind.is_secret() {
            return Err(usage(format!("--set cannot take {name}: the process list would show it"))
                .hint(format!("put it into the settings file, the environment, or a file named by {name}_FILE")));
        }
        self.put(key, value.to_owned(), "--set");
        Ok(())
    }

    /// What a person should mend: unknown keys, placeholders, permissions.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What the settings file says of any name, known as a key or not.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.get(name).or_else(|| self.others.get(name).map(|(value, _)| value.as_str()))
    }

    /// These names are somebody's variables: no warning that they are no keys.
    pub fn accept<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for (_, warning) in names.into_iter().filter_map(|name| self.others.get(name)) {
            self.warnings.retain(|told| told != warning);
        }
    }

    /// The settings file in use.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The folder that relative paths start at.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The value or default of a key; None when it has neither.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).or_else(|| keys::find(name).and_then(|key| key.default))
    }

    /// The value of a key whose default exists, or an empty text.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether it was set at all, defaults aside.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A count, if there is a value.
    ///
    /// # Errors
    /// Class Config when it is not a whole number from 0 on.
    pub fn count_if_set(&self, name: &str) -> Result<Option<u64>> {
        let parse = |value: &str| value.parse().map_err(|_| malformed(name, value, "a whole number from 0 on"));
        self.get(name).map(parse).transpose()
    }

    /// A count of a key with a default.
    ///
    /// # Errors
    /// As [`Settings::count_if_set`].
    pub fn count(&self, name: &str) -> Result<u64> {
        Ok(self.count_if_set(name)?.unwrap_or_default())
    }

    /// A time limit given in milliseconds.
    ///
    /// # Errors
    /// As [`Settings::count_if_set`].
    pub fn millis(&self, name: &str) -> Result<Duration> {
        self.count(name).map(Duration::from_millis)
    }

    /// A number of per cent, 0 to 100.
    ///
    /// # Errors
    /// Class Config when it is not.
    pub fn percent(&self, name: &str) -> Result<f64> {
        let value = self.text(name);
        let number: Option<f64> = value.trim_end_matches('%').trim_end().parse().ok();
        number.filter(|x| (0.0..=100.0).contains(x)).ok_or_else(|| malformed(name, value, "a percentage from 0 to 100"))
    }

    /// A switch.
    ///
    /// # Errors
    /// Class Config when it is neither on nor off.
    pub fn switch(&self, name: &str) -> Result<bool> {
        let value = self.text(name);
        match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" | "" => Ok(false),
            _ => Err(malformed(name, value, "true or false")),
        }
    }

    /// An absolute path, if there is a value.
    pub fn path_if_set(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|value| self.base.join(value))
    }

    /// An absolute path of a key with a default.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path_if_set(name).unwrap_or_else(|| self.base.clone())
    }
}

fn malformed(name: &str, value: &str, wanted: &str) -> Failure {
    Failure::new(Class::Config, format!("{name} must be {wanted}, and is '{}'", redact::scrub(value)))
        .hint(format!("correct {name} in the settings file or the environment"))
}

fn holds_secret(line: &str) -> bool {
    let Some((name, value)) = line.trim_start().split_once('=') else { return false };
    let value = value.trim();
    let secret = |key: &Key| match key.kind {
        Kind::SecretUrl => value.contains('@'),
        kind => kind.is_secret(),
    };
    !value.is_empty() && !is_placeholder(value) && (name == "PGPASSWORD" || keys::find(name.trim_end()).is_some_and(secret))
}

/// Whether a value is an example's filler, such as `https://hooks.slack.com/services/YOUR/WEBHOOK/URL` or `<password>`.
fn is_placeholder(value: &str) -> bool {
    let bracketed = value.split('<').skip(1).any(|rest| rest.split_once('>').is_some_and(|(word, _)| !word.is_empty()));
    bracketed || value.contains("YOUR/") || value.contains("YOUR_") || value.contains("your-password") || value == "changeme"
}

fn read_secret(pointer: &str, path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Class::Config, format!("cannot read the file that {pointer} names, {}: {error}", path.display()))
            .hint(format!("correct {pointer}, or give the reader permission"))
    })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The path made absolute, without asking whether it exists.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |absolute| absolute.components().collect())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
