//! Linux and macOS.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// An end of a pipe.
pub type Handle = std::os::fd::OwnedFd;

/// Whether the pipe can be read without waiting (or has ended), asked for at most `time`.
///
/// # Errors
/// Those of poll(2); one that a signal interrupted is no answer yet.
pub fn readable(pipe: &File, time: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let time = Timespec { tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() };
    match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&time)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether standard input can hold a stream of records: a pipe, a socket or a file, never a terminal or /dev/null.
pub fn stdin_holds_records() -> bool {
    let Ok(stat) = rustix::fs::fstat(io::stdin()) else { return false };
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    kind.is_fifo() || kind.is_socket() || kind.is_file()
}

/// The terminal of the person, whatever standard input and output are.
///
/// # Errors
/// When there is none.
pub fn terminal() -> io::Result<(File, File)> {
    let open = || File::options().read(true).write(true).custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed()).open("/dev/tty");
    let (input, output) = (open()?, open()?);
    if input.metadata()?.file_type().is_char_device() { Ok((input, output)) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Whether somebody besides the owner can read the file.
pub fn readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

/// Makes the folder and its parents; a new one is the owner's alone, as it is going to hold the data.
///
/// # Errors
/// As of `mkdir`.
pub fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Flushes a folder, so that a rename in it survives a power cut.
///
/// # Errors
/// As of `fsync`.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The child gets its own process group (Ctrl-C reaches it through us alone) and, on Linux, ends when the thread that spawned it ends.
pub fn bind_child(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = rustix::process::getpid();
        // SAFETY: between fork and exec only async-signal-safe system calls are made: prctl and getppid.
        unsafe {
            command.pre_exec(move || {
                rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
                // The parent may have ended before the line above took effect.
                if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) }
            });
        }
    }
}

/// Lets everybody else have CPU and disk first, from here on: this thread, those that it starts, and their children.
///
/// # Errors
/// As of `nice` and `ioprio_set`.
pub fn low_priority() -> io::Result<()> {
    const LOWEST: i32 = 19;
    rustix::process::nice(LOWEST)?;
    #[cfg(target_os = "linux")]
    {
        // linux/ioprio.h: this thread; the disk only while nobody else wants it.
        const WHO_PROCESS: libc::c_int = 1;
        const CLASS_IDLE: libc::c_int = 3 << 13;
        // SAFETY: the call takes three numbers and touches no memory of ours.
        if unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Asks a child, and the children that it has, to end.
pub fn end_child(pid: u32) {
    signal_child(pid, rustix::process::Signal::TERM);
}

/// Ends a child, and the children that it has, without asking.
pub fn kill_child(pid: u32) {
    signal_child(pid, rustix::process::Signal::KILL);
}

fn signal_child(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// A user that is not root, for a server that refuses to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account for a PostgreSQL server that this process starts: `postgres`, or `nobody`. `None` when this process is not root and its own
    /// user will do.
    ///
    /// # Errors
    /// When this process is root and there is neither.
    pub fn for_server() -> io::Result<Option<Account>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let id = |what: &str, name: &str| {
            let output = Command::new("id").args([what, name]).stderr(std::process::Stdio::null()).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
        };
        let found = ["postgres", "nobody"].into_iter().find_map(|name| Some(Account { uid: id("-u", name)?, gid: id("-g", name)? }));
        found.map(Some).ok_or_else(|| io::Error::other("there is neither a user postgres nor a user nobody"))
    }

    /// Gives it a file or folder.
    ///
    /// # Errors
    /// As of `chown`.
    pub fn own(self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }

    /// The child is going to run as this user.
    pub fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// Whether this process made the folder, and nobody has put a link in its place.
pub fn own_folder(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw())
}

/// Everybody may read the file; only its owner writes it.
///
/// # Errors
/// As of `fchmod`.
pub fn let_others_read(file: &File) -> io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// Lets other users pass through a folder, but not look into it.
///
/// # Errors
/// As of `chmod`.
pub fn let_through(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
}

/// Memory that is free for this process, in bytes; `None` where the system does not say.
pub fn free_memory() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.split_whitespace().next()?.parse::<u64>().ok()? * 1024;
    // A container may have less than the machine; both generations of control groups.
    let folder = "/sys/fs/cgroup";
    let limits = [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")];
    let left =
        |(limit, used): (&str, &str)| Some(number(&format!("{folder}/{limit}"))?.saturating_sub(number(&format!("{folder}/{used}"))?));
    Some(limits.into_iter().filter_map(left).fold(available, u64::min))
}

/// Gives a file another name, and never takes one that is in use.
///
/// # Errors
/// As of `rename`; `AlreadyExists` when the name is in use.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems cannot promise it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            done => return done.map_err(io::Error::from),
        }
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// Whether any process has the file open for writing; `None` where the system does not tell. `file` must be open for reading alone.
#[cfg(target_os = "linux")]
pub fn is_being_written(file: &File) -> Option<bool> {
    use std::os::fd::AsRawFd;
    const F_SETSIG: libc::c_int = 10;
    let control = |what: libc::c_int, value: libc::c_int| {
        // SAFETY: the call takes three numbers and touches no memory of ours; the descriptor is open as long as `file` is.
        unsafe { libc::fcntl(file.as_raw_fd(), what, value) }
    };
    // Who opens the file in this moment makes the kernel send a signal; this one is ignored unless somebody asks for it.
    if control(F_SETSIG, libc::SIGURG) != 0 {
        return None;
    }
    // A lease for reading is only given while nobody writes.
    if control(libc::F_SETLEASE, libc::c_int::from(libc::F_RDLCK as i16)) == 0 {
        control(libc::F_SETLEASE, libc::c_int::from(libc::F_UNLCK as i16));
        return Some(false);
    }
    (io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)).then_some(true)
}

/// Whether any process has the file open for writing; this system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn is_being_written(_file: &File) -> Option<bool> {
    None
}

/// Whether everybody may put files there, while this process may do everything: names in such a folder can be exchanged at any moment.
pub fn is_trap(folder: &Path) -> bool {
    rustix::process::geteuid().is_root() && std::fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

/// Whether it is a link that somebody else has put there, who is not root either: where it leads is that one's choice.
pub fn is_others_link(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    path.symlink_metadata().is_ok_and(|meta| meta.is_symlink() && meta.uid() != own && meta.uid() != 0)
}

/// Makes a new file look like an older one: mode, and owner where this process may give files away.
///
/// # Errors
/// As of `fchmod`.
pub fn dress_as(file: &File, meta: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::fchown(file, Some(meta.uid()), Some(meta.gid()))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(meta.permissions().mode() & 0o7777))
}

/// Makes a new folder look like another one: mode, and owner where this process may give folders away.
///
/// # Errors
/// As of `fchmod`.
pub fn dress_folder_as(folder: &Path, meta: &std::fs::Metadata) -> io::Result<()> {
    dress_as(&File::open(folder)?, meta)
}

/// How many names the file has.
pub fn names_of(meta: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.nlink()
}

/// Sends a signal to a process of another program: HUP, USR1, USR2, INT or TERM.
///
/// # Errors
/// When there is no such process, or it is somebody else's.
pub fn tell_process(pid: u32, signal: &str) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match signal {
        "HUP" => Signal::HUP,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "INT" => Signal::INT,
        "TERM" => Signal::TERM,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}
