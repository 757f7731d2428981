//! Rows in columnar blocks, by ids that stay valid.
//!
//! A batch that is appended becomes a block without being copied; small blocks are merged as they come (so that one-row
//! batches do not make one-row blocks), blocks whose rows are mostly gone are rewritten, and blocks without rows are
//! dropped. An id is a place in the slot table, which says where its row lies now.
//!
//! A store that only grows hands ids out in order and seals its rows, so many at a time, into packed blocks
//! ([`brisk_core::packed`]): an id tells the block, and nothing else is kept of a sealed row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use brisk_core::packed::{self, Form};
use brisk_core::{Error, Result};

/// Names a row of a [`RowStore`] until it is freed.
pub type RowId = u32;

/// In [`RowStore::gather`]: a row of nulls (the missing side of an outer join).
pub const NO_ROW: RowId = u32::MAX;

/// Blocks with fewer rows are merged with their neighbours.
const SMALL_BLOCK_ROWS: usize = 1024;
/// Rows of a sealed block: enough for texts to repeat, few enough to be numbered in two bytes, and a little fewer than a power
/// of two, so that a column with its offsets still fits a size in which the allocator deals.
pub const SEALED_ROWS: usize = 31 << 10;
/// Rows that take more than this together are not sealed: what packing saves of them is little, and a column has its limit.
const SEALED_BYTES: usize = 256 << 20;

pub struct RowStore {
    schema: SchemaRef,
    /// Whether no row is ever freed, and whether further rows are sealed then.
    only_grows: bool,
    seals: bool,
    /// The rows that came first; the slots begin with the id behind them.
    sealed: Vec<Sealed>,
    blocks: Vec<Option<Block>>,
    free_blocks: Vec<u32>,
    slots: Vec<Slot>,
    free_slots: Vec<RowId>,
    /// Small blocks, older first; each is at least about twice as large as the next.
    small: Vec<u32>,
    block_bytes: usize,
}

struct Block {
    rows: RecordBatch,
    /// The id of every row; `NO_ROW` once it is freed.
    ids: Vec<RowId>,
    live: usize,
    bytes: usize,
}

/// [`SEALED_ROWS`] rows, packed.
struct Sealed {
    rows: RecordBatch,
    /// By column.
    forms: Vec<Form>,
}

