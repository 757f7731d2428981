//! From what a reader gives to rows of the source's schema: decoding, bad records, metadata columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use brisk_core::format::{BadRecord, Decoder};
use brisk_core::graph::{BadRecordPolicy, SourceNode, bad_record_schema};
use brisk_core::metrics::TaskMetrics;
use brisk_core::source::{Framing, Payload, RecordChunk, SourceData};
use brisk_core::{ChangelogBatch, Error, Result, Schema};

/// How much of a bad record a message shows.
const SHOWN_BYTES: usize = 200;

pub(crate) struct Decoding {
    decoder: Option<Box<dyn Decoder>>,
    policy: BadRecordPolicy,
    schema: SchemaRef,
    metrics: Arc<TaskMetrics>,
}

impl Decoding {
    pub fn new(node: &SourceNode, schema: &Schema, metrics: Arc<TaskMetrics>) -> Self {
        Self { decoder: node.decoder.as_ref().map(|d| d.create()), policy: node.bad_records, schema: schema.to_arrow(), metrics }
    }

    /// The rows, and the records that go to the dead letters.
    pub fn rows(&mut self, data: SourceData) -> Result<(ChangelogBatch, Option<ChangelogBatch>)> {
        let (batch, records, letters) = match data.payload {
            Payload::Rows(batch) => (batch, None, None),
            Payload::Records(chunk) => self.decode(&chunk)?,
        };
        self.metrics.records_in.add(batch.num_rows() as u64);
        if data.metadata.is_empty() {
            return Ok((batch, letters));
        }
        Ok((self.with_metadata(&batch, &data.metadata, records.as_deref())?, letters))
    }

    fn decode(&mut self, chunk: &RecordChunk) -> Result<(ChangelogBatch, Option<Vec<u32>>, Option<ChangelogBatch>)> {
        self.metrics.bytes_in.add(chunk.data.len() as u64);
        let decoder = self.decoder.as_mut().ok_or_else(|| Error::internal(format!("{}: records without a format to decode them", chunk.origin)))?;
        let decoded = decoder.decode(chunk).map_err(|e| e.context(&chunk.origin))?;
        self.metrics.bad_records.add(decoded.bad.len() as u64);
        let letters = match (decoded.bad.first(), self.policy) {
            (None, _) | (_, BadRecordPolicy::Skip) => None,
            (Some(bad), BadRecordPolicy::Fail) => return Err(bad_record_error(chunk, bad)),
            (_, BadRecordPolicy::DeadLetter) => Some(dead_letters(chunk, &decoded.bad)?),
        };
        Ok((decoded.batch, decoded.records, letters))
    }

    /// Adds the metadata columns behind the physical ones.
    fn with_metadata(&self, batch: &ChangelogBatch, metadata: &[ArrayRef], records: Option<&[u32]>) -> Result<ChangelogBatch> {
        let rows = batch.num_rows();
        let mut columns = batch.rows.columns().to_vec();
        for values in metadata {
            columns.push(match records {
                _ if values.len() == 1 && rows != 1 => take(values, &UInt32Array::from(vec![0; rows]), None)?,
                _ if values.len() == 1 => values.clone(),
                Some(records) => take(values, &UInt32Array::from(records.to_vec()), None)?,
                None => values.clone(),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|e| Error::internal(format!("a source's columns differ from its schema: {e}")))?;
        Ok(batch.with_rows(rows))
    }
}

fn bad_record_error(chunk: &RecordChunk, bad: &BadRecord) -> Error {
    let unit = if matches!(chunk.framing, Framing::Lines) { "line" } else { "record" };
    let shown = String::from_utf8_lossy(&bad.raw[..bad.raw.len().min(SHOWN_BYTES)]).into_owned();
    Error::bad_record(format!("{}, {unit} {}: {}: {shown}", chunk.origin, record_number(chunk, bad), bad.reason))
        .with_remedy("mend the record, or let the table skip bad records")
}

fn record_number(chunk: &RecordChunk, bad: &BadRecord) -> u64 {
    chunk.first_record + u64::from(bad.record)
}

fn dead_letters(chunk: &RecordChunk, bad: &[BadRecord]) -> Result<ChangelogBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from_iter_values(bad.iter().map(|b| &b.raw))),
        Arc::new(StringArray::from_iter_values(bad.iter().map(|b| &b.reason))),
        Arc::new(StringArray::from_iter_values(bad.iter().map(|_| &chunk.origin))),
        Arc::new(Int64Array::from_iter_values(bad.iter().map(|b| record_number(chunk, b) as i64))),
    ];
    Ok(ChangelogBatch::append(RecordBatch::try_new(bad_record_schema().to_arrow(), columns)?))
}
