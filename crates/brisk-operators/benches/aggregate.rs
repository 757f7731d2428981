//! How fast rows are aggregated by key and by window, from columns in memory: 1 M bids of 85,000 auctions, 50,000 a
//! second, 10,000 channels, two days, in batches of 8,192. Results go nowhere.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use brisk_core::graph::OperatorFactory;
use brisk_core::metrics::TaskMetrics;
use brisk_core::operator::{Collector, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType, Watermark};
use brisk_functions::AggregateCall;
use brisk_functions::aggregate::aggregate_function;
use brisk_functions::scalar::Argument;
use brisk_operators::group_aggregate::{AggregatePhase, GroupAggregateSpec};
use brisk_operators::session_window_aggregate::SessionWindowAggregateSpec;
use brisk_operators::time_attribute::TimeAttribute;
use brisk_operators::window_aggregate::{WindowAggregateSpec, WindowInput};
use brisk_operators::window_assigner::{WindowKind, WindowProperty};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: usize = 1_000_000;
const BATCH: usize = 8192;

const AUCTION: usize = 0;
const BIDDER: usize = 1;
const PRICE: usize = 2;
const CHANNEL: usize = 3;
const DAY: usize = 4;
const TIME: usize = 5;
const CHEAP: usize = 6;

fn schema() -> Schema {
    let column = |name: &str, t: DataType| Column::new(name, SqlType::not_null(t));
    Schema::new(vec![
        column("auction", DataType::BigInt),
        column("bidder", DataType::BigInt),
        column("price", DataType::BigInt),
        column("channel", DataType::STRING),
        column("day", DataType::STRING),
        column("dateTime", DataType::Timestamp(3)),
        column("cheap", DataType::Boolean),
    ])
}

fn bids() -> Vec<ChangelogBatch> {
    let random = |row: usize, salt: u64| brisk_core::key_group::mix(row as u64, salt) as usize;
    let arrow = schema().to_arrow();
    (0..ROWS)
        .step_by(BATCH)
        .map(|from| {
            let rows = from..(from + BATCH).min(ROWS);
            let integers = |f: &dyn Fn(usize) -> usize| Arc::new(Int64Array::from_iter_values(rows.clone().map(|r| f(r) as i64))) as ArrayRef;
            let columns: Vec<ArrayRef> = vec![
                integers(&|r| 1000 + random(r, 1) % 85_000),
                integers(&|r| 1000 + random(r, 2) % 50_000),
                integers(&|r| 100 + random(r, 3) % 2_000_000),
                Arc::new(StringArray::from_iter_values(rows.clone().map(|r| format!("channel-{}", random(r, 4) % 10_000)))),
                Arc::new(StringArray::from_iter_values(rows.clone().map(|r| if r < ROWS / 2 { "2023-11-14" } else { "2023-11-15" }))),
                Arc::new(TimestampMillisecondArray::from_iter_values(rows.clone().map(|r| 1_700_006_350_000 + (r / 50 + random(r, 5) % 200) as i64))),
                Arc::new(BooleanArray::from_iter(rows.clone().map(|r| Some(random(r, 3) % 2_000_000 < 1_000_000)))),
            ];
            ChangelogBatch::append(RecordBatch::try_new(arrow.clone(), columns).expect("the columns fit"))
        })
        .collect()
}

fn call(function: &str, args: &[usize]) -> AggregateCall {
    let arguments: Vec<Argument> = args.iter().map(|a| Argument { sql_type: schema().columns[*a].sql_type.clone(), literal: None }).collect();
    let function = aggregate_function(function).expect("the function exists");
    let signature = function.bind(&arguments).expect("the arguments fit");
    AggregateCall { name: function.name().to_lowercase(), function, signature, args: args.to_vec(), distinct: false, filter: None }
}

fn distinct(args: &[usize], filter: Option<usize>) -> AggregateCall {
    AggregateCall { distinct: true, filter, ..call("COUNT", args) }
}

fn output(key: &[usize], calls: &[AggregateCall], properties: &[&str]) -> Schema {
    let mut columns = schema().project(key).columns;
    columns.extend(calls.iter().enumerate().map(|(i, c)| Column::new(format!("a{i}"), c.signature.returns.clone())));
    columns.extend(properties.iter().map(|p| Column::new(*p, SqlType::not_null(DataType::Timestamp(3)))));
    Schema::new(columns)
}

