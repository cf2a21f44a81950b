//! Large objects: each a stream of its own within the one entry that holds them all.

use super::flow::{Flow, Packed, Part, SEGMENT};
use ml_common::Result;
use ml_dump::archive::int;
use ml_dump::compression::{Compression, Encoder, Sum};
use ml_dump::failed;
use postgres::Client;

/// So much of an object is asked for at once.
const PIECE: i32 = 1 << 20;

/// Objects asked for at once, of each up to a piece.
const BATCH: usize = 8;

const ALL: &str = "SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY 1";

const BEGINNINGS: &str = "SELECT asked.oid, pg_catalog.lo_get(asked.oid, 0, $2) FROM pg_catalog.unnest($1::pg_catalog.oid[]) \
    WITH ORDINALITY AS asked(oid, number) ORDER BY number";

const MORE: &str = "SELECT pg_catalog.lo_get($1, $2, $3)";

/// Copies these objects, or all; gives the number of pieces, or None when all has stopped.
///
/// # Errors
/// Class Database.
pub fn copy(client: &mut Client, flow: &Flow<'_>, part: Part, oids: Option<&[u32]>, compression: Compression) -> Result<Option<u32>> {
    let doing = || failed("reading the large objects");
    let oids: Vec<u32> = match oids {
        Some(oids) => oids.to_vec(),
        None => {
            let rows = client.query(ALL, &[]).map_err(doing())?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(doing())?
        }
    };
    let mut encoder = Encoder::new(compression)?;
    let Some(mut bytes) = flow.admit(part.number) else { return Ok(None) };
    let (mut pieces, mut size) = (0, 0);
    for batch in oids.chunks(BATCH) {
        for row in client.query(BEGINNINGS, &[&batch, &PIECE]).map_err(doing())? {
            let (oid, mut data): (u32, Vec<u8>) = (row.try_get(0).map_err(doing())?, row.try_get(1).map_err(doing())?);
            bytes.extend(int(oid.cast_signed()));
            chunk(&mut bytes, encoder.begin());
            let (mut sum, mut at) = (Sum::default(), 0i64);
            // One that is as large as was asked for goes on, perhaps.
            while data.len() == PIECE as usize {
                chunk(&mut bytes, &encoder.piece(&data)?);
                sum.take(&data);
                size += data.len() as u64;
                if bytes.len() >= SEGMENT {
                    flow.ready((part.number, pieces), Packed { bytes, sum: counted(&mut size), ..Packed::default() });
                    pieces += 1;
                    let Some(next) = flow.admit(part.number) else { return Ok(None) };
                    bytes = next;
                }
                at += i64::from(PIECE);
                data = client.query_one(MORE, &[&oid, &at, &PIECE]).and_then(|row| row.try_get(0)).map_err(doing())?;
            }
            size += data.len() as u64;
            chunk(&mut bytes, &encoder.end(&data, sum)?);
            bytes.extend(int(0));
            if bytes.len() >= SEGMENT {
                flow.ready((part.number, pieces), Packed { bytes, sum: counted(&mut size), ..Packed::default() });
                pieces += 1;
                let Some(next) = flow.admit(part.number) else { return Ok(None) };
                bytes = next;
            }
        }
    }
    if bytes.is_empty() {
        flow.nothing(part.number, bytes);
    } else {
        flow.ready((part.number, pieces), Packed { bytes, sum: counted(&mut size), ..Packed::default() });
        pieces += 1;
    }
    Ok(Some(pieces))
}

/// The size of what goes with a piece: for the progress alone, since objects have their checksums within.
fn counted(size: &mut u64) -> Sum {
    Sum { bytes: std::mem::take(size), ..Sum::default() }
}

fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    if let (Ok(length), false) = (i32::try_from(bytes.len()), bytes.is_empty()) {
        out.extend(int(length));
        out.extend_from_slice(bytes);
    }
}
