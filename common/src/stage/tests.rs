use super::*;
use crate::failure::Class;
use crate::fold;
use crate::record::{End, Start};
use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

/// A tool that does what the test tells it.
#[derive(clap::Parser)]
struct Fake {
    #[command(flatten)]
    common: Common,
    #[arg(long)]
    fail: bool,
    #[arg(long)]
    panic: bool,
    #[arg(long)]
    warn: bool,
    #[arg(long)]
    needs_input: bool,
    #[arg(long)]
    allow_empty: bool,
}

impl Tool for Fake {
    const NAME: &'static str = "ml-fake";
    const AFTER: After = After::Ok;
    const OUTPUTS: &'static [Output] = &[Output::Nagios];
    fn common(&self) -> &Common {
        &self.common
    }
    fn input(&self) -> InputUse {
        match (self.needs_input, self.allow_empty) {
            (true, _) => InputUse::Needed,
            (_, true) => InputUse::MayBeEmpty,
            _ => InputUse::Optional,
        }
    }
    fn act(&mut self, stage: &Stage) -> Result<Done> {
        stage.step(Status::Ok, Step { id: "worked".into(), ..Step::default() });
        if self.fail {
            return Err(Failure::new(Class::Database, "the server is gone").hint("start it"));
        }
        assert!(!self.panic, "told to");
        let status = self.warn.then_some(Status::Warn);
        Ok(Done { exit: Exit(u8::from(self.warn)), status, ..Done::ok("done") })
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the fake over `input` (None: no pipe at all) with ML_RUN as given.
fn run_fake(args: &[&str], input: Option<&str>, ml_run: Option<&'static str>) -> (u8, Vec<Record>) {
    let buffer = Buffer::default();
    let exit = run_to(Box::new(buffer.clone()), args, input, ml_run);
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    (exit, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn run_to(stdout: Box<dyn Write + Send>, args: &[&str], input: Option<&str>, ml_run: Option<&'static str>) -> u8 {
    use clap::Parser;
    let fake = Fake::parse_from(std::iter::once("ml-fake").chain(args.iter().copied()));
    let io = Io {
        stdin: Box::new(Cursor::new(input.unwrap_or_default().to_owned())),
        stdin_holds_records: input.is_some(),
        stdin_is_terminal: false,
        stdout,
        stdout_is_terminal: false,
        env: Box::new(move |name| ml_run.filter(|_| name == "ML_RUN").map(str::to_owned)),
    };
    run(fake, io, Cancel::default()).0
}

fn upstream(stage: &str, status: Status, body: Body) -> String {
    let tool = stage.split('.').next().unwrap().to_owned();
    let head = Head { v: 1, tool, stage: stage.into(), system: "s".into(), run: "up-1".into(), ts: "t".into(), host: "h".into(), status };
    Record { head, body }.to_line() + "\n"
}

fn start(stage: &str, dry_run: bool) -> String {
    upstream(stage, Status::Ok, Body::Start(Start { dry_run, ..Start::default() }))
}

fn end(stage: &str, exit: u8, status: Status) -> String {
    upstream(stage, status, Body::End(End { exit, ..End::default() }))
}

fn own_end(records: &[Record]) -> (Status, End) {
    let last = records.last().unwrap();
    let Body::End(end) = &last.body else { panic!("{last:?}") };
    (last.head.status, end.clone())
}

#[test]
fn start_work_and_end_share_run_and_stage() {
    let (exit, records) = run_fake(&[], None, None);
    let kinds: Vec<_> = records.iter().map(|r| (r.head.run.clone(), r.head.stage.clone())).collect();
    assert_eq!((exit, records.len()), (0, 3));
    assert!(kinds.iter().all(|kind| *kind == kinds[0]));
    assert_eq!(own_end(&records).1.records, 3);
}

#[test]
fn the_run_comes_from_upstream_else_from_the_environment() {
    let stream = start("ml-a.1", false) + &end("ml-a.1", 0, Status::Ok);
    for (input, ml_run, run) in [(Some(stream.as_str()), Some("env-1"), "up-1"), (None, Some("env-1"), "env-1")] {
        let (_, records) = run_fake(&[], input, ml_run);
        assert!(records.iter().all(|record| record.head.run == run), "{run}");
    }
    let (_, records) = run_fake(&[], None, None);
    assert_eq!(records[0].head.run.len(), "20250108T020000Z-3f9a1c".len());
}

#[test]
fn a_run_from_the_environment_is_a_short_name() {
    let long: &'static str = Box::leak("x".repeat(2 << 20).into_boxed_str());
    for run in ["two\nlines", long] {
        let (exit, records) = run_fake(&[], None, Some(run));
        assert_eq!((exit, own_end(&records).1.error_class.as_deref()), (78, Some("config")));
        assert!(records.iter().all(|record| record.head.run.len() < 100));
    }
}

#[test]
fn upstream_is_forwarded_after_the_own_start() {
    let stream = start("ml-a.1", false) + &end("ml-a.1", 0, Status::Ok);
    let (_, records) = run_fake(&[], Some(&stream), None);
    let tools: Vec<_> = records.iter().map(|record| record.head.tool.as_str()).collect();
    assert_eq!(tools, ["ml-fake", "ml-a", "ml-a", "ml-fake", "ml-fake"]);
}

#[test]
fn the_process_exits_with_the_worst_and_tells_its_own() {
    let bad = start("ml-a.1", false) + &end("ml-a.1", 5, Status::Crit);
    let (exit, records) = run_fake(&[], Some(&bad), None);
    assert_eq!((exit, own_end(&records).1.exit), (5, 0));
    let warned = start("ml-a.1", false) + &end("ml-a.1", 1, Status::Warn);
    for (args, code) in
        [(&[][..], 1), (&["--fail-on", "crit"], 0), (&["--warn", "--fail-on", "crit"], 0), (&["--fail", "--fail-on", "crit"], 2)]
    {
        assert_eq!(run_fake(args, Some(&warned), None).0, code, "{args:?}");
    }
}

#[test]
fn a_dead_stage_stops_the_work_and_is_seventy() {
    let dead = start("ml-a.1", false);
    let (exit, records) = run_fake(&[], Some(&dead), None);
    let (status, end) = own_end(&records);
    assert_eq!((exit, status, end.exit, end.blocked_by.as_deref()), (70, Status::Skipped, 1, Some("ml-a")));
    let (exit, records) = run_fake(&["--after", "any"], Some(&dead), None);
    assert_eq!((exit, own_end(&records).1.exit), (70, 0));
}

#[test]
fn an_input_of_another_version_alone_is_told_and_forwarded() {
    let newer = start("ml-a.1", false).replace("\"v\":1", "\"v\":2");
    let told = |input: &str| {
        let (_, records) = run_fake(&[], Some(input), None);
        records.iter().filter(|record| record.id() == Some("input")).count()
    };
    assert_eq!(told(&newer), 1);
    let (_, records) = run_fake(&[], Some(&newer), None);
    let record = records.iter().find(|record| record.id() == Some("input")).expect("told");
    assert!(crate::people::render(record, false).is_some_and(|text| text.contains("1 record of a newer version")), "{record:?}");
    // Beside what is understood it is of no interest, as a kind that was added later is.
    let ended = start("ml-a.1", false);
    assert_eq!((told(&format!("{newer}{ended}")), told(&ended), told("")), (0, 0, 0));
}

#[test]
fn silence_upstream_is_a_failure_where_something_should_have_come() {
    for (args, input, ml_run, exit) in [
        (&[][..], Some(""), None, 0),
        (&[], Some(""), Some("r"), 70),
        (&[], None, Some("r"), 0),
        (&["--needs-input"], Some(""), None, 70),
        (&["--needs-input"], None, None, 70),
        (&["--no-input"], Some(""), Some("r"), 0),
        (&["--allow-empty"], Some(""), Some("r"), 0),
        // Words are no records: whoever printed them never started as a stage.
        (&[], Some("no such option\n"), Some("r"), 70),
        (&["--needs-input"], Some("no such option\n"), None, 70),
    ] {
        let (code, records) = run_fake(args, input, ml_run);
        assert_eq!(code, exit, "{args:?} {input:?} {ml_run:?}");
        assert_eq!(records.iter().any(|record| record.id() == Some("upstream-silent")), exit == 70);
    }
    // Its own work was blocked, and a following tool learns it from the gate.
    let (_, records) = run_fake(&[], Some(""), Some("r"));
    assert_eq!(fold::fold(&records).blocked_by().as_deref(), Some("upstream-silent"));
}

#[test]
fn dry_run_is_contagious() {
    let (_, records) = run_fake(&[], Some(&start("ml-a.1", true)), None);
    assert!(matches!(&records[0].body, Body::Start(start) if start.dry_run));
    let (_, records) = run_fake(&["--dry-run"], None, None);
    assert_eq!(records[1].head.status, Status::Planned);
}

#[test]
fn what_is_no_record_becomes_a_warning() {
    let (exit, records) = run_fake(&[], Some("rubbish\n"), None);
    let (status, _) = own_end(&records);
    assert_eq!((exit, status, records[1].id()), (1, Status::Warn, Some("input")));
}

#[test]
fn words_before_the_first_record_settle_neither_run_nor_dry_run() {
    let stream = "rubbish\n".to_owned() + &start("ml-a.1", true) + &end("ml-a.1", 0, Status::Ok);
    let (exit, records) = run_fake(&[], Some(&stream), Some("env-1"));
    assert!(records.iter().all(|record| record.head.run == "up-1"), "{records:?}");
    assert!(matches!(&records[0].body, Body::Start(start) if start.dry_run), "{records:?}");
    assert_eq!((exit, records[1].id()), (1, Some("input")));
}

#[test]
fn failures_and_panics_become_an_end_record() {
    let (exit, records) = run_fake(&["--fail"], None, None);
    let (status, end) = own_end(&records);
    assert_eq!((exit, status, end.error_class.as_deref(), end.hint.as_deref()), (2, Status::Crit, Some("database"), Some("start it")));
    let (exit, records) = run_fake(&["--panic"], None, None);
    assert_eq!((exit, own_end(&records).1.error_class.as_deref()), (70, Some("internal")));
}

#[test]
fn a_missing_settings_file_fails_but_still_forwards() {
    let stream = start("ml-a.1", false) + &end("ml-a.1", 0, Status::Ok);
    let (exit, records) = run_fake(&["--config", "nowhere.env"], Some(&stream), None);
    assert_eq!((exit, records.len()), (78, 4));
}

#[test]
fn a_closed_output_neither_stops_the_work_nor_hides() {
    assert_eq!(run_to(Box::new(Closed), &[], None, None), 1);
    assert_eq!(run_to(Box::new(Closed), &["--fail"], None, None), 2);
}

#[test]
fn quiet_prints_only_what_is_not_ok() {
    let stream = start("ml-a.1", false) + &end("ml-a.1", 0, Status::Ok);
    assert_eq!(run_fake(&["--quiet"], Some(&stream), None).1.len(), 0);
    assert_eq!(run_fake(&["--quiet", "--fail"], Some(&stream), None).1.len(), 1);
}

#[test]
fn a_nagios_plugin_says_unknown_in_one_line_whatever_came_before() {
    let bad = start("ml-a.1", false) + &end("ml-a.1", 5, Status::Crit);
    for (args, exit, line) in [
        (&["--after", "any", "--output", "nagios", "--fail"][..], 3, "ML-FAKE UNKNOWN - the server is gone\n"),
        (&["--after", "any", "--output", "nagios", "--config", "nowhere.env"], 3, "ML-FAKE UNKNOWN - cannot read"),
        (&["--after", "any", "--output", "nagios", "--warn"], 1, ""),
    ] {
        let buffer = Buffer::default();
        let code = run_to(Box::new(buffer.clone()), args, Some(&bad), None);
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert!(code == exit && text.starts_with(line) && text.lines().count() <= 1, "{args:?}: {code} {text}");
    }
}

#[test]
fn a_stage_without_settings_of_its_own_takes_those_of_the_stage_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("up.env");
    std::fs::write(&file, "SYSTEM=of-upstream\n").unwrap();
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let start = |host: &str| {
        let settings = Some(file.display().to_string());
        let line = upstream("ml-a.1", Status::Ok, Body::Start(Start { settings, ..Start::default() }));
        line.replace("\"host\":\"h\"", &format!("\"host\":{}", serde_json::to_string(host).unwrap())) + &end("ml-a.1", 0, Status::Ok)
    };
    let other = folder.path().join("own.env");
    std::fs::write(&other, "SYSTEM=of-its-own\n").unwrap();
    let own = ["--config", other.to_str().unwrap()];
    for (args, host, system) in [(&[][..], host.as_str(), "of-upstream"), (&own, &host, "of-its-own"), (&[], "elsewhere", "mathledger")] {
        let (exit, records) = run_fake(args, Some(&start(host)), None);
        assert_eq!((exit, records[0].head.system.as_str()), (0, system));
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(run_fake(&[], Some(&start(&host)), None).0, 78);
}
