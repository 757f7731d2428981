//! Offsets from the least value.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, FixedSizeBinaryArray, PrimitiveArray, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

use super::{Form, Packed, not_packed};
use crate::Result;

/// Integers of a width, as Arrow stores them.
trait Integer: ArrowNativeType + Ord {
    const WIDTH: usize = size_of::<Self>();

    fn from_base(base: i64) -> Self;

    /// `None` where it has no place in 64 bits.
    fn as_base(self) -> Option<i64>;

    /// How far it is above `base`; meaningless if that takes more than 64 bits.
    fn above(self, base: Self) -> u64;

    fn plus(self, offset: u64) -> Self;
}

macro_rules! integer {
    ($($native:ty)*) => {$(
        impl Integer for $native {
            #[inline(always)]
            fn from_base(base: i64) -> Self {
                base as Self
            }

            fn as_base(self) -> Option<i64> {
                // Of an unsigned number the same 64 bits: only differences count.
                i64::try_from(self).ok().or((size_of::<Self>() == 8).then_some(self as i64))
            }

            #[inline(always)]
            fn above(self, base: Self) -> u64 {
                self.wrapping_sub(base) as u64
            }

            #[inline(always)]
            fn plus(self, offset: u64) -> Self {
                self.wrapping_add(offset as Self)
            }
        }
    )*};
}

integer!(i8 i16 i32 i64 i128 u8 u16 u32 u64);

/// Bytes of an offset for which there is no integer type.
const THREE: usize = 3;

/// Calls a generic function with the integers that a type is made of, if it is.
macro_rules! with_integers {
    ($data_type:expr, $function:ident($($argument:expr),*), $otherwise:expr) => {
        match $data_type {
            DataType::Int8 => $function::<i8>($($argument),*),
            DataType::Int16 => $function::<i16>($($argument),*),
            DataType::UInt8 => $function::<u8>($($argument),*),
            DataType::UInt16 => $function::<u16>($($argument),*),
            DataType::UInt32 => $function::<u32>($($argument),*),
            DataType::UInt64 => $function::<u64>($($argument),*),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) => $function::<i32>($($argument),*),
            DataType::Int64 | DataType::Date64 | DataType::Time64(_) | DataType::Timestamp(..) | DataType::Duration(_) => $function::<i64>($($argument),*),
            DataType::Decimal128(..) => $function::<i128>($($argument),*),
            _ => $otherwise,
        }
    };
}

pub(super) fn pack(chunks: &[&dyn Array], rows: usize) -> Option<Packed> {
    with_integers!(chunks[0].data_type(), pack_integers(chunks, rows), None)
}

