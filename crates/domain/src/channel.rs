//! The channel where the stakeholders read the news of a night.

use std::future::Future;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Named;

/// One channel: behind an incoming webhook, which can only post, or behind a bot, which can change what it has posted.
pub trait Channel: Send + Sync {
    /// Posts one message, in Slack's Block Kit. Answers with how to change it, where that can be done.
    fn post(&self, message: &Value) -> impl Future<Output = Result<Option<MessageReference>, PostError>> + Send;

    /// Puts this message in the place of one that was posted.
    fn update(&self, posted: &MessageReference, message: &Value) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// A message that can be changed. `chat.update`, Slack Web API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReference {
    /// The channel's id.
    pub channel: String,
    /// The message's time, which is its name there.
    pub ts: String,
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
#[cfg(any(test, feature = "memory"))]
#[derive(Debug, Clone, Default)]
pub struct MemoryChannel {
    posted: std::sync::Arc<std::sync::Mutex<Vec<Value>>>,
    failures: std::sync::Arc<std::sync::Mutex<std::collections::VecDeque<PostError>>>,
    webhook: bool,
}

#[cfg(any(test, feature = "memory"))]
impl MemoryChannel {
    /// A channel whose next posts fail like this, one after the other. One that fails with `MaybePosted` posts all the same.
    pub fn failing(failures: impl IntoIterator<Item = PostError>) -> Self {
        Self { failures: std::sync::Arc::new(std::sync::Mutex::new(failures.into_iter().collect())), ..Self::default() }
    }

    /// A channel behind a webhook: nothing in it can be changed.
    pub fn webhook() -> Self {
        Self { webhook: true, ..Self::default() }
    }

    /// What stands in the channel, oldest first.
    pub fn posted(&self) -> Vec<Value> {
        self.posted.lock().expect("no holder of this lock panics").clone()
    }

    /// A copy of what stands in the channel, which goes its own way from here. No failure is planned for it.
    pub(crate) fn fork(&self) -> Self {
        Self { posted: std::sync::Arc::new(std::sync::Mutex::new(self.posted())), webhook: self.webhook, ..Self::default() }
    }

    fn say(&self, place: Option<&MessageReference>, message: &Value) -> Result<Option<MessageReference>, PostError> {
        let failure = self.failures.lock().expect("no holder of this lock panics").pop_front();
        if failure.as_ref().is_some_and(|failure| !matches!(failure, PostError::MaybePosted(_))) {
            return Err(failure.expect("it was just looked at"));
        }
        let mut posted = self.posted.lock().expect("no holder of this lock panics");
        let place = match place {
            Some(reference) => reference.ts.parse().ok().filter(|place| *place < posted.len()),
            None => None,
        };
        let place = place.unwrap_or(posted.len());
        if place == posted.len() {
            posted.push(message.clone());
        } else {
            posted[place] = message.clone();
        }
        let reference = MessageReference { channel: "memory".to_owned(), ts: place.to_string() };
        failure.map_or(Ok((!self.webhook).then_some(reference)), Err)
    }
}

#[cfg(any(test, feature = "memory"))]
impl Channel for MemoryChannel {
    async fn post(&self, message: &Value) -> Result<Option<MessageReference>, PostError> {
        self.say(None, message)
    }

    async fn update(&self, posted: &MessageReference, message: &Value) -> Result<(), PostError> {
        self.say(Some(posted), message).map(|_| ())
    }
}
