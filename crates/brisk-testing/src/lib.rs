//! Golden scripts: SQL, what arrives, what comes out.
//!
//! ```text
//!   *.slt --> script --> run, once in every mode --> compare --> report
//!                         |  session, planner, jobs
//!                         `- table rows (feed), sinks that collect
//! ```
//!
//! The runner has no expectation of its own: scripts hold those. The format is told in `tests/sql/README.md`.

mod compare;
mod connector;
mod mode;
mod registry;
mod report;
mod rows;
mod run;
mod script;
mod sink;
mod stream;

pub use mode::Mode;
pub use registry::LibraryRegistry;
pub use report::{Failure, Report, find_scripts, run_file, summary};

/// A lock that a panic elsewhere does not take from us.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
