//! The value of a tree.

use super::{Comparison, Function, Node, Operation, Problem, Value};
use jiff::Timestamp;

/// What was measured before.
pub trait History {
    /// The value of the last run; `None` when there was none, or it did not have the name.
    fn previous(&self, name: &str) -> Option<Value<'_>>;

    /// Seconds since then, for that name.
    fn elapsed(&self, name: &str) -> Option<f64>;

    /// Growth a day. Without anything better, that since the last run.
    fn per_day(&self, name: &str, now: f64) -> Option<f64> {
        let (before, elapsed) = (self.previous(name)?.number()?, self.elapsed(name).filter(|elapsed| *elapsed > 0.0)?);
        Some((now - before) / elapsed * 86_400.0)
    }

    /// The moment that ages are told of.
    fn now(&self) -> Timestamp;
}

/// Nothing is known of earlier runs, at that moment.
pub struct NoHistory(pub Timestamp);

impl History for NoHistory {
    fn previous(&self, _name: &str) -> Option<Value<'_>> {
        None
    }

    fn elapsed(&self, _name: &str) -> Option<f64> {
        None
    }

    fn now(&self) -> Timestamp {
        self.0
    }
}

type Get<'g, 'a> = &'g dyn Fn(&str) -> Option<Value<'a>>;

pub(super) fn eval<'a>(node: &'a Node, get: Get<'_, 'a>, history: &dyn History) -> Result<Value<'a>, Problem> {
    Ok(match node {
        Node::Number(number) => Value::Number(*number),
        Node::Bool(truth) => Value::Bool(*truth),
        Node::Text(text) => Value::Text(text.as_str().into()),
        Node::Name(name) => get(name).ok_or_else(|| Problem::Missing(name.clone()))?,
        Node::Negative(inner) => finite(-number(inner, get, history)?)?,
        Node::Not(inner) => Value::Bool(!truth(inner, get, history)?),
        Node::And(left, right) => Value::Bool(truth(left, get, history)? && truth(right, get, history)?),
        Node::Or(left, right) => Value::Bool(truth(left, get, history)? || truth(right, get, history)?),
        Node::Compare(comparison, left, right) => {
            Value::Bool(compare(*comparison, &eval(left, get, history)?, &eval(right, get, history)?)?)
        }
        Node::Arithmetic(operation, left, right, divisor) => {
            let (left, right) = (number(left, get, history)?, number(right, get, history)?);
            match operation {
                Operation::Add => finite(left + right)?,
                Operation::Subtract => finite(left - right)?,
                Operation::Multiply => finite(left * right)?,
                Operation::Divide | Operation::Remainder if right == 0.0 => return Err(Problem::DivisionByZero(divisor.clone())),
                Operation::Divide => finite(left / right)?,
                Operation::Remainder => finite(left % right)?,
            }
        }
        Node::Call(function, arguments) => call(*function, arguments, get, history)?,
    })
}

fn finite<'a>(number: f64) -> Result<Value<'a>, Problem> {
    if number.is_finite() { Ok(Value::Number(number)) } else { Err(Problem::Type("the result is no finite number".into())) }
}

fn number<'a>(node: &'a Node, get: Get<'_, 'a>, history: &dyn History) -> Result<f64, Problem> {
    match eval(node, get, history)? {
        Value::Number(number) => Ok(number),
        // A count of what is true: 1 or 0, as Prometheus has it.
        Value::Bool(truth) => Ok(f64::from(u8::from(truth))),
        Value::Text(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| Problem::Type(format!("'{text}' is no number"))),
    }
}

fn truth<'a>(node: &'a Node, get: Get<'_, 'a>, history: &dyn History) -> Result<bool, Problem> {
    match eval(node, get, history)? {
        Value::Bool(truth) => Ok(truth),
        Value::Number(number) => Err(Problem::Type(format!("{number} is a number, not true or false"))),
        Value::Text(text) => Err(Problem::Type(format!("'{text}' is text, not true or false"))),
    }
}

