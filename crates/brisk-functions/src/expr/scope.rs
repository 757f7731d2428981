//! The evaluation of a [`Program`](super::program::Program)'s nodes over the rows of a batch, or over some of them.
//!
//! What is constant is computed once a batch, and stays one element until something needs it spread. AND, OR and CASE
//! evaluate their later parts only where the earlier ones leave the answer open: over all rows at hand where the part can
//! not fail and is mostly needed, otherwise in a narrower scope, of the rows in question. A scope keeps the values of nodes
//! that several expressions share; a narrower one takes them from there, so nothing is computed twice for a row.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use arrow_arith::boolean::{and_kleene, or_kleene};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_empty_array, new_null_array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use arrow_select::interleave::interleave;
use brisk_core::Result;
use std::sync::Arc;

use super::eval::predicate;
use super::program::{Form, Node};
use crate::scalar::Call;
use crate::{Columnar, EvalContext, cast};

/// The rows that nodes are evaluated over.
pub(super) struct Scope {
    columns: Vec<ArrayRef>,
    pub rows: usize,
    /// The scope that this is part of, and which of its rows these are.
    within: Option<Within>,
    /// The values of shared nodes, as far as they were asked for.
    known: RefCell<Vec<Option<Columnar>>>,
}

struct Within {
    scope: Rc<Scope>,
    mask: BooleanBuffer,
    filter: OnceCell<FilterPredicate>,
    /// Which of the batch's rows these are, where the scope above is not the batch.
    of_batch: OnceCell<(BooleanBuffer, FilterPredicate)>,
}

impl Scope {
    pub fn of(batch: &RecordBatch, nodes: usize) -> Self {
        Self { columns: batch.columns().to_vec(), rows: batch.num_rows(), within: None, known: RefCell::new(vec![None; nodes]) }
    }

    /// The `rows` rows of `scope` that `mask` has set.
    pub fn narrowed(scope: &Rc<Scope>, mask: BooleanBuffer, rows: usize) -> Self {
        let known = RefCell::new(vec![None; scope.known.borrow().len()]);
        let within = Within { scope: Rc::clone(scope), mask, filter: OnceCell::new(), of_batch: OnceCell::new() };
        Self { columns: Vec::new(), rows, within: Some(within), known }
    }

    /// The value of a node that was kept here or in a wider scope.
    fn known(&self, node: usize) -> Result<Option<Columnar>> {
        let own = self.known.borrow()[node].clone();
        let Some(within) = &self.within else { return Ok(own) };
        if own.is_some() {
            return Ok(own);
        }
        let value = match within.scope.nearest(node) {
            None => return Ok(None),
            Some((value @ Columnar::Scalar(_), _)) => value,
            Some((Columnar::Array(array), true)) => Columnar::Array(within.batch_filter()?.filter(&array)?),
            // Kept somewhere in between: by way of the scope above.
            Some(_) => match within.scope.known(node)? {
                Some(Columnar::Array(array)) => Columnar::Array(within.filter().filter(&array)?),
                other => return Ok(other),
            },
        };
        self.keep(node, &value);
        Ok(Some(value))
    }

    /// A value kept here or in the nearest wider scope that has it, and whether that is the whole batch.
    fn nearest(&self, node: usize) -> Option<(Columnar, bool)> {
        match (self.known.borrow()[node].clone(), &self.within) {
            (Some(value), within) => Some((value, within.is_none())),
            (None, Some(within)) => within.scope.nearest(node),
            (None, None) => None,
        }
    }

    fn keep(&self, node: usize, value: &Columnar) {
        self.known.borrow_mut()[node] = Some(value.clone());
    }

    fn batch(self: &Rc<Self>) -> Rc<Scope> {
        match &self.within {
            Some(within) => within.scope.batch(),
            None => Rc::clone(self),
        }
    }
}

impl Within {
    fn filter(&self) -> &FilterPredicate {
        self.filter.get_or_init(|| prepared(&self.mask))
    }

