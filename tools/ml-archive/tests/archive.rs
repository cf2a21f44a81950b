//! Packing, reading back, and what is kept; stock tar and age read the files.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::{Pipeline, TempDir, Tool};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The files of a system as the manual of one has them.
fn system() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        (".env", "SECRET=1\n"),
        ("docker-compose.prod.yml", "services: {}\n"),
        ("configs/a.yml", "a: 1\n"),
        ("configs/deep/er/grüße b.yml", "b\n"),
        ("logs/performance.json", "{}"),
        ("logs/x.log", "left out"),
        ("logs/archive/old.json", "left out"),
        ("empty", ""),
    ] {
        let path = folder.path().join("app").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let app = folder.path().join("app");
    fs::write(app.join("long"), "x".repeat(3_000_000)).unwrap();
    let deep = app.join("configs").join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f"), "deep").unwrap();
    fs::set_permissions(app.join("configs/a.yml"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("deep/er", app.join("configs/link")).unwrap();
    fs::create_dir(app.join("config")).unwrap();
    let settings = "SYSTEM=logos-pxl\nARCHIVE_PATHS=docker-compose.prod.yml, .env, configs/, logs/performance.json, logs, long, empty\n\
        ARCHIVE_EXCLUDES=logs/archive, *.log\nARCHIVE_DIR=../backups\n";
    fs::write(app.join("config/nightly.env"), settings).unwrap();
    folder
}

fn archive(system: &TempDir) -> Tool {
    Tool::new("ml-archive").arg("--config").arg(system.path().join("app/config/nightly.env"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every path below a folder, with its bytes, permissions or target.
fn tree(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut all, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = waiting.pop() {
        let meta = path.symlink_metadata().unwrap();
        let what = if meta.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if meta.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "folder".to_owned()
        } else {
            let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
            format!("{:o} {}", meta.permissions().mode() & 0o7777, &text[..text.len().min(40)])
        };
        all.push((path.strip_prefix(folder).unwrap().to_owned(), what));
    }
    all.sort();
    all
}

fn made(system: &TempDir) -> PathBuf {
    let folder = system.path().join("backups");
    let name = names(&folder).into_iter().find(|name| !name.ends_with(".json")).unwrap();
    folder.join(name)
}

#[test]
fn what_is_configured_is_packed_and_stock_tar_reads_it() {
    let system = system();
    let out = archive(&system).run().expect_code(0);
    let path = made(&system);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("logos-pxl-config_20") && name.len() == "logos-pxl-config_20251108_020000.tar.gz".len(), "{name}");
    let step = out.record("step", "archive");
    assert_eq!(fs::canonicalize(step["path"].as_str().unwrap()).unwrap(), path);
    assert_eq!(step["rows"], 8);
    let (sha256, bytes) = ml_common::files::sha256(&path).unwrap();
    assert_eq!((step["sha256"].as_str().unwrap(), step["bytes"].as_u64().unwrap()), (sha256.as_str(), bytes));
    let stock = TempDir::new().unwrap();
    Tool::foreign("tar").args(["-xpzf"]).arg(&path).arg("-C").arg(stock.path()).run().expect_code(0);
    let ours = TempDir::new().unwrap();
    let to = ours.path().join("new/folder");
    archive(&system).arg("--extract").arg(&path).arg("--to").arg(&to).run().expect_code(0);
    let (stock, ours) = (tree(stock.path()), tree(&to));
    assert_eq!(stock, ours);
    let paths: Vec<&str> = ours.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    assert!(paths.contains(&"configs/deep/er/grüße b.yml") && paths.contains(&".env") && !paths.contains(&"logs/x.log"), "{paths:?}");
    assert!(!paths.iter().any(|path| path.contains("archive")) && ours.contains(&("configs/link".into(), "-> deep/er".into())));
    archive(&system).arg("verify").run().expect_code(0);
    let listed = archive(&system).arg("--list").arg(&path).run().expect_code(0);
    assert_eq!(listed.record("step", "entry.configs/a.yml")["labels"]["mode"], "0640");
}

#[test]
fn zstd_and_names_of_one_s_own() {
    let system = system();
    let to = system.path().join("one/before upgrade.tar.zst");
    archive(&system).arg("-o").arg(&to).run().expect_code(0);
    assert!(
        names(to.parent().unwrap()) == ["before upgrade.tar.zst", "before upgrade.tar.zst.json"] && !system.path().join("backups").exists()
    );
    archive(&system).arg("verify").arg(&to).run().expect_code(0);
    let again = archive(&system).arg("-o").arg(&to).run().expect_code(4);
    assert!(again.stderr.contains("never replaced"), "{}", again.stderr);
    archive(&system).args(["-o", "x.zip"]).run().expect_code(78);
    archive(&system).env("ARCHIVE_NAME", "{system}.tar.gz").run().expect_code(78);
    let out = archive(&system).env("ARCHIVE_NAME", "{date}T{time}-of-{system}.tar.zst").run().expect_code(0);
    assert!(out.record("step", "archive")["path"].as_str().unwrap().ends_with("-of-logos-pxl.tar.zst"));
    assert_eq!(archive(&system).arg("/nowhere/file").run().expect_code(4).end()["error_class"], "storage");
    Tool::new("ml-archive").run().expect_code(64);
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let system = system();
    fs::remove_file(system.path().join("app/long")).unwrap();
    let small = |ending: &str| {
        let to = system.path().join(format!("x{ending}"));
        archive(&system).arg("-o").arg(&to).arg(system.path().join("app/configs")).run().expect_code(0);
        to
    };
    for path in [small(".tar.gz"), small(".tar.zst")] {
        let good = fs::read(&path).unwrap();
        let manifest = PathBuf::from(format!("{}.json", path.display()));
        let of_manifest = fs::read(&manifest).unwrap();
        let mut damaged = Vec::new();
        // With the manifest any bit is found by the hash; a few of each place will do.
        for number in 0..12 {
            let mut bytes = good.clone();
            let at = number * (good.len() - 1) / 11;
            bytes[at] ^= 1 << (number % 8);
            damaged.push((bytes, of_manifest.clone()));
            let mut text = of_manifest.clone();
            let at = number * (text.len() - 1) / 11;
            text[at] ^= 1;
            damaged.push((good.clone(), text));
        }
        damaged.push((good[..good.len() - 1].to_vec(), of_manifest.clone()));
        for (bytes, text) in damaged {
            fs::write(&path, &bytes).unwrap();
            fs::write(&manifest, text).unwrap();
            archive(&system).arg("verify").arg(&path).run().expect_code(4);
        }
        fs::write(&path, &good).unwrap();
        fs::remove_file(&manifest).unwrap();
        let alone = archive(&system).arg("verify").arg(&path).run().expect_code(1);
        assert!(alone.record("step", "verify")["summary"].as_str().unwrap().contains("no manifest"));
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        let cut = archive(&system).arg("verify").arg(&path).run().expect_code(4);
        assert!(cut.stderr.contains("cannot be read whole"), "{}", cut.stderr);
    }
}

#[test]
fn an_encrypted_archive_opens_with_the_stock_age() {
    if Tool::foreign("sh").args(["-c", "command -v age-keygen"]).run().code != 0 {
        ml_tests::skip!("age is not installed");
    }
    let system = system();
    let identity = system.path().join("identity");
    Tool::foreign("age-keygen").arg("-o").arg(&identity).run().expect_code(0);
    let public = Tool::foreign("age-keygen").arg("-y").arg(&identity).run().expect_code(0).stdout;
    let out = archive(&system).env("BACKUP_AGE_RECIPIENTS", public.trim()).run().expect_code(0);
    let path = made(&system);
    assert!(path.to_str().unwrap().ends_with(".tar.gz.age"));
    assert!(out.record("step", "verify")["summary"].as_str().unwrap().contains("only be read with the identity"));
    let script = "age -d -i \"$1\" \"$2\" | tar -tzf -";
    let listed = Tool::foreign("sh").args(["-c", script, "sh"]).arg(&identity).arg(&path).run().expect_code(0).stdout;
    assert!(listed.contains("configs/a.yml"), "{listed}");
    archive(&system).arg("verify").run().expect_code(0);
    let whole = archive(&system).arg("verify").arg("--identity").arg(&identity).run().expect_code(0);
    assert!(whole.record("step", "verify")["summary"].as_str().unwrap().contains("8 files as its manifest says"));
    let to = system.path().join("out");
    archive(&system).arg("--extract").arg(&path).arg("--to").arg(&to).run().expect_code(78);
    archive(&system).arg("--extract").arg(&path).arg("--to").arg(&to).arg("--identity").arg(&identity).run().expect_code(0);
    assert_eq!(fs::read_to_string(to.join(".env")).unwrap(), "SECRET=1\n");
}

#[test]
fn old_archives_go_and_the_newest_good_one_stays() {
    let system = system();
    let folder = system.path().join("backups");
    fs::create_dir(&folder).unwrap();
    let old = ["logos-pxl-config_20200101_020000.tar.gz", "logos-pxl-config_20200102_020000.tar.gz", "other-config_20200101_020000.tar.gz"];
    for name in old {
        fs::write(folder.join(name), "x").unwrap();
        fs::write(folder.join(format!("{name}.json")), "{}").unwrap();
    }
    let before = names(&folder);
    let dry = archive(&system).arg("--dry-run").run().expect_code(0);
    assert_eq!((dry.record("step", &format!("retention.{}", old[0]))["status"].as_str(), names(&folder)), (Some("planned"), before));
    archive(&system).env("ARCHIVE_RETENTION_DAYS", "0").run().expect_code(0);
    assert_eq!(names(&folder).len(), 8);
    let out = archive(&system).run().expect_code(0);
    assert_eq!(out.end()["metrics"]["removed"], 2);
    assert!(names(&folder).len() == 6 && folder.join(old[2]).exists());
}

#[test]
fn what_cannot_be_read_is_named_and_no_archive_is_made() {
    let system = system();
    let app = system.path().join("app");
    for path in [system.path(), &app] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(app.join(".env"), fs::Permissions::from_mode(0o000)).unwrap();
    let backups = system.path().join("backups");
    fs::create_dir(&backups).unwrap();
    fs::set_permissions(&backups, fs::Permissions::from_mode(0o777)).unwrap();
    let program = ml_tests::tool::bin_dir().join("ml-archive");
    let readable = TempDir::new_in("/var/tmp").unwrap();
    fs::set_permissions(readable.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(program, readable.path().join("ml-archive")).unwrap();
    let config = app.join("config/nightly.env");
    let out = Tool::foreign("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(readable.path().join("ml-archive"))
        .arg("--config")
        .arg(&config)
        .cwd("/")
        .run();
    if out.stderr.contains("setpriv:") {
        ml_tests::skip!("becoming another user needs root");
    }
    let out = out.expect_code(4);
    assert!(out.stderr.contains(".env: Permission denied") && out.stderr.contains("ARCHIVE_EXCLUDES"), "{}", out.stderr);
    assert!(names(&backups).is_empty());
}

#[test]
fn a_file_that_is_written_to_meanwhile_is_packed_and_named() {
    let system = system();
    let path = system.path().join("app/growing");
    fs::write(&path, vec![b'x'; 60 << 20]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let out = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"y").unwrap();
            }
        });
        let out = archive(&system).arg(&path).run();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        out
    });
    let out = out.expect_code(1);
    assert_eq!(out.record("step", "changed.growing")["status"], "warn");
    assert_eq!(out.record("step", "archive")["status"], "ok");
    archive(&system).arg("verify").run().expect_code(0);
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let system = system();
    let disk = match ml_tests::full_disk(64 << 10) {
        Ok(disk) => disk,
        Err(reason) => ml_tests::skip!("{reason}"),
    };
    let mut state = 7_u64;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    };
    let noise: String = (0..200_000).map(|_| letter()).collect();
    fs::write(system.path().join("app/noise"), noise).unwrap();
    let out = archive(&system).env("ARCHIVE_DIR", disk.path()).arg(system.path().join("app/noise")).run().expect_code(4);
    assert!(out.stderr.contains("free space") && names(disk.path()).is_empty(), "{}", out.stderr);
    let path = system.path().join("x.tar.gz");
    archive(&system).arg("-o").arg(&path).run().expect_code(0);
    let out = archive(&system).arg("--extract").arg(&path).arg("--to").arg(disk.path().join("out")).run().expect_code(4);
    assert!(out.stderr.contains("free") && names(disk.path()).is_empty(), "{}", out.stderr);
}

#[test]
fn it_goes_down_the_pipeline_to_another_place() {
    let (system, there) = (system(), TempDir::new().unwrap());
    let push = || Tool::new("ml-push").arg(there.path());
    let out = Pipeline::new().stage(archive(&system)).stage(push()).run();
    assert_eq!(out.codes, [0, 0], "{}", out.last.stderr);
    assert_eq!(names(there.path()), names(&system.path().join("backups")));
    // A repository keeps everything for good: settings enter it encrypted only.
    let bare = system.path().join("r.git");
    Tool::foreign("git").args(["init", "-q", "--bare"]).arg(&bare).run().expect_code(0);
    let to_git = Tool::new("ml-push").arg(format!("git+file://{}", bare.display()));
    let out = Pipeline::new().stage(archive(&system).env("ARCHIVE_NAME", "{system}-x_{date}_{time}.tar.gz")).stage(to_git).run();
    assert_eq!(out.codes, [0, 64]);
    assert!(out.last.stderr.contains("holds the settings file .env"), "{}", out.last.stderr);
}
