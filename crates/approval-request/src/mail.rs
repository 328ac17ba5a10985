//! The mail that puts the question to one approver.

use askama::Template;
use jiff::Timestamp;
use nightly_domain::approval::{Approval, Approver};
use nightly_domain::evidence::Evidence;
use nightly_domain::link::{ApprovalId, Link};
use nightly_pages::written;

use crate::Settings;

pub(crate) struct Written {
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// The question as this approver gets it.
pub(crate) fn write(approval: &Approval, approver: &Approver, link: &Link, settings: &Settings) -> Result<Written, askama::Error> {
    let subject = Subject { evidence: &approval.evidence, expires_at: approval.expires_at }.render()?;
    let text = Text {
        approval_id: &approval.id,
        approver,
        approvers: &approval.approvers,
        required: approval.required,
        evidence: &approval.evidence,
        expires_at: approval.expires_at,
        link: link.address(&settings.base_url),
        environment: &settings.environment,
    };
    Ok(Written { subject: subject.trim_end().to_owned(), text: written::plain(&text.render()?) })
}

/// SNS takes up to 100 ASCII characters.
#[derive(Template)]
#[template(path = "subject.txt")]
struct Subject<'a> {
    evidence: &'a Evidence,
    expires_at: Timestamp,
}

impl Subject<'_> {
    fn short_date(&self) -> String {
        let date = self.evidence.summary.run_date.date();
        format!("{} {}", written::short_date(date), date.year())
    }
}

#[derive(Template)]
#[template(path = "text.txt")]
struct Text<'a> {
    approval_id: &'a ApprovalId,
    approver: &'a Approver,
    approvers: &'a [Approver],
    required: u32,
    evidence: &'a Evidence,
    expires_at: Timestamp,
    link: String,
    environment: &'a str,
}

impl Text<'_> {
    /// Categories that are worth a word in a mail.
    const LARGEST: usize = 3;

    fn needed(&self) -> String {
        if self.approvers.len() == 1 {
            return "your approval".to_owned();
        }
        let others = self.approvers.iter().filter(|other| other.address != self.approver.address);
        let people: Vec<_> = std::iter::once("you".to_owned()).chain(others.map(|other| other.address.person())).collect();
        let approvals = written::count(self.required.into(), "approval", "approvals");
        format!("{approvals} of {} asked ({})", self.approvers.len(), people.join(", "))
    }

    fn quality(&self) -> String {
        let quality = &self.evidence.quality;
        format!("{} of {}", quality.passed(), written::count(quality.rules.len() as u64, "rule passes", "rules pass"))
    }

    fn largest(&self) -> Option<String> {
        let categories =
            self.evidence.summary.categories.iter().filter_map(|figures| Some((figures.category.as_ref()?, figures.revenue_base)));
        let largest: Vec<_> = categories.take(Self::LARGEST).map(|(name, revenue)| format!("{name} {}", written::whole(revenue))).collect();
        (!largest.is_empty()).then(|| largest.join(", "))
    }

    fn notes(&self) -> Vec<String> {
        let summary = &self.evidence.summary;
        let mut notes = Vec::new();
        if let Some(days) = summary.rate_age_days() {
            let of = written::long_date(summary.rates.effective_date);
            notes.push(format!("exchange rates are of {of}, {} older than the run date", written::count(days, "day", "days")));
        }
        if summary.unmatched_lines > 0 {
            let lines = written::count(summary.unmatched_lines, "order line has", "order lines have");
            notes.push(format!("{lines} no item in the inventory"));
        }
        notes
    }
}
