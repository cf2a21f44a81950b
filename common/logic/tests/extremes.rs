//! Input made to break things: a million levels of nesting on a small stack, formulas that double, limits.
#![allow(clippy::unwrap_used, clippy::panic)] // also in the helpers of tests

use ml_logic::checker::{Rules, Verdict, check, conclusion};
use ml_logic::dag::Step;
use ml_logic::print::{polish, unicode};
use ml_logic::truth::{Validity, validity};
use ml_logic::unify::{Unifier, unify};
use ml_logic::{DProof, Error, Formula, Limits, Sym, System, detach, hash, is_instance, parse_any};

const DEEP: usize = 1_000_000;

/// Runs on 64 KiB of stack, where recursion over the input would end the process.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(64 << 10).spawn(test).unwrap().join().unwrap();
}

fn formula(text: &str) -> Formula {
    text.parse().unwrap()
}

/// All that can be done with a formula, given as text of a million levels.
fn survives(text: &str, depth: usize) {
    let limits = Limits::default();
    let deep = formula(text);
    assert_eq!(deep.depth(), depth);
    for again in [deep.to_string(), unicode(&deep), polish(&deep)] {
        assert_eq!(formula(&again), deep);
    }
    assert_eq!(hash::statement(&deep).len(), 64);
    assert!(deep.is_canonical() && deep.canonical() == deep && deep.cmp(&deep.clone()).is_eq());
    assert!(is_instance(&deep, &deep) && is_instance(&Formula::var(0).unwrap(), &deep));
    let renamed = deep.substitute(&[Formula::var(77).unwrap()], &limits).unwrap();
    assert_eq!(renamed.canonical(), deep);
    let images = unify(&deep, &renamed, &limits).unwrap().unwrap();
    assert_eq!(images[0], images[77]);
    assert!(matches!(validity(&deep, &limits), Ok(Validity::Refuted(_) | Validity::Valid)));
    // As an axiom: p->p with this in place of p, by detachment and by the checker.
    let identity = Formula::join(Sym::IMP, &[&Formula::var(0).unwrap(), &Formula::var(0).unwrap()], &limits).unwrap();
    assert_eq!(detach(&identity, &deep, &limits), Ok(Some(deep.clone())));
    let axioms = [identity, deep.clone()];
    let rules = Rules { axioms: &axioms, necessitation: false };
    assert_eq!(check(&rules, "D12", &deep, &limits), Ok(Verdict::Exact));
    assert_eq!(check(&rules, "D1D12", &renamed, &limits), Ok(Verdict::Exact));
}

#[test]
fn negations() {
    on_a_small_stack(|| survives(&format!("{}p", "~".repeat(DEEP)), DEEP));
}

#[test]
fn implications_to_the_right() {
    on_a_small_stack(|| survives(&format!("{}p", "p->".repeat(DEEP)), DEEP));
}

#[test]
fn implications_to_the_left() {
    on_a_small_stack(|| survives(&format!("{}p{}", "(".repeat(DEEP), "->p)".repeat(DEEP)), DEEP));
}

#[test]
fn polish_text() {
    on_a_small_stack(|| survives(&format!("{}{}", "C".repeat(DEEP), "p".repeat(DEEP + 1)), DEEP));
}

#[test]
fn parentheses_alone() {
    on_a_small_stack(|| assert_eq!(formula(&format!("{}p{}", "(".repeat(DEEP), ")".repeat(DEEP))), formula("p")));
}

#[test]
fn boxes() {
    on_a_small_stack(|| {
        let deep = formula(&format!("{}p->p", "[]".repeat(DEEP)));
        assert_eq!(validity(&deep, &Limits::default()), Ok(Validity::Valid), "two worlds suffice for one variable");
    });
}

#[test]
fn proofs() {
    on_a_small_stack(|| {
        let limits = Limits { max_work: 1 << 25, ..Limits::default() };
        let deep: DProof = format!("{}1", "D1".repeat(DEEP)).parse().unwrap();
        let dag = deep.dag();
        assert_eq!(dag.steps().len(), DEEP + 1);
        assert_eq!(dag.heights()[DEEP], DEEP as u64);
        assert_eq!(dag.render(2 * DEEP + 1).unwrap(), deep);
        let frege = System::named("frege").unwrap();
        // Each step adds a symbol or two, so that the whole is quadratic: an error, not a hang.
        assert!(matches!(conclusion(&frege.rules(), deep.as_str(), &limits), Err(Error::Limit { .. })));
        // Identity detached from itself stays small.
        let axioms = [formula("Cpp")];
        let rules = Rules { axioms: &axioms, necessitation: true };
        assert_eq!(conclusion(&rules, deep.as_str(), &limits), Ok(formula("Cpp")));
        let boxed = format!("{}1", "N".repeat(DEEP));
        assert!(matches!(conclusion(&rules, &boxed, &limits), Err(Error::Limit { .. })));
        assert!(matches!(conclusion(&rules, &"D".repeat(DEEP), &limits), Err(Error::NotAProof(_))));
    });
}

