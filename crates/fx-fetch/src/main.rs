//! The Lambda function around [`fx_fetch::handle`].

use fx_fetch::{Ports, Settings};
use nightly_aws::Aws;
use nightly_aws::fx::{Frankfurter, Sleep};
use nightly_aws::objects::S3Objects;
use nightly_lambda::InvalidConfiguration;
use nightly_lambda::config::required;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    nightly_lambda::run(ports().await, fx_fetch::handle).await
}

async fn ports() -> Result<Ports<S3Objects, Frankfurter, Sleep>, InvalidConfiguration> {
    Ok(Ports {
        source: required("FX_URL")?,
        pauses: Sleep,
        settings: Settings {
            base_currency: required("BASE_CURRENCY")?,
            source_name: required("FX_SOURCE")?,
            maximum_age_days: required("FX_MAX_AGE_DAYS")?,
        },
        objects: Aws::from_environment().await.objects(),
    })
}
