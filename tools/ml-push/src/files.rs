//! The files to send: each with what belongs to it, held against its manifest first, so that a damaged backup is never pushed.

use crate::cli::{Cli, Streamed};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, files};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// No manifest is longer.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// A file as it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Absolute.
    pub path: PathBuf,
    /// Its name there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// A dated piece of evidence, of which a newer one may take the place.
    pub proof: bool,
}

/// A file with what belongs to it, in the order in which they are sent: the file itself last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Never empty.
    pub files: Vec<Local>,
    /// Paths that an archive of files holds, by its manifest.
    pub inside: Vec<String>,
}

/// What of a manifest counts here, of a dump or of an archive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Head {
    format: u32,
    /// Of the file.
    pub sha256: String,
    /// Of the file.
    pub bytes: u64,
    /// What lies beside a dump.
    pub globals: Option<Beside>,
    files: Vec<Inside>,
}

/// Another file that belongs to a dump.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// Its name.
    pub file: String,
    /// Its hash.
    pub sha256: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Inside {
    path: String,
}

impl Head {
    /// A manifest's text; None when it is none.
    pub fn parse(text: &[u8]) -> Option<Head> {
        let head: Head = serde_json::from_slice(text).ok()?;
        (head.format > 0 && head.sha256.len() == 64).then_some(head)
    }

    /// The names of the files beside, as far as they are plain names.
    pub fn beside(&self) -> Vec<&Beside> {
        self.globals.iter().filter(|beside| is_plain(&beside.file)).collect()
    }
}

/// Whether a name from elsewhere is a name and nothing more.
pub fn is_plain(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
    !name.is_empty() && name != "." && name != ".." && !name.contains(odd)
}

/// `x.dump.json` of `x.dump`.
pub fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The groups to send, in the order of the call.
///
/// # Errors
/// Class Storage for a file that is missing or is not what manifest or stream say; Usage for two files of one name.
pub fn groups(cli: &Cli, stage: &Stage) -> Result<Vec<Group>> {
    let wanted: Vec<Streamed> = if cli.paths.is_empty() {
        cli.streamed.clone()
    } else {
        let streamed = |path: &PathBuf| Ok(Streamed { path: absolute(path)?, sha256: String::new(), host: stage.host().to_owned() });
        cli.paths.iter().map(streamed).collect::<Result<_>>()?
    };
    if let Some(far) = wanted.iter().find(|file| file.host != stage.host()) {
        let message = format!("{} was written on {}, and this is {}", far.path.display(), far.host, stage.host());
        return Err(Failure::new(Class::Storage, message).hint("run ml-push on the machine that writes the files"));
    }
    let mut groups = Vec::new();
    for file in &wanted {
        stage.cancel.check()?;
        groups.push(group(file)?);
    }
    // A companion that was also named by itself goes with its file alone.
    let companions: BTreeSet<PathBuf> =
        groups.iter().flat_map(|group| group.files[..group.files.len() - 1].iter().map(|file| file.path.clone())).collect();
    groups.retain(|group| group.files.len() > 1 || !companions.contains(&group.files[0].path));
    let mut seen = BTreeSet::new();
    for file in groups.iter().flat_map(|group| &group.files) {
        if !seen.insert(&file.name) {
            return Err(Failure::new(Class::Usage, format!("two files are named {}", file.name)).hint("push them to two folders"));
        }
    }
    Ok(groups)
}

fn group(wanted: &Streamed) -> Result<Group> {
    let main = local(&wanted.path)?;
    if !wanted.sha256.is_empty() && !wanted.sha256.eq_ignore_ascii_case(&main.sha256) {
        return Err(changed(&main.path, "other bytes than the stage upstream has just written"));
    }
    let manifest = with(&wanted.path, ".json");
    let Some(head) = read_manifest(&manifest)? else { return Ok(Group { files: vec![main], inside: Vec::new() }) };
    if (head.bytes, head.sha256.to_ascii_lowercase()) != (main.bytes, main.sha256.clone()) {
        return Err(changed(&main.path, "other bytes than its manifest says (SHA-256)"));
    }
    let mut files = Vec::new();
    for beside in head.beside() {
        let globals = local(&wanted.path.with_file_name(&beside.file))?;
        if !beside.sha256.is_empty() && !beside.sha256.eq_ignore_ascii_case(&globals.sha256) {
            return Err(changed(&globals.path, "other bytes than the manifest of its dump says (SHA-256)"));
        }
        files.push(globals);
    }
    let proof = with(&wanted.path, ".proof.json");
    if proof.is_file() {
        files.push(Local { proof: true, ..local(&proof)? });
    }
    files.push(local(&manifest)?);
    files.push(main);
    Ok(Group { files, inside: head.files.into_iter().map(|file| file.path).collect() })
}

