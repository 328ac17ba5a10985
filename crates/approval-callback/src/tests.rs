use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use nightly_domain::approval::{Asking, Handover, Remark, Ruling};
use nightly_domain::memory::contract::{question, secret};
use nightly_domain::memory::{Fate, Gate, ManualClock, MemoryApprovals, MemoryTasks, MemoryWatches, Wait};

use super::*;

type World = Ports<MemoryApprovals, MemoryTasks, MemoryWatches, ManualClock>;

const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];
const APPROVE: &str = "decision=approve&seen=yes&comment=Electronics+is+the+preview%2C+expected.";
const REJECT: &str = "decision=reject&reason=Electronics+has+doubled%3A+warehouse+4+sent+Thursday%E2%80%99s+file+again.";

/// A question that was put at 02:24 UTC, seen at 02:51.
struct Night {
    ports: World,
    gate: Arc<Gate>,
    asked: Approval,
}

async fn night(required: u32) -> Night {
    let gate = Arc::new(Gate::default());
    let asked = question(&"01jd4q8m-2k".parse().unwrap(), &PEOPLE, required).first();
    let ports = Ports {
        approvals: MemoryApprovals::behind(&gate),
        tasks: MemoryTasks::behind(&gate),
        watches: MemoryWatches::behind(&gate),
        clock: ManualClock::at(asked.asked_at + SignedDuration::from_mins(27)),
        site: Site { environment: "prod".to_owned(), status_page_url: Some("https://status.nordvik.example/".to_owned()) },
    };
    ports.tasks.wait(&asked.task_token);
    ports.approvals.replace(None, &asked).await.unwrap();
    ports.watches.begin(&Watch { approval_id: asked.id.clone(), generation: 1 }, asked.expires_at).await.unwrap();
    Night { ports, gate, asked }
}

impl Night {
    /// The path of the link of the person at this place.
    fn path(&self, place: usize) -> String {
        Link { approval: self.asked.id.clone(), secret: secret(place) }.address("")
    }

    async fn send(&self, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::new(Body::from(body)).with_raw_http_path(path);
        *request.method_mut() = method.parse().unwrap();
        request.headers_mut().insert(HOST, "approve.nordvik.example".parse().unwrap());
        request.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        handle(&self.ports, request).await
    }

    async fn get(&self, place: usize) -> String {
        let response = self.send("GET", &self.path(place), "", &[]).await;
        assert_eq!(response.status(), 200);
        text(response)
    }

    /// Answers, and follows to what is then shown.
    async fn post(&self, place: usize, body: &str) -> String {
        let response = self.send("POST", &self.path(place), body, &[("sec-fetch-site", "same-origin"), ("origin", "null")]).await;
        assert_eq!((response.status(), &response.headers()[LOCATION]), (StatusCode::SEE_OTHER, &"?".parse().unwrap()));
        self.get(place).await
    }

    fn stored(&self) -> Approval {
        self.ports.approvals.stored(&self.asked.id).unwrap()
    }

    fn outcome(&self) -> Wait {
        self.ports.tasks.outcome(&self.asked.task_token).unwrap()
    }

    /// Puts the question again, to the same people with other links.
    async fn ask_again(&self) {
        let mut again = question(&self.asked.id, &PEOPLE, 1);
        again.task_token = "token-2".to_owned().try_into().unwrap();
        again.asked_at += SignedDuration::from_mins(24);
        again.expires_at += SignedDuration::from_mins(24);
        for (place, approver) in again.approvers.iter_mut().enumerate() {
            approver.secret_hash = secret(place + 10).hash();
        }
        let stored = self.stored();
        let Asking::Ask(next) = again.again(&stored) else { panic!("it is asked again") };
        self.ports.approvals.replace(Some(&stored), &next).await.unwrap();
    }
}

fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().as_ref().to_vec()).unwrap()
}

fn title(page: &str) -> String {
    page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.replace('\u{a0}', " ")
}

