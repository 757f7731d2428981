//! UNION ALL: rows of every input go on as they are. The runtime combines the inputs' watermarks.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::{ChangelogBatch, Result};

/// All inputs must have one schema.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnionSpec;

impl OperatorFactory for UnionSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Union))
    }
}

struct Union;

impl Operator for Union {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        out.batch(batch)
    }
}
