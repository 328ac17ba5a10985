//! What a night leaves for the dashboard.

use std::collections::BTreeMap;

use nightly_domain::Plan;
use nightly_domain::history::ExecutionEnd;

use super::endings::{ABORTED, RATES_UNAVAILABLE, REJECTED, execution, failed, rates_unavailable};
use super::*;

impl World {
    /// Every figure that was written: its name with what tells it apart, its value.
    fn figures(&self) -> Vec<(String, Value)> {
        let lines = self.metrics.lock().unwrap();
        let figures = lines.iter().flat_map(|line| {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            let apart = directive["Dimensions"][0].as_array().unwrap().iter().filter_map(Value::as_str).filter(|name| *name != "Stack");
            let apart = apart.map(|name| format!(" {}", line[name].as_str().unwrap())).collect::<Vec<_>>().concat();
            let names = directive["Metrics"].as_array().unwrap().iter().filter_map(|metric| metric["Name"].as_str());
            names.map(|name| (format!("{name}{apart}"), line[name].clone())).collect::<Vec<_>>()
        });
        figures.collect()
    }

    fn figure(&self, name: &str) -> Option<f64> {
        let figures: BTreeMap<_, _> = self.figures().into_iter().collect();
        figures.get(name).map(|value| value.as_f64().unwrap())
    }
}

#[tokio::test]
async fn a_published_night_leaves_its_figures() {
    let world = World::new();
    world.tell(published()).await.unwrap();
    let text = world.figures().iter().map(|(name, value)| format!("{name} = {value}\n")).collect::<Vec<_>>().concat();
    insta::assert_snapshot!("published.figures", text);
    let at = world.record("nights/2026-11-20.json").await["ended_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let lines = world.metrics.lock().unwrap();
    assert!(lines.iter().all(|line| line["_aws"]["Timestamp"] == at.as_millisecond()), "a line that comes late stands where it belongs");
}

#[tokio::test]
async fn every_step_of_the_plan_has_its_duration() {
    let world = World::new();
    world.tell(published()).await.unwrap();
    for step in Plan::of_the_night().steps() {
        assert!(world.figure(&format!("StepSeconds {}", step.name)).is_some(), "{}", step.name);
    }
}

#[tokio::test]
async fn a_night_that_is_told_again_counts_once() {
    let world = World::new().with_slack([PostError::NotPosted("connection refused".into())]);
    world.tell(published()).await.unwrap_err();
    let counted = world.figures();
    world.tell(published()).await.unwrap();
    world.tell(published()).await.unwrap();
    assert_eq!(world.figures(), counted);
    assert_eq!(counted.iter().filter(|(name, _)| name.starts_with("Nights ")).count(), 1);
}

#[tokio::test]
async fn each_ending_of_a_redriven_night_counts() {
    let first = rates_unavailable();
    let mut world = World::ended(RATES_UNAVAILABLE, &first);
    world.hear(&first).await.unwrap();
    world.hear(&first).await.unwrap();
    world = world.with_history(PUBLISHED);
    world.tell(published()).await.unwrap();
    let nights: Vec<_> = world.figures().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("Nights ")).collect();
    assert_eq!(nights, ["Nights FAILED", "Nights PUBLISHED"]);
}

#[tokio::test]
async fn figures_that_cannot_be_noted_are_tried_again() {
    let world = World::new();
    // Slack and mail have been told when the dashboard's turn comes.
    for fate in [Fate::Works, Fate::Works, Fate::FailsBefore] {
        world.gate.plan("Notices.begin", fate);
    }
    assert_eq!(world.tell(published()).await.unwrap_err().name(), "StorageUnavailable");
    assert!(world.figures().is_empty());
    world.tell(published()).await.unwrap();
    assert_eq!((world.figure("Nights PUBLISHED"), world.posted().len()), (Some(1.0), 1));
}

#[tokio::test]
async fn what_the_history_does_not_say_is_absent_and_never_zero() {
    let mut world = World::new();
    world.ports.histories = MemoryHistories::default().with(ARN, read_json(PUBLISHED).unwrap());
    world.tell(published()).await.unwrap();
    assert_eq!((world.figure("GlueDpuHours"), world.figure("Dollars")), (None, None));
    let record = world.record("nights/2026-11-20.json").await;
    assert_eq!(record.get("cost"), None);
    let listed = &world.record("nights.json").await["nights"][0];
    assert_eq!((&listed["dpu_hours"], &listed["dollars"]), (&Value::Null, &Value::Null));
    assert!(!world.stored("index.html").await.contains("DPU-hours"));
}

#[tokio::test]
async fn a_bad_end_leaves_what_is_known_of_it() {
    let rejection = "B. Osei rejected the build for 2026-11-20 at 2026-11-21T02:39:57Z: «no». Nothing was published.";
    let rejected = execution(failed("ApprovalRejected"), "2026-11-21T02:40:00Z", Some(rejection));
    let world = World::ended(REJECTED, &rejected);
    world.hear(&rejected).await.unwrap();
    // Asked at 02:23:56. The rates are of the day before the run date, as their fetch said.
    let known = ["ApprovalSeconds", "FxAgeDays", "QualityScore", "Nights REJECTED"].map(|name| world.figure(name).map(f64::round));
    assert_eq!(known, [961.0, 1.0, 100.0, 1.0].map(Some));
    assert!(world.figure("Dollars").is_some() && world.figure("StepSeconds publish-to-warehouse").is_none());

    let aborted = execution(ExecutionEnd::Aborted, "2026-11-21T01:10:00Z", None);
    let world = World::ended(ABORTED, &aborted);
    world.hear(&aborted).await.unwrap();
    assert_eq!((world.figure("Nights ABORTED"), world.figure("NightSeconds")), (Some(1.0), Some(600.0)));
    assert_eq!((world.figure("Dollars"), world.figure("ApprovalSeconds")), (None, None), "nobody looked what the stopped job took");
}

#[tokio::test]
async fn a_night_without_a_run_date_counts_and_one_for_an_earlier_date_has_no_deadline() {
    let mut nameless = execution(failed("InvalidRunDate"), "2026-11-21T01:00:01Z", None);
    nameless.input = r#"{"runDate":"2026-02-30"}"#.to_owned();
    let world = World::ended("{\"events\": []}", &nameless);
    world.hear(&nameless).await.unwrap();
    assert_eq!(world.figures(), [("Nights FAILED".to_owned(), json!(1))]);

    let world = World::new();
    world.tell(published()).await.unwrap();
    assert_eq!(world.figure("DeadlineSeconds"), Some(4.0 * 3600.0));
    let mut older = published();
    older["runDate"] = "2026-11-17".into();
    let world = World::new();
    world.tell(older).await.unwrap();
    assert_eq!(world.figure("DeadlineSeconds"), None);
}
