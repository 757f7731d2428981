//! Dates, times and timestamps as Flink's text formats read and write them.
//!
//! A timestamp is days since 1970-01-01 and nanoseconds of the day until the column's unit is known.

use super::number::{two_digits, write_padded};

/// How timestamps are written: `2020-01-01 10:00:00.5` or `2020-01-01T10:00:00.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standard {
    #[default]
    Sql,
    Iso8601,
}

/// The counts a second of an Arrow time unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milli,
    Micro,
    Nano,
}

/// Year, month, day.
type Civil = (i64, u32, u32);

pub(crate) const DAY_NANOS: i64 = 86_400_000_000_000;

impl Unit {
    pub fn of(unit: arrow_schema::TimeUnit) -> Self {
        match unit {
            arrow_schema::TimeUnit::Second | arrow_schema::TimeUnit::Millisecond => Unit::Milli,
            arrow_schema::TimeUnit::Microsecond => Unit::Micro,
            arrow_schema::TimeUnit::Nanosecond => Unit::Nano,
        }
    }

    pub fn nanos(self) -> i64 {
        match self {
            Unit::Milli => 1_000_000,
            Unit::Micro => 1_000,
            Unit::Nano => 1,
        }
    }

    /// The count of units since 1970; digits beyond the unit are cut off. `None` beyond what 64 bits hold.
    #[inline]
    pub fn count(self, days: i32, nanos: i64) -> Option<i64> {
        // Each with its own divisor, so that none is computed.
        let (day, of_day) = match self {
            Unit::Milli => (DAY_NANOS / 1_000_000, nanos / 1_000_000),
            Unit::Micro => (DAY_NANOS / 1_000, nanos / 1_000),
            Unit::Nano => (DAY_NANOS, nanos),
        };
        i64::from(days).checked_mul(day)?.checked_add(of_day)
    }
}

/// Two ASCII digits at `at`.
#[inline]
fn two(text: &[u8], at: usize) -> Option<u32> {
    let (a, b) = (text.get(at)?.wrapping_sub(b'0'), text.get(at + 1)?.wrapping_sub(b'0'));
    if a > 9 || b > 9 { None } else { Some(u32::from(a) * 10 + u32::from(b)) }
}

#[inline]
fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
#[inline]
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(crate) fn civil_from_days(days: i64) -> Civil {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Splits `yyyy-MM-dd` off the front; a year of other than four digits has a sign. The day is checked to be 1 to 31.
#[inline]
fn split_date(text: &[u8]) -> Option<(Civil, &[u8])> {
    let (date, rest) = match text.first_chunk::<10>() {
        Some(date) if date[0].is_ascii_digit() => (date, &text[10..]),
        _ => return split_signed_date(text),
    };
    let digit = |i: usize| u32::from(date[i].wrapping_sub(b'0'));
    // All checks at once: one branch.
    let wrong = [0, 1, 2, 3, 5, 6, 8, 9].iter().fold(date[4] ^ b'-' | date[7] ^ b'-', |wrong, i| wrong | u8::from(digit(*i) > 9));
    let (month, day) = (digit(5) * 10 + digit(6), digit(8) * 10 + digit(9));
    let sound = wrong == 0 && (1..=12).contains(&month) && (1..=31).contains(&day);
    let year = digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3);
    sound.then_some(((year.into(), month, day), rest))
}

#[cold]
fn split_signed_date(text: &[u8]) -> Option<(Civil, &[u8])> {
    let (sign, rest) = text.split_first()?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(4..=9).contains(&digits) || !matches!(sign, b'+' | b'-') {
        return None;
    }
    let (year, at) = (super::number::parse_i64(&text[..=digits])?, digits + 1);
    let (month, day) = (two(text, at + 1)?, two(text, at + 4)?);
    let sound = text[at] == b'-' && text[at + 3] == b'-' && (1..=12).contains(&month) && (1..=31).contains(&day);
    sound.then(|| ((year, month, day), &text[at + 6..]))
}

