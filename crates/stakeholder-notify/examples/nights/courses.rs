//! Nights, told to the real handler one after another.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use nightly_domain::ObjectUri;
use nightly_domain::channel::MemoryChannel;
use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{EventKind, ExecutionEnd, HistoryEvent, MemoryHistories, Recorded, read_json};
use nightly_domain::measured;
use nightly_domain::memory::{Gate, ManualClock, MemoryMailingList, MemoryObjects};
use nightly_domain::nights::MemoryNights;
use nightly_domain::ports::Objects;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stakeholder_notify::{Ports, Settings, handle};

use crate::builds;

const PUBLISHED: &str = include_str!("../../../domain/histories/published.json");
const QUALITY_FAILED: &str = include_str!("../../../domain/histories/quality-failed.json");
const REJECTED: &str = include_str!("../../../domain/histories/rejected.json");
const EXPIRED: &str = include_str!("../../../domain/histories/expired.json");
const FAILED: &str = include_str!("../../../domain/histories/rates-unavailable.json");
const ABORTED: &str = include_str!("../../../domain/histories/aborted.json");

/// How a night went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Published,
    Slow(&'static str),
    Redriven,
    QualityFailed,
    Rejected,
    Expired,
    Failed,
    TimedOut,
    Aborted,
    /// Its input left out publishing.
    Built,
    /// Slack could not be told yet.
    SlackDown,
}

/// The page after each kind of night, by the night's name.
pub async fn all() -> Vec<(&'static str, String)> {
    let mut pages = Vec::new();
    for (name, course) in [
        ("published", Course::Slow("TransformOrders")),
        ("redriven", Course::Redriven),
        ("quality-failed", Course::QualityFailed),
        ("rejected", Course::Rejected),
        ("expired", Course::Expired),
        ("failed", Course::Failed),
        ("timed-out", Course::TimedOut),
        ("aborted", Course::Aborted),
        ("built", Course::Built),
        ("slack-down", Course::SlackDown),
    ] {
        pages.push((name, month_before(course).await));
    }
    pages.push(("first-night", told(&[(last_day(), Course::Published)]).await));
    pages.extend(builds::pages().await);
    pages
}

pub(crate) fn last_day() -> Date {
    jiff::civil::date(2026, 11, 20)
}

/// A month of which the last night went like this.
async fn month_before(last: Course) -> String {
    let mut nights = Vec::new();
    for back in (1_i64..30).rev() {
        let day = last_day() - back.days();
        let course = match (day.month(), day.day()) {
            (10, 31) => continue,
            (10, 28) => Course::Redriven,
            (11, 3) => Course::Rejected,
            (11, 5) => Course::Slow("ExtractInventory"),
            (11, 8) => Course::QualityFailed,
            (11, 12) => Course::Expired,
            (11, 16) => Course::Failed,
            (11, 18) => Course::Slow("PublishToWarehouse"),
            _ => Course::Published,
        };
        nights.push((day, course));
    }
    nights.push((last_day(), last));
    told(&nights).await
}

/// The index after these nights.
async fn told(nights: &[(Date, Course)]) -> String {
    page(&after(nights).await.objects, "index.html").await
}

pub(crate) type World = Ports<
    MemoryObjects,
    MemoryHistories,
    MemoryNights,
    MemoryChannel,
    MemoryMailingList,
    fn(&str) -> MemoryMailingList,
    fn(&Value),
    ManualClock,
>;

/// What the site holds under that key.
pub(crate) async fn page(objects: &MemoryObjects, key: &str) -> String {
    let page = objects.read(&ObjectUri::new("site", key)).await.unwrap().unwrap_or_else(|| panic!("{key} is not written"));
    String::from_utf8(page).unwrap()
}

/// Everything after these nights.
pub(crate) async fn after(nights: &[(Date, Course)]) -> World {
    let objects = MemoryObjects::default();
    let summary = "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/_summary.json";
    objects.put(&summary.parse().unwrap(), include_str!("../../src/tests/summary.json"));
    let mut histories = MemoryHistories::default();
    for (day, course) in nights {
        let measured = measured::read_json(recording(*course)).unwrap();
        histories = histories.with_recorded(&arn(*day), Recorded { events: history(*day, *course), measured });
    }
    let settings = Settings {
        environment: "prod".to_owned(),
        stack: "nightly-prod".to_owned(),
        site_bucket: "site".to_owned(),
        status_page_url: Some("https://status.nordvik.example".parse().unwrap()),
        runbook_url: Some("https://status.nordvik.example/runbook".parse().unwrap()),
        published_by: jiff::civil::time(5, 0, 0, 0),
        dpu_hour_price: Decimal::new(44, 2),
    };
    let gate = Arc::new(Gate::default());
    let mut ports: World = Ports {
        objects,
        histories,
        registry: MemoryNights::behind(&gate),
        channel: None,
        mailing_list: Some(MemoryMailingList::behind(&gate)),
        list_of_topic: |_| MemoryMailingList::default(),
        metrics: |_| {},
        clock: ManualClock::at(Timestamp::UNIX_EPOCH),
        settings,
    };
    for (day, course) in nights {
        let history = history(*day, *course);
        let event = event(*day, *course, &mut ports, &history);
        let last = history.last().unwrap().at;
        ports.clock = ManualClock::at(last + SignedDuration::from_secs(2));
        ports.channel = Some(match course {
            Course::SlackDown => MemoryChannel::failing([nightly_domain::channel::PostError::NotPosted("connection refused".into())]),
            _ => MemoryChannel::default(),
        });
        let told = handle(&ports, event).await;
        assert_eq!(told.is_ok(), *course != Course::SlackDown, "{told:?}");
    }
    ports
}

fn arn(day: Date) -> String {
    format!("arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-night:{day}-a1")
}

