use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::SignedDuration;
use nightly_domain::approval::{Asking, Click, Decision, Handover, Notice, Ruling, Said};
use nightly_domain::audit;
use nightly_domain::channel::{MemoryChannel, PostError};
use nightly_domain::history::ExecutionEnd;
use nightly_domain::memory::contract::question;
use nightly_domain::memory::{Fate, Gate, MemoryDesk, Wait};
use nightly_domain::people::Address;

use super::*;

const PEOPLE: [&str; 2] = ["a.berg@nordvik.example", "b.osei@nordvik.example"];
const BEATEN: Round = Round { beaten: true, delivered: false, mailed: false, ended: false };
const DELIVERED: Round = Round { beaten: false, delivered: true, mailed: false, ended: true };
const ENDED: Round = Round { beaten: false, delivered: false, mailed: false, ended: true };

/// A question to two people that waits and is watched: 45 minutes to answer, and 15 more on request.
struct World {
    ports: Ports<MemoryDesk>,
    asked: Approval,
}

fn world() -> World {
    let mut question = question(&"night".parse().unwrap(), &PEOPLE, 1);
    question.expires_at = question.asked_at + SignedDuration::from_mins(45);
    let asked = question.first();
    let desk = MemoryDesk::behind(Gate::stepwise(), asked.asked_at);
    desk.tasks.wait(&asked.task_token);
    finish(desk.approvals.replace(None, &asked)).unwrap();
    finish(desk.watches.begin(&watch(), asked.limit_at)).unwrap();
    let site = Site { environment: "test".to_owned(), base_url: "https://pages.example".to_owned(), status_page_url: None };
    World { ports: Ports { desk, site }, asked }
}

fn watch() -> Watch {
    Watch { approval_id: "night".parse().unwrap(), generation: 1 }
}

impl World {
    fn round(&self) -> Result<Round, BrokenOff> {
        finish(handle(&self.ports, watch()))
    }

    /// Goes rounds until nothing is left to watch; answers with how many it took.
    fn rounds_to_the_end(&self) -> usize {
        for round in 1..=20 {
            if self.round().is_ok_and(|round| round.ended) {
                return round;
            }
            self.passes(5);
        }
        panic!("the watch does not end: {:?}", self.stored());
    }

    fn passes(&self, minutes: i64) {
        self.ports.desk.clock.advance(SignedDuration::from_mins(minutes));
    }

    fn stored(&self) -> Approval {
        self.ports.desk.approvals.stored(&self.asked.id).unwrap()
    }

    /// Somebody's act, as the page stores it.
    fn acts(&self, act: impl Fn(&Approval) -> Click) -> Approval {
        let stored = self.stored();
        let Click::Counts(next) = act(&stored) else { panic!("it counts") };
        finish(self.ports.desk.approvals.replace(Some(&stored), &next)).unwrap();
        *next
    }

    /// The first approver says yes, and the function that took it crashes.
    fn approves(&self) -> Approval {
        let now = self.ports.desk.clock.now();
        self.acts(|record| record.click(0, Decision::Approve { comment: None }, now))
    }

    fn wait(&self) -> Wait {
        self.ports.desk.tasks.outcome(&self.asked.task_token).unwrap()
    }

    /// What the waiting task was answered.
    fn ruling(&self) -> Ruling {
        let Wait::Answered(output) = self.wait() else { panic!("{:?}", self.wait()) };
        serde_json::from_str::<nightly_domain::approval::Verdict>(&output).unwrap().decision
    }

    fn is_watched(&self) -> bool {
        self.ports.desk.watches.begun().iter().any(|(known, _)| *known == watch())
    }

    fn posts(&self) -> usize {
        self.ports.desk.channel.as_ref().unwrap().posted().len()
    }

    /// Every reminder that was sent: when, to whom, which.
    fn reminders(&self) -> Vec<(i64, String, Notice)> {
        let record = self.stored();
        let minute = |at: jiff::Timestamp| at.duration_since(record.asked_at).as_mins();
        let of = |person: &nightly_domain::approval::Approver| {
            let name = person.address.person();
            let sent = person.links.iter().filter_map(move |link| Some((minute(link.sent_at?), name.clone(), link.notice)));
            sent.filter(|(_, _, notice)| *notice != Notice::Question).collect::<Vec<_>>()
        };
        let mut reminders: Vec<_> = record.approvers.iter().flat_map(of).collect();
        reminders.sort_by_key(|(minute, name, _)| (*minute, name.clone()));
        reminders
    }

