//! Which casts there are, after Flink's table of supported casts.

use brisk_core::DataType as T;
use brisk_core::SqlType;

/// Whether the cast is done without being asked for: no digit and no character is lost.
pub fn implicit(from: &SqlType, to: &SqlType) -> bool {
    match (&from.data_type, &to.data_type) {
        (a, b) if a == b => true,
        (T::Null, _) => true,
        (T::Char(_), T::Char(_)) => true,
        (a, T::Varchar(_)) => a.is_character(),
        (T::Binary(_), T::Binary(_)) => true,
        (a, T::Varbinary(_)) => a.is_binary(),
        (a, T::Decimal { .. } | T::Double) => a.is_numeric(),
        (a, T::Float) => a.is_integer() || matches!(a, T::Float | T::Decimal { .. }),
        (a, b) if a.is_integer() && b.is_integer() => integer_rank(a) <= integer_rank(b),
        (T::Timestamp(_), T::Date | T::Time(_)) | (T::Time(_), T::Time(_)) => true,
        (a, b) if a.is_timestamp() && b.is_timestamp() => true,
        (T::IntervalYearMonth(_), T::IntervalYearMonth(_)) | (T::IntervalDayTime(_), T::IntervalDayTime(_)) => true,
        (a, b) => by_parts(a, b, implicit),
    }
}

/// Whether CAST may be asked for. Nullability is not looked at: CAST keeps that of its operand.
pub fn explicit(from: &SqlType, to: &SqlType) -> bool {
    match (&from.data_type, &to.data_type) {
        _ if implicit(from, to) => true,
        (_, b) if b.is_character() => true,
        (a, T::Boolean) => a.is_character() || a.is_integer(),
        (a, b) if b.is_binary() => a.is_character() || a.is_binary(),
        (T::IntervalYearMonth(_), T::Int) | (T::IntervalDayTime(_), T::BigInt) => is_single_field(&from.data_type),
        (a, b) if b.is_numeric() => a.is_numeric() || a.is_character() || *a == T::Boolean,
        (a, T::Date | T::Time(_)) => a.is_timestamp() || a.is_character(),
        (a, b) if b.is_timestamp() => a.is_character() || matches!(a, T::Date | T::Time(_)),
        (a, b) => by_parts(a, b, explicit),
    }
}

/// Whether no value makes the cast fail.
pub fn is_safe(from: &SqlType, to: &SqlType) -> bool {
    let safe = match (&from.data_type, &to.data_type) {
        (a, b) if a == b => true,
        (a, b) if b.is_character() || b.is_binary() => !matches!(a, T::Array(_) | T::Map(..) | T::Row(_)) || b.is_character(),
        (a, _) if a.is_character() => false,
        // NaN and infinity are no decimals; instants beyond 64 bits of nanoseconds are none either.
        (a, T::Decimal { .. }) => !a.is_approximate(),
        (_, T::Timestamp(7..) | T::TimestampLtz(7..)) => false,
        (T::Array(_) | T::Map(..) | T::Multiset(_) | T::Row(_), _) => false,
        _ => true,
    };
    safe && explicit(from, to)
}

/// Arrays, maps, multisets and rows cast where their parts do.
fn by_parts(from: &T, to: &T, rule: fn(&SqlType, &SqlType) -> bool) -> bool {
    match (from, to) {
        (T::Array(a), T::Array(b)) | (T::Multiset(a), T::Multiset(b)) => rule(a, b),
        (T::Map(k, v), T::Map(l, w)) => rule(k, l) && rule(v, w),
        (T::Row(a), T::Row(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| rule(&x.sql_type, &y.sql_type)),
        _ => false,
    }
}

fn integer_rank(t: &T) -> u8 {
    match t {
        T::TinyInt => 1,
        T::SmallInt => 2,
        T::Int => 3,
        _ => 4,
    }
}

fn is_single_field(interval: &T) -> bool {
    use brisk_core::types::{DayTimeUnit as D, YearMonthUnit as Y};
    matches!(interval, T::IntervalYearMonth(Y::Year | Y::Month) | T::IntervalDayTime(D::Day | D::Hour | D::Minute | D::Second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: T, to: T, expected: (bool, bool)) {
        let (from, to) = (SqlType::nullable(from), SqlType::nullable(to));
        assert_eq!((implicit(&from, &to), explicit(&from, &to)), expected, "{from} to {to}");
    }

    #[test]
    fn casts_are_those_of_flink() {
        check(T::Int, T::BigInt, (true, true));
        check(T::BigInt, T::Int, (false, true));
        check(T::Int, T::Boolean, (false, true));
        check(T::Double, T::Boolean, (false, false));
        check(T::Varbinary(5), T::Boolean, (false, false));
        check(T::Varbinary(5), T::STRING, (false, true));
        check(T::SmallInt, T::Binary(2), (false, false));
        check(T::Timestamp(3), T::BigInt, (false, false));
        check(T::BigInt, T::Timestamp(3), (false, false));
        check(T::Date, T::TinyInt, (false, false));
        check(T::Array(Box::new(SqlType::nullable(T::Int))), T::TinyInt, (false, false));
        check(T::Array(Box::new(SqlType::nullable(T::Int))), T::Array(Box::new(SqlType::nullable(T::STRING))), (false, true));
    }
}
