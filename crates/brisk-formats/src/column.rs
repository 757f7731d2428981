//! Typed columns under construction: values go in one at a time, a half-decoded row can be taken back.
//!
//! A column without nulls pays nothing for them: the validity bits are made with the first null.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Decimal128Array, DurationMillisecondArray, ListArray, MapArray, NullArray, PrimitiveArray,
    StringArray, StructArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType as ArrowType, Field, FieldRef, Fields};
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, Error, Result, SqlType};

use crate::text::time::Unit;

pub(crate) enum Column {
    Null(usize),
    Boolean(Fixed<bool>),
    Int8(Fixed<i8>),
    Int16(Fixed<i16>),
    Int32(Fixed<i32>),
    Int64(Fixed<i64>),
    Float32(Fixed<f32>),
    Float64(Fixed<f64>),
    Decimal {
        values: Fixed<i128>,
        precision: u8,
        scale: u8,
    },
    Text(Bytes),
    Binary(Bytes),
    Date(Fixed<i32>),
    /// Milliseconds of the day.
    Time(Fixed<i32>),
    Timestamp {
        values: Fixed<i64>,
        unit: Unit,
        zoned: bool,
    },
    Months(Fixed<i32>),
    Millis(Fixed<i64>),
    List(Box<List>),
    Map(Box<Map>),
    Row(Box<Row>),
}

/// Values of one width.
pub(crate) struct Fixed<T> {
    values: Vec<T>,
    nulls: Nulls,
}

/// Values of any length, in one buffer.
pub(crate) struct Bytes {
    pub data: Vec<u8>,
    offsets: Vec<i32>,
    nulls: Nulls,
}

pub(crate) struct List {
    pub items: Column,
    item: FieldRef,
    offsets: Vec<i32>,
    nulls: Nulls,
}

/// A MAP, or a MULTISET with its counts as values.
pub(crate) struct Map {
    pub keys: Column,
    pub values: Column,
    entries: FieldRef,
    offsets: Vec<i32>,
    nulls: Nulls,
}

pub(crate) struct Row {
    pub columns: Vec<Column>,
    fields: Fields,
    len: usize,
    nulls: Nulls,
}

/// Validity bits, made when the first null comes.
#[derive(Default)]
struct Nulls(Option<BooleanBufferBuilder>);

impl Nulls {
    #[inline]
    fn valid(&mut self) {
        if let Some(bits) = &mut self.0 {
            bits.append(true);
        }
    }

