//! Whatever is appended and rotated in whatever order: the kept files and the log are, one after another, what was written.

use crate::guard::Guard;
use crate::job::{Count, Job};
use crate::name::Pattern;
use crate::rules::{Every, How, Packing, Rotate};
use crate::{find, rotate};
use jiff::{SignedDuration, Timestamp};
use ml_common::record::{Status, Step};
use ml_common::signal::Cancel;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

#[derive(Clone, Debug)]
enum Act {
    /// So many lines.
    Write(usize),
    /// The writer closes its log, and opens it anew with its next word.
    Reopen,
    /// A run, so many minutes later.
    Run(i64),
    /// A run that was killed after the copy was made, or after the log was emptied.
    Killed(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..40_usize).prop_map(Act::Write),
        2 => Just(Act::Reopen),
        4 => (0..3000_i64).prop_map(Act::Run),
        1 => any::<bool>().prop_map(Act::Killed),
    ]
}

fn rule() -> impl Strategy<Value = Rotate> {
    let packing = prop_oneof![Just(Packing::None), Just(Packing::Gzip), Just(Packing::Zstd)];
    let every = prop_oneof![Just(None), Just(Some(Every::Day)), Just(Some(Every::Hour))];
    let name = prop_oneof![Just("{name}-{stamp}"), Just("{stem}_{stamp}{ext}"), Just("{stem}.{date}{ext}")];
    (packing, every, name, any::<bool>(), any::<bool>(), any::<bool>(), prop_oneof![Just(None), Just(Some(200_u64))]).prop_map(
        |(compress, every, name, delay_compress, copied, to, size)| Rotate {
            compress,
            every,
            delay_compress,
            size,
            name: Pattern::parse(name).unwrap(),
            how: if copied { How::CopyTruncate(String::new()) } else { How::Rename },
            to: to.then(|| "archive".into()),
            ..Rotate::default()
        },
    )
}

fn run(rule: &Rotate, now: Timestamp) -> Vec<(Status, Step)> {
    let (told, cancel) = (RefCell::new(Vec::new()), Cancel::default());
    let job = Job {
        now,
        force: false,
        dry: false,
        cancel: &cancel,
        guard: Guard::default(),
        tell: RefCell::new(Box::new(|status, step| told.borrow_mut().push((status, step)))),
        failures: RefCell::default(),
        names: RefCell::default(),
        warned: Cell::new(false),
        count: Count::default(),
    };
    rotate::table(rule, &job).unwrap();
    assert!(job.failures.borrow().is_empty(), "{:?}", job.failures);
    drop(job);
    told.into_inner()
}

