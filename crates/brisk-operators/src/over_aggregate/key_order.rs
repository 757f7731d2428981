//! OVER in an order other than by time, from the beginning of the partition to the current row.
//!
//! Every row has accumulators of its own, which hold its frame. A row that comes is added to those of all rows behind it
//! (for RANGE, of its peers as well), each aggregate in one call; its own begin as a copy of those of the row before. So
//! a change costs as much as it corrects. A batch is taken in whole, then what differs of the rows behind its first
//! change is emitted.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Result, RowKind};
use brisk_functions::AggregateCall;
use brisk_state::row_codec::RowCodec;
use brisk_state::{ABSENT, NO_ROW, RowId};

use super::{FrameUnit, OverAggregateSpec, OverFunction};
use crate::aggregate_set::AggregateSet;
use crate::batches::{record_batch, rows_differ};
use crate::row_table::{RowTable, grow};
use crate::sort_key::{SortKey, SortKeyEncoder};
use crate::used_columns::{compact, unnamed};

pub(super) struct KeyOrder {
    spec: OverAggregateSpec,
    schema: SchemaRef,
    table: RowTable,
    encoder: Option<SortKeyEncoder>,
    codec: RowCodec,
    /// By row: its place in the order, as bytes.
    order: Vec<Arc<[u8]>>,
    /// By partition: its rows in order; rows that are equal in it as they came.
    partitions: Vec<Vec<RowId>>,
    rows_calls: Calls,
    range_calls: Calls,
}

/// The aggregates of one unit. A row's group is its id.
struct Calls {
    set: AggregateSet,
    columns: Vec<usize>,
    /// Positions in the operator's output.
    places: Vec<usize>,
}

/// The rows of a partition from the first that may change, with their results.
struct Tail {
    rows: Vec<RowId>,
    results: Vec<ArrayRef>,
}

impl KeyOrder {
    pub fn new(spec: &OverAggregateSpec, keys: &[SortKey], context: &SubtaskContext) -> Result<Self> {
        let types = spec.input.columns.iter().map(|c| c.sql_type.to_arrow()).collect();
        Ok(Self {
            schema: spec.output.to_arrow(),
            table: RowTable::new("rows", &spec.input, &spec.partition, context.key_groups)?,
            encoder: (!keys.is_empty()).then(|| SortKeyEncoder::new(keys, &spec.input)).transpose()?,
            codec: RowCodec::new(types)?,
            order: Vec::new(),
            partitions: Vec::new(),
            rows_calls: Calls::new(spec, FrameUnit::Rows)?,
            range_calls: Calls::new(spec, FrameUnit::Range)?,
            spec: spec.clone(),
        })
    }

    fn order_of(&self, rows: &RecordBatch) -> Result<Vec<Arc<[u8]>>> {
        let Some(encoder) = &self.encoder else { return Ok(vec![Arc::from([].as_slice()); rows.num_rows()]) };
        Ok(encoder.encode(rows)?.iter().map(|r| Arc::from(r.as_ref())).collect())
    }

    /// Appends the rows of `batch` at `selected`; gives their ids and partitions.
    fn append(&mut self, batch: &RecordBatch, selected: &[u32], order: &[Arc<[u8]>]) -> Result<(Vec<RowId>, Vec<u32>)> {
        let (ids, partitions) = self.table.append(batch, selected)?;
        grow(&mut self.order, self.table.store().id_bound(), Arc::from([].as_slice()));
        grow(&mut self.partitions, self.table.keys().id_bound(), Vec::new());
        ids.iter().zip(selected).for_each(|(&id, &row)| self.order[id as usize] = Arc::clone(&order[row as usize]));
        let bound = self.table.store().id_bound();
        [&mut self.rows_calls, &mut self.range_calls].into_iter().for_each(|c| c.set.reserve(bound));
        Ok((ids, partitions))
    }

    /// Puts an appended row into its partition and all frames.
    fn insert(&mut self, row: RowId, partition: u32) -> Result<()> {
        self.table.link(row, partition);
        let key = Arc::clone(&self.order[row as usize]);
        let rows = &mut self.partitions[partition as usize];
        let place = rows.partition_point(|&r| self.order[r as usize] <= key);
        rows.insert(place, row);
        let first_peer = rows.partition_point(|&r| self.order[r as usize] < key);
        let before = place.checked_sub(1).map(|p| rows[p]);
        self.rows_calls.start(row, before)?;
        self.rows_calls.apply(&self.table, row, &rows[place..], false)?;
        self.range_calls.start(row, before)?;
        self.range_calls.apply(&self.table, row, &rows[first_peer..], false)
    }

