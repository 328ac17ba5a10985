//! What is known about a night: `nights/<date>.json`, and what its page is made of.

use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::{Verdict, Waiver};
use nightly_domain::evidence::{Quality, Summary};
use nightly_domain::execution::Execution;
use nightly_domain::history::Recorded;
use nightly_domain::measured::Measured;
use nightly_domain::night::{Step, StepState, redrives, steps, transitions};
use nightly_domain::ports::{Objects, PortError};
use nightly_domain::{Flag, Outcome, Plan, RunDate};
use serde::{Deserialize, Serialize};

use crate::account::Trouble;
use crate::cost::Cost;
use crate::site::Site;
use crate::{Notice, Settings, cause, links};

/// One night, as stored. Times are RFC 3339 UTC, amounts decimal strings in the base currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NightRecord {
    pub(crate) run_date: RunDate,
    pub(crate) run_id: String,
    pub(crate) environment: String,
    pub(crate) execution_arn: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) started_at: Timestamp,
    /// When the outcome stood: for a published night, when the warehouse held it.
    pub(crate) ended_at: Timestamp,
    pub(crate) summary: Option<Summary>,
    pub(crate) quality: Option<Quality>,
    pub(crate) answer: Option<Answer>,
    pub(crate) published_rows: Option<u64>,
    pub(crate) steps: Vec<Step>,
    /// The steps that took longer than they usually did at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) slow: Vec<String>,
    /// What its input had it leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) flags: Vec<Flag>,
    /// How often the night was told to go on after it had failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
    /// What it cost, where that is known whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<Cost>,
    /// What the history's data says beside, while the night is told.
    #[serde(skip)]
    pub(crate) measured: Measured,
    pub(crate) news: News,
    pub(crate) written_at: Timestamp,
    /// What is known of an end that was no good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<Trouble>,
    /// When this execution had published the day, if it ended otherwise after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published_at: Option<Timestamp>,
    /// When another execution had published the day before this one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published_before: Option<Timestamp>,
    /// What people were told before the night was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovered_from: Option<Recovered>,
}

/// What is kept of an execution, as far as telling of it depends on it.
pub(crate) trait Record {
    fn run_id(&self) -> &str;

    /// Who has the news.
    fn news(&self) -> &News;

    /// This is who has been told so far.
    fn announced(&mut self, news: News);

    /// Writes it, and the pages that show it.
    async fn write<Store: Objects>(&self, site: &Site<'_, Store>) -> Result<(), PortError>;
}

impl Record for NightRecord {
    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn news(&self) -> &News {
        &self.news
    }

    fn announced(&mut self, news: News) {
        let at = news.last_at().unwrap_or(self.written_at);
        let is_told = news.is_told();
        self.news = news;
        self.written_at = self.written_at.max(at);
        if self.outcome.is_as_intended()
            && is_told
            && let Some(telling) = telling(&mut self.steps)
        {
            telling.state = StepState::Succeeded;
            telling.ended_at = Some(at);
        }
    }

    async fn write<Store: Objects>(&self, site: &Site<'_, Store>) -> Result<(), PortError> {
        site.write_night(self).await
    }
}

/// A bad end that people were told of, and that was not the last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recovered {
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) told_at: Timestamp,
}

impl Recovered {
    /// From an end of which somebody was told.
    pub(crate) fn of(outcome: &Outcome, news: &News) -> Option<Self> {
        Some(Self { outcome: outcome.clone(), told_at: news.last_at()? })
    }
}

/// Who answered the question, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// One or more people, a comma between.
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Why nobody was asked about this night, where nobody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiver: Option<Waiver>,
}

/// Who has the news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct News {
    /// Slack.
    #[serde(flatten)]
    pub(crate) slack: SlackNews,
    /// Everybody on the mailing list.
    #[serde(default)]
    pub(crate) mail: MailNews,
}

/// Whether the mail about it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum MailNews {
    /// Not yet.
    Pending,
    /// It is.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// There is nobody to mail.
    #[default]
    NotConfigured,
}

/// Whether Slack has the news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "slack", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SlackNews {
    /// Not yet.
    Pending,
    /// It has.
    Posted {
        /// When.
        at: Timestamp,
    },
    /// There is no channel.
    NotConfigured,
}

impl News {
    /// When somebody was told last.
    pub(crate) fn last_at(&self) -> Option<Timestamp> {
        let posted = if let SlackNews::Posted { at } = self.slack { Some(at) } else { None };
        let sent = if let MailNews::Sent { at } = self.mail { Some(at) } else { None };
        posted.max(sent)
    }

    /// Nobody waits for it any more.
    pub(crate) fn is_told(&self) -> bool {
        self.slack != SlackNews::Pending && self.mail != MailNews::Pending
    }
}

