//! What must hold for the definitions beyond what `nightly-asl` checks in any definition.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::asl::{self, DEFINITIONS, State, state, states};
use crate::cloudformation::Template;
use crate::integrations::{Integration, RESERVED_ERRORS};
use crate::project;

#[test]
fn every_retry_is_bounded_spread_out_and_capped() {
    let definitions = DEFINITIONS.map(asl::Machine::definition);
    for task in definitions.iter().flat_map(tasks) {
        assert!(!task.list("Retry").is_empty(), "{} retries nothing", task.name);
        for rule in task.list("Retry") {
            let number = |field: &str| rule[field].as_f64().unwrap_or_else(|| panic!("{}: a retry without {field}", task.name));
            assert!(number("MaxAttempts") >= 1.0 && number("BackoffRate") >= 2.0, "{}", task.name);
            assert!(number("IntervalSeconds") < number("MaxDelaySeconds"), "{}", task.name);
            assert_eq!(rule["JitterStrategy"], "FULL", "{}", task.name);
        }
    }
}

#[test]
fn every_error_that_is_matched_is_one_that_can_come() {
    let definitions = DEFINITIONS.map(asl::Machine::definition);
    let text = project::architecture("### Functions");
    let ours: BTreeSet<&str> = error_names(&text).into_iter().collect();
    for task in definitions.iter().flat_map(tasks) {
        let resource = task.resource().expect("a task has a resource");
        let (integration, _) = Integration::of(resource).unwrap_or_else(|| panic!("{} calls {resource}", task.name));
        for rule in task.list("Retry").iter().chain(task.list("Catch")) {
            for name in rule["ErrorEquals"].as_array().expect("a rule matches names").iter().filter_map(Value::as_str) {
                let known = match name.split_once('.') {
                    Some((prefix, error)) => {
                        (prefix == integration.error_prefix && integration.errors.contains(&error)) || RESERVED_ERRORS.contains(&name)
                    }
                    None => resource.starts_with("lambda:") && ours.contains(name),
                };
                assert!(known, "{} matches {name}, which {resource} does not return", task.name);
            }
        }
    }
}

#[test]
fn the_named_endings_are_those_that_people_are_told_about() {
    let text = project::architecture("### Functions");
    let line = text.lines().find(|line| line.starts_with("Error names")).expect("ARCHITECTURE.md lists the error names");
    for (machine, place) in [(asl::NIGHT, "(Fail states of the night)"), (asl::BACKFILL, "(Fail states of the backfill)")] {
        let promised = line.split(';').find_map(|part| part.trim().strip_suffix(place)).unwrap_or_else(|| panic!("{place} are listed"));
        let promised: BTreeSet<&str> = project::code_words(promised).into_iter().collect();
        let definition = machine.definition();
        let fails: Vec<State<'_>> = states(&definition).into_iter().filter(|state| state.kind() == "Fail").collect();
        assert_eq!(fails.iter().map(|fail| fail.text("Error").expect("a Fail state names its error")).collect::<BTreeSet<_>>(), promised);
        for fail in fails {
            assert_eq!(fail.text("Error"), Some(fail.name), "a Fail state is called what its error is called");
            assert!(fail.fields.contains_key("Cause"), "{}", fail.name);
        }
    }
}

#[test]
fn a_failed_job_or_function_stays_failed_so_that_redrive_can_go_on_from_it() {
    let definition = asl::definition();
    for task in tasks(&definition) {
        for rule in task.list("Catch") {
            let next = rule["Next"].as_str().expect("a catch leads somewhere");
            // A condition that does not hold is an answer: asked again, it is the same.
            if rule["ErrorEquals"] == json!(["DynamoDB.ConditionalCheckFailedException"]) {
                continue;
            }
            assert_ne!(state(&definition, next).kind(), "Fail", "{} catches into {next}", task.name);
        }
        if task.resource().is_some_and(|resource| resource.starts_with("glue:")) {
            assert!(task.list("Catch").is_empty(), "{}", task.name);
        }
    }
}

#[test]
fn what_only_people_can_put_right_is_not_tried_again() {
    let definitions = DEFINITIONS.map(asl::Machine::definition);
    for task in definitions.iter().flat_map(tasks).filter(|task| task.resource() == Some("lambda:invoke.waitForTaskToken")) {
        for rule in task.list("Retry") {
            let names: Vec<&str> = rule["ErrorEquals"].as_array().expect("a rule matches names").iter().filter_map(Value::as_str).collect();
            for hopeless in ["NoOtherApprover", "InvalidInput", "InvalidConfiguration", "States.ALL", "States.TaskFailed", "States.Timeout"]
            {
                assert!(!names.contains(&hopeless), "{} tries again after {hopeless}", task.name);
            }
        }
    }
}

