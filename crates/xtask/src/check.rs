//! `cargo xtask check`: what is wrong with a definition. A program of its own looks, since this one knows no states language.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::paths;

#[derive(Args)]
pub struct Arguments {
    /// Definitions, before or after a deployment fills in their `${Name}`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The type of the state machines: standard or express
    #[arg(long = "type", value_name = "TYPE", default_value = "standard")]
    kind: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut command = Command::new(env!("CARGO"));
    // The files are named from where the person stands.
    let manifest = paths::workspace().join("Cargo.toml");
    command.args(["run", "--quiet", "--package", "definition-check", "--manifest-path"]).arg(manifest).arg("--");
    command.args(["--type", &arguments.kind]).args(arguments.json.then_some("--json")).args(&arguments.files);
    let status = command.status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
