//! The trials of the scenarios' states, put to AWS's TestState through the AWS CLI, or to our own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use nightly_asl::test_state::{Circumstances, test_state};
use nightly_asl::{Failure, Instant};
use nightly_scenarios::{Scenario, Trial, trials};
use serde_json::Value;

#[derive(clap::Parser)]
#[command(name = "cargo xtask replay-on-aws", about = "Puts every state of the scenarios to AWS's TestState.", long_about = ABOUT)]
pub struct Arguments {
    /// Asks the TestState that is built in, not AWS: needs no account
    #[arg(long, conflicts_with = "endpoint_url")]
    here: bool,
    /// Asks the Step Functions at this address
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The program that talks to AWS
    #[arg(long, value_name = "PROGRAM", default_value = "aws")]
    cli: PathBuf,
    /// The repository
    #[arg(long, value_name = "FOLDER", default_value = ".", hide = true)]
    root: PathBuf,
    /// The scenarios; all, if none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
}

const ABOUT: &str = "\
Runs the scenarios in tests/scenarios under virtual time, then puts each state, with what it saw and what its task replied, to AWS's \
TestState and compares status, next state, output, error and cause.

It needs the AWS CLI (2.32 or later, which knows mocks), credentials of an account and the permission states:TestState. Nothing is \
created and no task is called: what the tasks reply is mocked. AWS counts no state transitions for TestState, but limits how often \
it may be called, so that all of it takes some minutes. Equal requests are sent once.";

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let all = Scenario::read_all(&arguments.root.join("tests/scenarios"))?;
    for name in &arguments.scenarios {
        if !all.iter().any(|scenario| scenario.name == *name) {
            bail!("there is no scenario {name}");
        }
    }
    let mut asked = BTreeSet::new();
    let (mut agree, mut differ) = (0, 0);
    for scenario in all.iter().filter(|scenario| arguments.scenarios.is_empty() || arguments.scenarios.contains(&scenario.name)) {
        let definition = scenario.deployed(&arguments.root)?;
        let run = scenario.run(&definition).with_context(|| scenario.name.clone())?;
        for trial in trials(&definition, &run).into_iter().filter(|trial| asked.insert(trial.what_counts())) {
            let differences = match arguments.answer(&trial, run.started)? {
                Ok(answer) => trial.differences(&answer).iter().map(ToString::to_string).collect(),
                Err(refusal) => vec![refusal],
            };
            if differences.is_empty() {
                agree += 1;
            } else {
                differ += 1;
                println!("✗ {}: {}, try {}\n    {}", scenario.name, trial.state, trial.retries + 1, differences.join("\n    "));
            }
        }
        println!("{}: {agree} states agree so far, {differ} don't", scenario.name);
    }
    println!("{agree} states agree, {differ} don't");
    Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    /// The answer, or why the request was refused.
    fn answer(&self, trial: &Trial, at: Instant) -> Result<std::result::Result<Value, String>> {
        if self.here {
            let circumstances = Circumstances { at, region: "eu-central-1".to_owned(), account: "123456789012".to_owned(), seed: 0 };
            let answer = test_state(&trial.request, &circumstances, &mut |_| Err(Failure::named("NotMocked")));
            return Ok(answer.map_err(|refusal| refusal.to_string()));
        }
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(trial.request.to_string().as_bytes())?;
        let mut command = Command::new(&self.cli);
        command.args(["stepfunctions", "test-state", "--output", "json", "--cli-input-json", &input(file.path())]);
        // TestState is throttled soon; the CLI knows how to wait.
        command.envs([("AWS_RETRY_MODE", "adaptive"), ("AWS_MAX_ATTEMPTS", "10")]);
        if let Some(url) = &self.endpoint_url {
            command.args(["--endpoint-url", url]);
        }
        let output =
            command.output().with_context(|| format!("{} can't be run: replaying on AWS needs the AWS CLI", self.cli.display()))?;
        if output.status.success() {
            return Ok(Ok(serde_json::from_slice(&output.stdout).context("the AWS CLI answered no JSON")?));
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // Whatever TestState itself says is told of the state; everything else stops the replay.
        if said.contains("when calling the TestState operation") && !said.contains("AccessDenied") && !said.contains("UnrecognizedClient") {
            Ok(Err(said))
        } else {
            bail!("the AWS CLI could not ask: {said}")
        }
    }
}

fn input(file: &Path) -> String {
    format!("file://{}", file.display())
}
