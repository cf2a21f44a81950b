//! Logs: files however they are rotated, the journal, containers, pm2. Each look reads what is new since the look before.

mod follow;
mod journal;
mod lines;
mod secrets;
mod seen;
mod stream;
mod tally;
#[cfg(all(test, unix))]
mod tests;
#[cfg(all(test, unix))]
mod tests_alike;

use super::declare::{metric, param, required};
use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use follow::{Places, Told};
use journal::Journal;
use ml_common::{Class, Failure, OrFail, Result, people};
use regex::Regex;
use std::path::Path;
use std::time::{Duration, Instant};
use tally::Tally;

const SINCE: Param = param(
    "since",
    ParamKind::Duration,
    None,
    "look back so far, at every look, in place of at what is new: 24h, 7d. Lines of files are judged by the time that they begin with, or that of \
     the line before; --since does the same for once",
);

const LINES: Metric = metric("lines", "", "lines that were looked at");
const BYTES: Metric = metric("bytes", "bytes", "how much was read");
const FILES: Metric = metric("files", "", "files that are written, without rotated ones");
const MISSED: Metric = metric("missed", "", "files that went before they were read to their end");
const BEHIND: Metric = metric("behind", "bytes", "what there was no time for, in files; the next look goes on there");

/// What is told beside the patterns, which therefore are called otherwise.
const COUNTED: &[Metric] = &[metric("matched", "", "lines that fit any pattern"), LINES, BYTES, FILES, MISSED, BEHIND];

