//! What is to be rotated and cleaned: `[[rotate]]` and `[[clean]]` tables of a TOML file.

use crate::name::Pattern;
use crate::plan;
use ml_common::Result;
use ml_common::settings::Settings;
use ml_watch::conf::{self, File, Spot, Table};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Logs.
    pub rotate: Vec<Rotate>,
    /// Old files.
    pub clean: Vec<Clean>,
}

/// How often a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// In each hour of the clock.
    Hour,
    /// On each day, UTC.
    Day,
    /// In each week, from Monday on.
    Week,
    /// In each month.
    Month,
    /// After so long.
    Span(Duration),
}

/// How files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// `.gz`, which everything reads.
    #[default]
    Gzip,
    /// `.zst`, smaller and faster.
    Zstd,
    /// Not at all.
    None,
}

/// How a log is put aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// It gets another name; who writes it opens a new one, or is told to.
    #[default]
    Rename,
    /// It is copied and emptied, for a writer that keeps it open; what is then left in it.
    CopyTruncate(String),
}

/// Who is told after logs got another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// A program with its arguments; no shell.
    Command(Vec<String>),
    /// A signal to the process whose id is in a file.
    Signal(String, PathBuf),
}

/// A table of logs.
#[derive(Clone, Debug, Default)]
pub struct Rotate {
    /// Paths and patterns of paths, absolute.
    pub files: Vec<String>,
    /// When.
    pub every: Option<Every>,
    /// Also when it is as large.
    pub size: Option<u64>,
    /// Never when it is smaller.
    pub min_size: Option<u64>,
    /// So many rotated files are kept.
    pub keep: Option<u64>,
    /// Older ones are removed.
    pub keep_for: Option<Duration>,
    /// The oldest are removed until they have no more bytes together; never the newest.
    pub max_total: Option<u64>,
    /// What becomes of rotated files.
    pub compress: Packing,
    /// The newest rotated file stays as it is until the next rotation.
    pub delay_compress: bool,
    /// How a log is put aside.
    pub how: How,
    /// Mode of the empty log that is made in place of one that got another name.
    pub create: Option<u32>,
    /// Folder of the rotated files, from the log's own.
    pub to: Option<PathBuf>,
    /// Their names.
    pub name: Pattern,
    /// Who is told.
    pub notify: Option<Notify>,
}

/// A table of old files.
#[derive(Clone, Debug)]
pub struct Clean {
    /// Nothing outside of this folder is looked at.
    pub under: PathBuf,
    /// Names at any depth, or, with a `/`, paths from the folder on.
    pub files: Vec<glob::Pattern>,
    /// Younger ones stay.
    pub older: Duration,
    /// So many of the newest stay in any case.
    pub keep: u64,
    /// They are compressed and not removed.
    pub compress: Option<Packing>,
    /// Folders that become empty go, too.
    pub empty_folders: bool,
}

impl Packing {
    /// The ending that is added to names.
    pub fn ending(self) -> &'static str {
        match self {
            Packing::Gzip => ".gz",
            Packing::Zstd => ".zst",
            Packing::None => "",
        }
    }

    /// By its word.
    pub fn of(word: &str) -> Packing {
        match word {
            "zstd" => Packing::Zstd,
            "none" => Packing::None,
            _ => Packing::Gzip,
        }
    }
}

/// The words of [`Packing`].
pub const PACKINGS: [&str; 3] = ["gzip", "zstd", "none"];

impl Every {
    /// `daily`, `weekly`, or a time such as `12h`.
    pub fn parse(text: &str) -> Option<Every> {
        Some(match text {
            "hourly" => Every::Hour,
            "daily" => Every::Day,
            "weekly" => Every::Week,
            "monthly" => Every::Month,
            other => Every::Span(conf::duration(other)?),
        })
    }

    /// Whether it needs to know the time of the day of the last rotation.
    pub fn counts_hours(self) -> bool {
        matches!(self, Every::Hour | Every::Span(_))
    }
}

/// A size such as `100MiB` or a number of bytes.
pub fn bytes(text: &str) -> Option<u64> {
    text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64())
}

