//! Archives made by hand: as ml-backup writes them and as pg_dump does; damaged in every way.

use super::*;
use crate::archive::{BLOCK_DATA, BLOCK_OBJECTS, int};
use crate::compression::{Compression, Encoder, Sum};
use crate::decode::END_MARK;
use std::collections::BTreeSet;

const ROWS: [&[u8]; 3] = [b"1\ta\n2\tb\n", b"3\tc\n", b"4\t\\\\.\n\n"];

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    out.extend(int(text.map_or(-1, |text| i32::try_from(text.len()).unwrap())));
    out.extend(text.unwrap_or_default().as_bytes());
}

fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.extend(int(i32::try_from(bytes.len()).unwrap()));
        out.extend(bytes);
    }
}

/// Head and contents: a table of number 7 and large objects of number 8.
fn head(compression: Compression) -> Vec<u8> {
    let mut out = b"PGDMP\x01\x0f\0\x04\x08\x01".to_vec();
    out.push(match compression {
        Compression::None => 0,
        Compression::Gzip(_) => 1,
        Compression::Zstd(_) => 3,
    });
    (0..7).for_each(|_| out.extend(int(1)));
    ["db", "16.0", "16.0"].iter().for_each(|name| text(&mut out, Some(name)));
    out.extend(int(2));
    for (id, desc, copy) in [(7, "TABLE DATA", Some("COPY public.t (a, b) FROM stdin;\n")), (8, "BLOBS", None)] {
        out.extend(int(id));
        out.extend(int(1));
        for field in ["0", "16400", "t", desc] {
            text(&mut out, Some(field));
        }
        out.extend(int(3));
        text(&mut out, None);
        text(&mut out, None);
        text(&mut out, copy);
        ["public", "", "heap", "ml", "false"].iter().for_each(|field| text(&mut out, Some(field)));
        text(&mut out, None);
        out.extend([1; 9]);
    }
    out
}

/// As ml-backup writes: each piece by itself. As pg_dump: one stream, cut anywhere.
fn archive(compression: Compression, ours: bool) -> Vec<u8> {
    let mut out = head(compression);
    out.push(BLOCK_DATA);
    out.extend(int(7));
    let mut encoder = Encoder::new(compression).unwrap();
    if ours {
        chunk(&mut out, encoder.begin());
        let mut sum = Sum::default();
        for rows in ROWS {
            chunk(&mut out, &encoder.piece(rows).unwrap());
            sum.add(Sum::of(rows));
        }
        chunk(&mut out, &encoder.end(END_MARK, sum).unwrap());
    } else {
        let whole = [&ROWS.concat(), END_MARK].concat();
        let stream = [encoder.begin(), &encoder.end(&whole, Sum::default()).unwrap()].concat();
        stream.chunks(9).for_each(|piece| chunk(&mut out, piece));
    }
    out.extend(int(0));
    out.push(BLOCK_OBJECTS);
    out.extend(int(8));
    for object in [&b"some bytes"[..], b""] {
        out.extend(int(16401));
        chunk(&mut out, encoder.begin());
        chunk(&mut out, &encoder.end(object, Sum::default()).unwrap());
        out.extend(int(0));
    }
    out.extend(int(0));
    out
}

fn checked(bytes: &[u8]) -> Result<Checked> {
    read(bytes, &Options { jobs: 3, ..Options::default() })
}

const ALL: [Compression; 3] = [Compression::None, Compression::Gzip(6), Compression::Zstd(3)];

#[test]
fn rows_and_large_objects_are_found_whoever_wrote_them() {
    let mut print = crate::Fingerprint::default();
    print.lines(&ROWS.concat());
    for compression in ALL {
        for ours in [true, false] {
            let bytes = archive(compression, ours);
            let checked = checked(&bytes).unwrap();
            let table = &checked.data["public.t"];
            assert_eq!((table.rows, table.fingerprint.clone(), table.copy_bytes), (5, print.to_string(), ROWS.concat().len() as u64));
            assert_eq!(table.columns, ["a", "b"]);
            let apart = ours && compression != Compression::None;
            assert_eq!(table.segments.len(), if apart { 3 } else { 0 }, "{compression} {ours}");
            assert_eq!((checked.tally.large_objects, checked.object_bytes, checked.bytes), (2, 10, bytes.len() as u64));
            for segment in &table.segments {
                let piece = &bytes[segment.offset as usize..(segment.offset + segment.bytes) as usize];
                assert_eq!(ml_common::files::hex(&<sha2::Sha256 as sha2::Digest>::digest(piece)), segment.sha256);
            }
        }
    }
}

#[test]
fn pieces_without_compression_are_those_that_the_manifest_names() {
    let bytes = archive(Compression::None, true);
    let first = bytes.windows(4).position(|window| window == b"1\ta\n").unwrap() as u64;
    let pieces = BTreeSet::from([first, first + 8 + 5, first + 8 + 5 + 4 + 5]);
    let checked = read(&bytes[..], &Options { jobs: 1, pieces: pieces.clone(), ..Options::default() }).unwrap();
    let found: BTreeSet<u64> = checked.data["public.t"].segments.iter().map(|segment| segment.offset).collect();
    assert_eq!(found, pieces);
}

#[test]
fn a_dump_cut_off_anywhere_is_damaged() {
    for compression in ALL {
        for ours in [true, false] {
            let bytes = archive(compression, ours);
            for end in 0..bytes.len() {
                let failure = checked(&bytes[..end]).unwrap_err();
                assert_eq!(failure.class, Class::Storage, "{compression} cut at {end}");
            }
            assert!(checked(&[&bytes[..], &[0]].concat()).is_err());
        }
    }
}

#[test]
fn every_flipped_bit_is_damage_or_another_hash_and_never_other_rows_in_silence() {
    for compression in ALL {
        let (bytes, data_at) = (archive(compression, true), head(compression).len());
        let whole = checked(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let Ok(found) = checked(&bytes) else { continue };
                assert_ne!(found.sha256, whole.sha256);
                let silent = at >= data_at && compression != Compression::None && found.differences(&whole.data).is_empty();
                // The number of a large object is under no checksum but the file's.
                assert!(!silent || found.tally.large_objects == 2, "{compression}: bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn differences_are_told() {
    let data = checked(&archive(Compression::Gzip(6), true)).unwrap().data;
    let told = |change: &dyn Fn(&mut BTreeMap<String, TableData>)| {
        let mut other = data.clone();
        change(&mut other);
        differences(&data, &other).join("; ")
    };
    assert_eq!(told(&|_| ()), "");
    assert_eq!(told(&|other| other.clear()), "the rows of public.t are missing");
    assert_eq!(told(&|other| drop(other.insert("x".into(), TableData::default()))), "the rows of x should not be there");
    let of = |change: &dyn Fn(&mut TableData)| told(&|other| change(other.get_mut("public.t").unwrap()));
    assert_eq!(of(&|table| table.fingerprint.clear()), "public.t has other rows");
    assert_eq!(of(&|table| table.columns.reverse()), "public.t has other columns");
    assert_eq!(of(&|table| table.segments[0].sha256.clear()), "the pieces of public.t are not those of the manifest");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(tail: Vec<u8>) {
        let _ = checked(&[head(Compression::Gzip(1)), tail].concat());
    }
}
