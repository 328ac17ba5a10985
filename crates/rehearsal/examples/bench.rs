//! How many nights a second, on one core and on all, and how much memory: what `cargo xtask bench` shows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use nightly_asl::{Json, Pattern, Task};
use nightly_rehearsal::{Chance, Course, Rehearsal, Tasks, deployed, on_threads};
use serde_json::{Value, json};

/// Half of a night is making and dropping small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number of nights"));
    let engine = arguments.next().unwrap_or(100_000);
    let whole = arguments.next().unwrap_or(10_000);
    let memory = arguments.next().unwrap_or(1_000_000);

    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let one = NonZeroUsize::MIN;
    println!("{:<44} {:>8} {:>12} {:>12}", "", "nights", "nights/s", "transitions");
    rate("the engine, tasks that only answer, 1 core", one, engine, stubbed);
    rate(&format!("the engine, tasks that only answer, {cores} cores"), cores, engine, stubbed);
    rate("whole nights, real functions, faults, 1 core", one, whole, Rehearsal::of_the_warehouse);
    rate(&format!("whole nights, real functions, faults, {cores} cores"), cores, whole, Rehearsal::of_the_warehouse);
    flat(memory);
}

fn rate(what: &str, threads: NonZeroUsize, nights: u64, rehearsal: fn() -> Rehearsal) {
    let began = Instant::now();
    let tallies = on_threads(threads, 0..nights, rehearsal, || 0, |transitions, night| *transitions += night.transitions);
    #[expect(clippy::cast_precision_loss, reason = "few nights")]
    let (count, transitions) = (nights as f64, tallies.iter().sum::<u64>() as f64);
    println!("{what:<44} {nights:>8} {:>12.0} {:>12.1}", count / began.elapsed().as_secs_f64(), transitions / count);
}

/// The resident memory while so many nights are played, each with its history.
fn flat(nights: u64) {
    let rehearsal = stubbed();
    let mut kept = Vec::new();
    for seed in 0..nights {
        rehearsal.night(seed);
        if seed % (nights / 10).max(1) == 0 {
            kept.push(format!("{:.1}", resident_megabytes()));
        }
    }
    println!("resident memory over {nights} nights, in MB: {}", kept.join(" "));
}

fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// The deployed definition with tasks that do nothing but answer: a night that is published after two polls of the quality run.
fn stubbed() -> Rehearsal {
    let payload = |value: Value| json!({"ExecutedVersion": "$LATEST", "Payload": value, "StatusCode": 200});
    let rules: Vec<_> =
        (1..=8).map(|rule| json!({"Name": format!("Rule_{rule}"), "Description": "RowCount > 0", "Result": "PASS"})).collect();
    let verdict = json!({
        "decision": "APPROVED", "by": "A. Berg", "at": "2026-11-21T02:31:00Z", "evidenceDigest": "0".repeat(64), "orderLines": 48212
    });
    let rows = json!({"ResultSet": {"Rows": [{"Data": [{"VarCharValue": "_col0"}]}, {"Data": [{"VarCharValue": "48212"}]}]}});
    let answers = [
        ("ClaimNight", vec![json!({"Attributes": {"claim": {"N": "1"}}})]),
        ("EnrichCurrency", vec![payload(json!({"effectiveDate": "2026-11-20", "currencies": ["EUR", "USD"]}))]),
        ("ReadStagedTable", vec![json!({"Table": {"StorageDescriptor": {"Columns": [], "Location": "s3://work/"}}})]),
        ("StartQualityRun", vec![json!({"RunId": "dqrun-1"})]),
        ("ReadQualityRun", vec![json!({"Status": "RUNNING"}), json!({"Status": "SUCCEEDED", "ResultIds": ["dqresult-1"]})]),
        ("ReadQualityResult", vec![json!({"Score": 1.0, "RuleResults": rules})]),
        ("ManualApproval", vec![verdict]),
        ("CountPublished", vec![json!({"QueryExecution": {"QueryExecutionId": "query-1"}})]),
        ("ReadCount", vec![rows]),
    ];
    let stubs = Stubs(answers.map(|(state, answers)| (state, answers.into_iter().map(Json::from).collect())).into());
    let rehearsal = Rehearsal::of(&deployed(), stubs).expect("the deployed definition is right");
    let outcome = rehearsal.night(0).outcome;
    assert_eq!(outcome.name(), "PUBLISHED", "{outcome:?}");
    rehearsal
}

/// What the tasks of some states answer, in the order of the states' entries. All others answer what a job does.
struct Stubs(BTreeMap<&'static str, Vec<Json>>);

impl Tasks for Stubs {
    fn starts_at(&self) -> nightly_asl::Instant {
        nightly_asl::Instant(1_795_222_800_000)
    }

    fn input(&self, _seed: u64) -> Json {
        json!({"scheduledTime": "2026-11-21T01:00:00Z"}).into()
    }

    fn course(&self, call: &Task, _at: nightly_asl::Instant, mut chance: Chance) -> Course {
        let takes = chance.between(50, 20_000);
        let entry = usize::try_from(call.entry).unwrap_or(usize::MAX);
        let answers = self.0.get(&*call.state);
        let answer = answers.and_then(|answers| answers.get(entry).or(answers.last())).cloned();
        let answer = answer.unwrap_or_else(|| json!({"Id": "jr_1", "JobRunState": "SUCCEEDED"}).into());
        let waits = call.resource.pattern != Pattern::RequestResponse;
        Course { submitted: waits.then(|| (20, Json::empty())), end: Some((takes, Ok(answer))), ..Course::default() }
    }
}
