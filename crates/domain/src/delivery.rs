//! Record first, then send, then mark: how a recorded verdict reaches the execution, whoever brings it and however often.

use crate::approval::{Approval, Handover};
use crate::history::Executions as _;
use crate::link::ApprovalId;
use crate::ports::{Approvals, Clock as _, Desk, PortError, Replaced, TaskAnswer, Tasks as _};

/// A write is lost to somebody else's; there are never this many of them.
const ATTEMPTS: usize = 16;

/// Hands the recorded verdict to the waiting task, unless the execution has it. Answers with the record as it then is.
///
/// A crash anywhere in here leaves the verdict recorded and due: the watch and the next click come here again. To send twice is harmless,
/// since a task takes one answer and both carry the recorded one.
pub async fn deliver(desk: &impl Desk, approval: Approval) -> Result<Approval, PortError> {
    let Some(verdict) = approval.undelivered() else {
        return Ok(approval);
    };
    let output = serde_json::to_string(verdict).map_err(|error| PortError::new("writing the verdict as JSON", error))?;
    let handover = match desk.tasks().succeed(&approval.task_token, &output).await? {
        TaskAnswer::Accepted => Handover::Delivered { at: desk.clock().now() },
        // Step Functions doesn't say why. The execution tells whether it was stopped, and else it goes by the record.
        TaskAnswer::Closed => {
            let end = desk.executions().end(&approval.execution_arn).await?;
            Handover::Closed { at: desk.clock().now(), end }
        }
    };
    let due = approval.undelivered().cloned();
    let mark = |current: &Approval| {
        // Whoever has delivered in the meantime, or has put the question again with a new task, knows better.
        let same = current.task_token == approval.task_token && current.undelivered() == due.as_ref();
        same.then(|| current.handed_over(handover.clone()))
    };
    match revise(desk.approvals(), approval.clone(), mark).await? {
        Revised::Stored(current) | Revised::Left(current) => Ok(*current),
        Revised::Gone => Ok(approval),
    }
}

/// What became of a change to a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Revised {
    /// It is stored.
    Stored(Box<Approval>),
    /// The record, as somebody else has left it, is not to be changed.
    Left(Box<Approval>),
    /// There is no record any more.
    Gone,
}

