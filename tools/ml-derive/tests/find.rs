//! Formulas that are looked for in stores, as the command is called.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_logic::checker::{Verdict, check};
use ml_logic::theorems::principia;
use ml_logic::{Formula, Limits, System, hash, is_instance};
use ml_tests::{Output, TempDir, Tool};
use serde_json::Value;
use std::path::Path;
use support::metric;

/// A proof and what it proves.
type Proved = (String, Formula);

/// A store, and what is in it in order.
fn store(axioms: &str, length: usize, more: &[&str]) -> (TempDir, Vec<Proved>) {
    let folder = TempDir::new().unwrap();
    let (length, path) = (length.to_string(), folder.path().to_str().unwrap());
    let output = Tool::new("ml-derive")
        .args(["--no-ledger", "--axioms", axioms, "--max-length", &length, "--store", path])
        .args(more)
        .run()
        .expect_code(0);
    let proved = |record: &Value| (record["proof"].as_str().unwrap().to_owned(), record["statement"].as_str().unwrap().parse().unwrap());
    let all = output.kind("statement").map(proved).collect();
    (folder, all)
}

fn find(store: &Path, args: &[&str]) -> Tool {
    Tool::new("ml-derive").args(["find", "--store", store.to_str().unwrap()]).args(args)
}

fn lines<'f>(formulas: impl IntoIterator<Item = &'f Formula>) -> String {
    formulas.into_iter().map(|formula| format!("{formula}\n")).collect()
}

/// What is said of each formula: the answer, and the proof if there is one, which the checker has seen.
fn answers(output: &Output, system: &str) -> Vec<(String, Option<String>)> {
    let system = System::named(system).unwrap();
    let mut statements = output.kind("statement");
    let answer = |(number, record): (usize, &Value)| {
        assert_eq!(record["id"], format!("formula-{}", number + 1));
        let answer = record["labels"]["answer"].as_str().unwrap().to_owned();
        let proof = answer.starts_with("proved").then(|| {
            let statement = statements.next().unwrap();
            let (proof, schema) = (statement["proof"].as_str().unwrap(), record["labels"]["schema"].as_str().unwrap());
            let (proved, asked): (Formula, Formula) =
                (schema.parse().unwrap(), record["labels"]["statement"].as_str().unwrap().parse().unwrap());
            assert_eq!((&statement["statement"], &statement["hash"]), (&schema.into(), &hash::statement(&proved).into()));
            assert_eq!(record["labels"]["hash"], hash::statement(&asked));
            assert_eq!(check(&system.rules(), proof, &proved, &Limits::default()), Ok(Verdict::Exact));
            assert!(is_instance(&proved, &asked) && (answer == "proved") == (proved == asked), "{record}");
            assert_eq!(
                (record["value"].as_u64(), statement["proof_length"].as_u64()),
                (Some(proof.len() as u64), Some(proof.len() as u64))
            );
            proof.to_owned()
        });
        (answer, proof)
    };
    output.kind("check").enumerate().map(answer).collect()
}