/// What the function is sent: a notice of the night itself where it came to what it was to come to, else the event of its end.
fn event(day: Date, course: Course, ports: &mut World, history: &[HistoryEvent]) -> Value {
    let (started_at, ended_at) = (history[0].at, history.last().unwrap().at);
    let Some((end, cause)) = bad_end(day, course) else { return notice(day, course, started_at) };
    let status = match end {
        ExecutionEnd::TimedOut => "TIMED_OUT",
        ExecutionEnd::Aborted => "ABORTED",
        _ => "FAILED",
    };
    ports.histories = std::mem::take(&mut ports.histories).with_execution(Execution {
        arn: arn(day),
        state_machine_arn: "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-night".to_owned(),
        started_at,
        input: json!({"runDate": day.to_string()}).to_string(),
        redrives: 0,
        ending: Some(Ending { end, at: ended_at, cause, redrivable: true }),
    });
    json!({"detail-type": "Step Functions Execution Status Change", "detail": {"executionArn": arn(day), "status": status}})
}

/// How the execution ended, and why, where that is no good end.
fn bad_end(day: Date, course: Course) -> Option<(ExecutionEnd, Option<String>)> {
    let failed = |error: &str| ExecutionEnd::Failed { error: error.to_owned() };
    let evening = day.tomorrow().unwrap();
    Some(match course {
        Course::Published | Course::Slow(_) | Course::Redriven | Course::SlackDown | Course::Built => return None,
        Course::QualityFailed => (failed("QualityFailed"), Some(format!("1 of 8 rules did not pass for {day}."))),
        Course::Rejected => {
            let reason = "Music fell by half, the feed of shop 12 is missing.";
            let cause = format!("B. Osei rejected the build for {day} at {evening}T02:39:57Z: «{reason}». Nothing was published.");
            (failed("ApprovalRejected"), Some(cause))
        }
        Course::Expired => (failed("ApprovalExpired"), Some(format!("Too few approved the build for {day} in time."))),
        Course::Failed => {
            let cause = json!({"errorType": "RatesUnavailable", "errorMessage": "api.frankfurter.dev answered 503 three times."});
            (failed("RatesUnavailable"), Some(cause.to_string()))
        }
        Course::TimedOut => (ExecutionEnd::TimedOut, None),
        Course::Aborted => (ExecutionEnd::Aborted, Some("Stopped for the release.".to_owned())),
    })
}

fn notice(day: Date, course: Course, started_at: Timestamp) -> Value {
    let mut notice: Value = serde_json::from_str(include_str!("../../src/tests/published.json")).unwrap();
    notice["runDate"] = day.to_string().into();
    notice["runId"] = format!("{day}-a1").into();
    notice["executionArn"] = arn(day).into();
    notice["startedAt"] = started_at.to_string().into();
    if course == Course::Built {
        let fields = notice.as_object_mut().unwrap();
        fields.remove("verdict");
        fields.remove("publishedRows");
        fields.extend([("outcome".to_owned(), json!("BUILT")), ("flags".to_owned(), json!(["skipPublish"]))]);
    }
    notice
}

/// What Step Functions recorded.
fn recording(course: Course) -> &'static str {
    match course {
        Course::Published | Course::Slow(_) | Course::Redriven | Course::Built | Course::SlackDown => PUBLISHED,
        Course::QualityFailed => QUALITY_FAILED,
        Course::Rejected => REJECTED,
        Course::Expired => EXPIRED,
        Course::Failed => FAILED,
        Course::TimedOut | Course::Aborted => ABORTED,
    }
}

/// The recorded events, a little faster or slower each night.
fn history(day: Date, course: Course) -> Vec<HistoryEvent> {
    let mut events = read_json(recording(course)).unwrap();
    if course == Course::Built {
        let asks = |event: &HistoryEvent| event.kind == EventKind::Entered { state: "ManualApproval".to_owned() };
        events.truncate(events.iter().position(asks).unwrap());
    }
    let began = events[0].at;
    let start = day.tomorrow().unwrap().at(1, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    // From 92 to 104 percent, in no order.
    let pace = 92 + i32::from(day.day()) * 7 % 13;
    let slow =
        |event: &HistoryEvent| matches!(course, Course::Slow(name) if matches!(&event.kind, EventKind::Exited { state } if state == name));
    let mut late = SignedDuration::ZERO;
    for event in &mut events {
        if slow(event) {
            late += SignedDuration::from_mins(8);
        }
        event.at = start + event.at.duration_since(began) * pace / 100 + late;
    }
    match course {
        Course::TimedOut => {
            let last = events.last_mut().unwrap();
            last.kind = EventKind::Ended(ExecutionEnd::TimedOut);
            last.at = start + SignedDuration::from_hours(12);
        }
        // A job lost its worker twice; somebody said that it goes on.
        Course::Redriven => redriven(&mut events),
        _ => {}
    }
    events
}

/// The join fails, stands still for twenty minutes, and goes on when it is told to.
fn redriven(events: &mut Vec<HistoryEvent>) {
    let exits = |event: &HistoryEvent| matches!(&event.kind, EventKind::Exited { state } if state == "JoinFactDim");
    let place = events.iter().position(exits).unwrap();
    let (at, previous_id) = (events[place].at, events[place].previous_id);
    let added = [
        HistoryEvent { id: 9_001, previous_id, at, kind: EventKind::Ended(ExecutionEnd::Failed { error: "States.TaskFailed".to_owned() }) },
        HistoryEvent { id: 9_002, previous_id: 9_001, at: at + SignedDuration::from_mins(20), kind: EventKind::Redriven },
    ];
    for event in &mut events[place..] {
        event.at += SignedDuration::from_mins(20);
    }
    events.splice(place..place, added);
}
