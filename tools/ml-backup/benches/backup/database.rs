//! The database that is backed up: rows like a ledger's, one table much larger than the others.

use ml_tests::Cluster;

/// Text of formulas, hashes, times and numbers, as the ledger has them; `{}` is the number of rows.
const LEDGER: &str = "AS SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS hash,
    '(' || (ARRAY['p','q','r','s'])[1 + (i * 7) % 4] || ' -> (' || (ARRAY['p','q','r','s'])[1 + (i * 13) % 4] || ' -> ~' ||
        (ARRAY['p','q','r'])[1 + (i * 17) % 3] || ')) -> ' || repeat('(x' || i % 100 || ' -> y)', (i % 7)::int) AS statement,
    timestamptz '2025-01-08' - i * interval '1 second' AS made, (ARRAY['proven','failed','open'])[1 + i % 3] AS status,
    (i % 9)::int AS depth, i * 1.37 AS cost FROM generate_series(1::bigint, {}) i";

/// About so many bytes a row on the server.
const ROW: u64 = 180;

/// Makes it; gives its URL and the size of its tables.
pub fn make(cluster: &Cluster, bytes: u64) -> (String, u64) {
    let db = cluster.database("bench");
    let mut client = db.client();
    let rows = bytes / ROW;
    for (table, rows) in [("statements", rows * 3 / 4), ("proofs", rows / 8), ("blocks", rows / 16), ("runs", rows / 16)] {
        client.batch_execute(&format!("CREATE TABLE {table} {}", LEDGER.replace("{}", &rows.to_string()))).unwrap();
    }
    for number in 0..20 {
        client.batch_execute(&format!("CREATE TABLE small_{number} {}", LEDGER.replace("{}", "100"))).unwrap();
    }
    let sql = "SELECT sum(pg_table_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let size: i64 = client.query_one(sql, &[]).unwrap().get(0);
    client.batch_execute("CHECKPOINT").or_else(|_| cluster.superuser("postgres").batch_execute("CHECKPOINT")).unwrap();
    let url = db.url();
    // It ends with the cluster.
    std::mem::forget(db);
    (url, size.unsigned_abs())
}
