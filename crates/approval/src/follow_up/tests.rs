use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use nightly_domain::approval::{ApprovalStatus, Asking, Handover};
use nightly_domain::channel::MemoryChannel;
use nightly_domain::delivery::deliver;
use nightly_domain::memory::{Fate, Gate, MemoryDesk};
use nightly_domain::ports::Replaced;
use serde_json::Value;

use super::*;
use crate::fixtures::{PEOPLE, approved, asked, asking, compared, minutes, site};

/// A question to three people that is recorded, and that nobody knows of yet.
async fn world(gate: Gate, channel: MemoryChannel) -> MemoryDesk {
    let record = asked(&PEOPLE, 1);
    let desk = MemoryDesk { channel: Some(channel), ..MemoryDesk::behind(Gate::default(), record.asked_at) };
    desk.tasks.wait(&record.task_token);
    store(&desk, None, &record).await;
    behind(gate, &desk)
}

/// The same world behind another gate.
fn behind(gate: Gate, desk: &MemoryDesk) -> MemoryDesk {
    let stored = desk.approvals.stored(&"01jd4q8m-2k".parse().unwrap()).unwrap();
    let other = MemoryDesk { channel: desk.channel.clone(), ..MemoryDesk::behind(gate, stored.asked_at) };
    other.tasks.wait(&stored.task_token);
    finish(store(&other, None, &stored));
    other
}

/// Goes through every stop of a stepwise gate.
fn finish<Output>(future: impl Future<Output = Output>) -> Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

async fn store(desk: &MemoryDesk, seen: Option<&Approval>, next: &Approval) {
    assert_eq!(desk.approvals.replace(seen, next).await.unwrap(), Replaced::Stored);
}

fn stored(desk: &MemoryDesk) -> Approval {
    desk.approvals.stored(&"01jd4q8m-2k".parse().unwrap()).unwrap()
}

fn posted(desk: &MemoryDesk) -> Vec<String> {
    let posts = desk.channel.as_ref().unwrap().posted();
    posts.iter().map(|post: &Value| post["text"].as_str().unwrap().split([' ', ':']).next().unwrap().to_owned()).collect()
}

fn mails_by_person(desk: &MemoryDesk) -> BTreeMap<String, usize> {
    let mut mails = BTreeMap::new();
    for mail in desk.mail.sent() {
        *mails.entry(mail.to.as_str().to_owned()).or_default() += 1;
    }
    mails
}

/// What the watch does: a round begins with the record as it is stored.
async fn round(desk: &MemoryDesk) -> Result<Approval, NotDone> {
    follow_up(desk, &site(), stored(desk)).await
}

/// Rounds until one has left nothing, but never many.
async fn rounds(desk: &MemoryDesk) {
    for _ in 0..4 {
        if round(desk).await.is_ok() {
            return;
        }
    }
    panic!("the rounds leave something again and again");
}

/// Somebody approves, and the execution has it.
async fn decide(desk: &MemoryDesk) {
    let open = stored(desk);
    let decided = approved(&open, 1, None, minutes(5));
    store(desk, Some(&open), &decided).await;
    desk.clock.advance(minutes(5));
    deliver(desk, decided).await.unwrap();
}

/// Whatever went wrong on the way, everybody knows in the end.
fn check(desk: &MemoryDesk, posts: &[&[&str]], why: &str) {
    let mails = mails_by_person(desk);
    for person in PEOPLE {
        let number = mails.get(person).copied().unwrap_or_default();
        assert!((1..=2).contains(&number), "{person} has {number} mails, {why}");
    }
    let posted = posted(desk);
    assert!(posts.iter().any(|expected| posted == *expected), "{posted:?}, {why}");
    let (record, chain) = (stored(desk), desk.audit.chain(&"01jd4q8m-2k".parse().unwrap()));
    assert_eq!(audit::verify(&chain), Ok(()), "{why}");
    assert_eq!(audit::missing(&record, &chain), [], "{why}");
    assert_eq!(record.announcement_due(), None, "{why}");
}

