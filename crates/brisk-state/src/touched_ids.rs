//! Ids that were met since the last reset, each once, in the order in which they were first met.

/// A list of distinct ids with a constant-time test. Resetting costs nothing.
#[derive(Debug, Clone, Default)]
pub struct TouchedIds {
    ids: Vec<u32>,
    /// By id: the round in which it was met last.
    rounds: Vec<u32>,
    round: u32,
}

impl TouchedIds {
    /// Adds `id`; true if it is met for the first time since the reset.
    #[inline]
    pub fn touch(&mut self, id: u32) -> bool {
        let place = id as usize;
        if place >= self.rounds.len() {
            self.rounds.resize((place + 1).next_power_of_two(), u32::MAX);
        }
        if self.rounds[place] == self.round {
            return false;
        }
        self.rounds[place] = self.round;
        self.ids.push(id);
        true
    }

    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Forgets all and hands the list out.
    pub fn take(&mut self) -> Vec<u32> {
        self.round += 1;
        if self.round == u32::MAX {
            self.round = 0;
            self.rounds.fill(u32::MAX);
        }
        std::mem::take(&mut self.ids)
    }

    pub fn bytes(&self) -> usize {
        (self.ids.capacity() + self.rounds.capacity()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_listed_once_a_round() {
        let mut touched = TouchedIds::default();
        assert_eq!([5, 1, 5, 0].map(|id| touched.touch(id)), [true, true, false, true]);
        assert_eq!(touched.take(), [5, 1, 0]);
        assert!(touched.is_empty() && touched.touch(5));
    }
}
