//! How jobs run: chaining, order of inputs, idleness, promptness, faults in operators.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use brisk_core::batch::ChangelogMode;
use brisk_core::graph::{Distribution, Node, NodeKind, StreamGraph, WatermarkAlignment};
use brisk_core::operator::{Operator, Output};
use brisk_core::{ChangelogBatch, ErrorKind, Result};

use super::parts::{Collected, Numbers, batch};
use super::{SOON, factory, node, options, sink_node, source_node, summing_graph};
use crate::checkpoint::CheckpointStore;
use crate::job::{CheckpointOptions, Job, JobState, Outcome, Restore};
use crate::lock;
use crate::plan::Plan;

/// What an operator saw, as `r<input>` and `w<time>`.
type Seen = Arc<Mutex<Vec<String>>>;

struct Recorder {
    seen: Seen,
    threads: Arc<Mutex<BTreeSet<String>>>,
}

impl Operator for Recorder {
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        lock(&self.threads).insert(std::thread::current().name().unwrap_or_default().to_owned());
        lock(&self.seen).push(format!("r{input}"));
        out.batch(batch)
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        lock(&self.seen).push(format!("w{time}"));
        out.watermark(time)
    }
}

/// Holds rows back until they must go.
#[derive(Default)]
struct Holding(Vec<ChangelogBatch>);

impl Operator for Holding {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, _out: &mut Output) -> Result<()> {
        self.0.push(batch);
        Ok(())
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        out.watermark(time)
    }

    fn flush(&mut self, out: &mut Output) -> Result<()> {
        self.0.drain(..).try_for_each(|batch| out.batch(batch))
    }

    fn release(&mut self, _out: &mut Output) -> Result<()> {
        Ok(())
    }
}

struct Failing(fn());

impl Operator for Failing {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        (self.0)();
        out.batch(batch)
    }
}

/// Emits its only row when its timer fires.
struct OnTimer {
    row: Option<ChangelogBatch>,
    due_ms: i64,
}

impl Operator for OnTimer {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, _out: &mut Output) -> Result<()> {
        self.row = Some(batch);
        Ok(())
    }

    fn next_timer(&self) -> Option<i64> {
        self.row.is_some().then_some(self.due_ms)
    }

    fn on_timer(&mut self, _now_ms: i64, out: &mut Output) -> Result<()> {
        self.row.take().map_or(Ok(()), |row| out.batch(row))
    }
}

fn operator(name: &str, make: impl Fn() -> Box<dyn Operator> + Send + Sync + 'static) -> Node {
    Node { kind: NodeKind::Operator(factory(move |_| make())), ..node(name, ChangelogMode::Append) }
}

/// Two sources into one operator with two inputs, then a sink.
fn joining_graph(left: &Arc<Numbers>, right: &Arc<Numbers>, seen: &Seen, sink: &Arc<Collected>) -> StreamGraph {
    let mut graph = StreamGraph::default();
    let l = graph.add(source_node("Left", left));
    let r = graph.add(source_node("Right", right));
    let seen = seen.clone();
    let both = graph.add(operator("Both", move || Box::new(Recorder { seen: seen.clone(), threads: Arc::default() })));
    let sink = graph.add(sink_node("Sink", sink));
    graph.connect(l, both, 0, Distribution::Hash(vec![0]));
    graph.connect(r, both, 1, Distribution::Hash(vec![0]));
    graph.connect(both, sink, 0, Distribution::Forward);
    graph
}

#[test]
fn one_source_at_parallelism_one_is_one_task_of_any_shape() {
    let (numbers, sink) = (Arc::new(Numbers::default()), Arc::new(Collected::default()));
    let (seen, threads): (Seen, Arc<Mutex<BTreeSet<String>>>) = Default::default();
    let mut graph = StreamGraph::default();
    let source = graph.add(source_node("Numbers", &numbers));
    let make =
        |seen: Seen, threads: Arc<Mutex<BTreeSet<String>>>| move || Box::new(Recorder { seen: seen.clone(), threads: threads.clone() }) as Box<dyn Operator>;
    let a = graph.add(operator("A", make(Default::default(), threads.clone())));
    let b = graph.add(operator("B", make(Default::default(), threads.clone())));
    let both = graph.add(operator("Both", make(seen.clone(), threads.clone())));
    let end = graph.add(sink_node("Sink", &sink));
    graph.connect(source, a, 0, Distribution::Hash(vec![0]));
    graph.connect(source, b, 0, Distribution::Broadcast);
    graph.connect(a, both, 0, Distribution::Single);
    graph.connect(b, both, 1, Distribution::Forward);
    graph.connect(both, end, 0, Distribution::Forward);
    assert_eq!(Plan::new(&graph, 1, 128).unwrap().tasks.len(), 1);
    assert_eq!(Plan::new(&graph, 2, 128).unwrap().tasks.len(), 4);
    let result = Job::start(graph, options(1), Restore::None).unwrap().wait_for(SOON).unwrap().unwrap();
    assert_eq!(result.outcome, Outcome::Finished);
    assert_eq!((sink.rows().len(), lock(&threads).len()), (6000, 1));
    assert_eq!(lock(&seen).iter().filter(|s| s.starts_with('w')).count(), 1, "one combined watermark, the end");
}

