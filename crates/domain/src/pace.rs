//! How long a step usually takes, and when it was slow.

use jiff::SignedDuration;
use rust_decimal::Decimal;

/// From fewer nights than this nobody can say what is usual.
pub const NIGHTS_TO_COMPARE: usize = 5;

/// Less than this is never slow, whatever its share.
const NOTICED: SignedDuration = SignedDuration::from_mins(1);

/// How long a step usually takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Half of the nights took no longer.
    pub median: SignedDuration,
    /// How far half of the nights lie from the median at most.
    pub spread: SignedDuration,
}

impl Pace {
    /// From what it took on other nights; nothing where those are too few.
    pub fn of(durations: impl IntoIterator<Item = SignedDuration>) -> Option<Self> {
        let durations: Vec<_> = durations.into_iter().collect();
        if durations.len() < NIGHTS_TO_COMPARE {
            return None;
        }
        let median = median(durations.clone());
        let spread = self::median(durations.iter().map(|took| (*took - median).abs()).collect());
        Some(Self { median, spread })
    }

    /// Whether a step that took so long was slow: more than a quarter, more than a minute and more than three times the usual spread
    /// over its median.
    ///
    /// For durations that scatter as a bell curve does, 1.4826 times the median distance is the standard deviation (Rousseeuw and Croux,
    /// «Alternatives to the Median Absolute Deviation», 1993).
    pub fn is_slow(&self, took: SignedDuration) -> bool {
        let over = took - self.median;
        over > NOTICED
            && over.as_secs_f64() > self.median.as_secs_f64() / 4.0
            && over.as_secs_f64() > 3.0 * 1.4826 * self.spread.as_secs_f64()
    }

    /// How much longer than the median it took, as a share of the median: 0.5 for half as long again.
    pub fn change(&self, took: SignedDuration) -> Option<Decimal> {
        let milliseconds = |duration: SignedDuration| Decimal::from(duration.as_millis());
        milliseconds(took - self.median).checked_div(milliseconds(self.median))
    }
}

/// The middle one, or the mean of the two in the middle. There is at least one.
fn median(mut durations: Vec<SignedDuration>) -> SignedDuration {
    durations.sort_unstable();
    let middle = durations.len() / 2;
    if durations.len() % 2 == 1 { durations[middle] } else { (durations[middle - 1] + durations[middle]) / 2 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(durations: &[i64]) -> Vec<SignedDuration> {
        durations.iter().copied().map(SignedDuration::from_secs).collect()
    }

    #[test]
    fn four_nights_say_nothing() {
        assert_eq!(Pace::of(seconds(&[1, 2, 3, 4])), None);
        assert!(Pace::of(seconds(&[1, 2, 3, 4, 5])).is_some());
    }

    #[test]
    fn one_bad_night_moves_neither_the_median_nor_the_spread_far() {
        let pace = Pace::of(seconds(&[1_000, 990, 1_010, 1_005, 9_000])).unwrap();
        assert_eq!((pace.median.as_secs(), pace.spread.as_secs()), (1_005, 5));
        let even = Pace::of(seconds(&[10, 20, 30, 40, 50, 60])).unwrap();
        assert_eq!((even.median.as_secs(), even.spread.as_secs()), (35, 15));
    }

    #[test]
    fn slow_is_a_quarter_a_minute_and_three_spreads_over_the_median() {
        for (usual, took, slow) in [
            ([1_000, 1_000, 1_000, 1_000, 1_000], 1_250, false),
            ([1_000, 1_000, 1_000, 1_000, 1_000], 1_251, true),
            // A second more is half as much again, and nobody waits for it.
            ([2, 2, 2, 2, 2], 3, false),
            ([2, 2, 2, 2, 2], 62, false),
            ([2, 2, 2, 2, 2], 63, true),
            // Where every night differs, this one doesn't stand out.
            ([600, 800, 1_000, 1_200, 1_400], 1_800, false),
            ([600, 800, 1_000, 1_200, 1_400], 1_900, true),
        ] {
            let pace = Pace::of(seconds(&usual)).unwrap();
            assert_eq!(pace.is_slow(SignedDuration::from_secs(took)), slow, "{took} s among {usual:?}");
        }
    }

    #[test]
    fn the_change_is_a_share_of_the_median() {
        let pace = Pace::of(seconds(&[1_000; 5])).unwrap();
        assert_eq!(pace.change(SignedDuration::from_secs(1_326)).unwrap().to_string(), "0.326");
        assert_eq!(Pace::of(seconds(&[0; 5])).unwrap().change(SignedDuration::from_secs(1)), None);
    }

    proptest! {
        #[test]
        fn longer_is_never_less_slow(usual in prop::collection::vec(0_i64..100_000, 5..30), took in 0_i64..200_000, more in 0_i64..10_000) {
            let pace = Pace::of(seconds(&usual)).unwrap();
            prop_assert!(!pace.is_slow(pace.median));
            prop_assert!(!pace.is_slow(SignedDuration::from_secs(took)) || pace.is_slow(SignedDuration::from_secs(took + more)));
        }
    }
}
