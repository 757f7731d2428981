//! Encoding and decoding of the state file; the format is in the module's description.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, BinaryArray, RecordBatch, RecordBatchOptions, UInt16Array};
use arrow_buffer::Buffer;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamEncoder};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use brisk_core::key_group::hash_bytes;
use brisk_core::snapshot::Keys;
use brisk_core::{Error, Result, packed};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::capture::{Capture, Captured};
use super::object::{AlignedBuffer, ObjectPlace, ObjectWriter};

const MAGIC: &[u8; 8] = b"BRSKST07";
/// The same with another checksum; up to version 5 without deleted prefixes, and of columns that are packed in fewer ways:
/// none in version 3, without letters in version 4.
const PLAINER: [&[u8; 8]; 4] = [b"BRSKST03", b"BRSKST04", b"BRSKST05", b"BRSKST06"];
/// One checksum of all of it. Version 1 knows no generations, all is of the first; version 2 no logs.
const OLDER: [&[u8; 8]; 2] = [b"BRSKST01", b"BRSKST02"];
/// Directory length and checksum.
const TRAILER: usize = 12;
/// Files up to this size are kept in memory until they are complete, and written together.
pub(crate) const SMALL_BYTES: usize = 1 << 20;
/// A section has at most so many rows, but of rows that were packed before.
const SECTION_ROWS: usize = 16 << 10;
/// Nor many more bytes than this.
const SECTION_BYTES: usize = 64 << 20;
/// Of one in so many sections of a table a sample is compressed to see whether that makes it much smaller.
const TRIAL_EVERY: u32 = 64;
const SAMPLE_ROWS: usize = 1024;
/// Fewer rows are not worth compressing.
const COMPRESSED_ROWS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    Put,
    Delete,
    /// Of all keys that begin so.
    DeletePrefix,
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
    Memory(AlignedBuffer),
    /// It has only to be given its name.
    Object(ObjectWriter),
}

impl Content {
    /// Where more of it is added.
    fn buffer(&mut self) -> &mut AlignedBuffer {
        match self {
            Self::Memory(buffer) => buffer,
            Self::Object(object) => object.buffer(),
        }
    }
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
    /// By table: whether its sections are compressed.
    compression: BTreeMap<String, Compression>,
}

/// Whether LZ4 halves the sections of a table, as a sample of one of them has shown.
#[derive(Default)]
struct Compression {
    halves: bool,
    sections_until_trial: u32,
}

