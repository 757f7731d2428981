//! Rewrites of the logical plan that change its cost and not its answer. One rule a file; the list is ordered.

pub mod expressions;
mod prune_columns;
mod push_filter;

use brisk_core::Result;

use crate::logical::Plan;

/// Applies all rules.
pub fn optimize(plan: Plan) -> Result<Plan> {
    let plan = push_filter::push_filter(plan)?;
    prune_columns::prune_columns(plan)
}
