//! What is kept of one partition: the rows that matches still need, and the matches.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type, UInt32Type};
use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, UInt32Array};
use brisk_core::{Error, ErrorKind, Result};
use brisk_state::{KeyedRows, RowId};

use super::AfterMatch;
use super::nfa::{Matching, Nfa, Partial, SkipError};
use crate::batches::unnamed_batch;

#[derive(Debug, Clone, Default)]
pub(super) struct Partition {
    /// Rows of the window begin here.
    offset: usize,
    rows: Vec<RowId>,
    /// The number of the window's first row.
    base: u64,
    pub matching: Matching,
}

/// A whole match, with its rows.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub rows: Vec<RowId>,
    pub variables: Vec<u8>,
    /// The due row at which it was found.
    pub at: usize,
}

impl Partition {
    /// The number of the row that comes next.
    pub fn next(&self) -> u64 {
        self.base + (self.rows.len() - self.offset) as u64
    }

    /// The rows of a partial match.
    pub fn rows_of(&self, partial: &Partial) -> &[RowId] {
        let start = self.offset + (partial.start - self.base) as usize;
        &self.rows[start..start + partial.variables.len()]
    }

    pub fn window(&self) -> &[RowId] {
        &self.rows[self.offset..]
    }

    pub fn push(&mut self, row: RowId) {
        self.rows.push(row);
    }

    /// Takes out the matches that are sure.
    pub fn release(&mut self, skip: AfterMatch, at: usize, found: &mut Vec<Found>) -> Result<(), SkipError> {
        let mut whole = Vec::new();
        self.matching.release(skip, &mut whole)?;
        found.extend(whole.into_iter().map(|m| Found { rows: self.rows_of(&m).to_vec(), variables: m.variables, at }));
        Ok(())
    }

    /// Gives up the rows before the first that a match needs.
    pub fn prune(&mut self, gone: &mut Vec<RowId>) {
        let keep = self.matching.first_row().unwrap_or(self.next());
        let count = (keep - self.base) as usize;
        gone.extend_from_slice(&self.rows[self.offset..self.offset + count]);
        self.offset += count;
        self.base = keep;
        if self.offset * 2 >= self.rows.len() {
            self.rows.drain(..self.offset);
            self.offset = 0;
        }
    }

    /// Begins again, once no match and no row is left.
    pub fn reset(&mut self) {
        debug_assert!(self.window().is_empty() && self.matching.is_empty());
        self.rows.clear();
        (self.offset, self.base) = (0, 0);
    }

    /// Puts a row of a snapshot back; rows come in order.
    pub fn restore_row(&mut self, number: u64, row: RowId) {
        if self.window().is_empty() {
            self.base = number;
        }
        self.rows.push(row);
    }

    pub fn bytes(&self) -> usize {
        let partial: usize = self.matching.partial.iter().chain(&self.matching.complete).map(|p| size_of::<Partial>() + p.variables.capacity()).sum();
        size_of::<Self>() + self.rows.capacity() * 4 + partial
    }
}

const HEADER: i8 = 0;
const PARTIAL: i8 = 1;
const COMPLETE: i8 = 2;

/// Entries of partitions for a snapshot: a header each, so that none is without entries, and one for each match.
pub(super) fn encode(ids: &[u32], partitions: &[Partition]) -> Result<KeyedRows> {
    let (mut kinds, mut states, mut starts, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut variables, mut owners) = (BinaryBuilder::new(), Vec::new());
    for (owner, &id) in ids.iter().enumerate() {
        let matching = &partitions[id as usize].matching;
        let header = Partial { state: 0, start: 0, time: 0, variables: Vec::new() };
        let partial = matching.partial.iter().map(|p| (PARTIAL, p));
        let complete = matching.complete.iter().map(|p| (COMPLETE, p));
        for (kind, p) in std::iter::once((HEADER, &header)).chain(partial).chain(complete) {
            kinds.push(kind);
            states.push(u32::from(p.state));
            starts.push(p.start as i64);
            times.push(p.time);
            variables.append_value(&p.variables);
            owners.push(owner as u32);
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int8Array::from(kinds)),
        Arc::new(UInt32Array::from(states)),
        Arc::new(Int64Array::from(starts)),
        Arc::new(Int64Array::from(times)),
        Arc::new(variables.finish()),
    ];
    Ok(KeyedRows { rows: unnamed_batch(columns)?, owners: Some(owners) })
}

/// Puts entries back into the partitions `ids`. What does not fit the pattern is refused.
pub(super) fn decode(ids: &[u32], rows: &RecordBatch, nfa: &Nfa, variable_count: usize, partitions: &mut [Partition]) -> Result<()> {
    let kinds = rows.column(0).as_primitive::<Int8Type>();
    let states = rows.column(1).as_primitive::<UInt32Type>();
    let (starts, times) = (rows.column(2).as_primitive::<Int64Type>(), rows.column(3).as_primitive::<Int64Type>());
    let variables = rows.column(4).as_binary::<i32>();
    for (i, &id) in ids.iter().enumerate().filter(|(i, _)| kinds.value(*i) != HEADER) {
        let (state, variables) = (states.value(i), variables.value(i).to_vec());
        if state as usize >= nfa.states() || variables.iter().any(|v| usize::from(*v) >= variable_count) {
            return Err(Error::new(ErrorKind::Corrupt, "a snapshot holds a partial match of another pattern"));
        }
        let partial = Partial { state: state as u16, start: starts.value(i) as u64, time: times.value(i), variables };
        let matching = &mut partitions[id as usize].matching;
        if kinds.value(i) == PARTIAL { matching.partial.push(partial) } else { matching.complete.push(partial) }
    }
    Ok(())
}

/// Whether the rows of every match were restored.
pub(super) fn is_whole(partition: &Partition) -> bool {
    let mut matches = partition.matching.partial.iter().chain(&partition.matching.complete);
    matches.all(|m| m.start >= partition.base && m.start + m.variables.len() as u64 <= partition.next())
}