    /// Takes a row out of its partition and all frames.
    fn remove(&mut self, row: RowId, partition: u32) -> Result<()> {
        self.table.unlink(row);
        let key = Arc::clone(&self.order[row as usize]);
        let rows = &mut self.partitions[partition as usize];
        let first_peer = rows.partition_point(|&r| self.order[r as usize] < key);
        let Some(place) = rows[first_peer..].iter().position(|&r| r == row).map(|p| p + first_peer) else { return Ok(()) };
        rows.remove(place);
        self.rows_calls.apply(&self.table, row, &rows[place..], true)?;
        self.range_calls.apply(&self.table, row, &rows[first_peer..], true)
    }

    /// The row of a partition that equals row `at` of `rows`.
    fn find(&self, rows: &RecordBatch, at: usize, key: &[u8], partition: u32) -> Result<Option<RowId>> {
        let all = &self.partitions[partition as usize];
        let first = all.partition_point(|&r| &*self.order[r as usize] < key);
        let peers = &all[first..first + all[first..].partition_point(|&r| &*self.order[r as usize] <= key)];
        let stored = self.codec.encode(self.table.store().gather(peers)?.columns(), peers.len())?;
        let wanted = self.codec.encode(rows.slice(at, 1).columns(), 1)?;
        Ok(peers.iter().zip(stored.iter()).find(|(_, bytes)| *bytes == wanted.row(0)).map(|(id, _)| *id))
    }

    /// The rows of a partition from `key` on.
    fn tail(&self, partition: u32, key: &[u8]) -> Result<Tail> {
        let all = &self.partitions[partition as usize];
        let first = all.partition_point(|&r| &*self.order[r as usize] < key);
        let rows = all[first..].to_vec();
        let mut results: Vec<Option<ArrayRef>> = vec![None; self.spec.calls.len()];
        for calls in [&self.rows_calls, &self.range_calls] {
            for (&place, values) in calls.places.iter().zip(calls.set.values(&rows)?) {
                results[place] = Some(values);
            }
        }
        for (place, call) in self.spec.calls.iter().enumerate() {
            let column: ArrayRef = match &call.function {
                OverFunction::Aggregate(_) => continue,
                OverFunction::Lag { column, offset, default } => self.lag(all, first, *column, *offset, *default)?,
                rank => Arc::new(self.ranks(all, first, rank)),
            };
            results[place] = Some(column);
        }
        Ok(Tail { rows, results: results.into_iter().flatten().collect() })
    }

    fn ranks(&self, all: &[RowId], first: usize, function: &OverFunction) -> Int64Array {
        let (mut rank, mut dense) = (0, 0);
        let mut ranks = Vec::with_capacity(all.len() - first);
        for (at, &row) in all.iter().enumerate() {
            if at == 0 || self.order[row as usize] != self.order[all[at - 1] as usize] {
                (rank, dense) = (at as i64 + 1, dense + 1);
            }
            if at >= first {
                ranks.push(match function {
                    OverFunction::RowNumber => at as i64 + 1,
                    OverFunction::Rank => rank,
                    _ => dense,
                });
            }
        }
        ranks.into()
    }

    /// As with an order by time: rows that are equal in the order see the same row.
    fn lag(&self, all: &[RowId], first: usize, column: usize, offset: u32, default: Option<usize>) -> Result<ArrayRef> {
        let last_peer = |at: usize| {
            let key = &self.order[all[at] as usize];
            at + all[at..].partition_point(|&r| self.order[r as usize] <= *key) - 1
        };
        let source = |at: usize| last_peer(at).checked_sub(offset as usize).map_or(NO_ROW, |p| all[p]);
        let sources: Vec<RowId> = (first..all.len()).map(source).collect();
        let values = self.table.store().gather_columns(&sources, &[column])?.remove(0);
        let Some(default) = default else { return Ok(values) };
        let defaults = self.table.store().gather_columns(&all[first..], &[default])?.remove(0);
        let places: Vec<(usize, usize)> = sources.iter().enumerate().map(|(at, &row)| (usize::from(row == NO_ROW), at)).collect();
        Ok(interleave(&[values.as_ref(), defaults.as_ref()], &places)?)
    }

