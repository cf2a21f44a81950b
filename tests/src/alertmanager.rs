//! A private Alertmanager (Debian's package) that groups by system and tells a webhook at once.

use crate::server::Server;
use serde_json::Value;

/// A running server, killed on drop or with the test process.
#[derive(Debug)]
pub struct Alertmanager(Server);

impl Alertmanager {
    /// Tells `webhook`; None when the program is not installed, for the test to be skipped. Panics with its log when it does not start.
    pub fn telling(webhook: &str) -> Option<Alertmanager> {
        let config = format!(
            "route: {{receiver: test, group_by: [system], group_wait: 200ms, group_interval: 500ms, repeat_interval: 1h}}\n\
             receivers:\n- name: test\n  webhook_configs:\n  - url: '{webhook}'\n    send_resolved: true\n"
        );
        let server = Server::start(["/usr/bin/prometheus-alertmanager", "/usr/local/bin/alertmanager"], |dir, port| {
            let (at, file) = (dir.display(), dir.join("alertmanager.yml"));
            std::fs::write(&file, &config).unwrap();
            let (config, data) = (format!("--config.file={}", file.display()), format!("--storage.path={at}/data"));
            vec![config, data, format!("--web.listen-address=127.0.0.1:{port}"), "--cluster.listen-address=".to_owned()]
        });
        server.map(Alertmanager)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The alerts that stand there now.
    pub fn alerts(&self) -> Vec<Value> {
        let answer = self.0.get("/api/v2/alerts").expect("Alertmanager answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).expect("Alertmanager answers JSON")
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        self.0.log()
    }
}
