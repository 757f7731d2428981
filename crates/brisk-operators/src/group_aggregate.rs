//! GROUP BY without a window: one result a key, corrected as rows come.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use brisk_functions::AggregateCall;

/// Which half of an aggregation an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AggregatePhase {
    /// Rows in, results out.
    #[default]
    Single,
    /// Rows in, partial states out: before an exchange.
    Local,
    /// Partial states in (as `Local` gives them), results out.
    Global,
}

/// An aggregation by key. The output: the key's columns, then one column an aggregate.
///
/// Without key columns the one group of all rows emits nothing until the first row. A group whose rows have all been
/// retracted is deleted (`-D`). Within one batch the changes of a key are folded to one `-U`/`+U`.
#[derive(Debug, Clone)]
pub struct GroupAggregateSpec {
    pub phase: AggregatePhase,
    /// Positions of the key's columns in the *rows* (in phase `Global` the key comes first in the input whatever they are).
    pub key: Vec<usize>,
    /// Over the columns of the rows, in every phase.
    pub calls: Vec<AggregateCall>,
    /// The columns of the rows, in every phase.
    pub rows: Schema,
    /// Whether the rows come with retractions.
    pub input_retracts: bool,
    /// Whether consumers want `-U` before `+U`.
    pub emit_update_before: bool,
    /// Key columns, then aggregates; in phase `Local`: [`GroupAggregateSpec::partial_schema`].
    pub output: Schema,
    /// `table.exec.state.ttl` in ms; `None` keeps groups for ever.
    pub ttl_ms: Option<i64>,
    /// Mini-batch: hold changes back until so many rows came, or until `flush`. `None`: emit after every batch.
    pub mini_batch_rows: Option<usize>,
}

impl GroupAggregateSpec {
    /// What phase `Local` emits and phase `Global` reads: the key's columns, the number of rows (BIGINT), and the
    /// columns of every call's partial state.
    pub fn partial_schema(&self) -> Result<Schema> {
        Err(brisk_core::Error::internal("to be finished"))
    }
}

impl OperatorFactory for GroupAggregateSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("GroupAggregateSpec is not ready yet"))
    }
}
