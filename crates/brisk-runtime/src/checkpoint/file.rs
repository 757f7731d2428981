//! Encoding and decoding of the state file; the format is in the module's description.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, UInt16Array};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema};
use brisk_core::key_group::hash_bytes;
use brisk_core::{Error, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::capture::Capture;
use super::store::{ObjectPlace, ObjectWriter};

const MAGIC: &[u8; 8] = b"BRSKST03";
/// Version 1 knows no generations, all is of the first; version 2 no logs.
const OLDER: [&[u8; 8]; 2] = [b"BRSKST01", b"BRSKST02"];
/// Directory length and checksum.
const TRAILER: usize = 12;
/// Files up to this size are kept in memory until they are complete, and written together.
pub(crate) const SMALL_BYTES: usize = 1 << 20;
/// Batches are encoded in pieces of at most so many rows, so that what the encoder copies about stays in the cache.
const BATCH_ROWS: usize = 2048;
/// A section with so many rows gets no more batches.
const SECTION_ROWS: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    Put,
    Delete,
    /// To a log.
    Append,
}

/// Where a section lies in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    table: String,
    form: Form,
    offset: usize,
    length: usize,
    rows: usize,
    /// A later generation hides what earlier ones say of its keys.
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u32,
    /// Of the section's bytes; before version 3 there was only the whole file's.
    #[serde(default)]
    checksum: u64,
}

fn is_first(generation: &u32) -> bool {
    *generation == 0
}

/// What has been written.
pub(crate) struct Finished {
    pub content: Content,
    pub length: u64,
    pub checksum: u64,
    /// Whether it does no more than add to logs, so that what older files say counts as before.
    pub only_appends: bool,
}

pub(crate) enum Content {
    /// It is small, or there is no place for it.
    Memory(Vec<u8>),
    /// It has only to be given its name.
    Object(ObjectWriter),
}

/// A state file that grows by the parts of one snapshot, each encoded when it comes, and written when it is encoded: a large
/// state is on its way to the disk before the last part of it is there, and takes no memory of its own size.
pub(crate) struct FileBuilder {
    content: Content,
    /// Where it goes once it is large.
    place: Option<ObjectPlace>,
    length: usize,
    directory: Vec<Entry>,
    /// The newest generation of every table.
    generations: BTreeMap<String, u32>,
    /// The section being encoded; its memory is used again for the next.
    section: Vec<u8>,
}

impl FileBuilder {
    /// A file that stays in memory up to [`SMALL_BYTES`], and beyond where there is no place for it.
    pub fn new(place: Option<ObjectPlace>) -> Self {
        let begin = MAGIC.to_vec();
        let length = begin.len();
        Self { content: Content::Memory(begin), place, length, directory: Vec::new(), generations: BTreeMap::new(), section: Vec::new() }
    }

    /// Adds a part that was written ahead.
    pub fn add(&mut self, part: &Capture) -> Result<()> {
        self.encode(part, false)
    }

    /// Adds what was captured at the barrier: all that it says counts, also of an operator that knows nothing of parts.
    pub fn add_last(&mut self, part: &Capture) -> Result<()> {
        self.encode(part, true)
    }

    fn encode(&mut self, part: &Capture, is_last: bool) -> Result<()> {
        for (table, entries) in &part.tables {
            let generation = match self.generations.get_mut(table) {
                Some(generation) => {
                    *generation += u32::from(entries.supersedes || is_last);
                    *generation
                }
                None => 0,
            };
            let puts = (Form::Put, entry_batches(&entries.puts)?);
            let deletes = (Form::Delete, delete_batches(&entries.deletes)?);
            let appends = (Form::Append, entry_batches(&entries.appends)?);
            for (form, batches) in [puts, deletes, appends] {
                // Nothing in a log hides anything, so all of it is of the first generation.
                let generation = if form == Form::Append { 0 } else { generation };
                for batches in sections(&batches) {
                    self.write_section(table, form, generation, batches)?;
                }
                if form != Form::Append && !batches.is_empty() {
                    self.generations.insert(table.clone(), generation);
                }
            }
        }
        Ok(())
    }

