//! The first rows of every partition in an order, corrected as rows come: ROW_NUMBER() ... <= n, ORDER BY ... LIMIT.
//!
//! Append-only input needs `end` rows a partition and no more; input with retractions needs all. After a batch the
//! ranks of each partition that changed are compared with those before it, and the difference is emitted:
//!
//! - with the rank in the output, rank by rank: `-U`/`+U` where another row holds it now, `+I` and `-D` at the end;
//! - without it, as sets: `-D` for rows that left, `+I` for rows that came.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_row::Rows;
use arrow_schema::SchemaRef;
use brisk_core::graph::OperatorFactory;
use brisk_core::key_group::hash_columns;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use brisk_state::{DirtyKeys, IdBitmap, KeyIndex, KeyedRows, LastTouch, RowId, RowStore, TouchedIds};

use crate::batches::{Changes, record_batch, unnamed_batch};
use crate::ranked_rows::{FirstRows, Ties};
use crate::sort_key::{SortKey, SortKeyEncoder};

/// Keeps rows `start..=end` by ROW_NUMBER of every partition. The output: the input's columns, then the rank (BIGINT)
/// if asked. Rows that are equal in the order keep the order of their arrival.
#[derive(Debug, Clone)]
pub struct TopNSpec {
    pub input: Schema,
    /// Empty: one partition of all rows (ORDER BY ... LIMIT n OFFSET m).
    pub partition: Vec<usize>,
    /// Empty: the order of arrival (LIMIT over a stream with retractions).
    pub order: Vec<SortKey>,
    /// The first rank, from 1.
    pub start: u64,
    /// The last rank.
    pub end: u64,
    pub output_rank: bool,
    /// False keeps `end` rows a partition; true keeps all.
    pub input_retracts: bool,
    /// Whether consumers want `-U` before `+U` (with the rank; without it there are only `+I` and `-D`).
    pub emit_update_before: bool,
    /// Input columns, then the rank if asked.
    pub output: Schema,
    pub ttl_ms: Option<i64>,
}

impl OperatorFactory for TopNSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        if self.start == 0 {
            return Err(Error::internal("ranks begin at 1"));
        }
        let partition_types = self.input.project(&self.partition).columns.iter().map(|c| c.sql_type.to_arrow()).collect();
        let order = if self.order.is_empty() { None } else { Some(SortKeyEncoder::new(&self.order, &self.input)?) };
        Ok(Box::new(TopN {
            first: usize::try_from(self.start - 1).unwrap_or(usize::MAX),
            end: usize::try_from(self.end).unwrap_or(usize::MAX),
            order,
            schema: self.output.to_arrow(),
            index: KeyIndex::new(partition_types)?,
            store: RowStore::new(self.input.to_arrow()),
            partitions: Vec::new(),
            arrivals: 0,
            touch: self.ttl_ms.map(LastTouch::new),
            dirty: DirtyKeys::default(),
            touched: TouchedIds::default(),
            key_groups: context.key_groups,
            spec: self.clone(),
        }))
    }
}

struct TopN {
    spec: TopNSpec,
    /// Ranks kept out at the beginning, and the last rank.
    first: usize,
    end: usize,
    order: Option<SortKeyEncoder>,
    schema: SchemaRef,
    key_groups: u16,
    index: KeyIndex,
    store: RowStore,
    /// By id.
    partitions: Vec<Partition>,
    arrivals: u64,
    touch: Option<LastTouch>,
    dirty: DirtyKeys,
    touched: TouchedIds,
}

enum Partition {
    First(FirstRows),
    All(AllRows),
}

/// All rows in their order: by key, then by arrival.
#[derive(Default)]
struct AllRows {
    rows: BTreeMap<(Box<[u8]>, u64), StoredRow>,
}

#[derive(Clone, Copy)]
struct StoredRow {
    row: RowId,
    /// Of the whole row, to find the one to take back.
    hash: u64,
}

/// What a batch does to the rows.
#[derive(Default)]
struct Work {
    /// The ranks of touched partitions before the batch.
    before: Vec<Vec<RowId>>,
    /// Or, where rows are told as a set and only come: every row with the one that it pushed out.
    came: Vec<(RowId, Option<RowId>)>,
    /// Rows that left; freed when the changes are out.
    freed: Vec<RowId>,
}

