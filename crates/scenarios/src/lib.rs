//! Executions as data: a definition, an input, what its tasks reply and when, and what must come of it.
//!
//! `tests/scenarios/*.json` are such scenarios of our own definitions. [`Scenario::run`] runs one under virtual time;
//! [`trials`] makes of its states, one by one, the requests that AWS's TestState takes. How a file is written, by example:
//!
//! ```json
//! {
//!   "name": "published",
//!   "about": "The night as it should be.",
//!   "definition": "statemachine/nightly-warehouse.asl.json",
//!   "substitutions": {"ApprovalTimeoutSeconds": "3600"},
//!   "input": {"runDate": "2026-11-20"},
//!   "start": "2026-11-21T01:00:00Z",
//!   "replies": [
//!     {"state": "ExtractOrders", "submitted": {"JobRunId": "jr_1"}, "after_seconds": 300, "result": {"Id": "jr_1"}},
//!     {"state": "ReadQualityRun", "times": 3, "result": {"Status": "RUNNING"}},
//!     {"state": "EnrichCurrency", "after_seconds": 2, "error": "RatesUnavailable", "cause": "503"},
//!     {"state": "ManualApproval", "beats_every_seconds": 300, "silent": true}
//!   ],
//!   "interventions": [{"after_seconds": 600, "stop": {"error": "Stopped", "cause": "By hand."}}],
//!   "expected": {"path": ["ResolveRun"], "status": "ABORTED", "error": "Stopped", "after_seconds": 600, "events": ["ExecutionStarted"]}
//! }
//! ```
//!
//! A `${Placeholder}` that `substitutions` leaves out stands for its own name. Replies to one state are used in the order of
//! their lines, each as often as `times` says, and none may be left over. `"otherwise": "published"` lends the replies of that
//! scenario, in the same folder, for every state that has no line here; those may be left over.

mod run;
mod trials;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightly_asl::Failure;
use serde::Deserialize;
use serde_json::Value;

pub use run::{Call, Run, RunError};
pub use trials::{Difference, Trial, trials};

/// One scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called; also its file's and its execution's name.
    pub name: String,
    /// What it shows, for people.
    pub about: String,
    /// The definition: a path from the repository's root, or the definition itself.
    pub definition: Definition,
    /// What stands for the definition's `${…}`.
    #[serde(default)]
    pub substitutions: BTreeMap<String, String>,
    /// The execution's input.
    pub input: Value,
    /// When it starts.
    pub start: Timestamp,
    /// What the tasks reply.
    #[serde(default)]
    pub replies: Vec<Reply>,
    /// The scenario whose replies count for the states that have none here.
    otherwise: Option<String>,
    /// What people do to the execution meanwhile.
    #[serde(default)]
    pub interventions: Vec<Intervention>,
    /// What must come of it.
    pub expected: Expected,
}

/// Where a scenario's definition is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Definition {
    /// In this file of the repository.
    File(PathBuf),
    /// Here.
    Inline(Value),
}

/// What a task replies each time that a state calls it.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ReplyLine")]
pub struct Reply {
    /// The state that calls.
    pub state: String,
    /// How often this is the reply.
    pub times: u32,
    /// What a job's call or a call with a task token answers at once.
    pub submitted: Option<Value>,
    /// How often somebody beats for the task until it ends.
    pub beats_every_seconds: Option<u32>,
    /// When the reply comes, after the call.
    pub after_seconds: u32,
    /// The reply.
    pub answer: Answer,
    /// Whether it may be left over: it was lent by another scenario.
    pub lent: bool,
}

/// How a task ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Well.
    Result(Value),
    /// It fails.
    Failure(Failure),
    /// Not at all: it times out, or is stopped.
    Silence,
}

/// Something that people do to the execution.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "InterventionLine")]
pub struct Intervention {
    /// When, after the start.
    pub after_seconds: u32,
    /// What.
    pub action: Action,
}

/// What people do to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// They stop it.
    Stop(Failure),
    /// They have it go on from where it failed.
    Redrive,
}

/// What must come of a scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The states in the order in which they are entered.
    pub path: Vec<String>,
    /// The execution's status, as the API names it.
    pub status: String,
    /// Its output, where it succeeds.
    pub output: Option<Value>,
    /// Its error, where it doesn't.
    pub error: Option<String>,
    /// The cause of that.
    pub cause: Option<String>,
    /// How long it takes, where no chance has a part in that.
    pub after_seconds: Option<u32>,
    /// The types of its history's events, in order.
    pub events: Vec<String>,
}

