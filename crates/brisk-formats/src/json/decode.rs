//! Records of JSON straight into columns: only the wanted ones are made, one pass, no tree.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use brisk_core::batch::ChangelogMode;
use brisk_core::format::{Decoded, Decoder, DecoderFactory};
use brisk_core::source::RecordChunk;
use brisk_core::{Result, Schema};

use super::cursor::Cursor;
use super::fault::Fault;
use super::object::Object;
use super::value::{ReadOptions, read_items};
use crate::column::Column;
use crate::outcome::Outcome;
use crate::records::all_records;

pub(crate) struct JsonDecoderFactory {
    pub schema: Schema,
    pub options: ReadOptions,
}

impl DecoderFactory for JsonDecoderFactory {
    fn create(&self) -> Box<dyn Decoder> {
        Box::new(JsonDecoder {
            schema: self.schema.to_arrow(),
            object: Object::new(&self.schema.columns),
            columns: self.schema.columns.iter().map(|c| Column::new(&c.sql_type)).collect(),
            options: self.options.clone(),
        })
    }

    fn skips_bad_records(&self) -> bool {
        self.options.ignore_parse_errors
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

struct JsonDecoder {
    schema: SchemaRef,
    object: Object,
    columns: Vec<Column>,
    options: ReadOptions,
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
        let mut outcome = Outcome::new(chunk)?;
        let all_utf8 = std::str::from_utf8(&chunk.data).is_ok();
        for (number, start, end) in all_records(chunk) {
            let record = &chunk.data[start..end];
            if !all_utf8 && std::str::from_utf8(record).is_err() {
                outcome.bad(chunk, number, start, end, "not valid UTF-8".to_string());
                continue;
            }
            let before = outcome.rows();
            match self.read_record(Cursor::within(&chunk.data, start, end), before) {
                Ok(rows) => (0..rows).for_each(|_| outcome.row(number)),
                Err(fault) => {
                    self.columns.iter_mut().for_each(|c| c.truncate(before));
                    outcome.bad(chunk, number, start, end, fault.describe(record));
                }
            }
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        outcome.finish(&self.schema, columns, None)
    }
}

impl JsonDecoder {
    /// Reads one record and says how many rows it gave.
    #[inline]
    fn read_record(&mut self, mut cursor: Cursor, row: usize) -> Result<usize, Fault> {
        cursor.skip_blanks();
        let rows = match cursor.peek() {
            Some(b'{') => {
                cursor.pos += 1;
                self.object.read(&mut cursor, &mut self.columns, row, &self.options)?;
                1
            }
            Some(b'[') => self.read_array(&mut cursor, row)?,
            // A record of blanks or `null` holds no row: nothing is lost silently unless that was asked for.
            None if self.options.ignore_parse_errors => 0,
            Some(b'n') if self.options.ignore_parse_errors && cursor.eat_null() => 0,
            _ => return Err(cursor.fault("an object")),
        };
        cursor.skip_blanks();
        if cursor.pos < cursor.data.len() { Err(cursor.fault("the end of the record")) } else { Ok(rows) }
    }

    /// A record that is an array of objects gives a row for each.
    fn read_array(&mut self, cursor: &mut Cursor, first: usize) -> Result<usize, Fault> {
        let mut row = first;
        read_items(cursor, |cursor| {
            cursor.expect(b'{', "an object")?;
            self.object.read(cursor, &mut self.columns, row, &self.options)?;
            row += 1;
            Ok(())
        })?;
        Ok(row - first)
    }
}

/// A decoder of the columns in `schema`, for tests and for formats that wrap JSON.
pub(crate) fn factory(schema: Schema, options: ReadOptions) -> Arc<dyn DecoderFactory> {
    Arc::new(JsonDecoderFactory { schema, options })
}
