//! pg_stat_statements between two runs.

use super::*;
use ml_tests::{Cluster, boot};

fn run(db: &TestDb, sql: &str, times: usize) {
    let mut client = db.client();
    for _ in 0..times {
        client.query(sql, &[]).unwrap();
    }
}

#[test]
fn statements_are_told_by_what_they_took_since_the_last_run() {
    let cluster = Cluster::private_with(boot::bin(), "shared_preload_libraries = 'pg_stat_statements'\n");
    let db = cluster.database("statements");
    let mut probing = monitor(&db);
    let unseen = probing.take("slow-statements", &[]).unwrap_err();
    assert!(matches!(&unseen, Unseen::Absent(why) if why.contains("CREATE EXTENSION")), "{unseen:?}");
    db.superuser().batch_execute("CREATE SCHEMA ext; CREATE EXTENSION pg_stat_statements SCHEMA ext").unwrap();
    db.superuser().batch_execute("GRANT USAGE ON SCHEMA ext TO PUBLIC").unwrap();
    run(&db, "SELECT pg_sleep(0.3), 'first secret'", 3);
    let calls = ("calls", Arg::Number(2.0));
    let first = seen(&mut probing, "slow-statements", std::slice::from_ref(&calls));
    assert!(number(&first, "slowest_ms") >= 300.0 && number(&first, "mean_ms") >= 300.0 && number(&first, "share") > 50.0, "{first:?}");
    assert!(first.hidden.is_none() && first.rows[0].contains("role ml, database "), "{first:?}");
    assert!(!first.rows.iter().any(|row| row.contains("pg_sleep")), "texts only when asked for");
    // Nothing slow since; what was before counts no more, except in the average of all.
    run(&db, "SELECT 1", 5);
    let second = seen(&mut probing, "slow-statements", std::slice::from_ref(&calls));
    assert!(
        number(&second, "slowest_ms") < 300.0 && number(&second, "mean_ms") >= 300.0 && number(&second, "time_ms") < 900.0,
        "{second:?}"
    );
    run(&db, "SELECT pg_sleep(0.05), 'second secret'", 1);
    let text = [("text", Arg::Switch(true)), calls];
    seen(&mut probing, "slow-statements", &text);
    run(&db, "SELECT pg_sleep(0.05), 'third secret'", 1);
    let third = seen(&mut probing, "slow-statements", &text);
    assert!(
        third.rows[0].contains(": 1 call, ") && number(&third, "time_ms") < 900.0 && third.rows[0].ends_with(": SELECT pg_sleep($1), $2"),
        "{third:?}"
    );
    assert!(!format!("{third:?}").contains("secret"));
    // A reset is no negative time.
    db.superuser().query("SELECT ext.pg_stat_statements_reset()", &[]).unwrap();
    run(&db, "SELECT pg_sleep(0.02)", 3);
    let reset = seen(&mut probing, "slow-statements", &text);
    assert!((20.0..2000.0).contains(&number(&reset, "slowest_ms")), "{reset:?}");
    let role = db.role("blind", "");
    let mut blind = Probing::open(&KIND, &[("url", super::text(db.url_as(&role.name, &role.password)))]);
    let hidden = seen(&mut blind, "slow-statements", &[]);
    assert!(hidden.hidden.as_deref().is_some_and(|hint| hint.contains("pg_read_all_stats")), "{hidden:?}");
}

#[test]
fn an_extension_that_is_not_loaded_is_absent() {
    let db = Cluster::shared().database("not_loaded");
    db.superuser().batch_execute("CREATE EXTENSION pg_stat_statements").unwrap();
    let unseen = monitor(&db).take("slow-statements", &[]).unwrap_err();
    assert!(matches!(&unseen, Unseen::Absent(why) if why.contains("shared_preload_libraries")), "{unseen:?}");
}
