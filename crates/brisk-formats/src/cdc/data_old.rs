//! Changes as the row after and what was otherwise before: `canal-json` and `maxwell-json`.
//!
//! ```text
//!   canal    {"data": [row, ...], "old": [fields, ...] | null, "type": "INSERT" | "UPDATE" | "DELETE", "database", "table"}
//!   maxwell  {"data": row, "old": fields, "type": "insert" | "update" | "delete"}
//! ```
//!
//! `old` has only the fields that an update changed: the row before is `data` with these laid over it. Canal's
//! `CREATE` (a statement, no change of rows) gives nothing.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::parse_options;
use brisk_core::format::{Decoded, Decoder, DecoderFactory, Encoder, EncoderFactory, Format, FormatSpec};
use brisk_core::source::RecordChunk;
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use regex::bytes::Regex;

use super::options::{CanalOptions, PlainOptions};
use super::{ReadChange, Refusal};
use crate::column::Column;
use crate::json::check_types;
use crate::json::cursor::Cursor;
use crate::json::encode::{ObjectWriter, WriteOptions};
use crate::json::escape::unescape;
use crate::json::fault::Fault;
use crate::json::object::{Keys, Object};
use crate::json::value::{ReadOptions, read_items};

pub(crate) struct Canal;

pub(crate) struct Maxwell;

#[derive(Debug, Clone, Copy)]
struct Types {
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
    /// Statements that change no rows.
    ignored: &'static str,
    /// Whether rows come in arrays.
    arrays: bool,
}

const CANAL: Types = Types { insert: "INSERT", update: "UPDATE", delete: "DELETE", ignored: "CREATE", arrays: true };
const MAXWELL: Types = Types { insert: "insert", update: "update", delete: "delete", ignored: "", arrays: false };

impl Format for Canal {
    fn name(&self) -> &'static str {
        "canal-json"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(CanalOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let options: CanalOptions = parse_options(&spec.options).map_err(|e| e.context("format 'canal-json'"))?;
        check_types(self.name(), &spec.schema)?;
        let pattern = |key: &str, text: &Option<String>| {
            let whole = text.as_ref().map(|t| Regex::new(&format!("^(?:{t})$")));
            whole.transpose().map_err(|e| Error::invalid(format!("format 'canal-json': '{key}': {e}")))
        };
        Ok(Arc::new(Factory {
            schema: spec.schema.project(&spec.projection),
            types: CANAL,
            included: [pattern("database.include", &options.database_include)?, pattern("table.include", &options.table_include)?],
            read: options.read(),
            write: WriteOptions::default(),
        }))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options: CanalOptions = parse_options(&spec.options).map_err(|e| e.context("format 'canal-json'"))?;
        Factory::encoding(self.name(), spec, CANAL, options.write())
    }
}

impl Format for Maxwell {
    fn name(&self) -> &'static str {
        "maxwell-json"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(PlainOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let options: PlainOptions = parse_options(&spec.options).map_err(|e| e.context("format 'maxwell-json'"))?;
        check_types(self.name(), &spec.schema)?;
        let schema = spec.schema.project(&spec.projection);
        Ok(Arc::new(Factory { schema, types: MAXWELL, included: [None, None], read: options.read(), write: WriteOptions::default() }))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options: PlainOptions = parse_options(&spec.options).map_err(|e| e.context("format 'maxwell-json'"))?;
        Factory::encoding(self.name(), spec, MAXWELL, options.write())
    }
}

struct Factory {
    schema: Schema,
    types: Types,
    /// Patterns of the databases and tables that are read.
    included: [Option<Regex>; 2],
    read: ReadOptions,
    write: WriteOptions,
}

impl Factory {
    fn encoding(name: &str, spec: &FormatSpec, types: Types, write: WriteOptions) -> Result<Arc<dyn EncoderFactory>> {
        check_types(name, &spec.schema)?;
        Ok(Arc::new(Self { schema: spec.schema.clone(), types, included: [None, None], read: ReadOptions::default(), write }))
    }
}

impl DecoderFactory for Factory {
    fn create(&self) -> Box<dyn Decoder> {
        Box::new(DataOldDecoder {
            schema: self.schema.to_arrow(),
            columns: self.schema.columns.iter().map(|c| Column::new(&c.sql_type)).collect(),
            row: Object::new(&self.schema.columns),
            keys: Keys::new(["data", "old", "type", "database", "table"].into_iter()),
            types: self.types,
            included: self.included.clone(),
            options: self.read.clone(),
        })
    }

    fn skips_bad_records(&self) -> bool {
        self.read.ignore_parse_errors
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Retract
    }
}

impl EncoderFactory for Factory {
    fn create(&self) -> Box<dyn Encoder> {
        Box::new(DataOldEncoder { writer: ObjectWriter::new(&self.schema), types: self.types, options: self.write.clone() })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Retract
    }
}

