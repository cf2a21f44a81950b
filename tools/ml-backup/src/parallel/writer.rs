//! Writes the archive: pg_dump's own head, then the data of each entry as one stream of pieces, then the places of the data into the head.

use super::flow::{Flow, Next, Packed};
use super::parts::{Ask, Job};
use super::sink::Sink;
use ml_common::{Class, Failure, Result, files};
use ml_dump::END_MARK;
use ml_dump::archive::{self, Archive, BLOCK_DATA, BLOCK_OBJECTS, int};
use ml_dump::compression::{Compression, Encoder, Sum};
use ml_dump::manifest::Segment;
use ml_dump::rows::{AllRows, Rows};
use std::io;
use std::path::Path;

/// The archive to be written.
pub struct Writing<'a> {
    /// Its head as pg_dump wrote it.
    pub head: Vec<u8>,
    /// What that says.
    pub archive: &'a Archive,
    /// How the data is compressed.
    pub compression: Compression,
    /// What is written.
    pub jobs: &'a [Job],
    /// Where the pieces come from.
    pub flow: &'a Flow<'a>,
    /// Where to.
    pub out: &'a mut dyn Sink,
    /// The file's name, for failures.
    pub path: &'a Path,
    /// Told the size as text of what has been written.
    pub progress: &'a dyn Fn(u64),
}

/// Stopped by somebody else, who knows why.
struct Stopped;

enum End {
    Stopped,
    Failed(Failure),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> End {
        End::Stopped
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        End::Failed(failure)
    }
}

impl Writing<'_> {
    /// Writes all of it; gives the rows written, when nothing has stopped it. A failure of its own stops everything else.
    pub fn run(mut self) -> Option<AllRows> {
        match self.all() {
            Ok(rows) => Some(rows),
            Err(End::Stopped) => None,
            Err(End::Failed(failure)) => {
                self.flow.stop(failure);
                None
            }
        }
    }

    fn all(&mut self) -> Result<AllRows, End> {
        let mut places: Vec<(usize, u64)> = Vec::new();
        self.patch(&[])?;
        let head = std::mem::take(&mut self.head);
        let mut at = 0;
        self.put(&head, &mut at)?;
        self.head = head;
        let mut encoder = Encoder::new(self.compression)?;
        let mut tables: Vec<(String, Rows)> = Vec::new();
        let mut part = 0;
        let jobs = self.jobs;
        for job in jobs {
            places.push((job.entry, at));
            let id = self.archive.entries.get(job.entry).map(|entry| entry.id).unwrap_or_default();
            match &job.ask {
                Ask::Rows { copy, .. } => {
                    self.put(&[BLOCK_DATA], &mut at)?;
                    self.put(&int(id), &mut at)?;
                    let mut rows = Rows { columns: copy.columns.clone(), ..Rows::default() };
                    self.rows(job, &mut encoder, &mut part, &mut rows, &mut at)?;
                    tables.push((copy.shown(), rows));
                }
                Ask::Objects(_) => {
                    self.put(&[BLOCK_OBJECTS], &mut at)?;
                    self.put(&int(id), &mut at)?;
                    self.pieces(job, &mut part, &mut at, |writing, packed, at| writing.put(&packed.bytes, at))?;
                }
            }
            self.put(&int(0), &mut at)?;
        }
        self.patch(&places)?;
        let head = std::mem::take(&mut self.head);
        let sought =
            self.out.rewrite_head(&head).and_then(|sought| self.out.flush().map(|()| sought)).map_err(|error| self.failed(&error))?;
        let mut all = AllRows::default();
        for (name, mut rows) in tables {
            if !sought {
                rows.segments.clear();
            }
            all.add(name, rows);
        }
        Ok(all)
    }

    /// The rows of a table: one stream, however many pieces.
    fn rows(&mut self, job: &Job, encoder: &mut Encoder, part: &mut u64, rows: &mut Rows, at: &mut u64) -> Result<(), End> {
        self.chunk(encoder.begin(), at)?;
        let mut sum = Sum::default();
        self.pieces(job, part, at, |writing, packed, at| {
            sum.add(packed.sum);
            rows.print.add(packed.print);
            rows.copy_bytes += packed.sum.bytes;
            let (offset, bytes) = (*at + int(0).len() as u64, packed.bytes.len() as u64);
            let segment = Segment { offset, bytes, copy_bytes: packed.sum.bytes, rows: packed.print.rows(), sha256: packed.sha256.clone() };
            rows.segments.push(segment);
            writing.chunk(&packed.bytes, at)
        })?;
        let last = encoder.end(END_MARK, sum)?;
        self.chunk(&last, at)
    }

    /// Hands the pieces of all parts of a job to `each`, in order.
    fn pieces(
        &mut self,
        job: &Job,
        part: &mut u64,
        at: &mut u64,
        mut each: impl FnMut(&mut Self, &Packed, &mut u64) -> Result<(), End>,
    ) -> Result<(), End> {
        for _ in 0..job.parts {
            let mut number = 0;
            while let Next::Piece(packed) = self.flow.next((*part, number)).ok_or(Stopped)? {
                each(self, &packed, at)?;
                self.flow.written(*part, packed.bytes.len());
                (self.progress)(packed.sum.bytes);
                number += 1;
            }
            self.flow.advance();
            *part += 1;
        }
        Ok(())
    }

    fn patch(&mut self, places: &[(usize, u64)]) -> Result<(), End> {
        let done = archive::patch(&mut self.head, self.archive, self.compression.name(), places);
        if done { Ok(()) } else { Err(Failure::new(Class::Internal, "the head of the archive cannot be patched").into()) }
    }

    fn chunk(&mut self, bytes: &[u8], at: &mut u64) -> Result<(), End> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = i32::try_from(bytes.len())
            .map_err(|_| Failure::new(Class::Internal, "a row is larger than an archive can hold in one piece"))?;
        self.put(&int(length), at)?;
        self.put(bytes, at)
    }

    fn put(&mut self, bytes: &[u8], at: &mut u64) -> Result<(), End> {
        *at += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> End {
        End::Failed(files::storage(error, self.path, "cannot write"))
    }
}
