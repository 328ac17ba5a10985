//! The dashboard shows figures that somebody writes, and all that the night leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::Timestamp;
use nightly_domain::channel::MemoryChannel;
use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{ExecutionEnd, MemoryHistories, read_recorded};
use nightly_domain::memory::{ManualClock, MemoryMailingList, MemoryObjects};
use nightly_domain::nights::MemoryNights;
use nightly_domain::{Outcome, Plan};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::alarms::{self, Point};
use crate::cloudformation::Template;
use crate::project;

const COLUMNS: u64 = 24;

/// A metric: namespace, name, what it is told apart by.
type Metric = (String, String, BTreeMap<String, String>);

#[test]
fn its_body_is_json_whatever_is_configured() {
    let template = Template::read();
    let bodies = bodies(&template);
    assert_eq!(bodies.len(), 2, "with and without addresses to link to");
    for body in &bodies {
        assert!(!widgets(body).is_empty());
    }
}

#[test]
fn every_widget_lies_on_the_grid_and_none_on_another() {
    let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for widget in widgets(&body(&Template::read())) {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| widget[name].as_u64().unwrap_or_else(|| panic!("{widget}")));
        let title = widget["properties"]["title"].as_str().unwrap_or("the text").to_owned();
        assert!(width > 0 && height > 0 && x + width <= COLUMNS, "«{title}» is beyond the grid");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            let other = taken.insert(cell, title.clone());
            assert_eq!(other, None, "«{title}» lies on it");
        }
    }
    let rows = taken.keys().map(|(_, y)| y + 1).max().expect("there are widgets");
    assert_eq!(taken.len() as u64, COLUMNS * rows, "and there is no hole");
}

#[tokio::test]
async fn every_metric_that_a_widget_names_is_one_that_somebody_writes() {
    let template = Template::read();
    let written: BTreeSet<Metric> =
        written_by_nights().await.into_iter().chain(written_by_checks()).chain(written_by_aws(&template)).collect();
    let body = body(&template);
    for widget in widgets(&body) {
        for line in lines(&widget) {
            assert!(!line.metrics(&written).is_empty(), "nobody writes what «{}» shows: {line:?}", widget["properties"]["title"]);
        }
    }
}

#[tokio::test]
async fn every_figure_of_a_night_every_step_and_every_outcome_has_its_line() {
    let written = written_by_nights().await;
    let named = |name: &str, dimension: &str| -> BTreeSet<&str> {
        written
            .iter()
            .filter(|(_, metric, _)| metric == name)
            .filter_map(|(_, _, apart)| apart.get(dimension))
            .map(String::as_str)
            .collect()
    };
    let steps: BTreeSet<_> = Plan::of_the_night().steps().iter().map(|step| step.name.as_str()).collect();
    assert_eq!(named("StepSeconds", "Step"), steps, "what is compared here is written for each step");
    let failed = Outcome::Failed { state: String::new(), error: String::new() };
    let outcomes = [
        Outcome::Published,
        Outcome::Built,
        Outcome::QualityFailed,
        Outcome::Rejected,
        Outcome::Expired,
        failed,
        Outcome::TimedOut,
        Outcome::Aborted,
    ];
    assert_eq!(named("Nights", "Outcome"), outcomes.iter().map(Outcome::name).collect());

    let body = body(&Template::read());
    let shown: BTreeSet<Metric> = widgets(&body).iter().flat_map(lines).flat_map(|line| line.metrics(&written)).collect();
    let hidden: Vec<_> = written.difference(&shown).collect();
    assert!(hidden.is_empty(), "no widget shows {hidden:?}");
}

#[tokio::test]
async fn what_is_written_is_what_is_promised() {
    let text = project::architecture("### Metrics");
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| format!("`{row}").split('|').map(str::to_owned).collect());
    let promised: BTreeSet<(String, BTreeSet<String>)> = rows
        .flat_map(|row: Vec<String>| {
            let more = project::code_words(&row[2]).into_iter();
            let dimensions: BTreeSet<_> = ["Stack"].into_iter().chain(more).map(str::to_owned).collect();
            project::code_words(&row[0]).into_iter().map(|name| (name.to_owned(), dimensions.clone())).collect::<Vec<_>>()
        })
        .collect();
    let written = written_by_nights().await.into_iter().chain(written_by_checks());
    assert_eq!(written.map(|(_, name, apart)| (name, apart.into_keys().collect())).collect::<BTreeSet<_>>(), promised);
}

