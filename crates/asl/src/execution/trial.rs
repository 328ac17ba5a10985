//! One state, tried by itself: it is entered as an execution enters it, works on what it is told came of its task, branches or items,
//! and is left or fails as in an execution. What it made on the way is kept.

use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::running::{Activity, Due, Seen, Thread, too_large};
use super::trouble::{Origin, Trouble, takes};
use super::{Command, Execution, Identity, Start, Status, Task};
use crate::definition::{Language, Machine, MapWork, Shape, State, Work};
use crate::jsonata::Expected;
use crate::jsonpath::Path;
use crate::value::{Failure, Instant, Json};

/// What is tried, and under which circumstances.
pub(crate) struct Setup<'a> {
    /// The state is the one that this starts with; wherever it can lead to is there, too.
    pub(crate) machine: &'a Machine,
    /// The state as it is written.
    pub(crate) state: &'a Map<String, Value>,
    pub(crate) input: Json,
    pub(crate) variables: Vec<(Rc<str>, Json)>,
    pub(crate) context: Value,
    pub(crate) at: Instant,
    pub(crate) seed: u64,
    /// How often the retrier was used before that takes the failure, if there is one.
    pub(crate) retries: u32,
    /// How many of a Map's iterations are said to have failed.
    pub(crate) failed_iterations: Option<usize>,
    /// What a Map's `ItemReader` is said to have read.
    pub(crate) read_items: Option<Value>,
}

/// What came of the task, the branches or the items.
pub(crate) enum Done<'a> {
    Told(Result<Json, Failure>),
    Called(&'a mut dyn FnMut(&Task) -> Result<Json, Failure>),
}

/// What came of the trial.
pub(crate) struct Tried {
    /// What the state made of its data, step by step, by TestState's names.
    pub(crate) steps: Vec<(&'static str, Made)>,
    pub(crate) end: End,
    /// The places of the retrier and the catcher that take the failure, and how long the retrier waits.
    pub(crate) retrier: Option<usize>,
    pub(crate) backoff_seconds: Option<i64>,
    pub(crate) catcher: Option<usize>,
    /// The variables as the state leaves them.
    pub(crate) variables: Vec<(String, Json)>,
}

/// What a step made: data, or a number that bounds a Map.
pub(crate) enum Made {
    Data(Json),
    Limit(Number),
}

/// How the state ends.
pub(crate) enum End {
    Succeeded { output: Json, next: Option<Rc<str>> },
    Caught { failure: Failure, output: Json, next: Option<Rc<str>> },
    Retried(Failure),
    Failed(Failure),
}

/// More iterations are said to have failed than there are.
#[derive(Debug)]
pub(crate) struct TooManyFailures;

/// Tries the state.
pub(crate) fn attempt(setup: Setup<'_>, work: Done<'_>) -> Result<Tried, TooManyFailures> {
    let identity = Identity {
        execution_arn: String::new(),
        name: String::new(),
        state_machine_arn: String::new(),
        state_machine_name: String::new(),
        role_arn: String::new(),
    };
    let start = Start { identity, input: setup.input.clone(), at: setup.at, seed: setup.seed };
    let mut execution = Execution::new(setup.machine, start);
    execution.tried_context = Some(Rc::new(setup.context.clone()));
    let flow = setup.machine.0.flow.clone();
    let thread = execution.add_thread(Thread::root(flow.clone()));
    execution.thread_mut(thread).variables.assign(&setup.variables);
    execution.arrive(thread, flow.start, setup.input.clone());
    let state = execution.visit(thread).state.clone();
    let mut trial = Trial { setup, execution, thread, state, steps: Vec::new(), tolerated: Tolerated::default(), too_many: false };
    let worked = trial.work(work);
    if trial.too_many {
        return Err(TooManyFailures);
    }
    Ok(trial.ended(worked.err()))
}

struct Trial<'a> {
    setup: Setup<'a>,
    execution: Execution,
    thread: usize,
    state: Rc<State>,
    steps: Vec<(&'static str, Made)>,
    tolerated: Tolerated,
    too_many: bool,
}

/// How many of a Map's iterations may fail.
#[derive(Default)]
struct Tolerated {
    count: Option<f64>,
    percentage: Option<f64>,
}

impl Tolerated {
    /// Without a threshold none is checked.
    fn is_exceeded(&self, failed: usize, iterations: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a Map has fewer iterations than a double has whole numbers")]
        let (failed, iterations) = (failed as f64, iterations as f64);
        self.count.is_some_and(|most| failed > most) || self.percentage.is_some_and(|most| failed * 100.0 > most * iterations)
    }
}

impl Trial<'_> {
    fn work(&mut self, work: Done<'_>) -> Result<(), Trouble> {
        let state = self.state.clone();
        match &state.work {
            Work::Pass { result } => {
                self.note_pass(result.as_ref())?;
                self.execution.perform(self.thread)
            }
            Work::Choice { .. } | Work::Succeed | Work::Fail { .. } => {
                self.note_input_path()?;
                self.execution.perform(self.thread)
            }
            Work::Wait(_) => {
                self.note_input_path()?;
                self.execution.perform(self.thread)?;
                // Nobody waits here.
                let timer = self.execution.timers.iter().find(|(_, _, due)| *due == Due::Wait).map(|(timer, _, _)| *timer);
                if let Some(timer) = timer {
                    let _: Result<(), super::Closed> = self.execution.wake(timer);
                }
                Ok(())
            }
            Work::Task(_) => self.task(work),
            Work::Parallel { .. } => {
                self.execution.effective_input(self.thread)?;
                let result = told(work)?;
                self.note_result_selector(&result)?;
                self.execution.leave(self.thread, &result)
            }
            Work::Map(map) => self.map(map, work),
        }
    }

