//! The latest nights for machines: `nights.json`. ARCHITECTURE.md has its schema; fields are added to it and none taken away.

use jiff::Timestamp;
use nightly_domain::night::{self, StepState};
use nightly_domain::{Flag, Outcome, RunDate};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::record::NightRecord;

#[derive(Debug, Serialize)]
pub(crate) struct Listing<'a> {
    schema: u32,
    written_at: Option<Timestamp>,
    nights: Vec<Night<'a>>,
}

#[derive(Debug, Serialize)]
struct Night<'a> {
    run_date: RunDate,
    run_id: &'a str,
    execution_arn: &'a str,
    #[serde(flatten)]
    outcome: &'a Outcome,
    started_at: Timestamp,
    ended_at: Timestamp,
    seconds: f64,
    redrives: u32,
    flags: &'a [Flag],
    published_rows: Option<u64>,
    #[serde(with = "rust_decimal::serde::str_option")]
    dpu_hours: Option<Decimal>,
    #[serde(with = "rust_decimal::serde::str_option")]
    dollars: Option<Decimal>,
    page: String,
    record: String,
    log: Option<String>,
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    node: &'a str,
    title: &'a str,
    #[serde(flatten)]
    state: &'a StepState,
    seconds: Option<f64>,
    tries: u32,
    slow: bool,
}

/// The nights, newest first.
pub(crate) fn of(nights: &[NightRecord]) -> Listing<'_> {
    Listing { schema: 1, written_at: nights.iter().map(|night| night.written_at).max(), nights: nights.iter().map(night).collect() }
}

fn night(night: &NightRecord) -> Night<'_> {
    Night {
        run_date: night.run_date,
        run_id: &night.run_id,
        execution_arn: &night.execution_arn,
        outcome: &night.outcome,
        started_at: night.started_at,
        ended_at: night.ended_at,
        seconds: night.took().as_secs_f64(),
        redrives: night.redrives,
        flags: &night.flags,
        published_rows: night.published_rows,
        dpu_hours: night.cost.as_ref().map(|cost| cost.dpu_hours),
        dollars: night.cost.as_ref().map(|cost| cost.dollars),
        page: format!("nights/{}.html", night.run_date),
        record: format!("nights/{}.json", night.run_date),
        log: night.log_url(),
        steps: night.steps.iter().map(|it| step(night, it)).collect(),
    }
}

fn step<'a>(night: &NightRecord, step: &'a night::Step) -> Step<'a> {
    Step {
        node: &step.node,
        title: &step.title,
        state: &step.state,
        seconds: step.took().map(|took| took.as_secs_f64()),
        tries: step.tries,
        slow: night.is_slow(step),
    }
}
