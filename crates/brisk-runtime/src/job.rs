//! The runtime's public face: start a stream graph as a job, watch it, stop it.
//!
//! ```text
//!   Job::start(graph, options, restore) --> JobHandle --> wait() --> JobResult
//!                                              | cancel, stop_with_savepoint, trigger_checkpoint, status
//! ```
//!
//! A job owns one driver thread, one checkpoint thread, and one thread for every subtask of every task (a task is a
//! chain of nodes). Dropping the handle leaves the job running; `cancel` ends it.

use std::sync::Arc;
use std::time::Duration;

use brisk_core::clock::Clock;
use brisk_core::graph::StreamGraph;
use brisk_core::key_group::DEFAULT_KEY_GROUPS;
use brisk_core::{Error, Result};
use crossbeam_channel::bounded;

use crate::checkpoint::CheckpointStore;
use crate::checks::Checks;
use crate::clock::SystemClock;
use crate::driver::{self, Command, Shared};
pub use crate::recovery::RestartStrategy;
pub use crate::status::{CheckpointInfo, CheckpointTimes, JobState, JobStatus, NodeStatus, Restored, SplitStatus, SubtaskStatus};

#[derive(Clone)]
pub struct JobOptions {
    pub name: String,
    /// Of nodes that do not say their own.
    pub parallelism: usize,
    /// Into how many parts keyed state is divided: bounds the parallelism of the job for its life. A restored job keeps
    /// the number of its checkpoint.
    pub key_groups: u16,
    /// `None`: no checkpoint is taken; exactly-once sinks then commit when the job ends.
    pub checkpoint: Option<CheckpointOptions>,
    pub restart: RestartStrategy,
    /// Larger batches of a source are cut.
    pub max_batch_rows: usize,
    /// The most rows and bytes that wait on one channel before its producer waits.
    pub channel_rows: usize,
    pub channel_bytes: usize,
    /// Whether state of operators that the graph no longer has may be left behind at restore.
    pub allow_non_restored_state: bool,
    pub clock: Arc<dyn Clock>,
    pub checks: Checks,
}

#[derive(Clone)]
pub struct CheckpointOptions {
    pub store: CheckpointStore,
    /// `None`: only when asked for.
    pub interval: Option<Duration>,
    /// How many checkpoints are kept, at least one.
    pub retained: usize,
    /// Write what changed since the last checkpoint, not everything.
    pub incremental: bool,
    /// The least time between the end of one checkpoint and the start of the next.
    pub min_pause: Duration,
    /// A checkpoint that takes longer is given up.
    pub timeout: Duration,
    pub mode: CheckpointMode,
    /// How many checkpoints in a row may fail before the job does.
    pub tolerable_failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckpointMode {
    /// Inputs wait for one another at a barrier: state holds each row once.
    #[default]
    ExactlyOnce,
    /// Nothing waits; after a restart some rows count twice.
    AtLeastOnce,
}

/// Where a job begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Restore {
    /// With empty state.
    #[default]
    None,
    /// At the newest good checkpoint of the job's own store; with empty state if there is none.
    Latest,
    /// At a checkpoint or savepoint: its directory, or a directory of checkpoints (the newest good one).
    Path(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every source ended and everything is committed.
    Finished,
    Cancelled,
    Stopped {
        savepoint: String,
    },
}

#[derive(Debug, Clone)]
pub struct JobResult {
    pub outcome: Outcome,
    /// The checkpoint that the last start of the job used (after a failure: the newest one of this run).
    pub restored: Option<Restored>,
    pub restarts: u32,
    pub status: JobStatus,
}

/// A job to be started.
pub struct Job;

/// A started job. Cheap to clone, safe to share.
#[derive(Clone)]
pub struct JobHandle {
    shared: Arc<Shared>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            name: "job".to_owned(),
            parallelism: 1,
            key_groups: DEFAULT_KEY_GROUPS,
            checkpoint: None,
            restart: RestartStrategy::None,
            max_batch_rows: 8192,
            channel_rows: 4 * 8192,
            channel_bytes: 8 << 20,
            allow_non_restored_state: false,
            clock: Arc::new(SystemClock),
            checks: Checks::default(),
        }
    }
}

impl CheckpointOptions {
    /// Incremental, exactly-once, the last three kept, taken only when asked for.
    pub fn new(store: CheckpointStore) -> Self {
        Self {
            store,
            interval: None,
            retained: 3,
            incremental: true,
            min_pause: Duration::ZERO,
            timeout: Duration::from_secs(600),
            mode: CheckpointMode::ExactlyOnce,
            tolerable_failures: 3,
        }
    }

    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }
}

impl Job {
    /// Checks graph and options, finds the checkpoint to restore and starts the threads. Errors of sources, operators
    /// and sinks come out of [`JobHandle::wait`].
    pub fn start(graph: StreamGraph, options: JobOptions, restore: Restore) -> Result<JobHandle> {
        Ok(JobHandle { shared: driver::start(graph, options, restore)? })
    }
}

impl JobHandle {
    /// Waits for the end of the job. Gives the same to every caller.
    pub fn wait(&self) -> Result<JobResult> {
        self.shared.wait(None).expect("waits without limit")
    }

    /// As [`JobHandle::wait`]; `None` if the job still runs after `limit`.
    pub fn wait_for(&self, limit: Duration) -> Option<Result<JobResult>> {
        self.shared.wait(Some(limit))
    }

    /// Ends the job without a checkpoint, as a crash would: nothing is flushed or committed. Returns at once.
    pub fn cancel(&self) {
        self.shared.send(Command::Cancel);
    }

    /// Takes a savepoint at `path` and ends the job there: nothing comes out after the cut. Gives the savepoint's path.
    pub fn stop_with_savepoint(&self, path: &str) -> Result<CheckpointInfo> {
        self.ask(|reply| Command::Savepoint { path: path.to_owned(), stop: true, reply })
    }

    /// Takes a savepoint at `path`; the job goes on.
    pub fn savepoint(&self, path: &str) -> Result<CheckpointInfo> {
        self.ask(|reply| Command::Savepoint { path: path.to_owned(), stop: false, reply })
    }

    /// Takes a checkpoint now and waits until it is durable.
    pub fn trigger_checkpoint(&self) -> Result<CheckpointInfo> {
        self.ask(|reply| Command::Checkpoint { reply })
    }

    pub fn status(&self) -> JobStatus {
        self.shared.board.status()
    }

    pub fn state(&self) -> JobState {
        self.shared.board.state()
    }

    /// Says that a clock that is not the machine's was moved, so that timers are looked at.
    pub fn clock_moved(&self) {
        self.shared.wake();
    }

    /// Waits until all that the sources have at the moment has flowed through: sources have nothing more to give, no
    /// row is under way or held back. `false` if that is not reached within `limit`, `true` also if the job ended.
    pub fn settle(&self, limit: Duration) -> bool {
        self.shared.settle(limit)
    }

    fn ask(&self, command: impl FnOnce(crossbeam_channel::Sender<Result<CheckpointInfo>>) -> Command) -> Result<CheckpointInfo> {
        let (reply, answer) = bounded(1);
        self.shared.send(command(reply));
        answer.recv().unwrap_or_else(|_| Err(Error::new(brisk_core::ErrorKind::Cancelled, "the job ended before the checkpoint was complete")))
    }
}
