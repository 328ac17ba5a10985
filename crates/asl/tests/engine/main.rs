//! What an execution does beyond what AWS's recordings tell: time, trouble, siblings, going on.

mod driver;
mod paths;
mod siblings;
mod time;
mod trouble;

use serde_json::json;

use driver::{Driver, run};
use nightly_asl::Status;

#[test]
fn an_execution_goes_from_state_to_state_and_tells_it() {
    let run = run(&json!({"StartAt": "First", "States": {
        "First": {"Type": "Pass", "Result": {"a": 1}, "Next": "Second"},
        "Second": {"Type": "Succeed"},
    }}));
    assert_eq!(run.status(), &Status::Succeeded(json!({"a": 1}).into()));
    assert_eq!(
        run.events(),
        ["ExecutionStarted", "PassStateEntered", "PassStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"]
    );
}

#[test]
fn the_same_stimuli_give_the_same_history() {
    let definition = json!({"StartAt": "Work", "States": {"Work": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 60, "HeartbeatSeconds": 20,
        "Parameters": {"FunctionName": "work", "Payload": {"token.$": "$$.Task.Token", "chance.$": "States.MathRandom(1, 1000000)"}},
        "Retry": [{"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL", "IntervalSeconds": 100}],
        "End": true,
    }}});
    let history = |seed| {
        let mut driver = Driver::seeded(&definition, seed);
        driver.tasks.fail("Work", "Broken");
        driver.run();
        driver.history()
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2), "another seed draws other tokens and delays");
}

#[test]
fn a_history_that_grows_too_long_ends_the_execution() {
    let run = run(&json!({"StartAt": "Round", "States": {
        "Round": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "Stop"}], "Default": "Again"},
        "Again": {"Type": "Pass", "Next": "Round"},
        "Stop": {"Type": "Succeed"},
    }}));
    let Status::Failed(failure) = run.status() else { panic!("{:?}", run.status()) };
    assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
    assert!(failure.cause.as_deref().is_some_and(|cause| cause.contains("25000")), "{failure:?}");
    assert!(run.events().len() <= 25_000);
}

#[test]
fn a_result_of_more_than_256_kib_is_refused_by_name() {
    let mut driver = Driver::new(&json!({"StartAt": "Work", "States": {"Work": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "work"}, "End": true,
    }}}));
    driver.tasks.succeed("Work", json!("x".repeat(262_143)));
    driver.run();
    let Status::Failed(failure) = driver.status() else { panic!("{:?}", driver.status()) };
    assert_eq!(failure.error.as_deref(), Some("States.DataLimitExceeded"));
}

#[test]
fn a_result_of_just_256_kib_is_taken() {
    let mut driver = Driver::new(&json!({"StartAt": "Work", "States": {"Work": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "work"}, "End": true,
    }}}));
    driver.tasks.succeed("Work", json!("x".repeat(262_142)));
    driver.run();
    assert!(matches!(driver.status(), Status::Succeeded(_)));
}
