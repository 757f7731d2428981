//! Cells as Java's `toString` shows them: what Flink's `print` prints and partition directories are named after.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType as ArrowType, IntervalUnit, TimeUnit};
use brisk_core::{Error, Result};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Shows the cells of one column; what kind they are is found out once.
pub(crate) struct Display<'a> {
    array: &'a ArrayRef,
    write: WriteCell<'a>,
}

/// Appends the cell of a row that is not null.
type WriteCell<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

impl<'a> Display<'a> {
    pub fn new(array: &'a ArrayRef) -> Result<Self> {
        macro_rules! shown {
            ($t:ty) => {{
                let values = array.as_primitive::<$t>();
                Box::new(move |i, out: &mut String| write_to(out, values.value(i)))
            }};
        }
        macro_rules! timestamp {
            ($t:ty, $per_second:expr, $zone:expr) => {{
                let (values, zoned) = (array.as_primitive::<$t>(), $zone.is_some());
                Box::new(move |i, out: &mut String| write_timestamp(values.value(i), $per_second, zoned, out))
            }};
        }
        let write: WriteCell<'a> = match array.data_type() {
            ArrowType::Null => Box::new(|_, out| out.push_str("null")),
            ArrowType::Boolean => {
                let values = array.as_boolean();
                Box::new(move |i, out| write_to(out, values.value(i)))
            }
            ArrowType::Int8 => shown!(Int8Type),
            ArrowType::Int16 => shown!(Int16Type),
            ArrowType::Int32 => shown!(Int32Type),
            ArrowType::Int64 => shown!(Int64Type),
            ArrowType::Float32 => {
                let values = array.as_primitive::<Float32Type>();
                Box::new(move |i, out| write_float(&format!("{:e}", values.value(i)), values.value(i).into(), out))
            }
            ArrowType::Float64 => {
                let values = array.as_primitive::<Float64Type>();
                Box::new(move |i, out| write_float(&format!("{:e}", values.value(i)), values.value(i), out))
            }
            ArrowType::Decimal128(_, _) => {
                let values = array.as_primitive::<Decimal128Type>();
                Box::new(move |i, out| out.push_str(&values.value_as_string(i)))
            }
            ArrowType::Utf8 => {
                let values = array.as_string::<i32>();
                Box::new(move |i, out| out.push_str(values.value(i)))
            }
            ArrowType::Binary => {
                let values = array.as_binary::<i32>();
                Box::new(move |i, out| write_list(values.value(i).iter().map(|b| *b as i8), out, |b, out| write_to(out, b)))
            }
            ArrowType::Date32 => {
                let values = array.as_primitive::<Date32Type>();
                Box::new(move |i, out| match NaiveDate::from_epoch_days(values.value(i)) {
                    Some(date) => write_to(out, date),
                    None => write_to(out, values.value(i)),
                })
            }
            ArrowType::Time32(TimeUnit::Millisecond) => {
                let values = array.as_primitive::<Time32MillisecondType>();
                Box::new(move |i, out| write_time_of_day(i64::from(values.value(i)) * 1_000_000, out))
            }
            ArrowType::Timestamp(TimeUnit::Millisecond, zone) => timestamp!(TimestampMillisecondType, 1_000, zone),
            ArrowType::Timestamp(TimeUnit::Microsecond, zone) => timestamp!(TimestampMicrosecondType, 1_000_000, zone),
            ArrowType::Timestamp(TimeUnit::Nanosecond, zone) => timestamp!(TimestampNanosecondType, 1_000_000_000, zone),
            ArrowType::Interval(IntervalUnit::YearMonth) => {
                let values = array.as_primitive::<IntervalYearMonthType>();
                Box::new(move |i, out| write_months(values.value(i), out))
            }
            ArrowType::Duration(TimeUnit::Millisecond) => {
                let values = array.as_primitive::<DurationMillisecondType>();
                Box::new(move |i, out| write_duration(values.value(i), out))
            }
            ArrowType::List(_) => {
                let list = array.as_list::<i32>();
                let items = Display::new(list.values())?;
                Box::new(move |i, out| write_list(range(list.offsets(), i), out, |at, out| items.write(at, out)))
            }
            ArrowType::Map(_, _) => {
                let map = array.as_map();
                let (keys, values) = (Display::new(map.keys())?, Display::new(map.values())?);
                Box::new(move |i, out| {
                    out.push('{');
                    for (n, at) in range(map.offsets(), i).enumerate() {
                        out.push_str(if n > 0 { ", " } else { "" });
                        keys.write(at, out);
                        out.push('=');
                        values.write(at, out);
                    }
                    out.push('}');
                })
            }
            ArrowType::Struct(_) => {
                let columns = array.as_struct().columns().iter().map(Display::new).collect::<Result<Vec<_>>>()?;
                Box::new(move |i, out| {
                    out.push_str("+I");
                    write_list(columns.iter(), out, |c, out| c.write(i, out));
                })
            }
            other => return Err(Error::internal(format!("no SQL type is carried by {other}"))),
        };
        Ok(Self { array, write })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    /// Appends the cell of row `row`.
    pub fn write(&self, row: usize, out: &mut String) {
        if self.array.is_null(row) {
            out.push_str("null");
        } else {
            (self.write)(row, out);
        }
    }
}

fn write_to(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a string takes all that is written");
}

fn range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// `[a, b, c]`.
pub(crate) fn write_list<T>(items: impl Iterator<Item = T>, out: &mut String, write: impl Fn(T, &mut String)) {
    out.push('[');
    for (n, item) in items.enumerate() {
        out.push_str(if n > 0 { ", " } else { "" });
        write(item, out);
    }
    out.push(']');
}

