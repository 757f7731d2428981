//! Key groups: the unit in which keyed state is divided among subtasks, so that a job can be restored at another
//! parallelism.
//!
//! A row's key group is `hash(key) % key_groups`, with a hash that never changes between versions and machines (it is
//! part of the checkpoint format). Subtask `i` of `n` owns the groups `g` with `g * n / key_groups == i`, as in Flink.
//!
//! The hash: every column is folded into a 64-bit state by [`mix`]; integers, dates, times and booleans by their value
//! widened to i64, floats by their bits (-0.0 as 0.0, one NaN), decimals by their 128 bits, text and bytes by
//! [`hash_bytes`], a null by [`NULL_HASH`], lists, maps and rows by their elements in order.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType as ArrowType, IntervalUnit, TimeUnit};

use crate::{Error, Result};

/// The default number of key groups, which bounds the parallelism of a job for its life.
pub const DEFAULT_KEY_GROUPS: u16 = 128;

/// What the hash of a row begins with.
pub const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// What stands for the hash of a null.
pub const NULL_HASH: u64 = 0x6e75_6c6c_6b65_7931;

/// Folds `value` into `state`: a multiply of 128 bits, folded, as in wyhash.
#[inline]
pub fn mix(state: u64, value: u64) -> u64 {
    let product = u128::from(state ^ 0xa076_1d64_78bd_642f) * u128::from(value ^ 0xe703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A stable hash of bytes, eight at a time.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = SEED ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        state = mix(state, u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
    }
    let rest = chunks.remainder();
    let mut last = [0u8; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state, u64::from_le_bytes(last))
}

/// The stable hash of the key of every row, over `columns`. With no columns every row has the same hash.
pub fn hash_columns(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![SEED; rows];
    for column in columns {
        fold_column(column, &mut hashes)?;
    }
    Ok(hashes)
}

#[inline]
pub fn key_group_of(hash: u64, key_groups: u16) -> u16 {
    let key_groups = u64::from(key_groups);
    // Mostly there are 128, and a division takes longer than all the rest.
    let group = if key_groups.is_power_of_two() { hash & (key_groups - 1) } else { hash % key_groups };
    group as u16
}

/// The subtask that owns `key_group`.
pub fn subtask_of(key_group: u16, key_groups: u16, parallelism: usize) -> usize {
    usize::from(key_group) * parallelism / usize::from(key_groups)
}

/// The key groups that subtask `index` of `parallelism` owns.
pub fn key_group_range(index: usize, key_groups: u16, parallelism: usize) -> Range<u16> {
    let bound = |i: usize| (i * usize::from(key_groups)).div_ceil(parallelism) as u16;
    bound(index)..bound(index + 1)
}

fn fold(hashes: &mut [u64], array: &dyn Array, value: impl Fn(usize) -> u64) {
    if array.null_count() == 0 {
        for (i, h) in hashes.iter_mut().enumerate() {
            *h = mix(*h, value(i));
        }
        return;
    }
    for (i, h) in hashes.iter_mut().enumerate() {
        *h = mix(*h, if array.is_null(i) { NULL_HASH } else { value(i) });
    }
}

fn fold_column(array: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    macro_rules! integer {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            fold(hashes, array, |i| values[i] as i64 as u64)
        }};
    }
    match array.data_type() {
        ArrowType::Int64 => integer!(Int64Type),
        ArrowType::Int32 => integer!(Int32Type),
        ArrowType::Int16 => integer!(Int16Type),
        ArrowType::Int8 => integer!(Int8Type),
        ArrowType::Date32 => integer!(Date32Type),
        ArrowType::Time32(TimeUnit::Millisecond) => integer!(Time32MillisecondType),
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => integer!(TimestampMillisecondType),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => integer!(TimestampMicrosecondType),
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => integer!(TimestampNanosecondType),
        ArrowType::Duration(TimeUnit::Millisecond) => integer!(DurationMillisecondType),
        ArrowType::Interval(IntervalUnit::YearMonth) => integer!(IntervalYearMonthType),
        ArrowType::Boolean => {
            let values = array.as_boolean();
            fold(hashes, array, |i| u64::from(values.value(i)))
        }
        ArrowType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            fold(hashes, array, |i| float_bits(values[i]))
        }
        ArrowType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            fold(hashes, array, |i| float_bits(f64::from(values[i])))
        }
        ArrowType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values();
            fold(hashes, array, |i| mix(values[i] as u64, (values[i] >> 64) as u64))
        }
        ArrowType::Utf8 => {
            let values = array.as_string::<i32>();
            fold(hashes, array, |i| hash_bytes(values.value(i).as_bytes()))
        }
        ArrowType::Binary => {
            let values = array.as_binary::<i32>();
            fold(hashes, array, |i| hash_bytes(values.value(i)))
        }
        ArrowType::Null => hashes.iter_mut().for_each(|h| *h = mix(*h, NULL_HASH)),
        ArrowType::Struct(_) => {
            let fields = array.as_struct();
            let inner = hash_columns(fields.columns(), array.len())?;
            fold(hashes, array, |i| inner[i])
        }
        ArrowType::List(_) => {
            let list = array.as_list::<i32>();
            let inner = hash_columns(std::slice::from_ref(list.values()), list.values().len())?;
            let offsets = list.value_offsets();
            fold(hashes, array, |i| fold_range(&inner, offsets[i], offsets[i + 1]))
        }
        ArrowType::Map(..) => {
            let map = array.as_map();
            let inner = hash_columns(map.entries().columns(), map.entries().len())?;
            let offsets = map.value_offsets();
            fold(hashes, array, |i| fold_range(&inner, offsets[i], offsets[i + 1]))
        }
        other => return Err(Error::internal(format!("no key hash for Arrow type {other}"))),
    }
    Ok(())
}

fn fold_range(inner: &[u64], from: i32, to: i32) -> u64 {
    inner[from as usize..to as usize].iter().fold(SEED, |state, h| mix(state, *h))
}

fn float_bits(value: f64) -> u64 {
    match value {
        0.0 => 0,
        v if v.is_nan() => f64::NAN.to_bits(),
        v => v.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_group_has_the_owner_that_its_range_says() {
        for parallelism in 1..=128 {
            for subtask in 0..parallelism {
                for group in key_group_range(subtask, 128, parallelism) {
                    assert_eq!(subtask_of(group, 128, parallelism), subtask, "group {group} of {parallelism}");
                }
            }
        }
    }

    #[test]
    fn the_hash_is_part_of_the_checkpoint_format() {
        let column: ArrayRef = std::sync::Arc::new(arrow_array::Int64Array::from(vec![Some(1), None, Some(-7)]));
        let narrow: ArrayRef = std::sync::Arc::new(arrow_array::Int32Array::from(vec![Some(1), None, Some(-7)]));
        let hashes = hash_columns(&[column], 3).unwrap();
        assert_eq!(hashes, hash_columns(&[narrow], 3).unwrap());
    }
}
