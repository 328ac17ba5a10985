//! `cargo xtask replay-on-aws`: the scenarios' states, put to AWS's TestState. A program of its own asks, since this one has no engine.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::paths;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// What to ask of whom: see `--help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(paths::workspace()).args(["run", "--quiet", "--package", "nightly-scenarios", "--bin", "replay-on-aws", "--"]);
    let status = command.args(&arguments.arguments).status().context("cargo can't be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
