//! Keys as bytes: the stable form in which snapshots name keys, and in which [`crate::KeyIndex`] holds composite keys.
//!
//! Format, version 1. A row is its columns one after the other; a column is one byte, 0 for null (nothing follows) or 1,
//! and the value, all numbers little-endian:
//!
//! | type | value |
//! |---|---|
//! | BOOLEAN | 1 byte, 0 or 1 |
//! | integers, dates, times, timestamps, intervals, decimals | their fixed width (1, 2, 4, 8 or 16 bytes) |
//! | floats | their bits; every NaN as the one quiet NaN |
//! | text, bytes | length as u32, then the bytes |
//! | ARRAY | number of elements as u32, then each as a column |
//! | MAP, MULTISET | number of entries as u32, then of each the key and the value as columns |
//! | ROW | each field as a column |
//! | NULL | only ever the null byte |
//!
//! Equal keys have equal bytes and the other way round. The bytes say nothing about order. Types are not written: whoever
//! reads knows them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, GenericByteArray, ListArray, MapArray, NullArray, PrimitiveArray, StringArray, StructArray,
    downcast_primitive_array,
};
use arrow_buffer::{Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ToByteSlice};
use arrow_schema::{DataType, Fields, IntervalUnit, TimeUnit};
use brisk_core::{Error, Result};

/// The version of the format above.
pub const VERSION: u8 = 1;

/// Encodes and decodes rows of certain types.
#[derive(Debug, Clone)]
pub struct RowCodec {
    types: Vec<DataType>,
}

/// Encoded rows, end to end.
#[derive(Debug, Clone, Default)]
pub struct EncodedRows {
    data: Vec<u8>,
    /// One more than there are rows.
    offsets: Vec<usize>,
}

impl EncodedRows {
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of all rows together.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    pub fn row(&self, row: usize) -> &[u8] {
        &self.data[self.offsets[row]..self.offsets[row + 1]]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.offsets.windows(2).map(|w| &self.data[w[0]..w[1]])
    }

    /// The rows as an array. Fails for more than 2 GB.
    pub fn into_array(self) -> Result<BinaryArray> {
        if self.is_empty() {
            return Ok(BinaryArray::from_iter_values([[]; 0]));
        }
        if i32::try_from(self.data.len()).is_err() {
            return Err(Error::internal("more than 2 GB of keys at once"));
        }
        let ends: Vec<i32> = self.offsets.iter().map(|o| *o as i32).collect();
        Ok(BinaryArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from_vec(self.data), None)?)
    }
}

impl RowCodec {
    /// Fails for an Arrow type that no SQL type has.
    pub fn new(types: Vec<DataType>) -> Result<Self> {
        types.iter().try_for_each(check_type)?;
        Ok(Self { types })
    }

    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<EncodedRows> {
        debug_assert_eq!(columns.len(), self.types.len());
        if let [column] = columns
            && let Some(encoded) = encode_numbers(column)
        {
            return Ok(encoded);
        }
        let mut ends = vec![0usize; rows];
        columns.iter().for_each(|c| add_lengths(c, &mut ends));
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        let mut total = 0;
        for length in &mut ends {
            let start = total;
            total += *length;
            offsets.push(total);
            *length = start;
        }
        let mut data = vec![0u8; total];
        columns.iter().for_each(|c| write_column(c, &mut data, &mut ends));
        Ok(EncodedRows { data, offsets })
    }

    /// The columns of encoded rows. Bytes that are no such rows are an error, never a panic.
    pub fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let mut cursors: Vec<&[u8]> = rows.into_iter().collect();
        let columns = self.types.iter().map(|t| read_column(t, &mut cursors)).collect::<Result<Vec<_>>>()?;
        match cursors.iter().all(|c| c.is_empty()) {
            true => Ok(columns),
            false => Err(corrupt()),
        }
    }
}

/// A column of numbers without nulls, all of whose encodings have one length; `None` for other columns, and for floats.
fn encode_numbers(column: &ArrayRef) -> Option<EncodedRows> {
    fn encode<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> EncodedRows {
        let width = 1 + size_of::<T::Native>();
        let mut data = vec![1; width * array.len()];
        for (place, value) in data.chunks_exact_mut(width).zip(array.values()) {
            place[1..].copy_from_slice(value.to_byte_slice());
        }
        EncodedRows { data, offsets: (0..=array.len()).map(|row| row * width).collect() }
    }
    let data_type = column.data_type();
    if column.null_count() > 0 || !data_type.is_primitive() || data_type.is_floating() {
        return None;
    }
    let array = column.as_ref();
    Some(downcast_primitive_array!(array => encode(array), _ => return None))
}

