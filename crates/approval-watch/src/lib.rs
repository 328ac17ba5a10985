//! Beats while people think, delivers what a crash left undelivered, and ends by itself.

use nightly_domain::Named;
use nightly_domain::approval::{Approval, ApprovalStatus};
use nightly_domain::delivery::deliver;
use nightly_domain::ports::{Approvals, Clock, PortError, TaskAnswer, Tasks, Watch, Watches};
use serde::Serialize;

/// What the function works with.
pub struct Ports<A, T, W, C> {
    /// The record.
    pub approvals: A,
    /// The waiting task.
    pub tasks: T,
    /// The schedule that calls this function.
    pub watches: W,
    /// The time.
    pub clock: C,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Round {
    /// The task was told that the wait goes on.
    pub beaten: bool,
    /// A recorded verdict was delivered, or found that nobody waits for it.
    pub delivered: bool,
    /// There is nothing left to watch, and no next round.
    pub ended: bool,
}

/// A call failed; the next round tries again.
#[derive(Debug, thiserror::Error)]
#[error("the round over approval {} was broken off", watch.approval_id)]
pub struct BrokenOff {
    watch: Watch,
    source: PortError,
}

impl Named for BrokenOff {
    fn name(&self) -> &'static str {
        "StorageUnavailable"
    }
}

/// Goes one round.
pub async fn handle(ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>, watch: Watch) -> Result<Round, BrokenOff> {
    round(ports, &watch).await.map_err(|source| BrokenOff { watch, source })
}

async fn round(ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>, watch: &Watch) -> Result<Round, PortError> {
    let mut round = Round::default();
    let mut record = watched(ports, watch).await?;
    if let Some(pending) = record.as_ref().filter(|record| record.status == ApprovalStatus::Pending) {
        match ports.tasks.beat(&pending.task_token).await? {
            TaskAnswer::Accepted => return Ok(Round { beaten: true, ..round }),
            // The wait is over, or this token's part of it. Which of them, only the record may know by now.
            TaskAnswer::Closed => record = watched(ports, watch).await?,
        }
    }
    if let Some(undelivered) = record.filter(|record| record.undelivered().is_some()) {
        deliver(&ports.approvals, &ports.tasks, &ports.clock, undelivered).await?;
        round.delivered = true;
    }
    ports.watches.end(watch).await?;
    Ok(Round { ended: true, ..round })
}

/// The record, unless the question was put again: then another watch is over it.
async fn watched(
    ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>,
    watch: &Watch,
) -> Result<Option<Approval>, PortError> {
    let record = ports.approvals.read(&watch.approval_id).await?;
    Ok(record.filter(|record| record.generation == watch.generation))
}

#[cfg(test)]
mod tests;
