//! /metrics: the state for Prometheus.

use crate::picture::{Picture, Stream};
use ml_watch::exposition::{Page, Type};

/// The page in Prometheus' text format.
pub fn text(picture: &Picture) -> String {
    let mut page = Page::default();
    for thing in &picture.things {
        page.check(&thing.head, &thing.check);
    }
    for (status, count) in picture.counts.all() {
        page.gauge("ml_serve_checks", "Checks, steps and tools by their last status", &[("status", status.name())], count as f64);
    }
    let open = f64::from(u8::from(picture.stream == Stream::Open));
    page.gauge("ml_serve_stream_open", "1 while records come, 0 when none has come for too long or the stream has ended", &[], open);
    if let Some(silent) = picture.silent {
        page.gauge("ml_serve_stream_silent_seconds", "Time since the last record", &[], silent.as_secs_f64());
    }
    page.add("ml_serve_records_total", Type::Counter, "Records read from the stream", &[], picture.records as f64);
    page.add("ml_serve_left_out_total", Type::Counter, "Checks forgotten for want of room", &[], picture.left_out as f64);
    page.text()
}
