//! AWS's TestState: one state, tried by itself, with or without its task.
//!
//! The request and the answer are those of the service's JSON API («TestState» in the Step Functions API reference). A Wait does not
//! wait, and nothing here calls an HTTP endpoint, so TRACE tells no more than DEBUG. A mocked result is held against the answer of the
//! service's API where its shape is known ([`is_known`]); a call without a shape takes any result.

mod context;
mod request;
mod responses;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::definition::{Machine, Resource};
use crate::execution::Task;
use crate::execution::trial::{self, Done, End, Made, Setup, Tried};
use crate::value::{Failure, Instant, Json};
use request::{Level, Mock, Request};

pub use responses::is_known;

/// Where and when a state is tried.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The time.
    pub at: Instant,
    /// The region that the made-up execution runs in.
    pub region: String,
    /// The account, where the request names no role.
    pub account: String,
    /// What chance is drawn from.
    pub seed: u64,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct TestStateError {
    /// What AWS calls it, such as `ValidationException`.
    pub name: &'static str,
    /// What is wrong, in AWS's words where they are known.
    pub message: String,
}

impl TestStateError {
    fn invalid(message: impl Into<String>) -> Self {
        Self { name: "ValidationException", message: message.into() }
    }

    /// A request whose fields don't have the types of the API.
    fn unreadable() -> Self {
        Self { name: "SerializationException", message: "The request is not written as the API has it".to_owned() }
    }
}

/// Tries a state. `call` is asked for what a task without a mock answers; it does what the real one does.
pub fn test_state(
    request: &Value,
    circumstances: &Circumstances,
    call: &mut dyn FnMut(&Task) -> Result<Json, Failure>,
) -> Result<Value, TestStateError> {
    let Request { name, state, input, variables, level, role, mock, context, configuration } = Request::read(request)?;
    let machine = Machine::read(&request::by_itself(&name, &state)).map_err(|wrong| TestStateError {
        name: "InvalidDefinition",
        message: format!("Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {} at {}'", wrong.message, wrong.location),
    })?;
    let context = context.unwrap_or_else(|| context::made(&name, &input, role.as_deref(), circumstances));
    let done = match mock {
        Some(Mock::Result { result, validation }) => {
            let resource = state.get("Resource").and_then(Value::as_str).map(Resource::parse);
            if let Some(complaint) = resource.and_then(|resource| responses::complaint(&resource, &result, validation)) {
                return Err(TestStateError::invalid(format!("Mock result schema validation error: {complaint}")));
            }
            Done::Told(Ok(result.into()))
        }
        Some(Mock::Failure(failure)) => Done::Told(Err(failure)),
        None => Done::Called(call),
    };
    let setup = Setup {
        machine: &machine,
        state: &state,
        input: input.clone(),
        variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        context: Value::Object(context),
        at: circumstances.at,
        seed: circumstances.seed,
        retries: configuration.retries,
        failed_iterations: configuration.failed_iterations,
        read_items: configuration.read_items,
    };
    let tried = trial::attempt(setup, done)
        .map_err(|_| TestStateError::invalid("Map iteration failure count must be less than or equal to the number of Map iterations"))?;
    Ok(answer(&tried, &input, level))
}

fn answer(tried: &Tried, input: &Json, level: Level) -> Value {
    let mut answer = Map::new();
    let mut say = |field: &str, value: Option<&str>| value.map(|value| answer.insert(field.to_owned(), value.into()));
    let (status, failure, left) = match &tried.end {
        End::Succeeded { output, next } => ("SUCCEEDED", None, Some((output, next))),
        End::Caught { failure, output, next } => ("CAUGHT_ERROR", Some(failure), Some((output, next))),
        End::Retried(failure) => ("RETRIABLE", Some(failure), None),
        End::Failed(failure) => ("FAILED", Some(failure), None),
    };
    say("status", Some(status));
    say("error", failure.and_then(|failure| failure.error.as_deref()));
    say("cause", failure.and_then(|failure| failure.cause.as_deref()));
    if let Some((output, next)) = left {
        say("output", Some(output.text()));
        say("nextState", next.as_deref());
    }
    if level == Level::Steps {
        answer.insert("inspectionData".to_owned(), inspection(tried, input));
    }
    Value::Object(answer)
}

fn inspection(tried: &Tried, input: &Json) -> Value {
    let mut data = Map::from_iter([("input".to_owned(), Value::from(input.text()))]);
    for (step, made) in &tried.steps {
        let made = match made {
            Made::Data(json) => Value::from(json.text()),
            Made::Limit(number) => Value::Number(number.clone()),
        };
        data.insert((*step).to_owned(), made);
    }
    if !tried.variables.is_empty() {
        let variables: Map<String, Value> = tried.variables.iter().map(|(name, value)| (name.clone(), value.value().clone())).collect();
        data.insert("variables".to_owned(), Value::Object(variables).to_string().into());
    }
    let details = [
        ("retryIndex", tried.retrier.map(Value::from)),
        ("retryBackoffIntervalSeconds", tried.backoff_seconds.map(Value::from)),
        ("catchIndex", tried.catcher.map(Value::from)),
    ];
    let details: Map<String, Value> = details.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect();
    if !details.is_empty() {
        data.insert("errorDetails".to_owned(), Value::Object(details));
    }
    Value::Object(data)
}
