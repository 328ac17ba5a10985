//! A night or a dataset's build that did not end well: the event that says so, and what is found out about it.

use jiff::Timestamp;
use nightly_domain::channel::Channel;
use nightly_domain::evidence::Summary;
use nightly_domain::execution::{Ending, Execution, place_of_failure};
use nightly_domain::history::{Histories, Recorded};
use nightly_domain::measured::Measured;
use nightly_domain::night::steps;
use nightly_domain::nights::{EndedNight, Nights, NoticeId, Notices, Standing};
use nightly_domain::ports::{Clock, MailingList, Objects};
use nightly_domain::{Dataset, Outcome, Plan, RunDate};
use serde::Deserialize;
use serde_json::Value;

use crate::account::{Account, Holds, Subject, Trouble};
use crate::record::{News, NightRecord, Record};
use crate::telling::Audience;
use crate::{Answer, NotifyError, Ports, Silence, announcement, figures, letter, telling, told};

/// EventBridge's `Step Functions Execution Status Change`, as far as it says which ending of which execution it is about. What it was is
/// read from the execution, for the event may be old when it is delivered.
#[derive(Debug, Deserialize)]
pub(crate) struct StatusChange {
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    status: String,
    #[serde(default)]
    redrive_count: Option<u32>,
}

/// What was found out.
pub(crate) struct Found {
    pub(crate) execution: Execution,
    pub(crate) ended_at: Timestamp,
    pub(crate) outcome: Outcome,
    pub(crate) trouble: Trouble,
    pub(crate) recorded: Recorded,
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
    pub(crate) async fn hear(&self, StatusChange { detail }: StatusChange) -> Result<Answer, NotifyError> {
        if !matches!(detail.status.as_str(), "FAILED" | "TIMED_OUT" | "ABORTED") {
            return Ok(Answer::Silent { silent: Silence::NoBadEnd });
        }
        let execution = self.histories.describe(&detail.execution_arn).await.map_err(NotifyError::Storage)?;
        let redrives = detail.redrive_count.unwrap_or(0);
        let Some(found) = self.find_out(execution, redrives).await? else {
            tracing::info!(execution = detail.execution_arn, status = detail.status, redrives, "the execution has gone on since");
            return Ok(Answer::Silent { silent: Silence::GoneOn });
        };
        let run_id = found.execution.run_id();
        tracing::info!(run_id, outcome = found.outcome.name(), step = found.trouble.state, redrives, "an execution did not end well");
        if let Some(dataset) = Dataset::of_execution(&found.execution.arn) {
            return Box::pin(self.tell_of_bad_build(dataset, found)).await.map(Answer::Told);
        }
        match found.execution.run_date() {
            Some(run_date) => self.tell_of_night(run_date, found).await,
            None => self.tell_of_no_night(&found).await,
        }
    }

    /// What this ending of the execution was; nothing where the execution has gone on since.
    async fn find_out(&self, execution: Execution, redrives: u32) -> Result<Option<Found>, NotifyError> {
        let Some(Ending { end, at: ended_at, .. }) = execution.ending.clone().filter(|_| execution.redrives == redrives) else {
            return Ok(None);
        };
        let recorded = self.histories.recorded(&execution.arn).await.map_err(NotifyError::Storage)?;
        let place = place_of_failure(&recorded.events);
        let outcome = Outcome::of_bad_ending(&end, place.as_ref());
        Ok(outcome.and_then(|outcome| {
            let trouble = Trouble::of(&execution, &outcome, place.as_ref())?;
            Some(Found { execution, ended_at, outcome, trouble, recorded })
        }))
    }

