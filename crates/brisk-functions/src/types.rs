//! How types combine: the least restrictive type that holds the values of several, and the types that decimal
//! arithmetic gives.

use brisk_core::types::{DayTimeUnit, YearMonthUnit};
use brisk_core::{Column, DataType, SqlType};

/// The greatest precision of DECIMAL.
pub const MAX_PRECISION: u8 = 38;

/// Flink's least restrictive type: what UNION, CASE, COALESCE, ARRAY[..] and comparisons bring their operands to.
/// `None` where there is none. NULLs count only as nullable; of NULLs alone it is NULL.
pub fn common_type(types: &[SqlType]) -> Option<SqlType> {
    let nullable = types.iter().any(|t| t.nullable || t.data_type == DataType::Null);
    let mut found = DataType::Null;
    for t in types {
        found = common(&found, &t.data_type)?;
    }
    Some(SqlType { data_type: found, nullable })
}

/// The type of a number that DECIMAL arithmetic sees: DECIMAL(10, 0) for INT. `None` for FLOAT, DOUBLE and the rest.
pub fn as_decimal(data_type: &DataType) -> Option<(u8, u8)> {
    Some(match data_type {
        DataType::TinyInt => (3, 0),
        DataType::SmallInt => (5, 0),
        DataType::Int => (10, 0),
        DataType::BigInt => (19, 0),
        DataType::Decimal { precision, scale } => (*precision, *scale),
        _ => return None,
    })
}

