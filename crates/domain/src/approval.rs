//! One question to the approvers: what is stored of it, and what a click on a link means in each of its states.
//!
//! The stored record arbitrates between everyone who answers and the clock: whatever it says first is what the night does.

use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, EvidenceDigest};
use crate::link::{ApprovalId, SecretHash};
use crate::people::Address;

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
    /// Everyone who may answer, and what they answered.
    pub approvers: Vec<Approver>,
    /// How many of them must approve.
    pub required: u32,
    /// When the question was put.
    pub asked_at: Timestamp,
    /// Answers count before this moment.
    pub expires_at: Timestamp,
    /// How far it has come.
    pub status: ApprovalStatus,
    /// Links of earlier generations, so that they can say what became of them.
    pub superseded: Vec<SupersededLink>,
}

/// Somebody who may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// Where their mail went.
    pub address: Address,
    /// The hash of their own link's secret.
    pub secret_hash: SecretHash,
    /// What they answered: written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// One person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What they decided.
    pub decision: Decision,
    /// When, to the second.
    pub at: Timestamp,
}

/// What a person can say to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Publish it.
    Approve {
        /// What they want others to know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<Remark>,
    },
    /// Don't.
    Reject {
        /// Why.
        reason: Remark,
    },
}

/// What somebody wrote: not blank, 1000 characters at most, without control and direction characters that could disguise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Remark(String);

/// Text that can't stand as a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRemark {
    /// Nothing was written.
    #[error("nothing is written")]
    Blank,
    /// It does not fit.
    #[error("more than {} characters are written", Remark::MAX_CHARACTERS)]
    TooLong,
}

impl Remark {
    /// The longest remark.
    pub const MAX_CHARACTERS: usize = 1000;

    /// Reads what a person wrote.
    pub fn parse(text: &str) -> Result<Self, InvalidRemark> {
        let disguise = |character: char| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let kept = |character: &char| *character == '\n' || !(character.is_control() || disguise(*character));
        let text: String = text.chars().filter(kept).collect();
        match text.trim() {
            "" => Err(InvalidRemark::Blank),
            text if text.chars().count() > Self::MAX_CHARACTERS => Err(InvalidRemark::TooLong),
            text => Ok(Self(text.to_owned())),
        }
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Remark {
    type Error = InvalidRemark;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Remark> for String {
    fn from(remark: Remark) -> Self {
        remark.0
    }
}

/// How far a question has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalStatus {
    /// Answers are awaited.
    Pending,
    /// The answer is recorded, and stays.
    Decided {
        /// What it is.
        verdict: Verdict,
        /// Whether the night has it.
        handover: Handover,
    },
    /// The definition has settled that nobody answered in time.
    Expired {
        /// When it did.
        at: Timestamp,
    },
}

impl ApprovalStatus {
    /// How it is stored, and what the definition's conditions compare.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Decided { verdict: Verdict { decision: Ruling::Approved, .. }, .. } => "APPROVED",
            Self::Decided { verdict: Verdict { decision: Ruling::Rejected, .. }, .. } => "REJECTED",
            Self::Expired { .. } => "EXPIRED",
        }
    }
}

/// Whether a recorded verdict has reached the waiting night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// Not that we know: it has to be sent, or sent again.
    Due,
    /// Step Functions has accepted it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// Nobody waited any more when it was sent. The night has had it from an attempt whose success we didn't see, or its own clock ran out
    /// and it went by the record, or it was stopped.
    Closed {
        /// When.
        at: Timestamp,
    },
}

/// The answer as the night gets it. Written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Publish or not.
    pub decision: Ruling,
    /// Who decided, by name.
    pub by: String,
    /// When the deciding answer came.
    pub at: Timestamp,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What those who approved wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What was decided about.
    pub evidence_digest: EvidenceDigest,
    /// How many rows were decided about.
    pub order_lines: u64,
}

/// What the definition's Choice routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Ruling {
    /// The night publishes.
    Approved,
    /// The night ends.
    Rejected,
}

/// A link of an earlier generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupersededLink {
    /// Whose it was.
    pub address: Address,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
}

/// Who holds a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// The approver at this place of [`Approval::approvers`].
    Approver(usize),
    /// The holder of the link at this place of [`Approval::superseded`].
    Superseded(usize),
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
    /// It is decided, by them or by others.
    Decided,
    /// The time to answer is over; the night has not yet said so.
    Overdue,
    /// The time to answer is over, and the night has ended.
    Expired,
}

