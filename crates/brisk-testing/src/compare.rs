//! What a run gave against what the script expects: line by line, or by the net effect of the changes so far.

use std::collections::BTreeMap;

use brisk_core::RowKind;

use crate::mode::Mode;
use crate::run::Observed;
use crate::script::{Block, Command, Script};

/// A block that gave something else.
#[derive(Debug)]
pub struct Mismatch {
    pub line: usize,
    pub diff: String,
}

pub fn mismatches(script: &Script, observed: &[Observed], mode: Mode) -> Vec<Mismatch> {
    let mut changes: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for (block, observed) in script.blocks.iter().zip(observed) {
        if block.command == Command::Stream {
            changes.clear();
        }
        let (expected, got) = match observed {
            Observed::Changes(lines) if mode.is_exact() => (in_order(block, &block.expected), in_order(block, &lines.step)),
            Observed::Changes(lines) => {
                changes.extend(block.expected.iter().cloned());
                (net_effect(&changes), net_effect(&lines.all))
            }
            // A plan depends on the parallelism.
            Observed::Lines(_) if block.command == Command::Explain && !mode.is_exact() => continue,
            Observed::Lines(lines) if block.command == Command::Query && !mode.is_exact() => (sorted(&block.expected), sorted(lines)),
            Observed::Lines(lines) => (block.expected.clone(), lines.clone()),
            Observed::Nothing => (block.expected.clone(), Vec::new()),
        };
        if expected != got {
            found.push(Mismatch { line: block.line, diff: diff(&expected, &got) });
        }
    }
    found
}

/// What a script would have to expect, one entry a block.
pub fn expectations(script: &Script, observed: &[Observed]) -> Vec<Option<Vec<String>>> {
    let of = |(block, observed): (&Block, &Observed)| match observed {
        Observed::Changes(lines) => Some(in_order(block, &lines.step)),
        Observed::Lines(lines) => Some(lines.clone()),
        Observed::Nothing => Some(Vec::new()),
    };
    script.blocks.iter().zip(observed).map(of).collect()
}

/// The rows that changes leave, without kinds, sorted.
pub fn net_rows(changes: &[String]) -> Vec<String> {
    let rows = counts(changes).into_iter().filter(|(_, n)| *n > 0);
    rows.flat_map(|(row, n)| std::iter::repeat_n(row, n as usize)).collect()
}

/// The rows that changes leave; those that were taken away too often are marked.
fn net_effect(changes: &[String]) -> Vec<String> {
    let line = |(row, n): (String, i64)| std::iter::repeat_n(if n < 0 { format!("missing: {row}") } else { row }, n.unsigned_abs() as usize);
    counts(changes).into_iter().flat_map(line).collect()
}

fn counts(changes: &[String]) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for change in changes {
        let (row, n) = effect(change);
        *counts.entry(row).or_insert(0) += n;
    }
    counts
}

/// The row of a change (with its table, if it has one), and whether it comes or goes.
fn effect(change: &str) -> (String, i64) {
    let (table, rest) = match change.split_once(": ") {
        Some((table, rest)) if !table.contains(' ') && rest.get(..2).is_some_and(|k| RowKind::from_symbol(k).is_some()) => (format!("{table}: "), rest),
        _ => (String::new(), change),
    };
    match rest.split_once(' ').map(|(kind, row)| (RowKind::from_symbol(kind), row)) {
        Some((Some(kind), row)) => (format!("{table}{row}"), if kind.is_add() { 1 } else { -1 }),
        _ => (change.to_string(), 1),
    }
}

fn in_order(block: &Block, lines: &[String]) -> Vec<String> {
    if block.sorted { sorted(lines) } else { lines.to_vec() }
}

fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines
}

/// Both texts as one: `-` was expected, `+` came instead.
fn diff(expected: &[String], got: &[String]) -> String {
    let (n, m) = (expected.len(), got.len());
    // The longest common part of what is left of both.
    let mut common = vec![vec![0usize; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = if expected[i] == got[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < n || j < m {
        if i < n && j < m && expected[i] == got[j] {
            text += &format!("    {}\n", expected[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == m || i < n && common[i + 1][j] >= common[i][j + 1] {
            text += &format!("  - {}\n", expected[i]);
            i += 1;
        } else {
            text += &format!("  + {}\n", got[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split('|').filter(|l| !l.is_empty()).map(str::to_string).collect()
    }

    fn check_net(changes: &str, expected: &str) {
        assert_eq!(net_effect(&lines(changes)).join("|"), expected, "{changes}");
    }

    #[test]
    fn changes_have_a_net_effect() {
        check_net("+I a 1|-U a 1|+U a 2|+I b 1", "a 2|b 1");
        check_net("+I a|+I a|-D a|-D b", "a|missing: b");
        check_net("t: +I a|u: +I a|t: -D a", "u: a");
        check_net("error: it broke", "error: it broke");
    }

    #[test]
    fn a_diff_shows_both_sides() {
        assert_eq!(diff(&lines("a|b|c"), &lines("a|x|c|d")), "    a\n  - b\n  + x\n    c\n  + d\n");
    }
}
