//! What everybody's acts make of a question. Every act is a new record; the store decides whose comes first.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use super::{
    Answer, Approval, ApprovalStatus, Approver, Decision, Extension, HandedOn, Handover, MailedLink, Notice, Remark, Ruling, Said, Verdict,
};
use crate::channel::MessageReference;
use crate::history::ExecutionEnd;
use crate::link::SecretHash;
use crate::people::{Address, Starter};

/// Who holds a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// The approver at this place of [`Approval::approvers`].
    Approver(usize),
    /// The holder of the link at this place of [`Approval::superseded`].
    Superseded(usize),
    /// Somebody who may look.
    Viewer,
    /// Nobody we know.
    Stranger,
}

/// What a question means to one of its approvers, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Their answer is awaited.
    Open,
    /// They have approved, and others have to.
    Counted,
    /// They have handed their answer on.
    HandedOn,
    /// It is decided, by them or by others.
    Decided,
    /// The time to answer is over; the execution has not yet said so.
    Overdue,
    /// The time to answer is over, and that is settled.
    Expired,
    /// The execution has ended without an answer.
    Cancelled,
}

/// What an approver's act does.
#[derive(Debug, Clone, PartialEq)]
pub enum Click {
    /// It counts: this is to be stored.
    Counts(Box<Approval>),
    /// It changes nothing.
    Void(Standing),
    /// It can't be done now.
    Refused(NotPossible),
}

/// Why an act can't be done, although the question is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// Whom it is handed to is no deputy, or is asked already.
    #[error("the answer can't be handed to them")]
    NoDeputy,
    /// Whoever began the execution can't stand in for the one who is to look at it with other eyes.
    #[error("whoever began the execution can't be asked in somebody's place")]
    Starter,
    /// More time was asked for already.
    #[error("the time to answer was extended already")]
    ExtendedAlready,
    /// The task waits no longer than that.
    #[error("the execution waits no longer")]
    AtTheLimit,
}

impl Approval {
    /// Links that one approver can get, whatever is mailed again after crashes.
    const LINKS: usize = 12;
    /// Links for the channel that are remembered.
    const VIEWERS: usize = 8;
    /// The last reminder comes so long before the end.
    pub const LAST_CALL: SignedDuration = SignedDuration::from_mins(10);

    /// Who the holder of a link's secret is. Takes the same time for whatever secret.
    pub fn bearer(&self, secret: &SecretHash) -> Bearer {
        let mut bearer = Bearer::Stranger;
        for (place, link) in self.superseded.iter().enumerate() {
            if link.secret_hash.matches(secret) {
                bearer = Bearer::Superseded(place);
            }
        }
        for viewer in &self.viewers {
            if viewer.matches(secret) {
                bearer = Bearer::Viewer;
            }
        }
        for (place, approver) in self.approvers.iter().enumerate() {
            for link in &approver.links {
                if link.secret_hash.matches(secret) {
                    bearer = Bearer::Approver(place);
                }
            }
        }
        bearer
    }

    /// What the question means to this approver now.
    pub fn standing(&self, approver: usize, now: Timestamp) -> Standing {
        match &self.status {
            ApprovalStatus::Decided { verdict: Verdict { decision: Ruling::Expired, .. }, .. } | ApprovalStatus::Expired { .. } => {
                Standing::Expired
            }
            ApprovalStatus::Decided { .. } => Standing::Decided,
            ApprovalStatus::Cancelled { .. } => Standing::Cancelled,
            ApprovalStatus::Pending if now >= self.expires_at => Standing::Overdue,
            ApprovalStatus::Pending => match self.approvers.get(approver) {
                Some(approver) if approver.handed_on.is_some() => Standing::HandedOn,
                Some(approver) if approver.answer.is_none() => Standing::Open,
                _ => Standing::Counted,
            },
        }
    }

    /// What it does when this approver answers now. One rejection decides; the approval that completes the count decides.
    pub fn click(&self, approver: usize, decision: Decision, now: Timestamp) -> Click {
        let standing = self.standing(approver, now);
        if standing != Standing::Open {
            return Click::Void(standing);
        }
        let at = whole_second(now);
        let mut next = self.revised();
        next.approvers[approver].answer = Some(Answer { decision, at });
        if let Some(verdict) = next.verdict(approver, at) {
            next.status = ApprovalStatus::Decided { verdict, handover: Handover::Due };
        }
        Click::Counts(Box::new(next))
    }

    /// What it does when this approver hands their answer to a deputy. The deputy's mail is due then.
    pub fn hand_on(&self, approver: usize, to: &Address, now: Timestamp) -> Click {
        let standing = self.standing(approver, now);
        if standing != Standing::Open {
            return Click::Void(standing);
        }
        if self.started_by.is(to) {
            return Click::Refused(NotPossible::Starter);
        }
        if !self.free_deputies().any(|deputy| deputy == to) {
            return Click::Refused(NotPossible::NoDeputy);
        }
        let mut next = self.revised();
        let handing = &mut next.approvers[approver];
        handing.handed_on = Some(HandedOn { to: to.clone(), at: whole_second(now) });
        let in_place_of = Some(handing.address.clone());
        next.approvers.push(Approver { in_place_of, ..Approver::new(to.clone()) });
        Click::Counts(Box::new(next))
    }

