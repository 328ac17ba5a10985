//! The sample events are what the functions take: `events/` is what a newcomer tries first.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lambda_http::http::Method;
use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{ExecutionEnd, MemoryHistories};
use nightly_domain::link::{ApprovalId, Secret};
use nightly_domain::memory::{ManualClock, MemoryMailingList, MemoryObjects};
use nightly_domain::nights::MemoryNights;
use nightly_domain::ports::Watch;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stakeholder_notify::NotifyError;

use crate::asl::{self, Scope, choose, state};
use crate::project;

fn event(name: &str) -> Value {
    serde_json::from_str(&project::read(&format!("events/{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn both_ways_to_start_a_night_build_the_same_day() {
    let definition = asl::deployed(&[]);
    for name in ["scheduler", "start-by-hand"] {
        let context = json!({"Execution": {"Name": "night-1", "StartTime": "2026-11-21T01:00:03.123Z"}});
        let mut scope = Scope::new(json!({"input": event(name), "context": context}));
        scope.assign(&state(&definition, "ResolveRun").fields["Assign"]).expect(name);
        assert_eq!(choose(state(&definition, "CheckRunDate"), &mut scope).expect(name), "CheckFlags");
        assert_eq!(scope.variables["runDate"], "2026-11-20", "{name}");
        let starter = if name == "scheduler" { "schedule" } else { "a.berg@nordvik.example" };
        assert_eq!(scope.variables["startedBy"], starter, "{name}");
    }
}

#[test]
fn another_state_machines_question_is_read_as_it_is_sent() {
    let definition = asl::QUESTION.deployed(&[]);
    let states = json!({
        "input": event("question"),
        "context": {"Task": {"Token": "token"}, "Execution": {"Id": "arn:aws:states:eu-central-1:123456789012:execution:question:1"}},
    });
    let scope = Scope::new(states).with("approvalId", json!("6f3c1d9e-0000-4000-8000-000000000000"));
    let payload = scope.evaluate(&state(&definition, "Ask").fields["Arguments"]["Payload"]).expect("it evaluates");
    let request: approval_request::Request = serde_json::from_value(payload).expect("approval-request takes it");
    assert_eq!(request.timeout_seconds, 7200);
}

#[test]
fn a_backfill_is_started_with_every_field_that_it_has() {
    let definition = asl::BACKFILL.deployed(&[]);
    let context = json!({"Execution": {"Name": "backfill-1", "StartTime": "2026-11-21T09:00:03.123Z"}});
    let mut scope = Scope::new(json!({"input": event("backfill"), "context": context}));
    scope.assign(&state(&definition, "ReadInput").fields["Assign"]).expect("it reads its input");
    assert_eq!(choose(state(&definition, "CheckInput"), &mut scope).expect("it chooses"), "ReadNights");
    assert_eq!((&scope.variables["approval"], &scope.variables["startedBy"]), (&json!("BATCH"), &json!("a.berg@nordvik.example")));
}

#[test]
fn the_functions_of_the_night_read_what_its_states_send() {
    let definition = asl::deployed(&[]);
    for (name, task) in
        [("fx-fetch", "EnrichCurrency"), ("approval-request", "ManualApproval"), ("approval-request-waived", "WaiveApproval")]
    {
        assert_eq!(keys(&event(name)), keys(&state(&definition, task).fields["Arguments"]["Payload"]), "{name}");
    }
    let build = &state(&definition, "ManualApproval").fields["Arguments"]["Payload"]["build"];
    assert_eq!(keys(&event("approval-request")["build"]), keys(build));
    let notice = &state(&definition, "CountAgrees").list("Choices")[0]["Assign"]["notice"];
    assert_eq!(keys(&event("stakeholder-notify")), keys(notice));
    let unpublished = &state(&definition, "ApprovalNeeded").list("Choices")[0]["Assign"]["notice"];
    assert_eq!(keys(&event("stakeholder-notify-built")), keys(unpublished));

    serde_json::from_value::<fx_fetch::Request>(event("fx-fetch")).expect("fx-fetch takes it");
    let request: approval_request::Request = serde_json::from_value(event("approval-request")).expect("approval-request takes it");
    assert_eq!(request.timeout_seconds, 3600);
    let waived: approval_request::Event = serde_json::from_value(event("approval-request-waived")).expect("approval-request takes it");
    assert!(matches!(waived, approval_request::Event::Waive(_)), "{waived:?}");
    serde_json::from_value::<Watch>(event("approval-watch")).expect("approval-watch takes it");
}

#[test]
fn an_approval_id_of_the_definition_is_one_for_the_functions() {
    let definition = asl::deployed(&[]);
    let mut scope =
        Scope::new(json!({"input": {}, "context": {"Execution": {"Name": "night-1", "StartTime": "2026-11-21T01:00:03.123Z"}}}));
    scope.assign(&state(&definition, "ResolveRun").fields["Assign"]).expect("it resolves");
    scope.variables["approvalId"].as_str().expect("an id is text").parse::<ApprovalId>().expect("the id fits");
}

#[tokio::test]
async fn a_notice_is_read_whether_it_comes_at_once_or_from_the_queue() {
    let settings = stakeholder_notify::Settings {
        environment: "dev".to_owned(),
        stack: "nightly-dev".to_owned(),
        site_bucket: "site".to_owned(),
        status_page_url: None,
        runbook_url: None,
        published_by: jiff::civil::time(5, 0, 0, 0),
        dpu_hour_price: Decimal::new(44, 2),
    };
    let ports = stakeholder_notify::Ports {
        objects: MemoryObjects::default(),
        histories: MemoryHistories::default(),
        registry: MemoryNights::default(),
        channel: None::<nightly_domain::channel::MemoryChannel>,
        mailing_list: None::<MemoryMailingList>,
        list_of_topic: |_: &str| MemoryMailingList::default(),
        metrics: |_: &Value| {},
        clock: ManualClock::at(Timestamp::UNIX_EPOCH),
        settings,
    };
    for name in ["stakeholder-notify", "stakeholder-notify-queued"] {
        // It reads the notice and goes on to the summary that the notice names.
        let error = stakeholder_notify::handle(&ports, event(name)).await.expect_err("there is no summary");
        assert!(matches!(&error, NotifyError::NoSummary(uri) if uri.to_string().ends_with("/apply-fx/_summary.json")), "{name}: {error:?}");
    }
    let queued: Value = serde_json::from_str(event("stakeholder-notify-queued")["Records"][0]["body"].as_str().expect("a body is text"))
        .expect("it is JSON");
    assert_eq!(queued, event("stakeholder-notify"));
}

#[tokio::test]
async fn an_ending_is_read_whether_it_comes_at_once_or_from_the_queue() {
    let ended = event("stakeholder-notify-ended");
    let execution = ended_execution(&ended);
    let queued = json!({"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": ended.to_string()}]});
    for event in [ended, queued] {
        let (subject, _) = mailed(&execution, event).await;
        assert!(subject.contains("RatesUnavailable") && subject.contains("20 Nov 2026"), "{subject}");
    }
}

#[tokio::test]
async fn a_rejection_is_told_with_the_person_and_the_reason_that_the_definition_writes() {
    let definition = asl::deployed(&[]);
    let verdict = json!({"by": "B. Osei", "at": "2026-11-21T02:39:57Z", "reason": "Shoes: «odd» at best", "decision": "REJECTED"});
    let scope = Scope::new(json!({})).with("runDate", json!("2026-11-20")).with("verdict", verdict);
    let cause = scope.evaluate(&state(&definition, "ApprovalRejected").fields["Cause"]).expect("it evaluates");
    let event = event("stakeholder-notify-ended");
    let mut execution = ended_execution(&event);
    let ending = execution.ending.as_mut().expect("it has ended");
    ending.end = ExecutionEnd::Failed { error: "ApprovalRejected".to_owned() };
    ending.cause = cause.as_str().map(str::to_owned);
    let (_, text) = mailed(&execution, event).await;
    assert!(text.contains("was rejected by B. Osei.") && text.contains("Reason: Shoes: «odd» at best\n"), "{text}");
}

/// The execution that the event is about, as Step Functions describes it.
fn ended_execution(event: &Value) -> Execution {
    let detail = &event["detail"];
    let text = |name: &str| detail[name].as_str().unwrap_or_else(|| panic!("the event has no {name}")).to_owned();
    let instant = |name: &str| Timestamp::from_millisecond(detail[name].as_i64().expect("milliseconds")).expect("an instant");
    Execution {
        arn: text("executionArn"),
        state_machine_arn: text("stateMachineArn"),
        started_at: instant("startDate"),
        input: text("input"),
        redrives: 0,
        ending: Some(Ending {
            end: ExecutionEnd::Failed { error: text("error") },
            at: instant("stopDate"),
            cause: Some(text("cause")),
            redrivable: true,
        }),
    }
}

/// The one mail that comes of an event about this execution: subject and text.
async fn mailed(execution: &Execution, event: Value) -> (String, String) {
    let mailing_list = MemoryMailingList::default();
    let ports = stakeholder_notify::Ports {
        objects: MemoryObjects::default(),
        histories: MemoryHistories::default().with(&execution.arn, Vec::new()).with_execution(execution.clone()),
        registry: MemoryNights::default(),
        channel: None::<nightly_domain::channel::MemoryChannel>,
        mailing_list: Some(mailing_list.clone()),
        list_of_topic: |_: &str| mailing_list.clone(),
        metrics: |_: &Value| {},
        clock: ManualClock::at(Timestamp::UNIX_EPOCH),
        settings: stakeholder_notify::Settings {
            environment: "prod".to_owned(),
            stack: "nightly-prod".to_owned(),
            site_bucket: "site".to_owned(),
            status_page_url: None,
            runbook_url: None,
            published_by: jiff::civil::time(5, 0, 0, 0),
            dpu_hour_price: Decimal::new(44, 2),
        },
    };
    stakeholder_notify::handle(&ports, event).await.expect("it is told");
    let mut sent = mailing_list.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

#[test]
fn the_pages_requests_carry_a_link_and_a_form() {
    for (name, method) in [("approval-callback-get", Method::GET), ("approval-callback-post", Method::POST)] {
        let event = event(name);
        let request = lambda_http::request::from_str(&event.to_string()).expect(name);
        assert_eq!(request.method(), method);
        let parameters = &event["pathParameters"];
        let (id, secret) = (parameters["id"].as_str().expect("an id"), parameters["secret"].as_str().expect("a secret"));
        assert_eq!(request.uri().path(), format!("/approvals/{id}/{secret}"));
        id.parse::<ApprovalId>().expect("the id fits");
        secret.parse::<Secret>().expect("the secret fits");
        // API Gateway hands a form over in base64.
        let form = std::str::from_utf8(request.body().as_ref()).expect("a form is text");
        assert_eq!(form, if method == Method::POST { "decision=approve&seen=yes&comment=Looks+right" } else { "" });
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an event is an object").keys().map(String::as_str).collect()
}
