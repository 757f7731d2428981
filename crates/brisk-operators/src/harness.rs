//! Runs an operator over messages written as text, in every way that must not matter: as written, row by row, and with
//! a snapshot and a restore between any two messages.
//!
//! A step is a line: a row (`+I pen 3 10:00:05`; before it, from the second input on, the input's number and a colon:
//! `1: +I ...`), `watermark 10:00:10` (or `watermark end`), `time 10:00:11` (processing time), or `----`, which parts
//! batches. Rows that follow one another are one batch. Values stand between blanks; `NULL` is null, `~` an empty text; a
//! time of day is on 1970-01-01. What is expected are lines of the changelog; late rows come as `late +I ...`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use brisk_core::graph::OperatorFactory;
use brisk_core::metrics::TaskMetrics;
use brisk_core::operator::{Operator, Output, SubtaskContext, VecCollector};
use brisk_core::snapshot::SnapshotKind;
use brisk_core::{ChangelogBatch, Column, DataType, RowKind, Schema, SqlType, Watermark};
use brisk_functions::AggregateCall;
use brisk_functions::aggregate::aggregate_function;
use brisk_functions::scalar::Argument;
use brisk_state::memory_snapshot::MemorySnapshot;

/// `item STRING, price INT, ts TIMESTAMP(3)`; all nullable unless `NOT NULL` follows.
pub(crate) fn schema(text: &str) -> Schema {
    let column = |part: &str| {
        let (name, type_name) = part.trim().split_once(' ').expect("a name and a type");
        let (type_name, nullable) = type_name.strip_suffix(" NOT NULL").map_or((type_name, true), |t| (t, false));
        let data_type = match type_name {
            "BOOLEAN" => DataType::Boolean,
            "INT" => DataType::Int,
            "BIGINT" => DataType::BigInt,
            "DOUBLE" => DataType::Double,
            "STRING" => DataType::STRING,
            "DECIMAL" => DataType::decimal(10, 2),
            "TIMESTAMP(3)" => DataType::Timestamp(3),
            "TIMESTAMP_LTZ(3)" => DataType::TimestampLtz(3),
            other => panic!("the harness has no type {other}"),
        };
        Column::new(name, SqlType { data_type, nullable })
    };
    Schema::new(text.split(", ").filter(|p| !p.is_empty()).map(column).collect())
}

/// A call of an aggregate function over columns of `rows`.
pub(crate) fn call(function: &str, args: &[usize], rows: &Schema) -> AggregateCall {
    let arguments: Vec<Argument> = args.iter().map(|a| Argument { sql_type: rows.columns[*a].sql_type.clone(), literal: None }).collect();
    let function = aggregate_function(function).expect("the function exists");
    let signature = function.bind(&arguments).expect("the arguments fit");
    AggregateCall { name: function.name().to_lowercase(), function, signature, args: args.to_vec(), distinct: false, filter: None }
}

/// Runs `steps` and compares the changelog with `expected`, line by line; then in the other ways, where the net effect
/// must be that of `expected`.
#[track_caller]
pub(crate) fn check(spec: &dyn OperatorFactory, inputs: &[&Schema], steps: &str, expected: &str) {
    let expected = lines(expected);
    assert_eq!(run(spec, inputs, &messages(inputs, steps, false), Restore::Never), expected, "as written");
    check_net(spec, inputs, steps, &expected);
}

/// As [`check`], for steps where only the net effect is fixed.
#[track_caller]
pub(crate) fn check_net_effect(spec: &dyn OperatorFactory, inputs: &[&Schema], steps: &str, expected: &str) {
    let expected = lines(expected);
    let messages = messages(inputs, steps, false);
    assert_eq!(net(&run(spec, inputs, &messages, Restore::Never)), net(&expected), "as written");
    check_net(spec, inputs, steps, &expected);
}

/// The changelog of `steps`, for upsert streams.
pub(crate) fn run_as_written(spec: &dyn OperatorFactory, inputs: &[&Schema], steps: &str) -> Vec<String> {
    run(spec, inputs, &messages(inputs, steps, false), Restore::Never)
}

/// As [`check`], for upsert streams: the changelog is that of `expected`, wherever the operator is restored.
#[track_caller]
pub(crate) fn check_upserts(spec: &dyn OperatorFactory, inputs: &[&Schema], steps: &str, expected: &str) {
    let (expected, messages) = (lines(expected), messages(inputs, steps, false));
    assert_eq!(run(spec, inputs, &messages, Restore::Never), expected, "as written");
    assert_eq!(run(spec, inputs, &messages, Restore::Always), expected, "restored after every message");
    for place in 0..messages.len() {
        assert_eq!(run(spec, inputs, &messages, Restore::After(place)), expected, "restored after message {place}");
        assert_eq!(run(spec, inputs, &messages, Restore::Full(place)), expected, "restored in full after message {place}");
    }
}

