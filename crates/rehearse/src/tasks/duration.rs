//! Durations as people write them, and how they are spread.

use nightly_rehearsal::Chance;

/// How long something takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Took {
    /// Always so many milliseconds.
    Constant(i64),
    /// Evenly between two.
    Between(i64, i64),
    /// Lognormal: half take less than `exp(location)` milliseconds, and few take very long.
    Lognormal {
        /// The logarithm's mean.
        location: f64,
        /// The logarithm's standard deviation.
        scale: f64,
    },
}

/// How many standard deviations the 95th percentile lies above the median.
const NINETY_FIFTH: f64 = 1.644_853_626_951_472_6;

impl Took {
    /// The lognormal distribution with this median and this 95th percentile, both in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "a duration stays far below 2^53 milliseconds")]
    pub fn lognormal(median: i64, ninety_fifth: i64) -> Self {
        let location = (median as f64).ln();
        Self::Lognormal { location, scale: ((ninety_fifth as f64).ln() - location) / NINETY_FIFTH }
    }

    /// One of them, in milliseconds.
    pub fn draw(&self, chance: &mut Chance) -> i64 {
        match self {
            Self::Constant(millis) => *millis,
            Self::Between(from, to) => chance.between(*from, *to),
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and a year is as good as for ever")]
            Self::Lognormal { location, scale } => ((location + scale * chance.normal()).exp().round() as i64).clamp(1, YEAR),
        }
    }
}

/// The longest time that a state may wait.
const YEAR: i64 = 365 * 86_400_000;

/// `250ms`, `2s`, `1.5s`, `5m`, `1h 30m`, `2d`.
pub fn parse_millis(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut total = 0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let millis = match unit {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * millis;
        rest = after.trim_start();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked against a year first")]
    (total <= YEAR as f64).then(|| total.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", Some(250)),
            ("2s", Some(2_000)),
            ("1.5 s", Some(1_500)),
            ("1h 30m", Some(5_400_000)),
            ("1h30m5s", Some(5_405_000)),
            ("0s", Some(0)),
            ("5x", None),
            ("5", None),
            ("s", None),
            ("", None),
            ("-2s", None),
            ("400d", None),
        ] {
            assert_eq!(parse_millis(text), millis, "{text}");
        }
    }

    #[test]
    fn a_lognormal_has_the_quantiles_that_were_asked_for() {
        let took = Took::lognormal(20_000, 60_000);
        let mut chance = Chance::new(3);
        let mut drawn: Vec<_> = (0..20_000).map(|_| took.draw(&mut chance)).collect();
        drawn.sort_unstable();
        assert!((19_000..21_000).contains(&drawn[10_000]), "{}", drawn[10_000]);
        assert!((57_000..63_000).contains(&drawn[19_000]), "{}", drawn[19_000]);
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        let mut chance = Chance::new(3);
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| Took::Between(4, 6).draw(&mut chance)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [4, 5, 6]);
    }
}
