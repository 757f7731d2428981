//! The operator: rows in order of time through the automaton, matches out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Field, SchemaRef};
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, ErrorKind, Result, Watermark};
use brisk_state::{DirtyKeys, RowId, TimerQueue};

use super::MatchRecognizeSpec;
use super::expressions::{Condition, MatchEvaluator, View};
use super::nfa::{Moves, Nfa, SkipError};
use super::partition::{Found, Partition, decode, encode, is_whole};
use crate::batches::record_batch;
use crate::evaluate::Evaluator;
use crate::passed_time::{read_passed_time, write_passed_time};
use crate::row_table::{RowTable, grow};
use crate::sort_key::SortKeyEncoder;
use crate::time_attribute::{TimeAttribute, rowtimes};

/// So many due rows are matched at a time, or as many as have one time.
const DUE_ROWS: usize = 16_384;

pub(super) struct MatchRecognize {
    spec: MatchRecognizeSpec,
    schema: SchemaRef,
    nfa: Nfa,
    /// By variable.
    conditions: Vec<Condition>,
    evaluator: MatchEvaluator,
    then_by: Option<SortKeyEncoder>,
    /// Waiting rows, and those of partial matches.
    table: RowTable,
    /// By row.
    times: Vec<i64>,
    due: TimerQueue,
    /// By key of `table`; a partition without rows has no state.
    partitions: Vec<Partition>,
    dirty: DirtyKeys,
    /// Partitions by the times at which partial matches are given up (WITHIN).
    deadlines: TimerQueue,
    moves: Moves,
    watermark: i64,
}

/// Due rows in order, with what is known of them.
struct Due {
    rows: Vec<RowId>,
    times: Vec<i64>,
    partitions: Vec<u32>,
    /// By variable: where a condition over the row alone holds.
    masks: Vec<Option<BooleanBuffer>>,
}

/// What conditions over several rows gave: by variable and partial match; the match that would begin comes last.
type Answers = HashMap<(u8, usize), bool>;

impl MatchRecognize {
    pub fn new(spec: &MatchRecognizeSpec, context: &SubtaskContext) -> Result<Self> {
        if spec.variables.len() > usize::from(u8::MAX) {
            return Err(Error::unsupported("a pattern of more than 255 variables"));
        }
        let rowtime = match spec.time {
            TimeAttribute::Event { column } => Some(column),
            TimeAttribute::Processing => None,
        };
        Ok(Self {
            schema: spec.output.to_arrow(),
            nfa: Nfa::new(&spec.pattern),
            conditions: (0..spec.variables.len()).map(|v| Condition::new(spec.defines[v].as_ref(), v)).collect(),
            evaluator: MatchEvaluator { evaluator: Evaluator::new(spec.time_zone), rowtime },
            then_by: (!spec.then_by.is_empty()).then(|| SortKeyEncoder::new(&spec.then_by, &spec.input)).transpose()?,
            table: RowTable::new("rows", &spec.input, &spec.partition, context.key_groups)?,
            times: Vec::new(),
            due: TimerQueue::default(),
            partitions: Vec::new(),
            dirty: DirtyKeys::default(),
            deadlines: TimerQueue::default(),
            moves: Moves::default(),
            watermark: Watermark::MIN,
            spec: spec.clone(),
        })
    }

    fn receive(&mut self, batch: &ChangelogBatch, times: &[i64], kept: &[u32]) -> Result<()> {
        let ids = self.table.insert(&batch.rows, kept)?;
        grow(&mut self.times, self.table.store().id_bound(), 0);
        grow(&mut self.partitions, self.table.keys().id_bound(), Partition::default());
        for (&row, id) in kept.iter().zip(ids) {
            self.times[id as usize] = times[row as usize];
            self.due.insert(times[row as usize], id);
            self.dirty.mark(self.table.key(id));
        }
        Ok(())
    }

    fn match_due(&mut self, now: i64, out: &mut Output) -> Result<()> {
        let mut rows = Vec::new();
        while let Some((_, ids)) = self.due.pop_due(now) {
            rows.extend(ids);
            if rows.len() >= DUE_ROWS {
                self.match_rows(std::mem::take(&mut rows), out)?;
            }
        }
        self.match_rows(rows, out)
    }

