//! Virtual time and scripted tasks for one execution.

use std::collections::{BTreeMap, HashMap, VecDeque};

use nightly_asl::check::Kind;
use nightly_asl::{Command, Execution, Failure, Identity, Instant, Machine, Start, Status, Stimulus, Task, TaskId};
use serde_json::{Value, json};

pub(crate) const START: Instant = Instant(1_764_000_000_000);

/// One execution, the events that are to come, and what its tasks answer.
pub(crate) struct Driver {
    pub(crate) execution: Execution,
    pub(crate) tasks: Script,
    /// What was asked for, in order: «start Work», «cancel Work».
    pub(crate) asked: Vec<String>,
    /// When each task was started, in seconds since the start.
    pub(crate) started: Vec<(String, f64)>,
    known: HashMap<TaskId, Task>,
    due: BTreeMap<(Instant, u64), Stimulus>,
    sequence: u64,
    now: Instant,
}

/// What the tasks of a state answer, each answer once, the last for ever.
#[derive(Default)]
pub(crate) struct Script(HashMap<String, VecDeque<Answer>>);

#[derive(Clone)]
struct Answer {
    after_seconds: i64,
    with: Result<Value, Failure>,
}

impl Script {
    pub(crate) fn succeed(&mut self, state: &str, output: Value) {
        self.succeed_after(state, 0, output);
    }

    pub(crate) fn succeed_after(&mut self, state: &str, after_seconds: i64, output: Value) {
        self.0.entry(state.to_owned()).or_default().push_back(Answer { after_seconds, with: Ok(output) });
    }

    pub(crate) fn fail(&mut self, state: &str, error: &str) {
        self.fail_after(state, 0, error);
    }

    pub(crate) fn fail_after(&mut self, state: &str, after_seconds: i64, error: &str) {
        let with = Err(Failure::new(error, format!("{error} happened")));
        self.0.entry(state.to_owned()).or_default().push_back(Answer { after_seconds, with });
    }

    fn next(&mut self, state: &str) -> Option<Answer> {
        let answers = self.0.get_mut(state)?;
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    }
}

/// The definition with a state `Caught`, where a state's `Catch` leads to it.
pub(crate) fn with_caught(mut definition: Value, fields: &Value) -> Value {
    if fields["Catch"].is_array() {
        definition["States"]["Caught"] = json!({"Type": "Pass", "End": true});
    }
    definition
}

/// Runs a definition without tasks to its end.
pub(crate) fn run(definition: &Value) -> Driver {
    let mut driver = Driver::new(definition);
    driver.run();
    driver
}

impl Driver {
    pub(crate) fn new(definition: &Value) -> Self {
        Self::seeded(definition, 7)
    }

    pub(crate) fn seeded(definition: &Value, seed: u64) -> Self {
        let machine = Machine::load(definition, Kind::Standard).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let identity = Identity {
            execution_arn: "arn:aws:states:eu-central-1:123456789012:execution:machine:run".into(),
            name: "run".into(),
            state_machine_arn: "arn:aws:states:eu-central-1:123456789012:stateMachine:machine".into(),
            state_machine_name: "machine".into(),
            role_arn: "arn:aws:iam::123456789012:role/machine".into(),
        };
        let execution = Execution::start(&machine, Start { identity, input: json!({}).into(), at: START, seed });
        Self {
            execution,
            tasks: Script::default(),
            asked: Vec::new(),
            started: Vec::new(),
            known: HashMap::new(),
            due: BTreeMap::new(),
            sequence: 0,
            now: START,
        }
    }

    /// Lets time pass until nothing is to come any more.
    pub(crate) fn run(&mut self) {
        self.run_for(i64::MAX / 2000);
    }

    /// Lets so many seconds pass since the start.
    pub(crate) fn run_for(&mut self, seconds: i64) {
        self.obey();
        while let Some((&(at, sequence), _)) = self.due.first_key_value() {
            if at > START + seconds {
                break;
            }
            let stimulus = self.due.remove(&(at, sequence)).expect("it was there");
            self.now = at;
            // What comes too late is nobody's business any more.
            let _ = self.execution.apply(stimulus, at);
            self.obey();
        }
        self.now = self.now.max(START + seconds.min(10_000_000));
    }

    /// Tells the execution something now.
    pub(crate) fn tell(&mut self, stimulus: Stimulus) -> Result<(), nightly_asl::Closed> {
        let told = self.execution.apply(stimulus, self.now);
        self.obey();
        told
    }

    /// The task of a state that was started last.
    pub(crate) fn task(&self, state: &str) -> &Task {
        let tasks = self.known.values().filter(|task| &*task.state == state);
        tasks.max_by_key(|task| task.id).unwrap_or_else(|| panic!("{state} started no task"))
    }

    pub(crate) fn status(&self) -> &Status {
        self.execution.status()
    }

    /// The types of all events.
    pub(crate) fn events(&self) -> Vec<String> {
        self.execution.history().iter().map(nightly_asl::Event::kind).collect()
    }

    pub(crate) fn history(&self) -> Vec<Value> {
        self.execution.history().iter().map(nightly_asl::Event::json).collect()
    }

    /// The names of the states that were entered, in order.
    pub(crate) fn path(&self) -> Vec<String> {
        let names = self.history();
        names.iter().filter_map(|event| event["stateEnteredEventDetails"]["name"].as_str().map(str::to_owned)).collect()
    }

    fn obey(&mut self) {
        for command in self.execution.commands() {
            match command {
                Command::Wake { timer, at } => self.plan(at, Stimulus::Wake(timer)),
                Command::Cancel(task) => self.asked.push(format!("cancel {}", self.known[&task].state)),
                Command::Start(task) => {
                    self.asked.push(format!("start {}", task.state));
                    #[expect(clippy::cast_precision_loss, reason = "seconds of a test")]
                    self.started.push((task.state.to_string(), (self.now.0 - START.0) as f64 / 1000.0));
                    if let Some(answer) = self.tasks.next(&task.state) {
                        let stimulus = match answer.with {
                            Ok(output) => Stimulus::Succeeded { task: task.id, output: output.into() },
                            Err(failure) => Stimulus::Failed { task: task.id, failure },
                        };
                        self.plan(self.now + answer.after_seconds, stimulus);
                    }
                    self.known.insert(task.id, task);
                }
            }
        }
    }

    fn plan(&mut self, at: Instant, stimulus: Stimulus) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), stimulus);
    }
}
