//! `cargo xtask audit verify`: whether the audit holds what was written. A program of its own looks, since this one knows no AWS.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::deploy::{Deployment, local_credentials};
use crate::functions;
use crate::progress::Progress;
use crate::stack::Addresses;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Audit,
}

#[derive(Subcommand)]
enum Audit {
    /// Verifies every chain and compares it with its question's record: on the local AWS that a `cargo xtask night` keeps up, or, with
    /// `--table`, in the account that the environment has credentials of
    Verify(Verify),
}

#[derive(clap::Args)]
struct Verify {
    /// The table of the audit
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The table of the questions; without it, chains in `--table` are verified and compared with nothing
    #[arg(long, value_name = "NAME", requires = "table")]
    approvals_table: Option<String>,
    /// Show what each chain holds
    #[arg(long)]
    print: bool,
    /// The questions; all, if none is named
    #[arg(value_name = "APPROVAL_ID")]
    approvals: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Audit::Verify(verify) = &arguments.command;
    let stage = Progress::new().stage("audit-verify");
    let mut command = Command::new(functions::build_program("audit-verify", functions::among_tests(), &stage)?);
    stage.done("");
    if let Some(table) = &verify.table {
        command.args(["--table", table]);
        command.args(verify.approvals_table.iter().flat_map(|table| ["--approvals-table", table]));
    } else {
        let stack = Addresses::running().context("no local AWS is up: keep one with `cargo xtask night --keep`, or name a --table")?;
        for (name, value) in stack.client().stack_outputs(Deployment::Local.stack())? {
            match name.as_str() {
                "ApprovalsAuditTable" => command.args(["--table", &value]),
                "ApprovalsTable" => command.args(["--approvals-table", &value]),
                _ => &mut command,
            };
        }
        command.envs(local_credentials(&stack.endpoint()));
    }
    if verify.print {
        command.arg("--print");
    }
    let status = command.args(&verify.approvals).status().context("cannot start audit-verify")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
