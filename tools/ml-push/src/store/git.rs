//! A git remote. Only trees and names are fetched, never the files that are there already; what is new is added as one commit on top of the
//! branch and pushed. When somebody else was faster, the same is done again on top of theirs.

use super::git_program::Program;
use super::{State, Store, There, conflict};
use crate::destination::Git;
use crate::files::Local;
use ml_common::files as disk;
use ml_common::signal::Cancel;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// So often somebody else may be faster.
const ATTEMPTS: u32 = 8;

/// An entry of the folder: the object's id, and its size where git knows it.
type Entries = BTreeMap<String, String>;

pub struct Repository<'a> {
    git: Program<'a>,
    branch: String,
    folder: String,
    shown: String,
    /// The commit that the branch is at; None when there is no such branch yet.
    head: Option<String>,
    entries: Entries,
    /// What the next commit changes: an object's id, or None for a removal.
    changes: BTreeMap<String, Option<Change>>,
    message: String,
    cancel: &'a Cancel,
}

#[derive(Clone, Debug)]
struct Change {
    id: String,
    /// What may be replaced.
    over: Option<String>,
}

impl<'a> Repository<'a> {
    /// Looks at the remote.
    ///
    /// # Errors
    /// Class Storage when it cannot be reached or refuses us, Config without git.
    pub fn open(destination: &Git, stage: &'a Stage) -> Result<Repository<'a>> {
        let git = Program::new(destination, &stage.cancel)?;
        let heads = git.ask(&["ls-remote", "--symref", "origin", "HEAD"], "asking")?;
        let default = heads.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.split_whitespace().next()).unwrap_or("main");
        let branch = destination.branch.clone().unwrap_or_else(|| default.to_owned());
        let shown = crate::destination::Destination::Git(destination.clone()).shown();
        let message = format!("{}: files of {}\n\nrun {} on {}", stage.tool, stage.system, stage.run, stage.host());
        let mut repository = Repository {
            git,
            branch,
            folder: destination.folder.clone(),
            shown,
            head: None,
            entries: Entries::new(),
            changes: BTreeMap::new(),
            message,
            cancel: &stage.cancel,
        };
        repository.fetch()?;
        Ok(repository)
    }

