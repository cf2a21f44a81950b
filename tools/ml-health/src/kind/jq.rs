//! Numbers and words out of a JSON document by jq filters, as an operator would try them with jq.

use jaq_core::data::JustLut;
use jaq_core::load::lex::Token;
use jaq_core::load::{Arena, File, Lexer, Loader, Parser};
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
    names: Arc<Vec<String>>,
    /// All of them as one, since most of compiling is jq's own definitions: an array with, for each filter, an array of its first value,
    /// an empty one, or 0 where it failed.
    all: Arc<Filter<JustLut<Val>>>,
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
        let wrong = |name: &str, why: String| {
            Failure::new(Class::Config, format!("the jq filter of {name} is not valid: {why}")).hint("try it with jq on the document")
        };
        let mut program = String::from("[");
        let mut ends = Vec::new();
        for (name, text) in table {
            check(text).map_err(|why| wrong(name, why))?;
            if !ends.is_empty() {
                program.push(',');
            }
            // The line feed ends a comment.
            program.push_str(&format!("(try [first({text}\n)] catch 0)"));
            ends.push(program.len());
        }
        program.push(']');
        let all = compile(&program).map_err(|(offset, why)| {
            let at = ends.iter().position(|end| offset < *end).unwrap_or(0);
            wrong(table.get(at).map_or("a metric", |(name, _)| name.as_str()), why)
        })?;
        let names = Arc::new(table.iter().map(|(name, _)| name.clone()).collect());
        Ok(Filters { names, all: Arc::new(all), stuck: Arc::default() })
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
        let (names, all, stuck) = (Arc::clone(&self.names), Arc::clone(&self.all), Arc::clone(&self.stuck));
        let done = deadline::within(limit, move || {
            let outcome = parse(&document).map(|document| run(&names, &all, document));
            stuck.store(false, Ordering::SeqCst);
            outcome
        });
        let outcome =
            done.ok_or_else(|| endless(&format!("do not end within {} s", (limit.as_secs_f64() * 100.0 - 1e-6).ceil() / 100.0)))?;
        outcome.map_err(|why| Failure::new(Class::General, format!("{what} is not JSON: {why}")).hint("look at what stands there"))
    }
}

/// Whether a filter is well-formed by itself, and where it is not.
fn check(text: &str) -> std::result::Result<(), String> {
    let tokens = Lexer::new(text).lex();
    let tokens =
        tokens.map_err(|errors| errors.first().map_or_else(String::new, |(expected, at)| at_place(text, at, expected.as_str())))?;
    let parsed = Parser::new(&tokens).parse(|parser| parser.term());
    parsed.map(|_| ()).map_err(|errors| {
        let first = errors.first().map(|(expected, found)| at_place(text, Token::opt_as_str(*found, text), expected.as_str()));
        first.unwrap_or_default()
    })
}

/// Compiles what is well-formed; a name that is not known is told with its offset.
fn compile(program: &str) -> std::result::Result<Filter<JustLut<Val>>, (usize, String)> {
    let kept = |name: &str| !LEFT_OUT.contains(&name);
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|def| kept(def.name));
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).filter(|fun| kept(fun.0));
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: program, path: () }).map_err(|_| (0, "it cannot be read".to_owned()))?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
        first.map_or_else(
            || (0, "it does not compile".to_owned()),
            |(name, what)| (offset(program, name), format!("there is no {} {name}", what.as_str())),
        )
    })
}

/// Where `part`, a slice of `text`, begins.
fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize)
}

/// `part` is a slice of `text`, or stands for its end.
fn at_place(text: &str, part: &str, expected: &str) -> String {
    let offset = offset(text, part);
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

fn run(names: &[String], all: &Filter<JustLut<Val>>, document: Val) -> Filtered {
    let ctx = Ctx::<JustLut<Val>>::new(&all.lut, Vars::new([]));
    let Some(Ok(Val::Arr(found))) = all.id.run((ctx, document)).map(jaq_core::unwrap_valr).next() else {
        return Filtered { unfit: vec!["the filters gave nothing".to_owned()], ..Filtered::default() };
    };
    let mut filtered = Filtered::default();
    for (name, first) in names.iter().zip(found.iter()) {
        let Val::Arr(first) = first else {
            // jq's own text quotes the document.
            filtered.unfit.push(format!("{name}: its filter does not fit the document"));
            continue;
        };
        match first.first().map_or(Ok(None), scalar) {
            Ok(None) => {}
            Ok(Some(value)) => drop(filtered.values.insert(name.clone(), value)),
            Err(problem) => filtered.unfit.push(format!("{name}: {problem}")),
        }
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
