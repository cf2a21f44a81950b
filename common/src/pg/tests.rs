//! Settings by the manual's words: connection strings, environment, password and service files.

use super::{Target, conninfo, without_password};
use std::path::Path;

/// An environment of its own: nothing of the machine's, and a home without files.
fn resolve_in(home: &Path, url: &str, vars: &[(&str, &str)]) -> crate::Result<Target> {
    let env = |name: &str| match name {
        "HOME" | "APPDATA" => Some(home.display().to_string()),
        _ => vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    Target::resolve(Some(url), &env)
}

fn resolve(url: &str, vars: &[(&str, &str)]) -> crate::Result<Target> {
    let home = tempfile::tempdir().unwrap();
    resolve_in(home.path(), url, vars)
}

#[track_caller]
fn shown(url: &str, vars: &[(&str, &str)]) -> String {
    resolve(url, vars).unwrap_or_else(|failure| panic!("{url}: {failure}")).describe()
}

#[test]
fn every_form_names_the_same_places() {
    for (url, expected) in [
        ("postgresql://ml:secret@db.example:6432/ledger", "ledger on db.example:6432 as ml"),
        ("postgres://ml@db.example/ledger", "ledger on db.example:5432 as ml"),
        ("postgresql+psycopg2://ml:secret@db.example/ledger", "ledger on db.example:5432 as ml"),
        ("postgres+asyncpg://ml:secret@db.example/ledger?ssl=require", "ledger on db.example:5432 as ml"),
        ("postgresql://ml@db.example", "ml on db.example:5432 as ml"),
        ("postgresql://ml@[::1]:6432/ledger", "ledger on [::1]:6432 as ml"),
        ("postgresql://ml@[fe80::1%25eth0]/ledger", "ledger on [fe80::1%eth0]:5432 as ml"),
        ("postgresql://ml@a:1,b,[::2]:3/ledger", "ledger on a:1,b:5432,[::2]:3 as ml"),
        ("postgresql://m%40l:p%2Fw%25@db/led%20ger", "led ger on db:5432 as m@l"),
        ("postgresql://ml:p@ss@db/ledger", "ledger on db:5432 as ml"),
        ("postgresql:///ledger?host=db&port=7&user=ml", "ledger on db:7 as ml"),
        ("postgresql://other@db/other?user=ml&dbname=ledger", "ledger on db:5432 as ml"),
        ("host=db port=6432 dbname=ledger user=ml password=secret", "ledger on db:6432 as ml"),
        ("host = db\n dbname='led ger' user = m\\'l", "led ger on db:5432 as m'l"),
        ("host=a,b port=1,2 user=ml dbname=ledger", "ledger on a:1,b:2 as ml"),
        ("host=a,b port=9 user=ml dbname=ledger", "ledger on a:9,b:9 as ml"),
        ("hostaddr=10.0.0.1 user=ml dbname=ledger", "ledger on 10.0.0.1:5432 as ml"),
        ("host=db hostaddr=10.0.0.1 user=ml dbname=ledger", "ledger on db:5432 as ml"),
    ] {
        assert_eq!(shown(url, &[]), expected, "{url}");
    }
}

#[cfg(unix)]
#[test]
fn sockets_have_three_spellings() {
    for url in [
        "postgresql://ml@%2Frun%2Fpg:6432/ledger",
        "postgresql://ml@:6432/ledger?host=/run/pg",
        "host=/run/pg port=6432 user=ml dbname=ledger",
    ] {
        assert_eq!(shown(url, &[]), "ledger on /run/pg:6432 as ml", "{url}");
    }
}

#[test]
fn passwords_arrive_as_they_were_meant() {
    for (url, password) in [
        ("postgresql://ml:p%40ss%3A%2F%25@db/x", "p@ss:/%"),
        ("postgresql://ml:a:b@db/x", "a:b"),
        ("postgresql://ml:a+b@db/x", "a+b"),
        ("postgresql://ml@db/x?password=a%26b", "a&b"),
        ("host=db password='a b\\' c\\\\'", "a b' c\\"),
        ("host=db password=a\\ b", "a b"),
        ("host=db password = 'x=y'", "x=y"),
    ] {
        assert_eq!(resolve(url, &[]).unwrap().password().as_deref(), Some(password), "{url}");
    }
}

#[test]
fn the_environment_fills_what_the_string_leaves() {
    let vars = [("PGHOST", "envhost"), ("PGPORT", "1111"), ("PGUSER", "envuser"), ("PGDATABASE", "envdb"), ("PGPASSWORD", "envpw")];
    assert_eq!(shown("", &vars), "envdb on envhost:1111 as envuser");
    assert_eq!(shown("ledger", &vars), "ledger on envhost:1111 as envuser");
    assert_eq!(shown("postgresql://db/ledger", &vars), "ledger on db:1111 as envuser");
    assert_eq!(shown("postgresql://ml@db:2/ledger", &vars), "ledger on db:2 as ml");
    assert_eq!(resolve("postgresql://ml@db/x", &vars).unwrap().password().as_deref(), Some("envpw"));
    assert_eq!(resolve("postgresql://ml:own@db/x", &vars).unwrap().password().as_deref(), Some("own"));
}

#[test]
fn what_libpq_refuses_is_refused_without_telling_the_password() {
    for url in [
        "postgresql://ml:hunter2@db:port/x",
        "postgresql://ml:hunter2/more@db/x",
        "postgresql://ml:5432/hunter2@db/x",
        "postgresql://ml:hunter2%zz@db/x",
        "postgresql://ml:hunter2%00@db/x",
        "postgresql://ml:hunter2@[::1/x",
        "postgresql://ml:hunter2@db/x?sslmode",
        "postgresql://ml:hunter2@db/x?sslmode=sometimes",
        "postgresql://ml:hunter2@db/x?schema=public",
        "postgresql://ml:hunter2@db:70000/x",
        "postgresql://ml:hunter2@a,b:1,c/x?port=1,2",
        "postgresql://ml:hunter2@db/x?sslcrl=/etc/crl.pem",
        "postgresql://ml:hunter2@db/x?sslrootcert=system&sslmode=require",
        "postgresql://ml:hunter2@db/x?sslnegotiation=direct&sslmode=prefer",
        "postgresql://ml:hunter2@db/x?connect_timeout=soon",
        "postgresql://ml:hunter2@db/x?target_session_attrs=best",
        "postgresql://ml:hunter2@db/x?gssencmode=require",
        "mysql://ml:hunter2@db/x",
        "host=db password=hunter2 stray",
        "host=db password='hunter2",
        "host=db password=one hunter2=x",
        "host=db hostaddr=here password=hunter2",
        "service=nowhere password=hunter2",
    ] {
        let failure = resolve(url, &[]).expect_err(url);
        assert_eq!(failure.class, crate::Class::Config, "{url}");
        assert!(!failure.for_people().contains("hunter2"), "{url}: {failure:?}");
        assert!(failure.hint.is_some(), "{url}: {failure:?}");
    }
    let failure = resolve("postgresql://db/x?ssl_mode=require", &[]).unwrap_err();
    assert!(failure.hint.unwrap().contains("sslmode"));
}

#[test]
fn descriptions_carry_no_secret() {
    let target = resolve("postgresql://ml:hunter2@db:6432/x?sslmode=require", &[]).unwrap();
    for text in [target.describe(), format!("{target:?}"), format!("{:?}", target.with_database("y"))] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let vars = target.child_env();
    assert!(vars.contains(&("PGPASSWORD".into(), "hunter2".into())));
    assert!(vars.contains(&("PGSSLMODE".into(), "require".into())));
}

#[cfg(unix)]
#[test]
fn the_password_file_is_read_as_libpq_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    let lines = "# db:5432:*:ml:comment\n\
        short:line\n\
        db:5432:ledger:ml:first\n\
        db:*:scratch:ml:sc\\:ra\\\\tch\n\
        \\:\\:1:5432:*:ml:six\n\
        localhost:5432:*:ml:socket\n\
        odd\\*:5432:*:ml:star\n\
        *:*:*:other:with:colons\n";
    std::fs::write(&file, lines).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let lookup = |url: &str| resolve_in(home.path(), url, &[]).unwrap().password();
    for (url, password) in [
        ("postgresql://ml@db/ledger", Some("first")),
        ("postgresql://ml@db:5433/ledger", None),
        ("postgresql://ml@db:5433/scratch", Some("sc:ra\\tch")),
        ("postgresql://ml@[::1]/ledger", Some("six")),
        ("postgresql://ml@/ledger?host=/var/run/postgresql", Some("socket")),
        ("postgresql://ml@/ledger?host=/elsewhere", None),
        ("postgresql://ml@odd%2A/ledger", Some("star")),
        ("postgresql://ml@oddly/ledger", None),
        ("postgresql://other@anywhere:1/x", Some("with:colons")),
        ("postgresql://ml:given@db/ledger", Some("given")),
    ] {
        assert_eq!(lookup(url).as_deref(), password, "{url}");
    }
    let ledger = resolve_in(home.path(), "postgresql://ml@db/ledger", &[]).unwrap();
    assert_eq!(ledger.with_database("scratch").password().as_deref(), Some("sc:ra\\tch"));
    let child = ledger.child_env();
    assert!(child.iter().any(|(name, value)| name == "PGPASSFILE" && *value == file.display().to_string()));
    assert!(!child.iter().any(|(name, _)| name == "PGPASSWORD"), "the child reads the file itself");
    for mode in [0o640, 0o604, 0o660] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(lookup("postgresql://ml@db/ledger"), None, "{mode:o}");
    }
}

