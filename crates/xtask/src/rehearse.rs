//! `cargo xtask rehearse`: builds the program that rehearses, and runs it. It is a program of its own, so that this one stays light.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::functions::cargo_progress;
use crate::paths;
use crate::process::{self, run_logged};
use crate::progress::Progress;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// What it is asked; `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let progress = Progress::new();
    let stage = progress.stage("The rehearsal is being built");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::workspace()).args(["build", "--profile", "rehearsal", "--package", "rehearse"]);
    cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100").env("CARGO_TERM_COLOR", "never");
    run_logged("building the rehearsal", &mut cargo, &paths::target().join("rehearse-build.log"), |line| {
        if let Some((done, total)) = cargo_progress(line) {
            stage.at(done, total);
        }
    })?;
    stage.done("");
    let binary = paths::target().join("rehearsal").join("rehearse");
    let status = Command::new(&binary).args(&arguments.rest).status().with_context(|| format!("cannot start {}", binary.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
