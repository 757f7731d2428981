//! Puts the changes of a sink's primary key in order when the stream's own key is another one.

use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Result, Schema};

/// Keeps, for every primary key of the sink, the rows that claim it, in the order of their arrival; the sink is told of
/// the last of them. The output is an upsert stream (`+I`, `+U`, `-D`).
#[derive(Debug, Clone)]
pub struct SinkUpsertMaterializerSpec {
    pub input: Schema,
    /// The sink's primary key.
    pub key: Vec<usize>,
    /// The upsert key of the input, if it has one: a row with the same one replaces in place.
    pub input_upsert_key: Option<Vec<usize>>,
    pub ttl_ms: Option<i64>,
}

impl OperatorFactory for SinkUpsertMaterializerSpec {
    fn create(&self, _context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        Err(brisk_core::Error::internal("SinkUpsertMaterializerSpec is not ready yet"))
    }
}
