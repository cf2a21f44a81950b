//! Every setting that the tools know: name, kind, default, effect. docs/settings.md is generated from this table.

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A secret: never shown, never taken from the command line, also taken from `KEY_FILE`.
    Secret,
    /// A URL whose password is secret; also taken from `KEY_FILE`.
    SecretUrl,
    /// A URL of which even the path is secret (webhooks); also taken from `KEY_FILE`.
    Webhook,
    /// A file or folder; relative ones start at the folder above `config/`.
    Path,
    /// A whole number from 0 on.
    Count,
    /// A number of per cent, 0 to 100.
    Percent,
    /// true/false, yes/no, on/off, 1/0.
    Switch,
}

impl Kind {
    /// Whether the value may never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Kind::Secret | Kind::SecretUrl | Kind::Webhook)
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it stands in the file and in the environment.
    pub name: &'static str,
    /// What a value must look like.
    pub kind: Kind,
    /// Used when it is not set.
    pub default: Option<&'static str>,
    /// Its effect, for the manual.
    pub doc: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

/// All of them, in the order of the manual.
pub const KEYS: &[Key] = &[
    key("SYSTEM", Kind::Text, Some("mathledger"), "Name of the operated system; stands in every record and in the names of backups."),
    key(
        "PROFILE",
        Kind::Text,
        None,
        "Checks and alert rules of the system: the name of a file in config/profiles, or a path. Without it ml-health makes its compiled-in checks.",
    ),
    key(
        "DATABASE_URL",
        Kind::SecretUrl,
        None,
        "The ledger, as a PostgreSQL URL or keyword string. Without it the PG* variables apply, as in psql.",
    ),
    key(
        "REDIS_URL",
        Kind::SecretUrl,
        None,
        "The queue's Redis: `redis://[user:password@]host:port/db`, `rediss://` or `unix:///path`. Without it the queue is skipped.",
    ),
    key("QUEUE_KEY", Kind::Text, Some("ml:jobs"), "Redis list that carries the verification jobs."),
    key("QUEUE_MAX", Kind::Count, Some("1000"), "ml-derive never lengthens the queue beyond this; ml-health warns above it."),
    key("DERIVE_AXIOMS", Kind::Text, Some("frege"), "Axiom system of the nightly derivation: a name (docs/systems.md) or formulas."),
    key("DERIVE_STEPS", Kind::Count, Some("300"), "Steps that a nightly derivation makes at most."),
    key("DERIVE_DEPTH_MAX", Kind::Count, Some("4"), "No statement with a deeper proof is added (axioms have depth 0)."),
    key("DERIVE_MAX_BREADTH", Kind::Count, Some("500"), "Statements that one step adds at most."),
    key("DERIVE_MAX_TOTAL", Kind::Count, Some("2000"), "Statements that one run adds at most."),
    key("HEALTH_URL", Kind::SecretUrl, None, "The API's health endpoint; its check is skipped when not set."),
    key("METRICS_URL", Kind::SecretUrl, None, "The API's metrics endpoint; its check is skipped when not set."),
    key("SUCCESS_RATE_THRESHOLD", Kind::Percent, Some("85"), "ml-health warns when fewer per cent of the proofs succeeded."),
    key("ERROR_RATE_THRESHOLD", Kind::Percent, Some("10"), "ml-health warns when more per cent of the proofs failed."),
    key("TIMEOUT_THRESHOLD_MS", Kind::Count, Some("5000"), "ml-health warns when the API takes longer to answer, in milliseconds."),
    key("POLL_INTERVAL_MINUTES", Kind::Count, Some("5"), "How often `ml-health --watch` looks when it is given no time."),
    key("CHECK_DEADLINE_MS", Kind::Count, Some("10000"), "Time that each check of ml-health has, in milliseconds."),
    key("DISK_FREE_WARN_PERCENT", Kind::Percent, Some("15"), "ml-health warns when the disk of exports or backups has less free."),
    key("DISK_FREE_MIN_MB", Kind::Count, Some("200"), "Less free disk than this is critical and a gate, in MiB."),
    key("ALERT_WEBHOOK", Kind::Webhook, None, "Slack or Discord webhook that ml-alert posts to."),
    key(
        "ALERT_ENABLED",
        Kind::Switch,
        Some("false"),
        "Without rules of your own, ml-alert stays silent unless this is true; with them, only when it is set to false.",
    ),
    key(
        "ALERT_RULES",
        Kind::Path,
        None,
        "File of rules and sinks (config/alerts.toml); a profile may have its own. Without any, each bad run is told in one message: `ml-alert check-config` shows those rules.",
    ),
    key(
        "ALERT_BUDGET_SECONDS",
        Kind::Count,
        Some("30"),
        "Time that a run spends on delivering at its end, pauses that services ask for included.",
    ),
    key("ALERT_FORMAT", Kind::Text, Some("auto"), "Form of the message: `slack`, `discord`, or `auto` to tell by the webhook's host."),
    key(
        "NIGHT_DEADLINE",
        Kind::Text,
        Some("3h45m"),
        "Time that the nightly wrapper gives the whole night; keep it below the scheduler's limit, so that the alert still goes out.",
    ),
    key("PROGRESS_PATH", Kind::Path, Some("docs/progress.md"), "File that ml-report appends the night's entry to."),
    key("EXPORTS_DIR", Kind::Path, Some("exports"), "Folder of the files of ml-export and of ml-derive --emit."),
    key("EXPORT_COMPRESSION", Kind::Switch, Some("false"), "Whether ml-export compresses its files with zstd."),
    key("LOGS_DIR", Kind::Path, Some("logs"), "Folder of the nightly logs."),
    key("BACKUP_DIR", Kind::Path, Some("backups"), "Folder of the backups."),
    key(
        "STATE_DIR",
        Kind::Path,
        Some("state"),
        "Folder of what must be remembered between runs: alerts and what of them is undelivered, looks of ml-health, locks.",
    ),
    key(
        "BACKUP_NAME",
        Kind::Text,
        Some("{system}-{date}-{time}.dump"),
        "Pattern of the names of backups: {system}, {database}, {date} (YYYYMMDD) and {time} (HHMMSS, UTC); only what it makes is ever removed.",
    ),
    key(
        "BACKUP_RETENTION_DAYS",
        Kind::Count,
        Some("30"),
        "Older backups are removed, but never the newest good one, the newest proven one, and what the BACKUP_KEEP settings keep; 0 keeps all.",
    ),
    key("BACKUP_KEEP_LAST", Kind::Count, Some("1"), "So many of the newest good backups are kept whatever their age."),
    key("BACKUP_KEEP_DAILY", Kind::Count, Some("0"), "Of so many days that have one, the newest good backup is kept whatever its age."),
    key("BACKUP_KEEP_WEEKLY", Kind::Count, Some("0"), "The same of weeks."),
    key("BACKUP_KEEP_MONTHLY", Kind::Count, Some("0"), "The same of months."),
    key("BACKUP_MAX_AGE_HOURS", Kind::Count, Some("48"), "ml-health warns when the newest good backup is older; 0 never does."),
    key(
        "BACKUP_PROOF_MAX_AGE_DAYS",
        Kind::Count,
        Some("35"),
        "ml-health warns when no backup was proven by a drill (ml-restore --scratch) for so long; 0 never does.",
    ),
    key("BACKUP_NICE", Kind::Switch, Some("false"), "Whether backups let everybody else have CPU and disk first, as with --nice."),
    key(
        "BACKUP_COMPRESSION",
        Kind::Text,
        Some("true"),
        "How dumps are compressed: `gzip` (what `true` means; any pg_restore reads it), `gzip:LEVEL` (1 to 9), `zstd` or `zstd:LEVEL` (1 to 22; \
         faster and smaller, PostgreSQL 16 and later), `none` (what `false` means).",
    ),
    key(
        "BACKUP_GLOBALS",
        Kind::Switch,
        Some("true"),
        "Whether the server's roles (with the hashes of their passwords, where the role may read them) and tablespaces are written beside the dump.",
    ),
    key(
        "PUSH_TO",
        Kind::SecretUrl,
        None,
        "Where ml-push sends files: `s3://bucket/prefix`, `git+https://...`, `git+ssh://...`, a folder, or `command:...`.",
    ),
    key("PUSH_S3_ENDPOINT", Kind::Text, None, "URL of an S3-compatible store, when it is not AWS: `https://minio.example.com:9000`."),
    key("AWS_REGION", Kind::Text, Some("us-east-1"), "Region of the S3 bucket; most stores other than AWS take any."),
    key("AWS_ACCESS_KEY_ID", Kind::Secret, None, "Access key of the S3 store."),
    key("AWS_SECRET_ACCESS_KEY", Kind::Secret, None, "Secret key of the S3 store."),
    key("AWS_SESSION_TOKEN", Kind::Secret, None, "Session token of temporary S3 credentials."),
    key(
        "PUSH_RETENTION_DAYS",
        Kind::Count,
        None,
        "ml-push removes older backups and archives there, but never the newest good or proven one; nothing when not set or 0.",
    ),
    key("PUSH_KEEP_LAST", Kind::Count, Some("1"), "So many of the newest good ones are kept there whatever their age."),
    key("PUSH_KEEP_DAILY", Kind::Count, Some("0"), "Of so many days that have one, the newest good one is kept there whatever its age."),
    key("PUSH_KEEP_WEEKLY", Kind::Count, Some("0"), "The same of weeks."),
    key("PUSH_KEEP_MONTHLY", Kind::Count, Some("0"), "The same of months."),
    key(
        "ARCHIVE_PATHS",
        Kind::Text,
        None,
        "Files and folders that ml-archive packs, separated by commas; relative ones start at the folder above `config/`.",
    ),
    key("ARCHIVE_EXCLUDES", Kind::Text, None, "What ml-archive leaves out, separated by commas: `logs/archive`, `*.log`."),
    key(
        "ARCHIVE_NAME",
        Kind::Text,
        Some("{system}-config_{date}_{time}.tar.gz"),
        "How ml-archive names its files; ends in `.tar.gz` or `.tar.zst`.",
    ),
    key("ARCHIVE_DIR", Kind::Path, None, "Folder of ml-archive's files; BACKUP_DIR when not set."),
    key("ARCHIVE_RETENTION_DAYS", Kind::Count, Some("30"), "Older archives are removed, but never the newest good one; 0 keeps all."),
    key("ARCHIVE_KEEP_LAST", Kind::Count, Some("1"), "So many of the newest good archives are kept whatever their age."),
    key("ARCHIVE_KEEP_DAILY", Kind::Count, Some("0"), "Of so many days that have one, the newest good archive is kept whatever its age."),
    key("ARCHIVE_KEEP_WEEKLY", Kind::Count, Some("0"), "The same of weeks."),
    key("ARCHIVE_KEEP_MONTHLY", Kind::Count, Some("0"), "The same of months."),
    key(
        "ROTATE_RULES",
        Kind::Path,
        None,
        "File of what ml-rotate rotates and cleans (config/rotate.toml); the nightly wrappers run it when this is set.",
    ),
    key(
        "BACKUP_AGE_RECIPIENTS",
        Kind::Text,
        None,
        "Public keys (age1..., separated by commas) that backups are encrypted to; the stock `age` program opens them with the identity.",
    ),
    key("BACKUP_AGE_RECIPIENTS_FILE", Kind::Path, None, "File with a public key a line, likewise; both may be set."),
    key(
        "BACKUP_AGE_IDENTITY_FILE",
        Kind::Path,
        None,
        "File of age-keygen's that opens encrypted backups, for verifying and restoring. Keep it elsewhere than the backups.",
    ),
    key("VACUUM_ANALYZE", Kind::Switch, Some("true"), "Whether ml-vacuum vacuums and analyses."),
    key(
        "PRUNE_FAILED_PROOFS_DAYS",
        Kind::Count,
        None,
        "ml-vacuum removes failed proofs older than this many days; nothing is removed when not set or 0.",
    ),
    key("LEAN_PROJECT_DIR", Kind::Path, None, "Lean project of the system, which checks of the kind lean build."),
    key("PG_BIN", Kind::Path, None, "Folder of pg_dump, pg_restore and the like, when not the newest found."),
    key(
        "STATEMENT_TIMEOUT_MS",
        Kind::Count,
        Some("600000"),
        "Time limit of a single SQL statement, in milliseconds; dumps and vacuum are exempt.",
    ),
    key("LOCK_TIMEOUT_MS", Kind::Count, Some("5000"), "How long a statement waits for a lock, in milliseconds."),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known name that is most like `name`, when one is near enough to be meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let (distance, key) = KEYS.iter().map(|key| (strsim::damerau_levenshtein(name, key.name), key.name)).min()?;
    (distance <= 3).then_some(key)
}
