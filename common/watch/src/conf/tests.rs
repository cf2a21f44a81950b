use super::*;
use std::time::Duration;

fn file(text: &str) -> File {
    File::parse(Path::new("p.toml"), text.to_owned()).unwrap()
}

fn told(file: &File) -> Vec<String> {
    file.mistakes().iter().map(|mistake| format!("{mistake} ({})", mistake.hint.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn what_is_right_is_read() {
    let file = file(
        "[profile]\nname = \"a\"\nversion = 1\nhome = true\nevery = \"15s\"\nlist = [\"x\", \"y\"]\nratio = 0.5\nsize = \"fast\"\n\n[probe.one]\nkind = \"json\"\nmetrics = { busy = \".a\", n = 3 }\n[probe.two]\nkind = \"http\"\n\n[[check]]\nid = \"a\"\nwarn = \"> 80\"\ncrit = 90\nvalue = \"busy / 2\"\n[[check]]\nid = \"b\"\n",
    );
    let root = file.root();
    let profile = root.table("profile").unwrap();
    assert_eq!((profile.text("name").unwrap().value, profile.count("version").unwrap().value), ("a".to_owned(), 1));
    assert!(profile.switch("home").unwrap().value);
    assert_eq!(profile.duration("every").unwrap().value, Duration::from_secs(15));
    assert_eq!(profile.texts("list").unwrap().iter().map(|text| text.value.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((profile.number("ratio").unwrap().value, profile.word("size", &["fast", "slow"]).unwrap().value), (0.5, "fast"));
    let probes = root.named_tables("probe");
    assert_eq!(
        probes.iter().map(|(name, table)| (name.value, table.text("kind").unwrap().value)).collect::<Vec<_>>(),
        [("one", "json".into()), ("two", "http".into())]
    );
    let metrics = probes[0].1.pairs("metrics").unwrap();
    assert_eq!(metrics.iter().map(|(name, text)| format!("{}={}", name.value, text.value)).collect::<Vec<_>>(), ["busy=.a", "n=3"]);
    let checks = root.tables("check");
    assert_eq!(checks[0].threshold("warn").unwrap().to_string(), "> 80");
    assert_eq!(checks[0].threshold("crit").unwrap().to_string(), "90");
    assert_eq!(checks[0].expr("value").unwrap().names(), ["busy"]);
    assert_eq!(checks.iter().filter_map(|check| check.text("id")).map(|id| id.value).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(profile.text("absent"), None);
    file.finish().unwrap();
}

#[test]
fn every_mistake_has_its_place_and_remedy() {
    let file = file(
        "[profile]\nname = 3\nvresion = 1\nevery = \"soon\"\nsize = \"fats\"\ncount = -1\nlist = [1]\n\n[[check]]\nwarn = \"> 3 4\"\n",
    );
    let profile = file.root().table("profile").unwrap();
    let (name, version) = (profile.text("name"), profile.count("version"));
    profile.required("name", name);
    profile.required("version", version);
    profile.duration("every");
    profile.word("size", &["fast", "slow"]);
    profile.count("count");
    profile.texts("list");
    for check in file.root().tables("check") {
        check.required("id", check.text("id"));
        check.threshold("warn");
    }
    assert_eq!(
        told(&file),
        [
            "p.toml:1:1: profile has no version (add version = ...)",
            "p.toml:2:8: name is a number, and not a text in quotes (give a text in quotes)",
            "p.toml:3:1: vresion is not known in profile (did you mean version?)",
            "p.toml:4:9: every is 'soon', and not a time (write 500ms, 15s, 5m, 24h or 30d)",
            "p.toml:5:8: size is 'fats' (did you mean fast?)",
            "p.toml:6:9: count is -1, and not a whole number from 0 on (give a whole number)",
            "p.toml:7:9: list holds a number, and not only texts (give a list of texts in quotes)",
            "p.toml:9:1: check has no id (add id = ...)",
            "p.toml:10:13: an operator is missing here (join the parts with and, or, or a comparison)",
        ]
    );
    let failure = file.finish().unwrap_err();
    assert_eq!(failure.class, Class::Config);
    assert!(failure.message.starts_with("p.toml has 9 mistakes\np.toml:1:1: "), "{}", failure.message);
}

#[test]
fn a_single_mistake_is_the_failure() {
    let file = file("a = 1\n");
    let failure = file.finish().unwrap_err();
    assert_eq!((failure.message.as_str(), failure.hint.as_deref()), ("p.toml:1:1: a is not known", Some("there are none")));
    let broken = File::parse(Path::new("p.toml"), "[profile\nx".into()).unwrap_err();
    assert!(broken.message.starts_with("p.toml:1:9: ") && broken.class == Class::Config, "{broken}");
}

#[test]
fn what_belongs_to_others_is_left() {
    let file = file("[sink.slack]\nurl = \"x\"\n[[rule]]\nid = \"a\"\n[other]\na = 1\n");
    file.root().leave("sink");
    file.root().leave("rule");
    assert_eq!(told(&file), ["p.toml:5:2: other is not known (there are rule, sink)"]);
}

#[test]
fn variables_are_filled_in() {
    let file = file("[vars]\nBASE = \"http://localhost\"\nHEALTH = \"${BASE}/health\"\nEMPTY = \"\"\nBROKEN = \"${BASE\"\n");
    let vars = Vars::read(&file.root(), Box::new(|name| (name == "NOTION_TOKEN" || name == "PORT").then(|| "81234".to_owned())));
    let expand = |text: &str| vars.expand(text).map(|done| done.map_err(|unset| unset.to_string()));
    assert_eq!(expand("${HEALTH}?p=${PORT}"), Ok(Ok("http://localhost/health?p=81234".into())));
    assert_eq!(expand("${EMPTY} ${NONE}"), Ok(Err("EMPTY, NONE are not set".into())));
    assert_eq!(expand("cost $5 $${BASE}"), Ok(Ok("cost $5 ${BASE}".into())));
    assert!(expand("${BASE").is_err() && expand("${a b}").is_err());
    assert_eq!(told(&file), ["p.toml:5:10: this ${ has no } (write ${NAME}, and $${ for ${ itself)"]);
}

#[test]
fn texts_are_filled_in_as_they_are_read_and_what_is_not_set_is_no_mistake() {
    let file = file("[vars]\nA = \"80\"\n[c]\nwarn = \"> ${A}\"\ncrit = \"> ${B}\"\nlist = [\"${A}\", \"${C}\"]\n");
    file.fill(Box::new(|_| None));
    let table = file.root().table("c").unwrap();
    assert_eq!(table.threshold("warn").unwrap().to_string(), "> 80");
    assert_eq!(file.take_unset(), Vec::<String>::new());
    assert!(table.threshold("crit").is_none() && table.texts("list").unwrap().len() == 1);
    assert_eq!(file.take_unset(), ["B", "C"]);
    assert_eq!(told(&file), Vec::<String>::new());
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    assert!(File::read(&path).unwrap_err().message.contains("there is no such file"));
    for (text, place) in [(&b"a = \"\xff\""[..], "1:6"), (b"a = 1\nb = \"\xc3\xa9\xe9\"\n", "2:7"), (b"\xff\xfea\0", "1:1")] {
        std::fs::write(&path, text).unwrap();
        let message = File::read(&path).unwrap_err().message;
        assert!(message.ends_with(&format!("none.toml:{place}: this is not UTF-8")), "{message}");
    }
    std::fs::write(&path, "\u{feff}# comment\n").unwrap();
    File::read(&path).unwrap().finish().unwrap();
}

#[test]
fn a_profile_that_is_no_file_is_not_said_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("config/profiles");
    std::fs::create_dir_all(profiles.join("folder.toml")).unwrap();
    let settings = folder.path().join("config/nightly.env");
    std::fs::write(&settings, "").unwrap();
    let settings = ml_common::settings::Settings::load(Some(&settings), &[], &|_| None).unwrap();
    let said = |name: &str| profile_path(Some(name), &settings).unwrap_err().message;
    assert!(said("folder").ends_with("folder.toml cannot be read: it is no file"), "{}", said("folder"));
    assert!(said("other").starts_with("there is no profile other in "), "{}", said("other"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", profiles.join("link.toml")).unwrap();
        assert!(said("link").contains("link.toml cannot be read: No such file"), "{}", said("link"));
    }
}