const IN_PLACE: &[&str] = &["Approved"];
const TWO_POSTS: &[&str] = &["Approval", "Approved"];

#[tokio::test]
async fn all_that_is_due_is_done_once() {
    for (channel, posts) in [(MemoryChannel::default(), IN_PLACE), (MemoryChannel::webhook(), TWO_POSTS)] {
        let desk = world(Gate::default(), channel).await;
        round(&desk).await.unwrap();
        assert_eq!(posted(&desk), ["Approval"]);
        round(&desk).await.unwrap();
        decide(&desk).await;
        round(&desk).await.unwrap();
        round(&desk).await.unwrap();
        assert_eq!(desk.mail.sent().len(), 3, "one mail each");
        check(&desk, &[posts], "nothing went wrong");
    }
}

#[tokio::test]
async fn nothing_is_lost_whichever_call_fails() {
    let counted = world(Gate::default(), MemoryChannel::default()).await;
    let before = counted.gate.calls().len();
    round(&counted).await.unwrap();
    let asking = counted.gate.calls().len() - before;
    decide(&counted).await;
    let before = counted.gate.calls().len();
    round(&counted).await.unwrap();
    let telling = counted.gate.calls().len() - before;
    assert!(asking > 10 && telling > 4, "{asking} {telling}");

    let mut histories = 0;
    for (webhook, posts) in [(false, IN_PLACE), (true, TWO_POSTS)] {
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            for (fails, after_the_answer) in (0..asking).map(|call| (call, false)).chain((0..telling).map(|call| (call, true))) {
                let channel = if webhook { MemoryChannel::webhook() } else { MemoryChannel::default() };
                let desk = world(Gate::default(), channel).await;
                let plan = || {
                    (0..fails).for_each(|_| desk.gate.plan_next(Fate::Works));
                    desk.gate.plan_next(fate);
                };
                if !after_the_answer {
                    plan();
                }
                let why = format!("call {fails} {fate:?}, after the answer: {after_the_answer}, webhook: {webhook}");
                rounds(&desk).await;
                assert_eq!(posted(&desk), ["Approval"], "the question is posted once: {why}");
                decide(&desk).await;
                if after_the_answer {
                    plan();
                }
                rounds(&desk).await;
                check(&desk, &[posts], &why);
                assert!(desk.mail.sent().len() <= 4, "at most one mail more than there are people: {why}");
                histories += 1;
            }
        }
    }
    assert_eq!(histories, 4 * (asking + telling));
}

/// Lets a round get as far as `calls` calls, then drops it. Answers whether it was dropped.
fn crash_after(desk: &MemoryDesk, calls: usize) -> bool {
    let record = stored(desk);
    let site = site();
    let mut crashing = pin!(follow_up(desk, &site, record));
    (0..=calls).all(|_| crashing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending())
}

#[tokio::test]
async fn nothing_is_lost_wherever_a_round_crashes() {
    let mut crashes = 0;
    for webhook in [false, true] {
        for after_the_answer in [false, true] {
            for calls in 0.. {
                let channel = if webhook { MemoryChannel::webhook() } else { MemoryChannel::default() };
                let desk = world(Gate::default(), channel).await;
                if after_the_answer {
                    rounds(&desk).await;
                    decide(&desk).await;
                }
                let (mails, posts) = (desk.mail.sent(), posted(&desk));
                let crashing = behind(Gate::stepwise(), &desk);
                if !crash_after(&crashing, calls) {
                    break;
                }
                crashes += 1;
                let why = format!("crashed before call {calls}, after the answer: {after_the_answer}, webhook: {webhook}");
                let healed = crashing.fork();
                rounds(&healed).await;
                if after_the_answer {
                    assert!(healed.mail.sent().is_empty(), "nobody is mailed any more: {why}");
                    assert_eq!(mails.len(), 3);
                    assert!(posts == ["Approval"] && posted(&healed).last().is_some_and(|last| last == "Approved"), "{why}");
                    assert!(posted(&healed).len() <= if webhook { 3 } else { 1 }, "once more at most, in the place of the question: {why}");
                } else {
                    let healed_mails = mails_by_person(&healed);
                    assert!(PEOPLE.iter().all(|person| (1..=2).contains(&healed_mails[*person])), "one more each at most: {why}");
                    decide(&healed).await;
                    rounds(&healed).await;
                    check(&healed, &[posts_after(webhook), &["Approval", "Approval", "Approved"], TWO_POSTS], &why);
                }
            }
        }
    }
    assert!(crashes > 40, "{crashes}");
}

