//! How single values are kept outside of columns: in sets, counted sets and sequences of a group.
//!
//! A [`Domain`] is one way of keeping values. Everything that fits 64 bits (integers, dates, times, timestamps, floats,
//! booleans) is an `i64` in an order-preserving form, decimals are `i128`, text and bytes are bytes, and all else
//! (lists, maps, rows, several columns at once) is arrow-row's byte form. In each the order of the kept values is the order of
//! the SQL values. Reading a column is done a batch at a time and copies nothing where the forms agree.

use std::borrow::{Borrow, Cow};
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Index;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBufferBuilder};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType as ArrowType, IntervalUnit, TimeUnit};
use brisk_core::{Error, Result, SqlType};

pub(super) trait Domain: Send + 'static {
    type Borrowed: ?Sized + Ord + Hash + ToOwned<Owned = Self::Owned>;
    type Owned: Borrow<Self::Borrowed> + Ord + Clone + Debug + Send;
    /// The values of a batch, by row. What it gives for a null is of no meaning, except in [`RowDomain`].
    type Batch<'a>: Index<usize, Output = Self::Borrowed>;

    fn batch<'a>(&self, columns: &'a [ArrayRef]) -> Result<Self::Batch<'a>>;

    /// Columns of these values; `None` is null.
    fn columns(&self, values: &[Option<&Self::Borrowed>]) -> Result<Vec<ArrayRef>>;

    /// Whether kept values have bytes outside of themselves.
    const ON_HEAP: bool;

    /// The bytes of a kept value outside of itself.
    fn heap_bytes(value: &Self::Owned) -> usize;
}

/// The domain for one or several columns.
pub(super) enum AnyDomain {
    Int(IntDomain),
    Wide(WideDomain),
    Byte(ByteDomain),
    Row(RowDomain),
}

/// Evaluates `$body` with `$domain` bound to the concrete domain of the columns' types.
macro_rules! with_domain {
    ($types:expr, $domain:ident => $body:expr) => {
        match $crate::aggregate::domain::domain_of($types)? {
            $crate::aggregate::domain::AnyDomain::Int($domain) => $body,
            $crate::aggregate::domain::AnyDomain::Wide($domain) => $body,
            $crate::aggregate::domain::AnyDomain::Byte($domain) => $body,
            $crate::aggregate::domain::AnyDomain::Row($domain) => $body,
        }
    };
}
pub(super) use with_domain;

pub(super) fn domain_of(types: &[SqlType]) -> Result<AnyDomain> {
    let [one] = types else { return Ok(AnyDomain::Row(RowDomain::new(types)?)) };
    let arrow = one.to_arrow();
    Ok(match &arrow {
        ArrowType::Decimal128(..) => AnyDomain::Wide(WideDomain { data_type: arrow }),
        ArrowType::Utf8 | ArrowType::Binary => AnyDomain::Byte(ByteDomain { is_text: arrow == ArrowType::Utf8 }),
        t if is_int_like(t) => AnyDomain::Int(IntDomain { data_type: arrow }),
        _ => AnyDomain::Row(RowDomain::new(types)?),
    })
}

/// Values of at most 64 bits.
pub(super) struct IntDomain {
    data_type: ArrowType,
}

pub(super) struct Ints<'a>(Cow<'a, [i64]>);

impl Index<usize> for Ints<'_> {
    type Output = i64;

    #[inline(always)]
    fn index(&self, row: usize) -> &i64 {
        &self.0[row]
    }
}

impl Domain for IntDomain {
    const ON_HEAP: bool = false;
    type Borrowed = i64;
    type Owned = i64;
    type Batch<'a> = Ints<'a>;

    fn batch<'a>(&self, columns: &'a [ArrayRef]) -> Result<Ints<'a>> {
        read_ints(columns[0].as_ref()).map(Ints)
    }

    fn columns(&self, values: &[Option<&i64>]) -> Result<Vec<ArrayRef>> {
        Ok(vec![write_ints(&self.data_type, values)?])
    }

    fn heap_bytes(_: &i64) -> usize {
        0
    }
}

fn is_int_like(arrow: &ArrowType) -> bool {
    matches!(
        arrow,
        ArrowType::Boolean
            | ArrowType::Int8
            | ArrowType::Int16
            | ArrowType::Int32
            | ArrowType::Int64
            | ArrowType::Float32
            | ArrowType::Float64
            | ArrowType::Date32
            | ArrowType::Time32(TimeUnit::Millisecond)
            | ArrowType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
            | ArrowType::Duration(TimeUnit::Millisecond)
            | ArrowType::Interval(IntervalUnit::YearMonth)
    )
}

