//! Changes as the row before and the row after: `debezium-json` and `ogg-json`.
//!
//! ```text
//!   debezium  {"before": row, "after": row, "op": "c" | "r" | "u" | "d"}        perhaps within "payload"
//!   ogg       {"before": row, "after": row, "op_type": "I" | "U" | "D"}
//! ```
//!
//! An insertion (or a row of a snapshot) gives `+I`, an update `-U` and `+U`, a deletion `-D`. Written are insertions
//! for `+I` and `+U`, deletions for `-U` and `-D`, as Flink does.
//!
//! Both rows are read straight into the same columns, in the order in which they stand. The operation usually comes
//! last; where it does not want the rows that were read (or not in this order), they are taken back and read again.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::parse_options;
use brisk_core::format::{Decoded, Decoder, DecoderFactory, Encoder, EncoderFactory, Format, FormatSpec};
use brisk_core::source::RecordChunk;
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};

use super::options::{DebeziumOptions, PlainOptions};
use super::{ReadChange, Refusal};
use crate::column::Column;
use crate::json::check_types;
use crate::json::cursor::Cursor;
use crate::json::encode::{ObjectWriter, WriteOptions};
use crate::json::fault::Fault;
use crate::json::object::{Keys, Object};
use crate::json::value::ReadOptions;

pub(crate) struct Debezium;

pub(crate) struct Ogg;

/// What tells the operation, and how each is called.
#[derive(Debug, Clone, Copy)]
struct Operations {
    key: &'static str,
    insert: &'static [&'static str],
    update: &'static str,
    delete: &'static str,
}

const DEBEZIUM: Operations = Operations { key: "op", insert: &["c", "r"], update: "u", delete: "d" };
const OGG: Operations = Operations { key: "op_type", insert: &["I"], update: "U", delete: "D" };

impl Format for Debezium {
    fn name(&self) -> &'static str {
        "debezium-json"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(DebeziumOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let options: DebeziumOptions = parse_options(&spec.options).map_err(|e| e.context("format 'debezium-json'"))?;
        Factory::decoding(self.name(), spec, DEBEZIUM, options.schema_include, options.read())
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options: DebeziumOptions = parse_options(&spec.options).map_err(|e| e.context("format 'debezium-json'"))?;
        if options.schema_include {
            return Err(Error::invalid("format 'debezium-json': schema-include is for reading; it must be false where the table is written"));
        }
        Factory::encoding(self.name(), spec, DEBEZIUM, options.write())
    }
}

impl Format for Ogg {
    fn name(&self) -> &'static str {
        "ogg-json"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(PlainOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let options: PlainOptions = parse_options(&spec.options).map_err(|e| e.context("format 'ogg-json'"))?;
        Factory::decoding(self.name(), spec, OGG, false, options.read())
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options: PlainOptions = parse_options(&spec.options).map_err(|e| e.context("format 'ogg-json'"))?;
        Factory::encoding(self.name(), spec, OGG, options.write())
    }
}

struct Factory {
    schema: Schema,
    operations: Operations,
    schema_include: bool,
    read: ReadOptions,
    write: WriteOptions,
}

impl Factory {
    fn decoding(name: &str, spec: &FormatSpec, operations: Operations, schema_include: bool, read: ReadOptions) -> Result<Arc<dyn DecoderFactory>> {
        check_types(name, &spec.schema)?;
        let schema = spec.schema.project(&spec.projection);
        Ok(Arc::new(Self { schema, operations, schema_include, read, write: WriteOptions::default() }))
    }

    fn encoding(name: &str, spec: &FormatSpec, operations: Operations, write: WriteOptions) -> Result<Arc<dyn EncoderFactory>> {
        check_types(name, &spec.schema)?;
        Ok(Arc::new(Self { schema: spec.schema.clone(), operations, schema_include: false, read: ReadOptions::default(), write }))
    }
}

impl DecoderFactory for Factory {
    fn create(&self) -> Box<dyn Decoder> {
        Box::new(BeforeAfterDecoder {
            schema: self.schema.to_arrow(),
            columns: self.schema.columns.iter().map(|c| Column::new(&c.sql_type)).collect(),
            row: Object::new(&self.schema.columns),
            keys: Keys::new(["before", "after", self.operations.key, "payload"].into_iter()),
            operations: self.operations,
            schema_include: self.schema_include,
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
        Box::new(BeforeAfterEncoder::new(&self.schema, self.operations, self.write.clone()))
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Retract
    }
}

struct BeforeAfterDecoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    row: Object,
    keys: Keys,
    operations: Operations,
    schema_include: bool,
    options: ReadOptions,
}

/// The positions in [`BeforeAfterDecoder::keys`].
const BEFORE: usize = 0;
const AFTER: usize = 1;
const OP: usize = 2;
const PAYLOAD: usize = 3;

/// What a record holds.
#[derive(Default)]
struct Change<'a> {
    /// Where the rows before and after begin (behind their brace), where they are not null.
    rows: [Option<usize>; 2],
    op: Option<&'a [u8]>,
}

