//! Watermark alignment: sources of one group wait for the slowest, so that what is read ahead need not be kept.
//!
//! Every subtask of every source in the group has a seat with its newest watermark. A subtask that is further ahead of
//! the least than the drift stops polling. Idle and ended ones do not hold others back.
//!
//! Without a group the subtasks of one source still keep pace, since it is often only the turns that the system gives to
//! threads which drive them apart: one that is a little ahead rests for a moment before it polls again. It never stops, and one
//! that is far ahead, whose input must be of another time, does not rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use brisk_core::Watermark;
use brisk_core::graph::{NodeKind, StreamGraph};

/// A subtask rests that is further ahead of the slowest of its source than the first, and less far than the second: in steps,
/// which are the event time that one of its batches covers.
const NEAR_STEPS: i64 = 2;
const FAR_STEPS: i64 = 64;

/// All groups of a job, with a place for every source subtask.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<String, Arc<Vec<AtomicI64>>>,
    /// The first place of each source node in its group.
    first: HashMap<usize, usize>,
    /// For each source node of several subtasks that makes watermarks.
    paces: HashMap<usize, Arc<Vec<AtomicI64>>>,
}

/// A subtask's place among those of its source.
#[derive(Debug)]
pub(crate) struct Pace {
    watermarks: Arc<Vec<AtomicI64>>,
    place: usize,
    /// By how much the watermark rises, at its fastest of late.
    step_ms: i64,
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
        let mut paces = HashMap::new();
        let places = |n: usize| Arc::new((0..n).map(|_| AtomicI64::new(Watermark::MIN)).collect());
        for (id, node) in graph.nodes.iter().enumerate() {
            let NodeKind::Source(source) = &node.kind else { continue };
            if let Some(alignment) = &source.alignment {
                let size = sizes.entry(alignment.group.clone()).or_default();
                first.insert(id, *size);
                *size += parallelism[id];
            } else if source.watermark.is_some() && parallelism[id] > 1 {
                paces.insert(id, places(parallelism[id]));
            }
        }
        Self { groups: sizes.into_iter().map(|(group, n)| (group, places(n))).collect(), first, paces }
    }

    pub fn seat(&self, graph: &StreamGraph, node: usize, subtask: usize) -> Option<Seat> {
        let NodeKind::Source(source) = &graph.nodes[node].kind else { return None };
        let alignment = source.alignment.as_ref()?;
        let watermarks = self.groups.get(&alignment.group)?.clone();
        Some(Seat { watermarks, place: self.first.get(&node)? + subtask, max_drift_ms: alignment.max_drift_ms })
    }

    pub fn pace(&self, node: usize, subtask: usize) -> Option<Pace> {
        Some(Pace { watermarks: self.paces.get(&node)?.clone(), place: subtask, step_ms: 0 })
    }
}

impl Pace {
    pub fn report(&mut self, watermark: Watermark) {
        let time = time_of(watermark);
        let former = self.watermarks[self.place].swap(time, Ordering::Relaxed);
        if former != Watermark::MIN && former != Watermark::MAX && time != Watermark::MAX {
            self.step_ms = time.saturating_sub(former).max(self.step_ms - self.step_ms / 8);
        }
    }

    /// Whether the subtask is to rest for a moment.
    pub fn is_ahead(&self) -> bool {
        let own = self.watermarks[self.place].load(Ordering::Relaxed);
        if own == Watermark::MIN || own == Watermark::MAX {
            return false;
        }
        let ahead = own.saturating_sub(least(&self.watermarks));
        ahead > self.step_ms.saturating_mul(NEAR_STEPS) && ahead < self.step_ms.saturating_mul(FAR_STEPS)
    }
}

/// Idle and ended subtasks hold nobody back.
fn time_of(watermark: Watermark) -> i64 {
    if let Watermark::Time(time) = watermark { time } else { Watermark::MAX }
}

fn least(watermarks: &[AtomicI64]) -> i64 {
    watermarks.iter().map(|w| w.load(Ordering::Relaxed)).min().unwrap_or(Watermark::MAX)
}

impl Seat {
    pub fn report(&self, watermark: Watermark) {
        self.watermarks[self.place].store(time_of(watermark), Ordering::Relaxed);
    }

    pub fn leave(&self) {
        self.report(Watermark::Idle);
    }

    pub fn is_ahead(&self) -> bool {
        let own = self.watermarks[self.place].load(Ordering::Relaxed);
        if own == Watermark::MIN || own == Watermark::MAX {
            return false;
        }
        own > least(&self.watermarks).saturating_add(self.max_drift_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of two subtasks, `subtask:watermark` (`-` is idle), and after which of them the subtask is to rest.
    fn check(words: &str, expected: &str) {
        let watermarks: Arc<Vec<AtomicI64>> = Arc::new((0..2).map(|_| AtomicI64::new(Watermark::MIN)).collect());
        let mut paces = [0, 1].map(|place| Pace { watermarks: watermarks.clone(), place, step_ms: 0 });
        let mut rests = Vec::new();
        for word in words.split_whitespace() {
            let (subtask, text) = word.split_once(':').unwrap();
            let pace = &mut paces[subtask.parse::<usize>().unwrap()];
            pace.report(text.parse().map_or(Watermark::Idle, Watermark::Time));
            if pace.is_ahead() {
                rests.push(word);
            }
        }
        assert_eq!(rests.join(" "), expected, "{words}");
    }

    #[test]
    fn one_that_is_a_little_ahead_rests() {
        check("0:10 1:10 0:20 0:30 0:40 1:20 1:60 1:100", "0:40");
        check("0:10 1:10 0:20 0:40 0:45 0:50 0:70", "0:50 0:70");
    }

    #[test]
    fn nobody_waits_for_the_far_the_idle_and_the_silent() {
        check("0:10 0:20 0:30 0:40 1:20 0:50", "0:50");
        check("0:10 1:-9000 0:20 0:30 0:40", "");
        check("0:10 1:10 1:- 0:20 0:30 0:40 0:50", "");
        check("0:10 1:10 0:10 0:20 0:30 0:9223372036854775807", "");
    }
}
