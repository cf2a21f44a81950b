//! The test alert.

use crate::notification::{Item, Notification, Severity, Why};
use jiff::Timestamp;
use ml_common::Stage;
use ml_common::record::timestamp;

/// A test alert for one sink: low, over by itself, and unlike any other.
pub fn notification(stage: &Stage, sink: &str) -> Notification {
    let at = timestamp(Timestamp::now());
    let (system, host) = (stage.system.clone(), stage.host().to_owned());
    let item = Item {
        alert: "TestAlert".into(),
        rule: "TestAlert".into(),
        id: "test".into(),
        severity: Some(Severity::Low),
        summary: "test alert for operational verification".into(),
        since: at.clone(),
        ..Item::default()
    };
    Notification {
        key: format!("test-{}-{sink}-{at}", stage.run),
        group: format!("test/{sink}/{at}"),
        sink: sink.into(),
        why: Why::Test,
        severity: Severity::Low,
        title: format!("{system}: test alert of ml-alert, nothing is wrong"),
        system,
        run: stage.run.clone(),
        host,
        at,
        items: vec![item],
        more: 0,
        log: None,
        look_again: Some(format!("ml-alert test --sink {sink}")),
        contact: None,
        respond_within: None,
    }
}
