//! What the programs of `make bench` have in common: how they are called, and where their figures go.

use serde_json::Value;
use std::path::PathBuf;

/// A bench that is to be made.
#[derive(Debug)]
pub struct Bench {
    json: Option<PathBuf>,
}

impl Bench {
    /// Reads the command line, `[--json FILE]`. None when nobody asked for a measurement: `cargo bench` says `--bench`, and `cargo test --benches`
    /// does not, as tests are not timed.
    pub fn asked() -> Option<Bench> {
        let mut args = std::env::args().skip(1);
        let (mut json, mut asked) = (None, false);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => json = args.next().map(PathBuf::from),
                "--bench" => asked = true,
                other => panic!("what is {other}? [--json FILE]"),
            }
        }
        if !asked {
            println!("nothing is measured: use `make bench`");
        }
        asked.then_some(Bench { json })
    }

    /// Rounds: with `BENCH_LONG` set the longer ones.
    pub fn rounds(&self, usual: usize, long: usize) -> usize {
        if std::env::var_os("BENCH_LONG").is_some() { long } else { usual }
    }

    /// A number from the environment.
    pub fn number(&self, name: &str, usual: u64) -> u64 {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
    }

    /// Writes all figures where `--json` said.
    pub fn finish(self, figures: &Value) {
        if let Some(to) = self.json {
            std::fs::write(&to, format!("{figures:#}\n")).unwrap();
            println!("\nall figures: {}", to.display());
        }
    }
}