impl NightRecord {
    pub(crate) fn new(notice: Notice, summary: Option<Summary>, recorded: Recorded, settings: &Settings, now: Timestamp) -> Self {
        let Recorded { events, measured } = recorded;
        let mut steps = steps(Plan::of_the_night(), &events);
        let decided_by = match &notice.outcome {
            Outcome::Published => step_of("PublishToWarehouse"),
            Outcome::Built => step_of("QualityGate"),
            // Of these the execution itself says when.
            _ => None,
        };
        let ends = steps.iter().filter(|step| decided_by.is_none_or(|name| name == step.node));
        let ended_at = ends.filter_map(|step| step.ended_at).max().unwrap_or(now);
        if notice.outcome.is_as_intended() {
            // The last step is this very function, and what its history says of it is about earlier tries.
            if let Some(telling) = telling(&mut steps) {
                telling.state = StepState::Running;
                telling.started_at = telling.started_at.or(Some(now));
                telling.ended_at = None;
                telling.tries = telling.tries.max(1);
            }
        }
        Self {
            run_date: notice.run_date,
            run_id: notice.run_id,
            environment: settings.environment.clone(),
            execution_arn: notice.execution_arn,
            outcome: notice.outcome,
            started_at: notice.started_at,
            ended_at,
            summary,
            // Nobody hands over what an execution had found before its bad end.
            quality: notice.quality.or_else(|| measured.quality.clone()),
            answer: notice.verdict.map(|Verdict { by, at, reason, waiver, .. }| Answer { by, at, reason, waiver }),
            published_rows: notice.published_rows,
            steps,
            slow: Vec::new(),
            flags: notice.flags,
            redrives: redrives(&events),
            cost: Cost::of(&measured, transitions(&events), settings.dpu_hour_price),
            measured,
            news: News { slack: SlackNews::Pending, mail: MailNews::Pending },
            written_at: now,
            trouble: None,
            published_at: None,
            published_before: None,
            recovered_from: None,
        }
    }

    /// Of an execution that did not end well.
    pub(crate) fn ended(
        run_date: RunDate,
        execution: &Execution,
        outcome: Outcome,
        trouble: Trouble,
        recorded: Recorded,
        settings: &Settings,
        now: Timestamp,
    ) -> Self {
        let notice = Notice {
            outcome,
            run_date,
            run_id: execution.run_id().to_owned(),
            execution_arn: execution.arn.clone(),
            started_at: execution.started_at,
            summary_uri: None,
            quality: None,
            verdict: None,
            published_rows: None,
            flags: execution.flags(),
        };
        let mut night = Self::new(notice, None, recorded, settings, now);
        if let Some(ending) = &execution.ending {
            night.ended_at = ending.at;
            night.answer = ending.cause.as_deref().filter(|_| night.outcome == Outcome::Rejected).and_then(cause::rejection);
        }
        night.trouble = Some(trouble);
        night
    }

    pub(crate) fn took(&self) -> SignedDuration {
        self.ended_at.duration_since(self.started_at)
    }

    pub(crate) fn is_slow(&self, step: &Step) -> bool {
        self.slow.contains(&step.node)
    }

    /// Whether something may have reached the warehouse.
    pub(crate) fn touched_the_warehouse(&self) -> bool {
        let publishing = step_of("PublishToWarehouse");
        self.steps.iter().any(|step| publishing == Some(step.node.as_str()) && step.state != StepState::NotReached)
    }

    /// The people who answered, as a list; why nobody was asked, where nobody was.
    pub(crate) fn people(&self) -> String {
        let Some(Answer { by, waiver, .. }) = &self.answer else { return String::new() };
        let people = nightly_pages::written::list(&by.split(", ").collect::<Vec<_>>());
        match waiver {
            None => people,
            Some(Waiver::Flag) => format!("nobody ({})", Flag::SkipApproval),
            Some(Waiver::Batch { .. }) => format!("{people} (with other days)"),
        }
    }

    /// The age of the exchange rates in days: how much earlier than the run date they are of.
    pub(crate) fn rates_age_days(&self) -> Option<i32> {
        let rates = &self.summary.as_ref()?.rates;
        self.run_date.date().since(rates.effective_date).ok().map(|age| age.get_days())
    }

    /// The execution's page in the AWS console, where there is one.
    pub(crate) fn log_url(&self) -> Option<String> {
        links::execution(&self.environment, &self.execution_arn)
    }
}

/// The step that a state of the definition belongs to.
fn step_of(state: &str) -> Option<&'static str> {
    Plan::of_the_night().of_state(state).map(|step| step.name.as_str())
}

/// The step in which this very function is called.
fn telling(steps: &mut [Step]) -> Option<&mut Step> {
    let name = step_of("NotifyStakeholders")?;
    steps.iter_mut().find(|step| step.node == name)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}
