//! The Lean project of the system: whether it builds.

use super::command::run;
use super::declare::{metric, param, rounded};
use super::{Args, Kind, Look, Opening, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::counted;
use ml_common::{Class, Failure, Result, redact};
use std::path::PathBuf;
use std::process::Command;

/// `kind = "lean"`.
pub static KIND: Kind = Kind {
    name: "lean",
    doc: "Builds a Lean project with `lake build`. Skipped where there is no lake or no project is set. A first build takes long: give the check \
          a timeout of minutes, and the tier expensive.",
    params: &[
        param("dir", ParamKind::Path, None, "the project; without it LEAN_PROJECT_DIR of the settings"),
        param("lake", ParamKind::Text, Some("lake"), "the program"),
        param("target", ParamKind::Text, None, "what to build; without it the project's defaults"),
    ],
    views: &[View {
        name: "build",
        doc: "Builds it.",
        params: &[],
        metrics: &[
            metric("exit_code", "", "0 when it builds"),
            metric("errors", "", "errors that were printed"),
            metric("warnings", "", "warnings that were printed"),
            metric("duration_s", "s", "how long it took"),
        ],
        named_by: None,
    }],
    open,
};

/// More of what it prints is not looked at.
const OUTPUT_MAX: u64 = 8 << 20;

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let set = || Some(opening.settings.text("LEAN_PROJECT_DIR")).filter(|text| !text.is_empty());
    let dir = args.text("dir").map(PathBuf::from).or_else(|| set().map(|_| opening.settings.path("LEAN_PROJECT_DIR")));
    let lake = args.text("lake").unwrap_or("lake").to_owned();
    Ok(Box::new(Lean { dir, lake, target: args.text("target").map(str::to_owned) }))
}

struct Lean {
    dir: Option<PathBuf>,
    lake: String,
    target: Option<String>,
}

impl Probe for Lean {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let Some(dir) = &self.dir else { return Err(Unseen::Absent("LEAN_PROJECT_DIR is not set".into())) };
        let Some(lake) = run::find(&self.lake) else {
            return Err(Unseen::Absent(format!("there is no {} on this machine", self.lake)));
        };
        if !dir.is_dir() {
            let failure = Failure::new(Class::Config, format!("there is no Lean project {}", dir.display()));
            return Err(failure.hint("correct LEAN_PROJECT_DIR").into());
        }
        let mut command = Command::new(lake);
        command.arg("build").args(&self.target).current_dir(dir);
        let said = run::run(command, OUTPUT_MAX, look)?;
        let text = format!("{}\n{}", String::from_utf8_lossy(&said.out), said.err);
        let of = |word: &str| text.lines().filter(|line| line.contains(word)).collect::<Vec<_>>();
        let (errors, warnings) = (of("error:"), of("warning:"));
        let note = format!(
            "lake build ended with code {} after {} s: {}, {}",
            said.code,
            rounded(said.took.as_secs_f64()),
            counted(errors.len() as u64, "error"),
            counted(warnings.len() as u64, "warning")
        );
        let short = |line: &&str| redact::scrub(&line.trim().chars().take(200).collect::<String>()).into_owned();
        let rows = errors.iter().chain(&warnings).take(10).map(short).collect();
        Ok(Sample { rows, note, ..Sample::default() }
            .with("exit_code", said.code)
            .with("errors", errors.len())
            .with("warnings", warnings.len())
            .with("duration_s", rounded(said.took.as_secs_f64())))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::probing::{Probing, text};
    use super::*;
    use ml_common::record::Scalar;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn builds_failures_and_absence() {
        let dir = tempfile::tempdir().unwrap();
        let lake = dir.path().join("lake");
        std::fs::write(&lake, "#!/bin/sh\n[ \"$1\" = build ] || exit 9\ncat out\nexit $(cat code)\n").unwrap();
        std::fs::set_permissions(&lake, std::fs::Permissions::from_mode(0o755)).unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let given = [("dir", text(dir.path().to_str().unwrap())), ("lake", text(lake.to_str().unwrap()))];
        let mut probe = Probing::open(&KIND, &given);
        put("out", "Build completed successfully.\n");
        put("code", "0");
        assert_eq!(probe.take("build", &[]).unwrap().values["exit_code"], Scalar::Int(0));
        put("out", "warning: ./A.lean:1:1: unused\nerror: ./A.lean:3:4: unsolved goals\nerror: build failed\n");
        put("code", "1");
        let seen = probe.take("build", &[]).unwrap();
        for (name, value) in [("exit_code", 1), ("errors", 2), ("warnings", 1)] {
            assert_eq!(seen.values[name], Scalar::Int(value), "{name}");
        }
        assert!(seen.rows[0].ends_with("unsolved goals"), "{:?}", seen.rows);
        let absent = |given: &[(&'static str, crate::kind::Arg)]| Probing::open(&KIND, given).take("build", &[]).unwrap_err();
        assert!(matches!(absent(&[]), Unseen::Absent(_)));
        assert!(matches!(absent(&[given[0].clone(), ("lake", text("no-such-lake"))]), Unseen::Absent(_)));
    }
}
