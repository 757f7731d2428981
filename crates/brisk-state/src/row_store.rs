//! Rows in columnar blocks, by ids that stay valid.
//!
//! A batch that is appended becomes a block without being copied; small blocks are merged as they come (so that one-row
//! batches do not make one-row blocks), blocks whose rows are mostly gone are rewritten, and blocks without rows are
//! dropped. An id is a place in the slot table, which says where its row lies now.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use brisk_core::Result;

/// Names a row of a [`RowStore`] until it is freed.
pub type RowId = u32;

/// In [`RowStore::gather`]: a row of nulls (the missing side of an outer join).
pub const NO_ROW: RowId = u32::MAX;

/// Blocks with fewer rows are merged with their neighbours.
const SMALL_BLOCK_ROWS: usize = 1024;

pub struct RowStore {
    schema: SchemaRef,
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
        Self { schema, blocks: Vec::new(), free_blocks: Vec::new(), slots: Vec::new(), free_slots: Vec::new(), small: Vec::new(), block_bytes: 0 }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The number of rows held.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free_slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An upper bound of the ids handed out: sizes a side table indexed by id.
    pub fn id_bound(&self) -> usize {
        self.slots.len()
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
        self.merge_small()
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

    /// The rows of a range of ids, none of them freed, in pieces of the blocks that they lie in: nothing is copied.
    pub fn pieces(&self, ids: Range<RowId>) -> Vec<RecordBatch> {
        let mut pieces = Vec::new();
        let mut next = ids.start;
        while next < ids.end {
            let Slot { block, row } = self.slots[next as usize];
            let here = self.slots[next as usize..ids.end as usize].iter().zip(row..);
            let length = here.take_while(|(slot, row)| (slot.block, slot.row) == (block, *row)).count();
            pieces.push(self.block(block).rows.slice(row as usize, length));
            next += length as RowId;
        }
        pieces
    }

    /// Some columns of the rows `ids`.
    pub fn gather_columns(&self, ids: &[RowId], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let (blocks, places) = self.places(ids);
        if let ([Some(block)], Some(_)) = (blocks.as_slice(), places.first()) {
            let indices = UInt32Array::from_iter_values(places.iter().map(|p| p.1 as u32));
            return columns.iter().map(|&c| Ok(take(block.rows.column(c), &indices, None)?)).collect();
        }
        columns.iter().map(|&c| self.interleave_column(&blocks, &places, c)).collect()
    }

    /// Where a row lies now: for reading single values without a copy.
    pub fn row(&self, id: RowId) -> (&RecordBatch, usize) {
        let slot = self.slots[id as usize];
        (&self.block(slot.block).rows, slot.row as usize)
    }

    /// Forgets rows. Their ids may be handed out again.
    pub fn free(&mut self, ids: &[RowId]) -> Result<()> {
        let mut sparse = Vec::new();
        for &id in ids {
            let slot = std::mem::replace(&mut self.slots[id as usize], FREE);
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
        *self = Self::new(Arc::clone(&self.schema));
    }

    /// The ids of all rows, in ascending order.
    pub fn ids(&self) -> impl Iterator<Item = RowId> + '_ {
        self.slots.iter().enumerate().filter(|(_, s)| s.block != FREE.block).map(|(i, _)| i as RowId)
    }

    fn new_slot(&mut self) -> RowId {
        self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(FREE);
            self.slots.len() as RowId - 1
        })
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
            self.slots[*id as usize] = Slot { block: place, row: row as u32 };
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

    /// The blocks that hold `ids` (`None` stands for the row of nulls), and every id's place among them.
    fn places(&self, ids: &[RowId]) -> (Vec<Option<&Block>>, Vec<(usize, usize)>) {
        let mut used: Vec<u32> = vec![u32::MAX; self.blocks.len() + 1];
        let mut blocks = Vec::new();
        let places = ids.iter().map(|&id| {
            let slot = if id == NO_ROW { FREE } else { self.slots[id as usize] };
            debug_assert!(id == NO_ROW || slot.block != FREE.block, "a freed row is gathered");
            let at = (slot.block as usize).min(self.blocks.len());
            if used[at] == u32::MAX {
                used[at] = blocks.len() as u32;
                blocks.push(self.blocks.get(at).and_then(|b| b.as_ref()));
            }
            (used[at] as usize, slot.row as usize)
        });
        let places = places.collect();
        (blocks, places)
    }

    fn interleave_column(&self, blocks: &[Option<&Block>], places: &[(usize, usize)], column: usize) -> Result<ArrayRef> {
        let data_type = self.schema.field(column).data_type();
        if places.is_empty() {
            return Ok(arrow_array::new_empty_array(data_type));
        }
        let nulls = new_null_array(data_type, 1);
        let arrays: Vec<&dyn Array> = blocks.iter().map(|b| b.map_or(nulls.as_ref(), |b| b.rows.column(column).as_ref())).collect();
        Ok(interleave(&arrays, places)?)
    }
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
