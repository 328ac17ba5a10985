//! Datasets on the local AWS: files that arrive, in every way in which their builds are started. `cargo xtask test` starts the local AWS.

#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that it serves")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::local_aws::{NEEDS, athena, call, command, end_of, endpoint, eventually, folder};

const ORDERS: &str = "order_id,order_date,updated_at,customer_id,amount,currency\n";

/// A CSV file of somebody's.
struct File {
    kept: tempfile::TempDir,
    name: &'static str,
}

impl File {
    fn new(name: &'static str, text: &str) -> Self {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join(name), text).unwrap();
        Self { kept, name }
    }

    fn path(&self) -> PathBuf {
        self.kept.path().join(self.name)
    }
}

/// A build that has ended, as `cargo xtask dataset --json` tells it.
struct Delivered {
    code: i32,
    report: Value,
}

impl Delivered {
    fn run(file: &File, more: &[&str]) -> Self {
        let report = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        let output = command("dataset", &[&[path.to_str().unwrap()], more].concat(), report.path()).output().expect(NEEDS);
        let text = fs::read_to_string(report.path()).unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("the build left no report, it said:\n{said}"));
        Self { code: output.status.code().expect("the build was not killed"), report }
    }

    fn text(&self, pointer: &str) -> &str {
        self.report.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// What it says of its end: the outcome, or the error.
    fn outcome(&self) -> (i32, &str) {
        let outcome = self.text("/build/output/outcome");
        (self.code, if outcome.is_empty() { self.text("/build/error") } else { outcome })
    }

    /// The table's rows without their header, a line each.
    fn rows(&self) -> Vec<String> {
        let rows = self.report["rows"].as_array().unwrap().iter().skip(1);
        rows.map(|row| row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap()).collect::<Vec<_>>().join(",")).collect()
    }

    /// The folder of the delivery's files.
    fn folder(&self) -> PathBuf {
        Path::new(self.text("/raw")).join(self.text("/prefix")).join(format!("process_date={}", self.text("/date")))
    }
}

#[test]
#[ignore = "needs the local AWS"]
fn a_dropped_file_becomes_rows_and_the_same_file_again_builds_nothing() {
    let file = File::new(
        "orders.csv",
        &format!(
            "{ORDERS}o-1,2026-10-05,2026-10-05T08:00:00Z,c-1,10.50,EUR\no-2,2026-10-05,2026-10-05T09:00:00Z,,7.00,DKK\n\
             o-2,2026-10-05,2026-10-05T10:00:00Z,,8.00,DKK\no-3,2026-10-04,2026-10-05T10:00:00Z,c-3,99.99,USD\n"
        ),
    );
    let first = Delivered::run(&file, &[]);
    assert_eq!(first.outcome(), (0, "BUILT"), "{:#}", first.report);
    let rows = [
        "o-1,2026-10-05,2026-10-05 08:00:00,c-1,10.50,EUR",
        "o-2,2026-10-05,2026-10-05 10:00:00,,8.00,DKK",
        "o-3,2026-10-04,2026-10-05 10:00:00,c-3,99.99,USD",
    ];
    assert_eq!(first.rows(), rows, "each key once, the newest; the late row in its own day");
    assert_eq!(counted("orders", "order_date", "2026-10-05"), "2");

    let again = Delivered::run(&file, &[]);
    assert_eq!(again.outcome(), (3, "SKIPPED"), "{:#}", again.report);
    assert_eq!((again.text("/build/output/reason"), again.text("/build/output/owner")), ("BUILT", first.text("/execution")));
    let forced = Delivered::run(&file, &["--force"]);
    assert_eq!(forced.outcome(), (0, "BUILT"), "{:#}", forced.report);
    assert_eq!(forced.rows(), rows, "the same table");
}

