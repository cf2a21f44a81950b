//! A folder with a profile, its settings and the files that it looks at.

use ml_tests::{TempDir, Tool};
use std::path::PathBuf;

/// See the module.
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// The profile is called `demo`, as is its system; `text` follows its head.
    pub fn new(text: &str) -> Site {
        let site = Site { folder: TempDir::new().unwrap() };
        std::fs::create_dir_all(site.path("config/profiles")).unwrap();
        site.write("config/nightly.env", "SYSTEM=elsewhere\n");
        site.write("config/profiles/demo.toml", &format!("[profile]\nversion = 1\nsystem = \"demo\"\n{text}"));
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        // As a whole: a watch looks at any time.
        let beside = self.path(&format!("{name}.new"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.path(name)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn state(&self) -> serde_json::Value {
        serde_json::from_str(&self.read("state/health-demo.json")).unwrap()
    }

    /// `ml-health --profile demo`
    pub fn tool(&self, args: &[&str]) -> Tool {
        Tool::new("ml-health").args(["--profile", "demo"]).args(args).cwd(self.folder.path())
    }
}

/// A probe `m` of the file m.json, with these filters.
pub fn file_probe(metrics: &str) -> String {
    format!("[probe.m]\nkind = \"json\"\nfile = \"m.json\"\nmetrics = {{ {metrics} }}\n")
}

fn file_of(profile: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../config/profiles/{profile}.toml"))
}

/// ml-health with one of the profiles that are shipped, its state in a folder of the test's.
pub fn shipped(profile: &str, state: &std::path::Path) -> Tool {
    Tool::new("ml-health").arg("--profile").arg(file_of(profile)).env("STATE_DIR", state)
}

/// The same with one thing in it changed, such as a port.
pub fn changed(profile: &str, from: &str, to: &str, state: &std::path::Path) -> Tool {
    let text = std::fs::read_to_string(file_of(profile)).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} stands once in {profile}");
    let file = state.join(format!("{profile}.toml"));
    std::fs::write(&file, text.replace(from, to)).unwrap();
    Tool::new("ml-health").arg("--profile").arg(file).env("STATE_DIR", state)
}
