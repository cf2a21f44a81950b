//! The roles of the server that a dump comes from, for the private server of a drill: with their memberships and settings, without passwords.

use crate::source::Source;
use ml_common::files;
use ml_common::stage::Stage;
use ml_common::{Result, people};
use ml_dump::failed;
use postgres::Client;
use std::collections::BTreeSet;

/// A file that is longer is not one of roles.
const LONGEST: u64 = 16 << 20;

/// Makes what the file of globals beside the dump says of roles, and then those that the dump's policies and rights name and that it had not.
///
/// # Errors
/// Class Database when a role that the dump needs cannot be made. What cannot be taken from the file is passed over.
pub fn replay(stage: &Stage, client: &mut Client, source: &Source, needed: &BTreeSet<String>) -> Result<()> {
    let beside = source.manifest.as_ref().and_then(|manifest| manifest.globals.as_ref()).filter(|beside| beside.file.ends_with(".sql"));
    if let Some(beside) = beside {
        let path = source.path.with_file_name(&beside.file);
        match files::read_small(&path, LONGEST) {
            Ok(Some(text)) => take(client, &String::from_utf8_lossy(&text), stage),
            Ok(None) => log::info!("{} is not there", path.display()),
            Err(failure) => log::info!("{failure}"),
        }
    }
    for role in needed {
        let there =
            client.query_opt("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1", &[role]).map_err(failed("looking up roles"))?;
        if there.is_none() {
            client
                .batch_execute(&format!("CREATE ROLE {}", ml_dump::quoted(role)))
                .map_err(failed(format_args!("making the role {role}")))?;
        }
    }
    Ok(())
}

fn take(client: &mut Client, text: &str, stage: &Stage) {
    let mut refused = 0;
    for statement in statements(text) {
        // One statement a call, by the extended protocol: a line that hides another in itself is refused by the server.
        if client.execute(statement.as_str(), &[]).is_err() {
            refused += 1;
        }
    }
    if refused > 0 {
        log::info!("{} of the roles passed over in run {}", people::counted(refused, "statement"), stage.run);
    }
}

/// The statements on roles, one a line as pg_dumpall writes them, but for those on the private server's own superuser: it has another password.
fn statements(text: &str) -> Vec<String> {
    let wanted = |line: &&str| ["CREATE ROLE ", "ALTER ROLE ", "GRANT "].iter().any(|begin| line.starts_with(begin)) && line.ends_with(';');
    let own = |line: &&str| ["CREATE ROLE postgres;", "ALTER ROLE postgres "].iter().any(|begin| line.starts_with(begin));
    text.lines().filter(wanted).filter(|line| !own(line)).map(without_password).collect()
}

/// Nobody logs in as one of them, and a hash has no business in a log.
fn without_password(line: &str) -> String {
    let cut = || {
        let (before, rest) = line.split_once(" PASSWORD '")?;
        let (_, after) = rest.split_once('\'')?;
        Some(format!("{before}{after}"))
    };
    cut().unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_taken_without_passwords_and_without_the_superuser() {
        let text = "SET default_transaction_read_only = off;\nCREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER PASSWORD 'md5x';\n\
            CREATE ROLE \"o p\";\nALTER ROLE \"o p\" WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a=$b=:c=' VALID UNTIL 'infinity';\n\
            ALTER ROLE \"o p\" SET search_path TO 'a', 'b';\nGRANT r TO \"o p\" GRANTED BY postgres;\nCREATE TABLESPACE x LOCATION '/x';\n\
            COPY (SELECT 1) TO PROGRAM 'x';\n";
        assert_eq!(
            statements(text),
            [
                "CREATE ROLE \"o p\";",
                "ALTER ROLE \"o p\" WITH NOSUPERUSER LOGIN VALID UNTIL 'infinity';",
                "ALTER ROLE \"o p\" SET search_path TO 'a', 'b';",
                "GRANT r TO \"o p\" GRANTED BY postgres;",
            ]
        );
    }
}
