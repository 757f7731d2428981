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
    /// Of every column that comes out: its side, and its place in that side's rows.
    output: Vec<(Side, usize)>,
    /// Of the left and the right side: where each column of its rows lies in stored rows.
    stored: [Vec<usize>; 2],
    residual: Option<Residual>,
    evaluator: Evaluator,
}

/// The place of a column that stored rows do not have.
const NOT_STORED: usize = usize::MAX;

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
        if mask.count_set_bits() < mask.len() {
            keep(&mut self.probe);
            keep(&mut self.stored);
        }
    }
}

impl Joiner {
    /// All columns come out, and stored rows have all of theirs.
    pub fn new(kind: JoinKind, left: &Schema, right: &Schema, residual: Option<&Expr>, time_zone: chrono_tz::Tz) -> Self {
        let (schema, left_width) = (kind.output(left, right).to_arrow(), left.len());
        Self {
            left_width,
            output: (0..schema.fields().len()).map(|c| if c < left_width { (Side::Left, c) } else { (Side::Right, c - left_width) }).collect(),
            stored: [(0..left.len()).collect(), (0..right.len()).collect()],
            residual: residual.map(|e| Residual { condition: e.clone(), columns: e.columns() }),
            evaluator: Evaluator::new(time_zone),
            schema,
        }
    }

    /// Only `output` of the columns come out. Of each side only the columns `kept` lie in stored rows.
    pub fn selecting(self, output: &[usize], kept: [&[usize]; 2]) -> Self {
        let place = |kept: &[usize], width: usize| (0..width).map(|c| kept.iter().position(|k| *k == c).unwrap_or(NOT_STORED)).collect();
        let stored = [place(kept[0], self.stored[0].len()), place(kept[1], self.stored[1].len())];
        let schema = Arc::new(self.schema.project(output).expect("columns of the join come out"));
        Self { output: output.iter().map(|c| self.output[*c]).collect(), stored, schema, ..self }
    }

    /// Drops the pairs that do not satisfy the rest of the condition.
    pub fn filter(&self, probe: &RecordBatch, side: Side, stored: &RowStore, pairs: &mut Pairs, now_ms: i64) -> Result<()> {
        let Some(residual) = &self.residual else { return Ok(()) };
        if pairs.is_empty() {
            return Ok(());
        }
        let used = self.columns(&residual.columns, probe, side, stored, pairs)?;
        let mask = self.mask(residual, used, pairs.len(), now_ms)?;
        pairs.retain(&mask);
        Ok(())
    }

    /// Some joined columns of pairs that are whole.
    pub fn columns(&self, columns: &BTreeSet<usize>, probe: &RecordBatch, side: Side, stored: &RowStore, pairs: &Pairs) -> Result<Vec<ArrayRef>> {
        let (probe_columns, stored_columns) = self.split(columns, side);
        let near = taken(probe, &pairs.probe, &probe_columns)?;
        let far = stored.gather_columns(&pairs.stored, &self.places(side.other(), &stored_columns))?;
        Ok(match side {
            Side::Left => near.into_iter().chain(far).collect(),
            Side::Right => far.into_iter().chain(near).collect(),
        })
    }

    /// As [`Joiner::filter`], for pairs of stored rows of both sides (`probe` are the left ones).
    pub fn filter_stored(&self, left: &RowStore, right: &RowStore, pairs: &mut Pairs, now_ms: i64) -> Result<()> {
        let Some(residual) = &self.residual else { return Ok(()) };
        if pairs.is_empty() {
            return Ok(());
        }
        let (left_columns, right_columns) = self.split(&residual.columns, Side::Left);
        let mut used = left.gather_columns(&pairs.probe, &self.places(Side::Left, &left_columns))?;
        used.extend(right.gather_columns(&pairs.stored, &self.places(Side::Right, &right_columns))?);
        let mask = self.mask(residual, used, pairs.len(), now_ms)?;
        pairs.retain(&mask);
        Ok(())
    }

    /// The pairs as rows; [`NO_PROBE`] and [`NO_ROW`] give nulls.
    pub fn rows(&self, probe: &RecordBatch, side: Side, stored: &RowStore, pairs: &Pairs) -> Result<RecordBatch> {
        let near = taken(probe, &pairs.probe, &self.output_of(side))?;
        let far = self.gathered(side.other(), stored, &pairs.stored)?;
        self.side_by_side(near, side, far, pairs.len())
    }

