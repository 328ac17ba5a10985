//! Every page but the open question: a sign, what is the case, and what there is to know about it.

use askama::Template;
use nightly_approval::Site;
use nightly_pages::{Frame, Icon};

use super::Foot;

pub(super) const STYLE: &str = concat!(include_str!("../../style/approval.css"), include_str!("../../style/ended.css"));

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

pub(super) struct Ended {
    icon: Icon,
    title: String,
    lead: String,
    sections: Vec<Section>,
}

pub(super) struct Section {
    heading: &'static str,
    content: Content,
}

pub(super) enum Content {
    Text(String),
    Quote {
        text: String,
        by: String,
    },
    Steps(Vec<Step>),
    Log(Vec<LogLine>),
    /// A button that asks for more time.
    MoreTime {
        until: String,
    },
}

pub(super) struct Step {
    text: String,
    command: Option<String>,
}

impl Step {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None }
    }

    pub(super) fn with_command(text: impl Into<String>, command: Option<String>) -> Self {
        Self { text: text.into(), command }
    }
}

pub(super) struct LogLine {
    /// Empty for what comes next.
    pub(super) time: String,
    pub(super) icon: Icon,
    pub(super) text: String,
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
    pub(super) fn new(icon: Icon, title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self { icon, title: title.into(), lead: lead.into(), sections: Vec::new() }
    }

    pub(super) fn with(mut self, heading: &'static str, content: Content) -> Self {
        self.sections.push(Section { heading, content });
        self
    }

    pub(super) fn text(self, heading: &'static str, text: impl Into<String>) -> Self {
        self.with(heading, Content::Text(text.into()))
    }

    pub(super) fn text_first(mut self, heading: &'static str, text: impl Into<String>) -> Self {
        self.sections.insert(0, Section { heading, content: Content::Text(text.into()) });
        self
    }

    pub(super) fn steps(self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.with("What to do", Content::Steps(steps.into_iter().collect()))
    }

    pub(super) fn render_on(&self, site: &Site, foot: Option<Foot>) -> Result<String, askama::Error> {
        EndedPage {
            frame: Frame { environment: &site.environment, style: STYLE },
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
    pub(super) fn ended(self) -> Ended {
        match self {
            Self::Unknown => {
                let lead = "It may have been cut off by a mail program, mistyped, or removed after the question was over.";
                Ended::new(Icon::Idle, "We don’t know this link", lead).steps([
                    Step::new("Open the link from the mail itself. If it is split over two lines, copy both parts."),
                    Step::new("If that doesn’t help, ask the data team on call."),
                ])
            }
            Self::Method => {
                Ended::new(Icon::Idle, "Nothing to do here", "This address shows a question and takes an answer. It does nothing else.")
            }
            Self::Elsewhere => {
                let lead = "It was sent by the page of another site, so nothing was recorded.";
                Ended::new(Icon::Note, "This answer did not come from our page", lead)
                    .steps([Step::new("Open the link from the mail, and answer on the page that it leads to.")])
            }
            Self::Unreadable => {
                let lead = "It is not what the page’s form sends, so nothing was recorded.";
                Ended::new(Icon::Note, "This answer cannot be read", lead)
                    .steps([Step::new("Open the link from the mail again, and answer on the page that it leads to.")])
            }
            Self::Unreachable => {
                let lead = "The record of this question can’t be reached right now. Nothing was changed.";
                Ended::new(Icon::Note, "Please try again in a minute", lead)
                    .steps([Step::new("Open the link again: it stays good until the time to answer is over.")])
            }
            Self::AnswerUncertain => {
                let lead = "The connection to the record broke while your answer was on its way. It may be recorded, or not.";
                Ended::new(Icon::Note, "We can’t tell whether your answer was recorded", lead).steps([
                    Step::new("Open the link again in a minute: it shows what is recorded."),
                    Step::new("If it still asks, answer again. That is safe: an answer counts once, and the first one stays."),
                ])
            }
        }
    }
}