struct DataOldDecoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    row: Object,
    keys: Keys,
    types: Types,
    included: [Option<Regex>; 2],
    options: ReadOptions,
}

/// The positions in [`DataOldDecoder::keys`].
const DATA: usize = 0;
const OLD: usize = 1;
const TYPE: usize = 2;
const DATABASE: usize = 3;
const TABLE: usize = 4;

/// What a record holds.
#[derive(Default)]
struct Change {
    /// Where the rows of `data` and the fields of `old` begin, behind their brace; `None` for a null.
    rows: [Vec<Option<usize>>; 2],
    /// The texts of `type`, `database` and `table`.
    texts: [Option<Vec<u8>>; 3],
}

impl Decoder for DataOldDecoder {
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
        let schema = self.schema.clone();
        super::decode(self, &schema, chunk)
    }
}

impl ReadChange for DataOldDecoder {
    fn columns(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    fn read_record(&mut self, record: &[u8], row: usize, kinds: &mut Vec<RowKind>) -> Result<(), Refusal> {
        let mut cursor = Cursor::new(record);
        cursor.skip_blanks();
        if cursor.peek().is_none() || cursor.eat_null() {
            return Ok(());
        }
        let change = self.read_envelope(&mut cursor)?;
        cursor.skip_blanks();
        if cursor.pos < record.len() {
            return Err(cursor.fault("the end of the record").into());
        }
        let [kind, database, table] = &change.texts;
        let excluded = |pattern: &Option<Regex>, text: &Option<Vec<u8>>| pattern.as_ref().is_some_and(|p| !text.as_ref().is_some_and(|t| p.is_match(t)));
        if excluded(&self.included[0], database) || excluded(&self.included[1], table) {
            return Ok(());
        }
        let Some(kind) = kind else { return Err(Refusal::Change("no change: the field \"type\" is missing".to_string())) };
        self.read_rows(record, row, kind, &change, kinds)
    }
}

impl DataOldDecoder {
    fn read_envelope(&mut self, cursor: &mut Cursor) -> Result<Change, Fault> {
        let mut change = Change::default();
        cursor.expect(b'{', "an object")?;
        let mut previous = Keys::START;
        while let Some(key) = self.keys.next_in_object(cursor, previous)? {
            previous = key;
            match self.keys.target(previous) {
                Some(which @ (DATA | OLD)) => change.rows[which] = read_starts(cursor, self.types.arrays)?,
                Some(which @ (TYPE | DATABASE | TABLE)) if cursor.peek() == Some(b'"') => {
                    let start = cursor.pos;
                    let mut text = Vec::new();
                    unescape(cursor.string()?.text, &mut text).ok_or_else(|| Fault::syntax(start, "a text with sound escapes"))?;
                    change.texts[which - TYPE] = Some(text);
                }
                _ => cursor.skip_value()?,
            }
        }
        Ok(change)
    }

    fn read_rows(&mut self, record: &[u8], row: usize, kind: &[u8], change: &Change, kinds: &mut Vec<RowKind>) -> Result<(), Refusal> {
        let types = self.types;
        let update = kind == types.update.as_bytes();
        let single = if kind == types.insert.as_bytes() {
            RowKind::Insert
        } else if kind == types.delete.as_bytes() {
            RowKind::Delete
        } else if update {
            RowKind::UpdateAfter
        } else if !types.ignored.is_empty() && kind == types.ignored.as_bytes() {
            return Ok(());
        } else {
            return Err(Refusal::Change(format!("unknown type '{}'", String::from_utf8_lossy(kind))));
        };
        let [data, old] = &change.rows;
        if data.is_empty() {
            return Err(Refusal::Change("the field \"data\" has no row".to_string()));
        }
        let mut next = row;
        for (i, start) in data.iter().enumerate() {
            let Some(start) = *start else { return Err(Refusal::Change("a row of \"data\" is null".to_string())) };
            if update {
                let Some(old) = old.get(i).copied().flatten() else {
                    return Err(Refusal::Change("an update needs the field \"old\"".to_string()));
                };
                let mut layers = [Cursor::new(record).at(start), Cursor::new(record).at(old)];
                self.row.read_overlaid(&mut layers, &mut self.columns, next, &self.options)?;
                kinds.push(RowKind::UpdateBefore);
                next += 1;
            }
            let mut cursor = Cursor::new(record).at(start);
            self.row.read(&mut cursor, &mut self.columns, next, &self.options)?;
            kinds.push(single);
            next += 1;
        }
        Ok(())
    }
}

/// Where the objects of the value that comes next begin, behind their brace; the value is passed over.
fn read_starts(cursor: &mut Cursor, arrays: bool) -> Result<Vec<Option<usize>>, Fault> {
    let mut starts = Vec::new();
    if arrays && cursor.peek() == Some(b'[') {
        read_items(cursor, |cursor| {
            starts.push(read_start(cursor)?);
            Ok(())
        })?;
    } else if let Some(start) = read_start(cursor)? {
        starts.push(Some(start));
    }
    Ok(starts)
}

fn read_start(cursor: &mut Cursor) -> Result<Option<usize>, Fault> {
    if cursor.eat_null() {
        return Ok(None);
    }
    if cursor.peek() != Some(b'{') {
        return Err(cursor.fault("an object or null"));
    }
    let start = cursor.pos + 1;
    cursor.skip_value()?;
    Ok(Some(start))
}

struct DataOldEncoder {
    writer: ObjectWriter,
    types: Types,
    options: WriteOptions,
}

impl Encoder for DataOldEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        let (open, close) = if self.types.arrays { ("{\"data\":[", "],\"type\":\"") } else { ("{\"data\":", ",\"type\":\"") };
        for row in 0..batch.num_rows() {
            let kind = if batch.kind(row).is_add() { self.types.insert } else { self.types.delete };
            out.extend_from_slice(open.as_bytes());
            self.writer.write(&cells, row, &self.options, out);
            out.extend_from_slice(close.as_bytes());
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(b"\"}\n");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chunk, ints_and_texts, rows_of, spec};

