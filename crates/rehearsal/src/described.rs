//! Any definition, with tasks that somebody describes: how long they take, how often they fail, what they answer.

use std::collections::HashMap;

use nightly_asl::check::{Finding, Kind};
use nightly_asl::{Command, Execution, Failure, Identity, Instant, Json, Machine, Start, Status, Stimulus, Task as Call, TaskId};
use serde_json::Value;

use crate::chance::Chance;
use crate::queue::Queue;
use crate::{Happening, Injected, Night, Outcome, timeline};

/// What the tasks of a definition do, and what it is started with.
pub trait Tasks {
    /// When every night starts. The context object shows it.
    fn starts_at(&self) -> Instant;

    /// The input of this seed's night.
    fn input(&self, seed: u64) -> Json;

    /// What becomes of a call that is made at this instant. Chance is drawn from a stream that no other call draws from.
    fn course(&self, call: &Call, at: Instant, chance: Chance) -> Course;
}

/// What becomes of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// Where a job or a task token is waited for: after how many milliseconds the call has answered, and what.
    pub submitted: Option<(i64, Json)>,
    /// After how many milliseconds it is over, and how; `None` for never.
    pub end: Option<(i64, Result<Json, Failure>)>,
    /// Every how many milliseconds it says that it lives.
    pub beats_every: Option<i64>,
    /// How many data processing units it uses while it runs.
    pub data_processing_units: f64,
    /// What is wrong with it, where that is a fault that the seed chose.
    pub fault: Option<String>,
}

/// A definition and its tasks.
pub(crate) struct Described {
    machine: Machine,
    tasks: Box<dyn Tasks>,
}

enum Due {
    Tell(Stimulus),
    Beat(TaskId, i64),
}

impl Described {
    pub(crate) fn new(definition: &Value, tasks: impl Tasks + 'static) -> Result<Self, Vec<Finding>> {
        Machine::load(definition, Kind::Standard).map(|machine| Self { machine, tasks: Box::new(tasks) })
    }

    pub(crate) fn night(&self, seed: u64) -> Night {
        let chance = Chance::new(seed);
        let started = self.tasks.starts_at();
        let mut queue = Queue::new(started, chance.of("ties"));
        let identity = identity(&format!("rehearsal-{seed}"));
        let start = Start { identity, input: self.tasks.input(seed), at: started, seed };
        let mut execution = Execution::start(&self.machine, start);
        let mut play = Play { tasks: &*self.tasks, chance, running: HashMap::new(), dpu_hours: 0.0, faults: Vec::new(), story: Vec::new() };
        let mut ended = queue.now();
        loop {
            for command in execution.commands() {
                play.obey(command, &mut queue);
            }
            if *execution.status() != Status::Running {
                break;
            }
            let Some(due) = queue.next() else { break };
            ended = queue.now();
            match due {
                Due::Tell(stimulus) => {
                    if let Stimulus::Succeeded { task, .. } | Stimulus::Failed { task, .. } = &stimulus {
                        play.stop(*task, queue.now());
                    }
                    // What comes too late is over, and nobody hears of it.
                    let _ = execution.apply(stimulus, queue.now());
                }
                Due::Beat(task, every) => {
                    if execution.apply(Stimulus::Heartbeat { task }, queue.now()).is_ok() {
                        queue.after_millis(every, Due::Beat(task, every));
                    }
                }
            }
        }
        let timeline = timeline::read(execution.history());
        Night {
            seed,
            executions: vec![outcome(execution.status())],
            outcome: outcome(execution.status()),
            started,
            ended,
            approval_wait_millis: timeline.token_wait_millis,
            timeline: timeline.visits,
            transitions: timeline.transitions,
            dpu_hours: play.dpu_hours,
            faults: play.faults,
            events: execution.history().to_vec(),
            story: play.story,
            violations: Vec::new(),
        }
    }
}

struct Play<'a> {
    tasks: &'a dyn Tasks,
    chance: Chance,
    /// What uses data processing units, how many, and since when.
    running: HashMap<TaskId, (Instant, f64)>,
    dpu_hours: f64,
    faults: Vec<Injected>,
    story: Vec<Happening>,
}

impl Play<'_> {
    fn obey(&mut self, command: Command, queue: &mut Queue<Due>) {
        match command {
            Command::Start(call) => self.call(&call, queue),
            Command::Wake { timer, at } => queue.at(at, Due::Tell(Stimulus::Wake(timer))),
            Command::Cancel(task) => self.stop(task, queue.now()),
        }
    }

    fn call(&mut self, call: &Call, queue: &mut Queue<Due>) {
        let chance = self.chance.of((&*call.state, u64::from(call.entry), u64::from(call.retries)));
        let course = self.tasks.course(call, queue.now(), chance);
        let takes = course.end.as_ref().map_or_else(|| "and never answers".to_owned(), |(millis, _)| format!("for {} s", seconds(*millis)));
        let what = format!("{} {takes}", call.resource.arn.rsplit(":::").next().unwrap_or(&call.resource.arn));
        self.story.push(Happening { at: queue.now(), who: call.state.to_string(), what });
        if let Some(fault) = course.fault {
            self.faults.push(Injected { at: queue.now(), call: call.state.to_string(), fault });
        }
        if course.data_processing_units > 0.0 {
            self.running.insert(call.id, (queue.now(), course.data_processing_units));
        }
        if let Some((millis, output)) = course.submitted {
            queue.after_millis(millis, Due::Tell(Stimulus::Submitted { task: call.id, output }));
        }
        if let Some(every) = course.beats_every {
            queue.after_millis(every, Due::Beat(call.id, every));
        }
        if let Some((millis, end)) = course.end {
            let end = match end {
                Ok(output) => Stimulus::Succeeded { task: call.id, output },
                Err(failure) => Stimulus::Failed { task: call.id, failure },
            };
            queue.after_millis(millis, Due::Tell(end));
        }
    }

    fn stop(&mut self, task: TaskId, now: Instant) {
        if let Some((since, units)) = self.running.remove(&task) {
            #[expect(clippy::cast_precision_loss, reason = "a night has few milliseconds")]
            let hours = (now.0 - since.0) as f64 / 3_600_000.0;
            self.dpu_hours += units * hours;
        }
    }
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Who an execution is that runs nowhere.
pub(crate) fn identity(name: &str) -> Identity {
    Identity {
        execution_arn: format!("arn:aws:states:eu-central-1:111122223333:execution:nightly-warehouse-night:{name}"),
        name: name.to_owned(),
        state_machine_arn: "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-warehouse-night".to_owned(),
        state_machine_name: "nightly-warehouse-night".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/nightly-warehouse-night".to_owned(),
    }
}

/// How it ended.
pub(crate) fn outcome(status: &Status) -> Outcome {
    match status {
        Status::Running => Outcome::Stuck,
        Status::Succeeded(output) => Outcome::Succeeded { output: output.text().to_owned() },
        Status::Failed(failure) => {
            Outcome::Failed { error: failure.error.clone().unwrap_or_default(), cause: failure.cause.clone().unwrap_or_default() }
        }
        Status::TimedOut(_) => Outcome::TimedOut,
        Status::Aborted(_) => Outcome::Aborted,
    }
}
