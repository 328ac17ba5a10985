//! The report as one page that needs nothing else: no script, no font, no picture from anywhere.

use askama::Template;
use nightly_pages::{Frame, Icon, written};
use nightly_rehearsal::{End, Night, Visit};

use super::Report;
use super::svg::{Distribution, QUANTILES, Timeline};
use super::text::{average, breakable, share, took};
use crate::histogram::Histogram;
use crate::sums::{StateSum, Tone};

/// The page's rules, on top of those of every page.
const STYLE: &str = include_str!("../../style/report.css");
/// How many kinds of errors are listed of each state.
const ERRORS: usize = 4;
/// How many notes stand at a state of the timeline.
const NOTES: usize = 3;
/// How many kinds of faults are listed.
const FAULTS: usize = 24;

/// The whole page.
pub fn page(report: &Report<'_>) -> String {
    let frame = Frame { environment: "rehearsal", style: STYLE };
    let sums = report.sums;
    let makespan = sums.makespan();
    let layers = [Tone::Well, Tone::Deliberate, Tone::Badly].map(|tone| (class(tone), sums.makespan_of(tone)));
    let drawn: Vec<_> =
        layers.iter().filter(|(_, histogram)| histogram.count() > 0).map(|(class, histogram)| (*class, histogram)).collect();
    let page = Page {
        frame,
        policy: frame.content_security_policy("'none'"),
        tone: if sums.violations.is_empty() { Icon::Ok } else { Icon::Bad },
        headline: headline(report),
        lead: lead(report, &makespan),
        violations: violations(report),
        tiles: tiles(report, &makespan),
        outcomes: outcomes(report),
        makespan: Drawing::of(
            "makespan",
            &Distribution { title: "How long a night takes", what: "nights", layers: &drawn, whole: &makespan },
        ),
        tones: drawn.iter().map(|(class, _)| *class).collect(),
        waits: (sums.waits.count() > 0).then(|| {
            let layers = [("people", &sums.waits)];
            let title = "How long a night waits for people";
            Drawing::of("waits", &Distribution { title, what: "nights in which somebody was asked", layers: &layers, whole: &sums.waits })
        }),
        unasked: (sums.nights > sums.waits.count()).then(|| written::count(sums.nights - sums.waits.count(), "night", "nights")),
        worst: report.worst.map(|night| WorstNight::of(report, night)),
        states: sums.states.iter().filter(|state| state.entered > 0).map(StateRow::of).collect(),
        never_entered: sums.states.iter().filter(|state| state.entered == 0).map(|state| state.name.as_str()).collect(),
        faults: faults(report),
        more_faults: sums.faults.len().saturating_sub(FAULTS),
        prices: prices(report),
        name: report.name,
        seeds: format!("{}–{}", report.seed, report.seed.saturating_add(sums.nights.saturating_sub(1))),
        command: report.command,
    };
    page.render().expect("writing to a string cannot fail")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    frame: Frame<'a>,
    policy: String,
    tone: Icon,
    headline: String,
    lead: String,
    violations: Vec<ViolationRow<'a>>,
    tiles: Vec<Tile>,
    outcomes: Vec<OutcomeRow>,
    makespan: Drawing,
    tones: Vec<&'static str>,
    waits: Option<Drawing>,
    unasked: Option<String>,
    worst: Option<WorstNight>,
    states: Vec<StateRow>,
    never_entered: Vec<&'a str>,
    faults: Vec<(String, String, String)>,
    more_faults: usize,
    prices: Vec<(&'static str, String, String)>,
    name: &'a str,
    seeds: String,
    command: &'a str,
}

impl Page<'_> {
    fn never_entered(&self) -> String {
        written::list(&self.never_entered)
    }
}

struct ViolationRow<'a> {
    name: &'a str,
    what: &'a str,
    nights: String,
    replay: String,
}

struct Tile {
    name: &'static str,
    figure: String,
    unit: &'static str,
    note: String,
}

struct OutcomeRow {
    mark: &'static str,
    name: String,
    percent: String,
    class: &'static str,
    nights: String,
    share: String,
    median: String,
    longest: String,
    seed: u64,
}

