//! Files that everybody may write.

use super::declare::{metric, param, required, unseen};
use super::{Args, Kind, Look, Opening, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::counted;
use ml_common::{Class, Failure, OrFail, Result};
use std::path::PathBuf;

/// `kind = "permissions"`.
pub static KIND: Kind = Kind {
    name: "permissions",
    doc: "Permissions below some folders. Links within them are not followed. Not on Windows, where permissions are access lists.",
    params: &[required("under", ParamKind::Texts, "the folders: [\"/app\", \"scripts\"]")],
    views: &[View {
        name: "world_writable",
        doc: "Files that everybody may write, and folders that everybody may put files in and take them out of.",
        params: &[param("name", ParamKind::Glob, Some("*"), "only files of such names: *.py")],
        metrics: &[
            metric("files", "", "how many files everybody may write"),
            metric("folders", "", "how many folders everybody may write, without those with the sticky bit, such as /tmp"),
            metric("looked_at", "", "how many files of such names there are"),
        ],
        named_by: None,
    }],
    open,
};

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let under: Vec<PathBuf> = args.texts("under").iter().map(|path| opening.root.join(path)).collect();
    if under.is_empty() {
        return Err(Failure::new(Class::Config, "under names no folder").hint("name one"));
    }
    Ok(Box::new(Permissions { under }))
}

struct Permissions {
    under: Vec<PathBuf>,
}

impl Probe for Permissions {
    fn take(&mut self, _: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        if !cfg!(unix) {
            return Err(Unseen::Absent("permissions are access lists on this system".into()));
        }
        let name = args.text("name").unwrap_or("*");
        let name = glob::Pattern::new(name).or_fail(Class::Config, || format!("{name} is no pattern of names"))?;
        self.walk(&name, look)
    }
}

impl Permissions {
    fn walk(&self, name: &glob::Pattern, look: &Look<'_>) -> Result<Sample, Unseen> {
        let mut seen = Seen::default();
        for top in &self.under {
            // The folder that was named is meant, also by a link.
            let meta = std::fs::metadata(top).map_err(|error| unseen(&error, top, "looking into"))?;
            seen.entry(top, &meta, name);
            let mut folders = if meta.is_dir() { vec![top.clone()] } else { Vec::new() };
            while let Some(folder) = folders.pop() {
                look.cancel.check()?;
                if std::time::Instant::now() >= look.until {
                    let failure = Failure::new(Class::General, format!("{} is too large to be walked through in time", top.display()));
                    return Err(failure.hint("allow the check more time, or name smaller folders").into());
                }
                let entries = match std::fs::read_dir(&folder) {
                    Ok(entries) => entries,
                    // It may be removed while we walk.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) => {
                        seen.closed.get_or_insert_with(|| unseen(&error, &folder, "looking into"));
                        continue;
                    }
                };
                for entry in entries.flatten() {
                    // Of the entry itself, not of what a link leads to.
                    let Ok(meta) = entry.metadata() else { continue };
                    seen.entry(&entry.path(), &meta, name);
                    if meta.is_dir() {
                        folders.push(entry.path());
                    }
                }
            }
        }
        seen.sample()
    }
}

#[derive(Default)]
struct Seen {
    files: usize,
    folders: usize,
    looked_at: usize,
    rows: Vec<String>,
    closed: Option<Unseen>,
}

impl Seen {
    fn entry(&mut self, path: &std::path::Path, meta: &std::fs::Metadata, name: &glob::Pattern) {
        const OTHERS_WRITE: u32 = 0o002;
        const STICKY: u32 = 0o1000;
        let Some(mode) = super::files::mode(meta) else { return };
        let named = name.matches(&path.file_name().unwrap_or_default().to_string_lossy());
        let is_open = mode & OTHERS_WRITE != 0;
        let counted = if meta.is_file() && named {
            self.looked_at += 1;
            is_open.then(|| self.files += 1)
        } else if meta.is_dir() {
            (is_open && mode & STICKY == 0).then(|| self.folders += 1)
        } else {
            None
        };
        if counted.is_some() && self.rows.len() < 10 {
            self.rows.push(format!("{} has mode {mode:o}", path.display()));
        }
    }

    fn sample(self) -> Result<Sample, Unseen> {
        let hidden = match self.closed {
            Some(Unseen::Privilege { what, hint }) => Some(format!("{what}: {hint}")),
            Some(other) => return Err(other),
            None => None,
        };
        let note = format!(
            "everybody may write {} of {} and {}",
            self.files,
            counted(self.looked_at as u64, "file"),
            counted(self.folders as u64, "folder")
        );
        let sample = Sample { rows: self.rows, note, hidden, ..Sample::default() };
        Ok(sample.with("files", self.files).with("folders", self.folders).with("looked_at", self.looked_at))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::probing::{Probing, text, texts};
    use super::*;
    use ml_common::record::Scalar;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_everybody_may_write_is_counted_and_shown() {
        let dir = tempfile::tempdir().unwrap();
        let set = |name: &str, mode: u32| {
            let path = dir.path().join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        std::fs::create_dir_all(dir.path().join("app/deep")).unwrap();
        std::fs::create_dir_all(dir.path().join("app/shared")).unwrap();
        for (name, mode) in [("app/a.py", 0o777), ("app/deep/b.py", 0o646), ("app/c.py", 0o664), ("app/d.txt", 0o666)] {
            std::fs::write(dir.path().join(name), "").unwrap();
            set(name, mode);
        }
        set("app/shared", 0o1777);
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("app/link.py")).unwrap();
        let mut probe = Probing::open(&KIND, &[("under", texts(&[dir.path().join("app").to_str().unwrap()]))]);
        let seen = probe.take("world_writable", &[("name", text("*.py"))]).unwrap();
        assert_eq!(
            (&seen.values["files"], &seen.values["looked_at"], &seen.values["folders"]),
            (&Scalar::Int(2), &Scalar::Int(3), &Scalar::Int(0))
        );
        assert_eq!(seen.rows.len(), 2, "{:?}", seen.rows);
        std::os::unix::fs::symlink("app", dir.path().join("current")).unwrap();
        let mut linked = Probing::open(&KIND, &[("under", texts(&[dir.path().join("current").to_str().unwrap()]))]);
        assert_eq!(linked.take("world_writable", &[("name", text("*.py"))]).unwrap().values, seen.values);
        set("app/deep", 0o777);
        let all = probe.take("world_writable", &[]).unwrap();
        assert_eq!((&all.values["files"], &all.values["folders"]), (&Scalar::Int(3), &Scalar::Int(1)));
    }
}
