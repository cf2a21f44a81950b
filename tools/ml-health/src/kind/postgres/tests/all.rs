//! What every view promises, on each version that is at hand.

use super::*;
use crate::kind::probing::texts;
use ml_tests::{Cluster, newer, skip};
use std::collections::BTreeSet;

/// What has to be given.
fn required(view: &str) -> Vec<(&'static str, Arg)> {
    match view {
        "required-tables" => vec![("tables", texts(&["t"]))],
        "migrations" => vec![("expected", Arg::Number(3.0))],
        "query" => vec![("sql", text("SELECT 1 AS one"))],
        _ => Vec::new(),
    }
}

/// Every view gives the values that the manual names, and no others.
fn every_view_keeps_its_word(cluster: &Cluster) {
    let db = cluster.database("views");
    db.client().batch_execute("CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES").unwrap();
    let mut probing = monitor(&db);
    // Named, but not there on this server.
    let absent = ["slow-statements", "archiver"];
    let optional = ["receiving", "vacuum_age"];
    for view in KIND.views {
        if absent.contains(&view.name) {
            assert!(matches!(probing.take(view.name, &[]), Err(Unseen::Absent(_))), "{}", view.name);
            continue;
        }
        let sample = seen(&mut probing, view.name, &required(view.name));
        assert_eq!(sample.hidden, None, "{}", view.name);
        assert!(!sample.note.is_empty() && sample.rows.len() <= super::super::EVIDENCE, "{}: {sample:?}", view.name);
        if view.name == "query" {
            continue;
        }
        let given: BTreeSet<&str> = sample.values.keys().map(String::as_str).collect();
        let named: BTreeSet<&str> = view.metrics.iter().map(|metric| metric.name).collect();
        let missing: Vec<&&str> = named.difference(&given).filter(|name| !optional.contains(*name)).collect();
        assert!(given.is_subset(&named) && missing.is_empty(), "{}: given {given:?}, named {named:?}", view.name);
    }
}

#[test]
fn every_view_keeps_its_word_here() {
    every_view_keeps_its_word(Cluster::shared());
}

#[test]
fn every_view_keeps_its_word_on_16() {
    match newer::server_16() {
        Ok(bin) => every_view_keeps_its_word(&Cluster::private_of(bin)),
        Err(reason) => skip!("{reason}"),
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<&str> = KIND.views.iter().map(|view| view.name).collect();
    assert_eq!(names.len(), KIND.views.len());
    for view in KIND.views {
        let metrics: BTreeSet<&str> = view.metrics.iter().map(|metric| metric.name).collect();
        assert_eq!(metrics.len(), view.metrics.len(), "{}", view.name);
    }
}

#[test]
fn a_role_without_rights_is_never_told_that_all_is_well() {
    let db = Cluster::shared().database("no_rights");
    // Something that only a privileged role sees.
    let mut other = db.superuser();
    other.batch_execute("CREATE TABLE t (id int); CREATE SEQUENCE s; CREATE TABLE schema_migrations (version int)").unwrap();
    other.batch_execute("BEGIN; SELECT 1 FROM t").unwrap();
    let mut probing = blind(&db);
    for view in ["long-queries", "idle-transactions", "xmin", "sequences"] {
        let sample = seen(&mut probing, view, &[]);
        assert!(sample.hidden.as_deref().is_some_and(|hint| hint.contains("GRANT")) && sample.hides.is_empty(), "{view}: {sample:?}");
    }
    let connections = seen(&mut probing, "connections", &[]);
    assert!(number(&connections, "used") >= 2.0);
    assert!(connections.hidden.is_some() && connections.hides.contains(&"active") && !connections.values.contains_key("active"));
    for view in ["migrations", "query"] {
        let args = if view == "query" { vec![("sql", text("SELECT count(*) FROM t"))] } else { Vec::new() };
        let unseen = probing.take(view, &args).unwrap_err();
        assert!(matches!(&unseen, Unseen::Privilege { hint, .. } if hint.contains("GRANT")), "{view}: {unseen:?}");
    }
    // What the catalog tells everybody is known.
    assert_eq!(number(&seen(&mut probing, "primary-keys", &[]), "count"), 2.0);
}
