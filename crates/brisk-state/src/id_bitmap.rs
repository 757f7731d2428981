//! A set of small numbers, one bit each.

use std::ops::Range;

/// A growing set of ids.
#[derive(Debug, Clone, Default)]
pub struct IdBitmap {
    words: Vec<u64>,
    /// How many bits are set.
    count: usize,
}

impl IdBitmap {
    /// Adds `id`; true if it was not there.
    pub fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = place(id);
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        let absent = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += usize::from(absent);
        absent
    }

    /// Takes `id` out; true if it was there.
    pub fn remove(&mut self, id: u32) -> bool {
        let (word, bit) = place(id);
        let Some(w) = self.words.get_mut(word) else { return false };
        let present = *w & bit != 0;
        *w &= !bit;
        self.count -= usize::from(present);
        present
    }

    /// Ids that follow each other are added a word at a time.
    pub fn insert_all(&mut self, ids: &[u32]) {
        let (mut at, mut bits) = (0, 0);
        for id in ids {
            let (word, bit) = place(*id);
            if word != at {
                self.insert_bits(at, std::mem::take(&mut bits));
                at = word;
            }
            bits |= bit;
        }
        self.insert_bits(at, bits);
    }

    #[inline]
    fn insert_bits(&mut self, word: usize, bits: u64) {
        if bits == 0 {
            return;
        }
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        self.count += (bits & !self.words[word]).count_ones() as usize;
        self.words[word] |= bits;
    }

    pub fn remove_all(&mut self, ids: &[u32]) {
        for id in ids {
            self.remove(*id);
        }
    }

    /// Becomes the same set as `other`; keeps its room.
    pub fn copy_from(&mut self, other: &IdBitmap) {
        self.words.clone_from(&other.words);
        self.count = other.count;
    }

    pub fn contains(&self, id: u32) -> bool {
        let (word, bit) = place(id);
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    /// How many ids there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Moves the smallest ids of `range` into `taken`, until that holds `most`; those that `alive` does not have are dropped.
    pub fn take(&mut self, range: Range<u32>, most: usize, alive: &IdBitmap, taken: &mut Vec<u32>) {
        let (start, first) = place(range.start);
        let (end, last) = place(range.end);
        for i in start..self.words.len().min(end + 1) {
            let mut word = self.words[i];
            if i == start {
                word &= !(first - 1);
            }
            if i == end {
                word &= last - 1;
            }
            let room = most - taken.len();
            if room == 0 {
                return;
            }
            if word == 0 {
                continue;
            }
            let live = word & alive.words.get(i).copied().unwrap_or(0);
            let before = taken.len();
            taken.extend(Bits { word: live, base: i as u32 * 64 }.take(room));
            let gone = match taken.last() {
                Some(last) if taken.len() - before == room => word & (u64::MAX >> (63 - last % 64)),
                _ => word,
            };
            self.words[i] &= !gone;
            self.count -= gone.count_ones() as usize;
        }
    }

    pub fn clear(&mut self) {
        self.count = 0;
        self.words.clear();
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| Bits { word, base: i as u32 * 64 })
    }

    pub fn bytes(&self) -> usize {
        self.words.capacity() * 8
    }
}

struct Bits {
    word: u64,
    base: u32,
}

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.word == 0 {
            return None;
        }
        let bit = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(self.base + bit)
    }
}

fn place(id: u32) -> (usize, u64) {
    (id as usize / 64, 1 << (id % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_come_back_in_order() {
        let mut set = IdBitmap::default();
        for id in [130, 0, 63, 64, 130] {
            set.insert(id);
        }
        assert!(set.remove(63) && !set.remove(63) && !set.remove(100_000));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 130]);
        assert_eq!(set.count(), 3);
        let mut other = IdBitmap::default();
        other.insert(1000);
        assert_eq!(other.count(), 1);
        other.copy_from(&set);
        assert_eq!(other.count(), 3);
        assert_eq!(other.iter().collect::<Vec<_>>(), [0, 64, 130]);
    }

    /// Against a set of the standard library.
    #[test]
    fn ids_are_added_and_taken_as_from_a_plain_set() {
        let mut random = 3u64;
        let mut next = move |bound: u64| {
            random = brisk_core::key_group::mix(random, 0x1234_5678_9abc);
            (random % bound) as u32
        };
        for _ in 0..300 {
            let most_ids = 1 + next(400);
            let mut some = |share: u64| (0..most_ids).filter(|_| next(share) == 0).collect::<Vec<_>>();
            let (mut ids, more, living) = (some(2), some(4), some(1 + u64::from(most_ids) % 3));
            ids.extend(more);
            let (mut set, mut alive) = (IdBitmap::default(), IdBitmap::default());
            set.insert_all(&ids);
            alive.insert_all(&living);
            let mut plain: BTreeSet<u32> = ids.iter().copied().collect();
            assert_eq!((set.iter().collect::<Vec<_>>(), set.count()), (plain.iter().copied().collect(), plain.len()));
            let (start, end) = (next(400), next(400));
            let (most, end) = (next(100) as usize, if next(3) == 0 { u32::MAX } else { end.max(start) });
            let mut taken = Vec::new();
            set.take(start..end, most, &alive, &mut taken);
            let expected: Vec<u32> = plain.range(start..end).copied().filter(|id| alive.contains(*id)).take(most).collect();
            assert_eq!(taken, expected);
            // Those that are not alive are dropped up to the last one taken at least.
            plain.retain(|id| !taken.contains(id));
            let left: Vec<u32> = set.iter().collect();
            assert_eq!(left.len(), set.count());
            assert!(left.iter().all(|id| plain.contains(id)));
            assert!(plain.iter().all(|id| set.contains(*id) || (!alive.contains(*id) && (start..end).contains(id))));
        }
    }
}
