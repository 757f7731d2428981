//! Changelog batches: Arrow columns, and the kind of change of every row where the stream is corrected.
//!
//! `kinds: None` means that every row is an insertion, so an append-only stream pays nothing. What must stay true:
//! `kinds` has one entry a row; a `-U` is followed by its `+U` in the same stream (not always the same batch); an
//! upsert stream leaves the `-U` out and its consumers know it from the plan.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;

use crate::Result;

/// The kind of change of one row, Flink's four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RowKind {
    Insert = 0,
    UpdateBefore = 1,
    UpdateAfter = 2,
    Delete = 3,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChangelogBatch {
    pub rows: RecordBatch,
    /// One kind a row; `None`: all are insertions.
    pub kinds: Option<Arc<[RowKind]>>,
}

/// Which kinds of change a stream may carry; derived by the planner for every edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangelogMode {
    /// `+I` only.
    Append,
    /// `+I`, `+U` and `-D` by an upsert key, without `-U`.
    Upsert,
    /// All four.
    Retract,
}

impl RowKind {
    /// Whether the row is added (`+I`, `+U`) and not taken away (`-U`, `-D`).
    pub fn is_add(self) -> bool {
        matches!(self, RowKind::Insert | RowKind::UpdateAfter)
    }

    pub fn symbol(self) -> &'static str {
        match self {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        }
    }

    pub fn from_symbol(text: &str) -> Option<Self> {
        Some(match text {
            "+I" => RowKind::Insert,
            "-U" => RowKind::UpdateBefore,
            "+U" => RowKind::UpdateAfter,
            "-D" => RowKind::Delete,
            _ => return None,
        })
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

impl fmt::Display for ChangelogMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangelogMode::Append => "[I]",
            ChangelogMode::Upsert => "[I,UA,D]",
            ChangelogMode::Retract => "[I,UB,UA,D]",
        })
    }
}

impl ChangelogBatch {
    /// A batch of insertions.
    pub fn append(rows: RecordBatch) -> Self {
        Self { rows, kinds: None }
    }

    /// A batch with kinds. All insertions are folded to `None`.
    pub fn new(rows: RecordBatch, kinds: Vec<RowKind>) -> Self {
        assert_eq!(rows.num_rows(), kinds.len(), "one kind a row");
        if kinds.iter().all(|k| *k == RowKind::Insert) {
            return Self::append(rows);
        }
        Self { rows, kinds: Some(kinds.into()) }
    }

    pub fn num_rows(&self) -> usize {
        self.rows.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.num_rows() == 0
    }

    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    pub fn column(&self, index: usize) -> &ArrayRef {
        self.rows.column(index)
    }

    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |k| k[row])
    }

    /// Replaces the columns and keeps the kinds: what a projection does.
    pub fn with_rows(&self, rows: RecordBatch) -> Self {
        debug_assert_eq!(rows.num_rows(), self.num_rows());
        Self { rows, kinds: self.kinds.clone() }
    }

    /// The rows at `indices`, in that order.
    pub fn take(&self, indices: &UInt32Array) -> Result<Self> {
        let rows = arrow_select::take::take_record_batch(&self.rows, indices)?;
        let kinds = self.kinds.as_ref().map(|k| indices.values().iter().map(|&i| k[i as usize]).collect::<Vec<_>>());
        Ok(match kinds {
            Some(kinds) => Self::new(rows, kinds),
            None => Self::append(rows),
        })
    }

    /// The rows where `mask` is true; a null counts as false.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let rows = arrow_select::filter::filter_record_batch(&self.rows, mask)?;
        let Some(kinds) = &self.kinds else { return Ok(Self::append(rows)) };
        let kept = (0..kinds.len()).filter(|&i| mask.is_valid(i) && mask.value(i)).map(|i| kinds[i]).collect();
        Ok(Self::new(rows, kept))
    }

    /// `length` rows from `offset`, without copying the columns.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let rows = self.rows.slice(offset, length);
        match &self.kinds {
            Some(kinds) => Self::new(rows, kinds[offset..offset + length].to_vec()),
            None => Self::append(rows),
        }
    }
}

/// One batch of all the rows of `batches`, in order. `batches` must not be empty and share one schema.
pub fn concat(batches: &[ChangelogBatch]) -> Result<ChangelogBatch> {
    if let [one] = batches {
        return Ok(one.clone());
    }
    let schema = batches[0].schema();
    let rows = arrow_select::concat::concat_batches(&schema, batches.iter().map(|b| &b.rows))?;
    if batches.iter().all(|b| b.kinds.is_none()) {
        return Ok(ChangelogBatch::append(rows));
    }
    let kinds = batches.iter().flat_map(|b| (0..b.num_rows()).map(|i| b.kind(i))).collect();
    Ok(ChangelogBatch::new(rows, kinds))
}