fn corrupt() -> Error {
    Error::corrupt("a key in a snapshot is not what its types say")
}

fn check_type(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::List(item) => check_type(item.data_type()),
        DataType::Map(entries, _) => check_type(entries.data_type()),
        DataType::Struct(fields) => fields.iter().try_for_each(|f| check_type(f.data_type())),
        DataType::Null | DataType::Boolean | DataType::Utf8 | DataType::Binary => Ok(()),
        other if fixed_width(other).is_some() => Ok(()),
        other => Err(Error::internal(format!("no key encoding for Arrow type {other}"))),
    }
}

fn fixed_width(data_type: &DataType) -> Option<usize> {
    Some(match data_type {
        DataType::Boolean => 1,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => data_type.primitive_width()?,
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => data_type.primitive_width()?,
        DataType::Date32 | DataType::Time32(TimeUnit::Millisecond) => 4,
        DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => 8,
        DataType::Duration(TimeUnit::Millisecond) => 8,
        DataType::Interval(IntervalUnit::YearMonth) => 4,
        _ => return None,
    })
}

fn valid(array: &dyn Array, row: usize) -> bool {
    array.is_valid(row) && array.data_type() != &DataType::Null
}

/// Adds the encoded length of every row of `array`.
fn add_lengths(array: &ArrayRef, lengths: &mut [usize]) {
    fn add<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>, lengths: &mut [usize]) {
        let ends = array.value_offsets().windows(2);
        lengths.iter_mut().zip(ends).enumerate().for_each(|(row, (l, w))| *l += if array.is_null(row) { 1 } else { 5 + (w[1] - w[0]) as usize });
    }
    match (array.data_type(), fixed_width(array.data_type()), array.null_count()) {
        (_, Some(width), 0) => lengths.iter_mut().for_each(|l| *l += 1 + width),
        (DataType::Utf8, ..) => add(array.as_string::<i32>(), lengths),
        (DataType::Binary, ..) => add(array.as_binary::<i32>(), lengths),
        _ => lengths.iter_mut().enumerate().for_each(|(row, l)| *l += value_length(array, row)),
    }
}

fn value_length(array: &ArrayRef, row: usize) -> usize {
    if !valid(array, row) {
        return 1;
    }
    let elements = |child: &ArrayRef, from: i32, to: i32| (from..to).map(|i| value_length(child, i as usize)).sum::<usize>();
    1 + match array.data_type() {
        DataType::Utf8 => 4 + array.as_string::<i32>().value_length(row) as usize,
        DataType::Binary => 4 + array.as_binary::<i32>().value_length(row) as usize,
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            4 + elements(list.values(), list.value_offsets()[row], list.value_offsets()[row + 1])
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (from, to) = (map.value_offsets()[row], map.value_offsets()[row + 1]);
            4 + elements(map.keys(), from, to) + elements(map.values(), from, to)
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|c| value_length(c, row)).sum(),
        other => fixed_width(other).expect("the codec checked its types"),
    }
}

/// Writes every row of `array` at its cursor and moves the cursor.
fn write_column(array: &ArrayRef, data: &mut [u8], cursors: &mut [usize]) {
    macro_rules! fixed {
        ($array:expr, $canonical:expr) => {{
            for (row, cursor) in cursors.iter_mut().enumerate() {
                write_fixed($array, row, data, cursor, $canonical);
            }
        }};
    }
    match array.data_type() {
        DataType::Float32 => fixed!(array.as_primitive::<Float32Type>(), canonical_f32),
        DataType::Float64 => fixed!(array.as_primitive::<Float64Type>(), canonical_f64),
        data_type if data_type.is_primitive() => {
            let array = array.as_ref();
            downcast_primitive_array!(
                array => fixed!(array, |v| v),
                _ => unreachable!("the type is primitive")
            )
        }
        DataType::Utf8 => write_bytes(array.as_string::<i32>(), data, cursors),
        DataType::Binary => write_bytes(array.as_binary::<i32>(), data, cursors),
        _ => cursors.iter_mut().enumerate().for_each(|(row, cursor)| write_value(array, row, data, cursor)),
    }
}

fn write_bytes<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>, data: &mut [u8], cursors: &mut [usize]) {
    for (row, cursor) in cursors.iter_mut().enumerate() {
        if array.is_null(row) {
            *cursor += 1;
            continue;
        }
        let bytes: &[u8] = array.value(row).as_ref();
        let place = &mut data[*cursor..*cursor + 5 + bytes.len()];
        place[0] = 1;
        place[1..5].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        place[5..].copy_from_slice(bytes);
        *cursor += 5 + bytes.len();
    }
}

