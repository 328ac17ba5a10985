use nightly_domain::approval::{ApprovalStatus, Bearer, Click, Decision, Handover, Said};
use nightly_domain::audit::{Audit as _, Event};
use nightly_domain::channel::{MemoryChannel, PostError};
use nightly_domain::evidence::{PublishedNight, Quality};
use nightly_domain::link::Link;
use nightly_domain::memory::contract::build as built;
use nightly_domain::memory::{Fate, Gate, MemoryDesk, MemoryObjects, SentMail, Wait};
use serde_json::{Value, json};

use super::*;

type World = Ports<MemoryObjects, MemoryDesk>;

const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];
const DEPUTY: &str = "d.lind@nordvik.example";

fn world(people: &[&str], required: u32) -> World {
    let desk = MemoryDesk::behind(Gate::default(), "2026-11-21T02:24:00.5Z".parse().unwrap());
    let ports = Ports {
        objects: MemoryObjects::behind(&desk.gate),
        desk,
        settings: Settings {
            panel: Panel::new(people, required).unwrap().with_deputies(&[DEPUTY]).unwrap(),
            site: Site {
                environment: "prod".to_owned(),
                base_url: "https://approve.nordvik.example".to_owned(),
                status_page_url: Some("https://status.nordvik.example/".to_owned()),
            },
            nights: Some("s3://site/nights/".parse().unwrap()),
        },
    };
    ports.objects.put(&staged("_summary.json"), serde_json::to_vec(&built().summary).unwrap());
    ports.objects.put(&staged("part-0.parquet"), "rows");
    ports
}

fn staged(name: &str) -> ObjectUri {
    built().staged_uri.join(name)
}

/// What the definition sends, on the attempt with this token.
fn input(token: &str) -> Value {
    json!({
        "taskToken": token,
        "approvalId": "01jd4q8m-2k",
        "executionArn": "arn:aws:states:eu-central-1:111122223333:execution:nightly-warehouse:2026-11-20-a1",
        "timeoutSeconds": 3600,
        "extensionSeconds": 900,
        "startedBy": "schedule",
        "build": {
            "runId": "2026-11-20-a1",
            "runDate": "2026-11-20",
            "stagedUri": "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/",
            "quality": {"score": 1, "ruleset": "orders_curated", "rules": [
                {"name": "Rule_1", "rule": "RowCount > 0", "result": "PASS", "metrics": {"Dataset.*.RowCount": 48212}},
                {"name": "Rule_2", "rule": "IsComplete \"order_id\"", "result": "PASS"},
            ]},
        },
    })
}

/// What another team's definition sends.
fn asking(fields: Value) -> Value {
    let mut input = input("token-1");
    input["startedBy"] = json!("retention");
    input.as_object_mut().unwrap().remove("build");
    input["request"] = json!({
        "question": "Delete 1,204 partitions from before 2020?",
        "consequence": "They are gone for good.",
        "facts": [{"name": "Oldest partition", "value": "2016-01-01"}],
    });
    changed(input, fields)
}

/// The input with these fields in the place of its own; `null` takes one out.
fn changed(mut input: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        match (value, input.get_mut(&name)) {
            (Value::Null, _) => drop(input.as_object_mut().unwrap().remove(&name)),
            (Value::Object(inner), Some(Value::Object(_))) => input[&name] = changed(input[&name].clone(), Value::Object(inner)),
            (value, _) => input[&name] = value,
        }
    }
    input
}

fn read(input: Value) -> Request {
    serde_json::from_value(input).unwrap()
}

/// The step waits by the time that it asks.
async fn ask_with(ports: &World, input: Value) -> Result<(), NotAsked> {
    let request = read(input);
    if ports.desk.tasks.outcome(&request.task_token).is_none() {
        ports.desk.tasks.wait(&request.task_token);
    }
    handle(ports, crate::Event::Ask(Box::new(request))).await.map(|verdict| assert_eq!(verdict, None))
}

fn stored(ports: &World) -> Approval {
    ports.desk.approvals.stored(&"01jd4q8m-2k".parse().unwrap()).unwrap()
}

