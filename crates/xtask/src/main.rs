//! The workspace's commands: `cargo xtask night`, `backfill`, `test`, `mutants`, `bench`, `check`, `rehearse`, `audit`, `replay-on-aws`.

mod audit;
mod backfill;
mod bench;
mod check;
mod client;
mod dataset;
mod declare;
mod deploy;
mod environment;
mod functions;
mod local;
mod mail;
mod mutants;
mod night;
mod paths;
mod process;
mod progress;
mod questions;
mod rehearse;
mod replay;
mod stack;
mod test;
mod timeline;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "A nightly warehouse build on AWS Step Functions, on your own machine.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one whole night on a local AWS: deploys the template, runs all eleven nodes, waits for a click, publishes.
    Night(night::Arguments),
    /// Builds many days on a local AWS, one night each, and sums up what became of them.
    Backfill(backfill::Arguments),
    /// Takes a CSV file into the table of its dataset on a local AWS, and shows the table.
    Dataset(dataset::Arguments),
    /// Checks everything: format, lints, unit and integration tests, Glue jobs, template, whole nights, pages in a browser.
    Test(test::Arguments),
    /// Breaks the approval's rules in one small way after the other, and looks whether a test notices.
    Mutants(mutants::Arguments),
    /// Measures the functions' start, latency and memory, side by side, and how many nights a second are rehearsed.
    Bench(bench::Arguments),
    /// Tells what is wrong with definitions of state machines, each with its place and what to do.
    Check(check::Arguments),
    /// Rehearses thousands of nights in virtual time, with faults: ours, or those of a definition of your own.
    Rehearse(rehearse::Arguments),
    /// Looks after the audit of the approvals.
    Audit(audit::Arguments),
    /// Puts every state of the scenarios to AWS's TestState; needs an account, unless it is told `--here`.
    ReplayOnAws(replay::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Night(arguments) => night::run(&arguments),
        Command::Backfill(arguments) => backfill::run(&arguments),
        Command::Dataset(arguments) => dataset::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Rehearse(arguments) => rehearse::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::ReplayOnAws(arguments) => replay::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{} {error:#}", console::style("✗").red().bold());
            ExitCode::FAILURE
        }
    }
}
