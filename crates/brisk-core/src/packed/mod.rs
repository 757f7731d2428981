//! Rows in little memory: the form in which large state lies in memory and in checkpoints.
//!
//! A packed batch is an ordinary record batch whose columns stand for others; the metadata of a field says how. Any value is
//! found without unpacking its neighbours, and packing costs a few nanoseconds a value.
//!
//! | form | of | a packed column holds |
//! |---|---|---|
//! | offsets | integers, dates, times, decimals | how far each is above the least, in 1, 2, 3, 4 (or of a decimal 8) bytes |
//! | distinct | text and bytes that repeat | an Arrow dictionary |
//! | letters | text of 63 different bytes at most | four to six bits of each, as bytes |
//! | numbers | bytes of one length that differ in eight places at most, as keys do | these as a number, above the least |
//!
//! A column that no form makes smaller stays as it is. Offsets from a least value are "frame of reference" (Goldstein,
//! Ramakrishnan, Shaft: Compressing relations and indexes, 1998), here in whole bytes so that kernels stay simple.

mod integers;
mod letters;
mod numbers;
mod texts;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use crate::{Error, Result};
use letters::Letters;

/// What the metadata of a packed field is named.
const FORM: &str = "brisk.packed";
const TYPE: &str = "brisk.type";
const BASE: &str = "brisk.base";
const LIKE: &str = "brisk.like";
const PLACES: &str = "brisk.places";
const LETTERS: &str = "brisk.letters";

/// How a column is packed.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    Plain,
    /// What is stored is how far a value of type `of` is above `base`.
    Offsets {
        base: i64,
        of: DataType,
    },
    Distinct,
    Letters(Letters),
    /// Bytes `like` these but at `places`, where those of what is stored plus `base` stand, big-endian.
    Numbers {
        base: u64,
        like: Vec<u8>,
        places: Vec<usize>,
    },
}

/// A packed column and how it is packed.
type Packed = (Form, ArrayRef);

impl Form {
    /// As a field's metadata tells it.
    pub fn of(field: &Field) -> Result<Self> {
        let metadata = field.metadata();
        let damaged = || Error::corrupt(format!("column {} is packed in an unknown way", field.name()));
        let get = |name: &str| metadata.get(name).ok_or_else(damaged);
        match metadata.get(FORM).map(String::as_str) {
            None => Ok(Self::Plain),
            Some("offsets") => {
                let base = get(BASE)?.parse().map_err(|_| damaged())?;
                Ok(Self::Offsets { base, of: get(TYPE)?.parse().map_err(|_| damaged())? })
            }
            Some("distinct") => Ok(Self::Distinct),
            Some("letters") => hex::decode(get(LETTERS)?).and_then(|letters| Letters::new(&letters)).map(Self::Letters).ok_or_else(damaged),
            Some("numbers") => {
                let like = hex::decode(get(LIKE)?).ok_or_else(damaged)?;
                let places = numbers::places_of(get(PLACES)?, like.len()).ok_or_else(damaged)?;
                Ok(Self::Numbers { base: get(BASE)?.parse().map_err(|_| damaged())?, like, places })
            }
            Some(_) => Err(damaged()),
        }
    }

    /// `original` as the field of a column of type `stored` in this form.
    fn field(&self, original: &Field, stored: &DataType) -> Field {
        let text = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
        let told = match self {
            Self::Plain => return original.clone(),
            Self::Offsets { base, of } => vec![text(FORM, &"offsets"), text(BASE, base), text(TYPE, of)],
            Self::Distinct => vec![text(FORM, &"distinct")],
            Self::Letters(letters) => vec![text(FORM, &"letters"), text(LETTERS, &hex::encode(letters.bytes()))],
            Self::Numbers { base, like, places } => {
                vec![text(FORM, &"numbers"), text(BASE, base), text(LIKE, &hex::encode(like)), text(PLACES, &numbers::text_of(places))]
            }
        };
        let mut metadata: HashMap<String, String> = original.metadata().clone();
        metadata.extend(told);
        original.clone().with_data_type(stored.clone()).with_metadata(metadata)
    }

    /// The type of what a column of type `stored` stands for.
    fn original_type(&self, stored: &DataType) -> DataType {
        match (self, stored) {
            (Self::Offsets { of, .. }, _) => of.clone(),
            (Self::Distinct, DataType::Dictionary(_, values)) => values.as_ref().clone(),
            (Self::Letters(_), _) => DataType::Utf8,
            (Self::Numbers { .. }, _) => DataType::Binary,
            _ => stored.clone(),
        }
    }
}

/// What the values of a batch take, without what else the buffers hold in which they lie.
pub fn value_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
}

/// What a packed batch takes in memory besides what it shares with `former`.
pub fn own_bytes(batch: &RecordBatch, former: Option<&RecordBatch>) -> usize {
    let shared = |(place, column)| former.and_then(|former: &RecordBatch| texts::shared_list(column, former.column(place)));
    let shared: usize = batch.columns().iter().enumerate().filter_map(shared).map(|list| list.get_array_memory_size()).sum();
    batch.get_array_memory_size() - shared
}

/// Whether any column of the batch is packed.
pub fn is_packed(batch: &RecordBatch) -> bool {
    batch.schema_ref().fields().iter().any(|f| f.metadata().contains_key(FORM))
}

/// The rows of `batches`, one after the other, packed. All have the types of the first, of which there is one at least, and
/// none is packed. Fails when that is not so, and when together they are too large for one batch.
pub fn pack(batches: &[RecordBatch]) -> Result<RecordBatch> {
    pack_after(batches, None)
}

