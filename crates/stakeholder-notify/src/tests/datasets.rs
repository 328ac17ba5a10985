//! Builds of datasets, from the notice or the event to the channel, the dataset's own topic and its page.

use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{EventKind, ExecutionEnd, HistoryEvent};

use super::endings::{change, failed};
use super::*;

const MACHINE: &str = "nightly-prod-dataset-orders";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:nightly-prod-dataset-orders";
const GATE: &[&str] = &["ResolveInput", "CheckSource", "ClaimDate", "IngestRaw", "StartQualityRun", "QualityGate"];
const BUILT: &[&str] = &[
    "ResolveInput",
    "CheckSource",
    "ClaimDate",
    "IngestRaw",
    "StartQualityRun",
    "QualityGate",
    "BuildCurated",
    "CountCurated",
    "RecordBuilt",
    "TellBuilt",
];
const QUARANTINED: &str = r#"{"errorType":"FileQuarantined","errorMessage":"s3://raw/datasets/orders/process_date=2026-11-20/orders.csv was put into quarantine: row 7, column amount: «12,5» is no DECIMAL(12,2); the report is s3://raw/quarantine/orders/process_date=2026-11-20/b1/e1/orders.csv.report.json"}"#;

fn arn(run_id: &str) -> String {
    format!("arn:aws:states:eu-central-1:111122223333:execution:{MACHINE}:{run_id}")
}

/// An execution that has gone through these states, half a minute each, and has failed in the last one or is still in it.
fn history(states: &[&str], end: Option<ExecutionEnd>) -> Vec<HistoryEvent> {
    let mut at = at("2026-11-21T06:00:00Z");
    let mut events: Vec<HistoryEvent> = Vec::new();
    let mut push = |at, kind| {
        let previous_id = events.last().map_or(0, |last| last.id);
        events.push(HistoryEvent { id: previous_id + 1, previous_id, at, kind });
    };
    for (place, state) in states.iter().enumerate() {
        push(at, EventKind::Entered { state: (*state).to_owned() });
        // A Fail state has no task.
        if !["QualityFailed", "CuratedCountMismatch"].contains(state) {
            push(at, EventKind::Tried);
        }
        at += SignedDuration::from_secs(30);
        if place + 1 < states.len() {
            push(at, EventKind::Exited { state: (*state).to_owned() });
        }
    }
    if let Some(end) = end {
        push(at, EventKind::Ended(end));
    }
    events
}

fn execution(run_id: &str, end: ExecutionEnd, cause: Option<&str>) -> Execution {
    Execution {
        arn: arn(run_id),
        state_machine_arn: format!("arn:aws:states:eu-central-1:111122223333:stateMachine:{MACHINE}"),
        started_at: at("2026-11-21T06:00:00Z"),
        input: r#"{"source":"s3://raw/datasets/orders/process_date=2026-11-20/orders.csv","startedBy":"arrival"}"#.to_owned(),
        redrives: 0,
        ending: Some(Ending { end, at: at("2026-11-21T06:01:00Z"), cause: cause.map(str::to_owned), redrivable: true }),
    }
}

fn quarantined(run_id: &str) -> Execution {
    execution(run_id, failed("FileQuarantined"), Some(QUARANTINED))
}

fn built(run_id: &str) -> Value {
    let mut notice: Value = serde_json::from_str(include_str!("../../../../events/stakeholder-notify-dataset.json")).unwrap();
    notice["runId"] = run_id.into();
    notice["executionArn"] = arn(run_id).into();
    notice
}

impl World {
    fn of_dataset() -> Self {
        let world = Self::new();
        let counts = r#"{"files": 1, "rows": 48, "malformed": 1, "late": 2, "duplicates": 3, "kept": 44}"#;
        for run_id in ["b1", "b2"] {
            let uri = uri(&format!("s3://warehouse/datasets/orders/bronze/process_date=2026-11-20/run_id={run_id}/_counts.json"));
            world.ports.objects.put(&uri, counts);
        }
        world.with_build("b1", BUILT)
    }

    /// Knows of one more execution that has come as far as that.
    fn with_build(mut self, run_id: &str, states: &[&str]) -> Self {
        self.ports.histories = std::mem::take(&mut self.ports.histories).with(&arn(run_id), history(states, None));
        self
    }

