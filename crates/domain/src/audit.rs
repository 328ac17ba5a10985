//! What happened to a question, in an append-only chain: each entry holds the hash of the one before it.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::approval::{Approval, ApprovalStatus, Decision, Handover, Notice, Ruling, Waiver};
use crate::evidence::hex;
use crate::history::ExecutionEnd;
use crate::link::ApprovalId;
use crate::people::{Address, Starter};
use crate::ports::PortError;

/// The chains of all questions. Nothing in them is ever changed or removed.
pub trait Audit: Send + Sync {
    /// Every entry of this question, in the order of their numbers.
    fn entries(&self, approval: &ApprovalId) -> impl Future<Output = Result<Vec<Entry>, PortError>> + Send;

    /// Appends the entry, unless its number is taken. After an error, it may stand there or not.
    fn append(&self, entry: &Entry) -> impl Future<Output = Result<Appended, PortError>> + Send;
}

/// Whether an entry was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It stands in the chain.
    Stored,
    /// Another entry has its number.
    Taken,
}

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of which question.
    pub approval: ApprovalId,
    /// Counted from 1, without a gap.
    pub sequence: u32,
    /// What happened, as the JSON text that was hashed.
    pub text: String,
    /// SHA-256 over the question, the number, the hash before this one and the text.
    pub hash: EntryHash,
}

/// 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryHash(String);

impl fmt::Display for EntryHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<String> for EntryHash {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Something that happened to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// When.
    pub at: Timestamp,
    /// The time that the question was put, counted from 1.
    pub generation: u32,
    /// Whose act it was, or whom it concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Address>,
    /// What it was.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The question was put.
    Asked {
        /// How many people were asked.
        people: u32,
        /// How many must approve.
        required: u32,
        /// What an answer is bound to.
        evidence_digest: String,
    },
    /// A mail was handed over.
    Mailed {
        /// Why it was written.
        notice: Notice,
    },
    /// The page was opened. Stands once for each person, kind of reader and generation, however often it is opened.
    Viewed {
        /// Who seems to have read.
        reader: Reader,
    },
    /// An answer was recorded.
    Answered {
        /// What was decided, with what was written to it.
        #[serde(flatten)]
        decision: Decision,
    },
    /// An answer was handed on.
    HandedOn {
        /// Who is asked instead.
        to: Address,
    },
    /// The time to answer was extended.
    Extended {
        /// To this moment.
        until: Timestamp,
    },
    /// The question is decided.
    Decided {
        /// How.
        ruling: Ruling,
    },
    /// The execution has taken the verdict.
    Delivered,
    /// Nobody waited for the verdict any more.
    Closed {
        /// How the execution had ended by then, where it had.
        end: Option<ExecutionEnd>,
    },
    /// The question was put again, and the links of this generation lead to it no more.
    Superseded,
    /// The definition has settled that nobody answered in time.
    Expired,
    /// Nobody is asked.
    Waived {
        /// Why.
        waiver: Waiver,
        /// Who began the execution.
        started_by: Starter,
        /// What is bound by it.
        evidence_digest: String,
    },
    /// The execution ended without an answer.
    Cancelled {
        /// How.
        end: ExecutionEnd,
    },
}

/// Who seems to have opened a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// A browser as people use it.
    Person,
    /// Something that opens links before people do.
    Scanner,
}

/// A chain that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is missing, or stands twice.
    #[error("entry {expected} is missing: entry {found} stands in its place")]
    Gap {
        /// The number that should come next.
        expected: u32,
        /// The number that does.
        found: u32,
    },
    /// An entry, or one before it, was changed.
    #[error("entry {sequence} is not what was written: its hash does not fit")]
    Changed {
        /// Its number.
        sequence: u32,
    },
    /// What was written can't be read.
    #[error("entry {sequence} cannot be read")]
    Unreadable {
        /// Its number.
        sequence: u32,
    },
}

/// What an entry's first hash goes back to.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Others append at the same time; they never come first this many times in a row.
const ATTEMPTS: usize = 32;

impl Entry {
    /// The entry that follows these.
    pub fn after(chain: &[Self], approval: &ApprovalId, occurrence: &Occurrence) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(occurrence)?;
        let sequence = chain.last().map_or(0, |last| last.sequence) + 1;
        let hash = hash(approval, sequence, chain.last().map(|last| &last.hash), &text);
        Ok(Self { approval: approval.clone(), sequence, text, hash })
    }

    /// What happened, or `None` where that can't be read.
    pub fn occurrence(&self) -> Option<Occurrence> {
        serde_json::from_str(&self.text).ok()
    }
}

fn hash(approval: &ApprovalId, sequence: u32, previous: Option<&EntryHash>, text: &str) -> EntryHash {
    let previous = previous.map_or(BEGINNING, |hash| &hash.0);
    EntryHash(hex(&Sha256::digest(format!("{approval}\n{sequence}\n{previous}\n{text}"))))
}

impl Occurrence {
    /// What makes it the same one: it is recorded once, whoever finds it and however often.
    fn key(&self) -> String {
        let what = match &self.event {
            Event::Asked { .. } => "asked".to_owned(),
            Event::Mailed { notice } => format!("mailed {notice:?} {}", self.at),
            Event::Viewed { reader } => format!("viewed {reader:?}"),
            Event::Answered { .. } => "answered".to_owned(),
            Event::HandedOn { .. } => "handed on".to_owned(),
            Event::Extended { .. } => "extended".to_owned(),
            Event::Decided { .. } => "decided".to_owned(),
            Event::Delivered => "delivered".to_owned(),
            Event::Closed { .. } => "closed".to_owned(),
            Event::Superseded => "superseded".to_owned(),
            Event::Expired => "expired".to_owned(),
            Event::Waived { evidence_digest, .. } => format!("waived {evidence_digest}"),
            Event::Cancelled { .. } => "cancelled".to_owned(),
        };
        format!("{} {what} {}", self.generation, self.approver.as_ref().map_or("", Address::as_str))
    }
}

