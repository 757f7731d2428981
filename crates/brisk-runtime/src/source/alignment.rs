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

/// The places of a job's sources, by node.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    places: HashMap<usize, Places>,
}

/// Those of one source in its group, or in the group that its subtasks are by themselves.
#[derive(Debug)]
struct Places {
    watermarks: Arc<Vec<AtomicI64>>,
    first: usize,
    max_drift_ms: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Seat {
    watermarks: Arc<Vec<AtomicI64>>,
    place: usize,
    /// `None`: the subtask only keeps pace.
    max_drift_ms: Option<i64>,
    /// By how much the watermark rises, at its fastest of late.
    step_ms: i64,
}

/// What a subtask does that is ahead of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// It polls no more until they have come near.
    Stop,
    /// It rests for a moment before it polls.
    Rest,
}

impl Groups {
    pub fn new(graph: &StreamGraph, parallelism: &[usize]) -> Self {
        let sources =
            || graph.nodes.iter().enumerate().filter_map(|(id, node)| if let NodeKind::Source(source) = &node.kind { Some((id, source)) } else { None });
        let seats = |n: usize| Arc::new((0..n).map(|_| AtomicI64::new(Watermark::MIN)).collect::<Vec<_>>());
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        for (id, source) in sources() {
            source.alignment.iter().for_each(|a| *sizes.entry(&a.group).or_default() += parallelism[id]);
        }
        let groups: HashMap<&str, Arc<Vec<AtomicI64>>> = sizes.into_iter().map(|(group, n)| (group, seats(n))).collect();
        let (mut taken, mut places) = (HashMap::new(), HashMap::new());
        for (id, source) in sources() {
            if let Some(alignment) = &source.alignment {
                let first: &mut usize = taken.entry(&alignment.group).or_default();
                places.insert(id, Places { watermarks: groups[alignment.group.as_str()].clone(), first: *first, max_drift_ms: Some(alignment.max_drift_ms) });
                *first += parallelism[id];
            } else if source.watermark.is_some() && parallelism[id] > 1 {
                places.insert(id, Places { watermarks: seats(parallelism[id]), first: 0, max_drift_ms: None });
            }
        }
        Self { places }
    }

    pub fn seat(&self, node: usize, subtask: usize) -> Option<Seat> {
        let places = self.places.get(&node)?;
        Some(Seat { watermarks: places.watermarks.clone(), place: places.first + subtask, max_drift_ms: places.max_drift_ms, step_ms: 0 })
    }
}

impl Seat {
    pub fn report(&mut self, watermark: Watermark) {
        // Idle and ended subtasks hold nobody back.
        let time = if let Watermark::Time(time) = watermark { time } else { Watermark::MAX };
        let former = self.watermarks[self.place].swap(time, Ordering::Relaxed);
        if former != Watermark::MIN && former != Watermark::MAX && time != Watermark::MAX {
            self.step_ms = time.saturating_sub(former).max(self.step_ms - self.step_ms / 8);
        }
    }

    pub fn leave(&mut self) {
        self.report(Watermark::Idle);
    }

    pub fn ahead(&self) -> Option<Ahead> {
        let own = self.watermarks[self.place].load(Ordering::Relaxed);
        if own == Watermark::MIN || own == Watermark::MAX {
            return None;
        }
        let least = self.watermarks.iter().map(|w| w.load(Ordering::Relaxed)).min()?;
        let (ahead, step) = (own.saturating_sub(least), self.step_ms);
        match self.max_drift_ms {
            Some(drift) => (ahead > drift).then_some(Ahead::Stop),
            None => (ahead > step.saturating_mul(NEAR_STEPS) && ahead < step.saturating_mul(FAR_STEPS)).then_some(Ahead::Rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of two subtasks, `subtask:watermark` (`-` is idle), and after which of them the subtask is to rest, or to
    /// stop (`!`).
    fn check(max_drift_ms: Option<i64>, words: &str, expected: &str) {
        let watermarks: Arc<Vec<AtomicI64>> = Arc::new((0..2).map(|_| AtomicI64::new(Watermark::MIN)).collect());
        let mut seats = [0, 1].map(|place| Seat { watermarks: watermarks.clone(), place, max_drift_ms, step_ms: 0 });
        let mut rests = Vec::new();
        for word in words.split_whitespace() {
            let (subtask, text) = word.split_once(':').unwrap();
            let seat = &mut seats[subtask.parse::<usize>().unwrap()];
            seat.report(text.parse().map_or(Watermark::Idle, Watermark::Time));
            match seat.ahead() {
                Some(Ahead::Rest) => rests.push(word.to_owned()),
                Some(Ahead::Stop) => rests.push(format!("{word}!")),
                None => {}
            }
        }
        assert_eq!(rests.join(" "), expected, "{words}");
    }

    #[test]
    fn one_that_is_a_little_ahead_rests() {
        check(None, "0:10 1:10 0:20 0:30 0:40 1:20 1:60 1:100", "0:40");
        check(None, "0:10 1:10 0:20 0:40 0:45 0:50 0:70", "0:50 0:70");
    }

    #[test]
    fn nobody_waits_for_the_far_the_idle_and_the_silent() {
        check(None, "0:10 0:20 0:30 0:40 1:20 0:50", "0:50");
        check(None, "0:10 1:-9000 0:20 0:30 0:40", "");
        check(None, "0:10 1:10 1:- 0:20 0:30 0:40 0:50", "");
        check(None, "0:10 1:10 0:10 0:20 0:30 0:9223372036854775807", "");
    }

    #[test]
    fn one_of_a_group_stops_that_is_further_ahead_than_the_drift() {
        check(Some(25), "0:10 1:10 0:20 0:30 0:40 1:20 0:45 0:46", "0:10! 0:40! 0:46!");
        check(Some(25), "0:10 1:10 0:40 1:- 0:90", "0:10! 0:40!");
    }
}
