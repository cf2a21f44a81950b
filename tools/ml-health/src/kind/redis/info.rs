//! What INFO tells, view by view: pure functions over its fields.

use super::super::{Metric, Sample, View};
use jiff::Timestamp;
use ml_common::people::human_bytes;
use std::collections::HashMap;

pub(super) const SERVER: View = View {
    name: "server",
    doc: "The server itself.",
    params: &[],
    metrics: &[
        Metric { name: "uptime", unit: "s", doc: "Time since it started." },
        Metric { name: "version", unit: "", doc: "Its version." },
        Metric { name: "keys", unit: "", doc: "Keys in all its databases." },
        Metric { name: "loading", unit: "", doc: "Whether it still reads its data." },
    ],
    named_by: None,
};

pub(super) const MEMORY: View = View {
    name: "memory",
    doc: "Its memory.",
    params: &[],
    metrics: &[
        Metric {
            name: "percent",
            unit: "%",
            doc: "Used in per cent of maxmemory; without one, of the machine's memory, which it may fill.",
        },
        Metric { name: "used", unit: "bytes", doc: "Used." },
        Metric { name: "limit", unit: "bytes", doc: "maxmemory; 0 is none." },
        Metric { name: "rss", unit: "bytes", doc: "Held, as the operating system sees it." },
        Metric { name: "peak", unit: "bytes", doc: "Highest use." },
        Metric { name: "fragmentation", unit: "", doc: "Held over used." },
        Metric { name: "policy", unit: "", doc: "What it does at its limit: `noeviction` refuses writes." },
    ],
    named_by: None,
};

pub(super) const EVICTIONS: View = View {
    name: "evictions",
    doc: "Keys that went. All are counters since the server started: `delta(evicted)` are those since the last run.",
    params: &[],
    metrics: &[
        Metric { name: "evicted", unit: "", doc: "Keys thrown out for want of memory." },
        Metric { name: "expired", unit: "", doc: "Keys whose time was over." },
        Metric { name: "refused", unit: "", doc: "Commands refused for want of memory (Redis 6.2 and later)." },
    ],
    named_by: None,
};

pub(super) const HITS: View = View {
    name: "hits",
    doc: "Keys that were found. `delta(hits) / (delta(hits) + delta(misses)) * 100` is the rate since the last run.",
    params: &[],
    metrics: &[
        Metric { name: "hit_rate", unit: "%", doc: "Hits in per cent of all since the server started; not there before the first." },
        Metric { name: "hits", unit: "", doc: "Keys found: a counter." },
        Metric { name: "misses", unit: "", doc: "Keys not found: a counter." },
    ],
    named_by: None,
};

pub(super) const CLIENTS: View = View {
    name: "clients",
    doc: "Connections of clients, ours among them.",
    params: &[],
    metrics: &[
        Metric { name: "connected", unit: "", doc: "Connections." },
        Metric { name: "blocked", unit: "", doc: "Those that wait for something (BLPOP)." },
        Metric { name: "limit", unit: "", doc: "maxclients (Redis 6.2 and later)." },
        Metric { name: "percent", unit: "%", doc: "Connections in per cent of the limit." },
        Metric { name: "rejected", unit: "", doc: "Connections refused because of the limit: a counter." },
    ],
    named_by: None,
};

pub(super) const PERSISTENCE: View = View {
    name: "persistence",
    doc: "Whether what it holds is on the disk.",
    params: &[],
    metrics: &[
        Metric { name: "failing", unit: "", doc: "Whether the last snapshot, or writing or rewriting the AOF, failed." },
        Metric { name: "save_age", unit: "s", doc: "Time since the last snapshot that succeeded, or since the start." },
        Metric { name: "changes", unit: "", doc: "Changes since then; an old snapshot matters only with some." },
        Metric { name: "aof", unit: "", doc: "Whether it keeps an append-only file." },
        Metric { name: "loading", unit: "", doc: "Whether it still reads its data." },
    ],
    named_by: None,
};

pub(super) const REPLICATION: View = View {
    name: "replication",
    doc: "Its replicas, or its being one.",
    params: &[],
    metrics: &[
        Metric {
            name: "lag",
            unit: "s",
            doc: "Of a primary: since the slowest replica was heard of. Of a replica: since the primary was.",
        },
        Metric { name: "lag_bytes", unit: "bytes", doc: "Of a primary: what the slowest replica lacks." },
        Metric { name: "replicas", unit: "", doc: "Replicas that are connected." },
        Metric { name: "role", unit: "", doc: "`master` or `slave`, as the server says." },
        Metric { name: "link_down", unit: "", doc: "Whether it is a replica without its primary." },
    ],
    named_by: None,
};

/// The fields of INFO.
pub(super) struct Info(HashMap<String, String>);

impl Info {
    pub fn of(fields: Vec<(String, String)>) -> Info {
        Info(fields.into_iter().collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The same with those of these fields that there are.
    fn ints(&self, sample: Sample, names: &[(&str, &str)]) -> Sample {
        names.iter().fold(sample, |sample, (name, field)| match self.int(field) {
            Some(value) => sample.with(name, value),
            None => sample,
        })
    }
}

/// The part of a name=value list: `ip=127.0.0.1,lag=0`.
fn part<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 10_000.0 / whole as f64).round() / 100.0)
}

