//! Lines of separated fields into columns.

use brisk_core::batch::ChangelogMode;
use brisk_core::format::{Decoded, Decoder, DecoderFactory};
use brisk_core::source::RecordChunk;
use brisk_core::{Result, Schema};

use super::Dialect;
use crate::column::Column;
use crate::outcome::Outcome;
use crate::records::records;
use crate::scalar::push_text;
use crate::text::Standard;
use crate::text::time::parse_time;

pub(super) struct CsvDecoderFactory {
    schema: Schema,
    /// For each field of a record its column of the output.
    targets: Vec<Option<usize>>,
    /// The output's columns.
    projected: Schema,
    dialect: Dialect,
}

impl CsvDecoderFactory {
    pub fn new(schema: &Schema, projection: &[usize], dialect: Dialect) -> Self {
        let mut targets = vec![None; schema.len()];
        for (column, field) in projection.iter().enumerate() {
            targets[*field] = Some(column);
        }
        Self { schema: schema.clone(), targets, projected: schema.project(projection), dialect }
    }
}

impl DecoderFactory for CsvDecoderFactory {
    fn create(&self) -> Box<dyn Decoder> {
        Box::new(CsvDecoder {
            schema: self.projected.to_arrow(),
            names: self.schema.columns.iter().map(|c| (c.name.clone(), c.sql_type.data_type.to_string())).collect(),
            targets: self.targets.clone(),
            columns: self.projected.columns.iter().map(|c| Column::new(&c.sql_type)).collect(),
            dialect: self.dialect.clone(),
            scratch: Vec::new(),
        })
    }

    fn skips_bad_records(&self) -> bool {
        self.dialect.ignore_parse_errors
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::Append
    }
}

struct CsvDecoder {
    schema: arrow_schema::SchemaRef,
    /// Name and type of every field, for messages.
    names: Vec<(String, String)>,
    targets: Vec<Option<usize>>,
    columns: Vec<Column>,
    dialect: Dialect,
    /// A quoted field without its quotes.
    scratch: Vec<u8>,
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, chunk: &RecordChunk) -> Result<Decoded> {
        let mut outcome = Outcome::new(chunk)?;
        let all_utf8 = std::str::from_utf8(&chunk.data).is_ok();
        for (number, start, end) in records(chunk) {
            let record = &chunk.data[start..end];
            if self.dialect.comments && record[0] == b'#' {
                continue;
            }
            let read = if all_utf8 || std::str::from_utf8(record).is_ok() { self.read_record(record) } else { Err("not valid UTF-8".to_string()) };
            match read {
                Ok(()) => outcome.row(number),
                Err(reason) => {
                    let rows = outcome.rows();
                    self.columns.iter_mut().for_each(|c| c.truncate(rows));
                    outcome.bad(chunk, number, start, end, reason);
                }
            }
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        outcome.finish(&self.schema, columns, None)
    }
}

impl CsvDecoder {
    fn read_record(&mut self, record: &[u8]) -> Result<(), String> {
        let mut pos = 0;
        let mut fields = 0;
        loop {
            let (end, next) = match self.dialect.quote {
                Some(quote) if record.get(pos) == Some(&quote) => {
                    self.scratch.clear();
                    let end = unquote(&record[pos + 1..], quote, self.dialect.escape, &mut self.scratch).ok_or("a quote is not closed on its line")?;
                    let end = pos + 1 + end;
                    let field = std::mem::take(&mut self.scratch);
                    let pushed = self.push_field(fields, &field);
                    self.scratch = field;
                    pushed?;
                    (end, record.get(end))
                }
                _ => self.plain_field(record, pos, fields)?,
            };
            fields += 1;
            match next {
                None => break,
                Some(b) if *b == self.dialect.delimiter => pos = end + 1,
                Some(_) => return Err(format!("field {fields} goes on behind its closing quote")),
            }
            // Jackson's reader takes a delimiter at the very end as no further field.
            if pos == record.len() && fields == self.targets.len() {
                break;
            }
        }
        self.check_arity(fields)
    }

    /// Reads the field at `pos` that is not quoted; gives its end and what stands there.
    fn plain_field<'a>(&mut self, record: &'a [u8], pos: usize, index: usize) -> Result<(usize, Option<&'a u8>), String> {
        let rest = &record[pos..];
        let Some(escape) = self.dialect.escape else {
            let end = memchr::memchr(self.dialect.delimiter, rest).map_or(record.len(), |n| pos + n);
            self.push_field(index, &record[pos..end])?;
            return Ok((end, record.get(end)));
        };
        let mut field = Vec::new();
        let mut at = 0;
        while at < rest.len() && rest[at] != self.dialect.delimiter {
            at += usize::from(rest[at] == escape && at + 1 < rest.len());
            field.push(rest[at]);
            at += 1;
        }
        self.push_field(index, &field)?;
        Ok((pos + at, record.get(pos + at)))
    }

    fn push_field(&mut self, index: usize, text: &[u8]) -> Result<(), String> {
        let Some(Some(target)) = self.targets.get(index) else { return Ok(()) };
        let column = &mut self.columns[*target];
        let len = column.len();
        if push_value(column, text, &self.dialect) {
            return Ok(());
        }
        column.truncate(len);
        if self.dialect.ignore_parse_errors {
            column.push_null();
            return Ok(());
        }
        let (name, data_type) = &self.names[index];
        Err(format!("column `{name}`: '{}' is not a {data_type}", String::from_utf8_lossy(&text[..text.len().min(60)])))
    }

    fn check_arity(&mut self, fields: usize) -> Result<(), String> {
        let expected = self.targets.len();
        if fields == expected || (fields > expected && self.dialect.ignore_parse_errors) {
            return Ok(());
        }
        if !self.dialect.ignore_parse_errors {
            return Err(format!("{fields} fields where the table has {expected} columns"));
        }
        for target in self.targets[fields..].iter().flatten() {
            self.columns[*target].push_null();
        }
        Ok(())
    }
}

