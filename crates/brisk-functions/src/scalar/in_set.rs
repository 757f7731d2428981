//! `a IN (constants)` by a set: one probe a row however long the list is.

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use brisk_core::types::timestamp_unit;
use brisk_core::{DataType, Result};
use hashbrown::HashSet;

use super::Call;
use crate::Columnar;

/// Below this many constants comparing one by one is as fast.
const MIN_CONSTANTS: usize = 4;

/// The answer, or `None` where the list is not of constants or not of integers, times or text.
pub(super) fn lookup(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    let (Columnar::Array(probe), candidates) = (&call.args[0], &call.args[1..]) else { return Ok(None) };
    if candidates.len() < MIN_CONSTANTS || !candidates.iter().all(Columnar::is_scalar) {
        return Ok(None);
    }
    let has_null = candidates.iter().any(Columnar::is_null_scalar);
    let found = match &call.arg_types[0].data_type {
        DataType::TinyInt => among::<Int8Type>(probe, candidates),
        DataType::SmallInt => among::<Int16Type>(probe, candidates),
        DataType::Int => among::<Int32Type>(probe, candidates),
        DataType::BigInt => among::<Int64Type>(probe, candidates),
        DataType::Date => among::<Date32Type>(probe, candidates),
        DataType::Timestamp(p) | DataType::TimestampLtz(p) => match timestamp_unit(*p) {
            arrow_schema::TimeUnit::Microsecond => among::<TimestampMicrosecondType>(probe, candidates),
            arrow_schema::TimeUnit::Nanosecond => among::<TimestampNanosecondType>(probe, candidates),
            _ => among::<TimestampMillisecondType>(probe, candidates),
        },
        DataType::Char(_) | DataType::Varchar(_) => {
            let set: HashSet<&str, foldhash::fast::FixedState> =
                candidates.iter().map(|c| c.values().as_string::<i32>()).filter(|c| c.is_valid(0)).map(|c| c.value(0)).collect();
            let values = probe.as_string::<i32>();
            BooleanBuffer::collect_bool(probe.len(), |i| values.is_valid(i) && set.contains(values.value(i)))
        }
        _ => return Ok(None),
    };
    // Not found, but a NULL in the list might have been it.
    let nulls = match (probe.nulls(), has_null) {
        (nulls, false) => nulls.cloned(),
        (_, true) => Some(NullBuffer::new(found.clone())),
    };
    Ok(Some(Arc::new(BooleanArray::new(found, nulls))))
}

fn among<P: ArrowPrimitiveType>(probe: &ArrayRef, candidates: &[Columnar]) -> BooleanBuffer
where
    P::Native: Hash + Eq,
{
    let constants = candidates.iter().map(|c| c.values().as_primitive::<P>()).filter(|c| c.is_valid(0)).map(|c| c.value(0));
    let set: HashSet<P::Native, foldhash::fast::FixedState> = constants.collect();
    let probe = probe.as_primitive::<P>();
    let values = probe.values();
    BooleanBuffer::collect_bool(probe.len(), |i| probe.is_valid(i) && set.contains(&values[i]))
}