fn snapshot(name: &str, page: &str) {
    assert!(page.len() < 20 * 1024, "{name} has {} bytes", page.len());
    assert!(!page.contains("<script") && !page.contains(" style=") && !page.contains("onclick"), "{name} would break its own policy");
    // The styles are files of their own, and change on their own.
    let without_style: String = page
        .split("<style>")
        .enumerate()
        .map(|(part, text)| if part == 0 { text } else { text.split_once("</style>").unwrap().1 })
        .collect();
    insta::assert_snapshot!(name, without_style);
}

#[tokio::test]
async fn the_question_shows_the_evidence_and_who_has_answered() {
    let night = night(2).await;
    night.post(2, APPROVE).await;
    snapshot("question", &night.get(0).await);
}

#[tokio::test]
async fn an_approval_that_completes_the_count_is_delivered_and_said_to_be() {
    let night = night(2).await;
    let page = night.post(2, APPROVE).await;
    assert_eq!(title(&page), "Your approval for 20 November 2026 is recorded");
    snapshot("counted", &page);
    assert_eq!((night.stored().status.name(), night.outcome()), ("PENDING", Wait::Waiting(0)));
    night.ports.clock.advance(SignedDuration::from_mins(21));
    snapshot("approved", &night.post(0, "decision=approve&seen=yes").await);
    let Wait::Answered(verdict) = night.outcome() else { panic!("the night has it") };
    assert!(verdict.contains(r#""decision":"APPROVED","by":"A. Berg, C. Marchetti""#), "{verdict}");
    assert!(night.ports.watches.begun().is_empty());
    snapshot("approved-by-others", &night.get(1).await);
}

#[tokio::test]
async fn one_rejection_ends_it_with_its_reason() {
    let night = night(2).await;
    night.post(0, "decision=approve&seen=yes").await;
    snapshot("rejected", &night.post(1, REJECT).await);
    assert!(matches!(night.outcome(), Wait::Answered(verdict) if verdict.contains(r#""decision":"REJECTED","by":"B. Osei""#)));
    snapshot("rejected-by-another", &night.get(2).await);
    assert_eq!(title(&night.get(0).await), "B. Osei rejected this build at 02:51 UTC", "also to the one who had approved");
}

#[tokio::test]
async fn a_second_click_shows_the_first_decision() {
    let night = night(1).await;
    let first = night.post(0, APPROVE).await;
    let record = night.stored();
    night.ports.clock.advance(SignedDuration::from_secs(40));
    for (place, body) in [(0, APPROVE), (0, REJECT), (1, REJECT), (2, APPROVE), (0, "decision=reject")] {
        let page = night.post(place, body).await;
        assert_eq!(title(&page), if place == 0 { title(&first) } else { "A. Berg approved the build for 20 November 2026".to_owned() });
    }
    assert_eq!(night.stored(), record);
}

#[tokio::test]
async fn a_late_click_says_what_happened_instead() {
    let night = night(2).await;
    night.post(0, APPROVE).await;
    night.ports.clock.advance(SignedDuration::from_mins(33));
    snapshot("overdue", &night.post(1, APPROVE).await);
    night.ports.approvals.expire(&night.asked.id, night.asked.expires_at + SignedDuration::from_secs(1));
    snapshot("expired", &night.post(1, REJECT).await);
    assert_eq!((night.stored().status.name(), night.stored().approvals()), ("EXPIRED", 1));
}

#[tokio::test]
async fn a_link_of_an_earlier_question_says_that_it_is_superseded_and_decides_nothing() {
    let night = night(1).await;
    night.ask_again().await;
    let record = night.stored();
    snapshot("superseded", &night.post(0, APPROVE).await);
    assert_eq!(night.stored(), record);
}

#[tokio::test]
async fn a_form_that_is_no_answer_is_shown_again_as_it_was_filled_in() {
    let night = night(1).await;
    for (name, body) in [("unticked", "decision=approve&comment=%22Fine%22+%3Cb%3E"), ("no-reason", "decision=reject&reason=++")] {
        let response = night.send("POST", &night.path(0), body, &[]).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        snapshot(name, &text(response));
    }
    assert_eq!(night.stored(), night.asked);
}

#[tokio::test]
async fn a_forged_link_gets_what_an_unknown_one_gets() {
    let night = night(1).await;
    let forged = Link { approval: night.asked.id.clone(), secret: secret(7) }.address("");
    let elsewhere = Link { approval: "another".parse().unwrap(), secret: secret(0) }.address("");
    let cut = night.path(0)[..40].to_owned();
    let mut answers = BTreeSet::new();
    for (method, body) in [("GET", ""), ("POST", APPROVE), ("POST", "decision=reject")] {
        for path in [&forged, &elsewhere, &cut] {
            let response = night.send(method, path, body, &[]).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            let headers = format!("{:?}", response.headers());
            answers.insert(headers + &text(response));
        }
    }
    assert_eq!(answers.len(), 1, "there is one answer, to the byte");
    assert_eq!(night.stored(), night.asked);
    let calls_for = async |path: &str| {
        let before = night.gate.calls().len();
        night.send("GET", path, "", &[]).await;
        night.gate.calls()[before..].to_vec()
    };
    assert_eq!(calls_for(&forged).await, calls_for(&elsewhere).await);
    snapshot("unknown", &text(night.send("GET", &forged, "", &[]).await));
}

#[tokio::test]
async fn nothing_but_a_post_of_our_own_form_changes_anything() {
    let night = night(1).await;
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
        let page = text(response);
        match status {
            403 => snapshot("elsewhere", &page),
            413 | 415 => snapshot("unreadable", &page),
            405 => assert_eq!(title(&page), "Nothing to do here"),
            _ => {}
        }
    }
    assert_eq!((night.stored(), night.outcome()), (night.asked.clone(), Wait::Waiting(0)));
    assert!(!night.gate.calls()[2..].contains(&"Approvals.replace"));
}

#[tokio::test]
async fn a_form_of_our_own_origin_is_taken() {
    for headers in
        [vec![("sec-fetch-site", "same-origin")], vec![("origin", "https://approve.nordvik.example")], vec![("origin", "null")], vec![]]
    {
        let night = night(1).await;
        let headers = [headers, vec![("content-type", "application/x-www-form-urlencoded; charset=UTF-8")]].concat();
        assert_eq!(night.send("POST", &night.path(0), APPROVE, &headers).await.status(), StatusCode::SEE_OTHER, "{headers:?}");
        assert_eq!(night.stored().status.name(), "APPROVED");
    }
}

#[tokio::test]
async fn no_page_says_approved_before_the_night_has_it() {
    let night = night(1).await;
    night.gate.plan("Tasks.succeed", Fate::FailsBefore);
    let page = night.post(0, APPROVE).await;
    assert_eq!((title(&page).as_str(), night.outcome()), ("Your answer is recorded", Wait::Waiting(0)));
    snapshot("undelivered", &page);
    assert_eq!(title(&night.get(1).await), "The answer of A. Berg is recorded");
    assert_eq!(night.outcome(), Wait::Waiting(0), "to look delivers nothing");
    assert_eq!(
        title(&night.post(1, REJECT).await),
        "A. Berg approved the build for 20 November 2026",
        "the next click delivers what was left"
    );
    assert!(matches!(night.outcome(), Wait::Answered(verdict) if verdict.contains("APPROVED")));
}

#[tokio::test]
async fn an_answer_that_found_nobody_waiting_says_so() {
    let night = night(1).await;
    night.ports.tasks.time_out(&night.asked.task_token);
    snapshot("closed", &night.post(0, APPROVE).await);
}

#[tokio::test]
async fn a_record_out_of_reach_is_never_guessed_at() {
    for (method, call, fate, says) in [
        ("GET", "Approvals.read", Fate::FailsBefore, "Please try again in a minute"),
        ("POST", "Approvals.read", Fate::FailsBefore, "We can’t tell whether your answer was recorded"),
        ("POST", "Approvals.replace", Fate::FailsBefore, "We can’t tell whether your answer was recorded"),
        ("POST", "Approvals.replace", Fate::FailsAfter, "We can’t tell whether your answer was recorded"),
    ] {
        let night = night(1).await;
        night.gate.plan(call, fate);
        let response = night.send(method, &night.path(0), APPROVE, &[]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let page = text(response);
        assert_eq!(title(&page), says);
        if (method, fate) == ("POST", Fate::FailsAfter) {
            snapshot("uncertain", &page);
        }
        assert_eq!(title(&night.post(0, APPROVE).await), "You approved the build for 20 November 2026", "the second try works");
        assert!(matches!(night.outcome(), Wait::Answered(_)));
    }
}

#[tokio::test]
async fn answers_that_cross_are_all_counted_once() {
    let gate = Arc::new(Gate::default());
    let mut night = night(2).await;
    night.ports.approvals = MemoryApprovals::behind(&gate);
    night.ports.approvals.replace(None, &night.asked).await.unwrap();
    // Somebody else's answer comes between this click's read and its write.
    let stale = night.asked.clone();
    night.post(1, "decision=approve&seen=yes").await;
    let decision = Decision::Approve { comment: Some(Remark::parse("Mine").unwrap()) };
    let recorded = record(&night.ports.approvals, stale, 0, &decision, night.ports.clock.now()).await.unwrap().unwrap();
    assert_eq!((recorded.approvals(), recorded.undelivered().map(|verdict| verdict.decision)), (2, Some(Ruling::Approved)));
}

#[tokio::test]
async fn every_answer_is_kept_out_of_caches_frames_and_indexes() {
    let night = night(1).await;
    for response in [
        night.send("GET", &night.path(0), "", &[]).await,
        night.send("POST", &night.path(0), APPROVE, &[]).await,
        night.send("GET", "/approvals/x/y", "", &[]).await,
    ] {
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(
            (header("cache-control"), header("referrer-policy"), header("x-content-type-options"), header("x-robots-tag")),
            ("no-store", "no-referrer", "nosniff", "noindex, nofollow")
        );
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        for part in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
    }
}

#[tokio::test]
async fn nothing_secret_stands_on_any_page() {
    let night = night(2).await;
    let mut pages = vec![night.get(0).await, night.post(0, APPROVE).await, night.post(1, REJECT).await, night.get(2).await];
    night.ask_again().await;
    pages.push(night.get(0).await);
    let secrets: Vec<_> = (0..3).map(|place| night.path(place).rsplit('/').next().unwrap().to_owned()).collect();
    for page in pages {
        for hidden in secrets.iter().map(String::as_str).chain(["token-1", &String::from(secret(0).hash())]) {
            assert!(!page.contains(hidden), "{hidden}");
        }
        for (place, address) in PEOPLE.iter().enumerate() {
            assert!(
                !page.contains(address) || page.contains(&format!("personal to {}", PEOPLE[place])),
                "only the reader's own address is shown"
            );
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_whatever_goes_wrong() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for call in ["Approvals.read", "Approvals.replace", "Tasks.succeed", "Watches.end"] {
        let night = night(1).await;
        night.gate.plan(call, Fate::FailsBefore);
        night.send("POST", &night.path(0), APPROVE, &[]).await;
    }
    let night = night(1).await;
    night.send("POST", &night.path(0), REJECT, &[]).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!((logged.matches("the record cannot be reached").count(), logged.matches("left to the watch").count()), (2, 2), "{logged}");
    assert!(logged.contains(r#"status="REJECTED""#) && logged.contains("a planned fault"), "{logged}");
    for hidden in [night.path(0).rsplit('/').next().unwrap(), "token-1", &String::from(secret(0).hash()), "a.berg", "Electronics"] {
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
    let night = night(2).await;
    let page = night.post(0, "decision=approve&seen=yes&comment=%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert!(page.contains("“&#60;script&#62;alert(1)&#60;/script&#62;”"), "{page}");
    let marked = night.stored().handed_over(Handover::Due);
    assert_eq!(marked.approvals(), 1);
}
