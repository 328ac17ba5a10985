use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::{Click, Decision, Handover, Remark};
use nightly_domain::audit::{Appended, Reader};
use nightly_domain::memory::contract::question;
use nightly_domain::memory::{MemoryApprovals, MemoryAudit};
use nightly_domain::ports::Replaced;

use super::*;

/// An audit whose chain somebody has had in their hands.
struct Kept(Vec<Entry>);

impl Audit for Kept {
    async fn entries(&self, _approval: &ApprovalId) -> Result<Vec<Entry>, PortError> {
        Ok(self.0.clone())
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, PortError> {
        panic!("nothing here appends: {entry:?}")
    }
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("nothing here waits") };
    output
}

fn night() -> ApprovalId {
    "2026-11-20-a1".parse().unwrap()
}

fn viewed(reader: Reader) -> Occurrence {
    let at: Timestamp = "2026-11-21T02:25:30Z".parse().unwrap();
    Occurrence { at, generation: 1, approver: Some("a.berg@nordvik.example".parse().unwrap()), event: Event::Viewed { reader } }
}

/// A question that was handed on, extended, rejected and delivered, and its chain.
fn rejected() -> (Approval, Vec<Entry>) {
    let mut question = question(&night(), &["a.berg@nordvik.example", "b.osei@nordvik.example"], 1);
    question.deputies = vec!["d.lind@nordvik.example".parse().unwrap()];
    question.expires_at = question.asked_at + SignedDuration::from_mins(45);
    let asked = question.first();
    let minute = |minutes| asked.asked_at + SignedDuration::from_mins(minutes);
    let counts = |click: Click| if let Click::Counts(next) = click { *next } else { panic!("{click:?}") };
    let handed_on = counts(asked.hand_on(0, &asked.deputies[0], minute(5)));
    let extended = counts(handed_on.extend(2, minute(10)));
    let reason = Remark::parse("Shoes are too low.\nAsk Marta.").unwrap();
    let record = counts(extended.click(1, Decision::Reject { reason }, minute(31))).handed_over(Handover::Delivered { at: minute(32) });
    let mut occurrences = audit::told_by(&record);
    occurrences.splice(2..2, [viewed(Reader::Scanner), viewed(Reader::Person)]);
    (record, chain_of(&occurrences))
}

fn chain_of(occurrences: &[Occurrence]) -> Vec<Entry> {
    let mut chain = Vec::new();
    for occurrence in occurrences {
        chain.push(Entry::after(&chain, &night(), occurrence).unwrap());
    }
    chain
}

fn stored(record: &Approval) -> MemoryApprovals {
    let records = MemoryApprovals::default();
    assert_eq!(finish(records.replace(None, record)).unwrap(), Replaced::Stored);
    records
}

fn found(record: Option<&Approval>, chain: Vec<Entry>) -> Option<Flaw> {
    let records = record.map(stored);
    finish(examine(&Kept(chain), records.as_ref(), &night())).unwrap().flaw
}

/// The chain with one occurrence changed and every hash from there on made anew: nothing in the chain itself shows it.
fn written_anew(chain: &[Entry], change: impl Fn(&mut Vec<Occurrence>)) -> Vec<Entry> {
    let mut occurrences: Vec<_> = chain.iter().map(|entry| entry.occurrence().unwrap()).collect();
    change(&mut occurrences);
    chain_of(&occurrences)
}

#[test]
fn a_chain_that_tells_what_its_record_tells_holds() {
    let (record, chain) = rejected();
    assert_eq!(found(Some(&record), chain.clone()), None);
    assert_eq!(found(None, chain), None, "a record is kept for 90 days only");
}

#[test]
fn what_was_changed_removed_inserted_or_reordered_is_found() {
    let (record, sound) = rejected();
    let meddled = |meddle: fn(&mut Vec<Entry>)| {
        let mut chain = sound.clone();
        meddle(&mut chain);
        found(Some(&record), chain)
    };
    let changed = |sequence| Some(Flaw::Broken(Broken::Changed { sequence }));
    let gap = |expected, found| Some(Flaw::Broken(Broken::Gap { expected, found }));
    assert_eq!(meddled(|chain| chain[7].text = chain[7].text.replace("too low", "all right")), changed(8));
    assert_eq!(meddled(|chain| drop(chain.remove(4))), gap(5, 6));
    assert_eq!(meddled(|chain| chain.insert(4, chain[4].clone())), gap(6, 5));
    assert_eq!(meddled(|chain| chain.swap(4, 5)), gap(5, 6));
    let swapped_texts = |chain: &mut Vec<Entry>| {
        let text = std::mem::take(&mut chain[4].text);
        chain[4].text = std::mem::replace(&mut chain[5].text, text);
    };
    assert_eq!(meddled(swapped_texts), changed(5));
}

