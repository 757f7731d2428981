//! From Flink SQL to a stream graph: catalog, binder, logical plan, rules, changelog modes, physical planning, EXPLAIN.
//!
//! ```text
//!   text --brisk-parser--> syntax --bind/--> logical plan --rules/--> logical plan --physical/--> stream graph
//!                            ^                                                          |
//!                         catalog                                                    explain
//! ```
//!
//! This crate makes graphs and runs nothing.

pub mod bind;
pub mod catalog;
pub mod explain;
pub mod logical;
pub mod physical;
pub mod rules;
pub mod session;
