//! The server as its clients meet it: over HTTP, with a local AWS that the tests speak for.

#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that it serves")]

mod support;

use serde_json::{Value, json};
use support::{Server, pass, task, until, wait};

#[test]
fn an_execution_is_started_described_and_told_event_by_event() {
    let server = Server::start();
    let machine = server.machine(&json!({"Only": {"Type": "Pass", "Output": {"sum": "{% $states.input.a + 1 %}"}, "End": true}}));
    let execution = server.begin(&machine, &json!({"a": 1}));
    let described = server.ended(&execution);
    assert_eq!((&described["status"], &described["output"]), (&json!("SUCCEEDED"), &json!(r#"{"sum":2}"#)));
    assert_eq!(described["input"], r#"{"a":1}"#);
    assert_eq!(described["redriveStatus"], "NOT_REDRIVABLE");
    assert!(described["stopDate"].as_f64().unwrap() >= described["startDate"].as_f64().unwrap());
    assert_eq!(server.kinds(&execution), ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);
}

#[test]
fn the_same_name_and_input_is_the_same_execution_while_it_runs() {
    let server = Server::start();
    let machine = server.machine(&json!({"Long": wait(60)}));
    let start = |input: &str| server.call("StartExecution", &json!({"stateMachineArn": machine, "name": "n1", "input": input}));
    let first = start("{}").unwrap();
    assert_eq!(start("{}").unwrap(), first);
    assert_eq!(start(r#"{"other":1}"#).unwrap_err().0, "ExecutionAlreadyExists");
    server.ok("StopExecution", &json!({"executionArn": first["executionArn"], "error": "Stopped", "cause": "by hand"}));
    assert_eq!(start("{}").unwrap_err().0, "ExecutionAlreadyExists");
    let described = server.ended(first["executionArn"].as_str().unwrap());
    assert_eq!((&described["status"], &described["error"], &described["cause"]), (&json!("ABORTED"), &json!("Stopped"), &json!("by hand")));
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let server = Server::start();
    let machine = server.machine(&json!({"Only": pass()}));
    let execution = server.begin(&machine, &json!({}));
    for (operation, request, name) in [
        ("StartExecution", json!({"stateMachineArn": format!("{machine}x")}), "StateMachineDoesNotExist"),
        ("StartExecution", json!({"stateMachineArn": "machine"}), "InvalidArn"),
        ("StartExecution", json!({"stateMachineArn": machine, "input": "{"}), "InvalidExecutionInput"),
        ("StartExecution", json!({"stateMachineArn": machine, "name": "a:b"}), "InvalidName"),
        ("StartExecution", json!({}), "ValidationException"),
        ("DescribeExecution", json!({"executionArn": format!("{execution}x")}), "ExecutionDoesNotExist"),
        ("GetExecutionHistory", json!({"executionArn": execution, "nextToken": "x"}), "InvalidToken"),
        ("GetExecutionHistory", json!({"executionArn": execution, "maxResults": 1001}), "ValidationException"),
        ("CreateStateMachine", json!({"name": "m", "roleArn": "r", "definition": "{"}), "InvalidDefinition"),
        ("CreateStateMachine", json!({"name": "m", "roleArn": "r", "definition": r#"{"StartAt":"A","States":{}}"#}), "InvalidDefinition"),
        ("UpdateStateMachine", json!({"stateMachineArn": machine}), "MissingRequiredParameter"),
        ("CreateActivity", json!({"name": "a"}), "UnsupportedOperation"),
        ("StartSyncExecution", json!({"stateMachineArn": machine}), "UnsupportedOperation"),
        ("StartExecutions", json!({}), "UnknownOperationException"),
        ("SendTaskHeartbeat", json!({"taskToken": "no token!"}), "InvalidToken"),
        ("SendTaskHeartbeat", json!({"taskToken": "A".repeat(100)}), "TaskDoesNotExist"),
        ("TagResource", json!({"resourceArn": format!("{machine}x"), "tags": []}), "ResourceNotFound"),
    ] {
        assert_eq!(server.call(operation, &request).unwrap_err().0, name, "{operation} {request}");
    }
}

#[test]
fn a_broken_definition_is_shown_where_and_makes_no_state_machine() {
    let server = Server::start();
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}}).to_string();
    let answer = server.ok("ValidateStateMachineDefinition", &json!({"definition": definition}));
    assert_eq!(answer["result"], "FAIL");
    let diagnostic = &answer["diagnostics"][0];
    assert_eq!((&diagnostic["severity"], &diagnostic["location"]), (&json!("ERROR"), &json!("/States/A/Next")));
    server.call("CreateStateMachine", &json!({"name": "m", "roleArn": "r", "definition": definition})).unwrap_err();
    assert_eq!(server.ok("ListStateMachines", &json!({}))["stateMachines"], json!([]));
    let definition = json!({"StartAt": "A", "States": {"A": pass()}, "QueryLanguage": "JSONata"}).to_string();
    assert_eq!(server.ok("ValidateStateMachineDefinition", &json!({"definition": definition}))["result"], "OK");
}

#[test]
fn a_running_execution_keeps_the_definition_that_it_began_with() {
    let server = Server::start();
    let machine = server.machine(&json!({"Wait": wait(1)}));
    let execution = server.begin(&machine, &json!({}));
    let before = server.ok("DescribeStateMachine", &json!({"stateMachineArn": machine}));
    let definition = json!({"StartAt": "Bad", "States": {"Bad": {"Type": "Fail"}}}).to_string();
    let updated = server.ok("UpdateStateMachine", &json!({"stateMachineArn": machine, "definition": definition}));
    assert_ne!(updated["revisionId"], before["revisionId"]);
    assert_eq!(server.ok("DescribeStateMachine", &json!({"stateMachineArn": machine}))["definition"], definition);
    let of_execution = server.ok("DescribeStateMachineForExecution", &json!({"executionArn": execution}));
    assert_eq!(of_execution["definition"], before["definition"]);
    assert_eq!(server.ended(&execution)["status"], "SUCCEEDED");
    let later = server.begin(&machine, &json!({}));
    assert_eq!(server.ended(&later)["status"], "FAILED");
}

#[test]
fn a_state_machine_that_is_deleted_goes_with_its_last_execution() {
    let server = Server::start();
    let machine = server.machine(&json!({"Long": wait(60)}));
    let execution = server.begin(&machine, &json!({}));
    server.ok("DeleteStateMachine", &json!({"stateMachineArn": machine}));
    assert_eq!(server.ok("DescribeStateMachine", &json!({"stateMachineArn": machine}))["status"], "DELETING");
    assert_eq!(server.call("StartExecution", &json!({"stateMachineArn": machine})).unwrap_err().0, "StateMachineDeleting");
    server.ok("StopExecution", &json!({"executionArn": execution}));
    assert_eq!(server.call("DescribeStateMachine", &json!({"stateMachineArn": machine})).unwrap_err().0, "StateMachineDoesNotExist");
    server.ok("DeleteStateMachine", &json!({"stateMachineArn": machine}));
    assert_eq!(server.ok("DescribeExecution", &json!({"executionArn": execution}))["status"], "ABORTED");
}

#[test]
fn tags_are_added_replaced_and_taken_off() {
    let server = Server::start();
    let machine = server.machine(&json!({"Only": pass()}));
    server.ok("TagResource", &json!({"resourceArn": machine, "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]}));
    server.ok("TagResource", &json!({"resourceArn": machine, "tags": [{"key": "a", "value": "3"}]}));
    server.ok("UntagResource", &json!({"resourceArn": machine, "tagKeys": ["b"]}));
    assert_eq!(server.ok("ListTagsForResource", &json!({"resourceArn": machine}))["tags"], json!([{"key": "a", "value": "3"}]));
}

#[test]
fn lists_come_in_pages_the_newest_execution_first() {
    let server = Server::start();
    let machine = server.machine(&json!({"Only": pass()}));
    for name in ["n1", "n2", "n3"] {
        server.ok("StartExecution", &json!({"stateMachineArn": machine, "name": name}));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let names = |page: &Value| -> Vec<String> {
        page["executions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = server.ok("ListExecutions", &json!({"stateMachineArn": machine, "maxResults": 2}));
    assert_eq!(names(&first), ["n3", "n2"]);
    let rest = server.ok("ListExecutions", &json!({"stateMachineArn": machine, "maxResults": 2, "nextToken": first["nextToken"]}));
    assert_eq!((names(&rest), &rest["nextToken"]), (vec!["n1".to_owned()], &Value::Null));
    let running = server.ok("ListExecutions", &json!({"stateMachineArn": machine, "statusFilter": "RUNNING"}));
    assert_eq!(names(&running), Vec::<String>::new());
}

#[test]
fn a_history_is_told_in_pages_forwards_backwards_and_without_data() {
    let server = Server::start();
    let machine = server.machine(&json!({"Only": pass()}));
    let execution = server.begin(&machine, &json!({"secret": 1}));
    server.ended(&execution);
    let page = |request: Value| server.ok("GetExecutionHistory", &request);
    let ids = |page: &Value| -> Vec<u64> { page["events"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect() };
    let first = page(json!({"executionArn": execution, "maxResults": 3}));
    assert_eq!(ids(&first), [1, 2, 3]);
    assert_eq!(ids(&page(json!({"executionArn": execution, "maxResults": 3, "nextToken": first["nextToken"]}))), [4]);
    let reverse = json!({"executionArn": execution, "reverseOrder": true});
    assert_eq!(ids(&page(reverse)), [4, 3, 2, 1]);
    let told = page(json!({"executionArn": execution, "includeExecutionData": false})).to_string();
    assert!(told.contains("Only") && !told.contains("secret"), "{told}");
    assert!(page(json!({"executionArn": execution})).to_string().contains("secret"));
}

#[test]
fn a_task_gets_its_answer_and_a_functions_error_is_its_own() {
    let server = Server::start();
    server.aws.on("lambda", "invoke", |parameters| match parameters["Payload"].as_str() {
        Some(r#"{"n":1}"#) => Ok(json!({"StatusCode": 200, "Payload": r#"{"twice":2}"#})),
        _ => Ok(json!({"StatusCode": 200, "FunctionError": "Unhandled", "Payload": r#"{"errorType":"RatesStale","errorMessage":"old"}"#})),
    });
    let call = |n: u32| json!({"FunctionName": "f", "Payload": {"n": n}});
    let machine = server.machine(&json!({
        "One": task("arn:aws:states:::lambda:invoke", &call(1), &json!({"Assign": {"one": "{% $states.result.Payload.twice %}"}, "Next": "Two"})),
        "Two": task("arn:aws:states:::lambda:invoke", &call(2), &json!({
            "Catch": [{"ErrorEquals": ["RatesStale"], "Output": "{% [$one, $states.errorOutput.Cause] %}", "Next": "End"}], "Next": "End"
        })),
        "End": pass(),
    }));
    let ended = server.run(&machine, &json!({}));
    let output: Value = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
    assert_eq!(output, json!([2, r#"{"errorType":"RatesStale","errorMessage":"old"}"#]));
}

#[test]
fn a_service_that_is_not_known_fails_the_task_by_name() {
    let server = Server::start();
    let machine = server.machine(&json!({"Only": task("arn:aws:states:::sqs:sendMessage", &json!({"QueueUrl": "q", "MessageBody": {"a": 1}}), &json!({"End": true}))}));
    server.aws.on("sqs", "sendMessage", |parameters| {
        assert_eq!(parameters["MessageBody"], r#"{"a":1}"#);
        Err(("SQS.AmazonSQSException", "no such queue"))
    });
    let ended = server.run(&machine, &json!({}));
    assert_eq!((&ended["error"], &ended["cause"]), (&json!("SQS.AmazonSQSException"), &json!("no such queue")));
}

#[test]
fn a_job_is_watched_and_stopped_with_its_execution() {
    let server = Server::start();
    let run = task("arn:aws:states:::glue:startJobRun.sync", &json!({"JobName": "j"}), &json!({"End": true}));
    let machine = server.machine(&json!({"Run": run}));
    server.aws.on("glue", "startJobRun", |_| Ok(json!({"JobRunId": "jr_1"})));
    server.aws.on("glue", "getJobRun", |_| Ok(json!({"JobRun": {"Id": "jr_1", "JobRunState": "RUNNING"}})));
    server.aws.on("glue", "batchStopJobRun", |_| Ok(json!({})));
    let execution = server.begin(&machine, &json!({}));
    until(|| server.kinds(&execution).contains(&"TaskSubmitted".to_owned()));
    until(|| server.aws.count("getJobRun") > 1);
    server.ok("StopExecution", &json!({"executionArn": execution}));
    until(|| server.aws.count("batchStopJobRun") == 1);

    server.aws.on("glue", "getJobRun", |_| Ok(json!({"JobRun": {"Id": "jr_1", "JobRunState": "FAILED", "ErrorMessage": "no"}})));
    let failed = server.run(&machine, &json!({}));
    assert_eq!(
        (&failed["error"], &failed["cause"]),
        (&json!("States.TaskFailed"), &json!(r#"{"Id":"jr_1","JobRunState":"FAILED","ErrorMessage":"no"}"#))
    );
    server.aws.on("glue", "getJobRun", |_| Ok(json!({"JobRun": {"Id": "jr_1", "JobRunState": "SUCCEEDED"}})));
    assert_eq!(server.run(&machine, &json!({}))["output"], r#"{"Id":"jr_1","JobRunState":"SUCCEEDED"}"#);
}

#[test]
fn a_failed_execution_goes_on_from_where_it_failed() {
    let server = Server::start();
    let machine = server.machine(&json!({
        "First": {"Type": "Pass", "Next": "Call"},
        "Call": task("arn:aws:states:::lambda:invoke", &json!({"FunctionName": "f"}), &json!({"Output": "{% $states.result.Payload %}", "End": true})),
    }));
    server.aws.on("lambda", "invoke", |_| Err(("Lambda.ServiceException", "down")));
    let execution = server.begin(&machine, &json!({}));
    assert_eq!(server.ended(&execution)["redriveStatus"], "REDRIVABLE");
    server.aws.on("lambda", "invoke", |_| Ok(json!({"StatusCode": 200, "Payload": "7"})));
    server.ok("RedriveExecution", &json!({"executionArn": execution}));
    let ended = server.ended(&execution);
    assert_eq!((&ended["status"], &ended["output"], &ended["redriveCount"]), (&json!("SUCCEEDED"), &json!("7"), &json!(1)));
    assert_eq!(
        server.kinds(&execution).iter().filter(|kind| *kind == "PassStateEntered").count(),
        1,
        "what had succeeded is not done again"
    );
    let refused = server.call("RedriveExecution", &json!({"executionArn": execution})).unwrap_err();
    assert_eq!(refused, ("ExecutionNotRedrivable".to_owned(), "Execution is SUCCEEDED and cannot be redriven".to_owned()));
    let changes = server.aws.changes();
    assert_eq!(changes, ["RUNNING", "FAILED", "RUNNING", "SUCCEEDED"]);
}

#[test]
fn an_execution_starts_another_and_waits_for_it() {
    let server = Server::start();
    let child = server.machine(&json!({"Only": {"Type": "Pass", "Output": {"twice": "{% $states.input.n * 2 %}"}, "End": true}}));
    let start = |pattern: &str| {
        task(
            &format!("arn:aws:states:::states:startExecution{pattern}"),
            &json!({"StateMachineArn": child, "Input": {"n": 4}}),
            &json!({"End": true}),
        )
    };
    let output = |pattern: &str| -> Value {
        let machine = server.machine(&json!({"Start": start(pattern)}));
        serde_json::from_str(server.run(&machine, &json!({}))["output"].as_str().unwrap()).unwrap()
    };
    let answered = output("");
    assert!(answered["ExecutionArn"].as_str().unwrap().contains(":execution:"), "{answered}");
    assert_eq!(answered["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let waited = output(".sync:2");
    assert_eq!((&waited["Status"], &waited["Output"], &waited["Input"]), (&json!("SUCCEEDED"), &json!({"twice": 8}), &json!({"n": 4})));
    assert!(waited["StopDate"].is_i64(), "{waited}");
    assert_eq!(output(".sync")["Output"], r#"{"twice":8}"#);
}

#[test]
fn a_child_is_stopped_with_its_parent_and_fails_it_when_it_fails() {
    let server = Server::start();
    let child = server.machine(&json!({"Long": wait(60)}));
    let start =
        task("arn:aws:states:::states:startExecution.sync:2", &json!({"StateMachineArn": child, "Name": "child"}), &json!({"End": true}));
    let parent = server.machine(&json!({"Start": start}));
    let execution = server.begin(&parent, &json!({}));
    let child_execution = format!("{}:child", child.replace(":stateMachine:", ":execution:"));
    until(|| server.call("DescribeExecution", &json!({"executionArn": child_execution})).is_ok());
    until(|| server.kinds(&execution).contains(&"TaskSubmitted".to_owned()));
    server.ok("StopExecution", &json!({"executionArn": execution}));
    assert_eq!(server.ended(&child_execution)["status"], "ABORTED");

    let failing = server.machine(&json!({"Bad": {"Type": "Fail", "Error": "Broken", "Cause": "on purpose"}}));
    let start = task("arn:aws:states:::states:startExecution.sync:2", &json!({"StateMachineArn": failing}), &json!({"End": true}));
    let ended = server.run(&server.machine(&json!({"Start": start})), &json!({}));
    let cause: Value = serde_json::from_str(ended["cause"].as_str().unwrap()).unwrap();
    assert_eq!((&ended["error"], &cause["Error"], &cause["Status"]), (&json!("States.TaskFailed"), &json!("Broken"), &json!("FAILED")));
}

#[test]
fn a_map_has_as_many_executions_at_once_as_its_input_says_and_stops_them_when_it_is_stopped() {
    let server = Server::start();
    let child = server.machine(&json!({"Long": wait(60)}));
    let start = task(
        "arn:aws:states:::states:startExecution.sync:2",
        &json!({"StateMachineArn": child, "Name": "{% 'child-' & $string($states.input) %}"}),
        &json!({"End": true}),
    );
    let map = json!({
        "Type": "Map", "Items": [1, 2, 3], "MaxConcurrency": "{% $states.input.atMost %}", "End": true,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Start", "States": {"Start": start}},
    });
    let execution = server.begin(&server.machine(&json!({"Each": map})), &json!({"atMost": 2}));
    let children = |status: &str| -> Vec<String> {
        let listed = server.ok("ListExecutions", &json!({"stateMachineArn": child, "statusFilter": status}));
        let mut names: Vec<String> =
            listed["executions"].as_array().unwrap().iter().map(|child| child["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    until(|| server.kinds(&execution).iter().filter(|kind| *kind == "TaskSubmitted").count() == 2);
    assert_eq!(children("RUNNING"), ["child-1", "child-2"]);
    let arn = |name: &str| format!("{}:{name}", child.replace(":stateMachine:", ":execution:"));
    server.ok("StopExecution", &json!({"executionArn": execution}));
    for name in ["child-1", "child-2"] {
        assert_eq!(server.ended(&arn(name))["status"], "ABORTED", "{name}");
    }
    assert_eq!(children("RUNNING"), Vec::<String>::new(), "the third was never begun");
}

#[test]
fn a_task_may_call_step_functions_itself() {
    let server = Server::start();
    let nested = task(
        "arn:aws:states:::aws-sdk:sfn:describeExecution",
        &json!({"ExecutionArn": "{% $states.context.Execution.Id %}"}),
        &json!({"End": true}),
    );
    let ended = server.run(&server.machine(&json!({"Ask": nested})), &json!({}));
    let output: Value = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["Status"], "RUNNING");
    assert!(output["StartDate"].as_str().unwrap().ends_with('Z'), "{output}");
    let wrong = task("arn:aws:states:::aws-sdk:sfn:sendTaskHeartbeat", &json!({"TaskToken": "?"}), &json!({"End": true}));
    let failed = server.run(&server.machine(&json!({"Ask": wrong})), &json!({}));
    assert_eq!(failed["error"], "Sfn.InvalidTokenException");
    assert!(failed["cause"].as_str().unwrap().starts_with("Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400, Request ID: "));
}

#[test]
fn a_server_that_is_killed_goes_on_where_it_was() {
    let mut server = Server::start();
    server.aws.on("lambda", "invoke", |_| Ok(json!({"StatusCode": 200, "Payload": "1"})));
    server.aws.on("glue", "startJobRun", |_| Ok(json!({"JobRunId": "jr_1"})));
    server.aws.on("glue", "getJobRun", |_| Ok(json!({"JobRun": {"Id": "jr_1", "JobRunState": "RUNNING"}})));
    let ask = json!({"FunctionName": "f", "Payload": {"token": "{% $states.context.Task.Token %}"}});
    let one = |name: &str, state: Value| json!({"StartAt": name, "States": {name: state}});
    let glue = task(
        "arn:aws:states:::glue:startJobRun.sync",
        &json!({"JobName": "j"}),
        &json!({"Output": "{% $states.result.JobRunState %}", "End": true}),
    );
    let machine = server.machine(&json!({
        "Before": {"Type": "Pass", "Assign": {"id": "{% $uuid() %}"}, "Next": "All"},
        "All": {
            "Type": "Parallel",
            "Branches": [
                one("Ask", task("arn:aws:states:::lambda:invoke.waitForTaskToken", &ask, &json!({"TimeoutSeconds": 60, "End": true}))),
                one("Run", glue),
                one("Sleep", wait(2)),
                one("Slow", task("arn:aws:states:::sns:publish", &json!({"Message": "m"}), &json!({"Output": "{% $states.result.MessageId %}", "End": true}))),
            ],
            "Output": {"id": "{% $id %}", "results": "{% $states.result %}"},
            "End": true,
        },
    }));
    server.aws.on("sns", "publish", |_| {
        std::thread::sleep(std::time::Duration::from_secs(20));
        Ok(json!({"MessageId": "late"}))
    });
    let execution = server.begin(&machine, &json!({"a": 1}));
    until(|| server.kinds(&execution).iter().filter(|kind| *kind == "TaskSubmitted").count() == 2);
    until(|| server.aws.count("publish") == 1);
    server.ok("TagResource", &json!({"resourceArn": machine, "tags": [{"key": "a", "value": "1"}]}));
    let before = server.history(&execution);
    server.kill();
    // What it did before isn't undone or done again, but what it waited for is asked again.
    server.aws.on("sns", "publish", |_| Ok(json!({"MessageId": "again"})));
    server.aws.on("glue", "getJobRun", |_| Ok(json!({"JobRun": {"Id": "jr_1", "JobRunState": "SUCCEEDED"}})));
    server.start_again();

    assert_eq!(server.history(&execution)[..before.len()], before[..], "the history until the kill is the same, instants and all");
    assert_eq!(server.ok("ListTagsForResource", &json!({"resourceArn": machine}))["tags"][0]["value"], "1");
    let scheduled = before.iter().find(|event| event.to_string().contains("waitForTaskToken")).unwrap();
    let parameters: Value = serde_json::from_str(scheduled["taskScheduledEventDetails"]["parameters"].as_str().unwrap()).unwrap();
    server.ok("SendTaskSuccess", &json!({"taskToken": parameters["Payload"]["token"], "output": r#""yes""#}));
    let ended = server.ended(&execution);
    let output: Value = serde_json::from_str(ended["output"].as_str().unwrap_or_default()).unwrap_or_else(|_| panic!("{ended}"));
    assert_eq!(output["results"], json!(["yes", "SUCCEEDED", {"a": 1}, "again"]));
    assert_eq!((server.aws.count("startJobRun"), server.aws.count("invoke"), server.aws.count("publish")), (1, 1, 2));
    let refused = server.call("SendTaskSuccess", &json!({"taskToken": parameters["Payload"]["token"], "output": "1"})).unwrap_err();
    assert_eq!(refused.0, "TaskTimedOut");

    // And once more, when all is over.
    let whole = server.history(&execution);
    server.kill();
    server.start_again();
    assert_eq!(server.history(&execution), whole);
    assert_eq!(server.call("SendTaskHeartbeat", &json!({"taskToken": parameters["Payload"]["token"]})).unwrap_err().0, "TaskTimedOut");
}

#[test]
fn a_line_that_was_half_written_when_the_server_died_was_never_told() {
    use std::io::Write;

    let mut server = Server::start();
    let machine = server.machine(&json!({"Wait": wait(60)}));
    let execution = server.begin(&machine, &json!({}));
    server.kill();
    let folder = server.folder().join("executions");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(br#"{"at":17,"stim"#).unwrap();
    std::fs::write(folder.join("half.jsonl"), r#"{"definition""#).unwrap();
    server.start_again();
    server.ok("StopExecution", &json!({"executionArn": execution}));
    server.kill();
    server.start_again();
    assert_eq!(server.ended(&execution)["status"], "ABORTED");
}

#[test]
fn a_data_folder_that_is_not_its_own_ends_it_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state-machines.json"), "no JSON").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_step-functions"))
        .args(["--aws", "http://127.0.0.1:1", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.starts_with("step-functions: the data folder can't be read: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn it_ends_with_the_process_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    // The shell says the server's id, and goes.
    let script = format!(
        "'{}' --aws http://127.0.0.1:1 --data '{}' > /dev/null & echo $!; sleep 1",
        env!("CARGO_BIN_EXE_step-functions"),
        folder.path().display()
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let pid: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let alive = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while alive() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!alive(), "process {pid} outlived its parent");
}
