use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nightly_domain::memory::{Fate, Gate, ManualClock, MemoryObjects};
use serde_json::{Value, json};

use super::*;

const FOLDER: &str = "s3://raw/datasets/orders/process_date=2026-11-20/";
const GOOD: &str = "order_id,order_date,updated_at,amount\n1,2026-11-20,2026-11-20T09:30:00Z,12.50\n2,2026-11-19,,\n";
const BAD: &str = "order_id,order_date,updated_at,amount\n1,2026-11-20,,12.50\n2,2026-11-20,,twelve\n";

/// A bucket, and who looks at it.
struct Inbox {
    gate: Arc<Gate>,
    ports: Ports<MemoryObjects, ManualClock>,
}

impl Inbox {
    fn empty() -> Self {
        let gate = Arc::new(Gate::default());
        let clock = ManualClock::at("2026-11-20T18:00:00Z".parse().unwrap());
        Self { ports: Ports { objects: MemoryObjects::behind(&gate), clock }, gate }
    }

    fn with(name: &str, body: &str) -> Self {
        let inbox = Self::empty();
        inbox.put(name, body);
        inbox
    }

    fn put(&self, name: &str, body: &str) {
        self.ports.objects.put(&uri(&format!("{FOLDER}{name}")), body);
    }

    /// Every key, in order.
    fn keys(&self) -> Vec<String> {
        now(self.ports.objects.list(&uri("s3://raw/"))).unwrap().into_iter().map(|entry| entry.key).collect()
    }

    fn json(&self, uri: &ObjectUri) -> Value {
        serde_json::from_slice(&self.ports.objects.stored(uri).expect("it is there")).unwrap()
    }

    fn check(&self, change: Value) -> Result<Fit, CheckFailed> {
        now(handle(&self.ports, request(change)))
    }
}

fn request(change: Value) -> Request {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/dataset-check.json")).unwrap();
    event.as_object_mut().unwrap().remove("source");
    let Value::Object(change) = change else { panic!("a change is an object") };
    event.as_object_mut().unwrap().extend(change);
    serde_json::from_value(event).unwrap()
}

fn uri(text: &str) -> ObjectUri {
    text.parse().unwrap()
}

/// Nothing here waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("memory never waits"),
    }
}

fn told_of(result: Result<Fit, CheckFailed>) -> (&'static str, String) {
    let error = result.unwrap_err();
    (error.name(), error.to_string())
}

#[test]
fn good_files_are_fit_and_the_same_files_have_the_same_digest() {
    let inbox = Inbox::with("a.csv", GOOD);
    inbox.put("b.csv", GOOD);
    inbox.put("_notes.txt", "nobody's data");
    inbox.put("old/a.csv", "nobody's data");
    let fit = inbox.check(json!({})).unwrap();
    assert_eq!((fit.source_uri.to_string().as_str(), fit.files, fit.rows, fit.malformed), (FOLDER, 2, 4, 0));
    assert_eq!(inbox.check(json!({"source": format!("{FOLDER}a.csv"), "runId": "another"})).unwrap().digest, fit.digest);
    inbox.put("_notes.txt", "changed");
    assert_eq!(inbox.check(json!({"source": FOLDER})).unwrap().digest, fit.digest);
    inbox.put("b.csv", &GOOD.replace("12.50", "13.50"));
    assert_ne!(inbox.check(json!({})).unwrap().digest, fit.digest);
}

#[test]
fn only_days_that_have_begun_are_process_dates() {
    for text in ["2026-02-29", "20.11.2026", "the day before yesterday", ""] {
        let (name, message) = told_of(Inbox::empty().check(json!({"processDate": text})));
        assert_eq!(name, "InvalidProcessDate");
        assert!(message.contains(&format!("«{text}»")), "{message}");
    }
    let (name, message) = told_of(Inbox::empty().check(json!({"processDate": "2026-11-21"})));
    assert_eq!((name, message.as_str()), ("InvalidProcessDate", "the process date 2026-11-21 has not begun: today is 2026-11-20 (UTC)"));
}

