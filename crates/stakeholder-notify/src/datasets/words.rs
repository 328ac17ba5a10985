//! What a build's outcome is called, on the page, in Slack and by mail. Only what is true when it is written.

use nightly_domain::Outcome;
use nightly_pages::{Icon, written};

use crate::datasets::record::{BuildRecord, Built};
use crate::words::{self, Lead};

/// Of somebody who is no person but an ARN, as much as is needed to know it again.
const STARTER_CHARACTERS: usize = 80;

/// Red is for failures. What somebody has stopped is none.
pub(crate) fn tone(outcome: &Outcome) -> Icon {
    match outcome {
        Outcome::Built => Icon::Ok,
        other => words::tone(other),
    }
}

/// The mark of an outcome, by its class.
pub(crate) fn mark(outcome: &Outcome) -> &'static str {
    match tone(outcome) {
        Icon::Ok => "done",
        Icon::Bad => "failed",
        _ => "stopped",
    }
}

/// Behind the dataset's name and a colon.
pub(crate) fn headline(build: &BuildRecord) -> String {
    match &build.outcome {
        Outcome::Built => format!("built at {}", written::time(build.ended_at)),
        Outcome::QualityFailed => "the quality gate failed".to_owned(),
        Outcome::TimedOut => "the build took too long".to_owned(),
        Outcome::Aborted => "the build was stopped by hand".to_owned(),
        _ => format!("{} failed", build.step().unwrap_or_else(|| "the build".to_owned())),
    }
}

pub(crate) fn lead(build: &BuildRecord) -> Lead {
    let date = written::weekday_date(build.process_date.date());
    let Some(made) = &build.built else {
        let table = build.table.map(|holds| format!(" {}", holds.in_the_table())).unwrap_or_default();
        let what = match build.error() {
            Some(error) => format!(" ended at {} with {error}, {}.", written::time(build.ended_at), started(build)),
            None => format!(" was ended at {}, after {}.", written::time(build.ended_at), written::duration(build.took())),
        };
        return Lead { before: "The build of ", date, after: what + &table };
    };
    let after = format!(": {} in {}.", rows_in_partitions(made), made.table);
    Lead { before: "The table holds ", date, after: format!("{after} {}", done(build)) }
}

/// One line for a list of builds: what it is called, and what is behind it.
pub(crate) fn short(build: &BuildRecord) -> (&'static str, String) {
    match &build.outcome {
        Outcome::Built => ("Built", String::new()),
        Outcome::QualityFailed => {
            let failed = build.quality.as_ref().map_or_else(|| "failed".to_owned(), words::failed_rules);
            ("Not built", format!("Quality gate: {failed}"))
        }
        Outcome::TimedOut => ("Timed out", String::new()),
        Outcome::Aborted => ("Stopped", "by hand".to_owned()),
        _ => {
            let error = build.error().unwrap_or_default();
            ("Failed", build.step().filter(|step| step != error).map_or_else(|| error.to_owned(), |step| format!("{error} in {step}")))
        }
    }
}

/// `The table sales.orders_curated holds Friday 20 November 2026 of orders.`
pub(crate) fn held(build: &BuildRecord) -> String {
    let table = build.built.as_ref().map(|built| format!(" {}", built.table)).unwrap_or_default();
    format!("The table{table} holds {}.", build.what())
}

/// `Built at 06:05 UTC, after 5 m 12 s, started by the schedule.`
pub(crate) fn done(build: &BuildRecord) -> String {
    format!("Built at {}, after {}, {}.", written::time(build.ended_at), written::duration(build.took()), started(build))
}

fn started(build: &BuildRecord) -> String {
    match build.started_by.as_str() {
        "" => "started by hand".to_owned(),
        "arrival" => "started by the arrival of a file".to_owned(),
        "schedule" => "started by the schedule".to_owned(),
        _ => format!("started by {}", starter(build)),
    }
}

/// Who or what began it, in a word.
pub(crate) fn starter(build: &BuildRecord) -> String {
    match build.started_by.as_str() {
        "" => "by hand".to_owned(),
        named => written::shortened(&written::one_line(named), STARTER_CHARACTERS),
    }
}

/// The build's figures, by name.
pub(crate) fn figures(build: &BuildRecord) -> Vec<(&'static str, String)> {
    let mut figures = Vec::new();
    if let Some(built) = &build.built {
        figures.push(("Rows", rows_in_partitions(built)));
        if let Some(counts) = &built.counts {
            figures.push(("Delivered", written::count(counts.rows, "row", "rows")));
            figures.push(("Duplicates", written::integer(counts.duplicates)));
            figures.push(("Late", written::integer(counts.late)));
            figures.push(("Malformed", written::integer(counts.malformed)));
        }
    }
    figures.extend(build.quality.as_ref().map(words::quality));
    figures
}

fn rows_in_partitions(built: &Built) -> String {
    let partitions = written::count(built.partitions.len() as u64, "partition", "partitions");
    format!("{} in {partitions}", written::count(built.rows, "row", "rows"))
}
