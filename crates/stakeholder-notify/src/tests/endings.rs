//! Nights that did not end well, from the event to the channel, the mail, the page and the registry.

use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::ExecutionEnd;
use nightly_domain::nights::Row;

use super::*;

pub(super) const RATES_UNAVAILABLE: &str = include_str!("../../../domain/histories/rates-unavailable.json");
pub(super) const REJECTED: &str = include_str!("../../../domain/histories/rejected.json");
pub(super) const EXPIRED: &str = include_str!("../../../domain/histories/expired.json");
pub(super) const ABORTED: &str = include_str!("../../../domain/histories/aborted.json");
const LAMBDA_CAUSE: &str =
    r#"{"errorMessage":"api.frankfurter.dev answered 503 three times from 01:38 to 01:38 UTC.","errorType":"RatesUnavailable"}"#;

pub(super) fn execution(end: ExecutionEnd, at_text: &str, cause: Option<&str>) -> Execution {
    Execution {
        arn: ARN.to_owned(),
        state_machine_arn: "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-night".to_owned(),
        started_at: at("2026-11-21T01:00:00Z"),
        input: r#"{"scheduledTime":"2026-11-21T01:00:00Z"}"#.to_owned(),
        redrives: 0,
        ending: Some(Ending { end, at: at(at_text), cause: cause.map(str::to_owned), redrivable: true }),
    }
}

pub(super) fn failed(error: &str) -> ExecutionEnd {
    ExecutionEnd::Failed { error: error.to_owned() }
}

pub(super) fn rates_unavailable() -> Execution {
    execution(failed("RatesUnavailable"), "2026-11-21T01:38:56.050Z", Some(LAMBDA_CAUSE))
}

pub(super) fn change(execution: &Execution) -> Value {
    let status = match execution.ending.as_ref().map(|ending| &ending.end) {
        None => "RUNNING",
        Some(ExecutionEnd::Succeeded) => "SUCCEEDED",
        Some(ExecutionEnd::Failed { .. }) => "FAILED",
        Some(ExecutionEnd::TimedOut) => "TIMED_OUT",
        Some(ExecutionEnd::Aborted) => "ABORTED",
    };
    json!({
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": execution.arn, "status": status, "redriveCount": execution.redrives},
    })
}

fn row(owner: &str, status: &str) -> Row {
    Row { owner: owner.to_owned(), status: status.to_owned(), published_at: None, ended_at: None, error: None }
}

impl World {
    /// A night that has ended like this, and claimed its date.
    pub(super) fn ended(history: &str, execution: &Execution) -> Self {
        let mut world = Self::new();
        world.ports.histories =
            MemoryHistories::default().with_recorded(ARN, read_recorded(history).unwrap()).with_execution(execution.clone());
        world.ports.registry.put("2026-11-20".parse().unwrap(), row(ARN, "RUNNING"));
        world.gate.calls();
        world
    }

    pub(super) async fn hear(&self, execution: &Execution) -> Result<Reply, NotifyError> {
        self.tell(change(execution)).await
    }

