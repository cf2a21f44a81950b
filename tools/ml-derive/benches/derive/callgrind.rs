//! Counts of instructions, by valgrind's callgrind: unlike seconds they are the same again next time, whatever else the machine does.

use std::collections::HashMap;

/// Instructions of a whole process, and of its functions by themselves.
#[derive(Debug, PartialEq)]
pub struct Counted {
    pub total: u64,
    /// The most expensive first.
    pub functions: Vec<(String, u64)>,
}

/// Reads the file that callgrind writes (Callgrind Format Specification, in valgrind's manual); `None` for another, or when what was
/// read does not come to the total.
pub fn read(text: &str) -> Option<Counted> {
    // A name is written once, as `(number) name`, and is its number alone from then on.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut costs: HashMap<&str, u64> = HashMap::new();
    let mut function = "";
    // The line after `calls=` holds what the called function cost, which is counted there.
    let mut called = false;
    let mut total = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if line.starts_with("fn=") {
                function = number;
            }
        } else if line.starts_with("calls=") {
            called = true;
        } else if let Some(sum) = line.strip_prefix("totals:") {
            total = sum.trim().parse::<u64>().ok();
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) && !std::mem::take(&mut called) {
            *costs.entry(function).or_default() += line.split_whitespace().nth(1).map_or(Some(0), |cost| cost.parse().ok())?;
        }
    }
    let total = total.filter(|&total| total == costs.values().sum::<u64>())?;
    let mut merged: HashMap<String, u64> = HashMap::new();
    for (number, cost) in costs {
        *merged.entry(shown(names.get(number).copied().unwrap_or(number))).or_default() += cost;
    }
    let mut functions: Vec<(String, u64)> = merged.into_iter().collect();
    functions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Some(Counted { total, functions })
}

/// A function's name for people: without the compiler's hash, callgrind's mark of recursion and the path of our engine.
pub fn shown(name: &str) -> String {
    let name = match name.rsplit_once('\'') {
        Some((name, mark)) if mark.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    };
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => name,
    };
    name.replace("ml_derive::engine::", "")
}
