//! Whole nights in virtual time, thousands a second: a definition as it is deployed, on the engine of `nightly-asl`, in a world that is
//! held in memory and goes wrong where a seed says so.
//!
//! [`Rehearsal::of_the_warehouse`] rehearses our own night: the real functions, the people who are asked, and what AWS does around them.
//! [`Rehearsal::of`] rehearses any definition, whose [`Tasks`] say what becomes of each call. A [`Night`] tells all that
//! happened, and what must not have happened ([`Violation`]). The same seed is the same night, byte for byte.
//!
//! A rehearsal stays on the thread that made it; [`on_threads`] spreads seeds over several.

mod chance;
mod deployment;
mod described;
mod faults;
mod functions;
mod invariants;
mod items;
mod jobs;
mod line;
mod parallel;
mod people;
mod planted;
mod play;
mod queue;
mod story;
#[cfg(test)]
mod tests;
mod timeline;
mod warehouse;
mod world;

use nightly_asl::check::Finding;
use nightly_asl::{Event, Instant};

pub use chance::{Chance, Purpose};
pub use deployment::definition as deployed;
pub use described::{Course, Tasks};
pub use faults::{Fault, Site};
pub use parallel::on_threads;
pub use planted::Bug;
pub use warehouse::Tale;

/// A definition and the world that it is rehearsed in.
pub struct Rehearsal {
    stage: Stage,
}

/// What nights are played on.
enum Stage {
    Warehouse(Box<warehouse::Warehouse>),
    Described(Box<described::Described>),
}

impl Rehearsal {
    /// Our own night, as it is deployed.
    pub fn of_the_warehouse() -> Self {
        Self { stage: Stage::Warehouse(Box::new(warehouse::Warehouse::new(None))) }
    }

    /// Our own night with something wrong in it.
    pub fn with(bug: Bug) -> Self {
        Self { stage: Stage::Warehouse(Box::new(warehouse::Warehouse::new(Some(bug)))) }
    }

    /// Any definition, with tasks that do as they are described. Gives what is wrong with the definition otherwise.
    pub fn of(definition: &serde_json::Value, tasks: impl Tasks + 'static) -> Result<Self, Vec<Finding>> {
        described::Described::new(definition, tasks).map(|described| Self { stage: Stage::Described(Box::new(described)) })
    }

    /// Plays the night of this seed.
    pub fn night(&self, seed: u64) -> Night {
        match &self.stage {
            Stage::Warehouse(warehouse) => warehouse.night(seed),
            Stage::Described(described) => described.night(seed),
        }
    }

    /// Plays a night that is told, with this fault in it. Only our own night is told.
    pub fn told(&self, tale: Tale, site: &Site, fault: &Fault) -> Night {
        self.warehouse().told(tale, site, fault)
    }

    /// Every fault that a told night can have: each place with each thing that can go wrong there.
    pub fn single_faults(&self, tale: Tale) -> Vec<(Site, Fault)> {
        self.warehouse().single_faults(tale)
    }

    /// Plays a told night in which nothing goes wrong; the seed decides how long everything takes.
    pub fn plain(&self, tale: Tale, seed: u64) -> Night {
        self.warehouse().plain(tale, seed)
    }

    fn warehouse(&self) -> &warehouse::Warehouse {
        match &self.stage {
            Stage::Warehouse(warehouse) => warehouse,
            Stage::Described(_) => panic!("only our own night is told"),
        }
    }
}

/// One night that was played.
#[derive(Debug, Clone)]
pub struct Night {
    /// What it was played from.
    pub seed: u64,
    /// How its execution ended: where a date was started several times, the one that owned it at last. All that is told of one execution is
    /// told of this one.
    pub outcome: Outcome,
    /// How each execution of the date ended, in the order of their starts.
    pub executions: Vec<Outcome>,
    /// When the execution began.
    pub started: Instant,
    /// When it ended, for the last time where it was redriven.
    pub ended: Instant,
    /// How long people let the execution wait, in milliseconds, all questions together: the time in states that wait for a task token.
    /// `None` where nobody was asked.
    pub approval_wait_millis: Option<i64>,
    /// Each entry of a state, in the order of the entries.
    pub timeline: Vec<Visit>,
    /// State transitions as AWS bills them: every entry of a state and every retry.
    pub transitions: u64,
    /// What Glue bills: data processing units times hours, runs that failed or were stopped included.
    pub dpu_hours: f64,
    /// What went wrong because the seed said so, in order.
    pub faults: Vec<Injected>,
    /// The execution's history, as Step Functions tells it.
    pub events: Vec<Event>,
    /// What happened outside the execution: functions, jobs, people, mails. In order.
    pub story: Vec<Happening>,
    /// What must not have happened. Empty, or there is a bug.
    pub violations: Vec<Violation>,
}

