//! Records the question and sends each approver a link of their own; or binds a build that nobody is asked about.

mod nights;
mod request;

use jiff::SignedDuration;
use nightly_approval::Site;
use nightly_approval::follow_up::{NotDone, send_mails, tell};
use nightly_domain::approval::{Approval, Approver, Asking, NoOtherApprover, Question, Ruling, Verdict, Waiver};
use nightly_domain::delivery::deliver;
use nightly_domain::evidence::{Build, Evidence, EvidenceDigest, Request as Asked, Subject, Summary};
use nightly_domain::people::Panel;
use nightly_domain::ports::{
    Approvals as _, BoxError, Clock as _, Desk, Objects, PortError, Replaced, TaskAnswer, Tasks as _, Watch, Watches as _,
};
use nightly_domain::{Named, ObjectUri, audit};

pub use crate::request::{Event, Invalid, Request, Waived};
use crate::request::{Matter, StagedBuild};

/// What the function works with.
pub struct Ports<O, D> {
    /// The staged build, and the records of the nights before.
    pub objects: O,
    /// Where approvals are worked on.
    pub desk: D,
    /// Whom it asks, and where.
    pub settings: Settings,
}

/// Whom the function asks, and where they answer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who can be asked.
    pub panel: Panel,
    /// What stands in every mail and post.
    pub site: Site,
    /// Where the records of the nights are, as a prefix that ends in `/`. Without it, a build is compared with nothing.
    pub nights: Option<ObjectUri>,
}

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// The input asks for what can't be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nobody who would be asked could approve.
    #[error("nobody is asked, because nobody could approve")]
    NoOtherApprover(#[from] NoOtherApprover),
    /// There is nothing to show, or something else.
    #[error("what lies at {uri} cannot be shown to anybody")]
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
        source: BoxError,
    },
    /// The record or what is asked about can't be reached.
    #[error("the question could not be recorded")]
    StorageUnavailable(#[from] PortError),
}

impl Named for NotAsked {
    fn name(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "InvalidInput",
            Self::NoOtherApprover(_) => "NoOtherApprover",
            Self::EvidenceUnreadable { .. } => "EvidenceUnreadable",
            Self::Undeliverable { .. } => "ApprovalUndeliverable",
            Self::StorageUnavailable(_) => "StorageUnavailable",
        }
    }
}

/// The watch goes on a little after the task itself has timed out, for a verdict that was recorded in the last moment and not delivered.
const WATCHED_AFTER_LIMIT: SignedDuration = SignedDuration::from_mins(15);

/// A write is lost to somebody else's, who has then got further; this many times in a row it isn't.
const ATTEMPTS: usize = 8;

/// Asks, or answers in the people's place where nobody is to be asked: the verdict is there for such a task, and comes with the task token
/// to one that waits.
pub async fn handle(ports: &Ports<impl Objects, impl Desk>, event: Event) -> Result<Option<Verdict>, NotAsked> {
    match event {
        Event::Ask(request) => put(ports, *request).await.map(|()| None),
        Event::Waive(waived) => waive(ports, *waived).await.map(Some),
    }
}

/// Binds the build by its digest, as a question would, and notes in the audit why nobody was asked. Done again, it notes nothing new.
async fn waive(ports: &Ports<impl Objects, impl Desk>, waived: Waived) -> Result<Verdict, NotAsked> {
    let Ports { objects, desk, .. } = ports;
    let evidence = build(objects, None, waived.build()?).await?;
    let now = desk.clock().now();
    let (by, at) = match &waived.waiver {
        Waiver::Flag => (String::new(), now),
        Waiver::Batch { by, at, .. } => (by.clone(), *at),
    };
    let event =
        audit::Event::Waived { waiver: waived.waiver.clone(), started_by: waived.started_by, evidence_digest: evidence.digest.to_string() };
    audit::append(desk.audit(), &waived.approval_id, &[audit::Occurrence { at: now, generation: 1, approver: None, event }]).await?;
    tracing::info!(approval = %waived.approval_id, execution = waived.execution_arn, waiver = ?waived.waiver, "nobody is asked");
    let order_lines = evidence.build().map(|build| build.summary.order_lines);
    Ok(Verdict {
        decision: Ruling::Approved,
        by,
        at,
        reason: None,
        comment: None,
        evidence_digest: evidence.digest,
        order_lines,
        waiver: Some(waived.waiver),
    })
}

/// Puts the question: record first, then the watch, then the mails, then the news for everybody else. Put again, by a retry or a redrive, it
/// supersedes the earlier links.
async fn put(ports: &Ports<impl Objects, impl Desk>, request: Request) -> Result<(), NotAsked> {
    let Ports { objects, desk, settings } = ports;
    let asked_at = desk.clock().now();
    let panel = request.panel(&settings.panel)?;
    let (expires_at, limit_at) = request.deadlines(asked_at)?;
    let evidence = match request.matter()? {
        Matter::Build(staged) => build(objects, settings.nights.as_ref(), staged).await?,
        Matter::Request(asked) => asked_for(objects, asked).await?,
    };
    let question = Question {
        approvers: panel.addresses().iter().cloned().map(Approver::new).collect(),
        deputies: panel.deputies().to_vec(),
        required: panel.required(),
        started_by: request.started_by,
        id: request.approval_id,
        task_token: request.task_token,
        execution_arn: request.execution_arn,
        evidence,
        asked_at,
        expires_at,
        limit_at,
    };
    question.four_eyes()?;
    match record(desk, question).await? {
        Asking::Ask(approval) => ask(desk, &settings.site, *approval).await,
        Asking::Redeliver(approval) => redeliver(desk, &settings.site, *approval).await,
        Asking::Settled | Asking::Overtaken => Ok(()),
    }
}

