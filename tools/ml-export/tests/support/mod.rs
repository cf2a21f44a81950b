//! What the tests of the exports share: the tool at a database, and the comparison of an export with what the server says.
#![allow(dead_code, reason = "each test program uses its part")]

use ml_tests::{Output, TempDir, TestDb, Tool};
use postgres::Client;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// ml-export at this database, its exports in this folder.
pub fn export(db: &TestDb, folder: &Path) -> Tool {
    Tool::new("ml-export").env("DATABASE_URL", db.url()).env("EXPORTS_DIR", folder)
}

/// Names of what is in a folder, in order; hidden ones too.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// The file that the step of this table names.
pub fn path(output: &Output, table: &str) -> PathBuf {
    output.record("step", &format!("export.{table}"))["path"].as_str().unwrap().into()
}

/// The text of an exported file.
pub fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let bytes = if path.extension().is_some_and(|end| end == "zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
    String::from_utf8(bytes).unwrap()
}

/// A table with everything that is hard to write down, in the ledger's schema.
pub const TORTURE: &str = r#"
    CREATE DOMAIN numbers AS numeric[];
    CREATE TYPE mood AS ENUM ('so, so', 'fine');
    CREATE TYPE pair AS (a int, b text);
    CREATE TABLE torture (
        id bigint PRIMARY KEY, "Odd ""name"", really" text, small smallint, big bigint, exact numeric, fine double precision, coarse real,
        yes boolean, bytes bytea, j json, jb jsonb, at timestamptz, local timestamp, day date, span interval, key uuid,
        texts text[], nested int[][], wide numbers, boxes box[], moods mood[], docs jsonb[], flags boolean[], raws bytea[],
        mood mood, pair pair, net inet, range int4range, fixed char(5), name name, vector int2vector, dropped int);
    INSERT INTO torture (id) VALUES (9223372036854775807);
    INSERT INTO torture VALUES (-9223372036854775808, '', -32768, -9223372036854775808, 'NaN', 'NaN', 'NaN', false, '', 'null', 'null', '-infinity',
        'infinity', '-infinity', '-1 mons +2 days -00:00:00.000001', '00000000-0000-0000-0000-000000000000', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        'fine', '(,)', '::1', 'empty', '', '', '', 0);
    INSERT INTO torture SELECT 1, 'a' || chr(9) || 'b' || chr(10) || 'c' || chr(13) || 'd\e"f''g,h' || chr(8) || chr(12) || chr(11) || chr(1) || chr(127),
        32767, 9007199254740993, 12345678901234567890123456789012345678901234567890.12345678901234567890, 1e308, 1.17549435e-38, true,
        '\x00ff0a5c', E'{ "b" : 1e400,\n "a": [1.50, null, "x  \\n\\u00e9\\\\"], "a": 2 }', '{"k": {"deep": [null, 1.10, true]}, "": "\"q\\"}',
        '0044-03-15 12:00:00.5+00 BC', '9999-12-31 23:59:59.999999', '0044-03-15 BC', '1 year 2 mons', gen_random_uuid(),
        ARRAY['a,b', NULL, 'NULL', 'null', '', ' ', '{}', '"', '\', 'N' || chr(10), 'é'], '{{1,2},{NULL,-4}}', '{NaN,1.10,1e30}'::numeric[], '{(1,1),(0,0);(2,2),(1,1)}',
        '{"so, so",fine}', ARRAY['{"a": [1, null]}', NULL, 'null']::jsonb[], '{t,f,NULL}', ARRAY['\x5c'::bytea, '\x00'::bytea],
        'so, so', ROW(1, 'x,"y"\')::pair, '10.0.0.0/8', '[1,5)', 'ab', 'n', '1 2 3', 0;
    INSERT INTO torture (id, "Odd ""name"", really", fine, exact, at, local, fixed, nested) VALUES
        (2, '\N', '-0', 1e-30, '2025-01-08 02:00:00+02', '2025-01-08 02:00', '\N', '[0:1][2:2]={{7},{8}}'),
        (3, E'\\.', 'Infinity', 'Infinity', '12345-06-07 00:00+00', '0001-01-01', '\', NULL),
        (4, 'p → q ∧ ¬𝔽 😀 ' || chr(8232) || chr(65279) || chr(55295), '-Infinity', '-Infinity', NULL, NULL, 'é', NULL),
        (5, ' leading and trailing ', 0.1, 0.000, NULL, NULL, NULL, NULL),
        (6, repeat('long "line" ', 100000), 5e-324, -0.0, NULL, NULL, NULL, NULL);
    ALTER TABLE torture DROP COLUMN dropped;
"#;

/// Whether the JSON lines hold what the table holds: the server reads every line back as a row of the table and compares the two as text, in
/// the order of the primary key; documents apart, since a row of records cannot tell JSON's null from none.
pub fn assert_json_equals(db: &TestDb, table: &str, key: &str, text: &str) {
    let mut client = db.client();
    client.batch_execute("SET TimeZone = 'UTC'").unwrap();
    let columns = columns(&mut client, table);
    let documents: Vec<&String> =
        columns.iter().filter(|(_, kind)| kind.starts_with("json") && !kind.ends_with(']')).map(|(name, _)| name).collect();
    let plain: Vec<&String> = columns.keys().filter(|name| !documents.contains(name)).collect();
    let row = plain.iter().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ");
    let expected = client.query(&format!("SELECT ROW({row})::text FROM {table} t ORDER BY {key}"), &[]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), text.is_empty() || text.ends_with('\n')), (expected.len(), true), "{table}");
    let read_back = format!("SELECT ROW({row})::text FROM json_populate_record(NULL::{table}, $1::text::json) t");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.is_ascii());
        let object: BTreeMap<String, &RawValue> = serde_json::from_str(line).unwrap();
        assert!(plain.iter().all(|name| object.contains_key(*name)), "{line}");
        let read: String = client.query_one(&read_back, &[line]).unwrap().get(0);
        assert_eq!(read, as_in_json(&expected.get::<_, String>(0)), "{line}");
    }
    for name in documents {
        let name_sql = quoted(name);
        let stored = client.query(&format!("SELECT t.{name_sql}::text FROM {table} t ORDER BY {key}"), &[]).unwrap();
        for (line, stored) in lines.iter().zip(stored) {
            let row: BTreeMap<String, &RawValue> = serde_json::from_str(line).unwrap();
            let stored: Option<String> = stored.get(0);
            assert_eq!(row.contains_key(name), stored.is_some(), "NULL leaves the key out, JSON's null does not: {line}");
            let same = "SELECT ($1::text::json -> $2::text)::jsonb IS NOT DISTINCT FROM $3::text::jsonb";
            assert!(client.query_one(same, &[line, name, &stored]).unwrap().get::<_, bool>(0), "{line}");
        }
    }
}

