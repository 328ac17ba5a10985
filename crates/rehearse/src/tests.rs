//! Whole rehearsals: of definitions with their TOML, from the first line of it to the last byte of the report.

use std::fmt::Write;
use std::num::NonZeroUsize;

use nightly_rehearsal::{End, Night};

use crate::brought::{Brought, Refused};
use crate::price::Prices;
use crate::replay::replay;
use crate::report::{Report, page, terminal};
use crate::run::{Stage, run};
use crate::sums::Sums;
use crate::tasks::starter;

const EXAMPLES: [(&str, &str, &str); 3] = [
    ("files", include_str!("../../../examples/rehearsal/files.asl.json"), include_str!("../../../examples/rehearsal/files.toml")),
    ("booking", include_str!("../../../examples/rehearsal/booking.asl.json"), include_str!("../../../examples/rehearsal/booking.toml")),
    ("export", include_str!("../../../examples/rehearsal/export.asl.json"), include_str!("../../../examples/rehearsal/export.toml")),
];

/// A task that is retried, one that is caught, a job, somebody who is asked.
const DEFINITION: &str = r#"{
  "QueryLanguage": "JSONata",
  "StartAt": "Work",
  "States": {
    "Work": {
      "Type": "Parallel",
      "Branches": [
        {"StartAt": "Fetch", "States": {"Fetch": {
          "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "${Function}"}, "TimeoutSeconds": 60,
          "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "MaxAttempts": 2}], "End": true}}},
        {"StartAt": "Build", "States": {"Build": {
          "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Arguments": {"JobName": "build"}, "TimeoutSeconds": 3600,
          "End": true}}}
      ],
      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "GivenUp"}],
      "Next": "Ask"
    },
    "Ask": {
      "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
      "Arguments": {"QueueUrl": "https://sqs.example/q", "MessageBody": {"token": "{% $states.context.Task.Token %}"}},
      "TimeoutSeconds": 3600,
      "Next": "Done"
    },
    "Done": {"Type": "Succeed", "Output": {"answer": "{% $states.input.answer %}"}},
    "GivenUp": {"Type": "Fail", "Error": "GivenUp", "Cause": "Not built."}
  }
}"#;

const TASKS: &str = r#"
[night]
input = { day = "{% 'day ' & $string($seed) %}" }

[substitutions]
Function = "fetch"

[states.Fetch]
duration = { from = "1s", to = "5s" }
failures = [{ error = "Busy", probability = 0.3, cause = "too many at once" }]

[states.Build]
duration = { p50 = "10m", p95 = "30m" }
jobs = { SUCCEEDED = 0.9, FAILED = 0.1 }
dpu = 4

[states.Ask.answer]
delay = { p50 = "15m", p95 = "50m" }
result = { answer = "yes" }
never = 0.02

[[invariant]]
name = "What is built is asked about"
holds = "{% $night.states.Build.succeeded = 0 or $night.states.Ask.entered = 1 or $night.error = 'GivenUp' %}"
"#;

fn rehearsed(definition: &str, tasks: &str, nights: u64, threads: usize) -> Sums {
    let stage = || Stage::Brought(load(definition, tasks));
    run(NonZeroUsize::new(threads).unwrap(), 1, nights, stage, |_| {}).unwrap()
}

fn load(definition: &str, tasks: &str) -> Brought {
    Brought::load(definition, tasks).unwrap_or_else(|refused| panic!("{refused:#?}"))
}

