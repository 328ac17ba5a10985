//! `cargo xtask mutants`: breaks the approval's rules in one small way after the other, and looks whether a test notices.
//!
//! cargo-mutants does it, in copies of the workspace below `target/mutants` that keep their builds from run to run. Which files are broken,
//! and which changes nobody could notice, stands in `.cargo/mutants.toml`.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use console::style;
use serde::Deserialize;

use crate::process::{self, run_logged};
use crate::progress::Progress;
use crate::{paths, tools};

#[derive(Args)]
pub struct Arguments {
    /// Try every mutant, not an even sample of them
    #[arg(long)]
    exhaustive: bool,
    /// Only the mutants whose name matches, as `cargo mutants --list` writes it
    #[arg(value_name = "REGEX")]
    only: Option<String>,
}

/// How many mutants the sample has, at most. Two cores try it in less than two minutes, and so the normal test run can have it.
const SAMPLE: usize = 80;

/// What the copies are made of: the crates under test, and the files that their tests read.
const COPIED: [&str; 7] = ["Cargo.toml", "Cargo.lock", ".cargo", "crates", "examples", "statemachine", "tests"];

/// The form is parsed by one file that needs no AWS. On its own it is built in a second, with its crate in minutes.
const FORM_ALONE: (&str, &str) = (
    "crates/approval-callback/Cargo.toml",
    r#"[package]
name = "approval-callback"
version.workspace = true
edition.workspace = true

[lib]
path = "src/form.rs"

[dependencies]
form_urlencoded.workspace = true
jiff.workspace = true
nightly-domain.workspace = true
"#,
);

/// What became of the mutants, as cargo-mutants writes it into `outcomes.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Outcomes {
    total_mutants: u64,
    /// No test noticed.
    missed: u64,
    caught: u64,
    /// The tests did not end.
    timeout: u64,
    /// The compiler noticed.
    unviable: u64,
}

impl Outcomes {
    fn and(self, other: Self) -> Self {
        Self {
            total_mutants: self.total_mutants + other.total_mutants,
            missed: self.missed + other.missed,
            caught: self.caught + other.caught,
            timeout: self.timeout + other.timeout,
            unviable: self.unviable + other.unviable,
        }
    }

    fn survived(self) -> u64 {
        self.total_mutants - self.caught - self.unviable
    }
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let progress = Progress::new();
    let program = tools::MUTANTS.ready(&progress)?;
    // Two runs in the same copies would take each other's mutants for their own.
    fs::create_dir_all(folder()).with_context(|| format!("cannot create {}", folder().display()))?;
    let alone = File::create(folder().join("lock"))?;
    alone.try_lock().context("another run of the mutants is under way")?;
    // A build of one crate keeps one core busy: a second lane takes half of the time off.
    let lanes: Vec<_> = (0..thread::available_parallelism().map_or(1, NonZero::get).min(4)).map(Lane::prepare).collect::<Result<_>>()?;
    let found = lanes[0].list(&program, arguments)?;
    ensure!(found > 0, "there is no such mutant");
    let stride = if arguments.exhaustive { 1 } else { found.div_ceil(SAMPLE) };
    let expected = found.div_ceil(stride);

    let stage = progress.stage(format!("{expected} of {found} mutants"));
    let tried = AtomicU64::new(0);
    let each_line = |line: &str| {
        if !["caught", "unviable", "MISSED", "TIMEOUT"].iter().any(|outcome| line.starts_with(outcome)) {
            return stage.say(line);
        }
        stage.at(tried.fetch_add(1, Ordering::Relaxed) + 1, expected as u64);
        if line.starts_with(char::is_uppercase) || !progress.is_terminal() {
            progress.line(format!("  {line}"));
        }
    };
    let results: Vec<Result<Outcomes>> = thread::scope(|scope| {
        let started: Vec<_> = lanes
            .iter()
            .map(|lane| {
                // Mutants are dealt out like cards, and of the hands only the first of each stride is played.
                let shard = format!("{}/{}", lane.number * stride, lanes.len() * stride);
                let (program, each_line) = (&program, &each_line);
                scope.spawn(move || lane.test(program, arguments, &shard, each_line))
            })
            .collect();
        started.into_iter().map(|lane| lane.join().expect("a lane does not panic")).collect()
    });
    let outcomes = results.into_iter().collect::<Result<Vec<_>>>()?.into_iter().fold(Outcomes::default(), Outcomes::and);
    ensure!(
        outcomes.total_mutants == expected as u64,
        "{} mutants were tried, not {expected} (logs: {})",
        outcomes.total_mutants,
        folder().display()
    );
    stage.done("");

