//! Every command of ours in docs/operations, as it is pasted there: it does its work, or says what it found; none is unknown or misused.

use crate::well::{Place, is_about_a_database, place};
use ml_tests::Tool;
use ml_tests::tool::bin_dir;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The commands in the tables of the manual: all in backticks that begin with one of our tools.
fn commands(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ")).map(|line| line.replace("\\|", "\u{1}"));
    let cells = rows.filter_map(|row| row.split('|').nth(2).map(|cell| cell.replace('\u{1}', "|")));
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    quoted.filter(|command| command.starts_with("ml-")).collect()
}

/// A command as it was pasted, and what came of it.
struct Pasted {
    line: String,
    code: i32,
    stdout: String,
    stderr: String,
}

/// Pastes a command; what stands for a name in the manual is a real one here.
fn paste(place: &Place, command: &str) -> Pasted {
    let (system, backups) = (&place.system, place.system.path().join("backups"));
    let (archive, dump) = (newest(&backups, ".tar.gz"), newest(&backups, ".dump"));
    let mut line = command.replace("ARCHIVE", &archive).replace("NAME", archive.rsplit('/').next().unwrap_or_default());
    line = line.replace("/var/log/twzrd-*.log", "logs/*.jsonl");
    line = line.replace("FILE", &dump).replace("/restored", "unpacked").replace(":5000", &format!(":{}", ml_tests::closed_port()));
    for name in ["mathledger", "causal_experiments"] {
        line = line.replace(&format!("--target {name}"), &format!("--target {}", place.db.name()));
    }
    // Nobody waits for an hour; a watch without an end ends when somebody says so.
    for minutes in ["5m", "60m"] {
        line = line.replace(&format!("--for {minutes}"), "--for 2s");
    }
    let ends = if line.contains("--watch") { "timeout --preserve-status -s INT 3" } else { "timeout 100" };
    let path = format!("{}:{}:/usr/bin:/bin", system.commands.path().display(), bin_dir().display());
    let shown = format!("{ends} bash -c {}", shell_word(&line));
    let output = Tool::foreign("bash").args(["-c", &shown]).env("PATH", path).cwd(system.path()).timeout(Duration::from_secs(120)).run();
    Pasted { line, code: output.code, stdout: output.stdout, stderr: output.stderr }
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn newest(folder: &Path, end: &str) -> String {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    names.filter(|path| path.to_string_lossy().ends_with(end)).max().map(|path| path.display().to_string()).unwrap_or_default()
}

/// A command that rightly ends otherwise than well where all is well.
struct Otherwise {
    /// Of which manual; empty is any.
    manual: &'static str,
    /// What stands in it, and what does not.
    parts: (&'static str, &'static [&'static str]),
    /// How it ends.
    code: i32,
    /// What it says.
    says: &'static str,
}

const OTHERWISE: [Otherwise; 3] = [
    // Who restores in place of a database is asked, and here is nobody to answer.
    Otherwise { manual: "", parts: ("--target ", &["--force", "--dry-run"]), code: 64, says: "cannot ask" },
    // A watch ends when somebody says so.
    Otherwise { manual: "", parts: ("--watch", &["--for"]), code: 130, says: "" },
    // The private server of the tests does without fsync.
    Otherwise { manual: "mathledger", parts: ("ml-health", &["--only", "--check-config"]), code: 1, says: "db.settings" },
];

/// Checks that cannot be made here, and what they say.
const SKIPPED: [(&str, &str); 5] = [
    // The server is other tests', too: their sessions come and go, and the role of this one may not look into them.
    ("", "skipped: privilege: "),
    (".trend", "insufficient history"),
    (".availability", "insufficient history"),
    ("tls.certificate", "TLS_HOST is not set"),
    ("week.slow-statements", "pg_stat_statements is not in the database"),
];

impl Pasted {
    /// Its exit, for what it says is the reason.
    fn ended_well(&self, profile: &str) {
        let is = |other: &&Otherwise| {
            let (has, lacks) = other.parts;
            (other.manual.is_empty() || other.manual == profile)
                && self.line.contains(has)
                && !lacks.iter().any(|part| self.line.contains(part))
        };
        let (code, says) = OTHERWISE.iter().find(is).map_or((0, ""), |other| (other.code, other.says));
        assert_eq!(self.code, code, "{profile}: {self}");
        let silent = self.line.contains(" > ");
        assert!(silent || format!("{}{}", self.stdout, self.stderr).contains(says), "{profile}: {says} is not said: {self}");
        if code == 0 {
            let (ended, said) = (self.records(), self.stderr.lines().filter(|line| !line.starts_with("ml-")).count());
            assert!(ended.iter().all(|record| record["kind"] != "end" || record["exit"] == 0), "{self}");
            assert!(said == 0 || self.line.contains("--verbose"), "{self}");
        }
    }

    fn records(&self) -> Vec<Value> {
        self.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Status, id and words of each check, from records or the table.
    fn checks(&self) -> Vec<(String, String, String)> {
        let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let records = self.records().into_iter().filter(|record| record["kind"] == "check");
        let records = records.map(|record| (text(&record, "status"), text(&record, "id"), text(&record, "summary")));
        let of_table = |line: &str| {
            let mut words = line.split_whitespace();
            let (status, tool, id) = (words.next()?, words.next()?, words.next()?);
            let known = ["ok", "warn", "crit", "unknown", "skipped"].contains(&status) && tool == "health";
            known.then(|| (status.to_owned(), id.to_owned(), words.collect::<Vec<_>>().join(" ")))
        };
        records.chain(self.stdout.lines().filter_map(of_table)).collect()
    }

    /// All that the row speaks of was looked at.
    fn looked_at_what_it_names(&self) {
        let words: Vec<&str> = self.line.split_whitespace().collect();
        let Some(names) = words.iter().position(|word| *word == "--only").and_then(|at| words.get(at + 1)) else { return };
        if !self.line.starts_with("ml-health") || self.line.contains(" > ") || self.line.contains("&&") {
            return;
        }
        let checks = self.checks();
        for name in names.split(',') {
            let below = format!("{name}.");
            assert!(checks.iter().any(|(_, id, _)| id == name || id.starts_with(&below)), "nothing is said of {name}: {self}");
        }
        for (status, id, words) in checks {
            let excused = SKIPPED.iter().any(|(of, why)| id.ends_with(of) && words.contains(why));
            assert!(status != "skipped" || excused, "{id} was not looked at: {words}: {self}");
        }
    }

    /// The files and folders that it says it makes are there, with something in them.
    fn made_what_it_names(&self, folder: &Path) {
        if self.line.contains("--dry-run") || self.code != 0 {
            return;
        }
        let words: Vec<&str> = self.line.split_whitespace().collect();
        let after = words.windows(2).filter(|pair| ["--to", "--into", ">", "--textfile"].contains(&pair[0])).map(|pair| pair[1]);
        let set = words.iter().filter_map(|word| word.strip_prefix("EXPORTS_DIR="));
        for name in after.chain(set).filter(|name| !name.contains("$(")) {
            let path = folder.join(name);
            let full = match path.is_dir() {
                true => std::fs::read_dir(&path).unwrap().count() > 0,
                false => std::fs::metadata(&path).is_ok_and(|file| file.len() > 0),
            };
            assert!(full, "{} is not there, or empty: {self}", path.display());
        }
        let others = [
            ("ml-trend ", "trend."),
            ("ml-archive verify", "as its manifest says"),
            ("ml-backup verify", "is as its manifest says"),
            ("ml-restore --scratch", "\"id\":\"verify.fingerprints\""),
            ("ml-alert test", "\"fate\":\"sent\""),
            ("--check-config &&", "config is fine"),
            ("check-config", "no mistake"),
        ];
        let promised = others.iter().find(|(part, _)| self.line.contains(part));
        assert!(promised.is_none_or(|(_, says)| self.stdout.contains(says) || self.line.ends_with("--check-config")), "{self}");
    }
}

impl std::fmt::Display for Pasted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ended with {}\n{}\n{}", self.line, self.code, self.stdout, self.stderr)
    }
}

/// The system of a profile with what its manual takes for given: an archive that was pushed, a backup that was proven, records of a day.
pub fn ready(profile: &'static str) -> Place {
    let place = place(profile);
    place.system.settle();
    let mut before = vec!["ml-archive | ml-push", "mkdir -p logs; ml-health | tee logs/first.jsonl"];
    if is_about_a_database(profile) {
        before.push("ml-backup && ml-restore --scratch latest");
    }
    for line in before {
        let done = paste(&place, line);
        assert_eq!(done.code, 0, "{done}");
    }
    place
}

fn all_of(profile: &'static str) {
    let place = ready(profile);
    let commands = commands(&format!("{profile}.md"));
    assert!(commands.len() > 10, "{commands:?}");
    let told = place.system.told().len();
    for command in commands {
        let done = paste(&place, &command);
        done.ended_well(profile);
        done.looked_at_what_it_names();
        done.made_what_it_names(place.system.path());
    }
    let told = place.system.told().split_off(told);
    let about =
        |text: &String| OTHERWISE.iter().any(|other| other.manual == profile && text.contains(other.says)) || text.contains("test alert");
    assert!(told.iter().all(about), "all is well, and somebody was told: {told:?}");
}

#[test]
fn of_mathledger() {
    all_of("mathledger");
}

#[test]
fn of_twzrd() {
    all_of("twzrd");
}

#[test]
fn of_angles() {
    all_of("angles");
}

#[test]
fn of_causal_gym() {
    all_of("causal-gym");
}

#[test]
fn of_logos_pxl() {
    all_of("logos-pxl");
}
