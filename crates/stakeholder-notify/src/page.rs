//! A night as a web page.

use std::collections::BTreeMap;

use askama::Template;
use jiff::SignedDuration;
use nightly_domain::evidence::{Quality, RuleResult, RuleVerdict};
use nightly_domain::night::{Step, StepState};
use nightly_domain::{DatasetName, Outcome, StepKind};
use nightly_pages::{Frame, Icon, written};

use crate::Settings;
use crate::datasets::overview::Overview;
use crate::datasets::record::BuildRecord;
use crate::graph;
use crate::grid::Grid;
use crate::past::{NIGHTS, Past};
use crate::record::{MailNews, News, NightRecord, SlackNews};
use crate::site::newest_published;
use crate::words::{self, Lead};

/// How many nights are listed with what is behind their outcome.
const RECENT_NIGHTS: usize = 10;

/// The rules of every page of the site.
pub(crate) const STYLE: &str = include_str!("../style/night.css");

/// Where a page stands, and so where its links lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `index.html`.
    Index,
    /// `nights/<date>.html`.
    Night,
}

#[derive(Template)]
#[template(path = "night.html")]
struct Page<'a> {
    frame: Frame<'a>,
    policy: String,
    place: Place,
    night: &'a NightRecord,
    tone: Icon,
    headline: String,
    lead: Lead,
    news: Option<String>,
    broken_rules: Vec<&'a RuleResult>,
    log: Option<String>,
    began: String,
    graph: String,
    tiles: Vec<Tile>,
    grid: Grid,
    usual: Usual,
    bars: Vec<Bar>,
    recent: Vec<Line>,
    datasets: Option<Overview>,
    written: String,
}

/// The index before the first night was told.
#[derive(Template)]
#[template(path = "index.html")]
struct WithoutNights<'a> {
    frame: Frame<'a>,
    policy: String,
    datasets: Option<Overview>,
    written: String,
}

/// One figure.
pub(crate) struct Tile {
    pub(crate) name: &'static str,
    pub(crate) figure: String,
    pub(crate) unit: String,
    pub(crate) notes: Vec<String>,
}

/// What the night can be compared with.
enum Usual {
    /// So many nights before it.
    Nights(String),
    /// There were too few before it.
    Unknown,
}

/// When a step ran, as a bar on the night's time, and how long it usually takes.
struct Bar {
    anchor: String,
    title: String,
    tries: String,
    class: &'static str,
    drawn: Option<Drawn>,
    took: String,
    median: String,
    change: String,
}

/// Percent of the night's time.
struct Drawn {
    start: f64,
    width: f64,
    /// Where the step usually ends.
    usual_end: Option<f64>,
}

/// One of the recent nights.
struct Line {
    date: String,
    href: String,
    mark: &'static str,
    outcome: &'static str,
    behind: String,
    took: String,
}

/// The page of `night` among the latest `nights` and those before it, newest first. The index shows the datasets, too.
pub(crate) fn render(
    place: Place,
    night: &NightRecord,
    nights: &[NightRecord],
    datasets: Option<Overview>,
) -> Result<String, askama::Error> {
    let frame = Frame { environment: &night.environment, style: STYLE };
    let broken = |rule: &&RuleResult| rule.result != RuleVerdict::Pass;
    let past = Past::of(night, nights);
    let bars = bars(night, &past);
    let page = Page {
        frame,
        policy: frame.content_security_policy("'none'"),
        place,
        night,
        tone: words::tone(&night.outcome),
        headline: words::headline(night),
        lead: words::lead(night, newest_published(nights, night)),
        news: told(night.recovered_from.as_ref().map(words::recovered), &night.news),
        broken_rules: night.quality.iter().flat_map(|quality| &quality.rules).filter(broken).collect(),
        log: night.log_url(),
        began: written::clock(night.started_at),
        graph: graph::draw(night),
        tiles: tiles(night),
        grid: Grid::of(place, night, nights),
        usual: if bars.iter().all(|bar| bar.median.is_empty()) {
            Usual::Unknown
        } else {
            Usual::Nights(written::count(past.nights.min(NIGHTS) as u64, "night", "nights"))
        },
        bars,
        recent: nights.iter().take(RECENT_NIGHTS).map(|night| line(place, night)).collect(),
        datasets,
        written: written::moment(night.written_at),
    };
    page.render()
}

