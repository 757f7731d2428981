//! Flink's SQL types, and the Arrow type that carries each of them.
//!
//! | SQL | Arrow |
//! |---|---|
//! | BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE | Boolean, Int8, Int16, Int32, Int64, Float32, Float64 |
//! | DECIMAL(p, s) | Decimal128(p, s) |
//! | CHAR(n), VARCHAR(n), STRING | Utf8 |
//! | BINARY(n), VARBINARY(n), BYTES | Binary |
//! | DATE, TIME(p) | Date32 (days), Time32(Millisecond) |
//! | TIMESTAMP(p) | Timestamp without zone: Millisecond for p <= 3, Microsecond for p <= 6, else Nanosecond |
//! | TIMESTAMP_LTZ(p) | the same units with zone "UTC" |
//! | INTERVAL YEAR TO MONTH | Interval(YearMonth) (months) |
//! | INTERVAL DAY TO SECOND | Duration(Millisecond) |
//! | ARRAY, ROW | List (item field named "item"), Struct |
//! | MAP, MULTISET | Map (entries: "entries" {"key", "value"}); a MULTISET maps its element to an INT count |
//! | NULL | Null |
//!
//! A wall-clock TIMESTAMP counts from 1970-01-01T00:00:00 as if it were UTC. Nullability is part of a type, since it
//! changes answers in Flink (`ARRAY[1, 2][5]`), but every Arrow field is declared nullable: the SQL type is the judge.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, Fields, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

/// A type with its nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SqlType {
    pub data_type: DataType,
    pub nullable: bool,
}

/// The logical types of Flink SQL that brisk computes with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataType {
    Null,
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    /// Precision 1 to 38, scale 0 to precision.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Length in characters; padded with blanks.
    Char(u32),
    /// Greatest length in characters; `u32::MAX >> 1` (2147483647) is STRING.
    Varchar(u32),
    /// Length in bytes.
    Binary(u32),
    /// Greatest length in bytes; 2147483647 is BYTES.
    Varbinary(u32),
    Date,
    /// Fraction digits; values are kept in milliseconds as Flink does.
    Time(u8),
    /// Fraction digits, 0 to 9.
    Timestamp(u8),
    TimestampLtz(u8),
    /// Months. The units are kept as written, for display and for derived types.
    IntervalYearMonth(YearMonthUnit),
    /// Milliseconds.
    IntervalDayTime(DayTimeUnit),
    Array(Box<SqlType>),
    Map(Box<SqlType>, Box<SqlType>),
    Multiset(Box<SqlType>),
    Row(Vec<Column>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum YearMonthUnit {
    Year,
    Month,
    YearToMonth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DayTimeUnit {
    Day,
    Hour,
    Minute,
    Second,
    DayToHour,
    DayToMinute,
    DayToSecond,
    HourToMinute,
    HourToSecond,
    MinuteToSecond,
}

/// A named column of a table, of a stream, or field of a ROW.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub sql_type: SqlType,
}

/// The columns of a stream, in order. Names may repeat (a join's output); positions identify.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Schema {
    pub columns: Vec<Column>,
}

/// The length of STRING and BYTES.
pub const MAX_LENGTH: u32 = i32::MAX as u32;

impl SqlType {
    pub fn nullable(data_type: DataType) -> Self {
        Self { data_type, nullable: true }
    }

    pub fn not_null(data_type: DataType) -> Self {
        Self { data_type, nullable: false }
    }

    pub fn with_nullable(&self, nullable: bool) -> Self {
        Self { data_type: self.data_type.clone(), nullable }
    }

    pub fn to_arrow(&self) -> ArrowType {
        self.data_type.to_arrow()
    }
}

impl DataType {
    pub const STRING: DataType = DataType::Varchar(MAX_LENGTH);
    pub const BYTES: DataType = DataType::Varbinary(MAX_LENGTH);

    pub fn decimal(precision: u8, scale: u8) -> Self {
        DataType::Decimal { precision, scale }
    }

    pub fn to_arrow(&self) -> ArrowType {
        match self {
            DataType::Null => ArrowType::Null,
            DataType::Boolean => ArrowType::Boolean,
            DataType::TinyInt => ArrowType::Int8,
            DataType::SmallInt => ArrowType::Int16,
            DataType::Int => ArrowType::Int32,
            DataType::BigInt => ArrowType::Int64,
            DataType::Float => ArrowType::Float32,
            DataType::Double => ArrowType::Float64,
            DataType::Decimal { precision, scale } => ArrowType::Decimal128(*precision, *scale as i8),
            DataType::Char(_) | DataType::Varchar(_) => ArrowType::Utf8,
            DataType::Binary(_) | DataType::Varbinary(_) => ArrowType::Binary,
            DataType::Date => ArrowType::Date32,
            DataType::Time(_) => ArrowType::Time32(TimeUnit::Millisecond),
            DataType::Timestamp(p) => ArrowType::Timestamp(timestamp_unit(*p), None),
            DataType::TimestampLtz(p) => ArrowType::Timestamp(timestamp_unit(*p), Some("UTC".into())),
            DataType::IntervalYearMonth(_) => ArrowType::Interval(IntervalUnit::YearMonth),
            DataType::IntervalDayTime(_) => ArrowType::Duration(TimeUnit::Millisecond),
            DataType::Array(item) => ArrowType::List(Arc::new(list_item_field(item))),
            DataType::Map(key, value) => map_arrow(key.to_arrow(), value.to_arrow()),
            DataType::Multiset(item) => map_arrow(item.to_arrow(), ArrowType::Int32),
            DataType::Row(columns) => ArrowType::Struct(arrow_fields(columns)),
        }
    }