    for survivor in lanes.iter().flat_map(Lane::survivors) {
        println!("  {} nothing noticed: {survivor}", style("✗").red().bold());
    }
    println!(
        "{} of {found} mutants tested: {} caught, {} unviable, {} missed, {} timeouts",
        outcomes.total_mutants, outcomes.caught, outcomes.unviable, outcomes.missed, outcomes.timeout
    );
    Ok(if outcomes.survived() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn folder() -> PathBuf {
    paths::target().join("mutants")
}

/// A copy of the workspace with a build of its own, in which one mutant at a time is tried.
struct Lane {
    number: usize,
    folder: PathBuf,
}

impl Lane {
    fn prepare(number: usize) -> Result<Self> {
        let lane = Self { number, folder: folder().join(format!("lane-{number}")) };
        for old in [lane.tree(), lane.report()] {
            if old.exists() {
                fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        for name in COPIED {
            copy(&paths::workspace().join(name), &lane.tree().join(name))?;
        }
        let (manifest, text) = FORM_ALONE;
        fs::write(lane.tree().join(manifest), text)?;
        Ok(lane)
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    fn report(&self) -> PathBuf {
        self.folder.join("mutants.out")
    }

    fn command(&self, program: &Path, arguments: &Arguments) -> Command {
        let mut mutants = Command::new(program);
        mutants.args(["mutants", "--colors", "never", "--dir"]).arg(self.tree()).current_dir(self.tree());
        if let Some(only) = &arguments.only {
            mutants.args(["--re", only]);
        }
        mutants.env("CARGO", env!("CARGO")).env("CARGO_TARGET_DIR", self.folder.join("build"));
        // Nobody debugs a mutant, and each is the one before with a line changed.
        mutants.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "1");
        mutants
    }

    /// How many mutants there are.
    fn list(&self, program: &Path, arguments: &Arguments) -> Result<usize> {
        let mut found = 0;
        let log = self.folder.join("list.log");
        run_logged("cargo mutants --list", self.command(program, arguments).arg("--list"), &log, |line| {
            found += usize::from(line.starts_with("crates/"));
        })?;
        Ok(found)
    }

    /// Tries the mutants of the shard.
    fn test(&self, program: &Path, arguments: &Arguments, shard: &str, each_line: impl FnMut(&str) + Send) -> Result<Outcomes> {
        let mut mutants = self.command(program, arguments);
        // The tree is our own copy, made anew for every run.
        mutants.args(["--in-place", "--caught", "--unviable", "--sharding", "round-robin", "--shard", shard, "--output"]).arg(&self.folder);
        let ran = run_logged("cargo mutants", &mut mutants, &self.folder.join("mutants.log"), each_line);
        process::check_interrupt()?;
        let report = self.report().join("outcomes.json");
        let outcomes = fs::read(&report).ok().map(|text| serde_json::from_slice::<Outcomes>(&text)).transpose();
        match (ran, outcomes.with_context(|| format!("cannot read {}", report.display()))?) {
            // It fails for survivors, and they are counted; it fails too for tests that are red before anything is broken.
            (Err(error), outcomes) if outcomes.is_none_or(|outcomes| outcomes.survived() == 0) => Err(error),
            (_, Some(outcomes)) => Ok(outcomes),
            // A shard can be empty.
            (_, None) => Ok(Outcomes::default()),
        }
    }

    fn survivors(&self) -> Vec<String> {
        let lines = |name: &str| fs::read_to_string(self.report().join(name)).unwrap_or_default();
        [lines("missed.txt"), lines("timeout.txt")].concat().lines().map(str::to_owned).collect()
    }
}

/// Copies a file, or a folder without what Python leaves in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
        for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let name = entry?.file_name();
            if name != "__pycache__" {
                copy(&from.join(&name), &to.join(&name))?;
            }
        }
        return Ok(());
    }
    let Some(folder) = to.parent() else { bail!("{} is no file", to.display()) };
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}