/// Days since 1970 of `yyyy-MM-dd`.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let ((year, month, day), rest) = split_date(text)?;
    let sound = rest.is_empty() && day <= days_in_month(year, month);
    sound.then(|| days_from_civil(year, month, day).try_into().ok()).flatten()
}

/// Splits `HH:mm:ss[.f]` off the front and gives nanoseconds of the day; under ISO seconds may be missing.
#[inline]
fn split_time(text: &[u8], standard: Standard) -> Option<(i64, &[u8])> {
    let (time, rest) = match text.first_chunk::<8>() {
        Some(time) if time[5] == b':' => (time, &text[8..]),
        _ => return split_minutes(text, standard),
    };
    let digit = |i: usize| u32::from(time[i].wrapping_sub(b'0'));
    let wrong = [0, 1, 3, 4, 6, 7].iter().fold(time[2] ^ b':', |wrong, i| wrong | u8::from(digit(*i) > 9));
    let (hour, minute, second) = (digit(0) * 10 + digit(1), digit(3) * 10 + digit(4), digit(6) * 10 + digit(7));
    if wrong != 0 || hour > 24 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.', digits @ ..] => split_fraction(digits)?,
        _ => (0, rest),
    };
    let nanos = i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + fraction;
    // 24:00 is the end of the day.
    (nanos <= DAY_NANOS).then_some((nanos, rest))
}

/// `HH:mm`, which is a time of ISO's.
#[cold]
fn split_minutes(text: &[u8], standard: Standard) -> Option<(i64, &[u8])> {
    let (hour, minute) = (two(text, 0)?, two(text, 3)?);
    let sound = text[2] == b':' && standard == Standard::Iso8601 && minute <= 59 && (hour < 24 || hour == 24 && minute == 0);
    sound.then(|| (i64::from(hour * 60 + minute) * 60_000_000_000, &text[5..]))
}

#[inline]
fn split_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0i64;
    let mut digits = 0;
    while let Some(b @ b'0'..=b'9') = text.get(digits) {
        if digits == 9 {
            return None;
        }
        value = value * 10 + i64::from(b - b'0');
        digits += 1;
    }
    const SCALE: [i64; 10] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    (digits > 0).then(|| (value * SCALE[digits], &text[digits..]))
}

/// Nanoseconds of the day of `HH:mm:ss[.f]`.
pub(crate) fn parse_time(text: &[u8], standard: Standard) -> Option<i64> {
    let (nanos, rest) = split_time(text, standard)?;
    (rest.is_empty() && nanos < DAY_NANOS).then_some(nanos)
}

/// The minute of the timestamp read last. The next one of a stream is mostly of the same, so that its text is compared
/// and only what follows is read.
#[derive(Default)]
pub(crate) struct Minute {
    /// `yyyy-MM-dd HH:mm`.
    text: [u8; 16],
    /// Whether there was one.
    known: bool,
    days: i32,
    nanos: i64,
}

impl Minute {
    /// As [`parse_timestamp`].
    #[inline(always)]
    pub fn parse_timestamp(&mut self, text: &[u8], standard: Standard, zoned: bool) -> Option<(i32, i64)> {
        if let (Some(minute), Some(rest)) = (text.first_chunk(), text.get(16..))
            && *minute == self.text
            && self.known
            && let Some(nanos) = seconds(rest, zoned)
        {
            return Some((self.days, self.nanos + nanos));
        }
        self.parse_other(text, standard, zoned)
    }

    #[cold]
    fn parse_other(&mut self, text: &[u8], standard: Standard, zoned: bool) -> Option<(i32, i64)> {
        let (days, nanos) = parse_timestamp(text, standard, zoned)?;
        let of_minute = nanos % MINUTE_NANOS;
        // Only where what follows the minute says no more than the seconds: not 24:00, no year of five digits.
        if let (Some(minute), Some(rest)) = (text.first_chunk::<16>(), text.get(16..))
            && minute[13] == b':'
            && !minute[11..].starts_with(b"24")
            && seconds(rest, zoned) == Some(of_minute)
        {
            *self = Self { text: *minute, known: true, days, nanos: nanos - of_minute };
        }
        Some((days, nanos))
    }
}

