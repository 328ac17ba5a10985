//! What happened in an execution, event by event, as Step Functions records it.

use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::execution::Execution;
use crate::measured::Measured;
use crate::ports::PortError;

/// The histories of executions.
pub trait Histories: Send + Sync {
    /// Every event of the execution so far, in the order of their ids.
    fn history(&self, execution_arn: &str) -> impl Future<Output = Result<Vec<HistoryEvent>, PortError>> + Send;

    /// The same events, and the figures in their data.
    fn recorded(&self, execution_arn: &str) -> impl Future<Output = Result<Recorded, PortError>> + Send;

    /// The execution as a whole, as it is now.
    fn describe(&self, execution_arn: &str) -> impl Future<Output = Result<Execution, PortError>> + Send;
}

/// What happened in an execution, and what its data says in figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// Every event so far.
    pub events: Vec<HistoryEvent>,
    /// The figures.
    pub measured: Measured,
}

/// Executions, as Step Functions knows them now.
pub trait Executions: Send + Sync {
    /// How the execution ended, or `None` while it runs.
    fn end(&self, execution_arn: &str) -> impl Future<Output = Result<Option<ExecutionEnd>, PortError>> + Send;
}

/// One event. Events of parallel branches interleave; `previous_id` tells which one an event follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Counted from 1.
    pub id: i64,
    /// The event before this one on the same path, 0 at the start.
    pub previous_id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened, as far as the steps of a night depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A state began.
    Entered {
        /// The state's name.
        state: String,
    },
    /// A state ended, be it by a caught error.
    Exited {
        /// The state's name.
        state: String,
    },
    /// A state's task was tried: once, and again for each retry.
    Tried,
    /// The execution ended.
    Ended(ExecutionEnd),
    /// The execution goes on from where it failed.
    Redriven,
    /// Anything else.
    Passed,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionEnd {
    /// In a state that ends it.
    Succeeded,
    /// By an error that nothing caught, or by a Fail state.
    Failed {
        /// The error's name.
        error: String,
    },
    /// By the state machine's own timeout.
    TimedOut,
    /// By `StopExecution`.
    Aborted,
}

/// The answer of `GetExecutionHistory` with its data, as `aws stepfunctions get-execution-history` writes it.
#[cfg(any(test, feature = "memory"))]
pub fn read_recorded(text: &str) -> Result<Recorded, serde_json::Error> {
    Ok(Recorded { events: read_json(text)?, measured: crate::measured::read_json(text)? })
}

/// The answer of `GetExecutionHistory`, as the API and `aws stepfunctions get-execution-history` write it.
#[cfg(any(test, feature = "memory"))]
pub fn read_json(text: &str) -> Result<Vec<HistoryEvent>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        events: Vec<Event>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Event {
        id: i64,
        previous_event_id: i64,
        timestamp: Timestamp,
        r#type: String,
        #[serde(flatten)]
        details: std::collections::BTreeMap<String, serde_json::Value>,
    }

    let answer: Answer = serde_json::from_str(text)?;
    let read = |event: Event| {
        let detail = |name| event.details.values().find_map(|details| details.get(name)?.as_str());
        HistoryEvent {
            id: event.id,
            previous_id: event.previous_event_id,
            at: event.timestamp,
            kind: EventKind::read(&event.r#type, detail("name"), detail("error")),
        }
    };
    Ok(answer.events.into_iter().map(read).collect())
}

impl EventKind {
    /// Reads an event's type as the Step Functions API Reference names it (`HistoryEvent`, `type`), with the state's name and the error
    /// from whichever details come with it.
    pub fn read(event_type: &str, state: Option<&str>, error: Option<&str>) -> Self {
        let state = || state.unwrap_or_default().to_owned();
        match event_type {
            "TaskScheduled" | "LambdaFunctionScheduled" | "ActivityScheduled" => Self::Tried,
            "ExecutionSucceeded" => Self::Ended(ExecutionEnd::Succeeded),
            "ExecutionFailed" => Self::Ended(ExecutionEnd::Failed { error: error.unwrap_or("States.Runtime").to_owned() }),
            "ExecutionTimedOut" => Self::Ended(ExecutionEnd::TimedOut),
            "ExecutionAborted" => Self::Ended(ExecutionEnd::Aborted),
            "ExecutionRedriven" => Self::Redriven,
            entered if entered.ends_with("StateEntered") => Self::Entered { state: state() },
            exited if exited.ends_with("StateExited") => Self::Exited { state: state() },
            _ => Self::Passed,
        }
    }
}

/// Histories in memory.
#[cfg(feature = "memory")]
#[derive(Debug, Default)]
pub struct MemoryHistories {
    histories: std::collections::BTreeMap<String, Recorded>,
    executions: std::collections::BTreeMap<String, Execution>,
}

#[cfg(feature = "memory")]
impl MemoryHistories {
    /// Keeps one more execution's history, of which the data says nothing.
    #[must_use]
    pub fn with(self, execution_arn: &str, events: Vec<HistoryEvent>) -> Self {
        self.with_recorded(execution_arn, Recorded { events, measured: Measured::default() })
    }

    /// Keeps one more execution's history.
    #[must_use]
    pub fn with_recorded(mut self, execution_arn: &str, recorded: Recorded) -> Self {
        self.histories.insert(execution_arn.to_owned(), recorded);
        self
    }

    /// Keeps one more execution.
    #[must_use]
    pub fn with_execution(mut self, execution: Execution) -> Self {
        self.executions.insert(execution.arn.clone(), execution);
        self
    }
}

#[cfg(feature = "memory")]
impl Histories for MemoryHistories {
    async fn history(&self, execution_arn: &str) -> Result<Vec<HistoryEvent>, PortError> {
        self.recorded(execution_arn).await.map(|recorded| recorded.events)
    }

    async fn recorded(&self, execution_arn: &str) -> Result<Recorded, PortError> {
        self.histories
            .get(execution_arn)
            .cloned()
            .ok_or_else(|| PortError::new(format!("GetExecutionHistory {execution_arn}"), "ExecutionDoesNotExist"))
    }

    async fn describe(&self, execution_arn: &str) -> Result<Execution, PortError> {
        self.executions
            .get(execution_arn)
            .cloned()
            .ok_or_else(|| PortError::new(format!("DescribeExecution {execution_arn}"), "ExecutionDoesNotExist"))
    }
}