    /// As [`Joiner::rows`], for pairs of stored rows of both sides.
    pub fn rows_stored(&self, left: &RowStore, right: &RowStore, pairs: &Pairs) -> Result<RecordBatch> {
        let (near, far) = (self.gathered(Side::Left, left, &pairs.probe)?, self.gathered(Side::Right, right, &pairs.stored)?);
        self.side_by_side(near, Side::Left, far, pairs.len())
    }

    /// Rows of one side beside nulls.
    pub fn padded(&self, rows: &RecordBatch, side: Side) -> Result<RecordBatch> {
        let near = self.output_of(side).into_iter().map(|c| Arc::clone(rows.column(c))).collect();
        self.beside_nulls(near, side, rows.num_rows())
    }

    /// Stored rows of one side beside nulls.
    pub fn padded_stored(&self, stored: &RowStore, rows: &[RowId], side: Side) -> Result<RecordBatch> {
        self.beside_nulls(self.gathered(side, stored, rows)?, side, rows.len())
    }

    /// For a semi or anti join, of which left rows come out.
    pub fn left_rows(&self, rows: &RecordBatch, indices: &[u32]) -> Result<RecordBatch> {
        self.side_by_side(taken(rows, indices, &self.output_of(Side::Left))?, Side::Left, Vec::new(), indices.len())
    }

    /// As [`Joiner::left_rows`], for stored rows.
    pub fn stored_left_rows(&self, stored: &RowStore, rows: &[RowId]) -> Result<RecordBatch> {
        self.side_by_side(self.gathered(Side::Left, stored, rows)?, Side::Left, Vec::new(), rows.len())
    }

    fn beside_nulls(&self, near: Vec<ArrayRef>, side: Side, rows: usize) -> Result<RecordBatch> {
        let others = self.output.iter().zip(self.schema.fields()).filter(|((s, _), _)| *s != side);
        let nulls = others.map(|(_, field)| new_null_array(field.data_type(), rows)).collect();
        self.side_by_side(near, side, nulls, rows)
    }

    /// The columns of one side that come out, of stored rows.
    fn gathered(&self, side: Side, stored: &RowStore, rows: &[RowId]) -> Result<Vec<ArrayRef>> {
        stored.gather_columns(rows, &self.places(side, &self.output_of(side)))
    }

    /// The columns of one side that come out, as positions in its rows.
    fn output_of(&self, side: Side) -> Vec<usize> {
        self.output.iter().filter(|(s, _)| *s == side).map(|(_, c)| *c).collect()
    }

    /// Where columns of a side's rows lie in its stored rows.
    fn places(&self, side: Side, columns: &[usize]) -> Vec<usize> {
        columns.iter().map(|&c| self.stored[side as usize][c]).collect()
    }

    /// `near` and `far` are the columns of their sides that come out, in order.
    fn side_by_side(&self, near: Vec<ArrayRef>, side: Side, far: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let (mut near, mut far) = (near.into_iter(), far.into_iter());
        let columns = self.output.iter().map(|(s, _)| if *s == side { near.next() } else { far.next() });
        let columns: Vec<ArrayRef> = columns.map(|c| c.expect("every column that comes out was made")).collect();
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

/// The columns of left and right rows that somebody reads after a row is stored: those that come out, and those that the
/// rest of the condition uses.
pub(crate) fn kept_columns(left_width: usize, output: &[usize], residual: Option<&Expr>) -> (Vec<usize>, Vec<usize>) {
    let mut used: BTreeSet<usize> = output.iter().copied().collect();
    used.extend(residual.iter().flat_map(|e| e.columns()));
    let (left, right): (Vec<usize>, Vec<usize>) = used.into_iter().partition(|c| *c < left_width);
    (left, right.into_iter().map(|c| c - left_width).collect())
}

/// Some columns of the rows at `indices`; [`NO_PROBE`] gives nulls.
fn taken(rows: &RecordBatch, indices: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
    let columns = columns.iter().map(|&c| rows.column(c));
    if indices.len() == rows.num_rows() && indices.iter().enumerate().all(|(i, &x)| i == x as usize) {
        return Ok(columns.cloned().collect());
    }
    if rows.num_rows() == 0 {
        return Ok(columns.map(|c| new_null_array(c.data_type(), indices.len())).collect());
    }
    let indices: UInt32Array = match indices.contains(&NO_PROBE) {
        true => indices.iter().map(|&i| (i != NO_PROBE).then_some(i)).collect(),
        false => indices.to_vec().into(),
    };
    columns.map(|c| Ok(take(c, &indices, None)?)).collect()
}

const _: () = assert!(NO_PROBE == NO_ROW);
