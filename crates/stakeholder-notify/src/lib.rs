//! Tells the stakeholders how a night ended: first on the status page, then in Slack.

mod announcement;
mod feed;
mod graph;
mod grid;
mod layout;
mod listing;
mod page;
mod past;
mod record;
mod site;
mod words;

use std::fmt::{self, Display};
use std::str::FromStr;

use jiff::Timestamp;
use nightly_domain::approval::Verdict;
use nightly_domain::channel::{Channel, PostError};
use nightly_domain::evidence::{Quality, Summary};
use nightly_domain::history::Histories;
use nightly_domain::ports::{Clock, Objects, PortError};
use nightly_domain::{Named, ObjectUri, Outcome, RunDate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::NightRecord;
use crate::site::Site;

pub use crate::record::News;

/// What this function needs from the world. Without a channel, the status page is all the news there is.
#[derive(Debug)]
pub struct Ports<Store, Past, Room, Now> {
    /// The staged build's summary, and the status page.
    pub objects: Store,
    /// What happened in the execution.
    pub histories: Past,
    /// Where the stakeholders read.
    pub channel: Option<Room>,
    /// What time it is.
    pub clock: Now,
    /// Where we are.
    pub settings: Settings,
}

/// Where we are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Such as `prod`. Where it is `local`, nothing links to the AWS console.
    pub environment: String,
    /// The bucket of the status page.
    pub site_bucket: String,
    /// Where people read the status page.
    pub status_page_url: Option<StatusPageUrl>,
}

/// How one night ended, in the words of the definition.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    #[serde(flatten)]
    outcome: Outcome,
    run_date: RunDate,
    run_id: String,
    execution_arn: String,
    started_at: Timestamp,
    summary_uri: Option<ObjectUri>,
    quality: Option<Quality>,
    verdict: Option<Verdict>,
    published_rows: Option<u64>,
}

/// Messages of the queue that a notice waits in when it could not be told at once.
#[derive(Debug, Deserialize)]
struct Queued {
    #[serde(rename = "Records")]
    records: Vec<QueuedNotice>,
}

#[derive(Debug, Deserialize)]
struct QueuedNotice {
    body: String,
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Where the night's page is.
    pub status_page: String,
    /// Whether the news stands in Slack.
    pub slack: Slack,
}

/// Whether the news stands in Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Slack {
    /// It does.
    Posted,
    /// There is no channel.
    NotConfigured,
}

/// One notice's answer, or one for each that was queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// The event was a notice.
    One(Told),
    /// The event came from the queue.
    Queued(Vec<Told>),
}