    fn registered(&self) -> Row {
        self.ports.registry.row("2026-11-20".parse().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_failed_night_is_told_with_its_step_its_cause_and_what_to_do() {
    let mut yesterday = published();
    yesterday["runDate"] = "2026-11-19".into();
    let world = World::new();
    world.tell(yesterday).await.unwrap();
    let record = world.stored("nights/2026-11-19.json").await;

    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    world.ports.objects.put(&uri("s3://site/nights/2026-11-19.json"), record);
    assert_eq!(world.hear(&rates_unavailable()).await.unwrap(), Reply::One(told()));
    insta::assert_snapshot!("failed.mail", letters(&world));
    assert_posts("failed.slack.json", &world.posted());
    let record = world.record("nights/2026-11-20.json").await;
    assert_eq!(
        (&record["outcome"], &record["news"], &record["trouble"]["tries"]),
        (
            &json!("FAILED"),
            &json!({"slack": "POSTED", "at": "2026-11-21T03:14:02Z", "mail": {"state": "SENT", "at": "2026-11-21T03:14:02Z"}}),
            &json!(3)
        )
    );
    assert!(world.stored("index.html").await.contains("Not published: Enrich currency failed"));
    let row = world.registered();
    assert_eq!((row.status.as_str(), row.error.as_deref()), ("FAILED", Some("RatesUnavailable")));
    assert_eq!(row.ended_at, Some(at("2026-11-21T01:38:56.050Z")));
}

#[tokio::test]
async fn every_bad_end_is_told_in_its_own_words() {
    let no = "B. Osei rejected the build for 2026-11-20 at 2026-11-21T02:39:57Z: «Shoes <look> odd.». Nothing was published.";
    let late = "Too few approved the build for 2026-11-20 in 3600 seconds. Nothing was published.";
    let glue = r#"{"JobName":"nightly-prod-transform-orders","Id":"jr_0a1b","JobRunState":"FAILED","ErrorMessage":"NoOrdersPartition: there is nothing at s3://raw/orders/order_date=2026-11-20/"}"#;
    let mut text = String::new();
    for (history, execution) in [
        (REJECTED, execution(failed("ApprovalRejected"), "2026-11-21T02:40:00Z", Some(no))),
        (EXPIRED, execution(failed("ApprovalExpired"), "2026-11-21T03:23:56Z", Some(late))),
        (QUALITY_FAILED, execution(failed("QualityFailed"), "2026-11-21T02:23:56Z", Some("2 of 8 rules did not pass."))),
        (RATES_UNAVAILABLE, execution(failed("States.TaskFailed"), "2026-11-21T01:38:56Z", Some(glue))),
        (ABORTED, execution(ExecutionEnd::Aborted, "2026-11-21T01:16:40Z", Some("Stopped for the release."))),
        (ABORTED, execution(ExecutionEnd::TimedOut, "2026-11-21T13:00:00Z", None)),
        (PUBLISHED, execution(failed("PublishedCountMismatch"), "2026-11-21T03:14:01Z", Some("The warehouse holds 7 rows."))),
    ] {
        let world = World::ended(history, &execution);
        world.hear(&execution).await.unwrap();
        let post = &world.posted()[0];
        writeln!(text, "{}\n{}\n====", letters(&world), post["text"].as_str().unwrap()).unwrap();
        let page = world.stored("index.html").await;
        assert!(page.contains("Slack was told at 03:14 UTC. The mail about it was sent at 03:14 UTC."), "{page}");
    }
    insta::assert_snapshot!("endings", text);
}

#[tokio::test]
async fn a_page_has_the_figures_of_what_was_built_before_the_end_and_does_not_wait_for_them() {
    let rejected = execution(failed("ApprovalRejected"), "2026-11-21T02:40:00Z", None);
    let world = World::ended(REJECTED, &rejected);
    world.hear(&rejected).await.unwrap();
    let page = world.stored("index.html").await;
    assert!(page.contains("Revenue, as built") && page.contains("Order lines"), "{page}");

    let world = World::ended(REJECTED, &rejected);
    let summary = "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/_summary.json";
    world.ports.objects.put(&uri(summary), "{");
    world.hear(&rejected).await.unwrap();
    let page = world.stored("index.html").await;
    assert!(page.contains("Slack was told") && !page.contains("Revenue"), "{page}");
}

#[tokio::test]
async fn a_night_without_a_run_date_is_told_and_has_no_page() {
    let mut execution = execution(failed("InvalidRunDate"), "2026-11-21T01:00:01Z", Some("The run date «soon» is not a calendar day."));
    execution.input = r#"{"runDate":"soon"}"#.to_owned();
    let world = World::ended(r#"{"events":[]}"#, &execution);
    let reply = serde_json::to_value(world.hear(&execution).await.unwrap()).unwrap();
    assert_eq!(reply, json!({"statusPage": null, "slack": "POSTED", "mail": "SENT"}));
    let (subject, text) = world.mailed().remove(0);
    assert_eq!(subject, "FAILED: InvalidRunDate (prod)");
    assert!(text.contains(r#"--input '{"runDate":"YYYY-MM-DD","startedBy":"YOUR MAIL ADDRESS"}'"#), "{text}");
    assert!(text.contains("/runbook/InvalidRunDate.md") && text.contains("The run date «soon» is not a calendar day."), "{text}");
    assert!(!world.gate.calls().contains(&"Objects.write"));
    assert_eq!(world.registered().status, "RUNNING", "the row of the day before is another's business");
}

#[tokio::test]
async fn the_same_event_twice_is_told_once_and_a_redrive_that_fails_again_once_more() {
    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    world.hear(&rates_unavailable()).await.unwrap();
    let record = world.stored("nights/2026-11-20.json").await;
    assert_eq!(world.hear(&rates_unavailable()).await.unwrap(), Reply::One(told()));
    assert_eq!((world.posted().len(), world.mailed().len()), (1, 1));
    assert_eq!(world.stored("nights/2026-11-20.json").await, record);

    let again = Execution { redrives: 1, ..rates_unavailable() };
    let mut world = world;
    world.ports.histories = world.ports.histories.with_execution(again.clone());
    assert_eq!(
        world.hear(&rates_unavailable()).await.unwrap(),
        Reply::One(Answer::Silent { silent: Silence::GoneOn }),
        "the first event, delivered late, is no longer so"
    );
    world.hear(&again).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed().len()), (2, 2));
}

#[tokio::test]
async fn what_is_no_longer_so_is_not_told() {
    let running = Execution { ending: None, ..rates_unavailable() };
    let world = World::ended(RATES_UNAVAILABLE, &running);
    assert_eq!(world.hear(&rates_unavailable()).await.unwrap(), Reply::One(Answer::Silent { silent: Silence::GoneOn }));
    let published = execution(ExecutionEnd::Succeeded, "2026-11-21T03:14:05Z", None);
    let world = World::ended(PUBLISHED, &published);
    assert_eq!(world.hear(&rates_unavailable()).await.unwrap(), Reply::One(Answer::Silent { silent: Silence::GoneOn }));
    assert_eq!(world.hear(&published).await.unwrap(), Reply::One(Answer::Silent { silent: Silence::NoBadEnd }));
    assert!(world.posted().is_empty() && world.mailed().is_empty());
    assert_eq!(world.registered().status, "RUNNING");
}

#[tokio::test]
async fn mail_goes_out_while_slack_is_down_and_slack_gets_it_later() {
    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable()).with_slack([PostError::NotPosted("connection refused".into())]);
    assert_eq!(world.hear(&rates_unavailable()).await.unwrap_err().name(), "SlackUnavailable");
    assert_eq!((world.posted().len(), world.mailed().len()), (0, 1));
    assert_eq!(world.record("nights/2026-11-20.json").await["news"]["slack"], "PENDING");
    world.hear(&rates_unavailable()).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed().len()), (1, 1), "nobody is mailed twice");
}

#[tokio::test]
async fn slack_has_it_while_mail_is_down_and_mail_goes_out_later() {
    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    world.gate.plan("MailingList.mail", Fate::FailsBefore);
    assert_eq!(world.hear(&rates_unavailable()).await.unwrap_err().name(), "MailUnavailable");
    assert_eq!((world.posted().len(), world.mailed().len()), (1, 0));
    assert_eq!(world.record("nights/2026-11-20.json").await["news"]["mail"]["state"], "PENDING");
    world.hear(&rates_unavailable()).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed().len()), (1, 1));
}