/// The index while no night was told of yet.
pub(crate) fn render_without_nights(
    overview: Option<Overview>,
    datasets: &BTreeMap<DatasetName, Vec<BuildRecord>>,
    settings: &Settings,
) -> Result<String, askama::Error> {
    let frame = Frame { environment: &settings.environment, style: STYLE };
    let written_at = datasets.values().flatten().map(|build| build.written_at).max().unwrap_or_default();
    let policy = frame.content_security_policy("'none'");
    WithoutNights { frame, policy, datasets: overview, written: written::moment(written_at) }.render()
}

impl Page<'_> {
    fn index(&self) -> String {
        link(self.place, "index.html")
    }

    fn listing(&self) -> String {
        link(self.place, "nights.json")
    }

    fn feed(&self) -> String {
        link(self.place, "feed.xml")
    }

    fn is_approximate(&self) -> bool {
        matches!(self.usual, Usual::Unknown)
    }

    fn redriven(&self) -> Option<String> {
        let times = match self.night.redrives {
            0 => return None,
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            more => format!("{more} times"),
        };
        Some(format!("It had failed before, and went on from there {times}."))
    }

    fn left_out(&self) -> Option<String> {
        words::left_out(self.night)
    }

    fn record(&self) -> String {
        link(self.place, &format!("nights/{}.json", self.night.run_date))
    }

    fn date(&self) -> String {
        written::long_date(self.night.run_date.date())
    }

    fn rules(&self) -> &[RuleResult] {
        self.night.quality.as_ref().map(|quality| quality.rules.as_slice()).unwrap_or_default()
    }

    fn failed_rules(&self) -> String {
        self.night.quality.as_ref().map(words::failed_rules).unwrap_or_default()
    }
}

/// From a page to a file of the site.
pub(crate) fn link(place: Place, file: &str) -> String {
    match (place, file.strip_prefix("nights/")) {
        (Place::Index, _) => file.to_owned(),
        (Place::Night, Some(beside)) => beside.to_owned(),
        (Place::Night, None) => format!("../{file}"),
    }
}

/// Who has the news, as sentences, behind that it has recovered.
pub(crate) fn told(recovered: Option<String>, news: &News) -> Option<String> {
    let slack = match &news.slack {
        SlackNews::Pending => Some("Slack has not been told yet.".to_owned()),
        SlackNews::Posted { at } => Some(format!("Slack was told at {}.", written::time(*at))),
        SlackNews::NotConfigured => None,
    };
    let mail = match &news.mail {
        MailNews::Pending => Some("The mail about it is not sent yet.".to_owned()),
        MailNews::Sent { at } => Some(format!("The mail about it was sent at {}.", written::time(*at))),
        MailNews::NotConfigured => None,
    };
    let all: Vec<_> = recovered.into_iter().chain(slack).chain(mail).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

fn tiles(night: &NightRecord) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if let Some(summary) = &night.summary {
        let largest = summary.categories.first().map(|category| {
            let name = category.category.as_deref().unwrap_or("no category");
            format!("largest: {name}, {}", written::whole(category.revenue_base))
        });
        let name = if night.outcome == Outcome::Published { "Revenue" } else { "Revenue, as built" };
        let unit = summary.base_currency.clone();
        tiles.push(Tile { name, figure: written::whole(summary.revenue_base), unit, notes: largest.into_iter().collect() });

        let mut notes = vec![format!("in {}", written::count(summary.orders, "order", "orders"))];
        notes.extend(night.published_rows.map(|rows| match rows {
            rows if rows == summary.order_lines => "all in the warehouse".to_owned(),
            rows => format!("{} in the warehouse", written::count(rows, "row", "rows")),
        }));
        if summary.unmatched_lines > 0 {
            notes.push(format!("{} without an item", written::integer(summary.unmatched_lines)));
        }
        tiles.push(Tile { name: "Order lines", figure: written::integer(summary.order_lines), unit: String::new(), notes });
    }
    tiles.extend(night.quality.as_ref().map(quality_tile));
    if let (Some(summary), Some(age)) = (&night.summary, night.rates_age_days()) {
        let day = written::short_date(summary.rates.effective_date);
        let notes = vec![format!("{}, {}", summary.rates.source, words::age(age))];
        tiles.push(Tile { name: "Exchange rates", figure: day, unit: String::new(), notes });
    }
    if let Some(answer) = &night.answer {
        let name = if night.outcome == Outcome::Rejected { "Rejected" } else { "Approved" };
        tiles.push(Tile { name, figure: written::clock(answer.at), unit: "UTC".to_owned(), notes: vec![format!("by {}", night.people())] });
    }
    if let Some(cost) = &night.cost {
        let notes = vec![format!("{} DPU-hours of Glue", cost.dpu_hours.round_dp(2))];
        tiles.push(Tile { name: "Cost", figure: written::dollars(cost.dollars), unit: String::new(), notes });
    }
    tiles
}