    /// A null after `len` values.
    fn null(&mut self, len: usize) {
        let bits = self.0.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(len + 64);
            bits.append_n(len, true);
            bits
        });
        bits.append(false);
    }

    fn truncate(&mut self, len: usize) {
        if let Some(bits) = &mut self.0 {
            bits.truncate(len);
        }
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        self.0.take().map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

impl<T: Default> Fixed<T> {
    fn new() -> Self {
        Self { values: Vec::new(), nulls: Nulls::default() }
    }

    #[inline]
    pub fn push(&mut self, value: T) {
        self.values.push(value);
        self.nulls.valid();
    }

    fn push_null(&mut self) {
        self.nulls.null(self.values.len());
        self.values.push(T::default());
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.nulls.truncate(len);
    }

    /// The values, leaving room for as many again.
    fn take(&mut self) -> Vec<T> {
        let room = self.values.len();
        std::mem::replace(&mut self.values, Vec::with_capacity(room))
    }
}

impl<T: arrow_buffer::ArrowNativeType> Fixed<T> {
    fn finish<P: ArrowPrimitiveType<Native = T>>(&mut self) -> PrimitiveArray<P> {
        let values = ScalarBuffer::from(self.take());
        PrimitiveArray::new(values, self.nulls.finish())
    }
}

impl Bytes {
    fn new() -> Self {
        Self { data: Vec::new(), offsets: vec![0], nulls: Nulls::default() }
    }

    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.end_value();
    }

    /// Pushes the first `length` bytes of `source`. Behind them there may be more, so that a short value is copied as a
    /// block of a fixed size.
    #[inline(always)]
    pub fn push_from(&mut self, source: &[u8], length: usize) {
        const SHORT: usize = 32;
        const LONGER: usize = 80;
        let end = self.data.len() + length;
        match source.first_chunk::<SHORT>() {
            Some(block) if length <= SHORT => {
                self.data.extend_from_slice(block);
                self.data.truncate(end);
            }
            _ => match source.first_chunk::<LONGER>() {
                Some(block) if length <= LONGER => {
                    self.data.extend_from_slice(block);
                    self.data.truncate(end);
                }
                _ => self.data.extend_from_slice(&source[..length]),
            },
        }
        self.end_value();
    }

    /// Drops what was appended to `data` and not ended.
    pub fn drop_begun(&mut self) {
        self.data.truncate(self.end());
    }

    /// Ends the value that was appended to `data`.
    #[inline]
    pub fn end_value(&mut self) {
        self.offsets.push(self.data.len() as i32);
        self.nulls.valid();
    }

    /// Where the last value ends.
    fn end(&self) -> usize {
        self.offsets.last().map_or(0, |o| *o as usize)
    }

    fn push_null(&mut self) {
        self.nulls.null(self.offsets.len() - 1);
        self.offsets.push(self.data.len() as i32);
    }

    fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.data.truncate(self.end());
        self.nulls.truncate(len);
    }

    fn parts(&mut self) -> Result<(OffsetBuffer<i32>, Buffer, Option<NullBuffer>)> {
        if i32::try_from(self.data.len()).is_err() {
            return Err(Error::internal("a decoded column is larger than 2 GiB"));
        }
        let offsets = take_offsets(&mut self.offsets);
        let room = self.data.len();
        let data = Buffer::from_vec(std::mem::replace(&mut self.data, Vec::with_capacity(room)));
        Ok((offsets, data, self.nulls.finish()))
    }
}

fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut fresh = Vec::with_capacity(offsets.len());
    fresh.push(0);
    OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, fresh)))
}

macro_rules! each_fixed {
    ($column:expr, $c:ident => $body:expr, $($other:pat => $result:expr),+ $(,)?) => {
        match $column {
            Column::Boolean($c) => $body,
            Column::Int8($c) => $body,
            Column::Int16($c) => $body,
            Column::Int32($c) | Column::Date($c) | Column::Time($c) | Column::Months($c) => $body,
            Column::Int64($c) | Column::Millis($c) | Column::Timestamp { values: $c, .. } => $body,
            Column::Float32($c) => $body,
            Column::Float64($c) => $body,
            Column::Decimal { values: $c, .. } => $body,
            $($other => $result),+
        }
    };
}

impl Column {
    pub fn new(sql_type: &SqlType) -> Self {
        match &sql_type.data_type {
            DataType::Null => Column::Null(0),
            DataType::Boolean => Column::Boolean(Fixed::new()),
            DataType::TinyInt => Column::Int8(Fixed::new()),
            DataType::SmallInt => Column::Int16(Fixed::new()),
            DataType::Int => Column::Int32(Fixed::new()),
            DataType::BigInt => Column::Int64(Fixed::new()),
            DataType::Float => Column::Float32(Fixed::new()),
            DataType::Double => Column::Float64(Fixed::new()),
            DataType::Decimal { precision, scale } => Column::Decimal { values: Fixed::new(), precision: *precision, scale: *scale },
            DataType::Char(_) | DataType::Varchar(_) => Column::Text(Bytes::new()),
            DataType::Binary(_) | DataType::Varbinary(_) => Column::Binary(Bytes::new()),
            DataType::Date => Column::Date(Fixed::new()),
            DataType::Time(_) => Column::Time(Fixed::new()),
            DataType::Timestamp(p) => Column::Timestamp { values: Fixed::new(), unit: Unit::of(timestamp_unit(*p)), zoned: false },
            DataType::TimestampLtz(p) => Column::Timestamp { values: Fixed::new(), unit: Unit::of(timestamp_unit(*p)), zoned: true },
            DataType::IntervalYearMonth(_) => Column::Months(Fixed::new()),
            DataType::IntervalDayTime(_) => Column::Millis(Fixed::new()),
            DataType::Array(item) => Column::List(Box::new(List {
                items: Column::new(item),
                item: Arc::new(Field::new("item", item.to_arrow(), true)),
                offsets: vec![0],
                nulls: Nulls::default(),
            })),
            DataType::Map(key, value) => Column::map(sql_type, key, value),
            DataType::Multiset(item) => Column::map(sql_type, item, &SqlType::not_null(DataType::Int)),
            DataType::Row(columns) => Column::Row(Box::new(Row {
                columns: columns.iter().map(|c| Column::new(&c.sql_type)).collect(),
                fields: columns.iter().map(|c| Field::new(&c.name, c.sql_type.to_arrow(), true)).collect(),
                len: 0,
                nulls: Nulls::default(),
            })),
        }
    }

