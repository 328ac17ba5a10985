use nightly_domain::approval::Question;
use nightly_domain::link::Link;

use super::*;
use crate::fixtures::{
    FORGERY, PEOPLE, approved, asked, asked_by, asking, compared, counts, forged, link, mailed, minutes, request, retention, site,
};

fn letter(approval: &Approval, place: usize, notice: Notice) -> String {
    let Written { subject, text } = write(approval, place, notice, &link(approval), &site()).unwrap();
    assert!(subject.is_ascii() && (1..=SUBJECT_CHARACTERS).contains(&subject.len()), "SNS takes no other subject: {subject}");
    for person in PEOPLE.into_iter().chain(["d.lind@nordvik.example"]) {
        assert!(!text.contains(person), "{person} stands in somebody's mail");
    }
    assert_eq!(text.matches("https://").count(), 1, "one link, the reader's own: {text}");
    assert!(text.contains(&link(approval).address("https://approve.nordvik.example")));
    format!("Subject: {subject}\n\n{text}")
}

#[test]
fn every_mail_reads_as_it_should() {
    let night = asked(&PEOPLE, 2);
    let half_time = night.asked_at + minutes(23);
    let one = mailed(&approved(&night, 2, Some("Fine."), minutes(17)), 0, Notice::Question, night.asked_at);
    let extended = counts(one.extend(2, half_time));
    let handed = counts(night.hand_on(1, &"d.lind@nordvik.example".parse().unwrap(), night.asked_at + minutes(5)));
    let by_hand = asked_by("A.Berg@nordvik.example", &PEOPLE[..2], 1);
    let alone = Question { expires_at: night.limit_at, ..asking(&PEOPLE[..1], 1, nightly_domain::memory::contract::evidence()) }.first();
    let retention = retention().first();
    for (name, mail) in [
        ("question", letter(&night, 0, Notice::Question)),
        ("question_alone_without_nights", letter(&alone, 0, Notice::Question)),
        ("question_to_who_started_it", letter(&by_hand, 0, Notice::Question)),
        ("question_about_what_another_started", letter(&by_hand, 1, Notice::Question)),
        ("question_that_nobody_started", letter(&asked_by("", &PEOPLE[..2], 1), 0, Notice::Question)),
        ("question_sent_again", letter(&mailed(&one, 1, Notice::Question, night.asked_at), 1, Notice::Question)),
        ("delegation", letter(&handed, 3, Notice::Delegation)),
        ("half_time", letter(&mailed(&night, 0, Notice::Question, night.asked_at), 0, Notice::HalfTime)),
        ("half_time_after_a_yes", letter(&one, 0, Notice::HalfTime)),
        ("last_call_after_more_time", letter(&mailed(&extended, 0, Notice::HalfTime, half_time), 0, Notice::LastCall)),
        ("request", letter(&retention, 0, Notice::Question)),
        ("request_last_call", letter(&mailed(&retention, 0, Notice::Question, night.asked_at), 0, Notice::LastCall)),
    ] {
        insta::assert_snapshot!(name, mail);
    }
}

#[test]
fn what_others_wrote_stays_on_its_line() {
    let forged = forged().first();
    let text = write(&forged, 0, Notice::Question, &link(&forged), &site()).unwrap().text;
    for line in text.lines() {
        assert!(!line.starts_with("Answer by: never") && !line.trim().is_empty() || line.is_empty(), "{line}");
    }
    assert!(!text.contains(['\r', '\u{2028}', '\u{202e}', '\0']));
    assert_eq!(text.matches("\nAnswer by: ").count(), 1);
    assert!(FORGERY.contains("\r\nAnswer by: never"), "the forgery would have been one");
}

#[test]
fn a_category_cannot_forge_a_line() {
    let mut evidence = compared();
    let Subject::Build(build) = &mut evidence.subject else { panic!("it is a build") };
    build.summary.categories[0].category = Some(FORGERY.to_owned());
    let forged = asking(&PEOPLE, 1, evidence).first();
    assert_eq!(letter(&forged, 0, Notice::Question).matches("\nAnswer by: ").count(), 1);
}

#[test]
fn any_question_makes_a_subject_that_sns_takes() {
    for (question, written) in [
        ("“Drop” the table – now?", "Answer by 03:09 UTC: \"Drop\" the table - now?"),
        ("Größe ändern?", "Answer by 03:09 UTC: a question waits for your approval"),
        (&"long ".repeat(40), "long l..."),
        ("two\nlines", "Answer by 03:09 UTC: two lines"),
    ] {
        for notice in [Notice::Question, Notice::Delegation, Notice::HalfTime, Notice::LastCall] {
            let mail = letter(&asking(&PEOPLE, 1, request(question, &[])).first(), 0, notice);
            let subject = mail.lines().next().unwrap().strip_prefix("Subject: ").unwrap();
            assert!(notice != Notice::Question || subject.ends_with(written), "{subject}");
        }
    }
}

#[test]
fn nobody_is_written_to_where_nobody_is() {
    let night = asked(&PEOPLE, 1);
    let nowhere = Link { approval: night.id.clone(), secret: nightly_domain::memory::contract::secret(9) };
    assert_eq!(write(&night, 3, Notice::Question, &nowhere, &site()).unwrap_err().to_string(), "the question has no approver 3");
}
