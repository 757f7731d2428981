//! FLOOR and CEIL of a date, time or timestamp to a unit.
//!
//! Weeks begin on Sunday. As in Flink the ceiling of a DATE to a day is the next day, the ceiling to months and longer looks
//! at the date alone, and a TIMESTAMP_LTZ is cut by the session's clock.

use arrow_array::ArrayRef;
use brisk_core::{DataType, Error, Result};

use super::calendar::{ceil_day, floor_day};
use super::point::{Points, build};
use super::unit::Unit;
use crate::scalar::binding::expect_count;
use crate::scalar::builtin::Builtin;
use crate::scalar::{Argument, Call, Signature};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("FLOOR TO", bind, |call| round(call, false)).safe(),
    Builtin::new("CEIL TO", bind, |call| round(call, true)).aliases(&["CEILING TO"]).safe(),
];

fn bind(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let (point, unit) = (&args[0].sql_type, Unit::of(&args[1])?);
    let is_long = unit.months().is_some() || matches!(unit, Unit::Week | Unit::Day);
    let fits = match &point.data_type {
        DataType::Timestamp(_) | DataType::TimestampLtz(_) | DataType::Date => is_long || unit.millis().is_some(),
        DataType::Time(_) => unit.millis().is_some() && unit != Unit::Week,
        other => return Err(Error::invalid(format!("takes a date, a time or a timestamp, not {other}"))),
    };
    if !fits {
        return Err(Error::invalid(format!("unit {} can not be applied to {point} variable", unit.name())));
    }
    Ok(Signature { args: vec![point.clone(), args[1].sql_type.clone()], returns: point.clone() })
}

fn round(call: &Call<'_>, up: bool) -> Result<ArrayRef> {
    let unit = Unit::of_call(call, 1)?;
    let points = Points::new(call, 0);
    let per_day = points.per_second * 86_400;
    let is_date = call.arg_types[0].data_type == DataType::Date;
    if unit.months().is_some() || unit == Unit::Week {
        let rounded = if up { ceil_day } else { floor_day };
        return Ok(build(call.returns, call.rows, |row| points.wall(row).map(|wall| points.at_wall(rounded(unit, wall / per_day) * per_day))));
    }
    if is_date && unit == Unit::Day {
        return Ok(build(call.returns, call.rows, |row| points.get(row).map(|day| day + i64::from(up))));
    }
    let Some(millis) = unit.millis().filter(|_| !is_date) else { return Ok(build(call.returns, call.rows, |row| points.get(row))) };
    let size = millis * (points.per_second / 1000);
    let rounded = |wall: i64| {
        let rest = wall.rem_euclid(size);
        if up && rest > 0 { wall - rest + size } else { wall - rest }
    };
    // Minutes and seconds are the same in all zones.
    if millis < 3_600_000 {
        return Ok(build(call.returns, call.rows, |row| points.get(row).map(rounded)));
    }
    Ok(build(call.returns, call.rows, |row| points.wall(row).map(|wall| points.at_wall(rounded(wall)))))
}
