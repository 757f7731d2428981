//! What a running job tells about itself: states, metrics, watermarks by split, checkpoints.
//!
//! The types are plain data, made on request from what the tasks share ([`Board`]). They answer "why is there no
//! output?": [`JobStatus::holding_back`] names the split whose watermark is the least, and since when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use brisk_core::Watermark;
use brisk_core::graph::{NodeId, StreamGraph};
use brisk_core::metrics::TaskMetrics;
use serde::Serialize;

use crate::lock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum JobState {
    Starting,
    Running,
    /// Waiting to start again after a failure.
    Restarting,
    /// All sources have ended and the sinks are being committed.
    Finishing,
    Finished,
    Cancelled,
    /// Stopped with a savepoint.
    Stopped,
    Failed,
}

#[derive(Debug, Clone, Serialize)]
pub struct JobStatus {
    pub name: String,
    pub state: JobState,
    pub started_ms: i64,
    pub restarts: u32,
    pub last_error: Option<String>,
    pub nodes: Vec<NodeStatus>,
    pub splits: Vec<SplitStatus>,
    /// Newest last; the last few.
    pub checkpoints: Vec<CheckpointInfo>,
    pub restored: Option<Restored>,
}

#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    pub node: NodeId,
    pub operator_id: String,
    pub name: String,
    pub description: String,
    /// Nodes of one task run in the same threads; busy and back-pressured time are known by task.
    pub task: usize,
    /// The nodes that feed it, by input; none for a source.
    pub inputs: Vec<NodeId>,
    pub subtasks: Vec<SubtaskStatus>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SubtaskStatus {
    pub records_in: u64,
    pub records_out: u64,
    pub bytes_in: u64,
    pub late_records_dropped: u64,
    pub bad_records: u64,
    /// `None` before the first watermark.
    pub watermark_ms: Option<i64>,
    pub busy_ns: u64,
    pub backpressured_ns: u64,
    pub state_bytes: i64,
    /// Of the last checkpoint.
    pub checkpoint: CheckpointTimes,
}

/// One split of a source with watermarks, as its reader's subtask sees it. A finished split is no longer listed.
#[derive(Debug, Clone, Serialize)]
pub struct SplitStatus {
    pub node: NodeId,
    pub source: String,
    pub subtask: usize,
    pub split: String,
    pub watermark_ms: Option<i64>,
    /// Processing time at which the watermark last rose, or the split was found.
    pub since_ms: i64,
    /// Set aside because nothing came for the idle timeout.
    pub idle: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointInfo {
    pub id: u64,
    /// Where its manifest lies.
    pub path: String,
    pub savepoint: bool,
    pub triggered_ms: i64,
    pub duration_ms: i64,
    /// Bytes written for this checkpoint (older files that it refers to not counted).
    pub written_bytes: u64,
    /// The greatest of any subtask.
    pub times: CheckpointTimes,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// How long a checkpoint took where, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CheckpointTimes {
    /// From the request to the barrier's arrival at the subtask.
    pub start_delay_ns: u64,
    /// From the first barrier to the last of all inputs.
    pub alignment_ns: u64,
    /// The longest time for which the subtask was stopped in one piece.
    pub stop_ns: u64,
    /// All the time that the subtask was stopped for.
    pub sync_ns: u64,
}

impl CheckpointTimes {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            start_delay_ns: self.start_delay_ns.max(other.start_delay_ns),
            alignment_ns: self.alignment_ns.max(other.alignment_ns),
            stop_ns: self.stop_ns.max(other.stop_ns),
            sync_ns: self.sync_ns.max(other.sync_ns),
        }
    }

    pub(crate) fn publish(self, metrics: &TaskMetrics) {
        metrics.checkpoint_start_delay_ns.set(self.start_delay_ns as i64);
        metrics.checkpoint_alignment_ns.set(self.alignment_ns as i64);
        metrics.checkpoint_stop_ns.set(self.stop_ns as i64);
        metrics.checkpoint_sync_ns.set(self.sync_ns as i64);
    }
}

/// The checkpoint that a run began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    pub id: u64,
    pub path: String,
    pub time_ms: i64,
    /// Newer checkpoints that were damaged: path and what is wrong.
    pub skipped: Vec<(String, String)>,
}

impl JobStatus {
    /// The live split with the least watermark among those that feed `node` or, with `None`, of the whole job.
    pub fn holding_back(&self, sources: Option<&[NodeId]>) -> Option<&SplitStatus> {
        let asked = |s: &&SplitStatus| sources.is_none_or(|list| list.contains(&s.node));
        self.splits.iter().filter(asked).filter(|s| !s.idle).min_by_key(|s| (s.watermark_ms, s.since_ms))
    }

    /// Rows dropped as late, over all operators.
    pub fn late_records(&self) -> u64 {
        self.subtasks().map(|s| s.late_records_dropped).sum()
    }

    pub fn bad_records(&self) -> u64 {
        self.subtasks().map(|s| s.bad_records).sum()
    }

    fn subtasks(&self) -> impl Iterator<Item = &SubtaskStatus> {
        self.nodes.iter().flat_map(|n| &n.subtasks)
    }
}

