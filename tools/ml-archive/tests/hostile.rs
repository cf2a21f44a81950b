//! Archives that want out of the folder that they are unpacked into, as a program that is not ours writes them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::{TempDir, Tool};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// An entry as it stands in a header, whatever tar would say to it.
#[derive(Clone, Copy, Debug)]
struct Raw {
    path: &'static str,
    kind: EntryType,
    target: &'static str,
    mode: u32,
    body: &'static [u8],
}

const FILE: Raw = Raw { path: "file", kind: EntryType::Regular, target: "", mode: 0o644, body: b"body" };

fn write(folder: &Path, name: &str, entries: &[Raw]) -> PathBuf {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.body.len() as u64);
        let old = header.as_old_mut();
        old.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        old.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(entry.body);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn extract(archive: &Path, to: &Path) -> Tool {
    Tool::new("ml-archive").arg("--extract").arg(archive).arg("--to").arg(to)
}

fn empty(kind: EntryType, path: &'static str, target: &'static str) -> Raw {
    Raw { path, kind, target, body: b"", ..FILE }
}

#[test]
fn nothing_of_a_hostile_archive_is_written() {
    let folder = TempDir::new().unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    let link = |path, target| empty(EntryType::Symlink, path, target);
    let hard = |path, target| empty(EntryType::Link, path, target);
    let file = |path| Raw { path, ..FILE };
    let cases: Vec<(&str, Vec<Raw>)> = vec![
        ("up", vec![FILE, file("../outside/x")]),
        ("up-within", vec![FILE, file("a/../../outside/x")]),
        ("absolute", vec![FILE, file("/var/tmp/ml-archive-hostile")]),
        ("link-out", vec![FILE, link("l", "../outside")]),
        ("link-absolute", vec![FILE, link("l", "/etc")]),
        ("through-link", vec![FILE, link("l", "d"), file("l/x")]),
        ("down-and-up", vec![FILE, link("s", "."), link("l", "s/../../outside")]),
        ("link-then-file", vec![FILE, link("l", "file"), file("l")]),
        ("hard-out", vec![FILE, hard("h", "../outside/kept")]),
        ("hard-absolute", vec![FILE, hard("h", "/etc/passwd")]),
        ("hard-to-link", vec![FILE, link("l", "file"), hard("h", "l")]),
        ("device", vec![FILE, empty(EntryType::Char, "null", "")]),
        ("block", vec![FILE, empty(EntryType::Block, "sda", "")]),
        ("pipe", vec![FILE, empty(EntryType::Fifo, "p", "")]),
        ("twice", vec![FILE, FILE]),
        ("below-file", vec![FILE, file("file/x")]),
    ];
    for (name, entries) in cases {
        let archive = write(folder.path(), name, &entries);
        let to = folder.path().join(format!("to-{name}"));
        let out = extract(&archive, &to).run().expect_code(4);
        assert!(out.stderr.contains("is not unpacked") && !to.exists(), "{name}: {}", out.stderr);
        extract(&archive, &to).arg("--dry-run").run().expect_code(4);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert!(!Path::new("/var/tmp/ml-archive-hostile").exists());
}

/// Pieces of paths and targets that together make the usual tricks, and many that nobody has thought of.
const PIECES: [&str; 12] =
    ["a", "a/b", "a/b/c", ".", "..", "../a", "a/..", "../../outside/x", "/var/tmp/ml-archive-hostile", "b", "a/b/../../..", "b/x"];

fn anything() -> impl Strategy<Value = Raw> {
    let kinds = prop::sample::select(vec![EntryType::Regular, EntryType::Directory, EntryType::Symlink, EntryType::Link]);
    let piece = || prop::sample::select(PIECES.to_vec());
    (kinds, piece(), piece()).prop_map(|(kind, path, target)| match kind {
        EntryType::Regular => Raw { path, ..FILE },
        kind => empty(kind, path, target),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// What comes out lies in the folder, also when every link of it is followed.
    #[test]
    fn no_mixture_leads_out(entries in prop::collection::vec(anything(), 1..6)) {
        let folder = TempDir::new().unwrap();
        let (inner, outside) = (folder.path().join("deep/inner"), folder.path().join("deep/outside"));
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(&outside).unwrap();
        let archive = write(folder.path(), "x.tar", &entries);
        let to = inner.join("to");
        let code = extract(&archive, &to).run().code;
        prop_assert!(code == 0 || code == 4);
        prop_assert!(to.exists() == (code == 0));
        prop_assert!(fs::read_dir(&outside).unwrap().count() == 0 && fs::read_dir(&inner).unwrap().count() <= 1);
        prop_assert!(fs::read_dir(folder.path()).unwrap().count() == 2 && !Path::new("/var/tmp/ml-archive-hostile").exists());
        let (mut waiting, real) = (vec![to.clone()], fs::canonicalize(&to).unwrap_or_default());
        while let Some(path) = waiting.pop() {
            let Ok(meta) = path.symlink_metadata() else { continue };
            // A link to nothing leads nowhere.
            if let Ok(end) = fs::canonicalize(&path) {
                prop_assert!(end.starts_with(&real), "{} leads to {}", path.display(), end.display());
            }
            if meta.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }
}

#[test]
fn rights_beyond_the_usual_are_not_given() {
    let folder = TempDir::new().unwrap();
    let entries = [
        Raw { mode: 0o6755, ..FILE },
        Raw { path: "d", kind: EntryType::Directory, mode: 0o3777, body: b"", ..FILE },
        Raw { path: "d/closed", mode: 0o400, ..FILE },
    ];
    let archive = write(folder.path(), "setuid.tar", &entries);
    let to = folder.path().join("to");
    extract(&archive, &to).run().expect_code(0);
    let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("file"), mode("d"), mode("d/closed")), (0o755, 0o777, 0o400));
}

#[test]
fn a_second_name_becomes_a_copy() {
    let folder = TempDir::new().unwrap();
    let archive = write(folder.path(), "hard.tar", &[FILE, empty(EntryType::Link, "second", "file")]);
    let to = folder.path().join("to");
    extract(&archive, &to).run().expect_code(0);
    fs::write(to.join("file"), "changed").unwrap();
    assert_eq!(fs::read(to.join("second")).unwrap(), b"body");
}

#[test]
fn what_is_there_is_neither_overwritten_nor_followed() {
    let folder = TempDir::new().unwrap();
    let (to, outside) = (folder.path().join("to"), folder.path().join("outside"));
    fs::create_dir(&to).unwrap();
    fs::create_dir(&outside).unwrap();
    let archive = write(folder.path(), "x.tar", &[FILE, Raw { path: "d/x", ..FILE }]);
    std::os::unix::fs::symlink(&outside, to.join("d")).unwrap();
    let out = extract(&archive, &to).run().expect_code(4);
    assert!(out.stderr.contains("never overwritten"), "{}", out.stderr);
    assert!(!to.join("file").exists() && fs::read_dir(&outside).unwrap().count() == 0);
    fs::remove_file(to.join("d")).unwrap();
    fs::write(to.join("file"), "mine").unwrap();
    extract(&archive, &to).run().expect_code(4);
    assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "mine");
    fs::remove_file(to.join("file")).unwrap();
    extract(&archive, &to).run().expect_code(0);
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in [("empty", b"".as_slice()), ("text", b"hello, this is no archive".as_slice()), ("half-gzip", &[0x1f, 0x8b, 8, 0])]
    {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let to = folder.path().join("to");
        extract(&path, &to).run().expect_code(4);
        assert!(!to.exists(), "{name}");
    }
}