#[test]
#[ignore = "needs the local AWS"]
fn a_bad_file_is_put_aside_and_told_by_row_and_column_and_a_good_one_of_its_name_is_built() {
    let header = "item_id,valid_on,name,stock\n";
    let bad = File::new("items.csv", &format!("{header}i-1,2026-11-11,Lamp,3\ni-2,2026-11-11,Chair,many\n"));
    let told = Delivered::run(&bad, &[]);
    assert_eq!(told.outcome(), (3, "FileQuarantined"), "{:#}", told.report);
    let malformed = &told.report["malformed"][0];
    assert_eq!((&malformed["row"], &malformed["column"]), (&json!(3), &json!("stock")), "{malformed}");
    assert!(!told.folder().join("items.csv").exists(), "its place is free");
    // By the channel that tells of the nights, and on the same status page.
    let told_by = |place: &str, words: &[&str]| {
        eventually(&format!("{place} does not tell of it"), || {
            let mut files = BTreeMap::new();
            collect(&folder(place), &mut files);
            let mut texts = files.keys().filter_map(|file| fs::read_to_string(file).ok());
            texts.find(|text| words.iter().all(|word| text.contains(word)))
        });
    };
    told_by("inbox/slack", &["items", "FileQuarantined", "stock", "is not a whole number"]);
    let site = "s3/000000000000/nightly-warehouse-site-000000000000";
    told_by(&format!("{site}/datasets"), &["items", "FileQuarantined", "stock «many»"]);

    let good = File::new("items.csv", &format!("{header}i-1,2026-11-11,Lamp,3\ni-2,2026-11-11,Chair,7\n"));
    let built = Delivered::run(&good, &[]);
    assert_eq!(built.outcome(), (0, "BUILT"), "{:#}", built.report);
    assert_eq!(built.rows(), ["i-1,2026-11-11,Lamp,3", "i-2,2026-11-11,Chair,7"]);
    told_by("inbox/slack", &["items", "Built", "11 November 2026"]);
    told_by(site, &["Datasets", "items"]);
}

#[test]
#[ignore = "needs the local AWS"]
fn a_file_of_no_dataset_is_told_with_the_declaration_that_it_lacks() {
    let file = File::new("returns.csv", "return_id,returned_on,amount\nr-1,2026-11-20,10.50\n");
    let report = tempfile::NamedTempFile::new().unwrap();
    let output = command("dataset", &[file.path().to_str().unwrap()], report.path()).output().expect(NEEDS);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in ["no dataset has the columns return_id,returned_on,amount", "ReturnsDataset:", "Columns: return_id STRING NOT NULL"] {
        assert!(said.contains(word), "«{word}» in {said}");
    }
}

#[test]
#[ignore = "needs the local AWS"]
fn files_that_come_together_are_built_once_and_a_part_that_comes_later_is_added() {
    let before = executions("orders");
    put("orders", "2026-09-05", "a.csv", &format!("{ORDERS}p-1,2026-09-05,2026-09-05T08:00:00Z,,1.00,EUR\n"));
    put("orders", "2026-09-05", "b.csv", &format!("{ORDERS}p-2,2026-09-05,2026-09-05T08:00:00Z,,2.00,EUR\n"));
    let ended = ended_since("orders", &before, 2);
    assert_eq!(outcomes(&ended), ["BUILT 2", "SKIPPED"], "two arrivals, one build of both");
    assert_eq!(counted("orders", "order_date", "2026-09-05"), "2");

    let before = executions("orders");
    put("orders", "2026-09-05", "c.csv", &format!("{ORDERS}p-3,2026-09-05,2026-09-05T08:00:00Z,,3.00,EUR\n"));
    assert_eq!(outcomes(&ended_since("orders", &before, 1)), ["BUILT 3"]);
    assert_eq!(counted("orders", "order_date", "2026-09-05"), "3");
}

