//! What is asked for: which tables, written as what, to where. Decided from the flags and settings alone.

use clap::ValueEnum;
use ml_common::{Class, Failure, Result};
use std::path::{Path, PathBuf};

/// The tables exported when none is named, as far as the ledger has them.
pub const TABLES: [&str; 5] = ["statements", "proofs", "dependencies", "blocks", "lemma_cache"];

/// What rows are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line, in ASCII
    #[default]
    Jsonl,
    /// Fields between commas in UTF-8 below a line with the names; NULL is nothing at all, an empty text is ""
    Csv,
}

impl Format {
    /// The word in file names and in the summary.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        }
    }
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Files with a time in their names, and a summary.
    Folder(PathBuf),
    /// One table's file, and nothing else.
    File(PathBuf),
    /// Naked rows on standard output.
    Raw,
    /// `statement` records on standard output.
    Records,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Their names, none twice.
    pub tables: Vec<String>,
    /// The tables were named: one that is missing is a failure.
    pub named: bool,
    /// Where it goes.
    pub goal: Goal,
    /// What rows are written as.
    pub format: Format,
    /// Whether files are compressed.
    pub compress: bool,
}

/// `-o`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Not given: this is EXPORTS_DIR.
    Default(PathBuf),
    /// A folder that exists, or a path that ends like one.
    Folder(PathBuf),
    /// Any other path.
    File(PathBuf),
    /// `-`
    Stdout,
}

/// The flags and settings that decide.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// As named.
    pub tables: &'a [String],
    /// `-o`.
    pub to: &'a To,
    /// `--format`.
    pub format: Option<Format>,
    /// `--compress`.
    pub compress: bool,
    /// `--output raw`.
    pub raw: bool,
    /// EXPORT_COMPRESSION.
    pub compression: bool,
}

/// Decides, or says what does not fit together.
///
/// # Errors
/// Class Usage.
pub fn plan(asked: &Asked<'_>) -> Result<Plan> {
    let named = !asked.tables.is_empty();
    let mut tables: Vec<String> = Vec::new();
    let defaults = TABLES.iter().copied().filter(|_| !named);
    for table in asked.tables.iter().map(String::as_str).chain(defaults) {
        if !tables.iter().any(|known| known == table) {
            tables.push(table.to_owned());
        }
    }
    let format = asked.format.unwrap_or_default();
    let plan = |goal, format, compress| Ok(Plan { tables: tables.clone(), named, goal, format, compress });
    match asked.to {
        To::Default(_) | To::Stdout if asked.raw || *asked.to == To::Stdout => {
            let raw = asked.raw;
            fits_stdout(asked, &tables)?;
            plan(if raw { Goal::Raw } else { Goal::Records }, format, false)
        }
        _ if asked.raw => Err(usage("naked rows go to standard output, and -o names a file", "leave out -o, or --output raw")),
        To::Default(folder) | To::Folder(folder) => plan(Goal::Folder(folder.clone()), format, asked.compress || asked.compression),
        To::File(_) if tables.len() > 1 => Err(usage("one file holds one table", "name one table, or a folder that exists")),
        To::File(path) => {
            let (by_name, zst) = by_name(path);
            plan(Goal::File(path.clone()), asked.format.unwrap_or(by_name), asked.compress || zst)
        }
        To::Stdout => Err(Failure::new(Class::Internal, "standard output was planned already")),
    }
}

fn fits_stdout(asked: &Asked<'_>, tables: &[String]) -> Result<()> {
    if tables.len() > 1 {
        return Err(usage("standard output takes one table", "name one: ml-export statements -o -"));
    }
    if asked.compress {
        return Err(usage("compression is for files", "pipe through zstd, or name a file with -o"));
    }
    if asked.raw {
        return Ok(());
    }
    if tables.first().is_none_or(|table| table != "statements") {
        return Err(usage("only statements have records of their own", "add --output raw for the naked rows of other tables"));
    }
    if asked.format == Some(Format::Csv) {
        return Err(usage("records are JSON lines", "add --output raw for naked rows in CSV"));
    }
    Ok(())
}

/// The format and compression that a file's name speaks of.
fn by_name(path: &Path) -> (Format, bool) {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let bare = name.strip_suffix(".zst");
    let format = if bare.unwrap_or(&name).ends_with(".csv") { Format::Csv } else { Format::Jsonl };
    (format, bare.is_some())
}

