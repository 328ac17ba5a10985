//! Faults that definitions have had: each is planted into our own, and the checks must name it, at its place, and nothing else.

use nightly_asl::check::{self, Finding, Kind, Severity, UNSUPPORTED};
use serde_json::{Value, json};

/// The definitions that this repository deploys.
const NIGHT: &str = include_str!("../../../statemachine/nightly-warehouse.asl.json");
const QUESTION: &str = include_str!("../../../statemachine/question.asl.json");
const BACKFILL: &str = include_str!("../../../statemachine/backfill.asl.json");

#[test]
fn our_own_definitions_have_none_before_and_after_the_deployment_fills_them_in() {
    for definition in [NIGHT, QUESTION, BACKFILL] {
        assert_eq!(check::template(definition, Kind::Standard), []);
        assert_eq!(check::definition(&deployed(definition), Kind::Standard), []);
    }
}

#[test]
fn every_planted_fault_is_found_at_its_place_and_nothing_else() {
    assert!(PLANTED.len() >= 24, "facts count 24 kinds of faults");
    let mut wrong = Vec::new();
    for planted in PLANTED {
        let mut definition = deployed(planted.definition);
        (planted.plant)(&mut definition);
        let findings = check::definition(&definition, Kind::Standard);
        let found: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.code, finding.location.as_str())).collect();
        if found != planted.expected {
            wrong.push(format!("{}: {findings:#?}", planted.fault));
        }
        wrong.extend(findings.iter().filter(|finding| !is_for_a_person(finding)).map(|finding| format!("{}: {finding:?}", planted.fault)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn faults_of_the_text_are_found() {
    let comma = NIGHT.replacen("\"States\": {", "\"States\": {,", 1);
    assert_eq!(codes(&check::template(&comma, Kind::Standard)), ["INVALID_JSON_DESCRIPTION"]);
    let twice = NIGHT.replacen("\"TimeoutSeconds\": 60,", "\"TimeoutSeconds\": 60, \"TimeoutSeconds\": 61,", 1);
    assert_eq!(codes(&check::template(&twice, Kind::Standard)), ["DUPLICATE_FIELD"]);
}

#[test]
fn an_express_machine_waits_for_nobody() {
    let findings = check::definition(&deployed(QUESTION), Kind::Express);
    assert_eq!(
        check::refusal(&findings).expect("it is refused"),
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does not support '.waitForTaskToken' service \
         integration  at /States/Ask/Resource'"
    );
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code).collect()
}

fn is_for_a_person(finding: &Finding) -> bool {
    let ends = finding.hint.ends_with(['.', '?']);
    !finding.message.is_empty() && finding.hint.split(' ').count() > 2 && ends
}

/// A fault, and what is said of it.
struct Planted {
    fault: &'static str,
    definition: &'static str,
    plant: fn(&mut Value),
    expected: &'static [(Severity, &'static str, &'static str)],
}

const fn night(fault: &'static str, plant: fn(&mut Value), expected: &'static [(Severity, &'static str, &'static str)]) -> Planted {
    Planted { fault, definition: NIGHT, plant, expected }
}

const fn question(fault: &'static str, plant: fn(&mut Value), expected: &'static [(Severity, &'static str, &'static str)]) -> Planted {
    Planted { fault, definition: QUESTION, plant, expected }
}

const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
const TARGET: &str = "MISSING_TRANSITION_TARGET";

use Severity::{Error, Fault, Unsupported, Warning};

/// The first ten are those that linters miss.
const PLANTED: &[Planted] = &[
    night(
        "a misspelt variable",
        |machine| state_mut(machine, "CountAgrees")["Choices"][0]["Condition"] = json!("{% $publishedRow = $verdict.orderLines %}"),
        &[(Fault, "UNASSIGNED_VARIABLE", "/States/CountAgrees/Choices[0]/Condition")],
    ),
    night(
        "a callback without its task token",
        |machine| take(&mut state_mut(machine, "ManualApproval")["Arguments"]["Payload"], "taskToken"),
        &[(Fault, "MISSING_TASK_TOKEN", "/States/ManualApproval/Arguments")],
    ),
    night(
        ".sync on a call through the SDK",
        |machine| {
            state_mut(machine, "ReadQualityRun")["Resource"] =
                json!("arn:aws:states:::aws-sdk:glue:getDataQualityRulesetEvaluationRun.sync");
        },
        &[(Error, SCHEMA, "/States/ReadQualityRun/Resource")],
    ),
    night(
        "an action of the SDK that does not exist",
        |machine| state_mut(machine, "ReadQualityResult")["Resource"] = json!("arn:aws:states:::aws-sdk:glue:getDataQualityResults"),
        &[(Error, SCHEMA, "/States/ReadQualityResult/Resource")],
    ),
    night(
        "an action of Glue that does not exist",
        |machine| state_mut(machine, "ApplyFx")["Resource"] = json!("arn:aws:states:::glue:startJob.sync"),
        &[(Error, SCHEMA, "/States/ApplyFx/Resource")],
    ),
    night(
        "States.ALL before another rule",
        |machine| state_mut(machine, "EnrichCurrency")["Retry"][1]["ErrorEquals"] = json!(["States.ALL"]),
        &[
            (Error, SCHEMA, "/States/EnrichAndJoin/Branches[0]/States/EnrichCurrency/Retry[1]/ErrorEquals[0]"),
            (Fault, "UNREACHABLE_RULE", "/States/EnrichAndJoin/Branches[0]/States/EnrichCurrency/Retry[2]"),
        ],
    ),
    night(
        "an assignment to states",
        |machine| state_mut(machine, "ReadCount")["Assign"]["states"] = json!("{% $states.result %}"),
        &[(Error, SCHEMA, "/States/ReadCount/Assign/states")],
    ),
    night(
        "a heartbeat that is longer than the timeout",
        |machine| state_mut(machine, "ManualApproval")["HeartbeatSeconds"] = json!(7200),
        &[(Fault, "HEARTBEAT_NOT_SMALLER", "/States/ManualApproval/HeartbeatSeconds")],
    ),
    night(
        "an invocation without its function",
        |machine| take(&mut state_mut(machine, "NotifyStakeholders")["Arguments"], "FunctionName"),
        &[(Fault, "MISSING_ARGUMENT", "/States/NotifyStakeholders/Arguments")],
    ),
    night(
        "a JSONPath key under JSONata",
        |machine| state_mut(machine, "ExtractOrders")["Arguments"]["Arguments"]["--run_date.$"] = json!("$.runDate"),
        &[(Fault, "JSONPATH_KEY", "/States/BuildSources/Branches[0]/States/ExtractOrders/Arguments/Arguments/--run_date.$")],
    ),
    night(
        "a field that does not exist",
        |machine| state_mut(machine, "ReadCount")["TimeoutSecond"] = json!(60),
        &[(Error, SCHEMA, "/States/ReadCount")],
    ),
    night("no StartAt", |machine| take(machine, "StartAt"), &[(Error, SCHEMA, "/")]),
    night("no States", |machine| take(machine, "States"), &[(Error, SCHEMA, "/")]),
    night(
        "a start at nowhere",
        |machine| state_mut(machine, "BuildSources")["Branches"][0]["StartAt"] = json!("ExtractOrder"),
        &[
            (Error, TARGET, "/States/BuildSources/Branches[0]/StartAt"),
            (Error, TARGET, "/States/BuildSources/Branches[0]/States/ExtractOrders"),
            (Error, TARGET, "/States/BuildSources/Branches[0]/States/TransformOrders"),
        ],
    ),
    night(
        "a way to nowhere",
        |machine| state_mut(machine, "QualityGate")["Default"] = json!("QualityFailled"),
        &[(Error, TARGET, "/States/QualityGate/Default"), (Error, TARGET, "/States/QualityFailed")],
    ),
    night(
        "a way out of a branch",
        |machine| state_mut(machine, "JoinFactDim")["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": "ApplyFx"}]),
        &[(Error, TARGET, "/States/EnrichAndJoin/Branches[1]/States/JoinFactDim/Catch[0]/Next")],
    ),
    night(
        "a state that nothing leads to",
        |machine| machine["States"]["Forgotten"] = json!({"Type": "Succeed"}),
        &[(Error, TARGET, "/States/Forgotten")],
    ),
    question(
        "no end",
        |machine| {
            for state in ["Ask", "Settle", "ReadVerdict"] {
                take(state_mut(machine, state), "End");
                state_mut(machine, state)["Next"] = json!("Prepare");
            }
        },
        &[(Error, "MISSING_END_STATE", "")],
    ),
    night(
        "a loop without a way out",
        |machine| {
            machine["States"]["Round"] = json!({"Type": "Wait", "Seconds": 10, "Next": "AndRound"});
            machine["States"]["AndRound"] = json!({"Type": "Pass", "Next": "Round"});
            state_mut(machine, "QualityRunEnded")["Default"] = json!("Round");
            let rules = state_mut(machine, "QualityRunEnded")["Choices"].as_array_mut().expect("there are rules");
            rules.push(json!({"Condition": "{% $states.input.Status = 'FAILED' %}", "Next": "QualityRunFailed"}));
        },
        &[(Warning, "ENDLESS_LOOP", "/States/Round")],
    ),
    night(
        "a state without a type",
        |machine| take(state_mut(machine, "WaitForQualityRun"), "Type"),
        &[(Error, SCHEMA, "/States/WaitForQualityRun")],
    ),
    night(
        "a type that does not exist",
        |machine| state_mut(machine, "Done")["Type"] = json!("Success"),
        &[(Error, SCHEMA, "/States/Done/Type")],
    ),
    night("Next and End", |machine| state_mut(machine, "ReadCount")["End"] = json!(true), &[(Error, SCHEMA, "/States/ReadCount")]),
    question("neither Next nor End", |machine| take(state_mut(machine, "ReadVerdict"), "End"), &[(Error, SCHEMA, "/States/ReadVerdict")]),
    night(
        "a JSONPath field under JSONata",
        |machine| state_mut(machine, "ReadVerdict")["ResultPath"] = json!("$.record"),
        &[(Error, SCHEMA, "/States/ReadVerdict")],
    ),
    night(
        "an expression that is no JSONata",
        |machine| state_mut(machine, "ReadStagedTable")["Output"] = json!("{% $states.result.Table[ %}"),
        &[(Error, "INVALID_JSONATA_EXPRESSION", "/States/ReadStagedTable/Output")],
    ),
    night(
        "a field of nothing in an expression",
        |machine| state_mut(machine, "ReadStagedTable")["Output"] = json!("{% Table.StorageDescriptor %}"),
        &[(Error, "UNSUPPORTED_JSONATA_EXPRESSION", "/States/ReadStagedTable/Output")],
    ),
    night(
        "a function that does not exist",
        |machine| state_mut(machine, "DeferNotice")["Arguments"]["MessageBody"] = json!("{% $stringify($notice) %}"),
        &[(Fault, "UNKNOWN_FUNCTION", "/States/DeferNotice/Arguments/MessageBody")],
    ),
    night(
        "an expression that is not closed",
        |machine| state_mut(machine, "DeferNotice")["Arguments"]["MessageBody"] = json!("{% $string($notice) }"),
        &[(Fault, "UNCLOSED_EXPRESSION", "/States/DeferNotice/Arguments/MessageBody")],
    ),
    night(
        "a result before there is one",
        |machine| state_mut(machine, "ReadQualityRun")["Arguments"]["RunId"] = json!("{% $states.result.RunId %}"),
        &[(Fault, "MISSING_STATES_FIELD", "/States/ReadQualityRun/Arguments/RunId")],
    ),
    night(
        "an error outside of a Catch",
        |machine| state_mut(machine, "QualityRunFailed")["Cause"] = json!("{% $states.errorOutput.Cause %}"),
        &[(Error, "UNSUPPORTED_JSONATA_EXPRESSION", "/States/QualityRunFailed/Cause")],
    ),
    night(
        "a variable that only some ways assign",
        |machine| {
            let catch = &mut state_mut(machine, "ManualApproval")["Catch"][0];
            take(catch, "Assign");
            catch["Next"] = json!("ReadVerdict");
        },
        &[(Error, TARGET, "/States/ExpireApproval"), (Fault, "UNASSIGNED_VARIABLE", "/States/ReadVerdict/Assign/verdict")],
    ),
    night(
        "a variable that one way leaves out",
        |machine| {
            take(&mut state_mut(machine, "ManualApproval")["Catch"][0], "Assign");
            state_mut(machine, "ExpireApproval")["Next"] = json!("ApprovalDecision");
        },
        &[
            (Fault, "UNASSIGNED_VARIABLE", "/States/ReadVerdict/Assign/verdict"),
            (Warning, "MAYBE_UNASSIGNED_VARIABLE", "/States/ApprovalDecision/Choices[0]/Condition"),
        ],
    ),
    night(
        "a variable that ended with its branch",
        |machine| {
            state_mut(machine, "EnrichCurrency")["Assign"] = json!({"rates": "{% $states.result.Payload.ratesUri %}"});
            state_mut(machine, "ApplyFx")["Arguments"]["Arguments"]["--rates_uri"] = json!("{% $rates %}");
        },
        &[(Fault, "UNASSIGNED_VARIABLE", "/States/ApplyFx/Arguments/Arguments/--rates_uri")],
    ),
    question(
        "a variable that nobody assigns",
        |machine| take(state_mut(machine, "Prepare"), "Assign"),
        &[
            (Fault, "UNASSIGNED_VARIABLE", "/States/Ask/Arguments/Payload"),
            (Fault, "UNASSIGNED_VARIABLE", "/States/Settle/Arguments/Key/approval_id/S"),
            (Fault, "UNASSIGNED_VARIABLE", "/States/ReadVerdict/Arguments/Key/approval_id/S"),
        ],
    ),
    night(
        "a branch that assigns a variable from around it",
        |machine| state_mut(machine, "EnrichCurrency")["Assign"] = json!({"work": "elsewhere"}),
        &[(Fault, "OUTER_VARIABLE", "/States/EnrichAndJoin/Branches[0]/States/EnrichCurrency")],
    ),
    question(
        "a question without its token",
        |machine| {
            let payload = &mut state_mut(machine, "Ask")["Arguments"]["Payload"];
            *payload = payload.as_str().expect("it is an expression").replace("$states.context.Task.Token", "'token'").into();
        },
        &[(Fault, "MISSING_TASK_TOKEN", "/States/Ask/Arguments")],
    ),
    question(
        "a token that is not waited for",
        |machine| state_mut(machine, "Ask")["Resource"] = json!("arn:aws:states:::lambda:invoke"),
        &[(Fault, "NO_TASK_TOKEN", "/States/Ask/Arguments/Payload")],
    ),
    night(
        "States.ALL beside another name",
        |machine| state_mut(machine, "NotifyStakeholders")["Catch"][0]["ErrorEquals"] = json!(["SlackUnavailable", "States.ALL"]),
        &[(Error, SCHEMA, "/States/NotifyStakeholders/Catch[0]/ErrorEquals[1]")],
    ),
    night(
        "an error of Step Functions that does not exist",
        |machine| state_mut(machine, "ManualApproval")["Catch"][0]["ErrorEquals"] = json!(["States.TimedOut"]),
        &[(Fault, "UNKNOWN_ERROR", "/States/ManualApproval/Catch[0]/ErrorEquals[0]")],
    ),
    night(
        "a rule for no error",
        |machine| state_mut(machine, "ManualApproval")["Catch"][0]["ErrorEquals"] = json!([]),
        &[(Error, SCHEMA, "/States/ManualApproval/Catch[0]/ErrorEquals")],
    ),
    night(
        "an assignment to states in a rule",
        |machine| state_mut(machine, "CheckRunDate")["Choices"][0]["Assign"]["states"] = json!({}),
        &[(Error, SCHEMA, "/States/CheckRunDate/Choices[0]/Assign/states")],
    ),
    night(
        "a heartbeat that is as long as the timeout, both computed",
        |machine| state_mut(machine, "ManualApproval")["HeartbeatSeconds"] = json!("{% 60 * 60 %}"),
        &[(Fault, "HEARTBEAT_NOT_SMALLER", "/States/ManualApproval/HeartbeatSeconds")],
    ),
    night(
        "a callback without a timeout",
        |machine| {
            take(state_mut(machine, "ManualApproval"), "TimeoutSeconds");
            take(state_mut(machine, "ManualApproval"), "HeartbeatSeconds");
        },
        &[(Fault, "MISSING_TIMEOUT", "/States/ManualApproval")],
    ),
    night(
        "a job without a timeout",
        |machine| take(state_mut(machine, "ApplyFx"), "TimeoutSeconds"),
        &[(Fault, "MISSING_TIMEOUT", "/States/ApplyFx")],
    ),
    night(
        "a call without a timeout",
        |machine| take(state_mut(machine, "ReadCount"), "TimeoutSeconds"),
        &[(Warning, "MISSING_TIMEOUT", "/States/ReadCount")],
    ),
    night(
        "a misspelt argument",
        |machine| {
            let arguments = &mut state_mut(machine, "ReadStagedTable")["Arguments"];
            take(arguments, "Name");
            arguments["name"] = json!("orders");
        },
        &[(Fault, "UNKNOWN_ARGUMENT", "/States/ReadStagedTable/Arguments/name")],
    ),
    night(
        "an action with a capital",
        |machine| state_mut(machine, "ReadStagedTable")["Resource"] = json!("arn:aws:states:::aws-sdk:glue:GetTable"),
        &[(Error, SCHEMA, "/States/ReadStagedTable/Resource")],
    ),
    night(
        ".sync where there is none",
        |machine| state_mut(machine, "EnrichCurrency")["Resource"] = json!("arn:aws:states:::lambda:invoke.sync"),
        &[(Error, SCHEMA, "/States/EnrichAndJoin/Branches[0]/States/EnrichCurrency/Resource")],
    ),
    night(
        "a service that is not known",
        |machine| state_mut(machine, "ReadStagedTable")["Resource"] = json!("arn:aws:states:::aws-sdk:lakeformation:listResources"),
        &[(Warning, "UNCHECKED_SERVICE", "/States/ReadStagedTable/Resource")],
    ),
    night(
        "an activity",
        |machine| state_mut(machine, "ReadStagedTable")["Resource"] = json!("arn:aws:states:eu-central-1:111111111111:activity:read"),
        &[(Unsupported, UNSUPPORTED, "/States/ReadStagedTable/Resource")],
    ),
    night(
        "an error that is both written and read",
        |machine| {
            take(machine, "QueryLanguage");
            *machine = json!({
                "StartAt": "Fails",
                "States": {"Fails": {"Type": "Fail", "Error": "Broken", "ErrorPath": "$.error"}}
            });
        },
        &[(Error, SCHEMA, "/States/Fails")],
    ),
    night(
        "a state that goes back to JSONPath",
        |machine| state_mut(machine, "InvalidRunDate")["QueryLanguage"] = json!("JSONPath"),
        &[(Error, SCHEMA, "/States/InvalidRunDate")],
    ),
    night(
        "two states of the same name",
        |machine| {
            let branch = &mut state_mut(machine, "EnrichAndJoin")["Branches"][1];
            let state = branch["States"]["JoinFactDim"].clone();
            *branch = json!({"StartAt": "ApplyFx", "States": {"ApplyFx": state}});
        },
        &[(Error, "DUPLICATE_STATE_NAME", "/States/ApplyFx")],
    ),
    night(
        "a Choice without a Default",
        |machine| take(state_mut(machine, "CountAgrees"), "Default"),
        &[(Warning, "MISSING_DEFAULT", "/States/CountAgrees"), (Error, TARGET, "/States/PublishedCountMismatch")],
    ),
    night(
        "a field of one type in another",
        |machine| state_mut(machine, "BuildSources")["TimeoutSeconds"] = json!(60),
        &[(Error, SCHEMA, "/States/BuildSources")],
    ),
    night(
        "a number in quotes",
        |machine| state_mut(machine, "ReadCount")["TimeoutSeconds"] = json!("60"),
        &[(Error, SCHEMA, "/States/ReadCount/TimeoutSeconds")],
    ),
    night(
        "a number out of its range",
        |machine| state_mut(machine, "ReadCount")["Retry"][0]["BackoffRate"] = json!(0.5),
        &[(Error, SCHEMA, "/States/ReadCount/Retry[0]/BackoffRate")],
    ),
    night(
        "a cap below the first wait",
        |machine| state_mut(machine, "ReadCount")["Retry"][0]["MaxDelaySeconds"] = json!(1),
        &[(Fault, "RETRY_NUMBERS", "/States/ReadCount/Retry[0]/MaxDelaySeconds")],
    ),
    night(
        "a jitter that does not exist",
        |machine| state_mut(machine, "ReadCount")["Retry"][0]["JitterStrategy"] = json!("Full"),
        &[(Error, SCHEMA, "/States/ReadCount/Retry[0]/JitterStrategy")],
    ),
    night(
        "an instant without an offset",
        |machine| {
            let wait = state_mut(machine, "WaitForQualityRun");
            take(wait, "Seconds");
            wait["Timestamp"] = json!("2026-11-21T01:00:00");
        },
        &[(Error, SCHEMA, "/States/WaitForQualityRun/Timestamp")],
    ),
    night(
        "a Parallel without branches",
        |machine| state_mut(machine, "BuildSources")["Branches"] = json!([]),
        &[(Error, SCHEMA, "/States/BuildSources/Branches")],
    ),
    night(
        "a comment that is no text",
        |machine| state_mut(machine, "ReadCount")["Comment"] = json!(["reads the count"]),
        &[(Error, SCHEMA, "/States/ReadCount/Comment")],
    ),
];

