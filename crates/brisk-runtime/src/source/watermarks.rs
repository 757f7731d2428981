//! Watermarks of one source subtask: a generator for every split, and the least of the live ones.
//!
//! A split that was silent for the idle timeout is set aside until it gives rows again; a finished one leaves. The
//! combined watermark never falls. It is part of a checkpoint together with those of the splits, so that after a restore
//! a row is late exactly when it would have been.

use std::collections::BTreeMap;
use std::sync::Arc;

use brisk_core::source::{WatermarkGenerator, WatermarkStrategy};
use brisk_core::{ChangelogBatch, Result, Watermark};

use crate::lock;
use crate::status::{SplitBoard, SplitStatus};

pub(crate) struct SplitWatermarks {
    strategy: Option<Arc<dyn WatermarkStrategy>>,
    idle_timeout_ms: Option<i64>,
    splits: Vec<Split>,
    /// Where the last batch belonged.
    recent: usize,
    restored: BTreeMap<String, i64>,
    emitted: i64,
    idle: bool,
    board: Arc<SplitBoard>,
    node: usize,
    source: String,
    subtask: usize,
}

struct Split {
    name: Arc<str>,
    generator: Box<dyn WatermarkGenerator>,
    watermark: i64,
    last_rows_ms: i64,
    idle: bool,
}

impl SplitWatermarks {
    /// `restored` has the watermark of every split and of the whole source; `place` is node, name and subtask.
    pub fn new(
        strategy: Option<Arc<dyn WatermarkStrategy>>,
        restored: (BTreeMap<String, i64>, Option<i64>),
        board: Arc<SplitBoard>,
        place: (usize, &str, usize),
    ) -> Self {
        lock(&board.0).clear();
        let idle_timeout_ms = strategy.as_ref().and_then(|s| s.idle_timeout()).map(|d| d.as_millis() as i64);
        // A source that had ended says so again by itself.
        let emitted = restored.1.filter(|time| strategy.is_some() && *time != Watermark::MAX).unwrap_or(Watermark::MIN);
        let (node, source, subtask) = (place.0, place.1.to_owned(), place.2);
        Self { strategy, idle_timeout_ms, splits: Vec::new(), recent: 0, restored: restored.0, emitted, idle: false, board, node, source, subtask }
    }

    /// What the source had given out before it was restored.
    pub fn restored(&self) -> Option<Watermark> {
        (self.emitted != Watermark::MIN).then_some(Watermark::Time(self.emitted))
    }

    pub fn every_row(&self) -> bool {
        self.strategy.as_ref().is_some_and(|s| s.every_row())
    }

    /// The number of a split, which is added if it is new; `None` where there are no watermarks.
    pub fn find(&mut self, name: &Arc<str>, now_ms: i64) -> Result<Option<usize>> {
        let Some(strategy) = &self.strategy else { return Ok(None) };
        let is_it = |s: &Split| Arc::ptr_eq(&s.name, name) || s.name == *name;
        if self.splits.get(self.recent).is_some_and(is_it) {
            return Ok(Some(self.recent));
        }
        self.recent = match self.splits.iter().position(is_it) {
            Some(known) => known,
            None => {
                let generator = strategy.generator()?;
                let watermark = self.restored.get(name.as_ref()).copied().unwrap_or(Watermark::MIN);
                self.splits.push(Split { name: name.clone(), generator, watermark, last_rows_ms: now_ms, idle: false });
                self.post(now_ms);
                self.splits.len() - 1
            }
        };
        Ok(Some(self.recent))
    }

    /// Splits that are known before their first row: they are waited for.
    pub fn register(&mut self, names: &[Arc<str>], now_ms: i64) -> Result<()> {
        names.iter().try_for_each(|name| self.find(name, now_ms).map(drop))
    }

    pub fn after_batch(&mut self, split: usize, batch: &ChangelogBatch, now_ms: i64) -> Result<Option<Watermark>> {
        let entry = &mut self.splits[split];
        (entry.last_rows_ms, entry.idle) = (now_ms, false);
        let watermark = entry.generator.after_batch(batch)?.unwrap_or(Watermark::MIN);
        self.raise(split, watermark, now_ms);
        Ok(self.combine())
    }

    /// After how many rows which watermark is due.
    pub fn after_rows(&mut self, split: usize, batch: &ChangelogBatch, now_ms: i64) -> Result<Vec<(usize, Watermark)>> {
        let entry = &mut self.splits[split];
        (entry.last_rows_ms, entry.idle) = (now_ms, false);
        let watermarks = entry.generator.after_rows(batch)?;
        let mut due = Vec::new();
        for (row, watermark) in watermarks.into_iter().enumerate() {
            self.raise(split, watermark, now_ms);
            due.extend(self.combine().map(|w| (row + 1, w)));
        }
        Ok(due)
    }

    /// Nothing came from any split.
    pub fn quiet(&mut self, now_ms: i64, bounded: bool) -> Option<Watermark> {
        self.strategy.as_ref()?;
        if self.splits.is_empty() && !bounded && !self.idle {
            self.idle = true;
            return Some(Watermark::Idle);
        }
        let timeout = self.idle_timeout_ms?;
        let silent = |s: &Split| !s.idle && now_ms - s.last_rows_ms >= timeout;
        if !self.splits.iter().any(silent) {
            return None;
        }
        self.splits.iter_mut().filter(|s| silent(s)).for_each(|s| s.idle = true);
        self.post(now_ms);
        self.combine()
    }

