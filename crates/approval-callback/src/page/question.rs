//! The open question: what is asked about on one side, the answer on the other.

use askama::Template;
use nightly_approval::Site;
use nightly_domain::approval::{Approver, Click, Decision};
use nightly_domain::evidence::{Request, Subject};
use nightly_domain::people::Address;
use nightly_pages::{Frame, Icon, written};

use super::build::{BuildView, Detail};
use super::outcome::asked_at;
use super::{Foot, Reading, excerpt, unbroken};
use crate::form::{Draft, Part};

pub(super) const STYLE: &str = concat!(include_str!("../../style/approval.css"), include_str!("../../style/question.css"));

/// A page is no longer than that, as long as it can be helped.
const BYTES: usize = 20_000;

/// What is shown when there is much to show: less and less, until it fits. Beside the evidence, so many bytes of each comment.
const DETAILS: [(Detail, usize); 4] = [
    (Detail { categories: 6, passing_rules: 12, rule_bytes: 240 }, 280),
    (Detail { categories: 6, passing_rules: 8, rule_bytes: 120 }, 120),
    (Detail { categories: 5, passing_rules: 4, rule_bytes: 100 }, 60),
    (Detail { categories: 3, passing_rules: 2, rule_bytes: 80 }, 0),
];

pub(super) fn render(reading: &Reading, draft: Option<&Draft>, site: &Site) -> Result<String, askama::Error> {
    let mut page = String::new();
    for (detail, comment_bytes) in DETAILS {
        page = render_in(detail, comment_bytes, reading, draft, site)?;
        if page.len() <= BYTES {
            break;
        }
    }
    Ok(page)
}

fn render_in(detail: Detail, comment_bytes: usize, reading: &Reading, draft: Option<&Draft>, site: &Site) -> Result<String, askama::Error> {
    let approval = &reading.approval;
    let (given, missing) = (approval.approvals(), approval.missing());
    let subject = match &approval.evidence.subject {
        Subject::Build(build) => Matter::Build(Box::new(BuildView::of(build, detail))),
        Subject::Request(request) => Matter::Request(request),
    };
    let title = match &approval.evidence.subject {
        Subject::Build(build) => format!("Publish {}?", unbroken(&written::long_date(build.summary.run_date.date()))),
        Subject::Request(request) => request.question.clone(),
    };
    QuestionPage {
        frame: Frame { environment: &site.environment, style: STYLE },
        title,
        matter: subject,
        due: reading.moment(approval.expires_at),
        due_machine: approval.expires_at.to_string(),
        left: left(reading),
        too_late: match approval.evidence.subject {
            Subject::Build(_) => "After that, the night ends without publishing.",
            Subject::Request(_) => "After that, it counts as not approved.",
        },
        extended: approval
            .extension
            .as_ref()
            .map(|extension| format!("{} asked for more time at {}.", extension.by.person(), reading.moment(extension.at))),
        segments: (0..given + missing).map(|segment| segment < given).collect(),
        count: format!("{given} of {} approvals", given + missing),
        people: approval.approvers.iter().enumerate().map(|(place, approver)| person(reading, place, approver, comment_bytes)).collect(),
        answer: reading.place().map(|place| Answering::of(reading, place, draft)),
        foot: reading.foot(),
    }
    .render()
}

#[derive(Template)]
#[template(path = "question.html")]
struct QuestionPage<'a> {
    frame: Frame<'a>,
    title: String,
    matter: Matter<'a>,
    due: String,
    due_machine: String,
    left: String,
    too_late: &'static str,
    extended: Option<String>,
    segments: Vec<bool>,
    count: String,
    people: Vec<Person>,
    /// `None` for who can only look.
    answer: Option<Answering<'a>>,
    foot: Foot,
}

enum Matter<'a> {
    Build(Box<BuildView<'a>>),
    Request(&'a Request),
}

struct Person {
    icon: Icon,
    name: String,
    note: Option<String>,
    state: String,
    comment: Option<String>,
}

/// What this approver can do.
struct Answering<'a> {
    /// What they have to know first.
    notes: Vec<String>,
    problem: Option<&'a str>,
    part: Part,
    comment: &'a str,
    reason: &'a str,
    seen: &'static str,
    approve: &'static str,
    consequence: String,
    rejection: Rejection,
    deputies: Vec<&'a Address>,
    more_time: Option<String>,
}

struct Rejection {
    summary: &'static str,
    hint: &'static str,
    button: &'static str,
}