fn nothing_happened(ports: &World) -> bool {
    ports.desk.approvals.stored(&"01jd4q8m-2k".parse().unwrap()).is_none() && ports.desk.mail.sent().is_empty()
}

fn link(mail: &SentMail) -> Link {
    let line = mail.text.lines().find(|line| line.starts_with("https://approve.nordvik.example/")).unwrap();
    Link::from_path(line).unwrap()
}

fn recipients(ports: &World) -> Vec<String> {
    ports.desk.mail.sent().iter().map(|mail| mail.to.as_str().to_owned()).collect()
}

fn posted(ports: &World) -> usize {
    ports.desk.channel.as_ref().unwrap().posted().len()
}

fn events(ports: &World) -> Vec<(u32, Event)> {
    let chain = ports.desk.audit.chain(&"01jd4q8m-2k".parse().unwrap());
    assert_eq!(audit::verify(&chain), Ok(()));
    chain.iter().map(|entry| entry.occurrence().unwrap()).map(|occurrence| (occurrence.generation, occurrence.event)).collect()
}

#[tokio::test]
async fn every_approver_gets_a_link_of_their_own_and_only_its_hash_is_kept() {
    let ports = world(&PEOPLE, 2);
    ask_with(&ports, input("token-1")).await.unwrap();
    let record = stored(&ports);
    assert_eq!((record.status.clone(), record.generation, record.required), (ApprovalStatus::Pending, 1, 2));
    assert_eq!(
        (record.expires_at.to_string(), record.limit_at.to_string()),
        ("2026-11-21T03:09:00Z".into(), "2026-11-21T03:24:00Z".into())
    );
    assert_eq!(record.deputies, [DEPUTY.parse().unwrap()]);
    assert_eq!(recipients(&ports), PEOPLE);
    for (place, mail) in ports.desk.mail.sent().iter().enumerate() {
        assert_eq!(record.bearer(&link(mail).secret.hash()), Bearer::Approver(place), "the link is of this question and this person");
    }
    let watch = Watch { approval_id: record.id.clone(), generation: 1 };
    assert_eq!(ports.desk.watches.begun(), [(watch, record.limit_at + WATCHED_AFTER_LIMIT)]);
}

#[tokio::test]
async fn the_record_comes_first_then_the_watch_then_the_mails_then_the_news() {
    let ports = world(&PEOPLE[..2], 1);
    ask_with(&ports, input("token-1")).await.unwrap();
    let mut calls = ports.desk.gate.calls();
    calls.dedup();
    let expected = [
        "Objects.list",
        "Objects.read",
        "Objects.list",
        "Approvals.read",
        "Approvals.replace",
        "Watches.begin",
        "Approvals.replace",
        "Mail.send",
        "Approvals.replace",
        "Audit.entries",
        "Audit.append",
        "Approvals.replace",
    ];
    assert_eq!(calls, expected);
    assert_eq!((posted(&ports), stored(&ports).announcement.said), (1, Said::Question(1)));
    let mailed = events(&ports).into_iter().filter(|(_, event)| matches!(event, Event::Mailed { .. })).count();
    assert_eq!((mailed, events(&ports).len()), (2, 3));
}

#[tokio::test]
async fn a_retry_supersedes_the_links_of_the_attempt_before() {
    for (call, mails_before) in [("Mail.send", 1), ("Watches.begin", 0)] {
        let ports = world(&PEOPLE[..2], 1);
        ports.desk.gate.plan(call, Fate::FailsBefore);
        let error = ask_with(&ports, input("token-1")).await.unwrap_err();
        assert_eq!((error.name(), ports.desk.mail.sent().len()), ("ApprovalUndeliverable", mails_before), "whoever can be mailed is");
        assert_eq!((posted(&ports), events(&ports).len()), (0, 0), "the news waits for the attempt that succeeds");
        ports.desk.clock.advance(SignedDuration::from_secs(2));
        ask_with(&ports, input("token-2")).await.unwrap();
        let record = stored(&ports);
        let links_before = if call == "Mail.send" { 2 } else { 0 };
        assert_eq!((record.generation, record.task_token.expose(), record.superseded.len()), (2, "token-2", links_before));
        assert_eq!((ports.desk.mail.sent().len(), posted(&ports)), (mails_before + 2, 1));
        assert_eq!(record.bearer(&link(ports.desk.mail.sent().last().unwrap()).secret.hash()), Bearer::Approver(1));
        let generations: Vec<_> = events(&ports).into_iter().filter(|(_, event)| !matches!(event, Event::Mailed { .. })).collect();
        assert!(
            matches!(generations.as_slice(), [(1, Event::Asked { .. }), (1, Event::Superseded), (2, Event::Asked { .. })]),
            "{generations:?}"
        );
    }
}

