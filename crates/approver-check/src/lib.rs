//! Looks, before the night asks anybody, who could be asked: an approver whose mail subscription is not confirmed gets no link.

mod post;

use nightly_domain::Named;
use nightly_domain::channel::{Channel, PostError};
use nightly_domain::metrics::{self, Metric};
use nightly_domain::people::{Address, Panel};
use nightly_domain::ports::{Clock, PortError, Subscriptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the function works with.
#[derive(Debug)]
pub struct Ports<Topic, Room, Output, Now> {
    /// Who gets the mails.
    pub subscriptions: Topic,
    /// Where the stakeholders read, if there is such a place.
    pub channel: Option<Room>,
    /// Takes one line of metrics, as JSON.
    pub metrics: Output,
    /// The time.
    pub clock: Now,
    /// Where we are, and who is to be asked.
    pub settings: Settings,
}

/// Where we are, and who is to be asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Such as `prod`.
    pub environment: String,
    /// The stack that the figures are of.
    pub stack: String,
    /// The approvers, the deputies, and how many must approve.
    pub panel: Panel,
    /// Where they are subscribed.
    pub topic_arn: String,
}

/// The event says nothing but that it is time to look.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Request {}

/// Who could be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many approvers there are.
    pub approvers: usize,
    /// How many deputies there are.
    pub deputies: usize,
    /// Who of all of them gets no mail, by name.
    pub unreachable: Vec<String>,
    /// Whether the approvers that do get mail could decide.
    pub enough: bool,
}

/// The night could ask too few people, or that is not known.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nobody knows who has confirmed.
    #[error("who can be mailed is not known")]
    Unknown(#[source] PortError),
    /// Too few approvers have confirmed.
    #[error("{required} must approve, and {reachable} of {approvers} approvers can be mailed")]
    TooFew {
        /// Approvals that decide.
        required: u32,
        /// Approvers who get mail.
        reachable: usize,
        /// All approvers.
        approvers: usize,
    },
    /// Enough have confirmed, but the channel does not know about the others.
    #[error("the channel may not have been told who cannot be mailed")]
    Untold(#[source] PostError),
}

impl Named for CheckError {
    fn name(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "StorageUnavailable",
            Self::TooFew { .. } => "ApproversUnreachable",
            Self::Untold(error) => error.name(),
        }
    }
}

/// Everyone who may be asked, and whom of them no mail reaches.
struct Reach<'panel> {
    panel: &'panel Panel,
    unreachable_approvers: Vec<&'panel Address>,
    unreachable_deputies: Vec<&'panel Address>,
}

/// Looks once, and tells the channel where something is wrong.
pub async fn handle(
    ports: &Ports<impl Subscriptions, impl Channel, impl Fn(&Value), impl Clock>,
    _request: Request,
) -> Result<Report, CheckError> {
    let settings = &ports.settings;
    let confirmed = ports.subscriptions.confirmed().await.map_err(CheckError::Unknown)?;
    let reach = Reach::of(&settings.panel, &confirmed);
    let unreachable = reach.unreachable().count();
    let reachable = Metric::count("ReachableApprovers", reach.people() - unreachable);
    let counts = [Metric::count("UnreachableApprovers", unreachable), reachable];
    (ports.metrics)(&metrics::line(&settings.stack, ports.clock.now(), &[], &counts));

    let told = match &ports.channel {
        Some(channel) if !reach.is_everyone() => channel.post(&post::message(&reach, settings)).await.map(|_| ()),
        _ => Ok(()),
    };
    match told {
        told if reach.is_enough() => told.map_err(CheckError::Untold)?,
        told => {
            if let Err(error) = told {
                tracing::warn!(error = &error as &dyn std::error::Error, "the channel may not have been told");
            }
            let (required, approvers) = (settings.panel.required(), settings.panel.addresses().len());
            return Err(CheckError::TooFew { required, reachable: reach.reachable_approvers(), approvers });
        }
    }
    Ok(Report {
        approvers: settings.panel.addresses().len(),
        deputies: settings.panel.deputies().len(),
        unreachable: reach.unreachable().map(called).collect(),
        enough: true,
    })
}

impl<'panel> Reach<'panel> {
    fn of(panel: &'panel Panel, confirmed: &[Address]) -> Self {
        let unreachable =
            |people: &'panel [Address]| -> Vec<&'panel Address> { people.iter().filter(|person| !person.is_among(confirmed)).collect() };
        Self { panel, unreachable_approvers: unreachable(panel.addresses()), unreachable_deputies: unreachable(panel.deputies()) }
    }

    /// Approvers first.
    fn unreachable(&self) -> impl Iterator<Item = &'panel Address> {
        self.unreachable_approvers.iter().chain(&self.unreachable_deputies).copied()
    }

    fn is_everyone(&self) -> bool {
        self.unreachable().next().is_none()
    }

    fn people(&self) -> usize {
        self.panel.addresses().len() + self.panel.deputies().len()
    }

    fn reachable_approvers(&self) -> usize {
        self.panel.addresses().len() - self.unreachable_approvers.len()
    }

    /// A deputy is asked by an approver who has got a mail, so deputies make it no more.
    fn is_enough(&self) -> bool {
        self.panel.is_enough(self.reachable_approvers())
    }
}

/// A person's name. What can't be made into one stays masked: channels and answers are read by many.
fn called(address: &Address) -> String {
    let name = address.person();
    if name.contains('@') { format!("{address:?}") } else { name }
}

#[cfg(test)]
mod tests;
