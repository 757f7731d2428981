//! Builds what a subtask runs: its nodes' operators, readers and writers, their state read back, and its channels.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use brisk_core::graph::{Distribution, Edge, NodeId, NodeKind, StreamGraph};
use brisk_core::operator::SubtaskContext;
use brisk_core::{Result, Watermark};
use crossbeam_channel::Sender;

use crate::chain::{Chain, Link, Target, Unit};
use crate::checkpoint::restore::RestorePoint;
use crate::checkpoint::writer::Work;
use crate::checks;
use crate::clock::monotonic_ns;
use crate::control::Control;
use crate::driver::Event;
use crate::exchange::{self, Exit, HashRouter, Route};
use crate::gate::Gate;
use crate::inbox::{Inbox, Limit};
use crate::job::{CheckpointMode, JobOptions};
use crate::plan::{self, Plan, Wiring};
use crate::source::alignment::Groups;
use crate::source::{Decoding, SourceProgress, SourceTask, SplitWatermarks};
use crate::status::Board;
use crate::task::{Hold, InputTask, TaskContext};
use crate::valve::Combiner;

/// One start of the job: what all its subtasks share.
pub(crate) struct Run {
    pub attempt: u32,
    pub graph: Arc<StreamGraph>,
    pub plan: Arc<Plan>,
    pub options: JobOptions,
    pub key_groups: u16,
    pub point: Option<Arc<RestorePoint>>,
    /// When this start began, and how many subtasks have not been built.
    pub begin_ns: u64,
    pub unbuilt: AtomicUsize,
    pub control: Arc<Control>,
    /// By subtask of all tasks.
    pub inboxes: Vec<Arc<Inbox>>,
    pub progress: Vec<Arc<SourceProgress>>,
    pub alignment: Groups,
    pub board: Arc<Board>,
    pub events: Sender<Event>,
    pub work: Sender<Work>,
}

/// One subtask, ready to run.
pub(crate) enum Subtask {
    Source(Box<SourceTask>),
    Input(Box<InputTask>),
}

impl Subtask {
    pub fn run(self) -> Result<()> {
        match self {
            Subtask::Source(task) => task.run(),
            Subtask::Input(task) => task.run(),
        }
    }
}

impl Run {
    /// The inboxes of all subtasks.
    pub fn inboxes(graph: &StreamGraph, plan: &Plan, options: &JobOptions) -> Vec<Arc<Inbox>> {
        let limit = Limit { rows: options.channel_rows.max(1), bytes: options.channel_bytes.max(1) };
        let per_task = |task: usize| {
            let channels: usize = plan.channel_edges(graph, task).iter().map(|e| plan.channels_of(e)).sum();
            (0..plan.tasks[task].parallelism).map(move |_| Arc::new(Inbox::new(channels, limit)))
        };
        (0..plan.tasks.len()).flat_map(per_task).collect()
    }

    /// Subtask `index` of a task, with its state.
    pub fn build(&self, task: usize, index: usize) -> Result<Subtask> {
        let subtask = self.subtask(task, index)?;
        if let (1, Some(point)) = (self.unbuilt.fetch_sub(1, Ordering::AcqRel), &self.point) {
            point.forget_files();
            let build_ns = monotonic_ns() - self.begin_ns;
            tracing::debug!(
                job = self.options.name,
                checkpoint = point.info.id,
                bytes = point.bytes,
                read_ms = point.read_ns / 1_000_000,
                duration_ms = (point.read_ns + build_ns) / 1_000_000,
                "state restored"
            );
        }
        Ok(subtask)
    }

    fn subtask(&self, task: usize, index: usize) -> Result<Subtask> {
        let head = self.plan.tasks[task].nodes[0];
        let edges = self.plan.channel_edges(&self.graph, task);
        let number = self.plan.tasks[task].first_subtask + index;
        let context = self.context(head, number, index, &edges);
        let chain = self.chain(task, index)?;
        let NodeKind::Source(source) = &self.graph.nodes[head].kind else {
            let inputs: Vec<usize> = edges.iter().flat_map(|e| std::iter::repeat_n(e.input, self.plan.channels_of(e))).collect();
            let mode = self.options.checkpoint.as_ref().map_or(CheckpointMode::ExactlyOnce, |c| c.mode);
            let gate = Gate::new(self.inboxes[number].clone(), &inputs, plan::input_count(&self.graph, head), mode);
            return Ok(Subtask::Input(Box::new(InputTask { context, chain, gate, hold: Hold::default(), stopping: false })));
        };
        let id = &self.plan.operator_ids[head];
        let splits = self.point.as_ref().map_or(Vec::new(), |p| p.splits(id));
        let restored = self.point.as_ref().map_or_else(Default::default, |p| p.watermarks(id));
        let name = &self.graph.nodes[head].name;
        Ok(Subtask::Source(Box::new(SourceTask {
            reader: source.source.reader(&self.subtask_context(head, index), splits)?,
            decoding: Decoding::new(source, &self.graph.nodes[head].schema, self.board.metrics(head, index)),
            watermarks: SplitWatermarks::new(source.watermark.clone(), restored, self.board.splits(head, index), (head, name, index)),
            seat: self.alignment.seat(head, index),
            bounded: source.source.is_bounded(),
            progress: self.progress[number].clone(),
            hold: Hold::default(),
            context,
            chain,
        })))
    }

    fn context(&self, head: NodeId, number: usize, index: usize, edges: &[&Edge]) -> TaskContext {
        TaskContext {
            attempt: self.attempt,
            subtask: number,
            control: self.control.clone(),
            inbox: self.inboxes[number].clone(),
            channels: edges.iter().map(|e| self.plan.channels_of(e)).sum(),
            clock: self.options.clock.clone(),
            events: self.events.clone(),
            work: self.work.clone(),
            metrics: self.board.metrics(head, index),
            max_batch_rows: self.options.max_batch_rows.max(1),
            prepared: 0,
            taken: 0,
            completed: 0,
            longest_stop_ns: 0,
            sync_ns: 0,
            has_ended: false,
        }
    }

