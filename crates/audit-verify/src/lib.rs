//! Whether what the audit holds is what was written, and what the questions' records tell.

pub mod print;

use std::fmt;

use nightly_domain::approval::{Approval, ApprovalStatus};
use nightly_domain::audit::{self, Audit, Broken, Entry, Event, Occurrence};
use nightly_domain::link::ApprovalId;
use nightly_domain::ports::{Approvals, PortError};

/// What one question's chain came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its entries.
    pub chain: Vec<Entry>,
    /// What is wrong, where something is.
    pub flaw: Option<Flaw>,
}

/// What can be wrong with a chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Flaw {
    /// It is not as it was written.
    Broken(Broken),
    /// An entry says what the question's record doesn't: the chain was written anew from there on.
    Contradicts {
        /// The entry's number.
        sequence: u32,
    },
    /// It ends before what the record tells: its end was cut off, or is still to be written.
    Lacks {
        /// What should stand there.
        missing: Vec<Occurrence>,
        /// The question is still watched, and the watch writes what is missing.
        watched: bool,
    },
    /// There is neither a chain nor a record.
    Unknown,
}

/// A question changes a dozen times in an hour; it is never changed this often while it is looked at.
const ATTEMPTS: usize = 5;

/// Reads and checks one chain. Records are kept for 90 days and chains forever, so many a chain has nothing to be compared with.
pub async fn examine(audit: &impl Audit, records: Option<&impl Approvals>, approval: &ApprovalId) -> Result<Finding, PortError> {
    for _ in 0..ATTEMPTS {
        let before = read(records, approval).await?;
        let chain = audit.entries(approval).await?;
        // A chain is only ever appended to after its record has changed: between two readings of the same record it holds no news.
        if read(records, approval).await? == before {
            let flaw = flaw(before.as_ref(), &chain);
            return Ok(Finding { chain, flaw });
        }
    }
    Err(PortError::new(format!("reading approval {approval} together with its audit"), "others kept writing it"))
}

async fn read(records: Option<&impl Approvals>, approval: &ApprovalId) -> Result<Option<Approval>, PortError> {
    match records {
        Some(records) => records.read(approval).await,
        None => Ok(None),
    }
}

fn flaw(record: Option<&Approval>, chain: &[Entry]) -> Option<Flaw> {
    match (audit::verify(chain), record) {
        (Err(broken), _) => Some(Flaw::Broken(broken)),
        (Ok(()), Some(record)) => contradiction(record, chain).or_else(|| lack(record, chain)),
        (Ok(()), None) => chain.is_empty().then_some(Flaw::Unknown),
    }
}

fn lack(record: &Approval, chain: &[Entry]) -> Option<Flaw> {
    let missing = audit::missing(record, chain);
    let watched = record.status == ApprovalStatus::Pending || record.undelivered().is_some();
    (!missing.is_empty()).then_some(Flaw::Lacks { missing, watched })
}

/// The hashes have no secret, so whoever may write the table can make a whole chain anew. The record still tells what its own time of the
/// question was like; only who opened a page does not stand there.
fn contradiction(record: &Approval, chain: &[Entry]) -> Option<Flaw> {
    let told = audit::told_by(record);
    let contradicts = |occurrence: &Occurrence| {
        let compared = occurrence.generation >= record.generation && !matches!(occurrence.event, Event::Viewed { .. });
        compared && !told.contains(occurrence)
    };
    let entry = chain.iter().find(|entry| entry.occurrence().is_some_and(|occurrence| contradicts(&occurrence)))?;
    Some(Flaw::Contradicts { sequence: entry.sequence })
}

/// What all chains came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    questions: usize,
    entries: usize,
    flawed: usize,
}

impl Sum {
    /// Counts one more chain.
    pub fn count(&mut self, chain: &[Entry], flaw: Option<&Flaw>) {
        self.questions += 1;
        self.entries += chain.len();
        self.flawed += usize::from(flaw.is_some());
    }

    /// Whether every chain holds.
    pub fn is_sound(&self) -> bool {
        self.flawed == 0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = |number, one: &'static str, many: &'static str| if number == 1 { one } else { many };
        let (questions, entries) = (noun(self.questions, "question", "questions"), noun(self.entries, "entry", "entries"));
        write!(formatter, "{} {questions}, {} {entries}, ", self.questions, self.entries)?;
        match self.flawed {
            0 => formatter.write_str("all chains hold"),
            flawed => write!(formatter, "{flawed} {} not hold", noun(flawed, "chain does", "chains do")),
        }
    }
}

#[cfg(test)]
mod tests;
