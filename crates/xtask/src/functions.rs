//! The functions as the local deployment takes them: built by cargo, zipped byte for byte the same for the same binary.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::paths::{self, hexadecimal};
use crate::process::run_logged;
use crate::progress::Stage;

/// Every function: folder = crate = binary = Lambda name.
pub const NAMES: [&str; 8] = [
    "approval-callback",
    "approval-request",
    "approval-watch",
    "approver-check",
    "dataset-check",
    "fx-fetch",
    "night-check",
    "stakeholder-notify",
];

/// What a function needs in its environment to start, as ARCHITECTURE.md lists it; nothing in it is reached.
pub fn example_configuration() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ENVIRONMENT", "local"),
        ("STACK", "nightly-warehouse"),
        ("APPROVALS_TABLE", "approvals"),
        ("APPROVALS_AUDIT_TABLE", "approvals-audit"),
        ("APPROVALS_TOPIC_ARN", "arn:aws:sns:eu-central-1:000000000000:approvals"),
        ("APPROVAL_BASE_URL", "http://127.0.0.1:1"),
        ("APPROVERS", "a.berg@nordvik.example"),
        ("DEPUTIES", ""),
        ("REQUIRED_APPROVALS", "1"),
        ("WATCH_SCHEDULE_GROUP", "approvals"),
        ("WATCH_FUNCTION_ARN", "arn:aws:lambda:eu-central-1:000000000000:function:approval-watch"),
        ("WATCH_ROLE_ARN", "arn:aws:iam::000000000000:role/watch"),
        ("WATCH_MINUTES", "5"),
        ("FX_URL", "http://127.0.0.1:1/v1"),
        ("FX_SOURCE", "frankfurter"),
        ("BASE_CURRENCY", "EUR"),
        ("FX_MAX_AGE_DAYS", "5"),
        ("SITE_BUCKET", "site"),
        ("SLACK_WEBHOOK_SECRET", ""),
        ("NIGHTS_TABLE", "nights"),
        ("STARTED_BY", "01:15"),
        ("ASKED_BY", "03:00"),
        ("PUBLISHED_BY", "05:00"),
    ]
}

/// Builds the functions, and gives each one's binary.
pub fn build(profile: &str, stage: &Stage) -> Result<Vec<(&'static str, PathBuf)>> {
    let folder = compile(&NAMES, profile, among_tests(), stage)?;
    Ok(NAMES.map(|name| (name, folder.join(name))).to_vec())
}

/// Builds a program of this workspace that is no function, such as the local Step Functions, and gives its binary.
pub fn build_program(name: &str, among_tests: bool, stage: &Stage) -> Result<PathBuf> {
    Ok(compile(&[name], "dev", among_tests, stage)?.join(name))
}

/// Whether a test run has started this.
pub fn among_tests() -> bool {
    paths::variable(AMONG_TESTS.0).is_some()
}

/// Set for what a test run starts: it takes the binaries as the tests have them.
pub const AMONG_TESTS: (&str, &str) = ("XTASK_AMONG_TESTS", "1");

/// Builds binaries, and says in which folder they are.
fn compile(binaries: &[&str], profile: &str, among_tests: bool, stage: &Stage) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    // Of the whole workspace: a package by itself would have its dependencies with other features, and build them once more.
    cargo.current_dir(paths::workspace()).args(["build", "--workspace", "--profile", profile]);
    cargo.args(binaries.iter().flat_map(|name| ["--bin", name]));
    if among_tests {
        // So do tests and examples, which have the features of what only tests depend on: any of them will do.
        cargo.args(["--example", "gallery"]);
    }
    cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100").env("CARGO_TERM_COLOR", "never");
    run_logged("cargo build", &mut cargo, &paths::target().join(format!("build-{}.log", binaries[0])), |line| {
        if let Some((done, total)) = cargo_progress(line) {
            stage.at(done, total);
        }
    })?;
    Ok(paths::target().join(if profile == "dev" { "debug" } else { profile }))
}

/// Zips each binary as `bootstrap` into `folder`, and says where and how many were new.
pub fn package(binaries: &[(&'static str, PathBuf)], folder: &Path) -> Result<(Vec<(&'static str, PathBuf)>, usize)> {
    fs::create_dir_all(folder)?;
    let mut packages = Vec::new();
    let mut changed = 0;
    for (name, binary) in binaries {
        let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
        let digest = hexadecimal(&Sha256::digest(&content)[..8]);
        let path = folder.join(format!("{name}-{digest}.zip"));
        if !path.exists() {
            changed += 1;
            for stale in fs::read_dir(folder)?.flatten() {
                if stale.file_name().to_string_lossy().strip_prefix(name).is_some_and(|rest| rest.len() == "-0123456789abcdef.zip".len()) {
                    fs::remove_file(stale.path())?;
                }
            }
            write_zip(&path, &content)?;
        }
        packages.push((*name, path));
    }
    Ok((packages, changed))
}

fn write_zip(path: &Path, bootstrap: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("part");
    let mut zip = ZipWriter::new(File::create(&unfinished)?);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(bootstrap)?;
    zip.finish()?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

/// `Building [====>   ] 12/34: name`, as cargo draws it.
pub fn cargo_progress(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.trim().strip_prefix("Building [")?.split_once(']')?;
    let (done, rest) = rest.trim().split_once('/')?;
    let total = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_as_cargo_draws_it() {
        assert_eq!(cargo_progress("    Building [=====>        ] 123/456: aws-sdk-s3, tokio"), Some((123, 456)));
        assert_eq!(cargo_progress("   Compiling tokio v1.54.1"), None);
    }

    #[test]
    fn the_same_binary_is_packaged_once_and_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("binary");
        fs::write(&binary, b"one").unwrap();
        let binaries = [("fx-fetch", binary.clone())];
        let zips = folder.path().join("zips");
        let (first, changed) = package(&binaries, &zips).unwrap();
        assert_eq!(changed, 1);
        let bytes = fs::read(&first[0].1).unwrap();
        assert_eq!(package(&binaries, &zips).unwrap(), (first.clone(), 0));

        fs::write(&binary, b"two").unwrap();
        let (second, changed) = package(&binaries, &zips).unwrap();
        assert_eq!(changed, 1);
        assert!(!first[0].1.exists(), "the stale package is gone");

        fs::write(&binary, b"one").unwrap();
        let (third, _) = package(&binaries, &zips).unwrap();
        assert_eq!(fs::read(&third[0].1).unwrap(), bytes);
        assert!(!second[0].1.exists());
    }
}