#[test]
fn two_inputs_of_unlike_speed_are_both_read() {
    let left = Arc::new(Numbers { rows: 20_000, batch: 1000, ..Numbers::default() });
    let right = Arc::new(Numbers { rows: 200, pause: Duration::from_millis(1), ..Numbers::default() });
    let (seen, sink): (Seen, Arc<Collected>) = Default::default();
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = CheckpointOptions::new(CheckpointStore::local(directory.path()).unwrap());
    let mut options = options(2);
    options.channel_rows = 2000;
    options.checkpoint = Some(checkpoint.every(Duration::from_millis(5)));
    let result = Job::start(joining_graph(&left, &right, &seen, &sink), options, Restore::None).unwrap().wait_for(SOON).unwrap().unwrap();
    assert_eq!(sink.rows().len(), 60_600);
    assert!(result.status.checkpoints.iter().all(|c| c.failure.is_none()), "{:?}", result.status.checkpoints);
}

#[test]
fn an_idle_input_is_not_waited_for_and_the_status_names_who_holds_back() {
    let left = Arc::new(Numbers { watermarks: true, bounded: false, rows: 100, splits: 1, ..Numbers::default() });
    let right = Arc::new(Numbers {
        watermarks: true,
        bounded: false,
        rows: 100,
        splits: 1,
        released: 1.into(),
        idle_timeout: Some(Duration::from_millis(150)),
        ..Numbers::default()
    });
    let (seen, sink): (Seen, Arc<Collected>) = Default::default();
    let handle = Job::start(joining_graph(&left, &right, &seen, &sink), options(1), Restore::None).unwrap();
    assert!(handle.settle(SOON));
    assert_eq!(lock(&sink.written).len(), 101);
    let status = handle.status();
    let holding = status.holding_back(None).expect("somebody").clone();
    assert_eq!((holding.source.as_str(), holding.watermark_ms), ("Right", Some(0)));
    let deadline = Instant::now() + SOON;
    while !lock(&seen).contains(&"w99".to_owned()) {
        assert!(Instant::now() < deadline, "{:?}", lock(&seen));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(handle.status().splits.iter().any(|s| s.source == "Right" && s.idle));
    handle.cancel();
    assert_eq!(handle.wait_for(SOON).unwrap().unwrap().outcome, Outcome::Cancelled);
}

/// Behind an idle subtask time goes on without it: rows that it holds back would come too late.
#[test]
fn what_is_held_back_goes_out_before_its_input_is_idle() {
    let left = Arc::new(Numbers { watermarks: true, bounded: false, rows: 100, splits: 1, ..Numbers::default() });
    let right = Numbers { watermarks: true, bounded: false, rows: 100, splits: 1, released: 1.into(), ..Numbers::default() };
    let right = Arc::new(Numbers { idle_timeout: Some(Duration::from_millis(150)), ..right });
    let (seen, sink): (Seen, Arc<Collected>) = Default::default();
    let mut graph = StreamGraph::default();
    let l = graph.add(source_node("Left", &left));
    let r = graph.add(source_node("Right", &right));
    let holding = graph.add(operator("Holding", || Box::new(Holding::default())));
    let own = seen.clone();
    let both = graph.add(operator("Both", move || Box::new(Recorder { seen: own.clone(), threads: Arc::default() })));
    let end = graph.add(sink_node("Sink", &sink));
    graph.connect(l, both, 0, Distribution::Hash(vec![0]));
    graph.connect(r, holding, 0, Distribution::Forward);
    graph.connect(holding, both, 1, Distribution::Hash(vec![0]));
    graph.connect(both, end, 0, Distribution::Forward);
    let handle = Job::start(graph, options(1), Restore::None).unwrap();
    let deadline = Instant::now() + SOON;
    while !lock(&seen).contains(&"w99".to_owned()) {
        assert!(Instant::now() < deadline, "{:?}", lock(&seen));
        std::thread::sleep(Duration::from_millis(5));
    }
    let place = |what: &str| lock(&seen).iter().position(|s| s == what);
    assert!(place("r1").is_some_and(|row| Some(row) < place("w99")), "{:?}", lock(&seen));
    handle.cancel();
    assert_eq!(handle.wait_for(SOON).unwrap().unwrap().outcome, Outcome::Cancelled);
}

#[test]
fn a_source_ahead_of_its_group_waits() {
    let fast = Arc::new(Numbers { watermarks: true, bounded: false, splits: 1, rows: 10_000, ..Numbers::default() });
    let slow = Arc::new(Numbers { watermarks: true, bounded: false, splits: 1, rows: 10_000, released: 50.into(), ..Numbers::default() });
    let (seen, sink): (Seen, Arc<Collected>) = Default::default();
    let mut graph = joining_graph(&fast, &slow, &seen, &sink);
    for node in &mut graph.nodes {
        if let NodeKind::Source(source) = &mut node.kind {
            source.alignment = Some(WatermarkAlignment { group: "g".into(), max_drift_ms: 100 });
        }
    }
    let handle = Job::start(graph, options(1), Restore::None).unwrap();
    assert!(handle.settle(SOON));
    let status = handle.status();
    let read = status.nodes[0].subtasks[0].records_out;
    assert!((140..=170).contains(&read), "{read} rows were read ahead");
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
}

#[test]
fn cancelling_is_prompt_even_under_back_pressure() {
    let numbers = Arc::new(Numbers { rows: i64::MAX / 10, batch: 100, bounded: false, ..Numbers::default() });
    let mut graph = StreamGraph::default();
    let source = graph.add(source_node("Numbers", &numbers));
    let slow = graph.add(operator("Slow", || Box::new(Failing(|| std::thread::sleep(Duration::from_millis(20))))));
    graph.connect(source, slow, 0, Distribution::Hash(vec![0]));
    let mut options = options(2);
    options.channel_rows = 200;
    let handle = Job::start(graph, options, Restore::None).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(handle.state(), JobState::Running);
    let from = Instant::now();
    handle.cancel();
    let result = handle.wait_for(SOON).unwrap().unwrap();
    assert!(from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
    assert!(result.status.nodes[0].subtasks.iter().any(|s| s.backpressured_ns > 0));
    assert_eq!(result.outcome, Outcome::Cancelled);
}

#[test]
fn a_panic_fails_the_job_and_not_the_process() {
    let numbers = Arc::new(Numbers::default());
    let mut graph = StreamGraph::default();
    let source = graph.add(source_node("Numbers", &numbers));
    let bad = graph.add(operator("Bad", || Box::new(Failing(|| panic!("no such luck")))));
    graph.connect(source, bad, 0, Distribution::Hash(vec![0]));
    let error = Job::start(graph, options(2), Restore::None).unwrap().wait_for(SOON).unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
    assert!(error.message.contains("Bad broke down: no such luck"), "{error}");
}

#[test]
fn a_timer_fires_when_the_clock_is_moved() {
    let clock = Arc::new(brisk_core::clock::ManualClock::new(0));
    let numbers = Arc::new(Numbers { rows: 1, splits: 1, bounded: false, ..Numbers::default() });
    let sink: Arc<Collected> = Arc::default();
    let mut graph = StreamGraph::default();
    let source = graph.add(source_node("Numbers", &numbers));
    let timer = graph.add(Node { parallelism: Some(2), ..operator("Timer", || Box::new(OnTimer { row: None, due_ms: 1000 })) });
    let end = graph.add(sink_node("Sink", &sink));
    graph.connect(source, timer, 0, Distribution::Hash(vec![0]));
    graph.connect(timer, end, 0, Distribution::Forward);
    let mut options = options(1);
    options.clock = clock.clone();
    let handle = Job::start(graph, options, Restore::None).unwrap();
    assert!(handle.settle(SOON));
    assert!(lock(&sink.written).is_empty());
    clock.advance(1000);
    handle.clock_moved();
    assert!(handle.settle(SOON));
    assert_eq!(lock(&sink.written).len(), 1);
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
}

#[test]
fn a_row_passes_at_once() {
    let numbers = Arc::new(Numbers { splits: 1, bounded: false, batch: 1, released: 0.into(), ..Numbers::default() });
    let (sums, rows): (Arc<Collected>, Arc<Collected>) = Default::default();
    let handle = Job::start(summing_graph(&numbers, &sums, &rows), options(2), Restore::None).unwrap();
    assert!(handle.settle(SOON));
    for i in 1..=20u64 {
        numbers.released.store(i, Ordering::Relaxed);
        assert!(handle.settle(SOON));
        assert_eq!(lock(&rows.written).len(), i as usize);
    }
    handle.cancel();
    handle.wait_for(SOON).unwrap().unwrap();
}

#[test]
fn many_small_batches_are_taken_together() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let numbers = Arc::new(Numbers { splits: 1, rows: 20_000, batch: 1, ..Numbers::default() });
    let sink: Arc<Collected> = Arc::default();
    let mut graph = StreamGraph::default();
    let source = graph.add(source_node("Numbers", &numbers));
    let slow = graph.add(Node {
        parallelism: Some(2),
        ..operator("Slow", || {
            Box::new(Failing(|| {
                CALLS.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(500));
            }))
        })
    });
    let end = graph.add(sink_node("Sink", &sink));
    graph.connect(source, slow, 0, Distribution::Hash(vec![0]));
    graph.connect(slow, end, 0, Distribution::Forward);
    Job::start(graph, options(1), Restore::None).unwrap().wait_for(SOON).unwrap().unwrap();
    assert_eq!(sink.rows().len(), 20_000);
    assert!(CALLS.load(Ordering::Relaxed) < 5_000, "{} calls", CALLS.load(Ordering::Relaxed));
    assert_eq!(batch(vec![1], vec![2]).num_rows(), 1);
}
