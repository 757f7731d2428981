//! Predicates of two periods, each given by its start and its end or length. The ends may be the wrong way round.
//!
//! Both ends belong to a period: two that only touch overlap.

use arrow_array::ArrayRef;
use brisk_core::{DataType, Error, Result, SqlType};

use super::point::Points;
use crate::cast::temporal_text::add_months;
use crate::scalar::binding::{expect_count, no_common};
use crate::scalar::builtin::Builtin;
use crate::scalar::reader::build_booleans;
use crate::scalar::{Argument, Call, Signature};
use crate::types::common_type;

macro_rules! predicate {
    ($name:literal, $test:expr) => {
        Builtin::new($name, bind, |call| evaluate(call, $test)).safe()
    };
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    predicate!("OVERLAPS", |a, b| a.end >= b.start && b.end >= a.start),
    predicate!("PERIOD CONTAINS", |a, b| a.start <= b.start && b.end <= a.end),
    predicate!("PERIOD EQUALS", |a, b| a.start == b.start && a.end == b.end),
    predicate!("PRECEDES", |a, b| a.end <= b.start),
    predicate!("SUCCEEDS", |a, b| a.start >= b.end),
    predicate!("IMMEDIATELY PRECEDES", |a, b| a.end == b.start),
    predicate!("IMMEDIATELY SUCCEEDS", |a, b| a.start == b.end),
];

struct Period {
    start: i64,
    end: i64,
}

fn bind(args: &[Argument]) -> Result<Signature> {
    expect_count(args, 4, 4)?;
    let types: Vec<SqlType> = args.iter().map(|a| a.sql_type.clone()).collect();
    let points: Vec<SqlType> = types.iter().filter(|t| !t.data_type.is_interval()).cloned().collect();
    let point = common_type(&points).ok_or_else(|| no_common(&points))?.data_type;
    let is_point = point.is_timestamp() || matches!(point, DataType::Date | DataType::Time(_));
    if !is_point || types[0].data_type.is_interval() || types[2].data_type.is_interval() {
        return Err(Error::invalid("takes two periods: a start, and an end or an interval"));
    }
    let bound = |t: &SqlType| if t.data_type.is_interval() { t.clone() } else { SqlType { data_type: point.clone(), nullable: t.nullable } };
    let returns = SqlType { data_type: DataType::Boolean, nullable: types.iter().any(|t| t.nullable) };
    Ok(Signature { args: types.iter().map(bound).collect(), returns })
}

fn evaluate(call: &Call<'_>, test: fn(Period, Period) -> bool) -> Result<ArrayRef> {
    let points: Vec<Points<'_>> = (0..4).map(|i| Points::new(call, i)).collect();
    let period = |from: usize, row: usize| {
        let start = points[from].get(row)?;
        let second = points[from + 1].get(row)?;
        let per_second = points[from].per_second;
        let end = match &call.arg_types[from + 1].data_type {
            DataType::IntervalYearMonth(_) => {
                let per_day = per_second * 86_400;
                add_months(start.div_euclid(per_day), second)? * per_day + start.rem_euclid(per_day)
            }
            DataType::IntervalDayTime(_) => start + second * (per_second / 1000),
            _ => second,
        };
        Some(Period { start: start.min(end), end: start.max(end) })
    };
    Ok(build_booleans(call.rows, |row| Some(test(period(0, row)?, period(2, row)?))))
}