    fn map(map: &SqlType, key: &SqlType, value: &SqlType) -> Self {
        let ArrowType::Map(entries, _) = map.to_arrow() else { unreachable!("MAP and MULTISET are Arrow maps") };
        Column::Map(Box::new(Map { keys: Column::new(key), values: Column::new(value), entries, offsets: vec![0], nulls: Nulls::default() }))
    }

    pub fn len(&self) -> usize {
        each_fixed!(self, c => c.values.len(),
            Column::Null(len) => *len,
            Column::Text(c) | Column::Binary(c) => c.offsets.len() - 1,
            Column::List(c) => c.offsets.len() - 1,
            Column::Map(c) => c.offsets.len() - 1,
            Column::Row(c) => c.len,
        )
    }

    pub fn push_null(&mut self) {
        each_fixed!(self, c => c.push_null(),
            Column::Null(len) => *len += 1,
            Column::Text(c) | Column::Binary(c) => c.push_null(),
            Column::List(c) => {
                c.nulls.null(c.offsets.len() - 1);
                c.offsets.push(c.items.len() as i32);
            },
            Column::Map(c) => {
                c.nulls.null(c.offsets.len() - 1);
                c.offsets.push(c.keys.len() as i32);
            },
            Column::Row(c) => {
                c.nulls.null(c.len);
                c.columns.iter_mut().for_each(Column::push_null);
                c.len += 1;
            },
        )
    }

    /// Keeps the first `len` values, and nothing of a value that was begun and not ended.
    pub fn truncate(&mut self, len: usize) {
        each_fixed!(self, c => c.truncate(len),
            Column::Null(n) => *n = (*n).min(len),
            Column::Text(c) | Column::Binary(c) => c.truncate(len),
            Column::List(c) => {
                c.offsets.truncate(len + 1);
                c.nulls.truncate(len);
                c.items.truncate(last(&c.offsets));
            },
            Column::Map(c) => {
                c.offsets.truncate(len + 1);
                c.nulls.truncate(len);
                c.keys.truncate(last(&c.offsets));
                c.values.truncate(last(&c.offsets));
            },
            Column::Row(c) => {
                c.len = c.len.min(len);
                c.nulls.truncate(len);
                c.columns.iter_mut().for_each(|column| column.truncate(len));
            },
        )
    }

