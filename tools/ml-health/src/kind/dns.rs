//! Whether a name has addresses, as the programs of this machine would find them.

use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use ml_common::{Class, Failure, deadline};
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Instant;

/// `kind = "dns"`.
pub static KIND: Kind = Kind {
    name: "dns",
    doc: "Asks the system's resolver for the addresses of a name (hosts file, search domains and caches included).",
    params: &[
        Param { name: "name", kind: ParamKind::Text, required: true, default: None, doc: "the name" },
        Param {
            name: "record",
            kind: ParamKind::Word(&["any", "A", "AAAA"]),
            required: false,
            default: Some("any"),
            doc: "count IPv4 addresses (A), IPv6 addresses (AAAA) or both",
        },
    ],
    views: &[View {
        name: "resolve",
        doc: "A name that does not exist has 0 addresses; a resolver that does not answer is a failure.",
        params: &[],
        metrics: &[
            Metric { name: "resolved", unit: "", doc: "how many addresses it has" },
            Metric { name: "latency_ms", unit: "ms", doc: "time until the resolver answered" },
            Metric { name: "addresses", unit: "", doc: "the addresses, sorted, joined by commas: for `changed(addresses)`" },
        ],
        named_by: None,
    }],
    open: |args, _: &Opening<'_>| {
        let name = args.text("name").unwrap_or_default().trim().to_owned();
        let family = match args.text("record") {
            Some("A") => Family::V4,
            Some("AAAA") => Family::V6,
            _ => Family::Any,
        };
        Ok(Box::new(Dns { name, family }) as Box<dyn Probe>)
    },
};

#[derive(Clone, Copy, PartialEq)]
enum Family {
    Any,
    V4,
    V6,
}

struct Dns {
    name: String,
    family: Family,
}

/// Whether nobody said that the name does not exist: the resolver's EAI_AGAIN and EAI_FAIL, of which the standard library keeps the words only,
/// or their numbers on Windows.
fn is_unanswered(error: &std::io::Error) -> bool {
    const WORDS: [&str; 4] = ["Temporary failure", "Non-recoverable failure", "Try again", "Unrecoverable error"];
    let text = error.to_string();
    matches!(error.raw_os_error(), Some(11002 | 11003)) || WORDS.iter().any(|word| text.contains(word))
}

impl Probe for Dns {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> std::result::Result<Sample, Unseen> {
        let (asked, began) = ((self.name.clone(), 0), Instant::now());
        let answer = deadline::within(look.left(), move || {
            asked.to_socket_addrs().map(|found| found.map(|address| address.ip()).collect::<Vec<IpAddr>>())
        });
        let answer = answer.ok_or_else(|| {
            Failure::new(Class::Network, format!("the name service does not answer for {}", self.name)).hint("check the name service")
        })?;
        let latency = super::milliseconds(began.elapsed());
        if let Some(error) = answer.as_ref().err().filter(|error| is_unanswered(error)) {
            let failure = Failure::new(Class::Network, format!("the name service does not answer for {}: {error}", self.name));
            return Err(failure.hint("check the name service").into());
        }
        let why = answer.as_ref().err().map(ToString::to_string);
        let mut found: Vec<IpAddr> = answer.unwrap_or_default();
        found.retain(|address| self.family == Family::Any || (self.family == Family::V4) == address.is_ipv4());
        found.sort_unstable();
        found.dedup();
        let addresses = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let note = match (&why, found.len()) {
            (Some(why), _) => {
                format!("{} does not resolve: {}", self.name, why.trim_start_matches("failed to lookup address information: "))
            }
            (None, 0) => format!("{} has no such address", self.name),
            (None, _) => format!("{} is {addresses}", self.name),
        };
        let sample = Sample { note, ..Sample::default() }.with("resolved", found.len()).with("latency_ms", latency);
        Ok(if found.is_empty() { sample } else { sample.with("addresses", addresses) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_does_not_answer_is_told_from_a_name_that_is_not() {
        let said = |text: &str| is_unanswered(&std::io::Error::other(format!("failed to lookup address information: {text}")));
        assert!(said("Temporary failure in name resolution") && said("Non-recoverable failure in name resolution"));
        assert!(!said("Name or service not known") && !said("No address associated with hostname"));
    }
}
