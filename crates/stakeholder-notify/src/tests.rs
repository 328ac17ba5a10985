//! The function through its handler, on ports in memory.

mod status_page;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use nightly_domain::channel::{MemoryChannel, PostError};
use nightly_domain::history::{ExecutionEnd, MemoryHistories, read_json, read_recorded};
use nightly_domain::memory::{Fate, Gate, ManualClock, MemoryMailingList, MemoryObjects};
use nightly_domain::nights::MemoryNights;
use nightly_domain::ports::Objects;
use nightly_pages::written;
use serde_json::json;

mod datasets;
mod endings;
mod figures;
mod left_out;

use endings::{ABORTED, EXPIRED, RATES_UNAVAILABLE, REJECTED, execution, failed, rates_unavailable};

use super::*;

const ARN: &str = "arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-night:2026-11-20-a1";
const PUBLISHED: &str = include_str!("../../domain/histories/published.json");
const QUALITY_FAILED: &str = include_str!("../../domain/histories/quality-failed.json");

struct World {
    gate: Arc<Gate>,
    ports: Ports<MemoryObjects, MemoryHistories, MemoryNights, MemoryChannel, MemoryMailingList, Lists, Metrics, ManualClock>,
    metrics: Arc<Mutex<Vec<Value>>>,
    lists: Arc<Mutex<BTreeMap<String, MemoryMailingList>>>,
}

type Lists = Box<dyn Fn(&str) -> MemoryMailingList + Send + Sync>;

type Metrics = Box<dyn Fn(&Value) + Send + Sync>;

impl World {
    /// A production account in which the night of 20 November has got as far as telling people about it.
    fn new() -> Self {
        let gate = Arc::new(Gate::default());
        let objects = MemoryObjects::behind(&gate);
        objects.put(
            &uri("s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/_summary.json"),
            include_str!("tests/summary.json"),
        );
        let written: Arc<Mutex<Vec<Value>>> = Arc::default();
        let metrics = Arc::clone(&written);
        let write: Metrics = Box::new(move |line| written.lock().unwrap().push(line.clone()));
        let lists: Arc<Mutex<BTreeMap<String, MemoryMailingList>>> = Arc::default();
        let (kept, behind) = (Arc::clone(&lists), Arc::clone(&gate));
        let list_of_topic: Lists = Box::new(move |topic_arn| {
            kept.lock().unwrap().entry(topic_arn.to_owned()).or_insert_with(|| MemoryMailingList::behind(&behind)).clone()
        });
        let ports = Ports {
            objects,
            histories: MemoryHistories::default().with_recorded(ARN, read_recorded(PUBLISHED).unwrap()),
            registry: MemoryNights::behind(&gate),
            channel: Some(MemoryChannel::default()),
            mailing_list: Some(MemoryMailingList::behind(&gate)),
            list_of_topic,
            metrics: write,
            clock: ManualClock::at(at("2026-11-21T03:14:02Z")),
            settings: Settings {
                environment: "prod".to_owned(),
                stack: "nightly-prod".to_owned(),
                site_bucket: "site".to_owned(),
                status_page_url: Some("https://status.nordvik.example".parse().unwrap()),
                runbook_url: Some("https://status.nordvik.example/runbook/".parse().unwrap()),
                published_by: jiff::civil::time(5, 0, 0, 0),
                dpu_hour_price: Decimal::new(44, 2),
            },
        };
        Self { gate, ports, metrics, lists }
    }

    fn with_history(mut self, history: &str) -> Self {
        self.ports.histories = MemoryHistories::default().with_recorded(ARN, read_recorded(history).unwrap());
        self
    }

    fn with_slack(mut self, failures: impl IntoIterator<Item = PostError>) -> Self {
        self.ports.channel = Some(MemoryChannel::failing(failures));
        self
    }

    async fn tell(&self, event: Value) -> Result<Reply, NotifyError> {
        handle(&self.ports, event).await
    }

    async fn stored(&self, key: &str) -> String {
        let body = self.ports.objects.read(&ObjectUri::new("site", key)).await.unwrap();
        String::from_utf8(body.unwrap_or_else(|| panic!("{key} is not written"))).unwrap()
    }

    async fn record(&self, key: &str) -> Value {
        serde_json::from_str(&self.stored(key).await).unwrap()
    }

