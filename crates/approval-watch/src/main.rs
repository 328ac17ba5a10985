//! The Lambda function `approval-watch`.

use approval_watch::{Ports, handle};
use nightly_aws::Aws;
use nightly_lambda::{WallClock, config};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        Ok(Ports {
            approvals: aws.approvals(&config::required::<String>("APPROVALS_TABLE")?),
            tasks: aws.tasks(),
            watches: aws.watches(&config::required::<String>("WATCH_SCHEDULE_GROUP")?, None),
            clock: WallClock,
        })
    };
    nightly_lambda::run(ports(), handle).await
}
