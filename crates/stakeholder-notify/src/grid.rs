//! The last nights as a grid: a row for each step, a column for each run date.

use std::collections::HashMap;

use jiff::ToSpan;
use jiff::civil::Date;
use nightly_domain::RunDate;
use nightly_domain::night::{Step, StepState};
use nightly_pages::written;

use crate::graph::look;
use crate::page::{self, Place, link, mark};
use crate::past::NIGHTS;
use crate::record::NightRecord;
use crate::words;

/// Columns from the earliest to the latest run date.
pub(crate) struct Grid {
    pub(crate) caption: String,
    pub(crate) months: Vec<Month>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// So many columns beside each other are of one month.
pub(crate) struct Month {
    pub(crate) name: String,
    pub(crate) columns: usize,
}

/// A run date.
pub(crate) struct Column {
    pub(crate) day: String,
    pub(crate) date: String,
    /// The page's own night.
    pub(crate) is_own: bool,
    /// What is known of it. Of some days nothing is.
    pub(crate) night: Option<Night>,
}

/// A night as a whole.
pub(crate) struct Night {
    pub(crate) cell: Cell,
    /// How high its bar is, in percent of the longest night's.
    pub(crate) height: i32,
    pub(crate) took: String,
}

/// A step on every run date.
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) cells: Vec<Spot>,
}

/// What stands in a row on a run date.
pub(crate) struct Spot {
    pub(crate) is_own: bool,
    pub(crate) cell: Option<Cell>,
}

/// What became of a step, or of a night.
pub(crate) struct Cell {
    pub(crate) class: &'static str,
    /// How often it was tried, where that is more than once and there is nothing more to say.
    pub(crate) tries: Option<u32>,
    pub(crate) words: String,
    pub(crate) told: String,
    /// Where there is more about it. What never began has nothing to show.
    pub(crate) href: Option<String>,
}

impl Grid {
    /// The nights up to this one, or only since the first that is known.
    pub(crate) fn of(place: Place, own: &NightRecord, nights: &[NightRecord]) -> Self {
        let last = own.run_date.date();
        let by_date: HashMap<Date, &NightRecord> = nights.iter().map(|night| (night.run_date.date(), night)).collect();
        let days = days_until(last, NIGHTS);
        let known = days.iter().position(|day| by_date.contains_key(day)).unwrap_or(days.len() - 1);
        let days = &days[known..];
        let shown: Vec<_> = days.iter().filter_map(|day| by_date.get(day).copied()).collect();

        let longest = shown.iter().map(|night| night.took()).max().unwrap_or_default().as_secs_f64();
        let night = |night: &NightRecord| {
            #[expect(clippy::cast_possible_truncation, reason = "a percentage fits")]
            let height = if longest > 0.0 { (100.0 * night.took().as_secs_f64() / longest).round() as i32 } else { 0 };
            Night { cell: whole(place, night), height: height.clamp(3, 100), took: written::duration(night.took()) }
        };
        let column = |day: &Date| Column {
            day: day.day().to_string(),
            date: written::long_date(*day),
            is_own: *day == last,
            night: by_date.get(day).map(|record| night(record)),
        };
        let rows = rows(own, &shown).into_iter().map(|(name, title)| {
            let cell = |day: &Date| {
                let night = by_date.get(day)?;
                let step = night.steps.iter().find(|step| step.node == name)?;
                Some(self::step(place, night, step))
            };
            Row { title, cells: days.iter().map(|day| Spot { is_own: *day == last, cell: cell(day) }).collect() }
        });
        Self {
            caption: caption(&shown, days.len()),
            months: months(days),
            columns: days.iter().map(column).collect(),
            rows: rows.collect(),
        }
    }
}

/// The steps of the page's own night, and behind them those that only other nights had.
fn rows(own: &NightRecord, shown: &[&NightRecord]) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    for step in own.steps.iter().chain(shown.iter().rev().flat_map(|night| &night.steps)) {
        if !rows.iter().any(|(name, _)| *name == step.node) {
            rows.push((step.node.clone(), step.title.clone()));
        }
    }
    rows
}

