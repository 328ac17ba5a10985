use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use nightly_domain::approval::{Decision, Notice, Remark, Ruling, Said};
use nightly_domain::audit::{self, Event, Reader};
use nightly_domain::evidence::Subject;
use nightly_domain::history::ExecutionEnd;
use nightly_domain::memory::contract::secret;
use nightly_domain::memory::{Fate, Wait};
use nightly_domain::people::Starter;

use super::*;
use crate::states::{APPROVE, APPROVE_SILENTLY, EXTEND, HAND_ON, Night, PEOPLE, REJECT};

/// Every state has to fit into so much.
const PAGE_BYTES: usize = 20 * 1024;

const BROWSER: [(&str, &str); 4] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-language", "en-GB"),
    ("sec-fetch-mode", "navigate"),
];

fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().as_ref().to_vec()).unwrap()
}

fn title(response: Response<Body>) -> String {
    let page = text(response);
    page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.replace('\u{a0}', " ")
}

fn outcome(night: &Night) -> Wait {
    night.desk().tasks.outcome(&night.asked.task_token).unwrap()
}

fn calls(night: &Night) -> Vec<&'static str> {
    // Putting the question has made two.
    night.desk().gate.calls()[2..].to_vec()
}

/// What happened, without the times and the names.
fn events(night: &Night) -> Vec<Event> {
    let chain = night.desk().audit.chain(&night.asked.id);
    assert_eq!(audit::verify(&chain), Ok(()));
    chain.iter().map(|entry| entry.occurrence().unwrap().event).collect()
}

#[tokio::test]
async fn every_state_is_what_was_looked_at() {
    for (name, response) in states::all().await {
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let page = text(response);
        assert!(page.len() < PAGE_BYTES, "{name} has {} bytes", page.len());
        assert!(!page.contains("<script") && !page.contains(" style=") && !page.contains("onclick"), "{name} would break its own policy");
        // The styles are files of their own, and change on their own.
        let mut without_style = String::new();
        for (part, piece) in page.split("<style>").enumerate() {
            let Some((style, rest)) = piece.split_once("</style>").filter(|_| part > 0) else {
                without_style.push_str(piece);
                continue;
            };
            assert!(policy.contains(&nightly_pages::csp_style_hash(style)), "{name} shows a style that its policy does not name");
            without_style.push_str(rest);
        }
        insta::assert_snapshot!(name, without_style);
    }
}

#[tokio::test]
async fn rules_that_do_not_pass_are_shown_however_many_there_are() {
    let mut question = states::largest();
    let Subject::Build(build) = &mut question.evidence.subject else { panic!("it is a build") };
    for rule in &mut build.quality.rules[10..50] {
        rule.result = nightly_domain::evidence::RuleVerdict::Fail;
    }
    let page = text(Night::of(question).await.look(0).await);
    assert_eq!((page.matches("✕ FAIL").count(), page.matches("✓ PASS").count()), (40, 2));
    assert!(page.contains("And 18 more rules, all pass."), "{page}");
    let passing = states::all().await.into_iter().find(|(name, _)| *name == "question-largest").unwrap().1;
    assert!(text(passing).contains("And 58 more rules, all pass."), "what passes is counted where there is much");
}

