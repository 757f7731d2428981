//! Constants: their Flink types, by their digits, and their values.

use std::sync::Arc;

use arrow_array::*;
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, Error, Result, SqlType};
use brisk_functions::Expr;
use brisk_parser::ast::{IntervalLiteral, IntervalQualifier, Literal, TimeUnit};

use super::types;

/// The constant as an expression; errors carry no position yet.
pub fn literal(written: &Literal, context: &brisk_functions::EvalContext) -> Result<Expr> {
    Ok(match written {
        Literal::Null => Expr::null(&SqlType::nullable(DataType::Null)),
        Literal::Boolean(value) => Expr::boolean(*value),
        Literal::Unknown => Expr::null(&SqlType::nullable(DataType::Boolean)),
        Literal::Exact(text) => exact(text, false)?,
        Literal::Approximate(text) => {
            let value: f64 = text.parse().map_err(|_| Error::invalid(format!("'{text}' is no number")))?;
            not_null(Arc::new(Float64Array::from(vec![value])), DataType::Double)
        }
        Literal::String { value, .. } => Expr::string(value),
        Literal::Binary(bytes) => not_null(Arc::new(BinaryArray::from_vec(vec![bytes])), DataType::Binary(bytes.len() as u32)),
        Literal::Date(text) => {
            let days = days(text).ok_or_else(|| illegal("DATE", text, "yyyy-MM-dd"))?;
            not_null(Arc::new(Date32Array::from(vec![days])), DataType::Date)
        }
        Literal::Time(text) => {
            let (nanos, digits) = time_of_day(text).ok_or_else(|| illegal("TIME", text, "HH:mm:ss"))?;
            not_null(Arc::new(Time32MillisecondArray::from(vec![(nanos / 1_000_000) as i32])), DataType::Time(digits.min(3)))
        }
        Literal::Timestamp(text) => {
            let (seconds, nanos, digits) = timestamp(text).ok_or_else(|| illegal("TIMESTAMP", text, "yyyy-MM-dd HH:mm:ss"))?;
            let data_type = DataType::Timestamp(digits);
            not_null(timestamp_array(seconds, nanos, &data_type)?, data_type)
        }
        Literal::TimestampLtz(text) => {
            let (seconds, nanos, digits) = timestamp(text).ok_or_else(|| illegal("TIMESTAMP_LTZ", text, "yyyy-MM-dd HH:mm:ss"))?;
            let wall = DataType::Timestamp(digits);
            let wall = not_null(timestamp_array(seconds, nanos, &wall)?, wall);
            brisk_functions::expr::cast(wall, &SqlType::not_null(DataType::TimestampLtz(digits))).fold(context)?
        }
        Literal::Interval(interval) => interval_literal(interval)?,
    })
}

/// A number without exponent; `negative` allows the smallest BIGINT.
pub fn exact(text: &str, negative: bool) -> Result<Expr> {
    let out_of_range = || Error::invalid(format!("numeric literal '{text}' is out of range"));
    let sign = if negative { -1i128 } else { 1 };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let value: i128 = sign * format!("0{whole}{fraction}").parse::<i128>().map_err(|_| out_of_range())?;
    if fraction.is_empty() {
        return Ok(match (i32::try_from(value), i64::try_from(value)) {
            (Ok(_), _) if value == i32::MIN as i128 => Expr::bigint(value as i64),
            (Ok(v), _) => Expr::int(v),
            (_, Ok(v)) => Expr::bigint(v),
            _ => decimal(value, whole.len(), 0).ok_or_else(out_of_range)?,
        });
    }
    decimal(value, whole.len() + fraction.len(), fraction.len()).ok_or_else(out_of_range)
}

fn decimal(value: i128, precision: usize, scale: usize) -> Option<Expr> {
    let precision = u8::try_from(precision).ok().filter(|p| (1..=38).contains(p))?;
    let array = Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale as i8).ok()?;
    Some(not_null(Arc::new(array), DataType::decimal(precision, scale as u8)))
}

