//! A real Prometheus scrapes the page, and promtool finds nothing to say about it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::prometheus::promtool_is_content;
use ml_tests::{Prometheus, skip};
use support::{Served, check};

#[test]
fn a_real_prometheus_scrapes_the_state() {
    let mut served = Served::begin(&["--linger", "1h"]);
    served.check("disk", "ok");
    served.tool.feed(&check("evil\"} 1\\n", "warn"));
    let Some(server) = Prometheus::scraping(&[&served.address]) else {
        skip!("prometheus is not installed (scripts/install-deps.sh --test)");
    };
    server.wait_until("up", 1.0);
    server.wait_until("ml_check_status{id=\"disk\"}", 0.0);
    server.wait_until("ml_check_status{id!=\"disk\"}", 1.0);
    let (labels, value) = server.query("ml_check_metric{id=\"disk\"}").remove(0);
    assert_eq!((labels["system"].as_str(), labels["metric"].as_str(), value), (Some("lab"), Some("used"), 3.0));
    served.check("disk", "crit");
    server.wait_until("ml_check_status{id=\"disk\"}", 2.0);
    server.wait_until("ml_serve_stream_open", 1.0);
    served.tool.close_stdin();
    server.wait_until("ml_serve_stream_open", 0.0);
    server.wait_until("ml_check_status{id=\"tool.ml-health\"}", 2.0);
    assert!(promtool_is_content(&served.get("/metrics").1));
}
