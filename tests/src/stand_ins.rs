//! Stand-ins whose answers a test changes while they run: an HTTP service by path, and commands (docker, pm2) found before the real ones.

use crate::http::{HttpStandIn, Request, Response};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

type Answer = Arc<dyn Fn(&Request) -> Response + Send + Sync>;

/// An HTTP service; paths that were not set are 404.
pub struct Service {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    server: HttpStandIn,
}

impl Service {
    /// Without any path yet.
    pub fn start() -> Service {
        let answers: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
        let known = Arc::clone(&answers);
        let server = HttpStandIn::start(move |request| {
            let path = request.path.split('?').next().unwrap_or_default();
            let answer = known.lock().unwrap().get(path).cloned();
            answer.map_or_else(|| Response::status(404), |answer| answer(request))
        });
        Service { answers, server }
    }

    /// From now on this path answers so.
    pub fn set(&self, path: &str, response: Response) {
        self.answer(path, move |_| response.clone());
    }

    /// From now on this path answers by what is asked.
    pub fn answer(&self, path: &str, answer: impl Fn(&Request) -> Response + Send + Sync + 'static) {
        self.answers.lock().unwrap().insert(path.to_owned(), Arc::new(answer));
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// What was asked until now.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }
}

/// A folder of commands for the front of PATH.
pub struct Commands {
    folder: PathBuf,
}

impl Commands {
    /// Makes the folder.
    pub fn in_folder(folder: PathBuf) -> Commands {
        std::fs::create_dir_all(&folder).unwrap();
        Commands { folder }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A command whose body is this shell script; one that is there is replaced.
    pub fn script(&self, name: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt;
        let (new, path) = (self.folder.join(format!(".{name}")), self.folder.join(name));
        std::fs::write(&new, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Renamed, as a script that runs cannot be written to.
        std::fs::rename(&new, &path).unwrap();
    }

    /// It is not there any more.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.join(name)).unwrap();
    }

    /// A docker with these containers: name, `running` or `exited`, a variable of its environment. What its other words answer stands in files
    /// beside it, `docker.d/WORD`: `audit` (pip-audit), `trivy`, `find`, `logs-NAME`.
    pub fn docker(&self, containers: &[(&str, &str, &str)]) {
        let folder = self.folder.join("docker.d");
        std::fs::create_dir_all(&folder).unwrap();
        let one = |(name, status, variable): &(&str, &str, &str)| {
            let state =
                serde_json::json!({ "Status": status, "ExitCode": i32::from(*status != "running"), "StartedAt": "2025-01-08T02:00:00Z" });
            serde_json::json!({ "Id": name, "Name": format!("/{name}"), "State": state, "RestartCount": 0, "Config": { "Env": [variable] } })
        };
        let list: Vec<serde_json::Value> = containers.iter().map(one).collect();
        std::fs::write(folder.join("inspect"), serde_json::json!(list).to_string()).unwrap();
        let lines = |line: &dyn Fn(&str) -> String| containers.iter().map(|(name, ..)| line(name)).collect::<String>();
        std::fs::write(folder.join("ps"), lines(&|name| format!("{name}\n"))).unwrap();
        std::fs::write(folder.join("stats"), lines(&|name| format!("{name}\t12.50%\t512MiB / 2GiB\n"))).unwrap();
        self.script("docker", DOCKER);
    }

    /// What a word of the docker stand-in answers.
    pub fn docker_answers(&self, word: &str, text: &str) {
        std::fs::create_dir_all(self.folder.join("docker.d")).unwrap();
        std::fs::write(self.folder.join("docker.d").join(word), text).unwrap();
    }

    /// A pm2 with these processes: name, status, restarts. What they say on stderr stands in files beside it, `pm2.d/NAME-error.log`.
    pub fn pm2(&self, processes: &[(&str, &str, u64)]) {
        let logs = self.folder.join("pm2.d");
        std::fs::create_dir_all(&logs).unwrap();
        let one = |(id, (name, status, restarts)): (usize, &(&str, &str, u64))| {
            let log = logs.join(format!("{name}-error.log"));
            std::fs::OpenOptions::new().append(true).create(true).open(&log).unwrap();
            serde_json::json!({ "pm_id": id, "name": name, "monit": { "memory": 1000, "cpu": 1 },
                "pm2_env": { "status": status, "restart_time": restarts, "pm_uptime": 1_736_301_600_000_i64, "pm_err_log_path": log } })
        };
        let list: Vec<serde_json::Value> = processes.iter().enumerate().map(one).collect();
        self.script("pm2", &format!("[ \"$1\" = jlist ] && cat <<'END'\n{}\nEND", serde_json::json!(list)));
    }
}

const DOCKER: &str = r#"at=${0%/*}/docker.d
for last; do :; done
case "$*" in
ps*) cat "$at/ps" ;;
inspect*) cat "$at/inspect" ;;
stats*) cat "$at/stats" ;;
logs*) cat "$at/logs-$last" ;;
*pip-audit*) cat "$at/audit" ;;
*trivy*) cat "$at/trivy" ;;
*find*) cat "$at/find" ;;
*) exit 9 ;;
esac"#;
