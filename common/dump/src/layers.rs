//! What a dump lies in: encryption, compression, another encoding; and what it is underneath.
//!
//! Older scripts made dumps of all these forms, and they have to be checked and restored too.

use crate::sealed;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::read::MultiGzDecoder;
use ml_common::{Class, Failure, Result, files};
use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

/// What a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// pg_dump -Fc, and ml-backup.
    Custom,
    /// pg_dump -Ft.
    Tar,
    /// pg_dump -Fd.
    Folder,
    /// pg_dump -Fp: SQL for psql.
    Plain,
}

/// How its bytes are got at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    path: PathBuf,
    identity: Option<PathBuf>,
    /// What it is.
    pub form: Form,
    /// What it lies in, from the outside: `age`, `gzip`, `zstd`, `UTF-16`.
    pub around: Vec<&'static str>,
}

type Bytes = Box<dyn Read + Send>;

/// So much of the beginning tells all.
const HEAD: usize = 512;

/// Compressed twice is a mistake that happens; more is an attack.
const DEEPEST: usize = 4;

impl Layers {
    /// Looks at the beginning of a dump.
    ///
    /// # Errors
    /// Class Storage when it cannot be read or is no dump, Config when it is encrypted and there is no identity.
    pub fn of(path: &Path, identity: Option<PathBuf>) -> Result<Layers> {
        let mut layers = Layers { path: path.to_owned(), identity, form: Form::Custom, around: Vec::new() };
        if path.is_dir() {
            if !path.join("toc.dat").is_file() {
                return Err(Failure::new(Class::Storage, format!("{} is a folder", path.display()))
                    .hint("name a file made by ml-backup or pg_dump, or the folder that pg_dump -Fd made"));
            }
            layers.form = Form::Folder;
            return Ok(layers);
        }
        if sealed::is_sealed(path)? {
            layers.around.push(sealed::AGE);
        }
        let (mut head, mut bytes) = peeked(layers.outermost()?).map_err(|error| files::storage(&error, path, "cannot read"))?;
        while let Some(layer) = layer(&head).filter(|_| layers.around.len() < DEEPEST) {
            layers.around.push(layer);
            (head, bytes) = peeked(unpacked(layer, Box::new(bytes))?).map_err(|error| damaged(&error))?;
        }
        layers.form = form(&head).map_err(|what| {
            Failure::new(Class::Storage, format!("{}: not a dump that is known here: {what}", path.display()))
                .hint("name a file made by ml-backup or pg_dump (plain SQL, -Fc, -Ft or -Fd; also compressed with gzip or zstd)")
        })?;
        Ok(layers)
    }

    /// The dump itself, from its beginning.
    ///
    /// # Errors
    /// As [`Layers::of`].
    pub fn open(&self) -> Result<Bytes> {
        let inner = self.around.iter().filter(|layer| **layer != sealed::AGE);
        inner.copied().try_fold(self.outermost()?, |bytes, layer| unpacked(layer, bytes))
    }

    /// Whether the file is the dump itself, so that programs can seek in it.
    pub fn is_bare(&self) -> bool {
        self.around.is_empty()
    }

    fn outermost(&self) -> Result<Bytes> {
        if self.form == Form::Folder {
            let toc = self.path.join("toc.dat");
            return Ok(Box::new(BufReader::new(File::open(&toc).map_err(|error| files::storage(&error, &toc, "cannot read"))?)));
        }
        sealed::open(&self.path, self.identity.as_deref())
    }
}

fn damaged(error: &std::io::Error) -> Failure {
    Failure::new(Class::Storage, format!("the dump cannot be unpacked: {error}")).hint("the file is damaged or cut off; use another backup")
}

/// The beginning of a stream, and the stream from its beginning.
type Peeked = (Vec<u8>, Chain<Cursor<Vec<u8>>, Bytes>);

fn peeked(mut bytes: Bytes) -> std::io::Result<Peeked> {
    let mut head = Vec::new();
    bytes.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(bytes)))
}

fn layer(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

fn unpacked(layer: &str, bytes: Bytes) -> Result<Bytes> {
    Ok(match layer {
        "gzip" => Box::new(MultiGzDecoder::new(bytes)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).map_err(|error| damaged(&error))?),
        // The redirection of Windows PowerShell writes it, and ends lines as Windows does.
        _ => Box::new(Unix {
            bytes: DecodeReaderBytesBuilder::new().bom_override(true).build(bytes),
            ready: Vec::new(),
            given: 0,
            held: false,
        }),
    })
}

