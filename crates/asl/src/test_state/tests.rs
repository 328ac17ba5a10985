//! What AWS's recordings don't show: refusals in AWS's manner, real tasks, both query languages' ways through Retry and Catch.

use serde_json::{Value, json};

use super::*;

#[test]
fn a_real_task_is_called_with_what_the_state_makes_of_its_input() {
    let definition = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
        "Parameters": {"FunctionName": "fetch", "Payload": {"day.$": "$.day"}},
        "ResultSelector": {"rates.$": "$.Payload.rates"}, "ResultPath": "$.fx",
    });
    let mut called = Vec::new();
    let request = request(&definition, json!({"roleArn": ROLE, "input": r#"{"day": "2026-11-20"}"#, "inspectionLevel": "DEBUG"}));
    let answer = test_state(&request, &circumstances(), &mut |task| {
        called.push((task.resource.action.clone(), task.parameters.value().clone()));
        Ok(json!({"Payload": {"rates": 3}}).into())
    });
    let answer = answer.expect("the request is right");
    assert_eq!(called, [("invoke".to_owned(), json!({"FunctionName": "fetch", "Payload": {"day": "2026-11-20"}}))]);
    assert_eq!(read(&answer, "/output"), json!({"day": "2026-11-20", "fx": {"rates": 3}}));
    assert_eq!(read(&answer, "/inspectionData/afterResultSelector"), json!({"rates": 3}));
}

#[test]
fn a_real_task_that_fails_is_retried_then_caught() {
    let definition = json!({
        "Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
        "Arguments": {"FunctionName": "fetch"},
        "Retry": [
            {"ErrorEquals": ["Other"]},
            {"ErrorEquals": ["Busy"], "IntervalSeconds": 3, "BackoffRate": 2, "MaxAttempts": 2, "MaxDelaySeconds": 5},
        ],
        "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Output": "{% $states.errorOutput.Error %}", "Assign": {"seen": true}, "Next": "Later"}],
    });
    let fail = |extra: Value| {
        let request = request(&definition, extra);
        test_state(&request, &circumstances(), &mut |_| Err(Failure::new("Busy", "come back"))).expect("the request is right")
    };
    let answer = fail(json!({"roleArn": ROLE, "inspectionLevel": "TRACE"}));
    assert_eq!((&answer["status"], &answer["error"], &answer["cause"]), (&json!("RETRIABLE"), &json!("Busy"), &json!("come back")));
    assert_eq!(answer["inspectionData"]["errorDetails"], json!({"retryIndex": 1, "retryBackoffIntervalSeconds": 3}));

    let mock = json!({"errorOutput": {"error": "Busy"}});
    let answer = fail(json!({"mock": mock, "stateConfiguration": {"retrierRetryCount": 1}, "inspectionLevel": "DEBUG"}));
    assert_eq!(answer["inspectionData"]["errorDetails"]["retryBackoffIntervalSeconds"], 5, "the cap counts");

    let answer = fail(json!({"mock": mock, "stateConfiguration": {"retrierRetryCount": 2}, "inspectionLevel": "DEBUG"}));
    assert_eq!((&answer["status"], &answer["nextState"], &answer["output"]), (&json!("CAUGHT_ERROR"), &json!("Later"), &json!("\"Busy\"")));
    assert_eq!(read(&answer, "/inspectionData/variables"), json!({"seen": true}));
    assert_eq!(answer["inspectionData"]["errorDetails"]["catchIndex"], 0);
}

