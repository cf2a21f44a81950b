//! The crontabs of the manuals: due when the manual says, read by cron itself, and each line run as cron runs it.

use crate::crontabs::{Line, before, lines};
use crate::pasted::ready;
use crate::well::Place;
use ml_tests::tool::bin_dir;
use ml_tests::{Cron, Output, Tool, cron, skip};
use std::path::Path;
use std::time::{Duration, Instant};

/// When the five manuals want what.
const SCHEDULES: [(&str, &str, &str); 13] = [
    ("mathledger", "0 2 * * *", "run-nightly.sh"),
    ("mathledger", "*/5 * * * *", "--only api,redis,ledger"),
    ("twzrd", "0 * * * *", "--tier fast"),
    ("twzrd", "30 1 * * *", "--only db | ml-alert"),
    ("twzrd", "0 0 * * 1", "--since 7d"),
    ("twzrd", "0 3 * * 3", "ml-vacuum"),
    ("twzrd", "0 1 * * 5", "pm2 restart all"),
    ("angles", "0 2 * * *", "ml-archive"),
    ("angles", "0 8 * * *", "ml-health"),
    ("logos-pxl", "0 9 * * *", "--tier fast,normal"),
    ("logos-pxl", "0 12 * * 0", "--only review"),
    ("logos-pxl", "0 14 * * 0", "--only auth"),
    ("logos-pxl", "0 10 1-7 * *", "= 1 ] &&"),
];

/// All pages that people paste from.
fn pages() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let pages = entries.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}"));
        pages.collect::<Vec<_>>()
    };
    [vec!["README.md".to_owned()], names("docs"), names("docs/operations")].concat()
}

#[test]
fn lines_are_due_when_the_manual_and_their_comments_say_and_cron_reads_them() {
    for (manual, time, part) in SCHEDULES {
        let lines = lines(&format!("docs/operations/{manual}.md"));
        assert!(lines.iter().any(|line| line.time == time && line.command.contains(part)), "{manual}: no {part} at {time}: {lines:#?}");
    }
    let all: Vec<Line> = pages().iter().flat_map(|page| lines(page)).collect();
    assert!(all.len() >= 20, "{all:#?}");
    for line in &all {
        line.is_as_said();
        assert!(line.path.is_some(), "cron finds programs in /usr/bin and /bin only, and nothing tells it where ours are: {line:#?}");
        let crontab = format!("PATH={}\n{} {}\n", line.path.as_deref().unwrap_or_default(), line.time, line.command);
        assert_eq!(cron::fault(&crontab), None, "{line:#?}");
    }
    let wrong = cron::fault("61 2 * * * true\n");
    assert!(wrong.is_none_or(|wrong| wrong.contains("minute")), "cron's reader sees a mistake where there is one");
}

/// The line with the places of this test in it.
fn here(place: &Place, line: &Line) -> Line {
    let folder = place.system.path().display().to_string();
    let mut command = String::new();
    let mut words = line.command.split(' ');
    while let Some(word) = words.next() {
        let config = word == "--config" && words.next().is_some();
        command.push_str(&if config { format!("--config {folder}/config/nightly.env ") } else { format!("{word} ") });
    }
    std::fs::create_dir_all(place.system.path().join("var-log")).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").canonicalize().unwrap();
    let command = command
        .replace("/var/log/", &format!("{folder}/var-log/"))
        .replace("/usr/local/share/mathledger-ops/scripts", &scripts.display().to_string());
    // Nobody waits here.
    let command = command.replace("sleep 60", "sleep 0").replace("--watch 30s", "--watch 30s --for 2s").trim_end().to_owned();
    let ours = format!("{}:{}", place.system.commands.path().display(), bin_dir().display());
    let path = line.path.as_ref().map(|path| path.replace("/usr/local/bin", &ours));
    Line { file: line.file.clone(), path, said: line.said.clone(), time: line.time.clone(), command }
}

/// As cron runs it: a shell, a short PATH, a home, no terminal. What tells by the date goes by its own.
fn as_cron(line: &Line) -> Option<Output> {
    let (command, stdin) = line.shell();
    let tool = Tool::foreign("/bin/sh").args(["-c", &command]).stdin(stdin).timeout(Duration::from_secs(300));
    let tool = tool.env("PATH", line.path.as_deref().unwrap_or("/usr/bin:/bin")).env("LOGNAME", "root").env("SHELL", "/bin/sh");
    if !command.contains("date -u") {
        return Some(tool.run());
    }
    ml_tests::clock::unsettable("ml-alert").is_none().then(|| tool.at(&before(line.due_on_a_monday(), 0)).run())
}

/// Each line of a manual ends well and says nothing where all is well: what it says, cron mails.
fn each_line(profile: &'static str) {
    let place = ready(profile);
    // The stand-in of the other tests knows its list only.
    if profile == "twzrd" {
        let list = std::fs::read_to_string(place.system.commands.path().join("pm2")).unwrap().replace("#!/bin/sh\n", "");
        place.system.commands.script("pm2", &format!("[ \"$1\" = restart ] && exit 0\n{list}"));
    }
    let pages = if profile == "mathledger" {
        vec!["README.md".to_owned(), "docs/operations/mathledger.md".to_owned()]
    } else {
        vec![format!("docs/operations/{profile}.md")]
    };
    let lines: Vec<Line> = pages.iter().flat_map(|page| lines(page)).map(|line| here(&place, &line)).collect();
    assert!(lines.len() >= 2, "{lines:#?}");
    for line in &lines {
        let Some(output) = as_cron(line) else { continue };
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (if is_warned(profile, line) { 1 } else { 0 }, ""),
            "{line:#?} {}",
            output.stdout
        );
        let speaks = line.command.contains("ml-trend") || is_warned(profile, line);
        assert!(speaks || output.stdout.is_empty(), "cron would mail this: {line:#?}\n{}", output.stdout);
    }
    let first = lines.iter().find(|line| line.time != "@reboot" && !is_warned(profile, line)).unwrap();
    if let Some(why) = cron::missing() {
        skip!("{why}");
    }
    by_cron_itself(&place, first);
}

/// A whole look at the ledger warns of the settings of the tests' server.
fn is_warned(profile: &str, line: &Line) -> bool {
    profile == "mathledger" && line.command.contains("ml-health") && !line.command.contains("--only")
}

/// The line in the crontab of a real cron, from two seconds before it is due.
fn by_cron_itself(place: &Place, line: &Line) {
    let done = place.system.path().join("done");
    let crontab = format!("PATH={}\n{} {}; echo $? > {}\n", line.path.as_deref().unwrap(), line.time, line.command, done.display());
    let mut cron = Cron::start(&crontab, &before(line.due().unwrap(), 2));
    let until = Instant::now() + Duration::from_secs(180);
    let ended = loop {
        let text = std::fs::read_to_string(&done).unwrap_or_default();
        if text.ends_with('\n') {
            break text;
        }
        assert!(Instant::now() < until && cron.is_running(), "cron has not run {crontab}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(ended, "0\n", "{crontab}");
}

#[test]
fn of_mathledger() {
    each_line("mathledger");
}

#[test]
fn of_twzrd() {
    each_line("twzrd");
}

#[test]
fn of_angles() {
    each_line("angles");
}

#[test]
fn of_causal_gym() {
    each_line("causal-gym");
}

#[test]
fn of_logos_pxl() {
    each_line("logos-pxl");
}
