//! What a decoder gathers besides its columns: which record each row came from, and the records that gave none.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use brisk_core::format::{BadRecord, Decoded};
use brisk_core::source::RecordChunk;
use brisk_core::{ChangelogBatch, Error, Result, RowKind};

/// The largest chunk a decoder takes, so that offsets within a column always fit in 32 bits.
const CHUNK_BYTES_MAX: usize = 512 << 20;

#[derive(Default)]
pub(crate) struct Outcome {
    rows: u32,
    /// `None` as long as row `i` is of record `i`.
    records: Option<Vec<u32>>,
    bad: Vec<BadRecord>,
}

impl Outcome {
    pub fn new(chunk: &RecordChunk) -> Result<Self> {
        if chunk.data.len() > CHUNK_BYTES_MAX {
            return Err(Error::internal(format!("{}: a chunk of {} bytes is too large to decode", chunk.origin, chunk.data.len())));
        }
        Ok(Self::default())
    }

    /// The next row is of `record`.
    #[inline]
    pub fn row(&mut self, record: u32) {
        match &mut self.records {
            Some(records) => records.push(record),
            None if record == self.rows => {}
            None => {
                let mut records: Vec<u32> = (0..self.rows).collect();
                records.push(record);
                self.records = Some(records);
            }
        }
        self.rows += 1;
    }

    /// `record`, at `start..end` of the chunk, gives no row.
    pub fn bad(&mut self, chunk: &RecordChunk, record: u32, start: usize, end: usize, reason: String) {
        self.bad.push(BadRecord { record, raw: chunk.data.slice(start..end), reason });
    }

    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Puts the columns together. `kinds: None`: all rows are insertions.
    pub fn finish(self, schema: &SchemaRef, columns: Vec<ArrayRef>, kinds: Option<Vec<RowKind>>) -> Result<Decoded> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows as usize));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let batch = match kinds {
            Some(kinds) => ChangelogBatch::new(rows, kinds),
            None => ChangelogBatch::append(rows),
        };
        Ok(Decoded { batch, records: self.records, bad: self.bad })
    }
}
