//! The contract of a source: what is read is divided into splits, each with a position that a checkpoint keeps.
//!
//! A reader finds its splits by itself: subtask `i` of `n` owns the splits for which [`owns_split`] says so, which needs
//! no coordinator and works after a restore at any parallelism, because every reader is given the states of all splits
//! and keeps its own.
//!
//! ```text
//!   reader(ctx, all split states) --> poll --> Data | Idle | Finished        (repeated)
//!                                      |
//!                          snapshot: the position after the last Data that poll gave
//!                          checkpoint_complete(id): what lies before it will never be read again
//! ```

use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use bytes::Bytes;

use crate::operator::SubtaskContext;
use crate::{ChangelogBatch, Result};

/// What a table reads from. Made once a table and plan; its readers run in the tasks.
pub trait Source: Send + Sync {
    /// Whether it ends by itself.
    fn is_bounded(&self) -> bool;

    /// The most subtasks that can have something to do; `None` for any number.
    fn max_parallelism(&self) -> Option<usize> {
        None
    }

    /// A reader for one subtask. `restored` holds the states of all splits of all former subtasks; empty on a fresh start.
    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>>;

    /// One line for EXPLAIN, such as `filesystem(path=/data/orders)`.
    fn describe(&self) -> String;
}

pub trait SourceReader: Send {
    /// The next piece of data, waiting at most `max_wait` for it.
    fn poll(&mut self, max_wait: Duration) -> Result<Poll>;

    /// The splits that are known and not finished: watermarks wait for them even before their first row. A reader that
    /// names none is taken to have those splits that have given something.
    fn live_splits(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// The states of this reader's splits, finished ones included as long as they must not be read again.
    fn snapshot(&mut self) -> Result<Vec<SplitState>>;

    /// The checkpoint in which [`SourceReader::snapshot`] was called for the `checkpoint_id` is durable.
    fn checkpoint_complete(&mut self, _checkpoint_id: u64) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
pub enum Poll {
    Data(SourceData),
    /// Nothing came within the time.
    Idle,
    /// Nothing will ever come from this split again.
    SplitFinished(Arc<str>),
    /// Nothing will ever come from any split of this reader.
    Finished,
}

/// A piece of one split: some whole records, or rows.
#[derive(Debug)]
pub struct SourceData {
    pub split: Arc<str>,
    pub payload: Payload,
    /// The metadata columns that the table declares, in its order; each has one value (for all) or one a record.
    pub metadata: Vec<ArrayRef>,
}

#[derive(Debug)]
pub enum Payload {
    /// Whole records for the table's format to decode.
    Records(RecordChunk),
    /// Rows of the table's physical columns (as projected).
    Rows(ChangelogBatch),
}

/// Undecoded records.
#[derive(Debug, Clone)]
pub struct RecordChunk {
    pub data: Bytes,
    pub framing: Framing,
    /// Where it comes from, for messages: a file's path, a topic and partition.
    pub origin: Arc<str>,
    /// The number of the first record in the origin: a line number from 1, an offset.
    pub first_record: u64,
}

/// How records lie in the bytes.
#[derive(Debug, Clone)]
pub enum Framing {
    /// Separated by `\n`, with or without a last one. An empty line is no record.
    Lines,
    /// Record `i` ends at byte `ends[i]`.
    Offsets(Arc<[u32]>),
}

/// The position of one split, in the source's own encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitState {
    pub split: Arc<str>,
    pub state: Vec<u8>,
}

/// Makes watermarks from the rows of a source; one generator a split.
pub trait WatermarkStrategy: Send + Sync {
    fn generator(&self) -> Result<Box<dyn WatermarkGenerator>>;

    /// How long a split may be silent before it is set aside; `None`: never.
    fn idle_timeout(&self) -> Option<Duration>;

    /// Whether a watermark is wanted after every row (`pipeline.auto-watermark-interval` = 0) and not once a batch.
    fn every_row(&self) -> bool;

    /// One line for EXPLAIN, such as ``order_time - INTERVAL '5' SECOND``.
    fn describe(&self) -> String;
}

pub trait WatermarkGenerator: Send {
    /// The watermark after this batch, ms; `None` while there is none yet. Never falls.
    fn after_batch(&mut self, batch: &ChangelogBatch) -> Result<Option<i64>>;

    /// The watermark after each row of the batch; `i64::MIN` while there is none yet. Never falls.
    fn after_rows(&mut self, batch: &ChangelogBatch) -> Result<Vec<i64>>;
}

/// Whether subtask `index` of `parallelism` reads the split.
pub fn owns_split(split: &str, index: usize, parallelism: usize) -> bool {
    (crate::key_group::hash_bytes(split.as_bytes()) % parallelism as u64) as usize == index
}
