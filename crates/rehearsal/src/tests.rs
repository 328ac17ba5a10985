//! What a rehearsal finds, and that it finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::thread;

use nightly_asl::{Failure, Instant, Json, Task};
use serde_json::{Value, json};

use super::*;

fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// What became of many nights.
#[derive(Debug, Default)]
struct Tally {
    nights: u64,
    faulty: u64,
    outcomes: BTreeMap<String, u64>,
    violations: Vec<String>,
}

impl Tally {
    fn add(&mut self, night: &Night) {
        self.nights += 1;
        self.faulty += u64::from(!night.faults.is_empty());
        *self.outcomes.entry(night.outcome.name()).or_default() += 1;
        if !night.violations.is_empty() && self.violations.len() < 5 {
            self.violations.push(night.record());
        }
    }
}

fn play(seeds: std::ops::Range<u64>) -> Tally {
    let tallies = on_threads(cores(), seeds, Rehearsal::of_the_warehouse, Tally::default, |tally, night| tally.add(&night));
    let mut all = Tally::default();
    for tally in tallies {
        all.nights += tally.nights;
        all.faulty += tally.faulty;
        for (outcome, count) in tally.outcomes {
            *all.outcomes.entry(outcome).or_default() += count;
        }
        all.violations.extend(tally.violations);
    }
    println!("{} histories of nights hold every invariant, {} of them with faults: {:?}", all.nights, all.faulty, all.outcomes);
    assert!(all.violations.is_empty(), "{}", all.violations.join("\n"));
    all
}

#[test]
fn ten_thousand_nights_with_faults_violate_nothing() {
    let all = play(0..15_500);
    assert!(all.faulty >= 10_000, "only {} nights had faults", all.faulty);
    for outcome in ["PUBLISHED", "ApprovalRejected", "ApprovalExpired", "QualityFailed", "ABORTED", "RatesUnavailable"] {
        assert!(all.outcomes.get(outcome).is_some_and(|count| *count > 20), "hardly any night ended {outcome}");
    }
}

#[test]
#[ignore = "takes minutes"]
fn exhaustive_a_million_nights() {
    assert_eq!(play(1_000_000..2_000_000).nights, 1_000_000);
}

#[test]
fn each_single_fault_violates_nothing() {
    // Each lane plays every so manieth of them: it is the longest of all tests.
    let lanes = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    let played = std::thread::scope(|scope| {
        let started: Vec<_> = (0..lanes).map(|lane| scope.spawn(move || play_single_faults(lane, lanes))).collect();
        started.into_iter().flat_map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
    });
    let states: BTreeSet<_> = played.iter().flatten().cloned().collect();
    let played = played.len();
    println!("{played} histories with one fault each hold every invariant");
    let tasks: BTreeSet<_> = task_states(&deployment::definition()).into_iter().collect();
    assert_eq!(states, tasks, "every task has failed once in every way");
}

/// Gives for each that was played the state whose task had the fault, where it was a task's.
fn play_single_faults(lane: usize, lanes: usize) -> Vec<Option<String>> {
    let rehearsal = Rehearsal::of_the_warehouse();
    let mut played = Vec::new();
    for tale in Tale::ALL {
        for (site, fault) in rehearsal.single_faults(tale).iter().skip(lane).step_by(lanes) {
            let night = rehearsal.told(tale, site, fault);
            assert!(night.violations.is_empty(), "{tale:?}, {site}: {fault}\n{}", night.record());
            assert_eq!(night.faults.len(), 1, "{tale:?}, {site}: {fault} did not happen");
            played.push(site.call.is_empty().then(|| site.who.clone()));
        }
    }
    played
}

