//! Angles AI Universe: outside APIs with their tokens and limits, the database, what the monitor wrote.

use crate::watched::{Watched, tells};
use ml_tests::{Cluster, Request, Response, Running, TestDb, Tool, closed_port, full_disk, random_word, skip};

const TOKEN: &str = "ntn_4f9a1b0c7d2e";

fn bearer(request: &Request) -> Response {
    match request.headers.get("authorization").is_some_and(|header| header == &format!("Bearer {TOKEN}")) {
        true => Response::json(r#"{"object":"user","resources":{"core":{"limit":5000,"remaining":4990}}}"#),
        false => Response::status(401).body("unauthorized"),
    }
}

/// A process with this command line.
fn process(line: &str) -> Running {
    Tool::foreign("bash").args(["-c", &format!("exec -a '{line}' sleep 100")]).spawn()
}

pub fn angles() -> (Watched, TestDb, [Running; 2]) {
    let db = Cluster::shared().database("angles");
    let mut system = Watched::new("angles");
    system.set("DATABASE_URL", db.url());
    for name in ["NOTION", "SUPABASE", "GITHUB"] {
        let path = format!("/{}", name.to_lowercase());
        system.set(&format!("{name}_URL"), system.service.url(&path));
        system.set(&format!("{name}_{}", if name == "SUPABASE" { "KEY" } else { "TOKEN" }), TOKEN);
        system.service.answer(&path, bearer);
    }
    system.set("DASHBOARD_URL", system.service.url("/health"));
    system.service.set("/health", Response::json(r#"{"status":"ok"}"#));
    system.write("logs/active/system_health.json", r#"{"cpu_percent": 31.5, "memory_percent": 64}"#);
    system.machine(0, 60, 1.0);
    system.write("export/decisions.json", "[]");
    system.write("backups/angles-config_20250108_020000.tar.gz", "x");
    system.chmod("backups/angles-config_20250108_020000.tar.gz", 0o600);
    system.write("logs/active/memory_sync.log", "began\n");
    system.write("logs/backup.log", "began\n");
    system.set("BACKUP_LOG", "logs/backup.log");
    system.write_rules_of_the_page(&["config/rotate.toml", "config/rotate-now.toml"]);
    system.set("ROTATE_RULES", "config/rotate.toml");
    system.write(".env", "NOTION_TOKEN=x");
    system.chmod(".env", 0o600);
    let words = [random_word(), random_word()];
    system.set("SCHEDULER", format!("python {}", words[0]));
    system.set("DASHBOARD", format!("python {}", words[1]));
    let services = words.map(|word| process(&format!("python {word}")));
    // The disk of the machine that tests is nobody's business.
    system.set("DISK", "/proc");
    (system, db, services)
}

#[test]
fn healthy_degraded_critical_and_absent() {
    let (mut system, _db, services) = angles();
    system.has_no_mistake();
    let seen = system.is("healthy", &[]);
    assert_eq!(seen.check("api.github-quota")["summary"], "4990 of 5000 requests left in this hour");
    assert!(!seen.records.iter().any(|record| record.to_string().contains(TOKEN)), "a token is shown");
    let asked = system.service.requests().into_iter().find(|request| request.path == "/notion").unwrap();
    assert_eq!(asked.headers["notion-version"], "2022-06-28");

    system.write("logs/active/system_health.json", r#"{"cpu_percent": 80, "memory_percent": 79.9}"#);
    system.service.set("/health", Response::status(503));
    system.is("degraded", &[("review.cpu", "warn"), ("dashboard", "warn")]);

    system.machine(0, 80, 1.0);
    system.chmod(".env", 0o644);
    std::fs::remove_file(system.path().join("export/decisions.json")).unwrap();
    drop(services);
    let gone =
        [("host.memory", "warn"), ("env.mode", "warn"), ("exports", "warn"), ("service.dashboard", "warn"), ("service.scheduler", "crit")];
    system.is("services that are gone", &[[("review.cpu", "warn"), ("dashboard", "warn")].as_slice(), gone.as_slice()].concat());
    system.machine(0, 79, 1.0);
    system.chmod(".env", 0o600);
    system.write("export/decisions.json", "[]");
    let words = [random_word(), random_word()];
    system.set("SCHEDULER", format!("python {}", words[0]));
    system.set("DASHBOARD", format!("python {}", words[1]));
    let _services = words.map(|word| process(&format!("python {word}")));
    // Ages are whole seconds, and nobody waits here: the one that ended was up for days.
    let state = system.path().join("state/health-angles.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let older = text.replace("\"oldest_age_s\":", "\"oldest_age_s\":500");
    assert_ne!(older, text, "the state has the age of the scheduler");
    std::fs::write(&state, older).unwrap();
    let restarted = [("review.cpu", "warn"), ("dashboard", "warn"), ("service.uptime", "warn")];
    system.is("a scheduler that was restarted", &restarted);

    let lines = "began\nsync failed\nGET /v1/users/me 401\nAuthorization: Bearer ntn_0123456789abcdefghijklmn\n";
    system.write("logs/active/memory_sync.log", lines);
    let logged = [("sync.success", "warn"), ("logs.authentication", "warn"), ("logs.secrets", "crit")];
    let seen = system.is("what the logs say", &[[("review.cpu", "warn"), ("dashboard", "warn")].as_slice(), logged.as_slice()].concat());
    assert!(!seen.records.iter().any(|record| record.to_string().contains("ntn_0123456789")), "the secret is shown");

    system.set("NOTION_TOKEN", "an-old-one");
    system.set("GITHUB_TOKEN", "an-old-one");
    let seen = system.is(
        "tokens that are not valid any more",
        &[("review.cpu", "warn"), ("dashboard", "warn"), ("api.notion", "crit"), ("api.github", "crit")],
    );
    assert!(seen.told.join("\n").contains("generate a new GitHub token"), "{:?}", seen.told);

    for name in ["NOTION_URL", "SUPABASE_URL", "GITHUB_URL", "DASHBOARD_URL"] {
        system.set(name, format!("http://127.0.0.1:{}", closed_port()));
    }
    system.set("DATABASE_URL", format!("postgresql://x:y@127.0.0.1:{}/x", closed_port()));
    let absent = [("review.cpu", "warn"), ("dashboard", "unknown"), ("database", "crit")];
    let apis = ["api.notion", "api.supabase", "api.github"].map(|id| (id, "crit"));
    system.is("absent", &[absent.as_slice(), apis.as_slice()].concat());
}

#[test]
fn no_api_is_asked_more_often_than_it_allows() {
    let (system, _db, _services) = angles();
    // Notion's limit is 3 a second: the fourth look of a second waits for its turn.
    for _ in 0..6 {
        assert_eq!(system.status("api.notion"), "ok");
    }
    assert_eq!(system.service.requests().len(), 6);
    let state = std::fs::read_to_string(system.path().join("state/health-angles.json")).unwrap();
    assert!(state.contains("due_ms"), "the limit is kept from run to run: {state}");
}

#[test]
fn what_is_not_set_is_skipped() {
    let mut system = Watched::new("angles");
    system.set("DASHBOARD_URL", system.service.url("/health"));
    system.service.set("/health", Response::status(200));
    let seen = system.look(&["--only", "api,database"]);
    for (id, name) in [("api.notion", "NOTION_TOKEN"), ("api.supabase", "SUPABASE_KEY, SUPABASE_URL"), ("database", "DATABASE_URL")] {
        let summary = seen.check(id)["summary"].as_str().unwrap();
        assert!(summary.starts_with(name) && summary.ends_with("not set"), "{id}: {summary}");
    }
    assert_eq!((seen.code, seen.told.len()), (0, 0));
}

const DAY: u64 = 86_400;

#[test]
fn every_threshold_is_the_guides() {
    let (mut system, _db, _services) = angles();
    for (memory, status) in [(79, "ok"), (80, "warn")] {
        system.machine(0, memory, 1.0);
        assert_eq!(system.status("host.memory"), status, "memory {memory}");
    }
    // Of a hundred ticks each time so many were busy since the look before.
    let (mut busy, mut idle) = (200, 1000);
    system.status("host.cpu");
    for (percent, status) in [(79, "ok"), (80, "warn"), (79, "ok")] {
        (busy, idle) = (busy + percent, idle + 100 - percent);
        let line = format!("{busy} 0 0 {idle} 0 0 0 0 0 0");
        system.write("machine/proc/stat", &format!("cpu {line}\ncpu0 {line}\n"));
        assert_eq!(system.status("host.cpu"), status, "CPU {percent}");
    }
    for (cpu, memory) in [(79.9, 79.9), (80.0, 80.0)] {
        system.write("logs/active/system_health.json", &format!("{{\"cpu_percent\": {cpu}, \"memory_percent\": {memory}}}"));
        let status = if cpu < 80.0 { "ok" } else { "warn" };
        assert_eq!((system.status("review.cpu").as_str(), system.status("review.memory").as_str()), (status, status), "{cpu}");
    }
    for (remaining, status) in [(500, "ok"), (499, "warn")] {
        let body = format!("{{\"resources\":{{\"core\":{{\"limit\":5000,\"remaining\":{remaining}}}}}}}");
        system.service.set("/github", Response::json(body));
        assert_eq!(system.look(&["--only", "api"]).check("api.github-quota")["status"], status, "{remaining} requests");
    }
    system.write("logs/old.log", "x\n");
    let archive = "backups/angles-config_20250108_020000.tar.gz";
    let ages = [
        ("export/decisions.json", "exports", 26 * 3600),
        (archive, "backups", 26 * 3600),
        ("export/decisions.json", "advice.exports.cleanup", 30 * DAY),
        ("logs/old.log", "advice.logs.compress", 14 * DAY),
    ];
    for (path, id, limit) in ages {
        for (seconds, status) in [(limit - 60, "ok"), (limit + 60, "warn")] {
            system.aged(path, seconds);
            assert_eq!(system.status(id), status, "{id} after {seconds} s");
        }
    }
    for (mode, status) in [(0o600, "ok"), (0o640, "warn")] {
        system.chmod(archive, mode);
        system.chmod(".env", mode);
        assert_eq!((system.status("backups.mode").as_str(), system.status("env.mode").as_str()), (status, status), "{mode:o}");
    }
}

#[test]
fn a_disk_is_full_at_eighty_five_per_cent() {
    let disk = match full_disk(4_096_000) {
        Ok(disk) => disk,
        Err(why) => skip!("{why}"),
    };
    let (mut system, _db, _services) = angles();
    system.set("DISK", disk.path().display().to_string());
    for (pages, status) in [(849, "ok"), (850, "warn")] {
        std::fs::write(disk.path().join("full"), vec![1; pages * 4096]).unwrap();
        let seen = system.look(&["--only", "disk"]);
        let found = seen.check("disk");
        assert_eq!((&found["status"], found["value"].as_f64()), (&status.into(), Some(pages as f64 / 10.0)), "{found}");
        assert_eq!(tells(&seen.told.join("\n"), "medium", "disk"), status == "warn", "{:?}", seen.told);
    }
}

#[test]
fn what_the_logs_say_is_shown_and_failures_are_told() {
    let (mut system, _db, _services) = angles();
    system.is("at first", &[]);
    system.append("logs/backup.log", "export completed\nremote: authentication failed\n");
    system.append(
        "logs/active/memory_sync.log",
        "3 files changed\nsync completed in 2 seconds\nGET /v1/users/me 200, duration 14.1 ms\nconnection timeout: dns does not resolve\n",
    );
    let seen = system.is("a backup that was not pushed", &[("backups.log", "warn")]);
    let value = |id: &str| seen.check(id)["value"].as_i64().unwrap();
    assert_eq!((value("sync.changes"), value("logs.performance"), value("logs.access"), value("sync.success")), (1, 2, 1, 1));
    let errors = seen.check("logs.errors");
    assert_eq!(errors["summary"], "0 lines of errors; of connections 1, of resources 0, of the network 1");
    assert!(errors["evidence"].to_string().contains("dns does not resolve"), "{errors}");
    // Where ml-archive and ml-push took its place, the log is not looked for.
    system.set("BACKUP_LOG", "");
    assert_eq!(system.status("backups.log"), "skipped");
}

#[test]
fn levels_are_told_in_turn_and_so_is_a_backup_that_fails() {
    let (mut system, _db, services) = angles();
    drop(services);
    let seen = system.look(&["--only", "service"]);
    let told = seen.told.join("\n");
    assert!(tells(&told, "critical", "service.scheduler") && tells(&told, "medium", "service.dashboard"), "{told}");
    assert!(told.contains("Level 1: check logs") && told.contains("within 15"), "{told}");
    for (minutes, level) in [(29, None), (31, Some("Level 2: run verification")), (61, Some("Level 3: review system architecture"))] {
        let told = system.later(&seen, minutes).join("\n");
        assert_eq!(told.contains("escalated"), level.is_some(), "after {minutes} minutes: {told}");
        assert!(level.is_none_or(|level| told.contains(level)), "{told}");
    }
    system.set("ARCHIVE_PATHS", "not-there");
    let told = system.told_of("ml-archive", &[]).join("\n");
    assert!(tells(&told, "high", "tool.ml-archive"), "{told}");
}