/// What an approver's click does.
#[derive(Debug, Clone, PartialEq)]
pub enum Click {
    /// It is an answer: this is to be stored.
    Counts(Box<Approval>),
    /// It changes nothing.
    Void(Standing),
}

impl Approval {
    /// Links of earlier generations that are remembered, newest last.
    const REMEMBERED_LINKS: usize = 64;

    /// Who the holder of a link's secret is. Takes the same time for whatever secret.
    pub fn bearer(&self, secret: &SecretHash) -> Bearer {
        let mut bearer = Bearer::Stranger;
        for (place, link) in self.superseded.iter().enumerate() {
            if link.secret_hash.matches(secret) {
                bearer = Bearer::Superseded(place);
            }
        }
        for (place, approver) in self.approvers.iter().enumerate() {
            if approver.secret_hash.matches(secret) {
                bearer = Bearer::Approver(place);
            }
        }
        bearer
    }

    /// What the question means to this approver now.
    pub fn standing(&self, approver: usize, now: Timestamp) -> Standing {
        match &self.status {
            ApprovalStatus::Decided { .. } => Standing::Decided,
            ApprovalStatus::Expired { .. } => Standing::Expired,
            ApprovalStatus::Pending if now >= self.expires_at => Standing::Overdue,
            ApprovalStatus::Pending if self.approvers.get(approver).is_none_or(|approver| approver.answer.is_some()) => Standing::Counted,
            ApprovalStatus::Pending => Standing::Open,
        }
    }

    /// What it does when this approver answers now. One rejection decides; the approval that completes the count decides.
    pub fn click(&self, approver: usize, decision: Decision, now: Timestamp) -> Click {
        let standing = self.standing(approver, now);
        if standing != Standing::Open {
            return Click::Void(standing);
        }
        let at = now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(now);
        let mut next = self.clone();
        next.revision += 1;
        next.approvers[approver].answer = Some(Answer { decision, at });
        if let Some(verdict) = next.verdict(approver, at) {
            next.status = ApprovalStatus::Decided { verdict, handover: Handover::Due };
        }
        Click::Counts(Box::new(next))
    }

    /// How many have approved.
    pub fn approvals(&self) -> u32 {
        u32::try_from(self.approved().count()).unwrap_or(u32::MAX)
    }

