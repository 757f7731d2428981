//! Arithmetic of dates, times, timestamps and intervals, behind `+`, `-`, `*` and `/`.
//!
//! | | |
//! |---|---|
//! | point + interval, interval + point, point - interval | the point's type |
//! | interval + interval, interval - interval | an interval |
//! | interval * number, number * interval, interval / number | an interval |
//!
//! A point minus a point is TIMESTAMPDIFF or `(a - b) DAY`, which name their unit. Months are added by the calendar:
//! the last of January plus one month is the last of February.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use arrow_schema::TimeUnit;
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType as T, Error, Result, SqlType};

use super::arithmetic::Operator;
use super::reader::Reader;
use super::{Call, Signature};
use crate::Columnar;
use crate::cast::temporal_text::{MILLIS_PER_DAY, add_months, units_per_second};
use crate::types::common_type;

pub(super) fn is_temporal(t: &SqlType) -> bool {
    is_point(&t.data_type) || t.data_type.is_interval()
}

fn is_point(t: &T) -> bool {
    t.is_timestamp() || matches!(t, T::Date | T::Time(_))
}

pub(super) fn bind(operator: Operator, left: &SqlType, right: &SqlType) -> Result<Signature> {
    use Operator::{Divide, Minus, Plus, Times};
    let nullable = left.nullable || right.nullable;
    let args = |a: &SqlType, b: &SqlType, returns: &SqlType| Ok(Signature { args: vec![a.clone(), b.clone()], returns: returns.with_nullable(nullable) });
    let refuse = || Err(Error::invalid(format!("'{operator}' cannot take {} and {}", left.data_type, right.data_type)));
    let null_interval = || SqlType::nullable(T::IntervalDayTime(brisk_core::types::DayTimeUnit::DayToSecond));
    match (operator, &left.data_type, &right.data_type) {
        (Plus | Minus, a, T::Null) if is_point(a) => args(left, &null_interval(), left),
        (Plus, T::Null, b) if is_point(b) => args(&null_interval(), right, right),
        (Plus | Minus, a, b) if is_point(a) && b.is_interval() => args(left, right, left),
        (Plus, a, b) if a.is_interval() && is_point(b) => args(left, right, right),
        (Plus | Minus, a, b) if a.is_interval() && b.is_interval() => match common_type(&[left.clone(), right.clone()]) {
            Some(common) => args(left, right, &common),
            None => refuse(),
        },
        (Times, a, b) if a.is_interval() && b.is_numeric() => args(left, &factor(right), left),
        (Times, a, b) if a.is_numeric() && b.is_interval() => args(&factor(left), right, right),
        (Divide, a, b) if a.is_interval() && b.is_numeric() => args(left, &factor(right), left),
        (Minus, a, b) if is_point(a) && is_point(b) => {
            let error = Error::invalid(format!("'-' of {} and {} needs a unit", left.data_type, right.data_type));
            Err(error.with_remedy("use TIMESTAMPDIFF(DAY, b, a)"))
        }
        _ => refuse(),
    }
}

/// A factor of an interval: an integer as BIGINT, anything else as DOUBLE.
fn factor(t: &SqlType) -> SqlType {
    SqlType { data_type: if t.data_type.is_integer() { T::BigInt } else { T::Double }, nullable: t.nullable }
}

pub(super) fn evaluate(operator: Operator, call: &Call<'_>) -> Result<Columnar> {
    let result = match (&call.arg_types[0].data_type, &call.arg_types[1].data_type) {
        (a, b) if is_point(a) && b.is_interval() => shift(call, 0, 1, operator == Operator::Minus)?,
        (a, b) if a.is_interval() && is_point(b) => shift(call, 1, 0, false)?,
        (T::IntervalYearMonth(_), T::IntervalYearMonth(_)) => {
            let sign = if operator == Operator::Minus { -1 } else { 1 };
            pairs::<IntervalYearMonthType, IntervalYearMonthType, IntervalYearMonthType>(call, 0, 1, |a, b| Some(a.wrapping_add(b.wrapping_mul(sign))))?
        }
        (T::IntervalDayTime(_), T::IntervalDayTime(_)) => {
            let sign = if operator == Operator::Minus { -1 } else { 1 };
            pairs::<DurationMillisecondType, DurationMillisecondType, DurationMillisecondType>(call, 0, 1, |a, b| Some(a.wrapping_add(b.wrapping_mul(sign))))?
        }
        (a, b) if a.is_interval() => scale(operator, call, 0, 1, a, b)?,
        (a, b) => scale(operator, call, 1, 0, b, a)?,
    };
    Ok(Columnar::Array(result))
}

