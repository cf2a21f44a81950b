//! A page of metrics in Prometheus's text format, read without a Prometheus server.

mod exposition;
mod selector;

use super::http::{CA, EXPECT, HEADERS};
use super::source::{FILE, Source, URL};
use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use ml_common::{Class, Failure, Result};
use selector::Selector;

/// `kind = "prometheus"`.
pub static KIND: Kind = Kind {
    name: "prometheus",
    doc: "Reads a page of metrics in Prometheus's text format (or OpenMetrics) from an exporter or a textfile. For what takes a history, such \
          as rate(), ask a Prometheus server (kind promql), or let the check compare with the last look.",
    params: &[
        URL,
        FILE,
        Param {
            name: "metrics",
            kind: ParamKind::Table,
            required: false,
            default: None,
            doc: "names and what to take: a series, name or name{label=\"value\", other=~\"a|b\", third!=\"c\"}, a name ending in * for all that \
                  begin so; sum, min, max, avg or count of several: count(causal_*); quantile(0.95, name) of a histogram",
        },
        HEADERS,
        EXPECT,
        CA,
    ],
    views: &[View {
        name: "read",
        doc: "What the page says. Another status, or what is not of this format, is a failure.",
        params: &[],
        metrics: &[
            Metric { name: "series", unit: "", doc: "how many series the page has" },
            Metric { name: "latency_ms", unit: "ms", doc: "of an endpoint: from the first packet to the last byte" },
            Metric { name: "age_s", unit: "s", doc: "of a file: since it was last written" },
            Metric { name: "bytes", unit: "bytes", doc: "length of the page" },
        ],
        named_by: Some("metrics"),
    }],
    open,
};

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let selectors = args.table("metrics").iter().map(|(name, text)| {
        let wrong = |why| {
            Failure::new(Class::Config, format!("the metric {name} is not valid: {why}"))
                .hint("write name{label=\"value\"}, or sum, min, max, avg or count of it")
        };
        Ok((name.clone(), Selector::parse(text).map_err(wrong)?))
    });
    let selectors = selectors.collect::<Result<_>>()?;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4,*/*;q=0.1";
    Ok(Box::new(Page { source: Source::open(accept, args, opening)?, selectors }))
}

struct Page {
    source: Source,
    selectors: Vec<(String, Selector)>,
}

impl Probe for Page {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> std::result::Result<Sample, Unseen> {
        let document = self.source.read(look)?;
        let all = exposition::parse(&String::from_utf8_lossy(&document.body)).map_err(|line| {
            Failure::new(Class::General, format!("{} is not in Prometheus's text format: line {line}", document.from))
                .hint("check the URL; a page of JSON is read by kind json")
        })?;
        let mut sample = Sample::default();
        for (name, selector) in &self.selectors {
            match selector.answer(&all) {
                Ok(Some(value)) => sample = sample.with(name, super::whole(value)),
                Ok(None) => {}
                Err(why) => sample.rows.push(format!("{name}: {why}")),
            }
        }
        sample.note = super::listed(&sample.values, &document.from);
        sample = sample.with("series", all.len());
        sample.values.extend(document.facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        sample.rows.truncate(10);
        Ok(sample)
    }
}
