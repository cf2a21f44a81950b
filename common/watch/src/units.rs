//! Units of time and size behind a number: `30d` is seconds, `1GiB` bytes.

/// Those there are.
pub const LIST: &str = "s, m, h, d, w (seconds) and k, M, G, T, KiB, MiB, GiB, TiB";

/// What one of it is worth; times in seconds.
pub fn factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        "k" | "kB" => 1e3,
        "M" | "MB" => 1e6,
        "G" | "GB" => 1e9,
        "T" | "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    })
}

/// Units that measure time.
pub fn is_time(unit: &str) -> bool {
    matches!(unit, "s" | "m" | "min" | "h" | "d" | "w")
}