/// A number of Java's, given its shortest digits in scientific notation.
fn write_float(scientific: &str, value: f64, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (digits, exponent) = scientific.split_once('e').expect("scientific notation has an exponent");
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        let point = if digits.contains('.') { "" } else { ".0" };
        return write_to(out, format_args!("{digits}{point}E{exponent}"));
    }
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let sign = if digits.starts_with('-') { "-" } else { "" };
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    out.push_str(sign);
    if exponent < 0 {
        out.push_str("0.");
        out.push_str(&"0".repeat((-exponent - 1) as usize));
        return out.push_str(&digits);
    }
    let whole = exponent as usize + 1;
    let padded = format!("{digits:0<whole$}");
    out.push_str(&padded[..whole]);
    out.push('.');
    out.push_str(if padded.len() > whole { &padded[whole..] } else { "0" });
}

fn write_timestamp(count: i64, per_second: i64, zoned: bool, out: &mut String) {
    let nanos = count.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let Some(time) = DateTime::from_timestamp(count.div_euclid(per_second), nanos as u32) else { return write_to(out, count) };
    let time: NaiveDateTime = time.naive_utc();
    write_to(out, time.date());
    out.push('T');
    write_clock(time.time(), zoned, out);
    if zoned {
        out.push('Z');
    }
}

fn write_time_of_day(nanos: i64, out: &mut String) {
    let time = NaiveTime::from_num_seconds_from_midnight_opt((nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32);
    match time {
        Some(time) => write_clock(time, false, out),
        None => write_to(out, nanos),
    }
}

/// As `LocalTime` shows itself: no seconds when they are zero (an instant always has them), a fraction of 3, 6 or 9 digits.
fn write_clock(time: NaiveTime, seconds: bool, out: &mut String) {
    write_to(out, format_args!("{:02}:{:02}", time.hour(), time.minute()));
    let nanos = time.nanosecond();
    if seconds || time.second() > 0 || nanos > 0 {
        write_to(out, format_args!(":{:02}", time.second()));
    }
    match nanos {
        0 => {}
        n if n % 1_000_000 == 0 => write_to(out, format_args!(".{:03}", n / 1_000_000)),
        n if n % 1_000 == 0 => write_to(out, format_args!(".{:06}", n / 1_000)),
        n => write_to(out, format_args!(".{n:09}")),
    }
}

/// As `Period` shows itself.
fn write_months(months: i32, out: &mut String) {
    let (years, rest) = (months / 12, months % 12);
    match (years, rest) {
        (0, 0) => out.push_str("P0D"),
        (0, m) => write_to(out, format_args!("P{m}M")),
        (y, 0) => write_to(out, format_args!("P{y}Y")),
        (y, m) => write_to(out, format_args!("P{y}Y{m}M")),
    }
}

/// As `Duration` shows itself.
fn write_duration(ms: i64, out: &mut String) {
    if ms == 0 {
        return out.push_str("PT0S");
    }
    let seconds = ms / 1000;
    let (hours, minutes, seconds, fraction) = (seconds / 3600, seconds / 60 % 60, seconds % 60, ms % 1000);
    out.push_str("PT");
    if hours != 0 {
        write_to(out, format_args!("{hours}H"));
    }
    if minutes != 0 {
        write_to(out, format_args!("{minutes}M"));
    }
    if seconds != 0 || fraction != 0 {
        if ms < 0 && seconds == 0 {
            out.push('-');
        }
        write_to(out, seconds);
        if fraction != 0 {
            let digits = format!("{:03}", fraction.abs());
            out.push('.');
            out.push_str(digits.trim_end_matches('0'));
        }
        out.push('S');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Date32Array, Decimal128Array, DurationMillisecondArray, Float64Array, Time32MillisecondArray, TimestampMillisecondArray};

    use super::*;

    fn check(array: impl Array + 'static, expected: &[&str]) {
        let array: ArrayRef = Arc::new(array);
        let display = Display::new(&array).unwrap();
        let shown: Vec<String> = (0..array.len())
            .map(|i| {
                let mut out = String::new();
                display.write(i, &mut out);
                out
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn cells_show_as_in_java() {
        check(
            Float64Array::from(vec![Some(1.0), Some(-0.0), Some(1e10), Some(1.25e-5), Some(0.015), Some(1234567.5), None]),
            &["1.0", "-0.0", "1.0E10", "1.25E-5", "0.015", "1234567.5", "null"],
        );
        check(Decimal128Array::from(vec![7200, -5]).with_precision_and_scale(10, 2).unwrap(), &["72.00", "-0.05"]);
        check(Date32Array::from(vec![0, 18321]), &["1970-01-01", "2020-02-29"]);
        check(Time32MillisecondArray::from(vec![0, 36_930_250]), &["00:00", "10:15:30.250"]);
        check(TimestampMillisecondArray::from(vec![0, 1_573_430_400_590]), &["1970-01-01T00:00", "2019-11-11T00:00:00.590"]);
        check(TimestampMillisecondArray::from(vec![0]).with_timezone("UTC"), &["1970-01-01T00:00:00Z"]);
        check(DurationMillisecondArray::from(vec![0, 3_661_500, -500]), &["PT0S", "PT1H1M1.5S", "PT-0.5S"]);
        check(arrow_array::BinaryArray::from(vec![&[1u8, 255][..]]), &["[1, -1]"]);
    }
}
