//! The status page in its bucket: a record for each night and for each process date of a dataset, and what is made of records: a page for
//! each night and each dataset, the latest night and all datasets as `index.html`, and both for machines (`nights.json`, `datasets.json`)
//! and for readers of feeds (`feed.xml`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use nightly_domain::ports::{Objects, PortError};
use nightly_domain::{DatasetName, ObjectEntry, ObjectUri, Outcome, Plan, RunDate};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Settings;
use crate::datasets::record::BuildRecord;
use crate::datasets::{self, overview};
use crate::past::{self, Past};
use crate::record::NightRecord;
use crate::{feed, listing, page};

/// How often the pages are written anew because somebody else has written a record meanwhile. Who wrote the last one writes them, too.
const ROUNDS: usize = 5;

pub(crate) struct Site<'a, Store> {
    objects: &'a Store,
    settings: &'a Settings,
    /// What was read so far, by key, and the entity tag that it had. None is what can't be read as a record.
    nights: Cache<NightRecord>,
    builds: Cache<BuildRecord>,
}

type Cache<Kept> = Mutex<HashMap<String, (String, Option<Kept>)>>;

/// The record that was written last: what it is of is shown whole.
#[derive(Debug, Clone, Copy)]
enum Own<'a> {
    Night(RunDate),
    Build(&'a DatasetName),
}

/// The latest records, as they were listed.
#[derive(Debug)]
struct Latest {
    listed: Vec<ObjectEntry>,
    /// Newest first: the latest nights, and those that one of them or the own one is compared with.
    nights: Vec<NightRecord>,
    /// Newest first.
    datasets: BTreeMap<DatasetName, Vec<BuildRecord>>,
}

impl<'a, Store: Objects> Site<'a, Store> {
    pub(crate) fn new(objects: &'a Store, settings: &'a Settings) -> Self {
        Self { objects, settings, nights: Mutex::default(), builds: Mutex::default() }
    }

    /// What is stored about a night; nothing where that can't be read, for a page can always be written anew.
    pub(crate) async fn night(&self, run_date: RunDate) -> Result<Option<NightRecord>, PortError> {
        Ok(self.read(&night_key(run_date)).await?.map(completed))
    }

    /// What is stored about the build of a process date, likewise.
    pub(crate) async fn build(&self, dataset: &DatasetName, process_date: RunDate) -> Result<Option<BuildRecord>, PortError> {
        self.read(&build_key(dataset, process_date)).await
    }

    /// Writes the night, and what shows it. The record comes first: a page can be made from it, and not the other way round.
    pub(crate) async fn write_night(&self, night: &NightRecord) -> Result<(), PortError> {
        let mut night = night.clone();
        let others = self.latest(Own::Night(night.run_date), self.listed().await?).await?.nights;
        night.slow = Past::of(&night, &others).slow(&night);
        self.write_json(&night_key(night.run_date), &night).await?;
        self.write_pages(Own::Night(night.run_date)).await
    }

    /// Writes the build of a process date, and what shows it.
    pub(crate) async fn write_build(&self, build: &BuildRecord) -> Result<(), PortError> {
        self.write_json(&build_key(&build.dataset, build.process_date), build).await?;
        self.write_pages(Own::Build(&build.dataset)).await
    }

    /// The newest published day apart from this night's.
    pub(crate) async fn newest_published(&self, night: &NightRecord) -> Result<Option<RunDate>, PortError> {
        let latest = self.latest(Own::Night(night.run_date), self.listed().await?).await?;
        Ok(newest_published(&latest.nights, night))
    }

    /// Where the night's page is read.
    pub(crate) fn address(&self, run_date: RunDate) -> String {
        let object = || self.uri(&format!("nights/{run_date}.html")).to_string();
        self.settings.status_page_url.as_ref().map_or_else(object, |url| url.night(run_date))
    }

    /// Where the dataset's page is read.
    pub(crate) fn address_of_dataset(&self, name: &DatasetName) -> String {
        let object = || self.uri(&format!("datasets/{name}.html")).to_string();
        self.settings.status_page_url.as_ref().map_or_else(object, |url| url.dataset(name))
    }

    /// Writes the pages from the records as they are, until no record has changed meanwhile: a night and several datasets may be told of
    /// at the same time, and all of them are on the index.
    async fn write_pages(&self, own: Own<'_>) -> Result<(), PortError> {
        let mut listed = self.listed().await?;
        for _ in 0..ROUNDS {
            let latest = self.latest(own, listed).await?;
            self.write_own_page(own, &latest).await?;
            self.write_common_pages(&latest).await?;
            listed = self.listed().await?;
            if listed == latest.listed {
                return Ok(());
            }
        }
        tracing::warn!(rounds = ROUNDS, "records have come all the while; who wrote the last of them writes the pages");
        Ok(())
    }

    async fn write_own_page(&self, own: Own<'_>, latest: &Latest) -> Result<(), PortError> {
        match own {
            Own::Night(run_date) => {
                let Some(night) = latest.nights.iter().find(|night| night.run_date == run_date) else { return Ok(()) };
                let html = page::render(page::Place::Night, night, &latest.nights, None);
                self.write_html(&format!("nights/{run_date}.html"), html).await
            }
            Own::Build(name) => {
                let builds = latest.datasets.get(name).map(Vec::as_slice).unwrap_or_default();
                let html = datasets::page::render(builds, self.settings);
                self.write_html(&format!("datasets/{name}.html"), html.map(Option::unwrap_or_default)).await
            }
        }
    }

