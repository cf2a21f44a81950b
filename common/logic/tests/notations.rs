//! Reading and writing formulas: all notations are inverse to each other, and no text does harm.
#![allow(clippy::unwrap_used, clippy::panic)] // also in the helpers of tests

mod kit;

use kit::{Term, formulas};
use ml_logic::print::{ASCII, LEAN, UNICODE, ascii, infix, infix_with, polish};
use ml_logic::{Error, Formula, Limits, names, parse_any};
use proptest::prelude::*;

fn read(text: &str) -> Formula {
    text.parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(formula in formulas(30, 60, true)) {
        let canonical = formula.canonical();
        for style in [&ASCII, &UNICODE, &LEAN] {
            prop_assert_eq!(&read(&infix(&formula, style)), &canonical);
        }
        // The one text that both notations claim: a variable alone, which is the same in both.
        prop_assert_eq!(&read(&polish(&formula)), &canonical);
        prop_assert_eq!(&read(&Term::of(&formula).parenthesised()), &canonical);
        prop_assert_eq!(canonical.canonical(), canonical.clone());
        prop_assert!(canonical.is_canonical());
        prop_assert_eq!(formula.is_canonical(), formula == canonical);
        let parsed = parse_any(&ascii(&canonical), &Limits::default()).unwrap();
        prop_assert!(parsed.has_canonical_names());
        prop_assert_eq!(parsed.ascii(), ascii(&canonical));
        prop_assert_eq!(parsed.atoms.len(), canonical.variables() as usize);
    }

    #[test]
    fn names_of_the_text_are_kept(formula in formulas(30, 60, true), prefix in "[A-Za-z][A-Za-z0-9_]{0,3}") {
        let text = infix_with(&formula, &UNICODE, &mut |var, out| *out += &format!(" {prefix}_{var} "));
        let parsed = parse_any(&text, &Limits::default()).unwrap();
        prop_assert_eq!(&parsed.formula, &formula.canonical());
        let again = infix_with(&formula, &ASCII, &mut |var, out| *out += &format!("{prefix}_{var}"));
        prop_assert_eq!(parsed.ascii(), again);
    }

    #[test]
    fn garbage_is_refused_or_means_something(text in "\\PC{0,40}") {
        harmless(&text)?;
    }

    #[test]
    fn broken_formulas_are_refused_or_mean_something(pieces in proptest::collection::vec(
        proptest::sample::select(vec!["(", ")", "->", "~", "[]", "/\\", "\\/", "p", "q1", "C", "N", "K", "A", "L", " ", "→", "\n", "_", "0"]), 0..30)) {
        harmless(&pieces.concat())?;
    }

    #[test]
    fn bytes_cut_anywhere_are_harmless(formula in formulas(30, 30, true), cut in 0.0..1.0f64) {
        for text in [infix(&formula, &UNICODE), polish(&formula)] {
            let chars: Vec<char> = text.chars().collect();
            let part: String = chars[..(chars.len() as f64 * cut) as usize].iter().collect();
            harmless(&part)?;
        }
    }

    #[test]
    fn canonical_names_have_indices(index in any::<u32>()) {
        prop_assert_eq!(names::index(&names::name(index)), Some(index));
    }
}

/// A text is refused at a column within it, or is a formula that can be written and read again.
fn harmless(text: &str) -> Result<(), TestCaseError> {
    match parse_any(text, &Limits::default()) {
        Ok(parsed) => {
            prop_assert_eq!(&read(&ascii(&parsed.formula)), &parsed.formula);
            let again = parse_any(&format!(" ({}) ", parsed.ascii()), &Limits::default()).unwrap();
            prop_assert_eq!(again, parsed);
        }
        Err(Error::Syntax { column, message }) => {
            prop_assert!((1..=text.chars().count() + 1).contains(&column));
            prop_assert!(!message.contains(char::is_control));
        }
        Err(other) => prop_assert!(false, "{}", other),
    }
    Ok(())
}

#[test]
fn spellings_of_the_connectives() {
    for text in ["p->q->p", "p => q => p", " p\t→ (q→p)", "p⇒q ⊃ p", "CpCqp", "C p C q p", "(p)->((q->(p)))", "p⟶q⟹p"] {
        assert_eq!(ascii(&read(text)), "p->q->p", "{text}");
    }
    for text in ["~p/\\q\\/[]r", "((¬p)∧q)∨□r", "!p&q|[]r", "∼p && q || ◻r", "AKNpqLr"] {
        assert_eq!(ascii(&read(text)), "~p/\\q\\/[]r", "{text}");
    }
    // All associate to the right; conjunction binds tighter than disjunction, that tighter than implication.
    assert_eq!(polish(&read("p/\\q/\\r\\/s\\/t->u->v")), "CAKpKqrAstCuv");
    assert_eq!(polish(&read("~p->[]~q/\\r")), "CNpKLNqr");
}

