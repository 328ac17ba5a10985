//! The faults of a definition that no linter finds: each has a check, and each check is shown a definition that has the fault.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::asl::{self, MACHINES, Machine, QUESTION, Scope, State, expression, states, strings};
use crate::integrations::Integration;

/// Looks through a deployed definition and names what is wrong, the state first.
type Check = fn(&Value) -> Vec<String>;

const CHECKS: &[Check] = &[
    unassigned_variable,
    missing_task_token,
    sync_on_sdk_resource,
    unknown_action,
    states_all_not_last,
    reserved_variable,
    heartbeat_not_below_timeout,
    missing_argument,
    json_path_field,
];

#[test]
fn no_definition_has_a_fault_that_linters_miss() {
    for machine in MACHINES {
        let definition = machine.deployed(&[]);
        let found: Vec<String> = CHECKS.iter().flat_map(|check| check(&definition)).collect();
        assert_eq!(found, Vec::<String>::new(), "{machine:?}");
    }
}

#[test]
fn a_variable_that_one_path_leaves_unassigned_is_found() {
    finds(unassigned_variable, "ApprovalDecision uses $verdict", |definition| {
        // The way through the timeout no longer assigns what the way through the answer does.
        let catch = &mut asl::state_mut(definition, "ManualApproval")["Catch"][0];
        catch.as_object_mut().unwrap().remove("Assign");
        catch["Next"] = json!("ApprovalDecision");
    });
}

#[test]
fn a_variable_that_only_a_branch_assigned_is_found() {
    finds(unassigned_variable, "ApplyFx uses $rates", |definition| {
        asl::state_mut(definition, "EnrichCurrency")["Assign"] = json!({"rates": "{% $states.result.Payload.ratesUri %}"});
        asl::state_mut(definition, "ApplyFx")["Arguments"]["Arguments"]["--rates_uri"] = json!("{% $rates %}");
    });
}

#[test]
fn a_misspelt_variable_is_found() {
    finds(unassigned_variable, "CountAgrees uses $publishedRow", |definition| {
        asl::state_mut(definition, "CountAgrees")["Choices"][0]["Condition"] = json!("{% $publishedRow = $verdict.orderLines %}");
    });
}

#[test]
fn a_callback_without_its_task_token_is_found() {
    finds(missing_task_token, "ManualApproval", |definition| {
        asl::state_mut(definition, "ManualApproval")["Arguments"]["Payload"].as_object_mut().unwrap().remove("taskToken");
    });
}

#[test]
fn a_question_that_is_asked_without_its_token_or_its_name_is_found() {
    finds_in(QUESTION, missing_task_token, "Ask", |definition| {
        let ask = asl::state_mut(definition, "Ask");
        let payload = ask["Arguments"]["Payload"].as_str().unwrap().replace("$states.context.Task.Token", "'token'");
        ask["Arguments"]["Payload"] = payload.into();
    });
    finds_in(QUESTION, unassigned_variable, "Settle uses $approvalId", |definition| {
        asl::state_mut(definition, "Prepare").as_object_mut().unwrap().remove("Assign");
    });
}

#[test]
fn sync_on_an_sdk_resource_is_found() {
    finds(sync_on_sdk_resource, "ReadQualityRun", |definition| {
        asl::state_mut(definition, "ReadQualityRun")["Resource"] =
            json!("arn:aws:states:::aws-sdk:glue:getDataQualityRulesetEvaluationRun.sync");
    });
}

#[test]
fn an_sdk_action_that_does_not_exist_is_found() {
    finds(unknown_action, "ReadQualityResult", |definition| {
        asl::state_mut(definition, "ReadQualityResult")["Resource"] = json!("arn:aws:states:::aws-sdk:glue:getDataQualityResults");
    });
}

#[test]
fn a_glue_action_that_does_not_exist_is_found() {
    finds(unknown_action, "ApplyFx", |definition| {
        asl::state_mut(definition, "ApplyFx")["Resource"] = json!("arn:aws:states:::glue:startJob.sync");
    });
}

