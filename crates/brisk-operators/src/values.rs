//! VALUES as a source: literal rows, given once.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Payload, Poll, Source, SourceData, SourceReader, SplitState, owns_split};
use brisk_core::{ChangelogBatch, Result};

const SPLIT: &str = "values";

#[derive(Debug, Clone)]
pub struct ValuesSource {
    pub rows: RecordBatch,
}

impl Source for ValuesSource {
    fn is_bounded(&self) -> bool {
        true
    }

    fn max_parallelism(&self) -> Option<usize> {
        Some(1)
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let given = restored.iter().any(|s| &*s.split == SPLIT && s.state == [1]);
        let mine = owns_split(SPLIT, context.subtask_index, context.parallelism);
        Ok(Box::new(ValuesReader { rows: (mine && !given).then(|| self.rows.clone()), mine }))
    }

    fn describe(&self) -> String {
        format!("values({} rows)", self.rows.num_rows())
    }
}

struct ValuesReader {
    /// `None` once they were given.
    rows: Option<RecordBatch>,
    mine: bool,
}

impl SourceReader for ValuesReader {
    fn poll(&mut self, _max_wait: Duration) -> Result<Poll> {
        let Some(rows) = self.rows.take() else { return Ok(Poll::Finished) };
        let payload = Payload::Rows(ChangelogBatch::append(rows));
        Ok(Poll::Data(SourceData { split: Arc::from(SPLIT), payload, metadata: Vec::new() }))
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let state = vec![u8::from(self.rows.is_none())];
        Ok(if self.mine { vec![SplitState { split: Arc::from(SPLIT), state }] } else { Vec::new() })
    }
}