/// A histogram, and what it shows as a table.
struct Drawing {
    svg: String,
    quantiles: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

impl Drawing {
    fn of(id: &str, distribution: &Distribution<'_>) -> Self {
        let whole = distribution.whole;
        let mut quantiles = vec![("The shortest", took(whole.least()))];
        quantiles.extend(QUANTILES.iter().map(|(per_mille, _)| (name(*per_mille), took(whole.quantile(*per_mille)))));
        quantiles.push(("The longest", took(whole.most())));
        Self { svg: distribution.svg(id), quantiles, notes: distribution.notes() }
    }
}

fn name(per_mille: u64) -> &'static str {
    match per_mille {
        50 => "5 % within",
        500 => "Half within",
        950 => "95 % within",
        _ => "99 % within",
    }
}

struct StateRow {
    name: String,
    entered: String,
    retried: String,
    failed: String,
    median: String,
    slow: String,
    errors: Vec<String>,
    class: &'static str,
}

impl StateRow {
    fn of(state: &StateSum) -> Self {
        let number = |count: u64| if count == 0 { "–".to_owned() } else { written::integer(count) };
        let quantile = |per_mille: u64| if state.took.count() == 0 { "–".to_owned() } else { took(state.took.quantile(per_mille)) };
        let mut errors: Vec<_> = state.errors.iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let others = errors.len().saturating_sub(ERRORS);
        let shown = errors.into_iter().take(ERRORS).map(|(error, count)| format!("{} × {}", breakable(error), written::integer(*count)));
        let more = (others > 0).then(|| format!("and {}", written::count(others as u64, "rarer kind", "rarer kinds")));
        Self {
            name: breakable(&state.name),
            entered: written::integer(state.entered),
            retried: number(state.retried),
            failed: number(state.failed + state.caught),
            median: quantile(500),
            slow: quantile(950),
            errors: shown.chain(more).collect(),
            class: if state.failed > 0 {
                "bad"
            } else if state.caught > 0 {
                "wait"
            } else {
                ""
            },
        }
    }
}

struct WorstNight {
    lead: String,
    ruler: String,
    leaves_out: bool,
    rows: Vec<TimelineRow>,
    replay: String,
    violations: Vec<String>,
}

struct TimelineRow {
    state: String,
    indent: usize,
    svg: String,
    began: String,
    took: String,
    tries: String,
    notes: Vec<String>,
    class: &'static str,
}

impl WorstNight {
    fn of(report: &Report<'_>, night: &Night) -> Self {
        let millis = night.makespan_millis();
        let timeline = Timeline::of(night);
        let mut order: Vec<&str> = Vec::new();
        for visit in &night.timeline {
            if !order.contains(&visit.state.as_str()) {
                order.push(&visit.state);
            }
        }
        let mut rows: Vec<_> = order.iter().map(|state| TimelineRow::of(night, &timeline, state)).collect();
        let elsewhere: Vec<_> = night.faults.iter().filter(|fault| !order.contains(&fault.call.as_str())).collect();
        if !elsewhere.is_empty() {
            let notes = vec![written::count(elsewhere.len() as u64, "fault", "faults")];
            rows.push(TimelineRow {
                state: "Outside the execution".to_owned(),
                indent: 0,
                svg: timeline.line(&[], &elsewhere.iter().map(|fault| fault.at.0).collect::<Vec<_>>()),
                began: String::new(),
                took: String::new(),
                tries: String::new(),
                notes,
                class: "",
            });
        }
        let faults = match night.faults.len() {
            0 => "without an injected fault".to_owned(),
            count => format!("with {}", written::count(count as u64, "injected fault", "injected faults")),
        };
        Self {
            lead: format!("It took {}, ended as {}, {faults}.", took(millis), night.outcome.name()),
            ruler: timeline.ruler(),
            leaves_out: timeline.leaves_out(),
            rows,
            replay: report.replay(night.seed),
            violations: night.violations.iter().map(|violation| format!("{}: {}", violation.invariant, violation.what)).collect(),
        }
    }
}

