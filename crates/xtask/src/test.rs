//! `cargo xtask test`: everything that must hold, from the format to whole nights and pages in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use console::style;

use crate::environment::{self, Environment};
use crate::process::{self, Server, run_logged};
use crate::progress::Progress;
use crate::stack::Addresses;
use crate::{functions, paths, tools};

#[derive(Args)]
pub struct Arguments {
    /// Only the checks whose name holds one of these words
    only: Vec<String>,
    /// List the checks
    #[arg(long)]
    list: bool,
    /// Also what takes long: every history of an approval that was thought of, a million rehearsed nights, and every mutant of the rules
    #[arg(long)]
    exhaustive: bool,
}

/// One check: a command that says yes or no, and often how many tests it ran.
struct Check {
    name: &'static str,
    command: fn(&Progress) -> Result<Command>,
    count: Count,
}

/// How a runner tells what passed and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    /// The command is one check.
    Whole,
    Nextest,
    Pytest,
    Mutants,
}

/// Quick ones first; what needs the local AWS stands last.
const CHECKS: &[Check] = &[
    Check { name: "format", command: |_| Ok(cargo(["fmt", "--all", "--check"])), count: Count::Whole },
    Check {
        name: "clippy",
        command: |_| Ok(cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])),
        count: Count::Whole,
    },
    Check { name: "rust", command: |progress| nextest(progress, &["--workspace"]), count: Count::Nextest },
    Check { name: "deny", command: deny, count: Count::Whole },
    Check { name: "ruff", command: |progress| linter(progress, "ruff", &["check", "glue", "local", "tests"]), count: Count::Whole },
    Check {
        name: "ruff-format",
        command: |progress| linter(progress, "ruff", &["format", "--check", "glue", "local", "tests"]),
        count: Count::Whole,
    },
    Check {
        name: "sam-validate",
        command: |progress| {
            let mut sam = Environment::ready(&environment::SAM, progress)?.executable("sam");
            sam.args(["validate", "--lint", "--template-file", "template.yaml", "--region", crate::client::REGION])
                .env("SAM_CLI_TELEMETRY", "0");
            Ok(sam)
        },
        count: Count::Whole,
    },
    Check { name: "cfn-lint", command: |progress| linter(progress, "cfn-lint", &["template.yaml", "dataset.yaml"]), count: Count::Whole },
    Check { name: "asl-validator", command: asl_validator, count: Count::Whole },
    Check {
        name: "statelint",
        command: |progress| {
            linter(progress, "python", &[&["local/lint/statelint_deployed.py", "template.yaml", "dataset.yaml"], &DEFINITIONS[..]].concat())
        },
        count: Count::Whole,
    },
    Check { name: "outside", command: |progress| pytest(progress, &environment::EMULATOR, "local", &["outside"]), count: Count::Pytest },
    Check {
        name: "spark",
        command: |progress| pytest(progress, &environment::SPARK, "local", &["../glue/tests", "spark_runner", "data"]),
        count: Count::Pytest,
    },
    Check { name: "emulator", command: emulator, count: Count::Pytest },
    Check { name: "mutants", command: |_| mutants(&[]), count: Count::Mutants },
    Check {
        name: "nights",
        command: |progress| {
            // The whole workspace, as for the other tests: a package by itself has other features, and would be built anew.
            let on_the_local_aws = "package(nightly-tests) & test(/^(canary|deliveries|nights|questions|store)::/)";
            nextest(progress, &["--workspace", "--run-ignored", "ignored-only", "--filterset", on_the_local_aws])
        },
        count: Count::Nextest,
    },
    Check { name: "browser", command: browser, count: Count::Pytest },
];

/// What takes too long for every day: it comes last, in the place of a check of that name.
const EXHAUSTIVE: &[Check] = &[
    Check {
        name: "explorations",
        command: |progress| {
            let whole = [
                "--package",
                "nightly-tests",
                "--package",
                "nightly-rehearsal",
                "--run-ignored",
                "ignored-only",
                "--filterset",
                "test(/exhaustive/)",
            ];
            nextest(progress, &[&whole[..], &["--cargo-profile", "exhaustive"]].concat())
        },
        count: Count::Nextest,
    },
    Check { name: "mutants", command: |_| mutants(&["--exhaustive"]), count: Count::Mutants },
];

const DEFINITIONS: [&str; 4] = [
    "statemachine/nightly-warehouse.asl.json",
    "statemachine/question.asl.json",
    "statemachine/backfill.asl.json",
    "statemachine/dataset.asl.json",
];

