//! One execution as a whole: what began it, and how it ended.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::history::{EventKind, ExecutionEnd, HistoryEvent};
use crate::{Flag, Outcome, RunDate};

/// An execution of a state machine, as `DescribeExecution` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its ARN. The last part is its name, which is the run id.
    pub arn: String,
    /// The state machine that it runs.
    pub state_machine_arn: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What it was started with: JSON.
    pub input: String,
    /// How often it was redriven.
    pub redrives: u32,
    /// How it ended; nothing while it runs.
    pub ending: Option<Ending>,
}

/// How an execution ended, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub end: ExecutionEnd,
    /// When.
    pub at: Timestamp,
    /// Why, in whatever words the failed task or whoever stopped it has found.
    pub cause: Option<String>,
    /// Whether a redrive goes on from there.
    pub redrivable: bool,
}

/// A state that an execution ended in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The state's name.
    pub state: String,
    /// When it began, for the last time.
    pub entered_at: Timestamp,
    /// How often its task was tried since then, or since the last redrive; 0 where it has none.
    pub tries: u32,
}

impl Execution {
    /// Its name.
    pub fn run_id(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or(&self.arn)
    }

    /// What its input has it leave out; nothing where the definition has refused the input.
    pub fn flags(&self) -> Vec<Flag> {
        let refused = ["InvalidRunDate", "InvalidFlag", "FlagNotAllowed"];
        let end = self.ending.as_ref().map(|ending| &ending.end);
        if matches!(end, Some(ExecutionEnd::Failed { error }) if refused.contains(&error.as_str())) {
            return Vec::new();
        }
        Flag::of_input(&self.read_input())
    }

    /// The run date that the definition's `ResolveRun` and `CheckRunDate` find: what the input names, else the day before the scheduled
    /// time, else the day before the start (UTC). `None` where they refuse it.
    pub fn run_date(&self) -> Option<RunDate> {
        let input = self.read_input();
        let date = match input.get("runDate") {
            Some(named) => RunDate::parse(named.as_str()?).ok()?,
            None => self.day_before(&input)?,
        };
        (date.date() < self.started_on()).then_some(date).filter(|date| is_in_range(*date))
    }

    /// The process date that a dataset's `ResolveInput` and `CheckSource` find: what the input names, else that of the folder of the
    /// file that has arrived, else the day before, as of a night. `None` where they refuse it.
    pub fn process_date(&self) -> Option<RunDate> {
        let input = self.read_input();
        let folder = || Some(input.get("source")?.as_str()?.split_once("/process_date=")?.1.split('/').next().unwrap_or_default());
        let date = match (input.get("processDate"), folder()) {
            (Some(named), _) => RunDate::parse(named.as_str()?).ok()?,
            (None, Some(folder)) => RunDate::parse(folder).ok()?,
            (None, None) => self.day_before(&input)?,
        };
        (date.date() <= self.started_on()).then_some(date).filter(|date| is_in_range(*date))
    }

    /// Who began it, as a dataset's `ResolveInput` finds: whoever the input names, else the schedule; empty where nobody is named.
    pub fn started_by(&self) -> String {
        let input = self.read_input();
        match (input.get("startedBy"), input.get("scheduledTime")) {
            (Some(named), _) => named.as_str().map_or_else(|| named.to_string(), str::to_owned),
            (None, Some(_)) => "schedule".to_owned(),
            (None, None) => String::new(),
        }
    }

    fn read_input(&self) -> Value {
        serde_json::from_str(&self.input).unwrap_or_default()
    }

    fn started_on(&self) -> Date {
        self.started_at.to_zoned(TimeZone::UTC).date()
    }

    /// The day before the scheduled time, else before the start.
    fn day_before(&self, input: &Value) -> Option<RunDate> {
        let day = match input.get("scheduledTime") {
            Some(scheduled) => {
                let due: Timestamp = scheduled.as_str().filter(|text| text.ends_with('Z'))?.parse().ok()?;
                due.to_zoned(TimeZone::UTC).date()
            }
            None => self.started_on(),
        };
        Some(RunDate::from(day.checked_sub(1.day()).ok()?))
    }
}