#[test]
fn whoever_asks_settles_with_the_record_in_the_same_way() {
    let (night, question) = (asl::NIGHT.definition(), asl::QUESTION.definition());
    for (of_the_night, of_the_question) in [("ExpireApproval", "Settle"), ("ReadVerdict", "ReadVerdict")] {
        for field in ["Resource", "Arguments", "TimeoutSeconds", "Retry"] {
            let fields = [state(&night, of_the_night), state(&question, of_the_question)].map(|state| &state.fields[field]);
            assert_eq!(fields[0], fields[1], "{of_the_question}: {field}");
        }
    }
    assert_eq!(state(&night, "ManualApproval").fields["Retry"], state(&question, "Ask").fields["Retry"]);
}

#[test]
fn a_night_is_claimed_before_anything_is_built_and_checked_right_before_it_is_published() {
    let definition = asl::definition();
    // Nothing is built but by whoever has claimed the night, and every claim has a condition.
    let all = states(&definition);
    let lead_to = |target: &str| -> BTreeSet<&str> {
        all.iter().filter(|state| successors(&definition["States"][state.name]).contains(&target)).map(|state| state.name).collect()
    };
    assert_eq!(lead_to("BuildSources"), BTreeSet::from(["ClaimNight", "TakeOverNight"]));
    assert_eq!(lead_to("TakeOverNight"), BTreeSet::from(["ClaimStands"]));
    assert_eq!(lead_to("ClaimStands"), BTreeSet::from(["ReadOwner"]), "the owner's state is asked of Step Functions each time");
    for claim in ["ClaimNight", "TakeOverNight", "RecordPublished"] {
        assert!(state(&definition, claim).fields["Arguments"]["ConditionExpression"].is_string(), "{claim}");
    }
    assert_eq!(state(&definition, "ReadClaim").fields["Arguments"]["ConsistentRead"], true);
    let publish = &state(&definition, "PublishToWarehouse").fields["Arguments"]["Arguments"];
    for argument in ["--nights_table", "--owner", "--claim"] {
        assert!(publish[argument].is_string(), "{argument}");
    }
}

#[test]
fn an_approval_of_many_nights_is_taken_only_as_step_functions_tells_it() {
    let definition = asl::definition();
    let all = states(&definition);
    let lead_to = |target: &str| -> BTreeSet<&str> {
        all.iter().filter(|state| successors(&definition["States"][state.name]).contains(&target)).map(|state| state.name).collect()
    };
    assert_eq!(lead_to("WaiveApproval"), BTreeSet::from(["ApprovalNeeded", "BatchApprovalCounts"]));
    assert_eq!(lead_to("BatchApprovalCounts"), BTreeSet::from(["ReadBatchApproval"]));
    assert_eq!(lead_to("ReadBatchApproval"), BTreeSet::from(["ApprovalNeeded"]), "nothing is published that hasn't passed the gate");
}

#[test]
fn a_backfill_asks_and_reads_before_it_starts_anything_and_no_night_stops_another() {
    let definition = asl::BACKFILL.definition();
    let all = states(&definition);
    let lead_to = |target: &str| -> BTreeSet<&str> {
        all.iter().filter(|state| successors(&Value::Object(state.fields.clone())).contains(&target)).map(|state| state.name).collect()
    };
    assert_eq!(lead_to("BuildNights"), BTreeSet::from(["ChooseNights", "BatchDecision"]));
    assert_eq!(lead_to("AskOnce"), BTreeSet::from(["ChooseNights"]));
    assert_eq!(lead_to("ChooseNights"), BTreeSet::from(["ReadNights"]));
    assert_eq!(lead_to("ReadNights"), BTreeSet::from(["CheckInput"]));
    for night in ["BuildNight", "SeeHowItEnded"] {
        assert_eq!(state(&definition, night).list("Catch")[0]["ErrorEquals"], json!(["States.ALL"]), "{night}");
    }
    // A night that has the time that it may take ends by itself, and says so.
    let limit = |value: &Value| value["TimeoutSeconds"].as_u64().expect("it is limited");
    let longest = Template::read().parameters()["ApprovalTimeoutSeconds"]["MaxValue"].as_u64().expect("the approval's time is limited");
    assert!(limit(&definition["States"]["AskOnce"]) > longest + 600);
    assert!(limit(&json!(state(&definition, "BuildNight").fields)) > limit(&asl::definition()));
}

