//! Sealing a block: the statements of a run, their Merkle root, and the block before.

use crate::failed;
use crate::shape::Shape;
use ml_common::{Class, Failure, Result};
use ml_logic::hash;
use postgres::Transaction;
use postgres::error::SqlState;
use serde_json::{Map, Value, json};

/// A sealed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Counts from 1 in each theory.
    pub number: i64,
    /// The previous block's Merkle root, or `GENESIS`.
    pub prev_hash: String,
    /// Over the statement hashes.
    pub merkle_root: String,
    /// Of the header; it stands in the header as `block_hash`.
    pub block_hash: String,
    /// The sealed statement hashes, sorted.
    pub statements: Vec<String>,
}

/// Seals these statements as the theory's next block, in the transaction that wrote them.
///
/// # Errors
/// Class Locked when another writer has sealed a block of that number in the meantime; Internal for an empty block; else Database.
pub fn seal(tx: &mut Transaction<'_>, shape: &Shape, system_id: &str, run_id: i64, hashes: &[String]) -> Result<Block> {
    shape.require_writable()?;
    if hashes.is_empty() {
        return Err(Failure::new(Class::Internal, "an empty block was to be sealed").hint("please report it with the command line"));
    }
    let doing = "sealing the block";
    let (table, system) = (shape.sql("blocks"), shape.cast("blocks", "system_id", "$1"));
    let last = format!(
        "SELECT block_number::bigint, merkle_root::text FROM {table} WHERE system_id = {system} ORDER BY block_number DESC LIMIT 1"
    );
    let (number, prev_hash) = match tx.query_opt(&last, &[&system_id]).map_err(failed(doing))? {
        None => (1, hash::GENESIS.to_owned()),
        Some(row) => {
            let number: i64 = row.try_get(0).map_err(failed(doing))?;
            let root: Option<String> = row.try_get(1).map_err(failed(doing))?;
            let rootless = || {
                Failure::new(Class::Database, format!("block {number} has no Merkle root, so that no block can follow it"))
                    .hint("look at the table blocks: who wrote that block, and what its root has to be")
            };
            (number + 1, root.ok_or_else(rootless)?)
        }
    };
    let block = Block::new(number, prev_hash, hashes);
    let root_column = if shape.has_column("blocks", "root_hash") { ("root_hash, ", "$5::text, ") } else { ("", "") };
    let sql = format!(
        "INSERT INTO {table} (run_id, system_id, block_number, prev_hash, {}merkle_root, header, statements)
        VALUES ($2::bigint, {system}, $3::bigint, $4::text, {}$5::text, {}, {})",
        root_column.0,
        root_column.1,
        shape.cast("blocks", "header", "$6"),
        shape.cast("blocks", "statements", "$7"),
    );
    let (header, statements) = (block.header().to_string(), json!(block.statements).to_string());
    let inserted = tx.execute(&sql, &[&system_id, &run_id, &block.number, &block.prev_hash, &block.merkle_root, &header, &statements]);
    match inserted {
        Ok(_) => Ok(block),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(Failure::new(
            Class::Locked,
            format!("another writer has sealed block {number} in the meantime; nothing of this run is kept"),
        )
        .hint("run it again when the other writer is done")),
        Err(error) => Err(failed(doing)(error)),
    }
}

impl Block {
    /// The block of these statements, in any order and with repetitions.
    pub fn new(number: i64, prev_hash: String, hashes: &[String]) -> Block {
        let mut statements = hashes.to_vec();
        statements.sort_unstable();
        statements.dedup();
        let merkle_root = hash::merkle_root(&statements);
        let mut block = Block { number, prev_hash, merkle_root, block_hash: String::new(), statements };
        block.block_hash = header_hash(&block.claims());
        block
    }

    /// What the header says, but for its own hash. The same block has the same header whenever and wherever it is sealed.
    fn claims(&self) -> Map<String, Value> {
        let claims = [
            ("block_number", json!(self.number)),
            ("merkle_root", json!(self.merkle_root)),
            ("prev_hash", json!(self.prev_hash)),
            ("statement_count", json!(self.statements.len())),
            ("version", json!(1)),
        ];
        claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The header as it is stored.
    pub fn header(&self) -> Value {
        let mut header = self.claims();
        header.insert("block_hash".into(), json!(self.block_hash));
        Value::Object(header)
    }
}

/// The hash of a header: domain 0x03 over its JSON without `block_hash`, names sorted and without blanks (jsonb keeps no order).
pub fn header_hash(header: &Map<String, Value>) -> String {
    let mut claims: Vec<(&String, &Value)> = header.iter().filter(|(name, _)| *name != "block_hash").collect();
    claims.sort_unstable_by_key(|(name, _)| *name);
    let fields: Vec<String> = claims.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    hash::block_header(format!("{{{}}}", fields.join(",")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_does_not_depend_on_order_or_repetition() {
        let hashes = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let block = Block::new(1, "GENESIS".into(), &hashes(&["c", "a", "b", "a"]));
        assert_eq!(block, Block::new(1, "GENESIS".into(), &hashes(&["a", "b", "c"])));
        assert_eq!(block.merkle_root, "e9636069c740c9ff51625b01a0b040396d265a9b920cc6febdfa5ecc9f58ecce");
        assert_ne!(block.block_hash, Block::new(2, "GENESIS".into(), &hashes(&["a", "b", "c"])).block_hash);
    }

    #[test]
    fn the_header_hash_survives_jsonb() {
        let block = Block::new(3, "x".into(), &["a".to_owned()]);
        let Value::Object(header) = block.header() else { panic!("an object") };
        let reversed: Map<String, Value> = header.into_iter().rev().collect();
        assert_eq!(header_hash(&reversed), block.block_hash);
        assert_eq!(
            block.block_hash,
            hash::block_header(
                br#"{"block_number":3,"merkle_root":"022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c","prev_hash":"x","statement_count":1,"version":1}"#
            )
        );
    }
}