impl Night {
    /// From start to end, in milliseconds.
    pub fn makespan_millis(&self) -> i64 {
        self.ended.0 - self.started.0
    }

    /// All that happened as text, line by line: what two plays of one seed are compared by.
    pub fn record(&self) -> String {
        use std::fmt::Write as _;
        let mut record = format!("seed {}: {}\n", self.seed, self.outcome.name());
        for event in &self.events {
            let _ = writeln!(record, "{}", event.json());
        }
        for happening in &self.story {
            let _ = writeln!(record, "{happening}");
        }
        for fault in &self.faults {
            let _ = writeln!(record, "{fault}");
        }
        for violation in &self.violations {
            let _ = writeln!(record, "{violation}");
        }
        record
    }
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended well, with this output as JSON text.
    Succeeded {
        /// Such as `{"outcome":"PUBLISHED",…}`.
        output: String,
    },
    /// It failed.
    Failed {
        /// The error's name, such as `QualityFailed`.
        error: String,
        /// What it says.
        cause: String,
    },
    /// Its own time ran out.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
    /// It waits, and nothing will ever happen any more.
    Stuck,
}

impl Outcome {
    /// One word for it: `SUCCEEDED` (or the output's own `outcome`, where it has one), the error's name, `TIMED_OUT`, `ABORTED`, `STUCK`.
    pub fn name(&self) -> String {
        match self {
            Self::Succeeded { output } => {
                let output: Option<serde_json::Value> = serde_json::from_str(output).ok();
                output.as_ref().and_then(|output| output["outcome"].as_str()).unwrap_or("SUCCEEDED").to_owned()
            }
            Self::Failed { error, .. } => error.clone(),
            Self::TimedOut => "TIMED_OUT".to_owned(),
            Self::Aborted => "ABORTED".to_owned(),
            Self::Stuck => "STUCK".to_owned(),
        }
    }
}

/// One entry of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The state's name.
    pub state: String,
    /// Its type, such as `Task`.
    pub kind: &'static str,
    /// How many Parallel and Map states it is inside of.
    pub depth: usize,
    /// When it was entered.
    pub entered: Instant,
    /// When it was left; `None` where the execution ended in it.
    pub left: Option<Instant>,
    /// How often its task was called: 0 for states without one, more than 1 where it was retried.
    pub attempts: u32,
    /// Each of those calls.
    pub tries: Vec<Try>,
    /// How it ended.
    pub end: End,
    /// When the last thing happened in it.
    pub ended: Instant,
    /// Whether it waits for a task token: for people, mostly.
    pub waits_for_token: bool,
}

/// One call of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// When it was scheduled.
    pub started: Instant,
    /// When the call had answered, where a job or a task token is waited for after it.
    pub answered: Option<Instant>,
    /// When it was over; `None` where nobody waits for it any more.
    pub ended: Option<Instant>,
    /// How it failed, if it did.
    pub error: Option<String>,
}

/// How an entry of a state ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Well.
    Left,
    /// It failed, and the definition goes on from there.
    Caught {
        /// The error's name.
        error: String,
    },
    /// It failed, and with it all that is around it.
    Failed {
        /// The error's name.
        error: String,
    },
    /// It was stopped, by the failure of something beside it or with the execution.
    Stopped,
    /// It never did: the execution waits in it for ever.
    Open,
}

impl End {
    /// The error's name, where it failed.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Caught { error } | Self::Failed { error } => Some(error),
            Self::Left | Self::Stopped | Self::Open => None,
        }
    }
}

/// Something that went wrong because the seed said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// When.
    pub at: Instant,
    /// Whose call, such as `ExtractOrders` or `approval-callback Tasks.succeed`.
    pub call: String,
    /// What became of it, such as `fails after its effect`.
    pub fault: String,
}

/// Something that happened outside the execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Instant,
    /// Who or what did it, such as `a.berg` or `approval-watch`.
    pub who: String,
    /// What.
    pub what: String,
}

/// Something that must never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name, such as `published_with_its_approval`.
    pub invariant: &'static str,
    /// What was broken.
    pub what: String,
}

impl std::fmt::Display for Happening {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}: {}", self.at, self.who, self.what)
    }
}

impl std::fmt::Display for Injected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} fault: {} {}", self.at, self.call, self.fault)
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "violated: {}: {}", self.invariant, self.what)
    }
}
