//! What is known of rows or keys by their ids, in an array that grows without being moved.
//!
//! A `Vec` that doubles copies all it has, stands for a moment beside its copy and is on average a quarter empty: for ten
//! million rows that is a stop of tens of milliseconds and more memory than they need. Here only the first piece doubles;
//! the others are allocated as a whole and stay.

use std::ops::{Index, IndexMut};

/// Entries of a piece.
const PIECE: usize = 1 << 14;

/// An array by id of a row or a key.
#[derive(Debug, Clone)]
pub struct SideArray<T> {
    /// All full but the last.
    pieces: Vec<Vec<T>>,
}

impl<T> Default for SideArray<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SideArray<T> {
    pub const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the entry of the next id.
    #[inline]
    pub fn push(&mut self, value: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(value),
            None => self.pieces.push(vec![value]),
            Some(_) => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(value);
                self.pieces.push(piece);
            }
        }
    }

    /// Makes it long enough for `bound` entries, new ones with `value`.
    pub fn grow(&mut self, bound: usize, value: T)
    where
        T: Clone,
    {
        let mut missing = bound.saturating_sub(self.len());
        while missing > 0 {
            let is_first = self.pieces.len() < 2;
            match self.pieces.last_mut() {
                Some(last) if last.len() < PIECE => {
                    let taken = missing.min(PIECE - last.len());
                    if is_first && last.capacity() < last.len() + taken {
                        last.reserve_exact((last.len() + taken).next_power_of_two() - last.len());
                    }
                    last.resize(last.len() + taken, value.clone());
                    missing -= taken;
                }
                None => self.pieces.push(Vec::new()),
                Some(_) => self.pieces.push(Vec::with_capacity(PIECE)),
            }
        }
    }

    /// Forgets all entries; keeps the room of a piece.
    pub fn clear(&mut self) {
        self.pieces.truncate(1);
        self.pieces.iter_mut().for_each(Vec::clear);
    }

    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
    }
}

impl<T> Index<u32> for SideArray<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.pieces[id as usize / PIECE][id as usize % PIECE]
    }
}

impl<T> IndexMut<u32> for SideArray<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.pieces[id as usize / PIECE][id as usize % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_as_a_vec_does() {
        for step in [1, 3, 1000, PIECE - 1, PIECE, 3 * PIECE + 5] {
            let mut array = SideArray::new();
            let mut expected: Vec<usize> = Vec::new();
            for round in 0..if step < 10 { 40_000 } else { 10 } {
                let bound = expected.len() + step;
                array.grow(bound, round);
                // It does not shrink.
                array.grow(bound / 2, usize::MAX);
                expected.resize(bound, round);
                array[(bound - 1) as u32] += 1;
                expected[bound - 1] += 1;
                assert_eq!(array.len(), bound);
            }
            assert!((0..).zip(&expected).all(|(id, value)| array[id] == *value));
            for value in [5, 6] {
                array.push(value);
                expected.push(value);
            }
            assert!(array.len() == expected.len() && (0..).zip(&expected).all(|(id, value)| array[id] == *value));
            let longest = array.len();
            array.clear();
            assert_eq!(array.len(), 0);
            array.grow(longest, 7);
            assert!(array.len() == longest && array[longest as u32 - 1] == 7);
            let room = array.bytes() / size_of::<usize>();
            assert!(room < (2 * expected.len()).max(2) && room <= expected.len().next_power_of_two().max(expected.len() + PIECE));
        }
    }
}
