//! What each kind of state does.

use std::rc::Rc;

use serde_json::Value;

use super::running::{Activity, Children, Due, Item, Seen, too_large};
use super::trouble::{Origin, Trouble};
use super::{Command, Execution, Task, TaskId};
use crate::context::{Fault, Scope};
use crate::definition::{
    Assign, Condition, Items, MapWork, Next, Pattern, Placement, Resource, Rule, Seconds, Selection, Shape, State, TaskWork, Template,
    Text, WaitFor, Work,
};
use crate::history::Detail;
use crate::jsonata::Expected;
use crate::order;
use crate::value::{Failure, Instant, Json};

/// The longest that a Wait can be told to wait: AWS counts its seconds in 32 bits.
const LONGEST_WAIT_SECONDS: i64 = i32::MAX as i64;

type Assigned = Vec<(Rc<str>, Json)>;

impl Execution {
    /// Does the work of the state that the thread is in, or begins it.
    pub(super) fn perform(&mut self, thread: usize) -> Result<(), Trouble> {
        let state = self.visit(thread).state.clone();
        match &state.work {
            Work::Pass { result } => {
                let result = match result {
                    Some(result) => result.clone(),
                    None => self.effective_input(thread)?,
                };
                self.leave_without_result(thread, &result)
            }
            Work::Succeed => {
                let input = self.effective_input(thread)?;
                self.leave_without_result(thread, &input)
            }
            Work::Fail { error, cause } => self.fail(thread, error.as_ref(), cause.as_ref()),
            Work::Choice { rules, default } => self.choose(thread, rules, *default),
            Work::Wait(wait) => self.wait(thread, wait),
            Work::Task(work) => self.begin_task(thread, &state, work),
            Work::Parallel { branches } => {
                let input = self.effective_input(thread)?;
                let started = self.record(thread, Detail::StateStarted { kind: "Parallel", length: None });
                self.visit_mut(thread).activity = Activity::Children(Children {
                    running: Vec::with_capacity(branches.len()),
                    outputs: vec![None; branches.len()],
                    inputs: vec![(input, None); branches.len()],
                    begun: branches.len(),
                    concurrency: branches.len(),
                });
                for (place, branch) in branches.iter().enumerate() {
                    self.begin_child(thread, place, branch, started);
                }
                Ok(())
            }
            Work::Map(work) => self.begin_map(thread, work),
        }
    }

    fn fail(&mut self, thread: usize, error: Option<&Text>, cause: Option<&Text>) -> Result<(), Trouble> {
        let input = self.effective_input(thread)?;
        let text = |text: Option<&Text>, execution: &Self| text.map(|text| execution.text(thread, text, &input)).transpose();
        let failure = Failure { error: text(error, self)?, cause: text(cause, self)? };
        Err(Trouble { failure, origin: Origin::State })
    }

    fn choose(&mut self, thread: usize, rules: &[Rule], default: Option<usize>) -> Result<(), Trouble> {
        let state = self.visit(thread).state.clone();
        let input = self.effective_input(thread)?;
        let chosen = self.evaluate(thread, &Seen::input(&input, 1), |scope| {
            for rule in rules {
                let applies = match &rule.condition {
                    Condition::Path(comparison) => comparison.matches(scope)?,
                    Condition::Query(query) => query.typed(scope, Expected::Boolean)?.value() == &Value::Bool(true),
                };
                if applies {
                    let output = rule.output.as_ref().map_or_else(|| Ok(input.clone()), |output| output.evaluate(scope))?;
                    return Ok(Some((output, Self::assigned(rule.assign.as_ref(), scope)?, rule.next)));
                }
            }
            let Some(next) = default else { return Ok(None) };
            let output = match &state.shape {
                Shape::Query { output: Some(output), .. } => output.evaluate(scope)?,
                _ => input.clone(),
            };
            Ok(Some((output, Self::assigned(state.assign.as_ref(), scope)?, next)))
        })?;
        let Some((output, assigned, next)) = chosen else {
            return Err(self.fault(thread, Fault::runtime(NO_CHOICE)));
        };
        let output = match &state.shape {
            Shape::Path { output_path, .. } => self.selected(thread, output_path.as_ref(), &output)?,
            Shape::Query { .. } => output,
        };
        self.exit(thread, output, assigned, Next::To(next))
    }

