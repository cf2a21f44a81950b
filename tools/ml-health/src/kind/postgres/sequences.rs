//! Sequences that come to their end: after the last value no row can be written.

use super::super::{Metric, Sample, View};
use super::EVIDENCE;
use super::activity::rounded;
use super::session::{Db, Trouble, cell};
use ml_common::Result;
use postgres::types::Type;
use std::collections::HashMap;

/// Sequences.
pub(super) const SEQUENCES: View = View {
    name: "sequences",
    doc: "How much of each sequence is used up; the type of the column that it fills is a limit too (a bigint sequence of an integer column). \
          Those that cycle are left out. Needs USAGE or SELECT on the sequences.",
    params: &[],
    metrics: &[
        Metric { name: "percent", unit: "%", doc: "Used of the one that is nearest to its end." },
        Metric { name: "left", unit: "", doc: "Values that it still has." },
        Metric { name: "sequence", unit: "", doc: "Its name." },
        Metric { name: "count", unit: "", doc: "Sequences looked at." },
    ],
    named_by: None,
};

/// CASE, as WHERE keeps no order: to ask an unlogged sequence of a standby, or one without the right, is an error.
const ALL: &str = "SELECT c.oid, n.nspname || '.' || c.relname, s.seqmin, s.seqmax, s.seqincrement,
        CASE WHEN c.relpersistence = 'u' AND pg_is_in_recovery() THEN false
            ELSE has_sequence_privilege(c.oid, 'USAGE') OR has_sequence_privilege(c.oid, 'SELECT') END,
        coalesce(f.fills, ''), coalesce(f.type, '')
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (SELECT t.relname || '.' || a.attname AS fills, a.atttypid::regtype::text AS type
        FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
            AND d.deptype IN ('a', 'i') LIMIT 1) f ON true
    WHERE NOT s.seqcycle AND c.relpersistence <> 't'";

/// One that was dropped meanwhile is left out.
const LAST: &str = "SELECT c.oid, pg_sequence_last_value(c.oid) FROM pg_class c WHERE c.oid = ANY ($1)";

/// A sequence stays locked until the transaction that asked it ends, and the server's table of locks is small: thousands at once would fail,
/// and make others fail.
const AT_ONCE: usize = 500;

/// A sequence, as its catalog has it; `last` is none before the first value.
#[derive(Clone, Debug)]
struct Sequence {
    oid: u32,
    name: String,
    min: i64,
    max: i64,
    step: i64,
    last: Option<i64>,
    /// The column that it fills, and that column's type.
    fills: (String, String),
}

pub(super) fn sequences(db: &mut Db) -> Result<Sample, Trouble> {
    let (mut all, mut unreadable) = (Vec::new(), 0);
    for row in &db.rows("looking at the sequences", ALL, &[])? {
        if !cell::<bool>(row, 5)? {
            unreadable += 1;
            continue;
        }
        all.push(Sequence {
            oid: cell(row, 0)?,
            name: cell(row, 1)?,
            min: cell(row, 2)?,
            max: cell(row, 3)?,
            step: cell(row, 4)?,
            last: None,
            fills: (cell(row, 6)?, cell(row, 7)?),
        });
    }
    for some in all.chunks_mut(AT_ONCE) {
        let oids: Vec<u32> = some.iter().map(|sequence| sequence.oid).collect();
        let mut last: HashMap<u32, Option<i64>> = HashMap::with_capacity(oids.len());
        for row in &db.rows("reading the sequences", LAST, &[(&oids, Type::OID_ARRAY)])? {
            last.insert(cell(row, 0)?, cell(row, 1)?);
        }
        some.iter_mut().for_each(|sequence| sequence.last = last.get(&sequence.oid).copied().flatten());
    }
    Ok(judged(&all, unreadable))
}

