//! A Metamath database: each theorem is a `$p` with a compressed proof. (Megill and Wheeler, Metamath: A Computer Language for Mathematical
//! Proofs, 2019; compressed proofs: appendix B.)

use super::{Development, Premise, Rule, Theorem, prefix};
use crate::error::Result;
use crate::formula::{Formula, Sym};
use crate::names;
use std::collections::HashMap;

/// Columns of a line of proof.
const COLUMNS: usize = 79;

/// Writes a database piece by piece: the head, then each theorem in order.
#[derive(Debug, Default)]
pub struct Metamath {
    /// Variables that have been declared.
    variables: u32,
}

/// The syntax axiom of a connective.
fn syntax(connective: Sym) -> &'static str {
    match connective {
        Sym::IMP => "wi",
        Sym::AND => "wa",
        Sym::OR => "wo",
        Sym::NOT => "wn",
        _ => "wl",
    }
}

/// The formula as Metamath writes it.
pub fn math(formula: &Formula) -> String {
    let shape = |sym| match sym {
        Sym::IMP => ("( ", " -> ", " )"),
        Sym::AND => ("( ", " /\\ ", " )"),
        Sym::OR => ("( ", " \\/ ", " )"),
        Sym::NOT => ("-. ", "", ""),
        _ => ("[] ", "", ""),
    };
    prefix(formula, &shape, &|var, out| names::push_name(out, var))
}

impl Metamath {
    /// What stands before the first theorem: constants, syntax, rules, axioms.
    pub fn head(&mut self, development: &Development) -> String {
        let used = |connective| {
            let theorems = development.theorems.iter().map(|theorem| &theorem.formula);
            development.axioms.iter().chain(theorems).any(|formula| formula.contains(connective))
        };
        let (and, or, necessary) = (used(Sym::AND), used(Sym::OR), used(Sym::BOX) || development.necessitation);
        let mut out = String::from("$( Theorems with their proofs by condensed detachment. $)\n\n$c ( ) -> -. wff |- $.\n");
        for (_, constants) in [(and, "/\\"), (or, "\\/"), (necessary, "[]")].iter().filter(|(used, _)| *used) {
            out.push_str(&format!("$c {constants} $.\n"));
        }
        let most = development.axioms.iter().map(Formula::variables).max().unwrap_or_default().max(2);
        out.push_str(&self.declare(most));
        out.push_str("\nwn $a wff -. p $.\nwi $a wff ( p -> q ) $.\n");
        let further = [(and, "wa $a wff ( p /\\ q ) $.\n"), (or, "wo $a wff ( p \\/ q ) $.\n"), (necessary, "wl $a wff [] p $.\n")];
        further.iter().filter(|(used, _)| *used).for_each(|(_, text)| out.push_str(text));
        out.push_str("\n${\n  mp.min $e |- p $.\n  mp.maj $e |- ( p -> q ) $.\n  ax-mp $a |- q $.\n$}\n");
        if development.necessitation {
            out.push_str("${\n  nec.1 $e |- p $.\n  ax-nec $a |- [] p $.\n$}\n");
        }
        for (axiom, number) in development.axioms.iter().zip(1..) {
            out.push_str(&format!("ax-{number} $a |- {} $.\n", math(axiom)));
        }
        out.push('\n');
        out
    }

    /// Variables up to `count`, as far as they are not declared yet.
    fn declare(&mut self, count: u32) -> String {
        let new = self.variables..count.max(self.variables);
        self.variables = new.end;
        new.map(names::name).map(|name| format!("$v {name} $.\nw{name} $f wff {name} $.\n")).collect()
    }

    /// A theorem. Fails at the limits.
    pub fn theorem(&mut self, development: &Development, theorem: &Theorem) -> Result<String> {
        let mut out = self.declare(theorem.formula.variables());
        let mut proof = Proof { mandatory: theorem.formula.variables(), labels: Vec::new(), known: HashMap::new(), letters: String::new() };
        match theorem.rule {
            Rule::Detach { major, minor } => {
                let application = development.application(major, minor, &theorem.formula)?;
                proof.syntax(&application.antecedent);
                proof.syntax(&theorem.formula);
                proof.instance(development, minor, &application.minor);
                proof.instance(development, major, &application.major);
                proof.label("ax-mp".into());
            }
            Rule::Necessitate(premise) => {
                proof.syntax(development.formula(premise));
                let itself: Vec<Formula> = (0..development.formula(premise).variables()).filter_map(Formula::var).collect();
                proof.instance(development, premise, &itself);
                proof.label("ax-nec".into());
            }
        }
        out.push_str(&format!("{} $p |- {} $=\n", theorem.name, math(&theorem.formula)));
        out.push_str(&wrapped(&proof.labels, &proof.letters));
        out.push_str(" $.\n");
        Ok(out)
    }
}

/// A compressed proof being written, from the left in reverse Polish order.
struct Proof {
    /// Variables of the theorem, which need not be named.
    mandatory: u32,
    labels: Vec<String>,
    known: HashMap<String, usize>,
    letters: String,
}

impl Proof {
    fn label(&mut self, label: String) {
        let place = match self.known.get(&label) {
            Some(&place) => place,
            None => {
                self.labels.push(label.clone());
                self.known.insert(label, self.labels.len());
                self.labels.len()
            }
        };
        self.number(self.mandatory as usize + place);
    }

    /// The letters of a number from 1 on: digits to the base 5, then one to the base 20.
    fn number(&mut self, number: usize) {
        let mut rest = number - 1;
        let mut letters = vec![b'A' + (rest % 20) as u8];
        rest /= 20;
        while rest > 0 {
            rest -= 1;
            letters.push(b'U' + (rest % 5) as u8);
            rest /= 5;
        }
        self.letters.extend(letters.iter().rev().map(|&letter| char::from(letter)));
    }

    /// The proof that this is a formula. Its variables are those of the theorem.
    fn syntax(&mut self, formula: &Formula) {
        // On the stack: connectives whose parts are not yet complete, and how many are missing.
        let mut open: Vec<(Sym, usize)> = Vec::new();
        for &sym in formula.symbols() {
            if let Some(var) = sym.variable() {
                self.number(var as usize + 1);
            } else {
                open.push((sym, sym.arity()));
                continue;
            }
            while let Some((connective, missing)) = open.pop() {
                if missing > 1 {
                    open.push((connective, missing - 1));
                    break;
                }
                self.label(syntax(connective).to_owned());
            }
        }
    }

    /// A premise with these formulas in place of its variables.
    fn instance(&mut self, development: &Development, premise: Premise, images: &[Formula]) {
        images.iter().for_each(|image| self.syntax(image));
        self.label(match premise {
            Premise::Axiom(at) => format!("ax-{}", at + 1),
            Premise::Theorem(at) => development.theorems[at].name.clone(),
        });
    }
}

/// A compressed proof in lines: labels stay whole, letters may be broken anywhere.
fn wrapped(labels: &[String], letters: &str) -> String {
    let mut out = String::from("  (");
    let mut column = out.len();
    for label in labels {
        if column + 1 + label.len() > COLUMNS {
            out.push_str("\n   ");
            column = 3;
        }
        out.push(' ');
        out.push_str(label);
        column += 1 + label.len();
    }
    out.push_str(" )");
    let mut rest = letters;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(COLUMNS - 2));
        out.push_str("\n  ");
        out.push_str(now);
        rest = later;
    }
    out
}
