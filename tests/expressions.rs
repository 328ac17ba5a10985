//! What the definition's expressions say, on real inputs. The cases are data: `expressions/*.json`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::asl::{self, Scope, State, choose, deployed, state};
use crate::project;

const STARTED_AT: &str = "2026-11-21T01:00:03.123Z";

#[derive(Deserialize)]
struct RunDateCase {
    name: String,
    input: Value,
    #[serde(rename = "runDate")]
    run_date: Option<String>,
    refused: Option<String>,
}

#[test]
fn a_run_date_is_a_day_that_is_over_or_the_night_does_not_start() {
    let definition = deployed(&[]);
    for case in cases::<RunDateCase>("run-dates") {
        let mut scope = Scope::new(json!({"input": case.input, "context": {"Execution": {"Name": "night-1", "StartTime": STARTED_AT}}}));
        scope.assign(&state(&definition, "ResolveRun").fields["Assign"]).expect(&case.name);
        let next = choose(state(&definition, "CheckRunDate"), &mut scope).expect(&case.name);
        match (case.run_date, case.refused) {
            (Some(date), None) => {
                assert_eq!(next, "BuildSources", "{}", case.name);
                assert_eq!(scope.variables["runDate"], json!(date), "{}", case.name);
                assert_eq!(scope.variables["work"], json!(format!("s3://WorkBucket/nightly-warehouse/run_date={date}/night-1")));
            }
            (None, Some(said)) => {
                assert_eq!(next, "InvalidRunDate", "{}", case.name);
                assert!(cause(&definition, &next, &scope).contains(&said), "{}: {}", case.name, cause(&definition, &next, &scope));
            }
            _ => panic!("{}: a case has either a date or what is refused", case.name),
        }
    }
}

#[test]
fn an_input_that_is_no_object_builds_the_day_before() {
    let definition = deployed(&[]);
    for input in [json!([]), json!("2026-11-20"), json!(7), Value::Null] {
        let mut scope = Scope::new(json!({"input": input, "context": {"Execution": {"Name": "night-1", "StartTime": STARTED_AT}}}));
        scope.assign(&state(&definition, "ResolveRun").fields["Assign"]).expect("it resolves");
        assert_eq!(scope.variables["runDate"], "2026-11-20", "{input}");
    }
}

#[derive(Deserialize)]
struct QualityRunCase {
    name: String,
    run: Value,
    next: String,
    cause: Option<String>,
}

#[test]
fn a_quality_run_that_is_neither_going_nor_succeeded_has_failed() {
    let definition = deployed(&[]);
    for case in cases::<QualityRunCase>("quality-runs") {
        let mut scope = night().with("qualityRunId", json!("dqrun-1"));
        scope.states = json!({"input": case.run});
        let next = choose(state(&definition, "QualityRunEnded"), &mut scope).expect(&case.name);
        assert_eq!(next, case.next, "{}", case.name);
        if next == "QualityRunFailed" {
            let cause = cause(&definition, &next, &scope);
            assert!(cause.contains(case.cause.as_deref().unwrap_or("nothing was published")), "{}: {cause}", case.name);
        }
    }
}

#[derive(Deserialize)]
struct QualityCase {
    name: String,
    result: Value,
    rules: usize,
    next: String,
    #[serde(default)]
    cause: Vec<String>,
}

#[test]
fn the_quality_gate_opens_when_every_rule_says_pass() {
    let definition = deployed(&[]);
    for case in cases::<QualityCase>("quality-results") {
        let mut scope = after(&definition, "ReadQualityResult", night(), &case.result);
        assert_eq!(scope.variables["quality"]["rules"].as_array().expect(&case.name).len(), case.rules, "{}", case.name);
        let next = choose(state(&definition, "QualityGate"), &mut scope).expect(&case.name);
        assert_eq!(next, case.next, "{}", case.name);
        for said in &case.cause {
            let cause = cause(&definition, &next, &scope);
            assert!(cause.contains(said), "{}: {cause}", case.name);
        }
    }
}

#[test]
fn what_an_approver_sees_of_a_rule_is_all_that_glue_said() {
    let definition = deployed(&[]);
    let case =
        cases::<QualityCase>("quality-results").into_iter().find(|case| case.name == "a single rule fails").expect("the case exists");
    let scope = after(&definition, "ReadQualityResult", night(), &case.result);
    assert_eq!(
        scope.variables["quality"],
        json!({
            "score": 0,
            "ruleset": "Ruleset",
            "rules": [{
                "name": "Rule_1",
                "rule": "RowCount > 0",
                "result": "FAIL",
                "message": "Value: 0 does not meet the constraint requirement!",
                "metrics": {"Dataset.*.RowCount": 0}
            }]
        })
    );
}

