//! Putting a question, and putting it again.

use jiff::Timestamp;

use super::{Announcement, Approval, ApprovalStatus, Approver, Handover, MailedLink, Ruling, SupersededLink, TaskToken, Verdict};
use crate::evidence::Evidence;
use crate::link::ApprovalId;
use crate::people::{Address, Starter};

/// A question that is about to be put.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The question's public name. The same for every attempt of one execution.
    pub id: ApprovalId,
    /// The task that waits.
    pub task_token: TaskToken,
    /// The execution that waits.
    pub execution_arn: String,
    /// What is to be approved.
    pub evidence: Evidence,
    /// Who began the execution.
    pub started_by: Starter,
    /// Everyone who is asked.
    pub approvers: Vec<Approver>,
    /// Who may be asked in an approver's place.
    pub deputies: Vec<Address>,
    /// How many must approve.
    pub required: u32,
    /// When this attempt began.
    pub asked_at: Timestamp,
    /// When the time to answer ends.
    pub expires_at: Timestamp,
    /// When the task times out.
    pub limit_at: Timestamp,
}

/// Nobody who is asked could approve what they have not begun themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoOtherApprover {
    /// The only approver has begun the execution.
    #[error("whoever began this execution is the only approver, and cannot approve it alone")]
    Starter,
    /// Nobody knows who has begun it, so it may have been the only approver.
    #[error("nobody is named as who began this execution (startedBy), so two approvals are needed, and one person is asked")]
    Unnamed,
}

/// What putting a question again does to the one that is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Asking {
    /// Store it and mail everyone: their earlier links are superseded.
    Ask(Box<Approval>),
    /// It was answered before this attempt could wait for it. Store the new token and deliver; nobody has to answer twice.
    Redeliver(Box<Approval>),
    /// It is answered or settled for this very task.
    Settled,
    /// An attempt that began later has asked already.
    Overtaken,
}

impl Approval {
    /// Links of earlier generations that are remembered, newest last.
    pub(super) const REMEMBERED_LINKS: usize = 64;
}

impl Question {
    /// Whether enough other people are asked than the one who began the execution.
    pub fn four_eyes(&self) -> Result<(), NoOtherApprover> {
        match &self.started_by {
            Starter::Schedule => Ok(()),
            Starter::Named(_) if self.approvers.iter().any(|approver| !self.started_by.is(&approver.address)) => Ok(()),
            Starter::Named(_) => Err(NoOtherApprover::Starter),
            Starter::Unnamed if self.approvers.len() > 1 => Ok(()),
            Starter::Unnamed => Err(NoOtherApprover::Unnamed),
        }
    }

    /// The question put for the first time.
    pub fn first(self) -> Approval {
        Approval {
            id: self.id,
            generation: 1,
            revision: 1,
            task_token: self.task_token,
            execution_arn: self.execution_arn,
            evidence: self.evidence,
            started_by: self.started_by,
            approvers: self.approvers,
            deputies: self.deputies,
            required: self.required,
            asked_at: self.asked_at,
            expires_at: self.expires_at,
            limit_at: self.limit_at,
            extension: None,
            status: ApprovalStatus::Pending,
            superseded: Vec::new(),
            viewers: Vec::new(),
            announcement: Announcement::default(),
        }
    }

    /// The question put again.
    pub fn again(self, stored: &Approval) -> Asking {
        if stored.asked_at > self.asked_at {
            return Asking::Overtaken;
        }
        let same_task = stored.task_token == self.task_token;
        match &stored.status {
            ApprovalStatus::Decided { .. } | ApprovalStatus::Expired { .. } | ApprovalStatus::Cancelled { .. } if same_task => {
                return Asking::Settled;
            }
            ApprovalStatus::Decided {
                verdict: Verdict { decision: Ruling::Approved | Ruling::Rejected, .. },
                handover: Handover::Due | Handover::Closed { .. },
            } if stored.evidence.digest == self.evidence.digest => {
                let mut next = stored.handed_over(Handover::Due);
                next.generation += 1;
                next.task_token = self.task_token;
                next.asked_at = self.asked_at;
                next.expires_at = self.expires_at;
                next.limit_at = self.limit_at;
                return Asking::Redeliver(Box::new(next));
            }
            _ => {}
        }
        let mut next = self.first();
        next.generation = stored.generation + 1;
        next.revision = stored.revision + 1;
        next.superseded.clone_from(&stored.superseded);
        next.viewers.clone_from(&stored.viewers);
        next.announcement.clone_from(&stored.announcement);
        let old = stored.approvers.iter().flat_map(|approver| {
            let of = |link: &MailedLink| SupersededLink { address: approver.address.clone(), secret_hash: link.secret_hash };
            approver.links.iter().map(of).collect::<Vec<_>>()
        });
        next.superseded.extend(old);
        let forgotten = next.superseded.len().saturating_sub(Approval::REMEMBERED_LINKS);
        next.superseded.drain(..forgotten);
        Asking::Ask(Box::new(next))
    }
}
