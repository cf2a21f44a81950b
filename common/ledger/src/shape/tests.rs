use super::*;

fn shape(expected: &[Expected], edit: impl Fn(&mut BTreeMap<String, Table>)) -> Shape {
    let column = |name: &&str| Column { name: (*name).to_owned(), type_name: "text".into(), not_null: false };
    let table = |columns: &[&str]| Table { columns: columns.iter().map(column).collect(), primary_key: vec!["id".into()] };
    let mut tables = expected.iter().map(|(name, columns)| ((*name).to_owned(), table(columns))).collect();
    edit(&mut tables);
    Shape::of("public".into(), tables)
}

fn add(tables: &mut BTreeMap<String, Table>, table: &str, column: &str, type_name: &str) {
    let columns = &mut tables.get_mut(table).unwrap().columns;
    columns.retain(|other| other.name != column);
    columns.push(Column { name: column.into(), type_name: type_name.into(), not_null: false });
}

#[test]
fn generations_are_told_apart() {
    assert_eq!(shape(FIRST, |_| ()).generation, Generation::First);
    assert_eq!(shape(SECOND, |_| ()).generation, Generation::Second);
    assert_eq!(shape(&[], |_| ()).generation, Generation::NotALedger);
    assert_eq!(shape(&FIRST[..2], |_| ()).generation, Generation::NotALedger);
    let mixed = shape(FIRST, |tables| {
        add(tables, "statements", "hash", "bytea");
        add(tables, "statements", "system_id", "uuid");
        add(tables, "proofs", "status", "text");
    });
    assert_eq!((mixed.generation, mixed.missing()), (Generation::First, vec![]));
}

#[test]
fn what_is_missing_is_named() {
    let shape = shape(SECOND, |tables| {
        tables.remove("proof_parents");
        tables.get_mut("proofs").unwrap().columns.retain(|column| column.name != "status");
    });
    assert_eq!(shape.missing(), ["proofs.status", "proof_parents"]);
    let said = |table: &str, columns: &[&str]| shape.require(table, columns).unwrap_err().message;
    assert_eq!(said("proofs", &["id", "status"]), "table proofs in schema public has no column status");
    assert_eq!(said("proof_parents", &[]), "there is no table proof_parents in schema public");
    assert!(shape.require("proofs", &["id", "success"]).is_ok());
    assert!(shape.require_writable().unwrap_err().message.contains("proof_parents"));
}

#[test]
fn the_first_generation_is_refused_for_writing() {
    let failure = shape(FIRST, |_| ()).require_writable().unwrap_err();
    assert_eq!(failure.class, Class::Database);
    assert!(failure.message.contains("first generation") && failure.hint.is_some());
    assert!(shape(SECOND, |_| ()).require_writable().is_ok());
}

#[test]
fn sql_fits_the_columns() {
    let bytes = shape(FIRST, |tables| add(tables, "statements", "hash", "bytea"));
    assert_eq!(bytes.hex("statements", "hash", "s"), "pg_catalog.encode(s.\"hash\", 'hex')");
    assert_eq!(bytes.unhex("statements", "hash", "$1"), "pg_catalog.decode($1, 'hex')");
    assert_eq!(bytes.or_null("proofs", "method", "p", "text"), "NULL::text");
    assert_eq!(bytes.sql("statements"), "\"public\".\"statements\"");
    assert_eq!(quote("a\"b"), "\"a\"\"b\"");
}
