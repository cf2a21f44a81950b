//! Checking the chain of blocks, one block at a time.

use crate::blocks::header_hash;
use crate::failed;
use crate::shape::Shape;
use ml_common::Result;
use ml_common::signal::Cancel;
use ml_logic::hash;
use postgres::{GenericClient, Row, Transaction};
use serde_json::Value;

/// Blocks that are fetched at a time; a block lists thousands of statements.
const BATCH: i32 = 16;

/// Problems that are told one by one; a broken ledger can have millions.
pub const TOLD: usize = 100;

/// The axiom S as an older normaliser wrote it, without its inner parentheses: a different formula, that must not be taken for S.
pub const LOST_PARENTHESES: (&str, &str) = ("(p->q->r)->p->q->p->r", "126133877ec5b3029a44ee5e515f315af0512d3d9442373d78d61f445033bf09");

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Blocks looked at.
    pub blocks: u64,
    /// The highest block number of any theory (first generation: the highest id).
    pub height: Option<i64>,
    /// What is wrong, the first [`TOLD`] findings.
    pub problems: Vec<String>,
    /// How many findings there are.
    pub problem_count: u64,
    /// What could not be checked, and what one has to know.
    pub notes: Vec<String>,
}

impl ChainReport {
    /// Nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < TOLD {
            self.problems.push(text);
        }
    }

    fn note(&mut self, text: &str) {
        if !self.notes.iter().any(|note| note == text) {
            self.notes.push(text.to_owned());
        }
    }
}

/// Checks every block: its Merkle root against its statements, its link to the block before, the numbers without a gap, the header against the
/// columns, and that its statements are in the ledger. What the first generation does not record is noted.
///
/// # Errors
/// Class Database when the ledger cannot be read, or that of `cancel`.
pub fn verify_chain(client: &mut impl GenericClient, shape: &Shape, cancel: &Cancel) -> Result<ChainReport> {
    const DOING: &str = "checking the chain of blocks";
    shape.require_ledger()?;
    let mut report = ChainReport::default();
    let mut tx = client.transaction().map_err(failed(DOING))?;
    note_lost_parentheses(&mut tx, shape, &mut report)?;
    if !shape.has("blocks") {
        report.note("there is no table blocks");
        return tx.commit().map_err(failed(DOING)).map(|()| report);
    }
    let linked = shape.require("blocks", &["system_id", "block_number", "prev_hash", "merkle_root", "statements"]).is_ok();
    if !linked {
        report.note("the blocks hold neither their statements nor the block before: only the form of their roots can be checked");
    }
    let portal = tx.bind(&select(shape, linked), &[]).map_err(failed(DOING))?;
    let mut before: Option<StoredBlock> = None;
    loop {
        cancel.check()?;
        let rows = tx.query_portal(&portal, BATCH).map_err(failed(DOING))?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let block = read(row).map_err(failed(DOING))?;
            report.blocks += 1;
            report.height = report.height.max(block.number);
            if linked {
                check_link(&block, before.as_ref(), &mut report);
                check_header(&block, &mut report);
                check_statements(&mut tx, shape, &block, &mut report)?;
                before = Some(StoredBlock { header: None, statements: None, ..block });
            } else if !is_hash(block.root.as_deref().unwrap_or_default()) {
                report.problem(format!("{}: its root is not a hash", block.name()));
            }
        }
    }
    tx.commit().map_err(failed(DOING))?;
    Ok(report)
}

/// A row of `blocks`, untrusted.
struct StoredBlock {
    theory: String,
    number: Option<i64>,
    prev: Option<String>,
    root: Option<String>,
    header: Option<String>,
    statements: Option<String>,
}

impl StoredBlock {
    fn name(&self) -> String {
        let number = self.number.map_or_else(|| "without a number".to_owned(), |number| number.to_string());
        if self.theory.is_empty() { format!("block {number}") } else { format!("block {number} of {}", self.theory) }
    }
}

fn select(shape: &Shape, linked: bool) -> String {
    let table = shape.sql("blocks");
    if !linked {
        let root = shape.or_null("blocks", "root_hash", "b", "text");
        return format!("SELECT ''::text, b.id::bigint, NULL::text, {root}, NULL::text, NULL::text FROM {table} b ORDER BY b.id");
    }
    let name = if shape.has_column("theories", "slug") { "coalesce(t.slug, t.name)" } else { "t.name" };
    let header = shape.or_null("blocks", "header", "b", "text");
    format!(
        "SELECT coalesce({name}, b.system_id::text)::text, b.block_number::bigint, b.prev_hash::text, b.merkle_root::text, {header}, b.statements::text
        FROM {table} b LEFT JOIN {} t ON t.id = b.system_id ORDER BY b.system_id, b.block_number, b.id",
        shape.sql("theories")
    )
}

fn read(row: &Row) -> std::result::Result<StoredBlock, postgres::Error> {
    let (number, prev, root) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    Ok(StoredBlock { theory: row.try_get(0)?, number, prev, root, header: row.try_get(4)?, statements: row.try_get(5)? })
}

