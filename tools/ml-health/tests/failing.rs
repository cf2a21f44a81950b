//! What fails on the machine and around it, by the checks of the shipped profiles: disks, CPU, load, certificates, Lean, availability.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{HttpStandIn, Issued, Output, Pki, Response, TempDir, full_disk, skip};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::site::{Site, changed, shipped};

fn told<'a>(output: &'a Output, id: &str) -> (&'a str, Option<f64>) {
    let check = output.record("check", id);
    (check["status"].as_str().unwrap(), check["value"].as_f64())
}

#[test]
fn a_disk_above_85_and_above_90_per_cent() {
    const SIZE: usize = 4 << 20;
    let disk = match full_disk(SIZE as u64) {
        Ok(disk) => disk,
        Err(why) => skip!("{why}"),
    };
    let state = TempDir::new().unwrap();
    let site = Site::new(&format!(
        "[probe.d]\nkind = \"disk\"\npath = \"{}\"\n[[check]]\nid = \"disk\"\nprobe = \"d\"\nvalue = \"percent\"\nunit = \"%\"\n\
         warn = \"> 85\"\ncrit = \"> 90\"\n[[check]]\nid = \"full\"\nprobe = \"d\"\nvalue = \"free\"\ncrit = \"== 0\"\n",
        disk.path().display()
    ));
    // Per cent that are used; what the profile of angles says; what one with a second threshold says.
    for (used, angles, own) in [(50, "ok", "ok"), (84, "ok", "ok"), (87, "warn", "warn"), (92, "warn", "crit"), (100, "warn", "crit")] {
        fs::write(disk.path().join("data"), vec![0; SIZE * used / 100]).unwrap();
        let output = shipped("angles", state.path()).args(["--only", "disk"]).env("DISK", disk.path()).run();
        let (status, value) = told(&output, "disk");
        assert_eq!((status, output.code), (angles, i32::from(angles == "warn")), "{used}: {}", output.stdout);
        assert!((value.unwrap() - used as f64).abs() < 1.0, "{used}: {value:?}");
        let output = site.tool(&[]).run();
        assert_eq!(told(&output, "disk").0, own, "{used}");
        assert_eq!(told(&output, "full").0, if used == 100 { "crit" } else { "ok" }, "{used}");
    }
}

