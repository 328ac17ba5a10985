//! One execution: told what happens, it says what it wants next.

mod running;
mod states;
pub(crate) mod trial;
mod trouble;

use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{Machine, Resource};
use crate::history::{Detail, Event};
use crate::value::{Failure, Instant, Json};
use running::{Due, Step, Thread};

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
    pub role: Option<Rc<str>>,
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
pub struct Execution {
    machine: Machine,
    start: Start,
    role: Rc<str>,
    region: Rc<str>,
    status: Status,
    now: Instant,
    /// The threads of control: the root, and one for every branch and item. A place is used again when its thread is dropped.
    threads: Vec<Option<Thread>>,
    agenda: VecDeque<Step>,
    history: Vec<Event>,
    commands: Vec<Command>,
    /// What is waited for, and by which thread.
    tasks: Vec<(TaskId, usize)>,
    timers: Vec<(TimerId, usize, Due)>,
    next_task: u64,
    next_timer: u64,
    /// How often each state was entered, by its number.
    entries: Vec<u32>,
    redrives: u32,
    /// The context object of a state that is tried by itself; an execution makes its own.
    tried_context: Option<Rc<Value>>,
}

/// The most events that a history holds («Quotas related to state machine executions»).
const MOST_EVENTS: usize = 25_000;

impl Execution {
    /// Begins; what it wants first is in `commands`.
    pub fn start(machine: &Machine, start: Start) -> Self {
        let mut execution = Self::new(machine, start);
        let input = execution.start.input.clone();
        let flow = machine.0.flow.clone();
        let root = execution.add_thread(Thread::root(flow.clone()));
        execution.set_execution_timer();
        execution.agenda.push_back(Step { thread: root, state: flow.start, input });
        execution.run();
        execution
    }

    /// One in which nothing has happened but its start.
    fn new(machine: &Machine, start: Start) -> Self {
        let mut execution = Self {
            machine: machine.clone(),
            role: start.identity.role_arn.as_str().into(),
            region: start.identity.execution_arn.split(':').nth(3).unwrap_or_default().into(),
            status: Status::Running,
            now: start.at,
            threads: Vec::new(),
            agenda: VecDeque::new(),
            history: Vec::with_capacity(128),
            commands: Vec::new(),
            tasks: Vec::new(),
            timers: Vec::new(),
            next_task: 1,
            next_timer: 1,
            entries: vec![0; machine.0.states],
            redrives: 0,
            tried_context: None,
            start,
        };
        let input = execution.start.input.clone();
        execution.note(0, Detail::ExecutionStarted { input, role: execution.role.clone() });
        execution
    }

    /// Tells what happened. Instants never go back.
    pub fn apply(&mut self, stimulus: Stimulus, at: Instant) -> Result<(), Closed> {
        self.now = at.max(self.now);
        match stimulus {
            Stimulus::Redrive => self.redrive()?,
            _ if self.status != Status::Running => return Err(Closed),
            Stimulus::Stop(failure) => self.end(0, Status::Aborted(failure)),
            Stimulus::Wake(timer) => self.wake(timer)?,
            Stimulus::Submitted { task, output } => self.submitted(task, output)?,
            Stimulus::Succeeded { task, output } => self.succeeded(task, &output)?,
            Stimulus::Failed { task, failure } => self.failed(task, failure)?,
            Stimulus::Heartbeat { task } => self.beaten(task)?,
        }
        self.run();
        Ok(())
    }

    /// What it wants since it was asked last, in order.
    pub fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// How it stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What happened in it.
    pub fn history(&self) -> &[Event] {
        &self.history
    }

    /// Who it is, what it was given, when it began.
    pub fn started(&self) -> &Start {
        &self.start
    }

    /// How often it was redriven.
    pub fn redrives(&self) -> u32 {
        self.redrives
    }

    /// Whether this task is still waited for.
    pub fn waits_for(&self, task: TaskId) -> bool {
        self.tasks.iter().any(|(waiting, _)| *waiting == task)
    }

    fn run(&mut self) {
        while self.status == Status::Running {
            let Some(Step { thread, state, input }) = self.agenda.pop_front() else { return };
            if self.history.len() >= MOST_EVENTS - 1 {
                let cause = format!("The execution reached the maximum number of history events ({MOST_EVENTS}).");
                self.end(0, Status::Failed(Failure::new("States.Runtime", cause)));
                return;
            }
            self.enter(thread, state, input);
        }
    }

    /// Writes an event that follows another.
    fn note(&mut self, previous: u64, detail: Detail) -> u64 {
        let id = self.history.len() as u64 + 1;
        self.history.push(Event { id, previous, at: self.now, detail });
        id
    }

    /// Ends the execution: whatever runs in it is stopped.
    fn end(&mut self, previous: u64, status: Status) {
        let detail = match &status {
            Status::Running => return,
            Status::Succeeded(output) => Detail::ExecutionSucceeded { output: output.clone() },
            Status::Failed(failure) => Detail::ExecutionFailed(failure.clone()),
            Status::TimedOut(failure) => Detail::ExecutionTimedOut(failure.clone()),
            Status::Aborted(failure) => Detail::ExecutionAborted(failure.clone()),
        };
        self.note(previous, detail);
        self.status = status;
        self.agenda.clear();
        self.timers.clear();
        for (task, _) in std::mem::take(&mut self.tasks) {
            self.commands.push(Command::Cancel(task));
        }
    }

    fn set_execution_timer(&mut self) {
        if let Some(seconds) = self.machine.0.timeout_seconds {
            self.set_timer(0, Due::Execution, self.now + seconds);
        }
    }

    fn set_timer(&mut self, thread: usize, due: Due, at: Instant) -> TimerId {
        let timer = TimerId(self.next_timer);
        self.next_timer += 1;
        self.timers.push((timer, thread, due));
        self.commands.push(Command::Wake { timer, at });
        timer
    }
}
