//! What is told of a night or a dataset's build that did not end well: the same facts for the channel and for the mail.

use jiff::{SignedDuration, Timestamp};
use nightly_domain::execution::{Execution, Place};
use nightly_domain::night::{Step, StepState};
use nightly_domain::{DatasetName, Outcome, Plan, RunDate};
use nightly_pages::written;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cause::{Cause, JobRun};
use crate::record::Answer;
use crate::{Settings, links, words};

/// Step Functions forgets how to go on after that.
const REDRIVABLE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is known about an execution that did not end well. Stored with the night's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// Which of the execution's endings this is: how often it had been redriven.
    pub(crate) redrives: u32,
    /// The state that it failed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job_run: Option<JobRun>,
    /// How often its task was tried, since the last redrive.
    pub(crate) tries: u32,
    /// Until when a redrive goes on from there, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redrivable_until: Option<Timestamp>,
}

impl Trouble {
    /// Of an execution that ended like this at that place; nothing where it runs, or has succeeded.
    pub(crate) fn of(execution: &Execution, outcome: &Outcome, place: Option<&Place>) -> Option<Self> {
        use nightly_domain::history::ExecutionEnd;
        let ending = execution.ending.as_ref()?;
        let error = match &ending.end {
            ExecutionEnd::Failed { error } => Some(error.clone()),
            ExecutionEnd::Succeeded => return None,
            ExecutionEnd::TimedOut | ExecutionEnd::Aborted => None,
        };
        let Cause { sentence, job_run } = ending.cause.as_deref().map(Cause::read).unwrap_or_default();
        // A Fail state is entered again by a redrive, and fails again: it has no task.
        let decided = matches!(ending.end, ExecutionEnd::Failed { .. }) && place.is_none_or(|place| place.tries == 0);
        // Neither whose date it is nor what the input says changes by going on.
        let said = sentence.as_deref().and_then(|sentence| Some(sentence.split_once(':')?.0));
        let lasts = [error.as_deref(), said]
            .into_iter()
            .flatten()
            .any(|name| ["NightTakenOver", "DateTakenOver", "SourceChanged", "InvalidProcessDate", "SourceNotAllowed"].contains(&name));
        // Of a dataset the job reads those files that were checked, and no better ones: these are a new build's.
        let is_delivered_anew = place.is_some_and(|place| place.state == "IngestRaw")
            && said.is_some_and(|name| ["MalformedRow", "SourceMissing"].contains(&name));
        let goes_on = ending.redrivable && !decided && !lasts && !is_delivered_anew && *outcome != Outcome::Aborted;
        Some(Self {
            redrives: execution.redrives,
            state: place.map(|place| place.state.clone()),
            error,
            cause: sentence,
            job_run,
            tries: place.map_or(0, |place| place.tries),
            redrivable_until: goes_on.then(|| ending.at + REDRIVABLE),
        })
    }
}

/// What an execution builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// The warehouse's run date.
    Night,
    /// A process date of this dataset.
    Dataset(&'a DatasetName),
}

impl Subject<'_> {
    pub(crate) fn plan(self) -> &'static Plan {
        match self {
            Self::Night => Plan::of_the_night(),
            Self::Dataset(_) => Plan::of_a_dataset(),
        }
    }

    /// The page that has more about it, as a link says it.
    pub(crate) fn page_words(self) -> &'static str {
        match self {
            Self::Night => "The night",
            Self::Dataset(_) => "The builds",
        }
    }

    /// What the runbook calls an end of it.
    pub(crate) fn runbook_name<'a>(self, outcome: &Outcome, trouble: &'a Trouble) -> &'a str {
        let has_page = |name: &&str| links::RUNBOOK.contains(name);
        // Glue knows no error names: a job's message begins with it.
        let said = trouble.cause.as_deref().and_then(|cause| Some(cause.split_once(':')?.0)).filter(has_page);
        let error = trouble.error.as_deref().filter(has_page);
        match (outcome, self) {
            (Outcome::TimedOut, Self::Night) => "NightTimedOut",
            (Outcome::Aborted, Self::Night) => "NightAborted",
            (Outcome::TimedOut, Self::Dataset(_)) => "BuildTimedOut",
            (Outcome::Aborted, Self::Dataset(_)) => "BuildAborted",
            _ => error.or(said).unwrap_or("StepFailed"),
        }
    }

    /// The error as it is written for people: its own name, or what the job's message begins with.
    pub(crate) fn error_name<'a>(self, outcome: &Outcome, trouble: &'a Trouble) -> Option<&'a str> {
        let error = trouble.error.as_deref()?;
        let name = self.runbook_name(outcome, trouble);
        Some(if name == "StepFailed" { error } else { name })
    }
}

