//! Every alarm of the template fires on what it is there for, is quiet otherwise, and leads to a page that says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use nightly_domain::RunDate;
use nightly_domain::channel::MemoryChannel;
use nightly_domain::history::{MemoryHistories, read_json};
use nightly_domain::memory::ManualClock;
use nightly_domain::people::{Address, Panel};
use nightly_domain::ports::{PortError, Subscriptions};
use nightly_domain::registry::{Registered, Registry};
use serde_json::{Value, json};

use crate::cloudformation::Template;
use crate::project;

/// The moment at which the alarms are looked at: 05:30, half an hour after the last deadline.
const NOW: &str = "2026-11-21T05:30:00Z";

#[test]
fn every_alarm_fires_on_its_cause_and_is_quiet_without_it() {
    let (template, dataset) = (Template::read(), Template::of_file("dataset.yaml"));
    let (mut alarms, deadlines) = (alarms(&template), deadlines(&template));
    assert!(alarms.len() > 15, "{:?}", alarms.keys());
    alarms.extend(self::alarms(&dataset));
    assert!(alarms.contains_key("nightly-prod-dataset-orders-undelivered-starts"), "{:?}", alarms.keys());
    for (name, alarm) in &alarms {
        let (calm, alarming) = cause(name, alarm, deadlines);
        assert_eq!(alarm.state(&calm), State::Ok, "{name} is quiet where all is well");
        assert_eq!(alarm.state(&alarming), State::Alarm, "{name} fires");
        // The same figures of another deployment, function or queue are none of its business.
        let strangers: Vec<_> = alarming.iter().map(|point| Point { dimensions: BTreeMap::new(), ..point.clone() }).collect();
        assert_ne!((alarm.state(&strangers), alarm.missing.as_str()), (State::Alarm, "notBreaching"), "{name}");
    }
}

#[test]
fn every_function_that_fails_or_is_turned_away_raises_an_alarm() {
    let template = Template::read();
    let alarms = alarms(&template);
    for (_, function) in template.resources("AWS::Serverless::Function") {
        let name = filled(&template, &function["Properties"]["FunctionName"]);
        for metric in ["Errors", "Throttles"] {
            let watched = ("AWS/Lambda", metric, &BTreeMap::from([("FunctionName".to_owned(), name.clone())]));
            assert!(alarms.values().any(|alarm| alarm.metric() == watched), "nobody hears of the {metric} of {name}");
        }
    }
}

#[test]
fn every_alarm_tells_somebody_and_names_its_page() {
    let (template, dataset) = (Template::read(), Template::of_file("dataset.yaml"));
    let index = project::read("docs/runbook/README.md");
    let of = |template, topic| alarm_properties(template).into_iter().map(move |(name, properties)| (template, topic, name, properties));
    for (template, topic, name, properties) in of(&template, "AlarmTopic").chain(of(&dataset, "AlarmTopicArn")) {
        let topic = json!([{"Ref": topic}]);
        assert_eq!((&properties["AlarmActions"], &properties["OKActions"]), (&topic, &topic), "{name}");
        let description = description(template, &properties);
        let page = description.rsplit_once(". Runbook, ").and_then(|(_, page)| page.strip_suffix('.'));
        let page = page.unwrap_or_else(|| panic!("{name} names no page: «{description}»"));
        assert!(index.contains(&format!("[{page}]({page}.md)")), "{name}: the runbook has no {page}");
    }
}

/// What an alarm watches, and when it fires.
struct Alarm {
    namespace: String,
    metric: String,
    dimensions: BTreeMap<String, String>,
    statistic: String,
    period: i64,
    periods: i64,
    datapoints: i64,
    threshold: f64,
    comparison: String,
    missing: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Alarm,
    /// It stays what it was.
    Kept,
}

/// One figure of a metric.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    pub(crate) dimensions: BTreeMap<String, String>,
    at: Timestamp,
    value: f64,
}

