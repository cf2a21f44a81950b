//! Unpacks pieces that were compressed apart from each other, on several threads, and puts what they say together.

use super::Options;
use super::blocks::ROOM;
use crate::compression::Sum;
use crate::decode::{Decoder, Text, Told, damaged};
use crate::manifest::Segment;
use crate::rows::Rows;
use ml_common::files::hex;
use ml_common::{Class, Failure, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// A piece to unpack.
pub(super) struct Piece {
    /// Which entry of the contents it is of.
    pub entry: usize,
    /// Its place among that entry's.
    pub number: u32,
    /// Where in the file it begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How it is compressed; those of a zlib stream alone belong together.
    pub compression: &'static str,
}

/// What a piece was.
struct Unpacked {
    entry: usize,
    number: u32,
    told: Told,
    segment: Segment,
    sum: Sum,
    /// The sum at the end of a zlib stream, when this was its end.
    end: Option<u32>,
    gzip: bool,
}

/// Where pieces are put and results gathered.
pub(super) struct Pool {
    pieces: Mutex<Option<SyncSender<Piece>>>,
    results: Receiver<Result<Unpacked>>,
}

/// Threads beyond this would hold more memory than they save time: one reads and hashes for all.
const MOST: usize = 16;

/// Runs `work` with threads that unpack what it puts.
pub(super) fn with_pool<T>(options: &Options, work: impl FnOnce(&Pool) -> Result<T>) -> Result<T> {
    let jobs = options.jobs.clamp(1, MOST);
    let (put, take) = sync_channel::<Piece>(jobs);
    let (tell, results) = std::sync::mpsc::channel();
    let take = Mutex::new(take);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (take, tell) = (&take, tell.clone());
            scope.spawn(move || {
                let mut room = vec![0; ROOM];
                loop {
                    let piece = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(piece) = piece else { return };
                    let going = options.cancel.check();
                    if tell.send(going.and_then(|()| unpack(&piece, &mut room))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let pool = Pool { pieces: Mutex::new(Some(put)), results };
        let done = work(&pool);
        // The threads end with the channel.
        drop(pool);
        done
    })
}

impl Pool {
    /// Hands a piece over; waits while all threads are busy.
    pub(super) fn put(&self, piece: Piece) -> Result<()> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok());
        if sent { Ok(()) } else { Err(Failure::new(Class::Internal, "the threads that unpack have ended")) }
    }

    /// Waits for all pieces; gives the rows of each entry that had some.
    pub(super) fn finish(&self) -> Result<BTreeMap<usize, Rows>> {
        drop(self.pieces.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut entries: BTreeMap<usize, Vec<Unpacked>> = BTreeMap::new();
        for result in self.results.iter() {
            let piece = result?;
            entries.entry(piece.entry).or_default().push(piece);
        }
        entries.into_iter().map(|(entry, pieces)| Ok((entry, together(pieces)?))).collect()
    }
}

/// One table of its pieces: the last holds the end mark and, in a zlib stream, the sum of all.
fn together(mut pieces: Vec<Unpacked>) -> Result<Rows> {
    pieces.sort_by_key(|piece| piece.number);
    let (mut rows, mut sum) = (Rows::default(), Sum::default());
    let last = pieces.len().saturating_sub(1);
    for (i, piece) in pieces.into_iter().enumerate() {
        sum.add(piece.sum);
        if piece.told.marked != (i == last) {
            return Err(damaged("the rows of a table do not end with an end mark"));
        }
        if piece.gzip && piece.end.is_some() != (i == last) {
            return Err(damaged("the data of a table ends early or goes on after its end"));
        }
        if piece.end.is_some_and(|end| end != sum.adler) {
            return Err(damaged("the checksum of a table's data is wrong"));
        }
        rows.print.add(piece.told.print);
        rows.copy_bytes += piece.told.copy_bytes;
        if i != last {
            rows.segments.push(piece.segment);
        }
    }
    Ok(rows)
}

fn unpack(piece: &Piece, room: &mut [u8]) -> Result<Unpacked> {
    let (mut text, mut sum) = (Text::default(), Sum::default());
    let gzip = piece.compression == "gzip";
    let mut decoder = if gzip { Decoder::raw() } else { Decoder::new(piece.compression)? };
    let mut sink = |unpacked: &[u8]| {
        text.push(unpacked);
        sum.take(unpacked);
    };
    let rest = decoder.push(&piece.bytes, room, &mut sink)?;
    let end = match (gzip && decoder.ended(), rest) {
        (true, &[a, b, c, d]) => Some(u32::from_be_bytes([a, b, c, d])),
        (false, []) if gzip || decoder.ended() => None,
        _ => return Err(damaged("a piece of a table's data does not end where it should")),
    };
    // Whoever reads this piece alone must get all of it: the end of a sync flush.
    if gzip && end.is_none() && !piece.bytes.ends_with(&[0, 0, 0xff, 0xff]) {
        return Err(damaged("a piece of a table's data is cut off"));
    }
    let told = text.finish()?;
    let segment = Segment {
        offset: piece.offset,
        bytes: piece.bytes.len() as u64,
        copy_bytes: told.copy_bytes,
        rows: told.print.rows(),
        sha256: hex(&Sha256::digest(&piece.bytes)),
    };
    Ok(Unpacked { entry: piece.entry, number: piece.number, told, segment, sum, end, gzip })
}
