//! Which entries of an archive belong to some tables: the tables with all that is theirs, and what they need.

use ml_common::{Class, Failure, Result};
use ml_dump::archive::{Archive, Entry};
use ml_dump::tables;
use std::collections::{BTreeMap, BTreeSet};

/// What belongs to a table and is nothing without it.
const OF_A_TABLE: [&str; 18] = [
    "TABLE DATA",
    "INDEX",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "TRIGGER",
    "RULE",
    "POLICY",
    "ROW SECURITY",
    "DEFAULT",
    "STATISTICS",
    "SEQUENCE",
    "SEQUENCE SET",
    "SEQUENCE OWNED BY",
    "COMMENT",
    "ACL",
    "SECURITY LABEL",
    "FK CONSTRAINT",
    "TABLE ATTACH",
];

/// Of these, what ties a table to another: it is only restored when both are.
const TIES: [&str; 3] = ["FK CONSTRAINT", "TABLE ATTACH", "INDEX ATTACH"];

/// What a session has to be told before anything.
const ALWAYS: [&str; 3] = ["ENCODING", "STDSTRINGS", "SEARCHPATH"];

/// What was selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The tables, as manifests spell them.
    pub tables: BTreeSet<String>,
    /// Entries that are the tables' own.
    pub own: BTreeSet<i32>,
    /// Entries that they need and that others may need too: schemas, types, functions.
    pub needed: BTreeSet<i32>,
    /// What ties them to tables that were not selected, and is left out.
    pub left_out: Vec<String>,
}

impl Selection {
    /// The entries of the tables named `SCHEMA.TABLE`.
    ///
    /// # Errors
    /// Class Usage when the archive has no such table.
    pub fn of(archive: &Archive, named: &[String]) -> Result<Selection> {
        let mut selection = Selection::default();
        for name in named {
            let found = archive.entries.iter().find(|entry| entry.desc == "TABLE" && is_named(entry, name));
            let Some(entry) = found else {
                return Err(Failure::new(Class::Usage, format!("the dump has no table {name}"))
                    .hint("give SCHEMA.TABLE as pg_restore -l shows it: public.statements"));
            };
            selection.own.insert(entry.id);
            selection.tables.insert(tables::shown(&entry.namespace, &entry.tag));
        }
        selection.gather(archive);
        Ok(selection)
    }

    fn gather(&mut self, archive: &Archive) {
        let entries: BTreeMap<i32, &Entry> = archive.entries.iter().map(|entry| (entry.id, entry)).collect();
        let mut open: Vec<i32> = self.own.iter().copied().collect();
        loop {
            while let Some(id) = open.pop() {
                let needs = entries.get(&id).into_iter().flat_map(|entry| &entry.dependencies);
                for &need in needs.filter(|need| entries.contains_key(need)) {
                    if !self.own.contains(&need) && self.needed.insert(need) {
                        open.push(need);
                    }
                }
            }
            let more: Vec<i32> = archive.entries.iter().filter(|entry| self.belongs(entry, &entries)).map(|entry| entry.id).collect();
            if more.is_empty() {
                break;
            }
            for id in more {
                self.needed.remove(&id);
                self.own.insert(id);
                open.push(id);
            }
        }
        let tie = |entry: &&Entry| TIES.contains(&entry.desc.as_str()) && !self.own.contains(&entry.id);
        let ours = |entry: &&Entry| entry.dependencies.iter().any(|id| self.own.contains(id));
        self.left_out = archive.entries.iter().filter(tie).filter(ours).map(|entry| format!("{} {}", entry.desc, entry.tag)).collect();
        self.needed.extend(archive.entries.iter().filter(|entry| ALWAYS.contains(&entry.desc.as_str())).map(|entry| entry.id));
    }

