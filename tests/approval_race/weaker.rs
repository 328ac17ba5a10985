//! Four ways to answer a question that look right and are not, kept as planted bugs: whoever judges ours must find what is wrong with them.
//!
//! They keep to the same ports. What they leave out is one thing each that ours does.

use nightly_domain::approval::{Approval, Bearer, Click, Decision, Handover, Remark};
use nightly_domain::delivery::revise;
use nightly_domain::link::Link;
use nightly_domain::ports::{Approvals as _, Clock as _, Desk, PortError, Replaced, TaskAnswer, Tasks as _};

/// How an answer is taken, and what the definition does when its clock has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The record arbitrates. Whoever comes next delivers what it says, and the definition settles with it.
    Ours,
    /// The answer is sent, and recorded if it was taken. The definition's clock looks at no record, here and in all that follow.
    SendsThenRecords,
    /// The answer is sent, and recorded whatever became of it: it may have been taken by an attempt whose success nobody saw.
    SendsThenRecordsAnyway,
    /// The answer is recorded unless there is one, then sent. Nobody sends it again.
    RecordsThenSends,
    /// As ours, with the watch and whoever clicks again sending what is recorded; but the definition's clock looks at no record.
    ExpiresWithoutLooking,
}

impl Protocol {
    /// Whether people click on our page.
    pub(super) fn has_our_page(self) -> bool {
        matches!(self, Self::Ours | Self::ExpiresWithoutLooking)
    }

    /// Takes a click, and answers with what the person is told.
    pub(super) async fn click(self, desk: &impl Desk, address: &str, form: &str) -> &'static str {
        let decision = if form.starts_with("decision=reject") {
            Decision::Reject { reason: Remark::parse("No.").expect("a reason") }
        } else {
            Decision::Approve { comment: None }
        };
        let told = match &decision {
            Decision::Approve { .. } => super::judge::APPROVED,
            Decision::Reject { .. } => super::judge::REJECTED,
        };
        match self.take(desk, address, decision).await {
            Ok(true) => told,
            Ok(false) => "It is answered already",
            Err(_) => "Please try again",
        }
    }

    /// Whether the answer was taken.
    async fn take(self, desk: &impl Desk, address: &str, decision: Decision) -> Result<bool, PortError> {
        let Some(link) = Link::from_path(address) else { return Ok(false) };
        let Some(seen) = desk.approvals().read(&link.approval).await? else { return Ok(false) };
        let Bearer::Approver(place) = seen.bearer(&link.secret.hash()) else { return Ok(false) };
        let Click::Counts(next) = seen.click(place, decision, desk.clock().now()) else { return Ok(false) };
        let verdict = serde_json::to_string(next.undelivered().expect("one answer decides here")).expect("a verdict is JSON");
        if self == Self::RecordsThenSends {
            if desk.approvals().replace(Some(&seen), &next).await? != Replaced::Stored {
                return Ok(false);
            }
            // Whether it was sent is not looked at again: it is recorded.
            let _ = desk.tasks().succeed(&next.task_token, &verdict).await;
            return Ok(true);
        }
        let answer = desk.tasks().succeed(&next.task_token, &verdict).await?;
        if answer == TaskAnswer::Closed && self == Self::SendsThenRecords {
            return Ok(false);
        }
        let handed_over = next.handed_over(Handover::Delivered { at: desk.clock().now() });
        let over = |current: &Approval| Some(Approval { revision: current.revision + 1, ..handed_over.clone() });
        revise(desk.approvals(), seen, over).await.map(|_| true)
    }
}
