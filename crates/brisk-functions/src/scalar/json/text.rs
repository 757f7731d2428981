//! SQL values as JSON, for JSON_STRING, JSON_OBJECT, JSON_ARRAY and the JSON aggregates.
//!
//! As in Flink the keys of objects are sorted, so a ROW's fields come out by name; timestamps are ISO 8601, bytes are in
//! base64. DATE, TIME, intervals and maps whose keys are no text have no JSON form.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::TimeUnit;
use brisk_core::{DataType, Error, Result, SqlType};

use crate::cast;

/// Whether values of the type have a JSON form; the error says which part has none.
pub(crate) fn check_type(sql_type: &SqlType) -> Result<()> {
    match &sql_type.data_type {
        DataType::Array(item) => check_type(item),
        DataType::Row(columns) => columns.iter().try_for_each(|c| check_type(&c.sql_type)),
        DataType::Map(key, value) => check_key(key).and_then(|()| check_type(value)),
        DataType::Multiset(item) => check_key(item),
        DataType::Date | DataType::Time(_) | DataType::IntervalYearMonth(_) | DataType::IntervalDayTime(_) => {
            Err(Error::invalid(format!("Type '{sql_type}' is not scalar or cannot be converted into JSON.")).with_remedy("CAST it to STRING"))
        }
        _ => Ok(()),
    }
}

fn check_key(key: &SqlType) -> Result<()> {
    if key.data_type.is_character() {
        return Ok(());
    }
    Err(Error::invalid(format!("Type '{key}' is not supported for JSON conversion. The key type must be a character string.")))
}

/// Appends the JSON form of one element; a null is `null`.
pub(crate) fn write_value(out: &mut String, array: &dyn Array, sql_type: &SqlType, row: usize) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match &sql_type.data_type {
        DataType::Null => out.push_str("null"),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::TinyInt => push_display(out, array.as_primitive::<Int8Type>().value(row)),
        DataType::SmallInt => push_display(out, array.as_primitive::<Int16Type>().value(row)),
        DataType::Int => push_display(out, array.as_primitive::<Int32Type>().value(row)),
        DataType::BigInt => push_display(out, array.as_primitive::<Int64Type>().value(row)),
        DataType::Float => write_double(out, f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Double => write_double(out, array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal { scale, .. } => write_decimal(out, array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Char(_) | DataType::Varchar(_) => write_string(out, array.as_string::<i32>().value(row)),
        DataType::Binary(_) | DataType::Varbinary(_) => write_base64(out, array.as_binary::<i32>().value(row)),
        DataType::Timestamp(_) => write_timestamp(out, array, row, ""),
        DataType::TimestampLtz(_) => write_timestamp(out, array, row, "Z"),
        DataType::Array(item) => {
            let items = array.as_list::<i32>().value(row);
            write_array(out, items.len(), |out, i| write_value(out, items.as_ref(), item, i))?;
        }
        DataType::Row(columns) => {
            let row_array = array.as_struct();
            let mut sorted: BTreeMap<&str, usize> = BTreeMap::new();
            columns.iter().enumerate().for_each(|(i, c)| {
                sorted.insert(&c.name, i);
            });
            write_object(out, sorted.into_iter(), |out, i| write_value(out, row_array.column(i).as_ref(), &columns[i].sql_type, row))?;
        }
        DataType::Map(_, value) => write_map(out, array, value, row)?,
        DataType::Multiset(_) => write_map(out, array, &SqlType::not_null(DataType::Int), row)?,
        other => return Err(Error::internal(format!("{other} has no JSON form"))),
    }
    Ok(())
}

pub(crate) fn write_array(out: &mut String, length: usize, mut item: impl FnMut(&mut String, usize) -> Result<()>) -> Result<()> {
    out.push('[');
    for i in 0..length {
        if i > 0 {
            out.push(',');
        }
        item(out, i)?;
    }
    out.push(']');
    Ok(())
}

/// Writes an object of `entries`, whose keys are sorted already.
pub(crate) fn write_object<'a, T>(
    out: &mut String,
    entries: impl Iterator<Item = (&'a str, T)>,
    mut value: impl FnMut(&mut String, T) -> Result<()>,
) -> Result<()> {
    out.push('{');
    for (i, (key, entry)) in entries.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        value(out, entry)?;
    }
    out.push('}');
    Ok(())
}

fn write_map(out: &mut String, array: &dyn Array, value_type: &SqlType, row: usize) -> Result<()> {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
    let sorted: BTreeMap<&str, usize> = (0..entries.len()).map(|i| (keys.value(i), i)).collect();
    write_object(out, sorted.into_iter(), |out, i| write_value(out, values.as_ref(), value_type, i))
}

/// A JSON string with its quotes.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[done..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04X}"));
        } else {
            out.push_str(escape);
        }
        done = at + 1;
    }
    out.push_str(&text[done..]);
    out.push('"');
}

