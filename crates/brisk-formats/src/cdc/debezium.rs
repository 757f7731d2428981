//! The `debezium-json` format: `{"before": row, "after": row, "op": "c" | "r" | "u" | "d"}`.
//!
//! `c` and `r` (a snapshot's row) give `+I`, `u` gives `-U` and `+U`, `d` gives `-D`. With `schema-include` all this
//! lies in the field `payload`. Written are `c` for `+I` and `+U`, `d` for `-U` and `-D`, as Flink does.
//!
//! Both rows are read straight into the same columns, in the order in which they stand. The operation usually comes
//! last; where it does not want the rows that were read (or not in this order), they are taken back and read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::parse_options;
use brisk_core::format::{Decoded, Decoder, DecoderFactory, Encoder, EncoderFactory, Format, FormatSpec};
use brisk_core::source::RecordChunk;
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::column::Column;
use crate::json::check_types;
use crate::json::cursor::Cursor;
use crate::json::encode::{ObjectWriter, WriteOptions, row_cells};
use crate::json::fault::Fault;
use crate::json::object::{Keys, Object};
use crate::json::value::ReadOptions;
use crate::json::{MapNullKeyMode, TimestampFormat};
use crate::outcome::Outcome;
use crate::records::records;

pub(crate) struct Debezium;

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DebeziumOptions {
    /// Whether records hold Kafka Connect's schema: the change is then in the field `payload`.
    #[serde(default)]
    schema_include: bool,
    /// Whether a field that cannot be converted is NULL and a record that is no change is skipped.
    #[serde(default)]
    ignore_parse_errors: bool,
    /// How timestamps are written: `SQL` (`2020-01-01 10:00:00.5`) or `ISO-8601` (`2020-01-01T10:00:00.5`).
    #[serde(default, rename = "timestamp-format.standard")]
    timestamp_format: TimestampFormat,
    /// What becomes of a map's null key when writing: `FAIL`, `DROP` or `LITERAL`.
    #[serde(default, rename = "map-null-key.mode")]
    map_null_key_mode: MapNullKeyMode,
    /// The key written for a null key under `LITERAL`.
    #[serde(default, rename = "map-null-key.literal")]
    map_null_key_literal: Option<String>,
    /// Whether decimals are always written as plain numbers, never as `2.7E-8`.
    #[serde(default, rename = "encode.decimal-as-plain-number")]
    decimal_as_plain_number: bool,
    /// Whether fields that are NULL are left out when writing.
    #[serde(default, rename = "encode.ignore-null-fields")]
    ignore_null_fields: bool,
}

impl DebeziumOptions {
    fn parse(options: &BTreeMap<String, String>) -> Result<Self> {
        let parsed: Self = parse_options(options).map_err(|e| e.context("format 'debezium-json'"))?;
        // Arrow's maps have no null keys: known and without effect.
        let _ = (parsed.map_null_key_mode, &parsed.map_null_key_literal);
        Ok(parsed)
    }
}

impl Format for Debezium {
    fn name(&self) -> &'static str {
        "debezium-json"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(DebeziumOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let options = DebeziumOptions::parse(&spec.options)?;
        check_types(self.name(), &spec.schema)?;
        Ok(Arc::new(Factory {
            schema: spec.schema.project(&spec.projection),
            schema_include: options.schema_include,
            read: ReadOptions { standard: options.timestamp_format.into(), ignore_parse_errors: options.ignore_parse_errors, fail_on_missing_field: false },
            write: WriteOptions::default(),
        }))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options = DebeziumOptions::parse(&spec.options)?;
        check_types(self.name(), &spec.schema)?;
        if options.schema_include {
            return Err(Error::invalid("format 'debezium-json': schema-include is for reading; it must be false where the table is written"));
        }
        Ok(Arc::new(Factory {
            schema: spec.schema.clone(),
            schema_include: false,
            read: ReadOptions::default(),
            write: WriteOptions {
                standard: options.timestamp_format.into(),
                plain_decimals: options.decimal_as_plain_number,
                ignore_null_fields: options.ignore_null_fields,
            },
        }))
    }
}

struct Factory {
    schema: Schema,
    schema_include: bool,
    read: ReadOptions,
    write: WriteOptions,
}

