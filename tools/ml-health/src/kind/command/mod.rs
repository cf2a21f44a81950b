//! A program as a probe: how it ends, how long it takes, what it prints. Audits of dependencies and the checkers of other systems come in here.

pub mod run;
#[cfg(all(test, unix))]
mod tests;

use super::declare::{metric, param, required, rounded};
use super::jq::Filters;
use super::{Args, Kind, Look, Opening, ParamKind, Probe, Sample, Unseen, View};
use ml_common::{Class, Failure, Result, redact};
use std::path::PathBuf;
use std::process::Command;

/// `kind = "command"`.
pub static KIND: Kind = Kind {
    name: "command",
    doc: "Runs a program: an audit such as cargo-audit or pip-audit, promtool, a script of the system. It gets no input; when the time of the \
          check is over it is ended with all that it started. Its environment is ours. No shell is between, unless it is asked for.",
    params: &[
        required("command", ParamKind::Texts, "the program and its arguments: [\"cargo\", \"audit\", \"--json\"]; with `shell` one text"),
        param("shell", ParamKind::Switch, Some("false"), "give the text to sh (cmd on Windows)"),
        param("dir", ParamKind::Path, None, "the folder that it runs in; without it that above config/"),
        param(
            "metrics",
            ParamKind::Table,
            None,
            "names and jq filters, when it prints a JSON document: { found = \".vulnerabilities.count\" }",
        ),
        param("optional", ParamKind::Switch, Some("false"), "checks are skipped where the program is not installed; else they fail"),
    ],
    views: &[View {
        name: "run",
        doc: "Runs it to its end. Its last words on stderr, and its last lines without `metrics`, are shown when a check is not ok.",
        params: &[],
        metrics: &[
            metric("exit_code", "", "how it ended; 128 and more: by a signal"),
            metric("duration_ms", "ms", "how long it took"),
            metric("number", "", "the first word of what it printed, when that is a number"),
            metric("lines", "", "how many lines it printed"),
            metric("output", "", "its first line, to 200 characters"),
        ],
        named_by: Some("metrics"),
    }],
    open,
};

/// More of what it prints is not read.
const OUTPUT_MAX: u64 = 4 << 20;

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let words = args.texts("command").to_vec();
    let wrong = |what: &str, hint: &str| Failure::new(Class::Config, what).hint(hint);
    if words.first().is_none_or(|word| word.trim().is_empty()) {
        return Err(wrong("command names no program", "write it as a list: [\"pip-audit\", \"--format=json\"]"));
    }
    if args.switch("shell") && words.len() != 1 {
        return Err(wrong("with shell = true the command is one text", "write [\"a | b\"], or leave shell out"));
    }
    let filters = match args.table("metrics") {
        [] => None,
        table => Some(Filters::compile(table)?),
    };
    let dir = args.text("dir").map_or_else(|| opening.root.to_path_buf(), PathBuf::from);
    Ok(Box::new(Program { words, shell: args.switch("shell"), dir, filters, optional: args.switch("optional") }))
}

struct Program {
    words: Vec<String>,
    shell: bool,
    dir: PathBuf,
    filters: Option<Filters>,
    optional: bool,
}

impl Probe for Program {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        if !self.dir.is_dir() {
            let failure = Failure::new(Class::General, format!("there is no folder {} to run in", self.dir.display()));
            return Err(failure.hint("make it, or correct dir").into());
        }
        let said = run::run(self.command()?, OUTPUT_MAX, look)?;
        let name = self.name();
        if said.cut {
            let failure = Failure::new(Class::General, format!("{name} prints more than {} MiB", OUTPUT_MAX >> 20));
            return Err(failure.hint("let it print less").into());
        }
        let lines =
            said.out.iter().filter(|byte| **byte == b'\n').count() + usize::from(said.out.last().is_some_and(|byte| *byte != b'\n'));
        let mut sample = Sample::default();
        let text = String::from_utf8_lossy(&said.out).into_owned();
        if let Some(filters) = &self.filters {
            let filtered = filters.run(said.out, &format!("what {name} prints"), look.left()).map_err(|failure| {
                let why = if said.err.is_empty() { String::new() } else { format!(": {}", said.err) };
                failure.context(format!("{name} ended with code {}{why}", said.code))
            })?;
            sample.note = super::listed(&filtered.values, &name);
            (sample.values, sample.rows) = (filtered.values, filtered.unfit);
        } else {
            let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = last[last.len().saturating_sub(5)..].iter();
            sample.rows = last.map(|line| redact::scrub(&line.chars().take(200).collect::<String>()).into_owned()).collect();
            let first = text.lines().next().unwrap_or_default().trim().chars().take(200).collect::<String>();
            let number = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).filter(|number| number.is_finite());
            sample.values.extend(number.map(|number| ("number".to_owned(), super::whole(number))));
            sample = sample.with("output", redact::scrub(&first).into_owned());
            sample.note = format!("{name} ended with code {} after {} s", said.code, rounded(said.took.as_secs_f64()));
        }
        sample.rows.extend((!said.err.is_empty()).then(|| said.err.chars().take(500).collect()));
        sample.rows.truncate(10);
        Ok(sample.with("exit_code", said.code).with("duration_ms", super::milliseconds(said.took)).with("lines", lines))
    }
}

impl Program {
    /// The program's name; arguments may hold what is nobody's business.
    fn name(&self) -> String {
        let first = self.words.first().map(String::as_str).unwrap_or_default();
        if self.shell { "the shell".into() } else { PathBuf::from(first).file_name().unwrap_or_default().to_string_lossy().into_owned() }
    }

    fn command(&self) -> Result<Command, Unseen> {
        let Some((first, rest)) = self.words.split_first() else { return Err(Unseen::Absent("no program is named".into())) };
        let mut command = if self.shell {
            let (shell, switch) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
            let mut command = Command::new(shell);
            command.args([switch, first]);
            command
        } else {
            // A path is taken from the folder that the program runs in.
            let place = if first.contains(['/', '\\']) { self.dir.join(first).to_string_lossy().into_owned() } else { first.clone() };
            let Some(found) = run::find(&place) else {
                let what = format!("there is no program {}", self.name());
                if self.optional {
                    return Err(Unseen::Absent(what));
                }
                return Err(Failure::new(Class::General, what).hint("install it, or correct its name or PATH").into());
            };
            let mut command = Command::new(found);
            command.args(rest);
            command
        };
        command.current_dir(&self.dir);
        Ok(command)
    }
}
