//! The SQL that makes a database like another.

use super::*;

fn ledger() -> Properties {
    Properties {
        owner: "ml".into(),
        encoding: "UTF8".into(),
        provider: "libc".into(),
        collate: "C.UTF-8".into(),
        ctype: "de_DE.utf8".into(),
        tablespace: "pg_default".into(),
        connection_limit: -1,
        allow_connections: true,
        ..Properties::default()
    }
}

#[test]
fn a_database_is_made_with_the_old_ones_encoding_and_locale() {
    let sql = ledger().create("a \"b", true);
    let expected = "CREATE DATABASE \"a \"\"b\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'de_DE.utf8' OWNER \"ml\"";
    assert_eq!(sql, expected);
    let elsewhere = Properties { tablespace: "fast disk".into(), ..ledger() };
    assert_eq!(elsewhere.create("a \"b", true), format!("{expected} TABLESPACE \"fast disk\""));
    assert!(!ledger().create("x", false).contains("OWNER"));
    let icu = Properties { provider: "icu".into(), locale: Some("de-AT".into()), icu_rules: Some("&a < b".into()), ..ledger() };
    let sql = icu.create("x", false);
    assert!(sql.contains(" LOCALE_PROVIDER icu LC_COLLATE 'C.UTF-8' LC_CTYPE 'de_DE.utf8' ICU_LOCALE 'de-AT' ICU_RULES '&a < b'"), "{sql}");
    assert_eq!(Properties::default().create("x", true), "CREATE DATABASE \"x\" TEMPLATE template0");
}

#[test]
fn defaults_need_no_statement() {
    assert_eq!(ledger().apply("x"), Vec::<String>::new());
}

#[test]
fn rights_settings_and_limits_are_made_again() {
    let grant = |grantee: Option<&str>, privilege: &str, grantable| Grant {
        grantee: grantee.map(Into::into),
        privilege: privilege.into(),
        grantable,
    };
    let setting =
        |role: Option<&str>, name: &str, value: &str| Setting { role: role.map(Into::into), name: name.into(), value: value.into() };
    let properties = Properties {
        comment: Some("it's".into()),
        grants: Some(vec![grant(None, "CONNECT", false), grant(Some("re ader"), "TEMPORARY", true)]),
        settings: vec![
            setting(None, "work_mem", "8MB"),
            setting(Some("ml"), "my.x", "a,b'c"),
            setting(None, "search_path", "\"$user\", public"),
        ],
        connection_limit: 5,
        is_template: true,
        allow_connections: false,
        ..ledger()
    };
    let expected = [
        "COMMENT ON DATABASE \"x\" IS 'it''s'",
        "REVOKE ALL ON DATABASE \"x\" FROM PUBLIC",
        "REVOKE ALL ON DATABASE \"x\" FROM \"ml\"",
        "GRANT CONNECT ON DATABASE \"x\" TO PUBLIC",
        "GRANT TEMPORARY ON DATABASE \"x\" TO \"re ader\" WITH GRANT OPTION",
        "ALTER DATABASE \"x\" SET \"work_mem\" TO '8MB'",
        "ALTER ROLE \"ml\" IN DATABASE \"x\" SET \"my\".\"x\" TO 'a,b''c'",
        "ALTER DATABASE \"x\" SET \"search_path\" TO '$user', 'public'",
        "ALTER DATABASE \"x\" CONNECTION LIMIT 5",
        "ALTER DATABASE \"x\" IS_TEMPLATE true",
        "ALTER DATABASE \"x\" ALLOW_CONNECTIONS false",
    ];
    assert_eq!(properties.apply("x"), expected);
    assert_eq!(properties.roles(), ["ml", "re ader"]);
    let fewer = properties.without_roles(|role| role == "re ader");
    assert_eq!((fewer.owner.as_str(), fewer.settings.len(), fewer.grants.unwrap().len()), ("", 2, 2));
}

#[test]
fn lists_are_taken_apart_as_the_server_does() {
    let cases: [(&str, &[&str]); 6] = [
        ("\"$user\", public", &["$user", "public"]),
        ("\"\"", &[""]),
        ("", &[]),
        ("\"a, b\",c", &["a, b", "c"]),
        ("\"a\"\"b\"", &["a\"b"]),
        ("\"\", x", &["", "x"]),
    ];
    for (value, names) in cases {
        assert_eq!(list(value), names, "{value}");
    }
    assert_eq!(setting_value("search_path", "\"\""), "''");
    assert_eq!(setting_value("search_path", ""), "''");
    assert_eq!(setting_value("my.list", "\"a\", b"), "'\"a\", b'");
}

#[test]
fn a_row_of_any_version_is_understood() {
    let row = serde_json::json!({ "owner": "ml", "encoding": "UTF8", "datlocprovider": "i", "daticulocale": "de", "datconnlimit": 3,
        "datallowconn": true, "datistemplate": false, "datcollate": "C", "datctype": "C", "tablespace": "t", "comment": null });
    let read = of_row(&row);
    assert_eq!((read.provider.as_str(), read.locale.as_deref(), read.connection_limit), ("icu", Some("de"), 3));
    let newer = serde_json::json!({ "datlocprovider": "b", "datlocale": "C.UTF-8", "datconnlimit": -1 });
    assert_eq!(
        of_row(&newer).create("x", false),
        "CREATE DATABASE \"x\" TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    );
    let older = serde_json::json!({ "owner": "ml", "encoding": "UTF8", "datcollate": "C", "datctype": "C" });
    assert_eq!(of_row(&older).provider, "libc");
}

#[test]
fn an_archives_own_statement_is_understood() {
    let statement = "CREATE DATABASE \"a b\" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu LC_COLLATE = 'C' \
        LC_CTYPE = 'de_DE.utf8' ICU_LOCALE = 'de-AT' TABLESPACE = fast;\n";
    let read = of_statement(statement).unwrap();
    assert_eq!(
        (read.encoding.as_str(), read.provider.as_str(), read.collate.as_str(), read.ctype.as_str()),
        ("UTF8", "icu", "C", "de_DE.utf8")
    );
    assert_eq!(read.locale.as_deref(), Some("de-AT"));
    let read =
        of_statement("CREATE DATABASE x WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE_PROVIDER = libc LOCALE = 'C';\n").unwrap();
    assert_eq!((read.encoding.as_str(), read.collate.as_str(), read.ctype.as_str(), read.tablespace.as_str()), ("LATIN1", "C", "C", ""));
    for wrong in ["", "CREATE DATABASE x", "CREATE DATABASE x WITH TEMPLATE = template0 ENCODING = 'UTF8"] {
        assert_eq!(of_statement(wrong).unwrap_err().class, Class::Storage, "{wrong}");
    }
}
