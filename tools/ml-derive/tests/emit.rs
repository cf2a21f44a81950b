//! What is written out for other checkers, seen by them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ml_tests::{Output, TempDir, Tool};
use std::path::{Path, PathBuf};
use support::{derive, empty, metric};

/// Whether a program is there.
fn have(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join(program).is_file())
}

/// Whether metamath verifies the database, and what it says.
fn verified(database: &Path) -> (bool, String) {
    let read = format!("read \"{}\"", database.display());
    let said = Tool::foreign("metamath").args([&read, "verify proof *", "exit"]).run().stdout;
    (said.contains("All proofs in the database were verified") && !said.contains("?Error"), said)
}

/// A derivation without a ledger, and where its database is.
fn database(folder: &TempDir, args: &[&str]) -> (Output, PathBuf) {
    let output = Tool::new("ml-derive")
        .args(["--no-ledger", "--counts", "--emit", "metamath", "--emit-dir", folder.path().to_str().unwrap()])
        .args(args)
        .run()
        .expect_code(0);
    let path = output.record("step", "emit-metamath")["path"].as_str().unwrap().into();
    (output, path)
}

/// The command, with D-proofs on standard input.
fn emit(formats: &str, folder: &Path, args: &[&str], proofs: impl Into<Vec<u8>>) -> Output {
    Tool::new("ml-derive").args(["emit", formats, "--dir", folder.to_str().unwrap()]).args(args).stdin(proofs).run()
}

#[test]
fn metamath_verifies_everything_of_some_systems() {
    if !have("metamath") {
        ml_tests::skip!("metamath is not installed");
    }
    for (system, length) in [("frege", "13"), ("s5", "7"), ("meredith", "33"), ("CpCqp,CpAqKpp,CKpqLp", "9")] {
        let folder = TempDir::new().unwrap();
        let (output, path) = database(&folder, &["--axioms", system, "--max-length", length]);
        let step = output.record("step", "emit-metamath");
        let (sha256, bytes) = ml_common::files::sha256(&path).unwrap();
        assert_eq!((step["sha256"].as_str(), step["bytes"].as_u64()), (Some(&*sha256), Some(bytes)));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(" $p ").count() as u64, step["rows"].as_u64().unwrap());
        let axioms = ml_logic::System::named(system).map_or(3, |system| system.axioms.len()) as i64;
        assert_eq!(step["rows"].as_i64().unwrap(), metric(output.end(), "kept") - axioms, "{system}");
        let (good, said) = verified(&path);
        assert!(good, "{system}: {said}");
    }
}

#[test]
fn metamath_verifies_something_of_every_named_system() {
    if !have("metamath") {
        ml_tests::skip!("metamath is not installed");
    }
    for name in ml_logic::System::names() {
        let folder = TempDir::new().unwrap();
        let length = if ml_logic::System::named(name).unwrap().axioms.len() == 1 { "11" } else { "4" };
        let (output, path) = database(&folder, &["--axioms", name, "--max-length", length]);
        assert!(output.record("step", "emit-metamath")["rows"].as_u64().unwrap() > 0, "{name}");
        let (good, said) = verified(&path);
        assert!(good, "{name}: {said}");
    }
}

