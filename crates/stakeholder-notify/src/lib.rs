//! Tells the stakeholders how a night or a dataset's build ended: first on the status page, then in Slack and by mail, and of a night in
//! figures on the dashboard.
//!
//! What came to what it was to come to sends a notice itself. Of every other end an event tells, and what it was is read from the execution.

mod account;
mod announcement;
mod cause;
mod cost;
mod datasets;
mod ending;
mod feed;
mod figures;
mod graph;
mod grid;
mod layout;
mod letter;
mod links;
mod listing;
mod page;
mod past;
mod record;
mod site;
mod telling;
mod words;

use std::fmt::{self, Display};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Time;
use nightly_domain::approval::Verdict;
use nightly_domain::channel::{Channel, PostError};
use nightly_domain::evidence::{Quality, Summary};
use nightly_domain::history::Histories;
use nightly_domain::nights::{Nights, NoticeId, Notices};
use nightly_domain::ports::{Clock, MailingList, Objects, PortError};
use nightly_domain::{DatasetName, Flag, Named, ObjectUri, Outcome, RunDate};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ending::StatusChange;
use crate::record::{MailNews, News, NightRecord, Record, Recovered, SlackNews};
use crate::site::Site;

pub use crate::cost::FUNCTION_MEGABYTES;
pub use crate::links::{RUNBOOK, RunbookUrl};

/// What this function needs from the world. Without a channel and a mailing list, the status page is all the news there is.
#[derive(Debug)]
pub struct Ports<Store, Past, Registry, Room, List, Lists, Output, Now> {
    /// The staged build's summary, and the status page.
    pub objects: Store,
    /// What happened in the execution.
    pub histories: Past,
    /// The run registry, and what was told already.
    pub registry: Registry,
    /// Where the stakeholders read.
    pub channel: Option<Room>,
    /// The stakeholders who are mailed.
    pub mailing_list: Option<List>,
    /// Those who are mailed about a dataset, by the ARN of its topic.
    pub list_of_topic: Lists,
    /// Takes one line of metrics, as JSON.
    pub metrics: Output,
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
    /// The stack that the figures are of.
    pub stack: String,
    /// The bucket of the status page.
    pub site_bucket: String,
    /// Where people read the status page.
    pub status_page_url: Option<StatusPageUrl>,
    /// Where people read the runbook.
    pub runbook_url: Option<RunbookUrl>,
    /// By when the warehouse is to hold a date: a time of the day after it, UTC.
    pub published_by: Time,
    /// What Glue takes for a DPU-hour, in US dollars.
    pub dpu_hour_price: Decimal,
}

/// What one night came to, in the words of the definition: it is published, or only built.
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
    #[serde(default)]
    flags: Vec<Flag>,
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
    /// Where the page of the night or of the dataset is; nothing where it has none, for want of a date.
    pub status_page: Option<String>,
    /// Whether the news stands in Slack.
    pub slack: Slack,
    /// Whether the mail is sent.
    pub mail: Mailed,
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

/// Whether the mail is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mailed {
    /// It is.
    Sent,
    /// There is nobody to mail.
    NotConfigured,
}

/// Why there was nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Silence {
    /// The execution has gone on since: what the event says is no longer so.
    GoneOn,
    /// The event is about no bad end.
    NoBadEnd,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// It was told.
    Told(Told),
    /// There was nothing to tell.
    Silent {
        /// Why.
        silent: Silence,
    },
}

/// One event's answer, or one for each that was queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// The event came by itself.
    One(Answer),
    /// The event came from the queue.
    Queued(Vec<Answer>),
}

