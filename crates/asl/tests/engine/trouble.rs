//! Retry, Catch, redrive.

use nightly_asl::{Status, Stimulus};
use serde_json::{Value, json};

use crate::driver::{Driver, with_caught};

fn work(fields: &Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "work"}, "Next": "Done",
    });
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    with_caught(json!({"StartAt": "Work", "States": {"Work": state, "Done": {"Type": "Pass", "End": true}}}), fields)
}

/// When the tries of a task that always fails were made, in seconds since the start.
fn tries(retry: &Value) -> Vec<f64> {
    let mut driver = Driver::new(&work(&json!({"Retry": retry})));
    driver.tasks.fail("Work", "Broken");
    driver.run();
    driver.started.iter().map(|(_, at)| *at).collect()
}

#[test]
fn retries_back_off_by_the_rate() {
    assert_eq!(
        tries(&json!([{"ErrorEquals": ["Broken"]}])),
        [0.0, 1.0, 3.0, 7.0],
        "the defaults: one second, twice as long each time, three tries"
    );
    assert_eq!(
        tries(&json!([{"ErrorEquals": ["Broken"], "IntervalSeconds": 10, "BackoffRate": 1.5, "MaxAttempts": 2}])),
        [0.0, 10.0, 25.0]
    );
}

#[test]
fn a_cap_holds_the_delays_down() {
    let retry = json!([{"ErrorEquals": ["Broken"], "IntervalSeconds": 4, "MaxAttempts": 4, "MaxDelaySeconds": 10}]);
    assert_eq!(tries(&retry), [0.0, 4.0, 12.0, 22.0, 32.0]);
}

#[test]
fn full_jitter_takes_any_part_of_the_delay() {
    let retry = json!([{"ErrorEquals": ["Broken"], "IntervalSeconds": 100, "BackoffRate": 1, "MaxAttempts": 99, "JitterStrategy": "FULL"}]);
    let tries = tries(&retry);
    let delays: Vec<f64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(delays.len(), 99);
    assert!(delays.iter().all(|delay| (0.0..=100.0).contains(delay)), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay < 20.0) && delays.iter().any(|delay| *delay > 80.0), "{delays:?}");
}

#[test]
fn every_retrier_counts_its_own_tries() {
    let retry = json!([
        {"ErrorEquals": ["First"], "IntervalSeconds": 1, "MaxAttempts": 1},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 5, "MaxAttempts": 1},
    ]);
    let mut driver = Driver::new(&work(&json!({"Retry": retry})));
    driver.tasks.fail("Work", "First");
    driver.tasks.fail("Work", "Second");
    driver.tasks.fail("Work", "First");
    driver.run();
    let at: Vec<f64> = driver.started.iter().map(|(_, at)| *at).collect();
    assert_eq!(at, [0.0, 1.0, 6.0], "the third failure finds its retrier used up");
    assert!(matches!(driver.status(), Status::Failed(_)));
}

#[test]
fn no_tries_are_made_where_none_are_wanted() {
    assert_eq!(tries(&json!([{"ErrorEquals": ["Broken"], "MaxAttempts": 0}])), [0.0]);
}

#[test]
fn a_catcher_takes_what_the_retriers_leave() {
    let fields = json!({
        "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["Other"], "Next": "Done"}, {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.trouble", "Next": "Caught"}],
    });
    let mut driver = Driver::new(&work(&fields));
    driver.tasks.fail("Work", "Broken");
    driver.run();
    assert_eq!(driver.path(), ["Work", "Caught"]);
    let output = json!({"trouble": {"Error": "Broken", "Cause": "Broken happened"}});
    assert_eq!(driver.status(), &Status::Succeeded(output.into()));
}

#[test]
fn a_redrive_tries_the_failed_state_anew_with_its_retries() {
    let mut driver = Driver::new(&work(&json!({"Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]})));
    for _ in 0..3 {
        driver.tasks.fail("Work", "Broken");
    }
    driver.tasks.succeed("Work", json!({"done": true}));
    driver.run();
    assert!(matches!(driver.status(), Status::Failed(_)));
    driver.tell(Stimulus::Redrive).expect("a failed execution can go on");
    driver.run();
    assert_eq!(driver.status(), &Status::Succeeded(json!({"done": true}).into()));
    assert_eq!(driver.started.len(), 4, "two tries each time");
    assert!(driver.events().contains(&"ExecutionRedriven".to_owned()));
    assert_eq!(driver.execution.redrives(), 1);
}

#[test]
fn a_redrive_gives_a_new_token_and_a_new_deadline() {
    let definition = json!({"StartAt": "Ask", "States": {"Ask": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 60,
        "Parameters": {"FunctionName": "ask", "Payload": {"token.$": "$$.Task.Token"}}, "End": true,
    }}});
    let mut driver = Driver::new(&definition);
    driver.run_for(100);
    let first = driver.task("Ask").token.clone();
    driver.tell(Stimulus::Redrive).expect("it timed out");
    assert_ne!(driver.task("Ask").token, first);
    driver.run_for(150);
    assert_eq!(driver.status(), &Status::Running, "its time began anew");
}

#[test]
fn what_ended_well_or_still_runs_is_not_redriven() {
    let mut running = Driver::new(&work(&json!({})));
    assert!(running.tell(Stimulus::Redrive).is_err(), "it runs");
    let mut done = Driver::new(&json!({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}));
    done.run();
    assert!(done.tell(Stimulus::Redrive).is_err(), "it ended well");
}

#[test]
fn a_fail_state_fails_again() {
    let mut driver = Driver::new(&json!({"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "No"}}}));
    driver.run();
    driver.tell(Stimulus::Redrive).expect("it failed");
    driver.run();
    assert!(matches!(driver.status(), Status::Failed(failure) if failure.error.as_deref() == Some("No")));
}