#[test]
fn an_end_that_was_cut_off_is_found_by_the_record() {
    let (record, chain) = rejected();
    let told = audit::told_by(&record);
    for kept in 0..chain.len() {
        let missing: Vec<_> = chain[kept..].iter().filter_map(Entry::occurrence).filter(|occurrence| told.contains(occurrence)).collect();
        assert!(!missing.is_empty());
        assert_eq!(found(Some(&record), chain[..kept].to_vec()), Some(Flaw::Lacks { missing, watched: false }), "{kept} kept");
    }
    let due = record.handed_over(Handover::Due);
    let flaw = found(Some(&due), chain[..5].to_vec()).unwrap();
    assert!(matches!(flaw, Flaw::Lacks { watched: true, .. }), "{flaw:?}");
}

type Forgery = (usize, fn(&mut Occurrence));

#[test]
fn a_chain_that_was_written_anew_is_found_by_the_record() {
    let (record, chain) = rejected();
    let last = chain.len() - 1;
    let forgeries: [Forgery; 3] = [
        (7, |answer| answer.event = Event::Answered { decision: Decision::Approve { comment: None } }),
        (7, |answer| answer.approver = Some("a.berg@nordvik.example".parse().unwrap())),
        (last, |delivered| delivered.at += SignedDuration::from_secs(1)),
    ];
    for (place, forge) in forgeries {
        let forged = written_anew(&chain, |occurrences| forge(&mut occurrences[place]));
        assert_eq!(audit::verify(&forged), Ok(()));
        let sequence = u32::try_from(place + 1).unwrap();
        assert_eq!(found(Some(&record), forged), Some(Flaw::Contradicts { sequence }));
    }
    let invented = written_anew(&chain, |occurrences| {
        let mut more = occurrences[7].clone();
        more.generation = 2;
        occurrences.push(more);
    });
    assert_eq!(found(Some(&record), invented), Some(Flaw::Contradicts { sequence: u32::try_from(chain.len() + 1).unwrap() }));
}

#[test]
fn a_question_of_which_nothing_is_known_is_an_error() {
    assert_eq!(found(None, Vec::new()), Some(Flaw::Unknown));
    let records = MemoryApprovals::default();
    assert_eq!(finish(examine(&MemoryAudit::default(), Some(&records), &night())).unwrap().flaw, Some(Flaw::Unknown));
}

#[test]
fn a_question_that_changes_while_it_is_looked_at_is_looked_at_again() {
    /// The records that are read, one after the other.
    struct Changing(Mutex<Vec<Approval>>);

    impl Approvals for Changing {
        async fn read(&self, _id: &ApprovalId) -> Result<Option<Approval>, PortError> {
            let mut records = self.0.lock().unwrap();
            Ok(if records.len() > 1 { Some(records.remove(0)) } else { records.first().cloned() })
        }

        async fn replace(&self, _seen: Option<&Approval>, next: &Approval) -> Result<Replaced, PortError> {
            panic!("nothing here writes: {next:?}")
        }
    }

    let (record, chain) = rejected();
    let due = record.handed_over(Handover::Due);
    let records = Changing(Mutex::new(vec![due, record]));
    assert_eq!(finish(examine(&Kept(chain), Some(&records), &night())).unwrap().flaw, None);
}

#[test]
fn what_is_found_is_told_in_a_line_and_what_happened_in_the_lines_below() {
    let (record, chain) = rejected();
    let cut_off = found(Some(&record), chain[..8].to_vec());
    let mut printed = print::question(&night(), &chain, None, true);
    printed += &print::question(&night(), &chain[..8], cut_off.as_ref(), false);
    printed += &print::question(&night(), &chain, Some(&Flaw::Broken(Broken::Changed { sequence: 8 })), false);
    printed += &print::question(&night(), &[], Some(&Flaw::Unknown), true);
    insta::assert_snapshot!(printed);
    assert!(!printed.contains('@'), "{printed}");
}

#[test]
fn a_terminal_obeys_nothing_that_stands_in_a_chain() {
    let (_, chain) = rejected();
    let nasty = written_anew(&chain, |occurrences| {
        let end = nightly_domain::history::ExecutionEnd::Failed { error: "\u{1b}[2J\rall chains hold\n".to_owned() };
        occurrences[0].event = Event::Cancelled { end };
    });
    let printed = print::question(&night(), &nasty, None, true);
    assert_eq!(printed.lines().count(), nasty.len() + 1);
    assert!(!printed.contains(['\u{1b}', '\r']), "{printed:?}");
}

#[test]
fn the_sum_says_whether_all_chains_hold() {
    let (_, chain) = rejected();
    let mut sum = Sum::default();
    assert_eq!((sum.to_string().as_str(), sum.is_sound()), ("0 questions, 0 entries, all chains hold", true));
    sum.count(&chain[..1], None);
    assert_eq!(sum.to_string(), "1 question, 1 entry, all chains hold");
    sum.count(&chain, Some(&Flaw::Unknown));
    assert_eq!((sum.to_string(), sum.is_sound()), (format!("2 questions, {} entries, 1 chain does not hold", chain.len() + 1), false));
}
