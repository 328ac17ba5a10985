//! The judge is judged: a recording that was tampered with must not agree, whatever was changed in it.

use serde_json::{Value, json};

use crate::agreement::Disagreement;
use crate::histories::compare;
use crate::recording::{Recording, kind};
use crate::replay::{Replay, replay};
use crate::{all, folder};

/// Tampers with one event; tells whether it found something to change.
type Corrupt = fn(&mut Recording, usize) -> bool;

/// Ways to tamper.
const CORRUPTIONS: [(&str, Corrupt); 9] = [
    ("a missing event", |recording, index| {
        recording.events.remove(index);
        // A recording that AWS cut off is compared as far as it goes.
        recording.holds_the_end() || index < recording.events.len()
    }),
    ("an event twice", |recording, index| {
        recording.events.insert(index, recording.events[index].clone());
        recording.holds_the_end()
    }),
    ("a wrong id", |recording, index| !recording.is_interleaved() && change(&mut recording.events[index]["id"], json!(4711))),
    ("a wrong previous id", |recording, index| {
        !recording.is_interleaved() && change(&mut recording.events[index]["previousEventId"], json!(4711))
    }),
    ("another type", |recording, index| change(&mut recording.events[index]["type"], json!("SucceedStateExited"))),
    ("another output", |recording, index| change_detail(&mut recording.events[index], "output", json!({ "corrupted": true }))),
    ("another input", |recording, index| change_detail(&mut recording.events[index], "input", json!("[4711]"))),
    ("another cause", |recording, index| change_detail(&mut recording.events[index], "cause", json!("Another cause."))),
    ("no error", |recording, index| remove_detail(&mut recording.events[index], "error")),
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
    for (what, corrupt) in CORRUPTIONS {
        for index in 0..recording.events.len() {
            let mut corrupted = recording.clone();
            if corrupt(&mut corrupted, index) {
                looked += 1;
                if compare(&corrupted, replay).is_ok() {
                    let event = kind(&recording.events[index]).unwrap_or_default();
                    unseen.push(format!("{}: {what}: event {} {event}", recording.id, index + 1));
                }
            }
        }
    }
    (unseen, looked)
}

#[test]
fn no_corruption_of_an_aws_recording_agrees() {
    let Some(folder) = folder() else { return };
    let (mut unseen_all, mut looked_all) = (Vec::new(), 0);
    for recording in all::<Recording>(&folder.join("cases")) {
        let recording = recording.with_plain_arns();
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
    assert!(looked > 60, "{looked} corruptions are too few");
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
