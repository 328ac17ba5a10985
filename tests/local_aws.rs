//! The local AWS that `cargo xtask test` starts for whole nights: the commands that users type on it, and plain calls beside them.

#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that it serves")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nightly_lambda::config;
use serde_json::{Value, json};

pub const NEEDS: &str = "these tests run inside `cargo xtask test nights`, which starts the local AWS";

pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where the local AWS listens.
pub fn endpoint() -> String {
    config::required("AWS_ENDPOINT_URL").expect(NEEDS)
}

/// A folder in which the local AWS keeps its files.
pub fn folder(name: &str) -> PathBuf {
    config::required::<PathBuf>("LOCAL_AWS").expect(NEEDS).join(name)
}

pub fn command(name: &str, arguments: &[&str], report: &Path) -> Command {
    let mut command = run();
    command.args([name, "--json"]).arg(report).args(arguments);
    command
}

/// The command that these tests are part of, as it was started.
pub fn run() -> Command {
    let mut command = Command::new(config::required::<PathBuf>("XTASK").expect(NEEDS));
    command.current_dir(workspace()).stdin(Stdio::null());
    command
}

pub fn call(endpoint: &str, service: &str, operation: &str, input: &Value) -> Value {
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=0");
    let mut response = ureq::post(endpoint)
        .header("X-Amz-Target", operation)
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("Authorization", scope)
        .send(input.to_string())
        .unwrap_or_else(|error| panic!("{operation}: {error}"));
    response.body_mut().read_json().unwrap()
}

/// The first row of a query's answer.
pub fn athena(endpoint: &str, database: &str, query: &str) -> Vec<String> {
    let call = |operation: &str, input: Value| call(endpoint, "athena", &format!("AmazonAthena.{operation}"), &input);
    let started = call(
        "StartQueryExecution",
        json!({"QueryString": query, "QueryExecutionContext": {"Database": database}, "WorkGroup": "nightly-warehouse"}),
    );
    let id = json!({"QueryExecutionId": started["QueryExecutionId"]});
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let state = call("GetQueryExecution", id.clone())["QueryExecution"]["Status"].clone();
        match state["State"].as_str().unwrap() {
            "SUCCEEDED" => break,
            "QUEUED" | "RUNNING" if Instant::now() < until => std::thread::sleep(Duration::from_millis(100)),
            _ => panic!("{query}: {state}"),
        }
    }
    let answer = call("GetQueryResults", id);
    let row = answer["ResultSet"]["Rows"][1]["Data"].as_array().unwrap();
    row.iter().map(|cell| cell["VarCharValue"].as_str().unwrap_or_default().to_owned()).collect()
}

pub fn eventually<T>(otherwise: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{otherwise}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// How an execution has ended.
pub fn end_of(endpoint: &str, execution: &Value) -> Value {
    eventually("the execution did not end", || {
        let described = call(endpoint, "states", "AWSStepFunctions.DescribeExecution", &json!({"executionArn": execution}));
        (described["status"] != "RUNNING").then_some(described)
    })
}

/// Sends the form as the page's button does.
pub fn press(link: &str, fields: &[(&str, &str)]) {
    let browser: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).max_redirects_will_error(false).build().into();
    let answer = browser.post(link).send_form(fields.iter().copied()).unwrap();
    assert_eq!(answer.status(), 303, "the page takes {fields:?}");
}

pub fn page(address: &str) -> String {
    ureq::get(address).call().unwrap().body_mut().read_to_string().unwrap()
}
