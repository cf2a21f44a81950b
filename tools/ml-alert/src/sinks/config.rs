//! `[sink.NAME]` as operators write it.

use super::email::{Encryption, Mail};
use super::{Kind, Sink, Webhook, discord};
use ml_common::{http, redact};
use ml_watch::conf::{Spot, Table};

const KINDS: &[&str] =
    &["chat", "slack", "discord", "alertmanager", "email", "webhook", "command", "deadman", "pagerduty", "teams", "ntfy"];

impl Sink {
    /// Reads `[sink.NAME]`; mistakes are noted in its file. Secrets are registered, to be blacked out everywhere.
    pub fn read(name: &str, table: &Table<'_>) -> Option<Sink> {
        let word = table.required("kind", table.word("kind", KINDS))?;
        table.file().take_unset();
        let (timeout, gap) = (table.duration("timeout"), table.duration("gap"));
        if let Some(timeout) = timeout.as_ref().filter(|timeout| timeout.is_zero()) {
            table.file().mistake(timeout.at, "timeout is nothing", "give the service some time: 10s");
        }
        let kind = kind(word.value, table);
        let unset = table.file().take_unset();
        let mut sink = Sink::new(name, if unset.is_empty() { kind? } else { Kind::Unset(unset) });
        sink.timeout = timeout.map_or(sink.timeout, |timeout| timeout.value);
        sink.gap = gap.map_or(sink.gap, |gap| gap.value);
        Some(sink)
    }
}

fn kind(word: &str, table: &Table<'_>) -> Option<Kind> {
    let secret_url = || address(table, true);
    match word {
        "slack" => secret_url().map(Kind::Slack),
        "chat" => {
            let format = table.word("format", &["auto", "slack", "discord"]).map_or("auto", |format| format.value);
            secret_url().map(|url| match format {
                "auto" if discord::is_address(&url) => Kind::Discord(url),
                "discord" if !discord::takes_slack(&url) => Kind::Discord(url),
                _ => Kind::Slack(url),
            })
        }
        "discord" => secret_url().map(|url| if discord::takes_slack(&url) { Kind::Slack(url) } else { Kind::Discord(url) }),
        "teams" => secret_url().map(Kind::Teams),
        "alertmanager" => {
            let interval = table.duration("interval");
            Some(Kind::Alertmanager(address(table, false)?, interval.map(|interval| interval.value)))
        }
        "webhook" => {
            let (secret, headers) = (secret(table, "secret"), table.pairs("headers").unwrap_or_default());
            let headers = headers.into_iter().map(|(name, value)| {
                redact::register(&value);
                let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
                if name.is_empty() || !name.chars().all(is_token) {
                    table.file().mistake(name.at, format!("'{}' cannot be the name of a header", name.value), "write it as in X-Api-Key");
                } else if value.chars().any(|c| c.is_control() && c != '\t') {
                    let message = format!("the header {} has characters that a header cannot have", name.value);
                    table.file().mistake(name.at, message, "leave line ends and the like out");
                }
                (name.value, value.value)
            });
            let headers = headers.collect();
            Some(Kind::Webhook(Webhook { url: secret_url()?, secret, headers }))
        }
        "command" => {
            let argv = table.required("command", table.texts("command"))?;
            if argv.is_empty() {
                table.file().mistake(table.at(), "command is empty", "write command = [\"/path/of/program\", \"argument\"]");
                return None;
            }
            Some(Kind::Command(argv.into_iter().map(|word| word.value).collect()))
        }
        "deadman" => {
            let style = table.word("style", &["healthchecks", "plain"]);
            Some(Kind::Deadman(secret_url()?, style.is_none_or(|style| style.value == "healthchecks")))
        }
        "pagerduty" => {
            let key = table.required("routing_key", secret(table, "routing_key"));
            Some(Kind::Pagerduty(or_else(table, "https://events.pagerduty.com/v2/enqueue")?, key?))
        }
        "ntfy" => {
            let (url, token) = (or_else(table, "https://ntfy.sh"), secret(table, "token"));
            let topic = table.required("topic", table.text("topic"));
            Some(Kind::Ntfy(url?, topic?.value, token))
        }
        _ => mail(table).map(Kind::Email),
    }
}