    /// The array of all values; the column is empty afterwards.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Column::Null(len) => Arc::new(NullArray::new(std::mem::take(len))),
            Column::Boolean(c) => {
                let values = c.take().into_iter().collect();
                Arc::new(BooleanArray::new(values, c.nulls.finish()))
            }
            Column::Int8(c) => Arc::new(c.finish::<Int8Type>()),
            Column::Int16(c) => Arc::new(c.finish::<Int16Type>()),
            Column::Int32(c) => Arc::new(c.finish::<Int32Type>()),
            Column::Int64(c) => Arc::new(c.finish::<Int64Type>()),
            Column::Float32(c) => Arc::new(c.finish::<Float32Type>()),
            Column::Float64(c) => Arc::new(c.finish::<Float64Type>()),
            Column::Decimal { values, precision, scale } => {
                let array: Decimal128Array = values.finish::<Decimal128Type>();
                Arc::new(array.with_precision_and_scale(*precision, *scale as i8)?)
            }
            Column::Text(c) => {
                let (offsets, data, nulls) = c.parts()?;
                Arc::new(StringArray::try_new(offsets, data, nulls)?)
            }
            Column::Binary(c) => {
                let (offsets, data, nulls) = c.parts()?;
                Arc::new(BinaryArray::try_new(offsets, data, nulls)?)
            }
            Column::Date(c) => Arc::new(c.finish::<Date32Type>()),
            Column::Time(c) => Arc::new(c.finish::<Time32MillisecondType>()),
            Column::Timestamp { values, unit, zoned } => {
                let zone: Option<Arc<str>> = zoned.then(|| "UTC".into());
                match unit {
                    Unit::Milli => Arc::new(values.finish::<TimestampMillisecondType>().with_timezone_opt(zone)),
                    Unit::Micro => Arc::new(values.finish::<TimestampMicrosecondType>().with_timezone_opt(zone)),
                    Unit::Nano => Arc::new(values.finish::<TimestampNanosecondType>().with_timezone_opt(zone)),
                }
            }
            Column::Months(c) => Arc::new(c.finish::<IntervalYearMonthType>()),
            Column::Millis(c) => {
                let array: DurationMillisecondArray = c.finish::<DurationMillisecondType>();
                Arc::new(array)
            }
            Column::List(c) => {
                let items = c.items.finish()?;
                Arc::new(ListArray::try_new(c.item.clone(), take_offsets(&mut c.offsets), items, c.nulls.finish())?)
            }
            Column::Map(c) => {
                let ArrowType::Struct(fields) = c.entries.data_type() else { unreachable!("a map's entries are a struct") };
                let entries = StructArray::try_new(fields.clone(), vec![c.keys.finish()?, c.values.finish()?], None)?;
                Arc::new(MapArray::try_new(c.entries.clone(), take_offsets(&mut c.offsets), entries, c.nulls.finish(), false)?)
            }
            Column::Row(c) => {
                let columns = c.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
                let (len, nulls) = (std::mem::take(&mut c.len), c.nulls.finish());
                Arc::new(StructArray::try_new_with_length(c.fields.clone(), columns, nulls, len)?)
            }
        })
    }
}

fn last(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |o| *o as usize)
}

impl List {
    /// Ends a list that holds the items pushed since the last one.
    pub fn end_value(&mut self) {
        self.offsets.push(self.items.len() as i32);
        self.nulls.valid();
    }
}

impl Map {
    pub fn end_value(&mut self) {
        self.offsets.push(self.keys.len() as i32);
        self.nulls.valid();
    }
}

impl Row {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Ends a row whose columns have all got their value.
    pub fn end_value(&mut self) {
        self.len += 1;
        self.nulls.valid();
    }
}

/// Makes sure that a finished column is what the schema says.
#[cfg(test)]
pub(crate) fn column_type(column: &mut Column) -> ArrowType {
    column.finish().expect("an empty column finishes").data_type().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use brisk_core::Column as SqlColumn;

    fn check(data_type: DataType) {
        let sql_type = SqlType::nullable(data_type);
        let mut column = Column::new(&sql_type);
        column.push_null();
        column.push_null();
        column.truncate(1);
        assert_eq!(column.len(), 1);
        assert_eq!(column.finish().unwrap().len(), 1);
        assert_eq!(column_type(&mut column), sql_type.to_arrow());
    }

    #[test]
    fn columns_have_the_type_of_the_schema() {
        let int = SqlType::nullable(DataType::Int);
        let text = SqlType::nullable(DataType::STRING);
        for t in [DataType::Null, DataType::Boolean, DataType::TinyInt, DataType::SmallInt, DataType::Int, DataType::BigInt, DataType::Float] {
            check(t);
        }
        for t in [DataType::Double, DataType::decimal(10, 2), DataType::STRING, DataType::BYTES, DataType::Date, DataType::Time(3)] {
            check(t);
        }
        for p in [0, 3, 6, 9] {
            check(DataType::Timestamp(p));
            check(DataType::TimestampLtz(p));
        }
        check(DataType::Array(Box::new(int.clone())));
        check(DataType::Map(Box::new(text.clone()), Box::new(int.clone())));
        check(DataType::Multiset(Box::new(text.clone())));
        check(DataType::Row(vec![SqlColumn::new("a", int), SqlColumn::new("b", SqlType::nullable(DataType::Row(vec![SqlColumn::new("c", text)])))]));
    }
}
