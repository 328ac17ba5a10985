//! What a chain promises.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::approval::{Asking, Click, MailedLink, Remark};
use crate::link::Secret;
use crate::memory::contract::question;
use crate::memory::{Fate, Gate, MemoryAudit};

fn night() -> ApprovalId {
    "night".parse().unwrap()
}

fn counts(click: Click) -> Approval {
    let Click::Counts(next) = click else { panic!("it counts: {click:?}") };
    *next
}

/// Two people are asked. One hands on to a deputy, who asks for more time and is reminded; the other approves, then the deputy rejects.
fn lived_through() -> Approval {
    let mut question = question(&night(), &["a.berg@nordvik.example", "b.osei@nordvik.example"], 2);
    question.deputies = vec!["d.lind@nordvik.example".parse().unwrap()];
    question.expires_at = question.asked_at + SignedDuration::from_mins(45);
    let asked = question.first();
    let minute = |minutes| asked.asked_at + SignedDuration::from_mins(minutes);
    let handed_on = counts(asked.hand_on(0, &asked.deputies[0], minute(5)));
    let secret = |number| Secret::new([number; 32]).hash();
    let mailed = |record: &Approval, number, notice, at| record.about_to_mail([(2, notice, secret(number))]).mailed(&[secret(number)], at);
    let asked_deputy = mailed(&handed_on, 50, Notice::Delegation, minute(6));
    let extended = counts(asked_deputy.extend(2, minute(10)));
    let reminded = mailed(&extended, 51, Notice::HalfTime, minute(25));
    let approved = counts(reminded.click(1, Decision::Approve { comment: None }, minute(30)));
    let rejected = counts(approved.click(2, Decision::Reject { reason: Remark::parse("Shoes are too low.").unwrap() }, minute(31)));
    rejected.handed_over(Handover::Delivered { at: minute(32) })
}

/// The events' names with the minute and the person, as they stand in the chain.
fn told(record: &Approval) -> Vec<String> {
    let line = |occurrence: &Occurrence| {
        let minute = occurrence.at.duration_since(record.asked_at).as_mins();
        let json = serde_json::to_value(occurrence).unwrap();
        let who = occurrence.approver.as_ref().map_or("-".to_owned(), Address::person);
        format!("{minute} {} {who} {}", occurrence.generation, json["event"].as_str().unwrap())
    };
    told_by(record).iter().map(line).collect()
}

