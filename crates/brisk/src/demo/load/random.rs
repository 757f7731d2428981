//! Random numbers that are good enough for traffic (SplitMix64).

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` up to and without `high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.part() * (high - low) as f64) as i64
    }

    pub fn chance(&mut self, part: f64) -> bool {
        self.part() < part
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[(self.part() * from.len() as f64) as usize]
    }

    /// A place, as often as its weight says.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.part() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (place, weight) in weights.enumerate() {
            last = place;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// How many events happen where `expected` are: the whole ones, and one more as often as the rest says.
    pub fn count(&mut self, expected: f64) -> usize {
        let noisy = expected * (0.75 + 0.5 * self.part());
        noisy as usize + usize::from(self.chance(noisy.fract()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 3];
        for _ in 0..10_000 {
            seen[random.weighted([1.0, 0.0, 3.0].into_iter())] += 1;
        }
        assert!(seen[1] == 0 && (2300..2700).contains(&seen[0]), "{seen:?}");
    }
}