/// The second of these mostly waits, and runs beside the first.
const SIDE_BY_SIDE: (&str, &str) = ("spark", "emulator");

/// These run on the local AWS, which is started for them once.
const ON_THE_LOCAL_AWS: [&str; 2] = ["nights", "browser"];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Score {
    passed: u64,
    failed: u64,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let checks = arguments.checks();
    if arguments.list {
        for check in checks {
            println!("{}", check.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if checks.is_empty() {
        bail!("no check is called {}; see cargo xtask test --list", arguments.only.join(", "));
    }
    let progress = Progress::new();
    let total = std::thread::scope(|scope| {
        if arguments.only.is_empty() {
            // What fails here fails again, and says so, where it is needed.
            scope.spawn(|| prepare(&progress));
        }
        run_all(&checks, &progress)
    })?;
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gets what a whole run needs later while its first checks compile.
fn prepare(progress: &Progress) -> Result<()> {
    for definition in [&environment::LINT, &environment::SAM, &environment::EMULATOR, &environment::SPARK, &environment::BROWSER] {
        Environment::ready(definition, progress)?;
    }
    for tool in [&tools::DENY, &tools::MUTANTS] {
        tool.ready(progress)?;
    }
    Ok(())
}

fn run_all(checks: &[&Check], progress: &Progress) -> Result<Score> {
    let mut total = Score::default();
    let mut local_aws = None;
    for together in checks.chunk_by(|first, second| (first.name, second.name) == SIDE_BY_SIDE) {
        process::check_interrupt()?;
        let needs_the_local_aws = together.iter().any(|check| ON_THE_LOCAL_AWS.contains(&check.name));
        if !needs_the_local_aws {
            local_aws = None;
        } else if local_aws.is_none() {
            match LocalAws::start(progress) {
                Ok(started) => local_aws = Some(started),
                Err(error) => {
                    total.failed += 1;
                    progress.line(format!("  {} {}: {error:#}", style("✗").red().bold(), together[0].name));
                    continue;
                }
            }
        }
        let scores = std::thread::scope(|scope| {
            let running: Vec<_> = together.iter().map(|check| scope.spawn(|| check.run(progress))).collect();
            running.into_iter().map(|check| check.join().expect("a check that fails says so")).collect::<Result<Vec<_>>>()
        })?;
        for score in scores {
            total.passed += score.passed;
            total.failed += score.failed;
        }
    }
    Ok(total)
}

impl Arguments {
    fn checks(&self) -> Vec<&'static Check> {
        let long = if self.exhaustive { EXHAUSTIVE } else { &[] };
        let short = CHECKS.iter().filter(|check| long.iter().all(|other| other.name != check.name));
        let wanted = |check: &&Check| self.only.is_empty() || self.only.iter().any(|word| check.name.contains(word.as_str()));
        short.chain(long).filter(wanted).collect()
    }
}

impl Check {
    /// Runs it, and shows its runner's summary and what was explored, or the end of what it said when it failed.
    fn run(&self, progress: &Progress) -> Result<Score> {
        let log = paths::target().join("test").join(format!("{}.log", self.name));
        let outcome = (self.command)(progress).and_then(|mut command| {
            let stage = progress.stage(self.name);
            run_logged(self.name, &mut command, &log, |line| stage.say(line))?;
            stage.done("");
            Ok(())
        });
        process::check_interrupt()?;
        let text = fs::read_to_string(&log).unwrap_or_default();
        let text = console::strip_ansi_codes(&text).into_owned();
        let counted = self.count.score(&text);
        let score = match (&outcome, counted) {
            (Ok(()), Some(score)) if score.failed == 0 && score.passed > 0 => score,
            (Ok(()), _) => {
                progress.line(format!(
                    "  {} {}: the runner told of no test that passed (log: {})",
                    style("✗").red(),
                    self.name,
                    log.display()
                ));
                Score { passed: 0, failed: 1 }
            }
            (Err(_), Some(score)) => Score { failed: score.failed.max(1), ..score },
            (Err(_), None) => Score { passed: 0, failed: 1 },
        };
        for (test, told) in explored(&text) {
            println!("{}: {test}: {told}", self.name);
        }
        if let Some(summary) = self.count.summary(&text) {
            println!("{}: {}", self.name, summary.trim());
        }
        if let Err(error) = outcome {
            progress.line(format!("  {} {error:#}", style("✗").red().bold()));
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].iter().for_each(|line| println!("    {line}"));
        }
        Ok(score)
    }
}

impl Count {
    /// The line in which the runner sums up.
    fn summary(self, text: &str) -> Option<&str> {
        text.lines().rev().find(|line| match self {
            Self::Whole => false,
            Self::Nextest => line.trim_start().starts_with("Summary ["),
            Self::Mutants => line.contains(" mutants tested: "),
            Self::Pytest => line.contains(" in ") && ["passed", "failed", "error"].iter().any(|word| line.contains(word)),
        })
    }

    fn score(self, text: &str) -> Option<Score> {
        if self == Self::Whole {
            return Some(Score { passed: 1, failed: 0 });
        }
        let summary = self.summary(text)?;
        let words: Vec<_> =
            summary.split(|character: char| character.is_whitespace() || character == ',').filter(|word| !word.is_empty()).collect();
        let count =
            |names: &[&str]| words.windows(2).filter(|pair| names.contains(&pair[1])).filter_map(|pair| pair[0].parse::<u64>().ok()).sum();
        Some(match self {
            // What no longer compiles cannot go wrong either. A hang is no verdict: somebody has to look.
            Self::Mutants => Score { passed: count(&["caught", "unviable"]), failed: count(&["missed", "timeouts"]) },
            _ => Score { passed: count(&["passed"]), failed: count(&["failed", "error", "errors", "timed"]) },
        })
    }
}

/// What explorations told of the histories that they followed, each with the name of its test.
fn explored(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut name = "";
    text.lines().map(str::trim).filter_map(move |line| {
        if line.contains("s] (") {
            name = line.rsplit([' ', ':']).next().unwrap_or_default();
        }
        line.contains(" histories ").then_some((name, line))
    })
}

fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::workspace()).args(arguments);
    cargo
}

