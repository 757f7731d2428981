//! CROSS JOIN and LEFT JOIN with a table function of the row: UNNEST and its like.

use std::sync::Arc;

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};
use brisk_functions::Expr;
use brisk_functions::table::TableFunction;

#[derive(Debug, Clone)]
pub struct UnnestSpec {
    pub function: Arc<dyn TableFunction>,
    /// Over the input's columns.
    pub args: Vec<Expr>,
    /// The columns that the function gives, as its `bind` said.
    pub returns: Schema,
    /// Adds an INT column that counts the function's rows of each input row from 1 (WITH ORDINALITY).
    pub ordinality: bool,
    /// A BOOLEAN over the input's columns, the function's and the ordinality: the join's condition.
    pub condition: Option<Expr>,
    /// Whether an input row without a row of the function appears, with nulls (LEFT JOIN).
    pub left: bool,
    /// Input's columns, function's columns, ordinality.
    pub output: Schema,
    pub time_zone: chrono_tz::Tz,
}

impl OperatorFactory for UnnestSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("UnnestSpec is not ready yet"))
    }
}
