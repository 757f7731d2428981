//! What a join, a Top-N and a deduplication cost a row: events like Nexmark's bids, whose keys come in bursts and whose
//! rows are some 180 bytes wide.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use brisk_core::graph::OperatorFactory;
use brisk_core::key_group::mix;
use brisk_core::metrics::TaskMetrics;
use brisk_core::operator::{Collector, Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType, Watermark};
use brisk_operators::deduplicate::DeduplicateSpec;
use brisk_operators::first_pairs::FirstOfKey;
use brisk_operators::join::{JoinCondition, JoinKind};
use brisk_operators::regular_join::{JoinInput, RegularJoinSpec};
use brisk_operators::sort_key::SortKey;
use brisk_operators::time_attribute::TimeAttribute;
use brisk_operators::top_n::TopNSpec;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const ROWS: usize = 4096;
const BATCHES: usize = 32;

/// Drops what it is given.
struct Nowhere;

impl Collector for Nowhere {
    fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        black_box(batch);
        Ok(())
    }

    fn watermark(&mut self, _watermark: Watermark) -> Result<()> {
        Ok(())
    }

    fn late(&mut self, _input: usize, _batch: ChangelogBatch) -> Result<()> {
        Ok(())
    }
}

fn schema() -> Schema {
    let column = |name: &str, t: DataType| Column::new(name, SqlType::nullable(t));
    Schema::new(vec![
        column("auction", DataType::BigInt),
        column("bidder", DataType::BigInt),
        column("price", DataType::BigInt),
        column("url", DataType::STRING),
        column("dateTime", DataType::Timestamp(3)),
        column("extra", DataType::STRING),
    ])
}

/// Rows of which half are of one hot key, the others of a hundred that are open; every key is open for 1,700 rows.
fn bids(batch: usize) -> ChangelogBatch {
    let number = |row: usize| (batch * ROWS + row) as u64;
    let random = |row: usize, salt: u64| mix(number(row) + 1, salt);
    let auction = |row: usize| {
        let newest = number(row) / 17;
        let key = if random(row, 1).is_multiple_of(2) { newest / 100 * 100 } else { newest.saturating_sub(random(row, 2) % 100) };
        key as i64
    };
    let text = |row: usize, salt: u64, length: usize| format!("{:0length$}", random(row, salt));
    let rows = 0..ROWS;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.clone().map(|r| Some(auction(r))).collect::<Int64Array>()),
        Arc::new(rows.clone().map(|r| Some((random(r, 3) % 500) as i64)).collect::<Int64Array>()),
        Arc::new(rows.clone().map(|r| Some((random(r, 4) % 100_000_000) as i64)).collect::<Int64Array>()),
        Arc::new(rows.clone().map(|r| Some(text(r, 5, 60))).collect::<StringArray>()),
        Arc::new(rows.clone().map(|r| Some(number(r) as i64 / 10)).collect::<TimestampMillisecondArray>()),
        Arc::new(rows.clone().map(|r| Some(text(r, 6, 50))).collect::<StringArray>()),
    ];
    ChangelogBatch::append(RecordBatch::try_new(schema().to_arrow(), columns).expect("the columns fit"))
}

/// Every key once, in the order in which they open.
fn auctions(batch: usize) -> ChangelogBatch {
    let bids = bids(batch);
    let mut columns = bids.rows.columns().to_vec();
    columns[0] = Arc::new((0..ROWS as i64).map(|r| Some((batch * ROWS) as i64 + r)).collect::<Int64Array>());
    ChangelogBatch::append(RecordBatch::try_new(schema().to_arrow(), columns).expect("the columns fit"))
}

fn join(output: &[usize], first: Option<FirstOfKey>) -> RegularJoinSpec {
    let input = JoinInput { schema: schema(), append_only: true, unique_key: None, state_ttl_ms: None };
    RegularJoinSpec {
        kind: JoinKind::Inner,
        condition: JoinCondition { left_keys: vec![0], right_keys: vec![0], null_safe: vec![false], residual: None },
        left: input.clone(),
        right: input,
        output: output.to_vec(),
        first,
        time_zone: chrono_tz::Tz::UTC,
    }
}

fn top_n(end: u64, output_rank: bool) -> TopNSpec {
    let mut output = schema();
    if output_rank {
        output.columns.push(Column::new("n", SqlType::not_null(DataType::BigInt)));
    }
    TopNSpec {
        input: schema(),
        partition: vec![0],
        order: vec![SortKey::descending(2)],
        start: 1,
        end,
        output_rank,
        input_retracts: false,
        emit_update_before: true,
        output,
        ttl_ms: None,
    }
}

fn deduplicate() -> DeduplicateSpec {
    DeduplicateSpec {
        input: schema(),
        key: vec![1, 0],
        time: TimeAttribute::Event { column: 4 },
        keep_last: true,
        eager: false,
        emit_update_before: true,
        every_change: false,
        ttl_ms: None,
    }
}

/// A fresh operator that has taken in `before`.
fn operator(spec: &dyn OperatorFactory, before: &[(usize, ChangelogBatch)]) -> Box<dyn Operator> {
    let metrics = Arc::new(TaskMetrics::default());
    let context = SubtaskContext { operator_id: String::new(), subtask_index: 0, parallelism: 1, key_groups: 128, metrics };
    let mut operator = spec.create(&context).expect("a sound spec");
    feed(operator.as_mut(), before);
    operator
}

fn feed(operator: &mut dyn Operator, batches: &[(usize, ChangelogBatch)]) {
    for (input, batch) in batches {
        operator.on_batch(*input, batch.clone(), &mut Output::new(&mut Nowhere, 0)).expect("rows");
    }
}

/// What it is called, the operator, and the batches by input.
type Case<'a> = (&'a str, Box<dyn OperatorFactory>, &'a [(usize, ChangelogBatch)]);

fn operators(criterion: &mut Criterion) {
    let bids: Vec<(usize, ChangelogBatch)> = (0..BATCHES).map(|b| (1, bids(b))).collect();
    let auctions: Vec<(usize, ChangelogBatch)> = (0..BATCHES / 16).map(|b| (0, auctions(b))).collect();
    let mut group = criterion.benchmark_group("join");
    group.throughput(Throughput::Elements((ROWS * BATCHES) as u64)).sample_size(20);
    let first = FirstOfKey { order: vec![SortKey::descending(8)], limit: 1 };
    let cases: [Case; 7] = [
        ("keep one side", Box::new(join(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], None)), &[]),
        ("meet and keep, all columns", Box::new(join(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], None)), &auctions),
        ("meet and keep, two columns", Box::new(join(&[0, 8], None)), &auctions),
        ("meet, first of each key", Box::new(join(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], Some(first))), &auctions),
        ("first 10 with their rank", Box::new(top_n(10, true)), &[]),
        ("first 1", Box::new(top_n(1, false)), &[]),
        ("keep last", Box::new(deduplicate()), &[]),
    ];
    for (name, spec, before) in &cases {
        group.bench_function(*name, |b| {
            b.iter_batched_ref(|| operator(spec.as_ref(), before), |operator| feed(operator.as_mut(), &bids), BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, operators);
criterion_main!(benches);