    /// Whether an entry is a selected table's own and not yet among them.
    fn belongs(&self, entry: &Entry, entries: &BTreeMap<i32, &Entry>) -> bool {
        let tie = TIES.contains(&entry.desc.as_str());
        if self.own.contains(&entry.id) || !(tie || OF_A_TABLE.contains(&entry.desc.as_str())) {
            return false;
        }
        let known: Vec<&Entry> = entry.dependencies.iter().filter_map(|id| entries.get(id).copied()).collect();
        // The value of a sequence that a column takes its numbers from comes with it, whoever owns the sequence.
        let value = entry.desc == "SEQUENCE SET";
        let related = known.iter().any(|need| self.own.contains(&need.id) || (value && self.needed.contains(&need.id)));
        // A rule of a view, a constraint that another table has: theirs, not ours.
        let foreign = |need: &&Entry| {
            let relation = tie || ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"].contains(&need.desc.as_str());
            relation && !self.own.contains(&need.id)
        };
        related && !known.iter().any(foreign)
    }
}

fn is_named(entry: &Entry, name: &str) -> bool {
    tables::shown(&entry.namespace, &entry.tag) == name || format!("{}.{}", entry.namespace, entry.tag) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Archive {
        let entry = |id, desc: &str, tag: &str, dependencies: &[i32]| Entry {
            id,
            desc: desc.into(),
            tag: tag.into(),
            namespace: "s".into(),
            dependencies: dependencies.to_vec(),
            ..Entry::default()
        };
        let entries = vec![
            entry(1, "ENCODING", "ENCODING", &[]),
            entry(2, "SCHEMA", "s", &[]),
            entry(3, "TYPE", "colour", &[2]),
            entry(4, "FUNCTION", "f()", &[2]),
            entry(5, "TABLE", "a", &[3, 2]),
            entry(6, "TABLE", "Odd b", &[2]),
            entry(7, "SEQUENCE", "a_id_seq", &[2]),
            entry(8, "SEQUENCE OWNED BY", "a_id_seq", &[7, 5]),
            entry(9, "DEFAULT", "a id", &[7, 5]),
            entry(10, "VIEW", "v", &[5]),
            entry(11, "TABLE DATA", "a", &[5]),
            entry(12, "TABLE DATA", "Odd b", &[6]),
            entry(13, "SEQUENCE SET", "a_id_seq", &[7]),
            entry(14, "CONSTRAINT", "a a_pkey", &[5]),
            entry(15, "CONSTRAINT", "Odd b_pkey", &[6]),
            entry(16, "FK CONSTRAINT", "a a_b_fkey", &[5, 6, 15]),
            entry(17, "TRIGGER", "a t", &[5, 4]),
            entry(18, "RULE", "v _RETURN", &[10, 5]),
            entry(19, "COMMENT", "INDEX a_pkey", &[14]),
            entry(20, "FUNCTION", "unused()", &[2]),
        ];
        Archive { entries, ..Archive::default() }
    }

    #[test]
    fn a_table_comes_with_what_is_its_own_and_what_it_needs() {
        let selection = Selection::of(&archive(), &["s.a".into()]).unwrap();
        assert_eq!(selection.own, [5, 8, 9, 11, 13, 14, 17, 19].into());
        assert_eq!(selection.needed, [1, 2, 3, 4, 7].into());
        assert_eq!(selection.left_out, ["FK CONSTRAINT a a_b_fkey"]);
    }

    #[test]
    fn what_ties_two_tables_comes_with_both() {
        for name in ["s.\"Odd b\"", "s.Odd b"] {
            let selection = Selection::of(&archive(), &["s.a".into(), name.into()]).unwrap();
            assert!(selection.own.contains(&16) && selection.left_out.is_empty());
            assert_eq!(selection.tables, ["s.\"Odd b\"".to_owned(), "s.a".to_owned()].into());
        }
        assert_eq!(Selection::of(&archive(), &["a".into()]).unwrap_err().class, Class::Usage);
        assert_eq!(Selection::of(&archive(), &["s.v".into()]).unwrap_err().class, Class::Usage);
    }
}
