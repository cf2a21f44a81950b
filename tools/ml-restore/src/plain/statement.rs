//! What a statement of a plain SQL dump is, by its first words, as pg_dump writes them.

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything that is restored as it stands.
    Other,
    /// Sets something of the session.
    Setting,
    /// Gives something to this role.
    Owner(String),
    /// Rights, and comments on extensions, which belong to the administrator.
    Right,
    /// Names a tablespace for what follows.
    Tablespace,
    /// A publication or subscription, which reaches beyond the database.
    Outside,
    /// Rows.
    Insert,
    /// A setting that older servers do not know.
    Unknown,
    /// What a restore never runs.
    Forbidden(&'static str),
}

/// Looks at a statement without its semicolon.
pub fn kind(text: &str) -> Kind {
    let mut words = text.split_whitespace().map(str::to_ascii_uppercase);
    let mut word = || words.next().unwrap_or_default();
    let (first, second, third) = (word(), word(), word());
    match (first.as_str(), second.as_str(), third.as_str()) {
        ("GRANT" | "REVOKE", ..) | ("ALTER", "DEFAULT", "PRIVILEGES") | ("COMMENT", "ON", "EXTENSION") => Kind::Right,
        ("CREATE" | "ALTER" | "DROP", "DATABASE", _) => Kind::Forbidden("a statement about a whole database"),
        ("CREATE" | "ALTER" | "DROP", "ROLE" | "USER" | "GROUP", third) if third != "MAPPING" => {
            Kind::Forbidden("a statement about a role of the server")
        }
        ("CREATE" | "ALTER" | "DROP", "TABLESPACE", _) => Kind::Forbidden("a statement about a tablespace of the server"),
        ("ALTER", "SYSTEM", _) => Kind::Forbidden("a setting of the server"),
        ("CREATE" | "ALTER" | "DROP" | "COMMENT", "PUBLICATION" | "SUBSCRIPTION", _) => Kind::Outside,
        ("ALTER", ..) => owner(text).map_or(Kind::Other, Kind::Owner),
        ("SET", "DEFAULT_TABLESPACE", _) => Kind::Tablespace,
        ("SET", "TRANSACTION_TIMEOUT", _) => Kind::Unknown,
        ("SET", ..) => Kind::Setting,
        ("INSERT", ..) => Kind::Insert,
        _ => Kind::Other,
    }
}

/// The role of `ALTER TABLE public.t OWNER TO "some one"`.
fn owner(text: &str) -> Option<String> {
    let (_, role) = text.trim_end().rsplit_once(" OWNER TO ")?;
    match role.strip_prefix('"') {
        Some(quoted) => Some(quoted.strip_suffix('"')?.replace("\"\"", "\"")),
        None => (!role.is_empty() && !role.contains(char::is_whitespace)).then(|| role.to_owned()),
    }
}

/// Whether a beginning is that of rows.
pub fn is_insert(text: &[u8]) -> bool {
    text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"INSERT "))
}

/// The value of `SET name = value`.
fn setting<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (set, value) = text.split_once('=')?;
    let mut words = set.split_whitespace();
    let is = words.next()?.eq_ignore_ascii_case("SET") && words.next()?.eq_ignore_ascii_case(name) && words.next().is_none();
    is.then(|| value.trim().trim_matches('\''))
}

/// What follows for strings without E: whether a backslash escapes in them.
pub fn old_strings(text: &str) -> Option<bool> {
    setting(text, "standard_conforming_strings").map(|value| !value.eq_ignore_ascii_case("on"))
}

/// The encoding that the text says it is in.
pub fn encoding(text: &str) -> Option<String> {
    setting(text, "client_encoding").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_by_their_words() {
        let cases = [
            ("ALTER TABLE public.t OWNER TO ml", Kind::Owner("ml".into())),
            ("ALTER TABLE ONLY public.\" OWNER TO x\" OWNER TO \"a \"\"b\"", Kind::Owner("a \"b".into())),
            ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT c PRIMARY KEY (a)", Kind::Other),
            ("GRANT SELECT ON TABLE public.t TO x", Kind::Right),
            ("ALTER DEFAULT PRIVILEGES FOR ROLE ml GRANT SELECT ON TABLES TO x", Kind::Right),
            ("COMMENT ON EXTENSION pgcrypto IS 'x'", Kind::Right),
            ("COMMENT ON TABLE t IS 'x'", Kind::Other),
            ("SET default_tablespace = fast", Kind::Tablespace),
            ("SET transaction_timeout = 0", Kind::Unknown),
            ("SET row_security = off", Kind::Setting),
            ("CREATE PUBLICATION p FOR TABLE t", Kind::Outside),
            ("CREATE USER MAPPING FOR ml SERVER s", Kind::Other),
            ("insert into t values (1)", Kind::Insert),
            ("CREATE TABLE t (a int)", Kind::Other),
            ("", Kind::Other),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
        for text in ["CREATE DATABASE x", "DROP DATABASE x", "CREATE ROLE x", "ALTER USER x SUPERUSER", "ALTER SYSTEM SET x = 1"] {
            assert!(matches!(kind(text), Kind::Forbidden(_)), "{text}");
        }
    }

    #[test]
    fn settings_are_read() {
        assert_eq!(encoding("SET client_encoding = 'LATIN1'").as_deref(), Some("LATIN1"));
        assert_eq!(encoding("SET client_min_messages = warning"), None);
        assert_eq!(old_strings("SET standard_conforming_strings = off"), Some(true));
        assert_eq!(old_strings("SET standard_conforming_strings = on"), Some(false));
    }
}
