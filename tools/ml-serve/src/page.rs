//! The page for people: plain HTML, no script, the worst first, everything escaped.

use crate::health;
use crate::keep::{Change, Thing};
use crate::picture::{Picture, Stream};
use crate::words;
use jiff::Timestamp;
use ml_common::Status;
use ml_common::people::printable;
use ml_common::record::Check;

/// The page asks for itself anew after so many seconds.
const REFRESH_S: u32 = 15;

const STYLE: &str = include_str!("style.css");

/// The page.
pub fn html(picture: &Picture) -> String {
    let overall = health::status(picture);
    let sentence = sentence(picture);
    let mut out = String::with_capacity(16 * 1024 + picture.things.len() * 512);
    out.push_str(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_S}\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{}: {}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n",
        overall.name(),
        escape(&sentence),
    ));
    out.push_str(&format!(
        "<header class=\"{0}\"><h1><b>{0}</b> {1}</h1>\n<p>{2}</p></header>\n<main>\n",
        overall.name(),
        escape(&sentence),
        escape(&below(picture))
    ));
    for of_system in picture.things.chunk_by(|a, b| a.head.system == b.head.system) {
        system(&mut out, picture, of_system);
    }
    changes(&mut out, picture);
    out.push_str(&format!(
        "</main>\n<footer><p>{} records read. This page shows itself anew every {REFRESH_S} s. \
         For machines: <a href=\"/health\">/health</a>, <a href=\"/metrics\">/metrics</a>.</p></footer>\n</body>\n</html>\n",
        picture.records
    ));
    out
}

/// What a person has to know first.
fn sentence(picture: &Picture) -> String {
    let bad = picture.bad().len();
    match (picture.stream.trouble(), bad) {
        (Some(trouble), _) => trouble,
        (None, 0) => "all is well".into(),
        (None, 1) => "one thing is not well".into(),
        (None, bad) => format!("{bad} things are not well"),
    }
}

/// The counts, and how fresh they are.
fn below(picture: &Picture) -> String {
    let mut parts: Vec<String> = picture.counts.all().map(|(status, count)| format!("{count} {}", status.name())).collect();
    if let (Stream::Open, Some(silent)) = (picture.stream, picture.silent) {
        parts.push(format!("last record {}", words::ago(silent)));
    }
    if picture.left_out > 0 {
        parts.push(format!("{} more were left out", picture.left_out));
    }
    parts.push(picture.now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    parts.join(" \u{b7} ")
}

fn system(out: &mut String, picture: &Picture, things: &[Thing]) {
    let Some(first) = things.first() else { return };
    out.push_str(&format!("<section>\n<h2>{}</h2>\n<ul>\n", escape(&first.head.system)));
    for thing in things {
        row(out, picture, thing);
    }
    out.push_str("</ul>\n</section>\n");
}

fn row(out: &mut String, picture: &Picture, thing: &Thing) {
    let (status, check) = (thing.head.status, &thing.check);
    out.push_str(&format!(
        "<li class=\"{0}\"><span class=\"status\">{0}</span> <span class=\"id\">{1}</span> {2}<span class=\"said\">{3}</span>\n",
        status.name(),
        escape(&check.id),
        age(picture, thing.at),
        escape(&said(check)),
    ));
    if status.is_bad() {
        details(out, thing);
    }
    out.push_str("</li>\n");
}

/// The sentence of a check; without one, its value.
fn said(check: &Check) -> String {
    match &check.value {
        Some(value) if check.summary.is_empty() => words::value(value, check.unit.as_deref()),
        _ => check.summary.clone(),
    }
}

/// Of what is bad: value and thresholds, what to do, the rows that show it, who saw it.
fn details(out: &mut String, thing: &Thing) {
    let (head, check) = (&thing.head, &thing.check);
    let unit = check.unit.as_deref();
    if let Some(hint) = &check.hint {
        out.push_str(&format!("<p class=\"hint\">{}</p>\n", escape(hint)));
    }
    let mut facts = Vec::new();
    let limits = [("value", &check.value), ("warn", &check.warn), ("crit", &check.crit)];
    facts.extend(limits.iter().filter_map(|(name, limit)| Some(format!("{name} {}", words::value(limit.as_ref()?, unit)))));
    facts.extend(check.blocked_by.iter().map(|by| format!("because of {by}")));
    facts.extend(check.error_class.iter().map(|class| format!("class {class}")));
    facts.extend(check.labels.iter().map(|(name, label)| format!("{name} {label}")));
    facts.push(format!("{} on {}, run {}", head.tool, head.host, head.run));
    out.push_str(&format!("<p class=\"facts\">{}</p>\n", escape(&facts.join(" \u{b7} "))));
    if !check.evidence.is_empty() {
        let rows: Vec<String> = check.evidence.iter().map(|row| escape(row)).collect();
        out.push_str(&format!("<pre tabindex=\"0\">{}</pre>\n", rows.join("\n")));
    }
}

fn changes(out: &mut String, picture: &Picture) {
    if picture.changes.is_empty() {
        return;
    }
    out.push_str("<section class=\"changes\">\n<h2>Last changes</h2>\n<ul>\n");
    for Change { at, system, id, from, to, summary } in &picture.changes {
        let from = from.map_or("new", Status::name);
        out.push_str(&format!(
            "<li class=\"{to}\"><span class=\"status\">{from} &rarr; {to}</span> <span class=\"id\">{id}</span> {age}\
             <span class=\"said\">{system}{summary}</span></li>\n",
            to = to.name(),
            id = escape(id),
            age = age(picture, *at),
            system = escape(system),
            summary = if summary.is_empty() { String::new() } else { format!(": {}", escape(summary)) },
        ));
    }
    out.push_str("</ul>\n</section>\n");
}

fn age(picture: &Picture, at: Timestamp) -> String {
    let exact = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("<time datetime=\"{exact}\" title=\"{exact}\">{}</time>", words::ago(picture.since(at)))
}

/// Text of a record as text of the page, whatever it is.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
