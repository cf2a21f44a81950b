//! What looks like a credential in a line of a log.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What such things are called, and how they look; the group `v` is what has to be hidden.
const FORMS: &[(&str, &str)] = &[
    ("a private key", r"(?P<v>-----BEGIN [A-Z ]*PRIVATE KEY-----)"),
    ("a password in a URL", r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:(?P<v>[^\s/@]+)@"),
    ("an AWS key", r"\b(?P<v>(?:AKIA|ASIA)[0-9A-Z]{16})\b"),
    ("a GitHub token", r"\b(?P<v>(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}))"),
    ("a Slack token", r"\b(?P<v>xox[abeprs]-[A-Za-z0-9-]{10,})"),
    ("an API key", r"\b(?P<v>(?:sk|pk|rk)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9]{16,})"),
    ("a token", r"\b(?P<v>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"),
    ("a bearer token", r"(?i)\bbearer\s+(?P<v>[A-Za-z0-9+/._~=-]{12,})"),
    ("a basic login", r#"(?i)authorization["']?\s*[=:]\s*["'\[]*basic\s+(?P<v>[A-Za-z0-9+/_=-]{4,})"#),
    (
        "a credential",
        r#"(?i)--[a-z0-9_-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)\s+["']?(?P<v>[^\s"',;&*<$-][^\s"',;&*<$]{3,})"#,
    ),
    (
        "a credential",
        r#"(?i)[A-Za-z0-9_.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|authorization)[A-Za-z0-9_.-]*["']?\s*[=:]\s*["']?(?P<v>[^\s"',;&*<$]{4,})"#,
    ),
];

static COMPILED: LazyLock<Vec<(&str, Regex)>> =
    LazyLock::new(|| FORMS.iter().filter_map(|(name, form)| Some((*name, Regex::new(form).ok()?))).collect());

/// What it looks like, if it does; words that say that something is wrong with one are none.
pub fn kind(line: &str) -> Option<&'static str> {
    COMPILED
        .iter()
        .find(|(_, form)| form.captures_iter(line).any(|found| found.name("v").is_some_and(|value| is_value(value.as_str()))))
        .map(|(name, _)| *name)
}

/// The line with all of it blacked out.
pub fn hide(line: &str) -> Cow<'_, str> {
    let mut hidden = Cow::Borrowed(line);
    for (_, form) in COMPILED.iter() {
        let values: Vec<std::ops::Range<usize>> = form
            .captures_iter(&hidden)
            .filter_map(|found| found.name("v"))
            .filter(|value| is_value(value.as_str()))
            .map(|value| value.range())
            .collect();
        for range in values.into_iter().rev() {
            hidden.to_mut().replace_range(range, "***");
        }
    }
    hidden
}

fn is_value(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "null",
        "none",
        "true",
        "false",
        "invalid",
        "expired",
        "missing",
        "required",
        "denied",
        "failed",
        "redacted",
        "bearer",
        "basic",
        "authentication",
        "authorization",
        "option",
        "flag",
        "argument",
    ];
    let word = value.trim_end_matches(['.', ')', ']', '}']).to_ascii_lowercase();
    !WORDS.contains(&word.as_str()) && !value.to_ascii_uppercase().contains("XXX")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_seen_and_hidden() {
        for (line, expected) in [
            ("connecting to postgres://ml:hunter2@db/x", "connecting to postgres://ml:***@db/x"),
            ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer ***"),
            ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
            ("{\"api_key\": \"q1w2e3r4\", \"n\": 1}", "{\"api_key\": \"***\", \"n\": 1}"),
            ("DB_PASSWORD=swordfish retry", "DB_PASSWORD=*** retry"),
            ("Authorization: Basic dXNlcjpodW50ZXIyaHVudGVyMg==", "Authorization: Basic ***"),
            ("{\"proxy-authorization\":\"basic dTpo\"}", "{\"proxy-authorization\":\"basic ***\"}"),
            ("run --user bob --password hunter22 -v", "run --user bob --password *** -v"),
            ("using sk-proj-abcdefghij0123456789", "using ***"),
        ] {
            assert!(kind(line).is_some(), "{line}");
            assert_eq!(hide(line), expected);
        }
        for line in [
            "the option --password is required",
            "the --token option",
            "basic information of a node",
            "authorization: basic authentication",
            "--password --verbose",
            "--password-file /etc/secret",
            "token: expired",
            "password=XXXXXX",
            "POST /login 401",
            "the secret of success",
            "password reset for bob",
            "token=null",
        ] {
            assert_eq!((kind(line), hide(line)), (None, Cow::Borrowed(line)));
        }
    }
}