fn caption(shown: &[&NightRecord], days: usize) -> String {
    let published = shown.iter().filter(|night| mark(&night.outcome) == "done").count();
    let of = written::count(shown.len() as u64, "night", "nights");
    let gaps = match days - shown.len() {
        0 => String::new(),
        gaps => format!(" {} without a night.", written::count(gaps as u64, "run date", "run dates")),
    };
    format!("{published} of {of} published.{gaps} Each column is one run date, the newest on the right.")
}

/// So many days, the last of them this one.
pub(crate) fn days_until(last: Date, count: usize) -> Vec<Date> {
    (0..count).rev().filter_map(|back| last.checked_sub(i64::try_from(back).ok()?.days()).ok()).collect()
}

/// The months of these days, side by side.
pub(crate) fn months(days: &[Date]) -> Vec<Month> {
    let mut months: Vec<(i8, Month)> = Vec::new();
    for day in days {
        match months.last_mut() {
            Some((number, month)) if *number == day.month() => month.columns += 1,
            _ => months.push((day.month(), Month { name: day.strftime("%B").to_string(), columns: 1 })),
        }
    }
    // A name is wider than two columns: it would push them apart.
    months.into_iter().map(|(_, month)| if month.columns < 3 { Month { name: String::new(), ..month } } else { month }).collect()
}

fn whole(place: Place, night: &NightRecord) -> Cell {
    let (outcome, behind) = words::short(night);
    let behind = if behind.is_empty() { String::new() } else { format!(", {behind}") };
    let took = written::duration(night.took());
    let runs = night.redrives + 1;
    let again = if runs > 1 { format!(", redriven {}", written::count(night.redrives.into(), "time", "times")) } else { String::new() };
    Cell {
        class: mark(&night.outcome),
        tries: (runs > 1 && mark(&night.outcome) == "done").then_some(runs),
        words: outcome.to_owned(),
        told: format!("{}: {}{behind}, {took}{again}", written::short_date(night.run_date.date()), outcome.to_lowercase()),
        href: Some(night_page(place, night.run_date)),
    }
}

/// What went wrong leads to its log, everything else to where its night tells of it.
fn step(place: Place, night: &NightRecord, step: &Step) -> Cell {
    let is_slow = night.is_slow(step);
    let look = look(&step.state);
    let class = match &step.state {
        StepState::Succeeded if is_slow => "slow",
        StepState::Succeeded => "done",
        StepState::Failed { .. } => "failed",
        StepState::Rejected => "rejected",
        StepState::Expired => "expired",
        StepState::Stopped => "stopped",
        StepState::Running => "running",
        StepState::NotReached => "unreached",
    };
    let words = match (&step.state, is_slow) {
        (StepState::Succeeded, true) => "slow".to_owned(),
        (StepState::Succeeded, false) if step.tries > 1 => format!("ok, {} tries", step.tries),
        (StepState::Succeeded, false) => "ok".to_owned(),
        _ => look.words.to_owned(),
    };
    let state = match &step.state {
        StepState::Failed { error } => Some(format!("failed with {error}")),
        StepState::Succeeded if is_slow => Some("slow".to_owned()),
        StepState::Succeeded => None,
        _ => Some(look.words.to_owned()),
    };
    let took = step.took().map(written::duration);
    let tries = (step.tries > 1).then(|| format!("{} tries", step.tries));
    let told: Vec<_> = [state, took, tries].into_iter().flatten().collect();
    let told = format!("{}, {}: {}", written::short_date(night.run_date.date()), step.title, told.join(", "));
    let log = || night.log_url().filter(|_| matches!(step.state, StepState::Failed { .. } | StepState::Stopped));
    let href = match &step.state {
        StepState::NotReached => None,
        _ => Some(log().unwrap_or_else(|| format!("{}#{}", night_page(place, night.run_date), step.node))),
    };
    Cell { class, tries: (class == "done" && step.tries > 1).then_some(step.tries), words, told, href }
}

fn night_page(place: page::Place, run_date: RunDate) -> String {
    link(place, &format!("nights/{run_date}.html"))
}
