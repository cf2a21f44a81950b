//! Connection strings as libpq reads them: the URL form and the keyword form, without any default.
//!
//! Source: PostgreSQL manual, "Connection Strings". Beyond libpq, the scheme may name a driver (`postgresql+psycopg2://`), because
//! Python deployments of the ledger carry such URLs in DATABASE_URL.

use crate::{Class, Failure, Result};
use std::collections::BTreeMap;

/// Settings by libpq's keyword. An empty value is kept: it hides the environment's, as in libpq.
pub(super) type Settings = BTreeMap<String, String>;

/// Reads any form: URL, `key=value` pairs, or a bare database name. No message ever repeats a value.
pub(super) fn parse(text: &str) -> Result<Settings> {
    let text = text.trim();
    if let Some((scheme, rest)) = text.split_once("://") {
        if is_postgres_scheme(scheme) {
            return parse_url(rest);
        }
        if !text.contains('=') || scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') {
            return Err(config("the database URL is not one of PostgreSQL").hint("write postgresql://user@host:5432/database"));
        }
    }
    if text.contains('=') {
        return parse_keywords(text);
    }
    Ok(if text.is_empty() { Settings::new() } else { Settings::from([("dbname".into(), text.into())]) })
}

/// Whether a URL scheme names PostgreSQL: `postgres`, `postgresql`, or either with a Python driver.
pub(super) fn is_postgres_scheme(scheme: &str) -> bool {
    let base = scheme.split('+').next().unwrap_or_default();
    base.eq_ignore_ascii_case("postgresql") || base.eq_ignore_ascii_case("postgres")
}

fn parse_url(rest: &str) -> Result<Settings> {
    let mut settings = Settings::new();
    let (main, query) = rest.split_once('?').map_or((rest, None), |(main, query)| (main, Some(query)));
    let (authority, database) = main.split_once('/').map_or((main, ""), |(authority, database)| (authority, database));
    if database.contains('@') {
        // Almost always the rest of a password with a raw '/', which would then be shown as the name of the database.
        return Err(malformed("an '@' follows a '/'"));
    }
    let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    let (user, password) = user.map_or(("", ""), |user| user.split_once(':').unwrap_or((user, "")));
    let (names, ports) = parse_hosts(hosts)?;
    for (key, value) in [("user", user), ("password", password), ("host", &names), ("port", &ports), ("dbname", database)] {
        if !value.is_empty() {
            settings.insert(key.into(), percent_decode(value, key)?);
        }
    }
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| malformed("a parameter after '?' has no '='"))?;
        let (key, value) = (percent_decode(key, "a parameter name")?, percent_decode(value, key)?);
        let (key, value) = translate_ssl(key, value);
        settings.insert(key, value);
    }
    Ok(settings)
}

/// JDBC's and asyncpg's `ssl=`: libpq itself takes `ssl=true` in URLs as `sslmode=require`.
fn translate_ssl(key: String, value: String) -> (String, String) {
    match (key.as_str(), value.as_str()) {
        ("ssl", "true") => ("sslmode".into(), "require".into()),
        ("ssl", "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full") => ("sslmode".into(), value),
        _ => (key, value),
    }
}

/// Splits `a:1,[::1]:2,c` into `a,::1,c` and `1,2,`; both empty when nothing is given.
fn parse_hosts(text: &str) -> Result<(String, String)> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for part in text.split(',') {
        let (name, port) = match part.strip_prefix('[') {
            Some(inner) => {
                let (name, after) = inner.split_once(']').ok_or_else(|| malformed("an IPv6 address lacks its ']'"))?;
                if name.is_empty() {
                    return Err(malformed("an IPv6 address is empty"));
                }
                match after.strip_prefix(':') {
                    Some(port) => (name, port),
                    None if after.is_empty() => (name, ""),
                    None => return Err(malformed("something other than ':' follows an IPv6 address")),
                }
            }
            None => part.split_once(':').unwrap_or((part, "")),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed("a port is not a number"));
        }
        names.push(name);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((if names.iter().all(|name| name.is_empty()) { String::new() } else { names.join(",") }, ports))
}

/// Decodes `%XX`. `what` names the part for the message; the text itself may be secret.
pub(crate) fn percent_decode(text: &str, what: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let digits = tail.get(..2).filter(|d| d.iter().all(u8::is_ascii_hexdigit)).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(0) => return Err(malformed(format!("{what} contains the forbidden %00"))),
            Some(byte) => bytes.push(byte),
            None => return Err(malformed(format!("{what} has a '%' that two hexadecimal digits do not follow"))),
        }
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| malformed(format!("{what} is not UTF-8 once decoded")))
}

fn parse_keywords(text: &str) -> Result<Settings> {
    let mut settings = Settings::new();
    let mut chars = text.chars().peekable();
    loop {
        skip_spaces(&mut chars);
        if chars.peek().is_none() {
            return Ok(settings);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        skip_spaces(&mut chars);
        if chars.next() != Some('=') {
            // The word is not repeated: it may be the second half of an unquoted password.
            return Err(
                config("a word of the connection string has no '=' after it").hint("quote values with spaces: password='two words'")
            );
        }
        skip_spaces(&mut chars);
        let value = keyword_value(&mut chars)?;
        settings.insert(key, value);
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_spaces(chars: &mut Chars<'_>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn keyword_value(chars: &mut Chars<'_>) -> Result<String> {
    let quoted = chars.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match chars.next() {
            Some('\\') => value.extend(chars.next()),
            Some('\'') if quoted => return Ok(value),
            None if quoted => return Err(config("a quoted value of the connection string does not end").hint("close it with '")),
            None => return Ok(value),
            Some(c) if !quoted && c.is_whitespace() => return Ok(value),
            Some(c) => value.push(c),
        }
    }
}

fn config(message: impl Into<String>) -> Failure {
    Failure::new(Class::Config, message)
}

fn malformed(what: impl std::fmt::Display) -> Failure {
    config(format!("the database URL is malformed: {what}")).hint(
        "write postgresql://user:password@host:5432/database, with special characters in the password percent-encoded (@ is %40, / is %2F)",
    )
}
