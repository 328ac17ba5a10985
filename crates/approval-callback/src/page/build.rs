//! A staged build, as an approver sees it.

use nightly_domain::RunDate;
use nightly_domain::comparison::{Comparison, Figure, Movement, Mover, Place};
use nightly_domain::evidence::{Build, CategoryFigures, Quality, RuleResult, RuleVerdict};
use nightly_pages::{Icon, written};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::chart::Chart;
use super::{excerpt, unbroken};

/// How much of it is shown. What does not pass the quality gate always is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detail {
    /// Categories that get a row; the others share one, or are counted.
    pub(super) categories: usize,
    /// Passing rules that get a row; the others are counted.
    pub(super) passing_rules: usize,
    /// Of a passing rule.
    pub(super) rule_bytes: usize,
}

/// Dates without a published night that are named; more are counted.
const NAMED_GAPS: usize = 4;
/// What is shown of a category's name.
const NAME_BYTES: usize = 60;
/// Currencies that are named; more are counted.
const NAMED_CURRENCIES: usize = 12;

pub(super) struct BuildView<'a> {
    pub(super) date: String,
    pub(super) weekday: String,
    pub(super) glance: Vec<Glance>,
    pub(super) revenue: String,
    pub(super) currency: &'a str,
    pub(super) volume: String,
    pub(super) against: Option<Against>,
    /// Where there is nothing to compare with.
    pub(super) categories: Vec<CategoryRow>,
    pub(super) quality: String,
    pub(super) rules: Vec<RuleRow>,
    pub(super) more_rules: Option<String>,
    pub(super) rates_of: String,
    pub(super) rates_source: String,
    pub(super) rates_note: Option<String>,
    pub(super) run_id: &'a str,
    pub(super) run_date: String,
}

/// The build against the nights that were published last.
pub(super) struct Against {
    pub(super) change: Option<String>,
    pub(super) median: String,
    pub(super) weekday: Option<String>,
    pub(super) chart: Chart,
    pub(super) movers: Vec<MoverRow>,
    pub(super) others: String,
    pub(super) nights: String,
    pub(super) gaps: Option<String>,
    pub(super) range: String,
}

pub(super) struct MoverRow {
    pub(super) name: String,
    pub(super) revenue: String,
    /// How far its bar reaches from the middle, 50 at most to either side.
    pub(super) drift: i64,
    pub(super) change: String,
}

/// Whether anything is odd.
pub(super) struct Glance {
    pub(super) icon: Icon,
    pub(super) name: &'static str,
    pub(super) text: String,
}

pub(super) struct CategoryRow {
    pub(super) name: String,
    pub(super) lines: String,
    /// Of the longest bar, from 0 to 100.
    pub(super) share: String,
    pub(super) revenue: String,
}

pub(super) struct RuleRow {
    pub(super) rule: String,
    pub(super) message: Option<String>,
    pub(super) measured: String,
    pub(super) class: &'static str,
    pub(super) result: &'static str,
}

impl<'a> BuildView<'a> {
    pub(super) fn of(build: &'a Build, detail: Detail) -> Self {
        let summary = &build.summary;
        let date = unbroken(&written::long_date(summary.run_date.date()));
        let (rules, more_rules) = rules(&build.quality, detail);
        let comparison = Comparison::of(build);
        Self {
            weekday: summary.run_date.date().strftime("%A").to_string(),
            glance: glance(build, comparison.as_ref()),
            revenue: written::whole(summary.revenue_base),
            currency: &summary.base_currency,
            volume: format!(
                "{} in {}",
                written::count(summary.order_lines, "order line", "order lines"),
                written::count(summary.orders, "order", "orders")
            ),
            categories: if comparison.is_none() { categories(&summary.categories, detail.categories) } else { Vec::new() },
            against: comparison.as_ref().map(|comparison| Against::of(build, comparison, detail)),
            quality: quality(&build.quality),
            rules,
            more_rules,
            rates_of: written::weekday_date(summary.rates.effective_date),
            rates_source: match summary.rates.currencies.as_slice() {
                few if few.len() <= NAMED_CURRENCIES => format!("{}, for {}", summary.rates.source, few.join(", ")),
                many => format!("{}, for {} currencies", summary.rates.source, many.len()),
            },
            rates_note: summary.rate_age_days().map(|days| {
                let days = written::count(days, "day", "days");
                format!("These rates are {days} older than the run date: for {date} itself, the source had none when the night asked.")
            }),
            run_id: &summary.run_id,
            run_date: summary.run_date.to_string(),
            date,
        }
    }
}

