//! What a profile asks of the series of a page: `requests{status="error"}`, `sum(requests)`, `count(causal_*)`, `quantile(0.95, duration)`.

use super::exposition::{Series, quoted};
use regex::Regex;
use std::collections::BTreeMap;

/// One question.
#[derive(Clone, Debug)]
pub struct Selector {
    fold: Fold,
    name: Name,
    matchers: Vec<(String, Matcher)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fold {
    One,
    Sum,
    Min,
    Max,
    Avg,
    Count,
    Quantile(f64),
}

#[derive(Clone, Debug)]
enum Name {
    Is(String),
    Begins(String),
}

#[derive(Clone, Debug)]
enum Matcher {
    Is(String),
    IsNot(String),
    Like(Regex),
    Unlike(Regex),
}

impl Selector {
    /// Reads a question.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let text = text.trim();
        let (fold, inside) = match text.split_once('(') {
            Some((word, rest)) if !word.contains('{') => {
                let inside = rest.trim_end().strip_suffix(')').ok_or("its ( has no )")?;
                fold(word.trim(), inside)?
            }
            _ => (Fold::One, text),
        };
        let inside = inside.trim();
        let (name, matchers) = match inside.split_once('{') {
            Some((name, rest)) => (name.trim(), matchers(rest)?),
            None => (inside, Vec::new()),
        };
        let (is_name, name) = match name.strip_suffix('*') {
            Some(start) => (start.is_empty() || super::exposition::is_name(start), Name::Begins(start.to_owned())),
            None => (super::exposition::is_name(name), Name::Is(name.to_owned())),
        };
        if !is_name {
            return Err("it names no metric".to_owned());
        }
        if matches!(fold, Fold::Quantile(_)) && matches!(name, Name::Begins(_)) {
            return Err("a quantile needs the whole name of one histogram".to_owned());
        }
        Ok(Selector { fold, name, matchers })
    }

    /// The answer; none when nothing fits, or what there is is no number.
    ///
    /// # Errors
    /// When several series fit a question for one.
    pub fn answer(&self, all: &[Series]) -> Result<Option<f64>, String> {
        let found: Vec<&Series> = all.iter().filter(|series| self.fits(series)).collect();
        let values = || found.iter().map(|series| series.value);
        let answer = match self.fold {
            Fold::Count => Some(found.len() as f64),
            _ if found.is_empty() => None,
            Fold::One if found.len() > 1 => {
                return Err(format!("{} series fit; take sum(), max(), min(), avg() or count() of them, or name labels", found.len()));
            }
            Fold::One | Fold::Sum => Some(values().sum()),
            Fold::Avg => Some(values().sum::<f64>() / found.len() as f64),
            Fold::Min => values().reduce(f64::min),
            Fold::Max => values().reduce(f64::max),
            Fold::Quantile(q) => quantile(q, &found),
        };
        Ok(answer.filter(|answer| answer.is_finite()))
    }

    fn fits(&self, series: &Series) -> bool {
        let name = match (&self.name, self.fold) {
            (Name::Is(name), Fold::Quantile(_)) => series.name.strip_suffix("_bucket") == Some(name),
            (Name::Is(name), _) => *name == series.name,
            (Name::Begins(start), _) => series.name.starts_with(start),
        };
        name && self.matchers.iter().all(|(label, matcher)| {
            let value = series.label(label);
            match matcher {
                Matcher::Is(wanted) => value == wanted,
                Matcher::IsNot(unwanted) => value != unwanted,
                Matcher::Like(pattern) => pattern.is_match(value),
                Matcher::Unlike(pattern) => !pattern.is_match(value),
            }
        })
    }
}

fn fold<'a>(word: &str, inside: &'a str) -> Result<(Fold, &'a str), String> {
    let fold = match word {
        "sum" => Fold::Sum,
        "min" => Fold::Min,
        "max" => Fold::Max,
        "avg" => Fold::Avg,
        "count" => Fold::Count,
        "quantile" => {
            let (q, rest) = inside.split_once(',').ok_or("write quantile(0.95, name)")?;
            let q: f64 = q.trim().parse().map_err(|_| "write quantile(0.95, name)")?;
            return if (0.0..=1.0).contains(&q) { Ok((Fold::Quantile(q), rest)) } else { Err("a quantile is from 0 to 1".to_owned()) };
        }
        _ => return Err(format!("there is no {word}(): there are sum, min, max, avg, count and quantile")),
    };
    Ok((fold, inside))
}

/// `a="b", c=~"d|e"}`.
fn matchers(mut rest: &str) -> Result<Vec<(String, Matcher)>, String> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return if after.trim().is_empty() { Ok(all) } else { Err("something stands behind its }".to_owned()) };
        }
        let at = rest.find(['=', '!']).ok_or("its labels are not written as {label=\"value\"}")?;
        let (label, after) = rest.split_at(at);
        let operators = ["=~", "!~", "!=", "="];
        let operator =
            operators.into_iter().find(|operator| after.starts_with(operator)).ok_or("a label is compared by =, !=, =~ or !~")?;
        let text = after.get(operator.len()..).unwrap_or_default().trim_start();
        let (value, after) = quoted(text).ok_or("the value of a label is not quoted")?;
        let pattern = || Regex::new(&format!("^(?:{value})$")).map_err(|_| "a label's pattern is no regular expression".to_owned());
        let matcher = match operator {
            "=" => Matcher::Is(value),
            "!=" => Matcher::IsNot(value),
            "=~" => Matcher::Like(pattern()?),
            _ => Matcher::Unlike(pattern()?),
        };
        all.push((label.trim().to_owned(), matcher));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// As Prometheus's `histogram_quantile` over the sum of the series: linear inside the bucket; the highest bound for what is above it.