/// The rows in the columns since the record began: of `before` or `after`, in the order read.
#[derive(Default)]
struct ReadRows {
    which: [usize; 2],
    len: usize,
    /// A key came twice, so that the columns hold more than they should.
    repeated: bool,
}

impl Decoder for BeforeAfterDecoder {
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
        let schema = self.schema.clone();
        super::decode(self, &schema, chunk)
    }
}

impl ReadChange for BeforeAfterDecoder {
    fn columns(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    fn read_record(&mut self, record: &[u8], row: usize, kinds: &mut Vec<RowKind>) -> Result<(), Refusal> {
        let mut cursor = Cursor::new(record);
        cursor.skip_blanks();
        if cursor.peek().is_none() || cursor.eat_null() {
            // A tombstone.
            return Ok(());
        }
        let (mut change, mut read) = (Change::default(), ReadRows::default());
        self.read_envelope(&mut cursor, row, self.schema_include, &mut change, &mut read)?;
        cursor.skip_blanks();
        if cursor.pos < record.len() {
            return Err(cursor.fault("the end of the record").into());
        }
        let (made, wanted) = self.operations.rows_of(change.op)?;
        if read.repeated || read.which[..read.len] != *wanted {
            self.read_again(record, row, &change, wanted)?;
        }
        kinds.extend_from_slice(made);
        Ok(())
    }
}

impl Operations {
    /// The kinds that an operation makes, and the rows it needs for them.
    fn rows_of(&self, op: Option<&[u8]>) -> Result<(&'static [RowKind], &'static [usize]), Refusal> {
        let Some(op) = op else { return Err(Refusal::Change(format!("no change: the field \"{}\" is missing", self.key))) };
        if self.insert.iter().any(|name| name.as_bytes() == op) {
            return Ok((&[RowKind::Insert], &[AFTER]));
        }
        if self.update.as_bytes() == op {
            return Ok((&[RowKind::UpdateBefore, RowKind::UpdateAfter], &[BEFORE, AFTER]));
        }
        if self.delete.as_bytes() == op {
            return Ok((&[RowKind::Delete], &[BEFORE]));
        }
        Err(Refusal::Change(format!("unknown {} '{}'", self.key, String::from_utf8_lossy(op))))
    }
}

impl BeforeAfterDecoder {
    fn read_envelope<'a>(&mut self, cursor: &mut Cursor<'a>, row: usize, in_payload: bool, change: &mut Change<'a>, read: &mut ReadRows) -> Result<(), Fault> {
        cursor.expect(b'{', "an object")?;
        let mut previous = Keys::START;
        while let Some(key) = self.keys.next_in_object(cursor, previous)? {
            previous = key;
            match self.keys.target(previous) {
                Some(PAYLOAD) if in_payload && cursor.peek() == Some(b'{') => self.read_envelope(cursor, row, false, change, read)?,
                Some(which @ (BEFORE | AFTER)) if !in_payload => self.read_row(cursor, row, which, change, read)?,
                Some(OP) if !in_payload => {
                    let start = cursor.pos;
                    change.op = if cursor.eat_null() { None } else { Some(cursor.string().map_err(|_| op_fault(start))?.text) };
                }
                _ => cursor.skip_value()?,
            }
        }
        Ok(())
    }

    fn read_row(&mut self, cursor: &mut Cursor, row: usize, which: usize, change: &mut Change, read: &mut ReadRows) -> Result<(), Fault> {
        if cursor.eat_null() {
            change.rows[which] = None;
            return Ok(());
        }
        cursor.expect(b'{', "an object or null")?;
        if change.rows[which].replace(cursor.pos).is_some() || read.len == 2 {
            // Sorted out when all is known.
            read.repeated = true;
            cursor.pos -= 1;
            return cursor.skip_value();
        }
        self.row.read(cursor, &mut self.columns, row + read.len, &self.options)?;
        read.which[read.len] = which;
        read.len += 1;
        Ok(())
    }

    /// Reads the rows that the operation wants, after all was read once in another order.
    fn read_again(&mut self, record: &[u8], row: usize, change: &Change, wanted: &[usize]) -> Result<(), Refusal> {
        self.columns.iter_mut().for_each(|c| c.truncate(row));
        for (i, which) in wanted.iter().enumerate() {
            let Some(start) = change.rows[*which] else { return Err(Refusal::Change(missing_row(*which, change.op))) };
            let mut cursor = Cursor::new(record).at(start);
            self.row.read(&mut cursor, &mut self.columns, row + i, &self.options)?;
        }
        Ok(())
    }
}

fn op_fault(at: usize) -> Fault {
    Fault::syntax(at, "the operation as a string")
}

fn missing_row(which: usize, op: Option<&[u8]>) -> String {
    let op = String::from_utf8_lossy(op.unwrap_or_default()).into_owned();
    let field = if which == BEFORE { "before" } else { "after" };
    let remedy = if which == BEFORE { "; the database must log whole rows (PostgreSQL: REPLICA IDENTITY FULL)" } else { "" };
    format!("a change with op '{op}' needs the row \"{field}\", which is null{remedy}")
}

