//! Causal Interface Gym: endpoints, database, cache, the questions to Prometheus.

use crate::watched::{Watched, tells};
use ml_tests::smtp::Line;
use ml_tests::{Cluster, MailServer, RedisServer, Response, TestDb, closed_port};

const PAGE: &str = "# TYPE causal_inference_requests_total counter\ncausal_inference_requests_total{status=\"ok\"} 40\n\
    causal_inference_requests_total{status=\"error\"} 2\ncausal_inference_duration_seconds 0.4\npython_gc_objects 7\n";
const ANSWER: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"endpoint":"/infer"},"value":[1735689600,"1.5"]}]}}"#;

pub fn gym() -> (Watched, TestDb, RedisServer) {
    let db = Cluster::shared().database("causal");
    db.client().batch_execute("CREATE TABLE experiments (id int PRIMARY KEY); INSERT INTO experiments VALUES (1), (2)").unwrap();
    let operator = db.role("operator", "GRANT ml, pg_monitor TO {role}");
    let redis = RedisServer::start();
    let mut system = Watched::new("causal-gym");
    system.set("DATABASE_URL", db.url_as(&operator.name, &operator.password));
    system.set("REDIS_URL", redis.url());
    system.set("APP_URL", system.service.url(""));
    system.set("METRICS_URL", system.service.url("/metrics"));
    system.set("PROMETHEUS_URL", system.service.url(""));
    system.service.set("/health", Response::json(r#"{"status":"healthy"}"#));
    system.service.set("/metrics", Response::status(200).header("Content-Type", "text/plain").body(PAGE));
    system.service.set("/api/v1/query", Response::json(ANSWER));
    system.set("BACKUP_DIR", system.path().join("backups").display().to_string());
    system.write("backups/causal_experiments-20250802.sql", "--");
    docker(&system, "", "");
    (system, db, redis)
}

/// A docker whose audit finds this, and whose programs of everybody are these.
fn docker(system: &Watched, vulnerabilities: &str, writable: &str) {
    let containers = ["causal-interface-gym", "postgres", "redis", "nginx"].map(|name| (name, "running", "PATH=/bin"));
    system.commands.docker(&containers);
    let audit = format!(r#"{{"dependencies":[{{"name":"requests","vulns":[{vulnerabilities}]}}]}}"#);
    system.commands.docker_answers("audit", &audit);
    system.commands.docker_answers("trivy", r#"{"Results":[{"Target":"debian"}]}"#);
    system.commands.docker_answers("find", writable);
    let now = jiff::Timestamp::now();
    let lines = ["INFO ready", "ERROR openai request error", "INFO slow_request 6.1s", "WARNING timeout"];
    let text: String = lines.iter().map(|line| format!("{now} {line}\n")).collect();
    system.commands.docker_answers("logs-causal-interface-gym", &text);
    system.commands.docker_answers("logs-nginx", &format!("{now} GET / 401\n{now} GET / 200\n"));
}

#[test]
fn healthy_degraded_critical_and_absent() {
    let (mut system, _db, redis) = gym();
    system.has_no_mistake();
    redis::cmd("SET").arg("k").arg("v").query::<()>(&mut redis.connection()).unwrap();
    redis::cmd("GET").arg("k").query::<String>(&mut redis.connection()).unwrap();
    let seen = system.is("healthy", &[]);
    assert_eq!((&seen.check("app.metrics")["value"], &seen.check("week.duration")["value"]), (&3.into(), &1.5.into()));
    assert_eq!(seen.check("week.cache")["value"], 100);
    let said = "24 hours: 1 errors (1 lines with the word), 1 slow requests (>5s), 1 LLM API failures, 1 timeouts, 0 failed connections";
    assert_eq!((&seen.check("log.errors")["summary"], &seen.check("audit.access")["value"]), (&said.into(), &1.into()));
    assert_eq!((&seen.check("containers")["value"], &seen.check("containers.usage")["value"]), (&3.into(), &25.into()));

    system.service.set("/metrics", Response::status(200).header("Content-Type", "text/plain").body("python_gc_objects 7\n"));
    system.is("no metrics of the application", &[("app.metrics", "crit")]);

    docker(&system, "{\"id\":\"PYSEC-2025-1\"},{\"id\":\"PYSEC-2025-2\"}", "/app/main.py\n");
    std::fs::remove_dir_all(system.path().join("backups")).unwrap();
    let audit = [("app.metrics", "crit"), ("audit.dependencies", "warn"), ("audit.writable", "warn"), ("backups", "warn")];
    let seen = system.is("an audit that finds something", &audit);
    assert_eq!(seen.check("audit.dependencies")["value"], 2);

    system.commands.docker(&[
        ("causal-interface-gym", "running", "JWT_SECRET=hunter2"),
        ("postgres", "exited", ""),
        ("redis", "running", ""),
    ]);
    system.commands.docker_answers("audit", r#"{"vulnerabilities":[]}"#);
    system.commands.docker_answers("find", "");
    let seen = system.is(
        "a container that ended, a secret in another",
        &[("app.metrics", "crit"), ("backups", "warn"), ("containers", "warn"), ("audit.secrets", "warn")],
    );
    assert!(!seen.records.iter().any(|record| record.to_string().contains("hunter2")), "the secret is shown");

    system.commands.script("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    system.service.set("/health", Response::status(500));
    system.set("REDIS_URL", format!("redis://127.0.0.1:{}", closed_port()));
    let no_docker = [("audit.dependencies", "unknown"), ("audit.image", "unknown"), ("audit.writable", "warn"), ("backups", "warn")];
    let ours = ["containers", "containers.usage", "log.errors", "audit.secrets", "audit.access"].map(|id| (id, "unknown"));
    let no_docker = [no_docker.as_slice(), ours.as_slice()].concat();
    let critical = [("app.metrics", "crit"), ("app.health", "crit"), ("cache.ping", "crit")];
    system.is("critical", &[no_docker.as_slice(), critical.as_slice()].concat());

    for (name, url) in [("APP_URL", "http"), ("METRICS_URL", "http"), ("PROMETHEUS_URL", "http"), ("DATABASE_URL", "postgresql")] {
        system.set(name, format!("{url}://127.0.0.1:{}", closed_port()));
    }
    let asked = ["week.duration", "week.errors", "week.cpu", "month.requests", "month.memory"].map(|id| (id, "unknown"));
    let ours = ["app.health", "app.metrics", "db.ready", "cache.ping"].map(|id| (id, "crit"));
    system.is("absent", &[no_docker.as_slice(), asked.as_slice(), ours.as_slice()].concat());
}

#[test]
fn every_check_of_the_manual_has_been_seen_to_judge() {
    let (system, db, _redis) = gym();
    // No container runs, the image has a hole, a query is slow.
    system.commands.docker(&["causal-interface-gym", "postgres", "redis"].map(|name| (name, "exited", "")));
    system.commands.docker_answers("trivy", r#"{"Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE-2025-1"}]},{"Target":"app"}]}"#);
    let seen = system.is("containers that ended, an image with a hole", &[("containers", "crit"), ("audit.image", "warn")]);
    assert!(tells(&seen.told.join("\n"), "critical", "containers") && tells(&seen.told.join("\n"), "medium", "audit.image"));

    // What is told and not judged is shown with its rows.
    let series = |endpoints: &[&str]| {
        let one = |name: &&str| format!(r#"{{"metric":{{"endpoint":"{name}"}},"value":[1735689600,"0.25"]}}"#);
        let rows: Vec<String> = endpoints.iter().map(one).collect();
        Response::json(format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, rows.join(",")))
    };
    system.service.set("/api/v1/query", series(&["/infer", "/explain"]));
    let seen = system.look(&["--only", "week,month,log.errors"]);
    let rows = |id: &str| seen.check(id)["evidence"].to_string();
    for id in ["week.duration", "week.errors", "week.cpu", "month.requests", "month.memory"] {
        assert!(rows(id).contains("/infer") && rows(id).contains("/explain"), "{id}: {}", rows(id));
    }
    assert!(rows("month.table-sizes").contains("experiments") && rows("log.errors").contains("ERROR openai"), "{}", rows("log.errors"));
    let asked: Vec<String> = system.service.requests().into_iter().map(|request| format!("{} {}", request.path, request.body)).collect();
    for query in ["avg_over_time", "max_over_time", "increase", "7d", "30d"] {
        assert!(asked.iter().any(|asked| asked.contains(query)), "{query}: {asked:?}");
    }
    drop(db);
}

#[test]
fn a_backup_that_fails_is_told_in_the_chat_and_by_mail() {
    let (mut system, _db, _redis) = gym();
    let mail = MailServer::start(Line::Plain, None, None);
    system.set("SMTP_SERVER", format!("127.0.0.1:{}", mail.port()));
    system.set("SMTP_FROM", "gym@example.org");
    system.set("SMTP_TO", "ops@example.org");
    system.set("DATABASE_URL", format!("postgresql://x:y@127.0.0.1:{}/x", closed_port()));
    let told = system.told_of("ml-backup", &[]).join("\n");
    assert!(tells(&told, "high", "tool.ml-backup"), "{told}");
    assert!(mail.letters().iter().any(|letter| letter.data.contains("ml-backup")), "{:?}", mail.letters());
}