/// The sample of a view over INFO.
pub(super) fn sample(view: &str, info: &Info, now: Timestamp) -> Option<Sample> {
    Some(match view {
        "server" => server(info),
        "memory" => memory(info),
        "evictions" => evictions(info),
        "hits" => hits(info),
        "clients" => clients(info),
        "persistence" => persistence(info, now),
        "replication" => replication(info),
        _ => return None,
    })
}

fn server(info: &Info) -> Sample {
    let version = info.text("redis_version").unwrap_or_default();
    let keys = info.0.iter().filter(|(name, _)| name.strip_prefix("db").is_some_and(|rest| rest.parse::<u32>().is_ok()));
    let keys: i64 = keys.filter_map(|(_, list)| part(list, "keys")?.parse::<i64>().ok()).sum();
    let sample = Sample { note: format!("Redis {version}, {keys} keys"), ..Sample::default() };
    let sample = sample.with("version", version).with("keys", keys).with("loading", info.int("loading") == Some(1));
    info.ints(sample, &[("uptime", "uptime_in_seconds")])
}

fn memory(info: &Info) -> Sample {
    let (used, limit) = (info.int("used_memory").unwrap_or_default(), info.int("maxmemory").unwrap_or_default());
    let machine = info.int("total_system_memory").unwrap_or_default();
    let (whole, of) = if limit > 0 { (limit, "its limit") } else { (machine, "the machine, no limit is set") };
    let note = match percent(used, whole) {
        Some(percent) => format!("{} in use, {percent} % of {of}", human_bytes(used.unsigned_abs())),
        None => format!("{} in use, no limit is set", human_bytes(used.unsigned_abs())),
    };
    let sample = Sample { note, ..Sample::default() }.with("used", used).with("limit", limit);
    let sample = percent(used, whole).into_iter().fold(sample, |sample, percent| sample.with("percent", percent));
    let fragmentation = info.text("mem_fragmentation_ratio").and_then(|text| text.parse::<f64>().ok());
    let sample = fragmentation.into_iter().fold(sample, |sample, ratio| sample.with("fragmentation", ratio));
    let sample = info.text("maxmemory_policy").into_iter().fold(sample, |sample, policy| sample.with("policy", policy));
    info.ints(sample, &[("rss", "used_memory_rss"), ("peak", "used_memory_peak")])
}

fn evictions(info: &Info) -> Sample {
    let refused = info.text("errorstat_OOM").and_then(|list| part(list, "count")?.parse::<i64>().ok()).unwrap_or_default();
    let evicted = info.int("evicted_keys").unwrap_or_default();
    let note = format!("{evicted} keys evicted and {refused} commands refused since the server started");
    info.ints(Sample { note, ..Sample::default() }.with("refused", refused), &[("evicted", "evicted_keys"), ("expired", "expired_keys")])
}

fn hits(info: &Info) -> Sample {
    let (hits, misses) = (info.int("keyspace_hits").unwrap_or_default(), info.int("keyspace_misses").unwrap_or_default());
    let sample = Sample::default().with("hits", hits).with("misses", misses);
    match percent(hits, hits.saturating_add(misses)) {
        Some(rate) => Sample { note: format!("{rate} % of the keys asked for were found"), ..sample }.with("hit_rate", rate),
        None => Sample { note: "no key was asked for since the server started".into(), ..sample },
    }
}

fn clients(info: &Info) -> Sample {
    let (connected, limit) = (info.int("connected_clients").unwrap_or_default(), info.int("maxclients"));
    let note = match limit {
        Some(limit) => format!("{connected} of {limit} connections"),
        None => format!("{connected} connections"),
    };
    let fields =
        [("connected", "connected_clients"), ("blocked", "blocked_clients"), ("limit", "maxclients"), ("rejected", "rejected_connections")];
    let sample = info.ints(Sample { note, ..Sample::default() }, &fields);
    let percent = limit.and_then(|limit| percent(connected, limit));
    percent.into_iter().fold(sample, |sample, percent| sample.with("percent", percent))
}

fn persistence(info: &Info, now: Timestamp) -> Sample {
    let aof = info.int("aof_enabled") == Some(1);
    let states = [
        ("rdb_last_bgsave_status", "the last snapshot failed", true),
        ("aof_last_write_status", "the last write to the AOF failed", aof),
        ("aof_last_bgrewrite_status", "the last rewrite of the AOF failed", aof),
    ];
    let bad = states.iter().filter(|(field, _, counts)| *counts && info.text(field).is_some_and(|state| state != "ok"));
    let rows: Vec<String> = bad.map(|(_, what, _)| (*what).to_owned()).collect();
    let age = info.int("rdb_last_save_time").map(|at| (now.as_second() - at).max(0));
    let changes = info.int("rdb_changes_since_last_save").unwrap_or_default();
    let note = match (rows.first(), age) {
        (Some(what), _) => what.clone(),
        (None, Some(age)) => format!("last snapshot {age} s ago, {changes} changes since"),
        (None, None) => "no snapshot".into(),
    };
    let failing = !rows.is_empty();
    let sample = Sample { note, rows, ..Sample::default() };
    let sample = sample.with("failing", failing).with("changes", changes).with("aof", aof).with("loading", info.int("loading") == Some(1));
    age.into_iter().fold(sample, |sample, age| sample.with("save_age", age))
}

