//! What the stakeholders' channel is told about a question, in Slack's Block Kit.
//!
//! Words of others stand in `plain_text` objects alone: Slack makes no link, no mention, no format and no emoji of what is in them.
//! <https://docs.slack.dev/reference/block-kit/composition-objects/text-object>

use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::{Approval, ApprovalStatus, Handover, Ruling, Verdict};
use nightly_domain::evidence::{Build, Request, Subject};
use nightly_domain::history::ExecutionEnd;
use nightly_domain::link::Link;
use nightly_pages::written;
use serde_json::{Value, json};

use crate::{Site, words};

/// What stands out of a build's figures.
const SUMS: [&str; 3] = ["Quality gate", "Revenue", "Order lines"];
/// Slack shows no more than ten fields in a section.
const FIELDS: usize = 10;
/// A field takes 2000 characters, and each of these may be written as five.
const FACT_NAME_CHARACTERS: usize = 60;
const FACT_VALUE_CHARACTERS: usize = 300;
/// A text takes 3000 characters, and each of these may be written as five.
const QUOTED_CHARACTERS: usize = 500;
const QUOTED_ROOM: usize = 2_900;

/// An answer that comes later than this after it was given is said to come late.
const PROMPT: SignedDuration = SignedDuration::from_mins(2);

/// The question, with a button that opens it for whoever wants to look. The button's link can't answer.
pub fn question(approval: &Approval, link: &Link, site: &Site) -> Value {
    let mut sentences = vec![needed(approval)];
    let approved = words::approved_by(approval);
    if !approved.is_empty() {
        sentences.push(escaped(&format!("So far approved by {}.", written::list(&approved))));
    }
    sentences.extend(words::four_eyes(approval, None).map(|rule| escaped(&rule)));
    sentences.extend(words::more_time(approval));
    let people: Vec<_> = words::asked(approval).map(|approver| words::asked_person(approver, None)).collect();
    let button = match &approval.evidence.subject {
        Subject::Build(_) => "See the figures",
        Subject::Request(_) => "See the question",
    };
    let (headline, otherwise) = match &approval.evidence.subject {
        Subject::Build(build) => (
            format!("Waiting for approval: {}", written::weekday_date(build.summary.run_date.date())),
            "If too few answer, nothing is published.",
        ),
        Subject::Request(_) => ("Waiting for approval".to_owned(), "If too few answer, it counts as not approved."),
    };
    sentences.push(otherwise.to_owned());
    let mut blocks = vec![headed(":hourglass_flowing_sand:", &headline, &sentences)];
    blocks.extend(subject(approval));
    blocks.push(json!({
        "type": "actions",
        "elements": [{"type": "button", "text": plain(button), "url": link.address(&site.base_url)}],
    }));
    blocks.push(context(&format!("Asked by mail, each with a link of their own: {}", escaped(&people.join(", ")))));
    blocks.push(footer(approval, site));
    message(&format!("Approval awaited until {}: {}", written::time(approval.expires_at), matter(approval)), &blocks)
}

fn needed(approval: &Approval) -> String {
    let until = moment(approval.expires_at);
    match words::asked(approval).count() {
        1 => format!("The one person asked must approve by {until}."),
        people => format!("{} of the {people} people asked must approve by {until}.", approval.needed()),
    }
}

/// How the question ended, as a message of its own or in the place of the question.
pub fn outcome(approval: &Approval, site: &Site) -> Value {
    let told = Told::of(approval);
    let headline = match &approval.evidence.subject {
        Subject::Build(build) => format!("{}: {}", told.word, written::weekday_date(build.summary.run_date.date())),
        Subject::Request(_) => told.word.to_owned(),
    };
    let mut blocks = vec![headed(told.sign, &headline, &told.sentences)];
    blocks.extend(told.quoted.iter().map(|(by, text)| quoted(by, text)));
    blocks.extend(subject(approval));
    blocks.push(footer(approval, site));
    message(&format!("{}: {}", told.word, matter(approval)), &blocks)
}