    /// Who can still be asked in somebody's place.
    pub fn free_deputies(&self) -> impl Iterator<Item = &Address> {
        let asked = |deputy: &Address| self.approvers.iter().any(|approver| approver.address.is(deputy));
        self.deputies.iter().filter(move |deputy| !asked(deputy) && !self.started_by.is(deputy))
    }

    /// What it does when this approver asks for more time: once, and as far as the task waits.
    pub fn extend(&self, approver: usize, now: Timestamp) -> Click {
        let standing = self.standing(approver, now);
        if !matches!(standing, Standing::Open | Standing::Counted) {
            return Click::Void(standing);
        }
        match self.more_time() {
            Err(refusal) => Click::Refused(refusal),
            Ok(until) => {
                let mut next = self.revised();
                let by = self.approvers[approver].address.clone();
                next.extension = Some(Extension { by, at: whole_second(now), from: self.expires_at });
                next.expires_at = until;
                Click::Counts(Box::new(next))
            }
        }
    }

    /// Until when the time to answer could be extended.
    pub fn more_time(&self) -> Result<Timestamp, NotPossible> {
        if self.extension.is_some() {
            Err(NotPossible::ExtendedAlready)
        } else if self.expires_at >= self.limit_at {
            Err(NotPossible::AtTheLimit)
        } else {
            Ok(self.limit_at)
        }
    }

    /// The question after its time has run out, where it has and nobody has settled that.
    pub fn ran_out(&self, now: Timestamp) -> Option<Self> {
        (self.status == ApprovalStatus::Pending && now >= self.expires_at).then(|| {
            let mut next = self.revised();
            let verdict = self.ruled(Ruling::Expired, String::new(), self.expires_at);
            next.status = ApprovalStatus::Decided { verdict, handover: Handover::Due };
            next
        })
    }

    /// The question after its execution has ended without an answer, where it was open.
    pub fn cancelled(&self, end: ExecutionEnd, now: Timestamp) -> Option<Self> {
        (self.status == ApprovalStatus::Pending).then(|| {
            let mut next = self.revised();
            next.status = ApprovalStatus::Cancelled { at: whole_second(now), end };
            next
        })
    }

    /// The same question with a verdict that was handed over, or could not be.
    #[must_use]
    pub fn handed_over(&self, handover: Handover) -> Self {
        let mut next = self.revised();
        if let ApprovalStatus::Decided { handover: stored, .. } = &mut next.status {
            *stored = handover;
        }
        next
    }

    /// The verdict that the execution does not have yet.
    pub fn undelivered(&self) -> Option<&Verdict> {
        match &self.status {
            ApprovalStatus::Decided { verdict, handover: Handover::Due } => Some(verdict),
            _ => None,
        }
    }

    /// How many have approved.
    pub fn approvals(&self) -> u32 {
        u32::try_from(self.approved().count()).unwrap_or(u32::MAX)
    }

    /// How many approvals decide. Where nobody knows who began the execution, it may have been anyone who is asked: then two must agree.
    pub fn needed(&self) -> u32 {
        if self.started_by == Starter::Unnamed { self.required.max(2) } else { self.required }
    }

    /// How many more approvals are needed, whoever began the execution not alone among them.
    pub fn missing(&self) -> u32 {
        let missing = self.needed().saturating_sub(self.approvals());
        if missing == 0 && self.only_by_the_starter() { 1 } else { missing }
    }

    fn only_by_the_starter(&self) -> bool {
        self.approved().all(|(approver, _)| self.started_by.is(&approver.address))
    }

    /// The deadline before anyone asked for more time.
    pub fn first_deadline(&self) -> Timestamp {
        self.extension.as_ref().map_or(self.expires_at, |extension| extension.from)
    }

    /// The mails that are due now, with the places of those who get them. A reminder is due when its moment has come, its reader's answer is
    /// awaited, and nothing was mailed to them since.
    pub fn notices_due(&self, now: Timestamp) -> Vec<(usize, Notice)> {
        let half_time = self.asked_at + self.first_deadline().duration_since(self.asked_at) / 2;
        let last_call = self.expires_at - Self::LAST_CALL;
        let due = |(place, approver): (usize, &Approver)| {
            if self.standing(place, now) != Standing::Open || approver.links.len() >= Self::LINKS {
                return None;
            }
            let mailed = |since: Timestamp| approver.links.iter().any(|link| link.sent_at.is_some_and(|sent| sent >= since));
            let notice = if !mailed(self.asked_at) {
                if approver.in_place_of.is_some() { Notice::Delegation } else { Notice::Question }
            } else if last_call > half_time && now >= last_call && !mailed(last_call) {
                Notice::LastCall
            } else if now >= half_time && !mailed(half_time) {
                Notice::HalfTime
            } else {
                return None;
            };
            Some((place, notice))
        };
        self.approvers.iter().enumerate().filter_map(due).collect()
    }

