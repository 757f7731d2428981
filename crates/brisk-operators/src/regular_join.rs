//! The join of two changing tables: every change of either side corrects the result.
//!
//! Both sides are kept whole. A row that comes meets the rows of the other side, and what is emitted is the difference it
//! makes. An outer side, and the left side of a semi or anti join, counts for every kept row how many partners it has:
//!
//! ```text
//!   partners 0 -> 1   outer: -D (row, nulls)   semi: +I row   anti: -D row
//!   partners 1 -> 0   outer: +I (row, nulls)   semi: -D row   anti: +I row
//! ```
//!
//! Where both sides only grow and the join is an inner one, nothing is ever corrected: a batch meets the other side and
//! is kept as it is. Such a side keeps only the columns that come out or that the condition reads beyond the keys.
//!
//! A row that is taken back is found by a hash of what identifies it: its unique key and join key, or all its columns.
//! Where a unique key is known, a `+U` takes the place of a kept row that has the same keys and was not taken back: the
//! stream has no `-U`, and its consumers replace rows themselves. As in Flink nothing is emitted for the one replaced.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use brisk_core::graph::OperatorFactory;
use brisk_core::key_group::hash_columns;
use brisk_core::operator::{Operator, Output, SubtaskContext};
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use brisk_state::row_codec::RowCodec;
use brisk_state::{ABSENT, LastTouch, NO_ROW, RowId};
use hashbrown::HashTable;

use crate::first_pairs::{FirstOfKey, FirstPairs, first_pairs};
use crate::join::{JoinCondition, JoinKind, Side};
use crate::joiner::{Joiner, NO_PROBE, PAIRS_AT_ONCE, Pairs, kept_columns};
use crate::row_table::{RowTable, grow, matchless};

#[derive(Debug, Clone)]
pub struct RegularJoinSpec {
    pub kind: JoinKind,
    /// Without keys every pair of rows is tried: run it in one subtask.
    pub condition: JoinCondition,
    pub left: JoinInput,
    pub right: JoinInput,
    /// Which columns come out, and in which order: of left ++ right; of left in a semi or anti join.
    pub output: Vec<usize>,
    /// Where only the first rows of every key are asked for. For an inner join of sides that only grow.
    pub first: Option<FirstOfKey>,
    pub time_zone: chrono_tz::Tz,
}

/// What is known of one side.
#[derive(Debug, Clone)]
pub struct JoinInput {
    pub schema: Schema,
    /// Whether rows are never taken back.
    pub append_only: bool,
    /// Columns that identify a row, for a stream that leaves `-U` out. Not needed for others: keys cost time.
    pub unique_key: Option<Vec<usize>>,
    /// Forget rows that have not changed for so long (`table.exec.state.ttl`, STATE_TTL hint).
    pub state_ttl_ms: Option<i64>,
}

impl OperatorFactory for RegularJoinSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        let counts_left = self.kind.pads_left() || self.kind.is_semi_or_anti();
        let residual = self.condition.residual.as_ref();
        let read = kept_columns(self.left.schema.len(), &self.output, residual);
        let left = Kept::new("left", &self.left, &self.condition.left_keys, read.0, counts_left, context.key_groups)?;
        let right = Kept::new("right", &self.right, &self.condition.right_keys, read.1, self.kind.pads_right(), context.key_groups)?;
        let joiner = Joiner::new(self.kind, &self.left.schema, &self.right.schema, residual, self.time_zone);
        let only_appends = self.kind == JoinKind::Inner && [&self.left, &self.right].iter().all(|i| i.append_only && i.state_ttl_ms.is_none());
        if self.first.is_some() && !only_appends {
            return Err(Error::internal("the first rows of a join's keys are only known where nothing is corrected"));
        }
        Ok(Box::new(RegularJoin {
            kind: self.kind,
            first: self.first.as_ref().map(|f| first_pairs(f, &self.left.schema, &self.right.schema)).transpose()?,
            joiner: joiner.selecting(&self.output, [&left.columns, &right.columns]),
            only_appends,
            condition: self.condition.clone(),
            left,
            right,
        }))
    }
}

struct RegularJoin {
    kind: JoinKind,
    condition: JoinCondition,
    joiner: Joiner,
    /// Inner, and nothing is ever corrected or forgotten.
    only_appends: bool,
    first: Option<Box<dyn FirstPairs>>,
    left: Kept,
    right: Kept,
}

