//! Secrets that stand where others can read them: files of variables. Names are told, values never.

use super::declare::{metric, param, required, unseen};
use super::files::{find, mode};
use super::{Args, Kind, Look, Opening, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::counted;
use ml_common::{Class, Failure, OrFail, Result, files};
use regex::Regex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// `kind = "exposed"`.
pub static KIND: Kind = Kind {
    name: "exposed",
    doc: "Settings and secrets in files of variables (.env). Names are told, values never. Of containers see the kind `container`.",
    params: &[required("files", ParamKind::Path, "such a file, or a pattern: .env, config/*.env")],
    views: &[
        View {
            name: "secrets",
            doc: "Files with secrets in them that others than their owner may read. A secret is a variable with KEY, TOKEN, PASSWORD, PASSWD or \
                  SECRET in its name or a password in its URL, unless it is empty, masked (XXX, ***) or a path (KEY_FILE).",
            params: &[],
            metrics: &[
                metric("open", "", "how many files with secrets others may read (not on Windows)"),
                metric("secrets", "", "how many secrets there are in all"),
                metric("files", "", "how many files there are"),
            ],
            named_by: None,
        },
        View {
            name: "variables",
            doc: "Whether variables are set, and to what they should be.",
            params: &[
                param("names", ParamKind::Texts, None, "the variables that have to be set, each once in all files"),
                param("expected", ParamKind::Table, None, "values that are no secrets: { ENABLE_HMAC_AUTH = \"true\" }"),
            ],
            metrics: &[
                metric("missing", "", "how many are not set, or empty"),
                metric("repeated", "", "how many are set more than once"),
                metric("different", "", "how many are not as expected"),
            ],
            named_by: None,
        },
    ],
    open,
};

/// A longer file is none of variables.
const FILE_MAX: u64 = 1 << 20;

fn open(args: &Args, _: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let pattern = args.text("files").unwrap_or_default().to_owned();
    glob::Pattern::new(&pattern).or_fail(Class::Config, || "the pattern of files is not valid")?;
    Ok(Box::new(Exposed { pattern }))
}

struct Exposed {
    pattern: String,
}

impl Probe for Exposed {
    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let (files, closed) = find(&self.pattern, look.now)?;
        if let Some(closed) = closed {
            return Err(closed);
        }
        if files.is_empty() {
            let failure = Failure::new(Class::General, format!("there is no file {}", self.pattern));
            return Err(failure.hint("check the path").into());
        }
        let mut all = Vec::new();
        for file in &files {
            let text = read(&file.path)?;
            all.push((file, text));
        }
        let texts = all.iter().map(|(_, text)| text.as_str());
        match view {
            "variables" => Ok(variables(texts, args)),
            _ => {
                let files: Vec<_> = all.iter().map(|(file, text)| (file.path.as_path(), mode(&file.meta), text.as_str())).collect();
                Ok(secrets(&files))
            }
        }
    }
}

fn read(path: &Path) -> Result<String, Unseen> {
    // Asked first, as a privilege is told apart from a defect.
    std::fs::File::open(path).map_err(|error| unseen(&error, path, "reading"))?;
    let bytes = files::read_small(path, FILE_MAX)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The variables of a file: `NAME=value`, `export NAME="value"`.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        Some((name.trim(), value.trim().trim_matches(['"', '\''])))
    })
}

/// Whether a variable holds a secret that is not masked. Images of Python carry the public GPG_KEY of their release.
pub fn is_secret(name: &str, value: &str) -> bool {
    static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(?i)KEY|TOKEN|PASSWORD|PASSWD|SECRET").ok());
    static URLS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^[A-Za-z][A-Za-z0-9+.-]*://[^/@\\s]*:[^/@\\s]+@").ok());
    let matches = |regex: &LazyLock<Option<Regex>>, text: &str| regex.as_ref().is_some_and(|regex| regex.is_match(text));
    let masked = value.is_empty() || value.to_ascii_uppercase().contains("XXX") || value.contains("***") || value.starts_with('<');
    let path = name.to_ascii_uppercase().ends_with("_FILE") && !value.contains("://");
    let truth = matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "0" | "1");
    !masked && !path && !truth && name != "GPG_KEY" && (matches(&NAMES, name) || matches(&URLS, value))
}

