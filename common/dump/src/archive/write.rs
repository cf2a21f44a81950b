//! What is written of an archive by ourselves: numbers, and the places of the data in a head that pg_dump made.

use super::Archive;

/// Before the rows of a table: this byte and the entry's number.
pub const BLOCK_DATA: u8 = 1;

/// Before large objects: this byte and the entry's number.
pub const BLOCK_OBJECTS: u8 = 3;

/// A number as archives hold it: a sign byte and four of magnitude, the lowest first.
pub fn int(value: i32) -> [u8; 5] {
    let [a, b, c, d] = value.unsigned_abs().to_le_bytes();
    [u8::from(value < 0), a, b, c, d]
}

/// Patches a head that pg_dump wrote without compression: names the compression of the data to come (`none`, `gzip` or `zstd`), and, of each
/// entry whose data's place is known, that place. The head keeps its size. False when it is of a form that cannot be patched.
pub fn patch(head: &mut [u8], archive: &Archive, compression: &str, places: &[(usize, u64)]) -> bool {
    // After `PGDMP`, three bytes of version, two of sizes and one of format.
    const COMPRESSION_AT: usize = 11;
    const OFFSET_SET: u8 = 2;
    if archive.int_size != 4 || archive.offset_size != 8 || archive.compression != "none" {
        return false;
    }
    let code: &[u8] = match (archive.version >= (1, 15), compression) {
        (true, "none") => &[0],
        (true, "gzip") => &[1],
        (true, "zstd") => &[3],
        (false, "none") => &int(0),
        // The level was not told: what pg_dump writes for its default.
        (false, "gzip") => &int(-1),
        _ => return false,
    };
    let mut put = |at: usize, bytes: &[u8]| match head.get_mut(at..at + bytes.len()) {
        Some(slot) => {
            slot.copy_from_slice(bytes);
            true
        }
        None => false,
    };
    let mut all = put(COMPRESSION_AT, code);
    for (entry, place) in places {
        let at = archive.entries.get(*entry).and_then(|entry| usize::try_from(entry.offset_at).ok());
        all &= at.is_some_and(|at| put(at, &[OFFSET_SET]) && put(at + 1, &place.to_le_bytes()));
    }
    all
}
