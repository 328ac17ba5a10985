//! A staged build against the nights that were published last: is anything odd?
//!
//! No day is an average day, so nothing here judges. It says how far a figure is from the median, whether it lies where nearly all nights
//! lie, and which categories moved most.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::RunDate;
use crate::evidence::{Build, CategoryFigures, PublishedNight};

/// A build against the nights before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// In the base currency.
    pub revenue: Figure,
    /// Rows.
    pub order_lines: Figure,
    /// Categories whose revenue has changed by [`Comparison::STEADY`] or more, appeared or vanished: by the absolute change, largest first.
    pub movers: Vec<Mover>,
    /// How many categories have changed by less.
    pub steady: usize,
}

/// One figure of the build against the same figure of the nights before.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The build's own.
    pub value: Decimal,
    /// The middle one of the nights before, or between the two in the middle.
    pub median: Decimal,
    /// How far the value is from the median, as a part of the median: 0.065 is +6.5 %. `None` where the median is 0.
    pub change: Option<Decimal>,
    /// Where nearly all nights lie. `None` where there are too few nights to say.
    pub usual: Option<UsualRange>,
    /// The nights before, oldest first.
    pub nights: Vec<PastFigure>,
}

/// A figure of a night before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastFigure {
    /// The night's business date.
    pub run_date: RunDate,
    /// What it was.
    pub value: Decimal,
    /// Whether it was the same day of the week as the build's.
    pub same_weekday: bool,
}

/// From the second lowest to the second highest night: one unusual night on either side widens it no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualRange {
    /// The second lowest.
    pub lowest: Decimal,
    /// The second highest.
    pub highest: Decimal,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Lower than usual.
    Below,
    /// Where nearly all nights lie.
    Inside,
    /// Higher than usual.
    Above,
}

/// A category whose revenue has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// `None` where the items are in no category.
    pub category: Option<String>,
    /// The build's revenue in it, 0 where it has vanished.
    pub revenue: Decimal,
    /// The median of the nights that had it, 0 where it is new.
    pub median: Decimal,
    /// What has happened to it.
    pub movement: Movement,
}

/// What has happened to a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// None of the nights before had it.
    New,
    /// At least half of the nights before had it, and the build has not.
    Vanished,
    /// It has changed by this part of its median: 0.065 is +6.5 %. `None` where the median is 0.
    Changed(Option<Decimal>),
}

impl Comparison {
    /// With so many nights a build is compared at most.
    pub const NIGHTS: usize = 14;
    /// An older night says nothing about this one.
    pub const DAYS: i32 = 90;
    /// With fewer nights there is no telling what is usual.
    pub const NIGHTS_OF_A_RANGE: usize = 5;
    /// A category that has changed by less is steady: 5 %.
    pub const STEADY: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

    /// The comparison, or `None` where there is no night to compare with.
    pub fn of(build: &Build) -> Option<Self> {
        let run_date = build.summary.run_date;
        let nights = nights(run_date, &build.published);
        let figure = |value: Decimal, past: &dyn Fn(&PublishedNight) -> Decimal| {
            let figure = |night: &&PublishedNight| PastFigure {
                run_date: night.run_date,
                value: past(night),
                same_weekday: night.run_date.date().weekday() == run_date.date().weekday(),
            };
            Figure::new(value, nights.iter().map(figure).collect())
        };
        let (movers, steady) = movers(&build.summary.categories, &nights);
        Some(Self {
            revenue: figure(build.summary.revenue_base, &|night| night.revenue_base)?,
            order_lines: figure(build.summary.order_lines.into(), &|night| night.order_lines.into())?,
            movers,
            steady,
        })
    }

    /// Whether a night of this date is compared with the build of `run_date`: one before it, and not long before it.
    pub fn reaches(run_date: RunDate, night: RunDate) -> bool {
        night < run_date && days_between(night.date(), run_date.date()) <= Self::DAYS
    }

    /// The first and the last night that the build is compared with.
    pub fn span(&self) -> Option<(RunDate, RunDate)> {
        let nights = &self.revenue.nights;
        Some((nights.first()?.run_date, nights.last()?.run_date))
    }
}

impl Figure {
    /// `None` where there is no night.
    fn new(value: Decimal, nights: Vec<PastFigure>) -> Option<Self> {
        let mut values: Vec<_> = nights.iter().map(|night| night.value).collect();
        values.sort_unstable();
        let median = median(&values)?;
        let usual =
            (values.len() >= Comparison::NIGHTS_OF_A_RANGE).then(|| UsualRange { lowest: values[1], highest: values[values.len() - 2] });
        Some(Self { value, median, change: change(value, median), usual, nights })
    }