    fn wait(&mut self, thread: usize, wait: &WaitFor) -> Result<(), Trouble> {
        let input = self.effective_input(thread)?;
        let until = match wait {
            WaitFor::Seconds(seconds) => self.now + self.seconds(thread, seconds, &input, "Seconds")?,
            WaitFor::Timestamp(timestamp) => {
                let text = self.text(thread, timestamp, &input)?;
                instant(&text).ok_or_else(|| self.fault(thread, no_timestamp(timestamp, &text)))?
            }
        };
        if until.0 - self.now.0 > LONGEST_WAIT_SECONDS * 1000 {
            return Err(self.fault(thread, Fault::runtime("Wait state delay is too long.")));
        }
        if until <= self.now {
            return self.leave_without_result(thread, &input);
        }
        self.visit_mut(thread).activity = Activity::Timer;
        self.set_timer(thread, Due::Wait, until);
        Ok(())
    }

    fn begin_task(&mut self, thread: usize, state: &Rc<State>, work: &TaskWork) -> Result<(), Trouble> {
        let token = (work.resource.pattern == Pattern::TaskToken).then(|| {
            let random = self.random(thread, 2);
            let redrives = self.redrives;
            Rc::from(format!("{}{}{redrives:04x}", random.uuid(), random.uuid()).replace('-', ""))
        });
        self.visit_mut(thread).token.clone_from(&token);
        let parameters = self.effective_input(thread)?;
        if let Some(field) = ill_formed(&work.resource, &parameters) {
            let given = if self.is_query(thread) { "Arguments" } else { "Parameters" };
            let message = format!(
                "The {given} '{}' could not be used to start the Task: [The value of the field '{field}' has an invalid format]",
                parameters.text()
            );
            return Err(self.fault(thread, Fault::runtime(message)));
        }
        let input = self.visit(thread).input.clone();
        let seconds = |seconds: Option<&Seconds>, field, execution: &Self| {
            seconds.map(|seconds| execution.seconds(thread, seconds, &input, field)).transpose()
        };
        let timeout_seconds = seconds(work.timeout.as_ref(), "TimeoutSeconds", self)?;
        let heartbeat_seconds = seconds(work.heartbeat.as_ref(), "HeartbeatSeconds", self)?;
        let role: Option<Rc<str>> = work.role.as_ref().map(|role| self.text(thread, role, &input)).transpose()?.map(Rc::from);
        let task = TaskId(self.next_task);
        self.next_task += 1;
        self.record(
            thread,
            Detail::TaskScheduled {
                call: work.call.clone(),
                region: self.region.clone(),
                parameters: parameters.clone(),
                timeout_seconds,
                heartbeat_seconds,
                role: role.clone(),
            },
        );
        self.record(thread, Detail::TaskStarted { call: work.call.clone() });
        self.tasks.push((task, thread));
        self.visit_mut(thread).activity = Activity::Task { task, heartbeat_seconds };
        self.commands.push(Command::Start(Task {
            id: task,
            state: state.name.clone(),
            resource: work.resource.clone(),
            parameters,
            token,
            role,
            retries: self.visit(thread).tries(),
            entry: self.entries[state.number] - 1,
        }));
        if let Some(seconds) = timeout_seconds {
            self.set_timer(thread, Due::TaskTimeout, self.now + seconds);
        }
        if let Some(seconds) = heartbeat_seconds {
            self.set_timer(thread, Due::Heartbeat, self.now + seconds);
        }
        Ok(())
    }

    fn begin_map(&mut self, thread: usize, work: &MapWork) -> Result<(), Trouble> {
        let input = self.effective_input(thread)?;
        let items = self.map_items(thread, work, &input)?;
        let concurrency = self.map_concurrency(thread, work, &input)?;
        for (_, tolerated) in &work.tolerated {
            self.evaluate(thread, &Seen::input(&input, 3), |scope| tolerated.typed(scope, Expected::Number))?;
        }
        let inputs = self.map_inputs(thread, work, &input, &items)?;
        let started = self.record(thread, Detail::StateStarted { kind: "Map", length: Some(inputs.len()) });
        let concurrency = usize::try_from(concurrency).ok().filter(|most| *most > 0).unwrap_or(inputs.len()).min(inputs.len());
        self.visit_mut(thread).activity = Activity::Children(Children {
            running: Vec::with_capacity(concurrency),
            outputs: vec![None; inputs.len()],
            begun: concurrency,
            concurrency,
            inputs,
        });
        if concurrency == 0 {
            self.children_done(thread);
        }
        for place in 0..concurrency {
            self.begin_child(thread, place, &work.processor, started);
        }
        Ok(())
    }

