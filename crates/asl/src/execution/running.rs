//! Threads of control, and what makes them go on: tasks, timers, each other.

use std::rc::Rc;

use serde_json::{Value, json};

use super::trouble::{Origin, Trouble};
use super::{Closed, Command, Execution, Status, TaskId, TimerId};
use crate::context::{Context, Scope, Variables};
use crate::definition::{Flow, State, Work};
use crate::history::Detail;
use crate::random::Random;
use crate::value::{Failure, Instant, Json};

/// A state that is to be entered.
pub(super) struct Step {
    pub(super) thread: usize,
    pub(super) state: usize,
    pub(super) input: Json,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Wait,
    Retry,
    TaskTimeout,
    Heartbeat,
    Execution,
}

/// A thread of control: the execution itself, a branch, an item.
pub(super) struct Thread {
    /// The thread that waits for this one, and the place of its output there.
    pub(super) parent: Option<(usize, usize)>,
    pub(super) flow: Rc<Flow>,
    pub(super) variables: Variables,
    pub(super) item: Option<Item>,
    /// The last event of its chain.
    pub(super) last: u64,
    pub(super) visit: Option<Visit>,
    /// What sets its random numbers apart from other threads'.
    key: u64,
    visits: u64,
}

/// The item that a Map's iteration works on.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) value: Json,
}

/// One entry into one state.
pub(super) struct Visit {
    pub(super) state: Rc<State>,
    pub(super) input: Json,
    /// The event of the entry, and the last one before it.
    pub(super) entered: u64,
    pub(super) before: u64,
    pub(super) entered_at: Instant,
    /// How often each retrier has been used.
    pub(super) retries: Vec<u32>,
    pub(super) token: Option<Rc<str>>,
    pub(super) activity: Activity,
    number: u64,
}

impl Visit {
    /// How often the state was tried again.
    pub(super) fn tries(&self) -> u32 {
        self.retries.iter().sum()
    }
}

/// What a state waits for.
pub(super) enum Activity {
    /// Nothing: it is at work, or was stopped.
    None,
    Timer,
    Task {
        task: TaskId,
        heartbeat_seconds: Option<i64>,
    },
    Children(Children),
}

/// The branches of a Parallel or the items of a Map.
pub(super) struct Children {
    /// The threads that run, by place.
    pub(super) running: Vec<(usize, usize)>,
    pub(super) outputs: Vec<Option<Json>>,
    /// What each is given; a Map's items that have not begun yet stand after `begun`.
    pub(super) inputs: Vec<(Json, Option<Item>)>,
    pub(super) begun: usize,
    pub(super) concurrency: usize,
}

impl Thread {
    pub(super) fn root(flow: Rc<Flow>) -> Self {
        Self { parent: None, flow, variables: Variables::default(), item: None, last: 0, visit: None, key: 0, visits: 0 }
    }
}

impl Execution {
    pub(super) fn add_thread(&mut self, thread: Thread) -> usize {
        if let Some(free) = self.threads.iter().position(Option::is_none) {
            self.threads[free] = Some(thread);
            return free;
        }
        self.threads.push(Some(thread));
        self.threads.len() - 1
    }

    pub(super) fn thread(&self, thread: usize) -> &Thread {
        self.threads[thread].as_ref().expect("a thread that is named is there")
    }

    pub(super) fn thread_mut(&mut self, thread: usize) -> &mut Thread {
        self.threads[thread].as_mut().expect("a thread that is named is there")
    }

    pub(super) fn visit(&self, thread: usize) -> &Visit {
        self.thread(thread).visit.as_ref().expect("the thread is in a state")
    }

    pub(super) fn visit_mut(&mut self, thread: usize) -> &mut Visit {
        self.thread_mut(thread).visit.as_mut().expect("the thread is in a state")
    }

    /// Writes an event that goes on a thread's chain.
    pub(super) fn record(&mut self, thread: usize, detail: Detail) -> u64 {
        let previous = self.thread(thread).last;
        let id = self.note(previous, detail);
        self.thread_mut(thread).last = id;
        id
    }

