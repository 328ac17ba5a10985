//! What people can say to a question, and what the night gets of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::EvidenceDigest;

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
    /// Go on.
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

/// The answer as the night gets it. Written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Go on or not.
    pub decision: Ruling,
    /// Who decided, by name, a comma between; nobody where the time ran out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When the deciding answer came, or the time ran out.
    pub at: Timestamp,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What those who approved wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What was decided about.
    pub evidence_digest: EvidenceDigest,
    /// How many rows were decided about, where it was a build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_lines: Option<u64>,
    /// Why nobody was asked, where nobody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

/// Why nobody is asked about a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Waiver {
    /// The execution's input says so.
    Flag,
    /// It was approved before, with others.
    Batch {
        /// The execution that asked about all of them.
        execution_arn: String,
        /// Who approved them, by name, a comma between.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// What the definition's Choice routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Ruling {
    /// The execution goes on.
    Approved,
    /// It ends, because somebody said no.
    Rejected,
    /// It ends, because too few answered in time.
    Expired,
}
