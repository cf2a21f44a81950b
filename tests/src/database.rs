//! A database and roles for one test.

use crate::boot::Access;
use postgres::{Client, NoTls};
use std::sync::atomic::{AtomicU32, Ordering};

/// A database of one test, owned by the role `ml`; dropped (with its connections) when the value is.
#[derive(Debug)]
pub struct TestDb {
    access: Access,
    name: String,
}

impl TestDb {
    pub(crate) fn create(access: &Access, hint: &str) -> TestDb {
        let name = unique(hint);
        let mut superuser = access.superuser("postgres").expect("the superuser connects");
        superuser.batch_execute(&format!("CREATE DATABASE {name} OWNER ml")).expect("the database is made");
        TestDb { access: access.clone(), name }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL over TCP as the owner `ml`, with the password.
    pub fn url(&self) -> String {
        self.url_as("ml", &self.access.password)
    }

    /// The same over the unix socket (with the password too: the cluster trusts nobody).
    pub fn socket_url(&self) -> String {
        let socket = self.access.dir.join("s").display().to_string().replace('/', "%2F");
        format!("postgresql://ml:{}@{socket}:{}/{}", self.access.password, self.access.port, self.name)
    }

    /// The URL over TCP as another role.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("postgresql://{user}:{password}@127.0.0.1:{}/{}", self.access.port, self.name)
    }

    /// The owner's password, to be searched for in what was printed.
    pub fn password(&self) -> &str {
        &self.access.password
    }

    /// A connection as the owner `ml`.
    pub fn client(&self) -> Client {
        self.access.config("ml", &self.access.password, &self.name).connect(NoTls).expect("ml connects to its database")
    }

    /// A connection as the superuser.
    pub fn superuser(&self) -> Client {
        self.access.superuser(&self.name).expect("the superuser connects")
    }

    /// A new login role with what `grants` gives it, `{role}` standing for its name; run as the superuser.
    pub fn role(&self, hint: &str, grants: &str) -> TestRole {
        let role = TestRole::create(&self.access, hint, "");
        self.superuser().batch_execute(&grants.replace("{role}", &role.name)).expect("the grants are given");
        role
    }

    /// The URL of a new role that may read every table there is, and write nothing.
    pub fn read_only_url(&self) -> String {
        let role = self.role("reader", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
        self.url_as(&role.name, &role.password)
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        // A test that ended its cluster has nothing left to drop.
        if let Ok(mut superuser) = self.access.superuser("postgres") {
            let _ = superuser.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

/// A login role made for a test; it ends with the cluster.
#[derive(Clone, Debug)]
pub struct TestRole {
    /// Unique in the cluster.
    pub name: String,
    /// Its own.
    pub password: String,
}

impl TestRole {
    pub(crate) fn create(access: &Access, hint: &str, attributes: &str) -> TestRole {
        let (name, password) = (unique(hint), crate::random_word());
        let mut superuser = access.superuser("postgres").expect("the superuser connects");
        let sql = format!("CREATE ROLE {name} LOGIN {attributes} PASSWORD '{password}'");
        superuser.batch_execute(&sql).expect("the role is made");
        TestRole { name, password }
    }
}

/// `hint_PID_COUNT` in the letters of an unquoted identifier: several test programs may share the cluster.
fn unique(hint: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let letters: String = hint.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(30).collect();
    format!("t_{letters}_{}_{count}", std::process::id())
}
