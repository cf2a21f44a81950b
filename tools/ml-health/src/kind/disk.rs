//! Room on a disk. A probe is about one path, so that a mount that hangs costs the checks of this probe alone.

use super::declare::{metric, percent, required, unseen};
use super::{Args, Kind, Look, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::human_bytes;
use std::io;
use std::path::{Path, PathBuf};

/// `kind = "disk"`.
pub static KIND: Kind = Kind {
    name: "disk",
    doc: "The disk that a folder is on. A probe for each path: a mount that hangs then costs its own checks only.",
    params: &[required("path", ParamKind::Path, "a folder or file on it: /, /backups")],
    views: &[View {
        name: "space",
        doc: "How full it is, as df counts it: what only root may use is neither used nor free.",
        params: &[],
        metrics: &[
            metric("percent", "%", "how much of the room is used"),
            metric("used", "bytes", "room that is used"),
            metric("free", "bytes", "room that is free for everybody"),
            metric("total", "bytes", "used and free"),
            metric(
                "inodes_percent",
                "%",
                "how many of the files and folders that fit are there; not told by file systems without such a limit",
            ),
            metric("inodes_free", "", "how many more files and folders fit"),
        ],
        named_by: None,
    }],
    open: |args, _| Ok(Box::new(Disk { path: args.text("path").unwrap_or("/").into() }) as Box<dyn Probe>),
};

struct Disk {
    path: PathBuf,
}

/// Bytes used and free, and inodes: all and free.
struct Space {
    used: u64,
    free: u64,
    inodes: Option<(u64, u64)>,
}

impl Probe for Disk {
    fn take(&mut self, _: &str, _: &Args, _: &mut Look<'_>) -> Result<Sample, Unseen> {
        let space = space(&self.path).map_err(|error| unseen(&error, &self.path, "looking at the disk of"))?;
        let total = space.used + space.free;
        let full = percent(space.used as f64, total as f64);
        let note = format!("{full} % of {} is used, {} of {} are free", self.path.display(), human_bytes(space.free), human_bytes(total));
        let mut sample = Sample { note, ..Sample::default() }
            .with("percent", full)
            .with("used", space.used)
            .with("free", space.free)
            .with("total", total);
        if let Some((all, free)) = space.inodes.filter(|(all, _)| *all > 0) {
            sample = sample.with("inodes_percent", percent(all.saturating_sub(free) as f64, all as f64)).with("inodes_free", free);
        }
        Ok(sample)
    }
}

#[cfg(unix)]
fn space(path: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(path)?;
    let used = disk.f_blocks.saturating_sub(disk.f_bfree) * disk.f_frsize;
    Ok(Space { used, free: disk.f_bavail * disk.f_frsize, inodes: Some((disk.f_files, disk.f_favail)) })
}

#[cfg(not(unix))]
fn space(path: &Path) -> io::Result<Space> {
    let (free, total) = ml_common::files::disk_space(path).map_err(|failure| io::Error::other(failure.message))?;
    Ok(Space { used: total.saturating_sub(free), free, inodes: None })
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::probing::{Probing, text};
    use super::*;
    use ml_common::record::Scalar;

    #[test]
    fn it_counts_as_df_does() {
        let seen = Probing::open(&KIND, &[("path", text("/"))]).take("space", &[]).unwrap();
        let number = |name: &str| match seen.values[name] {
            Scalar::Int(whole) => whole as f64,
            Scalar::Float(float) => float,
            _ => panic!("{name}"),
        };
        assert_eq!(number("used") + number("free"), number("total"));
        assert!((number("percent") - number("used") / number("total") * 100.0).abs() < 0.001);
        let df = std::process::Command::new("df").args(["--output=pcent", "/"]).output().unwrap();
        let df = String::from_utf8(df.stdout).unwrap();
        let df: f64 = df.lines().nth(1).unwrap().trim().trim_end_matches('%').parse().unwrap();
        assert!((number("percent").ceil() - df).abs() <= 1.0, "df says {df}, we {}", number("percent"));
    }

    #[test]
    fn a_path_that_is_not_there_is_told() {
        let unseen = Probing::open(&KIND, &[("path", text("/nowhere/at/all"))]).take("space", &[]).unwrap_err();
        assert!(matches!(&unseen, Unseen::Failed(failure) if failure.message.contains("/nowhere/at/all")), "{unseen:?}");
    }
}
