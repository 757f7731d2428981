//! Aggregation by window: TUMBLE, HOP and CUMULATE over shared slices, or windows that the rows carry as columns.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use brisk_functions::AggregateCall;
use chrono_tz::Tz;

use crate::group_aggregate::AggregatePhase;
use crate::time_attribute::TimeAttribute;
use crate::window_assigner::{WindowKind, WindowProperty};

/// Where a row's windows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowInput {
    /// Computed from a time attribute.
    Assigned { kind: WindowKind, time: TimeAttribute },
    /// The row belongs to one window, and these columns (TIMESTAMP(3)) are its bounds: the rows were through a window
    /// table function, a window join, or an aggregation by a smaller window.
    Attached { start: usize, end: usize },
}

/// An aggregation by window and key. The output, append-only: the key's columns, the aggregates, the window's properties.
///
/// Windows fire in the order of their ends when the watermark reaches the end less 1 ms; all fire at the end of the
/// input. A row whose every window has fired goes to the late output.
#[derive(Debug, Clone)]
pub struct WindowAggregateSpec {
    pub phase: AggregatePhase,
    pub window: WindowInput,
    /// The session's zone where the time attribute is TIMESTAMP_LTZ or processing time; `None` for TIMESTAMP.
    pub zone: Option<Tz>,
    /// Positions of the key's columns in the *rows*, without the window's (in phase `Global` the key comes first in the
    /// input whatever they are).
    pub key: Vec<usize>,
    /// Over the columns of the rows, in every phase.
    pub calls: Vec<AggregateCall>,
    /// The columns of the rows, in every phase.
    pub rows: Schema,
    pub input_retracts: bool,
    pub properties: Vec<WindowProperty>,
    /// Key, aggregates, properties; in phase `Local`: [`WindowAggregateSpec::partial_schema`].
    pub output: Schema,
}

impl WindowAggregateSpec {
    /// What phase `Local` emits and phase `Global` reads: the key's columns, `slice_start` and `slice_end` (BIGINT,
    /// wall-clock ms), the number of rows (BIGINT), and the columns of every call's partial state.
    pub fn partial_schema(&self) -> Result<Schema> {
        Err(brisk_core::Error::internal("to be finished"))
    }
}

impl OperatorFactory for WindowAggregateSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("WindowAggregateSpec is not ready yet"))
    }
}
