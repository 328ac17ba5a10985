//! A scenario under virtual time: nothing waits, and every run is the same.

use std::collections::{BTreeMap, BTreeSet};

use nightly_asl::{
    Closed, Command, Detail, Event, Execution, Failure, Identity, Instant, Json, Machine, Start, Status, Stimulus, Task, TaskId,
};
use serde_json::Value;

use crate::{Action, Answer, Expected, Reply, Scenario};

/// What came of a scenario.
pub struct Run {
    /// How it stands at the end.
    pub status: Status,
    /// What happened.
    pub history: Vec<Event>,
    /// Every call of a task, in order.
    pub calls: Vec<Call>,
    /// When it began.
    pub started: Instant,
    /// Who it was.
    pub identity: Identity,
}

/// A call of a task.
#[derive(Debug, Clone)]
pub struct Call {
    /// The state that called.
    pub state: String,
    /// When.
    pub at: Instant,
    /// With what.
    pub parameters: Json,
    /// The task token, where one is waited for.
    pub token: Option<String>,
    /// What it was answered; a cancelled or timed-out task may never have got it.
    pub answer: Answer,
}

/// Why a scenario could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The definition is wrong.
    #[error("the definition is refused: {0}")]
    Definition(String),
    /// A task was called more often than the scenario replies.
    #[error("{state} calls its task once more than the scenario has replies, with {parameters}")]
    NoReply {
        /// The state that called.
        state: String,
        /// With what.
        parameters: String,
    },
    /// The scenario has replies that nobody asked for.
    #[error("nobody asked for these replies: {0}")]
    Unused(String),
    /// Somebody redrove an execution that can't go on, or stopped one that was over.
    #[error("nobody can {0} the execution then")]
    Intervention(&'static str),
    /// Nothing more will happen, and it hasn't ended.
    #[error("the execution waits for ever")]
    Stuck,
}

impl Scenario {
    /// Runs it on a definition, as [`Scenario::deployed`] gives it.
    pub fn run(&self, definition: &Value) -> Result<Run, RunError> {
        let machine = Machine::load(definition, nightly_asl::check::Kind::Standard).map_err(|findings| {
            let told: Vec<String> = findings.iter().map(|finding| format!("{} at {}", finding.message, finding.location)).collect();
            RunError::Definition(told.join("; "))
        })?;
        let started = Instant(self.start.as_millisecond());
        let identity = identity(&self.name);
        let start = Start { identity: identity.clone(), input: self.input.clone().into(), at: started, seed: 0 };
        let mut world = World {
            execution: Execution::start(&machine, start),
            due: BTreeMap::new(),
            scheduled: 0,
            over: BTreeSet::new(),
            replies: self.replies.iter().map(|reply| (reply, reply.times)).collect(),
            calls: Vec::new(),
        };
        for intervention in &self.interventions {
            let (name, stimulus) = match &intervention.action {
                Action::Stop(failure) => ("stop", Stimulus::Stop(failure.clone())),
                Action::Redrive => ("redrive", Stimulus::Redrive),
            };
            world.schedule(started + i64::from(intervention.after_seconds), Due::Intervention(name, stimulus));
        }
        world.run(started)?;
        let unused = world.replies.iter().filter(|(reply, left)| *left > 0 && !reply.lent);
        let unused: Vec<&str> = unused.map(|(reply, _)| reply.state.as_str()).collect();
        if !unused.is_empty() {
            return Err(RunError::Unused(unused.join(", ")));
        }
        let World { execution, calls, .. } = world;
        Ok(Run { status: execution.status().clone(), history: execution.history().to_vec(), calls, started, identity })
    }
}

impl Run {
    /// What came of it, in the words of a scenario.
    pub fn outcome(&self) -> Expected {
        let (status, output, failure) = match &self.status {
            Status::Running => ("RUNNING", None, None),
            Status::Succeeded(output) => ("SUCCEEDED", Some(output.value().clone()), None),
            Status::Failed(failure) => ("FAILED", None, Some(failure)),
            Status::TimedOut(failure) => ("TIMED_OUT", None, Some(failure)),
            Status::Aborted(failure) => ("ABORTED", None, Some(failure)),
        };
        let path = self.history.iter().filter_map(|event| match &event.detail {
            Detail::StateEntered { name, .. } => Some(name.to_string()),
            _ => None,
        });
        let ended = self.history.last().map_or(self.started, |event| event.at);
        Expected {
            path: path.collect(),
            status: status.to_owned(),
            output,
            error: failure.and_then(|failure| failure.error.clone()),
            cause: failure.and_then(|failure| failure.cause.clone()),
            after_seconds: u32::try_from((ended.0 - self.started.0) / 1000).ok(),
            events: self.history.iter().map(Event::kind).collect(),
        }
    }
}

