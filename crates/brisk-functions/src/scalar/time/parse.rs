//! Text and numbers as points in time: TO_DATE, TO_TIMESTAMP, TO_TIMESTAMP_LTZ. What cannot be read gives NULL.

use arrow_array::ArrayRef;
use arrow_array::types::*;
use brisk_core::{DataType, Error, Result};
use chrono_tz::Tz;

use super::format::{Patterns, to_instant, zone_of};
use super::pattern::{Dialect, Pattern};
use super::point::build;
use crate::cast::temporal_text::{parse_date, parse_timestamp};
use crate::scalar::binding::{self, Want, expect_count};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_numbers;
use crate::scalar::{Argument, Call, Signature};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("TO_DATE", |args| binding::bind_nullable(args, &[Want::Text; 2], 1, DataType::Date), to_date),
    Builtin::new("TO_TIMESTAMP", |args| binding::bind_nullable(args, &[Want::Text; 2], 1, DataType::Timestamp(3)), to_timestamp),
    Builtin::new("TO_TIMESTAMP_LTZ", bind_ltz, to_timestamp_ltz),
];

fn to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    if call.args.len() == 1 {
        return Ok(build_numbers::<Date32Type>(call.rows, |row| texts.get(row).and_then(parse_date)));
    }
    let patterns = Patterns::new(call, 1, Dialect::SimpleDateFormat, "")?;
    let day = |row: usize| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let found = patterns.get(row)?.and_then(|p| p.read(text));
        Ok(found.map(|(seconds, _, offset)| (seconds - offset.unwrap_or(0)).div_euclid(86_400) * 86_400_000))
    };
    try_build(call, day)
}

fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0);
    if call.args.len() == 1 {
        return Ok(build(call.returns, call.rows, |row| texts.get(row).and_then(default_millis)));
    }
    let patterns = Patterns::new(call, 1, Dialect::DateTimeFormatter, "")?;
    try_build(call, |row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        Ok(patterns.get(row)?.and_then(|p| pattern_millis(&p, text)))
    })
}

/// `yyyy-[M]M-[d]d[ HH:mm:ss[.fraction]]`.
fn default_millis(text: &str) -> Option<i64> {
    parse_timestamp(text).map(|t| t.and_utc().timestamp_millis())
}

/// Reads by the pattern, and where that fails as `yyyy-[M]M-[d]d[ [H]H:[m]m:[s]s[.fraction]]`, whatever the pattern is.
fn pattern_millis(pattern: &Pattern, text: &str) -> Option<i64> {
    match pattern.read(text) {
        Some((seconds, nanos, _)) => Some(seconds * 1000 + nanos / 1_000_000),
        None => java_timestamp(text.trim()),
    }
}

/// As `java.sql.Timestamp.valueOf` and `Date.valueOf`: the 30th of February is a day of March.
fn java_timestamp(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let number = |text: &str, longest: usize| -> Option<i64> {
        let fits = (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse().ok())?
    };
    let mut parts = date.split('-');
    let year = parts.next().filter(|y| y.len() == 4).and_then(|y| number(y, 4))?;
    let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = (super::calendar::day_number(year, month, 1) + day - 1) * 86_400_000;
    let Some(time) = time else { return Some(midnight) };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?, 9)?, number(parts.next()?, 9)?, number(parts.next()?, 9)?);
    let nanos = number(fraction, 9)? * 10i64.pow(9 - fraction.len() as u32);
    parts.next().is_none().then_some(midnight + (hour * 3600 + minute * 60 + second) * 1000 + nanos / 1_000_000)
}

fn try_build(call: &Call<'_>, value: impl Fn(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
    let values = (0..call.rows).map(value).collect::<Result<Vec<_>>>()?;
    Ok(build(call.returns, call.rows, |row| values[row]))
}

/// (number [, 0 or 3]) or (text [, pattern [, zone]]).
fn bind_ltz(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 1, 3)?;
    let first = &args[0].sql_type;
    // A NULL without a type is text where what follows is a pattern.
    let is_text = |arg: &Argument| arg.sql_type.data_type.is_character();
    let wants: &[Want] = match &first.data_type {
        DataType::Null if args[1..].iter().any(is_text) => &[Want::Text; 3],
        t if t.is_character() => &[Want::Text; 3],
        t if t.is_numeric() || *t == DataType::Null => &[Want::Number, Want::BigInt],
        other => return Err(Error::invalid(format!("takes a number or text, not {other}"))),
    };
    binding::bind_nullable(args, wants, 1, DataType::TimestampLtz(3))
}

