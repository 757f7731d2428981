//! Text read as other values.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, StringArray};
use arrow_schema::TimeUnit;
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType as T, Result};

use super::numeric::fits;
use super::temporal::truncate_time;
use super::{Attempt, nested, temporal_text as temporal};

pub(crate) fn cast_from_text(array: &ArrayRef, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    let texts = array.as_string::<i32>();
    let zone = attempt.context.time_zone;
    match &attempt.to.data_type {
        T::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(texts.len());
            for text in texts {
                builder.append_option(match text {
                    Some(text) => match parse_boolean(text) {
                        Some(value) => Some(value),
                        None => attempt.failed(text)?,
                    },
                    None => None,
                });
            }
            Ok(Arc::new(builder.finish()))
        }
        T::TinyInt => integers::<Int8Type>(texts, attempt),
        T::SmallInt => integers::<Int16Type>(texts, attempt),
        T::Int => integers::<Int32Type>(texts, attempt),
        T::BigInt => integers::<Int64Type>(texts, attempt),
        T::Float => parse_all::<Float32Type>(texts, attempt, |t| parse_float(t).map(Some)),
        T::Double => parse_all::<Float64Type>(texts, attempt, |t| parse_double(t).map(Some)),
        T::Decimal { precision, scale } => {
            let values = parse_all::<Decimal128Type>(texts, attempt, |t| parse_decimal(t, *scale)?.filter(|v| fits(*v, *precision)).map(Some))?;
            retype(values, &attempt.to.data_type)
        }
        T::Date => parse_all::<Date32Type>(texts, attempt, |t| temporal::parse_date(t).map(Some)),
        T::Time(p) => parse_all::<Time32MillisecondType>(texts, attempt, |t| temporal::parse_time(t).map(|ms| Some(truncate_time(ms, *p)))),
        T::Timestamp(p) => timestamps(texts, *p, attempt, |value| value),
        T::TimestampLtz(p) => timestamps(texts, *p, attempt, |value| temporal::local_to_utc(value, timestamp_unit(*p), zone)),
        _ => nested::refuse(attempt),
    }
}

fn integers<P: ArrowPrimitiveType>(texts: &StringArray, attempt: &Attempt<'_>) -> Result<ArrayRef>
where
    P::Native: TryFrom<i64>,
{
    parse_all::<P>(texts, attempt, |t| parse_integer(t).and_then(|v| P::Native::try_from(v).ok()).map(Some))
}

fn timestamps(texts: &StringArray, precision: u8, attempt: &Attempt<'_>, adjust: impl Fn(i64) -> i64) -> Result<ArrayRef> {
    let parse = |t: &str| temporal::parse_timestamp(t).and_then(|t| temporal::timestamp_value(t, precision)).map(|v| Some(adjust(v)));
    let values = match timestamp_unit(precision) {
        TimeUnit::Microsecond => parse_all::<TimestampMicrosecondType>(texts, attempt, parse)?,
        TimeUnit::Nanosecond => parse_all::<TimestampNanosecondType>(texts, attempt, parse)?,
        _ => parse_all::<TimestampMillisecondType>(texts, attempt, parse)?,
    };
    retype(values, &attempt.to.data_type)
}

/// Puts the parameters of the type (zone, precision and scale) on an array that has its native values.
fn retype(array: ArrayRef, to: &T) -> Result<ArrayRef> {
    let data = array.to_data().into_builder().data_type(to.to_arrow()).build()?;
    Ok(arrow_array::make_array(data))
}

/// `parse` gives `None` for text that is no such value and `Some(None)` for a value that does not fit and is NULL.
fn parse_all<P: ArrowPrimitiveType>(texts: &StringArray, attempt: &Attempt<'_>, parse: impl Fn(&str) -> Option<Option<P::Native>>) -> Result<ArrayRef> {
    let mut builder = PrimitiveBuilder::<P>::with_capacity(texts.len());
    for text in texts {
        builder.append_option(match text {
            Some(text) => match parse(text) {
                Some(value) => value,
                None => attempt.failed(text)?,
            },
            None => None,
        });
    }
    Ok(Arc::new(builder.finish()))
}

/// `t`, `true`, `y`, `yes`, `1` and their opposites, in any case.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is(["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// An integer; fraction digits are read and dropped.
pub fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim_matches(' ');
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut value = 0i64;
    for b in whole.bytes() {
        if !b.is_ascii_digit() {
            return None;
        }
        // Negative values reach one further.
        value = value.checked_mul(10)?.checked_sub(i64::from(b - b'0'))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

pub fn parse_double(text: &str) -> Option<f64> {
    float_text(text)?.parse().ok()
}

fn parse_float(text: &str) -> Option<f32> {
    float_text(text)?.parse().ok()
}

/// What Java takes for a float and Rust does too; Rust's other words for infinity are refused.
fn float_text(text: &str) -> Option<&str> {
    let text = text.trim();
    let body = text.trim_start_matches(['+', '-']);
    match body {
        "NaN" | "Infinity" => return Some(text),
        _ => {}
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    body.starts_with(|c: char| c.is_ascii_digit() || c == '.').then_some(number)
}

/// The unscaled value of a DECIMAL with `scale` digits, the last one rounded half up. The inner `None` is a number
/// beyond 38 digits.
pub fn parse_decimal(text: &str, scale: u8) -> Option<Option<i128>> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The number is 0.d1d2d3.. times ten to `point`; `point + scale` of its digits are kept.
    let kept = whole.len() as i64 + i64::from(exponent) + i64::from(scale);
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    let mut value = 0i128;
    for _ in 0..kept.max(0) {
        let digit = digits.next();
        if digit.is_none() && value == 0 {
            break;
        }
        value = match value.checked_mul(10).and_then(|v| v.checked_add(digit.unwrap_or(0))) {
            Some(v) => v,
            None => return Some(None),
        };
    }
    if kept >= 0 && digits.next().is_some_and(|d| d >= 5) {
        value += 1;
    }
    Some(Some(if negative { -value } else { value }))
}
