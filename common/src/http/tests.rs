//! The client against stand-ins on the loopback.

use super::*;
use crate::Class;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

/// Answers each connection with the next text and sends what it was asked; `None` stays silent until the client goes.
fn stand_in(answers: Vec<Option<String>>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !complete(&request) {
                match stream.read(&mut buffer) {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            asked.send(String::from_utf8_lossy(&request).into_owned()).unwrap();
            match answer {
                Some(text) => stream.write_all(text.as_bytes()).unwrap(),
                None => {
                    let _ = stream.read(&mut buffer);
                }
            }
        }
    });
    (url, requests)
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)).next();
    length.is_none_or(|length| body.len() >= length.parse::<usize>().unwrap())
}

fn answer(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}

fn client(change: impl FnOnce(&mut Options)) -> Client {
    let mut options = Options { backoff: Duration::from_millis(1), ..Options::default() };
    change(&mut options);
    // A proxy that would answer nothing: loopback must not be asked through it.
    Client::new(options, &|name| (name == "http_proxy").then(|| "http://203.0.113.1:1".to_owned()))
}

#[test]
fn an_answer_of_any_status_comes_whole() {
    let (url, requests) = stand_in(vec![answer("404 Not Found", "X-Kind: Test\r\n", r#"{"why": "gone"}"#)]);
    let response = client(|_| {}).get(&format!("{url}/a?b=c"), &[("accept", "application/json")]).unwrap();
    assert_eq!((response.status, response.header("x-kind"), response.attempts), (404, Some("Test"), 1));
    assert_eq!(response.json().unwrap()["why"], "gone");
    let request = requests.recv().unwrap();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n") && request.contains("accept: application/json"), "{request}");
}

#[test]
fn a_busy_server_is_asked_again_and_the_document_sent_again() {
    let busy = answer("429 Too Many Requests", "Retry-After: 0\r\n", "");
    let (url, requests) = stand_in(vec![busy, answer("503 No", "", ""), answer("200 OK", "", "ok")]);
    let response = client(|_| {}).post_json(&format!("{url}/hook"), &[("x-key", "1")], &serde_json::json!({"text": "hello"})).unwrap();
    assert_eq!((response.status, response.attempts, response.text().as_str()), (200, 3, "ok"));
    for request in requests.iter().take(3) {
        assert!(request.contains("content-type: application/json") && request.ends_with(r#"{"text":"hello"}"#), "{request}");
    }
}

#[test]
fn a_last_refusal_is_an_answer_with_its_headers() {
    let (url, _requests) = stand_in(vec![answer("429 Too Many Requests", "Retry-After: 3600\r\n", "")]);
    let response = client(|_| {}).get(&url, &[]).unwrap();
    assert_eq!((response.status, response.header("Retry-After"), response.attempts), (429, Some("3600"), 1));
}

#[test]
fn a_silent_listener_meets_the_deadline_and_the_path_stays_secret() {
    let (url, _requests) = stand_in(vec![None]);
    let limited = client(|options| (options.timeout, options.attempts) = (Duration::from_millis(200), 1));
    let failure = limited.post_json(&format!("{url}/services/T0/secret?token=secret"), &[], &serde_json::json!({})).unwrap_err();
    assert_eq!(failure.class, Class::Network);
    assert_eq!(failure.message, format!("POST {url}: no answer within 0.2 s"));
}

#[test]
fn a_refused_connection_is_tried_again_and_then_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let failure = client(|_| {}).get(&format!("http://user:secret@127.0.0.1:{port}/secret"), &[]).unwrap_err();
    assert_eq!(failure.message, format!("GET http://127.0.0.1:{port}: connection refused"));
    assert!(!failure.for_people().contains("secret"));
}

#[test]
fn a_long_body_is_cut() {
    let (url, _requests) = stand_in(vec![answer("200 OK", "", &"x".repeat(5000))]);
    let response = client(|options| options.body_limit = 1000).get(&url, &[]).unwrap();
    assert_eq!((response.body.len(), response.truncated), (1000, true));
    assert!(response.json().is_err());
}

#[test]
fn a_post_is_not_redirected_and_not_repeated_once_it_may_have_arrived() {
    let (url, requests) = stand_in(vec![answer("307 Go", "Location: /other\r\n", ""), Some(String::new())]);
    let client = client(|_| {});
    assert_eq!(client.post(&url, &[], b"x").unwrap().status, 307);
    let failure = client.post(&url, &[], b"x").unwrap_err();
    assert!(failure.message.contains("closed before the answer was whole"), "{failure}");
    assert_eq!(requests.iter().count(), 2);
}

#[test]
fn a_distant_host_is_asked_through_the_proxy() {
    for (variable, scheme, port) in [("https_proxy", "https", 443), ("http_proxy", "http", 80)] {
        let (proxy, requests) = stand_in(vec![answer("403 Forbidden", "", "")]);
        let proxy = proxy.replace("http://", "http://user:secret@");
        let options = Options { attempts: 1, ..Options::default() };
        let client = Client::new(options, &|name| (name == variable).then(|| proxy.clone()));
        let failure = client.get(&format!("{scheme}://example.invalid/secret"), &[]).unwrap_err();
        assert_eq!(failure.message, format!("GET {scheme}://example.invalid: the proxy refuses"));
        assert!(requests.recv().unwrap().starts_with(&format!("CONNECT example.invalid:{port} ")), "{scheme}");
        assert!(!failure.for_people().contains("secret"));
    }
}

#[test]
fn only_the_origin_of_a_url_is_shown() {
    for (url, shown) in [
        ("https://user:pw@hooks.example.com/services/T0/B0/xyz?k=v", "https://hooks.example.com"),
        ("http://127.0.0.1:9093/api", "http://127.0.0.1:9093"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("hooks.example.com/secret", "an invalid URL"),
        ("ftp://secret@host/", "an invalid URL"),
        ("", "an invalid URL"),
    ] {
        assert_eq!(origin(url), shown);
    }
    let failure = client(|_| {}).get("https//hooks.example.com/secret", &[]).unwrap_err();
    assert!(failure.class == Class::Config && !failure.for_people().contains("hooks"));
}