    /// The filter from the batch's rows to these.
    fn batch_filter(&self) -> Result<&FilterPredicate> {
        Ok(match &self.scope.within {
            None => self.filter(),
            Some(_) => &self.of_batch.get_or_init(|| self.composed()).1,
        })
    }

    fn composed(&self) -> (BooleanBuffer, FilterPredicate) {
        let mask = match &self.scope.within {
            None => self.mask.clone(),
            Some(above) => {
                let wider = match &above.scope.within {
                    None => above.mask.clone(),
                    Some(_) => above.of_batch.get_or_init(|| above.composed()).0.clone(),
                };
                spread_bits(&self.mask, &wider)
            }
        };
        let filter = prepared(&mask);
        (mask, filter)
    }
}

fn prepared(mask: &BooleanBuffer) -> FilterPredicate {
    FilterBuilder::new(&BooleanArray::new(mask.clone(), None)).optimize().build()
}

/// The bits of `found`, one for each bit that is set in `rows`, at the places of these.
fn spread_bits(found: &BooleanBuffer, rows: &BooleanBuffer) -> BooleanBuffer {
    let mut bits = BooleanBufferBuilder::new(rows.len());
    bits.append_n(rows.len(), false);
    for (place, found) in rows.set_indices().zip(found) {
        if found {
            bits.set_bit(place, true);
        }
    }
    bits.finish()
}

/// What one batch is evaluated with.
pub(super) struct Run<'a> {
    pub nodes: &'a [Node],
    pub context: &'a EvalContext,
}

/// Up to this cost a part that is not needed for every row is evaluated for all: choosing rows costs as much.
const CHEAP: u32 = 20;

