//! Whole nights on the local AWS, through the command that users type. `cargo xtask test` starts the local AWS for them.

#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that it serves")]

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::local_aws::{NEEDS, athena, call, command, end_of, eventually, page, press, run, workspace};

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

    /// The date is another execution's.
    #[track_caller]
    fn assert_skipped(&self, reason: &str, owner: &str) {
        assert_eq!((self.code, self.text("/night/output/outcome")), (3, "SKIPPED"), "{:#}", self.report["night"]);
        assert_eq!((self.text("/night/output/reason"), self.text("/night/output/owner")), (reason, owner));
        assert_eq!(self.tries("extract-orders"), None, "nothing was built");
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

/// A backfill that has ended, as `cargo xtask backfill --json` tells it.
struct Backfill {
    code: i32,
    report: Value,
    summary: Value,
}

impl Backfill {
    fn run(arguments: &[&str]) -> Self {
        let report = tempfile::NamedTempFile::new().unwrap();
        let output = command("backfill", arguments, report.path()).output().expect(NEEDS);
        let said = String::from_utf8_lossy(&output.stderr);
        let text = fs::read_to_string(report.path()).unwrap_or_default();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("the backfill left no report, it said:\n{said}"));
        let summary = report["ended"]["output"].as_str().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default();
        Self { code: output.status.code().expect("the backfill was not killed"), report, summary }
    }

    /// What became of each date that was to be built.
    fn dates(&self) -> Vec<(&str, &str)> {
        let dates = self.summary["dates"].as_array().into_iter().flatten();
        dates.filter_map(|date| Some((date["runDate"].as_str()?, date["outcome"].as_str()?))).collect()
    }
}

fn xtask(arguments: &[&str], report: &Path) -> Command {
    command("night", arguments, report)
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

    let unasked = Night::run(&["--date", "2026-11-17", "--orders", "4000", "--approve"]);
    unasked.assert_skipped("PUBLISHED", night.text("/execution"));
    let again = Night::run(&["--date", "2026-11-17", "--orders", "4000", "--approve", "--force"]);
    again.assert_published();
    assert_eq!(again.warehouse(), first);
    let row = registered(again.text("/endpoint"), "2026-11-17");
    let (owner, claim) = (row["owner"]["S"].as_str().unwrap(), row["claim"]["N"].as_str().unwrap());
    assert_eq!((owner, claim, row["status"]["S"].as_str().unwrap()), (again.text("/execution"), "2", "PUBLISHED"), "{row}");
    assert_eq!(row["published_rows"]["N"], json!(first[0]));
}

#[test]
#[ignore = "needs the local AWS"]
fn a_start_that_comes_twice_builds_the_date_once_and_says_so() {
    let night = AskedNight::start(&["--date", "2026-11-02", "--orders", "500"]);
    let (endpoint, owner) = (night.endpoint(), running(&night.endpoint()));
    for force in [false, true] {
        let second = start(&endpoint, &json!({"runDate": "2026-11-02", "startedBy": "nightly-tests", "force": force}));
        let described = end_of(&endpoint, &second);
        let output: Value = serde_json::from_str(described["output"].as_str().unwrap()).unwrap();
        assert_eq!(output, json!({"outcome": "SKIPPED", "reason": "RUNNING", "runDate": "2026-11-02", "owner": owner}));
    }
    assert_eq!(registered(&endpoint, "2026-11-02")["owner"]["S"], owner);
    press(night.link(BERG), &[("decision", "approve"), ("seen", "yes")]);
    press(night.link(OSEI), &[("decision", "approve"), ("seen", "yes")]);
    night.ended().assert_published();
}

