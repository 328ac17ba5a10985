//! `cargo xtask night`: one whole night on a local AWS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use console::style;
use jiff::civil::Date;
use nightly_domain::plan::Plan;
use serde_json::{Value, json};

use crate::deploy::Deployment;
use crate::local::{Day, Setup, Stack, generate_raw, run_date, stay_up, upload_raw};
use crate::progress::{Progress, written};
use crate::questions::{APPROVE, Questions};
use crate::timeline::{Live, Timeline};
use crate::{paths, process};

/// The exit code is 0 for a published night, 3 for one that was rightly not published (quality, rejection, expiry, a day that is another
/// night's), 1 for a failure.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Arguments {
    /// The run date, the day whose orders are built [default: yesterday, UTC]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// How many order lines the day has
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    orders: u32,
    /// How many of the two approvers must approve
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2), value_name = "N")]
    approvals: u32,
    /// Approve unattended, by pressing the button behind as many mailed links as are needed
    #[arg(long, conflicts_with = "reject")]
    approve: bool,
    /// Reject unattended, with this reason
    #[arg(long, value_name = "REASON")]
    reject: Option<String>,
    /// Build the day again although it is published
    #[arg(long)]
    force: bool,
    /// Ask nobody: publish what passes the quality gate
    #[arg(long)]
    skip_approval: bool,
    /// End after the quality gate: publish nothing
    #[arg(long)]
    skip_publish: bool,
    /// Tell neither Slack nor the mailing list
    #[arg(long)]
    skip_notify: bool,
    /// What goes wrong
    #[arg(long)]
    fault: Option<Fault>,
    /// Build these raw files instead of a day of TPC-DS: a folder with orders/ and inventory/
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Keep the local AWS up afterwards, until Ctrl-C; another `cargo xtask night` meanwhile runs on it
    #[arg(long)]
    keep: bool,
    /// Only start the local AWS and deploy
    #[arg(long, hide = true)]
    idle: bool,
    /// Which of the stacks that a team has of the template
    #[arg(long, hide = true, value_enum, default_value_t)]
    deployment: Deployment,
    /// The execution's input, instead of the run date
    #[arg(long, hide = true, value_name = "JSON")]
    input: Option<String>,
    /// How long the approvers have, in seconds
    #[arg(long, hide = true, default_value_t = 3600)]
    approval_seconds: u32,
    /// By how many of these seconds the approvers may extend their time [default: a quarter, 900 at most]
    #[arg(long, hide = true)]
    extension_seconds: Option<u32>,
    /// Who starts the night, as it is asked for on AWS
    #[arg(long, hide = true, default_value = "cargo xtask night", value_name = "ADDRESS")]
    started_by: String,
    /// Write what happened to this file
    #[arg(long, hide = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Orders that break quality rules
    Quality,
    /// The exchange rates' source answers 503
    FxDown,
    /// The source has no rate for one currency
    FxMissingCurrency,
    /// Slack answers 503
    SlackDown,
    /// Two Glue jobs fail once, after they have written
    GlueFlaky,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let date = run_date(arguments.date)?;
    let progress = Progress::new();
    let started = Instant::now();
    let setup = Setup {
        deployment: arguments.deployment,
        date,
        approvals: arguments.approvals,
        approval_seconds: arguments.approval_seconds,
        extension_seconds: arguments.extension_seconds,
        nights_at_once: 1,
    };
    let stack = Stack::up(&progress, &setup)?;
    if arguments.idle {
        if let Some(file) = &arguments.json {
            fs::write(file, stack.addresses.endpoint()).with_context(|| format!("cannot write {}", file.display()))?;
        }
        stay_up(&stack, &progress);
        return Ok(ExitCode::SUCCESS);
    }

    stack.addresses.set_fault(arguments.deployment, arguments.fault)?;
    let raw = if let Some(folder) = &arguments.data {
        folder.clone()
    } else {
        let is_broken = arguments.fault == Some(Fault::Quality);
        generate_raw(&stack, &progress, &Day { date, orders: arguments.orders, is_broken })?
    };
    upload_raw(&stack, &progress, &raw)?;
    progress.line("");
    progress.line(format!("  {} {}", style("The night of").bold(), style(date.strftime("%A %-d %B %Y")).bold()));
    let mut night = Night::start(&stack, date, arguments)?;
    let timeline = night.follow(&stack, &progress, arguments)?;
    // The next night on this stack starts without this one's faults.
    stack.addresses.set_fault(arguments.deployment, None)?;

    let report = Report { stack: &stack, night: &night, timeline: &timeline, raw: &raw, date, took: started.elapsed() };
    report.print(&progress)?;
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&report.json()?)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let attended = !arguments.approve && arguments.reject.is_none() && progress.is_terminal();
    if stack.owned() && (arguments.keep || attended) {
        open_in_browser(&stack.status_page());
        stay_up(&stack, &progress);
    }
    Ok(timeline.exit_code())
}

/// One execution of the state machine.
struct Night {
    execution: String,
    questions: Questions,
    started: Instant,
}

impl Night {
    fn start(stack: &Stack, date: Date, arguments: &Arguments) -> Result<Self> {
        let input = match &arguments.input {
            Some(input) => serde_json::from_str(input).context("--input is no JSON")?,
            // Whoever starts a night by hand can't be the only one who approves it, so they say who they are.
            None => json!({
                "runDate": date.to_string(), "startedBy": arguments.started_by, "force": arguments.force,
                "skipApproval": arguments.skip_approval, "skipPublish": arguments.skip_publish, "skipNotify": arguments.skip_notify,
            }),
        };
        let questions = Questions::from_now_on(stack);
        let execution = stack.start(stack.outputs.value("StateMachineArn")?, &input)?;
        Ok(Self { execution, questions, started: Instant::now() })
    }

