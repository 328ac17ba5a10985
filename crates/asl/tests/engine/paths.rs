//! How an execution fails by its paths: what AWS wrote on such occasions.

use serde_json::{Value, json};

use crate::driver::run;
use nightly_asl::Status;

/// A state that fails at once, with the error and what follows the sentence about where it happened.
fn fails(state: &Value, error: &str, message: &str) {
    let run = run(&json!({"StartAt": "Look", "States": {"Look": state, "There": {"Type": "Succeed"}}}));
    let Status::Failed(failure) = run.status() else { panic!("{:?}", run.status()) };
    assert_eq!(failure.error.as_deref(), Some(error));
    let cause = format!("An error occurred while executing the state 'Look' (entered at the event id #2). {message}");
    assert_eq!(failure.cause, Some(cause));
}

#[test]
fn a_choice_that_leads_nowhere_fails() {
    let choice = json!({"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": true, "Next": "There"}]});
    fails(&choice, "States.Runtime", "Failed to transition out of the state. The state does not point to a next state.");
}

#[test]
fn a_choice_that_compares_what_is_not_there_fails() {
    let choice = json!({"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "There"}], "Default": "There"});
    fails(&choice, "States.Runtime", "Invalid path '$.a': The choice state's condition path references an invalid value.");
}

#[test]
fn a_template_that_looks_for_what_is_not_there_fails() {
    fails(
        &json!({"Type": "Pass", "Parameters": {"deep": {"name.$": "$.a"}}, "Next": "There"}),
        "States.Runtime",
        "The JSONPath '$.a' specified for the field 'name.$' could not be found in the input '{}'",
    );
    fails(
        &json!({"Type": "Pass", "Parameters": {"name.$": "States.Array(1, States.Format('{}', $.a))"}, "Next": "There"}),
        "States.Runtime",
        "The function 'States.Array(1, States.Format('{}', $.a))' had the following error: \
         The JsonPath argument for the field '$.a' could not be found in the input '{}'",
    );
}

#[test]
fn a_result_that_has_no_place_fails() {
    let pass = json!({"Type": "Pass", "Result": 1, "ResultPath": "$.list[0]", "Next": "There"});
    fails(&pass, "States.ResultPathMatchFailure", "Unable to apply ReferencePath $.list[0] to input {}");
}
