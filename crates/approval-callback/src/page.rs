//! Which page a record makes for its reader. A page says only what is true when it is shown, and what happens next.

mod question;

use std::sync::LazyLock;

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightly_domain::approval::{Answer, Approval, ApprovalStatus, Approver, Decision, Handover, Ruling, Standing, Verdict};
use nightly_domain::people::Address;
use nightly_pages::{Frame, Icon, written};

use crate::form::Draft;
use crate::{Holder, Site};

const STYLE: &str = include_str!("../style/approval.css");

pub(crate) enum Page {
    /// What the record says to its reader; with a form that is no answer yet.
    Record(Box<Reader>, Option<Draft>),
    /// There is no record to speak of.
    Dead(Dead),
}

/// Who reads which record, when.
pub(crate) struct Reader {
    pub(crate) approval: Approval,
    pub(crate) holder: Holder,
    pub(crate) now: Timestamp,
}

/// Why there is no record to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dead {
    Unknown,
    Method,
    Elsewhere,
    Unreadable,
    Unreachable,
    AnswerUncertain,
}

/// Only the page's two styles apply, nothing runs or loads, forms go nowhere else, and nobody frames it.
pub(crate) static CONTENT_SECURITY_POLICY: LazyLock<String> =
    LazyLock::new(|| frame("").content_security_policy("'self'") + "; frame-ancestors 'none'");

impl Page {
    pub(crate) fn render(&self, site: &Site) -> String {
        let page = match self {
            Self::Dead(dead) => dead.ended().render_on(site, None),
            Self::Record(reader, draft) => match reader.holder {
                Holder::Superseded(place) => {
                    reader.superseded().render_on(site, Some(reader.foot(&reader.approval.superseded[place].address)))
                }
                Holder::Approver(place) => {
                    let foot = reader.foot(&reader.approval.approvers[place].address);
                    match (&reader.approval.status, reader.approval.standing(place, reader.now)) {
                        (ApprovalStatus::Decided { verdict, handover }, _) => {
                            reader.decided(place, verdict, *handover).render_on(site, Some(foot))
                        }
                        (_, Standing::Open) => question::render(reader, place, draft.as_ref(), site, foot),
                        (_, Standing::Counted) => reader.counted(place).render_on(site, Some(foot)),
                        _ => reader.late().render_on(site, Some(foot)),
                    }
                }
            },
        };
        page.expect("the templates write to memory only, which can't fail")
    }
}

fn frame(environment: &str) -> Frame<'_> {
    Frame { environment, style: STYLE }
}

#[derive(Debug)]
struct Foot {
    address: String,
    evidence: String,
    link: String,
    execution: String,
}

/// Every state but the open question: a sign, what is the case, and what is to be known about it.
struct Ended {
    icon: Icon,
    title: String,
    lead: String,
    sections: Vec<Section>,
}

struct Section {
    heading: &'static str,
    content: Content,
}

enum Content {
    Text(String),
    Quote { text: String, by: String },
    Steps(Vec<Step>),
    Log(Vec<LogLine>),
}

struct Step {
    text: String,
    command: Option<String>,
}

struct LogLine {
    /// Empty for what comes next.
    time: String,
    icon: Icon,
    text: String,
}

#[derive(Template)]
#[template(path = "ended.html")]
struct EndedPage<'a> {
    frame: Frame<'a>,
    icon: Icon,
    title: &'a str,
    lead: &'a str,
    sections: &'a [Section],
    status_page: Option<&'a str>,
    foot: Option<Foot>,
}

impl Ended {
    fn new(icon: Icon, title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self { icon, title: title.into(), lead: lead.into(), sections: Vec::new() }
    }

    fn with(mut self, heading: &'static str, content: Content) -> Self {
        self.sections.push(Section { heading, content });
        self
    }

    fn text(self, heading: &'static str, text: impl Into<String>) -> Self {
        self.with(heading, Content::Text(text.into()))
    }

    fn steps(self, steps: impl IntoIterator<Item = &'static str>) -> Self {
        let step = |text: &str| Step { text: text.to_owned(), command: None };
        self.with("What to do", Content::Steps(steps.into_iter().map(step).collect()))
    }