impl TimelineRow {
    fn of(night: &Night, timeline: &Timeline, state: &str) -> Self {
        let visits: Vec<&Visit> = night.timeline.iter().filter(|visit| visit.state == state).collect();
        let first = visits.first().expect("a state of the timeline was entered");
        let end = visits.iter().map(|visit| visit.ended.0).max().unwrap_or_default();
        let faults: Vec<i64> = night.faults.iter().filter(|fault| fault.call == state).map(|fault| fault.at.0).collect();
        let tries: u32 = visits.iter().map(|visit| visit.attempts).sum();
        let many = if visits.len() > 1 { format!("{} entries", written::integer(visits.len() as u64)) } else { String::new() };
        let tries = match (tries, visits.len()) {
            (0, 0..=1) => String::new(),
            (0, _) => many,
            (tries, entries) if entries > 1 && tries as usize == entries => many,
            (tries, entries) if entries > 1 => format!("{tries} in {many}"),
            (tries, _) => tries.to_string(),
        };
        let class = match visits.iter().map(|visit| rank(&visit.end)).max() {
            Some(3) => "bad",
            Some(2) => "wait",
            _ => "",
        };
        let last = visits.last().map(|visit| &visit.end);
        let mut notes = tried(&visits);
        match last {
            Some(End::Caught { error }) => {
                let is_told = notes.pop_if(|told| told == error).is_some();
                notes.push(if is_told || notes.is_empty() { format!("{error}, caught") } else { "caught".to_owned() });
            }
            Some(End::Failed { error }) if first.kind == "Fail" => notes.push(error.clone()),
            Some(End::Failed { error }) if notes.is_empty() => notes.push(error.clone()),
            Some(End::Stopped) => notes.push("stopped".to_owned()),
            Some(End::Open) => notes.push("waits for ever".to_owned()),
            _ => {}
        }
        let is_instant = first.kind != "Task" && end == first.entered.0;
        let others = notes.len().saturating_sub(NOTES);
        let mut notes: Vec<_> = notes.iter().take(NOTES).map(|note| breakable(note)).collect();
        if others > 0 {
            notes.push(format!("and {}", written::count(others as u64, "more", "more")));
        }
        Self {
            state: breakable(state),
            indent: first.depth.min(3),
            svg: timeline.line(&visits, &faults),
            began: took(first.entered.0 - night.started.0),
            took: if is_instant { String::new() } else { took(end - first.entered.0) },
            tries,
            notes,
            class,
        }
    }
}

/// The errors of a state's tries, each with how often.
fn tried(visits: &[&Visit]) -> Vec<String> {
    let mut errors: Vec<(&str, u64)> = Vec::new();
    for error in visits.iter().flat_map(|visit| &visit.tries).filter_map(|one| one.error.as_deref()) {
        match errors.iter_mut().find(|(known, _)| *known == error) {
            Some(known) => known.1 += 1,
            None => errors.push((error, 1)),
        }
    }
    errors.into_iter().map(|(error, count)| if count == 1 { error.to_owned() } else { format!("{error} × {count}") }).collect()
}

fn rank(end: &End) -> u8 {
    match end {
        End::Left => 0,
        End::Stopped => 1,
        End::Caught { .. } => 2,
        End::Failed { .. } | End::Open => 3,
    }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Well => "ok",
        Tone::Deliberate => "wait",
        Tone::Badly => "bad",
    }
}

fn headline(report: &Report<'_>) -> String {
    let nights = written::count(report.sums.nights, "night", "nights");
    match report.sums.violations.len() {
        0 => format!("{nights}, no invariant violated"),
        1 => "An invariant was violated".to_owned(),
        count => format!("{} invariants were violated", written::integer(count as u64)),
    }
}

fn lead(report: &Report<'_>, makespan: &Histogram) -> String {
    let sums = report.sums;
    let well = sums.makespan_of(Tone::Well).count();
    let ended = if well == sums.nights { "All ended well".to_owned() } else { format!("{} ended well", share(well, sums.nights)) };
    let (half, slow) = (took(makespan.quantile(500)), took(makespan.quantile(950)));
    let times = if makespan.count() > 1 { format!(" Half were over within {half}, 95\u{202f}% within {slow}.") } else { String::new() };
    format!("{ended}.{times}")
}

