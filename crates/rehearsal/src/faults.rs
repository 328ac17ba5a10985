//! What goes wrong: drawn from the seed, or one fault that was planned, or none.

use std::collections::HashMap;
use std::fmt;

use crate::chance::Chance;

/// What can become of a call of a port, of a task or of a delivery, other than that it works.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A port's call fails and has done nothing.
    FailsBefore,
    /// A port's call has done its work, and the caller sees a failure.
    FailsAfter,
    /// The function crashes when it is about to make the call.
    CrashesBefore,
    /// The function crashes when the call has done its work.
    CrashesAfter,
    /// The call is never answered: the function runs into its timeout.
    Hangs,
    /// It takes seconds instead of milliseconds; a job takes four times as long.
    Slow,
    /// A task's call fails with this error and has done nothing.
    Error(String),
    /// A task's call has done its work, and Step Functions sees this error.
    ErrorAfter(String),
    /// A job fails on its way.
    JobFails,
    /// A job runs until it is cut off.
    JobTimesOut,
    /// A job ends exactly when the task's own time is over.
    EndsAtTheTimeout,
    /// What is delivered at least once is delivered twice.
    Twice,
    /// It is not delivered this time.
    Lost,
    /// It is delivered a minute late.
    Late,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailsBefore => formatter.write_str("fails before its effect"),
            Self::FailsAfter => formatter.write_str("fails after its effect"),
            Self::CrashesBefore => formatter.write_str("is not reached: the function crashes before it"),
            Self::CrashesAfter => formatter.write_str("is the function's last: it crashes after it"),
            Self::Hangs => formatter.write_str("is never answered"),
            Self::Slow => formatter.write_str("is slow"),
            Self::Error(name) => write!(formatter, "fails with {name} before its effect"),
            Self::ErrorAfter(name) => write!(formatter, "fails with {name} after its effect"),
            Self::JobFails => formatter.write_str("fails on its way"),
            Self::JobTimesOut => formatter.write_str("runs until it is cut off"),
            Self::EndsAtTheTimeout => formatter.write_str("ends exactly at the task's timeout"),
            Self::Twice => formatter.write_str("is delivered twice"),
            Self::Lost => formatter.write_str("is not delivered"),
            Self::Late => formatter.write_str("is delivered late"),
        }
    }
}

/// A place where something can go wrong: whose call, which call, and the how manieth of that name in the night, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// A function, or a state of the definition.
    pub who: String,
    /// A port's call; empty for a state's task.
    pub call: String,
    /// From 0.
    pub occurrence: u32,
}

impl fmt::Display for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, call, occurrence } = self;
        let space = if call.is_empty() { "" } else { " " };
        write!(formatter, "{who}{space}{call} #{occurrence}")
    }
}

/// Where faults come from.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    source: Source,
    occurrences: HashMap<(String, &'static str), u32>,
    /// Every site that was passed, with what could have gone wrong there; kept on demand.
    passed: Option<Vec<(Site, Vec<Fault>)>>,
}

#[derive(Debug, Clone)]
enum Source {
    Nothing,
    Drawn { chance: Chance, share: f64 },
    Planned(Site, Fault),
}

impl Faults {
    pub(crate) fn none() -> Self {
        Self::from(Source::Nothing)
    }

    /// At each site with this probability.
    pub(crate) fn drawn(chance: Chance, share: f64) -> Self {
        Self::from(if share > 0.0 { Source::Drawn { chance, share } } else { Source::Nothing })
    }

    pub(crate) fn planned(site: Site, fault: Fault) -> Self {
        Self::from(Source::Planned(site, fault))
    }

    /// Keeps every site that is passed.
    pub(crate) fn noting(self) -> Self {
        Self { passed: Some(Vec::new()), ..self }
    }

    pub(crate) fn passed(self) -> Vec<(Site, Vec<Fault>)> {
        self.passed.unwrap_or_default()
    }

    fn from(source: Source) -> Self {
        Self { source, occurrences: HashMap::new(), passed: None }
    }

    /// What goes wrong here, if anything. `possible` is only asked where that matters.
    pub(crate) fn at(&mut self, who: &str, call: &'static str, possible: impl FnOnce() -> Vec<Fault>) -> Option<Fault> {
        if matches!(self.source, Source::Nothing) && self.passed.is_none() {
            return None;
        }
        let counted = self.occurrences.entry((who.to_owned(), call)).or_default();
        let occurrence = *counted;
        *counted += 1;
        if let Some(passed) = &mut self.passed {
            passed.push((Site { who: who.to_owned(), call: call.to_owned(), occurrence }, possible()));
            return None;
        }
        match &self.source {
            Source::Nothing => None,
            Source::Drawn { chance, share } => {
                let mut chance = chance.of((who, call, u64::from(occurrence)));
                if !chance.happens(*share) {
                    return None;
                }
                let possible = possible();
                (!possible.is_empty()).then(|| chance.one_of(&possible).clone())
            }
            Source::Planned(site, fault) => (site.occurrence == occurrence && site.who == who && site.call == call).then(|| fault.clone()),
        }
    }
}
