//! What is told of a dataset's builds: each that is done, by its own notice, and each that did not end well, by an event.

pub(crate) mod listing;
pub(crate) mod overview;
pub(crate) mod page;
pub(crate) mod record;
pub(crate) mod words;

use jiff::Timestamp;
use nightly_domain::channel::Channel;
use nightly_domain::evidence::Quality;
use nightly_domain::history::{EventKind, Histories, HistoryEvent};
use nightly_domain::night::steps;
use nightly_domain::nights::{Nights, NoticeId, Notices};
use nightly_domain::ports::{Clock, MailingList, Objects};
use nightly_domain::{Dataset, DatasetName, ObjectUri, Outcome, RunDate};
use serde::Deserialize;
use serde_json::Value;

use crate::account::{Account, Holds, Subject};
use crate::datasets::record::{BuildRecord, Partition};
use crate::ending::Found;
use crate::record::{Record, Recovered};
use crate::{NotifyError, Ports, Told, announcement, letter, telling, told};

/// That a process date is built, in the words of the definition.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuiltNotice {
    #[serde(rename = "outcome")]
    _outcome: Done,
    dataset: DatasetName,
    process_date: RunDate,
    run_id: String,
    execution_arn: String,
    started_at: Timestamp,
    #[serde(default)]
    started_by: String,
    table: String,
    rows: u64,
    partitions: Vec<Partition>,
    quality: Option<Quality>,
    /// Where the job has counted what it has read.
    counts_uri: Option<ObjectUri>,
}

/// The only end of a build that the definition tells of itself.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Done {
    Built,
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
    pub(crate) async fn tell_of_build(&self, notice: BuiltNotice) -> Result<Told, NotifyError> {
        let dataset = Dataset::of_execution(&notice.execution_arn).filter(|dataset| dataset.name == notice.dataset);
        let Some(dataset) = dataset else {
            return Err(NotifyError::NotOfDataset { dataset: notice.dataset, execution_arn: notice.execution_arn });
        };
        let counts = match &notice.counts_uri {
            Some(uri) => self.figures(uri).await?,
            None => None,
        };
        let recorded = self.histories.recorded(&notice.execution_arn).await.map_err(NotifyError::StatusPage)?;
        let mut build = BuildRecord::built(notice, counts, &recorded, &self.settings, self.clock.now());
        let site = self.site();
        let stored = site.build(&build.dataset, build.process_date).await.map_err(NotifyError::StatusPage)?;
        let list = (self.list_of_topic)(&dataset.topic_arn);
        let audience = self.told_of_dataset(&list);
        let same = stored.as_ref().filter(|stored| stored.run_id == build.run_id && stored.outcome == Outcome::Built);
        build.announced(audience.news_before(same.map(|stored| &stored.news)));

        let is_latest_run = stored.as_ref().is_none_or(|stored| stored.started_at <= build.started_at);
        if is_latest_run {
            build.recovered_from = stored.as_ref().and_then(|stored| recovered(stored, &build));
            site.write_build(&build).await.map_err(NotifyError::StatusPage)?;
        } else if let Some(stored) = stored.filter(|stored| stored.built_at().is_none()) {
            // A later run has failed meanwhile. Its page says what the table holds.
            let stored = BuildRecord { table: Some(Holds::Earlier(build.ended_at)), ..stored };
            site.write_build(&stored).await.map_err(NotifyError::StatusPage)?;
        }
        tracing::info!(dataset = %build.dataset, process_date = %build.process_date, run_id = build.run_id, is_latest_run, "status page written");

        let notice = NoticeId::outcome(&build.execution_arn, &build.outcome);
        let (post, letter) = (announcement::built(&build, &self.settings), letter::built(&build, &self.settings));
        let (news, untold) = self.spread(&notice, &post, &letter, &audience).await;
        self.note_news(&mut build, news, is_latest_run).await;
        telling::first(untold)?;
        Ok(told(Some(site.address_of_dataset(&build.dataset)), &build.news))
    }

    pub(crate) async fn tell_of_bad_build(&self, dataset: Dataset, found: Found) -> Result<Told, NotifyError> {
        let list = (self.list_of_topic)(&dataset.topic_arn);
        let audience = self.told_of_dataset(&list);
        let steps = steps(Subject::Dataset(&dataset.name).plan(), &found.recorded.events);
        let mut account = Account {
            settings: &self.settings,
            subject: Subject::Dataset(&dataset.name),
            run_date: None,
            outcome: &found.outcome,
            execution: &found.execution,
            ended_at: found.ended_at,
            trouble: &found.trouble,
            answer: None,
            steps: &steps,
            holds: Holds::Nothing(None),
        };
        // A build whose input names no process date has no page, and is told all the same.
        let Some(process_date) = found.execution.process_date() else {
            let (_, news, untold) = self.tell_ending(&account, &audience).await;
            telling::first(untold)?;
            return Ok(told(None, &news));
        };

        let site = self.site();
        let mut troubles = Vec::new();
        let stored = site.build(&dataset.name, process_date).await.map_err(|error| troubles.push(NotifyError::StatusPage(error)));
        let stored = stored.unwrap_or_default();
        let mut build = BuildRecord::ended(&dataset.name, process_date, &found, &self.settings, self.clock.now());
        account.run_date = Some(process_date);
        account.holds = holds(&found, stored.as_ref().and_then(BuildRecord::built_at));
        build.table = Some(account.holds);
        let same_ending = |stored: &&BuildRecord| {
            stored.run_id == build.run_id && stored.trouble.as_ref().map(|trouble| trouble.redrives) == Some(found.trouble.redrives)
        };
        build.announced(audience.news_before(stored.as_ref().filter(same_ending).map(|stored| &stored.news)));
        let is_latest_run = stored.as_ref().is_none_or(|stored| {
            // What is built is built, however the execution has ended after that.
            let built_it = stored.run_id == build.run_id && stored.outcome == Outcome::Built;
            stored.started_at <= build.started_at && !built_it
        });
        if is_latest_run && let Err(error) = site.write_build(&build).await {
            troubles.push(NotifyError::StatusPage(error));
        }

        let (_, news, untold) = self.tell_ending(&account, &audience).await;
        troubles.extend(untold);
        self.note_news(&mut build, news, is_latest_run).await;
        telling::first(troubles)?;
        Ok(told(is_latest_run.then(|| site.address_of_dataset(&dataset.name)), &build.news))
    }
}

