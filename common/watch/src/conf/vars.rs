//! `${NAME}` in the texts of a configuration: the environment, then the settings file, then the file's own `[vars]`.

use super::Table;
use ml_common::redact;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Looks a variable up outside of the file.
pub type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// What to do about a malformed one.
pub(super) const REMEDY: &str = "write ${NAME}, and $${ for ${ itself";

/// The variables of a file.
pub struct Vars {
    defaults: BTreeMap<String, String>,
    lookup: Lookup,
    used: RefCell<BTreeSet<String>>,
}

/// Variables that are not set; what uses them cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unset(pub Vec<String>);

impl fmt::Debug for Vars {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.defaults.keys()).finish()
    }
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, verb) = (self.0.join(", "), if self.0.len() == 1 { "is" } else { "are" });
        write!(f, "{names} {verb} not set")
    }
}

impl Vars {
    /// Takes the defaults of `[vars]` in `root`.
    pub fn read(root: &Table<'_>, lookup: Lookup) -> Vars {
        let pairs = root.pairs("vars").unwrap_or_default();
        let mut vars = Vars { defaults: BTreeMap::new(), lookup, used: RefCell::default() };
        for (name, text) in pairs {
            if !is_name(&name) {
                root.file().mistake(name.at, format!("{} is no name of a variable", name.value), "names are of letters, digits and _");
            }
            match vars.expand(&text) {
                Ok(Ok(expanded)) => drop(vars.defaults.insert(name.value, expanded)),
                // A default that rests on another variable is not set without it.
                Ok(Err(Unset(_))) => drop(vars.defaults.insert(name.value, String::new())),
                Err(message) => root.file().mistake(text.at, message, REMEDY),
            }
        }
        vars
    }

    /// The value of a variable; an empty one is none.
    pub fn get(&self, name: &str) -> Option<String> {
        self.used.borrow_mut().insert(name.to_owned());
        let filled = |text: &String| !text.trim().is_empty();
        let value = (self.lookup)(name).filter(filled).or_else(|| self.defaults.get(name).cloned().filter(filled))?;
        if is_secret(name) {
            redact::register(&value);
        }
        Some(value)
    }

    /// The names that the file gives defaults to.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.defaults.keys().map(String::as_str)
    }

    /// The names that were asked for so far.
    pub fn used(&self) -> Vec<String> {
        self.used.borrow().iter().cloned().collect()
    }

    /// The text with its variables filled in; `$${` is a literal `${`.
    ///
    /// # Errors
    /// A text for people when a `${` has no end or no name. Inside: what is not set.
    pub fn expand(&self, text: &str) -> Result<Result<String, Unset>, String> {
        let (mut expanded, mut unset) = (String::with_capacity(text.len()), Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                expanded.push_str(&rest[..at]);
                expanded.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            expanded.push_str(&rest[..at]);
            let name = rest[at + 2..].split_once('}').ok_or("this ${ has no }")?.0;
            if !is_name(name) {
                return Err(format!("'{name}' is no name of a variable"));
            }
            match self.get(name) {
                Some(value) => expanded.push_str(&value),
                None => unset.push(name.to_owned()),
            }
            rest = &rest[at + 2 + name.len() + 1..];
        }
        expanded.push_str(rest);
        Ok(if unset.is_empty() { Ok(expanded) } else { Err(Unset(unset)) })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether the name says that the value must never be shown.
fn is_secret(name: &str) -> bool {
    // QUEUE_KEY is none: a known setting says itself what it is.
    if let Some(key) = ml_common::settings::keys::find(name) {
        return key.kind.is_secret();
    }
    const WORDS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "KEY", "WEBHOOK", "CREDENTIAL"];
    let name = name.to_ascii_uppercase();
    WORDS.iter().any(|word| name.contains(word))
}
