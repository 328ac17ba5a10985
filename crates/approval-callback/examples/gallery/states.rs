//! Every state in which the page can be met, brought about by the acts that bring it about: requests to the real handler, and what the
//! watch, the definition and the people in charge of an execution do to it.

use approval_callback::{Ports, handle};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::header::{CONTENT_TYPE, HOST};
use lambda_http::http::{HeaderName, HeaderValue};
use lambda_http::{Body, Request, RequestExt, Response};
use nightly_approval::Site;
use nightly_domain::approval::{Approval, Asking, MailedLink, Notice, Question};
use nightly_domain::delivery::deliver;
use nightly_domain::evidence::{
    Build, CategoryFigures, Evidence, EvidenceDigest, Fact, PublishedNight, Request as Asked, RuleResult, RuleVerdict, Subject, Summary,
};
use nightly_domain::history::ExecutionEnd;
use nightly_domain::link::{Link, Secret};
use nightly_domain::memory::contract::{build, question, secret};
use nightly_domain::memory::{Fate, Gate, MemoryDesk};
use nightly_domain::people::Starter;
use nightly_domain::ports::{Approvals as _, Clock as _, Watch, Watches as _};
use rust_decimal::Decimal;

pub const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];
pub const DEPUTIES: [&str; 2] = ["d.lind@nordvik.example", "e.novak@nordvik.example"];
pub const APPROVE: &str = "decision=approve&seen=yes&comment=Electronics+is+the+preview%2C+expected.";
pub const APPROVE_SILENTLY: &str = "decision=approve&seen=yes";
pub const REJECT: &str = "decision=reject&reason=Electronics+has+doubled%3A+warehouse+4+sent+Thursday%E2%80%99s+file+again.";
pub const HAND_ON: &str = "decision=hand-on&to=d.lind%40nordvik.example";
pub const EXTEND: &str = "decision=extend";

/// A question that was put at 02:24 UTC, seen at 02:51.
pub struct Night {
    pub ports: Ports<MemoryDesk>,
    pub asked: Approval,
}

impl Night {
    /// A scheduled night's question to three people, with two deputies and a quarter of an hour to spare.
    pub async fn new(required: u32) -> Self {
        Self::of(usual(required)).await
    }

    pub async fn of(question: Question) -> Self {
        let asked = question.first();
        let desk = MemoryDesk::behind(Gate::default(), asked.asked_at + SignedDuration::from_mins(27));
        desk.tasks.wait(&asked.task_token);
        desk.approvals.replace(None, &asked).await.unwrap();
        desk.watches.begin(&Watch { approval_id: asked.id.clone(), generation: 1 }, asked.limit_at).await.unwrap();
        let site = Site {
            environment: "prod".to_owned(),
            base_url: "https://approve.nordvik.example".to_owned(),
            status_page_url: Some("https://status.nordvik.example/".to_owned()),
        };
        Self { ports: Ports { desk, site }, asked }
    }

    pub fn desk(&self) -> &MemoryDesk {
        &self.ports.desk
    }

    /// The path of the link of the person at this place.
    pub fn path(&self, place: usize) -> String {
        self.path_of(secret(place))
    }

    pub fn path_of(&self, secret: Secret) -> String {
        Link { approval: self.asked.id.clone(), secret }.address("")
    }

    pub fn stored(&self) -> Approval {
        self.desk().approvals.stored(&self.asked.id).unwrap()
    }

    pub async fn store(&self, next: &Approval) {
        self.desk().approvals.replace(Some(&self.stored()), next).await.unwrap();
    }

    pub fn wait(&self, minutes: i64) {
        self.desk().clock.advance(SignedDuration::from_mins(minutes));
    }

    pub fn now(&self) -> Timestamp {
        self.desk().clock.now()
    }

