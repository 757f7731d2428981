//! Pairs of rows: finding those that satisfy a join's condition, and putting them side by side.
//!
//! A *probe* is a batch that has just come from one input; it meets rows that are *stored* of the other. Pairs are
//! collected as two lists of numbers and become columns at once, so no row is ever copied by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, NullArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef};
use arrow_select::take::take;
use brisk_core::{Result, Schema};
use brisk_functions::Expr;
use brisk_state::{NO_ROW, RowId, RowStore};

use crate::evaluate::Evaluator;
use crate::join::{JoinKind, Side};

/// So many pairs are tried, or emitted, at a time.
pub(crate) const PAIRS_AT_ONCE: usize = 16_384;

/// A probe row that stands for a row of nulls.
pub(crate) const NO_PROBE: u32 = u32::MAX;

/// Pairs of a probe's row and a stored row.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub probe: Vec<u32>,
    pub stored: Vec<RowId>,
}

pub(crate) struct Joiner {
    schema: SchemaRef,
    left_width: usize,
    residual: Option<Residual>,
    evaluator: Evaluator,
}

struct Residual {
    condition: Expr,
    columns: BTreeSet<usize>,
}

impl Pairs {
    pub fn len(&self) -> usize {
        self.probe.len()
    }

    pub fn is_empty(&self) -> bool {
        self.probe.is_empty()
    }

    pub fn push(&mut self, probe: u32, stored: RowId) {
        self.probe.push(probe);
        self.stored.push(stored);
    }

    pub fn clear(&mut self) {
        self.probe.clear();
        self.stored.clear();
    }

    /// Keeps the pairs where `mask` is true.
    pub fn retain(&mut self, mask: &BooleanBuffer) {
        let keep = |list: &mut Vec<u32>| {
            let mut at = 0;
            list.retain(|_| {
                at += 1;
                mask.value(at - 1)
            });
        };
        keep(&mut self.probe);
        keep(&mut self.stored);
    }
}

impl Joiner {
    pub fn new(kind: JoinKind, left: &Schema, right: &Schema, residual: Option<&Expr>, time_zone: chrono_tz::Tz) -> Self {
        Self {
            schema: kind.output(left, right).to_arrow(),
            left_width: left.len(),
            residual: residual.map(|e| Residual { condition: e.clone(), columns: e.columns() }),
            evaluator: Evaluator::new(time_zone),
        }
    }

    /// Drops the pairs that do not satisfy the rest of the condition.
    pub fn filter(&self, probe: &RecordBatch, side: Side, stored: &RowStore, pairs: &mut Pairs, now_ms: i64) -> Result<()> {
        let Some(residual) = &self.residual else { return Ok(()) };
        if pairs.is_empty() {
            return Ok(());
        }
        let probe_rows = UInt32Array::from(pairs.probe.clone());
        let (probe_columns, stored_columns) = self.split(&residual.columns, side);
        let near = probe_columns.iter().map(|&c| Ok(take(probe.column(c), &probe_rows, None)?)).collect::<Result<Vec<_>>>()?;
        let far = stored.gather_columns(&pairs.stored, &stored_columns)?;
        let used = match side {
            Side::Left => near.into_iter().chain(far),
            Side::Right => far.into_iter().chain(near),
        };
        let mask = self.mask(residual, used.collect(), pairs.len(), now_ms)?;
        pairs.retain(&mask);
        Ok(())
    }

    /// As [`Joiner::filter`], for pairs of stored rows of both sides (`probe` are the left ones).
    pub fn filter_stored(&self, left: &RowStore, right: &RowStore, pairs: &mut Pairs, now_ms: i64) -> Result<()> {
        let Some(residual) = &self.residual else { return Ok(()) };
        if pairs.is_empty() {
            return Ok(());
        }
        let (left_columns, right_columns) = self.split(&residual.columns, Side::Left);
        let mut used = left.gather_columns(&pairs.probe, &left_columns)?;
        used.extend(right.gather_columns(&pairs.stored, &right_columns)?);
        let mask = self.mask(residual, used, pairs.len(), now_ms)?;
        pairs.retain(&mask);
        Ok(())
    }

