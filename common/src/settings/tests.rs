use super::*;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Settings> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let file = config.join("nightly.env");
    std::fs::write(&file, text).unwrap();
    std::fs::write(folder.path().join("secret"), "redis://:from-a-file@h/0\n").unwrap();
    let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Settings::load(Some(&file), &[], &lookup)
}

#[test]
fn the_file_is_read_as_docker_reads_it() {
    let text = "\u{feff}# comment\r\n\r\n  QUEUE_KEY=a b#c \"d\" $HOME\r\nDERIVE_STEPS=7\nSYSTEM=x=y\nREDIS_URL\n";
    let settings = load(text, &[("REDIS_URL", "redis://h")]).unwrap();
    assert_eq!(settings.text("QUEUE_KEY"), "a b#c \"d\" $HOME");
    assert_eq!(settings.text("SYSTEM"), "x=y");
    assert_eq!(settings.get("REDIS_URL"), Some("redis://h"));
    assert_eq!(settings.count("DERIVE_STEPS").unwrap(), 7);
}

#[test]
fn environment_over_file_over_default() {
    let settings = load("DERIVE_STEPS=7\nDERIVE_DEPTH_MAX=5\n", &[("DERIVE_STEPS", "8")]).unwrap();
    let counts = ["DERIVE_STEPS", "DERIVE_DEPTH_MAX", "DERIVE_MAX_TOTAL"].map(|name| settings.count(name).unwrap());
    assert_eq!(counts, [8, 5, 2000]);
    assert_eq!(settings.count_if_set("PRUNE_FAILED_PROOFS_DAYS").unwrap(), None);
}

#[test]
fn relative_paths_start_above_the_config_folder() {
    let settings = load("BACKUP_DIR=b\nLOGS_DIR=/var/log/ml\n", &[]).unwrap();
    assert_eq!(settings.path("BACKUP_DIR"), settings.base().join("b"));
    assert_eq!(settings.file().unwrap().parent().unwrap().parent().unwrap(), settings.base());
    #[cfg(unix)]
    assert_eq!(settings.path("LOGS_DIR"), Path::new("/var/log/ml"));
}

#[test]
fn placeholders_count_as_not_set_and_unknown_keys_name_the_nearest() {
    let text = "ALERT_WEBHOOK=https://hooks.slack.com/services/YOUR/WEBHOOK/URL\nDATABASE_URL=postgresql://ml:<password>@h/db\n\
                DERIVE_STEP=3\nRUBBISH\n";
    let settings = load(text, &[]).unwrap();
    assert_eq!((settings.get("ALERT_WEBHOOK"), settings.get("DATABASE_URL")), (None, None));
    let told = settings.warnings().join("\n");
    for part in ["ALERT_WEBHOOK still holds", "DATABASE_URL still holds", "did you mean DERIVE_STEPS?", "line 4 is not KEY=VALUE"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn secrets_may_come_from_files_and_never_from_flags() {
    let settings = load("REDIS_URL_FILE=secret\n", &[]).unwrap();
    assert_eq!(settings.get("REDIS_URL"), Some("redis://:from-a-file@h/0"));
    assert_eq!(redact::scrub("it is from-a-file"), "it is ***");
    let missing = load("REDIS_URL_FILE=nowhere\n", &[]).unwrap_err();
    assert_eq!(missing.class, Class::Config);
    let refused = Settings::load(None, &["REDIS_URL=redis://h".into()], &|_| None).unwrap_err();
    assert_eq!(refused.class, Class::Usage);
    let mistaken = Settings::load(None, &["postgresql://ml:hunter2@h/db?x=y".into()], &|_| None).unwrap_err();
    assert!(!mistaken.message.contains("hunter2"), "{mistaken}");
}

#[test]
fn malformed_values_are_named_when_asked_for() {
    let settings = load("DERIVE_STEPS=-1\nSUCCESS_RATE_THRESHOLD=850\nVACUUM_ANALYZE=perhaps\n", &[]).unwrap();
    for failure in [
        settings.count("DERIVE_STEPS").unwrap_err(),
        settings.percent("SUCCESS_RATE_THRESHOLD").unwrap_err(),
        settings.switch("VACUUM_ANALYZE").unwrap_err(),
    ] {
        assert!(failure.class == Class::Config && failure.hint.is_some(), "{failure}");
    }
}

#[test]
fn a_named_file_that_is_missing_is_a_configuration_error() {
    let failure = Settings::load(Some(Path::new("nowhere.env")), &[], &|_| None).unwrap_err();
    assert_eq!(failure.class, Class::Config);
}

#[cfg(unix)]
#[test]
fn a_device_is_no_settings_file() {
    let failure = Settings::load(Some(Path::new("/dev/zero")), &[], &|_| None).unwrap_err();
    assert_eq!(failure.class, Class::Config);
}

#[cfg(unix)]
#[test]
fn a_readable_file_with_secrets_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nightly.env");
    std::fs::write(&file, "DATABASE_URL=postgresql://ml:pw-of-file@h/db\n").unwrap();
    for (mode, warnings) in [(0o644, 1), (0o600, 0)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Settings::load(Some(&file), &[], &|_| None).unwrap().warnings().len(), warnings);
    }
}

#[test]
fn a_variable_of_a_profile_is_no_unknown_key() {
    let mut settings = load("NOTION_TOKEN=abcd-efgh\nQUEU_KEY=x\n", &[]).unwrap();
    assert_eq!(settings.warnings().len(), 2);
    assert_eq!(
        (settings.variable("NOTION_TOKEN"), settings.variable("QUEUE_KEY"), settings.variable("NONE")),
        (Some("abcd-efgh"), Some("ml:jobs"), None)
    );
    settings.accept(["NOTION_TOKEN", "NONE"]);
    assert_eq!(settings.warnings().len(), 1);
}
