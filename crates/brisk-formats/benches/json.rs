//! How fast JSON is decoded and encoded: Nexmark bids of about 215 bytes, all columns and some of them.

use std::collections::BTreeMap;
use std::hint::black_box;

use brisk_core::format::FormatSpec;
use brisk_core::source::{Framing, RecordChunk};
use brisk_core::{Column, DataType, Schema, SqlType};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn bids() -> (RecordChunk, usize) {
    let mut data = String::new();
    let mut rows = 0usize;
    while data.len() < 1 << 20 {
        let extra = &"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"[..20 + rows % 30];
        data.push_str(&format!(
            r#"{{"auction":{},"bidder":{},"price":{},"channel":"channel-{}","url":"https://www.nexmark.com/ab{}/item.htm?query=1","dateTime":"2024-01-01 00:{:02}:{:02}.{:03}","extra":"{extra}"}}"#,
            1000 + rows % 85_000,
            1000 + rows * 31 % 50_000,
            100 + rows * 7919 % 100_000,
            rows % 100,
            rows % 977,
            rows / 60_000 % 60,
            rows / 1000 % 60,
            rows % 1000,
        ));
        data.push('\n');
        rows += 1;
    }
    (RecordChunk { data: data.into(), framing: Framing::Lines, origin: "bids".into(), first_record: 1 }, rows)
}

fn spec(projection: &[usize]) -> FormatSpec {
    let column = |name: &str, t: DataType| Column::new(name, SqlType::nullable(t));
    let schema = Schema::new(vec![
        column("auction", DataType::BigInt),
        column("bidder", DataType::BigInt),
        column("price", DataType::BigInt),
        column("channel", DataType::STRING),
        column("url", DataType::STRING),
        column("dateTime", DataType::Timestamp(3)),
        column("extra", DataType::STRING),
    ]);
    FormatSpec { schema, projection: projection.to_vec(), options: BTreeMap::new(), time_zone: "UTC".into() }
}

fn json(criterion: &mut Criterion) {
    let format = brisk_formats::formats().into_iter().find(|f| f.name() == "json").expect("json is a format");
    let (chunk, rows) = bids();
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Elements(rows as u64));
    for (name, projection) in [("decode 7 columns", &[0, 1, 2, 3, 4, 5, 6][..]), ("decode 4 columns", &[0, 1, 2, 5]), ("decode 1 column", &[0])] {
        let mut decoder = format.decoder(&spec(projection)).expect("a valid table").create();
        group.bench_function(name, |b| b.iter(|| decoder.decode(black_box(&chunk)).expect("sound records")));
    }
    let spec = spec(&[0, 1, 2, 3, 4, 5, 6]);
    let batch = format.decoder(&spec).expect("a valid table").create().decode(&chunk).expect("sound records").batch;
    let mut encoder = format.encoder(&spec).expect("a valid table").create();
    let mut out = Vec::new();
    group.bench_function("encode 7 columns", |b| {
        b.iter(|| {
            out.clear();
            encoder.encode(black_box(&batch), &mut out).expect("rows of the schema")
        })
    });
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
