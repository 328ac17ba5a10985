//! Where an axis of durations begins and ends, how it runs between, and where it is marked.

use crate::histogram::Histogram;

/// An axis of durations, in milliseconds, drawn from 0 to 100 %.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pieces: Vec<Piece>,
    /// Marks, at round durations.
    pub ticks: Vec<i64>,
}

/// A stretch of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    from: i64,
    to: i64,
    left: f64,
    right: f64,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Evenly,
    /// Each as much longer than the one before as that than its own.
    Logarithmically,
    /// Nothing happened: it takes hardly any room.
    LeftOut,
}

/// Round durations, in milliseconds.
const ROUND: [i64; 34] = [
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
/// Round durations, each about ten times the one before.
const DECADES: [i64; 11] = [1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000];
/// About so many marks.
const MARKS: i64 = 5;
/// What is left out takes so many percent.
const LEFT_OUT: f64 = 4.0;

impl Axis {
    /// For all of these but the longest and the shortest 0.5 %. It is logarithmic where a few are many times longer than most.
    pub fn of(histogram: &Histogram) -> Self {
        let (least, half, most) = (histogram.quantile(5), histogram.quantile(500), histogram.quantile(995));
        if most > 6 * half.max(1) { Self::logarithmic(least, most) } else { Self::even(least, most) }
    }

    /// Evenly from `least` to `most`, from zero where that is near.
    pub fn even(least: i64, most: i64) -> Self {
        let most = most.max(1);
        let least = if least * 3 < most { 0 } else { least };
        let step = step(most - least);
        let (from, to) = (least / step * step, (most + step - 1) / step * step);
        let ticks = (0..=(to - from) / step).map(|mark| from + mark * step).collect();
        Self { pieces: vec![Piece { from, to, left: 0.0, right: 100.0, way: Way::Evenly }], ticks }
    }

    fn logarithmic(least: i64, most: i64) -> Self {
        let from = ROUND.into_iter().rfind(|round| *round <= least).unwrap_or(1);
        let to = ROUND.into_iter().find(|round| *round >= most).unwrap_or(most);
        let within = |marks: &[i64]| marks.iter().copied().filter(|mark| (from..=to).contains(mark)).collect::<Vec<_>>();
        let mut ticks = within(&DECADES);
        if ticks.len() < 3 {
            ticks = within(&ROUND);
            let every = ticks.len().div_ceil(6);
            ticks = ticks.into_iter().step_by(every).collect();
        }
        Self { pieces: vec![Piece { from, to, left: 0.0, right: 100.0, way: Way::Logarithmically }], ticks }
    }

    /// Evenly from 0 to `whole`, long stretches outside of `busy` left out.
    #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
    pub fn of_busy(whole: i64, mut busy: Vec<(i64, i64)>) -> Self {
        busy.sort_unstable();
        let mut idle = Vec::new();
        let mut until = 0;
        for (from, to) in busy.into_iter().chain([(whole, whole)]) {
            if (from - until) * 12 > whole {
                idle.push((until, from));
            }
            until = until.max(to);
        }
        if idle.is_empty() {
            return Self::even(0, whole);
        }
        let shown = whole - idle.iter().map(|(from, to)| to - from).sum::<i64>();
        let per_milli = (100.0 - LEFT_OUT * idle.len() as f64) / shown.max(1) as f64;
        let mut pieces = Vec::new();
        let (mut at, mut left) = (0, 0.0);
        let mut add = |to: i64, width: f64, way: Way| {
            if to > at {
                pieces.push(Piece { from: at, to, left, right: left + width, way });
                (at, left) = (to, left + width);
            }
            at
        };
        for (from, to) in idle {
            let before = add(0, 0.0, Way::Evenly);
            add(from, (from - before) as f64 * per_milli, Way::Evenly);
            add(to, LEFT_OUT, Way::LeftOut);
        }
        let before = add(0, 0.0, Way::Evenly);
        add(whole, (whole - before) as f64 * per_milli, Way::Evenly);
        let step = step(shown);
        let is_shown = |mark: &i64| pieces.iter().any(|piece| piece.way == Way::Evenly && (piece.from..=piece.to).contains(mark));
        let ticks = (0..=whole / step).map(|mark| mark * step).filter(is_shown).collect();
        Self { pieces, ticks }
    }

    /// Whether each millisecond takes less room than the one before.
    pub fn is_logarithmic(&self) -> bool {
        self.pieces.iter().any(|piece| piece.way == Way::Logarithmically)
    }

    /// Its last millisecond.
    pub fn to(&self) -> i64 {
        self.pieces.last().map_or(0, |piece| piece.to)
    }

    /// What was left out, from and to.
    pub fn left_out(&self) -> impl Iterator<Item = (i64, i64)> {
        self.pieces.iter().filter(|piece| piece.way == Way::LeftOut).map(|piece| (piece.from, piece.to))
    }

    /// How far along the axis, in percent.
    pub fn percent(&self, millis: i64) -> f64 {
        let piece = self.pieces.iter().find(|piece| millis <= piece.to).or(self.pieces.last());
        piece.map_or(0.0, |piece| piece.left + piece.part(millis).clamp(0.0, 1.0) * (piece.right - piece.left))
    }

    /// What duration stands so far along an axis of one piece, in percent.
    #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
    pub fn at(&self, percent: f64) -> f64 {
        let Some(Piece { from, to, way, .. }) = self.pieces.first() else { return 0.0 };
        let (from, to, part) = (*from as f64, *to as f64, percent / 100.0);
        if *way == Way::Logarithmically { from * (to / from).powf(part) } else { from + (to - from) * part }
    }
}

impl Piece {
    #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
    fn part(&self, millis: i64) -> f64 {
        let (from, to, at) = (self.from as f64, self.to as f64, millis as f64);
        match self.way {
            Way::Logarithmically => (at.max(from) / from).ln() / (to / from).ln().max(f64::MIN_POSITIVE),
            Way::Evenly | Way::LeftOut => (at - from) / (to - from).max(1.0),
        }
    }
}

fn step(length: i64) -> i64 {
    ROUND.into_iter().find(|step| length / step < MARKS).unwrap_or(ROUND[ROUND.len() - 1])
}

/// `0`, `90 s`, `45 m`, `1 h 30`: a round duration, as short as it can be written.
pub fn tick(millis: i64) -> String {
    const THIN: char = '\u{202f}';
    let (days, hours, minutes) = (millis / 86_400_000, millis / 3_600_000, millis / 60_000);
    match millis {
        0 => "0".to_owned(),
        _ if millis % 86_400_000 == 0 => format!("{days}{THIN}d"),
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
        for (least, most, from, to, marks) in
            [(3_900_000, 9_100_000, 3_600_000, 10_800_000, 5), (0, 9_100_000, 0, 10_800_000, 4), (1, 7, 0, 8, 5), (0, 0, 0, 1, 2)]
        {
            let axis = Axis::even(least, most);
            assert_eq!((axis.pieces[0].from, axis.to(), axis.ticks.len()), (from, to, marks), "{least}–{most}: {axis:?}");
            assert_eq!((axis.percent(from).round(), axis.percent(to).round()), (0.0, 100.0));
        }
    }

    #[test]
    fn a_few_that_are_far_longer_than_most_make_an_axis_logarithmic() {
        let mut histogram = Histogram::default();
        (0..980).for_each(|_| histogram.add(90_000));
        (0..20).for_each(|_| histogram.add(7_000_000));
        let axis = Axis::of(&histogram);
        assert_eq!(axis.ticks, [60_000, 600_000, 3_600_000]);
        for millis in [60_000, 600_000, 7_200_000] {
            #[expect(clippy::cast_possible_truncation, reason = "a test")]
            let there_and_back = axis.at(axis.percent(millis)).round() as i64;
            assert_eq!(there_and_back, millis);
        }
    }

    #[test]
    fn long_stretches_in_which_nothing_happens_are_left_out() {
        let axis = Axis::of_busy(100_000, vec![(0, 10_000), (5_000, 20_000), (90_000, 100_000)]);
        assert_eq!(axis.left_out().collect::<Vec<_>>(), [(20_000, 90_000)]);
        let places = [0, 20_000, 90_000, 100_000].map(|millis| axis.percent(millis).round());
        assert_eq!(format!("{places:?}"), "[0.0, 64.0, 68.0, 100.0]");
        assert!(axis.ticks.iter().all(|tick| !(20_001..90_000).contains(tick)), "{axis:?}");
        assert_eq!(Axis::of_busy(100_000, vec![(0, 96_000)]).left_out().count(), 0);
    }

    #[test]
    fn marks_are_short() {
        for (millis, text) in [(0, "0"), (500, "500 ms"), (90_000, "1 m 30"), (30_000, "30 s"), (5_400_000, "1 h 30"), (7_200_000, "2 h")] {
            assert_eq!(tick(millis).replace(['\u{202f}', '\u{a0}'], " "), text);
        }
    }
}
