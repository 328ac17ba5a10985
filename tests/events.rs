//! The sample events are what the functions take: `events/` is what a newcomer tries first.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lambda_http::http::Method;
use nightly_domain::history::MemoryHistories;
use nightly_domain::link::{ApprovalId, Secret};
use nightly_domain::memory::{ManualClock, MemoryObjects};
use nightly_domain::ports::Watch;
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
fn the_functions_of_the_night_read_what_its_states_send() {
    let definition = asl::deployed(&[]);
    for (name, task) in [("fx-fetch", "EnrichCurrency"), ("approval-request", "ManualApproval")] {
        assert_eq!(keys(&event(name)), keys(&state(&definition, task).fields["Arguments"]["Payload"]), "{name}");
    }
    let build = &state(&definition, "ManualApproval").fields["Arguments"]["Payload"]["build"];
    assert_eq!(keys(&event("approval-request")["build"]), keys(build));
    let notice = &state(&definition, "CountAgrees").list("Choices")[0]["Assign"]["notice"];
    assert_eq!(keys(&event("stakeholder-notify")), keys(notice));

    serde_json::from_value::<fx_fetch::Request>(event("fx-fetch")).expect("fx-fetch takes it");
    let request: approval_request::Request = serde_json::from_value(event("approval-request")).expect("approval-request takes it");
    assert_eq!(request.timeout_seconds, 3600);
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
    let settings = stakeholder_notify::Settings { environment: "dev".to_owned(), site_bucket: "site".to_owned(), status_page_url: None };
    let ports = stakeholder_notify::Ports {
        objects: MemoryObjects::default(),
        histories: MemoryHistories::default(),
        channel: None::<nightly_domain::channel::MemoryChannel>,
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
