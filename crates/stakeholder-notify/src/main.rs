//! The Lambda function `stakeholder-notify`.

use nightly_aws::Aws;
use nightly_lambda::{WallClock, config};
use stakeholder_notify::{Ports, Settings, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let lists = aws.clone();
        let secret: Option<String> = config::optional("SLACK_WEBHOOK_SECRET")?;
        let topic: Option<String> = config::optional("STAKEHOLDERS_TOPIC_ARN")?;
        let (nights, notices): (String, String) = (config::required("NIGHTS_TABLE")?, config::required("NOTICES_TABLE")?);
        Ok(Ports {
            objects: aws.objects(),
            histories: aws.executions(),
            registry: aws.nights(&nights, &notices),
            channel: secret.map(|name| aws.slack(&name)),
            mailing_list: topic.map(|arn| aws.mailing_list(&arn)),
            list_of_topic: move |arn: &str| lists.mailing_list(arn),
            metrics: |line: &serde_json::Value| println!("{line}"),
            clock: WallClock,
            settings: Settings {
                environment: config::required("ENVIRONMENT")?,
                stack: config::required("STACK")?,
                site_bucket: config::required("SITE_BUCKET")?,
                status_page_url: config::optional("STATUS_PAGE_URL")?,
                runbook_url: config::optional("RUNBOOK_URL")?,
                published_by: config::required("PUBLISHED_BY")?,
                dpu_hour_price: config::required("DPU_HOUR_PRICE")?,
            },
        })
    };
    Box::pin(nightly_lambda::run(ports(), handle)).await
}
