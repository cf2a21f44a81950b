//! The migrations, in order. One that was released is never edited: a new one follows it.

/// A step of the schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Migration {
    /// `0001_ledger`.
    pub name: &'static str,
    /// What it does, for people and for `schema_migrations.description`.
    pub description: &'static str,
    /// Its SQL, run in one transaction.
    pub sql: &'static str,
    /// Extensions that it creates. They may need more rights than the ledger's owner has, so the ledger is complete without it.
    pub extensions: &'static [&'static str],
}

/// Before the name of each entry of ours in `schema_migrations`, which belongs to MathLedger: its own entries are no concern of ours.
pub const PREFIX: &str = "ml-ops:";

/// All of them.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_ledger",
        description: "the tables of the ledger and their indexes",
        sql: include_str!("../migrations/0001_ledger.sql"),
        extensions: &[],
    },
    Migration {
        name: "0002_base_theory",
        description: "the theory Propositional with its symbols",
        sql: include_str!("../migrations/0002_base_theory.sql"),
        extensions: &[],
    },
    Migration {
        name: "0003_extensions",
        description: "pgcrypto, pg_trgm and the index for searching in statements",
        sql: include_str!("../migrations/0003_extensions.sql"),
        extensions: &["pgcrypto", "pg_trgm"],
    },
];

impl Migration {
    /// Its entry in `schema_migrations`.
    pub fn version(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The id of its step.
    pub fn record_id(&self) -> String {
        format!("migration.{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_unique() {
        assert!(MIGRATIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(MIGRATIONS.iter().all(|migration| migration.name.split('_').next().is_some_and(|number| number.len() == 4)));
    }

    #[test]
    fn no_migration_ends_its_own_transaction() {
        for migration in MIGRATIONS {
            let sql = migration.sql.to_uppercase();
            let forbidden = ["COMMIT", "ROLLBACK", "CONCURRENTLY", "BEGIN"];
            assert!(
                !forbidden.iter().any(|word| sql.split_whitespace().any(|found| found.trim_end_matches(';') == *word)),
                "{}",
                migration.name
            );
        }
    }
}
