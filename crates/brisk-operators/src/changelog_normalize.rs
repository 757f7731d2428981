//! Turns an upsert stream (or one with duplicate changes) into a full changelog by remembering the last row of every key.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

/// Remembers the last row of every key. `+I`/`+U` of a known key becomes `-U`/`+U` (nothing if the row is the same and
/// there is no TTL), of an unknown one `+I`; `-D` deletes the remembered row; `-U` is ignored.
#[derive(Debug, Clone)]
pub struct ChangelogNormalizeSpec {
    pub input: Schema,
    /// The primary key.
    pub key: Vec<usize>,
    pub emit_update_before: bool,
    pub ttl_ms: Option<i64>,
}

impl OperatorFactory for ChangelogNormalizeSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("ChangelogNormalizeSpec is not ready yet"))
    }
}
