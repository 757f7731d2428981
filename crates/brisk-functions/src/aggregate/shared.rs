//! Calls that share an accumulator, because they read the same arguments and differ by what FILTER lets through.
//!
//! `COUNT(*), COUNT(*) FILTER (WHERE a), COUNT(DISTINCT x), COUNT(DISTINCT x) FILTER (WHERE a)` are two accumulators of
//! two calls each: the numbers of rows side by side, and one set of values. A call is a *view* of its accumulator; a row
//! comes with a bit for each view that it counts for.

use arrow_array::ArrayRef;
use brisk_core::{Result, SqlType};

use super::tally::{MAX_VIEWS, Views};
use super::{Accumulator, AggregateCall, count, distinct};

/// As [`Accumulator`], for several calls.
pub trait SharedAccumulator: Send {
    fn resize(&mut self, groups: usize);

    /// Adds rows, or takes them back. `views[i]` are the views that row `i` counts for; without it all rows count for all.
    fn update(&mut self, groups: &[u32], args: &[ArrayRef], views: Option<&[Views]>, retract: Option<&[bool]>) -> Result<()>;

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()>;

    /// The results of one view.
    fn values(&self, view: usize, groups: &[u32]) -> Result<ArrayRef>;

    /// The partial states of all views together.
    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>>;

    fn state_types(&self) -> Vec<SqlType>;

    fn clear(&mut self, groups: &[u32]);

    /// As [`Accumulator::reset`].
    fn reset(&mut self) -> bool {
        false
    }

    fn bytes(&self) -> usize;
}

pub enum Accumulators {
    One(Box<dyn Accumulator>),
    Shared(Box<dyn SharedAccumulator>),
}

/// Some calls of an aggregation and what accumulates for them; the calls' places in the list are the order of the views.
pub struct CallGroup {
    pub calls: Vec<usize>,
    pub accumulators: Accumulators,
}

/// Accumulators for all of `calls`, which share what they can.
pub fn accumulators(calls: &[AggregateCall], retract: bool) -> Result<Vec<CallGroup>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        match groups.iter_mut().find(|g| g.len() < MAX_VIEWS && share(&calls[g[0]], call)) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    let group = |places: Vec<usize>| Ok(CallGroup { accumulators: of_group(calls, &places, retract)?, calls: places });
    groups.into_iter().map(group).collect()
}

fn share(a: &AggregateCall, b: &AggregateCall) -> bool {
    match (a.args == b.args, is_distinct(a), is_distinct(b)) {
        (true, true, true) => distinct::share((a.function.as_ref(), &a.signature), (b.function.as_ref(), &b.signature)),
        (true, false, false) => is_count(a) && is_count(b),
        _ => false,
    }
}

fn of_group(calls: &[AggregateCall], places: &[usize], retract: bool) -> Result<Accumulators> {
    let first = &calls[places[0]];
    if is_distinct(first) {
        let views: Vec<distinct::View<'_>> = places.iter().map(|&p| (calls[p].function.as_ref(), &calls[p].signature)).collect();
        return distinct::accumulator(&views, retract).map(Accumulators::Shared);
    }
    if is_count(first) && (places.len() > 1 || first.filter.is_some()) {
        return Ok(Accumulators::Shared(count::shared(places.len())));
    }
    first.function.accumulator(&first.signature, retract).map(Accumulators::One)
}

/// Whether the call needs a set: the others do not care how often a value comes.
fn is_distinct(call: &AggregateCall) -> bool {
    call.distinct && !matches!(call.function.name(), "MIN" | "MAX" | "SINGLE_VALUE")
}

fn is_count(call: &AggregateCall) -> bool {
    call.function.name() == "COUNT" && !call.distinct
}