fn nextest(progress: &Progress, arguments: &[&str]) -> Result<Command> {
    let mut nextest = Command::new(tools::NEXTEST.ready(progress)?);
    nextest.current_dir(paths::workspace()).args(["nextest", "run", "--no-fail-fast"]).args(arguments);
    // Snapshots are compared, never written: a new one is a failure until somebody has looked at it.
    nextest.env("INSTA_UPDATE", "no").env("CARGO", env!("CARGO")).env("XTASK", std::env::current_exe()?);
    nextest.envs([functions::AMONG_TESTS]);
    if let Some(addresses) = Addresses::running() {
        nextest.envs(crate::deploy::local_credentials(&addresses.endpoint())).env("LOCAL_AWS", addresses.folder());
    }
    Ok(nextest)
}

/// What `cargo deny` can tell without its advisory database, which is on no package registry.
fn deny(progress: &Progress) -> Result<Command> {
    let mut deny = Command::new(tools::DENY.ready(progress)?);
    deny.current_dir(paths::workspace()).args(["--locked", "check", "bans", "licenses", "sources"]);
    deny.env("CARGO", env!("CARGO"));
    Ok(deny)
}

/// Through a process of its own, so that its lines go to a log as every check's do.
fn mutants(arguments: &[&str]) -> Result<Command> {
    let mut mutants = Command::new(std::env::current_exe()?);
    mutants.current_dir(paths::workspace()).arg("mutants").args(arguments);
    Ok(mutants)
}

fn linter(progress: &Progress, name: &str, arguments: &[&str]) -> Result<Command> {
    let mut linter = Environment::ready(&environment::LINT, progress)?.executable(name);
    linter.current_dir(paths::workspace()).args(arguments);
    Ok(linter)
}

fn asl_validator(progress: &Progress) -> Result<Command> {
    let lint = Environment::ready(&environment::LINT, progress)?;
    let program = tools::asl_validator(&lint, progress)?;
    let mut node = lint.executable("node");
    if paths::find_executable("node").is_some() {
        node = Command::new("node");
    }
    node.current_dir(paths::workspace()).arg(fs::canonicalize(program)?);
    node.args(DEFINITIONS.iter().flat_map(|definition| ["--json-path", definition]));
    Ok(node)
}

fn pytest(progress: &Progress, definition: &environment::Definition, folder: &str, arguments: &[&str]) -> Result<Command> {
    let mut python = Environment::ready(definition, progress)?.python();
    python.current_dir(paths::workspace().join(folder)).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).args(arguments);
    Ok(python)
}