#[test]
#[ignore = "needs the local AWS"]
fn a_failed_night_is_taken_over_and_publishes_nothing_when_it_is_redriven() {
    let night = AskedNight::start(&["--date", "2026-11-01", "--orders", "500"]);
    let (endpoint, first) = (night.endpoint(), running(&night.endpoint()));
    // Somebody slips a file into the staged build, so that publishing fails when the answer is given already.
    let slipped = format!("{endpoint}/{}/slipped-in.parquet", staged_build(&endpoint, "2026-11-01"));
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    ureq::put(&slipped).header("Authorization", scope).send("rows").unwrap();
    press(night.link(BERG), &[("decision", "approve"), ("seen", "yes")]);
    press(night.link(OSEI), &[("decision", "approve"), ("seen", "yes")]);
    assert_eq!(night.ended().code, 1);

    let other = Night::run(&["--date", "2026-11-01", "--orders", "500", "--approve"]);
    other.assert_published();
    let published = other.warehouse();
    ureq::delete(&slipped).header("Authorization", scope).call().unwrap();
    call(&endpoint, "states", "AWSStepFunctions.RedriveExecution", &json!({"executionArn": first}));
    let described = end_of(&endpoint, &first);
    assert_eq!(described["status"], "FAILED");
    assert!(described["cause"].as_str().unwrap().contains("NightTakenOver"), "{described}");
    assert_eq!(other.warehouse(), published);
    let row = registered(&endpoint, "2026-11-01");
    assert_eq!((&row["owner"]["S"], &row["status"]["S"]), (&json!(other.text("/execution")), &json!("PUBLISHED")), "{row}");
}

#[test]
#[ignore = "needs the local AWS"]
fn a_night_leaves_out_what_its_input_says() {
    let built = Night::run(&["--date", "2026-10-30", "--orders", "500", "--skip-publish", "--skip-notify"]);
    assert_eq!((built.code, built.text("/night/output/outcome")), (0, "BUILT"), "{:#}", built.report["night"]);
    built.assert_nothing_published();
    assert_eq!(built.tries("manual-approval"), None, "nobody is asked about what is not published");
    assert_eq!(registered(built.text("/endpoint"), "2026-10-30")["status"]["S"], "BUILT");
    let page = fs::read_to_string(built.folder("site").join("nights/2026-10-30.html")).unwrap();
    assert!(page.contains("Its input left out publishing (skipPublish) and telling Slack and the mailing list (skipNotify)."), "{page}");

    let unasked = Night::run(&["--date", "2026-10-30", "--orders", "500", "--skip-approval"]);
    unasked.assert_published();
    unasked.assert_warehouse_is_right();
    assert!(unasked.entered("WaiveApproval") && !unasked.entered("ManualApproval"));
    let page = fs::read_to_string(unasked.folder("site").join("nights/2026-10-30.html")).unwrap();
    assert!(page.contains("approved by nobody (skipApproval)"), "{page}");
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

    // Slack and the stakeholders' mail say which step, which error, why, and how to go on.
    let execution = night.text("/execution");
    let go_on = format!("aws stepfunctions redrive-execution --execution-arn {execution}");
    for (way, says) in heard(&night, "14 November 2026") {
        for word in ["enrich-currency", "RatesUnavailable", "503", go_on.as_str()] {
            assert!(says.contains(word), "«{word}» in {way}: {says}");
        }
    }
    let record: Value = serde_json::from_str(&fs::read_to_string(night.folder("site").join("nights/2026-11-14.json")).unwrap()).unwrap();
    assert_eq!((&record["outcome"], &record["trouble"]["tries"]), (&json!("FAILED"), &json!(3)));
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
    // By now the watch, which comes every minute, has put into the audit what the last click left to it.
    assert_every_chain_holds(&["A. Berg", "B. Osei"]);
}

#[test]
#[ignore = "needs the local AWS"]
fn a_no_ends_the_night_with_the_reason_and_the_person() {
    let night = Night::run(&["--date", "2026-11-11", "--orders", "500", "--reject", "Revenue of Music looks wrong"]);
    night.assert_ended(3, "ApprovalRejected");
    for word in ["A. Berg", "Revenue of Music looks wrong"] {
        assert!(night.cause().contains(word), "{}", night.cause());
    }
    heard(&night, "11 November 2026");
    let page = fs::read_to_string(night.folder("site").join("nights/2026-11-11.html")).unwrap();
    assert!(page.contains("Revenue, as built"), "who rejected it has figures to look at: {page}");
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
    let night = AskedNight::start(&["--date", "2026-11-08", "--orders", "500"]);
    // Somebody slips a file into the staged build between the question and the answer.
    let staged = staged_build(&night.endpoint(), "2026-11-08");
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    ureq::put(&format!("{}/{staged}/slipped-in.parquet", night.endpoint())).header("Authorization", scope).send("rows").unwrap();
    press(night.link(BERG), &[("decision", "approve"), ("seen", "yes")]);
    press(night.link(OSEI), &[("decision", "approve"), ("seen", "yes")]);

    let night = night.ended();
    assert_eq!((night.code, night.error()), (1, "States.TaskFailed"));
    assert!(night.cause().contains("StagedBuildChanged"), "{}", night.cause());
    assert!(!night.partition().exists());
}