/// The most checkpoints that the status remembers.
const REMEMBERED_CHECKPOINTS: usize = 10;

/// What the tasks and the driver write and [`Board::status`] reads. One lock for what changes rarely; metrics are atomics.
pub(crate) struct Board {
    name: String,
    nodes: Vec<BoardNode>,
    state: Mutex<BoardState>,
}

struct BoardNode {
    operator_id: String,
    name: String,
    description: String,
    task: usize,
    inputs: Vec<NodeId>,
    metrics: Vec<Arc<TaskMetrics>>,
    splits: Vec<Arc<SplitBoard>>,
}

/// The splits of one source subtask, written by its task.
#[derive(Default)]
pub(crate) struct SplitBoard(pub Mutex<Vec<SplitStatus>>);

struct BoardState {
    state: JobState,
    started_ms: i64,
    restarts: u32,
    last_error: Option<String>,
    checkpoints: VecDeque<CheckpointInfo>,
    restored: Option<Restored>,
}

impl Board {
    /// `placement` has each node's task and parallelism.
    pub fn new(name: &str, graph: &StreamGraph, placement: &[(usize, usize)], started_ms: i64) -> Self {
        let node = |(number, (n, &(task, parallelism))): (NodeId, (&brisk_core::graph::Node, &(usize, usize)))| BoardNode {
            inputs: graph.inputs_of(number).map(|e| e.from).collect(),
            operator_id: n.operator_id.clone(),
            name: n.name.clone(),
            description: n.description.clone(),
            task,
            metrics: (0..parallelism).map(|_| Arc::default()).collect(),
            splits: (0..parallelism).map(|_| Arc::default()).collect(),
        };
        let state = BoardState { state: JobState::Starting, started_ms, restarts: 0, last_error: None, checkpoints: VecDeque::new(), restored: None };
        Self { name: name.to_owned(), nodes: graph.nodes.iter().zip(placement).enumerate().map(node).collect(), state: Mutex::new(state) }
    }

    pub fn metrics(&self, node: NodeId, subtask: usize) -> Arc<TaskMetrics> {
        self.nodes[node].metrics[subtask].clone()
    }

    pub fn splits(&self, node: NodeId, subtask: usize) -> Arc<SplitBoard> {
        self.nodes[node].splits[subtask].clone()
    }

    pub fn set_state(&self, state: JobState) {
        lock(&self.state).state = state;
    }

    pub fn state(&self) -> JobState {
        lock(&self.state).state
    }

    pub fn set_restored(&self, restored: Option<Restored>) {
        lock(&self.state).restored = restored;
    }

    pub fn add_restart(&self) {
        lock(&self.state).restarts += 1;
    }

    pub fn set_error(&self, error: &brisk_core::Error) {
        lock(&self.state).last_error = Some(error.to_string());
    }

    pub fn add_checkpoint(&self, info: CheckpointInfo) {
        let mut state = lock(&self.state);
        if state.checkpoints.len() == REMEMBERED_CHECKPOINTS {
            state.checkpoints.pop_front();
        }
        state.checkpoints.push_back(info);
    }

    pub fn status(&self) -> JobStatus {
        let nodes = self.nodes.iter().enumerate().map(|(id, n)| NodeStatus {
            node: id,
            operator_id: n.operator_id.clone(),
            name: n.name.clone(),
            description: n.description.clone(),
            task: n.task,
            inputs: n.inputs.clone(),
            subtasks: n.metrics.iter().map(|m| subtask_status(m)).collect(),
        });
        let splits = self.nodes.iter().flat_map(|n| &n.splits).flat_map(|s| lock(&s.0).clone());
        let (nodes, splits) = (nodes.collect(), splits.collect());
        let state = lock(&self.state);
        JobStatus {
            name: self.name.clone(),
            state: state.state,
            started_ms: state.started_ms,
            restarts: state.restarts,
            last_error: state.last_error.clone(),
            nodes,
            splits,
            checkpoints: state.checkpoints.iter().cloned().collect(),
            restored: state.restored.clone(),
        }
    }
}

fn subtask_status(m: &TaskMetrics) -> SubtaskStatus {
    SubtaskStatus {
        records_in: m.records_in.get(),
        records_out: m.records_out.get(),
        bytes_in: m.bytes_in.get(),
        late_records_dropped: m.late_records_dropped.get(),
        bad_records: m.bad_records.get(),
        watermark_ms: Some(m.watermark_ms.get()).filter(|ms| *ms != Watermark::MIN),
        busy_ns: m.busy_ns.get(),
        backpressured_ns: m.backpressured_ns.get(),
        state_bytes: m.state_bytes.get(),
        checkpoint: CheckpointTimes {
            start_delay_ns: m.checkpoint_start_delay_ns.get() as u64,
            alignment_ns: m.checkpoint_alignment_ns.get() as u64,
            stop_ns: m.checkpoint_stop_ns.get() as u64,
            sync_ns: m.checkpoint_sync_ns.get() as u64,
        },
    }
}
