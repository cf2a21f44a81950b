//! A notification as lines of text, for services that show text.

use crate::notification::{Item, Notification, Why};

/// Counts characters, as the services' limits do; cut texts end with an ellipsis.
pub fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['\u{2026}']).collect()
}

/// The first line.
pub fn title(told: &Notification, again: bool) -> String {
    let sign = match (told.why, told.severity.name()) {
        (Why::Resolved, _) => "\u{2705}",
        (_, "critical" | "high") => "\u{1f534}",
        _ => "\u{1f7e1}",
    };
    let again = if again { " (possibly told before)" } else { "" };
    format!("{sign} {}{again}", told.title)
}

/// One alert: the fact, its threshold, its remedy.
pub fn item(item: &Item) -> String {
    let state = if item.resolved { "resolved" } else { item.severity.map_or("", |severity| severity.name()) };
    let mut text = format!("{state} {}: {}", item.id, item.summary);
    if let (Some(value), Some(threshold)) = (&item.value, &item.threshold) {
        text.push_str(&format!(" [{value}, threshold {threshold}]"));
    }
    if let Some(hint) = item.hint.as_ref().filter(|_| !item.resolved) {
        text.push_str(&format!("\nhint: {hint}"));
    }
    for row in item.evidence.iter().filter(|_| !item.resolved) {
        text.push_str(&format!("\n  {row}"));
    }
    text
}

/// Where to read more, whom to tell, how to look again.
pub fn footer(told: &Notification) -> String {
    let mut parts = vec![format!("run {} on {}", told.run, told.host)];
    parts.extend(told.contact.iter().map(|contact| format!("for {contact}")));
    if told.why != Why::Resolved {
        let within = told.respond_within.map(|seconds| humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string());
        parts.extend(within.map(|within| format!("look within {within}")));
        parts.extend(told.look_again.iter().map(|command| format!("again: {command}")));
    }
    parts.extend(told.log.iter().map(|log| format!("log: {log}")));
    parts.join("; ")
}

/// Title, as many items as fit, footer; never longer than `limit` characters. `escape` is the service's.
pub fn body(told: &Notification, again: bool, limit: usize, escape: impl Fn(&str) -> String) -> String {
    let chars = |text: &str| text.chars().count();
    let more = |count: u64| format!("and {count} more");
    let head = clip(&escape(&title(told, again)), limit / 4);
    let foot = clip(&escape(&footer(told)), limit / 4);
    let all = told.items.len() as u64 + told.more;
    let mut room = limit.saturating_sub(chars(&head) + chars(&foot) + chars(&more(all)) + 3);
    let (mut lines, mut shown) = (vec![head], 0);
    for one in &told.items {
        let text = clip(&escape(&item(one)), limit / 4);
        if chars(&text) + 1 > room {
            break;
        }
        room -= chars(&text) + 1;
        lines.push(text);
        shown += 1;
    }
    if shown < all {
        lines.push(more(all - shown));
    }
    lines.push(foot);
    lines.join("\n")
}
