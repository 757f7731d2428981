//! The operators: filter and project, windows, aggregates, joins, top-n, deduplication, OVER, MATCH_RECOGNIZE, sorting.
//!
//! Every operator is a plain `...Spec` struct that the planner fills in and that makes the operator of each subtask
//! ([`brisk_core::graph::OperatorFactory`]). Columns are named by position, expressions are over the operator's own
//! input row (for a join: the left row's columns, then the right row's).

pub mod calc;
pub mod changelog_normalize;
pub mod deduplicate;
pub mod evaluate;
pub mod expand;
#[cfg(test)]
mod expr_for_tests;
pub mod first_pairs;
pub mod group_aggregate;
pub mod interval_join;
pub mod join;
mod joiner;
pub mod late_rows;
pub mod limit;
pub mod local_top_n;
pub mod match_recognize;
pub mod not_null;
pub mod over_aggregate;
mod passed_time;
pub mod regular_join;
mod row_kind;
mod row_table;
pub mod session_window_aggregate;
mod session_window_table_function;
pub mod sink_upsert_materializer;
pub mod sort;
pub mod sort_key;
pub mod temporal_join;
pub mod time_attribute;
pub mod top_n;
pub mod union;
pub mod unnest;
mod used_columns;
pub mod values;
pub mod watermark;
pub mod window_aggregate;
pub mod window_assigner;
pub mod window_join;
pub mod window_table_function;
pub mod window_top_n;

mod aggregate_set;
mod batches;
mod deduplicate_first;
mod deduplicate_last;
mod group_changes;
#[cfg(test)]
mod harness;
mod hop_window_aggregate;
mod latest_rows;
mod local_window_aggregate;
#[cfg(test)]
mod properties;
mod rank_key;
mod ranked_rows;
mod slices;
mod window_pane;
mod window_property;
