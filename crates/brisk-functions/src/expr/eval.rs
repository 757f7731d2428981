//! Evaluation over whole columns.
//!
//! What is constant is computed once a batch, and stays one element until something needs it spread. AND, OR and CASE
//! evaluate their later parts only where the earlier ones leave the answer open: on the whole batch when the part can
//! not fail and is mostly needed, otherwise on the rows in question.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_arith::boolean::{and_kleene, or_kleene};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, RecordBatch, UInt32Array, new_empty_array, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::FilterBuilder;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use arrow_select::zip::zip;
use brisk_core::{Result, SqlType};

use crate::scalar::Call;
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
}

/// The columns that an expression is evaluated over. A narrowed input filters only the columns that are used: the
/// others keep their length and are never looked at.
#[derive(Clone)]
struct Input<'a> {
    columns: Cow<'a, [ArrayRef]>,
    rows: usize,
}

/// CASE is evaluated branch by branch over shrinking inputs unless it is safe and has at most so many branches.
const MAX_BRANCHES_AT_ONCE: usize = 8;

impl Expr {
    pub fn evaluate(&self, rows: &RecordBatch, context: &EvalContext) -> Result<Columnar> {
        evaluate(self, &Input { columns: Cow::Borrowed(rows.columns()), rows: rows.num_rows() }, context)
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
fn predicate(result: &Columnar, rows: usize) -> Result<BooleanArray> {
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

impl Input<'_> {
    /// Keeps the rows of `mask` in the columns of `used`.
    fn narrow(&self, used: &BTreeSet<usize>, mask: &BooleanArray) -> Result<Input<'static>> {
        let filter = FilterBuilder::new(mask).optimize().build();
        let keep = |(i, column): (usize, &ArrayRef)| if used.contains(&i) { filter.filter(column.as_ref()) } else { Ok(column.clone()) };
        let columns = self.columns.iter().enumerate().map(keep).collect::<Result<Vec<_>, _>>()?;
        Ok(Input { columns: Cow::Owned(columns), rows: filter.count() })
    }
}

fn evaluate(expr: &Expr, input: &Input<'_>, context: &EvalContext) -> Result<Columnar> {
    match expr {
        Expr::Column { index, .. } => Ok(Columnar::Array(input.columns[*index].clone())),
        Expr::Literal { value, .. } => Ok(Columnar::Scalar(value.clone())),
        _ if input.rows == 0 => Ok(Columnar::Array(new_empty_array(&expr.sql_type().to_arrow()))),
        Expr::Call { function, args, sql_type } => {
            let values = args.iter().map(|a| evaluate(a, input, context)).collect::<Result<Vec<_>>>()?;
            let arg_types: Vec<SqlType> = args.iter().map(Expr::sql_type).collect();
            let once = function.is_deterministic() && values.iter().all(Columnar::is_scalar);
            let rows = if once { 1 } else { input.rows };
            let result = function.evaluate(&Call { args: &values, arg_types: &arg_types, returns: sql_type, rows, context })?;
            debug_assert_eq!(result.values().data_type(), &sql_type.to_arrow(), "the type of {expr}");
            Ok(if once { Columnar::Scalar(result.into_array(1)?) } else { result })
        }
        Expr::Cast { input: from, sql_type, try_cast } => {
            let value = evaluate(from, input, context)?;
            let result = cast::cast_array(value.values(), &from.sql_type(), sql_type, *try_cast, context)?;
            Ok(value.like(result))
        }
        Expr::And(parts) => logic(parts, false, input, context),
        Expr::Or(parts) => logic(parts, true, input, context),
        Expr::Case { branches, otherwise, sql_type } => {
            if expr.is_safe() && branches.len() <= MAX_BRANCHES_AT_ONCE {
                case_at_once(branches, otherwise.as_deref(), sql_type, input, context)
            } else {
                case_by_branch(expr, branches, otherwise.as_deref(), sql_type, input, context)
            }
        }
    }
}

/// AND (`decides` is false) and OR (`decides` is true) in three-valued logic.
fn logic(parts: &[Expr], decides: bool, input: &Input<'_>, context: &EvalContext) -> Result<Columnar> {
    let mut result = Columnar::Scalar(Arc::new(BooleanArray::from(vec![!decides])));
    for part in parts {
        result = match &result {
            Columnar::Scalar(known) => {
                let known = known.as_boolean();
                if known.is_valid(0) && known.value(0) == decides {
                    return Ok(result);
                }
                let next = evaluate(part, input, context)?;
                if known.is_valid(0) { next } else { combine(&result, &next, decides, input.rows)? }
            }
            Columnar::Array(known) => {
                let known = known.as_boolean();
                let open = open_rows(known, decides);
                let count = open.count_set_bits();
                if count == 0 {
                    return Ok(result);
                }
                if count == input.rows || (part.is_safe() && count * 4 > input.rows) {
                    combine(&result, &evaluate(part, input, context)?, decides, input.rows)?
                } else {
                    let mask = BooleanArray::new(open, None);
                    let narrow = input.narrow(&part.columns(), &mask)?;
                    let open_known = Columnar::Array(arrow_select::filter::filter(known, &mask)?);
                    let found = combine(&open_known, &evaluate(part, &narrow, context)?, decides, count)?;
                    Columnar::Array(Arc::new(scatter(found.values().as_boolean(), mask.values(), decides)))
                }
            }
        };
    }
    Ok(result)
}

/// The rows that are not settled yet.
fn open_rows(known: &BooleanArray, decides: bool) -> BooleanBuffer {
    let undecided = if decides { !known.values() } else { known.values().clone() };
    match known.nulls() {
        Some(valid) => &undecided | &!valid.inner(),
        None => undecided,
    }
}

fn combine(left: &Columnar, right: &Columnar, decides: bool, rows: usize) -> Result<Columnar> {
    let (left, right) = if left.is_scalar() && right.is_scalar() {
        let result = kleene(left.values(), right.values(), decides)?;
        return Ok(Columnar::Scalar(result));
    } else {
        (left.to_array(rows)?, right.to_array(rows)?)
    };
    Ok(Columnar::Array(kleene(&left, &right, decides)?))
}

fn kleene(left: &ArrayRef, right: &ArrayRef, decides: bool) -> Result<ArrayRef> {
    let (left, right) = (left.as_boolean(), right.as_boolean());
    Ok(Arc::new(if decides { or_kleene(left, right)? } else { and_kleene(left, right)? }))
}

/// `found` at the set positions of `open`, `settled` elsewhere.
fn scatter(found: &BooleanArray, open: &BooleanBuffer, settled: bool) -> BooleanArray {
    let mut values = vec![Some(settled); open.len()];
    for (row, value) in open.set_indices().zip(found.iter()) {
        values[row] = value;
    }
    BooleanArray::from(values)
}

/// CASE whose parts cannot fail: all of them on all rows, then chosen from the last branch up.
fn case_at_once(branches: &[(Expr, Expr)], otherwise: Option<&Expr>, sql_type: &SqlType, input: &Input<'_>, context: &EvalContext) -> Result<Columnar> {
    let mut result = match otherwise {
        Some(e) => evaluate(e, input, context)?,
        None => Columnar::Scalar(new_null_array(&sql_type.to_arrow(), 1)),
    };
    for (when, then) in branches.iter().rev() {
        let mask = predicate(&evaluate(when, input, context)?, input.rows)?;
        let taken = mask.true_count();
        if taken == input.rows {
            result = evaluate(then, input, context)?;
        } else if taken > 0 {
            result = Columnar::Array(zip(&mask, &evaluate(then, input, context)?, &result)?);
        }
    }
    Ok(result)
}

/// CASE, each branch on the rows that the earlier ones left.
fn case_by_branch(
    case: &Expr,
    branches: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    sql_type: &SqlType,
    input: &Input<'_>,
    context: &EvalContext,
) -> Result<Columnar> {
    let used = case.columns();
    let mut choice = Choice { results: Vec::new(), places: vec![(0, 0); input.rows], left: (0..input.rows).collect() };
    let mut narrow = input.clone();
    for (when, then) in branches {
        let mask = predicate(&evaluate(when, &narrow, context)?, narrow.rows)?;
        let taken = mask.true_count();
        if taken == 0 {
            continue;
        }
        if taken == narrow.rows {
            let result = evaluate(then, &narrow, context)?;
            if choice.results.is_empty() {
                return Ok(result);
            }
            choice.take_all(result);
            narrow.rows = 0;
            break;
        }
        let result = evaluate(then, &narrow.narrow(&then.columns(), &mask)?, context)?;
        choice.take(result, mask.values());
        narrow = narrow.narrow(&used, &BooleanArray::new(!mask.values(), None))?;
    }
    if narrow.rows > 0 {
        let result = match otherwise {
            Some(e) => evaluate(e, &narrow, context)?,
            None => Columnar::Scalar(new_null_array(&sql_type.to_arrow(), 1)),
        };
        if choice.results.is_empty() {
            return Ok(result);
        }
        choice.take_all(result);
    }
    let results: Vec<&dyn Array> = choice.results.iter().map(|r| r.as_ref()).collect();
    Ok(Columnar::Array(interleave(&results, &choice.places)?))
}

/// Which branch's result each row takes.
struct Choice {
    results: Vec<ArrayRef>,
    /// For each row: which result, and which element of it.
    places: Vec<(usize, usize)>,
    /// The rows without a result.
    left: Vec<usize>,
}

impl Choice {
    /// Gives `result`, an element for each set bit (or one for all), to those of the rows left.
    fn take(&mut self, result: Columnar, mask: &BooleanBuffer) {
        let step = usize::from(!result.is_scalar());
        let which = self.results.len();
        let mut element = 0;
        let mut position = 0;
        self.left.retain(|&row| {
            let taken = mask.value(position);
            position += 1;
            if taken {
                self.places[row] = (which, element);
                element += step;
            }
            !taken
        });
        self.results.push(result.values().clone());
    }

    fn take_all(&mut self, result: Columnar) {
        let all = BooleanBuffer::new_set(self.left.len());
        self.take(result, &all);
    }
}
