use super::*;
use jiff::Timestamp;

struct Before(f64);

impl History for Before {
    fn previous(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "busy" => Some(Value::Number(5.0)),
            "restarts" => Some(Value::Number(100.0)),
            "state" => Some(Value::Text("up".into())),
            _ => None,
        }
    }

    fn elapsed(&self, _name: &str) -> Option<f64> {
        Some(self.0)
    }

    fn now(&self) -> Timestamp {
        "2025-01-08T02:00:00Z".parse().unwrap()
    }
}

fn get<'a>(name: &str) -> Option<Value<'a>> {
    Some(match name {
        "busy" => Value::Number(9.0),
        "total" => Value::Number(10.0),
        "zero" => Value::Number(0.0),
        "restarts" => Value::Number(3.0),
        "up" => Value::Bool(true),
        "state" => Value::Text("down".into()),
        "labels.role" => Value::Text("api".into()),
        "at" => Value::Text("2025-01-08T01:59:00Z".into()),
        "epoch" => Value::Number(1_736_301_600.0),
        "epoch_ms" => Value::Number(1_736_301_600_000.0),
        _ => return None,
    })
}

fn eval(text: &str) -> String {
    let expr = Expr::parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
    match expr.eval(&get, &Before(10.0)) {
        Ok(value) => value.to_string(),
        Err(problem) => format!("! {problem}"),
    }
}

fn mistake(text: &str) -> String {
    let mistake = Expr::parse(text).map(|expr| panic!("{expr} was taken")).unwrap_err();
    format!("{} {}", mistake.at, mistake.message)
}

#[test]
fn operators_bind_as_in_arithmetic_and_logic() {
    for (text, value) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 2 - 3", "5"),
        ("2 * -3 + 1", "-5"),
        ("- 2 - 3", "-5"),
        ("7 % 4 / 2", "1.5"),
        ("busy / total * 100", "90"),
        ("busy / total * 100 > 80 and total > 0", "true"),
        ("false or true and false", "false"),
        ("not false and false", "false"),
        ("not (busy > 100 or busy == 9)", "false"),
        ("not busy > 100", "true"),
        ("1 + 1 == 2", "true"),
        ("state == \"down\" and labels.role != 'db'", "true"),
        ("up == true", "true"),
        ("up + 1", "2"),
        ("state < \"up\"", "true"),
        ("1_000 + 1e3 + .5", "2000.5"),
    ] {
        assert_eq!(eval(text), value, "{text}");
    }
}

#[test]
fn units_are_seconds_and_bytes() {
    for (text, value) in [("2m", "120"), ("30d / 1d", "30"), ("1GiB", "1073741824"), ("1.5k", "1500"), ("1e3", "1000"), ("2h + 1s", "7201")]
    {
        assert_eq!(eval(text), value, "{text}");
    }
    assert_eq!(mistake("x > 300ms"), "7 ms is no unit");
    assert_eq!(mistake("x > 3 0"), "6 an operator is missing here");
}

#[test]
fn functions_compute() {
    for (text, value) in [
        ("min(3, busy, 1)", "1"),
        ("max(3, busy)", "9"),
        ("abs(-3)", "3"),
        ("round(2.567)", "3"),
        ("round(2.567, 2)", "2.57"),
        ("has(busy) and not has(nothing)", "true"),
        ("has(nothing) and nothing > 3", "false"),
        ("delta(busy)", "4"),
        ("rate(busy)", "0.4"),
        ("per_day(busy)", "34560"),
        ("delta(restarts)", "-97"),
        ("rate(restarts)", "0.3"),
        ("prev(state)", "up"),
        ("changed(state)", "true"),
        ("age(at)", "60"),
        ("age(epoch)", "0"),
        ("age(epoch_ms)", "0"),
    ] {
        assert_eq!(eval(text), value, "{text}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    for (text, problem) in [
        ("nothing > 3", "! there is no value of nothing"),
        ("busy / zero", "! zero is 0, and nothing can be divided by it"),
        ("busy % (zero * 2) + 1", "! (zero * 2) is 0, and nothing can be divided by it"),
        ("delta(total)", "! no earlier run to compare with"),
        ("changed(up)", "! no earlier run to compare with"),
        ("delta(nothing)", "! there is no value of nothing"),
        ("busy == state", "! '9' is a number, and 'down' is text"),
        ("busy and up", "! 9 is a number, not true or false"),
        ("state * 2", "! 'down' is no number"),
        ("1e308 * 10", "! the result is no finite number"),
        ("age(state)", "! 'down' is no time: neither RFC 3339 nor seconds since 1970"),
    ] {
        assert_eq!(eval(text), problem, "{text}");
    }
    let number = Expr::parse("busy").unwrap();
    assert_eq!(number.holds(&get, &Before(1.0)).unwrap_err().to_string(), "busy is a number, not true or false");
    assert_eq!(Expr::parse("rate(busy)").unwrap().eval(&get, &Before(0.0)), Err(Problem::NoHistory));
    assert_eq!(Expr::parse("per_day(busy)").unwrap().eval(&get, &NoHistory(Timestamp::UNIX_EPOCH)), Err(Problem::NoHistory));
}

#[test]
fn mistakes_have_a_place() {
    for (text, told) in [
        ("", "0 the expression ends too early"),
        ("busy >", "6 the expression ends too early"),
        ("busy > > 3", "7 a name or a number is missing here"),
        ("(busy > 3", "0 this ( is not closed"),
        ("busy > 3)", "8 there is no ( to this )"),
        ("busy = 3", "5 a single = compares nothing"),
        ("a && b", "2 & is no operator"),
        ("!a", "0 ! is no operator"),
        ("a < b < c", "6 comparisons cannot be chained"),
        ("\"down", "0 the text has no end"),
        ("dleta(busy)", "0 there is no function dleta"),
        ("delta(1 + 2)", "6 delta takes the name of a metric"),
        ("has()", "0 has takes one value"),
        ("round(1, 2, 3)", "0 round takes one value, or a value and the number of digits"),
        ("and b", "0 nothing stands before and"),
        ("${X} > 3", "0 a variable has no place in an expression"),
        ("ä > 3", "0 ä has no meaning here"),
    ] {
        assert_eq!(mistake(text), told, "{text}");
    }
    assert_eq!(Expr::parse("dleta(busy)").unwrap_err().hint.as_deref(), Some("did you mean delta?"));
    assert_eq!(mistake(&"(".repeat(1000)), "64 the expression is nested too deeply");
    assert_eq!(mistake(&"-".repeat(1000)), "64 the expression is nested too deeply");
    assert!(mistake(&"1+".repeat(5000)).contains("longer than"));
}

#[test]
fn names_are_known_before_evaluation() {
    let expr = Expr::parse("busy / total > 0.8 and delta(busy) > prev(limit) and has(labels.role)").unwrap();
    assert_eq!(expr.names(), ["busy", "total", "limit", "labels.role"]);
    assert_eq!(expr.remembered(), ["busy", "limit"]);
    assert_eq!(Expr::parse("per_day(size) > 1G or delta(x) > 1").unwrap().grown(), ["size"]);
    assert!(expr.is_condition() && !Expr::parse("busy * 2").unwrap().is_condition());
    assert_eq!(Expr::parse("value >= -3").unwrap().as_limit(), Some(("value", Comparison::NotBelow, -3.0)));
    assert_eq!(Expr::parse("value > a").unwrap().as_limit(), None);
}