    /// Knows that the execution has ended, after these states.
    fn with_bad_build(mut self, execution: &Execution, states: &[&str]) -> Self {
        let end = execution.ending.clone().unwrap().end;
        let histories = std::mem::take(&mut self.ports.histories);
        self.ports.histories = histories.with(&execution.arn, history(states, Some(end))).with_execution(execution.clone());
        self
    }

    /// What was mailed to the dataset's own list.
    fn mailed_by_dataset(&self) -> Vec<(String, String)> {
        self.lists.lock().unwrap().get(TOPIC).map(MemoryMailingList::sent).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_build_is_told_in_slack_to_its_own_list_and_on_its_page() {
    let world = World::of_dataset();
    let reply = serde_json::to_value(world.tell(built("b1")).await.unwrap()).unwrap();
    let page = "https://status.nordvik.example/datasets/orders.html";
    assert_eq!(reply, json!({"statusPage": page, "slack": "POSTED", "mail": "SENT"}));
    let mails: Vec<_> = world.mailed_by_dataset().iter().map(|(subject, text)| format!("Subject: {subject}\n\n{text}")).collect();
    insta::assert_snapshot!("built.mail", mails.join("----\n"));
    assert_posts("built.slack.json", &world.posted());
    insta::assert_snapshot!("built.json", world.stored("datasets/orders/2026-11-20.json").await);
    insta::assert_snapshot!("built.html", without_styles(&world.stored("datasets/orders.html").await));
    assert!(world.mailed().is_empty(), "the stakeholders of the night are told of nights");
    assert!(world.metrics.lock().unwrap().is_empty(), "the dashboard is the night's");
}

#[tokio::test]
async fn a_quarantined_file_is_told_with_its_row_its_column_and_what_to_do() {
    let world = World::of_dataset().with_bad_build(&quarantined("b1"), &["ResolveInput", "CheckSource"]);
    let reply = serde_json::to_value(world.tell(change(&quarantined("b1"))).await.unwrap()).unwrap();
    assert_eq!(reply["statusPage"], "https://status.nordvik.example/datasets/orders.html");
    let mails: Vec<_> = world.mailed_by_dataset().iter().map(|(subject, text)| format!("Subject: {subject}\n\n{text}")).collect();
    insta::assert_snapshot!("quarantined.mail", mails.join("----\n"));
    assert_posts("quarantined.slack.json", &world.posted());
    let page = world.stored("datasets/orders.html").await;
    for expected in
        ["<h1>orders: Check source failed</h1>", "row 7, column amount: «12,5» is no DECIMAL(12,2)", "runbook/FileQuarantined.md"]
    {
        assert!(page.contains(expected), "{expected}: {page}");
    }
}

#[tokio::test]
async fn every_bad_end_of_a_build_is_told_in_its_own_words() {
    let glue = r#"{"JobName":"j","Id":"jr_0a1b","JobRunState":"FAILED","ErrorMessage":"MalformedRow: orders.csv:7: «12,5» is no DECIMAL(12,2); malformed rows: 1, of which 0 are allowed"}"#;
    let taken = r#"{"JobName":"j","Id":"jr_0a1c","JobRunState":"FAILED","ErrorMessage":"DateTakenOver: 2026-11-20 is no longer this execution's. Nothing was changed"}"#;
    let mut text = String::new();
    for (execution, states) in [
        (
            execution("b1", failed("QualityFailed"), Some("1 of 5 rules did not pass for orders of 2026-11-20.")),
            [GATE, &["QualityFailed"]].concat(),
        ),
        (execution("b1", failed("States.TaskFailed"), Some(glue)), GATE[..4].to_vec()),
        (execution("b1", failed("States.TaskFailed"), Some(taken)), BUILT[..7].to_vec()),
        (execution("b1", failed("CuratedCountMismatch"), Some("Athena finds 7 rows.")), [&BUILT[..8], &["CuratedCountMismatch"]].concat()),
        (execution("b1", failed("InvalidProcessDate"), Some("the process date 2026-11-22 has not begun")), GATE[..2].to_vec()),
        (execution("b1", ExecutionEnd::TimedOut, None), GATE[..4].to_vec()),
        (execution("b1", ExecutionEnd::Aborted, Some("Wrong file.")), GATE[..4].to_vec()),
        (execution("b1", ExecutionEnd::Aborted, None), BUILT.to_vec()),
    ] {
        let world = World::of_dataset().with_bad_build(&execution, &states);
        world.tell(change(&execution)).await.unwrap();
        let (subject, mail) = world.mailed_by_dataset().remove(0);
        writeln!(text, "Subject: {subject}\n\n{mail}\n{}\n====", world.posted()[0]["text"].as_str().unwrap()).unwrap();
        let page = world.stored("datasets/orders.html").await;
        assert!(page.contains("Slack was told at 03:14 UTC. The mail about it was sent at 03:14 UTC."), "{page}");
    }
    insta::assert_snapshot!("build-endings", text);
}

#[tokio::test]
async fn a_build_without_a_process_date_is_told_and_has_no_page() {
    let mut execution = execution("b1", failed("InvalidProcessDate"), Some("«soon» is not a calendar day written YYYY-MM-DD"));
    execution.input = r#"{"processDate":"soon"}"#.to_owned();
    let world = World::of_dataset().with_bad_build(&execution, &GATE[..2]);
    let reply = serde_json::to_value(world.tell(change(&execution)).await.unwrap()).unwrap();
    assert_eq!(reply, json!({"statusPage": null, "slack": "POSTED", "mail": "SENT"}));
    let (subject, text) = world.mailed_by_dataset().remove(0);
    assert_eq!(subject, "FAILED: orders, check-source, InvalidProcessDate (prod)");
    assert!(text.contains(r#"--input '{"processDate":"YYYY-MM-DD","startedBy":"YOUR MAIL ADDRESS"}'"#), "{text}");
    assert!(!world.gate.calls().contains(&"Objects.write"));
}

#[tokio::test]
async fn the_same_news_twice_is_told_once_and_a_redrive_that_fails_again_once_more() {
    let world = World::of_dataset();
    world.tell(built("b1")).await.unwrap();
    let record = world.stored("datasets/orders/2026-11-20.json").await;
    world.tell(built("b1")).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (1, 1));
    assert_eq!(world.stored("datasets/orders/2026-11-20.json").await, record);

    let world = World::of_dataset().with_bad_build(&quarantined("b1"), &GATE[..2]);
    world.tell(change(&quarantined("b1"))).await.unwrap();
    world.tell(change(&quarantined("b1"))).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (1, 1));
    let again = Execution { redrives: 1, ..quarantined("b1") };
    let world = world.with_bad_build(&again, &GATE[..2]);
    assert_eq!(world.tell(change(&quarantined("b1"))).await.unwrap(), Reply::One(Answer::Silent { silent: Silence::GoneOn }));
    world.tell(change(&again)).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (2, 2));
}

#[tokio::test]
async fn neither_medium_waits_for_the_other() {
    let world = World::of_dataset().with_bad_build(&quarantined("b1"), &GATE[..2]).with_slack([PostError::NotPosted("refused".into())]);
    assert_eq!(world.tell(change(&quarantined("b1"))).await.unwrap_err().name(), "SlackUnavailable");
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (0, 1));
    world.tell(change(&quarantined("b1"))).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (1, 1), "nobody is mailed twice");

    let world = World::of_dataset();
    world.gate.plan("MailingList.mail", Fate::FailsBefore);
    assert_eq!(world.tell(built("b1")).await.unwrap_err().name(), "MailUnavailable");
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (1, 0));
    world.tell(built("b1")).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (1, 1));
}

