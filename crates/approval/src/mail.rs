//! The mails to one approver: the question, the question in somebody's place, the reminders.

use askama::Template;
use nightly_domain::approval::{Approval, Approver, Click, Decision, Notice};
use nightly_domain::evidence::Subject;
use nightly_domain::link::Link;
use nightly_pages::written;

use crate::{Site, words};

/// A mail before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// SNS takes up to 100 ASCII characters.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// There is no such approver, or the template fails.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// Nobody is at that place.
    #[error("the question has no approver {0}")]
    Nobody(usize),
    /// The text could not be made.
    #[error("the template fails")]
    Template(#[from] askama::Error),
}

/// What the approver at this place of [`Approval::approvers`] gets.
pub fn write(approval: &Approval, place: usize, notice: Notice, link: &Link, site: &Site) -> Result<Written, NotWritten> {
    let approver = approval.approvers.get(place).ok_or(NotWritten::Nobody(place))?;
    let text = Text { approval, place, approver, notice, link: link.address(&site.base_url), environment: &site.environment };
    Ok(Written { subject: subject(approval, notice), text: written::plain(&text.render()?) })
}

/// SNS takes no other subject: up to 100 ASCII characters.
const SUBJECT_CHARACTERS: usize = 100;

fn subject(approval: &Approval, notice: Notice) -> String {
    let until = written::time(approval.expires_at);
    let beginning = match notice {
        Notice::Question => "",
        Notice::Delegation => "Handed to you: ",
        Notice::HalfTime => "Reminder: ",
        Notice::LastCall => "Last call: ",
    };
    match &approval.evidence.subject {
        Subject::Build(build) => {
            let date = build.summary.run_date.date();
            let what = if beginning.is_empty() { "Publish" } else { "publish" };
            format!("{beginning}{what} the warehouse for {} {}? Answer by {until}", written::short_date(date), date.year())
        }
        Subject::Request(request) => {
            let before = format!("{beginning}{} by {until}", if beginning.is_empty() { "Answer" } else { "answer" });
            let question =
                in_ascii(&written::one_line(&request.question)).unwrap_or_else(|| "a question waits for your approval".to_owned());
            // An ellipsis of three full stops takes the place of one character.
            let shortened = written::shortened(&question, SUBJECT_CHARACTERS - 4 - before.len()).replace('…', "...");
            format!("{before}: {shortened}")
        }
    }
}

/// The same words in ASCII, where nothing but typography is lost by it.
fn in_ascii(text: &str) -> Option<String> {
    let plain = written::plain(text).replace(['\u{2018}', '\u{2019}'], "'").replace(['\u{201c}', '\u{201d}', '«', '»'], "\"");
    let plain = plain.replace(['\u{2010}', '\u{2011}', '\u{2013}', '\u{2014}'], "-").replace('…', "...");
    plain.is_ascii().then_some(plain)
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    approval: &'a Approval,
    place: usize,
    approver: &'a Approver,
    notice: Notice,
    link: String,
    environment: &'a str,
}

impl Text<'_> {
    /// Why they get this mail, where it is not for the first time that they are asked.
    fn opening(&self) -> Option<String> {
        match self.notice {
            Notice::Question => None,
            Notice::Delegation => {
                let from = self.approver.in_place_of.as_ref().map_or_else(|| "Somebody".to_owned(), words::person);
                Some(format!("{from} has handed this to you."))
            }
            Notice::HalfTime => Some("A reminder: your answer is awaited.".to_owned()),
            Notice::LastCall => Some("Time is running out: your answer is awaited.".to_owned()),
        }
    }

    /// By when, by how many, with whom, and how far it is.
    fn conditions(&self) -> Vec<(&'static str, String)> {
        let mut conditions = Vec::new();
        if let Subject::Request(_) = &self.approval.evidence.subject {
            conditions.push(("Asked by", words::asking_execution(self.approval)));
        }
        conditions.extend(words::starter(self.approval).map(|starter| ("Started by", starter)));
        conditions.push(("Answer by", words::deadline(self.approval)));
        conditions.push(("Needed", self.needed()));
        conditions.extend(words::four_eyes(self.approval, Some(self.approver)).map(|rule| ("Four eyes", rule)));
        let approved = words::approved_by(self.approval);
        if !approved.is_empty() {
            conditions.push(("So far", format!("approved by {}", written::list(&approved))));
        } else if self.is_reminder() {
            conditions.push(("So far", "nobody has answered".to_owned()));
        }
        if self.is_reminder() || !approved.is_empty() {
            let yours = if self.would_decide() { "; yours would decide" } else { "" };
            conditions.push(("Missing", format!("{}{yours}", words::approvals(self.approval.missing()))));
        }
        conditions
    }

    fn needed(&self) -> String {
        let asked: Vec<_> = words::asked(self.approval).collect();
        if let [_] = asked.as_slice() {
            return "your approval".to_owned();
        }
        let people_asked = asked.len();
        let (reader, others): (Vec<_>, Vec<_>) = asked.into_iter().partition(|other| other.address == self.approver.address);
        let people = reader.into_iter().chain(others).map(|approver| words::asked_person(approver, Some(self.approver)));
        format!("{} of {people_asked} asked ({})", words::approvals(self.approval.needed()), people.collect::<Vec<_>>().join(", "))
    }

    /// Whether the question would be decided by this reader's yes.
    fn would_decide(&self) -> bool {
        let yes = self.approval.click(self.place, Decision::Approve { comment: None }, self.approval.asked_at);
        matches!(yes, Click::Counts(next) if next.undelivered().is_some())
    }

    fn is_reminder(&self) -> bool {
        matches!(self.notice, Notice::HalfTime | Notice::LastCall)
    }

    /// When they had the mail before this one, whose link is as good.
    fn earlier(&self) -> Option<String> {
        self.approver.links.iter().filter_map(|link| link.sent_at).max().map(written::time)
    }

    fn closing(&self) -> Vec<String> {
        let mut closing = Vec::new();
        if self.is_reminder() {
            closing.extend(words::more_time(self.approval));
        }
        closing.extend(match &self.approval.evidence.subject {
            Subject::Build(_) => {
                ["If too few answer in time, the night ends without publishing and the".to_owned(), "warehouse stays as it is.".to_owned()]
                    .to_vec()
            }
            Subject::Request(_) => vec!["If too few answer in time, it counts as not approved.".to_owned()],
        });
        closing
    }
}

#[cfg(test)]
mod tests;
