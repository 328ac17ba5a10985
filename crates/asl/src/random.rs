//! Chance, from a seed: the same execution draws the same numbers again.

use std::cell::Cell;

/// A stream of random numbers of its own for whoever needs one, so that a branch never disturbs another.
#[derive(Debug, Clone)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    /// The stream of a seed and of what it is for, such as a state's name and its attempt.
    pub(crate) fn new(seed: u64, purpose: &[u64]) -> Self {
        let state = purpose.iter().fold(mix(seed), |state, part| mix(state ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        Self(Cell::new(state))
    }

    /// Goes on where the other stream, which was this one, has got to.
    pub(crate) fn continue_from(&self, other: &Self) {
        self.0.set(other.0.get());
    }

    /// The next 64 bits (`SplitMix64`, Steele et al. 2014).
    pub(crate) fn bits(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        mix(self.0.get())
    }

    /// Evenly from [0, 1).
    pub(crate) fn unit(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// A version 4 UUID (RFC 9562, section 5.4).
    pub(crate) fn uuid(&self) -> String {
        let (high, low) = (self.bits() & !0xF000 | 0x4000, self.bits() & !(0b11 << 62) | (0b10 << 62));
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48, low & 0xFFFF_FFFF_FFFF)
    }
}

fn mix(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ state >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ state >> 31
}
