//! What the rules of a question promise.

use jiff::SignedDuration;

use super::*;
use crate::channel::MessageReference;
use crate::evidence::EvidenceDigest;
use crate::memory::contract::{build, question, secret};

const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];

fn asked(required: u32) -> Approval {
    question(&"night".parse().unwrap(), &PEOPLE, required).first()
}

fn approve() -> Decision {
    Decision::Approve { comment: None }
}

fn reject() -> Decision {
    Decision::Reject { reason: Remark::parse("Electronics has doubled.").unwrap() }
}

fn counted(approval: &Approval, approver: usize, decision: Decision) -> Approval {
    match approval.click(approver, decision, approval.asked_at + SignedDuration::from_millis(90_999)) {
        Click::Counts(next) => *next,
        other => panic!("{other:?}"),
    }
}

fn verdict(approval: &Approval) -> &Verdict {
    approval.undelivered().expect("a verdict that is due")
}

#[test]
fn the_approval_that_completes_the_count_decides() {
    let one = counted(&asked(2), 2, Decision::Approve { comment: Some(Remark::parse(" Expected. ").unwrap()) });
    assert_eq!((one.status.clone(), one.approvals(), one.revision), (ApprovalStatus::Pending, 1, 2));
    let two = counted(&one, 0, approve());
    assert_eq!(verdict(&two).decision, Ruling::Approved);
    assert_eq!(verdict(&two).by, "A. Berg, C. Marchetti");
    assert_eq!(verdict(&two).comment.as_deref(), Some("C. Marchetti: Expected."));
    assert_eq!(verdict(&two).at.to_string(), "2026-11-21T02:25:30Z", "to the second, never later than the click");
    assert_eq!((verdict(&two).order_lines, &verdict(&two).evidence_digest), (Some(48_212), &two.evidence.digest));
}

#[test]
fn one_person_counts_once() {
    let one = counted(&asked(2), 0, approve());
    for decision in [approve(), reject()] {
        assert_eq!(one.click(0, decision, one.asked_at), Click::Void(Standing::Counted));
    }
}

#[test]
fn one_rejection_decides_whatever_was_approved() {
    let rejected = counted(&counted(&asked(3), 0, approve()), 1, reject());
    assert_eq!((verdict(&rejected).decision, verdict(&rejected).by.as_str()), (Ruling::Rejected, "B. Osei"));
    assert_eq!(verdict(&rejected).reason.as_deref(), Some("Electronics has doubled."));
    assert_eq!(verdict(&rejected).comment, None);
    for approver in 0..3 {
        assert_eq!(rejected.click(approver, approve(), rejected.asked_at), Click::Void(Standing::Decided));
    }
}

#[test]
fn the_last_moment_counts_and_the_next_does_not() {
    let asked = asked(1);
    let last = asked.expires_at - SignedDuration::from_nanos(1);
    assert!(matches!(asked.click(0, approve(), last), Click::Counts(_)));
    assert_eq!(asked.click(0, approve(), asked.expires_at), Click::Void(Standing::Overdue));
    let settled = Approval { status: ApprovalStatus::Expired { at: asked.expires_at }, ..asked };
    assert_eq!(settled.click(0, approve(), last), Click::Void(Standing::Expired), "what the clock has settled stays");
}

#[test]
fn a_verdict_is_written_as_the_definition_reads_it() {
    let rejected = counted(&asked(1), 1, reject());
    let written = serde_json::to_value(verdict(&rejected)).unwrap();
    assert_eq!(
        written,
        serde_json::json!({
            "decision": "REJECTED", "by": "B. Osei", "at": "2026-11-21T02:25:30Z", "reason": "Electronics has doubled.",
            "evidenceDigest": rejected.evidence.digest.to_string(), "orderLines": 48212,
        })
    );
    assert_eq!(serde_json::from_value::<Verdict>(written).unwrap(), *verdict(&rejected));
}

#[test]
fn a_link_is_known_by_its_secret_alone() {
    let asked = asked(1);
    assert_eq!(asked.bearer(&secret(2).hash()), Bearer::Approver(2));
    assert_eq!(asked.bearer(&secret(3).hash()), Bearer::Stranger);
}