/// Runs the steps up to any place with two subtasks and the rest with three that restore what those wrote; rows go by
/// the key groups of `key`. The net effect must be that of `expected`.
#[track_caller]
pub(crate) fn check_rescaled(spec: &dyn OperatorFactory, inputs: &[&Schema], key: &[usize], steps: &str, expected: &str) {
    let expected = net(&lines(expected));
    let messages = messages(inputs, steps, false);
    for place in 0..=messages.len() {
        let mut snapshot = MemorySnapshot::default();
        let mut printed = Vec::new();
        run_subtasks(spec, inputs, &messages[..place], key, 2, &mut snapshot, &mut printed);
        run_subtasks(spec, inputs, &messages[place..], key, 3, &mut snapshot, &mut printed);
        assert_eq!(net(&printed), expected, "rescaled after {place} messages");
    }
}

/// Restores, runs and snapshots `parallelism` subtasks.
fn run_subtasks(
    spec: &dyn OperatorFactory,
    inputs: &[&Schema],
    steps: &[Step],
    key: &[usize],
    parallelism: usize,
    snapshot: &mut MemorySnapshot,
    printed: &mut Vec<String>,
) {
    let former = snapshot.clone();
    for subtask in 0..parallelism {
        let range = brisk_core::key_group::key_group_range(subtask, 128, parallelism);
        let mut operator = spec.create(&context()).expect("the operator is made");
        operator.restore(&mut former.reader(range.clone())).expect("restore");
        let mut collector = VecCollector::default();
        for step in steps {
            let Step::Batch(input, batch) = step else {
                take_step(operator.as_mut(), step, &mut collector, 0, inputs);
                continue;
            };
            let columns: Vec<ArrayRef> = key.iter().map(|k| batch.column(*k).clone()).collect();
            let hashes = brisk_core::key_group::hash_columns(&columns, batch.num_rows()).expect("hashes");
            let own = hashes.iter().map(|h| Some(range.contains(&brisk_core::key_group::key_group_of(*h, 128)))).collect::<BooleanArray>();
            let own = batch.filter(&own).expect("filter");
            if !own.is_empty() {
                take_step(operator.as_mut(), &Step::Batch(*input, own), &mut collector, 0, inputs);
            }
        }
        operator.flush(&mut Output::new(&mut collector, 0)).expect("flush");
        operator.snapshot(&mut snapshot.writer(SnapshotKind::Full, subtask, range)).expect("snapshot");
        printed.append(&mut printed_output(&mut collector));
    }
}

pub(crate) fn context() -> SubtaskContext {
    SubtaskContext { operator_id: "0".into(), subtask_index: 0, parallelism: 1, key_groups: 128, metrics: Arc::new(TaskMetrics::default()) }
}

#[track_caller]
fn check_net(spec: &dyn OperatorFactory, inputs: &[&Schema], steps: &str, expected: &[String]) {
    let expected = net(expected);
    let single = messages(inputs, steps, true);
    for (name, messages) in [("as written", messages(inputs, steps, false)), ("row by row", single)] {
        assert_eq!(net(&run(spec, inputs, &messages, Restore::Never)), expected, "{name}");
        assert_eq!(net(&run(spec, inputs, &messages, Restore::Always)), expected, "{name}, restored after every message");
        for place in 0..messages.len() {
            assert_eq!(net(&run(spec, inputs, &messages, Restore::After(place))), expected, "{name}, restored after message {place}");
            assert_eq!(net(&run(spec, inputs, &messages, Restore::Full(place))), expected, "{name}, restored in full after message {place}");
        }
    }
}

/// When to go on with a new operator that restores what the old one wrote.
#[derive(Clone, Copy)]
enum Restore {
    Never,
    Always,
    /// A snapshot after every message, a restore after one.
    After(usize),
    /// One full snapshot.
    Full(usize),
}