#[tokio::test]
async fn what_has_happened_is_in_the_audit_before_the_question_is_put_again() {
    let ports = world(&PEOPLE[..2], 2);
    ask_with(&ports, input("token-1")).await.unwrap();
    let record = stored(&ports);
    let Click::Counts(one) = record.click(0, Decision::Approve { comment: None }, record.asked_at) else { panic!("it counts") };
    ports.desk.approvals.replace(Some(&record), &one).await.unwrap();
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    ports.desk.gate.plan("Audit.append", Fate::FailsBefore);
    let error = ask_with(&ports, input("token-2")).await.unwrap_err();
    assert_eq!((error.name(), stored(&ports).generation), ("StorageUnavailable", 1), "what nobody has written down is not forgotten");
    ask_with(&ports, input("token-2")).await.unwrap();
    assert!(events(&ports).contains(&(1, Event::Answered { decision: Decision::Approve { comment: None } })));
    assert!(stored(&ports).approvers.iter().all(|approver| approver.answer.is_none()), "the new question has no answer yet");
}

#[tokio::test]
async fn news_that_cannot_be_told_are_left_to_the_watch() {
    let ports = world(&PEOPLE[..1], 1);
    let down = || PostError::NotPosted("connection refused".into());
    let desk = MemoryDesk { channel: Some(MemoryChannel::failing([down()])), ..ports.desk.clone() };
    let ports = Ports { desk, ..ports };
    ports.desk.gate.plan("Audit.entries", Fate::FailsBefore);
    ask_with(&ports, input("token-1")).await.unwrap();
    let record = stored(&ports);
    assert_eq!((posted(&ports), record.announcement_due()), (0, Some(Said::Question(1))));
    assert!(!audit::missing(&record, &ports.desk.audit.chain(&record.id)).is_empty());
    assert_eq!(ports.desk.mail.sent().len(), 1);
}

#[tokio::test]
async fn mails_that_are_out_but_not_marked_fail_no_step() {
    let ports = world(&PEOPLE[..1], 1);
    for fate in [Fate::Works, Fate::Works, Fate::FailsBefore, Fate::FailsBefore, Fate::FailsBefore] {
        ports.desk.gate.plan("Approvals.replace", fate);
    }
    ask_with(&ports, input("token-1")).await.unwrap();
    assert_eq!((ports.desk.mail.sent().len(), stored(&ports).generation, posted(&ports)), (1, 1, 1));
}

#[tokio::test]
async fn an_event_that_comes_again_after_its_attempt_has_died_takes_the_question_from_nobody() {
    let ports = world(&PEOPLE[..1], 1);
    ask_with(&ports, input("token-1")).await.unwrap();
    ports.desk.tasks.time_out(&read(input("token-1")).task_token);
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    ask_with(&ports, input("token-2")).await.unwrap();
    let (record, mails) = (stored(&ports), ports.desk.mail.sent().len());
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    ask_with(&ports, input("token-1")).await.unwrap();
    assert_eq!((stored(&ports), ports.desk.mail.sent().len()), (record, mails));
}