fn not_null(value: ArrayRef, data_type: DataType) -> Expr {
    Expr::literal(value, SqlType::not_null(data_type))
}

fn illegal(what: &str, text: &str, format: &str) -> Error {
    Error::invalid(format!("illegal {what} literal '{text}': not in format '{format}'"))
}

/// Days since 1970-01-01 of `yyyy-M-d`.
fn days(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-');
    let (y, m, d) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let last = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&m) || d < 1 || d > last[m as usize - 1] {
        return None;
    }
    // Days of the civil calendar, with years that begin in March.
    let (y, m) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * m + 2) / 5 + d - 1;
    Some((era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468) as i32)
}

/// Nanoseconds and fraction digits of `H:m:s[.fraction]`.
fn time_of_day(text: &str) -> Option<(i64, u8)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (h, m, s) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || h > 23 || m > 59 || s > 59 || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some(((h * 3600 + m * 60 + s) * 1_000_000_000 + nanos, fraction.len() as u8))
}

/// Seconds since 1970, nanoseconds, and fraction digits.
fn timestamp(text: &str) -> Option<(i64, i64, u8)> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let (nanos, digits) = time_of_day(time)?;
    Some((days(date)? as i64 * 86_400 + nanos / 1_000_000_000, nanos % 1_000_000_000, digits))
}

fn timestamp_array(seconds: i64, nanos: i64, data_type: &DataType) -> Result<ArrayRef> {
    let DataType::Timestamp(precision) = data_type else { return Err(Error::internal("not a timestamp")) };
    let (per_second, divisor) = match timestamp_unit(*precision) {
        arrow_schema::TimeUnit::Millisecond => (1_000, 1_000_000),
        arrow_schema::TimeUnit::Microsecond => (1_000_000, 1_000),
        _ => (1_000_000_000, 1),
    };
    let value = seconds.checked_mul(per_second).and_then(|v| v.checked_add(nanos / divisor));
    let value = value.ok_or_else(|| Error::invalid("the TIMESTAMP literal is out of range"))?;
    Ok(match per_second {
        1_000 => Arc::new(TimestampMillisecondArray::from(vec![value])),
        1_000_000 => Arc::new(TimestampMicrosecondArray::from(vec![value])),
        _ => Arc::new(TimestampNanosecondArray::from(vec![value])),
    })
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let fits = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

/// 1970-01-01.
pub fn epoch() -> Expr {
    not_null(Arc::new(Date32Array::from(vec![0])), DataType::Date)
}

fn interval_literal(written: &IntervalLiteral) -> Result<Expr> {
    let qualifier = &written.qualifier;
    let data_type = types::interval(qualifier).ok_or_else(|| Error::invalid("no such INTERVAL: the units must go from the larger to the smaller"))?;
    let amount = interval_amount(&written.value, qualifier)?;
    let amount = if written.negative { -amount } else { amount };
    interval_value(amount, data_type)
}

/// Months or milliseconds as an interval.
pub fn interval_value(amount: i64, data_type: DataType) -> Result<Expr> {
    let value: ArrayRef = match &data_type {
        DataType::IntervalYearMonth(_) => {
            let months = i32::try_from(amount).map_err(|_| Error::invalid("the INTERVAL is too long"))?;
            Arc::new(IntervalYearMonthArray::from(vec![months]))
        }
        _ => Arc::new(DurationMillisecondArray::from(vec![amount])),
    };
    Ok(not_null(value, data_type))
}

/// Months or milliseconds of the text of an interval, with the checks of SQL: the leading field has at most as many
/// digits as its precision (2 by default), the others are below the next unit.
fn interval_amount(text: &str, qualifier: &IntervalQualifier) -> Result<i64> {
    let illegal = || Error::invalid(format!("illegal interval literal format '{text}' for INTERVAL {}", qualifier_text(qualifier)));
    let trimmed = text.trim();
    let (negative, rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let units = units_between(qualifier.start, qualifier.end);
    let mut rest = rest;
    let mut total: i64 = 0;
    for (i, unit) in units.iter().enumerate() {
        let last = i + 1 == units.len();
        let end = if last { rest.len() } else { rest.find(separator_after(*unit)).ok_or_else(illegal)? };
        let (field, fraction) = match rest[..end].split_once('.') {
            Some((field, fraction)) if last && *unit == TimeUnit::Second => (field, fraction),
            Some(_) => return Err(illegal()),
            None => (&rest[..end], ""),
        };
        rest = if last { "" } else { &rest[end + 1..] };
        let value = number(field, 10).ok_or_else(illegal)?;
        if i == 0 {
            check_leading(field, value, qualifier)?;
        } else if value > greatest(*unit) {
            return Err(illegal());
        }
        total = value.checked_mul(length_of(*unit)).and_then(|v| total.checked_add(v)).ok_or_else(illegal)?;
        if !fraction.is_empty() {
            if fraction.len() > qualifier.fraction.unwrap_or(6) as usize || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return Err(illegal());
            }
            total += format!("{fraction:0<3}")[..3].parse::<i64>().map_err(|_| illegal())?;
        }
    }
    Ok(if negative { -total } else { total })
}

fn check_leading(field: &str, value: i64, qualifier: &IntervalQualifier) -> Result<()> {
    let precision = qualifier.precision.unwrap_or(2);
    let digits = if value == 0 { 1 } else { field.trim_start_matches('0').len() };
    if digits as u32 <= precision {
        return Ok(());
    }
    let unit = unit_name(qualifier.start);
    let error = Error::invalid(format!("interval field value {value} exceeds precision of {unit}({precision}) field"));
    Err(error.with_remedy(format!("write INTERVAL '{value}' {unit}({digits}), or use a larger unit")))
}

fn units_between(start: TimeUnit, end: Option<TimeUnit>) -> Vec<TimeUnit> {
    use TimeUnit as U;
    let Some(end) = end else { return vec![start] };
    let all: &[U] = if start == U::Year { &[U::Year, U::Month] } else { &[U::Day, U::Hour, U::Minute, U::Second] };
    all.iter().copied().skip_while(|u| *u != start).take_while(|u| *u != end).chain([end]).collect()
}

fn separator_after(unit: TimeUnit) -> char {
    match unit {
        TimeUnit::Year => '-',
        TimeUnit::Day => ' ',
        _ => ':',
    }
}

fn greatest(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Month => 11,
        TimeUnit::Hour => 23,
        _ => 59,
    }
}

