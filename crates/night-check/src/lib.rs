//! Looks, every quarter of an hour, whether the night is where it should be by now.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use nightly_domain::history::{EventKind, Histories, HistoryEvent};
use nightly_domain::metrics::{self, Metric};
use nightly_domain::people::Panel;
use nightly_domain::ports::{Clock, PortError, Subscriptions};
use nightly_domain::registry::{Registered, Registry};
use nightly_domain::{Named, RunDate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the function works with.
#[derive(Debug)]
pub struct Ports<Nights, Past, Topic, Output, Now> {
    /// Who has claimed which run date.
    pub registry: Nights,
    /// What happened in an execution.
    pub histories: Past,
    /// Who gets the approvers' mails.
    pub subscriptions: Topic,
    /// Takes one line of metrics, as JSON.
    pub metrics: Output,
    /// The time.
    pub clock: Now,
    /// Where we are, and what is expected.
    pub settings: Settings,
}

/// Where we are, and what is expected.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stack that the figures are of.
    pub stack: String,
    /// By when a night is to be how far.
    pub deadlines: Deadlines,
    /// The approvers, and how many must approve.
    pub panel: Panel,
}

/// By when a night is to be how far: times of the day after its run date, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// It has claimed its run date.
    pub started: Time,
    /// It has asked the approvers.
    pub asked: Time,
    /// The warehouse holds its run date.
    pub published: Time,
}

/// The event says nothing but that it is time to look.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Request {}

/// How the night stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The run date that is due today.
    pub run_date: RunDate,
    /// What is over its deadline.
    pub late: Vec<Milestone>,
    /// A question is open, and too few of those who could answer it get mail.
    pub nobody_to_answer: bool,
}

/// How far a night is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Milestone {
    /// It has claimed its run date.
    Started,
    /// It has asked the approvers.
    Asked,
    /// The warehouse holds its run date.
    Published,
}

impl Report {
    /// Each 0 or 1.
    fn metrics(&self) -> [Metric; 4] {
        let late = |name, milestone| Metric::count(name, usize::from(self.late.contains(&milestone)));
        [
            late("LateStarts", Milestone::Started),
            late("LateQuestions", Milestone::Asked),
            late("LatePublications", Milestone::Published),
            Metric::count("UnreachableQuestions", usize::from(self.nobody_to_answer)),
        ]
    }
}

/// How the night stands is not known.
#[derive(Debug, thiserror::Error)]
#[error("how the night of {run_date} stands is not known")]
pub struct Unknown {
    run_date: RunDate,
    #[source]
    source: PortError,
}

impl Named for Unknown {
    fn name(&self) -> &'static str {
        "StorageUnavailable"
    }
}

/// Looks once. What is late is no failure of this function: the metrics say it, and an alarm tells people.
pub async fn handle(
    ports: &Ports<impl Registry, impl Histories, impl Subscriptions, impl Fn(&Value), impl Clock>,
    _request: Request,
) -> Result<Report, Unknown> {
    let now = ports.clock.now();
    let today = TimeZone::UTC.to_datetime(now).date();
    let run_date = due(today);
    let report = ports.look(run_date, today, now).await.map_err(|source| Unknown { run_date, source })?;
    let mut figures = metrics::line(&ports.settings.stack, now, &[], &report.metrics());
    figures["RunDate"] = run_date.to_string().into();
    (ports.metrics)(&figures);
    Ok(report)
}

/// The run date whose night belongs to this day. From midnight on it is the next one.
fn due(today: Date) -> RunDate {
    today.saturating_sub(1.day()).into()
}

impl<Nights: Registry, Past: Histories, Topic: Subscriptions, Output, Now> Ports<Nights, Past, Topic, Output, Now> {
    async fn look(&self, run_date: RunDate, today: Date, now: Timestamp) -> Result<Report, PortError> {
        let night = self.registry.night(run_date).await?;
        let question = match &night {
            // Who builds a published date anew asks again.
            Some(night) if !night.owner_published() => Question::of(&self.histories.history(&night.owner).await?),
            _ => Question::default(),
        };
        let late = self.late(night.as_ref(), question, today, now);
        let nobody_to_answer = question.open && !self.can_be_answered().await?;
        let (owner, status) = night.as_ref().map_or(("nobody", "UNCLAIMED"), |night| (&night.owner, &night.status));
        tracing::info!(%run_date, owner, status, asked = question.asked, ?late, nobody_to_answer, "looked at the night");
        Ok(Report { run_date, late, nobody_to_answer })
    }

    fn late(&self, night: Option<&Registered>, question: Question, today: Date, now: Timestamp) -> Vec<Milestone> {
        let deadlines = self.settings.deadlines;
        let published = night.is_some_and(Registered::is_published);
        let milestones = [
            (Milestone::Started, deadlines.started, night.is_some()),
            (Milestone::Asked, deadlines.asked, published || question.asked),
            (Milestone::Published, deadlines.published, published),
        ];
        let is_over = |deadline: Time| TimeZone::UTC.to_timestamp(today.to_datetime(deadline)).is_ok_and(|deadline| now >= deadline);
        milestones.into_iter().filter(|(_, deadline, reached)| !reached && is_over(*deadline)).map(|(milestone, ..)| milestone).collect()
    }

    /// Whether as many approvers get mail as must approve.
    async fn can_be_answered(&self) -> Result<bool, PortError> {
        let confirmed = self.subscriptions.confirmed().await?;
        let panel = &self.settings.panel;
        Ok(panel.is_enough(panel.addresses().iter().filter(|approver| approver.is_among(&confirmed)).count()))
    }
}

/// The state of the definition that waits for people.
pub const QUESTION: &str = "ManualApproval";

/// What an execution's history says of its question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Question {
    /// It was put.
    asked: bool,
    /// It waits for an answer.
    open: bool,
}

impl Question {
    fn of(history: &[HistoryEvent]) -> Self {
        let (mut asked, mut inside, mut ended) = (false, false, false);
        for event in history {
            match &event.kind {
                EventKind::Entered { state } if state == QUESTION => (asked, inside) = (true, true),
                EventKind::Exited { state } if state == QUESTION => inside = false,
                EventKind::Ended(_) => ended = true,
                EventKind::Redriven => ended = false,
                _ => {}
            }
        }
        Self { asked, open: inside && !ended }
    }
}

#[cfg(test)]
mod tests;
