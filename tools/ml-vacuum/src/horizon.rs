//! Why dead rows stay: somebody may still see them.

use ml_common::record::Check;
use ml_common::{Result, Status, pg};
use postgres::Client;

/// A snapshot is told about from this age on; a nightly dump of an hour is not rare.
const WARN_SECONDS: f64 = 3600.0;

/// What has no time of its own, a slot or a standby, is told about from so many transactions on.
const WARN_TRANSACTIONS: i64 = 1_000_000;

/// What holds the oldest snapshot.
#[derive(Clone, Debug, PartialEq)]
struct Oldest {
    /// `transaction`, `prepared`, `slot`, `standby`.
    kind: String,
    /// For people.
    who: String,
    /// How to end it: the server process, the name of the transaction or slot.
    key: String,
    seconds: Option<f64>,
    transactions: i64,
}

/// Transactions count in this database alone; slots and standbys hold rows of all of them.
const OLDEST: &str = "SELECT kind, who, key, seconds, transactions FROM (
        SELECT CASE WHEN backend_type = 'walsender' THEN 'standby' ELSE 'transaction' END AS kind,
            coalesce(nullif(application_name, ''), 'a session') || coalesce(' of role ' || usename, '') || coalesce(', ' || state, '') AS who,
            pid::text AS key, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
            greatest(age(backend_xmin), age(backend_xid))::bigint AS transactions
        FROM pg_catalog.pg_stat_activity
        WHERE pid <> pg_catalog.pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
            AND (datname = current_database() OR backend_type = 'walsender')
        UNION ALL
        SELECT 'prepared', gid || ' of role ' || owner, gid, extract(epoch FROM clock_timestamp() - prepared)::float8, age(transaction)::bigint
        FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()
        UNION ALL
        SELECT 'slot', slot_name || CASE WHEN active THEN '' ELSE ', which nobody reads' END, slot_name, NULL,
            greatest(age(xmin), age(catalog_xmin))::bigint
        FROM pg_catalog.pg_replication_slots WHERE xmin IS NOT NULL
    ) holders ORDER BY transactions DESC LIMIT 1";

/// The observation, for when dead rows stayed; None when nobody holds them any more.
///
/// # Errors
/// Class Database.
pub fn look(client: &mut Client, dead: i64) -> Result<Option<(Status, Check)>> {
    let failed = |error| pg::failure(&error, "looking for the oldest snapshot");
    let Some(row) = client.query_opt(OLDEST, &[]).map_err(failed)? else { return Ok(None) };
    let text = |at| row.try_get::<_, String>(at).map_err(failed);
    let oldest = Oldest {
        kind: text(0)?,
        who: text(1)?,
        key: text(2)?,
        seconds: row.try_get(3).map_err(failed)?,
        transactions: row.try_get(4).map_err(failed)?,
    };
    Ok(Some(judged(&oldest, dead)))
}

fn judged(oldest: &Oldest, dead: i64) -> (Status, Check) {
    let mut check = Check { id: "vacuum.horizon".into(), ..Check::default() };
    let old = match oldest.seconds {
        Some(seconds) => {
            (check.value, check.warn, check.unit) = (Some(seconds.floor().into()), Some(WARN_SECONDS.into()), Some("s".into()));
            seconds >= WARN_SECONDS
        }
        None => {
            (check.value, check.warn) = (Some(oldest.transactions.into()), Some(WARN_TRANSACTIONS.into()));
            check.unit = Some("transactions".into());
            oldest.transactions >= WARN_TRANSACTIONS
        }
    };
    let (what, hint) = match oldest.kind.as_str() {
        "prepared" => {
            ("the prepared transaction", format!("COMMIT PREPARED '{0}' or ROLLBACK PREPARED '{0}'", oldest.key.replace('\'', "''")))
        }
        "slot" => {
            ("the replication slot", format!("let its reader catch up, or drop it: SELECT pg_drop_replication_slot('{}')", oldest.key))
        }
        "standby" => ("the standby", "see hot_standby_feedback and the long queries on the standby".into()),
        _ => ("the transaction", format!("let it end, or end it: SELECT pg_terminate_backend({})", oldest.key)),
    };
    check.summary = format!("{dead} dead rows stayed, held back by {what} {}", oldest.who);
    check.hint = Some(hint);
    (if old { Status::Warn } else { Status::Ok }, check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_snapshot_is_no_alarm_and_an_old_one_is() {
        let base = Oldest { kind: "transaction".into(), who: "psql".into(), key: "7".into(), seconds: Some(3599.9), transactions: 5 };
        let (status, check) = judged(&base, 12);
        assert_eq!((status, check.summary.as_str()), (Status::Ok, "12 dead rows stayed, held back by the transaction psql"));
        let (status, check) = judged(&Oldest { seconds: Some(3600.0), ..base.clone() }, 12);
        assert_eq!((status, check.hint.as_deref()), (Status::Warn, Some("let it end, or end it: SELECT pg_terminate_backend(7)")));
        assert!(check.value.is_some() && check.warn.is_some());
        let slot = Oldest { kind: "slot".into(), key: "s".into(), seconds: None, ..base };
        assert_eq!(judged(&slot, 1).0, Status::Ok);
        assert_eq!(judged(&Oldest { transactions: WARN_TRANSACTIONS, ..slot }, 1).0, Status::Warn);
    }
}
