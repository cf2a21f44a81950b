//! Writing formulas: infix in ASCII (the ledger's canonical text), Unicode, Lean and LaTeX, and Polish notation.
//!
//! `~` and `[]` bind tightest, then `/\`, `\/`, `->`; all three associate to the right, and only the parentheses that
//! this requires are written.

use crate::formula::{Formula, Sym};
use crate::names;
use std::fmt;

/// How the connectives and variables of an infix notation look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Implication, with the blanks around it.
    pub imp: &'static str,
    /// Disjunction, with the blanks around it.
    pub or: &'static str,
    /// Conjunction, with the blanks around it.
    pub and: &'static str,
    /// Negation.
    pub not: &'static str,
    /// Necessity.
    pub necessary: &'static str,
    /// What stands before and after the number of a variable such as p1.
    pub subscript: (&'static str, &'static str),
}

/// The ledger's canonical text: `(~p->~q)->q->p`, `p/\q`, `p\/q`, `[]p`, no blanks.
pub const ASCII: Style = Style { imp: "->", or: "\\/", and: "/\\", not: "~", necessary: "[]", subscript: ("", "") };

/// For people: `(¬p→¬q)→q→p`, `p∧q`, `p∨q`, `□p`.
pub const UNICODE: Style = Style { imp: "→", or: "∨", and: "∧", not: "¬", necessary: "□", subscript: ("", "") };

/// Lean 4: `(¬p → ¬q) → q → p`. (Lean has no box of its own.)
pub const LEAN: Style = Style { imp: " → ", or: " ∨ ", and: " ∧ ", not: "¬", necessary: "□", subscript: ("", "") };

/// LaTeX mathematics: `(\lnot p \to \lnot q) \to q \to p_{1}`.
pub const LATEX: Style =
    Style { imp: " \\to ", or: " \\lor ", and: " \\land ", not: "\\lnot ", necessary: "\\Box ", subscript: ("_{", "}") };

/// The ledger's canonical text, with canonical variable names. Unique for a formula that is itself canonical.
pub fn ascii(formula: &Formula) -> String {
    infix(formula, &ASCII)
}

/// The Unicode notation for people.
pub fn unicode(formula: &Formula) -> String {
    infix(formula, &UNICODE)
}

/// Infix notation in any style, with canonical variable names.
pub fn infix(formula: &Formula, style: &Style) -> String {
    infix_with(formula, style, &mut |var, out| {
        let (letter, number) = names::split(var);
        out.push(letter);
        if number > 0 {
            out.push_str(style.subscript.0);
            out.push_str(&number.to_string());
            out.push_str(style.subscript.1);
        }
    })
}

/// How tightly a connective binds; a part is put into parentheses when it binds less than its place asks for.
pub(crate) fn strength(connective: Sym) -> u8 {
    match connective {
        Sym::IMP => 1,
        Sym::OR => 2,
        Sym::AND => 3,
        _ => 4,
    }
}

/// Infix notation in any style, where `name` appends the name of a variable.
pub fn infix_with(formula: &Formula, style: &Style, name: &mut dyn FnMut(u32, &mut String)) -> String {
    enum Todo {
        /// The next formula, in a place that asks for at least this strength.
        Part(u8),
        Text(&'static str),
    }
    let mut out = String::with_capacity(formula.size() * 2);
    let mut todo = vec![Todo::Part(0)];
    let mut symbols = formula.symbols().iter();
    while let Some(item) = todo.pop() {
        let place = match item {
            Todo::Text(text) => {
                out.push_str(text);
                continue;
            }
            Todo::Part(place) => place,
        };
        let Some(&sym) = symbols.next() else { break };
        if let Some(var) = sym.variable() {
            name(var, &mut out);
            continue;
        }
        let own = strength(sym);
        let text = match sym {
            Sym::IMP => style.imp,
            Sym::OR => style.or,
            Sym::AND => style.and,
            Sym::NOT => style.not,
            _ => style.necessary,
        };
        if sym.arity() == 1 {
            out.push_str(text);
            todo.push(Todo::Part(own));
            continue;
        }
        if own < place {
            out.push('(');
            todo.push(Todo::Text(")"));
        }
        todo.extend([Todo::Part(own), Todo::Text(text), Todo::Part(own + 1)]);
    }
    out
}

/// Polish notation, `CCNpNqCqp`, with canonical variable names (`p1` stands for itself: a letter and its digits).
pub fn polish(formula: &Formula) -> String {
    let mut out = String::with_capacity(formula.size());
    for sym in formula.symbols() {
        match *sym {
            Sym::IMP => out.push('C'),
            Sym::NOT => out.push('N'),
            Sym::AND => out.push('K'),
            Sym::OR => out.push('A'),
            Sym::BOX => out.push('L'),
            var => names::push_name(&mut out, var.raw()),
        }
    }
    out
}

/// Canonical ASCII text.
impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ascii(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_has_its_connectives() {
        let f: Formula = "CAKpNqLpNKqCqp".parse().unwrap();
        assert_eq!(ascii(&f), "p/\\~q\\/[]p->~(q/\\(q->p))");
        assert_eq!(unicode(&f), "p∧¬q∨□p→¬(q∧(q→p))");
        assert_eq!(infix(&f, &LEAN), "p ∧ ¬q ∨ □p → ¬(q ∧ (q → p))");
        assert_eq!(infix(&f, &LATEX), "p \\land \\lnot q \\lor \\Box p \\to \\lnot (q \\land (q \\to p))");
        assert_eq!(polish(&f), "CAKpNqLpNKqCqp");
    }

    #[test]
    fn parentheses_only_where_needed() {
        for (polish, ascii) in [
            ("CpCqr", "p->q->r"),
            ("CCpqr", "(p->q)->r"),
            ("KpKqr", "p/\\q/\\r"),
            ("KKpqr", "(p/\\q)/\\r"),
            ("AApqr", "(p\\/q)\\/r"),
            ("KApqr", "(p\\/q)/\\r"),
            ("AKpqr", "p/\\q\\/r"),
            ("NCpq", "~(p->q)"),
            ("NNLNp", "~~[]~p"),
        ] {
            assert_eq!(polish.parse::<Formula>().unwrap().to_string(), ascii);
        }
    }
}
