//! docker as a command and as the service behind a socket, told the same things.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::{Probing, text};
use super::*;
use crate::kind::Arg;
use ml_common::record::Scalar;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

fn inspected() -> serde_json::Value {
    let started = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2)).to_string();
    let one = |id: &str, name: &str, state: serde_json::Value, restarts: u64, env: &[&str]| json!({"Id": id, "Name": format!("/{name}"), "State": state, "RestartCount": restarts, "Config": {"Env": env}});
    json!([
        one(
            "aa",
            "causal-web",
            json!({"Status": "running", "ExitCode": 0, "StartedAt": started, "Health": {"Status": "unhealthy"}}),
            3,
            &["PATH=/bin", "API_KEY=hunter2", "OLD_TOKEN=XXX"]
        ),
        one("bb", "causal-db", json!({"Status": "running", "ExitCode": 0, "StartedAt": started}), 0, &["POSTGRES_PASSWORD=swordfish"]),
        one("cc", "other", json!({"Status": "exited", "ExitCode": 137, "StartedAt": started}), 0, &[]),
    ])
}

fn command(dir: &Path) -> Arg {
    std::fs::write(dir.join("inspect"), inspected().to_string()).unwrap();
    std::fs::write(dir.join("docker"), DOCKER).unwrap();
    std::fs::set_permissions(dir.join("docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    text(dir.join("docker").to_str().unwrap())
}

const DOCKER: &str = r#"#!/bin/sh
case "$1" in
ps) printf 'aa\nbb\ncc\n' ;;
inspect) cat "${0%/*}/inspect" ;;
stats) printf 'causal-web\t50.00%%\t1GiB / 2GiB\ncausal-db\t10.00%%\t512MiB / 4GiB\n' ;;
exec) [ "$2 $3 $4" = "causal-web find /app" ] && printf '/app/a.py\n/app/b.py\n' ;;
*) exit 9 ;;
esac
"#;

/// The service, which answers one question a connection: in chunks, with a length, or until it closes.
fn service(dir: &Path) -> Arg {
    let path = dir.join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let (status, answer) = answer(first.trim().trim_end_matches(" HTTP/1.1"));
            let mut head = format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
            for chunk in answer.chunks(100) {
                head.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                head.extend_from_slice(chunk);
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"0\r\n\r\n");
            // A client that has gone is its own business.
            let _ = stream.get_mut().write_all(&head);
        }
    });
    text(path.to_str().unwrap())
}

fn answer(question: &str) -> (u16, Vec<u8>) {
    let all = inspected();
    let stats = |busy: f64, used: f64, limit: f64| {
        json!({"cpu_stats": {"cpu_usage": {"total_usage": 1000.0 + busy}, "system_cpu_usage": 5000.0, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 1000.0}, "system_cpu_usage": 4000.0},
            "memory_stats": {"usage": used + 100.0, "limit": limit, "stats": {"inactive_file": 100}}})
    };
    let gib = 1024.0 * 1024.0 * 1024.0;
    let found = match question {
        "GET /containers/json?all=1" => json!([{"Id": "aa"}, {"Id": "bb"}, {"Id": "cc"}, {"Id": "gone"}]),
        "GET /containers/aa/json" => all[0].clone(),
        "GET /containers/bb/json" => all[1].clone(),
        "GET /containers/cc/json" => all[2].clone(),
        "GET /containers/aa/stats?stream=false" => stats(250.0, gib, 2.0 * gib),
        "GET /containers/bb/stats?stream=false" => stats(50.0, gib / 2.0, 4.0 * gib),
        "POST /containers/causal-web/exec" => json!({"Id": "ee"}),
        "GET /exec/ee/json" => json!({"ExitCode": 0}),
        "POST /exec/ee/start" => {
            let frame = |stream: u8, text: &str| [&[stream, 0, 0, 0, 0, 0, 0, text.len() as u8], text.as_bytes()].concat();
            return (200, [frame(1, "/app/a.py\n"), frame(2, "find: oops\n"), frame(1, "/app/b.py\n")].concat());
        }
        _ => return (404, br#"{"message": "No such container"}"#.to_vec()),
    };
    (200, found.to_string().into_bytes())
}

fn int(sample: &Sample, name: &str) -> i64 {
    match sample.values[name] {
        Scalar::Int(number) => number,
        ref other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_command_and_the_socket_tell_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for given in [("program", command(dir.path())), ("socket", service(dir.path()))] {
        let mut probe = Probing::open(&KIND, std::slice::from_ref(&given));
        let all = probe.take("status", &[]).unwrap();
        for (name, value) in [("running", 2), ("total", 3), ("exited", 1), ("failed", 1), ("unhealthy", 1), ("restarts", 3)] {
            assert_eq!(int(&all, name), value, "{name} by {}", given.0);
        }
        assert_eq!(int(&probe.take("status", &[("name", text("^causal"))]).unwrap(), "total"), 2);
        assert!(all.rows.iter().any(|row| row == "other: exited with code 137, 0 restarts"), "{:?}", all.rows);
        let usage = probe.take("usage", &[]).unwrap();
        for (name, value) in [("memory_percent", 50), ("memory_bytes", 3 << 29), ("cpu_percent", 50), ("cpu_total", 60)] {
            assert_eq!(int(&usage, name), value, "{name} by {}", given.0);
        }
        let env = probe.take("environment", &[]).unwrap();
        assert_eq!((int(&env, "exposed"), int(&env, "containers")), (2, 2));
        assert_eq!(env.rows, ["causal-db: POSTGRES_PASSWORD", "causal-web: API_KEY"]);
        let files = [("container", text("causal-web")), ("path", text("/app")), ("files", text("*.py"))];
        let open = probe.take("writable", &files).unwrap();
        assert_eq!((int(&open, "files"), open.rows), (2, vec!["/app/a.py".to_owned(), "/app/b.py".to_owned()]));
    }
}

#[test]
fn a_service_that_says_nothing_costs_its_time_and_none_is_absent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("silent.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let mut probe = Probing::open(&KIND, &[("socket", text(path.to_str().unwrap()))]);
    probe.limit = std::time::Duration::from_millis(300);
    assert!(matches!(probe.take("status", &[]), Err(Unseen::Failed(failure)) if failure.message.contains("does not answer in time")));
    let absent = Probing::open(&KIND, &[("program", text("no-such-docker"))]).take("status", &[]);
    assert!(matches!(absent, Err(Unseen::Absent(_))));
    std::fs::write(dir.path().join("docker"), "#!/bin/sh\necho 'permission denied while trying to connect' >&2; exit 1\n").unwrap();
    std::fs::set_permissions(dir.path().join("docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let denied = Probing::open(&KIND, &[("program", text(dir.path().join("docker").to_str().unwrap()))]).take("status", &[]);
    assert!(matches!(denied, Err(Unseen::Privilege { .. })));
}