/// `statements-20250108-020000.jsonl.zst`. Letters that some file system refuses become underscores.
pub fn file_name(table: &str, stamp: &str, format: Format, compress: bool) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let table: String = table.chars().map(safe).collect();
    format!("{table}-{stamp}.{}{}", format.name(), if compress { ".zst" } else { "" })
}

fn usage(message: &str, hint: &str) -> Failure {
    Failure::new(Class::Usage, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(tables: &[&str], to: To, edit: impl Fn(&mut Asked<'_>)) -> Result<Plan> {
        let tables: Vec<String> = tables.iter().map(|table| (*table).to_owned()).collect();
        let mut asked = Asked { tables: &tables, to: &to, format: None, compress: false, raw: false, compression: false };
        edit(&mut asked);
        plan(&asked)
    }

    fn exports() -> To {
        To::Default("/e".into())
    }

    #[test]
    fn without_a_word_all_tables_go_to_the_folder_of_the_settings() {
        let plan = planned(&[], exports(), |_| ()).unwrap();
        assert_eq!(
            (plan.tables.len(), plan.named, plan.goal, plan.format, plan.compress),
            (5, false, Goal::Folder("/e".into()), Format::Jsonl, false)
        );
        assert!(planned(&[], exports(), |asked| asked.compression = true).unwrap().compress);
        let twice = planned(&["proofs", "proofs"], To::Folder("/f".into()), |asked| asked.compress = true).unwrap();
        assert_eq!((twice.tables, twice.named, twice.goal, twice.compress), (vec!["proofs".into()], true, Goal::Folder("/f".into()), true));
    }

    #[test]
    fn a_file_speaks_of_its_format() {
        for (path, format, compress) in [
            ("/a.csv", Format::Csv, false),
            ("/a.CSV.zst", Format::Csv, true),
            ("/a.jsonl", Format::Jsonl, false),
            ("/a", Format::Jsonl, false),
        ] {
            let plan = planned(&["proofs"], To::File(path.into()), |asked| asked.compression = true).unwrap();
            assert_eq!((plan.goal, plan.format, plan.compress), (Goal::File(path.into()), format, compress), "{path}");
        }
        let told = planned(&["proofs"], To::File("/a.csv".into()), |asked| asked.format = Some(Format::Jsonl)).unwrap();
        assert_eq!(told.format, Format::Jsonl);
    }

    #[test]
    fn standard_output_takes_statements_or_naked_rows() {
        assert_eq!(planned(&["statements"], To::Stdout, |_| ()).unwrap().goal, Goal::Records);
        for to in [To::Stdout, exports()] {
            let plan =
                planned(&["proofs"], to, |asked| (asked.raw, asked.compression, asked.format) = (true, true, Some(Format::Csv))).unwrap();
            assert_eq!((plan.goal, plan.format, plan.compress), (Goal::Raw, Format::Csv, false));
        }
    }

    #[test]
    fn what_does_not_fit_together_is_wrong_usage() {
        let refused = |tables: &[&str], to: To, edit: fn(&mut Asked<'_>)| {
            let failure = planned(tables, to, edit).unwrap_err();
            assert!(failure.class == Class::Usage && failure.hint.is_some(), "{failure:?}");
        };
        refused(&[], To::Stdout, |_| ());
        refused(&["proofs"], To::Stdout, |_| ());
        refused(&["statements"], To::Stdout, |asked| asked.format = Some(Format::Csv));
        refused(&["statements"], To::Stdout, |asked| asked.compress = true);
        refused(&[], To::File("/a".into()), |_| ());
        refused(&["proofs"], To::File("/a".into()), |asked| asked.raw = true);
        refused(&["proofs"], To::Folder("/a".into()), |asked| asked.raw = true);
    }

    #[test]
    fn names_of_files_are_safe() {
        assert_eq!(file_name("statements", "20250108-020000", Format::Jsonl, true), "statements-20250108-020000.jsonl.zst");
        assert_eq!(file_name("../a b.c\u{e9}", "s", Format::Csv, false), "___a_b_c\u{e9}-s.csv");
    }
}