impl Against {
    fn of(build: &Build, comparison: &Comparison, detail: Detail) -> Self {
        let Comparison { revenue, movers, .. } = comparison;
        let run_date = build.summary.run_date;
        let nights = revenue.nights.len() as u64;
        Self {
            change: revenue.change.map(written::signed_percent),
            median: if revenue.change.is_some() {
                format!("on the median of {}", written::count(nights, "night", "nights"))
            } else {
                format!("The median of {} is {}", written::count(nights, "night", "nights"), written::whole(revenue.median))
            },
            weekday: same_weekday(run_date, revenue),
            chart: Chart::of(run_date, revenue, &build.summary.base_currency),
            movers: mover_rows(&movers[..movers.len().min(detail.categories)]),
            others: others(comparison, detail.categories),
            nights: span(comparison),
            gaps: gaps(run_date, revenue),
            range: match &revenue.usual {
                Some(_) => format!("From the second lowest to the second highest of the {nights}"),
                None => format!("Told from {} nights on", Comparison::NIGHTS_OF_A_RANGE),
            },
        }
    }
}

/// `The last two Fridays were 1,297,440 and 1,318,020.`
fn same_weekday(run_date: RunDate, revenue: &Figure) -> Option<String> {
    let values: Vec<_> = revenue.same_weekday().map(|night| written::whole(night.value)).collect();
    let weekday = run_date.date().strftime("%A");
    match values.len() {
        0 => None,
        1 => Some(format!("The last {weekday} was {}.", values[0])),
        2 => Some(format!("The last two {weekday}s were {}.", written::list(&values))),
        _ => Some(format!("The last {weekday}s were {}.", written::list(&values))),
    }
}

fn span(comparison: &Comparison) -> String {
    let nights = comparison.revenue.nights.len();
    match comparison.span() {
        Some((first, last)) if first != last => {
            format!("The {nights} nights published from {} to {}.", day(first), unbroken(&written::long_date(last.date())))
        }
        Some((only, _)) => format!("The night published for {}.", unbroken(&written::long_date(only.date()))),
        None => String::new(),
    }
}

/// The dates in between without a published night.
fn gaps(run_date: RunDate, revenue: &Figure) -> Option<String> {
    let first = revenue.nights.first()?.run_date.date();
    let known = |date| revenue.nights.iter().any(|night| night.run_date.date() == date);
    let missing: Vec<_> =
        first.series(jiff::Span::new().days(1)).take_while(|date| *date < run_date.date()).filter(|date| !known(*date)).collect();
    match missing.len() {
        0 => None,
        1..=NAMED_GAPS => {
            let days: Vec<_> = missing.iter().map(|date| unbroken(&written::short_date(*date))).collect();
            Some(format!("No published night was found for {}.", written::list(&days)))
        }
        many => Some(format!("For {many} days in between, no published night was found.")),
    }
}

fn day(date: RunDate) -> String {
    unbroken(&written::short_date(date.date()))
}

fn mover_rows(shown: &[Mover]) -> Vec<MoverRow> {
    let size = |mover: &Mover| match mover.movement {
        Movement::Changed(Some(change)) => change.abs().min(Decimal::ONE),
        Movement::New | Movement::Vanished => Decimal::ONE,
        Movement::Changed(None) => Decimal::ZERO,
    };
    let largest = shown.iter().map(size).max().unwrap_or_default();
    let row = |mover: &Mover| {
        let length = size(mover).checked_div(largest).unwrap_or_default() * Decimal::from(44);
        let length = length.round().to_i64().unwrap_or_default();
        MoverRow {
            name: category_name(mover.category.as_deref()),
            revenue: match mover.movement {
                Movement::Vanished => format!("was {}", written::whole(mover.median)),
                _ => written::whole(mover.revenue),
            },
            drift: if mover.revenue < mover.median { -length } else { length },
            change: match mover.movement {
                Movement::New => "new".to_owned(),
                Movement::Vanished => "gone".to_owned(),
                Movement::Changed(Some(change)) => written::signed_percent(change),
                Movement::Changed(None) => format!("was {}", written::whole(mover.median)),
            },
        }
    };
    shown.iter().map(row).collect()
}