const MINUTE_NANOS: i64 = 60_000_000_000;

/// Nanoseconds of `:ss` or of `:ss.f` with up to three digits, with a `Z` behind where zoned; `None` for other forms too.
#[inline(always)]
fn seconds(text: &[u8], zoned: bool) -> Option<i64> {
    let text = if zoned { text.strip_suffix(b"Z")? } else { text };
    let (tens, ones, thousandths) = match *text {
        [b':', a, b, b'.', x, y, z] => (a, b, [x, y, z]),
        [b':', a, b] => (a, b, *b"000"),
        // Digits at the end that would be zeros need not be written.
        [b':', a, b, b'.', x, y] => (a, b, [x, y, b'0']),
        [b':', a, b, b'.', x] => (a, b, [x, b'0', b'0']),
        _ => return None,
    };
    let digit = |b: u8| i64::from(b.wrapping_sub(b'0'));
    let (a, b, [x, y, z]) = (digit(tens), digit(ones), thousandths.map(digit));
    let sound = a <= 5 && b <= 9 && x <= 9 && y <= 9 && z <= 9;
    sound.then(|| (a * 10_000 + b * 1_000 + x * 100 + y * 10 + z) * 1_000_000)
}

/// Days and nanoseconds of the day of a timestamp; `zoned` ones end in `Z`. The SQL standard is lenient as Flink is: a
/// day beyond its month's end means the last day, and 24:00:00 the next day.
#[inline]
pub(crate) fn parse_timestamp(text: &[u8], standard: Standard, zoned: bool) -> Option<(i32, i64)> {
    let text = if zoned { text.strip_suffix(b"Z")? } else { text };
    let ((year, month, day), rest) = split_date(text)?;
    let (separator, time) = rest.split_first()?;
    let lenient = match (standard, separator) {
        (Standard::Sql, b' ') => true,
        (Standard::Iso8601, b'T') => zoned,
        _ => return None,
    };
    let (nanos, rest) = split_time(time, standard)?;
    let month_end = if day > 28 { days_in_month(year, month) } else { day };
    if !rest.is_empty() || !lenient && (day > month_end || nanos == DAY_NANOS) {
        return None;
    }
    let days = i32::try_from(days_from_civil(year, month, day.min(month_end))).ok()?;
    if nanos == DAY_NANOS { Some((days.checked_add(1)?, 0)) } else { Some((days, nanos)) }
}

pub(crate) fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        let ([a, b], [c, d], [e, f], [g, h]) = (two_digits(year as u32 / 100), two_digits(year as u32), two_digits(month), two_digits(day));
        return out.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h]);
    }
    if year > 9999 {
        out.push(b'+');
    } else if year < 0 {
        out.push(b'-');
    }
    write_padded(year.unsigned_abs(), 4, out);
    out.push(b'-');
    write_padded(u64::from(month), 2, out);
    out.push(b'-');
    write_padded(u64::from(day), 2, out);
}

/// `HH:mm:ss`, and the fraction without its trailing zeros.
pub(crate) fn write_time(nanos: i64, out: &mut Vec<u8>) {
    let seconds = (nanos / 1_000_000_000) as u32;
    let ([a, b], [c, d], [e, f]) = (two_digits(seconds / 3600), two_digits(seconds / 60 % 60), two_digits(seconds % 60));
    out.extend_from_slice(&[a, b, b':', c, d, b':', e, f]);
    let fraction = (nanos % 1_000_000_000) as u32;
    if fraction == 0 {
        return;
    }
    let mut digits = [b'.'; 10];
    digits[1] = b'0' + (fraction / 100_000_000) as u8;
    for (pair, divisor) in digits[2..].as_chunks_mut::<2>().0.iter_mut().zip([1_000_000, 10_000, 100, 1]) {
        *pair = two_digits(fraction / divisor);
    }
    let used = digits.iter().rposition(|b| *b != b'0').map_or(0, |last| last + 1);
    out.extend_from_slice(&digits[..used]);
}

