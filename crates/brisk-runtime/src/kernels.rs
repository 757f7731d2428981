//! Inner loops of the runtime, for benchmarks alone.

use arrow_array::{BinaryArray, RecordBatch};
use brisk_core::snapshot::{Keys, SnapshotKind, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result};

use crate::checkpoint::capture::Capture;
use crate::checkpoint::file::{Content, FileBuilder, Finished, Form, StateFile};
use crate::exchange::HashRouter;

/// Takes a batch apart for the subtasks that own its keys.
pub struct Exchange(HashRouter);

impl Exchange {
    pub fn new(key_columns: Vec<usize>, key_groups: u16, parallelism: usize) -> Self {
        Self(HashRouter::new(key_columns, key_groups, parallelism))
    }

    pub fn split(&mut self, batch: ChangelogBatch) -> Result<Vec<(usize, ChangelogBatch)>> {
        self.0.split(batch)
    }
}

/// A state file with some entries of one table, and its checksum.
pub fn encode_state(entries: &[(Vec<u16>, BinaryArray, RecordBatch)]) -> Result<(Vec<u8>, u64)> {
    let mut capture = Capture::new(SnapshotKind::Full);
    for (groups, keys, rows) in entries {
        capture.put("t", Keys::given(groups, keys), rows)?;
    }
    let mut file = FileBuilder::new(None);
    file.add_last(&capture)?;
    Ok(match file.finish()? {
        Some(Finished { content: Content::Memory(bytes), checksum, .. }) => (bytes.as_slice().to_vec(), checksum),
        _ => (Vec::new(), 0),
    })
}

/// How many entries a file of [`encode_state`] has, each verified and decoded.
pub fn decode_state(bytes: &[u8], checksum: u64) -> Result<usize> {
    let file = StateFile::open(bytes.to_vec().into(), checksum)?;
    file.read("t", Form::Put, 0).try_fold(0, |sum, entries| Ok(sum + entries?.rows.num_rows()))
}
