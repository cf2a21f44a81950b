//! Expressions over what was measured: `busy / total * 100 > 80 and total > 0`.
//!
//! An expression is parsed once and evaluated often; numbers, switches and borrowed texts are evaluated without allocating. What a name stands for
//! is the caller's: a probe's sample, a record's fields. What has no value is a [`Problem`] and never silently false.

mod eval;
mod lex;
mod parse;

pub use eval::{History, NoHistory};

use std::borrow::Cow;
use std::fmt;

/// A value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A finite number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// Text.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Text(_) => "text",
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a record's or sample's scalar. Text that holds a whole number is one: records carry those above 2^53 as text.
    pub fn of(scalar: &'a ml_common::record::Scalar) -> Value<'a> {
        use ml_common::record::Scalar;
        match scalar {
            Scalar::Bool(truth) => Value::Bool(*truth),
            Scalar::Int(whole) => Value::Number(*whole as f64),
            Scalar::Float(number) => Value::Number(*number),
            Scalar::Text(text) => Value::Text(Cow::Borrowed(text)),
        }
    }
}

impl From<Value<'_>> for ml_common::record::Scalar {
    fn from(value: Value<'_>) -> ml_common::record::Scalar {
        match value {
            Value::Bool(truth) => truth.into(),
            // Counts stay counts: 80 and not 80.0.
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).into(),
            Value::Number(number) => number.into(),
            Value::Text(text) => text.into_owned().into(),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

/// What is wrong with the text of an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Byte of the text.
    pub at: usize,
    /// A lowercase fact.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl Mistake {
    pub(crate) fn new(at: usize, message: impl Into<String>, hint: impl Into<String>) -> Mistake {
        Mistake { at, message: message.into(), hint: Some(hint.into()) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing of that name was measured.
    Missing(String),
    /// There is no earlier run to compare with.
    NoHistory,
    /// A division by zero; the divisor as it was written.
    DivisionByZero(String),
    /// Text was compared with a number, or the like.
    Type(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing(name) => write!(f, "there is no value of {name}"),
            Problem::NoHistory => f.write_str("no earlier run to compare with"),
            Problem::DivisionByZero(divisor) => write!(f, "{divisor} is 0, and nothing can be divided by it"),
            Problem::Type(what) => f.write_str(what),
        }
    }
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    text: String,
    root: Node,
}

impl Expr {
    /// Parses it.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Expr, Mistake> {
        parse::parse(text).map(|root| Expr { text: text.to_owned(), root })
    }

    /// The names in it, each once, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.names(&mut names);
        names
    }

    /// The names of which an earlier value is asked for.
    pub fn remembered(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.remembered(&mut names);
        names
    }

    /// The names whose growth a day is asked for.
    pub fn grown(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.grown(&mut names);
        names
    }

    /// Whether it can only be true or false: a comparison, `and`, `or`, `not`, `has(m)`, `changed(m)`.
    pub fn is_condition(&self) -> bool {
        match &self.root {
            Node::Not(_) | Node::And(..) | Node::Or(..) | Node::Compare(..) | Node::Bool(_) => true,
            Node::Call(function, _) => matches!(function, Function::Has | Function::Changed),
            _ => false,
        }
    }

    /// A lone comparison of a name with a number, such as `value > 80`.
    pub fn as_limit(&self) -> Option<(&str, Comparison, f64)> {
        match &self.root {
            Node::Compare(comparison, left, right) => match (&**left, &**right) {
                (Node::Name(name), Node::Number(limit)) => Some((name, *comparison, *limit)),
                (Node::Name(name), Node::Negative(inner)) => match **inner {
                    Node::Number(limit) => Some((name, *comparison, -limit)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// Its value, `get` giving those of its names.
    ///
    /// # Errors
    /// When there is none.
    pub fn eval<'a>(&'a self, get: &dyn Fn(&str) -> Option<Value<'a>>, history: &dyn History) -> Result<Value<'a>, Problem> {
        eval::eval(&self.root, get, history)
    }

    /// Its truth.
    ///
    /// # Errors
    /// When it has no value or is not true or false.
    pub fn holds<'a>(&'a self, get: &dyn Fn(&str) -> Option<Value<'a>>, history: &dyn History) -> Result<bool, Problem> {
        match self.eval(get, history)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(Problem::Type(format!("{} is {}, not true or false", self.text, other.kind()))),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Same,
    /// `!=`
    Different,
    /// `<`
    Below,
    /// `<=`
    NotAbove,
    /// `>`
    Above,
    /// `>=`
    NotBelow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Min,
    Max,
    Abs,
    Round,
    Has,
    Delta,
    Rate,
    PerDay,
    Prev,
    Changed,
    Age,
}

/// Names of the functions, and whether they take the name of a metric rather than a value.
const FUNCTIONS: &[(&str, Function, bool)] = &[
    ("min", Function::Min, false),
    ("max", Function::Max, false),
    ("abs", Function::Abs, false),
    ("round", Function::Round, false),
    ("has", Function::Has, true),
    ("delta", Function::Delta, true),
    ("rate", Function::Rate, true),
    ("per_day", Function::PerDay, true),
    ("prev", Function::Prev, true),
    ("changed", Function::Changed, true),
    ("age", Function::Age, false),
];

#[derive(Clone, Debug)]
enum Node {
    Number(f64),
    Bool(bool),
    Text(String),
    Name(String),
    Negative(Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// The divisor's text stands in the third place.
    Arithmetic(Operation, Box<Node>, Box<Node>, String),
    Call(Function, Vec<Node>),
}

impl Node {
    fn children(&self) -> Vec<&Node> {
        match self {
            Node::Number(_) | Node::Bool(_) | Node::Text(_) | Node::Name(_) => Vec::new(),
            Node::Negative(one) | Node::Not(one) => vec![one],
            Node::And(a, b) | Node::Or(a, b) | Node::Compare(_, a, b) | Node::Arithmetic(_, a, b, _) => vec![a, b],
            Node::Call(_, arguments) => arguments.iter().collect(),
        }
    }

    fn names<'a>(&'a self, names: &mut Vec<&'a str>) {
        if let Node::Name(name) = self
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
        self.children().into_iter().for_each(|child| child.names(names));
    }

    fn grown<'a>(&'a self, names: &mut Vec<&'a str>) {
        if let Node::Call(Function::PerDay, arguments) = self {
            arguments.iter().for_each(|argument| argument.names(names));
        } else {
            self.children().into_iter().for_each(|child| child.grown(names));
        }
    }

    fn remembered<'a>(&'a self, names: &mut Vec<&'a str>) {
        if let Node::Call(Function::Delta | Function::Rate | Function::PerDay | Function::Prev | Function::Changed, arguments) = self {
            arguments.iter().for_each(|argument| argument.names(names));
        } else {
            self.children().into_iter().for_each(|child| child.remembered(names));
        }
    }
}

#[cfg(test)]
mod tests;