    fn match_rows(&mut self, rows: Vec<RowId>, out: &mut Output) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let now_ms = out.processing_time_ms();
        let due = self.prepare(rows, now_ms)?;
        let mut found = Vec::new();
        if self.conditions.iter().any(|c| matches!(c, Condition::Match(_))) {
            for round in rounds(&due.partitions) {
                round.iter().try_for_each(|&at| self.expire(due.partitions[at], due.times[at], at, &mut found))?;
                let mut answers = self.ask(&due, &round, now_ms)?;
                round.iter().try_for_each(|&at| self.advance(&due, at, answers.remove(&at).unwrap_or_default(), &mut found))?;
            }
            found.sort_by_key(|f| f.at);
        } else {
            for at in 0..due.rows.len() {
                self.expire(due.partitions[at], due.times[at], at, &mut found)?;
                self.advance(&due, at, Answers::new(), &mut found)?;
            }
        }
        self.emit(&found, out)?;
        self.free(&due.partitions)
    }

    /// Puts rows into their order and evaluates the conditions that look at them alone.
    fn prepare(&self, mut rows: Vec<RowId>, now_ms: i64) -> Result<Due> {
        let mut batch = self.table.store().gather(&rows)?;
        if let Some(encoder) = &self.then_by {
            let keys = encoder.encode(&batch)?;
            let mut order: Vec<u32> = (0..rows.len() as u32).collect();
            let time = |at: &u32| self.times[rows[*at as usize] as usize];
            order.sort_by(|a, b| time(a).cmp(&time(b)).then_with(|| keys.row(*a as usize).cmp(&keys.row(*b as usize))));
            batch = arrow_select::take::take_record_batch(&batch, &order.iter().copied().collect::<arrow_array::UInt32Array>())?;
            rows = order.iter().map(|&at| rows[at as usize]).collect();
        }
        let mask = |condition: &Condition| match condition {
            Condition::Row(expr) => self.evaluator.evaluator.mask(expr, &batch, now_ms).map(Some),
            _ => Ok(None),
        };
        Ok(Due {
            times: rows.iter().map(|&row| self.times[row as usize]).collect(),
            partitions: rows.iter().map(|&row| self.table.key(row)).collect(),
            masks: self.conditions.iter().map(mask).collect::<Result<_>>()?,
            rows,
        })
    }

    /// Gives up the partial matches of a partition that have taken too long by `time`.
    fn expire(&mut self, partition: u32, time: i64, at: usize, found: &mut Vec<Found>) -> Result<()> {
        if self.spec.within_ms.is_none() {
            return Ok(());
        }
        let state = &mut self.partitions[partition as usize];
        state.matching.expire(time, self.spec.within_ms);
        self.dirty.mark(partition);
        state.release(self.spec.skip, at, found).map_err(|e| skip_error(e, &self.spec.variables))
    }

    /// Evaluates the conditions over several rows that the rows `round` meet, each in its partition's partial matches.
    fn ask(&self, due: &Due, round: &[usize], now_ms: i64) -> Result<HashMap<usize, Answers>> {
        let mut answers: HashMap<usize, Answers> = HashMap::new();
        for (variable, condition) in self.conditions.iter().enumerate() {
            let Condition::Match(expr) = condition else { continue };
            let variable = variable as u8;
            let (mut askers, mut views) = (Vec::new(), Vec::new());
            for &at in round {
                let state = &self.partitions[due.partitions[at] as usize];
                let current = Some((due.rows[at], variable));
                for (p, partial) in state.matching.partial.iter().enumerate() {
                    if self.nfa.asked(partial.state).contains(&variable) {
                        askers.push((at, p));
                        views.push(View { rows: state.rows_of(partial), variables: &partial.variables, current });
                    }
                }
                if self.nfa.asked(self.nfa.start()).contains(&variable) {
                    askers.push((at, state.matching.partial.len()));
                    views.push(View { rows: &[], variables: &[], current });
                }
            }
            if views.is_empty() {
                continue;
            }
            let mask = self.evaluator.mask(expr, &views, self.table.store(), now_ms)?;
            for (i, (at, partial)) in askers.into_iter().enumerate() {
                answers.entry(at).or_default().insert((variable, partial), mask.value(i));
            }
        }
        Ok(answers)
    }

    /// Moves the partial matches of a row's partition over the row.
    fn advance(&mut self, due: &Due, at: usize, answers: Answers, found: &mut Vec<Found>) -> Result<()> {
        let (row, time, partition) = (due.rows[at], due.times[at], due.partitions[at]);
        let state = &mut self.partitions[partition as usize];
        let number = state.next();
        state.push(row);
        let holds = |partial: usize| {
            let (conditions, answers, masks) = (&self.conditions, &answers, &due.masks);
            move |variable: u8| match &conditions[usize::from(variable)] {
                Condition::Always => true,
                Condition::Row(_) => masks[usize::from(variable)].as_ref().is_some_and(|m| m.value(at)),
                Condition::Match(_) => answers.get(&(variable, partial)).copied().unwrap_or(false),
            }
        };
        for (p, partial) in state.matching.partial.iter().enumerate() {
            self.nfa.step(Some(partial), number, time, holds(p), &mut self.moves);
        }
        self.nfa.step(None, number, time, holds(state.matching.partial.len()), &mut self.moves);
        if let (Some(within), Some(last)) = (self.spec.within_ms, self.moves.next.last())
            && last.start == number
        {
            self.deadlines.insert(time.saturating_add(within), partition);
        }
        state.matching.take(&mut self.moves);
        state.release(self.spec.skip, at, found).map_err(|e| skip_error(e, &self.spec.variables))
    }

    fn emit(&self, found: &[Found], out: &mut Output) -> Result<()> {
        for found in found.chunks(DUE_ROWS) {
            let store = self.table.store();
            let views: Vec<View> = found.iter().map(|f| View { rows: &f.rows, variables: &f.variables, current: None }).collect();
            let first: Vec<RowId> = found.iter().map(|f| f.rows[0]).collect();
            let mut columns = store.gather_columns(&first, &self.spec.partition)?;
            for measure in &self.spec.measures {
                columns.push(self.evaluator.values(measure, &views, store, out.processing_time_ms())?);
            }
            out.batch(ChangelogBatch::append(record_batch(&self.schema, columns, found.len())?))?;
        }
        Ok(())
    }

    /// Forgets the rows of partitions that no match needs any more.
    fn free(&mut self, partitions: &[u32]) -> Result<()> {
        let mut partitions = partitions.to_vec();
        partitions.sort_unstable();
        partitions.dedup();
        let mut gone = Vec::new();
        for &partition in &partitions {
            self.dirty.mark(partition);
            let state = &mut self.partitions[partition as usize];
            state.prune(&mut gone);
            if state.matching.is_empty() {
                state.reset();
            }
            state.window().first().iter().for_each(|row| self.table.touch(**row));
        }
        self.table.remove_with(&gone, &mut self.dirty)
    }

    /// Gives up partial matches whose time is over though no row came.
    fn expire_all(&mut self, now: i64, out: &mut Output) -> Result<()> {
        let (mut found, mut partitions) = (Vec::new(), Vec::new());
        while let Some((_, waiting)) = self.deadlines.pop_due(now) {
            partitions.extend(waiting.into_iter().filter(|&p| self.table.keys().contains_id(p)));
        }
        partitions.sort_unstable();
        partitions.dedup();
        partitions.iter().try_for_each(|&p| self.expire(p, now, 0, &mut found))?;
        self.emit(&found, out)?;
        self.free(&partitions)
    }
}