    pub fn is_integer(&self) -> bool {
        matches!(self, DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt)
    }

    pub fn is_approximate(&self) -> bool {
        matches!(self, DataType::Float | DataType::Double)
    }

    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self, DataType::Decimal { .. })
    }

    pub fn is_character(&self) -> bool {
        matches!(self, DataType::Char(_) | DataType::Varchar(_))
    }

    pub fn is_binary(&self) -> bool {
        matches!(self, DataType::Binary(_) | DataType::Varbinary(_))
    }

    /// TIMESTAMP or TIMESTAMP_LTZ of any precision.
    pub fn is_timestamp(&self) -> bool {
        matches!(self, DataType::Timestamp(_) | DataType::TimestampLtz(_))
    }

    pub fn is_interval(&self) -> bool {
        matches!(self, DataType::IntervalYearMonth(_) | DataType::IntervalDayTime(_))
    }
}

/// The Arrow unit that holds a timestamp of `precision` fraction digits.
pub fn timestamp_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn list_item_field(item: &SqlType) -> Field {
    Field::new("item", item.to_arrow(), true)
}

fn map_arrow(key: ArrowType, value: ArrowType) -> ArrowType {
    // Arrow's map kernels insist on keys that are not null; a null key of Flink's cannot be carried.
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    ArrowType::Map(Arc::new(Field::new("entries", ArrowType::Struct(entries), false)), false)
}

fn arrow_fields(columns: &[Column]) -> Fields {
    columns.iter().map(|c| Field::new(&c.name, c.sql_type.to_arrow(), true)).collect()
}

impl Column {
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> Self {
        Self { name: name.into(), sql_type }
    }
}

impl Schema {
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    pub fn to_arrow(&self) -> arrow_schema::SchemaRef {
        Arc::new(arrow_schema::Schema::new(arrow_fields(&self.columns)))
    }

    pub fn project(&self, indices: &[usize]) -> Schema {
        Schema::new(indices.iter().map(|&i| self.columns[i].clone()).collect())
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.data_type)?;
        if !self.nullable && self.data_type != DataType::Null {
            write!(f, " NOT NULL")?;
        }
        Ok(())
    }
}

impl fmt::Display for DataType {
    /// Flink's serializable text, such as `ARRAY<INT NOT NULL>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Null => write!(f, "NULL"),
            DataType::Boolean => write!(f, "BOOLEAN"),
            DataType::TinyInt => write!(f, "TINYINT"),
            DataType::SmallInt => write!(f, "SMALLINT"),
            DataType::Int => write!(f, "INT"),
            DataType::BigInt => write!(f, "BIGINT"),
            DataType::Float => write!(f, "FLOAT"),
            DataType::Double => write!(f, "DOUBLE"),
            DataType::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            DataType::Char(n) => write!(f, "CHAR({n})"),
            DataType::Varchar(MAX_LENGTH) => write!(f, "STRING"),
            DataType::Varchar(n) => write!(f, "VARCHAR({n})"),
            DataType::Binary(n) => write!(f, "BINARY({n})"),
            DataType::Varbinary(MAX_LENGTH) => write!(f, "BYTES"),
            DataType::Varbinary(n) => write!(f, "VARBINARY({n})"),
            DataType::Date => write!(f, "DATE"),
            DataType::Time(p) => write!(f, "TIME({p})"),
            DataType::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            DataType::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            DataType::IntervalYearMonth(u) => write!(f, "INTERVAL {u}"),
            DataType::IntervalDayTime(u) => write!(f, "INTERVAL {u}"),
            DataType::Array(item) => write!(f, "ARRAY<{item}>"),
            DataType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            DataType::Multiset(item) => write!(f, "MULTISET<{item}>"),
            DataType::Row(columns) => {
                write!(f, "ROW<")?;
                for (i, c) in columns.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}`{}` {}", c.name.replace('`', "``"), c.sql_type)?;
                }
                write!(f, ">")
            }
        }
    }
}

impl fmt::Display for YearMonthUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            YearMonthUnit::Year => "YEAR",
            YearMonthUnit::Month => "MONTH",
            YearMonthUnit::YearToMonth => "YEAR TO MONTH",
        })
    }
}

impl fmt::Display for DayTimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DayTimeUnit::Day => "DAY",
            DayTimeUnit::Hour => "HOUR",
            DayTimeUnit::Minute => "MINUTE",
            DayTimeUnit::Second => "SECOND",
            DayTimeUnit::DayToHour => "DAY TO HOUR",
            DayTimeUnit::DayToMinute => "DAY TO MINUTE",
            DayTimeUnit::DayToSecond => "DAY TO SECOND",
            DayTimeUnit::HourToMinute => "HOUR TO MINUTE",
            DayTimeUnit::HourToSecond => "HOUR TO SECOND",
            DayTimeUnit::MinuteToSecond => "MINUTE TO SECOND",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_flink_writes_them() {
        let row = DataType::Row(vec![Column::new("a`b", SqlType::not_null(DataType::Int)), Column::new("c", SqlType::nullable(DataType::STRING))]);
        assert_eq!(row.to_string(), "ROW<`a``b` INT NOT NULL, `c` STRING>");
        assert_eq!(DataType::Array(Box::new(SqlType::nullable(DataType::decimal(10, 2)))).to_string(), "ARRAY<DECIMAL(10, 2)>");
    }
}