/// A proof of 64 KiB whose sub-proofs repeat: a line a distinct sub-proof, not one a symbol.
#[test]
fn repeated_sub_proofs_are_proved_once() {
    let mut steps = vec![Step::Axiom(1)];
    let mut last = 0;
    for _ in 0..15 {
        // D(D1x)x is x again for any theorem x, as DD1xx.
        let first = steps.len() as u32;
        steps.extend([Step::Detach { major: 0, minor: last }, Step::Detach { major: first, minor: last }]);
        last = first + 1;
    }
    let proof = ml_logic::dag::Dag::from_steps(steps).unwrap().render(1 << 17).unwrap();
    assert_eq!(proof.len(), 4 * (1 << 15) - 3);
    let frege = System::named("frege").unwrap();
    let small = Limits { max_work: 2000, ..Limits::default() };
    assert_eq!(check(&frege.rules(), proof.as_str(), &frege.axioms[0], &small), Ok(Verdict::Exact));
}

/// Equations x1 = (x0 -> x0), x2 = (x1 -> x1), ...: as sides of one implication chain each.
fn doubling(levels: u32, base: u32) -> (Formula, Formula) {
    let limits = Limits::default();
    let var = |n| Formula::var(n).unwrap();
    let join = |a: &Formula, b: &Formula| Formula::join(Sym::IMP, &[a, b], &limits).unwrap();
    let (mut left, mut right) = (var(base), var(base));
    for level in 0..levels {
        left = join(&var(base + level + 1), &left);
        right = join(&join(&var(base + level), &var(base + level)), &right);
    }
    (left, right)
}

#[test]
fn doubling_unifiers_are_found_and_not_written() {
    let limits = Limits::default();
    let (a, b) = doubling(12, 0);
    let images = unify(&a, &b, &limits).unwrap().unwrap();
    assert_eq!(images[12].size(), (1 << 13) - 1);
    assert_eq!(a.substitute(&images, &limits), b.substitute(&images, &limits));
    let (a, b) = doubling(2000, 0);
    assert_eq!(unify(&a, &b, &limits), Err(limits.symbols_exceeded()));
    // Two such towers made equal at the top: exponential for who compares them as trees.
    let (x, fx) = doubling(1000, 0);
    let (y, fy) = doubling(1000, 5000);
    let mut unifier = Unifier::new();
    let both = |a: &Formula, b: &Formula| {
        let pair = Formula::join(Sym::AND, &[a, b], &limits).unwrap();
        Formula::join(Sym::AND, &[&pair, &Formula::var(if a == &x { 1000 } else { 6000 }).unwrap()], &limits).unwrap()
    };
    let (left, right) = (both(&x, &y), both(&fx, &fy));
    let (left, right) = (unifier.load(left.symbols()).unwrap(), unifier.load(right.symbols()).unwrap());
    assert!(unifier.unify(left, right));
}

#[test]
fn doubling_conclusions_are_an_error() {
    let limits = Limits::default();
    // x |- x->x
    let axioms = [formula("CpCpp"), formula("Cpp")];
    let rules = Rules { axioms: &axioms, necessitation: false };
    let proof = |levels: usize| format!("{}2", "D1".repeat(levels));
    let size = conclusion(&rules, &proof(15), &limits).map(|f| f.size());
    assert_eq!(size, Ok((1 << 17) - 1));
    assert!(matches!(conclusion(&rules, &proof(60), &limits), Err(Error::Limit { .. })));
    let mut statement = axioms[1].clone();
    let ended = (0..60).find_map(|_| match detach(&axioms[0], &statement, &limits) {
        Ok(next) => {
            statement = next.unwrap();
            None
        }
        Err(error) => Some(error),
    });
    assert_eq!(ended, Some(limits.symbols_exceeded()));
    // The towers in the variables that a detachment drops: found by the one, beyond the limits of the other.
    let (left, right) = doubling(60, 0);
    let (left2, right2) = doubling(60, 100);
    let pair = |a: &Formula, b: &Formula| Formula::join(Sym::AND, &[a, b], &limits).unwrap();
    let tops = (pair(&left, &left2), pair(&right, &right2));
    let top = |n| Formula::var(n).unwrap();
    let major = Formula::join(Sym::IMP, &[&pair(&pair(&tops.0, &tops.1), &pair(&top(60), &top(160))), &formula("Cpp")], &limits);
    let minor = formula("KKppKqq");
    let work = Limits { max_work: 1 << 22, ..limits };
    let major = major.unwrap();
    assert_eq!(detach(&major, &minor, &work), Ok(Some(formula("Cpp"))));
    let axioms = [major, minor];
    let checked = conclusion(&Rules { axioms: &axioms, necessitation: false }, "D12", &work);
    assert!(matches!(checked, Err(Error::Limit { .. })), "{checked:?}");
}

#[test]
fn limits_of_sizes() {
    let limits = Limits { max_symbols: 9, ..Limits::default() };
    let parsed = |text: &str| parse_any(text, &limits).map(|named| named.formula);
    let nine = parsed("CNpCNpCNpp").unwrap_err();
    assert_eq!(nine.to_string(), "more than 9 symbols of a formula");
    let five = parsed("CpCqp").unwrap();
    assert_eq!(Formula::join(Sym::IMP, &[&five, &five], &limits), Err(nine.clone()));
    assert_eq!(five.substitute(std::slice::from_ref(&five), &limits), Err(nine.clone()));
    assert_eq!(Formula::from_symbols(vec![Sym::NOT; 10], &limits), Err(nine.clone()));
    assert_eq!(detach(&formula("CpCpp"), &five, &limits), Err(nine.clone()));
    let axioms = [formula("CpCpp"), five];
    let rules = Rules { axioms: &axioms, necessitation: false };
    assert_eq!(conclusion(&rules, "D12", &limits), Err(nine));
}
