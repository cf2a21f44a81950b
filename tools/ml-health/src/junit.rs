//! A test report in the form of JUnit's, as CI systems read it: a bad check is a failure, one that could not be made an error.

use ml_common::Status;
use ml_common::record::Check;
use ml_common::redact;

/// The report.
pub fn report(system: &str, checks: &[(Status, &Check)]) -> String {
    let count = |wanted: &[Status]| checks.iter().filter(|(status, _)| wanted.contains(status)).count();
    let seconds = |check: &Check| check.duration_ms.unwrap_or_default() as f64 / 1000.0;
    let time: f64 = checks.iter().map(|(_, check)| seconds(check)).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!(
        "<testsuites><testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{time:.3}\">\n",
        escaped(system),
        checks.len(),
        count(&[Status::Warn, Status::Crit]),
        count(&[Status::Unknown]),
        count(&[Status::Skipped, Status::Planned]),
    ));
    for (status, check) in checks {
        let name = format!("<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">", escaped(system), escaped(&check.id), seconds(check));
        text.push_str(&format!("{name}{}</testcase>\n", inner(*status, check)));
    }
    text.push_str("</testsuite></testsuites>\n");
    text
}

fn inner(status: Status, check: &Check) -> String {
    let said = escaped(&check.summary);
    let details: Vec<&str> = check.hint.iter().chain(&check.evidence).map(String::as_str).collect();
    let details = escaped(&details.join("\n"));
    match status {
        Status::Ok => format!("<system-out>{said}</system-out>"),
        Status::Warn | Status::Crit => format!("<failure type=\"{}\" message=\"{said}\">{details}</failure>", status.name()),
        Status::Unknown => format!("<error type=\"unknown\" message=\"{said}\">{details}</error>"),
        Status::Skipped | Status::Planned => format!("<skipped message=\"{said}\"/>"),
    }
}

/// Characters that XML 1.0 has no form for are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in redact::scrub(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            _ if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => {}
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_test_case() {
        let check = |id: &str, summary: &str| Check { id: id.into(), summary: summary.into(), duration_ms: Some(1500), ..Check::default() };
        let bad = Check { hint: Some("mend <it>".into()), evidence: vec!["row \u{1}& \"1\"".into()], ..check("b", "3 > 2") };
        let (fine, unknown, skipped) = (check("a", "fine"), check("c", "?"), check("d", "not set"));
        let checks = [(Status::Ok, &fine), (Status::Crit, &bad), (Status::Unknown, &unknown), (Status::Skipped, &skipped)];
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <testsuites><testsuite name=\"s\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"6.000\">\n\
            <testcase classname=\"s\" name=\"a\" time=\"1.500\"><system-out>fine</system-out></testcase>\n\
            <testcase classname=\"s\" name=\"b\" time=\"1.500\"><failure type=\"crit\" message=\"3 &gt; 2\">mend &lt;it&gt;&#10;row &amp; &quot;1&quot;</failure></testcase>\n\
            <testcase classname=\"s\" name=\"c\" time=\"1.500\"><error type=\"unknown\" message=\"?\"></error></testcase>\n\
            <testcase classname=\"s\" name=\"d\" time=\"1.500\"><skipped message=\"not set\"/></testcase>\n\
            </testsuite></testsuites>\n";
        assert_eq!(report("s", &checks), expected);
    }
}
