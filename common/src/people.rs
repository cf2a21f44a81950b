//! What people see: the table on a terminal, the question, the progress line, the log on stderr.

use crate::failure::{Class, Failure, OrFail, Result};
use crate::platform;
use crate::record::{Body, Check, Record, Status, Step};
use crate::redact;
use crate::signal::{Cancel, POLL};
use std::borrow::Cow;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::sync::mpsc;

/// A record as lines of a table; None for what a person need not see.
pub fn render(record: &Record, colour: bool) -> Option<String> {
    let tool = record.head.tool.trim_start_matches("ml-");
    let status = record.head.status;
    let line = |id: &str, text: &str| {
        let words = format!("{tool:<8} {id:<28} {text}");
        format!("{} {}", word(status, colour), printable(&words)).trim_end().to_owned()
    };
    Some(match &record.body {
        Body::Start(_) => return None,
        Body::Check(check) => {
            let mut text = with_hint(line(&check.id, &check_text(check)), status, check.hint.as_deref());
            check.evidence.iter().for_each(|row| text.push_str(&format!("\n{:8}| {}", "", printable(row))));
            text
        }
        Body::Step(step) => with_hint(line(&step.id, &step_text(step)), status, step.hint.as_deref()),
        Body::Statement(statement) => line(statement.rule.as_deref().unwrap_or(""), &statement.statement),
        Body::Alert(alert) => {
            let reason = alert.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let fate = format!("{:?}", alert.fate).to_lowercase();
            // What was kept back from everybody has no sink.
            let to = if alert.sink.is_empty() { String::new() } else { format!(" to {}", alert.sink) };
            let mut text = with_hint(line(&alert.id, &format!("{fate}{to}{reason}")), status, alert.hint.as_deref());
            for part in [&alert.summary].into_iter().chain(&alert.payload).filter(|part| !part.is_empty()) {
                text.push_str(&format!("\n{}", printable_lines(part)));
            }
            text
        }
        Body::End(end) => {
            let took = format!("{:.1} s", end.duration_ms as f64 / 1000.0);
            let said = [end.summary.as_str(), end.reason.as_deref().unwrap_or_default()];
            let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
            let text = if said.is_empty() { took } else { format!("{} ({took})", said.join("; ")) };
            with_hint(line("", &text), status, end.hint.as_deref())
        }
    })
}

/// Text from elsewhere (a server, another program, a record) as one line that is safe to show: control characters could erase, recolour or
/// forge lines on a terminal, and so could marks that turn the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if harmful(c) => '\u{fffd}',
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// The same for a text whose lines are meant.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn check_text(check: &Check) -> String {
    let unit = check.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    match (&check.value, check.summary.is_empty()) {
        (Some(value), true) => format!("{value}{unit}"),
        _ => check.summary.clone(),
    }
}

fn step_text(step: &Step) -> String {
    if !step.summary.is_empty() {
        return step.summary.clone();
    }
    let mut parts = Vec::new();
    parts.extend(step.rows.map(|rows| format!("{rows} rows")));
    parts.extend(step.bytes.map(human_bytes));
    parts.extend(step.metrics.iter().map(|(name, value)| format!("{name} {value}")));
    parts.extend(step.reason.clone());
    parts.extend(step.path.clone());
    parts.join(", ")
}

fn with_hint(mut text: String, status: Status, hint: Option<&str>) -> String {
    if let Some(hint) = hint.filter(|_| status != Status::Ok) {
        text.push_str(&format!("\n{:8}hint: {}", "", printable(hint)));
    }
    text
}

fn word(status: Status, colour: bool) -> String {
    let code = match status {
        Status::Ok => "32",
        Status::Warn => "33",
        Status::Crit => "31",
        Status::Unknown => "35",
        Status::Skipped | Status::Planned => "36",
    };
    let name = format!("{:<7}", status.name());
    if colour { format!("\x1b[{code}m{name}\x1b[0m") } else { name }
}

/// `1 proof`, `2 proofs`; `what` takes its plural with an s.
pub fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// 1536 as `1.5 KiB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Whether output for people may have colour.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Asks a yes-or-no question on the person's terminal, never on standard input, which may be a stream.
///
/// # Errors
/// Class Usage when there is no terminal to ask on; Interrupted or Terminated when a signal arrives in place of an answer.
pub fn ask(question: &str, cancel: &Cancel) -> Result<bool> {
    let no_terminal = |error| Failure::new(Class::Usage, format!("cannot ask, as there is no terminal: {error}"));
    let (input, mut output) = platform::terminal().map_err(no_terminal)?;
    write!(output, "{} [y/N] ", printable_lines(question)).and_then(|()| output.flush()).or_fail(Class::General, || "asking")?;
    let answer = answer(input, cancel)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The next line of a terminal, or the signal that comes before it.
fn answer(input: impl Read + Send + 'static, cancel: &Cancel) -> Result<String> {
    let (tell, told) = mpsc::sync_channel(1);
    // Reading cannot be called off: after a signal it is left behind.
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = BufReader::new(input).read_line(&mut text);
        // Nobody listens any more after a signal.
        let _ = tell.send(read.map(|_| text));
    });
    loop {
        let heard = told.recv_timeout(POLL);
        cancel.check()?;
        match heard {
            Ok(read) => return read.or_fail(Class::General, || "reading the answer"),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Failure::new(Class::Internal, "the question was not heard out")),
        }
    }
}