    /// What a Map goes through: an array.
    pub(super) fn map_items(&self, thread: usize, work: &MapWork, input: &Json) -> Result<Json, Trouble> {
        self.evaluate(thread, &Seen::input(input, 3), |scope| match &work.items {
            Items::Input => match input.value() {
                Value::Array(_) => Ok(input.clone()),
                _ if self.is_query(thread) => Err(Fault { error: Fault::QUERY, location: None, message: not_items(input) }),
                _ => Err(Fault::runtime("Reference path \"$\" must point to array.")),
            },
            Items::Path(path, text) => {
                let items = path.evaluate(scope)?;
                // A path into the context object is told with one dollar sign.
                let text = text.strip_prefix('$').filter(|text| text.starts_with('$')).unwrap_or(text);
                match items.value() {
                    Value::Array(_) => Ok(items),
                    _ => Err(Fault::runtime(format!("Reference path \"{text}\" must point to array."))),
                }
            }
            Items::Query(query) => query.typed(scope, Expected::Array),
        })
    }

    /// How many of a Map's items may run at once; 0 for all.
    pub(super) fn map_concurrency(&self, thread: usize, work: &MapWork, input: &Json) -> Result<i64, Trouble> {
        match &work.concurrency {
            Some(Seconds::Path { path, text, .. }) => self.evaluate(thread, &Seen::input(input, 3), |scope| {
                let value = path.evaluate(scope)?;
                let message =
                    || format!("The MaxConcurrencyPath field refers to value \"{}\" which is not a valid integer: {text}", plain(&value));
                value.value().as_i64().ok_or_else(|| Fault::runtime(message()))
            }),
            Some(concurrency) => self.seconds(thread, concurrency, input, "MaxConcurrency"),
            None => Ok(0),
        }
    }

    /// What each of a Map's items is given.
    pub(super) fn map_inputs(
        &self,
        thread: usize,
        work: &MapWork,
        input: &Json,
        items: &Json,
    ) -> Result<Vec<(Json, Option<Item>)>, Trouble> {
        let items = items.value().as_array().cloned().unwrap_or_default();
        let mut inputs = Vec::with_capacity(items.len());
        for (index, value) in items.into_iter().enumerate() {
            let item = Item { index, value: value.into() };
            let given = match &work.selector {
                Some(selector) => {
                    let seen = Seen { item: Some(&item), ..Seen::input(input, 4) };
                    self.evaluate(thread, &seen, |scope| selector.evaluate(scope))?
                }
                None => item.value.clone(),
            };
            inputs.push((given, Some(item)));
        }
        Ok(inputs)
    }

    /// What the state works on: its input as `InputPath` and `Parameters`, or `Arguments`, make it.
    pub(super) fn effective_input(&self, thread: usize) -> Result<Json, Trouble> {
        let visit = self.visit(thread);
        match &visit.state.shape {
            Shape::Query { arguments: Some(arguments), .. } => {
                self.evaluate(thread, &Seen::input(&visit.input, 5), |scope| arguments.evaluate(scope))
            }
            Shape::Query { arguments: None, .. } => Ok(visit.input.clone()),
            Shape::Path { input_path, parameters, .. } => {
                let input = self.selected(thread, input_path.as_ref(), &visit.input)?;
                match parameters {
                    Some(parameters) => self.evaluate(thread, &Seen::input(&input, 5), |scope| parameters.evaluate(scope)),
                    None => Ok(input),
                }
            }
        }
    }

