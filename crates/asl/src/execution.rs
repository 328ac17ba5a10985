//! One execution: told what happens, it says what it wants next.

use serde::{Deserialize, Serialize};
use std::rc::Rc;

use crate::definition::{Machine, Resource};
use crate::history::Event;
use crate::value::{Failure, Instant, Json};

/// Who an execution is: what the context object and the history say of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Its ARN.
    pub execution_arn: String,
    /// Its name.
    pub name: String,
    /// Its state machine's ARN.
    pub state_machine_arn: String,
    /// Its state machine's name.
    pub state_machine_name: String,
    /// The role that it runs under.
    pub role_arn: String,
}

/// How an execution begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// Who it is.
    pub identity: Identity,
    /// What it is given.
    pub input: Json,
    /// When.
    pub at: Instant,
    /// What chance is drawn from: jitter, `$uuid`, `$random`, task tokens.
    pub seed: u64,
}

/// A task of an execution; each attempt is a task of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId(pub u64);

/// A timer of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId(pub u64);

/// What an execution wants of whoever holds it.
#[derive(Debug, Clone)]
pub enum Command {
    /// Call this task and tell what became of it: `Succeeded` or `Failed`; for a job (`.sync`) and a task token first
    /// `Submitted` once the call has answered, and the rest when the job is over or the token comes back.
    Start(Task),
    /// Nobody waits for this task any more; a job that it started is to be stopped.
    Cancel(TaskId),
    /// Say `Stimulus::Wake` at that instant. A timer that isn't needed any more does nothing when it is due.
    Wake {
        /// Which.
        timer: TimerId,
        /// When.
        at: Instant,
    },
}

/// A task to call.
#[derive(Debug, Clone)]
pub struct Task {
    /// What it is called in stimuli.
    pub id: TaskId,
    /// The state that calls it.
    pub state: Rc<str>,
    /// What to call.
    pub resource: Rc<Resource>,
    /// With what.
    pub parameters: Json,
    /// Where a token is waited for: the token.
    pub token: Option<Rc<str>>,
    /// The role to take on (`Credentials`), if any.
    pub role: Option<Json>,
    /// How often this entry of the state was tried before.
    pub retries: u32,
    /// How often the state was entered before in this execution, whichever branch or item.
    pub entry: u32,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Stimulus {
    /// A timer is due.
    Wake(TimerId),
    /// The call has answered; its job or its token is waited for.
    Submitted { task: TaskId, output: Json },
    /// The task ended well.
    Succeeded { task: TaskId, output: Json },
    /// The task failed.
    Failed { task: TaskId, failure: Failure },
    /// The task lives.
    Heartbeat { task: TaskId },
    /// Somebody stops the execution.
    Stop(Failure),
    /// Somebody has a failed execution go on from where it failed.
    Redrive,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// It runs.
    Running,
    /// It ended well.
    Succeeded(Json),
    /// It failed.
    Failed(Failure),
    /// Its own time ran out.
    TimedOut(Failure),
    /// Somebody stopped it.
    Aborted(Failure),
}

/// What the stimulus was meant for is over: the task timed out, was answered or was stopped; the execution has ended (or,
/// for a redrive, can't go on).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is over")]
pub struct Closed;

/// One run of a state machine.
pub struct Execution {}

impl Execution {
    /// Begins; what it wants first is in `commands`.
    pub fn start(_machine: &Machine, _start: Start) -> Self {
        todo!()
    }

    /// Tells what happened. Instants never go back.
    pub fn apply(&mut self, _stimulus: Stimulus, _at: Instant) -> Result<(), Closed> {
        todo!()
    }

    /// What it wants since it was asked last, in order.
    pub fn commands(&mut self) -> Vec<Command> {
        todo!()
    }

    /// How it stands.
    pub fn status(&self) -> &Status {
        todo!()
    }

    /// What happened in it.
    pub fn history(&self) -> &[Event] {
        todo!()
    }
}