/// Interval times or divided by a number.
fn scale(operator: Operator, call: &Call<'_>, interval: usize, number: usize, interval_type: &T, number_type: &T) -> Result<ArrayRef> {
    let divide = operator == Operator::Divide;
    let by_integer = move |v: i64, n: i64| if divide { v.checked_div(n) } else { Some(v.wrapping_mul(n)) };
    let by_double = move |v: i64, n: f64| Some((if divide { v as f64 / n } else { v as f64 * n }) as i64);
    match (interval_type, number_type.is_integer()) {
        (T::IntervalYearMonth(_), true) => {
            pairs::<IntervalYearMonthType, Int64Type, IntervalYearMonthType>(call, interval, number, |v, n| by_integer(i64::from(v), n).map(|v| v as i32))
        }
        (T::IntervalYearMonth(_), false) => {
            pairs::<IntervalYearMonthType, Float64Type, IntervalYearMonthType>(call, interval, number, |v, n| by_double(i64::from(v), n).map(|v| v as i32))
        }
        (_, true) => pairs::<DurationMillisecondType, Int64Type, DurationMillisecondType>(call, interval, number, by_integer),
        (_, false) => pairs::<DurationMillisecondType, Float64Type, DurationMillisecondType>(call, interval, number, by_double),
    }
}

/// A point moved by an interval.
fn shift(call: &Call<'_>, point: usize, interval: usize, back: bool) -> Result<ArrayRef> {
    let by_months = matches!(call.arg_types[interval].data_type, T::IntervalYearMonth(_));
    let sign = if back { -1i64 } else { 1 };
    match &call.arg_types[point].data_type {
        T::Date if by_months => pairs::<Date32Type, IntervalYearMonthType, Date32Type>(call, point, interval, |d, m| {
            add_months(i64::from(d), sign * i64::from(m)).and_then(|d| i32::try_from(d).ok())
        }),
        T::Date => pairs::<Date32Type, DurationMillisecondType, Date32Type>(call, point, interval, |d, ms| {
            i32::try_from(i64::from(d) + sign * (ms / MILLIS_PER_DAY)).ok()
        }),
        T::Time(_) if by_months => call.array(point),
        T::Time(_) => pairs::<Time32MillisecondType, DurationMillisecondType, Time32MillisecondType>(call, point, interval, |t, ms| {
            Some((i64::from(t) + sign * (ms % MILLIS_PER_DAY)).rem_euclid(MILLIS_PER_DAY) as i32)
        }),
        T::Timestamp(p) | T::TimestampLtz(p) => {
            let shifted = match timestamp_unit(*p) {
                TimeUnit::Microsecond => shift_timestamp::<TimestampMicrosecondType>(call, point, interval, by_months, sign)?,
                TimeUnit::Nanosecond => shift_timestamp::<TimestampNanosecondType>(call, point, interval, by_months, sign)?,
                _ => shift_timestamp::<TimestampMillisecondType>(call, point, interval, by_months, sign)?,
            };
            let data = shifted.to_data().into_builder().data_type(call.returns.to_arrow()).build()?;
            Ok(arrow_array::make_array(data))
        }
        other => Err(Error::internal(format!("{other} is no point in time"))),
    }
}

fn shift_timestamp<P: ArrowTimestampType>(call: &Call<'_>, point: usize, interval: usize, by_months: bool, sign: i64) -> Result<ArrayRef> {
    let per_second = units_per_second(P::UNIT);
    if by_months {
        let per_day = per_second * 86_400;
        return pairs::<P, IntervalYearMonthType, P>(call, point, interval, |t, m| {
            let days = add_months(t.div_euclid(per_day), sign * i64::from(m))?;
            days.checked_mul(per_day)?.checked_add(t.rem_euclid(per_day))
        });
    }
    let per_millisecond = per_second / 1000;
    pairs::<P, DurationMillisecondType, P>(call, point, interval, |t, ms| t.checked_add(ms.checked_mul(sign * per_millisecond)?))
}

/// Combines two arguments row by row; `None` is a result out of range (or a division by zero).
fn pairs<A, B, R>(call: &Call<'_>, a: usize, b: usize, f: impl Fn(A::Native, B::Native) -> Option<R::Native>) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    R: ArrowPrimitiveType,
{
    let out_of_range = || Error::compute(format!("a result is out of the range of {}", call.returns.data_type));
    if let Columnar::Scalar(constant) = &call.args[b] {
        let constant = constant.as_primitive::<B>();
        let values = call.args[a].values().as_primitive::<A>();
        if arrow_array::Array::is_valid(constant, 0) {
            let constant = constant.value(0);
            return Ok(Arc::new(values.try_unary::<_, R, Error>(|v| f(v, constant).ok_or_else(out_of_range))?));
        }
    }
    let (left, right): (Reader<'_, _>, Reader<'_, _>) = (call.number::<A>(a), call.number::<B>(b));
    let mut builder = arrow_array::builder::PrimitiveBuilder::<R>::with_capacity(call.rows);
    for row in 0..call.rows {
        match (left.get(row), right.get(row)) {
            (Some(x), Some(y)) => builder.append_value(f(x, y).ok_or_else(out_of_range)?),
            _ => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}
