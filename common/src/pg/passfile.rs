//! The password file: `host:port:database:user:password` a line, first match wins, `*` matches all, `\` escapes.
//!
//! Source: PostgreSQL manual, "The Password File".

use std::path::{Path, PathBuf};

/// The entries of a password file, read once so that another database of the same server can be looked up later.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Passfile {
    path: Option<PathBuf>,
    entries: Vec<[String; 5]>,
}

impl Passfile {
    /// Reads the file if there is one. As libpq, a file that others can read is ignored with a warning.
    pub(super) fn read(path: Option<PathBuf>) -> Passfile {
        let Some(path) = path else { return Passfile::default() };
        let Ok(meta) = std::fs::metadata(&path) else { return Passfile::default() };
        if !meta.is_file() {
            log::warn!("password file {} is not a plain file; it is ignored", path.display());
            return Passfile::default();
        }
        if others_can_read(&meta) {
            log::warn!("password file {} can be read by others; it is ignored (chmod 0600 it)", path.display());
            return Passfile::default();
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => Passfile { path: Some(path), entries: text.lines().filter_map(parse_line).collect() },
            Err(error) => {
                log::warn!("password file {} cannot be read: {error}", path.display());
                Passfile::default()
            }
        }
    }

    /// The file that the entries are from, if it was usable.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The password of the first matching line. `host` is `localhost` for the default socket folder.
    pub(super) fn lookup(&self, host: &str, port: u16, database: &str, user: &str) -> Option<String> {
        let port = port.to_string();
        let wanted = [host, &port, database, user];
        let entry = self
            .entries
            .iter()
            .find(|entry| wanted.iter().zip(entry.iter()).all(|(want, field)| field == "*" || unescape(field) == *want))?;
        Some(unescape(&entry[4])).filter(|password| !password.is_empty())
    }
}

/// Splits at unescaped colons; escapes stay, so that a `\*` is not taken for the wildcard. The password keeps later colons.
fn parse_line(line: &str) -> Option<[String; 5]> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields: [String; 5] = Default::default();
    let mut at = 0;
    let mut chars = line.trim_end_matches('\r').chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if at < 4 => at += 1,
            '\\' => {
                fields[at].push('\\');
                fields[at].extend(chars.next());
            }
            _ => fields[at].push(c),
        }
    }
    (at == 4).then_some(fields)
}

fn unescape(field: &str) -> String {
    let mut text = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

#[cfg(unix)]
pub(super) fn others_can_read(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o077 != 0
}

/// Windows: the file lies in the user's own profile, and libpq checks nothing either.
#[cfg(not(unix))]
pub(super) fn others_can_read(_: &std::fs::Metadata) -> bool {
    false
}
