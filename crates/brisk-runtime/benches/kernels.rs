//! What the exchange costs a row, and what encoding and reading back costs an entry of a snapshot.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use brisk_core::ChangelogBatch;
use brisk_core::key_group::{key_group_of, mix};
use brisk_runtime::kernels::{Exchange, decode_state, encode_state};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: usize = 8192;
const KEY_GROUPS: u16 = 128;

/// A key, two numbers, and if asked a text of 60 bytes.
fn rows(with_text: bool) -> RecordBatch {
    let numbers = |salt: u64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..ROWS as u64).map(|i| (mix(i, salt) % 100_000) as i64))) };
    let text = || -> ArrayRef { Arc::new(StringArray::from_iter_values((0..ROWS as u64).map(|i| format!("{:060}", mix(i, 9))))) };
    let mut columns = vec![("k", numbers(1)), ("n", numbers(2)), ("m", numbers(3))];
    columns.extend(with_text.then(|| ("s", text())));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn exchange(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exchange");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, with_text) in [("three numbers", false), ("three numbers and a text", true)] {
        let batch = ChangelogBatch::append(rows(with_text));
        for parallelism in [2, 8] {
            let mut exchange = Exchange::new(vec![0], KEY_GROUPS, parallelism);
            group.bench_function(format!("{name}, to {parallelism}"), |b| b.iter(|| exchange.split(black_box(batch.clone())).expect("a split")));
        }
    }
}

fn snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, with_text) in [("three numbers", false), ("three numbers and a text", true)] {
        let keys = BinaryArray::from_iter_values((0..ROWS as u64).map(|i| mix(i, 1).to_le_bytes()));
        let groups = (0..ROWS as u64).map(|i| key_group_of(mix(i, 1), KEY_GROUPS)).collect();
        let entries = [(groups, keys, rows(with_text))];
        group.bench_function(format!("encode {name}"), |b| b.iter(|| encode_state(black_box(&entries)).expect("a file")));
        let (bytes, checksum) = encode_state(&entries).expect("a file");
        group.bench_function(format!("decode {name}"), |b| b.iter(|| decode_state(black_box(&bytes), checksum).expect("entries")));
    }
}

criterion_group!(benches, exchange, snapshot);
criterion_main!(benches);
