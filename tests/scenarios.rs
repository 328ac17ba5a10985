//! Whole executions of our definitions under virtual time: what the tasks reply goes in, path, outcome and events come out.
//!
//! The scenarios are data (`tests/scenarios/*.json`). [`the_night_is_published`] is one of them written out: begin there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nightly_asl::test_state::{Circumstances, test_state};
use nightly_asl::{Failure, Instant, Status};
use nightly_scenarios::{Answer, Definition, Expected, Run, Scenario, trials};
use serde_json::{Value, json};

use crate::asl::{DEFINITIONS, states};
use crate::project;

#[test]
fn the_night_is_published() {
    let run = run(&scenario("published"));

    // The night ends well, and says how many rows it published.
    let output = json!({"outcome": "PUBLISHED", "runDate": "2026-11-20", "rows": 48212, "notice": "DELIVERED"});
    assert_eq!(run.status, Status::Succeeded(output.into()));

    // The night was claimed; then the eleven nodes did their work once each, the two sources side by side.
    let mut called: Vec<&str> = run.calls.iter().map(|call| call.state.as_str()).collect();
    assert_eq!(called.remove(0), "ClaimNight");
    let sources = ["ExtractOrders", "ExtractInventory", "TransformInventory", "TransformOrders"];
    assert_eq!(called[..4], sources);
    assert_eq!(called[4..7], ["EnrichCurrency", "JoinFactDim", "ApplyFx"]);
    assert_eq!(called.iter().filter(|state| **state == "ReadQualityRun").count(), 4, "asked until the quality run had ended");
    let last = ["ManualApproval", "PublishToWarehouse", "CountPublished", "ReadCount", "RecordPublished", "NotifyStakeholders"];
    assert_eq!(called[called.len() - last.len()..], last);

    // The approvers were asked with a token of this task, and for this build.
    let asked = call(&run, "ManualApproval");
    assert_eq!(asked["Payload"]["taskToken"], json!(run.calls.iter().find_map(|call| call.token.clone())));
    assert_eq!(asked["Payload"]["build"]["runDate"], "2026-11-20");
    assert_eq!(asked["Payload"]["build"]["quality"]["rules"].as_array().map(Vec::len), Some(3));

    // What is published is what was approved, by whoever owns the night, and the stakeholders hear of exactly that.
    let publish = call(&run, "PublishToWarehouse")["Arguments"].take();
    assert_eq!((&publish["--approved_digest"], &publish["--claim"]), (&json!("9f2c0e"), &json!("1")));
    assert_eq!(publish["--owner"], call(&run, "ClaimNight")["ExpressionAttributeValues"][":me"]["S"]);
    let notice = call(&run, "NotifyStakeholders");
    assert_eq!((&notice["Payload"]["outcome"], &notice["Payload"]["publishedRows"]), (&json!("PUBLISHED"), &json!(48212)));
}

