//! Dumps encrypted to age recipients (<https://age-encryption.org>): written and read as streams, so that no plain text is ever on a disk.
//!
//! The stock `age` program opens such a file; nobody needs this code to get the data back, only the identity.

use age::x25519::{Identity, Recipient};
use ml_common::settings::Settings;
use ml_common::{Class, Failure, OrFail, Result, files};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::str::FromStr;

/// What an encrypted file's name ends with.
pub const SUFFIX: &str = ".age";

/// The value of [`crate::Manifest::encryption`].
pub const AGE: &str = "age";

/// What every such file begins with.
const MAGIC: &[u8] = b"age-encryption.org/";

/// The recipients that the settings name, if any: BACKUP_AGE_RECIPIENTS and BACKUP_AGE_RECIPIENTS_FILE together.
///
/// # Errors
/// Class Config when one of them is of no use.
pub fn recipients(settings: &Settings) -> Result<Option<Recipients>> {
    let listed = settings.get("BACKUP_AGE_RECIPIENTS").map(|list| Recipients::parse(list, "BACKUP_AGE_RECIPIENTS")).transpose()?;
    let kept = settings.path_if_set("BACKUP_AGE_RECIPIENTS_FILE").map(|path| Recipients::read(&path)).transpose()?;
    Ok(match (listed, kept) {
        (Some(mut listed), Some(kept)) => {
            listed.0.extend(kept.0);
            Some(listed)
        }
        (listed, kept) => listed.or(kept),
    })
}

/// A list of recipients or identities is a page.
const LARGEST: u64 = 1 << 20;

/// Who can read what is written: public keys.
#[derive(Clone)]
pub struct Recipients(Vec<Recipient>);

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recipients", self.0.len())
    }
}

impl Recipients {
    /// Reads `age1...` keys, separated by commas or white space; `#` begins a comment to the end of its line.
    ///
    /// # Errors
    /// Class Config when one is no such key, or there is none; `from` says where they stand.
    pub fn parse(text: &str, from: &str) -> Result<Recipients> {
        let hint = "give the public keys that age-keygen prints: age1...";
        let mut keys = Vec::new();
        for word in text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split([',', ' ', '\t', '\r'])) {
            if word.is_empty() {
                continue;
            }
            if word.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("AGE-SECRET-KEY-")) {
                return Err(Failure::new(Class::Config, format!("{from} holds a secret key where a public one belongs")).hint(hint));
            }
            let key = Recipient::from_str(word)
                .map_err(|why| Failure::new(Class::Config, format!("{from}: '{word}' is no age recipient: {why}")).hint(hint))?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Failure::new(Class::Config, format!("{from} names no age recipient")).hint(hint));
        }
        Ok(Recipients(keys))
    }

    /// The same from a file.
    ///
    /// # Errors
    /// Class Config when it cannot be read, and those of [`Recipients::parse`].
    pub fn read(path: &Path) -> Result<Recipients> {
        Recipients::parse(&text(path)?, &path.display().to_string())
    }

    /// A writer that encrypts into `output`. It must be finished, or the file is cut off.
    ///
    /// # Errors
    /// Class Storage when the head cannot be written.
    pub fn seal<W: Write>(&self, output: W) -> Result<Sealing<W>> {
        let encryptor = age::Encryptor::with_recipients(self.0.iter().map(|key| key as &dyn age::Recipient))
            .or_fail(Class::Config, || "encrypting to the age recipients")?;
        encryptor.wrap_output(output).map(Sealing).or_fail(Class::Storage, || "beginning the encrypted file")
    }
}

/// Encrypts what is written to it.
pub struct Sealing<W: Write>(age::stream::StreamWriter<W>);

impl<W: Write> Sealing<W> {
    /// Writes the end mark and gives the output back.
    ///
    /// # Errors
    /// As the output's.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a file is encrypted, by how it begins.
///
/// # Errors
/// Class Storage when it cannot be read.
pub fn is_sealed(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(|error| files::storage(&error, path, "cannot read"))?;
    let mut begin = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut begin).map_err(|error| files::storage(&error, path, "cannot read"))?;
    Ok(begin == MAGIC)
}

/// Opens a file for reading what is in it: one that is encrypted with the identity in that file, any other as it is. Every byte is
/// authenticated before it is given out, and an end that comes too early is an error of the reader.
///
/// # Errors
/// Class Config when it is encrypted and there is no identity, or not for this one, or the identity's file is of no use; Storage when it
/// cannot be read.
pub fn open(path: &Path, identity: Option<&Path>) -> Result<Box<dyn Read + Send>> {
    let sealed = is_sealed(path)?;
    let file = BufReader::with_capacity(1 << 18, File::open(path).map_err(|error| files::storage(&error, path, "cannot read"))?);
    if !sealed {
        return Ok(Box::new(file));
    }
    let Some(identity) = identity else {
        return Err(Failure::new(Class::Config, format!("{} is encrypted", path.display()))
            .hint("give --identity FILE or set BACKUP_AGE_IDENTITY_FILE to the file that age-keygen made"));
    };
    let keys = identities(identity)?;
    let unreadable = |error: age::DecryptError| match error {
        age::DecryptError::NoMatchingKeys => {
            Failure::new(Class::Config, format!("{} is encrypted, and not for the identity in {}", path.display(), identity.display()))
                .hint("give the identity of one of the recipients that it was encrypted for")
        }
        age::DecryptError::Io(error) => files::storage(&error, path, "cannot read"),
        other => Failure::new(Class::Storage, format!("{} cannot be decrypted: {other}", path.display()))
            .hint("the file is damaged or cut off; use another backup"),
    };
    let decryptor = age::Decryptor::new(file).map_err(unreadable)?;
    let reader = decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)).map_err(unreadable)?;
    Ok(Box::new(reader))
}

fn identities(path: &Path) -> Result<Vec<Identity>> {
    let wrong = |why: &str| {
        Failure::new(Class::Config, format!("{}: {why}", path.display()))
            .hint("name a file made by age-keygen, with AGE-SECRET-KEY-1... on a line of its own")
    };
    let mut keys = Vec::new();
    for line in text(path)?.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // Its text is a secret, whatever it is: it stands in no message.
        keys.push(Identity::from_str(line).map_err(|_| wrong("a line of it is no age identity"))?);
    }
    if keys.is_empty() { Err(wrong("there is no age identity in it")) } else { Ok(keys) }
}

fn text(path: &Path) -> Result<String> {
    let unreadable =
        |error: io::Error| Failure::new(Class::Config, format!("cannot read {}: {error}", path.display())).hint("check the path");
    let mut text = String::new();
    File::open(path).map_err(unreadable)?.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
