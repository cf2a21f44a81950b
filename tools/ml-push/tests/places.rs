//! Git remotes, folders and commands; and what the stream names.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what a test cannot do fails it")]

mod common;

use common::{dump, names, noise};
use ml_tests::{Cluster, HttpStandIn, Pipeline, Response, TempDir, Tool};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn git(folder: &Path, args: &[&str]) -> String {
    let out = Tool::foreign("git").args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(args).cwd(folder).run().expect_code(0);
    out.stdout.trim().to_owned()
}

/// A bare repository with a branch `main` that holds a file of somebody else's.
fn remote() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    git(folder.path(), &["init", "-q", "--bare", "-b", "main", "r.git"]);
    git(folder.path(), &["clone", "-q", "r.git", "theirs"]);
    let theirs = folder.path().join("theirs");
    fs::create_dir(theirs.join("docs")).unwrap();
    fs::write(theirs.join("docs/README"), "theirs").unwrap();
    git(&theirs, &["add", "."]);
    git(&theirs, &["commit", "-qm", "first"]);
    git(&theirs, &["push", "-q", "origin", "HEAD:main"]);
    let url = format!("git+file://{}/r.git", folder.path().display());
    (folder, url)
}

fn base64(text: &str) -> String {
    let out = Tool::foreign("base64").arg("-w0").stdin(text).run().expect_code(0);
    out.stdout.trim().to_owned()
}

fn push(to: &str) -> Tool {
    Tool::new("ml-push").arg(to)
}

