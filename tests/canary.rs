//! Secrets stand where they belong and nowhere else: the task token in the record and in what is said to Step Functions, a link's secret in
//! the one mail or post that it was made for, a mail address in no log.

#![expect(clippy::unwrap_used, reason = "what goes wrong in here has failed the test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use lambda_http::http::{HeaderName, HeaderValue, Method};
use lambda_http::{Body, RequestExt};
use nightly_approval::Site;
use nightly_domain::approval::{ApprovalStatus, Bearer, TaskToken};
use nightly_domain::link::{ApprovalId, Link};
use nightly_domain::memory::{Fate, Gate, MemoryDesk, MemoryObjects, Wait};
use nightly_domain::people::Panel;
use nightly_domain::ports::Watch;
use serde_json::{Value, json};

const A: &str = "canary-a.berg@nordvik.example";
const B: &str = "canary-b.osei@nordvik.example";
const DEPUTY: &str = "canary-d.lind@nordvik.example";
const EXECUTION: &str = "arn:aws:states:eu-central-1:111122223333:execution:nightly-warehouse-night:2026-11-20-a1";
const CALLS: [&str; 10] = [
    "Approvals.read",
    "Approvals.replace",
    "Tasks.succeed",
    "Tasks.beat",
    "Executions.end",
    "Watches.begin",
    "Watches.end",
    "Mail.send",
    "Audit.entries",
    "Audit.append",
];

/// Everything that was written, by where it stands.
#[derive(Default)]
struct Written(BTreeMap<String, String>);

impl Written {
    fn add(&mut self, place: &str, text: &str) {
        let written = self.0.entry(place.to_owned()).or_default();
        written.push_str(text);
        written.push('\n');
    }

    /// Where this stands.
    fn places(&self, canary: &str) -> Vec<&str> {
        self.0.iter().filter(|(_, text)| text.contains(canary)).map(|(place, _)| place.as_str()).collect()
    }
}

/// What the functions log, every level of it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every handler works at this desk, and whatever they say is written down.
struct House {
    desk: MemoryDesk,
    written: Written,
}

fn id() -> ApprovalId {
    "canary-night".parse().unwrap()
}

fn token(attempt: u32) -> TaskToken {
    format!("canary-token-{attempt}-AQCEAAAAKgAAAAMAAAAAAAAAAQ").try_into().unwrap()
}

fn site() -> Site {
    Site {
        environment: "local".to_owned(),
        base_url: "https://approve.example".to_owned(),
        status_page_url: Some("https://status.example".to_owned()),
    }
}

impl House {
    async fn asks(&mut self, attempt: u32) {
        let panel = Panel::new(&[A, B], 2).unwrap().with_deputies(&[DEPUTY]).unwrap();
        let settings = approval_request::Settings { panel, site: site(), nights: None };
        let ports = approval_request::Ports { objects: MemoryObjects::default(), desk: self.desk.clone(), settings };
        let request = serde_json::from_value(json!({
            "taskToken": token(attempt).expose(),
            "approvalId": id(),
            "executionArn": EXECUTION,
            "timeoutSeconds": 4500,
            "extensionSeconds": 900,
            "startedBy": A,
            "request": {"question": "Delete 12 partitions?", "consequence": "They are gone.", "facts": [{"name": "Oldest", "value": "2016"}]},
        }));
        let request: approval_request::Request = request.unwrap();
        self.written.add("debug", &format!("{request:?}"));
        if let Err(error) = approval_request::handle(&ports, approval_request::Event::Ask(Box::new(request))).await {
            let diagnostic = nightly_lambda::diagnostic(&error);
            self.written.add("errors", &format!("{error:?}\n{error}\n{} {}", diagnostic.error_type, diagnostic.error_message));
        }
    }

    async fn watches(&mut self, generation: u32) {
        let ports = approval_watch::Ports { desk: self.desk.clone(), site: site() };
        match approval_watch::handle(&ports, Watch { approval_id: id(), generation }).await {
            Ok(round) => self.written.add("answers", &serde_json::to_string(&round).unwrap()),
            Err(error) => {
                let diagnostic = nightly_lambda::diagnostic(&error);
                self.written.add("errors", &format!("{error:?}\n{error}\n{} {}", diagnostic.error_type, diagnostic.error_message));
            }
        }
    }