/// An end, in words.
struct Told {
    sign: &'static str,
    word: &'static str,
    sentences: Vec<String>,
    /// What people wrote to it, with what it is.
    quoted: Vec<(&'static str, String)>,
}

impl Told {
    fn of(approval: &Approval) -> Self {
        match &approval.status {
            ApprovalStatus::Pending => {
                let sentences = vec![needed(approval)];
                Self { sign: ":hourglass_flowing_sand:", word: "Waiting for approval", sentences, quoted: Vec::new() }
            }
            ApprovalStatus::Decided { verdict, handover } => Self::decided(approval, verdict, handover),
            ApprovalStatus::Expired { .. } => {
                let sentences = vec![too_few(approval), consequence(approval, Ruling::Expired)];
                Self { sign: ":hourglass:", word: "Expired", sentences, quoted: Vec::new() }
            }
            ApprovalStatus::Cancelled { at, end } => {
                let found = format!("The execution has {}, so nobody has to answer. That was found at {}.", ended(end), moment(*at));
                Self { sign: ":black_square_for_stop:", word: "Cancelled", sentences: vec![found], quoted: Vec::new() }
            }
        }
    }

    fn decided(approval: &Approval, verdict: &Verdict, handover: &Handover) -> Self {
        let people = written::list(&verdict.by.split(", ").map(written::one_line).collect::<Vec<_>>());
        let by = format!("By {} at {}.", escaped(&people), moment(verdict.at));
        let (sign, word, who, quoted) = match verdict.decision {
            Ruling::Approved => {
                (":white_check_mark:", "Approved", by, verdict.comment.as_ref().map(|comment| ("Comment", comment.clone())))
            }
            Ruling::Rejected => (":no_entry_sign:", "Rejected", by, verdict.reason.as_ref().map(|reason| ("Reason", reason.clone()))),
            Ruling::Expired => (":hourglass:", "Expired", too_few(approval), None),
        };
        let mut sentences = vec![who];
        let sign = match handover {
            Handover::Due => {
                sentences.push("The execution does not have it yet.".to_owned());
                sign
            }
            Handover::Delivered { at } => {
                if verdict.decision != Ruling::Expired && at.duration_since(verdict.at) > PROMPT {
                    sentences.push(format!("The execution has had it only since {}.", moment(*at)));
                }
                sentences.push(consequence(approval, verdict.decision));
                sign
            }
            // Its own clock ran out, and the definition goes by the record.
            Handover::Closed { end: None, .. } => {
                sentences.push("The execution had stopped waiting by then, but it goes by this.".to_owned());
                sentences.push(consequence(approval, verdict.decision));
                sign
            }
            Handover::Closed { end: Some(end), .. } if follows(verdict.decision, end) => {
                sentences.push(consequence(approval, verdict.decision));
                sign
            }
            Handover::Closed { at, end: Some(end) } => {
                sentences.push(format!("When this was brought to the execution, at {}, it had {}.", moment(*at), ended(end)));
                if *end == ExecutionEnd::Succeeded { sign } else { ":warning:" }
            }
        };
        Self { sign, word, sentences, quoted: quoted.into_iter().collect() }
    }
}

/// Whether the execution has ended in the way in which the night ends by this ruling.
fn follows(ruling: Ruling, end: &ExecutionEnd) -> bool {
    let ExecutionEnd::Failed { error } = end else { return false };
    match ruling {
        Ruling::Approved => false,
        Ruling::Rejected => error == "ApprovalRejected",
        Ruling::Expired => error == "ApprovalExpired",
    }
}

fn consequence(approval: &Approval, ruling: Ruling) -> String {
    let consequence = match (&approval.evidence.subject, ruling) {
        (Subject::Build(_), Ruling::Approved) => "The night goes on to publish it.",
        (Subject::Build(_), Ruling::Rejected | Ruling::Expired) => "The night ends without publishing.",
        (Subject::Request(_), Ruling::Approved) => "The execution goes on with a yes.",
        (Subject::Request(_), Ruling::Rejected) => "The execution goes on with a no.",
        (Subject::Request(_), Ruling::Expired) => "The execution goes on without a yes.",
    };
    consequence.to_owned()
}

fn too_few(approval: &Approval) -> String {
    let approved = words::approved_by(approval);
    let so_far = if approved.is_empty() { "nobody approved".to_owned() } else { format!("approved by {}", written::list(&approved)) };
    let mut sentences = vec![format!(
        "Too few answered by {}: {}, {} missing.",
        moment(approval.expires_at),
        escaped(&so_far),
        words::approvals(approval.missing())
    )];
    sentences.extend(words::four_eyes(approval, None).map(|rule| escaped(&rule)));
    sentences.join(" ")
}

/// As what follows "the execution has".
fn ended(end: &ExecutionEnd) -> String {
    match end {
        ExecutionEnd::Succeeded => "ended successfully".to_owned(),
        ExecutionEnd::Failed { error } => format!("failed with {}", escaped(&written::shortened(&written::one_line(error), 80))),
        ExecutionEnd::TimedOut => "run out of time".to_owned(),
        ExecutionEnd::Aborted => "been stopped".to_owned(),
    }
}

/// What is asked about, in a notification's few words. They may be others'.
fn matter(approval: &Approval) -> String {
    match &approval.evidence.subject {
        Subject::Build(build) => format!("warehouse for {}", written::long_date(build.summary.run_date.date())),
        Subject::Request(request) => escaped(&written::shortened(&written::one_line(&request.question), 150)),
    }
}

/// What is asked about, in full.
fn subject(approval: &Approval) -> Vec<Value> {
    match &approval.evidence.subject {
        Subject::Build(build) => built(build),
        Subject::Request(request) => asked_for(approval, request),
    }
}

/// Sums stand out. What may hold a category's name stands below them, in plain text.
fn built(build: &Build) -> Vec<Value> {
    let (sums, rest): (Vec<_>, Vec<_>) = words::figures(build).into_iter().partition(|(name, _)| SUMS.contains(name));
    let sums: Vec<_> = sums.iter().map(|(name, value)| markdown(&format!("*{name}*\n{}", escaped(value)))).collect();
    let rest: Vec<_> = rest.iter().map(|(name, value)| quotable(&format!("{name}: {value}"))).collect();
    vec![json!({"type": "section", "fields": sums}), json!({"type": "context", "elements": [plain(&rest.join("\n"))]})]
}

fn asked_for(approval: &Approval, request: &Request) -> Vec<Value> {
    let mut blocks = vec![json!({"type": "section", "text": foreign(&request.question)})];
    let shown = if request.facts.len() > FIELDS { FIELDS - 1 } else { FIELDS };
    let mut facts: Vec<_> = request.facts.iter().take(shown).map(|fact| field(&fact.name, &fact.value)).collect();
    let more = request.facts.len().saturating_sub(shown);
    if more > 0 {
        facts.push(field("More", &format!("{more} further facts are on the page")));
    }
    if !facts.is_empty() {
        blocks.push(json!({"type": "section", "fields": facts}));
    }
    blocks.push(json!({"type": "section", "text": foreign(&format!("After a yes: {}", request.consequence))}));
    let starter = words::starter(approval).map(|starter| format!(", started by {starter}")).unwrap_or_default();
    let origin = foreign(&format!("Asked by {}{starter}", words::asking_execution(approval)));
    blocks.push(json!({"type": "context", "elements": [origin]}));
    blocks
}

fn quoted(what: &str, text: &str) -> Value {
    let whole = written::one_line(text);
    let fits = escaped(&whole).chars().count() <= QUOTED_ROOM;
    let shown = if fits { whole } else { quotable(text) };
    json!({"type": "section", "text": plain(&format!("{what}: “{shown}”"))})
}

fn field(name: &str, value: &str) -> Value {
    let name = written::shortened(&written::one_line(name), FACT_NAME_CHARACTERS);
    plain(&format!("{name}\n{}", written::shortened(&written::one_line(value), FACT_VALUE_CHARACTERS)))
}

fn headed(sign: &str, headline: &str, sentences: &[String]) -> Value {
    json!({"type": "section", "text": markdown(&format!("{sign} *{headline}*\n{}", sentences.join(" ")))})
}

fn footer(approval: &Approval, site: &Site) -> Value {
    let mut parts = Vec::new();
    if let Some(url) = &site.status_page_url {
        parts.push(format!("<{}|Status page>", escaped(&url.replace('|', "%7C"))));
    }
    parts.push(escaped(&format!("nightly-warehouse {}, question {}", site.environment, approval.id.short())));
    context(&parts.join(" · "))
}

fn message(text: &str, blocks: &[Value]) -> Value {
    json!({"text": text, "unfurl_links": false, "unfurl_media": false, "blocks": blocks})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [markdown(text)]})
}

/// In the reader's own time zone, and in UTC for those who see plain text.
fn moment(at: Timestamp) -> String {
    let utc = written::time(at);
    format!("<!date^{}^{{time}}|{utc}> ({utc})", at.as_second())
}

/// Our own words. `verbatim`: Slack looks for no links and names in them.
fn markdown(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// Words of others, on one line.
fn foreign(text: &str) -> Value {
    plain(&quotable(text))
}

fn quotable(text: &str) -> String {
    written::shortened(&written::one_line(text), QUOTED_CHARACTERS)
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": escaped(text), "emoji": false})
}

/// Slack asks to escape these three characters, and no other.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
