//! What a waiting task sends, and what is refused of it. `docs/approvals.md` describes it for those who ask.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use nightly_domain::approval::{TaskToken, Waiver};
use nightly_domain::evidence::{self, Fact, Quality};
use nightly_domain::link::ApprovalId;
use nightly_domain::people::{Address, InvalidPanel, Panel, Starter};
use nightly_domain::{ObjectUri, RunDate};
use nightly_pages::written;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What the function is called with.
#[derive(Debug)]
pub enum Event {
    /// A task waits for people's answer.
    Ask(Box<Request>),
    /// A task goes on without one.
    Waive(Box<Waived>),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Value::deserialize(deserializer)?;
        let read = if event.get("waiver").is_some() {
            serde_json::from_value(event).map(Self::Waive)
        } else {
            serde_json::from_value(event).map(Self::Ask)
        };
        read.map_err(D::Error::custom)
    }
}

/// A build that nobody is asked about.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waived {
    /// What the audit calls the question that is not put.
    pub approval_id: ApprovalId,
    /// The execution that goes on.
    pub execution_arn: String,
    /// Who began the execution.
    #[serde(default = "unnamed", deserialize_with = "starter")]
    pub started_by: Starter,
    /// Why nobody is asked.
    pub waiver: Waiver,
    build: StagedBuild,
}

impl Waived {
    /// The build.
    pub(crate) fn build(&self) -> Result<StagedBuild, Invalid> {
        is_prefix("build.stagedUri", &self.build.staged_uri)?;
        Ok(self.build.clone())
    }
}

/// What a waiting task sends. A field that is not known is refused: mistyped, it would be one that does not count.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Ends the wait.
    pub task_token: TaskToken,
    /// The same for every attempt of one execution.
    pub approval_id: ApprovalId,
    /// The execution that waits.
    pub execution_arn: String,
    /// How long the task waits.
    pub timeout_seconds: u32,
    /// By how much the first deadline is earlier.
    #[serde(default)]
    pub extension_seconds: u32,
    /// Who began the execution.
    #[serde(default = "unnamed", deserialize_with = "starter")]
    pub started_by: Starter,
    /// Whom to ask, where it isn't everybody.
    #[serde(default, deserialize_with = "one_or_many")]
    pub approvers: Vec<Address>,
    /// How many must approve, where it isn't as many as always.
    pub required_approvals: Option<u32>,
    build: Option<StagedBuild>,
    #[serde(rename = "request")]
    wording: Option<Wording>,
}

/// A build of the warehouse that waits to be published.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StagedBuild {
    /// The execution's name.
    pub(crate) run_id: String,
    /// The business date of the build.
    pub(crate) run_date: RunDate,
    /// Where the build is staged, as a prefix that ends in `/`.
    pub(crate) staged_uri: ObjectUri,
    /// What the quality gate found.
    pub(crate) quality: Quality,
}

/// What another state machine wants to have approved.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wording {
    question: String,
    consequence: String,
    #[serde(default, deserialize_with = "one_or_many")]
    facts: Vec<Fact>,
    bound_uri: Option<ObjectUri>,
}

/// What is asked about.
pub(crate) enum Matter {
    Build(StagedBuild),
    Request(evidence::Request),
}

/// What the input asks for can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the input's {field} {problem}")]
pub struct Invalid {
    field: String,
    problem: String,
    #[source]
    source: Option<InvalidPanel>,
}

impl Invalid {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), source: None }
    }
}

/// What fits on a page that is read on a phone in the night.
const QUESTION_CHARACTERS: usize = 200;
const CONSEQUENCE_CHARACTERS: usize = 500;
const FACTS: usize = 40;
const FACT_NAME_CHARACTERS: usize = 60;
const FACT_VALUE_CHARACTERS: usize = 200;