#[test]
fn an_answer_to_a_question_is_no_error() {
    let definition = asl::QUESTION.definition();
    let fails: Vec<&str> = states(&definition).iter().filter(|state| state.kind() == "Fail").map(|state| state.name).collect();
    assert_eq!(fails, Vec::<&str>::new());
    assert_eq!(successors(&definition["States"]["Ask"]), ["Settle"], "only its own clock takes it further");
    assert_eq!(successors(&definition["States"]["Settle"]), ["ReadVerdict"]);
}

#[test]
fn the_verdict_of_the_quality_gate_is_never_asked_for_again() {
    let definition = asl::definition();
    let after = successors(
        state(&definition, "ReadQualityResult").fields.get("Next").map(|_| &definition["States"]["QualityGate"]).expect("it goes on"),
    );
    assert_eq!(after.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["ApprovalNeeded", "QualityFailed"]));
    assert_eq!(state(&definition, "QualityGate").text("Default"), Some("QualityFailed"));
}

#[test]
fn the_night_may_last_as_long_as_its_parts_may() {
    // The longest of each Parallel's branches, every other task once, and the quality run's own limit. Tries that fail early are short.
    fn longest(machine: &Value, approval_seconds: u64) -> u64 {
        let own = |fields: &Value| match fields["TimeoutSeconds"] {
            Value::Number(ref seconds) => seconds.as_u64().expect("whole seconds"),
            Value::String(_) => approval_seconds,
            _ => 0,
        };
        let branches = |fields: &Value| {
            fields
                .get("Branches")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|branch| longest(branch, approval_seconds))
                .max()
                .unwrap_or(0)
        };
        machine["States"].as_object().expect("a machine has states").values().map(|fields| own(fields) + branches(fields)).sum()
    }
    let definition = asl::definition();
    let approval = Template::read().parameters()["ApprovalTimeoutSeconds"]["MaxValue"].as_u64().expect("the approval's time is limited");
    let quality = 60 * state(&definition, "StartQualityRun").fields["Arguments"]["Timeout"].as_u64().expect("a quality run is limited");
    assert!(longest(&definition, approval) + quality <= definition["TimeoutSeconds"].as_u64().expect("the night is limited"));
}

#[test]
fn jobs_and_functions_give_up_before_their_states_do() {
    // A state that times out first hides what the job or function had to say.
    let definition = asl::definition();
    let template = Template::read();
    let substitutions = template.substitutions("Night");
    for task in tasks(&definition) {
        let Some(limit) = task.fields["TimeoutSeconds"].as_u64() else { continue };
        let arguments = &task.fields["Arguments"];
        let named = |field: &str| arguments[field].as_str().and_then(|text| text.strip_prefix("${")?.strip_suffix('}'));
        let own = if let Some(job) = named("JobName") {
            template.properties(substitutions[job]["Ref"].as_str().expect("a job's name"))["Timeout"].as_u64().map(|minutes| 60 * minutes)
        } else if let Some(function) = named("FunctionName") {
            template.function_timeout(substitutions[function]["Fn::GetAtt"][0].as_str().expect("a function's ARN"))
        } else {
            continue;
        };
        assert!(own.expect("it is limited") < limit, "{}", task.name);
    }
}

fn successors(fields: &Value) -> Vec<&str> {
    let rules = ["Choices", "Catch"].iter().filter_map(|field| fields.get(field)?.as_array()).flatten();
    let by_rule = rules.filter_map(|rule| rule.get("Next")?.as_str());
    ["Next", "Default"].iter().filter_map(|field| fields.get(field)?.as_str()).chain(by_rule).collect()
}

/// The names of the paragraphs that list all errors.
fn error_names(text: &str) -> Vec<&str> {
    let paragraphs: Vec<&str> =
        text.lines().filter(|line| line.starts_with("Error names") || line.starts_with("Names of a dataset's")).collect();
    assert_eq!(paragraphs.len(), 2, "ARCHITECTURE.md lists the error names");
    paragraphs.into_iter().flat_map(project::code_words).collect()
}

fn tasks(machine: &Value) -> impl Iterator<Item = State<'_>> {
    states(machine).into_iter().filter(|state| state.kind() == "Task")
}
