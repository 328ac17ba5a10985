//! The open question, with the evidence on one side and the answer on the other.

use askama::Template;
use nightly_domain::approval::Approver;
use nightly_domain::evidence::{CategoryFigures, Evidence, RuleResult, RuleVerdict};
use nightly_pages::{Frame, Icon, written};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Foot, Reader, frame};
use crate::Site;
use crate::form::Draft;

/// Categories that get a row; the others share one.
const ROWS: usize = 6;

pub(super) fn render(reader: &Reader, place: usize, draft: Option<&Draft>, site: &Site, foot: Foot) -> Result<String, askama::Error> {
    let approval = &reader.approval;
    let evidence = &approval.evidence;
    let summary = &evidence.summary;
    let given = approval.approvals();
    let missing = approval.required.saturating_sub(given);
    Question {
        frame: frame(&site.environment),
        date: reader.run_date(),
        weekday: summary.run_date.date().strftime("%A").to_string(),
        due: reader.moment(approval.expires_at),
        due_machine: approval.expires_at.to_string(),
        left: left(reader),
        glance: glance(evidence),
        revenue: written::whole(summary.revenue_base),
        currency: &summary.base_currency,
        volume: format!(
            "{} in {}",
            written::count(summary.order_lines, "order line", "order lines"),
            written::count(summary.orders, "order", "orders")
        ),
        categories: categories(evidence),
        quality: quality(evidence),
        rules: evidence.quality.rules.iter().map(rule).collect(),
        rates_of: written::weekday_date(summary.rates.effective_date),
        rates_source: format!("{}, for {}", summary.rates.source, summary.rates.currencies.join(", ")),
        rates_note: summary.rate_age_days().map(|days| {
            format!(
                "These rates are {} older than the run date: for {} itself, the source had none when the night asked.",
                written::count(days, "day", "days"),
                reader.run_date()
            )
        }),
        run_id: &summary.run_id,
        run_date: summary.run_date.to_string(),
        rows: written::count(summary.order_lines, "row", "rows"),
        segments: (0..approval.required).map(|segment| segment < given).collect(),
        count: format!("{given} of {} approvals", approval.required),
        people: approval.approvers.iter().enumerate().map(|(other, approver)| person(reader, approver, other == place)).collect(),
        problem: draft.map(|draft| draft.problem.as_str()),
        comment: draft.map_or("", |draft| &draft.comment),
        reason: draft.map_or("", |draft| &draft.reason),
        rejecting: draft.is_some_and(|draft| draft.rejecting),
        approve: if missing <= 1 { "Approve and publish" } else { "Approve" },
        consequence: match missing {
            0 | 1 => "Yours completes the count: publishing starts at once.".to_owned(),
            more => format!("After yours, {} needed.", written::count(u64::from(more - 1), "more approval is", "more approvals are")),
        },
        foot,
    }
    .render()
}

#[derive(Template)]
#[template(path = "question.html")]
struct Question<'a> {
    frame: Frame<'a>,
    date: String,
    weekday: String,
    due: String,
    due_machine: String,
    left: String,
    glance: Vec<Fact>,
    revenue: String,
    currency: &'a str,
    volume: String,
    categories: Vec<CategoryRow>,
    quality: String,
    rules: Vec<RuleRow<'a>>,
    rates_of: String,
    rates_source: String,
    rates_note: Option<String>,
    run_id: &'a str,
    run_date: String,
    rows: String,
    segments: Vec<bool>,
    count: String,
    people: Vec<Person>,
    problem: Option<&'a str>,
    comment: &'a str,
    reason: &'a str,
    rejecting: bool,
    approve: &'static str,
    consequence: String,
    foot: Foot,
}

struct Fact {
    icon: Icon,
    name: &'static str,
    text: String,
}

struct CategoryRow {
    name: String,
    lines: String,
    /// Of the longest bar, from 0 to 100.
    share: String,
    revenue: String,
}

struct RuleRow<'a> {
    rule: &'a str,
    measured: String,
    class: &'static str,
    result: &'static str,
}

struct Person {
    icon: Icon,
    name: String,
    state: String,
}

fn left(reader: &Reader) -> String {
    let minutes = reader.approval.expires_at.duration_since(reader.now).as_mins();
    let minutes = match u64::try_from(minutes) {
        Ok(minutes @ 1..) => written::count(minutes, "minute", "minutes"),
        _ => "less than a minute".to_owned(),
    };
    format!("That is {minutes} from {}, when this page was opened.", written::time(reader.now))
}

