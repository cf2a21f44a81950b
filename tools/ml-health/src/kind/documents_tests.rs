//! The kinds that read a document, the certificate's and the resolver's, against stand-ins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::probing::{Probing, args, text};
use super::{Arg, Kind, Opening, Unseen};
use ml_common::record::Scalar;
use ml_common::settings::Settings;
use ml_common::{Class, Failure};
use ml_tests::{HttpStandIn, Issued, Pki, Response as Answer};
use std::time::Duration;

fn table(pairs: &[(&str, &str)]) -> Arg {
    Arg::Table(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn failure(unseen: Unseen) -> Failure {
    match unseen {
        Unseen::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn refused(kind: &Kind, given: &[(&'static str, Arg)]) -> Failure {
    let settings = Settings::default();
    let opening = Opening { settings: &settings, system: "test", application: "test", root: std::path::Path::new("/") };
    (kind.open)(&args(kind.params, given), &opening).err().unwrap()
}

const LOGOS: &str = r#"{"logos_pxl_session_pool_busy": 4, "logos_pxl_session_pool_total": 5, "logos_pxl_verification_ratio_percent": 94.7,
    "logos_pxl_cache_hits_total": 1420, "logos_pxl_cache_misses_total": 203, "logos_pxl_p95_latency_ms": null}"#;

#[test]
fn json_of_an_endpoint_and_of_a_file() {
    let metrics = table(&[
        ("busy", ".logos_pxl_session_pool_busy"),
        ("used", ".logos_pxl_session_pool_busy / .logos_pxl_session_pool_total * 100"),
        ("requests", ".logos_pxl_cache_hits_total + .logos_pxl_cache_misses_total"),
        ("p95", ".logos_pxl_p95_latency_ms"),
    ]);
    let server = HttpStandIn::answering(Answer::json(LOGOS));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), LOGOS).unwrap();
    let path = file.path().to_str().unwrap();
    for (source, fact, from) in [(("url", text(server.url("/metrics"))), "latency_ms", "GET "), (("file", text(path)), "age_s", path)] {
        let seen = Probing::open(&super::json::KIND, &[source, ("metrics", metrics.clone())]).take("read", &[]).unwrap();
        assert_eq!(seen.values["busy"], Scalar::Int(4));
        assert_eq!((&seen.values["used"], &seen.values["requests"]), (&Scalar::Float(80.0), &Scalar::Int(1623)));
        assert!(!seen.values.contains_key("p95") && seen.values.contains_key(fact) && seen.values.contains_key("bytes"), "{seen:?}");
        assert!(seen.note.starts_with("busy 4, requests 1623, used 80 of ") && seen.note.contains(from), "{}", seen.note);
    }
}

#[test]
fn archived_documents_are_read_together() {
    let dir = tempfile::tempdir().unwrap();
    let hours_ago = |name: &str, hours: u64, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let at = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    };
    let day = |p95: u32| {
        format!(r#"{{"endpoints": [{{"name": "prove", "p95_duration_ms": {p95}}}, {{"name": "health", "p95_duration_ms": 1}}]}}"#)
    };
    hours_ago("performance_1.json", 24 * 9, &day(900));
    hours_ago("performance_2.json", 48, &day(260));
    hours_ago("performance_3.json", 24, &day(240));
    hours_ago("performance_4.json", 1, "{");
    hours_ago("other.json", 1, "1");
    let pattern = ("files", text(dir.path().join("performance_*.json").to_str().unwrap()));
    let filter = r#"[.[].endpoints[] | select(.name | contains("prove")) | .p95_duration_ms]"#;
    let metrics = ("metrics", table(&[("worst", &format!("{filter} | max")), ("last", &format!("{filter} | last"))]));
    let given = [pattern.clone(), metrics.clone(), ("newer", Arg::Duration(Duration::from_secs(7 * 86_400)))];
    let seen = Probing::open(&super::json::KIND, &given).take("read", &[]).unwrap();
    for (name, value) in [("worst", 260), ("last", 240), ("files", 2), ("files_bad", 1)] {
        assert_eq!(seen.values[name], Scalar::Int(value), "{name}");
    }
    let all = Probing::open(&super::json::KIND, &[pattern, metrics.clone()]).take("read", &[]).unwrap();
    assert_eq!((&all.values["worst"], &all.values["files"]), (&Scalar::Int(900), &Scalar::Int(3)));
    let none = [("files", text(dir.path().join("nothing*").to_str().unwrap())), metrics];
    let none = Probing::open(&super::json::KIND, &none).take("read", &[]).unwrap();
    assert!(none.values["files"] == Scalar::Int(0) && !none.values.contains_key("worst") && !none.values.contains_key("age_s"));
}

#[test]
fn json_that_cannot_be_had_is_a_failure_with_its_remedy() {
    let server = HttpStandIn::routes([
        ("/html", Answer::status(200).body("<html>secret</html>")),
        ("/down", Answer::status(500).body("{}")),
        ("/denied", Answer::status(401)),
        ("/long", Answer::json("1".repeat(5 << 20))),
    ]);
    let metrics = ("metrics", table(&[("a", ".a")]));
    for (path, said, hint) in [
        ("/html", "is not JSON: line 1, column 1", "look at what stands there"),
        ("/down", "HTTP 500", "log"),
        ("/denied", "HTTP 401", "token"),
        ("/missing", "HTTP 404", "correct the URL"),
        ("/long", "longer than 4 MiB", "less"),
    ] {
        let unseen = Probing::open(&super::json::KIND, &[("url", text(server.url(path))), metrics.clone()]).take("read", &[]).unwrap_err();
        let failure = failure(unseen);
        assert!(failure.message.contains(said) && failure.hint.as_ref().unwrap().contains(hint), "{}", failure.for_people());
        assert!(!failure.message.contains(path) && !failure.message.contains("secret"), "{failure}");
    }
    let absent = failure(
        Probing::open(&super::json::KIND, &[("file", text("/nowhere/performance.json")), metrics.clone()]).take("read", &[]).unwrap_err(),
    );
    assert!(absent.message.contains("/nowhere/performance.json") && absent.hint.unwrap().contains("has run"), "{}", absent.message);
    for given in [vec![metrics.clone()], vec![metrics, ("url", text("http://a/")), ("file", text("/a"))]] {
        assert_eq!(refused(&super::json::KIND, &given).class, Class::Config);
    }
}

#[test]
fn a_pipe_under_the_files_name_costs_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("metrics.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut probe = Probing::open(&super::json::KIND, &[("file", text(pipe.to_str().unwrap())), ("metrics", table(&[("a", ".a")]))]);
    probe.limit = Duration::from_millis(200);
    assert!(failure(probe.take("read", &[]).unwrap_err()).message.contains("cannot be read in time"));
}

#[test]
fn a_page_of_metrics_is_read() {
    let page =
        "# TYPE causal_requests counter\ncausal_requests{status=\"ok\"} 90\ncausal_requests{status=\"error\"} 10\ncausal_up 1\nother 2.5\n";
    let server = HttpStandIn::answering(Answer::status(200).body(page));
    let metrics = table(&[
        ("causal", "count(causal_*)"),
        ("errors", "causal_requests{status=\"error\"}"),
        ("all", "sum(causal_requests)"),
        ("other", "other"),
        ("absent", "nothing"),
        ("vague", "causal_requests"),
    ]);
    let seen =
        Probing::open(&super::prometheus::KIND, &[("url", text(server.url("/metrics"))), ("metrics", metrics)]).take("read", &[]).unwrap();
    for (name, value) in [
        ("causal", Scalar::Int(3)),
        ("errors", Scalar::Int(10)),
        ("all", Scalar::Int(100)),
        ("other", Scalar::Float(2.5)),
        ("series", Scalar::Int(4)),
    ] {
        assert_eq!(seen.values[name], value, "{name}");
    }
    assert!(!seen.values.contains_key("absent") && !seen.values.contains_key("vague"));
    assert!(seen.rows.len() == 1 && seen.rows[0].starts_with("vague: 2 series fit"), "{:?}", seen.rows);

    let json = HttpStandIn::answering(Answer::json("{\"a\": 1}"));
    let wrong = failure(Probing::open(&super::prometheus::KIND, &[("url", text(json.url("/")))]).take("read", &[]).unwrap_err());
    assert!(wrong.message.ends_with("not in Prometheus's text format: line 1"), "{wrong}");
    let mistake = refused(&super::prometheus::KIND, &[("url", text("http://a/")), ("metrics", table(&[("m", "mean(a)")]))]);
    assert!(mistake.class == Class::Config && mistake.message.contains("the metric m"), "{mistake}");
}

#[test]
fn certificates_are_told_whether_trusted_or_not() {
    let pki = Pki::new();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), pki.pem()).unwrap();
    let looked = |certificate: &Issued, name: &str| {
        let server = HttpStandIn::secure(certificate, |_| Answer::status(200));
        let given = [
            ("host", text("127.0.0.1")),
            ("port", Arg::Number(f64::from(server.port()))),
            ("name", text(name)),
            ("ca", text(ca.path().to_str().unwrap())),
        ];
        Probing::open(&super::tls::KIND, &given).take("certificate", &[]).unwrap()
    };
    let good = looked(&pki.issue(&["db.example.org"], 12), "db.example.org");
    for (name, value) in [("verified", true), ("name_matches", true), ("self_signed", false)] {
        assert_eq!(good.values[name], Scalar::Bool(value), "{name}");
    }
    let Scalar::Float(days) = good.values["days"] else { panic!() };
    assert!((11.9..12.1).contains(&days), "{days}");
    assert_eq!(
        (&good.values["subject"], &good.values["protocol"]),
        (&Scalar::Text("CN=db.example.org".into()), &Scalar::Text("TLSv1.3".into()))
    );
    assert!(good.note.contains("in 12 days"), "{}", good.note);

    let old = looked(&pki.issue(&["db.example.org"], -2), "other.example.org");
    assert_eq!((&old.values["verified"], &old.values["name_matches"]), (&Scalar::Bool(false), &Scalar::Bool(false)));
    assert!(old.rows[..2] == ["not trusted: expired", "not for other.example.org"] && old.note.contains("expired on"), "{old:?}");
    let own = looked(&Issued::self_signed(&["db.example.org"], 12), "db.example.org");
    assert_eq!((&own.values["verified"], &own.values["self_signed"]), (&Scalar::Bool(false), &Scalar::Bool(true)));
    for port in [0.0, 70_000.0, 44.5] {
        assert_eq!(refused(&super::tls::KIND, &[("host", text("a")), ("port", Arg::Number(port))]).class, Class::Config);
    }
}

#[test]
fn names_are_resolved_and_their_families_counted() {
    let resolved = |name: &str, record: &str| {
        Probing::open(&super::dns::KIND, &[("name", text(name)), ("record", text(record))]).take("resolve", &[]).unwrap()
    };
    let local = resolved("127.0.0.1", "any");
    assert_eq!((&local.values["resolved"], &local.values["addresses"]), (&Scalar::Int(1), &Scalar::Text("127.0.0.1".into())));
    assert!(local.values.contains_key("latency_ms"));
    assert_eq!(resolved("127.0.0.1", "AAAA").values["resolved"], Scalar::Int(0));
    assert_eq!(resolved("::1", "AAAA").values["resolved"], Scalar::Int(1));
    let nowhere = resolved("no.such.name.invalid", "any");
    assert_eq!(nowhere.values["resolved"], Scalar::Int(0));
    assert!(nowhere.note.starts_with("no.such.name.invalid does not resolve"), "{}", nowhere.note);
}
