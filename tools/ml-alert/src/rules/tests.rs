//! The language: what the manuals and the shipped files say is read, and every mistake has its place.

use super::*;

const ALERTS: &str = include_str!("../../../../config/alerts.toml");

/// What stands in the fences of a manual.
fn examples(manual: &str) -> Vec<&str> {
    manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_examples_of_the_manuals_are_rules() {
    let mut count = 0;
    for manual in [include_str!("../../../../docs/alerts.md"), include_str!("../../../../docs/sinks.md")] {
        for example in examples(manual) {
            count += 1;
            if let Err(failure) = Rules::parse(example) {
                panic!("{}\nin:\n{example}", failure.for_people());
            }
        }
    }
    assert!(count >= 4, "{count} examples were found");
}

#[test]
fn the_manual_names_the_keys_that_a_rule_may_have() {
    let manual = include_str!("../../../../docs/alerts.md");
    let told = Rules::parse("[[rule]]\nname = \"a\"\nid = \"*\"\nxyzzy = 1\n").unwrap_err().for_people();
    let (mistake, known) = told.split_once("\nhint: there are ").unwrap();
    assert_eq!(mistake, "rules.toml:4:1: xyzzy is not known in rule");
    let table = manual.split("## `[[rule]]`").nth(1).unwrap().split("```").next().unwrap();
    let keys = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let mut keys: Vec<&str> = keys.flat_map(|cell| cell.split(", ")).map(|key| key.trim_matches(['`', ' '])).collect();
    keys.sort_unstable();
    assert_eq!(keys.join(", "), known.trim());
}

#[test]
fn the_general_rules_hold_with_every_sink_that_they_propose() {
    let plain = Rules::parse(ALERTS).unwrap_or_else(|failure| panic!("{}", failure.for_people()));
    assert_eq!((plain.sinks.len(), plain.quiet.len()), (0, 0));
    let settings =
        |line: &str| line.starts_with("#[") || line.strip_prefix('#').is_some_and(|rest| rest.contains(" = ") && !rest.starts_with(' '));
    let all: String = ALERTS.lines().map(|line| format!("{}\n", if settings(line) { &line[1..] } else { line })).collect();
    let all = Rules::parse(&all).unwrap_or_else(|failure| panic!("{}", failure.for_people()));
    assert!(all.sinks.len() >= 8 && all.quiet.len() == 1 && all.rules.len() == plain.rules.len());
}

#[test]
fn what_could_never_hold_is_a_mistake() {
    let rule = "[[rule]]\nname = \"a\"\n";
    for (text, wrong) in [
        ("[[rule]]\nname = \"\"\nid = \"*\"\n".to_owned(), "rules.toml:2:8: name is empty"),
        (format!("{rule}id = []\n"), "rules.toml:1:1: id is empty"),
        (format!("{rule}id = \"\"\n"), "rules.toml:3:6: id is empty"),
        (format!("{rule}id = [\"b\", \"\"]\n"), "rules.toml:3:12: id is empty"),
        (
            format!("{rule}id = \"*\"\nchanged = \"value\"\nresolve_when = \"value > 1\"\n"),
            "rules.toml:1:1: resolve_when says nothing of changed",
        ),
        (
            format!("{rule}id = \"*\"\nsinks = \"d\"\n[sink.d]\nkind = \"deadman\"\nurl = \"http://localhost:1/x\"\n"),
            "rules.toml:4:9: d takes no alerts",
        ),
        (
            "[sink.s]\nkind = \"slack\"\nurl = \"http://localhost:1/x\"\ntimeout = \"0s\"\n".to_owned(),
            "rules.toml:4:11: timeout is nothing",
        ),
        (
            "[sink.w]\nkind = \"webhook\"\nurl = \"http://localhost:1/x\"\nheaders = { \"X Key\" = \"abc\" }\n".to_owned(),
            "rules.toml:4:13: 'X Key' cannot be the name of a header",
        ),
        (
            "[sink.w]\nkind = \"webhook\"\nurl = \"http://localhost:1/x\"\nheaders = { X-Key = \"a\\nb: c\" }\n".to_owned(),
            "rules.toml:4:13: the header X-Key has characters that a header cannot have",
        ),
    ] {
        let told = Rules::parse(&text).unwrap_err().for_people();
        assert!(told.contains(wrong), "{text}{told}");
    }
}

#[test]
fn a_rule_is_known_by_its_name() {
    let rule = "[[rule]]\nname = \"a\"\nid = \"*\"\n";
    let told = Rules::parse(&format!("{rule}{rule}")).unwrap_err().for_people();
    assert!(told.contains("rules.toml:4:1: there are two rules a"), "{told}");
    let told = Rules::parse(&format!("{rule}inhibited_by = \"aa\"\n")).unwrap_err().for_people();
    assert!(told.contains("rules.toml:4:") && told.contains("there is no rule aa") && told.contains("hint: there are a"), "{told}");
}

#[test]
fn rules_that_would_keep_each_other_back_are_a_mistake() {
    let rule = |name: &str, by: &str| format!("[[rule]]\nname = \"{name}\"\nid = \"*\"\ninhibited_by = [{by}]\n");
    for (text, line, who) in [(rule("a", "\"a\""), 4, "a"), (rule("a", "\"b\"") + &rule("b", "\"c\"") + &rule("c", "\"a\""), 12, "c")] {
        let told = mistakes(&text);
        assert!(
            told.iter()
                .any(|said| said.starts_with(&format!("rules.toml:{line}:")) && said.contains(&format!("{who} would keep itself back"))),
            "{told:?}"
        );
    }
    Rules::parse(&(rule("a", "\"b\", \"c\"") + &rule("b", "\"c\"") + &rule("c", ""))).unwrap();
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The mistakes of a text, a line each.
fn mistakes(text: &str) -> Vec<String> {
    let failure = Rules::parse(text).expect_err("a mistake");
    assert_eq!(failure.class, ml_common::Class::Config);
    failure.message.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_shipped_rules_are_read() {
    let settings = Settings::default();
    let mut files = vec![root().join("config/alerts.toml")];
    let profiles = std::fs::read_dir(root().join("config/profiles")).unwrap().map(|entry| entry.unwrap().path());
    files.extend(profiles.filter(|path| path.extension().is_some_and(|end| end == "toml")));
    assert!(files.len() >= 6, "{files:?}");
    for file in &files {
        let rules = Rules::read(std::slice::from_ref(file), &settings);
        let rules = rules.unwrap_or_else(|failure| panic!("{}: {}", file.display(), failure.for_people()));
        assert!(!rules.rules.is_empty(), "{}", file.display());
    }
    // All of them stand side by side.
    Rules::read(&files, &settings).unwrap_or_else(|failure| panic!("{}", failure.for_people()));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "[[rule]]\nname = \"a\"\nid = \"*\"\nwhen = \"value +\"\nseverity = \"grave\"\nfro = \"2m\"\n\
                [[rule]]\nid = \"b\"\n[[rule]]\nname = \"a\"\nid = \"c\"\nof = \"5 of 3\"\nsinks = \"chat\"\ninhibited_by = \"d\"\n\
                [severity.worst]\nrespond_within = \"5m\"\n";
    let told = mistakes(text);
    for (line, what) in [
        (4, "ends too early"),
        (5, "severity"),
        (6, "fro"),
        (7, "name"),
        (9, "two rules a"),
        (12, "of is '5 of 3'"),
        (13, "no sink chat"),
        (14, "no rule d"),
        (15, "no severity worst"),
    ] {
        let place = format!("rules.toml:{line}:");
        assert!(told.iter().any(|said| said.starts_with(&place) && said.contains(what)), "{line} {what}: {told:#?}");
    }
}

#[test]
fn what_would_never_hold_or_be_overlooked_is_a_mistake() {
    for (rule, what) in [
        ("when = \"value\"", "is no condition"),
        ("when = \"delta(value) > 3\"", "asks for an earlier run"),
        ("when = \"value > 3\"\nstatus = \"crit\"", "status and when are two conditions"),
        ("absent_for = \"1h\"\nchanged = \"value\"", "changed and absent_for are two conditions"),
        ("absent_for = \"1h\"\nfor = \"5m\"", "for says nothing of what is absent"),
        ("burn = { target = 99, factor = 2, long = \"31d\", short = \"5m\" }", "no budget burns like that"),
        ("burn = { target = 100, factor = 14.4, long = \"1h\", short = \"5m\" }", "no budget burns like that"),
        ("burn = { target = 99, factor = 14.4, long = \"5m\", short = \"1h\" }", "no budget burns like that"),
        ("burn = { target = 99, factor = 14.4, long = \"1h\" }", "short"),
        ("status = \"critical\"", "no status critical"),
        ("id = \"[\"", "id"),
    ] {
        let own_id = if rule.starts_with("id") { "" } else { "id = \"a\"\n" };
        let told = mistakes(&format!("[[rule]]\nname = \"a\"\n{own_id}{rule}\n"));
        assert!(told.iter().any(|said| said.contains(what)), "{rule}: {told:#?}");
    }
    for (quiet, what) in [
        ("zone = \"Europe/Atlantis\"\nfrom = \"22:00\"\nto = \"07:00\"", "no time zone"),
        ("zone = \"UTC\"\nfrom = \"25:00\"\nto = \"07:00\"", "not a time of day"),
        ("zone = \"UTC\"\nfrom = \"22:00\"\nto = \"07:00\"\ndays = [\"monday\"]", "no day monday"),
        ("zone = \"UTC\"\nfrom = \"22:00\"", "to"),
    ] {
        let told = mistakes(&format!("[[quiet]]\n{quiet}\n"));
        assert!(told.iter().any(|said| said.contains(what)), "{quiet}: {told:#?}");
    }
}