    /// Everybody knows how it ended, and nothing is left to do.
    fn assert_done(&self, context: &str) {
        let record = self.stored();
        assert!(record.status != ApprovalStatus::Pending && record.undelivered().is_none(), "{context}: {:?}", record.status);
        assert_eq!(record.announcement.said, Said::Outcome(1), "{context}");
        // A message may be posted a second time where it was not recorded that it had been.
        let posts = self.posts();
        assert!(posts == 1 || (posts == 2 && context.contains("Approvals.replace")), "{context}: the outcome takes the question's place");
        let chain = self.ports.desk.audit.chain(&record.id);
        assert_eq!(audit::verify(&chain), Ok(()), "{context}");
        assert_eq!(audit::missing(&record, &chain), [], "{context}");
        let told = audit::told_by(&record);
        assert!(
            chain.iter().filter_map(audit::Entry::occurrence).all(|occurrence| told.contains(&occurrence)),
            "{context}: and nothing else"
        );
        assert!(!self.is_watched(), "{context}");
    }
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    crash_before(future, usize::MAX).expect("it ends")
}

/// Lets this many calls pass, and drops everything before the next one.
fn crash_before<T>(future: impl Future<Output = T>, calls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..=calls.min(10_000) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

#[test]
fn in_an_hour_without_an_answer_each_person_is_reminded_twice_and_then_it_is_over() {
    let world = world();
    let mut rounds = Vec::new();
    while world.is_watched() {
        world.passes(5);
        rounds.push(world.round().unwrap());
    }
    let reminded = Round { mailed: true, ..BEATEN };
    assert_eq!(
        rounds,
        [BEATEN, BEATEN, BEATEN, BEATEN, reminded, BEATEN, reminded, BEATEN, Round { beaten: true, ..DELIVERED }],
        "at 5, 10, … 45 minutes",
    );
    let (berg, osei) = ("A. Berg".to_owned(), "B. Osei".to_owned());
    assert_eq!(
        world.reminders(),
        [
            (25, berg.clone(), Notice::HalfTime),
            (25, osei.clone(), Notice::HalfTime),
            (35, berg, Notice::LastCall),
            (35, osei, Notice::LastCall),
        ],
    );
    assert_eq!(world.ports.desk.mail.sent().len(), 4, "what is recorded is what was sent");
    assert_eq!(world.ruling(), Ruling::Expired);
    assert!(matches!(&world.stored().status, ApprovalStatus::Decided { verdict, .. } if verdict.at == world.asked.expires_at));
    world.assert_done("an hour");
}

#[test]
fn more_time_moves_the_last_call_and_the_end() {
    let world = world();
    world.passes(30);
    assert!(world.round().unwrap().mailed, "half of the time is over");
    let now = world.ports.desk.clock.now();
    world.acts(|record| record.extend(1, now));
    while world.is_watched() {
        world.passes(5);
        world.round().unwrap();
    }
    let last_calls: Vec<_> = world.reminders().into_iter().filter(|(_, _, notice)| *notice == Notice::LastCall).collect();
    assert_eq!(last_calls.iter().map(|(minute, ..)| *minute).collect::<Vec<_>>(), [50, 50]);
    assert_eq!(world.ports.desk.clock.now(), world.asked.limit_at);
    world.assert_done("with more time");
}

#[test]
fn more_time_in_the_last_second_is_not_run_over() {
    let world = world();
    world.passes(44);
    let now = world.ports.desk.clock.now();
    // The page stores it while the round is between its beat and the look at the clock.
    let mut round = pin!(handle(&world.ports, watch()));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(round.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(world.ports.desk.gate.stopped_at(), Some("Approvals.read"), "after the beat");
    world.acts(|record| record.extend(0, now));
    world.passes(2);
    let round = finish(round).unwrap();
    assert!(round.beaten && !round.delivered && !round.ended);
    assert_eq!(world.stored().status, ApprovalStatus::Pending);
}

#[test]
fn only_those_whose_answer_is_awaited_are_reminded() {
    let world = world();
    let deputy: Address = "d.lind@nordvik.example".parse().unwrap();
    let stored = world.stored();
    let two_needed = Approval { revision: stored.revision + 1, required: 2, deputies: vec![deputy.clone()], ..stored.clone() };
    finish(world.ports.desk.approvals.replace(Some(&stored), &two_needed)).unwrap();
    world.approves();
    let now = world.ports.desk.clock.now();
    world.acts(|record| record.hand_on(1, &deputy, now));
    assert!(world.round().unwrap().mailed, "the deputy is asked");
    world.passes(30);
    assert!(world.round().unwrap().mailed);
    let lind = || "D. Lind".to_owned();
    assert_eq!(world.reminders(), [(0, lind(), Notice::Delegation), (30, lind(), Notice::HalfTime)]);
    assert!(world.ports.desk.mail.sent().iter().all(|mail| mail.to == deputy));
}

#[test]
fn a_verdict_that_a_crash_left_is_delivered() {
    let world = world();
    let asked_at = world.asked.asked_at;
    world.round().unwrap();
    let decided = world.approves();
    assert_eq!(world.round().unwrap(), DELIVERED);
    assert_eq!(world.wait(), Wait::Answered(serde_json::to_string(decided.undelivered().unwrap()).unwrap()));
    assert!(matches!(world.stored().status, ApprovalStatus::Decided { handover: Handover::Delivered { at }, .. } if at == asked_at));
    world.assert_done("delivered");
}

#[test]
fn a_question_whose_execution_has_ended_is_cancelled() {
    for end in [ExecutionEnd::Aborted, ExecutionEnd::TimedOut, ExecutionEnd::Failed { error: "States.Runtime".to_owned() }] {
        for minutes in [10, 50] {
            let world = world();
            world.round().unwrap();
            world.passes(minutes);
            world.ports.desk.tasks.time_out(&world.asked.task_token);
            world.ports.desk.executions.end_with(&world.asked.execution_arn, end.clone());
            assert_eq!(world.round().unwrap(), ENDED);
            let at = world.ports.desk.clock.now();
            assert_eq!(world.stored().status, ApprovalStatus::Cancelled { at, end: end.clone() });
            world.assert_done("cancelled");
        }
    }
}

#[test]
fn a_wait_that_ended_while_the_execution_runs_is_left_to_the_definition() {
    let world = world();
    world.round().unwrap();
    world.passes(30);
    world.ports.desk.tasks.time_out(&world.asked.task_token);
    let before = world.stored();
    assert_eq!(world.round().unwrap(), Round::default());
    assert_eq!(world.stored(), before, "nobody is reminded of a question that takes no answers any more");
    assert!(world.is_watched() && world.ports.desk.mail.sent().is_empty());

    world.ports.desk.approvals.expire(&world.asked.id, world.ports.desk.clock.now());
    assert_eq!(world.round().unwrap(), ENDED);
    world.assert_done("settled by the definition");
}

#[test]
fn a_click_that_comes_while_the_wait_is_found_closed_is_not_cancelled() {
    let world = world();
    world.round().unwrap();
    world.ports.desk.tasks.time_out(&world.asked.task_token);
    world.ports.desk.executions.end_with(&world.asked.execution_arn, ExecutionEnd::Aborted);
    let mut round = pin!(handle(&world.ports, watch()));
    let mut context = Context::from_waker(Waker::noop());
    while world.ports.desk.gate.stopped_at() != Some("Executions.end") {
        assert!(round.as_mut().poll(&mut context).is_pending());
    }
    world.approves();
    assert_eq!(finish(round).unwrap(), DELIVERED);
    let status = world.stored().status;
    let ApprovalStatus::Decided { verdict, handover: Handover::Closed { end, .. } } = status else { panic!("{status:?}") };
    assert_eq!((verdict.decision, end), (Ruling::Approved, Some(ExecutionEnd::Aborted)), "the answer stays, and says what became of it");
    world.assert_done("answered too late");
}

#[test]
fn what_is_gone_is_watched_no_more() {
    let world = world();
    let gone = Watch { approval_id: "gone".parse().unwrap(), generation: 1 };
    let before = world.ports.desk.gate.calls().len();
    assert_eq!(finish(handle(&world.ports, gone)).unwrap(), ENDED);
    assert_eq!(world.ports.desk.gate.calls()[before..], ["Approvals.read", "Watches.end"]);
}

#[test]
fn the_watch_of_a_superseded_question_ends_itself_and_leaves_the_newer_one_alone() {
    let world = world();
    let desk = &world.ports.desk;
    let mut again = question(&world.asked.id, &PEOPLE, 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    let Asking::Ask(next) = again.clone().again(&world.asked) else { panic!("it is asked again") };
    desk.tasks.wait(&again.task_token);
    finish(desk.approvals.replace(Some(&world.asked), &next)).unwrap();
    let newer = Watch { generation: 2, ..watch() };
    finish(desk.watches.begin(&newer, next.expires_at)).unwrap();

    let before = desk.gate.calls().len();
    assert_eq!(world.round().unwrap(), ENDED);
    assert_eq!(desk.gate.calls()[before..], ["Approvals.read", "Watches.end"]);
    assert_eq!(desk.watches.begun(), [(newer.clone(), next.expires_at)]);
    assert_eq!(finish(handle(&world.ports, newer)).unwrap(), BEATEN);
}

#[test]
fn a_question_that_is_put_again_during_a_round_is_neither_cancelled_nor_run_out() {
    for (closed, minutes) in [(true, 10), (false, 46)] {
        let world = world();
        let desk = &world.ports.desk;
        world.passes(minutes);
        let mut again = question(&world.asked.id, &PEOPLE, 1);
        again.task_token = "token-2".to_owned().try_into().unwrap();
        again.asked_at = desk.clock.now();
        again.expires_at = again.asked_at + SignedDuration::from_mins(45);
        let mut round = pin!(handle(&world.ports, watch()));
        let mut context = Context::from_waker(Waker::noop());
        if closed {
            desk.tasks.time_out(&world.asked.task_token);
            desk.executions.end_with(&world.asked.execution_arn, ExecutionEnd::Aborted);
        }
        // Just before it writes what it has found.
        while desk.gate.stopped_at() != Some("Approvals.replace") || desk.gate.calls().last() == Some(&"Approvals.replace") {
            assert!(round.as_mut().poll(&mut context).is_pending());
        }
        let Asking::Ask(next) = again.again(&world.stored()) else { panic!("it is asked again") };
        finish(desk.approvals.replace(Some(&world.asked), &next)).unwrap();
        let round = finish(round).unwrap();
        assert!(!round.delivered, "{round:?}");
        assert_eq!((world.stored().generation, world.stored().status), (2, ApprovalStatus::Pending));
    }
}

#[test]
fn a_channel_that_is_down_costs_no_beat_no_mail_and_no_entry() {
    let down = || PostError::NotPosted("no route".into());
    let refused = || PostError::Refused { status: 404, answer: "no_service".to_owned() };
    for (failure, name) in [(down as fn() -> PostError, "SlackUnavailable"), (refused, "SlackRefused")] {
        let mut world = world();
        world.ports.desk.channel = Some(MemoryChannel::failing((0..100).map(|_| failure())));
        for round in 1..=8 {
            world.passes(5);
            let error = world.round().unwrap_err();
            assert_eq!(error.name(), name);
            assert_eq!(error.to_string(), "the round over approval night has left something to the next one");
            assert_eq!(world.wait(), Wait::Waiting(round));
        }
        assert_eq!(world.ports.desk.mail.sent().len(), 4);
        world.approves();
        assert_eq!(world.round().unwrap(), DELIVERED);
        assert_eq!(world.ruling(), Ruling::Approved);
        assert_eq!(audit::missing(&world.stored(), &world.ports.desk.audit.chain(&world.asked.id)), []);
        assert!(!world.is_watched(), "nobody was told of the question, so nobody needs to hear how it ended");
    }
}

#[test]
fn without_a_channel_nothing_is_missed() {
    let mut world = world();
    world.ports.desk.channel = None;
    world.passes(5);
    assert_eq!(world.round().unwrap(), BEATEN);
    world.approves();
    assert_eq!(world.round().unwrap(), DELIVERED);
}

/// What a round can find.
type Situation = (&'static str, fn(&World));

const SITUATIONS: [Situation; 6] = [
    ("the first round", |_| {}),
    ("half of the time is over", |world| world.passes(25)),
    ("a verdict waits", |world| {
        world.round().unwrap();
        world.approves();
    }),
    ("the time has run out", |world| {
        world.round().unwrap();
        world.passes(45);
    }),
    ("the execution was stopped", |world| {
        world.round().unwrap();
        world.ports.desk.tasks.time_out(&world.asked.task_token);
        world.ports.desk.executions.end_with(&world.asked.execution_arn, ExecutionEnd::Aborted);
    }),
    ("the definition has settled it", |world| {
        world.round().unwrap();
        world.ports.desk.tasks.time_out(&world.asked.task_token);
        world.ports.desk.approvals.expire(&world.asked.id, world.ports.desk.clock.now());
    }),
];

#[test]
fn a_crash_before_any_call_is_made_up_for_by_the_next_rounds() {
    for (situation, prepare) in SITUATIONS {
        let undisturbed = world();
        prepare(&undisturbed);
        undisturbed.rounds_to_the_end();
        let mut crashes = 0;
        loop {
            let world = world();
            prepare(&world);
            if crash_before(handle(&world.ports, watch()), crashes).is_some() {
                break;
            }
            let context = format!("{situation}, crashed before call {}, {}", crashes + 1, world.ports.desk.gate.stopped_at().unwrap());
            world.rounds_to_the_end();
            world.assert_done(&context);
            assert_eq!(world.stored().status.name(), undisturbed.stored().status.name(), "{context}");
            let (sent, expected) = (world.ports.desk.mail.sent().len(), undisturbed.ports.desk.mail.sent().len());
            assert!((expected..=expected + PEOPLE.len()).contains(&sent), "{context}: {sent} mails instead of {expected}");
            crashes += 1;
        }
        assert!(crashes >= 4, "{situation}: only {crashes} calls");
    }
}

#[test]
fn a_failing_call_is_told_and_made_up_for_by_the_next_rounds() {
    for (situation, prepare) in SITUATIONS {
        let undisturbed = world();
        prepare(&undisturbed);
        let before = undisturbed.ports.desk.gate.calls().len();
        undisturbed.round().unwrap();
        let calls = undisturbed.ports.desk.gate.calls()[before..].to_vec();
        undisturbed.rounds_to_the_end();
        let mut distinct = calls.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for (call, fate) in distinct.iter().flat_map(|call| [(*call, Fate::FailsBefore), (*call, Fate::FailsAfter)]) {
            let world = world();
            prepare(&world);
            let beats = |wait: Wait| if let Wait::Waiting(beats) = wait { beats } else { 0 };
            let beaten_before = beats(world.wait());
            world.ports.desk.gate.plan(call, fate);
            let context = format!("{situation}, {call} {fate:?}");
            match world.round() {
                Err(error) => assert_eq!(error.name(), "StorageUnavailable", "{context}"),
                Ok(_) => assert_eq!(call, "Approvals.replace", "{context}: only a mark is tried again at once"),
            }
            if calls.contains(&"Tasks.beat")
                && matches!(world.wait(), Wait::Waiting(_))
                && !["Approvals.read", "Tasks.beat"].contains(&call)
            {
                assert_eq!(beats(world.wait()), beaten_before + 1, "{context}: it was beaten for all the same");
            }
            world.rounds_to_the_end();
            world.assert_done(&context);
            assert_eq!(world.stored().status.name(), undisturbed.stored().status.name(), "{context}");
        }
    }
}

#[test]
fn while_a_beat_fails_people_are_reminded_all_the_same() {
    let world = world();
    world.passes(25);
    world.ports.desk.gate.plan("Tasks.beat", Fate::FailsBefore);
    world.round().unwrap_err();
    assert_eq!(world.reminders().len(), 2);
}

#[test]
fn the_failures_of_a_round_name_no_address() {
    let world = world();
    world.passes(25);
    world.ports.desk.gate.plan("Mail.send", Fate::FailsBefore);
    let error = world.round().unwrap_err();
    let shown = format!("{error:?} {error}");
    assert!(!shown.contains('@') && !shown.contains("token-1"), "{shown}");
}
