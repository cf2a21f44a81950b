//! What must not enter a git repository as it is: its history keeps everything for good, and everybody who may read it may read that.

use crate::files::{Group, Local};
use ml_common::settings::keys;
use ml_common::{Class, Failure, Result};
use std::fs::File;
use std::io::Read;

/// So much of a file is looked at; a settings file is shorter.
const LOOKED_AT: u64 = 256 << 10;

/// Refuses settings files, and archives that hold some, unless they are encrypted with age.
///
/// # Errors
/// Class Usage, naming the file.
pub fn check(group: &Group) -> Result<()> {
    for file in &group.files {
        let beginning = beginning(file)?;
        if is_age(&beginning) {
            continue;
        }
        let main = group.files.last() == Some(file);
        let inside = group.inside.iter().find(|path| main && is_settings_name(path.rsplit('/').next().unwrap_or(path)));
        let why = match inside {
            Some(path) => format!("{} holds the settings file {path}", file.name),
            None if is_settings_name(&file.name) => format!("{} is a settings file", file.name),
            None if holds_secrets(&String::from_utf8_lossy(&beginning)) => format!("{} holds KEY=VALUE lines with secrets", file.name),
            None => continue,
        };
        return Err(Failure::new(Class::Usage, format!("{why}, and a git repository keeps everything for good"))
            .hint("encrypt it with age first (age -r RECIPIENT, or ml-archive with recipients), or leave it out; nothing was pushed"));
    }
    Ok(())
}

fn beginning(file: &Local) -> Result<Vec<u8>> {
    let unreadable = |error| ml_common::files::storage(&error, &file.path, "cannot read");
    let mut bytes = Vec::new();
    File::open(&file.path).map_err(unreadable)?.take(LOOKED_AT).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn is_age(beginning: &[u8]) -> bool {
    beginning.starts_with(b"age-encryption.org/v1\n") || beginning.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// `.env`, `nightly.env`, `.env.production`, `.pgpass`, `id_ed25519`, `server.key`.
fn is_settings_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let examples = [".example", ".sample", ".template", ".pub"];
    if examples.iter().any(|ending| name.ends_with(ending)) {
        return false;
    }
    let endings = [".env", ".key", ".pem", ".p12", ".pfx"];
    let whole = [".pgpass", "pgpass.conf", ".netrc", "credentials", "id_rsa", "id_ecdsa", "id_ed25519"];
    name.starts_with(".env") || endings.iter().any(|ending| name.ends_with(ending)) || whole.contains(&name.as_str())
}

/// A line that gives a secret a value: one of our own keys, or a name that says so.
fn holds_secrets(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("export ");
        let Some((name, value)) = line.split_once('=') else { return false };
        let (name, value) = (name.trim_end(), value.trim().trim_matches(['"', '\'']));
        let shaped = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let ours = keys::find(name).is_some_and(|key| key.kind.is_secret() && (key.kind != keys::Kind::SecretUrl || value.contains('@')));
        let telling = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"].iter().any(|word| name.contains(word));
        shaped && !value.is_empty() && !value.starts_with(['<', '$']) && (ours || (telling && !name.ends_with("_FILE")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_files_are_known_by_their_names() {
        for name in [".env", "nightly.env", ".env.production", "PROD.ENV", ".pgpass", "id_ed25519", "server.key"] {
            assert!(is_settings_name(name), "{name}");
        }
        for name in ["environment.md", ".env.example", "id_ed25519.pub", "x.dump", "nightly.env.age", "docker-compose.yml"] {
            assert!(!is_settings_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_lines() {
        for text in ["A=1\nDB_PASSWORD=x", "export API_TOKEN='abc'", "DATABASE_URL=postgres://a:b@c/d", "ALERT_WEBHOOK=https://h/x"] {
            assert!(holds_secrets(text), "{text}");
        }
        for text in
            ["DB_PASSWORD=", "DB_PASSWORD=<password>", "password=1", "AWS_SECRET_ACCESS_KEY_FILE=/run/x", "DATABASE_URL=postgres:///d", "x"]
        {
            assert!(!holds_secrets(text), "{text}");
        }
    }

    #[test]
    fn encrypted_is_fine_and_plain_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Local { path, name: name.into(), bytes: 0, sha256: String::new(), proof: false }
        };
        let group = |name: &str, text: &str, inside: &[&str]| Group {
            files: vec![file(name, text)],
            inside: inside.iter().map(|path| (*path).to_owned()).collect(),
        };
        assert!(check(&group("a.env", "A=1", &[])).unwrap_err().message.starts_with("a.env is a settings file"));
        assert!(check(&group("b", "X_TOKEN=1", &[])).is_err());
        assert!(check(&group("c.tar.gz", "", &["app/.env"])).unwrap_err().message.contains("app/.env"));
        for (name, text, inside) in [
            ("a.env", "age-encryption.org/v1\n", vec![]),
            ("c.tar.gz", "-----BEGIN AGE ENCRYPTED FILE-----", vec!["app/.env"]),
            ("d.json", "{}", vec![]),
        ] {
            assert!(check(&group(name, text, &inside)).is_ok(), "{name}");
        }
    }
}
