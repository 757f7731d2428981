//! Single values from text into a column, as Flink's formats convert them.

use crate::column::Column;
use crate::text::time::{parse_date, parse_time, parse_timestamp};
use crate::text::{Standard, base64, decimal, number, trim};

/// Puts the value that `text` stands for into the column. `false`: it stands for none and nothing was put. The text is
/// valid UTF-8. Numbers and booleans may have blanks around them.
pub(crate) fn push_text(column: &mut Column, text: &[u8], standard: Standard) -> bool {
    match column {
        Column::Null(len) => {
            *len += 1;
            true
        }
        // Whatever is not `true` is false, as in Java's `parseBoolean`.
        Column::Boolean(c) => put(Some(trim(text).eq_ignore_ascii_case(b"true")), |v| c.push(v)),
        Column::Int8(c) => put(integer(text), |v| c.push(v)),
        Column::Int16(c) => put(integer(text), |v| c.push(v)),
        Column::Int32(c) | Column::Months(c) => put(integer(text), |v| c.push(v)),
        Column::Int64(c) | Column::Millis(c) => put(integer(text), |v| c.push(v)),
        Column::Float32(c) => put(number::parse_f32(trim(text)), |v| c.push(v)),
        Column::Float64(c) => put(number::parse_f64(trim(text)), |v| c.push(v)),
        Column::Decimal { values, precision, scale } => match decimal::parse(trim(text), *precision, *scale) {
            decimal::Parsed::Value(value) => put(Some(value), |v| values.push(v)),
            decimal::Parsed::Overflow | decimal::Parsed::Malformed => false,
        },
        Column::Text(c) => put(Some(text), |v| c.push(v)),
        Column::Binary(c) => put(base64::decode(text, &mut c.data), |()| c.end_value()),
        Column::Date(c) => put(parse_date(text), |v| c.push(v)),
        Column::Time(c) => put(parse_time(text, standard), |nanos| c.push((nanos / 1_000_000) as i32)),
        Column::Timestamp { values, unit, zoned } => {
            let count = parse_timestamp(text, standard, *zoned).and_then(|(days, nanos)| unit.count(days, nanos));
            put(count, |v| values.push(v))
        }
        Column::List(_) | Column::Map(_) | Column::Row(_) => false,
    }
}

fn integer<T: TryFrom<i64>>(text: &[u8]) -> Option<T> {
    number::parse_i64(trim(text))?.try_into().ok()
}

#[inline]
fn put<T>(value: Option<T>, push: impl FnOnce(T)) -> bool {
    value.map(push).is_some()
}
