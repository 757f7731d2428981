//! Bytes of one length that differ in eight places at most, as the encoded keys of a table do.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, UInt64Array};
use arrow_schema::DataType;

use super::{Form, Packed, integers};
use crate::Result;

/// So many bytes make a number.
const PLACES: usize = 8;
/// Longer values are no keys, and would be looked through in vain.
const MAX_LENGTH: usize = 256;

pub(super) fn pack(chunks: &[&dyn Array], rows: usize) -> Option<Packed> {
    let chunks: Vec<&BinaryArray> = chunks.iter().map(|c| c.as_binary::<i32>()).collect();
    let first = chunks.iter().find(|c| !c.is_empty())?.value(0);
    let has_length = |c: &&BinaryArray| c.null_count() == 0 && c.value_offsets().windows(2).all(|o| (o[1] - o[0]) as usize == first.len());
    if first.is_empty() || first.len() > MAX_LENGTH || !chunks.iter().all(has_length) {
        return None;
    }
    let mut differs = vec![0u8; first.len()];
    for chunk in &chunks {
        for value in bytes_of(chunk).chunks_exact(first.len()) {
            differs.iter_mut().zip(value).zip(first).for_each(|((differs, byte), first)| *differs |= byte ^ first);
        }
    }
    let places: Vec<usize> = differs.iter().enumerate().filter(|(_, differs)| **differs != 0).map(|(place, _)| place).collect();
    if places.len() > PLACES {
        return None;
    }
    let mut numbers: Vec<u64> = Vec::with_capacity(rows);
    // The last eight bytes at once: most keys end in an integer.
    let tail = first.len().checked_sub(PLACES).filter(|tail| places.first().is_none_or(|place| place >= tail));
    for chunk in &chunks {
        let values = bytes_of(chunk).chunks_exact(first.len());
        match tail {
            Some(tail) => numbers.extend(values.map(|value| u64::from_be_bytes(value[tail..].try_into().expect("eight bytes")))),
            None => numbers.extend(values.map(|value| places.iter().fold(0, |number, place| number << 8 | u64::from(value[*place])))),
        }
    }
    let Some(tail) = tail else { return number_column(numbers, first, places) };
    // Which of the bytes counts most is not known: the other way round integers of a machine are near each other.
    if span(numbers.iter().map(|n| n.swap_bytes())) < span(numbers.iter().copied()) {
        numbers.iter_mut().for_each(|n| *n = n.swap_bytes());
        return number_column(numbers, first, (tail..first.len()).rev().collect());
    }
    number_column(numbers, first, (tail..first.len()).collect())
}

/// From the least to the largest.
fn span(numbers: impl Iterator<Item = u64>) -> u64 {
    let (least, largest) = numbers.fold((u64::MAX, 0), |(least, largest), n| (n.min(least), n.max(largest)));
    largest.saturating_sub(least)
}

fn number_column(mut numbers: Vec<u64>, first: &[u8], places: Vec<usize>) -> Option<Packed> {
    let least = *numbers.iter().min()?;
    numbers.iter_mut().for_each(|n| *n -= least);
    let rows = numbers.len();
    let numbers: ArrayRef = Arc::new(UInt64Array::from(numbers));
    let form = Form::Numbers { base: least, like: first.to_vec(), places };
    match integers::pack(&[numbers.as_ref()], rows) {
        // The least of them is nought, so the offsets are the numbers.
        Some((_, narrow)) => Some((form, narrow)),
        None => Some((form, numbers)),
    }
}

/// The bytes of all values of an array, one after the other.
fn bytes_of(array: &BinaryArray) -> &[u8] {
    let offsets = array.value_offsets();
    &array.value_data()[offsets[0] as usize..offsets[array.len()] as usize]
}

pub(super) fn unpack(column: &ArrayRef, base: u64, like: &[u8], places: &[usize]) -> Result<ArrayRef> {
    let numbers = match column.data_type() {
        DataType::UInt64 => Arc::clone(column),
        _ => integers::unpack(column, 0, &DataType::UInt64)?,
    };
    let numbers = numbers.as_primitive::<UInt64Type>().values();
    let mut out = BinaryBuilder::with_capacity(numbers.len(), numbers.len() * like.len());
    let mut value = like.to_vec();
    for number in numbers {
        let bytes = number.wrapping_add(base).to_be_bytes();
        places.iter().zip(&bytes[PLACES - places.len()..]).for_each(|(place, byte)| value[*place] = *byte);
        out.append_value(&value);
    }
    Ok(Arc::new(out.finish()))
}

/// Places as text tells them, if there are eight at most and all lie in a value of `length` bytes.
pub(super) fn places_of(text: &str, length: usize) -> Option<Vec<usize>> {
    let places: Option<Vec<usize>> = text.split_terminator(' ').map(|place| place.parse().ok().filter(|place| *place < length)).collect();
    places.filter(|places| places.len() <= PLACES)
}

pub(super) fn text_of(places: &[usize]) -> String {
    places.iter().map(|place| format!("{place} ")).collect()
}
