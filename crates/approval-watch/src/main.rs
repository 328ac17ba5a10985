//! The Lambda function `approval-watch`.

use approval_watch::{Ports, handle};
use nightly_approval::Site;
use nightly_aws::Aws;
use nightly_aws::desk::DeskSettings;
use nightly_lambda::{WallClock, config};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        Ok(Ports {
            desk: aws.desk(DeskSettings::read(config::required, config::optional)?, WallClock),
            site: Site {
                environment: config::required("ENVIRONMENT")?,
                base_url: config::required("APPROVAL_BASE_URL")?,
                status_page_url: config::optional("STATUS_PAGE_URL")?,
            },
        })
    };
    nightly_lambda::run(ports(), |ports, watch| Box::pin(handle(ports, watch))).await
}
