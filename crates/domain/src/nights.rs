//! The run registry, and what was told of each ending: two tables that nobody writes but on a condition.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::ports::PortError;
use crate::{Outcome, RunDate};

/// The run registry: one row a run date, claimed by the execution that builds it.
pub trait Nights: Send + Sync {
    /// Writes into the row how its owner ended, unless the row is another execution's or says that the date is published.
    fn end(&self, night: &EndedNight) -> impl Future<Output = Result<Standing, PortError>> + Send;
}

/// An execution of a run date that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedNight {
    /// The date that it was to build.
    pub run_date: RunDate,
    /// The execution's ARN.
    pub owner: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub ended_at: Timestamp,
    /// The error's name, where it has one.
    pub error: Option<String>,
}

/// How the row stands, after somebody wanted to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It says so now.
    Ended,
    /// This execution has published the date, whatever came after.
    Published {
        /// When, where the row says it.
        at: Option<Timestamp>,
    },
    /// Another execution holds the night.
    AnothersNight,
    /// Nobody has claimed the date.
    Unclaimed,
}

/// What was told of each ending, and by which way: what keeps two deliveries of one event from telling it twice.
pub trait Notices: Send + Sync {
    /// Takes it on the caller to tell this by that medium, unless it is told, or somebody has taken it on less than [`PATIENCE`] ago. Of
    /// two callers at once, one wins.
    fn begin(&self, notice: &NoticeId, medium: Medium, now: Timestamp) -> impl Future<Output = Result<Begun, PortError>> + Send;

    /// It is told.
    fn told(&self, notice: &NoticeId, medium: Medium, at: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Whoever began at that moment has not told it: the next may begin at once.
    fn give_up(&self, notice: &NoticeId, medium: Medium, begun_at: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// How long whoever has begun to tell may take: longer than a function has.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(90);

/// One thing to be told: an execution's ending, which a redrive makes another one of, or that it has published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeId(String);

impl NoticeId {
    /// That this execution did not end well, after so many redrives.
    pub fn ending(execution_arn: &str, redrives: u32) -> Self {
        Self(format!("{execution_arn}#{redrives}"))
    }

    /// What this execution itself says that it came to.
    pub fn outcome(execution_arn: &str, outcome: &Outcome) -> Self {
        Self(format!("{execution_arn}#{}", outcome.name()))
    }

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A way on which an ending is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// The channel.
    Slack,
    /// The mailing list.
    Mail,
    /// The dashboard's figures.
    Metrics,
}

impl Medium {
    /// As attributes are named.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Mail => "mail",
            Self::Metrics => "metrics",
        }
    }
}

/// Whether the caller is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Yes, and nobody else.
    Yes,
    /// Somebody else is at it, or has crashed at it.
    UnderWay,
    /// It is told.
    Told {
        /// When.
        at: Timestamp,
    },
}

/// The registry and the notices in memory, behind a gate.
#[cfg(any(test, feature = "memory"))]
mod memory {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::{Begun, EndedNight, Medium, NoticeId, Notices, PATIENCE, PortError, RunDate, Standing, Timestamp};
    use crate::memory::Gate;

    /// A row of the registry.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Row {
        /// The execution that holds the night.
        pub owner: String,
        /// `RUNNING`, `PUBLISHED` or an outcome's name.
        pub status: String,
        /// When it was published.
        pub published_at: Option<Timestamp>,
        /// When it ended otherwise.
        pub ended_at: Option<Timestamp>,
        /// By which error.
        pub error: Option<String>,
    }

    type Told = BTreeMap<(NoticeId, Medium), (Option<Timestamp>, Option<Timestamp>)>;

    /// Both tables in memory.
    #[derive(Debug, Clone, Default)]
    pub struct MemoryNights {
        gate: Arc<Gate>,
        rows: Arc<Mutex<BTreeMap<RunDate, Row>>>,
        told: Arc<Mutex<Told>>,
    }

    fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl MemoryNights {
        /// Empty tables behind this gate.
        pub fn behind(gate: &Arc<Gate>) -> Self {
            Self { gate: Arc::clone(gate), ..Self::default() }
        }

        /// Puts a row there without passing the gate.
        pub fn put(&self, run_date: RunDate, row: Row) {
            locked(&self.rows).insert(run_date, row);
        }

        /// The row, without passing the gate.
        pub fn row(&self, run_date: RunDate) -> Option<Row> {
            locked(&self.rows).get(&run_date).cloned()
        }
    }

    impl super::Nights for MemoryNights {
        async fn end(&self, night: &EndedNight) -> Result<Standing, PortError> {
            let end = || {
                let mut rows = locked(&self.rows);
                let Some(row) = rows.get_mut(&night.run_date) else { return Standing::Unclaimed };
                if row.owner != night.owner {
                    return Standing::AnothersNight;
                }
                if row.status == "PUBLISHED" {
                    return Standing::Published { at: row.published_at };
                }
                night.outcome.name().clone_into(&mut row.status);
                row.ended_at = Some(night.ended_at);
                row.error.clone_from(&night.error);
                Standing::Ended
            };
            self.gate.pass("Nights.end", end).await
        }
    }

    impl Notices for MemoryNights {
        async fn begin(&self, notice: &NoticeId, medium: Medium, now: Timestamp) -> Result<Begun, PortError> {
            let begin = || {
                let mut told = locked(&self.told);
                let (begun_at, told_at) = told.entry((notice.clone(), medium)).or_default();
                match (told_at, begun_at) {
                    (Some(at), _) => Begun::Told { at: *at },
                    (None, Some(since)) if now < *since + PATIENCE => Begun::UnderWay,
                    (None, begun_at) => {
                        *begun_at = Some(now);
                        Begun::Yes
                    }
                }
            };
            self.gate.pass("Notices.begin", begin).await
        }

        async fn told(&self, notice: &NoticeId, medium: Medium, at: Timestamp) -> Result<(), PortError> {
            let told = || locked(&self.told).entry((notice.clone(), medium)).or_default().1 = Some(at);
            self.gate.pass("Notices.told", told).await
        }

        async fn give_up(&self, notice: &NoticeId, medium: Medium, begun_at: Timestamp) -> Result<(), PortError> {
            let give_up = || {
                let mut told = locked(&self.told);
                let begun = &mut told.entry((notice.clone(), medium)).or_default().0;
                if *begun == Some(begun_at) {
                    *begun = None;
                }
            };
            self.gate.pass("Notices.give_up", give_up).await
        }
    }
}

#[cfg(any(test, feature = "memory"))]
pub use memory::{MemoryNights, Row};
