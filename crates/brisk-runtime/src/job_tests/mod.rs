//! Whole jobs with tiny sources, operators and sinks: survival, order, promptness.

mod parts;
mod running;
mod survival;

use std::sync::Arc;
use std::time::Duration;

use brisk_core::batch::ChangelogMode;
use brisk_core::format::DecoderFactory;
use brisk_core::graph::{BadRecordPolicy, Distribution, Node, NodeKind, OperatorFactory, SinkNode, SourceNode, StreamGraph};
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType};

use crate::checks::Checks;
use crate::job::{JobHandle, JobOptions};
use parts::{CollectSink, Collected, Numbers, NumbersSource, Sum};

pub(crate) fn schema(names: &[&str]) -> Schema {
    Schema::new(names.iter().map(|n| Column::new(*n, SqlType::nullable(DataType::BigInt))).collect())
}

/// A node of two numbers, `key` and `value`.
pub(crate) fn node(name: &str, changelog: ChangelogMode) -> Node {
    Node {
        operator_id: name.to_lowercase(),
        name: name.to_owned(),
        description: name.to_owned(),
        kind: NodeKind::Operator(factory(|_| Box::new(Sum::default()))),
        parallelism: None,
        schema: schema(&["key", "value"]),
        changelog,
        state: None,
    }
}

struct Make<F>(F);

impl<F: Fn(&SubtaskContext) -> Box<dyn Operator> + Send + Sync> OperatorFactory for Make<F> {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(self.0(context))
    }
}

fn factory(make: impl Fn(&SubtaskContext) -> Box<dyn Operator> + Send + Sync + 'static) -> Arc<dyn OperatorFactory> {
    Arc::new(Make(make))
}

fn source_node(name: &str, numbers: &Arc<Numbers>) -> Node {
    let source = SourceNode {
        source: Arc::new(NumbersSource(numbers.clone())),
        decoder: None,
        bad_records: BadRecordPolicy::Fail,
        watermark: numbers.watermarks.then(|| numbers.clone() as _),
        alignment: None,
    };
    Node { kind: NodeKind::Source(source), ..node(name, ChangelogMode::Append) }
}

/// A source with a format, of which only the format is used.
pub(crate) fn numbers_source(decoder: Arc<dyn DecoderFactory>, bad_records: BadRecordPolicy) -> SourceNode {
    SourceNode { source: Arc::new(NumbersSource(Arc::default())), decoder: Some(decoder), bad_records, watermark: None, alignment: None }
}

fn sink_node(name: &str, collected: &Arc<Collected>) -> Node {
    Node { kind: NodeKind::Sink(SinkNode { sink: Arc::new(CollectSink(collected.clone())) }), ..node(name, ChangelogMode::Append) }
}

/// Numbers -> sum by key -> sums; numbers -> rows.
fn summing_graph(numbers: &Arc<Numbers>, sums: &Arc<Collected>, rows: &Arc<Collected>) -> StreamGraph {
    let mut graph = StreamGraph::default();
    let source = graph.add(source_node("Numbers", numbers));
    let sum = graph.add(node("Sum", ChangelogMode::Append));
    let sums = graph.add(sink_node("Sums", sums));
    let rows = graph.add(sink_node("Rows", rows));
    graph.connect(source, sum, 0, Distribution::Hash(vec![0]));
    graph.connect(sum, sums, 0, Distribution::Forward);
    graph.connect(source, rows, 0, Distribution::Forward);
    graph
}

fn options(parallelism: usize) -> JobOptions {
    JobOptions { parallelism, checks: Checks::Light, ..JobOptions::default() }
}

/// A batch of so many rows.
pub(crate) fn rows(count: usize) -> ChangelogBatch {
    parts::batch(vec![0; count], (0..count as i64).collect())
}

/// Waits until the first node has given out so many rows.
fn after_rows(handle: &JobHandle, rows: u64) {
    let given = || handle.status().nodes[0].subtasks.iter().map(|s| s.records_out).sum::<u64>();
    while given() < rows && handle.wait_for(Duration::from_millis(1)).is_none() {}
}

const SOON: Duration = Duration::from_secs(20);
