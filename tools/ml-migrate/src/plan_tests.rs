use super::*;
use std::collections::BTreeMap;

fn empty() -> Observed {
    Observed {
        server: 150_004,
        role: "ml".into(),
        generation: Generation::NotALedger,
        schema: Some("public".into()),
        missing: vec!["theories".into()],
        relations: vec![],
        applied: BTreeMap::new(),
        base_theory: false,
        may_create: true,
        extensions: [("pgcrypto", Extension::Creatable), ("pg_trgm", Extension::Creatable)].into(),
    }
}

fn ledger(generation: Generation) -> Observed {
    Observed { generation, missing: vec![], relations: vec!["public.statements".into()], base_theory: true, ..empty() }
}

fn ours(names: &[&str]) -> Observed {
    let applied = names.iter().map(|name| ((*name).to_owned(), "2025-01-08T02:00:00Z".to_owned())).collect();
    Observed { applied, ..ledger(Generation::Second) }
}

fn complete() -> Observed {
    ours(&MIGRATIONS.iter().map(|migration| migration.name).collect::<Vec<_>>())
}

#[test]
fn an_empty_database_gets_everything() {
    let plan = plan(&empty());
    assert_eq!((plan.created_by, plan.pending(), plan.usable, &plan.refusal), (CreatedBy::Empty, MIGRATIONS.len(), false, &None));
}

#[test]
fn a_complete_ledger_gets_nothing() {
    let plan = plan(&complete());
    assert_eq!((plan.created_by, plan.pending(), plan.usable, plan.lacking()), (CreatedBy::Ours, 0, true, None));
    assert_eq!(plan.summary(), format!("a ledger of the second generation with {} migrations", MIGRATIONS.len()));
}

#[test]
fn a_pending_migration_is_told() {
    let plan = plan(&ours(&["0001_ledger", "0002_base_theory"]));
    assert_eq!((plan.pending(), plan.usable), (1, true));
    assert_eq!(plan.summary(), "a ledger of the second generation; 1 migration is pending");
}

#[test]
fn a_ledger_of_mathledger_is_not_ours_to_change() {
    for generation in [Generation::First, Generation::Second] {
        let mut observed = ledger(generation);
        observed.missing = vec!["proof_parents".into()];
        let found = plan(&observed);
        assert_eq!((found.created_by, found.pending(), found.usable), (CreatedBy::MathLedger, 0, true));
        assert!(found.steps.iter().all(|(_, todo)| *todo == Todo::NotOurs));
        assert!(found.differences.contains(&"proof_parents is missing".to_owned()));
        observed.base_theory = false;
        let found = plan(&observed);
        assert!(!found.usable && found.refusal.unwrap().message.contains("base theory"));
    }
}

#[test]
fn the_unknown_the_newer_and_the_broken_are_refused() {
    let refused = |observed: &Observed| plan(observed).refusal.unwrap().message;
    let foreign = Observed { relations: vec!["shop.orders".into()], ..empty() };
    assert_eq!(refused(&foreign), "the database is not empty and not a ledger: it holds shop.orders");
    let newer = ours(&["0001_ledger", "0002_base_theory", "9000_later"]);
    assert_eq!(refused(&newer), "the ledger is newer than this program: it has the migration ml-ops:9000_later");
    let broken = Observed { missing: vec!["runs.metadata".into()], ..complete() };
    assert!(refused(&broken).starts_with("runs.metadata is missing, although"));
    let theoryless = Observed { base_theory: false, ..complete() };
    assert!(refused(&theoryless).starts_with("the base theory Propositional is missing, although"));
    assert!(refused(&ours(&["0002_base_theory"])).contains("not ml-ops:0001_ledger before it"));
    for observed in [foreign, newer, broken, theoryless] {
        assert!(!plan(&observed).usable);
    }
}

#[test]
fn extensions_are_no_condition() {
    for (extension, said) in
        [(Extension::Forbidden, "may not create the extension pg_trgm"), (Extension::Absent, "does not have the extension pg_trgm")]
    {
        let mut observed = empty();
        observed.extensions.insert("pg_trgm", extension);
        let plan = plan(&observed);
        assert_eq!(plan.pending(), MIGRATIONS.len() - 1);
        assert!(plan.lacking().unwrap().0.contains(said));
    }
}

#[test]
fn rights_and_versions_are_looked_at_before_anything_is_done() {
    assert_eq!(cannot_apply(&empty()), None);
    let said = |observed: Observed| cannot_apply(&observed).unwrap().message;
    assert_eq!(said(Observed { may_create: false, ..empty() }), "the role ml may not create tables in schema public");
    assert_eq!(said(Observed { schema: None, ..empty() }), "no schema of the search_path exists");
    assert_eq!(said(Observed { server: 120_018, ..empty() }), "the server is PostgreSQL 12.18, and the ledger needs 13 or later");
}
