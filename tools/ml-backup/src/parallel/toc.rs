//! What the table of contents that pg_dump wrote asks for: which entries have data, and what of.

use ml_dump::Archive;
use ml_dump::archive::Entry;
use ml_dump::copystmt::CopyStatement;

/// An entry with data, in the order in which the data is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its place in the contents.
    pub entry: usize,
    /// What its data is.
    pub of: Of,
}

/// What the data of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// The rows of a table.
    Table {
        /// The table's oid.
        oid: u32,
        /// Its schema and name: of the table that has the rows, which may be a partition of the one that takes them.
        schema: String,
        /// Its name.
        name: String,
        /// The statement that takes them.
        copy: CopyStatement,
    },
    /// Large objects: these, or all there are.
    Objects(Option<Vec<u32>>),
}

/// The entries with data, or why the contents are not for us.
pub fn items(archive: &Archive) -> Result<Vec<Item>, String> {
    let with_data = archive.entries.iter().enumerate().filter(|(_, entry)| entry.has_data);
    with_data.map(|(index, entry)| Ok(Item { entry: index, of: of(archive, entry)? })).collect()
}

fn of(archive: &Archive, entry: &Entry) -> Result<Of, String> {
    match entry.desc.as_str() {
        "TABLE DATA" => {
            // What is not UTF-8 was read with marks of replacement, and cannot be asked for.
            let legible = !entry.copy.contains('\u{fffd}') && !entry.tag.contains('\u{fffd}') && !entry.namespace.contains('\u{fffd}');
            let copy = CopyStatement::parse(&entry.copy).filter(|_| legible && entry.oid != 0);
            let copy = copy.ok_or_else(|| format!("the data of {} is not copied by a statement that is understood", entry.tag))?;
            Ok(Of::Table { oid: entry.oid, schema: entry.namespace.clone(), name: entry.tag.clone(), copy })
        }
        // One entry for all, or since 17 one for each group, whose other half names them.
        "BLOBS" if archive.version < (1, 16) => Ok(Of::Objects(None)),
        "BLOBS" => {
            let half = archive.entries.iter().find(|other| other.desc == "BLOB METADATA" && entry.dependencies.contains(&other.id));
            let oids = half.and_then(|half| half.defn.split_whitespace().map(|oid| oid.parse().ok()).collect::<Option<Vec<u32>>>());
            oids.map(|oids| Of::Objects(Some(oids))).ok_or_else(|| "which large objects an entry holds is not understood".to_owned())
        }
        other => Err(format!("its contents have data of an unknown kind, {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(desc: &str, copy: &str) -> Entry {
        Entry {
            id: 5,
            has_data: true,
            oid: 9,
            desc: desc.into(),
            tag: "t".into(),
            namespace: "s".into(),
            copy: copy.into(),
            ..Entry::default()
        }
    }

    fn archive(version: (u8, u8), entries: Vec<Entry>) -> Archive {
        Archive { version, entries, ..Archive::default() }
    }

    #[test]
    fn tables_and_large_objects_are_understood() {
        let without = Entry { has_data: false, ..entry("MATERIALIZED VIEW DATA", "") };
        let found =
            items(&archive((1, 14), vec![without, entry("TABLE DATA", "COPY r.root (a) FROM stdin;"), entry("BLOBS", "")])).unwrap();
        assert_eq!((found.len(), found[0].entry, &found[1].of), (2, 1, &Of::Objects(None)));
        assert!(matches!(&found[0].of, Of::Table { oid: 9, schema, copy, .. } if schema == "s" && copy.name == "root"));
    }

    #[test]
    fn groups_of_large_objects_name_theirs() {
        let group = |defn: &str| {
            let half = Entry { id: 4, has_data: false, defn: defn.into(), ..entry("BLOB METADATA", "") };
            let data = Entry { dependencies: vec![4], ..entry("BLOBS", "") };
            items(&archive((1, 16), vec![half, data]))
        };
        assert_eq!(group("16401\n16402\n").unwrap()[0].of, Of::Objects(Some(vec![16401, 16402])));
        assert!(group("SELECT 1").is_err());
        assert!(items(&archive((1, 16), vec![entry("BLOBS", "")])).is_err());
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (desc, copy) in [("TABLE DATA", ""), ("TABLE DATA", "COPY s.\u{fffd} (a) FROM stdin;"), ("STATISTICS DATA", "")] {
            assert!(items(&archive((1, 14), vec![entry(desc, copy)])).is_err(), "{desc} {copy}");
        }
        let unnumbered = Entry { oid: 0, ..entry("TABLE DATA", "COPY s.t (a) FROM stdin;") };
        assert!(items(&archive((1, 14), vec![unnumbered])).is_err());
    }
}
