//! Branches and items beside each other.

use nightly_asl::{Status, Stimulus};
use serde_json::{Value, json};

use crate::driver::{Driver, with_caught};

fn task(next: &Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "work"}});
    state.as_object_mut().expect("an object").extend(next.as_object().expect("an object").clone());
    state
}

fn two_branches(fields: &Value) -> Value {
    let mut both = json!({
        "Type": "Parallel", "Next": "After",
        "Branches": [
            {"StartAt": "Left", "States": {"Left": task(&json!({"Next": "LeftMore"})), "LeftMore": task(&json!({"End": true}))}},
            {"StartAt": "Right", "States": {"Right": task(&json!({"End": true}))}},
        ],
    });
    both.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    with_caught(json!({"StartAt": "Both", "States": {"Both": both, "After": {"Type": "Pass", "End": true}}}), fields)
}

#[test]
fn a_failed_branch_stops_the_others_and_their_tasks() {
    let mut driver = Driver::new(&two_branches(&json!({})));
    driver.tasks.fail_after("Left", 5, "Broken");
    driver.tasks.succeed_after("Right", 100, json!(2));
    driver.run();
    assert!(matches!(driver.status(), Status::Failed(failure) if failure.error.as_deref() == Some("Broken")));
    assert_eq!(driver.asked, ["start Left", "start Right", "cancel Right"]);
    assert!(driver.events().contains(&"TaskStateAborted".to_owned()) && driver.events().contains(&"ParallelStateFailed".to_owned()));
}

#[test]
fn a_caught_branch_leaves_nothing_behind() {
    let mut driver = Driver::new(&two_branches(&json!({"Catch": [{"ErrorEquals": ["Broken"], "Next": "Caught"}]})));
    driver.tasks.fail_after("Left", 5, "Broken");
    driver.tasks.succeed_after("Right", 100, json!(2));
    driver.run();
    assert!(matches!(driver.status(), Status::Succeeded(_)));
    assert_eq!(driver.path(), ["Both", "Left", "Right", "Caught"]);
    assert_eq!(driver.asked.iter().filter(|asked| *asked == "cancel Right").count(), 1);
}

#[test]
fn outputs_stand_in_the_order_of_the_branches() {
    let mut driver = Driver::new(&two_branches(&json!({})));
    driver.tasks.succeed_after("Left", 50, json!(0));
    driver.tasks.succeed_after("LeftMore", 50, json!("left"));
    driver.tasks.succeed_after("Right", 1, json!("right"));
    driver.run();
    assert_eq!(driver.status(), &Status::Succeeded(json!(["left", "right"]).into()));
}

#[test]
fn a_redrive_leaves_the_branch_that_ended_well_alone() {
    let mut driver = Driver::new(&two_branches(&json!({})));
    driver.tasks.succeed("Left", json!(0));
    driver.tasks.fail_after("LeftMore", 50, "Broken");
    driver.tasks.succeed("LeftMore", json!("left"));
    driver.tasks.succeed_after("Right", 1, json!("right"));
    driver.run();
    driver.tell(Stimulus::Redrive).expect("it failed");
    driver.run();
    assert_eq!(driver.status(), &Status::Succeeded(json!(["left", "right"]).into()));
    let started: Vec<_> = driver.started.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(started, ["Left", "Right", "LeftMore", "LeftMore"]);
}

#[test]
fn a_redrive_goes_on_with_a_branch_that_was_stopped() {
    let mut driver = Driver::new(&two_branches(&json!({})));
    driver.tasks.fail_after("Left", 5, "Broken");
    driver.tasks.succeed("Left", json!(0));
    driver.tasks.succeed("LeftMore", json!("left"));
    driver.tasks.succeed_after("Right", 100, json!("right"));
    driver.run();
    driver.tell(Stimulus::Redrive).expect("it failed");
    driver.run();
    assert_eq!(driver.status(), &Status::Succeeded(json!(["left", "right"]).into()));
}

fn map(fields: &Value) -> Value {
    let mut each = json!({
        "Type": "Map", "ItemProcessor": {"StartAt": "One", "States": {"One": task(&json!({"End": true}))}}, "End": true,
    });
    each.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    json!({"StartAt": "Items", "States": {"Items": {"Type": "Pass", "Result": [1, 2, 3, 4, 5], "Next": "Each"}, "Each": each}})
}

#[test]
fn a_map_runs_no_more_items_at_once_than_it_may() {
    for (most, expected) in [(1, [0.0, 10.0, 20.0, 30.0, 40.0]), (2, [0.0, 0.0, 10.0, 10.0, 20.0]), (0, [0.0; 5])] {
        let mut driver = Driver::new(&map(&json!({"MaxConcurrency": most})));
        driver.tasks.succeed_after("One", 10, json!("done"));
        driver.run();
        let started: Vec<f64> = driver.started.iter().map(|(_, at)| *at).collect();
        assert_eq!(started, expected, "MaxConcurrency {most}");
        assert_eq!(driver.status(), &Status::Succeeded(json!(["done", "done", "done", "done", "done"]).into()));
    }
}

#[test]
fn a_redrive_of_a_map_tries_the_failed_item_and_begins_the_rest() {
    let mut driver = Driver::new(&map(&json!({"MaxConcurrency": 1})));
    driver.tasks.succeed("One", json!(1));
    driver.tasks.fail("One", "Broken");
    driver.tasks.succeed("One", json!(2));
    driver.run();
    assert!(matches!(driver.status(), Status::Failed(_)));
    driver.tell(Stimulus::Redrive).expect("it failed");
    driver.run();
    assert_eq!(driver.status(), &Status::Succeeded(json!([1, 2, 2, 2, 2]).into()));
    assert_eq!(driver.started.len(), 6);
}
