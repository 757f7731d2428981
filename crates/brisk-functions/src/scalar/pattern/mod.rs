//! Patterns: LIKE, SIMILAR TO, and regular expressions as Java understands them.

pub mod java_regex;
mod like;
mod regexp;
mod required;
mod similar;
mod steps;

use std::sync::Arc;

use super::ScalarFunction;

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [like::functions(), similar::functions(), regexp::functions()].concat()
}
