//! A real podman with a store of its own: containers of a small image, asked by its command or through its socket, as docker's.

use crate::guard::Guard;
use crate::tool::Tool;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The image: busybox with some of its names.
const IMAGE: &str = "mini:1";

/// What a container may do here; without these podman wants to raise limits that a container of tests cannot raise.
const LIMITS: [&str; 6] = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--network", "none"];

/// Ends the service `$2`, if any, and what is in the folder `$1`. Who watches over a command in a container stays for minutes after its end,
/// and has podman clean up after it, which makes the folder anew: the watchers end first, then what they began.
const END: &str = r#"
[ -z "$2" ] || kill "$2"
"$1"/podman rm --all --force --time 0
for name in conmon podman; do
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe") in
            */"$name") if grep -qs -- "$1/store" "$process/cmdline"; then kill -KILL "${process#/proc/}"; fi ;;
        esac
    done
done
rm -rf -- "$1""#;

/// Containers, which end on drop or with the test process.
#[derive(Debug)]
pub struct Podman {
    dir: TempDir,
    service: Option<Child>,
    guard: Option<Guard>,
}

impl Podman {
    /// Makes the image and runs one container of it, or says why that cannot be done here.
    ///
    /// # Errors
    /// The reason, for `skip!`.
    pub fn start() -> Result<Podman, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("containers of its own network and store need root".to_owned());
        }
        let dir = tempfile::Builder::new().prefix("mlc-").tempdir_in("/var/tmp").unwrap();
        let at = dir.path().display().to_string();
        // A file of this name: the tools take it for the command.
        let program = format!(
            "#!/bin/sh\nexec podman --root {at}/store --runroot {at}/run --tmpdir {at}/tmp --storage-driver vfs --cgroup-manager cgroupfs \
             --events-backend file --runtime runc \"$@\"\n"
        );
        std::fs::write(dir.path().join("podman"), program).unwrap();
        std::fs::set_permissions(dir.path().join("podman"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let guard = Guard::on_exit(END, &[&at, ""]);
        let podman = Podman { dir, service: None, guard: Some(guard) };
        podman.image()?;
        podman.try_run(&["run", "--rm"], &["/bin/true"])?;
        Ok(podman)
    }

    fn image(&self) -> Result<(), String> {
        let root = self.dir.path().join("image");
        for folder in ["bin", "app", "tmp"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
        std::fs::copy(busybox.ok_or("busybox-static is not installed")?, root.join("bin/busybox")).unwrap();
        for name in ["sh", "sleep", "true", "find", "touch", "chmod"] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).stdin(Stdio::null()).output().unwrap();
        std::fs::write(self.dir.path().join("image.tar"), tar.stdout).unwrap();
        let mut import = Command::new(self.program());
        let import = import.arg("import").arg(self.dir.path().join("image.tar")).arg(IMAGE).stdin(Stdio::null()).output();
        let import = import.map_err(|error| format!("podman does not start: {error}"))?;
        if import.status.success() { Ok(()) } else { Err(said("importing an image", &import.stderr)) }
    }

    /// `podman run`, whose last words are the image and a command.
    fn try_run(&self, run: &[&str], command: &[&str]) -> Result<(), String> {
        // Into a file: what stays beside a container would keep a pipe open.
        let log = std::fs::File::create(self.dir.path().join("run.log")).unwrap();
        let mut podman = Command::new(self.program());
        podman.args(run).args(LIMITS).arg(IMAGE).args(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let ended = podman.status().map_err(|error| format!("podman does not start: {error}"))?;
        let log = || std::fs::read(self.dir.path().join("run.log")).unwrap_or_default();
        if ended.success() { Ok(()) } else { Err(said("running a container", &log())) }
    }

    /// Starts a container that goes on, with more words of `podman run`. Panics with podman's words when it does not start.
    #[track_caller]
    pub fn detached(&self, name: &str, options: &[&str], script: &str) {
        let run = [&["run", "--detach", "--name", name], options].concat();
        self.try_run(&run, &["/bin/sh", "-c", script]).unwrap_or_else(|why| panic!("{name}: {why}"));
    }

    /// Any other command of podman's; what it prints. Panics with podman's words when it fails.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> String {
        Tool::foreign(self.program()).args(words).run().expect_code(0).stdout
    }

    /// Waits until `inspect` prints this for a format. Panics after a minute.
    #[track_caller]
    pub fn wait_for(&self, name: &str, format: &str, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = self.command(&["inspect", "--format", format, name]);
            if seen.trim() == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{name}: {format} is {seen} and not {wanted}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The command: a file that calls podman with the store of this test.
    pub fn program(&self) -> PathBuf {
        self.dir.path().join("podman")
    }

    /// The socket of its service, which is started when it is first asked for.
    pub fn socket(&mut self) -> PathBuf {
        let socket = self.dir.path().join("podman.sock");
        if self.service.is_none() {
            let mut service = Command::new(self.program());
            service.args(["system", "service", "--time", "0"]).arg(format!("unix://{}", socket.display()));
            service.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            let child = service.spawn().unwrap();
            let at = self.dir.path().display().to_string();
            drop(self.guard.take());
            self.guard = Some(Guard::on_exit(END, &[&at, &child.id().to_string()]));
            self.service = Some(child);
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "podman's service does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        socket
    }
}

fn said(doing: &str, stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    format!("{doing} does not work here: {}", text.lines().last().unwrap_or("podman says nothing"))
}

impl Drop for Podman {
    fn drop(&mut self) {
        let service = self.service.as_ref().map_or_else(String::new, |service| service.id().to_string());
        let mut end = Command::new("/bin/sh");
        end.args(["-c", END, "end"]).arg(self.dir.path()).arg(service);
        let _ = end.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if let Some(mut service) = self.service.take() {
            let _ = service.wait();
        }
        drop(self.guard.take());
    }
}
