//! The six sslmodes against a real server, compared case by case with psql: settings mean what they mean to psql.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod pki;
mod server;

use ml_common::pg::{self, Options, Target};
use pki::{Authority, Pair, an_authority, expired, for_clients_only, not_an_authority, self_signed, with_nothing_below};
use server::{Outcome, Server};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const SCRAM: &str = "host all ml 127.0.0.1/32 scram-sha-256";

/// Who gets in is not the question where certificates are, and passwords take time.
const TRUST: &str = "host all ml 127.0.0.1/32 trust";

/// The modes that tell certificates apart, with the right root file and a wrong one. Returned: in which verifying modes it is trusted.
fn compare(server: &Server, case: &str, root: &Path, wrong: &Path) -> BTreeSet<&'static str> {
    let query = |mode: &str, root: &Path| format!("sslmode={mode}&sslrootcert={}", root.display());
    server.agree(case, "localhost", &query("verify-ca", wrong));
    server.agree(case, "localhost", &query("prefer", root));
    let mut trusted = BTreeSet::new();
    for (mode, host) in [("verify-ca", "localhost"), ("verify-full", "localhost"), ("verify-full", "127.0.0.1")] {
        if server.agree(case, host, &query(mode, root)) == Outcome::Tls {
            trusted.insert(mode);
        }
    }
    trusted
}

