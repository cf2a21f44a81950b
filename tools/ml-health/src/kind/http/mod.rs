//! An HTTP endpoint: status, latency, words and numbers of its answer, days of its certificate; also a request made up to see that the
//! service does its work.

mod expect;
mod request;
mod sign;

pub use request::{BODY_MAX, CA, EXPECT, HEADERS, HMAC, Request, URL};

use super::jq::Filters;
use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use ml_common::Result;
use ml_common::http::Response;
use request::{BODY, BODY_FILE, FOLLOW, METHOD};

/// `kind = "http"`.
pub static KIND: Kind = Kind {
    name: "http",
    doc: "Asks an HTTP or HTTPS endpoint, once a look and without a second try. An answer of any status is one: the checks judge it \
          (crit = \"not ok or not proved\" holds for an error page as well as for false). The \
          check's timeout holds for the whole of it, from the name to the last byte, of which 4 MiB are read. Proxies are taken from the \
          environment, never for addresses of this machine.",
    params: &[
        URL,
        METHOD,
        HEADERS,
        BODY,
        BODY_FILE,
        HMAC,
        EXPECT,
        FOLLOW,
        Param {
            name: "metrics",
            kind: ParamKind::Table,
            required: false,
            default: None,
            doc: "names of further metrics, each with a jq filter when the answer is JSON, or a header of the answer: { proved = \".ok\", \
                  remaining = \"header:X-RateLimit-Remaining\" }",
        },
        Param {
            name: "contains",
            kind: ParamKind::Texts,
            required: false,
            default: None,
            doc: "words that the answer should contain, counted by `words` and `words_missing`",
        },
        CA,
    ],
    views: &[View {
        name: "get",
        doc: "One request.",
        params: &[],
        metrics: &[
            Metric { name: "status", unit: "", doc: "the status code" },
            Metric { name: "ok", unit: "", doc: "true when the status is one of `expect`" },
            Metric { name: "latency_ms", unit: "ms", doc: "from the first packet to the last byte" },
            Metric { name: "bytes", unit: "bytes", doc: "length of the answer's body, at most 4 MiB" },
            Metric { name: "certificate_days", unit: "days", doc: "until the server's certificate expires; https only" },
            Metric { name: "content_type", unit: "", doc: "what it says to be, such as application/json" },
            Metric { name: "words", unit: "", doc: "how many of `contains` the answer contains" },
            Metric { name: "words_missing", unit: "", doc: "how many of `contains` it does not" },
        ],
        named_by: Some("metrics"),
    }],
    open,
};

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let request = Request::open(args.text("url").unwrap_or_default(), "*/*", args, opening)?;
    let (mut filters, mut headers) = (Vec::new(), Vec::new());
    for (name, what) in args.table("metrics") {
        match what.trim().strip_prefix("header:") {
            Some(header) => headers.push((name.clone(), header.trim().to_owned())),
            None => filters.push((name.clone(), what.clone())),
        }
    }
    let filters = (!filters.is_empty()).then(|| Filters::compile(&filters)).transpose()?;
    Ok(Box::new(Http { request, filters, headers, words: args.texts("contains").to_vec() }))
}

struct Http {
    request: Request,
    filters: Option<Filters>,
    headers: Vec<(String, String)>,
    words: Vec<String>,
}

impl Probe for Http {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> std::result::Result<Sample, Unseen> {
        let answer = self.request.send(look)?;
        let mut sample = self.facts(&answer);
        if let Some(days) = self.request.certificate_days(look.now) {
            sample = sample.with("certificate_days", super::thousandth(days));
        }
        if let Some(filters) = &self.filters {
            self.filter(filters, answer, &mut sample, look);
        }
        sample.rows.truncate(10);
        Ok(sample)
    }
}

impl Http {
    fn facts(&self, answer: &Response) -> Sample {
        let ok = self.request.expects(answer.status);
        let mut sample = Sample::default()
            .with("status", i64::from(answer.status))
            .with("ok", ok)
            .with("latency_ms", super::milliseconds(answer.latency))
            .with("bytes", answer.body.len());
        if let Some(kind) = answer.header("content-type") {
            sample = sample.with("content_type", kind.split(';').next().unwrap_or_default().trim());
        }
        for (name, header) in &self.headers {
            if let Some(value) = answer.header(header).map(str::trim) {
                let number = value.parse().ok().filter(|number: &f64| number.is_finite());
                sample = sample.with(name, number.map_or_else(|| value.chars().take(200).collect::<String>().into(), super::whole));
            }
        }
        let shown = self.request.shown();
        sample.note = format!("{shown}: HTTP {} in {:.0} ms", answer.status, super::milliseconds(answer.latency));
        if !ok {
            sample.rows.push(format!("{shown}: HTTP {}: {}", answer.status, request::hint(answer.status)));
        }
        if let Some(target) = answer.header("location").filter(|target| target.contains("://")) {
            sample.rows.push(format!("it redirects to {}", ml_common::http::origin(target)));
        }
        if !self.words.is_empty() {
            let text = answer.text();
            let missing: Vec<&String> = self.words.iter().filter(|word| !text.contains(word.as_str())).collect();
            sample.rows.extend(missing.iter().map(|word| format!("the answer does not contain {word:?}")));
            sample = sample.with("words", self.words.len() - missing.len()).with("words_missing", missing.len());
        }
        sample
    }

    /// What the filters give. An error page instead of JSON leaves status and latency to be judged.
    fn filter(&self, filters: &Filters, answer: Response, sample: &mut Sample, look: &Look<'_>) {
        let what = format!("the answer of {}", self.request.shown());
        match filters.run(answer.body, &what, look.left()) {
            Ok(filtered) => {
                sample.values.extend(filtered.values);
                sample.rows.extend(filtered.unfit);
            }
            Err(failure) => {
                sample.note.push_str("; ");
                sample.note.push_str(&failure.message);
                sample.rows.push(failure.message);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