fn quantile(q: f64, buckets: &[&Series]) -> Option<f64> {
    let mut counts: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for series in buckets {
        let bound = match series.label("le") {
            "+Inf" => f64::INFINITY,
            text => text.parse().ok()?,
        };
        // Bounds in their order: the bits of positive numbers are ordered as they are, those of negative ones the other way round.
        let bits = f64::to_bits(bound);
        let key = if bound.is_sign_negative() { !bits } else { bits | 1 << 63 };
        counts.entry(key).or_insert((bound, 0.0)).1 += series.value;
    }
    let counts: Vec<(f64, f64)> = counts.into_values().collect();
    let (last, total) = *counts.last()?;
    if last.is_finite() || counts.len() < 2 || total <= 0.0 {
        return None;
    }
    let rank = q * total;
    let at = counts.iter().position(|(_, count)| *count >= rank)?;
    let (bound, count) = *counts.get(at)?;
    let (below, before) = at.checked_sub(1).and_then(|at| counts.get(at)).copied().unwrap_or((0.0, 0.0));
    if bound.is_infinite() {
        return Some(below);
    }
    if at == 0 && bound <= 0.0 {
        return Some(bound);
    }
    if count <= before { Some(bound) } else { Some(below + (bound - below) * (rank - before) / (count - before)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
causal_requests_total{status="ok",path="/a"} 90
causal_requests_total{status="error",path="/a"} 6
causal_requests_total{status="error",path="/b"} 4
causal_up 1
other 5
odd NaN
causal_seconds_bucket{le="0.1",path="/a"} 10
causal_seconds_bucket{le="0.5",path="/a"} 15
causal_seconds_bucket{le="+Inf",path="/a"} 20
causal_seconds_bucket{le="0.1",path="/b"} 0
causal_seconds_bucket{le="0.5",path="/b"} 20
causal_seconds_bucket{le="+Inf",path="/b"} 20
"#;

    fn asked(text: &str) -> Result<Option<f64>, String> {
        let all = super::super::exposition::parse(PAGE).unwrap();
        Selector::parse(text).unwrap().answer(&all)
    }

    #[test]
    fn questions_are_answered() {
        for (text, answer) in [
            ("causal_up", Some(1.0)),
            ("causal_requests_total{status=\"ok\"}", Some(90.0)),
            ("sum(causal_requests_total)", Some(100.0)),
            ("sum(causal_requests_total{status=\"error\"})", Some(10.0)),
            ("sum( causal_requests_total{status != \"ok\", path=~\"/a|/c\"} )", Some(6.0)),
            ("max(causal_requests_total{path!~\"/b\"})", Some(90.0)),
            ("min(causal_requests_total)", Some(4.0)),
            ("avg(causal_requests_total{status=\"error\"})", Some(5.0)),
            ("count(causal_*)", Some(10.0)),
            ("count(nothing_*)", Some(0.0)),
            ("count(*)", Some(12.0)),
            ("sum(nothing)", None),
            ("nothing", None),
            ("odd", None),
            ("other{missing=\"\"}", Some(5.0)),
            // 40 in all; 10 up to 0.1, 35 up to 0.5.
            ("quantile(0.5, causal_seconds)", Some(0.1 + 0.4 * 10.0 / 25.0)),
            ("quantile(0.125, causal_seconds)", Some(0.05)),
            ("quantile(0.99, causal_seconds)", Some(0.5)),
            ("quantile(0.5, causal_seconds{path=\"/b\"})", Some(0.1 + 0.4 * 0.5)),
            ("quantile(0.5, nothing)", None),
        ] {
            match (asked(text).unwrap(), answer) {
                (Some(seen), Some(answer)) => assert!((seen - answer).abs() < 1e-12, "{text}: {seen}"),
                (seen, answer) => assert_eq!(seen, answer, "{text}"),
            }
        }
        assert!(asked("causal_requests_total").unwrap_err().contains("3 series fit"));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, said) in [
            ("", "names no metric"),
            ("a b", "names no metric"),
            ("sum(a", "has no )"),
            ("mean(a)", "no mean()"),
            ("a{b}", "label=\"value\""),
            ("a{b=c}", "not quoted"),
            ("a{b=\"c\"} + 1", "behind its }"),
            ("a{b=~\"(\"}", "no regular expression"),
            ("quantile(a)", "quantile(0.95, name)"),
            ("quantile(95, a)", "from 0 to 1"),
            ("quantile(0.5, a_*)", "whole name"),
        ] {
            let mistake = Selector::parse(text).unwrap_err();
            assert!(mistake.contains(said), "{text}: {mistake}");
        }
    }
}