impl Request {
    /// Who is asked, of those who can be. They are written as they are configured, since the mail finds them by that.
    pub(crate) fn panel(&self, configured: &Panel) -> Result<Panel, Invalid> {
        let required = self.required_approvals.unwrap_or(configured.required());
        let mut chosen: Vec<&Address> = Vec::new();
        for (index, address) in self.approvers.iter().enumerate() {
            let known = configured.addresses().iter().chain(configured.deputies()).find(|known| known.is(address));
            // The address itself stays out of the logs.
            let stranger =
                || Invalid::new("approvers", format!("name somebody, in place {}, who is no configured approver or deputy", index + 1));
            chosen.push(known.ok_or_else(stranger)?);
        }
        if self.approvers.is_empty() {
            chosen.extend(configured.addresses());
        }
        let texts = |people: &[&Address]| people.iter().map(|person| person.as_str().to_owned()).collect::<Vec<_>>();
        let deputies: Vec<_> = configured.deputies().iter().collect();
        let field = if self.required_approvals.is_some() { "requiredApprovals" } else { "approvers" };
        let impossible = |source| Invalid { source: Some(source), ..Invalid::new(field, "cannot be met") };
        Panel::new(&texts(&chosen), required).and_then(|panel| panel.with_deputies(&texts(&deputies))).map_err(impossible)
    }

    /// Until when answers count, and until when they can be made to. What is shown to the second is stored to the second.
    pub(crate) fn deadlines(&self, asked_at: Timestamp) -> Result<(Timestamp, Timestamp), Invalid> {
        let Some(first) = self.timeout_seconds.checked_sub(self.extension_seconds).filter(|seconds| *seconds > 0) else {
            let problem = format!("leave no time to answer: {} of {} seconds", self.extension_seconds, self.timeout_seconds);
            return Err(Invalid::new("extensionSeconds", problem));
        };
        let after = |seconds: u32| {
            let moment = asked_at.checked_add(SignedDuration::from_secs(seconds.into()));
            let moment = moment.and_then(|moment| moment.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)));
            moment.map_err(|_| Invalid::new("timeoutSeconds", "are beyond all calendars"))
        };
        Ok((after(first)?, after(self.timeout_seconds)?))
    }

    /// What is asked about: one of the two.
    pub(crate) fn matter(&self) -> Result<Matter, Invalid> {
        match (self.build.clone(), self.wording.clone()) {
            (Some(build), None) => {
                is_prefix("build.stagedUri", &build.staged_uri)?;
                Ok(Matter::Build(build))
            }
            (None, Some(wording)) => wording.checked().map(Matter::Request),
            (Some(_), Some(_)) => Err(Invalid::new("build and request", "exclude each other")),
            (None, None) => Err(Invalid::new("build or request", "is missing")),
        }
    }
}

impl Wording {
    /// Every text on one line, and as long as people read.
    fn checked(self) -> Result<evidence::Request, Invalid> {
        if self.facts.len() > FACTS {
            return Err(Invalid::new("request.facts", format!("are {}, and no more than {FACTS} are shown", self.facts.len())));
        }
        if let Some(uri) = &self.bound_uri {
            is_prefix("request.boundUri", uri)?;
        }
        let facts = self.facts.iter().enumerate().map(|(index, fact)| {
            let name = line(&format!("request.facts[{index}].name"), &fact.name, FACT_NAME_CHARACTERS)?;
            let value = line(&format!("request.facts[{index}].value"), &fact.value, FACT_VALUE_CHARACTERS)?;
            Ok(Fact { name, value })
        });
        Ok(evidence::Request {
            question: line("request.question", &self.question, QUESTION_CHARACTERS)?,
            consequence: line("request.consequence", &self.consequence, CONSEQUENCE_CHARACTERS)?,
            facts: facts.collect::<Result<_, Invalid>>()?,
            bound_uri: self.bound_uri,
        })
    }
}

fn line(field: &str, text: &str, most: usize) -> Result<String, Invalid> {
    let line = written::one_line(text);
    match line.chars().count() {
        0 => Err(Invalid::new(field, "says nothing")),
        length if length > most => Err(Invalid::new(field, format!("has {length} characters, and no more than {most} are shown"))),
        _ => Ok(line),
    }
}

/// Without the slash, it would reach into neighbours whose names begin alike.
fn is_prefix(field: &str, uri: &ObjectUri) -> Result<(), Invalid> {
    if uri.key().ends_with('/') { Ok(()) } else { Err(Invalid::new(field, format!("is no prefix that ends in a slash: {uri}"))) }
}

fn unnamed() -> Starter {
    Starter::Unnamed
}

/// A definition can't leave a field out, it can only send null.
fn starter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Starter, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Starter::Unnamed))
}

/// JSONata makes of a list of one its only item, and of an empty one nothing.
fn one_or_many<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        item => vec![item],
    };
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}