#[tokio::test]
async fn an_answer_to_an_attempt_that_had_died_is_handed_to_the_next_one() {
    let ports = world(&PEOPLE[..1], 1);
    ask_with(&ports, input("token-1")).await.unwrap();
    let record = stored(&ports);
    let Click::Counts(decided) = record.click(0, Decision::Approve { comment: None }, record.asked_at) else { panic!("it counts") };
    ports.desk.approvals.replace(Some(&record), &decided).await.unwrap();

    let again = read(input("token-2"));
    ports.desk.tasks.wait(&again.task_token);
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    super::put(&ports, again).await.unwrap();
    let verdict = serde_json::to_string(decided.undelivered().unwrap()).unwrap();
    assert_eq!(ports.desk.tasks.outcome(&read(input("token-2")).task_token), Some(Wait::Answered(verdict)));
    assert_eq!(ports.desk.mail.sent().len(), 1, "nobody is asked twice for the same build");
    assert_eq!(stored(&ports).announcement.said, Said::Outcome(2));
    assert!(events(&ports).iter().any(|(_, event)| *event == Event::Delivered));

    ports.objects.put(&staged("part-0.parquet"), "other rows");
    ask_with(&ports, input("token-3")).await.unwrap();
    assert_eq!((stored(&ports).status, ports.desk.mail.sent().len()), (ApprovalStatus::Pending, 2), "another build is another question");
}

#[tokio::test]
async fn an_answer_that_cannot_be_handed_over_now_is_left_to_the_watch() {
    let ports = world(&PEOPLE[..1], 1);
    ask_with(&ports, input("token-1")).await.unwrap();
    let record = stored(&ports);
    let Click::Counts(decided) = record.click(0, Decision::Approve { comment: None }, record.asked_at) else { panic!("it counts") };
    ports.desk.approvals.replace(Some(&record), &decided).await.unwrap();
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    ports.desk.gate.plan("Tasks.succeed", Fate::FailsBefore);
    ask_with(&ports, input("token-2")).await.unwrap();
    assert!(matches!(stored(&ports).status, ApprovalStatus::Decided { handover: Handover::Due, .. }));
    assert_eq!(ports.desk.watches.begun().last().unwrap().0.generation, 2);
}

#[tokio::test]
async fn a_start_that_is_repeated_after_the_answer_asks_nobody() {
    let ports = world(&PEOPLE[..1], 1);
    ask_with(&ports, input("token-1")).await.unwrap();
    let record = stored(&ports);
    ports.desk.approvals.expire(&record.id, record.expires_at);
    ask_with(&ports, input("token-1")).await.unwrap();
    assert_eq!((stored(&ports).status.name(), ports.desk.mail.sent().len()), ("EXPIRED", 1));
}

#[tokio::test]
async fn a_build_that_cannot_be_shown_asks_nobody() {
    let write = |change: fn(&mut Summary)| {
        let ports = world(&PEOPLE, 1);
        let mut summary = built().summary;
        change(&mut summary);
        ports.objects.put(&staged("_summary.json"), serde_json::to_vec(&summary).unwrap());
        ports
    };
    let garbled = world(&PEOPLE, 1);
    garbled.objects.put(&staged("_summary.json"), "{");
    let mut nothing = world(&PEOPLE, 1);
    nothing.objects = MemoryObjects::behind(&nothing.desk.gate);
    for (ports, problem) in [
        (write(|summary| summary.run_date = "2026-11-19".parse().unwrap()), "it is the build of 2026-11-19 by 2026-11-20-a1"),
        (write(|summary| summary.run_id = "another".to_owned()), "it is the build of 2026-11-20 by another"),
        (garbled, "EOF"),
        (nothing, "it has no _summary.json"),
    ] {
        let error = ask_with(&ports, input("token-1")).await.unwrap_err();
        assert_eq!(error.name(), "EvidenceUnreadable");
        assert_eq!(error.to_string(), format!("what lies at {} cannot be shown to anybody", built().staged_uri));
        assert!(std::error::Error::source(&error).unwrap().to_string().contains(problem), "{error:?}");
        assert!(nothing_happened(&ports));
    }
}

