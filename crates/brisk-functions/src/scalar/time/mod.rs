//! Functions of dates, times and timestamps.

use std::sync::Arc;

use super::ScalarFunction;

/// All of them, in the order of their files.
pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    Vec::new()
}
