//! What becomes of a failure: another try, a catcher, the end of a branch or of everything; and going on after it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::running::{Activity, Due, Seen};
use super::{Closed, Command, Execution, Status};
use crate::context::Fault;
use crate::definition::{Jitter, Retrier, Shape, Work};
use crate::history::Detail;
use crate::value::{Failure, Json};

/// A failure on its way through Retry and Catch.
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) origin: Origin,
}

/// Where a failure comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A task, a Fail state, an intrinsic function.
    State,
    /// A task's time ran out.
    Timeout,
    /// The time between two heartbeats ran out. AWS calls it `States.Timeout`, too, and lets `States.HeartbeatTimeout` match.
    Heartbeat,
    /// An expression, or what it gave, at this place of the state.
    Query(Option<String>),
    /// The definition and the data don't fit: nothing retries or catches that.
    Runtime,
}

impl Trouble {
    /// Whether an entry of `ErrorEquals` takes it («Error names» in «Handling errors in Step Functions workflows»).
    fn is_taken_by(&self, name: &str) -> bool {
        let error = self.failure.error.as_deref();
        let timeout = matches!(self.origin, Origin::Timeout | Origin::Heartbeat)
            || matches!(error, Some("States.Timeout" | "States.HeartbeatTimeout"));
        match name {
            "States.ALL" => true,
            "States.TaskFailed" => !timeout,
            "States.Timeout" => timeout,
            "States.HeartbeatTimeout" => self.origin == Origin::Heartbeat || error == Some(name),
            _ => error == Some(name),
        }
    }
}

impl Execution {
    /// A fault of the thread's state, told as AWS tells it.
    pub(super) fn fault(&self, thread: usize, fault: Fault) -> Trouble {
        let visit = self.visit(thread);
        let cause = match self.tried_context {
            // A state that is tried by itself has no events.
            Some(_) => fault.message,
            None => format!(
                "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
                visit.state.name, visit.entered, fault.message
            ),
        };
        let origin = match fault.error {
            Fault::QUERY => Origin::Query(fault.location),
            Fault::RUNTIME => Origin::Runtime,
            _ => Origin::State,
        };
        Trouble { failure: Failure::new(fault.error, cause), origin }
    }

    /// Goes through Retry, then Catch, then up.
    pub(super) fn trouble(&mut self, thread: usize, trouble: Trouble) {
        self.tell_of_evaluation(thread, &trouble);
        if trouble.origin != Origin::Runtime {
            if self.retry(thread, &trouble) {
                return;
            }
            match self.catch(thread, &trouble) {
                Ok(true) => return,
                Ok(false) => {}
                Err(worse) => {
                    self.tell_of_evaluation(thread, &worse);
                    return self.give_up(thread, worse);
                }
            }
        }
        self.give_up(thread, trouble);
    }

    fn tell_of_evaluation(&mut self, thread: usize, trouble: &Trouble) {
        let Origin::Query(location) = &trouble.origin else { return };
        let visit = self.visit(thread);
        // What fails while a state is entered follows what came before; AWS writes both in one go.
        let previous = match location.as_deref() {
            Some("Timestamp") => self.thread(thread).last,
            _ if self.thread(thread).last == visit.entered => visit.before,
            _ => self.thread(thread).last,
        };
        let state = visit.state.name.clone();
        let id = self.note(previous, Detail::EvaluationFailed { state, location: location.clone(), failure: trouble.failure.clone() });
        self.thread_mut(thread).last = id;
    }

    fn retry(&mut self, thread: usize, trouble: &Trouble) -> bool {
        let state = self.visit(thread).state.clone();
        let Some(at) = state.retry.iter().position(|retrier| takes(&retrier.errors, trouble)) else { return false };
        let retrier = &state.retry[at];
        let used = self.visit(thread).retries[at];
        if used >= retrier.max_attempts {
            return false;
        }
        let millis = delay_millis(retrier, used, self.random(thread, 7).unit());
        self.drop_children(thread);
        let visit = self.visit_mut(thread);
        visit.retries[at] += 1;
        visit.activity = Activity::Timer;
        self.set_timer(thread, Due::Retry, self.now.plus_millis(millis));
        true
    }

    fn catch(&mut self, thread: usize, trouble: &Trouble) -> Result<bool, Trouble> {
        let state = self.visit(thread).state.clone();
        let Some(catcher) = state.catch.iter().find(|catcher| takes(&catcher.errors, trouble)) else { return Ok(false) };
        if self.has_children(thread) {
            self.record(thread, Detail::StateFailed { kind: state.kind() });
        }
        self.drop_children(thread);
        let input = self.visit(thread).input.clone();
        let error = error_output(&trouble.failure);
        let (output, assigned) = match state.shape {
            Shape::Query { .. } => {
                let seen = Seen { error_output: Some(&error), ..Seen::input(&input, 8) };
                self.with_scope(thread, &seen, |scope| {
                    let output = catcher.output.as_ref().map_or_else(|| Ok(error.clone()), |output| output.evaluate(scope))?;
                    Ok((output, Self::assigned(catcher.assign.as_ref(), scope)?))
                })
            }
            Shape::Path { .. } => {
                let seen = Seen::input(&error, 8);
                self.with_scope(thread, &seen, |scope| {
                    let output = Self::placed(catcher.result_path.as_ref(), &input, &error)?;
                    Ok((output, Self::assigned(catcher.assign.as_ref(), scope)?))
                })
            }
        }
        .map_err(|fault| self.fault(thread, fault))?;
        self.exit(thread, output, assigned, crate::definition::Next::To(catcher.next))?;
        Ok(true)
    }

