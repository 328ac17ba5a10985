//! Virtual environments of pinned Python packages, in the user's cache, made once per set of requirements.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::paths::{self, hexadecimal};
use crate::process::run_logged;
use crate::progress::Progress;

/// The pip that makes the environments: the first that reports progress in numbers.
const PIP: &str = "pip==25.3";

/// The environments, each by the requirement files that pin it.
pub const EMULATOR: Definition =
    Definition { name: "local AWS", requirements: &["local/emulator/requirements.txt", "local/outside/requirements.txt"] };
pub const SPARK: Definition = Definition { name: "Spark", requirements: &["local/spark_runner/requirements.txt"] };
pub const SAM: Definition = Definition { name: "SAM CLI", requirements: &["local/sam/requirements.txt"] };
pub const LINT: Definition = Definition { name: "linters", requirements: &["local/lint/requirements.txt"] };
pub const BROWSER: Definition = Definition { name: "browser driver", requirements: &["tests/browser/requirements.txt"] };

pub struct Definition {
    name: &'static str,
    requirements: &'static [&'static str],
}

/// An environment that is ready to use.
#[derive(Debug, Clone)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment as its requirements pin it, made now if it isn't there yet.
    pub fn ready(definition: &Definition, progress: &Progress) -> Result<Self> {
        let python = python()?;
        let mut key = Sha256::new();
        key.update(python.version.as_bytes());
        key.update(PIP.as_bytes());
        let mut files = Vec::new();
        for path in definition.requirements {
            let file = paths::workspace().join(path);
            key.update(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
            files.push(file);
        }
        let digest = hexadecimal(&key.finalize()[..6]);
        let name = format!("{}-{digest}", definition.name.to_lowercase().replace(' ', "-"));
        let folder = paths::cache()?.join("environments").join(&name);
        let environment = Self { folder: folder.clone() };

        let parent = folder.parent().expect("the folder has a parent");
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        // Two commands that need the same environment must not make it twice.
        let lock = File::create(parent.join(format!("{name}.lock")))?;
        lock.lock().context("cannot lock the environment")?;
        if folder.join("complete").exists() {
            return Ok(environment);
        }

        let stage = progress.stage(format!("Python packages: {}", definition.name));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let log = parent.join(format!("{name}.log"));
        run_logged("making a virtual environment", Command::new(&python.path).args(["-m", "venv"]).arg(&folder), &log, |_| ())?;
        run_logged("installing pip", environment.python().args(["-m", "pip", "install", "--quiet", PIP]), &log, |_| ())?;
        let mut install = environment.python();
        install.args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "raw"]);
        for file in &files {
            install.arg("-r").arg(file);
        }
        run_logged(&format!("installing {}", definition.name), &mut install, &log, |line| {
            if let Some((done, total)) = raw_progress(line) {
                stage.at(done, total);
            } else if let Some(package) = line.trim().strip_prefix("Downloading ") {
                stage.say(package);
            } else if line.starts_with("Installing") {
                stage.say("installing");
            }
        })?;
        File::create(folder.join("complete"))?;
        stage.done("");
        Ok(environment)
    }

    /// Its Python.
    pub fn python(&self) -> Command {
        self.executable("python")
    }

    /// A command that one of its packages brought.
    pub fn executable(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin().join(name));
        let path = paths::variable("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.bin().display()));
        command.env("VIRTUAL_ENV", &self.folder).env("PYTHONUNBUFFERED", "1").env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        command
    }

    pub fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// A folder beside the packages for what else belongs to the environment.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

struct Python {
    path: PathBuf,
    version: String,
}

/// A Python 3.11: Glue 5.1 runs this one, so do we.
fn python() -> Result<Python> {
    ["python3.11", "python3"]
        .into_iter()
        .filter_map(paths::find_executable)
        .find_map(|path| {
            let output = Command::new(&path).arg("--version").output().ok()?;
            let version = String::from_utf8(output.stdout).ok()?.trim().strip_prefix("Python ")?.to_owned();
            version.starts_with("3.11.").then_some(Python { path, version })
        })
        .context("there is no Python 3.11 on the PATH: install it (Debian: apt install python3.11-venv; macOS: brew install python@3.11)")
}

/// `Progress 12 of 34`, as pip writes it.
fn raw_progress(line: &str) -> Option<(u64, u64)> {
    let (done, total) = line.trim().strip_prefix("Progress ")?.split_once(" of ")?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_as_pip_writes_it() {
        assert_eq!(raw_progress("Progress 1024 of 4096"), Some((1024, 4096)));
        assert_eq!(raw_progress("Collecting boto3"), None);
    }
}