/// The sort keys of a batch; empty bytes without an order.
struct BatchKeys(Option<Rows>);

impl BatchKeys {
    fn row(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

impl Operator for TopN {
    fn on_batch(&mut self, _input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::new();
        let key: Vec<ArrayRef> = self.spec.partition.iter().map(|k| batch.column(*k).clone()).collect();
        self.index.insert(&key, batch.num_rows(), &mut ids)?;
        let retracts = self.spec.input_retracts;
        self.partitions.resize_with(self.index.id_bound(), || Partition::new(retracts));
        let keys = BatchKeys(self.order.as_ref().map(|o| o.encode(&batch.rows)).transpose()?);
        let mut work = Work::default();
        match retracts {
            false => self.add_first(&batch, &ids, &keys, &mut work, out.processing_time_ms())?,
            true => self.change_all(&batch, &ids, &keys, &mut work, out.processing_time_ms())?,
        }
        self.emit(work, out)
    }

    fn next_timer(&self) -> Option<i64> {
        self.touch.as_ref().and_then(LastTouch::next_sweep)
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        let expired = self.touch.as_mut().map_or_else(Vec::new, |t| t.sweep(now_ms));
        let mut rows = Vec::new();
        for id in &expired {
            rows.extend(self.partitions[*id as usize].rows());
        }
        self.store.free(&rows)?;
        self.remove(&expired)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { dirty, index, partitions, store, touch, .. } = self;
        let rows = |ids: &[u32]| {
            let (mut owners, mut rows, mut touched) = (Vec::new(), Vec::new(), Vec::new());
            for (i, id) in ids.iter().enumerate() {
                rows.extend(partitions[*id as usize].rows());
                owners.resize(rows.len(), i as u32);
                touched.resize(rows.len(), touch.as_ref().map(|t| t.touched_ms(*id)));
            }
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(touched))];
            columns.extend(store.gather(&rows)?.columns().iter().cloned());
            Ok(KeyedRows { rows: unnamed_batch(columns)?, owners: Some(owners) })
        };
        dirty.write(writer, TABLE, index, self.key_groups, rows)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let Self { dirty, index, partitions, store, touch, order, arrivals, spec, .. } = self;
        dirty.read(reader, TABLE, index, |ids, entries| {
            let touched = entries.column(0).as_primitive::<Int64Type>();
            let rows = RecordBatch::try_new(Arc::clone(store.schema()), entries.columns()[1..].to_vec())?;
            let keys = BatchKeys(order.as_ref().map(|o| o.encode(&rows)).transpose()?);
            let hashes = hash_columns(rows.columns(), rows.num_rows())?;
            let mut stored = Vec::new();
            store.append(&rows, &mut stored)?;
            for (row, id) in ids.iter().enumerate() {
                let place = *id as usize;
                partitions.resize_with(partitions.len().max(place + 1), || Partition::new(spec.input_retracts));
                partitions[place].push(keys.row(row), *arrivals, StoredRow { row: stored[row], hash: hashes[row] });
                *arrivals += 1;
                if let (Some(touch), true) = (touch.as_mut(), touched.is_valid(row)) {
                    touch.touch(*id, touched.value(row));
                }
            }
            Ok(())
        })
    }

    fn state_bytes(&self) -> usize {
        let partitions: usize = self.partitions.iter().map(Partition::bytes).sum();
        self.index.bytes() + self.store.bytes() + partitions + self.dirty.bytes()
    }
}

const TABLE: &str = "rows";

