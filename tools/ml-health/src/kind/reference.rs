//! The manual of the probes, made from what the kinds declare (docs/probes.md).

use super::{KINDS, Kind, Metric, Param, ParamKind, View};

/// What can be asked of every kind, in Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "A kind stands in `[probe.NAME]` of a profile, a view in a check's `probe = \"NAME.VIEW\"`; docs/profiles.md tells how.\n\n",
    );
    for kind in KINDS {
        text.push_str(&format!("- [`{0}`](#kind-{0})\n", kind.name));
    }
    KINDS.iter().for_each(|kind| text.push_str(&of_kind(kind)));
    text
}

fn of_kind(kind: &Kind) -> String {
    let mut text = format!("\n## kind `{}`\n\n{}\n", kind.name, line(kind.doc));
    text.push_str(&params("Parameters of `[probe.NAME]`:", kind.params));
    kind.views.iter().for_each(|view| text.push_str(&of_view(view)));
    text
}

fn of_view(view: &View) -> String {
    let mut text = format!("\n### view `{}`\n\n{}\n", view.name, line(view.doc));
    text.push_str(&params("Parameters in the check's `args`:", view.params));
    if let Some(table) = view.named_by {
        text.push_str(&format!("\nGives what `{table}` names; the first is the value of a check that names none.\n"));
    }
    text.push_str(&metrics(view.metrics));
    text
}

fn params(title: &str, params: &[Param]) -> String {
    if params.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n\n| parameter | takes | default | meaning |\n|---|---|---|---|\n");
    for param in params {
        let default = match param.default {
            Some(default) => format!("`{}`", cell(default)),
            None if param.required => "required".to_owned(),
            None => String::new(),
        };
        text.push_str(&format!("| `{}` | {} | {default} | {} |\n", param.name, takes(param.kind), cell(param.doc)));
    }
    text
}

fn metrics(metrics: &[Metric]) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n| gives | unit | meaning |\n|---|---|---|\n");
    for metric in metrics {
        text.push_str(&format!("| `{}` | {} | {} |\n", metric.name, metric.unit, cell(metric.doc)));
    }
    text
}

fn takes(kind: ParamKind) -> String {
    match kind {
        ParamKind::Text => "text".into(),
        ParamKind::Secret => "text, never shown".into(),
        ParamKind::Url => "URL".into(),
        ParamKind::Path => "path".into(),
        ParamKind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        ParamKind::Pattern => "regular expression".into(),
        ParamKind::Glob => "pattern of names".into(),
        ParamKind::Mode => "file mode such as `600`".into(),
        ParamKind::Number => "number".into(),
        ParamKind::Duration => "time such as `5s`".into(),
        ParamKind::Switch => "true or false".into(),
        ParamKind::Texts => "list of texts".into(),
        ParamKind::Table => "table of texts".into(),
        ParamKind::Patterns => "table of regular expressions".into(),
        ParamKind::SecretTable => "table of texts, never shown".into(),
    }
}

/// Docs are written over several lines of source.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}
