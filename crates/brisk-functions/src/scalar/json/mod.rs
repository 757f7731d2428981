//! Functions of JSON text. The files say how the binder passes the words that SQL has for them.

mod construct;
mod is_json;
mod path;
mod query;
mod quote;
pub(crate) mod text;
mod tree;

use std::sync::Arc;

use super::ScalarFunction;

/// All of them, in the order of their files.
pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    let families = [construct::FUNCTIONS, is_json::FUNCTIONS, query::FUNCTIONS, quote::FUNCTIONS];
    families.iter().flat_map(|family| family.iter()).map(|function| function.shared()).collect()
}