    /// Takes the branch as it is now.
    fn fetch(&mut self) -> Result<()> {
        let name = format!("refs/heads/{}", self.branch);
        let listed = self.git.ask(&["ls-remote", "origin", &name], "asking")?;
        self.head = listed.split_whitespace().next().map(str::to_owned);
        self.entries.clear();
        if self.head.is_none() {
            return Ok(());
        }
        let spec = format!("+{name}:refs/remotes/origin/head");
        // A remote that cannot leave the contents out sends them.
        self.git.ask(&["fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "origin", &spec], "fetching from")?;
        self.head = Some(self.git.ask(&["rev-parse", "refs/remotes/origin/head"], "reading")?.trim().to_owned());
        let tree = format!("refs/remotes/origin/head:{}", self.folder.trim_end_matches('/'));
        let (ended, out) = self.git.run(&["ls-tree", "-z", &tree], &[], Stdio::null())?;
        // Without the folder there is nothing in it.
        if ended.status.success() {
            let entry = |line: &str| {
                let (head, name) = line.split_once('\t')?;
                let mut words = head.split(' ');
                let (kind, id) = (words.nth(1)?, words.next()?);
                (kind == "blob").then(|| (name.to_owned(), id.to_owned()))
            };
            self.entries = out.split('\0').filter_map(entry).collect();
        }
        Ok(())
    }

    /// The id that git gives a file's content, whose object is written when `keep`.
    fn id(&self, file: &Local, keep: bool) -> Result<String> {
        let stdin = File::open(&file.path).map_err(|error| disk::storage(&error, &file.path, "cannot read"))?;
        let args: &[&str] =
            if keep { &["hash-object", "-w", "--no-filters", "--stdin"] } else { &["hash-object", "--no-filters", "--stdin"] };
        let (ended, out) = self.git.run(args, &[], Stdio::from(stdin))?;
        self.git.check(ended, "reading a file for")?;
        Ok(out.trim().to_owned())
    }

    /// The commit with all changes on top of the branch as we know it; None when nothing changes.
    fn commit(&self) -> Result<Option<String>> {
        let index = self.git.folder().join("index-of-push").display().to_string();
        let with_index = [("GIT_INDEX_FILE", index.as_str())];
        let run = |args: &[&str], doing: &str| -> Result<String> {
            let (ended, out) = self.git.run(args, &with_index, Stdio::null())?;
            self.git.check(ended, doing)?;
            Ok(out.trim().to_owned())
        };
        match &self.head {
            Some(head) => run(&["read-tree", head], "reading the branch of")?,
            None => run(&["read-tree", "--empty"], "preparing a branch for")?,
        };
        let mut lines = tempfile::tempfile().map_err(|error| disk::storage(&error, self.git.folder(), "cannot write in"))?;
        for (name, change) in &self.changes {
            let path = format!("{}{name}", self.folder);
            let line = match change {
                Some(change) => format!("100644 {}\t{path}\0", change.id),
                None => format!("0 {}\t{path}\0", "0".repeat(40)),
            };
            lines.write_all(line.as_bytes()).map_err(|error| disk::storage(&error, self.git.folder(), "cannot write in"))?;
        }
        std::io::Seek::rewind(&mut lines).map_err(|error| disk::storage(&error, self.git.folder(), "cannot read in"))?;
        let (ended, _) = self.git.run(&["update-index", "-z", "--index-info"], &with_index, Stdio::from(lines))?;
        self.git.check(ended, "preparing a commit for")?;
        // Trees of a partial clone lack the contents that stay as they are.
        let tree = run(&["write-tree", "--missing-ok"], "preparing a commit for")?;
        let mut args = vec!["commit-tree", &tree, "-m", &self.message];
        if let Some(head) = &self.head {
            if run(&["rev-parse", &format!("{head}^{{tree}}")], "reading the branch of")? == tree {
                return Ok(None);
            }
            args.extend(["-p", head]);
        }
        run(&args, "making a commit for").map(Some)
    }

    /// Whether what the changes rely on still holds, after others have pushed.
    fn still_fits(&mut self) -> Result<()> {
        let mut done = Vec::new();
        for (name, change) in &self.changes {
            match (change, self.entries.get(name)) {
                (Some(change), Some(there)) if change.id == *there => done.push(name.clone()),
                (Some(change), Some(there)) if change.over.as_ref() != Some(there) => {
                    return Err(conflict(name, &self.shown, "somebody pushed it a moment ago"));
                }
                (None, None) => done.push(name.clone()),
                _ => {}
            }
        }
        for name in done {
            self.changes.remove(&name);
        }
        Ok(())
    }
}

/// Somebody else was faster, by git's own words.
fn was_late(out: &str, said: &str) -> bool {
    ["[rejected]", "fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref", "stale info", "reference already exists"]
        .iter()
        .any(|word| out.contains(word) || said.contains(word))
        && !said.contains("hook declined")
}

impl Store for Repository<'_> {
    fn list(&mut self) -> Result<Vec<There>> {
        Ok(self.entries.keys().map(|name| There { name: name.clone(), bytes: None }).collect())
    }

    fn state(&mut self, file: &Local) -> Result<State> {
        let Some(there) = self.entries.get(&file.name) else { return Ok(State::Missing) };
        Ok(if self.id(file, false)? == *there { State::Same } else { State::Other("other bytes, by git's object ids".into()) })
    }

    fn put(&mut self, file: &Local, over: &State) -> Result<&'static str> {
        let id = self.id(file, true)?;
        let over = if matches!(over, State::Other(_)) { self.entries.get(&file.name).cloned() } else { None };
        self.changes.insert(file.name.clone(), Some(Change { id, over }));
        Ok("object id")
    }

    fn settle(&mut self) -> Result<()> {
        let target = format!("refs/heads/{}", self.branch);
        for attempt in 1..=ATTEMPTS {
            self.still_fits()?;
            let Some(commit) = (if self.changes.is_empty() { None } else { self.commit()? }) else { return Ok(()) };
            let (ended, out) = self.git.run(&["push", "--porcelain", "origin", &format!("{commit}:{target}")], &[], Stdio::null())?;
            if ended.status.success() {
                let now = self.git.ask(&["ls-remote", "origin", &target], "asking")?;
                log::info!("{} is at {}, pushed {commit}", self.branch, now.split_whitespace().next().unwrap_or("nothing"));
                self.changes.clear();
                return self.fetch();
            }
            if attempt == ATTEMPTS || !was_late(&out, &ended.stderr) {
                return self.git.check(ended, "pushing to");
            }
            self.cancel.sleep(Duration::from_millis(100 * u64::from(attempt) + u64::from(std::process::id() % 300)))?;
            self.fetch()?;
        }
        Err(Failure::new(Class::Internal, "pushing ended without a result"))
    }

    fn read(&mut self, name: &str, out: &mut dyn Write) -> Result<Option<()>> {
        let Some(id) = self.entries.get(name).cloned() else { return Ok(None) };
        // A partial clone fetches the one object that it lacks.
        let ended = self.git.stream(&["cat-file", "blob", &id], &[], Stdio::null(), |from| {
            std::io::copy(from, out).map(|_| ()).map_err(|error| disk::storage(&error, name.as_ref(), "cannot write"))
        })?;
        self.git.check(ended, "fetching from").map(Some)
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        self.changes.insert(name.to_owned(), None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::was_late;

    #[test]
    fn being_late_is_told_from_being_refused() {
        assert!(was_late("!\tabc:refs/heads/main\t[rejected] (fetch first)", ""));
        assert!(was_late("", "error: cannot lock ref 'refs/heads/main'"));
        assert!(!was_late("!\ta:b\t[remote rejected] (pre-receive hook declined)", "pre-receive hook declined"));
        assert!(!was_late("", "fatal: Authentication failed"));
    }
}