/// Everything that a record says has happened to its question in this generation, and that the one before it is superseded. A verdict that
/// was handed to a later attempt of the same step belongs to the generation in which it was given.
pub fn told_by(record: &Approval) -> Vec<Occurrence> {
    let of = |generation, at, approver: Option<&Address>, event| Occurrence { at, generation, approver: approver.cloned(), event };
    let now = |at, approver, event| of(record.generation, at, approver, event);
    let mut told = Vec::new();
    if !is_renewed(record) {
        if record.generation > 1 {
            told.push(of(record.generation - 1, record.asked_at, None, Event::Superseded));
        }
        let people = record.approvers.iter().filter(|approver| approver.in_place_of.is_none()).count();
        let asked = Event::Asked {
            people: u32::try_from(people).unwrap_or(u32::MAX),
            required: record.required,
            evidence_digest: record.evidence.digest.to_string(),
        };
        told.push(now(record.asked_at, None, asked));
        let mut acts = acts(record);
        acts.sort_by_key(|occurrence| occurrence.at);
        told.extend(acts);
    }
    match &record.status {
        ApprovalStatus::Pending => {}
        ApprovalStatus::Decided { verdict, handover } => {
            if !is_renewed(record) {
                told.push(now(verdict.at, None, Event::Decided { ruling: verdict.decision }));
            }
            match handover {
                Handover::Due => {}
                Handover::Delivered { at } => told.push(now(*at, None, Event::Delivered)),
                Handover::Closed { at, end } => told.push(now(*at, None, Event::Closed { end: end.clone() })),
            }
        }
        ApprovalStatus::Expired { at } => told.push(now(*at, None, Event::Expired)),
        ApprovalStatus::Cancelled { at, end } => told.push(now(*at, None, Event::Cancelled { end: end.clone() })),
    }
    told
}

/// Whether the verdict is older than this attempt, which only brings it. Verdicts are written down to the second.
fn is_renewed(record: &Approval) -> bool {
    let ApprovalStatus::Decided { verdict, .. } = &record.status else { return false };
    verdict.at.as_second() < record.asked_at.as_second()
}

fn acts(record: &Approval) -> Vec<Occurrence> {
    let of = |at, approver: &Address, event| Occurrence { at, generation: record.generation, approver: Some(approver.clone()), event };
    let mut acts = Vec::new();
    for approver in &record.approvers {
        let who = &approver.address;
        for link in &approver.links {
            acts.extend(link.sent_at.map(|at| of(at, who, Event::Mailed { notice: link.notice })));
        }
        acts.extend(approver.answer.as_ref().map(|answer| of(answer.at, who, Event::Answered { decision: answer.decision.clone() })));
        acts.extend(approver.handed_on.as_ref().map(|handed| of(handed.at, who, Event::HandedOn { to: handed.to.clone() })));
    }
    let extended = record.extension.as_ref();
    acts.extend(extended.map(|extension| of(extension.at, &extension.by, Event::Extended { until: record.expires_at })));
    acts
}

/// Appends what the chain does not hold yet. What others append in the meantime stays.
pub async fn append(audit: &impl Audit, approval: &ApprovalId, occurrences: &[Occurrence]) -> Result<(), PortError> {
    let unwritable = |error| PortError::new(format!("writing the audit of approval {approval}"), error);
    for _ in 0..ATTEMPTS {
        let mut chain = audit.entries(approval).await?;
        let known: HashSet<_> = chain.iter().filter_map(|entry| Some(entry.occurrence()?.key())).collect();
        let mut overtaken = false;
        for occurrence in occurrences.iter().filter(|occurrence| !known.contains(&occurrence.key())) {
            let entry = Entry::after(&chain, approval, occurrence).map_err(unwritable)?;
            match audit.append(&entry).await? {
                Appended::Stored => chain.push(entry),
                Appended::Taken => {
                    overtaken = true;
                    break;
                }
            }
        }
        if !overtaken {
            return Ok(());
        }
    }
    Err(PortError::new(format!("appending to the audit of approval {approval}"), "others kept appending"))
}

/// Checks that nothing in a chain was changed, removed from its middle or put into it.
pub fn verify(chain: &[Entry]) -> Result<(), Broken> {
    let mut previous: Option<&Entry> = None;
    for entry in chain {
        let expected = previous.map_or(0, |entry| entry.sequence) + 1;
        if entry.sequence != expected {
            return Err(Broken::Gap { expected, found: entry.sequence });
        }
        if entry.hash != hash(&entry.approval, entry.sequence, previous.map(|entry| &entry.hash), &entry.text) {
            return Err(Broken::Changed { sequence: entry.sequence });
        }
        if entry.occurrence().is_none() {
            return Err(Broken::Unreadable { sequence: entry.sequence });
        }
        previous = Some(entry);
    }
    Ok(())
}

/// What a record says has happened and its chain does not hold: a chain whose end was cut off lacks something.
pub fn missing(record: &Approval, chain: &[Entry]) -> Vec<Occurrence> {
    let known: HashSet<_> = chain.iter().filter_map(|entry| Some(entry.occurrence()?.key())).collect();
    told_by(record).into_iter().filter(|occurrence| !known.contains(&occurrence.key())).collect()
}

#[cfg(test)]
mod tests;
