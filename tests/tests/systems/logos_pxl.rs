//! LOGOS_PXL_Core: KPIs, the proof that is asked for, HMAC, the archive of performance documents, advice.

use crate::watched::{Watched, tells};
use ml_tests::{HttpStandIn, Issued, Response, closed_port};
use serde_json::json;

/// What its metrics say.
#[derive(Clone, Copy)]
struct Metrics {
    ratio: f64,
    p95: f64,
    cache: f64,
    busy: u32,
    total: u32,
    size: u32,
    uptime: u32,
}

const WELL: Metrics = Metrics { ratio: 97.0, p95: 180.0, cache: 91.0, busy: 2, total: 5, size: 500, uptime: 4000 };

fn serve(system: &Watched, metrics: Metrics) {
    let body = json!({
        "logos_pxl_verification_ratio_percent": metrics.ratio,
        "logos_pxl_p95_latency_ms": metrics.p95,
        "logos_pxl_cache_hit_rate_percent": metrics.cache,
        "logos_pxl_uptime_seconds": metrics.uptime,
        "logos_pxl_session_pool_busy": metrics.busy,
        "logos_pxl_session_pool_total": metrics.total,
        "logos_pxl_cache_size": metrics.size,
        "logos_pxl_cache_hits_total": 910,
        "logos_pxl_cache_misses_total": 90,
        "logos_pxl_cache_prefetch_hits_total": 40,
    });
    system.service.set("/metrics", Response::json(body.to_string()));
}

fn healthy(ready: bool) -> Response {
    proven_by(ready, "c54a7a38")
}

fn proven_by(ready: bool, kernel: &str) -> Response {
    let body = json!({
        "status": "healthy", "ready": ready, "timestamp": "2025-10-19T09:00:00Z", "kernel_hash": kernel,
        "session_pool": { "total_sessions": 5, "active_sessions": 2 },
    });
    Response::json(body.to_string())
}

