//! What the tasks of a definition do in a rehearsal: how long they take, what they answer, how often they fail.
//!
//! A TOML file says it ([`read`]); [`starter`] writes one to begin with. `docs/rehearsal.md` is its reference.

mod duration;
mod read;
mod shape;
mod starter;
mod value;

use std::rc::Rc;

use nightly_asl::Instant;
use nightly_rehearsal::Chance;
use serde_json::Value;

pub use duration::{Took, parse_millis};
pub use read::{Wrong, read, state_names};
pub use shape::{Pattern, TaskState, task_states};
pub use starter::starter;
pub use value::{Answer, Question, Unanswerable, Words};

/// A whole TOML file, held against its definition.
#[derive(Debug)]
pub struct Tasks {
    /// When each night begins.
    pub start: Instant,
    /// What it is given.
    pub input: Answer,
    /// The definition with its `${…}` filled in.
    pub definition: Value,
    /// What must hold in every night.
    pub invariants: Vec<Invariant>,
    behaviours: Vec<(String, Rc<Behaviour>)>,
}

/// What must hold in every night.
#[derive(Debug)]
pub struct Invariant {
    /// Said when it doesn't. It lives as long as the program, as the names of our own invariants do.
    pub name: &'static str,
    /// True where it holds.
    pub holds: Answer,
}

/// What one Task state does.
#[derive(Debug)]
pub struct Behaviour {
    /// How long the call takes.
    pub call: Took,
    /// What it answers, each with its share.
    pub results: Vec<(f64, Answer)>,
    /// How it fails.
    pub failures: Vec<Failing>,
    /// How often it never answers.
    pub never: f64,
    /// What goes on behind the call.
    pub behind: Behind,
}

/// What goes on once a call has answered.
#[derive(Debug)]
pub enum Behind {
    /// Nothing: the answer is the result.
    Nothing,
    /// A job that is waited for.
    Job {
        /// How long it runs.
        duration: Took,
        /// How it ends, each with its share.
        ends: Vec<(f64, String)>,
        /// Data processing units while it runs.
        units: f64,
    },
    /// Somebody who has the task token.
    Token(Reply),
}

/// What whoever has a task token does with it.
#[derive(Debug)]
pub struct Reply {
    /// How long they take.
    pub delay: Took,
    /// How often they never do.
    pub never: f64,
    /// How often a heartbeat comes, in milliseconds.
    pub heartbeat: Option<i64>,
    /// What they send, each with its share.
    pub results: Vec<(f64, Answer)>,
    /// How they send a failure.
    pub failures: Vec<Failing>,
}

/// One way to fail.
#[derive(Debug)]
pub struct Failing {
    /// The error name.
    pub error: String,
    /// What it says.
    pub cause: String,
    /// How often, from 0 to 1.
    pub probability: f64,
    /// How long until it fails, where that isn't as long as it takes to succeed.
    pub after: Option<Took>,
}

impl Tasks {
    /// What a state's task does.
    pub fn of_state(&self, state: &str) -> Option<&Rc<Behaviour>> {
        self.behaviours.iter().find(|(name, _)| name == state).map(|(_, behaviour)| behaviour)
    }
}

/// The failure that this draw meets, if any.
pub fn failing<'a>(failures: &'a [Failing], chance: &mut Chance) -> Option<&'a Failing> {
    let mut left = chance.unit();
    failures.iter().find(|failure| {
        left -= failure.probability;
        left < 0.0
    })
}

/// One of several by their shares.
pub fn one_of<'a, Item>(items: &'a [(f64, Item)], chance: &mut Chance) -> &'a Item {
    let mut left = chance.unit();
    let found = items.iter().find(|(share, _)| {
        left -= share;
        left < 0.0
    });
    // Rounding may leave a crumb after the last share.
    &found.or(items.last()).expect("a choice has one item at least").1
}
