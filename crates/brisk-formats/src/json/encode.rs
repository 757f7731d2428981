//! Rows as JSON objects, a line each, printed as Flink prints them.

use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::format::{Encoder, EncoderFactory};
use brisk_core::{ChangelogBatch, DataType, Error, Result, Schema, SqlType};

use super::escape::write_string;
use crate::cells::{Cells, Kind, elements};
use crate::text::time::{write_date, write_time, write_timestamp};
use crate::text::{Standard, base64, decimal, number};

/// How values are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    pub standard: Standard,
    pub plain_decimals: bool,
    pub ignore_null_fields: bool,
}

pub(crate) struct JsonEncoderFactory {
    pub schema: Schema,
    pub options: WriteOptions,
}

impl EncoderFactory for JsonEncoderFactory {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(JsonEncoder { writer: ObjectWriter::new(&self.schema), options: self.options.clone() })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

struct JsonEncoder {
    writer: ObjectWriter,
    options: WriteOptions,
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.kinds.is_some() {
            return Err(Error::internal("the json format was given a stream of changes; it writes insertions alone"));
        }
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.num_rows() {
            self.writer.write(&cells, row, &self.options, out);
            out.push(b'\n');
        }
        Ok(())
    }
}

/// The cells of every column of a batch.
pub(crate) fn row_cells(batch: &ChangelogBatch) -> Result<Vec<Cells<'_>>> {
    batch.rows.columns().iter().map(Cells::new).collect()
}

/// Writes rows of one schema, with the keys made ready.
pub(crate) struct ObjectWriter {
    /// `"name":` for each column.
    keys: Arc<[Vec<u8>]>,
    values: Vec<ValueWriter>,
}

/// The names within a value's type: those of its rows.
enum ValueWriter {
    Scalar,
    Item(Box<ValueWriter>),
    Object(ObjectWriter),
}

impl ObjectWriter {
    pub fn new(schema: &Schema) -> Self {
        Self::of_columns(&schema.columns)
    }

    fn of_columns(columns: &[brisk_core::Column]) -> Self {
        let key = |name: &str| {
            let mut key = Vec::with_capacity(name.len() + 3);
            write_string(name.as_bytes(), &mut key);
            key.push(b':');
            key
        };
        Self { keys: columns.iter().map(|c| key(&c.name)).collect(), values: columns.iter().map(|c| ValueWriter::new(&c.sql_type)).collect() }
    }

    /// The cells of a batch of these columns.
    pub fn cells<'a>(&self, batch: &'a ChangelogBatch) -> Result<Vec<Cells<'a>>> {
        let cells = row_cells(batch)?;
        if cells.len() == self.keys.len() {
            return Ok(cells);
        }
        Err(Error::internal(format!("a format made for {} columns was given {}", self.keys.len(), cells.len())))
    }

    pub fn write(&self, cells: &[Cells], row: usize, options: &WriteOptions, out: &mut Vec<u8>) {
        let mut separator = b'{';
        for ((key, writer), cells) in self.keys.iter().zip(&self.values).zip(cells) {
            if options.ignore_null_fields && cells.is_null(row) {
                continue;
            }
            out.push(separator);
            separator = b',';
            out.extend_from_slice(key);
            writer.write(cells, row, options, out);
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
    }
}

impl ValueWriter {
    fn new(sql_type: &SqlType) -> Self {
        match &sql_type.data_type {
            DataType::Array(item) | DataType::Map(_, item) => ValueWriter::Item(Box::new(ValueWriter::new(item))),
            DataType::Multiset(_) => ValueWriter::Item(Box::new(ValueWriter::Scalar)),
            DataType::Row(columns) => ValueWriter::Object(ObjectWriter::of_columns(columns)),
            _ => ValueWriter::Scalar,
        }
    }

    fn write(&self, cells: &Cells, row: usize, options: &WriteOptions, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match (&cells.kind, self) {
            (Kind::List(list, items), ValueWriter::Item(item)) => {
                out.push(b'[');
                for (i, at) in elements(list.offsets(), row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write(items, at, options, out);
                }
                out.push(b']');
            }
            (Kind::Map(map, keys, values), ValueWriter::Item(value)) => {
                out.push(b'{');
                for (i, at) in elements(map.offsets(), row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_scalar(keys, at, options, out);
                    out.push(b':');
                    value.write(values, at, options, out);
                }
                out.push(b'}');
            }
            (Kind::Row(columns), ValueWriter::Object(object)) => object.write(columns, row, options, out),
            _ => write_scalar(cells, row, options, out),
        }
    }
}

/// Writes a single value that is not null.
fn write_scalar(cells: &Cells, row: usize, options: &WriteOptions, out: &mut Vec<u8>) {
    match &cells.kind {
        Kind::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
        Kind::Int8(values) => number::write_i64(values[row].into(), out),
        Kind::Int16(values) => number::write_i64(values[row].into(), out),
        Kind::Int32(values) => number::write_i64(values[row].into(), out),
        Kind::Int64(values) => number::write_i64(values[row], out),
        Kind::Float32(values) => quoted(!values[row].is_finite(), out, |out| number::write_f32(values[row], out)),
        Kind::Float64(values) => quoted(!values[row].is_finite(), out, |out| number::write_f64(values[row], out)),
        Kind::Decimal(values, scale) => decimal::write(values[row], *scale, options.plain_decimals, out),
        Kind::Text(values) => write_string(values.value(row).as_bytes(), out),
        Kind::Binary(values) => quoted(true, out, |out| base64::encode(values.value(row), out)),
        Kind::Date(values) => quoted(true, out, |out| write_date(values[row].into(), out)),
        Kind::Time(values) => quoted(true, out, |out| write_time(i64::from(values[row]) * 1_000_000, out)),
        Kind::Timestamp { values, unit, zoned } => quoted(true, out, |out| write_timestamp(values[row], *unit, options.standard, *zoned, out)),
        Kind::Null | Kind::List(..) | Kind::Map(..) | Kind::Row(..) => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn quoted(quotes: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if quotes {
        out.push(b'"');
    }
    write(out);
    if quotes {
        out.push(b'"');
    }
}
