//! Passwords out of texts: connection strings in any form, and whatever quotes them.

/// The text with every password of a connection string masked: userinfo of URLs, `password=` in query and keyword form.
pub fn without_password(text: &str) -> String {
    mask_keywords(&mask_userinfo(text))
}

const MASK: &str = "***";

/// `scheme://user:SECRET@`: masks from the first colon of the authority to its last '@'.
fn mask_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')).unwrap_or(after.len());
        let authority = &after[..end];
        // A raw '/' or '?' within a password is malformed but must not leak, so the last '@' before a query's '=' counts.
        let userinfo = authority.rfind('@').map(|at| &authority[..at]);
        match userinfo.and_then(|info| info.split_once(':')) {
            Some((user, secret)) if !secret.is_empty() => {
                out.push_str(user);
                out.push(':');
                out.push_str(MASK);
                rest = &after[user.len() + 1 + secret.len()..];
            }
            _ => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// `password=SECRET`, `password = 'a b'`, `sslpassword=...`, `PGPASSWORD=...`.
fn mask_keywords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find("password") {
        let (before, after) = rest.split_at(at + "password".len());
        out.push_str(before);
        let value = after.trim_start();
        let Some(value) = value.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let value = value.trim_start();
        out.push_str(&after[..after.len() - value.len()]);
        out.push_str(MASK);
        rest = &value[secret_length(value)..];
    }
    out.push_str(rest);
    out
}

fn secret_length(value: &str) -> usize {
    let quoted = value.starts_with('\'');
    let mut escaped = false;
    for (i, c) in value.char_indices().skip(usize::from(quoted)) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quoted => return i + 1,
            '&' if !quoted => return i,
            c if !quoted && c.is_whitespace() => return i,
            _ => {}
        }
    }
    value.len()
}
