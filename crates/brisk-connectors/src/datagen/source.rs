//! The rows of `datagen`, numbered from 0: split `k/n` makes the rows k, k + n, k + 2n ...

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use brisk_core::connector::TableDescriptor;
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Payload, Poll, Source, SourceData, SourceReader, SplitState};
use brisk_core::{ChangelogBatch, Error, Result};
use serde::{Deserialize, Serialize};

use super::DataGenOptions;
use super::generator::Generator;

/// Rows of one batch at most.
const BATCH_ROWS: u64 = 8192;
/// A reader that fell behind makes up for so much and lets the rest go, as a rate is no debt.
const CATCH_UP: Duration = Duration::from_secs(1);

pub(super) struct DataGenSource {
    setup: Arc<Setup>,
}

struct Setup {
    schema: SchemaRef,
    generators: Vec<Generator>,
    rows_per_second: u64,
    /// How many rows there are; `None`: no end.
    rows: Option<u64>,
}

impl DataGenSource {
    pub fn new(table: &TableDescriptor, options: &DataGenOptions, fields: &BTreeMap<String, String>) -> Result<Self> {
        let context = |e: Error| e.context(format!("table `{}`", table.name));
        if options.rows_per_second == 0 {
            return Err(context(Error::invalid("'rows-per-second' must be above 0")));
        }
        let mut fields = fields.clone();
        let seed = brisk_core::key_group::hash_bytes(table.name.as_bytes());
        let all = table.schema.columns.iter().map(|c| Generator::new(seed, &c.name, &c.sql_type, &mut fields));
        let all = all.collect::<Result<Vec<_>>>().map_err(context)?;
        if let Some(key) = fields.keys().next() {
            return Err(context(Error::invalid(format!("'fields.{key}' belongs to no column"))));
        }
        let sequences = all.iter().filter_map(|g| g.last_row).map(|last| last.saturating_add(1)).min();
        let rows = [options.number_of_rows, sequences].into_iter().flatten().min();
        let mut all: Vec<Option<Generator>> = all.into_iter().map(Some).collect();
        let wanted = |c: &usize| all[*c].take().ok_or_else(|| Error::internal("a column is projected twice"));
        let generators = table.projection.iter().map(wanted).collect::<Result<_>>()?;
        let schema = table.schema.project(&table.projection).to_arrow();
        Ok(Self { setup: Arc::new(Setup { schema, generators, rows_per_second: options.rows_per_second, rows }) })
    }
}

impl Source for DataGenSource {
    fn is_bounded(&self) -> bool {
        self.setup.rows.is_some()
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let (index, parallelism) = (context.subtask_index as u64, context.parallelism as u64);
        let mut splits = Vec::new();
        if restored.is_empty() {
            splits.push(Split { stripe: index, stripes: parallelism, made: 0 });
        }
        for state in restored {
            let split: Split =
                serde_json::from_slice(&state.state).map_err(|e| Error::corrupt(format!("the position of {} cannot be read: {e}", state.split)))?;
            if split.stripe % parallelism == index {
                splits.push(split);
            }
        }
        // Each split goes on at its share of the rate.
        let now = Instant::now();
        let open = splits.iter().map(|split| Open { split: split.clone(), since: now, since_made: split.made, finished: false }).collect();
        Ok(Box::new(DataGenReader { setup: self.setup.clone(), splits: open, finished: VecDeque::new() }))
    }

    fn describe(&self) -> String {
        format!("datagen(rows-per-second={})", self.setup.rows_per_second)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Split {
    stripe: u64,
    stripes: u64,
    /// Rows made so far.
    made: u64,
}

impl Split {
    fn name(&self) -> Arc<str> {
        format!("datagen#{}/{}", self.stripe, self.stripes).into()
    }

    /// How many rows the split has in all.
    fn rows(&self, total: Option<u64>) -> u64 {
        total.map_or(u64::MAX, |n| n.saturating_sub(self.stripe).div_ceil(self.stripes))
    }
}

struct Open {
    split: Split,
    /// When the split had made `since_made` rows: what its rate counts from.
    since: Instant,
    since_made: u64,
    finished: bool,
}

struct DataGenReader {
    setup: Arc<Setup>,
    splits: Vec<Open>,
    finished: VecDeque<Arc<str>>,
}

impl SourceReader for DataGenReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        if let Some(split) = self.finished.pop_front() {
            return Ok(Poll::SplitFinished(split));
        }
        let mut wait = max_wait;
        let mut open = 0;
        for i in 0..self.splits.len() {
            if self.splits[i].finished {
                continue;
            }
            open += 1;
            match self.splits[i].due(&self.setup) {
                Due::Rows(rows) => return self.make(i, rows).map(Poll::Data),
                Due::Later(when) => wait = wait.min(when),
                Due::Never => {
                    self.splits[i].finished = true;
                    return Ok(Poll::SplitFinished(self.splits[i].split.name()));
                }
            }
        }
        if open == 0 {
            return Ok(Poll::Finished);
        }
        std::thread::sleep(wait);
        Ok(Poll::Idle)
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let state = |open: &Open| {
            let state = serde_json::to_vec(&open.split).map_err(|e| Error::internal(format!("a position of datagen cannot be written: {e}")))?;
            Ok(SplitState { split: open.split.name(), state })
        };
        self.splits.iter().map(state).collect()
    }
}

enum Due {
    Rows(u64),
    Later(Duration),
    Never,
}

