//! Nights, told to the real handler one after another.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use nightly_domain::ObjectUri;
use nightly_domain::channel::MemoryChannel;
use nightly_domain::history::{EventKind, ExecutionEnd, HistoryEvent, MemoryHistories, read_json};
use nightly_domain::memory::{ManualClock, MemoryObjects};
use nightly_domain::ports::Objects;
use serde_json::{Value, json};
use stakeholder_notify::{Ports, Settings, handle};

const PUBLISHED: &str = include_str!("../../../domain/histories/published.json");
const QUALITY_FAILED: &str = include_str!("../../../domain/histories/quality-failed.json");
const REJECTED: &str = include_str!("../../../domain/histories/rejected.json");
const EXPIRED: &str = include_str!("../../../domain/histories/expired.json");
const FAILED: &str = include_str!("../../../domain/histories/rates-unavailable.json");
const ABORTED: &str = include_str!("../../../domain/histories/aborted.json");

/// How a night went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Published,
    Slow(&'static str),
    Redriven,
    QualityFailed,
    Rejected,
    Expired,
    Failed,
    TimedOut,
    Aborted,
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
        ("slack-down", Course::SlackDown),
    ] {
        pages.push((name, month_before(course).await));
    }
    pages.push(("first-night", told(&[(last_day(), Course::Published)]).await));
    pages
}

fn last_day() -> Date {
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
    let objects = MemoryObjects::default();
    let summary = "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/_summary.json";
    objects.put(&summary.parse().unwrap(), include_str!("../../src/tests/summary.json"));
    let mut histories = MemoryHistories::default();
    for (day, course) in nights {
        histories = histories.with(&arn(*day), history(*day, *course));
    }
    let settings = Settings {
        environment: "prod".to_owned(),
        site_bucket: "site".to_owned(),
        status_page_url: Some("https://status.nordvik.example".parse().unwrap()),
    };
    let mut ports = Ports { objects, histories, channel: None, clock: ManualClock::at(Timestamp::UNIX_EPOCH), settings };
    for (day, course) in nights {
        let history = history(*day, *course);
        let last = history.last().unwrap().at;
        ports.clock = ManualClock::at(last + SignedDuration::from_secs(2));
        ports.channel = Some(match course {
            Course::SlackDown => MemoryChannel::failing([nightly_domain::channel::PostError::NotPosted("connection refused".into())]),
            _ => MemoryChannel::default(),
        });
        let told = handle(&ports, notice(*day, *course, history[0].at)).await;
        assert_eq!(told.is_ok(), *course != Course::SlackDown, "{told:?}");
    }
    let index = ports.objects.read(&ObjectUri::new("site", "index.html")).await.unwrap().unwrap();
    String::from_utf8(index).unwrap()
}

fn arn(day: Date) -> String {
    format!("arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-night:{day}-a1")
}

fn notice(day: Date, course: Course, started_at: Timestamp) -> Value {
    let mut notice: Value = serde_json::from_str(include_str!("../../src/tests/published.json")).unwrap();
    notice["runDate"] = day.to_string().into();
    notice["runId"] = format!("{day}-a1").into();
    notice["executionArn"] = arn(day).into();
    notice["startedAt"] = started_at.to_string().into();
    let fields = notice.as_object_mut().unwrap();
    let (outcome, lost): (Value, &[&str]) = match course {
        Course::Published | Course::Slow(_) | Course::Redriven | Course::SlackDown => (json!({}), &[]),
        Course::QualityFailed => (json!({"outcome": "QUALITY_FAILED"}), &["verdict", "publishedRows"]),
        Course::Rejected => (json!({"outcome": "REJECTED"}), &["publishedRows"]),
        Course::Expired => (json!({"outcome": "EXPIRED"}), &["verdict", "publishedRows"]),
        Course::Failed => {
            let failed = json!({"outcome": "FAILED", "state": "EnrichCurrency", "error": "RatesUnavailable"});
            (failed, &["summaryUri", "quality", "verdict", "publishedRows"])
        }
        Course::TimedOut => (json!({"outcome": "TIMED_OUT"}), &["summaryUri", "quality", "verdict", "publishedRows"]),
        Course::Aborted => (json!({"outcome": "ABORTED"}), &["summaryUri", "quality", "verdict", "publishedRows"]),
    };
    for name in lost {
        fields.remove(*name);
    }
    fields.extend(outcome.as_object().unwrap().clone());
    match course {
        Course::QualityFailed => {
            notice["quality"]["score"] = 0.875.into();
            notice["quality"]["rules"][2]["result"] = "FAIL".into();
            notice["quality"]["rules"][2]["message"] = "Value: 0.5 does not meet the constraint requirement!".into();
        }
        Course::Rejected => {
            let said = json!({"decision": "REJECTED", "by": "B. Osei", "reason": "Music fell by half, the feed of shop 12 is missing."});
            notice["verdict"].as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        }
        _ => {}
    }
    notice
}

/// What Step Functions recorded, a little faster or slower each night.
fn history(day: Date, course: Course) -> Vec<HistoryEvent> {
    let recorded = match course {
        Course::Published | Course::Slow(_) | Course::Redriven | Course::SlackDown => PUBLISHED,
        Course::QualityFailed => QUALITY_FAILED,
        Course::Rejected => REJECTED,
        Course::Expired => EXPIRED,
        Course::Failed => FAILED,
        Course::TimedOut | Course::Aborted => ABORTED,
    };
    let mut events = read_json(recorded).unwrap();
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
