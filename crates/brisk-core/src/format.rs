//! The contract of a format: pure functions between bytes and batches.
//!
//! Most formats are of records: a record is bytes, whoever carries it, and a [`Decoder`] turns a chunk of them into rows. A
//! *bulk* format (Parquet) lies in whole files with an index of their own; only connectors of files take it. It is read
//! through a [`BulkReader`], which needs to reach any part of the file, and written as the others are, with something to
//! add where a file ends ([`Encoder::finish`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::ChangelogMode;
use crate::source::RecordChunk;
use crate::{ChangelogBatch, Error, Result, Schema};

/// A format by name, such as `json`.
pub trait Format: Send + Sync {
    fn name(&self) -> &'static str;

    /// The JSON schema of the options, without the format's prefix.
    fn options_schema(&self) -> serde_json::Value;

    /// What reads rows of `spec.schema`. Fails with a clear message on a wrong option or type.
    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>>;

    /// What writes rows of `spec.schema`.
    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>>;

    /// Whether it lies in whole files and is read by [`Format::bulk_reader`].
    fn is_bulk(&self) -> bool {
        false
    }

    /// What reads files of `spec.schema`, for bulk formats.
    fn bulk_reader(&self, _spec: &FormatSpec) -> Result<Arc<dyn BulkReaderFactory>> {
        Err(Error::unsupported(format!("format '{}' is of records and not of whole files", self.name())))
    }
}

/// A table's use of a format.
#[derive(Debug, Clone)]
pub struct FormatSpec {
    /// The physical columns, all of them and in the table's order.
    pub schema: Schema,
    /// For a decoder: the columns that are wanted, by their position in `schema`, in order; output has these alone.
    pub projection: Vec<usize>,
    /// The options with the format's prefix taken off (`json.ignore-parse-errors` is `ignore-parse-errors`).
    pub options: BTreeMap<String, String>,
    /// The session's time zone, for formats that print local times.
    pub time_zone: String,
}

pub trait DecoderFactory: Send + Sync {
    fn create(&self) -> Box<dyn Decoder>;

    /// Whether the format's options ask for bad records to be skipped (`ignore-parse-errors`). They are still listed;
    /// where the table has no policy of its own, [`crate::graph::BadRecordPolicy::Skip`] is then the one.
    fn skips_bad_records(&self) -> bool {
        false
    }

    /// Which kinds of change the format can carry.
    fn changelog_mode(&self) -> ChangelogMode;
}

pub trait Decoder: Send {
    /// Decodes all records of the chunk. A record that cannot be decoded is listed in `bad` and gives no row.
    /// Fails only on what no record can be blamed for.
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded>;
}

#[derive(Debug)]
pub struct Decoded {
    pub batch: ChangelogBatch,
    /// For each row its record's number in the chunk, from 0; `None`: row `i` is of record `i`.
    pub records: Option<Vec<u32>>,
    pub bad: Vec<BadRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// The record's number in the chunk, from 0 (empty lines counted where lines are numbered).
    pub record: u32,
    pub raw: bytes::Bytes,
    /// What is wrong, with the column where known.
    pub reason: String,
}

pub trait EncoderFactory: Send + Sync {
    fn create(&self) -> Box<dyn Encoder>;

    /// Which kinds of change the format can write.
    fn changelog_mode(&self) -> ChangelogMode;
}

pub trait Encoder: Send {
    /// Appends every row as a record, separated as the format does it (a line each for text formats).
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()>;

    /// Appends what has to stand behind the last record of a file. Nothing is encoded afterwards.
    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    /// About how many bytes will still come out of what was encoded.
    fn held_bytes(&self) -> usize {
        0
    }
}

pub trait BulkReaderFactory: Send + Sync {
    /// Opens a file: its index is read and its columns are compared with the table's. `origin` is for messages.
    fn open(&self, file: Arc<dyn RandomRead>, origin: &Arc<str>) -> Result<Box<dyn BulkReader>>;
}

/// An open file, whose rows lie in groups that can be read on their own.
pub trait BulkReader: Send {
    fn groups(&self) -> u64;

    /// Goes before row `row` of group `group`, both counted from 0; `row` may be the number of its rows.
    fn seek(&mut self, group: u64, row: u64) -> Result<()>;

    /// Some more rows of the group; `None` at its end.
    fn read(&mut self) -> Result<Option<ChangelogBatch>>;
}

/// A file as a format sees it: bytes that can be read anywhere.
pub trait RandomRead: Send + Sync {
    fn length(&self) -> std::io::Result<u64>;

    /// Fills the buffer from `offset` on, or fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()>;
}
