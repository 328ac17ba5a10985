//! The status page in its bucket: a page and a record for each night, the latest night as `index.html`, and the latest nights for machines
//! (`nights.json`) and for readers of feeds (`feed.xml`).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use nightly_domain::ports::{Objects, PortError};
use nightly_domain::{ObjectUri, Outcome, Plan, RunDate};

use crate::Settings;
use crate::past::{self, Past};
use crate::record::NightRecord;
use crate::{feed, listing, page};

pub(crate) struct Site<'a, Store> {
    objects: &'a Store,
    settings: &'a Settings,
    /// The nights beside the one that is told of, once they have been read.
    others: OnceLock<Vec<NightRecord>>,
}

impl<'a, Store: Objects> Site<'a, Store> {
    pub(crate) fn new(objects: &'a Store, settings: &'a Settings) -> Self {
        Self { objects, settings, others: OnceLock::new() }
    }

    /// What is stored about a night; nothing where that can't be read, for a page can always be written anew.
    pub(crate) async fn record(&self, run_date: RunDate) -> Result<Option<NightRecord>, PortError> {
        let Some(body) = self.objects.read(&self.uri(&record_key(run_date))).await? else { return Ok(None) };
        match serde_json::from_slice::<NightRecord>(&body) {
            Ok(mut record) => {
                record.steps.iter_mut().for_each(|step| step.complete(Plan::of_the_night()));
                Ok(Some(record))
            }
            Err(error) => {
                tracing::warn!(run_date = %run_date, error = %error, "the night's record cannot be read and is passed over");
                Ok(None)
            }
        }
    }

    /// Writes the night, and the latest night as the index. The record comes first: a page can be made from it, and not the other way
    /// round.
    pub(crate) async fn write(&self, night: &NightRecord) -> Result<(), PortError> {
        let mut night = night.clone();
        night.slow = Past::of(&night, self.others(night.run_date).await?).slow(&night);
        let record = serde_json::to_vec_pretty(&night).map_err(|error| PortError::new("writing down the night", error))?;
        self.objects.write(&self.uri(&record_key(night.run_date)), "application/json", record).await?;

        let nights = self.nights(&night).await?;
        self.write_page(&format!("nights/{}.html", night.run_date), page::Place::Night, &night, &nights).await?;
        let latest = nights.first().unwrap_or(&night);
        self.write_page("index.html", page::Place::Index, latest, &nights).await?;

        let latest = &nights[..nights.len().min(past::NIGHTS)];
        let listing = serde_json::to_vec_pretty(&listing::of(latest)).map_err(|error| PortError::new("making nights.json", error))?;
        self.objects.write(&self.uri("nights.json"), "application/json", listing).await?;
        let feed = feed::render(latest, &nights, self.settings).map_err(|error| PortError::new("making feed.xml", error))?;
        self.objects.write(&self.uri("feed.xml"), "application/atom+xml; charset=utf-8", feed.into_bytes()).await
    }

    /// The newest published day apart from this night's.
    pub(crate) async fn newest_published(&self, night: &NightRecord) -> Result<Option<RunDate>, PortError> {
        Ok(newest_published(&self.nights(night).await?, night))
    }

    /// Where the night's page is read.
    pub(crate) fn address(&self, run_date: RunDate) -> String {
        let object = || self.uri(&format!("nights/{run_date}.html")).to_string();
        self.settings.status_page_url.as_ref().map_or_else(object, |url| url.night(run_date))
    }

    /// The latest nights and those before this one, newest first, this one as it is now.
    async fn nights(&self, night: &NightRecord) -> Result<Vec<NightRecord>, PortError> {
        let mut nights = self.others(night.run_date).await?.to_vec();
        nights.push(night.clone());
        nights.sort_unstable_by_key(|night| std::cmp::Reverse(night.run_date));
        Ok(nights)
    }

    /// The latest nights apart from this one, and those that it is compared with.
    async fn others(&self, run_date: RunDate) -> Result<&[NightRecord], PortError> {
        if let Some(others) = self.others.get() {
            return Ok(others);
        }
        let listed = self.objects.list(&self.uri("nights/")).await?;
        let dates: BTreeSet<_> = listed.iter().filter_map(|entry| recorded_date(&entry.key)).filter(|date| *date != run_date).collect();
        let before = dates.range(..run_date).rev().take(past::NIGHTS);
        let wanted: BTreeSet<_> = dates.iter().rev().take(past::NIGHTS).chain(before).copied().collect();
        let mut others = Vec::with_capacity(wanted.len());
        for run_date in wanted.into_iter().rev() {
            others.extend(self.record(run_date).await?);
        }
        Ok(self.others.get_or_init(|| others))
    }

    async fn write_page(&self, key: &str, place: page::Place, night: &NightRecord, nights: &[NightRecord]) -> Result<(), PortError> {
        let html = page::render(place, night, nights, newest_published(nights, night));
        let html = html.map_err(|error| PortError::new(format!("making {key}"), error))?;
        self.objects.write(&self.uri(key), "text/html; charset=utf-8", html.into_bytes()).await
    }

    fn uri(&self, key: &str) -> ObjectUri {
        ObjectUri::new(&self.settings.site_bucket, key)
    }
}

fn record_key(run_date: RunDate) -> String {
    format!("nights/{run_date}.json")
}

fn recorded_date(key: &str) -> Option<RunDate> {
    RunDate::parse(key.strip_prefix("nights/")?.strip_suffix(".json")?).ok()
}

pub(crate) fn newest_published(nights: &[NightRecord], except: &NightRecord) -> Option<RunDate> {
    nights.iter().filter(|night| night.outcome == Outcome::Published && night.run_date != except.run_date).map(|night| night.run_date).max()
}