fn to_timestamp_ltz(call: &Call<'_>) -> Result<ArrayRef> {
    if call.arg_types[0].data_type.is_character() {
        return Ok(ltz_of_text(call));
    }
    let precisions = (call.args.len() > 1).then(|| call.integers(1));
    let numbers = Numbers::new(call);
    try_build(call, |row| {
        let precision = match &precisions {
            None => Some(3),
            Some(p) => p.get(row),
        };
        let (Some(precision), Some(())) = (precision, numbers.is_valid(row).then_some(())) else { return Ok(None) };
        let millis = match precision {
            0 => numbers.seconds(row),
            3 => numbers.millis(row),
            other => {
                let message = format!("The precision value '{other}' for function TO_TIMESTAMP_LTZ(numeric, precision) is unsupported");
                return Err(Error::compute(message).with_remedy("use 0 for seconds or 3 for milliseconds"));
            }
        };
        Ok(millis.filter(|m| (MIN_MILLIS..=MAX_MILLIS).contains(m)))
    })
}

/// The years 0 to 9999.
const MIN_MILLIS: i64 = -62_167_219_200_000;
const MAX_MILLIS: i64 = 253_402_300_799_999;

/// A number of seconds or milliseconds since 1970.
enum Numbers<'a> {
    Whole(crate::scalar::reader::Integers<'a>),
    Float(crate::scalar::reader::Reader<'a, arrow_array::Float32Array>),
    Double(crate::scalar::reader::Reader<'a, arrow_array::Float64Array>),
    Decimal(crate::scalar::reader::Reader<'a, arrow_array::Decimal128Array>, u8),
}

impl<'a> Numbers<'a> {
    fn new(call: &Call<'a>) -> Self {
        match &call.arg_types[0].data_type {
            DataType::Float => Numbers::Float(call.number::<Float32Type>(0)),
            DataType::Double => Numbers::Double(call.number::<Float64Type>(0)),
            DataType::Decimal { scale, .. } => Numbers::Decimal(call.number::<Decimal128Type>(0), *scale),
            _ => Numbers::Whole(call.integers(0)),
        }
    }

    fn is_valid(&self, row: usize) -> bool {
        match self {
            Numbers::Whole(r) => r.get(row).is_some(),
            Numbers::Float(r) => r.get(row).is_some(),
            Numbers::Double(r) => r.get(row).is_some(),
            Numbers::Decimal(r, _) => r.get(row).is_some(),
        }
    }

    /// The value taken as seconds, in milliseconds. Fractions of decimals are cut off, those of floats count.
    fn seconds(&self, row: usize) -> Option<i64> {
        match self {
            Numbers::Whole(r) => r.get(row)?.checked_mul(1000),
            Numbers::Float(r) => r.get(row).map(|v| (f64::from(v) * 1000.0) as i64),
            Numbers::Double(r) => r.get(row).map(|v| (v * 1000.0) as i64),
            Numbers::Decimal(r, scale) => whole(r.get(row)?, *scale)?.checked_mul(1000),
        }
    }

    fn millis(&self, row: usize) -> Option<i64> {
        match self {
            Numbers::Whole(r) => r.get(row),
            Numbers::Float(r) => r.get(row).map(|v| f64::from(v) as i64),
            Numbers::Double(r) => r.get(row).map(|v| v as i64),
            Numbers::Decimal(r, scale) => whole(r.get(row)?, *scale),
        }
    }
}

fn whole(value: i128, scale: u8) -> Option<i64> {
    i64::try_from(value / 10i128.pow(u32::from(scale))).ok()
}

/// Everything that goes wrong here gives NULL, a pattern that is none included.
fn ltz_of_text(call: &Call<'_>) -> ArrayRef {
    let texts = call.text(0);
    let pattern_texts = (call.args.len() > 1).then(|| call.text(1));
    let zones = (call.args.len() > 2).then(|| call.text(2));
    build(call.returns, call.rows, |row| {
        let text = texts.get(row)?;
        let wall = match &pattern_texts {
            None => default_millis(text)?,
            Some(patterns) => {
                let pattern = Pattern::of(Dialect::DateTimeFormatter, patterns.get(row)?).ok()?;
                pattern_millis(&pattern, text)?
            }
        };
        let zone = match &zones {
            None => Tz::UTC,
            Some(zones) => zone_of(zones.get(row)?),
        };
        Some(to_instant(wall.div_euclid(1000), wall.rem_euclid(1000) * 1_000_000, None, zone))
    })
}
