//! Records the question and sends each approver a link of their own.

mod mail;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use nightly_domain::approval::{Approval, Approver, Asking, Question, TaskToken};
use nightly_domain::delivery::deliver;
use nightly_domain::evidence::{Evidence, EvidenceDigest, Quality, Summary};
use nightly_domain::link::{ApprovalId, Link};
use nightly_domain::people::Panel;
use nightly_domain::ports::{Approvals, BoxError, Clock, Mail, Objects, PortError, Replaced, Secrets, Tasks, Watch, Watches};
use nightly_domain::{Named, ObjectUri, RunDate};
use serde::Deserialize;

/// What the waiting task sends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Ends the wait.
    pub task_token: TaskToken,
    /// The same for every attempt of one night.
    pub approval_id: ApprovalId,
    /// The night's execution.
    pub execution_arn: String,
    /// The execution's name.
    pub run_id: String,
    /// The business date of the build.
    pub run_date: RunDate,
    /// How long the task waits.
    pub timeout_seconds: u32,
    /// Where the build is staged, as a prefix that ends in `/`.
    pub staged_uri: ObjectUri,
    /// What the quality gate found.
    pub quality: Quality,
}

/// What the function works with.
pub struct Ports<O, A, T, M, W, S, C> {
    /// The staged build.
    pub objects: O,
    /// The record.
    pub approvals: A,
    /// The waiting task.
    pub tasks: T,
    /// The way to the approvers.
    pub mail: M,
    /// The schedules that beat while they think.
    pub watches: W,
    /// New links' secrets.
    pub secrets: S,
    /// The time.
    pub clock: C,
    /// Whom it asks, and where.
    pub settings: Settings,
}

/// Whom the function asks, and where they answer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Such as `prod`.
    pub environment: String,
    /// Where the approvals' pages are, without a slash at the end.
    pub base_url: String,
    /// Who is asked.
    pub panel: Panel,
}

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// There is no build to show, or another one.
    #[error("the staged build at {uri} cannot be shown to anybody")]
    EvidenceUnreadable {
        /// Where it should be.
        uri: ObjectUri,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The question is recorded, but not everybody has it, or nobody would watch over it.
    #[error("the question is recorded, but could not be put to all {asked} approvers")]
    Undeliverable {
        /// How many should have got it.
        asked: usize,
        /// What failed.
        #[source]
        source: PortError,
    },
    /// The record or the build can't be reached.
    #[error("the question could not be recorded")]
    StorageUnavailable(#[from] PortError),
}

impl Named for NotAsked {
    fn name(&self) -> &'static str {
        match self {
            Self::EvidenceUnreadable { .. } => "EvidenceUnreadable",
            Self::Undeliverable { .. } => "ApprovalUndeliverable",
            Self::StorageUnavailable(_) => "StorageUnavailable",
        }
    }
}

/// The watch goes on a little after the deadline, for a verdict that was recorded in the last moment and not delivered.
const WATCHED_AFTER_DEADLINE: SignedDuration = SignedDuration::from_mins(15);

/// A write is lost to somebody else's, who has then got further; this many times in a row it isn't.
const ATTEMPTS: usize = 8;

/// Puts the question: record first, then the watch, then the mails. Put again, by a retry or a redrive, it supersedes the earlier links.
pub async fn handle(
    ports: &Ports<impl Objects, impl Approvals, impl Tasks, impl Mail, impl Watches, impl Secrets, impl Clock>,
    request: Request,
) -> Result<(), NotAsked> {
    let asked_at = ports.clock.now();
    let evidence = evidence(&ports.objects, &request).await?;
    let (question, links) = question(ports, request, evidence, asked_at)?;
    let undeliverable = |source| NotAsked::Undeliverable { asked: links.len(), source };
    match record(&ports.approvals, question).await? {
        Asking::Ask(approval) => {
            watch(&ports.watches, &approval).await.map_err(undeliverable)?;
            for (approver, link) in approval.approvers.iter().zip(&links) {
                let mail = mail::write(&approval, approver, link, &ports.settings).map_err(|error| PortError::new("writing a mail", error));
                let mail = mail.map_err(undeliverable)?;
                ports.mail.send(&approver.address, &mail.subject, &mail.text).await.map_err(undeliverable)?;
            }
        }
        Asking::Redeliver(approval) => {
            watch(&ports.watches, &approval).await.map_err(undeliverable)?;
            if let Err(error) = deliver(&ports.approvals, &ports.tasks, &ports.clock, *approval).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the verdict is left to the watch to deliver");
            }
        }
        Asking::Settled | Asking::Overtaken => {}
    }
    Ok(())
}