#[test]
fn every_scenario_comes_out_as_it_says() {
    let mut wrong = Vec::new();
    for scenario in all() {
        let mut outcome = run(&scenario).outcome();
        outcome.after_seconds = scenario.expected.after_seconds.and(outcome.after_seconds);
        if outcome != scenario.expected {
            wrong.push(format!("{}:\n{}", scenario.name, difference(&scenario.expected, &outcome)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_scenarios_enter_every_state_of_our_definitions() {
    for machine in DEFINITIONS {
        let definition = machine.definition();
        let scenarios = all().into_iter().filter(|scenario| scenario.definition == Definition::File(machine.file.into()));
        let entered: BTreeSet<String> = scenarios.flat_map(|scenario| run(&scenario).outcome().path).collect();
        let never: Vec<&str> = states(&definition).iter().map(|state| state.name).filter(|name| !entered.contains(*name)).collect();
        assert_eq!(never, Vec::<&str>::new(), "{machine:?}");
    }
}

#[test]
fn a_run_is_the_same_again() {
    let scenario = scenario("glue-throttled");
    let events = |run: &Run| run.history.iter().map(|event| event.json().to_string()).collect::<Vec<_>>();
    assert_eq!(events(&run(&scenario)), events(&run(&scenario)));
}

/// What the states do in the scenarios is what they do when they are tried by themselves, with the same replies as mocks.
#[test]
fn every_state_of_every_scenario_does_the_same_by_itself() {
    let mut tried = BTreeSet::new();
    let mut wrong = Vec::new();
    for scenario in all() {
        let run = run(&scenario);
        for trial in trials(&definition(&scenario), &run).into_iter().filter(|trial| tried.insert(trial.what_counts())) {
            match test_state(&trial.request, &circumstances(run.started), &mut |_| Err(Failure::named("NotMocked"))) {
                Ok(answer) => wrong.extend(
                    trial.differences(&answer).into_iter().map(|difference| format!("{}: {}: {difference:?}", scenario.name, trial.state)),
                ),
                Err(refusal) => wrong.push(format!("{}: {}: {refusal}", scenario.name, trial.state)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried.len() > 80, "only {} states were tried", tried.len());
}

#[test]
fn a_state_that_does_otherwise_is_noticed() {
    let scenario = scenario("published");
    let mut trial =
        trials(&definition(&scenario), &run(&scenario)).into_iter().find(|trial| trial.state == "QualityGate").expect("it is entered");
    trial.expected.insert("nextState".to_owned(), json!("QualityFailed"));
    let answer = json!({"status": "SUCCEEDED", "nextState": "ManualApproval", "output": "{}"});
    let fields: Vec<String> = trial.differences(&answer).into_iter().map(|difference| difference.field).collect();
    assert_eq!(fields, ["nextState"]);
}

fn circumstances(at: Instant) -> Circumstances {
    Circumstances { at, region: "eu-central-1".to_owned(), account: "123456789012".to_owned(), seed: 0 }
}

fn folder() -> PathBuf {
    project::root().join("tests/scenarios")
}

fn all() -> Vec<Scenario> {
    let all = Scenario::read_all(&folder()).unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
    assert!(all.len() >= 14, "only {} scenarios are there", all.len());
    all
}

fn scenario(name: &str) -> Scenario {
    all().into_iter().find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("there is no scenario {name}"))
}

fn definition(scenario: &Scenario) -> Value {
    scenario.deployed(&project::root()).expect("the definition can be read")
}

fn run(scenario: &Scenario) -> Run {
    scenario.run(&definition(scenario)).unwrap_or_else(|error| panic!("{}: {error}", scenario.name))
}

/// What a state called its task with, the first time.
fn call(run: &Run, state: &str) -> Value {
    let call = run.calls.iter().find(|call| call.state == state).unwrap_or_else(|| panic!("{state} called nothing"));
    assert_ne!(call.answer, Answer::Silence);
    call.parameters.value().clone()
}

/// The fields that differ, and for a list the first place.
fn difference(expected: &Expected, outcome: &Expected) -> String {
    let mut differences = Vec::new();
    let mut tell = |what: &str, expected: String, found: String| {
        if expected != found {
            differences.push(format!("  {what}: expected {expected}, found {found}"));
        }
    };
    tell("status", expected.status.clone(), outcome.status.clone());
    tell("output", format!("{:?}", expected.output), format!("{:?}", outcome.output));
    tell("error", format!("{:?}", expected.error), format!("{:?}", outcome.error));
    tell("cause", format!("{:?}", expected.cause), format!("{:?}", outcome.cause));
    tell("after_seconds", format!("{:?}", expected.after_seconds), format!("{:?}", outcome.after_seconds));
    for (what, expected, found) in [("path", &expected.path, &outcome.path), ("events", &expected.events, &outcome.events)] {
        let place = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
        tell(&format!("{what}[{place}]"), format!("{:?}", expected.get(place)), format!("{:?}", found.get(place)));
    }
    differences.join("\n")
}
