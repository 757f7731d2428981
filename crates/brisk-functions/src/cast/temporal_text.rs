//! Dates, times, timestamps and intervals as text, both ways, as Flink's CAST reads and prints them.
//!
//! Values are Arrow's: days, milliseconds of the day, timestamps in the unit that their precision asks for
//! ([`timestamp_unit`]), months, milliseconds. Reading gives `None` for text that is no such value. A TIMESTAMP_LTZ is
//! an instant: [`local_to_utc`] and [`utc_to_local`] go between it and the wall clock of a zone, as Java does (a time
//! that a zone skips moves forward, one that it repeats is the first).

use std::fmt::Write;

use arrow_schema::TimeUnit;
use brisk_core::types::{DayTimeUnit, YearMonthUnit, timestamp_unit};
use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;

pub const MILLIS_PER_DAY: i64 = 86_400_000;

// ---------------------------------------------------------------- reading

/// `2021-9-24`, `2021-09`, `2021`, or what stands before the blank of a timestamp.
pub fn parse_date(text: &str) -> Option<i32> {
    let text = match text.find(' ') {
        Some(at) if at > 0 => &text[..at],
        _ => text,
    };
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?)?;
    let month = parts.next().map_or(Some(1), digits)?;
    let day = parts.next().map_or(Some(1), digits)?;
    if year > 9999 {
        return None;
    }
    NaiveDate::from_ymd_opt(year as i32, month, day).map(days_of)
}

/// `12:34:56.789`, `12:34`, `12`, each with an offset behind it. Milliseconds of the day.
pub fn parse_time(text: &str) -> Option<i32> {
    let (clock, offset) = match (text.find('-'), text.find('+')) {
        (Some(at), _) => (&text[..at], Some((-1, &text[at + 1..]))),
        (None, Some(at)) => (&text[..at], Some((1, &text[at + 1..]))),
        (None, None) => (text, None),
    };
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?)?;
    let minute = parts.next().map_or(Some(0), digits)?;
    let (second, millis) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds)?, 0),
            Some((whole, fraction)) => (digits(whole)?, millis_of_fraction(fraction.trim())),
        },
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let value = (hour * 3_600_000 + minute * 60_000 + second * 1000 + millis) as i32;
    let Some((sign, offset)) = offset else { return Some(value) };
    let (hours, minutes) = match offset.split_once(':') {
        Some((hours, minutes)) => (digits(hours)?, digits(minutes)?),
        None => (digits(offset)?, 0),
    };
    Some(value + sign * (hours * 3_600_000 + minutes * 60_000) as i32)
}

/// `2021-9-24` or `2021-09-24 12:34:56.123456789`. The 30th of February is the month's last day.
pub fn parse_timestamp(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?;
    let month = short_number(parts.next()?)?;
    let day = short_number(parts.next()?)?;
    if year.len() != 4 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = digits(year).filter(|y| *y > 0)? as i32;
    let date = clamped_date(year, month, day)?;
    let Some(time) = time else { return Some(date.and_time(NaiveTime::MIN)) };
    let mut parts = time.splitn(3, ':');
    let hour = short_number(parts.next()?)?;
    let minute = short_number(parts.next()?)?;
    let (second, nanos) = match parts.next()?.split_once('.') {
        Some((second, fraction)) => (short_number(second)?, nanos_of_fraction(fraction)?),
        None => (short_number(time.rsplit(':').next()?)?, 0),
    };
    date.and_hms_nano_opt(hour, minute, second, nanos).filter(|_| second < 60)
}

/// The value of a TIMESTAMP(precision), further digits cut off. `None` beyond what 64 bits of the unit hold.
pub fn timestamp_value(time: NaiveDateTime, precision: u8) -> Option<i64> {
    let utc = time.and_utc();
    let value = match timestamp_unit(precision) {
        TimeUnit::Second | TimeUnit::Millisecond => utc.timestamp_millis(),
        TimeUnit::Microsecond => utc.timestamp_micros(),
        TimeUnit::Nanosecond => utc.timestamp_nanos_opt()?,
    };
    Some(truncate_fraction(value, precision))
}

