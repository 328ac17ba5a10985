//! The Lambda function `approval-callback`.

use approval_callback::{Ports, Site, handle};
use lambda_http::{Request, service_fn};
use nightly_aws::Aws;
use nightly_lambda::{InvalidConfiguration, WallClock, config, diagnostic};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        Ok::<_, InvalidConfiguration>(Ports {
            approvals: aws.approvals(&config::required::<String>("APPROVALS_TABLE")?),
            tasks: aws.tasks(),
            watches: aws.watches(&config::required::<String>("WATCH_SCHEDULE_GROUP")?, None),
            clock: WallClock,
            site: Site { environment: config::required("ENVIRONMENT")?, status_page_url: config::optional("STATUS_PAGE_URL")? },
        })
    };
    let ports = &ports();
    lambda_http::run(service_fn(async |request: Request| match ports {
        Ok(ports) => Ok(handle(ports, request).await),
        Err(error) => Err(diagnostic(error)),
    }))
    .await
}
