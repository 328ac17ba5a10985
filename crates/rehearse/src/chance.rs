//! Chance, from a seed: the same night draws the same numbers again, and one task's draws never shift another's.

use std::cell::Cell;

/// A stream of random numbers for one purpose of one night.
#[derive(Debug)]
pub struct Chance(Cell<u64>);

impl Chance {
    /// The stream of a night's seed, of a name (a state's) and of numbers that tell its uses apart (the entry, the try).
    pub fn new(seed: u64, name: &str, uses: &[u64]) -> Self {
        let named = name.bytes().fold(mix(seed), |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        Self(Cell::new(uses.iter().fold(mix(named), |state, part| mix(state ^ part.wrapping_mul(STEP)))))
    }

    /// The next 64 bits (`SplitMix64`, Steele et al. 2014).
    pub fn bits(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(STEP));
        mix(self.0.get())
    }

    /// Evenly from [0, 1).
    pub fn unit(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// From the standard normal distribution (Box and Muller 1958).
    pub fn normal(&self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ state >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ state >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_purpose_draws_the_same_and_another_something_else() {
        let draw = |seed, name, uses: &[u64]| Chance::new(seed, name, uses).bits();
        assert_eq!(draw(1, "Ask", &[0, 1]), draw(1, "Ask", &[0, 1]));
        for other in [draw(2, "Ask", &[0, 1]), draw(1, "Act", &[0, 1]), draw(1, "Ask", &[1, 0])] {
            assert_ne!(draw(1, "Ask", &[0, 1]), other);
        }
    }

    #[test]
    fn draws_are_spread_as_they_should_be() {
        let chance = Chance::new(7, "", &[]);
        let count = 20_000;
        let mean = (0..count).map(|_| chance.unit()).sum::<f64>() / f64::from(count);
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let beyond = (0..count).filter(|_| chance.normal() > 1.644_853_6).count();
        assert!((900..1100).contains(&beyond), "5 % lie beyond the 95th percentile: {beyond} of {count}");
    }
}
