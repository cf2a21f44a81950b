use super::*;
use ml_dump::Tally;

const DUMP: &str = "--\n-- PostgreSQL database dump; it's \\! not a command\n--\n\n\\restrict abc\n\nSET client_encoding = 'UTF8';\n\
    SET standard_conforming_strings = on;\nSET transaction_timeout = 0;\n\n/* a \\! /* nested; */ ' */\n\
    CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$ SELECT 'a\\!'; -- '\n\\! no command here\n $_$;\n\
    CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT '\\');\nALTER TABLE public.t OWNER TO ml;\n\
    COPY public.t (a, \"b\") FROM stdin;\n\\! rm\tx\n\\N\ty\n\\.\n\n\nCOMMENT ON TABLE t IS E'it\\'s; \\\\! \"';\n\
    INSERT INTO a$b VALUES (1, $$x;\\$$);\nGRANT SELECT ON TABLE t TO x;\nCREATE PUBLICATION p;\n\n\\unrestrict abc\n\n";

fn pass(text: &str, pass: Pass, piece: usize) -> Result<(String, Tally, Seen)> {
    let (mut guard, mut out) = (Guard::new(pass), Vec::new());
    for piece in text.as_bytes().chunks(piece) {
        guard.push(piece, &mut out)?;
    }
    let (counter, seen) = guard.finish()?;
    let (all, objects) = counter.finish()?;
    Ok((String::from_utf8(out).unwrap(), all.tally(objects), seen))
}

#[test]
fn what_passes_is_what_was_wanted_whatever_the_pieces() {
    let whole = Pass::Rows { owners: true, tablespaces: true, drill: false };
    let (text, tally, seen) = pass(DUMP, whole, 1000).unwrap();
    for kept in [
        "SET client_encoding",
        "\n\\! no command here\n $_$;",
        "(SELECT 1; SELECT '\\');",
        "OWNER TO ml;",
        "FROM stdin;\n\\! rm\tx\n\\N\ty\n\\.\n",
        "E'it\\'s; \\\\! \"';",
        "$$x;\\$$);",
        "CREATE PUBLICATION",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    for left_out in ["restrict", "transaction_timeout", "GRANT", "not a command", "nested"] {
        assert!(!text.contains(left_out), "{left_out} in {text}");
    }
    assert_eq!(tally.tables, [("public.t".to_owned(), 2)].into());
    assert_eq!((seen.owners.len(), seen.rights, seen.inserts, seen.encoding.as_deref()), (1, true, true, Some("UTF8")));
    for piece in 1..40 {
        assert_eq!(pass(DUMP, whole, piece).unwrap(), (text.clone(), tally.clone(), seen.clone()), "pieces of {piece}");
    }
    let (drill, ..) = pass(DUMP, Pass::Rows { owners: false, tablespaces: false, drill: true }, 7).unwrap();
    assert!(!drill.contains("OWNER TO") && !drill.contains("PUBLICATION") && drill.contains("COPY public.t"), "{drill}");
    let (rights, ..) = pass(DUMP, Pass::Rights, 7).unwrap();
    assert!(rights.contains("GRANT SELECT") && rights.contains("SET client_encoding") && !rights.contains("COPY"), "{rights}");
    assert_eq!(pass(DUMP, Pass::Nothing, 7).unwrap().0.trim(), "");
}

#[test]
fn no_command_of_psql_passes() {
    for command in [
        "\\! touch x",
        "\\copy t from program 'x'",
        "\\i /etc/passwd",
        "\\o |sh",
        "\\set x `id`",
        "\\g |sh",
        "\\gexec",
        "\\",
        "\\\\",
        " \\!",
    ] {
        for before in [
            "",
            "SELECT E'a'\n'b\\' ",
            "SELECT E'a''\\' ",
            "SELECT 1;",
            "SELECT 1 ",
            "SELECT '' ",
            "SELECT E'\\'' ",
            "SELECT 'a\\' ",
            "-- x\n",
            "/* */",
            "SELECT a$b$ ",
            "CREATE TABLE t (a int",
        ] {
            let text = format!("{before}{command}\n;\nSELECT $b$ 2 $b$;\n");
            assert!(pass(&text, Pass::Rows { owners: true, tablespaces: true, drill: false }, 9).is_err(), "{text}");
        }
    }
    // Between rows and what looks like them.
    for text in
        ["COPY public.t (a) FROM stdin;\n1\n\\.\n\\! x\n", "COPY public.t (a) TO stdout;\n\\! x\n\\.\n", "COPY t FROM stdin;\n1\n\\.\n"]
    {
        assert!(pass(text, Pass::Nothing, 9).is_err(), "{text}");
    }
    let failure = pass("\\connect other\n", Pass::Nothing, 9).unwrap_err();
    assert!(failure.message.contains("another database") && failure.hint.unwrap().contains("pg_dumpall"));
    assert!(pass("DROP DATABASE x;\n", Pass::Nothing, 9).is_err());
}

#[test]
fn with_old_strings_a_backslash_escapes() {
    let text = "SET standard_conforming_strings = off;\nSELECT 'a\\'; \\! x';\n";
    assert!(pass(text, Pass::Nothing, 5).is_ok());
    assert!(pass(&text.replace("off", "on"), Pass::Nothing, 5).is_err());
}

#[test]
fn a_text_that_ends_early_is_seen() {
    for end in
        ["COPY public.t (a) FROM stdin;\n1\n", "SELECT 'a", "SELECT $$ a", "/* a", "CREATE TABLE t (", "COPY public.t (a) FROM stdin;"]
    {
        assert!(pass(end, Pass::Nothing, 5).is_err(), "{end}");
    }
}

#[test]
fn a_long_statement_takes_no_memory() {
    let (mut guard, mut out) = (Guard::new(Pass::Rows { owners: true, tablespaces: true, drill: false }), Vec::new());
    guard.push(b"INSERT INTO t VALUES ('", &mut out).unwrap();
    let mut passed = 0;
    for _ in 0..100 {
        guard.push(&[b'x'; 4096], &mut out).unwrap();
        passed += out.len();
        out.clear();
    }
    assert!(guard.held.len() <= HELD && guard.seen.inserts);
    guard.push(b"');\n", &mut out).unwrap();
    assert_eq!(passed + out.len(), 23 + 409_600 + 4);
    guard.finish().unwrap();
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let (mut guard, mut out) = (Guard::new(Pass::Nothing), Vec::new());
        let _ = guard.push(&bytes, &mut out).and_then(|()| guard.finish().map(|_| ()));
    }
}
