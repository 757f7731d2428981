//! Arguments read row by row: a column, or a constant that is the same for every row.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;
use brisk_core::Result;

use super::Call;
use crate::Columnar;

/// Values of a column or of a constant.
pub struct Reader<'a, A> {
    array: &'a A,
    /// 1 for a column; 0 for a constant, which is read at row 0 always.
    step: usize,
}

pub type Texts<'a> = Reader<'a, StringArray>;
pub type Bytes<'a> = Reader<'a, BinaryArray>;
pub type Booleans<'a> = Reader<'a, BooleanArray>;

impl<'a> Call<'a> {
    pub fn text(&self, index: usize) -> Texts<'a> {
        Reader::new(&self.args[index], |a| a.as_string())
    }

    pub fn binary(&self, index: usize) -> Bytes<'a> {
        Reader::new(&self.args[index], |a| a.as_binary())
    }

    pub fn boolean(&self, index: usize) -> Booleans<'a> {
        Reader::new(&self.args[index], |a| a.as_boolean())
    }

    pub fn number<P: ArrowPrimitiveType>(&self, index: usize) -> Reader<'a, PrimitiveArray<P>> {
        Reader::new(&self.args[index], |a| a.as_primitive())
    }

    /// The argument as an array of as many elements as rows.
    pub fn array(&self, index: usize) -> Result<ArrayRef> {
        self.args[index].to_array(self.rows)
    }

    /// Integers of any width.
    pub fn integers(&self, index: usize) -> Integers<'a> {
        Integers::new(&self.args[index])
    }

    /// Text as its bytes, or bytes: what hashes and encoders read.
    pub fn raw(&self, index: usize) -> Raw<'a> {
        Raw::new(&self.args[index])
    }
}

impl<'a, A> Reader<'a, A> {
    fn new(arg: &'a Columnar, downcast: impl Fn(&'a ArrayRef) -> &'a A) -> Self {
        Self { array: downcast(arg.values()), step: usize::from(!arg.is_scalar()) }
    }

    pub fn is_constant(&self) -> bool {
        self.step == 0
    }
}

impl<'a> Texts<'a> {
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl<'a> Bytes<'a> {
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl Booleans<'_> {
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl<P: ArrowPrimitiveType> Reader<'_, PrimitiveArray<P>> {
    #[inline]
    pub fn get(&self, row: usize) -> Option<P::Native> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// TINYINT to BIGINT, read as BIGINT.
pub enum Integers<'a> {
    I8(Reader<'a, PrimitiveArray<Int8Type>>),
    I16(Reader<'a, PrimitiveArray<Int16Type>>),
    I32(Reader<'a, PrimitiveArray<Int32Type>>),
    I64(Reader<'a, PrimitiveArray<Int64Type>>),
}

impl<'a> Integers<'a> {
    fn new(arg: &'a Columnar) -> Self {
        match arg.values().data_type() {
            ArrowType::Int8 => Integers::I8(Reader::new(arg, |a| a.as_primitive())),
            ArrowType::Int16 => Integers::I16(Reader::new(arg, |a| a.as_primitive())),
            ArrowType::Int32 => Integers::I32(Reader::new(arg, |a| a.as_primitive())),
            _ => Integers::I64(Reader::new(arg, |a| a.as_primitive())),
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match self {
            Integers::I8(r) => r.get(row).map(i64::from),
            Integers::I16(r) => r.get(row).map(i64::from),
            Integers::I32(r) => r.get(row).map(i64::from),
            Integers::I64(r) => r.get(row),
        }
    }
}

/// Character and binary strings, read as bytes.
pub enum Raw<'a> {
    Text(Texts<'a>),
    Binary(Bytes<'a>),
}

impl<'a> Raw<'a> {
    fn new(arg: &'a Columnar) -> Self {
        match arg.values().data_type() {
            ArrowType::Binary => Raw::Binary(Reader::new(arg, |a| a.as_binary())),
            _ => Raw::Text(Reader::new(arg, |a| a.as_string())),
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Raw::Text(r) => r.get(row).map(str::as_bytes),
            Raw::Binary(r) => r.get(row),
        }
    }
}

/// A STRING column that is made from the first row to the last.
pub struct TextColumn {
    texts: String,
    /// Where each text ends, behind a first 0.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl TextColumn {
    /// `bytes` are about those of all texts.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { texts: String::with_capacity(bytes), ends, nulls: NullBufferBuilder::new(rows) }
    }

    #[inline]
    pub fn push(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.texts.push_str(text);
                self.nulls.append_non_null();
            }
            None => self.nulls.append_null(),
        }
        // As Arrow's own builders: an offset has 31 bits, and a batch with 2 GB of text ends the job.
        self.ends.push(i32::try_from(self.texts.len()).expect("offset overflow"));
    }

    pub fn finish(mut self) -> ArrayRef {
        let ends = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        Arc::new(StringArray::new(ends, self.texts.into_bytes().into(), self.nulls.finish()))
    }
}

/// STRING results: `write` appends row's text and says whether it is not null.
pub fn build_texts(rows: usize, mut write: impl FnMut(usize, &mut String) -> Option<()>) -> ArrayRef {
    let mut column = TextColumn::with_capacity(rows, rows * 16);
    let mut scratch = String::new();
    for row in 0..rows {
        scratch.clear();
        let written = write(row, &mut scratch);
        column.push(written.map(|()| scratch.as_str()));
    }
    column.finish()
}

/// STRING results that are parts of the arguments.
pub fn pick_texts<'a>(rows: usize, mut pick: impl FnMut(usize) -> Option<&'a str>) -> ArrayRef {
    let mut column = TextColumn::with_capacity(rows, rows * 16);
    for row in 0..rows {
        column.push(pick(row));
    }
    column.finish()
}

pub fn build_binary(rows: usize, mut value: impl FnMut(usize) -> Option<Vec<u8>>) -> ArrayRef {
    let mut builder = BinaryBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        builder.append_option(value(row));
    }
    Arc::new(builder.finish())
}

pub fn build_booleans(rows: usize, mut value: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
    let mut builder = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(value(row));
    }
    Arc::new(builder.finish())
}

pub fn build_numbers<P: ArrowPrimitiveType>(rows: usize, mut value: impl FnMut(usize) -> Option<P::Native>) -> ArrayRef {
    let mut builder = PrimitiveBuilder::<P>::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(value(row));
    }
    Arc::new(builder.finish())
}