/// As [`pack`], for further rows of the table that `former` is a part of: a list of distinct values may be shared with it.
pub fn pack_after(batches: &[RecordBatch], former: Option<&RecordBatch>) -> Result<RecordBatch> {
    let first = batches.first().ok_or_else(|| Error::internal("nothing to pack"))?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut fields = Vec::with_capacity(first.num_columns());
    let mut columns = Vec::with_capacity(first.num_columns());
    for (place, field) in first.schema_ref().fields().iter().enumerate() {
        if let Some(other) = batches.iter().find(|b| b.num_columns() != first.num_columns() || b.column(place).data_type() != field.data_type()) {
            return Err(Error::internal(format!("rows of differing schemas: {} and {}", first.schema_ref(), other.schema_ref())));
        }
        let chunks: Vec<&dyn Array> = batches.iter().map(|b| b.column(place).as_ref()).collect();
        let former = former.map(|batch| batch.column(place));
        let packed = match field.data_type() {
            DataType::Utf8 => match texts::pack::<arrow_array::types::Utf8Type>(&chunks, rows, former)? {
                None => letters::pack(&chunks, rows)?,
                packed => packed,
            },
            DataType::Binary => match numbers::pack(&chunks, rows) {
                None => texts::pack::<arrow_array::types::BinaryType>(&chunks, rows, former)?,
                packed => packed,
            },
            _ => integers::pack(&chunks, rows),
        };
        let (form, column) = match packed {
            Some(packed) => packed,
            None => (Form::Plain, concat(&chunks)?),
        };
        fields.push(form.field(field, column.data_type()));
        columns.push(column);
    }
    with_columns(first, fields, columns, rows)
}

/// The rows as they were before they were packed, if they were.
pub fn unpack(batch: &RecordBatch) -> Result<RecordBatch> {
    if !is_packed(batch) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let form = Form::of(field)?;
        let mut metadata = field.metadata().clone();
        [FORM, TYPE, BASE, LIKE, PLACES, LETTERS].iter().for_each(|name| drop(metadata.remove(*name)));
        fields.push(field.as_ref().clone().with_data_type(form.original_type(column.data_type())).with_metadata(metadata));
        columns.push(unpack_column(&form, column)?);
    }
    with_columns(batch, fields, columns, batch.num_rows())
}

/// Without what no row refers to: for a packed batch that was cut from a larger one.
pub fn trim(batch: &RecordBatch) -> Result<RecordBatch> {
    let trim = |(field, column): (&Arc<Field>, &ArrayRef)| match Form::of(field)? {
        Form::Distinct => texts::trim(column),
        _ => Ok(Arc::clone(column)),
    };
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(trim).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

/// Values of type `of` from several columns, packed or not: for every place a column's number and the row in it.
pub fn gather(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)], of: &DataType) -> Result<ArrayRef> {
    if columns.iter().all(|(_, form)| **form == Form::Plain) {
        let arrays: Vec<&dyn Array> = columns.iter().map(|(column, _)| column.as_ref()).collect();
        return Ok(interleave(&arrays, places)?);
    }
    match of {
        DataType::Utf8 => texts::gather::<arrow_array::types::Utf8Type>(columns, places),
        DataType::Binary if columns.iter().all(|(_, form)| matches!(form, Form::Plain | Form::Distinct)) => {
            texts::gather::<arrow_array::types::BinaryType>(columns, places)
        }
        DataType::Binary => gather_unpacked(columns, places),
        _ => integers::gather(columns, places, of),
    }
}

/// Unpacks the rows that are asked for, column by column, and puts them in order.
fn gather_unpacked(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)]) -> Result<ArrayRef> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); columns.len()];
    let place = |(column, row): &(usize, usize)| {
        rows[*column].push(*row as u32);
        (*column, rows[*column].len() - 1)
    };
    let places: Vec<(usize, usize)> = places.iter().map(place).collect();
    let some = |((column, form), rows): (&(&ArrayRef, &Form), Vec<u32>)| unpack_column(form, &take(column, &UInt32Array::from(rows), None)?);
    let unpacked = columns.iter().zip(rows).map(some).collect::<Result<Vec<_>>>()?;
    Ok(interleave(&unpacked.iter().map(|c| c.as_ref()).collect::<Vec<_>>(), &places)?)
}

fn unpack_column(form: &Form, column: &ArrayRef) -> Result<ArrayRef> {
    match form {
        Form::Plain => Ok(Arc::clone(column)),
        Form::Offsets { base, of } => integers::unpack(column, *base, of),
        Form::Distinct => texts::unpack(column),
        Form::Letters(letters) => letters::unpack(column, letters),
        Form::Numbers { base, like, places } => numbers::unpack(column, *base, like, places),
    }
}

fn with_columns(batch: &RecordBatch, fields: Vec<Field>, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let schema = Schema::new_with_metadata(fields, batch.schema_ref().metadata().clone());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?)
}

/// Bytes as the metadata of a field tells them.
mod hex {
    pub fn encode(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn decode(text: &str) -> Option<Vec<u8>> {
        text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    }
}

/// Which values of the chunks, one after the other, are not null; `None` if all are.
fn joined_nulls(chunks: &[&dyn Array]) -> Option<NullBuffer> {
    let has_nulls = chunks.iter().any(|c| c.null_count() > 0);
    has_nulls.then(|| chunks.iter().flat_map(|c| (0..c.len()).map(|row| c.is_valid(row))).collect())
}

fn too_long() -> Error {
    Error::invalid("more than 2 GB of text in one batch")
}

fn not_packed(form: &Form, column: &dyn Array) -> Error {
    Error::corrupt(format!("a column of {} cannot be unpacked as {form:?}", column.data_type()))
}

#[cfg(test)]
mod tests;