    fn write_section(&mut self, table: &str, form: Form, generation: u32, batches: &[RecordBatch]) -> Result<()> {
        let mut section = std::mem::take(&mut self.section);
        section.clear();
        write_stream(&mut section, &batches[0].schema(), batches)?;
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let (offset, length, checksum) = (self.length, section.len(), hash_bytes(&section));
        self.directory.push(Entry { table: table.to_owned(), form, offset, length, rows, generation, checksum });
        self.write(&section)?;
        self.section = section;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len();
        if let (Content::Memory(begin), true) = (&self.content, self.length > SMALL_BYTES)
            && let Some(place) = self.place.take()
        {
            let mut object = place.create()?;
            object.write(begin)?;
            self.content = Content::Object(object);
        }
        match &mut self.content {
            Content::Memory(out) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Content::Object(object) => object.write(bytes),
        }
    }

    /// The whole file; `None` when there is nothing to write.
    pub fn finish(mut self) -> Result<Option<Finished>> {
        if self.directory.is_empty() {
            return Ok(None);
        }
        let only_appends = self.directory.iter().all(|e| e.form == Form::Append);
        let mut end = serde_json::to_vec(&self.directory).map_err(|e| Error::internal(format!("cannot write a state file's directory: {e}")))?;
        end.extend_from_slice(&(end.len() as u32).to_le_bytes());
        let checksum = hash_bytes(&end);
        end.extend_from_slice(&checksum.to_le_bytes());
        let directory_start = self.length;
        self.write(&end)?;
        if let Content::Object(object) = &mut self.content {
            for entry in &self.directory {
                object.compare(entry.offset, entry.length, &mut self.section, |bytes| hash_bytes(bytes) == entry.checksum)?;
            }
            object.compare(directory_start, end.len(), &mut self.section, |bytes| bytes == end)?;
        }
        Ok(Some(Finished { content: self.content, length: self.length as u64, checksum, only_appends }))
    }
}

/// The batches in groups that are not much larger than a section should be.
fn sections(batches: &[RecordBatch]) -> impl Iterator<Item = &[RecordBatch]> {
    let mut left = batches;
    std::iter::from_fn(move || {
        let (mut rows, mut end) = (0, 0);
        while rows < SECTION_ROWS && end < left.len() {
            rows += left[end].num_rows();
            end += 1;
        }
        let (section, rest) = left.split_at(end);
        left = rest;
        (!section.is_empty()).then_some(section)
    })
}

/// A state file in memory whose checksum was verified.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    bytes: Bytes,
    directory: Arc<[Entry]>,
}

/// Entries of one table: key groups, keys, and the table's own columns (none in a deletion).
pub(crate) struct Entries {
    pub key_groups: UInt16Array,
    pub keys: BinaryArray,
    pub rows: RecordBatch,
}

impl StateFile {
    /// Verifies the bytes against the checksums inside and the one that the manifest expects.
    pub fn open(bytes: Bytes, expected: u64) -> Result<Self> {
        let damaged = |what: &str| Error::corrupt(format!("damaged state file: {what}"));
        let is_old = OLDER.iter().any(|magic| bytes.starts_with(*magic));
        if bytes.len() < MAGIC.len() + TRAILER || !(is_old || bytes.starts_with(MAGIC)) {
            return Err(damaged("it does not begin as one"));
        }
        let differs = || damaged("its checksum does not match");
        let body = bytes.len() - 8;
        let end = body - 4;
        let length = u32::from_le_bytes(bytes[end..body].try_into().expect("four bytes")) as usize;
        let start = end.checked_sub(length).filter(|s| *s >= MAGIC.len()).ok_or_else(|| damaged("its directory is too long"))?;
        let stored = u64::from_le_bytes(bytes[body..].try_into().expect("eight bytes"));
        if stored != expected || hash_bytes(&bytes[if is_old { 0 } else { start }..body]) != stored {
            return Err(differs());
        }
        let directory: Vec<Entry> = serde_json::from_slice(&bytes[start..end]).map_err(|e| damaged(&e.to_string()))?;
        if directory.iter().any(|e| e.offset.checked_add(e.length).is_none_or(|section_end| section_end > start)) {
            return Err(damaged("a section lies outside of it"));
        }
        if !is_old && directory.iter().any(|e| hash_bytes(&bytes[e.offset..e.offset + e.length]) != e.checksum) {
            return Err(differs());
        }
        Ok(Self { bytes, directory: directory.into() })
    }

