//! The Lambda function `approval-callback`.

use approval_callback::{Ports, handle};
use lambda_http::{Request, service_fn};
use nightly_approval::Site;
use nightly_aws::Aws;
use nightly_aws::desk::DeskSettings;
use nightly_lambda::{InvalidConfiguration, WallClock, config, diagnostic};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let settings = DeskSettings::read(config::required::<String>, config::optional::<String>)?;
        let site = Site {
            environment: config::required("ENVIRONMENT")?,
            base_url: config::required("APPROVAL_BASE_URL")?,
            status_page_url: config::optional("STATUS_PAGE_URL")?,
        };
        Ok::<_, InvalidConfiguration>(Ports { desk: aws.desk(settings, WallClock), site })
    };
    let ports = &ports();
    lambda_http::run(service_fn(async |request: Request| match ports {
        Ok(ports) => Ok(Box::pin(handle(ports, request)).await),
        Err(error) => Err(diagnostic(error)),
    }))
    .await
}
