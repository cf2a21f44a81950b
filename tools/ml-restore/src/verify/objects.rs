//! Whether sequences, indexes and constraints are as the archive's table of contents says.
//!
//! pg_restore stops at the first error, so what is missing here was lost on the way: skipped, dropped by an event trigger, or never sent.

use super::{Outcome, Verdict, tell};
use ml_common::Result;
use ml_common::stage::Stage;
use ml_dump::{Archive, failed, tables};
use postgres::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const HINT: &str = "the restored database is not what the dump describes: look into the server's log, and restore again";

/// A value that a sequence is set to: `SELECT pg_catalog.setval('public.s', 42, true);`.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    /// As SQL takes it.
    sequence: String,
    last: i64,
    called: bool,
}

impl Position {
    fn parse(statement: &str) -> Option<Position> {
        let mut rest = statement.trim().strip_prefix("SELECT pg_catalog.setval(")?;
        let escaped = rest.starts_with('E');
        rest = rest.trim_start_matches('E').strip_prefix('\'')?;
        let (mut sequence, mut chars) = (String::new(), rest.char_indices());
        let end = loop {
            match chars.next()? {
                (at, '\'') if rest[at + 1..].starts_with('\'') => {
                    sequence.push('\'');
                    chars.next();
                }
                (at, '\'') => break at,
                (_, '\\') if escaped => sequence.push(chars.next()?.1),
                (_, c) => sequence.push(c),
            }
        };
        let (last, called) = rest[end + 1..].strip_prefix(", ")?.trim_end_matches(';').strip_suffix(')')?.split_once(", ")?;
        Some(Position { sequence, last: last.parse().ok()?, called: called.parse().ok()? })
    }
}

/// The last value of every sequence.
pub(super) fn sequences(stage: &Stage, client: &mut Client, archive: &Archive, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let entries: Vec<_> = archive.entries.iter().filter(|entry| entry.desc == "SEQUENCE SET").collect();
    let mut wrong = Vec::new();
    for entry in &entries {
        let name = tables::shown(&entry.namespace, &entry.tag);
        let Some(position) = Position::parse(&entry.defn) else {
            wrong.push(format!("{name}: its value in the archive is not understood"));
            continue;
        };
        let sql = format!("SELECT last_value, is_called FROM {}", position.sequence);
        let row = client.query_one(&sql, &[]).map_err(failed(format_args!("reading the sequence {name}")))?;
        let doing = format_args!("reading the sequence {name}").to_string();
        let (last, called): (i64, bool) = (row.try_get(0).map_err(failed(&doing))?, row.try_get(1).map_err(failed(&doing))?);
        if (last, called) != (position.last, position.called) {
            wrong.push(format!("{name} is at {last} and should be at {}", position.last));
        }
    }
    let summary = match wrong.first() {
        None => format!("{} sequences where they were", entries.len()),
        Some(first) => format!("{} of {} sequences are not where they were: {first}", wrong.len(), entries.len()),
    };
    let metrics = [("sequences", entries.len().into())];
    let (problems, unit) = (wrong.len() as u64, "sequences");
    let outcome = Outcome { id: "verify.sequences", began, problems, unit, evidence: wrong, summary, hint: HINT };
    let bad = tell(stage, verdict, outcome, &metrics);
    verdict.rows_wrong |= bad;
    Ok(())
}

const INDEXES: &str = "SELECT n.nspname, c.relname, i.indisvalid, c.relkind = 'I'
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Every index of the archive is there and valid.
pub(super) fn indexes(stage: &Stage, client: &mut Client, archive: &Archive, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let rows = client.query(INDEXES, &[]).map_err(failed("listing the indexes"))?;
    let index = |row: &postgres::Row| Ok(((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, row.try_get(3)?)));
    let found: BTreeMap<(String, String), (bool, bool)> =
        rows.iter().map(index).collect::<Result<_, postgres::Error>>().map_err(failed("listing the indexes"))?;
    let wanted = archive.entries.iter().filter(|entry| entry.desc == "INDEX");
    let mut wrong: Vec<String> = wanted
        .filter(|entry| !found.contains_key(&(entry.namespace.clone(), entry.tag.clone())))
        .map(|entry| format!("{} is missing", tables::shown(&entry.namespace, &entry.tag)))
        .collect();
    let mut notes = Vec::new();
    for ((schema, name), (valid, partitioned)) in &found {
        // pg_dump leaves invalid indexes out, but for those of partitioned tables: they are invalid as long as a partition has none.
        match (valid, partitioned) {
            (true, _) => {}
            (false, true) => notes.push(format!("{} is invalid, as it was: a partition has no index for it", tables::shown(schema, name))),
            (false, false) => wrong.push(format!("{} is invalid", tables::shown(schema, name))),
        }
    }
    let outcome = told("verify.indexes", began, "indexes", found.len(), wrong, notes);
    let bad = tell(stage, verdict, outcome, &[("indexes", found.len().into())]);
    verdict.rows_wrong |= bad;
    Ok(())
}

