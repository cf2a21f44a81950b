//! A system under its profile: settings, a service, commands, a webhook, and one look through `ml-health | ml-alert`.

use ml_tests::{Commands, HttpStandIn, Pipeline, Response, Service, TempDir, Tool};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A system that is watched.
pub struct Watched {
    profile: &'static str,
    settings: BTreeMap<String, String>,
    folder: TempDir,
    hook: HttpStandIn,
    pub service: Service,
    pub commands: Commands,
}

/// What one look found, and whom it told.
pub struct Seen {
    pub records: Vec<Value>,
    /// Every message that the webhook got, as text.
    pub told: Vec<String>,
    pub code: i32,
}

impl Watched {
    pub fn new(profile: &'static str) -> Watched {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("config/profiles");
        std::fs::create_dir_all(&config).unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/profiles").join(format!("{profile}.toml"));
        std::fs::copy(ours, config.join(format!("{profile}.toml"))).unwrap();
        let hook = HttpStandIn::answering(Response::status(200).body("ok"));
        let commands = Commands::in_folder(folder.path().join("bin"));
        let settings = [
            ("SYSTEM", profile.to_owned()),
            ("PROFILE", profile.to_owned()),
            ("ALERT_ENABLED", "true".to_owned()),
            ("ALERT_WEBHOOK", hook.url("/services/T/B/x")),
        ];
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Watched { profile, settings, folder, hook, service: Service::start(), commands }
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the system's, with its folders.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes the blocks of TOML that stand in docs/operations of this system into these files, in turn.
    pub fn write_rules_of_the_page(&self, paths: &[&str]) {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations").join(format!("{}.md", self.profile));
        let page = std::fs::read_to_string(page).unwrap();
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
        assert_eq!(blocks.len(), paths.len(), "{blocks:?}");
        for (path, block) in paths.iter().zip(blocks) {
            self.write(path, block);
        }
    }

    pub fn chmod(&self, path: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.path().join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The machine is now so: per cent of swap and memory in use, load.
    pub fn machine(&mut self, swap: u64, memory: u64, load: f64) {
        let (total, of) = (8_000_000, |percent: u64| 8_000_000 * (100 - percent) / 100);
        let text = format!(
            "MemTotal: {total} kB\nMemFree: 0 kB\nMemAvailable: {} kB\nSwapTotal: {total} kB\nSwapFree: {} kB\n",
            of(memory),
            of(swap)
        );
        self.write("machine/proc/meminfo", &text);
        self.write("machine/proc/loadavg", &format!("{load} {load} {load} 1/100 4242\n"));
        self.write("machine/proc/uptime", "950400.0 1900000.0\n");
        self.write("machine/proc/stat", "cpu 100 0 100 1000 0 0 0 0 0 0\ncpu0 100 0 100 1000 0 0 0 0 0 0\n");
        self.set("HOST_ROOT", self.path().join("machine").display().to_string());
    }

    /// The settings are written, for commands that find them by themselves.
    pub fn settle(&self) {
        self.config();
    }

    fn config(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let text: String = self.settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let path = self.path().join("config/nightly.env");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn tool(&self, name: &str) -> Tool {
        let path = format!("{}:{}", self.commands.path().display(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        Tool::new(name).arg("--config").arg(self.config()).env("PATH", path)
    }

    /// `--check-config` finds nothing.
    pub fn has_no_mistake(&self) {
        let checked = self.tool("ml-health").arg("--check-config").run();
        assert_eq!(checked.code, 0, "{}", checked.stdout);
    }

    /// One look, told on.
    pub fn look(&self, args: &[&str]) -> Seen {
        let before = self.hook.requests().len();
        let output = Pipeline::new().stage(self.tool("ml-health").args(args)).stage(self.tool("ml-alert")).run();
        assert!(output.stderrs.concat().is_empty(), "{:?}", output.stderrs);
        let (records, code) = (output.last.records, output.last.code);
        Seen { records, told: self.told_since(before), code }
    }

    /// What people are told of a run of another tool, whatever it says on stderr.
    pub fn told_of(&self, tool: &str, args: &[&str]) -> Vec<String> {
        let before = self.hook.requests().len();
        Pipeline::new().stage(self.tool(tool).args(args)).stage(self.tool("ml-alert")).run();
        self.told_since(before)
    }

    /// A file of the system's was written so many seconds ago.
    pub fn aged(&self, path: &str, seconds: u64) {
        let file = std::fs::File::options().append(true).open(self.path().join(path)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(seconds)).unwrap();
    }

    /// Adds to a file of the system's.
    pub fn append(&self, path: &str, text: &str) {
        use std::io::Write;
        let mut file = std::fs::File::options().append(true).create(true).open(self.path().join(path)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The same records once more, so much later: what has to last is told then.
    pub fn later(&self, seen: &Seen, minutes: i64) -> Vec<String> {
        self.after(seen, minutes * 60)
    }

    /// The same, in seconds.
    pub fn after(&self, seen: &Seen, seconds: i64) -> Vec<String> {
        let before = self.hook.requests().len();
        let shift = |record: &Value| {
            let at: jiff::Timestamp = record["ts"].as_str().unwrap().parse().unwrap();
            let mut record = record.clone();
            record["ts"] = json!((at + jiff::SignedDuration::from_secs(seconds)).to_string());
            record
        };
        let records: Vec<Value> = seen.records.iter().filter(|record| record["tool"] == "ml-health").map(shift).collect();
        self.tool("ml-alert").stdin_records(&records).run();
        self.told_since(before)
    }

    /// A tool that ended in an internal error, after a look at which all was well, is told as critical.
    #[track_caller]
    pub fn tells_of_a_tool_that_failed(&self, well: &Seen) {
        self.forget_alerts();
        let mut records = well.records.clone();
        let end = records.iter_mut().find(|record| record["kind"] == "end" && record["tool"] == "ml-health").unwrap();
        (end["status"], end["exit"], end["summary"]) = (json!("crit"), json!(70), json!("an internal error"));
        end["error_class"] = json!("internal");
        let told = self.later(&Seen { records, told: Vec::new(), code: 5 }, 1).join("\n");
        assert!(tells(&told, "critical", "tool.ml-health"), "{told}");
    }

    /// Nothing has been told before.
    pub fn forget_alerts(&self) {
        std::fs::remove_file(self.path().join(format!("state/alerts-{}.json", self.profile))).ok();
    }

    /// All that people were told.
    pub fn told(&self) -> Vec<String> {
        self.told_since(0)
    }

    fn told_since(&self, before: usize) -> Vec<String> {
        let text = |body: &str| serde_json::from_str::<Value>(body).unwrap()["text"].as_str().unwrap().to_owned();
        self.hook.requests().iter().skip(before).map(|request| text(&request.body)).collect()
    }

    /// One look, as if nothing had been told before; what is not ok or skipped is what is expected, each with its hint, and told to people at
    /// once or when it has lasted for a while. Nothing else is told.
    #[track_caller]
    pub fn is(&self, when: &str, expected: &[(&str, &str)]) -> Seen {
        self.forget_alerts();
        let mut seen = self.look(&[]);
        seen.told.extend(self.later(&seen, 3));
        let expected: BTreeMap<&str, &str> = expected.iter().copied().collect();
        let found = seen.bad();
        assert_eq!(found, expected, "{} {when}: {:#?}", self.profile, seen.summaries());
        let worst = [("crit", 5), ("warn", 1), ("unknown", 1)].into_iter().find(|(status, _)| found.values().any(|found| found == status));
        assert_eq!(seen.code, worst.map_or(0, |(_, code)| code), "{when}");
        let message = seen.told.join("\n");
        for record in seen.checks() {
            let id = record["id"].as_str().unwrap();
            assert_eq!(message.contains(&format!(" {id}: ")), found.contains_key(id), "{when}: {id} in {message}");
            let has_hint = record["hint"].as_str().is_some_and(|hint| !hint.is_empty());
            assert!(has_hint || !found.contains_key(id), "nobody knows what to do about {record}");
        }
        seen
    }

    /// The status of one check.
    #[track_caller]
    pub fn status(&self, id: &str) -> String {
        self.look(&["--only", id]).check(id)["status"].as_str().unwrap().to_owned()
    }
}

/// Whether people are told of this check with this severity, however the line is put.
pub fn tells(message: &str, severity: &str, id: &str) -> bool {
    message.lines().any(|line| line.contains(&format!(" {id}: ")) && line.split(id).next().unwrap_or_default().contains(severity))
}

impl Seen {
    pub fn checks(&self) -> impl Iterator<Item = &Value> {
        self.records.iter().filter(|record| record["kind"] == json!("check"))
    }

    #[track_caller]
    pub fn check(&self, id: &str) -> &Value {
        self.checks().find(|record| record["id"] == json!(id)).unwrap_or_else(|| panic!("no {id} in {:#?}", self.summaries()))
    }

    /// Ids and statuses of what is warn, crit or unknown.
    pub fn bad(&self) -> BTreeMap<&str, &str> {
        let pairs = self.checks().map(|record| (record["id"].as_str().unwrap(), record["status"].as_str().unwrap()));
        pairs.filter(|(_, status)| !matches!(*status, "ok" | "skipped")).collect()
    }

    /// One line a check, for people who read a failed test.
    pub fn summaries(&self) -> Vec<String> {
        self.checks().map(|record| format!("{} {}: {}", record["status"], record["id"], record["summary"])).collect()
    }
}
