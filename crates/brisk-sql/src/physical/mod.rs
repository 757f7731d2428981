//! Physical planning: logical plans become one stream graph.
//!
//! A node's identity is a hash of what it computes (its name, description and schema) and of its inputs'. Two parts of a
//! script with one identity *are* one node, so what statements share is computed once; and the state of an operator is
//! found again under its identity whatever else the script changed. A description must therefore say everything that
//! decides the result.
//!
//! Whether a consumer wants `-U` before `+U` is asked from above (`need_before`), whether there are corrections at all
//! is known from below ([`properties::updates`]).

mod aggregate;
mod calc;
mod join;
mod join_shape;
mod match_recognize;
mod over;
mod properties;
mod rank;
mod rank_shape;
mod scan;
mod scan_use;
mod set_operation;
mod side_table;
mod sink;
mod sort;
mod window;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::Registry;
use brisk_core::graph::{Distribution, Edge, Node as GraphNode, NodeId, NodeKind, OperatorFactory, Port, StreamGraph};
use brisk_core::key_group::hash_bytes;
use brisk_core::sink::Sink;
use brisk_core::{Error, Result, Schema};
use brisk_functions::EvalContext;
pub use brisk_operators::not_null::NotNullEnforcer;
pub use brisk_operators::sink_upsert_materializer::UpsertMaterialize;
use chrono_tz::Tz;

use crate::catalog::Table;
use crate::logical::{Insert, Node, Plan};
use crate::rules;

/// What the planner needs to know besides the plans.
pub struct PlannerContext<'a> {
    pub registry: &'a dyn Registry,
    pub settings: PlannerSettings,
    /// Tables by name, for options that name one (a dead-letter table).
    pub find_table: FindTable<'a>,
}

/// Finds a table by the name that an option gives.
pub type FindTable<'a> = Box<dyn Fn(&str) -> Option<Arc<Table>> + 'a>;

/// The session's options that change plans.
#[derive(Debug, Clone)]
pub struct PlannerSettings {
    pub time_zone: Tz,
    /// How many subtasks the job will have: with one no exchange and no second phase is planned.
    pub parallelism: usize,
    /// `table.exec.state.ttl`; `None` keeps state for ever.
    pub state_ttl_ms: Option<i64>,
    /// `table.exec.source.idle-timeout`.
    pub idle_timeout_ms: Option<i64>,
    /// `pipeline.auto-watermark-interval` is 0: a watermark after every row.
    pub watermark_every_row: bool,
    /// Processing time at planning, for constant rows.
    pub now_ms: i64,
    /// `table.exec.mini-batch.size` where mini-batches are on.
    pub mini_batch_rows: Option<usize>,
    /// `table.exec.sink.not-null-enforcer`.
    pub not_null_enforcer: NotNullEnforcer,
    /// `table.exec.sink.upsert-materialize`.
    pub upsert_materialize: UpsertMaterialize,
    /// `table.exec.source.cdc-events-duplicate`: a source of changes may give a change twice.
    pub duplicate_changes: bool,
}

/// What one query's or statement's rows go to.
pub enum Target<'a> {
    Insert(&'a Insert),
    /// A query by itself: its changes go to this sink.
    Query {
        plan: &'a Plan,
        sink: Arc<dyn Sink>,
        name: &'a str,
    },
}

/// Plans all targets as one graph: they share what they have in common.
pub fn plan_graph(targets: &[Target], context: &PlannerContext) -> Result<StreamGraph> {
    let mut optimized = Vec::with_capacity(targets.len());
    for target in targets {
        let plan = match target {
            Target::Insert(insert) => &insert.source,
            Target::Query { plan, .. } => plan,
        };
        optimized.push(rules::optimize(plan.clone(), &side_table::late_columns(plan, context)?)?);
    }
    let mut planner = Planner::new(context, &optimized)?;
    for (target, plan) in targets.iter().zip(&optimized) {
        match target {
            Target::Insert(insert) => planner.insert(insert, plan)?,
            Target::Query { sink, name, .. } => planner.query(plan, Arc::clone(sink), name)?,
        }
    }
    planner.late_rows()?;
    Ok(planner.graph)
}

/// Whether a query corrects rows that it gave before.
pub fn is_updating(plan: &Plan, context: &PlannerContext) -> Result<bool> {
    let plan = rules::optimize(plan.clone(), &Default::default())?;
    let scans = scan::Scans::of(std::slice::from_ref(&plan), context)?;
    Ok(properties::updates(&plan, &scans))
}

