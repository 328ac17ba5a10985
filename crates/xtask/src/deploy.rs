//! The real `sam deploy` of the real template onto the local AWS.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::{ACCOUNT, Client, REGION};
use crate::environment::Environment;
use crate::local::files;
use crate::paths::{self, hexadecimal};
use crate::process::run_logged;
use crate::progress::Stage;

/// What `sam deploy` reads of this repository beside the functions.
const SOURCES: [&str; 4] = ["template.yaml", "dataset.yaml", "statemachine", "glue/jobs"];
const ARTIFACTS: &str = "nightly-warehouse-artifacts";
/// The secret that lets the functions post as a bot of the local Slack.
pub const SLACK_SECRET: &str = "nightly-warehouse/slack";

/// Who is told how a local night ended. Their mail lies in the inbox.
const STAKEHOLDERS: &str = "warehouse@nordvik.example";

/// One stack among those that a team has of this template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Deployment {
    /// The stack of the local night
    #[default]
    Local,
    /// The stack for trying things out, as `samconfig.toml` names it
    Dev,
    /// The stack that counts, as `samconfig.toml` names it
    Prod,
}

impl Deployment {
    pub fn stack(self) -> &'static str {
        match self {
            Self::Local => "nightly-warehouse",
            Self::Dev => "nightly-dev",
            Self::Prod => "nightly-prod",
        }
    }

    fn environment(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Dev => "dev",
            Self::Prod => "prod",
        }
    }

    /// The bucket of the stack that holds this.
    pub fn bucket(self, content: &str) -> String {
        format!("{}-{content}-{ACCOUNT}", self.stack())
    }
}

/// What the local deployment sets; everything else is the template's default.
pub struct Parameters {
    pub deployment: Deployment,
    pub approvers: Vec<String>,
    pub deputies: Vec<String>,
    pub required_approvals: u32,
    pub approval_seconds: u32,
    pub extension_seconds: u32,
    pub nights_at_once: u32,
    pub outside: String,
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

    let overrides = overrides(endpoint, parameters);
    let stack = parameters.deployment.stack();
    let deployed = folder.join("deployed").join(stack);
    let wanted = fingerprint(packages, &overrides)?;
    if fs::read_to_string(&deployed).is_ok_and(|digest| digest == wanted) {
        return Ok(Outputs(client.stack_outputs(stack)?.into_iter().collect()));
    }
    fs::create_dir_all(folder.join("deployed"))?;
    // Until it has succeeded, nobody knows what is deployed.
    fs::write(&deployed, "")?;

    let template = folder.join("template.yaml");
    let mut build = sam.python();
    build.arg(paths::workspace().join("local/sam/built_template.py")).arg(paths::workspace().join("template.yaml")).arg(&template);
    build.args(packages.iter().map(|(name, path)| format!("{name}={}", path.display())));
    run_logged("writing the built template", &mut build, &folder.join("logs/template.log"), |_| ())?;

    let mut sam = sam.executable("sam");
    sam.current_dir(folder).envs(local_credentials(endpoint)).env("SAM_CLI_POLL_DELAY", "0.5").env("SAM_CLI_TELEMETRY", "0");
    sam.args(["deploy", "--stack-name", stack, "--s3-bucket", ARTIFACTS, "--region", REGION, "--language-extensions"]);
    sam.args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]);
    sam.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"]);
    sam.arg("--template-file").arg(&template).arg("--parameter-overrides").args(overrides);
    run_logged("sam deploy", &mut sam, &folder.join("logs/deploy.log"), |line| stage.say(line))?;
    fs::write(&deployed, wanted)?;
    Ok(Outputs(client.stack_outputs(stack)?.into_iter().collect()))
}

fn overrides(endpoint: &str, parameters: &Parameters) -> Vec<String> {
    let stack = parameters.deployment.stack();
    let mut overrides = vec![
        format!("Environment={}", parameters.deployment.environment()),
        format!("Architecture={}", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }),
        format!("Approvers={}", parameters.approvers.join(",")),
        format!("RequiredApprovals={}", parameters.required_approvals),
        format!("ApprovalTimeoutSeconds={}", parameters.approval_seconds),
        format!("ApprovalExtensionSeconds={}", parameters.extension_seconds),
        "ApprovalWatchMinutes=1".to_owned(),
        // The template's tag makes the stack's name the API's id.
        format!("ApprovalBaseUrl={endpoint}/_aws/execute-api/{stack}"),
        format!("ArtifactBucket={ARTIFACTS}"),
        format!("FxUrl={}/v1", parameters.outside),
        "QualityPollSeconds=1".to_owned(),
        "SettleSeconds=2".to_owned(),
        format!("NightsAtOnce={}", parameters.nights_at_once),
        format!("SlackWebhookSecret={SLACK_SECRET}"),
        format!("StakeholderAddresses={STAKEHOLDERS}"),
        format!("StatusPageUrl={endpoint}/{}/index.html", parameters.deployment.bucket("site")),
        "ScheduleState=DISABLED".to_owned(),
    ];
    // The SAM CLI takes no empty value.
    if !parameters.deputies.is_empty() {
        overrides.push(format!("Deputies={}", parameters.deputies.join(",")));
    }
    overrides
}

/// A digest of everything that a deployment is made of: a stack that has it needs no second one.
fn fingerprint(packages: &[(&'static str, PathBuf)], overrides: &[String]) -> Result<String> {
    let mut digest = Sha256::new();
    for source in SOURCES {
        for file in files(&paths::workspace().join(source)).with_context(|| format!("cannot list {source}"))? {
            digest.update(file.as_os_str().as_encoded_bytes());
            digest.update(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        }
    }
    // A package is called by its content.
    digest.update(format!("{packages:?} {overrides:?}"));
    Ok(hexadecimal(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_templates_name_is_part_of_the_fingerprint() {
        for template in ["template.yaml", "dataset.yaml"] {
            let text = fs::read_to_string(paths::workspace().join(template)).unwrap();
            let words = text.split(|character: char| character.is_whitespace() || ",}\"".contains(character));
            let named: Vec<_> = words.filter(|word| !word.is_empty() && paths::workspace().join(word).is_file()).collect();
            assert!(named.len() > 2, "{named:?}");
            for file in named {
                assert!(SOURCES.iter().any(|source| Path::new(file).starts_with(source)), "{template} names {file}");
            }
        }
    }

    #[test]
    fn a_changed_function_or_parameter_changes_the_fingerprint() {
        let packages = |digest: &str| vec![("fx-fetch", PathBuf::from(format!("fx-fetch-{digest}.zip")))];
        let overrides = |seconds: u32| vec![format!("ApprovalTimeoutSeconds={seconds}")];
        let first = fingerprint(&packages("0a"), &overrides(60)).unwrap();
        assert_eq!(fingerprint(&packages("0a"), &overrides(60)).unwrap(), first);
        assert_ne!(fingerprint(&packages("0b"), &overrides(60)).unwrap(), first);
        assert_ne!(fingerprint(&packages("0a"), &overrides(61)).unwrap(), first);
    }
}