/// The manifest of that path; None when there is none, or when the file is something else that happens to end so.
fn read_manifest(path: &Path) -> Result<Option<Head>> {
    let Some(text) = files::read_small(path, LARGEST_MANIFEST)? else { return Ok(None) };
    Ok(Head::parse(&text))
}

fn local(path: &Path) -> Result<Local> {
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_plain(name));
    let name = name.ok_or_else(|| Failure::new(Class::Usage, format!("{} cannot be the name of a file everywhere", path.display())))?;
    if path.is_dir() {
        return Err(
            Failure::new(Class::Usage, format!("{} is a folder", path.display())).hint("name files, or pack the folder with ml-archive")
        );
    }
    let (sha256, bytes) = files::sha256(path)?;
    Ok(Local { path: path.to_owned(), name: name.to_owned(), bytes, sha256, proof: false })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| files::storage(&error, path, "cannot use"))
}

fn changed(path: &Path, how: &str) -> Failure {
    Failure::new(Class::Storage, format!("{} has {how}", path.display()))
        .hint("it is damaged or was changed since; it was not pushed: look into it, and make a new backup")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn manifest(folder: &Path, name: &str, of: &Path, more: &str) {
        let (sha256, bytes) = files::sha256(of).unwrap();
        write(folder, name, &format!("{{\"format\":1,\"sha256\":\"{sha256}\",\"bytes\":{bytes}{more}}}"));
    }

    fn one(path: &Path) -> Result<Vec<String>> {
        let group = group(&Streamed { path: path.to_owned(), sha256: String::new(), host: String::new() })?;
        Ok(group.files.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn what_belongs_to_a_dump_goes_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let dump = write(folder.path(), "x.dump", "rows");
        assert_eq!(one(&dump).unwrap(), ["x.dump"]);
        write(folder.path(), "x.dump.json", "{\"not\": \"a manifest\"}");
        assert_eq!(one(&dump).unwrap(), ["x.dump"]);
        write(folder.path(), "x.globals.sql", "CREATE ROLE");
        write(folder.path(), "x.dump.proof.json", "{}");
        manifest(folder.path(), "x.dump.json", &dump, ",\"globals\":{\"file\":\"x.globals.sql\"}");
        assert_eq!(one(&dump).unwrap(), ["x.globals.sql", "x.dump.proof.json", "x.dump.json", "x.dump"]);
        manifest(folder.path(), "x.dump.json", &dump, ",\"globals\":{\"file\":\"../../etc/passwd\"}");
        assert_eq!(one(&dump).unwrap(), ["x.dump.proof.json", "x.dump.json", "x.dump"]);
    }

    #[test]
    fn what_is_not_as_its_manifest_says_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dump = write(folder.path(), "x.dump", "rows");
        manifest(folder.path(), "x.dump.json", &dump, "");
        write(folder.path(), "x.dump", "r0ws");
        assert!(one(&dump).unwrap_err().message.contains("manifest says"));
        let streamed = Streamed { path: dump, sha256: "00".repeat(32), host: String::new() };
        assert!(group(&streamed).unwrap_err().message.contains("upstream"));
    }

    #[test]
    fn names_are_names() {
        for bad in ["", ".", "..", "a/b", "a\\b", "c:x", "a\nb"] {
            assert!(!is_plain(bad), "{bad}");
        }
        assert!(is_plain(".env.age") && is_plain("a b"));
    }
}
