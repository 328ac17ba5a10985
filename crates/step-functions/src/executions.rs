//! The executions: told what happens, and given what they want.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nightly_asl::check::{self, Finding};
use nightly_asl::{Closed, Command, Detail, Execution, Identity, Instant, Json, Machine, Start, Status, Stimulus, Task, TaskId, TimerId};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::clock::{self, Clock};
use crate::journal::{self, Journal, Opening, Told};
use crate::local_aws::{LocalAws, StatusChange};
use crate::machines::{self, StateMachine, StateMachines};
use crate::refusal::Refusal;
use crate::scope::execution_arn;

/// A clock that was set is noticed after so long.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// All there is: state machines, executions, and the local AWS that tasks call.
pub(crate) struct StepFunctions {
    pub(crate) machines: RefCell<StateMachines>,
    pub(crate) aws: LocalAws,
    pub(crate) clock: Clock,
    runs: RefCell<BTreeMap<String, Run>>,
    /// Every token that was ever handed out, and the task that waits or waited for it.
    tokens: RefCell<HashMap<String, (String, TaskId)>>,
    folder: PathBuf,
    changes: mpsc::UnboundedSender<StatusChange>,
}

/// One execution.
pub(crate) struct Run {
    pub(crate) opening: Opening,
    pub(crate) execution: Execution,
    journal: Journal,
    /// When it was told something last.
    latest: Instant,
    /// Tasks that somebody works on, and how to tell them that nobody waits any more.
    going: HashMap<TaskId, Rc<Notify>>,
}

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the data folder can't be read: {0}")]
    Files(#[from] io::Error),
    #[error("the execution {arn} can't be made again: {reason}")]
    Execution { arn: String, reason: String },
}

impl StepFunctions {
    /// What the folder keeps, as it was. Inside a `LocalSet` only: executions go on at once.
    pub(crate) fn restore(data: &Path, aws: LocalAws, clock: Clock) -> Result<Rc<Self>, Unreadable> {
        let folder = data.join("executions");
        let (changes, announced) = mpsc::unbounded_channel();
        let restored = Rc::new(Self {
            machines: RefCell::new(StateMachines::read(data)?),
            aws,
            clock,
            runs: RefCell::default(),
            tokens: RefCell::default(),
            folder: folder.clone(),
            changes,
        });
        spawn_local(Rc::clone(&restored).announce(announced));
        for kept in journal::read_all(&folder)? {
            restored.go_on(kept)?;
        }
        Ok(restored)
    }

