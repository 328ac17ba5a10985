//! The judge is judged: a recording that was tampered with must not agree, whatever was changed in it.

use std::cmp::Ordering;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::agreement::Disagreement;
use crate::answers::{InputOutput, Validation};
use crate::histories::{Sides, compare};
use crate::recording::{Recording, holds_the_end, kind};
use crate::replay::{Replay, replay};
use crate::states::Trial;
use crate::{all, folder, one};

/// Tampers with one event; tells whether it found something to change.
type Corrupt = fn(&mut Vec<Value>, usize) -> bool;

/// Ways to tamper.
const CORRUPTIONS: [(&str, Corrupt); 9] = [
    ("a missing event", |events, index| {
        events.remove(index);
        // A recording that AWS cut off is compared as far as it goes.
        holds_the_end(events) || index < events.len()
    }),
    ("an event twice", |events, index| {
        events.insert(index, events[index].clone());
        holds_the_end(events)
    }),
    ("a wrong id", |events, index| change(&mut events[index]["id"], json!(4711))),
    ("a wrong previous id", |events, index| change(&mut events[index]["previousEventId"], json!(4711))),
    ("another type", |events, index| change(&mut events[index]["type"], json!("SucceedStateExited"))),
    ("another output", |events, index| change_detail(&mut events[index], "output", json!({ "corrupted": true }))),
    ("another input", |events, index| change_detail(&mut events[index], "input", json!("[4711]"))),
    ("another cause", |events, index| change_detail(&mut events[index], "cause", json!("Another cause."))),
    ("no error", |events, index| remove_detail(&mut events[index], "error")),
];

fn change(value: &mut Value, to: Value) -> bool {
    let changes = *value != to;
    *value = to;
    changes
}

fn detail<'a>(event: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let (_, details) = event.as_object_mut()?.iter_mut().find(|(name, _)| name.ends_with("EventDetails"))?;
    details.get_mut(name)
}

fn change_detail(event: &mut Value, name: &str, to: Value) -> bool {
    detail(event, name).is_some_and(|value| change(value, to))
}

fn remove_detail(event: &mut Value, name: &str) -> bool {
    let details = event.as_object_mut().and_then(|fields| fields.iter_mut().find(|(name, _)| name.ends_with("EventDetails")));
    details.and_then(|(_, details)| details.as_object_mut()).is_some_and(|details| details.remove(name).is_some())
}

/// Tampers with every event in every way; gives what the judge didn't see, and how often it looked.
fn unseen(recording: &Recording, replay: &Replay) -> (Vec<String>, usize) {
    let (mut unseen, mut looked) = (Vec::new(), 0);
    let mut sides = Sides::of(recording, replay);
    let untouched = sides.recorded.clone();
    for (what, corrupt) in CORRUPTIONS {
        // Ids say nothing where the order is AWS's own.
        if recording.is_interleaved() && what.ends_with("id") {
            continue;
        }
        for index in 0..untouched.len() {
            if corrupt(&mut sides.recorded, index) {
                looked += 1;
                if sides.compare(recording).is_ok() {
                    let event = kind(&untouched[index]).unwrap_or_default();
                    unseen.push(format!("{}: {what}: event {} {event}", recording.id, index + 1));
                }
            }
            restore(&mut sides.recorded, &untouched, index);
        }
    }
    (unseen, looked)
}

/// Undoes what was done at one event: the rest needn't be copied.
fn restore(events: &mut Vec<Value>, untouched: &[Value], index: usize) {
    let one = untouched[index].clone();
    match events.len().cmp(&untouched.len()) {
        Ordering::Less => events.insert(index, one),
        Ordering::Equal => events[index] = one,
        Ordering::Greater => {
            events.remove(index);
        }
    }
}

#[test]
fn no_corruption_of_an_aws_recording_agrees() {
    let Some(folder) = folder() else { return };
    let (mut unseen_all, mut looked_all) = (Vec::new(), 0);
    let recordings = all(&folder.join("cases")).into_iter().filter_map(|recording| serde_json::from_value::<Recording>(recording).ok());
    for recording in recordings.map(Recording::with_plain_arns) {
        let Ok(replay) = replay(&recording) else { continue };
        if compare(&recording, &replay).is_ok() {
            let (unseen, looked) = unseen(&recording, &replay);
            unseen_all.extend(unseen);
            looked_all += looked;
        }
    }
    println!("{looked_all} corrupted recordings, {} of them unseen", unseen_all.len());
    assert!(unseen_all.is_empty(), "{}", unseen_all.join("\n"));
}

