//! Reading a file: the wanted columns of one row group after the other, page by page.
//!
//! In memory at a time are the index of the file, a page of every wanted column, and the batch that is made. The crate is
//! not trusted to survive every damaged file: a panic within it becomes an error that names the file.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::SchemaRef;
use brisk_core::format::{BulkReader, BulkReaderFactory, RandomRead};
use brisk_core::{ChangelogBatch, Error, Result, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::columns;
use super::zone::Shift;

/// How many rows a batch has at most: what the runtime takes at once.
const BATCH_ROWS: usize = 8192;
/// How much is read at once where the length is not known, which is for the headers of pages.
const HEADER_BYTES: usize = 512;

pub(super) struct ParquetReaderFactory {
    /// The wanted columns.
    pub schema: Schema,
    pub shift: Shift,
}

impl BulkReaderFactory for ParquetReaderFactory {
    fn open(&self, file: Arc<dyn RandomRead>, origin: &Arc<str>) -> Result<Box<dyn BulkReader>> {
        let reader = guarded(origin, || {
            let length = file.length().map_err(|e| Error::external(format!("its size cannot be had: {e}")))?;
            FileReader::open(Bytestream { file, length }, self.schema.clone(), self.shift, origin)
        })?;
        Ok(Box::new(reader))
    }
}

struct FileReader {
    file: Bytestream,
    origin: Arc<str>,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    schema: Schema,
    arrow_schema: SchemaRef,
    /// For each wanted column its place among those that are read; `None` for one that the file lacks.
    places: Vec<Option<usize>>,
    shift: Shift,
    group: Option<ParquetRecordBatchReader>,
}

impl FileReader {
    fn open(file: Bytestream, schema: Schema, shift: Shift, origin: &Arc<str>) -> Result<Self> {
        // The types are the file's own, not those that a program of Arrow noted beside them.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let mut metadata = ArrowReaderMetadata::load(&file, options).map_err(not_parquet)?;
        let found = columns::find(&schema, metadata.schema().fields())?;
        if let Some(fields) = columns::with_int96_units(&schema, metadata.schema().fields(), metadata.parquet_schema()) {
            let hinted = Arc::new(arrow_schema::Schema::new(fields));
            metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), ArrowReaderOptions::new().with_schema(hinted)).map_err(not_parquet)?;
        }
        let mask = ProjectionMask::roots(metadata.parquet_schema(), found.iter().flatten().copied());
        // Columns come in the order of the file, each once.
        let mut read: Vec<usize> = found.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let places = found.iter().map(|f| f.and_then(|f| read.binary_search(&f).ok())).collect();
        let arrow_schema = schema.to_arrow();
        Ok(Self { file, origin: origin.clone(), metadata, mask, schema, arrow_schema, places, shift, group: None })
    }

    fn seek_row(&mut self, group: u64, row: u64) -> Result<()> {
        let rows = self.metadata.metadata().row_group(group as usize).num_rows() as u64;
        if row > rows {
            return Err(Error::corrupt(format!("its row group {group} has {rows} rows, not {row}: the file is another one than before")));
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
            .with_row_groups(vec![group as usize])
            .with_projection(self.mask.clone())
            .with_offset(row as usize)
            .with_batch_size(BATCH_ROWS);
        self.group = Some(builder.build().map_err(damaged)?);
        Ok(())
    }

    fn next_rows(&mut self) -> Result<Option<ChangelogBatch>> {
        let Some(read) = self.group.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let read = read.map_err(|e| Error::corrupt(format!("it is damaged: {e}")))?;
        let columns = self.places.iter().zip(&self.schema.columns).map(|(place, column)| match place {
            Some(place) => columns::to_table(read.column(*place), &column.sql_type, self.shift).map_err(|e| e.context(format!("column `{}`", column.name))),
            None => Ok(new_null_array(&column.sql_type.to_arrow(), read.num_rows())),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(read.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.arrow_schema.clone(), columns.collect::<Result<_>>()?, &options)?;
        Ok(Some(ChangelogBatch::append(rows)))
    }
}

impl BulkReader for FileReader {
    fn groups(&self) -> u64 {
        self.metadata.metadata().num_row_groups() as u64
    }

    fn seek(&mut self, group: u64, row: u64) -> Result<()> {
        let origin = self.origin.clone();
        guarded(&origin, || self.seek_row(group, row))
    }

    fn read(&mut self) -> Result<Option<ChangelogBatch>> {
        let origin = self.origin.clone();
        guarded(&origin, || self.next_rows())
    }
}

/// Calls `read`; whatever goes wrong is said of the file.
fn guarded<T>(origin: &Arc<str>, read: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves behind is not used again: the error ends the reader.
    let result = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Error::corrupt("it is damaged")));
    result.map_err(|e| e.context(origin))
}

fn not_parquet(e: ParquetError) -> Error {
    Error::corrupt(format!("it cannot be read as Parquet: {e}")).with_remedy("let 'path' name whole Parquet files only")
}

fn damaged(e: ParquetError) -> Error {
    Error::corrupt(format!("it is damaged: {e}"))
}

/// The file as the crate reads it.
#[derive(Clone)]
struct Bytestream {
    file: Arc<dyn RandomRead>,
    length: u64,
}

impl Length for Bytestream {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Bytestream {
    type T = HeaderRead;

    fn get_read(&self, start: u64) -> ParquetResult<HeaderRead> {
        Ok(HeaderRead { source: self.clone(), at: start, buffer: Vec::new(), taken: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("it has {} bytes and should have {length} from byte {start} on", self.length)));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads forward from some place, a little at a time.
struct HeaderRead {
    source: Bytestream,
    /// Behind `buffer`.
    at: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl Read for HeaderRead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() {
            let left = self.source.length.saturating_sub(self.at);
            let wanted = HEADER_BYTES.max(out.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.buffer.resize(wanted, 0);
            self.source.file.read_exact_at(&mut self.buffer, self.at)?;
            (self.at, self.taken) = (self.at + wanted as u64, 0);
        }
        let given = out.len().min(self.buffer.len() - self.taken);
        out[..given].copy_from_slice(&self.buffer[self.taken..self.taken + given]);
        self.taken += given;
        Ok(given)
    }
}
