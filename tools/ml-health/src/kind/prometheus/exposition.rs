//! Prometheus's text format, and OpenMetrics as far as it is the same: one series a line.
//!
//! Sources: prometheus.io "Exposition formats", and the OpenMetrics 1.0 specification for exemplars and `# EOF`.

/// One line of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// `http_requests_total`.
    pub name: String,
    /// In the order of the page.
    pub labels: Vec<(String, String)>,
    /// May be NaN or infinite.
    pub value: f64,
}

impl Series {
    /// The value of a label; empty when it has none, as Prometheus sees it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }
}

/// All series of a page.
///
/// # Errors
/// The number of the first line that is not of this format; its text may be anything and is not repeated.
pub fn parse(text: &str) -> Result<Vec<Series>, usize> {
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            all.push(series(line).ok_or(at + 1)?);
        }
    }
    Ok(all)
}

fn series(line: &str) -> Option<Series> {
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    // A time may follow, and an exemplar behind `#`.
    let mut words = rest.split('#').next()?.split_ascii_whitespace();
    let value = number(words.next()?)?;
    let time_or_nothing = words.next().is_none_or(|time| time.parse::<f64>().is_ok());
    (is_name(name) && time_or_nothing && words.next().is_none()).then(|| Series { name: name.to_owned(), labels, value })
}

/// Whether it may be a metric's name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// `a="b",c="d"}` and what follows.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some((all, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        all.push((name.trim().to_owned(), value));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// A quoted text with its escapes undone, and what follows.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let (mut value, mut chars) = (String::new(), inside.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, inside.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_example_is_read() {
        let text = r#"
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\" {x}"} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
nothing NaN
http_request_duration_seconds_bucket{le="+Inf"} 144320 # {trace_id="KOO5S4vxi0o"} 0.67
# EOF
"#;
        let seen = parse(text).unwrap();
        let short: Vec<(&str, f64)> = seen.iter().map(|series| (series.name.as_str(), series.value)).collect();
        assert_eq!(
            short[0..4],
            [
                ("http_requests_total", 1027.0),
                ("http_requests_total", 3.0),
                ("msdos_file_access_time_seconds", 1.458_255_915e9),
                ("metric_without_timestamp_and_labels", 12.47),
            ]
        );
        assert!(short[4] == ("something_weird", f64::INFINITY) && short[5].1.is_nan() && short[6].1 == 144_320.0);
        assert_eq!((seen[1].label("code"), seen[1].label("nowhere")), ("400", ""));
        assert_eq!(seen[2].labels[1], ("error".to_owned(), "Cannot find file:\n\"FILE.TXT\" {x}".to_owned()));
    }

    #[test]
    fn what_is_something_else_is_told_by_its_line() {
        for (text, line) in [
            ("<html>", 1),
            ("{\"a\": 1}", 1),
            ("a 1\nb", 2),
            ("a 1\n\nb x", 3),
            ("a{b=\"c} 1", 1),
            ("a{b} 1", 1),
            ("a 1 2 3", 1),
            ("9a 1", 1),
            ("a-b 1", 1),
        ] {
            assert_eq!(parse(text), Err(line), "{text}");
        }
    }
}