#[tokio::test]
async fn a_date_that_was_told_as_failed_and_is_built_has_recovered() {
    let world = World::of_dataset().with_bad_build(&quarantined("b1"), &GATE[..2]);
    world.tell(change(&quarantined("b1"))).await.unwrap();
    let world = world.with_build("b2", BUILT);
    let mut second = built("b2");
    second["startedAt"] = "2026-11-21T07:00:00Z".into();
    world.tell(second.clone()).await.unwrap();
    world.tell(second).await.unwrap();
    let recovered = "It has recovered: it was told as failed at 03:14 UTC, 21 November 2026.";
    assert!(world.posted()[1].to_string().contains(recovered) && world.mailed_by_dataset()[1].1.contains(recovered));
    assert!(world.stored("datasets/orders.html").await.contains(recovered));
    assert_eq!((world.posted().len(), world.mailed_by_dataset().len()), (2, 2));
}

#[tokio::test]
async fn the_latest_run_of_a_process_date_has_its_page_and_an_older_one_never_takes_it() {
    let later = Execution { started_at: at("2026-11-21T07:00:00Z"), ..quarantined("b2") };
    let world = World::of_dataset().with_bad_build(&later, &GATE[..2]);
    world.tell(built("b1")).await.unwrap();
    world.tell(change(&later)).await.unwrap();
    let kept = "The table is as it was: it keeps what was built at 06:04 UTC, 21 November 2026.";
    assert!(world.stored("datasets/orders.html").await.contains(kept) && world.mailed_by_dataset()[1].1.contains(kept));

    let world = World::of_dataset().with_bad_build(&later, &GATE[..2]);
    world.tell(change(&later)).await.unwrap();
    world.tell(built("b1")).await.unwrap();
    let record = world.record("datasets/orders/2026-11-20.json").await;
    assert_eq!((&record["run_id"], &record["outcome"]), (&json!("b2"), &json!("FAILED")));
    assert!(world.stored("datasets/orders.html").await.contains(kept), "an older run that ends later still has built the table");

    let stopped = execution("b1", ExecutionEnd::Aborted, None);
    let world = World::of_dataset().with_bad_build(&stopped, BUILT);
    world.tell(built("b1")).await.unwrap();
    let reply = serde_json::to_value(world.tell(change(&stopped)).await.unwrap()).unwrap();
    assert_eq!((&reply["statusPage"], &world.record("datasets/orders/2026-11-20.json").await["outcome"]), (&Value::Null, &json!("BUILT")));
}