fn posts_after(webhook: bool) -> &'static [&'static str] {
    if webhook { TWO_POSTS } else { IN_PLACE }
}

fn down() -> PostError {
    PostError::NotPosted("connection refused".into())
}

#[tokio::test]
async fn a_channel_that_is_down_keeps_nothing_else_from_being_done() {
    let desk = world(Gate::default(), MemoryChannel::failing([down(), down(), down()])).await;
    let error = round(&desk).await.unwrap_err();
    assert!(matches!(error, NotDone::Channel(PostError::NotPosted(_))), "{error:?}");
    assert_eq!(desk.mail.sent().len(), 3);
    let asked = stored(&desk);
    assert_eq!(audit::missing(&asked, &desk.audit.chain(&asked.id)), []);
    decide(&desk).await;
    rounds(&desk).await;
    assert_eq!(posted(&desk), [] as [&str; 0], "who never heard the question is not told its answer");
    let chain = desk.audit.chain(&asked.id);
    assert_eq!(audit::missing(&stored(&desk), &chain), []);
}

#[tokio::test]
async fn an_audit_that_is_down_keeps_nothing_else_from_being_done() {
    let desk = world(Gate::default(), MemoryChannel::default()).await;
    desk.gate.plan("Audit.entries", Fate::FailsBefore);
    assert!(matches!(round(&desk).await.unwrap_err(), NotDone::Audit(_)));
    assert_eq!((desk.mail.sent().len(), posted(&desk)), (3, vec!["Approval".to_owned()]));
    rounds(&desk).await;
    assert_eq!(audit::missing(&stored(&desk), &desk.audit.chain(&stored(&desk).id)), []);
}

#[tokio::test]
async fn a_mail_that_fails_keeps_no_other_from_being_sent() {
    let desk = world(Gate::default(), MemoryChannel::default()).await;
    desk.gate.plan("Mail.send", Fate::FailsBefore);
    assert!(matches!(round(&desk).await.unwrap_err(), NotDone::Mail(_)));
    let to = |place: usize| desk.mail.sent()[place].to.as_str().to_owned();
    assert_eq!((to(0), to(1), desk.mail.sent().len()), (PEOPLE[1].to_owned(), PEOPLE[2].to_owned(), 2));
    assert_eq!(posted(&desk), ["Approval"]);
    rounds(&desk).await;
    assert_eq!((to(2), desk.mail.sent().len()), (PEOPLE[0].to_owned(), 3), "only who has none gets one");
}

#[tokio::test]
async fn a_mark_that_cannot_be_set_is_told_apart_from_a_mail_that_was_not_sent() {
    let desk = world(Gate::default(), MemoryChannel::default()).await;
    desk.gate.plan("Approvals.replace", Fate::Works);
    (0..MARKS).for_each(|_| desk.gate.plan("Approvals.replace", Fate::FailsBefore));
    let error = send_mails(&desk, &site(), stored(&desk)).await.unwrap_err();
    assert!(matches!(error, NotDone::Mailed(_)), "{error:?}");
    assert_eq!(desk.mail.sent().len(), 3);
}

