//! A Lean 4 project without any library: formulas and proofs are inductive types, each theorem is a schema over its variables with an
//! explicit proof term, and so Lean's kernel has nothing to search for.

use super::{Development, Premise, Rule, Theorem, prefix};
use crate::error::Result;
use crate::formula::{Formula, Sym};
use crate::names;
use crate::print::{LEAN, infix};
use std::collections::BTreeSet;

/// Names the library, its root module and the namespace.
pub const LIBRARY: &str = "Theorems";
/// The module with the formulas, the axioms and the rules.
pub const BASIC: &str = "Basic";

/// `lakefile.toml`.
pub fn lakefile() -> String {
    format!("name = \"{}\"\ndefaultTargets = [\"{LIBRARY}\"]\n\n[[lean_lib]]\nname = \"{LIBRARY}\"\n", LIBRARY.to_lowercase())
}

/// `lean-toolchain`: any later Lean 4 does as well, since nothing but its kernel's own language is used.
pub fn toolchain() -> String {
    "leanprover/lean4:v4.15.0\n".to_owned()
}

/// The name of part `number`, counted from 0.
pub fn part(number: usize) -> String {
    format!("Part{}", number + 1)
}

/// The root module, of so many parts.
pub fn root(parts: usize) -> String {
    let parts = (0..parts).map(part);
    [BASIC.to_owned()].into_iter().chain(parts).map(|module| format!("import {LIBRARY}.{module}\n")).collect()
}

/// The module of the formulas, the axioms and the rules.
pub fn basic(development: &Development) -> String {
    let mut out = format!(
        "/-! What the theorems are about: formulas, and what is provable from the axioms by the rules. -/\n
namespace {LIBRARY}\n
/-- Formulas of propositional logic. -/
inductive Form : Type where
  | imp : Form → Form → Form
  | neg : Form → Form
  | conj : Form → Form → Form
  | disj : Form → Form → Form
  | box : Form → Form
  | atom : Nat → Form\n
open Form\n
/-- What follows from the axioms; each is a schema. -/
inductive Provable : Form → Prop where
"
    );
    for (axiom, number) in development.axioms.iter().zip(1..) {
        out.push_str(&format!("  | ax{number} {} : Provable {}\n", binder(axiom), argument(axiom)));
    }
    out.push_str("  | mp {p q : Form} (major : Provable (imp p q)) (minor : Provable p) : Provable q\n");
    if development.necessitation {
        out.push_str("  | nec {p : Form} (premise : Provable p) : Provable (box p)\n");
    }
    out.push_str(&format!("\nend {LIBRARY}\n"));
    out
}

/// What stands before the theorems of a part that uses these earlier parts.
pub fn head(uses: &BTreeSet<usize>) -> String {
    let uses: String = uses.iter().map(|&number| format!("import {LIBRARY}.{}\n", part(number))).collect();
    // Deep formulas are nothing unusual here.
    format!("import {LIBRARY}.{BASIC}\n{uses}\nset_option maxRecDepth 65536\n\nnamespace {LIBRARY}\n\nopen Form\n")
}

/// What stands behind the theorems of a part.
pub fn foot() -> String {
    format!("\nend {LIBRARY}\n")
}

/// A theorem. Fails at the limits.
pub fn theorem(development: &Development, theorem: &Theorem) -> Result<String> {
    let instance = |premise: Premise, images: &[Formula]| {
        let name = match premise {
            Premise::Axiom(at) => format!("Provable.ax{}", at + 1),
            Premise::Theorem(at) => development.theorems[at].name.clone(),
        };
        let images: String = images.iter().map(|image| format!(" {}", argument(image))).collect();
        format!("({name}{images})")
    };
    let term = match theorem.rule {
        Rule::Detach { major, minor } => {
            let application = development.application(major, minor, &theorem.formula)?;
            format!("Provable.mp {} {}", instance(major, &application.major), instance(minor, &application.minor))
        }
        Rule::Necessitate(premise) => {
            let itself: Vec<Formula> = (0..development.formula(premise).variables()).filter_map(Formula::var).collect();
            format!("Provable.nec {}", instance(premise, &itself))
        }
    };
    let (name, shown, binder, formula) =
        (&theorem.name, infix(&theorem.formula, &LEAN), binder(&theorem.formula), argument(&theorem.formula));
    Ok(format!("\n/-- {shown} -/\ntheorem {name} {binder} : Provable {formula} :=\n  {term}\n"))
}

/// The variables as parameters.
fn binder(formula: &Formula) -> String {
    let variables: Vec<String> = (0..formula.variables()).map(names::name).collect();
    format!("({} : Form)", variables.join(" "))
}

/// A formula as an argument.
fn argument(formula: &Formula) -> String {
    let shape = |sym| match sym {
        Sym::IMP => ("(imp ", " ", ")"),
        Sym::AND => ("(conj ", " ", ")"),
        Sym::OR => ("(disj ", " ", ")"),
        Sym::NOT => ("(neg ", "", ")"),
        _ => ("(box ", "", ")"),
    };
    prefix(formula, &shape, &|var, out| names::push_name(out, var))
}