fn replication(info: &Info) -> Sample {
    let role = info.text("role").unwrap_or_default();
    if role == "slave" {
        let up = info.text("master_link_status") == Some("up");
        // Down for no known time: since the replica started.
        let since = if up {
            info.int("master_last_io_seconds_ago")
        } else {
            info.int("master_link_down_since_seconds").filter(|since| *since >= 0)
        };
        let since = since.or(info.int("uptime_in_seconds")).unwrap_or_default();
        let note =
            if up { format!("replica, its primary heard of {since} s ago") } else { format!("replica without its primary for {since} s") };
        let sample = Sample { note, ..Sample::default() }.with("lag", since).with("role", role).with("link_down", !up);
        return info.ints(sample, &[("replicas", "connected_slaves")]);
    }
    let offset = info.int("master_repl_offset").unwrap_or_default();
    let mut replicas: Vec<(i64, i64, String)> = Vec::new();
    for (_, list) in info.0.iter().filter(|(name, _)| name.strip_prefix("slave").is_some_and(|rest| rest.parse::<u32>().is_ok())) {
        let int = |name: &str| part(list, name).and_then(|text| text.parse::<i64>().ok());
        let (lag, behind) = (int("lag").unwrap_or_default(), int("offset").map_or(0, |at| (offset - at).max(0)));
        let word = |name: &str| part(list, name).unwrap_or("?");
        let row = format!("replica {}:{}: {}, {behind} bytes behind, heard of {lag} s ago", word("ip"), word("port"), word("state"));
        replicas.push((behind, lag, row));
    }
    replicas.sort_by(|a, b| b.cmp(a));
    let behind = replicas.first().map_or(0, |replica| replica.0);
    let lag = replicas.iter().map(|replica| replica.1).max().unwrap_or(0);
    let note = match replicas.len() {
        0 => "no replica".to_owned(),
        1 => format!("1 replica, {behind} bytes behind"),
        count => format!("{count} replicas, the slowest {behind} bytes behind"),
    };
    let count = replicas.len();
    let rows = replicas.into_iter().take(10).map(|replica| replica.2).collect();
    let sample = Sample { note, rows, ..Sample::default() }.with("lag", lag).with("lag_bytes", behind);
    sample.with("replicas", count).with("role", role).with("link_down", false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> Info {
        Info::of(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn without_a_limit_memory_is_measured_against_the_machine() {
        let limited = memory(&of(&[("used_memory", "250"), ("maxmemory", "1000"), ("total_system_memory", "10000")]));
        assert_eq!(limited.values["percent"], 25.0.into());
        let free = memory(&of(&[("used_memory", "250"), ("maxmemory", "0"), ("total_system_memory", "10000")]));
        assert_eq!((free.values["percent"].clone(), free.values["limit"].clone()), (2.5.into(), 0.into()));
        assert!(free.note.contains("no limit is set"));
    }

    #[test]
    fn the_state_of_an_aof_counts_only_where_there_is_one() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let fields = [("rdb_last_bgsave_status", "ok"), ("aof_last_write_status", "err"), ("rdb_last_save_time", "999900")];
        let without = persistence(&of(&fields), now);
        assert_eq!((without.values["failing"].clone(), without.values["save_age"].clone()), (false.into(), 100.into()));
        let with = persistence(&of(&[fields[0], fields[1], ("aof_enabled", "1")]), now);
        assert_eq!((with.values["failing"].clone(), with.rows[0].as_str()), (true.into(), "the last write to the AOF failed"));
    }

    #[test]
    fn a_replica_without_its_primary_has_been_so_for_a_time() {
        let down = replication(&of(&[("role", "slave"), ("master_link_status", "down"), ("master_link_down_since_seconds", "77")]));
        assert_eq!((down.values["lag"].clone(), down.values["link_down"].clone()), (77.into(), true.into()));
        let never = replication(&of(&[
            ("role", "slave"),
            ("master_link_status", "down"),
            ("master_link_down_since_seconds", "-1"),
            ("uptime_in_seconds", "5"),
        ]));
        assert_eq!(never.values["lag"], 5.into());
    }

    #[test]
    fn the_slowest_replica_counts() {
        let slow = "ip=10.0.0.3,port=6379,state=online,offset=400,lag=9";
        let sample = replication(&of(&[
            ("role", "master"),
            ("master_repl_offset", "1000"),
            ("slave0", "ip=10.0.0.2,port=6379,state=online,offset=1000,lag=0"),
            ("slave1", slow),
        ]));
        assert_eq!((sample.values["lag"].clone(), sample.values["lag_bytes"].clone()), (9.into(), 600.into()));
        assert!(sample.rows[0].starts_with("replica 10.0.0.3:6379: online, 600 bytes behind"), "{sample:?}");
    }
}
