//! Chance, from a seed and from what it is for: a stream of its own for each purpose, so that nothing disturbs anything else.

/// A stream of random numbers (`SplitMix64`, Steele et al. 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ GOLDEN))
    }

    /// The stream for this purpose, whatever was drawn from others.
    #[must_use]
    pub fn of(&self, purpose: impl Purpose) -> Self {
        Self(mix(purpose.stir(self.0)))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Evenly from [0, 1).
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// From the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Whether something happens that does so with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Evenly from the first to the last, both included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = last.abs_diff(first).saturating_add(1);
        first.saturating_add_unsigned(self.bits() % span)
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let count = u64::try_from(choices.len()).expect("a length fits");
        &choices[usize::try_from(self.bits() % count).expect("less than a length")]
    }
}

/// What a stream is for: texts and numbers.
pub trait Purpose {
    /// Mixes itself into a state.
    fn stir(self, state: u64) -> u64;
}

impl Purpose for &str {
    fn stir(self, state: u64) -> u64 {
        // FNV-1a: purposes are short.
        self.bytes().fold(state ^ 0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

impl Purpose for u64 {
    fn stir(self, state: u64) -> u64 {
        mix(state ^ self.wrapping_mul(GOLDEN))
    }
}

impl<First: Purpose, Second: Purpose> Purpose for (First, Second) {
    fn stir(self, state: u64) -> u64 {
        self.1.stir(mix(self.0.stir(state)))
    }
}

impl<First: Purpose, Second: Purpose, Third: Purpose> Purpose for (First, Second, Third) {
    fn stir(self, state: u64) -> u64 {
        self.2.stir(mix((self.0, self.1).stir(state)))
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ state >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ state >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_whatever_others_drew() {
        let night = Chance::new(7);
        let alone = night.of(("task", 3)).bits();
        let mut other = night.of(("task", 2));
        other.bits();
        assert_eq!(night.of(("task", 3)).bits(), alone);
        assert_ne!(night.of(("task", 2)).bits(), alone);
        assert_ne!(Chance::new(8).of(("task", 3)).bits(), alone);
    }

    #[test]
    fn numbers_stay_between_their_ends() {
        let mut chance = Chance::new(1);
        let drawn: Vec<_> = (0..1000).map(|_| chance.between(-2, 2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&chance.unit())));
    }
}