    async fn write_common_pages(&self, Latest { nights, datasets, .. }: &Latest) -> Result<(), PortError> {
        let overview = overview::Overview::of(datasets);
        let html = match nights.first() {
            Some(latest) => page::render(page::Place::Index, latest, nights, overview),
            None => page::render_without_nights(overview, datasets, self.settings),
        };
        self.write_html("index.html", html).await?;
        let latest = &nights[..nights.len().min(past::NIGHTS)];
        self.write_json("nights.json", &listing::of(latest)).await?;
        self.write_json("datasets.json", &datasets::listing::of(datasets)).await?;
        let feed = feed::render(latest, nights, datasets, self.settings).map_err(|error| PortError::new("making feed.xml", error))?;
        self.objects.write(&self.uri("feed.xml"), "application/atom+xml; charset=utf-8", feed.into_bytes()).await
    }

    /// Every record that there is, with its entity tag.
    async fn listed(&self) -> Result<Vec<ObjectEntry>, PortError> {
        let mut listed = self.objects.list(&self.uri("nights/")).await?;
        listed.retain(|entry| recorded_night(&entry.key).is_some());
        let builds = self.objects.list(&self.uri("datasets/")).await?;
        listed.extend(builds.into_iter().filter(|entry| recorded_build(&entry.key).is_some()));
        Ok(listed)
    }

    /// Reads those of the listed records that are shown.
    async fn latest(&self, own: Own<'_>, listed: Vec<ObjectEntry>) -> Result<Latest, PortError> {
        let mut dates = BTreeMap::new();
        let mut builds: BTreeMap<DatasetName, BTreeMap<RunDate, &ObjectEntry>> = BTreeMap::new();
        for entry in &listed {
            if let Some(run_date) = recorded_night(&entry.key) {
                dates.insert(run_date, entry);
            } else if let Some((dataset, process_date)) = recorded_build(&entry.key) {
                builds.entry(dataset).or_default().insert(process_date, entry);
            }
        }
        let before_own = match own {
            Own::Night(run_date) => dates.range(..=run_date).rev().take(past::NIGHTS + 1).collect::<Vec<_>>(),
            Own::Build(_) => Vec::new(),
        };
        let wanted: BTreeSet<_> = dates.keys().rev().take(past::NIGHTS + 1).chain(before_own.into_iter().map(|(date, _)| date)).collect();
        let mut nights = Vec::with_capacity(wanted.len());
        for run_date in wanted.into_iter().rev() {
            nights.extend(self.read_listed(&self.nights, dates[run_date]).await?.map(completed));
        }
        let mut datasets = BTreeMap::new();
        for (name, dates) in builds {
            let count = if matches!(own, Own::Build(own) if *own == name) { datasets::page::DATES } else { overview::DATES };
            let mut kept = Vec::new();
            for entry in dates.values().rev().take(count) {
                kept.extend(self.read_listed(&self.builds, entry).await?);
            }
            if !kept.is_empty() {
                datasets.insert(name, kept);
            }
        }
        Ok(Latest { listed, nights, datasets })
    }

    /// The record that was listed, or one that has taken its place since. Each is read once.
    async fn read_listed<Kept: DeserializeOwned + Clone>(
        &self,
        cache: &Cache<Kept>,
        entry: &ObjectEntry,
    ) -> Result<Option<Kept>, PortError> {
        let known = |cache: &Cache<Kept>| {
            let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.get(&entry.key).filter(|(etag, _)| *etag == entry.etag).map(|(_, record)| record.clone())
        };
        if let Some(record) = known(cache) {
            return Ok(record);
        }
        let record = self.read::<Kept>(&entry.key).await?;
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(entry.key.clone(), (entry.etag.clone(), record.clone()));
        Ok(record)
    }

    async fn read<Kept: DeserializeOwned>(&self, key: &str) -> Result<Option<Kept>, PortError> {
        let Some(body) = self.objects.read(&self.uri(key)).await? else { return Ok(None) };
        match serde_json::from_slice(&body) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                tracing::warn!(key, error = %error, "the record cannot be read and is passed over");
                Ok(None)
            }
        }
    }

    async fn write_json(&self, key: &str, value: &impl Serialize) -> Result<(), PortError> {
        let body = serde_json::to_vec_pretty(value).map_err(|error| PortError::new(format!("making {key}"), error))?;
        self.objects.write(&self.uri(key), "application/json", body).await
    }

    async fn write_html(&self, key: &str, html: Result<String, askama::Error>) -> Result<(), PortError> {
        let html = html.map_err(|error| PortError::new(format!("making {key}"), error))?;
        self.objects.write(&self.uri(key), "text/html; charset=utf-8", html.into_bytes()).await
    }

    fn uri(&self, key: &str) -> ObjectUri {
        ObjectUri::new(&self.settings.site_bucket, key)
    }
}

fn completed(mut night: NightRecord) -> NightRecord {
    night.steps.iter_mut().for_each(|step| step.complete(Plan::of_the_night()));
    night
}

fn night_key(run_date: RunDate) -> String {
    format!("nights/{run_date}.json")
}

fn recorded_night(key: &str) -> Option<RunDate> {
    RunDate::parse(key.strip_prefix("nights/")?.strip_suffix(".json")?).ok()
}

fn build_key(dataset: &DatasetName, process_date: RunDate) -> String {
    format!("datasets/{dataset}/{process_date}.json")
}

fn recorded_build(key: &str) -> Option<(DatasetName, RunDate)> {
    let (dataset, date) = key.strip_prefix("datasets/")?.strip_suffix(".json")?.split_once('/')?;
    Some((dataset.parse().ok()?, RunDate::parse(date).ok()?))
}

pub(crate) fn newest_published(nights: &[NightRecord], except: &NightRecord) -> Option<RunDate> {
    nights.iter().filter(|night| night.outcome == Outcome::Published && night.run_date != except.run_date).map(|night| night.run_date).max()
}