    fn check(format: &dyn Format, options: &[(&str, &str)], data: &str, expected: &[&str], bad: &[&str]) {
        let decoder = format.decoder(&spec(ints_and_texts(), options)).unwrap();
        let decoded = decoder.create().decode(&chunk(data.to_string())).unwrap();
        assert_eq!(rows_of(&decoded.batch), expected);
        let reasons: Vec<_> = decoded.bad.iter().map(|b| b.reason.as_str()).collect();
        assert_eq!(reasons.len(), bad.len(), "{reasons:?}");
        for (reason, part) in reasons.iter().zip(bad) {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn canal_has_many_rows_a_record() {
        check(
            &Canal,
            &[],
            r#"{"data":[{"a":"1","b":"x"},{"a":"2","b":null}],"old":null,"type":"INSERT","es":5}
{"type":"UPDATE","data":[{"a":"1","b":"y"},{"a":"2","b":"z"}],"old":[{"b":"x"},{"b":null}]}
{"data":[{"a":"1","b":"y"}],"type":"DELETE"}
{"data":null,"type":"CREATE","sql":"CREATE TABLE"}
{"data":[{"a":"q"}],"type":"INSERT"}
{"data":[{"a":"1"},{"a":"2"}],"old":[{"a":"3"}],"type":"UPDATE"}
{"data":[{"a":"1"}],"type":"ALTER"}"#,
            &["+I[1, x]", "+I[2, NULL]", "-U[1, x]", "+U[1, y]", "-U[2, NULL]", "+U[2, z]", "-D[1, y]"],
            &["column `a`: \"q\" is not a INT", "needs the field \"old\"", "unknown type 'ALTER'"],
        );
        let only = [("database.include", "shop"), ("table.include", "ord.*")];
        check(
            &Canal,
            &only,
            r#"{"data":[{"a":"1"}],"type":"INSERT","database":"shop","table":"orders"}
{"data":[{"a":"2"}],"type":"INSERT","database":"shop2","table":"orders"}
{"data":[{"a":"3"}],"type":"INSERT","database":"shop","table":"users"}"#,
            &["+I[1, NULL]"],
            &[],
        );
    }

    #[test]
    fn maxwell_has_one_row_a_record() {
        check(
            &Maxwell,
            &[],
            r#"{"database":"d","table":"t","type":"insert","ts":1,"data":{"a":1,"b":"x"}}
{"type":"update","data":{"a":1,"b":"y"},"old":{"b":"x"}}
{"type":"delete","data":{"a":1,"b":"y"}}"#,
            &["+I[1, x]", "-U[1, x]", "+U[1, y]", "-D[1, y]"],
            &[],
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (format, lines) in [
            (&Canal as &dyn Format, "{\"data\":[{\"a\":1,\"b\":\"x\"}],\"type\":\"INSERT\"}\n{\"data\":[{\"a\":1,\"b\":null}],\"type\":\"DELETE\"}\n"),
            (&Maxwell, "{\"data\":{\"a\":1,\"b\":\"x\"},\"type\":\"insert\"}\n{\"data\":{\"a\":1,\"b\":null},\"type\":\"delete\"}\n"),
        ] {
            let spec = spec(ints_and_texts(), &[]);
            let batch = format.decoder(&spec).unwrap().create().decode(&chunk(lines)).unwrap().batch;
            let mut out = Vec::new();
            format.encoder(&spec).unwrap().create().encode(&batch, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), lines);
        }
    }
}
