//! One row a key: the first or the last, by event time or by arrival.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, Schema};

use crate::deduplicate_first::{FirstByArrival, FirstByTime};
use crate::deduplicate_last::LastByTime;
use crate::latest_rows::{Change, LatestRows, Slot, Telling};
use crate::local_top_n::LocalTopNSpec;
use crate::sort_key::SortKey;
use crate::time_attribute::{TimeAttribute, rowtimes};

/// ROW_NUMBER() OVER (PARTITION BY key ORDER BY time) = 1 over append-only input. The output has the input's columns.
///
/// - First by arrival: append-only, later rows of the key are dropped.
/// - First by event time: append-only too, since the first row is emitted when the watermark has passed it (Flink from
///   2.1 on); or, with `eager`, at once, and corrected when an earlier row comes.
/// - Last: `+I`, then `-U`/`+U`; a row as late as the kept one replaces it.
#[derive(Debug, Clone)]
pub struct DeduplicateSpec {
    pub input: Schema,
    pub key: Vec<usize>,
    /// Event time, or the order of arrival (processing time).
    pub time: TimeAttribute,
    pub keep_last: bool,
    /// Only for the first by event time.
    pub eager: bool,
    pub emit_update_before: bool,
    /// True where a consumer wants every version of a row (a temporal join); else the changes of a key within a batch
    /// are folded.
    pub every_change: bool,
    pub ttl_ms: Option<i64>,
}

impl DeduplicateSpec {
    /// Whether a key's time is all that is remembered: of the last row by event time, where nobody wants the row before.
    pub fn keeps_times(&self) -> bool {
        self.keep_last && !self.emit_update_before && self.time != TimeAttribute::Processing
    }

    /// The half before an exchange, if there can be one: not where every change counts, nor where the first row must not be late,
    /// which only the second half knows.
    pub fn local(&self) -> Option<LocalTopNSpec> {
        let order = match self.time {
            TimeAttribute::Processing => Vec::new(),
            // A NULL goes on, to the error that it is.
            TimeAttribute::Event { column } if self.keep_last => vec![SortKey { nulls_first: true, ..SortKey::descending(column) }],
            TimeAttribute::Event { .. } => return None,
        };
        let spec = || LocalTopNSpec { input: self.input.clone(), partition: self.key.clone(), order, limit: 1, later_wins_ties: self.keep_last };
        (!self.every_change && self.ttl_ms.is_none()).then(spec)
    }
}

impl OperatorFactory for DeduplicateSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let rowtime = match self.time {
            TimeAttribute::Event { column } => Some(column),
            TimeAttribute::Processing => None,
        };
        match rowtime {
            None if !self.keep_last => Ok(Box::new(FirstByArrival::new(self, context.key_groups)?)),
            Some(column) if !self.keep_last && !self.eager => Ok(Box::new(FirstByTime::new(self, column, context.key_groups)?)),
            Some(column) if self.keeps_times() => Ok(Box::new(LastByTime::new(self, column, context.key_groups)?)),
            _ => {
                let unchanged = self.ttl_ms.is_some() || rowtime.is_some();
                let telling = Telling { update_before: self.emit_update_before, every_change: self.every_change, unchanged };
                let rows = LatestRows::new(&self.input, &self.key, telling, self.ttl_ms, context.key_groups)?;
                Ok(Box::new(Deduplicate { rows, rowtime, keep_last: self.keep_last, times: Vec::new() }))
            }
        }
    }

    fn drops_late_rows(&self) -> bool {
        !self.keep_last && !self.eager && self.time != TimeAttribute::Processing
    }
}

/// Keeps a row a key and replaces it by a better one.
struct Deduplicate {
    rows: LatestRows,
    rowtime: Option<usize>,
    keep_last: bool,
    /// By id: the rowtime of the row that is kept.
    times: Vec<i64>,
}

