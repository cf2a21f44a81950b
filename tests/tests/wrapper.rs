//! The nightly wrapper by itself: its lock, its settings, its signals. The tools that work are stand-ins; no server is needed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

use ml_tests::{TempDir, Tool};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STAND_IN: &str = r#"#!/bin/sh
tool=$(basename "$0")
say() {
    printf '{"v":1,"kind":"%s","tool":"%s","stage":"%s.1","system":"lab","run":"%s","ts":"2025-01-08T02:00:00.000Z","host":"h","status":"ok"%s}\n' \
        "$1" "$tool" "$tool" "$ML_RUN" "$2"
}
say start ''
cat
say end ',"exit":0'
"#;

/// Waits for a signal, and says which. (A shell in the background cannot listen to INT; the tools can.)
const SLOW: &str = r#"#!/usr/bin/perl
$| = 1;
my $head = '{"v":1,"tool":"ml-backup","stage":"ml-backup.1","system":"lab","run":"' . $ENV{ML_RUN} . '","ts":"T","host":"h","status":"ok"';
sub note { open(my $file, ">", $ENV{SIGNALLED}); print $file @_; close $file }
print "$head,\"kind\":\"start\"}\n";
print while <STDIN>;
for my $signal ("INT", "TERM") {
    $SIG{$signal} = sub { note($signal); print "$head,\"kind\":\"end\",\"exit\":0}\n"; exit 0 };
}
note();
sleep 60;
"#;

struct Site {
    folder: TempDir,
    root: PathBuf,
}

impl Site {
    /// A folder whose name a shell could trip over.
    fn new(settings: &str) -> Site {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("o'dd \"n&me\" $x");
        std::fs::create_dir_all(root.join("config")).unwrap();
        std::fs::create_dir_all(root.join("b in")).unwrap();
        std::fs::write(root.join("config/nightly.env"), settings).unwrap();
        let site = Site { folder, root };
        for tool in ["ml-health", "ml-derive", "ml-export", "ml-backup", "ml-vacuum"] {
            site.script(tool, STAND_IN);
        }
        for tool in ["ml-alert", "ml-report"] {
            std::os::unix::fs::symlink(ml_tests::tool::bin_dir().join(tool), site.root.join("b in").join(tool)).unwrap();
        }
        site
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.root.join("b in").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn wrapper(&self) -> Tool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run-nightly.sh").canonicalize().unwrap();
        Tool::foreign(script)
            .arg("--config")
            .arg(self.root.join("config/nightly.env"))
            .env("ML_BIN", self.root.join("b in"))
            .env("PATH", "/usr/bin:/bin")
            .env("SIGNALLED", self.signalled())
    }

    fn signalled(&self) -> PathBuf {
        self.folder.path().join("signalled")
    }

    /// A lock that says that `pid` holds it.
    fn lock(&self, pid: u32) -> PathBuf {
        let lock = self.root.join("state/nightly.lock");
        std::fs::create_dir_all(&lock).unwrap();
        std::fs::write(lock.join("pid"), format!("{pid}\n")).unwrap();
        lock
    }
}

#[test]
fn a_night_in_an_odd_folder() {
    let site = Site::new("");
    let night = site.wrapper().run();
    assert_eq!(night.code, 0, "{}\n{}", night.stdout, night.stderr);
    for part in ["ml-vacuum   done", "ml-alert    all is well", "o'dd \"n&me\" $x/logs/nightly-"] {
        assert!(night.stdout.contains(part), "{part} is not in {}", night.stdout);
    }
    let mode = std::fs::metadata(site.root.join("state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "what waits in the state folder is the owner's alone");
    // Another one within the same second.
    for _ in 0..3 {
        let next = site.wrapper().arg("--quiet").run();
        assert_eq!((next.code, next.stdout.as_str(), next.stderr.as_str()), (0, "", ""));
    }
}

#[test]
fn settings_are_read_as_the_tools_read_them() {
    let site = Site::new("\u{feff}LOGS_DIR=my logs \t\r\nSTATE_DIR =st\r\n");
    let night = site.wrapper().run();
    assert_eq!(night.code, 0, "{}", night.stderr);
    let mut made: Vec<String> =
        std::fs::read_dir(&site.root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    made.sort();
    assert_eq!(made, ["b in", "config", "docs", "my logs", "st"]);
    // An empty variable hides the file, as with the tools.
    let night = site.wrapper().env("LOGS_DIR", "").run();
    assert!(night.code == 0 && site.root.join("logs").is_dir(), "{}", night.stderr);
}

#[test]
fn a_lock_left_by_a_crash_holds_nobody_up_for_long() {
    let site = Site::new("");
    // The test itself is alive, and no night.
    let lock = site.lock(std::process::id());
    assert_eq!(site.wrapper().run().code, 75);
    let old = std::time::SystemTime::now() - Duration::from_secs(4 * 3600);
    std::fs::File::open(&lock).unwrap().set_modified(old).unwrap();
    let night = site.wrapper().run();
    assert_eq!((night.code, lock.exists()), (0, false), "{}", night.stderr);
}

#[test]
fn whoever_comes_late_to_a_dead_lock_leaves_the_new_one_alone() {
    let site = Site::new("");
    let lock = site.lock(999_999_999);
    // In the moment between looking and renaming, another night takes over.
    site.script(
        "mv",
        &format!("#!/bin/sh\n[ -e \"$1.once\" ] || {{ : >\"$1.once\"; echo {} >\"$1/pid\"; }}\nexec /bin/mv \"$@\"\n", std::process::id()),
    );
    let late = site.wrapper().run();
    assert_eq!(late.code, 75, "{}", late.stderr);
    assert_eq!(std::fs::read_to_string(lock.join("pid")).unwrap().trim(), std::process::id().to_string());
}

#[test]
fn a_signal_to_the_wrapper_alone_reaches_the_tools() {
    for (signal, reached) in [(15, "TERM"), (2, "INT"), (1, "TERM")] {
        let site = Site::new("");
        site.script("ml-backup", SLOW);
        let running = site.wrapper().spawn();
        while !site.signalled().exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        running.signal(signal);
        let night = running.wait();
        assert_eq!(std::fs::read_to_string(site.signalled()).unwrap().trim(), reached, "signal {signal}");
        // ml-report was told, too, and its code is the night's.
        assert_eq!(night.code, if signal == 2 { 130 } else { 143 }, "signal {signal}: {}", night.stderr);
        assert!(!site.root.join("state/nightly.lock").exists());
    }
}

#[test]
fn in_a_short_night_the_last_stages_end_one_after_the_other() {
    let site = Site::new("");
    site.script("ml-vacuum", &STAND_IN.replace("cat\n", "cat\necho \"vacuum $*\" >&2\n"));
    let night = site.wrapper().env("NIGHT_DEADLINE", "10m").run();
    assert!(night.stderr.contains("--deadline 570s"), "{}", night.stderr);
}
