//! Java's `SplittableRandom`, draw by draw: the reference generator is written in Java and its events are made of these.
//!
//! The algorithm is Steele, Lea and Flood's SplitMix ("Fast splittable pseudorandom number generators", OOPSLA 2014):
//! the state grows by an odd constant with every draw, a draw is a mix of the state. So any draw can be reached at once.

/// The golden ratio's fraction in 64 bits, odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy)]
pub struct SplittableRandom {
    state: u64,
}

impl SplittableRandom {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn state(&self) -> u64 {
        self.state
    }

    #[inline]
    fn advance(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        self.state
    }

    #[inline]
    pub fn next_long(&mut self) -> i64 {
        let z = self.advance();
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as i64
    }

    #[inline]
    pub fn next_int(&mut self) -> i32 {
        let z = self.advance();
        let z = (z ^ (z >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((z ^ (z >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as i32
    }

    /// Uniform in `0..bound`; `bound` is above 0. Draws again where a plain remainder would favour small values.
    #[inline]
    pub fn next_below(&mut self, bound: i32) -> i32 {
        let r = self.next_int();
        let m = bound - 1;
        if bound & m == 0 {
            return r & m;
        }
        let mut u = (r as u32 >> 1) as i32;
        loop {
            let r = u % bound;
            if u.wrapping_add(m).wrapping_sub(r) >= 0 {
                return r;
            }
            u = (self.next_int() as u32 >> 1) as i32;
        }
    }

    /// Uniform in `0.0..1.0`.
    #[inline]
    pub fn next_double(&mut self) -> f64 {
        ((self.next_long() as u64) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that `new java.util.SplittableRandom(42)` of JDK 17 gives.
    #[test]
    fn draws_are_those_of_java() {
        let mut random = SplittableRandom::new(42);
        assert_eq!([random.next_long(), random.next_long()], JAVA_LONGS);
        let mut random = SplittableRandom::new(42);
        assert_eq!([random.next_int(), random.next_below(13), random.next_below(16), random.next_below(1_000_003)], JAVA_INTS);
        let mut random = SplittableRandom::new(42);
        assert_eq!(random.next_double(), JAVA_DOUBLE);
    }

    const JAVA_LONGS: [i64; 2] = [-4767286540954276203, 2949826092126892291];
    const JAVA_INTS: [i32; 4] = [-491277234, 1, 2, 198267];
    const JAVA_DOUBLE: f64 = 0.7415648787718233;
}
