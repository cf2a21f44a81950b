//! A mail server: enough of SMTP for a real exchange, with STARTTLS or TLS from the first byte, and a login.

use crate::pki::Issued;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// When the line is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Never.
    Plain,
    /// After STARTTLS, without which no letter is taken.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// A letter that was taken.
#[derive(Clone, Debug)]
pub struct Received {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's receivers.
    pub to: Vec<String>,
    /// Headers and text as they came.
    pub data: String,
    /// Whether the line was encrypted.
    pub encrypted: bool,
    /// Who had logged in (the base64 of `AUTH PLAIN`).
    pub login: Option<String>,
}

struct Shared {
    line: Line,
    tls: Option<Arc<rustls::ServerConfig>>,
    /// The base64 that AUTH PLAIN must bring, if any.
    login: Option<String>,
    letters: Mutex<Vec<Received>>,
    answer_to_data: Mutex<Option<String>>,
    ended: AtomicBool,
}

/// The server; it ends on drop.
pub struct MailServer {
    shared: Arc<Shared>,
    port: u16,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl MailServer {
    /// On a free port of 127.0.0.1.
    pub fn start(line: Line, certificate: Option<&Issued>, login: Option<&str>) -> MailServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            line,
            tls: certificate.map(Issued::server_config),
            login: login.map(str::to_owned),
            letters: Mutex::default(),
            answer_to_data: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
        MailServer { shared, port }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answers letters with this line (`552 too big`) from now on.
    pub fn answer_to_data(&self, line: Option<&str>) {
        *self.shared.answer_to_data.lock().unwrap() = line.map(str::to_owned);
    }

    /// What was taken.
    pub fn letters(&self) -> Vec<Received> {
        self.shared.letters.lock().unwrap().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let encrypt = |stream: TcpStream| -> std::io::Result<Box<dyn Stream>> {
        let config = shared.tls.clone().expect("the test gave a certificate");
        let session = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
        Ok(Box::new(rustls::StreamOwned::new(session, stream)))
    };
    match shared.line {
        Line::Implicit => {
            let mut line = BufReader::new(encrypt(stream)?);
            line.get_mut().write_all(b"220 stand-in ESMTP\r\n")?;
            talk(shared, &mut line, true).map(drop)
        }
        Line::Plain | Line::Starttls => {
            let again = stream.try_clone()?;
            let mut line = BufReader::new(Box::new(stream) as Box<dyn Stream>);
            line.get_mut().write_all(b"220 stand-in ESMTP\r\n")?;
            if talk(shared, &mut line, false)? {
                talk(shared, &mut BufReader::new(encrypt(again)?), true)?;
            }
            Ok(())
        }
    }
}

/// True when the client wants to go on encrypted.
fn talk(shared: &Shared, line: &mut BufReader<Box<dyn Stream>>, encrypted: bool) -> std::io::Result<bool> {
    let mut letter = Received { from: String::new(), to: Vec::new(), data: String::new(), encrypted, login: None };
    loop {
        let mut command = String::new();
        if line.read_line(&mut command)? == 0 {
            return Ok(false);
        }
        let command = command.trim_end().to_owned();
        let word = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let closed = shared.line == Line::Starttls && !encrypted;
        let may = !closed && (shared.login.is_none() || letter.login.is_some());
        let answer = match word.as_str() {
            "EHLO" if closed => "250-stand-in\r\n250-8BITMIME\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-stand-in\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN".to_owned(),
            "STARTTLS" if closed => {
                line.get_mut().write_all(b"220 go ahead\r\n")?;
                return Ok(true);
            }
            "AUTH" => {
                let given = command.rsplit(' ').next().unwrap_or_default().to_owned();
                if shared.login.as_ref() == Some(&given) {
                    letter.login = Some(given);
                    "235 welcome".to_owned()
                } else {
                    "535 5.7.8 wrong user or password".to_owned()
                }
            }
            "MAIL" | "RCPT" | "DATA" if !may => "530 5.7.0 not yet".to_owned(),
            "MAIL" => {
                letter.from = address(&command);
                "250 ok".to_owned()
            }
            "RCPT" => {
                letter.to.push(address(&command));
                "250 ok".to_owned()
            }
            "DATA" => {
                line.get_mut().write_all(b"354 go ahead\r\n")?;
                letter.data = data(line)?;
                let refused = shared.answer_to_data.lock().unwrap().clone();
                refused.unwrap_or_else(|| {
                    shared.letters.lock().unwrap().push(letter.clone());
                    "250 taken".to_owned()
                })
            }
            "QUIT" => {
                line.get_mut().write_all(b"221 bye\r\n")?;
                return Ok(false);
            }
            _ => "500 what".to_owned(),
        };
        line.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
        line.get_mut().flush()?;
    }
}

fn address(command: &str) -> String {
    command.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or_default().to_owned()
}

fn data(line: &mut impl BufRead) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut one = String::new();
        if line.read_line(&mut one)? == 0 || one == ".\r\n" {
            return Ok(data);
        }
        data.push_str(one.strip_prefix('.').unwrap_or(&one));
    }
}