    /// Takes a batch in; gives the rows that it removed, which are still readable, and their partitions.
    fn change(&mut self, batch: &ChangelogBatch, order: &[Arc<[u8]>]) -> Result<(Vec<RowId>, Vec<u32>)> {
        let adds: Vec<u32> = (0..batch.num_rows()).filter(|&r| batch.kind(r).is_add()).map(|r| r as u32).collect();
        let (ids, keys) = self.append(&batch.rows, &adds, order)?;
        let mut added = ids.into_iter().zip(keys);
        let columns = self.table.key_of(&batch.rows);
        let partitions = self.table.lookup(&columns, batch.num_rows())?;
        let (mut gone, mut gone_keys) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            if batch.kind(row).is_add() {
                let (id, partition) = added.next().expect("every addition was appended");
                self.insert(id, partition)?;
            } else if partitions[row] != ABSENT
                && let Some(found) = self.find(&batch.rows, row, &order[row], partitions[row])?
            {
                self.remove(found, partitions[row])?;
                gone.push(found);
                gone_keys.push(partitions[row]);
            }
        }
        Ok((gone, gone_keys))
    }

    fn emit(&self, before: Tail, after: Tail, out: &mut Output) -> Result<()> {
        let place_before = places(&before.rows, self.table.store().id_bound());
        let place_after = places(&after.rows, self.table.store().id_bound());
        let kept: Vec<RowId> = after.rows.iter().copied().filter(|&r| place_before[r as usize] != NO_ROW).collect();
        let at = |places: &[u32]| kept.iter().map(|&r| places[r as usize]).collect::<UInt32Array>();
        let picked = |results: &[ArrayRef], places: &UInt32Array| results.iter().map(|c| Ok(take(c, places, None)?)).collect::<Result<Vec<_>>>();
        let differs = rows_differ(&picked(&before.results, &at(&place_before))?, &picked(&after.results, &at(&place_after))?, kept.len())?;
        // What comes out: a row, with its results before (0) or after (1).
        let (mut rows, mut results, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        let mut push = |row: RowId, result: (usize, usize), kind| {
            rows.push(row);
            results.push(result);
            kinds.push(kind);
        };
        for (at, &row) in before.rows.iter().enumerate().filter(|(_, r)| place_after[**r as usize] == NO_ROW) {
            push(row, (0, at), RowKind::Delete);
        }
        for (&row, _) in kept.iter().zip(differs).filter(|(_, d)| *d) {
            push(row, (0, place_before[row as usize] as usize), RowKind::UpdateBefore);
            push(row, (1, place_after[row as usize] as usize), RowKind::UpdateAfter);
        }
        for (at, &row) in after.rows.iter().enumerate().filter(|(_, r)| place_before[**r as usize] == NO_ROW) {
            push(row, (1, at), RowKind::Insert);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let mut columns = self.table.store().gather(&rows)?.columns().to_vec();
        for (old, new) in before.results.iter().zip(&after.results) {
            columns.push(interleave(&[old.as_ref(), new.as_ref()], &results)?);
        }
        out.batch(ChangelogBatch::new(record_batch(&self.schema, columns, rows.len())?, kinds))
    }
}

/// By row: its place in `rows`, or [`NO_ROW`].
fn places(rows: &[RowId], bound: usize) -> Vec<u32> {
    let mut places = vec![NO_ROW; bound];
    rows.iter().enumerate().for_each(|(at, &row)| places[row as usize] = at as u32);
    places
}

impl Operator for KeyOrder {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let order = self.order_of(&batch.rows)?;
        // One partition at a time: what it emits lies between what was and what is.
        for rows in self.by_partition(&batch)? {
            let part = batch.take(&rows.iter().copied().collect())?;
            let order: Vec<Arc<[u8]>> = rows.iter().map(|&r| Arc::clone(&order[r as usize])).collect();
            let first = order.iter().min().expect("a partition has rows").clone();
            let columns = self.table.key_of(&part.rows.slice(0, 1));
            let partition = self.table.lookup(&columns, 1)?[0];
            let before = match partition {
                ABSENT => None,
                partition => Some(self.tail(partition, &first)?),
            };
            let (gone, gone_keys) = self.change(&part, &order)?;
            let partition = self.table.lookup(&columns, 1)?[0];
            if partition != ABSENT {
                let after = self.tail(partition, &first)?;
                let nothing = || Tail { rows: Vec::new(), results: after.results.iter().map(|c| c.slice(0, 0)).collect() };
                self.emit(before.unwrap_or_else(nothing), after, out)?;
            }
            [&mut self.rows_calls, &mut self.range_calls].into_iter().for_each(|c| c.set.clear(&gone));
            self.table.free(&gone, &gone_keys)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.table.snapshot(writer, &[], |_| Vec::new())
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.table.restore(reader, |_, _| Ok(()))?;
        grow(&mut self.order, self.table.store().id_bound(), Arc::from([].as_slice()));
        grow(&mut self.partitions, self.table.keys().id_bound(), Vec::new());
        let bound = self.table.store().id_bound();
        [&mut self.rows_calls, &mut self.range_calls].into_iter().for_each(|c| c.set.reserve(bound));
        for partition in self.table.keys().ids() {
            let rows: Vec<RowId> = self.table.list(partition).collect();
            let order = self.order_of(&self.table.store().gather(&rows)?)?;
            rows.iter().zip(order).for_each(|(&row, key)| self.order[row as usize] = key);
            self.rebuild(partition, rows)?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let order: usize = self.order.iter().map(|o| 16 + o.len()).sum();
        let partitions: usize = self.partitions.iter().map(|p| 24 + p.capacity() * 4).sum();
        self.table.bytes() + order + partitions + self.rows_calls.set.bytes() + self.range_calls.set.bytes()
    }
}

impl KeyOrder {
    /// The rows of a batch by partition.
    fn by_partition(&self, batch: &ChangelogBatch) -> Result<Vec<Vec<u32>>> {
        let mut index = self.table.keys().empty_like();
        let mut ids = Vec::new();
        index.insert(&self.table.key_of(&batch.rows), batch.num_rows(), &mut ids)?;
        let mut rows = vec![Vec::new(); index.id_bound()];
        ids.into_iter().enumerate().for_each(|(row, id)| rows[id as usize].push(row as u32));
        Ok(rows)
    }

    /// Makes the frames of a partition's rows, first to last.
    fn rebuild(&mut self, partition: u32, mut rows: Vec<RowId>) -> Result<()> {
        rows.sort_by(|a, b| self.order[*a as usize].cmp(&self.order[*b as usize]));
        let mut start = 0;
        while start < rows.len() {
            let key = &self.order[rows[start] as usize];
            let end = start + rows[start..].partition_point(|&r| self.order[r as usize] <= *key);
            let before = start.checked_sub(1).map(|p| rows[p]);
            for at in start..end {
                self.range_calls.start(rows[at], before)?;
                self.rows_calls.start(rows[at], at.checked_sub(1).map(|p| rows[p]))?;
                self.rows_calls.apply(&self.table, rows[at], &rows[at..=at], false)?;
            }
            for at in start..end {
                self.range_calls.apply(&self.table, rows[at], &rows[start..end], false)?;
            }
            start = end;
        }
        self.partitions[partition as usize] = rows;
        Ok(())
    }
}

impl Calls {
    fn new(spec: &OverAggregateSpec, unit: FrameUnit) -> Result<Self> {
        let (mut calls, mut places): (Vec<AggregateCall>, Vec<usize>) = (Vec::new(), Vec::new());
        for (place, call) in spec.calls.iter().enumerate().filter(|(_, c)| c.frame.unit == unit) {
            if let OverFunction::Aggregate(aggregate) = &call.function {
                calls.push(aggregate.clone());
                places.push(place);
            }
        }
        let (calls, columns) = compact(&calls);
        Ok(Self { set: AggregateSet::new(&calls, spec.input_retracts)?, columns, places })
    }

    /// Begins the frame of `row` with that of the row before. The frame of a peer holds `row` already once it is applied.
    fn start(&mut self, row: RowId, before: Option<RowId>) -> Result<()> {
        let Some(before) = before.filter(|_| !self.places.is_empty()) else { return Ok(()) };
        let state = self.set.state(&[before])?;
        self.set.merge(&[row], &state)
    }

    /// Adds `row` to the frames of `rows`, or takes it out.
    fn apply(&mut self, table: &RowTable, row: RowId, rows: &[RowId], retract: bool) -> Result<()> {
        if self.places.is_empty() || rows.is_empty() {
            return Ok(());
        }
        let args = unnamed(table.store().gather_columns(&vec![row; rows.len()], &self.columns)?, rows.len())?;
        let retract = retract.then(|| vec![true; rows.len()]);
        self.set.update(rows, &args, retract.as_deref())
    }
}