/// Where rows are read from.
#[derive(Clone, Copy)]
enum Place<'a> {
    Nulls,
    Block(&'a Block),
    Sealed(&'a Sealed),
}

#[derive(Clone, Copy)]
struct Slot {
    /// `u32::MAX`: the slot is free.
    block: u32,
    row: u32,
}

impl Block {
    /// Whether so few rows are left that the rest is worth a copy.
    fn is_sparse(&self) -> bool {
        self.live == 0 || (self.live * 2 <= self.ids.len() && self.ids.len() >= 16)
    }
}

const FREE: Slot = Slot { block: u32::MAX, row: 0 };

impl RowStore {
    /// A store of rows of `schema` (types matter, names do not).
    pub fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            only_grows: false,
            seals: false,
            sealed: Vec::new(),
            blocks: Vec::new(),
            free_blocks: Vec::new(),
            slots: Vec::new(),
            free_slots: Vec::new(),
            small: Vec::new(),
            block_bytes: 0,
        }
    }

    /// The same store, of which no row is ever freed: it takes less memory.
    pub fn growing(self) -> Self {
        Self { only_grows: true, seals: true, ..self }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The number of rows held.
    pub fn len(&self) -> usize {
        self.id_bound() - self.free_slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An upper bound of the ids handed out: sizes a side table indexed by id.
    pub fn id_bound(&self) -> usize {
        self.sealed_rows() + self.slots.len()
    }

    fn sealed_rows(&self) -> usize {
        self.sealed.len() * SEALED_ROWS
    }

    pub fn bytes(&self) -> usize {
        self.block_bytes + self.slots.capacity() * size_of::<Slot>()
    }

    /// Keeps all rows of `rows`; pushes their ids, in order.
    pub fn append(&mut self, rows: &RecordBatch, ids: &mut Vec<RowId>) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let new = (0..rows.num_rows()).map(|_| self.new_slot()).collect::<Vec<_>>();
        ids.extend_from_slice(&new);
        self.add_block(rows.clone(), new);
        self.merge_small()?;
        self.seal()
    }

    /// Keeps the rows of `rows` at `indices`; pushes their ids, in order.
    pub fn append_selected(&mut self, rows: &RecordBatch, indices: &[u32], ids: &mut Vec<RowId>) -> Result<()> {
        if indices.is_empty() {
            return Ok(());
        }
        if indices.len() == rows.num_rows() && indices.iter().enumerate().all(|(i, x)| i as u32 == *x) {
            return self.append(rows, ids);
        }
        let indices = UInt32Array::from(indices.to_vec());
        let columns = rows.columns().iter().map(|c| Ok(take(c, &indices, None)?)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
        self.append(&RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?, ids)
    }

    /// The rows `ids`, in this order; an id may repeat, [`NO_ROW`] gives nulls.
    pub fn gather(&self, ids: &[RowId]) -> Result<RecordBatch> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = self.gather_columns(ids, &all)?;
        let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// The rows of a range of ids, none of them freed, in pieces of the blocks that they lie in: nothing is copied. The
    /// pieces of sealed blocks are packed.
    pub fn pieces(&self, ids: Range<RowId>) -> Vec<RecordBatch> {
        let mut pieces = Vec::new();
        let (mut next, end) = (ids.start as usize, ids.end as usize);
        while next < end {
            let (rows, row, length) = match next.checked_sub(self.sealed_rows()) {
                None => (&self.sealed[next / SEALED_ROWS].rows, next % SEALED_ROWS, SEALED_ROWS - next % SEALED_ROWS),
                Some(first) => {
                    let Slot { block, row } = self.slots[first];
                    let here = self.slots[first..].iter().zip(row..);
                    let length = here.take_while(|(slot, row)| (slot.block, slot.row) == (block, *row)).count();
                    (&self.block(block).rows, row as usize, length)
                }
            };
            let length = length.min(end - next);
            pieces.push(rows.slice(row, length));
            next += length;
        }
        pieces
    }

    /// Some columns of the rows `ids`.
    pub fn gather_columns(&self, ids: &[RowId], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let (found, places) = self.places(ids);
        if let ([Place::Block(block)], Some(_)) = (found.as_slice(), places.first()) {
            let indices = UInt32Array::from_iter_values(places.iter().map(|p| p.1 as u32));
            return columns.iter().map(|&c| Ok(take(block.rows.column(c), &indices, None)?)).collect();
        }
        columns.iter().map(|&c| self.gather_column(&found, &places, c)).collect()
    }

    /// Where a row lies now: for reading single values without a copy. Not for rows that may be sealed.
    pub fn row(&self, id: RowId) -> (&RecordBatch, usize) {
        debug_assert!(!self.only_grows, "single values of sealed rows are not read");
        let slot = self.slots[id as usize];
        (&self.block(slot.block).rows, slot.row as usize)
    }

    /// Forgets rows. Their ids may be handed out again.
    pub fn free(&mut self, ids: &[RowId]) -> Result<()> {
        if self.only_grows && !ids.is_empty() {
            return Err(Error::internal("rows are taken out of a store that only grows"));
        }
        let mut sparse = Vec::new();
        for &id in ids {
            let slot = std::mem::replace(self.slot_mut(id), FREE);
            assert_ne!(slot.block, FREE.block, "a row is freed once");
            self.free_slots.push(id);
            let block = self.blocks[slot.block as usize].as_mut().expect("a used slot names a block");
            block.ids[slot.row as usize] = NO_ROW;
            block.live -= 1;
            if block.is_sparse() {
                sparse.push(slot.block);
            }
        }
        sparse.sort_unstable();
        sparse.dedup();
        for block in sparse {
            self.tidy(block)?;
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        let empty = Self::new(Arc::clone(&self.schema));
        *self = if self.only_grows { empty.growing() } else { empty };
    }

    /// The ids of all rows, in ascending order.
    pub fn ids(&self) -> impl Iterator<Item = RowId> + '_ {
        let in_slots = self.slots.iter().enumerate().filter(|(_, s)| s.block != FREE.block).map(|(i, _)| (self.sealed_rows() + i) as RowId);
        (0..self.sealed_rows() as RowId).chain(in_slots)
    }

    fn new_slot(&mut self) -> RowId {
        self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(FREE);
            self.id_bound() as RowId - 1
        })
    }

    /// The slot of a row that is not sealed.
    fn slot_mut(&mut self, id: RowId) -> &mut Slot {
        let first = self.sealed_rows();
        &mut self.slots[id as usize - first]
    }

    /// Packs the oldest rows of a store that only grows, as soon as they make a sealed block.
    fn seal(&mut self) -> Result<()> {
        while self.seals && self.slots.len() >= SEALED_ROWS {
            let first = self.sealed_rows() as RowId;
            let pieces = self.pieces(first..first + SEALED_ROWS as RowId);
            if pieces.iter().map(packed::value_bytes).sum::<usize>() > SEALED_BYTES {
                self.seals = false;
                return Ok(());
            }
            let former = self.sealed.last().map(|sealed| &sealed.rows);
            let rows = packed::pack_after(&pieces, former)?;
            let forms = rows.schema_ref().fields().iter().map(|f| Form::of(f)).collect::<Result<_>>()?;
            self.block_bytes += packed::own_bytes(&rows, former);
            self.sealed.push(Sealed { rows, forms });
            self.drop_first_slots()?;
        }
        Ok(())
    }

    /// Forgets the slots of the block that was just sealed, and the blocks that they lay in.
    fn drop_first_slots(&mut self) -> Result<()> {
        let rest = self.slots.split_off(SEALED_ROWS);
        let mut places: Vec<u32> = std::mem::replace(&mut self.slots, rest).into_iter().map(|slot| slot.block).collect();
        places.dedup();
        places.sort_unstable();
        places.dedup();
        for place in places {
            // Of a block of which only a part is sealed the rest becomes a block of its own.
            let Some(Block { rows, ids, .. }) = self.remove_block(place) else { continue };
            let first = ids.iter().position(|id| *id as usize >= self.sealed_rows()).unwrap_or(ids.len());
            if first < ids.len() {
                let rest = copied(&rows.slice(first, ids.len() - first))?;
                self.add_block(rest, ids[first..].to_vec());
            }
        }
        Ok(())
    }

    fn block(&self, block: u32) -> &Block {
        self.blocks[block as usize].as_ref().expect("a used slot names a block")
    }

    fn add_block(&mut self, rows: RecordBatch, ids: Vec<RowId>) {
        let place = self.free_blocks.pop().unwrap_or_else(|| {
            self.blocks.push(None);
            self.blocks.len() as u32 - 1
        });
        for (row, id) in ids.iter().enumerate() {
            *self.slot_mut(*id) = Slot { block: place, row: row as u32 };
        }
        if rows.num_rows() < SMALL_BLOCK_ROWS {
            self.small.push(place);
        }
        let bytes = rows.get_array_memory_size() + ids.capacity() * 4;
        self.block_bytes += bytes;
        self.blocks[place as usize] = Some(Block { live: ids.len(), rows, ids, bytes });
    }

    fn remove_block(&mut self, place: u32) -> Option<Block> {
        let block = self.blocks[place as usize].take()?;
        self.free_blocks.push(place);
        self.small.retain(|b| *b != place);
        self.block_bytes -= block.bytes;
        Some(block)
    }

    /// Drops an empty block, rewrites one that is mostly empty.
    fn tidy(&mut self, place: u32) -> Result<()> {
        let Some(block) = &self.blocks[place as usize] else { return Ok(()) };
        if block.live == 0 {
            self.remove_block(place);
        } else if block.is_sparse() {
            self.rewrite(&[place])?;
            self.merge_small()?;
        }
        Ok(())
    }

    /// Merges small blocks of like size, so that every row is copied a few times and not once for every append.
    fn merge_small(&mut self) -> Result<()> {
        while let [.., older, newer] = self.small[..] {
            if self.block(older).ids.len() > 2 * self.block(newer).ids.len() {
                break;
            }
            self.rewrite(&[older, newer])?;
        }
        Ok(())
    }

    /// Puts the live rows of `places` into one new block.
    fn rewrite(&mut self, places: &[u32]) -> Result<()> {
        let ids: Vec<RowId> = places.iter().flat_map(|p| &self.block(*p).ids).copied().filter(|id| *id != NO_ROW).collect();
        let rows = self.gather(&ids)?;
        for place in places {
            self.remove_block(*place);
        }
        if !ids.is_empty() {
            self.add_block(rows, ids);
        }
        Ok(())
    }

    /// The blocks that hold `ids`, and every id's place among them.
    fn places<'a>(&'a self, ids: &[RowId]) -> (Vec<Place<'a>>, Vec<(usize, usize)>) {
        let (sealed, sealed_rows) = (&self.sealed, self.sealed_rows());
        // By block, then by sealed block, then the row of nulls: its number among the places.
        let mut used: Vec<u32> = vec![u32::MAX; self.blocks.len() + sealed.len() + 1];
        let mut found = Vec::new();
        let mut number = |at: usize, place: Place<'a>| {
            if used[at] == u32::MAX {
                used[at] = found.len() as u32;
                found.push(place);
            }
            used[at] as usize
        };
        let places = ids.iter().map(|&id| {
            let row = id as usize;
            if id == NO_ROW {
                return (number(self.blocks.len() + sealed.len(), Place::Nulls), 0);
            }
            if row < sealed_rows {
                let block = row / SEALED_ROWS;
                return (number(self.blocks.len() + block, Place::Sealed(&sealed[block])), row % SEALED_ROWS);
            }
            let slot = self.slots[row - sealed_rows];
            debug_assert!(slot.block != FREE.block, "a freed row is gathered");
            (number(slot.block as usize, Place::Block(self.block(slot.block))), slot.row as usize)
        });
        let places = places.collect();
        (found, places)
    }

    fn gather_column(&self, found: &[Place<'_>], places: &[(usize, usize)], column: usize) -> Result<ArrayRef> {
        let data_type = self.schema.field(column).data_type();
        if places.is_empty() {
            return Ok(arrow_array::new_empty_array(data_type));
        }
        let nulls = new_null_array(data_type, 1);
        let columns: Vec<(&ArrayRef, &Form)> = found
            .iter()
            .map(|place| match place {
                Place::Nulls => (&nulls, &Form::Plain),
                Place::Block(block) => (block.rows.column(column), &Form::Plain),
                Place::Sealed(sealed) => (sealed.rows.column(column), &sealed.forms[column]),
            })
            .collect();
        packed::gather(&columns, places, data_type)
    }
}

