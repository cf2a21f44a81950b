//! The pipe that people type: ml-health --watch | ml-serve, with a Prometheus behind it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{Pipeline, Prometheus, TempDir, Tool, closed_port, skip};
use std::io::Write;
use std::net::TcpStream;
use support::answer;

const PROFILE: &str = "[profile]\nversion = 1\nsystem = \"logos-pxl\"\n[probe.pool]\nkind = \"json\"\nfile = \"pool.json\"\n\
    metrics = { busy = \".busy\", total = \".total\" }\n[[check]]\nid = \"pool.utilization\"\nprobe = \"pool\"\nvalue = \"busy / total * 100\"\n\
    unit = \"%\"\nwarn = \"> 80\"\ncrit = \"> 90\"\nhint = \"raise POOL_SIZE\"\n";

#[test]
fn a_watched_system_is_seen_by_everybody() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("profile.toml"), PROFILE.replace("pool.json", folder.path().join("pool.json").to_str().unwrap()))
        .unwrap();
    let pool = |busy: u32| {
        // As a whole, as the watch may look at any moment.
        let beside = folder.path().join("pool.new");
        std::fs::write(&beside, format!("{{\"busy\": {busy}, \"total\": 100}}")).unwrap();
        std::fs::rename(beside, folder.path().join("pool.json")).unwrap();
    };
    pool(10);
    let address = format!("127.0.0.1:{}", closed_port());
    let health = Tool::new("ml-health").cwd(folder.path()).args(["--profile", "./profile.toml", "--watch", "200ms"]);
    let mut pipeline = Pipeline::new().stage(health).stage(Tool::new("ml-serve").args([&*address, "--linger", "1h"])).spawn();
    pipeline.stage(1).wait_for_stdout("pool.utilization");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        answer(&mut stream)
    };
    let Some(server) = Prometheus::scraping(&[&address]) else {
        skip!("prometheus is not installed (scripts/install-deps.sh --test)");
    };
    server.wait_until("ml_check_value{id=\"pool.utilization\",unit=\"%\",system=\"logos-pxl\"}", 10.0);
    assert_eq!(get("/health").0, 200);
    pool(95);
    server.wait_until("ml_check_status{id=\"pool.utilization\"}", 2.0);
    let (code, _, page) = get("/");
    assert_eq!(code, 200);
    assert!(page.contains("logos-pxl") && page.contains("raise POOL_SIZE") && page.contains("ok &rarr; crit"), "{page}");
    assert_eq!(get("/health").0, 503);
    pool(20);
    server.wait_until("ml_check_status{id=\"pool.utilization\"}", 0.0);
    assert_eq!(get("/health").0, 200);
    // The watch is killed: everybody sees that nobody looks any more.
    pipeline.stage(0).signal(9);
    server.wait_until("ml_serve_stream_open", 0.0);
    let (code, _, health) = get("/health");
    assert!(code == 503 && health.contains("began and never ended"), "{health}");
    pipeline.stage(1).signal(15);
    assert_eq!(pipeline.wait().last.code, 143);
}
