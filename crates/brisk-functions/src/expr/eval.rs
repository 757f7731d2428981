//! What an evaluation takes and gives, and the evaluation of a single expression. How it goes is in [`super::program`].

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, RecordBatch, UInt32Array, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_select::take::take;
use brisk_core::Result;

use super::program::Program;
use crate::{Expr, cast};

/// What an evaluation gives: a value a row, or one for all rows.
#[derive(Debug, Clone)]
pub enum Columnar {
    Array(ArrayRef),
    /// One element.
    Scalar(ArrayRef),
}

/// What an evaluation may know besides its columns.
#[derive(Debug, Clone)]
pub struct EvalContext {
    /// Processing time, for CURRENT_TIMESTAMP, PROCTIME() and their like: the same for all rows of a batch.
    pub processing_time_ms: i64,
    /// The session's zone (`table.local-time-zone`).
    pub time_zone: chrono_tz::Tz,
    /// The last watermark, for CURRENT_WATERMARK; none where none has come or none could.
    pub watermark_ms: Option<i64>,
}

impl Expr {
    /// What is evaluated more than once is better kept as a [`Program`].
    pub fn evaluate(&self, rows: &RecordBatch, context: &EvalContext) -> Result<Columnar> {
        Program::once(self).first(rows, context)
    }

    /// One value a row.
    pub fn evaluate_array(&self, rows: &RecordBatch, context: &EvalContext) -> Result<ArrayRef> {
        self.evaluate(rows, context)?.into_array(rows.num_rows())
    }

    /// A condition: where it is true. UNKNOWN counts as false, so there are no nulls.
    pub fn evaluate_predicate(&self, rows: &RecordBatch, context: &EvalContext) -> Result<BooleanArray> {
        predicate(&self.evaluate(rows, context)?, rows.num_rows())
    }

    /// Whether no row can make the evaluation fail.
    pub fn is_safe(&self) -> bool {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => true,
            Expr::Call { function, args, .. } => function.is_safe() && args.iter().all(Expr::is_safe),
            Expr::Cast { input, sql_type, try_cast } => (*try_cast || cast::is_safe(&input.sql_type(), sql_type)) && input.is_safe(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().all(Expr::is_safe),
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().all(|(when, then)| when.is_safe() && then.is_safe()) && otherwise.as_ref().is_none_or(|e| e.is_safe())
            }
        }
    }
}

impl Columnar {
    /// One value a row.
    pub fn into_array(self, rows: usize) -> Result<ArrayRef> {
        match self {
            Columnar::Array(array) => Ok(array),
            Columnar::Scalar(value) => spread(&value, rows),
        }
    }

    /// One value a row, for kernels that know only arrays.
    pub fn to_array(&self, rows: usize) -> Result<ArrayRef> {
        match self {
            Columnar::Array(array) => Ok(array.clone()),
            Columnar::Scalar(value) => spread(value, rows),
        }
    }

    /// The array behind it: as many elements as rows, or one.
    pub fn values(&self) -> &ArrayRef {
        match self {
            Columnar::Array(a) | Columnar::Scalar(a) => a,
        }
    }

    pub fn is_scalar(&self) -> bool {
        matches!(self, Columnar::Scalar(_))
    }

    /// Whether it is a constant NULL.
    pub fn is_null_scalar(&self) -> bool {
        matches!(self, Columnar::Scalar(v) if v.is_null(0) || v.data_type() == &arrow_schema::DataType::Null)
    }

    /// Puts `array`, computed from this one element for element, into the same form.
    pub fn like(&self, array: ArrayRef) -> Columnar {
        match self {
            Columnar::Array(_) => Columnar::Array(array),
            Columnar::Scalar(_) => Columnar::Scalar(array),
        }
    }
}

/// Arrow's kernels take a column or a constant for an operand.
impl Datum for Columnar {
    fn get(&self) -> (&dyn Array, bool) {
        match self {
            Columnar::Array(a) => (a.as_ref(), false),
            Columnar::Scalar(a) => (a.as_ref(), true),
        }
    }
}

/// `value`, one element, for every row.
pub(crate) fn spread(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    if rows == 1 {
        return Ok(value.clone());
    }
    if value.is_null(0) {
        return Ok(new_null_array(value.data_type(), rows));
    }
    Ok(take(value, &UInt32Array::from(vec![0u32; rows]), None)?)
}

/// A boolean result as a mask without nulls.
pub(super) fn predicate(result: &Columnar, rows: usize) -> Result<BooleanArray> {
    Ok(match result {
        Columnar::Array(a) => without_nulls(a.as_boolean()),
        Columnar::Scalar(v) => {
            let truth = v.as_boolean_opt().is_some_and(|v| v.is_valid(0) && v.value(0));
            BooleanArray::new(if truth { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) }, None)
        }
    })
}

fn without_nulls(mask: &BooleanArray) -> BooleanArray {
    match mask.nulls() {
        Some(valid) if valid.null_count() > 0 => BooleanArray::new(mask.values() & valid.inner(), None),
        _ => mask.clone(),
    }
}
