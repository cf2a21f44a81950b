//! Figures as people read them, and as records carry them.

use ml_common::people::human_bytes;

/// A figure with its unit.
pub fn shown(value: f64, unit: &str) -> String {
    match unit {
        "bytes" if value < 0.0 => format!("-{}", human_bytes(value.abs() as u64)),
        "bytes" => human_bytes(value as u64),
        "" => number(value),
        "%" => format!("{}%", number(value)),
        unit => format!("{} {unit}", number(value)),
    }
}

/// The same with its sign, as a change.
pub fn change(value: f64, unit: &str) -> String {
    let shown = shown(value, unit);
    if value >= 0.0 { format!("+{shown}") } else { shown }
}

/// Three digits that say something.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        return format!("{value:.0}");
    }
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else if value.abs() >= 0.1 {
        2
    } else {
        4
    };
    format!("{value:.digits$}")
}

/// Six digits that say something: the rest of a slope is noise, and long in a record.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(5 - value.abs().log10().floor() as i32);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(shown(1.5 * 1024.0 * 1024.0, "bytes"), "1.5 MiB");
        assert_eq!(change(-2048.0, "bytes"), "-2.0 KiB");
        assert_eq!(change(12.0, ""), "+12");
        assert_eq!(
            (shown(12.345, "ms"), shown(0.012_34, "%"), shown(123_456.7, "")),
            ("12.3 ms".into(), "0.0123%".into(), "123457".into())
        );
    }

    #[test]
    fn six_digits_are_kept() {
        for (value, kept) in
            [(1.0 / 3.0, 0.333_333), (123_456_789.0, 123_457_000.0), (-0.000_123_456_789, -0.000_123_457), (0.0, 0.0), (7.0, 7.0)]
        {
            assert_eq!(rounded(value), kept, "{value}");
        }
        assert!(rounded(f64::MIN_POSITIVE).is_finite() && rounded(f64::MAX).is_finite());
    }
}