#[test]
fn metamath_verifies_a_night_and_what_it_rests_on() {
    if !have("metamath") {
        ml_tests::skip!("metamath is not installed");
    }
    let db = empty("emit");
    let folder = TempDir::new().unwrap();
    let args = ["--emit", "metamath,lean,tptp", "--emit-dir", folder.path().to_str().unwrap()];
    for night in 1..=2 {
        let output = derive(&db, &args).run().expect_code(0);
        let step = output.record("step", "emit-metamath");
        // The second night writes out what its theorems rest on, too.
        assert!(step["rows"].as_i64().unwrap() >= if night == 1 { 97 } else { 100 }, "{step}");
        let (good, said) = verified(step["path"].as_str().unwrap().as_ref());
        assert!(good, "{said}");
        let problems = output.record("step", "emit-tptp");
        assert_eq!(problems["rows"].as_i64().unwrap(), if night == 1 { 97 } else { 100 });
        lean_project(output.record("step", "emit-lean")["path"].as_str().unwrap().as_ref(), step["rows"].as_u64().unwrap());
    }
    // Nothing new, nothing written.
    let output = derive(&db, &args).args(["--depth-max", "1"]).run().expect_code(0);
    assert_eq!(output.record("step", "emit-metamath")["status"], "skipped");
    // The whole ledger.
    let ledger = Tool::new("ml-export").args(["statements", "-o", "-", "--no-input"]).env("DATABASE_URL", db.url()).run().expect_code(0);
    let output = emit("metamath", folder.path(), &[], ledger.stdout).expect_code(0);
    assert_eq!(metric(output.end(), "theorems"), 197);
    assert!(verified(output.record("step", "emit-metamath")["path"].as_str().unwrap().as_ref()).0);
}

#[test]
fn a_night_stays_recorded_when_its_files_cannot_be_written() {
    let db = empty("emit_unwritable");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = derive(&db, &["--emit", "metamath", "--emit-dir", file.to_str().unwrap()]).run().expect_code(4);
    assert_eq!(output.end()["error_class"], "storage");
    let said = output.end()["summary"].as_str().unwrap();
    assert!(said.contains("the theorems are recorded"), "{said}");
    assert_eq!((support::count(&db, "statements"), support::count(&db, "blocks")), (100, 1));
    let completed = support::number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'completed'");
    assert_eq!(completed, 1);
    // What was missed is in the ledger, and can be written from there.
    let other = folder.path().join("dry");
    let output = derive(&db, &["--emit", "metamath,lean", "--emit-dir", other.to_str().unwrap(), "--dry-run"]).run().expect_code(0);
    assert_eq!(output.record("step", "emit-lean")["status"], "planned");
    assert!(!other.exists());
}