fn or_else(table: &Table<'_>, otherwise: &str) -> Option<String> {
    if table.has("url") { address(table, false) } else { Some(otherwise.to_owned()) }
}

fn address(table: &Table<'_>, path_is_secret: bool) -> Option<String> {
    let url = table.required("url", table.text("url"))?;
    redact::register_url(&url, path_is_secret);
    // A proxy's token, or whatever else stands there.
    if let Some((_, query)) = url.split_once('?') {
        query.split('&').filter_map(|pair| pair.split_once('=')).for_each(|(_, value)| redact::register(value));
    }
    if let Err(failure) = http::check_url(&url) {
        table.file().mistake(url.at, failure.message, failure.hint.unwrap_or_default());
        return None;
    }
    Some(url.value.trim().to_owned())
}

fn secret(table: &Table<'_>, key: &str) -> Option<String> {
    let text = table.text(key)?.value;
    redact::register(&text);
    Some(text)
}

fn mail(table: &Table<'_>) -> Option<Mail> {
    let server = table.required("server", table.text("server"));
    let encryption = table.word("tls", &["starttls", "implicit", "none"]);
    let (user, password) = (table.text("user"), secret(table, "password"));
    let from = table.required("from", mailbox(table, table.text("from")));
    let to = table.required("to", table.texts("to")).unwrap_or_default();
    let to: Option<Vec<String>> = to.into_iter().map(|text| mailbox(table, Some(text))).collect();
    let authority = table.text("ca_file").map(|path| path.value.into());
    let (host, port) = host_and_port(table, &server?, encryption.as_ref().map(|word| word.value))?;
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let (encryption, at) = match encryption {
        Some(Spot { value: "implicit", at }) => (Encryption::Implicit, at),
        Some(Spot { value: "none", at }) => (Encryption::None, at),
        Some(Spot { at, .. }) => (Encryption::Starttls, at),
        None if port == 465 => (Encryption::Implicit, table.at()),
        // A mail server of this machine: nobody else hears it.
        None if loopback => (Encryption::None, table.at()),
        None => (Encryption::Starttls, table.at()),
    };
    let to = to?;
    if to.is_empty() && table.has("to") {
        table.file().mistake(table.at(), "to names nobody", "write to = [\"ops@example.com\"]");
        return None;
    }
    let login = match (user, password) {
        (Some(user), Some(password)) => Some((user.value, password)),
        (None, None) => None,
        // A variable that is not set has been noted.
        _ if table.has("user") && table.has("password") => return None,
        _ => {
            table.file().mistake(table.at(), "user and password belong together", "give both, or neither");
            return None;
        }
    };
    if login.is_some() && encryption == Encryption::None && !loopback {
        table.file().mistake(at, "the password would go over the network in the clear", "set tls = \"starttls\" or \"implicit\"");
        return None;
    }
    Some(Mail { host, port, encryption, login, from: from?, to, authority })
}

fn mailbox(table: &Table<'_>, text: Option<Spot<String>>) -> Option<String> {
    let text = text?;
    if text.parse::<lettre::message::Mailbox>().is_err() {
        table.file().mistake(text.at, format!("'{}' is no mail address", text.value), "write name@example.com, or Name <name@example.com>");
        return None;
    }
    Some(text.value)
}

/// `mail.example.com`, `mail.example.com:587`, `[::1]:25`.
fn host_and_port(table: &Table<'_>, server: &Spot<String>, encryption: Option<&str>) -> Option<(String, u16)> {
    let usual = match encryption {
        Some("implicit") => 465,
        Some("none") => 25,
        _ => 587,
    };
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (server.as_str(), Some(usual)),
    };
    let host = host.trim_matches(['[', ']']);
    match port {
        Some(port) if !host.is_empty() && port > 0 => Some((host.to_owned(), port)),
        _ => {
            table.file().mistake(server.at, format!("'{}' is no mail server", server.value), "write mail.example.com:587");
            None
        }
    }
}
