use super::*;

fn table(filters: &[(&str, &str)]) -> Vec<(String, String)> {
    filters.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn filtered(document: &str, filters: &[(&str, &str)]) -> Filtered {
    Filters::compile(&table(filters)).unwrap().run(document.into(), "it", Duration::from_secs(20)).unwrap()
}

#[test]
fn numbers_words_and_truths_are_taken_and_nothing_else() {
    let document = r#"{"pool": {"busy": 3, "total": 10}, "ratio": 94.75, "status": "ok", "ready": true, "none": null, "big": 12345678901234567890,
        "endpoints": [{"name": "prove", "p95": 245.5}, {"name": "health", "p95": 3}], "nan": NaN}"#;
    let seen = filtered(
        document,
        &[
            ("busy", ".pool.busy"),
            ("used", ".pool | .busy / .total * 100"),
            ("ratio", ".ratio"),
            ("status", ".status"),
            ("ready", ".ready"),
            ("none", ".none"),
            ("absent", ".nowhere.at.all"),
            ("nothing", "empty"),
            ("big", ".big"),
            ("nan", ".nan"),
            ("p95", r#".endpoints[] | select(.name | contains("prove")) | .p95"#),
            ("endpoints", ".endpoints | length"),
            ("slowest", "[.endpoints[].p95] | max"),
            ("list", ".endpoints"),
            ("object", ".pool"),
            ("wrong", ".status - 1"),
        ],
    );
    let expected = [
        ("busy", Scalar::Int(3)),
        ("used", Scalar::Float(30.0)),
        ("ratio", Scalar::Float(94.75)),
        ("status", Scalar::Text("ok".into())),
        ("ready", Scalar::Bool(true)),
        ("big", Scalar::Float(12_345_678_901_234_567_890.0)),
        ("p95", Scalar::Float(245.5)),
        ("endpoints", Scalar::Int(2)),
        ("slowest", Scalar::Float(245.5)),
    ];
    assert_eq!(seen.values, expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let unfit: Vec<&str> = seen.unfit.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(unfit, ["list", "object", "wrong"]);
    assert!(!seen.unfit.concat().contains("ok"), "the document is not quoted: {:?}", seen.unfit);
}

#[test]
fn a_wrong_filter_is_found_when_it_is_compiled() {
    for (text, said) in [
        (".a | ", "term expected at its end"),
        (".a | lenght", "there is no filter lenght"),
        ("$x", "there is no variable $x"),
        (".a ) + 1", "expected at character 4"),
        ("", "expected at its end"),
        (r#""unended"#, "expected"),
        (r#"import "a" as a; ."#, "expected"),
        (".a)] catch 0), (try [first(.b", "expected"),
        ("halt", "there is no filter halt"),
        ("env", "there is no filter env"),
        ("input", "there is no filter input"),
    ] {
        let failure = Filters::compile(&table(&[("first", ".a # said"), ("busy", text), ("last", "def f: 1; f")]))
            .err()
            .unwrap_or_else(|| panic!("{text} is accepted"));
        assert_eq!(failure.class, Class::Config);
        assert!(failure.message.contains("of busy") && failure.message.contains(said), "{text}: {}", failure.message);
    }
}

#[test]
fn what_is_not_json_is_told_with_its_place_and_without_its_text() {
    let filters = Filters::compile(&table(&[("a", ".a")])).unwrap();
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    for (document, said) in [
        ("<html>secret</html>", "line 1, column 1"),
        ("", "line 1, column 0"),
        ("{\"a\": 1,\n  secret}", "line 2, column 3"),
        ("{\"a\": 1} {}", "line 1, column 10"),
        (deep.as_str(), "more than 128 deep"),
    ] {
        let failure = filters.run(document.into(), "the answer", Duration::from_secs(20)).unwrap_err();
        assert!(failure.message.starts_with("the answer is not JSON: ") && failure.message.contains(said), "{failure}");
        assert!(!failure.message.contains("secret"));
    }
    assert_eq!(depth(br#"{"a\"[[": [1, {"b]": 2}]}"#), 3);
}

#[test]
fn an_endless_filter_is_left_behind_and_not_started_again() {
    let filters = Filters::compile(&table(&[("a", "last(range(0; 1e9))")])).unwrap();
    let first = filters.run("1".into(), "it", Duration::from_millis(50)).unwrap_err();
    assert!(first.message.contains("do not end within 0.05 s"), "{first}");
    let second = filters.run("1".into(), "it", Duration::from_millis(50)).unwrap_err();
    assert!(second.message.contains("still at work"), "{second}");
}