pub(crate) fn write_timestamp(count: i64, unit: Unit, standard: Standard, zoned: bool, out: &mut Vec<u8>) {
    let per_day = DAY_NANOS / unit.nanos();
    write_date(count.div_euclid(per_day), out);
    out.push(if standard == Standard::Sql { b' ' } else { b'T' });
    write_time(count.rem_euclid(per_day) * unit.nanos(), out);
    if zoned {
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, standard: Standard, zoned: bool, expected: Option<&str>) {
        let parsed = parse_timestamp(text.as_bytes(), standard, zoned);
        let shown = parsed.map(|(days, nanos)| {
            let mut out = Vec::new();
            write_timestamp(Unit::Nano.count(days, nanos).unwrap(), Unit::Nano, standard, zoned, &mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(shown.as_deref(), expected, "{text}");
    }

    #[test]
    fn timestamps_are_read_and_printed() {
        use Standard::*;
        check("2019-11-11 00:00:00.590", Sql, false, Some("2019-11-11 00:00:00.59"));
        check("2019-11-11 00:00:00", Sql, false, Some("2019-11-11 00:00:00"));
        check("1969-12-31 23:59:59.999999999", Sql, false, Some("1969-12-31 23:59:59.999999999"));
        check("2020-02-30 00:00:00", Sql, false, Some("2020-02-29 00:00:00"));
        check("2020-12-31 24:00:00", Sql, false, Some("2021-01-01 00:00:00"));
        check("2020-01-01T10:00", Iso8601, false, Some("2020-01-01T10:00:00"));
        check("2020-01-01T10:00:00.12Z", Iso8601, true, Some("2020-01-01T10:00:00.12Z"));
        check("2020-01-01 10:00:00Z", Sql, true, Some("2020-01-01 10:00:00Z"));
    }

    /// Whatever came before, a timestamp is what it is alone.
    #[test]
    fn the_minute_before_changes_nothing() {
        let days = ["2023-11-14", "2023-11-31", "2023-02-29", "2023-13-01", "+12023-11-14"];
        let minutes = ["23:59", "24:00", "00:00", "00:60", "0:000", "24:01"];
        let ends = [":00", ":59", ":60", ":07.5", ":07.05", ":07.123", ":07.1234", ":07.", ":7", "", ":07Z", ":07.5Z", ":07.5x", ";07", ":a7", "Z"];
        for (standard, separator) in [(Standard::Sql, ' '), (Standard::Iso8601, 'T')] {
            for zoned in [false, true] {
                let mut minute = Minute::default();
                assert_eq!(minute.parse_timestamp(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0:00", standard, zoned), None);
                for day in days {
                    for of_day in minutes {
                        for end in ends.iter().chain(&ends) {
                            let text = format!("{day}{separator}{of_day}{end}");
                            let alone = parse_timestamp(text.as_bytes(), standard, zoned);
                            assert_eq!(minute.parse_timestamp(text.as_bytes(), standard, zoned), alone, "{text}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn other_text_is_refused() {
        use Standard::*;
        for text in [
            "2020-01-01T10:00:00",
            "2020-01-01 10:00",
            "2020-13-01 00:00:00",
            "2020-01-01 10:00:00Z",
            "2020-01-01",
            "",
            "2020-01-01 10:00:00.",
            "2020-01-01 25:00:00",
            "x",
        ] {
            check(text, Sql, false, None);
        }
        check("2020-01-01 10:00:00", Iso8601, false, None);
        check("2020-02-30T10:00:00", Iso8601, false, None);
        check("2020-01-01 10:00:00", Sql, true, None);
    }

    #[test]
    fn dates_and_days_agree() {
        for days in [-719_528, -1, 0, 59, 60, 11_016, 18_321, 2_932_896] {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(parse_date(b"1970-01-02"), Some(1));
        assert_eq!(parse_date(b"2021-02-29"), None);
        assert_eq!(parse_date(b"+10000-01-01"), Some(2_932_897));
        assert_eq!(parse_time(b"10:15:30.5", Standard::Sql), Some(36_930_500_000_000));
        assert_eq!(parse_time(b"24:00:00", Standard::Sql), None);
    }
}
