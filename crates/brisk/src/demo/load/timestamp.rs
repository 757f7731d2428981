//! Times as the scripts read them: `2026-11-11 00:00:01.250`, in UTC.

use chrono::DateTime;

pub fn timestamp(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ms: i64, expected: &str) {
        assert_eq!(timestamp(ms), expected);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        check(0, "1970-01-01 00:00:00.000");
        check(951_827_696_789, "2000-02-29 12:34:56.789");
    }
}