#[test]
#[ignore = "needs the local AWS"]
fn who_started_a_night_needs_another_and_that_one_may_hand_it_on() {
    let night = AskedNight::start(&["--date", "2026-10-31", "--orders", "500", "--approvals", "1", "--started-by", BERG]);
    press(night.link(BERG), &[("decision", "approve"), ("seen", "yes")]);
    assert!(night.is_waiting(), "the approval of who started it is not enough");
    press(night.link(OSEI), &[("decision", "hand-on"), ("to", LIND)]);
    let deputy = night.mailed_link(LIND);
    press(night.link(OSEI), &[("decision", "reject"), ("reason", "It is no longer mine to say.")]);
    assert!(night.is_waiting(), "who has handed their answer on has none left");
    press(&deputy, &[("decision", "approve"), ("seen", "yes"), ("comment", "In place of B. Osei.")]);

    let night = night.ended();
    night.assert_published();
    let record: Value = serde_json::from_str(&fs::read_to_string(night.folder("site").join("nights/2026-10-31.json")).unwrap()).unwrap();
    assert_eq!(record["answer"]["by"], "A. Berg, D. Lind");
}

#[test]
#[ignore = "needs the local AWS"]
fn a_night_that_nobody_answers_expires_and_publishes_nothing() {
    let night = Night::run(&["--date", "2026-11-06", "--orders", "500", "--approval-seconds", "40", "--extension-seconds", "0"]);
    night.assert_ended(3, "ApprovalExpired");
    assert_eq!(night.step("manual-approval")["state"], "EXPIRED");
}

#[test]
#[ignore = "needs the local AWS"]
fn a_question_whose_night_is_stopped_says_so() {
    let night = AskedNight::start(&["--date", "2026-11-05", "--orders", "500"]);
    let endpoint = night.endpoint();
    let execution = running(&endpoint);
    let link = night.link(BERG).to_owned();
    call(&endpoint, "states", "AWSStepFunctions.StopExecution", &json!({"executionArn": execution}));
    assert!(page(&link).contains("stopped"), "the page asks Step Functions itself: {}", page(&link));
    press(&link, &[("decision", "approve"), ("seen", "yes")]);
    let said = page(&link);
    assert!(!said.contains("went on to publish") && said.contains("stopped"), "{said}");
    let night = night.ended();
    assert_eq!(night.code, 1);
    night.assert_nothing_published();
    for (way, says) in heard(&night, "5 November 2026") {
        for word in ["was stopped by hand", "Nothing was published", "aws stepfunctions start-execution", "2026-11-05"] {
            assert!(says.contains(word), "«{word}» in {way}: {says}");
        }
    }
}