fn canonical_f32(v: f32) -> f32 {
    if v.is_nan() { f32::NAN } else { v }
}

fn canonical_f64(v: f64) -> f64 {
    if v.is_nan() { f64::NAN } else { v }
}

#[inline]
fn write_fixed<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize, data: &mut [u8], cursor: &mut usize, canonical: impl Fn(T::Native) -> T::Native) {
    if array.is_null(row) {
        *cursor += 1;
        return;
    }
    data[*cursor] = 1;
    let value = canonical(array.value(row));
    // Arrow's numbers are little-endian in memory on every machine that brisk runs on.
    let bytes = value.to_byte_slice();
    data[*cursor + 1..*cursor + 1 + bytes.len()].copy_from_slice(bytes);
    *cursor += 1 + bytes.len();
}

fn write_value(array: &ArrayRef, row: usize, data: &mut [u8], cursor: &mut usize) {
    if !valid(array, row) {
        *cursor += 1;
        return;
    }
    let mut put = |bytes: &[u8], cursor: &mut usize| {
        data[*cursor..*cursor + bytes.len()].copy_from_slice(bytes);
        *cursor += bytes.len();
    };
    match array.data_type() {
        DataType::Boolean => put(&[1, u8::from(array.as_boolean().value(row))], cursor),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (from, to) = (list.value_offsets()[row], list.value_offsets()[row + 1]);
            put(&[1], cursor);
            put(&((to - from) as u32).to_le_bytes(), cursor);
            (from..to).for_each(|i| write_value(list.values(), i as usize, data, cursor));
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (from, to) = (map.value_offsets()[row], map.value_offsets()[row + 1]);
            put(&[1], cursor);
            put(&((to - from) as u32).to_le_bytes(), cursor);
            for i in from..to {
                write_value(map.keys(), i as usize, data, cursor);
                write_value(map.values(), i as usize, data, cursor);
            }
        }
        DataType::Struct(_) => {
            put(&[1], cursor);
            array.as_struct().columns().iter().for_each(|c| write_value(c, row, data, cursor));
        }
        // A number or text inside a list or row: as a column of one row.
        _ => write_column(&array.slice(row, 1), data, std::slice::from_mut(cursor)),
    }
}

/// Splits `n` bytes off.
fn advance<'a>(cursor: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let (head, tail) = cursor.split_at_checked(n).ok_or_else(corrupt)?;
    *cursor = tail;
    Ok(head)
}

fn read_marker(cursor: &mut &[u8]) -> Result<bool> {
    match advance(cursor, 1)?[0] {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(corrupt()),
    }
}

fn read_length(cursor: &mut &[u8]) -> Result<usize> {
    Ok(u32::from_le_bytes(advance(cursor, 4)?.try_into().expect("four bytes")) as usize)
}

/// Moves over one value of `data_type`.
fn skip(data_type: &DataType, cursor: &mut &[u8]) -> Result<()> {
    if !read_marker(cursor)? {
        return Ok(());
    }
    match data_type {
        DataType::Utf8 | DataType::Binary => {
            let length = read_length(cursor)?;
            advance(cursor, length)?;
        }
        DataType::List(item) => (0..read_length(cursor)?).try_for_each(|_| skip(item.data_type(), cursor))?,
        DataType::Map(entries, _) => {
            let (key, value) = map_types(entries.data_type());
            for _ in 0..read_length(cursor)? {
                skip(key, cursor)?;
                skip(value, cursor)?;
            }
        }
        DataType::Struct(fields) => fields.iter().try_for_each(|f| skip(f.data_type(), cursor))?,
        other => {
            advance(cursor, fixed_width(other).ok_or_else(corrupt)?)?;
        }
    }
    Ok(())
}

fn map_types(entries: &DataType) -> (&DataType, &DataType) {
    match entries {
        DataType::Struct(fields) => (fields[0].data_type(), fields[1].data_type()),
        _ => unreachable!("the entries of an Arrow map are a struct"),
    }
}

