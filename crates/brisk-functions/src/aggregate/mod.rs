//! Aggregate functions: the contract, and the list of all of them. One function (or one tight family) a file.
//!
//! An [`Accumulator`] holds the state of *many groups* in columns, addressed by dense group numbers that its operator
//! gives out. A window operator numbers (slice, key) pairs, a group aggregate numbers keys. Partial states travel as
//! columns (`state`, `merge`): between slices, from a local to a global aggregation, and into checkpoints.
//!
//! What a call says besides its values is a trailing text literal, which the binder adds:
//! `ARRAY_AGG(x, 'IGNORE NULLS')`, `JSON_OBJECTAGG(k, v, 'ABSENT ON NULL')`, `JSON_ARRAYAGG(v, 'NULL ON NULL')`.

mod approx_count_distinct;
mod array_agg;
mod avg;
mod bind;
mod collect;
mod count;
mod distinct;
mod domain;
mod first_last;
mod json_agg;
mod listagg;
mod min_max;
mod over;
mod percentile;
#[cfg(test)]
mod properties;
mod rows;
mod sequence;
mod shared;
mod single_value;
mod sum;
mod tally;
mod variance;

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{Result, SqlType};

use crate::scalar::Argument;

pub use over::{OverSignature, over_function_signature};
pub use shared::{Accumulators, CallGroup, SharedAccumulator, accumulators};
pub use tally::Views;

pub trait AggregateFunction: Debug + Send + Sync {
    /// Upper case, as in Flink's documentation.
    fn name(&self) -> &'static str;

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The types that the arguments must be cast to and the result's type for a group that has rows; see
    /// [`AggregateFunction::returns`].
    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature>;

    /// An empty accumulator for arguments of the bound types. With `retract` it must be able to take rows back;
    /// without, it may keep less (MAX keeps one value and not all).
    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>>;

    /// Whether a group without rows has a result that is not NULL (COUNT).
    fn never_null(&self) -> bool {
        false
    }

    /// Whether rows with a NULL argument do not count.
    fn skips_nulls(&self) -> bool {
        true
    }

    /// Whether the order of the rows shows in the result.
    fn keeps_order(&self) -> bool {
        false
    }

    /// The result's type where groups may be empty: without GROUP BY, or behind a FILTER.
    fn returns(&self, signature: &AggregateSignature, may_be_empty: bool) -> SqlType {
        let nullable = signature.returns.nullable || (may_be_empty && !self.never_null());
        signature.returns.with_nullable(nullable)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AggregateSignature {
    /// The types that the arguments must be cast to.
    pub args: Vec<SqlType>,
    pub returns: SqlType,
    /// The values of constant arguments (the fraction of PERCENTILE, the separator of LISTAGG); `None` for columns.
    pub literals: Vec<Option<ArrayRef>>,
}

/// The states of many groups. Group numbers are dense, from 0; a group that was never seen is empty.
pub trait Accumulator: Send {
    /// Makes room for groups below `groups`; new ones are empty.
    fn resize(&mut self, groups: usize);

    /// Adds rows: `groups[i]` is row `i`'s group. Where `retract` is given, a row with `true` is taken back instead.
    /// `args` have the signature's types, one array each (constants spread out), all as long as `groups`.
    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()>;

    /// Adds partial states, as `state` gave them, to groups.
    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()>;

    /// The results of these groups, in this order, of the signature's `returns` type.
    fn values(&self, groups: &[u32]) -> Result<ArrayRef>;

    /// The partial states of these groups: one array for each of [`Accumulator::state_types`].
    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>>;

    fn state_types(&self) -> Vec<SqlType>;

    /// Empties groups, so that their numbers can be given out again.
    fn clear(&mut self, groups: &[u32]);

    /// Forgets all groups and keeps the room that they took; `false` where a kind cannot, and nothing is done.
    fn reset(&mut self) -> bool {
        false
    }

    /// Bytes held, roughly.
    fn bytes(&self) -> usize;
}

/// One aggregate of a query: `function(DISTINCT args) FILTER (WHERE filter)`, over the columns of the operator's input.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    pub function: Arc<dyn AggregateFunction>,
    pub signature: AggregateSignature,
    /// Positions of the arguments in the input; literals are materialised as columns by the planner's projection.
    pub args: Vec<usize>,
    pub distinct: bool,
    /// Position of a BOOLEAN column: rows where it is not true do not count.
    pub filter: Option<usize>,
    /// The output column's name, for plans.
    pub name: String,
}

/// All aggregate functions, in the order of their files.
pub fn aggregate_functions() -> Vec<Arc<dyn AggregateFunction>> {
    vec![
        Arc::new(approx_count_distinct::ApproxCountDistinct),
        Arc::new(array_agg::ArrayAgg),
        Arc::new(avg::Avg),
        Arc::new(collect::Collect),
        Arc::new(count::Count),
        Arc::new(first_last::FirstLast::First),
        Arc::new(first_last::FirstLast::Last),
        Arc::new(json_agg::JsonArrayAgg),
        Arc::new(json_agg::JsonObjectAgg),
        Arc::new(listagg::ListAgg),
        Arc::new(min_max::MinMax::Min),
        Arc::new(min_max::MinMax::Max),
        Arc::new(percentile::Percentile),
        Arc::new(single_value::SingleValue),
        Arc::new(sum::Sum { zero_when_empty: false }),
        Arc::new(sum::Sum { zero_when_empty: true }),
        Arc::new(variance::Variance::StddevPop),
        Arc::new(variance::Variance::StddevSamp),
        Arc::new(variance::Variance::VarPop),
        Arc::new(variance::Variance::VarSamp),
    ]
}

/// The function of this name or alias, in any case.
pub fn aggregate_function(name: &str) -> Option<Arc<dyn AggregateFunction>> {
    let name = name.to_ascii_uppercase();
    aggregate_functions().into_iter().find(|f| f.name() == name || f.aliases().contains(&name.as_str()))
}
