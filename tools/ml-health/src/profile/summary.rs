//! Sentences with values in them: `{busy} of {total} sessions busy`.

use ml_watch::expr::Value;
use ml_watch::threshold::VALUE;

/// A parsed summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Name(String),
}

impl Summary {
    /// Parses it; `{{` is a brace.
    ///
    /// # Errors
    /// The byte and what is wrong there.
    pub fn parse(text: &str) -> Result<Summary, (usize, String)> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(first);
                at += 2;
            } else if first == '{' {
                let (name, _) = rest[1..].split_once('}').ok_or((at, "this { is not closed".to_owned()))?;
                if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    return Err((at, format!("'{name}' is no name of a value")));
                }
                parts.extend([Part::Text(std::mem::take(&mut literal)), Part::Name(name.to_owned())]);
                at += name.len() + 2;
            } else {
                literal.push(first);
                at += first.len_utf8();
            }
        }
        parts.push(Part::Text(literal));
        Ok(Summary(parts))
    }

    /// The names in it, besides the value itself.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) if name != VALUE => Some(name.as_str()),
            _ => None,
        })
    }

    /// The sentence; what is not known is `?`.
    pub fn fill<'a>(&self, value: Option<&Value<'a>>, get: &dyn Fn(&str) -> Option<Value<'a>>) -> String {
        let one = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) if name == VALUE => value.map_or_else(|| "?".to_owned(), shown),
            Part::Name(name) => get(name).map_or_else(|| "?".to_owned(), |value| shown(&value)),
        };
        self.0.iter().map(one).collect()
    }
}

/// A value for people: at most two digits after the point, more for what is small.
pub fn shown(value: &Value<'_>) -> String {
    match value.number() {
        Some(number) => super::judge::rounded(number).to_string(),
        None => value.to_string(),
    }
}
