//! Operators against slow, obvious recomputations, over drawn rows: whatever the batches, the restores and the number
//! of subtasks, the result is that of the recomputation.

use std::collections::BTreeMap;

use brisk_core::Schema;
use brisk_core::graph::OperatorFactory;
use brisk_core::key_group::mix;

use crate::deduplicate::DeduplicateSpec;
use crate::group_aggregate::{AggregatePhase, GroupAggregateSpec};
use crate::harness::{call, check_net_effect, check_rescaled, schema};
use crate::session_window_aggregate::SessionWindowAggregateSpec;
use crate::sort_key::SortKey;
use crate::time_attribute::TimeAttribute;
use crate::top_n::TopNSpec;
use crate::window_aggregate::{WindowAggregateSpec, WindowInput};
use crate::window_assigner::{WindowKind, WindowProperty};

const ROWS: &str = "item STRING, price INT, ts TIMESTAMP(3)";

/// A row: item, price, second.
type Row = (u64, u64, u64);

/// Draws a changelog: rows, some of which are taken back later. Gives the steps and the rows that remain.
fn drawn(seed: u64, rows: usize, retract: bool) -> (String, Vec<Row>) {
    let mut random = seed;
    let mut next = |bound: u64| {
        random = mix(random, 0x5eed);
        random % bound
    };
    let (mut steps, mut kept): (Vec<String>, Vec<Row>) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        if retract && next(3) == 0 && !kept.is_empty() {
            let row = kept.remove(next(kept.len() as u64) as usize);
            steps.push(format!("-D {}", text(row)));
        } else {
            let row = (next(5), next(8), next(60));
            kept.push(row);
            steps.push(format!("+I {}", text(row)));
        }
        if next(4) == 0 {
            steps.push("----".into());
        }
    }
    steps.push("watermark end".into());
    (steps.join("\n"), kept)
}

fn text((item, price, second): Row) -> String {
    format!("i{item} {price} {}", time(second as i64))
}

fn time(second: i64) -> String {
    match second < 0 {
        true => format!("1969-12-31T23:59:{:02}", 60 + second),
        false => format!("00:{:02}:{:02}", second / 60, second % 60),
    }
}

fn check(spec: &dyn OperatorFactory, key: &[usize], retract: bool, model: impl Fn(&[Row]) -> Vec<String>) {
    let rows: Schema = schema(ROWS);
    for seed in 1..6 {
        let (steps, kept) = drawn(seed, 24, retract);
        let expected = model(&kept).join("\n");
        check_net_effect(spec, &[&rows], &steps, &expected);
        check_rescaled(spec, &[&rows], key, &steps, &expected);
    }
}

fn by_item(rows: &[Row]) -> BTreeMap<u64, Vec<Row>> {
    let mut groups: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
    rows.iter().for_each(|row| groups.entry(row.0).or_default().push(*row));
    groups
}

/// `SUM(price) MAX(price)`.
fn sum_max(rows: &[Row]) -> String {
    format!("{} {}", rows.iter().map(|r| r.1).sum::<u64>(), rows.iter().map(|r| r.1).max().unwrap_or(0))
}

#[test]
fn group_aggregates() {
    let rows = schema(ROWS);
    let spec = GroupAggregateSpec {
        phase: AggregatePhase::Single,
        key: vec![0],
        calls: vec![call("SUM", &[1], &rows), call("MAX", &[1], &rows)],
        output: schema("item STRING, s INT, m INT"),
        rows,
        input_retracts: true,
        emit_update_before: true,
        ttl_ms: None,
        mini_batch_rows: None,
    };
    let model = |rows: &[Row]| by_item(rows).into_iter().map(|(item, rows)| format!("+I i{item} {}", sum_max(&rows))).collect();
    check(&spec, &[0], true, model);
    check(&GroupAggregateSpec { mini_batch_rows: Some(7), ..spec }, &[0], true, model);
}

#[test]
fn window_aggregates() {
    let kinds = [
        WindowKind::Tumble { size_ms: 10_000, offset_ms: 3_000 },
        WindowKind::Hop { slide_ms: 5_000, size_ms: 20_000, offset_ms: 0 },
        WindowKind::Cumulate { step_ms: 5_000, size_ms: 20_000, offset_ms: 0 },
    ];
    for kind in kinds {
        for retract in [false, true] {
            check(&window_spec(kind, retract), &[0], retract, |rows| windows(kind, rows));
        }
    }
}

