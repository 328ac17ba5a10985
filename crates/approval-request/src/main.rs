//! The Lambda function `approval-request`.

use approval_request::{Ports, Settings, handle};
use nightly_aws::Aws;
use nightly_aws::secrets::OsSecrets;
use nightly_aws::watches::Rounds;
use nightly_domain::people::Panel;
use nightly_lambda::{InvalidConfiguration, WallClock, config};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let panel = Panel::new(&config::list("APPROVERS")?, config::required("REQUIRED_APPROVALS")?);
        let rounds = Rounds {
            function_arn: config::required("WATCH_FUNCTION_ARN")?,
            role_arn: config::required("WATCH_ROLE_ARN")?,
            minutes: config::required("WATCH_MINUTES")?,
        };
        Ok(Ports {
            objects: aws.objects(),
            approvals: aws.approvals(&config::required::<String>("APPROVALS_TABLE")?),
            tasks: aws.tasks(),
            mail: aws.mail(&config::required::<String>("APPROVALS_TOPIC_ARN")?),
            watches: aws.watches(&config::required::<String>("WATCH_SCHEDULE_GROUP")?, Some(rounds)),
            secrets: OsSecrets,
            clock: WallClock,
            settings: Settings {
                environment: config::required("ENVIRONMENT")?,
                base_url: config::required("APPROVAL_BASE_URL")?,
                panel: panel.map_err(|error| InvalidConfiguration::new("APPROVERS", error.to_string()))?,
            },
        })
    };
    nightly_lambda::run(ports(), handle).await
}
