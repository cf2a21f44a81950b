//! Reads the head and the table of contents of a custom-format archive, as pg_dump's own sources define it (`pg_backup_archiver.c`).
//!
//! It is asked before pg_restore is: which version can read the file, what roles it names, how its database was made. Every byte is
//! untrusted.

mod read;
mod write;

pub use write::{BLOCK_DATA, BLOCK_OBJECTS, int, patch};

use ml_common::{Class, Failure, Result, files};
use read::Input;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Where the data of an entry begins in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offset {
    /// The entry has no data.
    #[default]
    NoData,
    /// It has, but the archive was written into a pipe.
    NotSet,
    /// There.
    At(u64),
}

/// One entry of the table of contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number in lists for `pg_restore -L`; other entries and the data name it so.
    pub id: i32,
    /// Whether there is data of it behind the table of contents.
    pub has_data: bool,
    /// Its oid in the database; of `TABLE DATA` the table's. 0 when it has none.
    pub oid: u32,
    /// 2 what data needs, 3 data, 4 what needs data.
    pub section: i32,
    /// The COPY statement that takes its data; empty when there is none.
    pub copy: String,
    /// The numbers of the entries that have to be restored before.
    pub dependencies: Vec<i32>,
    /// Where its data is.
    pub offset: Offset,
    /// Where in the file that is written.
    pub offset_at: u64,
    /// What it is: `TABLE`, `TABLE DATA`, `ACL`, `EXTENSION`, ...
    pub desc: String,
    /// Its name.
    pub tag: String,
    /// Its schema; empty when it has none.
    pub namespace: String,
    /// The role that owns it; empty when none does.
    pub owner: String,
    /// The SQL that makes it.
    pub defn: String,
}

/// The head and contents of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// Version of the format: 1.14 is of PostgreSQL 12 to 15, 1.15 of 16, 1.16 of 17 and later.
    pub version: (u8, u8),
    /// `none`, `gzip`, `lz4` or `zstd`.
    pub compression: &'static str,
    /// The database that was dumped.
    pub database: String,
    /// Version of its server.
    pub server: String,
    /// Version of pg_dump.
    pub pg_dump: String,
    /// The table of contents, in the order of restoring.
    pub entries: Vec<Entry>,
    /// Size of head and contents; data begins there.
    pub head_bytes: u64,
    /// Bytes of a number, besides its sign.
    pub int_size: usize,
    /// Bytes of a place, besides its flag.
    pub offset_size: usize,
}

/// The oldest and newest formats whose contents are known here.
const KNOWN: ((u8, u8), (u8, u8)) = ((1, 12), (1, 16));

/// The formats of archives, as their heads number them.
const CUSTOM: u8 = 1;
const TAR: u8 = 3;
const FOLDER: u8 = 5;