#[test]
fn a_git_remote_gets_one_commit_on_top_of_what_is_there() {
    let (folder, url) = remote();
    let (here, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bytes = noise(300_000, 1);
    let path = dump(here.path(), "mathledger-20250108-020000.dump", &bytes);
    let to = format!("{url}#:nightly/db");
    let out = push(&to).arg(&path).run().expect_code(0);
    assert_eq!(out.record("step", "push.mathledger-20250108-020000.dump")["labels"]["verified"], "object id");
    let bare = folder.path().join("r.git");
    assert_eq!(git(&bare, &["rev-list", "--count", "main"]), "2");
    let files = git(&bare, &["ls-tree", "-r", "--name-only", "main"]);
    assert!(files.contains("docs/README") && files.contains("nightly/db/mathledger-20250108-020000.dump.json"), "{files}");
    let again = push(&to).arg(&path).run().expect_code(0);
    assert!(again.kind("step").all(|step| step["status"] == "skipped"));
    assert_eq!(git(&bare, &["rev-list", "--count", "main"]), "2");
    push(&to).args(["--fetch", "latest", "--into"]).arg(back.path()).run().expect_code(0);
    assert_eq!(names(back.path()), names(here.path()));
    assert!(fs::read(back.path().join("mathledger-20250108-020000.dump")).unwrap() == bytes);
    dump(here.path(), "mathledger-20250108-020000.dump", b"other");
    let out = push(&to).arg(&path).run().expect_code(4);
    assert!(out.stderr.contains("ever overwritten"), "{}", out.stderr);
    assert_eq!(git(&bare, &["rev-list", "--count", "main"]), "2");
    // A branch of its own, and retention in it.
    let branch = format!("{url}#backups");
    fs::write(here.path().join("mathledger-20250108-020000.dump"), &bytes).unwrap();
    for day in ["01", "02"] {
        let path = dump(here.path(), &format!("mathledger-202001{day}-000000.dump"), day.as_bytes());
        push(&branch).arg(path).env("PUSH_RETENTION_DAYS", "30").run().expect_code(0);
    }
    let path = dump(here.path(), "mathledger-20200103-000000.dump", b"new");
    fs::remove_file(here.path().join("mathledger-20200103-000000.dump.proof.json")).unwrap();
    push(&branch).arg(path).env("PUSH_RETENTION_DAYS", "30").run().expect_code(0);
    let files = git(&bare, &["ls-tree", "-r", "--name-only", "backups"]);
    assert!(!files.contains("20200101") && files.contains("20200102") && files.contains("20200103-000000.dump"), "{files}");
}

#[test]
fn many_that_push_at_once_all_arrive() {
    let (folder, url) = remote();
    let here = TempDir::new().unwrap();
    let running: Vec<_> = (0..4)
        .map(|number| {
            let path = here.path().join(format!("file-{number}"));
            fs::write(&path, noise(50_000, number + 1)).unwrap();
            push(&url).arg(path).spawn()
        })
        .collect();
    for running in running {
        running.wait().expect_code(0);
    }
    let files = git(&folder.path().join("r.git"), &["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(files, "docs/README\nfile-0\nfile-1\nfile-2\nfile-3");
    assert_eq!(git(&folder.path().join("r.git"), &["rev-list", "--count", "main"]), "5");
    git(&folder.path().join("r.git"), &["fsck", "--strict"]);
}

#[test]
fn settings_enter_a_repository_only_encrypted() {
    let (folder, url) = remote();
    let here = TempDir::new().unwrap();
    let plain = here.path().join("nightly.env");
    fs::write(&plain, "BACKUP_DIR=/b\n").unwrap();
    let out = push(&url).arg(&plain).run().expect_code(64);
    assert!(out.stderr.contains("nightly.env is a settings file") && out.stderr.contains("encrypt it with age"), "{}", out.stderr);
    let hidden = here.path().join("notes.txt");
    fs::write(&hidden, "see\nAPI_TOKEN=abcdef\n").unwrap();
    push(&url).arg(&hidden).run().expect_code(64);
    assert_eq!(git(&folder.path().join("r.git"), &["rev-list", "--count", "main"]), "1");
    let sealed = here.path().join("nightly.env.age");
    fs::write(&sealed, "age-encryption.org/v1\n-> X25519 x\n").unwrap();
    push(&url).arg(&sealed).run().expect_code(0);
}

#[test]
fn credentials_of_a_remote_are_used_and_shown_nowhere() {
    let here = TempDir::new().unwrap();
    let path = here.path().join("a");
    fs::write(&path, "a").unwrap();
    let secret = ml_tests::random_word();
    let server = HttpStandIn::start(|_| Response::status(401).header("WWW-Authenticate", "Basic realm=\"git\""));
    let url = server.url("/r.git").replace("http://", &format!("git+http://me:{secret}@"));
    let on_the_line = push(&url).arg(&path).run().expect_code(64);
    assert!(on_the_line.stderr.contains("the process list would show it") && !on_the_line.stderr.contains(&secret));
    let out = Tool::new("ml-push").env("PUSH_TO", &url).arg("-").arg(&path).run().expect_code(4);
    assert!(out.stderr.contains("Authentication failed") && out.stderr.contains("PUSH_TO"), "{}", out.stderr);
    assert!(!out.stderr.contains(&secret) && !out.stdout.contains(&secret));
    let basic = format!("Basic {}", base64(&format!("me:{secret}")));
    let given = server.requests().iter().filter(|request| request.headers.get("authorization") == Some(&basic)).count();
    assert!(given > 0, "git got them from its helper");
    let missing = push("git+file:///nowhere/r.git").arg(&path).run().expect_code(4);
    assert!(missing.stderr.contains("make the repository there"), "{}", missing.stderr);
}

#[test]
fn a_folder_is_written_whole_or_not_at_all() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dump(here.path(), "x.dump", b"rows");
    let to = there.path().to_str().unwrap();
    let planned = push(to).arg(&path).arg("--dry-run").run().expect_code(0);
    assert!(planned.kind("step").all(|step| step["status"] == "planned") && names(there.path()).is_empty());
    push(to).arg(&path).run().expect_code(0);
    assert_eq!(names(there.path()), names(here.path()));
    let missing = there.path().join("not/mounted");
    let out = push(missing.to_str().unwrap()).arg(&path).run().expect_code(4);
    assert!(out.stderr.contains("is not there") && !missing.exists());
    // Damaged here: it does not go anywhere.
    fs::write(&path, "r0ws").unwrap();
    let out = push(to).arg(&path).run().expect_code(4);
    assert!(out.stderr.contains("other bytes than its manifest says"), "{}", out.stderr);
    match ml_tests::full_disk(64 << 10) {
        Ok(disk) => {
            let large = here.path().join("large");
            fs::write(&large, noise(200_000, 2)).unwrap();
            push(disk.path().to_str().unwrap()).arg(&large).run().expect_code(4);
            assert!(names(disk.path()).is_empty());
        }
        Err(reason) => ml_tests::skip!("{reason}"),
    }
}

#[test]
fn a_folder_s_copy_that_rots_is_not_brought_back() {
    let (here, there, back) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dump(here.path(), "x.dump", b"rows");
    let to = there.path().to_str().unwrap();
    push(to).arg(&path).run().expect_code(0);
    fs::write(there.path().join("x.dump"), "r0ws").unwrap();
    let out = push(to).args(["--fetch", "x.dump", "--into"]).arg(back.path()).run().expect_code(4);
    assert!(out.stderr.contains("other bytes than its manifest says"), "{}", out.stderr);
    assert!(names(back.path()).is_empty());
}

#[test]
fn a_command_gets_the_file_and_its_name() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dump(here.path(), "x y.dump", b"rows");
    let script = here.path().join("take");
    fs::write(&script, format!("#!/bin/sh\nset -e\ncat > {}/\"$PUSH_NAME\"\necho said\n", there.path().display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let to = format!("command:{}", script.display());
    push(&to).arg(&path).run().expect_code(0);
    assert_eq!(names(there.path()).len(), 4);
    assert_eq!(fs::read(there.path().join("x y.dump")).unwrap(), b"rows");
    let out = push("command:echo no room >&2; exit 3").arg(&path).run().expect_code(4);
    assert!(out.stderr.contains("no room") && out.kind("step").count() == 1, "{}", out.stderr);
}

#[test]
fn a_backup_goes_down_the_pipeline_and_elsewhere() {
    let db = Cluster::shared().database("pushed");
    ml_tests::ledger::second_generation(&mut db.client());
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (_folder, url) = remote();
    let backup = || Tool::new("ml-backup").env("DATABASE_URL", db.url()).env("BACKUP_DIR", here.path());
    let to = there.path().to_str().unwrap();
    let out = Pipeline::new().stage(backup()).stage(push(to)).stage(push(&url)).run();
    assert_eq!(out.codes, [0, 0, 0], "{}", out.last.stdout);
    let dumps: Vec<String> = names(there.path()).into_iter().filter(|name| name.ends_with(".dump")).collect();
    assert_eq!(dumps.len(), 1);
    assert_eq!(fs::read(there.path().join(&dumps[0])).unwrap(), fs::read(here.path().join(&dumps[0])).unwrap());
    assert!(there.path().join(format!("{}.json", dumps[0])).exists());
    // Exports, and a drill's evidence about a dump that is there already.
    let export = Tool::new("ml-export").env("DATABASE_URL", db.url()).env("EXPORTS_DIR", here.path().join("exports"));
    let more = TempDir::new().unwrap();
    let out = Pipeline::new().stage(export).stage(push(more.path().to_str().unwrap())).run();
    assert_eq!(out.codes, [0, 0], "{}", out.last.stdout);
    assert!(!names(more.path()).is_empty() && names(more.path()) == names(&here.path().join("exports")));
    let proof = format!("{}.proof.json", dumps[0]);
    fs::write(here.path().join(&proof), "{}").unwrap();
    push(to).arg(here.path().join(&dumps[0])).run().expect_code(0);
    assert!(there.path().join(&proof).exists());
    // A stage before that only plans makes this one plan.
    let before = names(there.path());
    let out = Pipeline::new().stage(backup().arg("--dry-run")).stage(push(to)).run();
    assert_eq!((out.codes, names(there.path())), (vec![0, 0], before));
}
