//! The Lambda function `dataset-check`.

use dataset_check::{Ports, handle};
use nightly_aws::Aws;
use nightly_lambda::{InvalidConfiguration, WallClock};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let ports: Result<_, InvalidConfiguration> = Ok(Ports { objects: Aws::from_environment().await.objects(), clock: WallClock });
    nightly_lambda::run(ports, handle).await
}
