//! Rows as lines of separated fields, quoted where Flink's writer quotes.

use brisk_core::batch::ChangelogMode;
use brisk_core::format::{Encoder, EncoderFactory};
use brisk_core::{ChangelogBatch, Error, Result};

use super::Dialect;
use crate::cells::{Cells, Kind, elements};
use crate::json::encode::row_cells;
use crate::text::time::{write_date, write_time, write_timestamp};
use crate::text::{Standard, base64, decimal, number};

pub(super) struct CsvEncoderFactory {
    pub dialect: Dialect,
}

impl EncoderFactory for CsvEncoderFactory {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(CsvEncoder { safe_from: safe_from(&self.dialect), dialect: self.dialect.clone(), scratch: Vec::new() })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

struct CsvEncoder {
    dialect: Dialect,
    /// A text with a byte below this is quoted.
    safe_from: u8,
    scratch: Vec<u8>,
}

/// Texts longer than this are quoted without a look at them.
const CHECKED_BYTES_MAX: usize = 24;

/// As Jackson's writer: a text is quoted when one of its characters does not lie above all the special ones.
fn safe_from(dialect: &Dialect) -> u8 {
    let special = [Some(dialect.delimiter), dialect.quote, dialect.escape, Some(b'\r')];
    special.into_iter().flatten().max().map_or(0, |b| b.saturating_add(1))
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.kinds.is_some() {
            return Err(Error::internal("the csv format was given a stream of changes; it writes insertions alone"));
        }
        let columns = row_cells(batch)?;
        for row in 0..batch.num_rows() {
            for (i, cells) in columns.iter().enumerate() {
                if i > 0 {
                    out.push(self.dialect.delimiter);
                }
                self.write_field(cells, row, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

impl CsvEncoder {
    fn write_field(&mut self, cells: &Cells, row: usize, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            return out.extend_from_slice(self.dialect.null_literal.as_deref().unwrap_or_default());
        }
        let unquoted = matches!(cells.kind, Kind::Boolean(_) | Kind::Int8(_) | Kind::Int16(_) | Kind::Int32(_) | Kind::Int64(_) | Kind::Decimal(..));
        if unquoted || matches!(cells.kind, Kind::Float32(_) | Kind::Float64(_)) {
            return self.write_value(cells, row, out);
        }
        if let Kind::Text(values) = &cells.kind {
            return self.write_text(values.value(row).as_bytes(), out);
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        self.write_value(cells, row, &mut text);
        self.write_text(&text, out);
        self.scratch = text;
    }

    /// Writes a value as it is, without quotes.
    fn write_value(&self, cells: &Cells, row: usize, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            return out.extend_from_slice(self.dialect.null_literal.as_deref().unwrap_or_default());
        }
        match &cells.kind {
            Kind::Null => {}
            Kind::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Kind::Int8(values) => number::write_i64(values[row].into(), out),
            Kind::Int16(values) => number::write_i64(values[row].into(), out),
            Kind::Int32(values) => number::write_i64(values[row].into(), out),
            Kind::Int64(values) => number::write_i64(values[row], out),
            Kind::Float32(values) => number::write_f32(values[row], out),
            Kind::Float64(values) => number::write_f64(values[row], out),
            Kind::Decimal(values, scale) => decimal::write(values[row], *scale, self.dialect.plain_decimals, out),
            Kind::Text(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Kind::Binary(values) => base64::encode(values.value(row), out),
            Kind::Date(values) => write_date(values[row].into(), out),
            Kind::Time(values) => write_time(i64::from(values[row]) * 1_000_000, out),
            Kind::Timestamp { values, unit, zoned } => write_timestamp(values[row], *unit, Standard::Sql, *zoned, out),
            Kind::List(list, items) => self.write_elements(elements(list.offsets(), row).map(|at| (&**items, at)), out),
            Kind::Row(columns) => self.write_elements(columns.iter().map(|c| (c, row)), out),
            Kind::Map(..) => unreachable!("refused when the table was made"),
        }
    }

    fn write_elements<'a>(&self, elements: impl Iterator<Item = (&'a Cells<'a>, usize)>, out: &mut Vec<u8>) {
        for (i, (cells, row)) in elements.enumerate() {
            if i > 0 {
                out.extend_from_slice(&self.dialect.element_delimiter);
            }
            self.write_value(cells, row, out);
        }
    }

    fn write_text(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(quote) = self.dialect.quote else { return self.write_escaped(text, None, out) };
        // Counted in characters, of which each begins with a byte that is no continuation.
        let characters = || text.iter().filter(|b| **b & 0xc0 != 0x80).count();
        let long = text.len() > CHECKED_BYTES_MAX && (text.len() > 4 * CHECKED_BYTES_MAX || characters() > CHECKED_BYTES_MAX);
        if !long && text.iter().all(|b| *b >= self.safe_from) {
            return out.extend_from_slice(text);
        }
        out.push(quote);
        self.write_escaped(text, Some(quote), out);
        out.push(quote);
    }

    fn write_escaped(&self, text: &[u8], quote: Option<u8>, out: &mut Vec<u8>) {
        let Some(first) = quote.or(self.dialect.escape) else { return out.extend_from_slice(text) };
        let mut rest = text;
        while let Some(place) = memchr::memchr2(first, self.dialect.escape.unwrap_or(first), rest) {
            out.extend_from_slice(&rest[..place]);
            out.extend_from_slice(&[self.dialect.escape.unwrap_or(rest[place]), rest[place]]);
            rest = &rest[place + 1..];
        }
        out.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    use brisk_core::ChangelogBatch;
    use brisk_core::format::Format;

    use crate::csv::Csv;
    use crate::testing::{Random, chunk, ints_and_texts, spec};

    fn check(options: &[(&str, &str)], lines: &str) {
        let spec = spec(ints_and_texts(), options);
        let decoded = Csv.decoder(&spec).unwrap().create().decode(&chunk(lines.to_string())).unwrap();
        assert_eq!(decoded.bad, vec![]);
        let mut out = Vec::new();
        Csv.encoder(&spec).unwrap().create().encode(&decoded.batch, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), lines);
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        check(&[], "1,x\n-2,\"with a blank\"\n3,\"a,b\"\n4,\"say \"\"no\"\"\"\n5,\n");
        check(&[], "1,\"longer_than_twenty_four_characters\"\n");
        check(&[("null-literal", "NULL"), ("field-delimiter", "|")], "NULL|NULL\n1|\"a|b\"\n");
        check(&[("escape-character", "\\")], "1,\"a\\\"b\"\n");
    }

    #[test]
    fn any_text_is_read_back_and_any_bytes_are_survived() {
        let mut random = Random::new(3);
        for options in [&[][..], &[("escape-character", "\\")], &[("quote-character", "'"), ("field-delimiter", ";")]] {
            let spec = spec(ints_and_texts(), options);
            let (decoder, encoder) = (Csv.decoder(&spec).unwrap(), Csv.encoder(&spec).unwrap());
            for _ in 0..2_000 {
                let text: String = (0..random.below(30)).map(|_| *random.pick(&['a', ',', ';', '"', '\'', '\\', ' ', '#', '中', '0'])).collect();
                let schema = spec.schema.to_arrow();
                let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![7])), Arc::new(StringArray::from(vec![text.as_str()]))];
                let batch = ChangelogBatch::append(RecordBatch::try_new(schema, columns).unwrap());
                let mut line = Vec::new();
                encoder.create().encode(&batch, &mut line).unwrap();
                let decoded = decoder.create().decode(&chunk(line.clone())).unwrap();
                assert_eq!(decoded.batch, batch, "{text:?} {}", String::from_utf8_lossy(&line));
                random.mutate(&mut line);
                decoder.create().decode(&chunk(line)).unwrap();
            }
        }
    }
}