    /// Starts an execution of a state machine.
    pub(crate) fn begin(
        self: &Rc<Self>,
        machine: &StateMachine,
        name: &str,
        input: String,
        trace_header: Option<String>,
    ) -> Result<(String, Instant), Refusal> {
        let arn = execution_arn(&machine.arn, name);
        let parsed = Json::parse(&input)
            .map_err(|_| Refusal::new("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{input}'")))?;
        let loaded = load(&machine.definition, &machine.kind).map_err(|reason| Refusal::new("InvalidDefinition", reason))?;
        let identity = Identity {
            execution_arn: arn.clone(),
            name: name.to_owned(),
            state_machine_arn: machine.arn.clone(),
            state_machine_name: machine.name.clone(),
            role_arn: machine.role_arn.clone(),
        };
        let at = self.clock.now();
        let start = Start { identity, input: parsed, at, seed: clock::seed() };
        let opening =
            Opening { definition: machine.definition.clone(), kind: machine.kind.clone(), input, trace_header, start: start.clone() };
        let journal = Journal::open(&self.folder, &opening).map_err(|error| Refusal::storage(&error))?;
        let execution = Execution::start(&loaded, start);
        self.runs.borrow_mut().insert(arn.clone(), Run { opening, execution, journal, latest: at, going: HashMap::new() });
        self.changed(&arn, &Status::Running);
        self.obey(&arn);
        self.announce_end(&arn, true);
        Ok((arn, at))
    }

    /// Tells an execution what happened, writes it down, and gives it what it wants.
    pub(crate) fn tell(self: &Rc<Self>, arn: &str, stimulus: Stimulus) -> Result<(), Closed> {
        let was_running = {
            let mut runs = self.runs.borrow_mut();
            let run = runs.get_mut(arn).ok_or(Closed)?;
            let was_running = *run.execution.status() == Status::Running;
            let at = self.clock.now().max(run.latest);
            run.execution.apply(stimulus.clone(), at)?;
            run.latest = at;
            if let Err(error) = run.journal.append(&Told { at, stimulus }) {
                eprintln!("step-functions: {arn}: what happened can't be written down: {error}");
            }
            was_running
        };
        self.obey(arn);
        self.announce_end(arn, was_running);
        Ok(())
    }

    /// Looks at an execution.
    pub(crate) fn look<T>(&self, arn: &str, look: impl FnOnce(&Run) -> T) -> Option<T> {
        self.runs.borrow().get(arn).map(look)
    }

    /// Looks at every execution.
    pub(crate) fn look_at_all<T>(&self, mut look: impl FnMut(&str, &Run) -> Option<T>) -> Vec<T> {
        self.runs.borrow().iter().filter_map(|(arn, run)| look(arn, run)).collect()
    }

    /// The task that waits or waited for a token.
    pub(crate) fn task_of(&self, token: &str) -> Option<(String, TaskId)> {
        self.tokens.borrow().get(token).cloned()
    }

    /// Makes an execution again from its file, and takes up what was left undone.
    fn go_on(self: &Rc<Self>, kept: journal::Kept) -> Result<(), Unreadable> {
        let journal::Kept { opening, told, journal } = kept;
        let arn = opening.start.identity.execution_arn.clone();
        let unreadable = |reason: String| Unreadable::Execution { arn: arn.clone(), reason };
        let machine = load(&opening.definition, &opening.kind).map_err(unreadable)?;
        let mut execution = Execution::start(&machine, opening.start.clone());
        let mut undone = Undone::default();
        let mut latest = opening.start.at;
        undone.add(execution.commands());
        for Told { at, stimulus } in told {
            execution.apply(stimulus.clone(), at).map_err(|_| unreadable(format!("it no longer takes {stimulus:?}")))?;
            latest = at;
            undone.heard(stimulus);
            undone.add(execution.commands());
        }
        self.tokens.borrow_mut().extend(undone.tokens.into_iter().map(|(token, task)| (token, (arn.clone(), task))));
        self.runs.borrow_mut().insert(arn.clone(), Run { opening, execution, journal, latest, going: HashMap::new() });
        for (timer, at) in undone.timers {
            spawn_local(Rc::clone(self).wake(arn.clone(), timer, at));
        }
        for (task, submitted) in undone.tasks.into_values() {
            self.work(&arn, task, submitted);
        }
        Ok(())
    }

    /// Does what an execution wants.
    fn obey(self: &Rc<Self>, arn: &str) {
        let commands = self.runs.borrow_mut().get_mut(arn).map(|run| run.execution.commands()).unwrap_or_default();
        for command in commands {
            match command {
                Command::Start(task) => {
                    if let Some(token) = &task.token {
                        self.tokens.borrow_mut().insert(token.to_string(), (arn.to_owned(), task.id));
                    }
                    self.work(arn, task, None);
                }
                Command::Cancel(task) => {
                    let going = self.runs.borrow_mut().get_mut(arn).and_then(|run| run.going.remove(&task));
                    if let Some(going) = going {
                        going.notify_one();
                    }
                }
                Command::Wake { timer, at } => {
                    spawn_local(Rc::clone(self).wake(arn.to_owned(), timer, at));
                }
            }
        }
    }

    /// Has somebody work on a task. `submitted` is what the call answered, where it has been made already.
    fn work(self: &Rc<Self>, arn: &str, task: Task, submitted: Option<Json>) {
        let cancelled = Rc::new(Notify::new());
        let id = task.id;
        if let Some(run) = self.runs.borrow_mut().get_mut(arn) {
            run.going.insert(id, Rc::clone(&cancelled));
        }
        let (steps, arn) = (Rc::clone(self), arn.to_owned());
        spawn_local(async move {
            steps.perform(&arn, task, submitted, &cancelled).await;
            if let Some(run) = steps.runs.borrow_mut().get_mut(&arn) {
                run.going.remove(&id);
            }
        });
    }

    async fn wake(self: Rc<Self>, arn: String, timer: TimerId, at: Instant) {
        while let Ok(left @ 1..) = u64::try_from(at.0 - self.clock.now().0) {
            sleep(Duration::from_millis(left).min(LONGEST_SLEEP)).await;
        }
        // An execution that has ended needs no timer.
        let _ = self.tell(&arn, Stimulus::Wake(timer));
    }

    fn announce_end(&self, arn: &str, was_running: bool) {
        let Some((status, machine)) =
            self.look(arn, |run| (run.execution.status().clone(), run.opening.start.identity.state_machine_arn.clone()))
        else {
            return;
        };
        if was_running != (status == Status::Running) {
            self.changed(arn, &status);
            self.finish_deletion(&machine);
        }
    }

    fn changed(&self, arn: &str, status: &Status) {
        let detail = self.look(arn, |run| run.status_change(status, self.clock.now()));
        // Whoever announces ends only with the server.
        let _ = detail.map(|detail| self.changes.send(StatusChange { arn: arn.to_owned(), detail }));
    }

    /// Tells EventBridge of every change, one after the other; as on AWS, best effort.
    async fn announce(self: Rc<Self>, mut changes: mpsc::UnboundedReceiver<StatusChange>) {
        while let Some(change) = changes.recv().await {
            if let Err(problem) = self.aws.announce(&change).await {
                eprintln!("step-functions: {}: EventBridge was not told: {problem}", change.arn);
            }
        }
    }

    /// A state machine that is being deleted goes with its last execution.
    pub(crate) fn finish_deletion(&self, machine: &str) {
        let deleting = self.machines.borrow().find(machine).is_some_and(|machine| machine.deleting);
        let running = |run: &Run| run.opening.start.identity.state_machine_arn == machine && *run.execution.status() == Status::Running;
        if !deleting || self.runs.borrow().values().any(running) {
            return;
        }
        if let Err(error) = self.machines.borrow_mut().remove(machine) {
            eprintln!("step-functions: {machine}: its deletion can't be written down: {error}");
        }
    }
}

