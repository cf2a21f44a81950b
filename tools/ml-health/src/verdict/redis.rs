//! Verdicts on the queue's Redis.

use super::{counted, not_above, percent};
use crate::check::Finding;
use crate::limits::REDIS_MEMORY;
use ml_common::people::human_bytes;
use ml_common::redis::Memory;
use std::time::Duration;

/// It answered after `took`, connecting included.
pub fn ping(took: Duration) -> Finding {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Finding::ok(format!("answers in {ms} ms")).value(ms, "ms")
}

/// Its memory against its limit, if it has one.
pub fn memory(memory: &Memory) -> Finding {
    let used = human_bytes(memory.used);
    let Some((max, share)) = memory.max.and_then(|max| Some((max, percent(memory.used, max)?))) else {
        return Finding::ok(format!("{used} in use, no limit set")).value(memory.used, "bytes");
    };
    let finding = Finding::ok(format!("{used} of {} in use", human_bytes(max))).value(share, "%");
    let finding = finding.metric("used_bytes", memory.used).metric("max_bytes", max);
    not_above(
        finding,
        share,
        (REDIS_MEMORY.0, Some(REDIS_MEMORY.1)),
        "let the queue drain, free memory or raise maxmemory: a full Redis refuses jobs",
    )
}

/// Jobs that wait in the list `key`.
pub fn queue(key: &str, length: u64, limit: u64) -> Finding {
    let finding = Finding::ok(format!("{} in {key}", counted(length, "job"))).value(length, "");
    not_above(finding, length as f64, (limit as f64, None), "see that the workers run and keep up; ml-derive adds no jobs beyond QUEUE_MAX")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_common::Status;

    #[test]
    fn memory_is_judged_only_against_a_limit() {
        for (used, max, status) in
            [(1 << 40, None, Status::Ok), (80, Some(100), Status::Ok), (81, Some(100), Status::Warn), (96, Some(100), Status::Crit)]
        {
            let finding = memory(&Memory { used, max, ..Memory::default() });
            assert_eq!(finding.status(), status, "{used} {max:?}");
        }
    }

    #[test]
    fn a_queue_above_its_limit_is_a_warning() {
        for (length, status) in [(0, Status::Ok), (1000, Status::Ok), (1001, Status::Warn)] {
            let finding = queue("ml:jobs", length, 1000);
            assert_eq!((finding.status(), finding.warn, finding.hint.is_some()), (status, Some(1000u64.into()), status != Status::Ok));
        }
        assert_eq!(queue("ml:jobs", 1, 5).summary, "1 job in ml:jobs");
    }
}