    fn mailed(&self) -> Vec<(String, String)> {
        self.ports.mailing_list.as_ref().unwrap().sent()
    }

    fn posted(&self) -> Vec<Value> {
        self.ports.channel.as_ref().unwrap().posted()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn uri(text: &str) -> ObjectUri {
    text.parse().unwrap()
}

fn published() -> Value {
    serde_json::from_str(include_str!("tests/published.json")).unwrap()
}

/// The page's structure and words. How they look is looked at, not compared.
fn without_styles(page: &str) -> String {
    let mut rest = page;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("<style>") {
        kept.push_str(before);
        rest = after.split_once("</style>").unwrap().1.trim_start();
    }
    let (before, after) = kept.split_once("style-src ").unwrap();
    format!("{before}style-src …{}{rest}", after.split_once(';').map(|(_, after)| format!(";{after}")).unwrap())
}

fn told() -> Answer {
    let status_page = Some("https://status.nordvik.example/nights/2026-11-20.html".to_owned());
    Answer::Told(Told { status_page, slack: Slack::Posted, mail: Mailed::Sent })
}

/// Subjects and texts, as they would stand in an inbox.
fn letters(world: &World) -> String {
    world.mailed().iter().map(|(subject, text)| format!("Subject: {subject}\n\n{text}")).collect::<Vec<_>>().join("\n----\n")
}

/// The posts against their snapshot. Maps are sorted: whether they keep their order depends on what else is built beside this crate.
fn assert_posts(name: &str, posts: &impl serde::Serialize) {
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(name, posts) });
}

#[tokio::test]
async fn a_published_night_is_told_on_the_page_and_in_slack() {
    let world = World::new();
    let reply = world.tell(published()).await.unwrap();
    assert_eq!(
        serde_json::to_value(&reply).unwrap(),
        json!({"statusPage": "https://status.nordvik.example/nights/2026-11-20.html", "slack": "POSTED", "mail": "SENT"})
    );
    insta::assert_snapshot!("published.html", without_styles(&world.stored("nights/2026-11-20.html").await));
    insta::assert_snapshot!("published.json", world.stored("nights/2026-11-20.json").await);
    assert_posts("published.slack.json", &world.posted());
    insta::assert_snapshot!("published.mail", letters(&world));
}

#[tokio::test]
async fn a_notice_from_the_queue_is_told_as_well() {
    let world = World::new();
    let event = json!({"Records": [{"messageId": "m1", "eventSource": "aws:sqs", "body": published().to_string()}]});
    assert_eq!(world.tell(event).await.unwrap(), Reply::Queued(vec![told()]));
    assert_eq!(world.posted().len(), 1);
}

#[tokio::test]
async fn the_events_that_the_project_shows_are_told() {
    for event in [
        include_str!("../../../events/stakeholder-notify.json"),
        include_str!("../../../events/stakeholder-notify-built.json"),
        include_str!("../../../events/stakeholder-notify-queued.json"),
    ] {
        let event: Value = serde_json::from_str(event).unwrap();
        let notice = event["Records"][0]["body"].as_str().map_or_else(|| event.clone(), |body| serde_json::from_str(body).unwrap());
        let mut world = World::new();
        world.ports.histories = MemoryHistories::default().with(notice["executionArn"].as_str().unwrap(), read_json(PUBLISHED).unwrap());
        world.ports.objects.put(&uri(notice["summaryUri"].as_str().unwrap()), include_str!("tests/summary.json"));
        world.tell(event).await.unwrap();
        assert_eq!(world.posted().len(), 1);
    }
}

#[tokio::test]
async fn the_page_stands_while_slack_is_down_and_says_so() {
    let world = World::new().with_slack([PostError::NotPosted("connection refused".into())]);
    let error = world.tell(published()).await.unwrap_err();
    assert_eq!(error.name(), "SlackUnavailable");
    let page = world.stored("index.html").await;
    assert!(page.contains("<h1>Published at 03:14 UTC</h1>"), "{page}");
    assert!(page.contains("Slack has not been told yet."), "{page}");
    assert_eq!(world.record("nights/2026-11-20.json").await["steps"][10]["state"], "RUNNING");

    world.ports.clock.advance(SignedDuration::from_mins(20));
    assert_eq!(world.tell(published()).await.unwrap(), Reply::One(told()));
    let page = world.stored("index.html").await;
    assert!(page.contains("<h1>Published at 03:14 UTC</h1>"), "telling late does not move the publishing: {page}");
    assert!(page.contains("Slack was told at 03:34 UTC."), "{page}");
}