impl Alarm {
    fn of(template: &Template, properties: &Value) -> Self {
        let text = |name: &str| filled(template, &properties[name]);
        let whole = |name: &str| properties[name].as_i64();
        let dimensions = properties["Dimensions"].as_array().expect("an alarm has dimensions");
        let periods = whole("EvaluationPeriods").expect("it has periods");
        Self {
            namespace: text("Namespace"),
            metric: text("MetricName"),
            dimensions: dimensions
                .iter()
                .map(|dimension| (filled(template, &dimension["Name"]), filled(template, &dimension["Value"])))
                .collect(),
            statistic: text("Statistic"),
            period: whole("Period").expect("it has a period"),
            periods,
            datapoints: whole("DatapointsToAlarm").unwrap_or(periods),
            threshold: properties["Threshold"].as_f64().expect("it has a threshold"),
            comparison: text("ComparisonOperator"),
            missing: text("TreatMissingData"),
        }
    }

    fn metric(&self) -> (&str, &str, &BTreeMap<String, String>) {
        (&self.namespace, &self.metric, &self.dimensions)
    }

    /// As `CloudWatch` evaluates it: so many of the last periods must breach, and a period without a figure counts as it is told to
    /// («Evaluating an alarm», «Configuring how alarms treat missing data»).
    fn state(&self, points: &[Point]) -> State {
        let breaches = |value: f64| match self.comparison.as_str() {
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "LessThanThreshold" => value < self.threshold,
            other => panic!("no alarm compares by {other} yet"),
        };
        let now: Timestamp = NOW.parse().expect("a time");
        let figures: Vec<Option<f64>> = (0..self.periods)
            .map(|back| {
                let end = now - SignedDuration::from_secs(back * self.period);
                let begin = end - SignedDuration::from_secs(self.period);
                let is_its = |point: &&Point| {
                    (point.namespace.as_str(), point.metric.as_str(), &point.dimensions) == self.metric()
                        && begin < point.at
                        && point.at <= end
                };
                let values: Vec<f64> = points.iter().filter(is_its).map(|point| point.value).collect();
                if values.is_empty() {
                    return None;
                }
                #[expect(clippy::cast_precision_loss, reason = "a few figures")]
                Some(match self.statistic.as_str() {
                    "Maximum" => values.iter().copied().fold(f64::MIN, f64::max),
                    "Sum" => values.iter().sum(),
                    "SampleCount" => values.len() as f64,
                    other => panic!("no alarm uses {other} yet"),
                })
            })
            .collect();
        if figures.iter().all(Option::is_none) && self.missing == "ignore" {
            return State::Kept;
        }
        let counts = |figure: &&Option<f64>| figure.map_or(self.missing == "breaching", breaches);
        let breaching = figures.iter().filter(counts).count();
        if i64::try_from(breaching).expect("a few") >= self.datapoints { State::Alarm } else { State::Ok }
    }

    /// A figure of its metric, so many seconds ago.
    fn point(&self, seconds_ago: i64, value: f64) -> Point {
        Point {
            namespace: self.namespace.clone(),
            metric: self.metric.clone(),
            dimensions: self.dimensions.clone(),
            at: NOW.parse::<Timestamp>().expect("a time") - SignedDuration::from_secs(seconds_ago),
            value,
        }
    }
}

/// What leaves an alarm quiet, and what makes it fire. Our own figures come from the functions themselves, those of AWS are named and
/// counted as its documentation says.
fn cause(name: &str, alarm: &Alarm, deadlines: night_check::Deadlines) -> (Vec<Point>, Vec<Point>) {
    let looked = |time: &str, night: &Night| looked(time, night, deadlines);
    let silence = alarm.missing == "breaching";
    match (alarm.namespace.as_str(), alarm.metric.as_str()) {
        ("NightlyWarehouse", "LateStarts") if silence => {
            let looks = |hour: &str| ["00", "15", "30"].map(|minute| looked(&format!("{hour}:{minute}:00"), &Night::Published)).concat();
            (looks("04").into_iter().chain(looks("05")).collect(), looks("03"))
        }
        ("NightlyWarehouse", "LateStarts") => (looked("05:30:00", &Night::Published), looked("05:30:00", &Night::Unclaimed)),
        ("NightlyWarehouse", "LateQuestions") => {
            (looked("05:30:00", &Night::At("02:30:00", &[BERG])), looked("05:30:00", &Night::At("02:20:00", &[BERG])))
        }
        ("NightlyWarehouse", "LatePublications") => {
            (looked("05:30:00", &Night::Published), looked("05:30:00", &Night::At("02:30:00", &[BERG])))
        }
        ("NightlyWarehouse", "UnreachableQuestions") => {
            (looked("05:30:00", &Night::At("02:30:00", &[BERG])), looked("05:30:00", &Night::At("02:30:00", &[])))
        }
        ("NightlyWarehouse", "UnreachableApprovers") => {
            let daily = checked("2026-11-20T16:00:00Z", &[BERG]);
            if silence { (daily, checked("2026-11-19T16:00:00Z", &[BERG])) } else { (daily, checked("2026-11-20T16:00:00Z", &[])) }
        }
        ("AWS/Lambda", "Errors" | "Throttles") | ("AWS/SQS", "ApproximateNumberOfMessagesVisible") => {
            // Lambda counts every call, and an undelivered message is there at every look.
            let quiet: Vec<_> = (0..6).map(|look| alarm.point(300 * look, 0.0)).collect();
            let one_an_attempt = (0..6).map(|attempt| alarm.point(if attempt < 3 { 60 * attempt } else { 300 * attempt }, 1.0));
            (quiet, one_an_attempt.collect())
        }
        _ => panic!("nobody has said yet what makes {name} fire"),
    }
}

