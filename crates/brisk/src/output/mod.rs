//! How the rows of a SELECT reach the terminal.
//!
//! A stream that only grows is printed as it comes. One that is corrected is kept as a table (a multiset of printed
//! rows) and printed when it ends; as a changelog it is printed as it comes too. Where checkpoints are taken a kept table
//! is part of them, so that a run that is resumed prints the whole answer.

mod text;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use brisk_sql::session::TextRows;
use clap::ValueEnum;

pub use text::RowText;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// Columns with borders; for a stream that never ends, its changes.
    #[default]
    Table,
    /// Tab-separated values without a header, NULL for null.
    Tsv,
    /// Comma-separated values with a header.
    Csv,
    /// One object a line.
    Json,
    /// One line a change, with its kind.
    Changelog,
}

/// What a query's sink and the command share.
#[derive(Clone)]
pub struct Results(Arc<Mutex<State>>);

struct State {
    text: RowText,
    format: OutputFormat,
    /// Whether rows are printed when they come.
    at_once: bool,
    table: TableRows,
    out: std::io::BufWriter<std::io::Stdout>,
}

/// A multiset of printed rows in the order of their arrival.
#[derive(Default)]
struct TableRows {
    rows: Vec<Option<String>>,
    places: HashMap<String, Vec<usize>>,
}

impl Results {
    /// `updates`: whether the query corrects its rows; `bounded`: whether it ends.
    pub fn new(format: OutputFormat, schema: &Schema, updates: bool, bounded: bool) -> Result<Self> {
        let format = if format == OutputFormat::Table && !bounded { OutputFormat::Changelog } else { format };
        let at_once = format == OutputFormat::Changelog || (!updates && format != OutputFormat::Table);
        let state = State { text: RowText::new(format, schema), format, at_once, table: TableRows::default(), out: std::io::BufWriter::new(std::io::stdout()) };
        let results = Self(Arc::new(Mutex::new(state)));
        results.with(|s| s.write_header())?;
        Ok(results)
    }

    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(ResultSink(self.clone()))
    }

    /// Prints the table, if it was kept until now.
    pub fn finish(&self) -> Result<()> {
        self.with(State::finish)
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn write_header(&mut self) -> Result<()> {
        if self.format == OutputFormat::Csv {
            let header = self.text.header();
            self.line(&header)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n")).map_err(cannot_print)
    }

    fn add(&mut self, batch: &ChangelogBatch) -> Result<()> {
        let lines = self.text.lines(&batch.rows)?;
        for (row, line) in lines.into_iter().enumerate() {
            let kind = batch.kind(row);
            match (self.at_once, self.format) {
                (true, OutputFormat::Changelog) => self.line(&format!("{kind}\t{line}"))?,
                (true, _) => self.line(&line)?,
                (false, _) if kind.is_add() => self.table.add(line),
                (false, _) => self.table.remove(&line, kind)?,
            }
        }
        if self.at_once {
            self.out.flush().map_err(cannot_print)?;
        }
        Ok(())
    }

    /// The table of the checkpoint that the run begins with, instead of what a failed attempt left.
    fn restore(&mut self, states: &[Vec<u8>]) -> Result<()> {
        self.table = TableRows::default();
        for state in states {
            let rows: Vec<String> = serde_json::from_slice(state).map_err(|e| Error::corrupt(format!("the kept result is damaged: {e}")))?;
            rows.into_iter().for_each(|row| self.table.add(row));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if !self.at_once {
            let rows: Vec<String> = std::mem::take(&mut self.table).rows.into_iter().flatten().collect();
            if self.format == OutputFormat::Table {
                let text = self.text.bordered(&rows);
                self.out.write_all(text.as_bytes()).map_err(cannot_print)?;
            } else {
                for row in rows {
                    self.line(&row)?;
                }
            }
        }
        self.out.flush().map_err(cannot_print)
    }
}

impl TableRows {
    /// The rows as a JSON array; `None` without rows.
    fn encode(&self) -> Option<Vec<u8>> {
        let rows: Vec<&String> = self.rows.iter().flatten().collect();
        if rows.is_empty() { None } else { serde_json::to_vec(&rows).ok() }
    }

    fn add(&mut self, line: String) {
        self.places.entry(line.clone()).or_default().push(self.rows.len());
        self.rows.push(Some(line));
    }

    fn remove(&mut self, line: &str, kind: RowKind) -> Result<()> {
        let place = self.places.get_mut(line).and_then(Vec::pop);
        let place = place.ok_or_else(|| Error::internal(format!("{kind} of a row that is not there: {line}")))?;
        self.rows[place] = None;
        Ok(())
    }
}

/// Prints rows of text, such as those of SHOW and DESCRIBE.
pub fn print_text_rows(format: OutputFormat, text: &TextRows) -> Result<()> {
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use brisk_core::{Column, DataType, SqlType};
    let TextRows { columns, rows } = text;
    let schema = Schema::new(columns.iter().map(|c| Column::new(c, SqlType::nullable(DataType::STRING))).collect());
    let column = |i: usize| -> ArrayRef { Arc::new(rows.iter().map(|r| r.get(i).cloned().flatten()).collect::<StringArray>()) };
    let results = Results::new(format, &schema, false, true)?;
    if !columns.is_empty() {
        let batch = RecordBatch::try_new(schema.to_arrow(), (0..columns.len()).map(column).collect())?;
        results.with(|s| s.add(&ChangelogBatch::append(batch)))?;
    }
    results.finish()
}

/// A sink of a graph that is planned and not run.
pub struct NoSink;

impl Sink for NoSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn writer(&self, _context: &SubtaskContext, _restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        Err(Error::internal("a planned query was run"))
    }

    fn describe(&self) -> String {
        "the terminal".to_string()
    }
}

struct ResultSink(Results);

impl Sink for ResultSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn writer(&self, _context: &SubtaskContext, restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        self.0.with(|s| s.restore(&restored))?;
        Ok(Box::new(ResultWriter(self.0.clone())))
    }

    fn describe(&self) -> String {
        "the terminal".to_string()
    }
}

struct ResultWriter(Results);

impl SinkWriter for ResultWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        self.0.with(|s| s.add(batch))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Option<Vec<u8>>> {
        self.0.with(|s| Ok(s.table.encode()))
    }
}

fn cannot_print(e: std::io::Error) -> Error {
    Error::new(brisk_core::ErrorKind::Cancelled, format!("cannot write to standard output: {e}"))
}