fn violations<'a>(report: &Report<'a>) -> Vec<ViolationRow<'a>> {
    let row = |(name, sum): (&'a String, &'a crate::sums::ViolationSum)| ViolationRow {
        name,
        what: &sum.what,
        nights: format!("{}, {}", written::count(sum.nights, "night", "nights"), share(sum.nights, report.sums.nights)),
        replay: report.replay(sum.seed),
    };
    report.sums.violations.iter().map(row).collect()
}

fn tiles(report: &Report<'_>, makespan: &Histogram) -> Vec<Tile> {
    let sums = report.sums;
    let month = report.prices.month(sums);
    let well = sums.makespan_of(Tone::Well).count();
    let of_month = |price: String| format!("{price} for {} nights", report.prices.nights_a_month);
    let mut tiles = vec![
        Tile {
            name: "Ended well",
            figure: share(well, sums.nights),
            unit: "",
            note: format!("{} of {}", written::integer(well), written::integer(sums.nights)),
        },
        Tile {
            name: "A night takes",
            figure: took(makespan.quantile(500)),
            unit: "",
            note: format!("at most {} in 95\u{202f}%", took(makespan.quantile(950))),
        },
    ];
    if sums.waits.count() > 0 {
        tiles.push(Tile {
            name: "People take",
            figure: took(sums.waits.quantile(500)),
            unit: "",
            note: format!("at most {} in 95\u{202f}%", took(sums.waits.quantile(950))),
        });
    }
    tiles.push(Tile {
        name: "Transitions",
        figure: average(sums.transitions, sums.nights),
        unit: "a night",
        note: of_month(written::dollars(month.transitions_price)),
    });
    if sums.dpu_hours_thousandths > 0 {
        tiles.push(Tile {
            name: "DPU-hours",
            figure: thousandths(sums.dpu_hours_thousandths, sums.nights),
            unit: "a night",
            note: of_month(written::dollars(month.dpu_hours_price)),
        });
    }
    tiles
}

/// Thousandths over a count, with two digits.
fn thousandths(sum: u64, count: u64) -> String {
    let hundredths = (u128::from(sum) * 2 + u128::from(count) * 10) / (u128::from(count.max(1)) * 20);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn outcomes(report: &Report<'_>) -> Vec<OutcomeRow> {
    let rows = report.sums.by_frequency().into_iter().map(|(name, sum)| {
        let nights = sum.makespan.count();
        #[expect(clippy::cast_precision_loss, reason = "a width")]
        let percent = nights as f64 / report.sums.nights.max(1) as f64 * 100.0;
        OutcomeRow {
            mark: match sum.tone {
                Tone::Well => "",
                Tone::Deliberate => "ended",
                Tone::Badly => "failed",
            },
            name: breakable(name),
            percent: format!("{percent:.2}"),
            class: class(sum.tone),
            nights: written::integer(nights),
            share: share(nights, report.sums.nights),
            median: took(sum.makespan.quantile(500)),
            longest: took(sum.longest.0),
            seed: sum.longest.1,
        }
    });
    rows.collect()
}

fn faults(report: &Report<'_>) -> Vec<(String, String, String)> {
    let mut faults: Vec<_> = report.sums.faults.iter().collect();
    faults.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    faults.into_iter().take(FAULTS).map(|((call, fault), count)| (breakable(call), breakable(fault), written::integer(*count))).collect()
}

/// What a month costs, each with how it is worked out.
fn prices(report: &Report<'_>) -> Vec<(&'static str, String, String)> {
    let (prices, month) = (report.prices, report.prices.month(report.sums));
    let nights = prices.nights_a_month;
    let mut rows = vec![(
        "State transitions",
        written::dollars(month.transitions_price),
        format!(
            "{} in {nights} nights, retries counted; ${} per 1,000 after {} free ones a month. At most {} in one night.",
            written::whole(month.transitions),
            prices.thousand_transitions.normalize(),
            written::integer(prices.free_transitions),
            written::integer(report.sums.most_transitions),
        ),
    )];
    if report.sums.dpu_hours_thousandths > 0 {
        rows.push((
            "Glue",
            written::dollars(month.dpu_hours_price),
            format!(
                "{} DPU-hours in {nights} nights, runs that failed or were stopped with them; ${} each.",
                month.dpu_hours.round_dp(1),
                prices.dpu_hour.normalize()
            ),
        ));
    }
    rows
}