struct Planner<'a> {
    context: &'a PlannerContext<'a>,
    graph: StreamGraph,
    by_identity: HashMap<String, NodeId>,
    scans: scan::Scans,
    /// Below the versioned side of a temporal join: every version of a row counts, not only the last of a batch.
    every_change: bool,
    /// Nodes that fold rows before an exchange.
    local_phases: HashSet<NodeId>,
    /// Of a node's output the columns by whose hash its rows are distributed: each of the lists is one way to say it.
    partitions: HashMap<NodeId, Vec<Vec<usize>>>,
    /// Sources whose late rows go to a table.
    late_sources: Vec<side_table::LateSource>,
}

/// A node's output on its way to a consumer.
#[derive(Debug, Clone)]
struct Stream {
    node: NodeId,
    schema: Schema,
    mode: ChangelogMode,
}

impl<'a> Planner<'a> {
    fn new(context: &'a PlannerContext<'a>, plans: &[Plan]) -> Result<Self> {
        let scans = scan::Scans::of(plans, context)?;
        Ok(Self {
            context,
            graph: StreamGraph::default(),
            by_identity: HashMap::new(),
            scans,
            every_change: false,
            local_phases: HashSet::new(),
            partitions: HashMap::new(),
            late_sources: Vec::new(),
        })
    }

    /// The stream of a plan. With `need_before` every `+U` comes after its `-U`.
    fn build(&mut self, plan: &Plan, need_before: bool) -> Result<Stream> {
        match &plan.node {
            Node::Scan(_) | Node::Project { .. } | Node::Filter { .. } => self.calc(plan, need_before),
            Node::Values { rows } => self.values(plan, rows),
            Node::Aggregate(n) => self.aggregate(plan, n, need_before),
            Node::Window(n) => self.window_function(plan, n),
            Node::Join(n) => self.join(plan, n, &(0..plan.columns.len()).collect::<Vec<_>>(), None),
            Node::Correlate(n) => self.correlate(plan, n, need_before),
            Node::Over(n) => self.over(plan, n, need_before),
            Node::Sort(n) => self.sort(plan, n, need_before),
            Node::Union { inputs } => self.union(plan, inputs, need_before),
            Node::SetOperation { kind, left, right } => self.set_operation(plan, *kind, left, right, need_before),
            Node::MatchRecognize(n) => self.match_recognize(plan, n),
        }
    }

    fn updates(&self, plan: &Plan) -> bool {
        properties::updates(plan, &self.scans)
    }

    /// The mode of an operator that corrects its results if `updates`.
    fn mode(updates: bool, need_before: bool) -> ChangelogMode {
        match (updates, need_before) {
            (false, _) => ChangelogMode::Append,
            (true, true) => ChangelogMode::Retract,
            (true, false) => ChangelogMode::Upsert,
        }
    }

    fn settings(&self) -> &PlannerSettings {
        &self.context.settings
    }

    /// For what is computed at planning.
    fn evaluation(&self) -> EvalContext {
        EvalContext { processing_time_ms: self.settings().now_ms, time_zone: self.settings().time_zone, watermark_ms: None }
    }