impl TopN {
    /// Append-only input: rows that are not among the first are never kept.
    fn add_first(&mut self, batch: &ChangelogBatch, ids: &[u32], keys: &BatchKeys, work: &mut Work, now_ms: i64) -> Result<()> {
        if self.touch.is_some() {
            ids.iter().for_each(|id| self.expire(*id, now_ms, work));
        }
        let admitted = |(row, id): &(usize, &u32)| match &self.partitions[**id as usize] {
            Partition::First(rows) => rows.admits(keys.row(*row), self.end, Ties::EarlierFirst),
            Partition::All(_) => unreachable!("append-only partitions keep their first rows"),
        };
        let candidates: Vec<u32> = ids.iter().enumerate().filter(admitted).map(|(row, _)| row as u32).collect();
        let mut stored = Vec::new();
        self.store.append_selected(&batch.rows, &candidates, &mut stored)?;
        for (row, stored) in candidates.into_iter().zip(stored) {
            let id = ids[row as usize];
            self.note_touched(id, now_ms, work);
            let Partition::First(rows) = &mut self.partitions[id as usize] else { unreachable!("as above") };
            // An earlier row of this batch may have raised the bar.
            if !rows.admits(keys.row(row as usize), self.end, Ties::EarlierFirst) {
                work.freed.push(stored);
                continue;
            }
            let pushed_out = rows.insert(keys.row(row as usize), stored, self.end, Ties::EarlierFirst);
            work.freed.extend(pushed_out);
            if self.tells_rows() {
                work.came.push((stored, pushed_out));
            }
        }
        Ok(())
    }

    fn change_all(&mut self, batch: &ChangelogBatch, ids: &[u32], keys: &BatchKeys, work: &mut Work, now_ms: i64) -> Result<()> {
        let hashes = hash_columns(batch.rows.columns(), batch.num_rows())?;
        let added: Vec<u32> = (0..batch.num_rows()).filter(|row| batch.kind(*row).is_add()).map(|row| row as u32).collect();
        let mut stored = Vec::new();
        self.store.append_selected(&batch.rows, &added, &mut stored)?;
        let mut stored = stored.into_iter();
        for (row, &id) in ids.iter().enumerate() {
            self.expire(id, now_ms, work);
            self.note_touched(id, now_ms, work);
            let Partition::All(rows) = &mut self.partitions[id as usize] else { unreachable!("partitions with retractions keep all rows") };
            if batch.kind(row).is_add() {
                let stored = StoredRow { row: stored.next().expect("every added row was stored"), hash: hashes[row] };
                rows.rows.insert((keys.row(row).into(), self.arrivals), stored);
                self.arrivals += 1;
            } else {
                work.freed.extend(rows.take_out(keys.row(row), hashes[row], &self.store, &batch.rows, row));
            }
        }
        Ok(())
    }

    /// Empties a partition that has outlived its time.
    fn expire(&mut self, id: u32, now_ms: i64, work: &mut Work) {
        let Some(touch) = self.touch.as_mut().filter(|t| t.expired(id, now_ms)) else { return };
        touch.forget(id);
        let partition = &mut self.partitions[id as usize];
        work.freed.extend(partition.rows());
        *partition = Partition::new(self.spec.input_retracts);
    }

    /// Keeps the ranks of a partition as they were before its first change in this batch.
    fn note_touched(&mut self, id: u32, now_ms: i64, work: &mut Work) {
        if let Some(touch) = &mut self.touch {
            touch.touch(id, now_ms);
        }
        if self.touched.touch(id) && !self.tells_rows() {
            work.before.push(self.ranks(id));
        }
    }

    /// Whether the changes are simply the rows that come and those that they push out.
    fn tells_rows(&self) -> bool {
        !self.spec.output_rank && !self.spec.input_retracts && self.first == 0
    }

    /// The rows of the ranks that are put out.
    fn ranks(&self, id: u32) -> Vec<RowId> {
        self.partitions[id as usize].rows().skip(self.first).take(self.end - self.first.min(self.end)).collect()
    }