fn task_states(flow: &Value) -> Vec<String> {
    let states = flow["States"].as_object().into_iter().flatten();
    states
        .flat_map(|(name, state)| {
            let inner = state["Branches"].as_array().into_iter().flatten().flat_map(task_states);
            inner.chain((state["Type"] == "Task").then(|| name.clone())).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_same_seed_is_the_same_night_byte_for_byte() {
    let (one, another) = (Rehearsal::of_the_warehouse(), Rehearsal::of_the_warehouse());
    let mut records = BTreeSet::new();
    for seed in 0..40 {
        let record = one.night(seed).record();
        assert_eq!(record, another.night(seed).record());
        records.insert(record);
    }
    // In another order, too.
    assert_eq!(one.night(3).record(), one.night(3).record());
    assert_eq!(records.len(), 40);
}

#[test]
fn a_night_in_which_all_goes_well_is_published() {
    let night = Rehearsal::of_the_warehouse().plain(Tale::Approved, 5);
    assert_eq!(night.outcome.name(), "PUBLISHED", "{}", night.record());
    assert!(night.violations.is_empty() && night.faults.is_empty());
    assert!(night.approval_wait_millis.is_some_and(|wait| wait > 20_000));
    assert!(night.transitions >= 30, "{}", night.transitions);
    assert!(night.dpu_hours > 0.1, "{}", night.dpu_hours);
    let states: Vec<_> = night.timeline.iter().map(|visit| (visit.state.as_str(), visit.depth)).collect();
    assert!(states.contains(&("JoinFactDim", 1)) && states.contains(&("ApplyFx", 0)), "{states:?}");
    assert!(night.timeline.iter().all(|visit| visit.left.is_some()));
}

#[test]
fn a_date_is_built_by_one_execution_whoever_starts_it_again() {
    let rehearsal = Rehearsal::of_the_warehouse();
    let ends = |tale: Tale, seed: u64| {
        let night = rehearsal.plain(tale, seed);
        assert!(night.violations.is_empty(), "{tale:?}\n{}", night.record());
        let ends = night.executions.iter().map(|outcome| match outcome {
            Outcome::Succeeded { output } => {
                let output: Value = serde_json::from_str(output).unwrap();
                let reason = output["reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
                output["outcome"].as_str().unwrap().to_owned() + &reason
            }
            other => other.name(),
        });
        (ends.collect::<Vec<_>>(), night)
    };
    for seed in 0..20 {
        let (mut twice, night) = ends(Tale::StartedTwice, seed);
        twice.sort();
        assert_eq!(twice, ["PUBLISHED", "SKIPPED RUNNING"]);
        assert_eq!(night.outcome.name(), "PUBLISHED", "what is told is the owner's");
        assert_eq!(ends(Tale::StartedBesideIt, seed).0, ["PUBLISHED", "SKIPPED RUNNING"], "nothing takes a night from who builds it");
        assert_eq!(ends(Tale::TakenOver, seed).0, ["RatesUnavailable", "PUBLISHED"]);
        assert_eq!(ends(Tale::StartedWhenPublished, seed).0, ["PUBLISHED", "SKIPPED PUBLISHED"]);
        assert_eq!(ends(Tale::ForcedWhenPublished, seed).0, ["PUBLISHED", "PUBLISHED"]);
    }
}

#[test]
fn a_redriven_night_that_was_taken_over_builds_and_is_not_published() {
    let rehearsal = Rehearsal::of_the_warehouse();
    let (mut refused, mut published) = (0, 0);
    for seed in 0..40 {
        let night = rehearsal.plain(Tale::RedrivenAfterATakeover, seed);
        assert!(night.violations.is_empty(), "{}", night.record());
        // Whoever is asked by both at once may answer the other one only.
        assert!(["PUBLISHED", "ApprovalExpired"].contains(&night.executions[1].name().as_str()), "{}", night.record());
        published += usize::from(night.executions[1].name() == "PUBLISHED");
        // By whoever was redriven, where it came as far as that.
        assert_ne!(night.executions[0].name(), "PUBLISHED", "{}", night.record());
        refused += usize::from(night.story.iter().any(|happening| happening.what.starts_with("NightTakenOver")));
    }
    assert!(refused > 10, "only {refused} of them came to publishing");
    assert!(published > 30, "only {published} of the others published");
}

#[test]
fn each_planted_bug_is_caught_by_the_invariant_that_is_there_for_it() {
    // With how many nights at most: a second has thousands.
    const MOST: u64 = 3_000;
    for (bug, invariant) in [
        (Bug::HeartbeatTooShort, "a_question_is_open_as_long_as_was_promised"),
        (Bug::FailedJobIsCaught, "a_redrive_goes_on"),
        (Bug::GateIsRetried, "a_failed_gate_is_final"),
        (Bug::GateTakesAnEndForAPass, "a_failed_gate_is_final"),
        (Bug::BarrierTooMany, "the_makespan_is_the_formulas"),
        (Bug::NotifierFailsTheNight, "a_published_night_succeeds"),
        (Bug::ExpiresWithoutLooking, "no_decision_is_lost"),
        (Bug::SilenceIsAYes, "published_with_its_approval"),
        (Bug::MayNotStopJobs, "no_job_is_left_running"),
        (Bug::PublishesWhateverIsStaged, "published_with_its_approval"),
        (Bug::ClaimsWithoutACondition, "one_night_once"),
        (Bug::TrustsTheRow, "one_night_once"),
        (Bug::PublishedIsFree, "one_night_once"),
        (Bug::BuildsUnclaimed, "one_night_once"),
        (Bug::PublishesWhoeverOwnsTheNight, "one_night_once"),
        (Bug::NobodyIsAsked, "published_with_its_approval"),
        (Bug::TakesAnyQuestionForAYes, "published_with_its_approval"),
        (Bug::PublishesWhatWasOnlyToBeBuilt, "what_is_left_out_stays_out"),
        (Bug::ApprovesOnGet, "no_decision_is_lost"),
        (Bug::SendsBeforeRecording, "no_decision_is_lost"),
        (Bug::RecordsAndForgets, "no_decision_is_lost"),
        (Bug::WatchDoesNotBeat, "a_question_is_open_as_long_as_was_promised"),
        (Bug::NoticeIsNotedBeforeItIsTold, "somebody_is_told"),
        (Bug::RuleForgetsStops, "somebody_is_told"),
    ] {
        let rehearsal = Rehearsal::with(bug);
        let caught = (0..MOST).find(|seed| rehearsal.night(*seed).violations.iter().any(|violation| violation.invariant == invariant));
        println!("{bug:?}: caught by {invariant} in night {caught:?}");
        assert!(caught.is_some(), "{bug:?} is not caught by {invariant}");
    }
}

#[test]
fn every_bug_is_planted() {
    assert!(Bug::ALL.len() >= 9);
    let deployed = deployment::definition();
    for bug in Bug::ALL {
        let mut definition = deployed.clone();
        bug.plant(&mut definition);
        let of_the_deployment = [
            Bug::MayNotStopJobs,
            Bug::PublishesWhateverIsStaged,
            Bug::PublishesWhoeverOwnsTheNight,
            Bug::NoticeIsNotedBeforeItIsTold,
            Bug::RuleForgetsStops,
        ];
        let in_world = bug.handler().is_some() || of_the_deployment.contains(&bug);
        assert!(in_world != (definition != deployed), "{bug:?}");
    }
}

// Any definition.

/// Tasks that take so long, and answer one thing after the other, and the last of them again and again.
#[derive(Default)]
struct Listed {
    millis: i64,
    answers: Vec<Value>,
    /// Half of all calls fail with this.
    failure: Option<&'static str>,
}

impl Tasks for Listed {
    fn starts_at(&self) -> Instant {
        Instant(1_795_231_440_000)
    }

    fn input(&self, seed: u64) -> Json {
        json!({"seed": seed}).into()
    }

    fn course(&self, call: &Task, _at: Instant, mut chance: Chance) -> Course {
        let failure = self.failure.filter(|_| chance.happens(0.5));
        let answer = self.answers.get(usize::try_from(call.entry).unwrap()).or(self.answers.last());
        let end = match failure {
            Some(error) => Err(Failure::named(error)),
            None => Ok(answer.cloned().unwrap_or_else(|| json!({})).into()),
        };
        Course { end: Some((self.millis, end)), data_processing_units: 2.0, ..Course::default() }
    }
}

fn lambda(fields: &Value) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
        "TimeoutSeconds": 60,
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        task[key] = value.clone();
    }
    task
}

#[test]
fn a_poll_loop_ends_when_its_task_says_so() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Poll", "States": {
        "Poll": lambda(&json!({"Output": "{% $states.result.Payload %}", "Next": "Done"})),
        "Done": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.done %}", "Next": "End"}], "Default": "Wait"},
        "Wait": {"Type": "Wait", "Seconds": 30, "Next": "Poll"},
        "End": {"Type": "Succeed"},
    }});
    let answers = [false, false, true].map(|done| json!({"Payload": {"done": done}, "StatusCode": 200})).to_vec();
    let night = Rehearsal::of(&definition, Listed { millis: 2_000, answers, failure: None }).unwrap().night(1);
    assert_eq!(night.outcome.name(), "SUCCEEDED", "{}", night.record());
    assert_eq!(night.makespan_millis(), 3 * 2_000 + 2 * 30_000);
    assert_eq!(night.timeline.iter().filter(|visit| visit.state == "Poll").count(), 3);
}

