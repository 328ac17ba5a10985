//! How the API says no.

use serde_json::{Value, json};

/// An error of the API: its name, as the SDKs know it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub(crate) struct Refusal {
    pub(crate) name: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }

    /// A parameter is missing or wrong.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn no_such_machine(arn: &str) -> Self {
        Self::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
    }

    pub(crate) fn no_such_execution(arn: &str) -> Self {
        Self::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
    }

    /// The server's own files can't be written.
    pub(crate) fn storage(error: &std::io::Error) -> Self {
        Self::new("InternalFailure", format!("what happened can't be written down: {error}"))
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        json!({"__type": self.name, "message": self.message})
    }
}