/// What the approvers will see of a build, and are bound to.
async fn build(objects: &impl Objects, nights: Option<&ObjectUri>, staged: StagedBuild) -> Result<Evidence, NotAsked> {
    let StagedBuild { staged_uri: uri, run_id, run_date, quality } = staged;
    let unreadable = |source: BoxError| NotAsked::EvidenceUnreadable { uri: uri.clone(), source };
    let staged = objects.list(&uri).await?;
    let summary = objects.read(&uri.join("_summary.json")).await?.ok_or_else(|| unreadable("it has no _summary.json".into()))?;
    let summary: Summary = serde_json::from_slice(&summary).map_err(|error| unreadable(error.into()))?;
    if (summary.run_date, &summary.run_id) != (run_date, &run_id) {
        let of = format!("it is the build of {} by {}, not of {run_date} by {run_id}", summary.run_date, summary.run_id);
        return Err(unreadable(of.into()));
    }
    let published = match nights {
        Some(nights) => nights::published_before(objects, nights, &summary).await,
        None => Vec::new(),
    };
    let digest = EvidenceDigest::of(&uri, &staged);
    Ok(Evidence { digest, subject: Subject::Build(Box::new(Build { staged_uri: uri, summary, quality, published })) })
}

/// What the approvers will see of another state machine's request, and are bound to.
async fn asked_for(objects: &impl Objects, asked: Asked) -> Result<Evidence, NotAsked> {
    let bound = match &asked.bound_uri {
        Some(uri) => objects.list(uri).await?,
        None => Vec::new(),
    };
    if let Some(uri) = asked.bound_uri.clone().filter(|_| bound.is_empty()) {
        return Err(NotAsked::EvidenceUnreadable { uri, source: "nothing lies there that an answer could be bound to".into() });
    }
    Ok(Evidence { digest: EvidenceDigest::of_request(&asked, &bound), subject: Subject::Request(asked) })
}

async fn record(desk: &impl Desk, question: Question) -> Result<Asking, PortError> {
    let mut stored = desk.approvals().read(&question.id).await?;
    for _ in 0..ATTEMPTS {
        let asking = match &stored {
            None => Asking::Ask(Box::new(question.clone().first())),
            Some(stored) => question.clone().again(stored),
        };
        let (Asking::Ask(next) | Asking::Redeliver(next)) = &asking else {
            return Ok(asking);
        };
        if let Some(stored) = &stored {
            // An event may come twice, and the second time late: an attempt that nobody waits for takes the question from nobody.
            let another = stored.task_token != question.task_token;
            if another && desk.tasks().beat(&question.task_token).await? == TaskAnswer::Closed {
                return Ok(Asking::Overtaken);
            }
            // The next record does not tell what happened to this one.
            audit::append(desk.audit(), &stored.id, &audit::told_by(stored)).await?;
        }
        match desk.approvals().replace(stored.as_ref(), next).await? {
            Replaced::Stored => return Ok(asking),
            Replaced::Lost(current) => stored = current.map(|current| *current),
        }
    }
    Err(PortError::new(format!("recording approval {}", question.id), "others kept writing it"))
}

/// Brings a recorded question to everybody. Where an approver can't be mailed, the step is to fail and be tried again; what others are told
/// is left to the watch.
async fn ask(desk: &impl Desk, site: &Site, approval: Approval) -> Result<(), NotAsked> {
    let asked = approval.approvers.len();
    watch(desk, &approval).await.map_err(|error| NotAsked::Undeliverable { asked, source: error.into() })?;
    let approval = match send_mails(desk, site, approval.clone()).await {
        Ok(mailed) => mailed,
        Err(error @ NotDone::Mailed(_)) => {
            tracing::warn!(approval = %approval.id, error = &error as &dyn std::error::Error, "the watch may mail everybody once more");
            approval
        }
        Err(error) => return Err(NotAsked::Undeliverable { asked, source: error.into() }),
    };
    tell_the_others(desk, site, approval).await;
    Ok(())
}

/// Brings an answer to the attempt that waits now. Nobody is asked twice about the same.
async fn redeliver(desk: &impl Desk, site: &Site, approval: Approval) -> Result<(), NotAsked> {
    let asked = approval.approvers.len();
    watch(desk, &approval).await.map_err(|error| NotAsked::Undeliverable { asked, source: error.into() })?;
    match deliver(desk, approval).await {
        Ok(delivered) => tell_the_others(desk, site, delivered).await,
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the verdict is left to the watch to deliver"),
    }
    Ok(())
}

/// The audit and the channel. What fails is logged there, and left to the watch.
async fn tell_the_others(desk: &impl Desk, site: &Site, approval: Approval) {
    drop(tell(desk, site, approval).await);
}

async fn watch(desk: &impl Desk, approval: &Approval) -> Result<(), PortError> {
    let watch = Watch { approval_id: approval.id.clone(), generation: approval.generation };
    desk.watches().begin(&watch, approval.limit_at + WATCHED_AFTER_LIMIT).await
}

#[cfg(test)]
mod tests;