struct BeforeAfterEncoder {
    writer: ObjectWriter,
    options: WriteOptions,
    /// What stands around the row of an insertion and of a deletion.
    insert: [String; 2],
    delete: [String; 2],
}

impl BeforeAfterEncoder {
    fn new(schema: &Schema, operations: Operations, options: WriteOptions) -> Self {
        let Operations { key, insert, delete, .. } = operations;
        let (no_before, no_after) = if options.ignore_null_fields { ("", "") } else { ("\"before\":null,", ",\"after\":null") };
        Self {
            writer: ObjectWriter::new(schema),
            insert: [format!("{{{no_before}\"after\":"), format!(",\"{key}\":\"{}\"}}\n", insert[0])],
            delete: ["{\"before\":".to_string(), format!("{no_after},\"{key}\":\"{delete}\"}}\n")],
            options,
        }
    }
}

impl Encoder for BeforeAfterEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.num_rows() {
            let [head, tail] = if batch.kind(row).is_add() { &self.insert } else { &self.delete };
            out.extend_from_slice(head.as_bytes());
            self.writer.write(&cells, row, &self.options, out);
            out.extend_from_slice(tail.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chunk, ints_and_texts, rows_of, spec};

    fn check(options: &[(&str, &str)], data: &str, expected: &[&str], bad: &[&str]) {
        let decoder = Debezium.decoder(&spec(ints_and_texts(), options)).unwrap();
        let decoded = decoder.create().decode(&chunk(data.to_string())).unwrap();
        assert_eq!(rows_of(&decoded.batch), expected);
        let reasons: Vec<_> = decoded.bad.iter().map(|b| b.reason.as_str()).collect();
        assert_eq!(reasons.len(), bad.len(), "{reasons:?}");
        for (reason, part) in reasons.iter().zip(bad) {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn changes_become_kinds() {
        check(
            &[],
            r#"{"before": null, "after": {"a": 1, "b": "x"}, "op": "c"}
{"before": {"a": 1, "b": "x"}, "after": {"b": "y", "a": 1}, "source": {"ts": [1]}, "op": "u", "ts_ms": 5}
{"op": "d", "after": null, "before": {"a": 1, "b": "y"}}

{"after": {"a": 2, "b": "z"}, "before": {"a": 3, "b": "w"}, "op": "u"}
{"after": {"a": 2, "b": "z"}, "before": {"a": 3, "b": "w"}, "op": "r"}
null"#,
            &["+I[1, x]", "-U[1, x]", "+U[1, y]", "-D[1, y]", "-U[3, w]", "+U[2, z]", "+I[2, z]"],
            &[],
        );
    }

    #[test]
    fn the_payload_is_found() {
        check(&[("schema-include", "true")], r#"{"schema": {"before": {}}, "payload": {"after": {"a": 1, "b": "x"}, "op": "c"}}"#, &["+I[1, x]"], &[]);
    }

    #[test]
    fn what_is_no_change_is_bad_and_leaves_nothing() {
        check(
            &[],
            r#"{"before": {"a": 9, "b": "q"}, "after": {"a": "no", "b": "x"}, "op": "u"}
{"before": null, "after": {"a": 1, "b": "x"}, "op": "u"}
{"after": {"a": 1, "b": "x"}, "op": "t"}
{"after": {"a": 1, "b": "x"}}
{"after": {"a": 1, "b": "x"}, "op": "c"} x
{"after": {"a": 1, "b": "x"}, "op": "c"}"#,
            &["+I[1, x]"],
            &["column `a`: \"no\" is not a INT", "REPLICA IDENTITY", "unknown op 't'", "\"op\" is missing", "the end of the record"],
        );
    }

    #[test]
    fn ogg_has_other_names() {
        let data = r#"{"before":{"a":1,"b":"x"},"after":{"a":2,"b":"x"},"op_type":"U"}"#;
        let batch = Ogg.decoder(&spec(ints_and_texts(), &[])).unwrap().create().decode(&chunk(data)).unwrap().batch;
        assert_eq!(rows_of(&batch), ["-U[1, x]", "+U[2, x]"]);
        let mut out = Vec::new();
        Ogg.encoder(&spec(ints_and_texts(), &[("encode.ignore-null-fields", "true")])).unwrap().create().encode(&batch, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"before\":{\"a\":1,\"b\":\"x\"},\"op_type\":\"D\"}\n{\"after\":{\"a\":2,\"b\":\"x\"},\"op_type\":\"I\"}\n"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let decoder = Debezium.decoder(&spec(ints_and_texts(), &[])).unwrap();
        let data = r#"{"before":null,"after":{"a":1,"b":null},"op":"c"}
{"before":{"a":null,"b":"y\n"},"after":null,"op":"d"}
"#;
        let batch = decoder.create().decode(&chunk(data)).unwrap().batch;
        let encoder = Debezium.encoder(&spec(ints_and_texts(), &[])).unwrap();
        let mut out = Vec::new();
        encoder.create().encode(&batch, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), data);
    }
}
