//! The news of a night as a Slack message. Block Kit, docs.slack.dev.

use nightly_domain::{Outcome, RunDate};
use nightly_pages::{Icon, written};
use serde_json::{Value, json};

use crate::Settings;
use crate::record::NightRecord;
use crate::words;

pub(crate) fn message(night: &NightRecord, newest_published: Option<RunDate>, settings: &Settings) -> Value {
    let mut blocks = vec![section(&headline(night, newest_published))];
    let fields = fields(night);
    if !fields.is_empty() {
        let fields: Vec<_> = fields.iter().map(|(name, value)| markdown(&format!("*{name}*\n{}", escaped(value)))).collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    blocks.push(json!({"type": "context", "elements": [markdown(&footer(night, settings))]}));
    json!({"text": summary(night), "unfurl_links": false, "unfurl_media": false, "blocks": blocks})
}

/// What a notification shows, and what is read aloud.
fn summary(night: &NightRecord) -> String {
    let date = written::long_date(night.run_date.date());
    match &night.outcome {
        Outcome::Published => escaped(&format!("Published: warehouse for {date}, {}", written::time(night.ended_at))),
        _ => escaped(&format!("{} ({date})", words::headline(night))),
    }
}

fn headline(night: &NightRecord, newest_published: Option<RunDate>) -> String {
    let date = written::weekday_date(night.run_date.date());
    if night.outcome == Outcome::Published {
        let (at, took) = (written::time(night.ended_at), written::duration(night.took()));
        let people = escaped(&night.people());
        return format!(":white_check_mark: *Published: the warehouse holds {date}*\n{at}, after {took}. Approved by {people}.");
    }
    let sign = if words::tone(&night.outcome) == Icon::Bad { ":small_red_triangle:" } else { ":warning:" };
    let words::Lead { before, date, after } = words::lead(night, newest_published);
    format!("{sign} *{}*\n{}", escaped(&words::headline(night)), escaped(&format!("{before}{date}{after}")))
}

fn fields(night: &NightRecord) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(summary) = &night.summary {
        fields.push(("Revenue", format!("{} {}", written::whole(summary.revenue_base), summary.base_currency)));
        fields.push(("Order lines", written::integer(summary.order_lines)));
    }
    if let Some(quality) = &night.quality {
        fields.push(("Quality gate", format!("{} of {}", quality.passed(), written::count(quality.rules.len() as u64, "rule", "rules"))));
    }
    if let (Some(summary), Some(age)) = (&night.summary, night.rates_age_days()) {
        let day = written::short_date(summary.rates.effective_date);
        fields.push(("Exchange rates", format!("{}, {day} ({})", summary.rates.source, words::age(age))));
    }
    fields
}

fn footer(night: &NightRecord, settings: &Settings) -> String {
    let mut parts = Vec::new();
    if let Some(url) = &settings.status_page_url {
        parts.push(format!("<{}|The night>", escaped(&url.night(night.run_date))));
        parts.push(format!("<{}|Status page>", escaped(&url.to_string())));
    }
    if night.outcome != Outcome::Published
        && let Some(url) = night.log_url()
    {
        parts.push(format!("<{}|Log>", escaped(&url)));
    }
    parts.push(escaped(&format!("nightly-warehouse {}", night.environment)));
    parts.join(" · ")
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": markdown(text)})
}

fn markdown(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text})
}

/// Slack asks to escape these three characters, and no other.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
