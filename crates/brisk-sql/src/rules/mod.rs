//! Rewrites of the logical plan that change its cost and not its answer. One rule a file; the list is ordered.

pub mod expressions;
mod prune_columns;
mod push_filter;

use std::collections::BTreeSet;

use brisk_core::Result;

use crate::logical::Plan;

/// Applies all rules. Rows that come too late are to have the columns `of_late_rows`, where their input has them.
pub fn optimize(plan: Plan, of_late_rows: &BTreeSet<String>) -> Result<Plan> {
    let plan = push_filter::push_filter(plan)?;
    prune_columns::prune_columns(plan, of_late_rows)
}
