//! Patterns against what Java gives.

use super::*;
use crate::scalar::time::calendar::day_number;

const NANOS: i64 = 1_000_000_000;

/// 1996-11-10 06:05:04.007008009, a Sunday.
fn moment() -> Moment {
    Moment { days: day_number(1996, 11, 10), nanos_of_day: (6 * 3600 + 5 * 60 + 4) * NANOS + 7_008_009, offset: None }
}

#[track_caller]
fn check_write(dialect: Dialect, pattern: &str, expected: &str) {
    let mut out = String::new();
    Pattern::of(dialect, pattern).unwrap().write(&mut out, &moment()).unwrap();
    assert_eq!(out, expected);
}

#[track_caller]
fn check_read(dialect: Dialect, pattern: &str, text: &str, expected: Option<&str>) {
    let found = Pattern::of(dialect, pattern).unwrap().read(text).map(|(seconds, nanos, _)| {
        let mut out = String::new();
        let moment = Moment { days: seconds.div_euclid(86_400), nanos_of_day: seconds.rem_euclid(86_400) * NANOS + nanos, offset: None };
        Pattern::of(Dialect::DateTimeFormatter, "yyyy-MM-dd HH:mm:ss.SSSSSSSSS").unwrap().write(&mut out, &moment).unwrap();
        out
    });
    assert_eq!(found.as_deref(), expected, "{pattern} on {text}");
}

#[test]
fn moments_are_written() {
    use Dialect::{DateTimeFormatter as D, SimpleDateFormat as S};
    check_write(D, "yyyy/MM/dd HH:mm:ss.SSSSSSSSS", "1996/11/10 06:05:04.007008009");
    check_write(D, "yy-M-d h:m:s a", "96-11-10 6:5:4 AM");
    check_write(D, "EEE, d MMM yyyy", "Sun, 10 Nov 1996");
    check_write(D, "EEEE MMMM D Q 'o''clock'", "Sunday November 315 4 o'clock");
    check_write(D, "yyyy[-MM]", "1996-11");
    check_write(S, "yy-MM-dd HH-mm-ss", "96-11-10 06-05-04");
    check_write(S, "S SSS u w W", "7 007 7 46 3");
}

#[test]
fn formatters_count_digits() {
    use Dialect::DateTimeFormatter as D;
    check_read(D, "yyyy-MM-dd HH:mm:ss.SSS", "2017-09-15 00:00:00.123", Some("2017-09-15 00:00:00.123000000"));
    check_read(D, "yyyy-MM-dd HH:mm:ss.SSS", "2017-09-15 00:00:00.12345", None);
    check_read(D, "yyyy-MM-dd", "2017-9-15", None);
    check_read(D, "yyyy-M-d", "2017-9-15", Some("2017-09-15 00:00:00.000000000"));
    check_read(D, "yyyyMMdd mm:ss.SSSSSSS", "20000202 59:59.1234567", Some("2000-02-02 00:59:59.123456700"));
    check_read(D, "yyyyMMddHH", "2000020210", Some("2000-02-02 10:00:00.000000000"));
    check_read(D, "yyyyMMddHHmmssSSS", "20000202101112345", Some("2000-02-02 10:11:12.345000000"));
    check_read(D, "yyyy-MM-dd", "2021-02-30", Some("2021-02-28 00:00:00.000000000"));
    check_read(D, "yyyy-MM-dd", "2021-13-01", None);
    check_read(D, "dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2000:13:55:36 -0700", Some("2000-10-10 13:55:36.000000000"));
    check_read(D, "yyyy-MM-dd'T'HH:mm:ssXXX", "2020-01-01T01:02:03Z", Some("2020-01-01 01:02:03.000000000"));
    check_read(D, "yyyy-MM-dd[ HH:mm]", "2020-01-01", Some("2020-01-01 00:00:00.000000000"));
    check_read(D, "h:mm a", "1:30 PM", Some("1970-01-01 13:30:00.000000000"));
}

#[test]
fn simple_formats_are_lenient() {
    use Dialect::SimpleDateFormat as S;
    check_read(S, "yyyy-MM-dd HH:mm:ss", "2015-7-4 1:2:3.5", Some("2015-07-04 01:02:03.000000000"));
    check_read(S, "yyyy/MM/dd HH:mm:ss.S", "2015/07/24 10:00:00.5", Some("2015-07-24 10:00:00.005000000"));
    check_read(S, "yyyy-MM-dd", "2015-02-30", Some("2015-03-02 00:00:00.000000000"));
    check_read(S, "yyyyMMdd", "20150230", Some("2015-03-02 00:00:00.000000000"));
    check_read(S, "yyyy-MM-dd HH:mm:ss", "2015-07-24", None);
    check_read(S, "d MMM yy", "4 jul 15", Some("2015-07-04 00:00:00.000000000"));
}

#[test]
fn unknown_letters_are_refused() {
    assert!(Pattern::of(Dialect::DateTimeFormatter, "un-parsable format").is_err());
    assert!(Pattern::of(Dialect::SimpleDateFormat, "yyyy-MM-dd b").is_err());
    assert!(Pattern::of(Dialect::DateTimeFormatter, "'open").is_err());
}
