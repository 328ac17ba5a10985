//! What happened in an execution, as GetExecutionHistory tells it.

use std::rc::Rc;

use serde_json::Value;

use crate::value::{Failure, Instant, Json};

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// From 1.
    pub id: u64,
    /// The event that led to this one; 0 for none.
    pub previous: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub detail: Detail,
}

/// What happened. The names are AWS's.
#[derive(Debug, Clone)]
pub enum Detail {
    /// The execution began.
    ExecutionStarted { input: Json, role: Rc<str> },
    /// It ended well.
    ExecutionSucceeded { output: Json },
    /// It failed.
    ExecutionFailed(Failure),
    /// Its own time ran out.
    ExecutionTimedOut(Failure),
    /// Somebody stopped it.
    ExecutionAborted(Failure),
    /// Somebody had it go on.
    ExecutionRedriven { count: u32 },
    /// A state began; `kind` is its Type.
    StateEntered { kind: &'static str, name: Rc<str>, input: Json },
    /// It ended well, or was caught.
    StateExited { kind: &'static str, name: Rc<str>, output: Json, assigned: Vec<(Rc<str>, Json)> },
    /// A Task, Wait, Parallel or Map was stopped with the execution or by a sibling's failure.
    StateAborted { kind: &'static str },
    /// A Parallel or a Map began its branches or items; a Map tells how many.
    StateStarted { kind: &'static str, length: Option<usize> },
    /// All its branches or items ended well.
    StateSucceeded { kind: &'static str },
    /// One of them failed.
    StateFailed { kind: &'static str, failure: Failure },
    /// An item began.
    MapIterationStarted { name: Rc<str>, index: usize },
    /// It ended well.
    MapIterationSucceeded { name: Rc<str>, index: usize },
    /// It failed.
    MapIterationFailed { name: Rc<str>, index: usize },
    /// It was stopped.
    MapIterationAborted { name: Rc<str>, index: usize },
    /// An expression failed.
    EvaluationFailed { state: Rc<str>, location: Option<String>, failure: Failure },
    /// A task is to be called; `call` as in all that follows.
    TaskScheduled { call: Rc<Call>, parameters: Json, timeout_seconds: Option<i64>, heartbeat_seconds: Option<i64>, role: Option<Json> },
    /// It is being called.
    TaskStarted { call: Rc<Call> },
    /// The call has answered; its job or its token is waited for.
    TaskSubmitted { call: Rc<Call>, output: Json },
    /// It ended well.
    TaskSucceeded { call: Rc<Call>, output: Json },
    /// It failed.
    TaskFailed { call: Rc<Call>, failure: Failure },
    /// Its time, or that between two heartbeats, ran out.
    TaskTimedOut { call: Rc<Call>, failure: Failure },
}

/// A task's resource as the history names it. A Lambda function called by its own ARN has events of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// `lambda`, `glue`, `aws-sdk:s3`; empty for a function's own ARN.
    pub service: String,
    /// `invoke`, `startJobRun.sync`; the ARN for a function's own.
    pub action: String,
    /// The region.
    pub region: String,
}

impl Event {
    /// AWS's name, such as `TaskStateEntered`.
    pub fn kind(&self) -> String {
        todo!()
    }

    /// The event as GetExecutionHistory's answer holds it; the timestamp in seconds with a fraction.
    pub fn json(&self) -> Value {
        todo!()
    }
}