fn compare(comparison: Comparison, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Problem> {
    use std::cmp::Ordering;
    let ordering = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => return Err(Problem::Type(format!("'{left}' is {}, and '{right}' is {}", left.kind(), right.kind()))),
    };
    Ok(match comparison {
        Comparison::Same => ordering == Some(Ordering::Equal),
        Comparison::Different => ordering != Some(Ordering::Equal),
        Comparison::Below => ordering == Some(Ordering::Less),
        Comparison::Above => ordering == Some(Ordering::Greater),
        Comparison::NotAbove => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Comparison::NotBelow => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn call<'a>(function: Function, arguments: &'a [Node], get: Get<'_, 'a>, history: &dyn History) -> Result<Value<'a>, Problem> {
    let Some(first) = arguments.first() else { return Err(Problem::Type("nothing is given to a function".into())) };
    let name = if let Node::Name(name) = first { name.as_str() } else { "" };
    let before = || history.previous(name).ok_or(Problem::NoHistory);
    let change = || -> Result<(f64, f64), Problem> {
        let now = number(first, get, history)?;
        let before = before()?.number().ok_or_else(|| Problem::Type(format!("{name} was no number in the last run")))?;
        Ok((now, before))
    };
    match function {
        Function::Has => Ok(Value::Bool(get(name).is_some())),
        Function::Min => fold(arguments, get, history, f64::min),
        Function::Max => fold(arguments, get, history, f64::max),
        Function::Abs => finite(number(first, get, history)?.abs()),
        Function::Round => {
            let digits = arguments.get(1).map_or(Ok(0.0), |digits| number(digits, get, history))?;
            let scale = 10f64.powf(digits.round().clamp(-12.0, 12.0));
            finite((number(first, get, history)? * scale).round() / scale)
        }
        Function::Delta => change().and_then(|(now, before)| finite(now - before)),
        // A counter that fell began again at nothing.
        Function::Rate => {
            let (now, before) = change()?;
            let elapsed = history.elapsed(name).filter(|elapsed| *elapsed > 0.0).ok_or(Problem::NoHistory)?;
            finite(if now < before { now } else { now - before } / elapsed)
        }
        Function::PerDay => {
            let now = number(first, get, history)?;
            history.per_day(name, now).ok_or(Problem::NoHistory).and_then(finite)
        }
        Function::Prev => Ok(match before()? {
            Value::Number(number) => Value::Number(number),
            Value::Bool(truth) => Value::Bool(truth),
            Value::Text(text) => Value::Text(text.into_owned().into()),
        }),
        Function::Changed => {
            let now = eval(first, get, history)?;
            Ok(Value::Bool(before()? != now))
        }
        Function::Age => {
            let at = moment(&eval(first, get, history)?)?;
            finite(history.now().duration_since(at).as_secs_f64())
        }
    }
}

fn fold<'a>(arguments: &'a [Node], get: Get<'_, 'a>, history: &dyn History, pick: fn(f64, f64) -> f64) -> Result<Value<'a>, Problem> {
    let mut picked: Option<f64> = None;
    for argument in arguments {
        let number = number(argument, get, history)?;
        picked = Some(picked.map_or(number, |so_far| pick(so_far, number)));
    }
    finite(picked.unwrap_or_default())
}

/// A moment as APIs give it: RFC 3339 text, or seconds or milliseconds since 1970.
fn moment(value: &Value<'_>) -> Result<Timestamp, Problem> {
    let unreadable = || Problem::Type(format!("'{value}' is no time: neither RFC 3339 nor seconds since 1970"));
    let number = match value {
        Value::Text(text) => match text.parse::<Timestamp>() {
            Ok(at) => return Ok(at),
            Err(_) => text.trim().parse().map_err(|_| unreadable())?,
        },
        Value::Number(number) => *number,
        Value::Bool(_) => return Err(unreadable()),
    };
    // Seconds would be in the year 5138.
    let seconds = if number.abs() >= 1e11 { number / 1e3 } else { number };
    jiff::SignedDuration::try_from_secs_f64(seconds).ok().and_then(|since| Timestamp::from_duration(since).ok()).ok_or_else(unreadable)
}