/// The rows in memory of their own: a part of a batch keeps the whole of it.
fn copied(rows: &RecordBatch) -> Result<RecordBatch> {
    let all = UInt32Array::from_iter_values(0..rows.num_rows() as u32);
    let columns = rows.columns().iter().map(|c| Ok(take(c, &all, None)?)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(rows.schema(), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]))
    }

    fn batch(values: &[i64]) -> RecordBatch {
        let text: StringArray = values.iter().map(|v| (v % 3 != 0).then(|| v.to_string())).collect();
        RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(values.to_vec())), Arc::new(text)]).unwrap()
    }

    fn check(store: &RowStore, model: &HashMap<RowId, i64>) {
        assert_eq!(store.len(), model.len());
        let ids: Vec<RowId> = store.ids().collect();
        let rows = store.gather(&ids).unwrap();
        let expected: Vec<i64> = ids.iter().map(|id| model[id]).collect();
        assert_eq!(rows, batch(&expected));
    }

    #[test]
    fn rows_are_kept_whatever_comes_and_goes() {
        let mut random = 7u64;
        let mut next = move |bound: u64| {
            random = brisk_core::key_group::mix(random, 0x1234_5678_9abc);
            random % bound
        };
        let mut store = RowStore::new(schema());
        let mut model = HashMap::new();
        for step in 0..2000 {
            if next(3) > 0 || model.is_empty() {
                let rows = if next(20) == 0 { 1500 } else { 1 + next(4) };
                let values: Vec<i64> = (0..rows).map(|_| next(1000) as i64).collect();
                let mut ids = Vec::new();
                store.append(&batch(&values), &mut ids).unwrap();
                model.extend(ids.into_iter().zip(values));
            } else {
                let mut all: Vec<RowId> = model.keys().copied().collect();
                all.sort_unstable();
                let one_in = 1 + next(8);
                let gone: Vec<RowId> = all.into_iter().filter(|_| next(one_in) == 0).collect();
                store.free(&gone).unwrap();
                model.retain(|id, _| !gone.contains(id));
            }
            if step % 50 == 0 {
                check(&store, &model);
            }
        }
        check(&store, &model);
        let all: Vec<RowId> = store.ids().collect();
        store.free(&all).unwrap();
        assert_eq!((store.len(), store.block_bytes), (0, 0));
    }

    #[test]
    fn rows_of_a_growing_store_are_sealed_and_stay_readable() {
        for batch_rows in [1, 700, 3000, 100_000] {
            let mut store = RowStore::new(schema()).growing();
            let mut ids = Vec::new();
            let rows = if batch_rows == 1 { 40_000 } else { 100_000 };
            for start in (0..rows).step_by(batch_rows) {
                let values: Vec<i64> = (start..rows.min(start + batch_rows)).map(|v| v as i64 * 31 % 5000).collect();
                store.append(&batch(&values), &mut ids).unwrap();
            }
            assert_eq!(ids, (0..rows as u32).collect::<Vec<_>>());
            assert!(store.slots.len() < SEALED_ROWS && store.blocks.iter().flatten().map(|b| b.ids.len()).sum::<usize>() == store.slots.len());
            assert_eq!((store.len(), store.id_bound(), store.ids().count()), (rows, rows, rows));
            let wanted: Vec<u32> = (0..rows as u32).rev().step_by(7).collect();
            let expected: Vec<i64> = wanted.iter().map(|id| i64::from(*id) * 31 % 5000).collect();
            assert_eq!(store.gather(&wanted).unwrap(), batch(&expected));
            let with_nulls = store.gather(&[NO_ROW, 5, 39_999, NO_ROW]).unwrap();
            let numbers: Vec<Option<i64>> = with_nulls.column(0).as_primitive::<Int64Type>().iter().collect();
            assert_eq!(numbers, [None, Some(155), Some(39_999 * 31 % 5000), None]);
            let pieces: Vec<RecordBatch> = store.pieces(100..39_000).iter().map(|piece| packed::unpack(piece).unwrap()).collect();
            let expected: Vec<i64> = (100..39_000).map(|v| v * 31 % 5000).collect();
            assert_eq!(arrow_select::concat::concat_batches(&schema(), &pieces).unwrap(), batch(&expected));
            assert!(store.free(&[3]).is_err());
            // Less than a slot and the plain values would take.
            assert!(store.bytes() < rows * 12 + (1 << 20), "{} bytes", store.bytes());
        }
    }

    #[test]
    fn large_rows_are_not_sealed() {
        let long = "x".repeat(20 << 10);
        let texts = StringArray::from_iter_values((0..1000).map(|_| &long));
        let rows = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(0..1000)), Arc::new(texts)]).unwrap();
        let mut store = RowStore::new(schema()).growing();
        let mut ids = Vec::new();
        (0..SEALED_ROWS / 1000 + 2).for_each(|_| store.append(&rows, &mut ids).unwrap());
        assert_eq!((store.sealed_rows(), store.len(), ids.len()), (0, ids.len(), (SEALED_ROWS / 1000 + 2) * 1000));
        assert_eq!(store.gather(&[32_333, 7]).unwrap().column(0).as_primitive::<Int64Type>().values(), &[333, 7]);
    }

    #[test]
    fn one_row_batches_become_few_blocks() {
        let mut store = RowStore::new(schema());
        let mut ids = Vec::new();
        for value in 0..5000 {
            store.append(&batch(&[value]), &mut ids).unwrap();
        }
        assert!(store.blocks.iter().flatten().count() < 16);
        let pieces = store.pieces(17..4321);
        assert!(pieces.len() <= 16);
        let rows = arrow_select::concat::concat_batches(&schema(), &pieces).unwrap();
        assert_eq!(rows, batch(&(17..4321).collect::<Vec<_>>()));
        let rows = store.gather(&[ids[4999], NO_ROW, ids[0], ids[4999]]).unwrap();
        let numbers: Vec<Option<i64>> = rows.column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(numbers, [Some(4999), None, Some(0), Some(4999)]);
        let (block, row) = store.row(ids[17]);
        assert_eq!(block.column(0).as_primitive::<Int64Type>().value(row), 17);
    }
}
