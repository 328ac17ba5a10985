//! Builds of datasets, told to the real handler one after another.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{EventKind, ExecutionEnd, HistoryEvent};
use nightly_domain::memory::ManualClock;
use serde_json::{Value, json};
use stakeholder_notify::handle;

use crate::courses::{Course, World, after, last_day, page};

/// How a build went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    Built,
    Quarantined,
    Malformed,
    QualityFailed,
    Stopped,
}

const BUILT: &[&str] =
    &["CheckSource", "ClaimDate", "IngestRaw", "QualityGate", "BuildCurated", "CountCurated", "RecordBuilt", "TellBuilt"];

/// The pages of datasets, and the index with them, by name.
pub async fn pages() -> Vec<(&'static str, String)> {
    let mut world = after(&[]).await;
    month(&mut world).await;
    let before_any_night = page(&world.objects, "index.html").await;
    let built = page(&world.objects, "datasets/orders.html").await;
    let failed = page(&world.objects, "datasets/items.html").await;
    let refused = page(&world.objects, "datasets/returns.html").await;
    let mut world = after(&[(last_day(), Course::Published)]).await;
    month(&mut world).await;
    let index = page(&world.objects, "index.html").await;
    vec![
        ("datasets", index),
        ("datasets-before-any-night", before_any_night),
        ("dataset-built", built),
        ("dataset-quarantined", failed),
        ("dataset-quality-failed", refused),
    ]
}

/// A month of builds of three datasets.
async fn month(world: &mut World) {
    for back in (0_i64..30).rev() {
        let day = last_day() - back.days();
        for (dataset, course) in [
            ("orders", if day.day() == 9 { Going::Malformed } else { Going::Built }),
            (
                "items",
                match day.day() {
                    12 => Going::Stopped,
                    20 => Going::Quarantined,
                    _ => Going::Built,
                },
            ),
            ("returns", if day.day() % 10 == 0 { Going::QualityFailed } else { Going::Built }),
        ] {
            if dataset != "returns" || day.day() % 3 != 0 {
                tell(world, dataset, day, course).await;
            }
        }
    }
}

async fn tell(world: &mut World, dataset: &str, day: Date, course: Going) {
    let arn = format!("arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-dataset-{dataset}:{day}-b1");
    let start = day.tomorrow().unwrap().at(6, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let (states, end, cause): (&[&str], _, _) = match course {
        Going::Built => (BUILT, None, String::new()),
        Going::Quarantined => (&BUILT[..1], Some(failed("FileQuarantined")), json!({"errorType": "FileQuarantined", "errorMessage": format!(
            "s3://nightly-prod-raw-111122223333/datasets/{dataset}/process_date={day}/{dataset}.csv was put into quarantine: row 4711, column stock: «12,5» is no whole number of at most 9 digits; the report is s3://nightly-prod-raw-111122223333/quarantine/{dataset}/process_date={day}/{day}-b1/9f86d081884c7d65/{dataset}.csv.report.json"
        )}).to_string()),
        Going::Malformed => (&BUILT[..3], Some(failed("States.TaskFailed")), json!({"JobName": "nightly-prod-ingest-raw-orders", "Id": "jr_0a1b", "ErrorMessage": "MalformedRow: orders.csv:17: amount: «12,5» is no DECIMAL(12,2); malformed rows: 3, of which 0 are allowed"}).to_string()),
        Going::QualityFailed => (&["CheckSource", "ClaimDate", "IngestRaw", "QualityFailed"], Some(failed("QualityFailed")), format!(
            "1 of 5 rules of nightly-prod-dataset-{dataset} did not pass for {dataset} of {day}: ColumnValues \"amount\" >= 0 (FAIL: Value: -4.0 does not meet the constraint requirement!). The curated table is as it was."
        )),
        Going::Stopped => (&BUILT[..3], Some(ExecutionEnd::Aborted), "The sender has delivered the wrong month.".to_owned()),
    };
    let (history, last) = history(start, states, end.clone(), i64::from(day.day()));
    let histories = std::mem::take(&mut world.histories).with(&arn, history);
    world.clock = ManualClock::at(last + SignedDuration::from_secs(2));
    let event = match end {
        None => {
            world.histories = histories;
            notice(world, dataset, day, &arn, start)
        }
        Some(end) => {
            world.histories = histories.with_execution(Execution {
                state_machine_arn: format!("arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-dataset-{dataset}"),
                started_at: start,
                input: json!({"processDate": day.to_string(), "startedBy": "a.berg@nordvik.example"}).to_string(),
                redrives: 0,
                ending: Some(Ending { end, at: last, cause: Some(cause), redrivable: true }),
                arn: arn.clone(),
            });
            json!({"detail-type": "Step Functions Execution Status Change", "detail": {"executionArn": arn, "status": "FAILED"}})
        }
    };
    handle(world, event).await.unwrap();
}

fn failed(error: &str) -> ExecutionEnd {
    ExecutionEnd::Failed { error: error.to_owned() }
}

fn notice(world: &World, dataset: &str, day: Date, arn: &str, start: Timestamp) -> Value {
    let mut notice: Value = serde_json::from_str(include_str!("../../../../events/stakeholder-notify-dataset.json")).unwrap();
    let rows = 48_000 + i64::from(day.day()) * 7_919 % 1_000;
    let counts = format!("s3://warehouse/datasets/{dataset}/{day}/_counts.json");
    let counted =
        json!({"files": 1, "rows": rows + 14, "malformed": 0, "late": day.day() % 4, "duplicates": 14 - day.day() % 4, "kept": rows});
    world.objects.put(&counts.parse().unwrap(), counted.to_string());
    let changed = json!({
        "dataset": dataset, "processDate": day.to_string(), "runId": format!("{day}-b1"), "executionArn": arn, "startedAt": start.to_string(),
        "startedBy": if dataset == "items" { "schedule" } else { "arrival" }, "table": format!("nightly_prod_datasets.{dataset}_curated"),
        "rows": rows, "countsUri": counts,
    });
    notice.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    notice
}

/// Through these states, a little faster or slower each day.
fn history(start: Timestamp, states: &[&str], end: Option<ExecutionEnd>, day: i64) -> (Vec<HistoryEvent>, Timestamp) {
    let mut at = start;
    let mut events: Vec<HistoryEvent> = Vec::new();
    let mut push = |at, kind| {
        let previous_id = events.last().map_or(0, |last: &HistoryEvent| last.id);
        events.push(HistoryEvent { id: previous_id + 1, previous_id, at, kind });
    };
    for (place, state) in states.iter().enumerate() {
        push(at, EventKind::Entered { state: (*state).to_owned() });
        if *state != "QualityFailed" {
            push(at, EventKind::Tried);
        }
        at += SignedDuration::from_secs(40 + day * 7 % 13);
        if place + 1 < states.len() {
            push(at, EventKind::Exited { state: (*state).to_owned() });
        }
    }
    if let Some(end) = end {
        push(at, EventKind::Ended(end));
    }
    (events, at)
}
