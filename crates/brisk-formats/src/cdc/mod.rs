//! Formats that carry changes of rows as JSON: a record says what was done and holds the row before or after it.

pub(crate) mod before_after;
pub(crate) mod data_old;
mod options;

use arrow_schema::SchemaRef;
use brisk_core::format::Decoded;
use brisk_core::source::RecordChunk;
use brisk_core::{Result, RowKind};

use crate::column::Column;
use crate::json::fault::Fault;
use crate::outcome::Outcome;
use crate::records::records;

/// Why a record gives no change.
enum Refusal {
    Json(Fault),
    Change(String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Refusal::Json(fault)
    }
}

impl Refusal {
    fn describe(&self, record: &[u8]) -> String {
        match self {
            Refusal::Json(fault) => fault.describe(record),
            Refusal::Change(reason) => reason.clone(),
        }
    }
}

/// Reads one record as rows from `row` on into the columns, and adds their kinds.
trait ReadChange {
    fn columns(&mut self) -> &mut [Column];

    fn read_record(&mut self, record: &[u8], row: usize, kinds: &mut Vec<RowKind>) -> Result<(), Refusal>;
}

/// Decodes all records of a chunk; one that is no change leaves nothing behind.
fn decode(reader: &mut impl ReadChange, schema: &SchemaRef, chunk: &RecordChunk) -> Result<Decoded> {
    let mut outcome = Outcome::new(chunk)?;
    let mut kinds = Vec::new();
    let all_utf8 = std::str::from_utf8(&chunk.data).is_ok();
    for (number, start, end) in records(chunk) {
        let record = &chunk.data[start..end];
        let before = outcome.rows();
        let read = if all_utf8 || std::str::from_utf8(record).is_ok() {
            reader.read_record(record, before, &mut kinds)
        } else {
            Err(Refusal::Change("not valid UTF-8".to_string()))
        };
        match read {
            Ok(()) => (before..kinds.len()).for_each(|_| outcome.row(number)),
            Err(refusal) => {
                kinds.truncate(before);
                reader.columns().iter_mut().for_each(|c| c.truncate(before));
                outcome.bad(chunk, number, start, end, refusal.describe(record));
            }
        }
    }
    let columns = reader.columns().iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
    outcome.finish(schema, columns, Some(kinds))
}
