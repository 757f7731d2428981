//! The `raw` format: a record is the value of the table's only column.
//!
//! Text is read in a character set; numbers are the bytes of their binary form in the byte order that is asked for.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::parse_options;
use brisk_core::format::{Decoded, Decoder, DecoderFactory, Encoder, EncoderFactory, Format, FormatSpec};
use brisk_core::source::RecordChunk;
use brisk_core::{ChangelogBatch, DataType, Error, Result, Schema};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cells::{Cells, Kind};
use crate::column::Column;
use crate::json::encode::row_cells;
use crate::outcome::Outcome;
use crate::records::records;

pub(crate) struct Raw;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawOptions {
    /// The character set of text: `UTF-8`, `US-ASCII`, `ISO-8859-1`, `UTF-16`, `UTF-16BE` or `UTF-16LE`.
    #[serde(default)]
    charset: Option<String>,
    /// The order of the bytes of numbers.
    #[serde(default)]
    endianness: Endianness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Endianness {
    #[default]
    BigEndian,
    LittleEndian,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    Utf16Be,
    Utf16Le,
}

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(RawOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        Ok(Arc::new(RawFactory::new(spec)?))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        Ok(Arc::new(RawFactory::new(spec)?))
    }
}

struct RawFactory {
    schema: Schema,
    /// Whether the column is wanted at all.
    projected: bool,
    coding: Coding,
}

#[derive(Debug, Clone, Copy)]
struct Coding {
    charset: Charset,
    endianness: Endianness,
}

impl RawFactory {
    fn new(spec: &FormatSpec) -> Result<Self> {
        let options: RawOptions = parse_options(&spec.options).map_err(|e| e.context("format 'raw'"))?;
        let [column] = &spec.schema.columns[..] else {
            return Err(Error::invalid(format!("format 'raw': the table must have one physical column, it has {}", spec.schema.len())));
        };
        check_type(&column.name, &column.sql_type.data_type)?;
        let charset = charset(options.charset.as_deref().unwrap_or("UTF-8"))?;
        Ok(Self { schema: spec.schema.clone(), projected: !spec.projection.is_empty(), coding: Coding { charset, endianness: options.endianness } })
    }
}

fn check_type(column: &str, data_type: &DataType) -> Result<()> {
    let taken = data_type.is_character() || data_type.is_binary() || data_type.is_integer() || data_type.is_approximate() || *data_type == DataType::Boolean;
    if taken {
        return Ok(());
    }
    Err(Error::unsupported(format!("column `{column}`: format 'raw' cannot carry {data_type}")).with_remedy("read it as STRING or BYTES and convert"))
}

fn charset(name: &str) -> Result<Charset> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" => Charset::Utf8,
        "US-ASCII" | "ASCII" => Charset::Ascii,
        "ISO-8859-1" | "LATIN1" => Charset::Latin1,
        "UTF-16" | "UTF-16BE" => Charset::Utf16Be,
        "UTF-16LE" => Charset::Utf16Le,
        _ => {
            return Err(Error::unsupported(format!("format 'raw': charset '{name}' is not known"))
                .with_remedy("use UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE or UTF-16LE"));
        }
    })
}

