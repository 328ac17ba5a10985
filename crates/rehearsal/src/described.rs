//! Any definition, with tasks that are described by data: how long they take, how often they fail, what they answer.

use std::collections::{BTreeMap, HashMap};

use nightly_asl::check::{Finding, Kind};
use nightly_asl::{Command, Execution, Failure, Identity, Instant, Machine, Pattern, Start, Status, Stimulus, Task as Call, TaskId};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::queue::Queue;
use crate::{Happening, Injected, Night, Outcome, timeline};

/// How the tasks of a definition behave, and what it is started with.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// The execution's input.
    pub input: Value,
    /// When nights start. The context object shows it.
    pub starts_at: Instant,
    /// By the state's name.
    pub of_states: BTreeMap<String, Task>,
    /// What every other task does.
    pub otherwise: Task,
}

/// How one task behaves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Task {
    /// How long it takes, or how long the job runs, or how long the token is kept.
    pub takes: Seconds,
    /// How often it fails, and how. What is left of 1 succeeds.
    pub failures: Vec<Failing>,
    /// What it answers: the first entry of the state gets the first, the next the second, and all others the last. Without any, what AWS
    /// answers at least: an empty payload for a function, the run for a job, `{}` for anything else.
    pub results: Vec<Value>,
    /// How many data processing units it uses while it runs.
    pub data_processing_units: f64,
}

/// How long something takes: evenly spread between the two.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seconds {
    /// At least.
    pub least: f64,
    /// At most.
    pub most: f64,
}

/// One way to fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    /// The error's name, as Retry and Catch match it.
    pub error: String,
    /// What it says.
    pub cause: String,
    /// In how many of its attempts, from 0 to 1.
    pub share: f64,
}

/// A definition and its tasks.
pub(crate) struct Described {
    machine: Machine,
    tasks: Tasks,
}

enum Due {
    Tell(Stimulus),
    Over(TaskId, f64),
}

impl Described {
    pub(crate) fn new(definition: &Value, tasks: Tasks) -> Result<Self, Vec<Finding>> {
        Machine::load(definition, Kind::Standard).map(|machine| Self { machine, tasks })
    }

    pub(crate) fn night(&self, seed: u64) -> Night {
        let chance = Chance::new(seed);
        let mut queue = Queue::new(self.tasks.starts_at, chance.of("ties"));
        let identity = identity(&format!("rehearsal-{seed}"));
        let start = Start { identity, input: self.tasks.input.clone().into(), at: queue.now(), seed };
        let mut execution = Execution::start(&self.machine, start);
        let mut play = Play { tasks: &self.tasks, chance, running: HashMap::new(), dpu_hours: 0.0, faults: Vec::new(), story: Vec::new() };
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
                    // What comes too late is over, and nobody hears of it.
                    let _ = execution.apply(stimulus, queue.now());
                }
                Due::Over(task, dpus) => play.stop(task, dpus, queue.now()),
            }
        }
        let timeline = timeline::read(execution.history());
        Night {
            seed,
            outcome: outcome(execution.status()),
            started: self.tasks.starts_at,
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
    tasks: &'a Tasks,
    chance: Chance,
    /// What uses data processing units, and since when.
    running: HashMap<TaskId, (Instant, f64)>,
    dpu_hours: f64,
    faults: Vec<Injected>,
    story: Vec<Happening>,
}

/// A call answers after this, where a job or a token comes later.
const ANSWERS_AFTER_MILLIS: i64 = 100;

impl Play<'_> {
    fn obey(&mut self, command: Command, queue: &mut Queue<Due>) {
        match command {
            Command::Start(call) => self.call(&call, queue),
            Command::Wake { timer, at } => queue.at(at, Due::Tell(Stimulus::Wake(timer))),
            Command::Cancel(task) => {
                if let Some((_, dpus)) = self.running.get(&task).copied() {
                    self.stop(task, dpus, queue.now());
                }
            }
        }
    }

    fn call(&mut self, call: &Call, queue: &mut Queue<Due>) {
        let task = self.tasks.of_states.get(&*call.state).unwrap_or(&self.tasks.otherwise);
        let mut chance = self.chance.of((&*call.state, u64::from(call.entry), u64::from(call.retries)));
        let millis = task.takes.draw(&mut chance);
        let drawn = chance.unit();
        let mut below = 0.0;
        let failing = task.failures.iter().find(|failing| {
            below += failing.share;
            drawn < below
        });
        let waits = call.resource.pattern != Pattern::RequestResponse;
        if waits {
            queue.after_millis(
                ANSWERS_AFTER_MILLIS.min(millis),
                Due::Tell(Stimulus::Submitted { task: call.id, output: submitted(call).into() }),
            );
        }
        if task.data_processing_units > 0.0 {
            self.running.insert(call.id, (queue.now(), task.data_processing_units));
            queue.after_millis(millis, Due::Over(call.id, task.data_processing_units));
        }
        let end = if let Some(failing) = failing {
            let fault = format!("fails with {} after {} s", failing.error, seconds(millis));
            self.faults.push(Injected { at: queue.now(), call: call.state.to_string(), fault });
            Stimulus::Failed { task: call.id, failure: Failure::new(&failing.error, &failing.cause) }
        } else {
            let entry = usize::try_from(call.entry).unwrap_or(usize::MAX);
            let described = task.results.get(entry).or(task.results.last());
            Stimulus::Succeeded { task: call.id, output: described.cloned().unwrap_or_else(|| plain_result(call)).into() }
        };
        let what = format!("{} for {} s", call.resource.arn.rsplit(":::").next().unwrap_or(&call.resource.arn), seconds(millis));
        self.story.push(Happening { at: queue.now(), who: call.state.to_string(), what });
        queue.after_millis(millis, Due::Tell(end));
    }

    fn stop(&mut self, task: TaskId, dpus: f64, now: Instant) {
        if let Some((since, _)) = self.running.remove(&task) {
            #[expect(clippy::cast_precision_loss, reason = "a night has few milliseconds")]
            let hours = (now.0 - since.0) as f64 / 3_600_000.0;
            self.dpu_hours += dpus * hours;
        }
    }
}

impl Seconds {
    fn draw(self, chance: &mut Chance) -> i64 {
        let seconds = self.least + chance.unit() * (self.most - self.least).max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "a task that takes millions of years may be cut")]
        let millis = (seconds.max(0.0) * 1000.0).round() as i64;
        millis
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

/// What a job's or a token's call answers at once.
fn submitted(call: &Call) -> Value {
    if call.resource.service == "glue" { json!({"JobRunId": format!("jr_{}", call.id.0)}) } else { json!({}) }
}

fn plain_result(call: &Call) -> Value {
    match (call.resource.service.as_str(), call.resource.pattern) {
        ("lambda", Pattern::RequestResponse) => json!({"ExecutedVersion": "$LATEST", "Payload": {}, "StatusCode": 200}),
        ("glue", Pattern::Sync) => {
            json!({"Id": format!("jr_{}", call.id.0), "JobName": call.parameters.value()["JobName"], "JobRunState": "SUCCEEDED"})
        }
        _ => json!({}),
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
