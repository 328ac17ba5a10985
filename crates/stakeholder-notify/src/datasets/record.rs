//! What is known about the build of a process date: `datasets/<name>/<process date>.json`.

use jiff::{SignedDuration, Timestamp};
use nightly_domain::evidence::Quality;
use nightly_domain::history::Recorded;
use nightly_domain::night::redrives;
use nightly_domain::ports::{Objects, PortError};
use nightly_domain::{DatasetName, Outcome, RunDate};
use nightly_pages::written;
use serde::{Deserialize, Serialize};

use crate::account::{Holds, Subject, Trouble};
use crate::datasets::{BuiltNotice, last_entered};
use crate::ending::Found;
use crate::record::{MailNews, News, Record, Recovered, SlackNews, is_zero};
use crate::site::Site;
use crate::{Settings, links, words};

/// One build, as stored. Times are RFC 3339 UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BuildRecord {
    pub(crate) dataset: DatasetName,
    pub(crate) process_date: RunDate,
    pub(crate) run_id: String,
    pub(crate) environment: String,
    pub(crate) execution_arn: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) started_at: Timestamp,
    /// When the outcome stood: for a build that is done, when the table held it.
    pub(crate) ended_at: Timestamp,
    /// Who began it; empty where nobody is named.
    pub(crate) started_by: String,
    /// What was built, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) built: Option<Built>,
    pub(crate) quality: Option<Quality>,
    /// How often the build was told to go on after it had failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
    pub(crate) news: News,
    pub(crate) written_at: Timestamp,
    /// What is known of an end that was no good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<Trouble>,
    /// What the table holds of the date after an end that was no good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<Holds>,
    /// What people were told before the date was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovered_from: Option<Recovered>,
}

/// What a build has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    /// `<database>.<table>`.
    pub(crate) table: String,
    /// In all partitions that were built anew.
    pub(crate) rows: u64,
    pub(crate) partitions: Vec<Partition>,
    /// What the delivery held, where that is known.
    pub(crate) counts: Option<Counts>,
}

/// A partition that was built anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partition {
    pub(crate) partition: String,
    pub(crate) rows: u64,
}

/// The rows of a delivery, as `ingest-raw` counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) files: u64,
    pub(crate) rows: u64,
    /// Set aside.
    pub(crate) malformed: u64,
    /// Of a day before the process date.
    pub(crate) late: u64,
    /// Of a key that has a newer row.
    pub(crate) duplicates: u64,
    /// What remains.
    pub(crate) kept: u64,
}

impl BuildRecord {
    pub(crate) fn built(notice: BuiltNotice, counts: Option<Counts>, recorded: &Recorded, settings: &Settings, now: Timestamp) -> Self {
        Self {
            dataset: notice.dataset,
            process_date: notice.process_date,
            run_id: notice.run_id,
            environment: settings.environment.clone(),
            execution_arn: notice.execution_arn,
            outcome: Outcome::Built,
            started_at: notice.started_at,
            ended_at: last_entered(&recorded.events, "TellBuilt").unwrap_or(now),
            started_by: notice.started_by,
            built: Some(Built { table: notice.table, rows: notice.rows, partitions: notice.partitions, counts }),
            quality: notice.quality,
            redrives: redrives(&recorded.events),
            news: NOT_YET,
            written_at: now,
            trouble: None,
            table: None,
            recovered_from: None,
        }
    }

    /// Of an execution that did not end well.
    pub(crate) fn ended(dataset: &DatasetName, process_date: RunDate, found: &Found, settings: &Settings, now: Timestamp) -> Self {
        let Found { execution, ended_at, outcome, trouble, recorded } = found;
        Self {
            dataset: dataset.clone(),
            process_date,
            run_id: execution.run_id().to_owned(),
            environment: settings.environment.clone(),
            execution_arn: execution.arn.clone(),
            outcome: outcome.clone(),
            started_at: execution.started_at,
            ended_at: *ended_at,
            started_by: execution.started_by(),
            built: None,
            quality: recorded.measured.quality.clone(),
            redrives: execution.redrives,
            news: NOT_YET,
            written_at: now,
            trouble: Some(trouble.clone()),
            table: None,
            recovered_from: None,
        }
    }

    /// When the table got what it holds of the date.
    pub(crate) fn built_at(&self) -> Option<Timestamp> {
        match (&self.outcome, self.table) {
            (Outcome::Built, _) => Some(self.ended_at),
            (_, Some(Holds::Earlier(at) | Holds::Published(Some(at)))) => Some(at),
            _ => None,
        }
    }

    pub(crate) fn took(&self) -> SignedDuration {
        self.ended_at.duration_since(self.started_at)
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject::Dataset(&self.dataset)
    }

    /// `orders of Friday 20 November 2026`.
    pub(crate) fn what(&self) -> String {
        format!("{} of {}", self.dataset, written::weekday_date(self.process_date.date()))
    }

    /// The step that it failed in, as people call it.
    pub(crate) fn step(&self) -> Option<String> {
        let state = self.trouble.as_ref()?.state.as_deref()?;
        Some(self.subject().plan().of_state(state).map_or_else(|| state.to_owned(), |step| step.title.clone()))
    }

    /// The error as it is written for people.
    pub(crate) fn error(&self) -> Option<&str> {
        self.subject().error_name(&self.outcome, self.trouble.as_ref()?)
    }

    /// That a date which was told as failed is built after all.
    pub(crate) fn recovered(&self) -> Option<String> {
        self.recovered_from.as_ref().map(words::recovered)
    }

    /// The execution's page in the AWS console, where there is one.
    pub(crate) fn log_url(&self) -> Option<String> {
        links::execution(&self.environment, &self.execution_arn)
    }

    /// The page about its end, where the runbook can be read.
    pub(crate) fn runbook_url(&self, settings: &Settings) -> Option<String> {
        let name = self.subject().runbook_name(&self.outcome, self.trouble.as_ref()?);
        Some(settings.runbook_url.as_ref()?.page(name))
    }
}

const NOT_YET: News = News { slack: SlackNews::Pending, mail: MailNews::Pending };

impl Record for BuildRecord {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn news(&self) -> &News {
        &self.news
    }

    fn announced(&mut self, news: News) {
        self.written_at = self.written_at.max(news.last_at().unwrap_or(self.written_at));
        self.news = news;
    }

    async fn write<Store: Objects>(&self, site: &Site<'_, Store>) -> Result<(), PortError> {
        site.write_build(self).await
    }
}
