//! How much room a dump is going to need.

use ml_common::people::human_bytes;
use ml_common::{Class, Failure, Result};

/// What is known of an earlier dump.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earlier {
    /// Size of the file.
    pub bytes: u64,
    /// Size of the tables that it was made of.
    pub table_bytes: u64,
}

/// What every dump has besides rows: schema, heads of blocks, the manifest.
const BASE: u64 = 64 * 1024;

/// The size that a dump of tables of `table_bytes` is going to have: by the last dump's ratio, else by what is usual.
pub fn estimate(table_bytes: u64, compressed: bool, earlier: Option<Earlier>) -> u64 {
    let usual = if compressed { 0.4 } else { 1.0 };
    let ratio = match earlier {
        // A small database is mostly pages with a few rows each: nothing can be learnt from it.
        Some(earlier) if earlier.table_bytes > 1 << 20 => earlier.bytes as f64 / earlier.table_bytes as f64 * 1.1,
        _ => usual,
    };
    BASE + (table_bytes as f64 * ratio) as u64
}

/// Refuses to begin what cannot end.
///
/// # Errors
/// Class Storage when less than `needed` is free.
pub fn check_space(needed: u64, free: u64, folder: &std::path::Path) -> Result<()> {
    if needed <= free {
        return Ok(());
    }
    let (needed, free) = (human_bytes(needed), human_bytes(free));
    Err(Failure::new(Class::Storage, format!("the dump needs about {needed}, and {} has {free} free", folder.display()))
        .hint("free space there, or set BACKUP_DIR to another disk; nothing was begun"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_last_dump_teaches_the_ratio() {
        let earlier = |bytes, table_bytes| Some(Earlier { bytes, table_bytes });
        assert_eq!(estimate(0, true, None), BASE);
        assert_eq!(estimate(100 * MIB, true, None), BASE + 40 * MIB);
        assert_eq!(estimate(100 * MIB, false, None), BASE + 100 * MIB);
        assert_eq!(estimate(100 * MIB, true, earlier(20 * MIB, 80 * MIB)), BASE + (27.5 * MIB as f64) as u64);
        assert_eq!(estimate(100 * MIB, true, earlier(9000, 200_000)), BASE + 40 * MIB);
        assert_eq!(estimate(100 * MIB, true, earlier(1, 0)), BASE + 40 * MIB);
    }

    #[test]
    fn too_little_room_is_told_before() {
        let folder = std::path::Path::new("/backups");
        assert!(check_space(10, 10, folder).is_ok());
        let failure = check_space(3 * MIB, MIB, folder).unwrap_err();
        assert_eq!(
            (failure.class, failure.message.as_str()),
            (Class::Storage, "the dump needs about 3.0 MiB, and /backups has 1.0 MiB free")
        );
    }
}
