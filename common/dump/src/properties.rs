//! What a database has besides its contents: owner, encoding, locale, rights, settings.
//!
//! pg_restore into a new database brings none of it, so a restored database that takes an old one's name would lose it. It is read from the
//! catalog, kept in the manifest, and made again as SQL.

use crate::{failed, literal, quoted};
use ml_common::{Class, Failure, Result};
use postgres::GenericClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A right on the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The role; `None` is PUBLIC.
    pub grantee: Option<String>,
    /// `CONNECT`, `CREATE`, `TEMPORARY`.
    pub privilege: String,
    /// Whether the role may pass it on.
    pub grantable: bool,
}

/// A setting that sessions of the database begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setting {
    /// Only for this role; `None` is for all.
    pub role: Option<String>,
    /// `search_path`.
    pub name: String,
    /// As the catalog has it. It may be a secret of an application, so it is never shown.
    pub value: String,
}

/// Everything about a database that is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Properties {
    /// The owner.
    pub owner: String,
    /// `UTF8`.
    pub encoding: String,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The locale of the providers other than libc.
    pub locale: Option<String>,
    /// Additional collation rules of ICU.
    pub icu_rules: Option<String>,
    /// The tablespace.
    pub tablespace: String,
    /// Connections at a time; -1 is without limit.
    pub connection_limit: i64,
    /// Whether anybody may connect.
    pub allow_connections: bool,
    /// Whether it serves as a template.
    pub is_template: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// The rights, when they are other than the defaults.
    pub grants: Option<Vec<Grant>>,
    /// The settings.
    pub settings: Vec<Setting>,
}

/// The row as JSON: columns came and went with the versions (daticulocale became datlocale in 17), and JSON has those that there are.
const DATABASE: &str = "SELECT pg_catalog.to_jsonb(d) || pg_catalog.jsonb_build_object(
        'owner', pg_catalog.pg_get_userbyid(d.datdba), 'encoding', pg_catalog.pg_encoding_to_char(d.encoding), 'tablespace', t.spcname,
        'comment', pg_catalog.shobj_description(d.oid, 'pg_database'))
    FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1";

const GRANTS: &str =
    "SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a WHERE d.datname = $1 ORDER BY 1 NULLS FIRST, 2, 3";

const SETTINGS: &str = "SELECT CASE WHEN s.setrole = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(s.setrole) END, c.setting
    FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, pg_catalog.unnest(s.setconfig) c (setting)
    WHERE d.datname = $1 ORDER BY 1 NULLS FIRST, 2";

impl Properties {
    /// Reads them; `None` when there is no such database. Any database of the server may be connected to.
    ///
    /// # Errors
    /// Class Database.
    pub fn read(client: &mut impl GenericClient, database: &str) -> Result<Option<Properties>> {
        let doing = || format!("reading the properties of the database {database}");
        let Some(row) = client.query_opt(DATABASE, &[&database]).map_err(failed(doing()))? else { return Ok(None) };
        let mut properties = of_row(&row.try_get::<_, Value>(0).map_err(failed(doing()))?);
        let grants = client.query(GRANTS, &[&database]).map_err(failed(doing()))?;
        let grants =
            grants.iter().map(|row| Ok(Grant { grantee: row.try_get(0)?, privilege: row.try_get(1)?, grantable: row.try_get(2)? }));
        let grants: Vec<Grant> = grants.collect::<Result<_, postgres::Error>>().map_err(failed(doing()))?;
        properties.grants = (!grants.is_empty()).then_some(grants);
        for row in client.query(SETTINGS, &[&database]).map_err(failed(doing()))? {
            let setting: String = row.try_get(1).map_err(failed(doing()))?;
            let role = row.try_get(0).map_err(failed(doing()))?;
            if let Some((name, value)) = setting.split_once('=') {
                properties.settings.push(Setting { role, name: name.to_owned(), value: value.to_owned() });
            }
        }
        Ok(Some(properties))
    }

    /// The statement that makes a database with this encoding and locale, and with owner and tablespace when `whole`.
    ///
    /// The collation's version is left to the server: the indexes of the new database are built by the library that it has now, whatever the
    /// old one's were built by.
    pub fn create(&self, name: &str, whole: bool) -> String {
        let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", quoted(name));
        let mut option = |key: &str, value: &str| {
            if !value.is_empty() {
                sql.push_str(&format!(" {key} {value}"));
            }
        };
        let text = |text: &str| if text.is_empty() { String::new() } else { literal(text) };
        option("ENCODING", &text(&self.encoding));
        // libc is the default, and servers before 15 know no other.
        if self.provider != "libc" {
            option("LOCALE_PROVIDER", &self.provider);
        }
        option("LC_COLLATE", &text(&self.collate));
        option("LC_CTYPE", &text(&self.ctype));
        let locale = text(self.locale.as_deref().unwrap_or_default());
        match self.provider.as_str() {
            "icu" => option("ICU_LOCALE", &locale),
            "builtin" => option("BUILTIN_LOCALE", &locale),
            _ => {}
        }
        option("ICU_RULES", &text(self.icu_rules.as_deref().unwrap_or_default()));
        if whole {
            option("OWNER", &if self.owner.is_empty() { String::new() } else { quoted(&self.owner) });
            // The default is where template0 is; naming it would need a right on it.
            let elsewhere = !self.tablespace.is_empty() && self.tablespace != "pg_default";
            option("TABLESPACE", &if elsewhere { quoted(&self.tablespace) } else { String::new() });
        }
        sql
    }

