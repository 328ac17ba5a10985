//! The status page in its bucket: a page and a record for each night, and the latest night as `index.html`.

use nightly_domain::ports::{Objects, PortError};
use nightly_domain::{ObjectUri, Outcome, RunDate};

use crate::Settings;
use crate::page;
use crate::record::NightRecord;

/// How many nights a page lists.
const RECENT_NIGHTS: usize = 10;

pub(crate) struct Site<'a, Store> {
    pub(crate) objects: &'a Store,
    pub(crate) settings: &'a Settings,
}

impl<Store: Objects> Site<'_, Store> {
    /// What is stored about a night; nothing where that can't be read, for a page can always be written anew.
    pub(crate) async fn record(&self, run_date: RunDate) -> Result<Option<NightRecord>, PortError> {
        let Some(body) = self.objects.read(&self.uri(&record_key(run_date))).await? else { return Ok(None) };
        match serde_json::from_slice(&body) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                tracing::warn!(run_date = %run_date, error = %error, "the night's record cannot be read and is passed over");
                Ok(None)
            }
        }
    }

    /// Writes the night, and the latest night as the index. The record comes first: a page can be made from it, and not the other way
    /// round.
    pub(crate) async fn write(&self, night: &NightRecord) -> Result<(), PortError> {
        let record = serde_json::to_vec_pretty(night).map_err(|error| PortError::new("writing down the night", error))?;
        self.objects.write(&self.uri(&record_key(night.run_date)), "application/json", record).await?;
        let recent = self.recent(night).await?;
        let latest = recent.first().unwrap_or(night);
        self.write_page(&format!("nights/{}.html", night.run_date), page::Place::Night, night, &recent).await?;
        self.write_page("index.html", page::Place::Index, latest, &recent).await
    }

    /// The newest published day apart from this night's.
    pub(crate) async fn newest_published(&self, night: &NightRecord) -> Result<Option<RunDate>, PortError> {
        Ok(newest_published(&self.recent(night).await?, night))
    }

    /// Where the night's page is read.
    pub(crate) fn address(&self, run_date: RunDate) -> String {
        let object = || self.uri(&format!("nights/{run_date}.html")).to_string();
        self.settings.status_page_url.as_ref().map_or_else(object, |url| url.night(run_date))
    }

    /// The latest nights, newest first, this one as it is now.
    async fn recent(&self, night: &NightRecord) -> Result<Vec<NightRecord>, PortError> {
        let listed = self.objects.list(&self.uri("nights/")).await?;
        let mut dates: Vec<_> = listed.iter().filter_map(|entry| recorded_date(&entry.key)).collect();
        dates.push(night.run_date);
        dates.sort_unstable_by(|earlier, later| later.cmp(earlier));
        dates.dedup();
        let mut recent = Vec::new();
        for run_date in dates.into_iter().take(RECENT_NIGHTS) {
            if run_date == night.run_date {
                recent.push(night.clone());
            } else {
                recent.extend(self.record(run_date).await?);
            }
        }
        Ok(recent)
    }

    async fn write_page(&self, key: &str, place: page::Place, night: &NightRecord, recent: &[NightRecord]) -> Result<(), PortError> {
        let html = page::render(place, night, recent, newest_published(recent, night));
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

fn newest_published(recent: &[NightRecord], except: &NightRecord) -> Option<RunDate> {
    recent.iter().filter(|night| night.outcome == Outcome::Published && night.run_date != except.run_date).map(|night| night.run_date).max()
}
