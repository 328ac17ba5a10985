//! The Lambda function `night-check`.

use night_check::{Deadlines, Ports, Settings, handle};
use nightly_aws::Aws;
use nightly_domain::people::Panel;
use nightly_lambda::{InvalidConfiguration, WallClock, config};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let panel = Panel::new(&config::list("APPROVERS")?, config::required("REQUIRED_APPROVALS")?);
        Ok(Ports {
            registry: aws.registry(&config::required::<String>("NIGHTS_TABLE")?),
            histories: aws.executions(),
            subscriptions: aws.subscriptions(&config::required::<String>("APPROVALS_TOPIC_ARN")?),
            metrics: |line: &serde_json::Value| println!("{line}"),
            clock: WallClock,
            settings: Settings {
                stack: config::required("STACK")?,
                deadlines: Deadlines {
                    started: config::required("STARTED_BY")?,
                    asked: config::required("ASKED_BY")?,
                    published: config::required("PUBLISHED_BY")?,
                },
                panel: panel.map_err(|error| InvalidConfiguration::new("APPROVERS", error.to_string()))?,
            },
        })
    };
    nightly_lambda::run(ports(), handle).await
}