/// Tampers with a field of every answer in turn; gives how many were looked at, and which went unseen.
fn unseen_in<T: DeserializeOwned>(
    answers: &[Value],
    pointers: &[&str],
    judge: impl Fn(T) -> Result<(), Disagreement>,
) -> (usize, Vec<String>) {
    let judged = |answer: &Value| judge(serde_json::from_value(answer.clone()).expect("it has a form that is known"));
    let agreeing = answers.iter().filter(|answer| judged(answer).is_ok());
    let corrupted = agreeing.flat_map(|answer| {
        pointers.iter().filter_map(|pointer| {
            let mut corrupted = answer.clone();
            let field = corrupted.pointer_mut(pointer).filter(|field| !field.to_string().starts_with("\"Error=ValueError"))?;
            *field = "Corrupted.".into();
            Some((format!("{} {pointer}", answer["id"]), corrupted))
        })
    });
    let corrupted: Vec<_> = corrupted.collect();
    let unseen = corrupted.iter().filter(|(_, answer)| judged(answer).is_ok()).map(|(which, _)| which.clone()).collect();
    (corrupted.len(), unseen)
}

#[test]
fn no_corruption_of_another_answer_agrees() {
    let Some(folder) = folder() else { return };
    let outputs = unseen_in(&all(&folder.join("cases_io")), &["/output"], |answer: InputOutput| answer.judge());
    let fields = ["/expected/message", "/expected/diagnostics/0/message", "/expected/diagnostics/0/location", "/expected/diagnostics"];
    let validations = unseen_in(&one(&folder.join("validation.json")), &fields, |answer: Validation| answer.judge());
    let fields = ["status", "message", "error", "cause", "nextState"].map(|field| format!("/expected/{field}"));
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    let states = one(&folder.join("teststate.json"));
    let (mocked, called): (Vec<_>, Vec<_>) = states.into_iter().partition(|answer| answer["request"]["mock"].is_object());
    let called = unseen_in(&called, &fields, |answer: Trial| answer.judge());
    // What a real task gave is taken from the answer itself; a mock says it in the request.
    let fields = [fields, vec!["/expected/output", "/expected/inspectionData"]].concat();
    let mocked = unseen_in(&mocked, &fields, |answer: Trial| answer.judge());
    let (looked, unseen) = [outputs, validations, called, mocked].into_iter().fold((0, Vec::new()), |(looked, mut all), (more, unseen)| {
        all.extend(unseen);
        (looked + more, all)
    });
    println!("{looked} corrupted answers, {} of them unseen", unseen.len());
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

/// A recording of our own making: a question is asked, refused, and the refusal caught; then somebody waits.
fn of_our_own() -> Recording {
    let definition = json!({
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": { "FunctionName": "ask" },
                "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Pause" }],
                "End": true
            },
            "Pause": { "Type": "Wait", "Seconds": 60, "Next": "Refused" },
            "Refused": { "Type": "Fail", "Error": "Refused", "Cause": "Somebody said no." }
        }
    });
    let caught = json!({ "Error": "No", "Cause": "{\"said\": \"no\"}" });
    let payload = |name: &str, value: &Value| json!({ name: value, format!("{name}Details"): { "truncated": false } });
    let with = |mut details: Value, name: &str, value: &str| {
        details[name] = value.into();
        details
    };
    let call = json!({ "resource": "invoke", "resourceType": "lambda" });
    let scheduled =
        json!({ "resource": "invoke", "resourceType": "lambda", "region": "<region>", "parameters": { "FunctionName": "ask" } });
    let failed = json!({ "resource": "invoke", "resourceType": "lambda", "error": "No", "cause": { "said": "no" } });
    let input = json!({ "date": "today" });
    let details = [
        ("ExecutionStarted", "executionStarted", 0, with(payload("input", &input), "roleArn", "role")),
        ("TaskStateEntered", "stateEntered", 0, with(payload("input", &input), "name", "Ask")),
        ("TaskScheduled", "taskScheduled", 2, scheduled),
        ("TaskStarted", "taskStarted", 3, call),
        ("TaskFailed", "taskFailed", 4, failed),
        ("TaskStateExited", "stateExited", 5, with(payload("output", &caught), "name", "Ask")),
        ("WaitStateEntered", "stateEntered", 6, with(payload("input", &caught), "name", "Pause")),
        ("WaitStateExited", "stateExited", 7, with(payload("output", &caught), "name", "Pause")),
        ("FailStateEntered", "stateEntered", 8, with(payload("input", &caught), "name", "Refused")),
        ("ExecutionFailed", "executionFailed", 9, json!({ "error": "Refused", "cause": "Somebody said no." })),
    ];
    let events = details.into_iter().zip(1..).map(|((kind, field, previous, details), id)| {
        json!({ "id": id, "previousEventId": previous, "timestamp": "timestamp", "type": kind, format!("{field}EventDetails"): details })
    });
    let recording = json!({
        "id": "of our own",
        "definition": definition,
        "input": input,
        "events": events.collect::<Vec<_>>(),
        "context": {
            "StateMachineId": "arn:aws:states:us-east-1:111111111111:stateMachine:asking",
            "ExecutionId": "arn:aws:states:us-east-1:111111111111:execution:asking:once",
            "RoleArn": "role"
        }
    });
    serde_json::from_value::<Recording>(recording).expect("it has the recordings' form").with_plain_arns()
}

