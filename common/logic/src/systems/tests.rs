use super::*;
use crate::formula::Sym;
use std::collections::HashMap;

#[test]
fn every_named_system_is_what_the_table_says() {
    for named in NAMED {
        let system = System::named(named.name).unwrap();
        let axioms: Vec<String> = system.axioms.iter().map(crate::print::polish).collect();
        assert_eq!(axioms.join(","), named.axioms, "{}: in canonical letters", named.name);
        assert_eq!((system.semantics, system.necessitation), (named.semantics, named.necessitation), "{}", named.name);
        assert!(named.about.ends_with('.') && !named.source.ends_with('.') && named.source.contains(|c: char| c.is_ascii_digit()));
        assert!(named.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{}", named.name);
    }
}

#[test]
fn no_system_is_there_twice_unless_said() {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut systems: HashMap<(&str, bool), &str> = HashMap::new();
    for named in NAMED {
        assert!(names.insert(named.name, named.axioms).is_none(), "{}", named.name);
        let same = systems.insert((named.axioms, named.necessitation), named.name);
        assert_eq!(named.alias_of, same, "{}", named.name);
    }
}

#[test]
fn single_axioms_have_the_lengths_of_their_theorems_on_shortness() {
    for (logic, length) in [("Classical logic", 21), ("Classical implication", 13), ("Positive (intuitionistic) implication", 17)] {
        let singles = NAMED.iter().filter(|named| named.logic == logic && !named.axioms.contains(','));
        let lengths: Vec<usize> = singles.map(|named| named.axioms.len()).collect();
        assert!(!lengths.is_empty() && lengths.iter().all(|&found| found == length), "{logic}: {lengths:?}");
    }
}

/// A finite logic: truth values 0..n, the designated ones, and what the connectives do.
struct Matrix {
    values: usize,
    designated: &'static [usize],
    imp: fn(usize, usize) -> usize,
    not: fn(usize) -> usize,
}

impl Matrix {
    fn validates(&self, formula: &Formula) -> bool {
        let variables = formula.variables();
        (0..self.values.pow(variables)).all(|model| {
            let value = |variable: u32| model / self.values.pow(variable) % self.values;
            let mut stack: Vec<usize> = Vec::new();
            for sym in formula.symbols().iter().rev() {
                let mut part = || stack.pop().unwrap();
                let result = match *sym {
                    Sym::IMP => (self.imp)(part(), part()),
                    Sym::NOT => (self.not)(part()),
                    Sym::AND => part().min(part()),
                    Sym::OR => part().max(part()),
                    variable => value(variable.variable().unwrap()),
                };
                stack.push(result);
            }
            self.designated.contains(&stack[0])
        })
    }
}

/// Łukasiewicz's values 0, 1/n, ..., 1.
const fn lukasiewicz<const N: usize>() -> Matrix {
    Matrix { values: N + 1, designated: &[N], imp: |p, q| N.min(N + q - p), not: |p| N - p }
}

/// The chain of Heyting and Gödel, of three values.
const CHAIN: Matrix = Matrix { values: 3, designated: &[2], imp: |p, q| if p <= q { 2 } else { q }, not: |p| if p == 0 { 2 } else { 0 } };

/// The same, where only the middle one is false: minimal negation into it.
const MINIMAL: Matrix = Matrix { values: 3, designated: &[2], imp: |p, q| if p <= q { 2 } else { q }, not: |p| if p <= 1 { 2 } else { 1 } };

/// Sugihara's three values, -1, 0 and 1, of which the last two are designated: a model of R.
const SUGIHARA: Matrix =
    Matrix { values: 3, designated: &[1, 2], imp: |p, q| if p <= q { q.max(2 - p) } else { q.min(2 - p) }, not: |p| 2 - p };

/// The integers modulo 3 with implication as subtraction: a model of BCI without weakening and contraction.
const ABELIAN: Matrix = Matrix { values: 3, designated: &[0], imp: |p, q| (q + 3 - p) % 3, not: |p| (3 - p) % 3 };

#[test]
fn weaker_systems_are_weaker() {
    let (peirce, contraction, weakening, excluded) = ("CCCpqpp", "CCpCpqCpq", "CpCqp", "ApNp");
    for (name, matrix, unprovable) in [
        ("hilbert-ks", CHAIN, &[peirce][..]),
        ("hilbert-bernays", CHAIN, &[peirce]),
        ("meredith-positive", CHAIN, &[peirce]),
        ("meredith-positive-2", CHAIN, &[peirce]),
        ("minimal", MINIMAL, &["CNpCpq", peirce, "CNNpp"]),
        ("intuitionistic", CHAIN, &[excluded, "CNNpp", peirce]),
        ("intuitionistic-negation", CHAIN, &["CNNpp", peirce, "CCNpNqCqp"]),
        ("dummett", CHAIN, &[excluded, "CNNpp"]),
        ("bci", ABELIAN, &[weakening, contraction]),
        ("bci", lukasiewicz::<2>(), &[contraction]),
        ("bck", lukasiewicz::<2>(), &[contraction, peirce]),
        ("bciw", SUGIHARA, &[weakening, "CCNpNqCrCqp"]),
        ("entailment", SUGIHARA, &[weakening]),
        ("bbiw", SUGIHARA, &[weakening]),
        ("bbi", ABELIAN, &[weakening, contraction]),
        ("lukasiewicz-infinite", lukasiewicz::<5>(), &[contraction, "CCCpNppp"]),
        ("lukasiewicz-infinite", lukasiewicz::<4>(), &[contraction, "CCCpNppp"]),
        ("lukasiewicz-three", lukasiewicz::<2>(), &[contraction, "CCNppp"]),
    ] {
        for axiom in System::named(name).unwrap().axioms {
            assert!(matrix.validates(&axiom), "{name}: {axiom}");
        }
        for formula in unprovable {
            assert!(!matrix.validates(&formula.parse().unwrap()), "{name} does not prove {formula}");
        }
    }
}

#[test]
fn a_user_writes_a_name_or_formulas() {
    let limits = Limits::default();
    let read = |text: &str, necessitation| System::read(text, necessitation, &limits);
    assert_eq!(read("frege", false), System::named("frege"));
    assert!(read(" s5 ", false).unwrap().necessitation);
    let more = read("frege", true).unwrap();
    assert_eq!((more.name.as_str(), more.necessitation, more.semantics), ("frege", true, Semantics::S5));
    let own = read("CpCqp,\np -> q -> p # twice", false).unwrap();
    assert_eq!((own.name.as_str(), own.axioms.len(), own.necessitation), ("own", 2, false));
    for (text, message) in [
        ("frge", "no axiom system is called 'frge'"),
        ("S5\n", "no axiom system is called 'S5'"),
        ("", "an axiom system without axioms"),
        ("p->", "axiom 1: "),
    ] {
        let error = read(text, false).unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
    assert!(System::how_to_write().contains("frege, frege-1879, "));
}

#[test]
fn axioms_of_users() {
    let limits = Limits::default();
    let text = "# mine\nCpCqp, a -> (b -> a)\r\n\n  ¬¬x → x # classical\n";
    let axioms = parse_axioms(text, &limits).unwrap();
    let texts: Vec<String> = axioms.iter().map(Formula::to_string).collect();
    assert_eq!(texts, ["p->q->p", "p->q->p", "~~p->p"]);
    let fails = |text: &str| parse_axioms(text, &limits).unwrap_err().to_string();
    assert_eq!(fails("CpCqp,Cpq)"), "axiom 2: `)` without its `(` at column 4");
    assert_eq!(fails(" # none\n,"), "an axiom system without axioms");
    assert_eq!(fails(&"p\n".repeat(36)), "more than 35 axioms of a system");
    let unsound = System::new("mine", parse_axioms("CpNp", &limits).unwrap(), false, &limits).unwrap();
    assert_eq!(unsound.semantics, Semantics::Unknown);
    assert_eq!(unsound.sound(&"p".parse().unwrap(), &limits), None);
}
