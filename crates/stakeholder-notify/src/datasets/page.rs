//! A dataset's latest builds as a web page.

use askama::Template;
use nightly_domain::evidence::{RuleResult, RuleVerdict};
use nightly_pages::{Frame, Icon, written};

use crate::Settings;
use crate::datasets::record::BuildRecord;
use crate::datasets::words;
use crate::page::{STYLE, Tile, told};
use crate::words::Lead;

/// How many process dates are listed.
pub(crate) const DATES: usize = 30;

#[derive(Template)]
#[template(path = "dataset.html")]
struct Page<'a> {
    frame: Frame<'a>,
    policy: String,
    build: &'a BuildRecord,
    tone: Icon,
    headline: String,
    lead: Lead,
    news: Option<String>,
    trouble: Option<Trouble>,
    broken_rules: Vec<&'a RuleResult>,
    tiles: Vec<Tile>,
    lines: Vec<Line>,
    written: String,
}

/// What went wrong, and where there is more about it.
struct Trouble {
    what: String,
    cause: Option<String>,
    links: Vec<(&'static str, String)>,
}

/// One of the builds.
struct Line {
    anchor: String,
    date: String,
    mark: &'static str,
    outcome: &'static str,
    behind: String,
    cause: Option<String>,
    links: Vec<(&'static str, String)>,
    /// Rows, duplicates, late and malformed ones. What is not known is a dash.
    figures: [(&'static str, String); 4],
    took: String,
    started_by: String,
    is_known: bool,
}

/// The page of the dataset of these builds, newest first; nothing where there is none.
pub(crate) fn render(builds: &[BuildRecord], settings: &Settings) -> Result<Option<String>, askama::Error> {
    let Some(build) = builds.first() else { return Ok(None) };
    let frame = Frame { environment: &build.environment, style: STYLE };
    let broken = |rule: &&RuleResult| rule.result != RuleVerdict::Pass;
    let page = Page {
        frame,
        policy: frame.content_security_policy("'none'"),
        build,
        tone: words::tone(&build.outcome),
        headline: format!("{}: {}", build.dataset, words::headline(build)),
        lead: words::lead(build),
        news: told(build.recovered(), &build.news),
        trouble: trouble(build, settings),
        broken_rules: build.quality.iter().flat_map(|quality| &quality.rules).filter(broken).collect(),
        tiles: tiles(build),
        lines: builds.iter().take(DATES).map(|build| line(build, settings)).collect(),
        written: written::moment(build.written_at),
    };
    page.render().map(Some)
}

impl Page<'_> {
    fn date(&self) -> String {
        written::long_date(self.build.process_date.date())
    }

    fn record(&self) -> String {
        format!("{}/{}.json", self.build.dataset, self.build.process_date)
    }
}

fn trouble(build: &BuildRecord, settings: &Settings) -> Option<Trouble> {
    let trouble = build.trouble.as_ref()?;
    let (outcome, behind) = words::short(build);
    let what = if behind.is_empty() { outcome.to_owned() } else { format!("{outcome}: {behind}") };
    Some(Trouble { what, cause: trouble.cause.clone(), links: links(build, settings) })
}

/// What a failed build leads to; a good one has its log.
fn links(build: &BuildRecord, settings: &Settings) -> Vec<(&'static str, String)> {
    let runbook = build.runbook_url(settings).map(|url| ("What to do", url));
    runbook.into_iter().chain(build.log_url().map(|url| ("Log", url))).collect()
}

fn tiles(build: &BuildRecord) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let plain =
        |name, figure: u64, note: &str| Tile { name, figure: written::integer(figure), unit: String::new(), notes: vec![note.to_owned()] };
    if let Some(built) = &build.built {
        let partitions = written::count(built.partitions.len() as u64, "partition", "partitions");
        tiles.push(plain("Rows in the table", built.rows, &format!("in {partitions} built anew")));
        if let Some(counts) = &built.counts {
            tiles.push(plain("Rows delivered", counts.rows, &format!("in {}", written::count(counts.files, "file", "files"))));
            tiles.push(plain("Duplicates", counts.duplicates, "of a key that has a newer row"));
            tiles.push(plain("Late", counts.late, "of a day before the process date"));
            tiles.push(plain("Malformed", counts.malformed, "set aside"));
        }
    }
    tiles.extend(build.quality.as_ref().map(crate::page::quality_tile));
    tiles
}

fn line(build: &BuildRecord, settings: &Settings) -> Line {
    let (outcome, behind) = words::short(build);
    let made = build.built.as_ref();
    let counts = made.and_then(|built| built.counts.as_ref());
    let known = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), written::integer);
    Line {
        anchor: build.process_date.to_string(),
        date: written::short_date(build.process_date.date()),
        mark: words::mark(&build.outcome),
        outcome,
        behind,
        cause: build.trouble.as_ref().and_then(|trouble| trouble.cause.clone()),
        links: links(build, settings),
        figures: [
            ("rows", known(made.map(|built| built.rows))),
            ("duplicates", known(counts.map(|counts| counts.duplicates))),
            ("late", known(counts.map(|counts| counts.late))),
            ("malformed", known(counts.map(|counts| counts.malformed))),
        ],
        took: written::duration(build.took()),
        started_by: words::starter(build),
        is_known: made.is_some(),
    }
}