#[tokio::test]
async fn people_are_told_while_the_page_or_the_registry_is_down() {
    for call in ["Objects.write", "Objects.read", "Nights.end"] {
        let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
        world.gate.plan(call, Fate::FailsBefore);
        let error = world.hear(&rates_unavailable()).await.unwrap_err();
        assert_eq!(error.name(), if call == "Nights.end" { "StorageUnavailable" } else { "StatusPageUnavailable" });
        assert_eq!((world.posted().len(), world.mailed().len()), (1, 1), "{call}");
        world.hear(&rates_unavailable()).await.unwrap();
        assert_eq!((world.posted().len(), world.mailed().len()), (1, 1), "{call}");
        assert_eq!(
            (world.registered().status.as_str(), world.record("nights/2026-11-20.json").await["outcome"].as_str()),
            ("FAILED", Some("FAILED"))
        );
    }
}

#[tokio::test]
async fn whoever_crashed_while_telling_is_waited_for_and_then_made_up_for() {
    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    let notice = NoticeId::ending(ARN, 0);
    world.ports.registry.begin(&notice, nightly_domain::nights::Medium::Slack, world.ports.clock.now()).await.unwrap();
    let error = world.hear(&rates_unavailable()).await.unwrap_err();
    assert_eq!((error.name(), world.posted().len(), world.mailed().len()), ("NoticeUnderWay", 0, 1));
    world.ports.clock.advance(SignedDuration::from_mins(6));
    world.hear(&rates_unavailable()).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed().len()), (1, 1));
}

#[tokio::test]
async fn a_night_that_was_told_as_failed_and_is_published_has_recovered() {
    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    world.hear(&rates_unavailable()).await.unwrap();
    let world = world.with_history(PUBLISHED);
    world.tell(published()).await.unwrap();
    world.tell(published()).await.unwrap();
    let posted = world.posted();
    assert_eq!((posted.len(), world.mailed().len()), (2, 2));
    let recovered = "It has recovered: it was told as failed at 03:14 UTC, 21 November 2026.";
    assert!(posted[1].to_string().contains(recovered), "{}", posted[1]);
    assert!(world.mailed()[1].1.contains(recovered) && world.stored("index.html").await.contains(recovered));
}