/// A float's bits so that they compare as the numbers do; its own inverse.
pub(super) fn ordered_bits(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn read_ints(array: &dyn Array) -> Result<Cow<'_, [i64]>> {
    fn same<T: ArrowPrimitiveType<Native = i64>>(array: &dyn Array) -> Cow<'_, [i64]> {
        Cow::Borrowed(array.as_primitive::<T>().values())
    }
    fn mapped<T: ArrowPrimitiveType>(array: &dyn Array, f: impl Fn(T::Native) -> i64) -> Cow<'_, [i64]> {
        Cow::Owned(array.as_primitive::<T>().values().iter().map(|v| f(*v)).collect())
    }
    Ok(match array.data_type() {
        ArrowType::Int64 => same::<Int64Type>(array),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => same::<TimestampMillisecondType>(array),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => same::<TimestampMicrosecondType>(array),
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => same::<TimestampNanosecondType>(array),
        ArrowType::Duration(TimeUnit::Millisecond) => same::<DurationMillisecondType>(array),
        ArrowType::Int32 => mapped::<Int32Type>(array, i64::from),
        ArrowType::Int16 => mapped::<Int16Type>(array, i64::from),
        ArrowType::Int8 => mapped::<Int8Type>(array, i64::from),
        ArrowType::Date32 => mapped::<Date32Type>(array, i64::from),
        ArrowType::Time32(TimeUnit::Millisecond) => mapped::<Time32MillisecondType>(array, i64::from),
        ArrowType::Interval(IntervalUnit::YearMonth) => mapped::<IntervalYearMonthType>(array, i64::from),
        ArrowType::Float64 => mapped::<Float64Type>(array, |v| ordered_bits(v.to_bits() as i64)),
        ArrowType::Float32 => mapped::<Float32Type>(array, |v| ordered_bits(f64::from(v).to_bits() as i64)),
        ArrowType::Boolean => {
            let values = array.as_boolean();
            Cow::Owned((0..values.len()).map(|i| i64::from(values.value(i))).collect())
        }
        other => return Err(Error::internal(format!("{other} is not kept as an integer"))),
    })
}

fn write_ints(data_type: &ArrowType, values: &[Option<&i64>]) -> Result<ArrayRef> {
    fn write<T: ArrowPrimitiveType>(data_type: &ArrowType, values: &[Option<&i64>], f: impl Fn(i64) -> T::Native) -> ArrayRef {
        let array: PrimitiveArray<T> = values.iter().map(|v| v.map(|v| f(*v))).collect();
        Arc::new(array.with_data_type(data_type.clone()))
    }
    let float = |v: i64| f64::from_bits(ordered_bits(v) as u64);
    let t = data_type;
    Ok(match t {
        ArrowType::Int64 => write::<Int64Type>(t, values, |v| v),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => write::<TimestampMillisecondType>(t, values, |v| v),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => write::<TimestampMicrosecondType>(t, values, |v| v),
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => write::<TimestampNanosecondType>(t, values, |v| v),
        ArrowType::Duration(TimeUnit::Millisecond) => write::<DurationMillisecondType>(t, values, |v| v),
        ArrowType::Int32 => write::<Int32Type>(t, values, |v| v as i32),
        ArrowType::Int16 => write::<Int16Type>(t, values, |v| v as i16),
        ArrowType::Int8 => write::<Int8Type>(t, values, |v| v as i8),
        ArrowType::Date32 => write::<Date32Type>(t, values, |v| v as i32),
        ArrowType::Time32(TimeUnit::Millisecond) => write::<Time32MillisecondType>(t, values, |v| v as i32),
        ArrowType::Interval(IntervalUnit::YearMonth) => write::<IntervalYearMonthType>(t, values, |v| v as i32),
        ArrowType::Float64 => write::<Float64Type>(t, values, float),
        ArrowType::Float32 => write::<Float32Type>(t, values, |v| float(v) as f32),
        ArrowType::Boolean => Arc::new(values.iter().map(|v| v.map(|v| *v != 0)).collect::<BooleanArray>()),
        other => return Err(Error::internal(format!("{other} is not kept as an integer"))),
    })
}

/// Decimals.
pub(super) struct WideDomain {
    data_type: ArrowType,
}

pub(super) struct Wides<'a>(&'a [i128]);

impl Index<usize> for Wides<'_> {
    type Output = i128;

    fn index(&self, row: usize) -> &i128 {
        &self.0[row]
    }
}

impl Domain for WideDomain {
    const ON_HEAP: bool = false;
    type Borrowed = i128;
    type Owned = i128;
    type Batch<'a> = Wides<'a>;

    fn batch<'a>(&self, columns: &'a [ArrayRef]) -> Result<Wides<'a>> {
        Ok(Wides(columns[0].as_primitive::<Decimal128Type>().values()))
    }

    fn columns(&self, values: &[Option<&i128>]) -> Result<Vec<ArrayRef>> {
        let array: PrimitiveArray<Decimal128Type> = values.iter().map(|v| v.copied()).collect();
        Ok(vec![Arc::new(array.with_data_type(self.data_type.clone()))])
    }

    fn heap_bytes(_: &i128) -> usize {
        0
    }
}

/// Text and bytes.
pub(super) struct ByteDomain {
    is_text: bool,
}

pub(super) struct Bytes<'a> {
    offsets: &'a [i32],
    data: &'a [u8],
}

impl Index<usize> for Bytes<'_> {
    type Output = [u8];

    #[inline(always)]
    fn index(&self, row: usize) -> &[u8] {
        &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
}

