//! The Lambda function `approval-request`.

use approval_request::{Ports, Settings, handle};
use nightly_approval::Site;
use nightly_aws::Aws;
use nightly_aws::desk::DeskSettings;
use nightly_aws::watches::Rounds;
use nightly_domain::ObjectUri;
use nightly_domain::people::Panel;
use nightly_lambda::{InvalidConfiguration, WallClock, config};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    nightly_lambda::trace();
    let aws = Aws::from_environment().await;
    let ports = || {
        let rounds = Some(Rounds {
            function_arn: config::required("WATCH_FUNCTION_ARN")?,
            role_arn: config::required("WATCH_ROLE_ARN")?,
            minutes: config::required("WATCH_MINUTES")?,
        });
        let desk = DeskSettings { rounds, ..DeskSettings::read(config::required::<String>, config::optional::<String>)? };
        let deputies = config::optional::<String>("DEPUTIES")?.map_or_else(|| Ok(Vec::new()), |_| config::list("DEPUTIES"))?;
        let panel = Panel::new(&config::list("APPROVERS")?, config::required("REQUIRED_APPROVALS")?);
        let panel = panel.and_then(|panel| panel.with_deputies(&deputies));
        let settings = Settings {
            panel: panel.map_err(|error| InvalidConfiguration::new("APPROVERS, DEPUTIES", error.to_string()))?,
            site: Site {
                environment: config::required("ENVIRONMENT")?,
                base_url: config::required("APPROVAL_BASE_URL")?,
                status_page_url: config::optional("STATUS_PAGE_URL")?,
            },
            nights: Some(ObjectUri::new(config::required::<String>("SITE_BUCKET")?, "nights/")),
        };
        Ok(Ports { objects: aws.objects(), desk: aws.desk(desk, WallClock), settings })
    };
    Box::pin(nightly_lambda::run(ports(), handle)).await
}