#[tokio::test]
async fn a_build_that_is_no_datasets_is_refused_by_name() {
    let mut astray = built("b1");
    astray["dataset"] = "items".into();
    let mut unknown = built("b1");
    unknown["outcome"] = "FAILED".into();
    let mut unnamed = built("b1");
    unnamed["dataset"] = "../orders".into();
    for (event, message) in [
        (
            astray,
            "the notice is of the dataset items, and arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-dataset-orders:b1",
        ),
        (unknown, "unknown variant `FAILED`"),
        (unnamed, "«../orders» is no dataset's name"),
    ] {
        let world = World::of_dataset();
        let error = world.tell(event).await.unwrap_err();
        let told = format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        assert_eq!(error.name(), "InvalidInput");
        assert!(told.contains(message), "{told}");
        assert!(!world.gate.calls().contains(&"Objects.write"));
    }
}

#[tokio::test]
async fn counts_that_nobody_left_are_not_known() {
    let mut notice = built("b1");
    notice["countsUri"] = "s3://warehouse/nowhere/_counts.json".into();
    let world = World::of_dataset();
    world.tell(notice).await.unwrap();
    let page = world.stored("datasets/orders.html").await;
    assert!(page.contains(r#"<td class="n more">–</td>"#) && !page.contains("Rows delivered"), "{page}");
}

#[tokio::test]
async fn the_index_has_the_latest_night_and_every_dataset_whoever_writes_last() {
    let one = World::of_dataset();
    one.tell(published()).await.unwrap();
    one.tell(built("b1")).await.unwrap();
    let other = World::of_dataset();
    other.tell(built("b1")).await.unwrap();
    let index = other.stored("index.html").await;
    assert!(index.contains("<h1>No night has ended yet</h1>"), "{index}");
    assert!(index.contains(r#"<th scope="row" class="l"><a href="datasets/orders.html">orders</a></th>"#), "{index}");
    other.tell(published()).await.unwrap();
    let index = one.stored("index.html").await;
    for expected in
        ["<h1>Published at 03:14 UTC</h1>", r#"<a href="datasets/orders.html#2026-11-20" tabindex="-1" title="orders, 20 Nov: built, 4"#]
    {
        assert!(index.contains(expected), "{expected}: {index}");
    }
    for key in ["index.html", "nights.json", "datasets.json", "feed.xml"] {
        assert_eq!(one.stored(key).await, other.stored(key).await, "{key}");
    }
    assert!(!one.stored("nights/2026-11-20.html").await.contains("datasets/orders.html"), "a night's own page is about the night");
}

/// Stored objects beside which somebody else writes a record, right after the index was written for the first time.
struct Shared {
    objects: MemoryObjects,
    to_come: Mutex<Option<(ObjectUri, String)>>,
}

impl Objects for Shared {
    async fn read(&self, uri: &ObjectUri) -> Result<Option<Vec<u8>>, PortError> {
        self.objects.read(uri).await
    }

    async fn write(&self, uri: &ObjectUri, content_type: &str, body: Vec<u8>) -> Result<(), PortError> {
        self.objects.write(uri, content_type, body).await?;
        if uri.to_string().ends_with("/index.html")
            && let Some((uri, record)) = self.to_come.lock().unwrap().take()
        {
            self.objects.put(&uri, record);
        }
        Ok(())
    }

    async fn list(&self, prefix: &ObjectUri) -> Result<Vec<nightly_domain::ObjectEntry>, PortError> {
        self.objects.list(prefix).await
    }
}

#[tokio::test]
async fn what_others_write_while_the_pages_are_written_is_on_them() {
    let probe = World::of_dataset();
    probe.tell(built("b1")).await.unwrap();
    let record = probe.stored("datasets/orders/2026-11-20.json").await.replace("\"orders\"", "\"items\"");
    probe.tell(published()).await.unwrap();
    let night = probe.stored("nights/2026-11-20.json").await;
    for (key, record, shown) in [
        ("datasets/items/2026-11-20.json", record, "datasets/items.html#2026-11-20"),
        ("nights/2026-11-20.json", night, "<h1>Published at 03:14 UTC</h1>"),
    ] {
        let World { ports, .. } = World::of_dataset();
        let to_come = Mutex::new(Some((uri(&format!("s3://site/{key}")), record)));
        let ports = Ports {
            objects: Shared { objects: ports.objects, to_come },
            histories: ports.histories,
            registry: ports.registry,
            // Nobody is told, and so nothing is written a second time.
            channel: None::<MemoryChannel>,
            mailing_list: ports.mailing_list,
            list_of_topic: |_: &str| {
                let gate = Arc::new(Gate::default());
                gate.plan("MailingList.mail", Fate::FailsBefore);
                MemoryMailingList::behind(&gate)
            },
            metrics: ports.metrics,
            clock: ports.clock,
            settings: ports.settings,
        };
        handle(&ports, built("b1")).await.unwrap_err();
        let index = ports.objects.read(&uri("s3://site/index.html")).await.unwrap().unwrap();
        let index = String::from_utf8(index).unwrap();
        assert!(index.contains(shown) && index.contains("datasets/orders.html"), "{shown}: {index}");
    }
}

#[tokio::test]
async fn machines_can_read_the_latest_builds() {
    let world = World::of_dataset();
    world.tell(built("b1")).await.unwrap();
    let listing = world.record("datasets.json").await;
    assert_eq!((&listing["schema"], &listing["datasets"][0]["dataset"]), (&json!(1), &json!("orders")));
    assert_eq!(
        listing["datasets"][0]["builds"][0],
        json!({
            "process_date": "2026-11-20", "run_id": "b1", "execution_arn": arn("b1"), "outcome": "BUILT", "cause": null,
            "started_at": "2026-11-21T06:00:00Z", "ended_at": "2026-11-21T06:04:30Z", "seconds": 270.0, "started_by": "arrival", "redrives": 0,
            "table": "nightly_prod_datasets.orders_curated", "rows": 52,
            "counts": {"files": 1, "rows": 48, "malformed": 1, "late": 2, "duplicates": 3, "kept": 44},
            "record": "datasets/orders/2026-11-20.json",
            "log": format!("https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/{}", arn("b1")),
        })
    );
    let feed = world.stored("feed.xml").await;
    for expected in [
        "<id>arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-night</id>",
        "<title>orders, 20 Nov: built at 06:04 UTC</title>",
        r#"href="https://status.nordvik.example/datasets/orders.html#2026-11-20""#,
    ] {
        assert!(feed.contains(expected), "{expected}: {feed}");
    }
}
