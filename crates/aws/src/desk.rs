//! The desk at which approvals are asked for, taken and watched over, on AWS.

use std::time::Duration;

use nightly_domain::ports::{Clock, Desk};

use crate::Aws;
use crate::approvals::DynamoApprovals;
use crate::audit::DynamoAudit;
use crate::executions::StepFunctionsExecutions;
use crate::mail::SnsMail;
use crate::secrets::OsSecrets;
use crate::slack::SlackChannel;
use crate::tasks::StepFunctionsTasks;
use crate::watches::{Rounds, SchedulerWatches};

/// Behind a page that somebody waits for, Slack gets no longer than this. What it misses is told by the watch.
const SLACK_TIMEOUT: Duration = Duration::from_secs(4);

/// What the desk's parts are called.
#[derive(Debug, Clone)]
pub struct DeskSettings {
    /// The table of the records.
    pub approvals_table: String,
    /// The table of the audit.
    pub audit_table: String,
    /// The approvers' topic.
    pub topic_arn: String,
    /// The schedule group of the watches.
    pub watch_group: String,
    /// How a watch goes its rounds, for who begins one.
    pub rounds: Option<Rounds>,
    /// The secret with the way to the channel, where there is one.
    pub slack_secret: Option<String>,
}

impl DeskSettings {
    /// The settings by the names that they have in every function's environment, without rounds.
    pub fn read<Error>(
        required: impl Fn(&str) -> Result<String, Error>,
        optional: impl Fn(&str) -> Result<Option<String>, Error>,
    ) -> Result<Self, Error> {
        Ok(Self {
            approvals_table: required("APPROVALS_TABLE")?,
            audit_table: required("APPROVALS_AUDIT_TABLE")?,
            topic_arn: required("APPROVALS_TOPIC_ARN")?,
            watch_group: required("WATCH_SCHEDULE_GROUP")?,
            rounds: None,
            slack_secret: optional("SLACK_WEBHOOK_SECRET")?,
        })
    }
}

/// Everything that an approval needs of AWS, and a clock.
#[derive(Debug, Clone)]
pub struct AwsDesk<Now> {
    approvals: DynamoApprovals,
    tasks: StepFunctionsTasks,
    executions: StepFunctionsExecutions,
    watches: SchedulerWatches,
    mail: SnsMail,
    channel: Option<SlackChannel>,
    audit: DynamoAudit,
    secrets: OsSecrets,
    clock: Now,
}

impl Aws {
    /// The desk with these parts.
    pub fn desk<Now: Clock>(&self, settings: DeskSettings, clock: Now) -> AwsDesk<Now> {
        AwsDesk {
            approvals: self.approvals(&settings.approvals_table),
            tasks: self.tasks(),
            executions: self.executions(),
            watches: self.watches(&settings.watch_group, settings.rounds),
            mail: self.mail(&settings.topic_arn),
            channel: settings.slack_secret.map(|name| self.slack(&name).answering_within(SLACK_TIMEOUT)),
            audit: self.audit(&settings.audit_table),
            secrets: OsSecrets,
            clock,
        }
    }
}

impl<Now: Clock> Desk for AwsDesk<Now> {
    type Approvals = DynamoApprovals;
    type Tasks = StepFunctionsTasks;
    type Executions = StepFunctionsExecutions;
    type Watches = SchedulerWatches;
    type Mail = SnsMail;
    type Channel = SlackChannel;
    type Audit = DynamoAudit;
    type Secrets = OsSecrets;
    type Clock = Now;

    fn approvals(&self) -> &DynamoApprovals {
        &self.approvals
    }

    fn tasks(&self) -> &StepFunctionsTasks {
        &self.tasks
    }

    fn executions(&self) -> &StepFunctionsExecutions {
        &self.executions
    }

    fn watches(&self) -> &SchedulerWatches {
        &self.watches
    }

    fn mail(&self) -> &SnsMail {
        &self.mail
    }

    fn channel(&self) -> Option<&SlackChannel> {
        self.channel.as_ref()
    }

    fn audit(&self) -> &DynamoAudit {
        &self.audit
    }

    fn secrets(&self) -> &OsSecrets {
        &self.secrets
    }

    fn clock(&self) -> &Now {
        &self.clock
    }
}
