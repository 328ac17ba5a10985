//! AWS's TestState: one state, tried by itself.

use serde_json::Value;

use crate::value::Instant;

mod context;
mod request;
mod responses;

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

/// Tries a state.
pub fn test_state(request: &Value, _circumstances: &Circumstances) -> Result<Value, TestStateError> {
    request::Request::read(request)?;
    Err(TestStateError::unreadable())
}
