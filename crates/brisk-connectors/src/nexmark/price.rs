//! Prices: `floor(10^(6 x) * 100 + 0.5)` of a draw `x`, the same integer as the reference's `pow` gives, mostly without it.
//!
//! The draw is cut in two: the upper bits look up a power of ten, the lower bits are so small that a short series gives
//! theirs. The product is within [`DOUBT`] of what `pow` gives; only where an integer is nearer than that, `pow` decides.

use std::sync::LazyLock;

/// The upper bits.
const STEP_BITS: u32 = 10;
/// The lower ones of 53.
const REST_BITS: u32 = 53 - STEP_BITS;
/// How far, relative to the price, the quick way and `pow` may be apart: some thousand times what their roundings make.
const DOUBT: f64 = 1e-12;

/// `100 * 10^(6 x)` in the middle of each step.
static POWERS: LazyLock<[f64; 1 << STEP_BITS]> =
    LazyLock::new(|| std::array::from_fn(|step| 10f64.powf((step as f64 + 0.5) * 6.0 / (1 << STEP_BITS) as f64) * 100.0));

/// Makes prices of draws.
#[derive(Clone, Copy)]
pub struct Prices {
    powers: &'static [f64; 1 << STEP_BITS],
}

impl Prices {
    pub fn new() -> Self {
        Self { powers: &POWERS }
    }

    /// The price of a draw in units of 2^-53.
    #[inline]
    pub fn of(&self, unit: u64) -> i64 {
        /// ln(10^6) in units of the draw.
        const SCALE: f64 = 6.0 * std::f64::consts::LN_10 / (1u64 << 53) as f64;
        let step = (unit >> REST_BITS) as usize % (1 << STEP_BITS);
        let from_middle = (unit % (1 << REST_BITS)) as i64 - (1 << (REST_BITS - 1));
        let z = from_middle as f64 * SCALE;
        let series = 1.0 + z * (1.0 + z * (1.0 / 2.0 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z * (1.0 / 120.0)))));
        let value = self.powers[step] * series + 0.5;
        // Above 0, so cutting off is the floor.
        let price = value as i64;
        let fraction = value - price as f64;
        let doubt = value * DOUBT;
        if fraction > doubt && fraction < 1.0 - doubt { price } else { by_pow(unit) }
    }
}

/// As the reference says it.
#[cold]
fn by_pow(unit: u64) -> i64 {
    let draw = unit as f64 * (1.0 / (1u64 << 53) as f64);
    (10f64.powf(draw * 6.0) * 100.0 + 0.5).floor() as i64
}

#[cfg(test)]
mod tests {
    use super::super::random::SplittableRandom;
    use super::*;

    fn check(unit: u64) {
        assert_eq!(Prices::new().of(unit), by_pow(unit), "{unit}");
    }

    #[test]
    fn prices_are_those_of_pow() {
        let mut random = SplittableRandom::new(7);
        (0..300_000).for_each(|_| check(random.next_unit()));
        [0, 1, (1 << 53) - 1, (1 << REST_BITS) - 1, 1 << REST_BITS].into_iter().for_each(check);
    }

    /// The draws around those at which the price rises by one, where the roundings could tell.
    #[test]
    fn prices_are_those_of_pow_at_every_border() {
        let mut random = SplittableRandom::new(8);
        for _ in 0..20_000 {
            let price = by_pow(random.next_unit());
            let border = ((price as f64 - 0.5) / 100.0).log10() / 6.0 * (1u64 << 53) as f64;
            for near in -20..=20 {
                check((border as i64 + near).clamp(0, (1 << 53) - 1) as u64);
            }
        }
    }

    /// What is left to `pow` must stay rare, or the quick way is of no use.
    #[test]
    fn few_prices_need_pow() {
        let mut random = SplittableRandom::new(9);
        let doubtful = |unit: u64| {
            let exact = 10f64.powf(unit as f64 / (1u64 << 53) as f64 * 6.0) * 100.0 + 0.5;
            (exact - exact.round()).abs() <= exact * DOUBT * 2.0
        };
        assert!((0..100_000).filter(|_| doubtful(random.next_unit())).count() < 50);
    }
}
