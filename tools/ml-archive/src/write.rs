//! The layers of an archive being written: compressed, perhaps encrypted, hashed, on disk.

use flate2::Compression;
use flate2::write::GzEncoder;
use ml_common::files::{Hashing, NewFile};
use ml_common::{Class, Failure, Result};
use ml_dump::sealed::{Recipients, Sealing};
use std::io::{self, Write};

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `.tar.gz`, `.tgz`.
    Gzip,
    /// `.tar.zst`.
    Zstd,
}

impl Packing {
    /// By the ending of a name, without `.age`.
    ///
    /// # Errors
    /// Class Config when the name has neither ending.
    pub fn of(name: &str) -> Result<Packing> {
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            Ok(Packing::Gzip)
        } else if name.ends_with(".tar.zst") {
            Ok(Packing::Zstd)
        } else {
            Err(Failure::new(Class::Config, format!("an archive cannot be named {name}")).hint("let the name end in .tar.gz or .tar.zst"))
        }
    }

    /// For manifests.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

type Disk = Hashing<NewFile>;

/// Perhaps encrypted.
pub enum Outer {
    Plain(Disk),
    Sealed(Box<Sealing<Disk>>),
}

impl Write for Outer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Outer::Plain(inner) => inner.write(bytes),
            Outer::Sealed(inner) => inner.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Outer::Plain(inner) => inner.flush(),
            Outer::Sealed(inner) => inner.flush(),
        }
    }
}

/// What a tar stream is written to.
pub enum Layers {
    Gzip(GzEncoder<Outer>),
    Zstd(zstd::Encoder<'static, Outer>),
}

impl Layers {
    /// # Errors
    /// Class Storage when the head cannot be written.
    pub fn new(file: NewFile, packing: Packing, recipients: Option<&Recipients>) -> Result<Layers> {
        let path = file.path().to_owned();
        let disk = Hashing::new(file);
        let outer = match recipients {
            Some(recipients) => Outer::Sealed(Box::new(recipients.seal(disk)?)),
            None => Outer::Plain(disk),
        };
        Ok(match packing {
            Packing::Gzip => Layers::Gzip(GzEncoder::new(outer, Compression::default())),
            Packing::Zstd => {
                let failed = |error| ml_common::files::storage(&error, &path, "cannot write");
                let mut encoder = zstd::Encoder::new(outer, 3).map_err(failed)?;
                // Without it, a flipped bit may go unseen.
                encoder.include_checksum(true).map_err(failed)?;
                Layers::Zstd(encoder)
            }
        })
    }

    /// Writes every layer's end; gives the file, its hash and its size.
    ///
    /// # Errors
    /// As the file's.
    pub fn finish(self) -> io::Result<(NewFile, String, u64)> {
        let outer = match self {
            Layers::Gzip(encoder) => encoder.finish()?,
            Layers::Zstd(encoder) => encoder.finish()?,
        };
        let mut disk = match outer {
            Outer::Plain(disk) => disk,
            Outer::Sealed(sealing) => sealing.finish()?,
        };
        disk.flush()?;
        Ok(disk.finish())
    }
}

impl Write for Layers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Layers::Gzip(inner) => inner.write(bytes),
            Layers::Zstd(inner) => inner.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Layers::Gzip(inner) => inner.flush(),
            Layers::Zstd(inner) => inner.flush(),
        }
    }
}
