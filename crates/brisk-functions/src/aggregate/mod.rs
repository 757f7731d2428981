//! Aggregate functions: the contract, and the list of all of them. One function (or one tight family) a file.
//!
//! An [`Accumulator`] holds the state of *many groups* in columns, addressed by dense group numbers that its operator
//! gives out. A window operator numbers (slice, key) pairs, a group aggregate numbers keys. Partial states travel as
//! columns (`state`, `merge`): between slices, from a local to a global aggregation, and into checkpoints.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{Result, SqlType};

use crate::scalar::Argument;

pub trait AggregateFunction: Debug + Send + Sync {
    /// Upper case, as in Flink's documentation.
    fn name(&self) -> &'static str;

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn bind(&self, args: &[Argument]) -> Result<AggregateSignature>;

    /// An empty accumulator for arguments of the bound types. With `retract` it must be able to take rows back;
    /// without, it may keep less (MAX keeps one value and not all).
    fn accumulator(&self, signature: &AggregateSignature, retract: bool) -> Result<Box<dyn Accumulator>>;
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

impl AggregateCall {
    /// The accumulator of this call: the function's own, behind a set of distinct values if DISTINCT.
    pub fn accumulator(&self, retract: bool) -> Result<Box<dyn Accumulator>> {
        let _ = retract;
        Err(brisk_core::Error::internal("to be written"))
    }
}

/// All aggregate functions, in the order of their files.
pub fn aggregate_functions() -> Vec<Arc<dyn AggregateFunction>> {
    Vec::new()
}