    /// Shows the night until it ends; answers the mail when that was asked for.
    fn follow(&mut self, stack: &Stack, progress: &Progress, arguments: &Arguments) -> Result<Timeline> {
        let mut live = Live::new(progress);
        loop {
            let timeline = timeline(stack, Plan::of_the_night(), &self.execution)?;
            live.show(&timeline);
            stack.measure_memory();
            if timeline.ended() {
                live.finish();
                return Ok(timeline);
            }
            self.questions.see(stack, &self.execution)?;
            match &arguments.reject {
                // One rejection is enough.
                Some(reason) => self.questions.answer(1, &[("decision", "reject"), ("reason", reason.as_str())])?,
                None if arguments.approve => self.questions.answer(arguments.approvals as usize, &APPROVE)?,
                None => self.questions.tell_the_new(stack, progress, arguments.approvals),
            }
            if let Err(stopped) = process::pause(Duration::from_millis(400)) {
                live.finish();
                stack.stop(&self.execution);
                return Err(stopped);
            }
        }
    }
}

/// What an execution says of itself, in the steps of its definition's plan.
pub fn timeline(stack: &Stack, plan: &Plan, execution: &str) -> Result<Timeline> {
    let client = stack.client();
    let description = client.call("states", "AWSStepFunctions.DescribeExecution", &json!({"executionArn": execution}))?;
    let mut events = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut request = json!({"executionArn": execution, "maxResults": 1000});
        if !token.is_null() {
            request["nextToken"] = token;
        }
        let mut page = client.call("states", "AWSStepFunctions.GetExecutionHistory", &request)?;
        events.extend(page["events"].as_array_mut().map(std::mem::take).unwrap_or_default());
        token = page["nextToken"].take();
        if token.is_null() {
            break;
        }
    }
    Timeline::read(plan, &description, &events)
}

/// What is left to say when a night has ended.
struct Report<'a> {
    stack: &'a Stack,
    night: &'a Night,
    timeline: &'a Timeline,
    raw: &'a Path,
    date: Date,
    took: Duration,
}

impl Report<'_> {
    fn print(&self, progress: &Progress) -> Result<()> {
        let addresses = &self.stack.addresses;
        progress.line("");
        let night = written(self.night.started.elapsed());
        progress.line(format!("  {}  {}", self.timeline.headline(), style(format!("night {night}, all {}", written(self.took))).dim()));
        if let Some(cause) = self.timeline.cause() {
            progress.line(format!("  {cause}"));
        }
        progress.line("");
        let bucket = |name: &str| -> Result<PathBuf> { Ok(addresses.bucket(self.stack.outputs.value(name)?)) };
        let table = bucket("WarehouseBucket")?.join(self.stack.outputs.value("CuratedTable")?).join(format!("order_date={}", self.date));
        if self.timeline.published() {
            progress.line(format!("  {}  {}", style("table      ").dim(), table.display()));
            progress.line(format!("  {}  {}", style("status page").dim(), bucket("SiteBucket")?.join("index.html").display()));
        }
        progress.line(format!("  {}  {}", style("inbox      ").dim(), addresses.inbox().display()));
        progress.line(format!("  {}  {}", style("logs       ").dim(), addresses.folder().join("logs").display()));
        let megabytes = self.stack.peak_memory() / 1_000_000;
        progress.line(format!(
            "  {}",
            style(format!("{} transitions, at most {megabytes} MB of memory for the whole local stack", self.timeline.transitions())).dim()
        ));
        Ok(())
    }

    fn json(&self) -> Result<Value> {
        let addresses = &self.stack.addresses;
        let outputs = &self.stack.outputs;
        Ok(json!({
            "date": self.date.to_string(),
            "execution": self.night.execution,
            "seconds": {"night": self.night.started.elapsed().as_secs_f64(), "all": self.took.as_secs_f64()},
            "memoryBytes": self.stack.peak_memory(),
            "raw": self.raw,
            "endpoint": addresses.endpoint(),
            "stateMachine": outputs.value("StateMachineArn")?,
            "inbox": addresses.inbox(),
            "logs": addresses.folder().join("logs"),
            "warehouse": addresses.bucket(outputs.value("WarehouseBucket")?),
            "work": addresses.bucket(outputs.value("WorkBucket")?),
            "site": addresses.bucket(outputs.value("SiteBucket")?),
            "table": outputs.value("CuratedTable")?,
            "database": outputs.value("Database")?,
            "night": self.timeline.json(),
        }))
    }
}

pub fn open_in_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let display = cfg!(target_os = "macos") || paths::variable("DISPLAY").is_some() || paths::variable("WAYLAND_DISPLAY").is_some();
    if display && let Some(opener) = paths::find_executable(opener) {
        // Without a browser the address still stands on the terminal.
        let _ = Command::new(opener).arg(url).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_the_names_that_the_issue_tracker_and_the_local_world_use() {
        let names: Vec<_> =
            Fault::value_variants().iter().filter_map(|fault| Some(fault.to_possible_value()?.get_name().to_owned())).collect();
        assert_eq!(names, ["quality", "fx-down", "fx-missing-currency", "slack-down", "glue-flaky"]);
    }
}