#[test]
fn a_cause_stays_below_what_step_functions_takes() {
    let definition = deployed(&[]);
    let rules: Vec<Value> =
        (0..100).map(|n| json!({"Description": format!("rule {n}"), "Result": "FAIL", "EvaluationMessage": "x".repeat(2048)})).collect();
    let scope = after(&definition, "ReadQualityResult", night(), &json!({"Score": 0, "RuleResults": rules}));
    assert!(cause(&definition, "QualityFailed", &scope).len() < 32_768);
}

#[derive(Deserialize)]
struct RecordCase {
    name: String,
    #[serde(rename = "waitedSeconds")]
    waited_seconds: u32,
    result: Value,
    next: String,
    cause: Option<String>,
}

#[test]
fn after_the_clock_ran_out_the_record_decides() {
    let definition = deployed(&[]);
    for case in cases::<RecordCase>("records") {
        let scope = night().with("verdict", json!({"decision": "NONE", "waitedSeconds": case.waited_seconds}));
        let mut scope = after(&definition, "ReadVerdict", scope, &case.result);
        let next = choose(state(&definition, "ApprovalDecision"), &mut scope).expect(&case.name);
        assert_eq!(next, case.next, "{}", case.name);
        if let Some(said) = case.cause {
            assert_eq!(cause(&definition, &next, &scope), said, "{}", case.name);
        }
    }
}

#[test]
fn the_timeout_of_a_question_says_how_long_it_was_open() {
    let definition = deployed(&[]);
    let mut scope = night();
    scope.states = json!({"context": {"State": {"EnteredTime": "2020-01-01T00:00:00.000Z"}}, "errorOutput": {"Error": "States.Timeout"}});
    scope.assign(&state(&definition, "ManualApproval").list("Catch")[0]["Assign"]).expect("it assigns");
    assert_eq!(scope.variables["verdict"]["decision"], "NONE");
    assert!(scope.variables["verdict"]["waitedSeconds"].as_i64().expect("whole seconds") > 189_000_000);
}

#[test]
fn three_beats_fit_into_a_heartbeat_or_the_whole_question_does() {
    for (timeout, minutes, heartbeat) in
        [(3600, 5, 1800), (3600, 15, 2700), (1800, 5, 900), (1800, 15, 1799), (600, 5, 599), (60, 1, 59), (30, 15, 29), (14400, 1, 7200)]
    {
        let definition = deployed(&[("ApprovalTimeoutSeconds", timeout), ("ApprovalWatchMinutes", minutes)]);
        let seconds = |field: &str| night().evaluate(&state(&definition, "ManualApproval").fields[field]).expect("it evaluates");
        assert_eq!(seconds("TimeoutSeconds"), json!(timeout));
        assert_eq!(seconds("HeartbeatSeconds"), json!(heartbeat), "{timeout} seconds, watched every {minutes} minutes");
    }
}

#[derive(Deserialize)]
struct CountCase {
    name: String,
    rows: Value,
    #[serde(rename = "orderLines")]
    order_lines: u64,
    next: String,
}

#[test]
fn what_was_published_is_what_was_approved() {
    let definition = deployed(&[]);
    for case in cases::<CountCase>("counts") {
        let scope =
            night().with("verdict", json!({"decision": "APPROVED", "orderLines": case.order_lines})).with("quality", json!({"score": 1}));
        let mut scope = after(&definition, "ReadCount", scope, &json!({"ResultSet": {"Rows": case.rows}}));
        scope.states = json!({"context": {"Execution": {"Id": "arn:aws:states:eu-central-1:123456789012:execution:night:night-1"}}});
        let next = choose(state(&definition, "CountAgrees"), &mut scope).expect(&case.name);
        assert_eq!(next, case.next, "{}", case.name);
        if next == "NotifyStakeholders" {
            let notice = &scope.variables["notice"];
            assert_eq!(notice["publishedRows"], json!(case.order_lines), "{}", case.name);
            assert_eq!(notice["summaryUri"], "s3://WorkBucket/nightly-warehouse/run_date=2026-11-20/night-1/apply-fx/_summary.json");
            // What a queue holds is the same notice, as text.
            let body = scope.evaluate(&state(&definition, "DeferNotice").fields["Arguments"]["MessageBody"]).expect("it evaluates");
            assert_eq!(&serde_json::from_str::<Value>(body.as_str().expect("a body is text")).expect("the text is JSON"), notice);
        } else {
            assert!(cause(&definition, &next, &scope).contains(&format!("but {} were approved", case.order_lines)), "{}", case.name);
        }
    }
}