#[tokio::test]
async fn a_night_that_was_taken_over_leaves_page_and_row_to_its_owner() {
    let world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    world.ports.registry.put("2026-11-20".parse().unwrap(), row("arn:of:another", "RUNNING"));
    let reply = serde_json::to_value(world.hear(&rates_unavailable()).await.unwrap()).unwrap();
    assert_eq!(reply["statusPage"], Value::Null);
    assert_eq!((world.posted().len(), world.mailed().len(), world.registered().status.as_str()), (1, 1, "RUNNING"));
    assert!(!world.gate.calls().contains(&"Objects.write"));
}

#[tokio::test]
async fn a_night_that_was_stopped_after_it_had_published_says_what_the_warehouse_holds() {
    let world = World::ended(PUBLISHED, &rates_unavailable());
    world.tell(published()).await.unwrap();
    let stopped = execution(ExecutionEnd::Aborted, "2026-11-21T03:14:05Z", None);
    let mut world = world;
    world.ports.histories = world.ports.histories.with_execution(stopped.clone());
    world
        .ports
        .registry
        .put("2026-11-20".parse().unwrap(), Row { published_at: Some(at("2026-11-21T03:14:00Z")), ..row(ARN, "PUBLISHED") });
    world.hear(&stopped).await.unwrap();
    let (subject, text) = world.mailed().remove(1);
    assert_eq!(subject, "Published, then stopped by hand, 20 Nov 2026 (prod)");
    assert!(text.contains("The warehouse holds the day all the same: it was published at 03:14 UTC"), "{text}");
    assert!(!text.contains("start-execution"), "{text}");
    assert_eq!(world.record("nights/2026-11-20.json").await["outcome"], "PUBLISHED");
    assert_eq!(world.registered().status, "PUBLISHED");
}

#[tokio::test]
async fn a_day_that_another_night_published_stays_published_in_words() {
    let world = World::ended(PUBLISHED, &rates_unavailable());
    let mut first = published();
    first["runId"] = "2026-11-20-a0".into();
    first["startedAt"] = "2026-11-21T00:30:00Z".into();
    world.tell(first).await.unwrap();
    let world = world.with_history(RATES_UNAVAILABLE);
    let mut world = world;
    world.ports.histories = world.ports.histories.with_execution(rates_unavailable());
    world.hear(&rates_unavailable()).await.unwrap();
    let (_, text) = world.mailed().remove(1);
    assert!(text.contains("the warehouse keeps what another night published at 03:14 UTC, 21 November 2026."), "{text}");
}

#[tokio::test]
async fn without_a_runbook_a_page_and_a_console_nothing_links_there() {
    let mut world = World::ended(RATES_UNAVAILABLE, &rates_unavailable());
    world.ports.settings.environment = "local".to_owned();
    world.ports.settings.runbook_url = None;
    world.ports.settings.status_page_url = None;
    world.hear(&rates_unavailable()).await.unwrap();
    let said = format!("{}{}", letters(&world), world.posted()[0]);
    assert!(!said.contains("https://"), "{said}");
}

#[tokio::test]
async fn a_job_that_failed_is_named_by_its_message_and_linked_to_its_log() {
    let glue = r#"{"JobName":"nightly-prod-apply-fx","Id":"jr_0a1b","JobRunState":"FAILED","ErrorMessage":"MalformedRow: line 7"}"#;
    let execution = execution(failed("States.TaskFailed"), "2026-11-21T01:38:56Z", Some(glue));
    let world = World::ended(RATES_UNAVAILABLE, &execution);
    world.hear(&execution).await.unwrap();
    let (_, text) = world.mailed().remove(0);
    assert!(text.contains("Error: MalformedRow, after 3 tries\nCause: MalformedRow: line 7\n"), "{text}");
    assert!(text.contains("What it means and what to do: https://status.nordvik.example/runbook/MalformedRow.md"), "{text}");
    let log = "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#logsV2:log-groups/log-group/$252Faws-glue$252Fnightly-prod$252Ferror$3FlogStreamNameFilter$3Djr_0a1b";
    assert!(text.contains(&format!("Log of the job: {log}\n")), "{text}");
}