impl FileBuilder {
    /// A file that stays in memory up to [`SMALL_BYTES`], and beyond where there is no place for it.
    pub fn new(place: Option<ObjectPlace>) -> Self {
        let mut begin = AlignedBuffer::default();
        begin.extend_from_slice(MAGIC);
        Self { length: begin.len(), content: Content::Memory(begin), place, directory: Vec::new(), generations: BTreeMap::new(), compression: BTreeMap::new() }
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
            let deletes = deleted_entries(&entries.deletes)?;
            let prefixes = deleted_entries(&prefix_keys(&entries.deleted_prefixes))?;
            let forms = [(Form::Put, &entries.puts), (Form::Delete, &deletes), (Form::DeletePrefix, &prefixes), (Form::Append, &entries.appends)];
            for (form, entries) in forms {
                // Nothing in a log hides anything, so all of it is of the first generation.
                let generation = if form == Form::Append { 0 } else { generation };
                let mut sections = Sections { entries, row: 0, keys: None };
                while let Some(section) = sections.next()? {
                    self.write_section(table, form, generation, &section)?;
                }
                if form != Form::Append && !entries.is_empty() {
                    self.generations.insert(table.clone(), generation);
                }
            }
        }
        Ok(())
    }

    fn write_section(&mut self, table: &str, form: Form, generation: u32, rows: &RecordBatch) -> Result<()> {
        let compression = self.compression_of(table, rows)?;
        let buffer = self.content.buffer();
        let start = buffer.len();
        write_stream(buffer, rows, compression)?;
        let section = &buffer.as_slice()[start..];
        let (offset, length, checksum) = (self.length, section.len(), checksum(section));
        self.directory.push(Entry { table: table.to_owned(), form, offset, length, rows: rows.num_rows(), generation, checksum });
        self.written(length)
    }

    fn compression_of(&mut self, table: &str, rows: &RecordBatch) -> Result<Option<CompressionType>> {
        if rows.num_rows() < COMPRESSED_ROWS {
            return Ok(None);
        }
        let compression = self.compression.entry(table.to_owned()).or_default();
        let lz4 = Some(CompressionType::LZ4_FRAME);
        if compression.sections_until_trial == 0 {
            let sample = packed::trim(&rows.slice(0, SAMPLE_ROWS.min(rows.num_rows())))?;
            let length = |compression| {
                let mut sink = AlignedBuffer::default();
                write_stream(&mut sink, &sample, compression)?;
                Ok::<_, Error>(sink.len())
            };
            *compression = Compression { halves: length(lz4)? * 2 <= length(None)?, sections_until_trial: TRIAL_EVERY };
        }
        compression.sections_until_trial -= 1;
        Ok(lz4.filter(|_| compression.halves))
    }

    /// So many bytes have come into the buffer: makes room in it.
    fn written(&mut self, bytes: usize) -> Result<()> {
        self.length += bytes;
        if let (Content::Memory(begin), true) = (&mut self.content, self.length > SMALL_BYTES)
            && let Some(place) = self.place.take()
        {
            self.content = Content::Object(place.create(std::mem::take(begin))?);
        }
        match &mut self.content {
            Content::Memory(_) => Ok(()),
            Content::Object(object) => object.write(),
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
        let checksum = checksum(&end);
        end.extend_from_slice(&checksum.to_le_bytes());
        self.content.buffer().extend_from_slice(&end);
        self.written(end.len())?;
        Ok(Some(Finished { content: self.content, length: self.length as u64, checksum, only_appends }))
    }
}

/// Goes through captured entries in pieces that make a section each, packed.
struct Sections<'a> {
    entries: &'a [Captured],
    /// Of the first of the entries: where to go on, and its keys once they are made.
    row: usize,
    keys: Option<RecordBatch>,
}

impl Sections<'_> {
    /// Rows that the operator has packed as they lie, of others as many as a section takes.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut batches, mut rows, mut bytes): (Vec<RecordBatch>, usize, usize) = (Vec::new(), 0, 0);
        while rows < SECTION_ROWS
            && bytes < SECTION_BYTES
            && let Some(Captured { keys, rows: columns }) = self.entries.first()
        {
            if packed::is_packed(columns) {
                if !batches.is_empty() {
                    break;
                }
                self.entries = &self.entries[1..];
                let keys = packed::pack(&keys.of(columns)?.iter().map(key_columns).collect::<Result<Vec<_>>>()?)?;
                return Ok(Some(side_by_side(&keys, &packed::trim(columns)?)?));
            }
            let row_bytes = (packed::value_bytes(columns) / columns.num_rows()).max(1);
            let taken = (columns.num_rows() - self.row).min(SECTION_ROWS - rows).min((SECTION_BYTES - bytes).div_ceil(row_bytes));
            let own = match self.keys.take() {
                Some(made) => made,
                None => joined(&keys.of(columns)?)?,
            };
            batches.push(side_by_side(&own.slice(self.row, taken), &columns.slice(self.row, taken))?);
            rows += taken;
            bytes += taken * row_bytes;
            self.row += taken;
            if self.row == columns.num_rows() {
                self.entries = &self.entries[1..];
                self.row = 0;
            } else {
                self.keys = Some(own);
            }
        }
        (!batches.is_empty()).then(|| packed::pack(&batches)).transpose()
    }
}

/// Pieces of keys as one.
fn joined(pieces: &[(UInt16Array, BinaryArray)]) -> Result<RecordBatch> {
    match pieces {
        [one] => key_columns(one),
        _ => {
            let pieces = pieces.iter().map(key_columns).collect::<Result<Vec<_>>>()?;
            Ok(concat_batches(&Arc::new(Schema::new(key_fields())), &pieces)?)
        }
    }
}

fn key_columns((groups, keys): &(UInt16Array, BinaryArray)) -> Result<RecordBatch> {
    let schema = Arc::new(Schema::new(key_fields()));
    Ok(RecordBatch::try_new(schema, vec![Arc::new(groups.clone()), Arc::new(keys.clone())])?)
}

