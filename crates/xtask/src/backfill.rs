//! `cargo xtask backfill`: many days on a local AWS, one night each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use console::{pad_str, style};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::ToSpan;
use jiff::civil::Date;
use nightly_domain::plan::Plan;
use serde_json::{Value, json};

use crate::deploy::Deployment;
use crate::local::{Day, Setup, Stack, generate_raw, run_date, stay_up, upload_raw};
use crate::night::{open_in_browser, timeline};
use crate::process;
use crate::progress::{Progress, written};
use crate::questions::{APPROVE, Questions};

/// The exit code is 0 where every date that was to be built is published, or was left to whoever builds it; 3 where one failed, or the
/// batch was not approved; 1 for a failure of the backfill itself.
#[derive(Args)]
pub struct Arguments {
    /// The first run date
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// The last run date
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// Which of the dates are built
    #[arg(long, value_enum, default_value_t = Which::Missing)]
    which: Which,
    /// Only tell what would be built
    #[arg(long)]
    dry_run: bool,
    /// How many nights run at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10), value_name = "N")]
    at_most: u32,
    /// Begin with the last date
    #[arg(long)]
    newest_first: bool,
    /// Ask before each date is published, or once for all
    #[arg(long, value_enum, default_value_t = Approval::Each)]
    approval: Approval,
    /// Approve unattended, by pressing the button behind as many mailed links as are needed
    #[arg(long)]
    approve: bool,
    /// How many order lines a day has
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    orders: u32,
    /// How many of the two approvers must approve
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2), value_name = "N")]
    approvals: u32,
    /// A date whose orders break quality rules
    #[arg(long, value_name = "YYYY-MM-DD")]
    broken: Vec<Date>,
    /// Write what happened to this file
    #[arg(long, hide = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Those that were never built, or are being built
    Missing,
    /// Those whose night did not end well
    Failed,
    /// All of them; published ones again
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Approval {
    /// Each night asks
    Each,
    /// One question for all of them
    Batch,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let last = run_date(Some(arguments.to))?;
    if arguments.from > last {
        bail!("--from {} is later than --to {last}", arguments.from);
    }
    let progress = Progress::new();
    let setup = Setup {
        deployment: Deployment::Local,
        date: last,
        approvals: arguments.approvals,
        approval_seconds: 3600,
        extension_seconds: None,
        nights_at_once: arguments.at_most,
    };
    let stack = Stack::up(&progress, &setup)?;
    if !arguments.dry_run {
        for date in arguments.from.series(1.day()).take_while(|date| *date <= last) {
            let day = Day { date, orders: arguments.orders, is_broken: arguments.broken.contains(&date) };
            let raw = generate_raw(&stack, &progress, &day)?;
            upload_raw(&stack, &progress, &raw)?;
        }
    }

    progress.line("");
    progress.line(format!("  {}", style(format!("The nights from {} to {last}", arguments.from)).bold()));
    let mut backfill = Backfill::start(&stack, arguments)?;
    let ended = backfill.follow(&stack, &progress, arguments)?;
    print(&progress, &ended, backfill.started.elapsed());
    if let Some(file) = &arguments.json {
        let report = json!({"execution": backfill.execution, "endpoint": stack.addresses.endpoint(), "inbox": stack.addresses.inbox(), "ended": ended});
        fs::write(file, serde_json::to_vec_pretty(&report)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if stack.owned() && !arguments.approve && progress.is_terminal() {
        open_in_browser(&stack.status_page());
        stay_up(&stack, &progress);
    }
    Ok(exit_code(&ended))
}

/// One execution of the backfill's state machine.
struct Backfill {
    execution: String,
    questions: Questions,
    started: Instant,
}

impl Backfill {
    fn start(stack: &Stack, arguments: &Arguments) -> Result<Self> {
        let input = json!({
            "from": arguments.from.to_string(),
            "to": arguments.to.to_string(),
            "which": match arguments.which {
                Which::Missing => "missing",
                Which::Failed => "failed",
                Which::All => "all",
            },
            "dryRun": arguments.dry_run,
            "atMost": arguments.at_most,
            "order": if arguments.newest_first { "NEWEST_FIRST" } else { "OLDEST_FIRST" },
            "approval": match arguments.approval {
                Approval::Each => "EACH",
                Approval::Batch => "BATCH",
            },
            // Whoever starts nights by hand can't be the only one who approves them, so they say who they are.
            "startedBy": "cargo xtask backfill",
        });
        let questions = Questions::from_now_on(stack);
        let execution = stack.start(stack.outputs.value("BackfillStateMachineArn")?, &input)?;
        Ok(Self { execution, questions, started: Instant::now() })
    }

    /// Shows the nights until the last of them has ended; answers the mails when that was asked for. Gives the execution as it ended.
    fn follow(&mut self, stack: &Stack, progress: &Progress, arguments: &Arguments) -> Result<Value> {
        let mut lines = Lines::new(progress);
        loop {
            let described =
                stack.client().call("states", "AWSStepFunctions.DescribeExecution", &json!({"executionArn": self.execution}))?;
            lines.show(stack, &self.nights(stack)?)?;
            if described["status"] != "RUNNING" {
                return Ok(described);
            }
            self.questions.see(stack, &self.execution)?;
            if arguments.approve {
                self.questions.answer(arguments.approvals as usize, &APPROVE)?;
            } else {
                self.questions.tell_the_new(stack, progress, arguments.approvals);
            }
            stack.measure_memory();
            if let Err(stopped) = process::pause(Duration::from_millis(400)) {
                stack.stop(&self.execution);
                return Err(stopped);
            }
        }
    }

    /// The nights that it has started so far: date, execution and status.
    fn nights(&self, stack: &Stack) -> Result<BTreeMap<String, (String, String)>> {
        let (_, name) = self.execution.rsplit_once(':').context("an execution's ARN ends with its name")?;
        let mut nights = BTreeMap::new();
        let mut request = json!({"stateMachineArn": stack.outputs.value("StateMachineArn")?, "maxResults": 1000});
        loop {
            let mut page = stack.client().call("states", "AWSStepFunctions.ListExecutions", &request)?;
            for night in page["executions"].as_array().into_iter().flatten() {
                let text = |field: &str| night[field].as_str().unwrap_or_default().to_owned();
                if let Some(date) = text("name").strip_suffix(name).and_then(|date| date.strip_suffix('-')) {
                    nights.insert(date.to_owned(), (text("executionArn"), text("status")));
                }
            }
            match page["nextToken"].take() {
                Value::Null => return Ok(nights),
                token => request["nextToken"] = token,
            }
        }
    }
}

/// A line for each night: what it does while it runs, and how it ended.
struct Lines<'a> {
    progress: &'a Progress,
    running: BTreeMap<String, ProgressBar>,
    ended: BTreeSet<String>,
}

impl<'a> Lines<'a> {
    fn new(progress: &'a Progress) -> Self {
        Self { progress, running: BTreeMap::new(), ended: BTreeSet::new() }
    }

    fn show(&mut self, stack: &Stack, nights: &BTreeMap<String, (String, String)>) -> Result<()> {
        for (date, (execution, status)) in nights {
            if self.ended.contains(date) {
                continue;
            }
            let night = timeline(stack, Plan::of_the_night(), execution)?;
            if status == "RUNNING" {
                let bars = self.progress.bars();
                let bar = self.running.entry(date.clone()).or_insert_with(|| {
                    let template = "  {spinner:.blue} {msg}  {elapsed:.dim}";
                    let style = ProgressStyle::with_template(template).expect("the template is fixed");
                    let bar = bars.add(ProgressBar::new_spinner().with_style(style));
                    bar.enable_steady_tick(Duration::from_millis(120));
                    bar
                });
                bar.set_message(format!("{date}  {}", style(pad_str(&night.at(), 22, console::Alignment::Left, None)).dim()));
                continue;
            }
            self.ended.insert(date.clone());
            if let Some(bar) = self.running.remove(date) {
                bar.finish_and_clear();
            }
            self.progress.line(format!("  {}  {date}", night.headline()));
        }
        Ok(())
    }
}

/// What became of each date, and of all of them.
fn print(progress: &Progress, ended: &Value, took: Duration) {
    progress.line("");
    let took = style(written(took)).dim().to_string();
    let Some(summary) = summary(ended) else {
        let error = ended["error"].as_str().or(ended["status"].as_str()).unwrap_or_default();
        progress.line(format!("  {} {}  {took}", style("✗").red().bold(), style(error).bold()));
        progress.line(format!("  {}", ended["cause"].as_str().unwrap_or_default()));
        return;
    };
    for date in summary["dates"].as_array().into_iter().flatten() {
        progress.line(format!("  {}", line(date)));
    }
    progress.line("");
    let count = |name: &str| summary[name].as_u64().unwrap_or_default();
    progress.line(match summary["outcome"].as_str() {
        Some("DRY_RUN") => format!("  {} {} of them would be built  {took}", style("◌").bold(), count("wouldRun")),
        outcome => {
            let mark = if outcome == Some("COMPLETE") { style("✓").green() } else { style("■").yellow() };
            let counts = format!(
                "{} published, {} skipped, {} failed, {} left alone",
                count("published"),
                count("skipped"),
                count("failed"),
                count("leftAlone")
            );
            format!("  {} {}  {took}", mark.bold(), style(counts).bold())
        }
    });
}

fn line(date: &Value) -> String {
    let text = |name: &str| date[name].as_str().unwrap_or_default();
    let run_date = text("runDate");
    if let Some(runs) = date["runs"].as_bool() {
        let verb = if runs { "would be built" } else { "left alone" };
        return format!("{} {run_date}  {:<15} {verb}", style("◌").dim(), text("status"));
    }
    match text("outcome") {
        "PUBLISHED" => format!("{} {run_date}  published, {} rows", style("✓").green(), date["rows"]),
        "SKIPPED" => format!("{} {run_date}  skipped: {}", style("■").yellow(), text("reason")),
        outcome => {
            let error = Some(text("error")).filter(|error| !error.is_empty()).unwrap_or(outcome);
            let cause = console::truncate_str(text("cause"), 90, "…").into_owned();
            format!("{} {run_date}  {error}  {}", style("✗").red(), style(cause).dim())
        }
    }
}

fn summary(ended: &Value) -> Option<Value> {
    serde_json::from_str(ended["output"].as_str()?).ok()
}

fn exit_code(ended: &Value) -> ExitCode {
    let deliberate = ["BackfillRejected", "BackfillExpired"].iter().any(|error| ended["error"] == *error);
    ExitCode::from(match summary(ended) {
        Some(summary) if summary["outcome"] == "INCOMPLETE" => 3,
        Some(_) => 0,
        None if deliberate => 3,
        None => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_that_built_everything_succeeds_and_one_that_did_not_says_so() {
        let ended = |outcome: &str| json!({"status": "SUCCEEDED", "output": json!({"outcome": outcome}).to_string()});
        for (ended, code) in [
            (ended("COMPLETE"), 0),
            (ended("DRY_RUN"), 0),
            (ended("INCOMPLETE"), 3),
            (json!({"status": "FAILED", "error": "BackfillRejected"}), 3),
            (json!({"status": "FAILED", "error": "InvalidBackfill"}), 1),
            (json!({"status": "ABORTED"}), 1),
        ] {
            assert_eq!(exit_code(&ended), ExitCode::from(code), "{ended}");
        }
    }
}