/// What the warehouse holds of the run date, or the dataset's table of the process date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "holds", content = "at", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Holds {
    /// This execution has published or built it, and counted it.
    Published(Option<Timestamp>),
    /// This execution has begun to write it.
    Perhaps,
    /// What another execution has published or built.
    Earlier(Timestamp),
    /// Nothing new. The newest day apart from it.
    Nothing(Option<RunDate>),
}

/// Everything that is told.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) subject: Subject<'a>,
    /// The run date or the process date. None where the input named none that is one.
    pub(crate) run_date: Option<RunDate>,
    pub(crate) outcome: &'a Outcome,
    pub(crate) execution: &'a Execution,
    pub(crate) ended_at: Timestamp,
    pub(crate) trouble: &'a Trouble,
    pub(crate) answer: Option<&'a Answer>,
    pub(crate) steps: &'a [Step],
    pub(crate) holds: Holds,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remedy {
    /// Words that end in a colon.
    pub(crate) words: String,
    /// A command to paste.
    pub(crate) command: String,
}

impl Account<'_> {
    /// `warehouse for 20 November 2026`, `orders for 20 November 2026`.
    pub(crate) fn what(&self) -> String {
        match (self.run_date, self.subject) {
            (Some(date), Subject::Night) => format!("warehouse for {}", written::long_date(date.date())),
            (Some(date), Subject::Dataset(name)) => format!("{name} for {}", written::long_date(date.date())),
            (None, Subject::Night) => "a night without a run date".to_owned(),
            (None, Subject::Dataset(name)) => format!("{name} without a process date"),
        }
    }

    /// What it failed in, as people and jobs know it, such as `enrich-currency`.
    pub(crate) fn step(&self) -> Option<String> {
        let state = self.trouble.state.as_deref()?;
        Some(self.subject.plan().of_state(state).map_or_else(|| state.to_owned(), |step| step.name.clone()))
    }

    /// `enrich-currency (5 of 11)`.
    pub(crate) fn step_of_all(&self) -> Option<String> {
        let name = self.step()?;
        let place = self.steps.iter().position(|step| step.node == name);
        Some(place.map_or_else(|| name.clone(), |place| format!("{name} ({} of {})", place + 1, self.steps.len())))
    }

    /// `01:41 UTC, 41 m after the start`.
    pub(crate) fn when(&self) -> String {
        let after = written::duration(self.ended_at.duration_since(self.execution.started_at));
        format!("{}, {after} after the start", written::time(self.ended_at))
    }

    /// What the runbook calls it.
    pub(crate) fn name(&self) -> &str {
        self.subject.runbook_name(self.outcome, self.trouble)
    }

    /// The error as it is written for people.
    pub(crate) fn error(&self) -> Option<&str> {
        self.subject.error_name(self.outcome, self.trouble)
    }

    pub(crate) fn log(&self) -> Option<String> {
        links::execution(&self.settings.environment, &self.execution.arn)
    }

    pub(crate) fn job_log(&self) -> Option<String> {
        let run = self.trouble.job_run.as_ref()?;
        links::job_log(&self.settings.environment, &self.execution.arn, &run.id)
    }

    pub(crate) fn runbook(&self) -> Option<String> {
        self.settings.runbook_url.as_ref().map(|url| url.page(self.name()))
    }

    pub(crate) fn page(&self) -> Option<String> {
        let (url, date) = self.settings.status_page_url.as_ref().zip(self.run_date)?;
        Some(match self.subject {
            Subject::Night => url.night(date),
            Subject::Dataset(name) => url.dataset(name),
        })
    }

    /// The steps that were stopped because the night ended elsewhere.
    pub(crate) fn stopped(&self) -> Vec<&str> {
        self.named(&StepState::Stopped)
    }

    /// The steps whose work stands.
    pub(crate) fn kept(&self) -> Vec<&str> {
        self.named(&StepState::Succeeded)
    }

    fn named(&self, state: &StepState) -> Vec<&str> {
        self.steps.iter().filter(|step| step.state == *state).map(|step| step.node.as_str()).collect()
    }

    /// What to do, as a command: a redrive where one goes on, else a new start. Nothing where the day is published, or is another's to
    /// build.
    pub(crate) fn remedy(&self) -> Option<Remedy> {
        if matches!(self.holds, Holds::Published(_)) || self.name() == "DateTakenOver" {
            return None;
        }
        let arn = &self.execution.arn;
        let is_delivered_anew =
            self.subject != Subject::Night && ["FileQuarantined", "SourceMissing", "MalformedRow"].contains(&self.name());
        let deliver = "Deliver the file, corrected, under the same name: its arrival starts a build.";
        if let Some(until) = self.trouble.redrivable_until {
            let day = written::long_date(until.to_zoned(jiff::tz::TimeZone::UTC).date());
            let day = day.rsplit_once(' ').map_or(day.as_str(), |(day, _)| day);
            let words = if is_delivered_anew {
                format!("{deliver} Or go on by hand (until {day}):")
            } else {
                format!("When the cause is gone, go on from the failed step (until {day}):")
            };
            return Some(Remedy { words, command: format!("aws stepfunctions redrive-execution --execution-arn {arn}") });
        }
        let words = match self.outcome {
            Outcome::Expired => "To ask again, build the day anew:".to_owned(),
            Outcome::Aborted => "To build the day after all:".to_owned(),
            _ if is_delivered_anew => format!("{deliver} Or build the day by hand:"),
            _ => "When the cause is gone, build the day anew:".to_owned(),
        };
        let machine = &self.execution.state_machine_arn;
        let command = format!("aws stepfunctions start-execution --state-machine-arn {machine} --input '{}'", self.new_input());
        Some(Remedy { words, command })
    }

    /// What builds the day from the beginning. A published one takes force.
    fn new_input(&self) -> Value {
        let date = self.run_date.map_or_else(|| "YYYY-MM-DD".to_owned(), |date| date.to_string());
        match (self.subject, self.holds) {
            (Subject::Night, Holds::Earlier(_)) => json!({"runDate": date, "startedBy": "YOUR MAIL ADDRESS", "force": true}),
            (Subject::Night, _) => json!({"runDate": date, "startedBy": "YOUR MAIL ADDRESS"}),
            (Subject::Dataset(_), _) => json!({"processDate": date, "startedBy": "YOUR MAIL ADDRESS"}),
        }
    }

    /// How it ended, as a sentence.
    pub(crate) fn ending(&self) -> String {
        let Some(date) = self.run_date else { return self.ending_without_a_date() };
        let day = written::weekday_date(date.date());
        let (whole, build) = match self.subject {
            Subject::Night => (format!("The night of {day}"), format!("The build of {day}")),
            Subject::Dataset(name) => (format!("The build of {name} for {day}"), format!("The delivery of {name} for {day}")),
        };
        match self.outcome {
            Outcome::Published | Outcome::Built => format!("{whole} was {}.", words::ended_as(self.outcome)),
            Outcome::Failed { .. } => format!("{whole} failed."),
            Outcome::QualityFailed => format!("{build} did not pass the quality gate."),
            Outcome::Rejected => match self.by() {
                Some(by) => format!("{build} was rejected by {by}."),
                None => format!("{build} was rejected."),
            },
            Outcome::Expired => format!("Too few approved the build of {day} in time."),
            Outcome::TimedOut => format!("{whole} took longer than it may, and was ended."),
            Outcome::Aborted => format!("{whole} was stopped by hand."),
        }
    }

    fn ending_without_a_date(&self) -> String {
        let at = written::time(self.execution.started_at);
        match self.subject {
            Subject::Night => format!("A night that was started at {at} failed: it has no run date."),
            Subject::Dataset(name) => format!("A build of {name} that was started at {at} failed: it has no process date."),
        }
    }

    /// Who rejected it.
    pub(crate) fn by(&self) -> Option<String> {
        self.answer.map(|answer| written::one_line(&answer.by))
    }

    /// What the warehouse or the table holds, as a sentence.
    pub(crate) fn warehouse(&self) -> String {
        match self.subject {
            Subject::Night => self.holds.in_the_warehouse(),
            Subject::Dataset(_) => self.holds.in_the_table(),
        }
    }
}

