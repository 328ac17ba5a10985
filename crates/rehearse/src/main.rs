//! Rehearses nights and reports what came of them. `cargo xtask rehearse` builds and runs it.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use nightly_asl::check::{self, Finding, Kind};
use nightly_pages::written;
use nightly_rehearsal::Rehearsal;
use rehearse::brought::{Brought, Refused};
use rehearse::price::Prices;
use rehearse::report::{self, Report};
use rehearse::run::{Stage, run};
use rehearse::{replay, tasks};
use rust_decimal::Decimal;

/// Half of a night is making and dropping small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rehearses thousands of nights in virtual time, with faults, and reports what came of them.
#[derive(Parser)]
#[command(name = "cargo xtask rehearse")]
struct Arguments {
    /// A definition of your own; without it, our night is rehearsed
    #[arg(long, value_name = "FILE")]
    definition: Option<PathBuf>,
    /// What its tasks do; docs/rehearsal.md explains the file
    #[arg(long, value_name = "TOML", requires = "definition")]
    tasks: Option<PathBuf>,
    /// Print a TOML to begin with, written from the definition
    #[arg(long, requires = "definition", conflicts_with_all = ["tasks", "replay"])]
    tasks_template: bool,
    /// How many nights
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    nights: u64,
    /// The first night's seed; the next night has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Show the night of this seed, with every event, instead of a report
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// Where the report goes
    #[arg(long, value_name = "HTML", default_value = "target/rehearsal.html")]
    report: PathBuf,
    /// Dollars for a DPU-hour of Glue
    #[arg(long, value_name = "DOLLARS", default_value = "0.44")]
    dpu_hour_price: Decimal,
    /// Dollars for a thousand state transitions
    #[arg(long, value_name = "DOLLARS", default_value = "0.025")]
    transitions_price: Decimal,
    /// How many nights a month has, for the prices
    #[arg(long, value_name = "NIGHTS", default_value_t = 30)]
    nights_a_month: u32,
    /// How many threads; as many as there are cores, if it isn't said
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

fn main() -> ExitCode {
    match rehearse(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{} {error:#}", style("✗").red().bold());
            ExitCode::FAILURE
        }
    }
}

fn rehearse(arguments: &Arguments) -> Result<ExitCode> {
    let brought = arguments.definition.as_deref().map(|path| Texts::read(path, arguments)).transpose()?;
    if arguments.tasks_template
        && let Some(texts) = &brought
    {
        print!("{}", tasks::starter(&texts.definition, &texts.name).context("the definition is no JSON")?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(texts) = &brought
        && !texts.are_sound()
    {
        return Ok(ExitCode::FAILURE);
    }
    // Both texts were read once and found sound.
    let stage = || match &brought {
        None => Stage::Warehouse(Rehearsal::of_the_warehouse()),
        Some(texts) => Stage::Brought(texts.load().unwrap_or_else(|_| unreachable!("it was loaded before"))),
    };
    let name = brought.as_ref().map_or("nightly-warehouse", |texts| &texts.name);
    if let Some(seed) = arguments.replay {
        let night = stage().night(seed)?;
        print!("{}", replay::replay(name, &night));
        return Ok(if night.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    report(arguments, name, &stage)
}

fn report(arguments: &Arguments, name: &str, stage: &(impl Fn() -> Stage + Sync)) -> Result<ExitCode> {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = arguments.threads.unwrap_or_else(cores);
    let bar = ProgressBar::new(arguments.nights).with_style(bar_style());
    let began = Instant::now();
    let sums = run(threads, arguments.seed, arguments.nights, stage, |nights| bar.inc(nights));
    bar.finish_and_clear();
    let (sums, took) = (sums?, began.elapsed());
    let worst = sums.worst.map(|worst| stage().night(worst.seed.0)).transpose()?;
    let prices = Prices {
        thousand_transitions: arguments.transitions_price,
        dpu_hour: arguments.dpu_hour_price,
        nights_a_month: arguments.nights_a_month,
        ..Prices::default()
    };
    let command = command(arguments);
    let report = Report { name, seed: arguments.seed, command: &command, sums: &sums, worst: worst.as_ref(), prices };
    print!("{}", report::terminal(&report));
    write(&arguments.report, &report::page(&report))?;
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
    let rate = (arguments.nights as f64 / took.as_secs_f64().max(1e-3)).round() as u64;
    let speed = format!("{} nights a second, {threads} threads", written::integer(rate));
    eprintln!("\n{}  {}", arguments.report.display(), style(speed).dim());
    Ok(if sums.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Somebody's definition and its tasks, as they stand in their files.
struct Texts {
    name: String,
    definition: String,
    tasks: String,
    tasks_path: PathBuf,
}

impl Texts {
    fn read(path: &Path, arguments: &Arguments) -> Result<Self> {
        let definition = read(path)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = file.split('.').next().unwrap_or_default().to_owned();
        if arguments.tasks_template {
            return Ok(Self { name: file, definition, tasks: String::new(), tasks_path: PathBuf::new() });
        }
        let Some(tasks_path) = &arguments.tasks else {
            bail!(
                "nothing says what the tasks of {file} do: write --tasks TOML. `cargo xtask rehearse --definition {} --tasks-template` prints one to begin with",
                path.display()
            );
        };
        Ok(Self { name, definition, tasks: read(tasks_path)?, tasks_path: tasks_path.clone() })
    }

    fn load(&self) -> Result<Brought, Refused> {
        Brought::load(&self.definition, &self.tasks)
    }

    /// Says all that is wrong with the definition, then with the TOML.
    fn are_sound(&self) -> bool {
        let findings = check::template(&self.definition, Kind::Standard);
        findings.iter().for_each(tell);
        if findings.iter().any(|finding| finding.severity.prevents_running()) {
            return false;
        }
        match self.load() {
            Ok(_) => true,
            Err(Refused::Definition(findings)) => {
                findings.iter().for_each(tell);
                false
            }
            Err(Refused::Tasks(wrongs)) => {
                for wrong in wrongs {
                    eprintln!("{} {}:{wrong}", style("✗").red().bold(), self.tasks_path.display());
                }
                false
            }
        }
    }
}

fn tell(finding: &Finding) {
    let mark = if finding.severity.prevents_running() { style("✗").red().bold() } else { style("!").yellow().bold() };
    eprintln!("{mark} {}: {} ({})\n    {}", finding.location, finding.message, finding.code, finding.hint);
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// How this was called, as far as another call needs it.
fn command(arguments: &Arguments) -> String {
    let mut command = "cargo xtask rehearse".to_owned();
    for (name, path) in [("--definition", &arguments.definition), ("--tasks", &arguments.tasks)] {
        if let Some(path) = path {
            command.extend([" ", name, " ", &path.to_string_lossy()]);
        }
    }
    command
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "  {spinner:.blue} rehearsing  {bar:24.blue/dim} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta:.dim}",
    )
    .expect("the template is fixed")
}
