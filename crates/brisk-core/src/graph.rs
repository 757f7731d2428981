//! The stream graph: what the planner makes and the runtime runs.
//!
//! A node can build its operator, reader or writer and describe itself; an edge says which output goes where and how
//! rows are distributed. The planner never sees a task, the runtime never sees SQL.

use std::fmt;
use std::sync::Arc;

use crate::batch::ChangelogMode;
use crate::format::DecoderFactory;
use crate::operator::{Operator, SubtaskContext};
use crate::sink::Sink;
use crate::source::{Source, WatermarkStrategy};
use crate::{Result, Schema};

/// A node's place in [`StreamGraph::nodes`].
pub type NodeId = usize;

#[derive(Clone, Default)]
pub struct StreamGraph {
    /// In topological order: an edge goes from a smaller to a greater number.
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

#[derive(Clone)]
pub struct Node {
    /// The operator's identity for state: a hash of what it and its inputs compute, 16 hex digits.
    pub operator_id: String,
    /// Short, such as `WindowAggregate`.
    pub name: String,
    /// One line for EXPLAIN.
    pub description: String,
    pub kind: NodeKind,
    /// `None`: the job's default.
    pub parallelism: Option<usize>,
    pub schema: Schema,
    pub changelog: ChangelogMode,
    /// What the operator keeps and for how long, for EXPLAIN; `None` without state.
    pub state: Option<String>,
}

#[derive(Clone)]
pub enum NodeKind {
    Source(SourceNode),
    Operator(Arc<dyn OperatorFactory>),
    Sink(SinkNode),
}

/// A source with its decoder, what becomes of bad records, and its watermarks.
#[derive(Clone)]
pub struct SourceNode {
    pub source: Arc<dyn Source>,
    pub decoder: Option<Arc<dyn DecoderFactory>>,
    pub bad_records: BadRecordPolicy,
    pub watermark: Option<Arc<dyn WatermarkStrategy>>,
    /// Splits of sources with one group wait for one another: none runs ahead by more than the drift.
    pub alignment: Option<WatermarkAlignment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkAlignment {
    pub group: String,
    pub max_drift_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecordPolicy {
    /// The job fails and names file, line and reason.
    Fail,
    /// Counted and dropped.
    Skip,
    /// Counted and sent out of [`Port::BadRecords`].
    DeadLetter,
}

#[derive(Clone)]
pub struct SinkNode {
    pub sink: Arc<dyn Sink>,
}

/// Makes the operator of each subtask.
pub trait OperatorFactory: Send + Sync {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>>;

    /// Whether rows of its inputs may come too late for it and then leave by [`Port::Late`].
    fn drops_late_rows(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone)]
pub struct Edge {
    pub from: NodeId,
    pub port: Port,
    pub to: NodeId,
    /// Which input of `to`.
    pub input: usize,
    pub distribution: Distribution,
}

/// Which output of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    Main,
    /// Rows of this input that came too late, in its schema.
    Late {
        input: usize,
    },
    /// Records that could not be decoded: [`bad_record_schema`].
    BadRecords,
}

/// How rows reach the subtasks of the consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distribution {
    /// Subtask `i` to subtask `i`; both sides have one parallelism, else rows go round.
    Forward,
    /// By the key group of these columns.
    Hash(Vec<usize>),
    /// Every row to every subtask.
    Broadcast,
    /// All rows to one subtask.
    Single,
}

/// The columns of a dead-letter stream: the record word for word, what is wrong, where it comes from (a file, a topic),
/// and its number there.
pub fn bad_record_schema() -> Schema {
    use crate::{Column, DataType, SqlType};
    Schema::new(vec![
        Column::new("raw_record", SqlType::not_null(DataType::BYTES)),
        Column::new("reason", SqlType::not_null(DataType::STRING)),
        Column::new("origin", SqlType::not_null(DataType::STRING)),
        Column::new("record_number", SqlType::not_null(DataType::BigInt)),
    ])
}

impl StreamGraph {
    /// Adds a node and returns its number.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub fn connect(&mut self, from: NodeId, to: NodeId, input: usize, distribution: Distribution) {
        self.edges.push(Edge { from, port: Port::Main, to, input, distribution });
    }

    pub fn inputs_of(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |e| e.to == node)
    }

    pub fn outputs_of(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |e| e.from == node)
    }

    /// Whether every source ends by itself.
    pub fn is_bounded(&self) -> bool {
        self.nodes.iter().all(|n| match &n.kind {
            NodeKind::Source(s) => s.source.is_bounded(),
            _ => true,
        })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distribution::Forward => write!(f, "forward"),
            Distribution::Hash(columns) => write!(f, "hash{columns:?}"),
            Distribution::Broadcast => write!(f, "broadcast"),
            Distribution::Single => write!(f, "single"),
        }
    }
}
