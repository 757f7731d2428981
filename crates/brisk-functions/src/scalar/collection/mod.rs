//! Arrays, maps, multisets and rows: constructors, access, and the ARRAY_* and MAP_* functions.

mod access;
mod construct;
mod elements;
mod fold;
mod lists;
mod map;
mod sets;

use std::sync::Arc;

use super::ScalarFunction;

pub use access::field_access;

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [construct::functions(), access::functions(), elements::functions(), sets::functions(), fold::functions(), map::functions()].concat()
}

#[cfg(test)]
mod tests;
