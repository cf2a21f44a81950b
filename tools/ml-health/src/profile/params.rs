//! The parameters of probes and views: what a kind declares, read from a table of the profile.

use crate::kind::{Arg, Args, Param, ParamKind};
use ml_common::redact;
use ml_watch::conf::{Spot, Table};
use std::path::Path;

/// Entries of secret tables that are none: blacked out everywhere, `application/json` or `X-Signature` would make riddles of records.
const PUBLIC: &[&str] = &["accept", "content-type", "user-agent", "signed", "signature", "timestamp", "nonce", "encoding", "prefix"];

/// `Notion-Version` and its like say which API is meant.
fn is_public(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PUBLIC.contains(&name.as_str()) || name.ends_with("-version")
}

/// Reads what `params` declare; what is wrong is noted in the file.
pub fn read(table: &Table<'_>, params: &'static [Param], root: &Path) -> Args {
    let mut args = Args::default();
    for param in params {
        let value = one(table, param, root);
        if param.required {
            table.required(param.name, value.as_ref());
        }
        if let Some(value) = value.or_else(|| if table.has(param.name) { None } else { default(param, root) }) {
            args.0.insert(param.name, value);
        }
    }
    args
}

/// What holds when nothing is given.
pub fn read_defaults(params: &'static [Param], root: &Path) -> Args {
    Args(params.iter().filter_map(|param| Some((param.name, default(param, root)?))).collect())
}

fn one(table: &Table<'_>, param: &Param, root: &Path) -> Option<Arg> {
    let name = param.name;
    Some(match param.kind {
        ParamKind::Text => Arg::Text(table.text(name)?.value),
        ParamKind::Pattern | ParamKind::Glob | ParamKind::Mode => Arg::Text(sound(table, param.kind, table.text(name)?)?.value),
        ParamKind::Secret => {
            let text = table.text(name)?.value;
            redact::register(&text);
            Arg::Text(text)
        }
        ParamKind::Url => {
            let text = table.text(name)?.value;
            redact::register_url(&text, false);
            Arg::Text(text)
        }
        ParamKind::Path => Arg::Text(path(&table.text(name)?.value, root)),
        ParamKind::Word(words) => Arg::Text(table.word(name, words)?.value.to_owned()),
        ParamKind::Number => Arg::Number(table.number(name)?.value),
        ParamKind::Duration => Arg::Duration(table.duration(name)?.value),
        ParamKind::Switch => Arg::Switch(table.switch(name)?.value),
        ParamKind::Texts => Arg::Texts(table.texts(name)?.into_iter().map(|text| text.value).collect()),
        ParamKind::Table | ParamKind::Patterns | ParamKind::SecretTable => {
            let pairs = table.pairs(name)?.into_iter().filter_map(|(name, text)| Some((name.value, sound(table, param.kind, text)?.value)));
            let pairs: Vec<(String, String)> = pairs.collect();
            if param.kind == ParamKind::SecretTable {
                // `Bearer abc`: the word alone is no secret, what follows is.
                let secrets = pairs.iter().filter(|(name, _)| !is_public(name));
                secrets.for_each(|(_, text)| redact::register(text.rsplit(' ').next().unwrap_or(text)));
            }
            Arg::Table(pairs)
        }
    })
}

/// The text when it is what the kind takes; else it is noted.
fn sound(table: &Table<'_>, kind: ParamKind, text: Spot<String>) -> Option<Spot<String>> {
    let Some((message, hint)) = kind.fault(&text) else { return Some(text) };
    table.file().mistake(text.at, message, hint);
    None
}

fn default(param: &Param, root: &Path) -> Option<Arg> {
    let text = param.default?;
    Some(match param.kind {
        ParamKind::Text
        | ParamKind::Secret
        | ParamKind::Url
        | ParamKind::Pattern
        | ParamKind::Glob
        | ParamKind::Mode
        | ParamKind::Word(_) => Arg::Text(text.to_owned()),
        ParamKind::Path => Arg::Text(path(text, root)),
        ParamKind::Number => Arg::Number(text.parse().ok()?),
        ParamKind::Duration => Arg::Duration(ml_watch::conf::duration(text)?),
        ParamKind::Switch => Arg::Switch(text == "true"),
        ParamKind::Texts => Arg::Texts(text.split(',').map(|part| part.trim().to_owned()).collect()),
        ParamKind::Table | ParamKind::Patterns | ParamKind::SecretTable => return None,
    })
}

fn path(text: &str, root: &Path) -> String {
    root.join(text).to_string_lossy().into_owned()
}