/// What is to be found of a formula: the shortest proof of something at least as general, of those the one of the formula itself, else the
/// first one.
fn expected(all: &[Proved], formula: &Formula) -> Option<String> {
    let general: Vec<&Proved> = all.iter().filter(|(_, known)| is_instance(known, formula)).collect();
    let shortest = general.iter().map(|(proof, _)| proof.len()).min()?;
    let best = general.iter().filter(|(proof, _)| proof.len() == shortest).min_by_key(|(proof, known)| (known != formula, proof));
    best.map(|(proof, _)| proof.clone())
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

const PIECES: [&str; 7] = ["p", "q", "r", "~p", "p->q", "(q->p)->~r", "[]p/\\~(q\\/p)"];

/// The formula with something in place of each variable.
fn instance(formula: &Formula, random: &mut Random) -> Formula {
    let images: Vec<Formula> = (0..formula.variables()).map(|_| PIECES[random.below(PIECES.len())].parse().unwrap()).collect();
    formula.substitute(&images, &Limits::default()).unwrap().canonical()
}

#[test]
fn whatever_is_kept_is_found_with_its_proof() {
    for (axioms, length) in [("frege", 13), ("s5", 6), ("meredith", 21)] {
        let (folder, all) = store(axioms, length, &[]);
        let output = find(folder.path(), &[]).stdin(lines(all.iter().map(|(_, formula)| formula))).run().expect_code(0);
        let found = answers(&output, axioms);
        assert_eq!((found.len(), metric(output.end(), "found")), (all.len(), all.len() as i64));
        for ((proof, formula), (answer, found)) in all.iter().zip(found) {
            assert_eq!((answer.as_str(), found.as_deref()), ("proved", Some(proof.as_str())), "{formula}");
        }
        for statement in output.kind("statement") {
            assert_eq!(statement["label"], format!("minimal up to {}", statement["proof_length"]));
        }
    }
}

#[test]
fn instances_are_found_by_the_shortest_proof_of_something_more_general() {
    for (axioms, length, more) in [("frege", 11, &[][..]), ("s5", 6, &[]), ("frege", 11, &["--unfiltered-from", "5"])] {
        let (folder, all) = store(axioms, length, more);
        let mut random = Random(length as u64);
        let formulas: Vec<Formula> = (0..400).map(|_| instance(&all[random.below(all.len())].1, &mut random)).collect();
        let output = find(folder.path(), &[]).stdin(lines(&formulas)).run().expect_code(0);
        let (mut general, found) = (0, answers(&output, axioms));
        for (formula, (answer, proof)) in formulas.iter().zip(&found) {
            assert_eq!(*proof, expected(&all, formula), "{formula}");
            general += usize::from(answer == "proved-more-general");
        }
        assert!(found.len() == 400 && general > 200, "{general}");
    }
}

/// The lengths that are published, also of theorems whose proofs are longer than the store's.
#[test]
fn the_shortest_proofs_of_the_principia_list_are_found() {
    let (folder, _) = store("frege", 17, &["--counts"]);
    let output = find(folder.path(), &[]).stdin(lines(principia().iter().map(|theorem| &theorem.proved))).run().expect_code(0);
    let mut found = 0;
    for (theorem, (answer, proof)) in principia().iter().zip(answers(&output, "frege")) {
        match theorem.shortest {
            0..=17 => {
                found += 1;
                assert_eq!(proof.unwrap().len(), theorem.shortest as usize, "{}", theorem.proved);
            }
            _ => assert_eq!(answer, "not-derivable", "{}", theorem.proved),
        }
    }
    assert!(found > 20 && found < principia().len(), "{found}");
    // What is shorter is not looked at in vain.
    let output = find(folder.path(), &["--max-length", "3", "p->p"]).run().expect_code(0);
    assert_eq!(output.record("check", "formula-1")["summary"], "p->p: not derivable within 3 symbols");
    let output = find(folder.path(), &["--max-length", "99", "CCCpqpp"]).run().expect_code(0);
    assert_eq!(output.end()["reason"], "the store ends at 17");
}

#[test]
fn a_hundred_at_once_are_a_hundred_alone() {
    let (folder, all) = store("frege", 11, &[]);
    let mut random = Random(7);
    let mut formulas: Vec<Formula> = (0..70).map(|_| instance(&all[random.below(all.len())].1, &mut random)).collect();
    formulas.extend(["p->q", "CCCpqpp", "CNNpp", "p", "CKpqp", "p->p"].map(|text| text.parse().unwrap()));
    formulas.extend(principia().iter().step_by(8).map(|theorem| theorem.proved.clone()).take(24));
    assert_eq!(formulas.len(), 100);
    let at_once = answers(&find(folder.path(), &[]).stdin(lines(&formulas)).run().expect_code(0), "frege");
    for (formula, together) in formulas.iter().zip(&at_once) {
        let alone = answers(&find(folder.path(), &[&formula.to_string()]).run().expect_code(0), "frege");
        assert_eq!(alone, std::slice::from_ref(together), "{formula}");
    }
    // The same from formulas of the command line, and whatever the threads.
    let texts: Vec<String> = formulas.iter().map(ToString::to_string).collect();
    for threads in ["1", "5"] {
        let args: Vec<&str> = texts.iter().map(String::as_str).chain(["--threads", threads]).collect();
        assert_eq!(answers(&find(folder.path(), &args).run().expect_code(0), "frege"), at_once);
    }
}

#[test]
fn what_is_not_valid_is_refuted_at_once() {
    let (folder, _) = store("s5", 4, &["--counts"]);
    let output = find(folder.path(), &["p->[]p", "p->q", "[]p->p"]).run().expect_code(0);
    let said = |number: usize| output.record("check", &format!("formula-{number}"))["summary"].as_str().unwrap().to_owned();
    assert_eq!(said(1), "p->[]p: not derivable at any length: it is false in the first of 2 worlds that see each other: p=true; p=false");
    assert_eq!(said(2), "p->q: not derivable at any length: it is false when p=true, q=false");
    assert!(said(3).contains("proved by "), "{}", said(3));
    // Nothing is claimed of axioms that are not valid themselves.
    let own = Tool::new("ml-derive").args(["find", "--axioms", "CpCqr", "--max-length", "3", "p->p", "q->r->s"]).run().expect_code(0);
    assert_eq!(own.record("check", "formula-1")["labels"]["answer"], "proved-more-general");
    let own = Tool::new("ml-derive").args(["find", "--axioms", "CNpCqr", "--max-length", "3", "p->q"]).run().expect_code(0);
    assert_eq!(own.record("check", "formula-1")["labels"]["answer"], "not-derivable");
}

#[test]
fn a_store_with_bounds_decides_nothing() {
    for more in [["--conclusion-symbols", "9"], ["--consequent-symbols", "5"]] {
        let (folder, _) = store("frege", 11, &more);
        let output = find(folder.path(), &["CNNpp", "p->q", "p->p"]).run().expect_code(0);
        let open = output.record("check", "formula-1");
        assert_eq!((open["labels"]["answer"].as_str(), open["status"].as_str()), (Some("not-found"), Some("skipped")));
        assert!(open["summary"].as_str().unwrap().contains("not found within 11 symbols") && open["hint"].is_string(), "{open}");
        assert_eq!(output.record("check", "formula-2")["labels"]["answer"], "refuted", "that needs no store");
        assert_eq!(output.kind("statement").next().unwrap()["label"], "proof of length 5 known");
    }
    let (folder, all) = store("s5", 5, &["--necessitation", "1"]);
    assert!(all.iter().all(|(proof, _)| !proof.contains("NN")));
    let output = find(folder.path(), &["[][](p->q->p)"]).run().expect_code(0);
    assert_eq!(output.record("check", "formula-1")["labels"]["answer"], "not-found");
}

#[test]
fn without_a_store_everything_is_generated() {
    let find = |args: &[&str]| Tool::new("ml-derive").arg("find").args(args);
    let output = find(&["p->p", "CCCpqpp", "--axioms", "frege"]).run().expect_code(0);
    assert_eq!(answers(&output, "frege"), [("proved".into(), Some("DD211".into())), ("not-derivable".into(), None)]);
    assert_eq!(output.end()["metrics"]["lengths"], 15);
    let output = find(&["p->p", "--axioms", "meredith", "--max-length", "21"]).run().expect_code(0);
    let (folder, all) = store("meredith", 21, &[]);
    assert_eq!(answers(&output, "meredith")[0].1, expected(&all, &"p->p".parse().unwrap()));
    drop(folder);
    let output = find(&["CNNpp", "--axioms", "frege", "--max-length", "31", "--memory-limit", "1MiB"]).run().expect_code(1);
    assert!(output.end()["reason"].as_str().unwrap().contains("memory"), "{}", output.stdout);
    let mut running = find(&["CCCpqpp", "--axioms", "frege", "--max-length", "99"]).spawn();
    running.wait_for_stdout("\"start\"");
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(2);
    assert_eq!(running.wait().expect_code(130).end()["error_class"], "interrupted");
}

#[test]
fn formulas_come_in_any_notation_and_from_anywhere() {
    let (folder, _) = store("frege", 7, &["--counts"]);
    let notations = ["p->p", "a -> a", "Cpp", "(x \u{2192} x)", "CNqNq", "\u{ac}a\u{2192}\u{ac}a"];
    let output = find(folder.path(), &notations).run().expect_code(0);
    assert!(answers(&output, "frege").iter().all(|(_, proof)| proof.as_deref() == Some("DD211")), "{}", output.stdout);
    let raw = find(folder.path(), &["p->p", "p->q", "CpCqp", "--output", "raw"]).raw().run().expect_code(0);
    assert_eq!(raw.stdout, "DD211\n1\n");
    assert!(raw.stderr.contains("p->q: not derivable"), "{}", raw.stderr);
    let text = "# two\np->p\r\n\n~q -> ~q   # an instance\n";
    assert_eq!(answers(&find(folder.path(), &[]).stdin(text).run().expect_code(0), "frege").len(), 2);
    let table = find(folder.path(), &["q->q", "--output", "table"]).raw().run().expect_code(0).stdout;
    assert!(table.contains("p->p: proved by DD211 (5 symbols, none is shorter)"), "{table}");
    // Statements of a stream, which is forwarded.
    let stream = Tool::new("ml-derive").args(["--no-ledger", "--axioms", "frege", "--max-length", "5"]).run().expect_code(0);
    let output = find(folder.path(), &[]).stdin(stream.stdout.clone()).run().expect_code(0);
    assert_eq!((output.kind("check").count(), output.kind("statement").count()), (21, 42));
    let spoilt = stream.stdout.replace("\"statement\":\"p->p\"", "\"statement\":\"p->\"");
    let output = find(folder.path(), &[]).stdin(spoilt).run().expect_code(1);
    assert_eq!((metric(output.end(), "found"), metric(output.end(), "no_formula")), (20, 1));
}

#[test]
fn nonsense_is_told() {
    let (folder, _) = store("frege", 5, &["--counts"]);
    let refused = |tool: Tool, code: i32, message: &str| {
        let output = tool.run().expect_code(code);
        assert!(output.end()["summary"].as_str().unwrap().contains(message), "{}", output.stdout);
        assert!(output.end()["hint"].is_string(), "{}", output.stdout);
    };
    refused(find(folder.path(), &["p->"]), 64, "'p->' is no formula");
    refused(find(folder.path(), &["p->p", ""]), 64, "'' is no formula");
    refused(find(folder.path(), &[]).stdin("p->p\np->(q\n"), 64, "line 2: 'p->(q' is no formula");
    refused(find(folder.path(), &[]), 64, "there is no formula to find");
    refused(find(folder.path(), &[]).stdin("# nothing\n"), 64, "there is no formula to find");
    let long = find(folder.path(), &[]).stdin(format!("{}p\n", "~".repeat(900_000))).run().expect_code(0);
    assert!(long.record("check", "formula-1")["summary"].as_str().unwrap().len() < 500 && long.stdout.len() < 10_000);
    refused(find(folder.path(), &["p->p", "--axioms", "meredith"]), 4, "is of other axioms or rules");
    refused(find(folder.path(), &["p->p", "--necessitation"]), 4, "is of other axioms or rules");
    refused(find(folder.path(), &["p->p", "--axioms", "-"]), 64, "both come on standard input");
    refused(find(&folder.path().join("none"), &["p->p"]), 4, "there is no store");
    find(folder.path(), &["p->p", "--axioms", "frege"]).run().expect_code(0);
    let empty = TempDir::new().unwrap();
    std::fs::copy(folder.path().join("store.json"), empty.path().join("store.json")).unwrap();
    refused(find(empty.path(), &["p->p"]), 1, "no length is in the store");
    // A length is missing; another is of another run; the last one is damaged.
    let seg = |length: usize| folder.path().join(format!("length-{length}.seg"));
    let whole = std::fs::read(seg(5)).unwrap();
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(seg(5), bytes).unwrap();
        refused(find(folder.path(), &["CNNpp"]), 4, "length-5.seg");
    }
    std::fs::write(seg(5), &whole).unwrap();
    std::fs::remove_file(seg(3)).unwrap();
    refused(find(folder.path(), &["CNNpp"]), 4, "length-3.seg is missing");
}