/// Reads one value from every cursor, as a column.
fn read_column(data_type: &DataType, cursors: &mut [&[u8]]) -> Result<ArrayRef> {
    macro_rules! fixed {
        ($t:ty) => {
            read_fixed::<$t>(data_type, cursors)
        };
    }
    match data_type {
        DataType::Null => {
            cursors.iter_mut().try_for_each(|c| read_marker(c).map(|_| ()))?;
            Ok(Arc::new(NullArray::new(cursors.len())))
        }
        DataType::Boolean => {
            let read = |c: &mut &[u8]| Ok(if read_marker(c)? { Some(advance(c, 1)?[0] != 0) } else { None });
            Ok(Arc::new(cursors.iter_mut().map(read).collect::<Result<BooleanArray>>()?))
        }
        DataType::Int8 => fixed!(Int8Type),
        DataType::Int16 => fixed!(Int16Type),
        DataType::Int32 => fixed!(Int32Type),
        DataType::Int64 => fixed!(Int64Type),
        DataType::Float32 => fixed!(Float32Type),
        DataType::Float64 => fixed!(Float64Type),
        DataType::Decimal128(..) => fixed!(Decimal128Type),
        DataType::Date32 => fixed!(Date32Type),
        DataType::Time32(_) => fixed!(Time32MillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => fixed!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => fixed!(TimestampNanosecondType),
        DataType::Timestamp(..) => fixed!(TimestampMillisecondType),
        DataType::Duration(_) => fixed!(DurationMillisecondType),
        DataType::Interval(_) => fixed!(IntervalYearMonthType),
        DataType::Utf8 => Ok(Arc::new(cursors.iter_mut().map(read_text).collect::<Result<StringArray>>()?)),
        DataType::Binary => Ok(Arc::new(cursors.iter_mut().map(read_bytes).collect::<Result<BinaryArray>>()?)),
        DataType::List(item) => {
            let (offsets, nulls, mut elements) = read_elements(cursors, |c| skip(item.data_type(), c))?;
            let values = read_column(item.data_type(), &mut elements)?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, nulls)?))
        }
        DataType::Map(field, ordered) => {
            let (key, value) = map_types(field.data_type());
            let (offsets, nulls, mut elements) = read_elements(cursors, |c| skip(key, c).and_then(|()| skip(value, c)))?;
            let columns = vec![read_column(key, &mut elements)?, read_column(value, &mut elements)?];
            let DataType::Struct(fields) = field.data_type() else { return Err(corrupt()) };
            let entries = StructArray::try_new(fields.clone(), columns, None)?;
            Ok(Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *ordered)?))
        }
        DataType::Struct(fields) => read_struct(fields, cursors),
        other => Err(Error::internal(format!("no key encoding for Arrow type {other}"))),
    }
}

fn read_fixed<T: ArrowPrimitiveType>(data_type: &DataType, cursors: &mut [&[u8]]) -> Result<ArrayRef> {
    let width = size_of::<T::Native>();
    let mut values = MutableBuffer::with_capacity(width * cursors.len());
    let mut valid = Vec::with_capacity(cursors.len());
    for cursor in cursors {
        valid.push(read_marker(cursor)?);
        match valid[valid.len() - 1] {
            true => values.extend_from_slice(advance(cursor, width)?),
            false => values.extend_zeros(width),
        }
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    Ok(Arc::new(PrimitiveArray::<T>::try_new(values.into(), nulls)?.with_data_type(data_type.clone())))
}

fn read_bytes<'a>(cursor: &mut &'a [u8]) -> Result<Option<&'a [u8]>> {
    if !read_marker(cursor)? {
        return Ok(None);
    }
    let length = read_length(cursor)?;
    advance(cursor, length).map(Some)
}

fn read_text<'a>(cursor: &mut &'a [u8]) -> Result<Option<&'a str>> {
    read_bytes(cursor)?.map(|bytes| std::str::from_utf8(bytes).map_err(|_| corrupt())).transpose()
}

type Elements<'a> = (OffsetBuffer<i32>, Option<NullBuffer>, Vec<&'a [u8]>);

