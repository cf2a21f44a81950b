//! Receivers of alerts as strict as the services document themselves: what those refuse is refused, with their words.

use crate::http::{HttpStandIn, Request, Response};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// A service and what it is told to answer next.
pub struct Strict {
    script: Arc<Mutex<VecDeque<Response>>>,
    down: Arc<Mutex<Option<Response>>>,
    taken: Arc<Mutex<Vec<Value>>>,
    refused: Arc<Mutex<Vec<String>>>,
    server: HttpStandIn,
}

type Rules = fn(&Request, &Value) -> Result<Response, String>;

impl Strict {
    /// Slack: `/services/...`.
    pub fn slack() -> Strict {
        Strict::start(|_, body| {
            only(body, &["text", "blocks", "attachments", "unfurl_links", "unfurl_media", "username", "icon_emoji", "channel", "mrkdwn"])?;
            let text = text(body, "text", 40_000)?;
            if text.contains("<!") || text.contains("<@") {
                return Err("mentions somebody".into());
            }
            Ok(Response::status(200).body("ok"))
        })
    }

    /// Discord: with `?wait=true`.
    pub fn discord() -> Strict {
        Strict::start(|request, body| {
            only(body, &["content", "username", "avatar_url", "tts", "embeds", "allowed_mentions", "flags", "thread_name"])?;
            text(body, "content", 2_000)?;
            if body["allowed_mentions"]["parse"] != json!([]) {
                return Err("mentions are not turned off".into());
            }
            if !request.path.contains("wait=true") {
                return Err("nobody waits for the answer".into());
            }
            Ok(Response::json(r#"{"id": "1"}"#))
        })
    }

    /// PagerDuty's `/v2/enqueue`.
    pub fn pagerduty() -> Strict {
        Strict::start(|request, body| {
            only(body, &["routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"])?;
            text(body, "routing_key", 32)?;
            let (action, key) = (text(body, "event_action", 11)?, text(body, "dedup_key", 255)?);
            if action == "trigger" {
                let payload = &body["payload"];
                only(payload, &["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"])?;
                text(payload, "summary", 1_024)?;
                text(payload, "source", 1_024)?;
                if !["critical", "error", "warning", "info"].contains(&text(payload, "severity", 8)?.as_str()) {
                    return Err("severity".into());
                }
            } else if !["resolve", "acknowledge"].contains(&action.as_str()) {
                return Err("event_action".into());
            }
            limit(request, 512 * 1024)?;
            Ok(Response::status(202).body(format!(r#"{{"status": "success", "dedup_key": {}}}"#, json!(key))))
        })
    }

    /// A workflow of Teams.
    pub fn teams() -> Strict {
        Strict::start(|request, body| {
            limit(request, 28 * 1024)?;
            let attachment = &body["attachments"][0];
            let card = &attachment["content"];
            if body["type"] != "message" || attachment["contentType"] != "application/vnd.microsoft.card.adaptive" {
                return Err("no message with a card".into());
            }
            if card["type"] != "AdaptiveCard" || card["version"].as_str().is_none_or(|version| version > "1.5") {
                return Err("no adaptive card".into());
            }
            for block in card["body"].as_array().ok_or("no body")? {
                only(block, &["type", "text", "weight", "size", "color", "wrap"])?;
                text(block, "text", 28 * 1024)?;
            }
            Ok(Response::status(202))
        })
    }

    /// ntfy's JSON publishing.
    pub fn ntfy() -> Strict {
        Strict::start(|request, body| {
            only(body, &["topic", "title", "message", "priority", "tags", "click", "actions", "markdown"])?;
            text(body, "topic", 64)?;
            if request.path != "/" {
                return Err("JSON goes to the server's root".into());
            }
            if text(body, "message", 4_096)?.len() > 4_096 {
                return Err("message too long".into());
            }
            if !(1..=5).contains(&body["priority"].as_u64().unwrap_or(3)) {
                return Err("priority".into());
            }
            Ok(Response::json(r#"{"id": "1", "event": "message"}"#))
        })
    }

    /// A webhook that wants an idempotency key.
    pub fn webhook() -> Strict {
        Strict::start(|request, body| match request.headers.get("idempotency-key") {
            Some(key) if body["key"] == json!(key) => Ok(Response::status(204)),
            _ => Err("no idempotency key".into()),
        })
    }

    fn start(rules: Rules) -> Strict {
        let script: Arc<Mutex<VecDeque<Response>>> = Arc::default();
        let down: Arc<Mutex<Option<Response>>> = Arc::default();
        let (taken, refused) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let known = (Arc::clone(&script), Arc::clone(&down), Arc::clone(&taken), Arc::clone(&refused));
        let server = HttpStandIn::start(move |request| {
            let (script, down, taken, refused) = &known;
            if let Some(answer) = script.lock().unwrap().pop_front() {
                return answer;
            }
            if let Some(answer) = down.lock().unwrap().clone() {
                return answer;
            }
            let json = request.headers.get("content-type").is_some_and(|kind| kind.starts_with("application/json"));
            let body = serde_json::from_str::<Value>(&request.body).map_err(|error| error.to_string());
            let judged = match body {
                Ok(body) if request.method == "POST" && json => rules(request, &body).map(|answer| (body, answer)),
                Ok(_) => Err("no POST of JSON".to_owned()),
                Err(why) => Err(why),
            };
            match judged {
                Ok((body, answer)) => {
                    taken.lock().unwrap().push(body);
                    answer
                }
                Err(why) => {
                    refused.lock().unwrap().push(why.clone());
                    Response::status(400).body(why)
                }
            }
        });
        Strict { script, down, taken, refused, server }
    }

    /// Answers so once, before anything else.
    pub fn next(&self, answer: Response) {
        self.script.lock().unwrap().push_back(answer);
    }

    /// Answers nothing but this from now on, or (None) as ever again.
    pub fn down(&self, answer: Option<Response>) {
        *self.down.lock().unwrap() = answer;
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// Every request, refused ones too.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// What it has taken, in order.
    pub fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// Why it refused what it refused for its form.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

fn only(body: &Value, known: &[&str]) -> Result<(), String> {
    let body = body.as_object().ok_or("no object")?;
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown field {key}")),
        None => Ok(()),
    }
}

/// A text that is not empty and not too long, by UTF-16 units.
fn text(body: &Value, key: &str, limit: usize) -> Result<String, String> {
    let text = body[key].as_str().ok_or_else(|| format!("no {key}"))?;
    if text.is_empty() || text.encode_utf16().count() > limit {
        return Err(format!("{key} must be 1 to {limit} characters"));
    }
    Ok(text.to_owned())
}

fn limit(request: &Request, bytes: usize) -> Result<(), String> {
    if request.body.len() > bytes { Err(format!("more than {bytes} bytes")) } else { Ok(()) }
}