#[test]
fn a_service_stands_between_string_and_environment() {
    let home = tempfile::tempdir().unwrap();
    let text = "# services\n[other]\nhost=wrong\n[night]\nhost=svc\nport=7\nuser = svcuser\nhost=second\n[later]\nport=8\n";
    let folder = if cfg!(windows) { home.path().join("postgresql") } else { home.path().to_owned() };
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".pg_service.conf"), text).unwrap();
    let vars = [("PGSERVICE", "night"), ("PGHOST", "envhost"), ("PGDATABASE", "envdb")];
    let describe = |url: &str| resolve_in(home.path(), url, &vars).unwrap().describe();
    assert_eq!(describe(""), "envdb on svc:7 as svcuser");
    assert_eq!(describe("postgresql://ml@db/x"), "x on db:7 as ml");
    assert_eq!(describe("service=later host=h user=u dbname=d"), "d on h:8 as u");
}

#[test]
fn an_empty_value_hides_the_environment() {
    let settings = conninfo::parse("host='' port=").unwrap();
    assert_eq!(settings.get("host").map(String::as_str), Some(""));
    let target = resolve("host='' user=u dbname=d", &[("PGHOST", "envhost")]).unwrap();
    assert!(target.is_local(), "{}", target.describe());
}

#[test]
fn passwords_are_scrubbed_from_any_text() {
    for (text, clean) in [
        ("postgresql://ml:hunter2@db/x", "postgresql://ml:***@db/x"),
        ("cannot use postgres://ml:hunter2@a:1,b/x and redis://:hunter2@r/0", "cannot use postgres://ml:***@a:1,b/x and redis://:***@r/0"),
        (
            "postgresql+psycopg2://ml:p@hunter2@db/x?password=hunter2&sslmode=require",
            "postgresql+psycopg2://ml:***@db/x?password=***&sslmode=require",
        ),
        ("postgresql://ml:hunter2/a?b@db/x", "postgresql://ml:***@db/x"),
        ("host=db password=hunter2 user=ml", "host=db password=*** user=ml"),
        ("password = 'hunter2 it\\'s' host=db", "password = *** host=db"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("password authentication failed for user \"ml\"", "password authentication failed for user \"ml\""),
        ("https://example.org/a?b=c@d", "https://example.org/a?b=c@d"),
        ("no secret: postgresql://ml@db/x", "no secret: postgresql://ml@db/x"),
    ] {
        assert_eq!(without_password(text), clean);
    }
}

#[test]
fn a_password_is_blacked_out_wherever_it_came_from() {
    // Nobody listens there.
    let options = super::Options::new("t");
    resolve("host=127.0.0.1 port=1 password='key word-1' user=ml", &[]).unwrap().connect(&options).err().unwrap();
    resolve("host=127.0.0.1 port=1 user=ml", &[("PGPASSWORD", "env-word-2")]).unwrap().connect(&options).err().unwrap();
    assert_eq!(crate::redact::scrub("key word-1 and env-word-2"), "*** and ***");
}

proptest::proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,60}") {
        let _ = conninfo::parse(&text);
        let _ = conninfo::parse(&format!("postgresql://{text}"));
        let _ = without_password(&text);
    }

    #[test]
    fn any_password_survives_percent_encoding(password in "[ -~é]{1,20}") {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let target = resolve(&format!("postgresql://ml:{encoded}@db/x"), &[]).unwrap();
        proptest::prop_assert_eq!(target.password(), Some(password));
    }
}
