//! The latest nights and builds of datasets as an Atom feed (RFC 4287): `feed.xml`.

use std::collections::BTreeMap;

use askama::Template;
use jiff::Timestamp;
use nightly_domain::DatasetName;
use nightly_pages::written;

use crate::Settings;
use crate::datasets::record::BuildRecord;
use crate::datasets::{self, overview};
use crate::record::NightRecord;
use crate::site::newest_published;
use crate::words::{self, Lead};

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed<'a> {
    environment: &'a str,
    id: String,
    updated: Timestamp,
    folder: String,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    /// The execution: another run of the same day is other news.
    id: &'a str,
    title: String,
    updated: Timestamp,
    /// Below the site's folder.
    file: String,
    outcome: &'static str,
    summary: String,
}

/// The `latest` nights, newest first, and the latest builds of every dataset; what was published before them is among the `nights`.
pub(crate) fn render<'a>(
    latest: &'a [NightRecord],
    nights: &[NightRecord],
    all_datasets: &'a BTreeMap<DatasetName, Vec<BuildRecord>>,
    settings: &Settings,
) -> Result<String, askama::Error> {
    // A dataset's own page is written from more of them: what the feed has doesn't depend on who writes it.
    let builds: Vec<_> = all_datasets.values().flat_map(|builds| builds.iter().take(overview::DATES)).collect();
    let entry = |night: &'a NightRecord| {
        let NightRecord { execution_arn, run_date, ended_at, .. } = night;
        let Lead { before, date, after } = words::lead(night, newest_published(nights, night));
        Entry {
            id: execution_arn,
            title: readable(&format!("{}: {}", written::short_date(run_date.date()), words::headline(night))),
            updated: *ended_at,
            file: format!("nights/{run_date}.html"),
            outcome: words::short(night).0,
            summary: readable(&format!("{before}{date}{after}")),
        }
    };
    let build = |build: &&'a BuildRecord| {
        let Lead { before, date, after } = datasets::words::lead(build);
        let day = written::short_date(build.process_date.date());
        Entry {
            id: &build.execution_arn,
            title: readable(&format!("{}, {day}: {}", build.dataset, datasets::words::headline(build))),
            updated: build.ended_at,
            file: format!("datasets/{}.html#{}", build.dataset, build.process_date),
            outcome: datasets::words::short(build).0,
            summary: readable(&format!("{before}{date}{after}")),
        }
    };
    let mut entries: Vec<_> = latest.iter().map(entry).chain(builds.iter().map(build)).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.updated));
    let of_night = || latest.first().map(|night| machine_of(&night.execution_arn));
    let of_build = || builds.first().map(|build| night_of(&machine_of(&build.execution_arn)));
    let feed = Feed {
        environment: &settings.environment,
        id: of_night().or_else(of_build).unwrap_or_default(),
        updated: entries.first().map(|entry| entry.updated).unwrap_or_default(),
        // Where nobody has said where the page is read, the links lead from the feed to what lies beside it.
        folder: settings.status_page_url.as_ref().map(|url| format!("{}/", url.folder())).unwrap_or_default(),
        entries,
    };
    feed.render()
}

/// The night's state machine, by that of a dataset of the same stack: the feed's id stays when the first night comes.
fn night_of(dataset_machine_arn: &str) -> String {
    dataset_machine_arn.rsplit_once("-dataset-").map_or_else(|| dataset_machine_arn.to_owned(), |(stack, _)| format!("{stack}-night"))
}

/// The state machine that an execution is of.
fn machine_of(execution_arn: &str) -> String {
    let parts: Vec<_> = execution_arn.split(':').collect();
    match parts.as_slice() {
        [arn, partition, states, region, account, "execution", machine, ..] => {
            [arn, partition, states, region, account, "stateMachine", machine].join(":")
        }
        _ => execution_arn.to_owned(),
    }
}

/// People's words may hold characters that XML has no place for, escaped or not (XML 1.0, section 2.2).
fn readable(text: &str) -> String {
    written::one_line(text).replace(['\u{fffe}', '\u{ffff}'], "")
}
