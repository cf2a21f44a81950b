//! A proof as numbered lines, and how they read.

use ml_logic::emit::{Development, Premise, Rule};
use ml_logic::print::{Style, infix};
use ml_logic::{Formula, Result, names};
use std::collections::HashMap;

/// The ledger's notation with blanks, which can be read back.
const STYLE: Style = Style { imp: " -> ", or: " \\/ ", and: " /\\ ", not: "~", necessary: "[]", subscript: ("", "") };

/// A line of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// What it says.
    pub formula: Formula,
    /// Why it is so.
    pub by: By,
}

/// An earlier line with something in place of each of its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The number of that line.
    pub number: usize,
    /// What its variables become, in their order.
    pub images: Vec<Formula>,
}

/// Why a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// An axiom, counted from 1.
    Axiom(usize),
    /// The instance of the major line says that that of the minor one implies this.
    Detachment {
        /// The implication.
        major: Instance,
        /// The antecedent.
        minor: Instance,
    },
    /// Necessitation of that line.
    Necessitation(usize),
}

/// The lines of a proof whose last theorem is what is proved; of one without theorems, the axiom that says `goal`.
///
/// # Errors
/// At the limits.
pub fn lines(development: &Development, goal: &Formula) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let mut axioms: HashMap<usize, usize> = HashMap::new();
    if development.theorems.is_empty() {
        let axiom = development.axioms.iter().position(|axiom| axiom == goal).unwrap_or_default();
        return Ok(vec![Line { number: 1, formula: goal.clone(), by: By::Axiom(axiom + 1) }]);
    }
    for (at, theorem) in development.theorems.iter().enumerate() {
        let mut number = |premise: Premise| match premise {
            Premise::Theorem(at) => numbers[&at],
            Premise::Axiom(at) => *axioms.entry(at).or_insert_with(|| {
                let number = lines.len() + 1;
                lines.push(Line { number, formula: development.axioms[at].clone(), by: By::Axiom(at + 1) });
                number
            }),
        };
        let by = match theorem.rule {
            Rule::Detach { major, minor } => {
                let (to, from) = (number(major), number(minor));
                let application = development.application(major, minor, &theorem.formula)?;
                By::Detachment {
                    major: Instance { number: to, images: application.major },
                    minor: Instance { number: from, images: application.minor },
                }
            }
            Rule::Necessitate(premise) => By::Necessitation(number(premise)),
        };
        let number = lines.len() + 1;
        numbers.insert(at, number);
        lines.push(Line { number, formula: theorem.formula.clone(), by });
    }
    Ok(lines)
}

/// A formula for people.
pub fn shown(formula: &Formula) -> String {
    infix(formula, &STYLE)
}

impl By {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            By::Axiom(number) => format!("axiom {number}"),
            By::Detachment { major, minor } => format!("from {} and {} by detachment", major.number, minor.number),
            By::Necessitation(number) => format!("from {number} by necessitation"),
        }
    }

    /// The instances that it is made of, the implication first.
    pub fn instances(&self) -> Vec<&Instance> {
        match self {
            By::Detachment { major, minor } => vec![major, minor],
            By::Axiom(_) | By::Necessitation(_) => Vec::new(),
        }
    }
}

impl Instance {
    /// `p := q -> p, q := r`.
    pub fn words(&self) -> String {
        let images: Vec<String> =
            self.images.iter().zip(0..).map(|(image, variable)| format!("{} := {}", names::name(variable), shown(image))).collect();
        images.join(", ")
    }
}

/// The proof as people read it.
pub fn text(lines: &[Line]) -> String {
    let width = lines.len().to_string().len();
    let mut out = String::new();
    for line in lines {
        out.push_str(&format!("{:>width$}  {}\n{:width$}  {}\n", line.number, shown(&line.formula), "", line.by.words()));
        for instance in line.by.instances() {
            out.push_str(&format!("{:width$}    in {}: {}\n", "", instance.number, instance.words()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_logic::{Library, Limits, System};

    fn of(system: &str, proof: &str) -> Vec<Line> {
        let limits = Limits::default();
        let mut library = Library::new(System::named(system).unwrap(), limits);
        let line = library.add_proof(&proof.parse().unwrap()).unwrap();
        let development = Development::new(&library, &[line], &limits).unwrap();
        lines(&development, &library.line(line).formula).unwrap()
    }

    #[test]
    fn identity_in_words() {
        let expected = "\
1  (p -> q -> r) -> (p -> q) -> p -> r
   axiom 2
2  p -> q -> p
   axiom 1
3  (p -> q) -> p -> p
   from 1 and 2 by detachment
     in 1: p := p, q := q, r := p
     in 2: p := p, q := q
4  p -> p
   from 3 and 2 by detachment
     in 3: p := p, q := p -> p
     in 2: p := p, q := p
";
        assert_eq!(text(&of("frege", "DD211")), expected);
    }

    #[test]
    fn axioms_and_necessitation() {
        assert_eq!(text(&of("frege", "3")), "1  (~p -> ~q) -> q -> p\n   axiom 3\n");
        let lines = of("s5", "N1");
        assert_eq!(text(&lines), "1  p -> q -> p\n   axiom 1\n2  [](p -> q -> p)\n   from 1 by necessitation\n");
    }

    /// Each instance of an implication is that of its antecedent, an arrow, and the line.
    #[test]
    fn substitutions_make_the_step() {
        let limits = Limits::default();
        let lines = of("frege", "DD2D1DD2DD2D13D2DD2D1311DD2D1DD22D2DD2D13DD2D1311");
        let formula = |instance: &Instance| lines[instance.number - 1].formula.substitute(&instance.images, &limits).unwrap();
        for line in &lines {
            if let By::Detachment { major, minor } = &line.by {
                let (major, minor) = (formula(major), formula(minor));
                assert_eq!(major.as_implication().unwrap(), (minor.symbols(), line.formula.symbols()));
            }
        }
        assert_eq!(shown(&lines.last().unwrap().formula), "(p -> ~p) -> ~p");
        let mut formulas: Vec<&Formula> = lines.iter().map(|line| &line.formula).collect();
        formulas.sort();
        formulas.dedup();
        assert_eq!(formulas.len(), lines.len(), "nothing is proved twice");
    }
}
