//! The state of one slice of time: its keys and their accumulators, freed as a whole when its windows have fired.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType;
use brisk_core::Result;
use brisk_core::snapshot::SnapshotWriter;
use brisk_functions::AggregateCall;
use brisk_state::{DeletedPrefixes, DirtyKeys, KeyIndex, KeyedRows};

use crate::aggregate_set::AggregateSet;
use crate::batches::unnamed_batch;

/// What all panes of an operator have in common.
pub(crate) struct PaneLayout {
    pub key_types: Vec<DataType>,
    pub calls: Vec<AggregateCall>,
    pub retracts: bool,
    /// Whether snapshots write the panes.
    pub is_kept: bool,
    /// What a pane that has ended had, empty: the next one need not grow step by step.
    pub spare: Option<(KeyIndex, AggregateSet)>,
}

pub(crate) struct Pane {
    index: KeyIndex,
    set: AggregateSet,
    /// By id; left empty where rows are never taken back.
    counts: Vec<i64>,
    retracts: bool,
    /// Stays empty where no snapshot is written.
    dirty: DirtyKeys,
    is_kept: bool,
    /// Scratch.
    ids: Vec<u32>,
}

impl PaneLayout {
    pub fn pane(&mut self) -> Result<Pane> {
        let (index, set) = match self.spare.take() {
            Some(spare) => spare,
            None => (KeyIndex::new(self.key_types.clone())?, AggregateSet::new(&self.calls, self.retracts)?),
        };
        Ok(Pane { index, set, counts: Vec::new(), retracts: self.retracts, dirty: DirtyKeys::default(), is_kept: self.is_kept, ids: Vec::new() })
    }

    /// The end of a pane, whose room is used again.
    pub fn recycle(&mut self, pane: Pane) -> Result<()> {
        let Pane { mut index, mut set, .. } = pane;
        index.clear();
        if !set.reset() {
            set = AggregateSet::new(&self.calls, self.retracts)?;
        }
        self.spare = Some((index, set));
        Ok(())
    }

    /// The pane at `place`, made if it is missing.
    pub fn pane_in<'a, K: Ord>(&mut self, panes: &'a mut BTreeMap<K, Pane>, place: K) -> Result<&'a mut Pane> {
        Ok(match panes.entry(place) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.pane()?),
        })
    }
}

impl Pane {
    pub fn add_rows(&mut self, key: &[ArrayRef], rows: &RecordBatch, retract: Option<&[bool]>) -> Result<()> {
        self.with_ids(key, rows.num_rows(), |pane, ids| {
            if pane.retracts {
                match retract {
                    None => ids.iter().for_each(|id| pane.counts[*id as usize] += 1),
                    Some(retract) => ids.iter().zip(retract).for_each(|(id, r)| pane.counts[*id as usize] += if *r { -1 } else { 1 }),
                }
            }
            pane.set.update(ids, rows, retract)
        })
    }

    /// Adds the number of rows and the partial states of keys, as [`Pane::states`] gave them.
    pub fn add_states(&mut self, key: &[ArrayRef], states: &[ArrayRef]) -> Result<()> {
        self.with_ids(key, states[0].len(), |pane, ids| pane.merge(ids, states))
    }

    /// Adds all of another pane.
    pub fn absorb(&mut self, other: &Pane) -> Result<()> {
        let others = other.index.ids();
        let mut ids = std::mem::take(&mut self.ids);
        self.index.insert_from(&other.index, &others, &mut ids)?;
        self.reserve();
        self.merge(&ids, &other.states(&others)?)?;
        self.dirty.mark_all(&ids);
        self.ids = ids;
        Ok(())
    }

    /// The groups that have rows.
    pub fn groups(&self) -> Vec<u32> {
        let mut ids = self.index.ids();
        if self.retracts {
            ids.retain(|id| self.counts[*id as usize] > 0);
        }
        ids
    }

    /// All groups, also those whose rows were all taken back.
    pub fn all_groups(&self) -> Vec<u32> {
        self.index.ids()
    }

    /// The key columns and the results.
    pub fn results(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.index.keys(groups)?;
        columns.extend(self.set.values(groups)?);
        Ok(columns)
    }

    pub fn keys(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.index.keys(groups)
    }

    /// The number of rows (1 where rows are never taken back) and the partial states.
    pub fn states(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let count = |id: &u32| if self.retracts { self.counts[*id as usize] } else { 1 };
        let mut columns: Vec<ArrayRef> = vec![Arc::new(groups.iter().map(count).collect::<Int64Array>())];
        columns.extend(self.set.state(groups)?);
        Ok(columns)
    }

    pub fn bytes(&self) -> usize {
        self.index.bytes() + self.set.bytes() + self.counts.capacity() * 8 + self.dirty.bytes()
    }

    pub fn snapshot(&mut self, writer: &mut dyn SnapshotWriter, table: &str, prefix: &[u8], key_groups: u16) -> Result<()> {
        let Self { index, set, counts, retracts, dirty, .. } = self;
        let states = |ids: &[u32]| {
            let count = |id: &u32| if *retracts { counts[*id as usize] } else { 1 };
            let mut columns: Vec<ArrayRef> = vec![Arc::new(ids.iter().map(count).collect::<Int64Array>())];
            columns.extend(set.state(ids)?);
            Ok(KeyedRows::one_each(unnamed_batch(columns)?))
        };
        dirty.write_prefixed(writer, table, index, prefix, key_groups, states)
    }

    /// Adds keys and states that a snapshot holds.
    pub fn restore<'a>(&mut self, keys: impl ExactSizeIterator<Item = &'a [u8]>, states: &[ArrayRef]) -> Result<()> {
        let mut ids = Vec::new();
        self.index.insert_encoded(keys, &mut ids)?;
        self.reserve();
        self.merge(&ids, states)?;
        self.dirty.mark_kept(&ids);
        Ok(())
    }

    /// The pane's entries under `prefix` are to be named as gone.
    pub fn forget(&mut self, prefix: &[u8], deleted: &mut DeletedPrefixes) {
        std::mem::take(&mut self.dirty).drop_all(prefix, deleted);
    }

    /// All of the pane is new to a snapshot: it begins a life under another prefix.
    pub fn mark_all_dirty(&mut self) {
        self.dirty.mark_all(&self.index.ids());
    }

    fn with_ids(&mut self, key: &[ArrayRef], rows: usize, update: impl FnOnce(&mut Self, &[u32]) -> Result<()>) -> Result<()> {
        let mut ids = std::mem::take(&mut self.ids);
        self.index.insert(key, rows, &mut ids)?;
        self.reserve();
        update(self, &ids)?;
        if self.is_kept {
            self.dirty.mark_all(&ids);
        }
        self.ids = ids;
        Ok(())
    }

    fn reserve(&mut self) {
        self.set.reserve(self.index.id_bound());
        if self.retracts {
            self.counts.resize(self.index.id_bound(), 0);
        }
    }

    fn merge(&mut self, ids: &[u32], states: &[ArrayRef]) -> Result<()> {
        if self.retracts {
            let counts = states[0].as_primitive::<Int64Type>().values();
            ids.iter().zip(counts.iter()).for_each(|(id, n)| self.counts[*id as usize] += n);
        }
        self.set.merge(ids, &states[1..])
    }
}