/// What the approvers will see, and are bound to.
async fn evidence(objects: &impl Objects, request: &Request) -> Result<Evidence, NotAsked> {
    let uri = &request.staged_uri;
    let unreadable = |source: BoxError| NotAsked::EvidenceUnreadable { uri: uri.clone(), source };
    let staged = objects.list(uri).await?;
    let summary = objects.read(&uri.join("_summary.json")).await?.ok_or_else(|| unreadable("it has no _summary.json".into()))?;
    let summary: Summary = serde_json::from_slice(&summary).map_err(|error| unreadable(error.into()))?;
    if (summary.run_date, &summary.run_id) != (request.run_date, &request.run_id) {
        let of =
            format!("it is the build of {} by {}, not of {} by {}", summary.run_date, summary.run_id, request.run_date, request.run_id);
        return Err(unreadable(of.into()));
    }
    Ok(Evidence { staged_uri: uri.clone(), digest: EvidenceDigest::of(uri, &staged), summary, quality: request.quality.clone() })
}

/// The question with a new link for everyone. The links are the only place where their secrets ever stand.
fn question(
    ports: &Ports<impl Objects, impl Approvals, impl Tasks, impl Mail, impl Watches, impl Secrets, impl Clock>,
    request: Request,
    evidence: Evidence,
    asked_at: Timestamp,
) -> Result<(Question, Vec<Link>), PortError> {
    let panel = &ports.settings.panel;
    let new_link = || Ok(Link { approval: request.approval_id.clone(), secret: ports.secrets.secret()? });
    let links = panel.addresses().iter().map(|_| new_link()).collect::<Result<Vec<_>, PortError>>()?;
    let approvers = panel.addresses().iter().zip(&links);
    let approvers = approvers.map(|(address, link)| Approver { address: address.clone(), secret_hash: link.secret.hash(), answer: None });
    let deadline = asked_at + SignedDuration::from_secs(request.timeout_seconds.into());
    let question = Question {
        approvers: approvers.collect(),
        required: panel.required(),
        expires_at: deadline.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).unwrap_or(deadline),
        id: request.approval_id,
        task_token: request.task_token,
        execution_arn: request.execution_arn,
        evidence,
        asked_at,
    };
    Ok((question, links))
}

async fn record(approvals: &impl Approvals, question: Question) -> Result<Asking, PortError> {
    let mut stored = approvals.read(&question.id).await?;
    for _ in 0..ATTEMPTS {
        let asking = match &stored {
            None => Asking::Ask(Box::new(question.clone().first())),
            Some(stored) => question.clone().again(stored),
        };
        let (Asking::Ask(next) | Asking::Redeliver(next)) = &asking else {
            return Ok(asking);
        };
        match approvals.replace(stored.as_ref(), next).await? {
            Replaced::Stored => return Ok(asking),
            Replaced::Lost(current) => stored = current.map(|current| *current),
        }
    }
    Err(PortError::new(format!("recording approval {}", question.id), "others kept writing it"))
}

async fn watch(watches: &impl Watches, approval: &Approval) -> Result<(), PortError> {
    let watch = Watch { approval_id: approval.id.clone(), generation: approval.generation };
    watches.begin(&watch, approval.expires_at + WATCHED_AFTER_DEADLINE).await
}

#[cfg(test)]
mod tests;