#[test]
fn a_task_fails_as_often_as_it_is_described_to_and_is_tried_again() {
    let retry = json!({"Retry": [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 5, "MaxAttempts": 1}], "End": true});
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": lambda(&retry)}});
    let tasks = Listed { millis: 1_000, failure: Some("Flaky"), ..Listed::default() };
    let rehearsal = Rehearsal::of(&definition, tasks).unwrap();
    let nights: Vec<_> = (0..1_000).map(|seed| rehearsal.night(seed)).collect();
    let failed = nights.iter().filter(|night| night.outcome.name() == "Flaky").count();
    assert!((200..300).contains(&failed), "{failed} of 1,000 fail twice in a row");
    let tried_twice = nights.iter().find(|night| night.transitions == 2).unwrap();
    assert_eq!(tried_twice.makespan_millis(), 7_000);
    assert!((tried_twice.dpu_hours - 2.0 * 2.0 / 3600.0).abs() < 1e-9, "{}", tried_twice.dpu_hours);
}

#[test]
fn what_is_wrong_with_a_definition_is_said() {
    let nowhere = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}});
    assert!(Rehearsal::of(&nowhere, Listed::default()).is_err());
}

#[test]
fn a_task_that_takes_too_long_is_ended_by_the_definitions_own_clock() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": lambda(&json!({"End": true}))}});
    let night = Rehearsal::of(&definition, Listed { millis: 100_000, ..Listed::default() }).unwrap().night(1);
    assert_eq!((night.outcome.name().as_str(), night.makespan_millis()), ("States.Timeout", 60_000));
}
