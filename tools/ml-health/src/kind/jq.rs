//! Numbers and words out of a JSON document by jq filters, as an operator would try them with jq.

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, Error as LoadError, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_json::{Num, Val};
use ml_common::record::{Map, Scalar};
use ml_common::{Class, Failure, Result, deadline};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Deeper documents are refused: the parser's stack is not endless.
const DEPTH_MAX: usize = 128;

/// Characters of a word that are kept.
const WORD_MAX: usize = 200;

/// What would end the process, read its environment or write past the records.
const LEFT_OUT: &[&str] = &["halt", "halt_error", "env", "debug", "debug_empty", "stderr", "stderr_empty"];

/// Filters that are compiled, each with the name of its metric.
#[derive(Clone)]
pub struct Filters {
    named: Arc<Vec<(String, Filter<JustLut<Val>>)>>,
    /// A run that was left behind still works.
    stuck: Arc<AtomicBool>,
}

/// What the filters gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filtered {
    /// Numbers, words, true and false; without those whose filter gave null, nothing, or a number that is none.
    pub values: Map,
    /// Metrics whose filter fails on this document, and why: no data is repeated.
    pub unfit: Vec<String>,
}

impl Filters {
    /// Compiles the table `metrics = { busy = ".pool.busy" }`.
    ///
    /// # Errors
    /// Class Config: which filter is wrong, and where.
    pub fn compile(table: &[(String, String)]) -> Result<Filters> {
        let compiled = table.iter().map(|(name, text)| {
            let wrong = |why| {
                Failure::new(Class::Config, format!("the jq filter of {name} is not valid: {why}")).hint("try it with jq on the document")
            };
            Ok((name.clone(), filter(text).map_err(wrong)?))
        });
        Ok(Filters { named: Arc::new(compiled.collect::<Result<_>>()?), stuck: Arc::default() })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Runs all of them on a document. A filter that does not end is left behind, and none runs again while it is at work.
    ///
    /// # Errors
    /// Class General when the document is not JSON (`what` names it) or a filter does not end in time.
    pub fn run(&self, document: Vec<u8>, what: &str, limit: Duration) -> Result<Filtered> {
        let endless = |why: &str| Failure::new(Class::General, format!("the jq filters of {what} {why}")).hint("make them simpler");
        if self.stuck.swap(true, Ordering::SeqCst) {
            return Err(endless("are still at work since an earlier look"));
        }
        let (named, stuck) = (Arc::clone(&self.named), Arc::clone(&self.stuck));
        let done = deadline::within(limit, move || {
            let outcome = parse(&document).map(|document| run(&named, &document));
            stuck.store(false, Ordering::SeqCst);
            outcome
        });
        let outcome = done.ok_or_else(|| endless(&format!("do not end within {} s", limit.as_secs_f64())))?;
        outcome.map_err(|why| Failure::new(Class::General, format!("{what} is not JSON: {why}")).hint("look at what stands there"))
    }
}

fn filter(text: &str) -> std::result::Result<Filter<JustLut<Val>>, String> {
    let kept = |name: &str| !LEFT_OUT.contains(&name);
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|def| kept(def.name));
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).filter(|fun| kept(fun.0));
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: text, path: () }).map_err(|errors| {
        let first = errors.into_iter().next().map(|(_, error)| match error {
            LoadError::Lex(errors) => errors.first().map(|(expected, at)| at_place(text, at, expected.as_str())),
            LoadError::Parse(errors) => errors.first().map(|(expected, at)| at_place(text, at, expected.as_str())),
            LoadError::Io(_) => Some("modules are not read".to_owned()),
        });
        first.flatten().unwrap_or_else(|| "it is empty".to_owned())
    })?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
        first.map_or_else(|| "it does not compile".to_owned(), |(name, what)| format!("there is no {} {name}", what.as_str()))
    })
}

/// `part` is a slice of `text`, or stands for its end.
fn at_place(text: &str, part: &str, expected: &str) -> String {
    let offset = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    match text.get(..offset) {
        Some(before) if offset < text.len() => format!("{expected} expected at character {}", before.chars().count() + 1),
        _ => format!("{expected} expected at its end"),
    }
}

fn parse(document: &[u8]) -> std::result::Result<Val, String> {
    if depth(document) > DEPTH_MAX {
        return Err(format!("it is nested more than {DEPTH_MAX} deep"));
    }
    // Python writes NaN where JSON knows no such number, and jq reads it.
    jaq_json::read::parse_single(document).map_err(|_| match serde_json::from_slice::<serde_json::Value>(document) {
        Err(error) => format!("line {}, column {}", error.line(), error.column()),
        Ok(_) => "it cannot be read".to_owned(),
    })
}

/// How deep brackets are nested, outside of strings.
fn depth(document: &[u8]) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in document {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn run(named: &[(String, Filter<JustLut<Val>>)], document: &Val) -> Filtered {
    let mut filtered = Filtered::default();
    for (name, filter) in named {
        let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
        let first = filter.id.run((ctx, document.clone())).map(jaq_core::unwrap_valr).next();
        let problem = match first {
            None | Some(Ok(Val::Null)) => continue,
            Some(Ok(value)) => match scalar(&value) {
                Ok(Some(scalar)) => {
                    filtered.values.insert(name.clone(), scalar);
                    continue;
                }
                Ok(None) => continue,
                Err(problem) => problem,
            },
            // jq's own text quotes the document.
            Some(Err(_)) => "its filter does not fit the document",
        };
        filtered.unfit.push(format!("{name}: {problem}"));
    }
    filtered
}

fn scalar(value: &Val) -> std::result::Result<Option<Scalar>, &'static str> {
    Ok(match value {
        Val::Null => None,
        Val::Bool(truth) => Some(Scalar::Bool(*truth)),
        Val::Num(number) => number_scalar(number),
        Val::TStr(text) | Val::BStr(text) => Some(Scalar::Text(String::from_utf8_lossy(text).chars().take(WORD_MAX).collect())),
        Val::Arr(_) => return Err("its filter gives an array; add length, first or max to it"),
        Val::Obj(_) => return Err("its filter gives an object; name a field of it"),
    })
}

fn number_scalar(number: &Num) -> Option<Scalar> {
    let float = match number {
        Num::Int(whole) => return Some(Scalar::from(i64::try_from(*whole).ok()?)),
        Num::Float(float) => *float,
        Num::BigInt(_) | Num::Dec(_) => number.to_string().parse().ok()?,
    };
    float.is_finite().then(|| Scalar::from(float))
}

#[cfg(test)]
#[path = "jq_tests.rs"]
mod tests;