#[test]
fn nothing_outside_of_the_datasets_folder_is_looked_at() {
    for source in [
        "s3://other/datasets/orders/process_date=2026-11-20/a.csv",
        "s3://raw/datasets/items/process_date=2026-11-20/a.csv",
        "s3://raw/datasets/orders/process_date=2026-11-19/a.csv",
        "s3://raw/datasets/orders/process_date=2026-11-20/../../items/a.csv",
        "s3://raw/datasets/orders/process_date=2026-11-20/a.parquet",
        "datasets/orders/process_date=2026-11-20/a.csv",
    ] {
        let inbox = Inbox::with("a.csv", GOOD);
        let (name, message) = told_of(inbox.check(json!({"source": source})));
        assert_eq!((name, message), ("SourceNotAllowed", format!("«{source}» is no .csv file right below {FOLDER}")));
        assert_eq!(inbox.gate.calls(), Vec::<&str>::new(), "{source}");
    }
}

#[test]
fn a_file_that_is_not_there_is_missing() {
    let (name, message) = told_of(Inbox::empty().check(json!({})));
    assert_eq!((name, message), ("SourceMissing", format!("there is no {FOLDER}*.csv")));
    let named = told_of(Inbox::with("a.csv", GOOD).check(json!({"source": format!("{FOLDER}b.csv")})));
    assert_eq!(named, ("SourceMissing", format!("there is no {FOLDER}b.csv")));
}

#[test]
fn a_bad_file_is_put_aside_with_a_report_of_row_and_column_and_a_good_one_of_its_name_is_fit() {
    let inbox = Inbox::with("a.csv", BAD);
    let result = inbox.check(json!({"source": format!("{FOLDER}a.csv")}));
    let CheckFailed::Quarantined { aside } = result.as_ref().unwrap_err() else { panic!("{result:?}") };
    let report = inbox.json(&aside[0].report);
    let problem = "amount «twelve» is not an amount with at most 10 digits before and 2 after the point";
    assert_eq!(report["rows"], json!([{"row": 3, "column": "amount", "problem": problem}]));
    assert_eq!(
        (&report["file"], &report["malformed"], &report["at"]),
        (&json!(format!("{FOLDER}a.csv")), &json!(1), &json!("2026-11-20T18:00:00Z"))
    );
    assert_eq!(inbox.ports.objects.stored(&uri(report["quarantined"].as_str().unwrap())).unwrap(), BAD.as_bytes());
    let (name, message) = told_of(result);
    assert_eq!(name, "FileQuarantined");
    assert!(message.contains(&format!("row 3: {problem}; the report is s3://raw/quarantine/orders/")), "{message}");

    // Its place is free, and the same execution, redriven, takes what comes there.
    assert!(inbox.keys().iter().all(|key| key.starts_with("quarantine/")), "{:?}", inbox.keys());
    inbox.put("a.csv", GOOD);
    assert_eq!(inbox.check(json!({"source": format!("{FOLDER}a.csv")})).unwrap().files, 1);
}

#[test]
fn malformed_rows_are_let_pass_up_to_the_allowed_number_of_the_whole_delivery() {
    let inbox = Inbox::with("a.csv", BAD);
    inbox.put("b.csv", BAD);
    inbox.put("c.csv", GOOD);
    let fit = inbox.check(json!({"maximumMalformedRows": 2})).unwrap();
    assert_eq!((fit.rows, fit.malformed), (6, 2));
    let (name, message) = told_of(inbox.check(json!({"maximumMalformedRows": 1})));
    assert_eq!(name, "FileQuarantined");
    assert!(message.ends_with("; 1 more, too"), "{message}");
    let left: Vec<_> = inbox.keys().into_iter().filter(|key| key.starts_with("datasets/")).collect();
    assert_eq!(left, ["datasets/orders/process_date=2026-11-20/c.csv"]);
}

#[test]
fn a_file_that_is_bad_as_a_whole_is_put_aside_too() {
    for (body, problem) in [
        ("", "the file is empty"),
        ("order_id,order_date,updated_at,amount\n", "the file holds a header and no row"),
        ("order_id,amount\n1,2\n", "the header «order_id,amount» is not «order_id,order_date,updated_at,amount»"),
        ("\u{feff}order_id,order_date,updated_at,amount\n", "the header «\u{feff}order_id"),
        ("1,2026-11-20,,12.50\n", "the header «1,2026-11-20,,12.50» is not"),
    ] {
        let (name, message) = told_of(Inbox::with("a.csv", body).check(json!({"maximumMalformedRows": 1000})));
        assert_eq!(name, "FileQuarantined");
        assert!(message.contains(problem), "{message}");
    }
    let declaration = request(json!({})).declaration;
    let due = Due { process_date: RunDate::parse("2026-11-20").unwrap(), late_days: 7 };
    let not_text = [GOOD.as_bytes(), b"3,2026-11-20,,\xff\n"].concat();
    assert_eq!(judge(&not_text, &declaration, due), Err(Unreadable::NotText(GOOD.len() + 14)));
}

