//! The latest builds of every dataset for machines: `datasets.json`. ARCHITECTURE.md has its schema; fields are added to it and none taken
//! away.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightly_domain::{DatasetName, Outcome, RunDate};
use serde::Serialize;

use crate::datasets::overview::DATES;
use crate::datasets::record::{BuildRecord, Counts};

#[derive(Debug, Serialize)]
pub(crate) struct Listing<'a> {
    schema: u32,
    written_at: Option<Timestamp>,
    datasets: Vec<DatasetBuilds<'a>>,
}

#[derive(Debug, Serialize)]
struct DatasetBuilds<'a> {
    dataset: &'a DatasetName,
    page: String,
    builds: Vec<Build<'a>>,
}

#[derive(Debug, Serialize)]
struct Build<'a> {
    process_date: RunDate,
    run_id: &'a str,
    execution_arn: &'a str,
    #[serde(flatten)]
    outcome: &'a Outcome,
    cause: Option<&'a str>,
    started_at: Timestamp,
    ended_at: Timestamp,
    seconds: f64,
    started_by: &'a str,
    redrives: u32,
    table: Option<&'a str>,
    rows: Option<u64>,
    counts: Option<&'a Counts>,
    record: String,
    log: Option<String>,
}

/// The datasets by name, and of each its builds, newest first.
pub(crate) fn of(datasets: &BTreeMap<DatasetName, Vec<BuildRecord>>) -> Listing<'_> {
    let written_at = datasets.values().flatten().map(|build| build.written_at).max();
    Listing { schema: 1, written_at, datasets: datasets.iter().map(|(name, builds)| dataset(name, builds)).collect() }
}

fn dataset<'a>(name: &'a DatasetName, builds: &'a [BuildRecord]) -> DatasetBuilds<'a> {
    DatasetBuilds { dataset: name, page: format!("datasets/{name}.html"), builds: builds.iter().take(DATES).map(build).collect() }
}

fn build(build: &BuildRecord) -> Build<'_> {
    let made = build.built.as_ref();
    Build {
        process_date: build.process_date,
        run_id: &build.run_id,
        execution_arn: &build.execution_arn,
        outcome: &build.outcome,
        cause: build.trouble.as_ref().and_then(|trouble| trouble.cause.as_deref()),
        started_at: build.started_at,
        ended_at: build.ended_at,
        seconds: build.took().as_secs_f64(),
        started_by: &build.started_by,
        redrives: build.redrives,
        table: made.map(|built| built.table.as_str()),
        rows: made.map(|built| built.rows),
        counts: made.and_then(|built| built.counts.as_ref()),
        record: format!("datasets/{}/{}.json", build.dataset, build.process_date),
        log: build.log_url(),
    }
}
