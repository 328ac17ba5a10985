//! Waits, timeouts, heartbeats.

use nightly_asl::{Status, Stimulus};
use serde_json::{Value, json};

use crate::driver::{Driver, with_caught};

fn one_task(fields: &Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "work", "Payload": {"token.$": "$$.Task.Token"}}, "End": true,
    });
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    with_caught(json!({"StartAt": "Work", "States": {"Work": state}}), fields)
}

fn error(driver: &Driver) -> Option<String> {
    match driver.status() {
        Status::Failed(failure) | Status::TimedOut(failure) | Status::Aborted(failure) => failure.error.clone(),
        _ => None,
    }
}

#[test]
fn a_task_that_takes_too_long_is_cancelled_and_timed_out() {
    let mut driver = Driver::new(&one_task(&json!({"TimeoutSeconds": 30})));
    driver.tasks.succeed_after("Work", 31, json!({}));
    driver.run();
    assert_eq!(error(&driver).as_deref(), Some("States.Timeout"));
    assert_eq!(driver.asked, ["start Work", "cancel Work"]);
    assert!(driver.events().contains(&"TaskTimedOut".to_owned()));
}

#[test]
fn a_heartbeat_that_is_missed_ends_the_task_and_one_that_comes_does_not() {
    let definition = one_task(&json!({"TimeoutSeconds": 100, "HeartbeatSeconds": 20}));
    let mut silent = Driver::new(&definition);
    silent.run_for(21);
    assert_eq!(error(&silent).as_deref(), Some("States.Timeout"));

    let mut alive = Driver::new(&definition);
    for seconds in [15, 30, 45] {
        alive.run_for(seconds);
        let task = alive.task("Work").id;
        alive.tell(Stimulus::Heartbeat { task }).expect("it waits");
    }
    alive.run_for(64);
    assert_eq!(alive.status(), &Status::Running);
    alive.run_for(66);
    assert_eq!(error(&alive).as_deref(), Some("States.Timeout"), "nothing came for 20 seconds");
}

#[test]
fn heartbeats_do_not_stretch_the_timeout() {
    let mut driver = Driver::new(&one_task(&json!({"TimeoutSeconds": 30, "HeartbeatSeconds": 20})));
    driver.run_for(15);
    let task = driver.task("Work").id;
    driver.tell(Stimulus::Heartbeat { task }).expect("it waits");
    driver.run_for(31);
    assert_eq!(error(&driver).as_deref(), Some("States.Timeout"));
}

#[test]
fn a_catcher_of_the_heartbeat_takes_a_missed_one_and_no_timeout() {
    let catch = |name: &str| json!({"TimeoutSeconds": 30, "HeartbeatSeconds": 20, "Catch": [{"ErrorEquals": [name], "Next": "Caught"}]});
    let mut missed = Driver::new(&one_task(&catch("States.HeartbeatTimeout")));
    missed.run();
    assert_eq!(missed.path(), ["Work", "Caught"]);
    let mut both = Driver::new(&one_task(&catch("States.Timeout")));
    both.run();
    assert_eq!(both.path(), ["Work", "Caught"]);
    let mut failed = Driver::new(&one_task(&catch("States.TaskFailed")));
    failed.run();
    assert_eq!(failed.path(), ["Work"], "a timeout is no failed task");

    let mut late = Driver::new(&one_task(&catch("States.HeartbeatTimeout")));
    late.run_for(19);
    let task = late.task("Work").id;
    late.tell(Stimulus::Heartbeat { task }).expect("it waits");
    late.run();
    assert_eq!(late.path(), ["Work"], "the timeout came first");
}

#[test]
fn what_comes_after_the_end_of_a_task_is_refused() {
    let mut driver = Driver::new(&one_task(&json!({"TimeoutSeconds": 30})));
    driver.run_for(31);
    let task = driver.task("Work").id;
    assert!(driver.tell(Stimulus::Succeeded { task, output: json!({}).into() }).is_err());
    assert!(driver.tell(Stimulus::Heartbeat { task }).is_err());
}

#[test]
fn an_execution_has_a_time_of_its_own() {
    let mut definition = one_task(&json!({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}));
    definition["TimeoutSeconds"] = json!(50);
    let mut driver = Driver::new(&definition);
    driver.run();
    assert!(matches!(driver.status(), Status::TimedOut(_)), "nothing inside catches that: {:?}", driver.status());
    assert_eq!(driver.asked, ["start Work", "cancel Work"]);
    assert_eq!(driver.events().last().map(String::as_str), Some("ExecutionTimedOut"));
}

#[test]
fn a_stopped_execution_cancels_what_runs() {
    let mut driver = Driver::new(&one_task(&json!({})));
    driver.run_for(5);
    driver.tell(Stimulus::Stop(nightly_asl::Failure::new("Wrong", "started by mistake"))).expect("it runs");
    assert!(matches!(driver.status(), Status::Aborted(failure) if failure.error.as_deref() == Some("Wrong")));
    assert_eq!(driver.asked, ["start Work", "cancel Work"]);
    assert!(driver.tell(Stimulus::Stop(nightly_asl::Failure::default())).is_err(), "once");
}

#[test]
fn a_wait_waits() {
    let mut driver = Driver::new(&json!({"StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "Seconds": 90, "Next": "Done"}, "Done": {"Type": "Succeed"},
    }}));
    driver.run_for(89);
    assert_eq!(driver.path(), ["Wait"]);
    driver.run_for(90);
    assert_eq!(driver.path(), ["Wait", "Done"]);
}