    pub fn finish(&mut self, name: &Arc<str>) -> Option<Watermark> {
        let place = self.splits.iter().position(|s| s.name == *name)?;
        self.splits.remove(place);
        lock(&self.board.0).remove(place);
        self.combine()
    }

    /// Of every live split, and the combined one.
    pub fn snapshot(&self) -> (BTreeMap<String, i64>, Option<i64>) {
        let known = self.splits.iter().filter(|s| s.watermark != Watermark::MIN).map(|s| (s.name.to_string(), s.watermark));
        (known.collect(), (self.emitted != Watermark::MIN).then_some(self.emitted))
    }

    /// All is over.
    pub fn clear(&mut self) {
        self.splits.clear();
        lock(&self.board.0).clear();
    }

    fn raise(&mut self, split: usize, watermark: i64, now_ms: i64) {
        let entry = &mut self.splits[split];
        let mut board = lock(&self.board.0);
        if watermark > entry.watermark {
            entry.watermark = watermark;
            (board[split].watermark_ms, board[split].since_ms) = (Some(watermark), now_ms);
        }
        board[split].idle = false;
    }

    fn combine(&mut self) -> Option<Watermark> {
        if self.splits.is_empty() {
            return None;
        }
        let Some(least) = self.splits.iter().filter(|s| !s.idle).map(|s| s.watermark).min() else {
            return (!std::mem::replace(&mut self.idle, true)).then_some(Watermark::Idle);
        };
        let was_idle = std::mem::take(&mut self.idle);
        if least > self.emitted || was_idle {
            self.emitted = self.emitted.max(least);
            return Some(Watermark::Time(self.emitted));
        }
        None
    }

    /// Writes the list of splits anew where it changes other than by a rising watermark.
    fn post(&self, now_ms: i64) {
        let mut board = lock(&self.board.0);
        let former = std::mem::take(&mut *board);
        board.extend(self.splits.iter().enumerate().map(|(i, s)| SplitStatus {
            node: self.node,
            source: self.source.clone(),
            subtask: self.subtask,
            split: s.name.to_string(),
            watermark_ms: Some(s.watermark).filter(|w| *w != Watermark::MIN),
            since_ms: former.get(i).map_or(now_ms, |f| f.since_ms),
            idle: s.idle,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    /// The watermark is the greatest value so far.
    struct Greatest(i64);

    struct Strategy;

    impl WatermarkStrategy for Strategy {
        fn generator(&self) -> Result<Box<dyn WatermarkGenerator>> {
            Ok(Box::new(Greatest(i64::MIN)))
        }
        fn idle_timeout(&self) -> Option<Duration> {
            Some(Duration::from_millis(100))
        }
        fn every_row(&self) -> bool {
            false
        }
        fn describe(&self) -> String {
            "value".to_owned()
        }
    }

    impl WatermarkGenerator for Greatest {
        fn after_batch(&mut self, batch: &ChangelogBatch) -> Result<Option<i64>> {
            Ok(self.after_rows(batch)?.last().copied())
        }
        fn after_rows(&mut self, batch: &ChangelogBatch) -> Result<Vec<i64>> {
            let raise = |v: &i64| {
                self.0 = self.0.max(*v);
                self.0
            };
            Ok(batch.column(0).as_primitive::<Int64Type>().values().iter().map(raise).collect())
        }
    }

    fn batch(values: &[i64]) -> ChangelogBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        ChangelogBatch::append(RecordBatch::try_from_iter([("t", column)]).unwrap())
    }

    /// Words of `time:split=value`, `time:split!` (finished) and `time:` (quiet).
    fn check(words: &str, expected: &str) {
        let mut splits = SplitWatermarks::new(Some(Arc::new(Strategy)), (BTreeMap::new(), None), Arc::default(), (0, "s", 0));
        let mut out = Vec::new();
        for word in words.split_whitespace() {
            let (time, event) = word.split_once(':').unwrap();
            let now_ms = time.parse().unwrap();
            let said = match event.split_once('=') {
                Some((name, value)) => {
                    let split = splits.find(&Arc::from(name), now_ms).unwrap().unwrap();
                    splits.after_batch(split, &batch(&[value.parse().unwrap()]), now_ms).unwrap()
                }
                None if event.is_empty() => splits.quiet(now_ms, false),
                None => splits.finish(&Arc::from(event.trim_end_matches('!'))),
            };
            out.extend(said.map(|w| if let Watermark::Time(t) = w { t.to_string() } else { "-".to_owned() }));
        }
        assert_eq!(out.join(" "), expected, "{words}");
    }

    #[test]
    fn the_least_of_the_live_splits_counts() {
        check("0:a=5 0:b=3 0:a=9 0:b=7", "5 7");
        check("0:a=5 0:b=5 0:a=9 0:b! 0:a=10", "5 9 10");
        check("0:a=5 50: 100: 150:a=4 160:a=6", "5 - 5 6");
        check("0:a=5 0:b=5 90:b=8 110: 120:a=6 130:a=9", "5 8");
        check("0: 1:a=5", "- 5");
    }

    #[test]
    fn every_row_that_raises_it_counts() {
        let mut splits = SplitWatermarks::new(Some(Arc::new(Strategy)), (BTreeMap::new(), None), Arc::default(), (0, "s", 0));
        let split = splits.find(&Arc::from("a"), 0).unwrap().unwrap();
        let due = splits.after_rows(split, &batch(&[3, 1, 4, 4, 9]), 0).unwrap();
        assert_eq!(due, [(1, Watermark::Time(3)), (3, Watermark::Time(4)), (5, Watermark::Time(9))]);
    }
}