#[test]
#[ignore = "needs the local AWS"]
fn a_backfill_builds_what_is_missing_goes_on_after_a_failure_and_takes_one_approval_for_the_rest() {
    let published = Night::run(&["--date", "2026-10-25", "--orders", "500", "--approve"]);
    published.assert_published();
    let endpoint = published.text("/endpoint");
    let days = ["--from", "2026-10-25", "--to", "2026-10-27", "--orders", "500", "--approve"];
    let backfill = |more: &[&str]| Backfill::run(&[&days[..], more].concat());
    let status = |date: &str| registered(endpoint, date)["status"]["S"].as_str().map(str::to_owned);

    let dry = backfill(&["--dry-run"]);
    let told: Vec<_> =
        dry.summary["dates"].as_array().unwrap().iter().map(|date| (date["status"].as_str().unwrap(), date["runs"] == true)).collect();
    assert_eq!((dry.code, told), (0, vec![("PUBLISHED", false), ("NONE", true), ("NONE", true)]));
    assert_eq!(status("2026-10-26"), None, "nothing was started");

    let each = backfill(&["--broken", "2026-10-26"]);
    assert_eq!(each.code, 3, "{:#}", each.report);
    assert_eq!(each.dates(), [("2026-10-26", "FAILED"), ("2026-10-27", "PUBLISHED")]);
    let failed = &each.summary["dates"][0];
    assert_eq!(failed["error"], "QualityFailed");
    assert!(failed["cause"].as_str().unwrap().contains("did not pass for 2026-10-26"), "{failed}");
    assert_eq!(each.summary["leftAlone"], 1);
    assert_eq!(registered(endpoint, "2026-10-25")["owner"]["S"], published.text("/execution"), "what is published is left alone");
    eventually("the row does not say how the night ended", || status("2026-10-26").filter(|status| status == "QUALITY_FAILED"));

    let batch = backfill(&["--which", "failed", "--approval", "batch"]);
    assert_eq!((batch.code, batch.dates()), (0, vec![("2026-10-26", "PUBLISHED")]), "{:#}", batch.report);
    let execution = batch.report["execution"].as_str().unwrap();
    let name = execution.rsplit(':').next().unwrap();
    assert_eq!(questions(&published.folder("inbox"), name), 1, "one question for all of them, and none by a night");
    let record: Value =
        serde_json::from_str(&fs::read_to_string(published.folder("site").join("nights/2026-10-26.json")).unwrap()).unwrap();
    assert_eq!(record["answer"]["by"], "A. Berg, B. Osei", "the page says who approved the batch");

    // The answer counted for the night that it was given for, and for no other.
    let question = execution.replace("-backfill:", "-question:");
    let again = json!({"runDate": "2026-10-26", "force": true, "startedBy": "cargo xtask backfill", "batchApproval": question});
    let described = end_of(endpoint, &start(endpoint, &again));
    assert_eq!((&described["status"], &described["error"]), (&json!("FAILED"), &json!("BatchApprovalInvalid")), "{described}");
}

/// The audit of all nights so far holds what was written, and names these people.
#[track_caller]
fn assert_every_chain_holds(people: &[&str]) {
    let until = Instant::now() + Duration::from_mins(2);
    loop {
        let output = run().args(["audit", "verify", "--print"]).output().expect(NEEDS);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            for word in people.iter().chain(&["all chains hold"]) {
                assert!(said.contains(word), "«{word}» in {said}");
            }
            return;
        }
        assert!(Instant::now() < until, "{said}");
        std::thread::sleep(Duration::from_secs(5));
    }
}

/// How many questions were mailed by this execution and those that it has started, whose names end with its own.
fn questions(inbox: &Path, execution: &str) -> usize {
    let files = fs::read_dir(inbox.join("mail")).unwrap().flatten();
    let mails = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let ids = mails
        .filter(|mail| mail.contains(execution))
        .filter_map(|mail| Some(mail.split_once("/approvals/")?.1.split('/').next()?.to_owned()));
    ids.collect::<std::collections::BTreeSet<_>>().len()
}

