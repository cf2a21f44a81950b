//! Lines out of what is read: of bounded length, from plain and compressed files, and the time that a line begins with.

use jiff::Timestamp;
use regex::bytes::Regex;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

/// Of a longer line, the rest is not looked at.
pub const LINE_MAX: usize = 64 << 10;

/// How far it went.
pub struct Went {
    /// Bytes of whole lines.
    pub consumed: u64,
    /// Everything was read before the time was over.
    pub ended: bool,
}

/// Hands on line by line. What stands after the last line feed is one only in a file that is not written any more.
///
/// # Errors
/// Those of reading.
pub fn each(reader: impl Read, complete: bool, until: Instant, line: &mut dyn FnMut(&[u8])) -> io::Result<Went> {
    let mut reader = BufReader::with_capacity(256 << 10, reader);
    let (mut current, mut length, mut consumed) = (Vec::new(), 0_u64, 0_u64);
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            break;
        }
        let (taken, mut rest) = (chunk.len(), chunk);
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let whole = &rest[..at];
            if length == 0 {
                line(trimmed(whole));
            } else {
                extend(&mut current, whole);
                line(trimmed(&current));
            }
            consumed += length + at as u64 + 1;
            (length, rest) = (0, &rest[at + 1..]);
            current.clear();
        }
        extend(&mut current, rest);
        length += rest.len() as u64;
        reader.consume(taken);
        // What ends just then was read whole.
        if Instant::now() >= until && !matches!(reader.fill_buf(), Ok([])) {
            return Ok(Went { consumed, ended: false });
        }
    }
    if length > 0 && (complete || length > LINE_MAX as u64) {
        line(trimmed(&current));
        consumed += length;
    }
    Ok(Went { consumed, ended: true })
}

fn extend(line: &mut Vec<u8>, more: &[u8]) {
    let room = LINE_MAX.saturating_sub(line.len());
    line.extend_from_slice(&more[..more.len().min(room)]);
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = &line[..line.len().min(LINE_MAX)];
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether the file is compressed, by its name.
pub fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz" || ending == "zst")
}

/// Whether the file says at its beginning that it is UTF-16: patterns are bytes, and none would fit. One that cannot be read is told by whoever
/// reads it.
pub fn is_wide(path: &Path) -> bool {
    let mut mark = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut mark)).is_ok_and(|()| matches!(mark, [0xff, 0xfe] | [0xfe, 0xff]))
}

/// The file as it was before it was compressed.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    })
}

/// The time near the beginning of a line: `2025-01-08 02:00:00,123`, RFC 3339, `08/Jan/2025:02:00:00 +0100`. Without a zone it is UTC.
pub fn time(line: &[u8]) -> Option<Timestamp> {
    static FORMS: LazyLock<Option<(Regex, Regex)>> = LazyLock::new(|| {
        let usual = Regex::new(r"(?-u)(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?").ok()?;
        let served = Regex::new(r"(?-u)(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ?([+-]\d\d:?\d\d)?").ok()?;
        Some((usual, served))
    });
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (usual, served) = FORMS.as_ref()?;
    let begin = &line[..line.len().min(160)];
    let text = |found: &regex::bytes::Captures<'_>, at: usize| {
        found.get(at).and_then(|part| std::str::from_utf8(part.as_bytes()).ok().map(str::to_owned))
    };
    let (found, date) = match usual.captures(begin) {
        Some(found) => {
            let date = [text(&found, 1)?.parse().ok()?, text(&found, 2)?.parse().ok()?, text(&found, 3)?.parse().ok()?];
            (found, date)
        }
        None => {
            let found = served.captures(begin)?;
            let month = MONTHS.find(&text(&found, 2)?)? as i16 / 3 + 1;
            let date = [text(&found, 3)?.parse().ok()?, month, text(&found, 1)?.parse().ok()?];
            (found, date)
        }
    };
    let number = |at: usize| text(&found, at)?.parse::<i8>().ok();
    let [year, month, day]: [i16; 3] = date;
    let time = jiff::civil::DateTime::new(year, month as i8, day as i8, number(4)?, number(5)?, number(6)?.min(59), 0).ok()?;
    let zone = text(&found, 7).unwrap_or_default().replace([':', 'Z'], "");
    let minutes: i64 = match zone.parse::<i64>() {
        Ok(zone) => zone / 100 * 60 + zone % 100,
        Err(_) => 0,
    };
    let utc = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    utc.checked_sub(jiff::SignedDuration::from_mins(minutes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_of_the_usual_forms() {
        let at: Timestamp = "2025-01-08T02:00:05Z".parse().unwrap();
        for line in [
            "2025-01-08 02:00:05,123 ERROR x",
            "[2025-01-08T03:00:05.5+01:00] x",
            "{\"level\":\"info\",\"ts\":\"2025-01-08T02:00:05Z\"}",
            "10.0.0.1 - - [08/Jan/2025:01:00:05 -0100] \"GET / HTTP/1.1\" 200",
        ] {
            assert_eq!(time(line.as_bytes()), Some(at), "{line}");
        }
        assert_eq!(time(b"no time at all \xff"), None);
    }

    #[test]
    fn lines_are_bounded_and_the_last_waits_for_its_end() {
        let far = Instant::now() + Duration::from_secs(60);
        let read = |text: &[u8], complete: bool| {
            let mut lines = Vec::new();
            let went = each(text, complete, far, &mut |line| lines.push(line.to_vec())).unwrap();
            (lines, went.consumed)
        };
        assert_eq!(read(b"a\r\n\xffb\nc", false), (vec![b"a".to_vec(), b"\xffb".to_vec()], 6));
        assert_eq!(read(b"a\nc", true).0.len(), 2);
        let long = vec![b'x'; LINE_MAX * 3];
        let (lines, consumed) = read(&[&long[..], b"\nend\n"].concat(), false);
        assert_eq!((lines[0].len(), lines.len(), consumed), (LINE_MAX, 2, long.len() as u64 + 5));
        assert_eq!(read(&long, false).1, long.len() as u64);
    }
}