fn pack_integers<T: Integer>(chunks: &[&dyn Array], rows: usize) -> Option<Packed> {
    let data: Vec<ArrayData> = chunks.iter().map(|c| c.to_data()).collect();
    let chunks: Vec<(&[T], Option<&NullBuffer>)> = data.iter().map(|d| (values(d), d.nulls())).collect();
    let (least, largest) = chunks.iter().filter_map(|(values, nulls)| range(values, *nulls)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
    let base = least.as_base()?;
    largest.as_base()?;
    let span = largest.above(least);
    let nulls = joined_nulls(&chunks, rows);
    let column: ArrayRef = match span {
        0..=0xff if T::WIDTH > 1 => Arc::new(offsets::<T, UInt8Type>(&chunks, rows, least, nulls, |offset| offset as u8)),
        0..=0xffff if T::WIDTH > 2 => Arc::new(offsets::<T, UInt16Type>(&chunks, rows, least, nulls, |offset| offset as u16)),
        0..=0xff_ffff if T::WIDTH > 3 => threes(&chunks, rows, least, nulls)?,
        0..=0xffff_ffff if T::WIDTH > 4 => Arc::new(offsets::<T, UInt32Type>(&chunks, rows, least, nulls, |offset| offset as u32)),
        _ if T::WIDTH > 8 => Arc::new(offsets::<T, UInt64Type>(&chunks, rows, least, nulls, |offset| offset)),
        _ => return None,
    };
    Some((Form::Offsets { base, of: data[0].data_type().clone() }, column))
}

fn values<T: ArrowNativeType>(data: &ArrayData) -> &[T] {
    &data.buffer::<T>(0)[..data.len()]
}

/// The least and the largest of the values that are not null.
fn range<T: Integer>(values: &[T], nulls: Option<&NullBuffer>) -> Option<(T, T)> {
    let wider = |(least, largest): (T, T), value: T| (least.min(value), largest.max(value));
    match nulls {
        None => values.first().map(|first| values.iter().fold((*first, *first), |range, value| wider(range, *value))),
        Some(nulls) => {
            let mut valid = nulls.valid_indices().map(|row| values[row]);
            valid.next().map(|first| valid.fold((first, first), wider))
        }
    }
}

fn joined_nulls<T>(chunks: &[(&[T], Option<&NullBuffer>)], rows: usize) -> Option<NullBuffer> {
    chunks.iter().any(|(_, nulls)| nulls.is_some()).then(|| {
        let mut joined = BooleanBufferBuilder::new(rows);
        for (values, nulls) in chunks {
            match nulls {
                Some(nulls) => joined.append_buffer(nulls.inner()),
                None => joined.append_n(values.len(), true),
            }
        }
        NullBuffer::new(joined.finish())
    })
}

/// Offsets of three bytes each, little endian.
fn threes<T: Integer>(chunks: &[(&[T], Option<&NullBuffer>)], rows: usize, base: T, nulls: Option<NullBuffer>) -> Option<ArrayRef> {
    let mut bytes = vec![0; rows * THREE];
    let mut places = bytes.as_chunks_mut::<THREE>().0.iter_mut();
    for (values, _) in chunks {
        for (value, place) in values.iter().zip(places.by_ref()) {
            let [low, middle, high, ..] = value.above(base).to_le_bytes();
            *place = [low, middle, high];
        }
    }
    Some(Arc::new(FixedSizeBinaryArray::try_new(THREE as i32, bytes.into(), nulls).ok()?))
}

#[inline(always)]
fn of_three(offset: &[u8; THREE]) -> u64 {
    u64::from(u32::from_le_bytes([offset[0], offset[1], offset[2], 0]))
}

fn offsets<T: Integer, W: ArrowPrimitiveType>(
    chunks: &[(&[T], Option<&NullBuffer>)],
    rows: usize,
    base: T,
    nulls: Option<NullBuffer>,
    narrow: impl Fn(u64) -> W::Native,
) -> PrimitiveArray<W> {
    let mut offsets = Vec::with_capacity(rows);
    for (values, _) in chunks {
        offsets.extend(values.iter().map(|value| narrow(value.above(base))));
    }
    PrimitiveArray::new(offsets.into(), nulls)
}

pub(super) fn unpack(column: &ArrayRef, base: i64, of: &DataType) -> Result<ArrayRef> {
    let form = Form::Offsets { base, of: of.clone() };
    with_integers!(of, unpack_integers(column, &form, of), Err(not_packed(&form, column)))
}

fn unpack_integers<T: Integer>(column: &ArrayRef, form: &Form, of: &DataType) -> Result<ArrayRef> {
    let values: Vec<T> = match Source::<T>::new(column, form)? {
        Source::Plain(data) => values::<T>(&data).to_vec(),
        Source::Offsets8(offsets, base) => offsets.iter().map(|o| base.plus(u64::from(*o))).collect(),
        Source::Offsets16(offsets, base) => offsets.iter().map(|o| base.plus(u64::from(*o))).collect(),
        Source::Offsets24(offsets, base) => offsets.iter().map(|o| base.plus(of_three(o))).collect(),
        Source::Offsets32(offsets, base) => offsets.iter().map(|o| base.plus(u64::from(*o))).collect(),
        Source::Offsets64(offsets, base) => offsets.iter().map(|o| base.plus(*o)).collect(),
    };
    array(values, column.nulls().cloned(), of)
}

fn array<T: Integer>(values: Vec<T>, nulls: Option<NullBuffer>, of: &DataType) -> Result<ArrayRef> {
    let data = ArrayData::builder(of.clone()).len(values.len()).add_buffer(Buffer::from_vec(values)).nulls(nulls);
    Ok(make_array(data.build()?))
}

/// A column whose integers are read here and there.
enum Source<'a, T> {
    Plain(ArrayData),
    Offsets8(&'a [u8], T),
    Offsets16(&'a [u16], T),
    Offsets24(&'a [[u8; THREE]], T),
    Offsets32(&'a [u32], T),
    Offsets64(&'a [u64], T),
}

impl<'a, T: Integer> Source<'a, T> {
    fn new(column: &'a ArrayRef, form: &Form) -> Result<Self> {
        let base = match form {
            Form::Plain => return Ok(Self::Plain(column.to_data())),
            Form::Offsets { base, .. } => T::from_base(*base),
            _ => return Err(not_packed(form, column)),
        };
        match column.data_type() {
            DataType::UInt8 => Ok(Self::Offsets8(column.as_primitive::<UInt8Type>().values(), base)),
            DataType::UInt16 => Ok(Self::Offsets16(column.as_primitive::<UInt16Type>().values(), base)),
            DataType::FixedSizeBinary(3) => Ok(Self::Offsets24(column.as_fixed_size_binary().value_data().as_chunks().0, base)),
            DataType::UInt32 => Ok(Self::Offsets32(column.as_primitive::<UInt32Type>().values(), base)),
            DataType::UInt64 => Ok(Self::Offsets64(column.as_primitive::<UInt64Type>().values(), base)),
            _ => Err(not_packed(form, column)),
        }
    }

    #[inline]
    fn get(&self, row: usize) -> T {
        match self {
            Self::Plain(data) => values::<T>(data)[row],
            Self::Offsets8(offsets, base) => base.plus(u64::from(offsets[row])),
            Self::Offsets16(offsets, base) => base.plus(u64::from(offsets[row])),
            Self::Offsets24(offsets, base) => base.plus(of_three(&offsets[row])),
            Self::Offsets32(offsets, base) => base.plus(u64::from(offsets[row])),
            Self::Offsets64(offsets, base) => base.plus(offsets[row]),
        }
    }
}

pub(super) fn gather(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)], of: &DataType) -> Result<ArrayRef> {
    let no_integers = || Err(not_packed(columns[0].1, columns[0].0));
    with_integers!(of, gather_integers(columns, places, of), no_integers())
}

fn gather_integers<T: Integer>(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)], of: &DataType) -> Result<ArrayRef> {
    let sources = columns.iter().map(|(column, form)| Source::<T>::new(column, form)).collect::<Result<Vec<_>>>()?;
    let values: Vec<T> = places.iter().map(|(source, row)| sources[*source].get(*row)).collect();
    array(values, gathered_nulls(columns, places), of)
}

/// Which of the places hold a null, if any can.
pub(super) fn gathered_nulls(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)]) -> Option<NullBuffer> {
    let is_valid = |(column, row): &(usize, usize)| columns[*column].0.is_valid(*row);
    columns.iter().any(|(column, _)| column.null_count() > 0).then(|| places.iter().map(is_valid).collect())
}
