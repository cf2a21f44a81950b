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
fn a_rule_is_known_by_its_name() {
    let rule = "[[rule]]\nname = \"a\"\nid = \"*\"\n";
    let told = Rules::parse(&format!("{rule}{rule}")).unwrap_err().for_people();
    assert!(told.contains("rules.toml:4:1: there are two rules a"), "{told}");
    let told = Rules::parse(&format!("{rule}inhibited_by = \"aa\"\n")).unwrap_err().for_people();
    assert!(told.contains("rules.toml:4:") && told.contains("there is no rule aa") && told.contains("hint: there are a"), "{told}");
}
