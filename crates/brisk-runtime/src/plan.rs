//! From graph to tasks: the parallelism of every node, and which nodes share a thread.
//!
//! A node joins the task of its inputs when all of them come from one task and every row stays in its subtask: by
//! forwarding at equal parallelism, or by any distribution when both sides have one subtask. So a graph that runs with
//! parallelism 1 from one source is a single task without any channel, whatever its shape. All other inputs are channels.

use brisk_core::batch::ChangelogMode;
use brisk_core::graph::{Distribution, Edge, NodeId, NodeKind, Port, StreamGraph};
use brisk_core::{Error, Result};

pub(crate) struct Plan {
    /// Each node's operator id, made unique where two nodes compute the same.
    pub operator_ids: Vec<String>,
    pub parallelism: Vec<usize>,
    /// The task of each node.
    pub task_of: Vec<usize>,
    pub tasks: Vec<TaskPlan>,
}

#[derive(Debug, Default)]
pub(crate) struct TaskPlan {
    /// In topological order; the first is a source or has channels as inputs.
    pub nodes: Vec<NodeId>,
    pub parallelism: usize,
    /// The number of the task's first subtask among all subtasks.
    pub first_subtask: usize,
}

/// How the producers of an edge between tasks reach its consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Subtask `i` to subtask `i` alone.
    OneToOne,
    /// Every producer has a channel to every consumer.
    AllToAll,
}

impl Plan {
    pub fn new(graph: &StreamGraph, parallelism: usize, key_groups: u16) -> Result<Self> {
        check_graph(graph)?;
        let mut plan = Plan { operator_ids: unique_ids(graph), parallelism: Vec::new(), task_of: Vec::new(), tasks: Vec::new() };
        for node in 0..graph.nodes.len() {
            let own = plan.parallelism_of(graph, node, parallelism);
            if own == 0 || own > usize::from(key_groups) {
                return Err(Error::invalid(format!(
                    "{}: parallelism {own} is not between 1 and {key_groups}, the number of key groups",
                    graph.nodes[node].name
                )));
            }
            plan.parallelism.push(own);
            let task = plan.task_to_join(graph, node).unwrap_or_else(|| {
                plan.tasks.push(TaskPlan { parallelism: own, ..TaskPlan::default() });
                plan.tasks.len() - 1
            });
            plan.task_of.push(task);
            plan.tasks[task].nodes.push(node);
        }
        let mut first = 0;
        for task in &mut plan.tasks {
            task.first_subtask = first;
            first += task.parallelism;
        }
        Ok(plan)
    }

    pub fn subtasks(&self) -> usize {
        self.tasks.iter().map(|t| t.parallelism).sum()
    }

    /// Whether the edge crosses from one task to another.
    pub fn is_channel(&self, edge: &Edge) -> bool {
        self.task_of[edge.from] != self.task_of[edge.to]
    }

    pub fn wiring(&self, edge: &Edge) -> Wiring {
        let same = self.parallelism[edge.from] == self.parallelism[edge.to];
        if edge.distribution == Distribution::Forward && same { Wiring::OneToOne } else { Wiring::AllToAll }
    }

    /// The edges that enter the task through channels, in the order in which they are numbered.
    pub fn channel_edges<'a>(&self, graph: &'a StreamGraph, task: usize) -> Vec<&'a Edge> {
        let head = self.tasks[task].nodes[0];
        graph.inputs_of(head).collect()
    }

    /// How many channels the edge has into each consumer.
    pub fn channels_of(&self, edge: &Edge) -> usize {
        match self.wiring(edge) {
            Wiring::OneToOne => 1,
            Wiring::AllToAll => self.parallelism[edge.from],
        }
    }

    /// What the node says, or what its inputs suggest: a node that is only forwarded to keeps the parallelism before it,
    /// so that rows stay in place.
    fn parallelism_of(&self, graph: &StreamGraph, node: NodeId, default: usize) -> usize {
        let n = &graph.nodes[node];
        if let NodeKind::Source(source) = &n.kind {
            let own = n.parallelism.unwrap_or(default);
            return source.source.max_parallelism().map_or(own, |max| own.min(max.max(1)));
        }
        if let Some(own) = n.parallelism {
            return own;
        }
        let single = |e: &Edge| e.distribution == Distribution::Single || matches!(&e.distribution, Distribution::Hash(columns) if columns.is_empty());
        if graph.inputs_of(node).any(single) {
            return 1;
        }
        let forwarded = graph.inputs_of(node).all(|e| e.distribution == Distribution::Forward);
        let before = graph.inputs_of(node).map(|e| self.parallelism[e.from]).max();
        before.filter(|_| forwarded).unwrap_or(default)
    }

    fn task_to_join(&self, graph: &StreamGraph, node: NodeId) -> Option<usize> {
        let own = self.parallelism[node];
        let stays = |e: &Edge| self.parallelism[e.from] == own && (own == 1 || e.distribution == Distribution::Forward);
        let task = self.task_of[graph.inputs_of(node).next()?.from];
        graph.inputs_of(node).all(|e| self.task_of[e.from] == task && stays(e)).then_some(task)
    }
}

/// The schema's changelog decides whether batches of an edge may go round.
pub(crate) fn may_go_round(graph: &StreamGraph, edge: &Edge) -> bool {
    edge.port != Port::Main || graph.nodes[edge.from].changelog == ChangelogMode::Append
}

/// The number of inputs of a node.
pub(crate) fn input_count(graph: &StreamGraph, node: NodeId) -> usize {
    graph.inputs_of(node).map(|e| e.input + 1).max().unwrap_or(0)
}

fn check_graph(graph: &StreamGraph) -> Result<()> {
    for edge in &graph.edges {
        if edge.from >= edge.to || edge.to >= graph.nodes.len() {
            return Err(Error::internal(format!("edge {} -> {} is not in topological order", edge.from, edge.to)));
        }
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        let is_source = matches!(node.kind, NodeKind::Source(_));
        if is_source != (graph.inputs_of(id).count() == 0) {
            return Err(Error::internal(format!("node {id} {}: a source has no input, and every other node has one", node.name)));
        }
    }
    if graph.nodes.is_empty() { Err(Error::internal("an empty stream graph")) } else { Ok(()) }
}

/// Two nodes that compute the same have one id; the second is `id#2`.
pub(crate) fn unique_ids(graph: &StreamGraph) -> Vec<String> {
    let mut seen = std::collections::HashMap::new();
    let mut unique = |id: &String| {
        let count = seen.entry(id.clone()).and_modify(|n| *n += 1).or_insert(1);
        if *count == 1 { id.clone() } else { format!("{id}#{count}") }
    };
    graph.nodes.iter().map(|n| unique(&n.operator_id)).collect()
}