/// The rows of one side.
struct Kept {
    table: RowTable,
    /// The columns that are kept of every row.
    columns: Vec<usize>,
    append_only: bool,
    /// The columns that identify a row.
    identity: Vec<usize>,
    is_unique: bool,
    codec: RowCodec,
    /// By row: the hash of its identity. Made when the first row is taken back, or at once for a unique key.
    hashes: Option<Vec<u64>>,
    by_hash: HashTable<RowId>,
    /// By row: how many partners it has; `None` where nobody asks.
    partners: Option<Vec<u32>>,
    touched: Option<LastTouch>,
}

/// What comes out of a batch, as pairs of its rows and rows of the other side.
#[derive(Default)]
struct Changes {
    pairs: Pairs,
    kinds: Vec<RowKind>,
}

impl Operator for RegularJoin {
    fn on_batch(&mut self, input: usize, batch: ChangelogBatch, out: &mut Output) -> Result<()> {
        let side = Side::of(input);
        let keys: Vec<ArrayRef> = self.condition.keys(side).iter().map(|&c| Arc::clone(batch.column(c))).collect();
        let mut partners = self.kept(side.other()).table.lookup(&keys, batch.num_rows())?;
        let matchless = matchless(&keys, &self.condition.null_safe);
        if let Some(keys) = &matchless {
            partners.iter_mut().enumerate().filter(|(row, _)| keys.is_null(*row)).for_each(|(_, p)| *p = ABSENT);
        }
        if self.only_appends {
            return self.append(side, &batch.rows, &keys, &partners, matchless.as_ref(), out);
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let end = self.kept(side.other()).bounded(&partners, start);
            let is_matchless = |row: usize| matchless.as_ref().is_some_and(|m| m.is_null(row + start));
            self.change(side, &batch.slice(start, end - start), &partners[start..end], is_matchless, out)?;
            start = end;
        }
        Ok(())
    }

    fn next_timer(&self) -> Option<i64> {
        let next = |kept: &Kept| kept.touched.as_ref().and_then(LastTouch::next_sweep);
        [next(&self.left), next(&self.right)].into_iter().flatten().min()
    }

    fn on_timer(&mut self, now_ms: i64, _out: &mut Output) -> Result<()> {
        self.left.sweep(now_ms)?;
        self.right.sweep(now_ms)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        self.left.snapshot(writer)?;
        self.right.snapshot(writer)
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        self.left.restore(reader)?;
        self.right.restore(reader)
    }

    fn state_bytes(&self) -> usize {
        self.left.bytes() + self.right.bytes() + self.first.as_ref().map_or(0, |f| f.bytes())
    }
}