#[test]
fn asking_again_supersedes_every_earlier_link() {
    let mut again = question(&"night".parse().unwrap(), &PEOPLE[1..], 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    again.approvers[0].links[0].secret_hash = secret(10).hash();
    again.approvers[1].links[0].secret_hash = secret(11).hash();
    let one = counted(&asked(2), 0, approve());
    let Asking::Ask(next) = again.again(&one) else { panic!("it is asked again") };
    assert_eq!((next.generation, next.revision, next.approvals()), (2, 3, 0), "an earlier approval was of an earlier question");
    assert_eq!(
        (0..3).map(|place| next.bearer(&secret(place).hash())).collect::<Vec<_>>(),
        (0..3).map(Bearer::Superseded).collect::<Vec<_>>()
    );
    assert_eq!(next.bearer(&secret(10).hash()), Bearer::Approver(0));
}

#[test]
fn a_verdict_that_no_task_took_is_kept_for_the_next_one() {
    let decided = counted(&asked(1), 0, approve());
    for handover in [Handover::Due, Handover::Closed { at: decided.expires_at, end: None }] {
        let stored = decided.handed_over(handover);
        let mut again = question(&stored.id, &PEOPLE, 1);
        assert_eq!(again.clone().again(&stored), Asking::Settled, "a repeated start of the same task asks nobody");
        again.task_token = "token-2".to_owned().try_into().unwrap();
        let Asking::Redeliver(next) = again.clone().again(&stored) else { panic!("nobody has to answer twice") };
        assert_eq!((verdict(&next), next.task_token.expose(), next.generation), (verdict(&decided), "token-2", 2));
        assert_eq!(next.bearer(&secret(0).hash()), Bearer::Approver(0), "their link still shows what they decided");

        again.evidence.digest =
            EvidenceDigest::of(&build().staged_uri, &[crate::ObjectEntry { key: "a".into(), size: 1, etag: "b".into() }]);
        assert!(matches!(again.again(&stored), Asking::Ask(_)), "nobody has answered for another build");
    }
}

#[test]
fn an_attempt_that_was_overtaken_changes_nothing() {
    let mut late = question(&"night".parse().unwrap(), &PEOPLE, 1);
    late.asked_at -= SignedDuration::from_millis(1);
    assert_eq!(late.again(&asked(1)), Asking::Overtaken);
}

#[test]
fn only_so_many_old_links_are_remembered() {
    let mut stored = asked(1);
    for _ in 0..30 {
        let Asking::Ask(next) = question(&stored.id, &PEOPLE, 1).again(&stored) else { panic!("it is asked again") };
        stored = *next;
    }
    assert_eq!((stored.generation, stored.superseded.len()), (31, Approval::REMEMBERED_LINKS));
}

#[test]
fn a_remark_is_what_was_written_without_disguises() {
    assert_eq!(Remark::parse("  two\r\nlines\u{0} and \u{202e}more ").unwrap().as_str(), "two\nlines and more");
    assert_eq!(Remark::parse(" \r\n\u{202e}"), Err(InvalidRemark::Blank));
    assert!(Remark::parse(&"ø".repeat(1000)).is_ok());
    assert_eq!(Remark::parse(&"ø".repeat(1001)), Err(InvalidRemark::TooLong));
}

#[test]
fn nothing_secret_is_shown_of_a_record() {
    assert_eq!(format!("{:?}", asked(1).task_token), "TaskToken(…)");
    let shown = format!("{:?}", asked_by(Starter::Named(PEOPLE[0].to_owned()), 1));
    for hidden in ["d.lind", "token-1", "a.berg", "b.osei", "c.marchetti", &String::from(secret(0).hash())] {
        assert!(!shown.contains(hidden), "{hidden} is shown: {shown}");
    }
}

/// A question whose deadline can be moved from 03:24 to 03:39, with a deputy, begun by this hand.
fn asked_by(starter: Starter, required: u32) -> Approval {
    let mut question = question(&"night".parse().unwrap(), &PEOPLE, required);
    question.limit_at = question.expires_at + SignedDuration::from_mins(15);
    question.deputies = vec![address("d.lind@nordvik.example"), address(PEOPLE[1])];
    question.started_by = starter;
    question.first()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn done(click: Click) -> Approval {
    match click {
        Click::Counts(next) => *next,
        other => panic!("{other:?}"),
    }
}

fn minutes(after: i64) -> SignedDuration {
    SignedDuration::from_mins(after)
}

#[test]
fn who_began_it_by_hand_never_approves_alone() {
    let asked = asked_by(Starter::Named("A.BERG@nordvik.example".to_owned()), 1);
    assert_eq!((asked.needed(), asked.missing()), (1, 1));
    let own = counted(&asked, 0, approve());
    assert_eq!((own.status.clone(), own.approvals(), own.missing()), (ApprovalStatus::Pending, 1, 1));
    let both = counted(&own, 1, approve());
    assert_eq!((verdict(&both).decision, verdict(&both).by.as_str()), (Ruling::Approved, "A. Berg, B. Osei"));
    assert_eq!(verdict(&counted(&asked, 1, approve())).by, "B. Osei", "another's approval is enough");
    assert_eq!(verdict(&counted(&asked, 0, reject())).decision, Ruling::Rejected, "who began it may stop it");
}

#[test]
fn where_nobody_is_named_two_must_agree() {
    let asked = asked_by(Starter::Unnamed, 1);
    assert_eq!((asked.needed(), asked.missing()), (2, 2));
    let one = counted(&asked, 0, approve());
    assert_eq!((one.status.clone(), one.missing()), (ApprovalStatus::Pending, 1));
    assert_eq!(verdict(&counted(&one, 2, approve())).decision, Ruling::Approved);
    assert_eq!(asked_by(Starter::Unnamed, 3).needed(), 3);
    assert_eq!(asked_by(Starter::Named("backfill".to_owned()), 1).needed(), 1);
}

#[test]
fn a_question_that_nobody_else_could_approve_is_not_put() {
    let four_eyes = |starter: &str, people: &[&str]| {
        let question = Question { started_by: starter.to_owned().into(), ..question(&"night".parse().unwrap(), people, 1) };
        question.four_eyes()
    };
    assert_eq!(four_eyes("schedule", &PEOPLE[..1]), Ok(()));
    assert_eq!(four_eyes(PEOPLE[0], &PEOPLE[..1]), Err(NoOtherApprover::Starter));
    assert_eq!(four_eyes(PEOPLE[0], &PEOPLE[..2]), Ok(()));
    assert_eq!(four_eyes(PEOPLE[1], &PEOPLE[..1]), Ok(()));
    assert_eq!(four_eyes("", &PEOPLE[..1]), Err(NoOtherApprover::Unnamed));
    assert_eq!(four_eyes("", &PEOPLE[..2]), Ok(()));
}

#[test]
fn an_answer_is_handed_to_one_deputy_and_is_theirs_alone_then() {
    let asked = asked_by(Starter::Schedule, 1);
    let deputy = address("d.lind@nordvik.example");
    assert_eq!(asked.free_deputies().collect::<Vec<_>>(), [&deputy], "who is asked already is no deputy");
    let now = asked.asked_at + minutes(5);
    let handed = done(asked.hand_on(0, &deputy, now));
    assert_eq!(handed.approvers[0].handed_on, Some(HandedOn { to: deputy.clone(), at: now }));
    assert_eq!(handed.approvers[3].in_place_of, Some(address(PEOPLE[0])));
    assert_eq!((handed.revision, handed.standing(0, now), handed.standing(3, now)), (2, Standing::HandedOn, Standing::Open));
    assert_eq!(handed.click(0, approve(), now), Click::Void(Standing::HandedOn));
    assert_eq!(handed.hand_on(0, &deputy, now), Click::Void(Standing::HandedOn));
    assert_eq!(handed.extend(0, now), Click::Void(Standing::HandedOn));
    assert_eq!(handed.hand_on(2, &deputy, now), Click::Refused(NotPossible::NoDeputy), "one person is asked once");
    assert_eq!(verdict(&counted(&handed, 3, approve())).by, "D. Lind");
}

#[test]
fn an_answer_is_handed_to_no_stranger_and_not_to_who_began_it() {
    let asked = asked_by(Starter::Named("d.lind@nordvik.example".to_owned()), 1);
    let now = asked.asked_at;
    assert_eq!(asked.hand_on(0, &address("d.lind@nordvik.example"), now), Click::Refused(NotPossible::Starter));
    assert_eq!(asked.free_deputies().count(), 0);
    assert_eq!(asked.hand_on(0, &address("x@elsewhere.example"), now), Click::Refused(NotPossible::NoDeputy));
    assert_eq!(asked.hand_on(0, &address(PEOPLE[1]), now), Click::Refused(NotPossible::NoDeputy));
    assert_eq!(asked.hand_on(0, &address("d.lind@nordvik.example"), asked.expires_at), Click::Void(Standing::Overdue));
}

#[test]
fn the_time_is_extended_once_and_as_far_as_the_task_waits() {
    let asked = asked_by(Starter::Schedule, 2);
    let now = asked.asked_at + minutes(50);
    assert_eq!(asked.more_time(), Ok(asked.limit_at));
    let extended = done(asked.extend(1, now));
    assert_eq!((extended.expires_at, extended.first_deadline()), (asked.limit_at, asked.expires_at));
    assert_eq!(extended.extension, Some(Extension { by: address(PEOPLE[1]), at: now, from: asked.expires_at }));
    assert_eq!(extended.extend(0, now), Click::Refused(NotPossible::ExtendedAlready));
    assert!(matches!(extended.click(0, approve(), asked.expires_at), Click::Counts(_)), "answers count until the new deadline");
    assert!(matches!(done(asked.click(0, approve(), now)).extend(0, now), Click::Counts(_)), "who waits for others may ask for time, too");
    assert_eq!(asked.extend(0, asked.expires_at), Click::Void(Standing::Overdue), "what is over is not extended");

    let mut at_limit = asked;
    at_limit.limit_at = at_limit.expires_at;
    assert_eq!(at_limit.extend(0, now), Click::Refused(NotPossible::AtTheLimit));
}

#[test]
fn time_that_ran_out_is_a_verdict_like_any_other() {
    let asked = asked_by(Starter::Schedule, 1);
    assert_eq!(asked.ran_out(asked.expires_at - SignedDuration::from_nanos(1)), None);
    let over = asked.ran_out(asked.expires_at).unwrap();
    assert_eq!((over.status.name(), over.revision, over.standing(0, asked.asked_at)), ("EXPIRED", 2, Standing::Expired));
    let written = serde_json::to_value(verdict(&over)).unwrap();
    let digest = over.evidence.digest.to_string();
    let expected = serde_json::json!({"decision": "EXPIRED", "at": "2026-11-21T03:24:00Z", "evidenceDigest": digest, "orderLines": 48212});
    assert_eq!(written, expected);
    assert_eq!(over.click(0, approve(), asked.asked_at), Click::Void(Standing::Expired));
    assert_eq!(over.ran_out(asked.limit_at), None);
    assert_eq!(counted(&asked, 0, approve()).ran_out(asked.limit_at), None, "what is decided does not expire");

    let mut again = question(&over.id, &PEOPLE, 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    assert!(matches!(again.again(&over), Asking::Ask(_)), "an expiry is not handed to a later attempt");
}

#[test]
fn a_question_whose_execution_has_ended_is_cancelled() {
    let asked = asked_by(Starter::Schedule, 1);
    let cancelled = asked.cancelled(ExecutionEnd::Aborted, asked.asked_at).unwrap();
    assert_eq!((cancelled.status.name(), cancelled.standing(0, asked.limit_at)), ("CANCELLED", Standing::Cancelled));
    assert_eq!(cancelled.click(0, approve(), asked.asked_at), Click::Void(Standing::Cancelled));
    assert_eq!(counted(&asked, 0, approve()).cancelled(ExecutionEnd::Aborted, asked.asked_at), None, "what is decided stays so");
    let mut again = question(&asked.id, &PEOPLE, 1);
    assert_eq!(again.clone().again(&cancelled), Asking::Settled);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    assert!(matches!(again.again(&cancelled), Asking::Ask(_)), "a redriven execution asks anew");
}

/// The mails that are due so many minutes after the question was put.
fn due(approval: &Approval, after: i64) -> Vec<(usize, Notice)> {
    approval.notices_due(approval.asked_at + minutes(after))
}

/// The question after everybody who should was mailed.
fn mailed(approval: &Approval, after: i64) -> Approval {
    let at = approval.asked_at + minutes(after);
    let hash = |place: usize| secret(50 + place).hash();
    let mails: Vec<_> = due(approval, after).into_iter().map(|(place, notice)| (place, notice, hash(place))).collect();
    let hashes: Vec<_> = mails.iter().map(|(_, _, hash)| *hash).collect();
    approval.about_to_mail(mails).mailed(&hashes, at)
}

#[test]
fn who_has_not_been_mailed_is_and_once() {
    let mut asked = asked_by(Starter::Schedule, 1);
    asked.approvers[1].links.clear();
    assert_eq!(due(&asked, 1), [(1, Notice::Question)]);
    let about_to = asked.about_to_mail([(1, Notice::Question, secret(9).hash())]);
    assert_eq!(about_to.bearer(&secret(9).hash()), Bearer::Approver(1), "the link is good before it is sent");
    assert_eq!(due(&about_to, 1), [(1, Notice::Question)], "a mail that may be lost is due still");
    assert_eq!(due(&mailed(&asked, 1), 1), []);

    let handed = done(asked.hand_on(0, &address("d.lind@nordvik.example"), asked.asked_at));
    assert_eq!(due(&handed, 1), [(1, Notice::Question), (3, Notice::Delegation)]);
}

#[test]
fn reminders_come_at_half_time_and_ten_minutes_before_the_end() {
    let asked = counted(&asked_by(Starter::Schedule, 2), 1, approve());
    assert_eq!(due(&asked, 29), []);
    assert_eq!(due(&asked, 30), [(0, Notice::HalfTime), (2, Notice::HalfTime)], "who has answered is left alone");
    let reminded = mailed(&asked, 31);
    assert_eq!(due(&reminded, 49), []);
    assert_eq!(due(&reminded, 50), [(0, Notice::LastCall), (2, Notice::LastCall)]);
    assert_eq!(due(&asked, 50), due(&reminded, 50), "a reminder that was missed is not made up for");
    let last = mailed(&reminded, 52);
    assert_eq!((due(&last, 53), due(&last, 60)), (vec![], vec![]));

    let extended = done(last.extend(0, last.asked_at + minutes(55)));
    assert_eq!(due(&extended, 56), []);
    assert_eq!(due(&extended, 65), [(0, Notice::LastCall), (2, Notice::LastCall)], "a new end has a last call of its own");
    assert_eq!(due(&counted(&last, 0, approve()), 53), []);
}

#[test]
fn a_short_question_has_no_last_call_before_its_half_time() {
    let mut asked = asked_by(Starter::Schedule, 1);
    asked.expires_at = asked.asked_at + minutes(16);
    assert_eq!(due(&asked, 7), []);
    assert_eq!(due(&asked, 8).len(), 3);
    assert_eq!(due(&mailed(&asked, 8), 15), []);
}

#[test]
fn a_last_call_at_half_time_is_the_half_time_reminder() {
    let mut asked = asked_by(Starter::Schedule, 1);
    asked.approvers.truncate(1);
    asked.expires_at = asked.asked_at + minutes(20);
    assert_eq!(due(&asked, 10), [(0, Notice::HalfTime)]);
}

#[test]
fn mails_that_are_never_recorded_as_sent_stop_at_some_time() {
    let mut asked = asked_by(Starter::Schedule, 1);
    asked.approvers.truncate(1);
    for attempt in 0..20 {
        let mails: Vec<_> = due(&asked, 30).into_iter().map(|(place, notice)| (place, notice, secret(60 + attempt).hash())).collect();
        asked = asked.about_to_mail(mails);
    }
    assert_eq!((asked.approvers[0].links.len(), due(&asked, 30)), (12, vec![]));
}

#[test]
fn the_channel_is_told_the_question_and_then_how_it_ended() {
    let asked = asked_by(Starter::Schedule, 1);
    assert_eq!(asked.announcement_due(), Some(Said::Question(1)));
    let message = MessageReference { channel: "C1".to_owned(), ts: "1.2".to_owned() };
    let posted = asked.announced(Said::Question(1), Some(message.clone()));
    assert_eq!(posted.announcement_due(), None);
    let decided = counted(&posted, 0, approve());
    assert_eq!(decided.announcement_due(), None, "not before the night has it");
    let delivered = decided.handed_over(Handover::Delivered { at: decided.expires_at });
    assert_eq!(delivered.announcement_due(), Some(Said::Outcome(1)));
    let told = delivered.announced(Said::Outcome(1), None);
    assert_eq!((told.announcement_due(), told.announcement.message.clone()), (None, Some(message)));
    assert_eq!(posted.cancelled(ExecutionEnd::Aborted, posted.asked_at).unwrap().announcement_due(), Some(Said::Outcome(1)));
    let silent = counted(&asked, 0, approve()).handed_over(Handover::Delivered { at: decided.expires_at });
    assert_eq!(silent.announcement_due(), None, "who was not told the question is not told its end");

    let mut again = question(&asked.id, &PEOPLE, 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    let Asking::Ask(next) = again.again(&told) else { panic!("it is asked again") };
    assert_eq!((next.announcement_due(), &next.announcement), (Some(Said::Question(2)), &told.announcement));
    let mut over_an_open_one = question(&asked.id, &PEOPLE, 1);
    over_an_open_one.task_token = "token-2".to_owned().try_into().unwrap();
    let Asking::Ask(next) = over_an_open_one.again(&posted) else { panic!("it is asked again") };
    assert_eq!(next.announcement_due(), Some(Said::Question(2)), "the first question stands there still");
}

#[test]
fn an_outcome_that_a_later_attempt_changes_is_told_again() {
    let posted = asked_by(Starter::Schedule, 1).announced(Said::Question(1), None);
    let decided = counted(&posted, 0, approve());
    let closed = decided.handed_over(Handover::Closed { at: decided.expires_at, end: Some(ExecutionEnd::Aborted) });
    let told = closed.announced(Said::Outcome(1), None);
    let mut again = question(&told.id, &PEOPLE, 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    let Asking::Redeliver(next) = again.again(&told) else { panic!("nobody has to answer twice") };
    assert_eq!(next.announcement_due(), None, "the new attempt does not have it yet");
    let delivered = next.handed_over(Handover::Delivered { at: decided.expires_at });
    assert_eq!(delivered.announcement_due(), Some(Said::Outcome(2)));
    assert_eq!(delivered.announced(Said::Outcome(2), None).announcement_due(), None);
}

#[test]
fn a_link_of_the_channel_only_looks() {
    let asked = asked_by(Starter::Schedule, 1);
    let mut posted = asked;
    for place in 20..30 {
        posted = posted.about_to_post(secret(place).hash());
    }
    assert_eq!(posted.bearer(&secret(29).hash()), Bearer::Viewer);
    assert_eq!(posted.bearer(&secret(21).hash()), Bearer::Stranger, "only so many are remembered");
    assert_eq!(posted.viewers.len(), 8);
}

#[test]
fn every_mailed_link_of_a_generation_is_superseded_with_it() {
    let reminded = mailed(&asked_by(Starter::Schedule, 1), 30);
    let mut again = question(&reminded.id, &PEOPLE, 1);
    again.task_token = "token-2".to_owned().try_into().unwrap();
    again.approvers.iter_mut().for_each(|approver| approver.links.clear());
    let Asking::Ask(next) = again.again(&reminded) else { panic!("it is asked again") };
    assert_eq!(next.superseded.len(), 6);
    assert!(matches!(next.bearer(&secret(51).hash()), Bearer::Superseded(_)), "of a reminder, too");
}