/// Why the stakeholders are not told, or not all.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The event is no notice.
    #[error("the event is no notice of a night")]
    Unreadable(#[source] serde_json::Error),
    /// The notice lacks what its outcome promises.
    #[error("the notice of a published night lacks {0}")]
    Incomplete(&'static str),
    /// The figures are not where the notice says.
    #[error("there is no summary at {0}")]
    NoSummary(ObjectUri),
    /// What lies there is no summary.
    #[error("{uri} is no summary of a staged build")]
    InvalidSummary {
        /// Where.
        uri: ObjectUri,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The page could not be made or stored.
    #[error("the status page cannot be written")]
    StatusPage(#[source] PortError),
    /// The page stands, the news does not.
    #[error("the status page is written, but Slack does not have the news")]
    Slack(#[source] PostError),
}

impl Named for NotifyError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::Incomplete(_) | Self::NoSummary(_) | Self::InvalidSummary { .. } => "InvalidInput",
            Self::StatusPage(_) => "StatusPageUnavailable",
            Self::Slack(error) => error.name(),
        }
    }
}

/// Tells everyone about one night, or about those that were queued.
///
/// The same event twice is harmless: the page is written again and says the same, and what is recorded as posted is not posted again.
/// Slack has the news twice only when its answer to the first post was lost, or the record of it could not be written.
pub async fn handle<Store, Past, Room, Now>(ports: &Ports<Store, Past, Room, Now>, event: Value) -> Result<Reply, NotifyError>
where
    Store: Objects,
    Past: Histories,
    Room: Channel,
    Now: Clock,
{
    if event.get("Records").is_none() {
        let notice = serde_json::from_value(event).map_err(NotifyError::Unreadable)?;
        return Ok(Reply::One(ports.tell(notice).await?));
    }
    let queued: Queued = serde_json::from_value(event).map_err(NotifyError::Unreadable)?;
    let mut told = Vec::with_capacity(queued.records.len());
    for record in queued.records {
        let notice = serde_json::from_str(&record.body).map_err(NotifyError::Unreadable)?;
        told.push(ports.tell(notice).await?);
    }
    Ok(Reply::Queued(told))
}

impl<Store: Objects, Past: Histories, Room: Channel, Now: Clock> Ports<Store, Past, Room, Now> {
    async fn tell(&self, notice: Notice) -> Result<Told, NotifyError> {
        let site = Site::new(&self.objects, &self.settings);
        let run_date = notice.run_date;
        let stored = site.record(run_date).await.map_err(NotifyError::StatusPage)?;
        let mut night = self.look_up(notice).await?;
        if let Some(stored) = stored.as_ref().filter(|stored| stored.run_id == night.run_id && stored.is_posted()) {
            night.announced(stored.news.clone());
        } else if self.channel.is_none() {
            night.announced(News::NotConfigured);
        }

        // The page of a date is of its latest run: news that waited in the queue must not bring back an earlier one.
        let is_latest_run = stored.is_none_or(|stored| stored.started_at <= night.started_at);
        if is_latest_run {
            site.write(&night).await.map_err(NotifyError::StatusPage)?;
        }
        tracing::info!(run_date = %run_date, run_id = night.run_id, is_latest_run, "status page written");

        if let (Some(channel), News::Pending) = (&self.channel, &night.news) {
            let newest = site.newest_published(&night).await.map_err(NotifyError::StatusPage)?;
            channel.post(&announcement::message(&night, newest, &self.settings)).await.map_err(NotifyError::Slack)?;
            night.announced(News::Posted { at: self.clock.now() });
            tracing::info!(run_date = %run_date, run_id = night.run_id, "posted to Slack");
            if is_latest_run && let Err(error) = site.write(&night).await {
                // The news is out: failing here would only post it again.
                tracing::warn!(run_date = %run_date, error = %error, "the status page does not say that Slack has the news");
            }
        }
        let slack = if matches!(night.news, News::Posted { .. }) { Slack::Posted } else { Slack::NotConfigured };
        Ok(Told { status_page: site.address(run_date), slack })
    }

    /// Everything that is known about the night.
    async fn look_up(&self, notice: Notice) -> Result<NightRecord, NotifyError> {
        if notice.outcome == Outcome::Published {
            let incomplete = |what| Err(NotifyError::Incomplete(what));
            match &notice {
                Notice { summary_uri: None, .. } => return incomplete("summaryUri"),
                Notice { quality: None, .. } => return incomplete("quality"),
                Notice { verdict: None, .. } => return incomplete("verdict"),
                Notice { published_rows: None, .. } => return incomplete("publishedRows"),
                _ => {}
            }
        }
        let summary = match &notice.summary_uri {
            Some(uri) => Some(self.summary(uri).await?),
            None => None,
        };
        let history = self.histories.history(&notice.execution_arn).await.map_err(NotifyError::StatusPage)?;
        Ok(NightRecord::new(notice, summary, &history, &self.settings.environment, self.clock.now()))
    }

    async fn summary(&self, uri: &ObjectUri) -> Result<Summary, NotifyError> {
        let body = self.objects.read(uri).await.map_err(NotifyError::StatusPage)?;
        let body = body.ok_or_else(|| NotifyError::NoSummary(uri.clone()))?;
        serde_json::from_slice(&body).map_err(|source| NotifyError::InvalidSummary { uri: uri.clone(), source })
    }
}

/// Where people read the status page: the address of its folder, or of its `index.html`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPageUrl {
    index: String,
    folder: String,
}

/// Text that is no web address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https address, such as https://status.example.com")]
pub struct InvalidStatusPageUrl;

impl StatusPageUrl {
    fn folder(&self) -> &str {
        &self.folder
    }

    fn night(&self, run_date: RunDate) -> String {
        format!("{}/nights/{run_date}.html", self.folder)
    }
}

impl FromStr for StatusPageUrl {
    type Err = InvalidStatusPageUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_address = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        // In Slack's link syntax these end the address.
        let is_plain = !text.contains(|character: char| character.is_whitespace() || "<>|?#".contains(character));
        if !is_address || !is_plain {
            return Err(InvalidStatusPageUrl);
        }
        let folder = text.strip_suffix("index.html").unwrap_or(text).trim_end_matches('/');
        Ok(Self { index: text.to_owned(), folder: folder.to_owned() })
    }
}

impl Display for StatusPageUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.index)
    }
}

#[cfg(test)]
mod tests;