#[test]
#[ignore = "needs the local AWS"]
fn each_way_to_start_builds_the_date_that_it_names() {
    #[expect(clippy::disallowed_methods, reason = "the schedule builds the day before, whichever day it is")]
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    let yesterday = (now.date() - 1.day()).to_string();
    let machine = machine("orders");

    // It arrives.
    let before = executions("orders");
    put("orders", &yesterday, "orders.csv", &format!("{ORDERS}w-1,{yesterday},{yesterday}T08:00:00Z,,1.00,EUR\n"));
    let arrived = ended_since("orders", &before, 1);
    assert_eq!(outcomes(&arrived), ["BUILT 1"]);
    let input: Value = serde_json::from_str(arrived[0]["input"].as_str().unwrap()).unwrap();
    assert_eq!(input["startedBy"], "arrival", "{input}");

    // Its own schedule, due in a moment: the day before, whose files are built already.
    let before = executions("orders");
    let schedule = format!("{}/schedules/nightly-warehouse-dataset-orders", endpoint());
    let deployed: Value = ureq::get(&schedule).header("Authorization", &scheduler()).call().unwrap().body_mut().read_json().unwrap();
    let write = |schedule_: &Value| {
        ureq::put(&schedule).header("Authorization", &scheduler()).send(schedule_.to_string()).unwrap();
    };
    let mut due = deployed.clone();
    due["ScheduleExpression"] = json!(format!("at({})", (now + 3.seconds()).strftime("%Y-%m-%dT%H:%M:%S")));
    due["State"] = json!("ENABLED");
    // By now that moment may have passed; a schedule that is late is still due.
    write(&due);
    let scheduled = ended_since("orders", &before, 1);
    write(&deployed);
    assert_eq!(outcomes(&scheduled), ["SKIPPED"]);
    assert_eq!(output(&scheduled[0])["processDate"], json!(yesterday), "{}", scheduled[0]);
    assert_eq!(output(&scheduled[0])["owner"], arrived[0]["executionArn"]);

    // By hand, as the event file has it.
    let mut by_hand: Value = serde_json::from_str(include_str!("../events/dataset-by-hand.json")).unwrap();
    by_hand["processDate"] = json!(yesterday);
    let started = start(&machine, &by_hand);
    let by_hand = end_of(&endpoint(), &started);
    assert_eq!(outcomes(std::slice::from_ref(&by_hand)), ["BUILT 1"]);

    // Another state machine, which waits for it.
    let mut asked: Value = serde_json::from_str(include_str!("../events/dataset-from-application.json")).unwrap();
    asked["processDate"] = json!(yesterday);
    asked["source"] = json!(format!("s3://nightly-warehouse-raw-000000000000/datasets/orders/process_date={yesterday}/orders.csv"));
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "BuildOrders",
        "States": {"BuildOrders": {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": machine, "Input": "{% $states.input %}"},
            "Output": "{% $states.result.Output %}",
            "End": true,
        }},
    });
    let shop =
        json!({"name": "shop-export", "definition": definition.to_string(), "roleArn": "arn:aws:iam::000000000000:role/shop-export"});
    let shop = states("CreateStateMachine", &shop)["stateMachineArn"].as_str().unwrap().to_owned();
    let nested = end_of(&endpoint(), &start(&shop, &asked));
    assert_eq!(nested["status"], "SUCCEEDED", "{nested}");
    let answer = output(&nested);
    assert_eq!((&answer["outcome"], &answer["owner"]), (&json!("SKIPPED"), &started), "the same files: {nested}");
}

#[test]
#[ignore = "needs the local AWS"]
fn dev_and_prod_stand_side_by_side_and_touch_nothing_of_each_other() {
    let night = |more: &[&str]| {
        let report = tempfile::NamedTempFile::new().unwrap();
        let arguments = [&["--date", "2026-10-20", "--orders", "300"], more].concat();
        let output = command("night", &arguments, report.path()).output().expect(NEEDS);
        let said = String::from_utf8_lossy(&output.stderr);
        let report: Value =
            serde_json::from_str(&fs::read_to_string(report.path()).unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"));
        let night = &report["night"];
        let ended = night["output"]["outcome"].as_str().or(night["error"].as_str());
        ended.unwrap_or_else(|| panic!("{night:#}")).to_owned()
    };
    assert_eq!(night(&["--deployment", "dev", "--skip-approval"]), "PUBLISHED", "in dev nobody need be asked");
    let dev = held("dev");
    assert!(dev.len() > 5, "{dev:?}");

    assert_eq!(night(&["--deployment", "prod", "--skip-approval"]), "FlagNotAllowed", "in prod somebody is asked");
    assert_eq!(night(&["--deployment", "prod", "--approve"]), "PUBLISHED");
    let file = File::new("items.csv", "item_id,valid_on,name,stock\ni-1,2026-10-20,Lamp,3\n");
    let items = Delivered::run(&file, &["--deployment", "prod"]);
    assert_eq!(items.outcome(), (0, "BUILT"), "{:#}", items.report);
    assert!(items.text("/build/output/table").starts_with("nightly_prod_datasets."), "{:#}", items.report);
    assert_eq!(held("dev"), dev, "prod's nights and datasets are prod's");

    let prod = held("prod");
    assert!(prod.keys().any(|place| place.contains("orders_curated/order_date=2026-10-20")), "{prod:?}");
    assert_eq!(Delivered::run(&file, &["--deployment", "dev"]).outcome(), (0, "BUILT"), "prod's build of the same file is none of dev's");
    assert_eq!(held("prod"), prod, "and dev's are dev's");
    assert_ne!(held("dev"), dev);
}

/// Everything that the stack of this environment holds: its objects and its items, by where they are.
fn held(environment: &str) -> BTreeMap<String, String> {
    let stack = format!("nightly-{environment}-");
    let mut held = BTreeMap::new();
    let buckets = folder("s3").join("000000000000");
    for bucket in fs::read_dir(buckets).unwrap().flatten().filter(|bucket| bucket.file_name().to_string_lossy().starts_with(&stack)) {
        collect(&bucket.path(), &mut held);
    }
    let dynamodb = |operation: &str, input: Value| call(&endpoint(), "dynamodb", &format!("DynamoDB_20120810.{operation}"), &input);
    for table in dynamodb("ListTables", json!({}))["TableNames"].as_array().unwrap() {
        if table.as_str().unwrap().starts_with(&stack) {
            held.insert(table.to_string(), dynamodb("Scan", json!({"TableName": table}))["Items"].to_string());
        }
    }
    held
}

fn collect(folder: &Path, held: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), held);
        } else {
            held.insert(entry.path().to_string_lossy().into_owned(), format!("{:?}", entry.metadata().unwrap().modified().unwrap()));
        }
    }
}