/// Changes a record that others change, too: whatever they write first is looked at before the change is tried again.
pub async fn revise(
    approvals: &impl Approvals,
    record: Approval,
    change: impl Fn(&Approval) -> Option<Approval>,
) -> Result<Revised, PortError> {
    let id: ApprovalId = record.id.clone();
    let mut current = Box::new(record);
    for _ in 0..ATTEMPTS {
        let Some(next) = change(&current) else {
            return Ok(Revised::Left(current));
        };
        match approvals.replace(Some(&current), &next).await? {
            Replaced::Stored => return Ok(Revised::Stored(Box::new(next))),
            Replaced::Lost(Some(stored)) => current = stored,
            Replaced::Lost(None) => return Ok(Revised::Gone),
        }
    }
    Err(PortError::new(format!("changing approval {id}"), "others kept writing it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{ApprovalStatus, Asking, Click, Decision};
    use crate::history::ExecutionEnd;
    use crate::memory::contract::question;
    use crate::memory::{Fate, Gate, MemoryDesk, Wait};

    struct World {
        desk: MemoryDesk,
        decided: Approval,
    }

    /// An approval that is recorded and waits to be delivered.
    async fn world() -> World {
        let asked = question(&"night".parse().unwrap(), &["a.berg@nordvik.example"], 1).first();
        let desk = MemoryDesk::behind(Gate::default(), asked.asked_at);
        desk.tasks.wait(&asked.task_token);
        let Click::Counts(decided) = asked.click(0, Decision::Approve { comment: None }, asked.asked_at) else { panic!("it counts") };
        desk.approvals.replace(None, &decided).await.unwrap();
        World { desk, decided: *decided }
    }

    impl World {
        async fn deliver(&self) -> Result<Handover, PortError> {
            let stored = self.desk.approvals.stored(&self.decided.id).unwrap();
            let answered = deliver(&self.desk, stored).await?;
            assert_eq!(Some(&answered), self.desk.approvals.stored(&self.decided.id).as_ref(), "the answer is what is stored");
            Ok(handover(&answered))
        }

        fn answer(&self) -> Wait {
            self.desk.tasks.outcome(&self.decided.task_token).unwrap()
        }
    }

    fn handover(approval: &Approval) -> Handover {
        match &approval.status {
            ApprovalStatus::Decided { handover, .. } => handover.clone(),
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
        assert_eq!(world.desk.gate.calls().iter().filter(|call| **call == "Tasks.succeed").count(), 1);
    }

    #[tokio::test]
    async fn what_a_failure_left_is_delivered_by_the_next_attempt() {
        for (call, fate, after) in [
            ("Tasks.succeed", Fate::FailsBefore, Handover::Delivered { at: world().await.decided.asked_at }),
            ("Tasks.succeed", Fate::FailsAfter, Handover::Closed { at: world().await.decided.asked_at, end: None }),
            ("Approvals.replace", Fate::FailsBefore, Handover::Closed { at: world().await.decided.asked_at, end: None }),
            ("Approvals.replace", Fate::FailsAfter, Handover::Delivered { at: world().await.decided.asked_at }),
        ] {
            let world = world().await;
            world.desk.gate.plan(call, fate);
            assert!(world.deliver().await.is_err(), "{call} {fate:?}");
            assert_eq!(world.deliver().await.unwrap(), after, "{call} {fate:?}");
            assert!(matches!(world.answer(), Wait::Answered(_)), "the night has its answer, {call} {fate:?}");
        }
    }

    #[tokio::test]
    async fn a_task_that_waits_no_more_closes_the_record() {
        let world = world().await;
        world.desk.tasks.time_out(&world.decided.task_token);
        assert!(matches!(world.deliver().await.unwrap(), Handover::Closed { end: None, .. }), "the execution goes on by the record");
    }

    #[tokio::test]
    async fn an_execution_that_was_stopped_is_found_to_be_so() {
        let world = world().await;
        world.desk.tasks.time_out(&world.decided.task_token);
        world.desk.executions.end_with(&world.decided.execution_arn, ExecutionEnd::Aborted);
        assert!(matches!(world.deliver().await.unwrap(), Handover::Closed { end: Some(ExecutionEnd::Aborted), .. }));
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_not_guessed() {
        let world = world().await;
        world.desk.tasks.time_out(&world.decided.task_token);
        world.desk.gate.plan("Executions.end", Fate::FailsBefore);
        assert!(world.deliver().await.is_err());
        assert!(world.desk.approvals.stored(&world.decided.id).unwrap().undelivered().is_some(), "the next round looks again");
    }

    #[tokio::test]
    async fn a_change_meets_what_others_have_written() {
        let world = world().await;
        let seen = Approval { revision: 0, ..world.decided.clone() };
        let revised = revise(&world.desk.approvals, seen, |current| Some(current.handed_over(Handover::Due))).await.unwrap();
        let Revised::Stored(stored) = revised else { panic!("{revised:?}") };
        assert_eq!(stored.revision, world.decided.revision + 1);
        let left = revise(&world.desk.approvals, world.decided.clone(), |_| None).await.unwrap();
        assert_eq!(left, Revised::Left(Box::new(world.decided.clone())));
        let gone = Approval { id: "gone".parse().unwrap(), ..world.decided.clone() };
        let revised = revise(&world.desk.approvals, gone, |current| Some(current.handed_over(Handover::Due))).await.unwrap();
        assert_eq!(revised, Revised::Gone);
    }

    #[tokio::test]
    async fn a_verdict_for_a_newer_task_is_left_to_it() {
        let world = world().await;
        world.desk.tasks.time_out(&world.decided.task_token);
        let mut again = question(&world.decided.id, &["a.berg@nordvik.example"], 1);
        again.task_token = "token-2".to_owned().try_into().unwrap();
        let Asking::Redeliver(renewed) = again.again(&world.decided) else { panic!("the verdict stands") };
        world.desk.approvals.replace(Some(&world.decided), &renewed).await.unwrap();
        let answered = deliver(&world.desk, world.decided.clone()).await.unwrap();
        assert_eq!(answered, *renewed, "what is due for the new task stays due");
    }
}