fn side_by_side(keys: &RecordBatch, rows: &RecordBatch) -> Result<RecordBatch> {
    let fields = [keys.schema_ref().fields().to_vec(), rows.schema_ref().fields().to_vec()].concat();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), [keys.columns(), rows.columns()].concat())?)
}

/// A state file whose checksum was verified.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    bytes: Source,
    directory: Arc<[Entry]>,
}

/// Where the bytes of a state file are.
#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    /// On this machine's disk, from a place in the file on: opened for each section that is asked for, since there may be more
    /// files than a process may have open.
    File(Arc<Path>, u64),
}

impl Source {
    fn section(&self, entry: &Entry) -> Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.slice(entry.offset..entry.offset + entry.length)),
            Self::File(path, start) => {
                let mut bytes = vec![0; entry.length];
                read_at(&open(path)?, start + entry.offset as u64, &mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::corrupt(format!("{} is missing", path.display())),
        _ => Error::external(format!("{}: {e}", path.display())),
    })
}

fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> Result<()> {
    file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged("it is too short"),
        _ => Error::external(format!("a state file cannot be read: {e}")),
    })
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("damaged state file: {what}"))
}

fn differs() -> Error {
    damaged("its checksum does not match")
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
        let is_old = OLDER.iter().any(|magic| bytes.starts_with(*magic));
        let sum = sum_of(&bytes);
        if bytes.len() < MAGIC.len() + TRAILER || !(is_old || sum.is_some()) {
            return Err(of_unknown_version(&bytes).unwrap_or_else(|| damaged("it does not begin as one")));
        }
        let (trailer, body) = (&bytes[bytes.len() - TRAILER..], bytes.len() - 8);
        let start = directory_start(trailer, bytes.len())?;
        if is_old && hash_bytes(&bytes[..body]) != stored_checksum(trailer) {
            return Err(differs());
        }
        let directory = directory(&bytes[start..], start, expected, sum)?;
        if sum.is_some_and(|sum| directory.iter().any(|e| sum(&bytes[e.offset..e.offset + e.length]) != e.checksum)) {
            return Err(differs());
        }
        Ok(Self { bytes: Source::Memory(bytes), directory })
    }

    /// The same of a file on this machine's disk, `length` bytes from `start` on, of which never more than a section is in
    /// memory. `None` where only the whole of it has a checksum.
    pub fn open_file(path: &Path, start: u64, length: u64, expected: u64) -> Result<Option<Self>> {
        let file = open(path)?;
        let read = |offset: usize, bytes: &mut [u8]| read_at(&file, start + offset as u64, bytes);
        let length = usize::try_from(length).ok().filter(|length| *length >= MAGIC.len() + TRAILER).ok_or_else(|| damaged("it is too short"))?;
        let (mut magic, mut trailer) = ([0; MAGIC.len()], [0; TRAILER]);
        read(0, &mut magic)?;
        let Some(sum) = sum_of(&magic) else { return Ok(None) };
        read(length - TRAILER, &mut trailer)?;
        let end_start = directory_start(&trailer, length)?;
        let mut buffer = vec![0; length - end_start];
        read(end_start, &mut buffer)?;
        let directory = directory(&buffer, end_start, expected, Some(sum))?;
        for entry in &*directory {
            buffer.resize(entry.length, 0);
            read(entry.offset, &mut buffer)?;
            if sum(&buffer) != entry.checksum {
                return Err(differs());
            }
        }
        Ok(Some(Self { bytes: Source::File(path.into(), start), directory }))
    }

    /// Bytes that it keeps in memory.
    pub fn memory_bytes(&self) -> usize {
        match &self.bytes {
            Source::Memory(bytes) => bytes.len(),
            Source::File(..) => 0,
        }
    }

    /// The number of generations of a table.
    pub fn generations(&self, table: &str) -> u32 {
        self.directory.iter().filter(|e| e.table == table).map(|e| e.generation + 1).max().unwrap_or(0)
    }

    /// The batches of a generation, each decoded when it is asked for.
    pub fn read<'a>(&'a self, table: &'a str, form: Form, generation: u32) -> impl Iterator<Item = Result<Entries>> + 'a {
        let wanted = move |e: &&Entry| e.table == table && e.form == form && e.generation == generation;
        self.directory.iter().filter(wanted).flat_map(|entry| {
            let opened = self.bytes.section(entry).and_then(|section| Ok(StreamReader::try_new(Cursor::new(section), None)?));
            let (reader, fault) = match opened {
                Ok(reader) => (Some(reader), None),
                Err(e) => (None, Some(Err(e))),
            };
            fault.into_iter().chain(reader.into_iter().flatten().map(|batch| split_columns(&batch?)))
        })
    }

    /// How many entries a table has in a form, generations not told apart.
    pub fn count(&self, table: &str, form: Form) -> usize {
        self.directory.iter().filter(|e| e.table == table && e.form == form).map(|e| e.rows).sum()
    }
}