    fn emit(&mut self, work: Work, out: &mut Output) -> Result<()> {
        let ids = self.touched.take();
        let mut changes: Changes<(RowId, i64)> = Changes::new();
        row_changes(&work.came, &mut changes);
        for (id, before) in ids.iter().zip(&work.before) {
            let after = self.ranks(*id);
            match self.spec.output_rank {
                true => self.rank_changes(before, &after, &mut changes),
                false => set_changes(before, &after, &mut changes),
            }
        }
        for (rows, kinds) in changes.chunks() {
            let stored = self.store.gather(&rows.iter().map(|r| r.0).collect::<Vec<_>>())?;
            let mut columns = stored.columns().to_vec();
            if self.spec.output_rank {
                columns.push(Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()));
            }
            out.batch(ChangelogBatch::new(record_batch(&self.schema, columns, rows.len())?, kinds.to_vec()))?;
        }
        self.store.free(&work.freed)?;
        self.dirty.mark_all(&ids);
        let empty: Vec<u32> = ids.into_iter().filter(|id| self.partitions[*id as usize].is_empty()).collect();
        self.remove(&empty)
    }

    fn rank_changes(&self, before: &[RowId], after: &[RowId], changes: &mut Changes<(RowId, i64)>) {
        for place in 0..before.len().max(after.len()) {
            let rank = (self.first + place + 1) as i64;
            match (before.get(place), after.get(place)) {
                (Some(old), Some(new)) if old != new => {
                    if self.spec.emit_update_before {
                        changes.push(RowKind::UpdateBefore, (*old, rank));
                    }
                    changes.push(RowKind::UpdateAfter, (*new, rank));
                }
                (None, Some(new)) => changes.push(RowKind::Insert, (*new, rank)),
                (Some(old), None) => changes.push(RowKind::Delete, (*old, rank)),
                _ => {}
            }
        }
    }

    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        for id in ids {
            self.partitions[*id as usize] = Partition::new(self.spec.input_retracts);
            if let Some(touch) = &mut self.touch {
                touch.forget(*id);
            }
        }
        self.dirty.remove(&self.index, ids)?;
        self.index.remove(ids);
        Ok(())
    }
}

/// A row that comes and goes within the batch is not told.
fn row_changes(came: &[(RowId, Option<RowId>)], changes: &mut Changes<(RowId, i64)>) {
    let mut fresh = IdBitmap::default();
    for (row, _) in came {
        fresh.insert(*row);
    }
    let gone: HashSet<RowId> = came.iter().filter_map(|c| c.1).filter(|r| fresh.contains(*r)).collect();
    for (row, pushed_out) in came {
        if let Some(old) = pushed_out.filter(|r| !fresh.contains(*r)) {
            changes.push(RowKind::Delete, (old, 0));
        }
        if !gone.contains(row) {
            changes.push(RowKind::Insert, (*row, 0));
        }
    }
}

fn set_changes(before: &[RowId], after: &[RowId], changes: &mut Changes<(RowId, i64)>) {
    if before.len() + after.len() <= 32 {
        before.iter().filter(|r| !after.contains(r)).for_each(|r| changes.push(RowKind::Delete, (*r, 0)));
        after.iter().filter(|r| !before.contains(r)).for_each(|r| changes.push(RowKind::Insert, (*r, 0)));
        return;
    }
    let (old, new): (HashSet<RowId>, HashSet<RowId>) = (before.iter().copied().collect(), after.iter().copied().collect());
    before.iter().filter(|r| !new.contains(r)).for_each(|r| changes.push(RowKind::Delete, (*r, 0)));
    after.iter().filter(|r| !old.contains(r)).for_each(|r| changes.push(RowKind::Insert, (*r, 0)));
}

impl Partition {
    fn new(retracts: bool) -> Self {
        if retracts { Partition::All(AllRows::default()) } else { Partition::First(FirstRows::default()) }
    }

    fn rows(&self) -> Box<dyn Iterator<Item = RowId> + '_> {
        match self {
            Partition::First(rows) => Box::new(rows.rows()),
            Partition::All(all) => Box::new(all.rows.values().map(|r| r.row)),
        }
    }

    fn push(&mut self, key: &[u8], arrival: u64, row: StoredRow) {
        match self {
            Partition::First(rows) => rows.push(key, row.row),
            Partition::All(all) => drop(all.rows.insert((key.into(), arrival), row)),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Partition::First(rows) => rows.len() == 0,
            Partition::All(all) => all.rows.is_empty(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Partition::First(rows) => rows.bytes(),
            Partition::All(all) => all.rows.keys().map(|k| 56 + k.0.len()).sum(),
        }
    }
}