#[tokio::test]
async fn whoever_began_it_is_not_asked_alone() {
    for (people, started_by, refused) in [
        (&PEOPLE[..1], json!("A.Berg@nordvik.example"), true),
        (&PEOPLE[..1], json!(""), true),
        (&PEOPLE[..1], json!(null), true),
        (&PEOPLE[..1], json!("b.osei@nordvik.example"), false),
        (&PEOPLE[..1], json!("schedule"), false),
        (&PEOPLE[..2], json!("a.berg@nordvik.example"), false),
        (&PEOPLE[..2], json!(""), false),
    ] {
        let ports = world(people, 1);
        let asked = ask_with(&ports, changed(input("token-1"), json!({"startedBy": started_by}))).await;
        if refused {
            assert_eq!(asked.unwrap_err().name(), "NoOtherApprover", "{started_by}");
            assert!(nothing_happened(&ports));
        } else {
            asked.unwrap();
        }
    }
    let null: Request = read(serde_json::from_str(&input("token").to_string().replace("\"schedule\"", "null")).unwrap());
    assert_eq!(null.started_by, nightly_domain::people::Starter::Unnamed, "a definition sends null for nothing");
}

#[tokio::test]
async fn a_request_is_asked_in_its_own_words() {
    let ports = world(&PEOPLE[..2], 1);
    ask_with(&ports, asking(json!({"request": {"question": "Delete\n1,204\u{202e} partitions?"}}))).await.unwrap();
    let Subject::Request(request) = stored(&ports).evidence.subject else { panic!("it is a request") };
    assert_eq!(request.question, "Delete 1,204 partitions?", "on one line, and as it is read");
    assert_eq!(stored(&ports).evidence.digest, EvidenceDigest::of_request(&request, &[]));
    assert!(ports.desk.mail.sent()[0].text.contains("\n  Oldest partition: 2016-01-01\n"));
    assert!(!ports.desk.gate.calls().contains(&"Objects.list"), "there is nothing to look at");
}

#[tokio::test]
async fn a_request_is_bound_to_the_objects_that_it_names() {
    let ports = world(&PEOPLE[..2], 1);
    let bound = || asking(json!({"request": {"boundUri": "s3://lake/old/"}}));
    let error = ask_with(&ports, bound()).await.unwrap_err();
    assert_eq!((error.name(), nothing_happened(&ports)), ("EvidenceUnreadable", true), "there is nothing to be bound to");
    ports.objects.put(&"s3://lake/old/a".parse().unwrap(), "rows");
    ask_with(&ports, bound()).await.unwrap();
    let digest = stored(&ports).evidence.digest;
    ports.objects.put(&"s3://lake/old/a".parse().unwrap(), "other rows");
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    ask_with(&ports, bound()).await.unwrap();
    assert_ne!(stored(&ports).evidence.digest, digest);
}

#[tokio::test]
async fn what_a_list_of_one_becomes_is_a_list_of_one() {
    let ports = world(&PEOPLE, 1);
    let one = asking(json!({"approvers": "B.Osei@nordvik.example", "request": {"facts": {"name": "Partitions", "value": "1"}}}));
    ask_with(&ports, one).await.unwrap();
    let Subject::Request(request) = stored(&ports).evidence.subject else { panic!("it is a request") };
    assert_eq!((request.facts.len(), recipients(&ports)), (1, vec![PEOPLE[1].to_owned()]), "written as the mail finds them");
}