impl Holds {
    fn in_the_warehouse(self) -> String {
        match self {
            Self::Published(Some(at)) => format!("The warehouse holds the day all the same: it was published at {}.", written::moment(at)),
            Self::Published(None) => "The warehouse holds the day all the same: it was published before.".to_owned(),
            Self::Perhaps => "The warehouse may hold a part of the day: compare before anyone reads it.".to_owned(),
            Self::Earlier(at) => {
                format!("It published nothing; the warehouse keeps what another night published at {}.", written::moment(at))
            }
            Self::Nothing(Some(newest)) => {
                format!("Nothing was published; the warehouse keeps {}.", written::long_date(newest.date()))
            }
            Self::Nothing(None) => "Nothing was published.".to_owned(),
        }
    }

    pub(crate) fn in_the_table(self) -> String {
        match self {
            Self::Published(Some(at)) => format!("The table holds the day all the same: it was built at {}.", written::moment(at)),
            Self::Published(None) => "The table holds the day all the same: it was built before.".to_owned(),
            Self::Perhaps => "The table may hold a part of the day: compare before anyone reads it.".to_owned(),
            Self::Earlier(at) => format!("The table is as it was: it keeps what was built at {}.", written::moment(at)),
            Self::Nothing(_) => "The table is as it was.".to_owned(),
        }
    }
}