    async fn requests(&mut self, method: Method, path: &str, headers: &[(&str, &str)], form: &str) {
        let mut request = lambda_http::Request::new(Body::from(form)).with_raw_http_path(path);
        *request.method_mut() = method;
        for (name, value) in [("content-type", "application/x-www-form-urlencoded")].iter().chain(headers) {
            request.headers_mut().insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let answer = approval_callback::handle(&approval_callback::Ports { desk: self.desk.clone(), site: site() }, request).await;
        self.written.add("headers", &format!("{:?}", answer.headers()));
        self.written.add("pages", &String::from_utf8_lossy(answer.body().as_ref()));
    }

    /// The newest link that was mailed to somebody.
    fn link(&self, person: &str) -> String {
        let sent = self.desk.mail.sent();
        let mail = sent.iter().rfind(|mail| mail.to.as_str() == person).unwrap_or_else(|| panic!("{person} got no mail"));
        links(&mail.text).into_iter().next().expect("every mail has a link")
    }

    /// Everything that can be done, each with every call failing in turn, in worlds that go no further.
    async fn goes_through_every_failure(&mut self, generation: u32) {
        let link = self.link(A);
        let forms = [
            "decision=approve&seen=yes",
            "decision=reject&reason=No.",
            "decision=extend",
            "decision=hand-on&to=canary-d.lind%40nordvik.example",
        ];
        for call in CALLS {
            for (form, fate) in forms.iter().flat_map(|form| [(form, Fate::FailsBefore), (form, Fate::FailsAfter)]) {
                let here = self.desk.fork();
                let kept = std::mem::replace(&mut self.desk, here);
                self.desk.gate.plan(call, fate);
                self.requests(Method::POST, &link, &[], form).await;
                self.desk.gate.plan(call, fate);
                self.requests(Method::GET, &link, &[("user-agent", "Slackbot-LinkExpanding 1.0")], "").await;
                self.desk.gate.plan(call, fate);
                self.watches(generation).await;
                self.desk.gate.plan(call, fate);
                self.asks(3).await;
                self.desk = kept;
            }
        }
    }
}

/// Every link in a text, without what stands before its path.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find("/approvals/") {
        rest = &rest[place..];
        let end = rest.find(|character: char| !(character.is_ascii_alphanumeric() || "/-_".contains(character))).unwrap_or(rest.len());
        let (link, after) = rest.split_at(end);
        found.push(link.to_owned());
        rest = after;
    }
    found
}

/// As it stands in a link: enough of it to be found where only a part is told.
fn secret(link: &str) -> &str {
    &link.rsplit('/').next().unwrap()[..20]
}

#[tokio::test]
async fn secrets_stand_where_they_belong_and_nowhere_else() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);

    let desk = MemoryDesk::behind(Gate::default(), "2026-11-21T02:24:00Z".parse().unwrap());
    let mut house = House { desk, written: Written::default() };
    house.desk.tasks.wait(&token(1));
    // The first attempt breaks off half-way; the second is answered by one who began the execution, by a deputy, and by the clock's rules.
    house.desk.gate.plan("Mail.send", Fate::FailsAfter);
    house.asks(1).await;
    house.desk.tasks.time_out(&token(1));
    house.desk.tasks.wait(&token(2));
    house.desk.clock.advance(SignedDuration::from_secs(2));
    house.asks(2).await;
    house.goes_through_every_failure(2).await;
    let (a, b) = (house.link(A), house.link(B));
    let superseded = links(&house.desk.mail.sent()[0].text).remove(0);
    for path in [&a, &b, &superseded, &format!("{a}A"), &format!("{}A", &a[..a.len() - 1]), "/approvals/canary-night/x", "/favicon.ico"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            house.requests(method, path, &[("user-agent", "curl/8.10.1")], "").await;
        }
        house.requests(Method::POST, path, &[("content-type", "application/json")], "{}").await;
        house.requests(Method::POST, path, &[("origin", "https://evil.example"), ("host", "approve.example")], "decision=approve").await;
        house.requests(Method::POST, path, &[], "decision=approve").await;
    }
    house.requests(Method::POST, &a, &[], "decision=approve&seen=yes&comment=Seen.").await;
    house.requests(Method::POST, &b, &[], "decision=hand-on&to=canary-d.lind%40nordvik.example").await;
    house.desk.clock.advance(SignedDuration::from_mins(35));
    house.watches(2).await;
    let deputy = house.link(DEPUTY);
    house.requests(Method::POST, &deputy, &[], "decision=extend").await;
    house.desk.gate.plan("Tasks.succeed", Fate::FailsAfter);
    house.requests(Method::POST, &deputy, &[], "decision=approve&seen=yes").await;
    house.watches(2).await;
    house.watches(1).await;
    for path in [&a, &b, &deputy, &superseded] {
        house.requests(Method::GET, path, &[], "").await;
    }

    judge(house, &String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
}