    fn task(&mut self, work: Done<'_>) -> Result<(), Trouble> {
        self.note_input_path()?;
        let parameters = self.execution.effective_input(self.thread)?;
        self.note(if self.is_query() { "afterArguments" } else { "afterParameters" }, parameters);
        self.execution.perform(self.thread)?;
        let started = self.execution.commands().into_iter().find_map(|command| match command {
            Command::Start(task) => Some(task),
            _ => None,
        });
        let result = match (work, started) {
            (Done::Called(call), Some(task)) => call(&task).map_err(|failure| Trouble { failure, origin: Origin::State }),
            (work, _) => told(work),
        };
        self.execution.close_task(self.thread);
        let result = result?;
        if result.is_too_large() {
            return Err(Trouble { failure: too_large(&self.state.name), origin: Origin::State });
        }
        self.note("result", result.clone());
        self.note_result_selector(&result)?;
        self.execution.leave(self.thread, &result)
    }

    fn map(&mut self, work: &MapWork, done: Done<'_>) -> Result<(), Trouble> {
        self.note_input_path()?;
        let input = self.execution.effective_input(self.thread)?;
        let items = if self.setup.state.contains_key("ItemReader") {
            self.read_items()
        } else {
            let items = self.execution.map_items(self.thread, work, &input)?;
            if !self.is_query() {
                self.note("afterItemsPath", items.clone());
            }
            Some(items)
        };
        if let Some(items) = items.as_ref().filter(|_| work.selector.is_some()) {
            let inputs = self.execution.map_inputs(self.thread, work, &input, items)?;
            let inputs = inputs.into_iter().map(|(input, _)| input.value().clone()).collect();
            self.note("afterItemSelector", Value::Array(inputs).into());
        }
        let concurrency = self.execution.map_concurrency(self.thread, work, &input)?;
        self.steps.push(("maxConcurrency", Made::Limit(concurrency.into())));
        self.note_tolerated(work, &input)?;
        let result = told(done)?;
        let failed = self.setup.failed_iterations.unwrap_or_default();
        let iterations = items.as_ref().or(Some(&result)).and_then(|items| items.value().as_array()).map_or(0, Vec::len);
        if failed > iterations {
            self.too_many = true;
            return Ok(());
        }
        if self.tolerated.is_exceeded(failed, iterations) {
            let failure = Failure::new("States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded");
            return Err(Trouble { failure, origin: Origin::State });
        }
        self.note_result_selector(&result)?;
        self.execution.leave(self.thread, &result)
    }

    /// What the `ItemReader` gives, where the request says so and it is JSON.
    fn read_items(&mut self) -> Option<Json> {
        let read = self.setup.read_items.clone()?;
        let pointer = self.setup.state["ItemReader"].get("ReaderConfig").and_then(|config| config.get("ItemsPointer"));
        let read = match pointer.and_then(Value::as_str) {
            Some(place) => {
                let found = read.pointer(place).cloned().unwrap_or(Value::Null);
                self.note("afterItemsPointer", found.clone().into());
                found
            }
            None => read,
        };
        read.is_array().then(|| read.into())
    }

    fn note_tolerated(&mut self, work: &MapWork, input: &Json) -> Result<(), Trouble> {
        for (field, name) in
            [("ToleratedFailureCount", "toleratedFailureCount"), ("ToleratedFailurePercentage", "toleratedFailurePercentage")]
        {
            let Some(most) = self.tolerated(work, field, input)? else { continue };
            #[expect(clippy::cast_possible_truncation, reason = "a count of iterations")]
            let limit = if field.ends_with("Count") {
                self.tolerated.count = Some(most);
                Number::from(most as i64)
            } else {
                self.tolerated.percentage = Some(most);
                Number::from_f64(most).unwrap_or_else(|| Number::from(0))
            };
            self.steps.push((name, Made::Limit(limit)));
        }
        Ok(())
    }