    /// Leaves the state with a task's, a Parallel's or a Map's result.
    pub(super) fn leave(&mut self, thread: usize, result: &Json) -> Result<(), Trouble> {
        let state = self.visit(thread).state.clone();
        let input = self.visit(thread).input.clone();
        match &state.shape {
            Shape::Query { output, .. } => {
                let seen = Seen { result: Some(result), ..Seen::input(&input, 6) };
                let (output, assigned) = self.evaluate(thread, &seen, |scope| {
                    let output = output.as_ref().map_or_else(|| Ok(result.clone()), |output| output.evaluate(scope))?;
                    Ok((output, Self::assigned(state.assign.as_ref(), scope)?))
                })?;
                self.exit(thread, output, assigned, state.next)
            }
            Shape::Path { result_selector, .. } => {
                let result = match result_selector {
                    Some(selector) => self.evaluate(thread, &Seen::input(result, 6), |scope| selector.evaluate(scope))?,
                    None => result.clone(),
                };
                self.leave_with(thread, &result)
            }
        }
    }

    /// Leaves a state that has no result of its own: a Pass, a Wait, a Succeed.
    pub(super) fn leave_without_result(&mut self, thread: usize, value: &Json) -> Result<(), Trouble> {
        let state = self.visit(thread).state.clone();
        let Shape::Query { output, .. } = &state.shape else { return self.leave_with(thread, value) };
        let input = self.visit(thread).input.clone();
        let (output, assigned) = self.evaluate(thread, &Seen::input(&input, 6), |scope| {
            let output = output.as_ref().map_or_else(|| Ok(value.clone()), |output| output.evaluate(scope))?;
            Ok((output, Self::assigned(state.assign.as_ref(), scope)?))
        })?;
        self.exit(thread, output, assigned, state.next)
    }

    /// JSONPath's way out: `Assign`, `ResultPath`, `OutputPath`.
    fn leave_with(&mut self, thread: usize, result: &Json) -> Result<(), Trouble> {
        let state = self.visit(thread).state.clone();
        let Shape::Path { result_path, output_path, .. } = &state.shape else { return Ok(()) };
        let assigned = self.evaluate(thread, &Seen::input(result, 6), |scope| Self::assigned(state.assign.as_ref(), scope))?;
        let input = self.visit(thread).input.clone();
        // A state without a result of its own hands on what it works on.
        let output = match state.work {
            Work::Wait(_) | Work::Succeed => Ok(result.clone()),
            _ => Self::placed(result_path.as_ref(), &input, result),
        };
        let output = output.map_err(|fault| self.fault(thread, fault))?;
        let output = self.selected(thread, output_path.as_ref(), &output)?;
        self.exit(thread, output, assigned, state.next)
    }

    /// Leaves the state and goes on.
    pub(super) fn exit(&mut self, thread: usize, output: Json, assigned: Assigned, next: Next) -> Result<(), Trouble> {
        let state = self.visit(thread).state.clone();
        if output.is_too_large() {
            return Err(Trouble { failure: too_large(&state.name), origin: Origin::Runtime });
        }
        if !assigned.is_empty() {
            self.thread_mut(thread).variables.assign(&assigned);
        }
        self.record(thread, Detail::StateExited { kind: state.kind(), name: state.name.clone(), output: output.clone(), assigned });
        match next {
            Next::To(state) => self.agenda.push_back(super::running::Step { thread, state, input: output }),
            Next::End => self.finish(thread, output),
        }
        Ok(())
    }

