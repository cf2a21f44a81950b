//! A small disk that fills up.

use crate::guard::Guard;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A mounted tmpfs of few bytes; unmounted on drop or with the test process.
#[derive(Debug)]
pub struct FullDisk {
    dir: TempDir,
    guard: Option<Guard>,
}

/// Mounts a tmpfs that holds `size` bytes (rounded up to pages by the kernel), or says why it cannot: mounting needs root.
///
/// # Errors
/// The reason, for `skip!`.
pub fn full_disk(size: u64) -> Result<FullDisk, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("mounting a small tmpfs needs root".to_owned());
    }
    let dir = tempfile::Builder::new().prefix("mld-").tempdir_in("/var/tmp").unwrap();
    let guard = Guard::on_exit("umount -l \"$1\"; rmdir \"$1\"", &[&dir.path().display().to_string()]);
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o"]).arg(format!("size={size},mode=1777")).arg("tmpfs").arg(dir.path());
    let output = mount.stdin(Stdio::null()).output().map_err(|error| format!("mount does not start: {error}"))?;
    if output.status.success() {
        Ok(FullDisk { dir, guard: Some(guard) })
    } else {
        Err(format!("mounting a tmpfs is not allowed here: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

impl FullDisk {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.dir.path()).status();
        drop(self.guard.take());
    }
}
