//! The recordings of waits hide the instants that are waited for: what AWS said of each kind is tested with instants of our own.

use nightly_asl::{Instant, Status};
use serde_json::{Value, json};

use crate::recording::{Recording, kind};
use crate::replay::{BEGIN, Replay, replay};

fn waiting_until(instant: &str) -> Replay {
    let recording = json!({
        "id": "a wait",
        "definition": {
            "StartAt": "Pause",
            "States": { "Pause": { "Type": "Wait", "TimestampPath": "$.start_at", "End": true } }
        },
        "input": { "start_at": instant },
        "events": [{ "type": "ExecutionStarted" }, { "type": "WaitStateEntered" }, { "type": "WaitStateExited" }, { "type": "ExecutionSucceeded" }],
        "context": {
            "StateMachineId": "arn:aws:states:us-east-1:111111111111:stateMachine:waiting",
            "ExecutionId": "arn:aws:states:us-east-1:111111111111:execution:waiting:once",
            "RoleArn": "role"
        }
    });
    replay(&serde_json::from_value::<Recording>(recording).expect("it has the recordings' form")).expect("it can be replayed")
}

fn kinds(replay: &Replay) -> Vec<&str> {
    replay.events.iter().filter_map(kind).collect()
}

fn cause(replay: &Replay) -> &str {
    let Status::Failed(failure) = &replay.status else { panic!("{:?}", replay.status) };
    assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
    failure.cause.as_deref().unwrap_or_default()
}

/// So many days after the replay's beginning.
fn days_ahead(days: i64) -> Instant {
    BEGIN + days * 24 * 60 * 60
}

#[test]
fn an_instant_with_a_zone_is_waited_for_whatever_its_fraction() {
    for ending in ["Z", ".00Z", ".000000Z", "+00:00"] {
        let instant = days_ahead(1).to_string().replace(".000Z", ending);
        let replay = waiting_until(&instant);
        assert_eq!(kinds(&replay), ["ExecutionStarted", "WaitStateEntered", "WaitStateExited", "ExecutionSucceeded"], "{instant}");
    }
}

#[test]
fn an_instant_without_a_zone_fails() {
    let instant = days_ahead(1).to_string().replace(".000Z", ".000000");
    let replay = waiting_until(&instant);
    assert_eq!(
        cause(&replay),
        format!(
            "An error occurred while executing the state 'Pause' (entered at the event id #2). \
             The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.start_at == {instant}"
        )
    );
}

#[test]
fn a_wait_takes_no_more_seconds_than_32_bits_count() {
    assert_eq!(waiting_until(&days_ahead(24_855).to_string()).status, Status::Succeeded(waited(24_855).into()));
    assert_eq!(
        cause(&waiting_until(&days_ahead(24_856).to_string())),
        "An error occurred while executing the state 'Pause' (entered at the event id #2). Wait state delay is too long."
    );
}

fn waited(days: i64) -> Value {
    json!({ "start_at": days_ahead(days).to_string() })
}