#[test]
fn every_argument_of_a_job_can_be_evaluated() {
    let definition = deployed(&[]);
    let scope = night().with("verdict", json!({"evidenceDigest": "d"}));
    for task in asl::states(&definition).into_iter().filter(|task| task.resource() == Some("glue:startJobRun.sync")) {
        let arguments = scope.evaluate(&task.fields["Arguments"]["Arguments"]).expect(task.name);
        for (key, value) in arguments.as_object().expect("arguments are an object") {
            assert!(key.starts_with("--") && value.as_str().is_some_and(|text| !text.is_empty()), "{}: {key}: {value}", task.name);
        }
        assert_eq!(arguments["--run_date"], "2026-11-20", "{}", task.name);
    }
}

#[test]
fn the_texts_that_other_services_parse_are_what_they_should_be() {
    let definition = deployed(&[]);
    let text = |name: &str, pointer: &str| {
        let fields = Value::Object(state(&definition, name).fields.clone());
        night().evaluate(fields.pointer(pointer).expect("the field exists")).expect("it evaluates")
    };
    assert_eq!(
        text("CountPublished", "/Arguments/QueryString"),
        r#"SELECT count(*) FROM "Database"."CuratedTable" WHERE order_date = DATE '2026-11-20'"#
    );
    assert_eq!(
        text("StartQualityRun", "/Arguments/DataSource/GlueTable/AdditionalOptions/pushDownPredicate"),
        "run_date = '2026-11-20' and run_id = 'night-1'"
    );
}

#[test]
fn the_staged_partition_keeps_the_tables_columns_at_a_place_of_its_own() {
    let definition = deployed(&[]);
    let mut scope = night();
    let table = json!({"Columns": [{"Name": "order_id", "Type": "string"}], "Location": "s3://WorkBucket/nightly-warehouse/", "InputFormat": "parquet"});
    scope.states = json!({"result": {"Table": {"Name": "orders_staged", "StorageDescriptor": table}}});
    let descriptor = scope.evaluate(&state(&definition, "ReadStagedTable").fields["Output"]).expect("it evaluates");
    scope.states = json!({"input": descriptor});
    let partition = scope.evaluate(&state(&definition, "RegisterStaged").fields["Arguments"]["PartitionInput"]).expect("it evaluates");
    assert_eq!(
        partition,
        json!({
            "Values": ["2026-11-20", "night-1"],
            "StorageDescriptor": {
                "Columns": [{"Name": "order_id", "Type": "string"}],
                "Location": "s3://WorkBucket/nightly-warehouse/run_date=2026-11-20/night-1/apply-fx/",
                "InputFormat": "parquet"
            }
        })
    );
}

/// The variables of a night that has started.
fn night() -> Scope {
    let work = "s3://WorkBucket/nightly-warehouse/run_date=2026-11-20/night-1";
    let variables = [("runDate", "2026-11-20"), ("runId", "night-1"), ("startedAt", STARTED_AT), ("work", work)];
    let variables: Map<_, _> = variables.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    Scope { states: json!({}), variables }
}

/// The variables once a task has ended with this result.
fn after(definition: &Value, task: &str, mut scope: Scope, result: &Value) -> Scope {
    scope.states = json!({"result": result});
    scope.assign(&state(definition, task).fields["Assign"]).unwrap_or_else(|error| panic!("{task}: {error}"));
    scope
}

/// What a Fail state says.
fn cause(definition: &Value, fail: &str, scope: &Scope) -> String {
    let State { fields, .. } = state(definition, fail);
    let cause = scope.evaluate(&fields["Cause"]).unwrap_or_else(|error| panic!("{fail}: {error}"));
    cause.as_str().expect("a cause is text").to_owned()
}

fn cases<Case: DeserializeOwned>(name: &str) -> Vec<Case> {
    let cases: Vec<Case> =
        serde_json::from_str(&project::read(&format!("tests/expressions/{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}
