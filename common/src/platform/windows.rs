//! Windows.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// An end of a pipe.
pub type Handle = std::os::windows::io::OwnedHandle;

/// Whether the pipe can be read without waiting; here it is always read, as a whole tree of children is ended with its root.
///
/// # Errors
/// None.
pub fn readable(_pipe: &File, _time: Duration) -> io::Result<bool> {
    Ok(true)
}

/// Whether standard input can hold a stream of records: a pipe or a file, never a console or NUL.
pub fn stdin_holds_records() -> bool {
    const FILE_TYPE_DISK: u32 = 1;
    const FILE_TYPE_PIPE: u32 = 3;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetFileType(file: std::os::windows::io::RawHandle) -> u32;
    }
    // SAFETY: the call reads nothing but the handle, and answers "unknown" to one that is not valid.
    let kind = unsafe { GetFileType(io::stdin().as_raw_handle()) };
    matches!(kind, FILE_TYPE_DISK | FILE_TYPE_PIPE)
}

/// The console of the person, whatever standard input and output are.
///
/// # Errors
/// When there is none.
pub fn terminal() -> io::Result<(File, File)> {
    Ok((File::options().read(true).open("CONIN$")?, File::options().write(true).open("CONOUT$")?))
}

/// Permissions are access lists here; what a new file inherits is the folder's business.
pub fn readable_by_others(_path: &Path) -> bool {
    false
}

/// Makes the folder and its parents.
///
/// # Errors
/// As of the system call.
pub fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// NTFS journals renames; a folder cannot be flushed.
///
/// # Errors
/// Never.
pub fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A child in a group of its own does not get our Ctrl-C.
pub fn bind_child(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Lets everybody else have the CPU first, from here on; children inherit it. The disk has no such class that children would inherit.
///
/// # Errors
/// As of the system call.
pub fn low_priority() -> io::Result<()> {
    const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x0000_4000;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> std::os::windows::io::RawHandle;
        fn SetPriorityClass(process: std::os::windows::io::RawHandle, class: u32) -> i32;
    }
    // SAFETY: the first gives a constant that stands for this process, the second reads nothing but its arguments.
    let done = unsafe { SetPriorityClass(GetCurrentProcess(), BELOW_NORMAL_PRIORITY_CLASS) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends a child, and the children that it has; there is no polite way. Its id is not given away again while its handle is open.
pub fn end_child(pid: u32) {
    let mut command = Command::new("taskkill");
    command.args(["/F", "/T", "/PID", &pid.to_string()]);
    // It may have ended by itself.
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// The same.
pub fn kill_child(pid: u32) {
    end_child(pid);
}

/// A user for a server that refuses to run with an administrator's rights; PostgreSQL's own programs give them up themselves here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {}

impl Account {
    /// None is needed.
    ///
    /// # Errors
    /// Never.
    pub fn for_server() -> io::Result<Option<Account>> {
        Ok(None)
    }

    /// Gives it a file or folder.
    ///
    /// # Errors
    /// Never.
    pub fn own(self, _path: &Path) -> io::Result<()> {
        match self {}
    }

    /// The child is going to run as this user.
    pub fn run(self, _command: &mut Command) {
        match self {}
    }
}

/// Whether it is a folder and no link.
pub fn own_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Permissions are access lists here.
///
/// # Errors
/// Never.
pub fn let_through(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Permissions are access lists here; what a new file inherits is the folder's business.
///
/// # Errors
/// Never.
pub fn let_others_read(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Memory that is free for this process, in bytes; `None`: it is not asked.
pub fn free_memory() -> Option<u64> {
    None
}

/// Gives a file another name, and never takes one that is in use.
///
/// # Errors
/// As of the system call; `AlreadyExists` when the name is in use.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// A file that is open for writing cannot be removed here unless its writer allows it.
pub fn is_being_written(_file: &File) -> Option<bool> {
    None
}

/// Who may change a folder is said by access lists, which are not read.
pub fn is_trap(_folder: &Path) -> bool {
    false
}

/// Whose a link is is said by access lists, which are not read.
pub fn is_others_link(_path: &Path) -> bool {
    false
}

/// What a new file inherits is the folder's business.
///
/// # Errors
/// Never.
pub fn dress_as(_file: &File, _meta: &std::fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// What a new folder inherits is the business of the one above it.
///
/// # Errors
/// Never.
pub fn dress_folder_as(_folder: &Path, _meta: &std::fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Other names of a file are not asked for.
pub fn names_of(_meta: &std::fs::Metadata) -> u64 {
    1
}

/// There are no signals here.
///
/// # Errors
/// Always.
pub fn tell_process(_pid: u32, _signal: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