#[test]
fn metamath_rejects_what_was_changed() {
    if !have("metamath") {
        ml_tests::skip!("metamath is not installed");
    }
    let folder = TempDir::new().unwrap();
    let (_, path) = database(&folder, &["--axioms", "s5", "--max-length", "6"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(verified(&path).0);
    let changed = folder.path().join("changed.mm");
    let mut tried = 0;
    let mut rejects = |what: &str, from: &str, to: &str| {
        assert!(text.contains(from) && from != to, "{what}: {from}");
        std::fs::write(&changed, text.replacen(from, to, 1)).unwrap();
        let (good, said) = verified(&changed);
        assert!(!good, "{what}: {from} became {to}: {said}");
        tried += 1;
    };
    let theorems: Vec<&str> = text.split("\n").filter(|line| line.contains(" $p ")).collect();
    for theorem in theorems.iter().step_by(7) {
        let begin = text.find(theorem).unwrap();
        let whole = &text[begin..begin + text[begin..].find("$.").unwrap()];
        let (head, proof) = whole.split_once("$=\n").unwrap();
        let (labels, letters) = proof.split_once(" )").unwrap();
        let names: Vec<&str> = labels.trim_start_matches("  (").split_whitespace().collect();
        let with = |proof: String| format!("{head}$=\n{proof}");
        let letters = letters.trim();
        rejects("a step dropped", whole, &with(format!("{labels} )\n  {} ", &letters[..letters.len() - 1])));
        rejects("the first step dropped", whole, &with(format!("{labels} )\n  {} ", &letters[1..])));
        if let [.., first, second] = names.as_slice() {
            let swapped = labels.replace(&format!("{first} {second}"), &format!("{second} {first}"));
            if swapped != labels {
                rejects("labels swapped", whole, &with(format!("{swapped} )\n  {letters} ")));
            }
        }
        let negated = head.replacen("|- ", "|- -. ", 1);
        rejects("another statement", whole, &format!("{negated}$=\n{proof}"));
    }
    rejects("another axiom", "ax-1 $a |- ( p -> ( q -> p ) ) $.", "ax-1 $a |- ( p -> ( p -> q ) ) $.");
    rejects("another rule", "mp.maj $e |- ( p -> q ) $.", "mp.maj $e |- ( q -> p ) $.");
    assert!(tried > 20, "{tried}");
}

#[test]
fn there_are_as_many_variables_as_are_needed() {
    let folder = TempDir::new().unwrap();
    let proofs = format!("{}1\nDD211\nDD2D1DD22D11DD2D112\n", "D1".repeat(60));
    let output = emit("metamath,lean,tptp", folder.path(), &["--axioms", "frege"], proofs).expect_code(0);
    lean_project(output.record("step", "emit-lean")["path"].as_str().unwrap().as_ref(), metric(output.end(), "theorems") as u64);
    if !have("metamath") {
        ml_tests::skip!("metamath is not installed");
    }
    let (good, said) = verified(output.record("step", "emit-metamath")["path"].as_str().unwrap().as_ref());
    assert!(good, "{said}");
}

/// A symbol, or what stands between two parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Word(String),
    List(Vec<Term>),
}

impl Term {
    /// The terms of a text; parentheses must match.
    fn read(text: &str) -> Vec<Term> {
        let mut open: Vec<Vec<Term>> = vec![Vec::new()];
        for word in text.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
            match word {
                "(" => open.push(Vec::new()),
                ")" => {
                    let list = open.pop().unwrap();
                    open.last_mut().unwrap().push(Term::List(list));
                }
                word => open.last_mut().unwrap().push(Term::Word(word.to_owned())),
            }
        }
        assert_eq!(open.len(), 1, "a parenthesis is missing in {text}");
        open.pop().unwrap()
    }

    fn word(&self) -> &str {
        match self {
            Term::Word(word) => word,
            Term::List(_) => panic!("a word is wanted, not {self:?}"),
        }
    }

    /// With arguments in place of parameters.
    fn with(&self, parameters: &[String], arguments: &[Term]) -> Term {
        match self {
            Term::Word(word) => parameters.iter().position(|name| name == word).map_or_else(|| self.clone(), |at| arguments[at].clone()),
            Term::List(parts) => Term::List(parts.iter().map(|part| part.with(parameters, arguments)).collect()),
        }
    }

    /// A formula over these variables.
    fn is_formula(&self, variables: &[String]) -> bool {
        match self {
            Term::Word(word) => variables.contains(word),
            Term::List(parts) => {
                let arity = match parts[0].word() {
                    "imp" | "conj" | "disj" => 2,
                    "neg" | "box" => 1,
                    other => panic!("no connective: {other}"),
                };
                parts.len() == arity + 1 && parts[1..].iter().all(|part| part.is_formula(variables))
            }
        }
    }
}

/// What is known by a name: parameters, and the formula that is provable.
type Known = std::collections::HashMap<String, (Vec<String>, Term)>;

/// `(p q : Form) : Provable FORMULA` and what follows.
fn signature(terms: &[Term]) -> (Vec<String>, Term, &[Term]) {
    let Term::List(binder) = &terms[0] else { panic!("no parameters in {terms:?}") };
    let (names, kind) = binder.split_at(binder.len() - 2);
    assert_eq!((kind[0].word(), kind[1].word()), (":", "Form"));
    let names: Vec<String> = names.iter().map(|name| name.word().to_owned()).collect();
    assert_eq!((terms[1].word(), terms[2].word()), (":", "Provable"));
    assert!(terms[3].is_formula(&names), "{terms:?}");
    (names, terms[3].clone(), &terms[4..])
}

