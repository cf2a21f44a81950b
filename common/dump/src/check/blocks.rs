//! Walks over the blocks of data: each of one table, or of large objects, in chunks that pg_dump cut anywhere.

use super::pieces::{Piece, Pool};
use super::{Found, Objects, Options, placed};
use crate::archive::{Archive, BLOCK_DATA, BLOCK_OBJECTS, Entry};
use crate::copystmt::CopyStatement;
use crate::decode::{Decoder, Text, damaged};
use crate::rows::{AllRows, Rows};
use ml_common::{Class, Failure, Result};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// Unpacked text is handled in such pieces.
pub(super) const ROOM: usize = 1 << 17;

pub(super) struct Blocks<'a, R> {
    from: R,
    at: u64,
    archive: &'a Archive,
    options: &'a Options,
    pool: &'a Pool,
    room: Vec<u8>,
    chunk: Vec<u8>,
}

impl<'a, R: Read> Blocks<'a, R> {
    pub(super) fn new(from: R, archive: &'a Archive, options: &'a Options, pool: &'a Pool) -> Blocks<'a, R> {
        Blocks { from, at: archive.head_bytes, archive, options, pool, room: vec![0; ROOM], chunk: Vec::new() }
    }

    /// Reads all blocks to the end of the input.
    pub(super) fn read(mut self) -> Result<Found> {
        let by_id: HashMap<i32, (usize, &Entry)> =
            self.archive.entries.iter().enumerate().map(|(index, entry)| (entry.id, (index, entry))).collect();
        let (mut places, mut objects) = (BTreeMap::new(), Objects::default());
        let mut streamed: Vec<(usize, Rows)> = Vec::new();
        loop {
            self.options.cancel.check()?;
            let begin = self.at;
            let Some(kind) = self.maybe_byte()? else { break };
            let id = self.int()?;
            let &(index, entry) = by_id.get(&id).ok_or_else(|| damaged("it holds data that its contents do not name"))?;
            if !entry.has_data || places.insert(id, begin).is_some() {
                return Err(damaged(format!("the data of {} is there twice", entry.tag)));
            }
            match kind {
                BLOCK_DATA => streamed.extend(self.table(index)?.map(|rows| (index, rows))),
                BLOCK_OBJECTS => self.objects(&mut objects)?,
                _ => return Err(damaged("a block of it is of an unknown kind")),
            }
        }
        placed(self.archive, &places)?;
        self.gathered(streamed).map(|all| (all, objects))
    }

    /// The rows of all entries, those that were read here and those of the pool.
    fn gathered(&self, streamed: Vec<(usize, Rows)>) -> Result<AllRows> {
        let mut of_entries: BTreeMap<usize, Rows> = streamed.into_iter().collect();
        of_entries.extend(self.pool.finish()?);
        let mut all = AllRows::default();
        for (index, mut rows) in of_entries {
            let entry = self.archive.entries.get(index).ok_or_else(|| Failure::new(Class::Internal, "an entry is gone"))?;
            let copy = CopyStatement::parse(&entry.copy)
                .ok_or_else(|| damaged(format!("the COPY statement of {} is not understood", entry.tag)))?;
            let table = copy.shown();
            rows.columns = copy.columns;
            all.add(table, rows);
        }
        Ok(all)
    }

    /// The data of a table; None when the pool has it.
    fn table(&mut self, entry: usize) -> Result<Option<Rows>> {
        let mut text = Text::default();
        let mut decoder = Decoder::new(self.archive.compression)?;
        let (mut number, mut apart) = (0u32, false);
        while self.next_chunk()? {
            let begin = self.at - self.chunk.len() as u64;
            if number == 0 {
                apart = self.is_apart(begin);
                if apart && self.archive.compression == "gzip" {
                    number = 1;
                    continue;
                }
            }
            number = number.saturating_add(1);
            if apart || self.options.pieces.contains(&begin) {
                let bytes = std::mem::take(&mut self.chunk);
                self.pool.put(Piece { entry, number, offset: begin, bytes, compression: self.archive.compression })?;
                apart = true;
            } else {
                let rest = decoder.push(&self.chunk, &mut self.room, &mut |piece| text.push(piece))?;
                if !rest.is_empty() {
                    return Err(damaged("data follows the end of a table's"));
                }
            }
        }
        if apart {
            return Ok(None);
        }
        if !decoder.ended() {
            return Err(damaged("the data of a table ends early"));
        }
        let told = text.finish()?;
        if !told.marked {
            return Err(damaged("the rows of a table end without an end mark"));
        }
        Ok(Some(Rows { print: told.print, copy_bytes: told.copy_bytes, ..Rows::default() }))
    }

    /// Whether the first chunk of a table shows that its pieces were compressed apart from each other: a zlib header alone, which pg_dump never
    /// writes; a whole frame of zstd; or what the manifest calls a piece.
    fn is_apart(&self, begin: u64) -> bool {
        match self.archive.compression {
            "gzip" => self.chunk == crate::compression::ZLIB_HEADER,
            "zstd" => zstd::zstd_safe::find_frame_compressed_size(&self.chunk) == Ok(self.chunk.len()),
            _ => self.options.pieces.contains(&begin),
        }
    }

    fn objects(&mut self, objects: &mut Objects) -> Result<()> {
        while self.int()? != 0 {
            objects.number += 1;
            let mut decoder = Decoder::new(self.archive.compression)?;
            let mut any = false;
            while self.next_chunk()? {
                any = true;
                let mut bytes = 0;
                let rest = decoder.push(&self.chunk, &mut self.room, &mut |piece| bytes += piece.len() as u64)?;
                if !rest.is_empty() {
                    return Err(damaged("data follows the end of a large object"));
                }
                objects.bytes += bytes;
            }
            if any && !decoder.ended() {
                return Err(damaged("a large object ends early"));
            }
        }
        Ok(())
    }

    /// Reads the next chunk into `self.chunk`; false at the end of the data.
    fn next_chunk(&mut self) -> Result<bool> {
        self.options.cancel.check()?;
        let length = u64::try_from(self.int()?).map_err(|_| damaged("a length in it is negative"))?;
        self.chunk.clear();
        if length == 0 {
            return Ok(false);
        }
        // As it comes: a damaged length must not reserve gigabytes.
        let read = self.from.by_ref().take(length).read_to_end(&mut self.chunk).map_err(|error| unreadable(&error))?;
        self.at += read as u64;
        if (read as u64) < length { Err(damaged("it is cut off")) } else { Ok(true) }
    }

    fn int(&mut self) -> Result<i32> {
        let mut bytes = [0; 5];
        for slot in &mut bytes {
            *slot = self.maybe_byte()?.ok_or_else(|| damaged("it is cut off"))?;
        }
        let [sign, a, b, c, d] = bytes;
        let magnitude = i64::from(u32::from_le_bytes([a, b, c, d]));
        i32::try_from(if sign == 0 { magnitude } else { -magnitude }).map_err(|_| damaged("a number in it is no number"))
    }

    fn maybe_byte(&mut self) -> Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.from.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    self.at += 1;
                    return Ok(Some(byte[0]));
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(Class::Storage, format!("cannot read the dump: {error}")).hint("check the disk and the path")
}
