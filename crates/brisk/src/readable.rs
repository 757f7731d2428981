//! Numbers and times as people read them.

use chrono::{DateTime, SecondsFormat};

/// `12.3 kB`
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A time of the machine, in UTC.
pub fn time(ms: i64) -> String {
    if ms == i64::MAX {
        return "the end".to_owned();
    }
    DateTime::from_timestamp_millis(ms).map_or_else(|| format!("{ms} ms"), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `1.2 s`, `5 min`, `3 h`
pub fn span(ms: i64) -> String {
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_have_one_unit() {
        assert_eq!([size(999), size(1000), size(12_345_678)], ["999 B", "1.0 kB", "12.3 MB"]);
        assert_eq!([span(999), span(59_949), span(61_000), span(7_200_000)], ["999 ms", "59.9 s", "1 min", "2 h"]);
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    }
}