    pub(super) fn evaluate<T>(
        &self,
        thread: usize,
        seen: &Seen<'_>,
        run: impl FnOnce(&Scope<'_>) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        self.with_scope(thread, seen, run).map_err(|fault| self.fault(thread, fault))
    }

    pub(super) fn assigned(assign: Option<&Assign>, scope: &Scope<'_>) -> Result<Assigned, Fault> {
        match assign {
            Some(Template::Path(template)) => template.assign(scope),
            Some(Template::Query(query)) => query.assign(scope),
            None => Ok(Vec::new()),
        }
    }

    /// Where `ResultPath` puts a result.
    pub(super) fn placed(placement: Option<&Placement>, input: &Json, result: &Json) -> Result<Json, Fault> {
        match placement {
            None => Ok(result.clone()),
            Some(Placement::Discard) => Ok(input.clone()),
            Some(Placement::At(path)) => path.put(input.value(), result.value()).map(Json::from),
        }
    }

    /// What `InputPath` or `OutputPath` selects.
    pub(super) fn selected(&self, thread: usize, selection: Option<&Selection>, from: &Json) -> Result<Json, Trouble> {
        match selection {
            None => Ok(from.clone()),
            Some(Selection::Nothing) => Ok(Json::empty()),
            Some(Selection::At(path)) => self.evaluate(thread, &Seen::input(from, 9), |scope| path.evaluate(scope)),
        }
    }

    fn is_query(&self, thread: usize) -> bool {
        self.visit(thread).state.language == crate::definition::Language::Query
    }

    fn text(&self, thread: usize, text: &Text, input: &Json) -> Result<String, Trouble> {
        if let Text::Fixed(text) = text {
            return Ok(text.to_string());
        }
        self.evaluate(thread, &Seen::input(input, 1), |scope| match text {
            Text::Fixed(text) => Ok(text.to_string()),
            Text::Path { path, text, field } => {
                let value = path.evaluate(scope).map_err(|fault| match *field {
                    "ErrorPath" | "CausePath" => Fault::runtime(format!(
                        "The JSONPath '{text}' specified for the field '{field}' could not be found in the input '{}'",
                        input.text()
                    )),
                    _ => fault,
                })?;
                let message = || format!("The {field} parameter does not reference a string: {text} == {}", value.text());
                value.value().as_str().map(str::to_owned).ok_or_else(|| Fault::runtime(message()))
            }
            Text::Intrinsic(intrinsic) => {
                let value = intrinsic.evaluate(scope)?;
                let message = || format!("The intrinsic function gave no string: {}", value.text());
                value.value().as_str().map(str::to_owned).ok_or_else(|| Fault::runtime(message()))
            }
            Text::Query(query) => Ok(query.typed(scope, Expected::String)?.value().as_str().unwrap_or_default().to_owned()),
        })
    }

    fn seconds(&self, thread: usize, seconds: &Seconds, input: &Json, _field: &str) -> Result<i64, Trouble> {
        if let Seconds::Fixed(seconds) = seconds {
            return Ok(*seconds);
        }
        self.evaluate(thread, &Seen::input(input, 1), |scope| match seconds {
            Seconds::Fixed(seconds) => Ok(*seconds),
            Seconds::Path { path, text, field } => {
                let value = path.evaluate(scope)?;
                let message = || format!("The {field} parameter cannot be parsed as a long value: {text} == {}", plain(&value));
                value.value().as_i64().filter(|seconds| *seconds >= 0).ok_or_else(|| Fault::runtime(message()))
            }
            Seconds::Query(query) => Ok(query.typed(scope, Expected::Integer)?.value().as_i64().unwrap_or_default()),
        })
    }
}

/// With these words, and as `States.Runtime`, AWS fails a Choice that leads nowhere; the `States.NoChoiceMatched` of its guide was
/// never seen.
const NO_CHOICE: &str = "Failed to transition out of the state. The state does not point to a next state.";

/// The field that an integration can't make a request of. API Gateway's headers and query parameters are lists of strings by name
/// («Create API Gateway REST APIs with Step Functions», «Request syntax»).
fn ill_formed(resource: &Resource, parameters: &Json) -> Option<&'static str> {
    if resource.service != "apigateway" {
        return None;
    }
    let is_list = |value: &Value| value.as_array().is_some_and(|values| values.iter().all(Value::is_string));
    let fits = |value: &Value| value.as_object().is_some_and(|lists| lists.values().all(is_list));
    let given = |name: &&str| parameters.value().get(name).is_some_and(|value| !value.is_null() && !fits(value));
    ["Headers", "QueryParameters"].into_iter().find(given)
}

/// A value as AWS quotes it: a string bare, everything else as JSON.
fn plain(value: &Json) -> String {
    value.value().as_str().map_or_else(|| value.text().to_owned(), str::to_owned)
}

fn not_items(input: &Json) -> String {
    format!("Map state input must be an array but was: {}", input.text())
}

fn instant(text: &str) -> Option<Instant> {
    order::timestamp(text).map(|timestamp| Instant(timestamp.as_millisecond()))
}

fn no_timestamp(timestamp: &Text, text: &str) -> Fault {
    match timestamp {
        Text::Path { text: path, field, .. } => Fault::runtime(format!(
            "The {field} parameter does not reference a valid ISO-8601 extended offset date-time format string: {path} == {text}"
        )),
        _ => Fault::query(
            "Timestamp",
            format!("The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"),
        ),
    }
}

impl Template {
    fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        match self {
            Self::Path(template) => template.evaluate(scope),
            Self::Query(query) => query.evaluate(scope),
        }
    }
}
