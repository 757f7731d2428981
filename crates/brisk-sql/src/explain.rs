//! EXPLAIN: the stream graph as a tree for people, sink first.
//!
//! ```text
//! Sink [I] table=results, filesystem(...), exactly once
//! `- WindowAggregate [I] window=TUMBLE(..), key=[..], aggregates=[..]      by hash of [item]
//!    state: aggregates of open windows, until the watermark passes the window's end        id 3f..
//!    `- Source [I] table=orders, ...
//! ```
//!
//! A part that several consumers share is printed once and referred to by its number after that.

use std::collections::HashSet;
use std::fmt::Write;

use brisk_core::graph::{Distribution, NodeKind, Port, StreamGraph};

/// The text of a graph.
pub fn explain(graph: &StreamGraph) -> String {
    let mut text = String::new();
    let mut printed = HashSet::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        if matches!(node.kind, NodeKind::Sink(_)) {
            print_node(graph, number, "", "", None, &mut printed, &mut text);
        }
    }
    text
}

fn print_node(
    graph: &StreamGraph,
    number: usize,
    first: &str,
    rest: &str,
    edge: Option<(&Distribution, Port)>,
    printed: &mut HashSet<usize>,
    text: &mut String,
) {
    let node = &graph.nodes[number];
    let how = match edge {
        Some((Distribution::Forward, Port::Main)) | None => String::new(),
        Some((distribution, Port::Main)) => format!("   <- {}", distribution_text(distribution, &node.schema)),
        Some((_, Port::Late { .. })) => "   <- late rows".to_string(),
        Some((_, Port::BadRecords)) => "   <- bad records".to_string(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{first}#{number} {} {} {}{how}", node.name, node.changelog, node.description);
    if !printed.insert(number) {
        let _ = writeln!(text, "{rest}   (shared: see #{number} above)");
        return;
    }
    let parallelism = node.parallelism.map_or(String::new(), |n| format!(", parallelism {n}"));
    let state = node.state.as_deref().map_or("no state".to_string(), |s| format!("state: {s}"));
    let _ = writeln!(text, "{rest}   {state}; id {}{parallelism}", node.operator_id);
    let mut inputs: Vec<_> = graph.inputs_of(number).collect();
    inputs.sort_by_key(|e| e.input);
    for (i, input) in inputs.iter().enumerate() {
        let last = i + 1 == inputs.len();
        let (branch, line) = if last { ("`- ", "   ") } else { ("|- ", "|  ") };
        print_node(graph, input.from, &format!("{rest}{branch}"), &format!("{rest}{line}"), Some((&input.distribution, input.port)), printed, text);
    }
}

fn distribution_text(distribution: &Distribution, schema: &brisk_core::Schema) -> String {
    match distribution {
        Distribution::Hash(columns) => {
            let names: Vec<&str> = columns.iter().map(|&c| schema.columns.get(c).map_or("?", |c| c.name.as_str())).collect();
            format!("by hash of [{}]", names.join(", "))
        }
        other => other.to_string(),
    }
}
