//! What the tests of ml-push share: files to push, and a line to the server that can be bad.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::s3_server::{BUCKET, KEY};
use ml_tests::{S3Server, Tool};
use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A run of bytes that no compression or chance repeats.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// A dump of this content, with the manifest, globals and proof that belong to it.
pub fn dump(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    let (sha256, length) = ml_common::files::sha256(&path).unwrap();
    let globals = format!("{name}.globals.sql");
    fs::write(folder.join(&globals), format!("CREATE ROLE of_{length};\n")).unwrap();
    let (of_globals, _) = ml_common::files::sha256(&folder.join(&globals)).unwrap();
    let manifest = format!(
        r#"{{"format":1,"tool":"ml-backup 0.1.0","file":"{name}","sha256":"{sha256}","bytes":{length},"globals":{{"file":"{globals}","sha256":"{of_globals}","bytes":9}}}}"#
    );
    fs::write(folder.join(format!("{name}.json")), manifest).unwrap();
    fs::write(folder.join(format!("{name}.proof.json")), format!(r#"{{"format":1,"sha256":"{sha256}"}}"#)).unwrap();
    path
}

/// The names in a folder, sorted; none when it is missing.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// ml-push with the keys of a server, reached at `endpoint`.
pub fn push_to(server: &S3Server, endpoint: &str, prefix: &str) -> Tool {
    Tool::new("ml-push")
        .env("PUSH_S3_ENDPOINT", endpoint)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", server.secret())
        .arg(format!("s3://{BUCKET}/{prefix}"))
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// It is answered with 503 and closed.
    Busy,
    /// It is cut after so many bytes of the client.
    Cut(usize),
    /// The byte of the client after so many is another one.
    Flip(usize),
    /// Nothing passes any more after so many bytes of the client.
    Hang(usize),
    /// None.
    Fine,
}

/// A line to the server: each connection has the next trouble, those after the last have none.
pub struct Line {
    pub endpoint: String,
    hung: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    pub fn to(endpoint: &str, troubles: &[Trouble]) -> Line {
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (mut left, hung): (VecDeque<Trouble>, Arc<Mutex<Vec<TcpStream>>>) = (troubles.iter().copied().collect(), Arc::default());
        let kept = Arc::clone(&hung);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (trouble, upstream, kept) = (left.pop_front().unwrap_or(Trouble::Fine), upstream.clone(), Arc::clone(&kept));
                std::thread::spawn(move || drop(carry(client, &upstream, trouble, &kept)));
            }
        });
        Line { endpoint, hung }
    }

    /// Whether a connection hangs by now.
    pub fn hangs(&self) -> bool {
        !self.hung.lock().unwrap().is_empty()
    }
}

fn carry(mut client: TcpStream, upstream: &str, trouble: Trouble, hung: &Mutex<Vec<TcpStream>>) -> std::io::Result<()> {
    if matches!(trouble, Trouble::Busy) {
        let _ = client.read(&mut [0; 4096])?;
        return client.write_all(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut server = TcpStream::connect(upstream)?;
    let (mut back_from, mut back_to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Write);
    });
    let (mut passed, mut piece) = (0, vec![0; 1 << 14]);
    loop {
        let length = client.read(&mut piece)?;
        if length == 0 {
            return server.shutdown(Shutdown::Write);
        }
        let now = passed + length;
        match trouble {
            Trouble::Cut(at) if now > at => {
                client.shutdown(Shutdown::Both)?;
                return server.shutdown(Shutdown::Both);
            }
            Trouble::Hang(at) if now > at => {
                hung.lock().unwrap().extend([client, server]);
                return Ok(());
            }
            Trouble::Flip(at) if (passed..now).contains(&at) => piece[at - passed] ^= 1,
            _ => {}
        }
        server.write_all(&piece[..length])?;
        passed = now;
    }
}
