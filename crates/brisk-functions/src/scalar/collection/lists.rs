//! Reading lists and maps row by row, and building lists from parts of other arrays.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;
use arrow_select::interleave::interleave;
use brisk_core::{DataType, Error, Result, SqlType};

use super::super::{Argument, Call, binding};
use crate::cast;
use crate::types::common_type;

/// The ranges that a list or map has in its values.
pub(super) struct Lists<'a> {
    array: &'a ArrayRef,
    offsets: &'a [i32],
    step: usize,
}

impl<'a> Lists<'a> {
    pub fn of(call: &'a Call<'_>, index: usize) -> Self {
        let arg = &call.args[index];
        let array = arg.values();
        let offsets = match array.data_type() {
            ArrowType::Map(..) => array.as_map().value_offsets(),
            _ => array.as_list::<i32>().value_offsets(),
        };
        Self { array, offsets, step: usize::from(!arg.is_scalar()) }
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<Range<usize>> {
        let row = row * self.step;
        self.array.is_valid(row).then(|| self.offsets[row] as usize..self.offsets[row + 1] as usize)
    }

    /// The elements of all lists.
    pub fn values(&self) -> &'a ArrayRef {
        self.array.as_list::<i32>().values()
    }

    pub fn keys(&self) -> &'a ArrayRef {
        self.array.as_map().keys()
    }

    pub fn map_values(&self) -> &'a ArrayRef {
        self.array.as_map().values()
    }
}

/// Lists under construction: each element is a place in one of several sources.
#[derive(Default)]
pub(super) struct Picks {
    places: Vec<(usize, usize)>,
    ends: Vec<i32>,
    valid: Vec<bool>,
    start: usize,
}

impl Picks {
    pub fn add(&mut self, source: usize, element: usize) {
        self.places.push((source, element));
    }

    /// Ends a row; `None` (out of some `?`) makes it NULL.
    pub fn end(&mut self, row: Option<()>) {
        if row.is_none() {
            self.places.truncate(self.start);
        }
        self.valid.push(row.is_some());
        self.start = self.places.len();
        self.ends.push(self.start as i32);
    }

    /// The places added to the current row so far.
    pub fn current(&self) -> &[(usize, usize)] {
        &self.places[self.start..]
    }

    pub fn current_mut(&mut self) -> &mut [(usize, usize)] {
        &mut self.places[self.start..]
    }

    pub fn nulls(&self) -> Option<NullBuffer> {
        self.valid.iter().any(|v| !v).then(|| NullBuffer::from(self.valid.clone()))
    }

    pub fn offsets(&self) -> OffsetBuffer<i32> {
        let ends = std::iter::once(0).chain(self.ends.iter().copied()).collect::<Vec<_>>();
        OffsetBuffer::new(ends.into())
    }

    pub fn gather(&self, sources: &[ArrayRef]) -> Result<ArrayRef> {
        let sources: Vec<&dyn Array> = sources.iter().map(|s| s.as_ref()).collect();
        Ok(interleave(&sources, &self.places)?)
    }

    /// The lists, as an array of the type `returns`.
    pub fn finish(self, sources: &[ArrayRef], returns: &SqlType) -> Result<ArrayRef> {
        let ArrowType::List(field) = returns.to_arrow() else {
            return Err(Error::internal(format!("{returns} is no list")));
        };
        let values = self.gather(sources)?;
        Ok(Arc::new(ListArray::try_new(field, self.offsets(), values, self.nulls())?))
    }
}

/// The element type of argument `index`, which must be an ARRAY.
pub(super) fn element_type(args: &[Argument], index: usize) -> Result<&SqlType> {
    match &args[index].sql_type.data_type {
        DataType::Array(item) => Ok(item),
        _ => Err(binding::wrong(index, &args[index].sql_type, "an ARRAY")),
    }
}

/// The type that a value is cast to where it is compared with, or put among, elements of type `item`.
pub(super) fn as_element(index: usize, value: &SqlType, item: &SqlType) -> Result<SqlType> {
    if value.data_type == DataType::Null {
        return Ok(SqlType::nullable(item.data_type.clone()));
    }
    if value.data_type.is_character() && item.data_type.is_character() {
        return Ok(value.clone());
    }
    let bare = |t: &SqlType| t.with_nullable(true);
    let fits = cast::implicit(&bare(value), &bare(item)) || common_type(&[value.clone(), item.clone()]).is_some_and(|c| c.data_type == item.data_type);
    if !fits {
        return Err(binding::wrong(index, value, &format!("{}, as the elements", item.data_type)));
    }
    Ok(SqlType { data_type: item.data_type.clone(), nullable: value.nullable })
}

/// An ARRAY type.
pub(super) fn array_of(item: SqlType, nullable: bool) -> SqlType {
    SqlType { data_type: DataType::Array(Box::new(item)), nullable }
}
