//! The Lambda function `approver-check`.

use approver_check::{Ports, Settings, handle};
use nightly_aws::Aws;
use nightly_domain::people::Panel;
use nightly_lambda::{InvalidConfiguration, WallClock, config};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let panel = Panel::new(&config::list("APPROVERS")?, config::required("REQUIRED_APPROVALS")?);
        let panel = panel.map_err(|error| InvalidConfiguration::new("APPROVERS", error.to_string()))?;
        let panel = panel.with_deputies(&config::optional_list("DEPUTIES")?);
        let topic_arn: String = config::required("APPROVALS_TOPIC_ARN")?;
        Ok(Ports {
            subscriptions: aws.subscriptions(&topic_arn),
            channel: config::optional::<String>("SLACK_WEBHOOK_SECRET")?.map(|name| aws.slack(&name)),
            metrics: |line: &serde_json::Value| println!("{line}"),
            clock: WallClock,
            settings: Settings {
                environment: config::required("ENVIRONMENT")?,
                stack: config::required("STACK")?,
                panel: panel.map_err(|error| InvalidConfiguration::new("DEPUTIES", error.to_string()))?,
                topic_arn,
            },
        })
    };
    nightly_lambda::run(ports(), handle).await
}
