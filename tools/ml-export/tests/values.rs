//! An export equals the database, whatever is in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod support;

use ml_tests::{Cluster, TestDb, Tool, ledger};
use support::{TORTURE, assert_csv_equals, assert_json_equals, export, folder, names, path, text};

const KEYS: [(&str, &str); 6] = [
    ("statements", "id"),
    ("proofs", "id"),
    ("dependencies", "proof_id, used_statement_id"),
    ("blocks", "id"),
    ("lemma_cache", "id"),
    ("torture", "id"),
];

/// Odd data also where the ledger keeps its own.
fn tortured(make: fn(&mut postgres::Client), hint: &str) -> TestDb {
    let db = Cluster::shared().database(hint);
    make(&mut db.client());
    db.client().batch_execute(TORTURE).unwrap();
    let odd = r"UPDATE statements SET derivation_rule = '\N', content_norm = E'tab\there' || chr(10) || '\back 😀' WHERE content_norm = '~~p->p';
        UPDATE proofs SET proof_term = NULL, steps = NULL WHERE proof_term = 'by tauto'; UPDATE runs SET name = NULL;";
    db.client().batch_execute(odd).unwrap();
    db
}

fn tables() -> Vec<&'static str> {
    KEYS.iter().map(|(table, _)| *table).collect()
}

fn equal(make: fn(&mut postgres::Client), hint: &str) {
    let db = tortured(make, hint);
    let exports = folder();
    let output = export(&db, exports.path()).args(tables()).run().expect_code(0);
    for (table, key) in KEYS {
        assert_json_equals(&db, table, key, &text(&path(&output, table)));
    }
    let csvs = folder();
    let output = export(&db, csvs.path()).args(tables()).args(["--format", "csv", "--compress"]).run().expect_code(0);
    for (table, _) in KEYS.iter().filter(|(table, _)| *table != "lemma_cache") {
        let path = path(&output, table);
        assert!(path.display().to_string().ends_with(".csv.zst"));
        assert_csv_equals(&db, table, &text(&path));
    }
    let lemmas = text(&path(&output, "lemma_cache"));
    let mut reader = csv::Reader::from_reader(lemmas.as_bytes());
    let at = reader.headers().unwrap().iter().position(|name| name == "statement").unwrap();
    assert_eq!(reader.records().map(|row| row.unwrap()[at].to_owned()).collect::<Vec<_>>(), ["p->p"]);
}

#[test]
fn the_first_generation_is_exported_whole() {
    equal(ledger::first_generation, "first");
}

#[test]
fn the_second_generation_is_exported_whole() {
    equal(ledger::second_generation, "second");
}

#[test]
fn values_look_as_they_are_documented() {
    let db = tortured(ledger::second_generation, "looks");
    let output = export(&db, folder().path()).args(["torture", "--output", "raw"]).raw().run().expect_code(0);
    let line = |start: &str| output.stdout.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    let one = line("{\"id\":1,");
    for part in [
        r#""big":9007199254740993,"#,
        r#""exact":12345678901234567890123456789012345678901234567890.12345678901234567890,"#,
        r#""fine":1e+308,"#,
        r#""yes":true,"bytes":"\\x00ff0a5c","j":{"b":1e400,"a":[1.50,null,"x  \n\u00e9\\"],"a":2},"#,
        r#""at":"0044-03-15 12:00:00.5+00 BC","local":"9999-12-31T23:59:59.999999","day":"0044-03-15 BC","#,
        r#""texts":["a,b",null,"NULL","null",""," ","{}","\"","\\","N\n","\u00e9"],"nested":[[1,2],[null,-4]],"wide":["NaN",1.10,1000000000000000000000000000000],"#,
        r#""boxes":["(1,1),(0,0)","(2,2),(1,1)"],"moods":["so, so","fine"],"docs":[{"a":[1,null]},null,null],"flags":[true,false,null],"#,
        r#""vector":"1 2 3""#,
    ] {
        assert!(one.contains(part), "{part}\n{one}");
    }
    let nulls = line("{\"id\":9223372036854775807,");
    assert!(nulls.contains(r#""bytes":null,"at":null,"#) && !nulls.contains("\"j\"") && !nulls.contains("\"jb\""), "{nulls}");
    let odd = line("{\"id\":-9223372036854775808,");
    assert!(odd.contains(r#""exact":"NaN","fine":"NaN","#) && odd.contains(r#""j":null,"jb":null,"at":"-infinity","#), "{odd}");
    assert!(line("{\"id\":2,").contains(r#""Odd \"name\", really":"\\N""#));
    assert!(line("{\"id\":2,").contains(r#""at":"2025-01-08T00:00:00.000000Z","local":"2025-01-08T02:00:00.000000""#));
    assert!(line("{\"id\":4,").contains(r#"p \u2192 q \u2227 \u00ac\ud835\udd3d \ud83d\ude00 \u2028\ufeff\ud7ff"#));
    let csv = export(&db, folder().path()).args(["torture", "--output", "raw", "--format", "csv"]).raw().run().expect_code(0).stdout;
    assert!(csv.starts_with("id,\"Odd \"\"name\"\", really\",small,"), "{}", &csv[..200]);
    assert!(
        csv.contains("\n9223372036854775807,,,,") && csv.contains("\n-9223372036854775808,\"\",-32768,"),
        "NULL is nothing, an empty text is quoted"
    );
}

#[test]
fn the_summary_comes_last_and_tells_the_set() {
    let db = Cluster::shared().database("summary");
    ledger::second_generation(&mut db.client());
    let exports = folder();
    let output = export(&db, exports.path()).run().expect_code(0);
    let ids: Vec<&str> = output.kind("step").map(|step| step["id"].as_str().unwrap()).collect();
    let tables = ["statements", "proofs", "dependencies", "blocks", "lemma_cache"];
    assert_eq!(ids, ["export.statements", "export.proofs", "export.dependencies", "export.blocks", "export.lemma_cache", "export.summary"]);
    assert_eq!(output.records[0]["planned_ids"], serde_json::json!(ids[..5]));
    let summary: serde_json::Value = serde_json::from_str(&text(&path(&output, "summary"))).unwrap();
    assert_eq!(
        (&summary["run"], &summary["generation"], &summary["compression"]),
        (&output.end()["run"], &"second".into(), &serde_json::Value::Null)
    );
    assert!(summary["snapshot"].as_str().unwrap().contains(':') && !summary.to_string().contains(db.password()));
    let mut files = vec![path(&output, "summary").file_name().unwrap().to_str().unwrap().to_owned()];
    for (table, entry) in tables.iter().zip(summary["tables"].as_array().unwrap()) {
        let step = output.record("step", &format!("export.{table}"));
        for field in ["rows", "bytes", "path", "sha256"] {
            assert_eq!(entry[field], step[field], "{table} {field}");
        }
        let bytes = std::fs::read(path(&output, table)).unwrap();
        let sum = Tool::foreign("sha256sum").arg(path(&output, table)).run().expect_code(0).stdout;
        assert_eq!(entry["sha256"].as_str(), sum.split(' ').next());
        assert_eq!((entry["bytes"].as_u64(), entry["table"].as_str()), (Some(bytes.len() as u64), Some(*table)));
        files.push(entry["file"].as_str().unwrap().to_owned());
    }
    files.sort();
    assert_eq!(names(exports.path()), files);
    let columns = summary["tables"][2]["columns"].clone();
    assert_eq!(columns[0], serde_json::json!({"name": "proof_id", "type": "uuid"}));
}
