//! Shared by the unit tests of the connectors: tables, contexts, a line format, and reading to the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{BoundFormat, TableDescriptor};
use brisk_core::format::{Encoder, EncoderFactory};
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Framing, Payload, Poll, RecordChunk, SourceReader};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType};

pub(crate) fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, t)| Column::new(*name, SqlType::nullable(t.clone()))).collect())
}

pub(crate) fn context(subtask_index: usize, parallelism: usize) -> SubtaskContext {
    SubtaskContext { operator_id: "0123456789abcdef".into(), subtask_index, parallelism, key_groups: 128, metrics: Arc::default() }
}

/// A table with one STRING column that is written as it is, a line each.
pub(crate) fn lines_table(options: &[(&str, &str)]) -> TableDescriptor {
    table(schema(&[("line", DataType::STRING)]), options)
}

pub(crate) fn table(schema: Schema, options: &[(&str, &str)]) -> TableDescriptor {
    TableDescriptor {
        push_down: brisk_core::connector::PushDown::default(),
        name: "t".into(),
        projection: (0..schema.len()).collect(),
        schema,
        metadata: Vec::new(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
        options: options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>(),
        format: Some(BoundFormat { name: "lines".into(), decoder: None, bulk_reader: None, encoder: Some(Arc::new(LinesEncoder)), judge: None }),
        time_zone: "UTC".into(),
    }
}

struct LinesEncoder;

impl EncoderFactory for LinesEncoder {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(LinesEncoder)
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

impl Encoder for LinesEncoder {
    /// Writes the first column.
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        for line in batch.column(0).as_string::<i32>().iter() {
            out.extend_from_slice(line.unwrap_or("NULL").as_bytes());
            out.push(b'\n');
        }
        Ok(())
    }
}

pub(crate) fn lines_batch(lines: &[&str]) -> ChangelogBatch {
    let column = Arc::new(StringArray::from(lines.to_vec()));
    ChangelogBatch::append(RecordBatch::try_new(lines_table(&[]).schema.to_arrow(), vec![column]).unwrap())
}

/// The records of a chunk as text.
pub(crate) fn records_of(chunk: &RecordChunk) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match &chunk.framing {
        Framing::Lines => chunk.data.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(text).collect(),
        Framing::Offsets(ends) => {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            starts.zip(ends.iter()).map(|(s, e)| text(&chunk.data[s as usize..*e as usize])).collect()
        }
    }
}

/// Polls until nothing comes any more, and gives all records.
pub(crate) fn read_all(reader: &mut dyn SourceReader) -> Vec<String> {
    let mut records = Vec::new();
    while let Some(more) = read_some(reader) {
        records.extend(more);
    }
    records
}

/// The records of the next piece of data; `None` when the reader is idle or finished.
pub(crate) fn read_some(reader: &mut dyn SourceReader) -> Option<Vec<String>> {
    loop {
        match reader.poll(Duration::ZERO).unwrap() {
            Poll::Data(data) => match data.payload {
                Payload::Records(chunk) => return Some(records_of(&chunk)),
                Payload::Rows(_) => panic!("records were expected"),
            },
            Poll::SplitFinished(_) => {}
            Poll::Idle | Poll::Finished => return None,
        }
    }
}
