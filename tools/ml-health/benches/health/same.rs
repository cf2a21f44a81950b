//! Which check of a profile is which service of the stock programs. Thresholds are such that all is well: rows of evidence cost time too.

/// A check, as a profile has it and as they have it. Arguments are as they want them, `None` where they have no such check.
pub struct Same {
    pub id: &'static str,
    /// View and value of the probe.
    view: (&'static str, &'static str),
    warn: &'static str,
    pub pgactivity: Option<&'static [&'static str]>,
    pub postgres: Option<&'static [&'static str]>,
}

const fn same(
    id: &'static str,
    view: (&'static str, &'static str),
    warn: &'static str,
    pgactivity: Option<&'static [&'static str]>,
    postgres: Option<&'static [&'static str]>,
) -> Same {
    Same { id, view, warn, pgactivity, postgres }
}

const SHARE: [&str; 4] = ["-w", "80%", "-c", "95%"];
const LONG: [&str; 4] = ["-w", "300s", "-c", "600s"];

/// All of them.
pub const CHECKS: &[Same] = &[
    same("connect", ("connect", "ms"), "> 10000", Some(&["connection"]), Some(&["connection"])),
    same("connections", ("connections", "percent"), "> 80", Some(&with("backends", SHARE)), Some(&with("backends", SHARE))),
    same(
        "states",
        ("connections", "idle_in_transaction"),
        "> 50",
        Some(&["backends_status", "-w", "idle_xact=50,waiting=50", "-c", "idle_xact=90,waiting=90"]),
        None,
    ),
    same("long-queries", ("long-queries", "longest"), "> 300", Some(&with("longest_query", LONG)), Some(&with("query_time", LONG))),
    same("idle", ("idle-transactions", "oldest"), "> 300", Some(&with("oldest_idlexact", LONG)), Some(&with("txn_idle", LONG))),
    same("xmin", ("xmin", "age"), "> 1000000", Some(&["oldest_xmin", "-w", "1000000", "-c", "2000000"]), None),
    same(
        "prepared",
        ("xmin", "prepared"),
        "> 1000000",
        Some(&with("oldest_2pc", LONG)),
        Some(&["prepared_txns", "-w", "300", "-c", "600"]),
    ),
    same("freeze", ("freeze", "percent"), "> 80", Some(&with("max_freeze_age", SHARE)), Some(&with("autovac_freeze", SHARE))),
    same("wraparound", ("freeze", "wraparound"), "> 60", None, Some(&["txn_wraparound", "-w", "1300000000", "-c", "1400000000"])),
    same(
        "slots",
        ("slots", "retained"),
        "> 1e9",
        Some(&["replication_slots", "-w", "wal=100", "-c", "wal=1000"]),
        Some(&["replication_slots", "-w", "1GB", "-c", "2GB"]),
    ),
    same("replication", ("replication", "lag_bytes"), "> 1e9", Some(&["streaming_delta", "-w", "1GB", "-c", "2GB"]), None),
    same(
        "archiver",
        ("archiver", "waiting"),
        "> 10",
        Some(&["archiver", "-w", "10", "-c", "20"]),
        Some(&["archive_ready", "-w", "10", "-c", "20"]),
    ),
    same("cache", ("cache", "ratio"), "< 1", Some(&["hit_ratio", "-w", "1%", "-c", "0%"]), Some(&["hitratio", "-w", "1%", "-c", "0%"])),
    same(
        "vacuum",
        ("dead-rows", "most"),
        "> 1e9",
        Some(&["last_vacuum", "-w", "300d", "-c", "400d"]),
        Some(&["last_vacuum", "-w", "300d", "-c", "400d"]),
    ),
    same("invalid-indexes", ("invalid-indexes", "count"), "> 0", Some(&["invalid_indexes"]), None),
    same("sequences", ("sequences", "percent"), "> 80", Some(&with("sequences_exhausted", SHARE)), Some(&with("sequence", SHARE))),
    same(
        "size",
        ("size", "bytes"),
        "> 1e12",
        Some(&["database_size", "-w", "size=1TB", "-c", "size=2TB"]),
        Some(&["database_size", "-w", "1TB", "-c", "2TB"]),
    ),
    same("tables", ("tables", "largest"), "> 1e12", None, Some(&["total_relation_size", "-w", "1TB", "-c", "2TB"])),
    same("settings", ("settings", "losing"), "> 100", Some(&["configuration"]), None),
    same("temp", ("deadlocks", "temp_bytes"), "> 1e12", Some(&["temp_files", "-w", "1TB", "-c", "2TB"]), Some(&["dbstats"])),
];

/// A service and its thresholds.
const fn with(service: &'static str, [a, b, c, d]: [&'static str; 4]) -> [&'static str; 5] {
    [service, a, b, c, d]
}

/// A profile of those that are wanted.
pub fn profile(wanted: impl Fn(&Same) -> bool) -> String {
    let mut text = String::from("[profile]\nversion = 1\nsystem = \"bench\"\n\n[probe.db]\nkind = \"postgres\"\n");
    for same in CHECKS.iter().filter(|same| wanted(same)) {
        let (view, value) = same.view;
        text.push_str(&format!(
            "\n[[check]]\nid = \"{}\"\nprobe = \"db.{view}\"\nvalue = \"{value}\"\nwarn = \"{}\"\n",
            same.id, same.warn
        ));
    }
    text
}
