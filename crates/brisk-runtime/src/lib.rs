//! Runs a stream graph: tasks, chaining, channels, exchange, barrier alignment, checkpoints, recovery.
//!
//! It knows `dyn Operator`, never which one, and no SQL.
//!
//! ```text
//!   job       the public face                      driver    restarts, checkpoints, the job's life
//!   plan      nodes -> tasks                       build     operators and channels of a subtask
//!   source    poll, decode, watermarks             task      messages from other tasks
//!   chain     nodes called directly                gate      alignment; valve: watermarks; inbox: bounded channels
//!   exchange  rows to the subtasks of a consumer   checkpoint  files, manifest, coordinator, restore
//! ```

mod build;
mod chain;
pub mod checkpoint;
mod checks;
mod clock;
mod control;
mod driver;
mod exchange;
mod gate;
mod inbox;
pub mod job;
#[doc(hidden)]
pub mod kernels;
mod plan;
mod recovery;
mod source;
mod status;
mod task;
mod valve;

#[cfg(test)]
mod job_tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use checks::Checks;
pub use clock::SystemClock;
pub use job::{CheckpointMode, CheckpointOptions, Job, JobHandle, JobOptions, JobResult, JobState, JobStatus, Outcome, RestartStrategy, Restore};

/// A panic in one holder does not make the data of these locks wrong: each is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
