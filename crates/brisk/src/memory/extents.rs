//! Which parts of a file are taken: extents of whole pages, first the tightest hole that fits, else at the end.

use std::collections::{BTreeMap, BTreeSet};

/// The unit of all offsets and lengths here.
pub const PAGE: usize = 4096;

/// The extents of one file. Offsets and lengths are in bytes, multiples of [`PAGE`].
#[derive(Debug, Default)]
pub struct Extents {
    /// Holes by offset, never adjacent to one another or to the end.
    holes: BTreeMap<usize, usize>,
    /// The same by length.
    by_length: BTreeSet<(usize, usize)>,
    end: usize,
    hole_bytes: usize,
}

impl Extents {
    pub const fn new() -> Self {
        Self { holes: BTreeMap::new(), by_length: BTreeSet::new(), end: 0, hole_bytes: 0 }
    }

    /// Behind the last extent.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Bytes in extents that are taken.
    pub fn taken(&self) -> usize {
        self.end - self.hole_bytes
    }

    /// Takes an extent; `None` if it would reach beyond `limit`.
    pub fn take(&mut self, length: usize, limit: usize) -> Option<usize> {
        if let Some(&(hole, offset)) = self.by_length.range((length, 0)..).next() {
            self.remove_hole(offset, hole);
            if hole > length {
                self.add_hole(offset + length, hole - length);
            }
            return Some(offset);
        }
        let offset = self.end;
        self.end = offset.checked_add(length).filter(|end| *end <= limit)?;
        Some(offset)
    }

    /// Makes an extent longer where it lies; `false` if what follows is taken or beyond `limit`.
    pub fn extend(&mut self, offset: usize, length: usize, new_length: usize, limit: usize) -> bool {
        let (next, more) = (offset + length, new_length - length);
        if next == self.end {
            let fits = next.checked_add(more).is_some_and(|end| end <= limit);
            if fits {
                self.end = next + more;
            }
            return fits;
        }
        let Some(hole) = self.holes.get(&next).copied().filter(|hole| *hole >= more) else { return false };
        self.remove_hole(next, hole);
        if hole > more {
            self.add_hole(next + more, hole - more);
        }
        true
    }

    /// Gives an extent, or the end of one, back.
    pub fn give_back(&mut self, mut offset: usize, mut length: usize) {
        if let Some((&before, &hole)) = self.holes.range(..offset).next_back()
            && before + hole == offset
        {
            self.remove_hole(before, hole);
            (offset, length) = (before, hole + length);
        }
        if let Some(&hole) = self.holes.get(&(offset + length)) {
            self.remove_hole(offset + length, hole);
            length += hole;
        }
        if offset + length == self.end {
            self.end = offset;
        } else {
            self.add_hole(offset, length);
        }
    }

    /// All holes: offset and length.
    pub fn holes(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.holes.iter().map(|(offset, length)| (*offset, *length))
    }

    fn add_hole(&mut self, offset: usize, length: usize) {
        self.holes.insert(offset, length);
        self.by_length.insert((length, offset));
        self.hole_bytes += length;
    }

    fn remove_hole(&mut self, offset: usize, length: usize) {
        self.holes.remove(&offset);
        self.by_length.remove(&(length, offset));
        self.hole_bytes -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with a plain list of pages, over random steps.
    #[test]
    fn no_page_is_handed_out_twice_or_lost() {
        let mut random = 7u64;
        let mut next = move |n: usize| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) as usize % n
        };
        const LIMIT: usize = 200;
        let mut extents = Extents::new();
        let mut pages = [false; LIMIT];
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for _ in 0..20_000 {
            match next(3) {
                0 => {
                    let length = 1 + next(12);
                    match extents.take(length * PAGE, LIMIT * PAGE) {
                        Some(offset) => {
                            let first = offset / PAGE;
                            assert!(pages[first..first + length].iter().all(|p| !p), "taken twice");
                            pages[first..first + length].fill(true);
                            taken.push((first, length));
                        }
                        None => assert!(longest_gap(&pages) < length, "there was room"),
                    }
                }
                1 if !taken.is_empty() => {
                    let (first, length) = taken.swap_remove(next(taken.len()));
                    let keep = next(length + 1);
                    if keep < length {
                        extents.give_back((first + keep) * PAGE, (length - keep) * PAGE);
                    }
                    pages[first + keep..first + length].fill(false);
                    if keep > 0 {
                        taken.push((first, keep));
                    }
                }
                2 if !taken.is_empty() => {
                    let at = next(taken.len());
                    let (first, length) = taken[at];
                    let longer = length + 1 + next(4);
                    let free = first + longer <= LIMIT && pages[first + length..first + longer].iter().all(|p| !p);
                    assert_eq!(extents.extend(first * PAGE, length * PAGE, longer * PAGE, LIMIT * PAGE), free);
                    if free {
                        pages[first..first + longer].fill(true);
                        taken[at].1 = longer;
                    }
                }
                _ => {}
            }
            assert_eq!(extents.taken(), pages.iter().filter(|p| **p).count() * PAGE);
        }
    }

    fn longest_gap(pages: &[bool]) -> usize {
        pages.split(|p| *p).map(<[bool]>::len).max().unwrap_or(0)
    }
}
