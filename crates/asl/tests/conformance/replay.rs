//! Runs a recorded execution again: its tasks answer what they answered then, and time passes only when nothing else happens.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nightly_asl::check::Kind;
use nightly_asl::{Command, Event, Execution, Failure, Identity, Instant, Json, Machine, Start, Status, Stimulus, Task, TaskId, TimerId};
use serde_json::Value;

use crate::agreement::Names;
use crate::masks::{as_recorded, hide};
use crate::recording::{Answer, RecordedTask, Recording, details, kind};

/// What we made of it.
pub struct Replay {
    /// How it stands in the end.
    pub status: Status,
    /// Its history, as `GetExecutionHistory` would tell it.
    pub events: Vec<Value>,
    /// What went otherwise than the recording says, on the way.
    pub notes: Vec<String>,
}

/// 2024-11-04T11:40:47Z: any instant would do, since recordings hide theirs.
pub const BEGIN: Instant = Instant(1_730_720_447_000);

/// More than any recorded execution takes, so that one that never ends is a disagreement and not a test that hangs.
const MOST_STEPS: usize = 20_000;

/// Replays; an engine that panics or refuses the definition is told in words.
pub fn replay(recording: &Recording) -> Result<Replay, String> {
    caught(|| run(recording)).unwrap_or_else(Err)
}

/// A panic as words: one answer that breaks the engine must not hide the others.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", text.unwrap_or_default())
    })
}

fn run(recording: &Recording) -> Result<Replay, String> {
    let machine =
        Machine::load(&recording.definition, Kind::Standard).map_err(|findings| format!("refused the definition: {findings:?}"))?;
    let name = |arn: &str| arn.rsplit(':').next().unwrap_or(arn).to_owned();
    let identity = Identity {
        execution_arn: recording.context.execution.clone(),
        name: name(&recording.context.execution),
        state_machine_arn: recording.context.state_machine.clone(),
        state_machine_name: name(&recording.context.state_machine),
        role_arn: recording.role().to_owned(),
    };
    let start = Start { identity, input: Json::from(recording.input.clone()), at: BEGIN, seed: 1 };
    let mut world = World::new(recording);
    let mut execution = Execution::start(&machine, start);
    for _ in 0..MOST_STEPS {
        world.take(execution.commands());
        if *execution.status() != Status::Running || (!recording.holds_the_end() && execution.history().len() >= recording.events.len()) {
            return Ok(world.end(&execution));
        }
        let Some(stimulus) = world.next(execution.history()) else {
            world.notes.push("nothing is left that could happen".into());
            return Ok(world.end(&execution));
        };
        if execution.apply(stimulus.clone(), world.now).is_err() {
            world.notes.push(format!("too late: {stimulus:?}"));
        }
    }
    Err(format!("still runs after {MOST_STEPS} steps"))
}

/// Everything around the execution: its tasks and its clock.
struct World<'a> {
    recording: &'a Recording,
    now: Instant,
    timers: BinaryHeap<Reverse<(Instant, usize, TimerId)>>,
    timers_set: usize,
    recorded_tasks: Vec<Option<RecordedTask>>,
    waiting: BTreeMap<TaskId, VecDeque<(usize, Answer)>>,
    names: Names,
    notes: Vec<String>,
}

impl<'a> World<'a> {
    fn new(recording: &'a Recording) -> Self {
        Self {
            recording,
            now: BEGIN,
            timers: BinaryHeap::new(),
            timers_set: 0,
            recorded_tasks: recording.tasks().into_iter().map(Some).collect(),
            waiting: BTreeMap::new(),
            names: Names::default(),
            notes: Vec::new(),
        }
    }

    fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start(task) => self.start(&task),
                Command::Cancel(task) => {
                    self.waiting.remove(&task);
                }
                Command::Wake { timer, at } => {
                    self.timers_set += 1;
                    self.timers.push(Reverse((at, self.timers_set, timer)));
                }
            }
        }
    }

    /// Looks the task up: by its state, and where several of it run at once, by what it is called with.
    fn start(&mut self, task: &Task) {
        let names = self.names.clone();
        let of_state = |recorded: &&mut Option<RecordedTask>| {
            recorded.as_ref().is_some_and(|recorded| recorded.state.as_deref().is_none_or(|state| state == &*task.state))
        };
        let mut candidates: Vec<_> = self.recorded_tasks.iter_mut().filter(of_state).collect();
        let same = candidates.iter().position(|candidate| {
            candidate.as_ref().is_some_and(|recorded| compare_parameters(&mut names.clone(), recorded, &task.parameters))
        });
        let chosen = same.or(if candidates.is_empty() { None } else { Some(0) });
        let Some(recorded) = chosen.and_then(|chosen| candidates[chosen].take()) else {
            self.notes.push(format!("the recording knows no call of {} with {}", task.state, task.parameters.text()));
            return;
        };
        compare_parameters(&mut self.names, &recorded, &task.parameters);
        self.waiting.insert(task.id, recorded.answers);
    }

    /// What happens next: the first answer that waits, or the stop; but time passes if the recording tells something before it that only
    /// time can bring.
    fn next(&mut self, history: &[Event]) -> Option<Stimulus> {
        let answer = self.waiting.iter().filter_map(|(&task, answers)| Some((answers.front()?.0, task))).min();
        let stop = self.recording.events.iter().position(|event| kind(event) == Some("ExecutionAborted"));
        let stop = stop.filter(|&stop| answer.is_none_or(|(position, _)| stop < position));
        let position = stop.or(answer.map(|(position, _)| position));
        if position.is_none_or(|position| self.something_is_missing(position, history))
            && let Some(Reverse((at, _, timer))) = self.timers.pop()
        {
            self.now = self.now.max(at);
            return Some(Stimulus::Wake(timer));
        }
        match stop {
            Some(stop) => {
                let details = details(&self.recording.events[stop]);
                let text = |name: &str| details.get(name).and_then(Value::as_str).map(str::to_owned);
                Some(Stimulus::Stop(Failure { error: text("error"), cause: text("cause") }))
            }
            None => self.answer(answer?.1),
        }
    }

    /// Whether the recording tells more events of some type before a place than have happened. One that was sorted tells nothing of that.
    fn something_is_missing(&self, position: usize, history: &[Event]) -> bool {
        if self.recording.parallel_normalised {
            return false;
        }
        let mut missing: BTreeMap<String, usize> = BTreeMap::new();
        for kind in self.recording.events[..position].iter().filter_map(kind) {
            *missing.entry(kind.to_owned()).or_default() += 1;
        }
        for event in history {
            if let Some(count) = missing.get_mut(&event.kind()) {
                *count = count.saturating_sub(1);
            }
        }
        missing.values().any(|&count| count > 0)
    }

    fn answer(&mut self, task: TaskId) -> Option<Stimulus> {
        let (_, answer) = self.waiting.get_mut(&task)?.pop_front()?;
        let fill = |output: &Json| Json::from(self.names.fill(output.value()));
        Some(match &answer {
            Answer::Submitted(output) => Stimulus::Submitted { task, output: fill(output) },
            Answer::Succeeded(output) => Stimulus::Succeeded { task, output: fill(output) },
            Answer::Failed(failure) => {
                let fill = |text: &String| self.names.fill_text(text);
                let failure = Failure { error: failure.error.as_ref().map(fill), cause: failure.cause.as_ref().map(fill) };
                Stimulus::Failed { task, failure }
            }
        })
    }

    fn end(mut self, execution: &Execution) -> Replay {
        let never_asked = self.recorded_tasks.iter().flatten().count();
        if never_asked > 0 {
            self.notes.push(format!("{never_asked} recorded tasks were never called"));
        }
        Replay { status: execution.status().clone(), events: execution.history().iter().map(Event::json).collect(), notes: self.notes }
    }
}

/// The parameters as both sides' histories show them; placeholders in them are learned: a task token, above all.
fn compare_parameters(names: &mut Names, recorded: &RecordedTask, ours: &Json) -> bool {
    let event = |parameters: Value| serde_json::json!({ "taskScheduledEventDetails": { "parameters": parameters } });
    let (recorded, ours) = (as_recorded(vec![event(recorded.parameters.clone())]), hide(vec![event(ours.text().into())], &[]));
    names.compare(&recorded[0], &ours[0]).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A branch that waits ten seconds beside one whose task may take sixty; `first` tells which of the two ended first.
    fn beside_a_wait(first: &str) -> Recording {
        let definition = json!({
            "StartAt": "Both",
            "States": { "Both": { "Type": "Parallel", "End": true, "Branches": [
                { "StartAt": "Ask", "States": { "Ask": {
                    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 60, "End": true
                } } },
                { "StartAt": "Pause", "States": { "Pause": { "Type": "Wait", "Seconds": 10, "End": true } } }
            ] } }
        });
        let succeeded = json!({ "id": 6, "previousEventId": 5, "type": "TaskSucceeded", "taskSucceededEventDetails": {
            "resource": "invoke", "resourceType": "lambda", "output": "1"
        } });
        let waited = json!({ "id": 7, "previousEventId": 4, "type": "WaitStateExited" });
        let mut events = json!([
            { "id": 1, "previousEventId": 0, "type": "ExecutionStarted" },
            { "id": 2, "previousEventId": 0, "type": "ParallelStateEntered" },
            { "id": 3, "previousEventId": 2, "type": "TaskStateEntered", "stateEnteredEventDetails": { "name": "Ask" } },
            { "id": 4, "previousEventId": 2, "type": "WaitStateEntered" },
            { "id": 5, "previousEventId": 3, "type": "TaskScheduled", "taskScheduledEventDetails": { "resource": "invoke" } }
        ]);
        let list = events.as_array_mut().expect("it is a list");
        list.extend(if first == "Pause" { [waited, succeeded] } else { [succeeded, waited] });
        list.push(json!({ "id": 8, "previousEventId": 7, "type": "ExecutionSucceeded" }));
        let context = json!({ "StateMachineId": "machine", "ExecutionId": "execution", "RoleArn": "role" });
        serde_json::from_value(json!({ "id": "two", "definition": definition, "input": {}, "events": events, "context": context }))
            .expect("it has the recordings' form")
    }

    #[test]
    fn time_passes_before_an_answer_where_the_recording_says_so() {
        for (first, then) in [("Pause", ["WaitStateExited", "TaskSucceeded"]), ("Ask", ["TaskSucceeded", "WaitStateExited"])] {
            let replay = replay(&beside_a_wait(first)).expect("it can be replayed");
            let kinds = replay.events.iter().filter_map(kind).filter(|kind| then.contains(kind)).collect::<Vec<_>>();
            assert_eq!(kinds, then, "{first} first");
        }
    }
}
