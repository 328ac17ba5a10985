//! `cargo xtask night`: one whole night on a local AWS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use console::style;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::{self, Outputs, Parameters};
use crate::environment::{self, Environment};
use crate::process::{self, Server, run_logged};
use crate::progress::{Progress, written};
use crate::stack::{Addresses, Announcement};
use crate::timeline::{Live, Timeline};
use crate::{functions, mail, paths};

/// Who is asked on the local night, and who may be asked in their place.
const APPROVERS: [&str; 2] = ["a.berg@nordvik.example", "b.osei@nordvik.example"];
const DEPUTIES: [&str; 1] = ["d.lind@nordvik.example"];
const SITE_BUCKET: &str = "nightly-warehouse-site-000000000000";

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
    let stack = Stack::up(&progress, date, arguments)?;
    if arguments.idle {
        if let Some(file) = &arguments.json {
            fs::write(file, stack.addresses.endpoint()).with_context(|| format!("cannot write {}", file.display()))?;
        }
        stay_up(&stack, &progress);
        return Ok(ExitCode::SUCCESS);
    }

    stack.addresses.set_fault(arguments.fault)?;
    let raw = load_raw(&stack, &progress, date, arguments)?;
    progress.line("");
    progress.line(format!("  {} {}", style("The night of").bold(), style(date.strftime("%A %-d %B %Y")).bold()));
    let night = Night::start(&stack, date, arguments)?;
    let timeline = night.follow(&stack, &progress, arguments)?;
    // The next night on this stack starts without this one's faults.
    stack.addresses.set_fault(None)?;

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

/// A day that is over, or a complaint before anything is started.
fn run_date(wanted: Option<Date>) -> Result<Date> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where a night learns what day it is")]
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let date = wanted.unwrap_or(today - 1.day());
    if date >= today {
        bail!("--date {date}: that day is not over yet (it is {today} UTC); the latest run date is {}", today - 1.day());
    }
    Ok(date)
}

/// A deployed stack on a local AWS, ours or one that was found running.
struct Stack {
    addresses: Addresses,
    outputs: Outputs,
    spark: Environment,
    peak_memory: std::cell::Cell<u64>,
    // What is above may be read until the last moment; the servers stop when these go.
    _announcement: Option<Announcement>,
    servers: Vec<Server>,
}

impl Stack {
    /// Environments, functions, servers and deployment, side by side where nothing waits for the other.
    fn up(progress: &Progress, date: Date, arguments: &Arguments) -> Result<Self> {
        let found = Addresses::running();
        let mut addresses = found.clone().map_or_else(Addresses::fresh, Ok)?;
        if found.is_some() {
            progress.line(format!("  {} the local AWS is up already at {}", style("✓").green(), addresses.endpoint()));
        }
        let built = |profile| -> Result<_> {
            let stage = progress.stage("Rust functions");
            let binaries = functions::build(profile, &stage)?;
            let (packages, changed) = functions::package(&binaries, &paths::night().join("functions"))?;
            stage.done(&format!("{} functions, {changed} changed", packages.len()));
            Ok(packages)
        };
        let world = || -> Result<Vec<Server>> {
            let environment = Environment::ready(&environment::EMULATOR, progress)?;
            let stage = progress.stage("Local AWS");
            let step_functions = functions::build_step_functions(&stage)?;
            let outside = addresses.start_outside(&environment, &date.to_string())?;
            let emulator = addresses.start_emulator(&environment, &step_functions)?;
            stage.done(&addresses.endpoint());
            Ok(vec![outside, emulator])
        };
        let warm = |spark: &Environment| -> Result<Server> {
            let stage = progress.stage("Spark");
            let server = addresses.start_spark(spark)?;
            stage.done("one warm session for all Glue jobs");
            Ok(server)
        };

        let (packages, sam, spark, servers) = std::thread::scope(|scope| -> Result<_> {
            let packages = scope.spawn(|| built("dev"));
            let sam = scope.spawn(|| Environment::ready(&environment::SAM, progress));
            let spark = scope.spawn(|| -> Result<_> {
                let spark = Environment::ready(&environment::SPARK, progress)?;
                let server = if found.is_none() { Some(warm(&spark)?) } else { None };
                Ok((spark, server))
            });
            let world = scope.spawn(|| if found.is_none() { world() } else { Ok(Vec::new()) });
            let mut servers = joined(world)?;
            let packages = joined(packages)?;
            let sam = joined(sam)?;
            let (spark, server) = joined(spark)?;
            servers.extend(server);
            Ok((packages, sam, spark, servers))
        })?;
        let announcement = if servers.is_empty() { None } else { Some(addresses.announce(&servers)?) };

        let stage = progress.stage("sam deploy");
        let parameters = Parameters {
            approvers: APPROVERS.map(str::to_owned).to_vec(),
            deputies: DEPUTIES.map(str::to_owned).to_vec(),
            required_approvals: arguments.approvals,
            approval_seconds: arguments.approval_seconds,
            extension_seconds: arguments.extension_seconds.unwrap_or_else(|| (arguments.approval_seconds / 4).min(900)),
            outside: addresses.outside_url(),
            status_page: format!("{}/{SITE_BUCKET}/index.html", addresses.endpoint()),
        };
        let outputs = deploy::deploy(&sam, &addresses.client(), &addresses.endpoint(), &packages, &parameters, addresses.folder(), &stage)?;
        stage.done("template.yaml onto the local AWS");
        Ok(Self { addresses, outputs, spark, peak_memory: std::cell::Cell::new(0), _announcement: announcement, servers })
    }