/// How many rules have passed, and the score.
pub(crate) fn quality_tile(quality: &Quality) -> Tile {
    let unit = format!("of {}", written::count(quality.rules.len() as u64, "rule", "rules"));
    let notes = vec![format!("score {:.0}\u{202f}%", quality.score * 100.0)];
    Tile { name: "Quality gate", figure: quality.passed().to_string(), unit, notes }
}

fn bars(night: &NightRecord, past: &Past) -> Vec<Bar> {
    let first = night.steps.iter().filter_map(|step| step.started_at).min().unwrap_or(night.started_at);
    let last = night.steps.iter().filter_map(|step| step.ended_at.or(step.started_at)).max().unwrap_or(night.ended_at);
    let whole = last.duration_since(first).as_secs_f64();
    let percent = |part: SignedDuration| if whole > 0.0 { (100.0 * part.as_secs_f64() / whole).clamp(0.0, 100.0) } else { 0.0 };
    let drawn = |step: &Step| {
        let (start, end) = step.started_at.zip(step.ended_at)?;
        // A bar too narrow to see is drawn wider, and never beyond the end.
        let width = percent(end.duration_since(start)).max(1.0);
        let usual_end =
            past.pace(step).filter(|_| step.kind == StepKind::Work).map(|pace| percent(start.duration_since(first) + pace.median));
        Some(Drawn { start: percent(start.duration_since(first)).min(100.0 - width), width, usual_end })
    };
    night.steps.iter().map(|step| bar(night, step, past, drawn(step))).collect()
}

fn bar(night: &NightRecord, step: &Step, past: &Past, drawn: Option<Drawn>) -> Bar {
    let look = graph::look(&step.state);
    let took = step.took();
    let class = match (&step.state, step.kind) {
        (StepState::Succeeded, StepKind::Wait) => "people",
        _ if night.is_slow(step) => "slow",
        _ => look.class,
    };
    let written_took = match (&step.state, took.map(written::duration)) {
        (StepState::Succeeded, Some(took)) => took,
        (StepState::NotReached | StepState::Running, _) | (_, None) => look.words.to_owned(),
        (_, Some(took)) => format!("{}, {took}", look.words),
    };
    let pace = past.pace(step);
    let change = match (&step.state, step.kind) {
        (StepState::Succeeded, StepKind::Wait) => "people".to_owned(),
        (StepState::Succeeded, StepKind::Work) => {
            let change = pace.zip(took).and_then(|(pace, took)| pace.change(took)).map(written::signed_percent).unwrap_or_default();
            if night.is_slow(step) { format!("slow, {change} ▲") } else { change }
        }
        _ => String::new(),
    };
    Bar {
        anchor: step.node.clone(),
        title: step.title.clone(),
        tries: if step.tries > 1 { format!("{} tries", step.tries) } else { String::new() },
        class,
        drawn,
        took: written_took,
        median: pace.map(|pace| written::duration(pace.median)).unwrap_or_default(),
        change,
    }
}

fn line(place: Place, night: &NightRecord) -> Line {
    let (outcome, behind) = words::short(night);
    Line {
        date: written::short_date(night.run_date.date()),
        href: link(place, &format!("nights/{}.html", night.run_date)),
        mark: mark(&night.outcome),
        outcome,
        behind,
        took: written::duration(night.took()),
    }
}

/// The mark of an outcome, by its class.
pub(crate) fn mark(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Published => "done",
        Outcome::QualityFailed | Outcome::Failed { .. } | Outcome::TimedOut => "failed",
        Outcome::Rejected => "rejected",
        Outcome::Expired => "expired",
        Outcome::Aborted | Outcome::Built => "stopped",
    }
}