fn secrets(files: &[(&Path, Option<u32>, &str)]) -> Sample {
    const NOT_THE_OWNER: u32 = 0o077;
    let (mut all, mut open, mut rows) = (0, 0, Vec::new());
    for (path, mode, text) in files {
        let names: Vec<&str> = pairs(text).filter(|(name, value)| is_secret(name, value)).map(|(name, _)| name).collect();
        all += names.len();
        let Some(mode) = mode.filter(|mode| mode & NOT_THE_OWNER != 0 && !names.is_empty()) else { continue };
        open += 1;
        if rows.len() < 10 {
            let more = names.len().saturating_sub(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            rows.push(format!("{} has mode {mode:o}: {}{more}", path.display(), names[..names.len().min(5)].join(", ")));
        }
    }
    let note = format!("others may read {open} of {} with {}", counted(files.len() as u64, "file"), counted(all as u64, "secret"));
    let sample = Sample { rows, note, ..Sample::default() }.with("secrets", all).with("files", files.len());
    if cfg!(unix) { sample.with("open", open) } else { sample }
}

fn variables<'t>(texts: impl Iterator<Item = &'t str>, args: &Args) -> Sample {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in texts.flat_map(pairs) {
        found.entry(name).or_default().push(value);
    }
    let last = |name: &str| found.get(name).and_then(|values| values.last()).copied().unwrap_or_default();
    let expected = args.table("expected");
    let names: Vec<&str> = args.texts("names").iter().map(String::as_str).chain(expected.iter().map(|(name, _)| name.as_str())).collect();
    let missing: Vec<&str> = names.iter().copied().filter(|name| last(name).is_empty()).collect();
    let repeated: Vec<&str> = names.iter().copied().filter(|name| found.get(name).is_some_and(|values| values.len() > 1)).collect();
    let differs = |(name, value): &&(String, String)| !last(name).is_empty() && last(name) != value;
    let different: Vec<&str> = expected.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    let rows = [("is not set", &missing), ("is set more than once", &repeated), ("is not as expected", &different)];
    let rows = rows.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{name} {what}"))).take(10).collect();
    let note =
        format!("{} looked at: {} missing, {} not as expected", counted(names.len() as u64, "variable"), missing.len(), different.len());
    let sample = Sample { rows, note, ..Sample::default() };
    sample.with("missing", missing.len()).with("repeated", repeated.len()).with("different", different.len())
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::probing::{Probing, text, texts};
    use super::*;
    use crate::kind::Arg;
    use ml_common::record::Scalar;
    use std::os::unix::fs::PermissionsExt;

    const ENV: &str = "# API_KEY=old\nAPI_KEY=sk-123\nexport HMAC_SECRET_KEY=\"abc\"\nHMAC_SECRET_KEY=def\nENABLE_HMAC_AUTH=false\n\
        DATABASE_URL=postgres://u:hunter2@h/d\nOLD_TOKEN=XXX\nDB_PASSWORD=\nDB_PASSWORD_FILE=/run/x\nGPG_KEY=7169\nUSE_KEY=true\nPLAIN=1\n";

    #[test]
    fn names_are_told_and_values_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, ENV).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut probe = Probing::open(&KIND, &[("files", text(path.to_str().unwrap()))]);
        let seen = probe.take("secrets", &[]).unwrap();
        assert_eq!((&seen.values["open"], &seen.values["secrets"]), (&Scalar::Int(1), &Scalar::Int(4)));
        assert!(seen.rows[0].ends_with(".env has mode 644: API_KEY, HMAC_SECRET_KEY, HMAC_SECRET_KEY, DATABASE_URL"), "{:?}", seen.rows);
        let shown = format!("{seen:?}");
        assert!(!["sk-123", "abc", "hunter2"].iter().any(|secret| shown.contains(secret)), "{shown}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(probe.take("secrets", &[]).unwrap().values["open"], Scalar::Int(0));
        let expected = Arg::Table(vec![("ENABLE_HMAC_AUTH".into(), "true".into())]);
        let seen =
            probe.take("variables", &[("names", texts(&["HMAC_SECRET_KEY", "DB_PASSWORD", "NOWHERE"])), ("expected", expected)]).unwrap();
        assert_eq!(
            (&seen.values["missing"], &seen.values["repeated"], &seen.values["different"]),
            (&Scalar::Int(2), &Scalar::Int(1), &Scalar::Int(1))
        );
    }

    #[test]
    fn no_file_is_a_failure() {
        assert!(Probing::open(&KIND, &[("files", text("/nowhere/.env"))]).take("secrets", &[]).is_err());
    }
}
