//! Text and bytes that repeat: a dictionary for each batch.

use std::sync::Arc;

use arrow_array::builder::GenericByteBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, UInt16Type};
use arrow_array::{Array, ArrayRef, BinaryArray, DictionaryArray, GenericByteArray, UInt16Array};
use arrow_buffer::OffsetBuffer;
use arrow_select::take::take;

use super::integers::gathered_nulls;
use super::letters::{self, Letters};
use super::{Form, Packed, joined_nulls, not_packed, too_long};
use crate::Result;
use crate::key_group::hash_bytes;

/// After so many rows it is seen whether values repeat.
const SAMPLE_ROWS: usize = 1024;
/// No slot of the table.
const NONE: u16 = u16::MAX;

/// Distinct values, numbered as they come, behind those of a former list.
struct Distinct<'a, V: ?Sized> {
    /// Numbers by hash, open addressing, at most half of them in use.
    slots: Vec<u16>,
    values: Vec<&'a V>,
    hashes: Vec<u64>,
    bytes: usize,
    /// By number; how many there are, and how many bytes they have.
    used: Vec<bool>,
    used_values: usize,
    used_bytes: usize,
}

impl<'a, V: AsRef<[u8]> + ?Sized> Distinct<'a, V> {
    fn after(former: &[&'a V]) -> Self {
        let slots = vec![NONE; (4 * former.len()).next_power_of_two().max(4 * SAMPLE_ROWS)];
        let mut distinct = Self { slots, values: Vec::new(), hashes: Vec::new(), bytes: 0, used: Vec::new(), used_values: 0, used_bytes: 0 };
        for value in former {
            let _ = distinct.find(value);
        }
        distinct
    }

    /// The number of a value of a row; `None` when there are too many.
    #[inline]
    fn number(&mut self, value: &'a V) -> Option<u16> {
        let number = self.find(value)?;
        if !std::mem::replace(&mut self.used[usize::from(number)], true) {
            self.used_values += 1;
            self.used_bytes += value.as_ref().len();
        }
        Some(number)
    }

    #[inline]
    fn find(&mut self, value: &'a V) -> Option<u16> {
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
        self.used.push(false);
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

    /// What a list of the used values takes, and one of all.
    fn list_bytes(&self) -> (usize, usize) {
        (self.used_bytes + 4 * self.used_values, self.bytes + 4 * self.values.len())
    }

    /// Forgets the values that are not used, and numbers the others anew, in `numbers` too.
    fn keep_used(&mut self, numbers: &mut [u16]) {
        let mut new: Vec<u16> = Vec::with_capacity(self.used.len());
        let mut count = 0;
        for used in &self.used {
            new.push(count);
            count += u16::from(*used);
        }
        numbers.iter_mut().for_each(|number| *number = new[usize::from(*number)]);
        let mut used = self.used.iter();
        self.values.retain(|_| used.next() == Some(&true));
        self.bytes = self.used_bytes;
    }
}

/// `former`: a packed column of rows of the same table before these. If its list, with what is new, is not much longer than a
/// list of its own would be, the column gets that, and shares it where nothing is new.
pub(super) fn pack<T: ByteArrayType<Offset = i32>>(chunks: &[&dyn Array], rows: usize, former: Option<&ArrayRef>) -> Result<Option<Packed>> {
    let list = former.and_then(|column| column.as_dictionary_opt::<UInt16Type>()).map(|d| d.values()).filter(|list| *list.data_type() == T::DATA_TYPE);
    let texts = list.map(|list| list.as_bytes::<T>());
    let chunks_of_texts: Vec<&GenericByteArray<T>> = chunks.iter().map(|c| c.as_bytes::<T>()).collect();
    let known: Vec<&T::Native> = texts.map_or_else(Vec::new, |texts| (0..texts.len()).map(|n| texts.value(n)).collect());
    let mut distinct = Distinct::after(&known);
    let mut numbers: Vec<u16> = Vec::with_capacity(rows);
    let mut bytes = 0;
    for chunk in &chunks_of_texts {
        for row in 0..chunk.len() {
            // What stands for a null, mostly nothing, is a value as others are, so that every number is one of the list.
            let value = chunk.value(row);
            let Some(number) = distinct.number(value) else {
                return if known.is_empty() { Ok(None) } else { pack::<T>(chunks, rows, None) };
            };
            numbers.push(number);
            bytes += AsRef::<[u8]>::as_ref(value).len();
            // Three quarters of a sample may be distinct: where there are few values they repeat later.
            if numbers.len().is_multiple_of(SAMPLE_ROWS) && distinct.used_values * 4 > numbers.len() * 3 {
                return Ok(None);
            }
        }
    }
    let (own, all) = distinct.list_bytes();
    if (own + 2 * rows) * 4 > (bytes + 4 * rows) * 3 {
        return Ok(None);
    }
    let values: ArrayRef = match list {
        Some(list) if distinct.values.len() == known.len() && all * 2 <= own * 3 => Arc::clone(list),
        _ => {
            if all * 2 > own * 3 {
                distinct.keep_used(&mut numbers);
            }
            let mut values = GenericByteBuilder::<T>::with_capacity(distinct.values.len(), distinct.bytes);
            distinct.values.iter().for_each(|value| values.append_value(value));
            Arc::new(values.finish())
        }
    };
    let numbers = UInt16Array::new(numbers.into(), joined_nulls(chunks));
    Ok(Some((Form::Distinct, Arc::new(DictionaryArray::try_new(numbers, values)?))))
}

/// Whether both columns are packed and share one list of values.
pub(super) fn shared_list<'a>(column: &'a ArrayRef, former: &ArrayRef) -> Option<&'a ArrayRef> {
    let list = |column: &'a ArrayRef| column.as_dictionary_opt::<UInt16Type>().map(|d| d.values());
    let former = former.as_dictionary_opt::<UInt16Type>().map(|d| d.values());
    list(column).filter(|list| former.is_some_and(|former| Arc::ptr_eq(list, former)))
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
    Letters(&'a BinaryArray, &'a Letters),
}