const BERG: &str = "a.berg@nordvik.example";

/// How the night stands.
enum Night {
    Unclaimed,
    Published,
    /// It has come so far, and these approvers get mail.
    At(&'static str, &'static [&'static str]),
}

struct Rows(Option<Registered>);

impl Registry for Rows {
    async fn night(&self, _run_date: RunDate) -> Result<Option<Registered>, PortError> {
        Ok(self.0.clone())
    }
}

struct Topic(&'static [&'static str]);

impl Subscriptions for Topic {
    async fn confirmed(&self) -> Result<Vec<Address>, PortError> {
        Ok(self.0.iter().map(|address| address.parse().expect("an address")).collect())
    }
}

/// What `night-check` leaves for `CloudWatch` at that time of the day.
fn looked(time: &str, night: &Night, deadlines: night_check::Deadlines) -> Vec<Point> {
    const OWNER: &str = "arn:aws:states:eu-central-1:111122223333:execution:nightly-prod-night:1";
    let row = |status: &str| Registered {
        owner: OWNER.to_owned(),
        status: status.to_owned(),
        claimed_at: NOW.parse().expect("a time"),
        published_at: None,
    };
    let (registered, until, confirmed) = match night {
        Night::Unclaimed => (None, "00:00:00", &[BERG][..]),
        Night::Published => (Some(row("PUBLISHED")), "23:00:00", &[BERG][..]),
        Night::At(until, confirmed) => (Some(row("RUNNING")), *until, *confirmed),
    };
    let until: Timestamp = format!("2026-11-21T{until}Z").parse().expect("a time");
    let history = read_json(&project::read("crates/domain/histories/published.json")).expect("a history");
    let history = history.into_iter().filter(|event| event.at <= until).collect();
    let lines = Mutex::new(Vec::new());
    let ports = night_check::Ports {
        registry: Rows(registered),
        histories: MemoryHistories::default().with(OWNER, history),
        subscriptions: Topic(confirmed),
        metrics: |line: &Value| lines.lock().expect("one thread").push(line.clone()),
        clock: ManualClock::at(format!("2026-11-21T{time}Z").parse::<Timestamp>().expect("a time")),
        settings: night_check::Settings { stack: "nightly-prod".to_owned(), deadlines, panel: Panel::new(&[BERG], 1).expect("a panel") },
    };
    at_once(night_check::handle(&ports, night_check::Request {})).expect("it can look");
    let lines = lines.lock().expect("one thread");
    lines.iter().flat_map(points).collect()
}

/// The template's own.
fn deadlines(template: &Template) -> night_check::Deadlines {
    let time = |name: &str| template.parameters()[name]["Default"].as_str().and_then(|text| text.parse().ok()).expect("a time of day");
    night_check::Deadlines { started: time("StartedBy"), asked: time("AskedBy"), published: time("PublishedBy") }
}

/// What `approver-check` leaves for `CloudWatch`.
fn checked(at: &str, confirmed: &'static [&'static str]) -> Vec<Point> {
    let lines = Mutex::new(Vec::new());
    let ports = approver_check::Ports {
        subscriptions: Topic(confirmed),
        channel: None::<MemoryChannel>,
        metrics: |line: &Value| lines.lock().expect("one thread").push(line.clone()),
        clock: ManualClock::at(at.parse::<Timestamp>().expect("a time")),
        settings: approver_check::Settings {
            environment: "prod".to_owned(),
            stack: "nightly-prod".to_owned(),
            panel: Panel::new(&[BERG], 1).expect("a panel"),
            topic_arn: "arn:aws:sns:eu-central-1:111122223333:nightly-prod-approvals".to_owned(),
        },
    };
    // Where nobody can be asked it fails, after it has said so.
    drop(at_once(approver_check::handle(&ports, approver_check::Request {})));
    let lines = lines.lock().expect("one thread");
    lines.iter().flat_map(points).collect()
}