    /// The same question with a verdict that was handed over, or could not be.
    #[must_use]
    pub fn handed_over(&self, handover: Handover) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        if let ApprovalStatus::Decided { handover: stored, .. } = &mut next.status {
            *stored = handover;
        }
        next
    }

    /// The verdict that the night does not have yet.
    pub fn undelivered(&self) -> Option<&Verdict> {
        match &self.status {
            ApprovalStatus::Decided { verdict, handover: Handover::Due } => Some(verdict),
            _ => None,
        }
    }

    /// The verdict that the answer of the `decider` completes.
    fn verdict(&self, decider: usize, at: Timestamp) -> Option<Verdict> {
        let decider = &self.approvers[decider];
        let (decision, by, reason, comment) = match &decider.answer.as_ref()?.decision {
            Decision::Reject { reason } => (Ruling::Rejected, decider.address.person(), Some(reason.as_str().to_owned()), None),
            Decision::Approve { .. } if self.approvals() < self.required => return None,
            Decision::Approve { .. } => (Ruling::Approved, self.approving_people().join(", "), None, self.comments()),
        };
        let (evidence_digest, order_lines) = (self.evidence.digest.clone(), self.evidence.summary.order_lines);
        Some(Verdict { decision, by, at, reason, comment, evidence_digest, order_lines })
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

/// A question that is about to be put, with new secrets for everyone.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The question's public name. The same for every attempt of one night.
    pub id: ApprovalId,
    /// The task that waits.
    pub task_token: TaskToken,
    /// The execution that waits.
    pub execution_arn: String,
    /// What is to be approved.
    pub evidence: Evidence,
    /// Everyone who is asked.
    pub approvers: Vec<Approver>,
    /// How many must approve.
    pub required: u32,
    /// When this attempt began.
    pub asked_at: Timestamp,
    /// When the task times out.
    pub expires_at: Timestamp,
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

impl Question {
    /// The question put for the first time.
    pub fn first(self) -> Approval {
        Approval {
            id: self.id,
            generation: 1,
            revision: 1,
            task_token: self.task_token,
            execution_arn: self.execution_arn,
            evidence: self.evidence,
            approvers: self.approvers,
            required: self.required,
            asked_at: self.asked_at,
            expires_at: self.expires_at,
            status: ApprovalStatus::Pending,
            superseded: Vec::new(),
        }
    }

    /// The question put again.
    pub fn again(self, stored: &Approval) -> Asking {
        if stored.asked_at > self.asked_at {
            return Asking::Overtaken;
        }
        let same_task = stored.task_token == self.task_token;
        match &stored.status {
            ApprovalStatus::Decided { .. } | ApprovalStatus::Expired { .. } if same_task => return Asking::Settled,
            ApprovalStatus::Decided { handover: Handover::Due | Handover::Closed { .. }, .. }
                if stored.evidence.digest == self.evidence.digest =>
            {
                let mut next = stored.handed_over(Handover::Due);
                next.generation += 1;
                next.task_token = self.task_token;
                next.asked_at = self.asked_at;
                next.expires_at = self.expires_at;
                return Asking::Redeliver(Box::new(next));
            }
            _ => {}
        }
        let mut next = self.first();
        next.generation = stored.generation + 1;
        next.revision = stored.revision + 1;
        next.superseded.clone_from(&stored.superseded);
        let old =
            stored.approvers.iter().map(|approver| SupersededLink { address: approver.address.clone(), secret_hash: approver.secret_hash });
        next.superseded.extend(old);
        let forgotten = next.superseded.len().saturating_sub(Approval::REMEMBERED_LINKS);
        next.superseded.drain(..forgotten);
        Asking::Ask(Box::new(next))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::memory::contract::{question, secret};

    const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];

    fn asked(required: u32) -> Approval {
        question(&"night".parse().unwrap(), &PEOPLE, required).first()
    }

    fn approve() -> Decision {
        Decision::Approve { comment: None }
    }

    fn reject() -> Decision {
        Decision::Reject { reason: Remark::parse("Electronics has doubled.").unwrap() }
    }

    fn counted(approval: &Approval, approver: usize, decision: Decision) -> Approval {
        match approval.click(approver, decision, approval.asked_at + SignedDuration::from_millis(90_999)) {
            Click::Counts(next) => *next,
            Click::Void(standing) => panic!("{standing:?}"),
        }
    }

    fn verdict(approval: &Approval) -> &Verdict {
        approval.undelivered().expect("a verdict that is due")
    }

    #[test]
    fn the_approval_that_completes_the_count_decides() {
        let one = counted(&asked(2), 2, Decision::Approve { comment: Some(Remark::parse(" Expected. ").unwrap()) });
        assert_eq!((one.status.clone(), one.approvals(), one.revision), (ApprovalStatus::Pending, 1, 2));
        let two = counted(&one, 0, approve());
        assert_eq!(verdict(&two).decision, Ruling::Approved);
        assert_eq!(verdict(&two).by, "A. Berg, C. Marchetti");
        assert_eq!(verdict(&two).comment.as_deref(), Some("C. Marchetti: Expected."));
        assert_eq!(verdict(&two).at.to_string(), "2026-11-21T02:25:30Z", "to the second, never later than the click");
        assert_eq!((verdict(&two).order_lines, &verdict(&two).evidence_digest), (48_212, &two.evidence.digest));
    }

    #[test]
    fn one_person_counts_once() {
        let one = counted(&asked(2), 0, approve());
        for decision in [approve(), reject()] {
            assert_eq!(one.click(0, decision, one.asked_at), Click::Void(Standing::Counted));
        }
    }

    #[test]
    fn one_rejection_decides_whatever_was_approved() {
        let rejected = counted(&counted(&asked(3), 0, approve()), 1, reject());
        assert_eq!((verdict(&rejected).decision, verdict(&rejected).by.as_str()), (Ruling::Rejected, "B. Osei"));
        assert_eq!(verdict(&rejected).reason.as_deref(), Some("Electronics has doubled."));
        assert_eq!(verdict(&rejected).comment, None);
        for approver in 0..3 {
            assert_eq!(rejected.click(approver, approve(), rejected.asked_at), Click::Void(Standing::Decided));
        }
    }

    #[test]
    fn the_last_moment_counts_and_the_next_does_not() {
        let asked = asked(1);
        let last = asked.expires_at - SignedDuration::from_nanos(1);
        assert!(matches!(asked.click(0, approve(), last), Click::Counts(_)));
        assert_eq!(asked.click(0, approve(), asked.expires_at), Click::Void(Standing::Overdue));
        let settled = Approval { status: ApprovalStatus::Expired { at: asked.expires_at }, ..asked };
        assert_eq!(settled.click(0, approve(), last), Click::Void(Standing::Expired), "what the clock has settled stays");
    }

    #[test]
    fn a_verdict_is_written_as_the_definition_reads_it() {
        let rejected = counted(&asked(1), 1, reject());
        let written = serde_json::to_value(verdict(&rejected)).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "decision": "REJECTED", "by": "B. Osei", "at": "2026-11-21T02:25:30Z", "reason": "Electronics has doubled.",
                "evidenceDigest": rejected.evidence.digest.to_string(), "orderLines": 48212,
            })
        );
        assert_eq!(serde_json::from_value::<Verdict>(written).unwrap(), *verdict(&rejected));
    }

    #[test]
    fn a_link_is_known_by_its_secret_alone() {
        let asked = asked(1);
        assert_eq!(asked.bearer(&secret(2).hash()), Bearer::Approver(2));
        assert_eq!(asked.bearer(&secret(3).hash()), Bearer::Stranger);
    }

    #[test]
    fn asking_again_supersedes_every_earlier_link() {
        let mut again = question(&"night".parse().unwrap(), &PEOPLE[1..], 1);
        again.task_token = "token-2".to_owned().try_into().unwrap();
        again.approvers[0].secret_hash = secret(10).hash();
        again.approvers[1].secret_hash = secret(11).hash();
        let one = counted(&asked(2), 0, approve());
        let Asking::Ask(next) = again.again(&one) else { panic!("it is asked again") };
        assert_eq!((next.generation, next.revision, next.approvals()), (2, 3, 0), "an earlier approval was of an earlier question");
        assert_eq!(
            (0..3).map(|place| next.bearer(&secret(place).hash())).collect::<Vec<_>>(),
            (0..3).map(Bearer::Superseded).collect::<Vec<_>>()
        );
        assert_eq!(next.bearer(&secret(10).hash()), Bearer::Approver(0));
    }

    #[test]
    fn a_verdict_that_no_task_took_is_kept_for_the_next_one() {
        let decided = counted(&asked(1), 0, approve());
        for handover in [Handover::Due, Handover::Closed { at: decided.expires_at }] {
            let stored = decided.handed_over(handover);
            let mut again = question(&stored.id, &PEOPLE, 1);
            assert_eq!(again.clone().again(&stored), Asking::Settled, "a repeated start of the same task asks nobody");
            again.task_token = "token-2".to_owned().try_into().unwrap();
            let Asking::Redeliver(next) = again.clone().again(&stored) else { panic!("nobody has to answer twice") };
            assert_eq!((verdict(&next), next.task_token.expose(), next.generation), (verdict(&decided), "token-2", 2));
            assert_eq!(next.bearer(&secret(0).hash()), Bearer::Approver(0), "their link still shows what they decided");

            again.evidence.digest =
                EvidenceDigest::of(&again.evidence.staged_uri, &[crate::ObjectEntry { key: "a".into(), size: 1, etag: "b".into() }]);
            assert!(matches!(again.again(&stored), Asking::Ask(_)), "nobody has answered for another build");
        }
    }

    #[test]
    fn an_attempt_that_was_overtaken_changes_nothing() {
        let mut late = question(&"night".parse().unwrap(), &PEOPLE, 1);
        late.asked_at -= SignedDuration::from_millis(1);
        assert_eq!(late.again(&asked(1)), Asking::Overtaken);
    }

    #[test]
    fn only_so_many_old_links_are_remembered() {
        let mut stored = asked(1);
        for _ in 0..30 {
            let Asking::Ask(next) = question(&stored.id, &PEOPLE, 1).again(&stored) else { panic!("it is asked again") };
            stored = *next;
        }
        assert_eq!((stored.generation, stored.superseded.len()), (31, Approval::REMEMBERED_LINKS));
    }

    #[test]
    fn a_remark_is_what_was_written_without_disguises() {
        assert_eq!(Remark::parse("  two\r\nlines\u{0} and \u{202e}more ").unwrap().as_str(), "two\nlines and more");
        assert_eq!(Remark::parse(" \r\n\u{202e}"), Err(InvalidRemark::Blank));
        assert!(Remark::parse(&"ø".repeat(1000)).is_ok());
        assert_eq!(Remark::parse(&"ø".repeat(1001)), Err(InvalidRemark::TooLong));
    }

    #[test]
    fn nothing_secret_is_shown_of_a_record() {
        let shown = format!("{:?}", asked(1));
        for hidden in ["token-1", "a.berg", "b.osei", "c.marchetti", &String::from(secret(0).hash())] {
            assert!(!shown.contains(hidden), "{hidden} is shown: {shown}");
        }
    }
}
