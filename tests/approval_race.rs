//! Who wins: people, the clock, the watch, a repeated question and whoever stops the execution, in every order, with a crash or a failed
//! call at any point.
//!
//! The handlers are the real ones. Each stops before every call, so a history is a list of choices: whose call comes next, and what becomes
//! of it. All of them are tried; two histories that came to the same world are followed once. At every end, the record, what people were
//! told, what was noted and how the execution ended must agree. Four protocols that look right and are not stand beside ours: the same
//! judge finds what is wrong with each.

#![expect(clippy::unwrap_used, reason = "what goes wrong in here has failed the test")]

mod actors;
mod explore;
mod judge;
mod stepping;
mod weaker;
mod world;

use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use nightly_domain::approval::Approval;

use self::actors::hashed;
use self::explore::{Tally, explore};
use self::weaker::Protocol;

const A: &str = "a.berg@nordvik.example";
const B: &str = "b.osei@nordvik.example";
const DEPUTY: &str = "d.lind@nordvik.example";
const APPROVE: &str = "decision=approve&seen=yes";
const REJECT: &str = "decision=reject&reason=No.";
const HAND_ON: &str = "decision=hand-on&to=d.lind%40nordvik.example";
const EXTEND: &str = "decision=extend";
const EXECUTION: &str = "arn:aws:states:eu-central-1:111122223333:execution:nightly-warehouse-night:2026-11-20-a1";
const HOUR: i64 = 3600;

/// What is tried in every order.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that can happen in a scenario, or a way to look at it")]
struct Scenario {
    people: Vec<&'static str>,
    deputies: Vec<&'static str>,
    required: u32,
    acts: Vec<Act>,
    /// Crashes and failed calls in one history, at most.
    faults: usize,
    /// The step may fail while it waits and be tried again, with a new token.
    retried: bool,
    /// Somebody may stop the execution.
    stopped: bool,
    /// The seconds after the question was put at which something is otherwise: people act from the first on.
    moments: Vec<i64>,
    timeout_seconds: u32,
    extension_seconds: u32,
    /// Whoever clicks looks at what is then shown. Else only how it ended is looked at, by everybody.
    looks: bool,
    /// Calls that decide nothing are made in the same breath as the call before them, and never fail.
    folded: bool,
    protocol: Protocol,
}

/// Something that somebody does once, at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// The person opens the link in one of their mails, sends this form, and looks at what is then shown.
    Clicks(&'static str, Letter, &'static str),
    /// The watch over this generation goes a round.
    Watches(u32),
    /// This attempt of the step asks. Without the first, the question was put to everybody before.
    Asks(u32),
}

/// Which of the mails that somebody got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    First,
    Last,
}

impl Scenario {
    /// Two people are asked, one approval is needed, one thing may go wrong, and the deadline may pass.
    fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self {
            people: vec![A, B],
            deputies: Vec::new(),
            required: 1,
            acts: acts.into_iter().collect(),
            faults: 1,
            retried: false,
            stopped: false,
            moments: vec![60, HOUR],
            timeout_seconds: 3600,
            extension_seconds: 0,
            looks: true,
            folded: true,
            protocol: Protocol::Ours,
        }
    }
}

/// When the step begins to wait.
fn begins_at() -> Timestamp {
    "2026-11-21T02:24:00Z".parse().unwrap()
}

/// All that decides of a record, in one number. Links count by who got them when: their secrets are their mails' business.
fn record_digest(record: &Approval) -> u64 {
    let people: Vec<_> = record
        .approvers
        .iter()
        .map(|person| {
            let links: Vec<_> = person.links.iter().map(|link| (link.notice, link.sent_at)).collect();
            let answer = person.answer.as_ref().map(|answer| (answer.at, std::mem::discriminant(&answer.decision)));
            (person.address.as_str(), links, answer, person.handed_on.as_ref().map(|handed| (handed.to.as_str(), handed.at)))
        })
        .collect();
    hashed(&(
        (record.generation, record.revision, record.task_token.expose(), format!("{:?}", record.status), people),
        (record.asked_at, record.expires_at, record.superseded.len(), record.viewers.len(), format!("{:?}", record.announcement)),
    ))
}