/// `a + b` and `a - b`.
pub fn decimal_sum((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = s1.max(s2);
    fit_decimal(u32::from((p1 - s1).max(p2 - s2)) + u32::from(scale) + 1, u32::from(scale))
}

pub fn decimal_product((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    fit_decimal(u32::from(p1) + u32::from(p2) + 1, u32::from(s1) + u32::from(s2))
}

pub fn decimal_quotient((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = (u32::from(s1) + u32::from(p2) + 1).max(6);
    fit_decimal(u32::from(p1 - s1) + u32::from(s2) + scale, scale)
}

pub fn decimal_remainder((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = s1.max(s2);
    fit_decimal(u32::from((p1 - s1).min(p2 - s2)) + u32::from(scale), u32::from(scale))
}

/// `ROUND(a, digits)` and `TRUNCATE(a, digits)`.
pub fn decimal_round((precision, scale): (u8, u8), digits: i32) -> DataType {
    if digits >= i32::from(scale) {
        return DataType::decimal(precision, scale);
    }
    let kept = digits.max(0) as u8;
    DataType::decimal((1 + precision - scale + kept).min(MAX_PRECISION), kept)
}

/// A DECIMAL that holds the integer digits, giving up fraction digits (but not the last six) where 38 do not suffice.
fn fit_decimal(precision: u32, scale: u32) -> DataType {
    let max = u32::from(MAX_PRECISION);
    if precision <= max {
        return DataType::decimal(precision as u8, scale as u8);
    }
    let integer_digits = precision - scale;
    let scale = max.saturating_sub(integer_digits).max(scale.min(6));
    DataType::decimal(MAX_PRECISION, scale as u8)
}

fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    Some(match (a, b) {
        _ if a == b => a.clone(),
        (T::Null, other) | (other, T::Null) => other.clone(),
        (T::Char(n), T::Char(m)) | (T::Char(n) | T::Varchar(n), T::Char(m) | T::Varchar(m)) => T::Varchar(*n.max(m)),
        (T::Binary(n) | T::Varbinary(n), T::Binary(m) | T::Varbinary(m)) => T::Varbinary(*n.max(m)),
        _ if a.is_numeric() && b.is_numeric() => common_number(a, b),
        (T::Time(p), T::Time(q)) => T::Time(*p.max(q)),
        (T::Timestamp(p), T::Timestamp(q)) => T::Timestamp(*p.max(q)),
        (T::Timestamp(p) | T::TimestampLtz(p), T::Timestamp(q) | T::TimestampLtz(q)) => T::TimestampLtz(*p.max(q)),
        (T::IntervalYearMonth(u), T::IntervalYearMonth(v)) => T::IntervalYearMonth(common_year_month(*u, *v)),
        (T::IntervalDayTime(u), T::IntervalDayTime(v)) => T::IntervalDayTime(common_day_time(*u, *v)),
        (T::Array(x), T::Array(y)) => T::Array(Box::new(common_child(x, y)?)),
        (T::Multiset(x), T::Multiset(y)) => T::Multiset(Box::new(common_child(x, y)?)),
        (T::Map(k, v), T::Map(l, w)) => T::Map(Box::new(common_child(k, l)?), Box::new(common_child(v, w)?)),
        (T::Row(x), T::Row(y)) if x.len() == y.len() => {
            let fields = x.iter().zip(y).map(|(f, g)| Some(Column::new(f.name.clone(), common_child(&f.sql_type, &g.sql_type)?)));
            T::Row(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn common_child(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    common_type(&[a.clone(), b.clone()])
}

fn common_number(a: &DataType, b: &DataType) -> DataType {
    use DataType as T;
    match (as_decimal(a), as_decimal(b)) {
        (Some(x), Some(y)) if a.is_integer() && b.is_integer() => {
            if x.0 >= y.0 {
                a.clone()
            } else {
                b.clone()
            }
        }
        (Some((p1, s1)), Some((p2, s2))) => {
            let integer_digits = (p1 - s1).max(p2 - s2);
            let scale = s1.max(s2).min(MAX_PRECISION - integer_digits);
            T::decimal(integer_digits + scale, scale)
        }
        // An approximate number wins over integers and makes DECIMALs DOUBLE.
        _ if [a, b].iter().any(|t| matches!(t, T::Double | T::Decimal { .. })) => T::Double,
        _ => T::Float,
    }
}

fn common_year_month(a: YearMonthUnit, b: YearMonthUnit) -> YearMonthUnit {
    if a == b { a } else { YearMonthUnit::YearToMonth }
}

fn common_day_time(a: DayTimeUnit, b: DayTimeUnit) -> DayTimeUnit {
    use DayTimeUnit as U;
    let bounds = |u| match u {
        U::Day => (0, 0),
        U::Hour => (1, 1),
        U::Minute => (2, 2),
        U::Second => (3, 3),
        U::DayToHour => (0, 1),
        U::DayToMinute => (0, 2),
        U::DayToSecond => (0, 3),
        U::HourToMinute => (1, 2),
        U::HourToSecond => (1, 3),
        U::MinuteToSecond => (2, 3),
    };
    let ((a_from, a_to), (b_from, b_to)) = (bounds(a), bounds(b));
    match (a_from.min(b_from), a_to.max(b_to)) {
        (0, 0) => U::Day,
        (1, 1) => U::Hour,
        (2, 2) => U::Minute,
        (3, 3) => U::Second,
        (0, 1) => U::DayToHour,
        (0, 2) => U::DayToMinute,
        (1, 2) => U::HourToMinute,
        (1, 3) => U::HourToSecond,
        (2, 3) => U::MinuteToSecond,
        _ => U::DayToSecond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: DataType, b: DataType, expected: Option<DataType>) {
        let found = common_type(&[SqlType::not_null(a), SqlType::nullable(b)]);
        assert_eq!(found, expected.map(SqlType::nullable));
    }

    #[test]
    fn numbers_widen() {
        check(DataType::Int, DataType::BigInt, Some(DataType::BigInt));
        check(DataType::Int, DataType::decimal(4, 2), Some(DataType::decimal(12, 2)));
        check(DataType::Float, DataType::Int, Some(DataType::Float));
        check(DataType::Float, DataType::decimal(4, 2), Some(DataType::Double));
        check(DataType::decimal(38, 0), DataType::decimal(10, 5), Some(DataType::decimal(38, 0)));
        check(DataType::Int, DataType::STRING, None);
    }

    #[test]
    fn texts_of_other_lengths_vary() {
        check(DataType::Char(3), DataType::Char(3), Some(DataType::Char(3)));
        check(DataType::Char(3), DataType::Char(5), Some(DataType::Varchar(5)));
        check(DataType::Char(3), DataType::STRING, Some(DataType::STRING));
        check(DataType::Null, DataType::Date, Some(DataType::Date));
    }

    #[test]
    fn decimal_arithmetic_keeps_integer_digits() {
        assert_eq!(decimal_sum((38, 10), (38, 28)), DataType::decimal(38, 9));
        assert_eq!(decimal_product((30, 6), (30, 10)), DataType::decimal(38, 6));
        assert_eq!(decimal_quotient((20, 2), (20, 10)), DataType::decimal(38, 10));
        assert_eq!(decimal_quotient((2, 1), (2, 1)), DataType::decimal(8, 6));
        assert_eq!(decimal_round((38, 18), 2), DataType::decimal(23, 2));
    }
}