impl Domain for ByteDomain {
    const ON_HEAP: bool = true;
    type Borrowed = [u8];
    type Owned = Vec<u8>;
    type Batch<'a> = Bytes<'a>;

    fn batch<'a>(&self, columns: &'a [ArrayRef]) -> Result<Bytes<'a>> {
        if self.is_text {
            let array = columns[0].as_string::<i32>();
            Ok(Bytes { offsets: array.value_offsets(), data: array.value_data() })
        } else {
            let array = columns[0].as_binary::<i32>();
            Ok(Bytes { offsets: array.value_offsets(), data: array.value_data() })
        }
    }

    fn columns(&self, values: &[Option<&[u8]>]) -> Result<Vec<ArrayRef>> {
        let mut offsets = OffsetBufferBuilder::new(values.len());
        let mut bytes = Vec::with_capacity(values.iter().flatten().map(|v| v.len()).sum());
        for value in values {
            let value = value.unwrap_or_default();
            bytes.extend_from_slice(value);
            offsets.push_length(value.len());
        }
        let nulls = values.contains(&None).then(|| NullBuffer::from_iter(values.iter().map(Option::is_some)));
        let (offsets, bytes) = (offsets.finish(), Buffer::from_vec(bytes));
        if !self.is_text {
            return Ok(vec![Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)]);
        }
        // The text is checked as a whole.
        Ok(vec![Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(|e| Error::internal(format!("kept text: {e}")))?)])
    }

    fn heap_bytes(value: &Vec<u8>) -> usize {
        value.capacity()
    }
}

/// Values of any type, or of several columns. A null is a value like others.
pub(super) struct RowDomain {
    converter: RowConverter,
}

pub(super) struct RowBatch(Rows);

impl Index<usize> for RowBatch {
    type Output = [u8];

    fn index(&self, row: usize) -> &[u8] {
        self.0.row(row).data()
    }
}

impl RowDomain {
    pub(super) fn new(types: &[SqlType]) -> Result<Self> {
        let fields = types.iter().map(|t| SortField::new(t.to_arrow())).collect();
        Ok(Self { converter: RowConverter::new(fields)? })
    }
}

impl Domain for RowDomain {
    const ON_HEAP: bool = true;
    type Borrowed = [u8];
    type Owned = Vec<u8>;
    type Batch<'a> = RowBatch;

    fn batch(&self, columns: &[ArrayRef]) -> Result<RowBatch> {
        Ok(RowBatch(self.converter.convert_columns(columns)?))
    }

    fn columns(&self, values: &[Option<&[u8]>]) -> Result<Vec<ArrayRef>> {
        let nulls = self.null_row()?;
        let parser = self.converter.parser();
        let rows = values.iter().map(|v| parser.parse(v.unwrap_or(&nulls)));
        Ok(self.converter.convert_rows(rows)?)
    }

    fn heap_bytes(value: &Vec<u8>) -> usize {
        value.capacity()
    }
}

impl RowDomain {
    /// The form of a row of nulls.
    fn null_row(&self) -> Result<Vec<u8>> {
        let empty = self.converter.empty_rows(0, 0);
        let columns = self.converter.convert_rows(empty.iter())?;
        let nulls: Vec<ArrayRef> = columns.iter().map(|c| arrow_array::new_null_array(c.data_type(), 1)).collect();
        Ok(self.converter.convert_columns(&nulls)?.row(0).data().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use brisk_core::DataType;

    use super::*;

    #[track_caller]
    fn check<D: Domain>(domain: D, array: ArrayRef) {
        let columns = [array];
        let batch = domain.batch(&columns).unwrap();
        let values: Vec<_> = (0..columns[0].len()).map(|i| columns[0].is_valid(i).then(|| &batch[i])).collect();
        assert_eq!(domain.columns(&values).unwrap()[0].as_ref(), columns[0].as_ref());
        let kept: Vec<_> = values.into_iter().flatten().collect();
        assert!(kept.is_sorted(), "values ascend");
    }

    #[test]
    fn values_come_back_and_keep_their_order() {
        let floats: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![Some(f64::NEG_INFINITY), Some(-1.5), None, Some(0.0), Some(2.5)]));
        let texts: ArrayRef = Arc::new(arrow_array::StringArray::from(vec![Some(""), None, Some("a"), Some("ab"), Some("ä")]));
        let stamps: ArrayRef = Arc::new(arrow_array::TimestampMillisecondArray::from(vec![Some(-1), Some(5)]).with_timezone("UTC"));
        let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![Some(false), None, Some(true)]));
        for (sql, array) in [(DataType::Double, floats.clone()), (DataType::STRING, texts), (DataType::TimestampLtz(3), stamps), (DataType::Boolean, booleans)]
        {
            let types = [SqlType::nullable(sql)];
            let run = || -> Result<()> {
                with_domain!(&types, domain => check(domain, array));
                Ok(())
            };
            run().unwrap();
        }
        check(RowDomain::new(&[SqlType::nullable(DataType::Double)]).unwrap(), floats);
    }
}