impl Operator for MatchRecognize {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let all = 0..batch.num_rows() as u32;
        match self.spec.time {
            TimeAttribute::Event { column } => {
                let times = rowtimes(batch.column(column))?;
                let (late, kept): (Vec<u32>, Vec<u32>) = all.partition(|&row| times[row as usize] <= self.watermark);
                if !late.is_empty() {
                    out.late(batch.take(&late.into())?)?;
                }
                self.receive(&batch, &times, &kept)
            }
            TimeAttribute::Processing => {
                let now_ms = out.processing_time_ms();
                self.receive(&batch, &vec![now_ms; batch.num_rows()], &all.collect::<Vec<_>>())?;
                self.match_due(now_ms, out)
            }
        }
    }

    fn on_watermark(&mut self, time: i64, out: &mut Output) -> Result<()> {
        self.watermark = time;
        if let TimeAttribute::Event { .. } = self.spec.time {
            self.match_due(time, out)?;
            self.expire_all(time, out)?;
        }
        out.watermark(time)
    }

    fn next_timer(&self) -> Option<i64> {
        self.deadlines.first().filter(|_| self.spec.time == TimeAttribute::Processing)
    }

    fn on_timer(&mut self, now_ms: i64, out: &mut Output) -> Result<()> {
        match self.spec.time {
            TimeAttribute::Processing => self.expire_all(now_ms, out),
            TimeAttribute::Event { .. } => Ok(()),
        }
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        // Rows of a window have the numbers that partial matches know them by; waiting ones have none.
        let mut numbers = vec![-1; self.table.store().id_bound()];
        for partition in &self.partitions {
            let first = partition.next() - partition.window().len() as u64;
            partition.window().iter().enumerate().for_each(|(i, &row)| numbers[row as usize] = (first + i as u64) as i64);
        }
        write_passed_time(writer, self.watermark)?;
        let Self { table, times, dirty, partitions, .. } = self;
        let key_groups = table.key_groups();
        dirty.write(writer, "matches", table.keys(), key_groups, |ids| encode(ids, partitions))?;
        let fields = [Field::new("time", DataType::Int64, false), Field::new("number", DataType::Int64, false)];
        table.snapshot(writer, &fields, |ids| {
            let column = |values: &[i64]| Arc::new(ids.iter().map(|&id| values[id as usize]).collect::<Int64Array>()) as ArrayRef;
            vec![column(times), column(&numbers)]
        })
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.watermark = read_passed_time(reader)?;
        let mut rows = Vec::new();
        self.table.restore(reader, |ids, extra| {
            let (times, numbers) = (extra[0].as_primitive::<Int64Type>(), extra[1].as_primitive::<Int64Type>());
            rows.extend(ids.iter().enumerate().map(|(i, &id)| (numbers.value(i), id, times.value(i))));
            Ok(())
        })?;
        grow(&mut self.times, self.table.store().id_bound(), 0);
        let Self { table, dirty, partitions, nfa, spec, .. } = self;
        dirty.read(reader, "matches", table.keys_mut(), |ids, rows| {
            let bound = ids.iter().max().map_or(0, |m| *m as usize + 1);
            grow(partitions, bound, Partition::default());
            decode(ids, rows, nfa, spec.variables.len(), partitions)
        })?;
        grow(&mut self.partitions, self.table.keys().id_bound(), Partition::default());
        rows.sort_by_key(|r| r.0);
        for (number, row, time) in rows {
            self.times[row as usize] = time;
            match u64::try_from(number) {
                Ok(number) => self.partitions[self.table.key(row) as usize].restore_row(number, row),
                Err(_) => self.due.insert(time, row),
            }
        }
        self.rearm()
    }

    fn state_bytes(&self) -> usize {
        let partitions: usize = self.partitions.iter().map(Partition::bytes).sum();
        self.table.bytes() + self.times.capacity() * 8 + self.due.bytes() + self.deadlines.bytes() + partitions
    }
}