    /// The number of generations of a table.
    pub fn generations(&self, table: &str) -> u32 {
        self.directory.iter().filter(|e| e.table == table).map(|e| e.generation + 1).max().unwrap_or(0)
    }

    /// The batches of a generation, each decoded when it is asked for.
    pub fn read<'a>(&'a self, table: &'a str, form: Form, generation: u32) -> impl Iterator<Item = Result<Entries>> + 'a {
        let wanted = move |e: &&Entry| e.table == table && e.form == form && e.generation == generation;
        self.directory.iter().filter(wanted).flat_map(|entry| {
            let section = self.bytes.slice(entry.offset..entry.offset + entry.length);
            let (reader, fault) = match StreamReader::try_new(Cursor::new(section), None) {
                Ok(reader) => (Some(reader), None),
                Err(e) => (None, Some(Err(e.into()))),
            };
            fault.into_iter().chain(reader.into_iter().flatten().map(|batch| split_columns(&batch?)))
        })
    }

    /// How many entries a table has in a form, generations not told apart.
    pub fn count(&self, table: &str, form: Form) -> usize {
        self.directory.iter().filter(|e| e.table == table && e.form == form).map(|e| e.rows).sum()
    }
}

fn split_columns(batch: &RecordBatch) -> Result<Entries> {
    let damaged = || Error::corrupt("damaged state file: no key columns");
    if batch.num_columns() < 2 {
        return Err(damaged());
    }
    let key_groups = batch.column(0).as_primitive_opt::<UInt16Type>().ok_or_else(damaged)?.clone();
    let keys = batch.column(1).as_binary_opt::<i32>().ok_or_else(damaged)?.clone();
    let schema = Arc::new(Schema::new(batch.schema().fields()[2..].to_vec()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let rows = RecordBatch::try_new_with_options(schema, batch.columns()[2..].to_vec(), &options)?;
    Ok(Entries { key_groups, keys, rows })
}

fn key_fields() -> Vec<Arc<Field>> {
    vec![Arc::new(Field::new("key_group", DataType::UInt16, false)), Arc::new(Field::new("key", DataType::Binary, false))]
}

fn entry_batches(entries: &[(UInt16Array, BinaryArray, RecordBatch)]) -> Result<Vec<RecordBatch>> {
    let Some((_, _, first)) = entries.first() else { return Ok(Vec::new()) };
    let schema = Arc::new(Schema::new([key_fields(), first.schema().fields().to_vec()].concat()));
    let batch = |(groups, keys, rows): &(UInt16Array, BinaryArray, RecordBatch)| {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(groups.clone()), Arc::new(keys.clone())];
        columns.extend(rows.columns().iter().cloned());
        RecordBatch::try_new(schema.clone(), columns).map_err(|e| Error::internal(format!("state rows of differing schemas: {e}")))
    };
    let whole: Vec<RecordBatch> = entries.iter().map(batch).collect::<Result<_>>()?;
    let slices = |batch: &RecordBatch| {
        let batch = batch.clone();
        (0..batch.num_rows()).step_by(BATCH_ROWS).map(move |start| batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)))
    };
    Ok(whole.iter().flat_map(slices).collect())
}

fn delete_batches(deletes: &[(UInt16Array, BinaryArray)]) -> Result<Vec<RecordBatch>> {
    let schema = Arc::new(Schema::new(key_fields()));
    let batch = |(groups, keys): &(UInt16Array, BinaryArray)| {
        let columns: Vec<ArrayRef> = vec![Arc::new(groups.clone()), Arc::new(keys.clone())];
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    };
    deletes.iter().map(batch).collect()
}