#[tokio::test]
async fn the_same_notice_twice_is_posted_once() {
    let world = World::new();
    world.tell(published()).await.unwrap();
    let first = world.stored("nights/2026-11-20.json").await;
    world.tell(published()).await.unwrap();
    assert_eq!(world.posted().len(), 1);
    assert_eq!(world.stored("nights/2026-11-20.json").await, first);
}

#[tokio::test]
async fn a_lost_answer_may_post_twice_and_the_error_says_so() {
    let world = World::new().with_slack([PostError::MaybePosted("timed out".into())]);
    let error = world.tell(published()).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        (error.name(), cause.as_str()),
        ("SlackUnavailable", "the message was sent to Slack and maybe posted, but the answer was lost")
    );
    world.tell(published()).await.unwrap();
    assert_eq!(world.posted().len(), 2);
}

#[tokio::test]
async fn a_refusal_has_a_name_of_its_own() {
    let world = World::new().with_slack([PostError::Refused { status: 404, answer: "no_service".to_owned() }]);
    assert_eq!(world.tell(published()).await.unwrap_err().name(), "SlackRefused");
}

#[tokio::test]
async fn without_a_channel_the_page_is_the_news() {
    let mut world = World::new();
    world.ports.channel = None;
    world.ports.mailing_list = None;
    let reply = serde_json::to_value(world.tell(published()).await.unwrap()).unwrap();
    assert_eq!((&reply["slack"], &reply["mail"]), (&json!("NOT_CONFIGURED"), &json!("NOT_CONFIGURED")));
    let page = world.stored("index.html").await;
    assert!(!page.contains("Slack") && !page.contains("mail"), "{page}");
    assert_eq!(world.record("nights/2026-11-20.json").await["steps"][10]["state"], "SUCCEEDED");
}

#[tokio::test]
async fn nothing_is_posted_while_the_page_cannot_be_written() {
    for call in ["Objects.read", "Objects.write", "Objects.list"] {
        let world = World::new();
        world.gate.plan(call, Fate::FailsBefore);
        assert_eq!(world.tell(published()).await.unwrap_err().name(), "StatusPageUnavailable", "{call}");
        assert!(world.posted().is_empty(), "{call}");
        assert_eq!(world.tell(published()).await.unwrap(), Reply::One(told()), "{call}");
    }
    let world = World::new();
    let mut unknown = published();
    unknown["executionArn"] = "arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-night:gone".into();
    assert_eq!(world.tell(unknown).await.unwrap_err().name(), "StatusPageUnavailable");
}

#[tokio::test]
async fn news_that_is_out_is_not_taken_back_by_a_page_that_cannot_be_written_again() {
    let world = World::new();
    let calls_until_posted = {
        let probe = World::new();
        probe.tell(published()).await.unwrap();
        probe.gate.calls().iter().filter(|call| **call == "Objects.write").count() / 2
    };
    for _ in 0..calls_until_posted {
        world.gate.plan("Objects.write", Fate::Works);
    }
    world.gate.plan("Objects.write", Fate::FailsBefore);
    assert_eq!(world.tell(published()).await.unwrap(), Reply::One(told()));
    assert_eq!(world.posted().len(), 1);
}

