//! What may come on standard input and in files: records, proofs, and neither.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::{Output, TempDir, Tool};
use serde_json::{Value, json};

const IDENTITY: &str = "224ae6d0ae04e5b9b5cf9948beb8744d4b4d8bc8faae70d4b43fdfc97e949732";

fn check(args: &[&str], stdin: impl Into<Vec<u8>>) -> Output {
    Tool::new("ml-check").args(args).stdin(stdin).run()
}

fn head(kind: &str) -> Value {
    json!({"v": 1, "kind": kind, "tool": "ml-a", "stage": "ml-a.1", "system": "s", "run": "up-1", "ts": "t", "host": "h", "status": "ok"})
}

/// A statement with further fields, between start and end.
fn stream(fields: Value) -> String {
    let mut statement = head("statement");
    let mut end = head("end");
    end["exit"] = 0.into();
    statement.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    format!("{}\n{statement}\n{end}\n", head("start"))
}

fn identity(proof: &str) -> Value {
    json!({"hash": IDENTITY, "statement": "p->p", "proof": proof})
}

fn verdicts(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    output.kind("check").map(|check| (text(&check["id"]), text(&check["labels"]["verdict"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, verdict)| ((*id).to_owned(), (*verdict).to_owned())).collect()
}

#[test]
fn lines_of_proofs() {
    let lines = "# proofs\nDD211\nDD211 p->p\nDD211; q->q->q\nDD211 p->q\n\nD1\nDD211 p->\nN1\n1 axioms=LCpp\n";
    let output = check(&[], lines).expect_code(5);
    let expected = [
        ("line-2", "exact"),
        ("line-3", "exact"),
        ("line-4", "wrong"),
        ("line-5", "wrong"),
        ("line-7", "wrong"),
        ("line-8", "not-a-formula"),
        ("line-9", "wrong"),
        ("line-10", "exact"),
    ];
    assert_eq!(verdicts(&output), pairs(&expected));
    assert_eq!(output.record("check", "line-2")["summary"], "proves p->p");
    let general = check(&[], "DD211 ~p->~p\n").expect_code(0);
    assert_eq!(general.record("check", "line-1")["labels"]["verdict"], "more-general");
    assert_eq!(general.end()["metrics"]["more_general"], 1);
    let quiet = check(&["--quiet"], lines).expect_code(5);
    assert!(quiet.records.iter().all(|record| record["status"] != "ok") && quiet.records.len() == 6, "{:?}", quiet.stdout);
    let boxed = check(&["--necessitation"], "N1 [](p->q->p)\n").expect_code(0);
    assert_eq!(boxed.end()["metrics"]["ok"], 1);
}

#[test]
fn files_as_a_shell_on_windows_writes_them() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("proofs.txt");
    let utf16: Vec<u8> = "\u{feff}DD211\r\nD11\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, &utf16).unwrap();
    let name = path.display().to_string();
    let output = Tool::new("ml-check").arg(&path).run().expect_code(0);
    assert_eq!(verdicts(&output), pairs(&[(&format!("{name}:1"), "exact"), (&format!("{name}:2"), "exact")]));
    assert_eq!(check(&[], utf16).expect_code(0).end()["metrics"]["ok"], 2);
}

#[test]
fn records_are_forwarded_and_judged() {
    let mut other = head("check");
    (other["id"], other["gate"]) = ("postgres.connect".into(), true.into());
    let input = stream(identity("DD211")) + &format!("{other}\n");
    let output = check(&[], input.clone()).expect_code(0);
    for line in input.lines() {
        assert!(output.stdout.lines().any(|forwarded| forwarded == line), "{line}");
    }
    let own: Vec<&Value> = output.records.iter().filter(|record| record["tool"] == "ml-check").collect();
    assert_eq!((own.len(), own[1]["id"].as_str(), own[1]["status"].as_str()), (3, Some(IDENTITY), Some("ok")));
    for (fields, verdict, code) in [
        (identity("DD211 axioms=CpCqp,CCpCqrCCpqCpr"), "exact", 0),
        (identity("DD111"), "wrong", 5),
        (identity(""), "wrong", 5),
        (json!({"hash": IDENTITY, "statement": "p->p"}), "no-proof", 0),
        (json!({"hash": IDENTITY, "statement": "p->p", "proof_length": 70_000}), "no-proof", 0),
        (json!({"hash": IDENTITY, "statement": "p -> p", "proof": "DD211"}), "wrong-hash", 5),
        (json!({"statement": "p->p", "proof": "DD211"}), "wrong-hash", 5),
        (json!({"proof": "DD211"}), "wrong-hash", 5),
    ] {
        let output = check(&[], stream(fields.clone())).expect_code(code);
        assert_eq!(output.kind("check").next().unwrap()["labels"]["verdict"], verdict, "{fields}");
    }
}

#[test]
fn axioms_of_records_and_of_the_command_line() {
    let mut anything = identity("1");
    anything["axioms"] = json!(["p"]);
    let output = check(&[], stream(anything.clone())).expect_code(0);
    assert_eq!(output.end()["labels"]["axioms"], "p", "it is said what a proof rests on");
    let output = check(&["--axioms", "frege"], stream(anything)).expect_code(5);
    assert_eq!(output.record("check", IDENTITY)["summary"], "axiom 1 of its proof, p, is none of frege");
    for wrong in ["freg", "p->", ""] {
        let output = check(&["--axioms", wrong], stream(identity("DD211"))).expect_code(64);
        assert!(output.end()["hint"].as_str().unwrap().contains("hilbert-ks") && output.kind("statement").count() == 1, "{wrong}");
    }
    let output = check(&["--set", "DERIVE_AXIOMS=freg"], stream(identity("DD211"))).expect_code(78);
    assert_eq!(output.end()["error_class"], "config");
}

#[test]
fn neither_records_nor_proofs() {
    check(&[], "").expect_code(70);
    check(&[], "error: no such option\n").expect_code(70);
    check(&[], b"\x7fELF\x00\x01\xff\xfe\n\x00".to_vec()).expect_code(70);
    let whole = stream(identity("DD211"));
    let cut = &whole[..whole.find("\"proof\"").unwrap()];
    let output = check(&[], cut).expect_code(70);
    assert!(output.kind("check").all(|check| check["id"] != IDENTITY), "half a statement gets no verdict");
    let binary = check(&[], b"D\x00\xff\x01\n".to_vec()).expect_code(5);
    assert_eq!(verdicts(&binary), pairs(&[("line-1", "wrong")]));
    let empty = check(&[], stream(json!({}))).expect_code(5);
    assert_eq!(empty.end()["metrics"]["wrong"], 1);
    let nothing = check(&[], "# no proofs\n").expect_code(0);
    assert_eq!((nothing.end()["status"].as_str(), nothing.kind("check").count()), (Some("skipped"), 0));
}

#[test]
fn lines_that_are_too_long_leave_the_question_open() {
    let mut input = "D".repeat((16 << 20) + 1).into_bytes();
    input.extend_from_slice(b"\nDD211\n");
    let output = check(&[], input).expect_code(1);
    assert_eq!(verdicts(&output), pairs(&[("line-1", "too-large"), ("line-2", "exact")]));
    assert_eq!((output.record("check", "line-1")["status"].as_str(), output.end()["status"].as_str()), (Some("unknown"), Some("warn")));
    // Some megabytes are not, and may be as deep as they are long: p->p from p->p->p->p... by the identity, again and again.
    let deep = format!("{}DD211", "DDD211".repeat(500_000));
    assert_eq!(check(&[], deep).expect_code(0).end()["metrics"]["ok"], 1);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = TempDir::new().unwrap();
    let records = folder.path().join("stream.jsonl");
    std::fs::write(&records, stream(identity("DD211"))).unwrap();
    let path = records.display().to_string();
    for args in [&["nowhere.txt"][..], &["/"], &[&path], &["--no-input"]] {
        let output = Tool::new("ml-check").args(args).run().expect_code(64);
        assert!(output.end()["hint"].is_string() && output.end()["error_class"] == "usage", "{args:?}");
    }
    let output = Tool::new("ml-check").args(["--input", &path]).run().expect_code(0);
    assert_eq!(output.record("check", IDENTITY)["status"], "ok");
}
