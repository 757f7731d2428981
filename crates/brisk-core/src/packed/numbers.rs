//! Bytes of one length that differ in their last eight at most.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, UInt64Array};
use arrow_schema::DataType;

use super::{Form, Packed, integers};
use crate::Result;

/// So many bytes make a number.
const LENGTH: usize = 8;

pub(super) fn pack(chunks: &[&dyn Array], rows: usize) -> Option<Packed> {
    let chunks: Vec<&BinaryArray> = chunks.iter().map(|c| c.as_binary::<i32>()).collect();
    let first = chunks.iter().find(|c| !c.is_empty())?.value(0);
    let has_length = |c: &&BinaryArray| c.null_count() == 0 && c.value_offsets().windows(2).all(|o| (o[1] - o[0]) as usize == first.len());
    if first.is_empty() || !chunks.iter().all(has_length) {
        return None;
    }
    let (prefix, last) = first.split_at(first.len().saturating_sub(LENGTH));
    let mut numbers = Vec::with_capacity(rows);
    for chunk in &chunks {
        let bytes = &chunk.value_data()[chunk.value_offsets()[0] as usize..];
        for value in bytes[..chunk.len() * first.len()].chunks_exact(first.len()) {
            let (start, end) = value.split_at(prefix.len());
            if start != prefix {
                return None;
            }
            numbers.push(match <[u8; LENGTH]>::try_from(end) {
                Ok(eight) => u64::from_be_bytes(eight),
                Err(_) => end.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            });
        }
    }
    let least = *numbers.iter().min()?;
    numbers.iter_mut().for_each(|n| *n -= least);
    let numbers: ArrayRef = Arc::new(UInt64Array::from(numbers));
    let form = Form::Numbers { base: least, prefix: prefix.to_vec(), length: last.len() };
    match integers::pack(&[numbers.as_ref()], rows) {
        // The least of them is nought, so the offsets are the numbers.
        Some((_, narrow)) => Some((form, narrow)),
        None => Some((form, numbers)),
    }
}

pub(super) fn unpack(column: &ArrayRef, base: u64, prefix: &[u8], length: usize) -> Result<ArrayRef> {
    let numbers = match column.data_type() {
        DataType::UInt64 => Arc::clone(column),
        _ => integers::unpack(column, 0, &DataType::UInt64)?,
    };
    let numbers = numbers.as_primitive::<UInt64Type>().values();
    let mut out = BinaryBuilder::with_capacity(numbers.len(), numbers.len() * (prefix.len() + length));
    let mut value = [prefix, &[0; LENGTH][..length]].concat();
    for number in numbers {
        let bytes = number.wrapping_add(base).to_be_bytes();
        value[prefix.len()..].copy_from_slice(&bytes[LENGTH - length..]);
        out.append_value(&value);
    }
    Ok(Arc::new(out.finish()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}