impl Archive {
    /// Reads the head and contents of a file.
    ///
    /// # Errors
    /// Class Storage when it cannot be read, is no custom-format archive, is damaged there or of an unknown version.
    pub fn open(path: &Path) -> Result<Archive> {
        let file = File::open(path).map_err(|error| files::storage(&error, path, "cannot read"))?;
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(Failure::new(Class::Storage, format!("{} is a folder", path.display()))
                .hint("name a file made by ml-backup or pg_dump -Fc"));
        }
        Archive::read(BufReader::new(file)).map_err(|failure| failure.context(path.display()))
    }

    /// Reads the head and contents.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn read(from: impl Read) -> Result<Archive> {
        Archive::parse(&mut Input::new(from, false), &[CUSTOM])
    }

    /// Reads the head and contents of an archive in any format: of the folder and tar formats they are the file `toc.dat`.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn read_any(from: impl Read) -> Result<Archive> {
        Archive::parse(&mut Input::new(from, false), &[CUSTOM, TAR, FOLDER])
    }

    /// Reads the head and contents, and gives their bytes too. Of `from` not a byte more is read.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn read_raw(from: impl Read) -> Result<(Archive, Vec<u8>)> {
        let mut input = Input::new(from, true);
        let archive = Archive::parse(&mut input, &[CUSTOM])?;
        Ok((archive, input.kept()))
    }

    fn parse(input: &mut Input<impl Read>, formats: &[u8]) -> Result<Archive> {
        let magic = input.bytes(5)?;
        if magic != b"PGDMP" {
            return Err(not_an_archive(&magic));
        }
        let version = (input.byte()?, input.byte()?);
        input.byte()?;
        if version < KNOWN.0 || version > KNOWN.1 {
            let (major, minor) = version;
            return Err(Failure::new(Class::Storage, format!("the archive format {major}.{minor} is not known"))
                .hint("restore it with the pg_restore that belongs to the pg_dump that wrote it"));
        }
        input.sizes()?;
        let format = input.byte()?;
        if !formats.contains(&format) {
            return Err(
                Failure::new(Class::Storage, "not an archive in pg_dump's custom format").hint("make dumps with pg_dump -Fc, or ml-backup")
            );
        }
        let compression =
            if version >= (1, 15) { named(i32::from(input.byte()?))? } else { if input.int()? == 0 { "none" } else { "gzip" } };
        for _ in 0..7 {
            input.int()?; // the time, in the zone of who dumped
        }
        let (database, server, pg_dump) = (input.text()?, input.text()?, input.text()?);
        let mut archive = Archive { version, compression, database, server, pg_dump, ..Archive::default() };
        let count = input.int()?;
        for _ in 0..count {
            archive.entries.push(entry(input, version, format)?);
        }
        archive.head_bytes = input.position();
        (archive.int_size, archive.offset_size) = input.number_sizes();
        Ok(archive)
    }

    /// The first entry of that kind.
    pub fn entry(&self, desc: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.desc == desc)
    }

    /// The encoding that the texts of the archive are in, and its database's.
    pub fn encoding(&self) -> Option<String> {
        let defn = &self.entry("ENCODING")?.defn;
        defn.split('\'').nth(1).map(str::to_owned)
    }

    /// The roles that own something in it, sorted.
    pub fn owners(&self) -> Vec<&str> {
        let mut owners: Vec<&str> = self.entries.iter().map(|entry| entry.owner.as_str()).filter(|owner| !owner.is_empty()).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// The lowest major version of pg_restore that can read it.
    pub fn oldest_reader(&self) -> u32 {
        match self.version {
            (1, ..=12) => 9,
            (1, 13) => 11,
            (1, 14) => 12,
            (1, 15) => 16,
            _ => 17,
        }
    }
}

fn named(code: i32) -> Result<&'static str> {
    match code {
        0 => Ok("none"),
        1 => Ok("gzip"),
        2 => Ok("lz4"),
        3 => Ok("zstd"),
        _ => Err(read::damaged("of an unknown compression")),
    }
}

fn entry(input: &mut Input<impl Read>, version: (u8, u8), format: u8) -> Result<Entry> {
    let mut entry = Entry { id: input.int()?, ..Entry::default() };
    entry.has_data = input.int()? != 0;
    input.text()?; // the catalog that the oid is of
    entry.oid = input.text()?.parse().unwrap_or_default();
    entry.tag = input.text()?;
    entry.desc = input.text()?;
    entry.section = input.int()?;
    entry.defn = input.text()?;
    input.text()?; // DROP
    entry.copy = input.text()?;
    entry.namespace = input.text()?;
    input.text()?; // tablespace
    if version >= (1, 14) {
        input.text()?; // access method
    }
    if version >= (1, 16) {
        input.int()?; // relkind
    }
    entry.owner = input.text()?;
    input.text()?; // with OIDs, once
    while let Some(id) = input.maybe_text()? {
        entry.dependencies.push(id.parse().map_err(|_| read::damaged("damaged"))?);
    }
    if format == CUSTOM {
        entry.offset_at = input.position();
        entry.offset = input.offset()?;
    } else {
        input.text()?; // the file of its data
    }
    Ok(entry)
}

fn not_an_archive(magic: &[u8]) -> Failure {
    let looks = if magic.starts_with(&[0x1f, 0x8b]) {
        "it is a gzip file"
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "it is a zstd file"
    } else if magic.starts_with(b"--") || magic.starts_with(b"SET") {
        "it looks like plain SQL"
    } else {
        "it does not begin with PGDMP"
    };
    Failure::new(Class::Storage, format!("not an archive in pg_dump's custom format: {looks}"))
        .hint("name a file made by ml-backup or pg_dump -Fc; unpack others and restore plain SQL with psql")
}

#[cfg(test)]
mod tests;
