//! Loops over the rows of an update, and columns made from groups: what every accumulator does the same way.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, ListArray, PrimitiveArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Field};
use brisk_core::{DataType, Result, SqlType};

/// Calls `visit(row, group, added)` for every row that is not null. The questions whether there are nulls and whether
/// rows are taken back are asked once, so that each of the four loops stays tight.
#[inline(always)]
pub(super) fn each_row(groups: &[u32], nulls: Option<&NullBuffer>, retract: Option<&[bool]>, mut visit: impl FnMut(usize, usize, bool)) {
    match (nulls.filter(|n| n.null_count() > 0), retract) {
        (None, None) => {
            for (row, &group) in groups.iter().enumerate() {
                visit(row, group as usize, true);
            }
        }
        (Some(valid), None) => {
            for row in valid.valid_indices() {
                visit(row, groups[row] as usize, true);
            }
        }
        (None, Some(retract)) => {
            for (row, (&group, &taken)) in groups.iter().zip(retract).enumerate() {
                visit(row, group as usize, !taken);
            }
        }
        (Some(valid), Some(retract)) => {
            for row in valid.valid_indices() {
                visit(row, groups[row] as usize, !retract[row]);
            }
        }
    }
}

/// The rows where no argument is null.
pub(super) fn common_nulls(args: &[ArrayRef]) -> Option<NullBuffer> {
    args.iter().fold(None, |all, a| NullBuffer::union(all.as_ref(), a.logical_nulls().as_ref()))
}

/// A column with one value for each of `groups`.
pub(super) fn primitive<T: ArrowPrimitiveType>(groups: &[u32], data_type: &ArrowType, value: impl Fn(usize) -> Option<T::Native>) -> ArrayRef {
    let mut some_null = false;
    let or_default = |group: &u32| {
        let value = value(*group as usize);
        some_null |= value.is_none();
        value.unwrap_or_default()
    };
    let values: Vec<T::Native> = groups.iter().map(or_default).collect();
    let nulls = some_null.then(|| groups.iter().map(|group| value(*group as usize).is_some()).collect());
    let array = PrimitiveArray::<T>::new(values.into(), nulls);
    Arc::new(array.with_data_type(data_type.clone()))
}

/// A column of BIGINTs without nulls.
pub(super) fn bigints(groups: &[u32], value: impl Fn(usize) -> i64) -> ArrayRef {
    Arc::new(arrow_array::Int64Array::from_iter_values(groups.iter().map(|&g| value(g as usize))))
}

/// So many values are looked at to estimate the bytes of all.
const SAMPLE: usize = 256;

/// About how many bytes all of `values` take, of which there are `len`: asked for many times a second, so that only the
/// first ones are looked at.
pub(super) fn about_bytes<T>(values: impl Iterator<Item = T>, len: usize, bytes: impl Fn(T) -> usize) -> usize {
    let (seen, sum) = values.take(SAMPLE).fold((0, 0), |(seen, sum), value| (seen + 1, sum + bytes(value)));
    if seen == 0 { 0 } else { (sum as f64 * len as f64 / f64::from(seen)) as usize }
}

/// As [`about_bytes`], of groups, from some spread over all of them.
pub(super) fn about_bytes_of_groups<T>(groups: &[T], bytes: impl Fn(&T) -> usize) -> usize {
    about_bytes(groups.iter().step_by(groups.len() / SAMPLE + 1), groups.len(), bytes)
}

/// A column of lists: `lengths[i]` elements of `values` each, in order. `valid`: which lists are not null.
pub(super) fn lists(lengths: impl IntoIterator<Item = usize>, values: ArrayRef, valid: Option<Vec<bool>>) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let nulls = valid.map(NullBuffer::from);
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, nulls)?))
}

/// The element range of list `row`.
pub(super) fn list_range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

pub(super) fn bigint() -> SqlType {
    SqlType::not_null(DataType::BigInt)
}

/// `ARRAY<item>`, as states hold many values of a group.
pub(super) fn array_of(item: &SqlType) -> SqlType {
    SqlType::nullable(DataType::Array(Box::new(item.clone())))
}
