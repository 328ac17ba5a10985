//! Nights whose input leaves a part out.

use nightly_domain::history::{EventKind, HistoryEvent};

use super::*;

fn left_out(flags: &[&str], verdict: Value) -> Value {
    let mut notice = published();
    notice["flags"] = json!(flags);
    notice["verdict"] = verdict;
    notice
}

fn only_built() -> Value {
    let mut notice = published();
    let fields = notice.as_object_mut().unwrap();
    fields.remove("verdict");
    fields.remove("publishedRows");
    fields.extend([("outcome".to_owned(), json!("BUILT")), ("flags".to_owned(), json!(["skipPublish"]))]);
    notice
}

/// A world in which the night has come as far as its quality gate.
fn at_the_gate() -> World {
    let mut world = World::new();
    world.ports.histories = MemoryHistories::default().with(ARN, history_to_the_gate());
    world
}

fn history_to_the_gate() -> Vec<HistoryEvent> {
    let asks = |event: &HistoryEvent| event.kind == EventKind::Entered { state: "ManualApproval".to_owned() };
    read_json(PUBLISHED).unwrap().into_iter().take_while(|event| !asks(event)).collect()
}

fn verdict(waiver: &Value, by: &str) -> Value {
    json!({
        "decision": "APPROVED", "by": by, "at": "2026-11-21T02:24:00Z", "orderLines": 48212, "waiver": waiver,
        "evidenceDigest": "7f3ac1e09b42a5d6c8e1f0037b9a2c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
    })
}

#[tokio::test]
async fn a_night_that_nobody_was_asked_about_says_so_everywhere() {
    let world = World::new();
    assert_eq!(world.tell(left_out(&["skipApproval"], verdict(&json!({"kind": "FLAG"}), ""))).await.unwrap(), Reply::One(told()));
    let page = world.stored("nights/2026-11-20.html").await;
    assert!(page.contains("and was approved by nobody (skipApproval)."), "{page}");
    assert!(page.contains("Its input left out the approval (skipApproval)."), "{page}");
    assert!(letters(&world).contains("Approved by nobody (skipApproval)."), "{}", letters(&world));
    assert!(world.posted()[0].to_string().contains("Approved by nobody (skipApproval)."), "{}", world.posted()[0]);
    assert_eq!(world.record("nights.json").await["nights"][0]["flags"], json!(["skipApproval"]));
}

#[tokio::test]
async fn a_night_that_was_approved_with_others_names_who_did() {
    let world = World::new();
    let batch = json!({"kind": "BATCH", "executionArn": "arn:of:question-1", "by": "B. Osei", "at": "2026-11-21T02:24:00Z"});
    world.tell(left_out(&[], verdict(&batch, "B. Osei"))).await.unwrap();
    let page = world.stored("nights/2026-11-20.html").await;
    assert!(page.contains("and was approved by B. Osei (with other days)."), "{page}");
    assert!(!page.contains("left out"), "{page}");
}

#[tokio::test]
async fn a_night_that_was_only_to_be_built_is_no_failure_and_no_publication() {
    let world = at_the_gate();
    assert_eq!(world.tell(only_built()).await.unwrap(), Reply::One(told()));
    let page = world.stored("nights/2026-11-20.html").await;
    assert!(page.contains("<h1>Not published: it was only to be built</h1>"), "{page}");
    assert!(page.contains("Its input left out publishing (skipPublish)."), "{page}");
    assert!(page.contains("Revenue, as built"), "{page}");
    assert_eq!(world.record("nights/2026-11-20.json").await["outcome"], "BUILT");
    assert!(letters(&world).starts_with("Subject: Built, not published, 20 Nov 2026 (prod)\n"), "{}", letters(&world));
    assert!(letters(&world).contains("It was not to be published."), "{}", letters(&world));
}

#[tokio::test]
async fn a_date_that_was_published_before_it_was_only_built_says_so() {
    let mut world = World::new();
    world.tell(published()).await.unwrap();
    world.ports.histories = MemoryHistories::default().with(&format!("{ARN}-b2"), history_to_the_gate());
    let mut again = only_built();
    again["runId"] = json!("2026-11-20-b2");
    again["executionArn"] = json!(format!("{ARN}-b2"));
    again["startedAt"] = json!("2026-11-22T09:00:00Z");
    world.tell(again).await.unwrap();
    let page = world.stored("nights/2026-11-20.html").await;
    assert!(page.contains("The warehouse keeps what another night published at"), "{page}");
}

#[tokio::test]
async fn where_the_news_is_left_out_the_page_alone_has_it() {
    let world = World::new();
    let reply = world.tell(left_out(&["skipNotify"], published()["verdict"].clone())).await.unwrap();
    let Reply::One(Answer::Told(told)) = reply else { panic!("{reply:?}") };
    assert_eq!((told.slack, told.mail), (Slack::NotConfigured, Mailed::NotConfigured));
    assert!(world.posted().is_empty() && world.mailed().is_empty());
    let page = world.stored("nights/2026-11-20.html").await;
    assert!(page.contains("Its input left out telling Slack and the mailing list (skipNotify)."), "{page}");
    assert_eq!(world.record("nights/2026-11-20.json").await["steps"][10]["state"], "SUCCEEDED");
}

#[tokio::test]
async fn a_bad_end_is_as_quiet_as_its_input_wanted() {
    let mut execution = endings::rates_unavailable();
    execution.input = r#"{"scheduledTime":"2026-11-21T01:00:00Z","skipNotify":true}"#.to_owned();
    let world = World::ended(endings::RATES_UNAVAILABLE, &execution);
    world.hear(&execution).await.unwrap();
    assert!(world.posted().is_empty() && world.mailed().is_empty());
    assert_eq!(world.record("nights/2026-11-20.json").await["flags"], json!(["skipNotify"]));
}

#[tokio::test]
async fn a_flag_that_was_refused_keeps_nobody_from_hearing_of_it() {
    let mut execution = endings::rates_unavailable();
    execution.input = r#"{"scheduledTime":"2026-11-21T01:00:00Z","skipNotify":true}"#.to_owned();
    let error = "FlagNotAllowed".to_owned();
    execution.ending.as_mut().unwrap().end = nightly_domain::history::ExecutionEnd::Failed { error };
    let world = World::ended(endings::RATES_UNAVAILABLE, &execution);
    world.hear(&execution).await.unwrap();
    assert_eq!((world.posted().len(), world.mailed().len()), (1, 1));
}