#[test]
fn every_alarm_every_function_and_every_dead_letter_is_on_it() {
    let template = Template::read();
    let body = body(&template);
    let widgets = widgets(&body);
    let listed = widgets.iter().flat_map(|widget| widget["properties"]["alarms"].as_array().into_iter().flatten());
    let listed: BTreeSet<_> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    let arn = |name: &String| format!("arn:aws:cloudwatch:eu-central-1:111122223333:alarm:{name}");
    assert_eq!(listed, alarms::names(&template).iter().map(arn).collect());

    let known = written_by_aws(&template);
    let shown: BTreeSet<Metric> = widgets.iter().flat_map(lines).flat_map(|line| line.metrics(&known)).collect();
    // What waits in another queue is on its way, and no concern of a dashboard.
    let is_concern = |(namespace, _, apart): &&Metric| namespace != "AWS/SQS" || apart["QueueName"].contains("undelivered");
    assert_eq!(shown, known.iter().filter(is_concern).cloned().collect());
}

#[test]
fn limits_of_the_deployment_are_drawn_beside_what_they_limit() {
    let body = body(&Template::read());
    let rates = widgets(&body).into_iter().find(|widget| widget.to_string().contains("FxAgeDays")).expect("the rates' age is shown");
    assert_eq!(rates["properties"]["annotations"]["horizontal"][0]["value"], 5, "FxMaxAgeDays");
}

#[test]
fn every_function_of_the_night_has_the_memory_that_the_cost_is_reckoned_with() {
    let template = Template::read();
    assert_eq!(template.section("Globals")["Function"]["MemorySize"], stakeholder_notify::FUNCTION_MEGABYTES);
    let called = template.properties("Night")["DefinitionSubstitutions"].to_string();
    let mut functions = 0;
    for (name, function) in template.resources("AWS::Serverless::Function").into_iter().filter(|(name, _)| called.contains(*name)) {
        assert!(function["Properties"].get("MemorySize").is_none(), "{name} has a size of its own");
        functions += 1;
    }
    assert_eq!(functions, 3, "fx-fetch, approval-request, stakeholder-notify: {called}");
}

/// One line of a widget.
#[derive(Debug)]
enum Line {
    /// A metric, drawn or reckoned with.
    Metric(Metric),
    /// All metrics of a namespace with these dimensions, this name, and these values.
    Search { namespace: String, dimensions: BTreeSet<String>, name: String, values: BTreeMap<String, String> },
}

impl Line {
    /// Those of these metrics that it shows.
    fn metrics(&self, known: &BTreeSet<Metric>) -> BTreeSet<Metric> {
        let shows = |metric: &&Metric| match self {
            Self::Metric(own) => *metric == own,
            Self::Search { namespace, dimensions, name, values } => {
                let (in_namespace, named, apart) = metric;
                let is_kind = in_namespace == namespace && named == name && apart.keys().eq(dimensions.iter());
                is_kind && values.iter().all(|(dimension, value)| apart.get(dimension) == Some(value))
            }
        };
        known.iter().filter(shows).cloned().collect()
    }

