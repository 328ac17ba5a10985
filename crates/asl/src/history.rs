//! What happened in an execution, as `GetExecutionHistory` tells it.

use std::rc::Rc;

use serde_json::{Map, Value, json};

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

/// What happened. The names are AWS's; `kind` is a state's Type.
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
    /// A state began.
    StateEntered { kind: &'static str, name: Rc<str>, input: Json },
    /// It ended well, or was caught.
    StateExited { kind: &'static str, name: Rc<str>, output: Json, assigned: Vec<(Rc<str>, Json)> },
    /// A Task, Wait, Parallel or Map was stopped by a failure or with the execution.
    StateAborted { kind: &'static str },
    /// A Parallel or a Map began its branches or items; a Map tells how many.
    StateStarted { kind: &'static str, length: Option<usize> },
    /// All its branches or items ended well.
    StateSucceeded { kind: &'static str },
    /// One of them failed.
    StateFailed { kind: &'static str },
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
    /// A task is to be called.
    TaskScheduled {
        call: Rc<Call>,
        region: Rc<str>,
        parameters: Json,
        timeout_seconds: Option<i64>,
        heartbeat_seconds: Option<i64>,
        role: Option<Rc<str>>,
    },
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

/// A task's resource as the history names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// `lambda`, `glue`, `aws-sdk:s3`; empty for a function's own ARN, which has events of its own.
    pub service: String,
    /// `invoke`, `startJobRun.sync`; the ARN for a function's own.
    pub action: String,
}

impl Call {
    fn is_function(&self) -> bool {
        self.service.is_empty()
    }

    fn named(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if !self.is_function() {
            fields.insert("resourceType".into(), self.service.clone().into());
            fields.insert("resource".into(), self.action.clone().into());
        }
        fields
    }
}

impl Event {
    /// AWS's name, such as `TaskStateEntered`.
    pub fn kind(&self) -> String {
        let task = |call: &Call, what: &str| format!("{}{what}", if call.is_function() { "LambdaFunction" } else { "Task" });
        match &self.detail {
            Detail::ExecutionStarted { .. } => "ExecutionStarted".into(),
            Detail::ExecutionSucceeded { .. } => "ExecutionSucceeded".into(),
            Detail::ExecutionFailed(_) => "ExecutionFailed".into(),
            Detail::ExecutionTimedOut(_) => "ExecutionTimedOut".into(),
            Detail::ExecutionAborted(_) => "ExecutionAborted".into(),
            Detail::ExecutionRedriven { .. } => "ExecutionRedriven".into(),
            Detail::StateEntered { kind, .. } => format!("{kind}StateEntered"),
            Detail::StateExited { kind, .. } => format!("{kind}StateExited"),
            Detail::StateAborted { kind } => format!("{kind}StateAborted"),
            Detail::StateStarted { kind, .. } => format!("{kind}StateStarted"),
            Detail::StateSucceeded { kind } => format!("{kind}StateSucceeded"),
            Detail::StateFailed { kind } => format!("{kind}StateFailed"),
            Detail::MapIterationStarted { .. } => "MapIterationStarted".into(),
            Detail::MapIterationSucceeded { .. } => "MapIterationSucceeded".into(),
            Detail::MapIterationFailed { .. } => "MapIterationFailed".into(),
            Detail::MapIterationAborted { .. } => "MapIterationAborted".into(),
            Detail::EvaluationFailed { .. } => "EvaluationFailed".into(),
            Detail::TaskScheduled { call, .. } => task(call, "Scheduled"),
            Detail::TaskStarted { call } => task(call, "Started"),
            Detail::TaskSubmitted { call, .. } => task(call, "Submitted"),
            Detail::TaskSucceeded { call, .. } => task(call, "Succeeded"),
            Detail::TaskFailed { call, .. } => task(call, "Failed"),
            Detail::TaskTimedOut { call, .. } => task(call, "TimedOut"),
        }
    }

    /// The event as `GetExecutionHistory`'s answer holds it; the timestamp in seconds since 1970 with a fraction.
    pub fn json(&self) -> Value {
        let kind = self.kind();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
        let timestamp = self.at.0 as f64 / 1000.0;
        let mut event = Map::new();
        event.insert("timestamp".into(), timestamp.into());
        event.insert("type".into(), kind.clone().into());
        event.insert("id".into(), self.id.into());
        event.insert("previousEventId".into(), self.previous.into());
        if let Some(details) = self.details() {
            event.insert(self.details_key(&kind), Value::Object(details));
        }
        Value::Object(event)
    }

    fn details_key(&self, kind: &str) -> String {
        match &self.detail {
            Detail::StateEntered { .. } => "stateEnteredEventDetails".into(),
            Detail::StateExited { .. } => "stateExitedEventDetails".into(),
            _ => format!("{}{}EventDetails", kind[..1].to_ascii_lowercase(), &kind[1..]),
        }
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let mut fields = Map::new();
        match &self.detail {
            Detail::ExecutionStarted { input, role } => {
                payload(&mut fields, "input", input);
                fields.insert("roleArn".into(), role.to_string().into());
            }
            Detail::ExecutionSucceeded { output } => payload(&mut fields, "output", output),
            Detail::ExecutionFailed(failure) | Detail::ExecutionTimedOut(failure) | Detail::ExecutionAborted(failure) => {
                told(&mut fields, failure);
            }
            Detail::ExecutionRedriven { count } => {
                fields.insert("redriveCount".into(), (*count).into());
            }
            Detail::StateEntered { name, input, .. } => {
                fields.insert("name".into(), name.to_string().into());
                payload(&mut fields, "input", input);
            }
            Detail::StateExited { name, output, assigned, .. } => {
                fields.insert("name".into(), name.to_string().into());
                payload(&mut fields, "output", output);
                if !assigned.is_empty() {
                    let variables = assigned.iter().map(|(name, value)| (name.to_string(), value.text().into())).collect();
                    fields.insert("assignedVariables".into(), Value::Object(variables));
                    fields.insert("assignedVariablesDetails".into(), json!({"truncated": false}));
                }
            }
            Detail::StateStarted { length, .. } => {
                fields.insert("length".into(), (*length)?.into());
            }
            Detail::StateAborted { .. } | Detail::StateSucceeded { .. } | Detail::StateFailed { .. } => return None,
            Detail::MapIterationStarted { name, index }
            | Detail::MapIterationSucceeded { name, index }
            | Detail::MapIterationFailed { name, index }
            | Detail::MapIterationAborted { name, index } => {
                fields.insert("name".into(), name.to_string().into());
                fields.insert("index".into(), (*index).into());
            }
            Detail::EvaluationFailed { state, location, failure } => {
                told(&mut fields, failure);
                if let Some(location) = location {
                    fields.insert("location".into(), location.clone().into());
                }
                fields.insert("state".into(), state.to_string().into());
            }
            Detail::TaskScheduled { call, region, parameters, timeout_seconds, heartbeat_seconds, role } => {
                fields = call.named();
                if call.is_function() {
                    fields.insert("resource".into(), call.action.clone().into());
                    payload(&mut fields, "input", parameters);
                } else {
                    fields.insert("region".into(), region.to_string().into());
                    fields.insert("parameters".into(), parameters.text().into());
                }
                if let Some(seconds) = timeout_seconds {
                    fields.insert("timeoutInSeconds".into(), (*seconds).into());
                }
                if let Some(seconds) = heartbeat_seconds {
                    fields.insert("heartbeatInSeconds".into(), (*seconds).into());
                }
                if let Some(role) = role {
                    fields.insert("taskCredentials".into(), json!({"roleArn": &**role}));
                }
            }
            Detail::TaskStarted { call } => {
                fields = call.named();
                if fields.is_empty() {
                    return None;
                }
            }
            Detail::TaskSubmitted { call, output } | Detail::TaskSucceeded { call, output } => {
                fields = call.named();
                payload(&mut fields, "output", output);
            }
            Detail::TaskFailed { call, failure } | Detail::TaskTimedOut { call, failure } => {
                fields = call.named();
                told(&mut fields, failure);
            }
        }
        Some(fields)
    }
}

fn payload(fields: &mut Map<String, Value>, name: &str, value: &Json) {
    fields.insert(name.into(), value.text().into());
    fields.insert(format!("{name}Details"), json!({"truncated": false}));
}

fn told(fields: &mut Map<String, Value>, failure: &Failure) {
    if let Some(error) = &failure.error {
        fields.insert("error".into(), error.clone().into());
    }
    if let Some(cause) = &failure.cause {
        fields.insert("cause".into(), cause.clone().into());
    }
}
