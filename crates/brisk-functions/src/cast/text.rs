//! Values as text: TRUE in capitals, doubles as Java prints them, timestamps padded to their precision, `[1, NULL]`,
//! `{k=v}`, `(1, abc)`. CHAR(n) is filled up with blanks, CHAR(n) and VARCHAR(n) are cut.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::TimeUnit;
use brisk_core::types::{MAX_LENGTH, timestamp_unit};
use brisk_core::{DataType as T, Result, SqlType};
use chrono_tz::Tz;

use super::{Attempt, temporal_text as temporal};

/// Appends the text of element `i`, which is not null.
pub type Print<'a> = Box<dyn Fn(&mut String, usize) + 'a>;

/// How the elements of `array` are printed. The branch on the type is taken here, once.
pub fn printer<'a>(array: &'a dyn Array, data_type: &'a T, zone: Tz) -> Print<'a> {
    macro_rules! integer {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            Box::new(move |out, i| write_integer(out, i64::from(values[i])))
        }};
    }
    match data_type {
        T::Null => Box::new(|out, _| out.push_str("NULL")),
        T::Boolean => {
            let values = array.as_boolean();
            Box::new(|out, i| out.push_str(if values.value(i) { "TRUE" } else { "FALSE" }))
        }
        T::TinyInt => integer!(Int8Type),
        T::SmallInt => integer!(Int16Type),
        T::Int => integer!(Int32Type),
        T::BigInt => integer!(Int64Type),
        T::Float => {
            let values = array.as_primitive::<Float32Type>().values();
            Box::new(|out, i| write_float(out, values[i]))
        }
        T::Double => {
            let values = array.as_primitive::<Float64Type>().values();
            Box::new(|out, i| write_double(out, values[i]))
        }
        T::Decimal { scale, .. } => {
            let values = array.as_primitive::<Decimal128Type>().values();
            Box::new(|out, i| write_decimal(out, values[i], *scale))
        }
        T::Char(_) | T::Varchar(_) => {
            let values = array.as_string::<i32>();
            Box::new(|out, i| out.push_str(values.value(i)))
        }
        T::Binary(_) | T::Varbinary(_) => {
            let values = array.as_binary::<i32>();
            Box::new(|out, i| out.push_str(&String::from_utf8_lossy(values.value(i))))
        }
        T::Date => {
            let values = array.as_primitive::<Date32Type>().values();
            Box::new(|out, i| temporal::write_date(out, values[i]))
        }
        // To Flink's planner every TIME is a TIME(0).
        T::Time(_) => {
            let values = array.as_primitive::<Time32MillisecondType>().values();
            Box::new(|out, i| temporal::write_time(out, values[i], 0))
        }
        T::Timestamp(p) => {
            let (values, unit) = timestamps(array, *p);
            Box::new(move |out, i| temporal::write_timestamp(out, values[i], unit, *p))
        }
        T::TimestampLtz(p) => {
            let (values, unit) = timestamps(array, *p);
            Box::new(move |out, i| temporal::write_timestamp(out, temporal::utc_to_local(values[i], unit, zone), unit, *p))
        }
        T::IntervalYearMonth(_) => {
            let values = array.as_primitive::<IntervalYearMonthType>().values();
            Box::new(|out, i| temporal::write_year_month(out, values[i]))
        }
        T::IntervalDayTime(_) => {
            let values = array.as_primitive::<DurationMillisecondType>().values();
            Box::new(|out, i| temporal::write_day_time(out, values[i]))
        }
        T::Array(item) => {
            let list = array.as_list::<i32>();
            let print = nullable_printer(list.values().as_ref(), item, zone);
            let offsets = list.value_offsets();
            Box::new(move |out, i| {
                out.push('[');
                for k in offsets[i]..offsets[i + 1] {
                    separate(out, k > offsets[i]);
                    print(out, k as usize);
                }
                out.push(']');
            })
        }
        T::Map(key, value) => map_printer(array, nullable_printer(array.as_map().keys().as_ref(), key, zone), value, zone),
        T::Multiset(item) => map_printer(array, nullable_printer(array.as_map().keys().as_ref(), item, zone), &COUNT, zone),
        T::Row(fields) => {
            let columns = array.as_struct().columns().iter().zip(fields);
            let prints: Vec<Print<'a>> = columns.map(|(column, field)| nullable_printer(column.as_ref(), &field.sql_type, zone)).collect();
            Box::new(move |out, i| {
                out.push('(');
                for (k, print) in prints.iter().enumerate() {
                    separate(out, k > 0);
                    print(out, i);
                }
                out.push(')');
            })
        }
    }
}

static COUNT: SqlType = SqlType { data_type: T::Int, nullable: false };

fn map_printer<'a>(array: &'a dyn Array, print_key: Print<'a>, value: &'a SqlType, zone: Tz) -> Print<'a> {
    let map = array.as_map();
    let print_value = nullable_printer(map.values().as_ref(), value, zone);
    let offsets = map.value_offsets();
    Box::new(move |out, i| {
        out.push('{');
        for k in offsets[i]..offsets[i + 1] {
            separate(out, k > offsets[i]);
            print_key(out, k as usize);
            out.push('=');
            print_value(out, k as usize);
        }
        out.push('}');
    })
}

/// Prints a null as `NULL`.
pub fn nullable_printer<'a>(array: &'a dyn Array, sql_type: &'a SqlType, zone: Tz) -> Print<'a> {
    let print = printer(array, &sql_type.data_type, zone);
    if array.null_count() == 0 {
        return print;
    }
    Box::new(move |out, i| if array.is_null(i) { out.push_str("NULL") } else { print(out, i) })
}