/// The local AWS, with the Step Functions that belongs to it.
fn emulator(progress: &Progress) -> Result<Command> {
    let stage = progress.stage("local Step Functions");
    let step_functions = functions::build_program("step-functions", true, &stage)?;
    stage.done("");
    let mut python = pytest(progress, &environment::EMULATOR, "local", &["emulator"])?;
    python.env("STEP_FUNCTIONS", step_functions);
    Ok(python)
}

/// The pages, in a real browser, on a night of the local AWS.
fn browser(progress: &Progress) -> Result<Command> {
    let chromium = tools::chromium(progress)?;
    let artefacts = artefacts()?;
    let mut python = pytest(progress, &environment::BROWSER, "tests/browser", &["."])?;
    python.env("CHROMIUM", chromium).env("ARTEFACTS", artefacts).env("CARGO", env!("CARGO")).env("XTASK", std::env::current_exe()?);
    python.env("TARGET", paths::target()).envs([functions::AMONG_TESTS]);
    Ok(python)
}

/// Where screenshots are kept.
fn artefacts() -> Result<PathBuf> {
    let folder = paths::target().join("test/screenshots");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// A local AWS with the stack deployed, kept up for the checks that need it.
struct LocalAws {
    _server: Server,
}

impl LocalAws {
    fn start(progress: &Progress) -> Result<Self> {
        if Addresses::running().is_some() {
            bail!("a local AWS is running already: stop that `cargo xtask night --keep` first, the tests need a fresh one");
        }
        // What downloads and builds shows its progress here, not in the log of a server.
        for definition in [&environment::EMULATOR, &environment::SAM, &environment::SPARK] {
            Environment::ready(definition, progress)?;
        }
        let stage = progress.stage("local AWS for whole nights");
        let ready = paths::target().join("test/local-aws.ready");
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let mut night = Command::new(std::env::current_exe()?);
        night.args(["night", "--idle", "--json"]).arg(&ready).envs([functions::AMONG_TESTS]);
        let log = paths::target().join("test/local-aws.log");
        let mut server = Server::start("local AWS", night, &log)?;
        server.wait_until(Duration::from_mins(15), || Path::new(&ready).exists())?;
        stage.done("");
        Ok(Self { _server: server })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exhaustive_stands_in_for_what_is_bounded() {
        let names = |exhaustive| -> Vec<_> {
            let arguments = Arguments { only: vec!["mutants".to_owned(), "explorations".to_owned()], list: false, exhaustive };
            arguments.checks().iter().map(|check| (check.name, std::ptr::from_ref(*check))).collect()
        };
        let (bounded, exhaustive) = (names(false), names(true));
        assert_eq!(bounded.iter().map(|check| check.0).collect::<Vec<_>>(), ["mutants"]);
        assert_eq!(exhaustive.iter().map(|check| check.0).collect::<Vec<_>>(), ["explorations", "mutants"]);
        assert_ne!(bounded[0].1, exhaustive[1].1);
    }

    #[test]
    fn what_runs_side_by_side_stands_so_in_the_list() {
        assert!(CHECKS.windows(2).any(|pair| (pair[0].name, pair[1].name) == SIDE_BY_SIDE));
    }

    #[test]
    fn what_was_explored_is_told_with_the_name_of_its_test() {
        let nextest = "
        PASS [  10.938s] (13/16) nightly-tests::it approval_race::both_agree
  stdout ───

    running 1 test
    668686 histories through 4806 worlds agree
    test approval_race::both_agree ... ok";
        assert_eq!(explored(nextest).collect::<Vec<_>>(), [("both_agree", "668686 histories through 4806 worlds agree")]);
    }

    #[test]
    fn the_runners_summaries_are_read() {
        let nextest = "     Summary [   1.018s] 48 tests run: 46 passed (1 slow), 2 failed, 3 skipped";
        assert_eq!(Count::Nextest.score(nextest), Some(Score { passed: 46, failed: 2 }));
        let pytest = "....\n1 failed, 12 passed, 2 errors in 4.31s\n";
        assert_eq!(Count::Pytest.score(pytest), Some(Score { passed: 12, failed: 3 }));
        let mutants = "100 of 290 mutants tested: 88 caught, 9 unviable, 2 missed, 1 timeouts";
        assert_eq!(Count::Mutants.score(mutants), Some(Score { passed: 97, failed: 3 }));
        assert_eq!(Count::Pytest.score("no tests ran in 0.01s"), None);
        assert_eq!(Count::Nextest.score("error: could not compile"), None);
    }
}
