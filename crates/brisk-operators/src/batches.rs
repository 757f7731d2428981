//! Building the batches that operators emit and snapshots keep.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use brisk_core::{ChangelogBatch, Result, RowKind};
use brisk_state::{KeyedRows, LastTouch, RowId, RowStore};

/// Operators that make rows of their own (and do not pass a batch on) send so many at a time at most.
pub(crate) const MAX_ROWS: usize = 8192;

/// A batch of `rows` rows; there may be no columns.
pub(crate) fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Columns for a snapshot, where names do not matter.
pub(crate) fn unnamed_batch(columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// When each of `ids` was touched, in ms, for a snapshot; nulls without a time-to-live.
pub(crate) fn touched_column(touch: Option<&LastTouch>, ids: &[u32]) -> ArrayRef {
    Arc::new(match touch {
        Some(touch) => Int64Array::from_iter_values(ids.iter().map(|id| touch.touched_ms(*id))),
        None => Int64Array::new_null(ids.len()),
    })
}

/// For a snapshot, the stored rows of some keys, after a column that says when each key was touched. `add` adds the rows of
/// a key.
pub(crate) fn rows_of_keys(ids: &[u32], store: &RowStore, touch: Option<&LastTouch>, add: impl Fn(u32, &mut Vec<RowId>)) -> Result<KeyedRows> {
    let (mut owners, mut rows, mut touched) = (Vec::new(), Vec::new(), Vec::new());
    for (i, &id) in ids.iter().enumerate() {
        add(id, &mut rows);
        owners.resize(rows.len(), i as u32);
        touched.resize(rows.len(), touch.map(|t| t.touched_ms(id)));
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(touched))];
    columns.extend(store.gather(&rows)?.columns().iter().cloned());
    Ok(KeyedRows { rows: unnamed_batch(columns)?, owners: Some(owners) })
}

/// For every row whether it is taken back; `None` if none is.
pub(crate) fn retractions(batch: &ChangelogBatch) -> Option<Vec<bool>> {
    batch.kinds.as_ref().map(|kinds| kinds.iter().map(|k| !k.is_add()).collect()).filter(|r: &Vec<bool>| r.contains(&true))
}

/// For every row whether the two tables of columns differ there; nulls are equal to nulls.
pub(crate) fn rows_differ(left: &[ArrayRef], right: &[ArrayRef], rows: usize) -> Result<Vec<bool>> {
    let mut differ = vec![false; rows];
    for (left, right) in left.iter().zip(right) {
        let column = columns_differ(left, right)?;
        differ.iter_mut().enumerate().for_each(|(i, d)| *d |= column.value(i));
    }
    Ok(differ)
}

fn columns_differ(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    match left.data_type() {
        DataType::Null => Ok(BooleanArray::from(vec![false; left.len()])),
        nested if nested.is_nested() => {
            let compare = arrow_ord::ord::make_comparator(left, right, SortOptions::default())?;
            Ok((0..left.len()).map(|i| Some(compare(i, i).is_ne())).collect())
        }
        _ => Ok(arrow_ord::cmp::distinct(left, right)?),
    }
}

/// The columns of a table of which every row comes from one of several.
pub(crate) fn interleave_columns(sources: &[&[ArrayRef]], places: &[(usize, usize)]) -> Result<Vec<ArrayRef>> {
    let Some(first) = sources.first() else { return Ok(Vec::new()) };
    let column = |c: usize| {
        let arrays: Vec<&dyn Array> = sources.iter().map(|s| s[c].as_ref()).collect();
        Ok(arrow_select::interleave::interleave(&arrays, places)?)
    };
    (0..first.len()).map(column).collect()
}

/// A changelog that is built row by row: where each row comes from, and its kind.
#[derive(Debug, Default)]
pub(crate) struct Changes<T> {
    pub rows: Vec<T>,
    pub kinds: Vec<RowKind>,
}

impl<T> Changes<T> {
    pub fn new() -> Self {
        Self { rows: Vec::new(), kinds: Vec::new() }
    }

    pub fn push(&mut self, kind: RowKind, row: T) {
        self.rows.push(row);
        self.kinds.push(kind);
    }

    /// Pieces of at most [`MAX_ROWS`] rows.
    pub fn chunks(&self) -> impl Iterator<Item = (&[T], &[RowKind])> {
        self.rows.chunks(MAX_ROWS).zip(self.kinds.chunks(MAX_ROWS))
    }
}