    /// Adds an operator, or finds the one that does the same with the same inputs.
    fn operator(&mut self, new: NewOperator) -> Stream {
        let NewOperator { name, description, factory, inputs, schema, mode, state, parallelism } = new;
        let edge = |(stream, distribution): (Stream, Distribution)| {
            let distribution = self.unless_there(stream.node, distribution);
            NewEdge { from: stream.node, port: Port::Main, distribution }
        };
        let edges: Vec<NewEdge> = inputs.into_iter().map(edge).collect();
        let node = self.add(name, description, NodeKind::Operator(factory), edges, schema.clone(), mode, state, parallelism);
        Stream { node, schema, mode }
    }

    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        name: &str,
        description: String,
        kind: NodeKind,
        inputs: Vec<NewEdge>,
        schema: Schema,
        mode: ChangelogMode,
        state: Option<String>,
        parallelism: Option<usize>,
    ) -> NodeId {
        let mut identity = format!("{name}\n{description}\n{mode}\n");
        for column in &schema.columns {
            identity.push_str(&format!("{} {}, ", column.name, column.sql_type));
        }
        for edge in &inputs {
            identity.push_str(&format!("\n{} {:?}", self.identity_of(edge.from), edge.port));
        }
        let operator_id = format!("{:016x}", hash_bytes(identity.as_bytes()));
        let is_sink = matches!(kind, NodeKind::Sink(_));
        if !is_sink && let Some(&node) = self.by_identity.get(&operator_id) {
            return node;
        }
        // Two equal INSERTs are two sinks: the second gets a number.
        let twins = if is_sink { self.graph.nodes.iter().filter(|n| n.operator_id.starts_with(&operator_id)).count() } else { 0 };
        let operator_id = if twins > 0 { format!("{operator_id}-{twins}") } else { operator_id };
        let node = self.graph.add(GraphNode {
            operator_id: operator_id.clone(),
            name: name.to_string(),
            description,
            kind,
            parallelism,
            schema,
            changelog: mode,
            state,
        });
        for (input, edge) in inputs.into_iter().enumerate() {
            self.graph.edges.push(Edge { from: edge.from, port: edge.port, to: node, input, distribution: edge.distribution });
        }
        self.by_identity.insert(operator_id, node);
        node
    }

    /// Adds an operator that folds or drops rows of each subtask before an exchange.
    fn local_phase(&mut self, name: &str, description: &str, input: Stream, factory: Arc<dyn OperatorFactory>, schema: Schema) -> Stream {
        let parallelism = self.graph.nodes[input.node].parallelism;
        let stream = self.operator(NewOperator {
            name,
            description: description.to_string(),
            factory,
            mode: Self::mode(false, false),
            inputs: vec![(input, Distribution::Forward)],
            schema,
            state: None,
            parallelism,
        });
        self.local_phases.insert(stream.node);
        stream
    }

    /// The identity of a node as its consumers see it: a local phase is planned or not by the parallelism, so it is seen
    /// through, and state is found again at another parallelism.
    fn identity_of(&self, node: NodeId) -> &str {
        match self.local_phases.contains(&node).then(|| self.graph.inputs_of(node).next()).flatten() {
            Some(edge) => self.identity_of(edge.from),
            None => &self.graph.nodes[node].operator_id,
        }
    }

    /// How rows of one key come together: by hash, or in one subtask where there is no key.
    fn by_key(&self, key: &[usize]) -> (Distribution, Option<usize>) {
        if key.is_empty() { (Distribution::Single, Some(1)) } else { (Distribution::Hash(key.to_vec()), None) }
    }

    /// Forwarding, where rows are already with the subtask that the hash would send them to.
    fn unless_there(&self, from: NodeId, distribution: Distribution) -> Distribution {
        match &distribution {
            Distribution::Hash(key) if self.is_partitioned(from, key) => Distribution::Forward,
            _ => distribution,
        }
    }

    /// Whether the rows of a node are distributed by the hash of these columns of its output. It must be just these: rows of one
    /// `a` have one `(a, b)`, but state is found again by the hash of all of the key.
    fn is_partitioned(&self, node: NodeId, key: &[usize]) -> bool {
        self.partitions.get(&node).is_some_and(|ways| ways.iter().any(|way| way == key))
    }

    /// Notes of an operator that takes its rows by key by which columns of its output they are distributed.
    fn partitioned(&mut self, stream: Stream, ways: impl IntoIterator<Item = Vec<usize>>) -> Stream {
        self.partitions.insert(stream.node, ways.into_iter().filter(|way| !way.is_empty()).collect());
        stream
    }

    /// Notes of an operator that leaves rows where they are that its output is distributed as that of `from`. `position` says
    /// where a column of its input is in its output.
    fn stays_partitioned(&mut self, from: NodeId, stream: Stream, position: impl Fn(usize) -> Option<usize>) -> Stream {
        let Some(ways) = self.partitions.get(&from) else { return stream };
        let mapped: Vec<Vec<usize>> = ways.iter().filter_map(|way| way.iter().map(|c| position(*c)).collect()).collect();
        self.partitioned(stream, mapped)
    }

    fn ttl_text(&self) -> String {
        match self.settings().state_ttl_ms {
            Some(ms) => format!("forgotten after {ms} ms without change (table.exec.state.ttl)"),
            None => "kept for ever".to_string(),
        }
    }
}

/// An operator to be added.
struct NewOperator<'s> {
    name: &'s str,
    description: String,
    factory: Arc<dyn OperatorFactory>,
    inputs: Vec<(Stream, Distribution)>,
    schema: Schema,
    mode: ChangelogMode,
    state: Option<String>,
    parallelism: Option<usize>,
}

struct NewEdge {
    from: NodeId,
    port: Port,
    distribution: Distribution,
}

/// `a, b AS c` of some columns, for descriptions.
fn names(schema: &Schema, columns: &[usize]) -> String {
    columns.iter().map(|&i| format!("{}@{i}", schema.columns[i].name)).collect::<Vec<_>>().join(", ")
}

fn unsupported(what: impl Into<String>, remedy: &str) -> Error {
    Error::unsupported(what.into()).with_remedy(remedy)
}