/// The checksum of the sections and the directory of a file that begins so; `None` where only the whole of it has one.
fn sum_of(bytes: &[u8]) -> Option<fn(&[u8]) -> u64> {
    match bytes.get(..MAGIC.len())? {
        magic if magic == MAGIC => Some(checksum),
        magic if PLAINER.iter().any(|plainer| magic == *plainer) => Some(hash_bytes),
        _ => None,
    }
}

/// The error for a file that a later program wrote, if it looks like one.
fn of_unknown_version(bytes: &[u8]) -> Option<Error> {
    let version = std::str::from_utf8(bytes.get(..MAGIC.len())?).ok()?.strip_prefix("BRSKST")?.parse::<u8>().ok()?;
    let known = 1..=7;
    (!known.contains(&version))
        .then(|| Error::corrupt(format!("the state file is of version {version}, this program reads up to {}", known.end())).with_remedy("use a later brisk"))
}

fn stored_checksum(trailer: &[u8]) -> u64 {
    u64::from_le_bytes(trailer[4..].try_into().expect("eight bytes"))
}

/// Where the directory begins in a file of `length` bytes.
fn directory_start(trailer: &[u8], length: usize) -> Result<usize> {
    let directory = u32::from_le_bytes(trailer[..4].try_into().expect("four bytes")) as usize;
    (length - TRAILER).checked_sub(directory).filter(|s| *s >= MAGIC.len()).ok_or_else(|| damaged("its directory is too long"))
}

/// The directory out of the end of a file, which begins at `start`. `sum`: the checksum, where it is of this end.
fn directory(end: &[u8], start: usize, expected: u64, sum: Option<fn(&[u8]) -> u64>) -> Result<Arc<[Entry]>> {
    let (summed, trailer) = (&end[..end.len() - 8], &end[end.len() - TRAILER..]);
    if stored_checksum(trailer) != expected || sum.is_some_and(|sum| sum(summed) != expected) {
        return Err(differs());
    }
    let directory: Vec<Entry> = serde_json::from_slice(&end[..end.len() - TRAILER]).map_err(|e| damaged(&e.to_string()))?;
    if directory.iter().any(|e| e.offset.checked_add(e.length).is_none_or(|section_end| section_end > start)) {
        return Err(damaged("a section lies outside of it"));
    }
    Ok(directory.into())
}