    /// Where the value lies, where that can be said.
    pub fn place(&self) -> Option<Place> {
        let UsualRange { lowest, highest } = self.usual?;
        Some(if self.value < lowest {
            Place::Below
        } else if self.value > highest {
            Place::Above
        } else {
            Place::Inside
        })
    }

    /// The nights of the same day of the week, oldest first.
    pub fn same_weekday(&self) -> impl Iterator<Item = &PastFigure> {
        self.nights.iter().filter(|night| night.same_weekday)
    }
}

/// The nights that count, oldest first, each date once.
fn nights(run_date: RunDate, published: &[PublishedNight]) -> Vec<&PublishedNight> {
    let mut nights: Vec<_> = published.iter().filter(|night| Comparison::reaches(run_date, night.run_date)).collect();
    nights.sort_by_key(|night| std::cmp::Reverse(night.run_date));
    nights.dedup_by_key(|night| night.run_date);
    nights.truncate(Comparison::NIGHTS);
    nights.reverse();
    nights
}

fn days_between(earlier: Date, later: Date) -> i32 {
    earlier.until(later).map_or(i32::MAX, |span| span.get_days())
}

/// The movers, and how many categories are steady.
fn movers(categories: &[CategoryFigures], nights: &[&PublishedNight]) -> (Vec<Mover>, usize) {
    let tonight = by_category(categories);
    let mut before: BTreeMap<Option<&str>, Vec<Decimal>> = BTreeMap::new();
    for night in nights {
        for (category, revenue) in by_category(&night.categories) {
            before.entry(category).or_default().push(revenue);
        }
    }
    for revenues in before.values_mut() {
        revenues.sort_unstable();
    }
    let known = before.iter().filter_map(|(category, revenues)| {
        let median = median(revenues)?;
        let (revenue, movement) = match tonight.get(category) {
            Some(revenue) => (*revenue, Movement::Changed(change(*revenue, median))),
            None if revenues.len() * 2 >= nights.len() => (Decimal::ZERO, Movement::Vanished),
            None => return None,
        };
        Some(Mover { category: category.map(str::to_owned), revenue, median, movement })
    });
    let new = tonight.iter().filter(|(category, _)| !before.contains_key(*category)).map(|(category, revenue)| Mover {
        category: category.map(str::to_owned),
        revenue: *revenue,
        median: Decimal::ZERO,
        movement: Movement::New,
    });
    let (mut movers, steady): (Vec<_>, Vec<_>) = known.chain(new).partition(Mover::has_moved);
    movers.sort_by_key(|mover| std::cmp::Reverse(mover.distance()));
    (movers, steady.len())
}

impl Mover {
    fn has_moved(&self) -> bool {
        match self.movement {
            Movement::New | Movement::Vanished => true,
            Movement::Changed(Some(change)) => change.abs() >= Comparison::STEADY,
            Movement::Changed(None) => self.revenue != self.median,
        }
    }

    fn distance(&self) -> Decimal {
        self.revenue.saturating_sub(self.median).abs()
    }
}

fn by_category(categories: &[CategoryFigures]) -> BTreeMap<Option<&str>, Decimal> {
    let mut revenues: BTreeMap<Option<&str>, Decimal> = BTreeMap::new();
    for figures in categories {
        let revenue = revenues.entry(figures.category.as_deref()).or_default();
        *revenue = revenue.saturating_add(figures.revenue_base);
    }
    revenues
}

/// Of values in order.
fn median(values: &[Decimal]) -> Option<Decimal> {
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    // Halved first: the sum of two amounts might not fit. Halves are rounded, so that even theirs may miss by the last digit.
    Some((values[middle - 1] / Decimal::TWO).saturating_add(upper / Decimal::TWO))
}