    async fn tell_of_night(&self, run_date: RunDate, found: Found) -> Result<Answer, NotifyError> {
        let Found { execution, ended_at, outcome, trouble, recorded } = found;
        let site = self.site();
        let mut troubles = Vec::new();
        let ended = EndedNight { run_date, owner: execution.arn.clone(), outcome: outcome.clone(), ended_at, error: trouble.error.clone() };
        let standing = self.registry.end(&ended).await.map_err(|error| troubles.push(NotifyError::Storage(error))).ok();
        let stored = site.night(run_date).await.map_err(|error| troubles.push(NotifyError::StatusPage(error))).unwrap_or_default();

        let mut night = NightRecord::ended(run_date, &execution, outcome, trouble, recorded, &self.settings, self.clock.now());
        night.summary = self.built(&night.measured).await;
        if let Some(Standing::Published { at }) = standing {
            night.published_at = at.or(Some(ended_at));
        }
        night.published_before = stored.as_ref().filter(|stored| stored.run_id != night.run_id).and_then(published_before);
        let same_ending = |stored: &&NightRecord| {
            stored.run_id == night.run_id && stored.trouble.as_ref().map(|trouble| trouble.redrives) == Some(execution.redrives)
        };
        let audience = self.stakeholders(&night.flags);
        night.announced(audience.news_before(stored.as_ref().filter(same_ending).map(|stored| &stored.news)));

        let page_is_this_nights = match standing {
            Some(Standing::AnothersNight) => false,
            // What is published is the last word on the page, whatever ended after it.
            Some(Standing::Published { .. }) => stored.as_ref().is_none_or(|stored| stored.outcome != Outcome::Published),
            Some(Standing::Ended) => true,
            // Nobody holds the date: the latest run has its page, and one that has ended before it began to build takes it from none.
            Some(Standing::Unclaimed) | None => stored.as_ref().is_none_or(|stored| {
                stored.run_id == night.run_id || stored.outcome != Outcome::Published && stored.started_at <= night.started_at
            }),
        };
        if page_is_this_nights && let Err(error) = site.write_night(&night).await {
            troubles.push(NotifyError::StatusPage(error));
        }
        let newest = site.newest_published(&night).await.unwrap_or_default();
        let holds = match (night.published_at, night.published_before) {
            (Some(at), _) => Holds::Published(Some(at)),
            _ if night.touched_the_warehouse() => Holds::Perhaps,
            (None, Some(at)) => Holds::Earlier(at),
            (None, None) => Holds::Nothing(newest),
        };
        let account = Account {
            settings: &self.settings,
            subject: Subject::Night,
            run_date: Some(run_date),
            outcome: &night.outcome,
            execution: &execution,
            ended_at,
            trouble: night.trouble.as_ref().expect("it was just put there"),
            answer: night.answer.as_ref(),
            steps: &night.steps,
            holds,
        };
        let (notice, news, untold) = self.tell_ending(&account, &audience).await;
        troubles.extend(untold);
        self.note_news(&mut night, news, page_is_this_nights).await;
        troubles.extend(self.put_on_record(&notice, &figures::lines(&night, &self.settings)).await.err());
        telling::first(troubles)?;
        let page = page_is_this_nights.then(|| site.address(run_date));
        Ok(Answer::Told(told(page, &night.news)))
    }

    /// The figures of what it had built before its end; nothing where they can't be read, for the news does not wait for them.
    async fn built(&self, measured: &Measured) -> Option<Summary> {
        let uri = measured.staged_uri.as_ref()?.join("_summary.json");
        let unread = |error: &NotifyError| tracing::warn!(%uri, error = %error, "the night's page lacks the figures of its build");
        self.figures(&uri).await.inspect_err(unread).ok().flatten()
    }

    /// Tells this ending of its execution by every medium.
    pub(crate) async fn tell_ending(
        &self,
        account: &Account<'_>,
        audience: &Audience<'_, Room, List>,
    ) -> (NoticeId, News, Vec<NotifyError>) {
        let notice = NoticeId::ending(&account.execution.arn, account.execution.redrives);
        let (news, untold) = self.spread(&notice, &announcement::ended(account), &letter::ended(account), audience).await;
        (notice, news, untold)
    }

    /// A night whose input names no date has no page and no row, and is told all the same.
    async fn tell_of_no_night(&self, found: &Found) -> Result<Answer, NotifyError> {
        let steps = steps(Plan::of_the_night(), &found.recorded.events);
        let account = Account {
            settings: &self.settings,
            subject: Subject::Night,
            run_date: None,
            outcome: &found.outcome,
            execution: &found.execution,
            ended_at: found.ended_at,
            trouble: &found.trouble,
            answer: None,
            steps: &steps,
            holds: Holds::Nothing(None),
        };
        let (notice, news, mut untold) = self.tell_ending(&account, &self.stakeholders(&found.execution.flags())).await;
        let figure = figures::ending(&self.settings.stack, found.ended_at, &found.outcome);
        untold.extend(self.put_on_record(&notice, &[figure]).await.err());
        telling::first(untold)?;
        Ok(Answer::Told(told(None, &news)))
    }
}

/// When the date was published before, by what its page has said so far.
pub(crate) fn published_before(stored: &NightRecord) -> Option<Timestamp> {
    if stored.outcome == Outcome::Published { Some(stored.ended_at) } else { stored.published_at.or(stored.published_before) }
}