/// A definition with its placeholders replaced as a deployment does it: by a number where it stands for one, else by its own name.
fn deployed(definition: &str) -> Value {
    let numbers = [
        ("ApprovalTimeoutSeconds", 3600),
        ("ApprovalExtensionSeconds", 900),
        ("ApprovalWatchMinutes", 5),
        ("QualityPollSeconds", 10),
        ("NightsAtOnce", 1),
    ];
    let numbered =
        numbers.iter().fold(definition.to_owned(), |text, (name, number)| text.replace(&format!("${{{name}}}"), &number.to_string()));
    let mut parts = numbered.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a placeholder is closed");
        text.extend([name, rest]);
    }
    serde_json::from_str(&text).expect("a definition is JSON")
}

/// The state of that name, in a branch or outside.
fn state_mut<'a>(machine: &'a mut Value, name: &str) -> &'a mut Value {
    fn find<'a>(machine: &'a mut Value, name: &str) -> Option<&'a mut Value> {
        for (key, state) in machine["States"].as_object_mut()? {
            if key == name {
                return Some(state);
            }
            let found = state.get_mut("Branches").and_then(Value::as_array_mut);
            if let Some(found) = found.and_then(|branches| branches.iter_mut().find_map(|branch| find(branch, name))) {
                return Some(found);
            }
        }
        None
    }
    find(machine, name).unwrap_or_else(|| panic!("there is no state {name}"))
}

fn take(value: &mut Value, field: &str) {
    value.as_object_mut().expect("it is an object").remove(field).unwrap_or_else(|| panic!("there is no {field}"));
}
