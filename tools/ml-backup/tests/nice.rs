//! A backup that lets everybody else go first.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, hang_pg_dump, ledger, pg_dump_of};
use ml_tests::{TempDir, Tool};

/// Niceness and class of the disk of a process, by its thread group's leader.
fn priority(pid: u32) -> (String, String) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name may hold anything; the 17th field behind it is the niceness.
    let nice = stat.rsplit(") ").next().unwrap().split(' ').nth(16).unwrap().to_owned();
    let class = Tool::foreign("ionice").args(["-p", &pid.to_string()]).run().expect_code(0).stdout;
    (nice, class.trim().to_owned())
}

#[test]
fn cpu_and_disk_go_to_others_first() {
    let (db, folder) = (ledger("nice"), TempDir::new().unwrap());
    let _lock = hang_pg_dump(&db);
    for (flag, setting, lowered) in [(true, "false", true), (false, "true", true), (false, "false", false)] {
        let tool = backup(&db.url(), folder.path()).env("BACKUP_NICE", setting);
        let tool = if flag { tool.arg("--nice") } else { tool }.spawn();
        for pid in [pg_dump_of(&tool), tool.pid()] {
            let (nice, class) = priority(pid);
            assert_eq!(nice == "19" && class.contains("idle"), lowered, "{nice} {class}");
        }
        tool.signal(15);
        tool.wait().expect_code(143);
    }
}
