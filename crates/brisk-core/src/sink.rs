//! The contract of a sink: a writer in every subtask, and for exactly-once delivery a commit after the checkpoint.
//!
//! ```text
//!   write ... write --barrier n--> prepare_commit(n) --> committables, kept in checkpoint n
//!                                                          |  checkpoint n is durable
//!                                                          v
//!                                                        Committer::commit(committables)
//! ```
//!
//! A crash between the two is mended at restore: the committables of the checkpoint are committed again, so a commit
//! must be idempotent. What was written and not prepared is the sink's to discard (it knows by name or by `restored`).

use crate::operator::SubtaskContext;
use crate::{ChangelogBatch, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// After a failure rows may come again.
    AtLeastOnce,
    /// Rows may come again but overwrite themselves by key.
    IdempotentByKey,
    /// Rows appear with the checkpoint that holds them, once.
    ExactlyOnce,
}

/// What a table writes to.
pub trait Sink: Send + Sync {
    fn guarantee(&self) -> Guarantee;

    /// A writer for one subtask. `restored` holds the writer states of all former subtasks; empty on a fresh start.
    fn writer(&self, context: &SubtaskContext, restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>>;

    /// What commits; `None` for a sink without commit.
    fn committer(&self) -> Option<Box<dyn Committer>> {
        None
    }

    /// One line for EXPLAIN.
    fn describe(&self) -> String;
}

pub trait SinkWriter: Send {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()>;

    /// Hands over what is buffered. Called before a barrier, at the end, and when the input has been quiet for a few ms.
    fn flush(&mut self) -> Result<()>;

    /// Closes what belongs to the checkpoint and says how to commit it.
    fn prepare_commit(&mut self, _checkpoint_id: u64) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// The writer's own state, if it has any.
    fn snapshot(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

pub trait Committer: Send {
    /// Makes visible what the committables name. Idempotent: called again after a crash.
    fn commit(&mut self, committables: &[Vec<u8>]) -> Result<()>;
}
