//! The revenue of the last nights, drawn small.

use nightly_domain::RunDate;
use nightly_domain::comparison::{Figure, Place, UsualRange};
use nightly_pages::written;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::unbroken;

/// The drawing's size, and how far its lines stay away from its edge.
const WIDTH: i64 = 400;
const HEIGHT: i64 = 120;
const EDGE: i64 = 10;

/// Positions are whole parts of the drawing's size: nobody sees less.
pub(super) struct Chart {
    /// What it shows, for who doesn't see it.
    pub(super) label: String,
    pub(super) band: Option<Band>,
    pub(super) median: i64,
    pub(super) line: String,
    pub(super) weekdays: Vec<(i64, i64)>,
    pub(super) now: (i64, i64),
    pub(super) first: String,
    pub(super) last: String,
    /// Such as `Fridays`.
    pub(super) weekday: Option<String>,
}

pub(super) struct Band {
    pub(super) top: i64,
    pub(super) height: i64,
}

impl Chart {
    pub(super) fn of(run_date: RunDate, figure: &Figure, currency: &str) -> Self {
        let scale = Scale::of(run_date, figure);
        let now = (scale.x(run_date), scale.y(figure.value));
        let points: Vec<_> = figure.nights.iter().map(|night| (scale.x(night.run_date), scale.y(night.value))).chain([now]).collect();
        let weekdays: Vec<_> = figure.same_weekday().map(|night| (scale.x(night.run_date), scale.y(night.value))).collect();
        let date = |date: RunDate| unbroken(&written::short_date(date.date()));
        Self {
            label: label(run_date, figure, currency),
            band: figure.usual.map(|UsualRange { lowest, highest }| {
                let (top, bottom) = (scale.y(highest), scale.y(lowest));
                Band { top, height: (bottom - top).max(2) }
            }),
            median: scale.y(figure.median),
            line: points.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" "),
            weekday: (!weekdays.is_empty()).then(|| format!("{}s", run_date.date().strftime("%A"))),
            weekdays,
            now,
            first: figure.nights.first().map(|night| date(night.run_date)).unwrap_or_default(),
            last: date(run_date),
        }
    }
}

fn label(run_date: RunDate, figure: &Figure, currency: &str) -> String {
    let date = |date: RunDate| written::short_date(date.date());
    let nights = match figure.nights.as_slice() {
        [] => String::new(),
        [only] => format!("the night published for {}", date(only.run_date)),
        [first, .., last] => {
            format!("the {} nights published from {} to {}", figure.nights.len(), date(first.run_date), date(last.run_date))
        }
    };
    let tonight = date(run_date);
    let place = match (&figure.usual, figure.place()) {
        (Some(range), Some(place)) => {
            let place = match place {
                Place::Inside => "inside it",
                Place::Below => "below it",
                Place::Above => "above it",
            };
            format!(" Usual range {} to {} {currency}; {tonight} is {place}.", written::whole(range.lowest), written::whole(range.highest))
        }
        _ => String::new(),
    };
    format!("Revenue of {nights} and of {tonight}.{place}")
}

/// Days from left to right, amounts from the lowest to the highest.
struct Scale {
    first: RunDate,
    days: i64,
    lowest: Decimal,
    height: Decimal,
}

impl Scale {
    fn of(run_date: RunDate, figure: &Figure) -> Self {
        let first = figure.nights.first().map_or(run_date, |night| night.run_date);
        let values = || figure.nights.iter().map(|night| night.value).chain([figure.value]);
        let (lowest, highest) = (values().min().unwrap_or_default(), values().max().unwrap_or_default());
        Self { first, days: days(first, run_date).max(1), lowest, height: highest.saturating_sub(lowest) }
    }

    fn x(&self, date: RunDate) -> i64 {
        EDGE + days(self.first, date) * (WIDTH - 2 * EDGE) / self.days
    }

    /// Amounts that don't differ stand in the middle.
    fn y(&self, value: Decimal) -> i64 {
        let share = (value.saturating_sub(self.lowest)).checked_div(self.height).unwrap_or_else(|| Decimal::new(5, 1));
        let up = (share * Decimal::from(HEIGHT - 2 * EDGE)).round().to_i64().unwrap_or_default();
        HEIGHT - EDGE - up
    }
}

fn days(from: RunDate, to: RunDate) -> i64 {
    to.date().duration_since(from.date()).as_hours() / 24
}