/// Cuts a timestamp in the unit of `precision` down to `precision` digits.
pub fn truncate_fraction(value: i64, precision: u8) -> i64 {
    let digits_of_unit = unit_digits(timestamp_unit(precision));
    match digits_of_unit.saturating_sub(precision) {
        0 => value,
        dropped => {
            let step = 10i64.pow(u32::from(dropped));
            value.div_euclid(step) * step
        }
    }
}

/// `1-2` of INTERVAL '1-2' YEAR TO MONTH, in months.
pub fn parse_year_month(text: &str, unit: YearMonthUnit) -> Option<i32> {
    let (sign, text) = signed(text.trim());
    let months = match unit {
        YearMonthUnit::Year => digits(text)?.checked_mul(12)?,
        YearMonthUnit::Month => digits(text)?,
        YearMonthUnit::YearToMonth => {
            let (years, months) = text.split_once('-')?;
            digits(years)?.checked_mul(12)?.checked_add(digits(months).filter(|m| *m < 12)?)?
        }
    };
    i32::try_from(months).ok().map(|m| sign as i32 * m)
}

/// `3 12:34:56.789` of INTERVAL '..' DAY TO SECOND and its parts, in milliseconds.
pub fn parse_day_time(text: &str, unit: DayTimeUnit) -> Option<i64> {
    const DAY: i64 = MILLIS_PER_DAY;
    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;
    // The units from the leading one on, each with its size and the bound of its value where it does not lead.
    let (from, count) = match unit {
        DayTimeUnit::Day => (0, 1),
        DayTimeUnit::Hour => (1, 1),
        DayTimeUnit::Minute => (2, 1),
        DayTimeUnit::Second => (3, 1),
        DayTimeUnit::DayToHour => (0, 2),
        DayTimeUnit::DayToMinute => (0, 3),
        DayTimeUnit::DayToSecond => (0, 4),
        DayTimeUnit::HourToMinute => (1, 2),
        DayTimeUnit::HourToSecond => (1, 3),
        DayTimeUnit::MinuteToSecond => (2, 2),
    };
    let units = [(DAY, i64::MAX, ' '), (HOUR, 24, ':'), (MINUTE, 60, ':'), (1000, 60, ':')];
    let (sign, mut rest) = signed(text.trim());
    let mut total = 0i64;
    for (position, (size, bound, separator)) in units[from..from + count].iter().enumerate() {
        let last = position + 1 == count;
        let field = if last { rest } else { rest.split_once(*separator)?.0 };
        rest = rest.get(field.len() + 1..).unwrap_or("");
        let (whole, fraction) = match field.split_once('.') {
            Some((whole, fraction)) if *size == 1000 => (whole, fraction),
            Some(_) => return None,
            None => (field, ""),
        };
        let whole = i64::from(digits(whole)?);
        if position > 0 && whole >= *bound {
            return None;
        }
        let millis = if fraction.is_empty() { 0 } else { i64::from(nanos_of_fraction(fraction)? / 1_000_000) };
        total = total.checked_add(whole.checked_mul(*size)?)?.checked_add(millis)?;
    }
    Some(sign * total)
}

fn signed(text: &str) -> (i64, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

/// Digits with blanks around them; no sign.
fn digits(text: &str) -> Option<u32> {
    let text = text.trim();
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// One or two digits, nothing around them.
fn short_number(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 2 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn nanos_of_fraction(text: &str) -> Option<u32> {
    if text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0, |n, b| n * 10 + u32::from(b - b'0')) * 10u32.pow(9 - text.len() as u32))
}

/// The first three digits, rounded by the fourth. Anything else counts as zero.
fn millis_of_fraction(text: &str) -> u32 {
    let digit = |i: usize| text.as_bytes().get(i).filter(|b| b.is_ascii_digit()).map_or(0, |b| u32::from(b - b'0'));
    digit(0) * 100 + digit(1) * 10 + digit(2) + u32::from(digit(3) >= 5)
}

/// The date, or the month's last day where the month has no such day.
pub fn clamped_date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    (day.saturating_sub(3)..=day).rev().find_map(|d| NaiveDate::from_ymd_opt(year, month, d))
}

// ---------------------------------------------------------------- printing

/// `2021-09-24`.
pub fn write_date(out: &mut String, days: i32) {
    let (year, month, day) = civil(i64::from(days));
    write_year(out, year);
    out.push('-');
    two(out, month);
    out.push('-');
    two(out, day);
}

