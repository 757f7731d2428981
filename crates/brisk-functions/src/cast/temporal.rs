//! Casts among DATE, TIME, TIMESTAMP and TIMESTAMP_LTZ. A TIMESTAMP_LTZ shows the session's wall clock.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::TimeUnit;
use brisk_core::types::{DayTimeUnit, YearMonthUnit, timestamp_unit};
use brisk_core::{DataType as T, Error, Result};

use super::temporal_text::{MILLIS_PER_DAY, local_to_utc, truncate_fraction, units_per_second, utc_to_local};
use super::{Attempt, nested};

pub(crate) fn cast_temporal(array: &ArrayRef, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    let zone = attempt.context.time_zone;
    // The wall-clock value of the source, in a unit.
    let unit = match &attempt.from.data_type {
        T::Timestamp(p) | T::TimestampLtz(p) => timestamp_unit(*p),
        _ => TimeUnit::Millisecond,
    };
    let from_instant = matches!(attempt.from.data_type, T::TimestampLtz(_));
    let wall = |value: i64| if from_instant { utc_to_local(value, unit, zone) } else { value };
    let per_day = units_per_second(unit) * 86_400;
    match &attempt.to.data_type {
        T::Date => convert::<Date32Type>(array, attempt, |v| i32::try_from(wall(v).div_euclid(per_day)).ok()),
        T::Time(p) => convert::<Time32MillisecondType>(array, attempt, |v| {
            let millis = wall(v).rem_euclid(per_day) / (units_per_second(unit) / 1000);
            Some(truncate_time(millis as i32, *p))
        }),
        T::Timestamp(p) => timestamps(array, *p, attempt, |v| rescale(wall(v), unit, *p)),
        T::TimestampLtz(p) if from_instant => timestamps(array, *p, attempt, |v| rescale(v, unit, *p)),
        T::TimestampLtz(p) => timestamps(array, *p, attempt, |v| rescale(v, unit, *p).map(|v| local_to_utc(v, timestamp_unit(*p), zone))),
        _ => nested::refuse(attempt),
    }
}

/// Cuts milliseconds of the day down to `precision` digits of the second.
pub(crate) fn truncate_time(millis: i32, precision: u8) -> i32 {
    let step = 10i32.pow(u32::from(3u8.saturating_sub(precision)));
    millis.div_euclid(step) * step
}

/// A single-field interval as a count of its unit.
pub(crate) fn interval_number(array: &ArrayRef, attempt: &Attempt<'_>) -> Result<ArrayRef> {
    match &attempt.from.data_type {
        T::IntervalYearMonth(unit) => {
            let months = if *unit == YearMonthUnit::Year { 12 } else { 1 };
            Ok(Arc::new(array.as_primitive::<IntervalYearMonthType>().unary::<_, Int32Type>(|v| v / months)))
        }
        T::IntervalDayTime(unit) => {
            let millis = match unit {
                DayTimeUnit::Day => MILLIS_PER_DAY,
                DayTimeUnit::Hour => 3_600_000,
                DayTimeUnit::Minute => 60_000,
                _ => 1000,
            };
            Ok(Arc::new(array.as_primitive::<DurationMillisecondType>().unary::<_, Int64Type>(|v| v / millis)))
        }
        _ => nested::refuse(attempt),
    }
}

/// A count of `unit` as a TIMESTAMP(precision).
fn rescale(value: i64, unit: TimeUnit, precision: u8) -> Option<i64> {
    let (from, to) = (units_per_second(unit), units_per_second(timestamp_unit(precision)));
    let value = if to >= from { value.checked_mul(to / from)? } else { value.div_euclid(from / to) };
    Some(truncate_fraction(value, precision))
}

fn timestamps(array: &ArrayRef, precision: u8, attempt: &Attempt<'_>, f: impl Fn(i64) -> Option<i64>) -> Result<ArrayRef> {
    fn with_zone<P: ArrowTimestampType>(array: ArrayRef, attempt: &Attempt<'_>) -> ArrayRef {
        match attempt.to.data_type {
            T::TimestampLtz(_) => Arc::new(array.as_primitive::<P>().clone().with_timezone("UTC")),
            _ => array,
        }
    }
    Ok(match timestamp_unit(precision) {
        TimeUnit::Microsecond => with_zone::<TimestampMicrosecondType>(convert::<TimestampMicrosecondType>(array, attempt, f)?, attempt),
        TimeUnit::Nanosecond => with_zone::<TimestampNanosecondType>(convert::<TimestampNanosecondType>(array, attempt, f)?, attempt),
        _ => with_zone::<TimestampMillisecondType>(convert::<TimestampMillisecondType>(array, attempt, f)?, attempt),
    })
}

/// Converts the source's value, dates as milliseconds, by `f`; `None` is out of range.
fn convert<B: ArrowPrimitiveType>(array: &ArrayRef, attempt: &Attempt<'_>, f: impl Fn(i64) -> Option<B::Native>) -> Result<ArrayRef> {
    match &attempt.from.data_type {
        T::Date => each::<Date32Type, B>(array, attempt, |v| f(i64::from(v) * MILLIS_PER_DAY)),
        T::Time(_) => each::<Time32MillisecondType, B>(array, attempt, |v| f(i64::from(v))),
        T::Timestamp(p) | T::TimestampLtz(p) => match timestamp_unit(*p) {
            TimeUnit::Microsecond => each::<TimestampMicrosecondType, B>(array, attempt, f),
            TimeUnit::Nanosecond => each::<TimestampNanosecondType, B>(array, attempt, f),
            _ => each::<TimestampMillisecondType, B>(array, attempt, f),
        },
        _ => nested::refuse(attempt),
    }
}

fn each<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(array: &ArrayRef, attempt: &Attempt<'_>, f: impl Fn(A::Native) -> Option<B::Native>) -> Result<ArrayRef> {
    let array = array.as_primitive::<A>();
    if attempt.try_cast {
        return Ok(Arc::new(array.unary_opt::<_, B>(f)));
    }
    let out_of_range = || Error::compute(format!("a value of type {} is out of the range of {}", attempt.from.data_type, attempt.to.data_type));
    let converted: PrimitiveArray<B> = array.try_unary(|v| f(v).ok_or_else(out_of_range))?;
    Ok(Arc::new(converted))
}
