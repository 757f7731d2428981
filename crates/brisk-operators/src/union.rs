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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, schema};

    #[test]
    fn inputs_are_merged_as_they_come() {
        let input = schema("n BIGINT");
        check(&UnionSpec, &[&input, &input], "+I 1\n1: +I 2\n+I 3\nwatermark 00:00:01", "+I 1\n+I 2\n+I 3");
    }
}