impl Run<'_> {
    pub fn evaluate(&self, id: usize, scope: &Rc<Scope>) -> Result<Columnar> {
        let node = &self.nodes[id];
        if let Form::Literal(value) = &node.form {
            return Ok(Columnar::Scalar(value.clone()));
        }
        if node.is_view {
            return self.view(id, scope);
        }
        if scope.rows == 0 {
            return Ok(Columnar::Array(new_empty_array(&node.arrow_type)));
        }
        if !node.is_shared {
            return self.compute(node, scope);
        }
        if let Some(known) = scope.known(id)? {
            return Ok(known);
        }
        let value = self.compute(node, scope)?;
        scope.keep(id, &value);
        Ok(value)
    }

    /// A column, or a field of one: taken out of the batch, then narrowed.
    fn view(&self, id: usize, scope: &Rc<Scope>) -> Result<Columnar> {
        if let Some(known) = scope.known(id)? {
            return Ok(known);
        }
        let batch = scope.batch();
        let value = match &self.nodes[id].form {
            Form::Column(index) => Columnar::Array(batch.columns[*index].clone()),
            _ => self.compute(&self.nodes[id], &batch)?,
        };
        batch.keep(id, &value);
        if scope.within.is_none() { Ok(value) } else { Ok(scope.known(id)?.unwrap_or(value)) }
    }

    fn compute(&self, node: &Node, scope: &Rc<Scope>) -> Result<Columnar> {
        match &node.form {
            Form::Column(index) => Ok(Columnar::Array(scope.columns[*index].clone())),
            Form::Literal(value) => Ok(Columnar::Scalar(value.clone())),
            Form::Call { function, args, arg_types } => {
                let args = args.iter().map(|&a| self.evaluate(a, scope)).collect::<Result<Vec<_>>>()?;
                let once = function.is_deterministic() && args.iter().all(Columnar::is_scalar);
                let rows = if once { 1 } else { scope.rows };
                let result = function.evaluate(&Call { args: &args, arg_types, returns: &node.sql_type, rows, context: self.context })?;
                debug_assert_eq!(result.values().data_type(), &node.arrow_type, "the type of {}", function.name());
                Ok(if once { Columnar::Scalar(result.into_array(1)?) } else { result })
            }
            Form::Cast { input, from, try_cast } => {
                let value = self.evaluate(*input, scope)?;
                let result = cast::cast_array(value.values(), from, &node.sql_type, *try_cast, self.context)?;
                Ok(value.like(result))
            }
            Form::Logic { parts, decides } => self.logic(parts, *decides, scope),
            Form::Case { branches, otherwise } => self.case(node, branches, *otherwise, scope),
        }
    }

    /// Whether a node that `needed` of the scope's rows ask for is evaluated for all of them.
    fn for_all(&self, id: usize, needed: usize, scope: &Scope) -> bool {
        let node = &self.nodes[id];
        let enough = if node.cost <= CHEAP { scope.rows / 4 } else { scope.rows / 8 * 7 };
        needed == scope.rows || node.is_view || (node.is_safe && needed > enough)
    }

    /// AND (`decides` is false) and OR (`decides` is true) in three-valued logic.
    fn logic(&self, parts: &[usize], decides: bool, scope: &Rc<Scope>) -> Result<Columnar> {
        let mut result = Columnar::Scalar(Arc::new(BooleanArray::from(vec![!decides])));
        for &part in parts {
            result = match &result {
                Columnar::Scalar(known) => {
                    let known = known.as_boolean();
                    if known.is_valid(0) && known.value(0) == decides {
                        return Ok(result);
                    }
                    let next = self.evaluate(part, scope)?;
                    if known.is_valid(0) { next } else { combine(&result, &next, decides, scope.rows)? }
                }
                Columnar::Array(known) => {
                    let known = known.as_boolean();
                    let open = open_rows(known, decides);
                    let count = open.count_set_bits();
                    if count == 0 {
                        return Ok(result);
                    }
                    if self.for_all(part, count, scope) {
                        combine(&result, &self.evaluate(part, scope)?, decides, scope.rows)?
                    } else {
                        let narrow = Rc::new(Scope::narrowed(scope, open.clone(), count));
                        let open_known = Columnar::Array(arrow_select::filter::filter(known, &BooleanArray::new(open.clone(), None))?);
                        let found = combine(&open_known, &self.evaluate(part, &narrow)?, decides, count)?;
                        Columnar::Array(Arc::new(scatter(found.values().as_boolean(), &open, decides)))
                    }
                }
            };
        }
        Ok(result)
    }

    /// The first branch whose condition is true.
    fn case(&self, node: &Node, branches: &[(usize, usize)], otherwise: Option<usize>, scope: &Rc<Scope>) -> Result<Columnar> {
        let mut choice = Choice::new(Rc::clone(scope));
        for &(when, then) in branches {
            if choice.left == 0 {
                break;
            }
            if !self.for_all(when, choice.left, &choice.scope) {
                choice.narrow();
            }
            let mask = predicate(&self.evaluate(when, &choice.scope)?, choice.scope.rows)?;
            let taken = choice.taken(mask.values());
            let count = taken.count_set_bits();
            if count == scope.rows {
                return self.evaluate(then, scope);
            }
            if count > 0 {
                self.take(then, taken, count, &mut choice)?;
            }
        }
        let null = || Columnar::Scalar(new_null_array(&node.arrow_type, 1));
        match otherwise {
            _ if choice.left == 0 => {}
            Some(otherwise) if choice.left == scope.rows => return self.evaluate(otherwise, scope),
            None if choice.left == scope.rows => return Ok(null()),
            Some(otherwise) => {
                let (rest, count) = (choice.rest(), choice.left);
                self.take(otherwise, rest, count, &mut choice)?;
            }
            None => choice.take_scalar(&null(), &choice.rest()),
        }
        choice.result()
    }

    /// Gives a branch's result to the rows of `taken`.
    fn take(&self, then: usize, taken: BooleanBuffer, count: usize, choice: &mut Choice) -> Result<()> {
        let all = self.for_all(then, count, &choice.scope);
        let scope = if all { Rc::clone(&choice.scope) } else { Rc::new(Scope::narrowed(&choice.scope, taken.clone(), count)) };
        match self.evaluate(then, &scope)? {
            result @ Columnar::Scalar(_) => choice.take_scalar(&result, &taken),
            Columnar::Array(result) if all => choice.take(result, &taken, |row, _| row),
            Columnar::Array(result) => choice.take(result, &taken, |_, nth| nth),
        }
        Ok(())
    }
}

