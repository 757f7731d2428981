//! Types as written, as SQL types: defaults of lengths and precisions, and their limits.

use brisk_core::types::{DayTimeUnit, MAX_LENGTH, YearMonthUnit};
use brisk_core::{Column, DataType, Error, Result, SqlType};
use brisk_parser::ast::{self, IntervalQualifier, TimeUnit, TypeKind};

use super::place::Places;

/// The type with its nullability.
pub fn sql_type(places: &Places, written: &ast::DataType) -> Result<SqlType> {
    let data_type = data_type(places, written).map_err(|e| e.at(places.at(written.span)))?;
    Ok(SqlType { nullable: written.is_nullable() || data_type == DataType::Null, data_type })
}

fn data_type(places: &Places, written: &ast::DataType) -> Result<DataType> {
    let inner = |t: &ast::DataType| sql_type(places, t).map(Box::new);
    Ok(match &written.kind {
        // CHAR and BINARY have length 1 unless told, VARCHAR and VARBINARY any.
        TypeKind::Char(n) => DataType::Char(length("CHAR", *n, 1)?),
        TypeKind::Varchar(n) => DataType::Varchar(length("VARCHAR", *n, MAX_LENGTH)?),
        TypeKind::String => DataType::STRING,
        TypeKind::Binary(n) => DataType::Binary(length("BINARY", *n, 1)?),
        TypeKind::Varbinary(n) => DataType::Varbinary(length("VARBINARY", *n, MAX_LENGTH)?),
        TypeKind::Bytes => DataType::BYTES,
        TypeKind::Boolean => DataType::Boolean,
        TypeKind::Decimal { precision, scale } => decimal(*precision, *scale)?,
        TypeKind::TinyInt => DataType::TinyInt,
        TypeKind::SmallInt => DataType::SmallInt,
        TypeKind::Int => DataType::Int,
        TypeKind::BigInt => DataType::BigInt,
        TypeKind::Float | TypeKind::Real => DataType::Float,
        TypeKind::Double => DataType::Double,
        TypeKind::Date => DataType::Date,
        TypeKind::Time(p) => DataType::Time(precision("TIME", *p, 0)?),
        TypeKind::Timestamp(p) => DataType::Timestamp(precision("TIMESTAMP", *p, 6)?),
        TypeKind::TimestampLtz(p) => DataType::TimestampLtz(precision("TIMESTAMP_LTZ", *p, 6)?),
        TypeKind::Interval(qualifier) => interval(qualifier).ok_or_else(|| Error::invalid("no such INTERVAL type"))?,
        TypeKind::Array(item) => DataType::Array(inner(item)?),
        TypeKind::Multiset(item) => DataType::Multiset(inner(item)?),
        TypeKind::Map(key, value) => DataType::Map(inner(key)?, inner(value)?),
        // A value of a class is a row of its fields.
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
            let field = |f: &ast::RowField| Ok(Column::new(&f.name.value, sql_type(places, &f.data_type)?));
            DataType::Row(fields.iter().map(field).collect::<Result<_>>()?)
        }
        TypeKind::Null => DataType::Null,
        TypeKind::TimestampTz(_) => {
            return Err(
                Error::unsupported("TIMESTAMP WITH TIME ZONE is not supported").with_remedy("use TIMESTAMP_LTZ, or TIMESTAMP and a column for the zone")
            );
        }
        TypeKind::Raw { .. } => {
            return Err(Error::unsupported("RAW types of Java classes are not supported").with_remedy("use ROW<..> or BYTES"));
        }
        TypeKind::Variant => return Err(Error::unsupported("VARIANT is not supported").with_remedy("keep the JSON text as STRING")),
        TypeKind::UserDefined(name) => {
            return Err(Error::invalid(format!("there is no type `{}`", name.values().join("."))));
        }
    })
}

fn length(what: &str, n: Option<u32>, default: u32) -> Result<u32> {
    match n.unwrap_or(default) {
        n @ 0..=MAX_LENGTH => Ok(n),
        n => Err(Error::invalid(format!("{what}({n}): the length must be between 0 and 2147483647"))),
    }
}

fn decimal(precision: Option<u32>, scale: Option<u32>) -> Result<DataType> {
    let (p, s) = (precision.unwrap_or(10), scale.unwrap_or(0));
    if !(1..=38).contains(&p) || s > p {
        return Err(Error::invalid(format!("DECIMAL({p}, {s}): the precision must be between 1 and 38, and the scale between 0 and the precision")));
    }
    Ok(DataType::decimal(p as u8, s as u8))
}

fn precision(what: &str, p: Option<u32>, default: u8) -> Result<u8> {
    match p {
        None => Ok(default),
        Some(p @ 0..=9) => Ok(p as u8),
        Some(p) => Err(Error::invalid(format!("{what}({p}): the precision must be between 0 and 9"))),
    }
}

/// The interval type of a qualifier; `None` for units that are no interval (`HOUR TO DAY`).
pub fn interval(qualifier: &IntervalQualifier) -> Option<DataType> {
    use DayTimeUnit as D;
    use TimeUnit as U;
    use YearMonthUnit as Y;
    let months = DataType::IntervalYearMonth;
    let millis = DataType::IntervalDayTime;
    Some(match (qualifier.start, qualifier.end) {
        (U::Year, None) => months(Y::Year),
        (U::Year, Some(U::Month)) => months(Y::YearToMonth),
        (U::Quarter | U::Month, None) => months(Y::Month),
        (U::Week | U::Day, None) => millis(D::Day),
        (U::Day, Some(U::Hour)) => millis(D::DayToHour),
        (U::Day, Some(U::Minute)) => millis(D::DayToMinute),
        (U::Day, Some(U::Second)) => millis(D::DayToSecond),
        (U::Hour, None) => millis(D::Hour),
        (U::Hour, Some(U::Minute)) => millis(D::HourToMinute),
        (U::Hour, Some(U::Second)) => millis(D::HourToSecond),
        (U::Minute, None) => millis(D::Minute),
        (U::Minute, Some(U::Second)) => millis(D::MinuteToSecond),
        (U::Second, None) => millis(D::Second),
        _ => return None,
    })
}