/// `12:34:56`, with a fraction of up to `precision` digits that ends at its last digit but zero.
pub fn write_time(out: &mut String, millis: i32, precision: u8) {
    let millis = i64::from(millis).rem_euclid(MILLIS_PER_DAY) as u32;
    write_clock(out, millis / 1000);
    if precision == 0 {
        return;
    }
    out.push('.');
    let mut rest = millis % 1000;
    for _ in 0..precision {
        out.push((b'0' + (rest / 100) as u8) as char);
        rest = rest % 100 * 10;
        if rest == 0 {
            break;
        }
    }
}

/// `2021-09-24 12:34:56.123`, the fraction padded to `precision` digits.
pub fn write_timestamp(out: &mut String, value: i64, unit: TimeUnit, precision: u8) {
    let per_second = units_per_second(unit);
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    write_year(out, year);
    out.push('-');
    two(out, month);
    out.push('-');
    two(out, day);
    out.push(' ');
    write_clock(out, second_of_day as u32);
    let mut nanos = fraction * (1_000_000_000 / per_second);
    if precision == 0 && nanos == 0 {
        return;
    }
    let mut digits = 9;
    while digits > precision && nanos % 10 == 0 {
        nanos /= 10;
        digits -= 1;
    }
    let _ = write!(out, ".{nanos:0width$}", width = usize::from(digits));
}

/// `+1-02`.
pub fn write_year_month(out: &mut String, months: i32) {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.unsigned_abs();
    let _ = write!(out, "{sign}{}-{:02}", months / 12, months % 12);
}

/// `+3 12:34:56.789`.
pub fn write_day_time(out: &mut String, millis: i64) {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let day = MILLIS_PER_DAY as u64;
    let _ = write!(out, "{sign}{} ", millis / day);
    write_clock(out, (millis % day / 1000) as u32);
    let _ = write!(out, ".{:03}", millis % 1000);
}

fn write_year(out: &mut String, year: i64) {
    if (0..=9999).contains(&year) {
        two(out, (year / 100) as u32);
        two(out, (year % 100) as u32);
    } else {
        let _ = write!(out, "{year:04}");
    }
}

fn write_clock(out: &mut String, seconds: u32) {
    two(out, seconds / 3600);
    out.push(':');
    two(out, seconds / 60 % 60);
    out.push(':');
    two(out, seconds % 60);
}

fn two(out: &mut String, n: u32) {
    out.push((b'0' + (n / 10 % 10) as u8) as char);
    out.push((b'0' + (n % 10) as u8) as char);
}

// ---------------------------------------------------------------- calendar

/// Year, month and day of a day number, in the proleptic Gregorian calendar.
pub fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

pub fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// How many of `unit` make a second.
pub fn units_per_second(unit: TimeUnit) -> i64 {
    10i64.pow(u32::from(unit_digits(unit)))
}

fn unit_digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// The instant at which clocks in `zone` show `local`, as a count of `unit` since 1970 UTC.
pub fn local_to_utc(local: i64, unit: TimeUnit, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return local;
    }
    let per_second = units_per_second(unit);
    let (seconds, fraction) = (local.div_euclid(per_second), local.rem_euclid(per_second));
    (seconds - offset_of_local(seconds, zone)).saturating_mul(per_second).saturating_add(fraction)
}

/// What clocks in `zone` show at an instant, counted in the same unit.
pub fn utc_to_local(instant: i64, unit: TimeUnit, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return instant;
    }
    let per_second = units_per_second(unit);
    let offset = DateTime::from_timestamp(instant.div_euclid(per_second), 0)
        .map_or(0, |t| i64::from(zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc()));
    instant.saturating_add(offset * per_second)
}

/// The offset in seconds that a zone has at a local time: the earlier one where there are two, and in a gap the one
/// before it, which moves the time forward by the gap.
fn offset_of_local(seconds: i64, zone: Tz) -> i64 {
    let Some(local) = DateTime::from_timestamp(seconds, 0).map(|t| t.naive_utc()) else { return 0 };
    let offset = match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => offset.fix(),
        MappedLocalTime::Ambiguous(first, _) => first.fix(),
        MappedLocalTime::None => match zone.offset_from_local_datetime(&(local - TimeDelta::days(1))) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => offset.fix(),
            MappedLocalTime::None => return 0,
        },
    };
    i64::from(offset.local_minus_utc())
}

