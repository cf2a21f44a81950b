//! Archives made by hand from the description of the format, and all that can be wrong with them.

use super::*;

struct Maker(Vec<u8>);

impl Maker {
    fn int(&mut self, value: i32) -> &mut Maker {
        self.0.push(u8::from(value < 0));
        self.0.extend(value.unsigned_abs().to_le_bytes());
        self
    }
    fn text(&mut self, text: &str) -> &mut Maker {
        self.int(i32::try_from(text.len()).unwrap());
        self.0.extend(text.as_bytes());
        self
    }
    fn none(&mut self) -> &mut Maker {
        self.int(-1)
    }
}

fn archive(minor: u8) -> Vec<u8> {
    let mut maker = Maker(b"PGDMP".to_vec());
    maker.0.extend([1, minor, 0, 4, 8, 1]);
    if minor >= 15 {
        maker.0.push(3);
    } else {
        maker.int(-1);
    }
    for _ in 0..7 {
        maker.int(1);
    }
    maker.text("ledger").text("15.18").text("15.18").int(2);
    let entries = [("ENCODING", "ENCODING", "SET client_encoding = 'UTF8';\n", ""), ("a b", "TABLE", "CREATE TABLE ...", "ml")];
    for (id, (tag, desc, defn, owner)) in (7..).zip(entries) {
        maker.int(id).int(0).text("0").text("0").text(tag).text(desc).int(2).text(defn).text("").none().text("public").none();
        if minor >= 14 {
            maker.text("heap");
        }
        if minor >= 16 {
            maker.int(114);
        }
        maker.text(owner).text("false").text("3").none();
        maker.0.extend([1; 9]);
    }
    maker.0
}

#[test]
fn every_version_is_read() {
    for (minor, compression, oldest) in [(12, "gzip", 9), (13, "gzip", 11), (14, "gzip", 12), (15, "zstd", 16), (16, "zstd", 17)] {
        let read = Archive::read(&archive(minor)[..]).unwrap();
        assert_eq!((read.version, read.compression, read.oldest_reader()), ((1, minor), compression, oldest));
        assert_eq!((read.database.as_str(), read.server.as_str(), read.encoding().as_deref()), ("ledger", "15.18", Some("UTF8")));
        let table = read.entry("TABLE").unwrap();
        assert_eq!((table.id, table.tag.as_str(), table.namespace.as_str()), (8, "a b", "public"));
        assert_eq!(read.owners(), ["ml"]);
        assert_eq!((table.has_data, table.oid, table.section, &table.dependencies[..]), (false, 0, 2, &[3][..]));
        assert_eq!((table.offset, read.head_bytes), (Offset::NotSet, archive(minor).len() as u64));
    }
}

#[test]
fn a_head_is_patched_in_place() {
    for (minor, compression) in [(14, "gzip"), (15, "gzip"), (16, "zstd"), (14, "none"), (16, "none")] {
        let mut bytes = archive(minor);
        if minor >= 15 {
            bytes[11] = 0;
        } else {
            bytes[11..16].copy_from_slice(&int(0));
        }
        bytes.extend(b"data");
        let (before, mut head) = Archive::read_raw(&bytes[..]).unwrap();
        assert_eq!((before.compression, head.len() + 4), ("none", bytes.len()));
        assert!(patch(&mut head, &before, compression, &[(1, 1 << 40)]));
        let after = Archive::read(&head[..]).unwrap();
        assert_eq!((after.compression, after.entries[1].offset), (compression, Offset::At(1 << 40)));
        let rest = |archive: &Archive| {
            let mut archive = archive.clone();
            archive.compression = "";
            archive.entries[1].offset = Offset::NoData;
            archive
        };
        assert_eq!(rest(&after), rest(&before));
    }
    let (fourteen, mut head) = Archive::read_raw(&archive(14)[..]).unwrap();
    assert!(!patch(&mut head, &fourteen, "gzip", &[]), "it is compressed already");
}

#[test]
fn a_cut_off_head_is_a_failure_of_storage() {
    let whole = archive(14);
    for end in 0..whole.len() {
        assert_eq!(Archive::read(&whole[..end]).unwrap_err().class, Class::Storage, "cut at {end}");
    }
}

#[test]
fn what_is_no_archive_is_told_what_it_looks_like() {
    let looks = |bytes: &[u8]| Archive::read(bytes).unwrap_err().message;
    assert!(looks(b"--\n-- PostgreSQL database dump").contains("plain SQL"));
    assert!(looks(&[0x1f, 0x8b, 8, 0, 0, 0]).contains("gzip"));
    assert!(looks(b"").contains("PGDMP"));
    assert!(looks(b"PGDMP\x01\x63\0\x04\x08\x01").contains("1.99 is not known"));
    assert!(looks(b"PGDMP\x01\x0e\0\x04\x08\x03").contains("custom format"));
}

#[test]
fn a_hostile_length_reserves_nothing() {
    let mut bytes = b"PGDMP\x01\x0e\0\x04\x08\x01".to_vec();
    let mut maker = Maker(Vec::new());
    for _ in 0..8 {
        maker.int(0);
    }
    maker.int(i32::MAX);
    bytes.extend(maker.0);
    assert_eq!(Archive::read(&bytes[..]).unwrap_err().class, Class::Storage);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let mut text = b"PGDMP\x01\x0e\0\x04\x08\x01".to_vec();
        text.extend(bytes);
        let _ = Archive::read(&text[..]);
    }

    #[test]
    fn any_flip_is_survived(at in 5usize..200, bit in 0u8..8) {
        let mut bytes = archive(14);
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        let _ = Archive::read(&bytes[..]);
    }
}
