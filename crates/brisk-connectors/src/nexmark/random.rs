//! Java's `SplittableRandom`, draw by draw: the reference generator is written in Java and its events are made of these.
//!
//! The algorithm is Steele, Lea and Flood's SplitMix ("Fast splittable pseudorandom number generators", OOPSLA 2014):
//! the state grows by an odd constant with every draw, a draw is a mix of the state. So a draw can be computed without
//! those before it: what needs many reads them by state ([`int_at`], [`unit_at`]) and need not wait for the last one.

/// The golden ratio's fraction in 64 bits, odd: what the state grows by.
pub const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy)]
pub struct SplittableRandom {
    state: u64,
}

/// The integer that is drawn when the state has become `state`.
#[inline]
pub fn int_at(state: u64) -> u32 {
    let z = (state ^ (state >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
    ((z ^ (z >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as u32
}

#[inline]
fn long_at(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The number in `0.0..1.0` that is drawn when the state has become `state`, in units of 2^-53.
#[inline]
pub fn unit_at(state: u64) -> u64 {
    long_at(state) >> 11
}

/// Numbers of 31 bits from here on would favour small remainders: they are drawn again.
#[inline]
fn rejected_from(bound: u32) -> u32 {
    (1 << 31) - (1 << 31) % bound
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
        long_at(self.advance()) as i64
    }

    #[inline]
    pub fn next_int(&mut self) -> i32 {
        int_at(self.advance()) as i32
    }

    /// Uniform in `0..bound`; `bound` is above 0. Draws again where a plain remainder would favour small values.
    #[inline]
    pub fn next_below(&mut self, bound: i32) -> i32 {
        let bound = bound as u32;
        let r = int_at(self.advance());
        if bound.is_power_of_two() {
            return (r & (bound - 1)) as i32;
        }
        let mut u = r >> 1;
        loop {
            let r = u % bound;
            if u - r + bound <= 1 << 31 {
                return r as i32;
            }
            u = int_at(self.advance()) >> 1;
        }
    }

    /// Makes the draws of [`SplittableRandom::next_below`] for a value that nobody wants.
    #[inline]
    pub fn skip_below(&mut self, bound: i32) {
        let bound = bound as u32;
        if bound.is_power_of_two() {
            self.advance();
            return;
        }
        while int_at(self.advance()) >> 1 >= rejected_from(bound) {}
    }

    /// Uniform in `0.0..1.0`, in units of 2^-53.
    #[inline]
    pub fn next_unit(&mut self) -> u64 {
        unit_at(self.advance())
    }
}

/// A bound that many draws share: its remainders without a division.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    bound: u32,
    /// 2^64 / bound, rounded up: exact for dividends of 32 bits (Lemire, Kaser and Kurz, "Faster remainder by direct
    /// computation", 2019). 0 for a power of two.
    reciprocal: u64,
}

impl Bound {
    pub fn new(bound: i32) -> Self {
        let bound = bound.max(1) as u32;
        let reciprocal = if bound.is_power_of_two() { 0 } else { u64::MAX / u64::from(bound) + 1 };
        Self { bound, reciprocal }
    }

    pub fn get(&self) -> i32 {
        self.bound as i32
    }

    pub fn is(&self, bound: i32) -> bool {
        self.bound as i32 == bound
    }

    /// What [`SplittableRandom::next_below`] makes of the draw `r`; `true` where it would draw again.
    #[inline]
    pub fn of(&self, r: u32) -> (u32, bool) {
        if self.reciprocal == 0 {
            return (r & (self.bound - 1), false);
        }
        let u = r >> 1;
        let quotient = ((u128::from(self.reciprocal) * u128::from(u)) >> 64) as u32;
        let multiple = quotient * self.bound;
        (u - multiple, multiple + self.bound > 1 << 31)
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
        assert_eq!(random.next_unit() as f64 * (1.0 / (1u64 << 53) as f64), JAVA_DOUBLE);
    }

    const JAVA_LONGS: [i64; 2] = [-4767286540954276203, 2949826092126892291];
    const JAVA_INTS: [i32; 4] = [-491277234, 1, 2, 198267];
    const JAVA_DOUBLE: f64 = 0.7415648787718233;

    /// Whatever the bound, also where one draw in two is made again.
    #[test]
    fn a_shared_bound_and_a_skipped_draw_give_the_same() {
        for bound in [1, 2, 3, 4, 13, 26, 111, 1010, 10_000, (1 << 20) - 68, 1 << 30, (1 << 30) + 1, 1_999_999_999, i32::MAX] {
            let mut plain = SplittableRandom::new(bound as u64);
            let (mut skipping, mut by_state) = (plain, plain.state());
            let shared = Bound::new(bound);
            assert!(shared.is(bound));
            for _ in 0..1000 {
                let value = plain.next_below(bound);
                skipping.skip_below(bound);
                let mut found = (0, true);
                while found.1 {
                    by_state = by_state.wrapping_add(GAMMA);
                    found = shared.of(int_at(by_state));
                }
                assert_eq!((found.0 as i32, by_state, skipping.state()), (value, plain.state(), plain.state()), "below {bound}");
            }
        }
    }
}