/// The text of one element, as CAST to STRING gives it with the session in UTC; `NULL` for a null.
pub fn value_text(array: &dyn Array, sql_type: &SqlType, row: usize) -> String {
    let mut out = String::new();
    nullable_printer(array, sql_type, Tz::UTC)(&mut out, row);
    out
}

/// CAST to CHAR(n), VARCHAR(n) and STRING.
pub(crate) fn cast_to_text(array: &ArrayRef, from: &T, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    let shape = Shape::of(&attempt.to.data_type);
    if from.is_character() && shape.holds(from) {
        return Ok(array.clone());
    }
    let print = printer(array.as_ref(), from, attempt.context.time_zone);
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 16);
    let mut scratch = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        scratch.clear();
        print(&mut scratch, row);
        shape.apply(&mut scratch);
        builder.append_value(&scratch);
    }
    Ok(Arc::new(builder.finish()))
}

/// The length that a character type asks for.
struct Shape {
    /// In characters.
    length: usize,
    padded: bool,
}

impl Shape {
    fn of(to: &T) -> Self {
        match to {
            T::Char(n) => Self { length: *n as usize, padded: true },
            T::Varchar(n) => Self { length: *n as usize, padded: false },
            _ => Self { length: MAX_LENGTH as usize, padded: false },
        }
    }

    /// Whether every value of `from` has the length already.
    fn holds(&self, from: &T) -> bool {
        match from {
            T::Char(n) => *n as usize == self.length || (!self.padded && (*n as usize) < self.length),
            T::Varchar(n) => !self.padded && *n as usize <= self.length,
            _ => false,
        }
    }

    fn apply(&self, text: &mut String) {
        // Bytes bound characters from above.
        if !self.padded && text.len() <= self.length {
            return;
        }
        match text.char_indices().nth(self.length) {
            Some((end, _)) => text.truncate(end),
            None if self.padded => {
                let missing = self.length - text.chars().count();
                text.extend(std::iter::repeat_n(' ', missing));
            }
            None => {}
        }
    }
}

/// Texts cut or filled up to the length of `to`: what an array computed as STRING needs to be of that type.
pub fn fit_text(array: StringArray, to: &T) -> StringArray {
    let shape = Shape::of(to);
    let fits = |s: &str| s.len() <= shape.length && (!shape.padded || s.chars().count() == shape.length);
    if array.iter().flatten().all(fits) {
        return array;
    }
    array
        .iter()
        .map(|s| {
            s.map(|s| {
                let mut s = s.to_string();
                shape.apply(&mut s);
                s
            })
        })
        .collect()
}

fn separate(out: &mut String, needed: bool) {
    if needed {
        out.push_str(", ");
    }
}

fn timestamps(array: &dyn Array, precision: u8) -> (&[i64], TimeUnit) {
    let unit = timestamp_unit(precision);
    let values = match unit {
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
        _ => array.as_primitive::<TimestampMillisecondType>().values(),
    };
    (values, unit)
}

pub fn write_integer(out: &mut String, value: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

/// `12.50`: as many fraction digits as the scale says, never an exponent.
pub fn write_decimal(out: &mut String, value: i128, scale: u8) {
    let one = 10u128.pow(u32::from(scale));
    let magnitude = value.unsigned_abs();
    if value < 0 {
        out.push('-');
    }
    let _ = write!(out, "{}", magnitude / one);
    if scale > 0 {
        let _ = write!(out, ".{:0width$}", magnitude % one, width = usize::from(scale));
    }
}

/// As Java's `Double.toString`: `1.0`, `0.001`, `1.0E10`, `NaN`, `-Infinity`.
pub fn write_double(out: &mut String, value: f64) {
    if value.is_finite() && value != 0.0 {
        return write_scientific(out, format_args!("{value:e}"));
    }
    out.push_str(special(value));
}

pub fn write_float(out: &mut String, value: f32) {
    if value.is_finite() && value != 0.0 {
        return write_scientific(out, format_args!("{value:e}"));
    }
    out.push_str(special(f64::from(value)));
}

fn special(value: f64) -> &'static str {
    match value {
        v if v.is_nan() => "NaN",
        v if v == 0.0 => {
            if v.is_sign_negative() {
                "-0.0"
            } else {
                "0.0"
            }
        }
        v if v > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// Turns the shortest digits, as Rust's `{:e}` gives them (`-1.25e-7`), into Java's form.
fn write_scientific(out: &mut String, shortest: std::fmt::Arguments<'_>) {
    let mut buffer = Buffer { bytes: [0; 40], length: 0 };
    let _ = buffer.write_fmt(shortest);
    let text = std::str::from_utf8(&buffer.bytes[..buffer.length]).expect("a number is ASCII");
    let (mantissa, exponent) = text.split_once('e').expect("{:e} has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.push_str(sign);
    match exponent {
        0..=6 => {
            let whole = exponent as usize;
            out.push_str(first);
            if rest.len() > whole {
                let _ = write!(out, "{}.{}", &rest[..whole], &rest[whole..]);
            } else {
                let _ = write!(out, "{rest:0<whole$}.0");
            }
        }
        -3..=-1 => {
            let zeros = (-exponent - 1) as usize;
            let _ = write!(out, "0.{:0<zeros$}{first}{rest}", "");
        }
        _ => {
            let rest = if rest.is_empty() { "0" } else { rest };
            let _ = write!(out, "{first}.{rest}E{exponent}");
        }
    }
}

struct Buffer {
    bytes: [u8; 40],
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let end = self.length + s.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(s.as_bytes());
        self.length = end;
        Ok(())
    }
}