/// A progress line on stderr, shown on a terminal only. `total` in units of the work, when it is known.
pub fn progress(doing: impl Into<Cow<'static, str>>, total: Option<u64>) -> indicatif::ProgressBar {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {percent}% {human_pos}/{human_len} {rate} {eta}",
        None => "{spinner} {msg} {human_pos} {rate} {elapsed}",
    };
    let bar = total.map_or_else(indicatif::ProgressBar::new_spinner, indicatif::ProgressBar::new);
    if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", rate));
    }
    bar.with_message(doing)
}

/// Whole units a second: more figures would say nothing.
fn rate(state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write) {
    let _ = write!(out, "{}/s", indicatif::HumanCount(state.per_sec() as u64));
}

/// A line on stderr that something is at work, and for how long; on a terminal only, and gone when it is dropped.
pub fn waiting(doing: &'static str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar.with_message(doing)
}

/// The same with the size of a file that somebody else is writing, and how fast it grows.
pub fn growing(doing: &'static str, file: std::path::PathBuf) -> indicatif::ProgressBar {
    let bar = waiting(doing);
    let written = move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
        let bytes = std::fs::metadata(&file).map_or(0, |meta| meta.len());
        let speed = bytes as f64 / state.elapsed().as_secs_f64().max(0.1);
        let _ = write!(out, "{}, {}/s", human_bytes(bytes), human_bytes(speed as u64));
    };
    if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {msg} {elapsed}: {written}") {
        bar.set_style(style.with_key("written", written));
    }
    bar
}

/// The same with an amount of bytes, of about `total`: how fast it goes and how long it is going to take.
pub fn amount(doing: &'static str, total: u64) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(total);
    let template = "{spinner} {msg} {elapsed}: {bytes} of about {total_bytes}, {bytes_per_sec}, about {eta} left";
    if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar.with_message(doing)
}

/// Sends `log` to stderr, scrubbed of secrets: warnings and errors always, the rest with `--verbose`.
pub fn log_to_stderr(tool: &'static str, verbose: bool) {
    struct Stderr(&'static str);
    impl log::Log for Stderr {
        fn enabled(&self, meta: &log::Metadata<'_>) -> bool {
            // Libraries speak up only when something is wrong; their chatter can hold addresses and statements.
            meta.target().starts_with("ml_") || meta.level() <= log::Level::Warn
        }
        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                let text = record.args().to_string();
                // Nobody is left to tell when stderr is gone.
                let _ = writeln!(std::io::stderr(), "{}: {}", self.0, printable_lines(&redact::scrub(&text)));
            }
        }
        fn flush(&self) {}
    }
    log::set_max_level(if verbose { log::LevelFilter::Debug } else { log::LevelFilter::Warn });
    let _ = log::set_boxed_logger(Box::new(Stderr(tool)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Alert, Head};

    #[test]
    fn what_was_kept_back_from_everybody_names_no_sink() {
        let shown = |sink: &str| {
            let head =
                r#"{"v":1,"kind":"alert","tool":"ml-alert","stage":"s","system":"s","run":"r","ts":"t","host":"h","status":"skipped""#;
            let record = format!("{head},\"id\":\"a\",\"sink\":\"{sink}\",\"fate\":\"suppressed\",\"reason\":\"quiet\"}}");
            render(&serde_json::from_str(&record).unwrap(), false).unwrap()
        };
        assert!(shown("").contains("suppressed (quiet)"), "{}", shown(""));
        assert!(shown("chat").contains("suppressed to chat (quiet)"), "{}", shown("chat"));
    }

    #[test]
    fn what_a_record_says_cannot_take_over_the_terminal() {
        let evil = "a\u{1b}[2J\nok      forged\u{9b}31m\u{202e}\r\u{7f}";
        let check =
            Check { id: evil.into(), summary: evil.into(), hint: Some(evil.into()), evidence: vec![evil.into()], ..Check::default() };
        let alert = Alert { id: evil.into(), sink: evil.into(), summary: evil.into(), ..Alert::default() };
        for (body, lines) in [(Body::Check(check), 3), (Body::Alert(alert), 3)] {
            let head = Head {
                v: 1,
                tool: evil.into(),
                stage: "s".into(),
                system: "s".into(),
                run: "r".into(),
                ts: "t".into(),
                host: "h".into(),
                status: Status::Crit,
            };
            let text = render(&Record { head, body }, false).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
            assert_eq!(text.lines().count(), lines, "{text}");
        }
        assert_eq!(printable("p \u{2192} q"), "p \u{2192} q");
    }

    #[test]
    fn a_signal_in_place_of_an_answer_ends_the_wait() {
        // The writing end stays open: no answer comes.
        let (input, _person) = std::io::pipe().unwrap();
        let cancel = Cancel::default();
        cancel.set();
        assert_eq!(answer(input, &cancel).unwrap_err().class, Class::Interrupted);
        assert_eq!(answer("Yes\nmore".as_bytes(), &Cancel::default()).unwrap(), "Yes\n");
        assert_eq!(answer("Yes\n".as_bytes(), &cancel).unwrap_err().class, Class::Interrupted, "a signal is no consent");
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"), (u64::MAX, "16384.0 PiB")]
        {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
