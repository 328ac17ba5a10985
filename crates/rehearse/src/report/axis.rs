//! Where an axis of durations begins and ends, and where it is marked.

/// An axis of durations, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Its first millisecond.
    pub from: i64,
    /// Its last.
    pub to: i64,
    /// Marks, at round durations.
    pub ticks: Vec<i64>,
}

/// Round durations, in milliseconds.
const STEPS: [i64; 34] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    345_600_000,
    604_800_000,
    1_209_600_000,
    2_419_200_000,
    7_257_600_000,
    31_536_000_000,
];

impl Axis {
    /// An axis that shows all from `least` to `most`, at zero where that is near, with about so many marks.
    pub fn of(least: i64, most: i64, marks: i64) -> Self {
        let most = most.max(1);
        let least = if least * 3 < most { 0 } else { least };
        let step = STEPS.into_iter().find(|step| (most - least) / step < marks).unwrap_or(STEPS[STEPS.len() - 1]);
        let from = least / step * step;
        let to = (most + step - 1) / step * step;
        let ticks = (0..=(to - from) / step).map(|mark| from + mark * step).collect();
        Self { from, to, ticks }
    }

    /// How far along the axis, in percent.
    #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
    pub fn percent(&self, millis: i64) -> f64 {
        (millis - self.from) as f64 / (self.to - self.from).max(1) as f64 * 100.0
    }
}

/// `0`, `90 s`, `45 m`, `1 h 30 m`: a round duration, as short as it can be written.
pub fn tick(millis: i64) -> String {
    const THIN: char = '\u{202f}';
    let (days, hours, minutes) = (millis / 86_400_000, millis / 3_600_000, millis / 60_000);
    match millis {
        0 => "0".to_owned(),
        _ if millis % 86_400_000 == 0 && days > 1 => format!("{days}{THIN}d"),
        _ if millis % 3_600_000 == 0 => format!("{hours}{THIN}h"),
        _ if millis % 60_000 == 0 && hours == 0 => format!("{minutes}{THIN}m"),
        _ if millis % 60_000 == 0 => format!("{hours}{THIN}h\u{a0}{:02}", minutes % 60),
        _ if millis % 1_000 == 0 && minutes == 0 => format!("{}{THIN}s", millis / 1_000),
        _ if millis % 1_000 == 0 => format!("{minutes}{THIN}m\u{a0}{:02}", millis / 1_000 % 60),
        _ if millis < 1_000 => format!("{millis}{THIN}ms"),
        _ => format!("{}.{}{THIN}s", millis / 1_000, millis % 1_000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_at_round_durations_and_everything_lies_between_them() {
        for (least, most, first, last, marks) in
            [(3_900_000, 9_100_000, 3_600_000, 10_800_000, 5), (0, 9_100_000, 0, 10_800_000, 4), (1, 7, 0, 8, 5), (0, 0, 0, 1, 2)]
        {
            let axis = Axis::of(least, most, 5);
            assert_eq!((axis.from, axis.to, axis.ticks.len()), (first, last, marks), "{least}–{most}: {axis:?}");
            assert_eq!((axis.percent(axis.from), axis.percent(axis.to)), (0.0, 100.0));
        }
    }

    #[test]
    fn marks_are_short() {
        for (millis, text) in [(0, "0"), (500, "500 ms"), (90_000, "1 m 30"), (30_000, "30 s"), (5_400_000, "1 h 30"), (7_200_000, "2 h")] {
            assert_eq!(tick(millis).replace(['\u{202f}', '\u{a0}'], " "), text);
        }
    }
}
