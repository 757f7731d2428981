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

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn rows_are_given_once() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let source = ValuesSource { rows: RecordBatch::try_from_iter([("n", column)]).unwrap() };
        let context = SubtaskContext { operator_id: "0".into(), subtask_index: 0, parallelism: 1, key_groups: 128, metrics: Default::default() };
        let mut reader = source.reader(&context, Vec::new()).unwrap();
        assert!(matches!(reader.poll(Duration::ZERO).unwrap(), Poll::Data(_)));
        assert!(matches!(reader.poll(Duration::ZERO).unwrap(), Poll::Finished));
        let state = reader.snapshot().unwrap();
        assert!(matches!(source.reader(&context, state).unwrap().poll(Duration::ZERO).unwrap(), Poll::Finished));
    }
}