enum Step {
    Batch(usize, ChangelogBatch),
    Watermark(i64),
    Time(i64),
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

fn run(spec: &dyn OperatorFactory, inputs: &[&Schema], steps: &[Step], restore: Restore) -> Vec<String> {
    let mut operator = spec.create(&context()).expect("the operator is made");
    let (mut collector, mut now_ms, mut printed) = (VecCollector::default(), 0, Vec::new());
    let mut snapshot = MemorySnapshot::default();
    let mut kind = SnapshotKind::Full;
    for (place, step) in steps.iter().enumerate() {
        if let Step::Time(time) = step {
            now_ms = *time;
        }
        take_step(operator.as_mut(), step, &mut collector, now_ms, inputs);
        printed.append(&mut printed_output(&mut collector));
        let (write, renew) = match restore {
            Restore::Never => (false, false),
            Restore::Always => (true, true),
            Restore::After(at) => (place <= at, place == at),
            Restore::Full(at) => (place == at, place == at),
        };
        if write {
            operator.flush(&mut Output::new(&mut collector, now_ms)).expect("flush");
            printed.append(&mut printed_output(&mut collector));
            operator.snapshot(&mut snapshot.writer(kind, 0, 0..128)).expect("snapshot");
            kind = SnapshotKind::Incremental;
        }
        if renew {
            operator = spec.create(&context()).expect("the operator is made");
            operator.restore(&mut snapshot.reader(0..128)).expect("restore");
        }
    }
    operator.flush(&mut Output::new(&mut collector, now_ms)).expect("flush");
    printed.append(&mut printed_output(&mut collector));
    printed
}

fn take_step(operator: &mut dyn Operator, step: &Step, collector: &mut VecCollector, now_ms: i64, inputs: &[&Schema]) {
    let mut out = Output::new(collector, now_ms);
    match step {
        Step::Batch(input, batch) => {
            assert_eq!(batch.num_rows() > 0, inputs.len() > *input);
            operator.on_batch(*input, batch.clone(), &mut out).expect("on_batch");
        }
        Step::Watermark(time) => {
            operator.on_watermark(*time, &mut out).expect("on_watermark");
            let passed = collector.watermarks.last();
            let held_back = matches!(passed, Some(Watermark::Time(t)) if t < time) && *time != Watermark::MAX;
            assert!(passed == Some(&Watermark::Time(*time)) || held_back, "a watermark is passed on, or a lesser one");
        }
        Step::Time(_) => {
            while let Some(timer) = operator.next_timer().filter(|t| *t <= now_ms) {
                let mut out = Output::new(collector, now_ms);
                operator.on_timer(now_ms, &mut out).expect("on_timer");
                assert_ne!(operator.next_timer(), Some(timer), "a timer that fired is gone");
            }
        }
    }
}

fn messages(inputs: &[&Schema], steps: &str, single: bool) -> Vec<Step> {
    let mut messages = Vec::new();
    let mut rows: Vec<(usize, &str)> = Vec::new();
    let finish = |rows: &mut Vec<(usize, &str)>, messages: &mut Vec<Step>| {
        let mut rest = std::mem::take(rows);
        while let Some((input, _)) = rest.first().copied() {
            let run = if single { 1 } else { rest.iter().take_while(|r| r.0 == input).count() };
            let batch = batch(inputs[input], rest.drain(..run).map(|r| r.1));
            messages.push(Step::Batch(input, batch));
        }
    };
    for line in steps.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (input, row) = line.split_once(": ").filter(|(n, _)| n.len() == 1).map_or((0, line), |(n, row)| (n.parse().expect("an input's number"), row));
        match row.split_once(' ') {
            _ if row == "----" => finish(&mut rows, &mut messages),
            Some(("watermark", time)) => {
                finish(&mut rows, &mut messages);
                messages.push(Step::Watermark(if time == "end" { Watermark::MAX } else { millis(time) }));
            }
            Some(("time", time)) => {
                finish(&mut rows, &mut messages);
                messages.push(Step::Time(millis(time)));
            }
            _ => rows.push((input, row)),
        }
    }
    finish(&mut rows, &mut messages);
    messages
}

/// A batch from lines like `+I pen 3 10:00:05`.
pub(crate) fn batch<'a>(schema: &Schema, rows: impl Iterator<Item = &'a str>) -> ChangelogBatch {
    let (mut kinds, mut table) = (Vec::new(), Vec::new());
    for row in rows {
        let mut words = row.split_whitespace();
        kinds.push(RowKind::from_symbol(words.next().expect("a kind")).expect("a kind"));
        table.push(words.map(|w| (w != "NULL").then_some(if w == "~" { "" } else { w })).collect::<Vec<_>>());
        assert_eq!(table.last().map(Vec::len), Some(schema.len()), "{row}");
    }
    let column = |c: usize| parse(&schema.columns[c].sql_type.data_type, table.iter().map(|row| row[c]));
    let columns = (0..schema.len()).map(column).collect();
    ChangelogBatch::new(RecordBatch::try_new(schema.to_arrow(), columns).expect("the columns fit"), kinds)
}