/// What both of them leave where all is well.
pub(crate) fn written_by_checks() -> Vec<Point> {
    let looked = looked("05:30:00", &Night::Published, deadlines(&Template::read()));
    looked.into_iter().chain(checked("2026-11-20T16:00:00Z", &[BERG])).collect()
}

/// The figures that `CloudWatch` takes from a line in its embedded metric format.
pub(crate) fn points(line: &Value) -> Vec<Point> {
    let at = line["_aws"]["Timestamp"].as_i64().and_then(|millis| Timestamp::from_millisecond(millis).ok()).expect("it says when");
    let mut points = Vec::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().expect("it has metrics") {
        for set in directive["Dimensions"].as_array().expect("it has dimensions") {
            let names = set.as_array().expect("a set").iter().filter_map(Value::as_str);
            let dimensions: BTreeMap<_, _> = names.map(|name| (name.to_owned(), line[name].as_str().expect("a text").to_owned())).collect();
            for metric in directive["Metrics"].as_array().expect("a list").iter().filter_map(|metric| metric["Name"].as_str()) {
                points.push(Point {
                    namespace: directive["Namespace"].as_str().expect("a text").to_owned(),
                    metric: metric.to_owned(),
                    dimensions: dimensions.clone(),
                    at,
                    value: line[metric].as_f64().expect("a figure"),
                });
            }
        }
    }
    points
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(answer) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("nothing here waits") };
    answer
}

fn alarms(template: &Template) -> BTreeMap<String, Alarm> {
    alarm_properties(template).into_iter().map(|(name, properties)| (name, Alarm::of(template, &properties))).collect()
}

/// Every alarm's name in `CloudWatch`.
pub(crate) fn names(template: &Template) -> BTreeSet<String> {
    alarm_properties(template).into_iter().map(|(name, _)| name).collect()
}

/// Every alarm by its name in `CloudWatch`, those of loops among them.
fn alarm_properties(template: &Template) -> Vec<(String, Value)> {
    let properties = template.resources_of_loops_too("AWS::CloudWatch::Alarm").into_iter().map(|mut alarm| alarm["Properties"].take());
    let all: Vec<_> = properties.map(|properties| (filled(template, &properties["AlarmName"]), properties)).collect();
    let names: BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), all.len(), "each alarm has a name of its own");
    all
}

/// A text of the template, in the stack `nightly-prod`, for the dataset `orders`.
fn filled(template: &Template, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(function) => match function.iter().next().map(|(name, argument)| (name.as_str(), argument)) {
            Some(("Fn::Sub", Value::String(text))) => {
                text.replace("${AWS::StackName}", "nightly-prod").replace("${Stack}", "nightly-prod").replace("${Name}", "orders")
            }
            Some(("Fn::GetAtt", Value::Array(parts))) => {
                let [resource, attribute] = &[filled(template, &parts[0]), filled(template, &parts[1])];
                filled(template, &template.properties(resource)[attribute])
            }
            Some(("Ref", Value::String(name))) if name == "AWS::StackName" => "nightly-prod".to_owned(),
            // The name of a function is what a reference to it gives.
            Some(("Ref", Value::String(name))) => filled(template, &template.properties(name)["FunctionName"]),
            // Scheduled.
            Some(("Fn::If", Value::Array(parts))) => filled(template, &parts[1]),
            other => panic!("{other:?} is no text here"),
        },
        other => panic!("{other} is no text"),
    }
}

fn description(template: &Template, properties: &Value) -> String {
    let description = &properties["AlarmDescription"];
    let Some(found) = description.get("Fn::FindInMap") else { return filled(template, description) };
    let names: Vec<String> = found.as_array().expect("three names").iter().map(|name| filled(template, name)).collect();
    filled(template, &template.section("Mappings")[&names[0]][&names[1]][&names[2]])
}