#[tokio::test]
async fn what_is_no_notice_is_refused_by_name_and_writes_nothing() {
    let mut without_date = published();
    without_date.as_object_mut().unwrap().remove("runDate");
    let mut bad_date = published();
    bad_date["runDate"] = "2026-02-30".into();
    let mut rejected = published();
    rejected["outcome"] = "REJECTED".into();
    let mut without_verdict = published();
    without_verdict.as_object_mut().unwrap().remove("verdict");
    let mut without_summary = published();
    without_summary["summaryUri"] = "s3://work/nowhere/_summary.json".into();
    for (event, message) in [
        (json!({}), "missing field"),
        (without_date, "missing field `runDate`"),
        (bad_date, "«2026-02-30» is not a calendar day"),
        (without_verdict, "lacks verdict"),
        (rejected, "of one that ended as REJECTED its event tells"),
        (without_summary, "there is no summary at s3://work/nowhere/_summary.json"),
        (json!({"Records": [{"body": "{"}]}), "EOF while parsing"),
        (json!({"Records": "none"}), "invalid type"),
    ] {
        let world = World::new();
        let error = world.tell(event).await.unwrap_err();
        let told = format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        assert_eq!(error.name(), "InvalidInput");
        assert!(told.contains(message), "{told}");
        assert!(!world.gate.calls().contains(&"Objects.write"));
    }
    let world = World::new();
    world.ports.objects.put(&uri("s3://work/broken/_summary.json"), "{}");
    let mut broken = published();
    broken["summaryUri"] = "s3://work/broken/_summary.json".into();
    assert_eq!(world.tell(broken).await.unwrap_err().name(), "InvalidInput");
}