impl<'a> Answering<'a> {
    fn of(reading: &'a Reading, place: usize, draft: Option<&'a Draft>) -> Self {
        let approval = &reading.approval;
        let approver = &approval.approvers[place];
        let is_build = approval.evidence.build().is_some();
        let (approve, consequence) = approving(reading, place);
        let mut notes = Vec::new();
        if let Some(person) = &approver.in_place_of {
            notes.push(format!("{} has handed this to you: your answer counts in their place.", person.person()));
        }
        let seconded = approval.approvers.iter().any(|other| other.answer.is_some() && !approval.started_by.is(&other.address));
        if approval.started_by.is(&approver.address) && !seconded {
            notes.push(format!("You began this {}, so your approval alone does not decide: somebody else has to agree.", reading.waiter()));
        } else if approval.needed() > approval.required && approval.missing() > 1 {
            notes.push(reading.why_other_eyes(place));
        }
        Self {
            notes,
            problem: draft.map(|draft| draft.problem.as_str()),
            part: draft.map_or(Part::Approval, |draft| draft.part),
            comment: draft.map_or("", |draft| &draft.comment),
            reason: draft.map_or("", |draft| &draft.reason),
            seen: if is_build { "I have looked at these figures" } else { "I have looked at this" },
            approve,
            consequence,
            rejection: if is_build {
                Rejection {
                    summary: "Reject this build instead…",
                    hint: "The data team and the other approvers will read it. One rejection ends the night; the warehouse stays as it is.",
                    button: "Reject, don’t publish",
                }
            } else {
                Rejection {
                    summary: "Reject this instead…",
                    hint: "The people who asked and the other approvers will read it. One rejection makes the answer a no.",
                    button: "Reject",
                }
            },
            deputies: approval.free_deputies().collect(),
            more_time: approval.more_time().ok().map(|until| reading.moment(until)),
        }
    }

    fn rejecting(&self) -> bool {
        self.part == Part::Rejection
    }

    fn handing_on(&self) -> bool {
        self.part == Part::HandingOn
    }
}

/// What the button says, and what pressing it does.
fn approving(reading: &Reading, place: usize) -> (&'static str, String) {
    let approval = &reading.approval;
    let is_build = approval.evidence.build().is_some();
    let after = match approval.click(place, Decision::Approve { comment: None }, reading.now) {
        Click::Counts(after) => *after,
        Click::Void(_) | Click::Refused(_) => approval.clone(),
    };
    if after.undelivered().is_some() {
        return if is_build {
            ("Approve and publish", "Yours completes the count: publishing starts at once.".to_owned())
        } else {
            ("Approve", "Yours completes the count: what is asked for goes ahead at once.".to_owned())
        };
    }
    let whose = if after.approvals() >= after.needed() { ", by somebody else" } else { "" };
    let more = written::count(after.missing().into(), "more approval is", "more approvals are");
    ("Approve", format!("After yours, {more} needed{whose}."))
}

fn left(reading: &Reading) -> String {
    let minutes = reading.approval.expires_at.duration_since(reading.now).as_mins();
    let minutes = match u64::try_from(minutes) {
        Ok(minutes @ 1..) => written::count(minutes, "minute", "minutes"),
        _ => "less than a minute".to_owned(),
    };
    format!("That is {minutes} from {}, when this page was opened.", written::time(reading.now))
}

/// All of a comment stands in the audit.
fn person(reading: &Reading, place: usize, approver: &Approver, comment_bytes: usize) -> Person {
    let is_reader = reading.place() == Some(place);
    let name = approver.address.person();
    let name = if is_reader { format!("You, {name}") } else { name };
    let place_of = approver.in_place_of.as_ref().map(|person| format!("for {}", person.person()));
    let starter = reading.approval.started_by.is(&approver.address).then(|| format!("began this {}", reading.waiter()));
    let (icon, state) = match (&approver.answer, &approver.handed_on, asked_at(approver)) {
        (Some(answer), _, _) => (Icon::Ok, format!("approved {}", written::time(answer.at))),
        (None, Some(handed), _) => (Icon::Idle, format!("handed on {}", written::time(handed.at))),
        (None, None, Some(at)) => (if is_reader { Icon::Wait } else { Icon::Idle }, format!("asked {}", written::time(at))),
        (None, None, None) => (Icon::Idle, "mail under way".to_owned()),
    };
    let comment = match approver.answer.as_ref().map(|answer| &answer.decision) {
        Some(Decision::Approve { comment: Some(comment) }) if comment_bytes > 0 => Some(excerpt(comment.as_str(), comment_bytes)),
        _ => None,
    };
    Person { icon, name, note: place_of.or(starter), state, comment }
}
