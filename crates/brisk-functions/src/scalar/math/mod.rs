//! Numbers: rounding, powers and logarithms, trigonometry, other bases, random numbers.

mod base;
mod random;
mod real;
mod round;
mod sign;

use std::sync::Arc;

use super::ScalarFunction;

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [round::functions(), sign::functions(), real::functions(), base::functions(), random::functions()].concat()
}
