//! Chains as people read them in a terminal. People are called by name: what a terminal shows is easily passed on.

use std::fmt::Write;

use nightly_domain::approval::{Decision, Notice, Remark, Ruling, Waiver};
use nightly_domain::audit::{Entry, Event, Occurrence, Reader};
use nightly_domain::history::ExecutionEnd;
use nightly_domain::link::ApprovalId;
use nightly_domain::people::{Address, Starter};

use crate::Flaw;

/// Digits of a digest that tell two builds apart.
const DIGITS: usize = 12;

/// One question: a line that says whether its chain holds, and what it holds, if that is wanted.
pub fn question(approval: &ApprovalId, chain: &[Entry], flaw: Option<&Flaw>, with_entries: bool) -> String {
    let entries = format!("{} {}", chain.len(), if chain.len() == 1 { "entry" } else { "entries" });
    let mut text = match flaw {
        None => format!("✓ {approval}  {entries}\n"),
        Some(flaw) => format!("✗ {approval}  {entries}: {}\n", wrong(flaw)),
    };
    if with_entries {
        let who = |occurrence: &Occurrence| occurrence.approver.as_ref().map_or_else(String::new, Address::person);
        let occurrences: Vec<_> = chain.iter().map(|entry| (entry.sequence, entry.occurrence())).collect();
        let names = occurrences.iter().filter_map(|(_, occurrence)| occurrence.as_ref()).map(|occurrence| who(occurrence).chars().count());
        let width = names.max().unwrap_or_default();
        for (sequence, occurrence) in &occurrences {
            let line = match occurrence {
                None => format!("{sequence:>5}  cannot be read"),
                Some(occurrence) => {
                    let Occurrence { at, generation, .. } = occurrence;
                    let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
                    format!("{sequence:>5}  {at}  {generation}  {:width$}  {}", who(occurrence), what(&occurrence.event))
                }
            };
            writeln!(text, "{}", harmless(&line)).expect("a string takes everything");
        }
    }
    text
}

fn wrong(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Broken(broken) => broken.to_string(),
        Flaw::Contradicts { sequence } => format!("entry {sequence} says what the question's record does not"),
        Flaw::Lacks { missing, watched } => {
            let lacking: Vec<_> = missing.iter().map(|occurrence| what(&occurrence.event)).collect();
            let hope = if *watched { "; the question is still open, and the watch may yet write it" } else { "" };
            harmless(&format!("its end is missing: {}{hope}", lacking.join(", ")))
        }
        Flaw::Unknown => "there is no such question".to_owned(),
    }
}

fn what(event: &Event) -> String {
    match event {
        Event::Asked { people, required, evidence_digest } => {
            let digest: String = evidence_digest.chars().take(DIGITS).collect();
            let people = if *people == 1 { "1 person was".to_owned() } else { format!("{people} people were") };
            format!("{people} asked about {digest}…, {required} must approve")
        }
        Event::Mailed { notice: Notice::Question } => "was mailed the question".to_owned(),
        Event::Mailed { notice: Notice::Delegation } => "was mailed the question as a deputy".to_owned(),
        Event::Mailed { notice: Notice::HalfTime } => "was reminded at half time".to_owned(),
        Event::Mailed { notice: Notice::LastCall } => "was reminded before the end".to_owned(),
        Event::Viewed { reader: Reader::Person } => "opened the page".to_owned(),
        Event::Viewed { reader: Reader::Scanner } => "has a mail scanner that opened the page".to_owned(),
        Event::Answered { decision: Decision::Approve { comment } } => with("approved", comment.as_ref()),
        Event::Answered { decision: Decision::Reject { reason } } => with("rejected", Some(reason)),
        Event::HandedOn { to } => format!("handed the answer on to {}", to.person()),
        Event::Extended { until } => format!("extended the time to {}", until.strftime("%H:%M:%SZ")),
        Event::Decided { ruling: Ruling::Approved } => "decided: approved".to_owned(),
        Event::Decided { ruling: Ruling::Rejected } => "decided: rejected".to_owned(),
        Event::Decided { ruling: Ruling::Expired } => "decided: the time ran out".to_owned(),
        Event::Delivered => "the execution took the verdict".to_owned(),
        Event::Closed { end: None } => "nobody waited for the verdict, and the execution went on".to_owned(),
        Event::Closed { end: Some(end) } => format!("nobody waited for the verdict: the execution {}", ended(end)),
        Event::Superseded => "was put again".to_owned(),
        Event::Expired => "the definition settled that the time ran out".to_owned(),
        Event::Waived { waiver: Waiver::Flag, started_by, .. } => format!("nobody was asked, by the word of {}", starter(started_by)),
        Event::Waived { waiver: Waiver::Batch { by, at, .. }, .. } => {
            format!("nobody was asked again: {by} had approved it with others at {}", at.strftime("%Y-%m-%d %H:%M:%SZ"))
        }
        Event::Cancelled { end } => format!("cancelled: the execution {}", ended(end)),
    }
}

fn starter(started_by: &Starter) -> String {
    match started_by {
        Starter::Schedule => "the schedule".to_owned(),
        Starter::Named(name) => name.parse::<Address>().map_or_else(|_| name.clone(), |address| address.person()),
        Starter::Unnamed => "somebody who gave no name".to_owned(),
    }
}

fn with(act: &str, remark: Option<&Remark>) -> String {
    remark.map_or_else(|| act.to_owned(), |remark| format!("{act}: «{}»", remark.as_str()))
}

fn ended(end: &ExecutionEnd) -> String {
    match end {
        ExecutionEnd::Succeeded => "had ended".to_owned(),
        ExecutionEnd::Failed { error } => format!("had failed with {error}"),
        ExecutionEnd::TimedOut => "had timed out".to_owned(),
        ExecutionEnd::Aborted => "had been stopped".to_owned(),
    }
}

/// On one line, and without anything that a terminal would obey: a chain that was meddled with may hold whatever somebody put there.
fn harmless(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