/// Reads a file of rules; relative paths start at the settings' base.
///
/// # Errors
/// Class Config with every mistake and its place.
pub fn read(path: &Path, settings: &Settings) -> Result<Rules> {
    let file = File::read(path)?;
    file.fill(conf::lookup(settings));
    let (root, base) = (file.root(), settings.base());
    let mut rules = Rules::default();
    root.leave("vars");
    for table in root.tables("rotate") {
        rules.rotate.extend(rotate(&table, base));
        unset(&table);
    }
    for table in root.tables("clean") {
        rules.clean.extend(clean(&table, base));
        unset(&table);
    }
    if !root.has("rotate") && !root.has("clean") {
        file.mistake(0, "there is neither a [[rotate]] nor a [[clean]] table", "see docs/rotating.md");
    }
    file.finish()?;
    Ok(rules)
}

/// What is not set leaves a rule without its paths, which then would mean something else.
fn unset(table: &Table<'_>) {
    for name in table.file().take_unset() {
        let hint = "set it in the environment, in the settings file, or in [vars] with a default";
        table.file().mistake(table.at(), format!("{name} is not set"), hint);
    }
}

fn size(table: &Table<'_>, key: &str) -> Option<u64> {
    let text = table.text(key)?;
    let size = bytes(&text);
    if size.is_none() {
        table.file().mistake(text.at, format!("{key} is '{}', and not a size", text.value), "write 500kB, 100MiB or 2GiB in quotes");
    }
    size
}

/// A list that holds something.
fn texts(table: &Table<'_>, key: &str, hint: &str) -> Option<Vec<Spot<String>>> {
    let texts = table.texts(key)?;
    for empty in texts.iter().filter(|text| text.value.is_empty()) {
        table.file().mistake(empty.at, format!("{key} holds an empty text"), hint);
    }
    if let Some(empty) = table.empty_list(key) {
        table.file().mistake(empty, format!("{key} is empty"), hint);
        return None;
    }
    Some(texts)
}

fn rotate(table: &Table<'_>, base: &Path) -> Option<Rotate> {
    let file = table.file();
    let files = table.required("files", texts(table, "files", "name a log at least"));
    for spot in files.iter().flatten() {
        if let Err(error) = glob::Pattern::new(&spot.value) {
            file.mistake(spot.at, format!("'{}' is no pattern of files: {error}", spot.value), "write a path, with * and ? in it");
        }
    }
    let every = table.text("every").and_then(|text| {
        let every = Every::parse(&text);
        if every.is_none() {
            file.mistake(text.at, format!("every is '{}'", text.value), "write hourly, daily, weekly, monthly, or a time such as 12h");
        }
        every
    });
    let name = match table.text("name") {
        None => Pattern::default(),
        Some(text) => Pattern::parse(&text).unwrap_or_else(|why| {
            file.mistake(text.at, format!("name is '{}': {why}", text.value), "write for example {name}-{stamp} or {stem}_{date}{ext}");
            Pattern::default()
        }),
    };
    if name.is_daily() && every.is_some_and(Every::counts_hours) {
        file.mistake(
            table.at(),
            "{date} does not say at what time of its day a log was rotated",
            "write {stamp} in its name, or every = \"daily\"",
        );
    }
    let keep = table.count("keep");
    if let Some(zero) = keep.as_ref().filter(|keep| keep.value == 0) {
        file.mistake(zero.at, "keep is 0, and a log that is not kept need not be rotated", "keep 1 at least");
    }
    let keep_for = table.duration("keep_for");
    if let Some(given) = &keep_for
        && let Err((fact, hint)) = lasts(given.value, every, &name)
    {
        file.mistake(given.at, fact, hint);
    }
    let how = table.word("how", &["rename", "copytruncate"]).is_some_and(|how| how.value == "copytruncate");
    let (leave, create, notify) = (table.text("leave"), mode(table), notify(table, base));
    for (key, given, fits) in [("leave", leave.is_some(), how), ("create", create.is_some(), !how), ("notify", notify.is_some(), !how)] {
        if given && !fits {
            let other = if how { "rename" } else { "copytruncate" };
            file.mistake(table.at(), format!("{key} has no meaning here"), format!("it belongs to how = \"{other}\""));
        }
    }
    Some(Rotate {
        files: files?.iter().map(|spot| rooted(base, &spot.value)).collect(),
        every,
        size: size(table, "size"),
        min_size: size(table, "min_size"),
        keep: keep.map(|keep| keep.value),
        keep_for: keep_for.map(|time| time.value),
        max_total: size(table, "max_total"),
        compress: table.word("compress", &PACKINGS).map_or_else(Packing::default, |word| Packing::of(word.value)),
        delay_compress: table.switch("delay_compress").is_some_and(|switch| switch.value),
        how: if how { How::CopyTruncate(leave.map(|text| text.value).unwrap_or_default()) } else { How::Rename },
        create,
        to: table.text("to").map(|text| PathBuf::from(&text.value)),
        name,
        notify,
    })
}

