//! What is known about a night: `nights/<date>.json`, and what its page is made of.

use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::Verdict;
use nightly_domain::evidence::{Quality, Summary};
use nightly_domain::history::HistoryEvent;
use nightly_domain::night::{Step, StepState, redrives, steps};
use nightly_domain::{Outcome, Plan, RunDate};
use serde::{Deserialize, Serialize};

use crate::Notice;

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
    /// How often the night was told to go on after it had failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
    pub(crate) news: News,
    pub(crate) written_at: Timestamp,
}

/// Who answered the question, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// One or more people, a comma between.
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Whether Slack has the news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "slack", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum News {
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

impl NightRecord {
    pub(crate) fn new(notice: Notice, summary: Option<Summary>, history: &[HistoryEvent], environment: &str, now: Timestamp) -> Self {
        let mut steps = steps(Plan::of_the_night(), history);
        let decided_by = match &notice.outcome {
            Outcome::Published => step_of("PublishToWarehouse"),
            Outcome::QualityFailed => step_of("QualityFailed"),
            Outcome::Rejected => step_of("ApprovalRejected"),
            Outcome::Expired => step_of("ApprovalExpired"),
            Outcome::Failed { .. } | Outcome::TimedOut | Outcome::Aborted => None,
        };
        let ends = steps.iter().filter(|step| decided_by.is_none_or(|name| name == step.node));
        let ended_at = ends.filter_map(|step| step.ended_at).max().unwrap_or(now);
        if notice.outcome == Outcome::Published {
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
            environment: environment.to_owned(),
            execution_arn: notice.execution_arn,
            outcome: notice.outcome,
            started_at: notice.started_at,
            ended_at,
            summary,
            quality: notice.quality,
            answer: notice.verdict.map(|Verdict { by, at, reason, .. }| Answer { by, at, reason }),
            published_rows: notice.published_rows,
            steps,
            slow: Vec::new(),
            redrives: redrives(history),
            news: News::Pending,
            written_at: now,
        }
    }

    /// Everyone who is to be told has been told.
    pub(crate) fn announced(&mut self, news: News) {
        let at = if let News::Posted { at } = &news { *at } else { self.written_at };
        self.news = news;
        self.written_at = self.written_at.max(at);
        if self.outcome == Outcome::Published
            && let Some(telling) = telling(&mut self.steps)
        {
            telling.state = StepState::Succeeded;
            telling.ended_at = Some(at);
        }
    }

    pub(crate) fn is_posted(&self) -> bool {
        matches!(self.news, News::Posted { .. })
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

    /// The people who answered, as a list.
    pub(crate) fn people(&self) -> String {
        let by = self.answer.as_ref().map(|answer| answer.by.as_str()).unwrap_or_default();
        nightly_pages::written::list(&by.split(", ").collect::<Vec<_>>())
    }

    /// The age of the exchange rates in days: how much earlier than the run date they are of.
    pub(crate) fn rates_age_days(&self) -> Option<i32> {
        let rates = &self.summary.as_ref()?.rates;
        self.run_date.date().since(rates.effective_date).ok().map(|age| age.get_days())
    }

    /// The execution's page in the AWS console, where there is one.
    pub(crate) fn log_url(&self) -> Option<String> {
        if self.environment == "local" {
            return None;
        }
        let mut parts = self.execution_arn.split(':');
        let ("arn", partition, "states", region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?) else { return None };
        let host = match partition {
            "aws" => "console.aws.amazon.com",
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => return None,
        };
        Some(format!("https://{region}.{host}/states/home?region={region}#/v2/executions/details/{}", self.execution_arn))
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
fn is_zero(number: &u32) -> bool {
    *number == 0
}