impl<'a, T: ByteArrayType> Source<'a, T> {
    fn new(column: &'a ArrayRef, form: &'a Form) -> Result<Self> {
        let texts = |array: &'a ArrayRef| array.as_bytes_opt::<T>().ok_or_else(|| not_packed(form, column));
        match form {
            Form::Plain => Ok(Self::Plain(texts(column)?)),
            Form::Distinct => dictionary(column).and_then(|d| Ok(Self::Distinct(d.keys().values(), texts(d.values())?))),
            Form::Letters(letters) => Ok(Self::Letters(letters::binary(column)?, letters)),
            _ => Err(not_packed(form, column)),
        }
    }

    /// About how many bytes a text has.
    #[inline]
    fn size(&self, row: usize) -> usize {
        let length = |texts: &GenericByteArray<T>, row| AsRef::<[u8]>::as_ref(texts.value(row)).len();
        match self {
            Self::Plain(texts) => length(texts, row),
            Self::Distinct(numbers, texts) => length(texts, usize::from(numbers[row])),
            Self::Letters(packed, _) => packed.value(row).len() * 2,
        }
    }

    #[inline]
    fn append(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Plain(texts) => out.extend_from_slice(texts.value(row).as_ref()),
            Self::Distinct(numbers, texts) => out.extend_from_slice(texts.value(usize::from(numbers[row])).as_ref()),
            Self::Letters(packed, letters) => letters.decode(packed.value(row), out),
        }
    }
}

pub(super) fn gather<T: ByteArrayType<Offset = i32>>(columns: &[(&ArrayRef, &Form)], places: &[(usize, usize)]) -> Result<ArrayRef> {
    let sources = columns.iter().map(|(column, form)| Source::<T>::new(column, form)).collect::<Result<Vec<_>>>()?;
    let nulls = gathered_nulls(columns, places);
    let mut data = Vec::with_capacity(places.iter().map(|(source, row)| sources[*source].size(*row)).sum());
    let mut offsets: Vec<i32> = Vec::with_capacity(places.len() + 1);
    offsets.push(0);
    for (i, (source, row)) in places.iter().enumerate() {
        if nulls.as_ref().is_none_or(|n| n.is_valid(i)) {
            sources[*source].append(*row, &mut data);
        }
        offsets.push(i32::try_from(data.len()).map_err(|_| too_long())?);
    }
    Ok(Arc::new(GenericByteArray::<T>::try_new(OffsetBuffer::new(offsets.into()), data.into(), nulls)?))
}