fn everything(rule: &Rotate, log: &Path) -> String {
    let mut all = String::new();
    let mut kept = find::kept(rule, log).unwrap();
    kept.reverse();
    for file in kept {
        let mut bytes = fs::read(&file.paths[0]).unwrap();
        match file.paths[0].extension().unwrap().to_str() {
            Some("gz") => {
                let packed = std::mem::take(&mut bytes);
                flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
            }
            Some("zst") => bytes = zstd::decode_all(&bytes[..]).unwrap(),
            _ => {}
        }
        all.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    all + &fs::read_to_string(log).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_is_lost_or_doubled(mut rule in rule(), acts in prop::collection::vec(act(), 1..40)) {
        // In memory, where there is such a folder: each run flushes its files.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let log = folder.path().join("app.log");
        if rule.name.is_daily() && rule.every == Some(Every::Hour) {
            rule.every = None;
        }
        rule.files = vec![folder.path().join("*.log").to_str().unwrap().to_owned()];
        let (mut now, mut number, mut written) = ("2025-01-08T02:00:00Z".parse::<Timestamp>().unwrap(), 0, String::new());
        let mut writer: Option<File> = None;
        for act in acts {
            match act {
                Act::Write(lines) => {
                    let open = || File::options().create(true).append(true).open(&log).unwrap();
                    let writer = writer.get_or_insert_with(open);
                    for _ in 0..lines {
                        number += 1;
                        let line = format!("line {number} of them\n");
                        writer.write_all(line.as_bytes()).unwrap();
                        written.push_str(&line);
                    }
                }
                Act::Reopen => writer = None,
                Act::Run(minutes) => {
                    now += SignedDuration::from_mins(minutes);
                    run(&rule, now);
                }
                Act::Killed(emptied) if log.exists() && matches!(rule.how, How::CopyTruncate(_)) => {
                    let newest = find::kept(&rule, &log).unwrap().first().map(|kept| kept.at);
                    let name = rule.name.name("app.log", crate::plan::moment(now, newest), true);
                    let home = find::home(&rule, &log);
                    fs::create_dir_all(&home).unwrap();
                    let staged = crate::copy::staged(&home.join(name));
                    if staged.exists() || fs::metadata(&log).unwrap().len() == 0 {
                        continue;
                    }
                    fs::copy(&log, &staged).unwrap();
                    if emptied {
                        File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
                    }
                    // The next run finds it.
                    run(&rule, now);
                }
                Act::Killed(_) => {}
            }
            prop_assert_eq!(&everything(&rule, &log), &written, "{:?}", rule);
        }
        drop(writer);
        now += SignedDuration::from_hours(24 * 40);
        run(&rule, now);
        prop_assert_eq!(&everything(&rule, &log), &written);
        let kept = find::kept(&rule, &log).unwrap();
        for (at, file) in kept.iter().enumerate() {
            prop_assert_eq!(file.paths.len(), 1);
            prop_assert_eq!(find::is_packed(&file.paths[0]), crate::plan::is_packed(&rule, at), "{:?}", file);
            prop_assert_eq!(file.paths[0].parent().unwrap(), find::home(&rule, &log));
        }
    }
}

#[test]
fn several_of_a_day_go_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let rule = Rotate {
        files: vec![log.to_str().unwrap().to_owned()],
        name: Pattern::parse("{stem}.{date}{ext}").unwrap(),
        keep: Some(2),
        size: Some(1),
        ..Rotate::default()
    };
    let mut now: Timestamp = "2025-01-08T02:00:00Z".parse().unwrap();
    let mut written: Vec<String> = Vec::new();
    // The one with the date alone goes on the third run; its name is free then, and would stand before all others of that day.
    for number in 0..30 {
        written.push(format!("line {number}\n"));
        fs::write(&log, &written[number]).unwrap();
        run(&rule, now);
        assert_eq!(everything(&rule, &log), written[number.saturating_sub(1)..].concat());
        now += SignedDuration::from_hours(1);
    }
}

#[test]
fn a_file_that_is_still_written_waits_and_then_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let rule = Rotate { files: vec![log.to_str().unwrap().to_owned()], ..Rotate::default() };
    let now: Timestamp = "2025-01-08T02:00:00Z".parse().unwrap();
    let mut writer = File::create(&log).unwrap();
    writer.write_all(b"one\n").unwrap();
    let told = run(&rule, now);
    if !told.iter().any(|(status, step)| *status == Status::Skipped && step.id.starts_with("waits.")) {
        // This file system does not say who writes: the file is compressed as logrotate does it.
        assert!(told.iter().any(|(_, step)| step.id.starts_with("compress.")), "{told:?}");
        return;
    }
    writer.write_all(b"two\n").unwrap();
    let told = run(&rule, now + SignedDuration::from_hours(1));
    assert!(
        told.iter().any(|(status, step)| *status == Status::Warn && step.hint.as_deref().is_some_and(|hint| hint.contains("copytruncate")))
    );
    drop(writer);
    let told = run(&rule, now + SignedDuration::from_hours(2));
    assert!(
        told.iter().any(|(status, step)| *status == Status::Ok && step.id.starts_with("compress.") && step.sha256.is_some()),
        "{told:?}"
    );
    assert_eq!(everything(&rule, &log), "one\ntwo\n");
}