/// Adds months to a day number; the day of the month is cut to the month's length.
pub fn add_months(days: i64, months: i64) -> Option<i64> {
    let (year, month, day) = civil(days);
    let total = year.checked_mul(12)?.checked_add(i64::from(month) - 1)?.checked_add(months)?;
    let (year, month) = (i32::try_from(total.div_euclid(12)).ok()?, total.rem_euclid(12) as u32 + 1);
    clamped_date(year, month, day).map(|d| i64::from(days_of(d)))
}

/// Milliseconds of the day of a wall-clock time.
pub fn millis_of_day(time: NaiveTime) -> i32 {
    (time.num_seconds_from_midnight() * 1000 + time.nanosecond() / 1_000_000) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: PartialEq + std::fmt::Debug>(actual: T, expected: T) {
        assert_eq!(actual, expected);
    }

    fn text(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn dates_and_times_are_read() {
        check(parse_date("1970-01-02"), Some(1));
        check(parse_date("1970-1-2 12:00:00"), Some(1));
        check(parse_date("1971"), Some(365));
        check(parse_date("2021-02-30"), None);
        check(parse_date("foo"), None);
        check(parse_time("23:45"), Some(85_500_000));
        check(parse_time("12:34:56.123456789"), Some(45_296_123));
        for bad in ["123:45", "2021-09-27", "2021-09-27 12:34:56.1", "Flink", ""] {
            check(parse_time(bad), None);
        }
    }

    #[test]
    fn timestamps_are_read_and_cut_to_their_precision() {
        let read =
            |text: &str, p: u8| parse_timestamp(text).and_then(|t| timestamp_value(t, p)).map(|v| self::text(|o| write_timestamp(o, v, timestamp_unit(p), p)));
        check(read("2021-09-27", 9), Some("2021-09-27 00:00:00.000000000".into()));
        check(read("2021-9-7 1:2:3.12", 4), Some("2021-09-07 01:02:03.1200".into()));
        check(read("1500-04-30 12:00:00.123456789", 6), Some("1500-04-30 12:00:00.123456".into()));
        check(read("2020-02-30 00:00:00", 3), Some("2020-02-29 00:00:00.000".into()));
        check(read("1969-12-31 23:59:59.9", 0), Some("1969-12-31 23:59:59".into()));
        check(read("2021-09-27 12:34", 3), None);
        check(read("bad", 3), None);
    }

    #[test]
    fn intervals_are_read_and_printed() {
        check(parse_year_month("10-4", YearMonthUnit::YearToMonth), Some(124));
        check(parse_year_month("-2", YearMonthUnit::Year), Some(-24));
        check(parse_day_time("10 00:00:00.004", DayTimeUnit::DayToSecond), Some(864_000_004));
        check(parse_day_time("-30", DayTimeUnit::Day), Some(-30 * MILLIS_PER_DAY));
        check(parse_day_time("0.008", DayTimeUnit::Second), Some(8));
        check(parse_day_time("1:70", DayTimeUnit::HourToMinute), None);
        check(text(|o| write_year_month(o, -17)), "-1-05".to_string());
        check(text(|o| write_day_time(o, 864_000_004)), "+10 00:00:00.004".to_string());
    }

    #[test]
    fn zones_shift_instants() {
        let zone = Tz::Europe__Berlin;
        let noon = timestamp_value(parse_timestamp("2021-07-01 12:00:00").unwrap(), 3).unwrap();
        check(local_to_utc(noon, TimeUnit::Millisecond, zone), noon - 7_200_000);
        check(utc_to_local(noon - 7_200_000, TimeUnit::Millisecond, zone), noon);
        let skipped = timestamp_value(parse_timestamp("2021-03-28 02:30:00").unwrap(), 3).unwrap();
        check(local_to_utc(skipped, TimeUnit::Millisecond, zone), skipped - 3_600_000);
    }

    #[test]
    fn months_end_where_they_end() {
        check(add_months(i64::from(parse_date("2021-01-31").unwrap()), 1), parse_date("2021-02-28").map(i64::from));
        check(add_months(i64::from(parse_date("1970-01-01").unwrap()), -13), parse_date("1968-12-01").map(i64::from));
    }
}
