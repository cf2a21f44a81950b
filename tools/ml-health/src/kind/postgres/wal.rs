//! Where the write-ahead log goes: standbys, slots that keep it, the archive.

use super::super::{Metric, Sample, Unseen, View};
use super::activity::rounded;
use super::session::{Db, Trouble, cell};
use super::{EVIDENCE, GRANT_STATS};
use ml_common::Result;
use ml_common::people::{counted, human_bytes};

/// Standbys, or being one.
pub(super) const REPLICATION: View = View {
    name: "replication",
    doc: "On a primary: how far its standbys and subscribers are behind; their progress needs pg_read_all_stats. On a standby: how far it is \
          behind itself.",
    params: &[],
    metrics: &[
        Metric { name: "lag", unit: "s", doc: "Seconds that the slowest is behind; 0 when all have everything." },
        Metric { name: "lag_bytes", unit: "bytes", doc: "Write-ahead log that the slowest has not replayed." },
        Metric { name: "standbys", unit: "", doc: "Standbys and subscribers that are connected." },
        Metric { name: "sync", unit: "", doc: "Those of them that commits wait for." },
        Metric { name: "standby", unit: "", doc: "Whether the server is a standby itself." },
        Metric { name: "receiving", unit: "", doc: "On a standby: whether it is connected to its primary." },
    ],
    named_by: None,
};

/// Slots.
pub(super) const SLOTS: View = View {
    name: "slots",
    doc: "Replication slots: an inactive one keeps write-ahead log until the disk is full.",
    params: &[],
    metrics: &[
        Metric { name: "retained", unit: "bytes", doc: "Write-ahead log that the furthest behind keeps." },
        Metric { name: "inactive", unit: "", doc: "Slots that nobody reads." },
        Metric { name: "lost", unit: "", doc: "Slots whose log is gone already (PostgreSQL 13 and later)." },
        Metric { name: "slots", unit: "", doc: "All of them." },
    ],
    named_by: None,
};

/// The archive.
pub(super) const ARCHIVER: View = View {
    name: "archiver",
    doc: "Archiving of the write-ahead log; skipped where archive_mode is off. What waits needs pg_monitor.",
    params: &[],
    metrics: &[
        Metric { name: "failing", unit: "", doc: "Whether the last attempt failed." },
        Metric { name: "waiting", unit: "", doc: "Files that are to be archived." },
        Metric { name: "failed", unit: "", doc: "Failed attempts since the statistics were reset: a counter." },
        Metric { name: "archived", unit: "", doc: "Files archived since then: a counter." },
        Metric { name: "since", unit: "s", doc: "Seconds since a file was archived; not there before the first." },
    ],
    named_by: None,
};

/// A receiver that is gone leaves nothing to compare with, and then only the age of what came last tells.
const OURSELVES: &str = "SELECT r.standby, r.receiving,
        CASE WHEN NOT r.standby THEN NULL WHEN r.receiving AND r.received = r.replayed THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8,
        pg_wal_lsn_diff(r.received, r.replayed)::int8
    FROM (SELECT pg_is_in_recovery() AS standby, EXISTS (SELECT FROM pg_stat_wal_receiver) AS receiving,
        pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed) r";

/// A base backup is no standby. A receiver of files alone (pg_receivewal) replays nothing.
const STANDBYS: &str =
    "SELECT coalesce(application_name, ''), coalesce(host(client_addr), 'socket'), coalesce(state, ''), coalesce(sync_state, ''),
        pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
            coalesce(replay_lsn, flush_lsn))::int8,
        extract(epoch FROM coalesce(replay_lag, flush_lag))::float8, state IS NULL
    FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'";

struct Standby {
    name: String,
    state: String,
    sync: String,
    bytes: Option<i64>,
    seconds: Option<f64>,
}

