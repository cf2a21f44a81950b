#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::*;
use crate::kind::Arg;
use crate::kind::probing::{Probing, text};
use ml_common::record::Scalar;
use ml_tests::{HttpStandIn, Response as Answer};

fn queries(pairs: &[(&str, &str)]) -> Arg {
    Arg::Table(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn failure(unseen: Unseen) -> Failure {
    match unseen {
        Unseen::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"__name__":"up","job":"prometheus","instance":"localhost:9090"},"value":[1435781451.781,"1"]},
    {"metric":{"__name__":"up","job":"node"},"value":[1435781451.781,"0.5"]},
    {"metric":{},"value":[1435781451.781,"NaN"]}]},"warnings":["PromQL info: rate of a gauge"]}"#;
const SCALAR: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"2.5"]}}"#;
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

#[test]
fn values_and_rows_of_what_the_server_finds() {
    let server = HttpStandIn::start(|request| {
        let answer = if request.path.contains("up%7B") {
            VECTOR
        } else if request.path.contains("scalar") {
            SCALAR
        } else {
            EMPTY
        };
        Answer::json(answer)
    });
    let asked = [("up", "up{job=~\"a b\"}"), ("half", "scalar(1 + 1.5)"), ("none", "absent_metric")];
    let given = [("url", text(server.url("/prefix/").replace("http://", "http://user:hunter2@"))), ("queries", queries(&asked))];
    let seen = Probing::open(&KIND, &given).take("query", &[]).unwrap();
    assert_eq!((&seen.values["up"], &seen.values["half"], &seen.values["series"]), (&Scalar::Int(1), &Scalar::Float(2.5), &Scalar::Int(4)));
    assert!(!seen.values.contains_key("none"));
    assert_eq!(
        seen.rows,
        ["up: up{job=\"prometheus\",instance=\"localhost:9090\"} 1", "up: up{job=\"node\"} 0.5", "up: not a number", "half: 2.5",]
    );
    assert!(seen.note.starts_with("half 2.5, up 1 of GET http://127.0.0.1:") && seen.note.ends_with("rate of a gauge"), "{}", seen.note);
    assert!(!format!("{seen:?}").contains("hunter2"));
    let first = &server.requests()[0];
    assert!(first.path.starts_with("/prefix/api/v1/query?query=up%7Bjob%3D~%22a%20b%22%7D&timeout="), "{}", first.path);
    assert_eq!(first.headers["authorization"], "Basic dXNlcjpodW50ZXIy");
}

#[test]
fn refusals_are_told_with_the_servers_reason() {
    let range = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let bad = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error\nmore"}"#;
    for (answer, said) in [
        (Answer::status(400).body(bad), "the query q: bad_data: invalid parameter \"query\": 1:5: parse error"),
        (
            Answer::status(422).body(r#"{"status":"error","errorType":"execution","error":"too many samples"}"#),
            "execution: too many samples",
        ),
        (Answer::status(502).body("<html>"), "HTTP 502"),
        (Answer::status(401), "HTTP 401"),
        (Answer::json(range), "not an instant vector"),
        (Answer::json("hello"), "not JSON"),
    ] {
        let server = HttpStandIn::answering(answer);
        let mut probe = Probing::open(&KIND, &[("url", text(server.url(""))), ("queries", queries(&[("q", "up")]))]);
        let failure = failure(probe.take("query", &[]).unwrap_err());
        assert!(failure.class == Class::Network && failure.message.contains(said) && !failure.message.contains("more"), "{failure}");
    }
}

#[test]
fn a_real_server_is_asked_and_its_refusals_are_told() {
    let page =
        "# TYPE causal_requests_total counter\ncausal_requests_total{status=\"ok\"} 90\ncausal_requests_total{status=\"error\"} 10\n";
    let metrics = HttpStandIn::routes([("/metrics", Answer::status(200).header("Content-Type", "text/plain; version=0.0.4").body(page))]);
    let Some(server) = ml_tests::Prometheus::scraping(&[&format!("127.0.0.1:{}", metrics.port())]) else {
        ml_tests::skip!("prometheus is not installed (scripts/install-deps.sh --test)");
    };
    server.wait_for("causal_requests_total");
    let asked = [
        ("errors", "sum(causal_requests_total{status=\"error\"}) / sum(causal_requests_total)"),
        ("worst", "topk(1, causal_requests_total)"),
        ("all", "count(causal_requests_total)"),
        ("none", "sum(rate(no_such_metric[7d]))"),
        ("two", "scalar(vector(2))"),
    ];
    let ask = |asked: &[(&str, &str)]| Probing::open(&KIND, &[("url", text(server.url())), ("queries", queries(asked))]).take("query", &[]);
    let seen = ask(&asked).unwrap();
    for (name, value) in [("errors", Scalar::Float(0.1)), ("worst", Scalar::Int(90)), ("all", Scalar::Int(2)), ("two", Scalar::Int(2))] {
        assert_eq!(seen.values[name], value, "{name}");
    }
    assert!(!seen.values.contains_key("none"), "{seen:?}");
    assert!(seen.rows.iter().any(|row| row.contains("status=\"ok\"") && row.ends_with(" 90")), "{:?}", seen.rows);

    let parse = failure(ask(&[("bad", "sum(")]).unwrap_err());
    assert!(parse.message.contains("the query bad: bad_data: ") && parse.hint.unwrap().contains("correct the query"), "{}", parse.message);
    let range = failure(ask(&[("range", "causal_requests_total[1m]")]).unwrap_err());
    assert!(range.message.contains("not an instant vector"), "{range}");
}