    fn render_on(&self, site: &Site, foot: Option<Foot>) -> Result<String, askama::Error> {
        EndedPage {
            frame: frame(&site.environment),
            icon: self.icon,
            title: &self.title,
            lead: &self.lead,
            sections: &self.sections,
            status_page: site.status_page_url.as_deref(),
            foot,
        }
        .render()
    }
}

impl Dead {
    fn ended(self) -> Ended {
        match self {
            Self::Unknown => {
                let lead = "It may have been cut off by a mail program, mistyped, or removed after the night was over.";
                Ended::new(Icon::Idle, "We don’t know this link", lead).steps([
                    "Open the link from the mail itself. If it is split over two lines, copy both parts.",
                    "If that doesn’t help, ask the data team on call.",
                ])
            }
            Self::Method => {
                Ended::new(Icon::Idle, "Nothing to do here", "This address shows a question and takes an answer. It does nothing else.")
            }
            Self::Elsewhere => {
                let lead = "It was sent by the page of another site, so nothing was recorded.";
                Ended::new(Icon::Note, "This answer did not come from our page", lead)
                    .steps(["Open the link from the mail, and answer on the page that it leads to."])
            }
            Self::Unreadable => {
                let lead = "It is not what the page’s form sends, so nothing was recorded.";
                Ended::new(Icon::Note, "This answer cannot be read", lead)
                    .steps(["Open the link from the mail again, and answer on the page that it leads to."])
            }
            Self::Unreachable => {
                let lead = "The record of this question can’t be reached right now. Nothing was changed.";
                Ended::new(Icon::Note, "Please try again in a minute", lead)
                    .steps(["Open the link again: it stays good until the time to answer is over."])
            }
            Self::AnswerUncertain => {
                let lead = "The connection to the record broke while your answer was on its way. It may be recorded, or not.";
                Ended::new(Icon::Note, "We can’t tell whether your answer was recorded", lead).steps([
                    "Open the link again in a minute: it shows what is recorded.",
                    "If it still asks, answer again. That is safe: an answer counts once, and the first one stays.",
                ])
            }
        }
    }
}

impl Reader {
    fn foot(&self, address: &Address) -> Foot {
        let evidence = &self.approval.evidence;
        Foot {
            address: address.as_str().to_owned(),
            evidence: evidence.digest.short(),
            link: self.approval.id.short().to_owned(),
            execution: evidence.summary.run_id.clone(),
        }
    }

    /// In one piece: a headline must not break inside it.
    fn run_date(&self) -> String {
        written::long_date(self.approval.evidence.summary.run_date.date()).replace(' ', "\u{a0}")
    }

    /// `03:24 UTC`, with the day where that is another one than the reader's.
    fn moment(&self, at: Timestamp) -> String {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        if day(at) == day(self.now) { written::time(at) } else { written::moment(at) }
    }

    /// The reader has approved, others have not yet.
    fn counted(&self, reader: usize) -> Ended {
        let approval = &self.approval;
        let missing = approval.required.saturating_sub(approval.approvals());
        let at = approval.approvers[reader].answer.as_ref().map_or(self.now, |answer| answer.at);
        let lead = format!(
            "Recorded at {}. {} of {} needed approvals have arrived; {} more until {}, and the build is published.",
            self.moment(at),
            approval.approvals(),
            approval.required,
            missing,
            self.moment(approval.expires_at),
        );
        let next = LogLine {
            time: String::new(),
            icon: Icon::Idle,
            text: format!("{}, or a rejection", written::count(missing.into(), "more approval", "more approvals")),
        };
        Ended::new(Icon::Ok, format!("Your approval for {} is recorded", self.run_date()), lead).with("What happened, in UTC", self.log(Some(reader), Some(next))).text(
            "Changed your mind?",
            "An answer is written once and can’t be taken back here. Tell the others who are asked: one rejection still ends the night.",
        )
    }

    fn decided(&self, reader: usize, verdict: &Verdict, handover: Handover) -> Ended {
        let mine = self.approval.approvers[reader].answer.as_ref();
        let ended = self.decision(verdict, handover, mine);
        let ended = match (&verdict.reason, verdict.decision) {
            (Some(reason), Ruling::Rejected) => {
                let by = format!("{}, {}", verdict.by, self.moment(verdict.at));
                ended.with("The reason", Content::Quote { text: reason.clone(), by })
            }
            _ => ended,
        };
        let ended = ended.with("What happened, in UTC", self.log(Some(reader), Some(after(verdict, handover))));
        match (verdict.decision, mine) {
            (Ruling::Approved, Some(_)) => ended.text(
                "Changed your mind?",
                "An answer is written once and can’t be taken back here. Tell the data team on call; they can publish the day again.",
            ),
            (Ruling::Rejected, _) => ended.text(
                "What happens now",
                "The warehouse stays as it is. When the data team runs the night again, you get a new mail with a new link.",
            ),
            (Ruling::Approved, None) => ended,
        }
    }