#[tokio::test]
async fn rebuilding_an_older_day_leaves_the_latest_night_on_the_index() {
    let world = World::new();
    world.tell(published()).await.unwrap();
    let mut older = published();
    older["runDate"] = "2026-11-17".into();
    older["runId"] = "rebuild-17".into();
    world.tell(older).await.unwrap();

    let index = world.stored("index.html").await;
    assert!(index.contains("<b>Friday 20 November 2026</b>"), "{index}");
    assert!(index.contains(r#"<a href="nights/2026-11-17.html">17 Nov</a>"#), "the rebuilt day is listed: {index}");
    let night = world.stored("nights/2026-11-17.html").await;
    assert!(night.contains("<b>Tuesday 17 November 2026</b>"), "{night}");
    assert!(night.contains(r#"<a href="2026-11-20.html">20 Nov</a>"#), "{night}");
    assert!(night.contains(r#"<a href="../index.html">Latest</a>"#), "{night}");
}

#[tokio::test]
async fn news_from_the_queue_does_not_bring_back_an_earlier_run_of_the_day() {
    let mut world = World::new();
    let another = ARN.replace("2026-11-20-a1", "2026-11-20-a2");
    world.ports.histories = world.ports.histories.with(&another, read_json(PUBLISHED).unwrap());
    let mut second_run = published();
    second_run["runId"] = "2026-11-20-a2".into();
    second_run["executionArn"] = another.into();
    second_run["startedAt"] = "2026-11-21T05:00:00Z".into();
    world.tell(second_run).await.unwrap();
    world.tell(published()).await.unwrap();
    assert_eq!(world.record("nights/2026-11-20.json").await["run_id"], "2026-11-20-a2");
    assert_eq!(world.posted().len(), 2, "each run's news is told");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_passed_over() {
    let world = World::new();
    world.ports.objects.put(&uri("s3://site/nights/2026-11-19.json"), "{}");
    world.ports.objects.put(&uri("s3://site/nights/notes.json"), "{}");
    world.tell(published()).await.unwrap();
    let index = world.stored("index.html").await;
    assert!(index.contains("2026-11-20.html") && !index.contains("2026-11-19.html"), "{index}");
}

#[tokio::test]
async fn a_page_lists_the_ten_latest_nights_newest_first() {
    let world = World::new();
    for day in 1..=12 {
        let mut notice = published();
        notice["runDate"] = format!("2026-11-{day:02}").into();
        world.tell(notice).await.unwrap();
    }
    let index = world.stored("index.html").await;
    let list = index.split_once("<h2>Recent nights</h2>").unwrap().1;
    let list = list.split_once("</table>").unwrap().0;
    let listed: Vec<_> =
        list.match_indices(r#"<a href="nights/2026-11-"#).map(|(start, found)| &list[start + found.len()..][..2]).collect();
    assert_eq!(listed, ["12", "11", "10", "09", "08", "07", "06", "05", "04", "03"]);
}

#[tokio::test]
async fn a_failed_quality_gate_is_told_by_the_rules_that_failed() {
    let world = World::new();
    let mut yesterday = published();
    yesterday["runDate"] = "2026-11-19".into();
    world.tell(yesterday).await.unwrap();

    let record = world.stored("nights/2026-11-19.json").await;

    let failed = execution(failed("QualityFailed"), "2026-11-21T02:23:56Z", Some("2 of 8 rules did not pass."));
    let world = World::ended(QUALITY_FAILED, &failed);
    world.ports.objects.put(&uri("s3://site/nights/2026-11-19.json"), record);
    world.hear(&failed).await.unwrap();
    insta::assert_snapshot!("quality-failed.html", without_styles(&world.stored("index.html").await));
    assert_posts("quality-failed.slack.json", &world.posted().last());
}

#[tokio::test]
async fn every_outcome_has_its_words_and_only_true_ones() {
    let no = "B. Osei rejected the build for 2026-11-20 at 2026-11-21T02:39:57Z: «Shoes <look> wrong & odd.». Nothing was published.";
    let mut words = String::new();
    for (history, execution) in [
        (RATES_UNAVAILABLE, rates_unavailable()),
        (PUBLISHED, execution(failed("PublishedCountMismatch"), "2026-11-21T03:14:01Z", Some("The warehouse holds 7 rows."))),
        (REJECTED, execution(failed("ApprovalRejected"), "2026-11-21T02:40:00Z", Some(no))),
        (EXPIRED, execution(failed("ApprovalExpired"), "2026-11-21T03:23:56Z", None)),
        (ABORTED, execution(ExecutionEnd::Aborted, "2026-11-21T01:16:40Z", None)),
        (ABORTED, execution(ExecutionEnd::TimedOut, "2026-11-21T13:00:00Z", None)),
    ] {
        let world = World::ended(history, &execution);
        world.hear(&execution).await.unwrap();
        let page = world.stored("index.html").await;
        let head = page.split_once("<h1>").unwrap().1.split_once("</div>").unwrap().0;
        let list = page.split_once(r#"<span class="outcome">"#).unwrap().1.split_once("</td>").unwrap().0;
        let posted = &world.posted()[0];
        writeln!(words, "{head}\n{list}\n{}\n{}\n", posted["text"], posted["blocks"][0]["text"]["text"]).unwrap();
    }
    insta::assert_snapshot!("outcomes", words);
}

#[tokio::test]
async fn what_people_and_data_wrote_is_never_markup() {
    let world = World::new();
    let mut notice = published();
    notice["verdict"]["by"] = "<!channel> <script>alert(1)</script> & co".into();
    notice["runId"] = "<img src=x>".into();
    notice["quality"]["rules"][0]["rule"] = "<b>\"x\"</b>".into();
    world.tell(notice).await.unwrap();
    for page in [world.stored("index.html").await, world.stored("nights/2026-11-20.html").await] {
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>\"x"), "{page}");
    }
    let posted = world.posted()[0].to_string();
    assert!(posted.contains("&lt;!channel&gt; &lt;script&gt;alert(1)&lt;/script&gt; &amp; co"), "{posted}");
}

#[tokio::test]
async fn a_page_runs_nothing_loads_nothing_and_styles_nothing_inline() {
    let world = World::new();
    world.tell(published()).await.unwrap();
    let page = world.stored("index.html").await;
    assert!(
        page.contains(r#"<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-"#),
        "{page}"
    );
    for forbidden in ["<script", " style=", " onclick", "javascript:", "src=", "stylesheet", "preload", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn a_local_night_links_to_no_console() {
    let mut world = World::new();
    world.ports.settings.environment = "local".to_owned();
    world.tell(published()).await.unwrap();
    assert!(!world.stored("index.html").await.contains("console.aws"));
    let mut world = World::new();
    world.ports.settings.environment = "dev".to_owned();
    world.tell(published()).await.unwrap();
    let log = format!(r#"href="https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/{ARN}""#);
    assert!(world.stored("index.html").await.contains(&log));
}

#[test]
fn the_status_pages_address_is_its_folder_or_its_index() {
    let run_date = RunDate::parse("2026-11-20").unwrap();
    for text in ["https://status.example/site", "https://status.example/site/", "https://status.example/site/index.html"] {
        let url: StatusPageUrl = text.parse().unwrap();
        assert_eq!(url.night(run_date), "https://status.example/site/nights/2026-11-20.html");
        assert_eq!(url.to_string(), text);
    }
    for text in ["", "status.example", "https://", "https://status.example/|x", "https://status.example/ x", "javascript:alert(1)"] {
        assert_eq!(text.parse::<StatusPageUrl>(), Err(InvalidStatusPageUrl), "{text}");
    }
}
