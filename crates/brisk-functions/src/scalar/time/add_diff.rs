//! TIMESTAMPADD and TIMESTAMPDIFF.
//!
//! Adding hours or less to a DATE gives a TIMESTAMP(6); a TIME goes round the clock, and whole days leave it alone. The
//! difference is the number of whole units from the first to the second, as INT; a TIME counts as one of 1970-01-01.

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, Error, Result, SqlType};

use super::point::{Points, build};
use super::unit::Unit;
use crate::cast::temporal_text::{add_months, units_per_second};
use crate::scalar::binding::expect_count;
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_numbers;
use crate::scalar::{Argument, Call, Signature};

const MILLIS_PER_DAY: i64 = 86_400_000;

pub(super) const FUNCTIONS: &[Builtin] = &[Builtin::new("TIMESTAMPADD", bind_add, add).safe(), Builtin::new("TIMESTAMPDIFF", bind_diff, difference).safe()];

fn is_point(data_type: &DataType) -> bool {
    data_type.is_timestamp() || matches!(data_type, DataType::Date | DataType::Time(_))
}

fn bind_add(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 3, 3)?;
    let unit = Unit::of(&args[0])?;
    let (count, point) = (&args[1].sql_type, &args[2].sql_type);
    if !(count.data_type.is_integer() || count.data_type == DataType::Null) || !is_point(&point.data_type) {
        let given = format!("{}, {}", count.data_type, point.data_type);
        return Err(Error::invalid(format!("takes a unit, an integer and a date, time or timestamp, not {given}")));
    }
    if unit.months().is_none() && unit.millis().is_none() {
        return Err(Error::invalid(format!("unit {} can not be added", unit.name())));
    }
    let is_clock = unit.millis().is_some_and(|m| m < MILLIS_PER_DAY);
    let data_type = match (&point.data_type, unit) {
        (DataType::Date, _) if is_clock => DataType::Timestamp(6),
        (DataType::Timestamp(p), Unit::Millisecond) => DataType::Timestamp((*p).max(3)),
        (DataType::TimestampLtz(p), Unit::Millisecond) => DataType::TimestampLtz((*p).max(3)),
        (other, _) => other.clone(),
    };
    let count_type = SqlType { data_type: DataType::BigInt, nullable: count.nullable || count.data_type == DataType::Null };
    let returns = SqlType { data_type, nullable: count_type.nullable || point.nullable };
    Ok(Signature { args: vec![args[0].sql_type.clone(), count_type, point.clone()], returns })
}

fn add(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = Unit::of_call(call, 0)?;
    let counts = call.integers(1);
    let points = Points::new(call, 2);
    if matches!(call.returns.data_type, DataType::Time(_)) {
        let millis = unit.millis().unwrap_or(0);
        let shifted = |value: i64, count: i64| value.wrapping_add(count.wrapping_mul(millis)).rem_euclid(MILLIS_PER_DAY);
        return Ok(build(call.returns, call.rows, |row| Some(shifted(points.get(row)?, counts.get(row)?))));
    }
    if let Some(months) = unit.months() {
        let per_day = points.per_second * 86_400;
        let shifted = |wall: i64, count: i64| {
            let days = add_months(wall.div_euclid(per_day), count.checked_mul(months)?)?;
            days.checked_mul(per_day)?.checked_add(wall.rem_euclid(per_day))
        };
        return Ok(build(call.returns, call.rows, |row| Some(points.at_wall(shifted(points.wall(row)?, counts.get(row)?)?))));
    }
    // Where a DATE becomes a TIMESTAMP, or one of more digits, the value is brought to the result's unit first.
    let per_second = match call.returns.data_type {
        DataType::Timestamp(p) | DataType::TimestampLtz(p) => units_per_second(timestamp_unit(p)),
        _ => points.per_second,
    };
    let factor = per_second / points.per_second;
    let size = unit.millis().unwrap_or(0) * (per_second / 1000);
    let shifted = |value: i64, count: i64| value.checked_mul(factor)?.checked_add(count.checked_mul(size)?);
    Ok(build(call.returns, call.rows, |row| shifted(points.get(row)?, counts.get(row)?)))
}

fn bind_diff(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 3, 3)?;
    let unit = Unit::of(&args[0])?;
    let types = [&args[1].sql_type, &args[2].sql_type];
    if let Some(bad) = types.iter().find(|t| !is_point(&t.data_type)) {
        return Err(Error::invalid(format!("takes a unit and two dates, times or timestamps, not {}", bad.data_type)));
    }
    let is_instant = |t: &SqlType| matches!(t.data_type, DataType::TimestampLtz(_));
    if is_instant(types[0]) != is_instant(types[1]) {
        return Err(Error::invalid("TIMESTAMP_LTZ only supports diff between the same type").with_remedy("CAST the other to TIMESTAMP_LTZ"));
    }
    let is_month = matches!(unit, Unit::Month | Unit::Quarter | Unit::Year);
    if !is_month && unit.millis().is_none_or(|m| m < 1000) {
        return Err(Error::invalid(format!("Unit '{}' can not be applied to the timestamp difference function.", unit.name())));
    }
    let returns = SqlType { data_type: DataType::Int, nullable: types.iter().any(|t| t.nullable) };
    Ok(Signature { args: args.iter().map(|a| a.sql_type.clone()).collect(), returns })
}

fn difference(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = Unit::of_call(call, 0)?;
    let (from, to) = (Points::new(call, 1), Points::new(call, 2));
    if let Some(months) = unit.months() {
        let whole = |to: i64, from: i64| (months_between(to, from) / months) as i32;
        return Ok(build_numbers::<Int32Type>(call.rows, |row| Some(whole(to.wall_millis(row)?, from.wall_millis(row)?))));
    }
    let size = unit.millis().unwrap_or(1);
    Ok(build_numbers::<Int32Type>(call.rows, |row| Some((to.wall_millis(row)?.wrapping_sub(from.wall_millis(row)?) / size) as i32)))
}

/// Whole months from `from` to `to`, both in milliseconds.
fn months_between(to: i64, from: i64) -> i64 {
    let (to_day, from_day) = (to.div_euclid(MILLIS_PER_DAY), from.div_euclid(MILLIS_PER_DAY));
    let months = months_between_days(to_day, from_day);
    let meets = add_months(from_day, months) == Some(to_day);
    months - i64::from(meets && to.rem_euclid(MILLIS_PER_DAY) < from.rem_euclid(MILLIS_PER_DAY))
}

fn months_between_days(to: i64, from: i64) -> i64 {
    if to < from {
        return -months_between_days(from, to);
    }
    // No month has more than 31 days, so this is never too many.
    let mut months = (to - from) / 31;
    loop {
        match (add_months(from, months), add_months(from, months + 1)) {
            (Some(day), _) if day >= to => return months,
            (_, Some(next)) if next <= to => months += 1,
            _ => return months,
        }
    }
}