#[tokio::test]
async fn some_of_those_who_can_be_asked_are() {
    let ports = world(&PEOPLE, 1);
    let some = asking(json!({"approvers": [PEOPLE[2], DEPUTY, "C.Marchetti@nordvik.example"], "requiredApprovals": 2}));
    ask_with(&ports, some).await.unwrap();
    assert_eq!((recipients(&ports), stored(&ports).required), (vec![PEOPLE[2].to_owned(), DEPUTY.to_owned()], 2));
    assert_eq!(stored(&ports).deputies, [], "a deputy who is asked already stands in for nobody");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_named() {
    let long = "x".repeat(501);
    for (fields, problem) in [
        (json!({"extensionSeconds": 3600}), "the input's extensionSeconds leave no time to answer: 3600 of 3600 seconds"),
        (json!({"timeoutSeconds": 0, "extensionSeconds": 0}), "the input's extensionSeconds leave no time to answer: 0 of 0 seconds"),
        (
            json!({"approvers": [PEOPLE[0], "e.vil@elsewhere.example"]}),
            "the input's approvers name somebody, in place 2, who is no configured approver or deputy",
        ),
        (json!({"requiredApprovals": 4}), "the input's requiredApprovals cannot be met: 4 approvals of 3 people cannot be had"),
        (json!({"requiredApprovals": 0}), "the input's requiredApprovals cannot be met: 0 approvals of 3 people cannot be had"),
        (json!({"approvers": [PEOPLE[0]]}), "the input's approvers cannot be met: 2 approvals of 1 people cannot be had"),
        (json!({"request": null}), "the input's build or request is missing"),
        (json!({"build": input("token")["build"]}), "the input's build and request exclude each other"),
        (json!({"request": {"question": " \n"}}), "the input's request.question says nothing"),
        (json!({"request": {"consequence": long}}), "the input's request.consequence has 501 characters, and no more than 500 are shown"),
        (
            json!({"request": {"facts": [{"name": "a", "value": "1"}, {"name": "b", "value": ""}]}}),
            "the input's request.facts[1].value says nothing",
        ),
        (
            json!({"request": {"facts": vec![json!({"name": "a", "value": "1"}); 41]}}),
            "the input's request.facts are 41, and no more than 40 are shown",
        ),
        (
            json!({"request": {"boundUri": "s3://lake/old"}}),
            "the input's request.boundUri is no prefix that ends in a slash: s3://lake/old",
        ),
    ] {
        let ports = world(&PEOPLE, 2);
        let error = ask_with(&ports, asking(fields)).await.unwrap_err();
        assert_eq!(error.name(), "InvalidInput", "{problem}");
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        assert_eq!(format!("{error}{cause}"), problem);
        assert!(nothing_happened(&ports));
    }
    let open = changed(input("token"), json!({"build": {"stagedUri": "s3://work/apply-fx"}}));
    let error = ask_with(&world(&PEOPLE, 1), open).await.unwrap_err();
    assert_eq!(error.to_string(), "the input's build.stagedUri is no prefix that ends in a slash: s3://work/apply-fx");
}

#[test]
fn a_mistyped_field_is_refused_and_not_passed_over() {
    for fields in
        [json!({"requiredApproval": 2}), json!({"request": {"boundURI": "s3://lake/old/"}}), json!({"request": {"facts": [{"name": "a"}]}})]
    {
        let error = serde_json::from_value::<Request>(asking(fields)).unwrap_err().to_string();
        assert!(error.contains("unknown field `") || error.contains("missing field `value`"), "{error}");
    }
}

/// What is left of a night of November.
fn record(day: u32, outcome: &str, change: impl FnOnce(&mut Summary)) -> (String, String) {
    let date = format!("2026-11-{day:02}");
    let mut summary = built().summary;
    summary.run_date = date.parse().unwrap();
    summary.revenue_base = day.into();
    change(&mut summary);
    let mut record =
        json!({"run_date": date, "run_id": "x", "outcome": outcome, "summary": summary, "steps": [], "news": {"slack": "PENDING"}});
    if outcome == "FAILED" {
        record["state"] = json!("ApplyFx");
        record["error"] = json!("MalformedRow");
    }
    (date, record.to_string())
}

async fn compared(records: impl IntoIterator<Item = (String, String)>) -> Vec<PublishedNight> {
    let ports = world(&PEOPLE, 1);
    put(&ports, records);
    ask_with(&ports, input("token-1")).await.unwrap();
    stored(&ports).evidence.build().unwrap().published.clone()
}

fn put(ports: &World, records: impl IntoIterator<Item = (String, String)>) {
    for (date, record) in records {
        ports.objects.put(&format!("s3://site/nights/{date}.json").parse().unwrap(), record);
        ports.objects.put(&format!("s3://site/nights/{date}.html").parse().unwrap(), "a page");
    }
}

fn days(nights: &[PublishedNight]) -> Vec<i8> {
    nights.iter().map(|night| night.run_date.date().day()).collect()
}

#[tokio::test]
async fn a_build_is_compared_with_the_nights_that_were_published_last() {
    let published = compared((1..=21).map(|day| {
        let outcome = if day == 18 {
            "FAILED"
        } else if day == 17 {
            "REJECTED"
        } else {
            "PUBLISHED"
        };
        record(day, outcome, |summary| {
            if day == 16 {
                summary.base_currency = "USD".to_owned();
            }
        })
    }))
    .await;
    assert_eq!(days(&published), [19, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3], "newest first, before the run date");
    assert_eq!((published[0].revenue_base, published[0].order_lines), (19.into(), 48_212));
    assert_eq!(published[0].categories, built().summary.categories);
}

#[tokio::test]
async fn a_record_that_cannot_be_used_is_passed_over() {
    let (_, of_the_fifth) = record(5, "PUBLISHED", |_| {});
    let (_, without_figures) = record(14, "PUBLISHED", |_| {});
    let without_figures = without_figures.replace("\"summary\"", "\"_summary\"");
    let records = [
        ("2026-11-19".to_owned(), "{".to_owned()),
        ("2026-11-18".to_owned(), of_the_fifth),
        ("2026-11-17".to_owned(), "{\"outcome\": \"PUBLISHED\"}".to_owned()),
        ("2026-11-14".to_owned(), without_figures),
        ("yesterday".to_owned(), "{}".to_owned()),
        record(16, "PUBLISHED", |_| {}),
    ];
    assert_eq!(days(&compared(records).await), [16]);
}

#[tokio::test]
async fn nights_that_cannot_be_read_keep_no_question_from_being_put() {
    for (call, works_before, days_left) in [("Objects.list", 1, vec![]), ("Objects.read", 1, vec![18]), ("Objects.read", 2, vec![19])] {
        let ports = world(&PEOPLE, 1);
        put(&ports, [record(19, "PUBLISHED", |_| {}), record(18, "PUBLISHED", |_| {})]);
        (0..works_before).for_each(|_| ports.desk.gate.plan(call, Fate::Works));
        ports.desk.gate.plan(call, Fate::FailsBefore);
        ask_with(&ports, input("token-1")).await.unwrap();
        assert_eq!(days(&stored(&ports).evidence.build().unwrap().published), days_left, "{call} {works_before}");
        assert_eq!(ports.desk.mail.sent().len(), 3);
    }
}

#[tokio::test]
async fn nights_with_more_categories_than_a_record_holds_are_left_out() {
    let many = |summary: &mut Summary| {
        let category = summary.categories[0].clone();
        summary.categories = vec![category; 900];
    };
    let published = compared((10..20).map(|day| record(day, "PUBLISHED", many))).await;
    assert_eq!(days(&published), [19, 18]);
}

#[tokio::test]
async fn nothing_secret_leaves_but_in_the_approvers_own_mail() {
    let ports = world(&PEOPLE[..2], 1);
    ports.desk.gate.plan("Mail.send", Fate::Works);
    ports.desk.gate.plan("Mail.send", Fate::FailsAfter);
    let error = ask_with(&ports, input("canary-token")).await.unwrap_err();
    ports.desk.clock.advance(SignedDuration::from_secs(2));
    ask_with(&ports, input("canary-token")).await.unwrap();
    let sent = ports.desk.mail.sent();
    let secrets: Vec<_> = sent.iter().map(|mail| link(mail).address("").rsplit('/').next().unwrap().to_owned()).collect();
    let news = ports.desk.channel.as_ref().unwrap().posted();
    let audit = ports.desk.audit.chain(&stored(&ports).id);
    let request = read(changed(input("canary-token"), json!({"approvers": [PEOPLE[0]], "startedBy": PEOPLE[0]})));
    let shown = format!("{error} {error:?} {:?} {request:?} {:?} {news:?}", stored(&ports), ports.desk.watches.begun());
    for hidden in secrets.iter().map(String::as_str).chain(["canary-token", "a.berg"]) {
        assert!(!shown.contains(hidden), "{hidden} is shown: {shown}");
        assert!(hidden == "a.berg" || !format!("{audit:?}").contains(hidden), "the audit knows people, and no secret");
    }
    for (place, mail) in sent.iter().enumerate() {
        let others = secrets.iter().enumerate().filter(|(other, _)| *other != place);
        assert!(others.into_iter().all(|(_, secret)| !mail.text.contains(secret)) && !mail.text.contains("canary-token"));
    }
}

#[test]
fn the_sample_event_is_what_the_function_takes() {
    let request: Request = serde_json::from_str(include_str!("../../../events/approval-request.json")).unwrap();
    let Ok(Matter::Build(StagedBuild { quality: Quality { rules, .. }, .. })) = request.matter() else { panic!("it is a build") };
    assert_eq!(rules.len(), 3);
    assert!(request.deadlines("2026-11-21T02:24:00Z".parse().unwrap()).is_ok());
}

/// What the definition sends where nobody is to be asked.
fn waived(waiver: &Value) -> Value {
    let asked = changed(input("token-1"), json!({"taskToken": null, "timeoutSeconds": null, "extensionSeconds": null}));
    changed(asked, json!({"startedBy": "b.osei@nordvik.example", "waiver": waiver}))
}

async fn waive_with(ports: &World, input: Value) -> Result<Value, NotAsked> {
    let verdict = handle(ports, serde_json::from_value(input).unwrap()).await?;
    Ok(serde_json::to_value(verdict).unwrap())
}

#[tokio::test]
async fn where_nobody_is_asked_the_build_is_bound_all_the_same_and_the_audit_says_why() {
    let ports = world(&PEOPLE[..2], 2);
    let verdict = waive_with(&ports, waived(&json!({"kind": "FLAG"}))).await.unwrap();
    let digest = EvidenceDigest::of(&built().staged_uri, &ports.objects.list(&built().staged_uri).await.unwrap()).to_string();
    let expected = json!({
        "decision": "APPROVED", "at": "2026-11-21T02:24:00.5Z", "evidenceDigest": digest, "orderLines": built().summary.order_lines,
        "waiver": {"kind": "FLAG"},
    });
    assert_eq!(verdict, expected);
    assert!(nothing_happened(&ports), "nobody is mailed, and no question is open");

    // A lost answer has the step tried again: that is the same waiver.
    waive_with(&ports, waived(&json!({"kind": "FLAG"}))).await.unwrap();
    let chain = ports.desk.audit().entries(&"01jd4q8m-2k".parse().unwrap()).await.unwrap();
    let [entry] = &chain[..] else { panic!("it is noted once: {chain:?}") };
    let Event::Waived { started_by, evidence_digest, .. } = entry.occurrence().unwrap().event else { panic!("{entry:?}") };
    assert_eq!((String::from(started_by).as_str(), evidence_digest), ("b.osei@nordvik.example", digest));
}

#[tokio::test]
async fn a_build_that_was_approved_with_others_names_who_approved_them_and_when() {
    let ports = world(&PEOPLE, 1);
    let batch = json!({"kind": "BATCH", "executionArn": "arn:of:question-1", "by": "A. Berg", "at": "2026-11-21T01:02:03Z"});
    let verdict = waive_with(&ports, waived(&batch)).await.unwrap();
    assert_eq!((&verdict["by"], &verdict["at"], &verdict["waiver"]), (&json!("A. Berg"), &json!("2026-11-21T01:02:03Z"), &batch));
}

#[tokio::test]
async fn what_is_not_there_is_bound_by_no_waiver() {
    let ports = world(&PEOPLE, 1);
    let elsewhere = changed(waived(&json!({"kind": "FLAG"})), json!({"build": {"runId": "2026-11-20-b2"}}));
    assert_eq!(waive_with(&ports, elsewhere).await.unwrap_err().name(), "EvidenceUnreadable");
    let no_prefix = changed(waived(&json!({"kind": "FLAG"})), json!({"build": {"stagedUri": "s3://work/a"}}));
    assert_eq!(waive_with(&ports, no_prefix).await.unwrap_err().name(), "InvalidInput");
    let unknown = serde_json::from_value::<crate::Event>(waived(&json!({"kind": "MOOD"})));
    assert!(unknown.unwrap_err().to_string().contains("MOOD"));
}
