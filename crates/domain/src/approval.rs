//! One question to the approvers: what is stored of it, and what everybody's acts make of it.
//!
//! The stored record arbitrates between everyone who answers and the clock: whatever it says first is what the execution does.

mod answer;
mod question;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::answer::{Answer, Decision, InvalidRemark, Remark, Ruling, Verdict, Waiver};
pub use self::question::{Asking, NoOtherApprover, Question};
pub use self::rules::{Bearer, Click, NotPossible, Standing};
use crate::channel::MessageReference;
use crate::evidence::Evidence;
use crate::history::ExecutionEnd;
use crate::link::{ApprovalId, SecretHash};
use crate::people::{Address, Starter};

/// What Step Functions calls a waiting task by. Whoever holds it can end the wait, so it is opaque: no `Display`, and `Debug` says nothing.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TaskToken(String);

/// Text that is no task token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task token is 1 to 2048 characters")]
pub struct InvalidTaskToken;

impl TaskToken {
    /// The token itself, for Step Functions and the record, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaskToken {
    type Error = InvalidTaskToken;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // SendTaskSuccess, Step Functions API reference.
        if (1..=2048).contains(&text.len()) { Ok(Self(text)) } else { Err(InvalidTaskToken) }
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TaskToken(…)")
    }
}

/// A question as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Its public name.
    pub id: ApprovalId,
    /// Counts how often the question was put: a retried or redriven step puts it again. From 1.
    pub generation: u32,
    /// Counts the writes. A write names the revision that it has seen, and loses against any other. From 1.
    pub revision: u64,
    /// The task that waits for the verdict.
    pub task_token: TaskToken,
    /// The execution that waits.
    pub execution_arn: String,
    /// What is being approved.
    pub evidence: Evidence,
    /// Who began the execution: they can't be the only one who approves it.
    pub started_by: Starter,
    /// Everyone who may answer, and what they answered.
    pub approvers: Vec<Approver>,
    /// Who may be asked in an approver's place.
    pub deputies: Vec<Address>,
    /// How many must approve.
    pub required: u32,
    /// When the question was put.
    pub asked_at: Timestamp,
    /// Answers count before this moment.
    pub expires_at: Timestamp,
    /// When the waiting task itself times out: the deadline can be moved no further.
    pub limit_at: Timestamp,
    /// Who has asked for more time.
    pub extension: Option<Extension>,
    /// How far it has come.
    pub status: ApprovalStatus,
    /// Links of earlier generations, so that they can say what became of them.
    pub superseded: Vec<SupersededLink>,
    /// Links that show the question to the channel and can't answer it.
    pub viewers: Vec<SecretHash>,
    /// What the channel was told.
    pub announcement: Announcement,
}

/// Somebody who may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// Where their mail goes.
    pub address: Address,
    /// Their own links, one in each mail: all lead to the same question. Oldest first.
    pub links: Vec<MailedLink>,
    /// What they answered: written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// They have handed their answer on. Written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_on: Option<HandedOn>,
    /// In whose place they are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<Address>,
}

impl Approver {
    /// Somebody who has not been mailed yet.
    pub fn new(address: Address) -> Self {
        Self { address, links: Vec::new(), answer: None, handed_on: None, in_place_of: None }
    }
}

/// The link in one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedLink {
    /// The hash of its secret.
    pub secret_hash: SecretHash,
    /// Why the mail was written.
    pub notice: Notice,
    /// When the mail was handed over. A link without it may be on its way, or lost to a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

/// Why an approver gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// They are asked.
    Question,
    /// They are asked in somebody's place.
    Delegation,
    /// Half of the time is over.
    HalfTime,
    /// Ten minutes are left.
    LastCall,
}

/// An answer that was handed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOn {
    /// Who is asked instead.
    pub to: Address,
    /// Since when, to the second.
    pub at: Timestamp,
}

/// More time than there was at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Who has asked for it.
    pub by: Address,
    /// When, to the second.
    pub at: Timestamp,
    /// The deadline as it was.
    pub from: Timestamp,
}

/// How far a question has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalStatus {
    /// Answers are awaited.
    Pending,
    /// What the execution is to do is recorded, and stays: an answer, or that the time ran out.
    Decided {
        /// What it is.
        verdict: Verdict,
        /// Whether the execution has it.
        handover: Handover,
    },
    /// The definition has settled that nobody answered in time.
    Expired {
        /// When it did.
        at: Timestamp,
    },
    /// The execution ended without an answer, so nobody needs one.
    Cancelled {
        /// When that was found.
        at: Timestamp,
        /// How it ended.
        end: ExecutionEnd,
    },
}

impl ApprovalStatus {
    /// How it is stored, and what the definition's conditions compare.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Decided { verdict, .. } => match verdict.decision {
                Ruling::Approved => "APPROVED",
                Ruling::Rejected => "REJECTED",
                Ruling::Expired => "EXPIRED",
            },
            Self::Expired { .. } => "EXPIRED",
            Self::Cancelled { .. } => "CANCELLED",
        }
    }
}

/// Whether a recorded verdict has reached the waiting execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// Not that we know: it has to be sent, or sent again.
    Due,
    /// Step Functions has accepted it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Nobody waited any more when it was sent.
    Closed {
        /// When.
        at: Timestamp,
        /// How the execution had ended by then. Where it had not, it goes by this verdict: it has had it from an attempt whose success we
        /// didn't see, or its own clock ran out and it follows the record.
        end: Option<ExecutionEnd>,
    },
}

/// A link of an earlier generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupersededLink {
    /// Whose it was.
    pub address: Address,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
}

/// What the stakeholders' channel knows of the question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The message that can be changed, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageReference>,
    /// What was said last.
    pub said: Said,
}

/// What was said last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The question of this generation.
    Question(u32),
    /// How this generation of it ended.
    Outcome(u32),
}