fn judge(house: House, log: &str) {
    let House { desk, mut written } = house;
    let record = desk.approvals.stored(&id()).unwrap();
    assert!(matches!(record.status, ApprovalStatus::Decided { .. }), "the question has come to its end: {:?}", record.status);
    assert!(log.lines().count() > 50, "a log of {} lines hides nothing", log.lines().count());
    assert!(written.0["errors"].lines().count() > 10, "few errors hide nothing");
    written.add("log", log);
    written.add("debug", &format!("{record:?}"));
    for entry in desk.audit.chain(&id()) {
        written.add("audit", &entry.text);
    }
    let Some(Wait::Answered(verdict)) = desk.tasks.outcome(&token(2)) else { panic!("the execution has its answer") };
    written.add("verdict", &verdict);
    written.add("watches", &serde_json::to_string(&desk.watches.begun()).unwrap());
    // As the store writes it, but for the token.
    written.add("record", &serde_json::to_string(&(&record.approvers, &record.superseded, &record.viewers, &record.evidence)).unwrap());
    written.add("record", &serde_json::to_string(&(&record.announcement, &record.deputies, &record.extension)).unwrap());
    written.add("token of the record", record.task_token.expose());
    for (place, mail) in desk.mail.sent().iter().enumerate() {
        written.add(&format!("mail {place}"), &format!("{}\n{}", mail.subject, mail.text));
    }
    for (place, post) in desk.channel.as_ref().unwrap().posted().iter().enumerate() {
        written.add(&format!("post {place}"), &post.to_string());
    }

    assert_eq!(written.places("canary-token"), ["token of the record"]);
    let mut mailed = 0;
    for (place, mail) in desk.mail.sent().iter().enumerate() {
        let links = links(&mail.text);
        assert!(!links.is_empty(), "every mail has its link");
        for link in links {
            assert_eq!(written.places(secret(&link)), [format!("mail {place}")], "a secret stands in its own mail");
            let holder = match record.bearer(&Link::from_path(&link).unwrap().secret.hash()) {
                Bearer::Approver(place) => record.approvers[place].address.clone(),
                Bearer::Superseded(place) => record.superseded[place].address.clone(),
                other => panic!("{other:?} holds a link that was mailed"),
            };
            assert_eq!(holder, mail.to);
            mailed += 1;
        }
        for other in [A, B, DEPUTY].into_iter().filter(|other| *other != mail.to.as_str()) {
            assert!(!mail.text.contains(other) && !mail.subject.contains(other), "a mail holds nobody else's address");
        }
    }
    assert!(mailed >= 5, "{mailed} mails hide nothing");
    let posts = desk.channel.as_ref().unwrap().posted();
    for link in posts.iter().flat_map(|post| links(&post.to_string())) {
        assert_eq!(record.bearer(&Link::from_path(&link).unwrap().secret.hash()), Bearer::Viewer, "the channel's link only looks");
        assert!(written.places(secret(&link)).iter().all(|place| place.starts_with("post")));
    }
    for address in [A, B, DEPUTY] {
        let places = written.places(address);
        for place in ["log", "errors", "debug", "headers", "answers", "verdict", "watches"] {
            assert!(!places.contains(&place), "an address stands in {place}");
        }
        assert!(!places.iter().any(|place| place.starts_with("post")), "an address stands in the channel");
    }
    println!("{mailed} mailed secrets, 2 task tokens and 3 addresses: none in {} lines of log, nor anywhere else", log.lines().count());
}

