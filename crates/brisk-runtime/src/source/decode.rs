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
        .with_remedy("mend the record, or set 'scan.bad-records' = 'skip' or 'dead-letter' of the table")
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

#[cfg(test)]
mod tests {
    use super::*;
    use brisk_core::format::{Decoded, DecoderFactory};
    use brisk_core::{Column, DataType, SqlType, batch::ChangelogMode};
    use bytes::Bytes;

    /// One number a line; what is no number is bad.
    struct Numbers;

    impl DecoderFactory for Numbers {
        fn create(&self) -> Box<dyn Decoder> {
            Box::new(Numbers)
        }
        fn changelog_mode(&self) -> ChangelogMode {
            ChangelogMode::Append
        }
    }

    impl Decoder for Numbers {
        fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
            let (mut values, mut records, mut bad) = (Vec::new(), Vec::new(), Vec::new());
            for (i, line) in std::str::from_utf8(&chunk.data).unwrap().lines().enumerate() {
                match line.parse::<i64>() {
                    Ok(value) => (values.push(value), records.push(i as u32)).1,
                    Err(e) => bad.push(BadRecord { record: i as u32, raw: Bytes::copy_from_slice(line.as_bytes()), reason: e.to_string() }),
                }
            }
            let column: ArrayRef = Arc::new(Int64Array::from(values));
            let batch = ChangelogBatch::append(RecordBatch::try_from_iter([("v", column)]).unwrap());
            Ok(Decoded { batch, records: Some(records), bad })
        }
    }

    /// Decodes `7 x 9`, with the offset of each record as metadata; shows rows and dead letters.
    fn check(policy: BadRecordPolicy, expected: Result<&str, &str>) {
        let source = crate::job_tests::numbers_source(Arc::new(Numbers), policy);
        let number = |name: &str| Column::new(name, SqlType::nullable(DataType::BigInt));
        let schema = Schema::new(vec![number("v"), number("offset"), number("partition")]);
        let mut decoding = Decoding::new(&source, &schema, Arc::default());
        let chunk = RecordChunk { data: Bytes::from_static(b"7\nx\n9"), framing: Framing::Lines, origin: "a.txt".into(), first_record: 5 };
        let metadata: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![50, 60, 70])), Arc::new(Int64Array::from(vec![3]))];
        let data = SourceData { split: "a.txt".into(), payload: Payload::Records(chunk), metadata };
        let shown = decoding.rows(data).map(|(rows, letters)| {
            let letters = letters.map_or(String::new(), |l| format!(" dead {}", show(&l)));
            format!("{}{letters}", show(&rows))
        });
        assert_eq!(shown.as_deref().map_err(|e| e.message.as_str()), expected);
        assert_eq!(decoding.metrics.bad_records.get(), 1);
    }

    fn show(batch: &ChangelogBatch) -> String {
        format!(
            "{:?}",
            batch
                .rows
                .columns()
                .iter()
                .map(|c| arrow_cast::cast(c, &arrow_schema::DataType::Utf8).unwrap())
                .map(|c| {
                    let texts = arrow_array::cast::AsArray::as_string::<i32>(&c);
                    texts.iter().flatten().collect::<Vec<_>>().join(",")
                })
                .collect::<Vec<_>>()
        )
        .replace('"', "")
    }

    #[test]
    fn a_bad_record_is_named_skipped_or_kept_aside() {
        check(BadRecordPolicy::Fail, Err("a.txt, line 6: invalid digit found in string: x"));
        check(BadRecordPolicy::Skip, Ok("[7,9, 50,70, 3,3]"));
        check(BadRecordPolicy::DeadLetter, Ok("[7,9, 50,70, 3,3] dead [x, invalid digit found in string, a.txt, 6]"));
    }
}
