//! The four messages that an edge carries, in order.

use crate::ChangelogBatch;

/// What flows between operators.
#[derive(Debug, Clone)]
pub enum Message {
    Batch(ChangelogBatch),
    Watermark(Watermark),
    Barrier(Barrier),
    /// No further message on this edge. A bounded input sends [`Watermark::END`] before.
    End,
}

/// The promise that no further row has an event time at or below `Time`'s value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watermark {
    /// Milliseconds; [`Watermark::MAX`] at the end of the input.
    Time(i64),
    /// Nothing arrives here at the moment: do not wait for this edge. Ended by any `Time`.
    Idle,
}

impl Watermark {
    pub const MAX: i64 = i64::MAX;
    pub const END: Watermark = Watermark::Time(Self::MAX);
    /// Before any watermark.
    pub const MIN: i64 = i64::MIN;
}

/// The cut between what belongs to a checkpoint and what comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    pub checkpoint_id: u64,
    /// The job stops after this checkpoint (stop with savepoint): sources send nothing after it.
    pub last: bool,
}