/// The number and the previous hash, against the block before (of any theory).
fn check_link(block: &StoredBlock, before: Option<&StoredBlock>, report: &mut ChainReport) {
    let name = block.name();
    let before = before.filter(|before| before.theory == block.theory);
    let Some(number) = block.number else { return report.problem(format!("a {name}: its place in the chain is unknown")) };
    let expected = match before {
        None if !(0..=1).contains(&number) => {
            report.problem(format!("{name} is the first that is left: the blocks before it are missing"));
            None
        }
        None => Some(hash::GENESIS.to_owned()),
        Some(StoredBlock { number: Some(last), .. }) if number == *last => return report.problem(format!("{name} is there twice")),
        Some(StoredBlock { number: Some(last), .. }) if number != last + 1 => {
            let gap = if number == last + 2 { format!("block {}", last + 1) } else { format!("blocks {} to {}", last + 1, number - 1) };
            report.problem(format!("{name} follows block {last}: {gap} missing"));
            None
        }
        Some(before) => before.root.clone(),
    };
    if let Some(expected) = expected
        && block.prev.as_deref() != Some(&expected)
    {
        let said = block.prev.as_deref().map_or_else(|| "nothing".to_owned(), excerpt);
        report.problem(format!("{name}: prev_hash is {said} instead of {expected}"));
    }
}

/// The header repeats what the columns say, and may hold its own hash.
fn check_header(block: &StoredBlock, report: &mut ChainReport) {
    let Some(text) = &block.header else { return };
    let name = block.name();
    let Ok(Value::Object(header)) = serde_json::from_str(text) else { return report.problem(format!("{name}: its header is no object")) };
    let columns = [("merkle_root", block.root.clone()), ("prev_hash", block.prev.clone())];
    for (field, column) in columns {
        if let (Some(Value::String(said)), Some(column)) = (header.get(field), column)
            && *said != column
        {
            report.problem(format!("{name}: {field} is {} in its header and {} in its column", excerpt(said), excerpt(&column)));
        }
    }
    if let Some(said) = header.get("block_number").and_then(Value::as_i64)
        && Some(said) != block.number
    {
        report.problem(format!("{name}: its header says block {said}"));
    }
    if let Some(Value::String(said)) = header.get("block_hash")
        && *said != header_hash(&header)
    {
        report.problem(format!("{name}: its header does not have the hash that it says"));
    }
}

/// The Merkle root is that of the statements, and these are in the ledger.
fn check_statements(tx: &mut Transaction<'_>, shape: &Shape, block: &StoredBlock, report: &mut ChainReport) -> Result<()> {
    let name = block.name();
    let Some(text) = &block.statements else {
        report.note(&format!("{name} and perhaps others hold no list of statements, so that their roots cannot be checked"));
        return Ok(());
    };
    let Ok(hashes) = serde_json::from_str::<Vec<String>>(text) else {
        report.problem(format!("{name}: its statements are no list of hashes"));
        return Ok(());
    };
    let root = hash::merkle_root(&hashes);
    if block.root.as_deref() != Some(&root) {
        let said = block.root.as_deref().map_or_else(|| "nothing".to_owned(), excerpt);
        report.problem(format!("{name}: the Merkle root of its statements is {root}, and it says {said}"));
    }
    let (known, odd): (Vec<String>, Vec<String>) = hashes.into_iter().partition(|hash| is_hash(hash));
    if let Some(first) = odd.first() {
        report.problem(format!("{name}: {} of its statements are no hashes, as {}", odd.len(), excerpt(first)));
    }
    let sql = format!(
        "SELECT n.hash, count(*) OVER () FROM unnest($1::text[]) AS n (hash)
        WHERE NOT EXISTS (SELECT 1 FROM {} s WHERE s.hash = {}) LIMIT 1",
        shape.sql("statements"),
        shape.unhex("statements", "hash", "n.hash"),
    );
    let doing = "looking for the statements of a block";
    if let Some(row) = tx.query_opt(&sql, &[&known]).map_err(failed(doing))? {
        let (first, count): (String, i64) = (row.try_get(0).map_err(failed(doing))?, row.try_get(1).map_err(failed(doing))?);
        report.problem(format!("{name}: {count} of its statements are not in the ledger, as {first}"));
    }
    Ok(())
}

fn note_lost_parentheses(tx: &mut Transaction<'_>, shape: &Shape, report: &mut ChainReport) -> Result<()> {
    let (text, hash) = LOST_PARENTHESES;
    let sql = format!("SELECT 1 FROM {} WHERE hash = {}", shape.sql("statements"), shape.unhex("statements", "hash", "$1::text"));
    if tx.query_opt(&sql, &[&hash]).map_err(failed("looking for statements of an older normaliser"))?.is_some() {
        report.note(&format!(
            "the ledger holds {text}, which an older normaliser made of (p->q->r)->(p->q)->p->r by losing parentheses: a different formula, not to be taken for that axiom"
        ));
    }
    Ok(())
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Enough of an untrusted text to recognise it by.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
