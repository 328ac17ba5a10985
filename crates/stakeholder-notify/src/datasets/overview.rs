//! The latest builds of every dataset as a grid: a row for each dataset, a column for each process date.

use std::collections::BTreeMap;

use jiff::civil::Date;
use nightly_domain::DatasetName;
use nightly_pages::written;

use crate::datasets::record::BuildRecord;
use crate::datasets::words;
use crate::grid::{Cell, Month, days_until, months};

/// How many process dates are shown: two weeks.
pub(crate) const DATES: usize = 14;

pub(crate) struct Overview {
    pub(crate) caption: String,
    pub(crate) months: Vec<Month>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// A process date.
pub(crate) struct Column {
    pub(crate) day: String,
    pub(crate) date: String,
}

/// A dataset on every process date; nothing where none was built.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) cells: Vec<Option<Cell>>,
}

impl Overview {
    /// As the index shows it; nothing where there is no dataset.
    pub(crate) fn of(datasets: &BTreeMap<DatasetName, Vec<BuildRecord>>) -> Option<Self> {
        let last = datasets.values().flatten().map(|build| build.process_date.date()).max()?;
        let days = days_until(last, DATES);
        let shown = |build: &&BuildRecord| days.contains(&build.process_date.date());
        let newest = datasets.values().filter_map(|builds| builds.first());
        let well = newest.filter(|build| words::mark(&build.outcome) == "done").count();
        let of = written::count(datasets.len() as u64, "dataset", "datasets");
        Some(Self {
            caption: format!("{well} of {of} built as last delivered. Each column is one process date, the newest on the right."),
            months: months(&days),
            columns: days.iter().map(|day| Column { day: day.day().to_string(), date: written::long_date(*day) }).collect(),
            rows: datasets.iter().map(|(name, builds)| row(name, &builds.iter().filter(shown).collect::<Vec<_>>(), &days)).collect(),
        })
    }
}

fn row(name: &DatasetName, builds: &[&BuildRecord], days: &[Date]) -> Row {
    let href = format!("datasets/{name}.html");
    let on = |day: &Date| builds.iter().find(|build| build.process_date.date() == *day).map(|build| cell(build, &href));
    let cells = days.iter().map(on).collect();
    Row { name: name.to_string(), cells, href }
}

fn cell(build: &BuildRecord, page: &str) -> Cell {
    let (outcome, behind) = words::short(build);
    let behind = if behind.is_empty() { String::new() } else { format!(", {behind}") };
    let class = words::mark(&build.outcome);
    let took = written::duration(build.took());
    let runs = build.redrives + 1;
    let again = if runs > 1 { format!(", redriven {}", written::count(build.redrives.into(), "time", "times")) } else { String::new() };
    let day = written::short_date(build.process_date.date());
    Cell {
        class,
        tries: (runs > 1 && class == "done").then_some(runs),
        words: outcome.to_owned(),
        told: format!("{}, {day}: {}{behind}, {took}{again}", build.dataset, outcome.to_lowercase()),
        href: Some(format!("{page}#{}", build.process_date)),
    }
}