/// What became of the categories without a row.
fn others(comparison: &Comparison, shown: usize) -> String {
    let more = comparison.movers.len().saturating_sub(shown) as u64;
    let moved = (more > 0).then(|| format!("{} more moved, too.", written::integer(more)));
    let rest = match (comparison.movers.len(), comparison.steady as u64) {
        (_, 0) => None,
        (0, _) => Some("No category has moved by 5\u{202f}% or more.".to_owned()),
        (_, 1) => Some("One other moved by less than 5\u{202f}%.".to_owned()),
        (_, steady) => Some(format!("The other {} moved by less than 5\u{202f}%.", written::integer(steady))),
    };
    [moved, rest].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn glance(build: &Build, comparison: Option<&Comparison>) -> Vec<Glance> {
    let Build { summary, quality, .. } = build;
    let judged = |fine| if fine { Icon::Ok } else { Icon::Note };
    let rules = written::count(quality.rules.len() as u64, "rule passes", "rules pass");
    let rates = match summary.rate_age_days() {
        None => "Of the run date".to_owned(),
        Some(days) => format!("{} older than the run date", written::count(days, "day", "days")),
    };
    let inventory = match summary.unmatched_lines {
        0 => "Every order line has its item".to_owned(),
        lines => format!("{} no item", written::count(lines, "order line has", "order lines have")),
    };
    let passes = quality.passed() == quality.rules.len();
    let mut glance = vec![Glance { icon: judged(passes), name: "Quality gate", text: format!("{} of {rules}", quality.passed()) }];
    if let Some(Comparison { revenue, order_lines, .. }) = comparison {
        for (name, figure) in [("Revenue", revenue), ("Order lines", order_lines)] {
            glance.push(Glance { icon: placed(figure), name, text: range(figure) });
        }
    }
    glance.push(Glance { icon: judged(summary.rate_age_days().is_none()), name: "Exchange rates", text: rates });
    glance.push(Glance { icon: judged(summary.unmatched_lines == 0), name: "Inventory", text: inventory });
    glance
}

fn placed(figure: &Figure) -> Icon {
    match figure.place() {
        Some(Place::Inside) => Icon::Ok,
        Some(Place::Below | Place::Above) => Icon::Note,
        None => Icon::Idle,
    }
}

/// `48,212 · usually 38,940 to 49,870`.
fn range(figure: &Figure) -> String {
    let value = written::whole(figure.value);
    match (&figure.usual, figure.place()) {
        (Some(usual), Some(place)) => {
            let usual = format!("usually {} to {}", written::whole(usual.lowest), written::whole(usual.highest));
            match place {
                Place::Inside => format!("{value} · {usual}"),
                Place::Below => format!("{value}, less than usual · {usual}"),
                Place::Above => format!("{value}, more than usual · {usual}"),
            }
        }
        _ => format!("{value} · too few nights to tell what is usual"),
    }
}

fn categories(all: &[CategoryFigures], rows: usize) -> Vec<CategoryRow> {
    let figures = |figures: &CategoryFigures| (category_name(figures.category.as_deref()), figures.order_lines, figures.revenue_base);
    let (shown, rest) = all.split_at(all.len().min(rows));
    let mut rows: Vec<_> = shown.iter().map(figures).collect();
    if !rest.is_empty() {
        let (lines, revenue) =
            rest.iter().fold((0, Decimal::ZERO), |(lines, revenue), one| (lines + one.order_lines, revenue + one.revenue_base));
        rows.push((written::count(rest.len() as u64, "other", "others"), lines, revenue));
    }
    let largest = rows.iter().map(|(_, _, revenue)| *revenue).max().unwrap_or_default();
    let row = |(name, lines, revenue): (String, u64, Decimal)| {
        let share = revenue.checked_div(largest).unwrap_or_default().max(Decimal::ZERO) * Decimal::ONE_HUNDRED;
        CategoryRow {
            name,
            lines: written::integer(lines),
            share: share.round_dp(1).normalize().to_string(),
            revenue: written::whole(revenue),
        }
    };
    rows.into_iter().map(row).collect()
}

fn category_name(name: Option<&str>) -> String {
    name.map_or_else(|| "No category".to_owned(), |name| excerpt(name, NAME_BYTES))
}

fn quality(quality: &Quality) -> String {
    let percent = Decimal::try_from(quality.score * 100.0).unwrap_or_default().round_dp(1).normalize();
    let rules = written::count(quality.rules.len() as u64, "rule", "rules");
    let passed =
        if quality.passed() == quality.rules.len() { format!("all {rules} pass") } else { format!("{} of {rules} pass", quality.passed()) };
    format!("Score {percent}\u{202f}% on {}: {passed}.", quality.ruleset)
}

/// What does not pass comes first.
fn rules(quality: &Quality, detail: Detail) -> (Vec<RuleRow>, Option<String>) {
    let (passing, failing): (Vec<_>, Vec<_>) = quality.rules.iter().partition(|rule| rule.result == RuleVerdict::Pass);
    // Not worth a sentence of its own.
    let shown = if passing.len() <= detail.passing_rules + 1 { passing.len() } else { detail.passing_rules };
    let rest = (passing.len() - shown) as u64;
    let more = (rest > 0).then(|| format!("And {rest} more rules, all pass."));
    (failing.into_iter().chain(passing.into_iter().take(shown)).map(|result| rule(result, detail.rule_bytes)).collect(), more)
}

fn rule(result: &RuleResult, bytes: usize) -> RuleRow {
    let (class, word) = match result.result {
        RuleVerdict::Pass => ("ok", "✓ PASS"),
        RuleVerdict::Fail => ("bad", "✕ FAIL"),
        RuleVerdict::Error => ("bad", "✕ ERROR"),
    };
    let passes = result.result == RuleVerdict::Pass;
    let mut measured: Vec<_> = result.metrics.values().map(|value| number(*value)).collect();
    measured.dedup();
    RuleRow {
        rule: if passes { excerpt(&result.rule, bytes) } else { result.rule.clone() },
        message: result.message.clone().filter(|_| !passes),
        measured: measured.join(", "),
        class,
        result: word,
    }
}

/// A count in groups, a ratio with four digits.
fn number(value: f64) -> String {
    match Decimal::try_from(value) {
        Ok(value) if value.is_integer() && value.to_u64().is_some_and(|count| count > 1) => written::whole(value),
        Ok(value) => value.round_dp(4).normalize().to_string(),
        Err(_) => value.to_string(),
    }
}
