//! The changelog of an aggregation: the results of some groups before and after, told apart and put in order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use brisk_core::{Result, RowKind};

use crate::batches::{interleave_columns, rows_differ};

/// A group that changed: what became of its result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub group: u32,
    /// The row of the result that was emitted, in `before`.
    pub before: Option<u32>,
    /// The row of the result that is, in `after`; `None` for a group that is gone.
    pub after: Option<u32>,
}

/// The rows of a changelog: of which group, and which row of `before` or, after those, of `after`.
#[derive(Debug, Default)]
pub(crate) struct GroupChanges {
    pub groups: Vec<u32>,
    pub kinds: Vec<RowKind>,
    rows: Vec<u32>,
}

impl GroupChanges {
    /// `always`: also where the result is what it was. `before_rows` is the length of `before`'s columns.
    pub fn of(changed: &[Changed], before: &[ArrayRef], after: &[ArrayRef], before_rows: u32, emit_update_before: bool, always: bool) -> Result<Self> {
        let differ = if always { None } else { Some(differences(changed, before, after)?) };
        let mut pairs = 0;
        let mut changes = Self::default();
        for Changed { group, before, after } in changed.iter().copied() {
            match (before, after) {
                (None, Some(row)) => changes.push(RowKind::Insert, group, before_rows + row),
                (Some(row), None) => changes.push(RowKind::Delete, group, row),
                (Some(old), Some(new)) => {
                    pairs += 1;
                    if differ.as_ref().is_none_or(|d| d[pairs - 1]) {
                        if emit_update_before {
                            changes.push(RowKind::UpdateBefore, group, old);
                        }
                        changes.push(RowKind::UpdateAfter, group, before_rows + new);
                    }
                }
                (None, None) => {}
            }
        }
        Ok(changes)
    }

    fn push(&mut self, kind: RowKind, group: u32, row: u32) {
        self.groups.push(group);
        self.kinds.push(kind);
        self.rows.push(row);
    }

    /// The columns of the results.
    pub fn columns(&self, before: &[ArrayRef], after: Vec<ArrayRef>, before_rows: u32) -> Result<Vec<ArrayRef>> {
        let only_after = after.first().is_some_and(|c| c.len() == self.rows.len()) && self.rows.iter().zip(before_rows..).all(|(row, next)| *row == next);
        if only_after {
            return Ok(after);
        }
        let mut places = Vec::new();
        let column = |(place, after): (usize, ArrayRef)| {
            // Without results to take back there is nothing before.
            let before = before.get(place).cloned().unwrap_or_else(|| after.slice(0, 0));
            if let Some(numbers) = self.numbers(&before, &after, before_rows) {
                return Ok(numbers);
            }
            if places.is_empty() {
                places = self.rows.iter().map(|&row| if row < before_rows { (0, row as usize) } else { (1, (row - before_rows) as usize) }).collect();
            }
            Ok(interleave_columns(&[&[before], &[after]], &places)?.swap_remove(0))
        };
        after.into_iter().enumerate().map(column).collect()
    }

    /// The usual column, BIGINT without nulls, in one loop.
    fn numbers(&self, before: &ArrayRef, after: &ArrayRef, before_rows: u32) -> Option<ArrayRef> {
        if *after.data_type() != DataType::Int64 || before.null_count() + after.null_count() > 0 {
            return None;
        }
        let (before, after) = (before.as_primitive::<Int64Type>().values(), after.as_primitive::<Int64Type>().values());
        let value = |&row: &u32| if row < before_rows { before[row as usize] } else { after[(row - before_rows) as usize] };
        Some(Arc::new(Int64Array::from_iter_values(self.rows.iter().map(value))))
    }
}

/// For every group that was and is, in order: whether its result differs.
fn differences(changed: &[Changed], before: &[ArrayRef], after: &[ArrayRef]) -> Result<Vec<bool>> {
    let (old, new): (Vec<u32>, Vec<u32>) = changed.iter().filter_map(|c| Some((c.before?, c.after?))).unzip();
    let pairs = old.len();
    if pairs == 0 || after.is_empty() {
        return Ok(vec![false; pairs]);
    }
    let (old, new) = (Rows::new(old), Rows::new(new));
    let mut differ = vec![false; pairs];
    for (before, after) in before.iter().zip(after) {
        let column = rows_differ(&[old.of(before)?], &[new.of(after)?], pairs)?;
        differ.iter_mut().zip(&column).for_each(|(d, c)| *d |= *c);
        // Most often a count comes early, and with it every group has changed.
        if differ.iter().all(|d| *d) {
            break;
        }
    }
    Ok(differ)
}

/// Some rows of a table.
struct Rows {
    rows: arrow_array::UInt32Array,
    /// Whether they are the first rows in order.
    leading: bool,
}

impl Rows {
    fn new(rows: Vec<u32>) -> Self {
        let leading = rows.iter().zip(0..).all(|(row, next)| *row == next);
        Self { rows: rows.into(), leading }
    }

    fn of(&self, column: &ArrayRef) -> Result<ArrayRef> {
        if self.leading {
            return Ok(column.slice(0, self.rows.len()));
        }
        Ok(take(column, &self.rows, None)?)
    }
}
