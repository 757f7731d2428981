//! Text and bytes that repeat: a dictionary for each batch.

use std::sync::Arc;

use arrow_array::builder::GenericByteBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, UInt16Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, GenericByteArray, UInt16Array};
use arrow_buffer::NullBuffer;
use arrow_select::take::take;

use super::integers::gathered_nulls;
use super::{Form, Packed, not_packed};
use crate::Result;
use crate::key_group::hash_bytes;

/// After so many rows it is seen whether values repeat.
const SAMPLE_ROWS: usize = 1024;
/// No slot of the table.
const NONE: u16 = u16::MAX;

/// Distinct values, numbered as they come.
struct Distinct<'a, V: ?Sized> {
    /// Numbers by hash, open addressing, at most half of them in use.
    slots: Vec<u16>,
    values: Vec<&'a V>,
    hashes: Vec<u64>,
    bytes: usize,
}

impl<'a, V: AsRef<[u8]> + ?Sized> Distinct<'a, V> {
    fn new() -> Self {
        Self { slots: vec![NONE; 4 * SAMPLE_ROWS], values: Vec::new(), hashes: Vec::new(), bytes: 0 }
    }

    /// The number of a value; `None` when there are too many.
    #[inline]
    fn number(&mut self, value: &'a V) -> Option<u16> {
        let hash = hash_bytes(value.as_ref());
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let number = self.slots[slot];
            if number == NONE {
                return self.add(value, hash, slot);
            }
            if self.hashes[usize::from(number)] == hash && self.values[usize::from(number)].as_ref() == value.as_ref() {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn add(&mut self, value: &'a V, hash: u64, slot: usize) -> Option<u16> {
        let number = u16::try_from(self.values.len()).ok().filter(|n| *n != NONE)?;
        self.slots[slot] = number;
        self.values.push(value);
        self.hashes.push(hash);
        self.bytes += value.as_ref().len();
        if 2 * self.values.len() > self.slots.len() {
            self.grow();
        }
        Some(number)
    }

    fn grow(&mut self) {
        let mask = 2 * self.slots.len() - 1;
        self.slots = vec![NONE; mask + 1];
        for (number, hash) in (0u16..).zip(&self.hashes) {
            let mut slot = *hash as usize & mask;
            while self.slots[slot] != NONE {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = number;
        }
    }
}

pub(super) fn pack<T: ByteArrayType<Offset = i32>>(chunks: &[&dyn Array], rows: usize) -> Result<Option<Packed>> {
    let chunks: Vec<&GenericByteArray<T>> = chunks.iter().map(|c| c.as_bytes::<T>()).collect();
    let mut distinct = Distinct::new();
    let mut numbers: Vec<u16> = Vec::with_capacity(rows);
    let mut bytes = 0;
    for chunk in &chunks {
        for row in 0..chunk.len() {
            // What stands for a null, mostly nothing, is a value as others are, so that every number is one of the list.
            let value = chunk.value(row);
            let Some(number) = distinct.number(value) else { return Ok(None) };
            numbers.push(number);
            bytes += AsRef::<[u8]>::as_ref(value).len();
            // Three quarters of a sample may be distinct: where there are few values they repeat later.
            if numbers.len().is_multiple_of(SAMPLE_ROWS) && distinct.values.len() * 4 > numbers.len() * 3 {
                return Ok(None);
            }
        }
    }
    let (plain, packed) = (bytes + 4 * rows, distinct.bytes + 4 * distinct.values.len() + 2 * rows);
    if packed * 4 > plain * 3 {
        return Ok(None);
    }
    let has_nulls = chunks.iter().any(|c| c.null_count() > 0);
    let nulls: Option<NullBuffer> = has_nulls.then(|| chunks.iter().flat_map(|c| (0..c.len()).map(|row| c.is_valid(row))).collect());
    let mut values = GenericByteBuilder::<T>::with_capacity(distinct.values.len(), distinct.bytes);
    distinct.values.iter().for_each(|value| values.append_value(value));
    let numbers = UInt16Array::new(numbers.into(), nulls);
    Ok(Some((Form::Distinct, Arc::new(DictionaryArray::try_new(numbers, Arc::new(values.finish()))?))))
}

fn dictionary(column: &ArrayRef) -> Result<&DictionaryArray<UInt16Type>> {
    column.as_dictionary_opt::<UInt16Type>().ok_or_else(|| not_packed(&Form::Distinct, column))
}

pub(super) fn unpack(column: &ArrayRef) -> Result<ArrayRef> {
    let dictionary = dictionary(column)?;
    Ok(take(dictionary.values(), dictionary.keys(), None)?)
}

/// The same column with a list of only those values that it uses, if they are much fewer.
pub(super) fn trim(column: &ArrayRef) -> Result<ArrayRef> {
    let dictionary = dictionary(column)?;
    if dictionary.values().len() <= dictionary.len() {
        return Ok(Arc::clone(column));
    }
    let mut number_of = vec![NONE; dictionary.values().len()];
    let mut used: Vec<u16> = Vec::new();
    let renumber = |number: &u16| {
        let place = &mut number_of[usize::from(*number)];
        if *place == NONE {
            *place = used.len() as u16;
            used.push(*number);
        }
        *place
    };
    let numbers: Vec<u16> = dictionary.keys().values().iter().map(renumber).collect();
    let values = take(dictionary.values(), &UInt16Array::from(used), None)?;
    let numbers = UInt16Array::new(numbers.into(), dictionary.keys().nulls().cloned());
    Ok(Arc::new(DictionaryArray::try_new(numbers, values)?))
}

/// A column whose texts are read here and there.
enum Source<'a, T: ByteArrayType> {
    Plain(&'a GenericByteArray<T>),
    Distinct(&'a [u16], &'a GenericByteArray<T>),
}

impl<'a, T: ByteArrayType> Source<'a, T> {
    fn new(column: &'a ArrayRef, form: &Form) -> Result<Self> {
        let texts = |array: &'a ArrayRef| array.as_bytes_opt::<T>().ok_or_else(|| not_packed(form, column));
        match form {
            Form::Plain => Ok(Self::Plain(texts(column)?)),
            Form::Distinct => dictionary(column).and_then(|d| Ok(Self::Distinct(d.keys().values(), texts(d.values())?))),
            _ => Err(not_packed(form, column)),
        }
    }

    #[inline]
    fn get(&self, row: usize) -> &'a T::Native {
        match self {
            Self::Plain(texts) => texts.value(row),
            Self::Distinct(numbers, texts) => texts.value(usize::from(numbers[row])),
        }
    }
}

pub(super) fn gather<T: ByteArrayType<Offset = i32>>(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)]) -> Result<ArrayRef> {
    let sources = columns.iter().map(|(column, form)| Source::<T>::new(column, form)).collect::<Result<Vec<_>>>()?;
    let nulls = gathered_nulls(columns, places);
    let bytes = places.iter().map(|(source, row)| AsRef::<[u8]>::as_ref(sources[*source].get(*row)).len()).sum();
    let mut values = GenericByteBuilder::<T>::with_capacity(places.len(), bytes);
    for (i, (source, row)) in places.iter().enumerate() {
        match nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            true => values.append_null(),
            false => values.append_value(sources[*source].get(*row)),
        }
    }
    Ok(Arc::new(values.finish()))
}
