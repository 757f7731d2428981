//! Sinks that collect lines. The lines are part of a checkpoint, so after a restore they are those of the checkpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Error, Result, Schema};

use crate::lock;
use crate::rows::row_lines;

/// What every sink of a job collected, by the table's name; a query's has none.
#[derive(Default)]
pub struct Sinks(Mutex<BTreeMap<String, Arc<Collected>>>);

/// Lines by subtask.
#[derive(Default)]
struct Collected(Mutex<BTreeMap<usize, Vec<String>>>);

impl Sinks {
    pub fn sink(&self, table: &str, schema: &Schema) -> Arc<dyn Sink> {
        let collected = lock(&self.0).entry(table.to_string()).or_default().clone();
        Arc::new(CollectingSink { schema: schema.clone(), collected })
    }

    /// Forgets the lines, for a job that begins again at a checkpoint.
    pub fn clear_lines(&self) {
        lock(&self.0).values().for_each(|c| lock(&c.0).clear());
    }

    /// The lines of every sink. Where there are several, a line begins with the table's name.
    pub fn lines(&self) -> BTreeMap<String, Vec<String>> {
        let sinks = lock(&self.0);
        let several = sinks.len() > 1;
        let prefix = |table: &str| if several { format!("{}: ", table.rsplit('.').next().unwrap_or(table)) } else { String::new() };
        let lines = |c: &Collected, prefix: &str| lock(&c.0).values().flatten().map(|l| format!("{prefix}{l}")).collect();
        sinks.iter().map(|(table, c)| (table.clone(), lines(c, &prefix(table)))).collect()
    }
}

struct CollectingSink {
    schema: Schema,
    collected: Arc<Collected>,
}

impl Sink for CollectingSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn writer(&self, context: &SubtaskContext, restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        let subtask = context.subtask_index;
        let mut lines: Vec<String> = Vec::new();
        if subtask == 0 {
            for state in restored {
                let part: Vec<String> = serde_json::from_slice(&state).map_err(|e| Error::corrupt(format!("collected lines: {e}")))?;
                lines.extend(part);
            }
        }
        lock(&self.collected.0).insert(subtask, lines);
        Ok(Box::new(CollectingWriter { schema: self.schema.clone(), collected: self.collected.clone(), subtask }))
    }

    fn describe(&self) -> String {
        "test".to_string()
    }
}

struct CollectingWriter {
    schema: Schema,
    collected: Arc<Collected>,
    subtask: usize,
}

impl SinkWriter for CollectingWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        lock(&self.collected.0).entry(self.subtask).or_default().extend(row_lines(batch, &self.schema));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Option<Vec<u8>>> {
        let collected = lock(&self.collected.0);
        let lines = collected.get(&self.subtask).filter(|lines| !lines.is_empty());
        lines.map(|lines| serde_json::to_vec(lines).map_err(|e| Error::internal(e.to_string()))).transpose()
    }
}
