//! The settings of a session under which COPY writes the same text for the same rows, whatever server, database and role have as theirs.
//!
//! They are pg_dump's own, and those that it leaves to chance: a time zone and a form of bytea that a role may have set otherwise. The
//! dump and whoever compares with it use them, and one client encoding, that of [`crate::Manifest`]'s `encoding`.

use crate::literal;
use ml_common::Result;
use postgres::GenericClient;

/// Setting and value. `lc_monetary` is left as it is, as pg_dump does: a restore must be able to read what was written.
pub const COPY_SETTINGS: [(&str, &str); 7] = [
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "3"),
    ("synchronize_seqscans", "off"),
    ("row_security", "off"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
];

/// Without limits; the newer ones are unknown to older servers, which is why they are looked up.
const NO_LIMITS: &str = "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN \
    ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')";

/// The statements that make a session's COPY text comparable: nothing is found by a search path either. Encoding as the server names it.
pub fn statements(encoding: &str) -> String {
    let mut sql = String::from("SELECT pg_catalog.set_config('search_path', '', false);");
    for (name, value) in COPY_SETTINGS {
        sql.push_str(&format!("SET {name} = '{value}';"));
    }
    sql.push_str(&format!("SET client_encoding = {};", literal(encoding)));
    sql
}

/// Prepares a session for comparable COPY text, without limits of time. Texts that are not ASCII, in SQL too, are from now on in `encoding`.
///
/// # Errors
/// Class Database.
pub fn prepare(client: &mut impl GenericClient, encoding: &str) -> Result<()> {
    let mut sql = format!("{NO_LIMITS};");
    sql.push_str(&statements(encoding));
    client.batch_execute(&sql).map_err(crate::failed("preparing the session"))
}

/// The part of it that a program of PostgreSQL cannot set by itself, for its PGOPTIONS. Those of the settings' own stay in front.
pub fn options(own: Option<&str>) -> String {
    let mut all = own.map(|own| format!("{own} ")).unwrap_or_default();
    all.push_str("-c TimeZone=UTC -c bytea_output=hex");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_set() {
        let sql = statements("it's");
        for (name, value) in COPY_SETTINGS {
            assert!(sql.contains(&format!("SET {name} = '{value}';")), "{sql}");
        }
        assert!(sql.ends_with("SET client_encoding = 'it''s';"), "{sql}");
        assert_eq!(options(None), "-c TimeZone=UTC -c bytea_output=hex");
        assert_eq!(options(Some("-c x=1")), "-c x=1 -c TimeZone=UTC -c bytea_output=hex");
    }
}