    fn tolerated(&self, work: &MapWork, field: &str, input: &Json) -> Result<Option<f64>, Trouble> {
        if let Some((_, query)) = work.tolerated.iter().find(|(name, _)| *name == field) {
            let seen = Seen::input(input, 3);
            let most = self.execution.evaluate(self.thread, &seen, |scope| query.typed(scope, Expected::Number))?;
            return Ok(most.value().as_f64());
        }
        if let Some(path) = self.setup.state.get(&format!("{field}Path")).and_then(Value::as_str).and_then(|path| Path::parse(path).ok()) {
            let most = self.execution.evaluate(self.thread, &Seen::input(input, 3), |scope| path.evaluate(scope))?;
            return Ok(most.value().as_f64());
        }
        Ok(self.setup.state.get(field).and_then(Value::as_f64))
    }

    fn note_pass(&mut self, result: Option<&Json>) -> Result<(), Trouble> {
        if self.is_query() {
            return Ok(());
        }
        let value = if let Some(result) = result {
            self.note("result", result.clone());
            result.clone()
        } else {
            self.note_input_path()?;
            let parameters = self.execution.effective_input(self.thread)?;
            self.note("afterParameters", parameters.clone());
            parameters
        };
        self.note_result_selector(&value)
    }

    fn note_input_path(&mut self) -> Result<(), Trouble> {
        let state = self.state.clone();
        if let Shape::Path { input_path, .. } = &state.shape {
            let input = self.execution.selected(self.thread, input_path.as_ref(), &self.setup.input)?;
            self.note("afterInputPath", input);
        }
        Ok(())
    }

    /// What `ResultSelector` and `ResultPath` make of a result.
    fn note_result_selector(&mut self, result: &Json) -> Result<(), Trouble> {
        let state = self.state.clone();
        let Shape::Path { result_selector, result_path, .. } = &state.shape else { return Ok(()) };
        let selected = match result_selector {
            Some(selector) => {
                let seen = Seen::input(result, 6);
                self.execution.evaluate(self.thread, &seen, |scope| selector.evaluate(scope))?
            }
            None => result.clone(),
        };
        self.note("afterResultSelector", selected.clone());
        let placed = Execution::placed(result_path.as_ref(), &self.setup.input, &selected);
        let placed = placed.map_err(|fault| self.execution.fault(self.thread, fault))?;
        self.note("afterResultPath", placed);
        Ok(())
    }

    fn note(&mut self, step: &'static str, made: Json) {
        self.steps.push((step, Made::Data(made)));
    }

    fn is_query(&self) -> bool {
        self.state.language == Language::Query
    }

    /// Lets Retry and Catch see what went wrong, and tells how the state ends.
    fn ended(mut self, trouble: Option<Trouble>) -> Tried {
        let (mut retrier, mut catcher) = (None, None);
        let failure = trouble.as_ref().map(|trouble| trouble.failure.clone());
        if let Some(trouble) = trouble {
            if trouble.origin != Origin::Runtime {
                retrier = self.state.retry.iter().position(|retrier| takes(&retrier.errors, &trouble));
                catcher = self.state.catch.iter().position(|catcher| takes(&catcher.errors, &trouble));
            }
            if let Some(retrier) = retrier {
                self.execution.visit_mut(self.thread).retries[retrier] = self.setup.retries;
            }
            self.execution.commands.clear();
            self.execution.trouble(self.thread, trouble);
        }
        let wakes = self.execution.commands().into_iter().find_map(|command| match command {
            Command::Wake { timer, at } if self.execution.timers.iter().any(|due| due.0 == timer && due.2 == Due::Retry) => Some(at),
            _ => None,
        });
        let left =
            self.execution.agenda.pop_front().map(|step| (step.input, Some(self.setup.machine.0.flow.states[step.state].name.clone())));
        let end = match (&self.execution.status, failure, left) {
            (Status::Succeeded(output), None, _) => End::Succeeded { output: output.clone(), next: None },
            (_, None, Some((output, next))) => End::Succeeded { output, next },
            (_, Some(failure), Some((output, next))) => End::Caught { failure, output, next },
            (_, Some(failure), None) if wakes.is_some() => End::Retried(failure),
            (Status::Failed(failure), _, _) => End::Failed(failure.clone()),
            (_, failure, _) => End::Failed(failure.unwrap_or_default()),
        };
        if !matches!(end, End::Caught { .. }) {
            catcher = None;
        }
        let variables = match end {
            End::Succeeded { .. } | End::Caught { .. } => self.execution.thread(self.thread).variables.all(),
            _ => Vec::new(),
        };
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let backoff_seconds = wakes.map(|at| (at.0 - self.setup.at.0) / 1000);
        debug_assert!(matches!(self.execution.visit(self.thread).activity, Activity::None | Activity::Timer));
        Tried { steps: self.steps, end, retrier, backoff_seconds, catcher, variables }
    }
}

/// What came of branches and items, which nobody calls.
fn told(work: Done<'_>) -> Result<Json, Trouble> {
    match work {
        Done::Told(Ok(result)) => Ok(result),
        Done::Told(Err(failure)) => Err(Trouble { failure, origin: Origin::State }),
        Done::Called(_) => Err(Trouble { failure: Failure::named("States.Runtime"), origin: Origin::Runtime }),
    }
}
