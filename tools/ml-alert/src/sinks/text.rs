//! A notification in words, within a limit: head, as many items as fit, "… N more", foot.

use crate::notification::{Item, Notification, Severity, Why};
use ml_common::redact::scrub;
use std::fmt::Write;

/// How a service takes text.
#[derive(Clone, Copy)]
pub struct Form {
    /// Most units of a message.
    pub limit: usize,
    /// Units of a character as it is written.
    pub units: fn(char) -> usize,
    /// Writes a character so that it means itself.
    pub escape: fn(char, &mut String),
}

/// UTF-16 units: how services made of JavaScript count.
pub fn utf16(c: char) -> usize {
    c.len_utf16()
}

/// Bytes of UTF-8.
pub fn utf8(c: char) -> usize {
    c.len_utf8()
}

/// Bytes in a JSON text.
pub fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' => 2,
        c => c.len_utf8(),
    }
}

/// As it is.
pub fn plain(c: char, out: &mut String) {
    out.push(c);
}

/// With a backslash before what Markdown understands.
pub fn markdown(c: char, out: &mut String) {
    if matches!(c, '*' | '_' | '`' | '~' | '|' | '>' | '<' | '[' | ']' | '\\' | '#') {
        out.push('\\');
    }
    out.push(c);
}

impl Form {
    fn size(&self, text: &str) -> usize {
        text.chars().map(self.units).sum()
    }

    /// One line of text, escaped, cut between characters (never within an escape) to `limit` units.
    pub fn line(&self, text: &str, limit: usize) -> String {
        let (mut out, mut size, mut cut_at, mut cut_size) = (String::new(), 0, 0, 0);
        let ellipsis = (self.units)('\u{2026}');
        for c in text.chars() {
            let c = if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                ' '
            } else {
                c
            };
            let from = out.len();
            (self.escape)(c, &mut out);
            size += self.size(&out[from..]);
            if size > limit {
                out.truncate(cut_at);
                if cut_size + ellipsis <= limit {
                    out.push('\u{2026}');
                }
                return out;
            }
            if size + ellipsis <= limit {
                (cut_at, cut_size) = (out.len(), size);
            }
        }
        out
    }

    /// All of it within the limit.
    pub fn message(&self, told: &Notification, note: &str) -> String {
        self.fit(&headline(told, note), told)
    }

    /// The same under another head, which may be empty.
    pub fn fit(&self, head: &str, told: &Notification) -> String {
        let quarter = self.limit / 4;
        let mut out = self.line(head, quarter);
        let mut foot = String::new();
        for line in foot_lines(told) {
            let line = self.line(&line, quarter / 2);
            if self.size(&foot) + self.size(&line) < quarter {
                let _ = write!(foot, "\n{line}");
            }
        }
        let total = told.items.len() as u64 + told.more;
        let more = |left: u64| format!("\n\u{2026} {left} more");
        let mut room = self.limit.saturating_sub(self.size(&out) + self.size(&foot) + self.size(&more(total)));
        let mut shown = 0;
        for item in &told.items {
            let block = self.block(item, quarter);
            let size = self.size(&block);
            if size > room {
                break;
            }
            room -= size;
            shown += 1;
            out.push_str(&block);
        }
        if shown < total {
            out.push_str(&more(total - shown));
        }
        out.push_str(&foot);
        out.trim_start_matches('\n').to_owned()
    }

    /// An item on its lines, each preceded by a line end; the later lines are left out when they do not fit.
    fn block(&self, item: &Item, limit: usize) -> String {
        let mut lines = item_lines(item).into_iter();
        let mut block = format!("\n{}", self.line(&lines.next().unwrap_or_default(), limit / 2));
        for line in lines {
            let line = self.line(&line, limit / 4);
            if self.size(&block) + self.size(&line) + 3 <= limit {
                let _ = write!(block, "\n  {line}");
            }
        }
        block
    }
}

/// A sign that is seen from afar.
fn sign(told: &Notification) -> &'static str {
    match (told.why, told.severity) {
        (Why::Resolved, _) => "\u{2705}",
        (Why::Test, _) => "\u{1f9ea}",
        (_, Severity::Critical) => "\u{1f534}",
        (_, Severity::High) => "\u{1f7e0}",
        (_, Severity::Medium) => "\u{1f7e1}",
        (_, Severity::Low) => "\u{1f535}",
    }
}

/// The first line.
pub fn headline(told: &Notification, note: &str) -> String {
    format!("{} {}{note}", sign(told), told.title)
}

/// What is told of one alert, the most important line first.
fn item_lines(item: &Item) -> Vec<String> {
    let word = if item.resolved { "resolved" } else { item.severity.map_or("alert", Severity::name) };
    let mut first = format!("[{word}] {}: {}", item.id, item.summary);
    match (&item.value, &item.threshold) {
        (Some(value), Some(threshold)) => first.push_str(&format!(" (value {value}, threshold {threshold})")),
        (Some(value), None) => first.push_str(&format!(" (value {value})")),
        (None, Some(threshold)) => first.push_str(&format!(" (threshold {threshold})")),
        (None, None) => {}
    }
    let mut lines = vec![first];
    if !item.resolved {
        lines.extend(item.hint.iter().map(|hint| format!("hint: {hint}")));
    }
    lines.push(match &item.until {
        Some(until) if item.resolved => format!("since {} until {until}", item.since),
        _ => format!("since {}", item.since),
    });
    lines.extend(item.evidence.iter().cloned());
    lines
}

/// What is told of all.
pub fn foot_lines(told: &Notification) -> Vec<String> {
    let mut lines = vec![format!("run {} on {} at {}", told.run, told.host, told.at)];
    if let Some(contact) = &told.contact {
        let within = told.respond_within.map(|seconds| format!(", to look within {}", span(seconds))).unwrap_or_default();
        lines.push(format!("contact: {contact}{within}"));
    } else if let Some(seconds) = told.respond_within {
        lines.push(format!("to look within {}", span(seconds)));
    }
    lines.extend(told.look_again.iter().map(|command| format!("look again: {command}")));
    lines.extend(told.log.iter().map(|log| format!("log: {log}")));
    lines
}

fn span(seconds: u64) -> String {
    match seconds {
        s if s >= 3600 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// The notification without what is known to be secret.
pub fn scrubbed(told: &Notification) -> Notification {
    let clean = |text: &String| scrub(text).into_owned();
    let option = |text: &Option<String>| text.as_ref().map(clean);
    let item = |item: &Item| Item {
        alert: clean(&item.alert),
        rule: clean(&item.rule),
        id: clean(&item.id),
        summary: clean(&item.summary),
        value: option(&item.value),
        threshold: option(&item.threshold),
        hint: option(&item.hint),
        labels: item.labels.iter().map(|(name, value)| (clean(name), clean(value))).collect(),
        evidence: item.evidence.iter().map(clean).collect(),
        ..item.clone()
    };
    Notification {
        title: clean(&told.title),
        items: told.items.iter().map(item).collect(),
        log: option(&told.log),
        look_again: option(&told.look_again),
        contact: option(&told.contact),
        ..told.clone()
    }
}