pub(super) fn replication(db: &mut Db) -> Result<Sample, Trouble> {
    let row = db.row("asking for the state of replication", OURSELVES, &[])?;
    let (standby, receiving): (bool, bool) = (cell(&row, 0)?, cell(&row, 1)?);
    let own: (Option<f64>, Option<i64>) = (cell(&row, 2)?, cell(&row, 3)?);
    let (mut standbys, mut hidden) = (Vec::new(), 0);
    for row in &db.rows("asking for the standbys", STANDBYS, &[])? {
        hidden += i32::from(cell::<bool>(row, 6)?);
        let (application, address): (String, String) = (cell(row, 0)?, cell(row, 1)?);
        let name = format!("{application} ({address})");
        standbys.push(Standby { name, state: cell(row, 2)?, sync: cell(row, 3)?, bytes: cell(row, 4)?, seconds: cell(row, 5)? });
    }
    let mut sample = behind(&standbys, standby.then_some(own));
    if standby {
        sample = sample.with("receiving", receiving);
    }
    if hidden > 0 {
        sample.hidden = Some(format!("the progress of {hidden} standbys is not shown: {GRANT_STATS}"));
        sample.hides = &["lag", "lag_bytes", "sync"];
        for name in sample.hides {
            sample.values.remove(*name);
        }
    }
    Ok(sample)
}

/// `own` is how far a standby itself is behind.
fn behind(standbys: &[Standby], own: Option<(Option<f64>, Option<i64>)>) -> Sample {
    // One that has just connected has not said yet how far it is.
    let known: Option<Vec<i64>> = standbys.iter().map(|standby| standby.bytes).collect();
    let bytes = known.map(|known| known.into_iter().chain(own.and_then(|own| own.1)).max().unwrap_or(0).max(0));
    // The server forgets the seconds of a standby that has everything and to which nothing is sent.
    let seconds = standbys.iter().map(|standby| standby.seconds.or((standby.bytes == Some(0)).then_some(0.0)));
    let seconds: Option<Vec<f64>> = seconds.chain(own.map(|own| own.0)).collect();
    let mut slowest: Vec<&Standby> = standbys.iter().collect();
    slowest.sort_by_key(|standby| std::cmp::Reverse(standby.bytes));
    let row = |standby: &&Standby| {
        let bytes = standby.bytes.map_or("no position yet".to_owned(), |bytes| format!("{} behind", human_bytes(bytes.max(0) as u64)));
        format!("standby {}: {}, {}, {bytes}", standby.name, standby.state, standby.sync)
    };
    let count = standbys.len();
    let who = match (own.is_some(), count) {
        (true, _) => "standby".to_owned(),
        (false, 0) => "no standby".to_owned(),
        (false, 1) => "1 standby".to_owned(),
        (false, _) => format!("{}, the slowest", counted(count, "standby")),
    };
    let note = match bytes {
        Some(bytes) if own.is_some() || count > 0 => format!("{who} {} behind", human_bytes(bytes.unsigned_abs())),
        _ => who,
    };
    let sync = standbys.iter().filter(|standby| ["sync", "quorum"].contains(&standby.sync.as_str())).count();
    let sample = Sample { rows: slowest.iter().take(EVIDENCE).map(row).collect(), note, ..Sample::default() }
        .with("standbys", count)
        .with("sync", sync)
        .with("standby", own.is_some());
    let sample = bytes.into_iter().fold(sample, |sample, bytes| sample.with("lag_bytes", bytes));
    match seconds {
        Some(seconds) => sample.with("lag", rounded(seconds.into_iter().fold(0.0, f64::max))),
        None => sample,
    }
}

pub(super) fn slots(db: &mut Db) -> Result<Sample, Trouble> {
    let state = if db.version >= 130_000 { "coalesce(wal_status, '')" } else { "''" };
    let sql = format!(
        "SELECT slot_name::text, slot_type, active, coalesce({state}, '')::text,
            coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::int8
        FROM pg_replication_slots ORDER BY 5 DESC"
    );
    let (mut sample, mut retained, mut inactive, mut lost, mut count) = (Sample::default(), 0i64, 0, 0, 0u64);
    for row in &db.rows("asking for the replication slots", &sql, &[])? {
        let (name, kind, active, state): (String, String, bool, String) = (cell(row, 0)?, cell(row, 1)?, cell(row, 2)?, cell(row, 3)?);
        let bytes = cell::<i64>(row, 4)?.max(0);
        retained = retained.max(bytes);
        inactive += i32::from(!active);
        lost += i32::from(state == "lost");
        count += 1;
        if sample.rows.len() < EVIDENCE {
            let active = if active { "active" } else { "inactive" };
            let state = if state.is_empty() { String::new() } else { format!(", its log is {state}") };
            sample.rows.push(format!("slot {name}: {kind}, {active}, keeps {}{state}", human_bytes(bytes as u64)));
        }
    }
    sample.note = match count {
        0 => "no replication slot".into(),
        _ => format!(
            "{}, {inactive} of them inactive; at most {} are kept",
            counted(count, "replication slot"),
            human_bytes(retained as u64)
        ),
    };
    Ok(sample.with("retained", retained).with("inactive", inactive).with("lost", lost).with("slots", count))
}

