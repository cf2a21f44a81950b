//! The certificate of a server, looked at without trusting it.

use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use ml_common::tls::{Authorities, Looked, look};
use ml_common::{Class, Failure, Result};
use std::path::Path;
use std::time::Instant;

/// `kind = "tls"`.
pub static KIND: Kind = Kind {
    name: "tls",
    doc: "Shakes hands with a TLS server and reads its certificates, also those that nobody should trust. Nothing is sent. Servers that \
          begin in plain text (STARTTLS) are not spoken to.",
    params: &[
        Param { name: "host", kind: ParamKind::Text, required: true, default: None, doc: "where it listens: a name or an address" },
        Param { name: "port", kind: ParamKind::Number, required: false, default: Some("443"), doc: "its port" },
        Param {
            name: "name",
            kind: ParamKind::Text,
            required: false,
            default: None,
            doc: "the name that the certificate should be for; without it the host",
        },
        Param {
            name: "ca",
            kind: ParamKind::Path,
            required: false,
            default: None,
            doc: "certificates (PEM) to trust in place of the system's",
        },
    ],
    views: &[View {
        name: "certificate",
        doc: "What the server shows.",
        params: &[],
        metrics: &[
            Metric { name: "days", unit: "days", doc: "until the server's certificate expires; negative once it has" },
            Metric { name: "chain_days", unit: "days", doc: "until the first of all certificates that it shows expires" },
            Metric { name: "verified", unit: "", doc: "true when its chain ends in a trusted authority and is in force" },
            Metric { name: "name_matches", unit: "", doc: "true when its certificate is for the name" },
            Metric { name: "self_signed", unit: "", doc: "true when it is signed by itself" },
            Metric { name: "latency_ms", unit: "ms", doc: "time for connecting and the handshake" },
            Metric { name: "certificates", unit: "", doc: "how many it shows" },
            Metric { name: "subject", unit: "", doc: "whose certificate it is" },
            Metric { name: "issuer", unit: "", doc: "who signed it" },
            Metric { name: "protocol", unit: "", doc: "the version that was agreed on: TLSv1.2, TLSv1.3" },
        ],
        named_by: None,
    }],
    open,
};

fn open(args: &Args, _: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let host = args.text("host").unwrap_or_default().trim().trim_matches(['[', ']']).to_owned();
    let name = args.text("name").map_or_else(|| host.clone(), |name| name.trim().to_owned());
    let port = args.number("port").filter(|port| port.fract() == 0.0 && (1.0..=65535.0).contains(port));
    let port = port.ok_or_else(|| Failure::new(Class::Config, "port is not a port").hint("give a number from 1 to 65535"))?;
    Ok(Box::new(Tls { host, port: port as u16, name, ca: args.text("ca").map(Into::into) }))
}

struct Tls {
    host: String,
    port: u16,
    name: String,
    ca: Option<std::path::PathBuf>,
}

impl Probe for Tls {
    fn take(&mut self, _: &str, _: &Args, at: &mut Look<'_>) -> std::result::Result<Sample, Unseen> {
        // Read at every look: an authority's file may be renewed while we watch.
        let authorities = self.ca.as_deref().map_or_else(|| Ok(Authorities::system()), |path: &Path| Authorities::file(path))?;
        let began = Instant::now();
        let seen = look(&self.host, self.port, &self.name, authorities, at.until)?;
        Ok(self.sample(&seen, at.now).with("latency_ms", super::milliseconds(began.elapsed())))
    }
}

impl Tls {
    fn sample(&self, seen: &Looked, now: jiff::Timestamp) -> Sample {
        let mut sample = Sample::default()
            .with("verified", seen.distrusted.is_none())
            .with("name_matches", seen.for_name)
            .with("certificates", seen.chain.len())
            .with("protocol", seen.protocol.as_str());
        let days = seen.chain.iter().map(|certificate| certificate.days_left(now));
        if let Some(first_end) = days.reduce(f64::min) {
            sample = sample.with("chain_days", super::thousandth(first_end));
        }
        if let Some(leaf) = seen.chain.first() {
            let days = leaf.days_left(now);
            sample = sample.with("days", super::thousandth(days)).with("self_signed", leaf.self_signed);
            sample = sample.with("subject", leaf.subject.as_str()).with("issuer", leaf.issuer.as_str());
            let date = leaf.expires.strftime("%Y-%m-%d");
            sample.note = if days < 0.0 {
                format!("the certificate of {} expired on {date}", self.name)
            } else {
                format!("the certificate of {} expires on {date}, in {days:.0} days", self.name)
            };
        }
        let problems =
            [seen.distrusted.as_ref().map(|why| format!("not trusted: {why}")), (!seen.for_name).then(|| format!("not for {}", self.name))];
        sample.rows.extend(problems.into_iter().flatten());
        sample.rows.extend(seen.chain.iter().take(8).map(|certificate| format!("{} until {}", certificate.subject, certificate.expires)));
        for problem in sample.rows.iter().take_while(|row| row.starts_with("not ")) {
            sample.note.push_str("; ");
            sample.note.push_str(problem);
        }
        sample
    }
}
