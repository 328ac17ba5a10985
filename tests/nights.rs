//! Whole nights on the local AWS, through the command that users type. `cargo xtask test` starts the local AWS for them.

#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that it serves")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const NEEDS: &str = "these tests run inside `cargo xtask test nights`, which starts the local AWS";

/// A night that has ended, as `cargo xtask night --json` tells it.
struct Night {
    code: i32,
    report: Value,
}

impl Night {
    fn run(arguments: &[&str]) -> Self {
        let report = tempfile::NamedTempFile::new().unwrap();
        let output = xtask(arguments, report.path()).output().expect(NEEDS);
        Self::read(output.status.code(), report.path(), &String::from_utf8_lossy(&output.stderr))
    }

    fn read(code: Option<i32>, report: &Path, said: &str) -> Self {
        let text = fs::read_to_string(report).unwrap_or_default();
        let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("the night left no report, it said:\n{said}"));
        Self { code: code.expect("the night was not killed"), report }
    }

    fn text(&self, pointer: &str) -> &str {
        self.report.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn error(&self) -> &str {
        self.text("/night/error")
    }

    fn cause(&self) -> &str {
        self.text("/night/cause")
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.text(&format!("/{name}")).into()
    }

    /// How often a node was tried; `None` where the night did not reach it.
    fn tries(&self, node: &str) -> Option<u64> {
        self.step(node)["tries"].as_u64().filter(|tries| *tries > 0)
    }

    fn step(&self, node: &str) -> &Value {
        let steps = self.report["night"]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["node"] == node).unwrap_or_else(|| panic!("there is no node {node}"))
    }

    fn entered(&self, state: &str) -> bool {
        self.report["night"]["states"].as_array().unwrap().iter().any(|entered| entered == state)
    }

    #[track_caller]
    fn assert_published(&self) {
        assert_eq!((self.code, self.text("/night/output/outcome")), (0, "PUBLISHED"), "{:#}", self.report["night"]);
    }

    /// It ended by this name, and the warehouse holds nothing for its date.
    #[track_caller]
    fn assert_ended(&self, code: i32, error: &str) {
        assert_eq!((self.code, self.error()), (code, error), "{:#}", self.report["night"]);
        self.assert_nothing_published();
    }

    #[track_caller]
    fn assert_nothing_published(&self) {
        assert_eq!(self.tries("publish-to-warehouse"), None, "nothing was started that publishes");
        assert!(!self.partition().exists(), "{} is there", self.partition().display());
    }

    fn partition(&self) -> PathBuf {
        self.folder("warehouse").join(self.text("/table")).join(format!("order_date={}", self.text("/date")))
    }

    /// One row of figures about the night's partition, asked of Athena.
    fn warehouse(&self) -> Vec<String> {
        let query = format!(
            "SELECT count(*), count(DISTINCT order_id || '/' || cast(line_number AS varchar)), sum(amount_base), sum(quantity), \
             min(order_id), max(order_id) FROM {} WHERE order_date = DATE '{}'",
            self.text("/table"),
            self.text("/date")
        );
        athena(self.text("/endpoint"), self.text("/database"), &query)
    }

    /// What somebody with the raw files, the rates and a pocket calculator gets.
    fn reckoned(&self) -> Value {
        let rates = self.folder("warehouse").join(format!("reference/fx/rate_date={}/rates.csv", self.text("/date")));
        let output = Command::new("python3")
            .current_dir(workspace().join("local"))
            .args(["-m", "data.reckon", "--base", "EUR", "--run-date", self.text("/date"), "--raw", self.text("/raw"), "--rates"])
            .arg(rates)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The warehouse holds each line once, and the sum that the raw files give.
    #[track_caller]
    fn assert_warehouse_is_right(&self) {
        let (warehouse, reckoned) = (self.warehouse(), self.reckoned());
        let lines = reckoned["order_lines"].to_string();
        assert!(reckoned["order_lines"].as_u64().unwrap() > 0);
        assert_eq!((&warehouse[0], &warehouse[1]), (&lines, &lines), "every line once");
        assert_eq!(warehouse[2], reckoned["revenue_base"].as_str().unwrap(), "the sum in the base currency");
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn xtask(arguments: &[&str], report: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace()).args(["run", "--quiet", "--package", "xtask", "--", "night", "--json"]).arg(report).args(arguments);
    command.stdin(Stdio::null());
    command
}

fn call(endpoint: &str, service: &str, operation: &str, input: &Value) -> Value {
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
fn athena(endpoint: &str, database: &str, query: &str) -> Vec<String> {
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

/// A small day of raw files, for nights whose input is broken.
fn raw_day(date: &str, orders: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: String, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let header =
        "order_id,line_number,ordered_at,updated_at,customer_id,item_id,warehouse_id,quantity,unit_price,discount_amount,currency\n";
    write(format!("orders/order_date={date}/part-0000.csv"), &format!("{header}{orders}"));
    write(format!("inventory/snapshot_date={date}/inventory.csv"), "item_id,warehouse_id,quantity_on_hand\n1,1,5\n");
    write(format!("inventory/snapshot_date={date}/items.csv"), "item_id,product_name,brand,category\n1,Lamp,Lux,Home\n");
    write(format!("inventory/snapshot_date={date}/warehouses.csv"), "warehouse_id,warehouse_name,country\n1,North,Denmark\n");
    folder
}

#[test]
#[ignore = "needs the local AWS"]
fn a_published_night_holds_what_the_raw_files_say_and_the_same_night_again_changes_nothing() {
    let night = Night::run(&["--date", "2026-11-17", "--orders", "4000", "--approve"]);
    night.assert_published();
    night.assert_warehouse_is_right();
    let first = night.warehouse();
    for page in ["index.html", "nights/2026-11-17.html", "nights/2026-11-17.json"] {
        assert!(night.folder("site").join(page).exists(), "{page} is written");
    }
    assert!(fs::read_dir(night.folder("inbox").join("slack")).unwrap().count() > 0, "Slack heard of it");

    let again = Night::run(&["--date", "2026-11-17", "--orders", "4000", "--approve"]);
    again.assert_published();
    assert_eq!(again.warehouse(), first);
}

#[test]
#[ignore = "needs the local AWS"]
fn failing_rules_halt_the_night_before_anybody_is_asked_and_are_named() {
    let night = Night::run(&["--date", "2026-11-16", "--orders", "2000", "--approve", "--fault", "quality"]);
    night.assert_ended(3, "QualityFailed");
    assert_eq!(night.tries("manual-approval"), None, "nobody was asked");
    assert!(night.cause().contains("rules of") && night.cause().contains("did not pass"), "{}", night.cause());
}

#[test]
#[ignore = "needs the local AWS"]
fn jobs_that_fail_once_after_they_have_written_are_retried_and_duplicate_nothing() {
    let night = Night::run(&["--date", "2026-11-15", "--orders", "2000", "--approve", "--fault", "glue-flaky"]);
    night.assert_published();
    assert_eq!((night.tries("transform-orders"), night.tries("publish-to-warehouse")), (Some(2), Some(2)));
    night.assert_warehouse_is_right();
}

#[test]
#[ignore = "needs the local AWS"]
fn a_source_of_rates_that_is_down_fails_the_night_by_name_after_its_budget() {
    let night = Night::run(&["--date", "2026-11-14", "--orders", "500", "--approve", "--fault", "fx-down"]);
    night.assert_ended(1, "RatesUnavailable");
    assert_eq!(night.tries("enrich-currency"), Some(3));
    assert!(night.cause().contains("503"), "{}", night.cause());
}

#[test]
#[ignore = "needs the local AWS"]
fn a_currency_without_a_rate_fails_the_night_at_once_and_is_named() {
    let night = Night::run(&["--date", "2026-11-13", "--orders", "500", "--approve", "--fault", "fx-missing-currency"]);
    night.assert_ended(1, "RatesIncomplete");
    assert_eq!(night.tries("enrich-currency"), Some(1), "asking again brings no rate");
}

#[test]
#[ignore = "needs the local AWS"]
fn slack_that_is_down_never_fails_a_published_night_and_hears_of_it_later() {
    let night = Night::run(&["--date", "2026-11-12", "--orders", "500", "--approve", "--fault", "slack-down"]);
    night.assert_published();
    assert!(night.entered("DeferNotice"), "the notice went to the queue");
    assert!(night.folder("site").join("nights/2026-11-12.html").exists(), "the status page does not wait for Slack");
    let posts = || fs::read_dir(night.folder("inbox").join("slack")).into_iter().flatten().flatten();
    let told = || posts().any(|post| fs::read_to_string(post.path()).is_ok_and(|text| text.contains("12 November 2026")));
    let until = Instant::now() + Duration::from_mins(5);
    while !told() {
        assert!(Instant::now() < until, "Slack came back and was never told");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
#[ignore = "needs the local AWS"]
fn a_no_ends_the_night_with_the_reason_and_the_person() {
    let night = Night::run(&["--date", "2026-11-11", "--orders", "500", "--reject", "Revenue of Music looks wrong"]);
    night.assert_ended(3, "ApprovalRejected");
    for word in ["A. Berg", "Revenue of Music looks wrong"] {
        assert!(night.cause().contains(word), "{}", night.cause());
    }
}

#[test]
#[ignore = "needs the local AWS"]
fn an_approval_waits_its_whole_time_because_somebody_beats_and_then_expires() {
    let started = Instant::now();
    // Locally a beat comes every minute, and three may be missed: unless approval-watch beats, the wait ends after 180 seconds.
    let night = Night::run(&["--date", "2026-11-10", "--orders", "500", "--approval-seconds", "240"]);
    night.assert_ended(3, "ApprovalExpired");
    assert_eq!(night.step("manual-approval")["state"], "EXPIRED");
    assert!(started.elapsed() >= Duration::from_mins(4), "it ended before its time: {}", night.step("manual-approval"));
}

#[test]
#[ignore = "needs the local AWS"]
fn what_is_no_run_date_ends_the_night_before_anything_starts() {
    let nothing = tempfile::tempdir().unwrap();
    let data = nothing.path().to_str().unwrap();
    for date in ["2026-02-30", "yesterday", "2999-01-01"] {
        let night = Night::run(&["--data", data, "--input", &json!({"runDate": date}).to_string()]);
        assert_eq!((night.code, night.error()), (1, "InvalidRunDate"));
        assert!(night.cause().contains(date), "{}", night.cause());
        assert_eq!(night.tries("extract-orders"), None);
    }
}

#[test]
#[ignore = "needs the local AWS"]
fn raw_files_that_cannot_be_built_are_named_and_publish_nothing() {
    let date = "2026-11-09";
    let good = format!("1,1,{date}T08:00:00Z,{date}T08:00:00Z,7,1,1,2,10.00,0.00,EUR\n");
    let nothing = tempfile::tempdir().unwrap();
    let broken = raw_day(date, &format!("{good}2,1,{date}T09:00:00Z,{date}T09:00:00Z,7,1,1,two,10.00,0.00,EUR\n"));
    let unpriced = raw_day(date, &format!("{good}2,1,{date}T09:00:00Z,{date}T09:00:00Z,7,1,1,2,10.00,0.00,XTS\n"));

    let run = |folder: &Path| Night::run(&["--date", date, "--approve", "--data", folder.to_str().unwrap()]);
    let night = run(nothing.path());
    night.assert_ended(1, "States.TaskFailed");
    assert!(night.cause().contains("NoOrdersPartition") || night.cause().contains("NoInventorySnapshot"), "{}", night.cause());
    let night = run(broken.path());
    night.assert_ended(1, "States.TaskFailed");
    for word in ["MalformedRow", "part-0000.csv", "quantity", "two"] {
        assert!(night.cause().contains(word), "«{word}» in {}", night.cause());
    }
    let night = run(unpriced.path());
    night.assert_ended(1, "RatesIncomplete");
    assert!(night.cause().contains("XTS"), "{}", night.cause());
}

#[test]
#[ignore = "needs the local AWS"]
fn a_build_that_changed_after_the_question_is_refused() {
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut child = xtask(&["--date", "2026-11-08", "--orders", "500"], report.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect(NEEDS);
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let link = loop {
        let line = lines.next().unwrap_or_else(|| panic!("no question was asked:\n{said}")).unwrap();
        said.push_str(&line);
        said.push('\n');
        if let Some(link) = line.split_whitespace().find(|word| word.contains("/approvals/")) {
            break link.to_owned();
        }
    };
    // Somebody slips a file into the staged build between the question and the answer.
    let endpoint = link.split("/_aws/").next().unwrap();
    let staged = staged_build(endpoint, "2026-11-08");
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    ureq::put(&format!("{endpoint}/{staged}/slipped-in.parquet")).header("Authorization", scope).send("rows").unwrap();
    let browser: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).max_redirects_will_error(false).build().into();
    browser.post(&link).send_form([("decision", "approve"), ("seen", "yes")]).unwrap();

    for line in lines.map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
    }
    let night = Night::read(child.wait().unwrap().code(), report.path(), &said);
    assert_eq!((night.code, night.error()), (1, "States.TaskFailed"), "{said}");
    assert!(night.cause().contains("StagedBuildChanged"), "{}", night.cause());
    assert!(!night.partition().exists());
}

/// Bucket and prefix of the newest staged build of that date.
fn staged_build(endpoint: &str, date: &str) -> String {
    let executions = call(endpoint, "states", "AWSStepFunctions.ListStateMachines", &json!({}));
    let machine =
        executions["stateMachines"].as_array().unwrap().iter().find(|machine| machine["name"].as_str().unwrap().ends_with("-night"));
    let arn = machine.unwrap()["stateMachineArn"].clone();
    let running = call(endpoint, "states", "AWSStepFunctions.ListExecutions", &json!({"stateMachineArn": arn, "statusFilter": "RUNNING"}));
    let name = running["executions"][0]["name"].as_str().expect("one night runs").to_owned();
    format!("nightly-warehouse-work-000000000000/nightly-warehouse/run_date={date}/{name}/apply-fx")
}