/// Whether anything is odd.
fn glance(evidence: &Evidence) -> Vec<Fact> {
    let summary = &evidence.summary;
    let quality = &evidence.quality;
    let judged = |fine| if fine { Icon::Ok } else { Icon::Note };
    let rules = written::count(quality.rules.len() as u64, "rule passes", "rules pass");
    let rates = match summary.rate_age_days() {
        None => "Of the run date".to_owned(),
        Some(days) => format!("{} older than the run date", written::count(days, "day", "days")),
    };
    let inventory = match summary.unmatched_lines {
        0 => "Every order line has its item".to_owned(),
        lines => format!("{} no item", written::count(lines, "order line has", "order lines have")),
    };
    vec![
        Fact {
            icon: judged(quality.passed() == quality.rules.len()),
            name: "Quality gate",
            text: format!("{} of {rules}", quality.passed()),
        },
        Fact { icon: judged(summary.rate_age_days().is_none()), name: "Exchange rates", text: rates },
        Fact { icon: judged(summary.unmatched_lines == 0), name: "Inventory", text: inventory },
    ]
}

fn categories(evidence: &Evidence) -> Vec<CategoryRow> {
    let figures = |figures: &CategoryFigures| (figures.category.clone(), figures.order_lines, figures.revenue_base);
    let (shown, rest) = evidence.summary.categories.split_at(evidence.summary.categories.len().min(ROWS));
    let mut rows: Vec<_> = shown.iter().map(figures).collect();
    if !rest.is_empty() {
        let (lines, revenue) =
            rest.iter().fold((0, Decimal::ZERO), |(lines, revenue), one| (lines + one.order_lines, revenue + one.revenue_base));
        rows.push((Some(format!("{} others", rest.len())), lines, revenue));
    }
    let largest = rows.iter().map(|(_, _, revenue)| *revenue).max().unwrap_or_default();
    let row = |(name, lines, revenue): (Option<String>, u64, Decimal)| {
        let share = revenue.checked_div(largest).unwrap_or_default().max(Decimal::ZERO) * Decimal::ONE_HUNDRED;
        CategoryRow {
            name: name.unwrap_or_else(|| "No category".to_owned()),
            lines: written::integer(lines),
            share: share.round_dp(1).normalize().to_string(),
            revenue: written::whole(revenue),
        }
    };
    rows.into_iter().map(row).collect()
}

fn quality(evidence: &Evidence) -> String {
    let quality = &evidence.quality;
    let percent = Decimal::try_from(quality.score * 100.0).unwrap_or_default().round_dp(1).normalize();
    let rules = written::count(quality.rules.len() as u64, "rule", "rules");
    let passed =
        if quality.passed() == quality.rules.len() { format!("all {rules} pass") } else { format!("{} of {rules} pass", quality.passed()) };
    format!("Score {percent}\u{202f}% on {}: {passed}.", quality.ruleset)
}

fn rule(result: &RuleResult) -> RuleRow<'_> {
    let (class, word) = match result.result {
        RuleVerdict::Pass => ("ok", "✓ PASS"),
        RuleVerdict::Fail => ("bad", "✕ FAIL"),
        RuleVerdict::Error => ("bad", "✕ ERROR"),
    };
    let mut measured: Vec<_> = result.metrics.values().map(|value| measured(*value)).collect();
    measured.dedup();
    RuleRow { rule: &result.rule, measured: measured.join(", "), class, result: word }
}

/// A count in groups, a ratio with four digits.
fn measured(value: f64) -> String {
    match Decimal::try_from(value) {
        Ok(value) if value.is_integer() && value.to_u64().is_some_and(|count| count > 1) => written::whole(value),
        Ok(value) => value.round_dp(4).normalize().to_string(),
        Err(_) => value.to_string(),
    }
}

fn person(reader: &Reader, approver: &Approver, is_reader: bool) -> Person {
    let name = approver.address.person();
    let name = if is_reader { format!("You, {name}") } else { name };
    match &approver.answer {
        Some(answer) => Person { icon: Icon::Ok, name, state: format!("approved {}", written::time(answer.at)) },
        None => Person {
            icon: if is_reader { Icon::Wait } else { Icon::Idle },
            name,
            state: format!("asked {}", written::time(reader.approval.asked_at)),
        },
    }
}