impl DecoderFactory for RawFactory {
    fn create(&self) -> Box<dyn Decoder> {
        let column = self.projected.then(|| Column::new(&self.schema.columns[0].sql_type));
        let schema = if self.projected { self.schema.to_arrow() } else { Schema::default().to_arrow() };
        Box::new(RawDecoder { schema, column, coding: self.coding, type_name: self.schema.columns[0].sql_type.data_type.to_string() })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

impl EncoderFactory for RawFactory {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(RawEncoder { coding: self.coding })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

struct RawDecoder {
    schema: SchemaRef,
    column: Option<Column>,
    coding: Coding,
    type_name: String,
}

impl Decoder for RawDecoder {
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
        let mut outcome = Outcome::new(chunk)?;
        let utf8 = std::str::from_utf8(&chunk.data).is_ok();
        for (number, start, end) in records(chunk) {
            let record = &chunk.data[start..end];
            let done = self.column.as_mut().is_none_or(|column| push(column, record, utf8, self.coding));
            if done {
                outcome.row(number);
            } else {
                outcome.bad(chunk, number, start, end, format!("{} bytes are no {}", record.len(), self.type_name));
            }
        }
        let columns = self.column.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        outcome.finish(&self.schema, columns, None)
    }
}

/// Puts a record into the column; `false` when it has the wrong number of bytes.
fn push(column: &mut Column, record: &[u8], utf8: bool, coding: Coding) -> bool {
    macro_rules! number {
        ($column:expr, $t:ty) => {{
            let Ok(bytes) = record.try_into() else { return false };
            $column.push(match coding.endianness {
                Endianness::BigEndian => <$t>::from_be_bytes(bytes),
                Endianness::LittleEndian => <$t>::from_le_bytes(bytes),
            });
        }};
    }
    match column {
        Column::Text(c) if coding.charset == Charset::Utf8 && utf8 => c.push(record),
        Column::Text(c) => c.push(decode_text(record, coding.charset).as_bytes()),
        Column::Binary(c) => c.push(record),
        Column::Boolean(c) => match record {
            [b] => c.push(*b != 0),
            _ => return false,
        },
        Column::Int8(c) => number!(c, i8),
        Column::Int16(c) => number!(c, i16),
        Column::Int32(c) => number!(c, i32),
        Column::Int64(c) => number!(c, i64),
        Column::Float32(c) => number!(c, f32),
        Column::Float64(c) => number!(c, f64),
        _ => unreachable!("refused when the table was made"),
    }
    true
}

/// Text of a character set; what is none becomes U+FFFD, as Java has it.
fn decode_text(bytes: &[u8], charset: Charset) -> String {
    let units = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks(2).map(|pair| from([pair[0], pair.get(1).copied().unwrap_or(0)])).collect();
        String::from_utf16_lossy(&units)
    };
    match charset {
        Charset::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Charset::Ascii => bytes.iter().map(|b| if b.is_ascii() { *b as char } else { '\u{fffd}' }).collect(),
        Charset::Latin1 => bytes.iter().map(|b| *b as char).collect(),
        Charset::Utf16Be => units(u16::from_be_bytes),
        Charset::Utf16Le => units(u16::from_le_bytes),
    }
}

struct RawEncoder {
    coding: Coding,
}

impl Encoder for RawEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.kinds.is_some() {
            return Err(Error::internal("the raw format was given a stream of changes; it writes insertions alone"));
        }
        let columns = row_cells(batch)?;
        let [cells] = &columns[..] else { return Err(Error::internal("the raw format writes one column")) };
        for row in 0..batch.num_rows() {
            if !cells.is_null(row) {
                self.write(cells, row, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

impl RawEncoder {
    fn write(&self, cells: &Cells, row: usize, out: &mut Vec<u8>) {
        macro_rules! number {
            ($values:expr) => {
                match self.coding.endianness {
                    Endianness::BigEndian => out.extend_from_slice(&$values[row].to_be_bytes()),
                    Endianness::LittleEndian => out.extend_from_slice(&$values[row].to_le_bytes()),
                }
            };
        }
        match &cells.kind {
            Kind::Text(values) => encode_text(values.value(row), self.coding.charset, out),
            Kind::Binary(values) => out.extend_from_slice(values.value(row)),
            Kind::Boolean(values) => out.push(u8::from(values.value(row))),
            Kind::Int8(values) => number!(values),
            Kind::Int16(values) => number!(values),
            Kind::Int32(values) => number!(values),
            Kind::Int64(values) => number!(values),
            Kind::Float32(values) => number!(values),
            Kind::Float64(values) => number!(values),
            _ => unreachable!("refused when the table was made"),
        }
    }
}

/// Text in a character set; what it lacks becomes `?`, as Java has it.
fn encode_text(text: &str, charset: Charset, out: &mut Vec<u8>) {
    match charset {
        Charset::Utf8 => out.extend_from_slice(text.as_bytes()),
        Charset::Ascii => out.extend(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' })),
        Charset::Latin1 => out.extend(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))),
        Charset::Utf16Be => text.encode_utf16().for_each(|u| out.extend_from_slice(&u.to_be_bytes())),
        Charset::Utf16Le => text.encode_utf16().for_each(|u| out.extend_from_slice(&u.to_le_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use brisk_core::source::Framing;

    use super::*;
    use crate::testing::{chunk, rows_of, schema, spec};

    fn check(data_type: DataType, options: &[(&str, &str)], records: &[&[u8]], expected: &[&str], bad: usize) {
        let spec = spec(schema(&[("v", data_type)]), options);
        let mut chunk = chunk(records.concat());
        let ends = records.iter().scan(0, |end, r| {
            *end += r.len() as u32;
            Some(*end)
        });
        chunk.framing = Framing::Offsets(ends.collect());
        let decoded = Raw.decoder(&spec).unwrap().create().decode(&chunk).unwrap();
        assert_eq!(rows_of(&decoded.batch), expected);
        assert_eq!(decoded.bad.len(), bad);
        if bad == 0 {
            let mut out = Vec::new();
            Raw.encoder(&spec).unwrap().create().encode(&decoded.batch, &mut out).unwrap();
            assert_eq!(out, records.iter().flat_map(|r| [r, &b"\n"[..]].concat()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_record_is_the_value() {
        check(DataType::STRING, &[], &["中 x\r".as_bytes(), b"y"], &["+I[中 x\r]", "+I[y]"], 0);
        check(DataType::STRING, &[("charset", "ISO-8859-1")], &[b"\xe9"], &["+I[é]"], 0);
        check(DataType::STRING, &[("charset", "UTF-16LE")], &[b"a\0b\0"], &["+I[ab]"], 0);
        check(DataType::Int, &[], &[&[0, 0, 1, 0]], &["+I[256]"], 0);
        check(DataType::Int, &[("endianness", "little-endian")], &[&[0, 1, 0, 0]], &["+I[256]"], 0);
        check(DataType::Double, &[], &[&1.5f64.to_be_bytes()], &["+I[1.5]"], 0);
        check(DataType::SmallInt, &[], &[&[1], &[0, 1]], &["+I[1]"], 1);
        check(DataType::Boolean, &[], &[&[1]], &["+I[true]"], 0);
    }

    #[test]
    fn other_tables_are_refused() {
        assert!(Raw.decoder(&spec(schema(&[("a", DataType::Int), ("b", DataType::Int)]), &[])).is_err());
        assert!(Raw.decoder(&spec(schema(&[("a", DataType::Date)]), &[])).is_err());
        assert!(Raw.decoder(&spec(schema(&[("a", DataType::STRING)]), &[("charset", "GBK")])).is_err());
    }
}