    /// Title and lead. Before the night has a verdict, no page says that anything is approved or rejected: only what somebody answered.
    fn decision(&self, verdict: &Verdict, handover: Handover, mine: Option<&Answer>) -> Ended {
        let at = self.moment(verdict.at);
        let date = self.run_date();
        let deciding = match verdict.decision {
            Ruling::Approved => mine.is_some(),
            Ruling::Rejected => matches!(mine, Some(Answer { decision: Decision::Reject { .. }, .. })),
        };
        let whose = if deciding { "Your answer".to_owned() } else { format!("The answer of {}", named(&verdict.by)) };
        match (handover, verdict.decision) {
            (Handover::Due, ruling) => {
                let answer = match ruling {
                    Ruling::Approved => "The approvals that are needed",
                    Ruling::Rejected => "A rejection",
                };
                let lead = format!(
                    "{answer} came by {at}, and the night does not have it yet. That is tried again every few minutes; nothing is published before."
                );
                Ended::new(Icon::Wait, format!("{whose} is recorded"), lead)
            }
            (Handover::Closed { .. }, _) => {
                let lead = format!(
                    "It came at {at}. When it was handed over, the night no longer waited: it has gone by this answer already, goes by it now, or was stopped."
                );
                Ended::new(Icon::Wait, format!("{whose} for {date} is recorded"), lead)
            }
            (Handover::Delivered { .. }, Ruling::Approved) => {
                let rows = written::count(verdict.order_lines, "row", "rows");
                let went_on = format!("The night has it, and went on to publish {rows}.");
                if let (true, Some(answer)) = (deciding, mine) {
                    let one_of = match self.approval.required {
                        0 | 1 => String::new(),
                        required => format!(", one of {required} approvals"),
                    };
                    let lead = format!("Recorded at {}{one_of}. {went_on}", self.moment(answer.at));
                    Ended::new(Icon::Ok, format!("You approved the build for {date}"), lead)
                } else {
                    let title = format!("{} approved the build for {date}", named(&verdict.by));
                    Ended::new(Icon::Ok, title, format!("That was at {at}, so your answer isn’t needed any more. {went_on}"))
                }
            }
            (Handover::Delivered { .. }, Ruling::Rejected) => {
                let ended = format!("The build for {date} was not published.");
                if deciding {
                    Ended::new(
                        Icon::Wait,
                        format!("You rejected the build for {date}"),
                        format!("Recorded at {at}. The night has ended, and nothing was published."),
                    )
                } else {
                    let title = format!("{} rejected this build at {at}", verdict.by);
                    Ended::new(Icon::Wait, title, format!("One rejection is enough, so no other answer is needed any more. {ended}"))
                }
            }
        }
    }

    fn late(&self) -> Ended {
        let approval = &self.approval;
        let (settled, at) = match &approval.status {
            ApprovalStatus::Expired { at } => (true, (*at).min(approval.expires_at)),
            _ => (false, approval.expires_at),
        };
        let had = match (approval.approvals(), approval.required) {
            (0, _) => "Nobody had answered".to_owned(),
            (given, required) => format!("{given} of {required} needed approvals had arrived"),
        };
        let so = if settled {
            "so the night ended without publishing."
        } else {
            "and an answer that comes now does not count. The night settles it in a moment."
        };
        let what = format!("The time to answer ended with {} of {} approvals", approval.approvals(), approval.required);
        let over = LogLine { time: written::clock(at), icon: Icon::Wait, text: what };
        let steps = vec![
            Step { text: "Tell the data team on call that the night ran out of time.".to_owned(), command: None },
            Step {
                text: "They start the night again for that date. A night that expired can’t be redriven: it has to be started.".to_owned(),
                command: start_command(&approval.execution_arn, &approval.evidence.summary.run_date.to_string()),
            },
            Step { text: "You get a new mail with a new link.".to_owned(), command: None },
        ];
        Ended::new(Icon::Wait, format!("The time to answer ended at {}", self.moment(at)), format!("{had} for {}, {so}", self.run_date()))
            .text(
                "What this means",
                "The warehouse stays as it is. The build is kept; nothing is lost, and opening or answering this page changes nothing.",
            )
            .with("What to do", Content::Steps(steps))
            .with("What happened, in UTC", self.log(None, Some(over)))
    }