    /// The statements that give the database `name` the rest: comment, rights, settings, connection limit. Run them when it is loaded.
    pub fn apply(&self, name: &str) -> Vec<String> {
        let database = quoted(name);
        let mut sql = Vec::new();
        if let Some(comment) = &self.comment {
            sql.push(format!("COMMENT ON DATABASE {database} IS {}", literal(comment)));
        }
        if let Some(grants) = &self.grants {
            sql.push(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"));
            if !self.owner.is_empty() {
                sql.push(format!("REVOKE ALL ON DATABASE {database} FROM {}", quoted(&self.owner)));
            }
            for grant in grants {
                let to = grant.grantee.as_deref().map_or("PUBLIC".to_owned(), quoted);
                let option = if grant.grantable && grant.grantee.is_some() { " WITH GRANT OPTION" } else { "" };
                sql.push(format!("GRANT {} ON DATABASE {database} TO {to}{option}", grant.privilege));
            }
        }
        for setting in &self.settings {
            let (name, value) = (quoted_setting(&setting.name), setting_value(&setting.name, &setting.value));
            sql.push(match &setting.role {
                None => format!("ALTER DATABASE {database} SET {name} TO {value}"),
                Some(role) => format!("ALTER ROLE {} IN DATABASE {database} SET {name} TO {value}", quoted(role)),
            });
        }
        if self.connection_limit >= 0 {
            sql.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", self.connection_limit));
        }
        if self.is_template {
            sql.push(format!("ALTER DATABASE {database} IS_TEMPLATE true"));
        }
        if !self.allow_connections {
            sql.push(format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"));
        }
        sql
    }

    /// The roles that [`Properties::create`] and [`Properties::apply`] name.
    pub fn roles(&self) -> Vec<&str> {
        let grantees = self.grants.iter().flatten().filter_map(|grant| grant.grantee.as_deref());
        let mut roles: Vec<&str> = grantees.chain(self.settings.iter().filter_map(|setting| setting.role.as_deref())).collect();
        roles.push(&self.owner);
        roles.retain(|role| !role.is_empty());
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// The same without what concerns roles for which `exists` is false.
    #[must_use]
    pub fn without_roles(mut self, exists: impl Fn(&str) -> bool) -> Properties {
        let known = |role: &Option<String>| role.as_deref().is_none_or(&exists);
        if !exists(&self.owner) {
            self.owner.clear();
        }
        self.grants.iter_mut().for_each(|grants| grants.retain(|grant| known(&grant.grantee)));
        self.settings.retain(|setting| known(&setting.role));
        self
    }
}

fn of_row(row: &Value) -> Properties {
    let maybe = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let text = |key: &str| maybe(key).unwrap_or_default();
    let yes = |key: &str| row.get(key).and_then(Value::as_bool);
    let provider = match text("datlocprovider").as_str() {
        "i" => "icu",
        "b" => "builtin",
        _ => "libc",
    };
    Properties {
        owner: text("owner"),
        encoding: text("encoding"),
        provider: provider.to_owned(),
        collate: text("datcollate"),
        ctype: text("datctype"),
        locale: maybe("datlocale").or_else(|| maybe("daticulocale")),
        icu_rules: maybe("daticurules"),
        tablespace: text("tablespace"),
        connection_limit: row.get("datconnlimit").and_then(Value::as_i64).unwrap_or(-1),
        allow_connections: yes("datallowconn").unwrap_or(true),
        is_template: yes("datistemplate").unwrap_or(false),
        comment: maybe("comment"),
        grants: None,
        settings: Vec::new(),
    }
}

/// The settings whose value is a list of names, each with quotes of its own (GUC_LIST_QUOTE in the server).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `my.x` is two names.
fn quoted_setting(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn setting_value(name: &str, value: &str) -> String {
    if !LISTS.contains(&name) {
        return literal(value);
    }
    let names = list(value);
    if names.is_empty() { literal("") } else { names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ") }
}

/// Takes `"$user", public` apart.
fn list(value: &str) -> Vec<String> {
    let (mut names, mut name, mut quote, mut any) = (Vec::new(), String::new(), false, false);
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quote && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => {
                quote = !quote;
                any = true;
            }
            ',' if !quote => names.push(std::mem::take(&mut name)),
            c if c.is_whitespace() && !quote => {}
            c => {
                name.push(c);
                any = true;
            }
        }
    }
    if any || !names.is_empty() {
        names.push(name);
    }
    names
}

/// The properties of the database that an archive without manifest was made of, as far as its `CREATE DATABASE` statement tells.
///
/// # Errors
/// Class Storage when the statement is not understood.
pub fn of_statement(statement: &str) -> Result<Properties> {
    let wrong = || {
        Failure::new(Class::Storage, "the archive's CREATE DATABASE statement is not understood").hint("give the dump of another backup")
    };
    let options = statement.split_once(" WITH TEMPLATE = template0").ok_or_else(wrong)?.1.trim_end().trim_end_matches(';');
    let mut properties = Properties { provider: "libc".into(), connection_limit: -1, allow_connections: true, ..Properties::default() };
    let mut rest = options.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once(" = ").ok_or_else(wrong)?;
        let (value, after) = match after.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').ok_or_else(wrong)?,
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        rest = after.trim_start();
        let value = value.to_owned();
        match key {
            "ENCODING" => properties.encoding = value,
            "LOCALE_PROVIDER" => properties.provider = value,
            "LOCALE" => (properties.collate, properties.ctype) = (value.clone(), value),
            "LC_COLLATE" => properties.collate = value,
            "LC_CTYPE" => properties.ctype = value,
            "ICU_LOCALE" | "BUILTIN_LOCALE" => properties.locale = Some(value),
            "ICU_RULES" => properties.icu_rules = Some(value),
            _ => {}
        }
    }
    Ok(properties)
}

#[cfg(test)]
#[path = "properties_tests.rs"]
mod tests;