/// Puts a field into a column; an ARRAY or ROW is split into its elements.
fn push_value(column: &mut Column, text: &[u8], dialect: &Dialect) -> bool {
    if dialect.null_literal.as_deref() == Some(text) {
        column.push_null();
        return true;
    }
    match column {
        Column::List(list) => {
            let done = text.is_empty() || split(text, &dialect.element_delimiter).all(|item| push_value(&mut list.items, item, dialect));
            if done {
                list.end_value();
            }
            done
        }
        Column::Row(row) => {
            let mut items = split(text, &dialect.element_delimiter);
            let done = row.columns.iter_mut().all(|column| items.next().is_some_and(|item| push_value(column, item, dialect)));
            let done = done && items.next().is_none();
            if done {
                row.end_value();
            }
            done
        }
        // The ISO form: seconds may be missing.
        Column::Time(c) => match parse_time(text, Standard::Iso8601) {
            Some(nanos) => {
                c.push((nanos / 1_000_000) as i32);
                true
            }
            None => false,
        },
        Column::Timestamp { .. } => push_text(column, crate::text::trim(text), Standard::Sql),
        _ => push_text(column, text, Standard::Sql),
    }
}

fn split<'a>(text: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        match memchr::memmem::find(current, delimiter).filter(|_| !delimiter.is_empty()) {
            Some(n) => {
                rest = Some(&current[n + delimiter.len()..]);
                Some(&current[..n])
            }
            None => rest.take(),
        }
    })
}

/// Appends the field whose opening quote has been passed; gives the position behind its closing quote, `None` without one.
fn unquote(text: &[u8], quote: u8, escape: Option<u8>, out: &mut Vec<u8>) -> Option<usize> {
    let mut pos = 0;
    loop {
        let b = *text.get(pos)?;
        pos += 1;
        if b == quote {
            if text.get(pos) != Some(&quote) {
                return Some(pos);
            }
            pos += 1;
        } else if Some(b) == escape {
            out.push(*text.get(pos)?);
            pos += 1;
            continue;
        }
        out.push(b);
    }
}

#[cfg(test)]
mod tests {
    use brisk_core::format::Format;
    use brisk_core::{Column as SqlColumn, DataType, SqlType};

    use crate::csv::Csv;
    use crate::testing::{chunk, ints_and_texts, rows_of, schema, spec};

    fn check(options: &[(&str, &str)], data: &str, expected: &[&str], bad: &[&str]) {
        let decoder = Csv.decoder(&spec(ints_and_texts(), options)).unwrap();
        let decoded = decoder.create().decode(&chunk(data.to_string())).unwrap();
        assert_eq!(rows_of(&decoded.batch), expected);
        let reasons: Vec<_> = decoded.bad.iter().map(|b| b.reason.as_str()).collect();
        assert_eq!(reasons.len(), bad.len(), "{reasons:?}");
        for (reason, part) in reasons.iter().zip(bad) {
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn fields_are_separated_and_quoted() {
        check(&[], "1,x\r\n 2 ,\"y, \"\"z\"\"\"\n3,\n4,a\"b", &["+I[1, x]", "+I[2, y, \"z\"]", "+I[3, ]", "+I[4, a\"b]"], &[]);
        check(&[("field-delimiter", ";"), ("quote-character", "'")], "1;'a;b'", &["+I[1, a;b]"], &[]);
        check(&[("field-delimiter", "\\t"), ("null-literal", "n/a")], "n/a\tn/a", &["+I[NULL, NULL]"], &[]);
        check(&[("escape-character", "\\"), ("allow-comments", "true")], "# no\n1,a\\,b\n2,\"q\\\"\"", &["+I[1, a,b]", "+I[2, q\"]"], &[]);
        check(&[("disable-quote-character", "true")], "1,\"x\"", &["+I[1, \"x\"]"], &[]);
    }

    #[test]
    fn bad_lines_are_reported_and_leave_nothing() {
        check(
            &[],
            "x,1\n1\n1,2,3\n1,\"open\n1,\"a\"b\n7,ok",
            &["+I[7, ok]"],
            &["column `a`: 'x' is not a INT", "1 fields where", "3 fields where", "not closed", "behind its closing quote"],
        );
        check(&[("ignore-parse-errors", "true")], "x,1\n1\n1,2,3", &["+I[NULL, 1]", "+I[1, NULL]", "+I[1, 2]"], &[]);
    }

    #[test]
    fn columns_are_projected_and_typed() {
        let row = DataType::Row(vec![SqlColumn::new("x", SqlType::nullable(DataType::Int)), SqlColumn::new("y", SqlType::nullable(DataType::STRING))]);
        let columns = schema(&[
            ("a", DataType::Int),
            ("t", DataType::Timestamp(3)),
            ("d", DataType::decimal(6, 2)),
            ("l", DataType::Array(Box::new(SqlType::nullable(DataType::Int)))),
            ("r", row),
            ("h", DataType::Time(0)),
        ]);
        let mut spec = spec(columns, &[]);
        spec.projection = vec![4, 3, 2, 1, 5];
        let decoder = Csv.decoder(&spec).unwrap();
        let decoded = decoder.create().decode(&chunk("no number,\"2020-01-01 10:00:00.5\",1.005,1;2,7;z,10:15")).unwrap();
        assert_eq!(decoded.bad, vec![]);
        assert_eq!(rows_of(&decoded.batch), ["+I[{x: 7, y: z}, [1, 2], 1.01, 2020-01-01T10:00:00.500, 10:15:00]"]);
    }
}