fn group(key: &[usize], calls: &[AggregateCall]) -> Box<dyn OperatorFactory> {
    Box::new(GroupAggregateSpec {
        phase: AggregatePhase::Single,
        key: key.to_vec(),
        calls: calls.to_vec(),
        rows: schema(),
        input_retracts: false,
        emit_update_before: true,
        output: output(key, calls, &[]),
        ttl_ms: None,
        mini_batch_rows: None,
    })
}

const PROPERTIES: [WindowProperty; 2] = [WindowProperty::Start, WindowProperty::End];

fn window(kind: WindowKind, key: &[usize], calls: &[AggregateCall]) -> Box<dyn OperatorFactory> {
    Box::new(WindowAggregateSpec {
        phase: AggregatePhase::Single,
        window: WindowInput::Assigned { kind, time: TimeAttribute::Event { column: TIME } },
        zone: None,
        key: key.to_vec(),
        calls: calls.to_vec(),
        rows: schema(),
        input_retracts: false,
        properties: PROPERTIES.to_vec(),
        output: output(key, calls, &["window_start", "window_end"]),
    })
}

fn session(key: &[usize], calls: &[AggregateCall]) -> Box<dyn OperatorFactory> {
    Box::new(SessionWindowAggregateSpec {
        gap_ms: 1_000,
        time: TimeAttribute::Event { column: TIME },
        zone: None,
        key: key.to_vec(),
        calls: calls.to_vec(),
        rows: schema(),
        input_retracts: false,
        properties: PROPERTIES.to_vec(),
        output: output(key, calls, &["window_start", "window_end"]),
    })
}

/// Forgets what it is given.
struct Nowhere;

impl Collector for Nowhere {
    fn batch(&mut self, _: ChangelogBatch) -> Result<()> {
        Ok(())
    }

    fn watermark(&mut self, _: Watermark) -> Result<()> {
        Ok(())
    }

    fn late(&mut self, _: usize, _: ChangelogBatch) -> Result<()> {
        Ok(())
    }
}

fn run(spec: &dyn OperatorFactory, bids: &[ChangelogBatch]) {
    let context = SubtaskContext { operator_id: "0".into(), subtask_index: 0, parallelism: 1, key_groups: 128, metrics: Arc::new(TaskMetrics::default()) };
    let mut operator = spec.create(&context).expect("the operator is made");
    for (number, bids) in bids.iter().enumerate() {
        let mut nowhere = Nowhere;
        let mut out = Output::new(&mut nowhere, 0);
        operator.on_batch(0, bids.clone(), &mut out).expect("the batch is taken");
        let time = 1_700_006_350_000 + ((number + 1) * BATCH / 50) as i64 - 200;
        operator.on_watermark(time, &mut out).expect("the watermark is taken");
    }
}

fn aggregate(criterion: &mut Criterion) {
    let bids = bids();
    let counted = [call("COUNT", &[]), call("SUM", &[PRICE]), call("MAX", &[PRICE])];
    let sets: Vec<AggregateCall> =
        [BIDDER, AUCTION].iter().flat_map(|arg| [distinct(&[*arg], None), distinct(&[*arg], Some(CHEAP))]).chain([call("COUNT", &[])]).collect();
    let count = [call("COUNT", &[])];
    let tumble = WindowKind::Tumble { size_ms: 10_000, offset_ms: 0 };
    let hop = WindowKind::Hop { slide_ms: 2_000, size_ms: 10_000, offset_ms: 0 };
    let specs = [
        ("group by number", group(&[AUCTION], &counted)),
        ("group by text", group(&[CHANNEL], &counted)),
        ("group by number and text", group(&[AUCTION, DAY], &counted)),
        ("group by two texts", group(&[CHANNEL, DAY], &counted)),
        ("one group", group(&[], &counted)),
        ("distinct count", group(&[], &[distinct(&[BIDDER], None)])),
        ("distinct counts by day", group(&[DAY], &sets)),
        ("distinct counts by channel and day", group(&[CHANNEL, DAY], &sets)),
        ("tumble", window(tumble, &[AUCTION], &count)),
        ("tumble distinct count", window(tumble, &[], &[distinct(&[BIDDER], None)])),
        ("hop", window(hop, &[AUCTION], &count)),
        ("session", session(&[BIDDER], &count)),
    ];
    let mut group = criterion.benchmark_group("aggregate");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, spec) in &specs {
        group.bench_function(*name, |bench| bench.iter(|| run(spec.as_ref(), &bids)));
    }
    group.finish();
}

criterion_group!(benches, aggregate);
criterion_main!(benches);
