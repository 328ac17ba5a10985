//! What a night needs from the world. A port has two real sides: AWS, and memory.

use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, TaskToken};
use crate::audit::Audit;
use crate::channel::Channel;
use crate::history::Executions;
use crate::link::{ApprovalId, Secret};
use crate::people::Address;
use crate::{ObjectEntry, ObjectUri};

/// What time it is.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call to the world outside failed: the message names the call, the source says why.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct PortError {
    call: String,
    #[source]
    source: BoxError,
}

impl PortError {
    /// `call` names the operation and what it was for, such as `GetObject s3://bucket/key`.
    pub fn new(call: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self { call: call.into(), source: source.into() }
    }
}

/// Stored objects.
pub trait Objects: Send + Sync {
    /// The object's bytes, or `None` where there is none.
    fn read(&self, uri: &ObjectUri) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>> + Send;

    /// Writes the object whole or not at all.
    fn write(&self, uri: &ObjectUri, content_type: &str, body: Vec<u8>) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Every object below the prefix, in the order of the keys.
    fn list(&self, prefix: &ObjectUri) -> impl Future<Output = Result<Vec<ObjectEntry>, PortError>> + Send;
}

/// Objects that others bring and may replace at any moment: each is bound to the entity tag that was listed.
pub trait Deliveries: Send + Sync {
    /// The object's bytes, or `None` where another one is there by now, or none.
    fn read_listed(&self, uri: &ObjectUri, etag: &str) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>> + Send;

    /// Copies that object and no other. Copying it again leaves the same copy.
    fn copy_listed(&self, uri: &ObjectUri, etag: &str, to: &ObjectUri) -> impl Future<Output = Result<Copied, PortError>> + Send;

    /// Removes that object and no other. Removing what is gone is no error.
    fn remove_listed(&self, uri: &ObjectUri, etag: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Whether an object could be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It lies there.
    Copied,
    /// Another one is there by now, or none.
    Changed,
}

/// The stored questions. One record arbitrates between everyone who wants to change it.
pub trait Approvals: Send + Sync {
    /// The record as the last write left it, or `None` where there is none.
    fn read(&self, id: &ApprovalId) -> impl Future<Output = Result<Option<Approval>, PortError>> + Send;

    /// Stores `next` if nobody has written since `seen` was read, the definition's clock included; `seen` is `None` for a record that
    /// must not exist. To find exactly `next` stored already is to have stored it: a repeated call meets its own first attempt. After an
    /// error, it may have been stored or not.
    fn replace(&self, seen: Option<&Approval>, next: &Approval) -> impl Future<Output = Result<Replaced, PortError>> + Send;
}

/// Whether a conditional write won.
#[derive(Debug, Clone, PartialEq)]
pub enum Replaced {
    /// It is stored.
    Stored,
    /// Somebody else's write came first: what is stored now, from the same call, or `None` where the record is gone.
    Lost(Option<Box<Approval>>),
}

/// Tasks that wait in Step Functions.
pub trait Tasks: Send + Sync {
    /// Ends the wait with this JSON.
    fn succeed(&self, token: &TaskToken, output: &str) -> impl Future<Output = Result<TaskAnswer, PortError>> + Send;

    /// Says that the wait goes on.
    fn beat(&self, token: &TaskToken) -> impl Future<Output = Result<TaskAnswer, PortError>> + Send;
}

/// What Step Functions says of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskAnswer {
    /// It waited.
    Accepted,
    /// It does not wait: it has timed out, or has its answer, or is gone. Which of them is not said (`TaskTimedOut`, `TaskDoesNotExist`).
    Closed,
}

/// Mail to an approver.
pub trait Mail: Send + Sync {
    /// Sends plain text to this person and to nobody else.
    fn send(&self, to: &Address, subject: &str, text: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Mail to everybody who has subscribed.
pub trait MailingList: Send + Sync {
    /// Sends plain text to all of them.
    fn mail(&self, subject: &str, text: &str) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Who can be mailed.
pub trait Subscriptions: Send + Sync {
    /// Everyone who has confirmed that they want the mail.
    fn confirmed(&self) -> impl Future<Output = Result<Vec<Address>, PortError>> + Send;
}

/// The schedules that call `approval-watch` while a question waits: one for each generation, so that ending one never ends another.
pub trait Watches: Send + Sync {
    /// Begins to watch, until the given moment at the latest. Beginning twice is beginning once.
    fn begin(&self, watch: &Watch, until: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Ends the watch. Ending what has ended is no error.
    fn end(&self, watch: &Watch) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What a watch is over; also what its schedule sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// The question.
    pub approval_id: ApprovalId,
    /// The time it was put.
    pub generation: u32,
}

/// Where new secrets come from.
pub trait Secrets: Send + Sync {
    /// A secret that nobody can foresee.
    fn secret(&self) -> Result<Secret, PortError>;
}

/// Everything that an approval needs of the world: what asks, what takes the answers and what watches all work at the same desk.
pub trait Desk: Send + Sync {
    /// The records.
    type Approvals: Approvals;
    /// The waiting tasks.
    type Tasks: Tasks;
    /// The executions that they belong to.
    type Executions: Executions;
    /// The schedules that watch over questions.
    type Watches: Watches;
    /// The way to the approvers.
    type Mail: Mail;
    /// The way to everybody who wants to know.
    type Channel: Channel;
    /// What happened.
    type Audit: Audit;
    /// New links' secrets.
    type Secrets: Secrets;
    /// The time.
    type Clock: Clock;

    /// The records.
    fn approvals(&self) -> &Self::Approvals;
    /// The waiting tasks.
    fn tasks(&self) -> &Self::Tasks;
    /// The executions that they belong to.
    fn executions(&self) -> &Self::Executions;
    /// The schedules that watch over questions.
    fn watches(&self) -> &Self::Watches;
    /// The way to the approvers.
    fn mail(&self) -> &Self::Mail;
    /// The way to everybody who wants to know, where one is configured.
    fn channel(&self) -> Option<&Self::Channel>;
    /// What happened.
    fn audit(&self) -> &Self::Audit;
    /// New links' secrets.
    fn secrets(&self) -> &Self::Secrets;
    /// The time.
    fn clock(&self) -> &Self::Clock;
}