impl MatchRecognize {
    /// After a restore: checks the partial matches and sets their deadlines.
    fn rearm(&mut self) -> Result<()> {
        for (id, partition) in self.partitions.iter().enumerate() {
            if !is_whole(partition) {
                return Err(Error::new(ErrorKind::Corrupt, "a snapshot lacks rows of a partial match"));
            }
            for partial in partition.matching.partial.iter() {
                if let Some(within) = self.spec.within_ms {
                    self.deadlines.insert(partial.time.saturating_add(within), id as u32);
                }
            }
        }
        Ok(())
    }
}

/// The first rows of all partitions, then the second ones, and so on.
fn rounds(partitions: &[u32]) -> Vec<Vec<usize>> {
    let mut seen: HashMap<u32, usize> = HashMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (at, &partition) in partitions.iter().enumerate() {
        let round = seen.entry(partition).or_insert(0);
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(at);
        *round += 1;
    }
    rounds
}

fn skip_error(error: SkipError, variables: &[String]) -> Error {
    match error {
        SkipError::NoRow(v) => Error::compute(format!("AFTER MATCH SKIP: no row of the match is a {}", variables[v])),
        SkipError::FirstRow => Error::compute("AFTER MATCH SKIP goes to the first row of the match, which would be matched again"),
    }
}
