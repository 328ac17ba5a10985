//! `cargo xtask replay-on-aws`: whether TestState does with each state of the scenarios what the engine does.

mod replay;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match replay::run(&replay::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}