    /// `SEARCH('{Namespace,Dimension} MetricName="Name" Dimension="value"', 'Statistic', period)`, as the user guide has it ("`CloudWatch`
    /// search expression syntax"), and perhaps a number that it is divided by.
    fn search(expression: &str) -> Option<Self> {
        let (schema, rest) = expression.strip_prefix("SEARCH('{")?.split_once("} ")?;
        let (terms, _) = rest.split_once("', '")?;
        let mut names = schema.split(',').map(str::to_owned);
        let namespace = names.next()?;
        let term = |term: &str| {
            let (name, value) = term.split_once('=')?;
            Some((name.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
        };
        let mut values: BTreeMap<_, _> = terms.split(' ').map(term).collect::<Option<_>>()?;
        Some(Self::Search { namespace, dimensions: names.collect(), name: values.remove("MetricName")?, values })
    }
}

/// What a widget shows. An expression over others is made of lines of the same widget.
fn lines(widget: &Value) -> Vec<Line> {
    let rows: Vec<&Vec<Value>> =
        widget["properties"]["metrics"].as_array().into_iter().flatten().map(|row| row.as_array().expect("a row is a list")).collect();
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row.last()?["id"].as_str()).collect();
    let mut lines = Vec::new();
    for row in &rows {
        if let Some(expression) = row[0]["expression"].as_str() {
            if let Some(search) = Line::search(expression) {
                lines.push(search);
                continue;
            }
            let words = expression.split(|character: char| !character.is_ascii_alphanumeric());
            for word in words.filter(|word| word.starts_with(|character: char| character.is_ascii_lowercase())) {
                assert!(ids.contains(word), "«{expression}» reckons with {word}, which is no line of its widget");
            }
            continue;
        }
        let texts: Vec<&str> = row.iter().filter_map(Value::as_str).collect();
        assert!(texts.len() >= 2 && texts.len().is_multiple_of(2), "{row:?}");
        let apart = texts[2..].chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
        lines.push(Line::Metric((texts[0].to_owned(), texts[1].to_owned(), apart)));
    }
    lines
}

fn widgets(body: &Value) -> Vec<Value> {
    body["widgets"].as_array().expect("there are widgets").clone()
}

/// The body in the stack `nightly-prod`.
fn body(template: &Template) -> Value {
    bodies(template).remove(0)
}

/// The body where every condition of its own holds, and where none does.
fn bodies(template: &Template) -> Vec<Value> {
    let [(_, dashboard)] = template.resources("AWS::CloudWatch::Dashboard")[..] else { panic!("there is one dashboard") };
    let substitution = &dashboard["Properties"]["DashboardBody"]["Fn::Sub"];
    let (text, variables) = (substitution[0].as_str().expect("a text"), substitution[1].as_object().expect("variables"));
    let filled = |place: usize| {
        let text = variables.iter().fold(text.to_owned(), |text, (name, value)| {
            let value = &value["Fn::If"][place];
            let value = value.as_str().or(value["Fn::Sub"].as_str()).expect("a text");
            text.replace(&format!("${{{name}}}"), value)
        });
        let text = substituted(template, &text);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    vec![filled(1), filled(2)]
}

/// As `Fn::Sub` does it: parameters by their defaults, resources by some name.
fn substituted(template: &Template, text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) = rest.split_once("${").map(|(before, after)| (before, after.split_once('}').expect("it ends")))
    {
        filled.push_str(before);
        filled.push_str(&match name {
            "AWS::StackName" => "nightly-prod".to_owned(),
            "AWS::Region" => "eu-central-1".to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::AccountId" => "111122223333".to_owned(),
            parameter if template.parameters().contains_key(parameter) => match &template.parameters()[parameter]["Default"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            resource => {
                template.properties(resource);
                resource.to_lowercase()
            }
        });
        rest = after;
    }
    filled + rest
}

fn metrics(points: impl IntoIterator<Item = Point>) -> BTreeSet<Metric> {
    points.into_iter().map(|point| (point.namespace, point.metric, point.dimensions)).collect()
}

/// What `stakeholder-notify` leaves of a night that ended well, and of one of each other end.
async fn written_by_nights() -> BTreeSet<Metric> {
    let failed = |error: &str| ExecutionEnd::Failed { error: error.to_owned() };
    let rejection = "B. Osei rejected the build for 2026-11-20 at 2026-11-21T02:39:57Z: «no». Nothing was published.";
    let mut written = written_by_night("published", None).await;
    written.extend(written_by_night("built", None).await);
    for (history, end, cause) in [
        ("rejected", failed("ApprovalRejected"), rejection),
        ("expired", failed("ApprovalExpired"), ""),
        ("quality-failed", failed("QualityFailed"), ""),
        ("rates-unavailable", failed("RatesUnavailable"), ""),
        ("aborted", ExecutionEnd::TimedOut, ""),
        ("aborted", ExecutionEnd::Aborted, ""),
    ] {
        written.extend(written_by_night(history, Some((end, cause))).await);
    }
    written
}

async fn written_by_night(history: &str, end: Option<(ExecutionEnd, &str)>) -> BTreeSet<Metric> {
    const PUBLISHED: &str = "crates/stakeholder-notify/src/tests/published.json";
    let notice: Value = serde_json::from_str(&project::read(PUBLISHED)).expect("a notice");
    let arn = notice["executionArn"].as_str().expect("an ARN");
    let ended_at: Timestamp = "2026-11-21T03:14:02Z".parse().expect("a time");
    // A night that was only built has the history of a published one, as far as it goes.
    let (file, outcome) = if history == "built" { ("published", "BUILT") } else { (history, "PUBLISHED") };
    let recorded = read_recorded(&project::read(&format!("crates/domain/histories/{file}.json"))).expect("a history");
    let mut histories = MemoryHistories::default().with_recorded(arn, recorded);
    let event = match end {
        None => {
            let mut told = notice.clone();
            told["outcome"] = outcome.into();
            told
        }
        Some((end, cause)) => {
            histories = histories.with_execution(Execution {
                arn: arn.to_owned(),
                state_machine_arn: "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-night".to_owned(),
                started_at: "2026-11-21T01:00:00Z".parse().expect("a time"),
                input: "{}".to_owned(),
                redrives: 0,
                ending: Some(Ending { end, at: ended_at, cause: Some(cause.to_owned()), redrivable: true }),
            });
            json!({"detail-type": "Step Functions Execution Status Change", "detail": {"executionArn": arn, "status": "FAILED"}})
        }
    };
    let objects = MemoryObjects::default();
    let summary = notice["summaryUri"].as_str().and_then(|uri| uri.parse().ok()).expect("an address");
    objects.put(&summary, project::read("crates/stakeholder-notify/src/tests/summary.json"));
    let lines = Mutex::new(Vec::new());
    let ports = stakeholder_notify::Ports {
        objects,
        histories,
        registry: MemoryNights::default(),
        channel: Some(MemoryChannel::default()),
        mailing_list: Some(MemoryMailingList::default()),
        list_of_topic: |_: &str| MemoryMailingList::default(),
        metrics: |line: &Value| lines.lock().expect("one thread").push(line.clone()),
        clock: ManualClock::at(ended_at),
        settings: stakeholder_notify::Settings {
            environment: "prod".to_owned(),
            stack: "nightly-prod".to_owned(),
            site_bucket: "site".to_owned(),
            status_page_url: None,
            runbook_url: None,
            published_by: jiff::civil::time(5, 0, 0, 0),
            dpu_hour_price: Decimal::new(44, 2),
        },
    };
    stakeholder_notify::handle(&ports, event).await.expect("it is told");
    let lines = lines.lock().expect("one thread");
    metrics(lines.iter().flat_map(alarms::points))
}

/// What the functions leave that look whether all is well.
fn written_by_checks() -> BTreeSet<Metric> {
    metrics(alarms::written_by_checks())
}

/// What AWS itself counts for functions and queues of the template: "Types of metrics for Lambda functions", "Available `CloudWatch` metrics
/// for Amazon SQS".
fn written_by_aws(template: &Template) -> BTreeSet<Metric> {
    let names = |kind: &str, property: &'static str| {
        let resources: Vec<_> =
            template.resources(kind).into_iter().map(|(_, resource)| resource["Properties"][property].clone()).collect();
        resources
            .into_iter()
            .map(|name| substituted(template, name["Fn::Sub"].as_str().expect("a name of the stack's")))
            .collect::<Vec<_>>()
    };
    let counted = |namespace: &str, metric: &str, dimension: &str, name: &String| {
        (namespace.to_owned(), metric.to_owned(), BTreeMap::from([(dimension.to_owned(), name.clone())]))
    };
    let functions = names("AWS::Serverless::Function", "FunctionName");
    let functions =
        functions.iter().flat_map(|name| ["Errors", "Throttles"].map(|metric| counted("AWS/Lambda", metric, "FunctionName", name)));
    let queues = names("AWS::SQS::Queue", "QueueName");
    let queues = queues.iter().map(|name| counted("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name));
    functions.chain(queues).collect()
}
