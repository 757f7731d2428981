//! The cells of an array, by their kind: found out once a batch, so that writing a row is a match and no downcast.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType as ArrowType, IntervalUnit, TimeUnit};
use brisk_core::{Error, Result};

use crate::text::time::Unit;

pub(crate) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    pub kind: Kind<'a>,
}

pub(crate) enum Kind<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal(&'a [i128], u8),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    /// Days.
    Date(&'a [i32]),
    /// Milliseconds of the day.
    Time(&'a [i32]),
    Timestamp {
        values: &'a [i64],
        unit: Unit,
        zoned: bool,
    },
    List(&'a ListArray, Box<Cells<'a>>),
    Map(&'a MapArray, Box<Cells<'a>>, Box<Cells<'a>>),
    Row(Vec<Cells<'a>>),
}

impl<'a> Cells<'a> {
    pub fn new(array: &'a ArrayRef) -> Result<Self> {
        let kind = match array.data_type() {
            ArrowType::Null => Kind::Null,
            ArrowType::Boolean => Kind::Boolean(array.as_boolean()),
            ArrowType::Int8 => Kind::Int8(array.as_primitive::<Int8Type>().values()),
            ArrowType::Int16 => Kind::Int16(array.as_primitive::<Int16Type>().values()),
            ArrowType::Int32 => Kind::Int32(array.as_primitive::<Int32Type>().values()),
            ArrowType::Int64 => Kind::Int64(array.as_primitive::<Int64Type>().values()),
            ArrowType::Float32 => Kind::Float32(array.as_primitive::<Float32Type>().values()),
            ArrowType::Float64 => Kind::Float64(array.as_primitive::<Float64Type>().values()),
            ArrowType::Decimal128(_, scale) => Kind::Decimal(array.as_primitive::<Decimal128Type>().values(), *scale as u8),
            ArrowType::Utf8 => Kind::Text(array.as_string()),
            ArrowType::Binary => Kind::Binary(array.as_binary()),
            ArrowType::Date32 => Kind::Date(array.as_primitive::<Date32Type>().values()),
            ArrowType::Time32(TimeUnit::Millisecond) => Kind::Time(array.as_primitive::<Time32MillisecondType>().values()),
            ArrowType::Timestamp(unit, zone) => {
                let values: &[i64] = match unit {
                    TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                    TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
                    TimeUnit::Second => return Err(unknown(array.data_type())),
                };
                Kind::Timestamp { values, unit: Unit::of(*unit), zoned: zone.is_some() }
            }
            ArrowType::Interval(IntervalUnit::YearMonth) => Kind::Int32(array.as_primitive::<IntervalYearMonthType>().values()),
            ArrowType::Duration(TimeUnit::Millisecond) => Kind::Int64(array.as_primitive::<DurationMillisecondType>().values()),
            ArrowType::List(_) => {
                let list = array.as_list::<i32>();
                Kind::List(list, Box::new(Cells::new(list.values())?))
            }
            ArrowType::Map(_, _) => {
                let map = array.as_map();
                Kind::Map(map, Box::new(Cells::new(map.keys())?), Box::new(Cells::new(map.values())?))
            }
            ArrowType::Struct(_) => {
                let row = array.as_struct();
                Kind::Row(row.columns().iter().map(Cells::new).collect::<Result<_>>()?)
            }
            other => return Err(unknown(other)),
        };
        Ok(Self { nulls: array.nulls(), kind })
    }

    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Null) || self.nulls.is_some_and(|n| n.is_null(row))
    }
}

fn unknown(data_type: &ArrowType) -> Error {
    Error::internal(format!("no SQL type is carried by {data_type}"))
}

/// The elements of row `row` of a list or map.
pub(crate) fn elements(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}
