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