impl Sequence {
    /// The last value that it can give, and its column can take.
    fn end(&self) -> i64 {
        let (low, high) = match self.fills.1.as_str() {
            "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
            "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        if self.step > 0 { self.max.min(high) } else { self.min.max(low) }
    }

    fn start(&self) -> i64 {
        if self.step > 0 { self.min } else { self.max }
    }

    /// In per cent, and how many values are left. Before the first value nothing is used.
    fn used(&self) -> (f64, i64) {
        let (start, end, step) = (i128::from(self.start()), i128::from(self.end()), i128::from(self.step).abs());
        let total = (end - start).abs() / step + 1;
        let used = self.last.map_or(0, |last| (i128::from(last) - start).abs() / step + 1);
        let left = i64::try_from((total - used).max(0)).unwrap_or(i64::MAX);
        (rounded((used as f64 * 100.0 / total as f64).min(100.0)), left)
    }

    fn row(&self) -> String {
        let (percent, left) = self.used();
        let fills = if self.fills.0.is_empty() { String::new() } else { format!(", fills {} ({})", self.fills.0, self.fills.1) };
        format!("{}: {percent} % used, {left} values left{fills}", self.name)
    }
}

fn judged(all: &[Sequence], unreadable: usize) -> Sample {
    let mut sorted: Vec<&Sequence> = all.iter().collect();
    sorted.sort_by(|a, b| b.used().0.total_cmp(&a.used().0).then_with(|| a.used().1.cmp(&b.used().1)));
    let hidden =
        (unreadable > 0).then(|| format!("{unreadable} sequences may not be read: GRANT USAGE ON ALL SEQUENCES IN SCHEMA ... to the role"));
    let rows = sorted.iter().take(EVIDENCE).map(|sequence| sequence.row()).collect();
    let sample = Sample { rows, hidden, ..Sample::default() }.with("count", all.len());
    let Some(worst) = sorted.first() else {
        return Sample { note: "no sequence".into(), ..sample }.with("percent", 0.0).with("sequence", "");
    };
    let (percent, left) = worst.used();
    let note = format!("{} is nearest to its end: {percent} % used", worst.name);
    Sample { note, ..sample }.with("percent", percent).with("left", left).with("sequence", worst.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(last: Option<i64>, column: &str) -> Sequence {
        Sequence { oid: 1, name: "public.s".into(), min: 1, max: i64::MAX, step: 1, last, fills: ("t.id".into(), column.into()) }
    }

    #[test]
    fn the_column_is_a_limit_too() {
        assert_eq!(sequence(Some(2_147_483_647), "integer").used(), (100.0, 0));
        assert_eq!(sequence(Some(2_147_483_640), "integer").used().1, 7);
        assert_eq!(sequence(Some(2_147_483_647), "bigint").used().0, 0.0);
        assert_eq!(sequence(Some(16_384), "smallint").used().0, 50.0);
        assert_eq!(sequence(None, "integer").used(), (0.0, 2_147_483_647));
        assert_eq!(sequence(Some(i64::MAX), "").used(), (100.0, 0));
    }

    #[test]
    fn steps_and_descending_sequences_are_understood() {
        let by_ten = Sequence { max: 100, step: 10, last: Some(91), ..sequence(None, "") };
        assert_eq!(by_ten.used(), (100.0, 0));
        let down = Sequence { min: -100, max: -1, step: -1, last: Some(-90), ..sequence(None, "") };
        assert_eq!(down.used(), (90.0, 10));
    }

    #[test]
    fn the_nearest_to_its_end_is_told_and_what_may_not_be_read_is_hidden() {
        let other = Sequence { name: "public.other".into(), ..sequence(Some(5), "integer") };
        let sample = judged(&[other, sequence(Some(2_000_000_000), "integer")], 1);
        assert_eq!(sample.values["sequence"], "public.s".into());
        assert!(sample.hidden.is_some() && sample.rows[0].starts_with("public.s: 93.13 % used"), "{:?}", sample.rows);
    }
}