/// Constraints of tables and domains; those that came with a parent are told apart, as they follow it.
const CONSTRAINTS: &str =
    "SELECT n.nspname, coalesce(c.relname, t.typname), con.conname, con.convalidated, con.conparentid <> 0 OR con.coninhcount > 0
    FROM pg_catalog.pg_constraint con JOIN pg_catalog.pg_namespace n ON n.oid = con.connamespace
    LEFT JOIN pg_catalog.pg_class c ON c.oid = con.conrelid LEFT JOIN pg_catalog.pg_type t ON t.oid = con.contypid
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Every constraint of the archive is there, and validated unless the archive says NOT VALID.
pub(super) fn constraints(stage: &Stage, client: &mut Client, archive: &Archive, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let rows = client.query(CONSTRAINTS, &[]).map_err(failed("listing the constraints"))?;
    // The archive names a constraint by its table's name, a blank and its own.
    let constraint = |row: &postgres::Row| {
        let (table, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        Ok(((row.try_get(0)?, format!("{table} {name}")), (row.try_get(3)?, row.try_get(4)?)))
    };
    let found: BTreeMap<(String, String), (bool, bool)> =
        rows.iter().map(constraint).collect::<Result<_, postgres::Error>>().map_err(failed("listing the constraints"))?;
    let kinds = ["CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT"];
    let wanted: Vec<_> = archive.entries.iter().filter(|entry| kinds.contains(&entry.desc.as_str())).collect();
    let key = |entry: &ml_dump::archive::Entry| (entry.namespace.clone(), entry.tag.clone());
    let mut wrong: Vec<String> = wanted
        .iter()
        .filter(|entry| !found.contains_key(&key(entry)))
        .map(|entry| format!("{}: the constraint {} is missing", entry.namespace, entry.tag))
        .collect();
    let open: BTreeSet<(String, String)> = wanted
        .iter()
        .filter(|entry| entry.defn.contains("NOT VALID") || entry.defn.contains("NOT ENFORCED"))
        .map(|entry| key(entry))
        .collect();
    let mut notes = Vec::new();
    for ((schema, name), (validated, inherited)) in found.iter().filter(|(_, (validated, _))| !validated) {
        debug_assert!(!validated);
        let said = format!("{schema}: the constraint {name} is not validated");
        if *inherited || open.contains(&(schema.clone(), name.clone())) {
            notes.push(format!("{said}, as it was"));
        } else {
            wrong.push(said);
        }
    }
    let outcome = told("verify.constraints", began, "constraints", found.len(), wrong, notes);
    let bad = tell(stage, verdict, outcome, &[("constraints", found.len().into())]);
    verdict.rows_wrong |= bad;
    Ok(())
}

fn told<'a>(id: &'a str, began: Instant, unit: &'a str, count: usize, wrong: Vec<String>, notes: Vec<String>) -> Outcome<'a> {
    let noted = notes.first().map(|first| format!("; {} not valid, as in the dump: {first}", notes.len())).unwrap_or_default();
    let summary = match wrong.first() {
        None => format!("{count} {unit} as in the dump{noted}"),
        Some(first) => format!("{} {unit} are not as in the dump: {first}", wrong.len()),
    };
    let problems = wrong.len() as u64;
    let evidence = wrong.into_iter().chain(notes.into_iter().map(|note| format!("note: {note}"))).collect();
    Outcome { id, began, problems, unit, evidence, summary, hint: HINT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_sequences_are_read() {
        let position = |sequence: &str, last, called| Some(Position { sequence: sequence.into(), last, called });
        let cases = [
            ("SELECT pg_catalog.setval('public.s', 42, true);\n", position("public.s", 42, true)),
            ("SELECT pg_catalog.setval('public.\"it''s; \"\"x\"', -1, false);\n", position("public.\"it's; \"\"x\"", -1, false)),
            ("SELECT pg_catalog.setval(E'public.\"a\\\\b''\"', 1, false);\n", position("public.\"a\\b'\"", 1, false)),
            ("SELECT 1;", None),
            ("SELECT pg_catalog.setval('public.s", None),
            ("SELECT pg_catalog.setval('public.s', x, true);", None),
            ("", None),
        ];
        for (statement, expected) in cases {
            assert_eq!(Position::parse(statement), expected, "{statement}");
        }
    }
}