    pub async fn send(&self, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::new(Body::from(body)).with_raw_http_path(path);
        *request.method_mut() = method.parse().unwrap();
        let usual = [(HOST.as_str(), "approve.nordvik.example"), (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        for (name, value) in usual.iter().chain(headers) {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        handle(&self.ports, request).await
    }

    pub async fn look(&self, place: usize) -> Response<Body> {
        self.send("GET", &self.path(place), "", &[]).await
    }

    /// Presses a button, and follows to what is then shown.
    pub async fn press(&self, place: usize, body: &str) -> Response<Body> {
        let response = self.send("POST", &self.path(place), body, &[("sec-fetch-site", "same-origin"), ("origin", "null")]).await;
        assert_eq!(response.status(), 303, "{body}");
        self.look(place).await
    }

    /// The watch finds the time over.
    pub async fn run_out(&self) {
        let next = self.stored().ran_out(self.now()).unwrap();
        self.store(&next).await;
    }

    pub async fn deliver(&self) {
        deliver(self.desk(), self.stored()).await.unwrap();
    }

    /// Somebody or something ends the execution, and its task waits no more.
    pub fn end(&self, end: ExecutionEnd) {
        self.desk().tasks.time_out(&self.stored().task_token);
        self.desk().executions.end_with(&self.asked.execution_arn, end);
    }

    /// Puts the question again, to the same people with other links.
    pub async fn ask_again(&self) {
        let mut again = question(&self.asked.id, &PEOPLE, 1);
        again.task_token = "token-2".to_owned().try_into().unwrap();
        again.asked_at += SignedDuration::from_mins(24);
        again.expires_at += SignedDuration::from_mins(24);
        again.limit_at += SignedDuration::from_mins(24);
        for (place, approver) in again.approvers.iter_mut().enumerate() {
            let sent_at = Some(again.asked_at);
            approver.links = vec![MailedLink { secret_hash: secret(place + 10).hash(), notice: Notice::Question, sent_at }];
        }
        let Asking::Ask(next) = again.again(&self.stored()) else { panic!("it is asked again") };
        self.store(&next).await;
    }

    /// The link in the last mail.
    pub fn mailed_path(&self) -> String {
        let mails = self.desk().mail.sent();
        let text = &mails.last().unwrap().text;
        let from = text.find("/approvals/").unwrap();
        text[from..].split_whitespace().next().unwrap().to_owned()
    }

    /// The link in the channel.
    pub async fn viewer_path(&self) -> String {
        self.store(&self.stored().about_to_post(secret(40).hash())).await;
        self.path_of(secret(40))
    }
}

/// The question of a Friday among others.
pub fn usual(required: u32) -> Question {
    let mut question = question(&"01jd4q8m-2k".parse().unwrap(), &PEOPLE, required);
    question.evidence = evidence(Build { published: published(), ..build() });
    question.deputies = DEPUTIES.iter().map(|address| address.parse().unwrap()).collect();
    question.limit_at += SignedDuration::from_mins(15);
    question
}

fn evidence(build: Build) -> Evidence {
    Evidence { digest: EvidenceDigest::of(&build.staged_uri, &[]), subject: Subject::Build(Box::new(build)) }
}

/// Fourteen nights, newest first, four days without one among them.
fn published() -> Vec<PublishedNight> {
    let nights = [
        ("02", 1_147_800, 45_900),
        ("04", 1_204_300, 47_310),
        ("05", 1_246_100, 47_800),
        ("06", 1_318_020, 49_870),
        ("07", 907_310, 36_120),
        ("09", 1_128_400, 44_020),
        ("10", 1_182_600, 45_500),
        ("11", 1_224_100, 46_730),
        ("13", 1_297_440, 50_110),
        ("14", 890_200, 35_800),
        ("15", 981_900, 38_940),
        ("17", 1_196_500, 46_010),
        ("18", 1_235_000, 47_080),
        ("19", 1_257_400, 47_640),
    ];
    let shares: [(Option<&str>, i64, i64); 6] = [
        (Some("Electronics"), 428, 9_000),
        (Some("Home"), 312, 11_200),
        (Some("Sports"), 145, 8_000),
        (Some("Shoes"), 92, 12_100),
        (Some("Books"), 21, 600),
        (None, 2, 30),
    ];
    let night = |(day, revenue, order_lines): (&str, i64, u64)| PublishedNight {
        run_date: format!("2026-11-{day}").parse().unwrap(),
        order_lines,
        revenue_base: revenue.into(),
        categories: shares
            .iter()
            .map(|(name, share, lines)| CategoryFigures {
                category: name.map(str::to_owned),
                order_lines: (*lines).try_into().unwrap(),
                revenue_base: (revenue * share / 1000).into(),
            })
            .collect(),
    };
    nights.into_iter().rev().map(night).collect()
}

fn changed(required: u32, change: impl FnOnce(&mut Build)) -> Question {
    let mut question = usual(required);
    let Subject::Build(mut build) = question.evidence.subject else { unreachable!("it is a build") };
    change(&mut build);
    question.evidence.subject = Subject::Build(build);
    question
}

fn rule(place: usize, rule: String, result: RuleVerdict) -> RuleResult {
    let message = (result != RuleVerdict::Pass).then(|| "Value: 0.9113 does not meet the constraint requirement!".to_owned());
    RuleResult { name: format!("Rule_{place}"), rule, result, message, metrics: [("Value".to_owned(), 0.911_34)].into() }
}

/// Revenue far below what is usual, with rules that don't pass.
pub fn odd() -> Question {
    changed(1, |build| {
        build.summary.revenue_base = "702190.10".parse().unwrap();
        build.summary.order_lines = 51_904;
        build.summary.categories[0].revenue_base = "31020.00".parse().unwrap();
        build.summary.categories.push(CategoryFigures {
            category: Some("Garden".to_owned()),
            order_lines: 12,
            revenue_base: "4021.55".parse().unwrap(),
        });
        build.quality.score = 0.6;
        build.quality.rules[1] = rule(2, "Completeness \"warehouse_id\" >= 0.98".to_owned(), RuleVerdict::Fail);
        build.quality.rules.push(rule(4, "ReferentialIntegrity \"item_id\" \"inventory.item_id\" = 1.0".to_owned(), RuleVerdict::Error));
    })
}

/// As much of everything as there can be.
pub fn largest() -> Question {
    let people: Vec<_> = (0..8).map(|place| format!("approver.number.{place}@warehouse.nordvik.example")).collect();
    let people: Vec<_> = people.iter().map(String::as_str).collect();
    let mut largest = changed(8, |build| {
        grow(&mut build.summary, 40);
        let column = |place: usize| {
            format!("ColumnValues \"a_rather_long_column_name_{place}\" between 0.0001 and 99999999.99 with threshold > 0.95")
        };
        build.quality.rules = (0..60).map(|place| rule(place, column(place), RuleVerdict::Pass)).collect();
        for night in &mut build.published {
            night.categories.clone_from(&build.summary.categories);
            night.categories.truncate(30);
        }
    });
    largest.approvers = question(&largest.id, &people, 8).approvers;
    largest.started_by = Starter::Named(people[0].to_owned());
    largest
}

fn grow(summary: &mut Summary, categories: usize) {
    let one = summary.categories[0].clone();
    let named = |place: usize| CategoryFigures {
        category: Some(format!("Category number {place} with a long name & \"marks\"")),
        revenue_base: one.revenue_base / Decimal::from(place + 1),
        ..one.clone()
    };
    summary.categories = (0..categories).map(named).collect();
    summary.rates.currencies = (0..30).map(|place| format!("X{place:02}")).collect();
}

/// What another state machine asks.
pub fn request() -> Question {
    let fact = |name: &str, value: &str| Fact { name: name.to_owned(), value: value.to_owned() };
    let request = Asked {
        question: "Delete the 1,204 partitions from before 2020?".to_owned(),
        consequence:
            "They are removed from the bucket and from the catalog. Reports on those years are empty from then on; the backup in the \
                      archive account is kept."
                .to_owned(),
        facts: vec![
            fact("Oldest partition", "2016-01-01"),
            fact("Newest partition", "2019-12-31"),
            fact("Size", "3.1 TB in 88,410 objects"),
            fact("Read last", "14 March 2025, by finance-yearly"),
        ],
        bound_uri: Some("s3://archive-plans/2026-11-20/".parse().unwrap()),
    };
    let mut question = usual(2);
    "arn:aws:states:eu-central-1:111122223333:execution:archive-cleanup:clean-2026-11".clone_into(&mut question.execution_arn);
    question.evidence = Evidence { digest: EvidenceDigest::of_request(&request, &[]), subject: Subject::Request(request) };
    question
}

/// Every state by its name, each as the handler answers it.
pub async fn all() -> Vec<(&'static str, Response<Body>)> {
    // Each is a whole play with its worlds, and large.
    let mut states = Box::pin(open()).await;
    states.extend(Box::pin(waiting()).await);
    states.extend(Box::pin(decided()).await);
    states.extend(Box::pin(over()).await);
    states.extend(Box::pin(requests()).await);
    states.extend(Box::pin(dead()).await);
    states
}

/// The question in its forms.
async fn open() -> Vec<(&'static str, Response<Body>)> {
    let night = Night::new(2).await;
    night.press(2, APPROVE).await;
    let mut states = vec![("question", night.look(0).await)];

    let mut alone = question(&night.asked.id, &PEOPLE[..1], 1);
    alone.evidence = evidence(build());
    states.push(("question-first-night", Night::of(alone).await.look(0).await));
    states.push(("question-odd", Night::of(odd()).await.look(0).await));

    let night = Night::of(largest()).await;
    let long = format!("decision=approve&seen=yes&comment={}", "A+long+comment+%26+more.+".repeat(43));
    for place in 1..8 {
        night.press(place, &long).await;
    }
    states.push(("question-largest", night.look(0).await));

    let by_hand = Question { started_by: Starter::Named(PEOPLE[0].to_owned()), ..usual(1) };
    states.push(("question-starter", Night::of(by_hand).await.look(0).await));
    let unnamed = Question { started_by: Starter::Unnamed, ..usual(1) };
    states.push(("question-unnamed", Night::of(unnamed).await.look(0).await));

    let night = Night::new(1).await;
    night.press(0, HAND_ON).await;
    states.push(("question-delegated", night.send("GET", &night.mailed_path(), "", &[]).await));
    night.press(1, EXTEND).await;
    states.push(("question-extended", night.look(1).await));

    let night = Night::new(1).await;
    for (name, body) in [
        ("unticked", "decision=approve&comment=%22Fine%22+%3Cb%3E"),
        ("no-reason", "decision=reject&reason=++"),
        ("no-deputy", "decision=hand-on&to=b.osei%40nordvik.example"),
    ] {
        states.push((name, night.send("POST", &night.path(0), body, &[]).await));
    }
    let path = night.viewer_path().await;
    states.push(("viewer", night.send("GET", &path, "", &[]).await));
    night.press(0, APPROVE).await;
    states.push(("viewer-approved", night.send("GET", &path, "", &[]).await));
    states
}

/// Others have to answer.
async fn waiting() -> Vec<(&'static str, Response<Body>)> {
    let night = Night::new(2).await;
    let mut states = vec![("counted", night.press(2, APPROVE).await)];
    let by_hand = Question { started_by: Starter::Named(PEOPLE[0].to_owned()), ..usual(1) };
    states.push(("counted-starter", Night::of(by_hand).await.press(0, APPROVE).await));
    let unnamed = Question { started_by: Starter::Unnamed, ..usual(1) };
    states.push(("counted-unnamed", Night::of(unnamed).await.press(0, APPROVE).await));

    let night = Night::new(1).await;
    states.push(("handed-on", night.press(0, HAND_ON).await));
    let night = Night::new(1).await;
    night.desk().gate.plan("Mail.send", Fate::FailsBefore);
    states.push(("handed-on-unmailed", night.press(0, HAND_ON).await));
    states
}

/// Somebody has decided.
async fn decided() -> Vec<(&'static str, Response<Body>)> {
    let night = Night::new(2).await;
    night.press(2, APPROVE).await;
    night.wait(21);
    let mut states = vec![("approved", night.press(0, APPROVE_SILENTLY).await)];
    states.push(("approved-by-others", night.look(1).await));

    let night = Night::new(2).await;
    night.press(0, APPROVE_SILENTLY).await;
    states.push(("rejected", night.press(1, REJECT).await));
    states.push(("rejected-by-another", night.look(2).await));

    let night = Night::new(1).await;
    night.desk().gate.plan("Tasks.succeed", Fate::FailsBefore);
    states.push(("undelivered", night.press(0, APPROVE).await));

    let night = Night::new(1).await;
    night.desk().tasks.time_out(&night.asked.task_token);
    states.push(("closed", night.press(0, APPROVE).await));
    for (name, end, body) in [
        ("closed-stopped", ExecutionEnd::Aborted, APPROVE),
        ("closed-failed", ExecutionEnd::Failed { error: "States.Timeout".to_owned() }, REJECT),
        ("closed-published", ExecutionEnd::Succeeded, APPROVE),
    ] {
        let night = Night::new(1).await;
        night.end(end);
        states.push((name, night.press(0, body).await));
    }
    states
}

/// Nobody can answer any more.
async fn over() -> Vec<(&'static str, Response<Body>)> {
    let night = Night::new(2).await;
    night.press(0, APPROVE).await;
    night.wait(33);
    let mut states = vec![("overdue", night.press(1, APPROVE).await)];
    night.run_out().await;
    states.push(("expired-undelivered", night.look(1).await));
    night.deliver().await;
    states.push(("expired", night.look(1).await));

    let night = Night::new(2).await;
    night.wait(48);
    night.desk().approvals.expire(&night.asked.id, night.asked.limit_at);
    states.push(("expired-by-the-definition", night.press(1, REJECT).await));

    let night = Night::new(1).await;
    night.wait(33);
    night.run_out().await;
    night.end(ExecutionEnd::Aborted);
    night.deliver().await;
    states.push(("expired-stopped", night.look(1).await));

    let night = Night::new(2).await;
    night.press(0, APPROVE_SILENTLY).await;
    night.end(ExecutionEnd::Aborted);
    states.push(("cancelled", night.look(1).await));
    let night = Night::new(2).await;
    let end = ExecutionEnd::Failed { error: "States.Timeout".to_owned() };
    night.store(&night.stored().cancelled(end, night.now()).unwrap()).await;
    states.push(("cancelled-failed", night.look(0).await));

    let night = Night::new(1).await;
    night.ask_again().await;
    states.push(("superseded", night.press(0, APPROVE).await));
    night.wait(60);
    states.push(("superseded-over", night.look(0).await));
    states
}

/// What another state machine asks.
async fn requests() -> Vec<(&'static str, Response<Body>)> {
    let night = Night::of(request()).await;
    let mut states = vec![("request", night.look(0).await)];
    states.push(("request-counted", night.press(0, "decision=approve&seen=yes&comment=Finance+agrees.").await));
    states.push(("request-approved", night.press(1, APPROVE_SILENTLY).await));
    let night = Night::of(request()).await;
    states.push(("request-rejected", night.press(0, "decision=reject&reason=Finance+still+reads+2019.").await));
    let night = Night::of(request()).await;
    night.wait(33);
    night.run_out().await;
    night.deliver().await;
    states.push(("request-expired", night.look(0).await));
    states
}

/// There is nothing to show.
async fn dead() -> Vec<(&'static str, Response<Body>)> {
    let night = Night::new(1).await;
    let path = night.path(0);
    let mut states = vec![("unknown", night.send("GET", &night.path_of(secret(7)), "", &[]).await)];
    states.push(("method", night.send("DELETE", &path, "", &[]).await));
    states.push(("elsewhere", night.send("POST", &path, APPROVE, &[("sec-fetch-site", "cross-site")]).await));
    states.push(("unreadable", night.send("POST", &path, "{}", &[("content-type", "application/json")]).await));
    night.desk().gate.plan("Approvals.read", Fate::FailsBefore);
    states.push(("unreachable", night.look(0).await));
    night.desk().gate.plan("Approvals.replace", Fate::FailsAfter);
    states.push(("uncertain", night.send("POST", &path, APPROVE, &[]).await));
    states
}