#[test]
fn states_all_before_another_rule_is_found() {
    finds(states_all_not_last, "EnrichCurrency", |definition| {
        asl::state_mut(definition, "EnrichCurrency")["Retry"][0]["ErrorEquals"] = json!(["States.ALL"]);
    });
}

#[test]
fn states_all_beside_another_name_is_found() {
    finds(states_all_not_last, "NotifyStakeholders", |definition| {
        asl::state_mut(definition, "NotifyStakeholders")["Catch"][0]["ErrorEquals"] = json!(["SlackUnavailable", "States.ALL"]);
    });
}

#[test]
fn assigning_states_is_found() {
    finds(reserved_variable, "ReadCount", |definition| {
        asl::state_mut(definition, "ReadCount")["Assign"]["states"] = json!("{% $states.result %}");
    });
}

#[test]
fn assigning_states_in_a_choice_rule_is_found() {
    finds(reserved_variable, "CheckRunDate", |definition| {
        asl::state_mut(definition, "CheckRunDate")["Choices"][0]["Assign"]["states"] = json!({});
    });
}

#[test]
fn a_heartbeat_that_is_no_shorter_than_the_timeout_is_found() {
    finds(heartbeat_not_below_timeout, "ManualApproval", |definition| {
        asl::state_mut(definition, "ManualApproval")["HeartbeatSeconds"] = json!("{% 3600 %}");
    });
    finds(heartbeat_not_below_timeout, "ManualApproval", |definition| {
        asl::state_mut(definition, "ManualApproval")["HeartbeatSeconds"] = json!(7200);
    });
}

#[test]
fn an_invocation_without_its_function_is_found() {
    finds(missing_argument, "NotifyStakeholders lacks FunctionName", |definition| {
        asl::state_mut(definition, "NotifyStakeholders")["Arguments"].as_object_mut().unwrap().remove("FunctionName");
    });
}

#[test]
fn a_json_path_key_is_found() {
    finds(json_path_field, "ExtractOrders", |definition| {
        asl::state_mut(definition, "ExtractOrders")["Arguments"]["Arguments"]["--run_date.$"] = json!("$.runDate");
    });
    finds(json_path_field, "ReadVerdict", |definition| {
        asl::state_mut(definition, "ReadVerdict")["ResultPath"] = json!("$.record");
    });
}

/// Our own definition passes the check; with the fault planted, the check names it.
fn finds(check: Check, expected: &str, plant: impl FnOnce(&mut Value)) {
    finds_in(asl::NIGHT, check, expected, plant);
}

fn finds_in(machine: Machine, check: Check, expected: &str, plant: impl FnOnce(&mut Value)) {
    let mut definition = machine.deployed(&[]);
    assert_eq!(check(&definition), Vec::<String>::new(), "before the fault");
    plant(&mut definition);
    let found = check(&definition);
    assert!(found.iter().any(|fault| fault.starts_with(expected)), "{found:?}");
}

/// A variable must be assigned on every path that leads to its use. Step Functions finds out when a night gets there.
fn unassigned_variable(machine: &Value) -> Vec<String> {
    unassigned_below(machine, &BTreeSet::new())
}

fn unassigned_below(machine: &Value, outer: &BTreeSet<String>) -> Vec<String> {
    let known = assigned_before(machine, outer);
    let mut found = Vec::new();
    for (name, fields) in machine["States"].as_object().expect("a machine has states") {
        let Some(known) = known.get(name.as_str()) else { continue };
        let state = State { name, fields: fields.as_object().expect("a state is an object") };
        let mut own = state.fields.clone();
        let branches = own.remove("Branches");
        let used: BTreeSet<String> = strings(&Value::Object(own)).into_iter().filter_map(expression).flat_map(variables).collect();
        found.extend(used.difference(known).map(|variable| format!("{name} uses ${variable}, which not every path to it assigns")));
        for branch in branches.as_ref().and_then(Value::as_array).into_iter().flatten() {
            found.extend(unassigned_below(branch, known));
        }
    }
    found
}

