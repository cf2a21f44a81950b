//! What is still to come of a run: told on the terminal with each length.

use ml_common::people::human_bytes;
use std::time::Duration;

/// A shorter length tells nothing of the next ones.
const TELLING: Duration = Duration::from_millis(50);

/// Lengths that had candidates, as they were done.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// The last length of the run, where that is known.
    to: Option<usize>,
    /// Of the last two: its number, candidates and time.
    done: Vec<(usize, u64, Duration)>,
}

impl Outlook {
    /// Of a run to that length.
    pub fn to(length: usize) -> Outlook {
        Outlook { to: Some(length), done: Vec::new() }
    }

    /// Takes a length in.
    pub fn done(&mut self, length: usize, candidates: u64, took: Duration) {
        if candidates > 0 {
            self.done.push((length, candidates, took));
            self.done.drain(..self.done.len().saturating_sub(2));
        }
    }

    /// About how long it is from the beginning of a length with so many candidates to the end of the run: time goes with the candidates,
    /// and these grow from length to length as they have grown last.
    pub fn left(&self, length: usize, candidates: u64) -> Option<Duration> {
        let [.., (before, fewer, took)] = self.done[..] else { return None };
        let step = length.checked_sub(before).filter(|&step| step > 0)?;
        if took < TELLING || candidates == 0 {
            return None;
        }
        let growth = candidates as f64 / fewer as f64;
        let steps = i32::try_from(self.to?.checked_sub(length)? / step + 1).ok()?;
        let factor: f64 = (1..=steps).map(|step| growth.powi(step)).sum();
        Duration::try_from_secs_f64(took.as_secs_f64() * factor).ok()
    }

    /// `length 27 of 33, 223 MiB, 2m to the end`: what a person sees before what is being done.
    pub fn told(&self, length: usize, candidates: u64, memory: usize) -> String {
        let left = self.left(length, candidates).map(|left| {
            let seconds = Duration::from_secs(left.as_secs().max(1));
            format!(", about {} to the end", humantime::format_duration(rounded(seconds)))
        });
        let of = self.to.map(|to| format!(" of {to}")).unwrap_or_default();
        format!("length {length}{of}, {}{}", human_bytes(memory as u64), left.unwrap_or_default())
    }
}

/// With no more figures than an estimate has.
fn rounded(time: Duration) -> Duration {
    let unit = match time.as_secs() {
        0..120 => 1,
        120..7200 => 60,
        _ => 3600,
    };
    Duration::from_secs((time.as_secs() + unit / 2) / unit * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_growing_as_candidates_do() {
        let mut outlook = Outlook::to(31);
        assert_eq!(outlook.left(27, 300), None);
        outlook.done(25, 100, Duration::from_secs(4));
        outlook.done(26, 0, Duration::ZERO);
        // 27, 29 and 31 take 12, 36 and 108 seconds.
        assert_eq!(outlook.left(27, 300), Some(Duration::from_secs(156)));
        assert_eq!(outlook.told(27, 300, 234 << 20), "length 27 of 31, 234.0 MiB, about 3m to the end");
        assert_eq!(outlook.left(26, 0), None);
        assert_eq!(outlook.left(33, 300), None);
        outlook.done(27, 300, Duration::from_millis(3));
        assert_eq!(outlook.told(29, 900, 1 << 30), "length 29 of 31, 1.0 GiB");
        assert_eq!(Outlook::default().told(1, 2, 0), "length 1, 0 B");
    }
}