    fn subtask_context(&self, node: NodeId, index: usize) -> SubtaskContext {
        SubtaskContext {
            operator_id: self.plan.operator_ids[node].clone(),
            subtask_index: index,
            parallelism: self.plan.parallelism[node],
            key_groups: self.key_groups,
            metrics: self.board.metrics(node, index),
        }
    }

    fn chain(&self, task: usize, index: usize) -> Result<Chain> {
        let nodes = &self.plan.tasks[task].nodes;
        let mut chain = Chain { links: Vec::with_capacity(nodes.len()), exits: Vec::new() };
        let link_of: HashMap<NodeId, usize> = nodes.iter().enumerate().map(|(i, n)| (*n, i)).collect();
        for (number, &node) in nodes.iter().enumerate() {
            let metrics = self.board.metrics(node, index);
            metrics.watermark_ms.set(Watermark::MIN);
            let operator_id = &self.plan.operator_ids[node];
            let (watermark_in, watermark_out) = self.point.as_ref().map_or((Watermark::MIN, Watermark::MIN), |p| p.operator_watermarks(operator_id));
            let mut link = Link {
                node,
                index,
                operator_id: operator_id.as_str().into(),
                unit: self.unit(node, index)?,
                targets: Vec::new(),
                combiner: (number > 0).then(|| self.inner_combiner(node)).flatten(),
                watermark_in,
                watermark_out,
                metrics,
                want_full: Arc::new(AtomicBool::new(false)),
                ahead: None,
            };
            for edge in self.graph.outputs_of(node) {
                link.targets.push((edge.port, self.target(edge, index, &link_of, &mut chain.exits)));
            }
            chain.links.push(link);
        }
        Ok(chain)
    }

    fn target(&self, edge: &Edge, index: usize, link_of: &HashMap<NodeId, usize>, exits: &mut Vec<Exit>) -> Target {
        if self.plan.is_channel(edge) {
            exits.push(self.exit(edge, index));
            return Target::Exit(exits.len() - 1);
        }
        let place = self.place_in_input(edge);
        Target::Link { link: link_of[&edge.to], input: edge.input, place }
    }

    /// The edge's number among those that end at the same input.
    fn place_in_input(&self, edge: &Edge) -> usize {
        self.graph.inputs_of(edge.to).filter(|e| e.input == edge.input).position(|e| std::ptr::eq(e, edge)).unwrap_or(0)
    }

    fn inner_combiner(&self, node: NodeId) -> Option<Combiner> {
        let mut edges = vec![0; plan::input_count(&self.graph, node)];
        self.graph.inputs_of(node).for_each(|e| edges[e.input] += 1);
        (edges.iter().sum::<usize>() > 1).then(|| Combiner::new(&edges))
    }

    fn unit(&self, node: NodeId, index: usize) -> Result<Unit> {
        let n = &self.graph.nodes[node];
        let context = self.subtask_context(node, index);
        Ok(match &n.kind {
            NodeKind::Source(_) => Unit::Source,
            NodeKind::Operator(factory) => {
                let mut operator = checks::wrap(factory.create(&context)?, n, self.options.checks);
                if let Some(point) = self.point.as_ref().filter(|p| p.manifest.operator(&context.operator_id).is_some()) {
                    let mut reader = point.reader(&context.operator_id, index, context.parallelism)?;
                    operator.restore(&mut reader).map_err(|e| e.context(format_args!("state of {}", n.name)))?;
                }
                Unit::Operator(operator)
            }
            NodeKind::Sink(sink) => {
                let states = self.point.as_ref().map_or(Vec::new(), |p| p.writer_states(&context.operator_id));
                Unit::Sink(sink.sink.writer(&context, states)?)
            }
        })
    }

    fn exit(&self, edge: &Edge, index: usize) -> Exit {
        let consumer = self.plan.task_of[edge.to];
        let (first, count) = (self.plan.tasks[consumer].first_subtask, self.plan.tasks[consumer].parallelism);
        let before: usize =
            self.plan.channel_edges(&self.graph, consumer).iter().take_while(|e| !std::ptr::eq(**e, edge)).map(|e| self.plan.channels_of(e)).sum();
        let sender = |target: usize, channel: usize| exchange::Sender { inbox: self.inboxes[first + target].clone(), channel };
        let metrics = self.board.metrics(self.plan.tasks[self.plan.task_of[edge.from]].nodes[0], index);
        match self.plan.wiring(edge) {
            Wiring::OneToOne => Exit::new(vec![sender(index, before)], Route::Fixed(0), metrics),
            Wiring::AllToAll => Exit::new((0..count).map(|t| sender(t, before + index)).collect(), self.route(edge, index, count), metrics),
        }
    }

    fn route(&self, edge: &Edge, index: usize, count: usize) -> Route {
        match &edge.distribution {
            Distribution::Hash(columns) if !columns.is_empty() => Route::Hash(HashRouter::new(columns.clone(), self.key_groups, count)),
            Distribution::Broadcast => Route::Broadcast,
            Distribution::Single | Distribution::Hash(_) => Route::Fixed(0),
            Distribution::Forward if plan::may_go_round(&self.graph, edge) => Route::RoundRobin(index % count),
            // Corrections must not overtake what they correct: a producer keeps to one consumer.
            Distribution::Forward => Route::Fixed(index * count / self.plan.parallelism[edge.from]),
        }
    }
}