fn split_columns(batch: &RecordBatch) -> Result<Entries> {
    let batch = packed::unpack(batch)?;
    let damaged = || damaged("no key columns");
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

/// Deleted keys as entries without columns.
fn deleted_entries(deletes: &[(UInt16Array, BinaryArray)]) -> Result<Vec<Captured>> {
    let schema = Arc::new(Schema::empty());
    let entry = |(groups, keys): &(UInt16Array, BinaryArray)| {
        let options = RecordBatchOptions::new().with_row_count(Some(keys.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)?;
        Ok(Captured { keys: Keys::Given(vec![(groups.clone(), keys.clone())]), rows })
    };
    deletes.iter().map(entry).collect()
}

/// Deleted prefixes as deleted keys; their key group means nothing.
fn prefix_keys(prefixes: &[Vec<u8>]) -> Vec<(UInt16Array, BinaryArray)> {
    let keys = || (UInt16Array::from(vec![0; prefixes.len()]), BinaryArray::from_iter_values(prefixes));
    (!prefixes.is_empty()).then(keys).into_iter().collect()
}

/// Adds a stream of one batch to `out`.
fn write_stream(out: &mut AlignedBuffer, batch: &RecordBatch, compression: Option<CompressionType>) -> Result<()> {
    let options = IpcWriteOptions::default().try_with_compression(compression)?;
    let mut encoder = StreamEncoder::try_new_with_options(batch.schema_ref(), options)?;
    let mut buffers = encoder.encode(batch)?;
    buffers.extend(encoder.finish()?);
    out.reserve(buffers.iter().map(Buffer::len).sum());
    buffers.iter().for_each(|buffer| out.extend_from_slice(buffer));
    Ok(())
}

/// Of a section, or of the directory with its length.
fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::store::CheckpointStore;
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use brisk_core::snapshot::{SnapshotKind, SnapshotWriter};

    fn sample() -> (Vec<u8>, u64) {
        let mut capture = Capture::new(SnapshotKind::Incremental);
        let column: ArrayRef = Arc::new(Int64Array::from(vec![10, 20]));
        let rows = RecordBatch::try_from_iter([("sum", column)]).unwrap();
        capture.put("sums", Keys::given(&[3, 4], &BinaryArray::from(vec![b"a".as_slice(), b"b"])), &rows).unwrap();
        capture.delete("sums", &[5], &BinaryArray::from(vec![b"c".as_slice()])).unwrap();
        let mut file = FileBuilder::new(None);
        file.add(&capture).unwrap();
        let file = file.finish().unwrap().unwrap();
        assert!(!file.only_appends);
        (bytes_of(file.content), file.checksum)
    }

    fn bytes_of(content: Content) -> Vec<u8> {
        match content {
            Content::Memory(bytes) => bytes.as_slice().to_vec(),
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
        for magic in PLAINER {
            let (mut bytes, _) = sample();
            bytes[..8].copy_from_slice(magic);
            let start = directory_start(&bytes[bytes.len() - TRAILER..], bytes.len()).unwrap();
            let mut entries: Vec<Entry> = serde_json::from_slice(&bytes[start..bytes.len() - TRAILER]).unwrap();
            for e in &mut entries {
                e.checksum = hash_bytes(&bytes[e.offset..e.offset + e.length]);
            }
            let mut end = serde_json::to_vec(&entries).unwrap();
            end.extend_from_slice(&(end.len() as u32).to_le_bytes());
            let checksum = hash_bytes(&end);
            let bytes = [&bytes[..start], &end, &checksum.to_le_bytes()].concat();
            assert_eq!(StateFile::open(bytes.into(), checksum).unwrap().generations("sums"), 1);
        }
    }

    #[test]
    fn a_file_of_a_later_version_is_named_as_one() {
        let (mut bytes, checksum) = sample();
        bytes[..8].copy_from_slice(b"BRSKST17");
        let error = StateFile::open(bytes.into(), checksum).unwrap_err();
        assert_eq!(error.message, "the state file is of version 17, this program reads up to 7");
    }

    /// Rows that an operator has packed go to the file as they are, beside others of their table.
    #[test]
    fn packed_and_other_rows_are_read_alike() {
        let values = |range: std::ops::Range<i64>| {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(range.clone()));
            let texts: ArrayRef = Arc::new(StringArray::from_iter_values(range.map(|n| format!("https://www.example.com/{}", n % 5))));
            RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap()
        };
        let mut capture = Capture::new(SnapshotKind::Full);
        let mut append = |rows: RecordBatch| {
            let keys = BinaryArray::from_iter_values((0..rows.num_rows()).map(|_| b"k"));
            capture.append("log", Keys::given(&vec![0; rows.num_rows()], &keys), &rows).unwrap();
        };
        append(values(0..10));
        append(values(10..30_000));
        let packed = packed::pack(&[values(30_000..62_000)]).unwrap();
        append(packed.slice(0, 20_000));
        append(packed.slice(20_000, 12_000));
        append(values(62_000..62_100));
        let mut file = FileBuilder::new(None);
        file.add_last(&capture).unwrap();
        let Finished { content, checksum, .. } = file.finish().unwrap().unwrap();
        let file = StateFile::open(bytes_of(content).into(), checksum).unwrap();
        let read: Vec<RecordBatch> = file.read("log", Form::Append, 0).map(|e| e.unwrap().rows).collect();
        assert_eq!(arrow_select::concat::concat_batches(&read[0].schema(), &read).unwrap(), values(0..62_100));
    }

    #[test]
    fn sections_of_large_rows_have_few() {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..200u64).map(|n| format!("{n}").repeat(400 << 10))));
        let keys = BinaryArray::from_iter_values((0..200u64).map(|n| n.to_be_bytes()));
        let mut capture = Capture::new(SnapshotKind::Full);
        capture.put("t", Keys::given(&[0; 200], &keys), &RecordBatch::try_from_iter([("t", Arc::clone(&texts))]).unwrap()).unwrap();
        let mut file = FileBuilder::new(None);
        file.add_last(&capture).unwrap();
        let Finished { content, checksum, .. } = file.finish().unwrap().unwrap();
        let file = StateFile::open(bytes_of(content).into(), checksum).unwrap();
        let sections: Vec<RecordBatch> = file.read("t", Form::Put, 0).map(|e| e.unwrap().rows).collect();
        assert!(sections.len() > 2 && sections.iter().all(|s| packed::value_bytes(s) < SECTION_BYTES * 2));
        assert_eq!(arrow_select::concat::concat_batches(&sections[0].schema(), &sections).unwrap().column(0), &texts);
    }

    /// What LZ4 halves is compressed, though none of it can be packed.
    #[test]
    fn long_texts_that_are_alike_take_little_room() {
        let size = |text: &dyn Fn(u64) -> String| {
            let mut capture = Capture::new(SnapshotKind::Full);
            let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..SECTION_ROWS as u64).map(text)));
            let keys = BinaryArray::from_iter_values((0..SECTION_ROWS).map(|n| n.to_be_bytes()));
            capture.put("t", Keys::given(&vec![0; SECTION_ROWS], &keys), &RecordBatch::try_from_iter([("t", texts)]).unwrap()).unwrap();
            let mut file = FileBuilder::new(None);
            file.add_last(&capture).unwrap();
            file.finish().unwrap().unwrap().length as usize
        };
        let noise = |n: u64| (0..96).map(|i| char::from(b'!' + (brisk_core::key_group::mix(n, i) % 94) as u8)).collect::<String>();
        assert!(size(&noise) > 96 * SECTION_ROWS);
        assert!(size(&|n| format!("{}{n}", "some words that are in every text, and ".repeat(3))) < 30 * SECTION_ROWS);
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
                capture.put("t", Keys::given(&vec![0; values.len()], &keys), &RecordBatch::try_from_iter([("v", column)]).unwrap()).unwrap();
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
        let file = StateFile::open(bytes.clone(), checksum).unwrap();
        assert!(file.directory.iter().all(|e| e.rows < SECTION_ROWS + 1000));
        let rows_of = |file: &StateFile| file.read("t", Form::Put, 0).map(|e| e.unwrap().rows).collect::<Vec<_>>();
        assert_eq!(rows_of(&file).iter().map(RecordBatch::num_rows).sum::<usize>(), 4 * rows as usize);
        // As a part of a file on the disk it says the same, and none of it stays in memory.
        let whole = [b"before".as_slice(), &bytes, b"after"].concat();
        let open = |bytes: &[u8]| {
            std::fs::write(dir.path().join("whole"), bytes).unwrap();
            StateFile::open_file(&dir.path().join("whole"), 6, length, checksum)
        };
        let on_disk = open(&whole).unwrap().unwrap();
        assert_eq!((rows_of(&on_disk), on_disk.memory_bytes()), (rows_of(&file), 0));
        for place in [0, 7, 20, whole.len() / 2, whole.len() - 20, whole.len() - 6] {
            let mut damaged = whole.clone();
            damaged[place.max(6)] ^= 1;
            // A file of another version is read as a whole.
            assert!(open(&damaged).is_ok_and(|file| file.is_none()) || open(&damaged).is_err(), "byte {place}");
        }
        assert!(open(&whole[..whole.len() - 6]).is_err());
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