/// As a part of the median's size, so that a growth is positive whatever the sign.
fn change(value: Decimal, median: Decimal) -> Option<Decimal> {
    value.checked_sub(median)?.checked_div(median.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::contract;

    fn money(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn category(name: &str, revenue: &str) -> CategoryFigures {
        CategoryFigures { category: Some(name.to_owned()), order_lines: 1, revenue_base: money(revenue) }
    }

    fn night(run_date: &str, revenue: &str, categories: &[(&str, &str)]) -> PublishedNight {
        let categories = categories.iter().map(|(name, revenue)| category(name, revenue)).collect();
        PublishedNight { run_date: run_date.parse().unwrap(), order_lines: 100, revenue_base: money(revenue), categories }
    }

    /// Of Friday 20 November 2026.
    fn build(revenue: &str, categories: &[(&str, &str)], published: Vec<PublishedNight>) -> Build {
        let mut build = contract::build();
        build.summary.revenue_base = money(revenue);
        build.summary.order_lines = 100;
        build.summary.categories = categories.iter().map(|(name, revenue)| category(name, revenue)).collect();
        build.published = published;
        build
    }

    fn november(day: u32) -> String {
        format!("2026-11-{day:02}")
    }

    #[test]
    fn without_a_night_before_there_is_no_comparison() {
        assert_eq!(Comparison::of(&build("1", &[], vec![])), None);
        let unfit = ["2026-11-20", "2026-11-21", "2026-08-21"].map(|date| night(date, "1", &[]));
        assert_eq!(
            Comparison::of(&build("1", &[], unfit.to_vec())),
            None,
            "neither the day itself, nor later ones, nor those of last summer"
        );
        assert!(Comparison::of(&build("1", &[], vec![night("2026-08-22", "1", &[])])).is_some(), "90 days are near enough");
    }

    #[test]
    fn the_median_and_the_usual_range_are_of_the_nights_before() {
        let published = [("120.00", 14), ("90.00", 15), ("100.10", 16), ("100.00", 17), ("500.00", 18), ("1.00", 13)];
        let published = published.map(|(revenue, day)| night(&november(day), revenue, &[])).to_vec();
        let comparison = Comparison::of(&build("106.56", &[], published)).unwrap();
        let revenue = &comparison.revenue;
        assert_eq!(revenue.median, money("100.05"));
        assert_eq!(revenue.change.unwrap().round_dp(4), money("0.0651"));
        assert_eq!(revenue.usual, Some(UsualRange { lowest: money("90.00"), highest: money("120.00") }));
        assert_eq!(revenue.place(), Some(Place::Inside));
        assert_eq!(comparison.span(), Some((november(13).parse().unwrap(), november(18).parse().unwrap())));
        assert_eq!(comparison.order_lines.change, Some(Decimal::ZERO));
    }

    #[test]
    fn what_is_usual_takes_five_nights() {
        let published = |nights: u32| (0..nights).map(|day| night(&november(10 + day), "10", &[])).collect();
        let revenue = |revenue: &str, nights| Comparison::of(&build(revenue, &[], published(nights))).unwrap().revenue;
        assert_eq!((revenue("10", 4).usual, revenue("10", 4).place()), (None, None));
        assert_eq!(revenue("10", 5).place(), Some(Place::Inside));
        assert_eq!(revenue("9.99", 5).place(), Some(Place::Below));
        assert_eq!(revenue("10.01", 5).place(), Some(Place::Above));
    }

    #[test]
    fn at_most_fourteen_nights_count_and_the_newest_do() {
        let published: Vec<_> = (1..=19).map(|day| night(&november(day), &day.to_string(), &[])).collect();
        let revenue = Comparison::of(&build("1", &[], published)).unwrap().revenue;
        assert_eq!(
            revenue.nights.iter().map(|night| night.run_date.to_string()).collect::<Vec<_>>(),
            (6..=19).map(november).collect::<Vec<_>>()
        );
        let fridays: Vec<_> = revenue.same_weekday().map(|night| night.run_date.to_string()).collect();
        assert_eq!(fridays, [november(6), november(13)]);
    }

    #[test]
    fn a_date_counts_once() {
        let revenue = Comparison::of(&build("1", &[], vec![night("2026-11-19", "4", &[]), night("2026-11-19", "8", &[])])).unwrap().revenue;
        assert_eq!((revenue.nights.len(), revenue.median), (1, money("4")), "as it was listed first");
    }

    #[test]
    fn a_change_from_nothing_has_no_percentage() {
        let comparison = Comparison::of(&build("5", &[("Home", "5")], vec![night("2026-11-19", "0", &[("Home", "0")])])).unwrap();
        assert_eq!(comparison.revenue.change, None);
        assert_eq!(comparison.movers[0].movement, Movement::Changed(None));
    }

    #[test]
    fn categories_move_appear_and_vanish() {
        let before = |day, shoes| night(&november(day), "1", &[("Home", "100"), ("Toys", "1000"), ("Shoes", shoes), ("Books", "7")]);
        let seldom = night(&november(16), "1", &[("Garden", "3000")]);
        let published = vec![before(19, "50"), before(18, "40"), before(17, "60"), seldom];
        let tonight = [("Home", "104.99"), ("Shoes", "40"), ("Games", "700"), ("Books", "7.35")];
        let comparison = Comparison::of(&build("1", &tonight, published)).unwrap();
        let movers: Vec<_> = comparison.movers.iter().map(|mover| (mover.category.as_deref().unwrap(), mover.movement)).collect();
        assert_eq!(
            movers,
            [
                ("Toys", Movement::Vanished),
                ("Games", Movement::New),
                ("Shoes", Movement::Changed(Some(money("-0.2")))),
                ("Books", Movement::Changed(Some(money("0.05")))),
            ],
            "by how much money it is; exactly 5 % is a move; what was seldom there has not vanished"
        );
        assert_eq!(comparison.steady, 1, "Home");
    }

    fn amount() -> impl Strategy<Value = Decimal> {
        (-1_000_000_000_i64..1_000_000_000).prop_map(|cents| Decimal::new(cents, 2))
    }

    fn any_night() -> impl Strategy<Value = PublishedNight> {
        let categories = prop::collection::vec((prop::option::of("[a-d]"), amount()), 0..5);
        (0_i64..200, any::<u64>(), amount(), categories).prop_map(|(age, order_lines, revenue_base, categories)| PublishedNight {
            run_date: (jiff::civil::date(2026, 11, 25) - jiff::Span::new().days(age)).into(),
            order_lines,
            revenue_base,
            categories: figures(categories),
        })
    }

    fn figures(categories: Vec<(Option<String>, Decimal)>) -> Vec<CategoryFigures> {
        let figures = |(category, revenue_base)| CategoryFigures { category, order_lines: 1, revenue_base };
        categories.into_iter().map(figures).collect()
    }

    proptest! {
        #[test]
        fn whatever_was_published_compares(
            published in prop::collection::vec(any_night(), 0..40),
            revenue in amount(),
            categories in prop::collection::vec((prop::option::of("[a-d]"), amount()), 0..5),
        ) {
            let mut build = build("0", &[], published.clone());
            build.summary.revenue_base = revenue;
            build.summary.categories = figures(categories);
            let comparison = Comparison::of(&build);
            let eligible = published.iter().any(|night| Comparison::reaches(build.summary.run_date, night.run_date));
            prop_assert_eq!(comparison.is_some(), eligible);
            let Some(comparison) = comparison else { return Ok(()) };

            let nights = &comparison.revenue.nights;
            prop_assert!((1..=Comparison::NIGHTS).contains(&nights.len()));
            prop_assert!(nights.windows(2).all(|pair| pair[0].run_date < pair[1].run_date), "oldest first, each date once");
            prop_assert!(nights.iter().all(|night| Comparison::reaches(build.summary.run_date, night.run_date)));

            let Figure { median, change, value, usual, .. } = &comparison.revenue;
            let (below, above) = (nights.iter().filter(|night| night.value < *median), nights.iter().filter(|night| night.value > *median));
            prop_assert!(below.count() * 2 <= nights.len() && above.count() * 2 <= nights.len(), "as many on either side");
            if let Some(change) = change {
                prop_assert_eq!(*change > Decimal::ZERO, value > median);
            }
            if let Some(UsualRange { lowest, highest }) = usual {
                prop_assert!(lowest <= median && median <= highest);
                prop_assert!(nights.iter().filter(|night| night.value < *lowest).count() <= 1);
            }

            let known = by_category(&build.summary.categories).len();
            let vanished = comparison.movers.iter().filter(|mover| mover.movement == Movement::Vanished).count();
            prop_assert_eq!(comparison.movers.len() - vanished + comparison.steady, known, "every category of the build is counted once");
            prop_assert!(comparison.movers.windows(2).all(|pair| pair[0].distance() >= pair[1].distance()));
        }

        #[test]
        fn the_order_in_which_nights_are_listed_means_nothing(published in prop::collection::vec(any_night(), 0..20)) {
            let mut published = published;
            published.sort_by_key(|night| night.run_date);
            published.dedup_by_key(|night| night.run_date);
            let before = Comparison::of(&build("12", &[("a", "1")], published.clone()));
            published.reverse();
            prop_assert_eq!(before, Comparison::of(&build("12", &[("a", "1")], published)));
        }

        #[test]
        fn amounts_at_the_edge_of_what_fits_are_no_reason_to_stop(huge in prop::collection::vec(prop::bool::ANY, 1..8), up: bool) {
            let edge = |up| if up { Decimal::MAX } else { Decimal::MIN };
            let night = |(day, up): (usize, &bool)| PublishedNight {
                revenue_base: edge(*up),
                categories: figures(vec![(None, edge(*up)), (None, edge(*up))]),
                ..night(&november(u32::try_from(day).unwrap() + 1), "0", &[])
            };
            let mut build = build("0", &[], huge.iter().enumerate().map(night).collect());
            build.summary.revenue_base = edge(up);
            prop_assert!(Comparison::of(&build).is_some());
        }
    }
}
