//! The contract of an operator: a synchronous, deterministic state machine over messages.
//!
//! The runtime calls the hooks from one thread at a time, in the order of the messages. An operator never spawns,
//! sleeps, reads a clock or talks to the outside; processing time is handed to it. What it emits goes down the
//! [`Output`] at once, so that a large result never has to be held.
//!
//! ```text
//!   batch ------> on_batch(input, ..) --+
//!   watermark --> on_watermark(..) -----+--> Output: batches, watermarks, late rows
//!   timer ------> on_timer(now, ..) ----+
//!   barrier ----> snapshot(writer)            the runtime forwards the barrier afterwards
//!   End --------> (nothing: a bounded input sends the greatest watermark first)
//! ```
//!
//! With several inputs the runtime combines their watermarks (the minimum, idle inputs set aside) and calls
//! `on_watermark` only when the combined one rises.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;

use crate::metrics::TaskMetrics;
use crate::snapshot::{SnapshotReader, SnapshotWriter};
use crate::{ChangelogBatch, Result, Watermark};

pub trait Operator: Send {
    /// Rows from input `input` (0 for the first).
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()>;

    /// Event time has reached `time` (ms; [`Watermark::MAX`] at the end of the input). Must pass a watermark on.
    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        out.watermark(time)
    }

    /// The earliest processing time (ms) at which [`Operator::on_timer`] wants to be called; asked after every hook.
    fn next_timer(&self) -> Option<i64> {
        None
    }

    /// Processing time has reached the timer.
    fn on_timer(&mut self, _now_ms: i64, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// Emits what is held back for the sake of larger batches (mini-batch folding, coalescing). Called before a
    /// barrier, at the end, and before those behind are told that the input is idle.
    fn flush(&mut self, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// Emits of what is held back that for which somebody may be waiting. Called when the input has been quiet for a few
    /// milliseconds, and every few milliseconds while it is not.
    fn release(&mut self, out: &mut Output) -> Result<()> {
        self.flush(out)
    }

    /// Writes the state: all of it or what changed since the last snapshot, as the writer asks.
    fn snapshot(&mut self, _writer: &mut dyn SnapshotWriter) -> Result<()> {
        Ok(())
    }

    /// Reads the state back; called before anything else.
    fn restore(&mut self, _reader: &mut dyn SnapshotReader) -> Result<()> {
        Ok(())
    }

    /// Bytes of state held in memory, roughly.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// Where an operator's results go, and the processing time of the call.
pub struct Output<'a> {
    downstream: &'a mut dyn Collector,
    processing_time_ms: i64,
}

/// What takes an operator's results: the next operator of the chain, an exchange, or a test's list.
pub trait Collector {
    fn batch(&mut self, batch: ChangelogBatch) -> Result<()>;

    /// The rows that are set in `kept`: some, but not all.
    fn filter(&mut self, batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<()> {
        self.batch(batch.filter(&BooleanArray::new(kept.clone(), None))?)
    }

    fn watermark(&mut self, watermark: Watermark) -> Result<()>;

    /// Rows of an input that came too late and are not part of any result.
    fn late(&mut self, input: usize, batch: ChangelogBatch) -> Result<()>;
}

/// What a subtask knows about itself when its operator, reader or writer is made.
#[derive(Debug, Clone)]
pub struct SubtaskContext {
    /// The operator's identity, stable between runs.
    pub operator_id: String,
    pub subtask_index: usize,
    pub parallelism: usize,
    pub key_groups: u16,
    pub metrics: Arc<TaskMetrics>,
}

impl<'a> Output<'a> {
    pub fn new(downstream: &'a mut dyn Collector, processing_time_ms: i64) -> Self {
        Self { downstream, processing_time_ms }
    }

    /// Sends rows on. An empty batch is dropped here.
    pub fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.downstream.batch(batch)
    }

    /// Sends the rows on that are set in `kept`. An exchange copies them only once.
    pub fn filter(&mut self, batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<()> {
        match kept.count_set_bits() {
            0 => Ok(()),
            all if all == batch.num_rows() => self.downstream.batch(batch),
            _ => self.downstream.filter(batch, kept),
        }
    }

    pub fn watermark(&mut self, time: i64) -> Result<()> {
        self.downstream.watermark(Watermark::Time(time))
    }

    /// Reports rows of the first input that came too late; the runtime counts them and hands them to whoever asked.
    pub fn late(&mut self, batch: ChangelogBatch) -> Result<()> {
        self.late_of(0, batch)
    }

    /// As [`Output::late`], for rows of any input.
    pub fn late_of(&mut self, input: usize, batch: ChangelogBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.downstream.late(input, batch)
    }

    /// Processing time of this call, ms since the epoch.
    pub fn processing_time_ms(&self) -> i64 {
        self.processing_time_ms
    }
}

impl SubtaskContext {
    /// The key groups of this subtask.
    pub fn key_group_range(&self) -> Range<u16> {
        crate::key_group::key_group_range(self.subtask_index, self.key_groups, self.parallelism)
    }
}

/// A collector that keeps everything: for tests of operators.
#[derive(Debug, Default)]
pub struct VecCollector {
    pub batches: Vec<ChangelogBatch>,
    pub watermarks: Vec<Watermark>,
    pub late: Vec<ChangelogBatch>,
}

impl Collector for VecCollector {
    fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        self.batches.push(batch);
        Ok(())
    }

    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.watermarks.push(watermark);
        Ok(())
    }

    fn late(&mut self, _input: usize, batch: ChangelogBatch) -> Result<()> {
        self.late.push(batch);
        Ok(())
    }
}
