//! Record first, then send, then mark: how a recorded verdict reaches the night, whoever brings it and however often.

use crate::approval::{Approval, Handover};
use crate::ports::{Approvals, Clock, PortError, Replaced, TaskAnswer, Tasks};

/// Hands the recorded verdict to the waiting task, unless the night has it. Answers with the record as it then is.
///
/// A crash anywhere in here leaves the verdict recorded and due: the watch and the next click come here again. To send twice is harmless,
/// since a task takes one answer and both carry the recorded one.
pub async fn deliver(
    approvals: &impl Approvals,
    tasks: &impl Tasks,
    clock: &impl Clock,
    approval: Approval,
) -> Result<Approval, PortError> {
    let Some(verdict) = approval.undelivered() else {
        return Ok(approval);
    };
    let output = serde_json::to_string(verdict).map_err(|error| PortError::new("writing the verdict as JSON", error))?;
    let handover = match tasks.succeed(&approval.task_token, &output).await? {
        TaskAnswer::Accepted => Handover::Delivered { at: clock.now() },
        TaskAnswer::Closed => Handover::Closed { at: clock.now() },
    };
    // What "closed" means, only the record can tell, and this write looks at it again: it loses to whoever has delivered in the meantime,
    // or has put the question again with a new task.
    let marked = approval.handed_over(handover);
    match approvals.replace(Some(&approval), &marked).await? {
        Replaced::Stored => Ok(marked),
        Replaced::Lost(current) => Ok(current.map_or(approval, |current| *current)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::approval::{ApprovalStatus, Asking, Click, Decision};
    use crate::memory::contract::question;
    use crate::memory::{Fate, Gate, ManualClock, MemoryApprovals, MemoryTasks, Wait};

    struct World {
        gate: Arc<Gate>,
        approvals: MemoryApprovals,
        tasks: MemoryTasks,
        clock: ManualClock,
        decided: Approval,
    }

    /// An approval that is recorded and waits to be delivered.
    async fn world() -> World {
        let gate = Arc::new(Gate::default());
        let (approvals, tasks) = (MemoryApprovals::behind(&gate), MemoryTasks::behind(&gate));
        let asked = question(&"night".parse().unwrap(), &["a.berg@nordvik.example"], 1).first();
        tasks.wait(&asked.task_token);
        let Click::Counts(decided) = asked.click(0, Decision::Approve { comment: None }, asked.asked_at) else { panic!("it counts") };
        approvals.replace(None, &decided).await.unwrap();
        World { gate, approvals, tasks, clock: ManualClock::at(decided.asked_at), decided: *decided }
    }

    impl World {
        async fn deliver(&self) -> Result<Handover, PortError> {
            let stored = self.approvals.stored(&self.decided.id).unwrap();
            let answered = deliver(&self.approvals, &self.tasks, &self.clock, stored).await?;
            assert_eq!(Some(&answered), self.approvals.stored(&self.decided.id).as_ref(), "the answer is what is stored");
            Ok(handover(&answered))
        }

        fn answer(&self) -> Wait {
            self.tasks.outcome(&self.decided.task_token).unwrap()
        }
    }

    fn handover(approval: &Approval) -> Handover {
        match &approval.status {
            ApprovalStatus::Decided { handover, .. } => *handover,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_verdict_is_sent_once_and_marked() {
        let world = world().await;
        let delivered = Handover::Delivered { at: world.decided.asked_at };
        assert_eq!(world.deliver().await.unwrap(), delivered);
        assert_eq!(world.answer(), Wait::Answered(serde_json::to_string(world.decided.undelivered().unwrap()).unwrap()));
        assert_eq!(world.deliver().await.unwrap(), delivered);
        assert_eq!(world.gate.calls().iter().filter(|call| **call == "Tasks.succeed").count(), 1);
    }

    #[tokio::test]
    async fn what_a_failure_left_is_delivered_by_the_next_attempt() {
        for (call, fate, after) in [
            ("Tasks.succeed", Fate::FailsBefore, Handover::Delivered { at: world().await.decided.asked_at }),
            ("Tasks.succeed", Fate::FailsAfter, Handover::Closed { at: world().await.decided.asked_at }),
            ("Approvals.replace", Fate::FailsBefore, Handover::Closed { at: world().await.decided.asked_at }),
            ("Approvals.replace", Fate::FailsAfter, Handover::Delivered { at: world().await.decided.asked_at }),
        ] {
            let world = world().await;
            world.gate.plan(call, fate);
            assert!(world.deliver().await.is_err(), "{call} {fate:?}");
            assert_eq!(world.deliver().await.unwrap(), after, "{call} {fate:?}");
            assert!(matches!(world.answer(), Wait::Answered(_)), "the night has its answer, {call} {fate:?}");
        }
    }

    #[tokio::test]
    async fn a_task_that_waits_no_more_closes_the_record() {
        let world = world().await;
        world.tasks.time_out(&world.decided.task_token);
        assert!(matches!(world.deliver().await.unwrap(), Handover::Closed { .. }));
    }

    #[tokio::test]
    async fn a_verdict_for_a_newer_task_is_left_to_it() {
        let world = world().await;
        world.tasks.time_out(&world.decided.task_token);
        let mut again = question(&world.decided.id, &["a.berg@nordvik.example"], 1);
        again.task_token = "token-2".to_owned().try_into().unwrap();
        let Asking::Redeliver(renewed) = again.again(&world.decided) else { panic!("the verdict stands") };
        world.approvals.replace(Some(&world.decided), &renewed).await.unwrap();
        let answered = deliver(&world.approvals, &world.tasks, &world.clock, world.decided.clone()).await.unwrap();
        assert_eq!(answered, *renewed, "what is due for the new task stays due");
    }
}