    /// Whether we started it, and so stop it.
    fn owned(&self) -> bool {
        !self.servers.is_empty()
    }

    fn client(&self) -> Client {
        self.addresses.client()
    }

    fn status_page(&self) -> String {
        format!("{}/{SITE_BUCKET}/index.html", self.addresses.endpoint())
    }

    fn measure_memory(&self) {
        self.peak_memory.set(self.peak_memory.get().max(self.addresses.memory()));
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Puts a day of raw files into the raw bucket, and says where they were made.
fn load_raw(stack: &Stack, progress: &Progress, date: Date, arguments: &Arguments) -> Result<PathBuf> {
    let bucket = stack.outputs.value("RawBucket")?;
    let folder = match &arguments.data {
        Some(folder) => folder.clone(),
        None => generate_raw(stack, progress, date, arguments)?,
    };
    let stage = progress.stage("Raw files into the raw bucket");
    let client = stack.client();
    let mut files = Vec::new();
    collect_files(&folder, &mut files).with_context(|| format!("cannot list {}", folder.display()))?;
    for (done, file) in files.iter().enumerate() {
        let key = file.strip_prefix(&folder)?.to_string_lossy().into_owned();
        stage.at(done as u64, files.len() as u64);
        client.upload(bucket, &key, file)?;
    }
    stage.done(&format!("{} files", files.len()));
    Ok(folder)
}

fn generate_raw(stack: &Stack, progress: &Progress, date: Date, arguments: &Arguments) -> Result<PathBuf> {
    let folder = stack.addresses.folder().join("raw");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let stage = progress.stage("A day of TPC-DS orders and inventory");
    let mut generate = stack.spark.python();
    generate.current_dir(paths::workspace().join("local")).args(["-m", "data", "--run-date", &date.to_string()]);
    generate.args(["--orders", &arguments.orders.to_string()]).arg("--out").arg(&folder).arg("--cache").arg(paths::cache()?.join("tpcds"));
    if arguments.fault == Some(Fault::Quality) {
        generate.args(["--fault", "quality"]);
    }
    run_logged("generating a day of orders", &mut generate, &stack.addresses.log("data.log"), |line| stage.say(line))?;
    stage.done("");
    Ok(folder)
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// One execution of the state machine.
struct Night {
    execution: String,
    mails_before: Vec<PathBuf>,
    started: Instant,
}

impl Night {
    fn start(stack: &Stack, date: Date, arguments: &Arguments) -> Result<Self> {
        let input = arguments.input.clone().unwrap_or_else(|| {
            // Whoever starts a night by hand can't be the only one who approves it, so they say who they are.
            json!({"runDate": date.to_string(), "startedBy": arguments.started_by, "force": arguments.force}).to_string()
        });
        let mails_before = mail::files(&stack.addresses.inbox());
        let answer = stack.client().call(
            "states",
            "AWSStepFunctions.StartExecution",
            &json!({"stateMachineArn": stack.outputs.value("StateMachineArn")?, "input": input}),
        )?;
        let execution = answer["executionArn"].as_str().context("StartExecution named no execution")?.to_owned();
        Ok(Self { execution, mails_before, started: Instant::now() })
    }

    /// Shows the night until it ends; answers the mail when that was asked for.
    fn follow(&self, stack: &Stack, progress: &Progress, arguments: &Arguments) -> Result<Timeline> {
        let mut live = Live::new(progress);
        let mut told = false;
        // One rejection is enough.
        let wanted = if arguments.reject.is_some() { 1 } else { arguments.approvals as usize };
        let mut answered = 0;
        loop {
            let timeline = self.timeline(stack)?;
            live.show(&timeline);
            stack.measure_memory();
            if timeline.ended() {
                live.finish();
                return Ok(timeline);
            }
            let links = self.links(stack)?;
            if !told && links.len() == APPROVERS.len() {
                told = true;
                if !arguments.approve && arguments.reject.is_none() {
                    show_question(stack, progress, &links, arguments.approvals);
                }
            }
            if answered < wanted
                && let Some((_, link)) = links.get(answered)
                && answer(link, arguments)?
            {
                answered += 1;
            }
            if let Err(stopped) = process::pause(Duration::from_millis(400)) {
                live.finish();
                self.stop(stack);
                return Err(stopped);
            }
        }
    }

    fn timeline(&self, stack: &Stack) -> Result<Timeline> {
        let client = stack.client();
        let description = client.call("states", "AWSStepFunctions.DescribeExecution", &json!({"executionArn": self.execution}))?;
        let mut events = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut request = json!({"executionArn": self.execution, "maxResults": 1000});
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
        Timeline::read(&description, &events)
    }

    /// Each approver's own link, as it was first mailed, in the order in which they are named.
    fn links(&self, stack: &Stack) -> Result<Vec<(String, String)>> {
        let mails = mail::since(&stack.addresses.inbox(), &self.mails_before)?;
        let first = |approver: &&str| mails.iter().filter(|mail| mail.to == **approver).find_map(|mail| mail.link());
        Ok(APPROVERS.iter().filter_map(|approver| Some(((*approver).to_owned(), first(approver)?.to_owned()))).collect())
    }

    /// Ends the execution, so that nothing goes on behind our back.
    fn stop(&self, stack: &Stack) {
        let stop = json!({"executionArn": self.execution, "error": "Interrupted", "cause": "Ctrl-C on the local night"});
        // The servers stop next; that ends it too.
        let _ = stack.client().call("states", "AWSStepFunctions.StopExecution", &stop);
    }
}

fn show_question(stack: &Stack, progress: &Progress, links: &[(String, String)], approvals: u32) {
    progress.line("");
    let needed = match approvals {
        1 => "one approval is enough",
        _ => "both approvals are needed",
    };
    progress.line(format!("  {} Open the mailed links and decide; {needed}:", style("?").blue().bold()));
    for (to, link) in links {
        progress.line(format!("    {}", style(to).dim()));
        progress.line(format!("    {}", style(link).underlined()));
    }
    progress.line(format!("    {}  {}", style("inbox").dim(), style(stack.addresses.outside_url()).underlined()));
    progress.line("");
}

/// Presses the button that the arguments ask for; says whether one was pressed.
fn answer(link: &str, arguments: &Arguments) -> Result<bool> {
    let fields = match (&arguments.reject, arguments.approve) {
        (Some(reason), _) => vec![("decision", "reject"), ("reason", reason.as_str())],
        (None, true) => vec![("decision", "approve"), ("seen", "yes"), ("comment", "approved unattended")],
        (None, false) => return Ok(false),
    };
    let (status, page) = Client::submit_form(link, &fields)?;
    if !(200..400).contains(&status) {
        bail!("the approval page answered {status} to the decision: {page}");
    }
    Ok(true)
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
        let megabytes = self.stack.peak_memory.get() / 1_000_000;
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
            "memoryBytes": self.stack.peak_memory.get(),
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

fn open_in_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let display = cfg!(target_os = "macos") || paths::variable("DISPLAY").is_some() || paths::variable("WAYLAND_DISPLAY").is_some();
    if display && let Some(opener) = paths::find_executable(opener) {
        // Without a browser the address still stands on the terminal.
        let _ = Command::new(opener).arg(url).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    }
}

/// Keeps the servers until somebody presses Ctrl-C.
fn stay_up(stack: &Stack, progress: &Progress) {
    progress.line("");
    progress.line(format!("  {}  {}", style("status page").dim(), style(stack.status_page()).underlined()));
    progress.line(format!("  {}  {}", style("inbox      ").dim(), style(stack.addresses.outside_url()).underlined()));
    progress.line(format!("  {}  {}", style("local AWS  ").dim(), style(stack.addresses.endpoint()).underlined()));
    progress.line(format!("  {}", style("Everything stays up until Ctrl-C.").bold()));
    while process::pause(Duration::from_millis(200)).is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_is_not_over_is_refused_with_the_latest_that_is() {
        let error = run_date(Some(jiff::civil::date(9000, 1, 1))).unwrap_err().to_string();
        assert!(error.contains("9000-01-01") && error.contains("not over yet"), "{error}");
        assert_eq!(run_date(Some(jiff::civil::date(2026, 11, 20))).unwrap(), jiff::civil::date(2026, 11, 20));
    }

    #[test]
    fn faults_have_the_names_that_the_issue_tracker_and_the_local_world_use() {
        let names: Vec<_> =
            Fault::value_variants().iter().filter_map(|fault| Some(fault.to_possible_value()?.get_name().to_owned())).collect();
        assert_eq!(names, ["quality", "fx-down", "fx-missing-currency", "slack-down", "glue-flaky"]);
    }
}