    /// The pairs as rows; [`NO_PROBE`] and [`NO_ROW`] give nulls.
    pub fn rows(&self, probe: &RecordBatch, side: Side, stored: &RowStore, pairs: &Pairs) -> Result<RecordBatch> {
        let near = taken(probe, &pairs.probe)?;
        let far = stored.gather(&pairs.stored)?.columns().to_vec();
        self.side_by_side(near, side, far, pairs.len())
    }

    /// As [`Joiner::rows`], for pairs of stored rows of both sides.
    pub fn rows_stored(&self, left: &RowStore, right: &RowStore, pairs: &Pairs) -> Result<RecordBatch> {
        self.side_by_side(left.gather(&pairs.probe)?.columns().to_vec(), Side::Left, right.gather(&pairs.stored)?.columns().to_vec(), pairs.len())
    }

    /// Rows of one side beside nulls.
    pub fn padded(&self, rows: &RecordBatch, side: Side) -> Result<RecordBatch> {
        let others = match side {
            Side::Left => self.left_width..self.schema.fields().len(),
            Side::Right => 0..self.left_width,
        };
        let nulls = others.map(|c| new_null_array(self.schema.field(c).data_type(), rows.num_rows())).collect();
        self.side_by_side(rows.columns().to_vec(), side, nulls, rows.num_rows())
    }

    fn side_by_side(&self, near: Vec<ArrayRef>, side: Side, far: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = match side {
            Side::Left => near.into_iter().chain(far).collect(),
            Side::Right => far.into_iter().chain(near).collect(),
        };
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))?)
    }

    /// Joined columns as positions in the probe's rows and in the stored ones.
    fn split(&self, columns: &BTreeSet<usize>, probe: Side) -> (Vec<usize>, Vec<usize>) {
        let left: Vec<usize> = columns.iter().copied().filter(|c| *c < self.left_width).collect();
        let right = columns.iter().filter(|c| **c >= self.left_width).map(|c| c - self.left_width).collect();
        match probe {
            Side::Left => (left, right),
            Side::Right => (right, left),
        }
    }

    /// Where the condition holds. `used` are the columns that it uses, in order; the others are not made.
    fn mask(&self, residual: &Residual, used: Vec<ArrayRef>, rows: usize, now_ms: i64) -> Result<BooleanBuffer> {
        let mut used = used.into_iter();
        let width = residual.columns.last().map_or(0, |last| last + 1);
        let columns: Vec<ArrayRef> = (0..width)
            .map(|c| match residual.columns.contains(&c) {
                true => used.next().expect("every used column is given"),
                false => Arc::new(NullArray::new(rows)) as ArrayRef,
            })
            .collect();
        let fields: Vec<Field> = columns.iter().map(|c| Field::new("", c.data_type().clone(), true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), columns, &options)?;
        self.evaluator.mask(&residual.condition, &batch, now_ms)
    }
}

/// The rows at `indices`; [`NO_PROBE`] gives nulls.
fn taken(rows: &RecordBatch, indices: &[u32]) -> Result<Vec<ArrayRef>> {
    if indices.len() == rows.num_rows() && indices.iter().enumerate().all(|(i, &x)| i == x as usize) {
        return Ok(rows.columns().to_vec());
    }
    if rows.num_rows() == 0 {
        return Ok(rows.columns().iter().map(|c| new_null_array(c.data_type(), indices.len())).collect());
    }
    let indices: UInt32Array = match indices.contains(&NO_PROBE) {
        true => indices.iter().map(|&i| (i != NO_PROBE).then_some(i)).collect(),
        false => indices.to_vec().into(),
    };
    rows.columns().iter().map(|c| Ok(take(c, &indices, None)?)).collect()
}

const _: () = assert!(NO_PROBE == NO_ROW);