/// A night on the local AWS, and all that it has left behind: what the functions wrote, what every log group and table holds, what was
/// mailed and posted.
#[test]
#[ignore = "needs the local AWS"]
fn after_a_night_no_log_and_no_dump_holds_what_was_mailed() {
    let report = tempfile::NamedTempFile::new().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .current_dir(workspace)
        .args(["run", "--quiet", "--package", "xtask", "--", "night", "--json"])
        .arg(report.path())
        .args(["--date", "2026-11-07", "--orders", "500", "--approve"])
        .stdin(Stdio::null())
        .output()
        .expect("this test runs inside `cargo xtask test nights`, which starts the local AWS");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report: Value =
        serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap_or_else(|_| panic!("the night left no report:\n{said}"));
    let text = |name: &str| report[name].as_str().unwrap_or_else(|| panic!("the report says nothing of {name}")).to_owned();
    let (endpoint, inbox, logs) = (text("endpoint"), PathBuf::from(text("inbox")), PathBuf::from(text("logs")));

    let mails: Vec<_> =
        files(&inbox.join("mail")).into_iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect();
    let secrets: Vec<_> = mails.iter().flat_map(|mail| links(mail)).collect();
    assert!(!secrets.is_empty(), "nobody was mailed");
    let tables = tables(&endpoint);
    let records = &tables.iter().find(|(name, _)| name.ends_with("approvals")).expect("there is a table of approvals").1;
    let tokens: Vec<_> =
        records.iter().map(|record| record["task_token"]["S"].as_str().expect("a record has its token").to_owned()).collect();
    assert!(!tokens.is_empty(), "no question was recorded");

    let mut written = Written::default();
    for path in files(&logs).into_iter().chain(files(&inbox.join("slack"))) {
        written.add(&path.display().to_string(), &String::from_utf8_lossy(&fs::read(&path).unwrap()));
    }
    for (group, events) in log_groups(&endpoint) {
        written.add(&format!("log group {group}"), &events);
    }
    for (table, items) in &tables {
        for item in items {
            let mut item = item.clone();
            item.as_object_mut().unwrap().remove("task_token");
            written.add(&format!("table {table}"), &item.to_string());
        }
    }
    let pressed = written.0.iter().any(|(place, text)| place.ends_with("approval-callback.log") && text.contains("recorded"));
    assert!(pressed, "what the function behind the page logged is looked at: {:?}", written.0.keys());
    for link in &secrets {
        assert!(written.places(secret(link)).is_empty(), "a mailed secret stands in {:?}", written.places(secret(link)));
    }
    for token in &tokens {
        assert!(written.places(token).is_empty(), "a task token stands in {:?}", written.places(token));
    }
    println!("{} secrets and {} tokens: in none of {} places", secrets.len(), tokens.len(), written.0.len());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every item of every table.
fn tables(endpoint: &str) -> Vec<(String, Vec<Value>)> {
    let call = |operation: &str, input: &Value| call(endpoint, "dynamodb", "1.0", &format!("DynamoDB_20120810.{operation}"), input);
    let names = call("ListTables", &json!({}))["TableNames"].as_array().expect("there are tables").clone();
    let names = names.iter().map(|name| name.as_str().unwrap().to_owned());
    let items = |name: &str| {
        let mut items = Vec::new();
        let mut from = Value::Null;
        loop {
            let mut input = json!({"TableName": name});
            if !from.is_null() {
                input["ExclusiveStartKey"] = from;
            }
            let page = call("Scan", &input);
            items.extend(page["Items"].as_array().expect("a scan has items").clone());
            from = page["LastEvaluatedKey"].clone();
            if from.is_null() {
                return items;
            }
        }
    };
    names.map(|name| (name.clone(), items(&name))).collect()
}

/// Everything that stands in the log groups, the access log of the approvals' page among it.
fn log_groups(endpoint: &str) -> Vec<(String, String)> {
    let call = |operation: &str, input: &Value| call(endpoint, "logs", "1.1", &format!("Logs_20140328.{operation}"), input);
    let groups = call("DescribeLogGroups", &json!({}))["logGroups"].as_array().cloned().unwrap_or_default();
    assert!(!groups.is_empty(), "there are log groups");
    let groups = groups.iter().map(|group| group["logGroupName"].as_str().unwrap().to_owned());
    groups.map(|group| (group.clone(), call("FilterLogEvents", &json!({"logGroupName": group}))["events"].to_string())).collect()
}

fn call(endpoint: &str, service: &str, version: &str, operation: &str, input: &Value) -> Value {
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=0");
    let mut response = ureq::post(endpoint)
        .header("X-Amz-Target", operation)
        .header("Content-Type", format!("application/x-amz-json-{version}"))
        .header("Authorization", scope)
        .send(input.to_string())
        .unwrap_or_else(|error| panic!("{operation}: {error}"));
    response.body_mut().read_json().unwrap()
}
