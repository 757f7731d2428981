//! A set of small numbers, one bit each.

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

    pub fn insert_all(&mut self, ids: &[u32]) {
        for id in ids {
            self.insert(*id);
        }
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

    /// The ids from `first` on, in ascending order.
    pub fn iter_from(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        let (start, bit) = place(first);
        let word = move |i: usize, word: u64| if i == start { word & !(bit - 1) } else { word };
        self.words.iter().enumerate().skip(start).flat_map(move |(i, &w)| Bits { word: word(i, w), base: i as u32 * 64 })
    }

    pub fn clear(&mut self) {
        self.count = 0;
        self.words.clear();
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter_from(0)
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
    use super::*;

    #[test]
    fn ids_come_back_in_order() {
        let mut set = IdBitmap::default();
        for id in [130, 0, 63, 64, 130] {
            set.insert(id);
        }
        assert!(set.remove(63) && !set.remove(63) && !set.remove(100_000));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 130]);
        assert_eq!(set.iter_from(64).collect::<Vec<_>>(), [64, 130]);
        assert_eq!(set.iter_from(65).collect::<Vec<_>>(), [130]);
        assert_eq!((set.count(), set.iter_from(9000).count()), (3, 0));
        let mut other = IdBitmap::default();
        other.insert(1000);
        assert_eq!(other.count(), 1);
        other.copy_from(&set);
        assert_eq!(other.count(), 3);
        assert_eq!(other.iter().collect::<Vec<_>>(), [0, 64, 130]);
    }
}
