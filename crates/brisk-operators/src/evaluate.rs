//! Evaluation of expressions over batches: the one place where operators meet [`Expr`].

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::BooleanBuffer;
use brisk_core::Result;
use brisk_functions::expr::Outcome;
use brisk_functions::{EvalContext, Expr, Program};

/// Evaluates expressions in a session's time zone.
#[derive(Debug, Clone, Copy)]
pub struct Evaluator {
    time_zone: chrono_tz::Tz,
    watermark_ms: Option<i64>,
}

impl Evaluator {
    pub fn new(time_zone: chrono_tz::Tz) -> Self {
        Self { time_zone, watermark_ms: None }
    }

    /// Event time has come so far, for CURRENT_WATERMARK.
    pub fn set_watermark(&mut self, time_ms: i64) {
        self.watermark_ms = Some(time_ms);
    }

    pub fn watermark_ms(&self) -> Option<i64> {
        self.watermark_ms
    }

    /// A filter and projections that were made ready.
    pub fn run(&self, program: &Program, rows: &RecordBatch, now_ms: i64) -> Result<Outcome> {
        program.run(rows, &self.context(now_ms))
    }

    /// As [`Evaluator::run`], with columns of all rows.
    pub fn select(&self, program: &Program, rows: &RecordBatch, now_ms: i64) -> Result<Outcome> {
        program.select(rows, &self.context(now_ms))
    }

    /// One array, as long as the batch.
    pub fn array(&self, expr: &Expr, rows: &RecordBatch, now_ms: i64) -> Result<ArrayRef> {
        expr.evaluate_array(rows, &self.context(now_ms))
    }

    /// Where a condition is true; null is false.
    pub fn mask(&self, condition: &Expr, rows: &RecordBatch, now_ms: i64) -> Result<BooleanBuffer> {
        Ok(condition.evaluate_predicate(rows, &self.context(now_ms))?.values().clone())
    }

    fn context(&self, now_ms: i64) -> EvalContext {
        EvalContext { processing_time_ms: now_ms, time_zone: self.time_zone, watermark_ms: self.watermark_ms }
    }
}
