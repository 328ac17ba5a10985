//! Programs that the tests need beyond Rust and Python: found on the machine, else installed, else asked for.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::environment::Environment;
use crate::paths;
use crate::process::run_logged;
use crate::progress::Progress;

/// A cargo subcommand at the version that we test with.
pub struct CargoTool {
    name: &'static str,
    version: &'static str,
}

pub const NEXTEST: CargoTool = CargoTool { name: "cargo-nextest", version: "0.9.143" };
pub const DENY: CargoTool = CargoTool { name: "cargo-deny", version: "0.20.2" };
pub const MUTANTS: CargoTool = CargoTool { name: "cargo-mutants", version: "27.1.0" };

impl CargoTool {
    /// The program: one on the PATH will do, else our pinned version is built once into the cache.
    pub fn ready(&self, progress: &Progress) -> Result<PathBuf> {
        if let Some(found) = paths::find_executable(self.name) {
            return Ok(found);
        }
        let tools = paths::cache()?.join("tools");
        fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
        let root = tools.join(format!("{}-{}", self.name, self.version));
        let program = root.join("bin").join(self.name);
        // Two threads that need the same tool must not build it twice.
        let lock = File::create(tools.join(format!("{}.lock", self.name)))?;
        lock.lock().with_context(|| format!("cannot lock {}", self.name))?;
        if program.exists() {
            return Ok(program);
        }
        let stage = progress.stage(format!("{} {}", self.name, self.version));
        let mut install = Command::new(env!("CARGO"));
        // Unoptimised: it is built in a third of the time, and runs for seconds.
        install.args(["install", "--locked", "--debug", "--root"]).arg(&root).arg(format!("{}@{}", self.name, self.version));
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_TARGET_DIR", tools.join("build")).current_dir(&tools);
        run_logged(&format!("installing {}", self.name), &mut install, &tools.join(format!("{}.log", self.name)), |line| stage.say(line))?;
        stage.done("");
        Ok(program)
    }
}

/// A Chromium to drive: one on the PATH, else Debian's.
pub fn chromium(progress: &Progress) -> Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let find = || names.into_iter().find_map(paths::find_executable);
    if let Some(found) = find() {
        return Ok(found);
    }
    if rustix::process::geteuid().is_root() && paths::find_executable("apt-get").is_some() {
        let stage = progress.stage("Chromium, from Debian's packages");
        let log = paths::target().join("test/chromium.log");
        let mut update = Command::new("apt-get");
        run_logged("apt-get update", update.args(["update", "-q"]), &log, |line| stage.say(line))?;
        let mut install = Command::new("apt-get");
        install
            .args(["install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        run_logged("apt-get install chromium", &mut install, &log, |line| stage.say(line))?;
        stage.done("");
    }
    find().context("the browser tests need Chromium or Chrome on the PATH: install one (Debian: apt install chromium; macOS: brew install --cask chromium)")
}

/// The validator of state machine definitions, an npm package, run by a Node of the machine or of the linters' environment.
pub fn asl_validator(lint: &Environment, progress: &Progress) -> Result<PathBuf> {
    let folder = lint.folder().join("node");
    let program = folder.join("node_modules/.bin/asl-validator");
    if program.exists() {
        return Ok(program);
    }
    let stage = progress.stage("asl-validator");
    fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        let source = paths::workspace().join("local/lint").join(file);
        fs::copy(&source, folder.join(file)).with_context(|| format!("cannot read {}", source.display()))?;
    }
    let mut npm = lint.executable("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
    run_logged("npm ci", &mut npm, &folder.join("npm.log"), |line| stage.say(line))?;
    if !program.exists() {
        bail!("npm ci brought no asl-validator (log: {})", folder.join("npm.log").display());
    }
    stage.done("");
    Ok(program)
}
