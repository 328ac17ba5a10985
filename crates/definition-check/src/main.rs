//! Checks definitions. `cargo xtask check` runs it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use definition_check::{Checked, json, print};
use nightly_asl::check::Kind;

/// Checks definitions of state machines: what AWS refuses, what fails when it is reached, what may hurt.
#[derive(Parser)]
struct Arguments {
    /// Definitions, before or after a deployment fills in their `${Name}`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The type of the state machines
    #[arg(long = "type", value_name = "TYPE", default_value = "standard")]
    kind: Type,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Type {
    Standard,
    Express,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{} {error:#}", console::style("✗").red().bold());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let kind = match arguments.kind {
        Type::Standard => Kind::Standard,
        Type::Express => Kind::Express,
    };
    let mut checked = Vec::new();
    for file in &arguments.files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        checked.push(Checked::new(file.display().to_string(), &text, kind));
    }
    if arguments.json {
        println!("{:#}", json(&checked));
    } else {
        print!("{}", print(&checked));
    }
    Ok(if checked.iter().all(Checked::is_sound) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
