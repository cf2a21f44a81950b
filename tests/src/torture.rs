//! A database of everything that a dump has to understand: names, types, shapes of tables, large objects, and a table larger than any part
//! that it is cut into.

use postgres::Client;

/// Makes it all in an empty database; `client` is a superuser's. `rows` are those of the large table, 150,000 for some 60 MB with TOAST.
pub fn torture(client: &mut Client, rows: u32) {
    client.batch_execute(include_str!("torture.sql")).expect("the torture database is made");
    // An index that could not be built stays, invalid.
    let twins = "CREATE TABLE twins (a int); INSERT INTO twins VALUES (1), (1)";
    client.batch_execute(twins).expect("twins are made");
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY twins_a ON twins (a)").expect_err("twins cannot be unique");
    large(client, rows);
}

/// The large table alone: rows of all sizes, some in TOAST, some deleted and replaced, so that their order is not that of their making.
pub fn large(client: &mut Client, rows: u32) {
    let sql = format!(
        "CREATE TABLE large (id int PRIMARY KEY, kind text, body text, far text);
         ALTER TABLE large ALTER COLUMN far SET STORAGE EXTERNAL;
         INSERT INTO large SELECT i, 'kind ' || i % 7, repeat(md5(i::text), i % 9),
             CASE WHEN i % 500 = 0 THEN repeat(md5((-i)::text), 1000) END FROM generate_series(1, {rows}) i;
         DELETE FROM large WHERE id % 10 = 3; UPDATE large SET kind = kind || '!' WHERE id % 10 = 5; VACUUM large"
    );
    // VACUUM wants to be alone.
    for statement in sql.split(';') {
        client.batch_execute(statement).expect("the large table is made");
    }
}

/// A table of configuration in an extension, with a condition on its rows, and one without. Such a dump is for reading alone: a restore
/// would need an extension that makes the tables.
pub fn configured(client: &mut Client) {
    let available = "SELECT name::text FROM pg_available_extensions WHERE name IN ('citext', 'vector') ORDER BY 1 LIMIT 1";
    let extension: String = client.query_one(available, &[]).expect("there is an extension").get(0);
    let sql = "CREATE EXTENSION citext; CREATE TABLE config_some (a int, b text); CREATE TABLE config_all (a int); CREATE TABLE config_none (a int);
        INSERT INTO config_some SELECT i, 'row ' || i FROM generate_series(1, 10) i; INSERT INTO config_all VALUES (1), (2); INSERT INTO config_none VALUES (3);
        ALTER EXTENSION citext ADD TABLE config_some; ALTER EXTENSION citext ADD TABLE config_all; ALTER EXTENSION citext ADD TABLE config_none;
        UPDATE pg_catalog.pg_extension SET extconfig = ARRAY['config_some'::regclass::oid, 'config_all'::regclass::oid],
            extcondition = ARRAY['WHERE a > 4', ''] WHERE extname = 'citext'";
    client.batch_execute(&sql.replace("citext", &extension)).expect("the extension is configured");
}
