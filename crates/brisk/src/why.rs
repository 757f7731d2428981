//! "Why is there no output?", answered from what a job tells about itself.
//!
//! The findings follow the rows: what the sources give, which split holds time back, where rows stop or are dropped as
//! late, and what the sinks wait for. Each says what is seen and, where there is one, what to do.

use brisk_runtime::job::{JobState, JobStatus, NodeStatus, SplitStatus};
use serde::Serialize;

use crate::readable::{span, time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The findings on a job, the nearest to its sources first.
pub fn findings(status: &JobStatus, now_ms: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    state(status, &mut found);
    sources(status, &mut found);
    watermark(status, now_ms, &mut found);
    for node in &status.nodes {
        late(node, &mut found);
        stopped(status, node, &mut found);
    }
    sinks(status, &mut found);
    found
}

fn state(status: &JobStatus, found: &mut Vec<Finding>) {
    if status.state == JobState::Running {
        return;
    }
    let error = status.last_error.as_ref().map_or_else(String::new, |e| format!(": {e}"));
    found.push(seen(format!("the job is {:?}{error}", status.state)));
}

fn sources(status: &JobStatus, found: &mut Vec<Finding>) {
    for node in status.nodes.iter().filter(|n| is_source(n)) {
        let bad = sum(node, |s| s.bad_records);
        match given(node) {
            0 if bad > 0 => found.push(seen(format!("{} has given no row: {bad} records could not be decoded", label(node)))),
            0 => found.push(seen(format!("{} has given no row so far", label(node)))),
            rows if bad > 0 => found.push(seen(format!("{}: {bad} records could not be decoded, beside {rows} rows", label(node)))),
            _ => {}
        }
    }
}

/// The split that holds back, since when, and how far the others are.
fn watermark(status: &JobStatus, now_ms: i64, found: &mut Vec<Finding>) {
    for split in status.splits.iter().filter(|s| s.idle) {
        found.push(seen(format!("{} is silent and set aside: it holds nobody back", name_of(status, split))));
    }
    let Some(split) = status.holding_back(None) else { return };
    let since = format!("for {}, since {}", span(now_ms.saturating_sub(split.since_ms)), time(split.since_ms));
    let ahead = status.splits.iter().filter_map(|s| s.watermark_ms).max();
    match (split.watermark_ms, ahead) {
        (None, _) => found.push(Finding {
            what: format!("{} has no watermark {since}: event time stands still for all that it feeds", name_of(status, split)),
            remedy: Some("it needs a row with a time; if it may stay empty, set 'scan.watermark.idle-timeout' of its table".to_owned()),
        }),
        (Some(own), Some(ahead)) if ahead > own => found.push(Finding {
            what: format!(
                "{} holds the watermark back: it is at {} and has not moved {since}; the foremost split is {} ahead",
                name_of(status, split),
                time(own),
                span(ahead - own)
            ),
            remedy: Some("if it may be silent, set 'scan.watermark.idle-timeout' of its table".to_owned()),
        }),
        (Some(own), _) => found.push(seen(format!("the watermark is at {} and has not moved {since}; {} decides it", time(own), name_of(status, split)))),
    }
}

fn late(node: &NodeStatus, found: &mut Vec<Finding>) {
    match sum(node, |s| s.late_records_dropped) {
        0 => {}
        rows => found.push(Finding {
            what: format!("{rows} rows came too late for {} and are in no result", label(node)),
            remedy: Some("give the WATERMARK of their table more delay; 'scan.late-records.table' keeps them".to_owned()),
        }),
    }
}

/// Rows go in and none comes out.
fn stopped(status: &JobStatus, node: &NodeStatus, found: &mut Vec<Finding>) {
    let taken = sum(node, |s| s.records_in);
    if is_source(node) || is_sink(node) || given(node) > 0 {
        return;
    }
    let silent: Vec<String> = node.inputs.iter().map(|i| &status.nodes[*i]).filter(|n| given(n) == 0).map(label).collect();
    let what = match (node.inputs.len(), silent.len()) {
        (2.., all) if all == node.inputs.len() => return,
        (2.., 1..) => format!("{} has given nothing: nothing has come from {}", label(node), silent.join(" and ")),
        (2.., 0) if node.name.contains("Join") => format!("{} has taken {taken} rows and none has found its partner, or its time has not come", label(node)),
        _ if taken == 0 => return,
        _ if node.name == "Calc" => format!("none of {taken} rows has passed {}", label(node)),
        _ => match node.subtasks.iter().filter_map(|s| s.watermark_ms).min() {
            Some(at) => format!("{} has taken {taken} rows and given none; its watermark is at {}", label(node), time(at)),
            None => format!("{} has taken {taken} rows and given none; it has seen no watermark", label(node)),
        },
    };
    found.push(seen(what));
}

fn sinks(status: &JobStatus, found: &mut Vec<Finding>) {
    for node in status.nodes.iter().filter(|n| is_sink(n)) {
        let taken = sum(node, |s| s.records_in);
        let committed = status.checkpoints.iter().any(|c| c.failure.is_none());
        if taken > 0 && !committed && node.description.contains("exactly once") && !node.description.contains("by key") {
            found.push(Finding {
                what: format!("{} holds {taken} rows that appear when a checkpoint is complete, and none is so far", label(node)),
                remedy: Some("SET 'execution.checkpointing.interval' = '1 s', or wait for the job's end".to_owned()),
            });
        } else if taken > 0 {
            found.push(seen(format!("{} was given {taken} rows", label(node))));
        }
    }
    if let Some((failed, why)) = status.checkpoints.last().and_then(|c| c.failure.as_ref().map(|why| (c, why))) {
        found.push(seen(format!("checkpoint {} failed: {why}", failed.id)));
    }
}

fn seen(what: String) -> Finding {
    Finding { what, remedy: None }
}

fn is_source(node: &NodeStatus) -> bool {
    node.inputs.is_empty()
}

fn is_sink(node: &NodeStatus) -> bool {
    node.name == "Sink"
}

fn given(node: &NodeStatus) -> u64 {
    sum(node, |s| s.records_out)
}

fn sum(node: &NodeStatus, of: impl Fn(&brisk_runtime::job::SubtaskStatus) -> u64) -> u64 {
    node.subtasks.iter().map(of).sum()
}

fn name_of(status: &JobStatus, split: &SplitStatus) -> String {
    format!("split {} of {}", split.split, status.nodes.get(split.node).map_or_else(|| split.source.clone(), label))
}

/// The longest part of a description that a finding shows.
const SHOWN_CHARS: usize = 60;

/// `Source orders`, `Calc #2 where=[..]`
fn label(node: &NodeStatus) -> String {
    if let Some(table) = node.description.strip_prefix("table=").and_then(|d| d.split(',').next()) {
        return format!("{} {}", node.name, table.rsplit('.').next().unwrap_or(table));
    }
    let shown: String = node.description.chars().take(SHOWN_CHARS).collect();
    let more = if node.description.chars().count() > SHOWN_CHARS { "…" } else { "" };
    format!("{} #{} {shown}{more}", node.name, node.node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use brisk_runtime::job::{CheckpointTimes, SubtaskStatus};

    fn subtask(records_in: u64, records_out: u64, late: u64) -> SubtaskStatus {
        SubtaskStatus {
            records_in,
            records_out,
            bytes_in: 0,
            late_records_dropped: late,
            bad_records: 0,
            watermark_ms: None,
            busy_ns: 0,
            backpressured_ns: 0,
            state_bytes: 0,
            checkpoint: CheckpointTimes::default(),
        }
    }

    fn node(node: usize, inputs: &[usize], name: &str, description: &str, subtask: SubtaskStatus) -> NodeStatus {
        let (name, description) = (name.to_owned(), description.to_owned());
        NodeStatus { node, operator_id: String::new(), name, description, task: 0, inputs: inputs.to_vec(), subtasks: vec![subtask] }
    }

    fn split(node: usize, name: &str, watermark_ms: Option<i64>) -> SplitStatus {
        SplitStatus { node, source: "Source".to_owned(), subtask: 0, split: name.to_owned(), watermark_ms, since_ms: 1_000, idle: false }
    }

    fn check(nodes: Vec<NodeStatus>, splits: Vec<SplitStatus>, expected: &[&str]) {
        let status = JobStatus {
            name: "job".to_owned(),
            state: JobState::Running,
            started_ms: 0,
            restarts: 0,
            last_error: None,
            nodes,
            splits,
            checkpoints: Vec::new(),
            restored: None,
        };
        let seen: Vec<String> = findings(&status, 4_000).into_iter().map(|f| f.what).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_split_that_holds_back_is_named() {
        let nodes = || vec![node(0, &[], "Source", "table=a.b.orders, http", subtask(0, 5, 0))];
        check(
            nodes(),
            vec![split(0, "p0", Some(1_000)), split(0, "p1", Some(61_000))],
            &[
                "split p0 of Source orders holds the watermark back: it is at 1970-01-01T00:00:01.000Z and has not moved for 3.0 s, since 1970-01-01T00:00:01.000Z; the foremost split is 1 min ahead",
            ],
        );
        check(
            nodes(),
            vec![split(0, "p0", None), split(0, "p1", Some(61_000))],
            &["split p0 of Source orders has no watermark for 3.0 s, since 1970-01-01T00:00:01.000Z: event time stands still for all that it feeds"],
        );
    }

    #[test]
    fn an_input_that_gives_nothing_and_a_filter_that_lets_nothing_through_are_named() {
        let nodes = vec![
            node(0, &[], "Source", "table=a.b.orders, http", subtask(0, 5, 0)),
            node(1, &[], "Source", "table=a.b.users, http", subtask(0, 0, 0)),
            node(2, &[0], "Calc", "where=[false]", subtask(5, 0, 0)),
            node(3, &[0, 1], "Join", "inner", subtask(5, 0, 0)),
            node(4, &[0], "WindowAggregate", "w", subtask(5, 0, 2)),
        ];
        let expected = [
            "Source users has given no row so far",
            "none of 5 rows has passed Calc #2 where=[false]",
            "Join #3 inner has given nothing: nothing has come from Source users",
            "2 rows came too late for WindowAggregate #4 w and are in no result",
            "WindowAggregate #4 w has taken 5 rows and given none; it has seen no watermark",
        ];
        check(nodes, Vec::new(), &expected);
    }
}