impl RegularJoin {
    fn kept(&self, side: Side) -> &Kept {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    fn kept_mut(&mut self, side: Side) -> &mut Kept {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// Takes in rows of a side that only grows.
    fn append(&mut self, side: Side, rows: &RecordBatch, keys: &[ArrayRef], partners: &[u32], matchless: Option<&NullBuffer>, out: &mut Output) -> Result<()> {
        // A row whose key matches nothing is never asked for again.
        let is_kept = |row: &u32| matchless.is_none_or(|m| m.is_valid(*row as usize));
        let selected: Vec<u32> = (0..rows.num_rows() as u32).filter(is_kept).collect();
        self.kept_mut(side).table.insert(rows, &selected)?;
        let mut first = self.first.take();
        let met = self.meet(side, rows, keys, partners, first.as_mut(), out);
        self.first = first;
        met
    }

    /// Emits the pairs of new rows with those of the other side.
    fn meet(
        &self,
        side: Side,
        rows: &RecordBatch,
        keys: &[ArrayRef],
        partners: &[u32],
        mut first: Option<&mut Box<dyn FirstPairs>>,
        out: &mut Output,
    ) -> Result<()> {
        let other = self.kept(side.other());
        // By row: its key as the left side numbers it.
        let numbers = match (side, &first) {
            (Side::Left, Some(_)) => Cow::Owned(self.left.table.lookup(keys, rows.num_rows())?),
            _ => Cow::Borrowed(partners),
        };
        let mut start = 0;
        while start < rows.num_rows() {
            let end = other.bounded(partners, start);
            let mut pairs = Pairs::default();
            for (row, &key) in (start as u32..).zip(&partners[start..end]) {
                other.table.list(key).for_each(|stored| pairs.push(row, stored));
            }
            start = end;
            self.joiner.filter(rows, side, other.table.store(), &mut pairs, out.processing_time_ms())?;
            if let Some(first) = &mut first {
                let columns = self.joiner.columns(first.columns(), rows, side, other.table.store(), &pairs)?;
                let keys: Vec<u32> = pairs.probe.iter().map(|row| numbers[*row as usize]).collect();
                pairs.retain(&first.choose(&keys, columns)?);
            }
            if !pairs.is_empty() {
                out.batch(ChangelogBatch::append(self.joiner.rows(rows, side, other.table.store(), &pairs)?))?;
            }
        }
        Ok(())
    }

    /// Takes in some rows: finds their partners, emits the difference they make, and keeps or drops them.
    fn change(&mut self, side: Side, batch: &ChangelogBatch, keys: &[u32], is_matchless: impl Fn(usize) -> bool, out: &mut Output) -> Result<()> {
        let now_ms = out.processing_time_ms();
        let pairs = self.pairs(side, &batch.rows, keys, now_ms)?;
        let mut ends = vec![0; batch.num_rows()];
        pairs.probe.iter().for_each(|&row| ends[row as usize] += 1);
        let mut changes = Changes::default();
        let mut kept = KeptChanges::new(self.kept_mut(side), batch, &is_matchless)?;
        let mut start = 0;
        for (row, count) in ends.into_iter().enumerate() {
            let partners = &pairs.stored[start..start + count];
            start += count;
            let kind = batch.kind(row);
            if kind.is_add() {
                self.kept_mut(side).add(&mut kept, batch, row, partners.len() as u32, now_ms)?;
            } else if !is_matchless(row) {
                self.kept_mut(side).take_back(&mut kept, batch, row)?;
            }
            if self.kind.is_semi_or_anti() {
                self.semi_or_anti(side, row, kind, partners, now_ms, &mut changes);
            } else {
                self.inner_or_outer(side, row, kind, partners, now_ms, &mut changes);
            }
        }
        self.emit(side, &batch.rows, changes, out)?;
        self.kept_mut(side).finish(kept)
    }

    /// The rows of the other side that satisfy the condition with each row of the batch, in the batch's order.
    fn pairs(&self, side: Side, rows: &RecordBatch, keys: &[u32], now_ms: i64) -> Result<Pairs> {
        let other = self.kept(side.other());
        let mut pairs = Pairs::default();
        for (row, &key) in keys.iter().enumerate() {
            for stored in other.table.list(key) {
                if !other.touched.as_ref().is_some_and(|t| t.expired(stored, now_ms)) {
                    pairs.push(row as u32, stored);
                }
            }
        }
        self.joiner.filter(rows, side, other.table.store(), &mut pairs, now_ms)?;
        Ok(pairs)
    }

    fn inner_or_outer(&mut self, side: Side, row: usize, kind: RowKind, partners: &[RowId], now_ms: i64, changes: &mut Changes) {
        let (pads, other_pads) = (self.kind.pads(side), self.kind.pads(side.other()));
        let row = row as u32;
        if partners.is_empty() {
            if pads {
                changes.push(row, NO_ROW, if kind.is_add() { RowKind::Insert } else { RowKind::Delete });
            }
            return;
        }
        // An inner join passes the kind on; where rows of nulls come and go beside it, an update is two changes.
        let joined_kind = match kind.is_add() {
            true if pads || other_pads => RowKind::Insert,
            false if pads => RowKind::Delete,
            _ => kind,
        };
        let other = self.kept_mut(side.other());
        if kind.is_add() && other_pads {
            for &partner in partners {
                if other.count_partner(partner, true, now_ms) == 0 {
                    changes.push(NO_PROBE, partner, RowKind::Delete);
                }
            }
        }
        partners.iter().for_each(|&partner| changes.push(row, partner, joined_kind));
        if !kind.is_add() && other_pads {
            for &partner in partners {
                if other.count_partner(partner, false, now_ms) == 1 {
                    changes.push(NO_PROBE, partner, RowKind::Insert);
                }
            }
        }
    }

    /// Rows that come out are left ones: of the batch, or kept.
    fn semi_or_anti(&mut self, side: Side, row: usize, kind: RowKind, partners: &[RowId], now_ms: i64, changes: &mut Changes) {
        let is_semi = self.kind == JoinKind::Semi;
        if side == Side::Left {
            if partners.is_empty() != is_semi {
                changes.push(row as u32, NO_ROW, kind);
            }
            return;
        }
        for &partner in partners {
            let before = self.left.count_partner(partner, kind.is_add(), now_ms);
            let appears = match (kind.is_add(), before) {
                (true, 0) => is_semi,
                (false, 1) => !is_semi,
                _ => continue,
            };
            let change = match (appears, is_semi) {
                (true, true) | (false, true) => kind,
                (true, false) => RowKind::Insert,
                (false, false) => RowKind::Delete,
            };
            changes.push(NO_PROBE, partner, change);
        }
    }

    fn emit(&self, side: Side, rows: &RecordBatch, changes: Changes, out: &mut Output) -> Result<()> {
        if changes.pairs.is_empty() {
            return Ok(());
        }
        let other = self.kept(side.other()).table.store();
        let joined = match (self.kind.is_semi_or_anti(), side) {
            (false, _) => self.joiner.rows(rows, side, other, &changes.pairs)?,
            (true, Side::Left) => self.joiner.left_rows(rows, &changes.pairs.probe)?,
            (true, Side::Right) => self.joiner.stored_left_rows(other, &changes.pairs.stored)?,
        };
        out.batch(ChangelogBatch::new(joined, changes.kinds))
    }
}

impl Changes {
    fn push(&mut self, probe: u32, stored: RowId, kind: RowKind) {
        self.pairs.push(probe, stored);
        self.kinds.push(kind);
    }
}

/// How a batch changes the kept rows: what was appended, and what is to be freed at the end.
struct KeptChanges {
    /// By row of the batch: its id and key where it is kept.
    appended: Vec<(RowId, u32)>,
    /// By row of the batch: the hash of its identity.
    hashes: Option<Vec<u64>>,
    freed: Vec<RowId>,
    freed_keys: Vec<u32>,
}

impl KeptChanges {
    fn new(kept: &mut Kept, batch: &ChangelogBatch, is_matchless: &impl Fn(usize) -> bool) -> Result<Self> {
        let takes_back = batch.kinds.as_ref().is_some_and(|k| k.iter().any(|k| !k.is_add()));
        if takes_back {
            if kept.append_only {
                return Err(Error::internal("a stream that only grows takes a row back"));
            }
            kept.make_hashes()?;
        }
        let hashes = kept.hashes.is_some().then(|| kept.identity_hashes(&batch.rows)).transpose()?;
        // A row whose key matches nothing is never asked for again.
        let is_kept = |row: &usize| batch.kind(*row).is_add() && !is_matchless(*row);
        let selected: Vec<u32> = (0..batch.num_rows()).filter(is_kept).map(|r| r as u32).collect();
        let (ids, keys) = kept.table.append(&batch.rows, &selected)?;
        let mut appended = vec![(NO_ROW, ABSENT); batch.num_rows()];
        for ((row, id), key) in selected.into_iter().zip(ids).zip(keys) {
            appended[row as usize] = (id, key);
        }
        Ok(Self { appended, hashes, freed: Vec::new(), freed_keys: Vec::new() })
    }
}

impl Kept {
    /// `read` are the columns that somebody reads later.
    fn new(name: &'static str, input: &JoinInput, keys: &[usize], read: Vec<usize>, counts: bool, key_groups: u16) -> Result<Self> {
        let all = || (0..input.schema.len()).collect::<Vec<usize>>();
        let unique_key = input.unique_key.as_ref().filter(|_| !input.append_only);
        let identity: Vec<usize> = match unique_key {
            Some(unique) => unique.iter().chain(keys.iter().filter(|k| !unique.contains(k))).copied().collect(),
            None => all(),
        };
        // A row that may be taken back is compared as a whole.
        let columns = if input.append_only { read } else { all() };
        let mut table = RowTable::growing(name, &input.schema, keys, &columns, key_groups)?;
        if counts || input.state_ttl_ms.is_some() {
            table.make_removable();
        } else if input.append_only {
            table = table.into_log();
        }
        Ok(Self {
            table,
            columns,
            append_only: input.append_only,
            is_unique: unique_key.is_some(),
            codec: RowCodec::new(input.schema.columns.iter().map(|c| c.sql_type.to_arrow()).collect())?,
            identity,
            hashes: unique_key.map(|_| Vec::new()),
            by_hash: HashTable::new(),
            partners: counts.then(Vec::new),
            touched: input.state_ttl_ms.map(LastTouch::new),
        })
    }

    /// Where rows end, from `start` on, that have a bounded number of partners with these keys.
    fn bounded(&self, keys: &[u32], start: usize) -> usize {
        let (mut end, mut pairs) = (start, 0);
        while end < keys.len() && (end == start || pairs < PAIRS_AT_ONCE) {
            pairs += self.table.length(keys[end]);
            end += 1;
        }
        end
    }

    fn identity_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.identity.iter().map(|&c| Arc::clone(rows.column(c))).collect()
    }

    fn identity_hashes(&self, rows: &RecordBatch) -> Result<Vec<u64>> {
        hash_columns(&self.identity_columns(rows), rows.num_rows())
    }

    /// Begins to hash rows, the kept ones first.
    fn make_hashes(&mut self) -> Result<()> {
        if self.hashes.is_some() {
            return Ok(());
        }
        self.table.make_removable();
        self.hashes = Some(Vec::new());
        let ids: Vec<RowId> = self.table.store().ids().collect();
        self.index(&ids)
    }

    fn index(&mut self, ids: &[RowId]) -> Result<()> {
        for ids in ids.chunks(PAIRS_AT_ONCE) {
            let columns = self.table.store().gather_columns(ids, &self.identity)?;
            let hashes = hash_columns(&columns, ids.len())?;
            ids.iter().zip(hashes).for_each(|(&id, hash)| self.index_row(id, hash));
        }
        Ok(())
    }

    fn index_row(&mut self, row: RowId, hash: u64) {
        let Some(hashes) = &mut self.hashes else { return };
        grow(hashes, self.table.store().id_bound(), 0);
        hashes[row as usize] = hash;
        self.by_hash.insert_unique(hash, row, |&r| hashes[r as usize]);
    }

    fn unindex_row(&mut self, row: RowId) {
        let Some(hashes) = &self.hashes else { return };
        if let Ok(entry) = self.by_hash.find_entry(hashes[row as usize], |&r| r == row) {
            entry.remove();
        }
    }

    /// Lists an appended row, in the place of the one that it replaces.
    fn add(&mut self, changes: &mut KeptChanges, batch: &ChangelogBatch, row: usize, partners: u32, now_ms: i64) -> Result<()> {
        let (id, key) = changes.appended[row];
        if id == NO_ROW {
            return Ok(());
        }
        if self.is_unique && batch.kind(row) == RowKind::UpdateAfter {
            self.take_back(changes, batch, row)?;
        }
        self.table.link(id, key);
        if let Some(hashes) = &changes.hashes {
            self.index_row(id, hashes[row]);
        }
        let bound = self.table.store().id_bound();
        if let Some(counts) = &mut self.partners {
            grow(counts, bound, 0);
            counts[id as usize] = partners;
        }
        if let Some(touched) = &mut self.touched {
            touched.touch(id, now_ms);
        }
        Ok(())
    }

    /// Takes out the kept row that equals row `row` of the batch. A row that is not there (its time-to-live was over) is
    /// passed over.
    fn take_back(&mut self, changes: &mut KeptChanges, batch: &ChangelogBatch, row: usize) -> Result<()> {
        let Some(found) = self.find(&batch.rows, row, changes.hashes.as_ref().map_or(0, |h| h[row]))? else { return Ok(()) };
        changes.freed_keys.push(self.table.key(found));
        changes.freed.push(found);
        self.forget(found);
        Ok(())
    }

    /// Takes a row off all lists but the store.
    fn forget(&mut self, row: RowId) {
        self.unindex_row(row);
        self.table.unlink(row);
        if let Some(touched) = &mut self.touched {
            touched.forget(row);
        }
    }

    fn find(&self, rows: &RecordBatch, row: usize, hash: u64) -> Result<Option<RowId>> {
        let Some(hashes) = &self.hashes else { return Ok(None) };
        let mut candidates = self.by_hash.iter_hash(hash).copied().filter(|&r| hashes[r as usize] == hash);
        let (first, second) = (candidates.next(), candidates.next());
        let (Some(first), Some(second)) = (first, second) else { return Ok(first) };
        // Several rows have the hash: mostly copies of one row, but that is to be seen.
        let mut all = vec![first, second];
        all.extend(candidates);
        all.sort_unstable();
        let stored = self.codec.encode(self.table.store().gather(&all)?.columns(), all.len())?;
        let wanted = self.codec.encode(rows.slice(row, 1).columns(), 1)?;
        let equal = all.iter().zip(stored.iter()).find(|(_, bytes)| *bytes == wanted.row(0)).map(|(id, _)| *id);
        Ok(equal.or(self.is_unique.then_some(first)))
    }

    /// One partner more or less; gives how many there were.
    fn count_partner(&mut self, row: RowId, more: bool, now_ms: i64) -> u32 {
        let Some(counts) = &mut self.partners else { return 0 };
        let count = &mut counts[row as usize];
        let before = *count;
        *count = if more { before + 1 } else { before.saturating_sub(1) };
        self.table.touch(row);
        if let Some(touched) = &mut self.touched {
            touched.touch(row, now_ms);
        }
        before
    }

    fn finish(&mut self, changes: KeptChanges) -> Result<()> {
        self.table.free(&changes.freed, &changes.freed_keys)
    }

    fn sweep(&mut self, now_ms: i64) -> Result<()> {
        let Some(touched) = &mut self.touched else { return Ok(()) };
        let expired = touched.sweep(now_ms);
        let keys: Vec<u32> = expired.iter().map(|&r| self.table.key(r)).collect();
        for &row in &expired {
            self.forget(row);
        }
        self.table.free(&expired, &keys)
    }

    fn snapshot(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let Self { table, partners, touched, .. } = self;
        if table.is_log() {
            return table.snapshot_log(writer);
        }
        let fields = [Field::new("partners", DataType::UInt32, false), Field::new("touched", DataType::Int64, false)];
        table.snapshot(writer, &fields, |ids| {
            let partners = ids.iter().map(|&id| partners.as_ref().map_or(0, |p| p[id as usize])).collect::<UInt32Array>();
            let touched = ids.iter().map(|&id| touched.as_ref().map_or(0, |t| t.touched_ms(id))).collect::<Int64Array>();
            vec![Arc::new(partners), Arc::new(touched)]
        })
    }

    fn restore(&mut self, reader: &mut dyn SnapshotReader) -> Result<()> {
        let mut rows = Vec::new();
        self.table.restore(reader, |ids, extra| {
            // A log has neither.
            if let [partners, touched] = extra {
                let (partners, touched) = (partners.as_primitive::<UInt32Type>(), touched.as_primitive::<Int64Type>());
                rows.extend(ids.iter().enumerate().map(|(i, &id)| (id, partners.value(i), touched.value(i))));
            }
            Ok(())
        })?;
        let bound = self.table.store().id_bound();
        for &(id, count, at) in &rows {
            if let Some(counts) = &mut self.partners {
                grow(counts, bound, 0);
                counts[id as usize] = count;
            }
            if let Some(touched) = &mut self.touched {
                touched.touch(id, at);
            }
        }
        if self.hashes.is_some() {
            let ids: Vec<RowId> = rows.into_iter().map(|r| r.0).collect();
            self.index(&ids)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let hashes = self.hashes.as_ref().map_or(0, |h| h.capacity() * 8) + self.by_hash.capacity() * 5;
        let partners = self.partners.as_ref().map_or(0, |p| p.capacity() * 4);
        self.table.bytes() + hashes + partners + self.touched.as_ref().map_or(0, LastTouch::bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use brisk_core::key_group::mix;

    use super::*;
    use crate::expr_for_tests::{UTC, call, column};
    use crate::harness::{check, check_net_effect, run_as_written, schema};

    const ROW: &str = "k BIGINT, n BIGINT";

    fn spec(kind: JoinKind, keys: &[usize], residual: bool, unique: bool) -> RegularJoinSpec {
        let both = schema(&format!("{ROW}, {ROW}"));
        let input = JoinInput { schema: schema(ROW), append_only: false, unique_key: unique.then(|| vec![0]), state_ttl_ms: None };
        RegularJoinSpec {
            kind,
            condition: JoinCondition {
                left_keys: keys.to_vec(),
                right_keys: keys.to_vec(),
                null_safe: vec![false; keys.len()],
                residual: residual.then(|| call("<", vec![column(&both, 1), column(&both, 3)])),
            },
            left: input.clone(),
            right: input,
            output: if kind.is_semi_or_anti() { vec![0, 1] } else { vec![0, 1, 2, 3] },
            first: None,
            time_zone: UTC,
        }
    }

    #[test]
    fn an_outer_row_loses_its_nulls_when_a_partner_comes() {
        let row = schema(ROW);
        let steps = "+I 1 5\n1: +I 1 6\n1: -U 1 6\n1: +U 1 7\n-D 1 5\n1: +I 2 9\n+I NULL 3";
        let expected = "+I 1 5 NULL NULL
            -D 1 5 NULL NULL
            +I 1 5 1 6
            -U 1 5 1 6
            +I 1 5 NULL NULL
            -D 1 5 NULL NULL
            +I 1 5 1 7
            -D 1 5 1 7
            +I NULL 3 NULL NULL";
        check(&spec(JoinKind::Left, &[0], false, false), &[&row, &row], steps, expected);
    }

    #[test]
    fn left_rows_come_and_go_with_their_partners() {
        let row = schema(ROW);
        let steps = "+I 1 5\n+I 2 5\n1: +I 1 6\n1: +I 1 7\n1: -D 1 6\n1: -D 1 7\n1: +I NULL 8\n+I NULL 9";
        check(&spec(JoinKind::Semi, &[0], false, false), &[&row, &row], steps, "+I 1 5\n-D 1 5");
        check(&spec(JoinKind::Anti, &[0], false, false), &[&row, &row], steps, "+I 1 5\n+I 2 5\n-D 1 5\n+I 1 5\n+I NULL 9");
    }

    #[test]
    fn an_update_takes_the_place_of_the_row_with_its_key() {
        let row = schema(ROW);
        let steps = "1: +I 1 10\n+I 1 5\n+U 1 6\n----\n+U 1 7\n+I 2 9\n1: +I 1 11\n1: +I 2 12";
        let expected = "+I 1 5 1 10\n+U 1 6 1 10\n+U 1 7 1 10\n+I 1 7 1 11\n+I 2 9 2 12";
        assert_eq!(run_as_written(&spec(JoinKind::Inner, &[0], false, true), &[&row, &row], steps).join("\n"), expected);
    }

    #[test]
    fn rows_that_share_a_key_are_told_apart_when_taken_back() {
        let row = schema(ROW);
        let steps = "+I 1 5\n+I 1 6\n-D 1 6\n1: +I 1 10";
        check(&spec(JoinKind::Inner, &[0], false, true), &[&row, &row], steps, "+I 1 5 1 10");
    }

    #[test]
    fn rows_are_forgotten_when_their_time_is_over() {
        let row = schema(ROW);
        let mut spec = spec(JoinKind::Inner, &[0], false, false);
        spec.left.state_ttl_ms = Some(10_000);
        let steps = "time 00:00:01\n+I 1 5\ntime 00:00:08\n1: +I 1 6\ntime 00:00:12\n1: +I 1 7\n+I 1 8";
        check(&spec, &[&row, &row], steps, "+I 1 5 1 6\n+I 1 8 1 6\n+I 1 8 1 7");
    }

    /// The join of two tables of rows, the slow way.
    fn joined(kind: JoinKind, equal: bool, residual: bool, left: &[[Option<i64>; 2]], right: &[[Option<i64>; 2]]) -> BTreeMap<String, i64> {
        let matches = |l: &[Option<i64>; 2], r: &[Option<i64>; 2]| {
            (!equal || (l[0].is_some() && l[0] == r[0])) && (!residual || matches!((l[1], r[1]), (Some(a), Some(b)) if a < b))
        };
        let show = |row: Option<&[Option<i64>; 2]>| row.map_or("NULL NULL".to_owned(), |r| r.map(|v| v.map_or("NULL".into(), |v| v.to_string())).join(" "));
        let mut rows = Vec::new();
        for l in left {
            let partners: Vec<_> = right.iter().filter(|r| matches(l, r)).collect();
            match kind {
                JoinKind::Semi if !partners.is_empty() => rows.push(show(Some(l))),
                JoinKind::Anti if partners.is_empty() => rows.push(show(Some(l))),
                JoinKind::Semi | JoinKind::Anti => {}
                _ => rows.extend(partners.iter().map(|r| format!("{} {}", show(Some(l)), show(Some(r))))),
            }
            if kind.pads_left() && partners.is_empty() {
                rows.push(format!("{} {}", show(Some(l)), show(None)));
            }
        }
        let alone = right.iter().filter(|r| kind.pads_right() && !left.iter().any(|l| matches(l, r)));
        rows.extend(alone.map(|r| format!("{} {}", show(None), show(Some(r)))));
        rows.into_iter().fold(BTreeMap::new(), |mut table, row| {
            *table.entry(row).or_insert(0) += 1;
            table
        })
    }

    /// Random changes of both sides, with duplicates and nulls.
    fn random_steps(seed: u64, tables: &mut [Vec<[Option<i64>; 2]>; 2]) -> String {
        let mut state = seed;
        let mut next = |bound: u64| {
            state = mix(state, 0x51ed_270b_9f1d);
            state % bound
        };
        let mut steps = String::new();
        for _ in 0..60 {
            let side = next(2) as usize;
            if next(3) == 0 && !tables[side].is_empty() {
                let place = next(tables[side].len() as u64) as usize;
                let row = tables[side].swap_remove(place);
                steps += &format!("{side}: -D {}\n", show(&row));
            } else {
                let mut value = |bound| Some(next(bound) as i64).filter(|v| *v != 3);
                let row = [value(4), value(5)];
                tables[side].push(row);
                steps += &format!("{side}: +I {}\n", show(&row));
            }
            if next(4) == 0 {
                steps += "----\n";
            }
        }
        steps
    }

    fn show(row: &[Option<i64>; 2]) -> String {
        row.map(|v| v.map_or("NULL".into(), |v| v.to_string())).join(" ")
    }

    #[test]
    fn the_result_is_that_of_a_join_of_the_final_tables() {
        let row = schema(ROW);
        for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Semi, JoinKind::Anti] {
            for (keys, residual) in [(&[0][..], false), (&[0], true), (&[], true)] {
                for seed in 0..8 {
                    let mut tables = [Vec::new(), Vec::new()];
                    let steps = random_steps(seed, &mut tables);
                    let expected: Vec<String> = joined(kind, !keys.is_empty(), residual, &tables[0], &tables[1])
                        .into_iter()
                        .flat_map(|(row, count)| vec![format!("+I {row}"); count as usize])
                        .collect();
                    let spec = spec(kind, keys, residual, false);
                    if seed == 0 {
                        check_net_effect(&spec, &[&row, &row], &steps, &expected.join("\n"));
                    }
                    assert_eq!(net(run_as_written(&spec, &[&row, &row], &steps)), net(expected), "{kind:?} on {keys:?}, seed {seed}");
                }
            }
        }
    }

    /// An inner join of sides that only grow, of which some columns come out.
    fn growing(output: &[usize], residual: bool) -> RegularJoinSpec {
        let mut spec = spec(JoinKind::Inner, &[0], residual, false);
        spec.left.append_only = true;
        spec.right.append_only = true;
        RegularJoinSpec { output: output.to_vec(), ..spec }
    }

    #[test]
    fn sides_that_only_grow_keep_what_comes_out() {
        let row = schema(ROW);
        let both = |(l, r): (&[Option<i64>; 2], &[Option<i64>; 2])| [l[0], l[1], r[0], r[1]];
        for (output, residual) in [(&[0, 1, 2, 3][..], false), (&[3, 0], false), (&[1], true), (&[2], false)] {
            for seed in 0..4 {
                let mut tables = [Vec::new(), Vec::new()];
                let steps: String = random_steps(seed, &mut tables).lines().filter(|l| !l.contains("-D")).map(|l| format!("{l}\n")).collect();
                let added = |side: usize| {
                    let rows = steps.lines().filter_map(|l| l.strip_prefix(&format!("{side}: +I ")));
                    rows.map(|r| r.split(' ').map(|v| v.parse().ok()).collect::<Vec<Option<i64>>>()).map(|r| [r[0], r[1]]).collect::<Vec<_>>()
                };
                let (left, right) = (added(0), added(1));
                let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
                let matching = pairs.filter(|(l, r)| l[0].is_some() && l[0] == r[0] && (!residual || matches!((l[1], r[1]), (Some(a), Some(b)) if a < b)));
                let line = |row: [Option<i64>; 4]| {
                    let values = output.iter().map(|c| row[*c].map_or("NULL".to_owned(), |v| v.to_string()));
                    format!("+I {}", values.collect::<Vec<_>>().join(" "))
                };
                let expected: Vec<String> = matching.map(both).map(line).collect();
                check_net_effect(&growing(output, residual), &[&row, &row], &steps, &expected.join("\n"));
            }
        }
    }

    #[test]
    fn only_the_first_rows_of_a_key_go_through() {
        let row = schema(ROW);
        let first = FirstOfKey { order: vec![crate::sort_key::SortKey::descending(3)], limit: 1 };
        let spec = RegularJoinSpec { first: Some(first), ..growing(&[0, 3], false) };
        let steps = "+I 1 5\n+I 2 5\n1: +I 1 3\n1: +I 1 9\n1: +I 1 9\n1: +I 2 4\n----\n1: +I 1 8\n1: +I 2 6\n+I 3 5\n1: +I 3 1";
        assert_eq!(run_as_written(&spec, &[&row, &row], steps).join("\n"), "+I 1 9\n+I 2 4\n+I 2 6\n+I 3 1");
    }

    #[test]
    fn a_cross_join_goes_out_in_pieces() {
        let row = schema(ROW);
        let rows = |input: usize| (0..300).map(|n| format!("{input}: +I {n} {n}\n")).collect::<String>();
        let printed = run_as_written(&spec(JoinKind::Full, &[], false, false), &[&row, &row], &(rows(0) + &rows(1)));
        let padded = printed.iter().filter(|l| l.contains("NULL")).count();
        assert_eq!((printed.len() - padded, padded), (300 * 300, 300 * 2));
    }

    fn net(changelog: Vec<String>) -> BTreeMap<String, i64> {
        let mut table = BTreeMap::new();
        for line in changelog {
            let (kind, row) = line.split_once(' ').unwrap();
            let count = table.entry(row.to_owned()).or_insert(0);
            *count += if RowKind::from_symbol(kind).unwrap().is_add() { 1 } else { -1 };
            assert!(*count >= 0, "{line}");
        }
        table.retain(|_, count| *count != 0);
        table
    }
}