fn parse<'a>(data_type: &DataType, words: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    match data_type {
        DataType::Boolean => Arc::new(words.map(|w| w.map(|w| w == "true")).collect::<BooleanArray>()),
        DataType::Int => Arc::new(words.map(|w| w.map(|w| w.parse::<i32>().expect("INT"))).collect::<Int32Array>()),
        DataType::BigInt => Arc::new(words.map(|w| w.map(|w| w.parse::<i64>().expect("BIGINT"))).collect::<Int64Array>()),
        DataType::Double => Arc::new(words.map(|w| w.map(|w| w.parse::<f64>().expect("DOUBLE"))).collect::<Float64Array>()),
        DataType::Decimal { precision, scale } => {
            let cents = |w: &str| (w.parse::<f64>().expect("DECIMAL") * 10f64.powi(i32::from(*scale))).round() as i128;
            let values: Decimal128Array = words.map(|w| w.map(cents)).collect();
            Arc::new(values.with_precision_and_scale(*precision, *scale as i8).expect("it fits"))
        }
        DataType::Timestamp(_) => Arc::new(words.map(|w| w.map(millis)).collect::<TimestampMillisecondArray>()),
        DataType::TimestampLtz(_) => Arc::new(words.map(|w| w.map(millis)).collect::<TimestampMillisecondArray>().with_timezone("UTC")),
        _ => Arc::new(words.collect::<StringArray>()),
    }
}

/// `10:00:05`, `10:00:05.250`, `2020-01-31T10:00:00`.
fn millis(text: &str) -> i64 {
    let text = if text.contains('T') { text.to_owned() } else { format!("1970-01-01T{text}") };
    chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").expect("a time").and_utc().timestamp_millis()
}

fn printed_output(collector: &mut VecCollector) -> Vec<String> {
    let mut printed: Vec<String> = collector.batches.drain(..).flat_map(|b| print(&b)).collect();
    printed.extend(collector.late.drain(..).flat_map(|b| print(&b)).map(|row| format!("late {row}")));
    printed
}

/// The lines of a batch.
pub(crate) fn print(batch: &ChangelogBatch) -> Vec<String> {
    let row = |i: usize| {
        let values: Vec<String> = batch.rows.columns().iter().map(|c| value(c, i)).collect();
        format!("{} {}", batch.kind(i), values.join(" ")).trim_end().to_owned()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn value(column: &ArrayRef, row: usize) -> String {
    use arrow_schema::DataType as A;
    if column.is_null(row) {
        return "NULL".into();
    }
    match column.data_type() {
        A::Boolean => column.as_boolean().value(row).to_string(),
        A::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        A::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        A::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        A::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        A::Timestamp(..) => time_text(column.as_primitive::<TimestampMillisecondType>().value(row)),
        A::List(_) => {
            let list = column.as_list::<i32>().value(row);
            format!("[{}]", (0..list.len()).map(|i| value(&list, i)).collect::<Vec<_>>().join(","))
        }
        A::Utf8 if column.as_string::<i32>().value(row).is_empty() => "~".into(),
        A::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        other => panic!("the harness does not print {other}"),
    }
}

pub(crate) fn time_text(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).expect("a time").naive_utc();
    let day = if (0..86_400_000).contains(&ms) { String::new() } else { time.format("%Y-%m-%dT").to_string() };
    format!("{day}{}", time.format("%H:%M:%S%.f"))
}

/// The table that a changelog leaves, and the late rows: rows with how often they are there. Rows that are taken back
/// before they are there are marked: an operator without state may pass such rows on, no other.
fn net(changelog: &[String]) -> BTreeMap<String, i64> {
    let mut table = BTreeMap::new();
    let mut absent = Vec::new();
    for line in changelog {
        if line.starts_with("late") {
            *table.entry(line.clone()).or_insert(0) += 1;
            continue;
        }
        let (kind, row) = line.split_once(' ').unwrap_or((line, ""));
        let count = table.entry(row.to_owned()).or_insert(0i64);
        *count += if RowKind::from_symbol(kind).expect("a kind").is_add() { 1 } else { -1 };
        if *count < 0 {
            absent.push(format!("not there: {row}"));
        }
    }
    table.extend(absent.into_iter().map(|row| (row, 1)));
    table.retain(|_, count| *count != 0);
    table
}
