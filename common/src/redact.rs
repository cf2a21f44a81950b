//! Keeps secrets out of what people and logs see.
//!
//! Nothing here is the first line of defence: texts are built without secrets. But an error text of a server, a library or a child process
//! can quote what it was given, so every free text passes through [`scrub`] on its way out.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, OnceLock};

/// A secret shorter than this is not looked for: `ml` would black out half of every sentence.
const SHORTEST: usize = 4;

fn known() -> MutexGuard<'static, Vec<String>> {
    static KNOWN: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// From here on, `secret` is blacked out of every text that passes through [`scrub`].
pub fn register(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut known = known();
    if !known.iter().any(|old| old == secret) {
        known.push(secret.to_owned());
        // The longest first, so that a secret that contains another leaves nothing behind.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }
}

/// Registers the secret parts of a URL: password and, for a webhook, path and query.
pub fn register_url(url: &str, path_is_secret: bool) {
    let Some((_, rest)) = url.split_once("://") else { return register(url) };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if let Some((userinfo, _)) = authority.rsplit_once('@')
        && let Some((_, password)) = userinfo.split_once(':')
    {
        register(password);
        register(&percent_decoded(password));
    }
    if path_is_secret && path.len() > 1 {
        register(path);
        register(path.trim_start_matches('/'));
    }
    if let Some((_, query)) = rest.split_once('?') {
        for (_, value) in query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == "password") {
            register(value);
            register(&percent_decoded(value));
        }
    }
}

/// `text` with every registered secret replaced by `***`.
pub fn scrub(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    for secret in known().iter() {
        if out.contains(secret.as_str()) {
            out = Cow::Owned(out.replace(secret.as_str(), "***"));
        }
    }
    out
}

/// Percent-decoding as in URLs; what is no valid escape stays.
pub fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[i] == b'%' => {
                out.push(byte);
                i += 3;
            }
            _ => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_secrets_disappear_in_either_spelling() {
        register_url("postgresql://ml:s%40crét-1@localhost/db", false);
        register_url("https://hooks.example.com/services/T0/B0/xyzzy", true);
        register_url("postgresql://h/db?password=quux-2", false);
        for text in ["s%40crét-1", "s@crét-1", "/services/T0/B0/xyzzy", "services/T0/B0/xyzzy", "quux-2"] {
            assert_eq!(scrub(&format!("a {text} b")), "a *** b");
        }
        assert_eq!(scrub("localhost stays"), "localhost stays");
    }
}