fn write_stream(out: &mut Vec<u8>, schema: &Schema, batches: &[RecordBatch]) -> Result<()> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let mut writer = StreamWriter::try_new_with_options(out, schema, options)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::super::store::CheckpointStore;
    use super::*;
    use arrow_array::Int64Array;
    use brisk_core::snapshot::{SnapshotKind, SnapshotWriter};

    fn sample() -> (Vec<u8>, u64) {
        let mut capture = Capture::new(SnapshotKind::Incremental);
        let column: ArrayRef = Arc::new(Int64Array::from(vec![10, 20]));
        let rows = RecordBatch::try_from_iter([("sum", column)]).unwrap();
        capture.put("sums", &[3, 4], &BinaryArray::from(vec![b"a".as_slice(), b"b"]), &rows).unwrap();
        capture.delete("sums", &[5], &BinaryArray::from(vec![b"c".as_slice()])).unwrap();
        let mut file = FileBuilder::new(None);
        file.add(&capture).unwrap();
        let file = file.finish().unwrap().unwrap();
        assert!(!file.only_appends);
        (bytes_of(file.content), file.checksum)
    }

    fn bytes_of(content: Content) -> Vec<u8> {
        match content {
            Content::Memory(bytes) => bytes,
            Content::Object(_) => panic!("it should be in memory"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, checksum) = sample();
        let file = StateFile::open(bytes.into(), checksum).unwrap();
        assert_eq!((file.generations("sums"), file.generations("other")), (1, 0));
        let all = |table: &str, form| file.read(table, form, 0).collect::<Result<Vec<_>>>().unwrap();
        let puts = all("sums", Form::Put);
        assert_eq!((puts[0].key_groups.values().to_vec(), puts[0].keys.value(1)), (vec![3, 4], b"b".as_slice()));
        assert_eq!(puts[0].rows.column(0).as_primitive::<arrow_array::types::Int64Type>().values(), &[10, 20]);
        assert_eq!(all("sums", Form::Delete)[0].keys.value(0), b"c");
        assert!(all("other", Form::Put).is_empty());
        assert_eq!((file.count("sums", Form::Put), file.count("sums", Form::Append), file.count("other", Form::Put)), (2, 0, 0));
    }

    #[test]
    fn files_of_older_versions_are_read() {
        for magic in OLDER {
            let (mut bytes, _) = sample();
            bytes[..8].copy_from_slice(magic);
            let body = bytes.len() - 8;
            let checksum = hash_bytes(&bytes[..body]);
            bytes[body..].copy_from_slice(&checksum.to_le_bytes());
            let file = StateFile::open(bytes.into(), checksum).unwrap();
            assert_eq!(file.read("sums", Form::Put, 0).next().unwrap().unwrap().keys.value(1), b"b");
        }
    }

    /// Part after part goes to the disk, in sections of a bounded size.
    #[test]
    fn large_files_are_written_as_they_grow() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::local(dir.path()).unwrap();
        let mut file = FileBuilder::new(Some(ObjectPlace { store: store.clone(), path: "chk-1/0-0.part".to_owned() }));
        let rows = 3 * SECTION_ROWS as i64;
        for part in 0..4 {
            let mut capture = Capture::new(SnapshotKind::Full);
            for start in (0..rows).step_by(1000) {
                let values: Vec<i64> = (start..rows.min(start + 1000)).map(|n| n * 7919 + part).collect();
                let keys = BinaryArray::from_iter_values(values.iter().map(|v| v.to_le_bytes()));
                let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
                capture.put("t", &vec![0; values.len()], &keys, &RecordBatch::try_from_iter([("v", column)]).unwrap()).unwrap();
            }
            file.add(&capture).unwrap();
        }
        let Finished { content, length, checksum, .. } = file.finish().unwrap().unwrap();
        let Content::Object(object) = content else { panic!("it is large") };
        assert!(store.get("chk-1/a.state").is_err());
        object.finish("chk-1/a.state").unwrap();
        let bytes = store.get("chk-1/a.state").unwrap();
        assert_eq!(bytes.len() as u64, length);
        assert_eq!(store.files().unwrap(), ["chk-1/a.state"]);
        let file = StateFile::open(bytes, checksum).unwrap();
        assert!(file.directory.iter().all(|e| e.rows < SECTION_ROWS + 1000));
        assert_eq!(file.read("t", Form::Put, 0).map(|e| e.unwrap().rows.num_rows()).sum::<usize>(), 4 * rows as usize);
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let (bytes, checksum) = sample();
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 1;
            assert!(StateFile::open(damaged.into(), checksum).is_err(), "byte {i}");
            assert!(StateFile::open(Bytes::copy_from_slice(&bytes[..i]), checksum).is_err(), "cut at {i}");
        }
    }
}