/// Why scenarios could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read.
    #[error("{0} could not be read")]
    File(PathBuf, #[source] std::io::Error),
    /// A file is no scenario, or a definition no JSON.
    #[error("{0} is not written as it must be")]
    Json(PathBuf, #[source] serde_json::Error),
    /// A scenario is not called what its file is called.
    #[error("{0} holds the scenario «{1}»")]
    Name(PathBuf, String),
}

impl Scenario {
    /// Reads a scenario's file.
    pub fn read(file: &Path) -> Result<Self, ReadError> {
        let text = fs::read_to_string(file).map_err(|error| ReadError::File(file.to_owned(), error))?;
        let mut scenario: Self = serde_json::from_str(&text).map_err(|error| ReadError::Json(file.to_owned(), error))?;
        if file.file_stem().is_none_or(|stem| *stem != *scenario.name) {
            return Err(ReadError::Name(file.to_owned(), scenario.name));
        }
        if let Some(lender) = &scenario.otherwise {
            let lender = Self::read(&file.with_file_name(format!("{lender}.json")))?;
            let lent = lender.replies.into_iter().filter(|lent| scenario.replies.iter().all(|reply| reply.state != lent.state));
            let lent: Vec<Reply> = lent.map(|reply| Reply { lent: true, ..reply }).collect();
            scenario.replies.extend(lent);
        }
        Ok(scenario)
    }

    /// Reads every scenario of a folder, in the order of their names.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>, ReadError> {
        let unreadable = |error| ReadError::File(folder.to_owned(), error);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    /// The definition with its substitutions, as it is deployed; `root` is the repository.
    pub fn deployed(&self, root: &Path) -> Result<Value, ReadError> {
        let (file, text) = match &self.definition {
            Definition::File(file) => {
                let file = root.join(file);
                let text = fs::read_to_string(&file).map_err(|error| ReadError::File(file.clone(), error))?;
                (file, text)
            }
            Definition::Inline(definition) => (PathBuf::from(&self.name), definition.to_string()),
        };
        serde_json::from_str(&self.substituted(&text)).map_err(|error| ReadError::Json(file, error))
    }

    fn substituted(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut substituted = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            substituted.push_str(self.substitutions.get(name).map_or(name, String::as_str));
            substituted.push_str(rest);
        }
        substituted
    }
}

/// A reply as a file writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyLine {
    state: String,
    times: Option<u32>,
    submitted: Option<Value>,
    beats_every_seconds: Option<u32>,
    #[serde(default)]
    after_seconds: u32,
    result: Option<Value>,
    error: Option<String>,
    cause: Option<String>,
    #[serde(default)]
    silent: bool,
}

impl TryFrom<ReplyLine> for Reply {
    type Error = String;

    fn try_from(line: ReplyLine) -> Result<Self, Self::Error> {
        let answer = match (line.result, line.error, line.silent) {
            (Some(result), None, false) => Answer::Result(result),
            (None, Some(error), false) => Answer::Failure(Failure { error: Some(error), cause: line.cause }),
            (None, None, true) => Answer::Silence,
            _ => return Err(format!("{} replies with one of: a result, an error, silent", line.state)),
        };
        if line.beats_every_seconds == Some(0) {
            return Err(format!("{} beats without a pause", line.state));
        }
        Ok(Self {
            state: line.state,
            times: line.times.unwrap_or(1),
            submitted: line.submitted,
            beats_every_seconds: line.beats_every_seconds,
            after_seconds: line.after_seconds,
            answer,
            lent: false,
        })
    }
}

/// An intervention as a file writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InterventionLine {
    after_seconds: u32,
    stop: Option<Failure>,
    #[serde(default)]
    redrive: bool,
}

impl TryFrom<InterventionLine> for Intervention {
    type Error = String;

    fn try_from(line: InterventionLine) -> Result<Self, Self::Error> {
        let action = match (line.stop, line.redrive) {
            (Some(failure), false) => Action::Stop(failure),
            (None, true) => Action::Redrive,
            _ => return Err(format!("after {} seconds somebody either stops or redrives", line.after_seconds)),
        };
        Ok(Self { after_seconds: line.after_seconds, action })
    }
}
