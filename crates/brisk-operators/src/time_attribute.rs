//! The time by which an operator orders or bounds its rows, and how a rowtime column is read.

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use brisk_core::{Error, Result};

/// Which time an operator goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeAttribute {
    /// The rowtime column at this position.
    Event { column: usize },
    /// The time of the machine when the row arrives.
    Processing,
}

/// The values of a TIMESTAMP or TIMESTAMP_LTZ column in milliseconds, rounded down. Null rows have any value.
pub fn times_ms(column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => column.as_primitive::<TimestampMillisecondType>().values().clone(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => floored(column.as_primitive::<TimestampMicrosecondType>().values(), 1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => floored(column.as_primitive::<TimestampNanosecondType>().values(), 1_000_000),
        other => return Err(Error::internal(format!("a rowtime column of Arrow type {other}"))),
    })
}

/// As [`times_ms`], for a rowtime that must not be null.
pub fn rowtimes(column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    if column.null_count() > 0 {
        return Err(null_rowtime());
    }
    times_ms(column)
}

/// The times and which of them are there.
pub fn nullable_times(column: &ArrayRef) -> Result<(ScalarBuffer<i64>, Option<NullBuffer>)> {
    Ok((times_ms(column)?, column.nulls().cloned()))
}

fn floored(values: &[i64], unit: i64) -> ScalarBuffer<i64> {
    values.iter().map(|v| v.div_euclid(unit)).collect()
}

fn null_rowtime() -> Error {
    Error::compute("a rowtime is NULL").with_remedy("filter such rows out: WHERE the time column IS NOT NULL")
}
