//! Table functions: each input row gives any number of rows (UNNEST). The contract and the list.

mod replicate_rows;
mod unnest;

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};
use brisk_core::{Result, Schema};

use crate::scalar::Argument;

pub trait TableFunction: Debug + Send + Sync {
    fn name(&self) -> &'static str;

    /// The columns that it gives.
    fn bind(&self, args: &[Argument]) -> Result<Schema>;

    /// For each output row the input row that it comes from (not falling), and the output columns.
    fn evaluate(&self, args: &[ArrayRef], returns: &Schema, rows: usize) -> Result<(UInt32Array, Vec<ArrayRef>)>;
}

/// All table functions. WITH ORDINALITY is the matter of the operator that calls them.
pub fn table_functions() -> Vec<Arc<dyn TableFunction>> {
    vec![Arc::new(unnest::Unnest)]
}

/// The function that INTERSECT ALL and EXCEPT ALL end with; see its file.
pub fn replicate_rows() -> Arc<dyn TableFunction> {
    Arc::new(replicate_rows::ReplicateRows)
}

/// The function of this name, in any case.
pub fn table_function(name: &str) -> Option<Arc<dyn TableFunction>> {
    table_functions().into_iter().find(|f| f.name().eq_ignore_ascii_case(name))
}