    /// Nothing took it: the thread ends, and whoever waits for it has the trouble.
    fn give_up(&mut self, thread: usize, trouble: Trouble) {
        let state = self.visit(thread).state.clone();
        let composite = matches!(state.work, Work::Parallel { .. } | Work::Map(_));
        if composite && (self.has_children(thread) || matches!(trouble.origin, Origin::Query(_))) {
            self.record(thread, Detail::StateFailed { kind: state.kind() });
        }
        let last = self.thread(thread).last;
        let Some((parent, place)) = self.thread(thread).parent else {
            return self.end(last, Status::Failed(trouble.failure));
        };
        let around = self.visit(parent).state.clone();
        match around.work {
            Work::Map(_) => {
                self.note(last, Detail::MapIterationFailed { name: around.name.clone(), index: place });
            }
            // A Task that fails its branch is told as aborted, too.
            _ if matches!(state.work, Work::Task(_)) => {
                self.note(last, Detail::StateAborted { kind: state.kind() });
            }
            _ => {}
        }
        self.stop_siblings(parent, thread);
        self.thread_mut(parent).last = last;
        let origin = if trouble.origin == Origin::Runtime { Origin::Runtime } else { Origin::State };
        // It has its history already: to the Parallel or Map around it, it is the failure of a part.
        self.trouble(parent, Trouble { failure: trouble.failure, origin });
    }

    /// Stops the other branches or items; they stay where they are, for a redrive.
    fn stop_siblings(&mut self, parent: usize, failed: usize) {
        let Activity::Children(children) = &self.visit(parent).activity else { return };
        let others: Vec<_> = children.running.iter().copied().filter(|(_, child)| *child != failed).collect();
        let around = self.visit(parent).state.clone();
        for (place, child) in others {
            self.stop(child);
            if let Work::Map(_) = around.work {
                let last = self.thread(child).last;
                self.note(last, Detail::MapIterationAborted { name: around.name.clone(), index: place });
            }
        }
    }

    /// Stops a thread and those below it.
    fn stop(&mut self, thread: usize) {
        self.agenda.retain(|step| step.thread != thread);
        let Some(visit) = &self.thread(thread).visit else { return };
        if let Activity::Children(children) = &visit.activity {
            for (_, child) in children.running.clone() {
                self.stop(child);
            }
        }
        let kind = self.visit(thread).state.kind();
        if let Some(task) = self.close_task(thread) {
            self.commands.push(Command::Cancel(task));
        }
        if matches!(kind, "Task" | "Wait" | "Parallel" | "Map") {
            let last = self.thread(thread).last;
            self.note(last, Detail::StateAborted { kind });
        }
    }

    fn has_children(&self, thread: usize) -> bool {
        matches!(self.visit(thread).activity, Activity::Children(_))
    }

    fn drop_children(&mut self, thread: usize) {
        if let Activity::Children(children) = std::mem::replace(&mut self.visit_mut(thread).activity, Activity::None) {
            for (_, child) in children.running {
                self.drop_thread(child);
            }
        }
    }

    fn drop_thread(&mut self, thread: usize) {
        if self.thread(thread).visit.is_some() {
            self.drop_children(thread);
            self.close_task(thread);
        }
        self.agenda.retain(|step| step.thread != thread);
        self.threads[thread] = None;
    }

    /// Goes on from where the execution failed («Redriving executions in Step Functions»): what ended well stays, and every
    /// state that failed or was stopped is tried anew, its retries counted from the start.
    pub(super) fn redrive(&mut self) -> Result<(), Closed> {
        if matches!(self.status, Status::Running | Status::Succeeded(_)) {
            return Err(Closed);
        }
        self.status = Status::Running;
        self.redrives += 1;
        let redriven = self.note(0, Detail::ExecutionRedriven { count: self.redrives });
        self.set_execution_timer();
        self.go_on(0, redriven);
        Ok(())
    }

    fn go_on(&mut self, thread: usize, redriven: u64) {
        let Some(visit) = &mut self.thread_mut(thread).visit else {
            // It was to begin when it was stopped.
            let Some((parent, place)) = self.thread(thread).parent else { return };
            let Activity::Children(children) = &self.visit(parent).activity else { return };
            let input = children.inputs[place].0.clone();
            let state = self.thread(thread).flow.start;
            return self.agenda.push_back(super::running::Step { thread, state, input });
        };
        visit.retries.fill(0);
        if let Activity::Children(children) = &visit.activity {
            for (_, child) in children.running.clone() {
                self.go_on(child, redriven);
            }
            return;
        }
        visit.activity = Activity::None;
        self.thread_mut(thread).last = redriven;
        self.attempt(thread);
    }
}

pub(super) fn takes(errors: &[Rc<str>], trouble: &Trouble) -> bool {
    errors.iter().any(|name| trouble.is_taken_by(name))
}

/// The delay before a try: the interval times the rate for every one before, at most the cap; with full jitter any part of it.
fn delay_millis(retrier: &Retrier, used: u32, chance: f64) -> i64 {
    let seconds = retrier.interval_seconds * retrier.backoff_rate.powi(i32::try_from(used).unwrap_or(i32::MAX));
    let seconds = retrier.max_delay_seconds.map_or(seconds, |most| seconds.min(most));
    let seconds = match retrier.jitter {
        Jitter::None => seconds,
        Jitter::Full => seconds * chance,
    };
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
    let millis = (seconds * 1000.0).round() as i64;
    millis
}

/// What Catch is given.
fn error_output(failure: &Failure) -> Json {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::String);
    let fields: Map<String, Value> =
        [("Error".to_owned(), text(&failure.error)), ("Cause".to_owned(), text(&failure.cause))].into_iter().collect();
    Value::Object(fields).into()
}
