//! Watermark alignment: sources of one group wait for the slowest, so that what is read ahead need not be kept.
//!
//! Every subtask of every source in the group has a seat with its newest watermark. A subtask that is further ahead of
//! the least than the drift stops polling. Idle and ended ones do not hold others back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use brisk_core::Watermark;
use brisk_core::graph::{NodeKind, StreamGraph};

/// All groups of a job, with a place for every source subtask.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<String, Arc<Vec<AtomicI64>>>,
    /// The first place of each source node in its group.
    first: HashMap<usize, usize>,
}

#[derive(Debug)]
pub(crate) struct Seat {
    watermarks: Arc<Vec<AtomicI64>>,
    place: usize,
    max_drift_ms: i64,
}

impl Groups {
    pub fn new(graph: &StreamGraph, parallelism: &[usize]) -> Self {
        let mut sizes: HashMap<String, usize> = HashMap::new();
        let mut first = HashMap::new();
        for (id, node) in graph.nodes.iter().enumerate() {
            if let NodeKind::Source(source) = &node.kind
                && let Some(alignment) = &source.alignment
            {
                let size = sizes.entry(alignment.group.clone()).or_default();
                first.insert(id, *size);
                *size += parallelism[id];
            }
        }
        let places = |n: usize| Arc::new((0..n).map(|_| AtomicI64::new(Watermark::MIN)).collect());
        Self { groups: sizes.into_iter().map(|(group, n)| (group, places(n))).collect(), first }
    }

    pub fn seat(&self, graph: &StreamGraph, node: usize, subtask: usize) -> Option<Seat> {
        let NodeKind::Source(source) = &graph.nodes[node].kind else { return None };
        let alignment = source.alignment.as_ref()?;
        let watermarks = self.groups.get(&alignment.group)?.clone();
        Some(Seat { watermarks, place: self.first.get(&node)? + subtask, max_drift_ms: alignment.max_drift_ms })
    }
}

impl Seat {
    pub fn report(&self, watermark: Watermark) {
        let time = if let Watermark::Time(time) = watermark { time } else { Watermark::MAX };
        self.watermarks[self.place].store(time, Ordering::Relaxed);
    }

    pub fn leave(&self) {
        self.report(Watermark::Idle);
    }

    pub fn is_ahead(&self) -> bool {
        let own = self.watermarks[self.place].load(Ordering::Relaxed);
        if own == Watermark::MIN || own == Watermark::MAX {
            return false;
        }
        let least = self.watermarks.iter().map(|w| w.load(Ordering::Relaxed)).min().unwrap_or(own);
        own > least.saturating_add(self.max_drift_ms)
    }
}