#[tokio::test]
async fn an_approval_that_completes_the_count_is_delivered_and_said_to_be() {
    let night = Night::new(2).await;
    assert_eq!(title(night.press(2, APPROVE).await), "Your approval of the build for 20 November 2026 is recorded");
    assert_eq!((night.stored().status.name(), outcome(&night)), ("PENDING", Wait::Waiting(0)));
    assert_eq!(night.desk().watches.begun().len(), 1, "who waits is watched over");
    assert_eq!(title(night.press(0, APPROVE_SILENTLY).await), "You approved the build for 20 November 2026");
    let Wait::Answered(verdict) = outcome(&night) else { panic!("the night has it") };
    assert!(verdict.contains(r#""decision":"APPROVED","by":"A. Berg, C. Marchetti""#), "{verdict}");
    assert_eq!(night.desk().watches.begun(), [], "nothing is left to be watched");
}

#[tokio::test]
async fn one_rejection_ends_it() {
    let night = Night::new(2).await;
    night.press(0, APPROVE_SILENTLY).await;
    assert_eq!(title(night.press(1, REJECT).await), "You rejected the build for 20 November 2026");
    assert!(matches!(outcome(&night), Wait::Answered(verdict) if verdict.contains(r#""decision":"REJECTED","by":"B. Osei""#)));
    assert_eq!(title(night.look(0).await), "B. Osei rejected the build for 20 November 2026", "also to the one who had approved");
}

#[tokio::test]
async fn a_second_click_shows_the_first_decision() {
    let night = Night::new(1).await;
    let first = title(night.press(0, APPROVE).await);
    let record = night.stored();
    night.wait(1);
    for (place, body) in [(0, APPROVE), (0, REJECT), (1, REJECT), (2, APPROVE), (0, "decision=reject"), (0, HAND_ON), (1, EXTEND)] {
        let said = title(night.press(place, body).await);
        assert_eq!(said, if place == 0 { first.clone() } else { "A. Berg approved the build for 20 November 2026".to_owned() });
    }
    assert_eq!(night.stored(), record);
}

#[tokio::test]
async fn a_late_click_changes_nothing() {
    let night = Night::new(2).await;
    night.press(0, APPROVE).await;
    night.wait(33);
    let record = night.stored();
    assert_eq!(title(night.press(1, APPROVE).await), "The time to answer ended at 03:24 UTC");
    assert_eq!((night.stored().status, night.stored().approvers), (record.status, record.approvers));
    night.desk().approvals.expire(&night.asked.id, night.asked.expires_at + SignedDuration::from_secs(1));
    assert_eq!(title(night.press(1, REJECT).await), "The time to answer ended at 03:24 UTC");
    assert_eq!((night.stored().status.name(), night.stored().approvals()), ("EXPIRED", 1));
}

#[tokio::test]
async fn who_began_a_night_does_not_decide_it_alone() {
    let by_hand = |starter| nightly_domain::approval::Question { started_by: starter, ..states::usual(1) };
    let night = Night::of(by_hand(Starter::Named(PEOPLE[0].to_uppercase()))).await;
    assert!(text(night.look(0).await).contains("You began this night, so your approval alone does not decide"));
    night.press(0, APPROVE_SILENTLY).await;
    assert_eq!((night.stored().status.name(), outcome(&night)), ("PENDING", Wait::Waiting(0)));
    assert!(text(night.look(0).await).contains("You began this night. Whoever begins one"));
    night.press(1, APPROVE_SILENTLY).await;
    assert!(matches!(outcome(&night), Wait::Answered(verdict) if verdict.contains("A. Berg, B. Osei")));

    let night = Night::of(by_hand(Starter::Unnamed)).await;
    assert!(text(night.look(1).await).contains("two people have to agree"));
    night.press(1, APPROVE_SILENTLY).await;
    assert_eq!(night.stored().status.name(), "PENDING");
}

#[tokio::test]
async fn what_is_handed_on_is_answered_by_the_deputy() {
    let night = Night::new(1).await;
    assert_eq!(title(night.press(0, HAND_ON).await), "You handed this on to D. Lind");
    let [mail] = night.desk().mail.sent().try_into().unwrap();
    assert_eq!(mail.to.as_str(), "d.lind@nordvik.example");
    assert_eq!(title(night.press(0, APPROVE).await), "You handed this on to D. Lind", "who has handed it on answers no more");
    let path = night.mailed_path();
    assert!(text(night.send("GET", &path, "", &[]).await).contains("A. Berg has handed this to you"));
    assert_eq!(night.send("POST", &path, APPROVE_SILENTLY, &[]).await.status(), StatusCode::SEE_OTHER);
    assert!(matches!(outcome(&night), Wait::Answered(verdict) if verdict.contains(r#""by":"D. Lind""#)));
    assert_eq!(title(night.look(0).await), "D. Lind approved the build for 20 November 2026");
}

#[tokio::test]
async fn what_cannot_be_handed_on_is_said_and_nothing_is_recorded() {
    let starter = Starter::Named("d.lind@nordvik.example".to_owned());
    let night = Night::of(nightly_domain::approval::Question { started_by: starter, ..states::usual(1) }).await;
    for (to, says) in [("d.lind%40nordvik.example", "other eyes"), ("b.osei%40nordvik.example", "no deputy"), ("x%40y", "no deputy")] {
        let response = night.send("POST", &night.path(0), &format!("decision=hand-on&to={to}"), &[]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = text(response);
        assert!(page.contains(says), "{to}: {page}");
        assert!(!page.contains("d.lind"), "whoever can't be asked is not offered");
    }
    assert_eq!(night.stored(), night.asked);
}

#[tokio::test]
async fn more_time_is_given_once_and_said_until_when() {
    let night = Night::new(1).await;
    assert!(text(night.look(0).await).contains("More time, until 03:39 UTC"));
    let page = text(night.press(0, EXTEND).await);
    assert!(
        page.contains("A. Berg asked for more time at 02:51 UTC.")
            && page.contains("03:39 UTC")
            && !page.contains("decision\" value=\"extend"),
        "{page}"
    );
    let response = night.send("POST", &night.path(1), EXTEND, &[]).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(response).contains("It can be asked for once. Nothing was recorded."));
    night.wait(40);
    assert_eq!(title(night.press(0, APPROVE).await), "You approved the build for 20 November 2026", "the time is longer indeed");
}

#[tokio::test]
async fn a_link_of_an_earlier_question_decides_nothing() {
    let night = Night::new(1).await;
    night.ask_again().await;
    let record = night.stored();
    assert_eq!(title(night.press(0, APPROVE).await), "A newer question has replaced this one");
    assert_eq!(night.stored(), record);
}

#[tokio::test]
async fn a_link_of_the_channel_shows_and_never_answers() {
    let night = Night::new(1).await;
    let path = night.viewer_path().await;
    let record = night.stored();
    let page = text(night.send("GET", &path, "", &[]).await);
    assert!(
        page.contains("answers with the link in their own mail") && !page.contains("<form") && !page.contains("nordvik.example</"),
        "{page}"
    );
    for body in [APPROVE, REJECT, HAND_ON, EXTEND, ""] {
        assert_eq!(night.send("POST", &path, body, &[]).await.status(), StatusCode::SEE_OTHER);
    }
    assert_eq!((night.stored(), outcome(&night)), (record, Wait::Waiting(0)));
}

#[tokio::test]
async fn a_form_that_is_no_answer_is_shown_again_and_recorded_nowhere() {
    let night = Night::new(1).await;
    for (body, kept) in [
        ("decision=approve&comment=%22Fine%22+%3Cb%3E", r#"value="&#34;Fine&#34; &#60;b&#62;""#),
        ("decision=reject&reason=++", "<details class=\"against\" open>"),
    ] {
        let response = night.send("POST", &night.path(0), body, &[]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = text(response);
        assert!(page.contains(kept), "{page}");
    }
    let flood = format!("decision=reject&reason={}", "x".repeat(30_000));
    let page = text(night.send("POST", &night.path(0), &flood, &[]).await);
    assert!(page.len() < PAGE_BYTES, "nobody makes the page long: {}", page.len());
    assert_eq!(night.stored(), night.asked);
}

#[tokio::test]
async fn a_forged_link_gets_what_an_unknown_one_gets() {
    let night = Night::new(1).await;
    let forged = Link { approval: night.asked.id.clone(), secret: secret(7) }.address("");
    let elsewhere = Link { approval: "another".parse().unwrap(), secret: secret(0) }.address("");
    let cut = night.path(0)[..40].to_owned();
    let mut answers = BTreeSet::new();
    for (method, body) in [("GET", ""), ("POST", APPROVE), ("POST", "decision=reject"), ("POST", HAND_ON), ("POST", EXTEND)] {
        let mut work = BTreeSet::new();
        for path in [&forged, &elsewhere, &cut] {
            let before = night.desk().gate.calls().len();
            let response = night.send(method, path, body, &BROWSER).await;
            if *path != cut {
                work.insert(night.desk().gate.calls()[before..].to_vec());
            }
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let headers = format!("{:?}", response.headers());
            answers.insert(headers + &text(response));
        }
        assert_eq!(work, BTreeSet::from([vec!["Approvals.read"]]), "the same calls in the same order, {method}");
    }
    assert_eq!(answers.len(), 1, "there is one answer, to the byte");
    assert_eq!((night.stored(), events(&night)), (night.asked.clone(), vec![]));
}

#[tokio::test]
async fn nothing_but_a_post_of_our_own_form_changes_anything() {
    let night = Night::new(1).await;
    let path = night.path(0);
    let large = format!("{APPROVE}&padding={}", "x".repeat(MAX_BODY_BYTES));
    for (method, body, headers, status) in [
        ("GET", APPROVE, vec![], 200),
        ("HEAD", APPROVE, vec![], 200),
        ("OPTIONS", APPROVE, vec![], 405),
        ("PUT", APPROVE, vec![], 405),
        ("DELETE", APPROVE, vec![], 405),
        ("POST", APPROVE, vec![("sec-fetch-site", "cross-site")], 403),
        ("POST", APPROVE, vec![("sec-fetch-site", "same-site")], 403),
        ("POST", APPROVE, vec![("origin", "https://evil.example")], 403),
        ("POST", APPROVE, vec![("origin", "approve.nordvik.example")], 403),
        ("POST", r#"{"decision":"approve","seen":"yes"}"#, vec![("content-type", "application/json")], 415),
        ("POST", APPROVE, vec![("content-type", "text/plain")], 415),
        ("POST", &large, vec![], 413),
    ] {
        let response = night.send(method, &path, body, &headers).await;
        assert_eq!(response.status(), status, "{method} {headers:?}");
        if method == "HEAD" {
            assert!(response.body().as_ref().is_empty());
        }
        if status == 405 {
            assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST");
        }
    }
    assert_eq!((night.stored(), outcome(&night)), (night.asked.clone(), Wait::Waiting(0)));
    let changing = ["Approvals.replace", "Tasks.succeed", "Tasks.beat", "Mail.send", "Watches.begin", "Watches.end"];
    assert_eq!(calls(&night).into_iter().filter(|call| changing.contains(call)).count(), 0);
}

#[tokio::test]
async fn a_form_of_our_own_origin_is_taken() {
    for headers in
        [vec![("sec-fetch-site", "same-origin")], vec![("origin", "https://approve.nordvik.example")], vec![("origin", "null")], vec![]]
    {
        let night = Night::new(1).await;
        let headers = [headers, vec![("content-type", "application/x-www-form-urlencoded; charset=UTF-8")]].concat();
        let response = night.send("POST", &night.path(0), APPROVE, &headers).await;
        assert_eq!((response.status(), &response.headers()[LOCATION]), (StatusCode::SEE_OTHER, &"?".parse().unwrap()), "{headers:?}");
        assert_eq!(night.stored().status.name(), "APPROVED");
    }
}

#[tokio::test]
async fn who_looks_stands_in_the_audit_once_and_nowhere_else() {
    let night = Night::new(1).await;
    let path = night.path(1);
    for _ in 0..3 {
        night.send("HEAD", &path, "", &BROWSER).await;
        night.send("GET", &path, "", &BROWSER).await;
        night.send("GET", &path, "", &[("user-agent", "curl/8.14.1")]).await;
    }
    assert_eq!(events(&night), [Event::Viewed { reader: Reader::Scanner }, Event::Viewed { reader: Reader::Person }]);
    let chain = night.desk().audit.chain(&night.asked.id);
    assert!(chain.iter().all(|entry| entry.occurrence().unwrap().approver.unwrap().as_str() == PEOPLE[1]));
    assert_eq!(night.stored(), night.asked);

    let viewer = night.viewer_path().await;
    night.send("GET", &viewer, "", &BROWSER).await;
    assert_eq!(night.desk().audit.chain(&night.asked.id).last().unwrap().occurrence().unwrap().approver, None);
}

#[tokio::test]
async fn a_page_is_shown_although_its_visit_cannot_be_noted_nor_its_execution_asked() {
    let night = Night::new(1).await;
    for call in ["Audit.entries", "Audit.append", "Executions.end"] {
        night.desk().gate.plan(call, Fate::FailsBefore);
        assert_eq!(title(night.look(0).await), "Publish the warehouse build for 20 November 2026?", "{call}");
    }
}

#[tokio::test]
async fn an_answer_that_was_never_handed_over_is_not_said_to_be_on_its_way_when_the_execution_has_ended() {
    let night = Night::new(1).await;
    night.desk().gate.plan("Tasks.succeed", Fate::FailsBefore);
    night.press(0, REJECT).await;
    let due = night.stored();
    assert!(due.undelivered().is_some());
    assert!(text(night.look(0).await).contains("tried again"), "while the execution runs");
    night.desk().executions.end_with(&due.execution_arn, ExecutionEnd::Aborted);
    let page = text(night.look(0).await);
    assert!(page.contains("stopped") && !page.contains("tried again"), "{page}");
    assert_eq!(night.stored(), due, "a look changes nothing");
}

#[tokio::test]
async fn what_an_answer_brings_about_is_done_in_one_go() {
    let night = Night::new(1).await;
    night.press(0, REJECT).await;
    let rejected = night.stored();
    assert!(matches!(rejected.status, ApprovalStatus::Decided { handover: Handover::Delivered { .. }, .. }));
    let mut told = events(&night);
    told.pop();
    assert!(told.ends_with(&[Event::Decided { ruling: Ruling::Rejected }, Event::Delivered]), "{told:?}");
    let order = calls(&night);
    let first = |call| order.iter().position(|name| *name == call).unwrap();
    assert!(first("Approvals.replace") < first("Tasks.succeed") && first("Tasks.succeed") < first("Audit.append"));
    assert!(first("Audit.append") < first("Watches.end"), "{order:?}");
}

#[tokio::test]
async fn the_channel_is_told_how_a_question_ended_that_it_was_told_of() {
    let night = Night::new(1).await;
    night.press(0, HAND_ON).await;
    assert_eq!(night.stored().announcement.said, Said::Question(1));
    night.press(1, APPROVE).await;
    assert_eq!(night.stored().announcement.said, Said::Outcome(1));
    assert_eq!(night.desk().channel.as_ref().unwrap().posted().len(), 1, "the outcome takes the question's place");
}

#[tokio::test]
async fn what_cannot_be_done_is_left_to_the_watch() {
    for (call, fate) in [
        ("Tasks.succeed", Fate::FailsBefore),
        ("Tasks.succeed", Fate::FailsAfter),
        ("Audit.entries", Fate::FailsBefore),
        ("Audit.append", Fate::FailsAfter),
    ] {
        let night = Night::new(1).await;
        night.desk().gate.plan(call, fate);
        night.press(0, APPROVE).await;
        assert_eq!(night.stored().status.name(), "APPROVED", "{call}");
        assert_eq!(night.desk().watches.begun().len(), 1, "{call}: somebody has to go on with it");
    }
    let night = Night::new(1).await;
    night.desk().gate.plan("Mail.send", Fate::FailsBefore);
    assert!(text(night.press(0, HAND_ON).await).contains("The mail to D. Lind is not sent yet"));
    assert_eq!(night.stored().notices_due(night.now()), [(3, Notice::Delegation)]);
}

#[tokio::test]
async fn no_page_says_approved_before_the_night_has_it() {
    let night = Night::new(1).await;
    night.desk().gate.plan("Tasks.succeed", Fate::FailsBefore);
    let said = title(night.press(0, APPROVE).await);
    assert_eq!((said.as_str(), outcome(&night)), ("Your answer is recorded", Wait::Waiting(0)));
    assert_eq!(title(night.look(1).await), "The answer of A. Berg is recorded");
    assert_eq!(outcome(&night), Wait::Waiting(0), "to look delivers nothing");
    let said = title(night.press(1, REJECT).await);
    assert_eq!(said, "A. Berg approved the build for 20 November 2026", "the next click delivers what was left");
    assert!(matches!(outcome(&night), Wait::Answered(verdict) if verdict.contains("APPROVED")));
}

#[tokio::test]
async fn an_open_question_of_an_ended_execution_is_no_question() {
    for (end, says) in [
        (ExecutionEnd::Aborted, "The night was stopped"),
        (ExecutionEnd::TimedOut, "The night has run out of time"),
        (ExecutionEnd::Failed { error: "Boom".to_owned() }, "The night has failed (Boom)"),
        (ExecutionEnd::Succeeded, "The night has ended without an answer"),
    ] {
        let night = Night::new(1).await;
        night.end(end);
        let page = night.look(0).await;
        assert_eq!(title(page), says);
        assert_eq!(night.stored(), night.asked, "to look records nothing");
    }
}

#[tokio::test]
async fn a_record_out_of_reach_is_never_guessed_at() {
    for (method, call, fate, says) in [
        ("GET", "Approvals.read", Fate::FailsBefore, "Please try again in a minute"),
        ("POST", "Approvals.read", Fate::FailsBefore, "We can’t tell whether your answer was recorded"),
        ("POST", "Approvals.replace", Fate::FailsBefore, "We can’t tell whether your answer was recorded"),
        ("POST", "Approvals.replace", Fate::FailsAfter, "We can’t tell whether your answer was recorded"),
    ] {
        let night = Night::new(1).await;
        night.desk().gate.plan(call, fate);
        let response = night.send(method, &night.path(0), APPROVE, &[]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(title(response), says);
        assert_eq!(title(night.press(0, APPROVE).await), "You approved the build for 20 November 2026", "the second try works");
        assert!(matches!(outcome(&night), Wait::Answered(_)));
    }
}

#[tokio::test]
async fn answers_that_cross_are_all_counted_once() {
    let night = Night::new(2).await;
    // Somebody else's answer comes between this click's read and its write.
    let stale = night.asked.clone();
    night.press(1, APPROVE_SILENTLY).await;
    let act = Act::Answer(Decision::Approve { comment: Some(Remark::parse("Mine").unwrap()) });
    let Recorded::As(recorded) = record(night.desk(), stale, &secret(0).hash(), &act).await.unwrap() else { panic!("it counts") };
    assert_eq!((recorded.approvals(), recorded.undelivered().map(|verdict| verdict.decision)), (2, Some(Ruling::Approved)));
}

#[tokio::test]
async fn every_answer_is_kept_out_of_caches_frames_and_indexes() {
    for (name, response) in states::all().await {
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(
            (header("cache-control"), header("referrer-policy"), header("x-content-type-options"), header("x-robots-tag")),
            ("no-store", "no-referrer", "nosniff", "noindex, nofollow"),
            "{name}"
        );
        assert_eq!(
            (header("cross-origin-opener-policy"), header("cross-origin-resource-policy"), header("strict-transport-security")),
            ("same-origin", "same-origin", "max-age=31536000"),
            "{name}"
        );
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        for part in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
    }
    let night = Night::new(1).await;
    let seen = night.send("POST", &night.path(0), APPROVE, &[]).await;
    assert_eq!(seen.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(seen.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn nothing_secret_stands_on_any_page() {
    let mut hidden: Vec<_> =
        (0..50).map(|place| Link { approval: "x".parse().unwrap(), secret: secret(place) }.address("")[13..].to_owned()).collect();
    hidden.extend((0..50).map(|place| String::from(secret(place).hash())));
    hidden.extend(["token-1".to_owned(), "token-2".to_owned()]);
    for (name, response) in states::all().await {
        let everything = format!("{:?}", response.headers()) + &text(response);
        for secret in &hidden {
            assert!(!everything.contains(secret), "{name} tells {secret}");
        }
        for address in PEOPLE {
            let shown = everything.matches(address).count();
            let own = everything.contains(&format!("personal to {address}"));
            assert!(shown == usize::from(own), "{name}: only the reader's own address is shown, once, and {address} is {shown} times");
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_whatever_goes_wrong() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for call in ["Approvals.read", "Approvals.replace", "Tasks.succeed", "Watches.end", "Audit.append", "Audit.entries", "Executions.end"] {
        let night = Night::new(1).await;
        night.desk().gate.plan(call, Fate::FailsBefore);
        night.send("POST", &night.path(0), APPROVE, &[]).await;
        night.send("GET", &night.path(0), "", &BROWSER).await;
    }
    let night = Night::new(1).await;
    night.desk().gate.plan("Mail.send", Fate::FailsBefore);
    night.press(1, HAND_ON).await;
    night.press(0, REJECT).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(logged.matches("the record cannot be reached").count(), 2, "{logged}");
    assert!(logged.matches("left to the watch").count() >= 4, "{logged}");
    assert!(logged.contains(r#"status="REJECTED""#) && logged.contains("a planned fault"), "{logged}");
    for hidden in [night.path(0).rsplit('/').next().unwrap(), "token-1", &String::from(secret(0).hash()), "a.berg", "d.lind", "Electronics"]
    {
        assert!(!logged.contains(hidden), "{hidden} is logged: {logged}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn what_people_write_is_shown_and_never_run() {
    let night = Night::new(2).await;
    let page = text(night.press(0, "decision=approve&seen=yes&comment=%3Cscript%3Ealert(1)%3C%2Fscript%3E").await);
    assert!(page.contains("“&#60;script&#62;alert(1)&#60;/script&#62;”"), "{page}");
    assert!(text(night.look(1).await).contains("<q>&#60;script&#62;"), "also to those who are still asked");
}
