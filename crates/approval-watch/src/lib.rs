//! Beats while people think, reminds them, settles what nobody answers, makes up for what a crash left undone, and ends by itself.

use nightly_approval::Site;
use nightly_approval::follow_up::{NotDone, follow_up};
use nightly_domain::Named;
use nightly_domain::approval::{Approval, ApprovalStatus};
use nightly_domain::delivery::{Revised, deliver, revise};
use nightly_domain::history::Executions as _;
use nightly_domain::ports::{Approvals as _, Clock as _, Desk, PortError, TaskAnswer, Tasks as _, Watch, Watches as _};
use serde::Serialize;

/// What the function works with.
pub struct Ports<D> {
    /// The question, its task and the people.
    pub desk: D,
    /// Where people find what they are told of.
    pub site: Site,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "a round does any of them, and its log shows which")]
pub struct Round {
    /// The task was told that the wait goes on.
    pub beaten: bool,
    /// A recorded verdict was delivered, or found that nobody waits for it.
    pub delivered: bool,
    /// Somebody was mailed.
    pub mailed: bool,
    /// There is nothing left to watch, and no next round.
    pub ended: bool,
}

/// Something in a round failed. The rest of it was done, and the next round tries again.
#[derive(Debug, thiserror::Error)]
#[error("the round over approval {} has left something to the next one", watch.approval_id)]
pub struct BrokenOff {
    watch: Watch,
    source: Failure,
}

/// What failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    FollowUp(#[from] NotDone),
}

impl Named for BrokenOff {
    fn name(&self) -> &'static str {
        match &self.source {
            Failure::FollowUp(NotDone::Channel(error)) => error.name(),
            _ => "StorageUnavailable",
        }
    }
}

/// Goes one round.
pub async fn handle(ports: &Ports<impl Desk>, watch: Watch) -> Result<Round, BrokenOff> {
    let mut round = Round::default();
    let mut failures = Vec::new();
    if let Err(failure) = go(ports, &watch, &mut round, &mut failures).await {
        failures.push(failure);
    }
    let mut failures = failures.into_iter();
    let Some(source) = failures.next() else {
        return Ok(round);
    };
    for failure in failures {
        tracing::warn!(approval = %watch.approval_id, error = &failure as &dyn std::error::Error, "something else failed in this round");
    }
    Err(BrokenOff { watch, source })
}

/// Every act begins with the record as it stands by then. What fails and keeps nothing else from being done is put aside in `failures`.
async fn go(ports: &Ports<impl Desk>, watch: &Watch, round: &mut Round, failures: &mut Vec<Failure>) -> Result<(), Failure> {
    let desk = &ports.desk;
    let Some(record) = watched(desk, watch).await? else {
        return end(desk, watch, round).await;
    };
    // The beat comes first: nothing else that is down may cost the night its wait.
    if record.status == ApprovalStatus::Pending {
        match desk.tasks().beat(&record.task_token).await {
            Ok(TaskAnswer::Accepted) => round.beaten = true,
            // The definition's own clock has run out, and it is about to settle the record: nobody is to be reminded of that question.
            Ok(TaskAnswer::Closed) if !is_settled_after_the_wait(desk, watch).await? => return Ok(()),
            Ok(TaskAnswer::Closed) => {}
            Err(error) => failures.push(error.into()),
        }
    }

    let Some(record) = watched(desk, watch).await? else {
        return end(desk, watch, round).await;
    };
    let record = match bring(desk, watch, record.clone()).await {
        Ok((brought, delivered)) => {
            round.delivered = delivered;
            brought
        }
        Err(error) => {
            failures.push(error.into());
            record
        }
    };

    // What is settled now stays as it is. Whatever somebody settles from here on has its follow-up in the next round.
    let settled = record.status != ApprovalStatus::Pending && record.undelivered().is_none();
    let mails = mails(&record);
    let record = follow_up(desk, &ports.site, record).await?;
    round.mailed = mails < self::mails(&record);
    if settled && failures.is_empty() { end(desk, watch, round).await } else { Ok(()) }
}

/// The record, unless the question was put again: then another watch is over it.
async fn watched(desk: &impl Desk, watch: &Watch) -> Result<Option<Approval>, PortError> {
    let record = desk.approvals().read(&watch.approval_id).await?;
    Ok(record.filter(|record| record.generation == watch.generation))
}

/// Whether the record says why a task waits no more. Where the execution has ended with the question open, that is written down here.
async fn is_settled_after_the_wait(desk: &impl Desk, watch: &Watch) -> Result<bool, PortError> {
    let Some(open) = watched(desk, watch).await?.filter(|record| record.status == ApprovalStatus::Pending) else {
        return Ok(true);
    };
    let Some(end) = desk.executions().end(&open.execution_arn).await? else {
        return Ok(false);
    };
    let now = desk.clock().now();
    let cancel = |current: &Approval| if current.generation == watch.generation { current.cancelled(end.clone(), now) } else { None };
    revise(desk.approvals(), open, cancel).await?;
    Ok(true)
}

/// Settles a question whose time has run out, and brings a verdict that is due to the execution. Answers with the record as it then is, and
/// whether there was something to bring.
async fn bring(desk: &impl Desk, watch: &Watch, record: Approval) -> Result<(Approval, bool), PortError> {
    let now = desk.clock().now();
    let run_out = |current: &Approval| if current.generation == watch.generation { current.ran_out(now) } else { None };
    let record = match revise(desk.approvals(), record.clone(), run_out).await? {
        Revised::Stored(current) | Revised::Left(current) => *current,
        Revised::Gone => record,
    };
    let due = record.undelivered().is_some();
    Ok((deliver(desk, record).await?, due))
}

/// How many mails were sent.
fn mails(record: &Approval) -> usize {
    record.approvers.iter().flat_map(|approver| &approver.links).filter(|link| link.sent_at.is_some()).count()
}

async fn end(desk: &impl Desk, watch: &Watch, round: &mut Round) -> Result<(), Failure> {
    desk.watches().end(watch).await?;
    round.ended = true;
    Ok(())
}

#[cfg(test)]
mod tests;
