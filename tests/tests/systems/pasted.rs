//! Every command of ours in docs/operations, as it is pasted there: it does its work, or says what it found; none is unknown or misused.

use crate::watched::Watched;
use ml_tests::tool::bin_dir;
use ml_tests::{Cluster, RedisServer, Response, TestDb, Tool, ledger};
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

/// A system with all that its commands touch: a database, a queue, files, a git repository, an archive and a backup.
fn system(profile: &'static str) -> (Watched, TestDb, RedisServer) {
    let db = Cluster::shared().database("pasted");
    ledger::second_generation(&mut db.client());
    db.client().batch_execute("CREATE TABLE experiments (id int PRIMARY KEY)").unwrap();
    let redis = RedisServer::start();
    let mut system = Watched::new(profile);
    system.service.set("/nothing/api/v2/alerts", Response::status(200));
    system.service.set("/health", Response::json(r#"{"status":"healthy","ready":true}"#));
    for (name, value) in [("DATABASE_URL", db.url()), ("REDIS_URL", redis.url()), ("BASE_URL", system.service.url(""))] {
        system.set(name, value);
    }
    for (name, path) in [("HEALTH_URL", "/health"), ("METRICS_URL", "/metrics"), ("APP_URL", ""), ("DASHBOARD_URL", "/health")] {
        let url = system.service.url(path);
        system.set(name, url);
    }
    for (name, value) in
        [("DISK_FREE_MIN_MB", "1"), ("ARCHIVE_PATHS", "export,config"), ("ARCHIVE_DIR", "backups"), ("BACKUP_DIR", "backups")]
    {
        system.set(name, value);
    }
    for (name, value) in [("DERIVE_STEPS", "1"), ("DERIVE_MAX_TOTAL", "5"), ("ALERT_ENABLED", "true"), ("APP_DIR", ".")] {
        system.set(name, value);
    }
    for path in ["NOTION_URL", "SUPABASE_URL", "GITHUB_URL", "PROMETHEUS_URL", "ALERTMANAGER_URL"] {
        let url = system.service.url("/nothing");
        system.set(path, url);
    }
    system.write("export/decisions.json", "[]");
    system.write(".env", "A=b\n");
    std::fs::create_dir_all(system.path().join("remote")).unwrap();
    system.set("PUSH_TO", system.path().join("remote").display().to_string());
    (system, db, redis)
}

/// Pastes a command; what stands for a name in the manual is a real one here.
fn paste(system: &Watched, command: &str, archive: &str, dump: &str, db: &TestDb) -> (i32, String) {
    let mut line = command.replace("ARCHIVE", archive).replace("NAME", archive.rsplit('/').next().unwrap_or_default());
    line = line.replace("/var/log/twzrd-*.log", "logs/*.jsonl");
    line = line.replace("FILE", dump).replace("/restored", "unpacked").replace(":5000", &format!(":{}", ml_tests::closed_port()));
    for name in ["mathledger", "causal_experiments"] {
        line = line.replace(&format!("--target {name}"), &format!("--target {}", db.name()));
    }
    // A watch ends when somebody says so.
    let ends = if line.contains("--watch") { "timeout -s INT 3" } else { "timeout 100" };
    let path = format!("{}:{}:/usr/bin:/bin", system.commands.path().display(), bin_dir().display());
    let shown = format!("{ends} bash -c {}", shell_word(&line));
    let output = Tool::foreign("bash").args(["-c", &shown]).env("PATH", path).cwd(system.path()).timeout(Duration::from_secs(120)).run();
    (output.code, format!("{line}\n{}\n{}", output.stdout, output.stderr))
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn newest(folder: &Path, end: &str) -> String {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    names.filter(|path| path.to_string_lossy().ends_with(end)).max().map(|path| path.display().to_string()).unwrap_or_default()
}

fn all_of(profile: &'static str) {
    let (system, db, _redis) = system(profile);
    system.settle();
    let run = |line: &str| paste(&system, line, "", "", &db);
    for line in ["ml-archive | ml-push", "ml-backup", "ml-health > first.jsonl; mkdir -p logs; cp first.jsonl logs/"] {
        let (code, text) = run(line);
        assert!(code == 0 || line.starts_with("ml-health"), "{code}: {text}");
    }
    let commands = commands(&format!("{profile}.md"));
    assert!(commands.len() > 10, "{commands:?}");
    let backups = system.path().join("backups");
    for command in commands {
        let (archive, dump) = (newest(&backups, ".tar.gz"), newest(&backups, ".dump"));
        let (code, text) = paste(&system, &command, &archive, &dump, &db);
        // 0 well, 1 a warning, 5 something critical was found, 130 and 124 the end of a watch; all else is a command that does not work.
        let good: &[i32] = if command.contains("--watch") { &[0, 1, 5, 124, 130] } else { &[0, 1, 5] };
        // Who restores in place of a database is asked, and here is nobody to answer.
        let asks = code == 64 && text.contains("cannot ask") && command.contains("--target");
        assert!(good.contains(&code) || asks, "{profile}: `{command}` ended with {code}: {text}");
    }
}

#[test]
fn mathledger() {
    all_of("mathledger");
}

#[test]
fn twzrd() {
    all_of("twzrd");
}

#[test]
fn angles() {
    all_of("angles");
}

#[test]
fn causal_gym() {
    all_of("causal-gym");
}

#[test]
fn logos_pxl() {
    all_of("logos-pxl");
}