/// Whether what was rotated last is there until the next rotation; else the fact and the remedy.
///
/// # Errors
/// When it goes before.
pub fn lasts(keep_for: Duration, every: Option<Every>, name: &Pattern) -> std::result::Result<(), (String, String)> {
    let least = plan::least_kept_for(every, name);
    let fact = || format!("keep_for is {}, and what was rotated last would go before the next rotation", plan::in_days(keep_for));
    let hint = || format!("write {} or more", plan::in_days(least));
    if keep_for < least { Err((fact(), hint())) } else { Ok(()) }
}

/// A pattern that starts at a folder, which is no pattern itself.
pub fn rooted(base: &Path, pattern: &str) -> String {
    Path::new(&glob::Pattern::escape(&base.to_string_lossy())).join(pattern).to_string_lossy().into_owned()
}

fn mode(table: &Table<'_>) -> Option<u32> {
    let text = table.text("create")?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    if mode.is_none() {
        table.file().mistake(text.at, format!("create is '{}', and not a mode", text.value), "write it as chmod takes it: \"640\"");
    }
    mode
}

fn notify(table: &Table<'_>, base: &Path) -> Option<Notify> {
    let command = texts(table, "notify", "give [\"program\", \"argument\"], or leave it out");
    let signal = table.word("signal", &["HUP", "USR1", "USR2", "INT", "TERM"]);
    let pid_file = table.text("pid_file");
    if signal.is_some() != pid_file.is_some() || command.is_some() && signal.is_some() {
        table.file().mistake(
            table.at(),
            "it is not said who is to be told",
            "give notify = [\"program\", \"argument\"], or signal with pid_file",
        );
        return None;
    }
    match (command, signal, pid_file) {
        (Some(command), ..) => Some(Notify::Command(command.into_iter().map(|word| word.value).collect())),
        (_, Some(signal), Some(path)) => Some(Notify::Signal(signal.value.to_owned(), base.join(&path.value))),
        _ => None,
    }
}

fn clean(table: &Table<'_>, base: &Path) -> Option<Clean> {
    let file = table.file();
    let under = table.required("under", table.text("under"));
    let files = table.required("files", texts(table, "files", "write something like *.log or old/*.json"));
    let patterns = files.iter().flatten().filter_map(|spot| {
        let parsed = glob::Pattern::new(spot.value.trim_start_matches("./"));
        if let Err(error) = &parsed {
            file.mistake(spot.at, format!("'{}' is no pattern of files: {error}", spot.value), "write something like *.log or old/*.json");
        }
        parsed.ok()
    });
    let patterns: Vec<glob::Pattern> = patterns.collect();
    let older = table.required("older", table.duration("older"));
    let compress = table.word("compress", &PACKINGS[..2]);
    let keep = table.count("keep");
    match &keep {
        Some(keep) if compress.is_some() => file.mistake(keep.at, "keep has no meaning where files are compressed", "leave it out"),
        Some(keep) if keep.value == 0 => file.mistake(keep.at, "keep is 0, and the newest is never removed", "keep 1 at least"),
        _ => {}
    }
    let empty_folders = table.switch("empty_folders").is_some_and(|switch| switch.value);
    Some(Clean {
        under: base.join(&under?.value),
        files: patterns,
        older: older?.value,
        keep: keep.map_or(1, |keep| keep.value),
        compress: compress.map(|word| Packing::of(word.value)),
        empty_folders,
    })
}
