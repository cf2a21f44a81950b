//! The rules where there are none: a text within the program, read as any other (`default.toml`).

use crate::rules::Rules;
use crate::sinks::Kind;
use ml_common::settings::Settings;
use ml_common::{Class, Failure, Result, http};
use ml_watch::conf::File;
use std::path::Path;

/// The text.
pub const TEXT: &str = include_str!("default.toml");

/// Its sink: ALERT_WEBHOOK.
pub const SINK: &str = "chat";

/// Forms that a webhook may take.
const FORMATS: [&str; 3] = ["auto", "slack", "discord"];

/// The text, filled in from the settings.
///
/// # Errors
/// Class Config when ALERT_FORMAT is none.
pub fn file(settings: &Settings) -> Result<File> {
    let format = settings.text("ALERT_FORMAT");
    if !FORMATS.contains(&format) {
        let message = format!("ALERT_FORMAT must be {}, and is '{format}'", FORMATS.join(", "));
        return Err(Failure::new(Class::Config, message).hint("correct ALERT_FORMAT"));
    }
    let file = File::parse(Path::new("the default rules"), TEXT.to_owned())?;
    let settings = settings.clone();
    file.fill(Box::new(move |name| settings.get(name).filter(|value| !is_wrong(name, value)).map(str::to_owned)));
    Ok(file)
}

/// An address that is none must not keep a run from being judged: what it has to tell waits for a better one.
pub fn mend(rules: &mut Rules, settings: &Settings) {
    if settings.get("ALERT_WEBHOOK").is_some_and(|url| is_wrong("ALERT_WEBHOOK", url))
        && let Some(sink) = rules.sinks.get_mut(SINK)
    {
        sink.kind = Kind::Unset(vec!["a valid ALERT_WEBHOOK".into()]);
    }
}

fn is_wrong(name: &str, value: &str) -> bool {
    name == "ALERT_WEBHOOK" && http::check_url(value).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_without_mistake_and_says_what_it_lacks() {
        let rules = Rules::read(&[], &Settings::default()).unwrap();
        assert!(rules.are_builtin() && rules.each_run && rules.rules.len() == 2);
        assert_eq!(rules.sinks[SINK].shown(), "ALERT_WEBHOOK is not set");
    }

    #[test]
    fn what_would_need_a_memory_is_a_mistake_where_each_run_is_judged_by_itself() {
        let text = |rule: &str| format!("[alerts]\neach_run = true\n[[rule]]\nname = \"a\"\nid = \"*\"\n{rule}");
        assert!(Rules::parse(&text("status = \"crit\"")).is_ok());
        for key in ["for = \"5m\"", "of = \"2 of 3\"", "absent_for = \"1h\"", "changed = \"value\""] {
            let failure = Rules::parse(&text(key)).unwrap_err();
            let word = key.split(' ').next().unwrap();
            assert!(
                failure.message.contains(&format!("rules.toml:3:1: with each_run nothing is remembered that {word} could")),
                "{failure:?}"
            );
        }
        let quiet = "[[quiet]]\nzone = \"UTC\"\nfrom = \"22:00\"\nto = \"07:00\"";
        assert!(Rules::parse(&text(quiet)).unwrap_err().message.contains("nothing waits for the end of quiet hours"));
    }
}