#[test]
fn a_file_above_the_limit_is_put_aside_unread() {
    let inbox = Inbox::with("a.csv", &"x".repeat(1024 * 1024 + 1));
    let (name, message) = told_of(inbox.check(json!({"maximumMegabytes": 1})));
    assert_eq!(name, "FileQuarantined");
    assert!(message.contains("the file has 1048577 bytes, and 1 megabytes are allowed"), "{message}");
    assert!(!inbox.gate.calls().contains(&"Deliveries.read_listed"));
}

/// Whatever call fails, before or after it has done its work: tried again, the file is in quarantine and nowhere else.
#[test]
fn a_try_that_is_cut_short_anywhere_is_finished_by_the_next() {
    for fate in [Fate::FailsBefore, Fate::FailsAfter] {
        for call in ["Objects.list", "Deliveries.read_listed", "Deliveries.copy_listed", "Objects.write", "Deliveries.remove_listed"] {
            let inbox = Inbox::with("a.csv", BAD);
            inbox.put("b.csv", GOOD);
            inbox.gate.plan(call, fate);
            assert_eq!(told_of(inbox.check(json!({}))).0, "StorageUnavailable", "{call} {fate:?}");
            let (name, message) = told_of(inbox.check(json!({})));
            assert_eq!(name, "FileQuarantined", "{call} {fate:?}");
            assert!(message.starts_with(&format!("{FOLDER}a.csv was put into quarantine: ")), "{message}");
            let keys = inbox.keys();
            assert_eq!(keys.len(), 3, "{call} {fate:?}: {keys:?}");
            assert_eq!(keys[0], "datasets/orders/process_date=2026-11-20/b.csv");
        }
    }
}

#[test]
fn a_delivery_whose_bad_part_was_put_aside_is_incomplete_for_every_run() {
    let inbox = Inbox::with("a.csv", GOOD);
    inbox.put("b.csv", BAD);
    assert_eq!(told_of(inbox.check(json!({}))).0, "FileQuarantined");
    // The parts that are left are good, and another run would take them for everything.
    let another = json!({"runId": "2026-11-20-b2", "source": "s3://raw/datasets/orders/process_date=2026-11-20/a.csv"});
    let (name, message) = told_of(inbox.check(another.clone()));
    assert_eq!(name, "FileQuarantined", "{message}");
    assert!(message.contains("put aside before, and no better one has come since"), "{message}");

    let mut forced = another.clone();
    forced["force"] = true.into();
    assert_eq!(inbox.check(forced).unwrap().files, 1, "whoever forces it gives the part up");
    inbox.put("b.csv", GOOD);
    assert_eq!(inbox.check(another).unwrap().files, 2, "a good part of the same name makes it whole");
}