fn window_spec(kind: WindowKind, retract: bool) -> WindowAggregateSpec {
    let rows = schema(ROWS);
    WindowAggregateSpec {
        phase: AggregatePhase::Single,
        window: WindowInput::Assigned { kind, time: TimeAttribute::Event { column: 2 } },
        zone: None,
        key: vec![0],
        calls: vec![call("SUM", &[1], &rows), call("MAX", &[1], &rows)],
        rows,
        input_retracts: retract,
        properties: vec![WindowProperty::Start, WindowProperty::End],
        output: schema("item STRING, s INT, m INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)"),
    }
}

fn windows(kind: WindowKind, rows: &[Row]) -> Vec<String> {
    let mut windows: BTreeMap<(u64, i64, i64), Vec<Row>> = BTreeMap::new();
    for row in rows {
        kind.windows_of(row.2 as i64 * 1000, |start, end| windows.entry((row.0, start, end)).or_default().push(*row));
    }
    let line = |((item, start, end), rows): ((u64, i64, i64), Vec<Row>)| format!("+I i{item} {} {} {}", sum_max(&rows), time(start / 1000), time(end / 1000));
    windows.into_iter().map(line).collect()
}

#[test]
fn session_aggregates() {
    let rows = schema(ROWS);
    let spec = SessionWindowAggregateSpec {
        gap_ms: 4_000,
        time: TimeAttribute::Event { column: 2 },
        zone: None,
        key: vec![0],
        calls: vec![call("SUM", &[1], &rows), call("MAX", &[1], &rows)],
        rows,
        input_retracts: false,
        properties: vec![WindowProperty::Start, WindowProperty::End],
        output: schema("item STRING, s INT, m INT, window_start TIMESTAMP(3), window_end TIMESTAMP(3)"),
    };
    check(&spec, &[0], false, sessions);
}

fn sessions(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for (item, mut rows) in by_item(rows) {
        rows.sort_by_key(|r| r.2);
        for session in rows.chunk_by(|a, b| b.2 - a.2 <= 4) {
            let (first, last) = (session[0].2 as i64, session[session.len() - 1].2 as i64);
            lines.push(format!("+I i{item} {} {} {}", sum_max(session), time(first), time(last + 4)));
        }
    }
    lines
}

#[test]
fn top_n() {
    for (start, end, rank) in [(1, 2, true), (1, 3, false), (2, 4, true)] {
        for retract in [false, true] {
            let spec = TopNSpec {
                input: schema(ROWS),
                partition: vec![0],
                order: vec![SortKey::descending(1), SortKey::ascending(2)],
                start,
                end,
                output_rank: rank,
                input_retracts: retract,
                emit_update_before: true,
                output: schema(&if rank { format!("{ROWS}, r BIGINT") } else { ROWS.to_owned() }),
                ttl_ms: None,
            };
            check(&spec, &[0], retract, |rows| ranked(rows, start, end, rank));
        }
    }
}

#[test]
fn deduplication() {
    for every_change in [false, true] {
        let spec = DeduplicateSpec {
            input: schema(ROWS),
            key: vec![0],
            time: TimeAttribute::Event { column: 2 },
            keep_last: true,
            eager: false,
            emit_update_before: true,
            every_change,
            ttl_ms: None,
        };
        let last = |rows: Vec<Row>| rows.into_iter().max_by_key(|r| r.2).map(|r| format!("+I {}", text(r)));
        check(&spec, &[0], false, |rows| by_item(rows).into_values().filter_map(last).collect());
    }
}

fn ranked(rows: &[Row], start: u64, end: u64, rank: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (_, mut rows) in by_item(rows) {
        rows.sort_by_key(|r| (std::cmp::Reverse(r.1), r.2));
        for (place, row) in rows.into_iter().enumerate() {
            let number = place as u64 + 1;
            if (start..=end).contains(&number) {
                lines.push(if rank { format!("+I {} {number}", text(row)) } else { format!("+I {}", text(row)) });
            }
        }
    }
    lines
}
