//! EXTRACT and its short forms: YEAR, QUARTER, MONTH, WEEK, DAYOFYEAR, DAYOFMONTH, DAYOFWEEK, HOUR, MINUTE, SECOND.
//!
//! Divisions are cut toward zero, as in Flink: hours before 1970 are negative, and a moment of 1969-12-31 counts as the
//! first day of 1970.

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use brisk_core::{DataType, Error, Result, SqlType};

use super::calendar;
use super::point::Points;
use super::unit::Unit;
use crate::scalar::binding::expect_count;
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_numbers;
use crate::scalar::{Argument, Call, Signature};

const MILLIS_PER_DAY: i64 = 86_400_000;

macro_rules! short_form {
    ($name:literal, $unit:expr) => {
        Builtin::new($name, |args| bind_short(args, $unit), |call| extract(call, 0, $unit)).safe()
    };
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("EXTRACT", bind_extract, |call| extract(call, 1, Unit::of_call(call, 0)?)).safe(),
    short_form!("YEAR", Unit::Year),
    short_form!("QUARTER", Unit::Quarter),
    short_form!("MONTH", Unit::Month),
    short_form!("WEEK", Unit::Week),
    short_form!("DAYOFYEAR", Unit::DayOfYear),
    short_form!("DAYOFMONTH", Unit::Day),
    short_form!("DAYOFWEEK", Unit::DayOfWeek),
    short_form!("HOUR", Unit::Hour),
    short_form!("MINUTE", Unit::Minute),
    short_form!("SECOND", Unit::Second),
];

fn bind_extract(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 2, 2)?;
    let returns = bind(&args[1].sql_type, Unit::of(&args[0])?)?;
    Ok(Signature { args: vec![args[0].sql_type.clone(), args[1].sql_type.clone()], returns })
}

fn bind_short(args: &[Argument], unit: Unit) -> Result<Signature> {
    expect_count(args, 1, 1)?;
    Ok(Signature { args: vec![args[0].sql_type.clone()], returns: bind(&args[0].sql_type, unit)? })
}

fn bind(from: &SqlType, unit: Unit) -> Result<SqlType> {
    let refuse = |what: &str| Err(Error::invalid(format!("unit {} can not be applied to {what} variable", unit.name())));
    let is_fraction = matches!(unit, Unit::Microsecond | Unit::Nanosecond);
    let is_clock = is_fraction || matches!(unit, Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour);
    match &from.data_type {
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => {}
        DataType::Date | DataType::Time(_) | DataType::IntervalDayTime(_) | DataType::IntervalYearMonth(_) if is_fraction => return refuse(&from.to_string()),
        DataType::Date => {}
        DataType::Time(_) if !is_clock && unit != Unit::Epoch => return refuse("time"),
        DataType::Time(_) => {}
        DataType::IntervalDayTime(_) if is_clock || matches!(unit, Unit::Day | Unit::Week | Unit::Epoch) => {}
        DataType::IntervalYearMonth(_) if unit.months().is_some() => {}
        DataType::IntervalDayTime(_) | DataType::IntervalYearMonth(_) => return refuse(&from.to_string()),
        other => return Err(Error::invalid(format!("takes a date, a time, a timestamp or an interval, not {other}"))),
    }
    Ok(SqlType { data_type: DataType::BigInt, nullable: from.nullable })
}

fn extract(call: &Call<'_>, index: usize, unit: Unit) -> Result<ArrayRef> {
    let points = Points::new(call, index);
    if matches!(call.arg_types[index].data_type, DataType::IntervalYearMonth(_)) {
        return Ok(build_numbers::<Int64Type>(call.rows, |row| points.get(row).map(|months| of_months(unit, months))));
    }
    let is_interval = call.arg_types[index].data_type.is_interval();
    if !is_interval && calendar::field(unit, 0).is_some() && unit != Unit::Epoch {
        let field = |millis: i64| calendar::field(unit, millis / MILLIS_PER_DAY);
        return Ok(build_numbers::<Int64Type>(call.rows, |row| points.wall_millis(row).and_then(field)));
    }
    let per_second = points.per_second;
    let value: fn(i64, i64) -> i64 = match unit {
        Unit::Nanosecond => |v, per_second| v.rem_euclid(per_second) * (1_000_000_000 / per_second),
        Unit::Microsecond => |v, per_second| v.rem_euclid(per_second) * 1_000_000 / per_second,
        Unit::Millisecond => |v, per_second| v % per_second * 1000 / per_second,
        Unit::Second => |v, per_second| v / per_second % 60,
        Unit::Minute => |v, per_second| v / per_second / 60 % 60,
        Unit::Hour => |v, per_second| v / per_second / 3600 % 24,
        Unit::Day => |v, per_second| v / per_second / 86_400,
        Unit::Week => |v, per_second| v / per_second / 604_800,
        _ => |v, per_second| v / per_second,
    };
    Ok(build_numbers::<Int64Type>(call.rows, |row| points.wall(row).map(|v| value(v, per_second))))
}

fn of_months(unit: Unit, months: i64) -> i64 {
    match unit {
        Unit::Month => months % 12,
        Unit::Quarter => (months % 12 - 1) / 3 + 1,
        _ => months / unit.months().unwrap_or(1),
    }
}