/// Which result each row of a CASE takes.
struct Choice {
    /// Conditions are evaluated over these rows of the CASE's; those that have a result are among them until
    /// [`Choice::narrow`] takes them out.
    scope: Rc<Scope>,
    /// Which of the CASE's rows `scope` has; `None`: all.
    rows: Option<BooleanBuffer>,
    /// Those of `scope` without a result; `None`: all.
    open: Option<BooleanBuffer>,
    /// How many these are.
    left: usize,
    results: Vec<ArrayRef>,
    /// For each row of the CASE: which result, and which element of it.
    places: Vec<(usize, usize)>,
}

impl Choice {
    fn new(scope: Rc<Scope>) -> Self {
        let rows = scope.rows;
        Self { scope, rows: None, open: None, left: rows, results: Vec::new(), places: vec![(0, 0); rows] }
    }

    /// Leaves the rows that have a result.
    fn narrow(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.scope = Rc::new(Scope::narrowed(&self.scope, open.clone(), self.left));
        self.rows = Some(match &self.rows {
            Some(rows) => spread_bits(&open, rows),
            None => open,
        });
    }

    /// The rows without a result where a condition is true.
    fn taken(&self, condition: &BooleanBuffer) -> BooleanBuffer {
        match &self.open {
            Some(open) => open & condition,
            None => condition.clone(),
        }
    }

    /// The rows without a result.
    fn rest(&self) -> BooleanBuffer {
        self.open.clone().unwrap_or_else(|| BooleanBuffer::new_set(self.scope.rows))
    }

    fn take_scalar(&mut self, result: &Columnar, taken: &BooleanBuffer) {
        self.take(result.values().clone(), taken, |_, _| 0);
    }

    /// Gives the rows of `taken` elements of `result`: `place` says which, by the row's number in the scope and among
    /// those taken.
    fn take(&mut self, result: ArrayRef, taken: &BooleanBuffer, place: impl Fn(usize, usize) -> usize) {
        let which = self.results.len();
        match &self.rows {
            None => taken.set_indices().enumerate().for_each(|(nth, row)| self.places[row] = (which, place(row, nth))),
            Some(rows) => {
                let mut nth = 0;
                for (row, of_case) in rows.set_indices().enumerate() {
                    if taken.value(row) {
                        self.places[of_case] = (which, place(row, nth));
                        nth += 1;
                    }
                }
            }
        }
        self.results.push(result);
        self.left -= taken.count_set_bits();
        self.open = Some(match &self.open {
            Some(open) => open & &!taken,
            None => !taken,
        });
    }

    fn result(self) -> Result<Columnar> {
        let results: Vec<&dyn Array> = self.results.iter().map(|r| r.as_ref()).collect();
        Ok(Columnar::Array(interleave(&results, &self.places)?))
    }
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
    if left.is_scalar() && right.is_scalar() {
        return Ok(Columnar::Scalar(kleene(left.values(), right.values(), decides)?));
    }
    Ok(Columnar::Array(kleene(&left.to_array(rows)?, &right.to_array(rows)?, decides)?))
}

fn kleene(left: &ArrayRef, right: &ArrayRef, decides: bool) -> Result<ArrayRef> {
    let (left, right) = (left.as_boolean(), right.as_boolean());
    Ok(Arc::new(if decides { or_kleene(left, right)? } else { and_kleene(left, right)? }))
}

/// `found` at the set positions of `open`, `settled` elsewhere.
fn scatter(found: &BooleanArray, open: &BooleanBuffer, settled: bool) -> BooleanArray {
    let values = spread_bits(found.values(), open);
    let values = if settled { &values | &!open } else { values };
    let nulls = found.nulls().map(|valid| arrow_buffer::NullBuffer::new(&spread_bits(valid.inner(), open) | &!open));
    BooleanArray::new(values, nulls)
}