    /// The question with a new link for each of these mails, before they are sent: a mail whose link nobody knows would be worse than a link
    /// whose mail is lost.
    #[must_use]
    pub fn about_to_mail(&self, mails: impl IntoIterator<Item = (usize, Notice, SecretHash)>) -> Self {
        let mut next = self.revised();
        for (place, notice, secret_hash) in mails {
            next.approvers[place].links.push(MailedLink { secret_hash, notice, sent_at: None });
        }
        next
    }

    /// The question after the mails with these links' secrets were handed over.
    #[must_use]
    pub fn mailed(&self, secrets: &[SecretHash], at: Timestamp) -> Self {
        let mut next = self.revised();
        let links = next.approvers.iter_mut().flat_map(|approver| &mut approver.links);
        for link in links.filter(|link| secrets.contains(&link.secret_hash)) {
            link.sent_at = Some(at);
        }
        next
    }

    /// What the channel is to be told next, if anything.
    pub fn announcement_due(&self) -> Option<Said> {
        let settled = match &self.status {
            ApprovalStatus::Pending | ApprovalStatus::Decided { handover: Handover::Due, .. } => false,
            ApprovalStatus::Decided { .. } | ApprovalStatus::Expired { .. } | ApprovalStatus::Cancelled { .. } => true,
        };
        match self.announcement.said {
            Said::Question(_) if settled => Some(Said::Outcome(self.generation)),
            // A verdict that nobody took is brought to a later attempt, and then there is more to tell.
            Said::Outcome(generation) if settled && generation < self.generation => Some(Said::Outcome(self.generation)),
            Said::Question(generation) if generation == self.generation => None,
            _ => (self.status == ApprovalStatus::Pending).then_some(Said::Question(self.generation)),
        }
    }

    /// The question with a link for the channel, before it is posted.
    #[must_use]
    pub fn about_to_post(&self, viewer: SecretHash) -> Self {
        let mut next = self.revised();
        next.viewers.push(viewer);
        let forgotten = next.viewers.len().saturating_sub(Self::VIEWERS);
        next.viewers.drain(..forgotten);
        next
    }

    /// The question after the channel was told. A message that can be changed stays known.
    #[must_use]
    pub fn announced(&self, said: Said, message: Option<MessageReference>) -> Self {
        let mut next = self.revised();
        next.announcement.said = said;
        next.announcement.message = message.or(next.announcement.message);
        next
    }

    /// To be changed and stored as the next revision.
    pub(super) fn revised(&self) -> Self {
        Self { revision: self.revision + 1, ..self.clone() }
    }

    /// The verdict that the answer of the `decider` completes.
    fn verdict(&self, decider: usize, at: Timestamp) -> Option<Verdict> {
        let decider = &self.approvers[decider];
        match &decider.answer.as_ref()?.decision {
            Decision::Reject { reason } => {
                Some(Verdict { reason: Some(reason.as_str().to_owned()), ..self.ruled(Ruling::Rejected, decider.address.person(), at) })
            }
            Decision::Approve { .. } if self.missing() > 0 => None,
            Decision::Approve { .. } => {
                Some(Verdict { comment: self.comments(), ..self.ruled(Ruling::Approved, self.approving_people().join(", "), at) })
            }
        }
    }

    fn ruled(&self, decision: Ruling, by: String, at: Timestamp) -> Verdict {
        let order_lines = self.evidence.build().map(|build| build.summary.order_lines);
        Verdict { decision, by, at, reason: None, comment: None, evidence_digest: self.evidence.digest.clone(), order_lines, waiver: None }
    }

    fn approved(&self) -> impl Iterator<Item = (&Approver, Option<&Remark>)> {
        self.approvers.iter().filter_map(|approver| match &approver.answer.as_ref()?.decision {
            Decision::Approve { comment } => Some((approver, comment.as_ref())),
            Decision::Reject { .. } => None,
        })
    }

    fn approving_people(&self) -> Vec<String> {
        self.approved().map(|(approver, _)| approver.address.person()).collect()
    }

    /// What those who approved wrote, each line with its author where there are several.
    fn comments(&self) -> Option<String> {
        let alone = self.approvals() == 1;
        let written = self.approved().filter_map(|(approver, comment)| {
            let comment = comment?.as_str();
            Some(if alone { comment.to_owned() } else { format!("{}: {comment}", approver.address.person()) })
        });
        Some(written.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty())
    }
}

/// What is shown to the second is stored to the second, and never later than it was.
fn whole_second(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(at)
}