/// What `(NAME ARGUMENTS)` proves.
fn applied(term: &Term, known: &Known, variables: &[String]) -> Term {
    let Term::List(parts) = term else { panic!("no application: {term:?}") };
    let (parameters, formula) = known.get(parts[0].word()).unwrap_or_else(|| panic!("{} is not defined earlier", parts[0].word()));
    assert_eq!(parts.len() - 1, parameters.len(), "{term:?}");
    assert!(parts[1..].iter().all(|part| part.is_formula(variables)), "{term:?}");
    formula.with(parameters, &parts[1..])
}

/// Reads a project as Lean would, as far as what we write goes: each name is known before it is used, and each term has the type that is
/// claimed.
fn lean_project(lakefile: &Path, theorems: u64) {
    let folder = lakefile.parent().unwrap();
    assert!(std::fs::read_to_string(lakefile).unwrap().contains("[[lean_lib]]\nname = \"Theorems\"\n"));
    assert!(std::fs::read_to_string(folder.join("lean-toolchain")).unwrap().starts_with("leanprover/lean4:v4"));
    let root = std::fs::read_to_string(folder.join("Theorems.lean")).unwrap();
    let mut known = Known::new();
    let mut loaded: Vec<String> = Vec::new();
    let mut count = 0;
    for import in root.lines() {
        let module = import.strip_prefix("import Theorems.").unwrap().to_owned();
        let path = folder.join("Theorems").join(format!("{module}.lean"));
        assert!(path.metadata().unwrap().len() < 1 << 20);
        let text = std::fs::read_to_string(&path).unwrap();
        let text: String =
            text.split("/-").enumerate().map(|(at, part)| if at == 0 { part } else { part.split_once("-/").unwrap().1 }).collect();
        for line in text.lines().filter(|line| line.starts_with("import")) {
            assert!(loaded.iter().any(|module| line == format!("import Theorems.{module}")), "{line} in {module}");
        }
        // Only what this part imports, directly or not, may be used; parts import what they use, and each part imports earlier ones only.
        for axiom in text.lines().filter_map(|line| line.strip_prefix("  | ax")) {
            let (number, rest) = axiom.split_once(' ').unwrap();
            let (names, formula, rest) = {
                let terms = Term::read(rest);
                let (names, formula, rest) = signature(&terms);
                (names, formula, rest.len())
            };
            assert_eq!(rest, 0);
            known.insert(format!("Provable.ax{number}"), (names, formula));
        }
        for theorem in text.split("\ntheorem ").skip(1) {
            let theorem = theorem.split("\nend Theorems").next().unwrap();
            let (name, rest) = theorem.split_once(' ').unwrap();
            let terms = Term::read(rest);
            let (names, formula, rest) = signature(&terms);
            assert_eq!(rest[0].word(), ":=");
            match rest[1].word() {
                "Provable.mp" => {
                    let (major, minor) = (applied(&rest[2], &known, &names), applied(&rest[3], &known, &names));
                    assert_eq!(major, Term::List(vec![Term::Word("imp".into()), minor, formula.clone()]), "{name}");
                    assert_eq!(rest.len(), 4);
                }
                "Provable.nec" => {
                    assert_eq!(formula, Term::List(vec![Term::Word("box".into()), applied(&rest[2], &known, &names)]), "{name}");
                    assert_eq!(rest.len(), 3);
                }
                other => panic!("{name} is by {other}"),
            }
            assert!(known.insert(name.to_owned(), (names, formula)).is_none(), "{name} is defined twice");
            count += 1;
        }
        loaded.push(module);
    }
    assert_eq!(count, theorems);
}