fn push_display(out: &mut String, value: impl std::fmt::Display) {
    use std::fmt::Write;
    write!(out, "{value}").expect("a String takes all");
}

/// A float goes through the decimal number that Java prints for it; NaN and infinities are strings.
fn write_double(out: &mut String, value: f64) {
    let mut text = String::new();
    cast::write_double(&mut text, value);
    if value.is_finite() { write_number(out, &text) } else { write_string(out, &text) }
}

/// A number by its text, as Java's BigDecimal writes it: plain unless the exponent is positive or small.
pub(crate) fn write_number(out: &mut String, text: &str) {
    if !text.contains(['.', 'e', 'E']) {
        out.push_str(if text == "-0" { "0" } else { text });
        return;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (mantissa, sign) = mantissa.strip_prefix('-').map_or((mantissa, ""), |m| (m, "-"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let sign = if digits == "0" { "" } else { sign };
    let scale = (fraction.len() as i64).saturating_sub(exponent.parse().unwrap_or(0));
    let adjusted = digits.len() as i64 - 1 - scale;
    out.push_str(sign);
    if scale == 0 {
        out.push_str(digits);
    } else if scale > 0 && adjusted >= -6 {
        let padded = format!("{digits:0>width$}", width = scale as usize + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale as usize);
        push_display(out, format_args!("{whole}.{fraction}"));
    } else {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        push_display(out, format_args!("{first}{point}{rest}E{adjusted:+}"));
    }
}

fn write_decimal(out: &mut String, value: i128, scale: u8) {
    let mut text = String::new();
    cast::write_decimal(&mut text, value, scale);
    write_number(out, &text);
}

fn write_base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize] as char;
            out.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    out.push('"');
}

/// ISO 8601, the fraction as long as it is not zero.
fn write_timestamp(out: &mut String, array: &dyn Array, row: usize, zone: &str) {
    let (value, per_second) = match array.data_type() {
        arrow_schema::DataType::Timestamp(TimeUnit::Microsecond, _) => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
        arrow_schema::DataType::Timestamp(TimeUnit::Nanosecond, _) => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000),
        _ => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
    };
    let nanos = (value.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32;
    let time = chrono::DateTime::from_timestamp(value.div_euclid(per_second), nanos).unwrap_or_default().naive_utc();
    out.push('"');
    push_display(out, time.format("%Y-%m-%dT%H:%M:%S"));
    if nanos != 0 {
        let (mut fraction, mut digits) = (nanos, 9);
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        push_display(out, format_args!(".{fraction:0digits$}"));
    }
    out.push_str(zone);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, Decimal128Array, Float64Array, StringArray, TimestampMillisecondArray};

    use super::*;

    #[track_caller]
    fn check(array: impl Array + 'static, data_type: DataType, expected: &str) {
        let mut out = String::new();
        let array: ArrayRef = Arc::new(array);
        write_value(&mut out, &array, &SqlType::nullable(data_type), 0).unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn values_become_json() {
        check(StringArray::from(vec!["a\"\\\u{1}\n"]), DataType::STRING, r#""a\"\\\u0001\n""#);
        check(Float64Array::from(vec![1e10]), DataType::Double, "1.0E+10");
        check(Float64Array::from(vec![13.0]), DataType::Double, "13.0");
        check(Decimal128Array::from(vec![-105]).with_precision_and_scale(5, 2).unwrap(), DataType::decimal(5, 2), "-1.05");
        check(BinaryArray::from(vec![b"Test".as_slice()]), DataType::BYTES, "\"VGVzdA==\"");
        check(TimestampMillisecondArray::from(vec![1_500]), DataType::Timestamp(3), "\"1970-01-01T00:00:01.5\"");
    }
}
