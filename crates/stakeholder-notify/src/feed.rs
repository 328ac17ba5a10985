//! The latest nights as an Atom feed (RFC 4287): `feed.xml`.

use askama::Template;
use jiff::Timestamp;
use nightly_pages::written;

use crate::Settings;
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
    file: String,
    outcome: &'static str,
    summary: String,
}

/// The `latest` nights, newest first; what was published before them is among the `nights`.
pub(crate) fn render<'a>(latest: &'a [NightRecord], nights: &[NightRecord], settings: &Settings) -> Result<String, askama::Error> {
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
    let feed = Feed {
        environment: &settings.environment,
        id: latest.first().map(|night| machine_of(&night.execution_arn)).unwrap_or_default(),
        updated: latest.iter().map(|night| night.ended_at).max().unwrap_or_default(),
        // Where nobody has said where the page is read, the links lead from the feed to what lies beside it.
        folder: settings.status_page_url.as_ref().map(|url| format!("{}/", url.folder())).unwrap_or_default(),
        entries: latest.iter().map(entry).collect(),
    };
    feed.render()
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
