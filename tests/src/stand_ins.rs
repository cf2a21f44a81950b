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
}