/// `kind = "logs"`.
pub static KIND: Kind = Kind {
    name: "logs",
    doc: "Lines of logs. The first look only remembers where the logs end; each further one reads what is new, also when files were renamed, copied \
          and emptied, or compressed (.gz, .zst) in between. Give one of `files`, `journal`, `container` and `pm2`. Of lines longer than 64 KiB the \
          beginning counts. A look that has no time for everything goes on at the next; until then a check that would be ok is unknown.",
    params: &[
        param("files", ParamKind::Path, None, "a file, or a pattern of files"),
        param(
            "rotated",
            ParamKind::Path,
            None,
            "a pattern of where they go: logs/archive/app_*.log.gz; those beside them are found by their names",
        ),
        param("from", ParamKind::Word(&["end", "start"]), Some("end"), "where the first look begins"),
        param("journal", ParamKind::Text, None, "a unit of systemd's journal; empty for all"),
        param("directory", ParamKind::Path, None, "a folder with journals, in place of this machine's: /mnt/var/log/journal"),
        param(
            "priority",
            ParamKind::Word(&["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]),
            None,
            "only entries of the journal of this priority and above",
        ),
        param("container", ParamKind::Text, None, "a container of docker or podman"),
        param("pm2", ParamKind::Pattern, None, "processes of pm2 whose name fits this regular expression"),
        param("program", ParamKind::Text, None, "the program to ask: journalctl, docker (or podman), pm2"),
    ],
    views: &[
        View {
            name: "count",
            doc: "Counts lines by patterns (regular expressions). The last ten that fit are shown, with what looks like a secret blacked out.",
            params: &[
                required("patterns", ParamKind::Patterns, "names and patterns: { errors = \"ERROR|FATAL\", ok = \"completed\" }"),
                SINCE,
            ],
            metrics: COUNTED,
            named_by: Some("patterns"),
        },
        View {
            name: "top",
            doc: "The most frequent values of a field: addresses, paths, users.",
            params: &[
                required("field", ParamKind::Pattern, "a regular expression; its first group, or all that fits, is the value: ^(\\\\S+)"),
                param("only", ParamKind::Pattern, None, "only lines that fit this"),
                SINCE,
            ],
            metrics: &[
                metric("top", "", "how often the most frequent value is there"),
                metric("percent", "%", "its share"),
                metric("total", "", "lines with a value"),
                metric(
                    "distinct",
                    "",
                    "values there are; not told beyond 20,000, when rare ones are forgotten and counts are too low by a little",
                ),
                metric("top_name", "", "the most frequent value"),
                LINES,
                BYTES,
                FILES,
                MISSED,
                BEHIND,
            ],
            named_by: None,
        },
        View {
            name: "secrets",
            doc: "Counts lines that hold what looks like a credential: passwords, tokens, keys. They are never shown.",
            params: &[SINCE],
            metrics: &[metric("secrets", "", "such lines"), LINES, BYTES, FILES, MISSED, BEHIND],
            named_by: None,
        },
    ],
    open,
};

fn open(args: &Args, _: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let text = |name: &str| args.text(name).map(str::to_owned);
    let program = |usual: &str| text("program").unwrap_or_else(|| usual.to_owned());
    let regex = |text: String| Regex::new(&text).or_fail(Class::Config, || "the pattern pm2 is no regular expression");
    let mut given: Vec<Source> = Vec::new();
    for pattern in [text("files"), text("rotated")].into_iter().flatten() {
        glob::Pattern::new(&pattern).or_fail(Class::Config, || "the pattern of files is not valid")?;
    }
    given.extend(text("files").map(|pattern| Source::Files(vec![pattern])));
    let of_unit = |unit| Journal { program: program("journalctl"), unit, directory: text("directory"), priority: text("priority") };
    given.extend(text("journal").map(|unit| Source::Journal(of_unit(unit))));
    given.extend(text("container").map(|name| Source::Container(text("program"), name)));
    if let Some(name) = text("pm2") {
        given.push(Source::Pm2(program("pm2"), regex(name)?));
    }
    let source = given.pop().filter(|_| given.is_empty()).ok_or_else(|| {
        Failure::new(Class::Config, "a probe of logs reads one of files, journal, container and pm2").hint("give one of them")
    })?;
    if !matches!(source, Source::Journal(_)) && (text("directory").is_some() || text("priority").is_some()) {
        let failure = Failure::new(Class::Config, "directory and priority are for journal");
        return Err(failure.hint("give journal, with a unit or empty for all, or leave them out"));
    }
    Ok(Box::new(Logs { source, rotated: text("rotated"), from_start: args.text("from") == Some("start") }))
}

enum Source {
    Files(Vec<String>),
    Journal(Journal),
    Container(Option<String>, String),
    Pm2(String, Regex),
}

struct Logs {
    source: Source,
    rotated: Option<String>,
    from_start: bool,
}

impl Probe for Logs {
    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let mut tally = Tally::new(view, args)?;
        let back = args.duration("since").and_then(|back| look.now.checked_sub(jiff::SignedDuration::try_from(back).ok()?).ok());
        let since = look.since.or(back);
        // What was read by then is told, and the rest at the next look.
        let left = look.left();
        let until = Instant::now() + left.saturating_sub((left / 5).min(Duration::from_millis(500)));
        let told = match &self.source {
            Source::Files(patterns) => self.files(patterns, since, until, look, &mut tally)?,
            Source::Pm2(program, name) => {
                let files = super::pm2::log_files(program, name, look)?;
                let patterns: Vec<String> = files.iter().map(|path| glob::Pattern::escape(&path.to_string_lossy())).collect();
                self.files(&patterns, since, until, look, &mut tally)?
            }
            Source::Journal(journal) => journal.read(since, self.from_start, look, &mut |line| tally.line(line))?,
            Source::Container(program, name) => {
                stream::container(program.as_deref(), name, since, self.from_start, look, &mut |line| tally.line(line))?
            }
        };
        let mut sample = tally.sample()?;
        sample.first = told.first && !self.from_start;
        if sample.first {
            sample.note = format!("{}; the first look remembers where the logs end", sample.note);
        }
        if told.missed > 0 {
            let files = people::counted(told.missed, "file");
            sample.note = format!("{}; {files} went before being read to the end", sample.note);
        }
        sample.unseen = told.behind.map(|left| format!("there was no time for the rest, {}", people::human_bytes(left)));
        let sample = sample.with("bytes", told.bytes).with("missed", told.missed);
        Ok(if matches!(self.source, Source::Files(_) | Source::Pm2(..)) {
            sample.with("files", told.files).with("behind", told.behind.unwrap_or_default())
        } else {
            sample
        })
    }
}

impl Logs {
    fn files(
        &self,
        patterns: &[String],
        since: Option<jiff::Timestamp>,
        until: Instant,
        look: &mut Look<'_>,
        tally: &mut Tally,
    ) -> Result<Told, Unseen> {
        let places = Places { patterns, rotated: self.rotated.as_deref(), from_start: self.from_start };
        let told = match since {
            None => follow::follow(&places, look, until, &mut |line| tally.line(line))?,
            Some(since) => {
                let mut new = true;
                follow::since(&places, since, look, until, &mut |line| {
                    // What has no time of its own belongs to the line before.
                    new = lines::time(line).map_or(new, |at| at >= since);
                    if new {
                        tally.line(line);
                    }
                })?
            }
        };
        if told.files == 0 && told.bytes == 0 {
            let failure = Failure::new(Class::General, format!("there is no log {}", patterns.join(", ")));
            return Err(failure.hint("check the path, and that the service writes it").into());
        }
        Ok(told)
    }
}

fn unreadable(error: &std::io::Error, path: &Path) -> Unseen {
    super::declare::unseen(error, path, "reading")
}
