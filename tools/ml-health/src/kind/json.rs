//! Numbers and words of a JSON document: an endpoint's metrics, a file that a service writes.

use super::http::{CA, EXPECT, HEADERS, HMAC};
use super::jq::Filters;
use super::source::{FILE, FILES, NEWER, Source, URL};
use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};

/// `kind = "json"`.
pub static KIND: Kind = Kind {
    name: "json",
    doc: "Reads a JSON document from an endpoint or a file and takes numbers, words, true and false out of it by jq filters. A filter that \
          gives null or nothing leaves its metric out; one that gives several values gives its first.",
    params: &[
        URL,
        FILE,
        FILES,
        NEWER,
        Param {
            name: "metrics",
            kind: ParamKind::Table,
            required: true,
            default: None,
            doc: "names and jq filters: { busy = \".pool.busy\", slow = \"[.endpoints[] | select(.p95 > 300)] | length\" }",
        },
        HEADERS,
        HMAC,
        EXPECT,
        CA,
    ],
    views: &[View {
        name: "read",
        doc: "What the filters give. Another status, or what is not JSON, is a failure.",
        params: &[],
        metrics: FACTS,
        named_by: Some("metrics"),
    }],
    open: |args, opening: &Opening<'_>| {
        let filters = Filters::compile(args.table("metrics"))?;
        Ok(Box::new(Json { source: Source::open("application/json", args, opening)?, filters }) as Box<dyn Probe>)
    },
};

/// What is known of a document besides what stands in it.
pub const FACTS: &[Metric] = &[
    Metric { name: "latency_ms", unit: "ms", doc: "of an endpoint: from the first packet to the last byte" },
    Metric { name: "age_s", unit: "s", doc: "of a file, or the newest of a pattern: since it was last written" },
    Metric { name: "bytes", unit: "bytes", doc: "length of the document" },
    Metric { name: "files", unit: "", doc: "of a pattern: how many files were read" },
    Metric { name: "files_bad", unit: "", doc: "of a pattern: how many are not JSON and were left out" },
];

struct Json {
    source: Source,
    filters: Filters,
}

impl Probe for Json {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> std::result::Result<Sample, Unseen> {
        let document = self.source.read(look)?;
        let filtered = self.filters.run(document.body, &document.from, look.left())?;
        let note = super::listed(&filtered.values, &document.from);
        let mut values = filtered.values;
        values.extend(document.facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut rows = filtered.unfit;
        rows.truncate(10);
        Ok(Sample { values, rows, note, ..Sample::default() })
    }
}
