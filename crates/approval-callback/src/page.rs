//! Which page a record makes for its reader. A page says only what is true when it is shown, and what happens next.

mod build;
mod chart;
mod ended;
mod outcome;
mod question;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightly_domain::approval::{Approval, ApprovalStatus, Standing};
use nightly_domain::evidence::Subject;
use nightly_domain::people::Address;
use nightly_pages::{Frame, written};

pub(crate) use self::ended::Dead;
use crate::Holder;
use crate::form::Draft;
use nightly_approval::Site;

pub(crate) enum Page {
    /// What the record says to its reader; with a form that is no act yet.
    Record(Box<Reading>, Option<Draft>),
    /// There is no record to speak of.
    Dead(Dead),
}

/// Who reads which record, when.
pub(crate) struct Reading {
    pub(crate) approval: Approval,
    pub(crate) holder: Holder,
    pub(crate) now: Timestamp,
}

impl Page {
    /// Only the page's two styles apply, nothing runs or loads, forms go nowhere else, and nobody frames it.
    pub(crate) fn content_security_policy(&self) -> String {
        let style = match self {
            Self::Record(reading, _) if reading.state() == State::Open => question::STYLE,
            Self::Record(..) | Self::Dead(_) => ended::STYLE,
        };
        Frame { environment: "", style }.content_security_policy("'self'") + "; frame-ancestors 'none'"
    }

    pub(crate) fn render(&self, site: &Site) -> String {
        let page = match self {
            Self::Dead(dead) => dead.ended().render_on(site, None),
            Self::Record(reading, draft) => match reading.state() {
                State::Open => question::render(reading, draft.as_ref(), site),
                state => {
                    // The status page tells of nights only.
                    let nights =
                        reading.approval.evidence.build().map_or_else(|| Site { status_page_url: None, ..site.clone() }, |_| site.clone());
                    reading.ended(state).render_on(&nights, Some(reading.foot()))
                }
            },
        };
        page.expect("the templates write to memory only, which can't fail")
    }
}

/// What the question is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits for an answer: the reader's own, or, for who can only look, anybody's.
    Open,
    Counted,
    HandedOn,
    Decided,
    /// The time is over, and nobody has settled that.
    Overdue,
    Expired,
    Cancelled,
    Superseded,
}

impl Reading {
    fn state(&self) -> State {
        let standing = match self.holder {
            Holder::Superseded(_) => return State::Superseded,
            // Nobody's answer of their own stands between them and the question.
            Holder::Viewer if self.approval.status == ApprovalStatus::Pending && self.now < self.approval.expires_at => return State::Open,
            Holder::Viewer => self.approval.standing(usize::MAX, self.now),
            Holder::Approver(place) => self.approval.standing(place, self.now),
        };
        match standing {
            Standing::Open => State::Open,
            Standing::Counted => State::Counted,
            Standing::HandedOn => State::HandedOn,
            Standing::Decided => State::Decided,
            Standing::Overdue => State::Overdue,
            Standing::Expired => State::Expired,
            Standing::Cancelled => State::Cancelled,
        }
    }

    /// The reader's place among those who may answer.
    fn place(&self) -> Option<usize> {
        match self.holder {
            Holder::Approver(place) => Some(place),
            Holder::Superseded(_) | Holder::Viewer => None,
        }
    }

    fn foot(&self) -> Foot {
        let approval = &self.approval;
        let personal = |address: &Address| Some(address.as_str().to_owned());
        Foot {
            personal_to: match self.holder {
                Holder::Approver(place) => personal(&approval.approvers[place].address),
                Holder::Superseded(place) => personal(&approval.superseded[place].address),
                Holder::Viewer => None,
            },
            evidence: approval.evidence.digest.short(),
            link: approval.id.short().to_owned(),
            execution: self.execution().to_owned(),
        }
    }

    /// The execution's name.
    fn execution(&self) -> &str {
        let arn = &self.approval.execution_arn;
        arn.rsplit(':').next().unwrap_or(arn)
    }

    /// `03:24 UTC`, with the day where that is another one than the reader's.
    fn moment(&self, at: Timestamp) -> String {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        if day(at) == day(self.now) { written::time(at) } else { written::moment(at) }
    }

    /// `the build for 20 November 2026`, in one piece as far as the date goes; `this request`.
    fn matter(&self) -> String {
        match &self.approval.evidence.subject {
            Subject::Build(build) => format!("the build for {}", unbroken(&written::long_date(build.summary.run_date.date()))),
            Subject::Request(_) => "this request".to_owned(),
        }
    }

    /// Who waits for the answer: `night`, or any `execution`.
    fn waiter(&self) -> &'static str {
        match self.approval.evidence.subject {
            Subject::Build(_) => "night",
            Subject::Request(_) => "execution",
        }
    }
}

/// Text that no line breaks in.
fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

#[derive(Debug)]
struct Foot {
    /// `None` for the link of the channel.
    personal_to: Option<String>,
    evidence: String,
    link: String,
    execution: String,
}

/// The beginning of a text, as much of it as needs no more than so many bytes on the page.
fn excerpt(text: &str, bytes: usize) -> String {
    let mut left = bytes;
    for (place, character) in text.char_indices() {
        let needed = if matches!(character, '&' | '<' | '>' | '"' | '\'') { 5 } else { character.len_utf8() };
        match left.checked_sub(needed) {
            Some(less) => left = less,
            None => return format!("{} …", text[..place].trim_end()),
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_cut_between_characters_and_counts_what_escaping_adds() {
        for (text, bytes, cut) in
            [("", 0, ""), ("Fine.", 5, "Fine."), ("Fine.", 4, "Fine …"), ("a & b", 8, "a & …"), ("ø✓", 4, "ø …"), ("\"", 4, " …")]
        {
            assert_eq!(excerpt(text, bytes), cut, "{text} in {bytes}");
        }
    }
}
