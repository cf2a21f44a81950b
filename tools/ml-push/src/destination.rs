//! Where to: the text of the destination, taken apart. What may be shown of it holds no secret.

use ml_common::{Class, Failure, Result, pg};
use std::path::PathBuf;

/// A place for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A bucket, and what its keys begin with (empty, or ending in `/`).
    S3 {
        /// The bucket.
        bucket: String,
        /// `nightly/`.
        prefix: String,
    },
    /// A git remote.
    Git(Git),
    /// A folder of this machine, or one that is mounted.
    Folder(PathBuf),
    /// A command of the shell.
    Command(String),
}

/// A git remote, a branch and a folder in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// The URL as git takes it, without user name and password when they are for HTTP.
    pub url: String,
    /// `user:password` as they stand in an HTTP URL.
    pub login: Option<String>,
    /// The branch; the remote's own default when not named.
    pub branch: Option<String>,
    /// Folder in the repository (empty, or ending in `/`).
    pub folder: String,
}

impl Destination {
    /// Takes a destination apart: `s3://bucket/prefix`, `git+https://host/repository.git#branch:folder`, `file:///folder`, a path, or
    /// `command:words for the shell`.
    ///
    /// # Errors
    /// Class Usage when it is none of these.
    pub fn parse(text: &str) -> Result<Destination> {
        if let Some(command) = text.strip_prefix("command:") {
            return if command.trim().is_empty() {
                Err(wrong("command: names no command"))
            } else {
                Ok(Destination::Command(command.into()))
            };
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
            if bucket.is_empty() || !bucket.chars().all(plain) {
                return Err(wrong("s3:// must be followed by the name of a bucket (small letters, digits, `.`, `-`), not by a host")
                    .hint("write s3://bucket/prefix; PUSH_S3_ENDPOINT names the host"));
            }
            return Ok(Destination::S3 { bucket: bucket.into(), prefix: folder_of(prefix)? });
        }
        if let Some(rest) = text.strip_prefix("git+") {
            return git(rest).map(Destination::Git);
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Destination::Folder(path.into()))
            } else {
                Err(wrong("file:// takes an absolute path: file:///backups"))
            };
        }
        match text.split_once("://") {
            // A drive letter is a path, too.
            Some((scheme, _)) if scheme.len() > 1 => Err(wrong(format!("{}:// is not known", pg::without_password(scheme)))),
            _ if text.is_empty() => Err(wrong("the destination is empty")),
            _ => Ok(Destination::Folder(text.into())),
        }
    }

    /// For people and records.
    pub fn shown(&self) -> String {
        match self {
            Destination::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
            Destination::Git(git) => {
                let branch = git.branch.as_deref().map(|branch| format!("#{branch}")).unwrap_or_default();
                let folder = if git.folder.is_empty() { String::new() } else { format!(":{}", git.folder) };
                let mark = if branch.is_empty() && !folder.is_empty() { "#" } else { "" };
                format!("git+{}{branch}{mark}{folder}", git.url)
            }
            Destination::Folder(path) => path.display().to_string(),
            // Its words may hold anything.
            Destination::Command(command) => format!("command:{}", command.split_whitespace().next().unwrap_or_default()),
        }
    }

    /// Whether the text itself holds a password, which must not stand on a command line.
    pub fn holds_secret(&self) -> bool {
        matches!(self, Destination::Git(Git { login: Some(login), .. }) if login.contains(':'))
    }
}

fn git(text: &str) -> Result<Git> {
    let (url, place) = text.split_once('#').unwrap_or((text, ""));
    let (branch, folder) = place.split_once(':').unwrap_or((place, ""));
    let Some((scheme, rest)) = url.split_once("://") else { return Err(wrong("git+ is followed by ssh://, https://, http:// or file://")) };
    if !matches!(scheme, "ssh" | "https" | "http" | "file") || rest.is_empty() {
        return Err(wrong("git+ is followed by ssh://, https://, http:// or file://"));
    }
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    if branch.starts_with('-') || branch.contains(odd) || branch.contains("..") {
        return Err(wrong("after # stands the name of a branch, and after : a folder in it"));
    }
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    // For ssh the user name is part of the address; a password would be of no use to it.
    let (login, host) = match host.rsplit_once('@') {
        Some((login, host)) if scheme.starts_with("http") => (Some(login.to_owned()), host),
        Some((login, bare)) if login.contains(':') => return Err(ssh_password(bare)),
        _ => (None, host),
    };
    if host.starts_with('-') || path.starts_with("/-") {
        return Err(wrong("the address of the git remote is not valid"));
    }
    let branch = (!branch.is_empty()).then(|| branch.to_owned());
    Ok(Git { url: format!("{scheme}://{host}{path}"), login, branch, folder: folder_of(folder)? })
}

fn ssh_password(host: &str) -> Failure {
    wrong(format!("ssh takes no password in the address of {host}")).hint("use a key: ~/.ssh/config, or GIT_SSH_COMMAND")
}

/// A prefix that ends in `/`, unless it is empty.
fn folder_of(text: &str) -> Result<String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..") || part.eq_ignore_ascii_case(".git") || part.contains(char::is_control)) {
        return Err(wrong("the folder at the destination has a part that is `.`, `..` or odd"));
    }
    Ok(parts.into_iter().map(|part| format!("{part}/")).collect())
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::new(Class::Usage, message)
        .hint("a destination is s3://bucket/prefix, git+https://host/repository.git#branch:folder, git+ssh://..., a folder, or command:...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Destination {
        Destination::parse(text).unwrap()
    }

    #[test]
    fn every_kind_is_understood() {
        assert_eq!(parse("s3://b-1/a//c"), Destination::S3 { bucket: "b-1".into(), prefix: "a/c/".into() });
        assert_eq!(parse("s3://b").shown(), "s3://b/");
        assert_eq!(parse("/backups"), Destination::Folder("/backups".into()));
        assert_eq!(parse("C:\\backups"), Destination::Folder("C:\\backups".into()));
        assert_eq!(parse("file:///b"), Destination::Folder("/b".into()));
        assert_eq!(parse("command:cat > x").shown(), "command:cat");
        let Destination::Git(git) = parse("git+ssh://git@host:22/a/b.git#main:x/y") else { panic!("git") };
        let expected = Git { url: "ssh://git@host:22/a/b.git".into(), login: None, branch: Some("main".into()), folder: "x/y/".into() };
        assert_eq!(git, expected);
        assert_eq!(parse("git+file:///a.git#:z").shown(), "git+file:///a.git#:z/");
    }

    #[test]
    fn a_password_is_kept_apart() {
        let there = parse("git+https://me:s3cret@host/a.git");
        assert!(there.holds_secret() && !there.shown().contains("s3cret") && !there.shown().contains("me"));
        let Destination::Git(git) = there else { panic!("git") };
        assert_eq!((git.url.as_str(), git.login.as_deref()), ("https://host/a.git", Some("me:s3cret")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "ftp://host/x",
            "s3://",
            "s3://Host:9000/b",
            "s3://b/../c",
            "git+scp:x",
            "git+ssh://",
            "git+https://h/r#-x",
            "git+https://h/r#a:../b",
            "git+ssh://-oProxyCommand=x/r",
            "git+ssh://a:b@h/r",
            "file://relative",
            "command: ",
            "git+file:///r#m:.git/hooks",
        ] {
            let failure = Destination::parse(bad).unwrap_err();
            assert!(failure.class == Class::Usage && failure.hint.is_some(), "{bad}");
        }
    }
}