const ARCHIVED: &str = "SELECT current_setting('archive_mode'), pg_is_in_recovery(), archived_count, failed_count,
        extract(epoch FROM clock_timestamp() - last_archived_time)::float8,
        coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), coalesce(last_failed_wal, ''),
        has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'EXECUTE')
    FROM pg_stat_archiver";

pub(super) fn archiver(db: &mut Db) -> Result<Sample, Trouble> {
    let row = db.row("asking for the archiver", ARCHIVED, &[])?;
    let (mode, standby): (String, bool) = (cell(&row, 0)?, cell(&row, 1)?);
    if mode == "off" || (standby && mode != "always") {
        let why = if mode == "off" { "archive_mode is off" } else { "a standby archives only with archive_mode = always" };
        return Err(Unseen::Absent(why.to_owned()).into());
    }
    let (archived, failed, since): (i64, i64, Option<f64>) = (cell(&row, 2)?, cell(&row, 3)?, cell(&row, 4)?);
    let (failing, file, may_list): (bool, String, bool) = (cell(&row, 5)?, cell(&row, 6)?, cell(&row, 7)?);
    let mut sample = Sample::default().with("failing", failing).with("failed", failed).with("archived", archived);
    if failing {
        sample.rows.push(format!("{file} could not be archived; {failed} attempts failed since the statistics were reset"));
    }
    sample.note = match since {
        Some(since) => format!("the last file was archived {since:.0} s ago"),
        None => "no file was archived yet".into(),
    };
    if let Some(since) = since {
        sample = sample.with("since", rounded(since));
    }
    if may_list {
        let sql = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";
        let waiting: i64 = cell(&db.row("counting the files that are to be archived", sql, &[])?, 0)?;
        return Ok(sample.with("waiting", waiting));
    }
    let hidden = Some("the files that wait are not shown: GRANT pg_monitor to the role".to_owned());
    Ok(Sample { hidden, hides: &["waiting"], ..sample })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standby(bytes: Option<i64>, seconds: Option<f64>) -> Standby {
        Standby { name: "b (10.0.0.2)".into(), state: "streaming".into(), sync: "async".into(), bytes, seconds }
    }

    #[test]
    fn the_slowest_standby_counts() {
        let sample = behind(&[standby(Some(0), None), standby(Some(2048), Some(3.5))], None);
        assert_eq!((sample.values["lag"].clone(), sample.values["lag_bytes"].clone()), (3.5.into(), 2048.into()));
        assert_eq!(sample.values["standby"], false.into());
        assert!(sample.rows[0].contains("2.0 KiB behind") || sample.rows[0].contains("2 KiB behind"), "{:?}", sample.rows);
    }

    #[test]
    fn seconds_that_nobody_knows_are_not_zero() {
        assert!(!behind(&[standby(Some(7), None)], None).values.contains_key("lag"));
        let new = behind(&[standby(None, None), standby(Some(0), None)], None);
        assert!(!new.values.contains_key("lag") && !new.values.contains_key("lag_bytes"), "one has not said yet");
        assert_eq!(behind(&[], None).values["lag"], 0.0.into());
        assert_eq!(behind(&[], Some((Some(12.0), None))).values["lag"], 12.0.into());
        assert!(!behind(&[], Some((None, Some(0)))).values.contains_key("lag"), "a standby that never replayed anything");
    }
}