/// What JSON does not keep: an array's lower bounds, and JSON's null as an element of an array of documents.
fn as_in_json(row: &str) -> String {
    row.replace("\"[0:1][2:2]={{7},{8}}\"", "\"{{7},{8}}\"").replace(",NULL,\"\"null\"\"}", ",NULL,NULL}")
}

/// Whether the CSV holds what the table holds: PostgreSQL's own COPY reads it into an empty copy of the table.
pub fn assert_csv_equals(db: &TestDb, table: &str, text: &str) {
    let mut client = db.client();
    client.batch_execute(&format!("SET TimeZone = 'UTC'; CREATE TEMPORARY TABLE back (LIKE {table})")).unwrap();
    let mut copy = client.copy_in("COPY back FROM STDIN (FORMAT csv, HEADER)").unwrap();
    copy.write_all(text.as_bytes()).unwrap();
    copy.finish().unwrap();
    let missing = format!("SELECT count(*) FROM (SELECT t::text FROM {table} t EXCEPT ALL SELECT b::text FROM back b) x");
    let more = format!("SELECT count(*) FROM (SELECT b::text FROM back b EXCEPT ALL SELECT t::text FROM {table} t) x");
    for sql in [missing, more] {
        assert_eq!(client.query_one(&sql, &[]).unwrap().get::<_, i64>(0), 0, "{table}: {sql}");
    }
    client.batch_execute("DROP TABLE back").unwrap();
}

fn columns(client: &mut Client, table: &str) -> BTreeMap<String, String> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped";
    client.query(sql, &[&table]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A ledger of the second generation with so many further statements, large enough to be caught in the middle.
pub fn large_ledger(db: &TestDb, statements: i32) {
    let mut client = db.client();
    ml_tests::ledger::second_generation(&mut client);
    let sql = "INSERT INTO statements (system_id, hash, content_norm, status)
        SELECT t.id, encode(digest(n::text, 'sha256'), 'hex'), repeat('p->', 40) || 'q' || n, 'open' FROM theories t, generate_series(1, $1::int) n";
    client.execute(sql, &[&statements]).unwrap();
    client.batch_execute("ANALYZE").unwrap();
}

/// A folder for exports.
pub fn folder() -> TempDir {
    TempDir::new().unwrap()
}