    pub(super) fn enter(&mut self, thread: usize, state: usize, input: Json) {
        self.arrive(thread, state, input);
        self.attempt(thread);
    }

    /// Enters a state without beginning its work.
    pub(super) fn arrive(&mut self, thread: usize, state: usize, input: Json) {
        let state = self.thread(thread).flow.states[state].clone();
        let before = self.thread(thread).last;
        let entered = self.record(thread, Detail::StateEntered { kind: state.kind(), name: state.name.clone(), input: input.clone() });
        self.entries[state.number] += 1;
        let entered_at = self.now;
        let known = self.thread_mut(thread);
        known.visits += 1;
        known.visit = Some(Visit {
            retries: vec![0; state.retry.len()],
            state,
            input,
            entered,
            before,
            entered_at,
            token: None,
            activity: Activity::None,
            number: known.visits,
        });
    }

    /// Tries the state that the thread is in.
    pub(super) fn attempt(&mut self, thread: usize) {
        if let Err(trouble) = self.perform(thread) {
            self.trouble(thread, trouble);
        }
    }

    /// Random numbers for this try of this state, and for this purpose.
    pub(super) fn random(&self, thread: usize, purpose: u64) -> Random {
        let known = self.thread(thread);
        let visit = self.visit(thread);
        Random::new(self.start.seed, &[known.key, visit.state.number as u64, visit.number, u64::from(visit.tries()), purpose])
    }

