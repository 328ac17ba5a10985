//! The news of a night or of a dataset's build as a Slack message. Block Kit, docs.slack.dev.

use nightly_domain::{Outcome, RunDate};
use nightly_pages::{Icon, written};
use serde_json::{Value, json};

use crate::Settings;
use crate::account::{Account, Holds, Subject};
use crate::datasets::record::BuildRecord;
use crate::record::NightRecord;
use crate::{datasets, words};

/// The message about a night that came to what it was to come to.
pub(crate) fn message(night: &NightRecord, newest_published: Option<RunDate>, settings: &Settings) -> Value {
    let mut blocks = vec![section(&headline(night, newest_published))];
    let fields = words::figures(night);
    if !fields.is_empty() {
        let fields: Vec<_> = fields.iter().map(|(name, value)| markdown(&format!("*{name}*\n{}", escaped(value)))).collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    blocks.push(json!({"type": "context", "elements": [markdown(&footer(night, settings))]}));
    json!({"text": summary(night), "unfurl_links": false, "unfurl_media": false, "blocks": blocks})
}

/// The message about a dataset's build that is done.
pub(crate) fn built(build: &BuildRecord, settings: &Settings) -> Value {
    let recovered = build.recovered().map(|words| format!("\n{}", escaped(&words))).unwrap_or_default();
    let what = format!("Built: {}", build.what());
    let fact = escaped(&datasets::words::done(build));
    let mut blocks = vec![section(&format!(":white_check_mark: *{}*\n{fact}{recovered}", escaped(&what)))];
    let fields = datasets::words::figures(build);
    let fields: Vec<_> = fields.iter().map(|(name, value)| markdown(&format!("*{name}*\n{}", escaped(value)))).collect();
    blocks.push(json!({"type": "section", "fields": fields}));
    let mut parts = Vec::new();
    if let Some(url) = &settings.status_page_url {
        parts.push(format!("<{}|The builds>", escaped(&url.dataset(&build.dataset))));
        parts.push(format!("<{}|Status page>", escaped(&url.to_string())));
    }
    parts.push(signature(&build.environment, &build.run_id));
    blocks.push(json!({"type": "context", "elements": [markdown(&parts.join(" · "))]}));
    let text = format!("{what}, {}", written::time(build.ended_at));
    json!({"text": escaped(&text), "unfurl_links": false, "unfurl_media": false, "blocks": blocks})
}

/// The message about what did not end well.
pub(crate) fn ended(account: &Account<'_>) -> Value {
    let bad = words::tone(account.outcome) == Icon::Bad && !matches!(account.holds, Holds::Published(_));
    let sign = if bad { ":small_red_triangle:" } else { ":warning:" };
    let mut blocks = vec![section(&format!("{sign} *{}*\n{}", escaped(&account.ending()), escaped(&account.warehouse())))];

    let mut facts = Vec::new();
    facts.extend(account.step_of_all().map(|step| format!("*Step*\n{}", escaped(&step))));
    facts.extend(account.error().map(|error| format!("*Error*\n`{}`", escaped(error))));
    facts.push(format!("*When*\n{}", account.when()));
    if account.trouble.tries > 1 {
        facts.push(format!("*Tries*\n{}", account.trouble.tries));
    }
    let facts: Vec<_> = facts.iter().map(|fact| markdown(fact)).collect();
    blocks.push(json!({"type": "section", "fields": facts}));

    let reason = account.answer.and_then(|answer| answer.reason.as_deref());
    if let Some(said) = reason.or(account.trouble.cause.as_deref()) {
        blocks.push(section(&format!("> {}", escaped(&written::one_line(said)))));
    }
    if let Some(remedy) = account.remedy() {
        blocks.push(section(&format!("{}\n```{}```", escaped(&remedy.words), escaped(&remedy.command))));
    }
    let mut links: Vec<String> = [
        (account.runbook(), "What it means and what to do"),
        (account.log(), "Log"),
        (account.job_log(), "Log of the job"),
        (account.page(), account.subject.page_words()),
    ]
    .into_iter()
    .filter_map(|(url, words)| Some(format!("<{}|{words}>", escaped(&url?))))
    .collect();
    links.push(signature(&account.settings.environment, account.execution.run_id()));
    blocks.push(json!({"type": "context", "elements": [markdown(&links.join(" · "))]}));
    json!({"text": notification(account), "unfurl_links": false, "unfurl_media": false, "blocks": blocks})
}

/// What a notification shows of what did not end well.
fn notification(account: &Account<'_>) -> String {
    let day = account.what();
    let what = match (account.outcome, account.step(), account.error()) {
        _ if matches!(account.holds, Holds::Published(_)) => {
            let done = if account.subject == Subject::Night { "publishing" } else { "building" };
            return escaped(&format!("{} after {done}: {day}", account.ending().trim_end_matches('.')));
        }
        (nightly_domain::Outcome::Failed { .. }, Some(step), Some(error)) if step != error => format!("{step}: {error}"),
        (nightly_domain::Outcome::Failed { .. }, _, Some(error)) => error.to_owned(),
        (outcome, ..) => words::ended_as(outcome).to_owned(),
    };
    let verb = match (words::tone(account.outcome), account.subject) {
        (Icon::Bad, _) => "Failed",
        (_, Subject::Night) => "Not published",
        (_, Subject::Dataset(_)) => "Not built",
    };
    escaped(&format!("{verb}: {day}, {what}"))
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
        let recovered =
            night.recovered_from.as_ref().map(words::recovered).map(|words| format!("\n{}", escaped(&words))).unwrap_or_default();
        return format!(":white_check_mark: *Published: the warehouse holds {date}*\n{at}, after {took}. Approved by {people}.{recovered}");
    }
    let words::Lead { before, date, after } = words::lead(night, newest_published);
    format!(":warning: *{}*\n{}", escaped(&words::headline(night)), escaped(&format!("{before}{date}{after}")))
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
    parts.push(signature(&night.environment, &night.run_id));
    parts.join(" · ")
}

/// By which everything that an execution leaves is found.
fn signature(environment: &str, run_id: &str) -> String {
    escaped(&format!("nightly-warehouse {environment}, execution {}", written::one_line(run_id)))
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
