//! The Lambda function `stakeholder-notify`.

use nightly_aws::Aws;
use nightly_lambda::{WallClock, config};
use stakeholder_notify::{Ports, Settings, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let secret: Option<String> = config::optional("SLACK_WEBHOOK_SECRET")?;
        Ok(Ports {
            objects: aws.objects(),
            histories: aws.executions(),
            channel: secret.map(|name| aws.slack(&name)),
            clock: WallClock,
            settings: Settings {
                environment: config::required("ENVIRONMENT")?,
                site_bucket: config::required("SITE_BUCKET")?,
                status_page_url: config::optional("STATUS_PAGE_URL")?,
            },
        })
    };
    nightly_lambda::run(ports(), handle).await
}