/// Ends a call that nothing keeps waiting.
fn finish<Output>(call: impl Future<Output = Output>) -> Output {
    let mut call = std::pin::pin!(call);
    loop {
        if let Poll::Ready(output) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Every history of the scenario agrees.
fn agrees(scenario: &Scenario) {
    let Tally { histories, disagree, worlds } = explore(scenario);
    println!("{histories} histories through {worlds} worlds agree");
    assert_eq!(disagree, 0);
    assert!(histories > 100, "a scenario without histories proves nothing");
}

/// The judge finds what is wrong with a protocol, and nothing wrong with ours where the same people do the same.
fn is_caught(protocol: Protocol, acts: &[Act]) {
    let scenario = |protocol| Scenario { moments: vec![60], protocol, ..Scenario::of(acts.iter().copied()) };
    let weaker = explore(&scenario(protocol));
    println!("{protocol:?}: {} of {} histories disagree", weaker.disagree, weaker.histories);
    assert!(weaker.disagree > 0, "it is known to be wrong");
    assert_eq!(explore(&scenario(Protocol::Ours)).disagree, 0);
}

#[test]
fn three_clicks_of_two_people_agree_with_the_clock() {
    let acts = [Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(A, Letter::First, REJECT), Act::Clicks(B, Letter::First, REJECT)];
    agrees(&Scenario { faults: 0, moments: vec![60], ..Scenario::of(acts) });
}

#[test]
fn two_people_agree_with_the_clock_whatever_crashes_or_fails() {
    agrees(&Scenario::of([Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, REJECT)]));
}

#[test]
fn two_approvals_that_are_both_needed_agree_with_the_clock() {
    let acts = [Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, APPROVE)];
    agrees(&Scenario { required: 2, ..Scenario::of(acts) });
}

#[test]
fn the_watch_delivers_what_a_crash_left() {
    agrees(&Scenario::of([Act::Clicks(A, Letter::First, APPROVE), Act::Watches(1)]));
}

#[test]
fn what_is_delivered_twice_is_done_once() {
    let click = Act::Clicks(A, Letter::First, APPROVE);
    let once = |acts: &[Act]| Scenario { faults: 0, looks: false, moments: vec![60], ..Scenario::of(acts.iter().copied()) };
    agrees(&once(&[click, click]));
    agrees(&once(&[click, Act::Watches(1), Act::Watches(1)]));
    agrees(&once(&[Act::Asks(1), Act::Asks(1), click]));
}

#[test]
fn a_stopped_execution_is_found_to_be_so() {
    agrees(&Scenario { stopped: true, moments: vec![60], ..Scenario::of([Act::Clicks(A, Letter::First, APPROVE), Act::Watches(1)]) });
}

#[test]
fn a_step_that_is_tried_again_keeps_the_answer_or_asks_anew() {
    let acts = [Act::Clicks(A, Letter::First, APPROVE), Act::Asks(2)];
    agrees(&Scenario { retried: true, ..Scenario::of(acts) });
}

#[test]
fn asking_may_break_off_anywhere() {
    let acts = [Act::Asks(1), Act::Asks(2), Act::Clicks(A, Letter::First, APPROVE)];
    agrees(&Scenario { retried: true, moments: vec![60], ..Scenario::of(acts) });
}

#[test]
fn an_answer_that_is_handed_on_counts_once() {
    let (hands_on, answers) = (Act::Clicks(A, Letter::First, HAND_ON), Act::Clicks(DEPUTY, Letter::First, REJECT));
    agrees(&Scenario { deputies: vec![DEPUTY], ..Scenario::of([hands_on, answers]) });
    let approves = Act::Clicks(A, Letter::First, APPROVE);
    agrees(&Scenario { deputies: vec![DEPUTY], faults: 0, ..Scenario::of([hands_on, approves, answers]) });
}