fn is_in_range(date: RunDate) -> bool {
    (1000..3000).contains(&date.date().year())
}

impl Outcome {
    /// What an execution that ended like this, in this state, is called. `None` for one that succeeded: its own notice says what it did.
    pub fn of_bad_ending(end: &ExecutionEnd, place: Option<&Place>) -> Option<Self> {
        Some(match end {
            ExecutionEnd::Succeeded => return None,
            ExecutionEnd::TimedOut => Self::TimedOut,
            ExecutionEnd::Aborted => Self::Aborted,
            // The Fail states of these names are the only ones who raise them.
            ExecutionEnd::Failed { error } => match error.as_str() {
                "QualityFailed" => Self::QualityFailed,
                "ApprovalRejected" => Self::Rejected,
                "ApprovalExpired" => Self::Expired,
                _ => Self::Failed { state: place.map(|place| place.state.clone()).unwrap_or_default(), error: error.clone() },
            },
        })
    }
}

/// The state that the execution failed in: the first that was entered on the way back from its end. `None` where it did not fail in a
/// state, since it was stopped or took too long.
pub fn place_of_failure(history: &[HistoryEvent]) -> Option<Place> {
    let end = history.iter().rposition(|event| matches!(event.kind, EventKind::Ended(ExecutionEnd::Failed { .. })))?;
    let history = &history[..=end];
    let redriven = history.iter().rev().find(|event| event.kind == EventKind::Redriven).map_or(0, |event| event.id);
    let event = |id: i64| history.binary_search_by_key(&id, |event| event.id).ok().map(|place| &history[place]);
    let mut tries = 0;
    let mut before = history[end].previous_id;
    // Each event follows an earlier one.
    while let Some(event) = event(before).filter(|event| event.previous_id < event.id) {
        match &event.kind {
            EventKind::Tried if event.id > redriven => tries += 1,
            EventKind::Entered { state } => return Some(Place { state: state.clone(), entered_at: event.at, tries }),
            _ => {}
        }
        before = event.previous_id;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::read_json;

    fn execution(input: &str) -> Execution {
        Execution {
            arn: "arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-night:2026-11-20-a1".to_owned(),
            state_machine_arn: "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-night".to_owned(),
            started_at: "2026-11-21T01:00:03.123Z".parse().unwrap(),
            input: input.to_owned(),
            redrives: 0,
            ending: None,
        }
    }

    #[test]
    fn the_run_date_is_in_the_input_or_the_day_before() {
        for (input, date) in [
            (r#"{"runDate":"2026-11-18"}"#, Some("2026-11-18")),
            (r#"{"scheduledTime":"2026-11-21T01:00:00Z"}"#, Some("2026-11-20")),
            (r#"{"scheduledTime":"2026-03-01T00:00:00Z"}"#, Some("2026-02-28")),
            ("{}", Some("2026-11-20")),
            ("[]", Some("2026-11-20")),
            ("no JSON", Some("2026-11-20")),
            (r#"{"runDate":"2026-02-30"}"#, None),
            (r#"{"runDate":20261118}"#, None),
            (r#"{"runDate":"2026-11-21"}"#, None),
            (r#"{"scheduledTime":"tomorrow"}"#, None),
        ] {
            assert_eq!(execution(input).run_date().map(|date| date.to_string()).as_deref(), date, "{input}");
        }
        assert_eq!(execution("{}").run_id(), "2026-11-20-a1");
    }

    #[test]
    fn the_process_date_is_in_the_input_or_its_file_or_the_day_before() {
        for (input, date) in [
            (r#"{"processDate":"2026-11-18","source":"s3://raw/datasets/orders/process_date=2026-11-17/a.csv"}"#, Some("2026-11-18")),
            (r#"{"source":"s3://raw/datasets/orders/process_date=2026-11-17/a.csv","startedBy":"arrival"}"#, Some("2026-11-17")),
            (r#"{"source":"s3://raw/datasets/orders/process_date=2026-11-21/a.csv"}"#, Some("2026-11-21")),
            (r#"{"source":"s3://raw/datasets/orders/process_date=2026-11-22/a.csv"}"#, None),
            (r#"{"source":"s3://raw/datasets/orders/process_date=today/a.csv"}"#, None),
            (r#"{"source":"s3://raw/other.csv"}"#, Some("2026-11-20")),
            (r#"{"scheduledTime":"2026-11-21T06:00:00Z"}"#, Some("2026-11-20")),
            (r#"{"scheduledTime":"noon"}"#, None),
            (r#"{"processDate":20261118}"#, None),
            ("{}", Some("2026-11-20")),
        ] {
            assert_eq!(execution(input).process_date().map(|date| date.to_string()).as_deref(), date, "{input}");
        }
    }

    #[test]
    fn a_build_is_started_by_whom_its_input_names() {
        for (input, by) in [
            (r#"{"startedBy":"arrival","source":"s3://raw/a.csv"}"#, "arrival"),
            (r#"{"scheduledTime":"2026-11-21T06:00:00Z"}"#, "schedule"),
            (r#"{"startedBy":7}"#, "7"),
            ("{}", ""),
        ] {
            assert_eq!(execution(input).started_by(), by, "{input}");
        }
    }

    #[test]
    fn a_failure_is_placed_in_its_branch_with_its_tries() {
        for (history, expected) in [
            (include_str!("../histories/rates-unavailable.json"), Some(("EnrichCurrency", "2026-11-21T01:37:54Z", 3))),
            (include_str!("../histories/rejected.json"), Some(("ApprovalRejected", "2026-11-21T02:40:00Z", 0))),
            (include_str!("../histories/aborted.json"), None),
            (include_str!("../histories/published.json"), None),
        ] {
            let place = place_of_failure(&read_json(history).unwrap());
            let found = place.as_ref().map(|place| {
                let entered_at = place.entered_at.round(jiff::Unit::Second).unwrap().to_string();
                (place.state.as_str(), entered_at, place.tries)
            });
            assert_eq!(found, expected.map(|(state, at, tries)| (state, at.to_owned(), tries)));
        }
    }

    #[test]
    fn after_a_redrive_only_its_own_tries_count() {
        let mut history = read_json(include_str!("../histories/rates-unavailable.json")).unwrap();
        let last = history.last().unwrap().clone();
        for (step, kind) in [EventKind::Redriven, EventKind::Tried, EventKind::Passed, last.kind.clone()].into_iter().enumerate() {
            let id = last.id + 1 + i64::try_from(step).unwrap();
            // The task goes on where it has failed.
            let previous_id = if step == 1 { 53 } else { id - 1 };
            history.push(HistoryEvent { id, previous_id, at: last.at, kind });
        }
        assert_eq!(place_of_failure(&history).unwrap().tries, 1);
    }

    #[test]
    fn an_outcome_is_called_by_the_state_that_decided() {
        let failed = |error: &str| ExecutionEnd::Failed { error: error.to_owned() };
        let place = Place { state: "ApplyFx".to_owned(), entered_at: Timestamp::UNIX_EPOCH, tries: 2 };
        for (end, expected) in [
            (failed("QualityFailed"), Some(Outcome::QualityFailed)),
            (failed("ApprovalRejected"), Some(Outcome::Rejected)),
            (failed("ApprovalExpired"), Some(Outcome::Expired)),
            (failed("States.TaskFailed"), Some(Outcome::Failed { state: "ApplyFx".to_owned(), error: "States.TaskFailed".to_owned() })),
            (ExecutionEnd::TimedOut, Some(Outcome::TimedOut)),
            (ExecutionEnd::Aborted, Some(Outcome::Aborted)),
            (ExecutionEnd::Succeeded, None),
        ] {
            assert_eq!(Outcome::of_bad_ending(&end, Some(&place)), expected);
        }
    }
}
