//! What a night's outcome is called, on the page and in Slack. Only what is true when it is written.

use nightly_domain::evidence::Quality;
use nightly_domain::{Outcome, Plan, RunDate};
use nightly_pages::{Icon, written};

use crate::record::NightRecord;

/// A sentence or two around the run date, which stands out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) before: &'static str,
    pub(crate) date: String,
    pub(crate) after: String,
}

/// Red is for failures. A person's no, or silence, is none.
pub(crate) fn tone(outcome: &Outcome) -> Icon {
    match outcome {
        Outcome::Published => Icon::Ok,
        Outcome::QualityFailed | Outcome::Failed { .. } | Outcome::TimedOut => Icon::Bad,
        Outcome::Rejected | Outcome::Expired | Outcome::Aborted => Icon::Note,
    }
}

pub(crate) fn headline(night: &NightRecord) -> String {
    let ended = match &night.outcome {
        Outcome::Published => return format!("Published at {}", written::time(night.ended_at)),
        Outcome::QualityFailed => "the quality gate failed".to_owned(),
        Outcome::Rejected => format!("rejected by {}", night.people()),
        Outcome::Expired => "nobody decided in time".to_owned(),
        Outcome::Failed { state, .. } => format!("{} failed", place(state)),
        Outcome::TimedOut => "the night took too long".to_owned(),
        Outcome::Aborted => "the night was stopped by hand".to_owned(),
    };
    if night.touched_the_warehouse() { format!("Perhaps published in part: {ended}") } else { format!("Not published: {ended}") }
}

pub(crate) fn lead(night: &NightRecord, newest_published: Option<RunDate>) -> Lead {
    let at = written::time(night.ended_at);
    let (before, what) = match &night.outcome {
        Outcome::Published => {
            let took = written::duration(night.took());
            let after = format!(". The night took {took} and was approved by {}.", night.people());
            return Lead { before: "The warehouse now holds ", date: written::weekday_date(night.run_date.date()), after };
        }
        Outcome::QualityFailed => ("The build of ", format!(" was stopped at {at}, before anyone was asked to approve it.")),
        Outcome::Rejected => {
            let reason = night.answer.as_ref().and_then(|answer| answer.reason.as_deref());
            let why = reason.map_or_else(|| ".".to_owned(), |reason| format!(": “{reason}”"));
            ("The build of ", format!(" was turned down at {at}{why}"))
        }
        Outcome::Expired => ("The question about ", format!(" closed at {at} without enough answers.")),
        Outcome::Failed { error, .. } => ("The night of ", format!(" ended at {at} with {error}.")),
        Outcome::TimedOut => ("The night of ", format!(" was ended at {at}, after {}.", written::duration(night.took()))),
        Outcome::Aborted => ("The night of ", format!(" was ended at {at}.")),
    };
    let rest = if night.touched_the_warehouse() {
        " The warehouse may hold a part of it: compare before anyone reads it.".to_owned()
    } else {
        let newest = newest_published.map(|date| format!(" The newest published day is {}.", written::long_date(date.date())));
        newest.unwrap_or_default()
    };
    Lead { before, date: written::weekday_date(night.run_date.date()), after: what + &rest }
}

/// One line for a list of nights: what it is called, and what is behind it.
pub(crate) fn short(night: &NightRecord) -> (&'static str, String) {
    match &night.outcome {
        Outcome::Published => ("Published", format!("by {}", night.people())),
        Outcome::QualityFailed => {
            ("Not published", format!("Quality gate: {}", night.quality.as_ref().map(failed_rules).unwrap_or_default()))
        }
        Outcome::Rejected => ("Rejected", format!("by {}", night.people())),
        Outcome::Expired => ("Expired", "nobody decided in time".to_owned()),
        Outcome::Failed { state, error } => ("Failed", format!("{error} in {}", place(state))),
        Outcome::TimedOut => ("Timed out", String::new()),
        Outcome::Aborted => ("Stopped", "by hand".to_owned()),
    }
}

/// `2 of 8 rules failed`.
pub(crate) fn failed_rules(quality: &Quality) -> String {
    format!("{} of {} failed", quality.rules.len() - quality.passed(), written::count(quality.rules.len() as u64, "rule", "rules"))
}

/// `1 day older than the run date`, from how many days older it is.
pub(crate) fn age(days: i32) -> String {
    let count = written::count(days.unsigned_abs().into(), "day", "days");
    match days {
        0 => "of the run date itself".to_owned(),
        1.. => format!("{count} older than the run date"),
        _ => format!("{count} newer than the run date"),
    }
}

/// The step that a state works for, by its title; else the state's own name.
fn place(state: &str) -> String {
    Plan::of_the_night().of_state(state).map_or_else(|| state.to_owned(), |step| step.title.clone())
}