/// The offsets and nulls of lists, and a cursor at each of their elements.
fn read_elements<'a>(cursors: &mut [&'a [u8]], skip: impl Fn(&mut &'a [u8]) -> Result<()>) -> Result<Elements<'a>> {
    let mut elements = Vec::new();
    let (mut lengths, mut valid) = (Vec::with_capacity(cursors.len()), Vec::with_capacity(cursors.len()));
    for cursor in cursors {
        valid.push(read_marker(cursor)?);
        let length = if valid[valid.len() - 1] { read_length(cursor)? } else { 0 };
        lengths.push(length);
        for _ in 0..length {
            elements.push(*cursor);
            skip(cursor)?;
        }
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    Ok((OffsetBuffer::from_lengths(lengths), nulls, elements))
}

fn read_struct(fields: &Fields, cursors: &mut [&[u8]]) -> Result<ArrayRef> {
    let valid = cursors.iter_mut().map(read_marker).collect::<Result<Vec<bool>>>()?;
    // The fields of a row that is null are read from a null of their own.
    let mut inner: Vec<&[u8]> = cursors.iter().zip(&valid).map(|(c, v)| if *v { *c } else { &[0u8][..] }).collect();
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        columns.push(read_column(field.data_type(), &mut inner)?);
        inner.iter_mut().zip(&valid).filter(|(_, v)| !**v).for_each(|(c, _)| *c = &[0u8][..]);
    }
    for (i, cursor) in cursors.iter_mut().enumerate().filter(|(i, _)| valid[*i]) {
        *cursor = inner[i];
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid.clone()));
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, cursors.len())?))
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::{Decimal128Array, Float64Array, Int8Array, Int32Array};
    use arrow_schema::Field;

    use super::*;

    fn check(columns: Vec<ArrayRef>) -> EncodedRows {
        let rows = columns[0].len();
        let codec = RowCodec::new(columns.iter().map(|c| c.data_type().clone()).collect()).unwrap();
        let encoded = codec.encode(&columns, rows).unwrap();
        assert_eq!(encoded.len(), rows);
        let decoded = codec.decode(encoded.iter()).unwrap();
        for (decoded, column) in decoded.iter().zip(&columns) {
            assert_eq!(decoded, column);
        }
        for row in 0..rows {
            let bytes = encoded.row(row);
            for cut in 0..bytes.len() {
                assert!(codec.decode([&bytes[..cut]]).is_err(), "cut rows are refused");
            }
        }
        encoded
    }

    fn columns() -> Vec<ArrayRef> {
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value([Some("a"), None]);
        list.append_null();
        list.append_value([Some("")]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("k");
        map.values().append_value(7);
        map.append(true).unwrap();
        map.append(false).unwrap();
        map.append(true).unwrap();
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]));
        let text: ArrayRef = Arc::new(StringArray::from(vec![None, Some("x"), Some("é")]));
        let fields = Fields::from(vec![Field::new("i", DataType::Int32, true), Field::new("t", DataType::Utf8, true)]);
        let nulls = NullBuffer::from(vec![true, true, false]);
        let with_null = vec![Some(1), None, None];
        let masked: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(with_null)), Arc::new(StringArray::from(vec![None, Some("x"), None]))];
        vec![
            ints,
            text,
            Arc::new(StructArray::new(fields, masked, Some(nulls))),
            Arc::new(list.finish()),
            Arc::new(map.finish()),
            Arc::new(Float64Array::from(vec![Some(-0.0), Some(1.5), None])),
            Arc::new(Decimal128Array::from(vec![Some(-5), None, Some(i128::MAX)])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(NullArray::new(3)),
            Arc::new(arrow_array::TimestampMillisecondArray::from(vec![Some(1), None, Some(3)]).with_timezone("UTC")),
        ]
    }

    #[test]
    fn decode_after_encode_is_identity() {
        check(columns());
        for column in columns() {
            check(vec![column]);
        }
    }

    #[test]
    fn numbers_without_nulls_have_the_same_bytes_as_beside_other_columns() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int8Array::from(vec![1, -2, 3])),
            Arc::new(Int32Array::from(vec![i32::MIN, 0, i32::MAX]).slice(1, 2)),
            Arc::new(Float64Array::from(vec![-0.0, f64::NAN])),
            Arc::new(Decimal128Array::from(vec![-5, i128::MAX])),
            Arc::new(arrow_array::TimestampMillisecondArray::from(vec![1, 2]).with_timezone("UTC")),
            Arc::new(Int32Array::from(vec![0; 0])),
        ];
        for column in columns {
            let rows = column.len();
            let marks: ArrayRef = Arc::new(NullArray::new(rows));
            let both = RowCodec::new(vec![column.data_type().clone(), DataType::Null]).unwrap().encode(&[column.clone(), marks], rows).unwrap();
            let alone = RowCodec::new(vec![column.data_type().clone()]).unwrap().encode(&[column], rows).unwrap();
            let without_mark: Vec<&[u8]> = both.iter().map(|row| &row[..row.len() - 1]).collect();
            assert_eq!(alone.iter().collect::<Vec<_>>(), without_mark);
            assert_eq!(alone.clone().into_array().unwrap().iter().flatten().collect::<Vec<_>>(), without_mark);
        }
    }

    #[test]
    fn the_bytes_are_part_of_the_checkpoint_format() {
        let encoded = check(vec![Arc::new(Int8Array::from(vec![Some(5), None])), Arc::new(StringArray::from(vec!["ab", ""]))]);
        assert_eq!(encoded.row(0), [1, 5, 1, 2, 0, 0, 0, b'a', b'b']);
        assert_eq!(encoded.row(1), [0, 1, 0, 0, 0, 0]);
    }
}
