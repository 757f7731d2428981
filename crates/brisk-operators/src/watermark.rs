//! Watermarks from a SQL expression: `WATERMARK FOR ts AS ts - INTERVAL '5' SECOND`.
//!
//! The watermark is the greatest value that the expression has had so far; a row for which it is NULL says nothing. It
//! is made by the source, a split at a time ([`WatermarkSpec`] as a [`WatermarkStrategy`]), or by an operator in the
//! middle of a stream where the watermark cannot be pushed into the source ([`WatermarkAssignerSpec`]).

use std::time::Duration;

use arrow_array::{Array, ArrayRef};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::source::{WatermarkGenerator, WatermarkStrategy};
use brisk_core::{ChangelogBatch, Error, Result, Watermark};
use brisk_functions::{Expr, Program};

use crate::evaluate::Evaluator;
use crate::passed_time::{read_passed_time, write_passed_time};
use crate::time_attribute::times_ms;

#[derive(Debug, Clone)]
pub struct WatermarkSpec {
    /// A timestamp over the columns of the stream's rows.
    pub watermark: Expr,
    /// A source split that is silent for so long is set aside.
    pub idle_timeout: Option<Duration>,
    /// A watermark after every row and not once a batch (`pipeline.auto-watermark-interval` = 0).
    pub every_row: bool,
    /// The expression as the user wrote it, for EXPLAIN.
    pub description: String,
    pub time_zone: chrono_tz::Tz,
}

/// Assigns watermarks inside a stream; those that arrive are ignored, but for the end of the input.
#[derive(Debug, Clone)]
pub struct WatermarkAssignerSpec(pub WatermarkSpec);

impl WatermarkStrategy for WatermarkSpec {
    fn generator(&self) -> Result<Box<dyn WatermarkGenerator>> {
        Ok(Box::new(ExprGenerator::new(self)))
    }

    fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    fn every_row(&self) -> bool {
        self.every_row
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl OperatorFactory for WatermarkAssignerSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(WatermarkAssigner { generator: ExprGenerator::new(&self.0), every_row: self.0.every_row, sent: Watermark::MIN }))
    }
}

/// The greatest value of an expression so far.
struct ExprGenerator {
    program: Program,
    evaluator: Evaluator,
    watermark: i64,
}

impl ExprGenerator {
    fn new(spec: &WatermarkSpec) -> Self {
        Self { program: Program::new(None, std::slice::from_ref(&spec.watermark)), evaluator: Evaluator::new(spec.time_zone), watermark: Watermark::MIN }
    }

    fn values(&self, batch: &ChangelogBatch) -> Result<ArrayRef> {
        // A watermark that follows the machine's clock would make the answer depend on it; only rows count.
        let mut values = self.evaluator.run(&self.program, &batch.rows, 0)?.columns;
        values.pop().ok_or_else(|| Error::internal("a watermark without a value"))
    }
}

impl WatermarkGenerator for ExprGenerator {
    fn after_batch(&mut self, batch: &ChangelogBatch) -> Result<Option<i64>> {
        let values = self.values(batch)?;
        let times = times_ms(&values)?;
        let greatest = match values.nulls() {
            None => times.iter().copied().max(),
            Some(valid) => valid.valid_indices().map(|row| times[row]).max(),
        };
        self.watermark = greatest.map_or(self.watermark, |time| time.max(self.watermark));
        Ok((self.watermark != Watermark::MIN).then_some(self.watermark))
    }

    fn after_rows(&mut self, batch: &ChangelogBatch) -> Result<Vec<i64>> {
        let values = self.values(batch)?;
        let after = |(row, &time): (usize, &i64)| {
            if time > self.watermark && values.is_valid(row) {
                self.watermark = time;
            }
            self.watermark
        };
        Ok(times_ms(&values)?.iter().enumerate().map(after).collect())
    }
}

struct WatermarkAssigner {
    generator: ExprGenerator,
    every_row: bool,
    sent: i64,
}

impl Operator for WatermarkAssigner {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if !self.every_row {
            let watermark = self.generator.after_batch(&batch)?;
            out.batch(batch)?;
            return self.send(watermark.unwrap_or(Watermark::MIN), out);
        }
        let mut start = 0;
        for (row, watermark) in self.generator.after_rows(&batch)?.into_iter().enumerate() {
            if watermark > self.sent {
                out.batch(batch.slice(start, row + 1 - start))?;
                self.send(watermark, out)?;
                start = row + 1;
            }
        }
        out.batch(batch.slice(start, batch.num_rows() - start))
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        match time {
            Watermark::MAX => self.send(time, out),
            _ => Ok(()),
        }
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        write_passed_time(writer, self.generator.watermark)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.generator.watermark = read_passed_time(reader)?;
        Ok(())
    }
}

impl WatermarkAssigner {
    fn send(&mut self, watermark: i64, out: &mut Output) -> Result<()> {
        if watermark <= self.sent {
            return Ok(());
        }
        self.sent = watermark;
        out.watermark(watermark)
    }
}

#[cfg(test)]
mod tests {
    use brisk_core::graph::OperatorFactory;
    use brisk_core::operator::VecCollector;

    use super::*;
    use crate::expr_for_tests::{UTC, column};
    use crate::harness::{batch, print, schema};

    fn spec(every_row: bool) -> WatermarkSpec {
        let input = schema("n BIGINT, ts TIMESTAMP(3)");
        WatermarkSpec { watermark: column(&input, 1), idle_timeout: None, every_row, description: "ts".into(), time_zone: UTC }
    }

    fn check(every_row: bool, expected: &[&str]) {
        let context = SubtaskContext { operator_id: "0".into(), subtask_index: 0, parallelism: 1, key_groups: 128, metrics: Default::default() };
        let mut operator = WatermarkAssignerSpec(spec(every_row)).create(&context).unwrap();
        let mut collector = VecCollector::default();
        let rows = batch(&schema("n BIGINT, ts TIMESTAMP(3)"), ["+I 1 NULL", "+I 2 00:00:02", "+I 3 00:00:01", "+I 4 00:00:03"].into_iter());
        operator.on_batch(0, rows, &mut Output::new(&mut collector, 0)).unwrap();
        operator.on_watermark(5, &mut Output::new(&mut collector, 0)).unwrap();
        let shown: Vec<String> = collector.batches.iter().map(|b| print(b).join(", ")).chain(collector.watermarks.iter().map(|w| format!("{w:?}"))).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_watermark_is_the_greatest_value_so_far() {
        check(false, &["+I 1 NULL, +I 2 00:00:02, +I 3 00:00:01, +I 4 00:00:03", "Time(3000)"]);
        check(true, &["+I 1 NULL, +I 2 00:00:02", "+I 3 00:00:01, +I 4 00:00:03", "Time(2000)", "Time(3000)"]);
    }

    #[test]
    fn a_split_has_a_watermark_of_its_own() {
        let mut generator = spec(true).generator().unwrap();
        let rows = batch(&schema("n BIGINT, ts TIMESTAMP(3)"), ["+I 1 NULL", "+I 2 00:00:02", "+I 3 00:00:01"].into_iter());
        assert_eq!(generator.after_rows(&rows).unwrap(), [i64::MIN, 2000, 2000]);
        assert_eq!(generator.after_batch(&rows).unwrap(), Some(2000));
    }
}
