//! Names, sizes and statements: what is decided before anything is done.

use jiff::{SignedDuration, Timestamp};
use ml_common::files::name_stamp;
use ml_dump::{Archive, name, quoted};
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest name of a database, in bytes.
const LONGEST_NAME: usize = 63;

/// Somebody may still be at work in a younger scratch database.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// Rows as text that a server loads in a second, its indexes included; a cautious figure for a single core, as long as nothing is known of
/// this one.
const LOAD_RATE: u64 = 15 << 20;

/// As much of `name` as leaves room for `suffix`, and the suffix.
fn with_suffix(name: &str, suffix: &str) -> String {
    let mut end = name.len().min(LONGEST_NAME.saturating_sub(suffix.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

fn stamp(at: Timestamp) -> String {
    name_stamp(at).replace('-', "_")
}

/// The name of a scratch database: `mathledger_scratch_20250108_020000_1f3a9c02`.
pub fn scratch(system: &str, at: Timestamp, unique: u32) -> String {
    with_suffix(system, &format!("_scratch_{}_{unique:08x}", stamp(at)))
}

/// When the scratch database of that name was made; `None` when it is none of this system's.
pub fn scratch_made(system: &str, database: &str) -> Option<Timestamp> {
    let (before, unique) = database.rsplit_once('_')?;
    let unique = u32::from_str_radix(unique, 16).ok()?;
    let at = before.len().checked_sub(15).and_then(|start| before.get(start..)).and_then(name::stamp)?;
    (scratch(system, at, unique) == database).then_some(at)
}

/// Whether `database` is a scratch database that a killed run of this system left more than a day ago.
pub fn is_stale_scratch(system: &str, database: &str, now: Timestamp) -> bool {
    scratch_made(system, database).is_some_and(|at| now.duration_since(at) > STALE)
}

/// What a database is called that stands aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// The new one while it is loaded: `DB_restore_20250108_020000`.
    New,
    /// The old one after the swap: `DB_old_20250108_020000`.
    Old,
}

impl Aside {
    /// The name beside `database`.
    pub fn name(self, database: &str, at: Timestamp) -> String {
        let word = match self {
            Aside::New => "restore",
            Aside::Old => "old",
        };
        with_suffix(database, &format!("_{word}_{}", stamp(at)))
    }

    /// The database that `name` stands aside of, as far as its name is known, and what it is; for a name in the form of ours.
    pub fn of(name: &str) -> Option<(&str, Aside)> {
        let (before, at) = name.split_at_checked(name.len().checked_sub(15)?)?;
        name::stamp(at)?;
        let kinds = [("_restore_", Aside::New), ("_old_", Aside::Old)];
        kinds.into_iter().find_map(|(word, aside)| Some((before.strip_suffix(word).filter(|of| !of.is_empty())?, aside)))
    }

    /// What `name` is beside `database`, if anything of ours.
    pub fn parse(database: &str, name: &str) -> Option<Aside> {
        let at = name.len().checked_sub(15).and_then(|start| name.get(start..)).and_then(name::stamp)?;
        [Aside::New, Aside::Old].into_iter().find(|aside| aside.name(database, at) == name)
    }
}

/// The first second from `at` on whose names are free beside `database`: `taken` has what earlier restores left.
pub fn free_second(database: &str, at: Timestamp, taken: &[String]) -> Timestamp {
    let is_free = |at: &Timestamp| ![Aside::New, Aside::Old].iter().any(|aside| taken.contains(&aside.name(database, *at)));
    let later = |seconds: i64| at.checked_add(SignedDuration::from_secs(seconds)).ok();
    (0..).map_while(later).find(is_free).unwrap_or(at)
}

/// The new database takes the name, in one transaction: at no moment is neither there, however the server or this process ends.
pub fn swap(database: &str, new: &str, old: Option<&str>) -> String {
    let rename = |from: &str, to: &str| format!("ALTER DATABASE {} RENAME TO {};", quoted(from), quoted(to));
    let away = old.map(|old| rename(database, old)).unwrap_or_default();
    format!("BEGIN; {away} {} COMMIT", rename(new, database))
}

/// Room that the new database is going to take: what it took when it was dumped (or the old one takes now), or, when that is less, three times
/// its rows as text, which indexes and page heads do not exceed; a bloated database restores smaller.
pub fn needed(known: Option<u64>, text_bytes: Option<u64>) -> Option<u64> {
    let by_text = text_bytes.map(|bytes| (32 << 20) + bytes.saturating_mul(3));
    match (known, by_text) {
        (Some(known), Some(by_text)) => Some(known.min(by_text)),
        (known, by_text) => known.or(by_text),
    }
}

/// How long loading is going to take, roughly.
pub fn load_time(text_bytes: u64, rate: Option<u64>) -> Duration {
    Duration::from_secs(2 + text_bytes / rate.unwrap_or(LOAD_RATE).max(1))
}

/// The roles that a server needs for this archive: those that policies are for, and, as they cost nothing, the owners.
pub fn roles(archive: &Archive) -> BTreeSet<String> {
    let policies = archive.entries.iter().filter(|entry| entry.desc == "POLICY").flat_map(|entry| policy_roles(&entry.defn));
    archive.owners().into_iter().map(str::to_owned).chain(policies).collect()
}

/// The roles of `CREATE POLICY p ON t FOR ALL TO a, "b c" USING (...)`.
fn policy_roles(statement: &str) -> Vec<String> {
    let ends = [" USING (", " WITH CHECK ("].into_iter().filter_map(|end| statement.find(end)).min();
    let head = &statement[..ends.unwrap_or(statement.len())];
    let Some((_, list)) = head.rsplit_once(" TO ") else { return Vec::new() };
    let names = list.trim_end_matches([';', '\n']).split(", ").map(str::trim);
    let bare = |name: &str| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_owned(),
    };
    names.map(bare).filter(|name| !name.is_empty() && name != "PUBLIC").collect()
}

/// The argument of `pg_restore --dbname`: a connection string, so that a name with an equals sign is not taken for one.
pub fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2025-01-08T02:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_scratch_database_is_recognised_by_its_system_alone() {
        let name = scratch("mathledger", at(), 0x1f3a_9c02);
        assert_eq!(name, "mathledger_scratch_20250108_020000_1f3a9c02");
        let (later, soon) = (at() + SignedDuration::from_hours(25), at() + SignedDuration::from_hours(23));
        assert!(is_stale_scratch("mathledger", &name, later));
        assert!(!is_stale_scratch("mathledger", &name, soon));
        assert!(!is_stale_scratch("mathledger", &name, at() - SignedDuration::from_hours(99)));
        assert!(!is_stale_scratch("ledger", &name, later));
        for other in [
            "mathledger",
            "mathledger_scratch",
            "mathledger_scratch_20250108_020000",
            "mathledger_scratch_20250108_020000_1f3a9c0",
            "mathledger_scratch_20250108_020000_1F3A9C02",
            "mathledger_scratch_2025010_8020000_1f3a9c02",
            "x_mathledger_scratch_20250108_020000_1f3a9c02",
            "mathledger_old_20250108_020000",
            "é_1f3a9c02",
            "",
        ] {
            assert!(!is_stale_scratch("mathledger", other, later), "{other}");
        }
    }

    #[test]
    fn names_fit_however_long_the_database_is() {
        let long = "ä".repeat(31);
        for name in [scratch(&long, at(), 7), Aside::New.name(&long, at()), Aside::Old.name(&long, at())] {
            assert!(name.len() <= 63, "{name}");
        }
        assert!(is_stale_scratch(&long, &scratch(&long, at(), 7), at() + SignedDuration::from_hours(48)));
        assert_eq!(Aside::parse(&long, &Aside::Old.name(&long, at())), Some(Aside::Old));
    }

    #[test]
    fn two_restores_in_a_second_have_names_of_their_own() {
        let taken = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(free_second("db", at(), &taken(&["db_old_20250108_015959", "other_old_20250108_020000"])), at());
        let later = free_second("db", at(), &taken(&["db_old_20250108_020000", "db_restore_20250108_020001"]));
        assert_eq!(Aside::New.name("db", later), "db_restore_20250108_020002");
    }

    #[test]
    fn what_stands_aside_is_recognised() {
        assert_eq!(Aside::parse("db", "db_old_20250108_020000"), Some(Aside::Old));
        assert_eq!(Aside::parse("db", "db_restore_20250108_020000"), Some(Aside::New));
        for other in [
            "db",
            "db_old",
            "db_old_20250108",
            "db_older_20250108_020000",
            "db2_old_20250108_020000",
            "db_old_20250108_020000_x",
            "db_old_20251308_020000",
        ] {
            assert_eq!(Aside::parse("db", other), None, "{other}");
        }
        assert_eq!(Aside::parse("db_old_20250108_020000", "db_old_20250108_020000"), None);
        assert_eq!(Aside::of("db_old_20250108_020000"), Some(("db", Aside::Old)));
        assert_eq!(Aside::of("a_old_b_restore_20250108_020000"), Some(("a_old_b", Aside::New)));
        for other in ["_old_20250108_020000", "db_old_20251308_020000", "db_older_20250108_020000", "db", "20250108_020000"] {
            assert_eq!(Aside::of(other), None, "{other}");
        }
    }

    #[test]
    fn the_swap_is_one_transaction() {
        let both = "BEGIN; ALTER DATABASE \"a\" RENAME TO \"a_old\"; ALTER DATABASE \"b\"\"x\" RENAME TO \"a\"; COMMIT";
        assert_eq!(swap("a", "b\"x", Some("a_old")), both);
        assert_eq!(swap("a", "b", None), "BEGIN;  ALTER DATABASE \"b\" RENAME TO \"a\"; COMMIT");
    }

    #[test]
    fn room_and_time_are_estimated() {
        const GIB: u64 = 1 << 30;
        assert_eq!(needed(Some(GIB), Some(GIB)), Some(GIB));
        assert_eq!(needed(Some(100 * GIB), Some(GIB)), Some(3 * GIB + (32 << 20)));
        assert_eq!((needed(Some(7), None), needed(None, None)), (Some(7), None));
        assert_eq!(load_time(0, Some(0)), Duration::from_secs(2));
        assert_eq!(load_time(150 << 20, None), Duration::from_secs(12));
        assert_eq!(load_time(150 << 20, Some(50 << 20)), Duration::from_secs(5));
    }

    #[test]
    fn policies_name_their_roles() {
        let roles = policy_roles("CREATE POLICY p ON public.t FOR SELECT TO app, \"it\"\"s me\" USING ((a > 0));\n");
        assert_eq!(roles, ["app", "it\"s me"]);
        assert_eq!(policy_roles("CREATE POLICY p ON public.t TO app WITH CHECK (true);\n"), ["app"]);
        assert_eq!(policy_roles("CREATE POLICY p ON public.t TO app;\n"), ["app"]);
        assert_eq!(policy_roles("CREATE POLICY p ON public.t USING ((a = ' TO x'::text));\n"), Vec::<String>::new());
    }

    #[test]
    fn a_name_is_never_taken_for_a_connection_string() {
        assert_eq!(conninfo("a=b c'd\\e"), "dbname='a=b c\\'d\\\\e'");
    }
}
