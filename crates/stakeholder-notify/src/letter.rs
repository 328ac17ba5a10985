//! The mails to the stakeholders: plain text, and the answer first.

use std::fmt::Write;

use nightly_domain::Outcome;
use nightly_domain::execution::Execution;
use nightly_pages::written;

use crate::account::{Account, Holds, Subject};
use crate::datasets::record::BuildRecord;
use crate::record::NightRecord;
use crate::{Settings, datasets, words};

/// SNS takes no other subject: up to 100 ASCII characters.
const SUBJECT_CHARACTERS: usize = 100;

/// A mail before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// The mail about what did not end well.
pub(crate) fn ended(account: &Account<'_>) -> Letter {
    let mut text = Text::new(&format!("{} {}", account.ending(), account.warehouse()));
    let step = account.step_of_all();
    text.fact("Step", step.map(|step| format!("{step}, at {}", account.when())));
    if account.trouble.state.is_none() {
        text.fact("Ended", Some(account.when()));
    }
    let tries = account.trouble.tries;
    let after = if tries > 1 { format!(", after {tries} tries") } else { String::new() };
    text.fact("Error", account.error().map(|error| format!("{error}{after}")));
    text.fact("Cause", account.trouble.cause.clone());
    text.fact("Reason", account.answer.and_then(|answer| answer.reason.as_deref()).map(written::one_line));
    text.fact("Stopped with it", Some(account.stopped().join(", ")));
    text.fact("Kept", Some(account.kept().join(", ")));
    text.gap();
    text.fact("What it means and what to do", account.runbook());
    text.fact("Log", account.log());
    text.fact("Log of the job", account.job_log());
    text.fact(if account.subject == Subject::Night { "Night" } else { "Builds" }, account.page());
    if let Some(remedy) = account.remedy() {
        text.gap();
        text.line(&remedy.words);
        text.line(&remedy.command);
    }
    text.signature(account.settings, account.execution);
    Letter { subject: subject(&headline(account), account.run_date, &account.settings.environment), text: text.0 }
}

/// The mail about a night that came to what it was to come to.
pub(crate) fn of(night: &NightRecord, settings: &Settings) -> Letter {
    let day = written::weekday_date(night.run_date.date());
    let took = written::duration(night.took());
    let at = written::time(night.ended_at);
    let is_published = night.outcome == Outcome::Published;
    let mut text = if is_published {
        let mut text = Text::new(&format!("The warehouse holds {day} since {at}, after {took}."));
        text.line(&format!("Approved by {}.", night.people()));
        text
    } else {
        Text::new(&format!("The build of {day} has passed the quality gate at {at}, after {took}. It was not to be published."))
    };
    if let Some(recovered) = night.recovered_from.as_ref().map(words::recovered) {
        text.line(&recovered);
    }
    text.gap();
    for (name, value) in words::figures(night) {
        text.fact(name, Some(value));
    }
    if let Some(url) = &settings.status_page_url {
        text.gap();
        text.fact("Night", Some(url.night(night.run_date)));
        text.fact("Status page", Some(url.to_string()));
    }
    text.end(&night.environment, &night.run_id);
    let headline = if is_published { "Published: the warehouse" } else { "Built, not published" };
    Letter { subject: subject(headline, Some(night.run_date), &settings.environment), text: text.0 }
}

/// The mail about a dataset's build that is done.
pub(crate) fn built(build: &BuildRecord, settings: &Settings) -> Letter {
    let mut text = Text::new(&format!("{} {}", datasets::words::held(build), datasets::words::done(build)));
    if let Some(recovered) = build.recovered() {
        text.line(&recovered);
        text.gap();
    }
    for (name, value) in datasets::words::figures(build) {
        text.fact(name, Some(value));
    }
    if let Some(url) = &settings.status_page_url {
        text.gap();
        text.fact("Builds", Some(url.dataset(&build.dataset)));
        text.fact("Status page", Some(url.to_string()));
    }
    text.end(&build.environment, &build.run_id);
    Letter { subject: subject(&format!("Built: {}", build.dataset), Some(build.process_date), &build.environment), text: text.0 }
}

/// What ended how, in a few words.
fn headline(account: &Account<'_>) -> String {
    let (done, not_done, of) = match account.subject {
        Subject::Night => ("Published", "Not published", String::new()),
        Subject::Dataset(name) => ("Built", "Not built", format!("{name}, ")),
    };
    if let Holds::Published(_) = account.holds {
        let ended = words::ended_as(account.outcome);
        return match account.subject {
            Subject::Night => format!("{done}, then {ended}"),
            Subject::Dataset(name) => format!("{done}, then {ended}: {name}"),
        };
    }
    match account.outcome {
        Outcome::Failed { error, .. } => {
            let error = account.error().unwrap_or(error);
            // An ending that a state of the same name decides on says all in one word.
            match account.step().filter(|step| step != error) {
                Some(step) => format!("FAILED: {of}{step}, {error}"),
                None => format!("FAILED: {of}{error}"),
            }
        }
        Outcome::QualityFailed => format!("FAILED: {of}quality gate"),
        Outcome::Rejected => format!("{not_done}: {of}rejected"),
        Outcome::Expired => format!("{not_done}: {of}no answer in time"),
        Outcome::TimedOut => format!("FAILED: {of}the {} took too long", if account.subject == Subject::Night { "night" } else { "build" }),
        Outcome::Aborted => format!("{not_done}: {of}stopped by hand"),
        Outcome::Published | Outcome::Built => done.to_owned(),
    }
}

fn subject(headline: &str, run_date: Option<nightly_domain::RunDate>, environment: &str) -> String {
    let date = run_date.map(|date| format!(", {} {}", written::short_date(date.date()), date.date().year())).unwrap_or_default();
    let rest = format!("{date} ({environment})");
    let ascii: String = headline.chars().filter(char::is_ascii).collect();
    // An ellipsis of three full stops takes the place of one character.
    let headline = written::shortened(&ascii, SUBJECT_CHARACTERS.saturating_sub(rest.len() + 2)).replace('…', "...");
    format!("{headline}{rest}")
}

/// Lines, without a fact that nobody knows and without two gaps in a row.
struct Text(String);

impl Text {
    fn new(first: &str) -> Self {
        let mut text = Self(String::new());
        text.line(first);
        text.gap();
        text
    }

    fn line(&mut self, line: &str) {
        writeln!(self.0, "{}", written::plain(line)).expect("text grows");
    }

    fn fact(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.line(&format!("{name}: {value}"));
        }
    }

    fn gap(&mut self) {
        if !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    fn signature(&mut self, settings: &Settings, execution: &Execution) {
        self.end(&settings.environment, execution.run_id());
    }

    fn end(&mut self, environment: &str, run_id: &str) {
        self.gap();
        self.line(&format!("nightly-warehouse {environment}, execution {}", written::one_line(run_id)));
    }
}
