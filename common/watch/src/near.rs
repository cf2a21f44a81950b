//! The known name that somebody may have meant.

/// The one most like `name`, when it is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Of two letters everything is near.
    let allowed = match name.chars().count() {
        0..=2 => return None,
        length => (length / 3).min(3),
    };
    let near = known.into_iter().map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate)).min()?;
    (near.0 <= allowed).then_some(near.1)
}

/// As a hint: the nearest known name, else all of them.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            let all: Vec<&str> = known.into_iter().collect();
            if all.is_empty() { "there are none".to_owned() } else { format!("there are {}", all.join(", ")) }
        }
    }
}
