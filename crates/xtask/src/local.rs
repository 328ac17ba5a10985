//! The deployed stack on the local AWS, and the raw files in it: what every command needs that runs nights.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use console::style;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::{self, Deployment, Outputs, Parameters};
use crate::environment::{self, Environment};
use crate::process::{self, Server, run_logged};
use crate::progress::Progress;
use crate::stack::{Addresses, Announcement};
use crate::{functions, paths};

/// Who is asked on the local night, and who may be asked in their place.
pub const APPROVERS: [&str; 2] = ["a.berg@nordvik.example", "b.osei@nordvik.example"];
const DEPUTIES: [&str; 1] = ["d.lind@nordvik.example"];

/// What a command asks of the stack.
pub struct Setup {
    pub deployment: Deployment,
    /// The latest day that is built: the inbox page tells its news.
    pub date: Date,
    pub approvals: u32,
    pub approval_seconds: u32,
    /// A quarter of them where nobody says it, 900 at most.
    pub extension_seconds: Option<u32>,
    pub nights_at_once: u32,
}

/// A day that is over, or a complaint before anything is started.
pub fn run_date(wanted: Option<Date>) -> Result<Date> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where a night learns what day it is")]
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let date = wanted.unwrap_or(today - 1.day());
    if date >= today {
        bail!("{date}: that day is not over yet (it is {today} UTC); the latest run date is {}", today - 1.day());
    }
    Ok(date)
}

/// A deployed stack on a local AWS, ours or one that was found running.
pub struct Stack {
    pub addresses: Addresses,
    pub outputs: Outputs,
    pub deployment: Deployment,
    spark: Environment,
    peak_memory: std::cell::Cell<u64>,
    // What is above may be read until the last moment; the servers stop when these go.
    _announcement: Option<Announcement>,
    servers: Vec<Server>,
}

impl Stack {
    /// Environments, functions, servers and deployment, side by side where nothing waits for the other.
    pub fn up(progress: &Progress, setup: &Setup) -> Result<Self> {
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
            let step_functions = functions::build_program("step-functions", functions::among_tests(), &stage)?;
            let outside = addresses.start_outside(&environment, &setup.date.to_string())?;
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
            deployment: setup.deployment,
            approvers: APPROVERS.map(str::to_owned).to_vec(),
            deputies: DEPUTIES.map(str::to_owned).to_vec(),
            required_approvals: setup.approvals,
            approval_seconds: setup.approval_seconds,
            extension_seconds: setup.extension_seconds.unwrap_or_else(|| (setup.approval_seconds / 4).min(900)),
            nights_at_once: setup.nights_at_once,
            outside: addresses.outside_url(),
        };
        let outputs = deploy::deploy(&sam, &addresses.client(), &addresses.endpoint(), &packages, &parameters, addresses.folder(), &stage)?;
        stage.done("template.yaml onto the local AWS");
        Ok(Self {
            addresses,
            outputs,
            deployment: setup.deployment,
            spark,
            peak_memory: std::cell::Cell::new(0),
            _announcement: announcement,
            servers,
        })
    }

    /// Whether we started it, and so stop it.
    pub fn owned(&self) -> bool {
        !self.servers.is_empty()
    }

    pub fn client(&self) -> Client {
        self.addresses.client()
    }

    /// Starts an execution, and gives its ARN.
    pub fn start(&self, state_machine: &str, input: &Value) -> Result<String> {
        let start = json!({"stateMachineArn": state_machine, "input": input.to_string()});
        let answer = self.client().call("states", "AWSStepFunctions.StartExecution", &start)?;
        Ok(answer["executionArn"].as_str().context("StartExecution named no execution")?.to_owned())
    }

    /// Ends an execution, so that nothing goes on behind our back.
    pub fn stop(&self, execution: &str) {
        let stop = json!({"executionArn": execution, "error": "Interrupted", "cause": "Ctrl-C on the command that has started it"});
        // The servers stop next; that ends it too.
        let _ = self.client().call("states", "AWSStepFunctions.StopExecution", &stop);
    }

    pub fn status_page(&self) -> String {
        format!("{}/{}/index.html", self.addresses.endpoint(), self.deployment.bucket("site"))
    }

    /// The most that the whole stack held so far.
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory.get()
    }

    pub fn measure_memory(&self) {
        self.peak_memory.set(self.peak_memory.get().max(self.addresses.memory()));
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A day's raw files that somebody makes up.
pub struct Day {
    pub date: Date,
    pub orders: u32,
    /// Whether its orders break quality rules.
    pub is_broken: bool,
}

/// Makes up a day of orders and inventory, and says in which folder.
pub fn generate_raw(stack: &Stack, progress: &Progress, day: &Day) -> Result<PathBuf> {
    let folder = stack.addresses.folder().join("raw");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let stage = progress.stage("A day of TPC-DS orders and inventory");
    let mut generate = stack.spark.python();
    generate.current_dir(paths::workspace().join("local")).args(["-m", "data", "--run-date", &day.date.to_string()]);
    generate.args(["--orders", &day.orders.to_string()]).arg("--out").arg(&folder).arg("--cache").arg(paths::cache()?.join("tpcds"));
    if day.is_broken {
        generate.args(["--fault", "quality"]);
    }
    run_logged("generating a day of orders", &mut generate, &stack.addresses.log("data.log"), |line| stage.say(line))?;
    stage.done(&day.date.to_string());
    Ok(folder)
}

/// Puts a folder of raw files into the raw bucket.
pub fn upload_raw(stack: &Stack, progress: &Progress, folder: &Path) -> Result<()> {
    let bucket = stack.outputs.value("RawBucket")?;
    let stage = progress.stage("Raw files into the raw bucket");
    let client = stack.client();
    let files = files(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for (done, file) in files.iter().enumerate() {
        let key = file.strip_prefix(folder)?.to_string_lossy().into_owned();
        stage.at(done as u64, files.len() as u64);
        client.upload(bucket, &key, file)?;
    }
    stage.done(&format!("{} files", files.len()));
    Ok(())
}

/// Every file below a folder, or the file itself, in their order.
pub fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        // What Python leaves of a module that was imported is no source.
        if path.file_name().is_none_or(|name| name != "__pycache__") {
            files.extend(self::files(&path)?);
        }
    }
    files.sort();
    Ok(files)
}

/// Keeps the servers until somebody presses Ctrl-C.
pub fn stay_up(stack: &Stack, progress: &Progress) {
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
}