#[test]
fn cpu_and_load_beyond_what_the_guides_allow() {
    let (machine, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let proc = machine.path().join("proc");
    fs::create_dir(&proc).unwrap();
    fs::write(proc.join("meminfo"), "MemTotal: 1000 kB\nMemFree: 0 kB\nMemAvailable: 500 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n").unwrap();
    fs::write(proc.join("uptime"), "9504.0 19000.0\n").unwrap();
    let load = |load: f64| fs::write(proc.join("loadavg"), format!("{load} 1.0 1.0 1/100 4242\n")).unwrap();
    // Ticks of work and idle ones since the machine was started.
    let (mut work, mut idle) = (1000, 9000);
    let mut tick = |more: i64, percent: i64| {
        (work, idle) = (work + more * percent / 100, idle + more * (100 - percent) / 100);
        fs::write(proc.join("stat"), format!("cpu {work} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {work} 0 0 {idle} 0 0 0 0 0 0\n")).unwrap();
    };
    let cpu = || shipped("angles", state.path()).args(["--only", "host.cpu"]).env("HOST_ROOT", machine.path()).run();
    load(0.5);
    tick(0, 0);
    assert_eq!(cpu().record("check", "host.cpu")["status"], "ok");
    for (percent, status) in [(79, "ok"), (80, "warn"), (100, "warn"), (10, "ok")] {
        tick(10_000, percent);
        assert_eq!(told(&cpu(), "host.cpu"), (status, Some(percent as f64)));
    }
    for (now, status, code) in [(8.0, "ok", 0), (8.5, "warn", 1), (12.0, "warn", 1), (12.5, "crit", 5)] {
        load(now);
        let tool = shipped("twzrd", state.path()).args(["--only", "host.load"]).env("HOST_ROOT", machine.path());
        assert_eq!(told(&tool.run().expect_code(code), "host.load"), (status, Some(now)));
    }
}

#[test]
fn this_machine_when_it_works() {
    let stop = Arc::new(AtomicBool::new(false));
    let work = |_| {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
    };
    let burning: Vec<_> = (0..std::thread::available_parallelism().unwrap().get()).map(work).collect();
    let site = Site::new("[probe.h]\nkind = \"host\"\n[[check]]\nid = \"cpu\"\nprobe = \"h.cpu\"\nvalue = \"percent\"\nwarn = \"> 50\"\n");
    let output = site.tool(&[]).run();
    stop.store(true, Ordering::Relaxed);
    burning.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(told(&output, "cpu").0, "warn", "{}", output.stdout);
}

#[test]
fn a_certificate_that_ends_soon_has_ended_is_for_another_or_of_nobody() {
    let (pki, state) = (Pki::new(), TempDir::new().unwrap());
    let trusted = state.path().join("authority.pem");
    fs::write(&trusted, pki.pem()).unwrap();
    let look = |certificate: &Issued, authority: bool| {
        let server = HttpStandIn::secure(certificate, |_| Response::json("{}"));
        let port = format!("port = {}\n\n[probe.host]", server.port());
        let tool = changed("logos-pxl", "port = 8088\n\n[probe.host]", &port, state.path());
        let tool = tool.args(["--only", "tls.certificate"]).env("TLS_HOST", "localhost");
        let output = if authority { tool.env("SSL_CERT_FILE", &trusted) } else { tool }.run();
        let server_port = server.port();
        let soon = Site::new(&format!(
            "[probe.t]\nkind = \"tls\"\nhost = \"localhost\"\nport = {server_port}\n[[check]]\nid = \"soon\"\nprobe = \"t\"\nvalue = \"days\"\n\
             warn = \"< 30\"\ncrit = \"< 7\"\n"
        ));
        let soon = soon.tool(&[]).run().record("check", "soon")["status"].as_str().unwrap().to_owned();
        (output.record("check", "tls.certificate").clone(), soon)
    };
    // Status by the guide (in force, for the name, trusted), status by days left, and what is said.
    let cases = [
        (pki.issue(&["localhost"], 90), true, "ok", "ok", "expires on"),
        (pki.issue(&["localhost"], 20), true, "ok", "warn", "in 20 days"),
        (pki.issue(&["localhost"], 3), true, "ok", "crit", "in 3 days"),
        (pki.issue(&["localhost"], -2), true, "crit", "crit", "expired on"),
        (pki.issue(&["other.example"], 90), true, "crit", "ok", "not for localhost"),
        (pki.issue(&["localhost"], 90), false, "crit", "ok", "not trusted"),
        (Issued::self_signed(&["localhost"], 90), true, "crit", "ok", "not trusted"),
    ];
    for (certificate, authority, guide, days, said) in cases {
        let (check, soon) = look(&certificate, authority);
        assert_eq!((check["status"].as_str().unwrap(), soon.as_str()), (guide, days), "{check}");
        assert!(check["summary"].as_str().unwrap().contains(said), "{said}: {check}");
    }
    let tool =
        changed("logos-pxl", "port = 8088\n\n[probe.host]", &format!("port = {}\n\n[probe.host]", ml_tests::closed_port()), state.path());
    let nobody = tool.args(["--only", "tls.certificate"]).env("TLS_HOST", "localhost").run().expect_code(1);
    assert_eq!(nobody.record("check", "tls.certificate")["status"], "unknown");
}

/// Real Lean cannot be had where tests run: a program of its name says what the real one says.
#[test]
fn lean_that_does_not_build_hangs_or_is_not_there() {
    let (project, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let lake = |script: &str| {
        fs::write(project.path().join("lake"), format!("#!/bin/sh\n[ \"$1\" = build ] || exit 9\n{script}\n")).unwrap();
        fs::set_permissions(project.path().join("lake"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let path = format!("{}:/usr/bin:/bin", project.path().display());
    let look = |limit: &str| {
        let tool =
            changed("mathledger", "timeout = \"5m\"", &format!("timeout = \"{limit}\""), state.path()).args(["--only", "lean.build"]);
        tool.env("LEAN_PROJECT_DIR", project.path()).env("PATH", &path).run().record("check", "lean.build").clone()
    };
    lake("echo 'Build completed successfully.'");
    assert_eq!(look("5m")["status"], "ok");
    lake("echo 'warning: Ledger/A.lean:1:1: unused variable'; echo 'error: Ledger/A.lean:3:4: unsolved goals' >&2; exit 1");
    let failed = look("5m");
    assert_eq!((&failed["status"], &failed["value"]), (&"warn".into(), &1.into()), "{failed}");
    assert!(failed["summary"].as_str().unwrap().contains("1 error, 1 warning"), "{failed}");
    assert!(failed["evidence"].to_string().contains("unsolved goals"), "{failed}");
    assert!(failed["hint"].as_str().unwrap().contains("lake build"));
    lake("echo 'info: [1/900] building'; sleep 600");
    let late = look("1s");
    assert_eq!((&late["status"], &late["error_class"]), (&"unknown".into(), &"timeout".into()), "{late}");
    fs::remove_file(project.path().join("lake")).unwrap();
    let absent = look("5m");
    assert_eq!(absent["status"], "skipped", "{absent}");
    assert!(absent["summary"].as_str().unwrap().contains("lake"), "{absent}");
}

#[test]
fn an_availability_below_its_target_is_told() {
    if let Some(why) = ml_tests::clock::unsettable("ml-health") {
        skip!("{why}");
    }
    let up = Arc::new(AtomicBool::new(true));
    let state = TempDir::new().unwrap();
    let service = {
        let up = Arc::clone(&up);
        HttpStandIn::start(move |_| {
            let ok = Response::json(r#"{"status": "ok", "ready": true, "sessions": {"total": 4, "active": 1}}"#);
            if up.load(Ordering::Relaxed) { ok } else { Response::status(503) }
        })
    };
    // A look stands for the hour until the next.
    let begin: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let look = |hour: i64| {
        let tool = shipped("logos-pxl", state.path()).args(["--only", "health"]).env("BASE_URL", service.url(""));
        tool.at(&(begin + jiff::SignedDuration::from_hours(hour)).to_string()).run()
    };
    let availability = |output: &Output| -> (String, Value) {
        let record = output.record("check", "health.availability");
        (record["status"].as_str().unwrap().to_owned(), record["value"].clone())
    };
    assert_eq!(availability(&look(0)).0, "skipped", "one look is no history");
    (1..19).for_each(|hour| drop(look(hour)));
    assert_eq!(availability(&look(19)), ("ok".into(), 100.0.into()), "twenty looks are enough to speak of");
    (20..119).for_each(|hour| drop(look(hour)));
    up.store(false, Ordering::Relaxed);
    let down = look(119);
    assert_eq!((told(&down, "health").0, down.code), ("crit", 5));
    let (status, value) = availability(&down);
    assert_eq!(status, "warn", "one hour of 120 is below 99.9 %: {value}");
    assert!((value.as_f64().unwrap() - 119.0 / 120.0 * 100.0).abs() < 0.01, "{value}");
    let (status, value) = availability(&look(120));
    assert_eq!(status, "crit", "{value}");
    up.store(true, Ordering::Relaxed);
    let again = look(121);
    assert_eq!((told(&again, "health").0, availability(&again).0.as_str()), ("ok", "crit"), "that it is up again does not undo it");
}
