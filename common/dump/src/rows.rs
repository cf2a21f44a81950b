//! What is gathered of the rows of each table while they are copied or read.

use crate::contents::Tally;
use crate::fingerprint::Fingerprint;
use crate::manifest::{Segment, TableData};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The rows of one entry of an archive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The columns that COPY names.
    pub columns: Vec<String>,
    /// Of the rows, with their number.
    pub print: Fingerprint,
    /// Size of the rows as text.
    pub copy_bytes: u64,
    /// Where they lie.
    pub segments: Vec<Segment>,
}

/// The rows of all tables, by the table that COPY loads them into.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllRows {
    tables: BTreeMap<String, (Rows, bool)>,
}

impl AllRows {
    /// Adds the rows of an entry. Several entries load into one table when partitions are dumped by way of their root.
    pub fn add(&mut self, table: String, rows: Rows) {
        match self.tables.entry(table) {
            Entry::Vacant(slot) => {
                slot.insert((rows, true));
            }
            Entry::Occupied(mut slot) => {
                let (all, alike) = slot.get_mut();
                *alike &= all.columns == rows.columns;
                all.print.add(rows.print);
                all.copy_bytes += rows.copy_bytes;
                all.segments.extend(rows.segments);
            }
        }
    }

    /// Number of rows a table.
    pub fn tally(&self, large_objects: u64) -> Tally {
        let tables = self.tables.iter().map(|(name, (rows, _))| (name.clone(), rows.print.rows())).collect();
        Tally { tables, large_objects }
    }

    /// As manifests hold it.
    pub fn into_data(self) -> BTreeMap<String, TableData> {
        let data = |(rows, alike): (Rows, bool)| TableData {
            columns: rows.columns,
            rows: rows.print.rows(),
            fingerprint: if alike { rows.print.to_string() } else { String::new() },
            copy_bytes: rows.copy_bytes,
            segments: rows.segments,
        };
        self.tables.into_iter().map(|(name, rows)| (name, data(rows))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], text: &[u8]) -> Rows {
        let mut rows = Rows { columns: columns.iter().map(|name| (*name).to_owned()).collect(), ..Rows::default() };
        rows.print.lines(text);
        rows.copy_bytes = text.len() as u64;
        rows
    }

    #[test]
    fn entries_that_load_into_one_table_are_one() {
        let mut all = AllRows::default();
        all.add("root".into(), rows(&["a"], b"1\n2\n"));
        all.add("root".into(), rows(&["a"], b"3\n"));
        all.add("odd".into(), rows(&["a", "b"], b"1\n"));
        all.add("odd".into(), rows(&["b", "a"], b"2\n"));
        assert_eq!(all.tally(2).tables, [("odd".to_owned(), 2), ("root".to_owned(), 3)].into());
        let data = all.into_data();
        let mut whole = Fingerprint::default();
        whole.lines(b"3\n2\n1\n");
        assert_eq!((data["root"].fingerprint.clone(), data["root"].copy_bytes), (whole.to_string(), 6));
        assert_eq!((data["odd"].fingerprint.as_str(), data["odd"].rows), ("", 2), "no two texts to compare");
    }
}