fn judged(recording: &Recording) -> Result<(), Disagreement> {
    compare(recording, &replay(recording).expect("it can be replayed"))
}

#[test]
fn a_recording_of_our_own_agrees_and_none_of_its_corruptions_does() {
    let recording = of_our_own();
    judged(&recording).unwrap_or_else(|disagreement| panic!("{disagreement}"));
    let (unseen, looked) = unseen(&recording, &replay(&recording).expect("it can be replayed"));
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
    assert!(looked > 50, "{looked} corruptions are too few");
}

#[test]
fn a_disagreement_names_the_event_and_the_place_in_it() {
    let mut recording = of_our_own();
    recording.events[9]["executionFailedEventDetails"]["cause"] = "Somebody said yes.".into();
    let disagreement = judged(&recording).expect_err("the cause is another");
    assert_eq!(disagreement.at, "event 10 ExecutionFailed");
    assert_eq!(disagreement.path, "executionFailedEventDetails.cause");
    assert_eq!((disagreement.recorded.as_str(), disagreement.ours.as_str()), ("\"Somebody said yes.\"", "\"Somebody said no.\""));
}

#[test]
fn a_recording_that_stops_early_must_be_named() {
    let mut recording = of_our_own();
    recording.events.truncate(7);
    assert_eq!(judged(&recording).expect_err("it isn't named").at, "the recording");
}

/// A Map of two items at once, of which AWS ended the second first.
fn interleaved() -> Recording {
    let definition = json!({
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "ItemProcessor": { "StartAt": "One", "States": { "One": { "Type": "Pass", "End": true } } },
                "End": true
            }
        }
    });
    let event = |id: u64, previous: u64, kind: &str, field: &str, details: Value| json!({ "id": id, "previousEventId": previous, "timestamp": "timestamp", "type": kind, format!("{field}EventDetails"): details });
    let told =
        |text: &str, name: &str, field: &str| json!({ "name": name, field: text, format!("{field}Details"): { "truncated": false } });
    let item = |index: u64| json!({ "name": "Each", "index": index });
    let ended = json!({ "output": "[1, 2]", "outputDetails": { "truncated": false } });
    let started = json!({ "input": "[1, 2]", "inputDetails": { "truncated": false }, "roleArn": "role" });
    let mut succeeded = event(12, 11, "MapStateSucceeded", "", json!({}));
    succeeded.as_object_mut().expect("it is an object").remove("EventDetails");
    let events = json!([
        event(1, 0, "ExecutionStarted", "executionStarted", started),
        event(2, 0, "MapStateEntered", "stateEntered", told("[1, 2]", "Each", "input")),
        event(3, 2, "MapStateStarted", "mapStateStarted", json!({ "length": 2 })),
        event(4, 3, "MapIterationStarted", "mapIterationStarted", item(1)),
        event(5, 3, "MapIterationStarted", "mapIterationStarted", item(0)),
        event(6, 4, "PassStateEntered", "stateEntered", told("2", "One", "input")),
        event(7, 6, "PassStateExited", "stateExited", told("2", "One", "output")),
        event(8, 7, "MapIterationSucceeded", "mapIterationSucceeded", item(1)),
        event(9, 5, "PassStateEntered", "stateEntered", told("1", "One", "input")),
        event(10, 9, "PassStateExited", "stateExited", told("1", "One", "output")),
        event(11, 10, "MapIterationSucceeded", "mapIterationSucceeded", item(0)),
        succeeded,
        event(13, 11, "MapStateExited", "stateExited", told("[1, 2]", "Each", "output")),
        event(14, 13, "ExecutionSucceeded", "executionSucceeded", ended),
    ]);
    let recording = json!({
        "id": "interleaved",
        "definition": definition,
        "input": [1, 2],
        "events": events,
        "nondeterminism": ["map-interleaving"],
        "context": {
            "StateMachineId": "arn:aws:states:us-east-1:111111111111:stateMachine:each",
            "ExecutionId": "arn:aws:states:us-east-1:111111111111:execution:each:once",
            "RoleArn": "role"
        }
    });
    serde_json::from_value(recording).expect("it has the recordings' form")
}

#[test]
fn items_may_end_in_another_order_and_nothing_else_may_differ() {
    let recording = interleaved();
    judged(&recording).unwrap_or_else(|disagreement| panic!("{disagreement}"));
    let (unseen, _) = unseen(&recording, &replay(&recording).expect("it can be replayed"));
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
    let mut in_order = recording.clone();
    in_order.nondeterminism.clear();
    judged(&in_order).expect_err("without a word about the order, the order counts");
    let mut crossed = recording;
    crossed.events[6]["previousEventId"] = json!(9);
    judged(&crossed).expect_err("an item's output follows its own input");
}
