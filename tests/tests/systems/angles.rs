//! Angles AI Universe: outside APIs with their tokens and limits, the database, what the monitor wrote.

use crate::watched::Watched;
use ml_tests::{Cluster, Request, Response, Running, TestDb, Tool, closed_port, random_word};

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
    system.write("logs/active/memory_sync.log", "began\n");
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
