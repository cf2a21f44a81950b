//! Settings with which a server loses data.

use super::super::{Args, Metric, ParamKind, Sample, View};
use super::optional;
use super::session::{Db, Trouble, cell};
use ml_common::Result;
use ml_common::record::Scalar;
use postgres::types::Type;

/// Settings.
pub(super) const SETTINGS: View = View {
    name: "settings",
    doc: "Settings with which data is lost or goes bad, of the server and of its roles and databases.",
    params: &[optional("accept", ParamKind::Texts, None, "Settings that are meant to be so, such as `synchronous_commit`.")],
    metrics: &[
        Metric {
            name: "losing",
            unit: "",
            doc: "How many lose or spoil data: fsync, full_page_writes, synchronous_commit off and the like.",
        },
        Metric { name: "names", unit: "", doc: "Their names, joined by commas." },
        Metric { name: "checksums", unit: "", doc: "Whether pages have checksums, without which rot goes unseen." },
        Metric { name: "autovacuum", unit: "", doc: "Whether autovacuum runs, track_counts included." },
        Metric { name: "archive_mode", unit: "", doc: "`off`, `on` or `always`." },
        Metric { name: "pending_restart", unit: "", doc: "Settings that wait for a restart." },
    ],
    named_by: None,
};

/// What loses data, at which value, and how.
const LOSING: [(&str, &str, &str); 6] = [
    ("fsync", "off", "a crash of the machine can destroy the database"),
    ("full_page_writes", "off", "a crash of the machine can leave torn pages"),
    ("synchronous_commit", "off", "a crash loses the commits of the last moments"),
    ("zero_damaged_pages", "on", "damaged pages are read as empty"),
    ("ignore_checksum_failure", "on", "damaged pages are read as they are"),
    ("ignore_invalid_pages", "on", "recovery goes on over missing pages"),
];

const OTHERS: [&str; 4] = ["data_checksums", "autovacuum", "track_counts", "archive_mode"];

/// `reset_val`: our own session may have been told otherwise.
const SERVER: &str = "SELECT name, coalesce(reset_val, ''), pending_restart FROM pg_settings WHERE name = ANY ($1) OR pending_restart";

/// `name=value` of ALTER ROLE and ALTER DATABASE, and whose it is.
const OVERRIDES: &str = "SELECT c.pair, concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname)
    FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c (pair)
    LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase";

pub(super) fn settings(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let names: Vec<&str> = LOSING.iter().map(|losing| losing.0).chain(OTHERS).collect();
    let (mut found, mut pending) = (Vec::new(), Vec::new());
    for row in &db.rows("reading the server's settings", SERVER, &[(&names, Type::TEXT_ARRAY)])? {
        let (name, value): (String, String) = (cell(row, 0)?, cell(row, 1)?);
        if cell::<bool>(row, 2)? {
            pending.push(name.clone());
        }
        found.push((name, value, String::new()));
    }
    for row in &db.rows("reading the settings of roles and databases", OVERRIDES, &[])? {
        let (pair, whose): (String, String) = (cell(row, 0)?, cell(row, 1)?);
        if let Some((name, value)) = pair.split_once('=') {
            found.push((name.to_owned(), value.to_owned(), whose));
        }
    }
    Ok(judged(&found, &pending, args.texts("accept")))
}

/// `off`, and what else says so in ALTER ROLE.
fn is(value: &str, word: &str) -> bool {
    let truth = |text: &str| match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => "on".to_owned(),
        "off" | "false" | "no" | "0" | "f" | "n" => "off".to_owned(),
        other => other.to_owned(),
    };
    truth(value) == word
}

/// `found` are names, values, and whose they are (nobody's own: the server's).
fn judged(found: &[(String, String, String)], pending: &[String], accept: &[String]) -> Sample {
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for (setting, bad, why) in LOSING {
        let losing = |(name, value, _): &&(String, String, String)| name == setting && is(value, bad);
        for (_, value, whose) in found.iter().filter(losing).filter(|_| !accept.iter().any(|accepted| accepted == setting)) {
            let whose = if whose.is_empty() { String::new() } else { format!(" for {whose}") };
            rows.push(format!("{setting} = {value}{whose}: {why}"));
            if names.last() != Some(&setting) {
                names.push(setting);
            }
        }
    }
    let losing = rows.len();
    rows.extend(pending.iter().map(|name| format!("{name} waits for a restart")));
    rows.truncate(super::EVIDENCE);
    let servers = |wanted: &str| found.iter().find(|(name, _, whose)| name == wanted && whose.is_empty()).map(|found| found.1.as_str());
    let note = match names.as_slice() {
        [] => "no setting loses data".to_owned(),
        names => format!("data can be lost by {}", names.join(", ")),
    };
    let mut sample = Sample { rows, note, ..Sample::default() };
    sample = sample.with("losing", losing).with("names", names.join(",")).with("pending_restart", pending.len());
    if let (Some(autovacuum), Some(counts)) = (servers("autovacuum"), servers("track_counts")) {
        sample = sample.with("autovacuum", is(autovacuum, "on") && is(counts, "on"));
    }
    if let Some(checksums) = servers("data_checksums") {
        sample = sample.with("checksums", is(checksums, "on"));
    }
    match servers("archive_mode") {
        Some(mode) => sample.with("archive_mode", Scalar::from(mode)),
        None => sample,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        list.iter().map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect()
    }

    #[test]
    fn what_loses_data_is_told_with_whose_it_is() {
        let all = found(&[
            ("fsync", "off", ""),
            ("full_page_writes", "on", ""),
            ("synchronous_commit", "FALSE", "role web"),
            ("synchronous_commit", "local", ""),
        ]);
        let sample = judged(&all, &[], &[]);
        assert_eq!((sample.values["losing"].clone(), sample.values["names"].clone()), (2usize.into(), "fsync,synchronous_commit".into()));
        assert_eq!(sample.rows[1], "synchronous_commit = FALSE for role web: a crash loses the commits of the last moments");
        let accepted = judged(&all, &["max_connections".into()], &["synchronous_commit".into()]);
        assert_eq!((accepted.values["losing"].clone(), accepted.values["pending_restart"].clone()), (1usize.into(), 1usize.into()));
        assert_eq!(accepted.rows[1], "max_connections waits for a restart");
    }

    #[test]
    fn autovacuum_needs_the_counts() {
        let sample = judged(&found(&[("autovacuum", "on", ""), ("track_counts", "off", "")]), &[], &[]);
        assert_eq!(sample.values["autovacuum"], false.into());
        assert!(!sample.values.contains_key("checksums"), "not known is not off");
    }
}
