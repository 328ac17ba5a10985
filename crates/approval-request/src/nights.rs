//! The nights that were published last, from the records that `stakeholder-notify` keeps beside the status page.
//!
//! They help to judge a build, and are no reason not to ask: what can't be read is passed over with a warning.

use std::future::ready;

use futures_util::{StreamExt as _, stream};
use nightly_domain::comparison::Comparison;
use nightly_domain::evidence::{PublishedNight, Summary};
use nightly_domain::ports::{BoxError, Objects};
use nightly_domain::{ObjectUri, Outcome, RunDate};
use serde::Deserialize;

/// Records that are read at the same time.
const AT_ONCE: usize = Comparison::NIGHTS;

/// The question's record has to fit into an item of 400 KB, and a category takes about 70 bytes of it.
const CATEGORIES: usize = 2_000;

/// As much of a night's record as a later night is compared with.
#[derive(Deserialize)]
struct Recorded {
    run_date: RunDate,
    #[serde(flatten)]
    outcome: Outcome,
    summary: Option<Summary>,
}

/// A record that isn't what its place says.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("there is none")]
    Gone,
    #[error("it is of {0}")]
    OfAnotherDate(RunDate),
    #[error("it was published without figures")]
    WithoutFigures,
}

/// The nights that a build is compared with, newest first. `nights` is where their records are, as a prefix.
pub(crate) async fn published_before(objects: &impl Objects, nights: &ObjectUri, build: &Summary) -> Vec<PublishedNight> {
    let listed = match objects.list(nights).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "no night before is known, and the build is compared with none");
            return Vec::new();
        }
    };
    let of = |key: &str| RunDate::parse(key.strip_prefix(nights.key())?.strip_suffix(".json")?).ok();
    let mut dates: Vec<_> =
        listed.iter().filter_map(|entry| of(&entry.key)).filter(|date| Comparison::reaches(build.run_date, *date)).collect();
    dates.sort_unstable_by(|earlier, later| later.cmp(earlier));

    let reading = stream::iter(dates).map(|date| read(objects, nights, date)).buffered(AT_ONCE);
    let comparable = reading.filter_map(|night| ready(night.filter(|summary| summary.base_currency == build.base_currency)));
    let published: Vec<PublishedNight> = comparable.take(Comparison::NIGHTS).map(night).collect().await;
    let mut categories = 0;
    let within = |night: &PublishedNight| {
        categories += night.categories.len();
        categories <= CATEGORIES
    };
    published.into_iter().take_while(within).collect()
}

/// The figures of this date, where it was published.
async fn read(objects: &impl Objects, nights: &ObjectUri, date: RunDate) -> Option<Summary> {
    let record = async {
        let body = objects.read(&nights.join(&format!("{date}.json"))).await?.ok_or(Unusable::Gone)?;
        let record: Recorded = serde_json::from_slice(&body)?;
        if record.run_date != date {
            return Err(Unusable::OfAnotherDate(record.run_date).into());
        }
        Ok::<_, BoxError>((record.outcome == Outcome::Published).then_some(record.summary.ok_or(Unusable::WithoutFigures)))
    };
    match record.await.and_then(|published| Ok(published.transpose()?)) {
        Ok(summary) => summary,
        Err(error) => {
            tracing::warn!(run_date = %date, error, "the record of a night cannot be read and is passed over");
            None
        }
    }
}

fn night(summary: Summary) -> PublishedNight {
    let Summary { run_date, order_lines, revenue_base, categories, .. } = summary;
    PublishedNight { run_date, order_lines, revenue_base, categories }
}