pub fn pxl() -> Watched {
    let mut system = Watched::new("logos-pxl");
    system.set("BASE_URL", system.service.url(""));
    system.set("APP_DIR", system.path().join("app").display().to_string());
    let day = json!({ "endpoints": [
        { "name": "/prove", "p95_duration_ms": 190, "call_count": 1200 }, { "name": "/health", "p95_duration_ms": 900, "call_count": 9 },
    ] });
    system.write("app/logs/archive/performance_20251018.json", &day.to_string());
    system.machine(0, 60, 1.0);
    system.write("app/.env", "PXL_POOL_SIZE=5\n");
    system.write("app/logs/pxl-server.log", "");
    system.write("app/logs/access.log", "");
    system.write("app/logs/performance.json", "{}");
    system.write_rules_of_the_page(&["config/rotate.toml"]);
    system.set("ROTATE_RULES", "config/rotate.toml");
    system.set("ACCESS_LOG", system.path().join("app/logs/access.log").display().to_string());
    system.set("ARCHIVE_DIR", system.path().join("backups").display().to_string());
    system.write("backups/logos-pxl-config_20251019_023000.tar.gz", "x");
    system.commands.docker(&[("pxl-prover", "running", "")]);
    serve(&system, WELL);
    system.service.set("/health", healthy(true));
    system.service.set("/prove", Response::json(r#"{"ok": true}"#));
    // Without HMAC the weekly audit says so, whatever else is well.
    system
}

const NO_HMAC: (&str, &str) = ("auth.hmac", "warn");

#[test]
fn healthy_degraded_critical_and_absent() {
    let mut system = pxl();
    system.has_no_mistake();
    let seen = system.is("healthy", &[NO_HMAC]);
    assert_eq!(seen.check("pool.utilization")["value"], 40);
    assert_eq!(seen.check("review.p95")["summary"], "highest P95 of /prove in the last 7 days: 190 ms over 1200 calls; days archived: 1");
    assert_eq!(seen.check("prove.signed")["summary"], "HMAC_SECRET_KEY is not set");
    let asked = system.service.requests().into_iter().find(|request| request.path == "/prove").unwrap();
    assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", r#"{"goal": "BOX(A -> A)"}"#));

    serve(&system, Metrics { ratio: 93.9, p95: 300.0, cache: 79.0, busy: 8, total: 10, size: 951, uptime: 4000 });
    let kpis = ["verification.ratio", "latency.p95", "cache.hit-rate", "pool.utilization"];
    let mut degraded: Vec<_> = kpis.map(|id| (id, "warn")).to_vec();
    degraded.extend(
        ["advice.pool.consider", "advice.pool.increase", "advice.cache.ttl", "advice.latency.trend", "advice.cache.size"]
            .map(|id| (id, "warn")),
    );
    degraded.push(NO_HMAC);
    system.is("degraded", &degraded);

    serve(&system, Metrics { ratio: 84.0, p95: 500.1, cache: 69.9, busy: 10, total: 10, size: 500, uptime: 4000 });
    system.service.set("/health", healthy(false));
    system.service.set("/prove", Response::json(r#"{"ok": false}"#));
    let mut critical: Vec<_> = kpis.map(|id| (id, "crit")).to_vec();
    critical.extend(["health.ready", "prove"].map(|id| (id, "crit")));
    critical.extend(
        ["advice.pool.consider", "advice.pool.increase", "advice.pool.scale-up", "advice.cache.ttl", "advice.latency.trend"]
            .map(|id| (id, "warn")),
    );
    critical.push(NO_HMAC);
    let seen = system.is("critical", &critical);
    assert_eq!(seen.check("health.ready")["labels"]["incident"], "System Down");

    system.set("BASE_URL", format!("http://127.0.0.1:{}", closed_port()));
    let seen = system.is("absent", &[("health", "crit")]);
    assert_eq!(seen.check("latency.p95")["blocked_by"], "health", "one event is told once");
}

#[test]
fn every_threshold_is_the_manuals() {
    let mut system = pxl();
    let changed = |change: &dyn Fn(&mut Metrics)| {
        let mut metrics = WELL;
        change(&mut metrics);
        metrics
    };
    let pool = |busy: u32| changed(&|metrics| (metrics.busy, metrics.total) = (busy, 100));
    let cases: Vec<(&str, Metrics, &str)> = vec![
        ("verification.ratio", changed(&|metrics| metrics.ratio = 94.0), "ok"),
        ("verification.ratio", changed(&|metrics| metrics.ratio = 90.0), "warn"),
        ("verification.ratio", changed(&|metrics| metrics.ratio = 89.9), "crit"),
        ("latency.p95", changed(&|metrics| metrics.p95 = 299.9), "ok"),
        ("latency.p95", changed(&|metrics| metrics.p95 = 500.0), "warn"),
        ("latency.p95", changed(&|metrics| metrics.p95 = 500.1), "crit"),
        ("cache.hit-rate", changed(&|metrics| metrics.cache = 85.0), "ok"),
        ("cache.hit-rate", changed(&|metrics| metrics.cache = 70.0), "warn"),
        ("cache.hit-rate", changed(&|metrics| metrics.cache = 69.9), "crit"),
        ("pool.utilization", pool(79), "ok"),
        ("pool.utilization", pool(80), "warn"),
        ("pool.utilization", pool(90), "warn"),
        ("pool.utilization", pool(91), "crit"),
        ("advice.pool.consider", pool(60), "ok"),
        ("advice.pool.consider", pool(61), "warn"),
        ("advice.pool.increase", pool(70), "ok"),
        ("advice.pool.increase", pool(71), "warn"),
        ("advice.pool.scale-up", pool(80), "ok"),
        ("advice.pool.scale-up", pool(81), "warn"),
        ("advice.pool.scale-down", pool(30), "ok"),
        ("advice.pool.scale-down", pool(29), "warn"),
        ("advice.cache.ttl", changed(&|metrics| metrics.cache = 80.0), "ok"),
        ("advice.cache.ttl", changed(&|metrics| metrics.cache = 79.9), "warn"),
        ("advice.latency.trend", changed(&|metrics| metrics.p95 = 250.0), "ok"),
        ("advice.latency.trend", changed(&|metrics| metrics.p95 = 250.1), "warn"),
        ("advice.cache.size", changed(&|metrics| metrics.size = 950), "ok"),
        ("advice.cache.size", changed(&|metrics| metrics.size = 951), "warn"),
    ];
    for (at, (id, metrics, status)) in cases.into_iter().enumerate() {
        serve(&system, metrics);
        assert_eq!(system.status(id), status, "{id}, case {at}");
    }
    for (memory, status, severity) in [(79, "ok", ""), (80, "warn", "low"), (95, "warn", "low"), (96, "crit", "high")] {
        system.machine(0, memory, 1.0);
        system.forget_alerts();
        let seen = system.look(&["--only", "memory.usage"]);
        assert_eq!(seen.check("memory.usage")["status"], status, "memory {memory}");
        let told = seen.told.join("\n");
        assert!(if severity.is_empty() { told.is_empty() } else { tells(&told, severity, "memory.usage") }, "memory {memory}: {told}");
    }
    // No session at all is no ratio.
    serve(&system, changed(&|metrics| (metrics.busy, metrics.total) = (0, 0)));
    assert_eq!(system.status("pool.utilization"), "unknown");
}

#[test]
fn requests_are_signed_where_hmac_is_on_and_refused_without() {
    let mut system = pxl();
    system.set("ENABLE_HMAC_AUTH", "true");
    system.set("HMAC_SECRET_KEY", "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    let guarded = |request: &ml_tests::Request| match request.headers.get("x-signature") {
        Some(signature) if signature.len() == 64 && request.headers.contains_key("x-timestamp") => Response::json(r#"{"ok": true}"#),
        _ => Response::status(401).body("Invalid signature"),
    };
    system.write("app/.env", "ENABLE_HMAC_AUTH=true\nHMAC_SECRET_KEY=0f1e2d3c4b5a69788796a5b4c3d2e1f0\n");
    system.service.answer("/prove", guarded);
    let seen = system.is("guarded", &[]);
    assert_eq!((&seen.check("auth.refuses")["value"], &seen.check("prove.signed")["status"]), (&json!(401), &json!("ok")));
    assert!(!seen.records.iter().any(|record| record.to_string().contains("0f1e2d3c")), "the key is shown");

    system.service.set("/prove", Response::json(r#"{"ok": true}"#));
    system.is("open to everybody", &[("auth.refuses", "crit")]);
    system.service.set("/prove", Response::status(401));
    system.is("another key", &[("prove.signed", "crit")]);

    system.service.answer("/prove", guarded);
    system.write("app/.env", "ENABLE_HMAC_AUTH=false\nHMAC_SECRET_KEY=a\nHMAC_SECRET_KEY=b\n");
    system.is("settings that say otherwise", &[("auth.settings", "warn")]);
}

#[test]
fn severities_durations_contacts_and_escalation_are_the_manuals() {
    let mut system = pxl();
    let changed = |change: &dyn Fn(&mut Metrics)| {
        let mut metrics = WELL;
        change(&mut metrics);
        metrics
    };
    let pool = |busy: u32| changed(&|metrics| (metrics.busy, metrics.total) = (busy, 100));
    // Told at once, and after three minutes.
    let cases = [
        (changed(&|metrics| metrics.ratio = 92.0), "verification.ratio", "low", None),
        (changed(&|metrics| metrics.ratio = 89.9), "verification.ratio", "high", Some("critical")),
        (changed(&|metrics| metrics.ratio = 84.9), "verification.ratio", "critical", Some("critical")),
        (changed(&|metrics| metrics.p95 = 300.0), "latency.p95", "low", None),
        (changed(&|metrics| metrics.p95 = 300.1), "latency.p95", "", Some("medium")),
        (changed(&|metrics| metrics.p95 = 500.1), "latency.p95", "high", None),
        (changed(&|metrics| metrics.cache = 70.0), "cache.hit-rate", "low", None),
        (changed(&|metrics| metrics.cache = 69.9), "cache.hit-rate", "medium", None),
        (pool(90), "pool.utilization", "low", None),
        (pool(91), "pool.utilization", "", Some("medium")),
    ];
    for (at, (metrics, id, now, then)) in cases.into_iter().enumerate() {
        serve(&system, metrics);
        system.forget_alerts();
        let seen = system.look(&["--only", id]);
        let (first, second) = (seen.told.join("\n"), system.later(&seen, 3).join("\n"));
        assert!(if now.is_empty() { !first.contains(id) } else { tells(&first, now, id) }, "case {at}, at once: {first}");
        assert!(then.map_or(second.is_empty(), |severity| tells(&second, severity, id)), "case {at}, later: {second}");
        assert!(first.is_empty() || first.contains("Platform Engineer"), "{first}");
    }

    serve(&system, WELL);
    let url = system.service.url("");
    system.set("BASE_URL", format!("http://127.0.0.1:{}", closed_port()));
    let down = system.look(&["--only", "health"]);
    let told = down.told.join("\n");
    assert!(tells(&told, "critical", "health") && told.contains("DevOps Lead") && told.contains("within 5"), "{told}");
    let told = system.later(&down, 1).join("\n");
    assert!(told.contains("escalated") && told.contains("Senior Engineer"), "{told}");
    let told = system.later(&down, 2).join("\n");
    assert!(told.contains("Engineering Manager"), "{told}");
    system.set("BASE_URL", url);
    let told = system.look(&["--only", "health"]).told.join("\n");
    assert!(told.contains("resolved"), "who was told that it fires is told that it is over: {told}");
}

#[test]
fn what_has_to_last_is_told_when_it_has_lasted_and_no_sooner() {
    let system = pxl();
    let changed = |change: &dyn Fn(&mut Metrics)| {
        let mut metrics = WELL;
        change(&mut metrics);
        metrics
    };
    // `for` of prometheus-alerts.yml, in seconds.
    let cases = [
        (changed(&|metrics| metrics.ratio = 89.9), "verification.ratio", "critical", 60),
        (changed(&|metrics| metrics.p95 = 300.1), "latency.p95", "medium", 120),
        (changed(&|metrics| (metrics.busy, metrics.total) = (91, 100)), "pool.utilization", "medium", 30),
    ];
    for (metrics, id, severity, lasts) in cases {
        serve(&system, metrics);
        for (seconds, expected) in [(lasts - 1, false), (lasts, true)] {
            system.forget_alerts();
            let seen = system.look(&["--only", id]);
            let told = system.after(&seen, seconds).join("\n");
            assert_eq!(tells(&told, severity, id), expected, "{id} after {seconds} s: {told}");
        }
    }
}

#[test]
fn each_severity_has_the_manuals_time_to_answer_and_to_escalate() {
    let system = pxl();
    let changed = |change: &dyn Fn(&mut Metrics)| {
        let mut metrics = WELL;
        change(&mut metrics);
        metrics
    };
    // Somebody looks within; escalated after so many minutes.
    let cases = [
        (changed(&|metrics| metrics.p95 = 500.1), "latency.p95", "high", "within 15 min", 30),
        (changed(&|metrics| metrics.cache = 69.9), "cache.hit-rate", "medium", "within 1 h", 120),
        (changed(&|metrics| metrics.cache = 70.0), "cache.hit-rate", "low", "within 4 h", 480),
    ];
    for (metrics, id, severity, within, minutes) in cases {
        serve(&system, metrics);
        system.forget_alerts();
        let seen = system.look(&["--only", id]);
        let told = seen.told.join("\n");
        assert!(tells(&told, severity, id) && told.contains(within) && told.contains("Platform Engineer"), "{severity}: {told}");
        let before = system.later(&seen, minutes - 1).join("\n");
        assert!(!before.contains("escalated"), "{severity}: {before}");
        let after = system.later(&seen, minutes).join("\n");
        assert!(after.contains("escalated") && after.contains("DevOps Lead"), "{severity}: {after}");
        let last = system.later(&seen, 2 * minutes).join("\n");
        assert!(last.contains("Engineering Manager"), "{severity}: {last}");
    }
}

#[test]
fn every_check_and_rule_has_been_seen_to_judge() {
    let mut system = pxl();
    system.is("healthy", &[NO_HMAC]);
    let told = |seen: &crate::watched::Seen, severity: &str, id: &str, contact: &str| {
        let text = seen.told.join("\n");
        assert!(tells(&text, severity, id) && text.contains(contact), "{severity} {id} {contact}: {text}");
    };

    serve(&system, Metrics { uptime: 12, ..WELL });
    system.service.set("/health", proven_by(true, "another"));
    let lines = "10.0.0.7 POST /prove 401 Invalid signature\n10.0.0.7 X-Signature missing\nERROR no session\nCRITICAL out of memory\n";
    system.append("app/logs/pxl-server.log", lines);
    system.append("app/logs/access.log", "10.0.0.7 POST /prove\n10.0.0.7 POST /prove\n10.0.0.8 GET /health\n");
    let seen = system.is("restarted with another kernel", &[NO_HMAC, ("uptime", "warn"), ("kernel.hash", "warn"), ("logs.errors", "warn")]);
    told(&seen, "critical", "kernel.hash", "Security Engineer");
    told(&seen, "low", "uptime", "");
    assert_eq!(seen.check("access.sources")["summary"], "2 of 3 requests since the last look came from the busiest: 10.0.0.7");
    let value = |id: &str| seen.check(id)["value"].as_i64().unwrap();
    assert_eq!((value("access.requests"), value("auth.patterns")), (2, 1));
    assert_eq!(seen.check("auth.patterns")["evidence"], json!(["10.0.0.7 X-Signature missing"]));

    // What the nights leave: retention of 30 days, an archive every day.
    let day = 86_400;
    let (archive, performance) = ("backups/logos-pxl-config_20251019_023000.tar.gz", "app/logs/archive/performance_20251018.json");
    for (path, id, limit) in
        [(archive, "backup.config", 31 * day), (performance, "review.retention", 31 * day), (performance, "review.archive", 26 * 3600)]
    {
        for (seconds, status) in [(limit - 60, "ok"), (limit + 60, "warn")] {
            system.aged(path, seconds);
            assert_eq!(system.status(id), status, "{id} after {seconds} s");
        }
    }
    std::fs::remove_file(system.path().join(archive)).unwrap();
    system.write("app/logs/archive/performance_20251019.json", "not JSON");
    let nights = [NO_HMAC, ("backup.config", "warn"), ("review.archive", "warn")];
    let seen = system.is("nights that did not come", &nights);
    told(&seen, "medium", "backup.config", "Senior Engineer");
    system.write("backups/logos-pxl-config_20251020_023000.tar.gz", "x");
    std::fs::remove_file(system.path().join("app/logs/archive/performance_20251019.json")).unwrap();
    system.aged(performance, 60);

    // A certificate that nobody signed, a service of containers that does not answer.
    let server = HttpStandIn::secure(&Issued::self_signed(&["localhost"], 30), |_| Response::status(200));
    let port = server.url("").rsplit(':').next().unwrap().to_owned();
    let profile = system.path().join("config/profiles/logos-pxl.toml");
    let text = std::fs::read_to_string(&profile).unwrap().replace("port = 8088", &format!("port = {port}"));
    std::fs::write(&profile, text).unwrap();
    system.set("TLS_HOST", "localhost");
    system.commands.script("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    let seen = system.is("a certificate", &[NO_HMAC, ("tls.certificate", "crit"), ("containers.memory", "unknown")]);
    told(&seen, "critical", "tls.certificate", "Security Engineer");
    told(&seen, "medium", "containers.memory", "");

    system.set("ARCHIVE_PATHS", "not-there");
    let told = system.told_of("ml-archive", &[]).join("\n");
    assert!(tells(&told, "high", "tool.ml-archive") && told.contains("Senior Engineer"), "{told}");
    assert!(!tells(&told, "critical", "tool.ml-archive"), "it is told once: {told}");
    let told = system.told_of("ml-push", &[]).join("\n");
    assert!(tells(&told, "critical", "tool.ml-push"), "{told}");
}

#[test]
fn availability_is_judged_at_99_9_and_at_99_per_cent() {
    let system = pxl();
    system.status("health");
    let path = system.path().join("state/health-logos-pxl.json");
    // A million seconds of the last days, so many of them down; the look itself stands for the last hour.
    for (down, status, severity) in [(1000, "ok", ""), (1001, "warn", "low"), (10_000, "warn", "low"), (10_001, "crit", "high")] {
        let mut state: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let uptime = find(&mut state, "uptime").expect("the state has what was seen of health");
        let yesterday = jiff::Timestamp::now().as_second() / 86_400 - 1;
        uptime["days"] =
            json!({ yesterday.to_string(): { "up": 1_000_000 - 3600 - down, "down": down, "unknown": 0, "gap": 0, "samples": 30 } });
        (uptime["last"], uptime["step"]) = (json!(null), json!(3600));
        std::fs::write(&path, state.to_string()).unwrap();
        system.forget_alerts();
        let seen = system.look(&["--only", "health"]);
        let found = seen.check("health.availability");
        assert_eq!(found["status"], status, "{down} s: {found}");
        let told = seen.told.join("\n");
        assert!(if severity.is_empty() { told.is_empty() } else { tells(&told, severity, "health.availability") }, "{told}");
    }
}

/// The first value of this name, at any depth.
fn find<'a>(value: &'a mut serde_json::Value, name: &str) -> Option<&'a mut serde_json::Value> {
    let map = value.as_object_mut()?;
    if map.contains_key(name) {
        return map.get_mut(name);
    }
    map.values_mut().find_map(|value| find(value, name))
}
