//! The local Step Functions: listens on 127.0.0.1, says where, and ends with the process that started it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use step_functions::{Configuration, serve};

/// Step Functions on your own machine.
#[derive(Parser)]
struct Arguments {
    /// Where to listen on 127.0.0.1; any free port where it is 0.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The folder that keeps state machines and executions.
    #[arg(long)]
    data: PathBuf,
    /// The local AWS that tasks call, such as `http://127.0.0.1:4566`.
    #[arg(long)]
    aws: String,
}

fn main() -> ExitCode {
    let Arguments { port, data, aws } = Arguments::parse();
    match serve(Configuration { port, data, aws }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("step-functions: {error}");
            ExitCode::FAILURE
        }
    }
}
