//! Functions of dates, times and timestamps.
//!
//! Where SQL writes a unit as a word, the binder passes it as a text literal in capitals:
//!
//! | SQL | call |
//! |---|---|
//! | `EXTRACT(DAY FROM x)` | `EXTRACT('DAY', x)` |
//! | `FLOOR(x TO DAY)`, `CEIL(x TO DAY)` | `FLOOR TO(x, 'DAY')`, `CEIL TO(x, 'DAY')` |
//! | `TIMESTAMPADD(DAY, n, x)`, `TIMESTAMPDIFF(DAY, a, b)` | `TIMESTAMPADD('DAY', n, x)`, `TIMESTAMPDIFF('DAY', a, b)` |
//! | `(a, b) OVERLAPS (c, d)` | `OVERLAPS(a, b, c, d)`; also `PERIOD CONTAINS`, `PERIOD EQUALS`, `PRECEDES`, `SUCCEEDS`, `IMMEDIATELY PRECEDES`, `IMMEDIATELY SUCCEEDS` |
//!
//! `SQL_TSI_DAY` and its like are units too. CURRENT_DATE and what else is written without parentheses is a call without
//! arguments. SOURCE_WATERMARK is the planner's.

mod add_diff;
mod calendar;
mod current_watermark;
mod extract;
mod floor;
mod format;
mod now;
mod parse;
mod pattern;
mod period;
mod point;
mod unit;

use std::sync::Arc;

use super::ScalarFunction;

/// All of them, in the order of their files.
pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    let families = [
        add_diff::FUNCTIONS,
        current_watermark::FUNCTIONS,
        extract::FUNCTIONS,
        floor::FUNCTIONS,
        format::FUNCTIONS,
        now::FUNCTIONS,
        parse::FUNCTIONS,
        period::FUNCTIONS,
    ];
    families.iter().flat_map(|family| family.iter()).map(|function| function.shared()).collect()
}

#[cfg(test)]
mod tests;