fn identity(name: &str) -> Identity {
    let states = "arn:aws:states:eu-central-1:123456789012";
    Identity {
        execution_arn: format!("{states}:execution:scenario:{name}"),
        name: name.to_owned(),
        state_machine_arn: format!("{states}:stateMachine:scenario"),
        state_machine_name: "scenario".to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/scenario".to_owned(),
    }
}

/// The clock, the tasks and the people around one execution.
struct World<'a> {
    execution: Execution,
    /// What comes when; what is scheduled first comes first.
    due: BTreeMap<(Instant, u64), Due<'a>>,
    scheduled: u64,
    /// The tasks that nobody waits for any more.
    over: BTreeSet<TaskId>,
    /// Each reply, and how often it is still to be given.
    replies: Vec<(&'a Reply, u32)>,
    calls: Vec<Call>,
}

enum Due<'a> {
    Stimulus(Stimulus),
    Beat(TaskId, &'a Reply),
    Intervention(&'static str, Stimulus),
}

impl<'a> World<'a> {
    fn run(&mut self, started: Instant) -> Result<(), RunError> {
        self.obey(started)?;
        while let Some(((at, _), due)) = self.due.pop_first() {
            match due {
                // A timer or a reply that comes too late changes nothing.
                Due::Stimulus(stimulus) => {
                    let task = match &stimulus {
                        Stimulus::Succeeded { task, .. } | Stimulus::Failed { task, .. } => Some(*task),
                        _ => None,
                    };
                    if task.is_none_or(|task| self.over.insert(task)) {
                        let _: Result<(), Closed> = self.execution.apply(stimulus, at);
                    }
                }
                Due::Beat(task, reply) => {
                    let beat = Stimulus::Heartbeat { task };
                    if !self.over.contains(&task) && self.execution.apply(beat, at).is_ok() {
                        self.beat(task, reply, at);
                    }
                }
                Due::Intervention(name, stimulus) => self.execution.apply(stimulus, at).map_err(|_| RunError::Intervention(name))?,
            }
            self.obey(at)?;
            let over = *self.execution.status() != Status::Running;
            if over && !self.due.values().any(|due| matches!(due, Due::Intervention(..))) {
                return Ok(());
            }
        }
        if *self.execution.status() == Status::Running { Err(RunError::Stuck) } else { Ok(()) }
    }

    /// Does what the execution wants.
    fn obey(&mut self, now: Instant) -> Result<(), RunError> {
        for command in self.execution.commands() {
            match command {
                Command::Start(task) => self.call(&task, now)?,
                Command::Cancel(task) => {
                    self.over.insert(task);
                }
                Command::Wake { timer, at } => self.schedule(at, Due::Stimulus(Stimulus::Wake(timer))),
            }
        }
        Ok(())
    }

    fn call(&mut self, task: &Task, now: Instant) -> Result<(), RunError> {
        let next = self.replies.iter_mut().find(|(reply, left)| *left > 0 && *reply.state == *task.state);
        let Some((reply, left)) = next else {
            return Err(RunError::NoReply { state: task.state.to_string(), parameters: task.parameters.text().to_owned() });
        };
        *left -= 1;
        let reply: &'a Reply = reply;
        self.calls.push(Call {
            state: task.state.to_string(),
            at: now,
            parameters: task.parameters.clone(),
            token: task.token.as_deref().map(str::to_owned),
            answer: reply.answer.clone(),
        });
        let id = task.id;
        if let Some(output) = &reply.submitted {
            self.schedule(now, Due::Stimulus(Stimulus::Submitted { task: id, output: output.clone().into() }));
        }
        self.beat(id, reply, now);
        let ended = match &reply.answer {
            Answer::Result(output) => Stimulus::Succeeded { task: id, output: output.clone().into() },
            Answer::Failure(failure) => Stimulus::Failed { task: id, failure: Failure::clone(failure) },
            Answer::Silence => return Ok(()),
        };
        self.schedule(now + i64::from(reply.after_seconds), Due::Stimulus(ended));
        Ok(())
    }

    fn beat(&mut self, task: TaskId, reply: &'a Reply, now: Instant) {
        if let Some(seconds) = reply.beats_every_seconds {
            self.schedule(now + i64::from(seconds), Due::Beat(task, reply));
        }
    }

    fn schedule(&mut self, at: Instant, due: Due<'a>) {
        self.scheduled += 1;
        self.due.insert((at, self.scheduled), due);
    }
}