/// The variables that every path to a state has assigned. States that nothing leads to are absent.
fn assigned_before<'a>(machine: &'a Value, outer: &BTreeSet<String>) -> BTreeMap<&'a str, BTreeSet<String>> {
    let mut known: BTreeMap<&str, BTreeSet<String>> =
        BTreeMap::from([(machine["StartAt"].as_str().expect("a machine starts"), outer.clone())]);
    loop {
        let mut changed = false;
        for (name, fields) in machine["States"].as_object().expect("a machine has states") {
            let Some(before) = known.get(name.as_str()).cloned() else { continue };
            for (next, assigned) in ways_out(fields) {
                let after: BTreeSet<String> = before.union(&assigned).cloned().collect();
                let merged = known.get(next).map_or_else(|| after.clone(), |earlier| earlier.intersection(&after).cloned().collect());
                changed |= known.insert(next, merged.clone()) != Some(merged);
            }
        }
        if !changed {
            return known;
        }
    }
}

/// Where a state can go, and what it assigns on the way.
fn ways_out(fields: &Value) -> Vec<(&str, BTreeSet<String>)> {
    let own = assigned_by(fields);
    let plain = ["Next", "Default"].iter().filter_map(|field| Some((fields.get(field)?.as_str()?, own.clone())));
    let ruled = ["Choices", "Catch"].iter().filter_map(|field| fields.get(field)?.as_array()).flatten();
    plain.chain(ruled.filter_map(|rule| Some((rule.get("Next")?.as_str()?, assigned_by(rule))))).collect()
}

fn assigned_by(holder: &Value) -> BTreeSet<String> {
    holder.get("Assign").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect()
}

/// The variables that an expression takes from outside: not its own, not `$states`, not functions.
fn variables(source: &str) -> BTreeSet<String> {
    let code = without_texts(source);
    let mut used = BTreeSet::new();
    let mut own = BTreeSet::from(["states".to_owned()]);
    let mut parameters = false;
    for (at, _) in code.match_indices('$') {
        let name: String = code[at + 1..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        let before = code[..at].trim_end();
        let after = code[at + 1 + name.len()..].trim_start();
        parameters = before.ends_with("function(") || (parameters && before.ends_with(','));
        if parameters || after.starts_with(":=") {
            own.insert(name);
        } else if !name.is_empty() && !after.starts_with('(') {
            used.insert(name);
        }
    }
    used.difference(&own).cloned().collect()
}

/// The expression with the insides of its strings and regular expressions blanked, so that what looks like code is code.
fn without_texts(source: &str) -> String {
    let mut code = String::new();
    let mut text: Option<char> = None;
    let mut escaped = false;
    for letter in source.chars() {
        if let Some(end) = text {
            if letter == end && !escaped {
                text = None;
            }
            escaped = letter == '\\' && !escaped;
            code.push(' ');
        } else {
            // A slash after a comma or an opening bracket begins a regular expression; elsewhere it divides.
            if matches!(letter, '\'' | '"') || (letter == '/' && code.trim_end().ends_with([',', '('])) {
                text = Some(letter);
            }
            code.push(letter);
        }
    }
    code
}

fn missing_task_token(machine: &Value) -> Vec<String> {
    let waits = |state: &State<'_>| state.resource().is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
    let hands_over = |state: &State<'_>| {
        state
            .fields
            .get("Arguments")
            .is_some_and(|arguments| strings(arguments).iter().any(|text| text.contains("$states.context.Task.Token")))
    };
    states(machine)
        .into_iter()
        .filter(|state| waits(state) != hands_over(state))
        .map(|state| format!("{} must hand over the task token exactly if it waits for it", state.name))
        .collect()
}

fn sync_on_sdk_resource(machine: &Value) -> Vec<String> {
    tasks(machine)
        .filter(|(_, resource)| resource.starts_with("aws-sdk:") && resource.contains(".sync"))
        .map(|(state, resource)| format!("{} calls {resource}, but SDK integrations have no .sync", state.name))
        .collect()
}