#[test]
fn variables_and_the_context_are_seen_and_variables_are_told() {
    let definition = json!({
        "Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Next": "Then",
        "Arguments": {"QueueUrl": "q", "MessageBody": "{% $states.context.Task.Token & $suffix %}"},
        "Assign": {"verdict": "{% $states.result %}", "run": "{% $states.context.Execution.Name %}"}, "Output": "{% $suffix %}",
    });
    let answer = ask(
        &definition,
        json!({
            "mock": {"result": r#""yes""#}, "variables": r#"{"suffix": "!"}"#, "inspectionLevel": "DEBUG",
            "context": r#"{"Execution": {"Name": "night"}, "Task": {"Token": "abc"}}"#,
        }),
    );
    assert_eq!(read(&answer, "/inspectionData/afterArguments")["MessageBody"], "abc!");
    assert_eq!(read(&answer, "/inspectionData/variables"), json!({"suffix": "!", "verdict": "yes", "run": "night"}));
    assert_eq!((&answer["output"], &answer["nextState"]), (&json!("\"!\""), &json!("Then")));
}

#[test]
fn a_wait_does_not_wait() {
    let answer = ask(&json!({"Type": "Wait", "Seconds": 86_400, "Next": "Then"}), json!({"input": r#"{"a": 1}"#}));
    assert_eq!(answer, json!({"status": "SUCCEEDED", "output": r#"{"a":1}"#, "nextState": "Then"}));
}

#[test]
fn a_choice_without_a_match_fails() {
    let definition =
        json!({"Type": "Choice", "QueryLanguage": "JSONata", "Choices": [{"Condition": "{% $states.input.go %}", "Next": "Go"}]});
    let answer = ask(&definition, json!({"input": r#"{"go": false}"#}));
    assert_eq!((&answer["status"], &answer["error"]), (&json!("FAILED"), &json!("States.Runtime")));
}

#[test]
fn a_map_tells_what_its_items_are_given_and_how_many_may_fail() {
    let definition = json!({
        "Type": "Map", "QueryLanguage": "JSONata", "Items": "{% $states.input.days %}", "End": true,
        "ItemSelector": {"day": "{% $states.context.Map.Item.Value %}"}, "ToleratedFailurePercentage": 50,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}},
        },
    });
    let asked = |failed: u32| {
        json!({
            "input": r#"{"days": ["a", "b"]}"#, "mock": {"result": "[1, 2]"}, "inspectionLevel": "DEBUG",
            "stateConfiguration": {"mapIterationFailureCount": failed},
        })
    };
    let answer = ask(&definition, asked(1));
    assert_eq!((&answer["status"], &answer["inspectionData"]["toleratedFailurePercentage"]), (&json!("SUCCEEDED"), &json!(50.0)));
    assert_eq!(read(&answer, "/inspectionData/afterItemSelector"), json!([{"day": "a"}, {"day": "b"}]));
    assert_eq!(ask(&definition, asked(2))["error"], "States.ExceedToleratedFailureThreshold");
    assert_eq!(refusal(&definition, asked(3)).name, "ValidationException");
}

#[test]
fn what_cannot_be_tried_without_a_mock_says_so() {
    let task = |resource: &str| json!({"Type": "Task", "Resource": resource, "Parameters": {"JobName": "j"}, "End": true});
    for resource in ["arn:aws:states:::glue:startJobRun.sync", "arn:aws:states:eu-central-1:111111111111:activity:a"] {
        let refused = refusal(&task(resource), json!({"roleArn": ROLE}));
        assert_eq!(refused.name, "InvalidDefinition", "{refused}");
    }
    let pass = json!({"Type": "Pass", "End": true});
    for (extra, field) in [
        (json!({"context": "{}"}), "Context"),
        (json!({"stateConfiguration": {"retrierRetryCount": 1}}), "RetrierRetryCount"),
        (json!({"stateConfiguration": {"mapItemReaderData": "[]"}}), "MapItemReaderData"),
    ] {
        let message = refusal(&pass, extra).message;
        assert!(message.contains(field) && message.contains("when a mock is not specified"), "{message}");
    }
}

#[test]
fn requests_that_break_the_api_are_refused_with_the_field_and_the_constraint() {
    let pass = json!({"Type": "Pass", "End": true});
    for (extra, told) in [
        (
            json!({"inspectionLevel": "LOUD"}),
            "Value 'LOUD' at 'inspectionLevel' failed to satisfy constraint: Member must satisfy enum value set: [INFO, DEBUG, TRACE]",
        ),
        (
            json!({"stateName": ""}),
            "Value '' at 'stateName' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            json!({"mock": {"errorOutput": {"error": "e".repeat(257)}}}),
            "at 'mock.errorOutput.error' failed to satisfy constraint: Member must have length less than or equal to 256",
        ),
        (
            json!({"stateConfiguration": {"retrierRetryCount": -1}}),
            "Value '-1' at 'stateConfiguration.retrierRetryCount' failed to satisfy constraint: Member must have value greater than or equal to 0",
        ),
    ] {
        let refused = refusal(&pass, extra);
        assert_eq!(refused.name, "ValidationException");
        assert!(refused.message.ends_with(told), "{}", refused.message);
    }
    assert_eq!(refusal(&pass, json!({"input": "{"})).name, "InvalidExecutionInput");
    assert_eq!(refusal(&pass, json!({"input": 1})).name, "SerializationException");
    let refused = test_state(&json!({}), &circumstances(), &mut |_| Ok(Json::null())).expect_err("there is no definition");
    assert!(refused.message.contains("'definition'"), "{refused}");
}

#[test]
fn a_context_object_that_step_functions_never_makes_is_refused() {
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"}, "End": true});
    for (context, told) in [
        (r#"{"State": {"RetryCount": "1"}}"#, "State.RetryCount must be a number"),
        (r#"{"Map": {"Item": {"Index": "0"}}}"#, "Map.Item.Index must be a number"),
        (r#"{"StateMachine": "m"}"#, "StateMachine must be an object"),
        ("[]", "Context object must be a JSON object"),
    ] {
        let refused = refusal(&task, json!({"context": context, "mock": {"result": "{}"}}));
        assert_eq!(refused.message, format!("Invalid Context object provided: {told}"));
    }
}

#[test]
fn a_state_inside_a_branch_is_tried_with_the_machines_query_language() {
    let machine = json!({
        "QueryLanguage": "JSONata", "StartAt": "Both",
        "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
            {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "Output": "{% $states.input.a + 1 %}", "End": true}}},
        ]}},
    });
    let answer = ask(&machine, json!({"stateName": "Inner", "input": r#"{"a": 1}"#}));
    assert_eq!(answer, json!({"status": "SUCCEEDED", "output": "2"}));
}

const ROLE: &str = "arn:aws:iam::123456789012:role/night";

fn circumstances() -> Circumstances {
    Circumstances { at: Instant(1_795_309_200_000), region: "eu-central-1".to_owned(), account: "123456789012".to_owned(), seed: 1 }
}

fn request(definition: &Value, extra: Value) -> Value {
    let mut request = extra;
    request["definition"] = definition.to_string().into();
    request
}

fn ask(definition: &Value, extra: Value) -> Value {
    let answer = test_state(&request(definition, extra), &circumstances(), &mut |_| Err(Failure::named("NobodyIsCalled")));
    answer.unwrap_or_else(|refused| panic!("{refused}"))
}

fn refusal(definition: &Value, extra: Value) -> TestStateError {
    let answer = test_state(&request(definition, extra), &circumstances(), &mut |_| Err(Failure::named("NobodyIsCalled")));
    answer.expect_err("the request is wrong")
}

/// A JSON text of the answer, read.
fn read(answer: &Value, pointer: &str) -> Value {
    let text = answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{answer} has no {pointer}"));
    serde_json::from_str(text).expect("it is JSON")
}