fn reported<Output>(sums: &Sums, make: impl FnOnce(&Report<'_>) -> Output) -> Output {
    console::set_colors_enabled(false);
    let worst = sums.worst.map(|worst| load(DEFINITION, TASKS).night(worst.seed.0).unwrap());
    let command = "cargo xtask rehearse --definition work.asl.json --tasks work.toml";
    make(&Report { name: "work", seed: 1, command, sums, worst: worst.as_ref(), prices: Prices::default() })
}

fn wrongs(definition: &str, tasks: &str) -> String {
    match Brought::load(definition, tasks) {
        Err(Refused::Tasks(wrongs)) => wrongs.iter().fold(String::new(), |mut text, wrong| {
            writeln!(text, "{wrong}").unwrap();
            text
        }),
        Err(Refused::Definition(findings)) => panic!("{findings:#?}"),
        Ok(_) => String::new(),
    }
}

#[test]
fn a_report_says_on_a_terminal_what_came_of_the_nights() {
    insta::assert_snapshot!(reported(&rehearsed(DEFINITION, TASKS, 200, 1), terminal));
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else() {
    let page = reported(&rehearsed(DEFINITION, TASKS, 200, 1), page);
    for absent in ["<script", "http://", "src=", "url(", "style=", "NaN", "inf"] {
        assert!(!page.contains(absent), "{absent}");
    }
    insta::assert_snapshot!(page.replace("><", ">\n<"));
}

#[test]
fn a_night_is_shown_as_the_console_would() {
    console::set_colors_enabled(false);
    let brought = load(DEFINITION, TASKS);
    let has_all = |night: &Night| night.timeline.iter().any(|visit| visit.attempts > 1) && night.outcome.name() == "GivenUp";
    let night = (1..500).map(|seed| brought.night(seed).unwrap()).find(has_all).unwrap();
    let shown = replay("work", &night);
    assert!(shown.lines().all(|line| console::measure_text_width(line) <= 100), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn the_same_seeds_give_the_same_bytes_on_any_number_of_threads() {
    let (one, again, three) =
        (rehearsed(DEFINITION, TASKS, 60, 1), rehearsed(DEFINITION, TASKS, 60, 1), rehearsed(DEFINITION, TASKS, 60, 3));
    assert_eq!(one, again);
    assert_eq!(one, three);
    assert_eq!(reported(&one, page), reported(&three, page));
}

#[test]
fn everything_wrong_with_the_toml_is_said_with_its_place_and_what_to_do() {
    let tasks = r#"
[night]
start = "tomorrow"

[substitutions]
Funktion = "fetch"

[states.Fetsh]
duration = "2s"

[states.Fetch]
duration = "5x"
faliures = []
failures = [{ error = "Busy", probability = 3 }]

[states.Build]
duration = { p50 = "10m", p90 = "30m" }
jobs = { SUCCEEDED = 0.9, FAILED = 0.2 }
answer = { never = 1.0 }

[states.Ask]
result = { id = "{% $parametres.id %}" }

[states.Done]
duration = "1s"

[resources."lambda:invoke*"]
results = [{ probability = 0.5, value = 1 }, { probability = 0.4 }]

[resources."sns:*"]
duration = 5

[[invariant]]
name = "It is built"
holds = "{% $night.states.Bild.succeeded = 1 %}"
"#;
    insta::assert_snapshot!(wrongs(DEFINITION, tasks));
}

#[test]
fn what_the_toml_leaves_out_is_said() {
    let without = |table: &str| {
        let (before, after) = TASKS.split_once(table).unwrap();
        format!("{before}{}", after.split_once("\n\n").unwrap().1)
    };
    insta::assert_snapshot!(
        [
            wrongs(DEFINITION, ""),
            wrongs(DEFINITION, "[states.Fetch"),
            wrongs(DEFINITION, &without("[states.Ask.answer]")),
            wrongs(DEFINITION, &without("[states.Build]")),
            wrongs(DEFINITION, &TASKS.replace("duration = { from = \"1s\", to = \"5s\" }", "")),
            wrongs(DEFINITION, &TASKS.replace("result = { answer = \"yes\" }", "result = '{\"answer\": yes}'")),
            wrongs(DEFINITION, &TASKS.replace("'day ' &", "'day ' & &")),
        ]
        .join("\n")
    );
}

#[test]
fn an_expression_without_a_value_ends_the_rehearsal_and_names_the_night() {
    let tasks = TASKS.replace("result = { answer = \"yes\" }", "result = { answer = \"{% $parameters.nothing %}\" }");
    let stage = || Stage::Brought(load(DEFINITION, &tasks));
    let trouble = run(NonZeroUsize::MIN, 1, 50, stage, |_| {}).unwrap_err();
    assert_eq!(trouble.to_string(), "states.Ask, entry 1, try 1 (seed 1)");
    let why = std::error::Error::source(&trouble).unwrap().to_string();
    assert_eq!(why, "{% $parameters.nothing %} gives nothing: what it looks at isn't there");
}

#[test]
fn a_starting_toml_is_written_for_every_definition_and_can_be_rehearsed() {
    let ours = include_str!("../../../statemachine/nightly-warehouse.asl.json");
    for (name, definition) in
        EXAMPLES.map(|(name, definition, _)| (name, definition)).into_iter().chain([("work", DEFINITION), ("ours", ours)])
    {
        let tasks = starter(definition, name).unwrap();
        assert_eq!(wrongs(definition, &tasks), "", "{tasks}");
    }
    insta::assert_snapshot!(starter(DEFINITION, "work.asl.json").unwrap());
}

#[test]
fn an_invariant_that_does_not_hold_is_counted_and_its_night_can_be_replayed() {
    let tasks =
        TASKS.replace("$night.states.Build.succeeded = 0 or", "").replace("or $night.error = 'GivenUp'", "and $night.status = 'SUCCEEDED'");
    let sums = rehearsed(DEFINITION, &tasks, 100, 2);
    let violated = &sums.violations["What is built is asked about"];
    assert!(violated.nights > 5, "{violated:?}");
    let night = load(DEFINITION, &tasks).night(violated.seed).unwrap();
    assert_eq!((night.violations.len(), night.violations[0].what.clone()), (1, violated.what.clone()));
    assert!(sums.worst.unwrap().violated);
    let page = reported(&sums, page);
    assert!(page.contains("An invariant was violated") && page.contains(&format!("--replay {}", violated.seed)));
}

#[test]
fn a_night_that_never_ends_is_a_violation() {
    let definition = DEFINITION.replace("\"TimeoutSeconds\": 3600,\n      \"Next\": \"Done\"", "\"Next\": \"Done\"");
    assert_ne!(definition, DEFINITION);
    let sums = rehearsed(&definition, &TASKS.replace("never = 0.02", "never = 1.0"), 10, 1);
    assert_eq!(sums.violations["Every night ends"].what, "Ask waits for ever: nothing answers it, and it has no timeout");
}

#[test]
fn a_failed_branch_stops_the_other_and_is_caught_around_it() {
    let brought = load(DEFINITION, TASKS);
    let night = (1..500).map(|seed| brought.night(seed).unwrap()).find(|night| night.outcome.name() == "GivenUp").unwrap();
    let end = |state: &str| night.timeline.iter().find(|visit| visit.state == state).map(|visit| (visit.depth, visit.end.clone()));
    let error = "States.TaskFailed".to_owned();
    assert_eq!(end("Build"), Some((1, End::Failed { error: error.clone() })));
    assert_eq!(end("Work"), Some((0, End::Caught { error })));
    assert_eq!(end("GivenUp"), Some((0, End::Failed { error: "GivenUp".to_owned() })));
    assert_eq!(end("Ask"), None);
}

#[test]
fn files_are_read_or_put_aside_and_one_never_stops_the_others() {
    let sums = example("files", 100);
    assert_eq!(sums.outcomes.keys().collect::<Vec<_>>(), ["SUCCEEDED"]);
    let (read, aside) = (state(&sums, "ReadFile"), state(&sums, "PutAside"));
    assert!(read.caught > 5, "{read:?}");
    assert_eq!((read.caught, read.failed, read.stopped), (aside.entered, 0, 0));
    assert_eq!(read.took.count() + read.caught, read.entered);
    assert_eq!(read.errors.keys().collect::<Vec<_>>(), ["Lambda.TooManyRequestsException", "States.Timeout", "Unreadable"]);
}

#[test]
fn a_booking_that_fails_is_always_undone() {
    let sums = example("booking", 300);
    assert!(sums.violations.is_empty(), "{:?}", sums.violations);
    let failed = sums.nights - sums.outcomes["SUCCEEDED"].makespan.count();
    let (hotel, flight) = (state(&sums, "CancelHotel"), state(&sums, "CancelFlight"));
    assert!(failed > 30, "{failed}");
    assert_eq!(
        (hotel.entered, hotel.took.count()),
        (failed, failed),
        "every night that isn't booked cancels the hotel, and gets it cancelled"
    );
    assert_eq!(flight.entered, state(&sums, "BookFlight").caught + state(&sums, "BookCar").caught);

    // The same with a cause that a timeout doesn't have, as this definition once was.
    let path = r#""ErrorPath": "$.reason.Error", "CausePath": "$.reason.Cause""#;
    let (before, last) = EXAMPLES[1].1.split_once("\"Comment\": \"A timeout has no Cause.\"").unwrap();
    let broken = format!("{before}{path}{}", &last[last.find("\n    }\n").unwrap()..]);
    let sums = rehearsed(&broken, EXAMPLES[1].2, 300, 2);
    assert!(sums.violations.contains_key("A trip that isn't booked says why"), "{:?}", sums.outcomes.keys());

    // The same with the way to the hotel's cancellation left out.
    let broken = EXAMPLES[1].1.replacen(
        "\"Next\": \"CancelHotel\"\n    },\n    \"CancelHotel\"",
        "\"Next\": \"NotBooked\"\n    },\n    \"CancelHotel\"",
        1,
    );
    assert_ne!(broken, EXAMPLES[1].1);
    let sums = rehearsed(&broken, EXAMPLES[1].2, 100, 2);
    assert!(sums.violations.contains_key("What was booked is cancelled when the rest can't be had"));
}

#[test]
fn a_poll_loop_ends_at_its_limit() {
    let sums = example("export", 120);
    assert!(sums.violations.is_empty(), "{:?}", sums.violations);
    assert_eq!(sums.outcomes.keys().collect::<Vec<_>>(), ["ExportFailed", "SUCCEEDED", "TookTooLong"]);
    let longest = sums.outcomes["TookTooLong"].longest.1;
    let night = load(EXAMPLES[2].1, EXAMPLES[2].2).night(longest).unwrap();
    assert_eq!(night.timeline.iter().filter(|visit| visit.state == "Look").count(), 120);

    // The same with a limit that is never reached.
    let endless = EXAMPLES[2].1.replace("\"NumericGreaterThanEquals\": 120", "\"NumericGreaterThanEquals\": 1200");
    let sums = rehearsed(&endless, EXAMPLES[2].2, 100, 2);
    assert!(sums.violations.contains_key("It looks 120 times at most"));
}

fn example(name: &str, nights: u64) -> Sums {
    let (_, definition, tasks) = EXAMPLES.into_iter().find(|(known, ..)| *known == name).unwrap();
    rehearsed(definition, tasks, nights, 2)
}

fn state<'a>(sums: &'a Sums, name: &str) -> &'a crate::sums::StateSum {
    sums.states.iter().find(|state| state.name == name).unwrap()
}