#[test]
fn lean_projects_are_sound_as_far_as_they_can_be_read() {
    for (system, length) in [("frege", "15"), ("s5", "7"), ("CpCqp,CpAqKpp,CKpqLp", "9")] {
        let folder = TempDir::new().unwrap();
        let args = ["--no-ledger", "--counts", "--axioms", system, "--max-length", length, "--emit", "lean"];
        let output = Tool::new("ml-derive").args(args).env("EXPORTS_DIR", folder.path()).run().expect_code(0);
        let step = output.record("step", "emit-lean");
        let lakefile = Path::new(step["path"].as_str().unwrap());
        assert!(lakefile.starts_with(folder.path()));
        lean_project(lakefile, step["rows"].as_u64().unwrap());
        for file in output.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("emit-lean")) {
            let (sha256, bytes) = ml_common::files::sha256(file["path"].as_str().unwrap().as_ref()).unwrap();
            assert_eq!((file["sha256"].as_str(), file["bytes"].as_u64()), (Some(&*sha256), Some(bytes)));
        }
    }
}

#[test]
fn lean_builds_a_project() {
    if !have("lake") {
        ml_tests::skip!("Lean's lake is not installed");
    }
    let folder = TempDir::new().unwrap();
    let output = emit("lean", folder.path(), &["--axioms", "s5"], "N1\nDD211\nDD2DD2D13DD2D1311\nNN1\n").expect_code(0);
    let project = Path::new(output.record("step", "emit-lean")["path"].as_str().unwrap()).parent().unwrap().to_owned();
    let built = Tool::foreign("lake").arg("build").cwd(&project).env("HOME", std::env::var_os("HOME").unwrap()).run();
    assert_eq!(built.code, 0, "{}{}", built.stdout, built.stderr);
}

#[test]
fn each_problem_stands_alone() {
    let folder = TempDir::new().unwrap();
    let output = emit("tptp", folder.path(), &["--axioms", "s5"], "DD211\nN1\nDD2D121\nNN1\n").expect_code(0);
    let sums = PathBuf::from(output.record("step", "emit-tptp")["path"].as_str().unwrap());
    let problems = sums.parent().unwrap();
    let text = std::fs::read_to_string(&sums).unwrap();
    assert_eq!((text.lines().count() as u64, output.record("step", "emit-tptp")["rows"].as_u64()), (4, Some(4)));
    for line in text.lines() {
        let (sha256, name) = line.split_once("  ").unwrap();
        assert_eq!(ml_common::files::sha256(&problems.join(name)).unwrap().0, sha256);
        let problem = std::fs::read_to_string(problems.join(name)).unwrap();
        let formulas: Vec<&str> = problem.split("fof(").skip(1).collect();
        let role = |role: &str| formulas.iter().filter(|formula| formula.split(',').nth(1) == Some(role)).count();
        assert_eq!((role("axiom"), role("conjecture"), formulas.len()), (8, 1, 9), "{problem}");
        for formula in formulas {
            assert!(formula.trim_end().ends_with("))."), "{formula}");
            // The parenthesis behind `fof` was taken off.
            assert_eq!(formula.matches('(').count() + 1, formula.matches(')').count(), "{formula}");
            let bound = formula.split_once('[').unwrap().1.split_once(']').unwrap();
            let variables: Vec<&str> = bound.0.split(',').collect();
            let words = bound.1.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())) {
                assert!(variables.contains(&word), "{word} is free in {formula}");
            }
        }
    }
    assert_eq!(std::fs::read_dir(problems).unwrap().count(), 5);
}