#[test]
fn every_mode_means_what_it_means_to_psql() {
    let mut server = Server::start();
    let (root, other) = (Authority::root("Test Root"), Authority::root("Other Root"));
    let right = server.file("root.crt", &root.pem, false);
    let wrong = server.file("other.crt", &other.pem, false);
    let nowhere = Path::new("/nonexistent/root.crt");
    let mut seen = Vec::new();
    for pair in [Some(root.issue("x", &["localhost"], |_| {})), None] {
        server.reload(pair.as_ref(), &[], TRUST);
        for file in [None, Some(right.as_path()), Some(wrong.as_path()), Some(nowhere)] {
            let root = file.map(|path| format!("&sslrootcert={}", path.display())).unwrap_or_default();
            let outcome = |mode| match server.agree("a mode", "localhost", &format!("sslmode={mode}{root}")) {
                Outcome::Plain => 'p',
                Outcome::Tls => 't',
                Outcome::Refused(_) => '-',
            };
            seen.push(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"].map(outcome).iter().collect::<String>());
        }
    }
    // Without a root file, with the right, a wrong and a missing one; then the same at a server without TLS.
    assert_eq!(seen, ["pptt--", "pptttt", "ppp---", "pptt--", "ppp---", "ppp---", "ppp---", "ppp---"]);
}

#[test]
fn certificates_are_trusted_as_psql_trusts_them() {
    let mut server = Server::start();
    let (root, other) = (Authority::root("Test Root"), Authority::root("Other Root"));
    let middle = root.below("Middle", |_| {});
    let (unfit, last) = (root.below("Unfit", not_an_authority), root.below("Last", with_nothing_below));
    let beyond = last.below("Beyond", |_| {});
    let own = self_signed("localhost");
    let root_file = server.file("root.crt", &root.pem, false);
    let other_file = server.file("other.crt", &other.pem, false);
    let own_file = server.file("own.crt", &own.chain, false);

    let trusted = ["verify-ca", "verify-full"].as_slice();
    let other_name = ["verify-ca"].as_slice();
    let refused = [].as_slice();
    let cases: Vec<(&str, Pair, &Path, &[&str])> = vec![
        ("a modern certificate", root.issue("x", &["localhost"], |_| {}), &root_file, trusted),
        ("one for an address", root.issue("x", &["127.0.0.1"], |_| {}), &root_file, trusted),
        ("one through an intermediate", middle.issue("x", &["localhost"], |_| {}).with(&[&middle]), &root_file, trusted),
        ("one without its intermediate", middle.issue("x", &["localhost"], |_| {}), &root_file, refused),
        ("CN only", root.issue("localhost", &[], |_| {}), &root_file, trusted),
        ("CN beside another name", root.issue("localhost", &["other.example"], |_| {}), &root_file, other_name),
        ("self-signed, its own root", own, &own_file, trusted),
        ("an authority as server", root.issue("localhost", &[], an_authority), &root_file, trusted),
        ("version 1", root.issue_version_1("localhost"), &root_file, trusted),
        ("version 1 through an intermediate", middle.issue_version_1("localhost").with(&[&middle]), &root_file, trusted),
        ("version 1 for another host", root.issue_version_1("elsewhere"), &root_file, other_name),
        ("version 1 through an unfit issuer", unfit.issue_version_1("localhost").with(&[&unfit]), &root_file, refused),
        ("version 1 over the path length", beyond.issue_version_1("localhost").with(&[&beyond, &last]), &root_file, refused),
        ("an expired one", root.issue("x", &["localhost"], expired), &root_file, refused),
        (
            "an expired authority as server",
            root.issue("localhost", &[], |params| (expired(params), an_authority(params)).0),
            &root_file,
            refused,
        ),
        ("one for clients only", root.issue("x", &["localhost"], for_clients_only), &root_file, refused),
        (
            "a client-only authority",
            root.issue("localhost", &[], |params| (for_clients_only(params), an_authority(params)).0),
            &root_file,
            refused,
        ),
    ];
    for (case, pair, root, expected) in cases {
        server.reload(Some(&pair), &[], TRUST);
        assert_eq!(compare(&server, case, root, &other_file), BTreeSet::from_iter(expected.iter().copied()), "{case}");
    }
}

#[test]
fn handshakes_and_channel_binding_work_with_every_kind_of_certificate() {
    let mut server = Server::start();
    let root = Authority::root("Test Root");
    let root_file = server.file("root.crt", &root.pem, false);
    for (case, pair) in [("modern", root.issue("x", &["localhost"], |_| {})), ("version 1", root.issue_version_1("localhost"))] {
        for version in ["TLSv1.2", "TLSv1.3"] {
            server.reload(Some(&pair), &[("ssl_max_protocol_version", version)], SCRAM);
            for query in ["sslmode=require", "sslmode=verify-full"] {
                let query = format!("{query}&sslrootcert={}&channel_binding=require", root_file.display());
                assert_eq!(server.agree(&format!("{case}, {version}"), "localhost", &query), Outcome::Tls);
            }
            let wants = server.agree(case, "localhost", "sslmode=require&ssl_min_protocol_version=TLSv1.3");
            assert_eq!(wants == Outcome::Tls, version == "TLSv1.3", "{wants:?}");
        }
    }
    assert!(matches!(server.agree("plain", "localhost", "sslmode=disable&channel_binding=require"), Outcome::Refused(_)));
}

#[test]
fn rules_of_access_steer_allow_and_prefer() {
    let mut server = Server::start();
    let root = Authority::root("Test Root");
    let pair = root.issue("x", &["localhost"], |_| {});
    for (rules, expected) in [
        ("hostssl all ml 127.0.0.1/32 scram-sha-256", [false, true, true, true]),
        ("hostnossl all ml 127.0.0.1/32 scram-sha-256", [true, true, true, false]),
        ("host all ml 127.0.0.1/32 reject", [false, false, false, false]),
        ("hostssl all ml 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject", [false, true, true, true]),
    ] {
        server.reload(Some(&pair), &[], rules);
        for (mode, connects) in ["disable", "allow", "prefer", "require"].into_iter().zip(expected) {
            let outcome = server.agree(rules, "localhost", &format!("sslmode={mode}"));
            assert_eq!(!matches!(outcome, Outcome::Refused(_)), connects, "{rules}, {mode}: {outcome:?}");
        }
    }
}

#[test]
fn clients_show_their_certificate() {
    let mut server = Server::start();
    let root = Authority::root("Test Root");
    let root_file = server.file("root.crt", &root.pem, false);
    let (ours, theirs) = (root.issue("ml", &[], |_| {}), root.issue("somebody", &[], |_| {}));
    let settings = [("ssl_ca_file", root_file.to_str().unwrap())];
    server.reload(Some(&root.issue("x", &["localhost"], |_| {})), &settings, "hostssl all ml 127.0.0.1/32 cert");
    let cert = server.file("ml.crt", &ours.chain, false);
    let key = server.file("ml.key", &ours.key, true);
    let other_cert = server.file("other.crt", &theirs.chain, false);
    let other_key = server.file("other.key", &theirs.key, true);
    let query = |cert: &Path, key: &Path| format!("sslmode=require&sslcert={}&sslkey={}", cert.display(), key.display());
    assert_eq!(server.agree("its own", "localhost", &query(&cert, &key)), Outcome::Tls);
    for (case, query) in [
        ("none", "sslmode=require".to_owned()),
        ("another's", query(&other_cert, &other_key)),
        ("a key that does not fit", query(&cert, &other_key)),
        ("no key", query(&cert, Path::new("/nonexistent"))),
    ] {
        assert!(matches!(server.agree(case, "localhost", &query), Outcome::Refused(_)), "{case}");
    }
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let Outcome::Refused(why) = server.agree("a key that others read", "localhost", &query(&cert, &key)) else { panic!("accepted") };
    assert!(why.contains("can be read by others"), "{why}");
}

#[test]
fn a_query_is_cancelled_through_tls() {
    let mut server = Server::start();
    let root = Authority::root("Test Root");
    let root_file = server.file("root.crt", &root.pem, false);
    // Without TLS not even a cancel request would pass.
    server.reload(Some(&root.issue("x", &["localhost"], |_| {})), &[], "hostssl all ml 127.0.0.1/32 scram-sha-256");
    let url = server.url("localhost", &format!("sslmode=verify-full&sslrootcert={}", root_file.display()));
    let target = Target::resolve(Some(&url), &|_| None).unwrap();
    let mut client = target.connect(&Options::new("ml-test")).unwrap();
    let cancel = pg::canceller(&client, &target);
    let mut superuser = server.cluster.superuser("postgres");
    let watcher = std::thread::spawn(move || {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND state = 'active'";
        while superuser.query(sql, &[]).unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        cancel();
    });
    let error = client.batch_execute("SELECT pg_sleep(600)").unwrap_err();
    watcher.join().unwrap();
    assert!(pg::failure(&error, "sleeping").message.contains("(57014)"));
}

/// The commands of PostgreSQL's manual, "Creating Certificates", as they stand there (but for the bits, which cost time).
const RECIPES: &str = r#"
openssl req -new -x509 -days 365 -nodes -text -out own.crt -keyout own.key -subj "/CN=localhost"
openssl req -new -nodes -text -out root.csr -keyout root.key -subj "/CN=root.yourdomain.com"
openssl x509 -req -in root.csr -text -days 3650 -extfile /etc/ssl/openssl.cnf -extensions v3_ca -signkey root.key -out root.crt
openssl req -new -nodes -text -out middle.csr -keyout middle.key -subj "/CN=intermediate.yourdomain.com"
openssl x509 -req -in middle.csr -text -days 1825 -extfile /etc/ssl/openssl.cnf -extensions v3_ca -CA root.crt -CAkey root.key -CAcreateserial -out middle.crt
openssl req -new -nodes -text -out server.csr -keyout server.key -subj "/CN=localhost"
openssl x509 -req -in server.csr -text -days 365 -CA root.crt -CAkey root.key -CAcreateserial -out direct.crt
openssl x509 -req -in server.csr -text -days 365 -CA middle.crt -CAkey middle.key -CAcreateserial -out leaf.crt
cat leaf.crt middle.crt > chain.crt
"#;

#[test]
fn the_recipes_of_the_manual_work() {
    let mut server = Server::start();
    let folder = server.files.path().join("recipes");
    std::fs::create_dir(&folder).unwrap();
    let made = Command::new("sh").args(["-ec", RECIPES]).current_dir(&folder).output().unwrap();
    if !made.status.success() {
        return ml_tests::skip::report("the_recipes_of_the_manual_work", "no usable openssl program");
    }
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let other = server.file("other.crt", &Authority::root("Other Root").pem, false);
    for (chain, key, root) in
        [("own.crt", "own.key", "own.crt"), ("direct.crt", "server.key", "root.crt"), ("chain.crt", "server.key", "root.crt")]
    {
        server.reload(Some(&Pair { chain: text(chain), key: text(key) }), &[], TRUST);
        assert_eq!(compare(&server, chain, &folder.join(root), &other), BTreeSet::from(["verify-ca", "verify-full"]), "{chain}");
    }
}