impl Run {
    /// When it ended last.
    pub(crate) fn stopped_at(&self) -> Option<Instant> {
        (*self.execution.status() != Status::Running).then(|| self.execution.history().last().map(|event| event.at)).flatten()
    }

    /// When it was redriven last, and how often.
    pub(crate) fn redriven(&self) -> (Option<Instant>, usize) {
        let redrives = || self.execution.history().iter().filter(|event| matches!(event.detail, Detail::ExecutionRedriven { .. }));
        (redrives().next_back().map(|event| event.at), redrives().count())
    }
}

/// What an execution wanted and didn't get before the server went.
#[derive(Default)]
struct Undone {
    tasks: BTreeMap<TaskId, (Task, Option<Json>)>,
    timers: BTreeMap<TimerId, Instant>,
    tokens: Vec<(String, TaskId)>,
}

impl Undone {
    fn add(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start(task) => {
                    self.tokens.extend(task.token.as_deref().map(|token| (token.to_owned(), task.id)));
                    self.tasks.insert(task.id, (task, None));
                }
                Command::Cancel(task) => {
                    self.tasks.remove(&task);
                }
                Command::Wake { timer, at } => {
                    self.timers.insert(timer, at);
                }
            }
        }
    }

    fn heard(&mut self, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Wake(timer) => {
                self.timers.remove(&timer);
            }
            Stimulus::Submitted { task, output } => {
                if let Some((_, submitted)) = self.tasks.get_mut(&task) {
                    *submitted = Some(output);
                }
            }
            Stimulus::Succeeded { task, .. } | Stimulus::Failed { task, .. } => {
                self.tasks.remove(&task);
            }
            Stimulus::Heartbeat { .. } | Stimulus::Stop(_) | Stimulus::Redrive => {}
        }
    }
}

/// A definition that runs, or what is wrong with it as `CreateStateMachine` says it.
pub(crate) fn load(definition: &str, kind: &str) -> Result<Machine, String> {
    let refused = |reason: String| format!("Invalid State Machine Definition: '{reason}'");
    let kind = machines::kind(kind).ok_or_else(|| refused(format!("there is no type {kind}")))?;
    if let Some(refusal) = check::refusal(&check::text(definition, kind)) {
        return Err(refusal);
    }
    let value: Value = serde_json::from_str(definition).map_err(|error| refused(error.to_string()))?;
    Machine::load(&value, kind).map_err(|findings| refused(findings.iter().map(written).collect::<Vec<_>>().join(", ")))
}

fn written(finding: &Finding) -> String {
    format!("{}: {} at {}", finding.code, finding.message, finding.location)
}