    /// Runs something with all that expressions of the thread's state see.
    pub(super) fn with_scope<T>(&self, thread: usize, seen: &Seen<'_>, run: impl FnOnce(&Scope<'_>) -> T) -> T {
        let known = self.thread(thread);
        let make = || self.context(thread, seen.item);
        let one = |section: &str, name: &str| self.context_field(thread, section, name);
        let context = Context::with_fields(&make, &one);
        let random = self.random(thread, seen.purpose);
        run(&Scope {
            input: seen.input,
            context: &context,
            result: seen.result,
            error_output: seen.error_output,
            variables: &known.variables,
            random: &random,
            now: self.now,
        })
    }

    /// One field of the context object, without making the rest.
    fn context_field(&self, thread: usize, section: &str, name: &str) -> Option<Json> {
        if self.tried_context.is_some() {
            return None;
        }
        let identity = &self.start.identity;
        let text = match (section, name) {
            ("Execution", "Input") => return Some(self.start.input.clone()),
            ("Execution", "Id") => identity.execution_arn.clone(),
            ("Execution", "Name") => identity.name.clone(),
            ("Execution", "StartTime") => self.start.at.to_string(),
            ("State", "Name") => self.visit(thread).state.name.to_string(),
            ("State", "EnteredTime") => self.visit(thread).entered_at.to_string(),
            ("Task", "Token") => self.visit(thread).token.as_ref()?.to_string(),
            _ => return None,
        };
        Some(Value::String(text).into())
    }

    /// The context object («Accessing execution data from the Context object in Step Functions»).
    fn context(&self, thread: usize, item: Option<&Item>) -> Value {
        if let Some(context) = &self.tried_context {
            let mut context = Value::clone(context);
            if let Some(item) = item {
                context["Map"] = json!({"Item": {"Index": item.index, "Value": item.value.value()}});
            }
            return context;
        }
        let visit = self.visit(thread);
        let identity = &self.start.identity;
        let mut context = json!({
            "Execution": {
                "Id": identity.execution_arn,
                "Input": self.start.input.value(),
                "StartTime": self.start.at.to_string(),
                "Name": identity.name,
                "RoleArn": identity.role_arn,
                "RedriveCount": self.redrives,
            },
            "StateMachine": {"Id": identity.state_machine_arn, "Name": identity.state_machine_name},
            "State": {"Name": &*visit.state.name, "EnteredTime": visit.entered_at.to_string()},
        });
        // Only what can be retried tells how often it was.
        if matches!(visit.state.work, Work::Task(_) | Work::Parallel { .. } | Work::Map(_)) {
            context["State"]["RetryCount"] = visit.tries().into();
        }
        if let Some(token) = &visit.token {
            context["Task"] = json!({"Token": &**token});
        }
        if let Some(item) = item.or(self.thread(thread).item.as_ref()) {
            context["Map"] = json!({"Item": {"Index": item.index, "Value": item.value.value()}});
        }
        context
    }

    /// Starts a branch or an item.
    pub(super) fn begin_child(&mut self, parent: usize, place: usize, flow: &Rc<Flow>, last: u64) {
        let known = self.thread(parent);
        let (variables, key) =
            (known.variables.inner(), known.key.wrapping_mul(0x1_0000_01B3) ^ (self.visit(parent).number << 20) ^ (place as u64 + 1));
        let inherited = known.item.clone();
        let Activity::Children(children) = &mut self.visit_mut(parent).activity else { return };
        let (input, item) = children.inputs[place].clone();
        let thread = Thread {
            parent: Some((parent, place)),
            flow: flow.clone(),
            variables,
            item: item.or(inherited),
            last,
            visit: None,
            key,
            visits: 0,
        };
        let child = self.add_thread(thread);
        if let Activity::Children(children) = &mut self.visit_mut(parent).activity {
            children.running.push((place, child));
        }
        if let Work::Map(_) = self.visit(parent).state.work {
            let name = self.visit(parent).state.name.clone();
            self.record(child, Detail::MapIterationStarted { name, index: place });
        }
        self.agenda.push_back(Step { thread: child, state: flow.start, input });
    }

    /// A thread has gone through its last state.
    pub(super) fn finish(&mut self, thread: usize, output: Json) {
        let last = self.thread(thread).last;
        let Some((parent, place)) = self.thread(thread).parent else {
            self.end(last, Status::Succeeded(output));
            return;
        };
        self.threads[thread] = None;
        let state = self.visit(parent).state.clone();
        let mut closing = last;
        if let Work::Map(_) = state.work {
            closing = self.note(last, Detail::MapIterationSucceeded { name: state.name.clone(), index: place });
        }
        let Activity::Children(children) = &mut self.visit_mut(parent).activity else { return };
        children.running.retain(|(_, child)| *child != thread);
        children.outputs[place] = Some(output);
        let begun = children.begun;
        if begun < children.inputs.len() && children.running.len() < children.concurrency {
            children.begun += 1;
            if let Work::Map(work) = &state.work {
                self.begin_child(parent, begun, &work.processor, last);
            }
        } else if children.running.is_empty() && children.outputs.iter().all(Option::is_some) {
            self.thread_mut(parent).last = closing;
            self.children_done(parent);
        }
    }

    /// All branches or items have ended well.
    pub(super) fn children_done(&mut self, thread: usize) {
        let kind = self.visit(thread).state.kind();
        let Activity::Children(children) = std::mem::replace(&mut self.visit_mut(thread).activity, Activity::None) else { return };
        let last = self.thread(thread).last;
        self.note(last, Detail::StateSucceeded { kind });
        let outputs = Json::list(children.outputs.iter().flatten());
        let left = self.leave(thread, &outputs);
        if let Err(trouble) = left {
            self.trouble(thread, trouble);
        }
    }

    pub(super) fn wake(&mut self, timer: TimerId) -> Result<(), Closed> {
        let at = self.timers.iter().position(|(known, _, _)| *known == timer).ok_or(Closed)?;
        let (_, thread, due) = self.timers.swap_remove(at);
        match due {
            Due::Execution => self.end(0, Status::TimedOut(Failure::default())),
            Due::Wait => {
                let input = self.visit(thread).input.clone();
                if let Err(trouble) = self.leave_without_result(thread, &input) {
                    self.trouble(thread, trouble);
                }
            }
            Due::Retry => self.attempt(thread),
            Due::TaskTimeout => self.timed_out(thread, Origin::Timeout),
            Due::Heartbeat => self.timed_out(thread, Origin::Heartbeat),
        }
        Ok(())
    }

    fn timed_out(&mut self, thread: usize, origin: Origin) {
        let Some(task) = self.close_task(thread) else { return };
        self.commands.push(Command::Cancel(task));
        let failure = Failure::named("States.Timeout");
        let call = self.call(thread);
        self.record(thread, Detail::TaskTimedOut { call, failure: failure.clone() });
        self.trouble(thread, Trouble { failure, origin });
    }

    pub(super) fn submitted(&mut self, task: TaskId, output: Json) -> Result<(), Closed> {
        let thread = self.waiting(task)?;
        let call = self.call(thread);
        self.record(thread, Detail::TaskSubmitted { call, output });
        Ok(())
    }

    pub(super) fn succeeded(&mut self, task: TaskId, output: &Json) -> Result<(), Closed> {
        if output.is_too_large() {
            let call = self.call(self.waiting(task)?);
            let name = if call.service.is_empty() { &call.action } else { &call.service };
            return self.failed(task, too_large(name));
        }
        let thread = self.waiting(task)?;
        self.close_task(thread);
        let call = self.call(thread);
        self.record(thread, Detail::TaskSucceeded { call, output: output.clone() });
        if let Err(trouble) = self.leave(thread, output) {
            self.trouble(thread, trouble);
        }
        Ok(())
    }

    pub(super) fn failed(&mut self, task: TaskId, failure: Failure) -> Result<(), Closed> {
        let thread = self.waiting(task)?;
        self.close_task(thread);
        let call = self.call(thread);
        self.record(thread, Detail::TaskFailed { call, failure: failure.clone() });
        self.trouble(thread, Trouble { failure, origin: Origin::State });
        Ok(())
    }

    pub(super) fn beaten(&mut self, task: TaskId) -> Result<(), Closed> {
        let thread = self.waiting(task)?;
        if let Activity::Task { heartbeat_seconds: Some(seconds), .. } = self.visit(thread).activity {
            self.timers.retain(|(_, known, due)| *known != thread || *due != Due::Heartbeat);
            self.set_timer(thread, Due::Heartbeat, self.now + seconds);
        }
        Ok(())
    }

    fn waiting(&self, task: TaskId) -> Result<usize, Closed> {
        self.tasks.iter().find(|(known, _)| *known == task).map(|(_, thread)| *thread).ok_or(Closed)
    }

    fn call(&self, thread: usize) -> Rc<crate::history::Call> {
        match &self.visit(thread).state.work {
            Work::Task(work) => work.call.clone(),
            _ => unreachable!("only a Task waits for a task"),
        }
    }

    /// Nobody waits for the thread's task any more.
    pub(super) fn close_task(&mut self, thread: usize) -> Option<TaskId> {
        self.timers.retain(|(_, known, due)| *known != thread || *due == Due::Execution);
        let Activity::Task { task, .. } = self.visit(thread).activity else { return None };
        self.visit_mut(thread).activity = Activity::None;
        self.tasks.retain(|(known, _)| *known != task);
        Some(task)
    }
}

/// What expressions see beside the thread's own.
pub(super) struct Seen<'a> {
    pub(super) input: &'a Json,
    pub(super) result: Option<&'a Json>,
    pub(super) error_output: Option<&'a Json>,
    pub(super) item: Option<&'a Item>,
    /// Sets the random numbers of one field apart from another's.
    pub(super) purpose: u64,
}

impl<'a> Seen<'a> {
    pub(super) fn input(input: &'a Json, purpose: u64) -> Self {
        Self { input, result: None, error_output: None, item: None, purpose }
    }
}

/// A result of more than 256 KiB.
pub(super) fn too_large(name: &str) -> Failure {
    let cause = format!("The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit.");
    Failure::new("States.DataLimitExceeded", cause)
}