#[test]
fn a_file_that_is_replaced_meanwhile_is_neither_judged_nor_removed_for_the_other() {
    /// Puts a good file in the bad one's place right before a call.
    struct Replacing(MemoryObjects, &'static str);

    impl Replacing {
        fn before(&self, call: &str) {
            if call == self.1 {
                self.0.put(&uri(&format!("{FOLDER}a.csv")), GOOD);
            }
        }
    }

    impl Objects for Replacing {
        async fn read(&self, uri: &ObjectUri) -> Result<Option<Vec<u8>>, PortError> {
            self.0.read(uri).await
        }
        async fn write(&self, uri: &ObjectUri, content_type: &str, body: Vec<u8>) -> Result<(), PortError> {
            self.0.write(uri, content_type, body).await
        }
        async fn list(&self, prefix: &ObjectUri) -> Result<Vec<ObjectEntry>, PortError> {
            self.0.list(prefix).await
        }
    }

    impl Deliveries for Replacing {
        async fn read_listed(&self, uri: &ObjectUri, etag: &str) -> Result<Option<Vec<u8>>, PortError> {
            self.before("read");
            self.0.read_listed(uri, etag).await
        }
        async fn copy_listed(&self, uri: &ObjectUri, etag: &str, to: &ObjectUri) -> Result<Copied, PortError> {
            self.before("copy");
            self.0.copy_listed(uri, etag, to).await
        }
        async fn remove_listed(&self, uri: &ObjectUri, etag: &str) -> Result<(), PortError> {
            self.before("remove");
            self.0.remove_listed(uri, etag).await
        }
    }

    for (call, name) in [("read", "SourceChanged"), ("copy", "SourceChanged"), ("remove", "FileQuarantined")] {
        let inbox = Inbox::with("a.csv", BAD);
        let ports = Ports { objects: Replacing(inbox.ports.objects.clone(), call), clock: inbox.ports.clock.clone() };
        assert_eq!(told_of(now(handle(&ports, request(json!({}))))).0, name, "{call}");
        assert_eq!(inbox.ports.objects.stored(&uri(&format!("{FOLDER}a.csv"))).unwrap(), GOOD.as_bytes(), "{call}");
        assert_eq!(inbox.check(json!({})).unwrap().files, 1, "{call}: the good file is taken by the next try");
    }
}

/// The rows that ingest-raw is held against, too.
#[test]
fn rows_are_judged_as_ingest_raw_judges_them() {
    let cases: Value = serde_json::from_str(include_str!("../../../tests/datasets/rows.json")).unwrap();
    let declared = json!({
        "columns": cases["columns"],
        "keyColumns": cases["key_columns"],
        "partitionColumn": cases["partition_column"],
        "orderingColumn": cases["ordering_column"],
    });
    let declaration: Declaration = serde_json::from_value(declared).unwrap();
    let due = Due {
        process_date: RunDate::parse(cases["process_date"].as_str().unwrap()).unwrap(),
        late_days: u32::try_from(cases["late_days"].as_u64().unwrap()).unwrap(),
    };
    let good = cases["good"].as_array().unwrap().iter().map(|row| (row, None, None));
    let malformed = cases["malformed"].as_array().unwrap().iter();
    let malformed = malformed.map(|case| (&case["row"], case["column"].as_str(), case["problem"].as_str()));
    for (row, column, problem) in good.chain(malformed) {
        let row = row.as_str().unwrap();
        let body = format!("{}\n{row}\n", declaration.header());
        let judged = judge(body.as_bytes(), &declaration, due).unwrap();
        let found = judged.examples.first();
        assert_eq!(found.map(|found| found.problem.as_str()), problem, "{row}");
        assert_eq!(found.and_then(|found| found.column.as_deref()), column, "{row}");
        assert_eq!((judged.rows, judged.malformed), (1, u64::from(problem.is_some())), "{row}");
    }
}

#[test]
fn rows_have_the_numbers_of_their_lines() {
    let declaration = request(json!({})).declaration;
    let due = Due { process_date: RunDate::parse("2026-11-20").unwrap(), late_days: 7 };
    let header = declaration.header();
    let body = format!("{header}\r\n1,2026-11-20,,1\r\n\r\n2,2026-11-20,,\"1\r\n2\"\r\n3,2026-11-20,,three\r\n4,2026-11-20,,4\r\n\r\n");
    let judged = judge(body.as_bytes(), &declaration, due).unwrap();
    let found: Vec<_> = judged.examples.iter().map(|row| (row.row, row.problem.split(' ').take(6).collect::<Vec<_>>().join(" "))).collect();
    let expected = [
        (3, "the row does not have 4"),
        (4, "the row ends inside quotes"),
        (5, "the row ends inside quotes"),
        (6, "amount «three» is not an amount"),
        (8, "the row does not have 4"),
    ];
    assert_eq!(found, expected.map(|(row, problem)| (row, problem.to_owned())));
    assert_eq!(judged.rows, 7);
}

#[test]
fn declarations_that_mean_nothing_are_refused() {
    for (field, text, problem) in [
        ("columns", "order_id STRING, amount FLOAT", "«amount FLOAT» declares no column"),
        ("columns", "order_id STRING, amount DECIMAL(2,2)", "«amount DECIMAL(2,2)» declares no column"),
        ("columns", "Order STRING", "«Order STRING» declares no column"),
        ("keyColumns", "order_id, line", "the column «line» is not declared"),
        ("orderingColumn", "changed_at", "the column «changed_at» is not declared"),
        ("partitionColumn", "updated_at", "the partition column updated_at is no DATE"),
    ] {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/dataset-check.json")).unwrap();
        event[field] = json!(text);
        let refused = serde_json::from_value::<Request>(event).unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
}
