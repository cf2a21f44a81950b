//! Systems that are well in every point, with all that the commands of the manuals touch: a database, a queue, files, an archive, a place to push to.

use crate::watched::Watched;
use crate::{angles, causal_gym, logos_pxl, mathledger, twzrd};
use ml_tests::{Cluster, RedisServer, Request, Response, Running, TestDb};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A system under its profile that is well, with all that the manual's commands touch.
pub struct Place {
    pub system: Watched,
    pub db: TestDb,
    /// Servers and processes that live as long as it does.
    _alive: (Option<RedisServer>, Vec<Running>),
    _alone: MutexGuard<'static, ()>,
}

/// Two drills of one system are not made at once, and its commands have some.
fn alone(profile: &str) -> MutexGuard<'static, ()> {
    static SYSTEMS: [(&str, Mutex<()>); 5] = [
        ("mathledger", Mutex::new(())),
        ("twzrd", Mutex::new(())),
        ("angles", Mutex::new(())),
        ("causal-gym", Mutex::new(())),
        ("logos-pxl", Mutex::new(())),
    ];
    let (_, system) = SYSTEMS.iter().find(|(name, _)| *name == profile).unwrap();
    system.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system of this profile.
pub fn place(profile: &'static str) -> Place {
    let alone = alone(profile);
    let (mut system, db, redis, running) = match profile {
        "mathledger" => {
            let (system, db, redis) = mathledger::mathledger();
            (system, db, Some(redis), Vec::new())
        }
        "twzrd" => {
            let (system, db) = twzrd::twzrd("pasted_twzrd");
            (system, db, None, Vec::new())
        }
        "angles" => {
            let (system, db, running) = angles::angles();
            (system, db, None, running.into())
        }
        "causal-gym" => {
            let (system, db, redis) = causal_gym::gym();
            (system, db, Some(redis), Vec::new())
        }
        _ => (guarded_pxl(), Cluster::shared().database("pasted_pxl"), None, Vec::new()),
    };
    if is_about_a_database(profile) {
        // As its owner: backups, restores and vacuum are more than looking.
        system.set("DATABASE_URL", db.url());
    }
    if let Some(redis) = &redis {
        // A cache that was asked for something.
        redis::cmd("SET").arg("k").arg("v").query::<()>(&mut redis.connection()).unwrap();
        redis::cmd("GET").arg("k").query::<String>(&mut redis.connection()).unwrap();
    }
    system.commands.script("lake", "[ \"$1\" = build ]");
    system.write("lean/lakefile.lean", "package ledger");
    let lean = system.path().join("lean").display().to_string();
    system.set("LEAN_PROJECT_DIR", lean);
    for (name, value) in [
        ("DISK_FREE_MIN_MB", "1"),
        ("DISK_FREE_WARN_PERCENT", "0"),
        ("ARCHIVE_PATHS", "export,config"),
        ("ARCHIVE_DIR", "backups"),
        ("BACKUP_DIR", "backups"),
        ("DERIVE_STEPS", "1"),
        ("DERIVE_MAX_TOTAL", "5"),
    ] {
        system.set(name, value);
    }
    system.service.set("/alertmanager/api/v2/alerts", Response::status(200));
    let url = system.service.url("/alertmanager");
    match profile {
        "causal-gym" => system.set("ALERTMANAGER_URL", url),
        "mathledger" => {
            system.write("log/api.log", "ready\n");
            let logs = system.path().join("log/*.log").display().to_string();
            system.set("LOG_FILES", logs);
        }
        _ => {}
    }
    system.write("export/decisions.json", "[]");
    system.write(".env", "A=b\n");
    system.chmod(".env", 0o600);
    std::fs::create_dir_all(system.path().join("remote")).unwrap();
    system.set("PUSH_TO", system.path().join("remote").display().to_string());
    Place { system, db, _alive: (redis, running), _alone: alone }
}

/// Whether it has one.
pub fn is_about_a_database(profile: &str) -> bool {
    profile != "logos-pxl"
}

/// LOGOS_PXL_Core with HMAC on, as its manual wants it.
fn guarded_pxl() -> Watched {
    let mut system = logos_pxl::pxl();
    let key = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    system.set("ENABLE_HMAC_AUTH", "true");
    system.set("HMAC_SECRET_KEY", key);
    system.write("app/.env", &format!("ENABLE_HMAC_AUTH=true\nHMAC_SECRET_KEY={key}\n"));
    system.service.answer("/prove", |request: &Request| match request.headers.contains_key("x-signature") {
        true => Response::json(r#"{"ok": true}"#),
        false => Response::status(401).body("Invalid signature"),
    });
    system
}
