//! Who may depend on whom: the arrows of ARCHITECTURE.md, held against what cargo and the sources say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::project;

const FUNCTIONS: &[&str] = &[
    "approval-callback",
    "approval-request",
    "approval-watch",
    "approver-check",
    "dataset-check",
    "fx-fetch",
    "night-check",
    "stakeholder-notify",
];

#[test]
fn crates_depend_on_each_other_only_along_the_arrows() {
    let crates = crates();
    let all: BTreeSet<&str> = crates.keys().map(String::as_str).collect();
    let mut allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([
        ("nightly-domain", BTreeSet::new()),
        ("nightly-aws", BTreeSet::from(["nightly-domain"])),
        ("nightly-lambda", BTreeSet::from(["nightly-domain"])),
        ("nightly-pages", BTreeSet::from(["nightly-domain"])),
        ("nightly-approval", BTreeSet::from(["nightly-domain", "nightly-pages"])),
        ("nightly-asl", BTreeSet::new()),
        (
            "nightly-rehearsal",
            &BTreeSet::from(["nightly-asl", "nightly-domain", "nightly-approval"]) | &FUNCTIONS.iter().copied().collect(),
        ),
        ("rehearse", BTreeSet::from(["nightly-rehearsal", "nightly-asl", "nightly-pages"])),
        ("definition-check", BTreeSet::from(["nightly-asl"])),
        ("nightly-scenarios", BTreeSet::from(["nightly-asl"])),
        ("step-functions", BTreeSet::from(["nightly-asl"])),
        ("audit-verify", BTreeSet::from(["nightly-domain", "nightly-aws", "nightly-lambda"])),
        ("nightly-tests", &all - &BTreeSet::from(["nightly-tests", "xtask"])),
        ("xtask", &all - &BTreeSet::from(["nightly-tests", "xtask"])),
    ]);
    let rooms = ["nightly-domain", "nightly-pages", "nightly-approval", "nightly-aws", "nightly-lambda"];
    allowed.extend(FUNCTIONS.iter().map(|function| (*function, BTreeSet::from(rooms))));
    for (name, dependencies) in &crates {
        let permitted = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} stands in no room of ARCHITECTURE.md"));
        let beyond: Vec<_> = dependencies
            .iter()
            .filter(|dependency| all.contains(dependency.as_str()) && !permitted.contains(dependency.as_str()) && *dependency != name)
            .collect();
        assert!(beyond.is_empty(), "{name} must not depend on {beyond:?}");
    }
}

#[test]
fn the_domain_knows_no_aws_no_network_and_no_runtime() {
    let dependencies = &crates()["nightly-domain"];
    let outside: Vec<_> = dependencies
        .iter()
        .filter(|name| ["aws", "lambda", "reqwest", "ureq", "tracing", "hyper"].iter().any(|word| name.starts_with(word)))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn only_one_crate_names_the_aws_sdk() {
    for (name, dependencies) in crates().into_iter().filter(|(name, _)| name != "nightly-aws") {
        let sdk: Vec<_> = dependencies.iter().filter(|dependency| dependency.starts_with("aws-")).collect();
        assert!(sdk.is_empty(), "{name} depends on {sdk:?}");
    }
    for source in sources("crates").into_iter().chain(sources("tests")).filter(|path| !path.starts_with(project::root().join("crates/aws")))
    {
        let names = ["aws", "_sdk_"].concat();
        assert!(!read(&source).contains(&names), "{} names the AWS SDK", source.display());
    }
}

#[test]
fn behaviour_knows_neither_aws_nor_lambda_and_main_only_wires() {
    for function in FUNCTIONS {
        for source in sources(&format!("crates/{function}/src")) {
            let text = read(&source);
            if source.ends_with("src/main.rs") {
                assert!(text.lines().count() < 40, "{}: a main of 40 lines does more than wire", source.display());
            } else {
                // Their tests may drive the real thing.
                let is_test = source.ends_with("src/tests.rs") || source.parent().is_some_and(|folder| folder.ends_with("src/tests"));
                for room in ["nightly_aws", "nightly_lambda", "lambda_runtime"] {
                    assert!(is_test || !text.contains(room), "{} names {room}", source.display());
                }
            }
        }
    }
}

/// Each crate of the workspace with what it depends on, for whatever purpose but tests.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(project::root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |value: &Value| value.as_str().expect("a name is text").to_owned();
    let crates = metadata["packages"].as_array().expect("there are packages").iter();
    crates
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a package has dependencies").iter();
            (
                text(&package["name"]),
                dependencies.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"])).collect(),
            )
        })
        .collect()
}

fn sources(folder: &str) -> Vec<PathBuf> {
    fn below(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries
            .flat_map(|entry| {
                let path = entry.expect("the folder can be read").path();
                if path.is_dir() { below(&path) } else { vec![path] }
            })
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect()
    }
    let found = below(&project::root().join(folder));
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