#[tokio::test]
async fn a_question_that_is_answered_while_it_is_posted_still_gets_its_outcome() {
    // The answer comes between the link for the channel and the mark that the question was posted.
    let desk = world(Gate::default(), MemoryChannel::webhook()).await;
    send_mails(&desk, &site(), stored(&desk)).await.unwrap();
    let slow = behind(Gate::stepwise(), &desk);
    let record = stored(&slow);
    let site = site();
    {
        let mut announcing = pin!(announce(&slow, &site, record));
        // It stops before the link's write, then before the mark's, when the post is out.
        for _ in 0..2 {
            assert!(announcing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(posted(&slow), ["Approval"]);
        let open = stored(&slow);
        let decided = approved(&open, 0, None, minutes(1));
        let delivered = decided.handed_over(Handover::Delivered { at: open.asked_at });
        finish(store(&slow, Some(&open), &decided));
        finish(store(&slow, Some(&decided), &delivered));
        finish(announcing).unwrap();
    }
    assert_eq!(posted(&slow), TWO_POSTS);
    assert_eq!(stored(&slow).announcement.said, Said::Outcome(1));
}

#[tokio::test]
async fn an_outcome_that_somebody_else_has_told_is_not_told_again() {
    let desk = world(Gate::default(), MemoryChannel::webhook()).await;
    rounds(&desk).await;
    decide(&desk).await;
    let seen = stored(&desk);
    announce(&desk, &site(), seen.clone()).await.unwrap();
    announce(&desk, &site(), seen).await.unwrap();
    assert_eq!(posted(&desk), TWO_POSTS);
}

#[tokio::test]
async fn a_question_put_again_takes_the_place_of_the_one_before() {
    let desk = world(Gate::default(), MemoryChannel::default()).await;
    rounds(&desk).await;
    let mut again = asking(&PEOPLE[..1], 1, compared());
    again.task_token = "token-2".to_owned().try_into().unwrap();
    let before = stored(&desk);
    let Asking::Ask(next) = again.again(&before) else { panic!("it is asked again") };
    store(&desk, Some(&before), &next).await;
    rounds(&desk).await;
    assert_eq!((posted(&desk), stored(&desk).announcement.said), (vec!["Approval".to_owned()], Said::Question(2)));
    assert_eq!(desk.mail.sent().len(), 4);
}

#[tokio::test]
async fn an_end_that_the_definition_settled_is_told_too() {
    let desk = world(Gate::default(), MemoryChannel::default()).await;
    rounds(&desk).await;
    let expired = desk.approvals.expire(&stored(&desk).id, stored(&desk).limit_at).unwrap();
    assert!(matches!(expired.status, ApprovalStatus::Expired { .. }));
    rounds(&desk).await;
    assert_eq!(posted(&desk), ["Expired"]);
}

#[tokio::test]
async fn without_a_channel_there_is_nobody_to_tell() {
    let desk = MemoryDesk { channel: None, ..world(Gate::default(), MemoryChannel::default()).await };
    rounds(&desk).await;
    assert_eq!((stored(&desk).announcement.said, desk.mail.sent().len()), (Said::Nothing, 3));
}

#[tokio::test]
async fn reminders_go_to_those_whose_answer_is_awaited() {
    let desk = world(Gate::default(), MemoryChannel::default()).await;
    rounds(&desk).await;
    let open = stored(&desk);
    let mut two = open.clone();
    two.required = 2;
    two.revision += 1;
    store(&desk, Some(&open), &two).await;
    store(&desk, Some(&two), &approved(&two, 2, None, minutes(1))).await;
    for (advance, subject) in [(23, "Reminder: "), (13, "Last call: ")] {
        desk.clock.advance(minutes(advance));
        rounds(&desk).await;
        rounds(&desk).await;
        let sent = desk.mail.sent();
        let last: Vec<_> = sent[sent.len() - 2..].iter().map(|mail| (mail.to.as_str(), mail.subject.starts_with(subject))).collect();
        assert_eq!(last, [(PEOPLE[0], true), (PEOPLE[1], true)]);
    }
    assert_eq!(desk.mail.sent().len(), 3 + 2 + 2);
}
