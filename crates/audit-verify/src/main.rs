//! Verifies what the approvals' audit holds. `cargo xtask audit verify` runs it.

use std::process::ExitCode;

use audit_verify::{Finding, Sum, examine, print};
use clap::Parser;
use nightly_aws::Aws;
use nightly_domain::link::ApprovalId;
use nightly_domain::ports::PortError;

/// Verifies the chains of the audit, and compares each with its question's record.
#[derive(Parser)]
struct Arguments {
    /// The table of the audit.
    #[arg(long)]
    table: String,
    /// The table of the questions. Without it, chains are verified and compared with nothing.
    #[arg(long)]
    approvals_table: Option<String>,
    /// Shows what each chain holds.
    #[arg(long)]
    print: bool,
    /// The questions; all, if none is named.
    approvals: Vec<ApprovalId>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(sum) => {
            println!("{sum}");
            if sum.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("✗ {}", nightly_lambda::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Sum, PortError> {
    let aws = Aws::from_environment().await;
    let audit = aws.audit(&arguments.table);
    let records = arguments.approvals_table.as_deref();
    let mut approvals = arguments.approvals;
    if approvals.is_empty() {
        approvals = audit.approvals().await?;
        if let Some(table) = records {
            // A question whose whole chain is gone stands only among the records. Both tables name their questions in the same way.
            approvals.extend(aws.audit(table).approvals().await?);
        }
        approvals.sort();
        approvals.dedup();
    }
    let records = records.map(|table| aws.approvals(table));
    let mut sum = Sum::default();
    for approval in &approvals {
        let Finding { chain, flaw } = examine(&audit, records.as_ref(), approval).await?;
        print!("{}", print::question(approval, &chain, flaw.as_ref(), arguments.print));
        sum.count(&chain, flaw.as_ref());
    }
    Ok(sum)
}