fn chain_of(occurrences: &[Occurrence]) -> Vec<Entry> {
    let mut chain = Vec::new();
    for occurrence in occurrences {
        chain.push(Entry::after(&chain, &night(), occurrence).unwrap());
    }
    chain
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn viewed(reader: Reader, at_second: i64) -> Occurrence {
    Occurrence { at: Timestamp::from_second(at_second).unwrap(), generation: 1, approver: None, event: Event::Viewed { reader } }
}

#[test]
fn a_record_tells_everything_that_happened_in_its_order() {
    assert_eq!(
        told(&lived_through()),
        [
            "0 1 - asked",
            "0 1 A. Berg mailed",
            "0 1 B. Osei mailed",
            "5 1 A. Berg handed_on",
            "6 1 D. Lind mailed",
            "10 1 D. Lind extended",
            "25 1 D. Lind mailed",
            "30 1 B. Osei answered",
            "31 1 D. Lind answered",
            "31 1 - decided",
            "32 1 - delivered",
        ],
    );
    let asked = &told_by(&lived_through())[0].event;
    assert!(
        matches!(asked, Event::Asked { people: 2, required: 2, .. }),
        "a deputy is asked by an approver, not by the question: {asked:?}"
    );
}

#[test]
fn every_end_is_told() {
    let asked = question(&night(), &["a.berg@nordvik.example"], 1).first();
    let last = |record: &Approval| told(record).pop().unwrap();
    assert_eq!(last(&asked), "0 1 A. Berg mailed");
    let run_out = asked.ran_out(asked.expires_at).unwrap();
    assert_eq!(last(&run_out), "60 1 - decided");
    let closed = run_out.handed_over(Handover::Closed { at: asked.expires_at, end: Some(ExecutionEnd::Aborted) });
    assert_eq!(last(&closed), "60 1 - closed");
    assert_eq!(last(&asked.cancelled(ExecutionEnd::Aborted, asked.asked_at).unwrap()), "0 1 - cancelled");
    let expired = Approval { status: ApprovalStatus::Expired { at: asked.expires_at }, ..asked };
    assert_eq!(last(&expired), "60 1 - expired");
}

#[test]
fn a_mail_that_may_not_have_been_sent_is_not_told() {
    let mut asked = question(&night(), &["a.berg@nordvik.example"], 1).first();
    asked.approvers[0].links.push(MailedLink { secret_hash: Secret::new([9; 32]).hash(), notice: Notice::HalfTime, sent_at: None });
    assert_eq!(told(&asked).len(), 2);
}

#[test]
fn a_question_put_again_ends_the_one_before() {
    let first = question(&night(), &["a.berg@nordvik.example"], 1).first();
    let mut again = question(&night(), &["a.berg@nordvik.example"], 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    let Asking::Ask(second) = again.again(&first) else { panic!("it is asked again") };
    assert_eq!(told(&second), ["0 1 - superseded", "0 2 - asked", "0 2 A. Berg mailed"]);
}

#[test]
fn a_verdict_that_a_later_attempt_only_brings_is_not_told_a_second_time() {
    let first = lived_through().handed_over(Handover::Due);
    let mut again = question(&night(), &["a.berg@nordvik.example"], 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    again.asked_at = first.asked_at + SignedDuration::from_mins(50);
    let Asking::Redeliver(renewed) = again.clone().again(&first) else { panic!("the verdict stands") };
    assert_eq!(told(&renewed), [] as [&str; 0], "nothing has happened in this generation yet");
    assert_eq!(told(&renewed.handed_over(Handover::Delivered { at: again.asked_at })), ["0 2 - delivered"]);
}

#[test]
fn an_answer_in_the_very_second_of_the_question_belongs_to_it() {
    let mut asked = question(&night(), &["a.berg@nordvik.example"], 1).first();
    asked.asked_at += jiff::SignedDuration::from_millis(400);
    let decided = counts(asked.click(0, Decision::Approve { comment: None }, asked.asked_at));
    assert!(told_by(&decided).iter().any(|occurrence| matches!(occurrence.event, Event::Asked { .. })));
}

#[test]
fn what_is_hashed_stays_as_it_is() {
    let chain = chain_of(&told_by(&lived_through()));
    assert_eq!(
        chain[7].text,
        r#"{"at":"2026-11-21T02:54:00Z","generation":1,"approver":"b.osei@nordvik.example","event":"answered","approve":{}}"#
    );
    assert_eq!(chain[9].text, r#"{"at":"2026-11-21T02:55:00Z","generation":1,"event":"decided","ruling":"REJECTED"}"#);
    // Computed with sha256sum over "night\n1\n<64 zeros>\n<text>".
    let first = chain_of(&[viewed(Reader::Person, 0)]);
    assert_eq!(first[0].text, r#"{"at":"1970-01-01T00:00:00Z","generation":1,"event":"viewed","reader":"person"}"#);
    assert_eq!(first[0].hash.to_string(), "b560601e74183b23907c4fca481fdf6b557858ed9b8f6cf14532fd0507d6fa9b");
}

#[test]
fn what_was_written_is_read_as_it_happened() {
    let occurrences = told_by(&lived_through());
    let chain = chain_of(&occurrences);
    assert_eq!(chain.iter().map(|entry| entry.occurrence().unwrap()).collect::<Vec<_>>(), occurrences);
    assert_eq!(verify(&chain), Ok(()));
    assert_eq!(verify(&[]), Ok(()));
}

#[test]
fn every_meddling_with_a_chain_is_found() {
    let sound = chain_of(&told_by(&lived_through()));
    let broken = |meddle: &dyn Fn(&mut Vec<Entry>)| {
        let mut chain = sound.clone();
        meddle(&mut chain);
        verify(&chain)
    };
    let renumber = |chain: &mut Vec<Entry>| {
        for (entry, sequence) in chain.iter_mut().zip(1..) {
            entry.sequence = sequence;
        }
    };
    // Changed.
    assert_eq!(broken(&|chain| chain[7].text = chain[7].text.replace("osei", "berg")), Err(Broken::Changed { sequence: 8 }));
    assert_eq!(broken(&|chain| chain[7].hash = chain[6].hash.clone()), Err(Broken::Changed { sequence: 8 }));
    assert_eq!(broken(&|chain| chain[0].approval = "other".parse().unwrap()), Err(Broken::Changed { sequence: 1 }));
    // Changed, and its own hash made anew: the next one tells.
    let forged = broken(&|chain| {
        let forged = Entry::after(&chain[..7], &night(), &viewed(Reader::Person, 0)).unwrap();
        chain[7] = forged;
    });
    assert_eq!(forged, Err(Broken::Changed { sequence: 9 }));
    // Removed.
    for (place, sequence) in (1..).enumerate().take(sound.len() - 1) {
        assert_eq!(broken(&|chain| drop(chain.remove(place))), Err(Broken::Gap { expected: sequence, found: sequence + 1 }));
        let closed_up = |chain: &mut Vec<Entry>| {
            chain.remove(place);
            renumber(chain);
        };
        assert_eq!(broken(&closed_up), Err(Broken::Changed { sequence }), "and the gap closed up");
    }
    // Inserted.
    for (place, sequence) in (1..).enumerate().take(sound.len()) {
        let doubled = |chain: &mut Vec<Entry>| chain.insert(place, chain[place].clone());
        assert_eq!(broken(&doubled), Err(Broken::Gap { expected: sequence + 1, found: sequence }));
        let made_room = |chain: &mut Vec<Entry>| {
            let inserted = Entry::after(&chain[..place], &night(), &viewed(Reader::Person, 0)).unwrap();
            chain.insert(place, inserted);
            renumber(chain);
        };
        assert_eq!(broken(&made_room), Err(Broken::Changed { sequence: sequence + 1 }));
    }
    // Reordered.
    for (place, sequence) in (1..).enumerate().take(sound.len() - 1) {
        assert_eq!(broken(&|chain| chain.swap(place, place + 1)), Err(Broken::Gap { expected: sequence, found: sequence + 1 }));
        let renumbered = |chain: &mut Vec<Entry>| {
            chain.swap(place, place + 1);
            renumber(chain);
        };
        assert_eq!(broken(&renumbered), Err(Broken::Changed { sequence }));
    }
    // Of another question, whole as it is.
    let moved = |chain: &mut Vec<Entry>| chain.iter_mut().for_each(|entry| entry.approval = "other".parse().unwrap());
    assert_eq!(broken(&moved), Err(Broken::Changed { sequence: 1 }));
}

#[test]
fn an_entry_that_says_nothing_we_know_is_found() {
    let text = r#"{"event":"forgotten"}"#.to_owned();
    let hash = hash(&night(), 1, None, &text);
    let chain = [Entry { approval: night(), sequence: 1, text, hash }];
    assert_eq!(verify(&chain), Err(Broken::Unreadable { sequence: 1 }));
}

#[test]
fn a_chain_whose_end_was_cut_off_holds_and_lacks_what_the_record_tells() {
    let record = lived_through();
    let occurrences = told_by(&record);
    let chain = chain_of(&occurrences);
    for kept in 0..=chain.len() {
        assert_eq!(verify(&chain[..kept]), Ok(()));
        assert_eq!(missing(&record, &chain[..kept]), occurrences[kept..]);
    }
}

#[test]
fn appending_again_changes_nothing_and_appending_after_a_crash_goes_on() {
    let occurrences = told_by(&lived_through());
    for (call, nth) in [("Audit.entries", 0), ("Audit.append", 0), ("Audit.append", 4), ("Audit.append", 10)] {
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            let gate = std::sync::Arc::new(Gate::default());
            let audit = MemoryAudit::behind(&gate);
            (0..nth).for_each(|_| gate.plan(call, Fate::Works));
            gate.plan(call, fate);
            let failed = finish(append(&audit, &night(), &occurrences));
            assert!(failed.is_err(), "{call} {nth} {fate:?}");
            for _ in 0..2 {
                finish(append(&audit, &night(), &occurrences)).unwrap();
                assert_eq!(audit.chain(&night()), chain_of(&occurrences), "{call} {nth} {fate:?}");
            }
        }
    }
}

#[test]
fn a_page_that_is_opened_often_is_told_once_for_each_kind_of_reader() {
    let audit = MemoryAudit::default();
    for second in 0..5 {
        let occurrences = [viewed(Reader::Scanner, second), viewed(Reader::Person, second)];
        finish(append(&audit, &night(), &occurrences)).unwrap();
    }
    let chain = audit.chain(&night());
    assert_eq!(chain, chain_of(&[viewed(Reader::Scanner, 0), viewed(Reader::Person, 0)]));
}

/// Two append at the same time, in every order in which their calls can follow each other.
#[test]
fn concurrent_appenders_tell_everything_once_whoever_comes_first() {
    let occurrences = told_by(&lived_through());
    let (early, late) = (&occurrences[..3], &occurrences[1..4]);
    let alike = [viewed(Reader::Person, 9), occurrences[3].clone()];
    let later = [viewed(Reader::Person, 3)];
    let pairs: [(&[Occurrence], &[Occurrence]); 4] = [(early, late), (early, early), (late, &alike), (&alike, &later)];
    let mut histories = 0;
    for (ours, theirs) in pairs {
        let mut schedules: Vec<Vec<usize>> = vec![Vec::new()];
        while let Some(schedule) = schedules.pop() {
            let audit = MemoryAudit::behind(&std::sync::Arc::new(Gate::stepwise()));
            let id = night();
            let mut appenders = [Some(Box::pin(append(&audit, &id, ours))), Some(Box::pin(append(&audit, &id, theirs)))];
            let mut context = Context::from_waker(Waker::noop());
            for &turn in &schedule {
                let poll = appenders[turn].as_mut().map(|appender| appender.as_mut().poll(&mut context));
                if let Some(Poll::Ready(outcome)) = poll {
                    outcome.unwrap();
                    appenders[turn] = None;
                }
            }
            let open: Vec<usize> = (0..2).filter(|turn| appenders[*turn].is_some()).collect();
            if !open.is_empty() {
                schedules.extend(open.into_iter().map(|turn| [schedule.as_slice(), [turn].as_slice()].concat()));
                continue;
            }
            histories += 1;
            let chain = audit.chain(&id);
            assert_eq!(verify(&chain), Ok(()), "{schedule:?}");
            let told: Vec<_> = chain.iter().map(|entry| entry.occurrence().unwrap().key()).collect();
            let expected: HashSet<_> = ours.iter().chain(theirs).map(Occurrence::key).collect();
            assert_eq!((told.len(), told.into_iter().collect::<HashSet<_>>()), (expected.len(), expected), "{schedule:?}");
        }
    }
    assert!(histories > 900, "only {histories} histories");
}

#[test]
fn who_never_comes_first_gives_up_and_says_so() {
    /// Somebody else always has the number already.
    struct Crowded;

    impl Audit for Crowded {
        async fn entries(&self, _approval: &ApprovalId) -> Result<Vec<Entry>, PortError> {
            Ok(Vec::new())
        }

        async fn append(&self, _entry: &Entry) -> Result<Appended, PortError> {
            Ok(Appended::Taken)
        }
    }

    let error = finish(append(&Crowded, &night(), &[viewed(Reader::Person, 0)])).unwrap_err();
    assert_eq!(error.to_string(), "appending to the audit of approval night failed");
}

proptest! {
    #[test]
    fn no_single_character_can_be_changed(place in 0_usize..11, position in any::<prop::sample::Index>(), character in any::<char>()) {
        let mut chain = chain_of(&told_by(&lived_through()));
        let text = &mut chain[place].text;
        let mut characters: Vec<char> = text.chars().collect();
        let position = position.index(characters.len());
        prop_assume!(characters[position] != character);
        characters[position] = character;
        *text = characters.into_iter().collect();
        prop_assert_eq!(verify(&chain), Err(Broken::Changed { sequence: chain[place].sequence }));
    }
}
