//! Points in time read from columns of any temporal type, and columns made of them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::TimeUnit;
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, SqlType};
use chrono_tz::Tz;

use crate::cast::temporal_text::{local_to_utc, units_per_second, utc_to_local};
use crate::scalar::Call;

/// An argument of a temporal type. Values are counts of [`Points::per_second`] parts of a second since 1970 (a DATE at
/// midnight, a TIME on the first day), of months, or of milliseconds for intervals.
pub(super) struct Points<'a> {
    values: Values<'a>,
    step: usize,
    /// Where there are some.
    nulls: Option<&'a NullBuffer>,
    pub per_second: i64,
    /// For TIMESTAMP_LTZ: the zone whose clocks show it.
    zone: Option<Tz>,
    unit: TimeUnit,
}

enum Values<'a> {
    Long(&'a [i64]),
    /// A factor brings them to milliseconds.
    Int(&'a [i32], i64),
}

impl<'a> Points<'a> {
    pub fn new(call: &Call<'a>, index: usize) -> Self {
        let array = call.args[index].values();
        let step = usize::from(!call.args[index].is_scalar());
        let data_type = &call.arg_types[index].data_type;
        let unit = match data_type {
            DataType::Timestamp(p) | DataType::TimestampLtz(p) => timestamp_unit(*p),
            _ => TimeUnit::Millisecond,
        };
        let values = match data_type {
            DataType::Date => Values::Int(array.as_primitive::<Date32Type>().values(), 86_400_000),
            DataType::Time(_) => Values::Int(array.as_primitive::<Time32MillisecondType>().values(), 1),
            DataType::IntervalYearMonth(_) => Values::Int(array.as_primitive::<IntervalYearMonthType>().values(), 1),
            DataType::IntervalDayTime(_) => Values::Long(array.as_primitive::<DurationMillisecondType>().values()),
            _ => Values::Long(match unit {
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                _ => array.as_primitive::<TimestampMillisecondType>().values(),
            }),
        };
        let zone = matches!(data_type, DataType::TimestampLtz(_)).then_some(call.context.time_zone);
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Self { values, step, nulls, per_second: units_per_second(unit), zone, unit }
    }

    /// The value as it is kept: an instant for TIMESTAMP_LTZ.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        let row = row * self.step;
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        Some(match &self.values {
            Values::Long(values) => values[row],
            Values::Int(values, factor) => i64::from(values[row]) * factor,
        })
    }

    /// What the clock shows: for TIMESTAMP_LTZ in the session's zone.
    #[inline]
    pub fn wall(&self, row: usize) -> Option<i64> {
        let value = self.get(row)?;
        Some(match self.zone {
            Some(zone) => utc_to_local(value, self.unit, zone),
            None => value,
        })
    }

    /// What the clock shows, in whole milliseconds.
    #[inline]
    pub fn wall_millis(&self, row: usize) -> Option<i64> {
        self.wall(row).map(|v| v.div_euclid(self.per_second / 1000))
    }

    /// The value that the clock's `wall` stands for.
    pub fn at_wall(&self, wall: i64) -> i64 {
        match self.zone {
            Some(zone) => local_to_utc(wall, self.unit, zone),
            None => wall,
        }
    }
}

/// A column of `sql_type` (DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ) from values as [`Points`] gives them.
pub(super) fn build(sql_type: &SqlType, rows: usize, value: impl Fn(usize) -> Option<i64>) -> ArrayRef {
    fn column<P: ArrowPrimitiveType>(sql_type: &SqlType, rows: usize, value: impl Fn(usize) -> Option<P::Native>) -> ArrayRef {
        let array: PrimitiveArray<P> = (0..rows).map(value).collect();
        Arc::new(array.with_data_type(sql_type.to_arrow()))
    }
    match &sql_type.data_type {
        DataType::Date => column::<Date32Type>(sql_type, rows, |r| value(r).map(|v| v.div_euclid(86_400_000) as i32)),
        DataType::Time(_) => column::<Time32MillisecondType>(sql_type, rows, |r| value(r).map(|v| v as i32)),
        DataType::Timestamp(p) | DataType::TimestampLtz(p) => match timestamp_unit(*p) {
            TimeUnit::Nanosecond => column::<TimestampNanosecondType>(sql_type, rows, value),
            TimeUnit::Microsecond => column::<TimestampMicrosecondType>(sql_type, rows, value),
            _ => column::<TimestampMillisecondType>(sql_type, rows, value),
        },
        _ => arrow_array::new_null_array(&sql_type.to_arrow(), rows),
    }
}