/// Why the stakeholders are not told, or not all.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The event is no notice.
    #[error("the event is no notice of a night or of a dataset's build, and no change of an execution's status")]
    Unreadable(#[source] serde_json::Error),
    /// A notice of an end that the definition does not tell of itself.
    #[error("a notice is of a night that is published or only built; of one that ended as {0} its event tells")]
    NotAsIntended(&'static str),
    /// The notice lacks what its outcome promises.
    #[error("the notice of a night lacks {0}")]
    Incomplete(&'static str),
    /// The notice of a build names an execution of something else.
    #[error("the notice is of the dataset {dataset}, and {execution_arn} is no execution of its state machine")]
    NotOfDataset {
        /// The dataset that the notice is of.
        dataset: DatasetName,
        /// The execution that it names.
        execution_arn: String,
    },
    /// The figures are not where the notice says.
    #[error("there is no summary at {0}")]
    NoSummary(ObjectUri),
    /// What lies there is no summary.
    #[error("{uri} does not hold the figures of a build")]
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
    #[error("Slack does not have the news")]
    Slack(#[source] PostError),
    /// The mail is not sent.
    #[error("the mail to the stakeholders is not sent")]
    Mail(#[source] PortError),
    /// Another delivery of the same event is telling, or has crashed over it.
    #[error("another delivery of this notice is at it ({0}), or has crashed over it less than 90 seconds ago")]
    UnderWay(&'static str),
    /// The execution, the registry or the record of what was told can't be reached.
    #[error("what happened in the execution cannot be looked up or noted")]
    Storage(#[source] PortError),
}

impl Named for NotifyError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(_)
            | Self::NotAsIntended(_)
            | Self::Incomplete(_)
            | Self::NotOfDataset { .. }
            | Self::NoSummary(_)
            | Self::InvalidSummary { .. } => "InvalidInput",
            Self::StatusPage(_) => "StatusPageUnavailable",
            Self::Slack(error) => error.name(),
            Self::Mail(_) => "MailUnavailable",
            Self::UnderWay(_) => "NoticeUnderWay",
            Self::Storage(_) => "StorageUnavailable",
        }
    }
}

/// Tells everyone about one night, or about those that were queued.
///
/// The same event twice is harmless: the page is written again and says the same, and each medium is told once. Slack and mail are each
/// tried whatever becomes of the other; the function fails when one of them is still to be told, so that it is called again. Somebody is
/// told twice only when an answer was lost, or the function crashed between telling and noting it.
pub async fn handle<Store, Past, Registry, Room, List, Lists, Output, Now>(
    ports: &Ports<Store, Past, Registry, Room, List, Lists, Output, Now>,
    event: Value,
) -> Result<Reply, NotifyError>
where
    Store: Objects,
    Past: Histories,
    Registry: Nights + Notices,
    Room: Channel,
    List: MailingList,
    Lists: Fn(&str) -> List,
    Output: Fn(&Value),
    Now: Clock,
{
    if event.get("Records").is_none() {
        return Ok(Reply::One(ports.take(event).await?));
    }
    let queued: Queued = serde_json::from_value(event).map_err(NotifyError::Unreadable)?;
    let mut answers = Vec::with_capacity(queued.records.len());
    for record in queued.records {
        let event = serde_json::from_str(&record.body).map_err(NotifyError::Unreadable)?;
        answers.push(ports.take(event).await?);
    }
    Ok(Reply::Queued(answers))
}

impl<Store, Past, Registry, Room, List, Lists, Output, Now> Ports<Store, Past, Registry, Room, List, Lists, Output, Now>
where
    Store: Objects,
    Past: Histories,
    Registry: Nights + Notices,
    Room: Channel,
    List: MailingList,
    Lists: Fn(&str) -> List,
    Output: Fn(&Value),
    Now: Clock,
{
    async fn take(&self, event: Value) -> Result<Answer, NotifyError> {
        if event.get("detail-type").is_some() {
            let change: StatusChange = serde_json::from_value(event).map_err(NotifyError::Unreadable)?;
            return Box::pin(self.hear(change)).await;
        }
        if event.get("dataset").is_some() {
            let notice = serde_json::from_value(event).map_err(NotifyError::Unreadable)?;
            return Box::pin(self.tell_of_build(notice)).await.map(Answer::Told);
        }
        let notice = serde_json::from_value(event).map_err(NotifyError::Unreadable)?;
        Box::pin(self.tell(notice)).await.map(Answer::Told)
    }

    async fn tell(&self, notice: Notice) -> Result<Told, NotifyError> {
        let site = self.site();
        let run_date = notice.run_date;
        let stored = site.night(run_date).await.map_err(NotifyError::StatusPage)?;
        let mut night = self.look_up(notice).await?;
        night.recovered_from = stored.as_ref().and_then(|stored| recovered(stored, &night));
        let audience = self.stakeholders(&night.flags);
        let before = stored.as_ref().filter(|stored| stored.run_id == night.run_id && stored.outcome == night.outcome);
        night.announced(audience.news_before(before.map(|stored| &stored.news)));
        if night.outcome == Outcome::Built {
            night.published_before = stored.as_ref().filter(|stored| stored.run_id != night.run_id).and_then(ending::published_before);
        }

        // The page of a date is of its latest run: news that waited in the queue must not bring back an earlier one. But what is published
        // is what the warehouse holds, whichever other run has failed since.
        let has_last_word = |stored: &NightRecord| night.outcome == Outcome::Published && stored.outcome != Outcome::Published;
        let is_latest_run = stored.as_ref().is_none_or(|stored| stored.started_at <= night.started_at || has_last_word(stored));
        if is_latest_run {
            site.write_night(&night).await.map_err(NotifyError::StatusPage)?;
        }
        tracing::info!(run_date = %run_date, run_id = night.run_id, step = "notify-stakeholders", is_latest_run, "status page written");

        let newest = site.newest_published(&night).await.unwrap_or_default();
        let post = announcement::message(&night, newest, &self.settings);
        let letter = letter::of(&night, &self.settings);
        let notice = NoticeId::outcome(&night.execution_arn, &night.outcome);
        let (news, mut untold) = self.spread(&notice, &post, &letter, &audience).await;
        self.note_news(&mut night, news, is_latest_run).await;
        untold.extend(self.put_on_record(&notice, &figures::lines(&night, &self.settings)).await.err());
        telling::first(untold)?;
        Ok(told(Some(site.address(run_date)), &night.news))
    }

    /// Writes down who has been told, where that is new.
    async fn note_news<Kept: Record>(&self, record: &mut Kept, news: News, page_is_this_runs: bool) {
        if *record.news() == news {
            return;
        }
        record.announced(news);
        if page_is_this_runs && let Err(error) = record.write(&self.site()).await {
            // The news is out: failing here would only tell it again.
            tracing::warn!(run_id = record.run_id(), error = %error, "the status page does not say who was told");
        }
    }

    fn site(&self) -> Site<'_, Store> {
        Site::new(&self.objects, &self.settings)
    }

    /// Everything that is known about the night.
    async fn look_up(&self, notice: Notice) -> Result<NightRecord, NotifyError> {
        let incomplete = |what| Err(NotifyError::Incomplete(what));
        match &notice {
            Notice { outcome, .. } if !outcome.is_as_intended() => return Err(NotifyError::NotAsIntended(outcome.name())),
            Notice { summary_uri: None, .. } => return incomplete("summaryUri"),
            Notice { quality: None, .. } => return incomplete("quality"),
            Notice { outcome: Outcome::Published, verdict: None, .. } => return incomplete("verdict"),
            Notice { outcome: Outcome::Published, published_rows: None, .. } => return incomplete("publishedRows"),
            _ => {}
        }
        let summary = match &notice.summary_uri {
            Some(uri) => Some(self.summary(uri).await?),
            None => None,
        };
        let recorded = self.histories.recorded(&notice.execution_arn).await.map_err(NotifyError::StatusPage)?;
        Ok(NightRecord::new(notice, summary, recorded, &self.settings, self.clock.now()))
    }

    async fn summary(&self, uri: &ObjectUri) -> Result<Summary, NotifyError> {
        self.figures(uri).await?.ok_or_else(|| NotifyError::NoSummary(uri.clone()))
    }

    /// What a job says of what it has built; nothing where it has left nothing there.
    async fn figures<Figures: DeserializeOwned>(&self, uri: &ObjectUri) -> Result<Option<Figures>, NotifyError> {
        let body = self.objects.read(uri).await.map_err(NotifyError::StatusPage)?;
        let read = |body: Vec<u8>| serde_json::from_slice(&body).map_err(|source| NotifyError::InvalidSummary { uri: uri.clone(), source });
        body.map(read).transpose()
    }
}

/// What people were told of a date before it was published: by this execution or by an earlier one.
fn recovered(stored: &NightRecord, night: &NightRecord) -> Option<Recovered> {
    if night.outcome != Outcome::Published {
        return None;
    }
    if stored.outcome == Outcome::Published {
        return stored.recovered_from.clone().filter(|_| stored.run_id == night.run_id);
    }
    Recovered::of(&stored.outcome, &stored.news)
}

fn told(status_page: Option<String>, news: &News) -> Told {
    Told {
        status_page,
        slack: if matches!(news.slack, SlackNews::Posted { .. }) { Slack::Posted } else { Slack::NotConfigured },
        mail: if matches!(news.mail, MailNews::Sent { .. }) { Mailed::Sent } else { Mailed::NotConfigured },
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

    fn dataset(&self, name: &DatasetName) -> String {
        format!("{}/datasets/{name}.html", self.folder)
    }
}

impl FromStr for StatusPageUrl {
    type Err = InvalidStatusPageUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_web_address(text) {
            return Err(InvalidStatusPageUrl);
        }
        let folder = text.strip_suffix("index.html").unwrap_or(text).trim_end_matches('/');
        Ok(Self { index: text.to_owned(), folder: folder.to_owned() })
    }
}

fn is_web_address(text: &str) -> bool {
    let is_address = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    // In Slack's link syntax these end the address.
    is_address && !text.contains(|character: char| character.is_whitespace() || "<>|?#".contains(character))
}

impl Display for StatusPageUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.index)
    }
}

#[cfg(test)]
mod tests;