/// Puts an object as any sender does.
fn put(dataset: &str, date: &str, name: &str, text: &str) {
    let url = format!("{}/nightly-warehouse-raw-000000000000/datasets/{dataset}/process_date={date}/{name}", endpoint());
    let scope = scheduler().replace("/scheduler/", "/s3/");
    ureq::put(&url).header("Authorization", &scope).send(text).unwrap();
}

fn scheduler() -> String {
    "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/scheduler/aws4_request, SignedHeaders=host, Signature=0".to_owned()
}

fn states(operation: &str, input: &Value) -> Value {
    call(&endpoint(), "states", &format!("AWSStepFunctions.{operation}"), input)
}

fn machine(dataset: &str) -> String {
    format!("arn:aws:states:eu-central-1:000000000000:stateMachine:nightly-warehouse-dataset-{dataset}")
}

fn start(machine: &str, input: &Value) -> Value {
    states("StartExecution", &json!({"stateMachineArn": machine, "input": input.to_string()}))["executionArn"].clone()
}

fn executions(dataset: &str) -> Vec<Value> {
    let listed = states("ListExecutions", &json!({"stateMachineArn": machine(dataset), "maxResults": 1000}));
    listed["executions"].as_array().unwrap().iter().map(|execution| execution["executionArn"].clone()).collect()
}

/// The executions that have begun since, as many as are expected and no more, once each has ended.
fn ended_since(dataset: &str, before: &[Value], expected: usize) -> Vec<Value> {
    let new = || -> Vec<_> { executions(dataset).into_iter().filter(|execution| !before.contains(execution)).collect() };
    let begun = eventually("nothing has begun", || Some(new()).filter(|new| new.len() >= expected));
    let ended = begun.iter().map(|execution| end_of(&endpoint(), execution)).collect();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(new().len(), expected, "nothing else has begun");
    ended
}

fn output(described: &Value) -> Value {
    described["output"].as_str().map_or(Value::Null, |output| serde_json::from_str(output).unwrap())
}

/// How each has ended, sorted: `BUILT` with its rows, or `SKIPPED`.
fn outcomes(ended: &[Value]) -> Vec<String> {
    let told = |described: &Value| {
        let output = output(described);
        let outcome = output["outcome"].as_str().or(described["error"].as_str()).unwrap_or_default().to_owned();
        if outcome == "BUILT" { format!("{outcome} {}", output["rows"]) } else { outcome }
    };
    let mut outcomes: Vec<_> = ended.iter().map(told).collect();
    outcomes.sort();
    outcomes
}

/// How many rows the curated table has of a day, by Athena.
fn counted(dataset: &str, column: &str, day: &str) -> String {
    let query = format!("SELECT count(*) FROM {dataset}_curated WHERE {column} = DATE '{day}'");
    athena(&endpoint(), "nightly_warehouse_datasets", &query).remove(0)
}