#[test]
fn more_time_counts_for_everybody_or_for_nobody() {
    let longer = |acts: [Act; 2]| Scenario { faults: 0, extension_seconds: 900, moments: vec![60, HOUR - 900, HOUR], ..Scenario::of(acts) };
    let extends = Act::Clicks(A, Letter::First, EXTEND);
    agrees(&longer([extends, Act::Clicks(B, Letter::First, APPROVE)]));
    agrees(&longer([extends, Act::Watches(1)]));
}

#[test]
fn every_single_call_may_be_the_last_of_a_click() {
    agrees(&Scenario { folded: false, stopped: true, ..Scenario::of([Act::Clicks(A, Letter::First, APPROVE)]) });
}

#[test]
fn every_single_call_may_be_the_last_of_a_round() {
    agrees(&Scenario { folded: false, moments: vec![60, HOUR / 2, HOUR], stopped: true, ..Scenario::of([Act::Watches(1)]) });
}

#[test]
fn sending_before_recording_is_caught() {
    is_caught(Protocol::SendsThenRecords, &[Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, REJECT)]);
}

#[test]
fn recording_whatever_became_of_the_sending_is_caught() {
    is_caught(Protocol::SendsThenRecordsAnyway, &[Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, REJECT)]);
}

#[test]
fn recording_and_then_sending_once_is_caught() {
    is_caught(Protocol::RecordsThenSends, &[Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, REJECT)]);
}

#[test]
fn a_clock_that_looks_at_no_record_is_caught() {
    is_caught(Protocol::ExpiresWithoutLooking, &[Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, REJECT)]);
}

#[test]
#[ignore = "takes minutes"]
fn exhaustive_three_clicks_the_watch_and_a_stop_with_a_fault() {
    let acts = [
        Act::Clicks(A, Letter::First, APPROVE),
        Act::Clicks(A, Letter::First, REJECT),
        Act::Clicks(B, Letter::First, REJECT),
        Act::Watches(1),
    ];
    agrees(&Scenario { stopped: true, ..Scenario::of(acts) });
}

#[test]
#[ignore = "takes minutes"]
fn exhaustive_more_time_a_repeated_step_and_a_deputy_with_a_fault() {
    let acts = [Act::Clicks(A, Letter::First, EXTEND), Act::Clicks(B, Letter::First, APPROVE), Act::Watches(1)];
    agrees(&Scenario { extension_seconds: 900, moments: vec![60, HOUR - 900, HOUR], ..Scenario::of(acts) });
    let acts = [Act::Clicks(A, Letter::First, APPROVE), Act::Asks(2), Act::Watches(1)];
    agrees(&Scenario { retried: true, ..Scenario::of(acts) });
    let acts = [Act::Clicks(A, Letter::First, HAND_ON), Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(DEPUTY, Letter::First, REJECT)];
    agrees(&Scenario { deputies: vec![DEPUTY], ..Scenario::of(acts) });
}

#[test]
#[ignore = "takes minutes"]
fn exhaustive_two_faults() {
    let clicks = [Act::Clicks(A, Letter::First, APPROVE), Act::Clicks(B, Letter::First, REJECT)];
    agrees(&Scenario { faults: 2, ..Scenario::of(clicks) });
    let healed = [Act::Clicks(A, Letter::First, APPROVE), Act::Watches(1), Act::Asks(2)];
    agrees(&Scenario { faults: 2, retried: true, ..Scenario::of(healed) });
}

#[test]
#[ignore = "takes minutes"]
fn exhaustive_every_single_call_of_a_click_and_the_watch() {
    let acts = [Act::Clicks(A, Letter::First, APPROVE), Act::Watches(1)];
    agrees(&Scenario { folded: false, stopped: true, moments: vec![60], ..Scenario::of(acts) });
}
