//! The real `sam deploy` of the real template onto the local AWS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::client::{Client, REGION};
use crate::environment::Environment;
use crate::paths;
use crate::process::run_logged;
use crate::progress::Stage;

/// The stack of the local night.
pub const STACK: &str = "nightly-warehouse";
/// The id that the template's tag gives the approvals' API on the local AWS.
const API: &str = "approvals";
const ARTIFACTS: &str = "nightly-warehouse-artifacts";
/// The secret that lets the functions post as a bot of the local Slack.
pub const SLACK_SECRET: &str = "nightly-warehouse/slack";

/// What the local deployment sets; everything else is the template's default.
pub struct Parameters {
    pub approvers: Vec<String>,
    pub deputies: Vec<String>,
    pub required_approvals: u32,
    pub approval_seconds: u32,
    pub extension_seconds: u32,
    pub outside: String,
    pub status_page: String,
}

/// The stack's outputs by name.
pub struct Outputs(BTreeMap<String, String>);

impl Outputs {
    pub fn value(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("the stack has no output {name}"))
    }
}

/// Environment variables that point every AWS client of a process at the local AWS.
pub fn local_credentials(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

pub fn deploy(
    sam: &Environment,
    client: &Client,
    endpoint: &str,
    packages: &[(&'static str, PathBuf)],
    parameters: &Parameters,
    folder: &Path,
    stage: &Stage,
) -> Result<Outputs> {
    client.create_bucket(ARTIFACTS)?;
    // The secret outlives a deployment, as it does on AWS, where a person puts it there once.
    let bot = json!({"botToken": "xoxb-local", "channel": "#warehouse", "apiUrl": format!("{}/slack/api", parameters.outside)});
    let secret = json!({"Name": SLACK_SECRET, "SecretString": bot.to_string()});
    if client.call("secretsmanager", "secretsmanager.CreateSecret", &secret).is_err() {
        let update = json!({"SecretId": SLACK_SECRET, "SecretString": secret["SecretString"]});
        client.call("secretsmanager", "secretsmanager.PutSecretValue", &update)?;
    }

    let template = folder.join("template.yaml");
    let mut build = sam.python();
    build.arg(paths::workspace().join("local/sam/built_template.py")).arg(paths::workspace().join("template.yaml")).arg(&template);
    build.args(packages.iter().map(|(name, path)| format!("{name}={}", path.display())));
    run_logged("writing the built template", &mut build, &folder.join("logs/template.log"), |_| ())?;

    let mut sam = sam.executable("sam");
    sam.current_dir(folder).envs(local_credentials(endpoint)).env("SAM_CLI_POLL_DELAY", "0.5").env("SAM_CLI_TELEMETRY", "0");
    sam.args(["deploy", "--stack-name", STACK, "--s3-bucket", ARTIFACTS, "--region", REGION, "--language-extensions"]);
    sam.args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]);
    sam.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"]);
    sam.arg("--template-file").arg(&template).arg("--parameter-overrides");
    sam.args([
        "Environment=local".to_owned(),
        format!("Architecture={}", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }),
        format!("Approvers={}", parameters.approvers.join(",")),
        format!("RequiredApprovals={}", parameters.required_approvals),
        format!("ApprovalTimeoutSeconds={}", parameters.approval_seconds),
        format!("ApprovalExtensionSeconds={}", parameters.extension_seconds),
        "ApprovalWatchMinutes=1".to_owned(),
        format!("ApprovalBaseUrl={endpoint}/_aws/execute-api/{API}"),
        format!("ArtifactBucket={ARTIFACTS}"),
        format!("FxUrl={}/v1", parameters.outside),
        "QualityPollSeconds=1".to_owned(),
        format!("SlackWebhookSecret={SLACK_SECRET}"),
        format!("StatusPageUrl={}", parameters.status_page),
        "ScheduleState=DISABLED".to_owned(),
    ]);
    // The SAM CLI takes no empty value.
    if !parameters.deputies.is_empty() {
        sam.arg(format!("Deputies={}", parameters.deputies.join(",")));
    }
    run_logged("sam deploy", &mut sam, &folder.join("logs/deploy.log"), |line| stage.say(line))?;
    Ok(Outputs(client.stack_outputs(STACK)?.into_iter().collect()))
}
