//! The real cron (Debian's package cron), with no crontab but the test's, at a moment of the test's.
//!
//! It runs in a mount namespace of its own, in which the system's crontabs are not to be seen; so it needs root.

use crate::guard::Guard;
use crate::{Running, TempDir, Tool, clock};
use std::os::unix::fs::PermissionsExt;

/// Cron at work; it ends on drop or with the test process.
#[derive(Debug)]
pub struct Cron {
    running: Running,
    _guard: Guard,
    _folder: TempDir,
}

const PRIVATE: &str = "mount --bind \"$1/crontabs\" /var/spool/cron/crontabs && mount --bind \"$1/none\" /etc/cron.d && \
    mount --bind \"$1/crontab\" /etc/crontab && mount --bind \"$1/run\" /run && exec cron -f";

/// Why it cannot be had here, for `skip!`.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a cron of its own needs root".to_owned());
    }
    let here = |script: &str| Tool::foreign("sh").args(["-c", script]).run().code == 0;
    if !here("command -v cron && command -v unshare") {
        return Some("there is no cron (Debian: cron)".to_owned());
    }
    if !here("unshare -m mount --bind /tmp /tmp") {
        return Some("a mount namespace is not allowed here".to_owned());
    }
    clock::unsettable("ml-alert")
}

/// What cron's own reader finds wrong with a crontab; None where it finds nothing, or is not here.
pub fn fault(crontab: &str) -> Option<String> {
    let output =
        Tool::foreign("sh").args(["-c", "command -v crontab >/dev/null || exit 0; cat > crontab; crontab -n crontab"]).stdin(crontab).run();
    (output.code != 0).then(|| format!("{}{}", output.stdout, output.stderr))
}

impl Cron {
    /// With this crontab of root's; its clock shows `moment` when it starts ([`Tool::at`]). What it runs has the real time.
    pub fn start(crontab: &str, moment: &str) -> Cron {
        let folder = TempDir::new().expect("a temporary folder is made");
        for name in ["crontabs", "none", "run"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder is made");
        }
        std::fs::write(folder.path().join("crontab"), "").expect("a file is written");
        let own = folder.path().join("crontabs/root");
        std::fs::write(&own, crontab).expect("the crontab is written");
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).expect("it is root's alone");
        let tool = Tool::foreign("unshare").args(["-m", "sh", "-c", PRIVATE, "cron"]).arg(folder.path()).at(moment);
        let running = tool.spawn();
        let guard = Guard::on_exit("kill -9 \"$1\"", &[&running.pid().to_string()]);
        Cron { running, _guard: guard, _folder: folder }
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.running.is_running()
    }
}