/// Leaves out each carriage return before a line feed.
#[derive(Default)]
struct Unix<R> {
    bytes: R,
    /// What can be given out, and how much of it was.
    ready: Vec<u8>,
    given: usize,
    /// A carriage return of which it is not known yet what follows.
    held: bool,
}

impl<R: Read> Read for Unix<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.given == self.ready.len() {
            let mut piece = [0; 1 << 14];
            let length = self.bytes.read(&mut piece)?;
            (self.given, self.ready) = (0, Vec::with_capacity(length + 1));
            for &byte in &piece[..length] {
                if std::mem::take(&mut self.held) && byte != b'\n' {
                    self.ready.push(b'\r');
                }
                if byte == b'\r' {
                    self.held = true;
                } else {
                    self.ready.push(byte);
                }
            }
            if length == 0 {
                if !std::mem::take(&mut self.held) {
                    return Ok(0);
                }
                self.ready.push(b'\r');
            }
        }
        let length = out.len().min(self.ready.len() - self.given);
        out[..length].copy_from_slice(&self.ready[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}

/// What a dump is by its beginning, or what it looks like.
fn form(head: &[u8]) -> Result<Form, String> {
    let tar = head.len() >= 262 && &head[257..262] == b"ustar";
    if head.starts_with(b"PGDMP") {
        return Ok(Form::Custom);
    }
    if tar && head.starts_with(b"toc.dat\0") {
        return Ok(Form::Tar);
    }
    if tar {
        return Err("it is a tar file of something else (ml-archive --extract unpacks it)".into());
    }
    let known = [(&b"BZh"[..], "bzip2"), (b"\xfd7zXZ", "xz"), (b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip"), (b"SQLite", "SQLite")];
    if let Some((_, name)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(format!("it is a {name} file; unpack it first"));
    }
    if head.is_empty() {
        return Err("it is empty".into());
    }
    // A text, its last character maybe cut.
    let text = head.iter().all(|byte| *byte >= b' ' || matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c));
    if text { Ok(Form::Plain) } else { Err("it does not begin with PGDMP, and is no text".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn layers(bytes: &[u8]) -> Result<(Layers, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        let layers = Layers::of(&path, None)?;
        let mut text = Vec::new();
        layers.open()?.read_to_end(&mut text).unwrap();
        Ok((layers, text))
    }

    #[test]
    fn what_a_dump_lies_in_is_found_and_taken_off() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"-- a\n").unwrap();
        let gzip = gzip.finish().unwrap();
        let both = zstd::stream::encode_all(gzip.as_slice(), 1).unwrap();
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("-- \u{fc}\r\n\r\r\n\rx\r".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let cases: [(&[u8], &[&str], &[u8]); 4] = [
            (b"-- a\n", &[], b"-- a\n"),
            (&gzip, &["gzip"], b"-- a\n"),
            (&both, &["zstd", "gzip"], b"-- a\n"),
            (&utf16, &["UTF-16"], "-- \u{fc}\n\r\n\rx\r".as_bytes()),
        ];
        for (bytes, around, text) in cases {
            let (layers, found) = layers(bytes).unwrap();
            assert_eq!((layers.around.as_slice(), layers.form, found.as_slice()), (around, Form::Plain, text));
        }
        assert_eq!(layers(b"PGDMP\x01").unwrap().0.form, Form::Custom);
    }

    #[test]
    fn what_is_no_dump_is_named() {
        for (bytes, said) in [(&b""[..], "empty"), (b"BZh91", "bzip2"), (b"\x00\x01", "PGDMP"), (b"\x1f\x8bxx", "unpacked")] {
            let failure = layers(bytes).unwrap_err();
            assert!(failure.message.contains(said) && failure.class == Class::Storage, "{failure}");
        }
    }

    proptest::proptest! {
        #[test]
        fn lines_end_as_on_unix_whatever_the_pieces(text in "[\r\na]{0,40}", size in 1usize..9) {
            let (mut unix, mut found, mut piece) = (Unix { bytes: text.as_bytes(), ..Unix::default() }, String::new(), vec![0; size]);
            loop {
                let length = unix.read(&mut piece).unwrap();
                if length == 0 {
                    break;
                }
                found.push_str(std::str::from_utf8(&piece[..length]).unwrap());
            }
            proptest::prop_assert_eq!(found, text.replace("\r\n", "\n"));
        }
    }
}
