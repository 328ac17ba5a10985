use std::sync::Arc;

use jiff::SignedDuration;
use nightly_domain::approval::{Asking, Click, Decision, Handover};
use nightly_domain::memory::contract::question;
use nightly_domain::memory::{Fate, Gate, ManualClock, MemoryApprovals, MemoryTasks, MemoryWatches, Wait};

use super::*;

type World = Ports<MemoryApprovals, MemoryTasks, MemoryWatches, ManualClock>;

const BEATEN: Round = Round { beaten: true, delivered: false, ended: false };
const DELIVERED: Round = Round { beaten: false, delivered: true, ended: true };
const ENDED: Round = Round { beaten: false, delivered: false, ended: true };

/// A question that waits and is watched.
async fn world() -> (World, Arc<Gate>, Approval) {
    let gate = Arc::new(Gate::default());
    let asked = question(&"night".parse().unwrap(), &["a.berg@nordvik.example"], 1).first();
    let ports = Ports {
        approvals: MemoryApprovals::behind(&gate),
        tasks: MemoryTasks::behind(&gate),
        watches: MemoryWatches::behind(&gate),
        clock: ManualClock::at(asked.asked_at),
    };
    ports.tasks.wait(&asked.task_token);
    ports.approvals.replace(None, &asked).await.unwrap();
    ports.watches.begin(&watch(), asked.expires_at).await.unwrap();
    (ports, gate, asked)
}

fn watch() -> Watch {
    Watch { approval_id: "night".parse().unwrap(), generation: 1 }
}

async fn decide(ports: &World, asked: &Approval) -> Approval {
    let Click::Counts(decided) = asked.click(0, Decision::Approve { comment: None }, asked.asked_at) else { panic!("it counts") };
    ports.approvals.replace(Some(asked), &decided).await.unwrap();
    *decided
}

fn still_watched(ports: &World) -> bool {
    ports.watches.begun().iter().any(|(known, _)| *known == watch())
}

#[tokio::test]
async fn a_question_that_waits_is_beaten_for_round_after_round() {
    let (ports, _, asked) = world().await;
    for beats in 1..=3 {
        assert_eq!(handle(&ports, watch()).await.unwrap(), BEATEN);
        assert_eq!(ports.tasks.outcome(&asked.task_token), Some(Wait::Waiting(beats)));
    }
    assert!(still_watched(&ports));
}

#[tokio::test]
async fn a_verdict_that_a_crash_left_is_delivered() {
    let (ports, _, asked) = world().await;
    let decided = decide(&ports, &asked).await;
    assert_eq!(handle(&ports, watch()).await.unwrap(), DELIVERED);
    assert_eq!(
        ports.tasks.outcome(&asked.task_token),
        Some(Wait::Answered(serde_json::to_string(decided.undelivered().unwrap()).unwrap()))
    );
    assert_eq!(ports.approvals.stored(&asked.id), Some(decided.handed_over(Handover::Delivered { at: asked.asked_at })));
    assert!(!still_watched(&ports));
}

#[tokio::test]
async fn a_wait_that_ended_ends_the_watch_and_changes_nothing() {
    let (ports, _, asked) = world().await;
    ports.tasks.time_out(&asked.task_token);
    assert_eq!(handle(&ports, watch()).await.unwrap(), ENDED);
    assert_eq!(ports.approvals.stored(&asked.id), Some(asked), "the definition settles it, not the watch");
    assert!(!still_watched(&ports));
}

#[tokio::test]
async fn what_is_settled_or_gone_is_watched_no_more() {
    let (ports, _, asked) = world().await;
    ports.approvals.expire(&asked.id, asked.expires_at);
    assert_eq!(handle(&ports, watch()).await.unwrap(), ENDED);
    let gone = Watch { approval_id: "gone".parse().unwrap(), generation: 1 };
    assert_eq!(handle(&ports, gone).await.unwrap(), ENDED);
}

#[tokio::test]
async fn the_watch_of_a_superseded_question_ends_itself_and_leaves_the_newer_one_alone() {
    let (ports, gate, asked) = world().await;
    let mut again = question(&asked.id, &["a.berg@nordvik.example"], 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    let Asking::Ask(next) = again.clone().again(&asked) else { panic!("it is asked again") };
    ports.tasks.wait(&again.task_token);
    ports.approvals.replace(Some(&asked), &next).await.unwrap();
    let newer = Watch { generation: 2, ..watch() };
    ports.watches.begin(&newer, next.expires_at).await.unwrap();

    let calls_before = gate.calls().len();
    assert_eq!(handle(&ports, watch()).await.unwrap(), ENDED);
    assert_eq!(gate.calls()[calls_before..], ["Approvals.read", "Watches.end"]);
    assert_eq!(ports.watches.begun(), [(newer.clone(), next.expires_at)]);
    assert_eq!(handle(&ports, newer).await.unwrap(), BEATEN);
}

#[tokio::test]
async fn a_round_that_is_broken_off_is_made_up_for_by_the_next() {
    for call in ["Approvals.read", "Tasks.succeed", "Approvals.replace", "Watches.end"] {
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            let (ports, gate, asked) = world().await;
            decide(&ports, &asked).await;
            gate.plan(call, fate);
            let error = handle(&ports, watch()).await.unwrap_err();
            assert_eq!((error.name(), error.to_string().as_str()), ("StorageUnavailable", "the round over approval night was broken off"));
            ports.clock.advance(SignedDuration::from_mins(5));
            assert!(handle(&ports, watch()).await.unwrap().ended, "{call} {fate:?}");
            assert!(matches!(ports.tasks.outcome(&asked.task_token), Some(Wait::Answered(_))), "{call} {fate:?}");
            assert!(ports.approvals.stored(&asked.id).unwrap().undelivered().is_none() && !still_watched(&ports), "{call} {fate:?}");
        }
    }
}
