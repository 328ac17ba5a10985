//! The AWS side of the ports. The only crate that names AWS's own.

pub mod approvals;
pub mod audit;
pub mod desk;
pub mod executions;
pub mod fx;
pub mod mail;
pub mod nights;
pub mod objects;
pub mod registry;
pub mod secrets;
pub mod slack;
pub mod subscriptions;
pub mod tasks;
pub mod watches;

#[cfg(test)]
mod fake_server;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;

use crate::approvals::DynamoApprovals;
use crate::audit::DynamoAudit;
use crate::executions::StepFunctionsExecutions;
use crate::mail::{SnsMail, SnsMailingList};
use crate::nights::DynamoNights;
use crate::objects::S3Objects;
use crate::registry::DynamoRegistry;
use crate::slack::SlackChannel;
use crate::subscriptions::SnsSubscriptions;
use crate::tasks::StepFunctionsTasks;
use crate::watches::{Rounds, SchedulerWatches};

/// An account and region, and how to call them: every port's AWS side comes from here.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// What the environment says: credentials, region, and an endpoint for a local AWS. A call gets no longer than a function has.
    pub async fn from_environment() -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(12))
            .build();
        Self { config: aws_config::from_env().timeout_config(timeouts).load().await }
    }

    /// Stored objects.
    pub fn objects(&self) -> S3Objects {
        // A local AWS has one address for all buckets.
        let path_style = self.config.endpoint_url().is_some();
        S3Objects::new(aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&self.config).force_path_style(path_style).build()))
    }

    /// The stored questions, in this table.
    pub fn approvals(&self, table: &str) -> DynamoApprovals {
        DynamoApprovals::new(aws_sdk_dynamodb::Client::new(&self.config), table)
    }

    /// What happened to the questions, in this table.
    pub fn audit(&self, table: &str) -> DynamoAudit {
        DynamoAudit::new(aws_sdk_dynamodb::Client::new(&self.config), table)
    }

    /// The run registry, in this table.
    pub fn registry(&self, table: &str) -> DynamoRegistry {
        DynamoRegistry::new(aws_sdk_dynamodb::Client::new(&self.config), table)
    }

    /// Tasks that wait.
    pub fn tasks(&self) -> StepFunctionsTasks {
        StepFunctionsTasks::new(aws_sdk_sfn::Client::new(&self.config))
    }

    /// Mail to approvers through this topic.
    pub fn mail(&self, topic_arn: &str) -> SnsMail {
        SnsMail::new(aws_sdk_sns::Client::new(&self.config), topic_arn)
    }

    /// Mail to everybody who has subscribed to this topic.
    pub fn mailing_list(&self, topic_arn: &str) -> SnsMailingList {
        SnsMailingList::new(aws_sdk_sns::Client::new(&self.config), topic_arn)
    }

    /// The run registry in the one table, and what was told of each ending in the other.
    pub fn nights(&self, nights: &str, notices: &str) -> DynamoNights {
        DynamoNights::new(aws_sdk_dynamodb::Client::new(&self.config), nights, notices)
    }

    /// Who has confirmed to be mailed through this topic.
    pub fn subscriptions(&self, topic_arn: &str) -> SnsSubscriptions {
        SnsSubscriptions::new(aws_sdk_sns::Client::new(&self.config), topic_arn)
    }

    /// The watches of this schedule group. Only who begins watches needs to say how they go their rounds.
    pub fn watches(&self, group: &str, rounds: Option<Rounds>) -> SchedulerWatches {
        SchedulerWatches::new(aws_sdk_scheduler::Client::new(&self.config), group, rounds)
    }

    /// The executions of the state machines.
    pub fn executions(&self) -> StepFunctionsExecutions {
        StepFunctionsExecutions::new(aws_sdk_sfn::Client::new(&self.config))
    }

    /// The Slack channel to which this secret holds the way.
    pub fn slack(&self, secret_name: &str) -> SlackChannel {
        SlackChannel::new(aws_sdk_secretsmanager::Client::new(&self.config), secret_name)
    }

    /// A server that stands in for AWS.
    #[cfg(test)]
    fn at(endpoint: &str) -> Self {
        use aws_config::{BehaviorVersion, Region};
        use aws_sdk_sfn::config::{Credentials, SharedCredentialsProvider};

        let credentials = Credentials::new("key", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint);
        Self { config: config.build() }
    }
}