impl Operator for Deduplicate {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let Self { rows, rowtime, keep_last, times } = self;
        let Some(column) = *rowtime else {
            return rows.apply(&batch, out, |_, _, _| Change::Replace);
        };
        let rowtimes = rowtimes(batch.column(column))?;
        rows.apply(&batch, out, |row, id, kept| {
            let place = id as usize;
            times.resize(times.len().max(place + 1), 0);
            let better = kept == Slot::None || if *keep_last { rowtimes[row] >= times[place] } else { rowtimes[row] < times[place] };
            if !better {
                return Change::Nothing;
            }
            times[place] = rowtimes[row];
            Change::Replace
        })
    }

    fn next_timer(&self) -> Option<i64> {
        self.rows.next_timer()
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        self.rows.sweep(now_ms)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.rows.snapshot(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { rows, rowtime, times, .. } = self;
        rows.restore(reader, |ids, rows| {
            let Some(column) = *rowtime else { return Ok(()) };
            let rowtimes = rowtimes(rows.column(column))?;
            for (row, id) in ids.iter().enumerate() {
                times.resize(times.len().max(*id as usize + 1), 0);
                times[*id as usize] = rowtimes[row];
            }
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        self.rows.bytes() + self.times.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, run_as_written, schema};

    fn spec(time: TimeAttribute, keep_last: bool) -> DeduplicateSpec {
        let input = schema("item STRING, price INT, ts TIMESTAMP(3)");
        DeduplicateSpec { input, key: vec![0], time, keep_last, eager: false, emit_update_before: true, every_change: false, ttl_ms: None }
    }

    const EVENT: TimeAttribute = TimeAttribute::Event { column: 2 };
    const STEPS: &str = "+I pen 1 00:00:05
        ----
        +I ink 2 00:00:06
        +I pen 3 00:00:05
        ----
        +I pen 4 00:00:04
        watermark 00:00:05
        +I pen 5 00:00:03
        +I pen 6 00:00:07
        +I cup 7 00:00:05
        watermark end";

    #[test]
    fn first_by_arrival() {
        check(&spec(TimeAttribute::Processing, false), &[&spec(EVENT, true).input], STEPS, "+I pen 1 00:00:05\n+I ink 2 00:00:06\n+I cup 7 00:00:05");
        let expiring = DeduplicateSpec { ttl_ms: Some(1000), ..spec(TimeAttribute::Processing, false) };
        let steps = "+I pen 1 00:00:00
            time 00:00:00.900
            +I pen 2 00:00:00
            time 00:00:01
            +I pen 3 00:00:00
            time 00:10:00
            +I pen 4 00:00:00";
        check(&expiring, &[&expiring.input], steps, "+I pen 1 00:00:00\n+I pen 3 00:00:00\n+I pen 4 00:00:00");
    }

    #[test]
    fn first_by_event_time_waits_for_the_watermark() {
        let expected = "+I pen 4 00:00:04
            late +I pen 5 00:00:03
            +I cup 7 00:00:05
            +I ink 2 00:00:06";
        check(&spec(EVENT, false), &[&spec(EVENT, true).input], STEPS, expected);
    }

    #[test]
    fn first_by_event_time_may_be_corrected() {
        let spec = DeduplicateSpec { eager: true, ..spec(EVENT, false) };
        let expected = "+I pen 1 00:00:05
            +I ink 2 00:00:06
            -U pen 1 00:00:05
            +U pen 4 00:00:04
            -U pen 4 00:00:04
            +U pen 5 00:00:03
            +I cup 7 00:00:05";
        check(&spec, &[&spec.input], STEPS, expected);
    }

    #[test]
    fn last_by_event_time() {
        let expected = "+I pen 1 00:00:05
            +I ink 2 00:00:06
            -U pen 1 00:00:05
            +U pen 3 00:00:05
            -U pen 3 00:00:05
            +U pen 6 00:00:07
            +I cup 7 00:00:05";
        check(
            &spec(EVENT, true),
            &[&spec(EVENT, true).input],
            STEPS,
            expected
                .replace(
                    "+I ink 2 00:00:06\n            -U pen 1 00:00:05\n            +U pen 3 00:00:05",
                    "+I ink 2 00:00:06\n-U pen 1 00:00:05\n+U pen 3 00:00:05",
                )
                .as_str(),
        );
    }

    #[test]
    fn last_by_event_time_without_the_row_before() {
        let folded = DeduplicateSpec { emit_update_before: false, ..spec(EVENT, true) };
        let steps = "+I pen 1 00:00:05
            ----
            +I ink 2 00:00:06
            +I pen 3 00:00:05
            +I pen 8 00:00:05
            ----
            +I pen 4 00:00:04
            ----
            +I pen 6 00:00:07
            +I cup 7 00:00:05
            +I pen 9 00:00:06";
        let expected = ["+I pen 1 00:00:05", "+I ink 2 00:00:06", "+U pen 8 00:00:05", "+U pen 6 00:00:07", "+I cup 7 00:00:05"];
        assert_eq!(run_as_written(&folded, &[&folded.input], steps), expected);
        let every = DeduplicateSpec { every_change: true, ..folded };
        let expected = ["+I pen 1 00:00:05", "+I ink 2 00:00:06", "+U pen 3 00:00:05", "+U pen 8 00:00:05", "+U pen 6 00:00:07", "+I cup 7 00:00:05"];
        assert_eq!(run_as_written(&every, &[&every.input], steps), expected);
    }

    #[test]
    fn last_by_arrival() {
        let spec = spec(TimeAttribute::Processing, true);
        let steps = "+I pen 1 00:00:05
            ----
            +I pen 1 00:00:05
            ----
            +I pen 2 00:00:01
            +I pen 3 00:00:00";
        check(&spec, &[&spec.input], steps, "+I pen 1 00:00:05\n-U pen 1 00:00:05\n+U pen 3 00:00:00");
        let every = DeduplicateSpec { every_change: true, emit_update_before: false, ..spec };
        assert_eq!(run_as_written(&every, &[&every.input], steps), ["+I pen 1 00:00:05", "+U pen 2 00:00:01", "+U pen 3 00:00:00"]);
    }
}