    fn superseded(&self) -> Ended {
        let approval = &self.approval;
        let asked = self.moment(approval.asked_at);
        let lead = format!(
            "The question for {} was put again at {asked}, and everyone got a new link. This one no longer decides anything.",
            self.run_date()
        );
        let until = match approval.status {
            ApprovalStatus::Pending if self.now < approval.expires_at => {
                format!("Answer with the link in that mail, by {}.", self.moment(approval.expires_at))
            }
            _ => "The newer question is over, too: its link shows how it ended.".to_owned(),
        };
        let steps =
            vec![Step { text: format!("Open the newer mail, sent at {asked}."), command: None }, Step { text: until, command: None }];
        Ended::new(Icon::Idle, "A newer question has replaced this one", lead).with("What to do", Content::Steps(steps)).text(
            "Why there is no link here",
            "The new link is as personal as this one was, so it is only ever sent by mail. If the mail hasn’t come, ask the data team on call. Figures may have changed: please look at them again.",
        )
    }

    /// Who did what, in order.
    fn log(&self, reader: Option<usize>, last: Option<LogLine>) -> Content {
        let approval = &self.approval;
        let mut answers: Vec<_> = approval
            .approvers
            .iter()
            .enumerate()
            .filter_map(|(place, approver)| Some((place, approver, approver.answer.as_ref()?)))
            .collect();
        answers.sort_by_key(|(_, _, answer)| answer.at);
        let asked = LogLine { time: written::clock(approval.asked_at), icon: Icon::Ok, text: asked(&approval.approvers) };
        let answered = answers.into_iter().map(|(place, approver, answer)| {
            let person = if reader == Some(place) { "You".to_owned() } else { approver.address.person() };
            let (icon, text) = match &answer.decision {
                Decision::Approve { comment: None } => (Icon::Ok, format!("{person} approved")),
                Decision::Approve { comment: Some(comment) } => (Icon::Ok, format!("{person} approved: “{}”", comment.as_str())),
                Decision::Reject { .. } => (Icon::Wait, format!("{person} rejected")),
            };
            LogLine { time: written::clock(answer.at), icon, text }
        });
        Content::Log(std::iter::once(asked).chain(answered).chain(last).collect())
    }
}

/// What comes after a decision.
fn after(verdict: &Verdict, handover: Handover) -> LogLine {
    let (at, icon, text) = match (handover, verdict.decision) {
        (Handover::Due, _) => (None, Icon::Idle, "The night is told"),
        (Handover::Closed { at }, _) => (Some(at), Icon::Wait, "The night no longer waited"),
        (Handover::Delivered { at }, Ruling::Approved) => (Some(at), Icon::Ok, "The night went on to publish"),
        (Handover::Delivered { at }, Ruling::Rejected) => (Some(at), Icon::Wait, "The night ended without publishing"),
    };
    LogLine { time: at.map(written::clock).unwrap_or_default(), icon, text: text.to_owned() }
}

fn asked(approvers: &[Approver]) -> String {
    match approvers {
        [only] => format!("{} was asked", only.address.person()),
        several => format!("{} people were asked", several.len()),
    }
}

/// `A, B` as `A and B`.
fn named(people: &str) -> String {
    written::list(&people.split(", ").collect::<Vec<_>>())
}

/// How the night is started again, where the execution's ARN tells its state machine.
fn start_command(execution_arn: &str, run_date: &str) -> Option<String> {
    let mut parts: Vec<_> = execution_arn.split(':').collect();
    let [_, _, "states", _, _, kind @ "execution", _, _] = parts.as_mut_slice() else {
        return None;
    };
    *kind = "stateMachine";
    parts.pop();
    Some(format!(
        "aws stepfunctions start-execution \\\n  --state-machine-arn {} \\\n  --input '{{\"runDate\":\"{run_date}\"}}'",
        parts.join(":")
    ))
}