/// What Slack and the stakeholders' inbox say of a night that did not end well.
fn heard(night: &Night, day: &str) -> [(&'static str, String); 2] {
    let found = |folder: &str, wanted: &dyn Fn(&str) -> bool| {
        eventually(&format!("{folder} was not told"), || {
            let files = fs::read_dir(night.folder("inbox").join(folder)).into_iter().flatten().flatten();
            let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
            texts.find(|text| text.contains(day) && wanted(text))
        })
    };
    let slack = found("slack", &|text| text.contains("Failed: warehouse") || text.contains("Not published: warehouse"));
    let mail = found("mail", &|text| text.contains("warehouse@nordvik.example"));
    [("Slack", slack), ("mail", mail)]
}

const BERG: &str = "a.berg@nordvik.example";
const OSEI: &str = "b.osei@nordvik.example";
const LIND: &str = "d.lind@nordvik.example";

/// A night that waits for its approvers.
struct AskedNight {
    child: Child,
    report: tempfile::NamedTempFile,
    printed: Lines<BufReader<ChildStderr>>,
    said: String,
    links: Vec<(String, String)>,
    inbox: String,
}

impl AskedNight {
    fn start(arguments: &[&str]) -> Self {
        let report = tempfile::NamedTempFile::new().unwrap();
        let mut child = xtask(arguments, report.path()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect(NEEDS);
        let mut printed = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut said, mut links, mut to) = (String::new(), Vec::new(), String::new());
        let inbox = loop {
            let line = printed.next().unwrap_or_else(|| panic!("no question was asked:\n{said}")).unwrap();
            let word = line.split_whitespace().last().unwrap_or_default().to_owned();
            if word.contains("/approvals/") {
                links.push((to.clone(), word));
            } else if line.trim_start().starts_with("inbox") && !links.is_empty() {
                break word;
            } else {
                to = word;
            }
            said.push_str(&line);
            said.push('\n');
        };
        Self { child, report, printed, said, links, inbox }
    }

    fn link(&self, approver: &str) -> &str {
        let link = self.links.iter().find(|(to, _)| to == approver).unwrap_or_else(|| panic!("nobody asked {approver}:\n{}", self.said));
        &link.1
    }

    /// The link in the mail that this person gets now.
    fn mailed_link(&self, person: &str) -> String {
        let (id, _) = self.links[0].1.rsplit_once('/').unwrap();
        eventually("no mail came", || {
            let inbox = page(&self.inbox);
            let mut links = inbox.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).filter(|link| link.starts_with(id));
            links.find(|link| page(link).contains(person)).map(str::to_owned)
        })
    }

    fn endpoint(&self) -> String {
        self.links[0].1.split("/_aws/").next().unwrap().to_owned()
    }

    fn is_waiting(&self) -> bool {
        let machines = call(&self.endpoint(), "states", "AWSStepFunctions.ListStateMachines", &json!({}));
        let arn = state_machine(&machines);
        let running = json!({"stateMachineArn": arn, "statusFilter": "RUNNING"});
        !call(&self.endpoint(), "states", "AWSStepFunctions.ListExecutions", &running)["executions"].as_array().unwrap().is_empty()
    }

    fn ended(mut self) -> Night {
        for line in self.printed.by_ref().map_while(Result::ok) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        Night::read(self.child.wait().unwrap().code(), self.report.path(), &self.said)
    }
}

/// The state machine of the nights, from `ListStateMachines`.
fn state_machine(machines: &Value) -> Value {
    let machines = machines["stateMachines"].as_array().unwrap();
    machines.iter().find(|machine| machine["name"] == "nightly-warehouse-night").unwrap()["stateMachineArn"].clone()
}

/// The execution that runs.
fn running(endpoint: &str) -> Value {
    let arn = state_machine(&call(endpoint, "states", "AWSStepFunctions.ListStateMachines", &json!({})));
    let running = call(endpoint, "states", "AWSStepFunctions.ListExecutions", &json!({"stateMachineArn": arn, "statusFilter": "RUNNING"}));
    running["executions"][0]["executionArn"].clone()
}

/// Starts a night as anybody may, beside the command.
fn start(endpoint: &str, input: &Value) -> Value {
    let arn = state_machine(&call(endpoint, "states", "AWSStepFunctions.ListStateMachines", &json!({})));
    let request = json!({"stateMachineArn": arn, "input": input.to_string()});
    call(endpoint, "states", "AWSStepFunctions.StartExecution", &request)["executionArn"].clone()
}

/// What the registry says of a date.
fn registered(endpoint: &str, date: &str) -> Value {
    let key = json!({"TableName": "nightly-warehouse-nights", "Key": {"run_date": {"S": date}}, "ConsistentRead": true});
    call(endpoint, "dynamodb", "DynamoDB_20120810.GetItem", &key)["Item"].clone()
}

/// Bucket and prefix of the staged build of the night that runs.
fn staged_build(endpoint: &str, date: &str) -> String {
    let execution = running(endpoint);
    let name = execution.as_str().expect("one night runs").rsplit(':').next().unwrap();
    format!("nightly-warehouse-work-000000000000/nightly-warehouse/run_date={date}/{name}/apply-fx")
}
