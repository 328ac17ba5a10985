//! The channel where the stakeholders read the news of a night.

use std::future::Future;

use serde_json::Value;

use crate::Named;

/// One channel, behind an incoming webhook.
pub trait Channel: Send + Sync {
    /// Posts one message, in Slack's Block Kit.
    fn post(&self, message: &Value) -> impl Future<Output = Result<(), PostError>> + Send;
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The message is not known to stand in the channel.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// It was not taken.
    #[error("Slack did not take the message")]
    NotPosted(#[source] Cause),
    /// The answer was lost, so a second try may post it twice.
    #[error("the message was sent to Slack and maybe posted, but the answer was lost")]
    MaybePosted(#[source] Cause),
    /// Slack will never take this message there.
    #[error("Slack refused the message with status {status}: {answer}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, such as `no_service`.
        answer: String,
    },
}

impl Named for PostError {
    fn name(&self) -> &'static str {
        match self {
            Self::NotPosted(_) | Self::MaybePosted(_) => "SlackUnavailable",
            Self::Refused { .. } => "SlackRefused",
        }
    }
}

/// A channel in memory, which fails as often as it was told to.
#[cfg(feature = "memory")]
#[derive(Debug, Default)]
pub struct MemoryChannel {
    posted: std::sync::Mutex<Vec<Value>>,
    failures: std::sync::Mutex<std::collections::VecDeque<PostError>>,
}

#[cfg(feature = "memory")]
impl MemoryChannel {
    /// A channel whose next posts fail like this, one after the other. One that fails with `MaybePosted` posts all the same.
    pub fn failing(failures: impl IntoIterator<Item = PostError>) -> Self {
        Self { posted: std::sync::Mutex::default(), failures: std::sync::Mutex::new(failures.into_iter().collect()) }
    }

    /// What stands in the channel, oldest first.
    pub fn posted(&self) -> Vec<Value> {
        self.posted.lock().expect("no holder of this lock panics").clone()
    }
}

#[cfg(feature = "memory")]
impl Channel for MemoryChannel {
    async fn post(&self, message: &Value) -> Result<(), PostError> {
        let failure = self.failures.lock().expect("no holder of this lock panics").pop_front();
        if matches!(failure, None | Some(PostError::MaybePosted(_))) {
            self.posted.lock().expect("no holder of this lock panics").push(message.clone());
        }
        failure.map_or(Ok(()), Err)
    }
}
