//! What a night's outcome is called, on the page and in Slack. Only what is true when it is written.

use nightly_domain::evidence::Quality;
use nightly_domain::{Flag, Outcome, Plan, RunDate};
use nightly_pages::{Icon, written};

use crate::record::{NightRecord, Recovered};

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
        Outcome::Rejected | Outcome::Expired | Outcome::Aborted | Outcome::Built => Icon::Note,
    }
}

pub(crate) fn headline(night: &NightRecord) -> String {
    let ended = match &night.outcome {
        Outcome::Published => return format!("Published at {}", written::time(night.ended_at)),
        Outcome::Built => "it was only to be built".to_owned(),
        Outcome::QualityFailed => "the quality gate failed".to_owned(),
        Outcome::Rejected => format!("rejected{}", by(night)),
        Outcome::Expired => "nobody decided in time".to_owned(),
        Outcome::Failed { state, .. } => format!("{} failed", place(state)),
        Outcome::TimedOut => "the night took too long".to_owned(),
        Outcome::Aborted => "the night was stopped by hand".to_owned(),
    };
    if night.published_at.is_some() {
        format!("Published, and then: {ended}")
    } else if night.touched_the_warehouse() {
        format!("Perhaps published in part: {ended}")
    } else {
        format!("Not published: {ended}")
    }
}

pub(crate) fn lead(night: &NightRecord, newest_published: Option<RunDate>) -> Lead {
    let at = written::time(night.ended_at);
    let (before, what) = match &night.outcome {
        Outcome::Published => {
            let took = written::duration(night.took());
            let after = format!(". The night took {took} and was approved by {}.", night.people());
            return Lead { before: "The warehouse now holds ", date: written::weekday_date(night.run_date.date()), after };
        }
        Outcome::Built => ("The build of ", format!(" has passed the quality gate at {at}, and its input left out publishing it.")),
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
    let rest = if let Some(at) = night.published_at {
        format!(" The warehouse holds the day all the same: it was published at {}.", written::moment(at))
    } else if night.touched_the_warehouse() {
        " The warehouse may hold a part of it: compare before anyone reads it.".to_owned()
    } else if let Some(at) = night.published_before {
        format!(" The warehouse keeps what another night published at {}.", written::moment(at))
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
        Outcome::Built => ("Built", format!("not to be published ({})", Flag::SkipPublish)),
        Outcome::QualityFailed => {
            ("Not published", format!("Quality gate: {}", night.quality.as_ref().map_or_else(|| "failed".to_owned(), failed_rules)))
        }
        Outcome::Rejected => ("Rejected", by(night).trim_start().to_owned()),
        Outcome::Expired => ("Expired", "nobody decided in time".to_owned()),
        Outcome::Failed { state, error } if state.is_empty() => ("Failed", error.clone()),
        Outcome::Failed { state, error } => ("Failed", format!("{error} in {}", place(state))),
        Outcome::TimedOut => ("Timed out", String::new()),
        Outcome::Aborted => ("Stopped", "by hand".to_owned()),
    }
}

/// How it ended, as a word or two behind «it was told as».
pub(crate) fn ended_as(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Published => "published",
        Outcome::Built => "built and not published",
        Outcome::Failed { .. } => "failed",
        Outcome::QualityFailed => "stopped by the quality gate",
        Outcome::Rejected => "rejected",
        Outcome::Expired => "not approved in time",
        Outcome::TimedOut => "timed out",
        Outcome::Aborted => "stopped by hand",
    }
}

/// What the night's input had it leave out.
pub(crate) fn left_out(night: &NightRecord) -> Option<String> {
    let what = |flag: &Flag| match flag {
        Flag::SkipApproval => "the approval (skipApproval)",
        Flag::SkipPublish => "publishing (skipPublish)",
        Flag::SkipNotify => "telling Slack and the mailing list (skipNotify)",
    };
    let parts: Vec<_> = night.flags.iter().map(what).collect();
    (!parts.is_empty()).then(|| format!("Its input left out {}.", written::list(&parts)))
}

/// That what was told as failed has come to what it was to come to after all.
pub(crate) fn recovered(Recovered { outcome, told_at }: &Recovered) -> String {
    format!("It has recovered: it was told as {} at {}.", ended_as(outcome), written::moment(*told_at))
}

/// The night's figures, by name.
pub(crate) fn figures(night: &NightRecord) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(summary) = &night.summary {
        fields.push(("Revenue", format!("{} {}", written::whole(summary.revenue_base), summary.base_currency)));
        fields.push(("Order lines", written::integer(summary.order_lines)));
    }
    fields.extend(night.quality.as_ref().map(quality));
    if let (Some(summary), Some(days)) = (&night.summary, night.rates_age_days()) {
        let day = written::short_date(summary.rates.effective_date);
        fields.push(("Exchange rates", format!("{}, {day} ({})", summary.rates.source, age(days))));
    }
    fields
}

/// `8 of 8 rules`, by its name.
pub(crate) fn quality(quality: &Quality) -> (&'static str, String) {
    ("Quality gate", format!("{} of {}", quality.passed(), written::count(quality.rules.len() as u64, "rule", "rules")))
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

/// ` by B. Osei`, where it is known.
fn by(night: &NightRecord) -> String {
    let people = night.people();
    if people.is_empty() { people } else { format!(" by {people}") }
}

/// The step that a state works for, by its title; else the state's own name. Where nobody knows the state, all of it.
fn place(state: &str) -> String {
    if state.is_empty() {
        return "the night".to_owned();
    }
    Plan::of_the_night().of_state(state).map_or_else(|| state.to_owned(), |step| step.title.clone())
}