impl DecoderFactory for Factory {
    fn create(&self) -> Box<dyn Decoder> {
        Box::new(DebeziumDecoder {
            schema: self.schema.to_arrow(),
            columns: self.schema.columns.iter().map(|c| Column::new(&c.sql_type)).collect(),
            row: Object::new(&self.schema.columns),
            keys: Keys::new(["before", "after", "op", "payload"].into_iter()),
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
        Box::new(DebeziumEncoder { writer: ObjectWriter::new(&self.schema), options: self.write.clone() })
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Retract
    }
}

struct DebeziumDecoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    row: Object,
    keys: Keys,
    schema_include: bool,
    options: ReadOptions,
}

/// The positions in [`DebeziumDecoder::keys`].
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

impl Decoder for DebeziumDecoder {
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
        let mut outcome = Outcome::new(chunk)?;
        let mut kinds = Vec::new();
        let all_utf8 = std::str::from_utf8(&chunk.data).is_ok();
        for (number, start, end) in records(chunk) {
            let record = &chunk.data[start..end];
            let before = outcome.rows();
            let read = if all_utf8 || std::str::from_utf8(record).is_ok() {
                self.read_record(record, before).map_err(|e| e.describe(record))
            } else {
                Err("not valid UTF-8".to_string())
            };
            match read {
                Ok(changes) => {
                    changes.iter().for_each(|_| outcome.row(number));
                    kinds.extend_from_slice(changes);
                }
                Err(reason) => {
                    self.columns.iter_mut().for_each(|c| c.truncate(before));
                    outcome.bad(chunk, number, start, end, reason);
                }
            }
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        outcome.finish(&self.schema, columns, Some(kinds))
    }
}

/// Why a record gives no change.
enum Refusal {
    Json(Fault),
    Change(String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Refusal::Json(fault)
    }
}

impl Refusal {
    fn describe(&self, record: &[u8]) -> String {
        match self {
            Refusal::Json(fault) => fault.describe(record),
            Refusal::Change(reason) => reason.clone(),
        }
    }
}

impl DebeziumDecoder {
    /// Reads a record as rows from `row` on, and says their kinds.
    fn read_record(&mut self, record: &[u8], row: usize) -> Result<&'static [RowKind], Refusal> {
        let mut cursor = Cursor::new(record);
        cursor.skip_blanks();
        if cursor.peek().is_none() || cursor.eat_null() {
            // A tombstone.
            return Ok(&[]);
        }
        let (mut change, mut read) = (Change::default(), ReadRows::default());
        self.read_envelope(&mut cursor, row, self.schema_include, &mut change, &mut read)?;
        cursor.skip_blanks();
        if cursor.pos < record.len() {
            return Err(cursor.fault("the end of the record").into());
        }
        let (kinds, wanted): (&[RowKind], &[usize]) = match change.op {
            Some(b"c" | b"r") => (&[RowKind::Insert], &[AFTER]),
            Some(b"u") => (&[RowKind::UpdateBefore, RowKind::UpdateAfter], &[BEFORE, AFTER]),
            Some(b"d") => (&[RowKind::Delete], &[BEFORE]),
            Some(other) => return Err(Refusal::Change(format!("unknown op '{}'", String::from_utf8_lossy(other)))),
            None => return Err(Refusal::Change("no change: the field \"op\" is missing".to_string())),
        };
        if read.repeated || read.which[..read.len] != *wanted {
            self.read_again(record, row, &change, wanted)?;
        }
        Ok(kinds)
    }

    fn read_envelope<'a>(&mut self, cursor: &mut Cursor<'a>, row: usize, in_payload: bool, change: &mut Change<'a>, read: &mut ReadRows) -> Result<(), Fault> {
        cursor.expect(b'{', "an object")?;
        cursor.skip_blanks();
        if cursor.eat(b'}') {
            return Ok(());
        }
        let mut previous = Keys::START;
        loop {
            previous = self.keys.next(cursor, previous)?;
            match self.keys.target(previous) {
                Some(PAYLOAD) if in_payload && cursor.peek() == Some(b'{') => self.read_envelope(cursor, row, false, change, read)?,
                Some(which @ (BEFORE | AFTER)) if !in_payload => self.read_row(cursor, row, which, change, read)?,
                Some(OP) if !in_payload => {
                    let start = cursor.pos;
                    change.op = if cursor.eat_null() { None } else { Some(cursor.string().map_err(|_| op_fault(start))?.text) };
                }
                _ => cursor.skip_value()?,
            }
            cursor.skip_blanks();
            if cursor.eat(b'}') {
                return Ok(());
            }
            cursor.expect(b',', "',' or '}'")?;
            cursor.skip_blanks();
        }
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
            let mut cursor = Cursor { data: record, pos: start };
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

struct DebeziumEncoder {
    writer: ObjectWriter,
    options: WriteOptions,
}

impl Encoder for DebeziumEncoder {
    fn encode(&mut self, batch: &ChangelogBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = row_cells(batch)?;
        for row in 0..batch.num_rows() {
            let add = batch.kind(row).is_add();
            self.head(if add { AFTER } else { BEFORE }, out);
            self.writer.write(&cells, row, &self.options, out);
            self.tail(add, out);
        }
        Ok(())
    }
}

impl DebeziumEncoder {
    fn head(&self, which: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(match (which, self.options.ignore_null_fields) {
            (BEFORE, _) => b"{\"before\":",
            (_, false) => b"{\"before\":null,\"after\":",
            (_, true) => b"{\"after\":",
        });
    }

    fn tail(&self, add: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(match (add, self.options.ignore_null_fields) {
            (true, _) => b",\"op\":\"c\"}\n",
            (false, false) => b",\"after\":null,\"op\":\"d\"}\n",
            (false, true) => b",\"op\":\"d\"}\n",
        });
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