/// Months, or milliseconds.
pub fn length_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Year => 12,
        TimeUnit::Quarter => 3,
        TimeUnit::Month => 1,
        TimeUnit::Week => 7 * 86_400_000,
        TimeUnit::Day => 86_400_000,
        TimeUnit::Hour => 3_600_000,
        TimeUnit::Minute => 60_000,
        TimeUnit::Second => 1_000,
        _ => 1,
    }
}

fn qualifier_text(qualifier: &IntervalQualifier) -> String {
    match qualifier.end {
        Some(end) => format!("{} TO {}", unit_name(qualifier.start), unit_name(end)),
        None => unit_name(qualifier.start).to_string(),
    }
}

/// The unit as SQL writes it.
pub fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Nanosecond => "NANOSECOND",
        TimeUnit::Microsecond => "MICROSECOND",
        TimeUnit::Millisecond => "MILLISECOND",
        TimeUnit::Second => "SECOND",
        TimeUnit::Minute => "MINUTE",
        TimeUnit::Hour => "HOUR",
        TimeUnit::Day => "DAY",
        TimeUnit::Week => "WEEK",
        TimeUnit::Month => "MONTH",
        TimeUnit::Quarter => "QUARTER",
        TimeUnit::Year => "YEAR",
        TimeUnit::Decade => "DECADE",
        TimeUnit::Century => "CENTURY",
        TimeUnit::Millennium => "MILLENNIUM",
        TimeUnit::Dow => "DOW",
        TimeUnit::IsoDow => "ISODOW",
        TimeUnit::Doy => "DOY",
        TimeUnit::IsoYear => "ISOYEAR",
        TimeUnit::Epoch => "EPOCH",
    }
}