impl Open {
    /// How many rows are to be made now.
    fn due(&mut self, setup: &Setup) -> Due {
        let left = self.split.rows(setup.rows).saturating_sub(self.split.made);
        if left == 0 {
            return Due::Never;
        }
        let per_second = setup.rows_per_second as f64 / self.split.stripes as f64;
        let elapsed = self.since.elapsed();
        let allowed = (elapsed.as_secs_f64() * per_second) as u64;
        let made = self.split.made - self.since_made;
        if allowed > made {
            let debt = allowed - made;
            if debt as f64 > per_second * CATCH_UP.as_secs_f64() + BATCH_ROWS as f64 {
                (self.since, self.since_made) = (Instant::now() - CATCH_UP, self.split.made);
            }
            return Due::Rows(debt.min(left).min(BATCH_ROWS));
        }
        let next = Duration::from_secs_f64((made + 1) as f64 / per_second);
        Due::Later(next.saturating_sub(elapsed).max(Duration::from_micros(100)))
    }
}

impl DataGenReader {
    fn make(&mut self, index: usize, rows: u64) -> Result<SourceData> {
        let split = &mut self.splits[index].split;
        let numbers: Vec<u64> = (split.made..split.made + rows).map(|n| split.stripe + n * split.stripes).collect();
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let columns = self.setup.generators.iter().map(|g| g.make(&numbers, now_ms)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
        let batch = RecordBatch::try_new_with_options(self.setup.schema.clone(), columns, &options)?;
        split.made += rows;
        Ok(SourceData { split: split.name(), payload: Payload::Rows(ChangelogBatch::append(batch)), metadata: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use brisk_core::connector::Connector;
    use brisk_core::{Column, DataType, SqlType};

    use super::*;
    use crate::datagen::DataGen;
    use crate::testing::{context, schema, table};

    fn rows(reader: &mut dyn SourceReader, most: usize) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        while batches.len() < most {
            match reader.poll(Duration::from_millis(1)).unwrap() {
                Poll::Data(SourceData { payload: Payload::Rows(batch), .. }) => batches.push(batch.rows),
                Poll::Finished => break,
                _ => {}
            }
        }
        batches
    }

    fn sequence(batches: &[RecordBatch]) -> Vec<i64> {
        batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    #[test]
    fn a_sequence_is_shared_and_resumed() {
        let options = [("fields.a.kind", "sequence"), ("fields.a.start", "5"), ("fields.a.end", "20004"), ("rows-per-second", "10000000")];
        let source = DataGen.source(&table(schema(&[("a", DataType::BigInt), ("b", DataType::STRING)]), &options)).unwrap();
        assert!(source.is_bounded());
        let mut all = Vec::new();
        let mut states = Vec::new();
        for i in 0..3 {
            let mut reader = source.reader(&context(i, 3), vec![]).unwrap();
            all.extend(sequence(&rows(&mut *reader, 1)));
            states.extend(reader.snapshot().unwrap());
        }
        for i in 0..2 {
            all.extend(sequence(&rows(&mut *source.reader(&context(i, 2), states.clone()).unwrap(), 1000)));
        }
        all.sort();
        assert_eq!(all, (5..=20004).collect::<Vec<_>>());
    }

    #[test]
    fn every_type_is_made() {
        let int = SqlType::nullable(DataType::Int);
        let columns = vec![
            DataType::Boolean,
            DataType::TinyInt,
            DataType::Float,
            DataType::decimal(38, 2),
            DataType::Char(5),
            DataType::BYTES,
            DataType::Date,
            DataType::Time(3),
            DataType::Timestamp(9),
            DataType::TimestampLtz(3),
            DataType::Array(Box::new(int.clone())),
            DataType::Map(Box::new(SqlType::not_null(DataType::STRING)), Box::new(int.clone())),
            DataType::Multiset(Box::new(SqlType::not_null(DataType::STRING))),
            DataType::Row(vec![Column::new("x", int.clone())]),
        ];
        let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
        let columns: Vec<(&str, DataType)> = names.iter().map(String::as_str).zip(columns).collect();
        let options = [("number-of-rows", "100"), ("fields.c1.min", "3"), ("fields.c1.max", "4"), ("fields.c2.null-rate", "1"), ("fields.c13.x.max", "9")];
        let source = DataGen.source(&table(schema(&columns), &options)).unwrap();
        let batches = rows(&mut *source.reader(&context(0, 1), vec![]).unwrap(), 1000);
        assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 100);
        let tiny = batches[0].column(1).as_primitive::<arrow_array::types::Int8Type>();
        assert!(tiny.values().iter().all(|v| (3..=4).contains(v)));
        assert_eq!(batches[0].column(2).null_count(), batches[0].num_rows());
        assert_eq!(batches[0].column(4).as_string::<i32>().value(0).len(), 5);
    }

    #[test]
    fn wrong_options_are_named() {
        let error = |options: &[(&str, &str)]| DataGen.source(&table(schema(&[("a", DataType::Int)]), options)).err().expect("refused").to_string();
        assert!(error(&[("fields.b.kind", "random")]).contains("fields.b.kind"));
        assert!(error(&[("fields.a.kind", "sequence")]).contains("start"));
        assert!(error(&[("fields.a.min", "x")]).contains("fields.a.min"));
        assert!(error(&[("rows-per-secnd", "5")]).contains("rows-per-secnd"));
    }
}