#[test]
fn errors_name_the_column() {
    let message = |text: &str| text.parse::<Formula>().unwrap_err().to_string();
    for (text, expected) in [
        ("", "the text ends where a formula is expected at column 1"),
        ("  ", "the text ends where a formula is expected at column 3"),
        ("p->", "the text ends where a formula is expected at column 4"),
        ("p->q)", "`)` without its `(` at column 5"),
        ("p->(q", "`(` without its `)` at column 4"),
        ("(p->(q)", "`(` without its `)` at column 1"),
        ("p q", "expected a connective or `)`, found `q` at column 3"),
        ("p ~q", "expected a connective or `)`, found `~` at column 3"),
        ("→p", "expected a formula, found `→` at column 1"),
        ("p→→p", "expected a formula, found `→` at column 3"),
        ("()", "expected a formula, found `)` at column 2"),
        ("p <-> q", "unexpected character `<` at column 3"),
        ("p→é", "unexpected character `é` at column 3"),
        ("p -> \u{7}", "unexpected character `\\u{7}` at column 6"),
        ("Cp", "the text ends where a formula is expected at column 3"),
        ("CC", "the text ends where 3 formulas are expected at column 3"),
        ("Cpqr", "the formula is complete, but more follows at column 4"),
        ("Cp1 q2 r", "the formula is complete, but more follows at column 8"),
        ("C1", "unexpected `1` in polish notation at column 2"),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
    let long = format!("p {}", "q".repeat(1000));
    assert_eq!(message(&long), format!("expected a connective or `)`, found `{}...` at column 3", "q".repeat(20)));
}

#[test]
fn which_notation_a_text_is_in() {
    assert_eq!(polish(&read("Kpq")), "Kpq");
    assert_eq!(parse_any("Cpq->Kpq", &Limits::default()).unwrap().atoms, ["Cpq", "Kpq"], "an arrow makes it infix");
    assert_eq!(parse_any("N", &Limits::default()).unwrap().atoms, ["N"], "one letter alone is an atom");
    assert_eq!(parse_any("p12", &Limits::default()).unwrap().atoms, ["p12"]);
    assert_eq!(parse_any("Ca1a12", &Limits::default()).unwrap().atoms, ["a1", "a12"]);
    assert_eq!(parse_any("x_1 -> X", &Limits::default()).unwrap().ascii(), "x_1->X");
}

#[test]
fn limits_hold_while_reading() {
    let limits = Limits { max_symbols: 5, ..Limits::default() };
    for text in ["p->q->p", "CpCqp", "~~~~p", "((((p))))"] {
        assert!(parse_any(text, &limits).is_ok(), "{text}");
    }
    for text in ["p->q->~p", "CpCqNp", "~~~~~p", "((((((p))))))"] {
        assert_eq!(parse_any(text, &limits).unwrap_err().to_string(), "more than 5 symbols of a formula", "{text}");
    }
}

#[test]
fn formulas_from_symbols_are_formulas() {
    use ml_logic::Sym;
    let var = |n| Sym::var(n).unwrap();
    let make = |symbols: &[Sym]| Formula::from_symbols(symbols.to_vec(), &Limits::default());
    assert!(make(&[Sym::IMP, var(7), Sym::NOT, var(7)]).is_ok());
    for wrong in [&[][..], &[Sym::IMP], &[Sym::IMP, var(0)], &[var(0), var(0)], &[Sym::NOT, var(0), var(1)]] {
        assert!(matches!(make(wrong), Err(Error::Malformed(_))), "{wrong:?}");
    }
    assert_eq!(Sym::var(Sym::MAX_VAR + 1), None);
    assert_eq!(Sym::from_raw(Sym::MAX_VAR + 1), None);
    for sym in [Sym::IMP, Sym::NOT, Sym::AND, Sym::OR, Sym::BOX, var(0), var(Sym::MAX_VAR)] {
        assert_eq!(Sym::from_raw(sym.raw()), Some(sym));
    }
    // Far-out variables cost no memory.
    let far = make(&[Sym::IMP, var(Sym::MAX_VAR), Sym::IMP, var(3_000_000_000), var(Sym::MAX_VAR)]).unwrap();
    assert_eq!(far.canonical(), read("CpCqp"));
    assert_eq!((far.variables(), far.depth(), far.size()), (2, 2, 5));
}
