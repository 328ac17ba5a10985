//! What the definitions' expressions say, on real inputs. The cases are data: `expressions/*.json`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::asl::{self, BACKFILL, QUESTION, Scope, State, choose, deployed, state};
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
                assert_eq!(next, "CheckFlags", "{}", case.name);
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
fn a_notice_is_about_the_date_that_the_definition_builds() {
    for case in cases::<RunDateCase>("run-dates") {
        let execution = nightly_domain::execution::Execution {
            arn: "arn:of:night-1".to_owned(),
            state_machine_arn: "arn:of:night".to_owned(),
            started_at: STARTED_AT.parse().expect("an instant"),
            input: case.input.to_string(),
            redrives: 0,
            ending: None,
        };
        assert_eq!(execution.run_date().map(|date| date.to_string()), case.run_date, "{}", case.name);
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
struct StarterCase {
    name: String,
    input: Value,
    #[serde(rename = "startedBy")]
    started_by: String,
}

#[test]
fn whoever_began_the_night_is_named_by_themselves_or_by_the_schedule() {
    let definition = deployed(&[]);
    for case in cases::<StarterCase>("starters") {
        let mut scope = Scope::new(json!({"input": case.input, "context": {"Execution": {"Name": "night-1", "StartTime": STARTED_AT}}}));
        scope.assign(&state(&definition, "ResolveRun").fields["Assign"]).expect(&case.name);
        assert_eq!(scope.variables["startedBy"], json!(case.started_by), "{}", case.name);
    }
}

#[derive(Deserialize)]
struct FlagCase {
    name: String,
    input: Value,
    /// The stack's parameter.
    #[serde(default)]
    allowed: String,
    force: Option<bool>,
    #[serde(default)]
    skipped: Vec<String>,
    refused: Option<String>,
}

#[test]
fn a_flag_is_true_or_false_and_allowed_or_the_night_does_not_start() {
    for case in cases::<FlagCase>("flags") {
        let definition = deployed(&[("AllowedFlags", &case.allowed)]);
        let mut scope = Scope::new(json!({"input": case.input, "context": {"Execution": {"Name": "night-1", "StartTime": STARTED_AT}}}));
        scope.assign(&state(&definition, "ResolveRun").fields["Assign"]).expect(&case.name);
        let next = choose(state(&definition, "CheckFlags"), &mut scope).expect(&case.name);
        match (case.force, case.refused) {
            (Some(force), None) => {
                assert_eq!((next.as_str(), &scope.variables["force"]), ("ClaimNight", &json!(force)), "{}", case.name);
                assert_eq!(scope.variables["skipped"], json!(case.skipped), "{}", case.name);
            }
            (None, Some(said)) => {
                assert!(["InvalidFlag", "FlagNotAllowed"].contains(&next.as_str()), "{}: {next}", case.name);
                assert!(cause(&definition, &next, &scope).contains(&said), "{}: {}", case.name, cause(&definition, &next, &scope));
            }
            _ => panic!("{}: a case has either a flag or what is refused", case.name),
        }
    }
}

#[derive(Deserialize)]
struct ClaimCase {
    name: String,
    force: bool,
    /// What `GetItem` and `DescribeExecution` answer; an owner that is gone answers nothing.
    row: Value,
    owner: Option<Value>,
    next: String,
    reason: Option<String>,
}

#[test]
fn a_night_is_taken_only_from_an_owner_that_does_not_run_and_a_published_one_only_by_force() {
    let definition = deployed(&[]);
    for case in cases::<ClaimCase>("claims") {
        let mut scope = night().with("force", json!(case.force));
        scope.states = json!({"context": {"Execution": {"Id": "arn:of:night-1"}}, "result": case.row});
        scope.assign(&state(&definition, "ReadClaim").fields["Assign"]).expect(&case.name);
        let gone = &state(&definition, "ReadOwner").list("Catch")[0]["Assign"];
        let assign = if case.owner.is_some() { &state(&definition, "ReadOwner").fields["Assign"] } else { gone };
        scope.states["result"] = case.owner.unwrap_or_default();
        scope.assign(assign).expect(&case.name);
        let next = choose(state(&definition, "ClaimStands"), &mut scope).expect(&case.name);
        assert_eq!(next, case.next, "{}", case.name);
        assert_eq!(scope.variables.get("reason").and_then(Value::as_str), case.reason.as_deref(), "{}", case.name);
    }
}

#[test]
fn the_approvers_are_asked_about_the_build_and_told_who_began_it() {
    let definition = deployed(&[]);
    let mut scope = night().with("approvalId", json!("a-1")).with("quality", json!({"score": 1})).with("startedBy", json!("schedule"));
    scope.states = json!({"context": {"Task": {"Token": "token"}, "Execution": {"Id": "arn:of:night-1"}}});
    let payload = scope.evaluate(&state(&definition, "ManualApproval").fields["Arguments"]["Payload"]).expect("it evaluates");
    assert_eq!(
        payload,
        json!({
            "taskToken": "token", "approvalId": "a-1", "executionArn": "arn:of:night-1", "timeoutSeconds": 3600, "extensionSeconds": 900,
            "startedBy": "schedule",
            "build": {
                "runId": "night-1", "runDate": "2026-11-20", "quality": {"score": 1},
                "stagedUri": "s3://WorkBucket/nightly-warehouse/run_date=2026-11-20/night-1/apply-fx/"
            }
        })
    );
}

#[test]
fn more_time_leaves_at_least_half_of_it_for_the_first_deadline() {
    for (timeout, extension, given) in
        [(3600, 900, 900), (3600, 0, 0), (3600, 1800, 1800), (3600, 7200, 1800), (31, 900, 15), (30, 900, 15)]
    {
        let definition = deployed(&[("ApprovalTimeoutSeconds", &timeout), ("ApprovalExtensionSeconds", &extension)]);
        let payload = &state(&definition, "ManualApproval").fields["Arguments"]["Payload"];
        assert_eq!(night().evaluate(&payload["extensionSeconds"]).expect("it evaluates"), json!(given), "{extension} of {timeout} seconds");
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
        let definition = deployed(&[("ApprovalTimeoutSeconds", &timeout), ("ApprovalWatchMinutes", &minutes)]);
        let seconds = |field: &str| night().evaluate(&state(&definition, "ManualApproval").fields[field]).expect("it evaluates");
        assert_eq!(seconds("TimeoutSeconds"), json!(timeout));
        assert_eq!(seconds("HeartbeatSeconds"), json!(heartbeat), "{timeout} seconds, watched every {minutes} minutes");
    }
}

#[derive(Deserialize)]
struct QuestionCase {
    name: String,
    input: Value,
    payload: Value,
    #[serde(rename = "heartbeatSeconds")]
    heartbeat_seconds: u64,
}

#[test]
fn a_question_is_handed_over_as_it_was_put_and_what_it_leaves_out_is_left_out() {
    let definition = QUESTION.deployed(&[]);
    for case in cases::<QuestionCase>("questions") {
        let states = json!({"input": case.input, "context": {"Task": {"Token": "token"}, "Execution": {"Id": "arn:of:question-1"}}});
        let scope = Scope::new(states).with("approvalId", json!("a-1"));
        let ask = state(&definition, "Ask");
        let value = |field: &Value| scope.evaluate(field).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(value(&ask.fields["Arguments"]["Payload"]), case.payload, "{}", case.name);
        assert_eq!(value(&ask.fields["TimeoutSeconds"]), case.payload["timeoutSeconds"], "{}", case.name);
        assert_eq!(value(&ask.fields["HeartbeatSeconds"]), json!(case.heartbeat_seconds), "{}", case.name);
    }
}

#[test]
fn whatever_dates_a_question_covers_approval_request_takes_and_shows_or_nobody_is_asked() {
    let ask = |dates: Value| {
        let states = json!({
            "input": {"question": "Build?", "consequence": "They are published.", "facts": [], "runDates": dates},
            "context": {"Task": {"Token": "token"}, "Execution": {"Id": "arn:aws:states:eu-central-1:123456789012:execution:question:1"}},
        });
        let scope = Scope::new(states).with("approvalId", json!("6f3c1d9e-0000-4000-8000-000000000000"));
        scope.evaluate(&state(&QUESTION.deployed(&[]), "Ask").fields["Arguments"]["Payload"])
    };
    // As many as a backfill takes are no more lines than a question may have, and no line is longer than it may be.
    let begin = jiff::civil::date(2023, 12, 31);
    let year: Vec<String> = begin.series(jiff::Span::new().days(1)).take(366).map(|date| date.to_string()).collect();
    let payload = ask(json!(year)).expect("it evaluates");
    let facts = payload["request"]["facts"].as_array().expect("facts");
    assert_eq!(facts.len(), 13);
    let shown: Vec<String> = facts
        .iter()
        .flat_map(|fact| {
            let month = fact["name"].as_str().expect("a name").rsplit(' ').next().expect("a month").to_owned();
            let days = fact["value"].as_str().expect("days").to_owned();
            assert!(fact["name"].as_str().is_some_and(|name| name.chars().count() <= 60) && days.chars().count() <= 200);
            days.split(", ").map(|day| format!("{month}-{day}")).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(shown, year);
    assert!(ask(json!([20_261_120])).is_err(), "what is no text can't be shown");
}

#[derive(Deserialize)]
struct BackfillCase {
    name: String,
    input: Value,
    called: Option<String>,
    dates: Option<Vec<String>>,
    refused: Option<String>,
}

#[test]
fn a_backfill_begins_only_with_what_it_can_mean() {
    let definition = BACKFILL.deployed(&[("NightsAtOnce", &2)]);
    for case in cases::<BackfillCase>("backfills") {
        let name = case.called.unwrap_or_else(|| "backfill-1".to_owned());
        let mut scope = Scope::new(json!({"input": case.input, "context": {"Execution": {"Name": name, "StartTime": STARTED_AT}}}));
        scope.assign(&state(&definition, "ReadInput").fields["Assign"]).expect(&case.name);
        let next = choose(state(&definition, "CheckInput"), &mut scope).expect(&case.name);
        match (case.dates, case.refused) {
            (Some(dates), None) => {
                assert_eq!(next, "ReadNights", "{}", case.name);
                assert_eq!(scope.evaluate(&state(&definition, "ReadNights").fields["Items"]), Ok(json!(dates)), "{}", case.name);
            }
            (None, Some(said)) => {
                assert_eq!(next, "InvalidBackfill", "{}", case.name);
                let cause = cause(&definition, &next, &scope);
                assert!(cause.contains(&said) && cause.ends_with("Nothing was started."), "{}: {cause}", case.name);
            }
            _ => panic!("{}: a case has either dates or what is refused", case.name),
        }
    }
}

#[test]
fn which_dates_a_backfill_builds_is_a_matter_of_their_status() {
    let definition = BACKFILL.deployed(&[]);
    let statuses = ["NONE", "RUNNING", "BUILT", "PUBLISHED", "FAILED", "TIMED_OUT", "ABORTED", "QUALITY_FAILED", "REJECTED", "EXPIRED"];
    let dates: Vec<String> = (1..=statuses.len()).map(|day| format!("2026-11-{day:02}")).collect();
    let rows: Vec<Value> = statuses.iter().zip(&dates).map(|(status, date)| json!({"runDate": date, "status": status})).collect();
    for (which, order, built) in [
        ("missing", "OLDEST_FIRST", vec!["NONE", "RUNNING", "BUILT"]),
        ("failed", "OLDEST_FIRST", statuses[4..].to_vec()),
        ("all", "OLDEST_FIRST", statuses.to_vec()),
        ("all", "NEWEST_FIRST", statuses.iter().rev().copied().collect()),
    ] {
        let mut scope = Scope::new(json!({"result": rows})).with("which", json!(which)).with("order", json!(order));
        scope.assign(&state(&definition, "ReadNights").fields["Assign"]).expect(which);
        let chosen = scope.evaluate(&state(&definition, "BuildNights").fields["Items"]).expect(which);
        let chosen: Vec<&str> = chosen.as_array().expect("a list").iter().filter_map(|date| date["status"].as_str()).collect();
        assert_eq!(chosen, built, "{which}");
    }
}

#[test]
fn the_summary_of_as_many_dates_as_a_backfill_takes_fits_into_an_output() {
    const OUTPUT_BYTES: usize = 262_144;
    let definition = BACKFILL.deployed(&[]);
    let (name, machine) = ("n".repeat(69), "m".repeat(80));
    let dates: Vec<Value> = (0..366).map(|_| json!({"runDate": "2026-11-20", "status": "NONE", "runs": true})).collect();
    // Each character takes as many bytes as one can.
    let failed = json!({
        "ExecutionArn": format!("arn:aws-us-gov:states:us-gov-west-1:123456789012:execution:{machine}:2026-11-20-{name}"),
        "Status": "TIMED_OUT", "Error": "PublishedCountMismatch", "Cause": "\u{10ffff}".repeat(5000),
    });
    let states = json!({"input": {"runDate": "2026-11-20", "status": "NONE"}, "result": failed});
    let scope = Scope::new(states).with("dates", json!(dates)).with("name", json!(name));
    let one = scope.evaluate(&state(&definition, "SeeHowItEnded").fields["Output"]).expect("it evaluates");
    assert!(one["cause"].as_str().is_some_and(|cause| cause.chars().count() > 85), "{one}");
    let together = json!(vec![one; 366]).to_string();
    assert!(together.len() + 1000 < OUTPUT_BYTES, "{}", together.len());
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchApprovalCase {
    name: String,
    status: Option<String>,
    asked: Option<Value>,
    verdict: Option<Value>,
    #[serde(default)]
    counts: bool,
    problem: Option<String>,
}

#[test]
fn an_approval_of_many_nights_counts_for_each_that_was_shown() {
    const ASKED: &str = "arn:of:question:backfill-1";
    let definition = deployed(&[]);
    for case in cases::<BatchApprovalCase>("batch-approvals") {
        let text = |given: Option<String>, otherwise: &str| given.unwrap_or_else(|| otherwise.to_owned());
        let asked = case.asked.unwrap_or_else(|| json!({"runDates": ["2026-11-19", "2026-11-20"], "startedBy": "a.berg@nordvik.example"}));
        let verdict = case.verdict.unwrap_or_else(|| json!({"decision": "APPROVED", "by": "B. Osei", "at": "2026-11-21T02:00:00Z"}));
        let described = json!({
            "StateMachineArn": "QuestionStateMachine",
            "Status": text(case.status, "SUCCEEDED"),
            "Name": "backfill-1",
            "Input": asked.to_string(),
            "Output": verdict.to_string(),
        });
        let scope = night().with("startedBy", json!("a.berg@nordvik.example")).with("batchApproval", json!(ASKED));
        let mut scope = after(&definition, "ReadBatchApproval", scope, &described);
        let next = choose(state(&definition, "BatchApprovalCounts"), &mut scope).expect(&case.name);
        if case.counts {
            assert_eq!(next, "WaiveApproval", "{}", case.name);
            let waiver = json!({"kind": "BATCH", "executionArn": ASKED, "by": "B. Osei", "at": "2026-11-21T02:00:00Z"});
            assert_eq!(scope.variables["waiver"], waiver, "{}", case.name);
        } else {
            assert_eq!(next, "BatchApprovalInvalid", "{}", case.name);
            let (cause, problem) = (cause(&definition, &next, &scope), case.problem.expect("it says why not"));
            assert!(
                cause.contains(&problem) && cause.ends_with("Nothing was published for 2026-11-20, and nobody was asked."),
                "{}: {cause}",
                case.name
            );
        }
    }
}

#[test]
fn an_approval_of_many_nights_counts_once_for_each() {
    let definition = deployed(&[("QuestionStateMachine", &"arn:stateMachine:question")]);
    for (run_id, question, next) in [
        ("2026-11-20-backfill-1", "arn:execution:question:backfill-1", "ClaimNight"),
        ("night-1", "", "ClaimNight"),
        ("night-1", "arn:execution:question:backfill-1", "BatchApprovalInvalid"),
        ("2026-11-19-backfill-1", "arn:execution:question:backfill-1", "BatchApprovalInvalid"),
        ("2026-11-20-backfill-1", "arn:execution:backfill:backfill-1", "BatchApprovalInvalid"),
        ("2026-11-20-backfill-1", "backfill-1", "BatchApprovalInvalid"),
        ("backfill-1", "arn:execution:question:backfill-1", "BatchApprovalInvalid"),
    ] {
        let scope = night().with("runId", json!(run_id)).with("batchApproval", json!(question));
        let mut scope = scope.with("unclear", json!([])).with("skipped", json!([]));
        assert_eq!(choose(state(&definition, "CheckFlags"), &mut scope).expect(run_id), next, "{run_id}, {question}");
    }
}

#[test]
fn a_question_has_a_name_before_it_is_asked() {
    let definition = QUESTION.deployed(&[]);
    let mut scope = Scope::new(json!({"input": {"question": "Delete?"}}));
    scope.assign(&state(&definition, "Prepare").fields["Assign"]).expect("it assigns");
    assert_eq!(scope.variables["approvalId"], "6f3c1d9e-0000-4000-8000-000000000000");
}

#[test]
fn the_answer_to_a_question_is_the_verdict_that_came_or_was_recorded() {
    const AT: &str = "2026-11-21T03:24:00.250Z";
    let definition = QUESTION.deployed(&[]);
    let output = |task: &str, result: Value| {
        let scope = Scope::new(json!({"result": result, "context": {"State": {"EnteredTime": AT}}}));
        scope.evaluate(&state(&definition, task).fields["Output"]).unwrap_or_else(|error| panic!("{task}: {error}"))
    };
    let verdict =
        json!({"decision": "REJECTED", "by": "A. Berg", "at": "2026-11-21T02:59:59Z", "reason": "Not yet.", "evidenceDigest": "d"});
    let expired = json!({"decision": "EXPIRED", "at": AT});
    assert_eq!(output("Ask", verdict.clone()), verdict);
    assert_eq!(output("Settle", json!({})), expired);
    assert_eq!(output("ReadVerdict", json!({"Item": {"verdict": {"S": verdict.to_string()}}})), verdict);
    assert_eq!(output("ReadVerdict", json!({"Item": {"status": {"S": "EXPIRED"}}})), expired, "an earlier try has settled");
    assert_eq!(output("ReadVerdict", json!({})), expired, "there is no record");
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
        let scope = night()
            .with("verdict", json!({"decision": "APPROVED", "orderLines": case.order_lines}))
            .with("quality", json!({"score": 1}))
            .with("skipped", json!([]));
        let mut scope = after(&definition, "ReadCount", scope, &json!({"ResultSet": {"Rows": case.rows}}));
        scope.states = json!({"context": {"Execution": {"Id": "arn:aws:states:eu-central-1:123456789012:execution:night:night-1"}}});
        let next = choose(state(&definition, "CountAgrees"), &mut scope).expect(&case.name);
        assert_eq!(next, case.next, "{}", case.name);
        if next == "RecordPublished" {
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
    let mut scope = night().with("verdict", json!({"evidenceDigest": "d"})).with("claim", json!(3));
    scope.states = json!({"context": {"Execution": {"Id": "arn:of:night-1"}}});
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