#[test]
fn a_prover_proves_the_problems() {
    if !have("eprover") {
        ml_tests::skip!("eprover is not installed");
    }
    let folder = TempDir::new().unwrap();
    let output = emit("tptp", folder.path(), &["--axioms", "s5"], "DD211\nN1\nDD2D121\nNN1\n").expect_code(0);
    let sums = PathBuf::from(output.record("step", "emit-tptp")["path"].as_str().unwrap());
    let problems = std::fs::read_dir(sums.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let problems: Vec<PathBuf> = problems.filter(|path| path.extension().is_some()).collect();
    assert_eq!(problems.len(), 4);
    for problem in problems {
        let said = Tool::foreign("eprover").args(["--auto", "-s", "--soft-cpu-limit=60"]).arg(&problem).run().stdout;
        assert!(said.contains("# Proof found!"), "{}: {said}", problem.display());
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = TempDir::new().unwrap();
    let refused = |output: Output, message: &str| {
        assert!(output.end()["summary"].as_str().unwrap().contains(message), "{}", output.stdout);
        assert!(output.end()["hint"].is_string(), "{}", output.stdout);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was written");
    };
    let given = |args: &[&str], text: &[u8]| emit("metamath,lean,tptp", folder.path(), args, text);
    refused(given(&[], b"\0\x01\x02\n").expect_code(64), "line 1: no D-proof");
    refused(given(&[], b"DD211\nDD2").expect_code(64), "line 2: no D-proof");
    refused(given(&["--axioms", "meredith"], b"DD211\n").expect_code(1), "there is no axiom 2 among 1");
    refused(given(&["--axioms", "p->"], b"1\n").expect_code(64), "the axioms cannot be used");
    refused(given(&["--axioms", "-"], b"1\n").expect_code(64), "both come on standard input");
    refused(given(&["--axioms", "frege"], format!("{}2", "D2".repeat(60)).as_bytes()).expect_code(1), "cannot be written out");
    refused(given(&["--axioms", "frege"], format!("{}1", "D1".repeat(20_000)).as_bytes()).expect_code(1), "cannot be written out");
    refused(given(&["--no-input"], b"1\n").expect_code(64), "no proofs on standard input");
    assert!(given(&[], b"").expect_code(70).end()["reason"].as_str().unwrap().contains("upstream-silent"));
    let stream = Tool::new("ml-derive").args(["--no-ledger", "--axioms", "frege", "--max-length", "5"]).run().expect_code(0).stdout;
    // Cut off in the middle: a stage of the pipeline died.
    given(&[], &stream.as_bytes()[..stream.len() / 2]).expect_code(70);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let wrong = stream.replace("\"statement\":\"p->p\"", "\"statement\":\"p->q\"");
    let output = given(&[], wrong.as_bytes()).expect_code(1);
    assert_eq!((metric(output.end(), "refused"), metric(output.end(), "theorems")), (1, 17));
    assert!(output.record("check", "checker")["evidence"][0].as_str().unwrap().contains("it proves p->p instead"));

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = emit("metamath", &file.join("in"), &["--axioms", "frege"], "DD211\n").expect_code(4);
    assert_eq!(output.end()["error_class"], "storage");
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new");
    let output = emit("metamath,lean,tptp", &path, &["--axioms", "frege", "--dry-run"], "DD211\n").expect_code(0);
    assert_eq!(output.kind("step").filter(|step| step["status"] == "planned").count(), 3);
    let args = ["--no-ledger", "--max-length", "5", "--emit", "metamath", "--emit-dir", path.to_str().unwrap(), "--dry-run"];
    let output = Tool::new("ml-derive").args(args).run().expect_code(0);
    assert_eq!(output.record("step", "emit-metamath")["status"], "planned");
    assert!(!path.exists());
}

#[test]
fn a_full_disk_is_said_and_leaves_no_part() {
    let disk = match ml_tests::full_disk(64 * 1024) {
        Ok(disk) => disk,
        Err(reason) => ml_tests::skip!("{reason}"),
    };
    let args = ["--no-ledger", "--axioms", "frege", "--max-length", "13", "--counts", "--emit", "metamath", "--emit-dir"];
    let output = Tool::new("ml-derive").args(args).arg(disk.path().join("out")).run().expect_code(4);
    assert!(output.end()["hint"].as_str().unwrap().contains("space"), "{}", output.stdout);
    assert_eq!(std::fs::read_dir(disk.path().join("out")).unwrap().count(), 0);
}

#[test]
fn two_within_a_second_are_two() {
    let folder = TempDir::new().unwrap();
    let count = || emit("metamath", folder.path(), &["--axioms", "frege"], "DD211\n").expect_code(0);
    (0..3).for_each(|_| drop(count()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}
