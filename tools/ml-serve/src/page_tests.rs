//! The page says what is so, and nothing of a record becomes markup.

use super::*;
use crate::keep::Keep;
use ml_common::record::{Body, Head, Record};
use std::time::{Duration, Instant};

fn shown(records: &[(Status, Check)]) -> String {
    let mut keep = Keep::new(Duration::from_secs(1000));
    let now = Instant::now();
    for (status, check) in records {
        let word = |word: &str| format!("{word}{}", check.labels.get("suffix").map(ToString::to_string).unwrap_or_default());
        let head = Head {
            v: 1,
            tool: word("ml-health"),
            stage: "s".into(),
            system: word("lab"),
            run: word("r-1"),
            ts: "2025-01-08T02:00:00.000Z".into(),
            host: word("h"),
            status: *status,
        };
        keep.take(&Record { head, body: Body::Check(check.clone()) }, now);
    }
    html(&Picture::of(&keep, "2025-01-08T02:03:00Z".parse().unwrap(), now, Duration::from_secs(60)))
}

#[test]
fn a_bad_check_shows_what_to_do_and_a_good_one_only_itself() {
    let check = |id: &str| Check {
        id: id.into(),
        value: Some(95.5.into()),
        unit: Some("%".into()),
        warn: Some("> 80".into()),
        summary: format!("the pool of {id} is nearly used up"),
        hint: Some(format!("raise {id}")),
        evidence: vec!["session 1".into(), "session 2".into()],
        ..Check::default()
    };
    let page = shown(&[(Status::Warn, check("pool")), (Status::Ok, check("cache"))]);
    for text in
        ["<b>warn</b> one thing is not well", "raise pool", "value 95.5%", "session 1\nsession 2", "3 min ago", "1 warn \u{b7} 1 ok"]
    {
        assert!(page.contains(text), "{text} in\n{page}");
    }
    assert!(!page.contains("raise cache"), "{page}");
    assert!(page.find("the pool of pool") < page.find("the pool of cache"));
    assert!(page.contains("new &rarr; warn"));
}

#[test]
fn nothing_of_a_record_becomes_markup() {
    let evil = "<script>alert(1)</script>\"'&<img src=x onerror=y>\u{202e}\u{1b}[2J";
    let check = Check {
        id: evil.into(),
        value: Some(evil.into()),
        unit: Some(evil.into()),
        warn: Some(evil.into()),
        crit: Some(evil.into()),
        summary: evil.into(),
        hint: Some(evil.into()),
        error_class: Some(evil.into()),
        blocked_by: Some(evil.into()),
        evidence: vec![evil.into(), "</pre>".into()],
        labels: [("suffix".to_owned(), evil.into())].into(),
        ..Check::default()
    };
    let page = shown(&[(Status::Crit, check.clone()), (Status::Ok, Check { id: "other".into(), summary: String::new(), ..check })]);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}') && !page.contains('\u{1b}'), "{page}");
    assert_eq!(page.matches("</pre>").count(), page.matches("<pre").count(), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
}

#[test]
fn a_page_without_records_says_so() {
    let page = shown(&[]);
    assert!(page.contains("<b>unknown</b> no record has come yet"), "{page}");
    assert!(!page.contains("Last changes"), "{page}");
}
