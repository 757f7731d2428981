//! What time it is: the batch's processing time, by the session's clock where the type has no zone.

use arrow_array::ArrayRef;
use arrow_schema::TimeUnit;
use brisk_core::{DataType, Result, SqlType};

use super::point::build;
use crate::cast::temporal_text::utc_to_local;
use crate::scalar::binding::expect_count;
use crate::scalar::builtin::Builtin;
use crate::scalar::{Argument, Call, Signature};

const MILLIS_PER_DAY: i64 = 86_400_000;

macro_rules! instant {
    ($name:literal) => {
        Builtin::new($name, |args| bind(args, DataType::TimestampLtz(3)), |call| constant(call, call.context.processing_time_ms)).volatile().safe()
    };
}

macro_rules! clock {
    ($name:literal, $data_type:expr, $value:expr) => {
        Builtin::new($name, |args| bind(args, $data_type), |call| constant(call, $value(wall(call)))).volatile().safe()
    };
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    clock!("CURRENT_DATE", DataType::Date, |wall: i64| wall),
    clock!("CURRENT_TIME", DataType::Time(0), seconds_of_day),
    clock!("LOCALTIME", DataType::Time(0), seconds_of_day),
    clock!("LOCALTIMESTAMP", DataType::Timestamp(3), |wall: i64| wall),
    instant!("CURRENT_TIMESTAMP"),
    instant!("CURRENT_ROW_TIMESTAMP"),
    instant!("NOW"),
    instant!("PROCTIME"),
];

fn bind(args: &[Argument], returns: DataType) -> Result<Signature> {
    expect_count(args, 0, 0)?;
    Ok(Signature { args: Vec::new(), returns: SqlType::not_null(returns) })
}

fn wall(call: &Call<'_>) -> i64 {
    utc_to_local(call.context.processing_time_ms, TimeUnit::Millisecond, call.context.time_zone)
}

fn seconds_of_day(wall: i64) -> i64 {
    wall.rem_euclid(MILLIS_PER_DAY) / 1000 * 1000
}

fn constant(call: &Call<'_>, value: i64) -> Result<ArrayRef> {
    Ok(build(call.returns, call.rows, |_| Some(value)))
}