/// What people were told of the process date before it was built.
fn recovered(stored: &BuildRecord, build: &BuildRecord) -> Option<Recovered> {
    if stored.outcome == Outcome::Built {
        return stored.recovered_from.clone().filter(|_| stored.run_id == build.run_id);
    }
    Recovered::of(&stored.outcome, &stored.news)
}

/// What the table holds of the process date after an execution that did not end well.
fn holds(found: &Found, built_before: Option<Timestamp>) -> Holds {
    let entered = |state: &str| last_entered(&found.recorded.events, state);
    // The job that finds the date taken over has changed nothing.
    let has_changed =
        entered("BuildCurated").is_some() && !(found.trouble.error.as_deref() == Some("States.TaskFailed") && taken_over(found));
    match (entered("TellBuilt"), built_before) {
        (Some(at), _) => Holds::Published(Some(at)),
        (None, _) if has_changed => Holds::Perhaps,
        (None, Some(at)) => Holds::Earlier(at),
        (None, None) => Holds::Nothing(None),
    }
}

fn taken_over(found: &Found) -> bool {
    found.trouble.cause.as_deref().is_some_and(|cause| cause.starts_with("DateTakenOver:"))
}

/// When the state began, for the last time.
pub(crate) fn last_entered(events: &[HistoryEvent], state: &str) -> Option<Timestamp> {
    let enters = |event: &&HistoryEvent| matches!(&event.kind, EventKind::Entered { state: entered } if entered == state);
    events.iter().rev().find(enters).map(|event| event.at)
}
