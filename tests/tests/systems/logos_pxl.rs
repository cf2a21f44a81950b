//! LOGOS_PXL_Core: KPIs, the proof that is asked for, HMAC, the archive of performance documents, advice.

use crate::watched::{Watched, tells};
use ml_tests::{Response, closed_port};
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
}

const WELL: Metrics = Metrics { ratio: 97.0, p95: 180.0, cache: 91.0, busy: 2, total: 5, size: 500 };

fn serve(system: &Watched, metrics: Metrics) {
    let body = json!({
        "logos_pxl_verification_ratio_percent": metrics.ratio,
        "logos_pxl_p95_latency_ms": metrics.p95,
        "logos_pxl_cache_hit_rate_percent": metrics.cache,
        "logos_pxl_uptime_seconds": 4000,
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
    let body = json!({
        "status": "healthy", "ready": ready, "timestamp": "2025-10-19T09:00:00Z", "kernel_hash": "c54a7a38",
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

    serve(&system, Metrics { ratio: 93.9, p95: 300.0, cache: 79.0, busy: 8, total: 10, size: 951 });
    let kpis = ["verification.ratio", "latency.p95", "cache.hit-rate", "pool.utilization"];
    let mut degraded: Vec<_> = kpis.map(|id| (id, "warn")).to_vec();
    degraded.extend(
        ["advice.pool.consider", "advice.pool.increase", "advice.cache.ttl", "advice.latency.trend", "advice.cache.size"]
            .map(|id| (id, "warn")),
    );
    degraded.push(NO_HMAC);
    system.is("degraded", &degraded);

    serve(&system, Metrics { ratio: 84.0, p95: 500.1, cache: 69.9, busy: 10, total: 10, size: 500 });
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
    for (memory, status) in [(79, "ok"), (80, "warn"), (95, "warn"), (96, "crit")] {
        system.machine(0, memory, 1.0);
        assert_eq!(system.status("memory.usage"), status, "memory {memory}");
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
