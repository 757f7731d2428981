//! Writing a file: row groups as they fill, the index when the file ends.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{Field, Fields, Schema as ArrowSchema, SchemaRef};
use brisk_core::batch::ChangelogMode;
use brisk_core::format::{Encoder, EncoderFactory, FormatSpec};
use brisk_core::{ChangelogBatch, DataType, Error, Result, Schema, SqlType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::zone::Shift;
use super::{ParquetOptions, columns};
use crate::text::time::Unit;

pub(super) struct ParquetEncoderFactory {
    /// As it lies in the file.
    schema: SchemaRef,
    properties: WriterProperties,
    block_bytes: usize,
    unit: Unit,
    shift: Shift,
}

impl ParquetEncoderFactory {
    pub fn new(spec: &FormatSpec, options: &ParquetOptions) -> Result<Self> {
        check_types(&spec.schema)?;
        let (unit, shift) = (options.unit(), options.shift(spec)?);
        let field = |f: &Arc<Field>| {
            let empty = columns::to_file(&new_empty_array(f.data_type()), unit, shift)?;
            Ok(Arc::new(f.as_ref().clone().with_data_type(empty.data_type().clone())))
        };
        let fields: Fields = spec.schema.to_arrow().fields().iter().map(field).collect::<Result<_>>()?;
        let block_bytes = usize::try_from(options.block_size.0).unwrap_or(usize::MAX);
        Ok(Self { schema: Arc::new(ArrowSchema::new(fields)), properties: options.properties()?, block_bytes, unit, shift })
    }
}

/// Refuses what Flink's Parquet does not carry.
fn check_types(schema: &Schema) -> Result<()> {
    schema.columns.iter().try_for_each(|c| check_type(&c.name, &c.sql_type))
}

fn check_type(column: &str, sql_type: &SqlType) -> Result<()> {
    match &sql_type.data_type {
        DataType::Null | DataType::IntervalYearMonth(_) | DataType::IntervalDayTime(_) => {
            Err(Error::unsupported(format!("column `{column}`: format 'parquet' cannot carry {sql_type}")))
        }
        DataType::Row(columns) if columns.is_empty() => {
            Err(Error::unsupported(format!("column `{column}`: format 'parquet' cannot carry a ROW without fields")))
        }
        DataType::Array(item) | DataType::Multiset(item) => check_type(column, item),
        DataType::Map(key, value) => check_type(column, key).and_then(|()| check_type(column, value)),
        DataType::Row(columns) => columns.iter().try_for_each(|c| check_type(&format!("{column}.{}", c.name), &c.sql_type)),
        _ => Ok(()),
    }
}

impl EncoderFactory for ParquetEncoderFactory {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(ParquetEncoder {
            schema: self.schema.clone(),
            properties: self.properties.clone(),
            block_bytes: self.block_bytes,
            unit: self.unit,
            shift: self.shift,
            writer: None,
        })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

/// Writes one file.
struct ParquetEncoder {
    schema: SchemaRef,
    properties: WriterProperties,
    block_bytes: usize,
    unit: Unit,
    shift: Shift,
    /// Made with the first rows.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetEncoder {
    fn writer(&mut self) -> Result<&mut ArrowWriter<Vec<u8>>> {
        if self.writer.is_none() {
            let options = ArrowWriterOptions::new().with_properties(self.properties.clone()).with_skip_arrow_metadata(true);
            self.writer = Some(ArrowWriter::try_new_with_options(Vec::new(), self.schema.clone(), options).map_err(failed)?);
        }
        Ok(self.writer.as_mut().expect("made above"))
    }
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.rows.columns().iter().map(|c| columns::to_file(c, self.unit, self.shift)).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let block_bytes = self.block_bytes;
        let writer = self.writer()?;
        writer.write(&rows).map_err(failed)?;
        if writer.in_progress_size() >= block_bytes {
            writer.flush().map_err(failed)?;
        }
        out.append(writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer()?;
        writer.finish().map_err(failed)?;
        out.append(writer.inner_mut());
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.writer.as_ref().map_or(0, |w| w.memory_size())
    }
}

fn failed(e: ParquetError) -> Error {
    Error::internal(format!("rows cannot be written as Parquet: {e}"))
}