impl AllRows {
    /// Takes out the first row that equals row `place` of `rows`; nothing if there is none (it has expired).
    fn take_out(&mut self, key: &[u8], hash: u64, store: &RowStore, rows: &RecordBatch, place: usize) -> Option<RowId> {
        let same = |stored: &StoredRow| stored.hash == hash && same_row(store, stored.row, rows, place);
        let (place, row) = self.rows.range((key.into(), 0)..=(key.into(), u64::MAX)).find(|(_, r)| same(r))?;
        let (place, row) = (place.clone(), row.row);
        self.rows.remove(&place);
        Some(row)
    }
}

/// Whether a stored row has the values of row `place` of `rows`.
pub(crate) fn same_row(store: &RowStore, row: RowId, rows: &RecordBatch, place: usize) -> bool {
    let (block, at) = store.row(row);
    block.columns().iter().zip(rows.columns()).all(|(a, b)| a.slice(at, 1) == b.slice(place, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, check_net_effect, schema};

    fn spec(n: std::ops::RangeInclusive<u64>, rank: bool, retracts: bool) -> TopNSpec {
        TopNSpec {
            input: schema("shop STRING, item STRING, price INT"),
            partition: vec![0],
            order: vec![SortKey::descending(2)],
            start: *n.start(),
            end: *n.end(),
            output_rank: rank,
            input_retracts: retracts,
            emit_update_before: true,
            output: schema(if rank { "shop STRING, item STRING, price INT, r BIGINT" } else { "shop STRING, item STRING, price INT" }),
            ttl_ms: None,
        }
    }

    const STEPS: &str = "+I a pen 3
        ----
        +I a ink 5
        ----
        +I a cup NULL
        +I b pen 1
        ----
        +I a mug 4
        ----
        +I a jar 4
        ----
        +I a box 9";

    #[test]
    fn ranks_are_corrected() {
        let expected = "+I a pen 3 1
            -U a pen 3 1
            +U a ink 5 1
            +I a pen 3 2
            +I b pen 1 1
            -U a pen 3 2
            +U a mug 4 2
            -U a ink 5 1
            +U a box 9 1
            -U a mug 4 2
            +U a ink 5 2";
        for retracts in [false, true] {
            let spec = spec(1..=2, true, retracts);
            check(&spec, &[&spec.input], STEPS, expected);
        }
    }

    #[test]
    fn without_the_rank_rows_come_and_go() {
        let expected = "+I a pen 3
            +I a ink 5
            +I b pen 1
            -D a pen 3
            +I a mug 4
            -D a mug 4
            +I a box 9";
        for retracts in [false, true] {
            let spec = spec(1..=2, false, retracts);
            check(&spec, &[&spec.input], STEPS, expected);
        }
    }

    #[test]
    fn ranks_may_begin_later() {
        let spec = spec(2..=3, true, false);
        let expected = "+I a pen 3 2
            +I a cup NULL 3
            -U a pen 3 2
            +U a mug 4 2
            -U a cup NULL 3
            +U a pen 3 3
            -U a pen 3 3
            +U a jar 4 3
            -U a mug 4 2
            +U a ink 5 2
            -U a jar 4 3
            +U a mug 4 3";
        check(&spec, &[&spec.input], STEPS, expected);
    }

    #[test]
    fn rows_are_taken_back() {
        let steps = "+I a pen 3
            +I a ink 5
            +I a mug 4
            +I a mug 4
            ----
            -D a ink 5
            ----
            -U a mug 4
            +U a mug 1
            ----
            -D a nib 4
            -D a pen 3
            -D a mug 4
            -D a mug 1";
        let spec = spec(1..=2, true, true);
        check_net_effect(&spec, &[&spec.input], steps, "");
        check_net_effect(&spec, &[&spec.input], &steps[..steps.find("-D a nib").unwrap()], "+I a mug 4 1\n+I a pen 3 2");
    }

    #[test]
    fn without_an_order_the_first_to_come_is_first() {
        let spec = TopNSpec { partition: vec![], order: vec![], ..spec(1..=2, false, true) };
        let steps = "+I a pen 3
            +I a ink 5
            +I b cup 1
            ----
            -D a pen 3
            ----
            +I a nib 4
            -D a ink 5";
        check(&spec, &[&spec.input], steps, "+I a pen 3\n+I a ink 5\n-D a pen 3\n+I b cup 1\n-D a ink 5\n+I a nib 4");
    }
}