fn unknown_action(machine: &Value) -> Vec<String> {
    tasks(machine)
        .filter(|(_, resource)| match Integration::of(resource) {
            Some((integration, pattern)) => !pattern.is_empty() && !integration.patterns.contains(&pattern),
            None => true,
        })
        .map(|(state, resource)| format!("{} calls {resource}, which is none of the known integrations", state.name))
        .collect()
}

fn missing_argument(machine: &Value) -> Vec<String> {
    let lacking = |(state, resource): (State<'_>, &str)| -> Vec<String> {
        let required = Integration::of(resource).map_or(&[][..], |(integration, _)| integration.required);
        let given = state.fields.get("Arguments").and_then(Value::as_object);
        let missing = required.iter().filter(|name| !given.is_some_and(|arguments| arguments.contains_key(**name)));
        missing.map(|name| format!("{} lacks {name}", state.name)).collect()
    };
    tasks(machine).flat_map(lacking).collect()
}

fn states_all_not_last(machine: &Value) -> Vec<String> {
    let misplaced = |rules: &[Value]| {
        let names = |rule: &Value| rule["ErrorEquals"].as_array().cloned().unwrap_or_default();
        rules.iter().enumerate().any(|(position, rule)| {
            let names = names(rule);
            names.contains(&json!("States.ALL")) && (names.len() > 1 || position + 1 < rules.len())
        })
    };
    states(machine)
        .into_iter()
        .filter(|state| misplaced(state.list("Retry")) || misplaced(state.list("Catch")))
        .map(|state| format!("{} must name States.ALL alone and last", state.name))
        .collect()
}

fn reserved_variable(machine: &Value) -> Vec<String> {
    let holders = |state: State<'_>| {
        let rules = state.list("Choices").iter().chain(state.list("Catch")).cloned();
        rules.chain([Value::Object(state.fields.clone())]).any(|holder| assigned_by(&holder).contains("states"))
    };
    states(machine)
        .into_iter()
        .filter(|state| holders(*state))
        .map(|state| format!("{} assigns states, which is reserved", state.name))
        .collect()
}

fn heartbeat_not_below_timeout(machine: &Value) -> Vec<String> {
    let seconds = |state: &State<'_>, field: &str| {
        let value = Scope::new(json!({})).evaluate(state.fields.get(field)?).expect("a time limit needs no input");
        Some(value.as_u64().unwrap_or_else(|| panic!("{}: {field} is {value}", state.name)))
    };
    states(machine)
        .into_iter()
        .filter(|state| match (seconds(state, "HeartbeatSeconds"), seconds(state, "TimeoutSeconds")) {
            (Some(heartbeat), Some(timeout)) => heartbeat >= timeout,
            (Some(_), None) => true,
            (None, _) => false,
        })
        .map(|state| format!("{} must time out later than its heartbeat", state.name))
        .collect()
}

/// Under JSONata these fields and keys are refused, or handed over as they stand.
fn json_path_field(machine: &Value) -> Vec<String> {
    const FIELDS: &[&str] = &[
        "InputPath",
        "OutputPath",
        "Parameters",
        "Result",
        "ResultPath",
        "ResultSelector",
        "ItemsPath",
        "SecondsPath",
        "TimestampPath",
        "TimeoutSecondsPath",
        "HeartbeatSecondsPath",
        "ErrorPath",
        "CausePath",
    ];
    let own = |state: &State<'_>| -> Value {
        state
            .fields
            .iter()
            .filter(|(key, _)| *key != "Branches")
            .map(|(key, field)| (key.clone(), field.clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    states(machine)
        .into_iter()
        .filter(|state| FIELDS.iter().any(|field| state.fields.contains_key(*field)) || has_path_key(&own(state)))
        .map(|state| format!("{} speaks JSONPath in a JSONata definition", state.name))
        .collect()
}

fn has_path_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_path_key),
        Value::Object(fields) => fields.iter().any(|(key, field)| key.ends_with(".$") || has_path_key(field)),
        _ => false,
    }
}

fn tasks(machine: &Value) -> impl Iterator<Item = (State<'_>, &str)> {
    states(machine).into_iter().filter_map(|state| Some((state, state.resource()?)))
}
